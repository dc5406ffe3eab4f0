//! Wi-Fi: radios and what they can do, the household's and the visitors' network, the poster.

use askama::Template;
use kith_model::network::status::{Network, Radio};
use kith_model::refusal::Refusal;
use kith_model::settings::Security;
use kith_model::settings::values::{Passphrase, Ssid};

use super::{Net, Values, drafted, troubled};
use crate::answer::{Answer, Failure, page, page_with, status_of};
use crate::ask::Ask;
use crate::lang::msg;
use crate::qr;
use crate::view::{Markup, Nav, View};

/// The page's address.
const PATH: &str = "/wifi";

#[derive(Template)]
#[template(path = "network/wifi.html")]
struct Page {
    v: View,
    net: Net,
}

#[derive(Template)]
#[template(path = "network/poster.html")]
struct Poster {
    v: View,
    ssid: String,
    passphrase: Option<String>,
    guest: bool,
    qr: Option<Markup>,
}

/// One of the two networks, as the form names it.
struct Access {
    key: &'static str,
    title: &'static str,
    hint: &'static str,
    enabled: bool,
    ssid: String,
    passphrase: String,
    wpa3: bool,
    people: usize,
}

pub(crate) async fn show(ask: Ask) -> Result<Answer, Failure> {
    Ok(page(&wifi(&ask, None).await?))
}

async fn wifi(ask: &Ask, refusal: Option<&Refusal>) -> Result<Page, Failure> {
    let v = troubled(View::new(ask, Nav::Network), refusal);
    Ok(Page { v, net: Net::load(ask, PATH).await? })
}

/// Notes how one of the networks shall be.
pub(crate) async fn network(ask: Ask) -> Result<Answer, Failure> {
    let of = if ask.form.get("of") == Some("guest") { "guest" } else { "household" };
    let key = |name: &str| format!("wifi.{of}.{name}");
    let mut values = Values::default();
    values.switch(key("enabled"), ask.form.get("enabled").is_some());
    values.text(key("ssid"), ask.form.get("ssid").unwrap_or_default());
    values.text(key("passphrase"), ask.form.get("passphrase").unwrap_or_default());
    values.text(key("security"), if ask.form.get("wpa3").is_some() { "wpa3" } else { "" });
    done(&ask, values).await
}

/// Notes how a radio shall be used.
pub(crate) async fn radio(ask: Ask) -> Result<Answer, Failure> {
    let name = ask.form.text("radio");
    let key = |field: &str| format!("radio.{}.{field}", serde_json::Value::from(name.as_str()));
    let mut values = Values::default();
    values.switch(key("enabled"), ask.form.get("enabled").is_some());
    values.switch(key("mesh"), ask.form.get("mesh").is_some());
    values.switch(key("access_point"), ask.form.get("access_point").is_some());
    values.number(key("channel"), ask.form.get("channel").unwrap_or_default());
    values.number(key("width_mhz"), ask.form.get("width_mhz").unwrap_or_default());
    done(&ask, values).await
}

async fn done(ask: &Ask, values: Values) -> Result<Answer, Failure> {
    match drafted(ask, values, PATH).await? {
        Ok(answer) => Ok(answer),
        Err(refusal) => Ok(page_with(status_of(&refusal), &wifi(ask, Some(&refusal)).await?)),
    }
}

/// A page to print and hang up: name, passphrase, QR code.
pub(crate) async fn poster(ask: Ask) -> Result<Answer, Failure> {
    let v = View::new(&ask, Nav::Network);
    let net = Net::load(&ask, PATH).await?;
    let guest = ask.query.get("of") == Some("guest");
    let wifi = &net.settings.wifi;
    let access = if guest { &wifi.guest } else { &wifi.household };
    let ssid = access.ssid.as_ref().map(Ssid::as_str).unwrap_or_default().to_owned();
    let passphrase = access.passphrase.as_ref().map(Passphrase::as_str).map(str::to_owned);
    let text = qr_text(&ssid, passphrase.as_deref(), access.security);
    let qr = qr::draw(&text, &v.t("QR code of the Wi-Fi")).filter(|_| !ssid.is_empty());
    Ok(page(&Poster { v, ssid, passphrase, guest, qr }))
}

/// What phones read to join a Wi-Fi: the `WIFI:` scheme of the Wi-Fi Alliance (WPA3 specification,
/// section 7), with `R:1` where the transition to WPA2 is disabled.
fn qr_text(ssid: &str, passphrase: Option<&str>, security: Security) -> String {
    let escaped = |text: &str| {
        let mut out = String::with_capacity(text.len());
        for char in text.chars() {
            if matches!(char, '\\' | ';' | ',' | '"' | ':') {
                out.push('\\');
            }
            out.push(char);
        }
        out
    };
    let ssid = escaped(ssid);
    match (passphrase, security) {
        (None, _) => format!("WIFI:T:nopass;S:{ssid};;"),
        (Some(secret), Security::Transition) => {
            format!("WIFI:T:WPA;S:{ssid};P:{};;", escaped(secret))
        }
        (Some(secret), Security::Wpa3) => {
            format!("WIFI:T:WPA;R:1;S:{ssid};P:{};;", escaped(secret))
        }
    }
}

impl Page {
    fn networks(&self) -> [Access; 2] {
        let wifi = &self.net.settings.wifi;
        let here = |network| {
            let clients = self.net.status.clients.iter();
            clients.filter(|client| client.here && client.network == network).count()
        };
        let access =
            |key, title, hint, point: &kith_model::settings::AccessPoint, network| Access {
                key,
                title,
                hint,
                enabled: point.enabled,
                ssid: point.ssid.as_ref().map(|ssid| ssid.as_str().to_owned()).unwrap_or_default(),
                passphrase: point
                    .passphrase
                    .as_ref()
                    .map(|secret| secret.as_str().to_owned())
                    .unwrap_or_default(),
                wpa3: point.security == Security::Wpa3,
                people: here(network),
            };
        [
            access(
                "household",
                msg("The household’s Wi-Fi"),
                msg("For the family and its devices; always locked."),
                &wifi.household,
                Network::Household,
            ),
            access(
                "guest",
                msg("The visitors’ Wi-Fi"),
                msg(
                    "Visitors reach the internet and the public pages, not the household and not each other. Without a passphrase it is open to everybody in reach.",
                ),
                &wifi.guest,
                Network::Guest,
            ),
        ]
    }

    /// How the settings want a radio to be used.
    fn use_of(&self, radio: &Radio) -> kith_model::settings::Radio {
        self.net.settings.radio.get(&radio.name).cloned().unwrap_or_default()
    }

    fn bands(radio: &Radio) -> String {
        let can = &radio.can;
        let bands = [(can.band_2ghz, "2.4"), (can.band_5ghz, "5"), (can.band_6ghz, "6")];
        let bands: Vec<&str> =
            bands.into_iter().filter(|(has, _)| *has).map(|(_, band)| band).collect();
        bands.join(" + ")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_poster_says_what_phones_read() {
        let text = qr_text("Caf\u{e9}; \"8\"", Some("a:b\\c,d;e"), Security::Transition);
        assert_eq!(text, r#"WIFI:T:WPA;S:Café\; \"8\";P:a\:b\\c\,d\;e;;"#);
        assert_eq!(qr_text("Valley", None, Security::Transition), "WIFI:T:nopass;S:Valley;;");
        let only_wpa3 = qr_text("Valley", Some("secret secret"), Security::Wpa3);
        assert_eq!(only_wpa3, "WIFI:T:WPA;R:1;S:Valley;P:secret secret;;");
    }
}
