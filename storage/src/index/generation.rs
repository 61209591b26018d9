//! The directories of the index. A rebuild makes a new one beside the one in use. The highest number is
//! current.
//!
//! ```text
//! DIR/index/00000001/           an index
//! DIR/index/00000001.damaged    a note that it was found damaged in use: the next open builds another
//! ```
//!
//! An unfinished index is current too: it stores the position up to which it knows each library, and open
//! brings it up to date.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use chuan_engine::{Error, Result, own_file};

/// Digits in the name of an index directory.
const NUMBER_DIGITS: usize = 8;
const DAMAGED: &str = "damaged";
/// A directory that is being removed. It may hold half an index.
const DISCARDED: &str = "discarded";

/// One index on the disk.
#[derive(Clone, Debug)]
pub(crate) struct Generation {
    root: PathBuf,
    number: u32,
}

impl Generation {
    /// The current generation below `root`; the first if there is none.
    pub(crate) fn current(root: &Path) -> Result<Self> {
        let number = list(root)?.into_iter().max().unwrap_or(1);
        Ok(Self { root: root.to_owned(), number })
    }

    /// The next generation.
    pub(crate) fn next(&self) -> Self {
        Self { root: self.root.clone(), number: self.number + 1 }
    }

    pub(crate) fn dir(&self) -> PathBuf {
        self.root.join(format!("{:0NUMBER_DIGITS$}", self.number))
    }

    /// Whether it was found damaged while in use.
    pub(crate) fn is_noted_damaged(&self) -> bool {
        self.beside(DAMAGED).exists()
    }

    /// Notes for the next open that it is damaged.
    pub(crate) fn note_damaged(&self) {
        let note = self.beside(DAMAGED);
        // Best effort: if even this cannot be written, the error itself still reports the damage.
        if let Err(error) = own_file::replace(&note) {
            tracing::error!("{}: cannot note that the index is damaged: {error}", note.display());
        }
    }

    /// Removes all other generations, and the remains of earlier removals.
    pub(crate) fn remove_others(&self) -> Result<()> {
        for number in list(&self.root)?.into_iter().filter(|number| *number != self.number) {
            Self { root: self.root.clone(), number }.remove()?;
        }
        Ok(())
    }

    /// Removes it, complete or not.
    pub(crate) fn remove(&self) -> Result<()> {
        let (dir, discarded, note) = (self.dir(), self.beside(DISCARDED), self.beside(DAMAGED));
        // Renamed first: half an index must never be taken for a complete one.
        gone(&discarded, fs::remove_dir_all(&discarded))?;
        gone(&dir, fs::rename(&dir, &discarded))?;
        gone(&discarded, fs::remove_dir_all(&discarded))?;
        gone(&note, fs::remove_file(&note))
    }

    fn beside(&self, extension: &str) -> PathBuf {
        self.dir().with_extension(extension)
    }
}

/// Numbers of all generations that exist or have left remains.
fn list(root: &Path) -> Result<Vec<u32>> {
    let context = |error: io::Error| Error::io(format!("list {}", root.display()), error);
    let entries = match fs::read_dir(root) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        other => other.map_err(context)?,
    };
    let mut numbers = Vec::new();
    for entry in entries {
        let name = entry.map_err(context)?.file_name();
        let stem = Path::new(&name).file_stem().and_then(|stem| stem.to_str());
        let stem = stem.filter(|stem| stem.len() == NUMBER_DIGITS);
        numbers.extend(stem.and_then(|stem| stem.parse::<u32>().ok()));
    }
    Ok(numbers)
}

fn gone(path: &Path, result: io::Result<()>) -> Result<()> {
    match result {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(Error::io(format!("remove {}", path.display()), error))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_highest_generation_is_current_and_others_are_removed() {
        let root = tempfile::tempdir().unwrap();
        let first = Generation::current(root.path()).unwrap();
        assert!(first.dir().ends_with("00000001"));
        let second = first.next();
        for dir in [first.dir(), second.dir(), root.path().join("00000007.discarded")] {
            fs::create_dir(dir).unwrap();
        }
        first.note_damaged();
        assert!(first.is_noted_damaged() && !second.is_noted_damaged());
        second.remove_others().unwrap();
        let left: Vec<_> =
            fs::read_dir(root.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        assert_eq!(left, ["00000002"]);
        second.remove().unwrap();
        assert!(Generation::current(root.path()).unwrap().dir().ends_with("00000001"));
    }
}
