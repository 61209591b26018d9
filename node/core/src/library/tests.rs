//! The libraries in memory agree with the ledger.

use chuan_engine::{
    id::Salt,
    statement::{
        Key,
        library::{Founders, found},
    },
    store::{Ledger, memory::MemoryLedger},
};

use super::*;
use crate::{Exit, system::Clock, tests::in_memory};

fn load(root: &std::path::Path, ledger: &Arc<MemoryLedger>) -> LibraryService {
    in_memory(root, ledger, Clock::manual(1)).unwrap()
}

fn founded(libraries: &LibraryService, name: &str, nonce: u8) -> LibraryId {
    let key = |seed| Key::from_seed([seed; 32]);
    let keys = Founders { root: &key(1), operator: &key(2), publisher: &key(3) };
    let (id, root) = found(name, keys, Salt::from_bytes([nonce; 32]), 1).unwrap();
    libraries.change(&id, |_| Ok(vec![root])).unwrap();
    id
}

#[test]
fn labels_resolve_and_ambiguity_names_the_ids() {
    let dir = tempfile::tempdir().unwrap();
    let ledger = Arc::new(MemoryLedger::default());
    let libraries = load(dir.path(), &ledger);
    assert_eq!(libraries.named_or_only(None).unwrap_err().exit, Exit::Missing);
    let films = founded(&libraries, "films", 1);
    assert_eq!(libraries.named_or_only(None).unwrap().id(), films);
    let other = founded(&libraries, "films", 2);
    assert_eq!(libraries.named(&films.to_string()).unwrap().id(), films);
    let failure = libraries.named("films").unwrap_err();
    assert!([films, other].iter().all(|id| failure.message.contains(&id.short())), "{failure}");
    assert_eq!(libraries.named("opera").unwrap_err().exit, Exit::Missing);

    // The ledger has the same libraries.
    let again = load(dir.path(), &ledger);
    assert_eq!(again.all().len(), 2);
}

#[test]
fn an_unauthorized_change_stores_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let ledger = Arc::new(MemoryLedger::default());
    let libraries = load(dir.path(), &ledger);
    let id = founded(&libraries, "films", 1);
    let stranger = Key::from_seed([9; 32]);
    let result = libraries.change(&id, |library| {
        let manifest = chuan_engine::id::ManifestId::of(&id, b"x");
        Ok(vec![chuan_engine::statement::library::release(library, &stranger, vec![], manifest, "", 1)?])
    });
    assert_eq!(result.unwrap_err().exit, Exit::Denied);
    assert!(ledger.statements(Some(&id), StatementKind::Release).unwrap().is_empty());
}

/// No statement is used before it is durable: where the ledger cannot store a statement, it is neither
/// effective nor sent to peers. When the ledger can store it, the statement is new again.
#[test]
fn a_statement_that_is_not_durable_is_not_used() {
    let dir = tempfile::tempdir().unwrap();
    let ledger = Arc::new(MemoryLedger::default());
    let libraries = load(dir.path(), &ledger);
    let id = founded(&libraries, "films", 1);
    let key = |seed| Key::from_seed([seed; 32]);
    let before = libraries.get(&id).unwrap();
    let mut root = before.root().unwrap().clone();
    root.version = 2;
    root.name = "opera".into();
    let header = chuan_engine::statement::Header { library: Some(id), sequence: 2, time_ms: 1 };
    let next = Statement::sign(header, &Body::Root(root), &[&key(1)]).unwrap();
    let mut changes = libraries.changes();
    changes.mark_unchanged();
    let version = |libraries: &LibraryService| libraries.get(&id).unwrap().root().unwrap().version;

    ledger.poison("poisoned by the test");
    libraries.take(&id, std::slice::from_ref(&next), false, |_, _| Ok(())).unwrap_err();
    libraries.offer(&[next.bytes().clone()]).unwrap_err();
    libraries.change(&id, |_| Ok(vec![next.clone()])).unwrap_err();
    assert_eq!(version(&libraries), 1, "a root that is not durable is used");
    assert!(!changes.has_changed().unwrap(), "a statement that is not durable is sent to peers");
    ledger.crash();
    let again = load(dir.path(), &ledger);
    assert_eq!(version(&again), 1);
    assert_eq!(again.offer(&[next.bytes().clone()]).unwrap(), [next]);
    assert_eq!(version(&load(dir.path(), &ledger)), 2);
}
