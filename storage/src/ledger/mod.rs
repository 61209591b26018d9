//! The ledger on disk: statements and refs in two files, [`a` and `b`](Side), apart from content.
//!
//! A batch is written and synced in `a`, then in `b`, then acknowledged. [`chuan_engine::ledger`] decides
//! which records are valid after damage; this module carries that out: `files` has single steps on a
//! directory, `pair` both files, `open` the start, `repair` what an operator can do if the start is refused.

mod files;
mod open;
mod pair;
mod repair;
#[cfg(test)]
mod tests;

use std::{
    collections::BTreeSet,
    sync::{Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard},
};

use bytes::Bytes;
use chuan_engine::{
    Error, Result,
    id::{LibraryId, NodeId, StatementId},
    ledger::{
        FrameId, Identity, LedgerRecord, LedgerState, Mend, Outcome, Plan, Side, frame,
        image::{Image, image},
        state::{Held, Live},
    },
    limits,
    statement::StatementKind,
    store::{
        RefMove,
        ledger::{Kept, Ledger, LostRecord, Record},
    },
};

use crate::Poison;
use pair::Pair;

pub use open::{Opened, create};
pub use repair::{Copy, Inspection, inspect, keep};

/// The ledger of an open home.
#[derive(Debug)]
pub struct DiskLedger {
    node: NodeId,
    pair: Pair,
    poison: Poison,
    /// The readable content. Locked for writing only while a durable batch becomes visible.
    view: RwLock<LedgerView>,
    /// Locked by every change of the files.
    end: Mutex<End>,
}

/// The content of the files.
#[derive(Debug)]
struct LedgerView {
    state: LedgerState,
    /// The identity under which each file is read.
    identities: [Identity; 2],
}

/// Where the files end.
#[derive(Debug)]
struct End {
    identity: Identity,
    offset: u64,
    last: FrameId,
    /// The offset up to which room is allocated in both files.
    room: u64,
    /// No compaction is tried while the files are shorter: the last one found no room.
    compact_at: u64,
    /// Why nothing can be written, if the files could not be repaired.
    read_only: Option<String>,
}

/// The result of [`DiskLedger::check`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Checked {
    /// The findings, in words.
    pub found: Vec<String>,
    /// Whether the files were repaired.
    pub is_mended: bool,
}

impl Ledger for DiskLedger {
    fn append(&self, records: Vec<Record>) -> Result<()> {
        let mut end = self.writable()?;
        records.iter().try_for_each(check)?;
        let new: Vec<Record> = {
            let view = self.view();
            let mut seen = BTreeSet::new();
            let mut is_first = |record: &Record| match record {
                Record::Statement { id, again, .. } => seen.insert(*id) || *again,
                Record::Ref(_) => true,
            };
            records
                .into_iter()
                .filter(|record| view.state.is_new(record))
                .filter(|record| is_first(record))
                .collect()
        };
        let first = self.view().state.highest().saturating_add(1);
        let numbered: Vec<_> =
            (first..).zip(&new).map(|(number, record)| LedgerRecord::of(number, record)).collect();
        self.write(&mut end, &numbered)
    }

    fn statements(&self, library: Option<&LibraryId>, kind: StatementKind) -> Result<Vec<Kept>> {
        let view = self.view();
        let listed = view.state.listed(library, kind);
        let kept = listed.into_iter().map(|(id, held)| {
            let bytes = self.payload(&view, &id, &held)?;
            Ok(Kept { arrival: held.arrival, id, library: held.library, bytes })
        });
        kept.collect()
    }

    fn refs(&self) -> Result<Vec<RefMove>> {
        Ok(self.view().state.refs())
    }

    fn supersede(&self, ids: &[StatementId]) -> Result<()> {
        let _end = self.writable()?;
        self.view_mut().state.supersede(ids);
        Ok(())
    }

    fn lost(&self) -> Result<Vec<LostRecord>> {
        let view = self.view();
        let lost = view.state.lost().map(|record| LostRecord {
            arrival: record.number,
            last: record.last(),
            library: record.library,
            place: lost_place(record),
        });
        Ok(lost.collect())
    }

    fn highest_arrival(&self) -> u64 {
        self.view().state.highest()
    }
}

impl DiskLedger {
    /// Notes that lost records came back, although not under an id that the ledger could recognize: a peer
    /// has sent everything that it knows of their library. Numbers that are not lost are ignored. Durable
    /// when it returns.
    pub fn found(&self, arrivals: &[u64]) -> Result<()> {
        let mut end = self.writable()?;
        let lost: Vec<u64> = self.view().state.lost().map(|record| record.number).collect();
        let found = arrivals.iter().filter(|arrival| lost.contains(arrival));
        let first = self.view().state.highest().saturating_add(1);
        let numbered: Vec<_> =
            (first..).zip(found).map(|(number, lost)| LedgerRecord::found(number, *lost)).collect();
        self.write(&mut end, &numbered)
    }

    /// Notes that a peer has sent everything that it knows of `library`. Lost records of the library that
    /// have no name, or are of a kind of which only the newest is kept, are then found or no longer needed.
    /// With `all` the same holds for lost records of an unknown library.
    pub fn heard_all(&self, library: &LibraryId, all: bool) -> Result<()> {
        self.resolve_lost(library, all, |record| {
            StatementKind::from_tag(record.statement_kind).map_or(true, StatementKind::is_passing)
        })
    }

    /// Gives up every lost record of `library`, and with `all` those of an unknown library: an operator
    /// continues without them. Durable when it returns.
    pub fn give_up(&self, library: &LibraryId, all: bool) -> Result<()> {
        self.resolve_lost(library, all, |_| true)
    }

    fn resolve_lost(
        &self,
        library: &LibraryId,
        all: bool,
        is_resolved: impl Fn(&LedgerRecord) -> bool,
    ) -> Result<()> {
        let view = self.view();
        let is_of = |record: &&LedgerRecord| match &record.library {
            Some(own) => own == library,
            None => all,
        };
        let lost = view.state.lost().filter(is_of).filter(|record| is_resolved(record));
        let resolved: Vec<u64> = lost.map(|record| record.number).collect();
        drop(view);
        if resolved.is_empty() { Ok(()) } else { self.found(&resolved) }
    }

    /// Reads both files and repairs them as at the start; returns the findings. [`Ledger::lost`] has the lost
    /// records from then on. Files that are gone, or between which an operator must choose, stay as they are
    /// until the next start.
    pub fn check(&self) -> Result<Checked> {
        let mut end = self.lock();
        let plan = match self.pair.plan(&self.node)? {
            Outcome::Open(plan) => plan,
            Outcome::Gone(found) => {
                let gone =
                    "both files are gone while the home is open: end this process, then start it again";
                let found = found.iter().map(ToString::to_string);
                return Ok(Checked::of(found.chain([gone.to_owned()]).collect()));
            }
            Outcome::Refused(refusal) => return Ok(Checked::of(vec![refusal.to_string()])),
        };
        let found: Vec<String> = plan.found.iter().map(ToString::to_string).collect();
        let highest = self.view().state.highest();
        if (plan.mend == Mend::None && plan.highest >= highest)
            || self.poison.check().is_err()
            || end.read_only.is_some()
        {
            return Ok(Checked::of(found));
        }
        self.pair.mend(&plan)?;
        let Outcome::Open(plan) = self.pair.plan(&self.node)? else {
            return Err(Error::Corrupt("a ledger just mended cannot be read: the disk is failing".into()));
        };
        self.load_plan(&mut end, &plan);
        self.record_lost_up_to(&mut end, highest, "the end of both files is gone")?;
        Ok(Checked { found, is_mended: true })
    }

    /// Records as lost the numbers above the end of the files, up to `known`.
    fn record_lost_up_to(&self, end: &mut End, known: u64, why: &str) -> Result<()> {
        let highest = self.view().state.highest();
        if highest >= known {
            return Ok(());
        }
        self.write(end, &[LedgerRecord::lost(highest + 1, known, why)])
    }

    /// Why nothing can be written since the home was opened; `None` if writes are possible.
    pub fn read_only(&self) -> Option<String> {
        self.lock().read_only.clone()
    }

    /// Number of statements held, and bytes of one file.
    pub fn size(&self) -> (u64, u64) {
        let offset = self.lock().offset;
        (self.view().state.statements() as u64, offset)
    }

    /// Writes records as one batch, durably, and makes them visible. The room for the batch is allocated
    /// before anything is written.
    fn write(&self, end: &mut End, records: &[LedgerRecord]) -> Result<()> {
        if records.is_empty() {
            return Ok(());
        }
        let frame = frame::encode(&end.identity, &end.last, records)?;
        let after = end.offset + frame.len() as u64;
        if after > end.room {
            let room = after.next_multiple_of(limits::LEDGER_ROOM_BYTES);
            self.pair.reserve(room)?;
            end.room = room;
        }
        self.pair.append(end.offset, &frame)?;
        let mut view = self.view_mut();
        let mut at = end.offset + frame::FRAME_HEADER_BYTES as u64;
        for record in records {
            view.state.apply(record, [Some(at), Some(at)]);
            at += record.encoded_len() as u64;
        }
        let live = view.state.live_bytes();
        drop(view);
        (end.offset, end.last) = (after, FrameId::of(&frame));
        if after > end.compact_at.max(limits::LEDGER_COMPACT_BYTES) && after > 2 * live {
            self.compact(end);
        }
        Ok(())
    }

    /// Writes the live records as a new generation. The batch before it is acknowledged already, so a failure
    /// is not reported to the caller.
    fn compact(&self, end: &mut End) {
        let before = end.offset;
        match self.renew(end) {
            Ok(()) => tracing::info!(before, after = end.offset, "the ledger was compacted"),
            Err(error) => {
                end.compact_at = before + before / 4;
                tracing::warn!(%error, "the ledger could not be compacted; it stays as it is");
            }
        }
    }

    fn renew(&self, end: &mut End) -> Result<()> {
        let identity = pair::next(end.identity);
        let (records, highest) = {
            let view = self.view();
            (self.carried(&view), view.state.highest())
        };
        let image = image(identity, highest, &records)?;
        if let Err(error) = self.pair.renew(&image) {
            self.reload_view();
            return Err(error);
        }
        self.load_image(end, &image)
    }

    /// Reads continue after a write that stopped between the files: each record is read where it lies now.
    fn reload_view(&self) {
        if let Ok(Outcome::Open(plan)) = self.pair.plan(&self.node) {
            *self.view_mut() = LedgerView { state: plan.state(), identities: plan.identities };
        }
    }

    /// The records of a new generation. A record that can no longer be read is carried over as lost.
    fn carried(&self, view: &LedgerView) -> Vec<LedgerRecord> {
        let carry = |live| match live {
            Live::Record(record) => record,
            Live::Statement(id, held) => match self.record(view, &id, &held) {
                Ok(record) => LedgerRecord { number: held.arrival, ..record },
                Err(error) => LedgerRecord::lost_statement(&id, &held, &error.to_string()),
            },
        };
        view.state.live().into_iter().map(carry).collect()
    }

    /// Loads a generation that is in both files.
    fn load_image(&self, end: &mut End, image: &Image) -> Result<()> {
        let bytes = Bytes::from(image.bytes.clone());
        let copies = [Some(&bytes), Some(&bytes)];
        let Outcome::Open(plan) = chuan_engine::ledger::plan(&self.node, copies) else {
            return Err(Error::Corrupt("a ledger just written cannot be read".into()));
        };
        self.load_plan(end, &plan);
        Ok(())
    }

    /// Loads the content of the files.
    fn load_plan(&self, end: &mut End, plan: &Plan) {
        *self.view_mut() = LedgerView { state: plan.state(), identities: plan.identities };
        *end = End::of(plan, None);
    }

    fn payload(&self, view: &LedgerView, id: &StatementId, held: &Held) -> Result<Bytes> {
        Ok(self.record(view, id, held)?.payload)
    }

    /// A statement's record, from the first copy in which it is intact.
    fn record(&self, view: &LedgerView, id: &StatementId, held: &Held) -> Result<LedgerRecord> {
        let places = Side::BOTH.into_iter().zip(held.offsets).zip(&view.identities);
        for ((side, offset), identity) in places {
            let Some(offset) = offset else { continue };
            match self.pair.record(side, offset, held.len as usize, identity) {
                Ok(Some(record)) if record.id == *id => return Ok(record),
                Ok(_) => tracing::warn!(%side, offset, "a record is damaged; the other copy is read"),
                Err(error) => {
                    tracing::warn!(%side, offset, %error, "a record cannot be read; the other copy is read")
                }
            }
        }
        Err(Error::Corrupt(format!(
            "record {} of {} is damaged in both copies; `chuan verify` names what is lost",
            held.arrival,
            self.pair.path(Side::A).parent().unwrap_or(&self.pair.path(Side::A)).display()
        )))
    }

    /// The end of the files, if they may be written.
    fn writable(&self) -> Result<MutexGuard<'_, End>> {
        let end = self.lock();
        self.poison.check()?;
        match &end.read_only {
            Some(why) => {
                Err(Error::Full(format!("{why}; the home is open for reading only until that is mended")))
            }
            None => Ok(end),
        }
    }

    fn lock(&self) -> MutexGuard<'_, End> {
        self.end.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn view(&self) -> RwLockReadGuard<'_, LedgerView> {
        self.view.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn view_mut(&self) -> RwLockWriteGuard<'_, LedgerView> {
        self.view.write().unwrap_or_else(PoisonError::into_inner)
    }
}

impl End {
    fn of(plan: &Plan, read_only: Option<String>) -> Self {
        let (identity, offset, last) = (plan.identity, plan.end, plan.last);
        Self { identity, offset, last, room: 0, compact_at: 0, read_only }
    }
}

impl Checked {
    const fn of(found: Vec<String>) -> Self {
        Self { found, is_mended: false }
    }
}

/// The content and the place of a lost record, for people.
fn lost_place(record: &LedgerRecord) -> String {
    let place = record.place();
    let what = StatementKind::from_tag(record.statement_kind)
        .ok()
        .map(|kind| format!("{} {}", kind.name(), record.id.short()));
    match (what, record.last()) {
        (Some(what), _) => format!("{what}: {place}"),
        (None, last) if last > record.number => format!("records {} to {last}: {place}", record.number),
        (None, _) => place,
    }
}

/// Checks a record against its bounds.
fn check(record: &Record) -> Result<()> {
    match record {
        Record::Statement { bytes, .. } if bytes.is_empty() || bytes.len() > limits::STATEMENT_BYTES => {
            Err(Error::Invalid(format!(
                "a statement of {} bytes; 1 to {} are allowed",
                bytes.len(),
                limits::STATEMENT_BYTES
            )))
        }
        Record::Ref(to) if to.channel.is_empty() || to.channel.len() > limits::NAME_BYTES => {
            Err(Error::Invalid(format!("a channel's name of {} bytes", to.channel.len())))
        }
        _ => Ok(()),
    }
}
