//! Builds a new index from segments alone, beside the one in use.

use chuan_engine::{Error, Result, id::LibraryId, store::ObjectId};

use crate::{
    DiskStore,
    index::{Generation, Index},
    objects::Inner,
    recover::{Recovered, Until, recover},
};

/// Passes over groups written in the meantime, before the last pass, during which writes wait.
const CATCH_UPS: usize = 3;

/// The result of a rebuild.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RebuildReport {
    /// Segments read.
    pub segments: u64,
    /// Segments of these that had no intact footer and were scanned.
    pub scanned: u64,
    /// Records found. A record that was written again after it was lost counts twice.
    pub records: u64,
    /// Chunks that the index holds now.
    pub chunks: u64,
    /// Pages that the index holds now.
    pub pages: u64,
    /// Damage; at most a thousand places are listed, all are logged.
    pub damage: Vec<DamagedPlace>,
}

/// A damaged place in a segment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DamagedPlace {
    /// The file, the offset and a description.
    pub text: String,
    /// The library that owns the file, if known.
    pub library: Option<LibraryId>,
    /// The damaged object, if known. It does no harm where another record has the object.
    pub id: Option<ObjectId>,
    /// Whether it is the place of records whose ids cannot be read. It does no harm once no object of the
    /// library is lost or missing.
    pub is_gap: bool,
}

impl DiskStore {
    /// Builds a new index from the segments while reads and writes continue with the one in use, then
    /// replaces that. `progress` gets the number of segments done and the number of all segments.
    ///
    /// Records of sealed segments are taken from the footers, without reading payloads:
    /// [`scrub`](Self::scrub) finds damage in those. Marks are dropped and the lost sets start empty. May be
    /// interrupted and repeated. Fails with [`Error::Busy`] while another rebuild runs.
    pub fn rebuild(&self, progress: &dyn Fn(u64, u64)) -> Result<RebuildReport> {
        let store = self.inner();
        let _only = store.rebuilding.try_lock().map_err(|_| {
            Error::Busy("the index is being rebuilt already; wait for that to end".to_owned())
        })?;
        let index = store.index.get()?;
        if index.is_read_only() {
            store.queue.check()?;
        }
        let generation = index.generation().next();
        // The remains of an interrupted rebuild would be taken for a part of this one.
        generation.remove()?;
        let mut report = match build(store, &generation, progress) {
            Ok(report) => report,
            Err(error) => {
                generation.remove()?;
                return Err(error);
            }
        };
        for totals in store.index.get()?.totals().values() {
            report.chunks += totals.chunks;
            report.pages += totals.pages;
        }
        Ok(report)
    }
}

/// Builds the index and replaces the one in use. If it fails, nothing has changed.
fn build(store: &Inner, generation: &Generation, progress: &dyn Fn(u64, u64)) -> Result<RebuildReport> {
    let old = store.index.get()?;
    let fresh = Index::open(generation.clone(), &store.cache, store.losses.clone())?;
    // Names come from headers. If a header is damaged by now, the old index still has its name.
    let known = old.segments();
    drop(old);
    let take =
        |index: &Index, durable: &_| recover(&store.layout, index, Until::Durable(durable, &known), progress);
    let mut report = RebuildReport::default();
    for _ in 0..CATCH_UPS {
        let recovered = take(&fresh, &store.index.durable())?;
        let is_close = recovered.records == 0;
        report.add(recovered);
        fresh.flush()?;
        if is_close {
            break;
        }
    }
    store.index.replace(fresh, |index, durable| {
        report.add(take(index, durable)?);
        index.flush()
    })?;
    Ok(report)
}

impl RebuildReport {
    /// Adds the result of one pass. A segment that was open in one pass is read again in the next.
    fn add(&mut self, found: Recovered) {
        if self.segments == 0 {
            (self.segments, self.scanned) = (found.segments, found.scanned);
        }
        self.records += found.records;
        let new: Vec<_> = found.damage.into_iter().filter(|place| !self.damage.contains(place)).collect();
        self.damage.extend(new);
    }
}
