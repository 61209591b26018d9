//! Reusable memory: large buffers that are reused as soon as no part of them is referenced.
//!
//! A new allocation of this size costs a page fault and a cleared page for every 4 KiB, which is more than
//! the copy into it. So a writer of many buffers keeps a few of them here, and reuses the oldest that is
//! free.

use std::collections::VecDeque;

use bytes::{Bytes, BytesMut};

/// Size of a buffer in bytes.
pub const SLAB_BYTES: usize = 1024 * 1024;

/// Buffers of at least [`SLAB_BYTES`], reused in the order in which they were kept.
#[derive(Debug)]
pub struct Slabs {
    kept: VecDeque<Bytes>,
    max_buffers: usize,
}

impl Slabs {
    /// Makes a cache of at most `max_buffers` buffers.
    pub fn up_to(max_buffers: usize) -> Self {
        Self { kept: VecDeque::with_capacity(max_buffers), max_buffers }
    }

    /// Returns a buffer with capacity for at least `len` bytes in total. Its content is arbitrary.
    pub fn take(&mut self, len: usize) -> BytesMut {
        match self.kept.pop_front().map(Bytes::try_into_mut) {
            Some(Ok(free)) if free.capacity() >= len => return free,
            Some(Err(in_use)) => self.kept.push_front(in_use),
            Some(Ok(_)) | None => {}
        }
        BytesMut::with_capacity(len.max(SLAB_BYTES))
    }

    /// Keeps a buffer, referenced by a part that starts at the beginning of the buffer. Drops the oldest
    /// buffer if there are too many.
    pub fn keep(&mut self, front: Bytes) {
        if self.kept.len() >= self.max_buffers {
            self.kept.pop_front();
        }
        self.kept.push_back(front);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_buffer_is_reused_after_its_last_part_is_dropped() {
        let mut slabs = Slabs::up_to(2);
        let mut buffer = slabs.take(10);
        let address = buffer.as_ptr();
        buffer.extend_from_slice(&[1; 10]);
        let front = buffer.split_to(4).freeze();
        let rest = buffer.freeze();
        slabs.keep(front.clone());
        drop(front);
        let other = slabs.take(10);
        assert_ne!(other.as_ptr(), address, "a part is still held");
        drop(rest);
        let again = slabs.take(SLAB_BYTES);
        assert_eq!((again.as_ptr(), again.capacity()), (address, SLAB_BYTES));
    }

    #[test]
    fn keeps_a_bounded_number_and_returns_none_that_is_too_small() {
        let mut slabs = Slabs::up_to(2);
        for mark in 0..3 {
            let mut buffer = BytesMut::with_capacity(SLAB_BYTES);
            buffer.extend_from_slice(&[mark]);
            slabs.keep(buffer.freeze());
        }
        assert_eq!(slabs.kept.iter().map(|front| front[0]).collect::<Vec<_>>(), [1, 2]);
        assert!(slabs.take(SLAB_BYTES + 1).capacity() > SLAB_BYTES);
    }
}
