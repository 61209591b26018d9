//! The content of a folder after a loss of power: the bytes of each file at its last sync, and the entries of
//! each folder at its last sync.
//!
//! A kill cannot show a missing sync, since the page cache outlives the process. So the tracer keeps this
//! model beside the real folder: a file that was never synced is empty, an entry whose folder was never
//! synced after it was made is absent. File systems keep more than this, and none may be relied on for it.
//! Files are told apart by inode and time of birth, so a rename moves their durable bytes. Modes are kept and
//! times are not, so the model cannot show a program that trusts the times of files that it did not sync.

use std::{
    collections::BTreeMap,
    ffi::OsString,
    fs::{self, DirBuilder, Metadata, Permissions},
    io,
    os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt, symlink},
    path::{Path, PathBuf},
    sync::Arc,
    time::UNIX_EPOCH,
};

use anyhow::{Context, Result};

use crate::rng::Rng;

/// The unit in which a torn file keeps or loses its last writes, in bytes.
const BLOCK_BYTES: usize = 4096;

/// Device, inode, and time of birth in nanoseconds, since the inode of a removed file is used again.
type Key = (u64, u64, u128);

/// The durable content of a folder.
#[derive(Clone, Debug)]
pub struct Disk {
    root: PathBuf,
    root_key: Key,
    nodes: BTreeMap<Key, Node>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Node {
    mode: u32,
    content: Content,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Content {
    File(Arc<Vec<u8>>),
    Folder(BTreeMap<OsString, Key>),
    Link(PathBuf),
    /// A socket or another special file: it does not survive.
    Other,
}

/// The content of one file or folder when its sync began. It is durable when the sync succeeds.
#[derive(Debug)]
pub(super) struct Seen {
    key: Key,
    node: Node,
    /// The entries of a folder, without content.
    entries: Vec<(Key, Node)>,
}

impl Disk {
    /// The model of a folder all of which is durable.
    pub fn of(root: &Path) -> Result<Self> {
        let root_key = key(&fs::symlink_metadata(root).with_context(|| format!("find {}", root.display()))?);
        let mut disk = Self { root: root.to_owned(), root_key, nodes: BTreeMap::new() };
        disk.sync_all()?;
        Ok(disk)
    }

    /// Makes everything durable as it is.
    pub(super) fn sync_all(&mut self) -> Result<()> {
        let mut folders = vec![self.root.clone()];
        while let Some(folder) = folders.pop() {
            let seen = see(&folder)?;
            if let Content::Folder(names) = &seen.node.content {
                for name in names.keys() {
                    let path = folder.join(name);
                    match fs::symlink_metadata(&path) {
                        Ok(meta) if meta.is_dir() => folders.push(path),
                        Ok(meta) if meta.is_file() => self.keep(see(&path)?),
                        _ => {}
                    }
                }
            }
            self.keep(seen);
        }
        Ok(())
    }

    /// Makes one file or folder durable as it was seen.
    pub(super) fn keep(&mut self, seen: Seen) {
        for (key, node) in seen.entries {
            self.nodes.entry(key).or_insert(node);
        }
        self.nodes.insert(seen.key, seen.node);
    }

    /// A state between the durable one and the present one: each folder has its old or its new entries, each
    /// block of a file its old or its new bytes, at random.
    pub fn torn(&self, rng: &mut Rng) -> Result<Self> {
        let now = Self::of(&self.root)?;
        let mut nodes = self.nodes.clone();
        for (key, new) in now.nodes {
            let old = nodes.get(&key).cloned().unwrap_or_else(|| new.empty());
            let content = match (&old.content, &new.content) {
                (Content::File(old), Content::File(new)) => Content::File(Arc::new(mixed(old, new, rng)?)),
                _ if rng.below(2) == 0 => old.content,
                _ => new.content,
            };
            nodes.insert(key, Node { mode: new.mode, content });
        }
        Ok(Self { root: self.root.clone(), root_key: self.root_key, nodes })
    }

    /// Replaces the content of the folder by the durable content. No process may use the folder.
    pub fn write(&self) -> Result<()> {
        for entry in fs::read_dir(&self.root)? {
            let path = entry?.path();
            if path.is_dir() && !path.is_symlink() {
                fs::remove_dir_all(&path)?;
            } else {
                fs::remove_file(&path)?;
            }
        }
        let mut links = BTreeMap::new();
        self.write_folder(self.root_key, &self.root, &mut links)
            .with_context(|| format!("write {}", self.root.display()))
    }

    fn write_folder(&self, key: Key, path: &Path, links: &mut BTreeMap<Key, PathBuf>) -> Result<()> {
        let Some(Node { content: Content::Folder(names), .. }) = self.nodes.get(&key) else { return Ok(()) };
        for (name, key) in names {
            let (path, Some(node)) = (path.join(name), self.nodes.get(key)) else { continue };
            match &node.content {
                Content::File(bytes) => match links.get(key) {
                    Some(first) => fs::hard_link(first, &path)?,
                    None => {
                        fs::write(&path, bytes.as_slice())?;
                        links.insert(*key, path.clone());
                    }
                },
                Content::Folder(_) => {
                    DirBuilder::new().mode(0o700).create(&path)?;
                    self.write_folder(*key, &path, links)?;
                }
                Content::Link(target) => symlink(target, &path)?,
                Content::Other => {}
            }
            if matches!(node.content, Content::File(_) | Content::Folder(_)) {
                fs::set_permissions(&path, Permissions::from_mode(node.mode))?;
            }
        }
        Ok(())
    }
}

impl Node {
    /// The same node before its first sync.
    fn empty(&self) -> Self {
        let content = match &self.content {
            Content::File(_) => Content::File(Arc::default()),
            Content::Folder(_) => Content::Folder(BTreeMap::new()),
            other => other.clone(),
        };
        Self { mode: self.mode, content }
    }
}

/// Reads one file or folder, by a path that may be a descriptor in `/proc`.
pub(super) fn see(path: &Path) -> Result<Seen> {
    let failed = || format!("read {}", path.display());
    let meta = fs::metadata(path).with_context(failed)?;
    let mut entries = Vec::new();
    let content = if meta.is_dir() {
        let mut names = BTreeMap::new();
        for entry in fs::read_dir(path).with_context(failed)? {
            let entry = entry.with_context(failed)?;
            // An entry that another thread removes meanwhile was not durable.
            let Some((key, node)) = unsynced(&entry.path())? else { continue };
            names.insert(entry.file_name(), key);
            entries.push((key, node));
        }
        Content::Folder(names)
    } else {
        Content::File(Arc::new(fs::read(path).with_context(failed)?))
    };
    Ok(Seen { key: key(&meta), node: Node { mode: meta.mode() & 0o7777, content }, entries })
}

/// An entry of a folder, without content; `None` if it is gone.
fn unsynced(path: &Path) -> Result<Option<(Key, Node)>> {
    let found = fs::symlink_metadata(path).and_then(|meta| {
        let content = match meta.file_type() {
            kind if kind.is_file() => Content::File(Arc::default()),
            kind if kind.is_dir() => Content::Folder(BTreeMap::new()),
            kind if kind.is_symlink() => Content::Link(fs::read_link(path)?),
            _ => Content::Other,
        };
        Ok((key(&meta), Node { mode: meta.mode() & 0o7777, content }))
    });
    match found {
        Ok(found) => Ok(Some(found)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error).with_context(|| format!("read {}", path.display())),
    }
}

fn key(meta: &Metadata) -> Key {
    let born = meta.created().ok().and_then(|time| time.duration_since(UNIX_EPOCH).ok());
    (meta.dev(), meta.ino(), born.unwrap_or_default().as_nanos())
}

/// A file some blocks of which lost their last write.
fn mixed(old: &[u8], new: &[u8], rng: &mut Rng) -> Result<Vec<u8>> {
    if old == new {
        return Ok(new.to_vec());
    }
    let (short, long) = (old.len().min(new.len()), old.len().max(new.len()));
    let blocks = u64::try_from((long - short) / BLOCK_BYTES)?;
    let len = match rng.below(3) {
        0 => old.len(),
        1 => new.len(),
        _ => long.min(short + usize::try_from(rng.below(blocks + 1))? * BLOCK_BYTES),
    };
    let mut out = vec![0; len];
    for (number, block) in out.chunks_mut(BLOCK_BYTES).enumerate() {
        let from = if rng.below(2) == 0 { old } else { new };
        let from = from.get(number * BLOCK_BYTES..).unwrap_or_default();
        block.iter_mut().zip(from).for_each(|(to, from)| *to = *from);
    }
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Folder {
        dir: tempfile::TempDir,
        disk: Disk,
    }

    impl Folder {
        fn new() -> Self {
            let dir = tempfile::tempdir().unwrap();
            fs::write(dir.path().join("old"), "old").unwrap();
            let disk = Disk::of(dir.path()).unwrap();
            Self { dir, disk }
        }

        fn path(&self, name: &str) -> PathBuf {
            self.dir.path().join(name)
        }

        fn sync(&mut self, name: &str) {
            self.disk.keep(see(&self.path(name)).unwrap());
        }

        /// The files after a loss of power.
        fn after(&self) -> Vec<(String, String)> {
            self.disk.write().unwrap();
            let files = crate::media::listing(self.dir.path()).unwrap();
            files
                .into_iter()
                .map(|name| (name.clone(), fs::read_to_string(self.path(&name)).unwrap()))
                .collect()
        }
    }

    fn files(expected: &[(&str, &str)]) -> Vec<(String, String)> {
        expected.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())).collect()
    }

    #[test]
    fn bytes_written_after_the_last_sync_are_lost() {
        let mut folder = Folder::new();
        fs::write(folder.path("old"), "new").unwrap();
        folder.sync("old");
        fs::write(folder.path("old"), "newest").unwrap();
        assert_eq!(folder.after(), files(&[("old", "new")]));
    }

    #[test]
    fn a_file_is_lost_until_its_folder_is_synced() {
        let mut folder = Folder::new();
        fs::write(folder.path("x"), "x").unwrap();
        folder.sync("x");
        let before = folder.disk.clone();
        folder.sync("");
        let after = folder.disk.clone();
        folder.disk = before;
        assert_eq!(folder.after(), files(&[("old", "old")]));
        folder.disk = after;
        assert_eq!(folder.after(), files(&[("old", "old"), ("x", "x")]));
    }

    #[test]
    fn a_file_that_was_not_synced_is_empty_after_its_rename() {
        let folder = Folder::new();
        fs::write(folder.path("x"), "x").unwrap();
        fs::rename(folder.path("x"), folder.path("old")).unwrap();
        assert_eq!(folder.after(), files(&[("old", "old")]), "the entries before");

        let mut folder = Folder::new();
        fs::write(folder.path("x"), "x").unwrap();
        fs::rename(folder.path("x"), folder.path("old")).unwrap();
        folder.sync("");
        assert_eq!(folder.after(), files(&[("old", "")]), "the new entry, without content");
    }

    #[test]
    fn a_torn_file_has_old_and_new_blocks() {
        let (old, new) = (vec![1; 8 * BLOCK_BYTES], vec![2; 16 * BLOCK_BYTES]);
        let mut rng = Rng::new(3);
        let mixes: Vec<_> = (0..20).map(|_| mixed(&old, &new, &mut rng).unwrap()).collect();
        assert!(mixes.iter().all(|mix| (8 * BLOCK_BYTES..=16 * BLOCK_BYTES).contains(&mix.len())));
        assert!(mixes.iter().any(|mix| mix.contains(&1) && mix.contains(&2)));
        assert_eq!(mixed(&old, &old, &mut rng).unwrap(), old);
    }
}
