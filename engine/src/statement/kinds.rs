//! Sets of statement kinds: a node announces the kinds that it knows in its hello. Two nodes of different
//! versions compare and exchange the kinds that both know.

use crate::{
    codec::{Decode, Encode},
    statement::StatementKind,
};

/// A set of statement kinds: bit n is the kind with the tag n. A newer version may set bits that are unknown
/// here.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Encode, Decode)]
pub struct Kinds(u64);

impl Kinds {
    /// All kinds that this version knows.
    pub const KNOWN: Kinds = Kinds(known_bits());

    /// Takes the bits as they are.
    pub const fn from_bits(bits: u64) -> Self {
        Self(bits)
    }

    /// The bits.
    pub const fn bits(self) -> u64 {
        self.0
    }

    /// Whether `kind` is in the set.
    pub const fn contains(self, kind: StatementKind) -> bool {
        self.0 & bit(kind) != 0
    }

    /// The kinds that are in both sets.
    pub const fn common(self, other: Kinds) -> Self {
        Self(self.0 & other.0)
    }

    /// The set without `kind`, as a node of an earlier version announces it.
    pub const fn without(self, kind: StatementKind) -> Self {
        Self(self.0 & !bit(kind))
    }
}

const fn bit(kind: StatementKind) -> u64 {
    1 << kind.tag()
}

const fn known_bits() -> u64 {
    let mut bits = 0;
    let mut rest: &[StatementKind] = &StatementKind::ALL;
    while let [kind, others @ ..] = rest {
        assert!(kind.tag() < 64, "a set of kinds has 64 bits");
        bits |= bit(*kind);
        rest = others;
    }
    bits
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_set_holds_what_was_put_in_and_nothing_else() {
        for kind in StatementKind::ALL {
            assert!(Kinds::KNOWN.contains(kind), "{kind:?}");
            let without = Kinds::KNOWN.without(kind);
            let others = StatementKind::ALL.into_iter().filter(|other| *other != kind);
            assert!(!without.contains(kind) && others.into_iter().all(|other| without.contains(other)));
            assert_eq!(Kinds::KNOWN.common(without), without);
        }
        let of_tomorrow = Kinds::from_bits(u64::MAX);
        assert_eq!(of_tomorrow.common(Kinds::KNOWN), Kinds::KNOWN);
    }
}
