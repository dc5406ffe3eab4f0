//! What a radio cannot do, and what to buy: from abilities to sentences.

use kith_model::network::status::RadioAbilities;

/// Chips whose drivers are in the kernel, with firmware that does 802.11s beside an access point.
const FOR_MESH: &str =
    "a USB adapter with a MediaTek MT7612U (both bands) or an Atheros AR9271 (2.4 GHz)";

/// Sentences for people, in English; none for a radio that does all there is to do.
#[must_use]
pub fn advice(can: &RadioAbilities) -> Vec<String> {
    let mut sentences = Vec::new();
    match (can.access_point, can.mesh_point) {
        (false, false) => sentences.push(format!(
            "This radio can neither serve Wi-Fi nor take part in a mesh. To have either, add {FOR_MESH}."
        )),
        (true, false) => sentences.push(format!(
            "This radio serves Wi-Fi but cannot take part in a mesh (802.11s). To join the mesh by radio, add {FOR_MESH}; by cable it works as it is."
        )),
        (false, true) => sentences.push(format!(
            "This radio takes part in a mesh but cannot serve Wi-Fi. For phones and laptops, add {FOR_MESH}."
        )),
        (true, true) if !can.both => sentences.push(format!(
            "This radio serves Wi-Fi or takes part in a mesh, but not both at once. To have both, add a second radio: {FOR_MESH}."
        )),
        (true, true) => {}
    }
    if can.access_point && can.access_points < 2 {
        sentences.push(
            "This radio serves one Wi-Fi network at a time, so the household's and the visitors' need a radio each.".into(),
        );
    }
    if can.mesh_point && !can.sae {
        sentences.push(format!(
            "This radio cannot encrypt a mesh (SAE with protected management frames), and an open mesh is none of ours. Add {FOR_MESH}."
        ));
    } else if can.access_point && !can.sae {
        sentences.push(
            "This radio cannot do WPA3: its Wi-Fi is locked with WPA2, which is safe with a long passphrase.".into(),
        );
    }
    if !can.band_2ghz && (can.band_5ghz || can.band_6ghz) {
        sentences.push(
            "This radio has no 2.4 GHz: old handsets and most sensors will not see its Wi-Fi, and walls stop it sooner.".into(),
        );
    } else if can.band_2ghz && !can.band_5ghz {
        sentences.push(
            "This radio has 2.4 GHz alone: it reaches far, but shares a crowded band. A radio with 5 GHz beside it makes Wi-Fi several times faster.".into(),
        );
    }
    sentences
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: RadioAbilities = RadioAbilities {
        access_point: true,
        mesh_point: true,
        both: true,
        access_points: 8,
        station: true,
        sae: true,
        pmf: true,
        band_2ghz: true,
        band_5ghz: true,
        band_6ghz: false,
    };

    #[test]
    fn a_radio_that_does_everything_needs_no_words() {
        assert_eq!(advice(&ALL), Vec::<String>::new());
    }

    #[test]
    fn each_thing_that_is_missing_is_said_once_with_what_to_do() {
        let without = |change: fn(&mut RadioAbilities)| {
            let mut can = ALL;
            change(&mut can);
            advice(&can)
        };
        for (sentences, word) in [
            (without(|can| can.mesh_point = false), "cannot take part in a mesh"),
            (without(|can| can.access_point = false), "cannot serve Wi-Fi"),
            (without(|can| can.both = false), "not both at once"),
            (without(|can| can.access_points = 1), "one Wi-Fi network at a time"),
            (without(|can| can.sae = false), "cannot encrypt a mesh"),
            (without(|can| can.band_2ghz = false), "no 2.4 GHz"),
            (without(|can| can.band_5ghz = false), "2.4 GHz alone"),
        ] {
            assert_eq!(sentences.len(), 1, "{sentences:?}");
            assert!(sentences[0].contains(word), "{sentences:?}");
        }
    }

    #[test]
    fn a_radio_that_does_nothing_is_told_so() {
        let sentences = advice(&RadioAbilities::default());
        assert_eq!(sentences.len(), 1);
        assert!(sentences[0].contains("neither"));
    }
}
