//! Tests of the exchange of statements: its bounds, access to it, and hostile peers. `property` tests that
//! nodes come to agree.

mod forger;
mod mesh;
mod people;
mod property;
mod versions;

use std::sync::LazyLock;

use super::*;
use crate::{
    error::Error,
    limits::{FRAME_CONTROL_BYTES, STATEMENTS_PER_KEY},
    statement::{Accepted, Body, Classes, Header, Key, Member, Verbs, library},
    sync::{frame::Assembler, message::ErrorCode, pair::to_bytes},
};
use mesh::{START_MS, key, node_key};
use people::{ANN, found, member};

/// As many member statements as a large library has.
static MANY: LazyLock<Vec<Statement>> = LazyLock::new(|| {
    const STATEMENTS: u32 = 20_000;
    let first = found();
    let id = first[0].library();
    let operator = key(ANN);
    let admit = |n: u32| {
        let mut node = [0; 32];
        node[..4].copy_from_slice(&n.to_le_bytes());
        let body = Member { node: NodeId::from_bytes(node), ..member(&key(1), None) };
        let header = Header { library: Some(id), sequence: 1, time_ms: START_MS };
        Statement::sign(header, &Body::Member(body), &[&operator]).unwrap()
    };
    first.into_iter().chain((0..STATEMENTS).map(admit)).collect()
});

fn small() -> Library {
    Library::open(found()[0].library(), found(), START_MS).unwrap()
}

fn large() -> Library {
    assert!(MANY.len() < STATEMENTS_PER_KEY);
    Library::open(MANY[0].library(), MANY.iter().cloned(), START_MS).unwrap()
}

/// Runs an exchange between `asker` and `answerer`; returns the number of requests.
fn exchange(asker: &mut Library, answerer: &mut Library) -> u32 {
    let mut exchange = Exchange::new(asker.clone(), Kinds::KNOWN);
    let mut requests = 0;
    while let Some(request) = exchange.poll_request() {
        requests += 1;
        let payload = Frame::Request(request).encode().unwrap().payload;
        assert!(payload.len() <= FRAME_CONTROL_BYTES);
        let Request::Exchange { talk, .. } = Request::decode(&payload).unwrap() else { unreachable!() };
        let reply = answer(answerer, Kinds::KNOWN, talk, &node_key(0).node(), START_MS).unwrap();
        learn(answerer, &reply.offered);
        let mut assembler = Assembler::default();
        for frame in &reply.frames {
            assembler.push(to_bytes(frame).into());
            while let Some(frame) = assembler.next().unwrap() {
                exchange.handle(frame).unwrap();
            }
        }
    }
    learn(asker, &exchange.take_received());
    requests
}

/// Stores envelopes in a library; every statement must find the statements that prove it.
fn learn(library: &mut Library, envelopes: &[Bytes]) {
    let statements: Vec<_> = envelopes.iter().map(|bytes| Statement::decode(bytes).unwrap()).collect();
    for outcome in library.offer_all(&statements, START_MS) {
        assert!(matches!(outcome.unwrap(), Accepted::New | Accepted::Known));
    }
}

#[test]
fn two_equal_sets_cost_one_digest() {
    assert_eq!(exchange(&mut small(), &mut small()), 1);
}

/// More envelopes than one answer may hold: further requests name the envelopes that came.
#[test]
fn a_large_set_comes_in_several_messages() {
    let (mut asker, mut answerer) = (Library::new(MANY[0].library()), large());
    let requests = exchange(&mut asker, &mut answerer);
    assert!((8..EXCHANGE_ROUNDS).contains(&requests), "{requests}");
    assert_eq!(asker.inventory(), answerer.inventory());
    assert_eq!(exchange(&mut asker, &mut answerer), 1);
}

/// Each message can be stored when it comes: the statements that prove a statement are sent before it.
#[test]
fn a_large_set_is_offered_in_the_order_of_its_proofs() {
    let (mut asker, mut answerer) = (large(), small());
    let requests = exchange(&mut asker, &mut answerer);
    assert!((8..EXCHANGE_ROUNDS).contains(&requests), "{requests}");
    assert_eq!(asker.inventory(), answerer.inventory());
}

/// A known statement with one more signature is a new envelope.
#[test]
fn a_statement_with_one_more_signature_is_exchanged() {
    let mut asker = small();
    let body = Body::Member(member(&key(40), None));
    let header = Header { library: Some(asker.id()), sequence: 1, time_ms: START_MS };
    let one = Statement::sign(header, &body, &[&key(ANN)]).unwrap();
    assert_eq!(asker.offer(&one, START_MS).unwrap(), Accepted::New);
    let mut answerer = asker.clone();
    assert_eq!(answerer.offer(&one.cosign(&key(people::BO)).unwrap(), START_MS).unwrap(), Accepted::New);
    assert_eq!(exchange(&mut asker, &mut answerer), 3);
    assert_eq!(asker.statement(&one.id()).unwrap().signers().count(), 2);
    assert_eq!(exchange(&mut answerer, &mut asker), 1);
}

/// Members may exchange, also those with `Verbs::STATEMENTS` only. Other nodes learn nothing, not even
/// whether the library is here; a revoked one learns when it was revoked.
#[test]
fn only_members_learn_anything() {
    let mut library = small();
    let watcher = Member { verbs: Verbs::STATEMENTS, ..member(&key(41), None) };
    let expired = Member { expires_ms: START_MS, ..member(&key(42), None) };
    let revoked = member(&key(43), None);
    for body in [watcher, expired, revoked] {
        let made = library::member(&library, &key(ANN), body, START_MS).unwrap();
        assert_eq!(library.offer(&made, START_MS).unwrap(), Accepted::New);
    }
    let out = library::revoke(&library, &key(ANN), key(43).node(), "", START_MS).unwrap();
    assert_eq!(library.offer(&out, START_MS).unwrap(), Accepted::New);
    let succeed =
        |to: u8| library::succession(&library, key(41).node(), &key(41), &key(to), 0, START_MS).unwrap();
    let mut suspended = library.clone();
    for made in [succeed(60), succeed(61)] {
        assert!(suspended.offer(&made, START_MS).unwrap().is_news());
    }

    let all: Vec<u8> = (0..=u8::MAX).collect();
    let known = library.inventory();
    let ids: Vec<_> = all.iter().flat_map(|bucket| known.in_bucket(Kinds::KNOWN, *bucket)).collect();
    let talks = || {
        [
            Talk::Digest(known.digest(Kinds::KNOWN)),
            Talk::Digest(SetDigest::default()),
            Talk::Known { buckets: all.clone(), ids: Vec::new() },
            Talk::Known { buckets: all.clone(), ids: ids.clone() },
            Talk::Offer(vec![out.bytes().to_vec()]),
        ]
    };
    for talk in talks() {
        assert!(!answer(&library, Kinds::KNOWN, talk, &key(41).node(), START_MS).unwrap().frames.is_empty());
    }
    let when = START_MS.to_string();
    let cases = [
        (&library, 42, (ErrorCode::Denied, "")),
        (&library, 43, (ErrorCode::Revoked, when.as_str())),
        (&library, 99, (ErrorCode::Denied, "")),
        (&suspended, 41, (ErrorCode::Denied, "")),
    ];
    for (library, peer, expected) in cases {
        for talk in talks() {
            let refused = answer(library, Kinds::KNOWN, talk, &key(peer).node(), START_MS).unwrap_err();
            let refusal = crate::sync::message::Refusal::of(&refused);
            assert_eq!((refusal.code, refusal.text.as_str()), expected, "{peer}");
        }
    }
}

/// An exchange after an inventory in which the given buckets differ.
fn asked(buckets: impl Fn(u8) -> bool) -> (Exchange, Request) {
    let library = small();
    let known = library.inventory().clone();
    let mut exchange = Exchange::new(library, Kinds::KNOWN);
    assert!(exchange.poll_request().is_some() && exchange.poll_request().is_none());
    let theirs = |bucket| {
        let ours = known.bucket(Kinds::KNOWN, bucket);
        if buckets(bucket) { !ours } else { ours }
    };
    exchange.handle(Frame::Inventory(inventory((0..=u8::MAX).map(theirs).collect(), vec![]))).unwrap();
    exchange.handle(Frame::End(End { complete: true, ..End::default() })).unwrap();
    let request = exchange.poll_request().unwrap();
    (exchange, request)
}

#[track_caller]
fn check_refused(exchange: &mut Exchange, frame: Frame, text: &str) {
    match exchange.handle(frame) {
        Err(Error::Peer(reason)) => assert!(reason.contains(text), "`{reason}` does not say `{text}`"),
        other => panic!("{other:?}"),
    }
}

fn inventory(buckets: Vec<u64>, lacks: Vec<EnvelopeId>) -> Inventory {
    Inventory { buckets, lacks, kinds: Kinds::KNOWN }
}

fn end(complete: bool) -> Frame {
    Frame::End(End { complete, ..End::default() })
}

fn stranger(key: &Key, n: u64, message: &str) -> Statement {
    let body = crate::statement::Release {
        parents: vec![],
        manifest: crate::id::ManifestId::from_bytes([1; 32]),
        message: message.into(),
        classes: vec![],
    };
    let header = Header { library: Some(found()[0].library()), sequence: n, time_ms: START_MS };
    Statement::sign(header, &Body::Release(body), &[key]).unwrap()
}

#[test]
fn an_answer_to_another_request_is_refused() {
    let statement = || Frame::Statement(found()[0].bytes().clone());
    let whole = || inventory(vec![0; EXCHANGE_BUCKETS], vec![]);
    let begun = || {
        let mut exchange = Exchange::new(small(), Kinds::KNOWN);
        assert!(exchange.poll_request().is_some());
        exchange
    };
    check_refused(&mut Exchange::new(small(), Kinds::KNOWN), end(true), "without a request");
    check_refused(&mut begun(), statement(), "out of place");
    check_refused(&mut begun(), Frame::Table(Bytes::new()), "out of place");
    check_refused(&mut begun(), Frame::Inventory(inventory(vec![], vec![])), "does not match");
    let named = Inventory { lacks: vec![EnvelopeId::from_bytes([1; 32])], ..whole() };
    check_refused(&mut begun(), Frame::Inventory(named), "does not match");
    let mut twice = begun();
    twice.handle(Frame::Inventory(whole())).unwrap();
    check_refused(&mut twice, Frame::Inventory(whole()), "does not match");

    check_refused(&mut asked(|_| true).0, Frame::Inventory(whole()), "does not match");
    let unasked = inventory(vec![], vec![EnvelopeId::from_bytes([1; 32])]);
    check_refused(&mut asked(|_| true).0, Frame::Inventory(unasked), "does not match");
    let unasked = stranger(&key(7), 1, "");
    let bucket = unasked.envelope_id().bucket();
    let frame = || Frame::Statement(unasked.bytes().clone());
    asked(|other| other == bucket).0.handle(frame()).unwrap();
    check_refused(&mut asked(|other| other == bucket.wrapping_add(1)).0, frame(), "not requested");
}

#[test]
fn an_answer_holds_no_more_than_it_may() {
    let (mut exchange, _) = asked(|_| true);
    // A statement that a newer version may have written is dropped, but is included in the bound.
    let unreadable = Frame::Statement(Bytes::from_static(b"CHST from tomorrow"));
    (0..ANSWER_STATEMENTS).for_each(|_| exchange.handle(unreadable.clone()).unwrap());
    check_refused(&mut exchange, unreadable, "exceeds its bounds");
    assert!(exchange.take_received().is_empty());

    let (mut exchange, _) = asked(|_| true);
    let long = stranger(&key(7), 1, &"x".repeat(crate::limits::MESSAGE_BYTES));
    let fits = EXCHANGE_BYTES / long.bytes().len();
    (0..fits).for_each(|_| exchange.handle(Frame::Statement(long.bytes().clone())).unwrap());
    check_refused(&mut exchange, Frame::Statement(long.bytes().clone()), "exceeds its bounds");
    assert_eq!(exchange.take_received().len(), 1, "a repeated statement is kept once");
    let huge = Frame::Statement(vec![0; STATEMENT_BYTES + 1].into());
    check_refused(&mut asked(|_| true).0, huge, "exceeds its bounds");
}

/// A peer cannot prolong an exchange without end, neither by promising more statements nor by making them up.
#[test]
fn an_exchange_ends() {
    let repeated = stranger(&key(7), 1, "");
    let (mut exchange, mut request) = asked(|_| true);
    for round in 0.. {
        assert!(round < 4, "asked {round} times for data that does not come");
        assert!(matches!(request, Request::Exchange { talk: Talk::Known { .. }, .. }));
        exchange.handle(Frame::Statement(repeated.bytes().clone())).unwrap();
        exchange.handle(end(false)).unwrap();
        let Some(next) = exchange.poll_request() else { break };
        request = next;
    }
    let (mut exchange, _) = asked(|_| true);
    for n in 1.. {
        assert!(n < u64::from(EXCHANGE_ROUNDS), "asked {n} times");
        exchange.handle(Frame::Statement(stranger(&key(7), n, "").bytes().clone())).unwrap();
        exchange.handle(end(false)).unwrap();
        if exchange.poll_request().is_none() {
            break;
        }
    }
    assert!(exchange.take_received().len() < EXCHANGE_ROUNDS as usize);
}

#[test]
fn a_request_out_of_bounds_is_not_decoded() {
    let id = |byte: u8| EnvelopeId::from_bytes([byte; 32]);
    let good = Talk::Known { buckets: vec![1, 2], ids: vec![id(1), id(2)] };
    let bad = [
        Talk::Known { buckets: vec![], ids: vec![] },
        Talk::Known { buckets: vec![2, 1], ids: vec![] },
        Talk::Known { buckets: vec![1, 1], ids: vec![] },
        Talk::Known { buckets: vec![1, 2], ids: vec![id(2), id(1)] },
        Talk::Known { buckets: vec![1, 2], ids: vec![id(1), id(1)] },
        Talk::Known { buckets: vec![1], ids: vec![id(2)] },
        Talk::Known {
            buckets: vec![0],
            ids: (0..=u16::try_from(EXCHANGE_IDS).unwrap())
                .map(|n| {
                    let [high, low] = n.to_be_bytes();
                    let mut bytes = [0; 32];
                    (bytes[1], bytes[2]) = (high, low);
                    EnvelopeId::from_bytes(bytes)
                })
                .collect(),
        },
        Talk::Offer(vec![vec![]; ANSWER_STATEMENTS + 1]),
        Talk::Offer(vec![vec![0; STATEMENT_BYTES]; EXCHANGE_BYTES / STATEMENT_BYTES + 1]),
    ];
    let decode = |talk: Talk| {
        let request = Request::Exchange { library: small().id(), talk };
        Request::decode(&Frame::Request(request).encode().unwrap().payload)
    };
    decode(good).unwrap();
    for talk in bad {
        let (kind, error) = (format!("{talk:?}").chars().take(40).collect::<String>(), decode(talk));
        assert!(matches!(error, Err(Error::Invalid(_))), "{kind}");
    }
    let of = |inventory: &Inventory| Inventory::decode(&crate::codec::encode(inventory));
    assert!(of(&inventory(vec![0; EXCHANGE_BUCKETS], vec![])).is_ok());
    assert!(of(&inventory(vec![0; EXCHANGE_BUCKETS - 1], vec![])).is_err());
    assert!(of(&inventory(vec![], vec![id(2), id(1)])).is_err());
}

/// An exchange does not depend on class grants: a member of one class verifies the releases of all classes.
#[test]
fn a_member_of_one_class_learns_all_statements() {
    let mut library = small();
    let classes = Classes::new(vec!["trailers".into()]).unwrap();
    let body = Member { classes, ..member(&key(41), None) };
    let made = library::member(&library, &key(ANN), body, START_MS).unwrap();
    assert_eq!(library.offer(&made, START_MS).unwrap(), Accepted::New);
    let all = Talk::Known { buckets: (0..=u8::MAX).collect(), ids: Vec::new() };
    let reply = answer(&library, Kinds::KNOWN, all, &key(41).node(), START_MS).unwrap();
    assert_eq!(reply.frames.len(), library.statements().len() + 2);
}
