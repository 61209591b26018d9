//! Runs commands in homes of a temporary folder, and collects the shapes of their JSON and their exit codes.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs::{self, File},
    io::{BufRead, BufReader, Read},
    path::PathBuf,
    process::{Command, Output, Stdio},
    time::Duration,
};

use anyhow::{Context, Result, ensure};
use chuan_tests::{
    media,
    program::{Home, Process},
};
use rustix::process::Signal;
use serde_json::{Deserializer, Value};
use tempfile::TempDir;

use super::shape::Shape;

/// Commands that have subcommands.
const GROUPS: [&str; 8] = ["audit", "channel", "home", "key", "ledger", "policy", "root", "statements"];
/// Time limit for a process to end after a signal.
const END_TIMEOUT: Duration = Duration::from_secs(30);
/// Bytes of a film: less than the smallest chunk, so that a film is one chunk.
const FILM_BYTES: u64 = 12_000;

/// The homes and files of a script, and its findings so far.
pub(super) struct Scenario {
    dir: TempDir,
    /// The values of `$name` in the command lines.
    variables: BTreeMap<String, String>,
    shapes: BTreeMap<String, Shape>,
    exits: BTreeSet<String>,
}

/// A running `chuan serve`.
pub(super) struct Server {
    /// The address on which it listens.
    pub(super) address: String,
    process: Process,
}

impl Server {
    /// Ends the server, so that its home can be copied.
    pub(super) fn stop(mut self) -> Result<()> {
        self.process.signal(Signal::TERM)?;
        let status = self.process.wait(END_TIMEOUT)?;
        ensure!(status.success(), "`chuan serve` ended with {status}");
        Ok(())
    }
}

impl Scenario {
    pub(super) fn new() -> Result<Self> {
        let dir = tempfile::Builder::new().prefix("chuan-it-").tempdir()?;
        let variables = [("dir".to_owned(), dir.path().to_string_lossy().into_owned())].into();
        Ok(Self { dir, variables, shapes: BTreeMap::new(), exits: BTreeSet::new() })
    }

    /// The golden of JSON: a section for each command.
    pub(super) fn json(&self) -> String {
        let section = |(name, shape): (&String, &Shape)| {
            let lines: String = shape.lines().into_iter().map(|line| line + "\n").collect();
            format!("## {name}\n{lines}\n")
        };
        self.shapes.iter().map(section).collect()
    }

    /// The golden of exit codes: a line for each command that did not end with 0.
    pub(super) fn exits(&self) -> String {
        self.exits.iter().map(|line| format!("{line}\n")).collect()
    }

    /// Sets the value of `$name` in later command lines.
    pub(super) fn set(&mut self, name: &str, value: impl Into<String>) {
        self.variables.insert(name.to_owned(), value.into());
    }

    /// The same, with a string of a JSON answer.
    pub(super) fn set_from(&mut self, name: &str, answer: &Value, field: &str) -> Result<()> {
        let value = answer.get(field).and_then(Value::as_str);
        self.set(name, value.with_context(|| format!("no `{field}` in {answer}"))?);
        Ok(())
    }

    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// Writes a text file, and the folders above it.
    pub(super) fn write(&self, name: &str, text: &str) -> Result<()> {
        let path = self.path(name);
        fs::create_dir_all(path.parent().context("a file in no folder")?)?;
        fs::write(&path, text).with_context(|| format!("write {}", path.display()))
    }

    /// Writes a small film.
    pub(super) fn film(&self, name: &str, seed: u64) -> Result<()> {
        media::film(&self.path(name), FILM_BYTES, seed)
    }

    fn command(&self, home: &str, line: &str) -> Result<Command> {
        let words = line.split_whitespace().map(|word| {
            // A name comes before the names that it begins with.
            let names = self.variables.iter().rev();
            names.fold(word.to_owned(), |word, (name, value)| word.replace(&format!("${name}"), value))
        });
        let mut command = Home::at(self.path(home))?.command(["--json"]);
        command.args(words).env_remove("CHUAN_KEY").env("CHUAN_BACKUP_PASSPHRASE", "of the backup");
        Ok(command)
    }

    fn output(&self, home: &str, line: &str) -> Result<Output> {
        self.command(home, line)?.output().with_context(|| format!("run chuan {line}"))
    }

    /// Runs a command that must succeed; returns its answer. The words of `line` are separated by spaces.
    pub(super) fn run(&mut self, home: &str, line: &str) -> Result<Value> {
        let output = self.output(home, line)?;
        ensure!(output.status.success(), "chuan {line}, on {home}: {}", describe(&output));
        self.record(line, &output)?.with_context(|| format!("chuan {line}: no answer"))
    }

    /// Runs a command that must not end with 0, for this reason; records its exit code.
    pub(super) fn ends(&mut self, reason: &str, home: &str, line: &str) -> Result<()> {
        let output = self.output(home, line)?;
        let answer = self.record(line, &output)?;
        self.record_exit(reason, line, output.status.code(), answer.as_ref())
    }

    /// Runs a command whose standard output is a device that is full.
    pub(super) fn ends_on_a_full_device(&mut self, home: &str, line: &str) -> Result<()> {
        let full = File::options().write(true).open("/dev/full").context("open /dev/full")?;
        let status = self.command(home, line)?.stdout(full).stderr(Stdio::null()).status()?;
        self.record_exit("standard output is full", line, status.code(), None)
    }

    /// Runs a command that goes on after its first line of output, and ends it by SIGTERM.
    pub(super) fn ends_by_a_signal(&mut self, home: &str, line: &str) -> Result<()> {
        let mut command = self.command(home, line)?;
        let mut process = Process::spawn(command.stdout(Stdio::piped()).stderr(Stdio::null()))?;
        let mut output = BufReader::new(process.child.stdout.take().context("no output")?);
        let mut text = String::new();
        output.read_line(&mut text)?;
        process.signal(Signal::TERM)?;
        output.read_to_string(&mut text)?;
        let status = process.wait(END_TIMEOUT)?;
        let error = text.lines().last().unwrap_or_default();
        let error: Value = serde_json::from_str(error).with_context(|| format!("not JSON: {text}"))?;
        self.record_exit("a signal", line, status.code(), Some(&error))
    }

    /// Starts `chuan serve` on an address, or on a free port.
    pub(super) fn serve(&mut self, home: &str, address: Option<&str>) -> Result<Server> {
        let line = format!("serve --listen {}", address.unwrap_or("127.0.0.1:0"));
        let log = self.path(&format!("{home}.serve.log"));
        let errors = File::create(&log).with_context(|| format!("create {}", log.display()))?;
        let mut command = self.command(home, &line)?;
        let mut process = Process::spawn(command.stdout(Stdio::piped()).stderr(errors))?;
        let mut ready = String::new();
        BufReader::new(process.child.stdout.take().context("no output")?).read_line(&mut ready)?;
        let ready: Value = serde_json::from_str(&ready).with_context(|| {
            format!("chuan {line}: `{ready}`: {}", fs::read_to_string(&log).unwrap_or_default())
        })?;
        self.shapes.entry("serve".to_owned()).or_default().add(&ready, "");
        let address = ready.get("address").and_then(Value::as_str).context("no address")?.to_owned();
        Ok(Server { address, process })
    }

    /// Adds the shapes of the output; returns its last object. An error is a section of its own.
    fn record(&mut self, line: &str, output: &Output) -> Result<Option<Value>> {
        let command = name_of(line);
        let mut last = None;
        for object in Deserializer::from_slice(&output.stdout).into_iter::<Value>() {
            let object = object.with_context(|| format!("chuan {line}: not JSON: {}", describe(output)))?;
            let section =
                if object.get("error").is_some() { "an error of any command" } else { command.as_str() };
            self.shapes.entry(section.to_owned()).or_default().add(&object, "");
            last = Some(object);
        }
        for event in String::from_utf8_lossy(&output.stderr).lines().filter(|line| line.starts_with('{')) {
            let section = "--progress json of any command".to_owned();
            self.shapes.entry(section).or_default().add(&serde_json::from_str(event)?, "");
        }
        Ok(last)
    }

    /// Adds a line to the table of exit codes, with the word of the error object, if the output has one.
    fn record_exit(
        &mut self,
        reason: &str,
        line: &str,
        code: Option<i32>,
        answer: Option<&Value>,
    ) -> Result<()> {
        let code = code.with_context(|| format!("chuan {line} died"))?;
        ensure!(code != 0 && code != 101, "chuan {line} ended with {code}: {answer:?}");
        let word = match answer.map(|answer| answer.get("error")) {
            None => "no output",
            Some(None) => "an answer",
            Some(Some(error)) => {
                let same = error.get("exit").and_then(Value::as_i64) == Some(code.into());
                ensure!(same, "chuan {line} ended with {code}: {error}");
                error.get("code").and_then(Value::as_str).with_context(|| format!("no word in {error}"))?
            }
        };
        self.exits.insert(format!("{code:>3} {word:<11} {reason}: {line}"));
        Ok(())
    }
}

fn describe(output: &Output) -> String {
    let [out, err] = [&output.stdout, &output.stderr].map(|bytes| String::from_utf8_lossy(bytes));
    format!("{}\n{out}{err}", output.status)
}

/// The commands whose dry run has another answer.
const PREVIEWED: [&str; 5] = ["grant", "revoke", "channel set", "promote", "rollback"];

/// The section of a command line: the command, one word or two. Some answers have other fields, and a section
/// of their own.
fn name_of(line: &str) -> String {
    let words: Vec<&str> = line.split_whitespace().collect();
    let is_group = words.first().is_some_and(|word| GROUPS.contains(word));
    let name = words.iter().take(if is_group { 2 } else { 1 }).copied().collect::<Vec<_>>().join(" ");
    if words.contains(&"--request") {
        name + " --request"
    } else if words.contains(&"--dry-run") && PREVIEWED.contains(&name.as_str()) {
        name + " --dry-run"
    } else if words == ["audit", "export"] {
        name + " to standard output"
    } else {
        name
    }
}
