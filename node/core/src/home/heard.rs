//! `heard/LIBRARY`: an arrival number. The library is complete here without the lost ledger records up to
//! this number: a peer has sent all statements of the library that it knows since then, or an operator has
//! given the records up.

use std::path::PathBuf;

use chuan_engine::id::LibraryId;

use super::{Home, make_dir};
use crate::exit::Result;
use crate::file;

fn path(home: &Home, library: &LibraryId) -> PathBuf {
    home.root.join("heard").join(library.to_string())
}

/// The highest number that is noted for a library; 0 where there is none or the file cannot be read.
/// After 0, peers are asked once more.
pub(crate) fn read(home: &Home, library: &LibraryId) -> u64 {
    let read = file::read(&path(home, library));
    read.ok().and_then(|bytes| std::str::from_utf8(&bytes).ok()?.trim().parse().ok()).unwrap_or(0)
}

/// Notes a number, if it is higher than the noted one; durable when it returns.
pub(crate) fn note(home: &Home, library: &LibraryId, last: u64) -> Result<()> {
    if read(home, library) >= last {
        return Ok(());
    }
    make_dir(&home.root.join("heard"))?;
    file::write_atomic(&path(home, library), format!("{last}\n").as_bytes(), 0o600)
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
        assert_eq!(read(&home, &library), 0);
        for (noted, kept) in [(7, 7), (3, 7), (9, 9)] {
            note(&home, &library, noted).unwrap();
            assert_eq!(read(&home, &library), kept);
        }
        std::fs::write(path(&home, &library), "many").unwrap();
        assert_eq!(read(&home, &library), 0);
    }
}
