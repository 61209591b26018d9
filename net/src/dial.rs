//! Dialling a node: tries its addresses in turn and checks the key of the node that answers. Requests are
//! sent by the module `connection`.

use std::{
    collections::{HashSet, VecDeque},
    future::Future,
    io,
    net::SocketAddr,
    sync::Arc,
};

use bytes::Bytes;
use chuan_engine::{
    id::NodeId,
    limits::{ADDRESSES, HELLO_BYTES},
    sync::{frame::Frame, message::Hello},
};
use quinn::ConnectionError;
use tokio::{task::JoinSet, time::timeout};

use crate::{
    Endpoint, Error, PeerVerifier, Result,
    endpoint::{CloseCode, named_at, peer_name, proved_node},
    frame::FrameReader,
    identity::PeerKey,
    limits,
};

/// The TLS alert of a peer that shares no protocol version (`no_application_protocol`, RFC 7301).
const ALERT_NO_PROTOCOL: u64 = 0x100 | 120;
/// QUIC's `CONNECTION_REFUSED` error (RFC 9000 §20.1): the server has no room now.
const CONNECTION_REFUSED: u64 = 0x2;

/// Tries the addresses, each a little after the previous one; the first that answers as `expected` wins.
pub(crate) async fn reach(
    endpoint: &Endpoint,
    addresses: &[String],
    expected: NodeId,
    verifier: &Arc<dyn PeerVerifier>,
) -> Result<(quinn::Connection, PeerKey)> {
    let look_up = |name: String| async move { Ok(tokio::net::lookup_host(name).await?.collect()) };
    reach_by(look_up, endpoint, addresses, expected, verifier).await
}

/// The result of one attempt.
enum Attempt {
    /// The addresses of a name.
    Found(Vec<SocketAddr>),
    Reached(quinn::Connection, PeerKey),
}

/// The same, with `look_up` as the resolver. Each name is resolved in its turn, beside the dials: a name
/// whose servers are silent delays no other address.
pub(crate) async fn reach_by<F: Future<Output = io::Result<Vec<SocketAddr>>> + Send + 'static>(
    look_up: impl Fn(String) -> F,
    endpoint: &Endpoint,
    addresses: &[String],
    expected: NodeId,
    verifier: &Arc<dyn PeerVerifier>,
) -> Result<(quinn::Connection, PeerKey)> {
    if addresses.is_empty() {
        return Err(Error::Unreachable {
            peer: "a node without addresses".into(),
            cause: "none is known".into(),
        });
    }
    let mut turns = Turns::new(addresses);
    let mut attempts: JoinSet<Result<Attempt>> = JoinSet::new();
    let mut failures: Vec<Error> = Vec::new();
    loop {
        match turns.next() {
            Some(Turn::Dial(address)) => {
                attempts.spawn(dial_one(endpoint.clone(), address, expected, Arc::clone(verifier)));
            }
            Some(Turn::LookUp(name)) => drop(attempts.spawn(find(name.clone(), look_up(name)))),
            None => {}
        }
        let stagger = tokio::time::sleep(limits::DIAL_STAGGER);
        let ended = tokio::select! {
            ended = attempts.join_next() => ended,
            () = stagger, if turns.has_more() => continue,
        };
        match ended {
            Some(Ok(Ok(Attempt::Reached(connection, peer)))) => return Ok((connection, peer)),
            Some(Ok(Ok(Attempt::Found(found)))) => turns.add(found),
            Some(Ok(Err(error))) => failures.push(error),
            Some(Err(error)) => failures.push(Error::Local(format!("dialling failed: {error}"))),
            None => return Err(unreachable_at(addresses, expected, failures)),
        }
    }
}

/// The next step.
#[derive(Debug, PartialEq, Eq)]
enum Turn {
    Dial(SocketAddr),
    LookUp(String),
}

/// Addresses in the order in which they are tried, each once: those that need no lookup come first.
struct Turns {
    dials: VecDeque<SocketAddr>,
    names: VecDeque<String>,
    seen: HashSet<SocketAddr>,
}

impl Turns {
    fn new(addresses: &[String]) -> Self {
        let mut turns = Self { dials: VecDeque::new(), names: VecDeque::new(), seen: HashSet::new() };
        for address in addresses.iter().take(ADDRESSES) {
            match address.parse() {
                Ok(address) => turns.add([address]),
                Err(_) => turns.names.push_back(address.clone()),
            }
        }
        turns
    }

    fn add(&mut self, found: impl IntoIterator<Item = SocketAddr>) {
        for address in found {
            if self.seen.len() < ADDRESSES && self.seen.insert(address) {
                self.dials.push_back(address);
            }
        }
    }

    fn next(&mut self) -> Option<Turn> {
        let dial = self.dials.pop_front().map(Turn::Dial);
        dial.or_else(|| self.names.pop_front().map(Turn::LookUp))
    }

    fn has_more(&self) -> bool {
        !self.dials.is_empty() || !self.names.is_empty()
    }
}

async fn find(name: String, found: impl Future<Output = io::Result<Vec<SocketAddr>>>) -> Result<Attempt> {
    let unreachable = |cause: String| Error::Unreachable { peer: name.clone(), cause };
    match timeout(limits::LOOKUP_TIMEOUT, found).await {
        Ok(Ok(found)) => Ok(Attempt::Found(found)),
        Ok(Err(error)) => Err(unreachable(error.to_string())),
        Err(_) => Err(unreachable("its name was not resolved in time".into())),
    }
}

async fn dial_one(
    endpoint: Endpoint,
    address: SocketAddr,
    expected: NodeId,
    verifier: Arc<dyn PeerVerifier>,
) -> Result<Attempt> {
    let connecting = endpoint.dial(address)?;
    let unreachable = |cause: String| Error::Unreachable { peer: peer_name(&expected, address), cause };
    match timeout(limits::HANDSHAKE_TIMEOUT, connecting).await {
        Ok(Ok(connection)) => {
            let (connection, peer) = identify(connection, address, expected, &*verifier).await?;
            Ok(Attempt::Reached(connection, peer))
        }
        Ok(Err(error)) if refused(&error) => Err(Error::Busy(peer_name(&expected, address))),
        Ok(Err(error)) => Err(unreachable(describe(&error))),
        Err(_) => Err(unreachable("no answer".into())),
    }
}

/// Checks that the node which answered is the expected one. Nothing was sent to it so far except the
/// handshake.
async fn identify(
    connection: quinn::Connection,
    address: SocketAddr,
    expected: NodeId,
    verifier: &dyn PeerVerifier,
) -> Result<(quinn::Connection, PeerKey)> {
    let Some(proved) = proved_node(&connection) else {
        return Err(Error::Protocol { peer: peer_name(&expected, address), text: "it proved no key".into() });
    };
    if let Some(node) = verifier.recognise(&expected, &proved.key) {
        return Ok((connection, PeerKey { node, ..proved }));
    }
    if let Some(hello) = introduction(&connection).await {
        let statements: Vec<_> = hello.statements.into_iter().map(Bytes::from).collect();
        let will_do = verifier.accepts(&expected, &hello.node);
        if will_do && verifier.verify_statements(&hello.node, &proved.key, &statements) {
            return Ok((connection, PeerKey { node: hello.node, ..proved }));
        }
    }
    connection.close(CloseCode::Done.varint(), b"");
    Err(Error::WrongKey { address: address.to_string(), proved: proved.node, expected })
}

/// The hello with which a node whose key is not its first introduces itself. Other nodes send none, so the
/// wait is short.
async fn introduction(connection: &quinn::Connection) -> Option<Hello> {
    let patience = limits::INTRODUCTION_TIMEOUT.max(connection.rtt().saturating_mul(3));
    let introduced = async {
        let stream = connection.accept_uni().await.ok()?;
        match FrameReader::up_to(stream, HELLO_BYTES).next().await {
            Ok(Some(Frame::Hello(hello))) => Some(hello),
            _ => None,
        }
    };
    timeout(patience, introduced).await.ok().flatten()
}

/// A single failure is returned as it is; a wrong key takes precedence over all others; several failures are
/// listed.
fn unreachable_at(addresses: &[String], expected: NodeId, mut failures: Vec<Error>) -> Error {
    if let Some(wrong) = failures.iter().position(|error| matches!(error, Error::WrongKey { .. })) {
        return failures.swap_remove(wrong);
    }
    if failures.len() == 1
        && let Some(only) = failures.pop()
    {
        return only;
    }
    let causes: Vec<String> = failures
        .into_iter()
        .map(|error| match error {
            Error::Unreachable { peer, cause } => format!("{peer}: {cause}"),
            other => other.to_string(),
        })
        .collect();
    Error::Unreachable { peer: named_at(&expected, &addresses.join(", ")), cause: causes.join("; ") }
}

fn refused(error: &ConnectionError) -> bool {
    match error {
        ConnectionError::ConnectionClosed(close) => u64::from(close.error_code) == CONNECTION_REFUSED,
        ConnectionError::ApplicationClosed(close) => close.error_code == CloseCode::Busy.varint(),
        _ => false,
    }
}

/// Describes the end of a connection.
pub(crate) fn describe(error: &ConnectionError) -> String {
    match error {
        ConnectionError::TimedOut => "no answer".into(),
        ConnectionError::Reset => "it restarted".into(),
        ConnectionError::LocallyClosed => "closed here".into(),
        ConnectionError::ApplicationClosed(close) if close.error_code == CloseCode::Stopping.varint() => {
            "it is stopping".into()
        }
        ConnectionError::ConnectionClosed(close) if u64::from(close.error_code) == ALERT_NO_PROTOCOL => {
            "it speaks another version of the protocol; bring both nodes to one version".into()
        }
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_without_lookup_come_first_and_each_once() {
        let address = |text: &str| text.parse::<SocketAddr>().unwrap();
        let known = ["a.example:1", "192.0.2.1:1", "[2001:db8::1]:1", "192.0.2.1:1"].map(String::from);
        let mut turns = Turns::new(&known);
        assert_eq!(turns.next(), Some(Turn::Dial(address("192.0.2.1:1"))));
        assert_eq!(turns.next(), Some(Turn::Dial(address("[2001:db8::1]:1"))));
        assert_eq!(turns.next(), Some(Turn::LookUp("a.example:1".into())));
        assert!(!turns.has_more());
        turns.add([address("192.0.2.1:1"), address("192.0.2.2:1")]);
        assert_eq!(turns.next(), Some(Turn::Dial(address("192.0.2.2:1"))));
        assert_eq!(turns.next(), None);
    }

    #[test]
    fn a_name_with_many_addresses_is_followed_up_to_a_limit() {
        let mut turns = Turns::new(&["a.example:1".into()]);
        turns.add((0..1000).map(|port| SocketAddr::from(([192, 0, 2, 1], port))));
        assert_eq!(turns.dials.len(), ADDRESSES);
    }
}
