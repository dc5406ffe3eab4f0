//! What is fuzzed of what an operator sends: one function for each text of theirs.
//!
//! As in `targets.rs`, each answers whether it took the bytes and panics where taking them breaks a
//! promise. The fuzzer's binaries and the replay in `appliance/kith-model/tests/settings.rs` share this
//! file.

use kith_model::settings::text::{MAX_FINDINGS, parse, render};
use kith_model::settings::{Settings, check, differ, edit, impact, mask, migrate, show};

/// A settings document.
pub(crate) fn settings(data: &[u8]) -> bool {
    let Ok(text) = core::str::from_utf8(data) else { return false };
    let masked = mask::masked(text);
    let migrated = migrate::migrate(text);
    let settings = match parse(text) {
        Ok(settings) => settings,
        Err(findings) => {
            assert!(!findings.is_empty() && findings.len() <= MAX_FINDINGS);
            return false;
        }
    };
    assert_eq!(parse(&render(&settings)), Ok(settings.clone()));
    assert_eq!(parse(&migrated.expect("it is of this version").text), Ok(settings.clone()));
    assert!(masked.is_some());
    let none = Settings::default();
    let words = differ::words(&none, &settings);
    assert_eq!(words.is_empty(), settings == none);
    assert!(settings != none || !impact::risky(&none, &settings));
    let _ =
        (impact::impact(&none, &settings, 80), differ::unified("", text), check::document(text));
    assert!(show::show(text, None, false).is_ok());
    let contact = [("place.contact".to_owned(), Some("'Ada # 1'".to_owned()))];
    let edited = edit::set(text, &contact).expect("a sound value is taken");
    let contact = show::get(&edited, "place.contact");
    assert_eq!(contact, Ok(Some("\"Ada # 1\"".to_owned())));
    true
}
