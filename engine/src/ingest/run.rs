//! What workers hand to the assembler: named chunks, and what became of the items they belong to.

use std::{fs::File, io};

use bytes::Bytes;

use super::{
    plan::{Kept, Stands, ToRead},
    source::{Stat, holes},
    walk::LeftOut,
};
use crate::{
    chunk::Profile,
    limits::HOLES_SEEN,
    manifest::{ChunkRef, EntryKind, EntryPath, Extension},
};

/// What a worker made of a piece of a job.
#[derive(Debug, Default)]
pub(super) struct Run {
    pub(super) job: u64,
    /// The part of the job's file; 0 where a job is one piece.
    pub(super) part: u32,
    /// Counts up from 0 within the part.
    pub(super) number: u32,
    /// What ends here.
    pub(super) ends: Ends,
    /// Where in its file the first chunk begins. Only parts need it.
    pub(super) offset: u64,
    /// The slot of the class of that file. Only parts need it: elsewhere, the mark behind a file's chunks says it.
    pub(super) slot: u8,
    pub(super) chunks: Vec<(ChunkRef, Bytes)>,
    pub(super) marks: Vec<Mark>,
}

/// What ends with a run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Ends {
    #[default]
    Nothing,
    Part,
    Job,
}

/// Something to be known once the first `chunks` chunks of a run are.
#[derive(Debug)]
pub(super) struct Mark {
    pub(super) chunks: usize,
    pub(super) said: Said,
}

/// What became of an item.
#[derive(Debug)]
pub(super) enum Said {
    /// The entry stands as it is.
    Keep(Kept),
    /// The chunks since the last mark, and those of earlier runs, are the whole of this file.
    File { path: EntryPath, slot: u8, stat: Stat, profile: Profile, extensions: Vec<Extension>, fate: Fate },
    /// The chunks since the last mark are worth nothing: the file changed and is read again.
    Again,
    /// Not published, and need not be. Chunks of it that came before are worth nothing. `gone` has its bytes if it was
    /// published before.
    LeftOut { item: LeftOut, gone: Option<u64> },
    /// It cannot be published. Chunks of it that came before are worth nothing.
    Gap { path: String, why: String, stands: Stands, is_unsettled: bool },
}

/// How a file that is read differs from what was published at its path, by what the kernel says of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    New,
    Changed,
    /// Only its inode or the scan cache say nothing of it.
    Same,
}

impl Fate {
    /// Of a file that looks like `stat`.
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

impl Said {
    /// That all of a file was read, which looks like `stat`. Its holes are looked for where there is a handle.
    pub(super) fn file(read: &ToRead, stat: Stat, file: Option<&File>) -> Self {
        let mut extensions = Vec::new();
        // The name may be another file's by now.
        let is_planned = (stat.device, stat.inode) == (read.stat.device, read.stat.inode);
        if let Some(first) = read.group.as_ref().filter(|_| is_planned) {
            extensions.push(Extension::link_group(first.as_str()));
        }
        extensions.extend(file.and_then(|file| Extension::holes(holes(file, &stat, HOLES_SEEN))));
        let fate = Fate::of(read, &stat);
        let (path, slot, profile) = (read.path.clone(), read.slot, read.profile);
        Self::File { path, slot, stat, profile, extensions, fate }
    }

    /// That a file is not published, and need not be.
    pub(super) fn left_out(read: &ToRead, why: &str) -> Self {
        let before = read.before.as_ref().map(|before| &before.entry);
        let gone = before.filter(|entry| entry.kind == EntryKind::File).map(|entry| entry.size);
        Self::LeftOut { item: LeftOut::new(&read.path, why), gone }
    }

    /// That a file could not be read.
    pub(super) fn unreadable(read: &ToRead, error: &io::Error) -> Self {
        Self::gap(read, error.to_string(), false)
    }

    /// That a file does not come to rest.
    pub(super) fn unsettled(read: &ToRead) -> Self {
        Self::gap(read, "it changes while it is read".to_owned(), true)
    }

    fn gap(read: &ToRead, why: String, is_unsettled: bool) -> Self {
        let before = read.before.clone().map(Box::new);
        let stands = before.map_or(Stands::Nothing, Stands::Previous);
        Self::Gap { path: read.path.to_string(), why, stands, is_unsettled }
    }
}
