//! One entry of the index, decoded without a database. The store reads entries family by family; this type
//! exists for the tests of their form.

use chuan_engine::{
    Result,
    id::{ChunkId, ID_LEN, LibraryId, PageId},
    segment::{RECORD_HEADER_BYTES, SegmentName},
    store::{ObjectId, PageState},
};

use super::{CHUNKS, LOST, MARKS, META, PAGES, Totals, key};
use crate::entry::{Indexed, Location, Position, malformed};

/// An entry of the index: a key and a value of a column family.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IndexEntry(Form);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Form {
    Position(LibraryId, Position),
    Totals(LibraryId, Totals),
    Segment(u32, SegmentName),
    Object(LibraryId, Indexed, Location),
    Mark(LibraryId, PageId, PageState),
    Lost(LibraryId, ObjectId, Vec<u8>),
}

impl IndexEntry {
    /// The names of the column families.
    pub const FAMILIES: [&'static str; 5] = [META, CHUNKS, PAGES, MARKS, LOST];

    /// Decodes an entry as the store does.
    ///
    /// # Errors
    ///
    /// [`Error::Corrupt`](crate::Error::Corrupt) where another program wrote the key or the value.
    pub fn decode(family: &str, key: &[u8], value: &[u8]) -> Result<Self> {
        let object = || -> Result<(LibraryId, [u8; ID_LEN])> {
            let library = key.first_chunk::<ID_LEN>().ok_or_else(|| malformed("id"))?;
            Ok((LibraryId::from_bytes(*library), key::parse_object(key)?))
        };
        Ok(Self(match (family, key.first().copied()) {
            (META, Some(key::POSITION_PREFIX)) => {
                Form::Position(key::parse_of_library(key)?, Position::decode(value)?)
            }
            (META, Some(key::TOTALS_PREFIX)) => {
                Form::Totals(key::parse_of_library(key)?, Totals::decode(value)?)
            }
            (META, _) => {
                let number = key::parse_segment(key).ok_or_else(|| malformed("segment number"))?;
                Form::Segment(number, key::parse_segment_name(value)?)
            }
            (CHUNKS, _) => {
                let (library, id) = object()?;
                Form::Object(library, Indexed::Chunk(ChunkId::from_bytes(id)), Location::decode(value)?)
            }
            (PAGES, _) => {
                let (library, id) = object()?;
                Form::Object(library, Indexed::Page(PageId::from_bytes(id)), Location::decode(value)?)
            }
            (MARKS, _) => {
                let (library, id) = object()?;
                Form::Mark(library, PageId::from_bytes(id), key::parse_mark(value)?)
            }
            (LOST, _) => {
                let (library, id) = key::parse_lost(key)?;
                Form::Lost(library, id, value.to_vec())
            }
            _ => return Err(malformed("column family")),
        }))
    }

    /// The key and the value.
    pub fn encode(&self) -> (Vec<u8>, Vec<u8>) {
        match &self.0 {
            Form::Position(library, position) => {
                (key::of_library(key::POSITION_PREFIX, library), position.encode())
            }
            Form::Totals(library, totals) => (key::of_library(key::TOTALS_PREFIX, library), totals.encode()),
            Form::Segment(number, name) => (key::segment(*number), key::segment_name(name)),
            Form::Object(library, indexed, location) => {
                let (_, key, value) = key::record(library, indexed, location);
                (key, value)
            }
            Form::Mark(library, id, state) => {
                let value = key::mark(*state).map(|value| value.to_vec()).unwrap_or_default();
                (key::object(library, id.as_bytes()).to_vec(), value)
            }
            Form::Lost(library, id, place) => (key::lost(library, id), place.clone()),
        }
    }

    /// Bytes that a read of the object reads from the disk; `None` where the entry is not an object's.
    pub fn read_bytes(&self) -> Option<u64> {
        match &self.0 {
            Form::Object(_, _, location) => Some(RECORD_HEADER_BYTES as u64 + u64::from(location.stored_len)),
            _ => None,
        }
    }
}
