//! Hostile peers, and the answers that they get.

use std::{
    sync::{Arc, atomic::Ordering},
    time::{Duration, Instant},
};

use super::pair::{self, Origin, Script};
use crate::{Connection, Endpoint, Error, endpoint::CloseCode, frame::FrameReader, limits};
use bytes::Bytes;
use chuan_engine::{
    limits::{HELLO_BYTES, UNKNOWN_PEER_REQUEST_BYTES},
    sync::{
        exchange::Talk,
        frame::{Frame, FrameKind},
        message::{ErrorCode, Hello, Request, VERSION},
    },
};

/// A connection without a hello.
async fn raw(endpoint: &Endpoint, origin: &Origin) -> quinn::Connection {
    endpoint.dial(origin.address).expect("dials").await.expect("completes the handshake")
}

async fn greet(connection: &quinn::Connection, hello: Hello) {
    let frame = Frame::Hello(hello).encode().expect("encodes");
    let mut stream = connection.open_uni().await.expect("opens");
    stream.write_all_chunks(&mut [frame.head, frame.payload]).await.expect("writes");
    stream.finish().expect("finishes");
}

/// The code and the reason with which the server closed. Every close that is tested here comes within a few
/// seconds.
async fn closed(connection: &quinn::Connection) -> (u64, String) {
    let patience = limits::REQUEST_TIMEOUT.max(limits::UNKNOWN_PEER_TIMEOUT) + Duration::from_secs(3);
    match tokio::time::timeout(patience, connection.closed()).await.expect("closes in time") {
        quinn::ConnectionError::ApplicationClosed(close) => {
            (close.error_code.into_inner(), String::from_utf8_lossy(&close.reason).into_owned())
        }
        other => panic!("closed otherwise: {other}"),
    }
}

/// Sends `bytes` as a request after a valid hello and returns the frames of the answer.
async fn ask(origin: &Origin, bytes: Vec<u8>) -> Vec<Frame> {
    let endpoint = pair::dialler();
    let connection = raw(&endpoint, origin).await;
    greet(&connection, pair::hello()).await;
    let (mut send, receive) = connection.open_bi().await.expect("opens");
    send.write_all(&bytes).await.expect("writes");
    send.finish().expect("finishes");
    let mut reader = FrameReader::new(receive);
    let mut frames = Vec::new();
    while let Ok(Some(frame)) = reader.next().await {
        frames.push(frame);
    }
    frames
}

fn header(len: u32, kind: u8) -> Vec<u8> {
    [len.to_le_bytes().as_slice(), &[kind]].concat()
}

#[tokio::test]
async fn malformed_requests_are_refused_and_answered_by_nothing_else() {
    let origin = Origin::start(Script { chunks: 5, ..Script::default() });
    let requests = [
        // A header that announces a request of four gigabytes.
        header(u32::MAX, FrameKind::Request as u8),
        // One byte more than is allowed.
        header(u32::try_from(chuan_engine::limits::FRAME_CONTROL_BYTES).expect("small") + 1, 2),
        // An unknown type.
        header(1, 200),
        // A frame that only an answer may hold.
        [header(1, FrameKind::Page as u8), vec![0]].concat(),
        // A payload that is no request.
        [header(4, FrameKind::Request as u8), vec![0xff; 4]].concat(),
    ];
    for request in requests {
        let frames = ask(&origin, request.clone()).await;
        assert!(matches!(frames.as_slice(), [Frame::Error(_)]), "{request:?}: {frames:?}");
    }
    // Cut within the header and within the payload: the stream is reset.
    for request in [vec![4, 0], header(100, FrameKind::Request as u8)] {
        assert!(ask(&origin, request.clone()).await.is_empty(), "{request:?}");
    }
    let script = origin.stop().await;
    assert_eq!(script.answers.load(Ordering::Relaxed), 0);
}

#[tokio::test]
async fn a_false_hello_ends_the_connection() {
    let origin = Origin::start(Script::default());
    let endpoint = pair::dialler();
    let other = pair::identity([3; 32]).node();
    for (hello, rule) in [
        (Hello { node: other, ..pair::hello() }, "another node"),
        (Hello { version: VERSION + 1, ..pair::hello() }, "another version"),
    ] {
        let connection = raw(&endpoint, &origin).await;
        greet(&connection, hello).await;
        let (code, reason) = closed(&connection).await;
        assert_eq!(code, CloseCode::Protocol as u64);
        assert!(reason.contains(rule), "{reason}");
    }
    let script = origin.stop().await;
    // Statements are valid by their signers, and may prove that the name is right: one hello was read to its
    // end.
    assert_eq!(script.offered.lock().expect("unpoisoned").len(), 1, "only of the version that is understood");
    assert_eq!(script.answers.load(Ordering::Relaxed), 0);
}

/// Symptom: the hello of an unknown peer of one mebibyte was read, kept and decoded to its end. Now only its
/// length is read, and the same holds for any other first frame.
#[tokio::test]
async fn a_hello_that_is_too_long_is_not_read() {
    let origin = Origin::start(Script::default());
    let endpoint = pair::dialler();
    let just_too_long = u32::try_from(HELLO_BYTES).expect("small") + 1;
    for (len, kind) in [
        (just_too_long, FrameKind::Hello),
        (just_too_long, FrameKind::Request),
        (just_too_long, FrameKind::Chunk),
    ] {
        let connection = raw(&endpoint, &origin).await;
        let mut stream = connection.open_uni().await.expect("opens");
        stream.write_all(&header(len, kind as u8)).await.expect("writes");
        let began = Instant::now();
        let (code, reason) = closed(&connection).await;
        assert_eq!((code, reason.as_str()), (CloseCode::Protocol as u64, "the first stream is no hello"));
        assert!(began.elapsed() < limits::REQUEST_TIMEOUT, "it waited for the rest of {kind:?}");
    }
    let script = origin.stop().await;
    assert!(script.offered.lock().expect("unpoisoned").is_empty());
    assert_eq!(script.counts.now().hellos_refused, 3);
}

/// An unknown peer may join, and any other request of it is denied. Of a request longer than a join only the
/// length is read.
#[tokio::test]
async fn a_long_request_of_an_unknown_peer_is_denied_unread() {
    let origin = Origin::start(Script { unknown: true, ..Script::default() });
    for (len, unread) in [(UNKNOWN_PEER_REQUEST_BYTES, 0), (UNKNOWN_PEER_REQUEST_BYTES + 1, 1)] {
        let library = chuan_engine::id::LibraryId::from_bytes([9; 32]);
        let offer = |bytes| Talk::Offer(vec![vec![0; bytes]]);
        let request = |bytes| Frame::Request(Request::Exchange { library, talk: offer(bytes) });
        let whole = |bytes| request(bytes).encode().expect("encodes");
        let overhead = whole(300).payload.len() - 300;
        let frame = whole(len - overhead);
        assert_eq!(frame.payload.len(), len);
        // Only the header of the longer one is sent: the server does not wait for the rest.
        let bytes = if unread == 0 { [frame.head, frame.payload].concat() } else { frame.head.to_vec() };
        let answer = ask(&origin, bytes).await;
        assert!(
            matches!(answer.as_slice(), [Frame::Error(refusal)] if refusal.code == ErrorCode::Denied && refusal.text.is_empty()),
            "{answer:?}"
        );
        assert_eq!(origin.host.counts.now().requests_unread, unread);
        assert_eq!(origin.host.answers.load(Ordering::Relaxed), 1);
    }
    origin.stop().await;
}

/// Unknown peers wait for each other, and no member waits for them.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn unknown_peers_share_one_permit() {
    let origin = Origin::start(Script { unknown: true, slow_joins: true, ..Script::default() });
    let connections = unknown_peers(&origin, 8).await;
    let joins: Vec<_> = connections
        .iter()
        .map(|connection| {
            tokio::spawn({
                let connection = std::sync::Arc::clone(connection);
                async move { connection.join(pair::join()).await }
            })
        })
        .collect();
    for join in joins {
        join.await.expect("no panic").expect("joins");
    }
    let script = origin.stop().await;
    assert_eq!(script.most_joins.load(Ordering::Relaxed), 1, "unknown peers kept several threads busy");
}

/// Symptom: sixteen silent unknown peers behind one address kept all others behind it from joining. Cause: a
/// new peer was refused before it could send its join.
#[tokio::test]
async fn silent_unknown_peers_do_not_block_a_join() {
    let origin = Origin::start(Script { unknown: true, ..Script::default() });
    let held = unknown_peers(&origin, limits::UNKNOWN_PEERS_PER_ADDRESS).await;
    let began = Instant::now();
    let (mut refused, number) = (0, limits::UNKNOWN_PEERS_PER_ADDRESS);
    loop {
        // A peer that is refused meanwhile connects again: the silent ones keep their places for a moment.
        let joined = async { try_connect_as(&origin, number).await?.join(pair::join()).await };
        match joined.await {
            Ok(_) => break,
            Err(Error::Busy(_)) => refused += 1,
            Err(other) => panic!("{other}"),
        }
    }
    // They would have been disconnected after this time in any case.
    assert!(began.elapsed() < limits::UNKNOWN_PEER_TIMEOUT, "refused {refused} times");
    drop(held);
    origin.stop().await;
}

async fn unknown_peers(origin: &Origin, count: usize) -> Vec<Arc<Connection>> {
    let mut connections = Vec::new();
    for number in 0..count {
        connections.push(Arc::new(connect_as(origin, number).await));
    }
    connections
}

#[tokio::test]
async fn nothing_is_answered_before_a_hello() {
    let origin = Origin::start(Script { chunks: 5, ..Script::default() });
    let endpoint = pair::dialler();
    let connection = raw(&endpoint, &origin).await;
    let request = Frame::Request(pair::pull()).encode().expect("encodes");
    let (mut send, _receive) = connection.open_bi().await.expect("opens");
    send.write_all_chunks(&mut [request.head, request.payload]).await.expect("writes");
    let (code, reason) = closed(&connection).await;
    assert_eq!(code, CloseCode::Protocol as u64);
    assert!(reason.contains("in time"), "{reason}");
    let script = origin.stop().await;
    assert_eq!(script.answers.load(Ordering::Relaxed), 0);
}

#[tokio::test]
async fn another_protocol_version_fails_in_the_handshake() {
    let origin = Origin::start(Script::default());
    let identity = pair::identity(pair::MIRROR);
    let mut tls = identity.dial_config().expect("configures");
    tls.alpn_protocols = vec![b"chuan/1".to_vec()];
    let endpoint = pair::dialler();
    let error = endpoint.dial_as(origin.address, tls).expect("dials").await.expect_err("fails");
    assert!(crate::dial::describe(&error).contains("another version of the protocol"), "{error}");
    origin.stop().await;
}

#[tokio::test]
async fn a_dialler_must_prove_a_key() {
    let origin = Origin::start(Script::default());
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut tls = rustls::ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])
        .expect("configures")
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(crate::identity::AnyKey))
        .with_no_client_auth();
    tls.alpn_protocols = vec![crate::identity::ALPN.to_vec()];
    let endpoint = pair::dialler();
    let dialled = endpoint.dial_as(origin.address, tls).expect("dials").await;
    // The dialler may see an open connection for a moment; the server's alert ends it.
    let error = match dialled {
        Ok(connection) => connection.closed().await,
        Err(error) => error,
    };
    assert!(matches!(error, quinn::ConnectionError::ConnectionClosed(_)), "{error}");
    origin.stop().await;
}

#[tokio::test]
async fn garbage_datagrams_change_nothing() {
    let origin = Origin::start(Script { chunks: 10, ..Script::default() });
    let socket = std::net::UdpSocket::bind("127.0.0.1:0").expect("binds");
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut random = move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state
    };
    for round in 0..5_000 {
        let len = usize::try_from(random() % 1_400).expect("small") + 1;
        let mut datagram: Vec<u8> = std::iter::repeat_with(|| random().to_le_bytes()[0]).take(len).collect();
        if round % 2 == 0 {
            // A long header of QUIC version 1, so that the parser reads further.
            let initial = [0xc0, 0, 0, 0, 1, 8];
            let known = initial.len().min(len);
            datagram[..known].copy_from_slice(&initial[..known]);
        }
        socket.send_to(&datagram, origin.address).expect("sends");
    }
    let endpoint = pair::dialler();
    let connection = pair::connect(&endpoint, origin.address).await.expect("still connects");
    drop(connection);
    origin.stop().await;
}

#[tokio::test]
async fn one_node_gets_so_many_connections_and_no_more() {
    let origin = Origin::start(Script::default());
    let endpoint = pair::dialler();
    let mut held = Vec::new();
    for _ in 0..limits::CONNECTIONS_PER_NODE {
        let connection = pair::connect(&endpoint, origin.address).await.expect("connects");
        connection.join(pair::join()).await.expect("is in");
        held.push(connection);
    }
    let refused = match pair::connect(&endpoint, origin.address).await {
        Ok(connection) => connection.join(pair::join()).await.expect_err("refused"),
        Err(error) => error,
    };
    assert!(matches!(refused, Error::Busy(_)), "{refused:?}");

    held.pop();
    // The place is free once the server has seen the end of the old connection.
    loop {
        let connection = pair::connect(&endpoint, origin.address).await.expect("connects");
        if connection.join(pair::join()).await.is_ok() {
            break;
        }
    }
    origin.stop().await;
}

/// The error names the peer that breaks the protocol in its answer.
#[tokio::test]
async fn a_server_that_answers_nonsense_is_named() {
    let endpoint = Endpoint::listen("127.0.0.1:0".parse().expect("parses"), pair::identity(pair::ORIGIN))
        .expect("binds");
    let address = endpoint.local_address().expect("bound");
    let serving = tokio::spawn(async move {
        let connection = endpoint.accept().await.expect("accepts").await.expect("completes the handshake");
        let (mut send, _receive) = connection.accept_bi().await.expect("is asked");
        send.write_chunk(Bytes::from_static(&[1, 2, 3, 4, 5])).await.expect("writes");
        send.finish().expect("finishes");
        connection.closed().await;
    });
    let dialler = pair::dialler();
    let connection = pair::connect(&dialler, address).await.expect("connects");
    let error = connection.join(pair::join()).await.expect_err("nonsense");
    assert!(matches!(&error, Error::Protocol { peer, .. } if peer == connection.name()), "{error:?}");
    drop(connection);
    serving.await.expect("no panic");
}

/// Keys cost nothing: an unknown peer must not hold a place without a request.
#[tokio::test]
async fn an_unknown_peer_without_a_request_is_disconnected() {
    let origin = Origin::start(Script { unknown: true, ..Script::default() });
    let endpoint = pair::dialler();
    let connection = raw(&endpoint, &origin).await;
    greet(&connection, pair::hello()).await;
    assert_eq!(closed(&connection).await.0, CloseCode::Busy as u64);
    origin.stop().await;
}

/// Symptom: while many mirrors pulled a library for the first time no node could join, and no statement, not
/// even a revocation, got in. Cause: all requests waited for the same permits without a limit, and kept
/// waiting after the peer had given up the answer.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_is_busy_with_pulls_still_answers_joins() {
    let origin = Origin::start(Script { chunks: u64::MAX, ..Script::default() });
    let mut held = Vec::new();
    let mut asked = 0;
    // Each key has one answer, which is its share.
    while asked < limits::ANSWERS {
        let connection = connect_as(&origin, asked).await;
        let answer = connection.ask(pair::pull()).await.expect("asks");
        held.push((connection, answer));
        asked += 1;
    }
    while origin.host.answers.load(Ordering::Relaxed) < limits::ANSWERS {
        tokio::task::yield_now().await;
    }
    let began = Instant::now();
    let connection = connect_as(&origin, asked).await;
    connection.join(pair::join()).await.expect("joins");
    // Two requests that wait and are given up free their places on the connection.
    for _ in 0..limits::ANSWERS_PER_CONNECTION {
        drop(connection.ask(pair::pull()).await.expect("asks"));
    }
    connection.join(pair::join()).await.expect("joins");
    assert!(began.elapsed() < limits::ANSWER_WAIT_TIMEOUT, "{:?}", began.elapsed());
    let mut answer = connection.ask(pair::pull()).await.expect("asks");
    let frame = answer.next().await.expect("is answered");
    assert!(matches!(&frame, Some(Frame::Error(refusal)) if refusal.code == ErrorCode::Busy), "{frame:?}");
    assert_eq!(origin.host.answers.load(Ordering::Relaxed), limits::ANSWERS);
    drop((held, connection));
    origin.stop().await;
}

async fn connect_as(origin: &Origin, number: usize) -> Connection {
    try_connect_as(origin, number).await.expect("connects")
}

async fn try_connect_as(origin: &Origin, number: usize) -> crate::Result<Connection> {
    let identity = pair::identity([100 + u8::try_from(number).expect("few"); 32]);
    let hello = Hello { node: identity.node(), ..pair::hello() };
    let endpoint = Endpoint::dialler(identity).expect("binds");
    let addresses = [origin.address.to_string()];
    Connection::open(&endpoint, &addresses, pair::origin_id(), &hello).await
}
