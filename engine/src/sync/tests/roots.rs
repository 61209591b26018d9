//! Pulls between nodes that know conflicting roots of one version.

use super::*;
use crate::{
    id::Salt,
    statement::{Body, Header, Key, Library, RoleKind, Root, Statement},
    sync::{
        frame::Frame,
        pair::{NOW_MS, Node, to_bytes},
    },
};

/// A root of this version; `nonce` makes it distinct. The root key is unchanged, so that each root may follow
/// each other one.
fn root(library: &Library, version: u64, nonce: u8) -> Statement {
    let body = Root { version, nonce: Salt::from_bytes([nonce; 32]), ..library.root().unwrap().clone() };
    let header = Header { library: Some(library.id()), sequence: version, time_ms: NOW_MS };
    Statement::sign(header, &Body::Root(body), &[&Key::from_seed([1; 32])]).unwrap()
}

fn learn(node: &mut Node, roots: &[&Statement]) {
    roots.iter().for_each(|root| node.learn(std::slice::from_ref(*root)));
}

/// Symptom: two halves of a mesh knew different conflicting roots and never pulled from each other; the
/// puller accused the source of a root that it did not accept. Cause: an error of any statement was treated
/// as an error of the source, and the root that the puller named as known was one of the conflicting roots.
#[test]
fn conflicting_roots_end_no_pull() {
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

/// The puller names the effective root as known, though it also knows a conflicting one. The newer root
/// comes, and the roots before it are not sent again.
#[test]
fn the_effective_root_is_named_as_known() {
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
