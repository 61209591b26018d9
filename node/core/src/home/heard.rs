//! `heard/LIBRARY`: an arrival number. The library is complete here without the lost ledger records up to
//! this number: a peer has sent all statements of the library that it knows since then, or an operator has
//! given the records up.

use chuan_engine::id::LibraryId;

use super::{Home, make_dir};
use crate::exit::Result;
use crate::file;

impl Home {
    fn heard_path(&self, library: &LibraryId) -> std::path::PathBuf {
        self.root.join("heard").join(library.to_string())
    }

    /// The highest number that is noted for a library; 0 where there is none or the file cannot be read.
    /// After 0, peers are asked once more.
    pub fn heard(&self, library: &LibraryId) -> u64 {
        let read = file::read(&self.heard_path(library));
        read.ok().and_then(|bytes| std::str::from_utf8(&bytes).ok()?.trim().parse().ok()).unwrap_or(0)
    }

    /// Notes a number, if it is higher than the noted one; durable when it returns.
    pub fn note_heard(&self, library: &LibraryId, last: u64) -> Result<()> {
        if self.heard(library) >= last {
            return Ok(());
        }
        make_dir(&self.root.join("heard"))?;
        file::write_atomic(&self.heard_path(library), format!("{last}\n").as_bytes(), 0o600)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::command::Role;

    #[test]
    fn a_number_is_kept_and_only_rises() {
        let dir = tempfile::tempdir().unwrap();
        let home = Home::init(dir.path(), None, Role::Mirror).unwrap();
        let library = LibraryId::from_bytes([1; 32]);
        assert_eq!(home.heard(&library), 0);
        for (noted, kept) in [(7, 7), (3, 7), (9, 9)] {
            home.note_heard(&library, noted).unwrap();
            assert_eq!(home.heard(&library), kept);
        }
        std::fs::write(home.heard_path(&library), "many").unwrap();
        assert_eq!(home.heard(&library), 0);
    }
}
