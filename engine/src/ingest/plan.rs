//! Decides for every path whether it must be read, and packs the work into jobs.
//!
//! The walk, the previous manifest and the scan cache are all in path order, so one pass over the three side by side
//! decides with constant memory. It also says in which class each path is. What cannot be published stands as it was
//! published before. A job is one large file, or many small ones that share a buffer: never a task, a lock or an
//! allocation of a megabyte per file. This file reads no file content.

use std::collections::BTreeMap;

use super::{
    cache::{Reader, Record},
    delete::Gone,
    read::{SMALL_BYTES, buffer_holds},
    source::Stat,
    walk::{Found, LeftOut},
};
use crate::{
    chunk::Profile,
    error::{Error, Result},
    limits::LINK_GROUPS,
    manifest::{
        Content, Entry, EntryKind, EntryPath, Extension, LinkTarget, classifier::Classifier, extension,
        path::collision_key,
    },
};

/// Items of a job at most.
const JOB_ITEMS: usize = 256;

/// What is to be done about one path.
#[derive(Debug)]
pub(super) enum Item {
    /// The entry stands as it is.
    Keep(Kept),
    /// The file must be read.
    Read(Box<ToRead>),
    /// Not published, and need not be.
    LeftOut(LeftOut),
    /// It cannot be published; what stands in its place.
    Gap { path: String, why: String, stands: Stands, is_unsettled: bool },
}

/// An entry that stands as it is.
#[derive(Clone, Debug)]
pub(super) struct Kept {
    pub(super) path: EntryPath,
    /// The slot of its class.
    pub(super) slot: u8,
    /// Whether it was in another class: the pages of its content are of that one then.
    pub(super) has_moved: bool,
    pub(super) entry: Entry,
    pub(super) record: Option<Record>,
}

/// A file that must be read.
#[derive(Debug)]
pub(super) struct ToRead {
    pub(super) path: EntryPath,
    pub(super) slot: u8,
    /// What it had when it was looked at.
    pub(super) stat: Stat,
    pub(super) profile: Profile,
    /// The first path of its link group.
    pub(super) group: Option<EntryPath>,
    /// What was published at its path: it stands where the file cannot be read.
    pub(super) before: Option<Kept>,
}

impl ToRead {
    /// What the file was made of, if it was a file.
    pub(super) fn old_content(&self) -> Option<&Content> {
        let before = self.before.as_ref().filter(|before| before.entry.kind == EntryKind::File)?;
        Some(&before.entry.content)
    }
}

/// What is published in the place of something that cannot be.
#[derive(Debug)]
pub(super) enum Stands {
    Nothing,
    /// What was published before.
    Previous(Box<Kept>),
    /// All that was published below it, which comes as items of its own.
    Below,
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

    /// Takes the next entry if its path comes before `bound`; without one, whatever it is.
    fn next_before(&mut self, bound: Option<&str>) -> Result<Option<Known>> {
        let known = self.next.take_if(|known| bound.is_none_or(|bound| known.path.as_str() < bound));
        if known.is_some() {
            self.advance()?;
        }
        Ok(known)
    }

    /// Takes the next entry if it is the one of `path`.
    fn next_at(&mut self, path: &EntryPath) -> Result<Option<Known>> {
        let known = self.next.take_if(|known| known.path == *path);
        if known.is_some() {
            self.advance()?;
        }
        Ok(known)
    }

    /// Whether the next entry's path begins with `prefix`.
    fn goes_on_with(&self, prefix: &str) -> bool {
        self.next.as_ref().is_some_and(|known| known.path.as_str().starts_with(prefix))
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

/// Turns all that is `found` into jobs and hands them to `emit`, which returns `false` to stop. What is no longer found is
/// counted in `gone`; once too much is, nothing more is handed on, and all of it is counted.
pub(super) fn plan(
    found: impl Iterator<Item = Result<Found>>,
    previous: Previous<'_>,
    rules: &Rules<'_>,
    gone: &mut Gone,
    emit: &mut dyn FnMut(Job) -> bool,
) -> Result<()> {
    let packer = Packer { emit, job: Job::default(), bytes: 0, stopped: false };
    let mut planner =
        Planner { previous, rules, gone, packer, groups: LinkGroups::default(), standing: Vec::new() };
    for found in found {
        planner.take(found?)?;
        if planner.packer.stopped {
            return Ok(());
        }
    }
    planner.pass_before(None)?;
    planner.gone.check()?;
    planner.packer.flush();
    Ok(())
}

struct Planner<'a, 'b> {
    previous: Previous<'a>,
    rules: &'b Rules<'b>,
    gone: &'b mut Gone,
    packer: Packer<'b>,
    groups: LinkGroups,
    /// Paths that cannot be published now and that the path last met begins with, each the beginning of the next: what was
    /// published below them stands.
    standing: Vec<EntryPath>,
}

impl Planner<'_, '_> {
    fn take(&mut self, found: Found) -> Result<()> {
        match found {
            Found::File { path, stat } => {
                let known = self.known(&path)?;
                let item = self.file(path, stat, known)?;
                self.add(item);
            }
            Found::Folder { path, stat } => {
                self.replace(&path)?;
                // What is implied by the paths in it needs no entry where its class is not ours.
                if let Some(class) = self.rules.classes.class_of_folder(&path) {
                    let entry = bare(EntryKind::Folder, &stat, stat.mode, None);
                    let slot = class.slot;
                    self.add(Item::Keep(Kept { path, slot, has_moved: false, entry, record: None }));
                }
            }
            Found::Link { path, stat, target } => {
                self.replace(&path)?;
                let slot = self.rules.classes.class_of(&path)?.slot;
                let entry = bare(EntryKind::Symlink, &stat, Entry::LINK_MODE, Some(target));
                self.add(Item::Keep(Kept { path, slot, has_moved: false, entry, record: None }));
            }
            Found::LeftOut(item) => self.add(Item::LeftOut(item)),
            Found::Gap { path, why, at, within } => {
                let stands = match at {
                    Some(at) if within => self.stands_below(at)?,
                    Some(at) => self.stands(at)?,
                    None => Stands::Nothing,
                };
                self.add(Item::Gap { path, why, stands, is_unsettled: false });
            }
            Found::Unsettled { path, why } => {
                let shown = path.to_string();
                let stands = self.stands(path)?;
                self.add(Item::Gap { path: shown, why, stands, is_unsettled: true });
            }
        }
        Ok(())
    }

    fn file(&mut self, path: EntryPath, stat: Stat, known: Option<Known>) -> Result<Item> {
        let slot = self.rules.classes.class_of(&path)?.slot;
        let group = self.groups.first_of(&path, slot, &stat);
        let is_unchanged = |known: &Known| !self.rules.check && self.previous.proves_unchanged(known, &stat);
        Ok(match known {
            Some(known) if is_unchanged(&known) => {
                let mut entry = known.entry;
                set_group(&mut entry.extensions, group.as_ref());
                Item::Keep(Kept {
                    path,
                    slot,
                    has_moved: known.slot != slot,
                    entry,
                    record: Some(Record::of(&stat)),
                })
            }
            known => {
                // A path keeps its profile for life.
                let profile = match &known {
                    Some(known) if known.entry.kind == EntryKind::File => known.entry.profile,
                    _ => Profile::for_path(path.as_str()),
                };
                let before = known.map(|known| kept(known, slot));
                Item::Read(Box::new(ToRead { path, slot, stat, profile, group, before }))
            }
        })
    }

    /// The entry of `path`; those before it are dealt with.
    fn known(&mut self, path: &EntryPath) -> Result<Option<Known>> {
        self.pass_before(Some(path.as_str()))?;
        self.previous.next_at(path)
    }

    /// Passes over the entry of `path`, in the place of which something without content is found.
    fn replace(&mut self, path: &EntryPath) -> Result<()> {
        if let Some(known) = self.known(path)? {
            self.gone.add(&known.entry);
        }
        Ok(())
    }

    /// What stands in the place of something that cannot be published.
    fn stands(&mut self, path: EntryPath) -> Result<Stands> {
        let known = self.known(&path)?;
        self.standing.push(path);
        match known {
            Some(known) => {
                Ok(self.keep(known)?.map_or(Stands::Nothing, |kept| Stands::Previous(Box::new(kept))))
            }
            None => Ok(Stands::Nothing),
        }
    }

    /// What stands in the place of all that is in a folder that cannot be listed.
    fn stands_below(&mut self, folder: EntryPath) -> Result<Stands> {
        let below = format!("{folder}/");
        self.pass_before(Some(&below))?;
        self.standing.push(folder);
        Ok(if self.previous.goes_on_with(&below) { Stands::Below } else { Stands::Nothing })
    }

    /// Deals with the previous entries before a path that are no longer found.
    fn pass_before(&mut self, bound: Option<&str>) -> Result<()> {
        while let Some(known) = self.previous.next_before(bound)? {
            let path = known.path.as_str();
            while self.standing.pop_if(|above| !path.starts_with(above.as_str())).is_some() {}
            let is_below = |above: &EntryPath| {
                path.strip_prefix(above.as_str()).is_some_and(|rest| rest.starts_with('/'))
            };
            if let Some(beside) = &self.rules.beside {
                refuse_collision(beside, &known.path)?;
            } else if !self.standing.iter().any(is_below) {
                self.gone.add(&known.entry);
                continue;
            }
            let kept = self.keep(known)?;
            if let Some(kept) = kept {
                self.add(Item::Keep(kept));
            }
        }
        Ok(())
    }

    /// A previous entry that stands; `None` for a folder whose class is no longer ours.
    fn keep(&self, known: Known) -> Result<Option<Kept>> {
        let slot = match known.entry.kind {
            EntryKind::Folder => self.rules.classes.class_of_folder(&known.path).map(|class| class.slot),
            EntryKind::File | EntryKind::Symlink => Some(self.rules.classes.class_of(&known.path)?.slot),
        };
        Ok(slot.map(|slot| kept(known, slot)))
    }

    fn add(&mut self, item: Item) {
        // What is not going to be published is not read.
        if !self.gone.is_too_much() {
            self.packer.add(item);
        }
    }
}

fn kept(known: Known, slot: u8) -> Kept {
    let Known { path, slot: old, entry, record } = known;
    Kept { path, slot, has_moved: old != slot, entry, record }
}

/// Refuses a new path that some system takes for an entry's, or for a folder on the way to it.
fn refuse_collision(new: &EntryPath, old: &EntryPath) -> Result<()> {
    let (new_key, old_key) = (collision_key(new), collision_key(old));
    let collides = new != old
        && old_key.strip_prefix(&new_key).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
    if collides {
        return Err(Error::Invalid(format!(
            "{new} and {old}, which is published, collide; rename one, then publish again"
        )));
    }
    Ok(())
}

/// An entry without content.
fn bare(kind: EntryKind, stat: &Stat, mode: u16, target: Option<LinkTarget>) -> Entry {
    Entry {
        kind,
        size: 0,
        mtime: stat.mtime,
        mode,
        profile: Profile::Fine,
        content: Content::Inline(Vec::new()),
        target,
        extensions: Vec::new(),
    }
}

/// Says in an entry's extensions to which link group it belongs, and only to that.
pub(super) fn set_group(extensions: &mut Vec<Extension>, first: Option<&EntryPath>) {
    extensions.retain(|known| known.tag != extension::LINK_GROUP);
    if let Some(first) = first {
        let at = extensions.partition_point(|known| known.tag < extension::LINK_GROUP);
        extensions.insert(at, Extension::link_group(first.as_str()));
    }
}

/// Files with several names, as far as some of these have been met and others may come. By device, inode and class: who is
/// granted one class must not learn a path of another.
#[derive(Default)]
struct LinkGroups(BTreeMap<(u64, u64, u8), Group>);

struct Group {
    first: EntryPath,
    /// Names that have not been met.
    left: u64,
}

impl LinkGroups {
    /// The first name of the file at `path`, if it was met under another one before.
    fn first_of(&mut self, path: &EntryPath, slot: u8, stat: &Stat) -> Option<EntryPath> {
        if stat.links < 2 {
            return None;
        }
        let key = (stat.device, stat.inode, slot);
        let Some(group) = self.0.get_mut(&key) else {
            if self.0.len() < LINK_GROUPS {
                self.0.insert(key, Group { first: path.clone(), left: stat.links - 1 });
            }
            return None;
        };
        group.left = group.left.saturating_sub(1);
        let first = group.first.clone();
        if group.left == 0 {
            self.0.remove(&key);
        }
        Some(first)
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
    fn add(&mut self, item: Item) {
        let size = match &item {
            Item::Read(read) => read.stat.size,
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
