//! Messages from the workers to the assembler: hashed chunks, and the outcomes of the items that they belong
//! to.

use std::{fs::File, io};

use bytes::Bytes;
use rustix::fs::FileType;

use super::{
    plan::{Fallback, Kept, ToRead, set_xattrs},
    source::{Source, Stat, holes},
    walk::LeftOut,
};
use crate::{
    chunk::Profile,
    limits::{HOLES_SEEN, XATTR_BYTES},
    manifest::{ChunkRef, EntryKind, EntryPath, Extension},
    xattr,
};

/// The extended attributes of a file that are taken, and whether some are not.
fn xattrs_of(file: &File, xattrs: bool) -> (Option<Extension>, bool) {
    if !xattrs {
        return (None, xattr::has_any(file));
    }
    match xattr::read(file, XATTR_BYTES) {
        Ok((found, has_longer)) => {
            let (taken, is_whole) = Extension::xattrs(&found);
            (taken, has_longer || !is_whole)
        }
        Err(_) => (None, true),
    }
}

/// A worker's result for a piece of a job.
#[derive(Debug, Default)]
pub(super) struct Run {
    pub(super) job: u64,
    /// The part of the job's file; 0 if the job is one piece.
    pub(super) part: u32,
    /// Counts up from 0 within the part.
    pub(super) number: u32,
    /// The scope that ends with this run.
    pub(super) ends: Ends,
    /// The offset of the first chunk in its file. Used only for parts.
    pub(super) offset: u64,
    /// The slot of the file's class. Used only for parts: otherwise the mark behind a file's chunks has the
    /// slot.
    pub(super) slot: u8,
    pub(super) chunks: Vec<(ChunkRef, Bytes)>,
    pub(super) marks: Vec<Mark>,
}

/// A scope that can end with a run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Ends {
    #[default]
    Nothing,
    Part,
    Job,
}

/// The outcome of an item, placed behind the first `chunks` chunks of a run.
#[derive(Debug)]
pub(super) struct Mark {
    pub(super) chunks: usize,
    pub(super) outcome: ItemOutcome,
}

/// A worker's outcome for one item.
#[derive(Debug)]
pub(super) enum ItemOutcome {
    /// The entry is kept as it is.
    Keep(Kept),
    /// The entry is kept, and the file has extended attributes that it lacks.
    KeepWithout(Kept),
    /// The chunks since the last mark, with those of earlier runs, are the complete content of this file.
    File {
        path: EntryPath,
        slot: u8,
        stat: Stat,
        profile: Profile,
        extensions: Vec<Extension>,
        change: FileChange,
        /// Whether the file has extended attributes that are not among them.
        lacks_xattrs: bool,
    },
    /// The chunks since the last mark are invalid: the file changed and is read again.
    Retry,
    /// Left out, and this is not an error. Earlier chunks of it are invalid. `gone` is the size of the
    /// published file, if there was one.
    LeftOut { item: LeftOut, gone: Option<u64> },
    /// It cannot be published. Earlier chunks of it are invalid.
    Gap { path: String, why: String, fallback: Fallback, is_unsettled: bool },
}

/// How a file that is read differs from the published file at its path, by its metadata.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum FileChange {
    New,
    Changed,
    /// The metadata is equal; only the inode or a missing record of the scan cache made a read necessary.
    Same,
}

impl FileChange {
    /// The change of a file with the metadata `stat`.
    pub(super) fn of(read: &ToRead, stat: &Stat) -> Self {
        match read.before.as_ref().map(|before| &before.entry) {
            Some(entry) if entry.kind == EntryKind::File => {
                let is_same = (entry.size, entry.mtime, entry.mode) == (stat.size, stat.mtime, stat.mode);
                if is_same { Self::Same } else { Self::Changed }
            }
            _ => Self::New,
        }
    }
}

impl ItemOutcome {
    /// The outcome for a file that was read completely and has the metadata `stat`. Its holes are looked up
    /// if there is a handle; so are its extended attributes, which are taken with `xattrs`.
    pub(super) fn file(read: &ToRead, stat: Stat, file: Option<&File>, xattrs: bool) -> Self {
        let mut extensions = Vec::new();
        // The name may belong to another file by now.
        let is_planned = (stat.device, stat.inode) == (read.stat.device, read.stat.inode);
        if let Some(first) = read.group.as_ref().filter(|_| is_planned) {
            extensions.push(Extension::link_group(first.as_str()));
        }
        extensions.extend(file.and_then(|file| Extension::holes(holes(file, &stat, HOLES_SEEN))));
        let (found, lacks_xattrs) = file.map_or((None, false), |file| xattrs_of(file, xattrs));
        extensions.extend(found);
        let change = FileChange::of(read, &stat);
        let (path, slot, profile) = (read.path.clone(), read.slot, read.profile);
        Self::File { path, slot, stat, profile, extensions, change, lacks_xattrs }
    }

    /// The outcome for a file whose content is unchanged: its attributes are taken again, since the publish
    /// before may have left them out.
    pub(super) fn unchanged(source: &Source, mut kept: Kept, xattrs: bool) -> Self {
        if !xattrs {
            let had = kept.entry.extensions.len();
            set_xattrs(&mut kept.entry.extensions, None);
            let lacks = kept.entry.extensions.len() < had;
            return if lacks { Self::KeepWithout(kept) } else { Self::Keep(kept) };
        }
        // A file that was replaced since the walk keeps its entry: the next publish reads it.
        let Ok(file) = source.file(kept.path.as_str()) else { return Self::Keep(kept) };
        let is_same = Stat::of(&file).is_ok_and(|stat| {
            stat.kind == FileType::RegularFile
                && (stat.size, stat.mtime) == (kept.entry.size, kept.entry.mtime)
        });
        if !is_same {
            return Self::Keep(kept);
        }
        let (found, lacks) = xattrs_of(&file, true);
        set_xattrs(&mut kept.entry.extensions, found);
        if lacks { Self::KeepWithout(kept) } else { Self::Keep(kept) }
    }

    /// The outcome for a file that is left out.
    pub(super) fn left_out(read: &ToRead, why: &str) -> Self {
        let before = read.before.as_ref().map(|before| &before.entry);
        let gone = before.filter(|entry| entry.kind == EntryKind::File).map(|entry| entry.size);
        Self::LeftOut { item: LeftOut::new(&read.path, why), gone }
    }

    /// The outcome for a file that could not be read.
    pub(super) fn unreadable(read: &ToRead, error: &io::Error) -> Self {
        Self::gap(read, error.to_string(), false)
    }

    /// The outcome for a file that keeps changing.
    pub(super) fn unsettled(read: &ToRead) -> Self {
        Self::gap(read, "it changes while it is read".to_owned(), true)
    }

    fn gap(read: &ToRead, why: String, is_unsettled: bool) -> Self {
        let before = read.before.clone().map(Box::new);
        let fallback = before.map_or(Fallback::Nothing, Fallback::Previous);
        Self::Gap { path: read.path.to_string(), why, fallback, is_unsettled }
    }
}
