//! The seam to the chunks and pages of libraries. A handle sees one library: there is no look-up without one.

use std::sync::Arc;

use bytes::Bytes;

use crate::{
    error::{Error, Result},
    id::{ChunkId, LibraryId, PageId},
    limits,
    store::{Appended, Check, PageState},
};

/// A chunk or page to keep. The caller has checked that the bytes are what the id names; the strict twin checks again.
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
        /// Its name: a hash over the library's id and `bytes`.
        id: PageId,
        /// Its canonical bytes.
        bytes: Bytes,
    },
}

impl Object {
    /// Its id.
    pub fn id(&self) -> ObjectId {
        match self {
            Object::Chunk { id, .. } => ObjectId::Chunk(*id),
            Object::Page { id, .. } => ObjectId::Page(*id),
        }
    }

    /// Its bytes.
    pub fn bytes(&self) -> &Bytes {
        match self {
            Object::Chunk { bytes, .. } | Object::Page { bytes, .. } => bytes,
        }
    }

    /// Checks its size against its bound, for implementations. It hashes nothing.
    pub fn check(&self) -> Result<()> {
        let (most, what) = match self {
            Object::Chunk { .. } => (limits::CHUNK_BYTES, "chunk"),
            Object::Page { .. } => (limits::PAGE_BYTES, "page"),
        };
        if (1..=most).contains(&self.bytes().len()) {
            return Ok(());
        }
        Err(Error::Invalid(format!("a {what} of {} bytes; 1 to {most} are taken", self.bytes().len())))
    }
}

/// The id of a chunk or page.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ObjectId {
    /// A chunk.
    Chunk(ChunkId),
    /// A page.
    Page(PageId),
}

/// The chunks and pages of **one** library, kept durably under their ids.
///
/// Promises of every implementation, each held by the conformance suite:
///
/// - **A library sees its own objects only.** What was appended through a handle of one library is neither held, nor
///   readable, nor marked through a handle of another, whatever the two have in common: also after a crash, after the
///   index is lost and after a rebuild.
/// - **Visible means durable.** Only objects that a commit has made durable are seen by `has_chunks`, `read_*` and
///   `page_states`. Objects become visible in the order in which they were appended.
/// - **Appending is idempotent.** An object that is held, or waits for a commit, is not written again. An object in the
///   `lost` set is written again and leaves the set.
/// - **Never wrong bytes.** A read gives the bytes the id names, `None` where they are not held, or an error that names
///   the file; with [`Check::Trust`] a chunk's bytes may be damaged but never of another length.
/// - **Poison.** After a failed write or fsync of any file of the home every later `append`, `commit` and `mark` fails
///   with [`Error::Poisoned`]; reads go on.
///
/// All methods block, and may be called from any thread. Batches are ≤ [`BATCH_IDS`](crate::limits::BATCH_IDS) ids;
/// answers stand in the order of the ids asked for.
pub trait Objects: Send + Sync {
    /// The library whose objects these are.
    fn library(&self) -> LibraryId;

    /// Which chunks are held.
    fn has_chunks(&self, ids: &[ChunkId]) -> Result<Vec<bool>>;

    /// Chunks' plain bytes. A chunk that cannot be read any more is moved to the `lost` set and is an error.
    fn read_chunks(&self, ids: &[ChunkId], check: Check) -> Result<Vec<Option<Bytes>>>;

    /// Pages' bytes, always verified.
    fn read_pages(&self, ids: &[PageId]) -> Result<Vec<Option<Bytes>>>;

    /// How much is held at and below pages.
    fn page_states(&self, ids: &[PageId]) -> Result<Vec<PageState>>;

    /// Hands over objects, in order; blocks while too much waits. They become durable with the next group commit, which
    /// the store makes by itself at least every [`GROUP_BYTES`](crate::limits::GROUP_BYTES).
    fn append(&self, objects: Vec<Object>) -> Result<Appended>;

    /// Makes everything appended to this library so far (by any thread) durable and visible before it returns.
    fn commit(&self) -> Result<()>;

    /// Raises the states of visible pages, bottom-up in the order given; passes over pages that are not visible. A mark
    /// is a memory of work done, not data: it may be lost in a crash.
    fn mark(&self, marks: &[(PageId, PageState)]) -> Result<()>;

    /// Objects of the library that were held once and can no longer be read. While there are any, `Paged` and `Full` are
    /// hints only: a caller that relies on them looks below.
    fn lost(&self) -> Result<Vec<ObjectId>>;
}

/// Gives the handles of libraries: the only way to objects.
pub trait Shelves: Send + Sync {
    /// The objects of a library, whether it has any or not. Cheap; handles of one library share one state.
    fn of(&self, library: &LibraryId) -> Arc<dyn Objects>;
}
