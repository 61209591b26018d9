//! `crash`: the crash test, as far as time goes. `CRASH_SHARD` (1/1), `CRASH_SECONDS` (no limit),
//! `CRASH_FILM` (bytes of a film, 300000), `CRASH_SEED` (1), `CRASH_JOBS` (threads, as many as cores),
//! `CRASH_DIR` (a folder for the homes, in memory if it can be); `CRASH_POINTS` runs these points alone.
//!
//! Points that have run are in a file below the target directory, and are not run again.

#[cfg(target_arch = "x86_64")]
use crash::main as run;

#[cfg(not(target_arch = "x86_64"))]
fn run() -> anyhow::Result<()> {
    anyhow::bail!("system calls are traced on x86_64 only")
}

fn main() -> anyhow::Result<()> {
    run()
}

#[cfg(target_arch = "x86_64")]
mod crash {
    use std::{
        collections::BTreeMap,
        env, fs,
        io::Write,
        path::{Path, PathBuf},
        sync::Mutex,
        thread,
        time::{Duration, Instant},
    };

    use anyhow::{Context, Result, anyhow, ensure};
    use chuan_tests::crash::{
        Campaign, Outcome, Point, Table,
        campaign::is_in_shard,
        folder,
        tracer::{TRACED, become_traced},
    };

    const SHARD: (u64, u64) = (1, 1);
    const FILM: u64 = 300_000;

    pub(super) fn main() -> Result<()> {
        let mut args = env::args_os().skip(1);
        if args.next().is_some_and(|word| word == TRACED) {
            let program = args.next().context("the program to trace")?;
            return become_traced(Path::new(&program), args).map(|never| match never {});
        }
        let starter = env::current_exe()?;
        let (film, seed) = (option("CRASH_FILM", FILM)?, option("CRASH_SEED", 1)?);
        let dir = match env::var_os("CRASH_DIR") {
            Some(dir) => tempfile::Builder::new().prefix("chuan-crash-").tempdir_in(dir)?,
            None => folder()?,
        };
        let campaign = Campaign::new(dir.path(), film, seed, &starter)?;
        match env::var("CRASH_POINTS") {
            Ok(list) => single(&campaign, &list),
            Err(_) => all(&campaign, &starter, film, seed),
        }
    }

    /// Runs the listed points.
    fn single(campaign: &Campaign, list: &str) -> Result<()> {
        let mut table = Table::default();
        for point in list.split([',', ' ']).filter(|point| !point.is_empty()) {
            let point: Point = point.parse()?;
            let outcome = campaign.run(point, None, "point")?;
            println!("{point}: {outcome:?}");
            table.add(point, &outcome);
        }
        finish(&table, 0)
    }

    /// Runs the points of the shard that have not run yet.
    fn all(campaign: &Campaign, starter: &Path, film: u64, seed: u64) -> Result<()> {
        let (index, count) = shard()?;
        let state = state_file(starter, &format!("{film}-{seed}.{index}-of-{count}"))?;
        let before = read_state(&state)?;
        let mut points = campaign.points()?;
        points.retain(|point| is_in_shard(*point, index, count));
        let total = points.len();
        points.retain(|point| !before.contains_key(point));
        println!(
            "CRASH_SHARD={index}/{count} CRASH_FILM={film} CRASH_SEED={seed}: {} of {total} points to run; {} has the \
             others",
            points.len(),
            state.display()
        );
        let mut table = Table::default();
        before.iter().for_each(|(point, outcome)| table.add(*point, outcome));
        let file = fs::OpenOptions::new().append(true).create(true).open(&state)?;
        let written = Mutex::new((file, table));
        let deadline = match option("CRASH_SECONDS", 0)? {
            0 => None,
            seconds => Some(Instant::now() + Duration::from_secs(seconds)),
        };
        let cores = thread::available_parallelism()?.get();
        let threads = usize::try_from(option("CRASH_JOBS", cores as u64)?)?;
        campaign.run_all(
            &points,
            threads,
            &|| deadline.is_none_or(|end| Instant::now() < end),
            &|point, outcome| {
                let mut written = written.lock().map_err(|_| anyhow!("a thread of the test panicked"))?;
                match &outcome {
                    Outcome::Held => {}
                    Outcome::Missed => println!("{point}: not reached"),
                    Outcome::Violated(why) => {
                        println!("{point}: VIOLATED at {why}\n  {}", campaign.replay(point))
                    }
                }
                writeln!(written.0, "{}", line(point, &outcome))?;
                written.1.add(point, &outcome);
                Ok(())
            },
        )?;
        let (_, table) = written.into_inner().map_err(|_| anyhow!("a thread of the test panicked"))?;
        let done: u64 = table.totals().iter().sum();
        finish(&table, (total as u64).saturating_sub(done))
    }

    fn finish(table: &Table, left: u64) -> Result<()> {
        println!("{table}");
        if left > 0 {
            println!("{left} points are left: the same command continues");
        }
        let [.., violated] = table.totals();
        ensure!(violated == 0, "{violated} points were violated");
        Ok(())
    }

    fn line(point: Point, outcome: &Outcome) -> String {
        match outcome {
            Outcome::Held => format!("{point} held"),
            Outcome::Missed => format!("{point} missed"),
            Outcome::Violated(why) => format!("{point} violated {}", why.replace('\n', " | ")),
        }
    }

    fn read_state(path: &Path) -> Result<BTreeMap<Point, Outcome>> {
        let text = if path.exists() { fs::read_to_string(path)? } else { String::new() };
        let read = |line: &str| -> Result<(Point, Outcome)> {
            let mut words = line.splitn(3, ' ');
            let point = words.next().unwrap_or_default().parse()?;
            let outcome = match words.next() {
                Some("held") => Outcome::Held,
                Some("missed") => Outcome::Missed,
                _ => Outcome::Violated(words.next().unwrap_or_default().to_owned()),
            };
            Ok((point, outcome))
        };
        let lines = text.lines().map(read);
        lines.collect::<Result<_>>().with_context(|| format!("{}: remove it to begin anew", path.display()))
    }

    /// `crash/NAME` in the target directory, which is two levels above this binary.
    fn state_file(starter: &Path, name: &str) -> Result<PathBuf> {
        let target = starter.ancestors().nth(2).context("find the target directory")?;
        let dir = target.join("crash");
        fs::create_dir_all(&dir)?;
        Ok(dir.join(name))
    }

    fn shard() -> Result<(u64, u64)> {
        let Ok(text) = env::var("CRASH_SHARD") else { return Ok(SHARD) };
        let parts =
            text.split_once('/').and_then(|(index, count)| Some((index.parse().ok()?, count.parse().ok()?)));
        let (index, count) = parts.context("CRASH_SHARD is no shard; write I/N, such as 1/4")?;
        ensure!((1..=count).contains(&index), "CRASH_SHARD={text}: there is no such shard");
        Ok((index, count))
    }

    fn option(name: &str, fallback: u64) -> Result<u64> {
        match env::var(name) {
            Ok(text) if !text.is_empty() => text.parse().with_context(|| format!("{name} is no number")),
            _ => Ok(fallback),
        }
    }
}
