//! The outgoing side of an answer: gathers chunks into batches, reads, packs and frames them.
//!
//! Owns what is sent at most once, within the scope and within the budget. What to send is
//! [`session`](super::session)'s. A chunk that cannot be read is left out, and the answer says that it is not complete.

use bytes::Bytes;

use crate::{
    error::{Error, Result},
    id::{ChunkId, PageId},
    limits::{ANSWER_BATCH_BYTES, ANSWER_SENT, BATCH_IDS},
    manifest::ChunkRef,
    store::{Check, Store},
    sync::{
        frame::Frame,
        message::{End, Scope},
        pack::Packer,
        recent::Recent,
    },
};

/// Where frames go; false once nobody takes more.
pub(super) type Out<'a> = &'a mut dyn FnMut(Frame) -> bool;

/// Sends the parts of one answer.
pub(super) struct Sender<'a> {
    store: &'a dyn Store,
    out: Out<'a>,
    scope: Option<Scope>,
    budget: u64,
    sent: Recent<u64>,
    batch: Vec<(u64, ChunkRef)>,
    batch_bytes: usize,
    packer: Packer,
    end: End,
    spent: bool,
}

impl<'a> Sender<'a> {
    pub(super) fn new(store: &'a dyn Store, out: Out<'a>, scope: Option<Scope>, budget: u64) -> Self {
        Self {
            store,
            out,
            scope,
            budget,
            sent: Recent::new(ANSWER_SENT),
            batch: Vec::new(),
            batch_bytes: 0,
            packer: Packer::new(),
            end: End { complete: true, ..End::default() },
            spent: false,
        }
    }

    /// Sends one frame, whatever it costs.
    pub(super) fn frame(&mut self, frame: Frame) -> Result<()> {
        if (self.out)(frame) { Ok(()) } else { Err(Error::Cancelled) }
    }

    /// Sends a page, once.
    pub(super) fn page(&mut self, id: &PageId, bytes: &Bytes) -> Result<()> {
        if self.sent.insert(prefix(id.as_bytes()), 1) {
            self.spend(bytes.len())?;
            self.frame(Frame::Page(bytes.clone()))?;
        }
        Ok(())
    }

    /// Sends neighbouring chunks, each once, those that lie in the scope.
    pub(super) fn chunks(&mut self, first: u64, chunks: &[ChunkRef]) -> Result<()> {
        for (ordinal, chunk) in (first..).zip(chunks) {
            if self.scope.as_ref().is_none_or(|scope| scope.contains(ordinal)) {
                self.chunk(ordinal, chunk)?;
            }
        }
        Ok(())
    }

    fn chunk(&mut self, ordinal: u64, chunk: &ChunkRef) -> Result<()> {
        if !self.sent.insert(prefix(chunk.id.as_bytes()), 1) {
            return Ok(());
        }
        self.batch.push((ordinal, *chunk));
        self.batch_bytes += chunk.len as usize;
        if self.batch_bytes >= ANSWER_BATCH_BYTES || self.batch.len() >= BATCH_IDS {
            self.flush()?;
        }
        Ok(())
    }

    /// Something that was wanted is not sent: the answer is not complete.
    pub(super) fn leave_out(&mut self, what: &dyn std::fmt::Display, error: &Error) {
        self.end.complete = false;
        tracing::warn!(%what, %error, "left out of an answer");
    }

    /// Sends what waits, and the end; `went` is how the work before it went.
    pub(super) fn finish(mut self, went: Result<()>) -> Result<()> {
        match went.and_then(|()| self.flush()) {
            Ok(()) => {}
            Err(Error::Cancelled) if self.spent => self.end.complete = false,
            Err(error) => return Err(error),
        }
        let end = self.end;
        self.frame(Frame::End(end))
    }

    /// Reads, packs and sends the batch.
    fn flush(&mut self) -> Result<()> {
        let batch = std::mem::take(&mut self.batch);
        self.batch_bytes = 0;
        let ids: Vec<ChunkId> = batch.iter().map(|(_, chunk)| chunk.id).collect();
        for ((ordinal, chunk), bytes) in batch.into_iter().zip(self.read(&ids)) {
            match bytes {
                Some(bytes) if bytes.len() == chunk.len as usize => {
                    let packed = self.packer.pack(ordinal, bytes);
                    self.spend(packed.data.len())?;
                    self.end.chunks += 1;
                    self.end.chunk_bytes += u64::from(chunk.len);
                    self.frame(Frame::Chunk(packed))?;
                }
                _ => self.end.complete = false,
            }
        }
        Ok(())
    }

    /// What can be read of `ids`. One that is damaged fails the whole batch, so they are then read one by one.
    fn read(&mut self, ids: &[ChunkId]) -> Vec<Option<Bytes>> {
        if ids.is_empty() {
            return Vec::new();
        }
        if let Ok(all) = self.store.read_chunks(ids, Check::Trust) {
            return all;
        }
        let read_one = |id: &ChunkId| match self.store.read_chunks(std::slice::from_ref(id), Check::Trust) {
            Ok(mut one) => one.pop().flatten(),
            Err(error) => {
                tracing::warn!(chunk = %id.short(), %error, "left out of an answer");
                None
            }
        };
        ids.iter().map(read_one).collect()
    }

    /// Takes from the budget; fails as cancelled when nothing was left of it.
    fn spend(&mut self, bytes: usize) -> Result<()> {
        if self.budget == 0 {
            self.spent = true;
            return Err(Error::Cancelled);
        }
        self.budget = self.budget.saturating_sub(bytes as u64);
        Ok(())
    }
}

/// Eight bytes of an id: enough to remember it by. A chunk left out for the likeness of another is asked for again.
fn prefix(id: &[u8; 32]) -> u64 {
    id.first_chunk().map_or(0, |bytes| u64::from_le_bytes(*bytes))
}
