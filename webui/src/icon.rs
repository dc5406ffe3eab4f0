//! Line icons, drawn inline so that they cost no request and take the colour of the text.
//!
//! Each stands beside words that say the same, so all are hidden from screen readers.

use std::fmt;

macro_rules! icons {
    ($($name:literal $path:literal,)*) => {
        /// Name and picture, by name.
        const ICONS: &[(&str, Svg)] = &[$(($name, Svg(concat!(
            "<svg class=\"icon\" viewBox=\"0 0 24 24\" width=\"24\" height=\"24\" aria-hidden=\"true\"><path d=\"",
            $path,
            "\"/></svg>"
        )))),*];
    };
}

// Name and drawing on a 24 by 24 grid, in the order of the alphabet.
icons! {
    "activity" "M3 12h4l3 7 4-14 3 7h4",
    "aim" "M12 3v4M12 17v4M3 12h4M17 12h4M12 8a4 4 0 100 8 4 4 0 000-8z",
    "back" "M15 5l-7 7 7 7",
    "bin" "M5 7h14M10 7V4h4v3M7 7l1 13h8l1-13",
    "board" "M5 4h14v12l-4 4H5zM15 20v-4h4M8 9h8M8 13h5",
    "check" "M4 13l5 5L20 6",
    "clock" "M12 3a9 9 0 100 18 9 9 0 000-18zM12 7v5l3 2",
    "disk" "M4 6c0-4 16-4 16 0v12c0 4-16 4-16 0zM4 6c0 4 16 4 16 0M4 12c0 4 16 4 16 0",
    "down" "M12 4v11M7 11l5 5 5-5M5 20h14",
    "file" "M6 3h8l4 4v14H6zM14 3v4h4",
    "folder" "M3 6h7l2 3h9v10H3z",
    "globe" "M12 3a9 9 0 100 18 9 9 0 000-18zM3 12h18M12 3c5 5 5 13 0 18-5-5-5-13 0-18z",
    "help" "M12 3a9 9 0 100 18 9 9 0 000-18zM9.5 9.5a2.5 2.5 0 115 .3c0 1.7-2.5 1.9-2.5 3.7M12 17h.01",
    "home" "M4 11l8-7 8 7v9h-5v-6H9v6H4z",
    "key" "M8 11a4 4 0 100 8 4 4 0 000-8zM11 12l8-8M16 7l3 3",
    "leaf" "M5 19C4 9 11 4 20 4c0 10-5 16-13 14M5 21c1-5 4-8 9-10",
    "link" "M10 14a4 4 0 006 0l3-3a4 4 0 00-6-6l-1 1M14 10a4 4 0 00-6 0l-3 3a4 4 0 006 6l1-1",
    "mesh" "M5 6h.01M19 6h.01M12 12h.01M5 18h.01M19 18h.01M5 6l7 6 7-6M5 18l7-6 7 6M5 6v12M19 6v12",
    "moon" "M19 14.5A8 8 0 019.5 5 8 8 0 1019 14.5z",
    "peers" "M2.5 20v-7l4-3.5 4 3.5v7zM13.5 20v-9l4-3.5 4 3.5v9zM8.5 7c1.5-3 4-3.5 6-2",
    "people" "M9 11a3.5 3.5 0 100-7 3.5 3.5 0 000 7zM2.5 20c0-8 13-8 13 0M16 4.5a3.5 3.5 0 010 6.5M18 14.5c2 .6 3.5 2.5 3.5 5.5",
    "person" "M12 12a4 4 0 100-8 4 4 0 000 8zM4.5 20.5c0-8 15-8 15 0",
    "phone" "M8 3h8v18H8zM11 18h2",
    "picture" "M4 5h16v14H4zM4 16l5-5 4 4 3-3 4 4M15.5 9h.01",
    "plus" "M12 5v14M5 12h14",
    "reply" "M9 7l-5 5 5 5M4 12h9c4 0 7 2 7 6",
    "shield" "M12 3l7 3v6c0 4-3 7-7 9-4-2-7-5-7-9V6z",
    "sync" "M4 11a8 8 0 0114-4l2 2M20 5v4h-4M20 13a8 8 0 01-14 4l-2-2M4 19v-4h4",
    "up" "M12 20V9M7 13l5-5 5 5M5 4h14",
    "warn" "M12 4l9 16H3zM12 10v4M12 17h.01",
    "wifi" "M3 9c5-5 13-5 18 0M6 12.5c3.5-3.5 8.500-3.500 12 0M9 16c2-2 4-2 6 0M12 19.500h.01",
}

/// A picture, as HTML.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Svg(&'static str);

impl fmt::Display for Svg {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

impl askama::filters::HtmlSafe for Svg {}

/// An icon as inline SVG.
pub(crate) fn draw(name: &str) -> Svg {
    let found = ICONS.binary_search_by(|(known, _)| (*known).cmp(name)).ok();
    found.and_then(|at| ICONS.get(at)).map_or(Svg(""), |(_, svg)| *svg)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn icons_stand_in_the_order_they_are_looked_up_by() {
        assert!(ICONS.is_sorted_by_key(|(name, _)| *name));
        assert!(ICONS.iter().all(|(name, svg)| draw(name) == *svg && !svg.0.is_empty()));
        assert_eq!(draw("nothing"), Svg(""));
    }
}
