//! Commands that sign for a library. The process of the caller signs the statements and hands them to the
//! node finished. So these commands are not part of [`Command`](super::Command), and no request over a socket
//! can contain one.

use std::path::PathBuf;

use chuan_engine::statement::{PublicKey, Region, Verbs};
#[cfg(feature = "clap")]
use clap::{Args, Subcommand};

use super::{Fresh, Promote, Publish, Role, Rollback, SetChannel, SetPolicy};
#[cfg(feature = "clap")]
use crate::{
    command::parse_duration,
    exit::{Failure, Result},
};

/// A command that signs with the caller's key.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "clap", derive(Subcommand))]
pub enum Signed {
    /// Ingest the changes of a folder or file, sign a release and move the channel `live` to it
    Publish {
        /// The source and the options.
        #[cfg_attr(feature = "clap", command(flatten))]
        options: Publish,
        /// The publisher's key.
        #[cfg_attr(feature = "clap", command(flatten))]
        keys: Keys,
    },
    /// Found a library with a root that was prepared with `chuan root`, and make this node a member
    Found {
        /// The root.
        #[cfg_attr(feature = "clap", command(flatten))]
        options: Found,
        /// An operator's key.
        #[cfg_attr(feature = "clap", command(flatten))]
        keys: Keys,
    },
    /// Print a ticket that makes another node a member (last line of the output)
    Invite {
        /// The terms of the ticket.
        #[cfg_attr(feature = "clap", command(flatten))]
        options: Invite,
        /// The operator's key.
        #[cfg_attr(feature = "clap", command(flatten))]
        keys: Keys,
    },
    /// Make a node a member, or change what it may do
    Grant {
        /// The node and its rights.
        #[cfg_attr(feature = "clap", command(flatten))]
        options: Grant,
        /// The operator's key.
        #[cfg_attr(feature = "clap", command(flatten))]
        keys: Keys,
    },
    /// End all rights of a node; only a later grant admits it again
    Revoke {
        /// The node and the reason.
        #[cfg_attr(feature = "clap", command(flatten))]
        options: Revoke,
        /// The operator's key.
        #[cfg_attr(feature = "clap", command(flatten))]
        keys: Keys,
    },
    /// Set the policy of a library: `policy set` on the command line
    #[cfg_attr(feature = "clap", command(skip))]
    Policy {
        /// The library and the file.
        options: SetPolicy,
        /// The operator's key.
        keys: Keys,
    },
    /// Point a channel to a release: `channel set` on the command line
    #[cfg_attr(feature = "clap", command(skip))]
    SetChannel {
        /// The channel and its release.
        options: SetChannel,
        /// The operator's key, or the active publisher's.
        keys: Keys,
    },
    /// Move a channel to the release of another channel
    Promote {
        /// The two channels.
        #[cfg_attr(feature = "clap", command(flatten))]
        options: Promote,
        /// The operator's key, or the active publisher's.
        #[cfg_attr(feature = "clap", command(flatten))]
        keys: Keys,
    },
    /// Move a channel back to a release to which it has pointed
    Rollback {
        /// The channel and the release to go back to.
        #[cfg_attr(feature = "clap", command(flatten))]
        options: Rollback,
        /// The operator's key, or the active publisher's.
        #[cfg_attr(feature = "clap", command(flatten))]
        keys: Keys,
    },
    /// Vouch, as a timekeeper of the library, for the current statement about a channel
    Fresh {
        /// The channel.
        #[cfg_attr(feature = "clap", command(flatten))]
        options: Fresh,
        /// The timekeeper's key.
        #[cfg_attr(feature = "clap", command(flatten))]
        keys: Keys,
    },
}

/// Options of `found`.
#[derive(Clone, Debug, Default, PartialEq)]
#[cfg_attr(feature = "clap", derive(Args))]
#[cfg_attr(feature = "clap", group(skip))]
pub struct Found {
    /// The file of roots, signed by enough keys
    pub file: PathBuf,
}

/// Options of `grant`.
#[derive(Clone, Debug, Default, PartialEq)]
#[cfg_attr(feature = "clap", derive(Args))]
#[cfg_attr(feature = "clap", group(skip))]
pub struct Grant {
    /// The node: its id; for a member also the beginning of its id, or its name
    pub node: String,
    /// The library; may be left out if the home has only one
    #[cfg_attr(feature = "clap", arg(long, short = 'l', value_name = "NAME"))]
    pub library: Option<String>,
    /// A class that the node may have; `*` is any run of characters; may be repeated [default: as before]
    #[cfg_attr(feature = "clap", arg(long = "class", value_name = "CLASS", conflicts_with = "all_classes"))]
    pub classes: Vec<String>,
    /// All classes, also classes that are added later
    #[cfg_attr(feature = "clap", arg(long))]
    pub all_classes: bool,
    /// The node's rights: pull, or watch (statements only); several with commas [default: as before, or pull]
    #[cfg_attr(feature = "clap", arg(long, value_delimiter = ',', value_parser = parse_verb))]
    pub verbs: Vec<Verbs>,
    /// The node's name [default: as before]
    #[cfg_attr(feature = "clap", arg(long))]
    pub name: Option<String>,
    /// The node's role [default: as before, or mirror]
    #[cfg_attr(feature = "clap", arg(long, value_enum))]
    pub role: Option<Role>,
    /// The region to which the node is bound; rules and votes use this region [default: as before, or none]
    #[cfg_attr(feature = "clap", arg(long, value_name = "REGION"))]
    pub region: Option<Region>,
    /// Bind the node to no region
    #[cfg_attr(feature = "clap", arg(long, conflicts_with = "region"))]
    pub no_region: bool,
    /// How long the grant is valid: a number and s, m, h or d [default: without end]
    #[cfg_attr(feature = "clap", arg(long, value_name = "TIME", value_parser = parse_duration))]
    pub expires: Option<u64>,
    /// The key of the node, as `chuan id` prints it there: for a new node, or a node that has lost its key
    #[cfg_attr(feature = "clap", arg(long, value_name = "KEY"))]
    pub node_key: Option<PublicKey>,
    /// Take a class that the library does not have: for a class that a later publish makes
    #[cfg_attr(feature = "clap", arg(long))]
    pub new_class: bool,
    /// Print what the act would change and take away; sign nothing
    #[cfg_attr(feature = "clap", arg(long, short = 'n', conflicts_with = "request"))]
    pub dry_run: bool,
    /// Do it although it takes something away, and do not ask
    #[cfg_attr(feature = "clap", arg(long, short))]
    pub yes: bool,
    /// Write the act to this file instead of doing it; other operators sign it with `chuan sign`
    #[cfg_attr(feature = "clap", arg(long, value_name = "FILE"))]
    pub request: Option<PathBuf>,
}

/// Options of `revoke`.
#[derive(Clone, Debug, Default, PartialEq)]
#[cfg_attr(feature = "clap", derive(Args))]
#[cfg_attr(feature = "clap", group(skip))]
pub struct Revoke {
    /// The node: its id; for a member also the beginning of its id, or its name
    pub node: String,
    /// The library; may be left out if the home has only one
    #[cfg_attr(feature = "clap", arg(long, short = 'l', value_name = "NAME"))]
    pub library: Option<String>,
    /// The reason, in a line that every member can read
    #[cfg_attr(feature = "clap", arg(long, default_value = ""))]
    pub reason: String,
    /// Revoke the node of this home: it is then shut out, and so are the nodes that joined through it
    #[cfg_attr(feature = "clap", arg(long))]
    pub this_node: bool,
    /// Print what the act would change and take away; sign nothing
    #[cfg_attr(feature = "clap", arg(long, short = 'n', conflicts_with = "request"))]
    pub dry_run: bool,
    /// Do it although it takes something away, and do not ask
    #[cfg_attr(feature = "clap", arg(long, short))]
    pub yes: bool,
    /// Write the act to this file instead of doing it; other operators sign it with `chuan sign`
    #[cfg_attr(feature = "clap", arg(long, value_name = "FILE"))]
    pub request: Option<PathBuf>,
}

/// The keys to sign with.
#[derive(Clone, Debug, Default, PartialEq)]
#[cfg_attr(feature = "clap", derive(Args))]
#[cfg_attr(feature = "clap", group(skip))]
pub struct Keys {
    /// The key file to sign with; may be repeated [default: the home's own]
    #[cfg_attr(feature = "clap", arg(long = "key", env = "CHUAN_KEY", value_name = "FILE"))]
    pub files: Vec<PathBuf>,
}

/// Options of `invite`.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "clap", derive(Args))]
#[cfg_attr(feature = "clap", group(skip))]
pub struct Invite {
    /// The library; may be left out if the home has only one
    #[cfg_attr(feature = "clap", arg(long, short = 'l', value_name = "NAME"))]
    pub library: Option<String>,
    /// How long the ticket can be used: a number and s, m, h or d
    #[cfg_attr(feature = "clap", arg(long, default_value = "7d", value_name = "TIME", value_parser = parse_duration))]
    pub expires: u64,
    /// The role of the new member [default: mirror or edge, as its own configuration says]
    #[cfg_attr(feature = "clap", arg(long, value_enum))]
    pub role: Option<Role>,
    /// The region to which the new member is bound [default: none]
    #[cfg_attr(feature = "clap", arg(long, value_name = "REGION"))]
    pub region: Option<Region>,
    /// A class that the new member may have; `*` is any run of characters; may be repeated [default: all]
    #[cfg_attr(feature = "clap", arg(long = "class", value_name = "CLASS"))]
    pub classes: Vec<String>,
    /// How many nodes may join with the ticket
    #[cfg_attr(feature = "clap", arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=1_000_000)))]
    pub uses: u32,
    /// Let only this node redeem the ticket [default: every mirror that is known to be reachable may redeem
    /// it, so that a join does not depend on this node]
    #[cfg_attr(feature = "clap", arg(long))]
    pub only_here: bool,
    /// An address to put in the ticket, instead of the configured or detected addresses; may be repeated
    #[cfg_attr(feature = "clap", arg(long = "address", value_name = "HOST:PORT"))]
    pub addresses: Vec<String>,
    /// Take a class that the library does not have: for a class that a later publish makes
    #[cfg_attr(feature = "clap", arg(long))]
    pub new_class: bool,
    /// Write the act to this file instead of doing it; other operators sign it with `chuan sign`
    #[cfg_attr(feature = "clap", arg(long, value_name = "FILE"))]
    pub request: Option<PathBuf>,
}

impl Default for Invite {
    fn default() -> Self {
        Self {
            library: None,
            expires: 7 * 24 * 3600,
            role: None,
            region: None,
            classes: Vec::new(),
            uses: 1,
            only_here: false,
            addresses: Vec::new(),
            new_class: false,
            request: None,
        }
    }
}

impl Signed {
    /// The word on the command line.
    pub const fn name(&self) -> &'static str {
        match self {
            Signed::Publish { .. } => "publish",
            Signed::Found { .. } => "found",
            Signed::Invite { .. } => "invite",
            Signed::Grant { .. } => "grant",
            Signed::Revoke { .. } => "revoke",
            Signed::Policy { .. } => "policy set",
            Signed::SetChannel { .. } => "channel set",
            Signed::Promote { .. } => "promote",
            Signed::Rollback { .. } => "rollback",
            Signed::Fresh { .. } => "fresh",
        }
    }

    /// The keys to sign with.
    pub fn keys(&self) -> &Keys {
        match self {
            Signed::Publish { keys, .. }
            | Signed::Found { keys, .. }
            | Signed::Invite { keys, .. }
            | Signed::Grant { keys, .. }
            | Signed::Revoke { keys, .. }
            | Signed::Policy { keys, .. }
            | Signed::SetChannel { keys, .. }
            | Signed::Promote { keys, .. }
            | Signed::Rollback { keys, .. }
            | Signed::Fresh { keys, .. } => keys,
        }
    }
}

impl Signed {
    /// Whether the command may have to be confirmed: an act that can take something away, and is neither a
    /// dry run, nor confirmed, nor a request for other operators.
    pub fn may_ask(&self) -> bool {
        self.clone().asking().is_some_and(|(dry_run, yes, request)| !*dry_run && !*yes && request.is_none())
    }

    /// The same command as a dry run; `None` for a command without one.
    pub fn dry(mut self) -> Option<Self> {
        *self.asking()?.0 = true;
        Some(self)
    }

    /// The same command, confirmed.
    pub fn confirmed(mut self) -> Self {
        if let Some((_, yes, _)) = self.asking() {
            *yes = true;
        }
        self
    }

    /// The fields `dry_run`, `yes` and `request` of an act that can take something away.
    fn asking(&mut self) -> Option<(&mut bool, &mut bool, &mut Option<PathBuf>)> {
        match self {
            Signed::Grant { options: o, .. } => Some((&mut o.dry_run, &mut o.yes, &mut o.request)),
            Signed::Revoke { options: o, .. } => Some((&mut o.dry_run, &mut o.yes, &mut o.request)),
            Signed::Policy { options: o, .. } => Some((&mut o.dry_run, &mut o.yes, &mut o.request)),
            Signed::SetChannel { options: o, .. } => Some((&mut o.dry_run, &mut o.yes, &mut o.request)),
            Signed::Promote { options: o, .. } => Some((&mut o.dry_run, &mut o.yes, &mut o.request)),
            Signed::Rollback { options: o, .. } => Some((&mut o.dry_run, &mut o.yes, &mut o.request)),
            Signed::Publish { .. } | Signed::Found { .. } | Signed::Invite { .. } | Signed::Fresh { .. } => {
                None
            }
        }
    }
}

#[cfg(feature = "clap")]
fn parse_verb(text: &str) -> Result<Verbs> {
    let named = Verbs::NAMED.into_iter().find(|(name, _)| *name == text);
    named
        .map(|(_, verb)| verb)
        .ok_or_else(|| Failure::usage(format!("invalid verb `{text}`; use pull or watch")))
}
