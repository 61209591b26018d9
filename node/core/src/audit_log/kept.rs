//! `H/audit/checkpoint`: the point up to which the log is durable. Bytes before it are never taken as torn.
//! When a log is opened, it is walked from this point on.
//!
//! ```text
//! offset size
//!      0    4  magic "CHAP"
//!      4    4  version = 2
//!      8    8  records u64
//!     16   32  id of the last record; zeros where there is none
//!     48    8  index of the first record of the file to which the next record is appended
//!     56    8  length of that file in bytes
//!     64    8  highest arrival number of the ledger that a record names so far
//!     72    4  CRC32C of all bytes before
//! ```

use std::path::{Path, PathBuf};

use chuan_engine::{audit::Point, id::RecordId};
use crc32c::crc32c;

use crate::{
    exit::{Exit, Result},
    file,
};

const MAGIC: &[u8; 8] = b"CHAP\x02\0\0\0";
/// Bytes of the file.
const LEN: usize = 76;

/// The content of the file: a point of the log, and its position in the files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Kept {
    pub(super) point: Point,
    pub(super) file: u64,
    pub(super) offset: u64,
    /// The highest arrival number of the ledger that a record names so far.
    pub(super) arrival: u64,
}

impl Kept {
    /// The point before the first record.
    pub(super) const START: Self = Self { point: Point::START, file: 0, offset: 0, arrival: 0 };

    /// Reads the file in `dir`. Where it is missing or damaged, the log is walked from the beginning.
    pub(super) fn read(dir: &Path) -> Result<Self> {
        match file::read(&path(dir)) {
            Ok(bytes) => Ok(Self::decode(&bytes).unwrap_or_else(|| {
                tracing::warn!(dir = %dir.display(), "the audit log's checkpoint is damaged; all of the log is read");
                Self::START
            })),
            Err(failure) if failure.exit == Exit::Missing => Ok(Self::START),
            Err(failure) => Err(failure),
        }
    }

    /// Writes the file in `dir`; durable when it returns.
    pub(super) fn write(&self, dir: &Path) -> Result<()> {
        file::write_atomic(&path(dir), &self.encode(), 0o600)
    }

    fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(LEN);
        out.extend_from_slice(MAGIC);
        out.extend_from_slice(&self.point.count.to_le_bytes());
        out.extend_from_slice(self.point.head.as_bytes());
        out.extend_from_slice(&self.file.to_le_bytes());
        out.extend_from_slice(&self.offset.to_le_bytes());
        out.extend_from_slice(&self.arrival.to_le_bytes());
        out.extend_from_slice(&crc32c(&out).to_le_bytes());
        out
    }

    fn decode(bytes: &[u8]) -> Option<Self> {
        let (body, sum) = bytes.split_last_chunk::<4>()?;
        let rest = body.strip_prefix(MAGIC)?;
        let (count, rest) = rest.split_first_chunk::<8>()?;
        let (head, rest) = rest.split_first_chunk::<32>()?;
        let (file, rest) = rest.split_first_chunk::<8>()?;
        let (offset, rest) = rest.split_first_chunk::<8>()?;
        let (arrival, rest) = rest.split_first_chunk::<8>()?;
        if !rest.is_empty() || u32::from_le_bytes(*sum) != crc32c(body) {
            return None;
        }
        Some(Self {
            point: Point { count: u64::from_le_bytes(*count), head: RecordId::from_bytes(*head) },
            file: u64::from_le_bytes(*file),
            offset: u64::from_le_bytes(*offset),
            arrival: u64::from_le_bytes(*arrival),
        })
    }
}

fn path(dir: &Path) -> PathBuf {
    dir.join("checkpoint")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_point_reads_back_and_a_damaged_file_is_ignored() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(Kept::read(dir.path()).unwrap(), Kept::START);
        let head = RecordId::of(b"x");
        let kept = Kept { point: Point { count: 700, head }, file: 600, offset: 12_345, arrival: 40 };
        kept.write(dir.path()).unwrap();
        assert_eq!(Kept::read(dir.path()).unwrap(), kept);
        let good = kept.encode();
        assert_eq!(good.len(), LEN);
        for at in 0..good.len() {
            let mut bad = good.clone();
            bad[at] ^= 1;
            assert_eq!(Kept::decode(&bad), None, "{at}");
        }
        assert_eq!(Kept::decode(&good[..60]), None);
        std::fs::write(path(dir.path()), b"damaged").unwrap();
        assert_eq!(Kept::read(dir.path()).unwrap(), Kept::START);
    }
}
