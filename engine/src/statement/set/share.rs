//! The bytes of all statements of a library. A key's quota does not bound them: a root names new keys, and a
//! ticket admits new nodes. Each share is full for itself: no statement of one share keeps out one of
//! another.

use std::collections::BTreeMap;

use crate::{
    error::{Error, Result},
    limits::{LIBRARY_STATEMENTS_BYTES, REVOCATIONS_BYTES, ROOTS_BYTES},
    statement::{Statement, StatementKind},
};

/// Kinds of statements that have a bound of bytes in common.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Share {
    Roots,
    Revocations,
    Rest,
}

/// The bytes of the statements of each share.
#[derive(Clone, Debug, Default)]
pub(super) struct Shares(BTreeMap<Share, usize>);

impl Shares {
    pub(super) fn add(&mut self, statement: &Statement) {
        let bytes = self.0.entry(Share::of(statement)).or_default();
        *bytes = bytes.saturating_add(statement.bytes().len());
    }

    pub(super) fn remove(&mut self, statement: &Statement) {
        let bytes = self.0.entry(Share::of(statement)).or_default();
        *bytes = bytes.saturating_sub(statement.bytes().len());
    }

    /// Fails where the share of a statement is full, without the statements of the same kind that it
    /// replaces. A statement that takes no more room than those is always within it.
    pub(super) fn check<'a>(
        &self,
        statement: &Statement,
        replaced: impl Iterator<Item = &'a Statement>,
    ) -> Result<()> {
        let share = Share::of(statement);
        let freed: usize = replaced.map(|said| said.bytes().len()).sum();
        let grown = statement.bytes().len().saturating_sub(freed);
        let bytes = self.0.get(&share).copied().unwrap_or(0);
        if grown > 0 && bytes.saturating_add(grown) > share.most() {
            return Err(Error::Denied(format!(
                "the library has {bytes} bytes of {}, at most {} are taken, and {} {} would exceed that; remove the key that \
                 made most of them from the root and restart the node, or found a new library",
                share.name(),
                share.most(),
                statement.kind().name(),
                statement.id().short()
            )));
        }
        Ok(())
    }

    /// Only one share has statements; it has room for `left` more bytes.
    #[cfg(test)]
    pub(super) fn full_but(share: Share, left: usize) -> Self {
        Self(BTreeMap::from([(share, share.most() - left)]))
    }

    #[cfg(test)]
    pub(super) fn total(&self) -> usize {
        self.0.values().sum()
    }
}

impl Share {
    fn of(statement: &Statement) -> Self {
        match statement.kind() {
            StatementKind::Root => Share::Roots,
            StatementKind::Revoke => Share::Revocations,
            _ => Share::Rest,
        }
    }

    const fn most(self) -> usize {
        match self {
            Share::Roots => ROOTS_BYTES,
            Share::Revocations => REVOCATIONS_BYTES,
            Share::Rest => LIBRARY_STATEMENTS_BYTES,
        }
    }

    const fn name(self) -> &'static str {
        match self {
            Share::Roots => "roots",
            Share::Revocations => "revocations",
            Share::Rest => "statements other than roots and revocations",
        }
    }
}
