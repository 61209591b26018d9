//! Names of files and directories under a store's directory.

use std::{
    fs::{self, DirBuilder},
    io,
    os::unix::fs::DirBuilderExt,
    path::{Path, PathBuf},
};

use chuan_engine::{Error, Result};

use crate::view::SegmentView;

const SEGMENTS: &str = "segments";
const INDEX: &str = "index";
const SEGMENT_EXTENSION: &str = "seg";

/// A store's directory.
#[derive(Clone, Debug)]
pub(crate) struct Layout {
    dir: PathBuf,
}

/// Makes a directory that only its owner may enter, whatever the umask is. Makes missing ones above it, too.
pub(crate) fn make_private(dir: &Path) -> Result<()> {
    let made = DirBuilder::new().recursive(true).mode(0o700).create(dir);
    made.map_err(|error| Error::io(format!("make {}", dir.display()), error))
}

impl Layout {
    pub(crate) fn new(dir: &Path) -> Self {
        Self { dir: dir.to_owned() }
    }

    /// Makes the directories, durably.
    pub(crate) fn create(&self) -> Result<()> {
        let segments = self.segments();
        if segments.is_dir() {
            return Ok(());
        }
        make_private(&segments)?;
        sync_dir(&self.dir)
    }

    pub(crate) fn dir(&self) -> &Path {
        &self.dir
    }

    pub(crate) fn segments(&self) -> PathBuf {
        self.dir.join(SEGMENTS)
    }

    /// The directory of the index generations.
    pub(crate) fn index(&self) -> PathBuf {
        self.dir.join(INDEX)
    }

    pub(crate) fn segment(&self, number: u32) -> PathBuf {
        self.segments().join(format!("{number:08}.{SEGMENT_EXTENSION}"))
    }

    /// Fails if the first segment has another format than this program's. Called before anything is opened
    /// that could change files.
    pub(crate) fn check_format(&self) -> Result<()> {
        match self.list_segments()?.first() {
            Some(first) => SegmentView::name(self, *first).map(drop),
            None => Ok(()),
        }
    }

    /// Numbers of the segment files, ascending. Other files are ignored.
    pub(crate) fn list_segments(&self) -> Result<Vec<u32>> {
        let dir = self.segments();
        let context = |error: io::Error| Error::io(format!("list {}", dir.display()), error);
        let mut numbers = Vec::new();
        for entry in fs::read_dir(&dir).map_err(context)? {
            let name = entry.map_err(context)?.file_name();
            let number = Path::new(&name)
                .extension()
                .filter(|extension| *extension == SEGMENT_EXTENSION)
                .and_then(|_| Path::new(&name).file_stem()?.to_str()?.parse::<u32>().ok());
            numbers.extend(number);
        }
        numbers.sort_unstable();
        Ok(numbers)
    }
}

/// Makes the entries of a directory durable.
pub(crate) fn sync_dir(dir: &Path) -> Result<()> {
    fs::File::open(dir)
        .and_then(|dir| dir.sync_all())
        .map_err(|error| Error::io(format!("sync {}", dir.display()), error))
}
