//! Decides for every path whether it must be read, and packs the work into jobs.
//!
//! The walk, the previous manifest and the scan cache are all in path order, so one pass over the three side by side
//! decides with constant memory. It also says in which class each path is. A job is one large file, or many small ones that share a buffer: never a task, a lock
//! or an allocation of a megabyte per file. This file reads no file content.

use super::{
    cache::{Reader, Record},
    read::{SMALL_BYTES, buffer_holds},
    source::Stat,
    walk::Found,
};
use crate::{
    chunk::Profile,
    error::{Error, Result},
    manifest::{Content, Entry, EntryKind, EntryPath, classifier::Classifier, path::collision_key},
};

/// Items of a job at most.
const JOB_ITEMS: usize = 256;

/// What is to be done about one path.
#[derive(Debug)]
pub(super) enum Item {
    /// The entry stands as it is.
    Keep(Kept),
    /// The file must be read. `old` is what it was made of, if it was cut by the same profile.
    Read { path: EntryPath, slot: u8, size: u64, profile: Profile, old: Option<Content> },
    /// A link or special file.
    Skipped { path: String, why: &'static str },
    /// It cannot be looked at.
    Unreadable { path: String, why: String },
}

/// An entry that stands as it is.
#[derive(Debug)]
pub(super) struct Kept {
    pub(super) path: EntryPath,
    /// The slot of its class.
    pub(super) slot: u8,
    /// Whether it was in another class: the pages of its content are of that one then.
    pub(super) has_moved: bool,
    pub(super) entry: Entry,
    pub(super) record: Option<Record>,
}

/// Items in path order that one reader deals with.
#[derive(Debug, Default)]
pub(super) struct Job {
    /// Counts up from 0 without gaps.
    pub(super) number: u64,
    pub(super) items: Vec<Item>,
}

/// The previous version of the trees, and what was remembered beside it.
pub(super) struct Previous<'a> {
    entries: Box<dyn Iterator<Item = Result<(u8, EntryPath, Entry)>> + Send + 'a>,
    cache: Option<Reader>,
    next: Option<Known>,
}

/// A path's previous entry.
struct Known {
    path: EntryPath,
    slot: u8,
    entry: Entry,
    record: Option<Record>,
}

impl<'a> Previous<'a> {
    pub(super) fn new(
        entries: impl Iterator<Item = Result<(u8, EntryPath, Entry)>> + Send + 'a,
        cache: Option<Reader>,
    ) -> Result<Self> {
        let mut previous = Self { entries: Box::new(entries), cache, next: None };
        previous.advance()?;
        Ok(previous)
    }

    /// Takes the entry of `path`, or `None`; hands those before it to `passed`.
    fn take(
        &mut self,
        path: Option<&EntryPath>,
        mut passed: impl FnMut(Known) -> Result<()>,
    ) -> Result<Option<Known>> {
        while let Some(known) = self.next.take_if(|known| path.is_none_or(|path| known.path <= *path)) {
            self.advance()?;
            if path == Some(&known.path) {
                return Ok(Some(known));
            }
            passed(known)?;
        }
        Ok(None)
    }

    fn advance(&mut self) -> Result<()> {
        self.next = match self.entries.next().transpose()? {
            Some((slot, path, entry)) => {
                let record = self.cache.as_mut().and_then(Reader::next);
                Some(Known { path, slot, entry, record })
            }
            None => None,
        };
        Ok(())
    }

    /// Whether `known` still describes a file that looks like `stat`.
    fn proves_unchanged(&self, known: &Known, stat: &Stat) -> bool {
        let (Some(record), Some(cache)) = (&known.record, &self.cache) else { return false };
        known.entry.kind == EntryKind::File && record.proves_unchanged(&known.entry, stat, cache.began())
    }
}

/// How a plan is made.
#[derive(Clone, Debug)]
pub(super) struct Rules<'a> {
    /// Which path is in which class.
    pub(super) classes: &'a Classifier,
    /// Read unchanged files too.
    pub(super) check: bool,
    /// Keep the previous entries beside this path, which is all that will be found; else what is not found is dropped.
    pub(super) beside: Option<EntryPath>,
}

/// Turns all that is `found` into jobs and hands them to `emit`, which returns `false` to stop.
pub(super) fn plan(
    found: impl Iterator<Item = Result<Found>>,
    mut previous: Previous<'_>,
    rules: &Rules<'_>,
    emit: &mut dyn FnMut(Job) -> bool,
) -> Result<()> {
    let mut packer = Packer { emit, job: Job::default(), bytes: 0, stopped: false };
    for found in found {
        let item = match found? {
            Found::File { path, stat } => {
                let known = previous.take(Some(&path), |known| packer.pass(known, rules))?;
                let slot = rules.classes.class_of(&path, EntryKind::File)?.slot;
                match known {
                    Some(known) if !rules.check && previous.proves_unchanged(&known, &stat) => {
                        let record = Some(Record::of(&stat));
                        let has_moved = known.slot != slot;
                        Item::Keep(Kept { path, slot, has_moved, entry: known.entry, record })
                    }
                    // A path keeps its profile for life.
                    Some(Known { entry: Entry { kind: EntryKind::File, profile, content, .. }, .. }) => {
                        Item::Read { path, slot, size: stat.size, profile, old: Some(content) }
                    }
                    _ => {
                        let profile = Profile::for_path(path.as_str());
                        Item::Read { path, slot, size: stat.size, profile, old: None }
                    }
                }
            }
            Found::EmptyDir { path, stat } => {
                previous.take(Some(&path), |known| packer.pass(known, rules))?;
                let (slot, entry) =
                    (rules.classes.class_of(&path, EntryKind::EmptyDir)?.slot, empty_directory(&stat));
                Item::Keep(Kept { path, slot, has_moved: false, entry, record: None })
            }
            Found::Skipped { path, kind } => Item::Skipped { path, why: kind },
            Found::Unreadable { path, error } => Item::Unreadable { path, why: error.to_string() },
        };
        packer.add(item);
        if packer.stopped {
            return Ok(());
        }
    }
    previous.take(None, |known| packer.pass(known, rules))?;
    packer.flush();
    Ok(())
}

/// Refuses a new path that some system takes for an entry's, or for a directory on the way to it.
fn refuse_collision(new: &EntryPath, old: &EntryPath) -> Result<()> {
    let (new_key, old_key) = (collision_key(new), collision_key(old));
    let collides =
        old_key.strip_prefix(&new_key).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
    if collides {
        return Err(Error::Invalid(format!(
            "{new} and {old}, which is published, collide; rename one, then publish again"
        )));
    }
    Ok(())
}

fn empty_directory(stat: &Stat) -> Entry {
    Entry {
        kind: EntryKind::EmptyDir,
        size: 0,
        mtime: stat.mtime,
        mode: stat.mode,
        profile: Profile::Fine,
        content: Content::Inline(Vec::new()),
        extensions: Vec::new(),
    }
}

/// Packs items into jobs.
struct Packer<'a> {
    emit: &'a mut dyn FnMut(Job) -> bool,
    job: Job,
    /// Bytes of the job's files, all of which must fit a buffer.
    bytes: u64,
    stopped: bool,
}

impl Packer<'_> {
    /// Deals with a previous entry that is no longer found.
    fn pass(&mut self, known: Known, rules: &Rules<'_>) -> Result<()> {
        let Some(beside) = &rules.beside else { return Ok(()) };
        refuse_collision(beside, &known.path)?;
        let Known { path, slot: old, entry, record } = known;
        let slot = rules.classes.class_of(&path, entry.kind)?.slot;
        self.add(Item::Keep(Kept { path, slot, has_moved: old != slot, entry, record }));
        Ok(())
    }

    fn add(&mut self, item: Item) {
        let size = match &item {
            Item::Read { size, .. } => *size,
            _ => 0,
        };
        let large = size > SMALL_BYTES;
        if large || !buffer_holds(self.bytes + size) || self.job.items.len() >= JOB_ITEMS {
            self.flush();
        }
        self.job.items.push(item);
        self.bytes += size;
        if large {
            self.flush();
        }
    }

    fn flush(&mut self) {
        if self.job.items.is_empty() || self.stopped {
            return;
        }
        let next = Job { number: self.job.number + 1, items: Vec::with_capacity(JOB_ITEMS) };
        self.bytes = 0;
        self.stopped = !(self.emit)(std::mem::replace(&mut self.job, next));
    }
}
