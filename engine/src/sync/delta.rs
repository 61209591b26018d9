//! Chunks and pages made from what the receiver has.
//!
//! ```text
//! delta   kind u8: 0 chunks, 1 pages | base: runs in versions that the receiver named | lengths | zstd frame
//! ```
//!
//! The zstd frame holds them, one after the other, and refers to the bytes of the base, one after the other, as
//! what came before it (its *prefix*). Both sides find those bytes by position in a class version of the pull's `have`, so
//! that no peer can ask for or name anything else. A base that is not what the sender believes gives bytes whose
//! hashes nobody expects: it costs what they weigh, never correctness.

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

/// Chunks or pages as a delta.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Delta {
    /// What they are.
    pub kind: DeltaKind,
    /// What they are made from, in this order; at most [`DELTA_BASE_BYTES`] of it.
    pub base: Vec<Run>,
    /// How long each of them is; together at most [`DELTA_RAW_BYTES`].
    pub lens: Vec<u32>,
    /// One zstd frame.
    pub data: Vec<u8>,
}

/// What a delta makes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub enum DeltaKind {
    /// Chunks.
    Chunks,
    /// Tree pages.
    Pages,
}

/// A run of what the receiver has.
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
    /// Tree pages of one level that follow each other.
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
        // The bound counts what the lists take in memory.
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

    /// Bytes that it makes.
    pub fn raw_len(&self) -> usize {
        self.lens.iter().map(|len| *len as usize).sum()
    }

    /// Makes a delta of what lies one after the other in `raw`, of the lengths `lens`, where that takes at most `room`
    /// bytes. `prefix` are the bytes of `base`, and must not share memory with `raw`: zstd takes that for overwritten.
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
        // It fails where the result would not fit, and then it is not worth it.
        zstd.compress2(&mut data, raw).ok()?;
        Some(Self { kind, base, lens, data })
    }

    /// The bytes of all of them, made from those of the base: exactly as many as it declares; allocates no more.
    ///
    /// # Errors
    ///
    /// [`Error::Peer`] where it makes more or less, or is malformed.
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

/// The class versions that both sides know: by their index in the pull's `have`, the roots of their entry trees.
#[derive(Clone, Debug, Default)]
pub(super) struct Bases(pub(super) Vec<Option<PageId>>);

impl Bases {
    /// The bytes of `runs`, verified, one after the other, in `out`; where it fails, those before that.
    ///
    /// # Errors
    ///
    /// [`Error::Missing`] where a part is not held, or is not there; [`Error::Invalid`] where it is too much;
    /// [`Error::Corrupt`] where it is damaged.
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
    let mut at = first;
    for _ in 0..count {
        let page = position::page(store, root, &at)?;
        let (_, bytes) = page.ok_or_else(|| Error::Missing("a page of the base of a delta".into()))?;
        if out.len() + bytes.len() > DELTA_BASE_BYTES {
            return Err(too_much());
        }
        out.extend_from_slice(&bytes);
        let sums = Page::decode(&bytes)?.sums()?;
        at.ordinal = at.ordinal.saturating_add(match at.tree {
            crate::manifest::TreeKind::Entries => sums.entries,
            crate::manifest::TreeKind::Content => sums.chunks,
        });
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

    /// Bytes without structure, and the same with a few changed.
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
    fn comes_back_from_the_same_base_and_from_no_other() {
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
    fn the_base_may_be_twice_what_is_made() {
        let (old, _) = pair(DELTA_BASE_BYTES);
        // Not a part of the same memory: zstd would take the one for overwritten by the other.
        let new = old[10..DELTA_RAW_BYTES].to_vec();
        let made = delta(&old, &new);
        assert!(made.data.len() < 1000, "{}", made.data.len());
        assert_eq!(made.apply(&old).unwrap(), new);
    }

    #[test]
    fn what_makes_another_length_is_refused() {
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
    fn bounds_hold_before_anything_is_made() {
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
