//! Buffers that are used again.
//!
//! Memory of the size of a block that is given back to the system and asked for anew costs about as
//! much as copying the block: each of its pages is cleared and mapped once more.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;

/// Below this many bytes a buffer is not worth keeping.
const WORTH_KEEPING: usize = 64 * 1024;

/// Spare buffers kept: as many blocks as are between the network and the disk at a time.
const SPARE: usize = 6;

/// Where buffers come back to once the last [`Bytes`] over them is gone. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct Buffers(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    spare: Vec<Vec<u8>>,
    /// Whether what is still lent out will not be needed again.
    resting: bool,
}

/// A buffer that is lent out.
struct Lent {
    buffer: Vec<u8>,
    home: Buffers,
}

impl Buffers {
    /// An empty buffer with room for `size` bytes.
    #[must_use]
    pub fn empty(&self, size: usize) -> Vec<u8> {
        let mut buffer = self.take(size);
        buffer.clear();
        buffer.reserve_exact(size);
        buffer
    }

    /// A buffer of `size` bytes, to be overwritten: they may be what was in it before.
    #[must_use]
    pub fn filled(&self, size: usize) -> Vec<u8> {
        let mut buffer = self.take(size);
        buffer.reserve_exact(size.saturating_sub(buffer.len()));
        buffer.resize(size, 0);
        buffer
    }

    /// The bytes of a buffer, which comes back here when nobody looks at them any more.
    #[must_use]
    pub fn lend(&self, buffer: Vec<u8>) -> Bytes {
        if buffer.capacity() < WORTH_KEEPING {
            return buffer.into();
        }
        Bytes::from_owner(Lent { buffer, home: self.clone() })
    }

    /// Gives the spare ones back to the system, and those that are lent out once they come back, unless
    /// one is asked for before.
    pub fn release(&self) {
        *self.state() = State { spare: Vec::new(), resting: true };
    }

    /// How many spare ones there are.
    #[must_use]
    pub fn spare(&self) -> usize {
        self.state().spare.len()
    }

    fn take(&self, size: usize) -> Vec<u8> {
        if size < WORTH_KEEPING {
            return Vec::new();
        }
        let mut state = self.state();
        state.resting = false;
        state.spare.pop().unwrap_or_default()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // A panic elsewhere leaves whole buffers, or none.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let spare = self.spare.len();
        f.debug_struct("State").field("spare", &spare).field("resting", &self.resting).finish()
    }
}

impl AsRef<[u8]> for Lent {
    fn as_ref(&self) -> &[u8] {
        &self.buffer
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        let mut state = self.home.state();
        if !state.resting && state.spare.len() < SPARE {
            state.spare.push(std::mem::take(&mut self.buffer));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SIZE: usize = WORTH_KEEPING;

    #[test]
    fn a_buffer_comes_back_when_the_last_slice_of_it_is_gone() {
        let buffers = Buffers::default();
        let first = buffers.filled(SIZE);
        let place = first.as_ptr();
        let lent = buffers.lend(first);
        let slice = lent.slice(10..20);
        drop(lent);
        assert_eq!(buffers.spare(), 0, "somebody still looks at it");
        drop(slice);
        let again = buffers.empty(SIZE);
        assert_eq!(again.as_ptr(), place);
        assert_eq!(buffers.spare(), 0);
    }

    #[test]
    fn a_buffer_is_as_long_as_asked_whatever_it_was_before() {
        let buffers = Buffers::default();
        for size in [SIZE + 1, SIZE, 3 * SIZE, 0, 5] {
            let filled = buffers.filled(size);
            assert_eq!(filled.len(), size);
            drop(buffers.lend(filled));
            let mut empty = buffers.empty(size);
            assert!(empty.is_empty() && empty.capacity() >= size);
            empty.push(1);
            assert_eq!(buffers.lend(empty)[..], [1]);
        }
    }

    #[test]
    fn few_are_kept_and_none_of_them_small_and_all_can_be_let_go() {
        let buffers = Buffers::default();
        drop(buffers.lend(vec![0; SIZE - 1]));
        assert_eq!(buffers.spare(), 0);
        let lent: Vec<_> = (0..SPARE + 5).map(|_| buffers.lend(vec![0; SIZE])).collect();
        drop(lent);
        assert_eq!(buffers.spare(), SPARE);
        let late = buffers.lend(buffers.empty(SIZE));
        buffers.release();
        drop(late);
        assert_eq!(buffers.spare(), 0, "not even one that was lent out");
        drop(buffers.lend(buffers.empty(SIZE)));
        assert_eq!(buffers.spare(), 1);
    }
}
