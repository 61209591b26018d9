//! What a plan is made of, and the actions that it gives.

use std::fmt;

use super::{
    record::Remembered,
    stat::{DiskKind, Stat},
};
use crate::{
    error::Result,
    id::ChunkId,
    manifest::{Content, Entry, EntryKind, EntryPath},
};

/// Something that the release has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Wanted {
    pub(super) path: EntryPath,
    pub(super) entry: Entry,
    /// Folders above it that the release has, that are not selected themselves, and that came with nothing before.
    pub(super) above: Vec<(EntryPath, Entry)>,
}

/// Something that stands in the destination.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct OnDisk {
    /// Any bytes: what others put there need not be UTF-8.
    pub(super) path: Vec<u8>,
    pub(super) stat: Stat,
}

/// One thing met on a walk of the destination.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Met {
    Item(OnDisk),
    /// Something that cannot be looked at.
    Unknown {
        path: Vec<u8>,
        why: String,
    },
    /// What is in a folder comes next, unless the caller passes it over. Stands where its path and a `/` stand.
    Inside(Vec<u8>),
    /// A folder that was to be entered and was not, or of which the rest cannot be listed.
    Closed {
        path: Vec<u8>,
        why: Closed,
    },
}

impl Met {
    /// Its path, and whether it stands for what is in a folder.
    pub(super) fn key(&self) -> (&[u8], bool) {
        match self {
            Met::Item(item) => (&item.path, false),
            Met::Unknown { path, .. } => (path, false),
            Met::Inside(path) | Met::Closed { path, .. } => (path, true),
        }
    }
}

/// Why a folder was not entered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Closed {
    /// It is the home of a node, or a part of the one that is open.
    Home,
    /// The system refused.
    Unreadable(String),
}

/// A walk of the destination in the order of a manifest.
pub(super) trait Disk {
    /// The next thing; a folder under its path, and once more before what is in it.
    fn next(&mut self) -> Result<Option<Met>>;

    /// Leaves out what is in the folder whose inside was announced last.
    fn pass_over(&mut self);
}

/// What may be done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Rules {
    /// What the release does not have goes.
    pub(super) deletes: bool,
}

/// One thing to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Action {
    /// The file shall stand; `is_proved`: what stands there holds its content already. An old folder goes.
    File { wanted: Wanted, old: Option<Stat>, is_proved: bool },
    /// The link shall stand. An old folder goes.
    Symlink { wanted: Wanted, old: Option<Stat> },
    /// The folder shall stand; an old file or link goes.
    Folder { wanted: Wanted, old: Option<Stat> },
    /// All in the folder is done: its mode and time can be set.
    EndFolder { path: EntryPath, entry: Entry },
    /// A file, link or special file goes.
    Remove(OnDisk),
    /// A folder goes, with all that is in it.
    RemoveTree(OnDisk),
    /// A folder that the release does not have goes, if nothing is left in it.
    RemoveFolder(OnDisk),
    /// Something that the release does not have stays. What the last restore left stays remembered.
    Stays { path: Vec<u8>, kind: DiskKind, remembered: Option<Remembered> },
    /// What the last restore left outside the selection stays remembered.
    Carry(Remembered),
    /// Something of the release cannot be put in its place, and nothing beneath it can: so many paths.
    Failed { path: Vec<u8>, why: Why, beneath: u64 },
}

/// Why something cannot be put in its place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Why {
    /// A file or link is where a folder must be, and the last restore did not leave it so.
    FileInTheWay,
    /// A folder is where a file or link must be, with so many things that the last restore did not leave so.
    FolderInTheWay { foreign: u64 },
    /// The folder is a node's home, or a part of the one that is open.
    Home,
    /// A file or link of the release has paths beneath it.
    Beneath,
    /// It cannot be looked at or into, so nothing in it is touched.
    Unreadable(String),
}

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let remedy = "move it away, or restore with --delete";
        match self {
            Why::FileInTheWay => write!(
                f,
                "a file or link that this restore did not write is in the way of a folder: {remedy}"
            ),
            Why::FolderInTheWay { foreign: 0 } => {
                write!(f, "a folder that this restore did not make is in the way: {remedy}")
            }
            Why::FolderInTheWay { foreign } => {
                let things = if *foreign == 1 { "1 thing".to_owned() } else { format!("{foreign} things") };
                write!(f, "a folder with {things} that this restore did not write is in the way: {remedy}")
            }
            Why::Home => write!(f, "it is the home of a node, or a part of one: nothing in it is touched"),
            Why::Beneath => write!(f, "the release has a file or link where a folder must be"),
            Why::Unreadable(error) => write!(f, "it cannot be looked at or into: {error}"),
        }
    }
}

/// What a file's or link's content is told apart by: BLAKE3 of its list of chunks, or of a link's target. A folder has
/// none.
pub(super) fn content_id(entry: &Entry) -> ChunkId {
    let mut bytes = Vec::with_capacity(256);
    match (&entry.target, &entry.content) {
        (Some(target), _) => bytes.extend_from_slice(target.as_str().as_bytes()),
        (None, _) if entry.kind == EntryKind::Folder => return ChunkId::from_bytes([0; 32]),
        (None, Content::Inline(chunks)) => {
            for chunk in chunks {
                bytes.extend_from_slice(chunk.id.as_bytes());
                bytes.extend_from_slice(&chunk.len.to_le_bytes());
            }
        }
        (None, Content::Tree { root, chunks }) => {
            bytes.extend_from_slice(root.as_bytes());
            bytes.extend_from_slice(&chunks.to_le_bytes());
        }
    }
    ChunkId::of(&bytes)
}
