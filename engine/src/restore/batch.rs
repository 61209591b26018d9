//! The steps that the fetching half of a restore collects before it sends them to the writing half.

use super::write::Step;
use crate::manifest::ChunkRef;

/// Steps for the writer, some still without their bytes.
#[derive(Default)]
pub(super) struct Batch {
    pub(super) steps: Vec<Draft>,
    pub(super) wanted: Vec<ChunkRef>,
    pub(super) bytes: usize,
    /// The files that were begun: the number of chunks wanted before each one, its path, and its size.
    pub(super) files: Vec<(usize, String, u64)>,
}

impl Batch {
    /// The file of the wanted chunk `at`, and its size.
    pub(super) fn file(&self, at: usize) -> (&str, u64) {
        let file = self.files.iter().rev().find(|(first, ..)| *first <= at);
        file.map_or(("", 0), |(_, path, size)| (path, *size))
    }

    pub(super) fn context(&self, at: usize) -> String {
        format!("{:?}: ", self.file(at).0)
    }
}

/// A step, or a placeholder for one.
#[expect(clippy::large_enum_variant, reason = "a box would cost an allocation for each step")]
pub(super) enum Draft {
    Step(Step),
    /// The bytes of the next wanted chunk.
    Wanted,
}
