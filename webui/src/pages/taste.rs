//! How the panel looks and speaks, kept by the browser.

use crate::answer::{Answer, Failure, see};
use crate::ask::Ask;
use crate::cookies::{self, Jar};
use crate::lang::Lang;
use crate::urls;
use axum::http::header::SET_COOKIE;

#[expect(clippy::unused_async, reason = "the table holds async functions")]
pub(crate) async fn submit(ask: Ask) -> Result<Answer, Failure> {
    let mut answer = see(ask.form.get("back").and_then(urls::back).unwrap_or("/"));
    let theme = ask.form.get("theme").map(|theme| if theme == "auto" { "" } else { theme });
    let theme = theme
        .filter(|theme| ["", "light", "dark"].contains(theme))
        .map(|theme| (Jar::Theme, theme));
    let lang =
        ask.form.get("lang").and_then(Lang::by_code).map(|lang| (Jar::Language, lang.code()));
    for (jar, value) in theme.into_iter().chain(lang) {
        if let Some(cookie) = cookies::write(&ask.app.config, jar, value) {
            answer.headers_mut().append(SET_COOKIE, cookie);
        }
    }
    Ok(answer)
}
