//! Bounds of the pool.

use super::*;
use crate::{
    id::ManifestId,
    statement::{
        Key, Release, Role,
        tests::{NOW, found, key, sign},
    },
};

/// A thief cannot fill what everybody keeps for ever; and nobody else's word suffers from the bound.
#[test]
fn a_key_that_has_said_all_it_may_is_heard_no_more() {
    let (library, first) = found();
    let Body::Root(mut root) = first.body().clone() else { unreachable!() };
    let release = |n: u8, signer: &Key| {
        let manifest = ManifestId::from_bytes([n; 32]);
        let body = Release { parents: vec![], manifest, message: String::new(), classes: vec![] };
        sign(library, Body::Release(body), n.into(), NOW, &[signer])
    };
    let mut pool = Pool::default();
    let take = |pool: &mut Pool, said: &Statement| {
        let outcome = pool.add(said);
        assert!(matches!(outcome, Ok(Entry::Taken)), "{outcome:?}");
    };
    let refuse = |pool: &mut Pool, said: &Statement| {
        let error = pool.add(said).unwrap_err().to_string();
        assert!(error.contains("no more are taken"), "{error}");
        assert!(pool.get(&said.id()).is_none());
    };
    let name = |root: &Root| sign(library, Body::Root(root.clone()), root.version, NOW, &[&key(1)]);
    take(&mut pool, &first);
    root.version = 2;
    root.roles.retain(|role| role.kind != RoleKind::Publisher);
    root.roles.push(Role::any_of(RoleKind::Publisher, [3, 4].map(|n| key(n).public())));
    root.roles.sort_by_key(|role| role.kind);
    take(&mut pool, &name(&root));
    let known = release(1, &key(3));
    take(&mut pool, &known);

    for n in [3, 4] {
        let said = Amount { count: STATEMENTS_PER_KEY - 1, bytes: 0 };
        pool.said.insert((StatementKind::Release, key(n).public()), said);
        take(&mut pool, &release(10 + n, &key(n)));
        refuse(&mut pool, &release(20 + n, &key(n)));
    }
    // Few large ones fill as much as many small ones.
    let full = Amount { count: 1, bytes: STATEMENT_BYTES_PER_KEY };
    let before = pool.said.insert((StatementKind::Release, key(4).public()), full);
    refuse(&mut pool, &release(40, &key(4)));
    pool.said.insert((StatementKind::Release, key(4).public()), before.unwrap());
    // One more signature on what is known is no statement more, and what a root names is never too much.
    take(&mut pool, &known.cosign(&key(4)).unwrap());
    let pinned = release(30, &key(3));
    refuse(&mut pool, &pinned);
    root.version = 3;
    root.pins = vec![pinned.id()];
    take(&mut pool, &name(&root));
    take(&mut pool, &pinned);
}
