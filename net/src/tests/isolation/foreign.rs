//! A peer of one library requests data of another library of the same store.

use super::*;

/// A store that has another library, with more data in it, answers byte for byte like a store that has none.
/// This holds for requests that name data of the other library and for requests that name no existing data.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_library_of_the_store_is_answered_like_a_missing_one() {
    let stores = MemoryObjectStores::new();
    let films = World::open_beside(1, "films", &stores);
    let mut answers = Vec::new();
    for stores in [stores, MemoryObjectStores::new()] {
        let other = World::open_beside(2, "other", &stores);
        let mut peer = Peer::open(&other).await;
        let mut all = Vec::new();
        for (masters, trailers) in &films.versions {
            for present in [*masters, *trailers] {
                let named = [by_position(other.library(), present), by_position(other.library(), random(77))];
                for (present, absent) in named[0].iter().zip(&named[1]) {
                    all.push(peer.ask(present).await);
                    assert_eq!(all.last(), Some(&peer.ask(absent).await), "{present:?}");
                }
            }
            for request in by_position(films.library(), *trailers) {
                all.push(peer.ask(&request).await);
            }
        }
        for release in &films.releases {
            let want = Want::Release(*release);
            for have in [vec![], vec![films.versions[0].1]] {
                let pull = Pull {
                    library: other.library(),
                    want: want.clone(),
                    have,
                    ..pair::whole(other.library())
                };
                all.push(peer.ask(&Request::Pull(pull)).await);
            }
        }
        peer.close(other).await;
        answers.push(all);
    }
    assert!(answers[0] == answers[1], "an answer tells that the store has another library");
}
