//! Decides which records of the two copies are valid and which file is repaired. It changes nothing.
//!
//! Records are compared by arrival number, library, kind and bytes, never by the chain of frames. A record is
//! valid if one copy of it is valid. Only the last frame of a copy can be a torn batch: torn in `a` and
//! absent in `b`, it was never acknowledged and is cut off; complete in `a` and torn or absent in `b`, it is
//! completed in `b`. Everything else is damage.

use std::{collections::BTreeMap, fmt};

use bytes::Bytes;

use super::{
    FrameId, Header, Identity, LedgerState, Scan, Side,
    header::HeaderError,
    lost,
    record::{LedgerRecord, RecordKind},
    scan::RecordAt,
    state::Live,
};
use crate::id::NodeId;

/// The decision about the two copies.
#[derive(Clone, Debug)]
pub enum Outcome {
    /// No copy exists, or nothing in any copy is readable: a new ledger is created.
    Gone(Vec<Finding>),
    /// The copies are one ledger of this node, perhaps after a repair.
    Open(Box<Plan>),
    /// An operator must decide.
    Refused(Refusal),
}

/// The valid records, and how the files are repaired.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The identity of the ledger, with its valid generation.
    pub identity: Identity,
    /// The identity under which each copy is read until it is repaired.
    pub identities: [Identity; 2],
    /// How the files are repaired.
    pub mend: Mend,
    /// The records by arrival number, with lost records in place of those that cannot be read.
    pub records: BTreeMap<u64, Merged>,
    /// The highest arrival number assigned.
    pub highest: u64,
    /// Where the next frame goes once the files are repaired; not for [`Mend::Renew`].
    pub end: u64,
    /// The last frame.
    pub last: FrameId,
    /// The findings, for people.
    pub found: Vec<Finding>,
}

impl Plan {
    /// The content of the records.
    pub fn state(&self) -> LedgerState {
        let mut state = LedgerState::default();
        self.records.values().for_each(|merged| state.apply(&merged.record, merged.offsets));
        state.raise(self.highest);
        state
    }

    /// The records that a new generation carries over, by arrival number.
    pub fn carried(&self) -> Vec<LedgerRecord> {
        // Of several records of one statement, the last has the most signatures.
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

/// A record, and where it lies.
#[derive(Clone, Debug)]
pub struct Merged {
    /// The record.
    pub record: LedgerRecord,
    /// The offsets of its valid copies.
    pub offsets: [Option<u64>; 2],
}

/// How the files are repaired.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mend {
    /// Both are sound and equal: nothing to do.
    None,
    /// A torn batch at the end of a copy was never acknowledged: cut it off.
    Cut(Side, u64),
    /// One copy is sound and complete: the other is rewritten from it.
    Copy(Side),
    /// Neither is: both are rewritten from the valid records, as a new generation.
    Renew,
}

/// A finding about a copy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// The copy.
    pub side: Side,
    /// The offset; `None` for the file as a whole.
    pub offset: Option<u64>,
    /// A description, for people.
    pub what: String,
    /// Whether it is damage. A batch torn by a crash is not.
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
    /// Another format version wrote it.
    Version(Side, u16),
    /// It belongs to another node.
    Foreign(Side, NodeId),
    /// The copies belong to two ledgers of this node.
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
            Refusal::Unlike => f.write_str("ledger/a and ledger/b belong to two different ledgers"),
            Refusal::Contradiction(number) => {
                write!(f, "ledger/a and ledger/b both have a valid record {number}, and they differ")
            }
        }
    }
}

/// Decides what to do with the copies of the ledger of `node`. Either copy may be missing.
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
    let mut planner = Planner::default();
    let mut scans = [None, None];
    for (side, slot) in Side::BOTH.into_iter().zip(&mut scans) {
        *slot = planner.read(node, side, &copies, &valid);
    }
    planner.decide(scans)
}

/// Collects findings on the way to a decision.
#[derive(Debug, Default)]
struct Planner {
    found: Vec<Finding>,
    identities: [Option<Identity>; 2],
}

type Records = BTreeMap<u64, Merged>;

impl Planner {
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
            self.damage(side, None, "the file is missing, or is a second name of the other file");
            return None;
        };
        if let Some(header) = own.copied().flatten() {
            return Some(Scan::new(bytes, header.identity, Some(header)));
        }
        self.damage(side, Some(0), "the header is damaged");
        // The checksums of the frames tell which identity is the right one.
        let candidates = [Some(bytes), pair(side.other()).0];
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

    /// Only one copy is left.
    fn alone(mut self, side: Side, scan: Scan) -> Outcome {
        self.report(side, &scan);
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
        self.report(Side::A, &a);
        match is_short {
            true => self.note(
                Side::B,
                Some(b.end),
                "the last batch is missing or cut short; it is completed from ledger/a",
            ),
            false => self.report(Side::B, &b),
        }
        let scans = [(Side::A, &a), (Side::B, &b)];
        let records = merge(&scans);
        let is_complete = |scan: &Scan| scan.is_clean() && scan.records.len() == records.len();
        if !is_short {
            scans.iter().for_each(|(side, scan)| self.report_missing(*side, scan, &records));
        }
        // A copy that ends before the other has lost bytes and is not complete. Exception: a last batch that
        // only `a` has, complete or torn.
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

    /// Two generations: a compaction was interrupted between the copies, or one copy is an older file.
    fn generations(mut self, side: Side, high: Scan, low: Scan) -> Outcome {
        let other = side.other();
        self.report(side, &high);
        self.report(other, &low);
        let both = [(side, &high), (other, &low)];
        let Some((base, _)) = high.closing else {
            self.damage(side, None, "the compaction that wrote it is not complete");
            let has_more = high.records.keys().any(|number| *number > low.highest());
            return match low.is_clean() && !has_more {
                true => self.copy(other, &low, merge(&[(other, &low)])),
                false => self.renew(&both, merge(&both)),
            };
        };
        if let Some(number) = contradiction(&high, &low, base) {
            return Outcome::Refused(Refusal::Contradiction(number));
        }
        self.note(other, None, "it is older than the last compaction; it is rewritten from the other copy");
        let extra = low.records.keys().any(|number| *number > base && !high.records.contains_key(number));
        let is_new = !high.records.keys().any(|number| *number > base);
        match (high.is_clean(), low.is_clean()) {
            (true, _) if !extra => self.copy(side, &high, merge(&[(side, &high)])),
            (false, true) if is_new && low.highest() >= base => {
                self.copy(other, &low, merge(&[(other, &low)]))
            }
            (true, _) => {
                let mut records = merge(&both);
                // Records that the compaction dropped stay dropped.
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

    /// No copy is sound and complete: the valid records are written as a new generation, with a lost record
    /// in place of each record that is lost.
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

    fn report(&mut self, side: Side, scan: &Scan) {
        for damage in &scan.damage {
            self.damage(side, Some(damage.offset), damage.what);
        }
        if scan.closing.is_none() && scan.damage.is_empty() {
            self.damage(side, None, "its closing record is missing");
        }
    }

    /// Reports records that a copy without damage does not have.
    fn report_missing(&mut self, side: Side, scan: &Scan, records: &Records) {
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

/// Whether `b` equals `a` except for the last batch.
fn is_one_batch_short(a: &Scan, b: &Scan) -> bool {
    let sound = a.is_clean() && b.header.is_some() && b.closing.is_some();
    let only_tail = b.damage.len() == usize::from(b.tail().is_some());
    sound && only_tail && a.frames.split_last().is_some_and(|(_, before)| before == b.frames)
}

/// The first number above `base` of which both copies have a valid record, but different ones.
fn contradiction(one: &Scan, other: &Scan, base: u64) -> Option<u64> {
    let differs = |(number, at): (&u64, &RecordAt)| {
        let matching = other.records.get(number)?;
        (*number > base && matching.record != at.record).then_some(*number)
    };
    one.records.iter().find_map(differs)
}

/// Every record that a copy has, in a valid frame or in a damaged one. If both copies have a record, the
/// first copy's is used.
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
