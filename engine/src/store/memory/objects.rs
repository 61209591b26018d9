//! The object stores in memory, stricter than any disk, for tests of the code above the interface.
//!
//! Every appended object is hashed, nothing is visible before its commit, and libraries are kept apart. A
//! test can make it lose objects, crash, be full and be poisoned. It gives exactly the guarantees of a store
//! on disk: both run [`conformance::objects`](crate::store::conformance::objects).

use std::{
    collections::{BTreeMap, BTreeSet, HashMap, HashSet},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use bytes::Bytes;

use super::Refusal;
use crate::{
    error::{Error, Result},
    id::{ChunkId, LibraryId, PageId, is_page},
    limits,
    store::{
        Appended, Check, PageState, check_batch,
        objects::{Object, ObjectId, ObjectStores, Objects},
    },
};

/// Stores objects of libraries in memory. Clones share one state.
#[derive(Clone, Debug, Default)]
pub struct MemoryObjectStores {
    content: Arc<Mutex<StoresContent>>,
}

/// The objects of one library in a [`MemoryObjectStores`].
#[derive(Clone, Debug)]
pub struct MemoryObjects {
    library: LibraryId,
    stores: MemoryObjectStores,
}

#[derive(Debug, Default)]
struct StoresContent {
    libraries: BTreeMap<LibraryId, Library>,
    refusal: Option<Refusal>,
}

/// The objects held of one library, and those that wait for their commit.
#[derive(Debug, Default)]
struct Library {
    chunks: HashMap<ChunkId, Bytes>,
    pages: HashMap<PageId, Bytes>,
    marks: HashMap<PageId, PageState>,
    waiting: Vec<Object>,
    waiting_ids: HashSet<ObjectId>,
    waiting_bytes: u64,
    damaged: HashSet<ObjectId>,
    lost: BTreeSet<ObjectId>,
}

impl MemoryObjectStores {
    /// Makes an empty store.
    pub fn new() -> Self {
        Self::default()
    }

    /// The objects of a library, as the concrete type.
    pub fn objects(&self, library: &LibraryId) -> MemoryObjects {
        MemoryObjects { library: *library, stores: self.clone() }
    }

    /// Drops everything that no commit has made durable, as a crash does, and ends the poisoning, as
    /// reopening does.
    pub fn crash(&self) {
        let mut state = self.lock();
        state.libraries.values_mut().for_each(Library::drop_waiting);
        state.refusal = None;
    }

    /// Makes every later write fail with [`Error::Poisoned`], as after a failed fsync, until
    /// [`MemoryObjectStores::crash`].
    pub fn poison(&self, cause: &str) {
        self.lock().refusal = Some(Refusal::Poisoned(cause.to_owned()));
    }

    /// Makes every append fail with [`Error::Full`] while `full`.
    pub fn set_full(&self, full: bool) {
        self.lock().refusal = full.then_some(Refusal::Full);
    }

    fn lock(&self) -> MutexGuard<'_, StoresContent> {
        self.content.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl ObjectStores for MemoryObjectStores {
    fn of(&self, library: &LibraryId) -> Arc<dyn Objects> {
        Arc::new(self.objects(library))
    }
}

impl MemoryObjects {
    /// Makes an empty store and returns the objects of one library in it.
    pub fn new(library: LibraryId) -> Self {
        MemoryObjectStores::new().objects(&library)
    }

    /// The store that these objects are in.
    pub fn stores(&self) -> &MemoryObjectStores {
        &self.stores
    }

    /// Damages a visible object: the next read finds the damage, fails and moves the object to the lost set.
    /// Returns whether it was held.
    pub fn damage(&self, id: ObjectId) -> bool {
        self.with(|library| {
            let held = library.holds(&id);
            if held {
                library.damaged.insert(id);
            }
            held
        })
    }

    /// Moves a visible object to the lost set at once. Returns whether it was held.
    pub fn lose(&self, id: ObjectId) -> bool {
        self.with(|library| {
            let held = library.holds(&id);
            if held {
                library.lose(id);
            }
            held
        })
    }

    fn with<T>(&self, act: impl FnOnce(&mut Library) -> T) -> T {
        act(self.stores.lock().libraries.entry(self.library).or_default())
    }

    fn write<T>(&self, act: impl FnOnce(&mut Library) -> T) -> Result<T> {
        let mut state = self.stores.lock();
        Refusal::check(state.refusal.as_ref())?;
        Ok(act(state.libraries.entry(self.library).or_default()))
    }
}

impl Objects for MemoryObjects {
    fn library(&self) -> LibraryId {
        self.library
    }

    fn has_chunks(&self, ids: &[ChunkId]) -> Result<Vec<bool>> {
        check_batch(ids.len())?;
        Ok(self.with(|library| ids.iter().map(|id| library.chunks.contains_key(id)).collect()))
    }

    fn read_chunks(&self, ids: &[ChunkId], check: Check) -> Result<Vec<Option<Bytes>>> {
        check_batch(ids.len())?;
        self.with(|library| {
            if check == Check::Verify {
                ids.iter().try_for_each(|id| library.find_damage(ObjectId::Chunk(*id)))?;
            }
            Ok(ids.iter().map(|id| library.chunks.get(id).cloned()).collect())
        })
    }

    fn read_pages(&self, ids: &[PageId]) -> Result<Vec<Option<Bytes>>> {
        check_batch(ids.len())?;
        self.with(|library| {
            ids.iter().try_for_each(|id| library.find_damage(ObjectId::Page(*id)))?;
            Ok(ids.iter().map(|id| library.pages.get(id).cloned()).collect())
        })
    }

    fn page_states(&self, ids: &[PageId]) -> Result<Vec<PageState>> {
        check_batch(ids.len())?;
        Ok(self.with(|library| ids.iter().map(|id| library.page_state(id)).collect()))
    }

    fn append(&self, objects: Vec<Object>) -> Result<Appended> {
        self.write(|library| {
            objects.iter().try_for_each(|object| check_strictly(&self.library, object))?;
            let mut appended = Appended::default();
            for object in objects {
                if library.take(&object) {
                    appended.add(&object);
                    library.waiting_bytes += object.bytes().len() as u64;
                    library.waiting.push(object);
                }
                if library.waiting_bytes >= limits::GROUP_BYTES {
                    library.commit();
                }
            }
            Ok(appended)
        })?
    }

    fn commit(&self) -> Result<()> {
        let mut state = self.stores.lock();
        if let Some(refusal @ Refusal::Poisoned(_)) = &state.refusal {
            return Refusal::check(Some(refusal));
        }
        state.libraries.entry(self.library).or_default().commit();
        Ok(())
    }

    fn mark(&self, marks: &[(PageId, PageState)]) -> Result<()> {
        self.write(|library| {
            for (id, to) in marks {
                let now = library.page_state(id);
                if now != PageState::Absent && now < *to {
                    library.marks.insert(*id, *to);
                }
            }
        })
    }

    fn keep_marks(&self) -> Result<()> {
        self.write(|_| ())
    }

    fn lost(&self) -> Result<Vec<ObjectId>> {
        Ok(self.with(|library| library.lost.iter().copied().collect()))
    }

    fn are_lost(&self, ids: &[ObjectId]) -> Result<Vec<bool>> {
        check_batch(ids.len())?;
        Ok(self.with(|library| ids.iter().map(|id| library.lost.contains(id)).collect()))
    }
}

impl Library {
    /// Whether `object` is new. If so, its id waits from now on.
    fn take(&mut self, object: &Object) -> bool {
        !self.holds(&object.id()) && self.waiting_ids.insert(object.id())
    }

    fn commit(&mut self) {
        for object in std::mem::take(&mut self.waiting) {
            self.lost.remove(&object.id());
            match object {
                Object::Chunk { id, bytes } => drop(self.chunks.insert(id, bytes)),
                Object::Page { id, bytes } => drop(self.pages.insert(id, bytes)),
            }
        }
        self.drop_waiting();
    }

    fn drop_waiting(&mut self) {
        self.waiting.clear();
        self.waiting_ids.clear();
        self.waiting_bytes = 0;
    }

    fn holds(&self, id: &ObjectId) -> bool {
        match id {
            ObjectId::Chunk(id) => self.chunks.contains_key(id),
            ObjectId::Page(id) => self.pages.contains_key(id),
        }
    }

    fn page_state(&self, id: &PageId) -> PageState {
        if !self.pages.contains_key(id) {
            return PageState::Absent;
        }
        self.marks.get(id).copied().unwrap_or(PageState::Present)
    }

    fn find_damage(&mut self, id: ObjectId) -> Result<()> {
        if !self.damaged.contains(&id) {
            return Ok(());
        }
        self.lose(id);
        Err(Error::Corrupt(format!("{id} in the store in memory; pull it again")))
    }

    fn lose(&mut self, id: ObjectId) {
        self.damaged.remove(&id);
        match &id {
            ObjectId::Chunk(id) => drop(self.chunks.remove(id)),
            ObjectId::Page(id) => {
                self.pages.remove(id);
                self.marks.remove(id);
            }
        }
        self.lost.insert(id);
    }
}

/// Checks the bounds, as every store does, and the hashes, which only this one does.
fn check_strictly(library: &LibraryId, object: &Object) -> Result<()> {
    object.check()?;
    let named = match object {
        Object::Chunk { id, bytes } => ChunkId::of(bytes) == *id,
        Object::Page { id, bytes } => is_page(library, id, bytes),
    };
    if named {
        return Ok(());
    }
    Err(Error::Invalid(format!(
        "{} is not the hash of its bytes in library {}",
        object.id(),
        library.short()
    )))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::conformance::objects::{Subject, run};

    #[derive(Default)]
    struct Memory(MemoryObjectStores);

    impl Subject for Memory {
        fn of(&self, library: &LibraryId) -> Arc<dyn Objects> {
            self.0.of(library)
        }

        fn crash(&mut self) {
            self.0.crash();
        }

        fn rebuild(&mut self) {
            self.0.crash();
        }

        fn damage(&mut self, library: &LibraryId, id: ObjectId) {
            assert!(self.0.objects(library).damage(id), "{id:?} is not held");
        }

        fn poison(&mut self) {
            self.0.poison("a test");
        }
    }

    fn library() -> LibraryId {
        LibraryId::of(b"one")
    }

    #[test]
    fn keeps_every_guarantee() {
        run(&|| Box::new(Memory::default()));
    }

    #[test]
    fn refuses_bytes_under_a_wrong_id() {
        let objects = MemoryObjects::new(library());
        let wrong = Object::Chunk { id: ChunkId::of(b"one"), bytes: Bytes::from_static(b"two") };
        assert!(matches!(objects.append(vec![wrong]), Err(Error::Invalid(_))));
        for library in [library(), LibraryId::of(b"another")] {
            let bytes = if library == objects.library { "two" } else { "one" };
            let wrong = Object::Page {
                id: PageId::of(&library, b"one"),
                bytes: Bytes::from_static(bytes.as_bytes()),
            };
            assert!(matches!(objects.append(vec![wrong]), Err(Error::Invalid(_))), "in {library}");
        }
    }

    #[test]
    fn is_full_only_while_set_full() {
        let objects = MemoryObjects::new(library());
        let object = || Object::Chunk { id: ChunkId::of(b"one"), bytes: Bytes::from_static(b"one") };
        objects.stores().set_full(true);
        assert!(matches!(objects.append(vec![object()]), Err(Error::Full(_))));
        objects.stores().set_full(false);
        assert_eq!(objects.append(vec![object()]).unwrap().chunks, 1);
    }
}
