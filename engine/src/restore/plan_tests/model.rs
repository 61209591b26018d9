//! A model of a folder: its items, its record, and how a plan is carried out on it.

use super::*;

/// The first content number of files that the user writes.
pub(super) const USERS: u8 = 100;

/// The item of a release at a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Thing {
    Folder,
    File(u8),
    Link(u8),
}

impl Thing {
    pub(super) fn kind(self) -> DiskKind {
        match self {
            Thing::Folder => DiskKind::Folder,
            Thing::File(_) => DiskKind::File,
            Thing::Link(_) => DiskKind::Symlink,
        }
    }

    /// Every file has the same size and time: only the content differs.
    pub(super) fn entry(self, path: &str) -> Entry {
        let content = |bytes: u8| vec![ChunkRef { id: ChunkId::of(&[bytes]), len: 1 }];
        let (kind, chunks, target) = match self {
            Thing::Folder => (EntryKind::Folder, vec![], None),
            Thing::File(bytes) => (EntryKind::File, content(bytes), None),
            Thing::Link(to) => (EntryKind::Symlink, vec![], Some(format!("to-{to}"))),
        };
        let target = target.map(|to| LinkTarget::new(to, &EntryPath::new(path).unwrap()).unwrap());
        Entry {
            kind,
            size: chunks.len() as u64,
            mtime: Timestamp { seconds: 1, nanos: 0 },
            mode: 0o755,
            profile: Profile::Fine,
            content: Content::Inline(chunks),
            target,
            extensions: vec![],
        }
    }
}

pub(super) type Tree = BTreeMap<String, Thing>;

/// A folder in memory. Its clock and inodes only increase.
#[derive(Clone, Debug, Default)]
pub(super) struct Model {
    pub(super) things: BTreeMap<String, (Thing, Stat)>,
    clock: u64,
    pub(super) record: BTreeMap<String, Remembered>,
}

impl Model {
    pub(super) fn put(&mut self, path: &str, thing: Thing) -> Stat {
        self.clock += 1;
        let ctime = Timestamp { seconds: self.clock.cast_signed(), nanos: 0 };
        let mark = Mark { size: 1, mtime: Timestamp { seconds: 1, nanos: 0 }, ctime, inode: self.clock };
        let stat = Stat { kind: thing.kind(), mark, mode: 0o755, device: 1, owner: 0, names: 1 };
        self.things.insert(path.to_owned(), (thing, stat));
        stat
    }

    pub(super) fn remove(&mut self, path: &str) {
        self.things.retain(|other, _| other != path && !beneath(other, path));
    }

    /// The user puts an item at a path, with its parent folders.
    pub(super) fn edit(&mut self, path: &str, thing: Option<Thing>) {
        self.remove(path);
        let Some(thing) = thing else { return };
        for (at, _) in path.match_indices('/') {
            if self.things.get(&path[..at]).is_none_or(|(thing, _)| *thing != Thing::Folder) {
                self.remove(&path[..at]);
                self.put(&path[..at], Thing::Folder);
            }
        }
        self.put(path, thing);
    }

    pub(super) fn walk(&self) -> ModelWalk {
        let mut lookups = Vec::new();
        for (path, (thing, stat)) in &self.things {
            lookups.push((path.clone(), Lookup::Item(OnDisk { path: path.clone().into(), stat: *stat })));
            if *thing == Thing::Folder {
                lookups.push((format!("{path}/"), Lookup::Inside(path.clone().into())));
            }
        }
        lookups.sort_by(|a, b| a.0.as_bytes().cmp(b.0.as_bytes()));
        ModelWalk { lookups: lookups.into_iter().map(|(_, lookup)| lookup).rev().collect(), inside: None }
    }

    pub(super) fn plan(&self, wanted: &Tree, selected: &str, deletes: bool) -> Vec<Action> {
        let is_selected = |path: &[u8]| {
            selected.is_empty() || path == selected.as_bytes() || is_beneath(path, selected.as_bytes())
        };
        let mut above: Vec<(EntryPath, Entry)> = Vec::new();
        let mut list = Vec::new();
        for (path, thing) in wanted {
            let (entry, path) = (thing.entry(path), EntryPath::new(path.clone()).unwrap());
            if is_selected(path.as_str().as_bytes()) {
                let (on_way, other) =
                    above.into_iter().partition(|(folder, _)| beneath(path.as_str(), folder.as_str()));
                above = other;
                list.push(Ok(Wanted { path, entry, above: on_way }));
            } else if *thing == Thing::Folder {
                above.push((path, entry));
            }
        }
        let last: Vec<_> = self.record.values().cloned().collect();
        let plan = Plan::new(list, last, self.walk(), is_selected, Rules { deletes });
        plan.collect::<Result<_>>().unwrap()
    }

    /// Carries out a plan, as the two halves of a restore do; returns the paths that failed.
    pub(super) fn restore(&mut self, wanted: &Tree, selected: &str, deletes: bool) -> Vec<(String, Reason)> {
        let (mut record, mut failed) = (BTreeMap::new(), Vec::new());
        for action in self.plan(wanted, selected, deletes) {
            let remembered = match action {
                Action::Folder { wanted, old } => Some((wanted.path, wanted.entry, old, false)),
                Action::Symlink { wanted, old } => Some((wanted.path, wanted.entry, old, false)),
                Action::File { wanted, old, is_proved } => Some((wanted.path, wanted.entry, old, is_proved)),
                Action::EndFolder { path, .. } => {
                    assert_eq!(self.things[path.as_str()].0, Thing::Folder, "{path}");
                    None
                }
                Action::Remove(disk) => {
                    let path = text(&disk.path);
                    assert!(self.things[&path].1 == disk.stat && disk.stat.kind != DiskKind::Folder);
                    self.remove(&path);
                    None
                }
                Action::RemoveTree(disk) => {
                    self.remove(&text(&disk.path));
                    None
                }
                Action::RemoveFolder(disk) => {
                    let path = text(&disk.path);
                    assert!(!self.things.keys().any(|other| beneath(other, &path)), "{path} is not empty");
                    self.remove(&path);
                    None
                }
                Action::Stays { remembered, path, .. } => {
                    assert!(self.things.contains_key(&text(&path)));
                    record.extend(remembered.map(|one| (one.path.clone(), one)));
                    None
                }
                Action::Carry(one) => {
                    record.insert(one.path.clone(), one);
                    None
                }
                Action::Failed { path, reason, .. } => {
                    failed.push((text(&path), reason));
                    None
                }
            };
            let Some((path, entry, old, is_proved)) = remembered else { continue };
            let one = self.put_wanted(path.as_str(), &entry, wanted[path.as_str()], old, is_proved);
            record.insert(one.path.clone(), one);
        }
        self.record = record;
        failed
    }

    pub(super) fn put_wanted(
        &mut self,
        path: &str,
        entry: &Entry,
        thing: Thing,
        old: Option<Stat>,
        is_proved: bool,
    ) -> Remembered {
        let now = self.things.get(path).copied();
        assert_eq!(now.map(|(_, stat)| stat), old, "{path} differs from the plan");
        let parent = path.rsplit_once('/').map(|(above, _)| above);
        assert!(parent.is_none_or(|above| self.things.get(above).is_some_and(|(t, _)| *t == Thing::Folder)));
        assert!(!is_proved || now.is_some_and(|(now, _)| now == thing), "{path} holds something else");
        let stat = match now {
            Some((now, stat)) if now == thing => stat,
            _ => {
                self.remove(path);
                self.put(path, thing)
            }
        };
        let mark = if thing == Thing::Folder { Mark::default() } else { stat.mark };
        let (path, kind, content) = (path.to_owned(), entry.kind, content_id(entry));
        Remembered { path, kind, mark, content, is_linked: false }
    }
}

/// A walk of a model, in the same order and with the same announcements as a walk of a disk.
pub(super) struct ModelWalk {
    pub(super) lookups: Vec<Lookup>,
    pub(super) inside: Option<Vec<u8>>,
}

impl Disk for ModelWalk {
    fn next(&mut self) -> Result<Option<Lookup>> {
        self.inside = None;
        let lookup = self.lookups.pop();
        if let Some(Lookup::Inside(path)) = &lookup {
            self.inside = Some(path.clone());
        }
        Ok(lookup)
    }

    fn pass_over(&mut self) {
        let inside = self.inside.take().expect("nothing was announced");
        while self.lookups.pop_if(|next| is_beneath(next.key().0, &inside)).is_some() {}
    }
}

pub(super) fn text(path: &[u8]) -> String {
    String::from_utf8(path.to_vec()).unwrap()
}

pub(super) fn beneath(path: &str, above: &str) -> bool {
    is_beneath(path.as_bytes(), above.as_bytes())
}
