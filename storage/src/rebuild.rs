//! Builds the index anew from segments alone.

use std::path::Path;

use chuan_engine::Result;

use crate::{index::Index, layout::Layout, recover::recover};

/// What a rebuild found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RebuildReport {
    /// Segments read.
    pub segments: u64,
    /// Those of them that had no whole footer and were scanned.
    pub scanned: u64,
    /// Records found; one that was written again after it was lost counts twice.
    pub records: u64,
    /// Chunks that the index holds now.
    pub chunks: u64,
    /// Pages that the index holds now.
    pub pages: u64,
    /// Statements that the index holds now.
    pub statements: u64,
    /// Damage, each with its file and offset; at most a thousand are listed, all are logged.
    pub damage: Vec<String>,
}

/// Throws the index of the store in `dir` away and builds it from the segments; the store must not be open.
///
/// `progress` is told of segments done and in all. Sealed segments are taken by their footers, without reading
/// payloads: damage in those shows at [`scrub`](crate::scrub::scrub). Marks are forgotten and the lost set begins anew.
/// May be interrupted and repeated.
pub fn rebuild(dir: &Path, progress: &dyn Fn(u64, u64)) -> Result<RebuildReport> {
    let layout = Layout::new(dir);
    layout.create()?;
    Index::discard(&layout)?;
    let index = Index::open(&layout)?;
    let recovered = recover(&layout, &index, progress)?;
    index.flush()?;
    let totals = index.totals();
    Ok(RebuildReport {
        segments: recovered.segments,
        scanned: recovered.scanned,
        records: recovered.records,
        chunks: totals.chunks,
        pages: totals.pages,
        statements: totals.statements,
        damage: recovered.damage,
    })
}
