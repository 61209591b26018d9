//! The canonical encoding of a record.
//!
//! ```text
//! offset size
//!      0    4  magic "CHAU"
//!      4    1  version = 2
//!      5    1  ending: 0 ok, 1 refused, 2 failed
//!      6    2  length of the whole record
//!      8    8  index u64, from 0
//!     16    8  time i64, ms since 1970, never negative
//!     24   32  id of the record before; zeros in the first
//!     56    4  count u32, at least 1
//!     60    8  span u64, ms from the first time to the last; 0 where the count is 1
//!     68    8  highest arrival number of the ledger u64; a ledger restored from an older copy ends below it
//!     76    2  verb u16
//!     78    …  actor; library present u8 (0 or 1), library [32] if present;
//!              subject (len u16, UTF-8); reason (len u16, UTF-8), empty if the ending is 0
//!   last    4  CRC32C of all bytes before
//! ```
//!
//! All integers are little-endian. The id of the record is the hash of all its bytes. The checksum does not
//! protect against manipulation: it only tells a record that a crash tore from a complete one.

use super::{
    actor::Actor,
    event::{Ending, Event},
    verb::Verb,
};
use crate::{
    error::{Error, Result},
    id::{LibraryId, RecordId},
    limits::{AUDIT_REASON_BYTES, AUDIT_RECORD_BYTES, AUDIT_SUBJECT_BYTES},
    statement::wire::{Reader, put_string},
};

const MAGIC: &[u8; 4] = b"CHAU";
const VERSION: u8 = 2;
/// Bytes up to and including the length field.
const LEAD: usize = 8;
/// Bytes of the checksum at the end.
const CHECKSUM: usize = 4;

/// An event at its position in a log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// The number of records before this one.
    pub index: u64,
    /// The time of the write, by the clock of the node, in ms since 1970. It is not an order: clocks may be
    /// set back.
    pub time_ms: i64,
    /// The id of the record before.
    pub prev: RecordId,
    /// The highest arrival number of the ledger at the time of the write.
    pub arrival: u64,
    /// The event.
    pub event: Event,
}

impl Record {
    /// Encodes the canonical bytes. Fails if a text is too long or unprintable, or the time is before 1970.
    pub fn encode(&self) -> Result<Vec<u8>> {
        self.event.check()?;
        if self.time_ms < 0 {
            return Err(Error::Invalid("malformed audit record: its time is before 1970".into()));
        }
        let (ending, why) = match &self.event.ending {
            Ending::Ok => (0, ""),
            Ending::Refused(why) => (1, why.as_str()),
            Ending::Failed(why) => (2, why.as_str()),
        };
        let mut out = Vec::with_capacity(256);
        out.extend_from_slice(MAGIC);
        out.extend_from_slice(&[VERSION, ending, 0, 0]);
        out.extend_from_slice(&self.index.to_le_bytes());
        out.extend_from_slice(&self.time_ms.to_le_bytes());
        out.extend_from_slice(self.prev.as_bytes());
        out.extend_from_slice(&self.event.count.to_le_bytes());
        out.extend_from_slice(&self.event.span_ms.to_le_bytes());
        out.extend_from_slice(&self.arrival.to_le_bytes());
        out.extend_from_slice(&self.event.verb.tag().to_le_bytes());
        self.event.actor.encode(&mut out);
        out.push(u8::from(self.event.library.is_some()));
        out.extend_from_slice(
            self.event.library.as_ref().map_or(&[], |library| library.as_bytes().as_slice()),
        );
        put_string(&mut out, &self.event.subject);
        put_string(&mut out, why);
        // The bounds of the texts keep the length far below the maximum; see `limits`.
        let len = u16::try_from(out.len() + CHECKSUM).unwrap_or(u16::MAX);
        if let Some(field) = out.get_mut(LEAD - 2..LEAD) {
            field.copy_from_slice(&len.to_le_bytes());
        }
        out.extend_from_slice(&crc32c::crc32c(&out).to_le_bytes());
        Ok(out)
    }

    /// Decodes the record at the front of `bytes`, and returns it with its length. Returns `None` if more
    /// bytes are needed to decide. Fails with [`Error::Corrupt`] if `bytes` does not begin with a record of
    /// this version.
    pub fn decode_front(bytes: &[u8]) -> Result<Option<(Self, usize)>> {
        let lead = bytes.get(..LEAD.min(bytes.len())).unwrap_or(bytes);
        if lead.iter().zip(MAGIC.iter().chain(&[VERSION])).any(|(found, wanted)| found != wanted) {
            return Err(corrupt("no record begins here"));
        }
        let Ok([.., low, high]) = <[u8; LEAD]>::try_from(lead) else { return Ok(None) };
        let len = usize::from(u16::from_le_bytes([low, high]));
        if len > AUDIT_RECORD_BYTES {
            return Err(corrupt(&format!(
                "a record of {len} bytes; at most {AUDIT_RECORD_BYTES} are allowed"
            )));
        }
        let (Some(body), Some(whole)) = (len.checked_sub(CHECKSUM), bytes.get(..len)) else {
            return if len < CHECKSUM { Err(corrupt("a record with too small a length")) } else { Ok(None) };
        };
        let (body, sum) = whole.split_at_checked(body).unwrap_or((whole, &[]));
        if sum != crc32c::crc32c(body).to_le_bytes() {
            return Err(corrupt("its checksum does not match"));
        }
        let record = decode_body(body).map_err(|error| corrupt(&error.to_string()))?;
        Ok(Some((record, len)))
    }
}

/// Decodes everything except the checksum.
fn decode_body(body: &[u8]) -> Result<Record> {
    let mut reader = Reader::new(body, "audit record");
    let [.., ending, _, _] = reader.array::<LEAD>()?;
    let (index, time_ms) = (reader.u64()?, reader.i64()?);
    let prev = RecordId::from_bytes(reader.array()?);
    let (count, span_ms) = (reader.u32()?, reader.u64()?);
    let arrival = reader.u64()?;
    let verb = Verb::from_tag(reader.u16()?);
    let actor = Actor::decode(&mut reader)?;
    let library = if reader.bool()? { Some(LibraryId::from_bytes(reader.array()?)) } else { None };
    let subject = reader.string(AUDIT_SUBJECT_BYTES)?;
    let why = reader.string(AUDIT_REASON_BYTES)?;
    let ending = match ending {
        0 if why.is_empty() => Ending::Ok,
        1 => Ending::Refused(why),
        2 => Ending::Failed(why),
        other => return Err(reader.invalid(format!("ending {other} with a text of {} bytes", why.len()))),
    };
    reader.finish()?;
    let event = Event { actor, verb, subject, library, ending, count, span_ms };
    event.check()?;
    if time_ms < 0 {
        return Err(Error::Invalid("its time is before 1970".into()));
    }
    Ok(Record { index, time_ms, prev, arrival, event })
}

fn corrupt(why: &str) -> Error {
    Error::Corrupt(why.to_owned())
}
