//! The rules of names, texts and paths.
//!
//! Marks that change the direction of text are allowed, since languages need them; whoever shows a
//! name isolates it.

use unicode_normalization::UnicodeNormalization as _;

use super::BodyError;

/// The longest name of a person, box or space, in bytes.
pub const MAX_NAME: usize = 64;

/// The longest text of a notice, in bytes.
pub const MAX_TEXT: usize = 3_500;

/// The longest path in a collection, in bytes.
pub const MAX_PATH: usize = 1_024;

/// The longest segment of a path, in bytes, as on most file systems.
pub const MAX_SEGMENT: usize = 255;

/// The longest media type, in bytes: two names of 127 and a slash (RFC 6838, section 4.2).
pub const MAX_MIME: usize = 255;

/// Checks the name of a person, box or space.
///
/// # Errors
/// [`BodyError::Name`] when it is empty, too long or holds control characters.
pub fn check_name(name: &str) -> Result<(), BodyError> {
    let good =
        !name.trim().is_empty() && name.len() <= MAX_NAME && !name.chars().any(char::is_control);
    if good { Ok(()) } else { Err(BodyError::Name) }
}

/// Checks a media type; whether anybody knows it is not asked.
///
/// # Errors
/// [`BodyError::Mime`] when it is empty, too long or holds control characters.
pub fn check_mime(mime: &str) -> Result<(), BodyError> {
    let good =
        !mime.trim().is_empty() && mime.len() <= MAX_MIME && !mime.chars().any(char::is_control);
    if good { Ok(()) } else { Err(BodyError::Mime) }
}

/// Checks the text of a notice.
///
/// # Errors
/// [`BodyError::Text`] when it is empty, too long or holds control characters.
pub fn check_text(text: &str) -> Result<(), BodyError> {
    let hidden = |c: char| c.is_control() && c != '\n' && c != '\t';
    let good = !text.trim().is_empty() && text.len() <= MAX_TEXT && !text.chars().any(hidden);
    if good { Ok(()) } else { Err(BodyError::Text) }
}

/// Checks a path in a collection: NFC, relative, and never climbing.
///
/// # Errors
/// [`BodyError::Path`] when it is not.
pub fn check_path(path: &str) -> Result<(), BodyError> {
    let good =
        path.len() <= MAX_PATH && path.split('/').all(good_segment) && path.nfc().eq(path.chars());
    if good { Ok(()) } else { Err(BodyError::Path) }
}

/// Whether `segment` may be the name of a file or folder; its normal form is not asked for.
#[must_use]
pub fn good_segment(segment: &str) -> bool {
    let hidden = |c: char| c.is_control() || c == '\\';
    !matches!(segment, "" | "." | "..")
        && !segment.contains('/')
        && segment.len() <= MAX_SEGMENT
        && !segment.chars().any(hidden)
}

/// The normal form (NFC) of a path somebody typed, without slashes at the ends.
///
/// # Errors
/// [`BodyError::Path`] when no good path comes of it.
pub fn normal_path(typed: &str) -> Result<String, BodyError> {
    if typed.len() > 4 * MAX_PATH {
        return Err(BodyError::Path);
    }
    let path: String = typed.trim_matches('/').nfc().collect();
    check_path(&path)?;
    Ok(path)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn names_are_short_and_visible() {
        for name in ["a", "Grün 🌱", "\u{202e}mirrored", &"x".repeat(64), "\u{200b}\u{200d}"] {
            assert_eq!(check_name(name), Ok(()), "{name:?}");
        }
        for name in ["", " \u{3000}", "a\0", "a\nb", "a\u{7f}", "\u{9b}31m", &"x".repeat(65)] {
            assert_eq!(check_name(name), Err(BodyError::Name), "{name:?}");
        }
        assert_eq!(
            check_name(&"ä".repeat(33)),
            Err(BodyError::Name),
            "bytes count, not characters"
        );
    }

    #[test]
    fn texts_may_have_lines_and_tabs_and_no_other_controls() {
        for text in ["a", "a\n\tb", "\u{202b}שלום", &"x".repeat(MAX_TEXT)] {
            assert_eq!(check_text(text), Ok(()), "{text:.20}");
        }
        for text in ["", "\n\t ", "a\r\n", "a\u{1b}[31m", "\0", &"x".repeat(MAX_TEXT + 1)] {
            assert_eq!(check_text(text), Err(BodyError::Text), "{text:.20}");
        }
    }

    #[test]
    fn media_types_of_office_documents_fit() {
        let docx = "application/vnd.openxmlformats-officedocument.wordprocessingml.document";
        assert_eq!(check_mime(docx), Ok(()));
        for mime in ["", "text/plain\r\nX: y", &"x".repeat(256)] {
            assert_eq!(check_mime(mime), Err(BodyError::Mime), "{mime:.20}");
        }
    }

    #[test]
    fn paths_are_relative_normal_and_never_climb() {
        let long = ["x".repeat(255).as_str(); 4].join("/");
        for path in ["a", "a/b.c/d", "...", ".hidden", "a b", "é", "\u{202e}gpj.exe", &long] {
            assert_eq!(check_path(path), Ok(()), "{path:.20}");
        }
        let wide = "x".repeat(256);
        let longer = format!("{long}/x");
        for path in [
            "", "/", "/a", "a/", "a//b", ".", "..", "a/..", "../a", "a/./b", "a\\b", "a\0", "a\nb",
            "\u{85}", "e\u{301}", "\u{212b}", &wide, &longer,
        ] {
            assert_eq!(check_path(path), Err(BodyError::Path), "{path:.20}");
        }
    }

    #[test]
    fn a_typed_path_is_brought_into_its_normal_form() {
        assert_eq!(normal_path("/a/e\u{301}/").as_deref(), Ok("a/é"));
        for path in ["", "/", "a/../b", "a//b", &"x/".repeat(3 * MAX_PATH)] {
            assert_eq!(normal_path(path), Err(BodyError::Path), "{path:.20}");
        }
    }

    proptest! {
        #[test]
        fn a_path_that_is_taken_stays_inside_its_folder(path in "[a./\\\\\u{0}é\u{301} ]{0,12}") {
            if check_path(&path).is_ok() {
                let segments: Vec<_> = path.split('/').collect();
                prop_assert!(!path.contains(['\\', '\0']));
                prop_assert!(segments.iter().all(|s| !["", ".", ".."].contains(s)));
                prop_assert!(std::path::Path::new(&path).is_relative());
                prop_assert_eq!(normal_path(&path), Ok(path));
            }
        }

        #[test]
        fn a_normal_path_is_a_good_path(typed in any::<String>()) {
            if let Ok(path) = normal_path(&typed) {
                prop_assert_eq!(check_path(&path), Ok(()));
                prop_assert_eq!(normal_path(&path), Ok(path));
            }
        }
    }
}
