//! The inputs of a plan, and its actions.

use std::fmt;

use super::{
    record::Remembered,
    stat::{DiskKind, Stat},
};
use crate::{
    error::{Error, Result},
    id::ChunkId,
    manifest::{Content, Entry, EntryKind, EntryPath, extension},
};

/// Extensions of an entry that a restore supports.
const KNOWN_EXTENSIONS: [u16; 3] = [extension::LINK_GROUP, extension::HOLES, extension::XATTRS];

/// An entry of the release.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Wanted {
    pub(super) path: EntryPath,
    pub(super) entry: Entry,
    /// Parent folders in the release that are not selected themselves and that no earlier item brought.
    pub(super) above: Vec<(EntryPath, Entry)>,
}

/// An item in the destination.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct OnDisk {
    /// Any bytes: files of other programs need not have UTF-8 names.
    pub(super) path: Vec<u8>,
    pub(super) stat: Stat,
}

/// One result of the walk of the destination.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Lookup {
    Item(OnDisk),
    /// An item that cannot be examined.
    Unknown {
        path: Vec<u8>,
        reason: String,
    },
    /// The content of a folder comes next, unless the caller passes it over. Sorted as the path and a `/`.
    Inside(Vec<u8>),
    /// A folder that could not be entered, or whose remaining names cannot be listed.
    Closed {
        path: Vec<u8>,
        reason: Closed,
    },
}

impl Lookup {
    /// Its path, and whether it is about the content of a folder.
    pub(super) fn key(&self) -> (&[u8], bool) {
        match self {
            Lookup::Item(item) => (&item.path, false),
            Lookup::Unknown { path, .. } => (path, false),
            Lookup::Inside(path) | Lookup::Closed { path, .. } => (path, true),
        }
    }
}

/// Why a folder was not entered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Closed {
    /// It is the home of a node, or a part of the open home.
    Home,
    /// The system denied access.
    Unreadable(String),
}

/// A walk of the destination in the order of a manifest.
pub(super) trait Disk {
    /// The next item. A folder comes under its path, and once more before its content.
    fn next(&mut self) -> Result<Option<Lookup>>;

    /// Skips the content of the folder that was announced last.
    fn pass_over(&mut self);
}

/// The permitted changes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Rules {
    /// Items that the release does not have are removed.
    pub(super) deletes: bool,
}

/// One action of a restore.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Action {
    /// Make the file. `is_proved`: the file in its place already has this content. A folder in its place is
    /// removed.
    File { wanted: Wanted, old: Option<Stat>, is_proved: bool },
    /// Make the link. A folder in its place is removed.
    Symlink { wanted: Wanted, old: Option<Stat> },
    /// Make the folder. A file or link in its place is removed.
    Folder { wanted: Wanted, old: Option<Stat> },
    /// The content of the folder is done: its mode and time can be set.
    EndFolder { path: EntryPath, entry: Entry },
    /// Remove a file, link or special file.
    Remove(OnDisk),
    /// Remove a folder with its content.
    RemoveTree(OnDisk),
    /// Remove a folder that the release does not have, if it is empty.
    RemoveFolder(OnDisk),
    /// An item that the release does not have stays. If the last restore wrote it, it stays in the record.
    Stays { path: Vec<u8>, kind: DiskKind, remembered: Option<Remembered> },
    /// An item of the last restore outside the selection stays in the record.
    Carry(Remembered),
    /// An item of the release cannot be put in its place, nor can the `beneath` paths below it.
    Failed { path: Vec<u8>, reason: Reason, beneath: u64 },
}

/// Why an item cannot be put in its place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Reason {
    /// A file or link is where a folder must be, and the last restore did not write it.
    FileInTheWay,
    /// A folder is where a file or link must be, with `foreign` items that the last restore did not write.
    FolderInTheWay { foreign: u64 },
    /// The folder is a node's home, or a part of the open home.
    Home,
    /// A file or link of the release has paths beneath it.
    Beneath,
    /// It cannot be examined or listed, so nothing in it is changed.
    Unreadable(String),
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let remedy = "move it away, or restore with the option `delete`";
        match self {
            Reason::FileInTheWay => write!(
                f,
                "a file or link that this restore did not write is in the way of a folder: {remedy}"
            ),
            Reason::FolderInTheWay { foreign: 0 } => {
                write!(f, "a folder that this restore did not make is in the way: {remedy}")
            }
            Reason::FolderInTheWay { foreign } => {
                let things = if *foreign == 1 { "1 thing".to_owned() } else { format!("{foreign} things") };
                write!(f, "a folder with {things} that this restore did not write is in the way: {remedy}")
            }
            Reason::Home => write!(f, "it is the home of a node, or a part of one: nothing in it is touched"),
            Reason::Beneath => write!(f, "the release has a file or link where a folder must be"),
            Reason::Unreadable(error) => write!(f, "it cannot be examined or listed: {error}"),
        }
    }
}

/// Identifies the content of a file or link: BLAKE3 of the list of chunks, or of the link's target. All zeros
/// for a folder.
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

/// Refuses an entry with a critical extension that this version does not support.
pub(super) fn check_known(path: &EntryPath, entry: &Entry) -> Result<()> {
    match entry.unknown_critical(&KNOWN_EXTENSIONS) {
        None => Ok(()),
        Some(tag) => Err(Error::Invalid(format!(
            "{:?} needs a newer version of chuan (extension {tag}); update, then restore again",
            path.as_str()
        ))),
    }
}
