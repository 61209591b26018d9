//! The attacker that is dialled: a source that answers requests with whatever a script makes of them.

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

/// What a source does with a request: it writes to the stream for as long as it likes, or until nobody takes more.
pub type Script = Arc<dyn Fn(Request, Answer) -> Pin<Box<dyn Future<Output = ()> + Send>> + Send + Sync>;

/// A listening attacker; ends when dropped.
#[derive(Debug)]
pub struct Source {
    /// Where it listens.
    pub address: SocketAddr,
    counts: Arc<SourceCounts>,
    endpoint: Endpoint,
}

/// What a source was asked, and what was taken of what it said.
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

    /// Requests that came.
    pub fn requests(&self) -> u64 {
        self.counts.requests.load(Ordering::Relaxed)
    }

    /// Bytes of answers that were taken: written and not refused. What is still on its way is among them.
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
    /// Sends a frame; false once nobody takes any more.
    pub async fn send(&mut self, frame: &Frame) -> bool {
        let Ok(encoded) = frame.encode() else { return false };
        self.send_bytes(&encoded.head).await && self.send_bytes(&encoded.payload).await
    }

    /// Sends bytes as they are; false once nobody takes any more.
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
    // Whatever the dialler says of itself is not looked at.
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
