//! Decides how to bring a folder to the state of a release: three sorted lists in, actions out, one step at a
//! time.
//!
//! The lists are the release, the record of the last restore ([`Remembered`]) and the folder ([`Disk`]), all
//! in the order of a manifest. Nothing is read or changed here, and memory does not grow with the lists: only
//! the folders that contain the current path, or may contain a later one, are kept.
//!
//! The rules:
//!
//! - A file or link of the release replaces any file, link or special file.
//! - A file or link replaces a folder, and a folder replaces a file or link, only if the last restore wrote
//!   all removed items and they are unchanged since; or with `delete`. Otherwise it is a failure, and nothing
//!   under that path is changed.
//! - Items that the release does not have stay and are counted; with `delete` they are removed, within the
//!   selected paths.
//! - A node's home is left alone, whatever the release says.

use std::{
    cmp::Ordering,
    collections::VecDeque,
    iter::{Fuse, Peekable},
};

use super::{
    action::{Action, Closed, Disk, Lookup, OnDisk, Reason, Rules, Wanted, content_id},
    record::Remembered,
    stat::{DiskKind, Stat},
};
use crate::{
    error::Result,
    manifest::{Entry, EntryKind, EntryPath},
};

/// The merge of the three lists. Ends after its first error.
pub(super) struct Plan<W, L, D, S>
where
    W: Iterator<Item = Result<Wanted>>,
    L: Iterator<Item = Remembered>,
{
    wanted: Peekable<Fuse<W>>,
    last: Peekable<Fuse<L>>,
    disk: D,
    lookup: Option<Lookup>,
    selected: S,
    rules: Rules,
    open: Vec<Open>,
    ready: VecDeque<Action>,
    has_ended: bool,
}

/// A folder of the destination or of the release whose content is not complete yet.
struct Open {
    path: Vec<u8>,
    role: Role,
}

enum Role {
    /// The release has it.
    Wanted(EntryPath, Entry),
    /// The release has a file or link there. The folder is removed if nothing in it is foreign.
    Replaced { wanted: Wanted, old: Stat, remembered: Option<Remembered>, foreign: u64 },
    /// It is inside a folder that is replaced.
    Replacing,
    /// The release does not have it, but may have paths in it.
    Passing { old: OnDisk, remembered: Option<Remembered>, is_selected: bool, is_used: bool },
    /// Nothing in it is changed. The release's paths in it are counted, and one failure is reported for them
    /// and for the path itself.
    Blocked { reason: Reason, beneath: u64, is_wanted: bool },
    /// Its content is not examined, and everything is reported.
    Done,
}

impl Open {
    /// Whether `path` is in it.
    fn holds(&self, path: &[u8]) -> bool {
        is_beneath(path, &self.path)
    }

    /// Whether its content is not known.
    fn is_unknown(&self) -> bool {
        matches!(self.role, Role::Blocked { reason: Reason::Unreadable(_), .. })
    }

    /// Whether no path at or after `key` is in it.
    fn has_ended(&self, key: &[u8]) -> bool {
        has_ended(&self.path, key)
    }
}

/// Whether `path` is in the folder `above`.
pub(super) fn is_beneath(path: &[u8], above: &[u8]) -> bool {
    path.strip_prefix(above).is_some_and(|rest| rest.first() == Some(&b'/'))
}

/// Whether no path at or after `key` is in `folder`, which came before `key`.
pub(super) fn has_ended(folder: &[u8], key: &[u8]) -> bool {
    match key.strip_prefix(folder) {
        Some(rest) => rest.first().is_some_and(|byte| *byte > b'/'),
        None => key > folder,
    }
}

/// The order of paths. The content of a folder is sorted as the folder's path and a `/`.
fn order(a: &(&[u8], bool), b: &(&[u8], bool)) -> Ordering {
    if !a.1 && !b.1 {
        return a.0.cmp(b.0);
    }
    a.0.iter().chain(inside(a.1)).cmp(b.0.iter().chain(inside(b.1)))
}

const fn inside(is_inside: bool) -> &'static [u8] {
    if is_inside { b"/" } else { b"" }
}

/// Whether the last restore wrote the item, and it is unchanged since.
fn is_left(remembered: &Remembered, disk: &Stat) -> bool {
    match (remembered.kind, disk.kind) {
        (EntryKind::Folder, DiskKind::Folder) => true,
        (EntryKind::File, DiskKind::File) | (EntryKind::Symlink, DiskKind::Symlink) => {
            remembered.mark == disk.mark
        }
        _ => false,
    }
}

impl<W, L, D, S> Plan<W, L, D, S>
where
    W: Iterator<Item = Result<Wanted>>,
    L: Iterator<Item = Remembered>,
    D: Disk,
    S: FnMut(&[u8]) -> bool,
{
    /// Plans how to bring `disk` to `wanted`. `selected` decides for each path whether it may be changed;
    /// every path of `wanted` is selected.
    pub(super) fn new(
        wanted: impl IntoIterator<IntoIter = W>,
        last: impl IntoIterator<IntoIter = L>,
        disk: D,
        selected: S,
        rules: Rules,
    ) -> Self {
        Self {
            wanted: wanted.into_iter().fuse().peekable(),
            last: last.into_iter().fuse().peekable(),
            disk,
            lookup: None,
            selected,
            rules,
            open: Vec::new(),
            ready: VecDeque::new(),
            has_ended: false,
        }
    }

    fn step(&mut self) -> Result<Option<Action>> {
        loop {
            if let Some(action) = self.ready.pop_front() {
                return Ok(Some(action));
            }
            let Some(key) = self.next_key()? else {
                match self.open.pop() {
                    Some(open) => self.close(open),
                    None => return Ok(None),
                }
                continue;
            };
            if let Some(open) = self.open.pop_if(|open| open.has_ended(&key)) {
                self.close(open);
                continue;
            }
            match key.strip_suffix(b"/") {
                Some(folder) => self.inside(folder),
                None => self.path(&key)?,
            }
        }
    }

    /// The least path of the three lists; with a `/` at its end if the content of a folder is next.
    fn next_key(&mut self) -> Result<Option<Vec<u8>>> {
        if self.lookup.is_none() {
            self.lookup = self.disk.next()?;
        }
        if matches!(self.wanted.peek(), Some(Err(_)))
            && let Some(Err(error)) = self.wanted.next()
        {
            return Err(error);
        }
        let wanted = self.wanted.peek().and_then(|item| item.as_ref().ok());
        let wanted = wanted.map(|wanted| (wanted.path.as_str().as_bytes(), false));
        let last = self.last.peek().map(|last| (last.path.as_bytes(), false));
        let lookup = self.lookup.as_ref().map(Lookup::key);
        let least = wanted.into_iter().chain(last).chain(lookup).min_by(order);
        Ok(least.map(|(path, is_inside)| [path, inside(is_inside)].concat()))
    }

    /// Takes the items of the lists at `path`.
    fn path(&mut self, path: &[u8]) -> Result<()> {
        let is_here = |item: &Result<Wanted>| item.as_ref().is_ok_and(|w| w.path.as_str().as_bytes() == path);
        let wanted = self.wanted.next_if(is_here).transpose()?;
        let last = self.last.next_if(|last| last.path.as_bytes() == path);
        let disk = match self.lookup.take() {
            Some(Lookup::Item(item)) if item.path == path => Some(item),
            Some(Lookup::Unknown { path: unknown, reason }) if unknown == path => {
                self.unknown(path, reason, wanted, last);
                return Ok(());
            }
            other => {
                self.lookup = other;
                None
            }
        };
        if self.open.iter().any(|open| open.is_unknown() && open.holds(path)) {
            // It may still exist.
            self.ready.extend(last.clone().map(Action::Carry));
        }
        let last = last.filter(|last| disk.as_ref().is_some_and(|disk| is_left(last, &disk.stat)));
        if wanted.is_some() {
            self.note_use(path);
        }
        let holder = self.open.iter_mut().rev().find(|open| open.holds(path));
        match holder.map(|open| &mut open.role) {
            Some(Role::Blocked { beneath, .. }) => *beneath += u64::from(wanted.is_some()),
            Some(Role::Replaced { .. } | Role::Replacing | Role::Done) => {
                if wanted.is_some() {
                    self.fail(path, Reason::Beneath);
                }
                if let Some(disk) = disk {
                    self.in_replaced(disk, last);
                }
            }
            Some(Role::Wanted(..) | Role::Passing { .. }) | None => match (wanted, disk) {
                (Some(wanted), disk) => self.wanted(wanted, last, disk),
                (None, Some(disk)) => self.unwanted(disk, last),
                (None, None) => {}
            },
        }
        Ok(())
    }

    /// Takes the items of the lists at a path that cannot be examined.
    fn unknown(&mut self, path: &[u8], reason: String, wanted: Option<Wanted>, last: Option<Remembered>) {
        self.ready.extend(last.map(Action::Carry));
        if wanted.is_some() {
            self.note_use(path);
        }
        match self.open.iter_mut().rev().find(|open| open.holds(path)).map(|open| &mut open.role) {
            Some(Role::Blocked { beneath, .. }) => *beneath += u64::from(wanted.is_some()),
            Some(Role::Replaced { .. } | Role::Replacing | Role::Done) => {
                if wanted.is_some() {
                    self.fail(path, Reason::Beneath);
                }
                self.count_foreign();
            }
            Some(Role::Wanted(..) | Role::Passing { .. }) | None => {
                let is_wanted = wanted.is_some() || (self.rules.deletes && (self.selected)(path));
                if let Some(mut wanted) = wanted {
                    self.folders_above(&mut wanted);
                }
                let role = Role::Blocked { reason: Reason::Unreadable(reason), beneath: 0, is_wanted };
                self.open.push(Open { path: path.to_vec(), role });
            }
        }
    }

    /// Begins the parent folders that an entry of the release brings along.
    fn folders_above(&mut self, wanted: &mut Wanted) {
        for (path, entry) in std::mem::take(&mut wanted.above) {
            if !self.open.iter().any(|open| open.path == path.as_str().as_bytes()) {
                self.folder(Wanted { path, entry, above: Vec::new() }, None);
            }
        }
    }

    /// Marks the folders above a path of the release as used.
    fn note_use(&mut self, path: &[u8]) {
        for open in self.open.iter_mut().filter(|open| open.holds(path)) {
            if let Role::Passing { is_used, .. } = &mut open.role {
                *is_used = true;
            }
        }
    }

    /// Handles an item in a folder that a file or link will replace.
    fn in_replaced(&mut self, disk: OnDisk, last: Option<Remembered>) {
        let is_left = last.is_some();
        match last {
            // It may have to stay.
            Some(last) => self.ready.push_back(Action::Carry(last)),
            None => self.count_foreign(),
        }
        if disk.stat.kind == DiskKind::Folder {
            let role = if is_left { Role::Replacing } else { Role::Done };
            self.open.push(Open { path: disk.path, role });
        }
    }

    fn count_foreign(&mut self) {
        let replaced = self.open.iter_mut().rev().find_map(|open| match &mut open.role {
            Role::Replaced { foreign, .. } => Some(foreign),
            _ => None,
        });
        if let Some(foreign) = replaced {
            *foreign += 1;
        }
    }

    fn unwanted(&mut self, disk: OnDisk, remembered: Option<Remembered>) {
        let is_selected = (self.selected)(&disk.path);
        let (stays, carried) = if is_selected { (remembered, None) } else { (None, remembered) };
        self.ready.extend(carried.map(Action::Carry));
        let OnDisk { path, stat } = &disk;
        if stat.kind == DiskKind::Folder {
            let (path, old) = (path.clone(), disk);
            let role = Role::Passing { old, remembered: stays, is_selected, is_used: false };
            self.open.push(Open { path, role });
        } else if is_selected && self.rules.deletes {
            self.ready.push_back(Action::Remove(disk));
        } else {
            // Folders of classes that are not here, and folders above the selection, have no entries: this
            // item may be where such a folder must be.
            self.block(path, false);
            if is_selected {
                let (path, kind) = (path.clone(), stat.kind);
                self.ready.push_back(Action::Stays { path, kind, remembered: stays });
            }
        }
    }

    fn block(&mut self, path: &[u8], is_wanted: bool) {
        let role = Role::Blocked { reason: Reason::FileInTheWay, beneath: 0, is_wanted };
        self.open.push(Open { path: path.to_vec(), role });
    }

    fn wanted(&mut self, mut wanted: Wanted, last: Option<Remembered>, disk: Option<OnDisk>) {
        let key = wanted.path.as_str().as_bytes().to_vec();
        self.folders_above(&mut wanted);
        let old = disk.map(|disk| disk.stat);
        let is_folder = old.as_ref().is_some_and(|old| old.kind == DiskKind::Folder);
        let may_swap = self.rules.deletes || last.is_some();
        match (wanted.entry.kind, old) {
            (EntryKind::Folder, Some(_)) if !is_folder && !may_swap => self.block(&key, true),
            (EntryKind::Folder, old) => self.folder(wanted, old),
            (_, Some(old)) if is_folder && may_swap => {
                self.open.push(Open {
                    path: key,
                    role: Role::Replaced { wanted, old, remembered: last, foreign: 0 },
                });
            }
            (_, Some(_)) if is_folder => {
                self.fail(&key, Reason::FolderInTheWay { foreign: 0 });
                self.open.push(Open { path: key, role: Role::Done });
            }
            (EntryKind::Symlink, old) => self.ready.push_back(Action::Symlink { wanted, old }),
            (EntryKind::File, old) => {
                let content = content_id(&wanted.entry);
                let is_proved =
                    last.is_some_and(|last| last.kind == EntryKind::File && last.content == content);
                self.ready.push_back(Action::File { wanted, old, is_proved });
            }
        }
    }

    fn folder(&mut self, wanted: Wanted, old: Option<Stat>) {
        let path = wanted.path.as_str().as_bytes().to_vec();
        let role = Role::Wanted(wanted.path.clone(), wanted.entry.clone());
        self.open.push(Open { path, role });
        self.ready.push_back(Action::Folder { wanted, old });
    }

    fn fail(&mut self, path: &[u8], reason: Reason) {
        self.ready.push_back(Action::Failed { path: path.to_vec(), reason, beneath: 0 });
    }

    /// The content of a folder is next, or the folder was not entered.
    fn inside(&mut self, path: &[u8]) {
        let closed = match self.lookup.take() {
            Some(Lookup::Closed { reason, .. }) => Some(reason),
            _ => None,
        };
        // If a folder vanished before its own item came, only its content is announced.
        let Some(at) = self.open.iter().rposition(|open| open.path == path) else {
            return self.disk.pass_over();
        };
        if let Some(reason) = closed {
            return self.closed(at, reason);
        }
        let next_wanted = self.wanted.peek().and_then(|item| item.as_ref().ok());
        let has_wanted = next_wanted.is_some_and(|next| is_beneath(next.path.as_str().as_bytes(), path));
        let has_last = self.last.peek().is_some_and(|next| is_beneath(next.path.as_bytes(), path));
        let deletes = self.rules.deletes;
        let Some(open) = self.open.get_mut(at) else { return };
        let enters = match &open.role {
            Role::Wanted(..) | Role::Replacing => true,
            Role::Replaced { .. } => !deletes,
            Role::Passing { old, is_selected: true, .. } if deletes && !has_wanted => {
                self.ready.push_back(Action::RemoveTree(old.clone()));
                open.role = Role::Done;
                false
            }
            Role::Passing { remembered, .. } => has_wanted || has_last || remembered.is_some(),
            Role::Blocked { .. } | Role::Done => false,
        };
        if !enters {
            self.disk.pass_over();
        }
    }

    /// The folder of the open entry `at` was not entered or not listed completely.
    fn closed(&mut self, at: usize, reason: Closed) {
        let next_wanted = self.wanted.peek().and_then(|item| item.as_ref().ok());
        let next_wanted = next_wanted.map(|next| next.path.as_str().as_bytes().to_vec());
        let Some(open) = self.open.get_mut(at) else { return };
        let has_wanted = next_wanted.is_some_and(|next| open.holds(&next));
        match (&mut open.role, reason) {
            (Role::Wanted(..) | Role::Replaced { .. }, Closed::Home) => {
                if let Role::Replaced { remembered, .. } = &mut open.role {
                    self.ready.extend(remembered.take().map(Action::Carry));
                }
                open.role = Role::Blocked { reason: Reason::Home, beneath: 0, is_wanted: true };
            }
            // The release implies this folder.
            (Role::Passing { remembered, .. }, Closed::Home) if has_wanted => {
                self.ready.extend(remembered.take().map(Action::Carry));
                open.role = Role::Blocked { reason: Reason::Home, beneath: 0, is_wanted: false };
            }
            (Role::Wanted(..), Closed::Unreadable(error)) => {
                open.role = Role::Blocked { reason: Reason::Unreadable(error), beneath: 0, is_wanted: true };
            }
            (Role::Passing { remembered, is_selected, .. }, Closed::Unreadable(error))
                if has_wanted || self.rules.deletes =>
            {
                self.ready.extend(remembered.take().map(Action::Carry));
                let is_wanted = *is_selected && self.rules.deletes;
                open.role = Role::Blocked { reason: Reason::Unreadable(error), beneath: 0, is_wanted };
            }
            (Role::Replaced { .. } | Role::Replacing, _) => self.count_foreign(),
            _ => {}
        }
        // If the rest of a folder cannot be listed, items in its last folders may be missing.
        for open in self.open.iter_mut().skip(at + 1) {
            if let Role::Replaced { foreign, .. } = &mut open.role {
                *foreign += 1;
            }
        }
    }

    /// Ends a folder whose content is done.
    fn close(&mut self, Open { path, role }: Open) {
        let deletes = self.rules.deletes;
        let action = match role {
            Role::Wanted(path, entry) => Action::EndFolder { path, entry },
            Role::Replaced { foreign, remembered, .. } if foreign > 0 && !deletes => {
                self.ready.extend(remembered.map(Action::Carry));
                Action::Failed { path, reason: Reason::FolderInTheWay { foreign }, beneath: 0 }
            }
            Role::Replaced { wanted, old, .. } if wanted.entry.kind == EntryKind::Symlink => {
                Action::Symlink { wanted, old: Some(old) }
            }
            Role::Replaced { wanted, old, .. } => Action::File { wanted, old: Some(old), is_proved: false },
            Role::Passing { remembered: Some(remembered), is_used: true, .. } => Action::Carry(remembered),
            Role::Passing { is_used: true, .. } | Role::Passing { is_selected: false, .. } => return,
            Role::Passing { old, .. } if deletes => Action::RemoveFolder(old),
            Role::Passing { remembered, .. } => Action::Stays { path, kind: DiskKind::Folder, remembered },
            Role::Blocked { beneath: 0, is_wanted: false, .. } => return,
            Role::Blocked { reason, beneath, .. } => Action::Failed { path, reason, beneath },
            Role::Replacing | Role::Done => return,
        };
        self.ready.push_back(action);
    }
}

impl<W, L, D, S> Iterator for Plan<W, L, D, S>
where
    W: Iterator<Item = Result<Wanted>>,
    L: Iterator<Item = Remembered>,
    D: Disk,
    S: FnMut(&[u8]) -> bool,
{
    type Item = Result<Action>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.has_ended {
            return None;
        }
        let step = self.step().transpose();
        self.has_ended = !matches!(step, Some(Ok(_)));
        step
    }
}
