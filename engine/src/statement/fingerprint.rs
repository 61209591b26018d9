//! A key or an id in a form that people read to each other: six groups of five digits, as messengers show
//! them. The same on every machine and in every language.
//!
//! Each group is five bytes of a hash, big-endian, modulo 100,000: about 99 bits in all, too many to find a
//! second key with the same digits.

use std::fmt;

use crate::{
    id::{LibraryId, StatementId, fingerprint_hash},
    statement::PublicKey,
};

/// Groups of digits.
const GROUPS: usize = 6;
/// Bytes of the hash for each group.
const GROUP_BYTES: usize = 5;
/// Values of a group: five digits.
const GROUP_VALUES: u64 = 100_000;

/// Thirty digits to be compared by voice or by eye.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Fingerprint([u32; GROUPS]);

impl Fingerprint {
    fn of(kind: u8, bytes: &[u8; 32]) -> Self {
        let hash = fingerprint_hash(kind, bytes);
        let mut groups = [0; GROUPS];
        for (group, part) in groups.iter_mut().zip(hash.chunks_exact(GROUP_BYTES)) {
            let number = part.iter().fold(0u64, |number, byte| (number << 8) | u64::from(*byte));
            *group = u32::try_from(number % GROUP_VALUES).unwrap_or_default();
        }
        Self(groups)
    }
}

impl PublicKey {
    /// The digits by which people compare keys.
    pub fn fingerprint(&self) -> Fingerprint {
        Fingerprint::of(1, self.as_bytes())
    }
}

impl StatementId {
    /// The digits by which people compare statements, a proposed root above all.
    pub fn fingerprint(&self) -> Fingerprint {
        Fingerprint::of(2, self.as_bytes())
    }
}

impl LibraryId {
    /// The digits by which people compare libraries.
    pub fn fingerprint(&self) -> Fingerprint {
        Fingerprint::of(3, self.as_bytes())
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (place, group) in self.0.iter().enumerate() {
            let blank = if place == 0 { "" } else { " " };
            write!(f, "{blank}{group:05}")?;
        }
        Ok(())
    }
}

impl fmt::Debug for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Fingerprint({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// People read the digits over a telephone, to a machine of another version: they may never change.
    #[test]
    fn digits_are_fixed() {
        let id = StatementId::from_bytes([7; 32]);
        let text = id.fingerprint().to_string();
        assert_eq!(text, "08948 01699 72814 70579 48474 45307");
        assert_ne!(text, LibraryId::from_bytes([7; 32]).fingerprint().to_string());
    }
}
