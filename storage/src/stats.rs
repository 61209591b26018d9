//! What a store holds and what has become of it, in numbers.

use std::sync::atomic::{AtomicU64, Ordering};

/// What a store holds, in numbers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// Chunks held, of all libraries: one that two libraries have counts twice, as it lies on the disk.
    pub chunks: u64,
    /// Their raw bytes.
    pub chunk_bytes: u64,
    /// Pages, tables and class headers held.
    pub pages: u64,
    /// Their bytes.
    pub page_bytes: u64,
    /// Objects that were held once and cannot be read any more.
    pub lost: u64,
    /// Segment files.
    pub segments: u64,
    /// Bytes of the segment files, as long as they are.
    pub segment_bytes: u64,
    /// Bytes that the file system still gives, the reserve taken off.
    pub usable_bytes: u64,
}

/// What a store holds of one library, in numbers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LibraryStats {
    /// Chunks held.
    pub chunks: u64,
    /// Their raw bytes.
    pub chunk_bytes: u64,
    /// Pages, tables and class headers held.
    pub pages: u64,
    /// Their bytes.
    pub page_bytes: u64,
    /// Objects that were held once and cannot be read any more.
    pub lost: u64,
}

/// What damage has come and gone since a store was opened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Losses {
    /// Objects that were held and turned out to be unreadable: set aside, so that they count as missing.
    pub set_aside: u64,
    /// Objects that had been set aside, now or earlier, and were stored again.
    pub mended: u64,
}

/// [`Losses`] as they are counted, over whichever indexes are in use.
#[derive(Debug, Default)]
pub(crate) struct LossCounts {
    set_aside: AtomicU64,
    mended: AtomicU64,
}

impl LossCounts {
    pub(crate) fn add(&self, losses: Losses) {
        self.set_aside.fetch_add(losses.set_aside, Ordering::Relaxed);
        self.mended.fetch_add(losses.mended, Ordering::Relaxed);
    }

    pub(crate) fn get(&self) -> Losses {
        Losses {
            set_aside: self.set_aside.load(Ordering::Relaxed),
            mended: self.mended.load(Ordering::Relaxed),
        }
    }
}
