//! The statements of a removed key: its releases, members, tickets, channels, policies and revocations stay
//! effective only if the next root pins them. Revocations that do not fit into the root go to lists beside
//! the file of roots.

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
};

use chuan::{
    engine::{
        id::{LibraryId, StatementId},
        limits::{PIN_LIST_IDS, PINS},
        statement::{
            Body, Bundle, Draft, Header, Library, Pins, PublicKey, RoleKind, Root, Statement,
            legacy::{revocations_by, standing_by},
        },
    },
    file,
    home::keys,
    session::now_ms,
    transfer::{lists_beside, read_bundle},
};
use chuan_api::exit::{Failure, Result};

/// The choice about the statements of a key that is removed.
#[derive(Debug)]
pub(super) enum Legacy<'a> {
    /// Pin the effective statements of the key that are in this file.
    Pin(&'a Path),
    /// Pin nothing.
    Drop,
    /// No option was given.
    Unspecified,
}

/// The statements that a root has to pin.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Pinned {
    /// Statements that must be in the root itself.
    statements: BTreeSet<StatementId>,
    /// Revocations, which may be in lists.
    revocations: BTreeSet<StatementId>,
}

/// The statements to pin when `key` loses a role of `kind` in the library of `draft`, whose next root will be
/// `next`. Fails if there may be some and no option says what to do with them.
pub(super) fn of(
    draft: &Draft,
    kind: RoleKind,
    key: &PublicKey,
    next: &Root,
    legacy: &Legacy<'_>,
) -> Result<Pinned> {
    let what = match kind {
        RoleKind::Root | RoleKind::Timekeeper => return Ok(Pinned::default()),
        RoleKind::Operator => "the members, tickets, channels, policy and revocations",
        RoleKind::Publisher => "the releases and channels",
    };
    match legacy {
        Legacy::Drop => Ok(Pinned::default()),
        Legacy::Unspecified => Err(Failure::usage(format!(
            "{what} that key {} signed would become ineffective; keep them with --statements FILE, a file of `chuan \
             statements export`, or give --drop",
            key.short()
        ))),
        Legacy::Pin(path) => {
            let bundle = read_bundle(path)?;
            if bundle.library != draft.library() {
                return Err(Failure::invalid(format!(
                    "{} has the statements of library {}, not of {}",
                    path.display(),
                    bundle.library.short(),
                    draft.library().short()
                )));
            }
            let library = Library::open(bundle.library, bundle.statements, now_ms())?;
            Ok(Pinned {
                statements: standing_by(&library, key, next),
                revocations: revocations_by(&library, kind, key, next),
            })
        }
    }
}

/// Pins statements in a root. Revocations that do not fit go to lists, which the root names; returns these
/// lists. Fails if the statements that must be in the root itself are too many.
pub(super) fn add(
    library: LibraryId,
    root: &mut Root,
    key: &PublicKey,
    pinned: &Pinned,
) -> Result<Vec<Statement>> {
    let all: BTreeSet<_> = root.pins.iter().chain(&pinned.statements).copied().collect();
    if all.len() > PINS {
        return Err(Failure::invalid(format!(
            "{} statements would have to be pinned, at most {PINS} can be; let another key sign some of them anew first",
            all.len()
        )));
    }
    let with_revocations: BTreeSet<_> = all.union(&pinned.revocations).copied().collect();
    if with_revocations.len() <= PINS {
        root.pins = with_revocations.into_iter().collect();
        return Ok(Vec::new());
    }
    root.pins = all.into_iter().collect();
    let listed: Vec<_> = pinned.revocations.iter().copied().collect();
    let mut lists = Vec::new();
    for statements in listed.chunks(PIN_LIST_IDS) {
        // This key signs this one list. The list is effective because the root names it.
        let signer = keys::generate()?;
        let body = Pins { signer: signer.public(), key: *key, statements: statements.to_vec() };
        let header = Header { library: Some(library), sequence: 1, time_ms: now_ms() };
        let list = Statement::sign(header, &Body::Pins(body), &[&signer])?;
        root.lists.push((*key, list.id()));
        lists.push(list);
    }
    root.lists.sort_unstable();
    Ok(lists)
}

/// Adds lists to the file beside a file of roots, from which `root apply` reads them. Returns its path, if
/// there are lists.
pub(super) fn keep(path: &Path, library: LibraryId, lists: Vec<Statement>) -> Result<Option<PathBuf>> {
    if lists.is_empty() {
        return Ok(None);
    }
    let mut statements = lists_beside(path, library)?;
    statements.extend(lists);
    let beside = chuan::transfer::beside(path);
    file::write_atomic(&beside, &Bundle { library, statements }.encode()?, 0o644)?;
    Ok(Some(beside))
}

#[cfg(test)]
mod tests {
    use chuan::engine::{
        id::Salt,
        statement::{
            Key,
            library::{Founders, found},
        },
    };

    use super::*;

    fn key(n: u8) -> Key {
        Key::from_seed([n; 32])
    }

    fn library() -> Library {
        let (root, operator, publisher) = (key(1), key(2), key(3));
        let keys = Founders { root: &root, operator: &operator, publisher: &publisher };
        let (id, first) = found("films", keys, Salt::from_bytes([9; 32]), 1).unwrap();
        Library::open(id, [first], 1).unwrap()
    }

    /// A thief signs more revocations than fit into a root. They go to lists; each has a key of its own.
    #[test]
    fn revocations_that_do_not_fit_into_a_root_go_to_lists() {
        let library = library();
        let id = |n: u64| {
            let mut bytes = [0; 32];
            bytes[..8].copy_from_slice(&n.to_be_bytes());
            StatementId::from_bytes(bytes)
        };
        let many = PIN_LIST_IDS as u64 + 100;
        let pinned = Pinned { statements: [id(many)].into(), revocations: (0..many).map(id).collect() };
        let mut root = library.root().unwrap().clone();
        let lists = add(library.id(), &mut root, &key(2).public(), &pinned).unwrap();
        assert_eq!((root.pins.as_slice(), lists.len(), root.lists.len()), (&[id(many)][..], 2, 2));
        let listed = lists.iter().flat_map(|list| match list.body() {
            Body::Pins(pins) if list.signers().eq([&pins.signer]) => pins.statements.clone(),
            other => panic!("{other:?}"),
        });
        assert_eq!(listed.collect::<BTreeSet<_>>(), pinned.revocations);
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("films.root");
        let beside = keep(&file, library.id(), lists.clone()).unwrap().unwrap();
        assert_eq!(beside, dir.path().join("films.root.pins"));
        assert_eq!(lists_beside(&file, library.id()).unwrap(), lists);
        assert!(lists_beside(&file, LibraryId::from_bytes([1; 32])).is_err());
        assert_eq!(lists_beside(&dir.path().join("other.root"), library.id()).unwrap(), []);
    }
}
