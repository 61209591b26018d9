//! The options and the report of a fetch.

use crate::{
    id::{NodeId, StatementId},
    manifest::table::ClassHeader,
    statement::Statement,
    sync::message::{Holding, Packing},
};

/// Options of a fetch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// Whether an earlier fetch was interrupted. Only missing data is then requested, at the price of one
    /// round trip per level of the trees.
    pub resume: bool,
    /// Names of the classes to fetch; empty for all that [`node`](Self::node) is granted. The fetch fails
    /// where one of them is withheld.
    pub classes: Vec<String>,
    /// The node that fetches. Every class that its membership covers must come, as far as that is known;
    /// other classes need not. If `None`, every class of the release must come.
    pub node: Option<NodeId>,
    /// Approximate maximum of bytes in the first answer; the rest is then requested by position. `u64::MAX`
    /// for no bound.
    pub budget: u64,
    /// Whether the source saves bytes or time.
    pub packing: Packing,
    /// Whether only pages are fetched, to count the missing chunks below them. Nothing but pages is stored,
    /// and no channel moves.
    pub is_dry_run: bool,
    /// Bytes that the store can take; `None` for no bound. A fetch of more bytes than that requests pages
    /// only, until the missing chunks are known, and fails before the first chunk if they do not fit.
    pub usable_bytes: Option<u64>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            resume: false,
            classes: Vec::new(),
            node: None,
            budget: u64::MAX,
            packing: Packing::default(),
            is_dry_run: false,
            usable_bytes: None,
        }
    }
}

/// The progress and the result of a fetch.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// The release, once its statements are verified.
    pub release: Option<StatementId>,
    /// Its sequence.
    pub sequence: u64,
    /// Whether the fetch is done: the data of the release is whole and durable here. The caller then stores
    /// [`statements`](Self::statements), and moves its channels.
    pub done: bool,
    /// New statements that the release needs, in the order in which they prove each other; set when the fetch
    /// is done. Statements that were known with fewer signatures are among them.
    pub statements: Vec<Statement>,
    /// Classes of the release that were fetched.
    pub classes: u64,
    /// Classes of the release that did not come, because they are not granted.
    pub classes_absent: u64,
    /// Entries of the classes.
    pub files: u64,
    /// Bytes of their files.
    pub bytes_total: u64,
    /// Chunks of the classes, with multiplicity.
    pub chunks_total: u64,
    /// Chunks that came and were not held before.
    pub chunks_fetched: u64,
    /// Plain bytes of these chunks.
    pub chunk_bytes_fetched: u64,
    /// Bytes of these chunks as sent, compressed or as deltas.
    pub chunk_bytes_encoded: u64,
    /// How many of these chunks came as deltas.
    pub chunks_from_deltas: u64,
    /// Bytes of pages, tables and headers that came.
    pub page_bytes: u64,
    /// Bytes of these pages, tables and headers as sent.
    pub page_bytes_encoded: u64,
    /// Bytes of received statements; these stay unverified until the first table.
    pub statement_bytes: u64,
    /// Requests that had to wait for the answer to another one, including the first request.
    pub round_trips: u64,
    /// Plain bytes of chunks that pages name and that were held already, or named before, as far as pages
    /// have been examined. With [`chunk_bytes_fetched`](Self::chunk_bytes_fetched) it comes near to
    /// [`bytes_total`](Self::bytes_total): data that is examined twice is counted twice.
    pub chunk_bytes_held: u64,
    /// Bytes of pages and chunks, as sent, that were held already or useless.
    pub wasted_bytes: u64,
    /// Whether the source's channel is older than the one known here; the source was then of no use.
    pub is_source_behind: bool,
    /// The releases that the source holds instead of the announced one. Where the fetch is then not
    /// [`done`](Self::done), neither this node nor the source has the announced release.
    pub holding: Option<Holding>,
    /// In a dry run, and where the room is short: chunks missing here, as far as pages have come.
    pub chunks_missing: u64,
    /// Plain bytes of these chunks.
    pub chunk_bytes_missing: u64,
}

impl Report {
    /// The useful data so far. It grows as long as the source is useful.
    pub(super) fn fetched(&self) -> (u64, u64) {
        (self.chunks_fetched, self.page_bytes)
    }

    /// Useful bytes so far, as sent. They grow as long as the source delivers.
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
