//! The work that hostile statements cause, in steps.

use super::*;
use crate::{
    id::RecordId,
    limits::SUCCESSIONS,
    statement::{Checkpoint, key_chains::tests::steps},
};

fn wide(n: usize) -> Key {
    Key::from_seed(*StatementId::of(&n.to_le_bytes()).as_bytes())
}

/// Symptom: a member signed 256 successions, 92 KB, and each accepted statement cost every node 18 ms from
/// then on. Cause: for each succession and each checkpoint the chain was walked up to a bound key.
#[test]
fn a_chain_of_keys_is_walked_once() {
    let mut world = World::new();
    world.take(library::member(&world.library, &key(2), member(11, None), NOW).unwrap());
    let first = wide(0);
    let bound = Member { node: first.node(), key: first.public(), ..member(12, None) };
    world.take(library::member(&world.library, &key(2), bound, NOW).unwrap());
    let chain: Vec<_> = (0..SUCCESSIONS)
        .map(|n| {
            let (old, new) = (wide(n), wide(n + 1));
            library::succession(&world.library, first.node(), &old, &new, 0, NOW).unwrap()
        })
        .collect();
    for is_reverse in [false, true] {
        let mut library = world.library.clone();
        let mut chain = chain.clone();
        if is_reverse {
            chain.reverse();
        }
        let walked = steps(|| {
            for outcome in library.offer_all(&chain, NOW) {
                assert!(outcome.unwrap().is_news());
            }
        });
        assert_eq!(walked, SUCCESSIONS, "each key once");
        let body = Checkpoint { node: node(11), count: 1, head: RecordId::from_bytes([7; 32]) };
        let honest = world.sign(Body::Checkpoint(body), 1, &[&key(11)]);
        assert_eq!(steps(|| assert_eq!(library.offer(&honest, NOW).unwrap(), Accepted::New)), 0);
        assert_eq!(library.key_of(&first.node()), Some(wide(SUCCESSIONS).public()));
    }
}
