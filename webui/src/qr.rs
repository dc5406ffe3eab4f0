//! QR codes (ISO/IEC 18004) as one inline SVG path: no script, no picture to load, sharp in print.

use std::fmt::Write as _;

use qrcode::{Color, EcLevel, QrCode};

use crate::view::{Markup, escape};

/// Modules of white around the code that readers need.
const QUIET: usize = 4;

/// A QR code with a label for who cannot see it; nothing when the text is too long for one.
pub(crate) fn draw(text: &str, label: &str) -> Option<Markup> {
    let code = QrCode::with_error_correction_level(text, EcLevel::L).ok()?;
    let width = code.width();
    let mut path = String::new();
    for (row, modules) in code.to_colors().chunks(width).enumerate() {
        let mut column = 0;
        for run in modules.chunk_by(|a, b| a == b) {
            if run.first() == Some(&Color::Dark) {
                let _ = write!(
                    path,
                    "M{} {}h{}v1h-{}z",
                    column + QUIET,
                    row + QUIET,
                    run.len(),
                    run.len()
                );
            }
            column += run.len();
        }
    }
    let side = width + 2 * QUIET;
    Some(Markup(format!(
        "<svg class=\"qr\" role=\"img\" aria-label=\"{}\" viewBox=\"0 0 {side} {side}\" shape-rendering=\"crispEdges\"><rect width=\"{side}\" height=\"{side}\"/><path d=\"{path}\"/></svg>",
        escape(label)
    )))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_is_drawn_as_large_as_its_text_needs() {
        let svg = draw("KITH1-ABCDEF", "Invite \"x\"").unwrap().0;
        assert!(svg.contains("viewBox=\"0 0 29 29\""), "{svg}");
        assert!(svg.contains("aria-label=\"Invite &quot;x&quot;\""));
        // The finder pattern in the corner: a dark run of seven.
        assert!(svg.contains("M4 4h7v1h-7z"));
    }

    #[test]
    fn a_text_that_fits_no_code_is_left_out() {
        assert!(draw(&"A".repeat(1_000), "").is_some());
        assert_eq!(draw(&"x".repeat(5_000), ""), None);
    }
}
