//! What a fetch is after, from statements alone: which release, and what that names.
//!
//! Owns the requester's view of the library, which it changes by verified statements only. Whoever sends them does
//! not matter, nor in which order they come.

use std::collections::{BTreeMap, BTreeSet};

use crate::{
    error::{Error, Result},
    id::{Commitment, LibraryId, ManifestId, NodeId, StatementId},
    limits::{ANSWER_STATEMENTS, FETCH_HAVE, FETCH_RELEASES, PULL_HAVE, PULL_KNOWN},
    manifest::table::{ClassHeader, ClassTable},
    statement::{
        Body, Statement, StatementKind, Verbs,
        library::{Accepted, Library},
    },
    store::{Ledger, Objects, PageState, Record, RefMove},
    sync::message::Want,
};

/// A want and what is known about it.
#[derive(Debug)]
pub(super) struct Claim {
    library: Library,
    want: Want,
    /// Who fetches, where only what it is granted must come.
    node: Option<NodeId>,
    now_ms: i64,
    offered: Vec<Statement>,
    /// Those that were new and stand; to be kept when the pull is done.
    accepted: Vec<Statement>,
    /// Those of them that were known before, with fewer signatures.
    countersigned: BTreeSet<StatementId>,
    /// Why statements were not taken, for people.
    doubts: Vec<String>,
    /// Why statements that were taken do not count.
    idle: Vec<String>,
    is_source_behind: bool,
}

/// The release that is wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Target {
    pub(super) release: StatementId,
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
            accepted: Vec::new(),
            countersigned: BTreeSet::new(),
            doubts: Vec::new(),
            idle: Vec::new(),
            is_source_behind: false,
        }
    }

    pub(super) fn library(&self) -> LibraryId {
        self.library.id()
    }

    pub(super) fn want(&self) -> &Want {
        &self.want
    }

    /// The classes that are held whole, of the newest releases: of each class the newest few versions.
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

    /// The tables of the newest releases that are held, newest first.
    fn tables(&self, store: &dyn Objects) -> impl Iterator<Item = ClassTable> {
        let releases = self.library.releases().into_iter().rev().take(FETCH_RELEASES);
        releases.filter_map(|said| ClassTable::load(store, &said.body.manifest).ok())
    }

    /// Whether the class of this name is granted here, as far as is known.
    pub(super) fn is_granted(&self, class: &str) -> bool {
        self.node.is_none_or(|node| self.library.may(&node, class, Verbs::PULL, self.now_ms))
    }

    /// What the class in `slot` of the wanted release is, where its header must have come: where everything is granted
    /// here, or where the newest version of it that is held is of a class that is. A class keeps its slot.
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

    /// Whether every class is granted here, whatever it is called.
    fn is_granted_all(&self) -> bool {
        self.node.is_none_or(|node| {
            let mut grants = self.library.grants(&node).map(|said| said.body.classes.is_all()).peekable();
            grants.peek().is_none() || grants.any(|is_all| is_all)
        })
    }

    /// A class that this node's membership names, as such and not by a pattern, and that is not among `came`.
    pub(super) fn named_and_not_in(&self, came: &[&str]) -> Option<String> {
        let grants = self.library.grants(self.node.as_ref()?);
        let mut names = grants.flat_map(|said| said.body.classes.patterns());
        names.find(|class| !class.contains('*') && !came.contains(&class.as_str())).cloned()
    }

    /// By which name a release lists the class in `slot`; nothing where it lists none.
    pub(super) fn listed_as(&self, release: &StatementId, slot: u8) -> Option<String> {
        let said = self.library.release(release)?;
        said.body.classes.iter().find(|class| class.slot == slot).map(|class| class.name.clone())
    }

    /// The statements that the source need not send: the channel's, its release's where its table is here, the newest
    /// root's.
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
        let statements = self.library.statements();
        let root = statements.iter().rfind(|statement| statement.kind() == StatementKind::Root);
        let mut known: Vec<_> =
            root.map(|root| root.id()).into_iter().chain(channel.map(|said| said.statement.id())).collect();
        known.extend(release);
        known.extend(channel.and_then(|said| said.body.term));
        known.truncate(PULL_KNOWN);
        known
    }

    /// Takes a statement that the source sent. Nothing comes of it before [`resolve`](Self::resolve).
    pub(super) fn offer(&mut self, bytes: &[u8]) -> Result<()> {
        if self.offered.len() >= ANSWER_STATEMENTS {
            return Err(Error::Peer(format!("more than {ANSWER_STATEMENTS} statements in an answer")));
        }
        let statement = Statement::decode(bytes)?;
        // What is said again and again comes by exchanges, which hold it to its rate.
        if !statement.kind().is_passing() {
            self.offered.push(statement);
        }
        Ok(())
    }

    /// Verifies what was offered and says which release is wanted. Where a channel is wanted and the source has no news
    /// of it, that is the release that is known here.
    ///
    /// # Errors
    ///
    /// [`Error::Denied`] where a statement is not proved, [`Error::Invalid`] where one is forged or malformed.
    pub(super) fn resolve(&mut self) -> Result<Target> {
        let offered = std::mem::take(&mut self.offered);
        let is_known = |statement: &&Statement| self.library.statement(&statement.id()).is_some();
        self.countersigned.extend(offered.iter().filter(is_known).map(Statement::id));
        let outcomes = self.library.offer_all(&offered, self.now_ms);
        self.is_source_behind |= self.is_overtaken(&offered);
        for (statement, outcome) in offered.into_iter().zip(outcomes) {
            match outcome? {
                Accepted::New => self.accepted.push(statement),
                Accepted::Known | Accepted::Outdated => {}
                Accepted::Idle { reason } => {
                    self.idle.push(format!("its {} does not count: {reason}", statement.kind().name()));
                    self.accepted.push(statement);
                }
                Accepted::Unproved { reason } => {
                    self.doubts.push(format!("its {} is not proved: {reason}", statement.kind().name()));
                }
            }
        }
        if !self.doubts.is_empty() {
            return Err(self.unproved());
        }
        // As they are known now: with the signatures of all, and without what was overtaken within the answer.
        let known = |statement: &Statement| self.library.statement(&statement.id()).cloned();
        self.accepted = self.accepted.iter().filter_map(known).collect();
        // In the order in which they prove each other, so that they can be taken up again one by one.
        self.accepted.sort_by_key(|statement| (statement.kind(), statement.sequence()));
        let release = match &self.want {
            Want::Release(release) => Some(*release),
            Want::Channel(name) => self.library.channel(name).map(|said| said.body.release),
        };
        let said = release.and_then(|release| self.library.release(&release));
        said.map(|said| Target { release: said.statement.id(), manifest: said.body.manifest })
            .ok_or_else(|| self.unproved())
    }

    /// Whether a newer channel statement than the source's is known here.
    pub(super) fn is_source_behind(&self) -> bool {
        self.is_source_behind
    }

    /// Whether the source stands by an older statement about the wanted channel than is known here. One that brings the
    /// current statement, or the word of an operator that it rests on, does not.
    fn is_overtaken(&self, offered: &[Statement]) -> bool {
        let Want::Channel(name) = &self.want else { return false };
        let said =
            |statement: &&Statement| matches!(statement.body(), Body::Channel(body) if body.name == *name);
        let mut said = offered.iter().filter(said).peekable();
        let Some(current) = self.library.channel(name) else { return false };
        let of_now = |statement: &Statement| {
            statement.id() == current.statement.id() || Some(statement.id()) == current.body.term
        };
        said.peek().is_some() && !said.any(of_now)
    }

    fn unproved(&self) -> Error {
        let what = match &self.want {
            Want::Channel(name) => format!("channel `{name}`"),
            Want::Release(release) => format!("release {}", release.short()),
        };
        let why: Vec<_> = self.doubts.iter().chain(&self.idle).map(String::as_str).collect();
        let why = if why.is_empty() { "nothing".to_owned() } else { why.join("; ") };
        Error::Denied(format!("the source proved no {what} of the library: {why}"))
    }

    /// Fails where a class gains another's path in `release`, as far as what is here tells.
    pub(super) fn check_trespass(&self, store: &dyn Objects, release: &StatementId) -> Result<()> {
        self.library.check_trespass(store, release)
    }

    /// What makes the release current here, in the order in which it is to be kept; nothing where it is already.
    pub(super) fn keepsakes(&self, ledger: &dyn Ledger, target: &Target) -> Result<Vec<Record>> {
        // A release whose data is not here is no release of this node, but what an operator's word rests on is kept with it.
        let named = |id| {
            self.accepted.iter().any(|said| matches!(said.body(), Body::Channel(body) if body.release == id))
        };
        let keeps = |said: &&Statement| {
            said.kind() != StatementKind::Release || said.id() == target.release || named(said.id())
        };
        let kept = |said: &Statement| match self.countersigned.contains(&said.id()) {
            true => Record::countersigned(said),
            false => Record::from(said),
        };
        let mut records: Vec<Record> = self.accepted.iter().filter(keeps).map(kept).collect();
        if let Want::Channel(name) = &self.want
            && let Some(said) = self.library.channel(name).filter(|said| said.body.release == target.release)
        {
            let moved = RefMove {
                library: self.library.id(),
                channel: name.clone(),
                statement: said.statement.id(),
                release: target.release,
                sequence: said.statement.sequence(),
            };
            let refs = ledger.refs()?;
            let here = refs.iter().find(|at| at.library == moved.library && at.channel == moved.channel);
            if here.is_none_or(|here| self.is_onward(&moved, here)) {
                records.push(Record::Ref(moved));
            }
        }
        Ok(records)
    }

    /// Whether a channel goes on. One that moved meanwhile to where this fetch has not heard of stays: whoever owns the store
    /// knows more.
    fn is_onward(&self, next: &RefMove, here: &RefMove) -> bool {
        self.library.statement(&here.statement).is_some()
            && self.library.is_after(&next.channel, &next.statement, &here.statement)
    }
}

/// Whether all of a class is held, as far as marks tell.
fn is_whole(store: &dyn Objects, commitment: &Commitment) -> Result<bool> {
    let Ok(header) = ClassHeader::load(store, commitment) else { return Ok(false) };
    Ok(store.page_states(&[header.root])?.first() == Some(&PageState::Full))
}
