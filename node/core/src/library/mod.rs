//! The service `library`: the only writer of statements and refs. Owns the libraries in memory, which always
//! mirror the durable ledger, and the order of the two: durable first, then visible. The engine decides which
//! statements are effective.
//!
//! Writers are serialised by one private lock and work on the caller's thread, which may block: a caller
//! waits for the disk anyway, and a loop of its own would add two thread switches to each change. Readers
//! take a snapshot and wait for no writer.

pub(crate) mod channels;
pub(crate) mod holdings;
mod intake;
mod keys;
pub(crate) mod lag;
mod load;
pub(crate) mod local_refs;
pub(crate) mod lost;
pub(crate) mod members;
mod names;
mod records;
pub(crate) mod release;
#[cfg(test)]
mod tests;

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use bytes::Bytes;
use chuan_api::node_event::NodeEvent;
use chuan_engine::{
    id::{LibraryId, StatementId},
    statement::{Accepted, Body, Library, PublicKey, Rates, Statement, StatementKind},
    store::Record,
    sync::takeable::takeable,
};
use tokio::sync::watch;

use self::{
    holdings::Holdings,
    intake::Intake,
    keys::NodeKeys,
    lag::Lags,
    records::{contradicts, ref_move},
};
use crate::{
    audit_log::event_of,
    context::Context,
    exit::{Failure, Result},
    outcome::StatementsHeard,
    signed_record::Evidence,
};

/// The outcome of offering each of several statements.
pub(crate) type Outcomes = Vec<chuan_engine::Result<Accepted>>;

/// The libraries of an open home.
#[derive(Debug)]
pub(crate) struct LibraryService {
    context: Arc<Context>,
    /// The libraries as readers see them.
    snapshot: watch::Sender<Arc<Snapshot>>,
    /// Incremented with every change of the snapshot.
    changes: watch::Sender<u64>,
    /// The budget of each key for statements that replace each other, by library.
    rates: Mutex<BTreeMap<LibraryId, Rates>>,
    /// Held while statements go into the ledger: each change is made from the newest state.
    writer: Mutex<()>,
    intake: Intake,
    /// The releases and classes that are complete here.
    pub(crate) holdings: Holdings,
    /// The channels that are behind here.
    pub(crate) lags: Lags,
}

/// The libraries at one moment.
#[derive(Clone, Debug, Default)]
struct Snapshot {
    known: BTreeMap<LibraryId, Arc<Library>>,
    /// Libraries that cannot be used since their root is lost or damaged, with the reason.
    left_out: BTreeMap<LibraryId, String>,
}

impl LibraryService {
    /// Loads what the ledger holds. Damaged statements are skipped; a library without a root is left out.
    /// First roots that are kept beside the keys are written to the ledger again where it has lost them.
    /// Blocks.
    pub(crate) fn load(context: Arc<Context>) -> Result<Self> {
        let roots = lost::roots_of(&context.home);
        let load::Loaded { known, left_out, superseded, strays } =
            load::load(context.ledger(), &roots, context.now_ms())?;
        if !strays.is_empty()
            && let Err(error) = context.ledger().append(strays)
        {
            tracing::warn!(%error, "roots that are kept beside the keys are not in the ledger");
        }
        let this = Self {
            snapshot: watch::Sender::new(Arc::new(Snapshot { known, left_out })),
            changes: watch::Sender::new(0),
            rates: Mutex::default(),
            writer: Mutex::new(()),
            intake: Intake::default(),
            holdings: Holdings::new(Arc::clone(&context)),
            lags: Lags::new(Arc::clone(&context)),
            context,
        };
        this.supersede(&superseded);
        this.leave_out(lost::sources_of(&this.context.home));
        this.all().iter().for_each(|library| this.keep_root(library));
        Ok(this)
    }

    /// Reads a library from the ledger again, after another writer has written there.
    pub(crate) fn reload(&self, id: &LibraryId) -> Result<Arc<Library>> {
        let _writer = self.lock();
        let mut kept = Vec::new();
        for kind in StatementKind::ALL {
            kept.extend(self.context.ledger().statements(Some(id), kind)?.into_iter().map(|kept| kept.bytes));
        }
        let library = Arc::new(Library::load(*id, kept, self.context.now_ms())?);
        self.show(Arc::clone(&library), 0);
        Ok(library)
    }

    /// Libraries that are left out, with the reason.
    pub(crate) fn left_out(&self) -> BTreeMap<LibraryId, String> {
        self.snapshot.borrow().left_out.clone()
    }

    /// Leaves out libraries that are remembered outside the ledger, where the ledger has lost records and
    /// does not know them.
    fn leave_out(&self, libraries: Vec<LibraryId>) {
        if self.context.ledger().lost().is_ok_and(|lost| lost.is_empty()) {
            return;
        }
        self.snapshot.send_modify(|snapshot| {
            let snapshot = Arc::make_mut(snapshot);
            for library in libraries {
                if !snapshot.known.contains_key(&library) {
                    snapshot.left_out.entry(library).or_insert_with(|| "its root is lost".to_owned());
                }
            }
        });
    }

    /// A counter that is incremented whenever a library changes.
    pub(crate) fn changes(&self) -> watch::Receiver<u64> {
        self.changes.subscribe()
    }

    /// Counts of the statements that peers have sent so far, by outcome.
    pub(crate) fn heard(&self) -> StatementsHeard {
        self.intake.now()
    }

    /// All libraries, ascending by id.
    pub(crate) fn all(&self) -> Vec<Arc<Library>> {
        self.snapshot.borrow().known.values().cloned().collect()
    }

    /// The library with this id.
    pub(crate) fn get(&self, id: &LibraryId) -> Option<Arc<Library>> {
        self.snapshot.borrow().known.get(id).cloned()
    }

    /// The library with this id; one without any statement where it is left out.
    pub(crate) fn get_or_left_out(&self, id: &LibraryId) -> Option<Arc<Library>> {
        let snapshot = self.snapshot.borrow();
        let left_out = || snapshot.left_out.contains_key(id).then(|| Arc::new(Library::new(*id)));
        snapshot.known.get(id).cloned().or_else(left_out)
    }

    /// The library of this label or id, or whose id begins with this text.
    pub(crate) fn named(&self, name: &str) -> Result<Arc<Library>> {
        self.find(name)?.ok_or_else(|| {
            let all = self.all();
            let names: Vec<_> = all.iter().map(|library| library.name()).collect();
            let known = if names.is_empty() { "none".to_owned() } else { names.join(", ") };
            Failure::missing(format!(
                "no library `{name}` here (known: {known}); join it with a ticket, or found it with `chuan publish`"
            ))
        })
    }

    /// Like [`LibraryService::named`]; `None` where there is none.
    ///
    /// # Errors
    ///
    /// Several libraries have the label, or their ids begin so.
    pub(crate) fn find(&self, name: &str) -> Result<Option<Arc<Library>>> {
        names::find(&self.all(), &self.context.home, name)
    }

    /// Like [`LibraryService::named`]; without a name, the only library that is here.
    pub(crate) fn named_or_only(&self, name: Option<&str>) -> Result<Arc<Library>> {
        if let Some(name) = name {
            return self.named(name);
        }
        let all = self.all();
        match all.as_slice() {
            [] => {
                Err(Failure::missing("no library here yet; join one with a ticket, or `chuan publish` one"))
            }
            [library] => Ok(Arc::clone(library)),
            several => Err(Failure::usage(format!(
                "several libraries are here; name one of {}",
                names::choice(several, &self.context.home)
            ))),
        }
    }

    /// The keys of nodes, as the libraries bind them now.
    pub(crate) fn keys(&self) -> NodeKeys {
        NodeKeys { all: self.all(), now_ms: self.context.now_ms() }
    }

    /// Changes a library: `make` gets its current state and returns the statements to add. The library checks
    /// them, they become durable, and only then visible. `library` need not be known yet. Blocks.
    ///
    /// A channel statement must come alone: it is written together with its ref, after everything that it
    /// names is durable. Fails while the ledger has lost records of the library.
    pub(crate) fn change(
        &self,
        id: &LibraryId,
        make: impl FnOnce(&Library) -> Result<Vec<Statement>>,
    ) -> Result<Arc<Library>> {
        self.check_not_lost(Some(id))?;
        let _writer = self.lock();
        let before = self.get(id);
        let mut library = before.as_deref().cloned().unwrap_or_else(|| Library::new(*id));
        let made = make(&library)?;
        let outcomes = library.offer_all(&made, self.context.now_ms());
        let mut moves = Vec::new();
        for (statement, outcome) in made.iter().zip(outcomes) {
            let refused = match outcome? {
                Accepted::New => {
                    moves.extend(ref_move(statement));
                    continue;
                }
                Accepted::Known => continue,
                Accepted::Superseded => Accepted::SUPERSEDED.to_owned(),
                Accepted::Ineffective { reason } | Accepted::Unauthorized { reason } => reason,
            };
            return Err(Failure::denied(format!("{}: {refused}", statement.kind().name())));
        }
        let count = self.keep(before.as_deref(), &library, &made, moves)?;
        let library = Arc::new(library);
        self.show(Arc::clone(&library), count);
        Ok(library)
    }

    /// Takes statements that peers sent, unverified: valid ones are stored, the rest is dropped. Returns the
    /// new ones; the audit log records them. Statements of a key that exceeds its rate are left to a later
    /// exchange. Moves no channel here. Blocks.
    pub(crate) fn hear(&self, statements: &[Bytes]) -> Vec<Statement> {
        #[cfg(test)]
        let statements = &self.context.planted.unmarked(statements);
        let news = self.offer(statements).unwrap_or_else(|failure| {
            tracing::warn!(%failure, "statements of a peer were not stored");
            Vec::new()
        });
        self.note_statements(&news);
        news
    }

    /// Like [`LibraryService::hear`], without the audit log.
    pub(crate) fn offer(&self, statements: &[Bytes]) -> Result<Vec<Statement>> {
        let now_ms = self.context.now_ms();
        let mut heard = Vec::new();
        for (id, (known, mut offered)) in self.intake.sift(statements, |id| self.get_or_left_out(id)) {
            offered = self.rated(&id, |rates| rates.admit(offered, now_ms));
            if !known.would_take_any(&offered) {
                continue;
            }
            let outcomes = self.take(&id, &offered, false, |_, _| Ok(()))?;
            if known.root().is_none() && self.get(&id).is_some() {
                // Statements that were stored without a root become effective with it.
                self.reload(&id)?;
            }
            let news = offered.into_iter().zip(outcomes);
            let news = news.filter(|(_, outcome)| outcome.as_ref().is_ok_and(Accepted::is_news));
            let news: Vec<_> = news.map(|(statement, _)| statement).collect();
            self.rated(&id, |rates| news.iter().for_each(|statement| rates.spend(statement, now_ms)));
            heard.extend(news);
        }
        self.intake.note_taken(heard.len());
        Ok(heard)
    }

    /// Takes finished statements of one library and returns the outcome of each. Stored statements are
    /// durable when it returns. With `unopposed` nothing is stored where one of them contradicts a known
    /// statement or would not be effective. An unknown library becomes known with its first root.
    /// `before_write` sees the statements that will be stored, and may prevent it. Blocks.
    pub(crate) fn take(
        &self,
        id: &LibraryId,
        offered: &[Statement],
        unopposed: bool,
        before_write: impl FnOnce(&Library, &[&Statement]) -> Result<()>,
    ) -> Result<Outcomes> {
        self.check_own_not_lost(id, offered, unopposed)?;
        let _writer = self.lock();
        let before = self.get(id);
        let mut library = before.as_deref().cloned().unwrap_or_else(|| Library::new(*id));
        let outcomes = library.offer_all(offered, self.context.now_ms());
        if unopposed && before.as_ref().is_some_and(|before| contradicts(&library, before)) {
            return Err(Failure::busy(
                "another command signed for the library at the same time, or this home is behind; pull, and run it again",
            ));
        }
        let is_effective =
            |outcome: &chuan_engine::Result<Accepted>| matches!(outcome, Ok(Accepted::New | Accepted::Known));
        // A statement that its own author finds ineffective must not be passed on.
        if unopposed && !outcomes.iter().all(is_effective) {
            return Ok(outcomes);
        }
        let news = offered.iter().zip(&outcomes);
        let news = news.filter(|(_, outcome)| outcome.as_ref().is_ok_and(Accepted::is_news));
        let news: Vec<&Statement> = news.map(|(statement, _)| statement).collect();
        if !news.is_empty() {
            before_write(&library, &news)?;
            let count = self.keep(before.as_deref(), &library, offered, Vec::new())?;
            self.show(Arc::new(library), count);
        }
        Ok(outcomes)
    }

    /// Like [`LibraryService::take`], for statements that a command of this home offers: the audit log
    /// records each before it is stored, and so does the record of what publishers signed here.
    pub(crate) fn take_audited(
        &self,
        id: &LibraryId,
        offered: &[Statement],
        unopposed: bool,
    ) -> Result<Outcomes> {
        let outcomes = self.take(id, offered, unopposed, |library, news| {
            let events = news.iter().filter_map(|statement| event_of::event_of(statement, library));
            events.into_iter().try_for_each(|event| self.context.audit(event))?;
            self.context.signed_record.before_write(library, news);
            Ok(())
        })?;
        self.get(id).into_iter().for_each(|library| self.context.signed_record.after_write(&library));
        Ok(outcomes)
    }

    /// Whether a library has every statement that `publisher` has signed on this machine. No statement is
    /// written meanwhile, so the record and the library belong together. Blocks.
    pub(crate) fn evidence(&self, id: &LibraryId, publisher: &PublicKey) -> Evidence {
        let _writer = self.lock();
        let library = self.get(id).unwrap_or_else(|| Arc::new(Library::new(*id)));
        self.context.signed_record.evidence(&library, publisher)
    }

    /// Records that a library has all that `publisher` has signed: peers were asked and know no more, or the
    /// operator decided so. No statement is written meanwhile. Blocks.
    pub(crate) fn trust_own(&self, id: &LibraryId, publisher: &PublicKey) {
        let _writer = self.lock();
        self.get(id).into_iter().for_each(|library| self.context.signed_record.trust(&library, publisher));
    }

    /// Stores the statements of a pull, whose signatures were verified by it. Durable when it returns. Moves
    /// no channel. Blocks.
    pub(crate) fn adopt(&self, id: &LibraryId, statements: &[Statement]) -> Result<()> {
        let writer = self.lock();
        let before = self.get(id);
        let mut library = before.as_deref().cloned().unwrap_or_else(|| Library::new(*id));
        for outcome in library.offer_all(statements, self.context.now_ms()) {
            // A root of a version of which another one is effective here is refused by itself.
            if let Err(error) = outcome {
                tracing::debug!(%error, library = library.name(), "a statement of a pull is not stored");
            }
        }
        let count = self.keep(before.as_deref(), &library, statements, Vec::new())?;
        self.show(Arc::new(library), count);
        drop(writer);
        if before.is_none_or(|before| before.root().is_none()) {
            // Statements that were stored without a root become effective with it.
            self.reload(id)?;
        }
        Ok(())
    }

    /// Moves a channel of this home to the release that `statement` names, which must be complete here, if
    /// that is onward. A channel never moves back: where its newest statement turned out to be ineffective,
    /// it stays until a newer one comes. Durable when it returns; returns whether it moved. Blocks.
    pub(crate) fn move_here(&self, statement: &Statement, channel: &str) -> Result<bool> {
        let _writer = self.lock();
        let Some(library) = self.get(&statement.library()) else { return Ok(false) };
        let refs = self.context.ledger().refs()?;
        let here = refs.iter().find(|at| at.library == library.id() && at.channel == channel);
        let onward = takeable(&library, channel, here);
        if !onward.iter().any(|takeable| takeable.statement == statement.id()) {
            return Ok(false);
        }
        self.context.ledger().append(ref_move(statement))?;
        self.context.metrics.channel_moves.inc();
        if let Body::Channel(body) = statement.body() {
            self.context.emit(NodeEvent::ChannelMoved {
                library: library.id().to_string(),
                channel: channel.to_owned(),
                release: body.release.to_string(),
                sequence: library.release(&body.release).map_or(0, |said| said.statement.sequence()),
            });
        }
        Ok(true)
    }

    /// Keeps the first root of a library beside the keys, where it is not there yet. A failure is logged, and
    /// tried again at the next start.
    pub(crate) fn keep_root(&self, library: &Library) {
        let Some(root) = library.roots().next() else { return };
        if let Err(failure) = self.context.home.keep_root(&library.id(), root.bytes()) {
            tracing::warn!(%failure, library = library.name(), "its root is not kept beside the keys");
        }
    }

    /// Shows another state than the ledger holds: what a crash would have left.
    #[cfg(test)]
    pub(crate) fn replace(&self, library: Arc<Library>) {
        self.show(library, 0);
    }

    /// Records statements of peers in the audit log. Releases, channels and tickets are recorded by the act
    /// that uses them; fresh statements come every few minutes and are not recorded.
    pub(crate) fn note_statements(&self, statements: &[Statement]) {
        for statement in statements {
            let Some(library) = self.get(&statement.library()) else { continue };
            if !matches!(
                statement.body(),
                Body::Release(_) | Body::Channel(_) | Body::Ticket(_) | Body::Fresh(_)
            ) {
                event_of::event_of(statement, &library)
                    .into_iter()
                    .for_each(|event| self.context.note(event));
            }
        }
    }

    fn rated<T>(&self, id: &LibraryId, with: impl FnOnce(&mut Rates) -> T) -> T {
        with(self.rates.lock().unwrap_or_else(PoisonError::into_inner).entry(*id).or_default())
    }

    /// Writes the statements of `heard` that are in `after` and not in `before`, with all signatures known by
    /// then, and behind them the channels' `moves`. Statements that these supersede are no longer listed.
    /// Returns the number of new statements.
    fn keep(
        &self,
        before: Option<&Library>,
        after: &Library,
        heard: &[Statement],
        moves: Vec<Record>,
    ) -> Result<u64> {
        let mut batch = records::added(before, after, heard);
        let count = batch.len() as u64;
        batch.extend(moves);
        if !batch.is_empty() {
            self.context.ledger().append(batch)?;
        }
        if count > 0 {
            self.context.metrics.statements.inc_by(count);
        }
        let passing = before.into_iter().flat_map(Library::passing);
        self.supersede(&passing.filter(|id| after.statement(id).is_none()).collect::<Vec<_>>());
        Ok(count)
    }

    /// Unlists superseded statements. It only saves work: a failure is repeated at the next start.
    fn supersede(&self, superseded: &[StatementId]) {
        if !superseded.is_empty()
            && let Err(error) = self.context.ledger().supersede(superseded)
        {
            tracing::debug!(%error, "superseded statements stay listed");
        }
    }

    /// Makes a library visible with `count` new statements, which are durable.
    fn show(&self, library: Arc<Library>, count: u64) {
        let id = library.id();
        self.snapshot.send_modify(|snapshot| {
            let snapshot = Arc::make_mut(snapshot);
            snapshot.left_out.remove(&library.id());
            snapshot.known.insert(library.id(), library);
        });
        self.changes.send_modify(|change| *change = change.wrapping_add(1));
        if count > 0 {
            self.context.emit(NodeEvent::Statements { library: id.to_string(), count });
        }
    }

    fn lock(&self) -> MutexGuard<'_, ()> {
        self.writer.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
