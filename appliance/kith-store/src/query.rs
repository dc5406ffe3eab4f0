//! Reading: records, blocks and the rows of views.

use std::sync::Arc;

use bytes::Bytes;
use kith_core::buffers::Buffers;
use kith_core::cid::Cid;
use kith_core::fold::{Order, ReadRows, Row};
use kith_core::identity::AuthorId;
use kith_core::record::{Class, Record, RecordId, SignedBytes, SpaceId};
use kith_core::time::Hlc;
use kith_files::{Kind, Open};

use crate::blocks::block_path;
use crate::error::{IndexError, StoreError};
use crate::index::Index;
use crate::rows::{
    BY_TIME, BlockRow, Home, author_prefix, bare, block_key, class_prefix, counter_and_id,
    each_row, id_key, location_of, space_and_class, time_and_id, time_key, view_key,
};
use crate::segments::Location;
use crate::store::{Inner, Store};

/// How many rows an iterator asks the index for at once.
const PAGE: usize = 256;

/// How thoroughly a block is checked when it is read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Check {
    /// The checksum of its frame, or the length of its file.
    #[default]
    Quick,
    /// Its hash.
    Hash,
}

impl Store {
    /// The bytes of a record.
    ///
    /// # Errors
    /// [`StoreError::Damaged`], or what the disk says.
    pub fn record(&self, id: &RecordId) -> Result<Option<Bytes>, StoreError> {
        let row = self.inner.row(&id_key(id))?;
        row.map(|row| self.inner.parts.log.read(location_of(&row)?)).transpose()
    }

    /// Whether a record is here.
    ///
    /// # Errors
    /// [`StoreError::Index`].
    pub fn has_record(&self, id: &RecordId) -> Result<bool, StoreError> {
        Ok(self.inner.row(&id_key(id))?.is_some())
    }

    /// At most `limit` records of a class by (time, id), behind `after`.
    ///
    /// # Errors
    /// [`StoreError::Index`].
    pub fn ids(
        &self,
        space: &SpaceId,
        class: &Class,
        after: Option<(Hlc, RecordId)>,
        limit: usize,
    ) -> Result<Vec<(Hlc, RecordId)>, StoreError> {
        let rows = self.inner.by_time(space, class, after, limit)?;
        rows.iter().map(|(key, _)| Ok(time_and_id(key)?)).collect()
    }

    /// All records of a class by (time, id). It reads as it goes, so records that come meanwhile may
    /// or may not be among them.
    pub fn records(
        &self,
        space: &SpaceId,
        class: &Class,
    ) -> impl Iterator<Item = Result<Record, StoreError>> + use<> {
        let (inner, space, class) = (Arc::clone(&self.inner), *space, class.clone());
        let mut page: std::vec::IntoIter<Row> = Vec::new().into_iter();
        let (mut after, mut failed) = (None, false);
        std::iter::from_fn(move || {
            if failed {
                return None;
            }
            let mut next = || {
                if page.len() == 0 {
                    page = inner.by_time(&space, &class, after, PAGE)?.into_iter();
                }
                let Some((key, value)) = page.next() else { return Ok(None) };
                after = Some(time_and_id(&key)?);
                inner.stored_record(location_of(&value)?).map(Some)
            };
            let result = next();
            // Damage is one record's; without an index there is no next one.
            failed = matches!(result, Err(StoreError::Index(_) | StoreError::File(_)));
            result.transpose()
        })
    }

    /// An author's last counter in a class, and a record that has it.
    ///
    /// Whoever writes goes on from here, so an index that failed is replaced before it is asked.
    ///
    /// # Errors
    /// [`StoreError::Index`].
    pub fn last_of(
        &self,
        space: &SpaceId,
        class: &Class,
        author: &AuthorId,
    ) -> Result<Option<(u64, RecordId)>, StoreError> {
        let prefix = author_prefix(space, class, &author.0);
        drop(self.inner.sound_index()?);
        let rows = self.inner.scan(&prefix, None, 1, Order::Descending)?;
        Ok(rows.first().map(|(key, _)| counter_and_id(key)).transpose()?)
    }

    /// The spaces of which there are records.
    ///
    /// # Errors
    /// [`StoreError::Index`].
    pub fn spaces(&self) -> Result<Vec<SpaceId>, StoreError> {
        let mut spaces: Vec<SpaceId> = Vec::new();
        loop {
            // No class holds this byte, so this is behind every record of the last space.
            let after = spaces.last().map(|space| [&[BY_TIME], &space.0[..], &[0xff]].concat());
            let rows = self.inner.scan(&[BY_TIME], after.as_deref(), 1, Order::Ascending)?;
            let Some((key, _)) = rows.first() else { return Ok(spaces) };
            spaces.push(space_and_class(key)?.0);
        }
    }

    /// The classes of a space in which there are records.
    ///
    /// # Errors
    /// [`StoreError::Index`].
    pub fn classes(&self, space: &SpaceId) -> Result<Vec<Class>, StoreError> {
        let prefix = [&[BY_TIME], &space.0[..]].concat();
        let mut classes: Vec<Class> = Vec::new();
        loop {
            let after = classes.last().map(|class| {
                let mut key = class_prefix(space, class);
                key.extend([0xff; 41]);
                key
            });
            let rows = self.inner.scan(&prefix, after.as_deref(), 1, Order::Ascending)?;
            let Some((key, _)) = rows.first() else { return Ok(classes) };
            classes.push(space_and_class(key)?.1);
        }
    }

    /// A block's bytes.
    ///
    /// # Errors
    /// [`StoreError::Damaged`], and then the block counts as missing from here on; or what the disk
    /// says.
    pub fn block(&self, cid: &Cid, check: Check) -> Result<Option<Bytes>, StoreError> {
        let Some(row) = self.block_row(cid)? else { return Ok(None) };
        self.read_row((cid, &row), check, &Buffers::default()).map(Some)
    }

    fn read_row(
        &self,
        (cid, row): (&Cid, &BlockRow),
        check: Check,
        buffers: &Buffers,
    ) -> Result<Bytes, StoreError> {
        let read = self.inner.read_block((cid, row), check, buffers);
        if let Err(StoreError::Damaged { .. }) = &read {
            self.inner.forget_block(cid, row);
        }
        read
    }

    /// A block's bytes, if `space` may have it.
    ///
    /// # Errors
    /// As [`Store::block`].
    pub fn block_in(&self, space: &SpaceId, cid: &Cid) -> Result<Option<Bytes>, StoreError> {
        self.block_into(space, cid, &Buffers::default())
    }

    /// As [`Store::block_in`], in one of `buffers` where the block is large.
    ///
    /// # Errors
    /// As [`Store::block`].
    pub fn block_into(
        &self,
        space: &SpaceId,
        cid: &Cid,
        buffers: &Buffers,
    ) -> Result<Option<Bytes>, StoreError> {
        let row = self.block_row(cid)?;
        let row = row.filter(|row| row.spaces.binary_search(space).is_ok());
        row.map(|row| self.read_row((cid, &row), Check::Quick, buffers)).transpose()
    }

    /// Whether a block is here.
    ///
    /// # Errors
    /// [`StoreError::Index`].
    pub fn has_block(&self, cid: &Cid) -> Result<bool, StoreError> {
        Ok(self.block_row(cid)?.is_some())
    }

    /// Which of these blocks are here, in the same order.
    ///
    /// # Errors
    /// [`StoreError::Index`].
    pub fn has_blocks(&self, cids: &[Cid]) -> Result<Vec<bool>, StoreError> {
        cids.iter().map(|cid| self.has_block(cid)).collect()
    }

    /// A block's length in bytes.
    ///
    /// # Errors
    /// [`StoreError::Index`].
    pub fn block_size(&self, cid: &Cid) -> Result<Option<u32>, StoreError> {
        Ok(self.block_row(cid)?.map(|row| row.size))
    }

    /// A block's length in bytes, if it is one of `space`.
    ///
    /// # Errors
    /// [`StoreError::Index`].
    pub fn block_size_in(&self, space: &SpaceId, cid: &Cid) -> Result<Option<u32>, StoreError> {
        let row = self.block_row(cid)?;
        Ok(row.filter(|row| row.spaces.binary_search(space).is_ok()).map(|row| row.size))
    }

    /// The rows of the fold.
    #[must_use]
    pub fn views(&self) -> Views {
        Views { store: self.clone() }
    }

    /// Every row of the index but its progress, in order: for comparing a rebuilt index.
    ///
    /// # Errors
    /// [`StoreError::Index`].
    pub fn dump_rows(&self) -> Result<Vec<Row>, StoreError> {
        let index = self.inner.index()?;
        let mut rows = Vec::new();
        each_row(&index, PAGE, &mut |key, value| rows.push((key.to_vec(), value.to_vec())))?;
        Ok(rows)
    }

    pub(crate) fn block_row(&self, cid: &Cid) -> Result<Option<BlockRow>, StoreError> {
        let row = self.inner.row(&block_key(cid))?;
        Ok(row.map(|row| BlockRow::from_bytes(&row)).transpose()?)
    }
}

impl Inner {
    pub(crate) fn row(&self, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        self.ask(|index| index.get(key))
    }

    fn scan(
        &self,
        prefix: &[u8],
        after: Option<&[u8]>,
        limit: usize,
        order: Order,
    ) -> Result<Vec<Row>, StoreError> {
        self.ask(|index| index.scan(prefix, after, (limit, order)))
    }

    /// Asks the index; one that fails is replaced, and asked again.
    fn ask<T>(&self, question: impl Fn(&Index) -> Result<T, IndexError>) -> Result<T, StoreError> {
        let first = self.index().and_then(|index| Ok(question(&index)?));
        let Err(StoreError::Index(error)) = first else { return first };
        if !self.index_failed(&error) {
            return Err(error.into());
        }
        let index = self.sound_index()?;
        Ok(question(&index)?)
    }

    fn by_time(
        &self,
        space: &SpaceId,
        class: &Class,
        after: Option<(Hlc, RecordId)>,
        limit: usize,
    ) -> Result<Vec<Row>, StoreError> {
        let after = after.map(|(time, id)| time_key(space, class, time, &id));
        self.scan(&class_prefix(space, class), after.as_deref(), limit, Order::Ascending)
    }

    fn stored_record(&self, location: Location) -> Result<Record, StoreError> {
        let bytes = self.parts.log.read(location)?;
        let parsed = SignedBytes::parse(&bytes).map_err(|_| StoreError::Damaged {
            file: self.parts.log.path(location.segment),
            offset: location.offset.into(),
            what: "this version cannot read the record",
        })?;
        Ok(parsed.already_verified())
    }

    fn read_block(
        &self,
        (cid, row): (&Cid, &BlockRow),
        check: Check,
        buffers: &Buffers,
    ) -> Result<Bytes, StoreError> {
        let (bytes, file, offset) = match row.home {
            Home::Pack(location) => {
                let payload = self.parts.packs.read(location)?;
                let head = payload.len().saturating_sub(row.size as usize);
                let file = self.parts.packs.path(location.segment);
                (payload.slice(head..), file, u64::from(location.offset))
            }
            Home::File => {
                let path = block_path(&self.parts.dir, cid);
                (self.read_block_file(&path, row.size, buffers)?, path, 0)
            }
        };
        if bytes.len() != row.size as usize || check == Check::Hash && !cid.verifies(&bytes) {
            let what = "the block is not what its name says; it has to be fetched again";
            return Err(StoreError::Damaged { file, offset, what });
        }
        Ok(bytes)
    }

    fn read_block_file(
        &self,
        path: &std::path::Path,
        size: u32,
        buffers: &Buffers,
    ) -> Result<Bytes, StoreError> {
        let file = match self.parts.files.open(path, Open::Read) {
            Err(error) if error.kind() == Kind::NotFound => {
                let what = "the file is gone; it has to be fetched again";
                return Err(StoreError::Damaged { file: path.to_owned(), offset: 0, what });
            }
            other => other?,
        };
        // One byte more than there should be tells a file that has grown.
        let mut bytes = buffers.filled(size as usize + 1);
        let read = file.read_at(0, &mut bytes)?;
        bytes.truncate(read);
        Ok(buffers.lend(bytes))
    }
}

/// The rows of the fold, for pages and commands. Without an index there are none for the moment.
#[derive(Clone, Debug)]
pub struct Views {
    store: Store,
}

impl ReadRows for Views {
    fn get(&self, key: &[u8]) -> Option<Vec<u8>> {
        self.store.inner.row(&view_key(key)).ok().flatten()
    }

    fn scan(&self, prefix: &[u8], after: Option<&[u8]>, limit: usize, order: Order) -> Vec<Row> {
        let after = after.map(view_key);
        let rows = self.store.inner.scan(&view_key(prefix), after.as_deref(), limit, order);
        bare(rows.unwrap_or_default())
    }
}
