//! Pulls between nodes that know different roots of one version.

use super::*;
use crate::{
    id::Salt,
    statement::{Body, Header, Key, Library, RoleKind, Root, Statement},
    sync::{
        frame::Frame,
        pair::{NOW_MS, Node, to_bytes},
    },
};

/// A root of this version; `nonce` tells it from others. The root key changes to itself, so that each follows each.
fn root(library: &Library, version: u64, nonce: u8) -> Statement {
    let body = Root { version, nonce: Salt::from_bytes([nonce; 32]), ..library.root().unwrap().clone() };
    let header = Header { library: Some(library.id()), sequence: version, time_ms: NOW_MS };
    Statement::sign(header, &Body::Root(body), &[&Key::from_seed([1; 32])]).unwrap()
}

fn learn(node: &mut Node, roots: &[&Statement]) {
    roots.iter().for_each(|root| node.learn(std::slice::from_ref(*root)));
}

/// Symptom: two halves of a mesh that had heard different rivals of one root did not pull from each other, for good: the source
/// was accused of a root that the puller does not take. Cause: an error of any statement was one of the source, and the root that
/// the puller named as known was a rival.
#[test]
fn rival_roots_end_no_pull() {
    let mut pair = Pair::new();
    let [a, b, c] = [1, 2, 3].map(|nonce| root(&pair.origin.library, 2, nonce));
    learn(&mut pair.origin, &[&a, &b]);
    learn(&mut pair.mirror, &[&b, &c]);
    let files = library(5, 500);
    let release = pair.publish(&files);
    pair.pull().unwrap();
    assert_eq!(pair.mirror.files(&release).unwrap(), files);
    assert_eq!(pair.mirror.library.root_statement().unwrap().id(), b.id());
    assert!(
        pair.mirror.library.root().unwrap().names(RoleKind::Publisher, &Key::from_seed([3; 32]).public())
    );
}

/// The puller names the root that stands, though it knows a rival of it: the newer one comes, and those before do not again.
#[test]
fn the_root_that_stands_is_named_as_known() {
    let mut pair = Pair::new();
    let [a, b, c] = [1, 2, 3].map(|nonce| root(&pair.origin.library, 2, nonce));
    learn(&mut pair.origin, &[&a, &b]);
    learn(&mut pair.mirror, &[&a, &c]);
    let next = root(&pair.origin.library, 3, 4);
    learn(&mut pair.origin, &[&next]);
    pair.publish(&library(5, 500));
    let sent = |root: &Statement| to_bytes(&Frame::Statement(root.bytes().clone()));
    let mut came: Vec<Vec<u8>> = Vec::new();
    pair.pull_with(Options::default(), &mut |_, frames| {
        came.extend(frames.iter().cloned());
        frames
    })
    .unwrap();
    assert!(came.contains(&sent(&next)));
    assert!([&a, &b, &c].iter().all(|root| !came.contains(&sent(root))));
    assert_eq!(pair.mirror.library.root_statement().unwrap().id(), next.id());
}
