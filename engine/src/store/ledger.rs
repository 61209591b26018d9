//! The interface to the statements and refs of a home. They are few and small but decisive, and kept apart
//! from content.

use bytes::Bytes;

use crate::{
    error::{Error, Result},
    id::{LibraryId, StatementId},
    limits,
    statement::{Statement, StatementKind},
    store::RefMove,
};

/// A record to keep in the ledger.
#[derive(Clone, Debug)]
pub enum Record {
    /// A verified statement exactly as received, signatures included.
    Statement {
        /// The id of its signed part.
        id: StatementId,
        /// The library that it is about.
        library: LibraryId,
        /// Its kind.
        kind: StatementKind,
        /// Its sequence.
        sequence: u64,
        /// The envelope as received.
        bytes: Bytes,
        /// Whether it is stored even if a statement of this id is held: it has more signatures.
        again: bool,
    },
    /// A channel's move.
    Ref(RefMove),
}

impl Record {
    /// The record of a statement that is stored with more signatures, even if it is held already. A root
    /// stays as it arrived: the order of arrival decides which of two roots of one version is valid, and more
    /// signatures change nothing.
    pub fn countersigned(statement: &Statement) -> Self {
        let mut record = Record::from(statement);
        if let Record::Statement { kind, again, .. } = &mut record {
            *again = *kind != StatementKind::Root;
        }
        record
    }

    /// The library it is about.
    pub fn library(&self) -> LibraryId {
        match self {
            Record::Statement { library, .. } => *library,
            Record::Ref(to) => to.library,
        }
    }

    /// The id of the statement; none for a ref.
    pub fn statement_id(&self) -> Option<StatementId> {
        match self {
            Record::Statement { id, .. } => Some(*id),
            Record::Ref(_) => None,
        }
    }

    /// Checks its size against its bound, for implementations. It decodes nothing.
    pub fn check(&self) -> Result<()> {
        let (len, most, what) = match self {
            Record::Statement { bytes, .. } => (bytes.len(), limits::STATEMENT_BYTES, "a statement"),
            Record::Ref(to) => (to.channel.len(), limits::NAME_BYTES, "a channel's name"),
        };
        if (1..=most).contains(&len) {
            return Ok(());
        }
        Err(Error::Invalid(format!("{what} of {len} bytes; 1 to {most} are allowed")))
    }
}

/// The record of a statement, exactly as received.
impl From<&Statement> for Record {
    fn from(statement: &Statement) -> Self {
        Record::Statement {
            id: statement.id(),
            library: statement.library(),
            kind: statement.kind(),
            sequence: statement.sequence(),
            bytes: statement.bytes().clone(),
            again: false,
        }
    }
}

/// A statement as the ledger returns it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kept {
    /// The number under which it arrived in this home. This order decides which of two roots of one version
    /// is valid.
    pub arrival: u64,
    /// Its id.
    pub id: StatementId,
    /// Its library.
    pub library: LibraryId,
    /// The envelope as received.
    pub bytes: Bytes,
}

/// A record that is readable in no copy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LostRecord {
    /// Its arrival number.
    pub arrival: u64,
    /// The last arrival number of the records lost with it; its own if it is lost alone.
    pub last: u64,
    /// Its library, if known.
    pub library: Option<LibraryId>,
    /// Where it was stored, for people.
    pub place: String,
}

/// Stores statements and refs durably, in two copies, in order of arrival.
///
/// Guarantees of every implementation, each checked by the conformance suite:
///
/// - **Acknowledged means durable**: when `append` returns, every record of the batch is durable in both
///   copies. A batch is kept whole or not at all.
/// - **Order is explicit**: records have ascending arrival numbers that survive crashes, repairs and
///   compaction.
/// - **Idempotent**: a statement that is held is not written again, except one [with more
///   signatures](Record), which keeps the arrival number of the first.
/// - **Poison**: after a failed write or fsync, every later `append` and `supersede` fails with
///   [`Error::Poisoned`], or [`Error::Full`] if it found no room; reads still work.
///
/// The caller appends a ref only after `Objects::commit` has returned for all content below it. All methods
/// block, and may be called from any thread.
pub trait Ledger: Send + Sync {
    /// Stores records, in order, as one batch.
    fn append(&self, records: Vec<Record>) -> Result<()>;

    /// The statements of one kind that are not superseded, of one library or of all, ordered by library,
    /// sequence and arrival.
    fn statements(&self, library: Option<&LibraryId>, kind: StatementKind) -> Result<Vec<Kept>>;

    /// The newest ref of every channel of every library.
    fn refs(&self) -> Result<Vec<RefMove>>;

    /// Notes that newer statements contain everything that these statements declare: these are not listed
    /// again, and compaction drops them. Never for roots, revocations or pinned statements. The note may be
    /// lost in a crash.
    fn supersede(&self, ids: &[StatementId]) -> Result<()>;

    /// Records of which both copies are damaged.
    fn lost(&self) -> Result<Vec<LostRecord>>;

    /// The highest arrival number assigned so far; 0 for none.
    fn highest_arrival(&self) -> u64;
}
