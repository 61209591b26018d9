//! Backups of a home: what a machine needs to act as this node again, in one encrypted file. Content is not
//! in it, and neither are statements: both come from peers. So a restored home cannot contradict a statement
//! that the node has signed since: it has lost its ledger, and signs nothing before a peer has sent its
//! statements.
//!
//! ```text
//! chuan-home-backup-1\n
//! -----BEGIN AGE ENCRYPTED FILE-----     the JSON of [`Content`], encrypted with a passphrase
//! ```
//!
//! `H/backup.json` notes the last backup, so that `status` can tell whether it has the keys of now.

use std::{
    collections::BTreeMap,
    fs,
    path::{Component, Path, PathBuf},
};

use chuan_engine::{
    id::{ChunkId, LibraryId, NodeId},
    ingest::{BACKUP_HEADING, KEY_ARMOR},
    limits::BACKUP_FILE_BYTES,
};
use data_encoding::BASE64;
use serde::{Deserialize, Serialize};

use super::{Home, absolute, make_dir, moving};
use crate::{
    exit::{Exit, Failure, Result},
    file,
    key_file::{self, Ask, BACKUP_PASSPHRASE, check_free},
    outcome::{BackupStatus, HomeBackedUp, HomeRestored},
};

/// The version of [`Content`].
const VERSION: u32 = 1;
/// The note of the last backup.
const NOTE: &str = "backup.json";
/// The state of a home without a backup.
pub(crate) const NONE: &str = "none";
/// Attempts to read the files of a home without a change meanwhile.
const ATTEMPTS: u32 = 5;
/// The maximum number of files in a backup.
const FILES: usize = 4096;
/// Permission bits of all files.
const MODE: u32 = 0o600;

/// The encrypted part of a backup.
#[derive(Serialize, Deserialize)]
struct Content {
    version: u32,
    node: String,
    time_ms: i64,
    /// By their path in the home.
    files: BTreeMap<String, FileContent>,
}

/// The bytes of a file.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum FileContent {
    Text(String),
    Base64(String),
}

impl FileContent {
    fn of(bytes: Vec<u8>) -> Self {
        match String::from_utf8(bytes) {
            Ok(text) => Self::Text(text),
            Err(error) => Self::Base64(BASE64.encode(error.as_bytes())),
        }
    }

    fn bytes(&self) -> Option<Vec<u8>> {
        match self {
            Self::Text(text) => Some(text.clone().into_bytes()),
            Self::Base64(text) => BASE64.decode(text.as_bytes()).ok(),
        }
    }
}

/// The note of the last backup.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default)]
struct Note {
    time_ms: i64,
    /// A hash of all files in `keys/`.
    keys: String,
}

/// The files of a home by their path in it.
type Files = BTreeMap<String, Vec<u8>>;

/// Writes a backup of `home` to the new file at `path`, encrypted with a passphrase from `ask`. The home may
/// be open. Durable when it returns; blocks while a passphrase is typed.
///
/// # Errors
///
/// Invalid where `path` exists, or lies in the home.
pub fn write(home: &Home, path: &Path, ask: Ask, now_ms: i64) -> Result<HomeBackedUp> {
    let path = &absolute(path)?;
    check_free(path)?;
    let folder = path.parent().and_then(|folder| folder.canonicalize().ok());
    let own = home.root.canonicalize().unwrap_or_else(|_| home.root.clone());
    if folder.is_some_and(|folder| folder.starts_with(&own)) {
        return Err(Failure::invalid(format!(
            "{} lies in the home: a backup is lost with it; choose a folder on another disk",
            path.display()
        )));
    }
    let (mut files, absent) = settled(home)?;
    let node = home.node_id()?;
    let keys = digest(&files);
    let passphrase = ask.fresh(BACKUP_PASSPHRASE, path)?;
    let mut peers = home.peers().unwrap_or_default();
    let text = loop {
        let content = Content {
            version: VERSION,
            node: node.to_string(),
            time_ms: now_ms,
            files: files.iter().map(|(path, bytes)| (path.clone(), FileContent::of(bytes.clone()))).collect(),
        };
        let plain = serde_json::to_vec(&content)
            .map_err(|error| Failure::internal(format!("encode a backup: {error}")))?;
        let text = format!("{BACKUP_HEADING}\n{}", key_file::encrypted(path, &plain, passphrase.clone())?);
        if text.len() as u64 <= BACKUP_FILE_BYTES {
            break text;
        }
        // Addresses of peers are hints: fewer of them do.
        if !peers.halve() {
            return Err(Failure::invalid(format!(
                "the keys and settings of this home take more than {BACKUP_FILE_BYTES} bytes; copy the folder {} instead",
                home.keys_dir().display()
            )));
        }
        files.insert(
            "peers.json".to_owned(),
            peers.encode().map_err(|error| Failure::internal(format!("encode peers: {error}")))?,
        );
    };
    file::write_new(path, text.as_bytes(), MODE)?;
    let unnoted = match note(home, &Note { time_ms: now_ms, keys }) {
        Ok(()) => None,
        // The file is complete: only `status` does not know of it.
        Err(failure) if failure.is_unwritable() => Some(failure.message),
        Err(failure) => return Err(failure),
    };
    Ok(HomeBackedUp {
        file: path.display().to_string(),
        node: node.to_string(),
        time_ms: now_ms,
        keys: files.keys().filter(|path| is_key(path)).cloned().collect(),
        keys_absent: absent,
        libraries: libraries(&files).len() as u64,
        peers: peers.iter().count() as u64,
        bytes: text.len() as u64,
        unnoted,
    })
}

/// Makes a home at `root` from the backup in the file at `path`. After a crash, a repeated call finishes the
/// work. Durable when it returns; blocks while a passphrase is typed.
///
/// # Errors
///
/// Invalid where `root` has files of another home.
pub fn restore(root: &Path, path: &Path, ask: Ask) -> Result<HomeRestored> {
    let home = Home { root: absolute(root)? };
    moving::check_home(&home.root)?;
    if file::exists(&home.config_path())? {
        return Err(Failure::invalid(format!(
            "{} is a home already; restore into another folder, with the option `home`",
            home.root.display()
        )));
    }
    for part in [home.ledger_dir(), home.store_dir()] {
        if file::exists(&part)? {
            return Err(Failure::invalid(format!(
                "{} is there already: it is a part of another home; restore into a folder of its own",
                part.display()
            )));
        }
    }
    let content = read(path, ask)?;
    let files = checked(path, &content)?;
    make_dir(&home.root)?;
    make_dir(&home.keys_dir())?;
    for (name, bytes) in files.iter().filter(|(name, _)| name.as_str() != "chuan.toml") {
        let place = home.root.join(name);
        match file::read(&place) {
            Ok(found) if found == *bytes => continue,
            Err(failure) if failure.exit == Exit::Missing => {}
            Ok(_) | Err(_) => return Err(file::is_there(&place)),
        }
        place.parent().map_or(Ok(()), make_dir)?;
        file::write_atomic(&place, bytes, MODE)?;
    }
    note(&home, &Note { time_ms: content.time_ms, keys: digest(&files) })?;
    // Last: a home is complete when its configuration is there.
    let config = files.get("chuan.toml").map(Vec::as_slice).unwrap_or_default();
    file::write_atomic(&home.config_path(), config, MODE)?;
    let config = home.config()?;
    Ok(HomeRestored {
        home: home.root.display().to_string(),
        node: content.node,
        name: config.name,
        time_ms: content.time_ms,
        keys: files.keys().filter(|path| is_key(path)).cloned().collect(),
        libraries: libraries(&files).iter().map(ToString::to_string).collect(),
        peers: home.peers().unwrap_or_default().iter().count() as u64,
    })
}

/// Whether a home has a backup, and whether that has the keys of now.
pub(crate) fn status(home: &Home) -> BackupStatus {
    let read = file::read(&home.root.join(NOTE)).ok();
    let note: Option<Note> = read.and_then(|bytes| serde_json::from_slice(&bytes).ok());
    let state = match &note {
        None => NONE,
        Some(note) => match gather(home) {
            Ok((files, _)) if digest(&files) == note.keys => "current",
            _ => "outdated",
        },
    };
    BackupStatus { state: state.to_owned(), time_ms: note.map(|note| note.time_ms) }
}

fn note(home: &Home, note: &Note) -> Result<()> {
    let bytes =
        serde_json::to_vec(note).map_err(|error| Failure::internal(format!("encode a note: {error}")))?;
    file::write_atomic(&home.root.join(NOTE), &bytes, MODE)
}

/// The files of a home and the keys that cannot be read now, as [`gather`] finds them twice without a change
/// between: a node that replaces its key writes several files.
fn settled(home: &Home) -> Result<(Files, Vec<String>)> {
    let mut last = gather(home)?;
    for _ in 0..ATTEMPTS {
        let again = gather(home)?;
        if again == last {
            return Ok(again);
        }
        last = again;
    }
    Err(Failure::busy("the keys or settings of the home change all the time; try again"))
}

/// The files that a backup holds: settings, peers, and everything in `keys/`. A key behind a link whose disk
/// is not here now is listed apart.
fn gather(home: &Home) -> Result<(Files, Vec<String>)> {
    let mut found = (Files::new(), Vec::new());
    found.0.insert("chuan.toml".to_owned(), file::read(&home.config_path())?);
    match file::read(&home.peers_path()) {
        Ok(peers) => drop(found.0.insert("peers.json".to_owned(), peers)),
        Err(failure) if failure.exit == Exit::Missing => {}
        Err(failure) => return Err(failure),
    }
    gather_keys(&home.keys_dir(), "keys", true, &mut found)?;
    Ok(found)
}

fn gather_keys(folder: &Path, name: &str, has_folders: bool, found: &mut (Files, Vec<String>)) -> Result<()> {
    let failed = |error| Failure::io(format!("read {}", folder.display()), error);
    for entry in fs::read_dir(folder).map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        // A name with a dot is that of an unfinished write.
        let own = path.file_name().and_then(|name| name.to_str()).filter(|name| !name.starts_with('.'));
        let Some(own) = own else { continue };
        let name = format!("{name}/{own}");
        match fs::metadata(&path) {
            Ok(stat) if stat.is_dir() && has_folders => gather_keys(&path, &name, false, found)?,
            Ok(stat) if stat.is_file() => drop(found.0.insert(name, file::read(&path)?)),
            Ok(_) => {}
            Err(_) if path.is_symlink() => found.1.push(name),
            // It was replaced meanwhile.
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            Err(error) => return Err(Failure::io(format!("look at {}", path.display()), error)),
        }
    }
    found.1.sort();
    Ok(())
}

/// A hash of all files in `keys/`.
fn digest(files: &Files) -> String {
    let mut bytes = Vec::new();
    for (path, content) in files.iter().filter(|(path, _)| path.starts_with("keys/")) {
        bytes.extend_from_slice(ChunkId::of(path.as_bytes()).as_bytes());
        bytes.extend_from_slice(ChunkId::of(content).as_bytes());
    }
    ChunkId::of(&bytes).to_string()
}

fn is_key(path: &str) -> bool {
    path.starts_with("keys/") && path.ends_with(".key")
}

/// The libraries of which files are in the backup.
fn libraries(files: &Files) -> Vec<LibraryId> {
    let mut found: Vec<LibraryId> =
        files.keys().filter_map(|path| path.split('/').nth(1)?.parse().ok()).collect();
    found.dedup();
    found
}

/// Reads and decrypts a backup.
fn read(path: &Path, ask: Ask) -> Result<Content> {
    let most = usize::try_from(BACKUP_FILE_BYTES).unwrap_or(usize::MAX);
    let text = file::read_at_most(path, most)?;
    let armor = text.strip_prefix(BACKUP_HEADING.as_bytes()).map(<[u8]>::trim_ascii_start);
    let armor =
        armor.filter(|armor| armor.starts_with(KEY_ARMOR.as_bytes())).ok_or_else(|| no_backup(path))?;
    let plain = key_file::decrypted(path, armor, ask.of_backup(path)?, no_backup)?;
    let content: Content = serde_json::from_slice(&plain).map_err(|_| no_backup(path))?;
    if content.version != VERSION {
        return Err(Failure::invalid(format!(
            "{} is a backup of version {}, and this chuan reads version {VERSION}; use the chuan that wrote it",
            path.display(),
            content.version
        )));
    }
    Ok(content)
}

/// The files of a backup, if all of them belong into a home.
fn checked(path: &Path, content: &Content) -> Result<Files> {
    let mut files = Files::new();
    for (name, file) in content.files.iter().take(FILES) {
        let bytes = file.bytes().filter(|_| is_home_file(name)).ok_or_else(|| no_backup(path))?;
        files.insert(name.clone(), bytes);
    }
    let is_whole = files.len() == content.files.len()
        && ["chuan.toml", "keys/node.key"].iter().all(|name| files.contains_key(*name))
        && content.node.parse::<NodeId>().is_ok();
    if is_whole { Ok(files) } else { Err(no_backup(path)) }
}

/// Whether a path is one that a backup may hold: it never leads out of the home.
fn is_home_file(name: &str) -> bool {
    let path = PathBuf::from(name);
    let is_plain = path.components().all(|part| matches!(part, Component::Normal(_)));
    let depth = path.components().count();
    let has_odd = name.split('/').any(|part| part.is_empty() || part.starts_with('.'));
    let is_one = ["chuan.toml", "peers.json"].contains(&name);
    is_plain && !has_odd && (is_one || name.starts_with("keys/") && depth <= 3)
}

fn no_backup(path: &Path) -> Failure {
    Failure::new(
        Exit::Corrupt,
        format!("{} is not a complete backup of a chuan home; use another copy of it", path.display()),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_settings_peers_and_keys_are_files_of_a_backup() {
        for name in ["chuan.toml", "peers.json", "keys/node.key", "keys/ab/root.statement"] {
            assert!(is_home_file(name), "{name}");
        }
        for name in [
            "",
            "keys",
            "keys/",
            "/etc/x",
            "keys/../x",
            "keys/a/b/c",
            "keys/.a.tmp",
            "store/x",
            "../k",
            "./k",
        ] {
            assert!(!is_home_file(name), "{name}");
        }
    }

    #[test]
    fn bytes_come_back_whether_they_are_text_or_not() {
        for bytes in [b"name = \"x\"\n".to_vec(), vec![0, 255, 7], Vec::new()] {
            assert_eq!(FileContent::of(bytes.clone()).bytes(), Some(bytes));
        }
    }
}
