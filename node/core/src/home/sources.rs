//! `cache/LIBRARY.sources`: the folders and files that a library was published from, each path ended by a zero
//! byte. `restore` does not overwrite unpublished content in them. Without this file, `restore` does not know
//! them until the next publish.

use std::{
    ffi::OsString,
    io::{self, Read, Write},
    os::unix::ffi::{OsStrExt, OsStringExt},
    path::{Path, PathBuf},
};

use chuan_engine::{id::LibraryId, own_file};

use super::Home;
use crate::limits::SOURCES_KEPT;

const EXTENSION: &str = "sources";

/// Notes that `library` was published from `source`. A failure is logged.
pub(crate) fn note(home: &Home, library: &LibraryId, source: &Path) {
    let path = home.cache_dir().join(format!("{library}.{EXTENSION}"));
    if let Err(error) = add(&path, source) {
        tracing::warn!(%error, path = %path.display(), "the source of a publish is not noted");
    }
}

/// The sources of all libraries, as canonical paths.
pub(crate) fn all(home: &Home) -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir(home.cache_dir()) else { return Vec::new() };
    let files = entries.flatten().map(|entry| entry.path());
    let files = files.filter(|path| path.extension().is_some_and(|end| end == EXTENSION));
    files.flat_map(|path| read(&path).unwrap_or_default()).collect()
}

fn add(path: &Path, source: &Path) -> io::Result<()> {
    let source = source.canonicalize()?;
    let mut sources = read(path)?;
    if sources.last() == Some(&source) {
        return Ok(());
    }
    sources.retain(|other| *other != source);
    sources.push(source);
    let new = path.with_extension("sources.new");
    let mut file = own_file::replace(&new)?;
    let kept = sources.iter().skip(sources.len().saturating_sub(SOURCES_KEPT));
    let bytes: Vec<u8> = kept.flat_map(|path| [path.as_os_str().as_bytes(), b"\0"].concat()).collect();
    file.write_all(&bytes)?;
    std::fs::rename(&new, path)
}

fn read(path: &Path) -> io::Result<Vec<PathBuf>> {
    let mut bytes = Vec::new();
    match own_file::read(path) {
        Ok(mut file) => file.read_to_end(&mut bytes)?,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let paths = bytes.split(|byte| *byte == 0).filter(|path| !path.is_empty());
    Ok(paths.map(|path| OsString::from_vec(path.to_owned()).into()).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::command::Role;

    #[test]
    fn the_last_sources_of_each_library_are_known() {
        let dir = tempfile::tempdir().unwrap();
        let home = Home::init(&dir.path().join("home"), None, Role::Origin).unwrap();
        let root = dir.path().canonicalize().unwrap();
        let made = |name: String| {
            std::fs::create_dir_all(root.join(&name)).unwrap();
            root.join(name)
        };
        let [first, second] = [1, 2].map(|byte| LibraryId::from_bytes([byte; 32]));
        note(&home, &second, &made("other\nline".to_owned()));
        (0..=SOURCES_KEPT).for_each(|n| note(&home, &first, &made(n.to_string())));
        note(&home, &first, &dir.path().join("home/../1"));
        let mut known = all(&home);
        known.sort_unstable();
        assert_eq!(known.len(), SOURCES_KEPT + 1);
        assert!(!known.contains(&root.join("0")) && known.contains(&root.join("1")));
        assert!(known.contains(&root.join("other\nline")));
    }
}
