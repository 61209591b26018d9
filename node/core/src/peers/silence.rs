//! The peers that did not answer in time, mirrored in `H/silent.json`. For a short time commands wait less
//! for them. Owns that file, which may be deleted.

use std::{
    collections::BTreeMap,
    path::PathBuf,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use chuan_engine::id::{LibraryId, NodeId};

use crate::{
    context::Context,
    exit::{Failure, Result},
    file,
};

/// How long a peer that did not answer counts as silent.
const SILENT_FOR: Duration = Duration::from_secs(60);

/// The time, in milliseconds since 1970, at which each silent peer was given up, by the ids of the library
/// and of its node: the members of another library may name false addresses.
type Times = BTreeMap<String, i64>;

/// The silent peers in memory.
#[derive(Debug)]
pub(crate) struct SilenceBook {
    context: Arc<Context>,
    /// Held while the file is written: that is rare and short.
    kept: Mutex<Times>,
}

impl SilenceBook {
    /// Reads the silent peers of the home. A file that is damaged or cannot be read is taken as empty: a peer
    /// is then waited for once more.
    pub(super) fn load(context: Arc<Context>) -> Self {
        let read = file::read(&path(&context)).ok();
        let kept = read.and_then(|bytes| serde_json::from_slice(&bytes).ok()).unwrap_or_default();
        Self { context, kept: Mutex::new(kept) }
    }

    /// Whether a peer did not answer a short time ago, and has not answered since.
    pub(crate) fn is_silent(&self, library: &LibraryId, node: &NodeId) -> bool {
        self.lock().get(&name(library, node)).is_some_and(|at_ms| is_recent(*at_ms, self.context.now_ms()))
    }

    /// Remembers peers that were waited for and did not answer. Blocks.
    pub(crate) fn note(&self, library: &LibraryId, nodes: &[NodeId]) {
        let now_ms = self.context.now_ms();
        self.change(|times| {
            times.retain(|_, at_ms| is_recent(*at_ms, now_ms));
            times.extend(nodes.iter().map(|node| (name(library, node), now_ms)));
        });
    }

    /// Forgets a peer that has answered. Blocks where it was silent.
    pub(crate) fn answered(&self, library: &LibraryId, node: &NodeId) {
        self.change(|times| {
            times.remove(&name(library, node));
        });
    }

    fn change(&self, change: impl FnOnce(&mut Times)) {
        let mut kept = self.lock();
        let before = kept.clone();
        change(&mut kept);
        if *kept != before
            && let Err(failure) = write(&self.context, &kept)
        {
            tracing::debug!(%failure, "the silent peers were not stored");
        }
    }

    fn lock(&self) -> MutexGuard<'_, Times> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn name(library: &LibraryId, node: &NodeId) -> String {
    format!("{library} {node}")
}

/// Not so for a time in the future: the clock was set back.
fn is_recent(at_ms: i64, now_ms: i64) -> bool {
    let age_ms = now_ms.checked_sub(at_ms).and_then(|age| u64::try_from(age).ok());
    age_ms.is_some_and(|age| Duration::from_millis(age) < SILENT_FOR)
}

fn write(context: &Context, times: &Times) -> Result<()> {
    if times.is_empty() {
        return file::remove(&path(context));
    }
    let bytes = serde_json::to_vec(times)
        .map_err(|error| Failure::internal(format!("encode silent peers: {error}")))?;
    file::write_atomic(&path(context), &bytes, 0o600)
}

fn path(context: &Context) -> PathBuf {
    context.home.root().join("silent.json")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_silence_ends_after_its_time_and_with_a_clock_that_is_set_back() {
        let most = i64::try_from(SILENT_FOR.as_millis()).unwrap();
        for (at, now, is_silent) in
            [(0, 0, true), (0, most - 1, true), (0, most, false), (1, 0, false), (i64::MIN, i64::MAX, false)]
        {
            assert_eq!(is_recent(at, now), is_silent, "{at} {now}");
        }
    }
}
