//! What a log's verifier must see: every alteration before a checkpoint, and nothing else.

use super::*;
use crate::{
    error::Error,
    id::{LibraryId, RecordId},
    limits::AUDIT_TORN_BYTES,
    manifest::testing::Rng,
    statement::{Key, RoleKind},
};

/// Records of the log that is tampered with, and how many of them a peer's checkpoint covers.
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

/// Writes events as a log's records, each with its bytes.
fn write(events: &[Event], start: Point) -> Vec<Vec<u8>> {
    let mut at = start;
    let mut log = Vec::new();
    for event in events {
        let time_ms = 1_793_000_000_000 + i64::try_from(at.count).unwrap();
        let record = Record { index: at.count, time_ms, prev: at.head, event: event.clone() };
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
            assert!(Record::decode_front(&bytes[..cut]).unwrap().is_none(), "a beginning asks for more");
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
fn what_an_encoder_would_not_write_is_refused() {
    let good = write(&[Event::new(Verb::Publish, "films@1")], Point::START).remove(0);
    let with = |at: usize, byte: u8| {
        let mut bytes = good.clone();
        bytes[at] = byte;
        let body = bytes.len() - 4;
        let sum = crc32c::crc32c(&bytes[..body]).to_le_bytes();
        bytes[body..].copy_from_slice(&sum);
        Record::decode_front(&bytes)
    };
    assert!(with(8, 3).unwrap().is_some(), "another index is a record, too");
    // The ending, the time's sign, the count, the span, the actor, the library's flag, the subject's length and bytes.
    for (at, byte) in [(5, 3), (23, 0x80), (56, 0), (60, 1), (70, 4), (71, 2), (72, 9), (74, 0x1b)] {
        let read = with(at, byte);
        assert!(matches!(read, Err(Error::Corrupt(_))), "{at}: {read:?}");
    }
}

/// Everything that someone may do to the records that a peer's checkpoint covers, by hand or with care: whoever alters them
/// well computes checksums and all later records anew, and still ends in another head.
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
        let altered = alter(kind, &mut rng, &events, &log, &other);
        if altered.starts_with(&covered) {
            continue;
        }
        let verdict = walk(&altered, &[checkpoint]);
        assert!(matches!(verdict.finding, Finding::Altered { .. }), "seed {seed}, kind {kind}: {verdict:?}");
        assert!(verdict.proved < COVERED as u64, "nothing altered is proved");
        tried[kind] += 1;
        found += 1;
    }
    println!("found {found}, by kind {tried:?}");
    assert!(tried.iter().all(|tried| *tried > 500), "{tried:?}");
}

/// One alteration, of a record below [`COVERED`].
fn alter(kind: usize, rng: &mut Rng, events: &[Event], log: &[Vec<u8>], other: &[Vec<u8>]) -> Vec<u8> {
    let at = rng.below(COVERED);
    let second = rng.below(COVERED);
    let (mut log, mut events) = (log.to_vec(), events.to_vec());
    let rewritten = |events: &[Event]| write(events, Point::START).concat();
    match kind {
        // A bit, a byte taken out, a record cut short.
        0 => {
            let byte = rng.below(log[at].len());
            log[at][byte] ^= 1 << rng.below(8);
        }
        1 => {
            let byte = rng.below(log[at].len());
            log[at].remove(byte);
        }
        // Records deleted, doubled, swapped, or taken from another log of the same length.
        2 => drop(log.remove(at)),
        3 => log.insert(at, log[at].clone()),
        4 => log.swap(at, second),
        5 => log[at] = other[at].clone(),
        // The end cut off.
        6 => log.truncate(at),
        // The same with care: one record edited, one left out, one put in, and all after it written anew.
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

/// What no checkpoint covers can be cut off or written anew: it is told as unproved, never as proved.
#[test]
fn what_follows_the_checkpoint_is_unproved() {
    let log = write(&made(3, RECORDS), Point::START);
    let checkpoint = point(&log, COVERED);
    let cut = log[..COVERED + 5].concat();
    let verdict = walk(&cut, &[checkpoint]);
    assert_eq!(
        verdict,
        Verdict { at: point(&log, COVERED + 5), proved: COVERED as u64, finding: Finding::Unproved }
    );

    let exact = log[..COVERED].concat();
    assert_eq!(walk(&exact, &[checkpoint]).finding, Finding::Proved);
    assert_eq!(walk(&exact, &[]).finding, Finding::Unproved);
    let short = &log[..COVERED - 1].concat();
    let Finding::Altered { at, .. } = walk(short, &[checkpoint]).finding else { panic!() };
    assert_eq!(at, COVERED as u64 - 1);
}

#[test]
fn a_torn_tail_is_told_only_after_the_checkpoint() {
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
    // Zeros where a file had grown before its bytes were there; too many of them are no torn tail.
    let zeros = |count| walk(&[whole.clone(), vec![0; count]].concat(), &[checkpoint]).finding;
    assert_eq!(zeros(100), Finding::Torn { bytes: 100 });
    assert!(matches!(zeros(AUDIT_TORN_BYTES + 1), Finding::Altered { at, .. } if at == RECORDS as u64));
}

#[test]
fn a_walk_may_begin_at_a_point_and_come_in_pieces() {
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
    chain.push(&rest, |_, _| panic!("nothing follows from a wrong beginning"));
    assert!(matches!(chain.finish().finding, Finding::Altered { at: 25, .. }));
    assert!(matches!(Chain::new(from, [wrong]).finish().finding, Finding::Altered { .. }));
}

/// Where files were full, all of them had been made durable: there nothing is torn.
#[test]
fn what_was_sealed_is_not_torn() {
    let log = write(&made(6, 10), Point::START);
    let mut chain = Chain::new(Point::START, []);
    chain.push(&log[0], |_, _| {});
    chain.seal();
    chain.push(&log[1][..20], |_, _| {});
    chain.seal();
    assert!(matches!(chain.finish().finding, Finding::Altered { at: 1, .. }));
}
