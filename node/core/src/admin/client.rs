//! The client of the admin socket: sends a command to the process that holds the home, and passes its events
//! on.

use std::path::Path;

use bytes::{Bytes, BytesMut};
use http_body_util::{BodyExt, Full};
use hyper::{
    Request, Response,
    body::Incoming,
    client::conn::http1,
    header::{CONTENT_TYPE, HOST, TE},
};
use hyper_util::rt::TokioIo;

use super::{COMMANDS_PATH, END_TRAILER, End, HOLDER_PATH, Holder, LINES_TYPE, Line, socket};
use crate::{
    command::Command,
    exit::{Exit, Failure, Result},
    job::{Event, Job},
    limits::ADMIN_LINE_BYTES,
    outcome::Outcome,
};

/// Asks for the process that holds the home. `None` without an answer.
pub(crate) async fn holder(run_dir: &Path) -> Result<Option<Holder>> {
    let request = Request::get(HOLDER_PATH).header(HOST, "chuan").body(Full::default());
    let Some(response) = send(run_dir, request).await? else { return Ok(None) };
    let Ok(body) = response.into_body().collect().await else { return Ok(None) };
    serde_json::from_slice(&body.to_bytes()).map(Some).map_err(|error| unexpected(&error))
}

/// Runs `command` in the process that holds the home. `None` if no process accepted it: the holder is just
/// starting or ending, and nothing was done. Dropping the future cancels the command.
pub(crate) async fn run(run_dir: &Path, command: &Command, job: &Job) -> Result<Option<Result<Outcome>>> {
    let body = serde_json::to_vec(command)
        .map_err(|error| Failure::internal(format!("cannot encode the command: {error}")))?;
    let request = Request::post(COMMANDS_PATH)
        .header(HOST, "chuan")
        .header(CONTENT_TYPE, "application/json")
        .header(TE, "trailers")
        .body(Full::new(Bytes::from(body)));
    let Some(response) = send(run_dir, request).await? else { return Ok(None) };
    if !response.status().is_success() {
        let status = response.status();
        let text = response.into_body().collect().await.map(|body| body.to_bytes()).unwrap_or_default();
        return Err(Failure::internal(format!(
            "the running node refuses the command ({status}: {}); another version of chuan?",
            String::from_utf8_lossy(&text)
        )));
    }
    let lines = response.headers().get(CONTENT_TYPE).is_some_and(|value| value == LINES_TYPE);
    let end = if lines {
        replay_lines(response.into_body(), job).await?
    } else {
        replay_bytes(response.into_body(), job).await?
    };
    Ok(Some(match end.map(Result::from) {
        // This command was not interrupted: the process that ran it was stopped.
        Some(Err(failure)) if failure.exit == Exit::Interrupted && !job.cancel().is_cancelled() => {
            Err(ended())
        }
        Some(result) => result,
        None => Err(ended()),
    }))
}

/// The failure of a command whose process ended.
fn ended() -> Failure {
    Failure::busy("the process that held the home ended before the command did; run it again")
}

/// Sends a request over a connection of its own. `None` if no process listens, or if the listener closes the
/// connection before it answers.
async fn send(
    run_dir: &Path,
    request: Result<Request<Full<Bytes>>, hyper::http::Error>,
) -> Result<Option<Response<Incoming>>> {
    let request = request.map_err(|error| Failure::internal(format!("cannot form a request: {error}")))?;
    let Some(stream) = socket::connect(run_dir).await? else { return Ok(None) };
    let Ok((mut sender, connection)) = http1::handshake(TokioIo::new(stream)).await else { return Ok(None) };
    tokio::spawn(connection);
    Ok(sender.send_request(request).await.ok())
}

async fn replay_lines(mut body: Incoming, job: &Job) -> Result<Option<End>> {
    let mut waiting = BytesMut::new();
    let mut end = None;
    while let Some(Ok(frame)) = body.frame().await {
        let Ok(data) = frame.into_data() else { continue };
        // Only new bytes are searched, so that one long line costs no more than many short ones.
        let mut from = waiting.len();
        waiting.extend_from_slice(&data);
        while let Some(at) = waiting.get(from..).and_then(|new| new.iter().position(|byte| *byte == b'\n')) {
            let line = waiting.split_to(from + at + 1);
            from = 0;
            match parse(&line)? {
                Line::Event(event) => job.pass(event).await?,
                Line::End(last) => end = Some(last),
            }
        }
        if waiting.len() > ADMIN_LINE_BYTES {
            return Err(Failure::internal("the running node sends a line that is too long"));
        }
    }
    Ok(end)
}

async fn replay_bytes(mut body: Incoming, job: &Job) -> Result<Option<End>> {
    while let Some(Ok(frame)) = body.frame().await {
        match frame.into_data() {
            Ok(data) => job.pass(Event::Data(data)).await?,
            Err(frame) => {
                let trailers = frame.into_trailers().unwrap_or_default();
                let Some(value) = trailers.get(END_TRAILER) else { continue };
                return parse_end(value.as_bytes()).map(Some);
            }
        }
    }
    Ok(None)
}

fn parse(line: &[u8]) -> Result<Line> {
    serde_json::from_slice(line).map_err(|error| unexpected(&error))
}

fn parse_end(text: &[u8]) -> Result<End> {
    serde_json::from_slice(text).map_err(|error| unexpected(&error))
}

fn unexpected(error: &serde_json::Error) -> Failure {
    Failure::internal(format!(
        "unexpected response from the running node ({error}); another version of chuan?"
    ))
}

#[cfg(test)]
mod tests {
    use std::{sync::Arc, time::Duration};

    use tokio::{sync::mpsc, task::JoinHandle};
    use tokio_util::sync::CancellationToken;

    use super::*;
    use crate::{
        admin::server::{self, BoxFuture, Runner},
        command::{Cat, Ls},
        job::{Cancel, Progress},
        outcome::{Listed, Row, Shown},
    };

    const ROWS: u64 = 10_000;
    const BLOCK: usize = 100_000;

    /// Sends rows for `ls`, and blocks for `cat`, then an error for the path `bad`. For `status`, waits for
    /// cancellation. `rebuild` is stopped with its process.
    struct Fake(mpsc::UnboundedSender<&'static str>);

    impl Runner for Fake {
        fn holder(&self) -> Holder {
            Holder { pid: 7, doing: "serve".into() }
        }

        fn run(&self, command: Command, job: Job) -> BoxFuture<Result<Outcome>> {
            let steps = self.0.clone();
            Box::pin(async move {
                match command {
                    Command::Status => {
                        let _ = steps.send("started");
                        job.cancel().cancelled().await;
                        let _ = steps.send("cancelled");
                        Err(Failure::interrupted())
                    }
                    Command::Rebuild => Err(Failure::interrupted()),
                    Command::Cat(cat) => tokio::task::spawn_blocking(move || {
                        for _ in 0..20 {
                            job.data(Bytes::from(vec![7; BLOCK]))?;
                        }
                        match cat.path.as_str() {
                            "bad" => Err(Failure::new(crate::Exit::Corrupt, "坏\n块")),
                            _ => Ok(Outcome::Cat(Shown::default())),
                        }
                    })
                    .await
                    .unwrap(),
                    _ => tokio::task::spawn_blocking(move || {
                        job.progress(Progress::default());
                        for size in 0..ROWS {
                            job.row(row(size))?;
                        }
                        Ok(Outcome::Ls(Listed::default()))
                    })
                    .await
                    .unwrap(),
                }
            })
        }
    }

    /// A running server.
    struct Server {
        stop: CancellationToken,
        task: JoinHandle<()>,
    }

    impl Server {
        fn start(run_dir: &Path, steps: mpsc::UnboundedSender<&'static str>) -> Self {
            let stop = CancellationToken::new();
            let listener = socket::bind(run_dir).unwrap();
            let task = tokio::spawn(server::run(listener, Arc::new(Fake(steps)), stop.clone()));
            Self { stop, task }
        }

        async fn stop(self) {
            self.stop.cancel();
            self.task.await.unwrap();
        }
    }

    fn row(size: u64) -> Row {
        let (path, kind, class) = ("甲".into(), "file".into(), "default".into());
        Row::Entry { path, kind, size, mtime_ms: 0, mode: 0o644, chunks: 1, class, target: None }
    }

    fn cat(path: &str) -> Command {
        Command::Cat(Cat { release: "films".parse().unwrap(), path: path.into(), range: None })
    }

    async fn collect(run_dir: &Path, command: Command) -> (Vec<Event>, Option<Result<Outcome>>) {
        let (job, mut received) = Job::watched(Cancel::default());
        let reader = tokio::spawn(async move {
            let mut events = Vec::new();
            while let Some(event) = received.next().await {
                events.push(event);
            }
            events
        });
        let result = run(run_dir, &command, &job).await.unwrap();
        drop(job);
        (reader.await.unwrap(), result)
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn rows_bytes_and_results_arrive_unchanged() {
        let dir = tempfile::tempdir().unwrap();
        let (sender, _steps) = mpsc::unbounded_channel();
        let server = Server::start(dir.path(), sender);
        assert_eq!(holder(dir.path()).await.unwrap().unwrap().pid, 7);

        let ls = Command::Ls(Ls { release: "films".parse().unwrap() });
        let (events, result) = collect(dir.path(), ls).await;
        let rows: Vec<_> = events.into_iter().filter(|event| matches!(event, Event::Row(_))).collect();
        assert_eq!(rows, (0..ROWS).map(|size| Event::Row(row(size))).collect::<Vec<_>>());
        assert_eq!(result, Some(Ok(Outcome::Ls(Listed::default()))));

        for path in ["good", "bad"] {
            let (events, result) = collect(dir.path(), cat(path)).await;
            let bytes: usize =
                events.iter().map(|e| if let Event::Data(data) = e { data.len() } else { 0 }).sum();
            assert_eq!(bytes, 20 * BLOCK);
            match path {
                "good" => assert_eq!(result, Some(Ok(Outcome::Cat(Shown::default())))),
                _ => assert_eq!(result, Some(Err(Failure::new(crate::Exit::Corrupt, "坏\n块")))),
            }
        }

        server.stop().await;
        assert!(holder(dir.path()).await.unwrap().is_none());
    }

    /// Symptom: a command whose `serve` was stopped ended with 130, "interrupted".
    #[tokio::test]
    async fn a_command_whose_process_is_stopped_was_not_interrupted_by_its_user() {
        let dir = tempfile::tempdir().unwrap();
        let (sender, _steps) = mpsc::unbounded_channel();
        let server = Server::start(dir.path(), sender);
        let (_, result) = collect(dir.path(), Command::Rebuild).await;
        assert_eq!(result, Some(Err(ended())));
        server.stop().await;
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_client_that_disconnects_cancels_its_command() {
        let dir = tempfile::tempdir().unwrap();
        let (sender, mut steps) = mpsc::unbounded_channel();
        let server = Server::start(dir.path(), sender);
        let run_dir = dir.path().to_owned();
        let client = tokio::spawn(async move { collect(&run_dir, Command::Status).await });
        assert_eq!(steps.recv().await, Some("started"));
        client.abort();
        let cancelled = tokio::time::timeout(Duration::from_secs(10), steps.recv()).await;
        assert_eq!(cancelled.unwrap(), Some("cancelled"));
        server.stop().await;
    }
}
