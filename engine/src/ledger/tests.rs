//! Every kind of damage to ledgers of a few records, and the plan for each.

mod room;

use std::collections::BTreeMap;

use bytes::Bytes;
use proptest::prelude::*;

use super::{
    FrameId, HEADER_BYTES, Header, Identity, LedgerId, LedgerRecord, LedgerState, Mend, Outcome, Plan,
    RecordKind, Refusal, Side,
    frame::{self, FRAME_HEADER_BYTES},
    image::image,
    plan,
    record::RECORD_HEADER_BYTES,
};
use crate::{
    id::{LibraryId, NodeId, StatementId},
    statement::StatementKind,
    store::{RefMove, ledger::Record},
};

const NODE: NodeId = NodeId::from_bytes([9; 32]);

fn identity(generation: u64) -> Identity {
    Identity { node: NODE, ledger: LedgerId::from_bytes([7; 16]), generation }
}

/// A record whose bytes depend only on its number.
fn statement(number: u64) -> Record {
    let bytes = Bytes::from(format!("statement {number} ").repeat(2));
    Record::Statement {
        id: StatementId::of(&bytes),
        library: LibraryId::of(b"films"),
        kind: if number == 1 { StatementKind::Root } else { StatementKind::Release },
        sequence: number,
        bytes,
        again: false,
    }
}

fn reference(number: u64) -> Record {
    Record::Ref(RefMove {
        library: LibraryId::of(b"films"),
        channel: "live".to_owned(),
        statement: StatementId::of(&number.to_le_bytes()),
        release: StatementId::of(b"a release"),
        sequence: number,
    })
}

fn numbered(number: u64) -> LedgerRecord {
    LedgerRecord::of(number, &if number.is_multiple_of(5) { reference(number) } else { statement(number) })
}

/// A file under construction.
#[derive(Clone)]
struct File {
    identity: Identity,
    bytes: Vec<u8>,
    last: FrameId,
    frames: Vec<usize>,
}

impl File {
    /// A generation that carries over these records.
    fn begin(generation: u64, base: u64, carried: &[LedgerRecord]) -> Self {
        let identity = identity(generation);
        let image = image(identity, base, carried).unwrap();
        Self { identity, frames: vec![image.bytes.len()], bytes: image.bytes, last: image.last }
    }

    /// Appends a batch of consecutive numbers.
    fn batch(mut self, numbers: std::ops::RangeInclusive<u64>) -> Self {
        let records: Vec<_> = numbers.map(numbered).collect();
        let frame = frame::encode(&self.identity, &self.last, &records).unwrap();
        self.last = FrameId::of(&frame);
        self.bytes.extend_from_slice(&frame);
        self.frames.push(self.bytes.len());
        self
    }

    fn bytes(&self) -> Bytes {
        self.bytes.clone().into()
    }

    /// Where the last frame begins.
    fn last_frame(&self) -> usize {
        self.frames[self.frames.len() - 2]
    }
}

/// Three batches: 1, 2 to 4, 5 to 6.
fn small() -> File {
    File::begin(1, 0, &[]).batch(1..=1).batch(2..=4).batch(5..=6)
}

fn open(a: Option<&Bytes>, b: Option<&Bytes>) -> Plan {
    match plan(&NODE, [a, b]) {
        Outcome::Open(plan) => *plan,
        other => panic!("not opened: {other:?}"),
    }
}

fn numbers(plan: &Plan) -> Vec<u64> {
    plan.records.values().filter(|at| at.record.kind != RecordKind::Lost).map(|at| at.record.number).collect()
}

fn lost(plan: &Plan) -> Vec<(u64, u64)> {
    let lost = plan.records.values().filter(|at| at.record.kind == RecordKind::Lost);
    lost.map(|at| (at.record.number, at.record.last())).collect()
}

fn flipped(bytes: &Bytes, bit: usize) -> Bytes {
    let mut bad = bytes.to_vec();
    bad[bit / 8] ^= 1 << (bit % 8);
    bad.into()
}

/// Checks a plan against the written records: no other record is valid, and each missing record is named as
/// lost.
fn check_plan(plan: &Plan, written: &BTreeMap<u64, LedgerRecord>) {
    for (number, merged) in &plan.records {
        if merged.record.kind != RecordKind::Lost {
            assert_eq!(written.get(number), Some(&merged.record), "record {number} was never written");
        }
    }
    let ranges = lost(plan);
    for number in written.keys() {
        let is_lost = ranges.iter().any(|(first, last)| (first..=last).contains(&number));
        assert!(plan.records.contains_key(number) || is_lost, "record {number} is missing and not named");
    }
}

#[test]
fn two_sound_copies_need_nothing() {
    let file = small();
    let bytes = file.bytes();
    let plan = open(Some(&bytes), Some(&bytes));
    assert_eq!((plan.mend, plan.highest), (Mend::None, 6));
    assert_eq!(numbers(&plan), [1, 2, 3, 4, 5, 6]);
    assert_eq!((plan.end, plan.last), (bytes.len() as u64, file.last));
    assert!(plan.found.is_empty());
    for (number, merged) in &plan.records {
        assert_eq!(merged.record, numbered(*number));
        assert_eq!(merged.offsets[0], merged.offsets[1]);
        let at = usize::try_from(merged.offsets[0].unwrap()).unwrap();
        let read = LedgerRecord::decode_front(&bytes.slice(at..), &identity(1));
        assert!(matches!(read, super::record::Decoded::Whole(record, _) if record == merged.record));
    }
}

#[test]
fn every_flipped_bit_of_either_copy_is_found_and_loses_nothing() {
    let sound = small().bytes();
    for bit in 0..sound.len() * 8 {
        let bad = flipped(&sound, bit);
        for (a, b, from) in [(&bad, &sound, Side::B), (&sound, &bad, Side::A)] {
            let plan = open(Some(a), Some(b));
            assert_eq!(plan.mend, Mend::Copy(from), "bit {bit}");
            assert_eq!(numbers(&plan), [1, 2, 3, 4, 5, 6], "bit {bit}");
            assert!(!plan.found.is_empty() && plan.found.iter().all(|found| found.side != from), "bit {bit}");
        }
    }
}

/// A copy of any length yields no record that was never written. Records that a copy alone has lost are
/// named.
#[test]
fn a_copy_cut_at_any_length_is_restored_from_the_other() {
    let file = small();
    let sound = file.bytes();
    for len in 0..sound.len() {
        let cut = sound.slice(..len);
        for (a, b) in [(&cut, &sound), (&sound, &cut)] {
            let plan = open(Some(a), Some(b));
            assert_eq!(numbers(&plan), [1, 2, 3, 4, 5, 6], "{len} bytes");
            assert!(
                matches!(plan.mend, Mend::Copy(_)) && !plan.found.is_empty(),
                "{len} bytes: {:?}",
                plan.mend
            );
        }
    }
    // Alone, a copy that ends inside a frame names lost records.
    for len in file.last_frame() + 1..sound.len() {
        let plan = open(Some(&sound.slice(..len)), None);
        assert_eq!(plan.mend, Mend::Renew);
        let written = (1..=6).map(|number| (number, numbered(number))).collect();
        if len >= file.last_frame() + FRAME_HEADER_BYTES {
            check_plan(&plan, &written)
        }
        // If only the frame's own checksum is cut, every record is complete.
        assert_eq!(lost(&plan).is_empty(), len >= sound.len() - 4, "{len} bytes");
    }
}

#[test]
fn only_a_last_frame_is_a_tail() {
    let before = File::begin(1, 0, &[]).batch(1..=1).batch(2..=4);
    let (short, whole) = (before.bytes(), before.clone().batch(5..=6).bytes());
    for len in short.len() + 1..whole.len() {
        let torn = whole.slice(..len);
        // Torn in `a` and absent in `b`: it was never acknowledged.
        let plan = open(Some(&torn), Some(&short));
        assert_eq!(plan.mend, Mend::Cut(Side::A, short.len() as u64), "{len} bytes");
        assert_eq!((numbers(&plan), plan.highest), (vec![1, 2, 3, 4], 4));
        assert!(plan.found.iter().all(|found| !found.is_damage) && lost(&plan).is_empty());
        // Complete in `a` and torn in `b`: it is completed in `b`.
        let plan = open(Some(&whole), Some(&torn));
        assert_eq!((plan.mend, plan.highest), (Mend::Copy(Side::A), 6), "{len} bytes");
        assert!(plan.found.iter().all(|found| !found.is_damage));
        // Torn in `b` and absent in `a`: `b` is never written first, so this is damage.
        let plan = open(Some(&short), Some(&torn));
        assert!(plan.found.iter().any(|found| found.is_damage), "{len} bytes");
        assert_eq!(lost(&plan).is_empty(), len >= whole.len() - 4, "{len} bytes");
    }
    let plan = open(Some(&whole), Some(&short));
    assert_eq!((plan.mend, plan.highest), (Mend::Copy(Side::A), 6));
    // Complete in `b` and torn in `a` is damage too, and repaired.
    let plan = open(Some(&whole.slice(..whole.len() - 1)), Some(&whole));
    assert_eq!((plan.mend, plan.highest), (Mend::Copy(Side::B), 6));
    assert!(plan.found.iter().any(|found| found.is_damage));
}

#[test]
fn a_record_damaged_in_both_copies_is_named_as_lost() {
    let file = small();
    let sound = file.bytes();
    // The payload of record 3, in the second batch.
    let second = file.frames[1];
    let third = second + FRAME_HEADER_BYTES + numbered(2).encoded_len();
    let bit = (third + RECORD_HEADER_BYTES + 1) * 8;
    let plan = open(Some(&flipped(&sound, bit)), Some(&flipped(&sound, bit + 1)));
    assert_eq!(plan.mend, Mend::Renew);
    assert_eq!(numbers(&plan), [1, 2, 4, 5, 6], "the neighbours are saved from the damaged frame");
    let record = &plan.records[&3].record;
    assert_eq!((record.kind, record.id), (RecordKind::Lost, numbered(3).id));
    assert!(record.place().contains("ledger/a at") && record.place().contains("ledger/b at"));
    // Damage to different records of one frame in the two copies loses nothing.
    let other = (second + FRAME_HEADER_BYTES + RECORD_HEADER_BYTES) * 8;
    let plan = open(Some(&flipped(&sound, bit)), Some(&flipped(&sound, other)));
    assert_eq!((numbers(&plan), lost(&plan)), (vec![1, 2, 3, 4, 5, 6], vec![]));
    // Damage to its header: the number is known from the neighbours.
    let bit = (third + 20) * 8;
    let plan = open(Some(&flipped(&sound, bit)), Some(&flipped(&sound, bit)));
    assert_eq!((numbers(&plan), lost(&plan)), (vec![1, 2, 5, 6], vec![(3, 4)]));
    assert_eq!(plan.highest, 6);
}

/// A statement that comes back keeps its arrival number: of two roots of one version, the first stays the
/// first.
#[test]
fn a_statement_that_comes_back_keeps_its_arrival_number() {
    let file = small();
    let bit = (file.frames[1] + FRAME_HEADER_BYTES + RECORD_HEADER_BYTES) * 8;
    let bad = flipped(&file.bytes(), bit);
    let plan = open(Some(&bad), Some(&bad));
    let mut state = plan.state();
    assert_eq!(state.lost().count(), 1);
    let back = LedgerRecord { number: 7, ..numbered(2) };
    assert!(state.is_new(&statement(2)));
    state.apply(&back, [Some(0), Some(0)]);
    assert_eq!(state.lost().count(), 0);
    let listed = state.listed(None, StatementKind::Release);
    assert_eq!(listed.iter().map(|(_, held)| held.arrival).collect::<Vec<_>>(), [2, 3, 4, 6]);
    assert!(state.live().iter().map(super::state::Live::number).is_sorted());
}

#[test]
fn another_ledger_is_refused() {
    let sound = small().bytes();
    let other = NodeId::from_bytes([8; 32]);
    let refusal = |node: &NodeId, a: Option<&Bytes>, b: Option<&Bytes>| match plan(node, [a, b]) {
        Outcome::Refused(refusal) => refusal,
        outcome => panic!("not refused: {outcome:?}"),
    };
    assert_eq!(refusal(&other, Some(&sound), Some(&sound)), Refusal::Foreign(Side::A, NODE));
    assert_eq!(refusal(&other, None, Some(&sound)), Refusal::Foreign(Side::B, NODE));
    let fork = File::begin(1, 0, &[]).batch(1..=1).batch(2..=2);
    let mut elsewhere = fork.clone();
    elsewhere.identity.ledger = LedgerId::from_bytes([6; 16]);
    let elsewhere: Bytes = image(elsewhere.identity, 0, &[]).unwrap().bytes.into();
    assert_eq!(refusal(&NODE, Some(&sound), Some(&elsewhere)), Refusal::Unlike);
    // One number, two records: two homes continued from one copy.
    let mut rival = fork;
    let record = LedgerRecord { number: 3, ..numbered(4) };
    let frame = frame::encode(&rival.identity, &rival.last, &[record]).unwrap();
    rival.bytes.extend_from_slice(&frame);
    assert_eq!(refusal(&NODE, Some(&sound), Some(&rival.bytes())), Refusal::Contradiction(3));
    let mut newer = sound.to_vec();
    newer[8] = 3;
    let crc = crc32c::crc32c(&newer[..HEADER_BYTES - 4]).to_le_bytes();
    newer[HEADER_BYTES - 4..HEADER_BYTES].copy_from_slice(&crc);
    assert_eq!(refusal(&NODE, Some(&newer.into()), Some(&sound)), Refusal::Version(Side::A, 3));
}

#[test]
fn unreadable_copies_are_gone_and_one_header_serves_both() {
    assert!(matches!(plan(&NODE, [None, None]), Outcome::Gone(_)));
    let junk = Bytes::from(vec![0x55; 4096]);
    assert!(matches!(plan(&NODE, [Some(&junk), None]), Outcome::Gone(found) if found.len() >= 2));
    let sound = small().bytes();
    // One copy has lost its whole header. The other has a damaged header with a readable ledger id.
    let mut bad = sound.to_vec();
    bad[..HEADER_BYTES].fill(0);
    let plan = open(Some(&bad.into()), Some(&flipped(&sound, 80 * 8)));
    assert_eq!((numbers(&plan), lost(&plan)), (vec![1, 2, 3, 4, 5, 6], vec![]));
    assert_eq!(plan.mend, Mend::Renew);
}

#[test]
fn the_higher_generation_is_valid_if_it_is_complete() {
    let old = small();
    // Record 2 was dropped.
    let carried: Vec<_> = [1, 3, 4, 5, 6].map(numbered).to_vec();
    let new = File::begin(2, 6, &carried);
    for (a, b, high) in [(&new, &old, Side::A), (&old, &new, Side::B)] {
        let plan = open(Some(&a.bytes()), Some(&b.bytes()));
        assert_eq!((plan.mend, plan.identity.generation), (Mend::Copy(high), 2));
        assert_eq!((numbers(&plan), plan.highest), (vec![1, 3, 4, 5, 6], 6));
    }
    // Without its closing record, the generation is not valid.
    let cut = new.bytes().slice(..new.bytes.len() - 1);
    let plan = open(Some(&cut), Some(&old.bytes()));
    assert_eq!((plan.mend, numbers(&plan)), (Mend::Copy(Side::B), vec![1, 2, 3, 4, 5, 6]));
    // Records above the compaction's last number that only the lower generation has are kept. Records that
    // the compaction dropped are not.
    let longer = old.batch(7..=8);
    let plan = open(Some(&new.bytes()), Some(&longer.bytes()));
    assert_eq!((plan.mend, plan.highest), (Mend::Renew, 8));
    assert_eq!((numbers(&plan), lost(&plan)), (vec![1, 3, 4, 5, 6, 7, 8], vec![]));
}

#[test]
fn damage_to_both_copies_of_a_compacted_generation_is_named() {
    let carried: Vec<_> = [1, 3, 4, 9].map(numbered).to_vec();
    let file = File::begin(4, 12, &carried).batch(13..=14);
    let sound = file.bytes();
    for bit in (HEADER_BYTES * 8..sound.len() * 8).step_by(3) {
        let bad = flipped(&sound, bit);
        let plan = open(Some(&bad), Some(&bad));
        let written = [1, 3, 4, 9, 13, 14].into_iter().map(|number| (number, numbered(number))).collect();
        check_plan(&plan, &written);
        assert_eq!(plan.mend, Mend::Renew);
        let renewed = Bytes::from(image(identity(5), plan.highest, &plan.carried()).unwrap().bytes);
        let again = open(Some(&renewed), Some(&renewed));
        assert_eq!((again.mend, numbers(&again), lost(&again)), (Mend::None, numbers(&plan), lost(&plan)));
        assert!(again.highest >= 14);
    }
}

#[test]
fn compaction_keeps_arrival_numbers_and_roots() {
    let mut state = LedgerState::default();
    for number in 1..=10 {
        state.apply(&numbered(number), [Some(number), Some(number)]);
    }
    let ids: Vec<_> = (1..=4).map(|number| numbered(number).id).collect();
    state.supersede(&ids);
    let live: Vec<_> = state.live().iter().map(super::state::Live::number).collect();
    assert_eq!(live, [1, 6, 7, 8, 9, 10], "the root stays, superseded releases and the older ref go");
    let listed = state.listed(None, StatementKind::Release);
    assert_eq!(listed.iter().map(|(_, held)| held.arrival).collect::<Vec<_>>(), [6, 7, 8, 9]);
    assert_eq!(state.refs().len(), 1);
}

/// A statement whose bytes look like a frame, in a file whose damage makes the scan search for frames.
#[test]
fn the_content_of_a_statement_never_passes_for_a_frame() {
    let forger = Identity { node: NODE, ledger: LedgerId::from_bytes([0; 16]), generation: 1 };
    let forged = frame::encode(&forger, &FrameId::of(b""), &[numbered(1)]).unwrap();
    let id = StatementId::of(&forged);
    let record = LedgerRecord { id, payload: forged, ..numbered(2) };
    let mut file = File::begin(1, 0, &[]).batch(1..=1);
    let frame = frame::encode(&file.identity, &file.last, &[record]).unwrap();
    file.bytes.extend_from_slice(&frame);
    let begin = file.frames[1];
    // The frame's own header is destroyed.
    let mut bad = file.bytes.clone();
    bad[begin + 4..begin + 60].fill(0xff);
    bad[begin + FRAME_HEADER_BYTES] ^= 1;
    let bad = Bytes::from(bad);
    let plan = open(Some(&bad), Some(&bad));
    assert_eq!((numbers(&plan), lost(&plan)), (vec![1], vec![(2, 2)]));
}

#[test]
fn golden_of_a_frame() {
    let record = LedgerRecord {
        number: 0x0102,
        kind: RecordKind::Statement,
        statement_kind: 2,
        library: Some(LibraryId::from_bytes([1; 32])),
        id: StatementId::from_bytes([2; 32]),
        sequence: 3,
        payload: Bytes::from_static(b"said"),
    };
    let frame =
        frame::encode(&identity(1), &FrameId::from_bytes([4; 32]), std::slice::from_ref(&record)).unwrap();
    let hex = data_encoding::HEXLOWER.encode(&frame);
    let crc = |from: usize, to: usize| {
        let crc = crc32c::crc32c_append(identity(1).seed(), &frame[from..to]);
        data_encoding::HEXLOWER.encode(&crc.to_le_bytes())
    };
    let expected = [
        "8943484c".to_owned(),
        "a8000000".to_owned(),
        "0201000000000000".to_owned(),
        "0201000000000000".to_owned(),
        "01000000".to_owned(),
        "04".repeat(32),
        crc(0, 60),
        "04000000".to_owned(),
        "01020000".to_owned(),
        "0201000000000000".to_owned(),
        "01".repeat(32),
        "02".repeat(32),
        "0300000000000000".to_owned(),
        data_encoding::HEXLOWER.encode(&crc32c::crc32c(b"said").to_le_bytes()),
        crc(64, 64 + 92),
        "73616964".to_owned(),
        crc(0, frame.len() - 4),
    ];
    assert_eq!(hex, expected.concat());
    let read = frame::decode_front(&frame, &identity(1)).unwrap();
    assert_eq!(read.records, [(record, FRAME_HEADER_BYTES)]);
    assert!(frame::decode_front(&frame, &identity(2)).is_err(), "a frame of another generation passes");
}

#[test]
fn bounds_hold() {
    assert!(frame::encode(&identity(1), &FrameId::of(b""), &[]).is_err());
    let long = LedgerRecord { payload: vec![0; crate::limits::STATEMENT_BYTES + 1].into(), ..numbered(1) };
    assert!(frame::encode(&identity(1), &FrameId::of(b""), &[long]).is_err());
    let header = Header { identity: identity(1), base: 0, records: 0 };
    assert_eq!(Header::decode(&header.encode()), Ok(header));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    /// After any damage to both copies, no record is valid that was not written, and each missing record is
    /// named.
    #[test]
    fn any_damage_is_named(
        damage in prop::collection::vec((0..2usize, 0..4096usize, 1..64usize, any::<u8>()), 1..6),
        cuts in prop::option::of((0..2usize, 0..4096usize)),
        batches in 1..5u64,
        is_compacted in any::<bool>(),
    ) {
        let carried: Vec<_> = if is_compacted { [1, 2, 4, 7].map(numbered).to_vec() } else { Vec::new() };
        let base = if is_compacted { 8 } else { 0 };
        let mut file = File::begin(3, base, &carried);
        let mut written: BTreeMap<_, _> = carried.into_iter().map(|record| (record.number, record)).collect();
        for batch in 0..batches {
            let first = base + 1 + batch * 2;
            file = file.batch(first..=first + 1);
            written.extend([first, first + 1].map(|number| (number, numbered(number))));
        }
        let mut copies = [file.bytes.clone(), file.bytes.clone()];
        for (side, at, len, value) in damage {
            let copy = &mut copies[side];
            let at = at % copy.len();
            let end = (at + len).min(copy.len());
            copy[at..end].iter_mut().for_each(|byte| *byte ^= value | 1);
        }
        if let Some((side, len)) = cuts {
            let copy = &mut copies[side];
            copy.truncate(len % file.bytes.len());
        }
        let [a, b] = copies.map(Bytes::from);
        match plan(&NODE, [Some(&a), Some(&b)]) {
            Outcome::Gone(found) => prop_assert!(!found.is_empty()),
            Outcome::Refused(refusal) => prop_assert!(false, "{refusal}"),
            Outcome::Open(plan) => {
                for (number, merged) in &plan.records {
                    if merged.record.kind != RecordKind::Lost {
                        prop_assert_eq!(written.get(number), Some(&merged.record));
                    }
                }
                prop_assert!(!plan.found.is_empty() || a == b);
                let ranges = lost(&plan);
                for number in written.keys() {
                    let is_lost = ranges.iter().any(|(first, last)| (first..=last).contains(&number));
                    let is_here = plan.records.contains_key(number);
                    // If no copy has the header of the last frame, at least one record of it is named.
                    let is_beyond = *number > plan.highest && !ranges.is_empty();
                    // Torn in `a` and absent in `b` at the same frame: the state after a crash.
                    let is_torn = *number > plan.highest && plan.found.iter().any(|found| !found.is_damage);
                    prop_assert!(is_here || is_lost || is_beyond || is_torn, "{number}: {ranges:?} {plan:?}");
                }
            }
        }
    }
}
