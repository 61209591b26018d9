//! The peer's requests: every kind that the protocol has.

use super::*;

/// Every request of the peer, the same in every world except for the ids.
pub(super) fn requests(world: &World) -> Vec<Request> {
    let library = world.library();
    let [(old_masters, old_trailers), (masters, trailers)] = world.versions[..] else {
        panic!("two versions")
    };
    let wants = || world.releases.iter().map(|release| Want::Release(*release)).chain([live()]);
    let mut requests = Vec::new();
    let whole = |want: Want| Pull { want, packing: Packing::Fastest, ..pair::whole(library) };
    for want in wants() {
        let pull = whole(want);
        for classes in [&[][..], &["trailers"], &["masters"], &["masters", "trailers"], &["m*"], &["default"]]
        {
            let classes = classes.iter().map(|class| (*class).to_owned()).collect();
            requests.push(Pull { classes, ..pull.clone() });
        }
        for have in [
            vec![masters],
            vec![old_masters, old_trailers],
            vec![old_trailers, old_masters],
            vec![masters, old_masters, old_trailers, random(1)],
            (0..128).map(random).collect(),
        ] {
            for packing in [Packing::Auto, Packing::Smallest, Packing::Fastest] {
                requests.push(Pull { have: have.clone(), packing, ..pull.clone() });
            }
        }
        requests.push(Pull { mode: Mode::Pages, ..pull.clone() });
        requests.push(Pull { scope: Some(Scope(vec![(0, 1 << 40)])), ..pull.clone() });
        requests.push(Pull { scope: Some(Scope(vec![(FILM, 3), (1 << 30, 5)])), ..pull.clone() });
        requests.push(Pull { budget: 1, ..pull.clone() });
        requests.push(Pull { known: world.releases.clone(), ..pull.clone() });
        for announced in world.releases.iter().copied().chain([StatementId::from_bytes([7; 32])]) {
            requests.push(Pull { announced: Some(announced), ..pull.clone() });
        }
    }
    let mut requests: Vec<_> = requests.into_iter().map(Request::Pull).collect();
    for commitment in [masters, old_masters, trailers, old_trailers, random(9)] {
        requests.extend(by_position(library, commitment));
    }
    for commitment in [masters, trailers] {
        for have in [
            vec![masters],
            vec![old_masters, old_trailers],
            vec![old_trailers, old_masters],
            (0..4).map(random).collect(),
        ] {
            for packing in [Packing::Auto, Packing::Smallest, Packing::Fastest] {
                let (have, scope) = (have.clone(), Scope(vec![(0, 4 * FILM)]));
                requests.push(Request::Chunks { library, commitment, scope, have, packing });
            }
        }
    }
    // Other hashes, in the place of a commitment.
    let header = world.header(&masters);
    for id in [header.root.as_bytes(), header.salt.as_bytes(), ChunkId::of(&chunk(40_000)).as_bytes()] {
        requests.extend(by_position(library, Commitment::from_bytes(*id)));
    }
    requests.extend(by_position(LibraryId::from_bytes([3; 32]), masters));
    requests.push(Request::Join(chuan_engine::sync::message::Join { library, ..join() }));
    let every = Talk::Known { buckets: (0..=255).collect(), ids: Vec::new() };
    for talk in [Talk::Digest(SetDigest::default()), every, Talk::Offer(Vec::new())] {
        requests.push(Request::Exchange { library, talk });
    }
    requests
}

/// Pages and chunks by position, valid and invalid ones.
pub(super) fn by_position(library: LibraryId, commitment: Commitment) -> Vec<Request> {
    let mut positions = vec![PagePosition::ROOT];
    for tree in [TreeKind::Entries, TreeKind::Content] {
        for level in [0, 1, 2, 9, ROOT_LEVEL] {
            for ordinal in [0, 1, 64, FILM, 5 * FILM, u64::MAX] {
                positions.push(PagePosition { tree, level, ordinal });
            }
        }
    }
    let every = (0..3 * FILM).map(|ordinal| PagePosition { tree: TreeKind::Content, level: 0, ordinal });
    let pages = |positions| Request::Pages { library, commitment, positions };
    let chunks = |runs| Request::Chunks {
        library,
        commitment,
        scope: Scope(runs),
        have: Vec::new(),
        packing: Packing::default(),
    };
    let mut requests: Vec<_> = positions.into_iter().map(|position| pages(vec![position])).collect();
    requests.push(pages(every.collect()));
    requests.push(chunks(vec![(0, 4 * FILM)]));
    requests.push(chunks(vec![(0, 1), (FILM, 2), (4 * FILM, 1 << 50)]));
    requests.push(chunks(vec![(u64::MAX - 5, 5)]));
    requests
}
