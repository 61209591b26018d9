//! Chooses the statements of the introduction of a node whose key is not its first: those that prove the key
//! to the dialler, and of other libraries nothing.

use std::sync::Arc;

use chuan_engine::{
    id::NodeId,
    statement::{Body, Library, PublicKey, Statement, Succession},
};

/// The statements that prove that `key` is `node`'s, the most useful ones last: a hello has no room for all.
///
/// A dialler that is a member of some libraries gets the successions of these libraries, each pair of keys
/// once: both keys sign a succession, so one library's is enough for all. Where these do not begin with the
/// first key, an operator bound a key: then it also gets the grants there, and the statements for other
/// diallers.
///
/// Any other dialler may hold a ticket of any library here. It gets the successions of one library, and no
/// grants: without the library they prove nothing.
pub(crate) fn statements(
    libraries: &[Arc<Library>],
    is_member: impl Fn(&Library) -> bool,
    node: &NodeId,
    key: &PublicKey,
) -> Vec<Vec<u8>> {
    let shared = libraries.iter().filter(|library| is_member(library));
    let all: Vec<_> = shared.flat_map(|library| library.credentials(node)).collect();
    let shared = chain(&all, key);
    let mut shown = Vec::new();
    if !begins_with_first(&shared, node) {
        shown.extend(all.into_iter().filter(|said| succession(said).is_none()));
        let mut chains = libraries.iter().map(|library| chain(&library.credentials(node), key));
        shown.extend(chains.find(|chain| begins_with_first(chain, node)).unwrap_or_default());
    }
    shown.extend(shared);
    shown.iter().map(|said| said.bytes().to_vec()).collect()
}

/// The successions that lead to `key`, the last one last.
fn chain<'a>(all: &[&'a Statement], key: &PublicKey) -> Vec<&'a Statement> {
    let (mut chain, mut keys) = (Vec::new(), vec![*key]);
    while let Some((said, old)) = keys.last().and_then(|key| before(all, key))
        && !keys.contains(&old)
    {
        chain.push(said);
        keys.push(old);
    }
    chain.reverse();
    chain
}

/// The succession to `key`, and the key that it replaces.
fn before<'a>(all: &[&'a Statement], key: &PublicKey) -> Option<(&'a Statement, PublicKey)> {
    let mut all = all.iter().filter_map(|said| Some((*said, succession(said)?)));
    all.find(|(_, next)| next.new == *key).map(|(said, next)| (said, next.old))
}

fn begins_with_first(chain: &[&Statement], node: &NodeId) -> bool {
    chain.first().and_then(|said| succession(said)).is_some_and(|next| next.old.node() == *node)
}

fn succession(said: &Statement) -> Option<&Succession> {
    match said.body() {
        Body::Succession(next) => Some(next),
        _ => None,
    }
}
