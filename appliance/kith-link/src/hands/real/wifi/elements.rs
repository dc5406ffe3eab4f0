//! What a network says of itself by radio (elements of beacons and probe responses, IEEE 802.11, 9.4.2).
//! All of it is hostile.

/// Element identifiers (table 9-128).
const SSID: u8 = 0;
const RSN: u8 = 48;
const MESH_CONFIGURATION: u8 = 113;
const MESH_ID: u8 = 114;
const VENDOR: u8 = 221;

/// WPA of 2003, before there was RSN.
const OLD_WPA: [u8; 4] = [0x00, 0x50, 0xf2, 0x01];

/// Names have at most this many bytes (9.4.2.2, 9.4.2.97).
const LONGEST_NAME: usize = 32;

/// What a network says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Said<'a> {
    /// Its name, unless it hides it.
    pub(crate) ssid: Option<&'a [u8]>,
    /// The name of its mesh, if it is one.
    pub(crate) mesh: Option<&'a [u8]>,
    /// Whether it says that a secret is needed.
    pub(crate) secured: bool,
}

/// Reads elements, up to the first that does not fit. Of each the first counts.
pub(crate) fn read(bytes: &[u8]) -> Said<'_> {
    let mut said = Said::default();
    let mut rest = bytes;
    while let [kind, length, after @ ..] = rest {
        let Some((value, next)) = after.split_at_checked(usize::from(*length)) else { break };
        rest = next;
        match *kind {
            SSID if said.ssid.is_none() => said.ssid = name(value),
            MESH_ID if said.mesh.is_none() => said.mesh = name(value),
            RSN => said.secured = true,
            VENDOR => said.secured |= value.starts_with(&OLD_WPA),
            // The fifth byte tells how boxes authenticate: 0 not at all, 1 by SAE (9.4.2.96.6).
            MESH_CONFIGURATION => said.secured |= value.get(4).is_some_and(|how| *how != 0),
            _ => {}
        }
    }
    said
}

/// A network that hides its name sends none, or zeros.
fn name(value: &[u8]) -> Option<&[u8]> {
    let shown = value.len() <= LONGEST_NAME && value.iter().any(|byte| *byte != 0);
    shown.then_some(value)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn element(kind: u8, value: &[u8]) -> Vec<u8> {
        [&[kind, u8::try_from(value.len()).unwrap()], value].concat()
    }

    #[test]
    fn networks_are_told_apart() {
        let open = element(SSID, b"Cafe");
        assert_eq!(read(&open), Said { ssid: Some(b"Cafe"), ..Said::default() });
        let home = [element(SSID, b"Home"), element(RSN, &[1, 0])].concat();
        assert!(read(&home).secured);
        let old =
            [element(SSID, b"Old"), element(VENDOR, &[0x00, 0x50, 0xf2, 0x01, 1, 0])].concat();
        assert!(read(&old).secured);
        let mesh = [
            element(SSID, b""),
            element(MESH_ID, b"Valley"),
            element(MESH_CONFIGURATION, &[1, 1, 0, 1, 1, 0, 9]),
        ];
        assert_eq!(read(&mesh.concat()), Said { ssid: None, mesh: Some(b"Valley"), secured: true });
    }

    #[test]
    fn hidden_long_and_doubled_names_do_no_harm() {
        assert_eq!(read(&element(SSID, &[0; 9])).ssid, None);
        assert_eq!(read(&element(SSID, &[b'x'; 33])).ssid, None);
        let two = [element(SSID, b"first"), element(SSID, b"second")].concat();
        assert_eq!(read(&two).ssid, Some(&b"first"[..]));
        // A country element of one byte, as some send to make scanners stumble.
        let odd = [element(7, &[0xff]), element(SSID, b"still there")].concat();
        assert_eq!(read(&odd).ssid, Some(&b"still there"[..]));
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_without_harm(bytes in prop::collection::vec(any::<u8>(), 0..600)) {
            let said = read(&bytes);
            prop_assert!(said.ssid.is_none_or(|name| name.len() <= LONGEST_NAME));
            prop_assert!(said.mesh.is_none_or(|name| name.len() <= LONGEST_NAME));
        }

        #[test]
        fn a_cut_element_hides_nothing_before_it(
            tail in prop::collection::vec(any::<u8>(), 0..20), cut in 0_usize..20
        ) {
            let mut bytes = element(SSID, b"before");
            bytes.extend_from_slice(&tail[..cut.min(tail.len())]);
            prop_assert_eq!(read(&bytes).ssid, Some(&b"before"[..]));
        }
    }
}
