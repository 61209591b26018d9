//! The content that this node sends to each peer, for the log: one line when the peer's session ends.

use std::{
    collections::BTreeMap,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use chuan_engine::{
    id::{LibraryId, NodeId},
    sync::{frame::Frame, session::Outlet},
};

/// The answers with content to the peers that are connected, by node and library.
#[derive(Debug, Default)]
pub(crate) struct SentBook(Mutex<BTreeMap<(NodeId, LibraryId), Sent>>);

/// The content that was sent to a peer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Sent {
    /// The release that the peer asked for last, as the log shows it.
    pub(crate) release: String,
    /// Bytes of pages and chunks, as sent.
    pub(crate) bytes: u64,
    /// When the first answer began and the last one ended, in milliseconds since 1970.
    pub(crate) from_ms: i64,
    pub(crate) to_ms: i64,
}

impl SentBook {
    /// Adds an answer.
    pub(crate) fn add(&self, node: NodeId, library: LibraryId, answer: Sent) {
        let mut book = self.lock();
        let sent = book.entry((node, library)).or_insert_with(|| Sent { bytes: 0, ..answer.clone() });
        sent.bytes = sent.bytes.saturating_add(answer.bytes);
        sent.to_ms = answer.to_ms;
        if !answer.release.is_empty() {
            sent.release = answer.release;
        }
    }

    /// Removes the content that was sent to a peer, by library.
    pub(crate) fn take(&self, node: &NodeId) -> Vec<(LibraryId, Sent)> {
        let taken = self.lock().extract_if(.., |(of, _), _| of == node).collect::<Vec<_>>();
        taken.into_iter().map(|((_, library), sent)| (library, sent)).collect()
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<(NodeId, LibraryId), Sent>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Passes the frames of an answer on, and counts the bytes of pages and chunks.
pub(crate) struct Counted<'a> {
    out: &'a mut dyn Outlet,
    pub(crate) bytes: u64,
}

impl<'a> Counted<'a> {
    pub(crate) fn new(out: &'a mut dyn Outlet) -> Self {
        Self { out, bytes: 0 }
    }
}

impl Outlet for Counted<'_> {
    fn send(&mut self, frame: Frame) -> bool {
        let bytes = match &frame {
            Frame::Page(bytes) => bytes.len(),
            Frame::Chunk(chunk) => chunk.data.len(),
            Frame::Delta(delta) => delta.data.len(),
            _ => 0,
        };
        let is_taken = self.out.send(frame);
        self.bytes += if is_taken { bytes as u64 } else { 0 };
        is_taken
    }

    fn rate(&self) -> Option<u64> {
        self.out.rate()
    }

    fn now(&self) -> Duration {
        self.out.now()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_answers_to_a_peer_become_one_line_for_each_library() {
        let (book, node, other) = (SentBook::default(), NodeId::of(&[1; 32]), NodeId::of(&[2; 32]));
        let (films, music) = (LibraryId::of(b"films"), LibraryId::of(b"music"));
        let answer =
            |release: &str, bytes, from_ms, to_ms| Sent { release: release.into(), bytes, from_ms, to_ms };
        book.add(node, films, answer("3", 10, 5, 7));
        book.add(other, films, answer("3", 1, 6, 6));
        book.add(node, films, answer("", 30, 8, 9));
        book.add(node, music, answer("1", 2, 9, 9));
        let taken = book.take(&node);
        assert_eq!(taken.len(), 2);
        assert!(taken.contains(&(films, answer("3", 40, 5, 9))), "{taken:?}");
        assert!(book.take(&node).is_empty() && book.take(&other).len() == 1);
    }
}
