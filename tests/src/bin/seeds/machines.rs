//! Seeds of the targets that read a sequence of actions: `fetch`, `answer`, `set`, `ledgers`, `points`.
//!
//! The targets make statements, content and files themselves, with the real encoders; a seed only selects
//! them. The fields of each action are in `fuzz/src`.

/// A number below 256, as a target reads it.
const fn number(value: u8) -> [u8; 2] {
    [0, value]
}

/// The highest numbers.
const fn high(below: u8) -> [u8; 2] {
    [3, below]
}

/// Fetches: mirror's state, library, options, wanted; then what the source does.
pub(super) fn fetch() -> Vec<Vec<u8>> {
    // The source sends the rest of an answer, four frames, or one.
    let (rest, four, one) = (0x13, 0x11, 0x10);
    let start = |held: u8, known: u8, options: u8, want: u8| vec![held, known, options, want];
    let honest = |held, known, options| [start(held, known, options, 1), vec![rest; 12]].concat();
    // Deltas of pages and chunks of held versions, from the first page or chunk on.
    let [zero, most] = [number(0), high(0)];
    let raw = [8, b'a', b'b', b'a', b'b', b'a', b'b', b'a', b'b', 31];
    let pages = |have: u8| [&[0x1a, 0, 15, 1, have, 0, 0][..], &zero, &most, &raw].concat();
    let chunks = |have: u8| {
        [&[0x1a, 1, 3, 0, have][..], &zero, &number(9), &[have], &number(20), &most, &raw].concat()
    };
    let mut seeds = vec![
        honest(0, 0, 0),
        honest(0, 3, 0),
        honest(2, 1, 0),
        honest(2, 1, 16),
        honest(2, 1, 32),
        honest(2, 1, 64),
        honest(1, 1, 0),
        honest(3, 2, 1),
        honest(9, 2, 1),
        honest(5, 2, 0),
        honest(11, 2, 1),
        honest(2, 2, 0),
        honest(0, 0, 6),
        honest(0, 0, 4),
        honest(0, 0, 8),
        [start(0, 0, 0, 0), vec![rest; 8]].concat(),
        [start(2, 1, 0, 1), vec![four; 40]].concat(),
        // Honest frames; then one is left out, one comes twice, one is altered.
        [start(2, 1, 0, 1), vec![four, four, 0x14, one, 0x15, one, 0x16, 3, 0, 1, rest, rest]].concat(),
        [start(2, 1, 0, 1), vec![one, 0x16, 20, 0, 128, rest, rest]].concat(),
        // Frames of other answers, statements of others, ends and holdings out of place.
        [start(2, 1, 0, 1), vec![four, 0x17, 9, 0, 0x17, 40, 0, rest]].concat(),
        [start(2, 1, 0, 1), vec![0x19, 2, 0x19, 5, 0x19, 6, rest, rest]].concat(),
        [start(2, 2, 0, 1), vec![0x1b, 1, 1, 0, 0x1e, 1, 0, 0, rest]].concat(),
        [start(0, 0, 0, 1), vec![four, 0x18, rest, rest, rest]].concat(),
        [start(0, 0, 0, 1), vec![four, 0x1c, 7, rest, rest]].concat(),
        [start(2, 1, 0, 1), vec![four, 0x1d, 0, 9, 0, 4, b'a', b'b', b'c', b'd']].concat(),
        [start(2, 1, 0, 1), vec![four, 0x1d, 0, 9, 1, 4, 0x28, 0xb5, 0x2f, 0xfd, 255, 255]].concat(),
    ];
    for have in 0..4 {
        seeds.push([start(2, 1, 0, 1), pages(have), pages(have), vec![rest, rest]].concat());
        seeds.push([start(2, 1, 0, 1), vec![four], chunks(have), vec![rest, rest]].concat());
    }
    seeds
}

/// Requests: peer, kind, fields, frames that the peer takes (0: all).
pub(super) fn answer() -> Vec<Vec<u8>> {
    let pull = |peer: u8, bits: u8, fields: &[u8]| [&[peer, 1, bits, 1][..], fields].concat();
    let have = [3, 0, 1, 2];
    let range = |first: u8, count: u8| [number(first), number(count)].concat();
    let all = [number(0), high(0)].concat();
    let chunks = |peer: u8, class: u8, scope: &[u8], have: &[u8], packing: u8, takes: u8| {
        [&[peer, 3, class, 0][..], scope, have, &[packing, takes]].concat()
    };
    let root = [0, 0, 0];
    vec![
        pull(0, 0, &[0, 0]),
        pull(0, 4, &[&have[..], &[0, 0]].concat()),
        pull(0, 4, &[&have[..], &[1, 0]].concat()),
        pull(1, 0, &[0, 0]),
        pull(1, 2, &[1, 1, 0, 0]),
        pull(2, 0, &[0, 0]),
        pull(0, 2, &[1, 3, 0, 0]),
        pull(0, 1, &[0, 0]),
        pull(0, 32, &[0, 0]),
        pull(0, 16, &[&[0][..], &range(2, 9), &[0, 0]].concat()),
        pull(0, 64, &[&number(200)[..], &[0, 0]].concat()),
        pull(0, 128, &[0, 255, 0]),
        pull(0, 8, &[3, 0, 3, 4, 0, 0]),
        pull(0, 0, &[0, 5]),
        [&[0, 2, 3, 0][..], &root, &[0]].concat(),
        [&[1, 2, 4, 2][..], &root, &[1, 0, 0, 0, 0, 7], &[0]].concat(),
        [&[1, 2, 3, 0][..], &root, &[0]].concat(),
        [&[0, 2, 255, 0][..], &root, &[0]].concat(),
        chunks(0, 3, &all, &[0], 0, 0),
        chunks(0, 3, &all, &[1, 0], 0, 0),
        chunks(0, 3, &all, &[1, 0], 1, 0),
        chunks(0, 3, &range(5, 60), &[0], 2, 3),
        chunks(1, 4, &all, &[0], 0, 0),
        chunks(1, 3, &all, &[0], 0, 0),
        chunks(0, 5, &all, &[0], 0, 0),
        // The mirror is revoked between two requests.
        [pull(0, 0, &[0, 0]), pull(255, 0, &[0, 0]), pull(0, 0, &[0, 0])].concat(),
    ]
}

/// Sets of statements: the order of arrival, then kind, sequence, signers and body of each.
pub(super) fn set() -> Vec<Vec<u8>> {
    let say = |kind: u8, sequence: u8, signers: u8, body: &[u8]| {
        [&[kind][..], &number(sequence), &[signers], body].concat()
    };
    let (root, operator, publisher, second, limited) = (1, 2, 4, 8, 16);
    let release = say(1, 3, publisher, &[0, 0]);
    let child = say(1, 4, publisher, &[1, 2, 0]);
    let channel = say(3, 4, operator, &[0, 2, 2, 0]);
    let moved = say(3, 5, publisher, &[0, 3, 2, 1, 4]);
    let mirror = say(5, 1, operator, &[5, 0, 0]);
    let origin = say(5, 2, operator, &[5, 2, 2]);
    let ticket = say(7, 1, operator, &[6, 5, 0, 1, 0, 9, 2]);
    let claim = say(5, 1, 32, &[5, 128, 0, 2]);
    let revoke = say(8, 4, second, &[5, 0, 3]);
    let fresh = say(9, 1, operator, &[3]);
    let succession = say(10, 1, 32 | 64, &[5, 6, 5, 0, 9]);
    let checkpoint = |count: u8, head: u8| say(11, count, 32, &[5, head]);
    let policy = |sequence: u8, junk: u8| say(12, sequence, operator, &[junk]);
    let listed = say(1, 3, publisher, &[4, 0, 1]);
    let by_limited = say(1, 4, limited, &[5, 2, 0, 2]);
    let next_root = |what: &[u8]| say(0, 3, root, what);
    let sets: [&[&[u8]]; 16] = [
        &[&release, &child, &channel, &moved],
        &[&moved, &channel, &child, &release],
        &[&mirror, &origin, &revoke],
        &[&ticket, &claim, &checkpoint(3, 0), &checkpoint(4, 1)],
        &[&mirror, &succession, &checkpoint(5, 0), &say(11, 6, 64, &[5, 0])],
        &[&mirror, &checkpoint(5, 0), &checkpoint(5, 1)],
        &[&release, &channel, &fresh],
        &[&policy(1, 0), &policy(2, 1), &policy(2, 0)],
        &[&listed, &by_limited, &say(3, 4, operator, &[0, 3, 4, 0])],
        // The publisher's key leaves the root, after its release and before.
        &[&release, &next_root(&[2, 1, 2]), &child],
        &[&release, &next_root(&[2, 3, 2, 2, 2, 2]), &say(13, 1, root, &[0, 2, 0, 2])],
        // A root names a list of pins.
        &[&say(13, 1, root, &[0, 0, 0, 2]), &next_root(&[0, 3, 0, 1, 2, 2])],
        &[&next_root(&[1, 2, 2]), &say(7, 1, operator, &[6, 5, 0, 1, 0, 9, 2]), &[14, 3, 3]],
        &[&release, &[15, 2, 60, 0, 1], &[14, 2, 1]],
        &[&say(5, 255, operator, &[5, 4, 3, 0, 0]), &[8, 3, 1, second, 5, 3, 0]],
        &[&mirror, &succession, &say(10, 2, 32 | 128, &[5, 7, 5, 0, 9])],
    ];
    let orders = [0, 1, 3, 130, 132];
    orders.into_iter().cycle().zip(sets).map(|(order, set)| [&[order][..], &set.concat()].concat()).collect()
}

/// A ledger's files: the damaged copies, then appends, compactions, a crash and damage.
pub(super) fn ledgers() -> Vec<Vec<u8>> {
    let append = |count: u8| {
        let record = [1, 6, b'r', b'e', b'c', b'o', b'r', b'd'];
        [&[0, count - 1][..], &record.repeat(usize::from(count))].concat()
    };
    let refs = [0, 1, 0, 0, 4, 0].as_slice();
    let moves = [&[0, 2][..], &[0, 0].repeat(0), &[0, 0, 4, 0, 0, 0]].concat();
    let (compact, older) = (3, 5);
    let torn = |written: u8| vec![4, 0, 0, 1, 3, b'a', b'b', b'c', written, 0];
    let completed = |second: u8| [&[4, 2, 0, 1, 3, b'a', b'b', b'c', 0, 0][..], &[second, 0]].concat();
    let half = vec![4, 1];
    let flip = |at: u8| vec![6, 0, at, 1];
    let cut = |at: u8| vec![6, 1, at, 0];
    let zeros = |at: u8, len: u8| vec![6, 2, at, 0, len, 0];
    let splice = |at: u8, len: u8, to: u8| vec![6, 3, at, 0, len, 0, to, 0];
    let back = vec![6, 4, 0, 0];
    let write = |at: u8| vec![6, 5, at, 0, 4, 0x89, b'C', b'H', b'L'];
    let three = [append(2), append(3), append(1)].concat();
    let seed = |damaged: u8, parts: &[&[u8]]| [&[damaged][..], &parts.concat()].concat();
    vec![
        seed(0, &[&three]),
        seed(0, &[&three, &[compact], &append(2)]),
        seed(0, &[&moves, refs, &[compact], refs, &three]),
        seed(0, &[&three, &torn(30)]),
        seed(0, &[&three, &torn(1)]),
        seed(1, &[&three, &completed(20)]),
        seed(0, &[&three, &half]),
        seed(1, &[&three, &[compact], &three, &half]),
        seed(0, &[&three, &flip(90)]),
        seed(1, &[&three, &flip(90)]),
        seed(0, &[&three, &flip(10)]),
        seed(1, &[&three, &cut(200)]),
        seed(0, &[&three, &cut(0)]),
        seed(1, &[&three, &zeros(120, 200)]),
        seed(0, &[&three, &splice(100, 250, 180), &splice(10, 200, 90)]),
        seed(0, &[&append(1), &[older], &append(2), &[compact], &append(1), &back]),
        seed(1, &[&append(1), &[older], &append(2), &back]),
        seed(1, &[&three, &write(150)]),
        seed(2, &[&three, &flip(90), &[134, 0, 91, 1]]),
        seed(2, &[&three, &cut(0), &[134, 1, 0, 0]]),
        seed(3, &[&three, &torn(40), &[134, 1, 200, 0]]),
    ]
}

/// Audit logs: the length of the pieces, then records, checkpoints, jumps and changes.
pub(super) fn points() -> Vec<Vec<u8>> {
    let record = |tag: u8| vec![0, tag, 5, b'f', b'i', b'l', b'm', b's'];
    let records = |count: u8| (0..count).flat_map(record).collect::<Vec<_>>();
    let check = [4];
    let jump = |by: u8, head: u8| [&[5][..], &number(by), &[head]].concat();
    let foreign = |count: u8, head: u8| [&[6][..], &number(count), &[head]].concat();
    let alter = |part: u8, at: u8| vec![7, part, at, 0, 1];
    let seed = |step: u8, parts: &[&[u8]]| [&[step][..], &parts.concat()].concat();
    vec![
        seed(15, &[&records(5), &check]),
        seed(0, &[&records(3), &check, &records(4)]),
        seed(255, &[&records(9), &check, &alter(0, 100)]),
        seed(60, &[&records(9), &alter(0, 100)]),
        seed(20, &[&records(3), &check, &jump(7, 1), &records(2), &check]),
        seed(20, &[&records(3), &jump(9, 1), &records(2), &jump(3, 2), &records(1), &check, &alter(1, 40)]),
        seed(20, &[&[5], &high(0), &[1], &records(2)]),
        seed(33, &[&records(4), &foreign(2, 9), &check]),
        seed(33, &[&records(4), &foreign(40, 9), &check]),
    ]
}
