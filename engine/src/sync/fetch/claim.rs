//! What a fetch is after, from statements alone: which release, and what that names.
//!
//! Owns the requester's view of the library, which it changes by verified statements only. Whoever sends them does
//! not matter, nor in which order they come.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;

use crate::{
    error::{Error, Result},
    id::{Commitment, LibraryId, ManifestId, NodeId, StatementId},
    limits::{ANSWER_STATEMENTS, ANSWER_STATEMENTS_BYTES, FETCH_HAVE, FETCH_RELEASES, PULL_HAVE, PULL_KNOWN},
    manifest::table::{ClassHeader, ClassTable},
    statement::{
        Body, Heading, Statement, StatementKind, Verbs,
        library::{Accepted, Library},
    },
    store::{Ledger, Objects, PageState, Record, RefMove},
    sync::{message::Want, takeable::takeable},
};

/// A want and what is known about it.
#[derive(Debug)]
pub(super) struct Claim {
    library: Library,
    want: Want,
    /// The channel that goes on to a release that is wanted by its id, if it may.
    channel: Option<String>,
    /// Who fetches, where only what it is granted must come.
    node: Option<NodeId>,
    now_ms: i64,
    /// As they came: a source may send many, and nothing is made of them before they are needed.
    offered: Vec<Bytes>,
    offered_bytes: usize,
    /// Those that were new and stand; to be kept when the pull is done.
    accepted: Vec<Statement>,
    /// Those of them that were known before, with fewer signatures.
    countersigned: BTreeSet<StatementId>,
    /// Why statements were not taken, for people.
    doubts: Vec<String>,
    /// Why statements that were taken do not count.
    idle: Vec<String>,
    /// The statement by which the source stands, where a newer one is known here.
    overtaken: Option<StatementId>,
}

/// The release that is wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Target {
    pub(super) release: StatementId,
    pub(super) sequence: u64,
    pub(super) manifest: ManifestId,
}

impl Claim {
    pub(super) fn new(
        library: Library,
        want: Want,
        channel: Option<String>,
        node: Option<NodeId>,
        now_ms: i64,
    ) -> Self {
        Self {
            library,
            want,
            channel,
            node,
            now_ms,
            offered: Vec::new(),
            offered_bytes: 0,
            accepted: Vec::new(),
            countersigned: BTreeSet::new(),
            doubts: Vec::new(),
            idle: Vec::new(),
            overtaken: None,
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
        // The one that stands: from a root that contradicts it the source could not tell which are newer.
        let root = self.library.root_statement();
        let mut known: Vec<_> =
            root.map(Statement::id).into_iter().chain(channel.map(|said| said.statement.id())).collect();
        known.extend(release);
        known.extend(channel.and_then(|said| said.body.term));
        known.truncate(PULL_KNOWN);
        known
    }

    /// The release on which the wanted channel stands, by what is known by now.
    pub(super) fn announced(&self) -> Option<StatementId> {
        match &self.want {
            Want::Channel(name) => self.library.channel(name).map(|said| said.body.release),
            Want::Release(_) => None,
        }
    }

    /// Takes a statement that the source sent. Nothing comes of it before [`hear`](Self::hear).
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
        // Nothing is said here of a kind of a later version, or of a kind that nodes repeat without end: exchanges hold the
        // latter to a rate.
        if heading.kind().is_none_or(StatementKind::is_passing) {
            return Ok(());
        }
        self.offered.push(bytes);
        Ok(())
    }

    /// Verifies what was offered and says which release is wanted. Where a channel is wanted and the source has no news
    /// of it, that is the release that is known here.
    ///
    /// # Errors
    ///
    /// [`Error::Denied`] where a statement is not proved, [`Error::Invalid`] where one is forged or malformed.
    pub(super) fn resolve(&mut self) -> Result<Target> {
        self.hear()?;
        if !self.doubts.is_empty() {
            return Err(self.unproved());
        }
        self.target().ok_or_else(|| self.unproved())
    }

    /// The release that is wanted, by what is known by now.
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

    /// Verifies what was offered.
    ///
    /// # Errors
    ///
    /// [`Error::Invalid`] where a statement is forged or malformed.
    pub(super) fn hear(&mut self) -> Result<()> {
        self.offered_bytes = 0;
        let offered = std::mem::take(&mut self.offered);
        let offered: Vec<_> = offered.iter().map(|bytes| Statement::decode(bytes)).collect::<Result<_>>()?;
        let is_known = |statement: &&Statement| self.library.statement(&statement.id()).is_some();
        self.countersigned.extend(offered.iter().filter(is_known).map(Statement::id));
        let outcomes = self.library.offer_all(&offered, self.now_ms);
        self.overtaken = self.find_overtaken(&offered).or(self.overtaken);
        for (statement, outcome) in offered.into_iter().zip(outcomes) {
            let outcome = match outcome {
                // The source stands on another root of that version, as it may where a quorum signed several.
                Err(Error::Denied(reason)) if statement.kind() == StatementKind::Root => {
                    self.idle.push(format!("its root is not taken: {reason}"));
                    continue;
                }
                outcome => outcome?,
            };
            match outcome {
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
        // As they are known now: with the signatures of all, and without what was overtaken within the answer.
        let known = |statement: &Statement| self.library.statement(&statement.id()).cloned();
        self.accepted = self.accepted.iter().filter_map(known).collect();
        // In the order in which they prove each other, so that they can be taken up again one by one.
        self.accepted.sort_by_key(|statement| (statement.kind(), statement.sequence()));
        Ok(())
    }

    /// The statement by which the source stands, where a newer one that names another release is known here.
    pub(super) fn overtaken(&self) -> Option<StatementId> {
        self.overtaken
    }

    /// A statement about the wanted channel by which the source stands where a newer one that names another release is known
    /// here. A source that brings the current statement, or the word of an operator that it rests on, is not behind.
    fn find_overtaken(&self, offered: &[Statement]) -> Option<StatementId> {
        let Want::Channel(name) = &self.want else { return None };
        let current = self.library.channel(name)?;
        let said = offered.iter().filter_map(|statement| match statement.body() {
            Body::Channel(body) if body.name == *name => Some((statement.id(), body.release)),
            _ => None,
        });
        let is_of_now = |(id, release): &(StatementId, StatementId)| {
            *id == current.statement.id()
                || Some(*id) == current.body.term
                || *release == current.body.release
        };
        let said: Vec<_> = said.collect();
        if said.iter().any(is_of_now) { None } else { said.last().map(|(id, _)| *id) }
    }

    /// Whether all of a release is here that is granted here, as far as marks tell.
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
        let refs = ledger.refs()?;
        let here =
            |channel: &str| refs.iter().find(|at| at.library == self.library.id() && at.channel == *channel);
        let moved = match (&self.want, &self.channel) {
            (Want::Channel(name), _) => self.moved(name, target, here(name)),
            (Want::Release(_), Some(name)) => self.moved_in_line(name, target, here(name)),
            (Want::Release(_), None) => None,
        };
        records.extend(moved.map(Record::Ref));
        Ok(records)
    }

    /// Where the channel `name` stands now, if that is onward.
    fn moved(&self, name: &str, target: &Target, here: Option<&RefMove>) -> Option<RefMove> {
        let said = self.library.channel(name).filter(|said| said.body.release == target.release)?;
        let moved = RefMove {
            library: self.library.id(),
            channel: name.to_owned(),
            statement: said.statement.id(),
            release: target.release,
            sequence: said.statement.sequence(),
        };
        here.is_none_or(|here| self.is_onward(&moved, here)).then_some(moved)
    }

    /// The same of a release on which the channel `name` stood before: it moves there if that is onward from what is here.
    fn moved_in_line(&self, name: &str, target: &Target, here: Option<&RefMove>) -> Option<RefMove> {
        // Who moved it meanwhile to where this fetch has not heard of knows more.
        if here.is_some_and(|here| self.library.statement(&here.statement).is_none()) {
            return None;
        }
        let onward = takeable(&self.library, name, here);
        let to = onward.into_iter().find(|takeable| takeable.release == target.release)?;
        Some(RefMove {
            library: self.library.id(),
            channel: name.to_owned(),
            statement: to.statement,
            release: to.release,
            sequence: to.sequence,
        })
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
