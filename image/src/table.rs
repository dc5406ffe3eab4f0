//! The table of boards in `hw-profiles/README.md`, from the profiles.

use anyhow::Context as _;
use kith_model::profile::{Band, BootChain, PortRole, Profile, Radio, Tier};

use crate::files::Generated;

/// Where the table stands.
pub const FILE: &str = "hw-profiles/README.md";

const BEGIN: &str = "<!-- boards: ";
const END: &str = "<!-- /boards -->";

/// The page with a fresh table.
///
/// # Errors
/// The page has no place for it.
pub fn page(old: &str, boards: &[Profile]) -> anyhow::Result<Generated> {
    let lost = || format!("{FILE} has lost the marks around its table");
    let begin = old.find(BEGIN).with_context(lost)?;
    let first = begin + old[begin..].find('\n').with_context(lost)? + 1;
    let end = first + old[first..].find(END).with_context(lost)?;
    let text = format!("{}\n{}\n{}", &old[..first], table(boards), &old[end..]);
    Ok(Generated { path: FILE.into(), text })
}

fn table(boards: &[Profile]) -> String {
    let mut boards: Vec<&Profile> = boards.iter().filter(|board| board.class.is_board()).collect();
    boards.sort_by_key(|board| (board.class, board.name.clone()));
    let head = "| board | processor | memory | ports | radios | mesh | two slots | seen |\n\
                |---|---|---|---|---|---|---|---|\n";
    let rows = boards.into_iter().map(row);
    head.to_owned() + &rows.collect::<String>()
}

fn row(board: &Profile) -> String {
    let arch = board.arch.map(|arch| arch.to_string()).unwrap_or_default();
    let radios: Vec<String> = board.radio.iter().map(radio).collect();
    let mesh = match (board.radio.is_empty(), board.radio.iter().any(Radio::mesh_capable)) {
        (true, _) => "with a plugged-in radio",
        (false, true) => "yes",
        (false, false) => "with another radio",
    };
    let slots = match board.image.as_ref().map(|image| image.boot) {
        Some(BootChain::Existing) | None => "no",
        Some(BootChain::Efi | BootChain::RpiFirmware | BootChain::UBoot) => "yes",
    };
    let radios = if radios.is_empty() { "none".to_owned() } else { radios.join("; ") };
    format!(
        "| [{}]({}/README.md) | {arch} | {} MB | {} | {radios} | {mesh} | {slots} | {} |\n",
        board.title,
        board.name,
        board.memory_mb,
        ports(board),
        seen(board)
    )
}

fn ports(board: &Profile) -> String {
    let of = |role| board.port.iter().filter(|port| port.role == role).count();
    match (of(PortRole::Lan), of(PortRole::Wan), board.other_ports_lan) {
        (0, 0, true) => "those it has".into(),
        (0, 0, false) => "none".into(),
        (lan, 0, _) => format!("{lan} LAN"),
        (lan, wan, _) => format!("{lan} LAN, {wan} WAN"),
    }
}

fn radio(radio: &Radio) -> String {
    let bands: Vec<&str> = radio
        .bands
        .iter()
        .map(|band| match band {
            Band::Two => "2.4",
            Band::Five => "5",
            Band::Six => "6",
        })
        .collect();
    format!("{} ({} GHz)", radio.driver, bands.join(", "))
}

fn seen(board: &Profile) -> String {
    match board.tier {
        None => String::new(),
        Some(Tier::Experimental) => "experimental".into(),
        Some(Tier::Resolves) => "resolves".into(),
        Some(Tier::BootedInQemu) => "booted-in-qemu".into(),
        Some(Tier::SeenOnHardware) => {
            format!("seen-on-hardware ({})", board.seen.as_deref().unwrap_or_default())
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use kith_model::profile;

    use super::*;
    use crate::files::{Source, stale};

    #[test]
    fn the_committed_table_is_the_one_that_is_generated() {
        let source = Source::above(Path::new(env!("CARGO_MANIFEST_DIR"))).unwrap();
        let page = page(&source.read(FILE).unwrap(), &profile::all()).unwrap();
        assert!(stale(&source, &[page]).is_empty(), "stale: cargo run -p kith-image -- docs");
    }

    #[test]
    fn every_board_has_a_row_and_a_page() {
        let table = table(&profile::all());
        let source = Source::above(Path::new(env!("CARGO_MANIFEST_DIR"))).unwrap();
        for board in profile::all() {
            assert!(source.join(&format!("hw-profiles/{}/README.md", board.name)).is_file());
            assert_eq!(
                table.contains(&format!("]({}/README.md)", board.name)),
                board.class.is_board()
            );
        }
    }

    #[test]
    fn a_page_without_marks_is_refused_and_text_around_them_stays() {
        assert!(page("no table", &[]).is_err());
        let old = "before\n<!-- boards: x -->\nold\n<!-- /boards -->\nafter\n";
        let new = page(old, &[]).unwrap().text;
        assert!(new.starts_with("before\n<!-- boards: x -->\n\n| board |"), "{new}");
        assert!(new.ends_with("|\n\n<!-- /boards -->\nafter\n"), "{new}");
        assert_eq!(page(&new, &[]).unwrap().text, new);
    }
}
