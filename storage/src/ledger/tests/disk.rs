//! A disk in memory that crashes, is full or fails to sync at any step that a test names, and remembers its
//! durable state.

use std::{
    collections::BTreeMap,
    io,
    path::PathBuf,
    sync::{Mutex, MutexGuard},
};

use crate::ledger::files::Files;

/// The fault at a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    /// The process ends. The step may have reached the disk or not.
    Crash,
    /// The disk is full from then on. A write stores half of its bytes.
    Full,
    /// The sync of this step fails.
    Sync,
    /// The sync or the rename of this step finds no room, and changes nothing.
    SyncFull,
}

/// The effect of a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// It needs room for bytes.
    Grows,
    Syncs,
    Renames,
    Other,
}

/// How much of the steps that were not synced reached the disk before a crash.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reached {
    /// Nothing.
    Nothing,
    /// Half of the bytes, no names.
    Half,
    /// All bytes, no names.
    Bytes,
    /// All names, no bytes.
    Names,
    /// Everything.
    All,
}

impl Reached {
    pub(super) const ALL: [Self; 5] = [Self::Nothing, Self::Half, Self::Bytes, Self::Names, Self::All];
}

#[derive(Debug, Default)]
pub(super) struct Disk(Mutex<Model>);

#[derive(Clone, Debug, Default)]
struct Model {
    inodes: Vec<Inode>,
    names: BTreeMap<String, usize>,
    durable_names: BTreeMap<String, usize>,
    steps: usize,
    fault: Option<(usize, Fault)>,
    is_dead: bool,
    is_full: bool,
    is_read_only: bool,
}

#[derive(Clone, Debug, Default)]
struct Inode {
    bytes: Vec<u8>,
    durable: Vec<u8>,
}

impl Disk {
    /// A copy of it, as it is now.
    pub(super) fn copy(&self) -> Self {
        Self(Mutex::new(self.lock().clone()))
    }

    /// Counts steps from 0 and makes the step with this number fail.
    pub(super) fn set_fault(&self, step: usize, fault: Fault) {
        let mut model = self.lock();
        model.steps = 0;
        model.fault = Some((step, fault));
    }

    /// Whether the step that was to fail was reached.
    pub(super) fn has_failed(&self) -> bool {
        let model = self.lock();
        model.fault.is_some_and(|(step, _)| model.steps > step)
    }

    pub(super) fn set_full(&self, is_full: bool) {
        self.lock().is_full = is_full;
    }

    pub(super) fn set_read_only(&self) {
        self.lock().is_read_only = true;
    }

    /// The disk after a crash and a restart, with this much of the unsynced steps.
    pub(super) fn restart(&self, reached: Reached) -> Self {
        let mut model = self.lock().clone();
        for inode in &mut model.inodes {
            let kept = match reached {
                Reached::Nothing | Reached::Names => inode.durable.clone(),
                Reached::Half => half(&inode.durable, &inode.bytes),
                Reached::Bytes | Reached::All => inode.bytes.clone(),
            };
            (inode.bytes, inode.durable) = (kept.clone(), kept);
        }
        if matches!(reached, Reached::Nothing | Reached::Half | Reached::Bytes) {
            model.names = model.durable_names.clone();
        }
        model.durable_names = model.names.clone();
        (model.steps, model.fault, model.is_dead, model.is_full) = (0, None, false, false);
        Self(Mutex::new(model))
    }

    /// A file's bytes.
    pub(super) fn bytes(&self, name: &str) -> Option<Vec<u8>> {
        let model = self.lock();
        model.names.get(name).map(|inode| model.inodes[*inode].bytes.clone())
    }

    /// Replaces a file, or removes it.
    pub(super) fn put(&self, name: &str, bytes: Option<Vec<u8>>) {
        let mut model = self.lock();
        match bytes {
            Some(bytes) => {
                let inode = model.inodes.len();
                model.inodes.push(Inode { durable: bytes.clone(), bytes });
                model.names.insert(name.to_owned(), inode);
            }
            None => drop(model.names.remove(name)),
        }
        model.durable_names = model.names.clone();
    }

    pub(super) fn names(&self) -> Vec<String> {
        self.lock().names.keys().cloned().collect()
    }

    fn lock(&self) -> MutexGuard<'_, Model> {
        self.0.lock().unwrap()
    }

    /// Carries out a step, or makes it fail.
    fn step(&self, kind: Kind, work: impl Fn(&mut Model, bool) -> io::Result<()>) -> io::Result<()> {
        let mut model = self.lock();
        if model.is_dead {
            return Err(io::Error::other("the process has ended"));
        }
        if model.is_read_only {
            return Err(io::Error::from(io::ErrorKind::ReadOnlyFilesystem));
        }
        let step = model.steps;
        model.steps += 1;
        let fault = model.fault.filter(|(at, _)| *at == step).map(|(_, fault)| fault);
        if fault == Some(Fault::Full) {
            model.is_full = true;
        }
        if model.is_full && kind == Kind::Grows {
            work(&mut model, true)?;
            return Err(io::Error::from(io::ErrorKind::StorageFull));
        }
        if fault == Some(Fault::Crash) {
            if kind != Kind::Syncs {
                work(&mut model, false)?;
            }
            model.is_dead = true;
            return Err(io::Error::other("the process ends here"));
        }
        if fault == Some(Fault::Sync) && kind == Kind::Syncs {
            return Err(io::Error::other("a sync that a test makes fail"));
        }
        if fault == Some(Fault::SyncFull) && matches!(kind, Kind::Syncs | Kind::Renames) {
            return Err(io::Error::from(io::ErrorKind::StorageFull));
        }
        work(&mut model, false)
    }
}

/// The durable bytes, and half of the bytes after them.
fn half(durable: &[u8], bytes: &[u8]) -> Vec<u8> {
    let common = durable.iter().zip(bytes).take_while(|(old, new)| old == new).count();
    bytes[..common + (bytes.len() - common) / 2].to_vec()
}

fn missing() -> io::Error {
    io::Error::from(io::ErrorKind::NotFound)
}

impl Files for Disk {
    fn path(&self) -> PathBuf {
        PathBuf::from("H/ledger")
    }

    fn read(&self, name: &str) -> io::Result<Option<Vec<u8>>> {
        Ok(self.bytes(name))
    }

    fn read_at(&self, name: &str, offset: u64, len: usize) -> io::Result<Vec<u8>> {
        let bytes = self.bytes(name).ok_or_else(missing)?;
        let from = usize::try_from(offset).unwrap().min(bytes.len());
        Ok(bytes[from..(from + len).min(bytes.len())].to_vec())
    }

    fn same_file(&self, _: [&str; 2]) -> io::Result<Option<usize>> {
        Ok(None)
    }

    fn reserve(&self, _: &str, _: u64) -> io::Result<()> {
        self.step(Kind::Grows, |_, _| Ok(()))
    }

    fn write(&self, name: &str, offset: u64, bytes: &[u8]) -> io::Result<()> {
        self.step(Kind::Grows, |model, is_half| {
            let inode = match model.names.get(name) {
                Some(inode) => *inode,
                None => {
                    model.inodes.push(Inode::default());
                    let inode = model.inodes.len() - 1;
                    model.names.insert(name.to_owned(), inode);
                    inode
                }
            };
            let bytes = if is_half { &bytes[..bytes.len() / 2] } else { bytes };
            let file = &mut model.inodes[inode].bytes;
            let offset = usize::try_from(offset).unwrap();
            file.resize(file.len().max(offset + bytes.len()), 0);
            file[offset..offset + bytes.len()].copy_from_slice(bytes);
            Ok(())
        })
    }

    fn sync(&self, name: &str) -> io::Result<()> {
        self.step(Kind::Syncs, |model, _| {
            let inode = *model.names.get(name).ok_or_else(missing)?;
            model.inodes[inode].durable = model.inodes[inode].bytes.clone();
            Ok(())
        })
    }

    fn cut(&self, name: &str, len: u64) -> io::Result<()> {
        self.step(Kind::Other, |model, _| {
            let inode = *model.names.get(name).ok_or_else(missing)?;
            model.inodes[inode].bytes.truncate(usize::try_from(len).unwrap());
            Ok(())
        })
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        self.step(Kind::Renames, |model, _| {
            let inode = model.names.remove(from).ok_or_else(missing)?;
            model.names.insert(to.to_owned(), inode);
            Ok(())
        })
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        self.step(Kind::Other, |model, _| {
            model.names.remove(name);
            Ok(())
        })
    }

    fn sync_names(&self) -> io::Result<()> {
        self.step(Kind::Syncs, |model, _| {
            model.durable_names = model.names.clone();
            Ok(())
        })
    }
}
