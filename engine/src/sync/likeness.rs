//! Finds the file of a version that shares most chunks with a new file: the original of a renamed, remuxed or
//! re-cut film.
//!
//! Samples one chunk in [`ANSWER_SAMPLE`] by eight bytes of its id, out of [`ANSWER_SAMPLED`] chunks. These
//! are the chunks in path order from the new path's directory on, then those from the beginning. The result
//! only chooses which file to compare; a wrong one costs bytes, never correctness.

use std::collections::HashMap;

use crate::{
    error::Result,
    id::ChunkId,
    limits::{ANSWER_SAMPLE, ANSWER_SAMPLED},
    manifest::{Content, EntryPath, cursor},
    store::Objects,
    sync::{changes::Version, origin::Old},
};

/// Sampled chunks of a version, and the files in which they are.
#[derive(Debug)]
pub(super) struct Samples {
    files: Vec<Old>,
    chunks: HashMap<[u8; 8], usize>,
}

impl Samples {
    /// Samples a version, the directory of `path` first.
    pub(super) fn take(store: &dyn Objects, version: &Version, path: &EntryPath) -> Result<Self> {
        let mut samples = Self { files: Vec::new(), chunks: HashMap::new() };
        let mut left = ANSWER_SAMPLED;
        let directory = path.as_str().rsplit_once('/').and_then(|(parent, _)| EntryPath::new(parent).ok());
        let near = directory.clone().map(|from| cursor::entries_from(store, &version.root, from));
        if let Some(mut near) = near {
            samples.go(store, version.have, &mut near, None, &mut left)?;
        }
        let mut all = cursor::entries(store, &version.root);
        samples.go(store, version.have, &mut all, directory.as_ref(), &mut left)?;
        Ok(samples)
    }

    /// Samples the files of `entries` up to `end`, while the budget `left` lasts.
    fn go(
        &mut self,
        store: &dyn Objects,
        have: u8,
        entries: &mut cursor::Entries<'_, dyn Objects + '_>,
        end: Option<&EntryPath>,
        left: &mut u64,
    ) -> Result<()> {
        while *left > 0
            && let Some((path, entry)) = entries.next().transpose()?
            && end.is_none_or(|end| path < *end)
        {
            let chunks = entry.content.chunks();
            if let Content::Tree { .. } = entry.content {
                let file = self.files.len();
                for chunk in
                    cursor::chunks(store, &entry.content).take(usize::try_from(*left).unwrap_or(usize::MAX))
                {
                    if let Some(head) = sample(&chunk?.id) {
                        self.chunks.entry(head).or_insert(file);
                    }
                }
                self.files.push(Old { have, first_chunk: entries.first_chunk(), content: entry.content });
            }
            *left = left.saturating_sub(chunks.max(1));
        }
        Ok(())
    }

    /// The file that shares most samples with `content`; `None` where no file shares any.
    pub(super) fn most_like(&self, store: &dyn Objects, content: &Content) -> Result<Option<Old>> {
        let mut shared: HashMap<usize, u64> = HashMap::new();
        for chunk in
            cursor::chunks(store, content).take(usize::try_from(ANSWER_SAMPLED).unwrap_or(usize::MAX))
        {
            if let Some(file) = sample(&chunk?.id).and_then(|head| self.chunks.get(&head)) {
                *shared.entry(*file).or_default() += 1;
            }
        }
        let most = shared.into_iter().max_by_key(|(file, count)| (*count, std::cmp::Reverse(*file)));
        Ok(most.and_then(|(file, _)| self.files.get(file)).cloned())
    }
}

/// The sample of a chunk; `None` for a chunk that is not sampled.
fn sample(id: &ChunkId) -> Option<[u8; 8]> {
    let head: [u8; 8] = *id.as_bytes().first_chunk()?;
    head.first().is_some_and(|byte| byte % ANSWER_SAMPLE == 0).then_some(head)
}
