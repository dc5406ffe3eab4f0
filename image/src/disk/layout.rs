//! Where on the disk of a board everything lies.

use anyhow::{Context as _, bail};
use kith_model::profile::{Image, Layout, Profile};

use super::SECTOR;

const MIB: u64 = 1 << 20;

/// Partitions begin here where nothing comes before them.
const FIRST: u64 = MIB;

/// Partitions begin here on boards whose boot loader lies before them.
const AFTER_LOADER: u64 = 16 * MIB;

/// The EFI system partition: two kernels with their initrds, and one that is always safe.
const EFI_BYTES: u64 = 128 * MIB;

/// The partition that the firmware of a Pi reads first.
const FIRMWARE_BYTES: u64 = 8 * MIB;

/// What a box remembers outside all slots and its data: the rollback floor, and that it was claimed.
const META_BYTES: u64 = MIB;

/// Where that lies on a disk whose four partitions are all taken: after what processors look for at the
/// beginning of a card, before the first partition.
const META_IN_GAP: u64 = 4 * MIB;

/// How a disk is divided.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    /// Whether there is a GPT; else an MBR.
    pub gpt: bool,
    /// Bytes of the image.
    pub bytes: u64,
    /// Partitions, in the order of their numbers.
    pub partitions: Vec<Area>,
    /// What lies outside them.
    pub raw: Vec<Area>,
}

/// A part of the disk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Area {
    /// Its name; in a GPT also its label.
    pub name: String,
    /// What is in it.
    pub kind: Kind,
    /// Bytes from the beginning of the disk.
    pub offset: u64,
    /// Bytes.
    pub bytes: u64,
}

/// What is in a part of the disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// FAT with what the firmware starts.
    Boot,
    /// A root, read-only.
    Root,
    /// FAT with a kernel and its root.
    Slot,
    /// What is remembered outside all of them.
    Meta,
    /// A boot loader at the place where the processor looks.
    Loader,
}

impl Area {
    /// Its first sector.
    #[must_use]
    pub const fn first(&self) -> u64 {
        self.offset / SECTOR
    }

    /// Its sectors.
    #[must_use]
    pub const fn sectors(&self) -> u64 {
        self.bytes / SECTOR
    }
}

impl Plan {
    /// The part of this name.
    #[must_use]
    pub fn area(&self, name: &str) -> Option<&Area> {
        self.partitions.iter().chain(&self.raw).find(|area| area.name == name)
    }
}

/// How the disk of a board is divided.
///
/// # Errors
/// No image is made for it, or its loader has no slots.
pub fn plan(board: &Profile) -> anyhow::Result<Plan> {
    let image =
        board.image.as_ref().with_context(|| format!("no image is made for {}", board.name))?;
    let slot = u64::from(image.slot_mb) * MIB;
    let first = if image.uboot.is_empty() { FIRST } else { AFTER_LOADER };
    let mut plan = match image.layout {
        Layout::GptAb => gpt(first, slot),
        Layout::MbrAb => mbr(first.max(2 * META_IN_GAP), slot),
        Layout::None => {
            bail!("{} starts from a loader that is not ours: it has no slots", board.name)
        }
    };
    loaders(image, &mut plan)?;
    Ok(plan)
}

/// Areas one after the other from byte `first` on, and the byte after the last.
fn in_a_row(first: u64, areas: &[(&str, Kind, u64)]) -> (Vec<Area>, u64) {
    let mut offset = first;
    let placed = areas.iter().map(|&(name, kind, bytes)| {
        let area = Area { name: name.into(), kind, offset, bytes };
        offset += bytes;
        area
    });
    (placed.collect(), offset)
}

fn gpt(first: u64, slot: u64) -> Plan {
    let (partitions, at) = in_a_row(
        first,
        &[
            ("kith-boot", Kind::Boot, EFI_BYTES),
            ("kith-root-a", Kind::Root, slot),
            ("kith-root-b", Kind::Root, slot),
            ("kith-meta", Kind::Meta, META_BYTES),
        ],
    );
    // The second copy of the table takes 33 sectors at the end.
    Plan { gpt: true, bytes: at + MIB, partitions, raw: Vec::new() }
}

fn mbr(first: u64, slot: u64) -> Plan {
    let (partitions, at) = in_a_row(
        first,
        &[
            ("kith-boot", Kind::Boot, FIRMWARE_BYTES),
            ("kith-slot-a", Kind::Slot, slot),
            ("kith-slot-b", Kind::Slot, slot),
        ],
    );
    let meta =
        Area { name: "kith-meta".into(), kind: Kind::Meta, offset: META_IN_GAP, bytes: META_BYTES };
    Plan { gpt: false, bytes: at, partitions, raw: vec![meta] }
}

/// Each loader has the room up to what comes next.
fn loaders(image: &Image, plan: &mut Plan) -> anyhow::Result<()> {
    let mut ends: Vec<u64> =
        plan.partitions.iter().chain(&plan.raw).map(|area| area.offset).collect();
    ends.extend(image.uboot.iter().map(|part| part.offset));
    for part in &image.uboot {
        let end = ends.iter().copied().filter(|end| *end > part.offset).min();
        let end = end.with_context(|| format!("{} would lie behind everything", part.file))?;
        let inside = |area: &Area| (area.offset..area.offset + area.bytes).contains(&part.offset);
        if let Some(area) = plan.partitions.iter().chain(&plan.raw).find(|area| inside(area)) {
            bail!("{} would lie in {}", part.file, area.name);
        }
        let bytes = end - part.offset;
        plan.raw.push(Area {
            name: part.file.clone(),
            kind: Kind::Loader,
            offset: part.offset,
            bytes,
        });
    }
    Ok(())
}

/// A small disk of each kind, for tests of what is written.
#[cfg(test)]
pub(super) fn tests_plan(is_gpt: bool) -> Plan {
    if is_gpt { gpt(FIRST, 2 * MIB) } else { mbr(2 * META_IN_GAP, 2 * MIB) }
}

#[cfg(test)]
mod tests {
    use kith_model::profile;

    use super::*;

    #[test]
    fn nothing_lies_upon_anything_else_on_any_board() {
        let mut with_slots = 0;
        for board in profile::all().iter().filter(|board| board.class.is_board()) {
            let Ok(plan) = plan(board) else {
                assert_eq!(board.image.as_ref().unwrap().layout, Layout::None, "{}", board.name);
                continue;
            };
            with_slots += 1;
            let mut areas: Vec<&Area> = plan.partitions.iter().chain(&plan.raw).collect();
            areas.sort_by_key(|area| area.offset);
            let table = if plan.gpt { 34 * SECTOR } else { SECTOR };
            let mut end = table;
            for area in areas {
                assert!(area.offset >= end, "{}: {} at {}", board.name, area.name, area.offset);
                assert!(area.bytes > 0 && area.bytes.is_multiple_of(SECTOR), "{}", area.name);
                end = area.offset + area.bytes;
            }
            let behind = if plan.gpt { 33 * SECTOR } else { 0 };
            assert!(end + behind <= plan.bytes, "{}", board.name);
            for part in &plan.partitions {
                assert!(part.offset.is_multiple_of(MIB), "{}: {}", board.name, part.name);
            }
        }
        assert!(with_slots >= 9);
    }

    #[test]
    fn both_slots_are_there_and_no_data_is() {
        for board in profile::all() {
            let Ok(plan) = plan(&board) else { continue };
            let of = |kind| plan.partitions.iter().filter(|area| area.kind == kind).count();
            assert_eq!((of(Kind::Boot), of(Kind::Root) + of(Kind::Slot)), (1, 2));
            assert_eq!(plan.area("kith-meta").map(|meta| meta.bytes), Some(META_BYTES));
            // Room for the fourth, which the box makes.
            assert!(plan.gpt || plan.partitions.len() == 3);
        }
    }

    #[test]
    fn a_loader_inside_a_partition_is_refused() {
        let boards = profile::all();
        let with = |image: &Image| !image.uboot.is_empty() && image.layout == Layout::GptAb;
        let mut board =
            boards.into_iter().find(|board| board.image.as_ref().is_some_and(with)).unwrap();
        board.image.as_mut().unwrap().uboot[0].offset = AFTER_LOADER + SECTOR;
        let error = plan(&board).unwrap_err().to_string();
        assert!(error.contains("would lie in kith-boot"), "{error}");
    }
}
