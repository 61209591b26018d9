//! Bounds of the statement set.

use super::*;
use crate::{
    id::ManifestId,
    statement::{
        Key, Release, Role,
        tests::{NOW, found, key, sign},
    },
};

/// A thief cannot fill storage that every node keeps for ever. The bound affects no other key.
#[test]
fn a_key_at_its_quota_adds_no_more_statements() {
    let (library, first) = found();
    let Body::Root(mut root) = first.body().clone() else { unreachable!() };
    let release = |n: u8, signer: &Key| {
        let manifest = ManifestId::from_bytes([n; 32]);
        let body = Release { parents: vec![], manifest, message: String::new(), classes: vec![] };
        sign(library, Body::Release(body), n.into(), NOW, &[signer])
    };
    let mut set = StatementSet::default();
    let take = |set: &mut StatementSet, said: &Statement| {
        let outcome = set.add(said);
        assert!(matches!(outcome, Ok(Entry::Added)), "{outcome:?}");
    };
    let refuse = |set: &mut StatementSet, said: &Statement| {
        let error = set.add(said).unwrap_err().to_string();
        assert!(error.contains("no more are taken"), "{error}");
        assert!(set.get(&said.id()).is_none());
    };
    let name = |root: &Root| sign(library, Body::Root(root.clone()), root.version, NOW, &[&key(1)]);
    take(&mut set, &first);
    root.version = 2;
    root.roles.retain(|role| role.kind != RoleKind::Publisher);
    root.roles.push(Role::any_of(RoleKind::Publisher, [3, 4].map(|n| key(n).public())));
    root.roles.sort_by_key(|role| role.kind);
    take(&mut set, &name(&root));
    let known = release(1, &key(3));
    take(&mut set, &known);

    for n in [3, 4] {
        let said = Amount { count: STATEMENTS_PER_KEY - 1, bytes: 0 };
        set.usage.insert((StatementKind::Release, key(n).public()), said);
        take(&mut set, &release(10 + n, &key(n)));
        refuse(&mut set, &release(20 + n, &key(n)));
    }
    // The bytes of a few large statements are bounded like the number of many small ones.
    let full = Amount { count: 1, bytes: STATEMENT_BYTES_PER_KEY };
    let before = set.usage.insert((StatementKind::Release, key(4).public()), full);
    refuse(&mut set, &release(40, &key(4)));
    set.usage.insert((StatementKind::Release, key(4).public()), before.unwrap());
    // One more signature on a known statement is no further statement, and the bound does not apply to
    // statements that a root pins.
    take(&mut set, &known.cosign(&key(4)).unwrap());
    let pinned = release(30, &key(3));
    refuse(&mut set, &pinned);
    root.version = 3;
    root.pins = vec![pinned.id()];
    take(&mut set, &name(&root));
    take(&mut set, &pinned);
}
