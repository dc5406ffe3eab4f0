//! Backups as files: what is in them, and reading one that somebody hands in.
//!
//! An archive (tar, packed by gzip) holds `kith-backup.json`, which says whose it is, and `settings.toml`.
//! No key of the box is ever in it. Reading is bounded before anything is unpacked, and nothing is ever
//! written to where a name in an archive says.

use std::io::{self, Read as _};

use flate2::Compression;
use flate2::read::GzDecoder;
use flate2::write::GzEncoder;
use kith_model::network::ask::MAX_SETTINGS;
use serde::{Deserialize, Serialize};
use tar::{Archive, Builder, EntryType, Header};

const LABEL: &str = "kith-backup.json";
const SETTINGS: &str = "settings.toml";

/// The version of what is in an archive.
const FORMAT: u32 = 1;

/// The most bytes of a backup, packed or not.
pub(crate) const MAX: usize = 1 << 20;

/// The longest name that is repeated to whoever handed a file in.
const LONGEST_NAME: usize = 60;

/// Whose backup it is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Label {
    pub(crate) format: u32,
    /// The version of the program that made it.
    #[serde(default)]
    pub(crate) kith: String,
    /// The box's name.
    #[serde(default, rename = "box")]
    pub(crate) name: String,
    /// The box's did:key.
    #[serde(default)]
    pub(crate) node: String,
    /// When it was made, in milliseconds since 1970.
    #[serde(default)]
    pub(crate) made: u64,
}

/// What was handed in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Backup {
    /// Nothing where it was a mere settings document.
    pub(crate) label: Option<Label>,
    pub(crate) settings: String,
}

/// Why something is no backup. In words, for whoever handed it in.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NoBackup {
    #[error(
        "a backup has at most 1 MiB, also when it is unpacked; this one has more, so none of it was read"
    )]
    TooLarge,
    #[error(
        "this is neither a backup of a box nor a settings document: take the file that “Download” gave"
    )]
    Unknown,
    #[error("the archive is damaged ({0}): take another copy of it")]
    Damaged(io::Error),
    #[error("the archive holds “{0}”, which is in no backup of a box, so none of it was used")]
    Foreign(String),
    #[error("the archive holds no settings")]
    NoSettings,
    #[error(
        "this backup was made by a newer Kith (format {0}): update this box first, then try again"
    )]
    Newer(u32),
}

/// An archive of these settings.
pub(crate) fn pack(label: &Label, settings: &str) -> io::Result<Vec<u8>> {
    let label = serde_json::to_vec_pretty(&Label { format: FORMAT, ..label.clone() })?;
    let mut archive = Builder::new(GzEncoder::new(Vec::new(), Compression::default()));
    for (name, content) in [(LABEL, &label[..]), (SETTINGS, settings.as_bytes())] {
        let mut header = Header::new_ustar();
        header.set_size(content.len() as u64);
        header.set_mode(0o600);
        header.set_mtime(0);
        archive.append_data(&mut header, name, content)?;
    }
    archive.into_inner()?.finish()
}

/// Reads what somebody hands in: an archive, packed or not, or a settings document.
pub(crate) fn unpack(bytes: &[u8]) -> Result<Backup, NoBackup> {
    let unpacked;
    let bytes = if bytes.starts_with(&[0x1f, 0x8b]) {
        unpacked = gunzip(bytes)?;
        &unpacked
    } else {
        bytes
    };
    if bytes.len() > MAX {
        return Err(NoBackup::TooLarge);
    }
    if bytes.get(257..262) == Some(b"ustar") {
        return entries(bytes);
    }
    let text = core::str::from_utf8(bytes).ok().filter(|text| !text.contains('\0'));
    let settings = text.ok_or(NoBackup::Unknown)?.to_owned();
    if settings.len() > MAX_SETTINGS {
        Err(NoBackup::TooLarge)
    } else {
        Ok(Backup { label: None, settings })
    }
}

fn gunzip(bytes: &[u8]) -> Result<Vec<u8>, NoBackup> {
    let mut unpacked = Vec::new();
    let most = u64::try_from(MAX + 1).unwrap_or(u64::MAX);
    GzDecoder::new(bytes).take(most).read_to_end(&mut unpacked).map_err(NoBackup::Damaged)?;
    if unpacked.len() > MAX { Err(NoBackup::TooLarge) } else { Ok(unpacked) }
}

fn entries(bytes: &[u8]) -> Result<Backup, NoBackup> {
    let mut archive = Archive::new(bytes);
    let (mut label, mut settings) = (None, None);
    for entry in archive.entries().map_err(NoBackup::Damaged)? {
        let mut entry = entry.map_err(NoBackup::Damaged)?;
        let name = String::from_utf8_lossy(&entry.path_bytes()).into_owned();
        let plain = entry.header().entry_type() == EntryType::Regular;
        let place = match &*name {
            LABEL if plain && label.is_none() => &mut label,
            SETTINGS if plain && settings.is_none() => &mut settings,
            _ => return Err(NoBackup::Foreign(name.chars().take(LONGEST_NAME).collect())),
        };
        if entry.size() > MAX_SETTINGS as u64 {
            return Err(NoBackup::TooLarge);
        }
        let mut text = String::new();
        entry.read_to_string(&mut text).map_err(NoBackup::Damaged)?;
        *place = Some(text);
    }
    let label = label.ok_or(NoBackup::Unknown)?;
    let label: Label = serde_json::from_str(&label).map_err(|_| NoBackup::Unknown)?;
    if label.format > FORMAT {
        return Err(NoBackup::Newer(label.format));
    }
    Ok(Backup { label: Some(label), settings: settings.ok_or(NoBackup::NoSettings)? })
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    fn tar(entries: &[(&str, EntryType, &[u8])]) -> Vec<u8> {
        let mut archive = Builder::new(Vec::new());
        for (name, kind, content) in entries {
            let mut header = Header::new_ustar();
            header.set_size(content.len() as u64);
            header.set_entry_type(*kind);
            // Past the library's own care, as somebody hostile would.
            header.as_mut_bytes()[..name.len()].copy_from_slice(name.as_bytes());
            header.set_cksum();
            archive.append(&header, *content).unwrap();
        }
        archive.into_inner().unwrap()
    }

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut gzip = GzEncoder::new(Vec::new(), Compression::best());
        gzip.write_all(bytes).unwrap();
        gzip.finish().unwrap()
    }

    fn label(format: u32) -> Vec<u8> {
        serde_json::to_vec(&Label { format, ..Label::default() }).unwrap()
    }

    const FILE: EntryType = EntryType::Regular;

    #[test]
    fn what_was_packed_comes_out_again() {
        let label = Label { name: "Ada’s box".into(), made: 7, ..Label::default() };
        let packed = pack(&label, "country = \"DE\"\n").unwrap();
        let backup = unpack(&packed).unwrap();
        assert_eq!(backup.settings, "country = \"DE\"\n");
        assert_eq!(backup.label, Some(Label { format: FORMAT, ..label }));
        let unpacked = gunzip(&packed).unwrap();
        assert_eq!(unpack(&unpacked).unwrap(), backup, "packed or not");
        let text = unpack(b"country = \"DE\"\n").unwrap();
        assert_eq!((text.label, text.settings), (None, backup.settings));
    }

    #[test]
    fn names_that_lead_elsewhere_are_refused_as_all_others_are() {
        for (name, kind) in [
            ("../settings.toml", FILE),
            ("/etc/passwd", FILE),
            ("./settings.toml", FILE),
            ("settings.toml/../../x", FILE),
            ("node.key", FILE),
            ("settings.toml", EntryType::Symlink),
            ("settings.toml", EntryType::Link),
            ("settings.toml", EntryType::Directory),
            ("settings.toml", EntryType::Char),
        ] {
            let archive = tar(&[(LABEL, FILE, &label(1)), (name, kind, b"")]);
            let refused = unpack(&archive).unwrap_err();
            assert!(matches!(&refused, NoBackup::Foreign(n) if n == name), "{name}: {refused}");
        }
        let twice =
            tar(&[(LABEL, FILE, &label(1)), (SETTINGS, FILE, b"a"), (SETTINGS, FILE, b"b")]);
        assert!(matches!(unpack(&twice), Err(NoBackup::Foreign(_))));
    }

    #[test]
    fn bombs_are_bounded_before_they_go_off() {
        let bomb = gzip(&vec![b'#'; 64 << 20]);
        assert!(bomb.len() < 100 << 10, "{}", bomb.len());
        assert!(matches!(unpack(&bomb), Err(NoBackup::TooLarge)));
        let nested = gzip(&gzip(&vec![0; 8 << 20]));
        assert!(matches!(unpack(&nested), Err(NoBackup::Unknown)));
        let large =
            tar(&[(LABEL, FILE, &label(1)), (SETTINGS, FILE, &vec![b'#'; MAX_SETTINGS + 1])]);
        assert!(matches!(unpack(&large), Err(NoBackup::TooLarge)));
        // One that says it has more than it has.
        let mut liar = tar(&[(LABEL, FILE, &label(1)), (SETTINGS, FILE, b"x")]);
        let at = liar.len() - 2 * 512 - 2 * 512;
        liar[at + 124..at + 135].copy_from_slice(b"00000177777");
        let mut header = Header::from_byte_slice(&liar[at..at + 512]).clone();
        header.set_cksum();
        liar[at..at + 512].copy_from_slice(header.as_bytes());
        assert!(unpack(&liar).is_err());
    }

    #[test]
    fn what_is_no_backup_is_said_in_words() {
        assert!(unpack(b"PK\x03\x04zip\0").unwrap_err().to_string().contains("neither a backup"));
        let newer = tar(&[(LABEL, FILE, &label(9)), (SETTINGS, FILE, b"")]);
        assert!(unpack(&newer).unwrap_err().to_string().contains("update this box first"));
        let without = tar(&[(LABEL, FILE, &label(1))]);
        assert!(matches!(unpack(&without), Err(NoBackup::NoSettings)));
        let cut = gzip(b"country");
        assert!(matches!(unpack(&cut[..cut.len() - 9]), Err(NoBackup::Damaged(_))));
    }
}
