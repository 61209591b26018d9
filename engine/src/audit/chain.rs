//! Verifies that records are unchanged: each record names the one before, and signed points name the last.

use super::{jump::Jump, record::Record};
use crate::{
    error::{Error, Result},
    id::RecordId,
    limits::AUDIT_TORN_BYTES,
};

/// A position in a log: the number of records, and the id of the last of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Point {
    /// The number of records.
    pub count: u64,
    /// The id of the last record; [`RecordId::NONE`] if there is none.
    pub head: RecordId,
}

impl Point {
    /// The start of every log.
    pub const START: Self = Self { count: 0, head: RecordId::NONE };
}

/// The result of verifying a log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// The point up to which the records are linked without an error.
    pub at: Point,
    /// The number of records that are unchanged since the highest checkpoint reached in this walk was signed.
    pub proved: u64,
    /// Ranges of records that checkpoints include and that are missing here, ascending. The log continues
    /// after each range.
    pub gaps: Vec<Gap>,
    /// The conclusion.
    pub finding: Finding,
}

/// A range of records that a checkpoint includes, and that are missing here or differ from those it includes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Gap {
    /// The first record of the range.
    pub from: u64,
    /// The jump at which the log continues after the range.
    pub jump: Jump,
}

/// The conclusion about a log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Finding {
    /// A checkpoint covers the last record.
    Proved,
    /// The records from [`Verdict::proved`] on are linked without an error, but nothing shows whether they
    /// are complete and unchanged.
    Unproved,
    /// Like [`Finding::Unproved`], and the end has bytes of records that were being written at a crash.
    Torn {
        /// The number of these bytes.
        bytes: u64,
    },
    /// A record was altered, added, moved or removed.
    Altered {
        /// The record at which this was detected. The altered record is this one, or an earlier one from
        /// [`Verdict::proved`] on.
        at: u64,
        /// The reason, in words.
        why: String,
    },
}

/// Verifies a log's bytes, in pieces of any size, against checkpoints.
///
/// Keeps one record and the checkpoints not yet reached in memory, for a log of any length.
#[derive(Debug)]
pub struct Chain {
    at: Point,
    proved: u64,
    /// The checkpoints not yet reached, by count, descending: the next one is the last element.
    checkpoints_ahead: Vec<Point>,
    gaps: Vec<Gap>,
    /// The first record that a checkpoint contradicts, and the reason. The log is altered if no jump follows.
    contradicted: Option<(u64, String)>,
    /// The first bytes of an incomplete record.
    partial: Vec<u8>,
    whole_bytes: u64,
    /// The number of bytes from the first unreadable record on, and the reason. Nothing after that is
    /// decoded.
    unreadable: Option<(u64, String)>,
    altered: Option<(u64, String)>,
}

impl Chain {
    /// Starts after `start`, whose records are taken as proved. Ignores `checkpoints` before it.
    pub fn new(start: Point, checkpoints: impl IntoIterator<Item = Point>) -> Self {
        let mut checkpoints_ahead: Vec<_> =
            checkpoints.into_iter().filter(|point| point.count >= start.count).collect();
        checkpoints_ahead.sort_by(|left, right| right.cmp(left));
        let mut chain = Self {
            at: start,
            proved: start.count,
            checkpoints_ahead,
            gaps: Vec::new(),
            contradicted: None,
            partial: Vec::new(),
            whole_bytes: 0,
            unreadable: None,
            altered: None,
        };
        chain.compare_checkpoints();
        chain
    }

    /// The point up to which the records so far are linked without an error.
    pub const fn at(&self) -> Point {
        self.at
    }

    /// The number of records that the checkpoints reached so far cover.
    pub const fn proved(&self) -> u64 {
        self.proved
    }

    /// Bytes of the complete records so far.
    pub const fn whole_bytes(&self) -> u64 {
        self.whole_bytes
    }

    /// Takes the next bytes of the log. Passes each record at its correct position to `each`, with its id.
    pub fn push(&mut self, bytes: &[u8], mut each: impl FnMut(&Record, RecordId)) {
        if self.altered.is_some() {
            return;
        }
        if let Some((unreadable, _)) = &mut self.unreadable {
            *unreadable += bytes.len() as u64;
            return;
        }
        self.partial.extend_from_slice(bytes);
        let buffer = std::mem::take(&mut self.partial);
        let mut rest = buffer.as_slice();
        while self.altered.is_none() {
            match Record::decode_front(rest) {
                Ok(Some((record, len))) => {
                    let (whole, after) = rest.split_at_checked(len).unwrap_or((rest, &[]));
                    self.append(&record, whole, &mut each);
                    rest = after;
                }
                Ok(None) => {
                    self.partial = rest.to_vec();
                    return;
                }
                Err(Error::Corrupt(why)) => {
                    self.unreadable = Some((rest.len() as u64, why));
                    return;
                }
                Err(other) => {
                    self.unreadable = Some((rest.len() as u64, other.to_string()));
                    return;
                }
            }
        }
    }

    /// Takes a record that is available without its bytes.
    pub fn push_record(&mut self, record: &Record) -> Result<()> {
        let bytes = record.encode()?;
        self.push(&bytes, |_, _| {});
        Ok(())
    }

    /// Declares that all bytes so far were durable once. Bytes that are not a record are then reported as
    /// altered, not as torn.
    pub fn seal(&mut self) {
        if let Some((_, why)) = self.unreadable.take() {
            self.set_altered(why);
        } else if !self.partial.is_empty() {
            self.set_altered("a record is cut short, and the log continues after it".into());
        }
    }

    /// Continues after a gap, if the log ends where the jump starts. The records before the gap are then
    /// proved by the chain that continues, because the first record there contains the end of the log before.
    /// If a checkpoint contradicts the records before, the gap starts at the first record that is not proved.
    pub fn jump(&mut self, jump: Jump) {
        self.seal();
        if self.altered.is_some() {
            return;
        }
        if jump.after != self.at {
            return self
                .set_altered(format!("the log continues from record {}, not after this one", jump.to.count));
        }
        let from = if self.contradicted.take().is_some() { self.proved } else { self.at.count };
        self.checkpoints_ahead.retain(|point| point.count >= jump.to.count);
        (self.at, self.proved) = (jump.to, jump.to.count);
        self.gaps.push(Gap { from, jump });
        self.compare_checkpoints();
    }

    /// Returns the result if the log ends here.
    pub fn finish(mut self) -> Verdict {
        if let Some(contradicted) = self.contradicted.take() {
            self.altered = Some(contradicted);
        }
        let torn = self.partial.len() as u64 + self.unreadable.as_ref().map_or(0, |(bytes, _)| *bytes);
        let missing = self.checkpoints_ahead.first().map(|point| point.count);
        if self.altered.is_none() {
            if let Some(count) = missing {
                self.set_altered(format!("the log ends here, but a checkpoint includes {count} records"));
            } else if torn > AUDIT_TORN_BYTES as u64 {
                let why = self.unreadable.take().map_or_else(String::new, |(_, why)| why);
                self.set_altered(format!("{why}, {torn} bytes before the end"));
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

    /// Appends a complete record, if it is the next one.
    fn append(&mut self, record: &Record, bytes: &[u8], each: &mut impl FnMut(&Record, RecordId)) {
        if record.index != self.at.count {
            return self
                .set_altered(format!("found record {} in place of record {}", record.index, self.at.count));
        }
        if record.prev != self.at.head {
            return self.set_altered("it does not name the record before".into());
        }
        let head = RecordId::of(bytes);
        self.at = Point { count: self.at.count.saturating_add(1), head };
        self.whole_bytes += bytes.len() as u64;
        each(record, head);
        self.compare_checkpoints();
    }

    /// Compares the log with the checkpoints at this count.
    fn compare_checkpoints(&mut self) {
        let mut is_matched = false;
        while let Some(point) = self.checkpoints_ahead.pop_if(|point| point.count == self.at.count) {
            if point.head == self.at.head {
                is_matched = true;
            } else {
                let why = format!("a checkpoint of {} records names another last record", point.count);
                self.contradicted.get_or_insert((self.at.count.saturating_sub(1), why));
            }
        }
        if is_matched && self.contradicted.is_none() {
            self.proved = self.at.count;
        }
    }

    fn set_altered(&mut self, why: String) {
        self.altered.get_or_insert((self.at.count, why));
    }
}
