//! The target `points`: an audit log, checkpoints of it, and jumps to them.
//!
//! ```text
//! length of the pieces u8, then one byte for each action and its fields
//! ```

use chuan_engine::{
    audit::{Chain, Event, Finding, Jump, Point, Record, Verb, Verdict},
    id::{LibraryId, NodeId, RecordId},
    statement::{Body, Checkpoint, Header, Key, Statement},
};

use super::{input::Input, meter};

/// Records of one input at most.
const ACTIONS: usize = 48;
/// Bytes that an action counts: each record is verified in several orders.
const ACTION_BYTES: usize = 256;

/// A log in parts: a part begins after a jump.
struct Log {
    parts: Vec<(Option<Jump>, Vec<u8>)>,
    at: Point,
    /// The checkpoints of this log, those before a jump that still hold included.
    points: Vec<Point>,
    jumps: usize,
}

/// A log with checkpoints; returns the conclusions about it.
pub fn points(bytes: &[u8]) -> Vec<&'static str> {
    let mut input = Input::new(bytes);
    let step = usize::from(input.u8()) + 1;
    let mut log = Log::new();
    let mut foreign = Vec::new();
    let mut altered = None;
    for _ in 0..ACTIONS {
        let Some(action) = input.next() else { break };
        meter::received(ACTION_BYTES);
        match action % 8 {
            0..=3 => log.record(&mut input),
            4 => log.points.extend((log.at.count > 0).then_some(log.at)),
            5 => log.jump(&mut input),
            6 => foreign.push(Point { count: input.number(), head: RecordId::from_bytes([input.u8(); 32]) }),
            _ => altered = Some((input.u8(), input.u16(), input.u8().max(1))),
        }
    }
    let honest = log.verify(usize::MAX, &log.points);
    assert_eq!(honest, log.verify(step, &log.points), "how a log is cut into buffers must not matter");
    let proved = log.points.last().map_or(0, |point| point.count).max(log.jumped());
    assert_eq!(honest.at, log.at, "an unchanged log is linked to its end");
    assert_eq!(honest.proved, proved, "checkpoints of an unchanged log prove it");
    assert_eq!(honest.gaps.len(), log.jumps);
    let mut reversed = log.points.clone();
    reversed.reverse();
    assert_eq!(honest, log.verify(step, &reversed), "the order of checkpoints must not matter");
    let mut found = vec![name(&honest.finding)];
    if !foreign.is_empty() {
        let points = [log.points.as_slice(), &foreign].concat();
        let verdict = log.verify(step, &points);
        let contradicts = |point: &Point| point.count > log.at.count && point.count > 0;
        if foreign.iter().any(contradicts) {
            assert!(
                matches!(verdict.finding, Finding::Altered { .. }),
                "a checkpoint beyond the log: {verdict:?}"
            );
        }
        found.push(name(&verdict.finding));
    }
    if let Some((part, at, mask)) = altered {
        found.extend(log.alter(part, at, mask).map(|()| {
            let verdict = log.verify(step, &log.points);
            let is_found = !matches!(verdict.finding, Finding::Proved) || verdict.at != log.at;
            assert!(is_found, "a changed byte of a proved log: {verdict:?}");
            name(&verdict.finding)
        }));
    }
    found
}

const fn name(finding: &Finding) -> &'static str {
    match finding {
        Finding::Proved => "proved",
        Finding::Unproved => "unproved",
        Finding::Torn { .. } => "torn",
        Finding::Altered { .. } => "altered",
    }
}

impl Log {
    fn new() -> Self {
        Self { parts: vec![(None, Vec::new())], at: Point::START, points: Vec::new(), jumps: 0 }
    }

    /// The count of the last jump.
    fn jumped(&self) -> u64 {
        self.parts.iter().rev().find_map(|(jump, _)| jump.as_ref()).map_or(0, |jump| jump.to.count)
    }

    fn push(&mut self, event: Event) {
        let Point { count, head } = self.at;
        let Ok(bytes) = (Record { index: count, time_ms: 1, prev: head, arrival: 0, event }).encode() else {
            return;
        };
        self.at = Point { count: count + 1, head: RecordId::of(&bytes) };
        if let Some((_, part)) = self.parts.last_mut() {
            part.extend_from_slice(&bytes);
        }
    }

    fn record(&mut self, input: &mut Input<'_>) {
        let tag = input.u8();
        let subject = String::from_utf8_lossy(input.bytes(40)).into_owned();
        self.push(Event::new(Verb::from_tag(u16::from(tag)), subject));
    }

    /// The log continues at a checkpoint that counts more records than it has.
    fn jump(&mut self, input: &mut Input<'_>) {
        let key = Key::from_seed([4; 32]);
        let count = self.at.count.saturating_add(input.number());
        let head = RecordId::from_bytes([input.u8(); 32]);
        let body = Body::Checkpoint(Checkpoint { node: NodeId::from_bytes([4; 32]), count, head });
        let header = Header { library: Some(LibraryId::from_bytes([1; 32])), sequence: count, time_ms: 1 };
        let Ok(checkpoint) = Statement::sign(header, &body, &[&key]) else { return };
        let Ok(jump) = Jump::new(self.at, &checkpoint) else { return };
        assert!(jump.to.count > self.at.count, "a log continues behind its end");
        let before = (self.at, self.parts.len());
        self.parts.push((Some(jump.clone()), Vec::new()));
        self.at = jump.to;
        self.push(jump.event());
        let is_written = self.parts.last().is_some_and(|(_, part)| !part.is_empty());
        if !is_written {
            self.at = before.0;
            self.parts.truncate(before.1);
            return;
        }
        self.jumps += 1;
        // The first record of the part proves the jump.
        let first = self.parts.last().and_then(|(_, part)| Record::decode_front(part).ok().flatten());
        let read = first.and_then(|(record, _)| Jump::of(&record));
        assert_eq!(read, Some(jump), "a jump is read back from its record");
    }

    fn verify(&self, step: usize, points: &[Point]) -> Verdict {
        let mut chain = Chain::new(Point::START, points.iter().copied());
        for (jump, part) in &self.parts {
            if let Some(jump) = jump {
                chain.jump(jump.clone());
            }
            part.chunks(step.min(part.len()).max(1)).for_each(|piece| chain.push(piece, |_, _| {}));
        }
        chain.finish()
    }

    /// Changes a byte of a part; `None` where that part has no bytes.
    fn alter(&mut self, part: u8, at: u16, mask: u8) -> Option<()> {
        let len = self.parts.len();
        let (_, part) = self.parts.get_mut(usize::from(part) % len)?;
        let at = usize::from(at).checked_rem(part.len())?;
        *part.get_mut(at)? ^= mask;
        Some(())
    }
}
