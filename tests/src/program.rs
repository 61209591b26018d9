//! Runs the `chuan` binary as a user does: in a home of its own, with arguments in and an exit code, text and
//! JSON out.
//!
//! Every process that is started here ends here, at the latest when its handle is dropped.

use std::{
    env,
    ffi::OsStr,
    fs::File,
    io::{BufRead, BufReader, Read},
    net::SocketAddr,
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Output, Stdio},
    sync::mpsc,
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;

/// Time limit for a server to print its address, for a stopped process to end, and for a change to reach
/// another node.
const PATIENCE: Duration = Duration::from_secs(60);

/// The `chuan` binary of the current profile: `CHUAN_BIN`, or the one beside this executable.
///
/// Cargo builds it with `cargo build --workspace`; a test does not build it by itself.
pub fn binary() -> Result<PathBuf> {
    match env::var_os("CHUAN_BIN") {
        Some(path) => Ok(path.into()),
        None => binary_named("chuan").context("or set CHUAN_BIN"),
    }
}

/// The binary of this name beside this executable.
pub fn binary_named(name: &str) -> Result<PathBuf> {
    let here = env::current_exe().context("find this executable")?;
    // target/PROFILE/kill, or target/PROFILE/deps/it-0123456789abcdef
    let found = here.ancestors().skip(1).take(2).map(|folder| folder.join(name)).find(|path| path.is_file());
    found.with_context(|| {
        format!("no binary `{name}` beside {}: run `cargo build --workspace --bins` first", here.display())
    })
}

/// A node's home, run through the binary.
#[derive(Clone, Debug)]
pub struct Home {
    /// The directory given as `--home`.
    pub path: PathBuf,
    binary: PathBuf,
    variables: Vec<(String, PathBuf)>,
}

impl Home {
    /// A handle for a home; creates nothing.
    pub fn at(path: impl Into<PathBuf>) -> Result<Self> {
        Ok(Self { path: path.into(), binary: binary()?, variables: Vec::new() })
    }

    /// Makes a home with `chuan init`.
    pub fn init(path: impl Into<PathBuf>, name: &str, role: &str) -> Result<Self> {
        let home = Self::at(path)?;
        home.run(["init", "--name", name, "--role", role])?;
        Ok(home)
    }

    /// The same home, run with this variable set.
    pub fn with_env(mut self, name: &str, value: &Path) -> Self {
        self.variables.push((name.to_owned(), value.to_owned()));
        self
    }

    /// The command line `chuan --home H …`, with no input, not yet run.
    pub fn command<I: IntoIterator<Item = S>, S: AsRef<OsStr>>(&self, args: I) -> Command {
        let mut command = Command::new(&self.binary);
        command.arg("--home").arg(&self.path).args(args).stdin(Stdio::null()).env("NO_COLOR", "1");
        // Tests compare English texts, whatever the language of the machine is.
        command.env_remove("CHUAN_HOME").env("LC_ALL", "C").env_remove("LANGUAGE");
        // The homes of a test are those of one machine, which keeps its state beside them.
        if let Some(folder) = self.path.parent() {
            command.env("XDG_STATE_HOME", folder.join("state"));
        }
        command.envs(self.variables.iter().map(|(name, value)| (name, value)));
        command
    }

    /// Runs a command to its end, with any result.
    pub fn output<I: IntoIterator<Item = S>, S: AsRef<OsStr>>(&self, args: I) -> Result<Output> {
        let mut command = self.command(args);
        command.output().with_context(|| format!("run {command:?}"))
    }

    /// Runs a command that must succeed; returns its standard output.
    pub fn run<I: IntoIterator<Item = S>, S: AsRef<OsStr>>(&self, args: I) -> Result<String> {
        let mut command = self.command(args);
        let output = command.output().with_context(|| format!("run {command:?}"))?;
        ensure!(output.status.success(), "{command:?}: {}", describe(&output));
        Ok(String::from_utf8(output.stdout)?)
    }

    /// Runs a command that must succeed, with `--json`; returns its one final object.
    pub fn json<I: IntoIterator<Item = S>, S: AsRef<OsStr>>(&self, args: I) -> Result<Value> {
        let args: Vec<_> = args.into_iter().map(|arg| arg.as_ref().to_owned()).collect();
        final_object(&self.run([OsStr::new("--json")].into_iter().chain(args.iter().map(AsRef::as_ref)))?)
    }

    /// Runs a command that must fail, and not by a signal or a panic; returns its exit code and standard
    /// error.
    pub fn fails<I: IntoIterator<Item = S>, S: AsRef<OsStr>>(&self, args: I) -> Result<(i32, String)> {
        let mut command = self.command(args);
        let output = command.output().with_context(|| format!("run {command:?}"))?;
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        let code =
            output.status.code().with_context(|| format!("{command:?} died: {}", describe(&output)))?;
        ensure!(code != 0, "{command:?} succeeded, it must not: {}", describe(&output));
        ensure!(code != 101 && !text.contains("panicked at"), "{command:?} panicked: {}", describe(&output));
        Ok((code, text))
    }

    /// Starts `chuan serve` on a free port of the loopback interface and waits for its address.
    pub fn serve(&self) -> Result<Server> {
        self.serve_on("127.0.0.1:0".parse()?)
    }

    /// Starts `chuan serve` on `listen` and waits for its address.
    pub fn serve_on(&self, listen: SocketAddr) -> Result<Server> {
        let log = self.path.with_extension("serve.log");
        let errors = File::create(&log).with_context(|| format!("create {}", log.display()))?;
        let mut command = self.command(["serve", "--no-follow", "--listen", &listen.to_string()]);
        let mut child = command
            .stdout(Stdio::piped())
            .stderr(errors)
            .spawn()
            .with_context(|| format!("run {command:?}"))?;
        let (found, address) = mpsc::channel();
        if let Some(stdout) = child.stdout.take() {
            // Reads to the end, so that the server never blocks on a full pipe.
            thread::spawn(move || {
                for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                    if let Some(address) = address_in(&line) {
                        let _ = found.send(address);
                    }
                }
            });
        }
        let process = Process { child };
        let Ok(address) = address.recv_timeout(PATIENCE) else {
            drop(process);
            let text = std::fs::read_to_string(&log).unwrap_or_default();
            bail!("{command:?} printed no address: {text}");
        };
        Ok(Server { address, log, process })
    }

    /// Like [`Home::serve_on`], on an address where a node listened before: another process may hold the port
    /// for a moment.
    pub fn serve_again(&self, listen: SocketAddr) -> Result<Server> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            match self.serve_on(listen) {
                Err(_) if Instant::now() < deadline => thread::sleep(Duration::from_millis(50)),
                served => return served,
            }
        }
    }

    /// A ticket of this node: the last line of `chuan invite`.
    pub fn ticket(&self, library: &str) -> Result<String> {
        let text = self.run(["invite", "--library", library])?;
        Ok(text.lines().last().context("`chuan invite` printed nothing")?.trim().to_owned())
    }
}

/// A running `chuan serve`; dropping it kills it.
#[derive(Debug)]
pub struct Server {
    /// The address on which it listens.
    pub address: SocketAddr,
    /// The file of its standard error.
    pub log: PathBuf,
    /// The process.
    pub process: Process,
}

impl Server {
    /// Sends SIGTERM and waits for the end.
    pub fn stop(mut self) -> Result<ExitStatus> {
        self.process.signal(rustix::process::Signal::TERM)?;
        self.process.wait(PATIENCE)
    }
}

/// A child process that does not outlive its handle.
#[derive(Debug)]
pub struct Process {
    /// The child.
    pub child: Child,
}

impl Process {
    /// Starts a command as it is.
    pub fn spawn(command: &mut Command) -> Result<Self> {
        let child = command.spawn().with_context(|| format!("run {command:?}"))?;
        Ok(Self { child })
    }

    /// Sends a signal.
    pub fn signal(&self, signal: rustix::process::Signal) -> Result<()> {
        let pid = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(pid, signal).context("send a signal")
    }

    /// Kills it as `kill -9` does, and waits until it is gone.
    pub fn kill(&mut self) -> Result<()> {
        self.child.kill().context("kill")?;
        self.child.wait().context("wait")?;
        Ok(())
    }

    /// Waits for its end, at most `limit`.
    pub fn wait(&mut self, limit: Duration) -> Result<ExitStatus> {
        let start = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait()? {
                return Ok(status);
            }
            ensure!(start.elapsed() < limit, "process {} did not end within {limit:?}", self.child.id());
            thread::sleep(Duration::from_millis(5));
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if matches!(self.child.try_wait(), Ok(None)) {
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
    }
}

/// The last JSON object of `text`, which `--json` prints. Lines that are no JSON are skipped.
pub fn final_object(text: &str) -> Result<Value> {
    let start = if text.starts_with('{') { Some(0) } else { text.find("\n{").map(|at| at + 1) };
    let objects = start.and_then(|start| text.get(start..)).unwrap_or_default();
    let last =
        serde_json::Deserializer::from_str(objects).into_iter().try_fold(None, |_, value| value.map(Some));
    last.with_context(|| format!("not JSON: {text}"))?
        .with_context(|| format!("no JSON object in the output: {text:?}"))
}

/// A non-negative whole number of a JSON object.
pub fn number(object: &Value, name: &str) -> Result<u64> {
    let value = object.get(name).with_context(|| format!("no `{name}` in {object}"))?;
    value.as_u64().with_context(|| format!("`{name}` is no whole number in {object}"))
}

/// Polls until `is` returns true: a change of one node takes a moment to reach another. Most polls start a
/// process, so they become rarer with time: otherwise they take the processor from the awaited change.
pub fn until(what: &str, mut is: impl FnMut() -> Result<bool>) -> Result<()> {
    let begun = Instant::now();
    while !is()? {
        ensure!(begun.elapsed() < PATIENCE, "not within {PATIENCE:?}: {what}");
        thread::sleep((begun.elapsed() / 16).clamp(Duration::from_millis(20), Duration::from_millis(250)));
    }
    Ok(())
}

/// Copies a file or a folder with all metadata that a backup keeps; `to` must not exist yet.
pub fn copy(from: &Path, to: &Path) -> Result<()> {
    let status = Command::new("cp").arg("-a").arg(from).arg(to).status().context("run cp")?;
    ensure!(status.success(), "copy {}: {status}", from.display());
    Ok(())
}

/// Reads the rest of a pipe as text.
pub fn drain(pipe: Option<impl Read>) -> String {
    let mut text = String::new();
    if let Some(mut pipe) = pipe {
        let _ = pipe.read_to_string(&mut text);
    }
    text
}

/// Bytes of all files of a home's directory, as a measure of its disk usage.
pub fn disk_bytes(home: &Path) -> Result<u64> {
    crate::media::bytes_below(home)
}

fn describe(output: &Output) -> String {
    let [out, err] = [&output.stdout, &output.stderr].map(|bytes| String::from_utf8_lossy(bytes));
    format!("{}\n--- stdout\n{out}--- stderr\n{err}", output.status)
}

fn address_in(line: &str) -> Option<SocketAddr> {
    line.split(|c: char| c.is_whitespace() || c == '"' || c == '@' || c == ',')
        .find_map(|word| word.parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_found_in_a_line_for_people_and_in_json() {
        let expected = Some("127.0.0.1:4433".parse().unwrap());
        assert_eq!(address_in("serving on 127.0.0.1:4433"), expected);
        assert_eq!(address_in(r#"{"address":"127.0.0.1:4433"}"#), expected);
        assert_eq!(address_in("waiting for 127.0.0.1"), None);
    }

    #[test]
    fn the_last_object_is_the_final_one() {
        let text = "{\"progress\":1}\n{\"release\":\"ab\",\"files\":3}\n";
        assert_eq!(number(&final_object(text).unwrap(), "files").unwrap(), 3);
        let over_lines = "{\"entries\":[{\"path\":\"a\"},\n{\"path\":\"b\"}],\"files\":2}\n";
        assert_eq!(number(&final_object(over_lines).unwrap(), "files").unwrap(), 2);
        assert!(final_object("nothing").is_err());
    }
}
