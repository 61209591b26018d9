//! The interface to the chunks and pages of libraries. A handle sees one library; there is no look-up without
//! a library.

use std::{fmt, sync::Arc};

use bytes::Bytes;

use crate::{
    error::{Error, Result},
    id::{ChunkId, LibraryId, PageId},
    limits,
    manifest::PageSource,
    store::{Appended, Check, PageState},
};

/// A chunk or page to store. The caller has checked that the bytes match the id. The implementation in memory
/// checks again.
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
        /// Its id: a hash over the library's id and `bytes`.
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
        Err(Error::Invalid(format!("a {what} of {} bytes; 1 to {most} are allowed", self.bytes().len())))
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

impl fmt::Display for ObjectId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ObjectId::Chunk(id) => write!(f, "chunk {id}"),
            ObjectId::Page(id) => write!(f, "page {id}"),
        }
    }
}

/// The chunks and pages of **one** library, stored durably under their ids.
///
/// Guarantees of every implementation, each checked by the conformance suite:
///
/// - **A library sees its own objects only.** An object that was appended through a handle of one library is
///   neither held, nor readable, nor marked through a handle of another, even if the other library has equal
///   objects. This also holds after a crash, after the index is lost and after a rebuild.
/// - **Visible means durable.** `has_chunks`, `read_*` and `page_states` see only objects that a commit has
///   made durable. Objects become visible in the order in which they were appended.
/// - **Appending is idempotent.** An object that is held, or waits for a commit, is not written again. An
///   object in the `lost` set is written again and leaves the set.
/// - **Never wrong bytes.** A read returns the bytes that the id names, `None` if they are not held, or an
///   error that names the file. With [`Check::Trust`] a chunk's bytes may be damaged but never of another
///   length.
/// - **Poison.** After a failed write or fsync of any file of the home, every later `append`, `commit` and
///   `mark` fails with [`Error::Poisoned`]; reads still work.
///
/// All methods block, and may be called from any thread. A batch has at most
/// [`BATCH_IDS`](crate::limits::BATCH_IDS) ids; answers are in the order of the ids.
pub trait Objects: Send + Sync {
    /// The library that owns these objects.
    fn library(&self) -> LibraryId;

    /// Which chunks are held.
    fn has_chunks(&self, ids: &[ChunkId]) -> Result<Vec<bool>>;

    /// The chunks' plain bytes. A chunk that can no longer be read is moved to the `lost` set and is an
    /// error.
    fn read_chunks(&self, ids: &[ChunkId], check: Check) -> Result<Vec<Option<Bytes>>>;

    /// The pages' bytes, always verified.
    fn read_pages(&self, ids: &[PageId]) -> Result<Vec<Option<Bytes>>>;

    /// How much is held of each page and of the tree below it.
    fn page_states(&self, ids: &[PageId]) -> Result<Vec<PageState>>;

    /// Queues objects for writing, in order; blocks while the queue is full. They become durable with the
    /// next group commit, which the store makes by itself at least every
    /// [`GROUP_BYTES`](crate::limits::GROUP_BYTES).
    fn append(&self, objects: Vec<Object>) -> Result<Appended>;

    /// Makes everything appended to this library so far (by any thread) durable and visible before it
    /// returns.
    fn commit(&self) -> Result<()>;

    /// Raises the states of visible pages, bottom-up in the order given; skips pages that are not visible. A
    /// mark records work done, not data: it may be lost in a crash before [`keep_marks`](Self::keep_marks).
    fn mark(&self, marks: &[(PageId, PageState)]) -> Result<()>;

    /// Makes all marks so far durable. It writes to the disk: call it after long work, not after each mark.
    fn keep_marks(&self) -> Result<()>;

    /// Objects of the library that were held once and can no longer be read. While there are any, `Paged` and
    /// `Full` are hints only: a caller that relies on them checks the tree below.
    fn lost(&self) -> Result<Vec<ObjectId>>;

    /// Whether each of these objects is in the `lost` set.
    fn are_lost(&self, ids: &[ObjectId]) -> Result<Vec<bool>>;
}

/// Gives the handles to the objects of each library. There is no other access to objects.
pub trait ObjectStores: Send + Sync {
    /// The objects of a library, even if it has none. Cheap; all handles of one library share one state.
    fn of(&self, library: &LibraryId) -> Arc<dyn Objects>;
}

/// A manifest is read from the objects of its library.
impl<S: Objects + ?Sized> PageSource for S {
    fn owner(&self) -> LibraryId {
        self.library()
    }

    fn page(&self, id: &PageId) -> Result<Bytes> {
        let page = self.read_pages(std::slice::from_ref(id))?.pop().flatten();
        page.ok_or_else(|| not_held(self, ObjectId::Page(*id), ""))
    }

    fn pages(&self, ids: &[PageId]) -> Result<Vec<Bytes>> {
        let mut pages = Vec::with_capacity(ids.len());
        for ids in ids.chunks(limits::BATCH_IDS) {
            for (id, page) in ids.iter().zip(self.read_pages(ids)?) {
                pages.push(page.ok_or_else(|| not_held(self, ObjectId::Page(*id), ""))?);
            }
        }
        Ok(pages)
    }
}

/// The error for an object that is not held; `file` begins its text. An object that was held and is damaged
/// is no missing one: its disk needs a look.
pub(crate) fn not_held<S: Objects + ?Sized>(store: &S, id: ObjectId, file: &str) -> Error {
    let object = match id {
        ObjectId::Chunk(id) => format!("chunk {}", id.short()),
        ObjectId::Page(id) => format!("page {}", id.short()),
    };
    match store.are_lost(&[id]) {
        Ok(lost) if lost == [true] => Error::Corrupt(format!(
            "{file}{object} is damaged here; pull the library again, and check the disk"
        )),
        Ok(_) => Error::Missing(format!("{file}{object} is not held here; pull the library again")),
        Err(error) => error,
    }
}
