//! Settings that cut somebody off: sixty that people have made, or will, and random ones.

use kith_model::settings::edit::set;

pub(crate) use super::by_hand::{BY_HAND, Bad, GOOD};

/// The household's Wi-Fi, as the owner's phone knows it.
pub(crate) const SSID: &str = "Mill House";

/// Its passphrase.
pub(crate) const PASSPHRASE: &str = "correct horse battery";

/// The mesh's secret.
pub(crate) const SECRET: &str = "one valley one mesh";

/// The good settings with these changes.
pub(crate) fn changed(changes: &[(String, Option<String>)]) -> Option<String> {
    set(GOOD, changes).ok()
}

/// One of those by hand.
pub(crate) fn by_hand((name, changes): &Bad) -> String {
    let owned = |(key, value): &(&str, Option<&str>)| ((*key).to_owned(), value.map(str::to_owned));
    let changes: Vec<_> = changes.iter().map(owned).collect();
    set(GOOD, &changes).unwrap_or_else(|findings| panic!("{name}: {findings:?}"))
}

/// The splitmix64 generator (Steele, Lea and Flood 2014).
#[derive(Clone, Debug)]
pub(crate) struct Dice(pub(crate) u64);

impl Dice {
    pub(crate) const fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let a = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let b = (a ^ (a >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        b ^ (b >> 31)
    }

    pub(crate) const fn roll(&mut self, sides: u64) -> u64 {
        self.next() % sides
    }

    fn one_of<'a>(&mut self, of: &[&'a str]) -> &'a str {
        of[usize::try_from(self.roll(of.len() as u64)).unwrap()]
    }
}

/// Keys and values from which random settings are made; not all are sound, and not together.
const PIECES: &[(&str, &[&str])] = &[
    ("country", &["\"DE\"", "\"US\"", "\"JP\"", "\"AT\""]),
    (
        "lan.address",
        &[
            "\"10.1.2.3/24\"",
            "\"192.168.178.1/24\"",
            "\"192.168.77.254/24\"",
            "\"172.16.0.1/20\"",
            "\"192.168.77.1/29\"",
            "\"10.0.0.1/12\"",
            "\"192.168.76.1/23\"",
        ],
    ),
    ("lan.dhcp.enabled", &["true", "false"]),
    ("lan.dhcp.lease_seconds", &["120", "3600", "604800"]),
    ("lan.ports", &["[]", "[\"lan1\"]", "[\"lan2\", \"lan3\"]", "[\"wan\"]", "[\"nothing0\"]"]),
    ("guest.address", &["\"192.168.77.1/24\"", "\"10.5.0.1/24\"", "\"192.168.178.9/24\""]),
    ("mesh.enabled", &["true", "false"]),
    ("mesh.id", &["\"Hill\"", "\"Valley Mesh\"", "\"x\""]),
    ("mesh.secret", &["\"one valley one mesh\"", "\"wrong wrong\""]),
    ("mesh.ports", &["[]", "[\"lan1\"]", "[\"lan3\"]", "[\"wan\"]"]),
    ("mesh.share_uplink", &["true", "false"]),
    ("wifi.household.enabled", &["true", "false"]),
    ("wifi.household.ssid", &["\"Mill House\"", "\"a\"", "\"#;\\\"' $(x)\""]),
    ("wifi.household.passphrase", &["\"correct horse battery\"", "\"12345678\""]),
    ("wifi.household.security", &["\"transition\"", "\"wpa3\""]),
    ("wifi.guest.enabled", &["true", "false"]),
    ("radio.phy0.enabled", &["true", "false"]),
    ("radio.phy0.channel", &["1", "6", "11", "13"]),
    ("radio.phy0.mesh", &["true", "false"]),
    ("radio.phy0.access_point", &["true", "false"]),
    ("radio.phy1.enabled", &["true", "false"]),
    ("radio.phy1.channel", &["36", "52", "100", "120"]),
    ("radio.phy1.width_mhz", &["20", "40", "80"]),
    (
        "uplink.+",
        &[
            "{ device = \"lan1\" }",
            "{ device = \"wan\" }",
            "{ device = \"lan2\", ipv6 = false }",
            "{ device = \"phy1\", wifi = { ssid = \"Lindenhof 5G\", passphrase = \"let me in\" } }",
            "{ device = \"wan\", fixed = { address = \"192.168.77.9/24\", router = \"192.168.77.1\" } }",
        ],
    ),
    ("dns.upstream", &["[\"192.0.2.1\"]", "[\"192.168.77.1\"]"]),
];

/// Random settings: one to six changes.
pub(crate) fn random(dice: &mut Dice) -> Option<String> {
    let pieces = 1 + dice.roll(6);
    let mut changes = Vec::new();
    for _ in 0..pieces {
        let (key, values) = PIECES[usize::try_from(dice.roll(PIECES.len() as u64)).unwrap()];
        changes.push((key.to_owned(), Some(dice.one_of(values).to_owned())));
    }
    changed(&changes)
}
