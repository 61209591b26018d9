//! `cache/LIBRARY.unfinished`: how many bytes of chunks a library had before a publish that has not finished.
//!
//! Such a publish leaves chunks that no release names. The next publish finds them and does not store them
//! again, so they need no room a second time. Without the file, the check of room counts them as content that
//! the store lacks. After a pull of the library meanwhile, it counts too much as stored: a publish that does
//! not fit is then stopped by the full disk, and not before.

use std::path::PathBuf;

use chuan_engine::{id::LibraryId, ingest::Tally};

use crate::{exit::Result, file, home::Home};

/// The file of a library.
#[derive(Debug)]
pub(super) struct Unfinished {
    path: PathBuf,
}

impl Unfinished {
    pub(super) fn of(home: &Home, library: &LibraryId) -> Self {
        Self { path: home.cache_dir().join(format!("{library}.unfinished")) }
    }

    /// The bytes of chunks that unfinished publishes have left, of the `stored` bytes of the library.
    pub(super) fn left(&self, stored: u64) -> u64 {
        self.before().map_or(0, |before| stored.saturating_sub(before))
    }

    /// Notes that a publish begins while the library has `stored` bytes of chunks; durable when it returns.
    /// The note of an earlier publish that has not finished stays.
    pub(super) fn begin(&self, stored: u64) -> Result<()> {
        match self.before() {
            Some(_) => Ok(()),
            None => self.write(stored),
        }
    }

    /// Notes that a publish has finished. `left` is what unfinished publishes had left when it began, and
    /// `stored` what the library has now: content that this publish did not use is still left.
    pub(super) fn finish(&self, left: u64, stored: u64, tally: &Tally) -> Result<()> {
        let reused = tally.bytes_read.saturating_sub(tally.chunk_bytes_new);
        match left.saturating_sub(reused) {
            0 => file::remove(&self.path),
            left => self.write(stored.saturating_sub(left)),
        }
    }

    fn write(&self, before: u64) -> Result<()> {
        file::write_atomic(&self.path, before.to_string().as_bytes(), 0o600)
    }

    /// `None` without a valid file.
    fn before(&self) -> Option<u64> {
        String::from_utf8(file::read(&self.path).ok()?).ok()?.parse().ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::command::Role;

    fn tally(bytes_read: u64, chunk_bytes_new: u64) -> Tally {
        Tally { bytes_read, chunk_bytes_new, ..Tally::default() }
    }

    #[test]
    fn what_unfinished_publishes_left_is_counted_until_a_publish_uses_it() {
        let dir = tempfile::tempdir().unwrap();
        let home = Home::init(dir.path(), None, Role::Origin).unwrap();
        let unfinished = Unfinished::of(&home, &LibraryId::from_bytes([1; 32]));
        assert_eq!(unfinished.left(100), 0);
        // Two publishes are interrupted: the first one leaves 60 bytes, the second one 20 more.
        unfinished.begin(100).unwrap();
        assert_eq!(unfinished.left(160), 60);
        unfinished.begin(160).unwrap();
        assert_eq!(unfinished.left(180), 80);
        // Another folder shares 30 bytes with them, and stores 5.
        unfinished.finish(80, 185, &tally(35, 5)).unwrap();
        assert_eq!(unfinished.left(185), 50);
        unfinished.finish(50, 195, &tally(60, 10)).unwrap();
        assert_eq!(unfinished.left(195), 0);
        assert!(!unfinished.path.exists());
        // A crash or an editor leaves something else: it counts nothing, and the next publish replaces it.
        std::fs::write(&unfinished.path, "x").unwrap();
        assert_eq!(unfinished.left(200), 0);
        unfinished.begin(200).unwrap();
        assert_eq!(unfinished.left(210), 10);
    }
}
