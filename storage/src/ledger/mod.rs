//! The ledger on disk: statements and refs in two files, [`a` and `b`](Side), apart from content.
//!
//! A batch is written and synced in `a`, then in `b`, then acknowledged. What damage leaves standing is
//! decided by [`chuan_engine::ledger`]; here it is carried out: `files` are single steps on a directory,
//! `pair` both files, `open` what happens at the start, `repair` what an operator can do where the
//! start is refused.

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
        FrameId, Identity, LedgerRecord, Mend, Outcome, Plan, Side, State, frame,
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
    /// What can be read. Held for writing only while a batch that is durable becomes visible.
    view: RwLock<View>,
    /// Held by what changes the files.
    end: Mutex<End>,
}

/// What the files say.
#[derive(Debug)]
struct View {
    state: State,
    /// Under which identity each file is read.
    identities: [Identity; 2],
}

/// Where the files end.
#[derive(Debug)]
struct End {
    identity: Identity,
    offset: u64,
    last: FrameId,
    /// Up to where room is allocated in both.
    room: u64,
    /// No compaction is tried below: the last one found no room.
    compact_at: u64,
    /// Why nothing can be written, where the files could not be mended.
    read_only: Option<String>,
}

/// What [`DiskLedger::check`] found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Checked {
    /// In words.
    pub found: Vec<String>,
    /// Whether the files were mended.
    pub is_mended: bool,
}

impl Ledger for DiskLedger {
    fn append(&self, records: Vec<Record>) -> Result<()> {
        let mut end = self.writable()?;
        records.iter().try_for_each(check)?;
        let news: Vec<Record> = {
            let view = self.view();
            let mut seen = BTreeSet::new();
            let mut is_first = |record: &Record| match record {
                Record::Statement { id, again, .. } => seen.insert(*id) || *again,
                Record::Ref(_) => true,
            };
            records
                .into_iter()
                .filter(|record| view.state.is_news(record))
                .filter(|record| is_first(record))
                .collect()
        };
        let first = self.view().state.highest().saturating_add(1);
        let numbered: Vec<_> =
            (first..).zip(&news).map(|(number, record)| LedgerRecord::of(number, record)).collect();
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
    /// Notes that lost records came back, though not under a name by which the ledger could tell: a peer has
    /// given all that it knows of their library. Numbers that are not lost are passed over. Durable when it
    /// returns.
    pub fn found(&self, arrivals: &[u64]) -> Result<()> {
        let mut end = self.writable()?;
        let lost: Vec<u64> = self.view().state.lost().map(|record| record.number).collect();
        let found = arrivals.iter().filter(|arrival| lost.contains(arrival));
        let first = self.view().state.highest().saturating_add(1);
        let numbered: Vec<_> =
            (first..).zip(found).map(|(number, lost)| LedgerRecord::found(number, *lost)).collect();
        self.write(&mut end, &numbered)
    }

    /// Notes that a peer has given all that it knows of `library`: lost records of it that have no name, or
    /// that only the newest is kept of, are found or not missed any more. With `all` that goes for those of
    /// an unknown library, too.
    pub fn heard_all(&self, library: &LibraryId, all: bool) -> Result<()> {
        self.settle(library, all, |record| {
            StatementKind::from_tag(record.statement_kind).map_or(true, StatementKind::is_passing)
        })
    }

    /// Gives up every lost record of `library`, and with `all` those of an unknown library: an operator goes on
    /// without them. Durable when it returns.
    pub fn give_up(&self, library: &LibraryId, all: bool) -> Result<()> {
        self.settle(library, all, |_| true)
    }

    fn settle(
        &self,
        library: &LibraryId,
        all: bool,
        is_settled: impl Fn(&LedgerRecord) -> bool,
    ) -> Result<()> {
        let view = self.view();
        let is_of = |record: &&LedgerRecord| match &record.library {
            Some(own) => own == library,
            None => all,
        };
        let lost = view.state.lost().filter(is_of).filter(|record| is_settled(record));
        let settled: Vec<u64> = lost.map(|record| record.number).collect();
        drop(view);
        if settled.is_empty() { Ok(()) } else { self.found(&settled) }
    }

    /// Reads both files and mends them as at the start; gives what was found. What was lost is in
    /// [`Ledger::lost`] from then on. Files of which an operator must choose one, or that are gone, are left
    /// as they are for the next start.
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
        self.take_up(&mut end, &plan);
        self.hold_to(&mut end, highest, "the end of both files is gone")?;
        Ok(Checked { found, is_mended: true })
    }

    /// Keeps as lost what was given above the end of the files, up to `known`.
    fn hold_to(&self, end: &mut End, known: u64, why: &str) -> Result<()> {
        let highest = self.view().state.highest();
        if highest >= known {
            return Ok(());
        }
        self.write(end, &[LedgerRecord::lost(highest + 1, known, why)])
    }

    /// Why nothing can be written since the home was opened; `None` where it can.
    pub fn read_only(&self) -> Option<String> {
        self.lock().read_only.clone()
    }

    /// Statements held, and bytes of one file.
    pub fn size(&self) -> (u64, u64) {
        let offset = self.lock().offset;
        (self.view().state.statements() as u64, offset)
    }

    /// Writes records as one batch, durably, and shows them. The room for it is allocated before anything is
    /// written.
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

    /// Writes what counts as a new generation. The batch before it is acknowledged already: a failure is not
    /// the caller's.
    fn compact(&self, end: &mut End) {
        let before = end.offset;
        match self.renew(end) {
            Ok(()) => tracing::info!(before, after = end.offset, "the ledger was compacted"),
            Err(error) => {
                end.compact_at = before + before / 4;
                tracing::warn!(%error, "the ledger could not be compacted; it goes on as it is");
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
            self.look_again();
            return Err(error);
        }
        self.show(end, &image)
    }

    /// Reads go on where a write stopped between the files: each record is looked for where it lies now.
    fn look_again(&self) {
        if let Ok(Outcome::Open(plan)) = self.pair.plan(&self.node) {
            *self.view_mut() = View { state: plan.state(), identities: plan.identities };
        }
    }

    /// What a new generation carries over. A record that can no longer be read is carried over as lost.
    fn carried(&self, view: &View) -> Vec<LedgerRecord> {
        let carry = |live| match live {
            Live::Record(record) => record,
            Live::Statement(id, held) => match self.record(view, &id, &held) {
                Ok(record) => LedgerRecord { number: held.arrival, ..record },
                Err(error) => LedgerRecord::lost_statement(&id, &held, &error.to_string()),
            },
        };
        view.state.live().into_iter().map(carry).collect()
    }

    /// Takes up a generation that is in both files.
    fn show(&self, end: &mut End, image: &Image) -> Result<()> {
        let bytes = Bytes::from(image.bytes.clone());
        let copies = [Some(&bytes), Some(&bytes)];
        let Outcome::Open(plan) = chuan_engine::ledger::plan(&self.node, copies) else {
            return Err(Error::Corrupt("a ledger just written cannot be read".into()));
        };
        self.take_up(end, &plan);
        Ok(())
    }

    /// Takes up what the files say.
    fn take_up(&self, end: &mut End, plan: &Plan) {
        *self.view_mut() = View { state: plan.state(), identities: plan.identities };
        *end = End::of(plan, None);
    }

    fn payload(&self, view: &View, id: &StatementId, held: &Held) -> Result<Bytes> {
        Ok(self.record(view, id, held)?.payload)
    }

    /// A statement's record, from the first copy in which it is what it was.
    fn record(&self, view: &View, id: &StatementId, held: &Held) -> Result<LedgerRecord> {
        let places = Side::BOTH.into_iter().zip(held.offsets).zip(&view.identities);
        for ((side, offset), identity) in places {
            let Some(offset) = offset else { continue };
            match self.pair.record(side, offset, held.len as usize, identity) {
                Ok(Some(record)) if record.id == *id => return Ok(record),
                Ok(_) => tracing::warn!(%side, offset, "a record is damaged; its twin is read"),
                Err(error) => tracing::warn!(%side, offset, %error, "a record cannot be read; its twin is"),
            }
        }
        Err(Error::Corrupt(format!(
            "record {} of {} is damaged in both copies; `chuan verify` says what is lost",
            held.arrival,
            self.pair.path(Side::A).parent().unwrap_or(&self.pair.path(Side::A)).display()
        )))
    }

    /// The end of the files, where they may be written.
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

    fn view(&self) -> RwLockReadGuard<'_, View> {
        self.view.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn view_mut(&self) -> RwLockWriteGuard<'_, View> {
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

/// What a lost record stands for and where it lay, for people.
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

/// Checks what is to be kept against its bounds.
fn check(record: &Record) -> Result<()> {
    match record {
        Record::Statement { bytes, .. } if bytes.is_empty() || bytes.len() > limits::STATEMENT_BYTES => {
            Err(Error::Invalid(format!(
                "a statement of {} bytes; 1 to {} are taken",
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
