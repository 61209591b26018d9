//! The attacker that dials: one key, and any number of connections with any content.

use std::{
    net::{Ipv4Addr, SocketAddr},
    time::Duration,
};

use anyhow::{Context, Result, bail, ensure};
use bytes::{BufMut, Bytes, BytesMut};
use chuan_engine::{
    id::LibraryId,
    statement::{Key, Kinds, Proof, Ticket, proof::EXPORTER_LABEL},
    sync::{
        frame::{Assembler, Frame, FrameKind},
        message::{Hello, Join, Request, VERSION},
    },
};
use quinn::{ConnectionError, Endpoint, RecvStream, SendStream};
use tokio::time::timeout;

use super::{forge, tls};

/// Time limit for an answer that the attacked node must give. No test measures by it.
const PATIENCE: Duration = Duration::from_secs(60);

/// An attacker under one key.
#[derive(Clone, Debug)]
pub struct Peer {
    /// Its key.
    pub key: Key,
    endpoint: Endpoint,
}

impl Peer {
    /// Opens a socket, within a runtime.
    pub fn new(key: Key) -> Result<Self> {
        let endpoint = Endpoint::client((Ipv4Addr::LOCALHOST, 0).into()).context("open a socket")?;
        Ok(Self { key, endpoint })
    }

    /// The hello that an honest node of this key would send.
    pub fn hello(&self) -> Hello {
        Hello {
            version: VERSION,
            node: self.key.node(),
            addresses: Vec::new(),
            name: "other".into(),
            statements: Vec::new(),
            kinds: Kinds::KNOWN,
        }
    }

    /// A handshake, and nothing after it.
    pub async fn dial(&self, address: SocketAddr) -> Result<Session> {
        let connecting = self.endpoint.connect_with(tls::dialling(&self.key)?, address, "chuan.invalid")?;
        let quic = timeout(PATIENCE, connecting).await.context("no handshake")??;
        Ok(Session { quic, key: self.key.clone() })
    }

    /// A handshake and an honest hello.
    pub async fn open(&self, address: SocketAddr) -> Result<Session> {
        let session = self.dial(address).await?;
        session.hello(&self.hello()).await?;
        Ok(session)
    }

    /// Begins a handshake and ignores its result.
    pub fn begin_handshake(&self, address: SocketAddr) -> Result<quinn::Connecting> {
        Ok(self.endpoint.connect_with(tls::dialling(&self.key)?, address, "chuan.invalid")?)
    }
}

/// A connection of an attacker.
#[derive(Clone, Debug)]
pub struct Session {
    /// The connection.
    pub quic: quinn::Connection,
    key: Key,
}

impl Session {
    /// Sends a hello.
    pub async fn hello(&self, hello: &Hello) -> Result<()> {
        let frame = Frame::Hello(hello.clone()).encode()?;
        self.first_stream(&[frame.head, frame.payload].concat()).await
    }

    /// Sends `bytes` in place of a hello. Ends early if the node has closed the connection, which it may do.
    pub async fn first_stream(&self, bytes: &[u8]) -> Result<()> {
        let mut stream = self.quic.open_uni().await?;
        match timeout(PATIENCE, stream.write_all(bytes)).await.context("the peer reads nothing")? {
            Ok(()) => drop(stream.finish()),
            Err(quinn::WriteError::ConnectionLost(_) | quinn::WriteError::Stopped(_)) => {}
            Err(error) => bail!(error),
        }
        Ok(())
    }

    /// Sends a request and returns the whole answer.
    pub async fn ask(&self, request: Request) -> Result<Vec<Frame>> {
        self.ask_bytes(&frame_of(FrameKind::Request, &encoded(request)?)).await
    }

    /// Sends `bytes` as a request and returns the whole answer.
    pub async fn ask_bytes(&self, bytes: &[u8]) -> Result<Vec<Frame>> {
        let (mut send, receive) = self.quic.open_bi().await?;
        // A node that has refused the request already stops the stream.
        let _ = timeout(PATIENCE, send.write_all(bytes)).await.context("the request is not read")?;
        let _ = send.finish();
        timeout(PATIENCE, frames(receive)).await.context("the answer does not end")?
    }

    /// Sends a request and never reads the answer.
    pub async fn ask_and_forget(&self, request: Request) -> Result<(SendStream, RecvStream)> {
        let (mut send, receive) = self.quic.open_bi().await?;
        send.write_all(&frame_of(FrameKind::Request, &encoded(request)?)).await?;
        send.finish()?;
        Ok((send, receive))
    }

    /// Becomes a member with a ticket, as an honest node does.
    pub async fn join(&self, ticket: &str) -> Result<LibraryId> {
        let ticket = Ticket::parse(ticket)?;
        let mut exporter = [0; 32];
        let exported = self.quic.export_keying_material(&mut exporter, EXPORTER_LABEL, b"");
        ensure!(exported.is_ok(), "no keying material");
        let (library, joiner) = (ticket.library, self.key.node());
        let proof = Proof { exporter, library, joiner, ticket: ticket.statement };
        let join = Join {
            library,
            ticket: ticket.statement,
            name: "other".into(),
            role: forge::MIRROR,
            proof: *proof.sign(&ticket.key).as_bytes(),
        };
        let answer = self.ask(Request::Join(join)).await?;
        ensure!(matches!(answer.last(), Some(Frame::End(_))), "not admitted: {answer:?}");
        Ok(library)
    }

    /// Waits until the node has closed the connection; returns its reason.
    pub async fn closed(&self) -> Result<String> {
        match timeout(PATIENCE, self.quic.closed()).await.context("the connection stays open")? {
            ConnectionError::ApplicationClosed(close) => {
                Ok(String::from_utf8_lossy(&close.reason).into_owned())
            }
            other => bail!("closed otherwise: {other}"),
        }
    }

    /// Closes the connection.
    pub fn close(&self) {
        self.quic.close(0u32.into(), b"");
    }
}

/// A frame of any kind and any length.
pub fn frame_of(kind: FrameKind, payload: &[u8]) -> Bytes {
    let mut bytes = BytesMut::with_capacity(payload.len() + 5);
    bytes.put_u32_le(u32::try_from(payload.len()).unwrap_or(u32::MAX));
    bytes.put_u8(kind as u8);
    bytes.put_slice(payload);
    bytes.freeze()
}

fn encoded(request: Request) -> Result<Bytes> {
    Ok(Frame::Request(request).encode()?.payload)
}

async fn frames(mut stream: RecvStream) -> Result<Vec<Frame>> {
    let mut assembler = Assembler::default();
    let mut frames = Vec::new();
    while let Some(chunk) = stream.read_chunk(64 * 1024, true).await? {
        assembler.push(chunk.bytes);
        while let Some(frame) = assembler.next()? {
            frames.push(frame);
        }
    }
    Ok(frames)
}
