//! `behind/LIBRARY.json`: for each channel that is behind here, since when, the nodes that announced the
//! newer release, and the answers of the nodes that were asked for it. An entry is removed once the release
//! is here.

use std::{collections::BTreeMap, path::PathBuf};

use chuan_engine::id::{LibraryId, NodeId};
use serde::{Deserialize, Serialize};

use super::{Home, make_dir};
use crate::file;
use crate::{
    exit::{Exit, Failure, Result},
    outcome::Asked,
};

/// The maximum number of announcing nodes that are kept for one release: the first ones.
const ANNOUNCERS: usize = 16;
/// The maximum number of answers that are kept for one release: the last ones.
const ASKED: usize = 64;

/// The channels of a library that are behind here, by name.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Lags(pub BTreeMap<String, Lagging>);

/// A channel that is behind here.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Lagging {
    /// The id of the newest statement about the channel.
    pub statement: String,
    /// When this home first heard that statement, in milliseconds since 1970.
    pub announced_ms: i64,
    /// Since when the channel is behind here, in milliseconds since 1970.
    pub since_ms: i64,
    /// Ids of the nodes that sent the statement, or reported that they know it; the first one first.
    #[serde(default)]
    pub announcers: Vec<String>,
    /// The nodes that were asked for its release, each with its last answer.
    #[serde(default)]
    pub asked: Vec<Asked>,
}

impl Lags {
    /// The channels of `library` that are behind in `home`. A damaged file is taken as empty: its entries are
    /// noted again.
    pub fn read(home: &Home, library: &LibraryId) -> Result<Self> {
        match file::read(&path(home, library)) {
            Ok(bytes) => Ok(serde_json::from_slice(&bytes).unwrap_or_default()),
            Err(failure) if failure.exit == Exit::Missing => Ok(Self::default()),
            Err(failure) => Err(failure),
        }
    }

    /// Replaces the entries of a library in `home`; durable when it returns.
    pub fn keep(&self, home: &Home, library: &LibraryId) -> Result<()> {
        let path = path(home, library);
        if self.0.is_empty() {
            return file::remove(&path);
        }
        make_dir(&home.root.join("behind"))?;
        let mut bytes = serde_json::to_vec_pretty(self)
            .map_err(|error| Failure::internal(format!("encode channels that are behind: {error}")))?;
        bytes.push(b'\n');
        file::write_atomic(&path, &bytes, 0o600)
    }

    /// Notes that `statement` is the newest about `channel`, and that the channel here has not moved to its
    /// release.
    pub fn announced(&mut self, channel: &str, statement: &str, now_ms: i64) -> &mut Lagging {
        let lagging = self.0.entry(channel.to_owned()).or_default();
        if lagging.statement != statement {
            let since_ms = if lagging.statement.is_empty() { now_ms } else { lagging.since_ms };
            let statement = statement.to_owned();
            *lagging = Lagging { statement, announced_ms: now_ms, since_ms, ..Lagging::default() };
        }
        lagging
    }
}

impl Lagging {
    /// Notes that a node has announced the statement.
    pub fn announced_by(&mut self, node: &NodeId) {
        let node = node.to_string();
        if self.announcers.len() < ANNOUNCERS && !self.announcers.contains(&node) {
            self.announcers.push(node);
        }
    }

    /// Notes the answer of a node; it replaces the node's last answer.
    pub fn answered(&mut self, asked: Asked) {
        self.asked.retain(|other| other.node != asked.node);
        self.asked.push(asked);
        let over = self.asked.len().saturating_sub(ASKED);
        self.asked.drain(..over);
    }
}

fn path(home: &Home, library: &LibraryId) -> PathBuf {
    home.root.join("behind").join(format!("{library}.json"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::command::Role;

    #[test]
    fn a_newer_announcement_keeps_the_time_since_which_a_channel_is_behind() {
        let dir = tempfile::tempdir().unwrap();
        let home = Home::init(dir.path(), None, Role::Mirror).unwrap();
        let library = LibraryId::from_bytes([1; 32]);
        let mut lags = Lags::read(&home, &library).unwrap();
        lags.announced("live", "a", 10).announced_by(&NodeId::of(&[1; 32]));
        lags.announced("live", "a", 20);
        lags.announced("live", "b", 30);
        lags.keep(&home, &library).unwrap();
        let kept = Lags::read(&home, &library).unwrap();
        let live = &kept.0["live"];
        assert_eq!((live.since_ms, live.announced_ms, live.announcers.len()), (10, 30, 0));
        Lags::default().keep(&home, &library).unwrap();
        assert_eq!(Lags::read(&home, &library).unwrap(), Lags::default());
        Lags::default().keep(&home, &library).unwrap();
    }

    #[test]
    fn the_last_answer_of_each_node_is_kept_up_to_a_limit() {
        let mut lagging = Lagging::default();
        for node in 0..2 * ASKED {
            for answer in ["busy", "behind"] {
                let (node, answer) = (node.to_string(), answer.to_owned());
                lagging.answered(Asked { node, answer, ..Asked::default() });
            }
        }
        assert_eq!(lagging.asked.len(), ASKED);
        assert!(lagging.asked.iter().all(|asked| asked.answer == "behind"));
        assert_eq!(lagging.asked.last().unwrap().node, (2 * ASKED - 1).to_string());
    }
}
