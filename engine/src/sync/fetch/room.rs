//! The room on the disk: a release that does not fit is refused before its chunks come.
//!
//! A source sends pages and chunks together. Where the classes have more bytes than the disk can take, the
//! fetch asks again for pages alone, counts the missing chunks below them as a dry run does, and compares.
//! Only then it requests the chunks. So a fetch with much room costs nothing more.

use super::{Fetch, Phase};
use crate::{
    error::{Error, Result},
    id::Commitment,
    manifest::table::ClassHeader,
};

/// The count of missing chunks before a fetch.
#[derive(Debug, Default)]
pub(super) struct Room {
    state: State,
    /// The classes that were counted, in the reverse order.
    counted: Vec<(Commitment, ClassHeader)>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum State {
    /// The bytes of the release are not known, or fit.
    #[default]
    Unknown,
    /// Missing chunks are counted.
    Counting,
    /// They fit.
    Enough,
}

impl Fetch {
    /// Whether chunks are counted and not requested.
    pub(super) fn only_counts(&self) -> bool {
        self.options.is_dry_run || self.is_counting()
    }

    /// Whether missing chunks are counted before they are requested.
    pub(super) fn is_counting(&self) -> bool {
        self.room.state == State::Counting
    }

    /// Whether the classes may have more bytes than the disk can take, which is not known yet.
    pub(super) fn may_not_fit(&self) -> bool {
        let total = self.intake.report.bytes_total;
        let is_short = self.options.usable_bytes.is_some_and(|usable| total > usable);
        is_short && !self.options.is_dry_run && self.room.state == State::Unknown
    }

    /// Drops the rest of the pull's answer, and pulls pages alone.
    pub(super) fn count_first(&mut self, id: u64) {
        self.in_flight.remove(&id);
        self.stopped.insert(id, true);
        self.room.state = State::Counting;
        (self.phase, self.target, self.table) = (Phase::New, None, None);
        self.headers.clear();
    }

    /// Begins to count where all pages may be held already.
    pub(super) fn count_if_short(&mut self) {
        if self.may_not_fit() {
            self.room.state = State::Counting;
        }
    }

    /// Keeps a class that was counted, to fetch it.
    pub(super) fn note_counted(&mut self, class: Option<(Commitment, ClassHeader)>) {
        if self.is_counting() {
            self.room.counted.extend(class);
        }
    }

    /// Compares the missing chunks of all classes with the room, and begins to fetch them.
    ///
    /// # Errors
    ///
    /// [`Error::Full`] with both figures.
    pub(super) fn check_room(&mut self) -> Result<()> {
        let report = &self.intake.report;
        // Chunks that came before the count take a part of the room.
        let needed = report.chunk_bytes_missing.saturating_add(report.chunk_bytes_fetched);
        if let Some(usable) = self.options.usable_bytes.filter(|usable| needed > *usable) {
            return Err(Error::Full(format!(
                "the release needs about {needed} bytes, and the store can take {usable}; its chunks were not fetched. Free \
                 some space there or move the home to a larger disk"
            )));
        }
        self.room.state = State::Enough;
        self.intake.settle()?;
        self.intake.report.chunk_bytes_held = 0;
        self.left = std::mem::take(&mut self.room.counted);
        self.left.reverse();
        self.begin_pass(0);
        Ok(())
    }
}
