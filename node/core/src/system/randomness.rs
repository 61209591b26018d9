//! The randomness of a node: the only code that asks the system for random bytes. New keys, and the nonce of
//! a new library, are made from it.

use chuan_engine::statement::Key;

use crate::exit::{Failure, Result};

/// The source of a node's random bytes.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) enum Randomness {
    /// The generator of the system.
    #[default]
    System,
    /// A sequence that follows from a seed. Used by the simulator.
    #[cfg(test)]
    Seeded(&'static std::sync::atomic::AtomicU64),
}

impl Randomness {
    /// 32 random bytes.
    ///
    /// # Errors
    ///
    /// Internal where the system has no randomness.
    pub(crate) fn bytes(self) -> Result<[u8; 32]> {
        match self {
            Randomness::System => {
                let mut bytes = [0u8; 32];
                getrandom::fill(&mut bytes)
                    .map_err(|error| Failure::internal(format!("the system has no randomness: {error}")))?;
                Ok(bytes)
            }
            #[cfg(test)]
            Randomness::Seeded(state) => {
                let number = state.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
                Ok(hash(b"bytes", number))
            }
        }
    }

    /// A random number, for the length of a pause.
    ///
    /// # Errors
    ///
    /// As for [`Randomness::bytes`].
    pub(crate) fn number(self) -> Result<u64> {
        let bytes = self.bytes()?;
        Ok(u64::from_le_bytes(*bytes.first_chunk().unwrap_or(&[0; 8])))
    }

    /// A new key.
    ///
    /// # Errors
    ///
    /// As for [`Randomness::bytes`].
    pub(crate) fn key(self) -> Result<Key> {
        Ok(Key::from_seed(self.bytes()?))
    }
}

#[cfg(test)]
impl Randomness {
    /// A sequence of its own for each seed.
    pub(crate) fn seeded(seed: u64) -> Self {
        let [a, b, c, d, e, f, g, h, ..] = hash(b"seed", seed);
        Self::Seeded(Box::leak(Box::new(u64::from_le_bytes([a, b, c, d, e, f, g, h]).into())))
    }
}

#[cfg(test)]
fn hash(purpose: &[u8], number: u64) -> [u8; 32] {
    *chuan_engine::id::LibraryId::of(&[purpose, &number.to_le_bytes()].concat()).as_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_seeds_give_equal_keys_and_no_key_comes_twice() {
        let three = |randomness: Randomness| [(); 3].map(|()| randomness.key().unwrap().public());
        let first = three(Randomness::seeded(1));
        assert_eq!(first, three(Randomness::seeded(1)));
        let mut all = [first, three(Randomness::seeded(2)), three(Randomness::System)].concat();
        all.sort_unstable();
        all.dedup();
        assert_eq!(all.len(), 9);
    }
}
