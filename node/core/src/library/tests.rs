//! The ledger and what is shown of it, kept in step.

use chuan_engine::{
    id::Salt,
    statement::{
        Key,
        library::{Founders, found},
    },
    store::memory::MemoryLedger,
};

use super::*;
use crate::Exit;

fn founded(libraries: &Libraries<MemoryLedger>, name: &str, nonce: u8) -> LibraryId {
    let key = |seed| Key::from_seed([seed; 32]);
    let keys = Founders { root: &key(1), operator: &key(2), publisher: &key(3) };
    let (id, root) = found(name, keys, Salt::from_bytes([nonce; 32]), 1).unwrap();
    libraries.change(&id, 1, |_| Ok(vec![root])).unwrap();
    id
}

#[test]
fn labels_resolve_and_ambiguity_names_the_ids() {
    let ledger = Arc::new(MemoryLedger::default());
    let libraries = Libraries::load(Arc::clone(&ledger), &[], 1).unwrap();
    assert_eq!(libraries.named_or_only(None).unwrap_err().exit, Exit::Missing);
    let films = founded(&libraries, "films", 1);
    assert_eq!(libraries.named_or_only(None).unwrap().id(), films);
    let other = founded(&libraries, "films", 2);
    assert_eq!(libraries.named(&films.to_string()).unwrap().id(), films);
    let failure = libraries.named("films").unwrap_err();
    assert!(failure.message.contains(&other.to_string()), "{failure}");
    assert_eq!(libraries.named("opera").unwrap_err().exit, Exit::Missing);

    // What was shown is what the ledger holds.
    let again = Libraries::load(ledger, &[], 1).unwrap();
    assert_eq!(again.all().len(), 2);
}

#[test]
fn a_change_that_does_not_stand_leaves_nothing() {
    let ledger = Arc::new(MemoryLedger::default());
    let libraries = Libraries::load(Arc::clone(&ledger), &[], 1).unwrap();
    let id = founded(&libraries, "films", 1);
    let stranger = Key::from_seed([9; 32]);
    let result = libraries.change(&id, 1, |library| {
        let manifest = chuan_engine::id::ManifestId::of(&id, b"x");
        Ok(vec![chuan_engine::statement::library::release(library, &stranger, vec![], manifest, "", 1)?])
    });
    assert_eq!(result.unwrap_err().exit, Exit::Denied);
    assert!(ledger.statements(Some(&id), StatementKind::Release).unwrap().is_empty());
}
/// Nothing is used that a crash would forget: where the ledger cannot keep a statement, nobody sees it, and it is new again
/// once the ledger can.
#[test]
fn what_is_not_durable_is_not_seen() {
    let ledger = Arc::new(MemoryLedger::default());
    let libraries = Libraries::load(Arc::clone(&ledger), &[], 1).unwrap();
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
    let version = |libraries: &Libraries<MemoryLedger>| libraries.get(&id).unwrap().root().unwrap().version;

    ledger.poison("the test wants it");
    libraries.take(&id, std::slice::from_ref(&next), false, 1, |_, _| Ok(())).unwrap_err();
    libraries.offer(&[next.bytes().clone()], 1).unwrap_err();
    libraries.change(&id, 1, |_| Ok(vec![next.clone()])).unwrap_err();
    assert_eq!(version(&libraries), 1, "a root is used that is not durable");
    assert!(!changes.has_changed().unwrap(), "peers are told of what is not durable");
    ledger.crash();
    let again = Libraries::load(Arc::clone(&ledger), &[], 1).unwrap();
    assert_eq!(version(&again), 1);
    assert_eq!(again.offer(&[next.bytes().clone()], 1).unwrap(), [next]);
    assert_eq!(version(&Libraries::load(ledger, &[], 1).unwrap()), 2);
}
