//! A master boot record as bytes: four partitions, or the one that protects a GPT (UEFI 2.10, 5.2).

use sha2::{Digest as _, Sha256};

use super::SECTOR;
use super::layout::{Kind, Plan};

/// FAT addressed by sectors.
const FAT_LBA: u8 = 0x0c;

/// FAT16 of less than 32 MB has a type of its own that old firmware insists on; the Pi's does not.
const FAT16: u8 = 0x0e;

/// Data of Linux.
const LINUX: u8 = 0x83;

/// A whole disk that belongs to a GPT.
const PROTECTIVE: u8 = 0xee;

/// The first sector of a disk with these partitions.
#[must_use]
pub fn record(plan: &Plan, seed: &[u8]) -> Vec<u8> {
    let digest = Sha256::new().chain_update(seed).chain_update(b"\0disk").finalize();
    let entries: Vec<[u8; 16]> = plan
        .partitions
        .iter()
        .take(4)
        .map(|area| {
            let kind = match area.kind {
                Kind::Boot => FAT16,
                Kind::Slot => FAT_LBA,
                Kind::Root | Kind::Meta | Kind::Loader => LINUX,
            };
            entry(kind, area.first(), area.sectors(), area.kind == Kind::Boot)
        })
        .collect();
    let signature = [digest[0], digest[1], digest[2], digest[3]];
    sector(&entries, signature)
}

/// The first sector of a disk with a GPT.
#[must_use]
pub(super) fn protective(plan: &Plan) -> Vec<u8> {
    sector(&[entry(PROTECTIVE, 1, plan.bytes / SECTOR - 1, false)], [0; 4])
}

fn sector(entries: &[[u8; 16]], signature: [u8; 4]) -> Vec<u8> {
    let mut bytes = vec![0; 440];
    bytes.extend(signature);
    bytes.extend([0; 2]);
    for entry in entries {
        bytes.extend(entry);
    }
    bytes.resize(510, 0);
    bytes.extend([0x55, 0xaa]);
    bytes
}

/// An entry without heads and cylinders, which nobody reads: they say "too far" (UEFI 2.10, table 5.3).
fn entry(kind: u8, first: u64, sectors: u64, active: bool) -> [u8; 16] {
    let far = [0xfe, 0xff, 0xff];
    let begin = if kind == PROTECTIVE { [0x00, 0x02, 0x00] } else { far };
    let number = |n: u64| u32::try_from(n).unwrap_or(u32::MAX).to_le_bytes();
    let mut bytes = [0; 16];
    bytes[0] = if active { 0x80 } else { 0 };
    bytes[1..4].copy_from_slice(&begin);
    bytes[4] = kind;
    bytes[5..8].copy_from_slice(&far);
    bytes[8..12].copy_from_slice(&number(first));
    bytes[12..16].copy_from_slice(&number(sectors));
    bytes
}

#[cfg(test)]
mod tests {
    use super::super::layout::tests_plan;
    use super::*;

    #[test]
    fn three_partitions_stand_where_the_plan_says_and_the_fourth_is_free() {
        let plan = tests_plan(false);
        let bytes = record(&plan, b"seed");
        assert_eq!(bytes.len(), 512);
        assert_eq!(&bytes[510..], [0x55, 0xaa]);
        let number =
            |at: usize| u64::from(u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap()));
        for (i, area) in plan.partitions.iter().enumerate() {
            let at = 446 + 16 * i;
            assert_eq!((number(at + 8), number(at + 12)), (area.first(), area.sectors()));
        }
        assert_eq!((bytes[446], bytes[450], bytes[466], bytes[482]), (0x80, 0x0e, 0x0c, 0x0c));
        assert_eq!(bytes[494..510], [0; 16]);
        assert_eq!(record(&plan, b"seed"), bytes);
        assert_ne!(record(&plan, b"other"), bytes);
    }
}
