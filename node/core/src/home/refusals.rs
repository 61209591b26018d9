//! `refusals.json`: the peers that refuse this node, for each library, until they answer it again. `status`
//! shows them.

use std::{collections::BTreeMap, path::PathBuf};

use chuan_engine::id::{LibraryId, NodeId};
use serde::{Deserialize, Serialize};

use super::Home;
use crate::{
    exit::{Exit, Failure, Result},
    file,
    outcome::RefusedBy,
};

/// The maximum number of refusals that are kept for one library: the last ones.
const REFUSALS: usize = 16;

/// The refusals, by the id of the library.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Refusals(BTreeMap<String, Vec<RefusedBy>>);

impl Refusals {
    /// The refusals of one library, the oldest first.
    pub fn of(&self, library: &LibraryId) -> Vec<RefusedBy> {
        self.0.get(&library.to_string()).cloned().unwrap_or_default()
    }

    /// Reads the refusals of a home. A damaged file is taken as empty: they are noted again.
    pub fn read(home: &Home) -> Result<Self> {
        match file::read(&path(home)) {
            Ok(bytes) => Ok(serde_json::from_slice(&bytes).unwrap_or_default()),
            Err(failure) if failure.exit == Exit::Missing => Ok(Self::default()),
            Err(failure) => Err(failure),
        }
    }

    /// Replaces the refusals of a home; durable when it returns.
    pub fn write(&self, home: &Home) -> Result<()> {
        if self.0.is_empty() {
            return file::remove(&path(home));
        }
        let mut bytes = serde_json::to_vec_pretty(self)
            .map_err(|error| Failure::internal(format!("encode refusals: {error}")))?;
        bytes.push(b'\n');
        file::write_atomic(&path(home), &bytes, 0o600)
    }

    /// Notes a refusal. One that repeats the last one of its node keeps the time of the first.
    pub fn note(&mut self, library: &LibraryId, refused: RefusedBy) {
        let all = self.0.entry(library.to_string()).or_default();
        let repeats = |other: &RefusedBy| other.node == refused.node && other.code == refused.code;
        if all.iter().any(repeats) {
            return;
        }
        all.retain(|other| other.node != refused.node);
        all.push(refused);
        let over = all.len().saturating_sub(REFUSALS);
        all.drain(..over);
    }

    /// Forgets the refusal of a node that has answered.
    pub fn answered(&mut self, library: &LibraryId, node: &NodeId) {
        let (library, node) = (library.to_string(), node.to_string());
        if let Some(all) = self.0.get_mut(&library) {
            all.retain(|other| other.node != node);
            if all.is_empty() {
                self.0.remove(&library);
            }
        }
    }
}

fn path(home: &Home) -> PathBuf {
    home.root().join("refusals.json")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_is_kept_with_its_first_time_until_the_node_answers() {
        let (library, node) = (LibraryId::of(b"films"), NodeId::of(&[1; 32]));
        let refused = |at_ms, code: &str| RefusedBy {
            node: node.to_string(),
            at_ms,
            code: code.into(),
            ..RefusedBy::default()
        };
        let mut refusals = Refusals::default();
        refusals.note(&library, refused(1, "denied"));
        refusals.note(&library, refused(2, "revoked"));
        refusals.note(&library, refused(3, "revoked"));
        assert_eq!(refusals.of(&library), [refused(2, "revoked")]);
        for other in 0..2 * REFUSALS {
            let node = NodeId::of(&[u8::try_from(other).unwrap() + 2; 32]).to_string();
            refusals.note(&library, RefusedBy { node, ..RefusedBy::default() });
        }
        assert_eq!(refusals.of(&library).len(), REFUSALS);
        refusals.note(&library, refused(4, "denied"));
        refusals.answered(&library, &node);
        assert!(refusals.of(&library).iter().all(|other| other.node != node.to_string()));
    }
}
