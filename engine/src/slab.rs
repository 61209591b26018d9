//! Memory that is used again: large buffers that come back once nobody holds a part of them.
//!
//! Fresh memory of this size costs the kernel a fault and a cleared page for every 4 KiB, which is more than the copy into
//! it. Whoever fills buffers in a row keeps a few here and takes the oldest that is free.

use std::collections::VecDeque;

use bytes::{Bytes, BytesMut};

/// Bytes of a buffer.
pub const SLAB_BYTES: usize = 1024 * 1024;

/// Buffers of at least [`SLAB_BYTES`], handed out again in the order in which they were kept.
#[derive(Debug)]
pub struct Slabs {
    kept: VecDeque<Bytes>,
    most: usize,
}

impl Slabs {
    /// Keeps `most` buffers at most.
    pub fn up_to(most: usize) -> Self {
        Self { kept: VecDeque::with_capacity(most), most }
    }

    /// A buffer with room for `len` bytes in all, which holds anything or nothing.
    pub fn take(&mut self, len: usize) -> BytesMut {
        match self.kept.pop_front().map(Bytes::try_into_mut) {
            Some(Ok(spare)) if spare.capacity() >= len => return spare,
            Some(Err(in_use)) => self.kept.push_front(in_use),
            Some(Ok(_)) | None => {}
        }
        BytesMut::with_capacity(len.max(SLAB_BYTES))
    }

    /// Keeps a buffer by a part that begins where it begins; the oldest goes where there are too many.
    pub fn keep(&mut self, front: Bytes) {
        if self.kept.len() >= self.most {
            self.kept.pop_front();
        }
        self.kept.push_back(front);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_buffer_comes_back_when_the_last_part_of_it_is_gone() {
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
    fn no_more_are_kept_than_may_be_and_none_is_given_that_is_too_small() {
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
