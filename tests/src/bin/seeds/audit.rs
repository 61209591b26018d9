//! Seeds of the target `audit`: logs, each after the length of its pieces.

use anyhow::Result;
use chuan_engine::{
    audit::{Actor, Event, Point, Record, Verb},
    id::{LibraryId, RecordId},
    statement::{Key, RoleKind},
};

/// A log with a record of each kind of actor; one with every verb; both one after the other, torn, altered
/// and with records in the wrong order.
pub(super) fn seeds() -> Result<Vec<Vec<u8>>> {
    let key = Key::from_seed([1; 32]).public();
    let actors = log(vec![
        Event::new(Verb::Opened, "serve"),
        Event::new(Verb::Publish, "films@1")
            .by(Actor::Role { key, role: RoleKind::Publisher })
            .of(LibraryId::from_bytes([4; 32])),
        Event::new(Verb::Join, "镜像").by(Actor::Peer { key, node: key.node() }).refused("used already"),
        Event::new(Verb::FailedAuth, "192.0.2.7 handshake").by(Actor::Nobody).times(100_000, 60_000),
        Event::new(Verb::from_tag(999), "").failed(""),
    ])?;
    let verbs = log((0..24).map(|tag| Event::new(Verb::from_tag(tag), "films")).collect())?;
    let whole = actors.concat();
    let mut altered = whole.clone();
    if let Some(byte) = altered.get_mut(whole.len() / 2) {
        *byte ^= 1;
    }
    let mut moved = actors.clone();
    moved.swap(1, 2);
    let torn = whole.get(..whole.len() - 7).unwrap_or_default();
    let without_first = verbs.get(1..).unwrap_or_default().concat();
    Ok(vec![
        [&[16], whole.as_slice()].concat(),
        [&[0], verbs.concat().as_slice()].concat(),
        [&[255], torn].concat(),
        [&[40], altered.as_slice()].concat(),
        [&[7], moved.concat().as_slice()].concat(),
        [&[63], without_first.as_slice()].concat(),
        [&[99], whole.as_slice(), verbs.concat().as_slice()].concat(),
        [&[3], whole.as_slice(), &[0; 4096]].concat(),
    ])
}

/// The records of a log of these events.
fn log(events: Vec<Event>) -> Result<Vec<Vec<u8>>> {
    let mut records = Vec::new();
    let mut at = Point::START;
    for event in events {
        let record = Record { index: at.count, time_ms: 1_793_000_000_000, prev: at.head, arrival: 3, event }
            .encode()?;
        at = Point { count: at.count + 1, head: RecordId::of(&record) };
        records.push(record);
    }
    Ok(records)
}
