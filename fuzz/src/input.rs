//! Reads choices from the bytes of an input, so that few bytes describe a long sequence.

/// The rest of an input. After its end every choice is zero.
#[derive(Clone, Copy, Debug)]
pub struct Input<'a>(&'a [u8]);

impl<'a> Input<'a> {
    /// All bytes of an input.
    pub const fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    /// The next byte; `None` at the end.
    pub fn next(&mut self) -> Option<u8> {
        let (first, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(*first)
    }

    /// A byte.
    pub fn u8(&mut self) -> u8 {
        self.next().unwrap_or_default()
    }

    /// Two bytes.
    pub fn u16(&mut self) -> u16 {
        u16::from_le_bytes([self.u8(), self.u8()])
    }

    /// A number: small, or close to a power of two or to the largest.
    pub fn number(&mut self) -> u64 {
        let (how, value) = (self.u8(), u64::from(self.u8()));
        match how % 4 {
            0 => value,
            1 => value << 8 | u64::from(self.u8()),
            2 => (1u64 << (how >> 2)).wrapping_add(value).wrapping_sub(128),
            _ => u64::MAX - value,
        }
    }

    /// Up to `most` bytes, after their length.
    pub fn bytes(&mut self, most: usize) -> &'a [u8] {
        let len = match most {
            0..=255 => usize::from(self.u8()),
            _ => usize::from(self.u16()),
        };
        let (taken, rest) = self.0.split_at_checked(len.min(most)).unwrap_or((self.0, &[]));
        self.0 = rest;
        taken
    }

    /// One of `items`; `None` where there are none.
    pub fn one<'b, T>(&mut self, items: &'b [T]) -> Option<&'b T> {
        let at = match items.len() {
            0..=256 => usize::from(self.u8()),
            _ => usize::from(self.u16()),
        };
        items.get(at.checked_rem(items.len())?)
    }

    /// Some of `items`, at most eight, each by its number.
    pub fn some<T: Clone>(&mut self, items: &[T]) -> Vec<T> {
        let count = self.u8() % 9;
        (0..count).filter_map(|_| self.one(items).cloned()).collect()
    }

    /// The rest.
    pub const fn rest(&self) -> &'a [u8] {
        self.0
    }
}
