//! Counters for Prometheus, in its text format 0.0.4.

use std::fmt::Write as _;

use axum::http::StatusCode;
use kith_model::command::Command;
use kith_model::status::Metric;

use crate::answer::{Answer, Failure, text};
use crate::ask::{Ask, expect_reply};

pub(crate) async fn show(ask: Ask) -> Result<Answer, Failure> {
    let metrics = expect_reply!(ask.call(Command::Metrics).await?, Metrics);
    Ok(text(StatusCode::OK, "text/plain; version=0.0.4; charset=utf-8", render(&metrics)))
}

/// HELP and TYPE stand once above the samples of a name, so samples are gathered by name.
fn render(metrics: &[Metric]) -> String {
    let mut sorted: Vec<&Metric> =
        metrics.iter().filter(|metric| good_name(&metric.name)).collect();
    sorted.sort_by(|a, b| a.name.cmp(&b.name));
    let mut page = String::new();
    let mut above = "";
    for metric in sorted {
        let name = metric.name.as_str();
        if name != above {
            let kind = if metric.kind == "counter" { "counter" } else { "gauge" };
            let _ = writeln!(
                page,
                "# HELP {name} {}\n# TYPE {name} {kind}",
                escape(&metric.help, false)
            );
            above = name;
        }
        page.push_str(name);
        let labels = metric.labels.iter().filter(|(key, _)| good_name(key));
        let labels: Vec<String> =
            labels.map(|(key, value)| format!("{key}=\"{}\"", escape(value, true))).collect();
        if !labels.is_empty() {
            let _ = write!(page, "{{{}}}", labels.join(","));
        }
        let _ = writeln!(page, " {}", number(metric.value));
    }
    page
}

fn good_name(name: &str) -> bool {
    let mut bytes = name.bytes();
    bytes.next().is_some_and(|first| first.is_ascii_alphabetic() || first == b'_')
        && bytes.all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

fn escape(text: &str, quotes: bool) -> String {
    let mut escaped = String::with_capacity(text.len());
    for char in text.chars() {
        match char {
            '\\' => escaped.push_str("\\\\"),
            '\n' => escaped.push_str("\\n"),
            '"' if quotes => escaped.push_str("\\\""),
            other => escaped.push(other),
        }
    }
    escaped
}

fn number(value: f64) -> String {
    if value.is_nan() {
        "NaN".into()
    } else if value.is_infinite() {
        if value > 0.0 { "+Inf".into() } else { "-Inf".into() }
    } else {
        value.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_label_writes_a_line_of_its_own() {
        let sample = |name: &str, label: &str, value| Metric {
            name: name.into(),
            help: "Things\nin all".into(),
            kind: "counter".into(),
            labels: vec![("peer".into(), label.into())],
            value,
        };
        let page = render(&[
            sample("kith_b_total", "a\"} 1\nkith_x 2", 3.0),
            sample("kith_a_total", "\\", 0.5),
            sample("kith_b_total", "two", f64::INFINITY),
            sample("bad name", "x", 1.0),
        ]);
        assert_eq!(
            page,
            "# HELP kith_a_total Things\\nin all\n# TYPE kith_a_total counter\nkith_a_total{peer=\"\\\\\"} 0.5\n\
             # HELP kith_b_total Things\\nin all\n# TYPE kith_b_total counter\n\
             kith_b_total{peer=\"a\\\"} 1\\nkith_x 2\"} 3\nkith_b_total{peer=\"two\"} +Inf\n"
        );
    }
}
