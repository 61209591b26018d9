//! The wanted release and the properties of it that statements tell.
//!
//! Owns the requester's view of the library, which only verified statements change. The sender of a statement
//! does not matter, nor the order in which statements come.

use std::collections::BTreeMap;

use bytes::Bytes;

use crate::{
    error::{Error, Result},
    id::{Commitment, LibraryId, ManifestId, NodeId, StatementId},
    limits::{ANSWER_STATEMENTS, ANSWER_STATEMENTS_BYTES, FETCH_HAVE, FETCH_RELEASES, PULL_HAVE, PULL_KNOWN},
    manifest::table::{ClassHeader, ClassTable},
    statement::{
        Body, Heading, Statement, StatementKind,
        access::{self, Act},
        library::{Accepted, Library},
    },
    store::{Objects, PageState},
    sync::message::Want,
};

/// The wanted release or channel, and the statements that are known about it.
#[derive(Debug)]
pub(super) struct Claim {
    library: Library,
    want: Want,
    /// The node that fetches: only the classes that it is granted must come. If `None`, all classes must
    /// come.
    node: Option<NodeId>,
    now_ms: i64,
    /// Statements as received. A source may send many; they are processed only when they are needed.
    offered: Vec<Bytes>,
    offered_bytes: usize,
    /// New statements that the library accepted, effective or not; stored when the pull is done.
    accepted: Vec<Statement>,
    /// Why statements were rejected, for people.
    rejected: Vec<String>,
    /// Why statements are ineffective, for people.
    ineffective: Vec<String>,
    /// The channel statement at the source, where a newer one is known here.
    superseded: Option<StatementId>,
}

/// The release that is wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Target {
    pub(super) release: StatementId,
    pub(super) sequence: u64,
    pub(super) manifest: ManifestId,
}

impl Claim {
    pub(super) fn new(library: Library, want: Want, node: Option<NodeId>, now_ms: i64) -> Self {
        Self {
            library,
            want,
            node,
            now_ms,
            offered: Vec::new(),
            offered_bytes: 0,
            accepted: Vec::new(),
            rejected: Vec::new(),
            ineffective: Vec::new(),
            superseded: None,
        }
    }

    pub(super) fn library(&self) -> LibraryId {
        self.library.id()
    }

    pub(super) fn want(&self) -> &Want {
        &self.want
    }

    /// The classes that are held whole, in the newest releases; of each class only the newest few versions.
    pub(super) fn have(&self, store: &dyn Objects) -> Result<Vec<Commitment>> {
        let mut have = Vec::new();
        let mut versions: BTreeMap<u8, usize> = BTreeMap::new();
        for table in self.tables(store) {
            for (slot, commitment) in table.classes {
                let versions = versions.entry(slot).or_default();
                let has_room = have.len() < PULL_HAVE && *versions < FETCH_HAVE;
                if has_room && !have.contains(&commitment) && is_whole(store, &commitment)? {
                    have.push(commitment);
                    *versions += 1;
                }
            }
        }
        Ok(have)
    }

    /// The versions of the class in `slot` that are held whole, newest first: at most [`FETCH_HAVE`].
    pub(super) fn versions(&self, store: &dyn Objects, slot: u8) -> Result<Vec<Commitment>> {
        let mut have = Vec::new();
        for table in self.tables(store) {
            for (_, commitment) in table.classes.into_iter().filter(|(of, _)| *of == slot) {
                if have.len() < FETCH_HAVE && !have.contains(&commitment) && is_whole(store, &commitment)? {
                    have.push(commitment);
                }
            }
        }
        Ok(have)
    }

    /// The tables of the newest releases that are held, newest first.
    fn tables(&self, store: &dyn Objects) -> impl Iterator<Item = ClassTable> {
        let releases = self.library.releases().into_iter().rev().take(FETCH_RELEASES);
        releases.filter_map(|said| ClassTable::load(store, &said.body.manifest).ok())
    }

    /// Whether this node is granted the class of this name, as far as is known.
    pub(super) fn is_granted(&self, class: &str) -> bool {
        self.node.is_none_or(|node| {
            access::decide(&self.library, &node, None, Act::Read(class), self.now_ms).is_allowed()
        })
    }

    /// A description of the class in `slot` of the wanted release, where its header must have come. It must
    /// come where all classes are granted, or where the newest held version of the slot's class has a name
    /// that is granted. A class keeps its slot.
    pub(super) fn due(&self, store: &dyn Objects, slot: u8) -> Option<String> {
        let headers = self.tables(store).filter_map(|table| {
            let (_, commitment) = table.classes.into_iter().find(|(other, _)| *other == slot)?;
            ClassHeader::load(store, &commitment).ok()
        });
        let known = headers.map(|header| header.name).next();
        match known {
            Some(name) => self.is_granted(&name).then(|| format!("`{name}`")),
            None => self.is_granted_all().then(|| format!("in slot {slot}")),
        }
    }

    /// Whether every class is granted, whatever its name.
    fn is_granted_all(&self) -> bool {
        self.node.is_none_or(|node| access::expects_all(&self.library, &node))
    }

    /// A class that this node's membership names without a pattern and that is not in `came`.
    pub(super) fn named_and_not_in(&self, came: &[&str]) -> Option<String> {
        let grants = self.library.grants(self.node.as_ref()?);
        let mut names = grants.flat_map(|said| said.body.classes.patterns());
        names.find(|class| !class.contains('*') && !came.contains(&class.as_str())).cloned()
    }

    /// The classes and patterns that this node's membership names.
    pub(super) fn named(&self) -> Vec<String> {
        let grants = self.node.iter().flat_map(|node| self.library.grants(node));
        grants.flat_map(|said| said.body.classes.patterns()).cloned().collect()
    }

    /// The name by which a release lists the class in `slot`; `None` where it lists none.
    pub(super) fn listed_as(&self, release: &StatementId, slot: u8) -> Option<String> {
        let said = self.library.release(release)?;
        said.body.classes.iter().find(|class| class.slot == slot).map(|class| class.name.clone())
    }

    /// The statements that the source need not send: the channel's, its release's where the release's table
    /// is here, the newest root's.
    pub(super) fn known(&self, store: &dyn Objects) -> Vec<StatementId> {
        let channel = match &self.want {
            Want::Channel(name) => self.library.channel(name),
            Want::Release(_) => None,
        };
        let release = match &self.want {
            Want::Channel(_) => channel.map(|said| said.body.release),
            Want::Release(release) => Some(*release),
        };
        let release = release.filter(|id| {
            let said = self.library.release(id);
            said.is_some_and(|said| ClassTable::load(store, &said.body.manifest).is_ok())
        });
        // The effective root: from a conflicting root the source could not tell which roots are newer.
        let root = self.library.root_statement();
        let mut known: Vec<_> =
            root.map(Statement::id).into_iter().chain(channel.map(|said| said.statement.id())).collect();
        known.extend(release);
        known.extend(channel.and_then(|said| said.body.term));
        known.truncate(PULL_KNOWN);
        known
    }

    /// The release to which the wanted channel points, by the statements known now.
    pub(super) fn announced(&self) -> Option<StatementId> {
        match &self.want {
            Want::Channel(name) => self.library.channel(name).map(|said| said.body.release),
            Want::Release(_) => None,
        }
    }

    /// Takes a statement from the source. It is only stored in memory until
    /// [`verify_offered`](Self::verify_offered).
    pub(super) fn offer(&mut self, bytes: Bytes) -> Result<()> {
        self.offered_bytes += bytes.len();
        if self.offered.len() >= ANSWER_STATEMENTS || self.offered_bytes > ANSWER_STATEMENTS_BYTES {
            return Err(Error::Peer(format!(
                "more than {ANSWER_STATEMENTS} statements of {ANSWER_STATEMENTS_BYTES} bytes in an answer"
            )));
        }
        let heading = Heading::read(&bytes)?;
        if heading.library() != self.library.id() {
            return Err(Error::Peer("a statement of another library in an answer".into()));
        }
        // Dropped here: kinds of later versions, and kinds that nodes repeat without end. The statement
        // exchange limits the rate of the latter.
        if heading.kind().is_none_or(StatementKind::is_passing) {
            return Ok(());
        }
        self.offered.push(bytes);
        Ok(())
    }

    /// Verifies the offered statements and returns the wanted release. Where a channel is wanted and the
    /// source sent no news of it, that is the release known here.
    ///
    /// # Errors
    ///
    /// [`Error::Denied`] where a statement is not authorized, [`Error::Invalid`] where one is forged or
    /// malformed.
    pub(super) fn resolve(&mut self) -> Result<Target> {
        self.verify_offered()?;
        if !self.rejected.is_empty() {
            return Err(self.unproved());
        }
        self.target().ok_or_else(|| self.unproved())
    }

    /// The wanted release, by the statements known now.
    pub(super) fn target(&self) -> Option<Target> {
        let release = match &self.want {
            Want::Release(release) => Some(*release),
            Want::Channel(_) => self.announced(),
        };
        let said = self.library.release(&release?)?;
        Some(Target {
            release: said.statement.id(),
            sequence: said.statement.sequence(),
            manifest: said.body.manifest,
        })
    }

    /// Verifies the offered statements.
    ///
    /// # Errors
    ///
    /// [`Error::Invalid`] where a statement is forged or malformed.
    pub(super) fn verify_offered(&mut self) -> Result<()> {
        self.offered_bytes = 0;
        let offered = std::mem::take(&mut self.offered);
        let offered: Vec<_> = offered.iter().map(|bytes| Statement::decode(bytes)).collect::<Result<_>>()?;
        let outcomes = self.library.offer_all(&offered, self.now_ms);
        self.superseded = self.find_superseded(&offered).or(self.superseded);
        for (statement, outcome) in offered.into_iter().zip(outcomes) {
            let outcome = match outcome {
                // The source has another root of that version as its effective root; a quorum may sign
                // several.
                Err(Error::Denied(reason)) if statement.kind() == StatementKind::Root => {
                    self.ineffective.push(format!("its root is not accepted: {reason}"));
                    continue;
                }
                outcome => outcome?,
            };
            match outcome {
                Accepted::New => self.accepted.push(statement),
                Accepted::Known | Accepted::Superseded => {}
                Accepted::Ineffective { reason } => {
                    self.ineffective
                        .push(format!("its {} is ineffective: {reason}", statement.kind().name()));
                    self.accepted.push(statement);
                }
                Accepted::Unauthorized { reason } => {
                    self.rejected
                        .push(format!("its {} is not authorized: {reason}", statement.kind().name()));
                }
            }
        }
        // In the form in which the library has them now: with all signatures, and without statements that a
        // later one of the answer superseded.
        let known = |statement: &Statement| self.library.statement(&statement.id()).cloned();
        self.accepted = self.accepted.iter().filter_map(known).collect();
        // In the order in which they prove each other, so that they can be loaded one by one.
        self.accepted.sort_by_key(|statement| (statement.kind(), statement.sequence()));
        Ok(())
    }

    /// The channel statement at the source, where a newer one that names another release is known here.
    pub(super) fn superseded(&self) -> Option<StatementId> {
        self.superseded
    }

    /// The last offered statement about the wanted channel, where a newer one that names another release is
    /// known here. A source that sends the current statement, or the operator's statement on which that
    /// rests, is not behind.
    fn find_superseded(&self, offered: &[Statement]) -> Option<StatementId> {
        let Want::Channel(name) = &self.want else { return None };
        let current = self.library.channel(name)?;
        let about_channel = offered.iter().filter_map(|statement| match statement.body() {
            Body::Channel(body) if body.name == *name => Some((statement.id(), body.release)),
            _ => None,
        });
        let is_current = |(id, release): &(StatementId, StatementId)| {
            *id == current.statement.id()
                || Some(*id) == current.body.term
                || *release == current.body.release
        };
        let about_channel: Vec<_> = about_channel.collect();
        if about_channel.iter().any(is_current) { None } else { about_channel.last().map(|(id, _)| *id) }
    }

    /// Whether all granted data of a release is here, as far as page marks tell.
    pub(super) fn is_here(&self, store: &dyn Objects, target: &Target) -> bool {
        let Ok(table) = ClassTable::load(store, &target.manifest) else { return false };
        let mut roots = Vec::new();
        for (slot, commitment) in &table.classes {
            match ClassHeader::load(store, commitment) {
                Ok(header) if self.is_granted(&header.name) => roots.push(header.root),
                Ok(_) => {}
                Err(_) if self.due(store, *slot).is_some() => return false,
                Err(_) => {}
            }
        }
        let states = store.page_states(&roots).unwrap_or_default();
        !states.is_empty() && states.iter().all(|state| *state == PageState::Full)
    }

    fn unproved(&self) -> Error {
        let what = match &self.want {
            Want::Channel(name) => format!("channel `{name}`"),
            Want::Release(release) => format!("release {}", release.short()),
        };
        let why: Vec<_> = self.rejected.iter().chain(&self.ineffective).map(String::as_str).collect();
        let why = if why.is_empty() { "no statement was rejected".to_owned() } else { why.join("; ") };
        Error::Denied(format!("the source's statements do not prove {what} of the library: {why}"))
    }

    /// Fails where a class gains a path of another class in `release`, as far as the data here tells.
    pub(super) fn check_trespass(&self, store: &dyn Objects, release: &StatementId) -> Result<()> {
        self.library.check_trespass(store, release)
    }

    /// The new statements that the release needs. A release whose data is not here is left out, except where
    /// an accepted channel statement (an operator's term) names it.
    pub(super) fn statements(&self, target: &Target) -> Vec<Statement> {
        let named = |id| {
            self.accepted.iter().any(|said| matches!(said.body(), Body::Channel(body) if body.release == id))
        };
        let keeps = |said: &&Statement| {
            said.kind() != StatementKind::Release || said.id() == target.release || named(said.id())
        };
        self.accepted.iter().filter(keeps).cloned().collect()
    }
}

/// Whether a class is held whole, as far as page marks tell.
fn is_whole(store: &dyn Objects, commitment: &Commitment) -> Result<bool> {
    let Ok(header) = ClassHeader::load(store, commitment) else { return Ok(false) };
    Ok(store.page_states(&[header.root])?.first() == Some(&PageState::Full))
}
