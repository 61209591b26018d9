//! A record, outside the home, of what each publisher's key has signed on this machine. With it a home can
//! show that it lacks no statement of its own key, although no peer can be asked.
//!
//! A file per library has, for each key, the ids of its newest releases and channel statements. Before such a
//! statement goes into the ledger, the record gets its id, marked as begun; after the ledger has it, the mark
//! goes. So the record is never behind the ledger: a home that was restored from a backup lacks a recorded
//! statement and does not match, and so does a copy of a home on this machine that did not sign the last one.
//! The same home matches again once it got the missing statements back. A home may have more than the record:
//! with another home folder of the user, such as that of a timer's job, statements go into another record.
//! After a crash between the two writes the home matches with the begun statement and without it.
//!
//! This cannot show: a copy of the home on another machine that signs with the same key, and a snapshot
//! of the whole machine that is put back, record included. `docs/operations.md` says what to do there.

use std::{
    collections::{BTreeMap, BTreeSet},
    env, fs,
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
};

use chuan_engine::{
    id::{LibraryId, StatementId},
    ingest::RECORD_FORMAT,
    statement::{Body, Library, PublicKey, Statement},
};
use serde::{Deserialize, Serialize};

use crate::{
    exit::{Failure, Result},
    file,
    home::{Home, make_dir, owner},
    limits::SIGNED_RECORD,
};

/// The record where the user has no home folder.
const SYSTEM_STATE: &str = "/var/lib";
/// The id of this machine. A copy of the record on another machine is not believed.
const MACHINE_ID: &str = "/etc/machine-id";

/// The records of all libraries.
#[derive(Debug, Default)]
pub(crate) struct SignedRecord {
    /// The folder of the records; `None` if there is none outside the home.
    dir: Option<PathBuf>,
    /// Held while a record is read and written again.
    writer: Mutex<()>,
}

/// The record of one library.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
struct Record {
    /// [`RECORD_FORMAT`]. The first field: by it a publish leaves the file out.
    #[serde(default)]
    format: String,
    /// The machine that wrote it.
    machine: String,
    /// The newest statements of each publisher's key that the ledger has, at most [`SIGNED_RECORD`].
    keys: BTreeMap<String, Vec<String>>,
    /// Those that are being written into the ledger; empty once it has them.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    begun: BTreeMap<String, Vec<String>>,
}

impl Record {
    /// Whether `library`, without the statements `but`, has every recorded statement of a key; `None` where
    /// none is recorded.
    fn is_in(&self, library: &Library, key: &PublicKey, but: &[StatementId]) -> Option<bool> {
        let has =
            |id: &String| id.parse().is_ok_and(|id| !but.contains(&id) && library.statement(&id).is_some());
        Some(self.keys.get(&key.to_string())?.iter().all(has))
    }
}

/// The finding of the record about the statements of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Evidence {
    /// The library has every statement that the key has signed on this machine, as far as it is recorded.
    Complete,
    /// The key has signed other statements on this machine than the library has.
    Different,
    /// This machine has no record of the key.
    NoRecord,
    /// No record can be kept outside the home.
    NoPlace,
}

/// The newest releases and channel statements that `key` has signed in `library`, without the statements
/// `but`.
fn newest(library: &Library, key: &PublicKey, but: &[StatementId]) -> Vec<String> {
    let all = library.statements().into_iter();
    let mut own: Vec<_> =
        all.filter(|statement| is_signed_by(statement, key) && !but.contains(&statement.id())).collect();
    own.sort_by_key(|statement| (statement.time_ms(), statement.sequence(), statement.id()));
    let older = own.len().saturating_sub(SIGNED_RECORD);
    own.iter().skip(older).map(|statement| statement.id().to_string()).collect()
}

impl SignedRecord {
    /// The records of this machine: in `$XDG_STATE_HOME/chuan`, else in `~/.local/state/chuan`, else in
    /// `/var/lib/chuan`. There are none if that folder is in the home: a backup of the home would have it
    /// too. A command of root on the home of another user has the records of that user.
    pub(crate) fn beside(home: &Home) -> Self {
        if cfg!(test) {
            // Unit tests leave nothing in the folder of the user who runs them.
            return Self::default();
        }
        let absolute = |name| env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
        let below = |folder: PathBuf| folder.join(".local/state");
        let state = match owner::acts_for_another() {
            // The variables name folders of root.
            true => owner::own_folder().map(below),
            false => absolute("XDG_STATE_HOME")
                .or_else(|| absolute("HOME").map(below))
                .or_else(|| Some(SYSTEM_STATE.into())),
        };
        let dir = state.map(|state| state.join("chuan"));
        Self { dir: dir.filter(|dir| !dir.starts_with(home.root())), ..Self::default() }
    }

    /// Records in this folder.
    #[cfg(test)]
    pub(crate) fn at(dir: &Path) -> Self {
        Self { dir: Some(dir.to_owned()), ..Self::default() }
    }

    /// Whether `library` has every statement that `key` has signed on this machine. Blocks.
    pub(crate) fn evidence(&self, library: &Library, key: &PublicKey) -> Evidence {
        if self.dir.is_none() {
            return Evidence::NoPlace;
        }
        match self.read(&library.id()).is_in(library, key, &[]) {
            Some(true) => Evidence::Complete,
            Some(false) => Evidence::Different,
            None => Evidence::NoRecord,
        }
    }

    /// The recorded statements of `key`, begun ones included. Blocks.
    pub(crate) fn recorded(&self, library: &LibraryId, key: &PublicKey) -> BTreeSet<String> {
        let Record { keys, begun, .. } = self.read(library);
        let of_key =
            |all: BTreeMap<String, Vec<String>>| all.into_iter().find(|(of, _)| *of == key.to_string());
        [keys, begun].into_iter().filter_map(of_key).flat_map(|(_, ids)| ids).collect()
    }

    /// Records what `key` has signed in `library`: peers were asked and know no more, or the caller decided
    /// that this is all. Blocks.
    pub(crate) fn trust(&self, library: &Library, key: &PublicKey) {
        self.change(&library.id(), |record| {
            record.keys.insert(key.to_string(), newest(library, key, &[]));
            record.begun.remove(&key.to_string());
        });
    }

    /// Records the new statements `news` of publishers before they are stored; `after` is the library with
    /// them. A key whose record did not match before is left alone. Blocks.
    pub(crate) fn before_write(&self, after: &Library, news: &[&Statement]) {
        let is_publishers = |statement: &&&Statement| is_publication(statement);
        let signers = news.iter().filter(is_publishers).flat_map(|statement| statement.signers());
        let mut signers: Vec<_> = signers.copied().collect();
        signers.sort_unstable();
        signers.dedup();
        if signers.is_empty() {
            return;
        }
        let ids: Vec<_> = news.iter().map(|statement| statement.id()).collect();
        self.change(&after.id(), |record| {
            for key in &signers {
                let before = newest(after, key, &ids);
                if !record.is_in(after, key, &ids).unwrap_or(before.is_empty()) {
                    continue;
                }
                record.keys.insert(key.to_string(), before);
                let own = news.iter().filter(|statement| is_signed_by(statement, key));
                let begun = own.map(|statement| statement.id().to_string()).collect();
                record.begun.insert(key.to_string(), begun);
            }
        });
    }

    /// Records that the ledger has the statements of `library` which [`SignedRecord::before_write`] recorded.
    /// Blocks.
    pub(crate) fn after_write(&self, library: &Library) {
        if self.read(&library.id()).begun.is_empty() {
            return;
        }
        self.change(&library.id(), |record| {
            let begun = std::mem::take(&mut record.begun);
            for (key, ids) in begun {
                let has = |id: &String| id.parse().is_ok_and(|id| library.statement(&id).is_some());
                match key.parse::<PublicKey>() {
                    Ok(signer) if ids.iter().all(has) => {
                        record.keys.insert(key, newest(library, &signer, &[]));
                    }
                    // Another command may be writing the statement meanwhile.
                    _ => drop(record.begun.insert(key, ids)),
                }
            }
        });
    }

    /// The record of a library; empty if there is none, it is damaged, or another machine wrote it.
    fn read(&self, library: &LibraryId) -> Record {
        let record = self.path(library).and_then(|path| {
            let bytes = fs::read(path).ok()?;
            serde_json::from_slice::<Record>(&bytes).ok()
        });
        record.filter(|record| record.machine == machine()).unwrap_or_default()
    }

    /// Changes the record of a library; durable when it returns. A failure is logged, and the record removed:
    /// peers are asked then.
    fn change(&self, library: &LibraryId, edit: impl FnOnce(&mut Record)) {
        let Some(path) = self.path(library) else { return };
        let _writer = self.writer.lock().unwrap_or_else(PoisonError::into_inner);
        let before = self.read(library);
        let mut record = Record { format: RECORD_FORMAT.to_owned(), machine: machine(), ..before.clone() };
        edit(&mut record);
        if record == before {
            return;
        }
        if let Err(failure) = write(&path, &record) {
            tracing::warn!(%failure, "what was signed here is not recorded; a publish then needs a peer to ask");
            let _ = file::remove(&path);
        }
    }

    fn path(&self, library: &LibraryId) -> Option<PathBuf> {
        Some(self.dir.as_ref()?.join(format!("{library}.json")))
    }
}

fn write(path: &Path, record: &Record) -> Result<()> {
    path.parent().map_or(Ok(()), make_dir)?;
    let bytes = serde_json::to_vec_pretty(record)
        .map_err(|error| Failure::internal(format!("encode what was signed here: {error}")))?;
    file::write_atomic(path, &bytes, 0o600)
}

fn machine() -> String {
    fs::read_to_string(MACHINE_ID).unwrap_or_default().trim().to_owned()
}

fn is_publication(statement: &Statement) -> bool {
    matches!(statement.body(), Body::Release(_) | Body::Channel(_))
}

fn is_signed_by(statement: &Statement, key: &PublicKey) -> bool {
    is_publication(statement) && statement.signers().any(|signer| signer == key)
}

#[cfg(test)]
mod tests {
    use chuan_engine::{
        id::{ManifestId, Salt},
        statement::{
            Key,
            library::{Founders, found, release},
        },
    };

    use super::*;

    fn key(n: u8) -> Key {
        Key::from_seed([n; 32])
    }

    fn films() -> Library {
        let (root, operator, publisher) = (key(1), key(2), key(3));
        let keys = Founders { root: &root, operator: &operator, publisher: &publisher };
        let (id, first) = found("films", keys, Salt::from_bytes([9; 32]), 1).unwrap();
        Library::open(id, [first], 1).unwrap()
    }

    /// The library with one more release, and that release.
    fn with_release(library: &Library, n: u8) -> (Library, Statement) {
        let parents = library.releases().last().map(|said| said.statement.id()).into_iter().collect();
        let said = release(library, &key(3), parents, ManifestId::from_bytes([n; 32]), "", 1).unwrap();
        let mut after = library.clone();
        assert!(after.offer(&said, 1).unwrap().is_news());
        (after, said)
    }

    #[test]
    fn a_home_vouches_for_itself_only_with_all_that_its_key_signed_here() {
        let dir = tempfile::tempdir().unwrap();
        let (signed, publisher) = (SignedRecord::at(&dir.path().join("state")), key(3).public());
        let evidence = |library: &Library| signed.evidence(library, &publisher);
        let empty = films();
        assert_eq!(evidence(&empty), Evidence::NoRecord);
        let (one, first) = with_release(&empty, 1);
        signed.before_write(&one, &[&first]);
        // A crash here leaves the home with the statement or without it.
        assert_eq!([&empty, &one].map(evidence), [Evidence::Complete; 2]);
        signed.after_write(&empty);
        assert_eq!(evidence(&empty), Evidence::Complete, "the ledger does not have it yet");
        signed.after_write(&one);
        assert_eq!([&empty, &one].map(evidence), [Evidence::Different, Evidence::Complete]);
        let (two, second) = with_release(&one, 2);
        signed.before_write(&two, &[&second]);
        signed.after_write(&two);
        assert_eq!(
            [&one, &two].map(evidence),
            [Evidence::Different, Evidence::Complete],
            "a restored backup"
        );

        // The restored home signs another release: its record does not become right by that.
        let (other, rival) = with_release(&one, 3);
        signed.before_write(&other, &[&rival]);
        signed.after_write(&other);
        assert_eq!([&other, &two].map(evidence), [Evidence::Different, Evidence::Complete]);
        // A user's other home folder has a record of its own.
        let (three, third) = with_release(&two, 4);
        let elsewhere = SignedRecord::at(&dir.path().join("other"));
        elsewhere.before_write(&three, &[&third]);
        elsewhere.after_write(&three);
        assert_eq!(evidence(&three), Evidence::Complete, "the home has more than the record");
        signed.trust(&other, &publisher);
        assert_eq!([&other, &two].map(evidence), [Evidence::Complete, Evidence::Different]);
        assert_eq!(SignedRecord::default().evidence(&one, &publisher), Evidence::NoPlace);
    }

    #[test]
    fn a_record_of_another_machine_and_a_key_known_before_the_record_are_not_believed() {
        let dir = tempfile::tempdir().unwrap();
        let (signed, publisher) = (SignedRecord::at(dir.path()), key(3).public());
        let (one, _) = with_release(&films(), 1);
        let evidence = |library: &Library| signed.evidence(library, &publisher);
        let (two, second) = with_release(&one, 2);
        signed.before_write(&two, &[&second]);
        signed.after_write(&two);
        assert_eq!(evidence(&two), Evidence::NoRecord, "what the key signed before is not known");
        signed.trust(&two, &publisher);
        assert_eq!(evidence(&two), Evidence::Complete);
        let path = signed.path(&two.id()).unwrap();
        let record = Record { machine: "another".into(), ..signed.read(&two.id()) };
        write(&path, &record).unwrap();
        assert_eq!(evidence(&two), Evidence::NoRecord);
        fs::write(&path, "{").unwrap();
        assert_eq!(evidence(&two), Evidence::NoRecord);
    }
}
