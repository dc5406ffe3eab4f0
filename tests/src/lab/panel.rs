//! A person at the panel without a browser: keeps cookies, fills in forms as they come.

use std::collections::BTreeMap;

use anyhow::{Context, Result, ensure};

use super::http::{Answer, Ask};
use super::process::Node;

/// A passphrase that no list of common ones holds.
pub const PASSPHRASE: &str = "seven lanterns by the river";

/// Somebody with cookies.
#[derive(Clone, Debug, Default)]
pub struct Visitor {
    base: String,
    cookies: BTreeMap<String, String>,
}

impl Visitor {
    /// Nobody yet, at this node's panel.
    #[must_use]
    pub fn at(node: &Node) -> Self {
        Self::of(&node.panel)
    }

    /// Nobody yet, at the panel of this address.
    #[must_use]
    pub fn of(panel: &str) -> Self {
        Self { base: panel.trim_end_matches('/').to_owned(), cookies: BTreeMap::new() }
    }

    /// Claims the node and is its owner from then on.
    ///
    /// # Errors
    /// When it does not let itself be claimed.
    pub fn claim(node: &Node) -> Result<Self> {
        Self::claim_at(&node.panel, &node.claim.clone().context("a claim secret")?)
    }

    /// Claims the node whose panel and secret these are, and is its owner from then on.
    ///
    /// # Errors
    /// When it does not let itself be claimed.
    pub fn claim_at(panel: &str, secret: &str) -> Result<Self> {
        let mut owner = Self::of(panel);
        let fields = [
            ("secret", secret),
            ("name", "Anna"),
            ("box_name", "Anna's box"),
            ("passphrase", PASSPHRASE),
        ];
        let answer = owner.submit("/claim", &fields)?;
        ensure!(answer.status == 303, "claim: {} {}", answer.status, answer.text());
        Ok(owner)
    }

    /// A request with the cookies, not yet sent.
    ///
    /// # Errors
    /// When the path is none.
    pub fn ask(&self, path: &str) -> Result<Ask> {
        Ok(self.dress(Ask::get(&format!("{}{path}", self.base))?))
    }

    /// Gets a page.
    ///
    /// # Errors
    /// When nothing answers.
    pub fn get(&mut self, path: &str) -> Result<Answer> {
        let answer = self.ask(path)?.send()?;
        self.keep(&answer);
        Ok(answer)
    }

    /// Gets the page at `path`, fills in its form and sends it.
    ///
    /// # Errors
    /// When nothing answers.
    pub fn submit(&mut self, path: &str, fields: &[(&str, &str)]) -> Result<Answer> {
        let page = self.get(path)?.text();
        self.post(path, &hidden(&page, path), fields)
    }

    /// Sends a form with these hidden fields and these filled in.
    ///
    /// # Errors
    /// When nothing answers.
    pub fn post(
        &mut self,
        path: &str,
        hidden: &BTreeMap<String, String>,
        fields: &[(&str, &str)],
    ) -> Result<Answer> {
        let filled = |name: &str| fields.iter().any(|(n, _)| *n == name);
        let all: Vec<(&str, &str)> = hidden
            .iter()
            .map(|(n, v)| (n.as_str(), v.as_str()))
            .filter(|(n, _)| !filled(n))
            .chain(fields.iter().copied())
            .collect();
        let ask = Ask::post_form(&format!("{}{path}", self.base), &all)?.same_origin();
        let answer = self.dress(ask).send()?;
        self.keep(&answer);
        Ok(answer)
    }

    /// The `Cookie` header.
    #[must_use]
    pub fn cookie(&self) -> String {
        let pairs: Vec<String> = self.cookies.iter().map(|(n, v)| format!("{n}={v}")).collect();
        pairs.join("; ")
    }

    fn dress(&self, ask: Ask) -> Ask {
        if self.cookies.is_empty() { ask } else { ask.header("cookie", &self.cookie()) }
    }

    fn keep(&mut self, answer: &Answer) {
        for cookie in &answer.cookies {
            let pair = cookie.split(';').next().unwrap_or_default();
            if let Some((name, value)) = pair.split_once('=') {
                if value.is_empty() {
                    self.cookies.remove(name);
                } else {
                    self.cookies.insert(name.to_owned(), value.to_owned());
                }
            }
        }
    }
}

/// The hidden fields of the first form of a page that goes to `action`.
#[must_use]
pub fn hidden(page: &str, action: &str) -> BTreeMap<String, String> {
    let goes_there = |form: &&str| {
        form.split('>').next().and_then(|tag| attribute(tag, "action")).as_deref() == Some(action)
    };
    let form = page.split("<form").skip(1).find(goes_there).unwrap_or_default();
    let form = form.split("</form>").next().unwrap_or_default();
    form.split("<input")
        .skip(1)
        .filter_map(|rest| rest.split('>').next())
        .filter(|tag| attribute(tag, "type").as_deref() == Some("hidden"))
        .filter_map(|tag| Some((attribute(tag, "name")?, attribute(tag, "value")?)))
        .collect()
}

fn attribute(tag: &str, name: &str) -> Option<String> {
    let (_, rest) = tag.split_once(&format!("{name}="))?;
    match rest.strip_prefix('"') {
        Some(quoted) => quoted.split('"').next().map(str::to_owned),
        None => rest.split_whitespace().next().map(str::to_owned),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_hidden_fields_of_that_form_are_found() {
        let page = r#"<form action="/x"><input type="hidden" name="other" value="1"></form>
            <form method="post" action="/y"><input type="hidden" name="token" value="ab c">
            <input name=x value=1><input type=hidden name=n value=2></form>"#;
        let found = hidden(page, "/y");
        assert_eq!(found.get("token").map(String::as_str), Some("ab c"));
        assert_eq!(found.get("n").map(String::as_str), Some("2"));
        assert_eq!(found.len(), 2);
        assert!(hidden(page, "/z").is_empty());
    }
}
