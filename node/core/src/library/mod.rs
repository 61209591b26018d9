//! The libraries a node knows: their statements in memory, always a mirror of what is durable in the ledger. Owns the
//! order of the two (durable first, then visible) and the meaning of labels; what may stand is the engine's to say.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock},
};

use bytes::Bytes;
use chuan_engine::{
    id::{LibraryId, StatementId},
    statement::{Accepted, Body, Library, Rates, Statement, StatementKind},
    store::{Ledger, Record, RefMove},
    sync::takeable::takeable,
};

use tokio::sync::watch;

use super::intake::Intake;
use crate::exit::{Failure, Result};

/// The libraries of an open home.
#[derive(Debug)]
pub(super) struct Libraries<L> {
    ledger: Arc<L>,
    known: RwLock<BTreeMap<LibraryId, Arc<Library>>>,
    /// Libraries of which something is kept, and not the root without which they say nothing; with the reason.
    left_out: RwLock<BTreeMap<LibraryId, String>>,
    /// Ticks with every change.
    changes: watch::Sender<u64>,
    /// What keys have left of what they say again and again, by library.
    rates: Mutex<BTreeMap<LibraryId, Rates>>,
    /// Held while statements go from here to the ledger: one change at a time, so that none is made from an old state.
    change: Mutex<()>,
    /// What peers brought so far, and what came of it.
    pub(super) intake: Intake,
}

impl<L: Ledger> Libraries<L> {
    /// Takes up what the ledger holds, verified anew, and goes past what is damaged: a library without a root is left out.
    /// `roots` are first roots that are kept elsewhere; those that the ledger does not have are given back to it.
    pub(super) fn load(ledger: Arc<L>, roots: &[Statement], now_ms: i64) -> Result<Self> {
        let Loaded { known, left_out, outdated, strays } = load(&*ledger, roots, now_ms)?;
        if !strays.is_empty()
            && let Err(error) = ledger.append(strays)
        {
            tracing::warn!(%error, "roots that are kept beside the keys are not in the ledger");
        }
        let this = Self {
            ledger,
            known: RwLock::new(known),
            left_out: RwLock::new(left_out),
            changes: watch::Sender::new(0),
            rates: Mutex::default(),
            change: Mutex::new(()),
            intake: Intake::default(),
        };
        this.forget(&outdated);
        Ok(this)
    }

    /// Takes up a library again from the ledger, after something else has written there.
    pub(super) fn reload(&self, id: &LibraryId, now_ms: i64) -> Result<Arc<Library>> {
        let _change = self.lock();
        let mut kept = Vec::new();
        for kind in StatementKind::ALL {
            kept.extend(self.ledger.statements(Some(id), kind)?.into_iter().map(|kept| kept.bytes));
        }
        let library = Arc::new(Library::load(*id, kept, now_ms)?);
        self.show(Arc::clone(&library));
        Ok(library)
    }

    /// Libraries that are left out, with the reason.
    pub(super) fn left_out(&self) -> BTreeMap<LibraryId, String> {
        self.left_out.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Notes libraries of which something is remembered outside the ledger. Where the ledger has lost something and does not
    /// know them, they are left out.
    pub(super) fn leave_out(&self, libraries: Vec<LibraryId>) {
        if self.ledger.lost().is_ok_and(|lost| lost.is_empty()) {
            return;
        }
        let mut left_out = self.left_out.write().unwrap_or_else(PoisonError::into_inner);
        for library in libraries.into_iter().filter(|library| self.get(library).is_none()) {
            left_out.entry(library).or_insert_with(|| "its root is lost".to_owned());
        }
    }

    /// Ticks when something is known that was not before.
    pub(super) fn changes(&self) -> watch::Receiver<u64> {
        self.changes.subscribe()
    }

    /// All libraries, by id.
    pub(super) fn all(&self) -> Vec<Arc<Library>> {
        self.known.read().unwrap_or_else(PoisonError::into_inner).values().cloned().collect()
    }

    /// The library with this id.
    pub(super) fn get(&self, id: &LibraryId) -> Option<Arc<Library>> {
        self.known.read().unwrap_or_else(PoisonError::into_inner).get(id).cloned()
    }

    /// The library with this id, without a statement where it is left out.
    pub(super) fn get_or_left_out(&self, id: &LibraryId) -> Option<Arc<Library>> {
        let is_left_out = || self.left_out.read().unwrap_or_else(PoisonError::into_inner).contains_key(id);
        self.get(id).or_else(|| is_left_out().then(|| Arc::new(Library::new(*id))))
    }

    /// The library of this label or id.
    pub(super) fn named(&self, name: &str) -> Result<Arc<Library>> {
        self.find(name)?.ok_or_else(|| {
            let all = self.all();
            let names: Vec<_> = all.iter().map(|library| library.name()).collect();
            let known = if names.is_empty() { "none".to_owned() } else { names.join(", ") };
            Failure::missing(format!(
                "no library `{name}` here (known: {known}); join it with a ticket, or found it with `chuan publish`"
            ))
        })
    }

    /// The library of this label or id, `None` where there is none; fails where several have the label.
    pub(super) fn find(&self, name: &str) -> Result<Option<Arc<Library>>> {
        if let Ok(id) = name.parse::<LibraryId>() {
            return Ok(self.get(&id));
        }
        let mut found = self.all();
        found.retain(|library| library.name() == name);
        match found.as_slice() {
            [] => Ok(None),
            [library] => Ok(Some(Arc::clone(library))),
            several => {
                let ids: Vec<_> = several.iter().map(|library| library.id().to_string()).collect();
                Err(Failure::usage(format!(
                    "several libraries are called `{name}`; name one by its id: {}",
                    ids.join(", ")
                )))
            }
        }
    }

    /// The library of this label or id, or the only one where none is named.
    pub(super) fn named_or_only(&self, name: Option<&str>) -> Result<Arc<Library>> {
        if let Some(name) = name {
            return self.named(name);
        }
        let all = self.all();
        match all.as_slice() {
            [] => {
                Err(Failure::missing("no library here yet; join one with a ticket, or `chuan publish` one"))
            }
            [library] => Ok(Arc::clone(library)),
            several => {
                let names: Vec<_> = several.iter().map(|library| library.name()).collect();
                Err(Failure::usage(format!("several libraries are here; name one of {}", names.join(", "))))
            }
        }
    }

    /// Changes a library: `make` gets it as it stands and gives the statements to add. They are offered to the library,
    /// made durable, and only then seen by anyone. `library` need not be known yet.
    ///
    /// Channel statements must come alone: they go with their ref move, after everything they rest on is durable.
    pub(super) fn change(
        &self,
        id: &LibraryId,
        now_ms: i64,
        make: impl FnOnce(&Library) -> Result<Vec<Statement>>,
    ) -> Result<Arc<Library>> {
        let _change = self.lock();
        let mut library = self.get(id).map_or_else(|| Library::new(*id), |library| (*library).clone());
        let made = make(&library)?;
        let outcomes = library.offer_all(&made, now_ms);
        let mut moves = Vec::new();
        for (statement, outcome) in made.iter().zip(outcomes) {
            match outcome? {
                Accepted::New => moves.extend(moved(statement)),
                Accepted::Known => {}
                Accepted::Outdated => {
                    return Err(Failure::denied(format!(
                        "{}: {}",
                        statement.kind().name(),
                        Accepted::OUTDATED
                    )));
                }
                Accepted::Idle { reason } | Accepted::Unproved { reason } => {
                    return Err(Failure::denied(format!("{}: {reason}", statement.kind().name())));
                }
            }
        }
        let before = self.get(id);
        self.keep(before.as_deref(), &library, &made, moves)?;
        let library = Arc::new(library);
        self.show(Arc::clone(&library));
        Ok(library)
    }

    /// Takes statements from anybody: what stands is kept, the rest is dropped. Gives what was new. Of what keys say again and
    /// again, what comes too often is left to a later exchange.
    pub(super) fn offer(&self, statements: &[Bytes], now_ms: i64) -> Result<Vec<Statement>> {
        let mut heard = Vec::new();
        for (id, (known, mut offered)) in self.intake.sift(statements, |id| self.get_or_left_out(id)) {
            offered = self.rated(&id, |rates| rates.admit(offered, now_ms));
            if !known.would_take_any(&offered) {
                continue;
            }
            let outcomes = self.take(&id, &offered, false, now_ms, |_, _| Ok(()))?;
            if known.root().is_none() && self.get(&id).is_some() {
                // With its root the rest that is kept of it counts again.
                self.reload(&id, now_ms)?;
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

    fn rated<T>(&self, id: &LibraryId, with: impl FnOnce(&mut Rates) -> T) -> T {
        with(self.rates.lock().unwrap_or_else(PoisonError::into_inner).entry(*id).or_default())
    }

    /// Takes finished statements of one library, and says what became of each. What is known then is durable when it
    /// returns. With `unopposed` nothing is taken where one of them contradicts what is known, or would not count. A library that is not known
    /// becomes known with its first root. `told` hears of what will be kept before it is, and may prevent it.
    pub(super) fn take(
        &self,
        id: &LibraryId,
        offered: &[Statement],
        unopposed: bool,
        now_ms: i64,
        told: impl FnOnce(&Library, &[&Statement]) -> Result<()>,
    ) -> Result<Vec<chuan_engine::Result<Accepted>>> {
        let _change = self.lock();
        let before = self.get(id);
        let mut library = before.as_ref().map_or_else(|| Library::new(*id), |library| (**library).clone());
        let outcomes = library.offer_all(offered, now_ms);
        if unopposed && before.as_ref().is_some_and(|before| contradicts(&library, before)) {
            return Err(Failure::busy(
                "another command spoke for the library at the same time, or this home is behind; pull, and run it again",
            ));
        }
        let stands =
            |outcome: &chuan_engine::Result<Accepted>| matches!(outcome, Ok(Accepted::New | Accepted::Known));
        // What its own author could not mean as it is must not be passed on.
        if unopposed && !outcomes.iter().all(stands) {
            return Ok(outcomes);
        }
        let news = offered
            .iter()
            .zip(&outcomes)
            .filter(|(_, outcome)| outcome.as_ref().is_ok_and(Accepted::is_news));
        let news: Vec<&Statement> = news.map(|(statement, _)| statement).collect();
        if !news.is_empty() {
            told(&library, &news)?;
            self.keep(before.as_deref(), &library, offered, Vec::new())?;
            self.show(Arc::new(library));
        }
        Ok(outcomes)
    }

    /// Moves a channel of this home to where `statement` said it stands, whose release must be whole here: if the channel still
    /// may go on there. Never back: where what was said last turned out not to count, a channel stays until something newer
    /// is said. Durable when it returns; gives whether it moved.
    pub(super) fn move_here(&self, statement: &Statement, channel: &str) -> Result<bool> {
        let _change = self.lock();
        let Some(library) = self.get(&statement.library()) else { return Ok(false) };
        let refs = self.ledger.refs()?;
        let here = refs.iter().find(|at| at.library == library.id() && at.channel == channel);
        let onward = takeable(&library, channel, here);
        if !onward.iter().any(|takeable| takeable.statement == statement.id()) {
            return Ok(false);
        }
        self.ledger.append(moved(statement))?;
        Ok(true)
    }

    /// Shows another state than the ledger holds: what a crash would have left.
    #[cfg(test)]
    pub(super) fn replace(&self, library: Arc<Library>) {
        self.show(library);
    }

    /// Makes durable what of `heard` is known in `after` and was not in `before`, with all signatures that are known by then, and
    /// after it the channels' `moves`. What is overtaken by that is not listed again.
    fn keep(
        &self,
        before: Option<&Library>,
        after: &Library,
        heard: &[Statement],
        moves: Vec<Record>,
    ) -> Result<()> {
        let mut batch = Vec::new();
        let known = |id: &StatementId| before.and_then(|before| before.statement(id));
        // In the order given: of two roots of one version the first stands.
        for statement in heard.iter().filter_map(|heard| after.statement(&heard.id())) {
            match known(&statement.id()) {
                None => batch.push(Record::from(statement)),
                Some(known) if known != statement => batch.push(Record::countersigned(statement)),
                Some(_) => {}
            }
        }
        batch.extend(moves);
        if !batch.is_empty() {
            self.ledger.append(batch)?;
        }
        let overtaken = before.into_iter().flat_map(Library::passing);
        self.forget(&overtaken.filter(|id| after.statement(id).is_none()).collect::<Vec<_>>());
        Ok(())
    }

    /// A memory of work done: what fails is done again at the next start.
    fn forget(&self, outdated: &[StatementId]) {
        if !outdated.is_empty()
            && let Err(error) = self.ledger.supersede(outdated)
        {
            tracing::debug!(%error, "outdated statements stay listed");
        }
    }

    fn show(&self, library: Arc<Library>) {
        self.left_out.write().unwrap_or_else(PoisonError::into_inner).remove(&library.id());
        self.known.write().unwrap_or_else(PoisonError::into_inner).insert(library.id(), library);
        self.changes.send_modify(|change| *change = change.wrapping_add(1));
    }

    fn lock(&self) -> MutexGuard<'_, ()> {
        self.change.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What a ledger holds of libraries.
struct Loaded {
    known: BTreeMap<LibraryId, Arc<Library>>,
    /// Libraries that say nothing, and why.
    left_out: BTreeMap<LibraryId, String>,
    /// Roots that the ledger does not have.
    strays: Vec<Record>,
    /// What it lists though newer statements say all that counts.
    outdated: Vec<StatementId>,
}

/// Every library of which the ledger holds the root, its statements verified anew.
fn load(ledger: &dyn Ledger, roots: &[Statement], now_ms: i64) -> Result<Loaded> {
    let mut kept: BTreeMap<LibraryId, Vec<Statement>> = BTreeMap::new();
    let mut left_out = BTreeMap::new();
    let mut passing = Vec::new();
    for kind in StatementKind::ALL {
        for record in ledger.statements(None, kind)? {
            match Statement::decode(&record.bytes) {
                Ok(statement) => {
                    passing.extend(Library::may_pass(&statement).then(|| statement.clone()));
                    kept.entry(statement.library()).or_default().push(statement);
                }
                Err(error) => {
                    tracing::warn!(library = %record.library.short(), %error, "a kept statement is left out");
                    left_out.insert(record.library, format!("a statement of it does not parse: {error}"));
                }
            }
        }
    }
    let mut strays = Vec::new();
    for root in roots {
        let statements = kept.entry(root.library()).or_default();
        if statements.iter().all(|statement| statement.id() != root.id()) {
            strays.push(Record::from(root));
            statements.insert(0, root.clone());
        }
    }
    // Refs and lost records name libraries, too, of which no statement is left.
    let refs = ledger.refs()?.into_iter().map(|at| at.library);
    let lost = ledger.lost()?.into_iter().filter_map(|lost| lost.library);
    for library in refs.chain(lost) {
        kept.entry(library).or_default();
    }
    let mut known = BTreeMap::new();
    for (id, statements) in kept {
        match Library::open(id, statements, now_ms) {
            Ok(library) => {
                known.insert(id, Arc::new(library));
                left_out.remove(&id);
            }
            Err(error) => {
                tracing::error!(library = %id, %error, "a library is left out");
                left_out.insert(id, error.to_string());
            }
        }
    }
    // A succession or a claim may be unknown because what it rests on is damaged: that one stays.
    let is_outdated = |said: &&Statement| {
        let is_gone = |library: &Arc<Library>| {
            let is_unknown = said.kind().is_passing() && library.statement(&said.id()).is_none();
            is_unknown || library.is_overtaken(said)
        };
        known.get(&said.library()).is_some_and(is_gone)
    };
    let outdated = passing.iter().filter(is_outdated).map(Statement::id).collect();
    Ok(Loaded { known, left_out, outdated, strays })
}

/// Whether something contradicts something in `after` that did not in `before`.
fn contradicts(after: &Library, before: &Library) -> bool {
    let known: BTreeSet<_> = before.conflicts().iter().map(|conflict| &conflict.statements).collect();
    after.conflicts().iter().any(|conflict| !known.contains(&conflict.statements))
}

/// Where a channel stands by its statement; nothing for other statements.
fn moved(statement: &Statement) -> Vec<Record> {
    match statement.body() {
        Body::Channel(channel) => vec![Record::Ref(RefMove {
            library: statement.library(),
            channel: channel.name.clone(),
            statement: statement.id(),
            release: channel.release,
            sequence: statement.sequence(),
        })],
        _ => Vec::new(),
    }
}

#[cfg(test)]
mod tests;
