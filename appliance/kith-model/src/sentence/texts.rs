//! What is said as a whole text, by whoever has it: problems, advice about radios, what is wrong with an
//! uplink. [`super::Sentence::from`] finds the pattern that such a text was made of.

use super::Pattern;

const fn text(code: &'static str, english: &'static str) -> Pattern {
    Pattern { code, english }
}

/// All of them. Places are in order, and no two are side by side.
pub const ALL: &[Pattern] = &[
    text(
        "no-radio",
        "No radio found, so there is no Wi-Fi: plug in a Wi-Fi adapter that can serve one (access point mode), or connect devices by cable.",
    ),
    text(
        "no-access-point",
        "No radio of this box is free to serve Wi-Fi: switch radio.*.access_point on, or plug in a second Wi-Fi adapter that can serve one (access point mode).",
    ),
    text(
        "too-many-networks",
        "The radio {0} can serve {1} Wi-Fi network(s) at once, so it does without {2}: plug in a second Wi-Fi adapter.",
    ),
    text("setup-wifi", "the Wi-Fi for setting up"),
    text("the-households", "the household's"),
    text("the-visitors", "the visitors'"),
    text(
        "household-open",
        "The household's Wi-Fi has no passphrase and stays off: only visitors' may be open. Write wifi.household.passphrase.",
    ),
    text("wifi-unnamed", "The Wi-Fi {0} is on but has no name: write {1}."),
    text(
        "no-wpa3",
        "The radio {0} cannot do WPA3 and does not serve {1} Wi-Fi: choose {2}, or plug in a Wi-Fi adapter that can.",
    ),
    text(
        "mesh-no-secret",
        "The mesh has no secret, so no radio takes part in it: write mesh.secret as the other boxes have it.",
    ),
    text(
        "mesh-unnamed",
        "The mesh is on but has no name: write mesh.id as the other boxes have it.",
    ),
    text(
        "one-at-a-time",
        "The radio {0} cannot serve Wi-Fi and mesh at the same time: it serves Wi-Fi. For the mesh plug in a second Wi-Fi adapter (one that can do 802.11s, such as those with a MediaTek MT7612U or Atheros AR9271).",
    ),
    text(
        "no-mesh-radio",
        "No radio of this box can take part in an encrypted mesh (802.11s with SAE). Plug in a Wi-Fi adapter that can, such as one with a MediaTek MT7612U or Atheros AR9271, or connect the boxes by cable (mesh.ports).",
    ),
    text(
        "uplink-passphrase",
        "The passphrase of the Wi-Fi {0} has a quotation mark and # after it, which wpa_supplicant cannot take for WPA2: the box joins by WPA3 only. Change the passphrase there if it does not.",
    ),
    text(
        "mesh-overlap",
        "The network {0} has addresses of the mesh ({1}): some boxes cannot be reached from it. Choose a network of 192.168.0.0/16.",
    ),
    text(
        "no-way-in",
        "The box has neither a port for the household nor a radio: nobody can reach it. Plug in a network adapter.",
    ),
    text("network-too-small", "{0} has no room for devices: choose a network of size /24."),
    text(
        "dhcp-range",
        "The addresses to give out do not lie in {0} one after the other: the box gives out {1} to {2}.",
    ),
    text(
        "client-outside",
        "The device {0} shall always get {1}, which is not in the household's network {2}: it gets another address until that is changed.",
    ),
    text(
        "dns-fallback",
        "The shared way to the internet names nobody to ask for names, so Quad9 (9.9.9.9) is asked. Write dns.upstream to ask somebody else.",
    ),
    text(
        "forward-outside",
        "The forward {0} leads to {1}, which is no device of the household's network {2}: it is left out. Give it the device's address.",
    ),
    text(
        "forward-taken",
        "The forward {0} wants port {1}, which {2}: it is left out. Choose another port.",
    ),
    text("peers-use", "other boxes use to reach this one"),
    text("another-has", "another one has"),
    text(
        "port-twice",
        "The port {0} is wanted for the internet and for something else before that: take it out of one of them.",
    ),
    text(
        "port-twice-household",
        "The port {0} is wanted for the household and for something else: the household does without it.",
    ),
    text(
        "no-port",
        "There is no port called {0}: plug the adapter in, or choose one of the ports that are there.",
    ),
    text(
        "no-radio-called",
        "There is no radio called {0} that can join a Wi-Fi: plug a Wi-Fi adapter in, or choose another radio.",
    ),
    text(
        "uplink-overlap",
        "The network at {0} uses addresses of the box's own {1}: the box takes none there, or nobody could reach it. Choose another network for the box, such as {2}.",
    ),
    text("channel", "{0} cannot use channel {1}: {2}. It uses another one until that is changed."),
    text("channel-missing", "it does not have it"),
    text("channel-forbidden", "it is not allowed here"),
    text("channel-listen", "one may only listen on it here"),
    text("channel-world", "until the country is known only 1, 6 and 11 are used"),
    text("channel-radar", "radar comes first on it, and a mesh cannot wait for that"),
    text("no-channel", "{0} may not send on any channel in this country."),
    text(
        "no-country",
        "{0} may not send before it is known where the box stands: choose the country.",
    ),
    text("width", "{0} cannot send {1} MHz wide around channel {2}: it sends less wide."),
    text(
        "ula-too-small",
        "A device needs a network of size /64 for IPv6: lan.ula is smaller, so the box uses one made of its key. Take its line out, or write a /48.",
    ),
    text(
        "prefix-too-small",
        "The provider delegates {0}, which is too small for a network: devices have no IPv6 internet. Ask the provider for a /56.",
    ),
    text(
        "prefix-for-one",
        "The provider delegates {0}, which is one network only: visitors have no IPv6 internet. Ask the provider for a /56.",
    ),
    text(
        "guest-overlap",
        "Visitors and household share addresses ({0} and {1}): visitors have no network until one of them is moved.",
    ),
    text(
        "mesh-address-unasked",
        "The box cannot ask whether its address in the mesh is free, so it may have the same as another one: {0}.",
    ),
    text(
        "mesh-gateway-taken",
        "The box {0} has the address {1}, under which the others would look for this one's way to the internet: it is not shared until that one takes another.",
    ),
    text(
        "mesh-address-taken",
        "Somebody in the mesh ({0}) has every address that this box tries, the last was {1}: it goes on trying, once a minute. Find the box {2} and update it, or take it off the mesh.",
    ),
    text("blind", "The box cannot see its own network: {0}."),
    text("step-failed", "The box could not {0}: {1}. It tries again by itself."),
    text("disk-failed", "A change was taken back, but the disk does not take that down yet."),
    text("settings-unreadable", "the settings cannot be used, so older ones are: {0}"),
    text(
        "radio-neither",
        "This radio can neither serve Wi-Fi nor take part in a mesh. To have either, add a USB adapter with a MediaTek MT7612U (both bands) or an Atheros AR9271 (2.4 GHz).",
    ),
    text(
        "radio-no-mesh",
        "This radio serves Wi-Fi but cannot take part in a mesh (802.11s). To join the mesh by radio, add a USB adapter with a MediaTek MT7612U (both bands) or an Atheros AR9271 (2.4 GHz); by cable it works as it is.",
    ),
    text(
        "radio-no-wifi",
        "This radio takes part in a mesh but cannot serve Wi-Fi. For phones and laptops, add a USB adapter with a MediaTek MT7612U (both bands) or an Atheros AR9271 (2.4 GHz).",
    ),
    text(
        "radio-not-both",
        "This radio serves Wi-Fi or takes part in a mesh, but not both at once. To have both, add a second radio: a USB adapter with a MediaTek MT7612U (both bands) or an Atheros AR9271 (2.4 GHz).",
    ),
    text(
        "radio-one-wifi",
        "This radio serves one Wi-Fi network at a time, so the household's and the visitors' need a radio each.",
    ),
    text(
        "radio-no-sae",
        "This radio cannot encrypt a mesh (SAE with protected management frames), and an open mesh is none of ours. Add a USB adapter with a MediaTek MT7612U (both bands) or an Atheros AR9271 (2.4 GHz).",
    ),
    text(
        "radio-no-wpa3",
        "This radio cannot do WPA3: its Wi-Fi is locked with WPA2, which is safe with a long passphrase.",
    ),
    text(
        "radio-no-2ghz",
        "This radio has no 2.4 GHz: old handsets and most sensors will not see its Wi-Fi, and walls stop it sooner.",
    ),
    text(
        "radio-only-2ghz",
        "This radio has 2.4 GHz alone: it reaches far, but shares a crowded band. A radio with 5 GHz beside it makes Wi-Fi several times faster.",
    ),
    text(
        "radio-tryout",
        "This radio cannot take part in a mesh; for a mesh on 5 GHz, buy one that can (for example with an mt7921 or mt7915 chip).",
    ),
    text("nothing-behind", "its router answers, but nothing behind it does"),
    text("router-silent", "its router does not answer"),
    text("nobody-shares", "nobody in the mesh shares a way to the internet"),
    text("no-signal", "no plug is in, or there is no signal"),
    text("no-address", "nobody there gives the box an address"),
    text("no-mesh", "this box takes part in no mesh right now"),
    text(
        "behind-unknown",
        "the mesh does not say yet what is behind that box; try again in some seconds",
    ),
    text(
        "no-ping",
        "this machine lets nobody ping without more rights (net.ipv4.ping_group_range)",
    ),
    text(
        "power",
        "{0} shall send with {1} dBm, but the radio and the rules of this country allow {2} dBm on channel {3}: it sends with {4} dBm. Write {5}, or take the line out.",
    ),
    text(
        "setup-open",
        "The Wi-Fi for setting up, {0}, is open, since no secret was printed for this box: whoever is near can come in by it. It ends fifteen minutes after the start, or as soon as somebody owns the box.",
    ),
];
