//! Channels between nodes: a rollback reaches a serving mirror, another publisher takes over, a restored home
//! catches up, and no clock changes any of it.

use std::{
    ffi::OsStr,
    fs,
    io::{BufRead, BufReader},
    path::Path,
    process::Stdio,
    sync::{
        atomic::{AtomicBool, AtomicUsize, Ordering},
        mpsc,
    },
    thread,
    time::Duration,
};

use anyhow::{Context, Result, ensure};
use chuan_tests::{
    clock::Clock,
    media,
    pair::{Pair, text},
    program::{Home, Process, copy, number, until},
    relay::{self, Relay},
};
use serde_json::Value;

/// Exit codes of the command line's contract.
const DENIED: i32 = 5;
const PEER: i32 = 8;

/// The channel `live`, as `channel list` shows it.
fn live(home: &Home) -> Result<Value> {
    let list = home.json(["channel", "list", "films"])?;
    let rows = list.get("channels").and_then(Value::as_array).cloned().unwrap_or_default();
    rows.into_iter().find(|row| text(row, "name") == "live").with_context(|| format!("no live in {list}"))
}

fn here(home: &Home) -> Result<u64> {
    number(&live(home)?, "here_sequence")
}

fn add_film(pair: &Pair, name: &str) -> Result<()> {
    media::film(&pair.library.join(name), 200_000, name.len() as u64)
}

/// An origin that serves two releases, and a mirror that serves them too; each knows the other's address.
fn serving_pair() -> Result<(Pair, chuan_tests::program::Server, chuan_tests::program::Server)> {
    let pair = Pair::new()?;
    media::library(&pair.library, 1, 300_000, 1)?;
    pair.publish()?;
    let origin = pair.connect()?;
    pair.pull()?;
    let mirror = pair.mirror.serve()?;
    add_film(&pair, "second.mp4")?;
    pair.publish()?;
    pair.pull()?;
    until("the origin knows where the mirror is", || {
        let peers = pair.origin.json(["status"])?;
        let peers = peers.get("peers").and_then(Value::as_array).cloned().unwrap_or_default();
        let has_address =
            |peer: &Value| peer.get("addresses").and_then(Value::as_array).is_some_and(|a| !a.is_empty());
        Ok(peers.iter().any(has_address))
    })?;
    Ok((pair, origin, mirror))
}

#[test]
fn a_rollback_reaches_a_mirror_that_serves_without_a_pull() -> Result<()> {
    let (pair, _origin, _mirror) = serving_pair()?;
    ensure!(here(&pair.mirror)? == 2);
    let rolled = pair.origin.json(["rollback", "films", "--yes"])?;
    ensure!(number(&rolled, "sequence")? == 1 && number(&rolled, "before_sequence")? == 2, "{rolled}");
    until("the mirror's channel points to release 1", || Ok(here(&pair.mirror)? == 1))?;
    let listed = pair.mirror.json(["ls", "films"])?;
    ensure!(number(&listed, "sequence")? == 1, "{listed}");
    let history = pair.mirror.json(["history", "films"])?;
    let moves = history.get("moves").and_then(Value::as_array).cloned().unwrap_or_default();
    ensure!(moves.len() == 3 && text(&moves[0], "by") == "operator", "{history}");
    Ok(())
}

/// The origin is gone. A standby whose key the root names publishes a side release, an operator switches to
/// it, and the origin follows when it is back.
#[test]
fn a_standby_takes_over_and_the_origin_follows() -> Result<()> {
    let pair = Pair::new()?;
    media::library(&pair.library, 1, 300_000, 1)?;
    let first = pair.publish()?;
    let library = text(&first, "library");
    let keys = pair.origin.path.join("keys").join(library);
    let [roots, standby, operator] =
        ["films.root", "standby.key", "operator.key"].map(|name| pair.scratch().join(name));
    let [roots, standby] = [roots.as_os_str(), standby.as_os_str()];
    let made = pair.origin.json(["key".as_ref(), "new".as_ref(), "--plain".as_ref(), standby])?;
    let public = text(&made, "key").to_owned();
    let root =
        |args: &[&OsStr]| pair.origin.run([OsStr::new("root")].into_iter().chain(args.iter().copied()));
    root(&["export".as_ref(), "films".as_ref(), roots])?;
    root(&["add-key".as_ref(), roots, "publisher".as_ref(), public.as_ref()])?;
    let root_key = keys.join("root.key");
    root(&["sign".as_ref(), roots, "--key".as_ref(), root_key.as_os_str(), "--yes".as_ref()])?;
    root(&["apply".as_ref(), roots])?;
    fs::copy(keys.join("operator.key"), &operator)?;
    let origin = pair.connect()?;
    pair.pull()?;
    drop(origin);
    let held = pair.mirror.path.join("keys").join(library);
    // The mirror's copy of the library's root is in this folder.
    fs::create_dir_all(&held)?;
    fs::copy(standby, held.join("publisher.key"))?;

    // A side release: `live` stays.
    let publish = |more: &[&OsStr]| {
        let source = pair.library.as_os_str();
        let args = ["publish".as_ref(), source, "-l".as_ref(), "films".as_ref()];
        pair.mirror.json(args.iter().copied().chain(more.iter().copied()))
    };
    add_film(&pair, "standby.mp4")?;
    let side = publish(&["--force".as_ref()])?;
    ensure!(side.get("side") == Some(&Value::Bool(true)) && number(&side, "sequence")? == 2, "{side}");
    ensure!(here(&pair.mirror)? == 1);
    let publisher = live(&pair.mirror)?;
    ensure!(text(&publisher, "publisher") == text(&side, "live_publisher"), "{publisher} {side}");

    // The switch, signed by an operator; from then on its releases are live.
    let switch = ["channel", "set", "films", "live", "2", "--publisher", &public, "--key"].map(OsStr::new);
    pair.mirror.run(switch.iter().copied().chain([operator.as_os_str()]))?;
    ensure!(here(&pair.mirror)? == 2);
    add_film(&pair, "standby two.mp4")?;
    let current = publish(&["--force".as_ref()])?;
    ensure!(current.get("side") == Some(&Value::Bool(false)) && here(&pair.mirror)? == 3, "{current}");

    // Back again, it first receives the missed statements, and then follows.
    let mirror = pair.mirror.serve()?;
    pair.origin.run(["pull", "films", "--from", &mirror.address.to_string()])?;
    ensure!(here(&pair.origin)? == 3);
    add_film(&pair, "back.mp4")?;
    let beside = pair.publish()?;
    ensure!(beside.get("side") == Some(&Value::Bool(true)) && number(&beside, "sequence")? == 4, "{beside}");
    ensure!(here(&pair.origin)? == 3);
    let conflicts = pair.origin.json(["conflicts"])?;
    ensure!(conflicts.get("conflicts") == Some(&Value::Array(Vec::new())), "{conflicts}");
    Ok(())
}

/// A home restored from yesterday's backup lacks the statements that it signed since. It does not publish
/// before it has received them, and nothing is lost.
#[test]
fn a_restored_home_catches_up_before_it_publishes() -> Result<()> {
    let (pair, origin, mirror) = serving_pair()?;
    origin.stop()?;
    let backup = pair.scratch().join("backup");
    copy(&pair.origin.path, &backup)?;
    add_film(&pair, "third, since.mp4")?;
    let third = pair.publish()?;
    let serving = pair.origin.serve()?;
    pair.mirror.run(["pull", "films", "--from", &serving.address.to_string()])?;
    serving.stop()?;
    fs::remove_dir_all(&pair.origin.path)?;
    fs::rename(&backup, &pair.origin.path)?;

    add_film(&pair, "fourth.mp4")?;
    let publish = ["publish".as_ref(), pair.library.as_os_str(), "--library".as_ref(), "films".as_ref()];
    for _ in 0..2 {
        let (code, error) = pair.origin.fails(publish)?;
        ensure!(code == DENIED && error.contains(" pull films`, then publish"), "{code}: {error}");
    }
    pair.origin.run(["pull", "films"])?;
    let fourth = pair.publish()?;
    ensure!(number(&fourth, "sequence")? == 4 && fourth.get("side") == Some(&Value::Bool(false)), "{fourth}");
    let listed = pair.origin.json(["releases", "films"])?;
    ensure!(listed.to_string().contains(text(&third, "release")), "the third release is lost: {listed}");
    // The audit log shows that the home was restored, and reports it; no release and no channel was signed
    // twice.
    let conflicts = pair.origin.json(["conflicts"])?;
    let kinds: Vec<_> = conflicts.get("conflicts").and_then(Value::as_array).into_iter().flatten().collect();
    ensure!(kinds.iter().all(|conflict| text(conflict, "kind") == "checkpoint"), "{conflicts}");

    // If no peer can be reached, only --force publishes, on a machine without a record of what was signed.
    mirror.stop()?;
    add_film(&pair, "fifth, alone.mp4")?;
    let elsewhere = pair.origin.clone().with_env("XDG_STATE_HOME", &pair.scratch().join("elsewhere"));
    let (code, error) = elsewhere.fails(publish)?;
    ensure!(code == PEER && error.contains("--force"), "{code}: {error}");
    let fifth = elsewhere.json(publish.into_iter().chain(["--force".as_ref()]))?;
    ensure!(number(&fifth, "sequence")? == 5, "{fifth}");
    Ok(())
}

const YEAR_MS: u64 = 366 * 24 * 3600 * 1000;
const TEN_YEARS_MS: i64 = 10 * 366 * 24 * 3600 * 1000;

/// Checks that the content of `films` in a home is `expected`, byte for byte.
fn check_content(home: &Home, expected: &Path) -> Result<()> {
    let target = home.path.with_extension("restored");
    home.run(["restore".as_ref(), "films".as_ref(), target.as_os_str()])?;
    let difference = media::difference(expected, &target)?;
    ensure!(difference.is_none(), "{difference:?}");
    Ok(())
}

fn import(home: &Home, file: &Path) -> Result<String> {
    home.run(["statements".as_ref(), "import".as_ref(), file.as_os_str()])
}

/// A new node, possibly with a clock of its own, imports old statements before its pull and after it.
fn check_newcomer(home: &Home, ticket: &str, before: &Path, first: &Path) -> Result<()> {
    home.run(["join", ticket])?;
    import(home, before)?;
    ensure!(home.json(["pull", "films"])?.get("changed") == Some(&Value::Bool(true)));
    for _ in 0..2 {
        ensure!(here(home)? == 1, "a rolled-back release is current");
        check_content(home, first)?;
        import(home, before)?;
    }
    Ok(())
}

/// A clock that is ten years off, either way, on all nodes or on one: everything is served, byte for byte, an
/// operator's statement is effective, and old statements that are imported again do not become current again.
#[test]
fn no_clock_stops_anything_or_brings_back_what_was() -> Result<()> {
    let mut pair = Pair::new()?;
    let Some(clock) = Clock::of(&mut pair)? else { return Ok(()) };
    media::library(&pair.library, 1, 300_000, 1)?;
    let [first, before] = ["first", "before.statements"].map(|name| pair.scratch().join(name));
    copy(&pair.library, &first)?;
    pair.publish()?;
    let _server = pair.connect()?;
    pair.pull()?;
    let ticket = pair.origin.run(["invite", "--library", "films", "--uses", "9", "--expires", "36500d"])?;
    let ticket = ticket.lines().last().unwrap_or_default();
    add_film(&pair, "second.mp4")?;
    pair.publish()?;
    pair.pull()?;
    pair.origin.run(["statements".as_ref(), "export".as_ref(), "films".as_ref(), before.as_os_str()])?;
    pair.origin.run(["rollback", "films", "--yes"])?;
    pair.pull()?;
    ensure!(here(&pair.mirror)? == 1);

    for (turn, shift) in [TEN_YEARS_MS, -TEN_YEARS_MS].into_iter().enumerate() {
        let newcomer = |name: &str, clock: &Clock| -> Result<Home> {
            Ok(clock.read_by(Home::init(pair.scratch().join(format!("{name}-{turn}")), name, "edge")?))
        };
        clock.set(shift)?;
        let shown = number(&live(&pair.mirror)?, "time_ms")?;
        import(&pair.mirror, &before)?;
        ensure!(here(&pair.mirror)? == 1, "by a clock {shift} ms off, a rolled-back release is current");
        check_content(&pair.mirror, &first)?;
        check_newcomer(&newcomer("edge", &clock)?, ticket, &before, &first)?;
        ensure!(number(&live(&pair.mirror)?, "time_ms")? == shown);
        // An operator's newer statement is effective, whenever it was signed.
        pair.origin.run(["channel", "set", "films", "live", "films@2", "--yes"])?;
        pair.pull()?;
        ensure!(here(&pair.mirror)? == 2);
        pair.origin.run(["rollback", "films", "--yes"])?;
        pair.pull()?;
        ensure!(
            here(&pair.mirror)? == 1 && number(&live(&pair.mirror)?, "time_ms")?.abs_diff(shown) > YEAR_MS
        );
        // A single node whose clock is off.
        clock.set(0)?;
        let alone = Clock::at(pair.scratch().join(format!("clock-{turn}")))?;
        alone.set(shift)?;
        check_newcomer(&newcomer("alone", &alone)?, ticket, &before, &first)?;
    }
    Ok(())
}

/// The clock of both nodes jumps ten years back and forth during a pull, and old statements are imported on
/// both meanwhile.
#[test]
fn a_clock_that_jumps_during_a_pull_changes_nothing() -> Result<()> {
    let mut pair = Pair::new()?;
    let Some(clock) = Clock::of(&mut pair)? else { return Ok(()) };
    media::library(&pair.library, 1, 300_000, 1)?;
    pair.publish()?;
    let server = pair.connect()?;
    let before = pair.scratch().join("before.statements");
    pair.origin.run(["statements".as_ref(), "export".as_ref(), "films".as_ref(), before.as_os_str()])?;
    pair.pull()?;
    media::film(&pair.library.join("long.mp4"), 12_000_000, 9)?;
    pair.publish()?;
    let slow = relay::Path { rate: Some(4_000_000), ..relay::Path::default() };
    let relay = Relay::start(server.address, relay::Path::default(), slow, 1)?;

    let (done, jumps) = (AtomicBool::new(false), AtomicUsize::new(0));
    let (travels, travelling) = mpsc::channel();
    let (reported, imports) = thread::scope(|scope| {
        scope.spawn(|| {
            for shift in [TEN_YEARS_MS, -TEN_YEARS_MS, 0].into_iter().cycle() {
                if done.load(Ordering::Relaxed) || clock.set(shift).is_err() {
                    return;
                }
                jumps.fetch_add(1, Ordering::Relaxed);
                thread::sleep(Duration::from_millis(1));
            }
        });
        // Not before the pull has opened the home: the pull would find it busy.
        let (homes, before, done) = ([&pair.mirror, &pair.origin], &before, &done);
        let importing = scope.spawn(move || -> Result<usize> {
            let mut times = 0;
            travelling.recv()?;
            while !done.load(Ordering::Relaxed) {
                homes.iter().try_for_each(|home| import(home, before).map(drop))?;
                times += 1;
            }
            Ok(times)
        });
        let reported = jumps_at_reports(&pair.mirror, &relay.address.to_string(), &jumps, travels);
        done.store(true, Ordering::Relaxed);
        (reported, importing.join())
    });
    let reported = reported?;
    let jumped = reported.windows(2).any(|two| matches!(two, [before, after] if after - before >= 3));
    ensure!(jumped, "the clock did not jump while the film travelled: {reported:?}");
    ensure!(imports.is_ok_and(|times| times.is_ok_and(|times| times > 0)), "no old statements were shown");
    ensure!(here(&pair.mirror)? == 2 && here(&pair.origin)? == 2);
    pair.check_restored()
}

/// Pulls `films`, and returns the number of clock jumps at each progress report in the middle of the pull.
/// Sends on `travels` at each of these reports.
fn jumps_at_reports(
    home: &Home,
    from: &str,
    jumps: &AtomicUsize,
    travels: mpsc::Sender<()>,
) -> Result<Vec<usize>> {
    let command = &mut home.command(["pull", "films", "--from", from, "--progress", "json"]);
    let mut pull = Process::spawn(command.stdout(Stdio::null()).stderr(Stdio::piped()))?;
    let reports = pull.child.stderr.take().context("no standard error")?;
    let mut jumped = Vec::new();
    let mut text = String::new();
    for line in BufReader::new(reports).lines() {
        let line = line?;
        let report: Value = serde_json::from_str(&line).unwrap_or_default();
        let bytes = |field: &str| report.pointer(&format!("/progress/{field}")).and_then(Value::as_u64);
        // Held content is counted as done, too.
        if bytes("bytes_done") > bytes("bytes_saved") {
            jumped.push(jumps.load(Ordering::Relaxed));
            let _ = travels.send(());
        }
        text = text + &line + "\n";
    }
    let status = pull.wait(Duration::from_secs(60))?;
    ensure!(status.success() && jumped.len() > 1, "{status}, and too few reports: {text}");
    Ok(jumped)
}
