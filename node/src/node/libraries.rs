//! The libraries a node knows: their statements in memory, always a mirror of what is durable in the store. Owns the
//! order of the two (durable first, then visible) and the meaning of labels; what may stand is the engine's to say.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock},
};

use bytes::Bytes;
use chuan_engine::{
    id::{LibraryId, StatementId},
    statement::{Accepted, Body, Channel, Library, Statement, StatementKind},
    store::{Mark, Object, RefMove, Store},
};

use tokio::sync::watch;

use crate::exit::{Failure, Result};

/// The libraries of an open home.
#[derive(Debug)]
pub(super) struct Libraries<S> {
    store: Arc<S>,
    known: RwLock<BTreeMap<LibraryId, Arc<Library>>>,
    /// Ticks with every change.
    changes: watch::Sender<u64>,
    /// Held while statements go from here to the store: one change at a time, so that none is made from an old state.
    change: Mutex<()>,
}

impl<S: Store> Libraries<S> {
    /// Takes up what the store holds, verified anew.
    pub(super) fn load(store: Arc<S>, now_ms: i64) -> Result<Self> {
        let Loaded { known, outdated } = load(&*store, now_ms)?;
        let this =
            Self { store, known: RwLock::new(known), changes: watch::Sender::new(0), change: Mutex::new(()) };
        this.forget(outdated.into_iter());
        Ok(this)
    }

    /// Takes up a library again from the store, after something else has written there.
    pub(super) fn reload(&self, id: &LibraryId, now_ms: i64) -> Result<Arc<Library>> {
        let _change = self.lock();
        let mut kept = Vec::new();
        for kind in StatementKind::ALL {
            kept.extend(self.store.statements(Some(id), kind)?.into_iter().map(|(_, bytes)| bytes));
        }
        let library = Arc::new(Library::load(*id, kept, now_ms)?);
        self.show(Arc::clone(&library));
        Ok(library)
    }

    /// Takes up everything again from the store, after it was rebuilt.
    pub(super) fn reload_all(&self, now_ms: i64) -> Result<()> {
        let _change = self.lock();
        let Loaded { known, outdated } = load(&*self.store, now_ms)?;
        *self.known.write().unwrap_or_else(PoisonError::into_inner) = known;
        self.forget(outdated.into_iter());
        Ok(())
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
    /// made durable with `objects` before them, and only then seen by anyone. `library` need not be known yet.
    ///
    /// Channel statements must come alone: they go with their ref move, after everything they rest on is durable.
    pub(super) fn change(
        &self,
        id: &LibraryId,
        objects: Vec<Object>,
        now_ms: i64,
        make: impl FnOnce(&Library) -> Result<Vec<Statement>>,
    ) -> Result<Arc<Library>> {
        let _change = self.lock();
        let mut library = self.get(id).map_or_else(|| Library::new(*id), |library| (*library).clone());
        let made = make(&library)?;
        let outcomes = library.offer_all(&made, now_ms);
        let mut batch = objects;
        for (statement, outcome) in made.iter().zip(outcomes) {
            match outcome? {
                Accepted::New => batch.extend(moved(statement)),
                Accepted::Known => {}
                Accepted::Outdated => {
                    return Err(Failure::denied(format!(
                        "{}: a newer one is known",
                        statement.kind().name()
                    )));
                }
                Accepted::Idle { reason } | Accepted::Unproved { reason } => {
                    return Err(Failure::denied(format!("{}: {reason}", statement.kind().name())));
                }
            }
        }
        let before = self.get(id);
        self.keep(before.as_deref(), &library, &made, batch)?;
        let library = Arc::new(library);
        self.show(Arc::clone(&library));
        Ok(library)
    }

    /// Takes statements from anybody: what stands is kept, the rest is dropped. Gives what was new.
    pub(super) fn offer(&self, statements: &[Bytes], now_ms: i64) -> Result<Vec<Statement>> {
        let mut heard = Vec::new();
        let mut by_library: BTreeMap<LibraryId, Vec<Statement>> = BTreeMap::new();
        for statement in statements.iter().filter_map(|bytes| Statement::decode(bytes).ok()) {
            by_library.entry(statement.library()).or_default().push(statement);
        }
        for (id, mut offered) in by_library {
            let Some(known) = self.get(&id) else { continue };
            offered.retain(|statement| known.statement(&statement.id()) != Some(statement));
            if offered.is_empty() {
                continue;
            }
            let outcomes = self.take(&id, &offered, false, now_ms, |_, _| Ok(()))?;
            let news = offered.into_iter().zip(outcomes);
            let news = news.filter(|(_, outcome)| outcome.as_ref().is_ok_and(Accepted::is_news));
            heard.extend(news.map(|(statement, _)| statement));
        }
        Ok(heard)
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

    /// Moves a channel of this home to where it was said last to stand, if that is still `statement`, whose release must be
    /// whole here. Never back: where what was said last turned out not to count, a channel stays until something newer is
    /// said. Durable when it returns; gives whether it moved.
    pub(super) fn move_here(&self, statement: &Statement, channel: &Channel) -> Result<bool> {
        let _change = self.lock();
        let Some(library) = self.get(&statement.library()) else { return Ok(false) };
        let stands = library.channel(&channel.name).is_some_and(|said| said.statement.id() == statement.id());
        let refs = self.store.refs()?;
        let mut here = refs.iter().filter(|at| at.library == library.id() && at.channel == channel.name);
        if !stands || !here.all(|here| is_onward(&library, &statement.id(), here)) {
            return Ok(false);
        }
        self.store.append(moved(statement))?;
        self.store.commit()?;
        Ok(true)
    }

    /// Shows another state than the store holds: what a crash would have left.
    #[cfg(test)]
    pub(super) fn replace(&self, library: Arc<Library>) {
        self.show(library);
    }

    /// Makes durable what of `heard` is known in `after` and was not in `before`, with all signatures that are known by then, and
    /// `others` with it: before the channels' moves in it, after all else. What is overtaken by that is not listed again.
    fn keep(
        &self,
        before: Option<&Library>,
        after: &Library,
        heard: &[Statement],
        others: Vec<Object>,
    ) -> Result<()> {
        let (moves, mut batch): (Vec<_>, Vec<_>) =
            others.into_iter().partition(|object| matches!(object, Object::Ref(_)));
        let known = |id: &StatementId| before.and_then(|before| before.statement(id));
        // In the order given: of two roots of one version the first stands.
        for statement in heard.iter().filter_map(|heard| after.statement(&heard.id())) {
            match known(&statement.id()) {
                None => batch.push(Object::from(statement)),
                Some(known) if known != statement => batch.push(Object::countersigned(statement)),
                Some(_) => {}
            }
        }
        batch.extend(moves);
        if !batch.is_empty() {
            self.store.append(batch)?;
            self.store.commit()?;
        }
        let overtaken = before.into_iter().flat_map(Library::passing);
        self.forget(overtaken.filter(|id| after.statement(id).is_none()));
        Ok(())
    }

    /// A memory of work done: what fails is done again at the next start.
    fn forget(&self, outdated: impl Iterator<Item = StatementId>) {
        let marks: Vec<_> = outdated.map(Mark::Outdated).collect();
        if !marks.is_empty()
            && let Err(error) = self.store.mark(&marks)
        {
            tracing::debug!(%error, "outdated statements stay listed");
        }
    }

    fn show(&self, library: Arc<Library>) {
        self.known.write().unwrap_or_else(PoisonError::into_inner).insert(library.id(), library);
        self.changes.send_modify(|change| *change = change.wrapping_add(1));
    }

    fn lock(&self) -> MutexGuard<'_, ()> {
        self.change.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What a store holds of libraries.
struct Loaded {
    known: BTreeMap<LibraryId, Arc<Library>>,
    /// What it lists though newer statements say all that counts.
    outdated: Vec<StatementId>,
}

/// Every library of which the store holds the root, its statements verified anew.
fn load(store: &dyn Store, now_ms: i64) -> Result<Loaded> {
    let mut kept: BTreeMap<LibraryId, Vec<Statement>> = BTreeMap::new();
    let mut passing = Vec::new();
    for kind in StatementKind::ALL {
        for (id, bytes) in store.statements(None, kind)? {
            match Statement::decode(&bytes) {
                Ok(statement) => {
                    passing.extend(kind.is_passing().then_some((statement.library(), id)));
                    kept.entry(statement.library()).or_default().push(statement);
                }
                Err(error) => tracing::warn!(%error, "a kept statement is left out"),
            }
        }
    }
    let mut known = BTreeMap::new();
    for (id, statements) in kept {
        match Library::open(id, statements, now_ms) {
            Ok(library) => drop(known.insert(id, Arc::new(library))),
            Err(error) => tracing::error!(library = %id, %error, "a library is left out"),
        }
    }
    let is_outdated = |(library, id): &(LibraryId, StatementId)| {
        known.get(library).is_some_and(|library: &Arc<Library>| library.statement(id).is_none())
    };
    let outdated = passing.into_iter().filter(is_outdated).map(|(_, id)| id).collect();
    Ok(Loaded { known, outdated })
}

/// Whether a channel that stands on a statement here goes on to `next`: if that comes after it, or if it is not known any
/// more.
pub(super) fn is_onward(library: &Library, next: &StatementId, here: &RefMove) -> bool {
    library.statement(&here.statement).is_none() || library.is_after(&here.channel, next, &here.statement)
}

/// Whether something contradicts something in `after` that did not in `before`.
fn contradicts(after: &Library, before: &Library) -> bool {
    let known: BTreeSet<_> = before.conflicts().iter().map(|conflict| &conflict.statements).collect();
    after.conflicts().iter().any(|conflict| !known.contains(&conflict.statements))
}

/// Where a channel stands by its statement; nothing for other statements.
fn moved(statement: &Statement) -> Vec<Object> {
    match statement.body() {
        Body::Channel(channel) => vec![Object::Ref(RefMove {
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
mod tests {
    use chuan_engine::{
        id::Salt,
        statement::{
            Key,
            library::{Founders, found},
        },
        store::memory::MemoryStore,
    };

    use super::*;
    use crate::Exit;

    fn founded(libraries: &Libraries<MemoryStore>, name: &str, nonce: u8) -> LibraryId {
        let key = |seed| Key::from_seed([seed; 32]);
        let keys = Founders { root: &key(1), operator: &key(2), publisher: &key(3) };
        let (id, root) = found(name, keys, Salt::from_bytes([nonce; 32]), 1).unwrap();
        libraries.change(&id, Vec::new(), 1, |_| Ok(vec![root])).unwrap();
        id
    }

    #[test]
    fn labels_resolve_and_ambiguity_names_the_ids() {
        let store = Arc::new(MemoryStore::default());
        let libraries = Libraries::load(Arc::clone(&store), 1).unwrap();
        assert_eq!(libraries.named_or_only(None).unwrap_err().exit, Exit::Missing);
        let films = founded(&libraries, "films", 1);
        assert_eq!(libraries.named_or_only(None).unwrap().id(), films);
        let other = founded(&libraries, "films", 2);
        assert_eq!(libraries.named(&films.to_string()).unwrap().id(), films);
        let failure = libraries.named("films").unwrap_err();
        assert!(failure.message.contains(&other.to_string()), "{failure}");
        assert_eq!(libraries.named("opera").unwrap_err().exit, Exit::Missing);

        // What was shown is what the store holds.
        let again = Libraries::load(store, 1).unwrap();
        assert_eq!(again.all().len(), 2);
    }

    #[test]
    fn a_change_that_does_not_stand_leaves_nothing() {
        let store = Arc::new(MemoryStore::default());
        let libraries = Libraries::load(Arc::clone(&store), 1).unwrap();
        let id = founded(&libraries, "films", 1);
        let stranger = Key::from_seed([9; 32]);
        let result = libraries.change(&id, Vec::new(), 1, |library| {
            let manifest = chuan_engine::id::ManifestId::unbound(b"x");
            Ok(vec![chuan_engine::statement::library::release(library, &stranger, vec![], manifest, "", 1)?])
        });
        assert_eq!(result.unwrap_err().exit, Exit::Denied);
        assert!(store.statements(Some(&id), StatementKind::Release).unwrap().is_empty());
    }
    /// Nothing is used that a crash would forget: where the store cannot keep a statement, nobody sees it, and it is new again
    /// once the store can.
    #[test]
    fn what_is_not_durable_is_not_seen() {
        let store = Arc::new(MemoryStore::default());
        let libraries = Libraries::load(Arc::clone(&store), 1).unwrap();
        let id = founded(&libraries, "films", 1);
        let key = |seed| Key::from_seed([seed; 32]);
        let before = libraries.get(&id).unwrap();
        let mut root = before.root().unwrap().clone();
        root.version = 2;
        root.name = "opera".into();
        let header = chuan_engine::statement::Header { library: Some(id), sequence: 2, time_ms: 1 };
        let next = Statement::sign(header, &Body::Root(root), &[&key(1)]).unwrap();
        let mut changes = libraries.changes();
        changes.mark_unchanged();
        let version =
            |libraries: &Libraries<MemoryStore>| libraries.get(&id).unwrap().root().unwrap().version;

        store.poison("the test wants it");
        libraries.take(&id, std::slice::from_ref(&next), false, 1, |_, _| Ok(())).unwrap_err();
        libraries.offer(&[next.bytes().clone()], 1).unwrap_err();
        libraries.change(&id, Vec::new(), 1, |_| Ok(vec![next.clone()])).unwrap_err();
        assert_eq!(version(&libraries), 1, "a root is used that is not durable");
        assert!(!changes.has_changed().unwrap(), "peers are told of what is not durable");
        store.crash();
        let again = Libraries::load(Arc::clone(&store), 1).unwrap();
        assert_eq!(version(&again), 1);
        assert_eq!(again.offer(&[next.bytes().clone()], 1).unwrap(), [next]);
        assert_eq!(version(&Libraries::load(store, 1).unwrap()), 2);
    }
}
