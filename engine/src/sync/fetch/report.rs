//! What a fetch is told and what it tells: options in, counts out.

use crate::{
    id::{NodeId, StatementId},
    manifest::table::ClassHeader,
    sync::message::{Holding, Packing},
};

/// How to fetch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// Whether an earlier fetch was cut short: then only what is missing is asked for, at the price of a round trip
    /// per level of the trees.
    pub resume: bool,
    /// Names of the classes to fetch; empty for all that [`node`](Self::node) is granted. The fetch fails where one of them is
    /// withheld.
    pub classes: Vec<String>,
    /// Who fetches: what its membership covers must come, as far as that can be known, and what it does not need not.
    /// Without it, every class of the release must.
    pub node: Option<NodeId>,
    /// Bytes of the first answer at most, about; the rest is then asked for by position. `u64::MAX` for no bound.
    pub budget: u64,
    /// What the source is to save.
    pub packing: Packing,
    /// The channel that goes on to a release that is wanted by its id, if that is [`takeable`](crate::sync::takeable) there.
    pub channel: Option<String>,
    /// Whether only pages come, to count what is missing below them: nothing but pages is kept, and no channel moves.
    pub is_dry_run: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            resume: false,
            classes: Vec::new(),
            node: None,
            budget: u64::MAX,
            packing: Packing::default(),
            channel: None,
            is_dry_run: false,
        }
    }
}

/// How far a fetch is, and what it came to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// The release, once its statements are verified.
    pub release: Option<StatementId>,
    /// Its sequence.
    pub sequence: u64,
    /// Whether all is done: the release is whole here, durably, and the channel stands where it was fetched from.
    pub done: bool,
    /// Classes of the release that were fetched.
    pub classes: u64,
    /// Classes that it has and that did not come: they are not granted.
    pub classes_absent: u64,
    /// Entries of the classes.
    pub files: u64,
    /// Bytes of their files.
    pub bytes_total: u64,
    /// Their chunks, with multiplicity.
    pub chunks_total: u64,
    /// Chunks that came and were not held.
    pub chunks_fetched: u64,
    /// Their plain bytes.
    pub chunk_bytes_fetched: u64,
    /// Their bytes as packed for the way.
    pub chunk_bytes_encoded: u64,
    /// How many of the chunks were made from what was held.
    pub chunks_from_deltas: u64,
    /// Bytes of pages, tables and headers that came.
    pub page_bytes: u64,
    /// Their bytes as packed for the way.
    pub page_bytes_encoded: u64,
    /// Bytes of statements that came; they are kept unverified until the first table.
    pub statement_bytes: u64,
    /// Requests that had to wait for the answer to another, and the first.
    pub round_trips: u64,
    /// Bytes of pages and packed chunks that came and were held already, or were of no use.
    pub wasted_bytes: u64,
    /// Whether the source's channel is older than what is known here: then it was of no use.
    pub is_source_behind: bool,
    /// What the source has in place of the release that is announced. Where the fetch is not [`done`](Self::done) then, that
    /// release is not here, and not there.
    pub holding: Option<Holding>,
    /// Of a dry run: chunks that are missing here, as far as pages have come.
    pub chunks_missing: u64,
    /// Their plain bytes.
    pub chunk_bytes_missing: u64,
}

impl Report {
    /// What has come and was of use: grows as long as a source is worth asking.
    pub(super) fn fetched(&self) -> (u64, u64) {
        (self.chunks_fetched, self.page_bytes)
    }

    /// Bytes that have come, as packed for the way, and were of use: what a source that delivers makes grow.
    pub fn useful_bytes(&self) -> u64 {
        self.chunk_bytes_encoded.saturating_add(self.page_bytes_encoded)
    }

    /// Sums up the classes that are fetched.
    pub(super) fn add_up<'a>(&mut self, headers: impl Iterator<Item = &'a ClassHeader>) {
        (self.classes, self.files, self.bytes_total, self.chunks_total) = (0, 0, 0, 0);
        for header in headers {
            self.classes += 1;
            self.files = self.files.saturating_add(header.sums.files);
            self.bytes_total = self.bytes_total.saturating_add(header.sums.bytes);
            self.chunks_total = self.chunks_total.saturating_add(header.sums.chunks);
        }
    }
}
