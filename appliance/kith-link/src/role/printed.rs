//! The secret of the Wi-Fi for setting up that is printed for the box: the tool that writes the image leaves it
//! beside the name of the board.

use std::fs::File;
use std::io::{ErrorKind, Read as _};
use std::path::Path;

use crate::control::Printed;

/// Where it is.
pub(super) const PLACE: &str = "/etc/kith/setup-secret";

/// More than a passphrase takes, in bytes.
const LARGEST: u64 = 256;

/// Reads it, once.
pub(super) fn read(place: &Path) -> Printed {
    let mut text = String::new();
    let read = File::open(place).and_then(|file| file.take(LARGEST).read_to_string(&mut text));
    let why = match read {
        Err(error) if error.kind() == ErrorKind::NotFound => return Printed::None,
        Err(error) => error.to_string(),
        Ok(_) => match text.trim_end_matches(['\r', '\n']).parse() {
            Ok(secret) => return Printed::Secret(secret),
            Err(error) => format!("{error}"),
        },
    };
    let place = place.display();
    tracing::error!(%place, why, "the printed secret cannot be used");
    Printed::Unusable(format!("{place} cannot be used: {why}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_the_one_line_of_its_file() {
        let folder = tempfile::tempdir().unwrap();
        let place = folder.path().join("setup-secret");
        assert_eq!(read(&place), Printed::None);
        for line in ["correct horse", "correct horse\n", "correct horse\r\n"] {
            std::fs::write(&place, line).unwrap();
            assert_eq!(read(&place), Printed::Secret("correct horse".parse().unwrap()));
        }
    }

    #[test]
    fn what_is_no_secret_is_not_taken_for_none() {
        let folder = tempfile::tempdir().unwrap();
        let place = folder.path().join("setup-secret");
        for odd in [
            &b""[..],
            b"short",
            b"two\nlines of it",
            b"\xff\xfe\xff\xfe\xff\xfe\xff\xfe",
            &[b'a'; 300],
        ] {
            std::fs::write(&place, odd).unwrap();
            let Printed::Unusable(why) = read(&place) else { panic!("{odd:?}") };
            assert!(why.contains("setup-secret"), "{why}");
        }
        assert!(matches!(read(folder.path()), Printed::Unusable(_)), "a folder");
    }
}
