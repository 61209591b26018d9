//! One record of the ledger: a header, directly followed by the payload.
//!
//! ```text
//!  0   4  length of the payload
//!  4   1  kind: 1 statement, 2 ref, 3 lost, 4 found, 5 closing
//!  5   1  kind of the statement; 0 for a ref
//!  6   2  0
//!  8   8  arrival number
//! 16  32  library; 0 where it is not known
//! 48  32  id of the statement; 0 for a ref
//! 80   8  sequence of the statement or ref
//! 88   4  CRC32C of the payload
//! 92   4  CRC32C of the identity and bytes 0 to 91
//! 96   …  payload
//! ```
//!
//! | kind | payload |
//! | --- | --- |
//! | statement | the envelope as received |
//! | ref | library, statement, release, sequence, channel: see `reference` |
//! | lost | the last arrival number that it covers (u64), then where the record was (UTF-8) |
//! | found | the arrival number of a lost record that came back (u64) |
//! | closing | records that the compaction wrote (u64); its arrival number is the base of the generation |
//!
//! A lost record has the library, kind, id and sequence of the statement if the statement's record header was
//! readable. The id and the sequence are in the header so that a record whose payload is damaged in both
//! copies can still be named. A record of an unknown kind is kept unchanged.

use bytes::Bytes;

pub use crate::limits::format::ledger::RECORD_HEADER_BYTES;

use super::{Fields, Identity, reference, state::Held};
use crate::{
    error::{Error, Result},
    id::{LibraryId, StatementId},
    limits::{LEDGER_PLACE_BYTES, STATEMENT_BYTES},
    store::{RefMove, ledger::Record},
};

/// Offset of the checksum in the record's header.
const CRC_AT: usize = RECORD_HEADER_BYTES - 4;
/// Maximum bytes of a payload.
pub(super) const PAYLOAD_BYTES: usize = STATEMENT_BYTES;

/// The kind of a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum RecordKind {
    /// A statement.
    Statement,
    /// A channel's move.
    Ref,
    /// One or more records that are readable in no copy.
    Lost,
    /// A lost record that came back.
    Found,
    /// The end of a compaction.
    Closing,
    /// Written by a newer version; kept unchanged.
    Unknown(u8),
}

impl RecordKind {
    const fn tag(self) -> u8 {
        match self {
            RecordKind::Statement => 1,
            RecordKind::Ref => 2,
            RecordKind::Lost => 3,
            RecordKind::Found => 4,
            RecordKind::Closing => 5,
            RecordKind::Unknown(tag) => tag,
        }
    }

    const fn from_tag(tag: u8) -> Self {
        match tag {
            1 => RecordKind::Statement,
            2 => RecordKind::Ref,
            3 => RecordKind::Lost,
            4 => RecordKind::Found,
            5 => RecordKind::Closing,
            other => RecordKind::Unknown(other),
        }
    }
}

/// One record, as both copies store it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LedgerRecord {
    /// The arrival number.
    pub number: u64,
    /// Its kind.
    pub kind: RecordKind,
    /// The statement's kind, which may be unknown to this version; 0 for other records.
    pub statement_kind: u8,
    /// The library; `None` where it is not known.
    pub library: Option<LibraryId>,
    /// The statement's id; zeros for other records.
    pub id: StatementId,
    /// The sequence of a statement or ref; else 0.
    pub sequence: u64,
    /// The bytes after the header.
    pub payload: Bytes,
}

const NO_ID: StatementId = StatementId::from_bytes([0; 32]);
const NO_LIBRARY: [u8; 32] = [0; 32];

impl LedgerRecord {
    /// Makes the record that stores `record` under its arrival number.
    pub fn of(number: u64, record: &Record) -> Self {
        match record {
            Record::Statement { id, library, kind, sequence, bytes, again: _ } => Self {
                number,
                kind: RecordKind::Statement,
                statement_kind: kind.tag(),
                library: Some(*library),
                id: *id,
                sequence: *sequence,
                payload: bytes.clone(),
            },
            Record::Ref(to) => Self::reference(number, to),
        }
    }

    /// A channel's move.
    pub fn reference(number: u64, to: &RefMove) -> Self {
        Self {
            library: Some(to.library),
            sequence: to.sequence,
            payload: reference::encode(to).into(),
            ..Self::bare(number, RecordKind::Ref)
        }
    }

    /// The lost records from `number` to `last`. Nothing else is known of them.
    pub fn lost(number: u64, last: u64, place: &str) -> Self {
        Self { payload: lost_payload(last, place), ..Self::bare(number, RecordKind::Lost) }
    }

    /// The lost record in place of a record of which only the header is readable.
    pub fn lost_like(head: &Self, place: &str) -> Self {
        Self { kind: RecordKind::Lost, payload: lost_payload(head.number, place), ..head.clone() }
    }

    /// The lost record in place of a statement that can no longer be read.
    pub fn lost_statement(id: &StatementId, held: &Held, place: &str) -> Self {
        Self {
            statement_kind: held.kind,
            library: Some(held.library),
            id: *id,
            sequence: held.sequence,
            ..Self::lost(held.arrival, held.arrival, place)
        }
    }

    /// Notes that the lost record with the number `lost` came back.
    pub fn found(number: u64, lost: u64) -> Self {
        Self { payload: lost.to_le_bytes().to_vec().into(), ..Self::bare(number, RecordKind::Found) }
    }

    /// Closes a compaction of `records` records.
    pub fn closing(base: u64, records: u64) -> Self {
        Self { payload: records.to_le_bytes().to_vec().into(), ..Self::bare(base, RecordKind::Closing) }
    }

    const fn bare(number: u64, kind: RecordKind) -> Self {
        Self { number, kind, statement_kind: 0, library: None, id: NO_ID, sequence: 0, payload: Bytes::new() }
    }

    /// The channel's move that a ref record holds.
    pub fn ref_move(&self) -> Option<RefMove> {
        (self.kind == RecordKind::Ref).then(|| reference::decode(&self.payload)).flatten()
    }

    /// The last arrival number that the record covers. Only lost records cover more than their own number.
    pub fn last(&self) -> u64 {
        match self.kind {
            RecordKind::Lost => Fields::new(&self.payload).u64().unwrap_or(self.number).max(self.number),
            _ => self.number,
        }
    }

    /// Where a lost record was, for people.
    pub fn place(&self) -> String {
        let text = self.payload.get(8..).unwrap_or_default();
        String::from_utf8_lossy(text).into_owned()
    }

    /// The number in the payload of a found or closing record.
    pub fn payload_number(&self) -> Option<u64> {
        Fields::new(&self.payload).u64()
    }

    /// Bytes that the record takes in a file.
    pub fn encoded_len(&self) -> usize {
        RECORD_HEADER_BYTES + self.payload.len()
    }

    /// Checks the record against its bounds before it is written.
    pub(super) fn check(&self) -> Result<()> {
        if self.payload.len() > PAYLOAD_BYTES {
            return Err(Error::Invalid(format!(
                "a ledger record of {} bytes; at most {PAYLOAD_BYTES} are allowed",
                self.payload.len()
            )));
        }
        Ok(())
    }

    pub(super) fn encode(&self, identity: &Identity, out: &mut Vec<u8>) {
        let begin = out.len();
        // The length was checked before; a longer payload does not decode again.
        out.extend_from_slice(&u32::try_from(self.payload.len()).unwrap_or(u32::MAX).to_le_bytes());
        out.extend_from_slice(&[self.kind.tag(), self.statement_kind, 0, 0]);
        out.extend_from_slice(&self.number.to_le_bytes());
        out.extend_from_slice(self.library.as_ref().map_or(NO_LIBRARY.as_slice(), |id| id.as_bytes()));
        out.extend_from_slice(self.id.as_bytes());
        out.extend_from_slice(&self.sequence.to_le_bytes());
        out.extend_from_slice(&crc32c::crc32c(&self.payload).to_le_bytes());
        let crc = crc32c::crc32c_append(identity.seed(), out.get(begin..).unwrap_or_default());
        out.extend_from_slice(&crc.to_le_bytes());
        out.extend_from_slice(&self.payload);
    }

    /// Reads the record at the front of `bytes`.
    pub fn decode_front(bytes: &Bytes, identity: &Identity) -> Decoded {
        let Some((mut record, len, crc)) = head(bytes, identity) else { return Decoded::Damaged };
        let Some(payload) = bytes.get(RECORD_HEADER_BYTES..RECORD_HEADER_BYTES + len) else {
            return Decoded::Cut(record);
        };
        if crc32c::crc32c(payload) != crc {
            return Decoded::Head(record, RECORD_HEADER_BYTES + len);
        }
        record.payload = bytes.slice_ref(payload);
        Decoded::Whole(record, RECORD_HEADER_BYTES + len)
    }
}

/// The result of decoding a record at the front of some bytes.
#[derive(Clone, Debug)]
pub enum Decoded {
    /// A complete record, and its length.
    Whole(LedgerRecord, usize),
    /// A record whose payload is damaged: the record without its payload, and its length.
    Head(LedgerRecord, usize),
    /// A record whose payload is cut short: the record without its payload.
    Cut(LedgerRecord),
    /// No record.
    Damaged,
}

/// Decodes a record's header: the record without its payload, the payload's length and checksum.
fn head(bytes: &[u8], identity: &Identity) -> Option<(LedgerRecord, usize, u32)> {
    let body = bytes.get(..CRC_AT)?;
    let mut fields = Fields::new(bytes);
    let len = usize::try_from(fields.u32()?).ok()?;
    let (kind, statement_kind) = (fields.u8()?, fields.u8()?);
    let reserved = fields.u16()?;
    let number = fields.u64()?;
    let library = fields.take::<32>()?;
    let id = StatementId::from_bytes(fields.take()?);
    let sequence = fields.u64()?;
    let (payload_crc, crc) = (fields.u32()?, fields.u32()?);
    if crc32c::crc32c_append(identity.seed(), body) != crc || reserved != 0 || len > PAYLOAD_BYTES {
        return None;
    }
    let record = LedgerRecord {
        number,
        kind: RecordKind::from_tag(kind),
        statement_kind,
        library: (library != NO_LIBRARY).then(|| LibraryId::from_bytes(library)),
        id,
        sequence,
        payload: Bytes::new(),
    };
    Some((record, len, payload_crc))
}

fn lost_payload(last: u64, place: &str) -> Bytes {
    let mut out = last.to_le_bytes().to_vec();
    let end = place.floor_char_boundary(LEDGER_PLACE_BYTES);
    out.extend_from_slice(place.get(..end).unwrap_or_default().as_bytes());
    out.into()
}
