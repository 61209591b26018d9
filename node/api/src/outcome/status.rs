//! The answer of `status`.

use serde::{Deserialize, Serialize};

use super::{Identity, Lag, ledger::LedgerStatus};

/// Answer of `status`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Status {
    /// Who this node is.
    #[serde(flatten)]
    pub identity: Identity,
    /// The process that holds the home.
    pub pid: u32,
    /// What that process was started to do: `serve`, or a command's name.
    pub doing: String,
    /// Where it listens, if it does.
    pub listening: Option<String>,
    /// The libraries.
    pub libraries: Vec<LibraryStatus>,
    /// The store.
    pub store: StoreStatus,
    /// The ledger.
    #[serde(default)]
    pub ledger: LedgerStatus,
    /// Known peers.
    pub peers: Vec<PeerStatus>,
    /// What peers asked and brought since the process opened the home.
    #[serde(default)]
    pub intake: Intake,
}

/// What peers asked and brought, in `status`. The numbers only grow, and begin at zero with the process.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Intake {
    /// Peers that proved a key and were let in.
    pub sessions: u64,
    /// Of those, peers that were members of nothing here.
    pub strangers: u64,
    /// Handshakes that failed, or found no room.
    pub handshakes_failed: u64,
    /// Hellos that did not come in time or broke a rule.
    pub hellos_refused: u64,
    /// Requests that were read.
    pub requests: u64,
    /// Requests of strangers that were refused by their length, unread.
    pub requests_unread: u64,
    /// The statements among what they brought.
    pub statements: StatementsHeard,
}

/// Statements that peers brought, in `status`: of those heard, each other number but `taken` and `decoded` says how many were
/// dropped and why.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct StatementsHeard {
    /// All of them.
    pub heard: u64,
    /// Not of the form that a statement has.
    pub malformed: u64,
    /// Of a kind that this version does not know.
    pub unknown_kind: u64,
    /// Of a library that is not here.
    pub foreign: u64,
    /// Known already, signatures included.
    pub known: u64,
    /// Decoded: all that their headings did not keep out.
    pub decoded: u64,
    /// Kept.
    pub taken: u64,
}

/// A library, in `status`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct LibraryStatus {
    /// Its id.
    pub id: String,
    /// Its label.
    pub name: String,
    /// The root's version.
    pub root_version: u64,
    /// Who may change the root, as `1 of 1`.
    pub root: String,
    /// What to know about that, if anything.
    pub trust: String,
    /// Members known here.
    pub members: u64,
    /// Releases known here.
    pub releases: u64,
    /// Contradictions that wait for an operator; `chuan conflicts` has them.
    #[serde(default)]
    pub conflicts_open: u64,
    /// Roles whose secret keys are in this home.
    pub keys: Vec<String>,
    /// Its channels.
    pub channels: Vec<ChannelStatus>,
    /// Whether a pull was interrupted and will be resumed.
    pub pull_unfinished: bool,
}

/// A channel, in `status`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ChannelStatus {
    /// Its name.
    pub name: String,
    /// The release it stands on.
    pub release: String,
    /// That release's sequence.
    pub sequence: u64,
    /// When the channel was last vouched for, by the signer's clock.
    pub time_ms: i64,
    /// Seconds since then, by this node's clock.
    pub age_seconds: u64,
    /// Seconds since enough timekeepers vouched for what is here; absent where they don't.
    #[serde(default)]
    pub fresh_age_seconds: Option<u64>,
    /// Whether all its data that this node is granted is known to be held.
    pub complete: bool,
    /// Where the channel is here, and where it was announced to be.
    #[serde(flatten)]
    pub lag: Lag,
    /// The classes of the release that are here, by name.
    #[serde(default)]
    pub classes: Vec<String>,
    /// Classes that it has beside those: they are not granted to this node.
    #[serde(default)]
    pub classes_absent: u64,
}

/// The store, in `status`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct StoreStatus {
    /// Segment files.
    pub segments: u64,
    /// Their bytes on disk.
    pub segment_bytes: u64,
    /// Chunks held.
    pub chunks: u64,
    /// Their raw bytes.
    pub chunk_bytes: u64,
    /// Pages held.
    pub pages: u64,
    /// Things that were held and can no longer be read.
    pub lost: u64,
    /// Bytes that the store may still grow by.
    pub usable_bytes: u64,
}

/// A peer, in `status`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct PeerStatus {
    /// Its id.
    pub id: String,
    /// Its name.
    pub name: String,
    /// Where it was reached.
    pub addresses: Vec<String>,
    /// Libraries it is a source of.
    pub libraries: Vec<String>,
}
