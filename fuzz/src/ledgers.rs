//! The target `ledgers`: the two files of a ledger, as writes, compactions, crashes and damage leave them.
//!
//! ```text
//! damaged copies u8, then one byte for each action and its fields
//! ```

use std::collections::BTreeMap;

use bytes::Bytes;
use chuan_engine::{
    id::{LibraryId, NodeId, StatementId},
    ledger::{
        self, FrameId, Identity, LedgerId, LedgerRecord, Mend, Outcome, RecordKind, Side, frame, image::image,
    },
    statement::StatementKind,
    store::{RefMove, ledger::Record},
};

use super::{input::Input, meter};

const NODE: NodeId = NodeId::from_bytes([7; 32]);
/// Actions of one input at most.
const ACTIONS: usize = 64;
/// Bytes of a file above which nothing is appended.
const FILE_BYTES: usize = 64 * 1024;

/// The two files, and what was acknowledged.
struct Files {
    identity: Identity,
    copies: [Vec<u8>; 2],
    last: FrameId,
    /// The live records by arrival number, those of the last acknowledged state.
    acknowledged: BTreeMap<u64, LedgerRecord>,
    next: u64,
    /// An older state of the copies.
    older: [Vec<u8>; 2],
}

/// A ledger's files; returns how they were opened.
pub fn ledgers(bytes: &[u8]) -> Vec<&'static str> {
    let mut input = Input::new(bytes);
    let damaged = input.u8() % 4;
    let mut files = Files::new();
    let mut is_crashed = false;
    for _ in 0..ACTIONS {
        let Some(action) = input.next() else { break };
        let side = if damaged < 2 { usize::from(damaged) } else { usize::from(action >> 7) };
        match action % 8 {
            0..=2 if !is_crashed => files.append(&mut input),
            3 if !is_crashed => files.compact(),
            4 if !is_crashed => {
                is_crashed = true;
                files.crash(&mut input);
            }
            5 => files.older = files.copies.clone(),
            _ => files.damage(side, &mut input),
        }
    }
    meter::received(files.copies.iter().map(Vec::len).sum());
    files.open(damaged)
}

impl Files {
    fn new() -> Self {
        let identity = Identity { node: NODE, ledger: LedgerId::from_bytes([5; 16]), generation: 1 };
        let begun = image(identity, 0, &[]).expect("an empty ledger");
        let copies = [begun.bytes.clone(), begun.bytes];
        let older = copies.clone();
        Self { identity, copies, last: begun.last, acknowledged: BTreeMap::new(), next: 1, older }
    }

    /// The records of a batch: statements whose content is not read here, and moves of channels.
    fn batch(&mut self, input: &mut Input<'_>) -> Vec<LedgerRecord> {
        let count = input.u8() % 6 + 1;
        let mut batch = Vec::new();
        for _ in 0..count {
            let (number, what) = (self.next, input.u8());
            self.next += 1;
            // An id of zeros is that of no library.
            let library = LibraryId::from_bytes([1 + (what & 1); 32]);
            // Magic bytes of frames in a payload must not be taken for a frame.
            let payload = [&frame::FRAME_MAGIC[..], &number.to_le_bytes(), input.bytes(64)].concat();
            batch.push(match what % 4 {
                0 => LedgerRecord::reference(
                    number,
                    &RefMove {
                        library,
                        channel: if what & 4 == 0 { "live".into() } else { "beta".into() },
                        statement: StatementId::of(&number.to_le_bytes()),
                        release: StatementId::of(b"a release"),
                        sequence: number,
                    },
                ),
                _ => LedgerRecord::of(
                    number,
                    &Record::Statement {
                        id: StatementId::of(&number.to_le_bytes()),
                        library,
                        kind: StatementKind::Release,
                        sequence: number,
                        bytes: payload.into(),
                        again: false,
                    },
                ),
            });
        }
        batch
    }

    fn append(&mut self, input: &mut Input<'_>) {
        if self.copies.iter().any(|copy| copy.len() > FILE_BYTES) {
            return;
        }
        let batch = self.batch(input);
        let frame = frame::encode(&self.identity, &self.last, &batch).expect("a small batch");
        self.last = FrameId::of(&frame);
        self.copies.iter_mut().for_each(|copy| copy.extend_from_slice(&frame));
        self.acknowledged.extend(batch.into_iter().map(|record| (record.number, record)));
    }

    /// Rewrites both copies as a new generation, as long as neither is damaged.
    fn compact(&mut self) {
        let [a, b] = self.copies.clone().map(Bytes::from);
        let Outcome::Open(plan) = ledger::plan(&NODE, [Some(&a), Some(&b)]) else { return };
        if plan.mend != Mend::None {
            return;
        }
        self.identity.generation += 1;
        let carried = plan.carried();
        let made = image(self.identity, plan.highest, &carried).expect("the records of a ledger");
        self.last = made.last;
        self.copies = [made.bytes.clone(), made.bytes];
        self.acknowledged = carried.into_iter().map(|record| (record.number, record)).collect();
    }

    /// A crash in an append, or between the two renames of a compaction.
    fn crash(&mut self, input: &mut Input<'_>) {
        let how = input.u8();
        if how & 1 == 1 {
            let [_, before] = self.copies.clone();
            self.compact();
            let [_, b] = &mut self.copies;
            *b = before;
            return;
        }
        let batch = self.batch(input);
        let frame = frame::encode(&self.identity, &self.last, &batch).expect("a small batch");
        let written = usize::from(input.u16()) % (frame.len() + 1);
        let [a, b] = &mut self.copies;
        a.extend_from_slice(frame.get(..written).unwrap_or(&frame));
        if written == frame.len() && how & 2 == 2 {
            let second = usize::from(input.u16()) % frame.len();
            b.extend_from_slice(frame.get(..second).unwrap_or_default());
        }
    }

    fn damage(&mut self, side: usize, input: &mut Input<'_>) {
        let older = self.older.get(side).cloned().unwrap_or_default();
        let Some(copy) = self.copies.get_mut(side) else { return };
        let how = input.u8();
        let at = usize::from(input.u16()).checked_rem(copy.len()).unwrap_or_default();
        match how % 6 {
            0 => copy.get_mut(at).into_iter().for_each(|byte| *byte ^= how | 1),
            1 => copy.truncate(at),
            2 => copy.iter_mut().skip(at).take(usize::from(input.u16())).for_each(|byte| *byte = 0),
            3 => {
                let part: Vec<_> = copy.iter().skip(at).take(usize::from(input.u16())).copied().collect();
                let to = usize::from(input.u16()) % (copy.len() + 1);
                if copy.len() <= FILE_BYTES {
                    copy.splice(to..to, part);
                }
            }
            4 => *copy = older,
            _ => {
                let bytes = input.bytes(64);
                copy.splice(at..(at + bytes.len()).min(copy.len()), bytes.iter().copied());
            }
        }
    }

    /// Opens the files. Where only one copy is damaged, nothing that was acknowledged may be missing.
    fn open(&self, damaged: u8) -> Vec<&'static str> {
        let [a, b] = self.copies.clone().map(Bytes::from);
        let present = |copy: &Bytes| !copy.is_empty();
        let outcome = ledger::plan(&NODE, [Some(&a).filter(|a| present(a)), Some(&b).filter(|b| present(b))]);
        let is_single = damaged < 2;
        let plan = match outcome {
            Outcome::Open(plan) => plan,
            Outcome::Gone(_) => {
                assert!(!is_single, "one sound copy is a ledger");
                return vec!["gone"];
            }
            Outcome::Refused(refusal) => {
                assert!(!is_single || !is_contradiction(&refusal), "{refusal:?} although one copy is sound");
                return vec!["refused"];
            }
        };
        let carried: BTreeMap<_, _> =
            plan.carried().into_iter().map(|record| (record.number, record)).collect();
        if is_single {
            for (number, record) in &self.acknowledged {
                let is_here = carried.get(number) == Some(record);
                // Only the newest move of a channel is live.
                let is_moved = record.kind == RecordKind::Ref;
                assert!(
                    is_here || is_moved,
                    "record {number} is lost, and one copy is sound: {:?}",
                    plan.found
                );
            }
        }
        let records: Vec<_> = carried.into_values().collect();
        let made = image(plan.identity, plan.highest, &records).expect("an opened ledger can be written");
        let made = Bytes::from(made.bytes);
        let Outcome::Open(again) = ledger::plan(&NODE, [Some(&made), Some(&made)]) else {
            panic!("a ledger that was written is not accepted");
        };
        assert_eq!((again.mend, again.highest), (Mend::None, plan.highest));
        assert_eq!(again.carried(), records);
        vec![match plan.mend {
            Mend::None => "sound",
            Mend::Cut(..) => "cut",
            Mend::Copy(Side::A) => "copied from a",
            Mend::Copy(Side::B) => "copied from b",
            Mend::Renew => "renewed",
        }]
    }
}

/// Whether a refusal says that the copies contradict each other.
const fn is_contradiction(refusal: &ledger::Refusal) -> bool {
    matches!(refusal, ledger::Refusal::Unlike | ledger::Refusal::Contradiction(_))
}
