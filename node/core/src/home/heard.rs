//! `heard/LIBRARY`: the number of the last lost record of the ledger without which a library is complete here: a peer has given
//! all that it knows of the library since, or an operator goes on without it.

use chuan_engine::id::LibraryId;

use super::{Home, file, make_dir};
use crate::exit::Result;

impl Home {
    fn heard_path(&self, library: &LibraryId) -> std::path::PathBuf {
        self.root.join("heard").join(library.to_string())
    }

    /// The number that was noted last for a library; 0 where there is none. A file that cannot be read counts as none: then
    /// peers are asked once more.
    pub fn heard(&self, library: &LibraryId) -> u64 {
        let read = file::read(&self.heard_path(library));
        read.ok().and_then(|bytes| std::str::from_utf8(&bytes).ok()?.trim().parse().ok()).unwrap_or(0)
    }

    /// Notes a number; durable when it returns.
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
