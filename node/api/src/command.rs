//! The commands of a home, with their options and defaults. One set of types serves as command line (`clap`),
//! as body of an admin request (`serde`) and as arguments of the methods of `Node`, so the three always
//! agree.

mod audit;
mod carry;
mod channel;
mod policy;
mod publish;
mod range;
mod signed;
mod statements;

use std::{iter, path::PathBuf};

#[cfg(feature = "clap")]
use clap::{Args, Subcommand, ValueEnum};
use serde::{Deserialize, Serialize};

#[cfg(feature = "clap")]
use crate::spec::LIVE;
use crate::{
    exit::{Failure, Result},
    spec::Spec,
};

pub use audit::{Audit, AuditVerb, Checkpoint as AuditCheckpoint, Export, Show, Tail, Verify as AuditVerify};
pub use carry::{Carry, CarryRoots};
pub use channel::{ChannelVerb, Channels, Conflicts, Fresh, History, Promote, Rollback, SetChannel};
pub use policy::{PolicyVerb, ReadPolicy, SetPolicy, ShowPolicy};
pub use publish::{Growing, Ingest, Publish};
pub use range::ByteRange;
pub use signed::{Found, Grant, Invite, Keys, Revoke, Signed};
pub use statements::{Envelope, Offer, Statements};

/// A command that runs on an open home, in this process or in the process that holds the home. Commands that
/// need a key of a library are not here: see [`Signed`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "clap", derive(Subcommand))]
#[serde(rename_all = "kebab-case", tag = "command")]
pub enum Command {
    /// Print the node's id and addresses
    Id,
    /// Replace the node's key; its id, history and grants stay
    Rotate(Rotate),
    /// Become a member of a library with a ticket, and remember the admitting node as a source
    Join(Join),
    /// Fetch the current release of a library from a peer; only missing data is transferred
    Pull(Pull),
    /// Write a release's files to a folder, verified; only differences are written
    Restore(Restore),
    /// List a library's releases, newest first
    Releases(Releases),
    /// List a release's files
    Ls(Ls),
    /// List the differences between two releases
    Diff(Diff),
    /// Write a file's content, or a part of it, to standard output
    Cat(Cat),
    /// Check that all data of the releases is held; with --deep, check every stored byte against its hash
    Verify(Verify),
    /// Build the index again, from the segments alone
    Rebuild,
    /// List the members of a library, and the revoked nodes
    Members(Members),
    /// List the releases to which a channel has pointed, newest first
    History(History),
    /// List contradictory statements with their proof, and releases that this node refuses
    Conflicts(Conflicts),
    /// Show libraries, channels, releases, peers and the store
    Status,
    /// Read and verify the audit log of this node
    Audit(Audit),
    /// List the channels of a library and the releases to which they point
    #[cfg_attr(feature = "clap", command(skip))]
    Channels(Channels),
    /// Answer with the classes of a library that are known here
    #[cfg_attr(feature = "clap", command(skip))]
    Classes(ListClasses),
    /// Answer with a library's statements as a bundle
    #[cfg_attr(feature = "clap", command(skip))]
    Statements(Statements),
    /// Ingest changed files, for a release that the caller signs
    #[cfg_attr(feature = "clap", command(skip))]
    Ingest(Ingest),
    /// Accept signed statements
    #[cfg_attr(feature = "clap", command(skip))]
    Offer(Offer),
}

/// Options of `rotate`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "clap", derive(Args))]
pub struct Rotate {
    /// How long the old key stays valid, for peers that do not know the new key yet: a number and s, m, h or
    /// d, at most 30d
    #[cfg_attr(feature = "clap", arg(long, default_value = "1d", value_name = "TIME", value_parser = parse_duration))]
    #[serde(rename = "grace_s")]
    pub grace: u64,
}

impl Default for Rotate {
    fn default() -> Self {
        Self { grace: 24 * 3600 }
    }
}

/// Options of `join`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "clap", derive(Args))]
pub struct Join {
    /// `-` to read the ticket from standard input, or the ticket that `chuan invite` printed: other users of
    /// the machine can see an argument, and a shell keeps it. Without it and without --ticket-file, the
    /// ticket is in the variable CHUAN_TICKET. White space and capitals in a ticket are no error
    #[cfg_attr(feature = "clap", arg(default_value = "", hide_default_value = true))]
    pub ticket: String,
    /// Read the ticket from this file. Only the command line reads it
    #[cfg_attr(feature = "clap", arg(long, value_name = "FILE", conflicts_with = "ticket"))]
    #[serde(skip)]
    pub ticket_file: Option<PathBuf>,
}

/// Options of `pull`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "clap", derive(Args))]
pub struct Pull {
    /// The library (may be left out if the home has only one), or one release of it: films@12, films@abcdef
    /// (the beginning of an id). A pull of one release moves the channel forward or not at all, never back
    #[cfg_attr(feature = "clap", arg(value_name = "LIBRARY[@RELEASE]"))]
    #[serde(default)]
    pub library: Option<String>,
    /// The channel whose release to fetch
    #[cfg_attr(feature = "clap", arg(long, value_name = "NAME", default_value = LIVE))]
    #[serde(default = "channel::live")]
    pub channel: String,
    /// Fetch from this peer only: its id, the beginning of its id, its name or its address
    #[cfg_attr(feature = "clap", arg(long, value_name = "PEER"))]
    #[serde(default)]
    pub from: Option<String>,
    /// Whether the source saves bytes or time [default: from chuan.toml]
    #[cfg_attr(feature = "clap", arg(long, value_name = "HOW"))]
    #[serde(default)]
    pub packing: Option<Packing>,
    /// Print what a pull would transfer; fetches pages to count chunks, moves nothing
    #[cfg_attr(feature = "clap", arg(long))]
    #[serde(default)]
    pub dry_run: bool,
}

impl Default for Pull {
    fn default() -> Self {
        Self { library: None, channel: channel::live(), from: None, packing: None, dry_run: false }
    }
}

/// Whether a source saves bytes or time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "clap", derive(ValueEnum))]
#[serde(rename_all = "lowercase")]
pub enum Packing {
    /// Save bytes as long as that is faster than the link
    #[default]
    Auto,
    /// Always save bytes: for links that are paid by the byte
    Smallest,
    /// Save time: data is sent as it is stored
    Fastest,
}

impl From<Packing> for chuan_engine::sync::message::Packing {
    fn from(packing: Packing) -> Self {
        match packing {
            Packing::Auto => Self::Auto,
            Packing::Smallest => Self::Smallest,
            Packing::Fastest => Self::Fastest,
        }
    }
}

/// Options of `restore`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "clap", derive(Args))]
pub struct Restore {
    /// The release: films, films@12, films@abcdef (the beginning of an id) or films@live (a channel)
    #[cfg_attr(feature = "clap", arg(value_name = "LIBRARY[@RELEASE]"))]
    pub release: Spec,
    /// The folder to bring to the release; created if it does not exist
    pub dest: PathBuf,
    /// Only this path of the release, or the paths that this pattern matches (`*` stays within a folder, `**`
    /// does not); a folder includes all that is in it
    #[cfg_attr(feature = "clap", arg(long, value_name = "PATH|GLOB"))]
    #[serde(default)]
    pub path: Option<String>,
    /// Compare also the content of files that have not changed since they were restored
    #[cfg_attr(feature = "clap", arg(long))]
    #[serde(default)]
    pub check: bool,
    /// Remove items that the release does not have, also those that no restore wrote; with --path, only
    /// within the selected paths
    #[cfg_attr(feature = "clap", arg(long))]
    #[serde(default)]
    pub delete: bool,
    /// Print what would be written and removed, and change nothing
    #[cfg_attr(feature = "clap", arg(long, short = 'n'))]
    #[serde(default)]
    pub dry_run: bool,
    /// Write each name of a hard-linked file as a separate file
    #[cfg_attr(feature = "clap", arg(long))]
    #[serde(default)]
    pub no_hard_links: bool,
    /// Give files the extended attributes that they were published with, and remove others of the namespace
    /// `user`
    #[cfg_attr(feature = "clap", arg(long))]
    #[serde(default)]
    pub xattrs: bool,
}

impl Restore {
    /// All of a release, to `dest`.
    pub fn all(release: Spec, dest: impl Into<PathBuf>) -> Self {
        Self {
            release,
            dest: dest.into(),
            path: None,
            check: false,
            delete: false,
            dry_run: false,
            no_hard_links: false,
            xattrs: false,
        }
    }
}

/// Options of `releases`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "clap", derive(Args))]
pub struct Releases {
    /// The library; may be left out if the home has only one
    #[serde(default)]
    pub library: Option<String>,
}

/// Options of `members`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "clap", derive(Args))]
pub struct Members {
    /// The library; may be left out if the home has only one
    #[serde(default)]
    pub library: Option<String>,
}

/// Options of `classes`, which is used within the program only.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ListClasses {
    /// The library: its id or label.
    pub library: String,
}

/// Options of `ls`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "clap", derive(Args))]
pub struct Ls {
    /// The release: films, films@12, films@abcdef or films@live
    #[cfg_attr(feature = "clap", arg(value_name = "LIBRARY[@RELEASE]"))]
    pub release: Spec,
}

/// Options of `diff`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "clap", derive(Args))]
pub struct Diff {
    /// The old release
    #[cfg_attr(feature = "clap", arg(value_name = "LIBRARY@OLD"))]
    pub old: Spec,
    /// The new release
    #[cfg_attr(feature = "clap", arg(value_name = "LIBRARY@NEW"))]
    pub new: Spec,
}

/// Options of `cat`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "clap", derive(Args))]
pub struct Cat {
    /// The release: films, films@12, films@abcdef or films@live
    #[cfg_attr(feature = "clap", arg(value_name = "LIBRARY[@RELEASE]"))]
    pub release: Spec,
    /// A path in the release
    pub path: String,
    /// Bytes A to B only, both counted from 0 and included; `A-` to the end, `-N` the last N
    #[cfg_attr(feature = "clap", arg(long, value_name = "A-B", allow_hyphen_values = true))]
    #[serde(default)]
    pub range: Option<ByteRange>,
}

/// Options of `verify`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "clap", derive(Args))]
pub struct Verify {
    /// Read every stored byte and hash it
    #[cfg_attr(feature = "clap", arg(long))]
    #[serde(default)]
    pub deep: bool,
}

/// The role of a node.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "clap", derive(ValueEnum))]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Publishes.
    Origin,
    /// Holds full copies.
    #[default]
    Mirror,
    /// Caches on demand.
    Edge,
}

impl Role {
    /// The word in configuration and output.
    pub const fn as_str(self) -> &'static str {
        match self {
            Role::Origin => "origin",
            Role::Mirror => "mirror",
            Role::Edge => "edge",
        }
    }
}

impl Command {
    /// The word on the command line.
    pub const fn name(&self) -> &'static str {
        match self {
            Command::Id => "id",
            Command::Rotate(_) => "rotate",
            Command::Join(_) => "join",
            Command::Pull(_) => "pull",
            Command::Restore(_) => "restore",
            Command::Releases(_) => "releases",
            Command::Ls(_) => "ls",
            Command::Diff(_) => "diff",
            Command::Cat(_) => "cat",
            Command::Verify(_) => "verify",
            Command::Rebuild => "rebuild",
            Command::Members(_) => "members",
            Command::History(_) => "history",
            Command::Conflicts(_) => "conflicts",
            Command::Channels(_) => "channel list",
            Command::Classes(_) => "classes",
            Command::Status => "status",
            Command::Statements(_) => "statements",
            Command::Offer(_) => "offer",
            Command::Audit(audit) => audit.name(),
            Command::Ingest(_) => "publish",
        }
    }

    /// Whether the answer is bytes, followed by the outcome.
    pub const fn answers_with_bytes(&self) -> bool {
        match self {
            Command::Cat(_) | Command::Statements(_) => true,
            Command::Audit(audit) => audit.answers_with_bytes(),
            _ => false,
        }
    }

    /// Makes paths absolute, so that the command means the same in a process with another working directory.
    /// Fails if a path is not UTF-8: such a path cannot be sent to another process, and a command must do the
    /// same whichever process holds the home.
    pub fn absolute(mut self) -> Result<Self> {
        let paths: Vec<&mut PathBuf> = match &mut self {
            Command::Ingest(Ingest { options: publish, .. }) => {
                iter::once(&mut publish.source).chain(&mut publish.policy).collect()
            }
            Command::Restore(restore) => vec![&mut restore.dest],
            Command::Audit(audit) => audit.paths(),
            _ => Vec::new(),
        };
        for path in paths {
            *path = std::path::absolute(&*path)
                .map_err(|error| Failure::io(format!("resolve {}", path.display()), error))?;
            if path.to_str().is_none() {
                return Err(Failure::usage(format!(
                    "the path {} is not UTF-8; rename it, or reach it through a link with another name",
                    path.display()
                )));
            }
        }
        Ok(self)
    }
}

/// Reads `90s`, `15m`, `12h` or `7d` as seconds.
pub fn parse_duration(text: &str) -> Result<u64> {
    let bad = || Failure::usage(format!("invalid duration `{text}`; write 90s, 15m, 12h or 7d"));
    let unit = match text.chars().last().ok_or_else(bad)? {
        's' => 1,
        'm' => 60,
        'h' => 3600,
        'd' => 24 * 3600,
        _ => return Err(bad()),
    };
    let count: u64 = text.get(..text.len() - 1).and_then(|count| count.parse().ok()).ok_or_else(bad)?;
    let seconds = count.checked_mul(unit).ok_or_else(bad)?;
    // At most a century: added to a time in milliseconds since 1970, it cannot overflow.
    if (1..=100 * 366 * 24 * 3600).contains(&seconds) { Ok(seconds) } else { Err(bad()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_have_units_and_bounds() {
        assert_eq!(parse_duration("90s").unwrap(), 90);
        assert_eq!(parse_duration("7d").unwrap(), 604_800);
        for text in ["", "7", "d", "-1d", "0s", "9999999999999999999d", "七d", "7日"] {
            assert!(parse_duration(text).is_err(), "{text}");
        }
    }

    /// Symptom: such a path worked when the command opened the home itself, and ended with an internal error
    /// when a server held the home.
    #[test]
    fn a_path_that_is_not_utf_8_is_refused_wherever_the_command_runs() {
        use std::os::unix::ffi::OsStrExt;
        let folder = || PathBuf::from(std::ffi::OsStr::from_bytes(b"films-\xff"));
        let publish = Publish { source: folder(), ..Publish::default() };
        let commands = [
            Command::Ingest(Ingest { options: publish, ..Ingest::default() }),
            Command::Restore(Restore::all("films".parse().unwrap(), folder())),
        ];
        for command in commands {
            assert_eq!(command.absolute().unwrap_err().exit, crate::Exit::Usage);
        }
    }

    #[test]
    fn commands_cross_the_admin_socket_unchanged() {
        let commands = [
            Command::Status,
            Command::Statements(Statements::default()),
            Command::Offer(Offer {
                library: "ab".into(),
                statements: vec![Envelope(vec![0, 255].into())],
                unopposed: true,
            }),
            Command::Cat(Cat {
                release: "films@3".parse().unwrap(),
                path: "a/b".into(),
                range: Some(ByteRange::Last(3)),
            }),
        ];
        for command in commands {
            let text = serde_json::to_string(&command).unwrap();
            assert_eq!(serde_json::from_str::<Command>(&text).unwrap(), command, "{text}");
        }
    }
}
