//! The kill test: publisher, puller and server are killed by SIGKILL at random moments of a job, and the same
//! command again must always complete it.
//!
//! It proves: a home opens after any crash of its process, acknowledged data stays, and a kill costs a puller
//! at most [`REFETCH_BYTES`]. It does not cover a loss of power, since the page cache outlives the process;
//! the crash test does.

use std::{
    io::{BufRead, BufReader, Read},
    path::{Path, PathBuf},
    process::Stdio,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use crate::{
    media,
    program::{Home, Process, Server, final_object, number},
    rng::Rng,
};

/// Received chunk bytes that one kill may cost: they are fetched again.
pub const REFETCH_BYTES: u64 = 16 << 20;
/// A pull that receives data reports it more often than this.
const PROGRESS_PAUSE: Duration = Duration::from_millis(60);
/// Time limit for any command to end by itself, also for a puller whose server is gone.
const PATIENCE: Duration = Duration::from_secs(300);

/// The parameters of a test.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Bytes of the library.
    pub bytes: u64,
    /// Kills in all.
    pub kills: u64,
    /// Seed of the moments and the victims.
    pub seed: u64,
    /// Working directory.
    pub dir: PathBuf,
}

/// The result of a test.
#[derive(Clone, Copy, Debug, Default)]
pub struct Summary {
    /// Jobs from empty homes to a verified restore, without the undisturbed first one.
    pub jobs: u64,
    /// Kills of a publisher, a puller, a server.
    pub kills: [u64; 3],
    /// The highest cost of one kill, in chunk bytes.
    pub refetched_most: u64,
    /// The cost of all kills, in chunk bytes.
    pub refetched: u64,
}

#[derive(Clone, Copy, Debug)]
enum Victim {
    Publisher = 0,
    Puller = 1,
    Server = 2,
}

/// Runs jobs until all kills are spent; fails at the first broken promise.
pub fn run(plan: &Plan) -> Result<Summary> {
    let library = plan.dir.join("library");
    let film_bytes = plan.bytes / 4;
    media::library(&library, 4, film_bytes, plan.seed)?;
    let mut test = Test {
        plan,
        library,
        rng: Rng::new(plan.seed),
        summary: Summary::default(),
        usual: Usual::default(),
    };
    test.undisturbed().context("the job without kills")?;
    while test.summary.kills.iter().sum::<u64>() < plan.kills {
        test.job().with_context(|| format!("job {}, seed {}", test.summary.jobs + 1, plan.seed))?;
        test.summary.jobs += 1;
    }
    Ok(test.summary)
}

/// Durations and bytes of a job without kills.
#[derive(Clone, Copy, Debug, Default)]
struct Usual {
    publish: Duration,
    pull: Duration,
    chunk_bytes: u64,
}

struct Test<'p> {
    plan: &'p Plan,
    library: PathBuf,
    rng: Rng,
    summary: Summary,
    usual: Usual,
}

impl Test<'_> {
    fn undisturbed(&mut self) -> Result<()> {
        let pair = Pair::make(&self.plan.dir)?;
        let start = Instant::now();
        pair.origin.json(self.publish_args())?;
        self.usual.publish = start.elapsed();
        let server = pair.origin.serve()?;
        pair.join()?;
        let start = Instant::now();
        let pulled = pair.mirror.json(["pull", "films"])?;
        self.usual.pull = start.elapsed();
        self.usual.chunk_bytes = number(&pulled, "chunk_bytes_fetched")?;
        server.stop()?;
        pair.remove()
    }

    fn job(&mut self) -> Result<()> {
        let pair = Pair::make(&self.plan.dir)?;
        let publisher_kills = self.rng.below(4);
        self.killed_publish(&pair, publisher_kills)?;
        pair.origin.json(self.publish_args()).context("publish after kills")?;

        let mut server = pair.origin.serve()?;
        pair.join()?;
        let pull_kills = 2 + self.rng.below(4);
        let fetched = self.killed_pull(&pair, &mut server, pull_kills)?;
        let pulled = pair.mirror.json(["pull", "films"]).context("pull after kills")?;
        let total = fetched + number(&pulled, "chunk_bytes_fetched")?;
        let again = total.saturating_sub(self.usual.chunk_bytes);
        self.summary.refetched += again;
        ensure!(
            again <= REFETCH_BYTES * pull_kills,
            "{again} chunk bytes were fetched twice over {pull_kills} kills"
        );
        server.stop()?;

        for home in [&pair.origin, &pair.mirror] {
            check_whole(home)?;
        }
        let restored = self.plan.dir.join("restored");
        pair.mirror.run(["restore".as_ref(), "films".as_ref(), restored.as_os_str()])?;
        let difference = media::difference(&self.library, &restored)?;
        ensure!(difference.is_none(), "{difference:?}");
        std::fs::remove_dir_all(restored)?;
        pair.remove()
    }

    fn killed_publish(&mut self, pair: &Pair, kills: u64) -> Result<()> {
        for _ in 0..kills {
            let mut run = Run::start(&pair.origin, &self.publish_args())?;
            let moment = self.moment(self.usual.publish);
            if run.ends_within(moment)? {
                run.succeeded()?;
                break;
            }
            run.process.kill()?;
            self.count(Victim::Publisher, moment, 0);
        }
        Ok(())
    }

    /// Kills the puller or the server `kills` times, or until a pull has ended by itself; returns the chunk
    /// bytes that the unfinished pulls have fetched.
    fn killed_pull(&mut self, pair: &Pair, server: &mut Server, kills: u64) -> Result<u64> {
        let mut fetched = 0;
        let mut stored = stored_bytes(&pair.mirror)?;
        for _ in 0..kills {
            let mut run = Run::start(&pair.mirror, &["pull".into(), "films".into()])?;
            let moment = self.moment(self.usual.pull);
            if run.ends_within(moment)? {
                run.succeeded()?;
                break;
            }
            let victim = if self.rng.below(2) == 0 { Victim::Puller } else { Victim::Server };
            // Half of the kills come at any moment, and their cost is computed from the last progress line
            // before them.
            if self.rng.below(2) == 0 {
                run.next_line();
            }
            match victim {
                Victim::Puller | Victim::Publisher => run.process.kill()?,
                Victim::Server => {
                    let address = server.address;
                    server.process.kill()?;
                    // Without its server a puller must end by itself; it may fail.
                    run.process.wait(PATIENCE).context("the puller hangs after its server's death")?;
                    *server = pair.origin.serve_on(address)?;
                }
            }
            let received = run.received();
            let kept = stored_bytes(&pair.mirror)?;
            let cost = (stored + received).saturating_sub(kept);
            self.count(victim, moment, cost);
            ensure!(cost <= REFETCH_BYTES, "one kill lost {cost} bytes that had been received");
            fetched += received;
            stored = kept;
        }
        Ok(fetched)
    }

    /// A random moment in a job of this length.
    fn moment(&mut self, usual: Duration) -> Duration {
        usual.mul_f64(self.rng.unit())
    }

    fn count(&mut self, victim: Victim, moment: Duration, cost: u64) {
        if let Some(count) = self.summary.kills.get_mut(victim as usize) {
            *count += 1;
        }
        self.summary.refetched_most = self.summary.refetched_most.max(cost);
        let number: u64 = self.summary.kills.iter().sum();
        println!(
            "kill {number:3}: {victim:?} after {:.3} s, {cost} bytes to fetch again",
            moment.as_secs_f64()
        );
    }

    fn publish_args(&self) -> Vec<String> {
        ["publish", &self.library.to_string_lossy(), "--library", "films"].map(str::to_owned).to_vec()
    }
}

/// An origin and a mirror in fresh homes.
struct Pair {
    origin: Home,
    mirror: Home,
}

impl Pair {
    fn make(dir: &Path) -> Result<Self> {
        Ok(Self {
            origin: Home::init(dir.join("origin"), "origin", "origin")?,
            mirror: Home::init(dir.join("mirror"), "mirror", "mirror")?,
        })
    }

    fn join(&self) -> Result<()> {
        self.mirror.run(["join", &self.origin.ticket("films")?]).map(drop)
    }

    fn remove(self) -> Result<()> {
        std::fs::remove_dir_all(&self.origin.path)?;
        Ok(std::fs::remove_dir_all(&self.mirror.path)?)
    }
}

/// Checks that every byte matches its hash, and that an index rebuilt from the segments alone lists the same
/// objects.
fn check_whole(home: &Home) -> Result<()> {
    home.run(["verify", "--deep"])?;
    let before = held(home)?;
    home.run(["rebuild"])?;
    let after = held(home)?;
    ensure!(before == after, "rebuild gave another set: {before:?} before, {after:?} after");
    home.run(["verify"])?;
    Ok(())
}

/// Chunks, their bytes, and pages, by `chuan status`.
fn held(home: &Home) -> Result<[u64; 3]> {
    let status = home.json(["status"])?;
    let store = status.get("store").context("no `store` in the status")?;
    Ok([number(store, "chunks")?, number(store, "chunk_bytes")?, number(store, "pages")?])
}

fn stored_bytes(home: &Home) -> Result<u64> {
    let [_, bytes, _] = held(home)?;
    Ok(bytes)
}

/// A command that runs with `--json --progress json`, and its last progress.
struct Run {
    process: Process,
    received: Arc<AtomicU64>,
    readers: Vec<JoinHandle<String>>,
}

impl Run {
    fn start(home: &Home, args: &[String]) -> Result<Self> {
        let mut command = home.command(["--json", "--progress", "json"]);
        command.args(args).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut process = Process::spawn(&mut command)?;
        let received = Arc::new(AtomicU64::new(0));
        let mut readers = Vec::new();
        if let Some(pipe) = process.child.stdout.take() {
            readers.push(follow(pipe, Arc::clone(&received)));
        }
        if let Some(pipe) = process.child.stderr.take() {
            readers.push(follow(pipe, Arc::clone(&received)));
        }
        Ok(Self { process, received, readers })
    }

    fn ends_within(&mut self, time: Duration) -> Result<bool> {
        let start = Instant::now();
        while start.elapsed() < time {
            if self.process.child.try_wait()?.is_some() {
                return Ok(true);
            }
            thread::sleep(Duration::from_millis(1));
        }
        Ok(self.process.child.try_wait()?.is_some())
    }

    fn succeeded(mut self) -> Result<()> {
        let status = self.process.wait(PATIENCE)?;
        // Standard output first, then standard error.
        let texts: Vec<_> = self.readers.drain(..).map(|reader| reader.join().unwrap_or_default()).collect();
        ensure!(status.success(), "{status}\n{}", texts.concat());
        final_object(texts.first().map_or("", String::as_str)).map(drop)
    }

    /// Waits a short time for the next progress line: right after a line, the number of received bytes is
    /// known exactly.
    fn next_line(&self) {
        let (start, before) = (Instant::now(), self.received.load(Ordering::SeqCst));
        while self.received.load(Ordering::SeqCst) == before && start.elapsed() < PROGRESS_PAUSE {
            thread::sleep(Duration::from_micros(100));
        }
    }

    /// Chunk bytes received by the last progress line; to be called after the process has ended.
    fn received(mut self) -> u64 {
        for reader in self.readers.drain(..) {
            let _ = reader.join();
        }
        self.received.load(Ordering::SeqCst)
    }
}

/// Reads lines to the end, and records the fetched bytes of progress lines: bytes done, without the bytes
/// that were held.
fn follow(pipe: impl Read + Send + 'static, received: Arc<AtomicU64>) -> JoinHandle<String> {
    thread::spawn(move || {
        let mut rest = String::new();
        for line in BufReader::new(pipe).lines().map_while(Result::ok) {
            match progress(&line) {
                Some(bytes) => received.store(bytes, Ordering::SeqCst),
                None => {
                    rest.push_str(&line);
                    rest.push('\n');
                }
            }
        }
        rest
    })
}

fn progress(line: &str) -> Option<u64> {
    let object: Value = serde_json::from_str(line).ok()?;
    let object = object.get("progress").unwrap_or(&object);
    let done = object.get("bytes_done")?.as_u64()?;
    let saved = object.get("bytes_saved")?.as_u64()?;
    Some(done.saturating_sub(saved))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fetched_bytes_are_those_done_and_not_saved() {
        let line = r#"{"progress":{"phase":"pull","bytes_done":70,"bytes_saved":20,"files_done":1}}"#;
        assert_eq!(progress(line), Some(50));
        assert_eq!(progress(r#"{"release":"ab"}"#), None);
        assert_eq!(progress("pulling"), None);
    }
}
