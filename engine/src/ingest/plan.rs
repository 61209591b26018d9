//! Decides for every path whether it must be read, and packs the work into jobs.
//!
//! The walk, the previous manifest and the scan cache are all in path order, so one pass over the three
//! decides with constant memory. The plan also assigns each path to a class. An item that cannot be published
//! keeps its previous entry. A job is one large file, or many small files that share a buffer: no file costs
//! a task, a lock or an allocation of a megabyte. This module reads no file content.

use std::collections::BTreeMap;

use super::{
    cache::{Reader, Record},
    delete::Gone,
    read::buffer_holds,
    source::Stat,
    walk::{Found, LeftOut},
};
use crate::{
    chunk::Profile,
    error::{Error, Result},
    limits::{INGEST_SMALL_BYTES, LINK_GROUPS},
    manifest::{
        Content, Entry, EntryKind, EntryPath, Extension, LinkTarget, classifier::Classifier, extension,
        path::collision_key,
    },
};

/// Maximum number of items in a job.
const JOB_ITEMS: usize = 256;

/// The action for one path.
#[derive(Debug)]
pub(super) enum Item {
    /// The entry is kept as it is.
    Keep(Kept),
    /// The content of the file is unchanged, and its entry is kept but for extended attributes.
    Unchanged(Kept),
    /// The file must be read.
    Read(Box<ToRead>),
    /// Left out, and this is not an error.
    LeftOut(LeftOut),
    /// Cannot be published; `fallback` is published in its place.
    Gap { path: String, why: String, fallback: Fallback, is_unsettled: bool },
}

/// An entry that is kept as it is.
#[derive(Clone, Debug)]
pub(super) struct Kept {
    pub(super) path: EntryPath,
    /// The slot of its class.
    pub(super) slot: u8,
    /// The slot of the class in which it was, if that is another: then the pages of its content belong to
    /// that class.
    pub(super) moved_from: Option<u8>,
    pub(super) entry: Entry,
    pub(super) record: Option<Record>,
}

/// A file that must be read.
#[derive(Debug)]
pub(super) struct ToRead {
    pub(super) path: EntryPath,
    pub(super) slot: u8,
    /// The metadata of the file at the walk.
    pub(super) stat: Stat,
    pub(super) profile: Profile,
    /// The first path of its link group.
    pub(super) group: Option<EntryPath>,
    /// The previous entry at this path. It is kept if the file cannot be read.
    pub(super) before: Option<Kept>,
}

impl ToRead {
    /// The previous content of the file, if the path was a file.
    pub(super) fn old_content(&self) -> Option<&Content> {
        let before = self.before.as_ref().filter(|before| before.entry.kind == EntryKind::File)?;
        Some(&before.entry.content)
    }
}

/// The content of the release in place of an item that cannot be published.
#[derive(Debug)]
pub(super) enum Fallback {
    Nothing,
    /// The previous entry.
    Previous(Box<Kept>),
    /// All previous entries below the path, which follow as items of their own.
    Below,
}

/// Items in path order for one worker.
#[derive(Debug, Default)]
pub(super) struct Job {
    /// Counts up from 0 without gaps.
    pub(super) number: u64,
    pub(super) items: Vec<Item>,
}

/// The previous version of the trees, and the records of the scan cache.
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

    /// Takes the next entry if its path comes before `bound`; without a bound, takes any entry.
    fn next_before(&mut self, bound: Option<&str>) -> Result<Option<Known>> {
        let known = self.next.take_if(|known| bound.is_none_or(|bound| known.path.as_str() < bound));
        if known.is_some() {
            self.advance()?;
        }
        Ok(known)
    }

    /// Takes the next entry if its path is `path`.
    fn next_at(&mut self, path: &EntryPath) -> Result<Option<Known>> {
        let known = self.next.take_if(|known| known.path == *path);
        if known.is_some() {
            self.advance()?;
        }
        Ok(known)
    }

    /// Whether the next entry's path begins with `prefix`.
    fn next_starts_with(&self, prefix: &str) -> bool {
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

    /// Whether `known` still describes a file with the metadata `stat`.
    fn proves_unchanged(&self, known: &Known, stat: &Stat) -> bool {
        let (Some(record), Some(cache)) = (&known.record, &self.cache) else { return false };
        known.entry.kind == EntryKind::File && record.proves_unchanged(&known.entry, stat, cache.began())
    }
}

/// The rules of a plan.
#[derive(Clone, Debug)]
pub(super) struct Rules<'a> {
    /// The class of each path.
    pub(super) classes: &'a Classifier,
    /// Whether to read unchanged files too.
    pub(super) check: bool,
    /// The only path that the walk gives. All other previous entries are kept; without it, entries that are
    /// not found are dropped.
    pub(super) only_path: Option<EntryPath>,
}

/// Turns everything that is `found` into jobs and passes them to `emit`, which returns `false` to stop.
/// Previous entries that are not found are counted in `gone`. Once too much is gone, no more jobs are
/// emitted, and the rest is only counted.
pub(super) fn plan(
    found: impl Iterator<Item = Result<Found>>,
    previous: Previous<'_>,
    rules: &Rules<'_>,
    gone: &mut Gone,
    emit: &mut dyn FnMut(Job) -> bool,
) -> Result<()> {
    let packer = Packer { emit, job: Job::default(), bytes: 0, stopped: false };
    let mut planner =
        Planner { previous, rules, gone, packer, groups: LinkGroups::default(), kept_below: Vec::new() };
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
    /// Paths that cannot be published now and that are prefixes of the last path, each a prefix of the next
    /// one. The previous entries below them are kept.
    kept_below: Vec<EntryPath>,
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
                // The paths in a folder imply the folder: it needs no entry if this publisher may not publish
                // its class.
                if let Some(class) = self.rules.classes.class_of_folder(&path) {
                    let entry = bare(EntryKind::Folder, &stat, stat.mode, None);
                    let slot = class.slot;
                    self.add(Item::Keep(Kept { path, slot, moved_from: None, entry, record: None }));
                }
            }
            Found::Link { path, stat, target } => {
                self.replace(&path)?;
                let slot = self.rules.classes.class_of(&path)?.slot;
                let entry = bare(EntryKind::Symlink, &stat, Entry::LINK_MODE, Some(target));
                self.add(Item::Keep(Kept { path, slot, moved_from: None, entry, record: None }));
            }
            Found::LeftOut(item) => self.add(Item::LeftOut(item)),
            Found::Gap { path, why, at, within } => {
                let fallback = match at {
                    Some(at) if within => self.fallback_below(at)?,
                    Some(at) => self.fallback_for(at)?,
                    None => Fallback::Nothing,
                };
                self.add(Item::Gap { path, why, fallback, is_unsettled: false });
            }
            Found::Unsettled { path, why } => {
                let shown = path.to_string();
                let fallback = self.fallback_for(path)?;
                self.add(Item::Gap { path: shown, why, fallback, is_unsettled: true });
            }
        }
        Ok(())
    }

    fn file(&mut self, path: EntryPath, stat: Stat, known: Option<Known>) -> Result<Item> {
        let slot = self.rules.classes.class_of(&path)?.slot;
        let group = self.groups.first_of(&path, slot, &stat);
        if known.is_none() {
            self.gone.new = (self.gone.new.0 + 1, self.gone.new.1.saturating_add(stat.size));
        }
        let is_unchanged = |known: &Known| !self.rules.check && self.previous.proves_unchanged(known, &stat);
        Ok(match known {
            Some(known) if is_unchanged(&known) => {
                let mut entry = known.entry;
                set_group(&mut entry.extensions, group.as_ref());
                Item::Unchanged(Kept {
                    path,
                    slot,
                    moved_from: Some(known.slot).filter(|old| *old != slot),
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

    /// The previous entry of `path`; entries before it are handled first.
    fn known(&mut self, path: &EntryPath) -> Result<Option<Known>> {
        self.pass_before(Some(path.as_str()))?;
        self.previous.next_at(path)
    }

    /// Drops the previous entry of `path`, which is replaced by a folder or a link.
    fn replace(&mut self, path: &EntryPath) -> Result<()> {
        if let Some(known) = self.known(path)? {
            self.gone.add(&known.path, known.slot, &known.entry);
        }
        Ok(())
    }

    /// The fallback for an item that cannot be published.
    fn fallback_for(&mut self, path: EntryPath) -> Result<Fallback> {
        let known = self.known(&path)?;
        self.kept_below.push(path);
        match known {
            Some(known) => {
                Ok(self.keep(known)?.map_or(Fallback::Nothing, |kept| Fallback::Previous(Box::new(kept))))
            }
            None => Ok(Fallback::Nothing),
        }
    }

    /// The fallback for the content of a folder that cannot be listed.
    fn fallback_below(&mut self, folder: EntryPath) -> Result<Fallback> {
        let below = format!("{folder}/");
        self.pass_before(Some(&below))?;
        self.kept_below.push(folder);
        Ok(if self.previous.next_starts_with(&below) { Fallback::Below } else { Fallback::Nothing })
    }

    /// Handles the previous entries before `bound` that are no longer found.
    fn pass_before(&mut self, bound: Option<&str>) -> Result<()> {
        while let Some(known) = self.previous.next_before(bound)? {
            let path = known.path.as_str();
            while self.kept_below.pop_if(|above| !path.starts_with(above.as_str())).is_some() {}
            let is_below = |above: &EntryPath| {
                path.strip_prefix(above.as_str()).is_some_and(|rest| rest.starts_with('/'))
            };
            if let Some(only_path) = &self.rules.only_path {
                refuse_collision(only_path, &known.path, known.entry.kind)?;
            } else if !self.kept_below.iter().any(is_below) {
                self.gone.add(&known.path, known.slot, &known.entry);
                continue;
            }
            let kept = self.keep(known)?;
            if let Some(kept) = kept {
                self.add(Item::Keep(kept));
            }
        }
        Ok(())
    }

    /// A previous entry that is kept; `None` for a folder whose class this publisher may not publish.
    fn keep(&self, known: Known) -> Result<Option<Kept>> {
        let slot = match known.entry.kind {
            EntryKind::Folder => self.rules.classes.class_of_folder(&known.path).map(|class| class.slot),
            EntryKind::File | EntryKind::Symlink => Some(self.rules.classes.class_of(&known.path)?.slot),
        };
        Ok(slot.map(|slot| kept(known, slot)))
    }

    fn add(&mut self, item: Item) {
        // A release that will not be made needs no reads.
        if !self.gone.is_too_much() {
            self.packer.add(item);
        }
    }
}

fn kept(known: Known, slot: u8) -> Kept {
    let Known { path, slot: old, entry, record } = known;
    Kept { path, slot, moved_from: Some(old).filter(|old| *old != slot), entry, record }
}

/// Refuses a new file where a published entry, or a folder on its path, has a path that some systems treat as
/// equal to that of the file, or of a folder on it; and where one of both would be below the other.
fn refuse_collision(new: &EntryPath, old: &EntryPath, kind: EntryKind) -> Result<()> {
    let (mut ours, mut theirs) = (new.components(), old.components());
    let is_refused = loop {
        match (ours.next(), theirs.next()) {
            (Some(our), Some(their)) if our == their => {}
            (Some(our), Some(their)) => break collision_key(our) == collision_key(their),
            // An entry below the file.
            (None, Some(_)) => break true,
            // A folder of the file, or a file or link in its place.
            (Some(_), None) => break kind != EntryKind::Folder,
            (None, None) => break false,
        }
    };
    if is_refused {
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

/// Sets the extended attributes in an entry's extensions, and leaves the other extensions unchanged.
pub(super) fn set_xattrs(extensions: &mut Vec<Extension>, xattrs: Option<Extension>) {
    extensions.retain(|known| known.tag != extension::XATTRS);
    if let Some(xattrs) = xattrs {
        let at = extensions.partition_point(|known| known.tag < extension::XATTRS);
        extensions.insert(at, xattrs);
    }
}

/// Sets the link group in an entry's extensions, and leaves the other extensions unchanged.
pub(super) fn set_group(extensions: &mut Vec<Extension>, first: Option<&EntryPath>) {
    extensions.retain(|known| known.tag != extension::LINK_GROUP);
    if let Some(first) = first {
        let at = extensions.partition_point(|known| known.tag < extension::LINK_GROUP);
        extensions.insert(at, Extension::link_group(first.as_str()));
    }
}

/// Files with several names of which some names were seen and others may follow. Keyed by device, inode and
/// class: a node that is granted one class must not learn a path of another class.
#[derive(Default)]
struct LinkGroups(BTreeMap<(u64, u64, u8), Group>);

struct Group {
    first: EntryPath,
    /// Names that were not seen yet.
    left: u64,
}

impl LinkGroups {
    /// The first name of the file at `path`, if another name of it was seen before.
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
    /// Bytes of the job's files. All of them must fit in one buffer.
    bytes: u64,
    stopped: bool,
}

impl Packer<'_> {
    fn add(&mut self, item: Item) {
        let size = match &item {
            Item::Read(read) => read.stat.size,
            _ => 0,
        };
        let large = size > INGEST_SMALL_BYTES;
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
