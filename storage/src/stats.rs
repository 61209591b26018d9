//! Counts of a store's content and of damage.

use std::sync::atomic::{AtomicU64, Ordering};

/// The content of a store, in numbers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// Chunks held, of all libraries. A chunk that two libraries hold counts twice, as it is stored twice.
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
    /// Total length of the segment files, without space that is allocated and not used yet.
    pub segment_bytes: u64,
    /// Free bytes of the file system without the reserve, and with that allocated space.
    pub usable_bytes: u64,
}

/// The content of one library, in numbers.
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

/// Damage found and repaired since a store was opened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Losses {
    /// Objects that were held and turned out to be unreadable. They moved to the lost set and count as
    /// missing.
    pub set_aside: u64,
    /// Objects of the lost set that were stored again, whenever they were lost.
    pub mended: u64,
}

/// The counters behind [`Losses`]. Successive indexes share them.
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
