//! The baseline of pages: axum and askama and nothing else, 50 rows in a table.

use std::net::Ipv4Addr;

use anyhow::{Context, Result};
use askama::Template;
use axum::Router;
use axum::response::Html;
use axum::routing::get;

#[derive(Template)]
#[template(
    ext = "html",
    source = "<!doctype html><html lang=en><head><meta charset=utf-8><title>{{ title }}</title>\
              <link rel=stylesheet href=/style.css></head><body><h1>{{ title }}</h1><table>\
              {% for row in rows %}<tr><td>{{ row.0 }}</td><td>{{ row.1 }}</td><td>{{ row.2 }} ms</td>\
              </tr>{% endfor %}</table></body></html>"
)]
struct Page {
    title: String,
    rows: Vec<(String, &'static str, u32)>,
}

async fn page() -> Html<String> {
    let row = |n: u32| (format!("neighbour <{n}>"), "connected & well", n * 7 % 40);
    let page = Page { title: "Overview".into(), rows: (0..50).map(row).collect() };
    Html(page.render().unwrap_or_default())
}

/// Serves until it is killed; prints its address.
pub(super) fn serve() -> Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.context("a runtime")?.block_on(async {
        let listener = tokio::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await;
        let listener = listener.context("a socket")?;
        println!("{}", listener.local_addr().context("own address")?);
        axum::serve(listener, Router::new().route("/", get(page))).await.context("serve")
    })
}
