//! The attacker that is dialled: a source that answers requests as a script decides.

use std::{
    future::Future,
    net::{Ipv4Addr, SocketAddr},
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use anyhow::{Context, Result};
use chuan_engine::{
    statement::Key,
    sync::{
        frame::{Assembler, Frame},
        message::Request,
    },
};
use quinn::{Endpoint, Incoming, RecvStream, SendStream};

use super::tls;

/// Answers a request: writes to the stream for any length of time, or until the peer stops reading.
pub type Script = Arc<dyn Fn(Request, Answer) -> Pin<Box<dyn Future<Output = ()> + Send>> + Send + Sync>;

/// A listening attacker; ends on drop.
#[derive(Debug)]
pub struct Source {
    /// The address on which it listens.
    pub address: SocketAddr,
    counts: Arc<SourceCounts>,
    endpoint: Endpoint,
}

/// Counts of the received requests and of the bytes that the peer took.
#[derive(Debug, Default)]
pub struct SourceCounts {
    requests: AtomicU64,
    taken: AtomicU64,
}

/// The stream of an answer.
#[derive(Debug)]
pub struct Answer {
    stream: SendStream,
    counts: Arc<SourceCounts>,
}

impl Source {
    /// Listens under `key`, within a runtime, and answers by `script`.
    pub fn start(key: &Key, script: Script) -> Result<Self> {
        let endpoint = Endpoint::server(tls::listening(key)?, (Ipv4Addr::LOCALHOST, 0).into())
            .context("open a socket to listen on")?;
        let address = endpoint.local_addr()?;
        let counts: Arc<SourceCounts> = Arc::default();
        tokio::spawn({
            let (endpoint, counts) = (endpoint.clone(), Arc::clone(&counts));
            async move {
                while let Some(incoming) = endpoint.accept().await {
                    tokio::spawn(serve(incoming, Arc::clone(&script), Arc::clone(&counts)));
                }
            }
        });
        Ok(Self { address, counts, endpoint })
    }

    /// Number of received requests.
    pub fn requests(&self) -> u64 {
        self.counts.requests.load(Ordering::Relaxed)
    }

    /// Bytes of answers that were written and not refused, including bytes in flight.
    pub fn taken(&self) -> u64 {
        self.counts.taken.load(Ordering::Relaxed)
    }
}

impl Drop for Source {
    fn drop(&mut self) {
        self.endpoint.close(0u32.into(), b"");
    }
}

impl Answer {
    /// Sends a frame; false once the peer takes no more.
    pub async fn send(&mut self, frame: &Frame) -> bool {
        let Ok(encoded) = frame.encode() else { return false };
        self.send_bytes(&encoded.head).await && self.send_bytes(&encoded.payload).await
    }

    /// Sends bytes as they are; false once the peer takes no more.
    pub async fn send_bytes(&mut self, bytes: &[u8]) -> bool {
        let sent = self.stream.write_all(bytes).await.is_ok();
        if sent {
            self.counts.taken.fetch_add(bytes.len() as u64, Ordering::Relaxed);
        }
        sent
    }
}

async fn serve(incoming: Incoming, script: Script, counts: Arc<SourceCounts>) {
    let Ok(connection) = incoming.await else { return };
    // The dialler's hello is not read.
    while let Ok((stream, receive)) = connection.accept_bi().await {
        let (script, counts) = (Arc::clone(&script), Arc::clone(&counts));
        tokio::spawn(async move {
            let Some(request) = request(receive).await else { return };
            counts.requests.fetch_add(1, Ordering::Relaxed);
            script(request, Answer { stream, counts }).await;
        });
    }
}

async fn request(mut stream: RecvStream) -> Option<Request> {
    let mut assembler = Assembler::default();
    loop {
        if let Some(frame) = assembler.next().ok()? {
            return match frame {
                Frame::Request(request) => Some(request),
                _ => None,
            };
        }
        assembler.push(stream.read_chunk(64 * 1024, true).await.ok()??.bytes);
    }
}
