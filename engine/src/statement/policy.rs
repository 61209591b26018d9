//! The body of a `policy` statement: how a library's classes are to be kept, one row a class. All members read it, so it
//! names classes by their slot and has neither their names nor paths: those are in the class's
//! [header](crate::manifest::table::ClassHeader). It decides nothing; a class without a row keeps everything.
//!
//! ```text
//! tagged fields (see `fields`), ascending by number:
//!   number   value
//!        1   junk u8 = 0: known junk is published; left out where junk is left out
//!        2   excludes: count u16, × (length u16, UTF-8), in their order: a later one wins
//!        3   reserved for the crisis plan
//!        4   reserved for the key that signs links
//!  256 + s   the row of the class in slot s < 64: tagged fields again
//!
//! fields of a row; what is not said is left out:
//!        1   mirror u8: 1 static, 2 incremental, 3 dynamic
//!        2   every u64, ms: how often mirrors look for something new
//!        3   priority u8, from 1: what is higher goes first
//!        4   complete_by u64, ms: how long after a release a mirror shall have all of it
//!        5   rto u64, ms: how long the class may be out of reach
//!        6   rpo u64, ms: how far back a copy may be
//!        7   viewers u64: how many at once shall be served
//!        8   replicas u16: whole copies there shall be
//!        9   regions: count u8, × (length u16, UTF-8), ascending: where copies shall be
//!       10   retention u64: how many of its newest versions are kept
//!       11   retention u64, ms: for how long each of its versions is kept
//!       12   max_stale u64, ms: the age above which a channel's content counts as stale
//! ```
//!
//! A field with another number is kept as it came. Where one is marked critical, the policy is kept and passed on, but a
//! node that does not know the field goes by the policy before.

use std::collections::BTreeMap;

use crate::{
    error::{Error, Result},
    limits::{CLASS_PATTERN_BYTES, CLASSES, POLICY_BYTES, POLICY_EXCLUDES, POLICY_FIELDS, POLICY_REGIONS},
    statement::{
        fields::{self, Field, Fields},
        region::Region,
        wire::{Reader, check_ascending, check_count, put_list, put_string},
    },
};

const JUNK: u16 = 1;
const EXCLUDES: u16 = 2;
/// The row of slot 0.
const ROWS: u16 = 256;

const MIRROR: u16 = 1;
const EVERY: u16 = 2;
const PRIORITY: u16 = 3;
const COMPLETE_BY: u16 = 4;
const RTO: u16 = 5;
const RPO: u16 = 6;
const VIEWERS: u16 = 7;
const REPLICAS: u16 = 8;
const REGIONS: u16 = 9;
const KEEP_RELEASES: u16 = 10;
const KEEP: u16 = 11;
const MAX_STALE: u16 = 12;

/// How a library is to be kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Policy {
    /// Whether publishes leave known junk out (`.DS_Store`, `*.part` and the like).
    pub junk: bool,
    /// Patterns of names that publishes leave out, in gitignore syntax, without paths: a later one wins, `!` takes one back.
    /// They are of the library and not of a class, since whether a file is looked at is decided before its class is.
    pub excludes: Vec<String>,
    /// By slot, what is said of a class. One that is not here keeps everything.
    pub classes: BTreeMap<u8, ClassPolicy>,
    /// What this version does not know, ascending by number.
    pub unknown: Vec<Field>,
}

/// How a class is to be kept. Zero, an empty list or `None` is how nothing is said.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ClassPolicy {
    /// How its mirrors follow it.
    pub mirror: Option<Mirror>,
    /// How often mirrors look for something new, in ms.
    pub every_ms: u64,
    /// What is higher goes first.
    pub priority: u8,
    /// How long after a release a mirror shall have all of it, in ms.
    pub complete_by_ms: u64,
    /// How long the class may be out of reach, in ms.
    pub rto_ms: u64,
    /// How far back a copy may be, in ms.
    pub rpo_ms: u64,
    /// How many viewers at once shall be served.
    pub viewers: u64,
    /// How many whole copies there shall be.
    pub replicas: u16,
    /// The regions in which there shall be copies, ascending.
    pub regions: Vec<Region>,
    /// How many of its newest versions are kept.
    pub keep_releases: u64,
    /// For how long each of its versions is kept, in ms.
    pub keep_ms: u64,
    /// The age in ms above which the content that a channel names counts as stale.
    pub max_stale_ms: u64,
    /// What this version does not know, ascending by number.
    pub unknown: Vec<Field>,
}

/// How the mirrors of a class follow it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Mirror {
    /// Its content hardly ever changes.
    Static = 1,
    /// Content is added to it, by and by.
    Incremental = 2,
    /// It changes all the time.
    Dynamic = 3,
}

impl Mirror {
    /// All of them.
    pub const ALL: [Mirror; 3] = [Mirror::Static, Mirror::Incremental, Mirror::Dynamic];

    /// The word for people.
    pub const fn name(self) -> &'static str {
        match self {
            Mirror::Static => "static",
            Mirror::Incremental => "incremental",
            Mirror::Dynamic => "dynamic",
        }
    }
}

impl Default for Policy {
    fn default() -> Self {
        Self { junk: true, excludes: Vec::new(), classes: BTreeMap::new(), unknown: Vec::new() }
    }
}

impl Policy {
    /// The number of a critical field that this version does not know: then the policy must not be gone by.
    pub fn unknown_critical(&self) -> Option<u16> {
        let rows = self.classes.values().flat_map(|row| &row.unknown);
        rows.chain(&self.unknown).find(|field| field.critical).map(|field| field.number)
    }

    pub(crate) fn decode(reader: &mut Reader<'_>) -> Result<Self> {
        let whole = reader.rest();
        let mut policy = Self::default();
        for field in fields::read(reader)? {
            let mut value = Reader::new(&field.value, "policy");
            match field.number {
                JUNK => policy.junk = value.bool()?,
                EXCLUDES => policy.excludes = read_excludes(&mut value)?,
                number => match slot_of(number) {
                    Some(slot) => drop(policy.classes.insert(slot, ClassPolicy::decode(&mut value)?)),
                    None => {
                        policy.unknown.push(field);
                        continue;
                    }
                },
            }
            value.finish()?;
        }
        check_form(reader, whole, |out| policy.encode(out))?;
        Ok(policy)
    }

    pub(crate) fn encode(&self, out: &mut Vec<u8>) {
        let mut fields = Fields::default();
        if !self.junk {
            fields.put(JUNK, [0]);
        }
        if !self.excludes.is_empty() {
            let mut value = u16::try_from(self.excludes.len()).unwrap_or(u16::MAX).to_le_bytes().to_vec();
            self.excludes.iter().for_each(|pattern| put_string(&mut value, pattern));
            fields.put(EXCLUDES, value);
        }
        for (slot, row) in &self.classes {
            let mut value = Vec::new();
            row.encode(&mut value);
            fields.put(ROWS + u16::from(*slot), value);
        }
        fields.put_unknown(&self.unknown);
        fields.encode(out);
    }

    /// Checks the bounds, and that no exclude names a path.
    ///
    /// # Errors
    ///
    /// [`Error::Invalid`] naming what is wrong.
    pub fn check(&self) -> Result<()> {
        check_count(self.excludes.len(), POLICY_EXCLUDES, "excludes of a policy")?;
        self.excludes.iter().try_for_each(|pattern| check_exclude(pattern))?;
        check_count(self.classes.len() + self.unknown.len() + 2, POLICY_FIELDS, "fields of a policy")?;
        if let Some(slot) = self.classes.keys().find(|slot| usize::from(**slot) >= CLASSES) {
            return Err(Error::Invalid(format!("no class can have slot {slot}")));
        }
        let is_known = |number| matches!(number, JUNK | EXCLUDES) || slot_of(number).is_some();
        check_unknown(&self.unknown, is_known)?;
        self.classes.values().try_for_each(ClassPolicy::check)?;
        let mut bytes = Vec::new();
        self.encode(&mut bytes);
        check_count(bytes.len(), POLICY_BYTES, "bytes of a policy")
    }
}

impl ClassPolicy {
    /// Whether content is too old to be read by a channel's name. `age_ms` is for how long it may have been out of date;
    /// `None` where that is not known.
    pub fn is_stale(&self, age_ms: Option<u64>) -> bool {
        self.max_stale_ms > 0 && age_ms.is_none_or(|age_ms| age_ms > self.max_stale_ms)
    }

    fn decode(reader: &mut Reader<'_>) -> Result<Self> {
        let whole = reader.rest();
        let mut row = Self::default();
        for field in fields::read(reader)? {
            let mut value = Reader::new(&field.value, "row of a policy");
            match field.number {
                MIRROR => row.mirror = Some(read_mirror(&mut value)?),
                EVERY => row.every_ms = value.u64()?,
                PRIORITY => row.priority = value.u8()?,
                COMPLETE_BY => row.complete_by_ms = value.u64()?,
                RTO => row.rto_ms = value.u64()?,
                RPO => row.rpo_ms = value.u64()?,
                VIEWERS => row.viewers = value.u64()?,
                REPLICAS => row.replicas = value.u16()?,
                REGIONS => row.regions = value.list(POLICY_REGIONS, Region::read)?,
                KEEP_RELEASES => row.keep_releases = value.u64()?,
                KEEP => row.keep_ms = value.u64()?,
                MAX_STALE => row.max_stale_ms = value.u64()?,
                _ => {
                    row.unknown.push(field);
                    continue;
                }
            }
            value.finish()?;
        }
        check_form(reader, whole, |out| row.encode(out))?;
        Ok(row)
    }

    fn encode(&self, out: &mut Vec<u8>) {
        let mut fields = Fields::default();
        if let Some(mirror) = self.mirror {
            fields.put(MIRROR, [mirror as u8]);
        }
        if self.priority != 0 {
            fields.put(PRIORITY, [self.priority]);
        }
        if self.replicas != 0 {
            fields.put(REPLICAS, self.replicas.to_le_bytes());
        }
        if !self.regions.is_empty() {
            let mut value = Vec::new();
            put_list(&mut value, &self.regions, |out, region| region.put(out));
            fields.put(REGIONS, value);
        }
        for (number, value) in [
            (EVERY, self.every_ms),
            (COMPLETE_BY, self.complete_by_ms),
            (RTO, self.rto_ms),
            (RPO, self.rpo_ms),
            (VIEWERS, self.viewers),
            (KEEP_RELEASES, self.keep_releases),
            (KEEP, self.keep_ms),
            (MAX_STALE, self.max_stale_ms),
        ] {
            fields.put_u64(number, value);
        }
        fields.put_unknown(&self.unknown);
        fields.encode(out);
    }

    fn check(&self) -> Result<()> {
        check_count(self.regions.len(), POLICY_REGIONS, "regions of a class")?;
        check_ascending(&self.regions, "the regions of a class")?;
        check_unknown(&self.unknown, |number| (MIRROR..=MAX_STALE).contains(&number))?;
        if *self == Self::default() {
            return Err(Error::Invalid("a row of a policy says nothing; leave it out".into()));
        }
        Ok(())
    }
}

/// The slot whose row has this number.
fn slot_of(number: u16) -> Option<u8> {
    let slot = number.checked_sub(ROWS).and_then(|slot| u8::try_from(slot).ok())?;
    (usize::from(slot) < CLASSES).then_some(slot)
}

fn read_mirror(reader: &mut Reader<'_>) -> Result<Mirror> {
    let tag = reader.u8()?;
    let known = Mirror::ALL.into_iter().find(|mirror| *mirror as u8 == tag);
    known.ok_or_else(|| reader.invalid(format!("unknown mirror type {tag}: a newer chuan wrote this")))
}

fn read_excludes(reader: &mut Reader<'_>) -> Result<Vec<String>> {
    let count = usize::from(reader.u16()?);
    check_count(count, POLICY_EXCLUDES, "excludes of a policy")?;
    (0..count).map(|_| reader.string(CLASS_PATTERN_BYTES)).collect()
}

/// Fails where what was read has another form than what would be written: a field that says nothing, or a known one marked
/// critical.
fn check_form(reader: &Reader<'_>, whole: &[u8], encode: impl Fn(&mut Vec<u8>)) -> Result<()> {
    let mut form = Vec::new();
    encode(&mut form);
    if form == whole { Ok(()) } else { Err(reader.invalid("it says the same as another form does")) }
}

fn check_unknown(unknown: &[Field], is_known: impl Fn(u16) -> bool) -> Result<()> {
    let refuse = |why: &str| Err(Error::Invalid(format!("a policy's unknown fields {why}")));
    if !unknown.is_sorted_by(|a, b| a.number < b.number) {
        return refuse("must ascend by number, each once");
    }
    if unknown.iter().any(|field| field.number >= 1 << 15 || is_known(field.number)) {
        return refuse("must have numbers that this version does not know");
    }
    Ok(())
}

/// Fails on what is no exclude: 1 to [`CLASS_PATTERN_BYTES`] bytes without control characters, and without a path, since
/// members that are not granted a class read it too.
fn check_exclude(pattern: &str) -> Result<()> {
    let shown = || pattern.escape_debug().take(200).collect::<String>();
    if pattern.is_empty() || pattern.len() > CLASS_PATTERN_BYTES || pattern.contains(char::is_control) {
        return Err(Error::Invalid(format!(
            "the exclude `{}` must have 1 to {CLASS_PATTERN_BYTES} bytes without control characters",
            shown()
        )));
    }
    if pattern.strip_suffix('/').unwrap_or(pattern).contains('/') {
        return Err(Error::Invalid(format!(
            "the exclude `{}` names a path, and all members read the policy: exclude by name (`cache/`, `*.part`), or write \
             the path in a `.chuanignore` file in the folder",
            shown()
        )));
    }
    Ok(())
}

#[cfg(test)]
mod tests;
