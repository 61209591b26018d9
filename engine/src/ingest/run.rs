//! What workers hand to the assembler: named chunks, and what became of the items they belong to.

use bytes::Bytes;

use super::{plan::Kept, source::Stat};
use crate::{
    chunk::Profile,
    manifest::{ChunkRef, EntryPath},
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
    File { path: EntryPath, slot: u8, stat: Stat, profile: Profile },
    /// The chunks since the last mark are worth nothing: the file changed and is read again.
    Again,
    /// A link or special file.
    Skipped { path: String, why: &'static str },
    /// The file could not be read. Chunks of it that came before are worth nothing.
    Unreadable { path: String, why: String },
}
