//! The answers of commands: the objects of `--json`. Sizes are bytes; times are milliseconds since 1970 UTC
//! unless the name says otherwise. Keys are only added. Where a key gets another name, the old one stays
//! beside it: see [`json::RENAMED`](crate::json::RENAMED). `null` stands for none, never 0 or an empty list.

mod act;
mod audit;
mod channel;
mod home;
mod join;
mod lag;
mod ledger;
mod listing;
mod maintain;
mod members;
mod policy;
mod preview;
mod publish;
mod request;
mod restore;
mod status;
mod trust;

use chuan_engine::statement::release::ReleaseClass;
use serde::{Deserialize, Serialize};

use crate::exit::{Exit, Failure, Result};

pub use audit::{AuditActor, AuditGap, AuditRecord, AuditVerified, Audited, CheckpointShown};
pub use channel::{
    ChannelHistory, ChannelList, ChannelMoved, ChannelRow, ConflictList, ConflictProof, ConflictRow, MoveRow,
    Vouched,
};
pub use home::{BackupStatus, HomeBackedUp, HomeMoved, HomeRestored};
pub use join::{Invited, Joined};
pub use lag::{Announced, Announcer, Asked, Lag, ReleaseRef};
pub use ledger::{LedgerCopy, LedgerKept, LedgerShown, LedgerStatus, LeftOut};
pub use listing::{ClassList, ClassRow, Differed, Listed, ReleaseList, ReleaseRow, Row};
pub use maintain::{Rebuilt, Verified};
pub use members::{ALL_CLASSES, MemberChanged, MemberList, MemberRow, class_names};
pub use policy::{ClassPolicyRow, PolicyFinding, PolicyShown};
pub use preview::{ChannelTaken, NodeTaken, Preview};
pub use publish::{GapRow, PlannedRow, Published, Skipped};
pub use request::RequestShown;
pub use restore::{FailureRow, Restored};
pub use status::{
    ChannelStatus, Contact, Intake, LibraryStatus, PeerStatus, RefusedBy, StatementsHeard, Status,
    StoreStatus, UNVERIFIED,
};
pub use trust::{
    Carried, Fingerprints, KeyShown, Offered, OfferedRow, ProposalShown, RoleShown, RootShown, Rotated,
    TallyShown,
};

/// The answer of a command.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// Of `init` and `id`.
    Id(Identity),
    /// Of `publish`.
    Publish(Published),
    /// Of `ingest`, used within the program only.
    Ingest(Box<Ingested>),
    /// Of `invite`.
    Invite(Invited),
    /// Of `join`.
    Join(Joined),
    /// Of `rotate`.
    Rotate(Rotated),
    /// Of `pull`.
    Pull(Box<Pulled>),
    /// Of `restore`.
    Restore(Restored),
    /// Of `releases`.
    Releases(ReleaseList),
    /// Of `ls`; the entries come as rows before it.
    Ls(Listed),
    /// Of `diff`; the changes come as rows before it.
    Diff(Differed),
    /// Of `cat`; the bytes come before it.
    Cat(Shown),
    /// Of `verify`.
    Verify(Verified),
    /// Of `rebuild`.
    Rebuild(Rebuilt),
    /// Of `status`.
    Status(Box<Status>),
    /// Of `audit tail` and `show`; the records come as rows before it.
    Audit(Audited),
    /// Of `audit export`; without a file the records come before it.
    AuditExport(Audited),
    /// Of `audit verify`.
    AuditVerify(AuditVerified),
    /// Of `audit checkpoint`.
    AuditCheckpoint(CheckpointShown),
    /// Of `channel list`.
    Channels(ChannelList),
    /// Of `channel set`, `promote` and `rollback`.
    Channel(Box<ChannelMoved>),
    /// Of `history`.
    History(ChannelHistory),
    /// Of `policy`.
    Policy(Box<PolicyShown>),
    /// Of `grant`, `revoke`, `channel set`, `promote` and `rollback` with `--dry-run`.
    Preview(Box<Preview>),
    /// Of `sign`, and of every act with `--request`.
    Request(Box<RequestShown>),
    /// The classes that are known here, used within the program only.
    Classes(ClassList),
    /// Of `fresh`.
    Fresh(Box<Vouched>),
    /// Of `conflicts`.
    Conflicts(ConflictList),
    /// Of `members`.
    Members(MemberList),
    /// Of `grant` and `revoke`.
    Member(Box<MemberChanged>),
    /// Of `key`.
    Key(KeyShown),
    /// Of `root`.
    Root(Box<RootShown>),
    /// Of `statements export` and `root export`; within the program, the bundle comes before it.
    Statements(Carried),
    /// Of `statements import` and `root apply`.
    Offer(Offered),
    /// Of `root fingerprint`.
    Fingerprint(Fingerprints),
    /// Of `ledger show`.
    Ledger(LedgerShown),
    /// Of `ledger keep`.
    LedgerKept(Box<LedgerKept>),
    /// Of `home backup`.
    HomeBackedUp(HomeBackedUp),
    /// Of `home restore`.
    HomeRestored(HomeRestored),
    /// Of `home move`.
    HomeMoved(HomeMoved),
}

impl Outcome {
    /// The exit code. A command that did its work may still have found damage, gaps or a lag.
    pub fn exit(&self) -> Exit {
        match self {
            Outcome::Verify(verified) if verified.corrupt > 0 || verified.lost > 0 => Exit::Corrupt,
            Outcome::Verify(verified) if verified.missing > 0 => Exit::Missing,
            Outcome::AuditVerify(verified) if verified.is_altered() => Exit::Corrupt,
            Outcome::Rebuild(rebuilt) if rebuilt.lost > 0 => Exit::Corrupt,
            Outcome::Ledger(shown) if shown.verdict != "sound" || shown.lost > 0 => Exit::Corrupt,
            Outcome::Policy(shown) if shown.findings.iter().any(|finding| finding.level == "error") => {
                Exit::Invalid
            }
            Outcome::Restore(restored) => match restored.failure.as_deref() {
                None if !restored.classes_stale.is_empty() => Exit::Stale,
                None => Exit::Ok,
                Some("corrupt") => Exit::Corrupt,
                Some("missing") => Exit::Missing,
                Some(_) => Exit::Gaps,
            },
            Outcome::Offer(offered) if offered.refused() > 0 => Exit::Denied,
            Outcome::Publish(published) if published.contradicted => Exit::Denied,
            Outcome::Publish(published) if published.gaps_total > 0 => Exit::Gaps,
            Outcome::Pull(pulled) if pulled.is_behind() || pulled.is_contradicted() => Exit::Stale,
            _ => Exit::Ok,
        }
    }
}

/// The identity of a node.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Identity {
    /// The node's id: 64 hexadecimal digits.
    #[serde(rename = "node")]
    pub id: String,
    /// Its public key: 64 hexadecimal digits.
    #[serde(default)]
    pub key: String,
    /// Its name.
    pub name: String,
    /// `origin`, `mirror` or `edge`.
    pub role: String,
    /// The region in chuan.toml; null for none. It gives no vote: the effective region is in `members`.
    #[serde(default, with = "crate::json::empty_is_null")]
    #[cfg_attr(feature = "schema", schemars(with = "Option<String>"))]
    pub region: String,
    /// The addresses at which peers may reach it: those configured, or those on which it listens.
    pub addresses: Vec<String>,
    /// The home.
    pub home: String,
}

/// Answer of `ingest`: the content of the release to sign.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Ingested {
    /// The answer of `publish` as it is before signing: without a release, and with the current sequence.
    pub published: Published,
    /// The parent release; none for a first release.
    pub parent: Option<String>,
    /// The class table with names, if the release must have it.
    pub listed: Vec<ListedClass>,
}

/// A class of a release.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ListedClass {
    /// Its slot.
    pub slot: u8,
    /// Its name.
    pub name: String,
    /// The commitment to its header.
    pub commitment: String,
}

impl From<&ReleaseClass> for ListedClass {
    fn from(class: &ReleaseClass) -> Self {
        Self { slot: class.slot, name: class.name.clone(), commitment: class.commitment.to_string() }
    }
}

impl TryFrom<&ListedClass> for ReleaseClass {
    type Error = Failure;

    fn try_from(class: &ListedClass) -> Result<Self> {
        Ok(Self { slot: class.slot, name: class.name.clone(), commitment: class.commitment.parse()? })
    }
}

/// Answer of `pull`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Pulled {
    /// The library's id.
    pub library: String,
    /// Its label.
    pub library_name: String,
    /// The requested channel.
    #[serde(default)]
    pub channel: String,
    /// Whether the request named a release by its number or id, instead of the newest.
    #[serde(default)]
    pub named: bool,
    /// The release that is current now; the requested release if the request [named](Self::named) one. Null
    /// if there is none.
    #[serde(default, with = "crate::json::empty_is_null")]
    #[cfg_attr(feature = "schema", schemars(with = "Option<String>"))]
    pub release: String,
    /// Its sequence.
    pub sequence: u64,
    /// The peer that sent it; null if no data was needed, or none came.
    #[serde(default, rename = "node", with = "crate::json::empty_is_null")]
    #[cfg_attr(feature = "schema", schemars(with = "Option<String>"))]
    pub from: String,
    /// The peer's address; null without a peer.
    #[serde(default, with = "crate::json::empty_is_null")]
    #[cfg_attr(feature = "schema", schemars(with = "Option<String>"))]
    pub address: String,
    /// Whether data arrived: the channel moved, or the requested release is here now and was not before.
    pub changed: bool,
    /// The release of the channel here now, and the announced release.
    #[serde(flatten)]
    pub lag: Lag,
    /// Whether this was a dry run, which fetches only pages.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub dry_run: bool,
    /// Of a dry run: chunks to transfer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub chunks_missing: Option<u64>,
    /// Of a dry run: their raw bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub chunk_bytes_missing: Option<u64>,
    /// Of a dry run: bytes that the store can take; the pull is refused if the chunks to transfer have more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub usable_bytes: Option<u64>,
    /// Seconds since enough timekeepers vouched for the release here; null if too few did.
    #[serde(default)]
    pub fresh_age_seconds: Option<u64>,
    /// How many keys the library's root names as timekeepers. Without one, nothing is ever vouched for.
    #[serde(default)]
    pub timekeepers: u64,
    /// Classes of the release that are here now.
    #[serde(default)]
    pub classes: u64,
    /// Classes of the release that are not here, since they are not granted to this node.
    #[serde(default)]
    pub classes_absent: u64,
    /// Names of the classes that are here now and were not before, as a grant gave them to this node.
    #[serde(default)]
    pub classes_new: Vec<String>,
    /// Damaged chunks and pages that were fetched again.
    #[serde(default)]
    pub objects_repaired: u64,
    /// Classes and patterns that the grant of this node names, of which the release has no class.
    #[serde(default)]
    pub classes_not_in_release: Vec<String>,
    /// Files in the classes that are here.
    pub files: u64,
    /// Their bytes.
    pub bytes_total: u64,
    /// Their chunks, with multiplicity.
    pub chunks_total: u64,
    /// Chunks transferred.
    pub chunks_fetched: u64,
    /// Their raw bytes.
    pub chunk_bytes_fetched: u64,
    /// Their bytes on the stream.
    pub chunk_bytes_encoded: u64,
    /// Chunks among them that were sent as a delta to bytes held here.
    pub chunks_from_deltas: u64,
    /// Raw bytes of the manifest pages transferred.
    pub page_bytes: u64,
    /// Their bytes on the stream.
    pub page_bytes_encoded: u64,
    /// Bytes of frames received: messages and data, without the overhead of QUIC.
    pub frame_bytes_in: u64,
    /// Bytes of frames sent.
    pub frame_bytes_out: u64,
    /// UDP payload received, handshake included.
    pub wire_bytes_in: u64,
    /// UDP payload sent, handshake included.
    pub wire_bytes_out: u64,
    /// Round trips until the last byte, without the handshake.
    pub round_trips: u64,
    /// Duration of the pull.
    pub seconds: f64,
}

impl Pulled {
    /// Whether a newer release is announced than is here, and nothing newer arrived (or would arrive). Always
    /// `false` if the request named a release.
    pub fn is_behind(&self) -> bool {
        // A dry run counts missing chunks only if a node has a newer release.
        let would_come = self.dry_run && self.chunks_missing.is_some();
        !self.changed && !would_come && !self.named && self.lag.behind_since_ms.is_some()
    }

    /// Whether nothing newer arrives before an operator moves the channel, since its statements contradict
    /// each other. Always `false` if the request named a release.
    pub fn is_contradicted(&self) -> bool {
        !self.named && self.lag.contradicted
    }
}

/// Answer of `cat`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Shown {
    /// The release.
    pub release: String,
    /// The channel that the request named; null if it named a release.
    #[serde(default)]
    pub channel: Option<String>,
    /// Seconds since enough timekeepers vouched for that channel; null if too few did.
    #[serde(default)]
    pub fresh_age_seconds: Option<u64>,
    /// The path.
    pub path: String,
    /// The file's size.
    pub size: u64,
    /// Bytes written.
    pub bytes: u64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_json_object_is_the_answer_itself() {
        let outcome = Outcome::Publish(Published { release: "ab".into(), ..Published::default() });
        let object = outcome.object();
        assert_eq!(object["release"], "ab");
        for field in ["files", "bytes_read", "bytes_skipped", "chunks_new", "chunk_bytes_new", "seconds"] {
            assert!(object[field].is_number(), "{field}");
        }
        let object = Outcome::Pull(Box::default()).object();
        for field in [
            "files",
            "bytes_total",
            "chunks_total",
            "chunks_fetched",
            "chunk_bytes_fetched",
            "chunk_bytes_encoded",
            "chunks_from_deltas",
            "page_bytes",
            "page_bytes_encoded",
            "frame_bytes_in",
            "frame_bytes_out",
            "wire_bytes_in",
            "wire_bytes_out",
            "round_trips",
            "seconds",
        ] {
            assert!(object[field].is_number(), "{field}");
        }
    }

    #[test]
    fn each_row_deserializes_to_its_own_variant() {
        let entry = Row::Entry {
            path: "甲".into(),
            kind: "file".into(),
            size: 1,
            mtime_ms: -1,
            mode: 0o644,
            chunks: 1,
            class: "default".into(),
            target: None,
        };
        let change =
            Row::Change { path: "a".into(), change: "removed".into(), size_old: Some(1), size_new: None };
        for row in [entry, change] {
            let text = serde_json::to_string(&row).unwrap();
            assert_eq!(serde_json::from_str::<Row>(&text).unwrap(), row);
        }
    }

    #[test]
    fn findings_end_the_process_with_their_own_code() {
        let verified = Verified { missing: 1, corrupt: 1, ..Verified::default() };
        assert_eq!(Outcome::Verify(verified).exit(), Exit::Corrupt);
        assert_eq!(Outcome::Verify(Verified { missing: 1, ..Verified::default() }).exit(), Exit::Missing);
        let lost = Verified { missing: 2, lost: 1, ..Verified::default() };
        assert_eq!(Outcome::Verify(lost).exit(), Exit::Corrupt);
        assert_eq!(Outcome::Verify(Verified::default()).exit(), Exit::Ok);
    }
}
