//! The seam to whatever keeps chunks, pages and statements: the trait, its promises, a strict twin in memory
//! ([`memory`]) and the conformance suite every implementation runs ([`conformance`]).

pub mod conformance;
pub mod ledger;
pub mod memory;
pub mod objects;

use bytes::Bytes;

use crate::{
    error::{Error, Result},
    id::{ChunkId, LibraryId, PageId, StatementId},
    limits,
    statement::{Statement, StatementKind},
};

/// Something to keep. The caller has checked that the bytes are what the id names; the strict twin checks it again.
#[derive(Clone, Debug)]
pub enum Object {
    /// A chunk's plain bytes.
    Chunk {
        /// BLAKE3 of `bytes`.
        id: ChunkId,
        /// 1 to [`CHUNK_BYTES`](crate::limits::CHUNK_BYTES) bytes.
        bytes: Bytes,
    },
    /// A tree page, class table or class header in its canonical form.
    Page {
        /// Its name.
        id: PageId,
        /// Its canonical bytes.
        bytes: Bytes,
    },
    /// A statement exactly as received, signatures included, already verified.
    Statement {
        /// The id of its signed part.
        id: StatementId,
        /// The library it speaks of.
        library: LibraryId,
        /// Its kind.
        kind: StatementKind,
        /// Its sequence.
        sequence: u64,
        /// The envelope as received.
        bytes: Bytes,
        /// Whether it is written also where it is held: with more signatures than what is held.
        again: bool,
    },
    /// A channel's move.
    Ref(RefMove),
}

impl Object {
    /// The id under which it could be lost; a ref move has none.
    pub fn lost_id(&self) -> Option<LostId> {
        match self {
            Object::Chunk { id, .. } => Some(LostId::Chunk(*id)),
            Object::Page { id, .. } => Some(LostId::Page(*id)),
            Object::Statement { id, .. } => Some(LostId::Statement(*id)),
            Object::Ref(_) => None,
        }
    }

    /// The id by which it is known whether it must be written; none where it must in any case.
    pub fn held_as(&self) -> Option<LostId> {
        match self {
            Object::Statement { again: true, .. } => None,
            object => object.lost_id(),
        }
    }

    /// A statement that is held, or may be, to be kept with more signatures. A root stays as it came: its place among what was
    /// appended says that it stands, and more signatures change nothing.
    pub fn countersigned(statement: &Statement) -> Self {
        match Object::from(statement) {
            root @ Object::Statement { kind: StatementKind::Root, .. } => root,
            Object::Statement { id, library, kind, sequence, bytes, again: _ } => {
                Object::Statement { id, library, kind, sequence, bytes, again: true }
            }
            object => object,
        }
    }

    /// Bytes of its content; 0 for a ref move.
    pub fn len(&self) -> usize {
        match self {
            Object::Chunk { bytes, .. } | Object::Page { bytes, .. } | Object::Statement { bytes, .. } => {
                bytes.len()
            }
            Object::Ref(_) => 0,
        }
    }

    /// Whether it has no content.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// As it is kept: exactly as received.
impl From<&Statement> for Object {
    fn from(statement: &Statement) -> Self {
        Object::Statement {
            id: statement.id(),
            library: statement.library(),
            kind: statement.kind(),
            sequence: statement.sequence(),
            bytes: statement.bytes().clone(),
            again: false,
        }
    }
}

/// Where a channel of a library stands on this node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RefMove {
    /// The library.
    pub library: LibraryId,
    /// The channel's name, ≤ [`NAME_BYTES`](crate::limits::NAME_BYTES) bytes.
    pub channel: String,
    /// The channel statement that is current here.
    pub statement: StatementId,
    /// The release it names.
    pub release: StatementId,
    /// The statement's sequence; no statement of this channel below it is taken again (the rollback floor).
    pub sequence: u64,
}

/// What an append added; what was held or already waiting is not counted and not written again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Appended {
    /// Chunks that were new.
    pub chunks: u64,
    /// Their raw bytes.
    pub chunk_bytes: u64,
    /// Pages that were new.
    pub pages: u64,
    /// Their bytes.
    pub page_bytes: u64,
}

impl Appended {
    /// Adds an object of a library that was new.
    pub fn add(&mut self, object: &objects::Object) {
        let bytes = object.bytes().len() as u64;
        let (count, total) = match object {
            objects::Object::Chunk { .. } => (&mut self.chunks, &mut self.chunk_bytes),
            objects::Object::Page { .. } => (&mut self.pages, &mut self.page_bytes),
        };
        *count += 1;
        *total += bytes;
    }

    /// Adds an object that was new.
    pub fn count(&mut self, object: &Object) {
        match object {
            Object::Chunk { bytes, .. } => {
                self.chunks += 1;
                self.chunk_bytes += bytes.len() as u64;
            }
            Object::Page { bytes, .. } => {
                self.pages += 1;
                self.page_bytes += bytes.len() as u64;
            }
            Object::Statement { .. } | Object::Ref(_) => {}
        }
    }
}

/// How far the tree under a page is known to be held.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum PageState {
    /// Not held.
    Absent,
    /// Held; nothing is known of what is below.
    Present,
    /// Held, and all pages below.
    Paged,
    /// Held, all pages and all chunks below.
    Full,
}

/// What a store remembers beside its objects: work that was done. It may be lost in a crash.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mark {
    /// How far the tree under a page is held: [`PageState::Paged`] or [`PageState::Full`].
    Page(PageId, PageState),
    /// Nobody asks for this statement any more, since newer ones say all that counts: it is not listed again.
    Outdated(StatementId),
}

/// Whether a read hashes what it returns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Check {
    /// Hash it: for anything that goes to a file or a viewer.
    Verify,
    /// Don't: for a peer, who hashes it anyway.
    Trust,
}

/// An object the store had and can no longer read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum LostId {
    /// A chunk.
    Chunk(ChunkId),
    /// A page.
    Page(PageId),
    /// A statement.
    Statement(StatementId),
}

/// Keeps objects durably under their ids.
///
/// Promises of every implementation, each held by [`conformance`]:
///
/// - **Visible means durable.** Only what a commit has made durable is seen by `has_chunks`, `read_*`, `page_states`,
///   `statements` and `refs`. Objects become visible in the order in which they were appended.
/// - **Appending is idempotent.** An object that is held, or waits for a commit, is not written again, but for a statement
///   that [has more signatures](Object::countersigned). An object in the `lost` set is written again and leaves the set.
/// - **Order.** When a [`Object::Ref`] is visible, everything appended before it is.
/// - **Never wrong bytes.** A read gives the bytes the id names, `None` where they are not held, or an error that
///   names the file; with [`Check::Trust`] a chunk's bytes may be damaged but never of another length.
/// - **Poison.** After a failed write or fsync every later `append`, `commit` and `mark` fails with
///   [`Error::Poisoned`]; reads go on.
///
/// All methods block, and may be called from any thread. Batches are ≤ [`BATCH_IDS`](crate::limits::BATCH_IDS) ids;
/// answers stand in the order of the ids asked for.
pub trait Store: Send + Sync {
    /// Which chunks are held.
    fn has_chunks(&self, ids: &[ChunkId]) -> Result<Vec<bool>>;

    /// Chunks' plain bytes. A chunk that cannot be read any more is moved to the `lost` set and is an error.
    fn read_chunks(&self, ids: &[ChunkId], check: Check) -> Result<Vec<Option<Bytes>>>;

    /// Pages' bytes, always verified.
    fn read_pages(&self, ids: &[PageId]) -> Result<Vec<Option<Bytes>>>;

    /// How much is held at and below pages.
    fn page_states(&self, ids: &[PageId]) -> Result<Vec<PageState>>;

    /// Hands over objects, in order; blocks while too much waits. They become durable with the next group commit,
    /// which the store makes by itself at least every [`GROUP_BYTES`](crate::limits::GROUP_BYTES).
    fn append(&self, objects: Vec<Object>) -> Result<Appended>;

    /// Makes everything appended so far (by any thread) durable and visible before it returns.
    fn commit(&self) -> Result<()>;

    /// Raises the states of visible pages, bottom-up in the order given, and remembers which statements are outdated;
    /// passes over pages that are not visible. A mark is a memory of work done, not data: it may be lost in a crash.
    fn mark(&self, marks: &[Mark]) -> Result<()>;

    /// The visible statements of one kind, of one library or of all, without those that were marked as outdated, as received:
    /// by library and sequence, and of those of one sequence the one first that was appended first. Of two roots of one
    /// version that is the one that stands, so the order must outlive crashes and rebuilds.
    fn statements(
        &self,
        library: Option<&LibraryId>,
        kind: StatementKind,
    ) -> Result<Vec<(StatementId, Bytes)>>;

    /// Where every channel of every library stands.
    fn refs(&self) -> Result<Vec<RefMove>>;

    /// What was held once and can no longer be read. While it is not empty, `Paged` and `Full` are hints only: whoever
    /// relies on them looks below.
    fn lost(&self) -> Result<Vec<LostId>>;
}

/// Checks a batch against [`BATCH_IDS`](limits::BATCH_IDS), for implementations.
pub fn check_batch(len: usize) -> Result<()> {
    if len <= limits::BATCH_IDS {
        return Ok(());
    }
    Err(Error::Invalid(format!("{len} ids in one batch; at most {} are taken", limits::BATCH_IDS)))
}

/// Checks an object's size against its bound, for implementations. It hashes nothing.
pub fn check_object(object: &Object) -> Result<()> {
    let (range, what) = match object {
        Object::Chunk { .. } => (1..=limits::CHUNK_BYTES, "chunk"),
        Object::Page { .. } => (1..=limits::PAGE_BYTES, "page"),
        Object::Statement { .. } => (1..=limits::STATEMENT_BYTES, "statement"),
        Object::Ref(to) if to.channel.is_empty() || to.channel.len() > limits::NAME_BYTES => {
            return Err(Error::Invalid(format!("a channel's name of {} bytes", to.channel.len())));
        }
        Object::Ref(_) => return Ok(()),
    };
    if range.contains(&object.len()) {
        return Ok(());
    }
    Err(Error::Invalid(format!(
        "a {what} of {} bytes; {} to {} are taken",
        object.len(),
        range.start(),
        range.end()
    )))
}
