//! The answering side: decides which data a peer gets, and sends it.
//!
//! [`Answer::new`] decides from the library's statements whether the peer gets an answer and what is in it.
//! [`Answer::run`] walks the trees and sends. Both read the store and block. An answer must not reveal
//! anything that the peer is not granted: absent data and data that is not granted give the same refusal, and
//! a node that is not a member gets one refusal for every request.

use std::{collections::HashSet, sync::Arc};

use bytes::Bytes;

use crate::{
    error::{Error, Result},
    id::{Commitment, LibraryId, ManifestId, NodeId, StatementId},
    manifest::{
        PageSource,
        table::{ClassHeader, ClassTable},
    },
    statement::{
        Body, StatementKind,
        access::{Act, Decision, decide},
        library::Library,
    },
    store::{Ledger, Objects, PageState},
    sync::{
        changes::{self, Version},
        delta::Bases,
        frame::Frame,
        message::{Mode, Packing, Pull, Request, Scope},
        place::{PageRef, Step, Targets, Walk},
        send::Sender,
    },
};

mod holding;

use self::holding::PullTarget;
pub use super::send::Outlet;

/// The answer to one request. Holds no more memory than the request's size; everything else is read while it
/// runs.
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
    /// Whether some class is not held here at all, granted or not.
    lacks_some: bool,
    mode: Mode,
    packing: Packing,
    scope: Option<Scope>,
    budget: u64,
}

/// One class of a pull that the peer does not have yet.
struct ClassWork {
    header: ClassHeader,
    /// The roots of the class versions that the peer has, by their index in its `have`, newest first.
    bases: Bases,
}

impl Answer {
    /// Decides about `request` of the node `peer`, which has proved its key, at the time `now_ms`.
    ///
    /// # Errors
    ///
    /// [`Error::Denied`] where the peer is not a member; [`Error::Missing`] where the data is not held or not
    /// granted; [`Error::Invalid`] where the request is not answered from a store.
    /// [`Refusal::of`](super::message::Refusal::of) turns an error into the refusal that is sent to the peer.
    pub fn new(
        store: Arc<dyn Objects>,
        ledger: &dyn Ledger,
        library: &Library,
        request: Request,
        peer: &NodeId,
        now_ms: i64,
    ) -> Result<Self> {
        let context = RequestContext { store: &*store, ledger, library, peer, now_ms };
        context.check_member(request.library())?;
        let work = match request {
            Request::Pull(pull) => context.pull(pull)?,
            Request::Pages { commitment, positions, .. } => {
                Work::Pages { header: context.class(&commitment)?, targets: Targets::new(positions) }
            }
            Request::Chunks { commitment, scope, have, packing, .. } => {
                let header = context.class(&commitment)?;
                let bases = context.bases(&context.granted(&have), &header)?;
                Work::Chunks { class: ClassWork { header, bases }, scope, packing }
            }
            Request::Join(_) | Request::Exchange { .. } | Request::Peers { .. } => {
                return Err(Error::Invalid("this request is not answered from a store".into()));
            }
        };
        Ok(Self { store, work })
    }

    /// Sends the answer, its end included. Fails with [`Error::Cancelled`] once `out` takes no more frames.
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

/// The context of a request: everything that decides what the peer may have.
struct RequestContext<'a> {
    store: &'a dyn Objects,
    ledger: &'a dyn Ledger,
    library: &'a Library,
    peer: &'a NodeId,
    now_ms: i64,
}

impl RequestContext<'_> {
    /// Refuses a peer that is not a member of the library, and a request for another library.
    fn check_member(&self, library: &LibraryId) -> Result<()> {
        if *library != self.library.id() || *library != self.store.library() {
            return Decision::NotMember.into_result();
        }
        decide(self.library, self.peer, None, Act::Exchange, self.now_ms).into_result()
    }

    fn may(&self, class: &str) -> bool {
        decide(self.library, self.peer, None, Act::Read(class), self.now_ms).is_allowed()
    }

    fn pull(&self, pull: Pull) -> Result<Work> {
        let (release, channel) = match self.find(&pull)? {
            PullTarget::Release { release, channel } => (release, channel),
            PullTarget::Holding(frames) => return Ok(Work::Pull(PullWork::without_data(frames))),
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
                // All headers come before all content: a peer that gets only a part of the answer knows all
                // classes.
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

    /// The operator's statement on which the publisher's statement `channel` rests (its term), and the
    /// release that the operator's statement names.
    fn term(&self, channel: &StatementId) -> Option<(StatementId, StatementId)> {
        let body = |id: &StatementId| match self.library.statement(id)?.body() {
            Body::Channel(body) => Some(body),
            _ => None,
        };
        let term = body(channel)?.term?;
        Some((term, body(&term)?.release))
    }

    /// The statements that the peer needs to verify the release and does not know: roots, release, channel.
    fn statements(
        &self,
        known: &[StatementId],
        release: &StatementId,
        channel: Option<&StatementId>,
    ) -> Result<Vec<Frame>> {
        // The roots that are effective here. Conflicting roots prove nothing about a release; the statement
        // exchange brings them.
        let roots: Vec<_> = self.library.roots().collect();
        let known_roots = roots.iter().rposition(|root| known.contains(&root.id())).map_or(0, |at| at + 1);
        let mut bytes: Vec<Bytes> =
            roots.into_iter().skip(known_roots).map(|root| root.bytes().clone()).collect();
        if !known.contains(release) {
            bytes.push(self.statement(release, StatementKind::Release)?);
        }
        // Without the operator's statement on which a publisher's channel statement rests, the peer cannot
        // tell that the publisher was entitled to move the channel.
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

    /// A statement's envelope. A statement that is no longer effective is still in the ledger.
    fn statement(&self, id: &StatementId, kind: StatementKind) -> Result<Bytes> {
        if let Some(statement) = self.library.statement(id) {
            return Ok(statement.bytes().clone());
        }
        let kept = self.ledger.statements(Some(&self.library.id()), kind)?;
        kept.into_iter().find(|kept| kept.id == *id).map(|kept| kept.bytes).ok_or_else(absent)
    }

    /// Whether the peer knows a release with the same class table; the table is then not sent. A puller names
    /// a release as known only where it holds the release's table.
    fn knows_manifest(&self, known: &[StatementId], manifest: &ManifestId) -> bool {
        let mut releases = known.iter().filter_map(|id| self.library.release(id));
        releases.any(|said| said.body.manifest == *manifest)
    }

    /// The versions of `header`'s class that both the peer and this node have.
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

    /// The headers of the classes that any of the library's releases names, that the peer is granted and that
    /// this node holds. A class that is not granted takes no longer than an absent one: only a header is
    /// looked up for either.
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

    /// The commitments in `open` that a release of the library names.
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
    Error::Missing("the requested data is not held here, or not granted".into())
}

impl PullWork {
    /// Sends `frames`, which hold no data, and an incomplete end.
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
    /// The versions that both the peer and this node have, newest first.
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

    /// Sends the chunks of `scope`: first those that the peer's version lacks, as deltas where that is
    /// smaller, then the others in full.
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
        |sender, page, bytes| {
            sender.page(&page.id, bytes, None)?;
            Ok(true)
        },
    )
}

/// Sends the chunks of `scope`; the sender skips all others.
fn send_scope(
    store: &dyn Objects,
    header: &ClassHeader,
    scope: &Scope,
    sender: &mut Sender<'_>,
) -> Result<()> {
    visit(store, header, sender, |page| scope.meets(&page.chunks()), |_, _, _| Ok(true))
}

/// Sends the pages at the requested positions.
fn send_pages(
    store: &dyn Objects,
    header: &ClassHeader,
    targets: &Targets,
    sender: &mut Sender<'_>,
) -> Result<()> {
    let leads = |page: &PageRef| targets.at(page) || targets.below(page);
    visit(store, header, sender, leads, |sender, page, bytes| {
        if targets.at(page) {
            sender.page(&page.id, bytes, None)?;
        }
        Ok(targets.below(page))
    })
}

/// Walks the class, into pages for which `leads` is true. Passes each page to `found`, which tells whether to
/// descend into it, and sends the chunks on the way.
fn visit<'a>(
    store: &dyn Objects,
    header: &ClassHeader,
    sender: &mut Sender<'a>,
    leads: impl Fn(&PageRef) -> bool,
    found: impl Fn(&mut Sender<'a>, &PageRef, &Bytes) -> Result<bool>,
) -> Result<()> {
    let mut walk = Walk::new(header);
    while let Some(step) = walk.next() {
        match step {
            Step::Chunks { first, chunks } => sender.chunks(first, &chunks)?,
            Step::Page(page) if leads(&page) => match store.page(&page.id) {
                Ok(bytes) => {
                    if found(sender, &page, &bytes)? {
                        walk.descend(&page, &bytes)?;
                    }
                }
                Err(error) => sender.leave_out(&page.id, &error),
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
