//! A peer of one library asks for what another library of the same store has.

use super::*;

/// A store that has another library, with more in it, answers like one that has not: to requests by what is in the other as to
/// requests by what is nowhere, and byte for byte.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_library_of_the_store_is_answered_like_none() {
    let shelves = MemoryShelves::new();
    let films = World::open_beside(1, "films", &shelves);
    let mut answers = Vec::new();
    for shelves in [shelves, MemoryShelves::new()] {
        let other = World::open_beside(2, "other", &shelves);
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
