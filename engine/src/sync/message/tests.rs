//! Golden bytes and bounds of the control messages.

use super::*;
use crate::manifest::TreeKind;

fn hex(bytes: &[u8]) -> String {
    data_encoding::HEXLOWER.encode(bytes)
}

fn library() -> LibraryId {
    LibraryId::from_bytes([0x11; 32])
}

fn pull() -> Pull {
    Pull {
        library: library(),
        want: Want::Channel("live".into()),
        classes: vec![],
        have: vec![Commitment::from_bytes([0x22; 32])],
        known: vec![StatementId::from_bytes([0x33; 32])],
        scope: None,
        mode: Mode::All,
        budget: u64::MAX,
        packing: Packing::Auto,
        announced: Some(StatementId::from_bytes([0x77; 32])),
    }
}

#[test]
fn pull_has_its_golden_bytes() {
    let bytes = codec::encode(&Request::Pull(pull()));
    let golden = [
        "00",                              // request: pull
        &"11".repeat(32),                  // library
        "00046c697665",                    // want: channel, "live"
        "00",                              // no classes named
        &format!("01{}", "22".repeat(32)), // have: one
        &format!("01{}", "33".repeat(32)), // known: one
        "00",                              // no scope
        "01",                              // mode: all
        "fdffffffffffffffff",              // no budget
        "00",                              // packing: auto
        &format!("01{}", "77".repeat(32)), // announced: one
    ];
    assert_eq!(hex(&bytes), golden.concat());
    assert_eq!(Request::decode(&bytes).unwrap(), Request::Pull(pull()));
}

#[test]
fn other_messages_have_their_golden_bytes() {
    let pages = Request::Pages {
        library: library(),
        commitment: Commitment::from_bytes([0x22; 32]),
        positions: vec![PagePosition { tree: TreeKind::Content, level: 1, ordinal: 300 }],
    };
    let golden = ["01", &"11".repeat(32), &"22".repeat(32), "01", "01", "01", "fb2c01"].concat();
    assert_eq!(hex(&codec::encode(&pages)), golden);
    assert_eq!(Request::decode(&codec::encode(&pages)).unwrap(), pages);

    let chunks = Request::Chunks {
        library: library(),
        commitment: Commitment::from_bytes([0x22; 32]),
        scope: Scope::of([3, 4, 9]),
        have: vec![Commitment::from_bytes([0x88; 32])],
        packing: Packing::Smallest,
    };
    let have = format!("01{}", "88".repeat(32));
    let golden = ["02", &"11".repeat(32), &"22".repeat(32), "02", "0302", "0901", &have, "01"].concat();
    assert_eq!(hex(&codec::encode(&chunks)), golden);
    assert_eq!(Request::decode(&codec::encode(&chunks)).unwrap(), chunks);

    let join = Request::Join(Join {
        library: library(),
        ticket: StatementId::from_bytes([0x44; 32]),
        name: "m".into(),
        role: 2,
        proof: [0x55; 64],
    });
    let golden = ["03", &"11".repeat(32), &"44".repeat(32), "016d", "02", &"55".repeat(64)].concat();
    assert_eq!(hex(&codec::encode(&join)), golden);
    assert_eq!(Request::decode(&codec::encode(&join)).unwrap(), join);

    let end = End { complete: true, chunks: 2, chunk_bytes: 300 };
    assert_eq!(hex(&codec::encode(&end)), "0102fb2c01");
    assert_eq!(End::decode(&codec::encode(&end)).unwrap(), end);

    let holding = Holding {
        heard: Some(StatementId::from_bytes([0x33; 32])),
        held: vec![StatementId::from_bytes([0x44; 32])],
    };
    let golden = [&format!("01{}", "33".repeat(32)), &format!("01{}", "44".repeat(32))[..]].concat();
    assert_eq!(hex(&codec::encode(&holding)), golden);
    assert_eq!(Holding::decode(&codec::encode(&holding)).unwrap(), holding);

    let refusal = Refusal::new(ErrorCode::NotFound, "no");
    assert_eq!(hex(&codec::encode(&refusal)), "01026e6f");
    assert_eq!(Refusal::decode(&codec::encode(&refusal)).unwrap(), refusal);

    let hello = Hello {
        version: VERSION,
        node: NodeId::from_bytes([0x66; 32]),
        addresses: vec!["a:1".into()],
        name: "n".into(),
        statements: vec![vec![0xaa, 0xbb]],
        kinds: Kinds::from_bits(0x7be),
    };
    assert_eq!(
        hex(&codec::encode(&hello)),
        ["02", &"66".repeat(32), "0103613a31", "016e", "0102aabb", "fbbe07"].concat()
    );
    assert_eq!(Hello::decode(&codec::encode(&hello)).unwrap(), hello);
}

#[test]
fn every_code_has_its_number() {
    use ErrorCode::*;
    let codes = [Denied, NotFound, Invalid, Busy, Internal, Version, Revoked];
    for (number, code) in codes.into_iter().enumerate() {
        assert_eq!(codec::encode(&code), [u8::try_from(number).unwrap()]);
    }
}

/// Symptom: a revoked node was told that the peer does not know it, and to get a ticket. Cause: the refusal
/// had the code of a node that was never a member.
#[test]
fn a_revoked_node_is_told_when_it_was_revoked() {
    let refusal = Refusal::of(&Error::Revoked { at_ms: 1_800_000_000_000 });
    assert_eq!(refusal.code, ErrorCode::Revoked);
    assert!(matches!(refusal.into_error(), Error::Revoked { at_ms: 1_800_000_000_000 }));
    // The text comes from a peer.
    let odd = Refusal::new(ErrorCode::Revoked, "yesterday");
    assert!(matches!(odd.into_error(), Error::Revoked { at_ms: 0 }));
}

#[test]
fn truncated_and_overlong_messages_are_refused() {
    let bytes = codec::encode(&Request::Pull(pull()));
    for end in 0..bytes.len() {
        assert!(Request::decode(&bytes[..end]).is_err(), "{end} bytes of a request passed");
    }
    let mut longer = bytes;
    longer.push(0);
    assert!(Request::decode(&longer).is_err());
}

#[test]
fn counts_over_their_bounds_are_refused() {
    let check = |change: &dyn Fn(&mut Pull)| {
        let mut pull = pull();
        change(&mut pull);
        assert!(Request::decode(&codec::encode(&Request::Pull(pull))).is_err());
    };
    check(&|pull| pull.have = vec![Commitment::from_bytes([1; 32]); limits::PULL_HAVE + 1]);
    check(&|pull| pull.known = vec![StatementId::from_bytes([1; 32]); limits::PULL_KNOWN + 1]);
    check(&|pull| pull.classes = vec!["x".into(); limits::CLASSES + 1]);
    check(&|pull| pull.classes = vec!["x".repeat(limits::CLASS_NAME_BYTES + 1)]);
    check(&|pull| pull.want = Want::Channel("x".repeat(limits::NAME_BYTES + 1)));
    let chunks = |have: usize| Request::Chunks {
        library: library(),
        commitment: Commitment::from_bytes([0x22; 32]),
        scope: Scope::of([3]),
        have: vec![Commitment::from_bytes([1; 32]); have],
        packing: Packing::Auto,
    };
    assert!(Request::decode(&codec::encode(&chunks(limits::FETCH_HAVE))).is_ok());
    assert!(Request::decode(&codec::encode(&chunks(limits::FETCH_HAVE + 1))).is_err());
    let holding = |held: usize| Holding { heard: None, held: vec![StatementId::from_bytes([1; 32]); held] };
    assert!(Holding::decode(&codec::encode(&holding(limits::ANSWER_HELD))).is_ok());
    assert!(Holding::decode(&codec::encode(&holding(limits::ANSWER_HELD + 1))).is_err());
    for ranges in
        [vec![(0, 0)], vec![(5, 2), (6, 1)], vec![(5, 2), (7, 1)], vec![(u64::MAX, 2)], vec![(5, 1), (0, 1)]]
    {
        check(&|pull| pull.scope = Some(Scope(ranges.clone())));
    }
    let many: Vec<_> = (0..=limits::REQUEST_POSITIONS as u64).map(|n| (n * 2, 1)).collect();
    check(&|pull| pull.scope = Some(Scope(many.clone())));
}

/// Symptom: names and addresses in a peer's hello reached the terminals of other users with all their escape
/// sequences. Cause: only the lengths in a hello were checked.
#[test]
fn a_hello_says_nothing_that_is_unfit_to_be_shown() {
    let check = |name: &str, address: &str| {
        let (name, addresses) = (name.to_owned(), vec!["a:1".to_owned(), address.to_owned()]);
        let node = NodeId::from_bytes([0x66; 32]);
        Hello::decode(&codec::encode(&Hello { addresses, name, ..plain(node) }))
    };
    for (name, address) in [("", "[2001:db8::1]:7"), ("电影", "mirror.example.org:4040")] {
        check(name, address).unwrap();
    }
    for name in ["\u{1b}[2J", "a\nb", "a\u{202e}b", "a\u{200b}", "a b", &"x".repeat(limits::NAME_BYTES + 1)] {
        assert!(check(name, "a:1").is_err(), "{name:?}");
    }
    for address in ["", "a:1\u{1b}[2J", "a :1", "ä:1", &"x".repeat(limits::ADDRESS_BYTES + 1)] {
        assert!(check("a", address).is_err(), "{address:?}");
    }
}

fn plain(node: NodeId) -> Hello {
    let (addresses, name, statements) = Default::default();
    Hello { version: VERSION, node, addresses, name, statements, kinds: Kinds::KNOWN }
}

/// A hello may come from any peer. The statements in it fit a few KiB; where there are more, only the newest
/// are sent.
#[test]
fn a_hello_shows_what_fits() {
    let node = NodeId::from_bytes([0x66; 32]);
    let long = |n: u8, len: usize| vec![n; len];
    let check = |statements: Vec<Vec<u8>>, expected: &[u8]| {
        let hello = Hello { name: "n".into(), ..plain(node) }.with_statements(statements.into_iter());
        let shown: Vec<u8> = hello.statements.iter().map(|statement| statement[0]).collect();
        assert_eq!(shown, expected);
        let bytes = codec::encode(&hello);
        assert!(bytes.len() <= limits::HELLO_BYTES, "{}", bytes.len());
        assert_eq!(Hello::decode(&bytes).unwrap(), hello);
    };
    check(vec![long(1, 400), long(2, 400)], &[1, 2]);
    check((0..40).map(|n| long(n, 100)).collect(), &(24..40).collect::<Vec<_>>());
    check(vec![long(1, 5000), long(2, 5000)], &[2]);
    check(vec![long(1, 100), long(2, limits::HELLO_BYTES)], &[]);
    let fixed = codec::encode(&Hello { name: "n".into(), ..plain(node) }).len();
    check(vec![long(1, limits::HELLO_BYTES - fixed - LENGTH_BYTES)], &[1]);

    let mut larger = plain(node);
    larger.statements = vec![long(1, limits::HELLO_BYTES)];
    assert!(Hello::decode(&codec::encode(&larger)).is_err());
}

#[test]
fn a_length_claimed_beyond_the_message_allocates_nothing() {
    // A request for pages whose count of positions is 2^60: the decoder's bound refuses it before it
    // allocates the vector.
    let mut bytes = [vec![1u8], vec![0x11; 64]].concat();
    bytes.push(0xfd);
    bytes.extend_from_slice(&(1u64 << 60).to_le_bytes());
    assert!(Request::decode(&bytes).is_err());
}

#[test]
fn a_refusal_is_cut_at_a_character() {
    let refusal = Refusal::new(ErrorCode::Invalid, "川".repeat(limits::REFUSAL_BYTES));
    assert!(refusal.text.len() <= limits::REFUSAL_BYTES && refusal.text.len() > limits::REFUSAL_BYTES - 3);
    assert!(Refusal::decode(&codec::encode(&refusal)).is_ok());
}
