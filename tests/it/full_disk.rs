//! A disk without room: a publish that does not fit, a publish that fails, and a home that can only be read.

use std::{
    fs,
    io::Write,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::Duration,
};

use anyhow::{Context, Result, ensure};
use chuan_tests::{
    media,
    program::{Home, Process, number, until},
    rng::Rng,
};

/// Exit codes of the command line's contract.
const FULL: i32 = 9;
const IO: i32 = 10;
const INTERRUPTED: i32 = 130;
/// Bytes that a publish that failed may leave: the index, the log, the keys of the library.
const LEFT_BYTES: u64 = 4 << 20;

/// A tmpfs of 64 MiB, unmounted when dropped.
pub(crate) struct SmallDisk {
    pub(crate) path: PathBuf,
    _dir: tempfile::TempDir,
}

impl SmallDisk {
    /// `None` with a message if mounting is not allowed: the test is then skipped, not passed.
    pub(crate) fn mount() -> Result<Option<Self>> {
        let dir = tempfile::tempdir()?;
        let path = dir.path().join("disk");
        fs::create_dir(&path)?;
        let mounted =
            Command::new("mount").args(["-t", "tmpfs", "-o", "size=64m", "tmpfs"]).arg(&path).output();
        if !mounted.is_ok_and(|output| output.status.success()) {
            eprintln!("skipped: a full disk, since this user may not mount a small tmpfs");
            return Ok(None);
        }
        Ok(Some(Self { path, _dir: dir }))
    }

    fn free(&self) -> Result<u64> {
        let stat = rustix::fs::statvfs(&self.path)?;
        Ok(stat.f_bavail * stat.f_frsize)
    }

    /// Writes a file until nothing more fits.
    fn fill(&self) -> Result<PathBuf> {
        let path = self.path.join("filler");
        let mut file = fs::File::create(&path)?;
        for size in [1 << 20, 4096, 1] {
            let block = vec![1; size];
            while file.write_all(&block).is_ok() {}
        }
        ensure!(self.free()? == 0, "{} bytes are still free", self.free()?);
        Ok(path)
    }

    fn remount(&self, how: &str) -> Result<()> {
        let option = format!("remount,{how}");
        let done = Command::new("mount").args(["-o", &option]).arg(&self.path).status()?;
        ensure!(done.success(), "mount -o {option}");
        Ok(())
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.path).status();
    }
}

fn publish<'a>(source: &'a Path, more: &[&'a str]) -> Vec<&'a str> {
    let source = source.to_str().unwrap_or_default();
    ["publish", source, "--library", "films"].into_iter().chain(more.iter().copied()).collect()
}

/// Symptom: a publish of more than the disk holds wrote until the disk was full, failed, and left it full.
#[test]
fn a_publish_that_does_not_fit_writes_nothing_and_one_that_fails_gives_its_room_back() -> Result<()> {
    let Some(disk) = SmallDisk::mount()? else { return Ok(()) };
    let outside = tempfile::tempdir()?;
    let home = Home::init(disk.path.join("home"), "small", "origin")?;
    let (small, large) = (outside.path().join("small"), outside.path().join("large"));
    media::library(&small, 1, 3_000_000, 1)?;
    media::library(&large, 1, 100_000_000, 2)?;
    home.run(publish(&small, &[]))?;

    let before = disk.free()?;
    let all = ["--max-delete", "100%"];
    let (code, error) = home.fails(publish(&large, &all))?;
    ensure!(code == FULL && error.contains("needs about") && error.contains("--force"), "{code}: {error}");
    let after = disk.free()?;
    ensure!(after + (256 << 10) >= before, "a publish that was refused wrote {} bytes", before - after);
    // The keys of a new library are made before its folder is read: they are to be kept elsewhere, too.
    let (code, error) = home.fails(["publish", &large.to_string_lossy(), "--library", "other", "--found"])?;
    ensure!(code == FULL && error.contains("home backup FILE"), "{code}: {error}");

    let (code, error) = home.fails(publish(&large, &["--max-delete", "100%", "--force"]))?;
    ensure!(code == FULL, "{code}: {error}");
    let after = disk.free()?;
    ensure!(after + LEFT_BYTES >= before, "a publish that failed keeps {} bytes", before - after);
    home.run(["verify", "--deep"])?;

    // Nothing of it is in the way of the next one.
    media::film(&small.join("more.mp4"), 5_000_000, 3)?;
    home.run(publish(&small, &[]))?;
    home.run(["rebuild"])?;
    home.run(["verify", "--deep"])?;
    Ok(())
}

/// Symptom: an interrupted publish could not continue on a disk that holds the library once. It counted twice
/// what it had stored.
#[test]
fn an_interrupted_publish_continues_on_a_disk_that_holds_the_library_once() -> Result<()> {
    const FILM_BYTES: u64 = 40_000_000;
    let Some(disk) = SmallDisk::mount()? else { return Ok(()) };
    let outside = tempfile::tempdir()?;
    let home = Home::init(disk.path.join("home"), "small", "origin")?;
    let library = outside.path().join("library");
    fs::create_dir(&library)?;
    media::film(&library.join("a.mp4"), FILM_BYTES, 1)?;
    // A hole needs no room, and takes longer to read than this test runs: the publish is interrupted in it.
    let hole = library.join("b.img");
    fs::File::create(&hole)?.set_len(8 << 40)?;

    let before = disk.free()?;
    let errors = outside.path().join("errors");
    let mut command = home.command(publish(&library, &[]));
    let mut first = Process::spawn(command.stdout(Stdio::null()).stderr(fs::File::create(&errors)?))?;
    until("most of the film is stored", || {
        ensure!(first.child.try_wait()?.is_none(), "{}", fs::read_to_string(&errors)?);
        Ok(before.saturating_sub(disk.free()?) > FILM_BYTES / 10 * 9)
    })?;
    first.signal(rustix::process::Signal::INT)?;
    let ended = first.wait(Duration::from_secs(60))?;
    ensure!(ended.code() == Some(INTERRUPTED), "{ended}: {}", fs::read_to_string(&errors)?);
    fs::remove_file(hole)?;
    ensure!(disk.free()? < FILM_BYTES, "the disk has room for a second copy: this test tests nothing");

    // A folder that is too large with what is stored is still refused.
    let other = outside.path().join("other");
    media::library(&other, 1, 100_000_000, 2)?;
    let (code, error) = home.fails(publish(&other, &[]))?;
    ensure!(code == FULL && error.contains("needs about"), "{code}: {error}");
    home.run(publish(&library, &[]))?;
    home.run(["verify", "--deep"])?;

    // Now a release names it: it is no longer counted as content for the next one.
    media::film(&library.join("b.mp4"), FILM_BYTES, 3)?;
    let (code, error) = home.fails(publish(&library, &[]))?;
    ensure!(code == FULL && error.contains("needs about"), "{code}: {error}");
    Ok(())
}

/// Symptom: a pull of more than the disk could take filled it, and ended with exit 9 after a long transfer.
#[test]
fn a_pull_that_does_not_fit_is_refused_before_its_chunks_come() -> Result<()> {
    let Some(disk) = SmallDisk::mount()? else { return Ok(()) };
    let outside = tempfile::tempdir()?;
    let origin = Home::init(outside.path().join("origin"), "origin", "origin")?;
    let large = outside.path().join("large");
    media::library(&large, 1, 100_000_000, 2)?;
    origin.run(publish(&large, &[]))?;
    let _server = origin.serve()?;
    let mirror = Home::init(disk.path.join("home"), "small", "mirror")?;
    mirror.run(["join", &origin.ticket("films")?])?;
    let would = mirror.run(["pull", "films", "--dry-run"])?;
    ensure!(would.contains("does not fit"), "{would}");
    let before = disk.free()?;
    let (code, error) = mirror.fails(["pull", "films"])?;
    ensure!(code == FULL && error.contains("needs about"), "{code}: {error}");
    let after = disk.free()?;
    ensure!(after + LEFT_BYTES >= before, "a pull that was refused wrote {} bytes", before - after);
    Ok(())
}

/// Symptom: on a full disk no command worked, since the index could not be opened for writing. The same on a
/// read-only file system, where the lock could not be taken.
#[test]
fn a_home_that_takes_no_writes_can_be_read() -> Result<()> {
    let Some(disk) = SmallDisk::mount()? else { return Ok(()) };
    let outside = tempfile::tempdir()?;
    let library = outside.path().join("library");
    media::library(&library, 1, 3_000_000, 1)?;
    let home = Home::init(disk.path.join("home"), "small", "origin")?;
    home.run(publish(&library, &[]))?;
    let mirror = Home::init(outside.path().join("mirror"), "mirror", "mirror")?;
    let mut server = home.serve()?;
    mirror.run(["join", &home.ticket("films")?])?;
    fs::write(library.join("second.bin"), Rng::new(2).bytes(2_000_000))?;
    home.run(publish(&library, &[]))?;
    // The index does not know the second release: it was only in the memory of this process.
    server.process.kill()?;

    let filler = disk.fill()?;
    check_reads(&home, &library, &outside.path().join("full"), false)?;
    let (code, error) = home.fails(publish(&library, &["--force"]))?;
    ensure!(code == FULL, "{code}: {error}");
    let server = home.serve()?;
    let address = server.address.to_string();
    mirror.run(["pull", "films", "--from", &address])?;
    mirror.run(["verify", "--deep"])?;
    server.stop()?;

    disk.remount("ro")?;
    // Symptom: a backup of such a home was complete, and the command ended with 10.
    let saved = home.clone().with_env("CHUAN_BACKUP_PASSPHRASE", Path::new("川流不息"));
    let backup = outside.path().join("home.backup");
    let text = saved.run(["home".as_ref(), "backup".as_ref(), backup.as_os_str()])?;
    ensure!(text.contains("does not count this backup") && backup.is_file(), "{text}");
    check_reads(&home, &library, &outside.path().join("read-only"), true)?;
    // The log is beside the link.
    let linked = Home::at(outside.path().join("linked"))?;
    std::os::unix::fs::symlink(&home.path, &linked.path)?;
    let server = linked.serve()?;
    let log = server.log.clone();
    server.stop()?;
    let log = fs::read_to_string(log)?;
    ensure!(log.matches("only reads").count() == 1 && !log.contains("ERROR"), "{log}");
    let (code, error) = home.fails(publish(&library, &["--force"]))?;
    ensure!([FULL, IO].contains(&code), "{code}: {error}");
    disk.remount("rw")?;
    fs::remove_file(filler)?;
    media::change(&library, 4)?;
    home.run(publish(&library, &[]))?;
    home.run(["verify", "--deep"])?;
    ensure!(number(&home.json(["audit", "verify"])?, "count")? > 0);
    Ok(())
}

/// Runs every command that only reads; on a read-only disk each says once that nothing is written.
fn check_reads(home: &Home, library: &Path, restored: &Path, is_read_only: bool) -> Result<()> {
    let restored = restored.to_str().context("a path in UTF-8")?;
    for args in [
        &["status"][..],
        &["ls", "films"],
        &["releases", "films"],
        &["cat", "films", "second.bin"],
        &["restore", "films", restored],
        &["verify"],
        &["verify", "--deep"],
        &["audit", "show"],
        &["audit", "verify"],
    ] {
        let output = home.output(args)?;
        let errors = String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.success(), "{args:?}: {}: {errors}", output.status);
        let said = errors.matches("takes no writes").count();
        // An open that fails may free a few blocks, and the next one then succeeds for writing.
        ensure!(said <= 1 && (said == 1 || !is_read_only), "{args:?}: said {said} times: {errors}");
        // Symptom: each command printed lines of the log about the audit log, and a text of the index.
        let is_clear = !errors.contains("ERROR") && !errors.contains("While open a file");
        ensure!(is_clear || !is_read_only, "{args:?}: {errors}");
        if args.starts_with(&["cat"]) {
            ensure!(output.stdout == Rng::new(2).bytes(2_000_000), "other bytes");
        }
    }
    ensure!(media::difference(library, Path::new(restored))?.is_none(), "another folder came back");
    Ok(())
}
