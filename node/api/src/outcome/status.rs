//! The answer of `status`.

use serde::{Deserialize, Serialize};

use super::{BackupStatus, Identity, Lag, ledger::LedgerStatus};

/// Answer of `status`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Status {
    /// The identity of this node.
    #[serde(flatten)]
    pub identity: Identity,
    /// The process that holds the home.
    pub pid: u32,
    /// The command that the process was started with: `serve`, or another name.
    pub doing: String,
    /// The address on which it listens, if it does.
    pub listening: Option<String>,
    /// The libraries.
    pub libraries: Vec<LibraryStatus>,
    /// The libraries that `[[follow]]` in `chuan.toml` names, and that are not known here.
    #[serde(default)]
    pub follows_unknown: Vec<String>,
    /// The store.
    pub store: StoreStatus,
    /// The ledger.
    #[serde(default)]
    pub ledger: LedgerStatus,
    /// The last backup of the home.
    #[serde(default)]
    pub backup: BackupStatus,
    /// Known peers.
    pub peers: Vec<PeerStatus>,
    /// Counts of sessions, requests and statements of peers since the process opened the home.
    #[serde(default)]
    pub intake: Intake,
}

/// Counts of sessions, requests and statements of peers, in `status`. They begin at zero with the process and
/// only grow.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Intake {
    /// Sessions that were opened: the peer proved a key and was admitted.
    pub sessions: u64,
    /// Sessions among them with peers that are members of no library here.
    pub strangers: u64,
    /// Handshakes that failed, or were refused for lack of room.
    pub handshakes_failed: u64,
    /// Hellos that came too late or broke a rule.
    pub hellos_refused: u64,
    /// Requests that were read.
    pub requests: u64,
    /// Requests of strangers that were refused for their length, without being read.
    pub requests_unread: u64,
    /// Statements that peers sent.
    pub statements: StatementsHeard,
}

/// Statements that peers sent, in `status`. `malformed`, `unknown_kind`, `foreign` and `known` count those
/// that were dropped, by reason.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct StatementsHeard {
    /// All statements received.
    pub heard: u64,
    /// Dropped: malformed.
    pub malformed: u64,
    /// Dropped: of a kind that this version does not know.
    pub unknown_kind: u64,
    /// Dropped: of a library that is not here.
    pub foreign: u64,
    /// Dropped: known already, with the same signatures.
    pub known: u64,
    /// Decoded in full: their heading gave no reason to drop them.
    pub decoded: u64,
    /// Kept.
    pub taken: u64,
}

/// A library, in `status`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct LibraryStatus {
    /// Its id.
    #[serde(rename = "library")]
    pub id: String,
    /// Its label.
    #[serde(rename = "library_name")]
    pub name: String,
    /// The root's version.
    pub root_version: u64,
    /// Threshold and number of root keys, as `1 of 1`.
    pub root: String,
    /// A warning about the root; null for none.
    #[serde(default, with = "crate::json::empty_is_null")]
    #[cfg_attr(feature = "schema", schemars(with = "Option<String>"))]
    pub trust: String,
    /// How many keys the library's root names as timekeepers. Without one, nothing is ever vouched for.
    #[serde(default)]
    pub timekeepers: u64,
    /// Members known here.
    pub members: u64,
    /// Releases known here.
    pub releases: u64,
    /// Conflicts that wait for an operator; `chuan conflicts` lists them.
    #[serde(default)]
    pub conflicts_open: u64,
    /// Roles whose secret keys are in this home.
    pub keys: Vec<String>,
    /// Roles among them whose key here the root does not name, or no longer. Keys with a passphrase are not
    /// compared.
    #[serde(default)]
    pub keys_not_in_root: Vec<String>,
    /// Its channels.
    pub channels: Vec<ChannelStatus>,
    /// Whether a pull was interrupted; the next one resumes it.
    pub pull_unfinished: bool,
    /// Peers that refuse this node, until they answer it again.
    #[serde(default)]
    pub refusals: Vec<RefusedBy>,
}

/// The code of a peer whose key cannot be verified, in [`RefusedBy`].
pub const UNVERIFIED: &str = "unverified";

/// A peer that refuses this node, or that this node refuses, in `status`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct RefusedBy {
    /// The peer's id.
    pub node: String,
    /// Its name.
    pub name: String,
    /// Since when, in milliseconds since 1970, by this node's clock.
    pub at_ms: i64,
    /// `revoked`: an operator revoked this node; `denied`: any other reason of the peer; `unverified`: the
    /// peer proved a key that this node does not know as the peer's, so this node does not talk to it.
    pub code: String,
    /// The reason, for people.
    pub message: String,
}

/// A channel, in `status`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ChannelStatus {
    /// Its name.
    pub name: String,
    /// The release to which its newest statement points.
    pub release: String,
    /// That release's sequence.
    pub sequence: u64,
    /// When that statement was signed, by the signer's clock.
    pub time_ms: i64,
    /// Seconds since then, by this node's clock.
    pub age_seconds: u64,
    /// When the statement was signed to whose release the channel points here, by the signer's clock; null
    /// before its first data.
    #[serde(default)]
    pub here_time_ms: Option<i64>,
    /// Seconds since enough timekeepers vouched for the release here; null if too few did.
    #[serde(default)]
    pub fresh_age_seconds: Option<u64>,
    /// Whether all data of the release that is granted to this node is known to be held.
    pub complete: bool,
    /// The release of the channel here, and the announced release.
    #[serde(flatten)]
    pub lag: Lag,
    /// The classes of the release of the channel here that are here, by name; those of the newest release
    /// before the first data.
    #[serde(default)]
    pub classes: Vec<String>,
    /// Classes of that release that are not here, since they are not granted to this node.
    #[serde(default)]
    pub classes_absent: u64,
}

/// The store, in `status`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
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
    /// Objects that were held and can no longer be read.
    pub lost: u64,
    /// Bytes that the store may still grow by.
    pub usable_bytes: u64,
}

/// A peer, in `status`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct PeerStatus {
    /// Its id.
    #[serde(rename = "node")]
    pub id: String,
    /// Its name.
    pub name: String,
    /// Addresses at which it was reached.
    pub addresses: Vec<String>,
    /// Libraries for which it is a source.
    pub libraries: Vec<String>,
    /// Its last answer.
    #[serde(flatten)]
    pub contact: Contact,
    /// Whether it was revoked in one of these libraries, and was not granted access again.
    #[serde(default)]
    pub revoked: bool,
}

/// The last answer of a peer, in `status`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default)]
pub struct Contact {
    /// When it was asked last, by this node's clock; null if it was not.
    pub asked_ms: Option<i64>,
    /// Seconds since then.
    pub asked_age_seconds: Option<u64>,
    /// When it answered last; null if it never did.
    pub answered_ms: Option<i64>,
    /// Seconds since then.
    pub answered_age_seconds: Option<u64>,
    /// `ok`, or the code of the error: `peer` (not reached, or the connection broke), `denied`, `missing`,
    /// `busy`.
    pub answer: Option<String>,
    /// The error, for people.
    pub message: Option<String>,
    /// The sequence of the newest release that it had when it was pulled from.
    pub holds: Option<u64>,
}
