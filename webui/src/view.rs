//! What every template has at hand: language, who looks, times and sizes in words, pictures.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use kith_model::caller::Principal;
use kith_model::command::Command;
use kith_model::refusal::Refusal;
use kith_model::reply::{Reply, Space};
use kith_model::sentence::Sentence;
use kith_model::status::{AlertKind, Status};

use crate::ask::{Ask, Theme, Visit};
use crate::backend::Side;
use crate::figures;
use crate::flash::Flash;
use crate::lang::{Lang, msg};
use crate::urls;
use crate::words::{self, Trouble, trouble};
use crate::{assets, guard, icon, sentences};

/// Text that is HTML already.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Markup(pub(crate) String);

impl fmt::Display for Markup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl askama::filters::HtmlSafe for Markup {}

/// What templates count; they hand over references and values alike.
pub(crate) trait Number {
    fn get(&self) -> u64;
}

impl Number for u64 {
    fn get(&self) -> u64 {
        *self
    }
}

impl Number for u32 {
    fn get(&self) -> u64 {
        u64::from(*self)
    }
}

impl Number for usize {
    fn get(&self) -> u64 {
        *self as u64
    }
}

impl Number for i32 {
    fn get(&self) -> u64 {
        u64::try_from(*self).unwrap_or_default()
    }
}

impl<T: Number> Number for &T {
    fn get(&self) -> u64 {
        (**self).get()
    }
}

/// Which entry of the navigation a page belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Nav {
    Overview,
    Board,
    Files,
    Peers,
    People,
    Activity,
    Network,
    Health,
    Account,
    Help,
    /// None of them.
    Other,
}

/// An entry of the navigation.
pub(crate) struct Tab {
    pub(crate) href: String,
    pub(crate) current: bool,
    pub(crate) icon: &'static str,
    pub(crate) label: Cow<'static, str>,
}

/// What every template has at hand.
#[derive(Clone, Debug)]
pub(crate) struct View {
    pub(crate) lang: Lang,
    pub(crate) theme: Theme,
    pub(crate) token: String,
    pub(crate) principal: Principal,
    pub(crate) status: Arc<Status>,
    pub(crate) now: u64,
    /// Where forms for language and look come back to.
    pub(crate) here: String,
    pub(crate) nav: Nav,
    /// The space the page is about, when its address names one.
    pub(crate) space: Option<String>,
    /// The spaces one can change to, on pages that are about one.
    pub(crate) spaces: Vec<Space>,
    pub(crate) flash: Option<Flash>,
    pub(crate) trouble: Option<Trouble>,
    /// Whether whoever looks came by a visitors' network, where nobody can sign in.
    pub(crate) visiting: bool,
}

impl View {
    pub(crate) fn new(ask: &Ask, nav: Nav) -> Self {
        let mut view = Self::plain(&ask.visit, ask.status(), ask.app.now());
        if guard::safe(&ask.method) {
            view.here.clone_from(&ask.target);
        }
        view.nav = nav;
        view.space = ask.space();
        view.flash = ask.flash();
        view
    }

    /// For pages that belong to no handler.
    pub(crate) fn plain(visit: &Visit, status: Arc<Status>, now: u64) -> Self {
        Self {
            lang: visit.lang,
            theme: visit.theme,
            token: visit.token.clone(),
            principal: visit.principal.clone(),
            status,
            now,
            here: "/".into(),
            nav: Nav::Other,
            space: None,
            spaces: Vec::new(),
            flash: None,
            trouble: None,
            visiting: visit.side != Side::Household,
        }
    }

    /// For pages that are about one space.
    pub(crate) async fn with_spaces(mut self, ask: &Ask) -> Self {
        if let Ok(Reply::Spaces(spaces)) = ask.call(Command::Spaces).await {
            self.spaces = spaces;
            self.spaces.sort_by_key(aside);
        }
        self
    }

    /// The same, with what else the page asks for: the node wakes up for both together.
    pub(crate) async fn with_spaces_and(
        self,
        ask: &Ask,
        command: Command,
    ) -> (Self, Result<Reply, Refusal>) {
        tokio::join!(self.with_spaces(ask), ask.call(command))
    }

    /// The space the page is about.
    pub(crate) fn current_space(&self) -> Option<&Space> {
        self.spaces.iter().find(|space| self.is_current(space))
    }

    pub(crate) fn is_current(&self, space: &Space) -> bool {
        self.space.as_ref().map_or(space.default, |id| *id == space.id)
    }

    /// Whether a space is shown less prominently.
    pub(crate) fn is_aside(&self, space: &Space) -> bool {
        aside(space) && !self.is_current(space)
    }

    /// Shows a form again with what was wrong about it.
    pub(crate) fn troubled(mut self, refusal: &Refusal) -> Self {
        self.trouble = Some(trouble(refusal));
        self
    }

    pub(crate) fn t(&self, id: &'static str) -> Cow<'static, str> {
        self.lang.text(id)
    }

    /// A message with one value, as text.
    pub(crate) fn t1(&self, id: &'static str, value: impl fmt::Display) -> String {
        self.lang.fill(id, &[&value.to_string()])
    }

    /// A message with two values, as text.
    pub(crate) fn t2(
        &self,
        id: &'static str,
        one: impl fmt::Display,
        two: impl fmt::Display,
    ) -> String {
        self.lang.fill(id, &[&one.to_string(), &two.to_string()])
    }

    /// A message that depends on a number.
    pub(crate) fn tn(&self, one: &'static str, many: &'static str, number: impl Number) -> String {
        self.lang.count(one, many, number.get())
    }

    /// A message around what somebody typed, which is kept from changing the direction of the rest.
    pub(crate) fn say(&self, id: &'static str, value: impl fmt::Display) -> Markup {
        self.say_all(id, &[&value.to_string()])
    }

    /// The same with two values.
    pub(crate) fn say2(
        &self,
        id: &'static str,
        one: impl fmt::Display,
        two: impl fmt::Display,
    ) -> Markup {
        self.say_all(id, &[&one.to_string(), &two.to_string()])
    }

    /// The same with any number of values.
    pub(crate) fn say_all(&self, id: &'static str, values: &[&str]) -> Markup {
        let typed: Vec<String> = values.iter().map(|value| bdi(value).0).collect();
        let typed: Vec<&str> = typed.iter().map(String::as_str).collect();
        Markup(crate::lang::fill(&escape(&self.t(id)), &typed))
    }

    pub(crate) fn bdi(&self, typed: impl fmt::Display) -> Markup {
        bdi(&typed.to_string())
    }

    pub(crate) fn size(&self, bytes: &u64) -> String {
        figures::size(self.lang, *bytes)
    }

    pub(crate) fn ago(&self, then: &u64) -> Markup {
        let (stamp, words) = (figures::timestamp(*then), figures::ago(self.lang, self.now, *then));
        Markup(format!("<time datetime=\"{stamp}\">{}</time>", escape(&words)))
    }

    pub(crate) fn until(&self, then: &u64) -> Markup {
        let (stamp, words) =
            (figures::timestamp(*then), figures::until(self.lang, self.now, *then));
        Markup(format!("<time datetime=\"{stamp}\">{}</time>", escape(&words)))
    }

    /// What was said about the network.
    pub(crate) fn sentence(&self, sentence: &Sentence) -> Markup {
        sentences::say(self.lang, sentence)
    }

    /// A text about the network.
    pub(crate) fn told(&self, text: impl AsRef<str>) -> Markup {
        sentences::tell(self.lang, text.as_ref())
    }

    /// Percent-encodes a part of an address.
    pub(crate) fn enc(&self, text: &str) -> String {
        urls::encode(text)
    }

    pub(crate) fn asset(&self, name: &str) -> &'static str {
        assets::path(name)
    }

    pub(crate) fn url(&self, path: &str) -> String {
        urls::with_query(path, &[("space", self.space.as_deref())])
    }

    pub(crate) fn tabs(&self) -> [Tab; 9] {
        let tab = |nav, path, icon, label| Tab {
            href: self.url(path),
            current: self.nav == nav,
            icon,
            label: self.t(label),
        };
        [
            tab(Nav::Overview, "/overview", "home", msg("Overview")),
            tab(Nav::Board, "/board", "board", msg("Board")),
            tab(Nav::Files, "/files", "folder", msg("Files")),
            tab(Nav::Peers, "/peers", "peers", msg("Neighbours")),
            tab(Nav::Network, "/wifi", "wifi", msg("Network")),
            tab(Nav::People, "/people", "people", msg("People")),
            tab(Nav::Activity, "/activity", "clock", msg("Activity")),
            tab(Nav::Health, "/health", "activity", msg("Health")),
            tab(Nav::Account, "/account", "person", msg("You")),
        ]
    }

    pub(crate) fn theme_is(&self, name: &str) -> bool {
        name == match self.theme {
            Theme::Auto => "auto",
            Theme::Light => "light",
            Theme::Dark => "dark",
        }
    }

    pub(crate) fn icon(&self, name: &str) -> icon::Svg {
        icon::draw(name)
    }

    pub(crate) fn languages(&self) -> impl Iterator<Item = (&'static str, &'static str)> {
        Lang::all()
    }

    pub(crate) fn name(&self) -> &str {
        self.principal.account.as_deref().unwrap_or_default()
    }

    /// What was done by the form before this page, if it only says so.
    pub(crate) fn done(&self) -> Option<Markup> {
        match self.flash.as_ref()? {
            Flash::Done(id, values) => {
                let values: Vec<&str> = values.iter().map(String::as_str).collect();
                Some(self.say_all(id, &values))
            }
            Flash::Removed { .. } | Flash::Invite(_) | Flash::AccountLink(_) | Flash::Token(_) => {
                None
            }
        }
    }

    pub(crate) fn alert(&self, kind: &AlertKind) -> Cow<'static, str> {
        self.t(words::alert(*kind))
    }
}

/// Whether a space is one's own in which nobody else ever was: it stands last once there is another.
pub(crate) fn aside(space: &Space) -> bool {
    !space.default && !space.pending && space.members < 2 && space.role.as_deref() == Some("owner")
}

/// Escapes text for HTML, for text and quoted attributes alike.
pub(crate) fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len() + 8);
    for char in text.chars() {
        match char {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            other => escaped.push(other),
        }
    }
    escaped
}

pub(crate) fn bdi(typed: &str) -> Markup {
    Markup(format!("<bdi>{}</bdi>", escape(typed)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_an_own_space_that_nobody_joined_stands_aside() {
        let own = Space {
            id: "own".into(),
            name: "Mine".into(),
            role: Some("owner".into()),
            members: 1,
            public: Vec::new(),
            default: false,
            pending: false,
        };
        assert!(aside(&own));
        assert!(!aside(&Space { default: true, ..own.clone() }));
        assert!(!aside(&Space { members: 2, ..own.clone() }));
        assert!(!aside(&Space { pending: true, ..own.clone() }));
        assert!(!aside(&Space { role: Some("member".into()), ..own }));
    }

    #[test]
    fn what_somebody_typed_stays_text() {
        assert_eq!(bdi("<b>\"&'\u{202e}").0, "<bdi>&lt;b&gt;&quot;&amp;&#39;\u{202e}</bdi>");
    }
}
