//! The ledger in memory. It decodes every appended statement, and a crash loses everything that a crash may
//! lose.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use super::Refusal;
use crate::{
    error::{Error, Result},
    id::{LibraryId, StatementId},
    statement::{Statement, StatementKind},
    store::{
        RefMove,
        ledger::{Kept, Ledger, LostRecord, Record},
    },
};

/// Keeps statements and refs in memory. Clones share one state.
#[derive(Clone, Debug, Default)]
pub struct MemoryLedger {
    content: Arc<Mutex<LedgerContent>>,
}

#[derive(Debug, Default)]
struct LedgerContent {
    /// By arrival number.
    records: BTreeMap<u64, Record>,
    superseded: BTreeSet<StatementId>,
    lost: BTreeMap<u64, Record>,
    highest: u64,
    refusal: Option<Refusal>,
}

impl MemoryLedger {
    /// Makes an empty ledger.
    pub fn new() -> Self {
        Self::default()
    }

    /// Forgets which statements are superseded, as a crash may, and ends the poisoning, as reopening does.
    pub fn crash(&self) {
        let mut state = self.lock();
        state.superseded.clear();
        state.refusal = None;
    }

    /// Damages both copies of a record. Returns whether a record has this number.
    pub fn damage(&self, arrival: u64) -> bool {
        let mut state = self.lock();
        let Some(record) = state.records.remove(&arrival) else { return false };
        state.lost.insert(arrival, record);
        true
    }

    /// Makes every later write fail with [`Error::Poisoned`], as after a failed fsync, until
    /// [`MemoryLedger::crash`].
    pub fn poison(&self, cause: &str) {
        self.lock().refusal = Some(Refusal::Poisoned(cause.to_owned()));
    }

    /// Makes every append fail with [`Error::Full`] while `full`.
    pub fn set_full(&self, full: bool) {
        self.lock().refusal = full.then_some(Refusal::Full);
    }

    fn lock(&self) -> MutexGuard<'_, LedgerContent> {
        self.content.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Ledger for MemoryLedger {
    fn append(&self, records: Vec<Record>) -> Result<()> {
        let mut state = self.lock();
        Refusal::check(state.refusal.as_ref())?;
        records.iter().try_for_each(check_strictly)?;
        records.into_iter().for_each(|record| state.keep(record));
        Ok(())
    }

    fn statements(&self, library: Option<&LibraryId>, kind: StatementKind) -> Result<Vec<Kept>> {
        let state = self.lock();
        let mut listed: Vec<_> = state
            .records
            .iter()
            .filter_map(|(arrival, record)| match record {
                Record::Statement { id, library, kind: of, sequence, bytes, again: _ } if *of == kind => {
                    let kept = Kept { arrival: *arrival, id: *id, library: *library, bytes: bytes.clone() };
                    Some((*sequence, kept))
                }
                _ => None,
            })
            .filter(|(_, kept)| library.is_none_or(|library| *library == kept.library))
            .filter(|(_, kept)| !state.superseded.contains(&kept.id))
            .collect();
        listed.sort_by_key(|(sequence, kept)| (kept.library, *sequence, kept.arrival));
        Ok(listed.into_iter().map(|(_, kept)| kept).collect())
    }

    fn refs(&self) -> Result<Vec<RefMove>> {
        let mut newest = BTreeMap::new();
        for record in self.lock().records.values() {
            if let Record::Ref(to) = record {
                newest.insert((to.library, to.channel.clone()), to.clone());
            }
        }
        Ok(newest.into_values().collect())
    }

    fn supersede(&self, ids: &[StatementId]) -> Result<()> {
        let mut state = self.lock();
        Refusal::check(state.refusal.as_ref())?;
        state.superseded.extend(ids);
        Ok(())
    }

    fn lost(&self) -> Result<Vec<LostRecord>> {
        let lost = self.lock();
        let named = lost.lost.iter().map(|(arrival, record)| LostRecord {
            arrival: *arrival,
            last: *arrival,
            library: Some(record.library()),
            place: "the ledger in memory".to_owned(),
        });
        Ok(named.collect())
    }

    fn highest_arrival(&self) -> u64 {
        self.lock().highest
    }
}

impl LedgerContent {
    fn keep(&mut self, record: Record) {
        let held = match &record {
            Record::Statement { id, .. } => self.arrival_of(id),
            Record::Ref(_) => None,
        };
        match (held, &record) {
            (Some(arrival), Record::Statement { again: true, .. }) => {
                self.records.insert(arrival, record);
            }
            (Some(_), _) => {}
            (None, _) => {
                if let Record::Statement { id, .. } = &record {
                    self.lost.retain(|_, lost| lost.statement_id() != Some(*id));
                }
                self.highest += 1;
                self.records.insert(self.highest, record);
            }
        }
    }

    fn arrival_of(&self, id: &StatementId) -> Option<u64> {
        self.records.iter().find_map(|(at, record)| (record.statement_id() == Some(*id)).then_some(*at))
    }
}

/// Checks the bounds, as every ledger does, and decodes the statements, which only this one does.
fn check_strictly(record: &Record) -> Result<()> {
    record.check()?;
    let Record::Statement { id, library, kind, sequence, bytes, again: _ } = record else { return Ok(()) };
    let statement = Statement::decode(bytes)?;
    let fields = (statement.id(), statement.library(), statement.kind(), statement.sequence());
    if fields == (*id, *library, *kind, *sequence) {
        return Ok(());
    }
    Err(Error::Invalid(format!(
        "the fields of the record of statement {} do not match its bytes",
        id.short()
    )))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::conformance::ledger::{Subject, run};

    #[derive(Default)]
    struct Memory(MemoryLedger);

    impl Subject for Memory {
        fn ledger(&self) -> &dyn Ledger {
            &self.0
        }

        fn crash(&mut self) {
            self.0.crash();
        }

        fn damage(&mut self, arrival: u64) {
            assert!(self.0.damage(arrival), "there is no record {arrival}");
        }

        fn poison(&mut self) {
            self.0.poison("a test");
        }
    }

    #[test]
    fn keeps_every_guarantee() {
        run(&|| Box::new(Memory::default()));
    }
}
