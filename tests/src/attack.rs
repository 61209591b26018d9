//! `make attack`: an honest pull alone, and beside unknown peers that attack its source in every way they
//! can.

use std::{
    fmt,
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, ensure};
use chuan_engine::{
    id::LibraryId,
    limits::FRAME_CONTROL_BYTES,
    sync::{frame::FrameKind, message::Request},
};
use serde_json::Value;

use crate::{
    hostile::{self, Peer, Usage, forge, peer::frame_of},
    media,
    program::{Home, Server},
};

/// The parameters of a measurement.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Bytes of the films that are pulled.
    pub bytes: u64,
    /// Pulls of each kind.
    pub runs: usize,
    /// Unknown peers that attack at the same time.
    pub attackers: u16,
    /// Seed of the films.
    pub seed: u64,
    /// Directory for homes and films.
    pub dir: PathBuf,
}

/// The result of a measurement.
#[derive(Clone, Debug)]
pub struct Summary {
    /// Durations of the honest pulls, alone and beside the attackers.
    pub pulls: [Vec<Duration>; 2],
    /// Number of attacks: connections, each with a hello and a request.
    pub attacks: u64,
    /// Resources that the node used during the attack, the honest pulls included.
    pub attacked: Usage,
    /// The same for the same pulls without an attack.
    pub alone: Usage,
    /// Resources of the attacking process, which runs on the same machine.
    pub attacking: Usage,
    /// The node's counters.
    pub intake: Value,
}

impl Summary {
    /// The medians: alone, and attacked.
    pub fn medians(&self) -> [Duration; 2] {
        [median(&self.pulls[0]), median(&self.pulls[1])]
    }
}

fn median(times: &[Duration]) -> Duration {
    let mut times = times.to_vec();
    times.sort_unstable();
    times.get(times.len() / 2).copied().unwrap_or_default()
}

/// Publishes, serves, pulls alone, pulls under attack.
pub fn run(plan: &Plan) -> Result<Summary> {
    ensure!(plan.runs > 0 && plan.attackers > 0, "nothing to measure");
    let films = plan.dir.join("films");
    std::fs::create_dir(&films)?;
    media::library(&films, 4, plan.bytes, plan.seed)?;
    let origin = Home::init(plan.dir.join("origin"), "origin", "origin")?;
    origin.run(["publish".as_ref(), films.as_os_str(), "--library".as_ref(), "films".as_ref()])?;
    let server = origin.serve()?;
    let node = server.process.child.id();
    let mirrors = |some: std::ops::Range<usize>| {
        some.map(|number| mirror(plan, &origin, number)).collect::<Result<Vec<_>>>()
    };
    let (first, peaceful, besieged) =
        (mirrors(0..1)?, mirrors(1..1 + plan.runs)?, mirrors(1 + plan.runs..1 + 2 * plan.runs)?);

    // One pull before all others, so that the films are in the page cache for all of them.
    first.iter().try_for_each(|mirror| pull(mirror).map(drop))?;
    let before = Usage::of(node)?;
    let alone = peaceful.iter().map(pull).collect::<Result<Vec<_>>>()?;
    let middle = Usage::of(node)?;
    let attack = Attack::start(plan.attackers, &server);
    let attacked = besieged.iter().map(pull).collect::<Result<Vec<_>>>();
    let attacked_usage = Usage::of(node)?.since(middle);
    let (attacks, attacking) = attack.stop()?;
    let status = origin.json(["status"])?;
    Ok(Summary {
        pulls: [alone, attacked?],
        attacks,
        attacked: attacked_usage,
        alone: middle.since(before),
        attacking,
        intake: status.get("intake").cloned().context("no `intake` in status")?,
    })
}

fn mirror(plan: &Plan, origin: &Home, number: usize) -> Result<Home> {
    let mirror =
        Home::init(plan.dir.join(format!("mirror-{number}")), &format!("mirror-{number}"), "mirror")?;
    mirror.run(["join", &origin.ticket("films")?])?;
    Ok(mirror)
}

fn pull(mirror: &Home) -> Result<Duration> {
    let began = Instant::now();
    mirror.run(["pull", "films", "--packing", "fastest"])?;
    Ok(began.elapsed())
}

/// Attackers at work.
struct Attack {
    stop: Arc<AtomicBool>,
    made: Arc<AtomicU64>,
    before: Usage,
    thread: thread::JoinHandle<Result<()>>,
}

impl Attack {
    fn start(attackers: u16, server: &Server) -> Self {
        let (stop, made): (Arc<AtomicBool>, Arc<AtomicU64>) = Default::default();
        let address = server.address;
        let before = Usage::of(std::process::id()).unwrap_or_default();
        let thread = thread::spawn({
            let (stop, made) = (Arc::clone(&stop), Arc::clone(&made));
            move || {
                hostile::run(async move {
                    let mut tasks = tokio::task::JoinSet::new();
                    for number in 0..attackers {
                        let (stop, made) = (Arc::clone(&stop), Arc::clone(&made));
                        tasks.spawn(async move {
                            let peer = Peer::new(forge::key(number))?;
                            for round in 0u16.. {
                                if stop.load(Ordering::Relaxed) {
                                    break;
                                }
                                // A node without a place for an unknown peer closes the connection: the
                                // attacker connects again.
                                let _ = attack(&peer, address, number, round % 2 == 0).await;
                                made.fetch_add(1, Ordering::Relaxed);
                            }
                            anyhow::Ok(())
                        });
                    }
                    while let Some(ended) = tasks.join_next().await {
                        ended??;
                    }
                    Ok(())
                })
            }
        });
        Self { stop, made, before, thread }
    }

    /// Ends the attack; returns the number of attacks and the resources that they took.
    fn stop(self) -> Result<(u64, Usage)> {
        self.stop.store(true, Ordering::Relaxed);
        let ended = self.thread.join().map_err(|_| anyhow::anyhow!("the attackers failed"))?;
        ended?;
        let used = Usage::of(std::process::id())?.since(self.before);
        Ok((self.made.load(Ordering::Relaxed), used))
    }
}

/// One connection: the longest accepted hello, full of keys of an unknown library, and the longest request;
/// or a hello that is far too long.
async fn attack(peer: &Peer, address: std::net::SocketAddr, number: u16, is_long: bool) -> Result<()> {
    let session = peer.dial(address).await?;
    if is_long {
        session.first_stream(&frame_of(FrameKind::Hello, &vec![7; FRAME_CONTROL_BYTES])).await?;
        session.closed().await?;
    } else {
        let root = forge::foreign_root(number, 7)?.bytes().to_vec();
        session.hello(&peer.hello().with_statements([root].into_iter())).await?;
        session.ask(Request::Peers { library: LibraryId::from_bytes([1; 32]) }).await?;
        session.ask_bytes(&frame_of(FrameKind::Request, &vec![4; FRAME_CONTROL_BYTES])).await?;
    }
    session.close();
    Ok(())
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [alone, attacked] = self.medians().map(|median| median.as_secs_f64());
        writeln!(f, "honest pull alone       {alone:8.3} s, median of {}", self.pulls[0].len())?;
        writeln!(f, "honest pull attacked    {attacked:8.3} s, median of {}", self.pulls[1].len())?;
        writeln!(f, "ratio                   {:8.2}", attacked / alone.max(f64::MIN_POSITIVE))?;
        writeln!(f, "attacks made            {:8}", self.attacks)?;
        let cpu = self.attacked.cpu_seconds - self.alone.cpu_seconds;
        let each = 1000.0 * cpu / self.attacks.max(1) as f64;
        writeln!(f, "the node's CPU for them {cpu:8.2} s, {each:.2} ms each")?;
        writeln!(f, "the attackers' own CPU  {:8.2} s, on the same cores", self.attacking.cpu_seconds)?;
        let memory = self.attacked.peak_bytes >> 20;
        writeln!(f, "the node's peak memory  {memory:8} MiB more than before")?;
        write!(f, "counted by the node     {}", self.intake)
    }
}
