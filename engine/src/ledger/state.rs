//! The content of a ledger's records: the statements held, the refs, and what is lost.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    frame::FRAME_FIXED_BYTES,
    record::{LedgerRecord, RECORD_HEADER_BYTES, RecordKind},
};
use crate::{
    id::{LibraryId, StatementId},
    statement::StatementKind,
    store::{RefMove, ledger::Record},
};

/// The offsets of a record's header in both files.
pub type Offsets = [Option<u64>; 2];

/// The content of a ledger in memory. The bytes of statements stay on disk.
#[derive(Clone, Debug, Default)]
pub struct LedgerState {
    /// By id.
    held: BTreeMap<StatementId, Held>,
    /// In the order in which they are listed.
    listed: BTreeMap<(u8, LibraryId, u64, u64), StatementId>,
    superseded: BTreeSet<StatementId>,
    refs: BTreeMap<(LibraryId, String), (RefMove, LedgerRecord)>,
    /// By arrival number.
    lost: BTreeMap<u64, LedgerRecord>,
    /// Records of kinds that this version does not know.
    unknown: BTreeMap<u64, LedgerRecord>,
    highest: u64,
    live_bytes: u64,
}

/// A statement that is held.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Held {
    /// Its arrival number: the number of the first record with this id, lost or not.
    pub arrival: u64,
    /// The kind's tag.
    pub kind: u8,
    /// Its library.
    pub library: LibraryId,
    /// Its sequence.
    pub sequence: u64,
    /// Where its current record lies.
    pub offsets: Offsets,
    /// The length of its payload.
    pub len: u32,
    /// The checksum of its payload.
    pub crc: u32,
}

/// A record that a compaction carries over.
#[derive(Clone, Debug)]
pub enum Live {
    /// A statement, to be read from disk.
    Statement(StatementId, Held),
    /// Any other record.
    Record(LedgerRecord),
}

impl Live {
    /// The arrival number that the record keeps.
    pub const fn number(&self) -> u64 {
        match self {
            Live::Statement(_, held) => held.arrival,
            Live::Record(record) => record.number,
        }
    }
}

impl LedgerState {
    /// Applies a record. Records must be applied in order of arrival.
    pub fn apply(&mut self, record: &LedgerRecord, offsets: Offsets) {
        self.highest = self.highest.max(record.last());
        match record.kind {
            RecordKind::Statement => self.hold(record, offsets),
            RecordKind::Ref => {
                if let Some(to) = record.ref_move() {
                    let key = (to.library, to.channel.clone());
                    if let Some((_, before)) = self.refs.insert(key, (to, record.clone())) {
                        self.live_bytes = self.live_bytes.saturating_sub(size(&before));
                    }
                    self.live_bytes += size(record);
                }
            }
            RecordKind::Lost => {
                // The statement came back before the compaction that wrote this record.
                let is_back = record.statement_kind != 0 && self.held.contains_key(&record.id);
                if !is_back {
                    self.live_bytes += size(record);
                    self.lost.insert(record.number, record.clone());
                }
            }
            RecordKind::Found => {
                if let Some(lost) = record.payload_number().and_then(|number| self.lost.remove(&number)) {
                    self.live_bytes = self.live_bytes.saturating_sub(size(&lost));
                }
            }
            RecordKind::Unknown(_) => {
                self.live_bytes += size(record);
                self.unknown.insert(record.number, record.clone());
            }
            RecordKind::Closing => {}
        }
    }

    /// Raises the highest number assigned. Needed where records with higher numbers are gone.
    pub fn raise(&mut self, highest: u64) {
        self.highest = self.highest.max(highest);
    }

    fn hold(&mut self, record: &LedgerRecord, offsets: Offsets) {
        let Some(library) = record.library else { return };
        let mut arrival = record.number;
        if let Some(held) = self.held.get(&record.id) {
            arrival = held.arrival;
            self.live_bytes = self.live_bytes.saturating_sub(statement_size(held));
        } else if let Some(number) = self.lost_number(&record.id) {
            arrival = arrival.min(number);
            if let Some(lost) = self.lost.remove(&number) {
                self.live_bytes = self.live_bytes.saturating_sub(size(&lost));
            }
        }
        let held = Held {
            arrival,
            kind: record.statement_kind,
            library,
            sequence: record.sequence,
            offsets,
            len: u32::try_from(record.payload.len()).unwrap_or(u32::MAX),
            crc: crc32c::crc32c(&record.payload),
        };
        self.live_bytes += statement_size(&held);
        self.listed.insert((held.kind, library, held.sequence, arrival), record.id);
        self.held.insert(record.id, held);
    }

    /// The arrival number under which the record of a statement was lost.
    fn lost_number(&self, id: &StatementId) -> Option<u64> {
        let mut lost = self.lost.values().filter(|lost| lost.statement_kind != 0 && lost.id == *id);
        lost.next().map(|lost| lost.number)
    }

    /// Whether a record must be written: its content is not kept yet.
    pub fn is_new(&self, record: &Record) -> bool {
        match record {
            Record::Statement { id, bytes, again, .. } => self.held.get(id).is_none_or(|held| {
                let is_same = held.len as usize == bytes.len() && held.crc == crc32c::crc32c(bytes);
                *again && !is_same
            }),
            Record::Ref(to) => {
                self.refs.get(&(to.library, to.channel.clone())).is_none_or(|(held, _)| held != to)
            }
        }
    }

    /// The statements of a kind that are not superseded, of one library or of all, ordered by library,
    /// sequence and arrival.
    pub fn listed(&self, library: Option<&LibraryId>, kind: StatementKind) -> Vec<(StatementId, Held)> {
        let kind = kind.tag();
        let first = library.copied().unwrap_or(LibraryId::from_bytes([0; 32]));
        let last = library.copied().unwrap_or(LibraryId::from_bytes([u8::MAX; 32]));
        let listed = self.listed.range((kind, first, 0, 0)..=(kind, last, u64::MAX, u64::MAX));
        let current = listed.map(|(_, id)| id).filter(|id| !self.superseded.contains(id));
        current.filter_map(|id| Some((*id, *self.held.get(id)?))).collect()
    }

    /// The newest ref of every channel.
    pub fn refs(&self) -> Vec<RefMove> {
        self.refs.values().map(|(to, _)| to.clone()).collect()
    }

    /// Records that are lost, by arrival number.
    pub fn lost(&self) -> impl Iterator<Item = &LedgerRecord> {
        self.lost.values()
    }

    /// Marks statements as superseded: they are not listed and not carried over any more. Roots and
    /// revocations are never superseded.
    pub fn supersede(&mut self, ids: &[StatementId]) {
        for id in ids {
            let Some(held) = self.held.get(id) else { continue };
            let stays = [StatementKind::Root.tag(), StatementKind::Revoke.tag()].contains(&held.kind);
            if !stays && self.superseded.insert(*id) {
                self.live_bytes = self.live_bytes.saturating_sub(statement_size(held));
            }
        }
    }

    /// The highest arrival number assigned.
    pub const fn highest(&self) -> u64 {
        self.highest
    }

    /// About how many bytes a compaction would write.
    pub const fn live_bytes(&self) -> u64 {
        self.live_bytes
    }

    /// How many statements are held, superseded ones too.
    pub fn statements(&self) -> usize {
        self.held.len()
    }

    /// The records that a compaction carries over, by arrival number.
    pub fn live(&self) -> Vec<Live> {
        let statements = self.held.iter().filter(|(id, _)| !self.superseded.contains(id));
        let statements = statements.map(|(id, held)| Live::Statement(*id, *held));
        let refs = self.refs.values().map(|(_, record)| record);
        let others = refs.chain(self.lost.values()).chain(self.unknown.values());
        let mut live: Vec<_> = statements.chain(others.cloned().map(Live::Record)).collect();
        live.sort_by_key(Live::number);
        live
    }
}

fn statement_size(held: &Held) -> u64 {
    u64::from(held.len) + RECORD_HEADER_BYTES as u64 + FRAME_FIXED_BYTES as u64
}

fn size(record: &LedgerRecord) -> u64 {
    (record.encoded_len() + FRAME_FIXED_BYTES) as u64
}
