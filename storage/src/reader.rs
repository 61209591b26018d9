//! Reads records from segment files: neighbours in one read, from few open files, verified and unpacked.
//!
//! It changes nothing: records that cannot be read are returned as damaged, and the store decides. A record
//! is read only for the library that owns its segment.

use std::{
    borrow::Cow,
    collections::VecDeque,
    fs::File,
    sync::{Arc, Mutex, PoisonError},
};

use bytes::{Bytes, BytesMut};
use chuan_engine::{
    Error, Result,
    id::LibraryId,
    segment::{RECORD_HEADER_BYTES, RecordAddress, RecordHeader, RecordKey},
    slab::Slabs,
    store::Check,
};
use rustix::{fs::Advice, io::Errno};

use crate::{entry::Location, index::Index, layout::Layout};

/// Segment files kept open.
const OPEN_FILES: usize = 64;
/// Maximum bytes of one read.
const RUN_BYTES: u64 = 4 * 1024 * 1024;
/// Reads of at least this size use a buffer of [`SLAB_BYTES`](chuan_engine::slab::SLAB_BYTES).
const SLAB_READ_BYTES: usize = 256 * 1024;
/// Maximum such buffers kept for reuse: as many as an answer to a nearby peer has in flight.
const SLABS: usize = 6;
/// Records that are at most this far apart are read as one: the bytes between cost less than another read.
const RUN_GAP_BYTES: u64 = 32 * 1024;

/// A record to read.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Wanted {
    pub(crate) library: LibraryId,
    pub(crate) key: RecordKey,
    pub(crate) location: Location,
}

/// The result for a record: its unpacked payload, or where and how it is damaged.
pub(crate) type Outcome = std::result::Result<Bytes, String>;

/// Reads records.
#[derive(Debug)]
pub(crate) struct RecordReader {
    layout: Layout,
    /// Most recently used last.
    files: Mutex<VecDeque<(u32, Arc<File>)>>,
    slabs: Mutex<Slabs>,
}

impl RecordReader {
    pub(crate) fn new(layout: Layout) -> Self {
        Self { layout, files: Mutex::default(), slabs: Mutex::new(Slabs::up_to(SLABS)) }
    }

    /// Reads records; the results are in the order of the requests. Fails only if no record can be judged.
    pub(crate) fn read(&self, index: &Index, wanted: &[Wanted], check: Check) -> Result<Vec<Outcome>> {
        let mut order: Vec<(usize, &Wanted)> = wanted.iter().enumerate().collect();
        order.sort_by_key(|(_, wanted)| (wanted.location.segment, wanted.location.offset));
        let runs = runs(&order);
        if runs.len() > 1 {
            self.advise(&runs)?;
        }
        let mut outcomes: Vec<Outcome> = vec![Err(String::new()); wanted.len()];
        for run in &runs {
            self.read_run(index, run, check, &mut outcomes)?;
        }
        Ok(outcomes)
    }

    /// Advises the kernel of all reads before the first, so that later ones are fetched while the first are
    /// hashed.
    fn advise(&self, runs: &[Run<'_>]) -> Result<()> {
        for run in runs {
            if let Some(file) = self.file(run.segment)? {
                let len = std::num::NonZeroU64::new(run.end - run.start);
                // Advice only: nothing depends on it.
                let _ = rustix::fs::fadvise(&*file, run.start, len, Advice::WillNeed);
            }
        }
        Ok(())
    }

    fn read_run(&self, index: &Index, run: &Run<'_>, check: Check, outcomes: &mut [Outcome]) -> Result<()> {
        let bytes = self.read_bytes(run)?;
        for (slot, wanted) in run.records {
            let mut outcome = self.check(index, &bytes, run.start, wanted, check);
            if outcome.is_err() {
                // Read again, alone and from the disk itself: a damaged copy in memory must not condemn an
                // intact record.
                outcome = self.read_again(index, wanted, check)?;
            }
            if let Some(place) = outcomes.get_mut(*slot) {
                *place = outcome;
            }
        }
        Ok(())
    }

    fn read_again(&self, index: &Index, wanted: &Wanted, check: Check) -> Result<Outcome> {
        let start = u64::from(wanted.location.offset);
        let run = Run { segment: wanted.location.segment, start, end: end_of(wanted), records: &[] };
        if let Some(file) = self.file(run.segment)? {
            let len = std::num::NonZeroU64::new(run.end - run.start);
            let _ = rustix::fs::fadvise(&*file, run.start, len, Advice::DontNeed);
        }
        let bytes = self.read_bytes(&run)?;
        Ok(self.check(index, &bytes, start, wanted, check))
    }

    /// As many of a run's bytes as the file has and the disk returns.
    fn read_bytes(&self, run: &Run<'_>) -> Result<Bytes> {
        let Some(file) = self.file(run.segment)? else { return Ok(Bytes::new()) };
        let len = usize::try_from(run.end - run.start).unwrap_or_default();
        let mut buffer = self.buffer(len);
        let mut read = 0;
        while let Some(rest) = buffer.get_mut(read..len).filter(|rest| !rest.is_empty()) {
            match rustix::io::pread(&*file, rest, run.start + read as u64) {
                Ok(0) => break,
                Ok(more) => read += more,
                Err(Errno::INTR) => {}
                // A sector that cannot be read is a damaged record, not a failed store.
                Err(Errno::IO) => break,
                Err(error) => {
                    let path = self.layout.segment(run.segment);
                    return Err(Error::io(format!("read {}", path.display()), error.into()));
                }
            }
        }
        let buffer = buffer.freeze();
        if buffer.len() >= SLAB_READ_BYTES {
            self.slabs.lock().unwrap_or_else(PoisonError::into_inner).keep(buffer.clone());
        }
        Ok(buffer.slice(..read))
    }

    /// A buffer of `len` bytes or more. A large one is reused once all bytes read into it are dropped.
    fn buffer(&self, len: usize) -> BytesMut {
        if len < SLAB_READ_BYTES {
            return BytesMut::zeroed(len);
        }
        let mut buffer = self.slabs.lock().unwrap_or_else(PoisonError::into_inner).take(len);
        if buffer.len() < len {
            buffer.resize(len, 0);
        }
        buffer
    }

    /// The unpacked payload of a record in `bytes`, which begin at `start` in its segment.
    fn check(&self, index: &Index, bytes: &Bytes, start: u64, wanted: &Wanted, check: Check) -> Outcome {
        let Location { segment, offset, stored_len, raw_len } = wanted.location;
        let damaged = |what: &str| {
            format!("{} at offset {offset}: {what}; pull it again", self.layout.segment(segment).display())
        };
        let at = usize::try_from(u64::from(offset) - start).unwrap_or(usize::MAX);
        let end = at.saturating_add(RECORD_HEADER_BYTES + stored_len as usize);
        if bytes.len() < end {
            return Err(damaged("the record cannot be read"));
        }
        let record = bytes.slice(at..end);
        let payload = record.slice(RECORD_HEADER_BYTES..);
        let name = index
            .segment(segment)
            .filter(|name| name.library == wanted.library)
            .ok_or_else(|| damaged("the segment is unknown, or belongs to another library"))?;
        let header = RecordHeader::decode(&record, RecordAddress { segment: name.id, offset })
            .ok()
            .filter(|header| {
                (header.key, header.stored_len, header.raw_len) == (wanted.key, stored_len, raw_len)
            })
            .ok_or_else(|| damaged("the record's header is damaged"))?;
        let bytes = match header.unpack(&payload).map_err(|error| damaged(&error.to_string()))? {
            Cow::Borrowed(same) => payload.slice_ref(same),
            Cow::Owned(unpacked) => Bytes::from(unpacked),
        };
        if check == Check::Verify && !header.names(&name.library, &bytes) {
            return Err(damaged("the record does not match its id"));
        }
        Ok(bytes)
    }

    /// An open segment; `None` if the file does not exist.
    /// Closes the files of these segments, so that a removed file frees its room.
    pub(crate) fn close<'a>(&self, segments: impl Iterator<Item = &'a u32>) {
        let mut files = self.files.lock().unwrap_or_else(PoisonError::into_inner);
        for segment in segments {
            files.retain(|(number, _)| number != segment);
        }
    }

    fn file(&self, segment: u32) -> Result<Option<Arc<File>>> {
        let mut files = self.files.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(at) = files.iter().rposition(|(number, _)| *number == segment) {
            let found = files.remove(at);
            files.extend(found.clone());
            return Ok(found.map(|(_, file)| file));
        }
        let path = self.layout.segment(segment);
        let file = match File::open(&path) {
            Ok(file) => Arc::new(file),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(Error::io(format!("open {}", path.display()), error)),
        };
        if files.len() >= OPEN_FILES {
            files.pop_front();
        }
        files.push_back((segment, file.clone()));
        Ok(Some(file))
    }
}

/// Records of one segment that are read at once.
struct Run<'a> {
    segment: u32,
    start: u64,
    end: u64,
    records: &'a [(usize, &'a Wanted)],
}

/// Splits records, ordered by location, into runs.
fn runs<'a>(mut order: &'a [(usize, &'a Wanted)]) -> Vec<Run<'a>> {
    let mut runs = Vec::new();
    while let Some((_, first)) = order.first() {
        let Location { segment, offset, .. } = first.location;
        let start = u64::from(offset);
        let mut end = end_of(first);
        let joined = order
            .iter()
            .skip(1)
            .take_while(|(_, next)| {
                let joins = next.location.segment == segment
                    && u64::from(next.location.offset) <= end + RUN_GAP_BYTES
                    && end_of(next) - start <= RUN_BYTES;
                if joins {
                    end = end.max(end_of(next));
                }
                joins
            })
            .count();
        let (records, rest) = order.split_at_checked(joined + 1).unwrap_or((order, &[]));
        runs.push(Run { segment, start, end, records });
        order = rest;
    }
    runs
}

fn end_of(wanted: &Wanted) -> u64 {
    let Location { offset, stored_len, .. } = wanted.location;
    u64::from(offset) + RECORD_HEADER_BYTES as u64 + u64::from(stored_len)
}

#[cfg(test)]
mod tests {
    use chuan_engine::id::ChunkId;

    use super::*;

    fn wanted(segment: u32, offset: u32, stored_len: u32) -> Wanted {
        let location = Location { segment, offset, stored_len, raw_len: stored_len };
        let library = LibraryId::from_bytes([1; 32]);
        Wanted { library, key: RecordKey::Chunk(ChunkId::of(b"")), location }
    }

    #[test]
    fn neighbours_are_one_read() {
        let far = 4096 + 2 * 1024 * 1024;
        let all = [wanted(1, 4096, 1000), wanted(1, 5152, 1000), wanted(1, far, 10), wanted(2, 4096, 10)];
        let order: Vec<(usize, &Wanted)> = all.iter().enumerate().collect();
        let spans: Vec<_> =
            runs(&order).iter().map(|run| (run.segment, run.start, run.end, run.records.len())).collect();
        let far = u64::from(far);
        assert_eq!(spans, [(1, 4096, 6208, 2), (1, far, far + 66, 1), (2, 4096, 4162, 1)]);
    }

    #[test]
    fn a_read_has_a_bound() {
        let len = 256 * 1024;
        let all: Vec<Wanted> = (0..40).map(|at| wanted(1, 4096 + at * (len + 56), len)).collect();
        let order: Vec<(usize, &Wanted)> = all.iter().enumerate().collect();
        let runs = runs(&order);
        assert!(runs.len() > 2 && runs.iter().all(|run| run.end - run.start <= RUN_BYTES));
        assert_eq!(runs.iter().map(|run| run.records.len()).sum::<usize>(), 40);
    }
}
