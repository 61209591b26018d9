//! The answers of commands, with ids as typed values. Figures that only people read are in the field
//! `report`, as the command line prints them.

use std::time::Duration;

use chuan_engine::{
    id::{LibraryId, ManifestId, NodeId, StatementId},
    manifest::EntryKind,
    statement::{PublicKey, Region},
};

use super::Channel;
use crate::{
    command::Role,
    exit::{Exit, Failure, Result},
    job::Event,
    outcome::{self, ALL_CLASSES, MemberRow, MoveRow, Outcome, Row},
    session::mismatch,
};

/// The answer of a publish.
#[derive(Clone, Debug, PartialEq)]
pub struct Published {
    /// The library.
    pub library: LibraryId,
    /// The release of the source's content.
    pub release: StatementId,
    /// Its sequence.
    pub sequence: u64,
    /// Its manifest.
    pub manifest: ManifestId,
    /// Whether a new release was made; `false` if nothing changed.
    pub changed: bool,
    /// All figures.
    pub report: outcome::Published,
}

impl Published {
    pub(super) fn of(report: outcome::Published) -> Result<Self> {
        Ok(Self {
            library: report.library.parse()?,
            release: report.release.parse()?,
            sequence: report.sequence,
            manifest: report.manifest.parse()?,
            changed: report.changed,
            report,
        })
    }
}

/// The answer of a pull.
#[derive(Clone, Debug, PartialEq)]
pub struct Pulled {
    /// The release that is current here now; the release that was asked for by its id or sequence, if one
    /// was.
    pub release: StatementId,
    /// Its sequence.
    pub sequence: u64,
    /// Whether data came.
    pub changed: bool,
    /// Whether a newer release is announced, and no node that answered has it.
    pub behind: bool,
    /// The node that sent it.
    pub from: Option<NodeId>,
    /// All figures.
    pub report: outcome::Pulled,
}

impl Pulled {
    /// Fails where no release is here.
    pub(super) fn of(report: outcome::Pulled) -> Result<Self> {
        if report.release.is_empty() {
            let (library, channel) = (&report.library_name, &report.channel);
            return Err(Failure::new(
                Exit::Stale,
                format!(
                    "a release of {library}@{channel} is announced, and no node that answered has it yet"
                ),
            ));
        }
        Ok(Self {
            release: report.release.parse()?,
            sequence: report.sequence,
            changed: report.changed,
            behind: report.is_behind(),
            from: optional(&report.from)?,
            report,
        })
    }
}

/// The answer of a restore.
#[derive(Clone, Debug, PartialEq)]
pub struct Restored {
    /// The release.
    pub release: StatementId,
    /// The number of paths that could not be restored; `report` lists them.
    pub failures: u64,
    /// All figures.
    pub report: outcome::Restored,
}

impl Restored {
    pub(super) fn of(report: outcome::Restored) -> Result<Self> {
        Ok(Self { release: report.release.parse()?, failures: report.failures_total, report })
    }
}

/// A release that is known here.
#[derive(Clone, Debug, PartialEq)]
pub struct Release {
    /// Its id.
    pub id: StatementId,
    /// Its sequence.
    pub sequence: u64,
    /// When it was made, by the publisher's clock, in milliseconds since 1970.
    pub time_ms: i64,
    /// Its manifest.
    pub manifest: ManifestId,
    /// The publisher's message.
    pub message: String,
    /// The channels that point to it, by their newest statements.
    pub channels: Vec<Channel>,
    /// Files in the classes that are here; `None` if its manifest is not held.
    pub files: Option<u64>,
    /// Their bytes.
    pub bytes: Option<u64>,
    /// Whether all of its data that is granted to this node is known to be held.
    pub complete: bool,
}

impl Release {
    pub(super) fn of(row: outcome::ReleaseRow) -> Result<Self> {
        Ok(Self {
            id: row.release.parse()?,
            sequence: row.sequence,
            time_ms: row.time_ms,
            manifest: row.manifest.parse()?,
            message: row.message,
            channels: row.channels.into_iter().map(Channel::of_statement).collect(),
            files: row.files,
            bytes: row.bytes,
            complete: row.complete,
        })
    }
}

/// An entry of a release.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Its path.
    pub path: String,
    /// File, folder or link.
    pub kind: EntryKind,
    /// Its size in bytes.
    pub size: u64,
    /// When it was modified, in milliseconds since 1970.
    pub mtime_ms: i64,
    /// Its permission bits.
    pub mode: u16,
    /// The class that it is in.
    pub class: String,
    /// The target of a link.
    pub target: Option<String>,
}

impl Entry {
    pub(super) fn of(event: Event) -> Option<Self> {
        let Event::Row(Row::Entry { path, kind, size, mtime_ms, mode, class, target, .. }) = event else {
            return None;
        };
        let kind = match kind.as_str() {
            "dir" => EntryKind::Folder,
            "link" => EntryKind::Symlink,
            _ => EntryKind::File,
        };
        Some(Self { path, kind, size, mtime_ms, mode, class, target })
    }
}

/// A path that differs between two releases, or that a restore would change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// The path.
    pub path: String,
    /// The difference.
    pub kind: ChangeKind,
    /// The size in bytes before; `None` if the path is new or has no size.
    pub size_old: Option<u64>,
    /// The size in bytes after; `None` if the path goes or has no size.
    pub size_new: Option<u64>,
}

/// The difference at a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ChangeKind {
    /// Only the new release has it.
    Added,
    /// Only the old release has it; or a restore would remove it.
    Removed,
    /// Its entry differs.
    Changed,
    /// Only its class differs.
    Reclassified,
    /// A restore would write the file.
    Written,
    /// A restore would set the mode and time of the file, whose content is right.
    Mended,
    /// A restore would make it another name of an existing file.
    Linked,
    /// A restore would make the folder or link.
    Made,
}

impl Change {
    pub(super) fn of(event: Event) -> Option<Self> {
        let Event::Row(Row::Change { path, change, size_old, size_new }) = event else { return None };
        let kind = match change.as_str() {
            "added" => ChangeKind::Added,
            "removed" => ChangeKind::Removed,
            "reclassified" => ChangeKind::Reclassified,
            "written" => ChangeKind::Written,
            "mended" => ChangeKind::Mended,
            "linked" => ChangeKind::Linked,
            "made" => ChangeKind::Made,
            _ => ChangeKind::Changed,
        };
        Some(Self { path, kind, size_old, size_new })
    }
}

/// A statement about a channel.
#[derive(Clone, Debug, PartialEq)]
pub struct ChannelMove {
    /// The statement.
    pub statement: StatementId,
    /// The sequence of the statement, which never goes back.
    pub statement_sequence: u64,
    /// The release that it names.
    pub release: StatementId,
    /// The sequence of that release; 0 if the release is not known here.
    pub sequence: u64,
    /// When it was signed, by the signer's clock, in milliseconds since 1970.
    pub time_ms: i64,
    /// Whether operators signed it; else the active publisher did.
    pub by_operator: bool,
    /// Whether it is effective. A move of a key that the root no longer names is not, unless the root pins
    /// it.
    pub is_effective: bool,
    /// The keys that signed it.
    pub signers: Vec<PublicKey>,
    /// The publisher that moves the channel from there.
    pub publisher: PublicKey,
    /// Whether new releases of that publisher move the channel at once.
    pub follow: bool,
}

impl ChannelMove {
    pub(super) fn of(row: MoveRow) -> Result<Self> {
        Ok(Self {
            statement: row.statement.parse()?,
            statement_sequence: row.statement_sequence,
            release: row.release.parse()?,
            sequence: row.sequence,
            time_ms: row.time_ms,
            by_operator: row.by == "operator",
            is_effective: row.effective,
            signers: row.signers.iter().map(|key| Ok(key.parse()?)).collect::<Result<_>>()?,
            publisher: row.publisher.parse()?,
            follow: row.follow,
        })
    }
}

/// A channel: its release by the newest statement, and its release in this home.
#[derive(Clone, Debug, PartialEq)]
pub struct ChannelState {
    /// Its name.
    pub name: Channel,
    /// The newest statement.
    pub announced: ChannelMove,
    /// The release to which it points in this home, whose data is here; `None` before the first data.
    pub here: Option<StatementId>,
    /// Whether that is the release of the newest statement.
    pub up_to_date: bool,
    /// The time since enough timekeepers vouched for the statement; `None` if too few did.
    pub fresh_age: Option<Duration>,
}

impl ChannelState {
    pub(super) fn of(row: outcome::ChannelRow) -> Result<Self> {
        Ok(Self {
            name: Channel::of_statement(row.name),
            announced: ChannelMove::of(row.said)?,
            here: row.here.as_deref().map(str::parse).transpose()?,
            up_to_date: row.up_to_date,
            fresh_age: row.fresh_age_seconds.map(Duration::from_secs),
        })
    }

    /// The channel in the answer of an act that moved it.
    pub(super) fn of_outcome(outcome: Outcome) -> Result<Self> {
        match outcome {
            Outcome::Channel(moved) => Self::of(moved.channel),
            _ => Err(mismatch()),
        }
    }
}

/// A node of a library.
#[derive(Clone, Debug, PartialEq)]
pub struct Member {
    /// Its id.
    pub node: NodeId,
    /// Its name, for people.
    pub name: String,
    /// Its state.
    pub state: MemberState,
    /// Its role; `None` if it is no member.
    pub role: Option<Role>,
    /// The region to which it is bound.
    pub region: Option<Region>,
    /// The classes that are granted to it.
    pub classes: Classes,
    /// The verbs that are granted to it on them, separated by commas.
    pub verbs: String,
    /// When the grant ends, in milliseconds since 1970; `None` for no end.
    pub expires_ms: Option<i64>,
    /// Its current key; `None` if it has none.
    pub key: Option<PublicKey>,
    /// Why it was revoked, if it was.
    pub reason: String,
}

/// The classes that are granted to a node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Classes {
    /// All, also classes that are added later.
    All,
    /// The classes with these names; `*` in a name is any run of characters.
    Listed(Vec<String>),
    /// None: the node is no member.
    None,
}

impl Classes {
    /// The classes in the row of a node with this state.
    fn of(state: MemberState, listed: Vec<String>) -> Self {
        match state {
            MemberState::Revoked | MemberState::Lapsed | MemberState::Stranger => Classes::None,
            MemberState::Suspended if listed.is_empty() => Classes::None,
            MemberState::Member | MemberState::Suspended | MemberState::Expired
                if listed == [ALL_CLASSES] =>
            {
                Classes::All
            }
            MemberState::Member | MemberState::Suspended | MemberState::Expired => Classes::Listed(listed),
        }
    }
}

/// The state of a node in a library.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum MemberState {
    /// It has the rights that are granted to it.
    Member,
    /// Its rights wait for the decision of an operator about a conflict.
    Suspended,
    /// Its grant has ended.
    Expired,
    /// An operator ended its rights.
    Revoked,
    /// It was a member, until another statement ended that: a revocation of the node that admitted it.
    Lapsed,
    /// No statement is about it.
    Stranger,
}

impl Member {
    pub(super) fn of(row: MemberRow) -> Result<Self> {
        let state = match row.state.as_str() {
            "member" => MemberState::Member,
            "suspended" => MemberState::Suspended,
            "expired" => MemberState::Expired,
            "revoked" => MemberState::Revoked,
            "lapsed" => MemberState::Lapsed,
            _ => MemberState::Stranger,
        };
        Ok(Self {
            node: row.node.parse()?,
            name: row.name,
            state,
            role: [Role::Origin, Role::Mirror, Role::Edge].into_iter().find(|role| role.as_str() == row.role),
            region: optional(&row.region)?,
            classes: Classes::of(state, row.classes),
            verbs: row.verbs,
            expires_ms: Some(row.expires_ms).filter(|expires_ms| *expires_ms != 0),
            key: optional(&row.key)?,
            reason: row.reason,
        })
    }

    /// The node in the answer of a grant or a revocation.
    pub(super) fn of_outcome(outcome: Outcome) -> Result<Self> {
        match outcome {
            Outcome::Member(changed) => Self::of(changed.row),
            _ => Err(mismatch()),
        }
    }
}

/// The value of a text that is empty for none.
fn optional<T: std::str::FromStr<Err = chuan_engine::Error>>(text: &str) -> Result<Option<T>> {
    if text.is_empty() { Ok(None) } else { Ok(Some(text.parse()?)) }
}
