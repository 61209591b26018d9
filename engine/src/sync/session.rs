//! The answering side: what a peer gets for a request.
//!
//! [`Answer::new`] decides, from the library's statements, whether and what; [`Answer::run`] walks the trees and sends.
//! Both read the store and block. It must not reveal anything of what the peer is not granted: what is absent and what
//! is not granted get one answer, and who is no member gets one answer for everything.

use std::{collections::HashSet, sync::Arc};

use bytes::Bytes;

use crate::{
    error::{Error, Result},
    id::{Commitment, LibraryId, ManifestId, NodeId, StatementId},
    manifest::{
        PageSource,
        table::{ClassHeader, ClassTable},
    },
    statement::{Body, StatementKind, Verbs, library::Library},
    store::{Ledger, Objects, PageState},
    sync::{
        changes::{self, Version},
        delta::Bases,
        frame::Frame,
        message::{Mode, Packing, Pull, Request, Scope},
        place::{Place, Step, Targets, Walk},
        send::Sender,
    },
};

mod holding;

use self::holding::Found;
pub use super::send::Outlet;

/// What is sent for one request. Holds no more than the request's size; all else is read while it runs.
pub struct Answer {
    store: Arc<dyn Objects>,
    work: Work,
}

enum Work {
    Pull(PullWork),
    Pages { header: ClassHeader, targets: Targets },
    Chunks { class: ClassWork, scope: Scope, packing: Packing },
}

struct PullWork {
    frames: Vec<Frame>,
    classes: Vec<ClassWork>,
    /// Whether a class is not held here at all, be it granted or not.
    lacks_some: bool,
    mode: Mode,
    packing: Packing,
    scope: Option<Scope>,
    budget: u64,
}

/// One class of a pull that the peer does not have yet.
struct ClassWork {
    header: ClassHeader,
    /// The roots of versions of the class that the peer has, by their index in its `have`, newest first.
    bases: Bases,
}

impl Answer {
    /// Decides about `request` of the node `peer`, which has proved its key, at the time `now_ms`.
    ///
    /// # Errors
    ///
    /// [`Error::Denied`] for who is no member; [`Error::Missing`] for what is not held or not granted;
    /// [`Error::Invalid`] for a request that is not for this machine. [`Refusal::of`](super::message::Refusal::of) makes
    /// them fit for the peer.
    pub fn new(
        store: Arc<dyn Objects>,
        ledger: &dyn Ledger,
        library: &Library,
        request: Request,
        peer: &NodeId,
        now_ms: i64,
    ) -> Result<Self> {
        let desk = Desk { store: &*store, ledger, library, peer, now_ms };
        desk.admit(request.library())?;
        let work = match request {
            Request::Pull(pull) => desk.pull(pull)?,
            Request::Pages { commitment, positions, .. } => {
                Work::Pages { header: desk.class(&commitment)?, targets: Targets::new(positions) }
            }
            Request::Chunks { commitment, scope, have, packing, .. } => {
                let header = desk.class(&commitment)?;
                let bases = desk.bases(&desk.granted(&have), &header)?;
                Work::Chunks { class: ClassWork { header, bases }, scope, packing }
            }
            Request::Join(_) | Request::Exchange { .. } | Request::Peers { .. } => {
                return Err(Error::Invalid("this is not answered from a store".into()));
            }
        };
        Ok(Self { store, work })
    }

    /// Sends the answer, the end included, until `out` says that nobody takes more: then it fails as cancelled.
    pub fn run(self, out: &mut dyn Outlet) -> Result<()> {
        let store = &*self.store;
        match self.work {
            Work::Pull(PullWork { frames, classes, lacks_some, mode, packing, scope, budget }) => {
                let mut sender = Sender::new(store, out, packing, scope, budget);
                if lacks_some {
                    sender.be_incomplete();
                }
                let went = frames
                    .into_iter()
                    .try_for_each(|frame| sender.frame(frame))
                    .and_then(|()| classes.iter().try_for_each(|class| class.send(store, mode, &mut sender)));
                sender.finish(went)
            }
            Work::Pages { header, targets } => {
                let mut sender =
                    Sender::new(store, out, Packing::default(), Some(Scope::default()), u64::MAX);
                let went = send_pages(store, &header, &targets, &mut sender);
                sender.finish(went)
            }
            Work::Chunks { class, scope, packing } => {
                let mut sender = Sender::new(store, out, packing, Some(scope.clone()), u64::MAX);
                let went = class.send_scope(store, &scope, &mut sender);
                sender.finish(went)
            }
        }
    }
}

/// Where a request is looked at: everything that decides what a peer may have.
struct Desk<'a> {
    store: &'a dyn Objects,
    ledger: &'a dyn Ledger,
    library: &'a Library,
    peer: &'a NodeId,
    now_ms: i64,
}

impl Desk<'_> {
    /// Turns away who is no member of the library, and who asks for another.
    fn admit(&self, library: &LibraryId) -> Result<()> {
        if *library != self.library.id()
            || *library != self.store.library()
            || !self.library.is_member(self.peer, self.now_ms)
        {
            return Err(Error::Denied("the peer is no member of the library".into()));
        }
        Ok(())
    }

    fn may(&self, class: &str) -> bool {
        self.library.may(self.peer, class, Verbs::PULL, self.now_ms)
    }

    fn pull(&self, pull: Pull) -> Result<Work> {
        let (release, channel) = match self.find(&pull)? {
            Found::Here { release, channel } => (release, channel),
            Found::Elsewhere(frames) => return Ok(Work::Pull(PullWork::without_data(frames))),
        };
        let manifest = self.library.release(&release).ok_or_else(absent)?.body.manifest;
        let table_bytes = self.store.page(&manifest.as_page()).map_err(|_| absent())?;
        let table = ClassTable::decode(&table_bytes)?;

        let mut frames = self.statements(&pull.known, &release, channel.as_ref())?;
        if !self.knows_manifest(&pull.known, &manifest) {
            frames.push(Frame::Table(table_bytes));
        }
        let mut classes = Vec::new();
        let mut granted = Vec::new();
        let mut lacks_some = false;
        let had = self.granted(&pull.have);
        for (_, commitment) in &table.classes {
            // A mirror that is granted only some classes holds no others.
            let Ok(bytes) = self.store.page(&commitment.as_page()) else {
                lacks_some = true;
                continue;
            };
            let header = ClassHeader::decode(&bytes)?;
            let wanted = pull.classes.is_empty() || pull.classes.contains(&header.name);
            if !wanted || !self.may(&header.name) {
                continue;
            }
            granted.push(header.name.clone());
            if !pull.have.contains(commitment) {
                // All headers before all content: who gets only a part of it knows what there is.
                frames.push(Frame::Header(bytes));
                classes.push(ClassWork { bases: self.bases(&had, &header)?, header });
            }
        }
        if granted.is_empty() || pull.classes.iter().any(|class| !granted.contains(class)) {
            return Err(absent());
        }
        let Pull { mode, packing, scope, budget, .. } = pull;
        Ok(Work::Pull(PullWork { frames, classes, lacks_some, mode, packing, scope, budget }))
    }

    /// The operator's statement under which a publisher said `channel`, and the release that it named.
    fn term(&self, channel: &StatementId) -> Option<(StatementId, StatementId)> {
        let said = |id: &StatementId| match self.library.statement(id)?.body() {
            Body::Channel(said) => Some(said),
            _ => None,
        };
        let term = said(channel)?.term?;
        Some((term, said(&term)?.release))
    }

    /// The statements that the peer needs to verify the release and does not know: roots, release, channel.
    fn statements(
        &self,
        known: &[StatementId],
        release: &StatementId,
        channel: Option<&StatementId>,
    ) -> Result<Vec<Frame>> {
        // Those that stand here. What contradicts them proves nothing of a release; exchanges bring it.
        let roots: Vec<_> = self.library.roots().collect();
        let known_roots = roots.iter().rposition(|root| known.contains(&root.id())).map_or(0, |at| at + 1);
        let mut bytes: Vec<Bytes> =
            roots.into_iter().skip(known_roots).map(|root| root.bytes().clone()).collect();
        if !known.contains(release) {
            bytes.push(self.statement(release, StatementKind::Release)?);
        }
        // Whoever has not heard the operator's word under which a publisher moved the channel cannot tell that it may.
        if let Some((term, named)) =
            channel.and_then(|id| self.term(id)).filter(|(id, _)| !known.contains(id))
        {
            if named != *release && !known.contains(&named) {
                bytes.push(self.statement(&named, StatementKind::Release)?);
            }
            bytes.push(self.statement(&term, StatementKind::Channel)?);
        }
        if let Some(channel) = channel.filter(|id| !known.contains(id)) {
            bytes.push(self.statement(channel, StatementKind::Channel)?);
        }
        Ok(bytes.into_iter().map(Frame::Statement).collect())
    }

    /// A statement's envelope; one that stands no more is still in the ledger.
    fn statement(&self, id: &StatementId, kind: StatementKind) -> Result<Bytes> {
        if let Some(statement) = self.library.statement(id) {
            return Ok(statement.bytes().clone());
        }
        let kept = self.ledger.statements(Some(&self.library.id()), kind)?;
        kept.into_iter().find(|kept| kept.id == *id).map(|kept| kept.bytes).ok_or_else(absent)
    }

    /// Whether a release that the peer knows has the same table: then it has the table, or is told that it must ask
    /// for all.
    fn knows_manifest(&self, known: &[StatementId], manifest: &ManifestId) -> bool {
        let mut releases = known.iter().filter_map(|id| self.library.release(id));
        releases.any(|said| said.body.manifest == *manifest)
    }

    /// Of the versions that the peer has, those of `header`'s class, where this node has them too.
    fn bases(&self, had: &[Option<ClassHeader>], header: &ClassHeader) -> Result<Bases> {
        let root = |old: &Option<ClassHeader>| {
            let Some(old) = old.as_ref().filter(|old| (old.slot, &old.name) == (header.slot, &header.name))
            else {
                return Ok(None);
            };
            let held = self.store.page_states(&[old.root])?.first() != Some(&PageState::Absent);
            Ok(held.then_some(old.root))
        };
        had.iter().map(root).collect::<Result<_>>().map(Bases)
    }

    /// A class that the peer is granted, in any of the library's releases.
    fn class(&self, commitment: &Commitment) -> Result<ClassHeader> {
        self.granted(std::slice::from_ref(commitment)).pop().flatten().ok_or_else(absent)
    }

    /// Of classes in any of the library's releases, those that the peer is granted and this node knows. What it is not
    /// granted takes no longer than what is not there: nothing is looked up for either but a header.
    fn granted(&self, commitments: &[Commitment]) -> Vec<Option<ClassHeader>> {
        let known = |commitment| {
            let header = ClassHeader::load(self.store, commitment).ok()?;
            self.may(&header.name).then_some(header)
        };
        let mut headers: Vec<_> = commitments.iter().map(known).collect();
        let pairs = commitments.iter().zip(&headers).filter(|(_, header)| header.is_some());
        let named = self.named(pairs.map(|(commitment, _)| *commitment).collect());
        for (header, commitment) in headers.iter_mut().zip(commitments) {
            header.take_if(|_| !named.contains(commitment));
        }
        headers
    }

    /// Those of `open` that a release of the library names.
    fn named(&self, mut open: HashSet<Commitment>) -> HashSet<Commitment> {
        let mut named = HashSet::new();
        for said in self.library.releases().iter().rev() {
            if open.is_empty() {
                break;
            }
            let Ok(table) = ClassTable::load(self.store, &said.body.manifest) else { continue };
            named.extend(table.classes.iter().filter_map(|(_, commitment)| open.take(commitment)));
        }
        named
    }
}

fn absent() -> Error {
    Error::Missing("what was asked for is not held here, or not granted".into())
}

impl PullWork {
    fn without_data(frames: Vec<Frame>) -> Self {
        Self {
            frames,
            classes: Vec::new(),
            lacks_some: true,
            mode: Mode::Pages,
            packing: Packing::default(),
            scope: None,
            budget: u64::MAX,
        }
    }
}

impl ClassWork {
    /// The versions that the peer has and this node too, newest first.
    fn versions(&self) -> Vec<Version> {
        let versions = (0u8..).zip(&self.bases.0);
        versions.filter_map(|(have, root)| root.map(|root| Version { have, root })).collect()
    }

    fn send(&self, store: &dyn Objects, mode: Mode, sender: &mut Sender<'_>) -> Result<()> {
        let versions = self.versions();
        match (versions.split_first(), mode) {
            (Some((base, older)), _) => {
                sender.set_bases(self.bases.clone());
                changes::send(store, base, older, &self.header, sender)
            }
            (None, Mode::All) => send_all(store, &self.header, sender),
            (None, Mode::Pages) => match store.page(&self.header.root) {
                Ok(bytes) => sender.page(&self.header.root, &bytes, None),
                Err(error) => {
                    sender.leave_out(&self.header.root, &error);
                    Ok(())
                }
            },
        }
    }

    /// Sends the chunks of `scope`: first those that a version which the peer has lacks, made from it where that is less,
    /// then the others as they are.
    fn send_scope(&self, store: &dyn Objects, scope: &Scope, sender: &mut Sender<'_>) -> Result<()> {
        let versions = self.versions();
        if let Some((base, older)) = versions.split_first().filter(|_| sender.saves_bytes()) {
            sender.set_bases(self.bases.clone());
            sender.leave_pages();
            changes::send(store, base, older, &self.header, sender)?;
        }
        send_scope(store, &self.header, scope, sender)
    }
}

/// Sends a whole class, depth-first.
fn send_all(store: &dyn Objects, header: &ClassHeader, sender: &mut Sender<'_>) -> Result<()> {
    visit(
        store,
        header,
        sender,
        |_| true,
        |sender, place, bytes| {
            sender.page(&place.id, bytes, None)?;
            Ok(true)
        },
    )
}

/// Sends the chunks of `scope`; the sender keeps out all others.
fn send_scope(
    store: &dyn Objects,
    header: &ClassHeader,
    scope: &Scope,
    sender: &mut Sender<'_>,
) -> Result<()> {
    visit(store, header, sender, |place| scope.meets(&place.chunks()), |_, _, _| Ok(true))
}

/// Sends the pages that are asked for by their place.
fn send_pages(
    store: &dyn Objects,
    header: &ClassHeader,
    targets: &Targets,
    sender: &mut Sender<'_>,
) -> Result<()> {
    let leads = |place: &Place| targets.at(place) || targets.below(place);
    visit(store, header, sender, leads, |sender, place, bytes| {
        if targets.at(place) {
            sender.page(&place.id, bytes, None)?;
        }
        Ok(targets.below(place))
    })
}

/// Walks a class where `leads` says so, shows every page to `found`, which says whether to go below it, and sends the
/// chunks that it passes.
fn visit<'a>(
    store: &dyn Objects,
    header: &ClassHeader,
    sender: &mut Sender<'a>,
    leads: impl Fn(&Place) -> bool,
    found: impl Fn(&mut Sender<'a>, &Place, &Bytes) -> Result<bool>,
) -> Result<()> {
    let mut walk = Walk::new(header);
    while let Some(step) = walk.next() {
        match step {
            Step::Chunks { first, chunks } => sender.chunks(first, &chunks)?,
            Step::Page(place) if leads(&place) => match store.page(&place.id) {
                Ok(bytes) => {
                    if found(sender, &place, &bytes)? {
                        walk.descend(&place, &bytes)?;
                    }
                }
                Err(error) => sender.leave_out(&place.id, &error),
            },
            Step::Page(_) => {}
        }
    }
    Ok(())
}

impl std::fmt::Debug for Answer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Answer").finish_non_exhaustive()
    }
}
