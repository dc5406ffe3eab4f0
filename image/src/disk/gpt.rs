//! A GUID partition table (UEFI 2.10, 5.3) as bytes: a pure function of the plan and a seed.

use sha2::{Digest as _, Sha256};

use super::layout::{Area, Kind, Plan};
use super::{SECTOR, mbr};

/// Entries of a table, and bytes of each: what every implementation expects.
const ENTRIES: usize = 128;
const ENTRY: usize = 128;

/// Sectors that the entries take.
const ENTRY_SECTORS: u64 = (ENTRIES * ENTRY) as u64 / SECTOR;

/// An EFI system partition (UEFI 2.10, table 5.7).
const EFI_SYSTEM: &str = "c12a7328-f81f-11d2-ba4b-00a0c93ec93b";

/// Data of Linux (Discoverable Partitions Specification).
const LINUX_DATA: &str = "0fc63daf-8483-4772-8e79-3d69d8477de4";

/// What a box remembers: a type of ours, so that nothing else takes it for its own.
const KITH_META: &str = "5ba1a3d2-7c0e-4f5b-9d3c-8f27d6a1e0b4";

/// A GUID as it stands in a table: the first three fields little endian (UEFI 2.10, appendix A).
pub type Guid = [u8; 16];

/// The table at the beginning of the disk, protective MBR included, and its copy for the end.
#[must_use]
pub fn tables(plan: &Plan, seed: &[u8]) -> (Vec<u8>, Vec<u8>) {
    let last = plan.bytes / SECTOR - 1;
    let entries = entries(plan, seed);
    let header = |at: u64, other: u64, first_entry: u64| {
        header(&Place { at, other, first_entry, last }, &entries, guid(seed, "disk"))
    };
    let mut begin = mbr::protective(plan);
    begin.extend(header(1, last, 2));
    begin.extend(&entries);
    let mut end = entries.clone();
    end.extend(header(last, 1, last - ENTRY_SECTORS));
    (begin, end)
}

/// Where the parts of one of the two tables lie, in sectors.
struct Place {
    at: u64,
    other: u64,
    first_entry: u64,
    last: u64,
}

fn header(place: &Place, entries: &[u8], disk: Guid) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(SECTOR_BYTES);
    bytes.extend(b"EFI PART");
    bytes.extend(0x0001_0000_u32.to_le_bytes());
    bytes.extend(92_u32.to_le_bytes());
    // The sum over the header, taken while this is zero.
    bytes.extend([0; 4]);
    bytes.extend([0; 4]);
    bytes.extend(place.at.to_le_bytes());
    bytes.extend(place.other.to_le_bytes());
    bytes.extend((2 + ENTRY_SECTORS).to_le_bytes());
    bytes.extend((place.last - ENTRY_SECTORS - 1).to_le_bytes());
    bytes.extend(disk);
    bytes.extend(place.first_entry.to_le_bytes());
    bytes.extend(128_u32.to_le_bytes());
    bytes.extend(128_u32.to_le_bytes());
    bytes.extend(crc32fast::hash(entries).to_le_bytes());
    let sum = crc32fast::hash(&bytes).to_le_bytes();
    bytes[16..20].copy_from_slice(&sum);
    bytes.resize(SECTOR_BYTES, 0);
    bytes
}

const SECTOR_BYTES: usize = 512;

fn entries(plan: &Plan, seed: &[u8]) -> Vec<u8> {
    let mut bytes: Vec<u8> = plan.partitions.iter().flat_map(|area| entry(area, seed)).collect();
    bytes.resize(ENTRIES * ENTRY, 0);
    bytes
}

fn entry(area: &Area, seed: &[u8]) -> Vec<u8> {
    let kind = match area.kind {
        Kind::Boot => EFI_SYSTEM,
        Kind::Root | Kind::Slot | Kind::Loader => LINUX_DATA,
        Kind::Meta => KITH_META,
    };
    let mut bytes = Vec::with_capacity(ENTRY);
    bytes.extend(parse(kind));
    bytes.extend(guid(seed, &area.name));
    bytes.extend(area.first().to_le_bytes());
    bytes.extend((area.first() + area.sectors() - 1).to_le_bytes());
    bytes.extend([0; 8]);
    bytes.extend(area.name.encode_utf16().take(36).flat_map(u16::to_le_bytes));
    bytes.resize(ENTRY, 0);
    bytes
}

/// A GUID of a kind that is made from names (RFC 9562, 5.8), so that one source gives one image.
fn guid(seed: &[u8], name: &str) -> Guid {
    let digest = Sha256::new().chain_update(seed).chain_update([0]).chain_update(name).finalize();
    let mut guid = [0; 16];
    guid.copy_from_slice(&digest[..16]);
    // Version 8 and the variant, where the mixed order of bytes puts them.
    guid[7] = 0x80 | (guid[7] & 0x0f);
    guid[8] = 0x80 | (guid[8] & 0x3f);
    guid
}

/// A GUID from its text, which must be one: only constants are read.
fn parse(text: &str) -> Guid {
    let mut guid = [0; 16];
    let digits: Vec<u8> = text.bytes().filter(|byte| *byte != b'-').collect();
    for (byte, pair) in guid.iter_mut().zip(digits.chunks(2)) {
        let digit = |c: u8| char::from(c).to_digit(16).unwrap_or_default();
        let value = pair.iter().fold(0, |value, c| value * 16 + digit(*c));
        *byte = u8::try_from(value).unwrap_or_default();
    }
    guid[..4].reverse();
    guid[4..6].reverse();
    guid[6..8].reverse();
    guid
}

#[cfg(test)]
mod tests {
    use data_encoding::HEXLOWER;

    use super::super::layout::tests_plan;
    use super::*;

    #[test]
    fn one_seed_gives_one_table() {
        let plan = tests_plan(true);
        let (begin, end) = tables(&plan, b"seed");
        assert_eq!((begin.len(), end.len()), (34 * 512, 33 * 512));
        assert_eq!(tables(&plan, b"seed"), (begin.clone(), end.clone()));
        assert_ne!(tables(&plan, b"other").0, begin);
        // As sgdisk and sfdisk found it sound; a change here is a change of what is flashed.
        let digest = |bytes: &[u8]| HEXLOWER.encode(&Sha256::digest(bytes));
        assert_eq!([digest(&begin), digest(&end)], GOLDEN);
    }

    const GOLDEN: [&str; 2] = [
        "36b91f0f25d9fced07c276c24b4327237027169e8bd62d8bc6936b4b7e58d559",
        "c578ac51be66347bcdb31bef808a318dde86a09ec7f14289c8b83d9ba180c1f0",
    ];

    #[test]
    fn a_guid_stands_in_mixed_order() {
        let guid = HEXLOWER.encode(&parse(EFI_SYSTEM));
        assert_eq!(guid, "28732ac11ff8d211ba4b00a0c93ec93b");
    }

    #[test]
    fn the_sums_are_those_of_the_standard() {
        let (begin, _) = tables(&tests_plan(true), b"seed");
        let mut header = begin[512..512 + 92].to_vec();
        let sum = u32::from_le_bytes(header[16..20].try_into().unwrap());
        header[16..20].fill(0);
        assert_eq!(crc32fast::hash(&header), sum);
        assert_eq!(&begin[510..512], [0x55, 0xaa]);
        assert_eq!(begin[450], 0xee);
    }
}
