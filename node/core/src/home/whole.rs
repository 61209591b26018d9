//! `whole/LIBRARY`: the manifests that were complete here, one id a line. The index has the same information,
//! but it can be rebuilt from the segments. Without this file, a release that has lost data would then look
//! like a release whose pull never ended.

use std::{collections::BTreeSet, fs::OpenOptions, io::Write, os::unix::fs::OpenOptionsExt, path::PathBuf};

use chuan_engine::{
    id::{LibraryId, ManifestId},
    own_file,
};

use super::{Home, make_dir};
use crate::exit::{Exit, Failure, Result};
use crate::file;

fn path_of(home: &Home, library: &LibraryId) -> PathBuf {
    home.root.join("whole").join(library.to_string())
}

/// The manifests of a library that were complete here. A line that a crash cut short is ignored.
pub(crate) fn read(home: &Home, library: &LibraryId) -> Result<BTreeSet<ManifestId>> {
    let bytes = match file::read(&path_of(home, library)) {
        Ok(bytes) => bytes,
        Err(failure) if failure.exit == Exit::Missing => return Ok(BTreeSet::new()),
        Err(failure) => return Err(failure),
    };
    Ok(String::from_utf8_lossy(&bytes).lines().filter_map(|line| line.parse().ok()).collect())
}

/// Notes manifests that are complete here, in one write; durable when it returns. Returns all manifests
/// that are noted then.
pub(crate) fn note(
    home: &Home,
    library: &LibraryId,
    manifests: impl IntoIterator<Item = ManifestId>,
) -> Result<BTreeSet<ManifestId>> {
    let mut noted = read(home, library)?;
    let mut lines = String::new();
    for manifest in manifests {
        if noted.insert(manifest) {
            lines.push_str(&format!("{manifest}\n"));
        }
    }
    if lines.is_empty() {
        return Ok(noted);
    }
    let dir = home.root.join("whole");
    make_dir(&dir)?;
    let path = path_of(home, library);
    let failed = |error| Failure::io(format!("write {}", path.display()), error);
    let mut file =
        own_file::open(OpenOptions::new().append(true).create(true).mode(0o600), &path).map_err(failed)?;
    // The first newline ends a line that a crash cut short.
    let lines = format!("\n{lines}");
    file.write_all(lines.as_bytes()).and_then(|()| file.sync_all()).map_err(failed)?;
    file::sync_dir(&dir)?;
    Ok(noted)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::command::Role;

    #[test]
    fn manifests_are_noted_once_and_a_cut_line_damages_no_other() {
        let dir = tempfile::tempdir().unwrap();
        let home = Home::init(dir.path(), None, Role::Mirror).unwrap();
        let library = LibraryId::from_bytes([1; 32]);
        let [first, second] = [1, 2].map(|byte| ManifestId::from_bytes([byte; 32]));
        assert!(read(&home, &library).unwrap().is_empty());
        note(&home, &library, [first]).unwrap();
        let path = path_of(&home, &library);
        let len = std::fs::metadata(&path).unwrap().len();
        note(&home, &library, [first]).unwrap();
        assert_eq!(std::fs::metadata(&path).unwrap().len(), len);
        OpenOptions::new().append(true).open(&path).unwrap().write_all(b"0202").unwrap();
        note(&home, &library, [second]).unwrap();
        assert_eq!(read(&home, &library).unwrap(), BTreeSet::from([first, second]));
    }
}
