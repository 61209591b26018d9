//! The store's twin in memory: stricter than any disk, for tests of everything above the seam.
//!
//! It hashes every object it is handed, shows nothing before its commit, and can be told to lose objects, to crash
//! ([`MemoryStore::crash`]), to run full and to be poisoned. It must keep no promise that a disk store does not keep,
//! and break none: both run [`conformance`](super::conformance).

pub mod ledger;
pub mod objects;

use std::{
    collections::{BTreeMap, BTreeSet, HashMap, HashSet},
    sync::{Mutex, MutexGuard, PoisonError},
};

use bytes::Bytes;

use super::{Appended, Check, LostId, Mark, Object, PageState, RefMove, Store, check_batch, check_object};
use crate::{
    error::{Error, Result},
    id::{ChunkId, LibraryId, PageId, StatementId, is_unbound_page},
    limits,
    statement::{Statement, StatementKind},
};

/// Keeps objects in memory, strictly.
#[derive(Debug, Default)]
pub struct MemoryStore {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    kept: Kept,
    waiting: Vec<Object>,
    waiting_ids: HashSet<LostId>,
    waiting_bytes: u64,
    damaged: HashSet<LostId>,
    lost: BTreeSet<LostId>,
    refusal: Option<Refusal>,
}

/// What is durable and visible.
#[derive(Debug, Default)]
struct Kept {
    chunks: HashMap<ChunkId, Bytes>,
    pages: HashMap<PageId, Bytes>,
    marks: HashMap<PageId, PageState>,
    /// By kind, library, sequence and the place in the order of all.
    statements: BTreeMap<(u8, LibraryId, u64, u64), (StatementId, Bytes)>,
    outdated: HashSet<StatementId>,
    appended: u64,
    refs: BTreeMap<(LibraryId, String), RefMove>,
}

/// Why a twin takes no writes.
#[derive(Clone, Debug)]
enum Refusal {
    /// A write of the home has failed.
    Poisoned(String),
    /// There is no room.
    Full,
}

impl Refusal {
    /// The error of a write, if it is refused.
    fn check(refusal: Option<&Self>) -> Result<()> {
        match refusal {
            None => Ok(()),
            Some(Refusal::Poisoned(cause)) => Err(Error::Poisoned(cause.clone())),
            Some(Refusal::Full) => {
                Err(Error::Full("the store in memory was told to be full; make room in it".to_owned()))
            }
        }
    }
}

impl MemoryStore {
    /// Makes an empty store.
    pub fn new() -> Self {
        Self::default()
    }

    /// Drops everything that no commit has made durable, as a crash does, and ends a poisoning, as reopening does.
    pub fn crash(&self) {
        let mut state = self.lock();
        state.drop_waiting();
        state.refusal = None;
    }

    /// Damages a visible object: the next read finds out, fails and moves it to the lost set. Tells whether it was held.
    pub fn damage(&self, id: LostId) -> bool {
        let mut state = self.lock();
        let held = state.kept.holds(&id);
        if held {
            state.damaged.insert(id);
        }
        held
    }

    /// Moves a visible object to the lost set at once. Tells whether it was held.
    pub fn lose(&self, id: LostId) -> bool {
        let mut state = self.lock();
        let held = state.kept.holds(&id);
        if held {
            state.lose(id);
        }
        held
    }

    /// Makes every later write fail with [`Error::Poisoned`], as after a failed fsync, until [`MemoryStore::crash`].
    pub fn poison(&self, cause: &str) {
        self.lock().refusal = Some(Refusal::Poisoned(cause.to_owned()));
    }

    /// Makes every append fail with [`Error::Full`] while `full`.
    pub fn set_full(&self, full: bool) {
        self.lock().refusal = full.then_some(Refusal::Full);
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Store for MemoryStore {
    fn has_chunks(&self, ids: &[ChunkId]) -> Result<Vec<bool>> {
        check_batch(ids.len())?;
        let state = self.lock();
        Ok(ids.iter().map(|id| state.kept.chunks.contains_key(id)).collect())
    }

    fn read_chunks(&self, ids: &[ChunkId], check: Check) -> Result<Vec<Option<Bytes>>> {
        check_batch(ids.len())?;
        let mut state = self.lock();
        if check == Check::Verify {
            ids.iter().try_for_each(|id| state.find_damage(LostId::Chunk(*id)))?;
        }
        Ok(ids.iter().map(|id| state.kept.chunks.get(id).cloned()).collect())
    }

    fn read_pages(&self, ids: &[PageId]) -> Result<Vec<Option<Bytes>>> {
        check_batch(ids.len())?;
        let mut state = self.lock();
        ids.iter().try_for_each(|id| state.find_damage(LostId::Page(*id)))?;
        Ok(ids.iter().map(|id| state.kept.pages.get(id).cloned()).collect())
    }

    fn page_states(&self, ids: &[PageId]) -> Result<Vec<PageState>> {
        check_batch(ids.len())?;
        let state = self.lock();
        Ok(ids.iter().map(|id| state.kept.page_state(id)).collect())
    }

    fn append(&self, objects: Vec<Object>) -> Result<Appended> {
        let mut state = self.lock();
        state.writable()?;
        objects.iter().try_for_each(check_strictly)?;
        let mut appended = Appended::default();
        for object in objects {
            if state.take(&object) {
                appended.count(&object);
                state.waiting_bytes += object.len() as u64;
                state.waiting.push(object);
            }
            if state.waiting_bytes >= limits::GROUP_BYTES {
                state.commit();
            }
        }
        Ok(appended)
    }

    fn commit(&self) -> Result<()> {
        let mut state = self.lock();
        if let Some(Refusal::Poisoned(cause)) = &state.refusal {
            return Err(Error::Poisoned(cause.clone()));
        }
        state.commit();
        Ok(())
    }

    fn mark(&self, marks: &[Mark]) -> Result<()> {
        let mut state = self.lock();
        state.writable()?;
        for mark in marks {
            match mark {
                Mark::Page(id, to) => {
                    let now = state.kept.page_state(id);
                    if now != PageState::Absent && now < *to {
                        state.kept.marks.insert(*id, *to);
                    }
                }
                Mark::Outdated(id) => drop(state.kept.outdated.insert(*id)),
            }
        }
        Ok(())
    }

    fn statements(
        &self,
        library: Option<&LibraryId>,
        kind: StatementKind,
    ) -> Result<Vec<(StatementId, Bytes)>> {
        let mut state = self.lock();
        let wanted: Vec<_> = state
            .kept
            .statements
            .iter()
            .filter(|((tag, of, ..), _)| *tag == kind as u8 && library.is_none_or(|library| library == of))
            .map(|(_, (id, bytes))| (*id, bytes.clone()))
            .filter(|(id, _)| !state.kept.outdated.contains(id))
            .collect();
        wanted.iter().try_for_each(|(id, _)| state.find_damage(LostId::Statement(*id)))?;
        Ok(wanted)
    }

    fn refs(&self) -> Result<Vec<RefMove>> {
        Ok(self.lock().kept.refs.values().cloned().collect())
    }

    fn lost(&self) -> Result<Vec<LostId>> {
        Ok(self.lock().lost.iter().copied().collect())
    }
}

impl State {
    fn writable(&self) -> Result<()> {
        Refusal::check(self.refusal.as_ref())
    }

    /// Whether `object` is new; if so, its id waits from here on.
    fn take(&mut self, object: &Object) -> bool {
        match object.held_as() {
            None => true,
            Some(id) => !self.kept.holds(&id) && self.waiting_ids.insert(id),
        }
    }

    fn commit(&mut self) {
        for object in std::mem::take(&mut self.waiting) {
            if let Some(id) = object.lost_id() {
                self.lost.remove(&id);
            }
            self.kept.keep(object);
        }
        self.drop_waiting();
    }

    fn drop_waiting(&mut self) {
        self.waiting.clear();
        self.waiting_ids.clear();
        self.waiting_bytes = 0;
    }

    fn find_damage(&mut self, id: LostId) -> Result<()> {
        if !self.damaged.contains(&id) {
            return Ok(());
        }
        self.lose(id);
        Err(Error::Corrupt(format!("{id:?} in the store in memory; pull it again")))
    }

    fn lose(&mut self, id: LostId) {
        self.damaged.remove(&id);
        self.kept.forget(&id);
        self.lost.insert(id);
    }
}

impl Kept {
    fn holds(&self, id: &LostId) -> bool {
        match id {
            LostId::Chunk(id) => self.chunks.contains_key(id),
            LostId::Page(id) => self.pages.contains_key(id),
            LostId::Statement(id) => self.statements.values().any(|(held, _)| held == id),
        }
    }

    fn page_state(&self, id: &PageId) -> PageState {
        if !self.pages.contains_key(id) {
            return PageState::Absent;
        }
        self.marks.get(id).copied().unwrap_or(PageState::Present)
    }

    fn keep(&mut self, object: Object) {
        match object {
            Object::Chunk { id, bytes } => {
                self.chunks.insert(id, bytes);
            }
            Object::Page { id, bytes } => {
                self.pages.insert(id, bytes);
            }
            Object::Statement { id, library, kind, sequence, bytes, again: _ } => {
                self.forget(&LostId::Statement(id));
                self.appended += 1;
                self.statements.insert((kind as u8, library, sequence, self.appended), (id, bytes));
            }
            Object::Ref(to) => {
                self.refs.insert((to.library, to.channel.clone()), to);
            }
        }
    }

    fn forget(&mut self, id: &LostId) {
        match id {
            LostId::Chunk(id) => {
                self.chunks.remove(id);
            }
            LostId::Page(id) => {
                self.pages.remove(id);
                self.marks.remove(id);
            }
            LostId::Statement(id) => self.statements.retain(|_, (held, _)| held != id),
        }
    }
}

/// The bounds every store checks, and the hashes, which only this one does.
fn check_strictly(object: &Object) -> Result<()> {
    check_object(object)?;
    let named = match object {
        Object::Chunk { id, bytes } => ChunkId::of(bytes) == *id,
        Object::Page { id, bytes } => is_unbound_page(id, bytes),
        Object::Statement { id, library, kind, sequence, bytes, again: _ } => {
            let statement = Statement::decode(bytes)?;
            (statement.id(), statement.library(), statement.kind(), statement.sequence())
                == (*id, *library, *kind, *sequence)
        }
        Object::Ref(_) => true,
    };
    if named {
        Ok(())
    } else {
        Err(Error::Invalid(format!("{:?} is not what its bytes hash to", object.lost_id())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::conformance::{self, Subject};

    #[derive(Default)]
    struct Memory(MemoryStore);

    impl Subject for Memory {
        fn store(&self) -> &dyn Store {
            &self.0
        }

        fn crash(&mut self) {
            self.0.crash();
        }

        fn damage(&mut self, id: LostId) {
            assert!(self.0.damage(id), "{id:?} is not held");
        }

        fn poison(&mut self) {
            self.0.poison("a test");
        }
    }

    #[test]
    fn keeps_every_promise() {
        conformance::run(&|| Box::new(Memory::default()));
    }

    #[test]
    fn refuses_bytes_under_a_wrong_id() {
        let store = MemoryStore::new();
        let wrong = Object::Chunk { id: ChunkId::of(b"one"), bytes: Bytes::from_static(b"two") };
        assert!(matches!(store.append(vec![wrong]), Err(Error::Invalid(_))));
        let wrong = Object::Page { id: PageId::unbound(b"one"), bytes: Bytes::from_static(b"two") };
        assert!(matches!(store.append(vec![wrong]), Err(Error::Invalid(_))));
    }

    #[test]
    fn is_full_only_while_told_so() {
        let store = MemoryStore::new();
        let object = || Object::Chunk { id: ChunkId::of(b"one"), bytes: Bytes::from_static(b"one") };
        store.set_full(true);
        assert!(matches!(store.append(vec![object()]), Err(Error::Full(_))));
        store.set_full(false);
        assert_eq!(store.append(vec![object()]).unwrap().chunks, 1);
    }
}
