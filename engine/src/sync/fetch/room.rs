//! The room on the disk: a release that does not fit is refused before its chunks come.
//!
//! A source sends pages and chunks together. Where the classes have more bytes than the disk can take, the
//! fetch asks again for pages alone, counts the missing chunks below them as a dry run does, and compares.
//! Only then it requests the chunks. So a fetch with much room costs nothing more.

use crate::{id::Commitment, manifest::table::ClassHeader};

/// The count of missing chunks before a fetch.
#[derive(Debug, Default)]
pub(super) struct Room {
    pub(super) state: State,
    /// The classes that were counted, in the reverse order.
    pub(super) counted: Vec<(Commitment, ClassHeader)>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum State {
    /// The bytes of the release are not known, or fit.
    #[default]
    Unknown,
    /// Missing chunks are counted.
    Counting,
    /// They fit.
    Enough,
}
