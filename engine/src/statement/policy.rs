//! The body of a `policy` statement: how a library's classes are to be kept, one row for each class. All
//! members read it, so it names classes by their slot and has neither their names nor paths: those are in the
//! class's [header](crate::manifest::table::ClassHeader). It decides nothing; a class without a row keeps
//! everything.
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
//! fields of a row; unset fields are left out:
//!        1   mirror u8: 1 static, 2 incremental, 3 dynamic
//!        2   every u64, ms: the interval at which mirrors check for new releases
//!        3   priority u8, from 1: the higher priority goes first
//!        4   complete_by u64, ms: the time after a release within which a mirror shall have all of it
//!        5   rto u64, ms: the time for which the class may be unreachable
//!        6   rpo u64, ms: how far behind a copy may be
//!        7   viewers u64: the number that shall be served at the same time
//!        8   replicas u16: the number of complete copies
//!        9   regions: count u8, × (length u16, UTF-8), ascending: the regions that shall have copies
//!       10   retention u64: the number of its newest versions that are kept
//!       11   retention u64, ms: the time for which each of its versions is kept
//!       12   max_stale u64, ms: the age above which a channel's content is stale
//! ```
//!
//! A field with another number is kept as it came. If it is marked critical, the policy is stored and passed
//! on, but a node that does not know the field uses the policy before.

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
    /// Whether publishes leave out known junk (`.DS_Store`, `*.part` and the like).
    pub junk: bool,
    /// Patterns of names that publishes leave out, in gitignore syntax, without paths: a later pattern wins,
    /// `!` reverses one. They belong to the library and not to a class, since a file is excluded before its
    /// class is determined.
    pub excludes: Vec<String>,
    /// The rows of classes, by slot. A class without a row keeps everything.
    pub classes: BTreeMap<u8, ClassPolicy>,
    /// Unknown fields, ascending by number.
    pub unknown: Vec<Field>,
}

/// How a class is to be kept. Zero, an empty list or `None` means that a field is not set.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ClassPolicy {
    /// How its mirrors follow it.
    pub mirror: Option<Mirror>,
    /// The interval at which mirrors check for new releases, in ms.
    pub every_ms: u64,
    /// The higher priority goes first.
    pub priority: u8,
    /// The time after a release within which a mirror shall have all of it, in ms.
    pub complete_by_ms: u64,
    /// The time for which the class may be unreachable, in ms.
    pub rto_ms: u64,
    /// How far behind a copy may be, in ms.
    pub rpo_ms: u64,
    /// The number of viewers that shall be served at the same time.
    pub viewers: u64,
    /// The number of complete copies that there shall be.
    pub replicas: u16,
    /// The regions that shall have copies, ascending.
    pub regions: Vec<Region>,
    /// The number of its newest versions that are kept.
    pub keep_releases: u64,
    /// The time for which each of its versions is kept, in ms.
    pub keep_ms: u64,
    /// The age in ms above which the content to which a channel points is stale.
    pub max_stale_ms: u64,
    /// Unknown fields, ascending by number.
    pub unknown: Vec<Field>,
}

/// How the mirrors of a class follow it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Mirror {
    /// Its content hardly ever changes.
    Static = 1,
    /// Content is added to it over time.
    Incremental = 2,
    /// It changes all the time.
    Dynamic = 3,
}

impl Mirror {
    /// All types.
    pub const ALL: [Mirror; 3] = [Mirror::Static, Mirror::Incremental, Mirror::Dynamic];

    /// The name that people see.
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
    /// The number of a critical field that this version does not know: then the policy must not be used.
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
    /// Whether content is too old to be read by a channel's name. `age_ms` is the time for which it may have
    /// been out of date; `None` where that is not known.
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
            return Err(Error::Invalid("a row of a policy sets nothing; leave it out".into()));
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

/// Fails where the bytes are not in canonical form: an unset field is written out, or a known field is marked
/// critical.
fn check_form(reader: &Reader<'_>, whole: &[u8], encode: impl Fn(&mut Vec<u8>)) -> Result<()> {
    let mut form = Vec::new();
    encode(&mut form);
    if form == whole { Ok(()) } else { Err(reader.invalid("it is not in canonical form")) }
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

/// Fails on an invalid exclude. An exclude has 1 to [`CLASS_PATTERN_BYTES`] bytes without control characters,
/// and no path, since members that are not granted a class read it too.
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
