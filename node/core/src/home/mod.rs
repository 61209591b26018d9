//! A home: where everything of one node lies on disk. Owns the layout and its small files; knows nothing of what they
//! mean to other nodes.
//!
//! ```text
//! H/                 0700
//!   chuan.toml       configuration, for people to edit
//!   lock             taken by whoever opens the home
//!   store/           segments and their index
//!   ledger/          0700; a and b: statements and refs, twice
//!   keys/            0700; node.key (node.id and node.next once it was replaced), and a folder per library with root.key, operator.key, publisher.key (0600)
//!   audit/           the audit log: who did what; never removed
//!   peers.json       sources and where they were reached: hints, never trusted
//!   pulls/           one file per library whose pull has begun and not ended
//!   behind/          one file per library of which something newer was announced than is here: since when, and who has it
//!   cache/           what publish remembers of files it has read; may be deleted
//!   restored/        what restore remembers of folders it has written; may be deleted
//!   run/             0700; the admin socket
//! ```

pub mod config;
pub mod file;
mod heard;
pub mod keys;
pub mod lag;
pub mod peers;
mod whole;

use std::{
    fs::DirBuilder,
    os::unix::fs::DirBuilderExt,
    path::{Path, PathBuf},
};

use chuan_engine::{
    id::{LibraryId, NodeId},
    statement::Key,
};

use crate::{
    command::Role,
    exit::{Failure, Result},
    keyring::{self, Ask},
};
use chuan_storage::lock::HomeLock;
use config::Config;

/// A home that has been initialised. Holding one locks nothing.
#[derive(Clone, Debug)]
pub struct Home {
    root: PathBuf,
}

impl Home {
    /// Makes a home: folders, the node's key and `chuan.toml`. Repeating it finishes what a crash left undone; fails
    /// on a home that is complete. Durable when it returns.
    pub fn init(root: &Path, name: Option<&str>, role: Role) -> Result<Home> {
        let home = Home { root: absolute(root)? };
        if home.config_path().exists() {
            return Err(Failure::invalid(format!(
                "{} is a home already; use another folder, or edit its chuan.toml",
                home.root.display()
            )));
        }
        make_dir(&home.root)?;
        for dir in [home.store_dir(), home.keys_dir()].into_iter().chain(home.passing_dirs()) {
            make_dir(&dir)?;
        }
        let node_key = match home.node_key() {
            Ok(key) => key,
            Err(failure) if failure.exit == crate::Exit::Missing => {
                let key = keys::generate()?;
                keyring::write(&home.node_key_path(), &key, None)?;
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

    /// Gives the node of a home whose key is lost another one: `node` is what its id was, since nothing else of it is left. Fails
    /// where the key is there: [`rotate`](crate::Node::rotate) replaces one that still signs. Nobody knows the new key before an
    /// operator binds it. Durable when it returns.
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
        if home.node_id_path().exists() && home.node_id()? != *node {
            return Err(Failure::invalid(format!(
                "{} says that this is node {}; give that",
                home.node_id_path().display(),
                home.node_id()?
            )));
        }
        let key = keys::generate()?;
        file::write_atomic(&home.node_id_path(), format!("{node}\n").as_bytes(), 0o600)?;
        keyring::write(&home.node_key_path(), &key, None)?;
        Ok(home)
    }

    /// Finds the home at `root`; fails with the remedy where there is none.
    pub fn find(root: &Path) -> Result<Home> {
        let home = Home { root: absolute(root)? };
        if !home.config_path().exists() {
            return Err(Failure::missing(format!(
                "no home at {}; make one with `chuan --home {} init`",
                home.root.display(),
                root.display()
            )));
        }
        // Backups and copies lose empty folders, and none of these holds anything that cannot be made anew.
        for dir in home.passing_dirs() {
            make_dir(&dir)?;
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
        keyring::read(&self.node_key_path(), Ask::Nobody)
    }

    /// The node's id: that of its first key, which it keeps when its key is replaced.
    pub fn node_id(&self) -> Result<NodeId> {
        match file::read(&self.node_id_path()) {
            Ok(bytes) => {
                let text = String::from_utf8_lossy(&bytes);
                text.trim_end().parse().map_err(|_| {
                    Failure::new(
                        crate::Exit::Corrupt,
                        format!("{} is no node id; put it back from a backup", self.node_id_path().display()),
                    )
                })
            }
            Err(failure) if failure.exit == crate::Exit::Missing => Ok(self.node_key()?.node()),
            Err(failure) => Err(failure),
        }
    }

    /// Keeps the key that is to succeed the node's, under the same passphrase, and for good the id that the first key gave it;
    /// durable when it returns.
    pub fn keep_next_key(&self, key: &Key) -> Result<()> {
        let id = self.node_id()?;
        file::write_atomic(&self.node_id_path(), format!("{id}\n").as_bytes(), 0o600)?;
        file::remove(&self.next_key_path())?;
        let passphrase = keyring::passphrase_of(&self.node_key_path(), Ask::Nobody)?;
        keyring::write(&self.next_key_path(), key, passphrase)
    }

    /// The key that is to succeed the node's; none where no rotation is under way.
    pub fn next_key(&self) -> Result<Option<Key>> {
        match keyring::read(&self.next_key_path(), Ask::Nobody) {
            Ok(key) => Ok(Some(key)),
            Err(failure) if failure.exit == crate::Exit::Missing => Ok(None),
            Err(failure) => Err(failure),
        }
    }

    /// Makes the next key the node's; durable when it returns.
    pub fn take_next_key(&self) -> Result<()> {
        std::fs::rename(self.next_key_path(), self.node_key_path())
            .map_err(|error| Failure::io(format!("replace {}", self.node_key_path().display()), error))?;
        file::sync_dir(&self.keys_dir())
    }

    /// Forgets the next key.
    pub fn drop_next_key(&self) -> Result<()> {
        file::remove(&self.next_key_path())
    }

    fn node_id_path(&self) -> PathBuf {
        self.keys_dir().join("node.id")
    }

    fn next_key_path(&self) -> PathBuf {
        self.keys_dir().join("node.next")
    }

    /// Where the configuration lies.
    pub fn config_path(&self) -> PathBuf {
        self.root.join("chuan.toml")
    }

    /// Where the store lies.
    pub fn store_dir(&self) -> PathBuf {
        self.root.join("store")
    }

    /// Where the ledger lies.
    pub fn ledger_dir(&self) -> PathBuf {
        self.root.join("ledger")
    }

    /// Where secret keys lie.
    pub fn keys_dir(&self) -> PathBuf {
        self.root.join("keys")
    }

    /// Where the audit log lies.
    pub fn audit_dir(&self) -> PathBuf {
        self.root.join("audit")
    }

    /// Where the admin socket lies.
    pub fn run_dir(&self) -> PathBuf {
        self.root.join("run")
    }

    /// Where peers are remembered.
    pub fn peers_path(&self) -> PathBuf {
        self.root.join("peers.json")
    }

    /// Where publish remembers the files it has read.
    pub fn cache_dir(&self) -> PathBuf {
        self.root.join("cache")
    }

    /// Where restore remembers the folders it has written.
    pub fn restored_dir(&self) -> PathBuf {
        self.root.join("restored")
    }

    /// The folders that hold nothing that cannot be made anew.
    fn passing_dirs(&self) -> [PathBuf; 4] {
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

    /// Notes that a pull of `library` has ended well.
    pub fn end_pull(&self, library: &LibraryId) -> Result<()> {
        file::remove(&self.pulls_dir().join(library.to_string()))
    }

    /// Whether a pull of `library` was begun and has not ended.
    pub fn pull_unfinished(&self, library: &LibraryId) -> bool {
        self.pulls_dir().join(library.to_string()).exists()
    }
}

/// Whether there is a home at `root`, of whatever node.
pub fn is_home(root: &Path) -> bool {
    root.join("chuan.toml").is_file() && root.join("keys").is_dir()
}

/// Where the home is when neither `--home` nor `CHUAN_HOME` says: `~/.chuan`.
pub fn default_root() -> Result<PathBuf> {
    std::env::var_os("HOME")
        .filter(|home| !home.is_empty())
        .map(|home| PathBuf::from(home).join(".chuan"))
        .ok_or_else(|| Failure::usage("no home; give one with --home or CHUAN_HOME"))
}

fn absolute(path: &Path) -> Result<PathBuf> {
    std::path::absolute(path).map_err(|error| Failure::io(format!("resolve {}", path.display()), error))
}

/// Makes a folder that only its owner may enter, with its parents; one that exists is left as it is.
fn make_dir(path: &Path) -> Result<()> {
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
    use std::{fs, os::unix::fs::PermissionsExt};

    use super::*;

    #[test]
    fn init_makes_a_home_once_and_finishes_one_left_undone() {
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

        // A crash before the configuration was written: the key that was made stays the node's key.
        fs::remove_file(home.config_path()).unwrap();
        let again = Home::init(&root, Some("甲"), Role::Origin).unwrap();
        assert_eq!(again.node_key().unwrap().public(), key);
    }

    /// The id stays, whatever the key: who lost a key is the same node when an operator has bound the new one.
    #[test]
    fn a_home_whose_key_is_lost_gets_another() {
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
    fn an_unfinished_pull_is_remembered_until_it_ends() {
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
