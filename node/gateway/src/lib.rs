//! The HTTP gateway of a node.
//!
//! It has one route, `GET /healthz`, which answers `ok` while the gateway runs. No setting names an address
//! for the gateway yet, so no command starts it: only this crate and its test exist. Routes for viewers, the
//! admin API, metrics and the page follow. They will use the types of `chuan-api` and a node of the crate
//! `chuan`; the gateway never sees the engine, the store or the transport directly.

use std::io;

use axum::{Router, routing::get};
use tokio::net::TcpListener;

/// Answers requests on `listener` until `stop` completes; then it finishes the requests that it has accepted.
///
/// # Errors
///
/// When the listener fails.
pub async fn serve(listener: TcpListener, stop: impl Future<Output = ()> + Send + 'static) -> io::Result<()> {
    axum::serve(listener, router()).with_graceful_shutdown(stop).await
}

fn router() -> Router {
    Router::new().route("/healthz", get(|| async { "ok" }))
}

#[cfg(test)]
mod tests {
    use tokio::{
        io::{AsyncReadExt, AsyncWriteExt},
        net::TcpStream,
        sync::oneshot,
    };

    use super::*;

    #[tokio::test]
    async fn healthz_answers_ok_over_a_socket() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (stop, stopped) = oneshot::channel::<()>();
        let serving = tokio::spawn(serve(listener, async {
            let _ = stopped.await;
        }));

        let mut stream = TcpStream::connect(address).await.unwrap();
        let request = "GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        assert!(answer.starts_with("HTTP/1.1 200 OK\r\n") && answer.ends_with("\r\n\r\nok"), "{answer}");

        stop.send(()).unwrap();
        serving.await.unwrap().unwrap();
    }
}
