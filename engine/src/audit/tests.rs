//! Tests that the verifier of a log detects every alteration before a checkpoint, and reports nothing else.

use super::*;
use crate::{
    error::Error,
    id::{LibraryId, RecordId},
    limits::AUDIT_TORN_BYTES,
    manifest::testing::Rng,
    statement::{Body, Checkpoint, Header, Key, RoleKind, Statement},
};

/// The number of records of the log that is tampered with, and how many of them a checkpoint at a peer
/// covers.
const RECORDS: usize = 60;
const COVERED: usize = 40;
const ALTERATIONS: u32 = 10_000;

fn event(rng: &mut Rng) -> Event {
    let key = Key::from_seed([7; 32]).public();
    let event =
        Event::new(Verb::from_tag(u16::try_from(rng.below(30)).unwrap()), format!("films@{}", rng.below(9)));
    match rng.below(20) {
        0 => event.by(Actor::Role { key, role: RoleKind::Publisher }).of(LibraryId::of(b"x")),
        1 => event.by(Actor::Peer { key, node: key.node() }).refused("no ticket"),
        2 => event.by(Actor::Nobody).failed("").times(100_000, 60_000),
        _ => event,
    }
}

/// Encodes events as the records of a log. Returns the bytes of each record.
fn write(events: &[Event], start: Point) -> Vec<Vec<u8>> {
    let mut at = start;
    let mut log = Vec::new();
    for event in events {
        let time_ms = 1_793_000_000_000 + i64::try_from(at.count).unwrap();
        let record =
            Record { index: at.count, time_ms, prev: at.head, arrival: at.count / 2, event: event.clone() };
        let bytes = record.encode().unwrap();
        at = Point { count: at.count + 1, head: RecordId::of(&bytes) };
        log.push(bytes);
    }
    log
}

fn made(seed: u64, count: usize) -> Vec<Event> {
    let mut rng = Rng(seed);
    (0..count).map(|_| event(&mut rng)).collect()
}

fn point(log: &[Vec<u8>], count: usize) -> Point {
    let last = count.checked_sub(1).map(|at| &log[at]);
    Point { count: count as u64, head: last.map_or(RecordId::NONE, |bytes| RecordId::of(bytes)) }
}

fn walk(bytes: &[u8], checkpoints: &[Point]) -> Verdict {
    let mut chain = Chain::new(Point::START, checkpoints.iter().copied());
    chain.push(bytes, |_, _| {});
    chain.finish()
}

fn decode(bytes: &[u8]) -> Record {
    let (record, len) = Record::decode_front(bytes).unwrap().unwrap();
    assert_eq!(len, bytes.len());
    record
}

#[test]
fn records_read_back_and_have_one_form() {
    for bytes in write(&made(1, 500), Point::START) {
        let record = decode(&bytes);
        assert_eq!(record.encode().unwrap(), bytes);
        for cut in 0..bytes.len() {
            assert!(
                Record::decode_front(&bytes[..cut]).unwrap().is_none(),
                "an incomplete record needs more bytes"
            );
        }
        for at in 0..bytes.len() {
            let mut flipped = bytes.clone();
            flipped[at] ^= 0x40;
            let read = Record::decode_front(&flipped);
            assert!(matches!(read, Ok(None) | Err(Error::Corrupt(_))), "{at}: {read:?}");
        }
    }
}

#[test]
fn records_that_are_not_canonical_are_refused() {
    let good = write(&[Event::new(Verb::Publish, "films@1")], Point::START).remove(0);
    let with = |at: usize, byte: u8| {
        let mut bytes = good.clone();
        bytes[at] = byte;
        let body = bytes.len() - 4;
        let sum = crc32c::crc32c(&bytes[..body]).to_le_bytes();
        bytes[body..].copy_from_slice(&sum);
        Record::decode_front(&bytes)
    };
    assert!(with(8, 3).unwrap().is_some(), "a record with another index is a record too");
    // The ending, the time's sign, the count, the span, the actor, the library's flag, the subject's length
    // and bytes.
    for (at, byte) in [(5, 3), (23, 0x80), (56, 0), (60, 1), (78, 4), (79, 2), (80, 9), (82, 0x1b)] {
        let read = with(at, byte);
        assert!(matches!(read, Err(Error::Corrupt(_))), "{at}: {read:?}");
    }
}

/// All kinds of changes to the records that a checkpoint at a peer covers, simple or careful. A careful
/// attacker recomputes the checksums and all later records, and still gets another head.
#[test]
fn ten_thousand_alterations_before_a_checkpoint_are_found() {
    let seed = std::env::var("CHUAN_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or(20_261_122);
    println!("seed {seed} (CHUAN_SEED)");
    let mut rng = Rng(seed);
    let events = made(seed, RECORDS);
    let log = write(&events, Point::START);
    let other = write(&made(seed ^ 1, RECORDS), Point::START);
    let checkpoint = point(&log, COVERED);
    let (whole, covered) = (log.concat(), log[..COVERED].concat());
    assert_eq!(walk(&whole, &[checkpoint]).finding, Finding::Unproved);
    let mut tried = [0u32; 10];
    let mut found = 0;
    while found < ALTERATIONS {
        let kind = rng.below(10);
        let altered = alter(COVERED, kind, &mut rng, &events, &log, &other);
        if altered.starts_with(&covered) {
            continue;
        }
        let verdict = walk(&altered, &[checkpoint]);
        assert!(matches!(verdict.finding, Finding::Altered { .. }), "seed {seed}, kind {kind}: {verdict:?}");
        assert!(verdict.proved < COVERED as u64, "no altered record is proved");
        tried[kind] += 1;
        found += 1;
    }
    println!("found {found}, by kind {tried:?}");
    assert!(tried.iter().all(|tried| *tried > 500), "{tried:?}");
}

/// One alteration, of a record below `covered`.
fn alter(
    covered: usize,
    kind: usize,
    rng: &mut Rng,
    events: &[Event],
    log: &[Vec<u8>],
    other: &[Vec<u8>],
) -> Vec<u8> {
    let at = rng.below(covered);
    let second = rng.below(covered);
    let (mut log, mut events) = (log.to_vec(), events.to_vec());
    let rewritten = |events: &[Event]| write(events, Point::START).concat();
    match kind {
        // A bit is flipped, a byte is removed.
        0 => {
            let byte = rng.below(log[at].len());
            log[at][byte] ^= 1 << rng.below(8);
        }
        1 => {
            let byte = rng.below(log[at].len());
            log[at].remove(byte);
        }
        // Records are deleted, doubled, swapped, or taken from another log of the same length.
        2 => drop(log.remove(at)),
        3 => log.insert(at, log[at].clone()),
        4 => log.swap(at, second),
        5 => log[at] = other[at].clone(),
        // The end is cut off.
        6 => log.truncate(at),
        // Careful changes: a record is edited, removed or inserted, and all records after it are rewritten.
        7 => {
            events[at].subject.push('!');
            return rewritten(&events);
        }
        8 => {
            events.remove(at);
            return rewritten(&events);
        }
        _ => {
            events.insert(at, Event::new(Verb::Grant, "somebody"));
            return rewritten(&events);
        }
    }
    log.concat()
}

/// Records that no checkpoint covers can be cut off or rewritten. They are reported as unproved, never as
/// proved.
#[test]
fn records_after_the_checkpoint_are_unproved() {
    let log = write(&made(3, RECORDS), Point::START);
    let checkpoint = point(&log, COVERED);
    let cut = log[..COVERED + 5].concat();
    let verdict = walk(&cut, &[checkpoint]);
    assert_eq!(
        verdict,
        Verdict {
            at: point(&log, COVERED + 5),
            proved: COVERED as u64,
            gaps: Vec::new(),
            finding: Finding::Unproved
        }
    );

    let exact = log[..COVERED].concat();
    assert_eq!(walk(&exact, &[checkpoint]).finding, Finding::Proved);
    assert_eq!(walk(&exact, &[]).finding, Finding::Unproved);
    let short = &log[..COVERED - 1].concat();
    let Finding::Altered { at, .. } = walk(short, &[checkpoint]).finding else { panic!() };
    assert_eq!(at, COVERED as u64 - 1);
}

#[test]
fn a_torn_tail_is_reported_only_after_the_checkpoint() {
    let log = write(&made(4, RECORDS), Point::START);
    let whole = log.concat();
    let checkpoint = point(&log, COVERED);
    let covered: usize = log.iter().take(COVERED).map(Vec::len).sum();
    for len in 0..whole.len() {
        let verdict = walk(&whole[..len], &[checkpoint]);
        match verdict.finding {
            Finding::Altered { .. } => assert!(len < covered),
            Finding::Torn { bytes } => {
                assert!(len > covered);
                let whole =
                    log.iter().zip(0..verdict.at.count).map(|(record, _)| record.len()).sum::<usize>();
                assert_eq!(bytes, (len - whole) as u64);
            }
            Finding::Proved => assert_eq!(len, covered),
            Finding::Unproved => assert!(len > covered),
        }
    }
    // Zeros, where a file had grown before its bytes were written. Too many zeros are not a torn tail.
    let zeros = |count| walk(&[whole.clone(), vec![0; count]].concat(), &[checkpoint]).finding;
    assert_eq!(zeros(100), Finding::Torn { bytes: 100 });
    assert!(matches!(zeros(AUDIT_TORN_BYTES + 1), Finding::Altered { at, .. } if at == RECORDS as u64));
}

#[test]
fn a_walk_may_start_at_a_point_and_take_pieces() {
    let log = write(&made(5, RECORDS), Point::START);
    let from = point(&log, 25);
    let rest = log[25..].concat();
    for step in [1, 7, 100, rest.len()] {
        let mut chain = Chain::new(from, [point(&log, RECORDS), point(&log, 10)]);
        let mut indices = Vec::new();
        rest.chunks(step).for_each(|piece| chain.push(piece, |record, _| indices.push(record.index)));
        assert_eq!(chain.whole_bytes(), rest.len() as u64);
        assert_eq!(indices, (25..RECORDS as u64).collect::<Vec<_>>());
        assert_eq!(chain.finish().finding, Finding::Proved);
    }
    let wrong = Point { count: 25, head: RecordId::NONE };
    let mut chain = Chain::new(wrong, []);
    chain.push(&rest, |_, _| panic!("no record follows a wrong start"));
    assert!(matches!(chain.finish().finding, Finding::Altered { at: 25, .. }));
    assert!(matches!(Chain::new(from, [wrong]).finish().finding, Finding::Altered { .. }));
}

/// Full files had been made durable as a whole, so nothing in them is torn.
#[test]
fn sealed_bytes_are_not_torn() {
    let log = write(&made(6, 10), Point::START);
    let mut chain = Chain::new(Point::START, []);
    chain.push(&log[0], |_, _| {});
    chain.seal();
    chain.push(&log[1][..20], |_, _| {});
    chain.seal();
    assert!(matches!(chain.finish().finding, Finding::Altered { at: 1, .. }));
}

fn signed(point: Point, by: &Key) -> Statement {
    let body =
        Body::Checkpoint(Checkpoint { node: by.public().node(), count: point.count, head: point.head });
    let header = Header { library: Some(LibraryId::of(b"x")), sequence: point.count, time_ms: 1 };
    Statement::sign(header, &body, &[by]).unwrap()
}

/// A restored home: its log as it was at the backup, plus a few records, then the records that it wrote after
/// it received its own checkpoint.
struct Restored {
    original: Vec<Vec<u8>>,
    /// Records before the restore.
    kept: usize,
    before: Vec<Vec<u8>>,
    after: Vec<Vec<u8>>,
}

impl Restored {
    fn new() -> Self {
        let (original, kept) = (write(&made(7, RECORDS), Point::START), 30);
        let mut before = original[..kept].to_vec();
        before.extend(write(&made(8, 5), point(&original, kept)));
        let to = point(&original, RECORDS);
        let jump = Jump::new(point(&before, 35), &signed(to, &Key::from_seed([7; 32]))).unwrap();
        let after = write(&[vec![jump.event()], made(9, 10)].concat(), to);
        Self { original, kept, before, after }
    }

    fn end(&self) -> Point {
        Point { count: (RECORDS + self.after.len()) as u64, head: RecordId::of(self.after.last().unwrap()) }
    }
}

fn walk_files(before: &[u8], after: &[u8], checkpoints: &[Point]) -> Verdict {
    let mut chain = Chain::new(Point::START, checkpoints.iter().copied());
    chain.push(before, |_, _| {});
    if let Ok(Some((record, _))) = Record::decode_front(after) {
        Jump::of(&record).into_iter().for_each(|jump| chain.jump(jump));
    }
    chain.push(after, |_, _| {});
    chain.finish()
}

/// Symptom: a home was restored at record 30 of 60, wrote 5 records, received its own checkpoint of 60, and
/// could never be proved again: no peer accepted its checkpoints, and `verify` always reported the log as
/// altered.
#[test]
fn a_log_goes_on_from_a_checkpoint_and_shows_the_gap() {
    let restored = Restored::new();
    let Restored { original, kept, before, after } = &restored;
    let (bytes, rest) = (before.concat(), after.concat());
    // One checkpoint that matches, one of a record that was written twice, one of a missing record, and the
    // ends.
    let points = |counts: &[usize]| -> Vec<Point> {
        counts.iter().map(|count| point(original, *count)).chain([restored.end()]).collect()
    };
    for (counts, from) in
        [(vec![], 35), (vec![28, 40, RECORDS], 35), (vec![28, 33, 40], 28), (vec![*kept], 35)]
    {
        let verdict = walk_files(&bytes, &rest, &points(&counts));
        assert_eq!((&verdict.finding, verdict.at), (&Finding::Proved, restored.end()), "{counts:?}");
        let [gap] = verdict.gaps.as_slice() else { panic!("{:?}", verdict.gaps) };
        assert_eq!((gap.from, gap.jump.to, gap.jump.after.count), (from, point(original, RECORDS), 35));
    }
    // Checkpoints that contradict the log elsewhere are still detected.
    for wrong in [RECORDS + 3, RECORDS, 200] {
        let wrong = Point { count: wrong as u64, head: RecordId::of(b"another") };
        assert!(matches!(walk_files(&bytes, &rest, &[wrong]).finding, Finding::Altered { .. }), "{wrong:?}");
    }
    let whole = walk(&[bytes.clone(), rest.clone()].concat(), &[]);
    assert!(
        matches!(whole.finding, Finding::Altered { at: 35, .. }),
        "a jump is valid only at the start of a file"
    );
}

/// The records after a gap prove those before it: no record before it can be altered, not even by an attacker
/// who rewrites all of them.
#[test]
fn records_before_a_gap_are_proved_by_those_after_it() {
    let seed = 20_261_128;
    let mut rng = Rng(seed);
    let restored = Restored::new();
    let (whole, rest) = (restored.before.concat(), restored.after.concat());
    let events: Vec<_> = restored.before.iter().map(|bytes| decode(bytes).event).collect();
    let other = write(&made(seed ^ 1, events.len()), Point::START);
    let mut found = 0;
    while found < 1_000 {
        let kind = rng.below(10);
        let altered = alter(events.len(), kind, &mut rng, &events, &restored.before, &other);
        if altered == whole {
            continue;
        }
        let verdict = walk_files(&altered, &rest, &[restored.end()]);
        assert!(matches!(verdict.finding, Finding::Altered { .. }), "seed {seed}, kind {kind}: {verdict:?}");
        found += 1;
    }
}

#[test]
fn a_jump_is_read_only_from_the_record_that_it_leads_to() {
    let restored = Restored::new();
    let key = Key::from_seed([7; 32]);
    let record = decode(&restored.after[0]);
    let jump = Jump::of(&record).unwrap();
    assert_eq!((jump.key, jump.node), (key.public(), key.public().node()));
    assert_eq!(jump.event(), record.event);
    let with = |change: fn(&mut Record)| {
        let mut record = record.clone();
        change(&mut record);
        Jump::of(&record)
    };
    assert_eq!(with(|record| record.index += 1), None);
    assert_eq!(with(|record| record.prev = RecordId::of(b"another")), None);
    assert_eq!(with(|record| record.event.verb = Verb::Grant), None);
    assert_eq!(with(|record| record.event.subject.truncate(100)), None);
    // The last byte of the signature.
    let forged = |record: &mut Record| {
        let end = record.event.subject.find(" after ").unwrap();
        let other = if record.event.subject.as_bytes()[end - 1] == b'0' { "1" } else { "0" };
        record.event.subject.replace_range(end - 1..end, other);
    };
    assert_eq!(with(forged), None);
    let at = |count| Point { count, head: RecordId::of(b"x") };
    for (after, to) in [(60, 60), (61, 60), (0, crate::limits::AUDIT_JUMP_COUNT + 1)] {
        assert!(Jump::new(at(after), &signed(at(to), &key)).is_err(), "{after} {to}");
    }
}
