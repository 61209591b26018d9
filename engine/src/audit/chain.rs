//! Whether records are the ones that were written: each names the one before, and points that were signed name the last.

use super::{jump::Jump, record::Record};
use crate::{
    error::{Error, Result},
    id::RecordId,
    limits::AUDIT_TORN_BYTES,
};

/// How far a log goes: so many records, the last of which has this id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Point {
    /// Records so far.
    pub count: u64,
    /// The last one's id; [`RecordId::NONE`] where there is none.
    pub head: RecordId,
}

impl Point {
    /// The beginning of every log.
    pub const START: Self = Self { count: 0, head: RecordId::NONE };
}

/// What a walk along a log found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// How far the records hang together.
    pub at: Point,
    /// How many records are what they were when the highest checkpoint was signed, in this walk.
    pub proved: u64,
    /// Records that checkpoints count and that are not here, ascending: the log goes on behind each.
    pub gaps: Vec<Gap>,
    /// What follows from that.
    pub finding: Finding,
}

/// Records that a checkpoint counts, and that are not here or not those that it counts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Gap {
    /// The first of them.
    pub from: u64,
    /// How the log goes on behind the last.
    pub jump: Jump,
}

/// What is to be made of a log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Finding {
    /// A checkpoint covers its last record.
    Proved,
    /// The records from [`Verdict::proved`] on hang together, and nothing shows whether they are all and unchanged.
    Unproved,
    /// Like [`Finding::Unproved`], and at the end are bytes of records that were being written at a crash.
    Torn {
        /// How many.
        bytes: u64,
    },
    /// Something was altered, added, moved or taken away.
    Altered {
        /// The record where it shows; what was altered may be this one, or one since [`Verdict::proved`].
        at: u64,
        /// In words.
        why: String,
    },
}

/// Walks along a log's bytes, in pieces of any size, and holds them to checkpoints.
///
/// Keeps one record and the checkpoints ahead in memory, however long the log is.
#[derive(Debug)]
pub struct Chain {
    at: Point,
    proved: u64,
    /// By count, descending: the next one is the last.
    ahead: Vec<Point>,
    gaps: Vec<Gap>,
    /// The first record that a checkpoint contradicts, and how: altered, unless the log tells that it goes on elsewhere.
    astray: Option<(u64, String)>,
    /// The beginning of a record.
    partial: Vec<u8>,
    whole_bytes: u64,
    /// Bytes from where no record could be read, and why; nothing after that is read.
    stray: Option<(u64, String)>,
    altered: Option<(u64, String)>,
}

impl Chain {
    /// Begins after `start`, whose records are taken as proved. `checkpoints` before it say nothing here.
    pub fn new(start: Point, checkpoints: impl IntoIterator<Item = Point>) -> Self {
        let mut ahead: Vec<_> = checkpoints.into_iter().filter(|point| point.count >= start.count).collect();
        ahead.sort_by(|left, right| right.cmp(left));
        let mut chain = Self {
            at: start,
            proved: start.count,
            ahead,
            gaps: Vec::new(),
            astray: None,
            partial: Vec::new(),
            whole_bytes: 0,
            stray: None,
            altered: None,
        };
        chain.meet();
        chain
    }

    /// How far the records hang together so far.
    pub const fn at(&self) -> Point {
        self.at
    }

    /// How many records the checkpoints met so far cover.
    pub const fn proved(&self) -> u64 {
        self.proved
    }

    /// Bytes of the records so far.
    pub const fn whole_bytes(&self) -> u64 {
        self.whole_bytes
    }

    /// Takes the log's next bytes, and gives each record that is in its place to `each` with its id.
    pub fn push(&mut self, bytes: &[u8], mut each: impl FnMut(&Record, RecordId)) {
        if self.altered.is_some() {
            return;
        }
        if let Some((stray, _)) = &mut self.stray {
            *stray += bytes.len() as u64;
            return;
        }
        self.partial.extend_from_slice(bytes);
        let buffer = std::mem::take(&mut self.partial);
        let mut rest = buffer.as_slice();
        while self.altered.is_none() {
            match Record::decode_front(rest) {
                Ok(Some((record, len))) => {
                    let (whole, after) = rest.split_at_checked(len).unwrap_or((rest, &[]));
                    self.follow(&record, whole, &mut each);
                    rest = after;
                }
                Ok(None) => {
                    self.partial = rest.to_vec();
                    return;
                }
                Err(Error::Corrupt(why)) => {
                    self.stray = Some((rest.len() as u64, why));
                    return;
                }
                Err(other) => {
                    self.stray = Some((rest.len() as u64, other.to_string()));
                    return;
                }
            }
        }
    }

    /// Takes a record that came without its bytes.
    pub fn push_record(&mut self, record: &Record) -> Result<()> {
        let bytes = record.encode()?;
        self.push(&bytes, |_, _| {});
        Ok(())
    }

    /// Says that everything so far was durable once: what is no record now is not torn, but altered.
    pub fn seal(&mut self) {
        if let Some((_, why)) = self.stray.take() {
            self.alter(why);
        } else if !self.partial.is_empty() {
            self.alter("a record is cut short, and the log goes on".into());
        }
    }

    /// Goes on behind a gap, if the log went as far as the jump says. What is before stands as that says: its first record is
    /// in the chain that goes on, and where a checkpoint contradicts what is before, the gap begins there.
    pub fn jump(&mut self, jump: Jump) {
        self.seal();
        if self.altered.is_some() {
            return;
        }
        if jump.after != self.at {
            return self
                .alter(format!("the log goes on from record {}, and not after this one", jump.to.count));
        }
        let from = if self.astray.take().is_some() { self.proved } else { self.at.count };
        self.ahead.retain(|point| point.count >= jump.to.count);
        (self.at, self.proved) = (jump.to, jump.to.count);
        self.gaps.push(Gap { from, jump });
        self.meet();
    }

    /// What to make of it, where the log ends here.
    pub fn finish(mut self) -> Verdict {
        if let Some(astray) = self.astray.take() {
            self.altered = Some(astray);
        }
        let torn = self.partial.len() as u64 + self.stray.as_ref().map_or(0, |(bytes, _)| *bytes);
        let missing = self.ahead.first().map(|point| point.count);
        if self.altered.is_none() {
            if let Some(count) = missing {
                self.alter(format!("the log ends here, and a checkpoint counts {count} records"));
            } else if torn > AUDIT_TORN_BYTES as u64 {
                let why = self.stray.take().map_or_else(String::new, |(_, why)| why);
                self.alter(format!("{why}, {torn} bytes before the end"));
            }
        }
        let finding = match self.altered {
            Some((at, why)) => Finding::Altered { at, why },
            None if torn > 0 => Finding::Torn { bytes: torn },
            None if self.proved < self.at.count => Finding::Unproved,
            None => Finding::Proved,
        };
        Verdict { at: self.at, proved: self.proved, gaps: self.gaps, finding }
    }

    /// Takes a whole record, if it is the next.
    fn follow(&mut self, record: &Record, bytes: &[u8], each: &mut impl FnMut(&Record, RecordId)) {
        if record.index != self.at.count {
            return self.alter(format!("record {} stands where {} should", record.index, self.at.count));
        }
        if record.prev != self.at.head {
            return self.alter("it does not follow from the record before".into());
        }
        let head = RecordId::of(bytes);
        self.at = Point { count: self.at.count.saturating_add(1), head };
        self.whole_bytes += bytes.len() as u64;
        each(record, head);
        self.meet();
    }

    /// Holds the log to the checkpoints at this count.
    fn meet(&mut self) {
        let mut is_met = false;
        while let Some(point) = self.ahead.pop_if(|point| point.count == self.at.count) {
            if point.head == self.at.head {
                is_met = true;
            } else {
                let why = format!("a checkpoint of {} records names another last one", point.count);
                self.astray.get_or_insert((self.at.count.saturating_sub(1), why));
            }
        }
        if is_met && self.astray.is_none() {
            self.proved = self.at.count;
        }
    }

    fn alter(&mut self, why: String) {
        self.altered.get_or_insert((self.at.count, why));
    }
}
