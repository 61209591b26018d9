//! The seam to the statements and refs of a home: few, small, decisive, and kept apart from content.

use bytes::Bytes;

use crate::{
    error::{Error, Result},
    id::{LibraryId, StatementId},
    limits,
    statement::{Statement, StatementKind},
    store::RefMove,
};

/// One thing to keep in the ledger.
#[derive(Clone, Debug)]
pub enum Record {
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
        /// Whether it is kept also where one of this id is held: it has more signatures.
        again: bool,
    },
    /// A channel's move.
    Ref(RefMove),
}

impl Record {
    /// A statement that is held, or may be, to be kept with more signatures. A root stays as it came: which of two roots
    /// of one version stands goes by arrival, and more signatures change nothing.
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
        Err(Error::Invalid(format!("{what} of {len} bytes; 1 to {most} are taken")))
    }
}

/// As it is kept: exactly as received.
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

/// A statement as the ledger gives it back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kept {
    /// The number under which it arrived in this home: the order that decides which of two roots of one version stands.
    pub arrival: u64,
    /// Its id.
    pub id: StatementId,
    /// Its library.
    pub library: LibraryId,
    /// The envelope as received.
    pub bytes: Bytes,
}

/// A record of which no copy can be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LostRecord {
    /// Its arrival number.
    pub arrival: u64,
    /// The last arrival number of those that are lost with it; its own where it is lost alone.
    pub last: u64,
    /// Its library, where that much is known.
    pub library: Option<LibraryId>,
    /// Where it lay, for people.
    pub place: String,
}

/// Keeps statements and refs durably, twice, in the order in which they arrived.
///
/// Promises of every implementation, each held by the conformance suite:
///
/// - **Acknowledged means durable**: when `append` returns, every record of the batch is durable in both copies. A batch
///   is kept whole or not at all.
/// - **Order is explicit**: records have ascending arrival numbers that outlive crashes, repairs and compaction.
/// - **Idempotent**: a statement that is held is not written again, but for one [with more signatures](Record), which
///   keeps the arrival number of the first.
/// - **Poison**: after a failed write or fsync every later `append` and `supersede` fails with
///   [`Error::Poisoned`]; reads go on.
///
/// The caller appends a ref only after `Objects::commit` has returned for all content below it. All methods block, and
/// may be called from any thread.
pub trait Ledger: Send + Sync {
    /// Keeps records, in order, as one batch.
    fn append(&self, records: Vec<Record>) -> Result<()>;

    /// The statements of one kind that are not superseded, of one library or of all: by library and sequence, and of
    /// those of one sequence the one first that arrived first.
    fn statements(&self, library: Option<&LibraryId>, kind: StatementKind) -> Result<Vec<Kept>>;

    /// The newest ref of every channel of every library.
    fn refs(&self) -> Result<Vec<RefMove>>;

    /// Takes note that newer statements say all that these say: they are not listed again, and compaction drops them.
    /// Never roots, revocations or pinned statements. It may be lost in a crash.
    fn supersede(&self, ids: &[StatementId]) -> Result<()>;

    /// Records of which both copies are damaged.
    fn lost(&self) -> Result<Vec<LostRecord>>;

    /// The highest arrival number given so far; 0 for none.
    fn highest_arrival(&self) -> u64;
}
