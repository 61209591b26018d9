//! A home: the directory with all data of one node. Owns the layout and the small files. The meaning of the
//! files for other nodes is decided elsewhere.
//!
//! ```text
//! H/                 0700
//!   chuan.toml       configuration, for people to edit
//!   lock             held by the process that has the home open
//!   store/           segments and their index
//!   ledger/          0700; a and b: two equal files with statements and refs
//!   keys/            0700; node.key, node.id (after its first replacement), node.next (during one), and a
//!                    folder per library with root.key, operator.key, publisher.key (0600)
//!   audit/           the audit log: each action and its actor; never removed
//!   peers.json       sources and their addresses: hints, never trusted
//!   pulls/           one file per library whose pull has begun and not ended
//!   behind/          one file per library with channels that are behind: since when, and announcing nodes
//!   whole/           one file per library: the manifests that were complete here
//!   heard/           one file per library that is complete although ledger records are lost
//!   cache/           scan caches and unfinished publishes; may be deleted
//!   restored/        restore records; may be deleted
//!   run/             0700; the admin socket
//!   backup.json      when the last backup was made, and of which keys
//!   moving, moved    while the home moves to another file system
//! ```

pub mod backup;
pub mod config;
pub(crate) mod heard;
pub mod keys;
pub mod lag;
pub mod moving;
pub mod owner;
mod parts;
pub mod peers;
pub mod refusals;
pub(crate) mod whole;

use std::{
    fs::DirBuilder,
    os::unix::fs::{DirBuilderExt, PermissionsExt},
    path::{Path, PathBuf},
};

use chuan_engine::{
    id::{LibraryId, NodeId},
    statement::Key,
};

use crate::{
    command::Role,
    exit::{Failure, Result},
    file,
    key_file::{self, Ask},
};
use chuan_storage::lock::HomeLock;
use config::Config;

/// A home that has been initialised. The value does not hold the home lock.
#[derive(Clone, Debug)]
pub struct Home {
    root: PathBuf,
}

impl Home {
    /// Makes a home: folders, the node's key and `chuan.toml`. After a crash, a repeated call finishes the
    /// work. Fails on a home that is complete. Durable when it returns.
    pub fn init(root: &Path, name: Option<&str>, role: Role) -> Result<Home> {
        let home = Home { root: absolute(root)? };
        moving::check_home(&home.root)?;
        if file::exists(&home.config_path())? {
            return Err(Failure::invalid(format!(
                "{} is a home already; use another folder, or edit its chuan.toml",
                home.root.display()
            )));
        }
        check_folder(&home.root)?;
        check_only_home(&home.root)?;
        if parts::is_used(&home) {
            return Err(Failure::invalid(parts::without_config(&home)));
        }
        make_dir(&home.root)?;
        check_private(&home.root)?;
        for dir in [home.store_dir(), home.keys_dir()].into_iter().chain(home.disposable_dirs()) {
            make_dir(&dir)?;
        }
        let node_key = match home.node_key() {
            Ok(key) => key,
            Err(failure) if failure.exit == crate::Exit::Missing => {
                let key = keys::generate()?;
                key_file::write(&home.node_key_path(), &key, None)?;
                key
            }
            Err(failure) => return Err(failure),
        };
        let id = NodeId::of(node_key.public().as_bytes());
        let name = name.map_or_else(|| format!("node-{}", &id.short()), str::to_owned);
        chuan_storage::ledger::create(&home.ledger_dir(), id)?;
        // Last: a home is initialised when its configuration is there.
        Config::write_first(&home.config_path(), &name, role)?;
        Ok(home)
    }

    /// Makes a new key for a node whose key is lost. `node` is the id that the node had: the home may have no
    /// other record of it. Fails where the key is still there: [`rotate`](crate::Node::rotate) replaces such
    /// a key. Other nodes do not know the new key before an operator binds it. Durable when it returns.
    pub fn renew(root: &Path, node: &NodeId) -> Result<Home> {
        let home = Self::find(root)?;
        let _lock = HomeLock::acquire_for(home.root(), "init")?;
        match home.node_key() {
            Err(failure) if failure.exit == crate::Exit::Missing => {}
            Err(failure) => return Err(failure),
            Ok(_) => {
                return Err(Failure::invalid(format!(
                    "{} is there: it is not lost, and `chuan rotate` replaces it",
                    home.node_key_path().display()
                )));
            }
        }
        if file::exists(&home.node_id_path())? && home.node_id()? != *node {
            return Err(Failure::invalid(format!(
                "{} says that this is node {}; give that",
                home.node_id_path().display(),
                home.node_id()?
            )));
        }
        let key = keys::generate()?;
        file::write_atomic(&home.node_id_path(), format!("{node}\n").as_bytes(), 0o600)?;
        key_file::write(&home.node_key_path(), &key, None)?;
        Ok(home)
    }

    /// Finds the home at `root`; fails with the remedy where there is none.
    pub fn find(root: &Path) -> Result<Home> {
        let home = Home { root: absolute(root)? };
        moving::check_home(&home.root)?;
        check_folder(&home.root)?;
        if !file::exists(&home.config_path())? {
            return Err(Failure::missing(match parts::is_used(&home) {
                true => parts::without_config(&home),
                false => format!(
                    "no home at {}; make one with `chuan init`, or give another one with the option `home`",
                    home.root.display()
                ),
            }));
        }
        parts::check(&home.root)?;
        // Backups and copies lose empty folders. These folders hold only data that can be made again.
        for dir in home.disposable_dirs() {
            match make_dir(&dir) {
                // The home can still be read.
                Err(failure) if failure.is_unwritable() => {}
                made => made?,
            }
        }
        Ok(home)
    }

    /// The folder itself, absolute.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Reads `chuan.toml` and `CHUAN_…` variables.
    pub fn config(&self) -> Result<Config> {
        Config::read(&self.config_path())
    }

    /// The node's secret key.
    pub fn node_key(&self) -> Result<Key> {
        key_file::read(&self.node_key_path(), Ask::Nobody).map_err(|failure| match failure.exit {
            crate::Exit::Missing => Failure::missing(format!(
                "the key of the node, {}, is not there: put it back, or make the home anew in another folder with `chuan home \
                 restore FILE`; without a backup, `chuan init` with the option `renew NODE` makes another key for the node \
                 with this id, which an operator must bind",
                self.node_key_path().display()
            )),
            _ => failure,
        })
    }

    /// The node's id: the id of its first key. It stays the same when the key is replaced.
    pub fn node_id(&self) -> Result<NodeId> {
        match file::read(&self.node_id_path()) {
            Ok(bytes) => {
                let text = String::from_utf8_lossy(&bytes);
                text.trim_end().parse().map_err(|_| {
                    Failure::new(
                        crate::Exit::Corrupt,
                        format!(
                            "{} is not a node id; put it back from a backup",
                            self.node_id_path().display()
                        ),
                    )
                })
            }
            Err(failure) if failure.exit == crate::Exit::Missing => Ok(self.node_key()?.node()),
            Err(failure) => Err(failure),
        }
    }

    /// Stores the key that is to replace the node's key, under the same passphrase, and the node's id in a
    /// file of its own, since the new key has another id. Durable when it returns.
    pub fn keep_next_key(&self, key: &Key) -> Result<()> {
        let id = self.node_id()?;
        file::write_atomic(&self.node_id_path(), format!("{id}\n").as_bytes(), 0o600)?;
        file::remove(&self.next_key_path())?;
        let passphrase = key_file::passphrase_of(&self.node_key_path(), Ask::Nobody)?;
        key_file::write(&self.next_key_path(), key, passphrase)
    }

    /// The key that is to replace the node's key; `None` while no rotation is under way.
    pub fn next_key(&self) -> Result<Option<Key>> {
        match key_file::read(&self.next_key_path(), Ask::Nobody) {
            Ok(key) => Ok(Some(key)),
            Err(failure) if failure.exit == crate::Exit::Missing => Ok(None),
            Err(failure) => Err(failure),
        }
    }

    /// Replaces the node's key by the next key; durable when it returns.
    pub fn take_next_key(&self) -> Result<()> {
        std::fs::rename(self.next_key_path(), self.node_key_path())
            .map_err(|error| Failure::io(format!("replace {}", self.node_key_path().display()), error))?;
        file::sync_dir(&self.keys_dir())
    }

    /// Removes the next key; durable when it returns.
    pub fn drop_next_key(&self) -> Result<()> {
        file::remove(&self.next_key_path())
    }

    fn node_id_path(&self) -> PathBuf {
        self.keys_dir().join("node.id")
    }

    fn next_key_path(&self) -> PathBuf {
        self.keys_dir().join("node.next")
    }

    /// The path of the configuration.
    pub fn config_path(&self) -> PathBuf {
        self.root.join("chuan.toml")
    }

    /// The folder of the store.
    pub fn store_dir(&self) -> PathBuf {
        self.root.join("store")
    }

    /// The folder of the ledger.
    pub fn ledger_dir(&self) -> PathBuf {
        self.root.join("ledger")
    }

    /// The folder of the secret keys.
    pub fn keys_dir(&self) -> PathBuf {
        self.root.join("keys")
    }

    /// The folder of the audit log.
    pub fn audit_dir(&self) -> PathBuf {
        self.root.join("audit")
    }

    /// The folder of the admin socket.
    pub fn run_dir(&self) -> PathBuf {
        self.root.join("run")
    }

    /// The path of the address book.
    pub fn peers_path(&self) -> PathBuf {
        self.root.join("peers.json")
    }

    /// The folder of the scan caches of publish.
    pub fn cache_dir(&self) -> PathBuf {
        self.root.join("cache")
    }

    /// The folder of the restore records.
    pub fn restored_dir(&self) -> PathBuf {
        self.root.join("restored")
    }

    /// The folders whose content can be made again.
    fn disposable_dirs(&self) -> [PathBuf; 4] {
        [self.pulls_dir(), self.cache_dir(), self.restored_dir(), self.run_dir()]
    }

    fn node_key_path(&self) -> PathBuf {
        self.keys_dir().join("node.key")
    }

    fn pulls_dir(&self) -> PathBuf {
        self.root.join("pulls")
    }

    /// Notes that a pull of `library` has begun; durable when it returns.
    pub fn begin_pull(&self, library: &LibraryId) -> Result<()> {
        file::write_atomic(&self.pulls_dir().join(library.to_string()), b"", 0o600)
    }

    /// Notes that a pull of `library` has ended without error.
    pub fn end_pull(&self, library: &LibraryId) -> Result<()> {
        file::remove(&self.pulls_dir().join(library.to_string()))
    }

    /// Whether a pull of `library` was begun and has not ended.
    pub fn pull_unfinished(&self, library: &LibraryId) -> bool {
        self.pulls_dir().join(library.to_string()).exists()
    }
}

/// Whether there is a home at `root`, of any node.
pub fn is_home(root: &Path) -> bool {
    root.join("chuan.toml").is_file() && root.join("keys").is_dir()
}

/// The home without `--home` and `CHUAN_HOME`: `~/.chuan`.
pub fn default_root() -> Result<PathBuf> {
    std::env::var_os("HOME")
        .filter(|home| !home.is_empty())
        .map(|home| PathBuf::from(home).join(".chuan"))
        .ok_or_else(|| Failure::usage("no home; give one with the option `home` or CHUAN_HOME"))
}

fn absolute(path: &Path) -> Result<PathBuf> {
    std::path::absolute(path).map_err(|error| Failure::io(format!("resolve {}", path.display()), error))
}

/// Refuses a path at which something else is than a folder. Nothing may be there.
fn check_folder(root: &Path) -> Result<()> {
    let Ok(found) = root.symlink_metadata() else { return Ok(()) };
    let shown = root.display();
    if found.is_symlink() && !file::exists(root)? {
        return Err(Failure::missing(format!(
            "{shown} is a link, and its target is not there now; mount its disk, or correct the link"
        )));
    }
    if root.is_dir() {
        return Ok(());
    }
    Err(Failure::invalid(format!(
        "{shown} is not a folder; give the folder of a home with the option `home`"
    )))
}

/// A folder that is there at the top of some file systems.
const LOST_FOUND: &str = "lost+found";

/// Refuses a folder that has other files than those of a home.
fn check_only_home(root: &Path) -> Result<()> {
    let failed = |error| Failure::io(format!("list {}", root.display()), error);
    let listing = match std::fs::read_dir(root) {
        Ok(listing) => listing,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(failed(error)),
    };
    for entry in listing {
        let name = entry.map_err(failed)?.file_name();
        // A name with a dot at its end is that of an unfinished write.
        let is_part = |part: &&str| name == **part || name == *format!(".{part}.tmp");
        if !parts::TOP.iter().chain([&LOST_FOUND]).any(is_part) {
            return Err(Failure::invalid(format!(
                "{} has other files, such as `{}`: a home is a folder of its own; use an empty or a new folder, such as \
                 {}",
                root.display(),
                name.to_string_lossy().escape_debug(),
                root.join("chuan").display()
            )));
        }
    }
    Ok(())
}

/// Refuses a folder in which other users may write: they could replace keys and configuration.
fn check_private(root: &Path) -> Result<()> {
    let failed = |error| Failure::io(format!("look at {}", root.display()), error);
    let mode = root.metadata().map_err(failed)?.permissions().mode();
    if mode & 0o002 == 0 {
        return Ok(());
    }
    Err(Failure::invalid(format!(
        "every user may write in {} (mode {:o}), so others could replace the keys of a home there; run \
         `chmod o-w {}`, or choose another folder",
        root.display(),
        mode & 0o7777,
        root.display()
    )))
}

/// Makes a folder that only its owner may enter, with its parents. A folder that exists is not changed.
pub(crate) fn make_dir(path: &Path) -> Result<()> {
    if path.is_dir() {
        return Ok(());
    }
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(path)
        .map_err(|error| Failure::io(format!("make {}", path.display()), error))?;
    match path.parent() {
        Some(parent) => file::sync_dir(parent),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn init_makes_a_home_once_and_finishes_an_interrupted_one() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().join("h");
        assert_eq!(Home::find(&root).unwrap_err().exit, crate::Exit::Missing);

        let home = Home::init(&root, Some("甲"), Role::Origin).unwrap();
        let key = home.node_key().unwrap().public();
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode(&home.keys_dir()), mode(&home.node_key_path())), (0o700, 0o600));
        assert_eq!(mode(&home.run_dir()), 0o700);
        assert_eq!(home.config().unwrap().name, "甲");
        assert_eq!(Home::init(&root, None, Role::Origin).unwrap_err().exit, crate::Exit::Invalid);

        // A crash before the configuration is written: the key stays the node's key.
        fs::remove_file(home.config_path()).unwrap();
        let again = Home::init(&root, Some("甲"), Role::Origin).unwrap();
        assert_eq!(again.node_key().unwrap().public(), key);
    }

    /// Symptom: a home was made in a folder of mode 0777, where any user could replace its keys.
    #[test]
    fn a_folder_in_which_all_users_may_write_becomes_no_home() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().join("h");
        fs::create_dir(&root).unwrap();
        for (mode, is_refused) in [(0o777, true), (0o1777, true), (0o775, false)] {
            fs::set_permissions(&root, fs::Permissions::from_mode(mode)).unwrap();
            let made = Home::init(&root, None, Role::Origin);
            assert_eq!(made.is_err(), is_refused, "mode {mode:o}");
            if let Err(failure) = made {
                assert_eq!(failure.exit, crate::Exit::Invalid);
                assert_eq!(fs::read_dir(&root).unwrap().count(), 0, "something was written");
            }
        }
    }

    /// The id stays when the key changes: after an operator has bound the new key, it is the same node.
    #[test]
    fn a_home_with_a_lost_key_gets_a_new_one() {
        let dir = tempfile::tempdir().unwrap();
        let home = Home::init(dir.path(), None, Role::Mirror).unwrap();
        let (id, key) = (home.node_id().unwrap(), home.node_key().unwrap().public());
        assert_eq!(Home::renew(dir.path(), &id).unwrap_err().exit, crate::Exit::Invalid);
        fs::remove_file(home.node_key_path()).unwrap();
        let home = Home::renew(dir.path(), &id).unwrap();
        assert_eq!(home.node_id().unwrap(), id);
        assert_ne!(home.node_key().unwrap().public(), key);
        fs::remove_file(home.node_key_path()).unwrap();
        let other = NodeId::of(&[7; 32]);
        assert_eq!(Home::renew(dir.path(), &other).unwrap_err().exit, crate::Exit::Invalid);
    }

    #[test]
    fn an_unfinished_pull_is_noted_until_it_ends() {
        let dir = tempfile::tempdir().unwrap();
        let home = Home::init(dir.path(), None, Role::Mirror).unwrap();
        let library = LibraryId::of(b"x");
        assert!(!home.pull_unfinished(&library));
        home.begin_pull(&library).unwrap();
        home.begin_pull(&library).unwrap();
        assert!(home.pull_unfinished(&library));
        home.end_pull(&library).unwrap();
        home.end_pull(&library).unwrap();
        assert!(!home.pull_unfinished(&library));
    }
}
