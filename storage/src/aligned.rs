//! A byte buffer that begins on a block boundary in memory, as O_DIRECT requires.

use chuan_engine::limits::SEGMENT_BLOCK;

/// Bytes at an aligned address: a vector that is one block longer than needed, used from its first aligned
/// byte on.
#[derive(Debug)]
pub(crate) struct AlignedBuf {
    memory: Vec<u8>,
    start: usize,
    len: usize,
}

impl AlignedBuf {
    pub(crate) fn with_capacity(capacity: usize) -> Self {
        // Allocated once at its final size: a vector that grew would move, and its aligned byte with it.
        let memory = vec![0; capacity + SEGMENT_BLOCK];
        let start = memory.as_ptr().align_offset(SEGMENT_BLOCK).min(SEGMENT_BLOCK);
        Self { memory, start, len: 0 }
    }

    pub(crate) fn len(&self) -> usize {
        self.len
    }

    pub(crate) fn clear(&mut self) {
        self.len = 0;
    }

    /// Keeps the first `len` bytes.
    pub(crate) fn truncate(&mut self, len: usize) {
        self.len = self.len.min(len);
    }

    pub(crate) fn as_slice(&self) -> &[u8] {
        self.memory.get(self.start..self.start + self.len).unwrap_or_default()
    }

    pub(crate) fn push(&mut self, bytes: &[u8]) {
        let at = self.start + self.len;
        if self.memory.len() < at + bytes.len() {
            self.grow(bytes.len());
            return self.push(bytes);
        }
        if let Some(place) = self.memory.get_mut(at..at + bytes.len()) {
            place.copy_from_slice(bytes);
            self.len += bytes.len();
        }
    }

    /// Adds zeros up to the next block.
    pub(crate) fn pad_to_block(&mut self) {
        let padding = self.len.next_multiple_of(SEGMENT_BLOCK) - self.len;
        self.push([0; SEGMENT_BLOCK].get(..padding).unwrap_or_default());
    }

    fn grow(&mut self, by: usize) {
        let mut larger = Self::with_capacity((2 * self.len).max(self.len + by));
        larger.push(self.as_slice());
        *self = larger;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stays_aligned_while_it_grows() {
        let mut buf = AlignedBuf::with_capacity(10);
        let mut expected = Vec::new();
        for round in 0..40u8 {
            let bytes = vec![round; 1000];
            buf.push(&bytes);
            expected.extend(bytes);
            assert_eq!(buf.as_slice().as_ptr().addr() % SEGMENT_BLOCK, 0);
        }
        assert_eq!(buf.as_slice(), expected);
        buf.pad_to_block();
        assert_eq!(buf.len(), expected.len().next_multiple_of(SEGMENT_BLOCK));
        assert!(buf.as_slice()[expected.len()..].iter().all(|byte| *byte == 0));
        buf.truncate(1000);
        assert_eq!(buf.as_slice(), &expected[..1000]);
        buf.clear();
        buf.pad_to_block();
        assert!(buf.as_slice().is_empty());
    }
}
