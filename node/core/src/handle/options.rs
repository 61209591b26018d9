//! The options of commands: what to publish, pull, restore and grant, and how. Each has the defaults of the
//! command line.

use std::{path::PathBuf, time::Duration};

use chuan_engine::{
    id::{LibraryId, NodeId},
    ingest::MaxDelete,
    statement::{PublicKey, Region, Verbs},
};

use super::{Channel, ReleaseName};
use crate::command::{self, Growing, Packing, Role};

/// A folder or file to publish, and how.
#[derive(Clone, Debug, Default)]
#[must_use]
pub struct Publish(command::Publish);

impl Publish {
    /// The folder at `source`, which becomes the content of the library; or a file, which is added to it, or
    /// replaces its old version.
    pub fn new(source: impl Into<PathBuf>) -> Self {
        Self(command::Publish { source: source.into(), ..command::Publish::default() })
    }

    /// The path of a single file in the library; without it, its name at the top.
    pub fn at(mut self, path: impl Into<String>) -> Self {
        self.0.path = Some(path.into());
        self
    }

    /// A line about the changes, kept in the release.
    pub fn message(mut self, message: impl Into<String>) -> Self {
        self.0.message = message.into();
        self
    }

    /// A TOML file that assigns paths to the classes of the library; later publishes keep it.
    pub fn policy(mut self, file: impl Into<PathBuf>) -> Self {
        self.0.policy = Some(file.into());
        self
    }

    /// Leaves out items that match, as in a .gitignore. May be repeated.
    pub fn exclude(mut self, pattern: impl Into<String>) -> Self {
        self.0.exclude.push(pattern.into());
        self
    }

    /// Takes items that match although other patterns leave them out. May be repeated.
    pub fn include(mut self, pattern: impl Into<String>) -> Self {
        self.0.include.push(pattern.into());
        self
    }

    /// Takes known junk, which is left out by default.
    pub fn junk(mut self) -> Self {
        self.0.no_junk = true;
        self
    }

    /// How much of the published content may be gone from the source.
    pub fn max_delete(mut self, limit: MaxDelete) -> Self {
        self.0.max_delete = Some(limit.to_string()).filter(|_| limit != MaxDelete::Half);
        self
    }

    /// Whether to take a file that is being written.
    pub fn growing(mut self, growing: Growing) -> Self {
        self.0.growing = growing;
        self
    }

    /// Takes the extended attributes of files, of the namespace `user`, up to 1 KiB a file.
    pub fn xattrs(mut self) -> Self {
        self.0.xattrs = true;
        self
    }

    /// Reads every file, also files whose size, times and inode have not changed.
    pub fn check(mut self) -> Self {
        self.0.check = true;
        self
    }

    /// Publishes even if this home lacks statements of its own key, if no peer can be asked for them, or if
    /// the content does not seem to fit on the disk.
    pub fn force(mut self) -> Self {
        self.0.force = true;
        self
    }

    /// Founds a library although there is nothing to publish.
    pub fn allow_empty(mut self) -> Self {
        self.0.allow_empty = true;
        self
    }

    pub(super) fn command(self, library: String, dry_run: bool) -> command::Publish {
        command::Publish { library, dry_run, found: true, ..self.0 }
    }
}

/// A release to pull, and how.
#[derive(Clone, Debug)]
#[must_use]
pub struct Pull {
    pub(super) release: ReleaseName,
    into: Channel,
    from: Option<String>,
    packing: Option<Packing>,
}

impl Pull {
    /// The announced release of a channel, or one release.
    pub fn new(release: impl Into<ReleaseName>) -> Self {
        Self { release: release.into(), into: Channel::LIVE, from: None, packing: None }
    }

    /// For a release that is named by its id or sequence: the channel that may move to it, if that is a move
    /// forward. Without it, `live`.
    pub fn into_channel(mut self, channel: Channel) -> Self {
        self.into = channel;
        self
    }

    /// Asks only this node.
    pub fn only_from(mut self, node: NodeId) -> Self {
        self.from = Some(node.to_string());
        self
    }

    /// Asks only the node at this address, `HOST:PORT`.
    pub fn only_from_address(mut self, address: impl Into<String>) -> Self {
        self.from = Some(address.into());
        self
    }

    /// Whether the source saves bytes or time. Without it, the setting of the home.
    pub fn packing(mut self, packing: Packing) -> Self {
        self.packing = Some(packing);
        self
    }

    pub(super) fn command(self, library: &LibraryId, dry_run: bool) -> command::Pull {
        let Self { release, into, from, packing } = self;
        let (library, channel) = match release {
            ReleaseName::Channel(channel) => (library.to_string(), channel),
            ReleaseName::Id(id) => (format!("{library}@{id}"), into),
            ReleaseName::Sequence(sequence) => (format!("{library}@{sequence}"), into),
        };
        let channel = channel.to_string();
        command::Pull { library: Some(library), channel, from, packing, dry_run }
    }
}

impl<T: Into<ReleaseName>> From<T> for Pull {
    fn from(release: T) -> Self {
        Self::new(release)
    }
}

/// A release to restore, the folder that is brought to it, and how.
#[derive(Clone, Debug)]
#[must_use]
pub struct Restore {
    pub(super) release: ReleaseName,
    dest: PathBuf,
    path: Option<String>,
    check: bool,
    delete: bool,
    no_hard_links: bool,
    xattrs: bool,
}

impl Restore {
    /// All of a release, to the folder `dest`, which is made if it does not exist.
    pub fn new(release: impl Into<ReleaseName>, dest: impl Into<PathBuf>) -> Self {
        Self {
            release: release.into(),
            dest: dest.into(),
            path: None,
            check: false,
            delete: false,
            no_hard_links: false,
            xattrs: false,
        }
    }

    /// Gives files the extended attributes that they were published with, and removes others of the namespace
    /// `user`.
    pub fn xattrs(mut self) -> Self {
        self.xattrs = true;
        self
    }

    /// Only this path of the release, or the paths that this pattern matches.
    pub fn path(mut self, path: impl Into<String>) -> Self {
        self.path = Some(path.into());
        self
    }

    /// Compares also the content of files that have not changed since they were restored.
    pub fn check(mut self) -> Self {
        self.check = true;
        self
    }

    /// Removes items that the release does not have, also those that no restore wrote.
    pub fn delete(mut self) -> Self {
        self.delete = true;
        self
    }

    /// Writes each name of a hard-linked file as a separate file.
    pub fn no_hard_links(mut self) -> Self {
        self.no_hard_links = true;
        self
    }

    pub(super) fn command(self, release: crate::spec::Spec, dry_run: bool) -> command::Restore {
        let Self { release: _, dest, path, check, delete, no_hard_links, xattrs } = self;
        command::Restore { release, dest, path, check, delete, dry_run, no_hard_links, xattrs }
    }
}

/// The rights of a node. For a member, rights that are not given stay as they are, except the end: each grant
/// sets it anew.
#[derive(Clone, Debug, Default)]
#[must_use]
pub struct Grant(command::Grant);

impl Grant {
    /// No change. A new member needs at least a class, or all of them, and its key.
    pub fn new() -> Self {
        Self::default()
    }

    /// A class that the node may have, also one that the library does not have yet; `*` is any run of
    /// characters. May be repeated. Replaces [`Grant::all_classes`].
    pub fn class(mut self, class: impl Into<String>) -> Self {
        self.0.all_classes = false;
        self.0.classes.push(class.into());
        self
    }

    /// All classes, also classes that are added later. Replaces [`Grant::class`].
    pub fn all_classes(mut self) -> Self {
        self.0.classes.clear();
        self.0.all_classes = true;
        self
    }

    /// The verbs of the node on its classes. A new member may pull.
    pub fn verbs(mut self, verbs: Verbs) -> Self {
        self.0.verbs = vec![verbs];
        self
    }

    /// The name of the node.
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.0.name = Some(name.into());
        self
    }

    /// The role of the node. A new member is a mirror.
    pub fn role(mut self, role: Role) -> Self {
        self.0.role = Some(role);
        self
    }

    /// The region to which the node is bound.
    pub fn region(mut self, region: Region) -> Self {
        (self.0.region, self.0.no_region) = (Some(region), false);
        self
    }

    /// Binds the node to no region.
    pub fn no_region(mut self) -> Self {
        (self.0.region, self.0.no_region) = (None, true);
        self
    }

    /// The time for which the grant is valid, in whole seconds, at least one. Without it the grant has no
    /// end, also if the grant before had one.
    pub fn expires(mut self, after: Duration) -> Self {
        self.0.expires = Some(after.as_secs().max(1));
        self
    }

    /// The key of the node: for a new member, or a node that has lost its key.
    pub fn node_key(mut self, key: PublicKey) -> Self {
        self.0.node_key = Some(key);
        self
    }

    pub(super) fn command(self, library: &LibraryId, node: &NodeId) -> command::Grant {
        let (library, node) = (Some(library.to_string()), node.to_string());
        command::Grant { library, node, new_class: true, yes: true, ..self.0 }
    }
}

/// The terms of a ticket.
#[derive(Clone, Debug, Default)]
#[must_use]
pub struct Invite(command::Invite);

impl Invite {
    /// A ticket for one node, for all classes, that can be used for seven days.
    pub fn new() -> Self {
        Self::default()
    }

    /// The time for which the ticket can be used, in whole seconds, at least one.
    pub fn expires(mut self, after: Duration) -> Self {
        self.0.expires = after.as_secs().max(1);
        self
    }

    /// The number of nodes that may join with the ticket.
    pub fn uses(mut self, uses: u32) -> Self {
        self.0.uses = uses;
        self
    }

    /// A class that the new member may have, also one that the library does not have yet; `*` is any run of
    /// characters. May be repeated.
    pub fn class(mut self, class: impl Into<String>) -> Self {
        self.0.classes.push(class.into());
        self
    }

    /// The role of the new member. Without it, mirror or edge, as its own configuration says.
    pub fn role(mut self, role: Role) -> Self {
        self.0.role = Some(role);
        self
    }

    /// The region to which the new member is bound.
    pub fn region(mut self, region: Region) -> Self {
        self.0.region = Some(region);
        self
    }

    /// Lets only this node redeem the ticket.
    pub fn only_here(mut self) -> Self {
        self.0.only_here = true;
        self
    }

    /// An address in the ticket, instead of the configured or detected ones. May be repeated.
    pub fn address(mut self, address: impl Into<String>) -> Self {
        self.0.addresses.push(address.into());
        self
    }

    pub(super) fn command(self, library: &LibraryId) -> command::Invite {
        command::Invite { library: Some(library.to_string()), new_class: true, ..self.0 }
    }
}

#[cfg(test)]
mod tests {
    use chuan_engine::id::StatementId;

    use super::*;

    #[test]
    fn a_pull_names_its_release() {
        let library = LibraryId::from_bytes([7; 32]);
        let canary = Channel::new("canary").unwrap();
        let command = Pull::from(&canary).command(&library, false);
        assert_eq!((command.library, command.channel), (Some(library.to_string()), "canary".into()));
        let release = StatementId::from_bytes([9; 32]);
        let command = Pull::new(release).into_channel(canary).command(&library, true);
        assert_eq!(command.library, Some(format!("{library}@{release}")));
        assert!(command.dry_run && command.channel == "canary");
        assert_eq!(Pull::from(12).command(&library, false).library, Some(format!("{library}@12")));
    }

    #[test]
    fn the_default_limit_of_deletions_allows_a_few_small_files() {
        let limit = |limit| Publish::new("films").max_delete(limit).command(String::new(), false).max_delete;
        assert_eq!(limit(MaxDelete::Half), None);
        assert_eq!(limit(MaxDelete::Percent(50)).as_deref(), Some("50%"));
    }
}
