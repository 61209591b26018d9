//! Limits that a shell sets for a command (`ulimit`, `umask`), and two commands of one home at the same time:
//! an error or a wait, never a signal, and the home works afterwards.

use std::{
    fs,
    os::unix::{fs::PermissionsExt, process::ExitStatusExt},
    path::Path,
    process::{Command, Output, Stdio},
};

use anyhow::{Context, Result, ensure};
use chuan_tests::{
    media,
    program::{Home, binary, copy},
};

/// Exit codes of the command line's contract.
const FULL: i32 = 9;
/// The exit code of a panic.
const PANICKED: i32 = 101;
/// A user of whom no other test runs a program.
const USER: &str = "64321";

/// A home that publishes a folder with a film of 8 MB.
struct Scene {
    dir: tempfile::TempDir,
    home: Home,
}

impl Scene {
    fn new() -> Result<Self> {
        let dir = tempfile::tempdir()?;
        fs::create_dir(dir.path().join("films"))?;
        media::film(&dir.path().join("films/a.mp4"), 8_000_000, 1)?;
        Ok(Self { home: Home::init(dir.path().join("home"), "a", "origin")?, dir })
    }

    fn publish(&self) -> Command {
        let films = self.dir.path().join("films");
        self.home.command(["publish".as_ref(), films.as_os_str(), "-l".as_ref(), "films".as_ref()])
    }

    /// The home works after a publish that a limit has stopped.
    fn check_usable(&self) -> Result<()> {
        self.home.run(["status"])?;
        let published = self.publish().output()?;
        ensure!(published.status.success(), "{published:?}");
        self.home.run(["verify", "--deep"])?;
        Ok(())
    }
}

/// Runs a command in a shell that first runs `set`.
fn after(set: &str, command: &Command) -> Result<Output> {
    let mut shell = Command::new("sh");
    shell.args(["-c", &format!("{set} || exit 126; exec \"$0\" \"$@\"")]).arg(command.get_program());
    shell.args(command.get_args());
    for (name, value) in command.get_envs() {
        match value {
            Some(value) => shell.env(name, value),
            None => shell.env_remove(name),
        };
    }
    let output = shell.stdin(Stdio::null()).output()?;
    ensure!(output.status.code() != Some(126), "`{set}` failed: {output:?}");
    let is_orderly = output.status.signal().is_none() && output.status.code() != Some(PANICKED);
    ensure!(is_orderly, "after `{set}`: {output:?}");
    Ok(output)
}

/// Symptom: SIGXFSZ ended a publish that reached the limit of a file's size.
#[test]
fn a_limit_of_the_size_of_files_is_a_full_disk() -> Result<()> {
    let scene = Scene::new()?;
    // In units of 512 bytes.
    let output = after("ulimit -f 6000", &scene.publish())?;
    ensure!(output.status.code() == Some(FULL), "{output:?}");
    scene.check_usable()
}

/// Symptom: the index ended the process with SIGABRT where memory or threads were lacking.
#[test]
fn a_limit_of_memory_ends_a_publish_in_order() -> Result<()> {
    let scene = Scene::new()?;
    for kib in [2_000_000, 800_000, 400_000] {
        after(&format!("ulimit -v {kib}"), &scene.publish())?;
    }
    scene.check_usable()
}

/// Symptom: the index ended the process with SIGABRT where the system refused it a thread. The limit counts
/// the threads of a user, and root has none, so another user runs the program.
#[test]
fn a_limit_of_threads_ends_a_publish_in_order() -> Result<()> {
    if !rustix::process::geteuid().is_root() {
        eprintln!("skipped: only root can run it as a user without other processes");
        return Ok(());
    }
    let scene = Scene::new()?;
    let program = scene.dir.path().join("chuan");
    copy(&binary()?, &program)?;
    fs::set_permissions(scene.dir.path(), fs::Permissions::from_mode(0o755))?;
    let given = Command::new("chown").args(["-R", USER, "--"]).arg(&scene.home.path).status()?;
    ensure!(given.success(), "chown: {given}");
    // Two programs of Debian's package util-linux.
    let limited = |limit: Option<u32>| -> Result<Output> {
        let publish = scene.publish();
        let mut command = Command::new("setpriv");
        command.args(["--reuid", USER, "--regid", USER, "--clear-groups"]);
        if let Some(limit) = limit {
            command.arg("prlimit").arg(format!("--nproc={limit}"));
        }
        command.arg(&program).args(publish.get_args());
        command.envs(publish.get_envs().filter_map(|(name, value)| Some((name, value?))));
        let output = command.stdin(Stdio::null()).output().context("run setpriv")?;
        let is_orderly = output.status.signal().is_none() && output.status.code() != Some(PANICKED);
        ensure!(is_orderly, "{limit:?} threads: {output:?}");
        Ok(output)
    };
    let mut refused = 0;
    for limit in [1, 2, 4, 6, 8, 10, 11, 12, 13, 14, 16, 18] {
        let output = limited(Some(limit))?;
        let error = String::from_utf8_lossy(&output.stderr).into_owned();
        ensure!(output.status.success() || error.contains("ulimit -u"), "{limit} threads: {output:?}");
        refused += u32::from(!output.status.success());
    }
    ensure!(refused > 0, "no limit was too low");
    let output = limited(None)?;
    ensure!(output.status.success(), "{output:?}");
    Ok(())
}

/// Symptom: the files of a home followed the umask, so that other users could change them.
#[test]
fn a_home_made_without_a_umask_is_closed_to_other_users() -> Result<()> {
    let scene = Scene::new()?;
    let home = Home::at(scene.dir.path().join("open"))?;
    ensure!(after("umask 000", &home.command(["init", "--name", "b"]))?.status.success());
    let open = Scene { dir: scene.dir, home };
    ensure!(after("umask 000", &open.publish())?.status.success());
    ensure!(
        after("umask 000", &open.home.command(["invite", "films", "--address", "x:1"]))?.status.success()
    );
    let mut files = 0;
    let mut folders = vec![open.home.path.clone()];
    while let Some(folder) = folders.pop() {
        check_closed(&folder)?;
        for item in fs::read_dir(&folder)? {
            let item = item?;
            if item.file_type()?.is_dir() {
                folders.push(item.path());
            } else if item.file_type()?.is_file() {
                check_closed(&item.path())?;
                files += 1;
            }
        }
    }
    ensure!(files > 10, "only {files} files were looked at");
    Ok(())
}

fn check_closed(path: &Path) -> Result<()> {
    let mode = fs::metadata(path)?.permissions().mode();
    ensure!(mode & 0o022 == 0, "{} may be changed by other users: {mode:o}", path.display());
    let is_secret = path.extension().is_some_and(|extension| extension == "key");
    ensure!(!is_secret || mode & 0o077 == 0, "{} may be read by other users: {mode:o}", path.display());
    Ok(())
}

/// Symptom: two publishes that founded one name made two libraries, and every command by name failed from
/// then on. Here no process serves the home.
#[test]
fn two_publishes_of_a_new_name_found_one_library() -> Result<()> {
    let scene = Scene::new()?;
    ensure!(scene.publish().get_program() == binary()?.as_os_str());
    let start = || scene.publish().stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().context("publish");
    let both = [start()?, start()?].map(std::process::Child::wait_with_output);
    for output in both {
        let output = output?;
        ensure!(output.status.success(), "{output:?}");
    }
    scene.home.run(["releases", "films"])?;
    let status = scene.home.json(["status"])?;
    let libraries = status.get("libraries").and_then(serde_json::Value::as_array).map_or(0, Vec::len);
    ensure!(libraries == 1, "{status}");
    scene.check_usable()
}
