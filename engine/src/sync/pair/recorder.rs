//! A store that remembers what it was handed, so that a test can say that nothing else was; and that fails at the write a test names.

use std::{collections::HashSet, sync::Mutex};

use bytes::Bytes;

use crate::{
    error::Result,
    id::{ChunkId, LibraryId, PageId, StatementId},
    statement::StatementKind,
    store::{Appended, Check, LostId, Mark, Object, PageState, RefMove, Store, memory::MemoryStore},
};

/// A store that remembers what it was handed.
#[derive(Debug, Default)]
pub(in crate::sync) struct Recorder {
    pub(in crate::sync) inner: MemoryStore,
    pub(in crate::sync) handed: Mutex<HashSet<LostId>>,
    /// How many appends and commits still succeed; without limit where nothing is said.
    pub(in crate::sync) writes_left: Mutex<Option<usize>>,
}

impl Recorder {
    /// Counts a write; the one after the last that may succeed poisons the store, until it crashes.
    fn write(&self) {
        match self.writes_left.lock().unwrap().as_mut() {
            Some(0) => self.inner.poison("the test wants it"),
            Some(left) => *left -= 1,
            None => {}
        }
    }
}

impl Store for Recorder {
    fn has_chunks(&self, ids: &[ChunkId]) -> Result<Vec<bool>> {
        self.inner.has_chunks(ids)
    }

    fn read_chunks(&self, ids: &[ChunkId], check: Check) -> Result<Vec<Option<Bytes>>> {
        self.inner.read_chunks(ids, check)
    }

    fn read_pages(&self, ids: &[PageId]) -> Result<Vec<Option<Bytes>>> {
        self.inner.read_pages(ids)
    }

    fn page_states(&self, ids: &[PageId]) -> Result<Vec<PageState>> {
        self.inner.page_states(ids)
    }

    fn append(&self, objects: Vec<Object>) -> Result<Appended> {
        let mut handed = self.handed.lock().unwrap();
        for object in &objects {
            match object {
                Object::Chunk { id, .. } => handed.insert(LostId::Chunk(*id)),
                Object::Page { id, .. } => handed.insert(LostId::Page(*id)),
                Object::Statement { id, .. } => handed.insert(LostId::Statement(*id)),
                Object::Ref(_) => false,
            };
        }
        self.write();
        self.inner.append(objects)
    }

    fn commit(&self) -> Result<()> {
        self.write();
        self.inner.commit()
    }

    fn mark(&self, marks: &[Mark]) -> Result<()> {
        self.inner.mark(marks)
    }

    fn statements(
        &self,
        library: Option<&LibraryId>,
        kind: StatementKind,
    ) -> Result<Vec<(StatementId, Bytes)>> {
        self.inner.statements(library, kind)
    }

    fn refs(&self) -> Result<Vec<RefMove>> {
        self.inner.refs()
    }

    fn lost(&self) -> Result<Vec<LostId>> {
        self.inner.lost()
    }
}
