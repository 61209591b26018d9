//! What stands, given both copies, and which file is mended: a pure decision.
//!
//! Records are compared by arrival number, library, kind and bytes, never by the chain of frames. A valid
//! copy of a record stands. Only a last frame is a tail: torn in `a` and absent in `b`, it was never
//! acknowledged and is cut; whole in `a` and torn or absent in `b`, it is completed. All else is damage.

use std::{collections::BTreeMap, fmt};

use bytes::Bytes;

use super::{
    FrameId, Header, Identity, Scan, Side, State,
    header::HeaderError,
    lost,
    record::{LedgerRecord, RecordKind},
    scan::RecordAt,
    state::Live,
};
use crate::id::NodeId;

/// What to do with two copies.
#[derive(Clone, Debug)]
pub enum Outcome {
    /// No copy is there, or none has anything that can be read: a new ledger is founded.
    Gone(Vec<Finding>),
    /// They are one ledger of this node, perhaps after mending.
    Open(Box<Plan>),
    /// An operator must decide.
    Refused(Refusal),
}

/// What stands, and how the files come to say it.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Whose ledger it is, in the generation that stands.
    pub identity: Identity,
    /// Under which identity each copy is read until it is mended.
    pub identities: [Identity; 2],
    /// How the files are mended.
    pub mend: Mend,
    /// The records that stand, by arrival number, lost ones in the places of those that cannot be read.
    pub records: BTreeMap<u64, Merged>,
    /// The highest arrival number given.
    pub highest: u64,
    /// Where the next frame goes, once the files are mended; not for [`Mend::Renew`].
    pub end: u64,
    /// The last frame.
    pub last: FrameId,
    /// What was found, for people.
    pub found: Vec<Finding>,
}

impl Plan {
    /// What the records say.
    pub fn state(&self) -> State {
        let mut state = State::default();
        self.records.values().for_each(|merged| state.apply(&merged.record, merged.offsets));
        state.raise(self.highest);
        state
    }

    /// What a new generation carries over, by arrival number.
    pub fn carried(&self) -> Vec<LedgerRecord> {
        // Of several records of a statement the last has the most signatures.
        let statements = self.records.values().map(|merged| &merged.record);
        let statements = statements.filter(|record| record.kind == RecordKind::Statement);
        let by_id: BTreeMap<_, _> = statements.map(|record| (record.id, record)).collect();
        let carry = |live| match live {
            Live::Record(record) => Some(record),
            Live::Statement(id, held) => {
                let record = LedgerRecord::clone(by_id.get(&id)?);
                Some(LedgerRecord { number: held.arrival, ..record })
            }
        };
        self.state().live().into_iter().filter_map(carry).collect()
    }
}

/// A record that stands, and where it lies.
#[derive(Clone, Debug)]
pub struct Merged {
    /// The record.
    pub record: LedgerRecord,
    /// The offsets of its valid copies.
    pub offsets: [Option<u64>; 2],
}

/// How the files are mended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mend {
    /// Both are sound and equal.
    None,
    /// A torn batch at the end of a copy was never acknowledged: cut it off.
    Cut(Side, u64),
    /// One copy is sound and complete: the other is made anew from it.
    Copy(Side),
    /// Neither is: both are made anew from what stands, as a new generation.
    Renew,
}

/// Something that was found at a copy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// The copy.
    pub side: Side,
    /// The offset; `None` for the file as a whole.
    pub offset: Option<u64>,
    /// What it is, for people.
    pub what: String,
    /// Whether it is damage: a torn batch after a crash is none.
    pub is_damage: bool,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.offset {
            Some(offset) => write!(f, "{} at {offset}: {}", self.side, self.what),
            None => write!(f, "{}: {}", self.side, self.what),
        }
    }
}

/// Why the ledger is not opened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// Another version wrote it.
    Version(Side, u16),
    /// It is another node's.
    Foreign(Side, NodeId),
    /// The copies are of two ledgers of this node.
    Unlike,
    /// Both copies of a record are valid, and they differ.
    Contradiction(u64),
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Refusal::Version(side, version) => {
                write!(f, "{side} has format version {version}, which this chuan does not read")
            }
            Refusal::Foreign(side, node) => {
                write!(f, "{side} is the ledger of another node, {}", node.short())
            }
            Refusal::Unlike => f.write_str("ledger/a and ledger/b are of two different ledgers"),
            Refusal::Contradiction(number) => {
                write!(f, "ledger/a and ledger/b both have a valid record {number}, and they differ")
            }
        }
    }
}

/// Decides about the copies of the ledger of `node`, of which either may be missing.
pub fn plan(node: &NodeId, copies: [Option<&Bytes>; 2]) -> Outcome {
    let headers = copies.map(|copy| copy.map(|bytes| Header::decode(bytes)));
    for (side, header) in Side::BOTH.into_iter().zip(&headers) {
        match header {
            Some(Err(HeaderError::Version(version))) => {
                return Outcome::Refused(Refusal::Version(side, *version));
            }
            Some(Ok(header)) if header.identity.node != *node => {
                return Outcome::Refused(Refusal::Foreign(side, header.identity.node));
            }
            _ => {}
        }
    }
    let valid = headers.map(|header| header.and_then(Result::ok));
    if let [Some(a), Some(b)] = &valid
        && (a.identity.ledger != b.identity.ledger
            || (a.identity.generation == b.identity.generation && a != b))
    {
        return Outcome::Refused(Refusal::Unlike);
    }
    let mut judge = Judge::default();
    let mut scans = [None, None];
    for (side, slot) in Side::BOTH.into_iter().zip(&mut scans) {
        *slot = judge.read(node, side, &copies, &valid);
    }
    judge.decide(scans)
}

/// Gathers what is found on the way to a decision.
#[derive(Debug, Default)]
struct Judge {
    found: Vec<Finding>,
    identities: [Option<Identity>; 2],
}

type Records = BTreeMap<u64, Merged>;

impl Judge {
    /// Reads a copy; `None` where nothing in it can be read.
    fn read(
        &mut self,
        node: &NodeId,
        side: Side,
        copies: &[Option<&Bytes>; 2],
        valid: &[Option<Header>; 2],
    ) -> Option<Scan> {
        let pair = |side: Side| (copies.get(side.index()).copied().flatten(), valid.get(side.index()));
        let (Some(bytes), own) = pair(side) else {
            self.damage(side, None, "the file is missing, or is the other one under a second name");
            return None;
        };
        if let Some(header) = own.copied().flatten() {
            return Some(Scan::new(bytes, header.identity, Some(header)));
        }
        self.damage(side, Some(0), "the header is damaged");
        // The checksums of the frames tell which identity is the right one.
        let candidates = [Some(bytes), pair(side.twin()).0];
        for header in candidates.into_iter().flatten().filter_map(|bytes| Header::fields(bytes)) {
            let scan = Scan::new(bytes, Identity { node: *node, ..header.identity }, None);
            if !scan.frames.is_empty() || scan.damage.iter().any(|damage| !damage.salvaged.is_empty()) {
                return Some(scan);
            }
        }
        self.damage(side, None, "nothing in it can be read");
        None
    }

    fn decide(mut self, scans: [Option<Scan>; 2]) -> Outcome {
        self.identities = scans.each_ref().map(|scan| scan.as_ref().map(|scan| scan.identity));
        match scans {
            [None, None] => Outcome::Gone(self.found),
            [Some(one), None] => self.alone(Side::A, one),
            [None, Some(one)] => self.alone(Side::B, one),
            [Some(a), Some(b)] if a.identity.ledger != b.identity.ledger => Outcome::Refused(Refusal::Unlike),
            [Some(a), Some(b)] if a.identity.generation == b.identity.generation => self.pair(a, b),
            [Some(a), Some(b)] if a.identity.generation > b.identity.generation => {
                self.generations(Side::A, a, b)
            }
            [Some(a), Some(b)] => self.generations(Side::B, b, a),
        }
    }

    /// One copy is all that is left.
    fn alone(mut self, side: Side, scan: Scan) -> Outcome {
        self.tell(side, &scan);
        let records = merge(&[(side, &scan)]);
        if scan.is_clean() { self.copy(side, &scan, records) } else { self.renew(&[(side, &scan)], records) }
    }

    /// Two copies of one generation.
    fn pair(mut self, mut a: Scan, b: Scan) -> Outcome {
        let is_torn = b.tail().is_none() && a.tail().is_some_and(|tail| tail.offset == b.end);
        if is_torn {
            a.drop_tail();
            let what = "the last batch is torn; it was never acknowledged and is cut off";
            self.note(Side::A, Some(a.end), what);
        }
        if let Some(number) = contradiction(&a, &b, 0) {
            return Outcome::Refused(Refusal::Contradiction(number));
        }
        let is_short = is_one_batch_short(&a, &b);
        self.tell(Side::A, &a);
        match is_short {
            true => {
                self.note(Side::B, Some(b.end), "the last batch is not whole; it is completed from ledger/a")
            }
            false => self.tell(Side::B, &b),
        }
        let scans = [(Side::A, &a), (Side::B, &b)];
        let records = merge(&scans);
        let is_complete = |scan: &Scan| scan.is_clean() && scan.records.len() == records.len();
        if !is_short {
            scans.iter().for_each(|(side, scan)| self.tell_missing(*side, scan, &records));
        }
        // What a copy has beyond a sound one is lost there, but for a last batch that is whole or torn in `a` only.
        let goes_on = |longer: &Scan, shorter: &Scan| longer.len > shorter.end;
        let (a_goes_on, b_goes_on) = (goes_on(&a, &b), !is_short && goes_on(&b, &a));
        match (is_complete(&a) && !b_goes_on, is_complete(&b) && !a_goes_on) {
            (true, true) if a.frames == b.frames && is_torn => {
                let end = a.end;
                self.open(Mend::Cut(Side::A, end), &a, records)
            }
            (true, true) if a.frames == b.frames => self.open(Mend::None, &a, records),
            (true, _) => self.copy(Side::A, &a, records),
            (false, true) => self.copy(Side::B, &b, records),
            (false, false) => self.renew(&scans, records),
        }
    }

    /// Two generations: a compaction was interrupted between the copies, or one of them is an older file.
    fn generations(mut self, side: Side, high: Scan, low: Scan) -> Outcome {
        let twin = side.twin();
        self.tell(side, &high);
        self.tell(twin, &low);
        let both = [(side, &high), (twin, &low)];
        let Some((base, _)) = high.closing else {
            self.damage(side, None, "the compaction that wrote it is not whole");
            let has_more = high.records.keys().any(|number| *number > low.highest());
            return match low.is_clean() && !has_more {
                true => self.copy(twin, &low, merge(&[(twin, &low)])),
                false => self.renew(&both, merge(&both)),
            };
        };
        if let Some(number) = contradiction(&high, &low, base) {
            return Outcome::Refused(Refusal::Contradiction(number));
        }
        self.note(twin, None, "it is from before the last compaction; it is made anew from its twin");
        let extra = low.records.keys().any(|number| *number > base && !high.records.contains_key(number));
        let is_new = !high.records.keys().any(|number| *number > base);
        match (high.is_clean(), low.is_clean()) {
            (true, _) if !extra => self.copy(side, &high, merge(&[(side, &high)])),
            (false, true) if is_new && low.highest() >= base => self.copy(twin, &low, merge(&[(twin, &low)])),
            (true, _) => {
                let mut records = merge(&both);
                // What the compaction dropped stays dropped.
                records.retain(|number, _| *number > base || high.records.contains_key(number));
                self.renew(&both, records)
            }
            (false, _) => self.renew(&both, merge(&both)),
        }
    }

    fn open(self, mend: Mend, scan: &Scan, records: Records) -> Outcome {
        let last = scan.frames.last().copied();
        Outcome::Open(Box::new(Plan {
            identity: scan.identity,
            identities: self.identities.map(|own| own.unwrap_or(scan.identity)),
            mend,
            records,
            highest: scan.highest(),
            end: scan.end,
            last: last.unwrap_or_else(|| FrameId::of(&[])),
            found: self.found,
        }))
    }

    /// The copy at `side` is sound and complete.
    fn copy(self, side: Side, scan: &Scan, records: Records) -> Outcome {
        self.open(Mend::Copy(side), scan, records)
    }

    /// No copy is sound and complete: what stands is written anew, with a record in the place of each that is
    /// lost.
    fn renew(self, scans: &[(Side, &Scan)], mut records: Records) -> Outcome {
        let generation = scans.iter().map(|(_, scan)| scan.identity.generation).max().unwrap_or(0);
        let Some((_, first)) = scans.first() else { return Outcome::Gone(self.found) };
        let (lost, highest) = lost::find(scans, &records);
        for record in lost {
            records.entry(record.number).or_insert(Merged { record, offsets: [None, None] });
        }
        let identity = Identity { generation, ..first.identity };
        let plan = Plan {
            identity,
            identities: self.identities.map(|own| own.unwrap_or(identity)),
            mend: Mend::Renew,
            records,
            highest,
            end: 0,
            last: FrameId::of(&[]),
            found: self.found,
        };
        Outcome::Open(Box::new(plan))
    }

    fn tell(&mut self, side: Side, scan: &Scan) {
        for damage in &scan.damage {
            self.damage(side, Some(damage.offset), damage.what);
        }
        if scan.closing.is_none() && scan.damage.is_empty() {
            self.damage(side, None, "its closing record is missing");
        }
    }

    /// Records that a copy without damage does not have.
    fn tell_missing(&mut self, side: Side, scan: &Scan, records: &Records) {
        let mut missing = records.keys().filter(|number| !scan.records.contains_key(number));
        if let Some(first) = missing.next().filter(|_| scan.damage.is_empty()) {
            let last = missing.next_back().unwrap_or(first);
            let what = format!("records {first} to {last} are missing: an older copy was put in its place");
            self.found.push(Finding { side, offset: None, what, is_damage: true });
        }
    }

    fn damage(&mut self, side: Side, offset: Option<u64>, what: &str) {
        self.found.push(Finding { side, offset, what: what.to_owned(), is_damage: true });
    }

    fn note(&mut self, side: Side, offset: Option<u64>, what: &str) {
        self.found.push(Finding { side, offset, what: what.to_owned(), is_damage: false });
    }
}

/// Whether `b` is what `a` is, but for the last batch.
fn is_one_batch_short(a: &Scan, b: &Scan) -> bool {
    let sound = a.is_clean() && b.header.is_some() && b.closing.is_some();
    let only_tail = b.damage.len() == usize::from(b.tail().is_some());
    sound && only_tail && a.frames.split_last().is_some_and(|(_, before)| before == b.frames)
}

/// The first number above `base` of which both have a valid record, and not the same.
fn contradiction(one: &Scan, other: &Scan, base: u64) -> Option<u64> {
    let differs = |(number, at): (&u64, &RecordAt)| {
        let twin = other.records.get(number)?;
        (*number > base && twin.record != at.record).then_some(*number)
    };
    one.records.iter().find_map(differs)
}

/// Every record that a copy has, in a valid frame or in a damaged one. Of several the first copy's stands.
fn merge(scans: &[(Side, &Scan)]) -> Records {
    let mut records = Records::new();
    for (side, scan) in scans {
        let salvaged = scan.damage.iter().flat_map(|damage| &damage.salvaged);
        let salvaged = salvaged.filter(|at| at.record.kind != RecordKind::Closing);
        for at in scan.records.values().chain(salvaged) {
            let merged = records
                .entry(at.record.number)
                .or_insert_with(|| Merged { record: at.record.clone(), offsets: [None, None] });
            if merged.record == at.record
                && let Some(offset) = merged.offsets.get_mut(side.index())
            {
                offset.get_or_insert(at.offset);
            }
        }
    }
    records
}
