//! Pulls over a long line: the tests' relay between two nodes, with a rate, a delay each way, and a queue of
//! one bandwidth-delay product, beyond which datagrams are lost. Measures the share of the line that a pull
//! uses, and the time of an edit.

use std::{fs, path::Path, time::Duration};

use anyhow::{Context, Result};
use chuan_benches::process::{self, Cost};
use chuan_tests::{
    media,
    program::{Home, Server},
    relay::{self, Direction, Relay},
};

use crate::{
    report::{Figure, Report},
    small,
};

/// Bytes a second of the line: 200 Mbit/s.
const RATE: u64 = 25_000_000;
/// Round trips that the pull of an edit may take in addition to its bytes: handshake, answer, and one more.
const EDIT_TRIPS: u32 = 3;

pub(crate) fn run(report: &mut Report, work: &Path, bytes: u64) -> Result<()> {
    let library = work.join("linked");
    fs::create_dir(&library)?;
    let film = library.join("film.mp4");
    // At full size 300 MB of 1 GB.
    media::film(&film, bytes / 2 * 3 / 10, 21)?;
    media::film(&library.join("other.mp4"), bytes / 2 * 7 / 10, 22)?;
    let total = media::bytes_below(&library)?;
    let delays = [(20, Figure::Link20, Figure::Edit20), (100, Figure::Link100, Figure::Edit100)];
    for (delay_ms, whole, edited) in delays {
        let delay = Duration::from_millis(delay_ms);
        let line = Line::open(work, &library, delay)?;
        let pull = line.pull(report)?;
        report.add(whole, total, pull.took, on_the_wire(total));

        media::edit(&film, media::Edit::Inserts, delay_ms)?;
        line.publish(&library)?;
        line.relay.clear();
        let took = line.pull_again()?;
        let came = line.came();
        report.add(edited, came, took, 2 * delay * EDIT_TRIPS + on_the_wire(came));
        line.close()?;
    }
    fs::remove_dir_all(library)?;

    let library = work.join("small");
    media::small_files(&library, small::count(bytes), 1)?;
    let total = media::bytes_below(&library)?;
    let line = Line::open(work, &library, Duration::from_millis(100))?;
    let pull = line.pull(report)?;
    report.add(Figure::SmallLink, total, pull.took, on_the_wire(total));
    line.close()?;
    Ok(fs::remove_dir_all(library)?)
}

/// The time that the line takes for this number of bytes.
fn on_the_wire(bytes: u64) -> Duration {
    Duration::from_secs_f64(bytes as f64 / RATE as f64)
}

/// Two nodes and the line between them.
struct Line {
    origin: Home,
    mirror: Home,
    server: Server,
    relay: Relay,
}

impl Line {
    fn open(work: &Path, library: &Path, delay: Duration) -> Result<Self> {
        let origin = Home::init(work.join("origin"), "origin", "origin")?;
        let mirror = Home::init(work.join("mirror"), "mirror", "mirror")?;
        publish(&origin, library)?;
        let server = origin.serve()?;
        let product = RATE * u64::try_from(2 * delay.as_millis())? / 1000;
        let path = relay::Path { delay, rate: Some(RATE), queue: Some(product), ..relay::Path::default() };
        let relay = Relay::start(server.address, path, path, 5)?;
        let text = origin.run(["invite", "--library", "films", "--address", &relay.address.to_string()])?;
        mirror.run(["join", text.lines().last().context("no ticket")?])?;
        Ok(Self { origin, mirror, server, relay })
    }

    fn publish(&self, library: &Path) -> Result<()> {
        publish(&self.origin, library)
    }

    fn pull(&self, report: &mut Report) -> Result<Cost> {
        let pull = process::run(&mut self.mirror.command(["-q", "pull", "films"]))?;
        report.peak("pull, long line", pull.peak_bytes);
        report.peak("serve, long line", process::peak(self.server.process.child.id()));
        Ok(pull)
    }

    /// The time of a pull by its own clock: over three round trips the start of a process would be
    /// significant.
    fn pull_again(&self) -> Result<Duration> {
        let pulled = self.mirror.json(["pull", "films"])?;
        let seconds = pulled.get("seconds").and_then(serde_json::Value::as_f64).context("no `seconds`")?;
        Ok(Duration::from_secs_f64(seconds))
    }

    /// Bytes that arrived at the mirror since the relay was cleared.
    fn came(&self) -> u64 {
        let seen = self.relay.seen();
        let came = seen.iter().filter(|seen| seen.direction == Direction::ToClient && !seen.lost);
        came.map(|seen| seen.bytes as u64).sum()
    }

    fn close(self) -> Result<()> {
        self.server.stop()?;
        for home in [self.origin, self.mirror] {
            fs::remove_dir_all(home.path)?;
        }
        Ok(())
    }
}

fn publish(origin: &Home, library: &Path) -> Result<()> {
    process::run(origin.command(["-q", "publish"]).arg(library).args(["--library", "films"]))?;
    Ok(())
}
