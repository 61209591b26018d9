//! Deltas: chunks and pages encoded against data that the receiver has.
//!
//! ```text
//! delta   kind u8: 0 chunks, 1 pages | base: runs in versions that the receiver named | lengths | zstd frame
//! ```
//!
//! The zstd frame holds the chunks or pages one after the other. Its prefix (the data before it, to which it
//! refers) is the base: the bytes of the runs one after the other. Both sides find these bytes by position in
//! a class version of the pull's `have`, so no peer can request or name other data. A base that differs from
//! the sender's gives bytes with unexpected hashes: this costs bandwidth, never correctness.

use zstd::zstd_safe::{CCtx, CParameter, DCtx};

use crate::{
    codec::{self, Decode, Encode},
    error::{Error, Result},
    id::{ChunkId, PageId},
    limits::{
        BATCH_IDS, CHUNK_BYTES, DELTA_BASE_BYTES, DELTA_BASE_CHUNKS, DELTA_ITEMS, DELTA_RAW_BYTES,
        DELTA_RUNS, FRAME_DELTA_BYTES, PAGE_BYTES, PULL_HAVE,
    },
    manifest::{
        page::Page,
        position::{self, PagePosition},
    },
    store::{Check, Objects},
};

/// Chunks or pages, encoded as a delta.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Delta {
    /// Chunks or pages.
    pub kind: DeltaKind,
    /// The runs of the base, in this order; together at most [`DELTA_BASE_BYTES`] bytes.
    pub base: Vec<Run>,
    /// The length of each chunk or page; together at most [`DELTA_RAW_BYTES`].
    pub lens: Vec<u32>,
    /// One zstd frame.
    pub data: Vec<u8>,
}

/// The kind of objects in a delta.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub enum DeltaKind {
    /// Chunks.
    Chunks,
    /// Tree pages.
    Pages,
}

/// A run of chunks or pages that the receiver has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Run {
    /// The class version, as the index of its commitment in the pull's `have`.
    pub have: u8,
    /// Which part of it.
    pub part: Part,
}

/// A part of a class version.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub enum Part {
    /// Chunks by their class-wide ordinals.
    Chunks {
        /// The first.
        first: u64,
        /// How many.
        count: u64,
    },
    /// Neighbouring tree pages of one level.
    Pages {
        /// The first.
        first: PagePosition,
        /// How many.
        count: u64,
    },
}

impl Delta {
    /// Decodes a delta and checks its bounds.
    pub fn decode(bytes: &[u8]) -> Result<Self> {
        // The bound counts the memory of the lists.
        let delta: Self = codec::decode::<_, { 2 * FRAME_DELTA_BYTES }>(bytes)?;
        let largest = match delta.kind {
            DeltaKind::Chunks => CHUNK_BYTES,
            DeltaKind::Pages => PAGE_BYTES,
        };
        let fits = |len: &u32| (1..=largest).contains(&(*len as usize));
        let is_sound = (1..=DELTA_ITEMS).contains(&delta.lens.len())
            && delta.lens.iter().all(fits)
            && delta.raw_len() <= DELTA_RAW_BYTES
            && delta.data.len() < delta.raw_len()
            && (1..=DELTA_RUNS).contains(&delta.base.len())
            && delta.base.iter().all(|run| usize::from(run.have) < PULL_HAVE);
        if !is_sound {
            return Err(Error::Invalid("a delta breaks a bound of its kind".into()));
        }
        Ok(delta)
    }

    /// The total length of the objects in it, in bytes.
    pub fn raw_len(&self) -> usize {
        self.lens.iter().map(|len| *len as usize).sum()
    }

    /// Encodes the objects in `raw`, which follow one another with the lengths `lens`. `None` where that
    /// takes more than `room` bytes. `prefix` are the bytes of `base`; it must not share memory with `raw`:
    /// zstd takes that for overwritten.
    pub fn make(
        kind: DeltaKind,
        base: Vec<Run>,
        prefix: &[u8],
        lens: Vec<u32>,
        raw: &[u8],
        room: usize,
    ) -> Option<Self> {
        let mut data = Vec::with_capacity(room);
        let mut zstd = CCtx::try_create()?;
        for parameter in parameters(prefix.len(), raw.len()) {
            zstd.set_parameter(parameter).ok()?;
        }
        zstd.ref_prefix(prefix).ok()?;
        // Compression fails where the result does not fit, and is then not worth it.
        zstd.compress2(&mut data, raw).ok()?;
        Some(Self { kind, base, lens, data })
    }

    /// The bytes of all objects, decoded against the bytes of the base. Returns exactly as many bytes as
    /// declared and allocates no more.
    ///
    /// # Errors
    ///
    /// [`Error::Peer`] where the delta gives more or fewer bytes, or is malformed.
    pub fn apply(&self, prefix: &[u8]) -> Result<Vec<u8>> {
        let declared = self.raw_len();
        let broken = || Error::Peer(format!("a delta does not unpack to {declared} bytes"));
        let mut raw = Vec::with_capacity(declared);
        let mut zstd = DCtx::try_create().ok_or_else(broken)?;
        zstd.ref_prefix(prefix).map_err(|_| broken())?;
        zstd.decompress(&mut raw, &self.data).map_err(|_| broken())?;
        if raw.len() == declared { Ok(raw) } else { Err(broken()) }
    }
}

/// The fastest level, with tables and a window that cover all of the base.
fn parameters(prefix: usize, raw: usize) -> [CParameter; 6] {
    let bits = (prefix + raw).max(1).ilog2() + 1;
    [
        CParameter::CompressionLevel(LEVEL),
        CParameter::WindowLog(bits.max(10)),
        CParameter::HashLog(bits.saturating_sub(1).clamp(10, 20)),
        CParameter::ContentSizeFlag(false),
        CParameter::ChecksumFlag(false),
        CParameter::DictIdFlag(false),
    ]
}

const LEVEL: i32 = 1;

/// The class versions that both sides know: the roots of their entry trees, by their index in the pull's
/// `have`.
#[derive(Clone, Debug, Default)]
pub(super) struct Bases(pub(super) Vec<Option<PageId>>);

impl Bases {
    /// Appends the verified bytes of `runs`, one after the other, to `out`. On failure `out` keeps the bytes
    /// that were read before.
    ///
    /// # Errors
    ///
    /// [`Error::Missing`] where a part is not held or does not exist; [`Error::Invalid`] where the base is
    /// too large; [`Error::Corrupt`] where a part is damaged.
    pub(super) fn read(&self, store: &dyn Objects, runs: &[Run], out: &mut Vec<u8>) -> Result<()> {
        for run in runs {
            let root = self.0.get(usize::from(run.have)).copied().flatten();
            let root = root.ok_or_else(|| Error::Missing("the base of a delta".into()))?;
            match run.part {
                Part::Chunks { first, count } => chunks(store, &root, first, count, out)?,
                Part::Pages { first, count } => pages(store, &root, first, count, out)?,
            }
        }
        Ok(())
    }
}

fn chunks(store: &dyn Objects, root: &PageId, first: u64, count: u64, out: &mut Vec<u8>) -> Result<()> {
    let mut ids: Vec<ChunkId> = Vec::new();
    let mut len = out.len();
    for chunk in position::chunks(store, root, first, count) {
        let (_, chunk) = chunk?;
        len += chunk.len as usize;
        if len > DELTA_BASE_BYTES || ids.len() >= DELTA_BASE_CHUNKS {
            return Err(too_much());
        }
        ids.push(chunk.id);
    }
    out.reserve(len - out.len());
    for batch in ids.chunks(BATCH_IDS) {
        for bytes in store.read_chunks(batch, Check::Verify)? {
            let bytes = bytes.ok_or_else(|| Error::Missing("a chunk of the base of a delta".into()))?;
            out.extend_from_slice(&bytes);
        }
    }
    Ok(())
}

fn pages(
    store: &dyn Objects,
    root: &PageId,
    first: PagePosition,
    count: u64,
    out: &mut Vec<u8>,
) -> Result<()> {
    let missing = || Error::Missing("a page of the base of a delta".into());
    let mut at = first;
    for left in (0..count).rev() {
        let page = position::page(store, root, &at)?;
        let (_, bytes) = page.ok_or_else(missing)?;
        if out.len() + bytes.len() > DELTA_BASE_BYTES {
            return Err(too_much());
        }
        out.extend_from_slice(&bytes);
        let sums = Page::decode(&bytes)?.sums()?;
        let items = match at.tree {
            crate::manifest::TreeKind::Entries => sums.entries,
            crate::manifest::TreeKind::Content => sums.chunks,
        };
        // No page follows the only page of an empty tree. Its position would give it again, and a delta of a
        // few bytes would read it until the base is full.
        if items == 0 && left > 0 {
            return Err(missing());
        }
        at.ordinal = at.ordinal.saturating_add(items);
    }
    Ok(())
}

fn too_much() -> Error {
    Error::Invalid(format!("a delta is made from more than {DELTA_BASE_BYTES} bytes"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{chunk::testing::noise, manifest::position::ROOT_LEVEL};

    const BASE: Run = Run { have: 0, part: Part::Chunks { first: 3, count: 2 } };

    /// Bytes without structure, and a copy with a few changes.
    fn pair(len: usize) -> (Vec<u8>, Vec<u8>) {
        let old = noise(1, len);
        let mut new = old.clone();
        new.splice(len / 3..len / 3 + 5, *b"a line of text");
        (old, new)
    }

    fn delta(old: &[u8], new: &[u8]) -> Delta {
        let lens = new.chunks(CHUNK_BYTES).map(|part| u32::try_from(part.len()).unwrap()).collect();
        Delta::make(DeltaKind::Chunks, vec![BASE], old, lens, new, new.len()).unwrap()
    }

    #[test]
    fn decodes_against_its_base_only() {
        for len in [64, 5_000, 200_000, DELTA_RAW_BYTES - 9] {
            let (old, new) = pair(len);
            let made = delta(&old, &new);
            assert!(made.data.len() < 64 + len / 50, "{} of {len}", made.data.len());
            assert_eq!(made.apply(&old).unwrap(), new);
            assert!(made.apply(&new[1..]).map_or(true, |bytes| bytes != new));
            assert!(made.apply(&[]).map_or(true, |bytes| bytes != new));
        }
    }

    #[test]
    fn the_base_may_be_larger_than_the_objects() {
        let (old, _) = pair(DELTA_BASE_BYTES);
        // A copy, since `raw` and the prefix must not share memory: zstd would take the prefix for
        // overwritten.
        let new = old[10..DELTA_RAW_BYTES].to_vec();
        let made = delta(&old, &new);
        assert!(made.data.len() < 1000, "{}", made.data.len());
        assert_eq!(made.apply(&old).unwrap(), new);
    }

    #[test]
    fn a_delta_of_another_length_is_refused() {
        let (old, new) = pair(5_000);
        let good = delta(&old, &new);
        for more in [1u32, 7, 100_000] {
            let lens = vec![good.lens[0] + more];
            assert!(Delta { lens, ..good.clone() }.apply(&old).is_err());
        }
        assert!(Delta { lens: vec![good.lens[0] - 1], ..good.clone() }.apply(&old).is_err());
        for cut in 0..good.data.len() {
            let data = good.data[..cut].to_vec();
            assert!(Delta { data, ..good.clone() }.apply(&old).is_err(), "{cut}");
        }
    }

    #[test]
    fn bounds_are_checked_on_decoding() {
        let good = Delta { kind: DeltaKind::Chunks, base: vec![BASE], lens: vec![100], data: vec![1; 20] };
        let decode = |delta: &Delta| Delta::decode(&codec::encode(delta));
        assert_eq!(decode(&good).unwrap(), good);
        let root = PagePosition { level: ROOT_LEVEL, ..PagePosition::ROOT };
        let pages = Run { have: 7, part: Part::Pages { first: root, count: u64::MAX } };
        assert!(
            decode(&Delta { kind: DeltaKind::Pages, base: vec![pages; DELTA_RUNS], ..good.clone() }).is_ok()
        );
        let chunk = u32::try_from(CHUNK_BYTES).unwrap();
        let page = u32::try_from(PAGE_BYTES).unwrap();
        for bad in [
            Delta { base: vec![], ..good.clone() },
            Delta { base: vec![BASE; DELTA_RUNS + 1], ..good.clone() },
            Delta { base: vec![Run { have: u8::try_from(PULL_HAVE).unwrap(), ..BASE }], ..good.clone() },
            Delta { lens: vec![], ..good.clone() },
            Delta { lens: vec![100, 0], ..good.clone() },
            Delta { lens: vec![chunk + 1], ..good.clone() },
            Delta { lens: vec![chunk; 5], ..good.clone() },
            Delta { lens: vec![1; DELTA_ITEMS + 1], ..good.clone() },
            Delta { kind: DeltaKind::Pages, lens: vec![page + 1], ..good.clone() },
            Delta { data: vec![1; 100], ..good.clone() },
        ] {
            assert!(decode(&bad).is_err(), "{bad:?}");
        }
    }
}
