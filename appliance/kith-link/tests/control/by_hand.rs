//! Settings that cut somebody off, as people have made them, or will; as data, for whoever tries them: here
//! in virtual time, in a lab with real daemons.

/// The settings that work.
pub(crate) const GOOD: &str = r#"version = 1
country = "DE"

[lan]
address = "192.168.77.1/24"

[mesh]
enabled = true
id = "Valley Mesh"
secret = "one valley one mesh"

[wifi.household]
enabled = true
ssid = "Mill House"
passphrase = "correct horse battery"

[wifi.guest]
enabled = true
ssid = "Mill House guests"
"#;

/// What it is called, and what is changed: keys and their values, or nothing for the default.
pub(crate) type Bad = (&'static str, &'static [(&'static str, Option<&'static str>)]);

/// By hand. Each cuts off at least one of the owner's devices.
pub(crate) const BY_HAND: [Bad; 60] = [
    ("the address moves to another network", &[("lan.address", Some("\"192.168.1.1/24\""))]),
    (
        "the address moves and no address is given",
        &[("lan.address", Some("\"192.168.1.1/24\"")), ("lan.dhcp.enabled", Some("false"))],
    ),
    ("the address moves into 10/8", &[("lan.address", Some("\"10.20.30.1/24\""))]),
    ("the address moves into 172.16/12", &[("lan.address", Some("\"172.20.0.1/16\""))]),
    ("the network becomes too small for a phone", &[("lan.address", Some("\"192.168.77.1/30\""))]),
    ("the network becomes two addresses", &[("lan.address", Some("\"192.168.50.1/30\""))]),
    ("the address is the provider's router's", &[("lan.address", Some("\"192.168.178.1/24\""))]),
    ("the network is the provider's", &[("lan.address", Some("\"192.168.178.200/24\""))]),
    ("the network is larger than anybody's", &[("lan.address", Some("\"10.0.0.1/8\""))]),
    ("the network is a whole class B", &[("lan.address", Some("\"192.168.0.1/16\""))]),
    ("no port belongs to the household", &[("lan.ports", Some("[]"))]),
    ("only another port belongs to the household", &[("lan.ports", Some("[\"lan2\"]"))]),
    ("only the uplink's port belongs to the household", &[("lan.ports", Some("[\"wan\"]"))]),
    (
        "only a port that is not there belongs to the household",
        &[("lan.ports", Some("[\"eth7\"]"))],
    ),
    ("the owner's port becomes the uplink", &[("uplink.+.device", Some("\"lan1\""))]),
    (
        "all ports become uplinks",
        &[
            ("uplink.+", Some("{ device = \"lan1\" }")),
            ("uplink.+", Some("{ device = \"lan2\" }")),
            ("uplink.+", Some("{ device = \"lan3\" }")),
        ],
    ),
    ("the owner's port leads to the mesh", &[("mesh.ports", Some("[\"lan1\"]"))]),
    ("all ports lead to the mesh", &[("mesh.ports", Some("[\"lan1\", \"lan2\", \"lan3\"]"))]),
    (
        "the uplink has a fixed address on the owner's port",
        &[(
            "uplink.+",
            Some(
                "{ device = \"lan1\", fixed = { address = \"192.0.2.9/24\", router = \"192.0.2.1\" } }",
            ),
        )],
    ),
    (
        "the Wi-Fi has another passphrase",
        &[("wifi.household.passphrase", Some("\"something else\""))],
    ),
    (
        "the passphrase has a typing error",
        &[("wifi.household.passphrase", Some("\"correct horse batery\""))],
    ),
    (
        "the passphrase has another case",
        &[("wifi.household.passphrase", Some("\"Correct horse battery\""))],
    ),
    (
        "the passphrase has a space more",
        &[("wifi.household.passphrase", Some("\"correct horse battery \""))],
    ),
    (
        "the passphrase is as long as can be",
        &[(
            "wifi.household.passphrase",
            Some("\"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\""),
        )],
    ),
    ("the Wi-Fi has another name", &[("wifi.household.ssid", Some("\"Elsewhere\""))]),
    ("the name has another case", &[("wifi.household.ssid", Some("\"mill house\""))]),
    ("the name has a space more", &[("wifi.household.ssid", Some("\"Mill House \""))]),
    (
        "the name is somebody's markup",
        &[("wifi.household.ssid", Some("\"<b>Mill</b> & 'House'\""))],
    ),
    ("the name has quotes", &[("wifi.household.ssid", Some("'\"Mill House\"'"))]),
    ("the name is Unicode", &[("wifi.household.ssid", Some("\"Mühle 🌾\""))]),
    ("the household's Wi-Fi is off", &[("wifi.household.enabled", Some("false"))]),
    (
        "all Wi-Fi is off",
        &[("wifi.household.enabled", Some("false")), ("wifi.guest.enabled", Some("false"))],
    ),
    (
        "all radios are off",
        &[("radio.phy0.enabled", Some("false")), ("radio.phy1.enabled", Some("false"))],
    ),
    (
        "no radio serves Wi-Fi",
        &[("radio.phy0.access_point", Some("false")), ("radio.phy1.access_point", Some("false"))],
    ),
    (
        "no radio serves the mesh",
        &[("radio.phy0.mesh", Some("false")), ("radio.phy1.mesh", Some("false"))],
    ),
    ("the mesh's radio is off", &[("radio.phy0.enabled", Some("false"))]),
    (
        "the radios wait for radar",
        &[("radio.phy0.access_point", Some("false")), ("radio.phy1.channel", Some("52"))],
    ),
    (
        "the radios wait for weather radar",
        &[("radio.phy0.access_point", Some("false")), ("radio.phy1.channel", Some("120"))],
    ),
    ("the mesh is off", &[("mesh.enabled", Some("false"))]),
    ("the mesh has another name", &[("mesh.id", Some("\"Hill Mesh\""))]),
    ("the mesh's name has another case", &[("mesh.id", Some("\"valley mesh\""))]),
    ("the mesh's name has a typing error", &[("mesh.id", Some("\"Valley Mehs\""))]),
    ("the mesh has another secret", &[("mesh.secret", Some("\"not this one\""))]),
    ("the mesh's secret has a typing error", &[("mesh.secret", Some("\"one valley one mash\""))]),
    (
        "the mesh's secret is the Wi-Fi's passphrase",
        &[("mesh.secret", Some("\"correct horse battery\""))],
    ),
    (
        "the names of mesh and Wi-Fi are mixed up",
        &[("mesh.id", Some("\"Mill House\"")), ("wifi.household.ssid", Some("\"Valley Mesh\""))],
    ),
    (
        "Wi-Fi of guests and household are mixed up",
        &[
            ("wifi.household.ssid", Some("\"Mill House guests\"")),
            ("wifi.guest.ssid", Some("\"Mill House\"")),
        ],
    ),
    (
        "the guests take over the household's name",
        &[
            ("wifi.household.enabled", Some("false")),
            ("wifi.guest.ssid", Some("\"Mill House\"")),
            ("wifi.guest.passphrase", Some("\"correct horse battery\"")),
        ],
    ),
    (
        "the radio of the mesh becomes an uplink",
        &[(
            "uplink.+",
            Some(
                "{ device = \"phy0\", wifi = { ssid = \"Lindenhof\", passphrase = \"let me in please\" } }",
            ),
        )],
    ),
    (
        "both radios become uplinks",
        &[
            ("uplink.+", Some("{ device = \"phy0\", wifi = { ssid = \"Lindenhof\" } }")),
            ("uplink.+", Some("{ device = \"phy1\", wifi = { ssid = \"Lindenhof 5G\" } }")),
        ],
    ),
    (
        "everything at once",
        &[
            ("lan.address", Some("\"10.9.8.1/24\"")),
            ("lan.ports", Some("[]")),
            ("wifi.household.enabled", Some("false")),
            ("mesh.enabled", Some("false")),
        ],
    ),
    (
        "another house's settings",
        &[
            ("country", Some("\"US\"")),
            ("lan.address", Some("\"192.168.0.1/24\"")),
            ("wifi.household.ssid", Some("\"Orchard\"")),
            ("wifi.household.passphrase", Some("\"apples and pears\"")),
            ("mesh.id", Some("\"Orchard Mesh\"")),
        ],
    ),
    (
        "a bridge to nowhere",
        &[("lan.ports", Some("[\"lan3\"]")), ("wifi.household.ssid", Some("\"Lost\""))],
    ),
    (
        "the address moves and the Wi-Fi is renamed",
        &[
            ("lan.address", Some("\"192.168.2.1/24\"")),
            ("wifi.household.ssid", Some("\"Mill House 2\"")),
        ],
    ),
    (
        "no address is given and the port moves",
        &[("lan.dhcp.enabled", Some("false")), ("lan.ports", Some("[\"lan2\", \"lan3\"]"))],
    ),
    (
        "leases are long and the address moves",
        &[
            ("lan.dhcp.lease_seconds", Some("604800")),
            ("lan.address", Some("\"192.168.99.1/24\"")),
            ("lan.ports", Some("[\"lan2\"]")),
        ],
    ),
    (
        "the radio sends on a channel that is not allowed here",
        &[("country", Some("\"US\"")), ("radio.phy0.channel", Some("13"))],
    ),
    (
        "the radio sends where only its other band is",
        &[("radio.phy0.channel", Some("36")), ("radio.phy1.channel", Some("6"))],
    ),
    ("the mesh has no name", &[("mesh.id", None), ("mesh.enabled", Some("false"))]),
    (
        "everything goes back to the default",
        &[
            ("wifi.household.enabled", None),
            ("wifi.household.ssid", None),
            ("wifi.household.passphrase", None),
            ("wifi.guest.enabled", None),
            ("wifi.guest.ssid", None),
            ("mesh.enabled", None),
            ("mesh.id", None),
            ("mesh.secret", None),
            ("country", None),
        ],
    ),
];
