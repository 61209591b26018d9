//! Selects the statements of peers that are worth decoding. Owns the cheap tests, in their order, and counts
//! the statements that each test drops. The engine decides whether a statement is effective.

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use bytes::Bytes;
use chuan_engine::{
    id::LibraryId,
    statement::{Heading, Library, Statement},
};

use crate::outcome::StatementsHeard;

/// Counts of the statements that peers sent since the node was opened.
#[derive(Debug, Default)]
pub(super) struct Intake {
    heard: AtomicU64,
    malformed: AtomicU64,
    unknown_kind: AtomicU64,
    foreign: AtomicU64,
    known: AtomicU64,
    decoded: AtomicU64,
    taken: AtomicU64,
}

impl Intake {
    /// Decodes the `statements` that are new, belong to a library here, and have a kind that this version
    /// knows. All tests read only the heading.
    pub(super) fn sift(
        &self,
        statements: &[Bytes],
        library: impl Fn(&LibraryId) -> Option<Arc<Library>>,
    ) -> BTreeMap<LibraryId, (Arc<Library>, Vec<Statement>)> {
        let mut sifted: BTreeMap<LibraryId, (Arc<Library>, Vec<Statement>)> = BTreeMap::new();
        for bytes in statements {
            count(&self.heard);
            let Ok(heading) = Heading::read(bytes) else {
                count(&self.malformed);
                continue;
            };
            if heading.kind().is_none() {
                count(&self.unknown_kind);
                continue;
            }
            let Some(here) = library(&heading.library()) else {
                count(&self.foreign);
                continue;
            };
            if here.statement(&heading.id()).is_some_and(|known| known.bytes() == bytes) {
                count(&self.known);
                continue;
            }
            count(&self.decoded);
            match Statement::decode(bytes) {
                Ok(statement) => sifted.entry(here.id()).or_insert((here, Vec::new())).1.push(statement),
                Err(_) => count(&self.malformed),
            }
        }
        sifted
    }

    /// Counts statements that were stored.
    pub(super) fn note_taken(&self, statements: usize) {
        self.taken.fetch_add(u64::try_from(statements).unwrap_or(u64::MAX), Ordering::Relaxed);
    }

    /// The current counts.
    pub(super) fn now(&self) -> StatementsHeard {
        let of = |count: &AtomicU64| count.load(Ordering::Relaxed);
        StatementsHeard {
            heard: of(&self.heard),
            malformed: of(&self.malformed),
            unknown_kind: of(&self.unknown_kind),
            foreign: of(&self.foreign),
            known: of(&self.known),
            decoded: of(&self.decoded),
            taken: of(&self.taken),
        }
    }
}

fn count(count: &AtomicU64) {
    count.fetch_add(1, Ordering::Relaxed);
}

#[cfg(test)]
mod tests {
    use chuan_engine::{
        id::Salt,
        statement::{
            Key,
            library::{Founders, found},
        },
    };

    use super::*;

    fn library(nonce: u8) -> (Arc<Library>, Statement) {
        let key = |seed| Key::from_seed([seed; 32]);
        let keys = Founders { root: &key(1), operator: &key(2), publisher: &key(3) };
        let (id, root) = found("films", keys, Salt::from_bytes([nonce; 32]), 1).unwrap();
        (Arc::new(Library::open(id, [root.clone()], 1).unwrap()), root)
    }

    /// Symptom: a stranger's hello with sixteen roots of two thousand keys each took a quarter of a second.
    /// Cause: the roots were decoded before the check that the library is known here.
    #[test]
    fn a_statement_that_its_heading_excludes_is_not_decoded() {
        let (here, root) = library(1);
        let (_, foreign) = library(2);
        let mut tomorrow = root.bytes().to_vec();
        tomorrow[5] = 63;
        tomorrow[8..40].copy_from_slice(here.id().as_bytes());
        let sent = [foreign.bytes().clone(), root.bytes().clone(), tomorrow.into(), Bytes::from_static(b"?")];
        let intake = Intake::default();
        let sifted = intake.sift(&sent, |id| (*id == here.id()).then(|| Arc::clone(&here)));
        assert!(sifted.is_empty());
        let expected = StatementsHeard {
            heard: 4,
            foreign: 1,
            known: 1,
            unknown_kind: 1,
            malformed: 1,
            ..Default::default()
        };
        assert_eq!(intake.now(), expected);

        let sifted = intake.sift(&sent, |_| Some(Arc::new(Library::new(here.id()))));
        assert_eq!(sifted.into_values().map(|(_, all)| all.len()).sum::<usize>(), 2);
        assert_eq!(intake.now().decoded, 2);
    }
}
