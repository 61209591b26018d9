//! Grants that are revoked, narrowed or expire while an answer depends on them.

use std::{sync::atomic::Ordering, time::Duration};

use chuan_engine::{
    Error,
    id::SetDigest,
    limits::GRANT_TICK,
    statement::{
        Classes, Key, Kinds, Library, Member, NodeRole, Statement, Verbs,
        library::{member, revoke, succession},
    },
    sync::{
        exchange::Talk,
        frame::{Frame, FrameKind},
        message::{Hello, Packing, Pull, Request},
        session::Outlet,
    },
};

use super::{
    films::{Cinema, Films, NOW_MS},
    pair::{self, Origin},
};
use crate::{
    Endpoint, Identity, PeerKey,
    endpoint::CloseCode,
    frame::FrameReader,
    limits,
    serve::{Caller, PeerHandler},
};

const LATER_MS: i64 = NOW_MS + 1000;

/// Receives an answer; `happens` runs after the first chunk.
struct Meanwhile<F> {
    happens: Option<F>,
    chunks_after: usize,
    last: Option<Frame>,
    now: Duration,
}

impl<F: FnOnce() + Send> Outlet for Meanwhile<F> {
    fn send(&mut self, frame: Frame) -> bool {
        if frame.kind() == FrameKind::Chunk {
            match self.happens.take() {
                Some(happens) => happens(),
                None => self.chunks_after += 1,
            }
            self.now += GRANT_TICK;
        }
        self.last = Some(frame);
        true
    }

    fn now(&self) -> Duration {
        self.now
    }
}

fn mirror() -> Key {
    Key::from_seed(pair::MIRROR)
}

/// A new grant of the operator for the mirror.
fn granted(library: &Library, change: impl FnOnce(Member) -> Member) -> Statement {
    let body = library.member(&mirror().node()).expect("is a member").body.clone();
    member(library, &Films::operator(), change(body), NOW_MS).expect("signs")
}

fn whole(library: &Library) -> Request {
    Request::Pull(Pull { packing: Packing::Fastest, ..pair::whole(library.id()) })
}

/// Answers a pull of the mirror; `happens` runs after the first chunk. Returns the result, and the number of
/// chunks that came after it.
fn pulled(host: &Cinema, happens: impl FnOnce() + Send) -> (chuan_engine::Result<()>, usize) {
    let peer = PeerKey { node: mirror().node(), key: mirror().public() };
    let caller = Caller { peer, kinds: Kinds::KNOWN, exporter: None };
    let mut out = Meanwhile { happens: Some(happens), chunks_after: 0, last: None, now: Duration::ZERO };
    let went = host.answer(&caller, whole(&host.films.library()), &mut out);
    assert!(out.happens.is_none(), "a chunk came");
    assert!(went.is_err() || matches!(out.last, Some(Frame::End(_))));
    (went, out.chunks_after)
}

fn cinema() -> Cinema {
    let (films, _) = Films::found();
    films.publish(50, 0, 0);
    Cinema::new(films)
}

/// Symptom: a pull that was under way when a grant was narrowed, or expired, continued to its end, possibly
/// for hours. Cause: the grant was checked once, before the answer, and a session only noticed the loss of a
/// whole library.
#[test]
fn an_answer_ends_with_its_grant() {
    type Change = fn(&Cinema);
    let ends: [(&str, Change); 6] = [
        ("other classes", |host| {
            let trailers = Classes::new(vec!["trailers".into()]).expect("is one");
            host.hear(&[granted(&host.films.library(), |m| Member { classes: trailers, ..m })]);
        }),
        ("watch", |host| {
            host.hear(&[granted(&host.films.library(), |m| Member { verbs: Verbs::STATEMENTS, ..m })]);
        }),
        ("revoked", |host| {
            let said = revoke(&host.films.library(), &Films::operator(), mirror().node(), "", NOW_MS);
            host.hear(&[said.expect("signs")]);
        }),
        ("key replaced", |host| {
            let new = Key::from_seed([56; 32]);
            let said = succession(&host.films.library(), mirror().node(), &mirror(), &new, 0, NOW_MS - 1);
            host.hear(&[said.expect("signs")]);
        }),
        ("expired", |host| host.clock_ms.store(LATER_MS, Ordering::Relaxed)),
        ("grace over", |host| {
            let new = Key::from_seed([56; 32]);
            let said = succession(&host.films.library(), mirror().node(), &mirror(), &new, 500, NOW_MS);
            host.hear(&[said.expect("signs")]);
            host.clock_ms.store(LATER_MS, Ordering::Relaxed);
        }),
    ];
    for (what, change) in ends {
        let host = cinema();
        let expires_ms = if what == "expired" { LATER_MS } else { 0 };
        host.films.learn(&[granted(&host.films.library(), |m| Member { expires_ms, ..m })]);
        let (went, after) = pulled(&host, || change(&host));
        assert!(matches!(went, Err(Error::Denied(_))), "{what}: {went:?}");
        assert_eq!(after, 0, "{what}");
    }
}

#[test]
fn an_answer_goes_on_while_its_grant_is_valid() {
    type Change = fn(&Cinema);
    let stands: [(&str, Change); 4] = [
        ("an unrelated change", |host| host.hear(&[])),
        ("renewed", |host| {
            host.hear(&[granted(&host.films.library(), |m| Member { expires_ms: LATER_MS + 1, ..m })]);
            host.clock_ms.store(LATER_MS, Ordering::Relaxed);
        }),
        ("more verbs", |host| {
            let verbs = Verbs::PULL.with(Verbs::STATEMENTS);
            host.hear(&[granted(&host.films.library(), |m| Member { verbs, ..m })]);
        }),
        ("key replaced, within its grace", |host| {
            let new = Key::from_seed([56; 32]);
            let said = succession(&host.films.library(), mirror().node(), &mirror(), &new, 5000, NOW_MS);
            host.hear(&[said.expect("signs")]);
            host.clock_ms.store(LATER_MS, Ordering::Relaxed);
        }),
    ];
    for (what, change) in stands {
        let host = cinema();
        let (went, after) = pulled(&host, || change(&host));
        went.unwrap_or_else(|error| panic!("{what}: {error}"));
        assert_eq!(after, 49, "{what}");
    }
}

/// Symptom: a peer that joined while one of its requests was under way kept its connection when it was
/// revoked. Cause: a session did not read the memberships of an unknown peer again before all its answers had
/// ended, and ignored every change until then.
#[tokio::test]
async fn a_peer_that_joined_meanwhile_is_disconnected_when_revoked() {
    let (films, _) = Films::found();
    let origin = Origin::start(Cinema::new(films));
    let host = &origin.host;
    let key = Key::from_seed([66; 32]);
    let endpoint = Endpoint::dialler(Identity::new(key.clone())).expect("binds");
    let quic = endpoint.dial(origin.address).expect("dials").await.expect("completes the handshake");
    let hello = Hello { node: key.node(), statements: Vec::new(), ..pair::hello() };
    let hello = Frame::Hello(hello).encode().expect("encodes");
    let mut stream = quic.open_uni().await.expect("opens");
    stream.write_all_chunks(&mut [hello.head, hello.payload]).await.expect("writes");
    stream.finish().expect("finishes");
    let (mut half, _answer) = quic.open_bi().await.expect("opens");
    half.write_all(&[1, 0]).await.expect("writes");
    // The answer to a second request shows that the server waits for the rest of the first.
    let digest = SetDigest::from_bytes([0; 32]);
    let id = host.films.library().id();
    let ask = Frame::Request(Request::Exchange { library: id, talk: Talk::Digest(digest) });
    let ask = ask.encode().expect("encodes");
    let (mut send, receive) = quic.open_bi().await.expect("opens");
    send.write_all_chunks(&mut [ask.head, ask.payload]).await.expect("writes");
    let refused = FrameReader::new(receive).next().await.expect("answers");
    assert!(matches!(refused, Some(Frame::Error(_))), "{refused:?}");

    let looked = host.looked.load(Ordering::Acquire);
    let body = Member {
        node: key.node(),
        key: key.public(),
        name: "node".into(),
        role: NodeRole::Mirror,
        region: None,
        classes: Classes::all(),
        verbs: Verbs::PULL,
        expires_ms: 0,
        ticket: None,
    };
    host.hear(&[member(&host.films.library(), &Films::operator(), body, NOW_MS).expect("signs")]);
    let looks = async {
        while host.looked.load(Ordering::Acquire) == looked {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(limits::REQUEST_TIMEOUT, looks).await.expect("reads the memberships again");
    host.hear(&[revoke(&host.films.library(), &Films::operator(), key.node(), "", NOW_MS).expect("signs")]);
    match tokio::time::timeout(limits::REQUEST_TIMEOUT, quic.closed()).await.expect("is closed") {
        quinn::ConnectionError::ApplicationClosed(close) => {
            assert_eq!(close.error_code, CloseCode::Revoked.varint());
        }
        other => panic!("closed otherwise: {other}"),
    }
    origin.stop().await;
}
