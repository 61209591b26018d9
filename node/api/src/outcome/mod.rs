//! What commands answer: the objects of `--json`. Fields are only added, never renamed or dropped; sizes are bytes,
//! times are milliseconds since 1970 UTC unless the name says otherwise.

mod audit;
mod channel;
mod lag;
mod ledger;
mod listing;
mod maintain;
mod members;
mod policy;
mod publish;
mod request;
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
pub use lag::{Announced, Announcer, Asked, Lag, ReleaseRef};
pub use ledger::{LedgerCopy, LedgerKept, LedgerShown, LedgerStatus, LeftOut};
pub use listing::{ClassList, ClassRow, Differed, Listed, ReleaseList, ReleaseRow, Row};
pub use maintain::{Rebuilt, Verified};
pub use members::{MemberList, MemberRow};
pub use policy::{ClassPolicyRow, PolicyFinding, PolicyShown};
pub use publish::{GapRow, Published, Skipped};
pub use request::RequestShown;
pub use status::{ChannelStatus, Intake, LibraryStatus, PeerStatus, StatementsHeard, Status, StoreStatus};
pub use trust::{
    Carried, Fingerprints, KeyShown, Offered, OfferedRow, ProposalShown, RoleShown, RootShown, Rotated,
    TallyShown,
};

/// The answer of any command.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// Of `init` and `id`.
    Id(Identity),
    /// Of `publish`.
    Publish(Published),
    /// Of `ingest`, within the program.
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
    /// Of `ls`; the entries came as rows before it.
    Ls(Listed),
    /// Of `diff`; the changes came as rows before it.
    Diff(Differed),
    /// Of `cat`; the bytes came before it.
    Cat(Shown),
    /// Of `verify`.
    Verify(Verified),
    /// Of `rebuild`.
    Rebuild(Rebuilt),
    /// Of `status`.
    Status(Box<Status>),
    /// Of `audit tail` and `show`; the records came as rows before it.
    Audit(Audited),
    /// Of `audit export`; without a file the records came before it.
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
    /// Of `sign`, and of every act with `--request`.
    Request(Box<RequestShown>),
    /// The classes that are known here, within the program.
    Classes(ClassList),
    /// Of `fresh`.
    Fresh(Box<Vouched>),
    /// Of `conflicts`.
    Conflicts(ConflictList),
    /// Of `members`.
    Members(MemberList),
    /// Of `grant` and `revoke`.
    Member(Box<MemberRow>),
    /// Of `key`.
    Key(KeyShown),
    /// Of `root`.
    Root(Box<RootShown>),
    /// Of `statements` and `root export`; within the program, the bundle came before it.
    Statements(Carried),
    /// Of `statements import` and `root apply`.
    Offer(Offered),
    /// Of `root fingerprint`.
    Fingerprint(Fingerprints),
    /// Of `ledger show`.
    Ledger(LedgerShown),
    /// Of `ledger keep`.
    LedgerKept(Box<LedgerKept>),
}

impl Outcome {
    /// The object of `--json`: the answer itself, without the name of the command around it.
    pub fn object(&self) -> serde_json::Value {
        match serde_json::to_value(self) {
            Ok(serde_json::Value::Object(map)) => map.into_iter().next().map(|(_, v)| v).unwrap_or_default(),
            _ => serde_json::Value::Null,
        }
    }

    /// How the process ends: a command that did its work may still have found that something is wrong.
    pub fn exit(&self) -> Exit {
        match self {
            Outcome::Verify(verified) if verified.corrupt > 0 => Exit::Corrupt,
            Outcome::Verify(verified) if verified.missing > 0 => Exit::Missing,
            Outcome::AuditVerify(verified) if verified.is_altered() => Exit::Corrupt,
            Outcome::Rebuild(rebuilt) if rebuilt.lost > 0 => Exit::Corrupt,
            Outcome::Ledger(shown) if shown.verdict != "sound" || shown.lost > 0 => Exit::Corrupt,
            Outcome::Policy(shown) if shown.findings.iter().any(|finding| finding.level == "error") => {
                Exit::Invalid
            }
            Outcome::Restore(restored) => match restored.failure.as_deref() {
                None => Exit::Ok,
                Some("corrupt") => Exit::Corrupt,
                Some("missing") => Exit::Missing,
                Some(_) => Exit::Gaps,
            },
            Outcome::Offer(offered) if offered.refused() > 0 => Exit::Denied,
            Outcome::Publish(published) if published.gaps_total > 0 => Exit::Gaps,
            Outcome::Pull(pulled) if pulled.is_behind() => Exit::Stale,
            _ => Exit::Ok,
        }
    }

    /// The name under which rows stand in the `--json` object, for commands that have rows.
    pub fn rows_name(command: &str) -> Option<&'static str> {
        match command {
            "ls" => Some("entries"),
            "diff" | "restore" => Some("changes"),
            "audit tail" | "audit show" => Some("records"),
            _ => None,
        }
    }
}

/// Who a node is.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Identity {
    /// The node's id: 64 hexadecimal digits.
    pub id: String,
    /// The public key that it proves: 64 hexadecimal digits.
    #[serde(default)]
    pub key: String,
    /// Its name.
    pub name: String,
    /// `origin`, `mirror` or `edge`.
    pub role: String,
    /// The region that chuan.toml says; empty for none. It gives no vote: `members` shows the region that counts.
    #[serde(default)]
    pub region: String,
    /// Where peers may reach it: what is configured, or what is being listened on.
    pub addresses: Vec<String>,
    /// The home.
    pub home: String,
}

/// Answer of `ingest`: what a release would be.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Ingested {
    /// The answer of the publish, but for what comes by signing: without a release, and with the current sequence.
    pub published: Published,
    /// The release that it follows; none for a first one.
    pub parent: Option<String>,
    /// The class table with names, where the release must have it.
    pub listed: Vec<ListedClass>,
}

/// A class of a release.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ListedClass {
    /// Its slot.
    pub slot: u8,
    /// Its name.
    pub name: String,
    /// Its header.
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

/// Answer of `invite`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Invited {
    /// The ticket.
    pub ticket: String,
    /// The library's id.
    pub library: String,
    /// Its label.
    pub library_name: String,
    /// Where the ticket says to go.
    pub addresses: Vec<String>,
    /// When it expires.
    pub expires_ms: i64,
    /// How many nodes may join with it.
    pub uses: u32,
}

/// Answer of `join`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Joined {
    /// The library's id.
    pub library: String,
    /// Its label.
    pub library_name: String,
    /// The node that let us in.
    pub from: String,
    /// Its address that worked.
    pub address: String,
    /// The role this node has in the library.
    pub role: String,
}

/// Answer of `pull`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Pulled {
    /// The library's id.
    pub library: String,
    /// Its label.
    pub library_name: String,
    /// The channel that was asked for.
    #[serde(default)]
    pub channel: String,
    /// Whether a release was asked for by its number or id, not the newest.
    #[serde(default)]
    pub named: bool,
    /// The release that is current now; the one that was asked for where it was [named](Self::named).
    pub release: String,
    /// Its sequence.
    pub sequence: u64,
    /// The peer it came from.
    pub from: String,
    /// The peer's address.
    pub address: String,
    /// Whether something came: the channel moved, or the release that was named is here and was not.
    pub changed: bool,
    /// Where the channel is here now, and where it was announced to be.
    #[serde(flatten)]
    pub lag: Lag,
    /// Whether the pull was only tried: nothing but pages was fetched.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub dry_run: bool,
    /// Of a dry run: chunks that would travel.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub chunks_missing: Option<u64>,
    /// Of a dry run: their raw bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub chunk_bytes_missing: Option<u64>,
    /// Seconds since enough timekeepers vouched for what is here; absent where they don't.
    #[serde(default)]
    pub fresh_age_seconds: Option<u64>,
    /// Classes of the release that are here now.
    #[serde(default)]
    pub classes: u64,
    /// Classes of the release that are not granted to this node.
    #[serde(default)]
    pub classes_absent: u64,
    /// Files in the classes that are here.
    pub files: u64,
    /// Their bytes.
    pub bytes_total: u64,
    /// Their chunks, with multiplicity.
    pub chunks_total: u64,
    /// Chunks that travelled.
    pub chunks_fetched: u64,
    /// Their raw bytes.
    pub chunk_bytes_fetched: u64,
    /// Their bytes as they travelled.
    pub chunk_bytes_encoded: u64,
    /// How many of the chunks travelled as what differs from bytes that were here.
    pub chunks_from_deltas: u64,
    /// Bytes of the manifest pages that came.
    pub page_bytes: u64,
    /// Their bytes as they travelled.
    pub page_bytes_encoded: u64,
    /// Bytes of frames received: messages and data, without what QUIC puts around them.
    pub frame_bytes_in: u64,
    /// Bytes of frames sent.
    pub frame_bytes_out: u64,
    /// UDP payload received, handshake included.
    pub wire_bytes_in: u64,
    /// UDP payload sent, handshake included.
    pub wire_bytes_out: u64,
    /// Turns until the last byte, the handshake not counted.
    pub round_trips: u64,
    /// How long it took.
    pub seconds: f64,
}

impl Pulled {
    /// Whether nothing came, or would come, though something newer is announced than is here; no matter where one release was
    /// asked for.
    pub fn is_behind(&self) -> bool {
        // Of a dry run, what is missing is known where a node has something newer.
        let would_come = self.dry_run && self.chunks_missing.is_some();
        !self.changed && !would_come && !self.named && self.lag.behind_since_ms.is_some()
    }
}

/// Something that could not be restored.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct FailureRow {
    /// The path, with what is not UTF-8 replaced.
    pub path: String,
    /// Why.
    pub reason: String,
    /// `missing` or `corrupt`: this node does not hold all of it; `gaps`: the folder does not take it.
    pub code: String,
}

/// Answer of `restore`. Of a dry run, what would be.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Restored {
    /// The release.
    pub release: String,
    /// The channel by whose name it was asked for; absent where the release was named.
    #[serde(default)]
    pub channel: Option<String>,
    /// Seconds since enough timekeepers vouched for that channel; absent where they don't.
    #[serde(default)]
    pub fresh_age_seconds: Option<u64>,
    /// Where to.
    pub dest: String,
    /// Whether nothing was changed.
    #[serde(default)]
    pub dry_run: bool,
    /// Files that are as the release has them (of those that match, with `--path`).
    pub files: u64,
    /// Files that were written.
    pub files_written: u64,
    /// Files that were right already.
    pub files_unchanged: u64,
    /// Files that are further names of others.
    #[serde(default)]
    pub files_linked: u64,
    /// Bytes of all those files.
    pub bytes_total: u64,
    /// Bytes written.
    pub bytes_written: u64,
    /// Bytes among them taken from the old file in its place.
    pub bytes_reused: u64,
    /// Folders that are as the release has them.
    #[serde(default)]
    pub folders: u64,
    /// Symbolic links that are as the release has them.
    #[serde(default)]
    pub links: u64,
    /// Files and links that were removed.
    #[serde(default)]
    pub files_removed: u64,
    /// Folders that were removed.
    #[serde(default)]
    pub folders_removed: u64,
    /// Files and links that stay though the release does not have them.
    #[serde(default)]
    pub files_left: u64,
    /// Folders that stay though the release does not have them; what is in those that no restore made is not counted.
    #[serde(default)]
    pub folders_left: u64,
    /// What could not be restored: the first 1,000, in path order.
    #[serde(default)]
    pub failures: Vec<FailureRow>,
    /// How many that are.
    #[serde(default)]
    pub failures_total: u64,
    /// The code of the worst of them; absent where there is none.
    #[serde(default)]
    pub failure: Option<String>,
    /// Classes of the release that are not granted to this node.
    #[serde(default)]
    pub classes_absent: u64,
    /// Classes that were left out: the channel was vouched for longer ago than they allow (`max_stale`).
    #[serde(default)]
    pub classes_stale: Vec<String>,
    /// How long it took.
    pub seconds: f64,
}

/// Answer of `cat`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Shown {
    /// The release.
    pub release: String,
    /// The channel by whose name it was asked for; absent where the release was named.
    #[serde(default)]
    pub channel: Option<String>,
    /// Seconds since enough timekeepers vouched for that channel; absent where they don't.
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
    fn rows_are_told_apart_when_read_back() {
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
        assert_eq!(Outcome::Verify(Verified::default()).exit(), Exit::Ok);
    }
}
