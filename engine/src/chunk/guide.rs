//! Cuts a file with the help of its older version: finds the same chunks as a plain scan, without the scan.
//!
//! The next chunk of the old version was `len` bytes long. If the new file has the same bytes here, then a
//! scan from here finds the same as the old scan. It finds no cut before `len`, because that depends on these
//! bytes alone. It finds a cut at `len` if the hash at `len` says so. The BLAKE3 of the bytes, which is
//! needed in any case, tells whether the bytes are the same. So an equal id and [`cut::cuts_at`] at `len`
//! together prove the cut. If one of the two fails, the file is scanned.
//!
//! The proof requires that the old chunks were cut by the same profile. It never uses the last chunk of a
//! file, which ends because the file ends. A chunk of maximum length needs no test of the hash: a scan that
//! finds no cut ends there.
//!
//! This file does no I/O and does not use a store.

use std::{collections::HashMap, sync::Arc};

use super::{ChunkRef, Profile, cut};
use crate::id::{ChunkId, ID_LEN};

/// Chunks of an old version, which guide the cutting of a new version.
#[derive(Debug, Default)]
pub struct Guide {
    /// The offset of each chunk in the old version, ascending.
    starts: Vec<u64>,
    chunks: Vec<ChunkRef>,
    /// The index of a chunk, by the first bytes of its id. Of equal chunks, the first.
    index_by_id: HashMap<u64, u32>,
    /// The end of the last chunk.
    end: u64,
}

impl Guide {
    /// Makes a guide from `chunks`, which follow each other in the old version from offset `start` on. The
    /// last chunk of the old file must not be among them.
    pub fn new(start: u64, chunks: Vec<ChunkRef>) -> Self {
        let mut end = start;
        let mut starts = Vec::with_capacity(chunks.len());
        let mut index_by_id = HashMap::with_capacity(chunks.len());
        for (at, chunk) in (0..).zip(&chunks) {
            starts.push(end);
            end = end.saturating_add(u64::from(chunk.len));
            index_by_id.entry(key(&chunk.id)).or_insert(at);
        }
        Self { starts, chunks, index_by_id, end }
    }

    /// The range of the old version that is known.
    pub fn span(&self) -> std::ops::Range<u64> {
        self.starts.first().copied().unwrap_or(self.end)..self.end
    }

    /// The start of the first known old chunk at or after `offset`, if there is one.
    pub fn boundary(&self, offset: u64) -> Option<u64> {
        self.starts.get(self.starts.partition_point(|start| *start < offset)).copied()
    }

    /// The index of the old chunk with this id.
    fn find(&self, id: &ChunkId) -> Option<usize> {
        let at = usize::try_from(*self.index_by_id.get(&key(id))?).ok()?;
        self.chunks.get(at).filter(|chunk| chunk.id == *id).map(|_| at)
    }
}

/// The first bytes of an id. They are as good as random, so a match needs no other check than the comparison
/// of the ids.
fn key(id: &ChunkId) -> u64 {
    const _: () = assert!(ID_LEN >= 8);
    id.as_bytes().first_chunk().map_or(0, |bytes| u64::from_le_bytes(*bytes))
}

/// Cuts chunk after chunk and computes their ids.
#[derive(Clone, Debug)]
pub struct Cutter {
    profile: Profile,
    guide: Arc<Guide>,
    /// The index of the old chunk that is expected next.
    next: usize,
    /// The chunk of zeros that was found last: a file with holes has many, and they are neither scanned nor
    /// hashed again.
    zeros: Option<ChunkRef>,
}

impl Cutter {
    /// A cutter that starts at `offset` of a file and uses `guide`.
    pub fn new(profile: Profile, guide: Arc<Guide>, offset: u64) -> Self {
        let next = guide.starts.partition_point(|start| *start < offset);
        Self { profile, guide, next, zeros: None }
    }

    /// A cutter that only scans.
    pub fn plain(profile: Profile) -> Self {
        Self::new(profile, Arc::default(), 0)
    }

    /// The profile that it cuts by.
    pub fn profile(&self) -> Profile {
        self.profile
    }

    /// Cuts the next chunk of `data`. `data` must not be empty, and must hold at least [`Profile::max`] bytes
    /// or reach to the end of the file.
    pub fn next(&mut self, data: &[u8]) -> ChunkRef {
        if let Some(zeros) = self.zeros
            && data.get(..zeros.len as usize).is_some_and(is_zero)
        {
            self.next = match self.guide.chunks.get(self.next) {
                Some(old) if *old == zeros => self.next + 1,
                _ => self.guide.find(&zeros.id).unwrap_or(self.next) + 1,
            };
            return zeros;
        }
        let chunk = self.find_next(data);
        // A chunk that ends because the file ends is no chunk that another place has.
        let is_cut = data.len() > chunk.len as usize;
        if is_cut && data.get(..chunk.len as usize).is_some_and(is_zero) {
            self.zeros = Some(chunk);
        }
        chunk
    }

    fn find_next(&mut self, data: &[u8]) -> ChunkRef {
        let mut tried = None;
        if let Some(old) = self.guide.chunks.get(self.next) {
            let len = usize::try_from(old.len).unwrap_or(usize::MAX);
            if cut::cuts_at(self.profile, data, len) {
                let chunk = name(data, len);
                if chunk == *old {
                    self.next += 1;
                    return chunk;
                }
                tried = Some(chunk);
            }
        }
        let len = cut::next(self.profile, data);
        let chunk = tried.filter(|tried| tried.len as usize == len).unwrap_or_else(|| name(data, len));
        // If content was replaced or moved a short distance, the old version continues with its next chunk.
        // If content was moved far, a known chunk tells where the old version continues.
        self.next = self.guide.find(&chunk.id).unwrap_or(self.next) + 1;
        chunk
    }
}

/// Whether all bytes are zero; soon `false` for other content.
fn is_zero(data: &[u8]) -> bool {
    /// Bytes that are compared at a time.
    const BLOCK: usize = 64;
    data.chunks(BLOCK).all(|block| block.iter().fold(0, |all, byte| all | byte) == 0)
}

fn name(data: &[u8], len: usize) -> ChunkRef {
    let bytes = data.get(..len).unwrap_or(data);
    ChunkRef { id: ChunkId::of(bytes), len: u32::try_from(bytes.len()).unwrap_or(u32::MAX) }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::chunk::testing::{content, edited, plain};

    /// A guide with all chunks of an old version.
    fn guide(profile: Profile, old: &[u8]) -> Arc<Guide> {
        let mut chunks = plain(profile, old);
        chunks.pop();
        Arc::new(Guide::new(0, chunks))
    }

    /// Cuts `data` with a guide. Returns how many chunks were found without a scan, and all chunks.
    fn guided(profile: Profile, guide: Arc<Guide>, mut data: &[u8]) -> (usize, Vec<ChunkRef>) {
        let mut cutter = Cutter::new(profile, guide, 0);
        let (mut kept, mut chunks) = (0, Vec::new());
        while !data.is_empty() {
            let before = cutter.next;
            let chunk = cutter.next(data);
            kept += usize::from(cutter.guide.chunks.get(before) == Some(&chunk));
            data = &data[chunk.len as usize..];
            chunks.push(chunk);
        }
        (kept, chunks)
    }

    #[track_caller]
    fn check(profile: Profile, old: &[u8], new: &[u8]) -> usize {
        let (kept, chunks) = guided(profile, guide(profile, old), new);
        assert!(chunks == plain(profile, new), "{profile:?}: {} bytes guided by {}", new.len(), old.len());
        kept
    }

    #[test]
    fn an_unchanged_file_is_not_scanned() {
        for profile in Profile::ALL {
            for data in (0..4).map(|kind| content(kind, 7, 40 * profile.avg())) {
                let chunks = plain(profile, &data).len();
                // Closer to the end than the maximum length, every cut is scanned.
                let kept = check(profile, &data, &data);
                assert!(kept + 1 + profile.max() / profile.min() >= chunks && kept > 0, "{kept} of {chunks}");
            }
        }
    }

    /// Symptom: every byte of a hole of 100 GB was scanned and hashed.
    #[test]
    fn zeros_are_cut_as_without_the_memory_of_zeros() {
        for profile in Profile::ALL {
            let mut data = content(0, 5, 3 * profile.max());
            data.resize(9 * profile.max() + 17, 0);
            data.extend(content(0, 6, profile.max()));
            data.resize(data.len() + profile.max() + 3, 0);
            let mut cutter = Cutter::plain(profile);
            let (mut rest, mut chunks) = (data.as_slice(), Vec::new());
            while !rest.is_empty() {
                let len = cut::next(profile, rest);
                chunks.push(cutter.next(rest));
                assert_eq!(chunks.last(), Some(&name(rest, len)));
                rest = &rest[len..];
            }
            assert!(cutter.zeros.is_some(), "{profile:?}");
            check(profile, &data, &data);
        }
    }

    #[test]
    fn after_an_insert_the_old_cuts_are_found_again() {
        let profile = Profile::Fine;
        let old = content(0, 3, 2 << 20);
        let mut new = old.clone();
        new.splice(700_000..700_000, [1, 2, 3]);
        let chunks = plain(profile, &new).len();
        assert!(check(profile, &old, &new) + 20 > chunks);
        let mut moved = old[1_000_000..].to_vec();
        moved.extend(&old[..1_000_000]);
        assert!(check(profile, &old, &moved) + 40 > chunks);
    }

    /// The old version ends after each length around the bounds, and the new version continues. The end of
    /// the old file must not be taken as a cut.
    #[test]
    fn lengths_around_the_bounds_of_either_version() {
        for profile in Profile::ALL {
            for kind in 0..4 {
                let data = content(kind, 11, 3 * profile.max() + 77);
                for bound in [profile.min(), profile.avg(), profile.max(), 2 * profile.max()] {
                    for len in bound - 3..bound + 4 {
                        check(profile, &data[..len], &data);
                        check(profile, &data, &data[..len]);
                        check(profile, &data[..len], &data[..len - 1]);
                        check(profile, &data[..len], &data[..len + 1]);
                    }
                }
            }
        }
    }

    /// A guide with wrong lengths or ids does no harm: nothing in a guide is used without proof.
    #[test]
    fn a_wrong_guide_changes_nothing() {
        let profile = Profile::Fine;
        let data = content(0, 5, 1 << 20);
        let right = plain(profile, &data);
        for shift in [1u32, 4096, u32::MAX / 2] {
            let wrong = right.iter().map(|chunk| ChunkRef { len: chunk.len.wrapping_add(shift), ..*chunk });
            let guide = Arc::new(Guide::new(0, wrong.collect()));
            assert!(guided(profile, guide, &data).1 == right, "{shift}");
        }
        let halves = right.iter().flat_map(|chunk| [ChunkRef { len: chunk.len / 2, ..*chunk }; 2]);
        assert!(guided(profile, Arc::new(Guide::new(0, halves.collect())), &data).1 == right);
    }

    #[test]
    fn boundaries_are_those_of_the_old_version() {
        let chunks: Vec<_> = (0..3u8).map(|n| ChunkRef { id: ChunkId::of(&[n]), len: 100 }).collect();
        let guide = Guide::new(1000, chunks);
        assert_eq!(guide.span(), 1000..1300);
        assert_eq!(
            [0, 1000, 1001, 1200, 1201].map(|at| guide.boundary(at)),
            [Some(1000), Some(1000), Some(1100), Some(1200), None]
        );
        assert_eq!(Guide::default().span(), 0..0);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        /// For any content, edit and profile: content that is cut with the old version as the guide, or with
        /// another version, has the same chunks as a plain scan.
        #[test]
        fn guided_equals_plain(kind in 0u64..4, seed: u64, len in 1usize..1_500_000, edits in 0u64..6) {
            let old = content(kind, seed, len);
            let new = edited(&old, seed, edits);
            for profile in Profile::ALL {
                check(profile, &old, &new);
                check(profile, &new, &old);
            }
        }
    }
}
