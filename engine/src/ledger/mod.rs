//! The file format of the ledger, and the rules that decide which records are valid after damage: bytes in,
//! bytes and a plan out. It opens no file.
//!
//! A home keeps its statements and refs in two files with the same content, `ledger/a` and `ledger/b`:
//!
//! ```text
//! header       node, ledger id, generation                                   [`header`]
//! frame        records of a compaction, in the order of their arrival numbers [`frame`], [`record`]
//! frame        the closing record: the compaction is complete
//! frame        a batch
//! frame        a batch …
//! ```
//!
//! A batch is one frame. It is written and synced in `a`, then in `b`, then acknowledged. [`scan`] reads one
//! copy. [`plan`](mod@plan) compares both copies and decides which records are valid and which file is
//! repaired. [`state`] holds the content of the records. [`image`] writes a generation.
//!
//! Every checksum starts from the node, the ledger id and the generation. A peer knows neither the ledger id
//! nor the generation, so the content of a statement is never taken for a record of the ledger.

pub mod frame;
pub mod header;
pub mod image;
mod lost;
pub mod plan;
pub mod record;
mod reference;
pub mod scan;
pub mod state;
#[cfg(test)]
mod tests;

use std::fmt;

use crate::id::NodeId;

pub use crate::limits::format::ledger::LEDGER_ID_LEN;
pub use frame::{FRAME_FIXED_BYTES, FrameId};
pub use header::{HEADER_BYTES, Header};
pub use plan::{Mend, Outcome, Plan, Refusal, plan};
pub use record::{LedgerRecord, RECORD_HEADER_BYTES, RecordKind};
pub use scan::Scan;
pub use state::LedgerState;

/// The random id of a ledger. It is never used again.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LedgerId([u8; LEDGER_ID_LEN]);

impl LedgerId {
    /// Takes the 16 bytes as they are.
    pub const fn from_bytes(bytes: [u8; LEDGER_ID_LEN]) -> Self {
        Self(bytes)
    }

    /// The 16 bytes.
    pub const fn as_bytes(&self) -> &[u8; LEDGER_ID_LEN] {
        &self.0
    }
}

impl fmt::Display for LedgerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for LedgerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "LedgerId({self})")
    }
}

/// The identity of a ledger file. Every checksum of the file depends on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Identity {
    /// The node that owns the ledger.
    pub node: NodeId,
    /// The ledger.
    pub ledger: LedgerId,
    /// Counts how often the ledger was rewritten, from 1.
    pub generation: u64,
}

impl Identity {
    /// CRC32C of the identity. Every checksum of the file continues from it.
    pub(crate) fn seed(&self) -> u32 {
        let seed = crc32c::crc32c(self.node.as_bytes());
        let seed = crc32c::crc32c_append(seed, self.ledger.as_bytes());
        crc32c::crc32c_append(seed, &self.generation.to_le_bytes())
    }
}

/// One of the two copies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Side {
    /// `ledger/a`, which is written first.
    A,
    /// `ledger/b`.
    B,
}

impl Side {
    /// Both copies, in the order in which they are written.
    pub const BOTH: [Side; 2] = [Side::A, Side::B];

    /// The file's name.
    pub const fn name(self) -> &'static str {
        match self {
            Side::A => "a",
            Side::B => "b",
        }
    }

    /// The other copy.
    pub const fn other(self) -> Self {
        match self {
            Side::A => Side::B,
            Side::B => Side::A,
        }
    }

    /// Its index in an array of both copies.
    pub const fn index(self) -> usize {
        match self {
            Side::A => 0,
            Side::B => 1,
        }
    }
}

impl fmt::Display for Side {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ledger/{}", self.name())
    }
}

/// Reads fixed fields off the front of untrusted bytes.
#[derive(Debug)]
struct Fields<'a> {
    rest: &'a [u8],
}

impl<'a> Fields<'a> {
    const fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    fn take<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (field, rest) = self.rest.split_first_chunk::<N>()?;
        self.rest = rest;
        Some(*field)
    }

    fn u8(&mut self) -> Option<u8> {
        self.take::<1>().map(|[byte]| byte)
    }

    fn u16(&mut self) -> Option<u16> {
        self.take().map(u16::from_le_bytes)
    }

    fn u32(&mut self) -> Option<u32> {
        self.take().map(u32::from_le_bytes)
    }

    fn u64(&mut self) -> Option<u64> {
        self.take().map(u64::from_le_bytes)
    }
}
