//! The homes in which commands are tested: each is made once, and copied for every point.

use std::{
    ffi::OsString,
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, bail, ensure};
use bytes::Bytes;
use chuan_engine::{
    ledger::{Header, LedgerRecord, Outcome, frame, plan},
    limits::LEDGER_COMPACT_BYTES,
};

use super::point::Job;
use crate::{
    media,
    program::{Home, Server, copy},
};

/// Records of one frame with which a ledger is filled.
const FILLING: u64 = 500;

/// The templates.
#[derive(Debug)]
pub(super) struct Stage {
    dir: PathBuf,
}

/// A fresh copy of everything that a command changes, in a folder of its own.
#[derive(Debug)]
pub(super) struct Case {
    pub(super) job: Job,
    /// The folder that is watched: the home, and the destination of `restore`.
    pub(super) root: PathBuf,
    pub(super) home: Home,
    pub(super) destination: PathBuf,
    /// The source of `pull`. It is a copy too: it keeps checkpoints of the puller's audit log, which those of
    /// another copy of the puller would contradict.
    source: Option<Server>,
}

impl Stage {
    /// Makes the homes in `dir`, which must be empty. A film has `film` bytes.
    pub(super) fn make(dir: &Path, film: u64, seed: u64) -> Result<Self> {
        let at = |name: &str| dir.join(name);
        let films = at("films");
        media::library(&films, 2, film, seed)?;
        let fresh = Home::init(at("home-first-publish"), "origin", "origin")?;
        let first = copied(&fresh, &at("home-publish"))?;
        publish(&first, &films)?;
        copy(&first.path, &at("home-rotate"))?;
        fs::create_dir(at("destination"))?;
        restore(&first, "films", &at("destination"))?;

        let origin = copied(&first, &at("origin"))?;
        let server = origin.serve()?;
        let mirror = Home::init(at("home-pull"), "mirror", "mirror")?;
        mirror.run(["join", &origin.ticket("films")?])?;
        mirror.run(["pull", "films"])?;

        server.stop()?;
        // The sources of the copies have other addresses.
        fs::remove_file(mirror.path.join("peers.json"))?;

        copy(&films, &at("films-1"))?;
        media::change(&films, seed)?;
        publish(&origin, &films)?;
        // With the record of the origin, this copy would not publish.
        let state = at("state-rebuild");
        let second = copied(&first, &at("home-rebuild"))?.with_env("XDG_STATE_HOME", &state);
        publish(&second, &films)?;
        copy(&second.path, &at("home-restore"))?;
        let full = copied(&second, &at("home-compact"))?;
        fill_ledger(&full)?;
        Ok(Self { dir: dir.to_owned() })
    }

    /// A copy of the home of a command, in `root`, which is replaced.
    pub(super) fn case(&self, job: Job, root: &Path) -> Result<Case> {
        if root.exists() {
            fs::remove_dir_all(root).with_context(|| format!("remove {}", root.display()))?;
        }
        fs::create_dir(root)?;
        let home = root.join("home");
        copy(&self.template(job), &home)?;
        let destination = root.join("destination");
        if job == Job::Restore {
            copy(&self.dir.join("destination"), &destination)?;
        }
        let source = if job == Job::Pull { Some(self.source(&root.with_extension("source"))?) } else { None };
        Ok(Case { job, root: root.to_owned(), home: Home::at(home)?, destination, source })
    }

    /// The home that is copied for a command.
    pub(super) fn template(&self, job: Job) -> PathBuf {
        self.dir.join(format!("home-{}", job.name()))
    }

    fn source(&self, path: &Path) -> Result<Server> {
        if path.exists() {
            fs::remove_dir_all(path)?;
        }
        copied(&Home::at(self.dir.join("origin"))?, path)?.serve()
    }

    /// The folder that release `number` was published from.
    pub(super) fn films(&self, number: usize) -> PathBuf {
        self.dir.join(if number == 1 { "films-1" } else { "films" })
    }

    /// The arguments of a case's command, without `--json`.
    pub(super) fn args(&self, case: &Case) -> Vec<OsString> {
        let words: &[&str] = match case.job {
            Job::First | Job::Publish => {
                return publish_args(&self.dir.join("films"));
            }
            Job::Restore => {
                return vec![
                    "restore".into(),
                    "films".into(),
                    "--delete".into(),
                    case.destination.clone().into(),
                ];
            }
            Job::Pull => {
                let from = case.source.as_ref().map(|source| source.address.to_string());
                return ["pull", "films", "--from", &from.unwrap_or_default()].map(OsString::from).to_vec();
            }
            Job::Rotate => &["rotate"],
            Job::Rebuild => &["rebuild"],
            Job::Compact => &["channel", "set", "films", "canary", "films@1"],
        };
        words.iter().map(OsString::from).collect()
    }
}

fn copied(home: &Home, to: &Path) -> Result<Home> {
    copy(&home.path, to)?;
    Home::at(to)
}

fn publish_args(films: &Path) -> Vec<OsString> {
    vec!["publish".into(), films.into(), "--library".into(), "films".into()]
}

fn publish(home: &Home, films: &Path) -> Result<()> {
    home.run(publish_args(films)).map(drop)
}

/// Restores a release to a folder.
pub(super) fn restore(home: &Home, release: &str, to: &Path) -> Result<()> {
    home.run(["restore".as_ref(), release.as_ref(), to.as_os_str()]).map(drop)
}

/// Fills both files of a ledger with positions of channels that newer records repeat, until the next batch
/// compacts them. A user reaches this after some thousand statements; a test does not wait for that.
fn fill_ledger(home: &Home) -> Result<()> {
    let file = |name: &str| home.path.join("ledger").join(name);
    let [a, b] = ["a", "b"].map(|name| fs::read(file(name)).map(Bytes::from));
    let (a, b) = (a?, b?);
    let Ok(header) = Header::decode(&a) else { bail!("{} has no header", file("a").display()) };
    let Outcome::Open(plan) = plan(&header.identity.node, [Some(&a), Some(&b)]) else {
        bail!("{} is no sound ledger", home.path.display());
    };
    let position = plan.state().refs().into_iter().next().context("no channel has a position")?;
    let (mut bytes, mut last, mut next) = (a.to_vec(), plan.last, plan.highest + 1);
    ensure!(bytes.len() as u64 == plan.end, "{} has bytes behind its end", file("a").display());
    while (bytes.len() as u64) < LEDGER_COMPACT_BYTES {
        let records: Vec<_> =
            (next..next + FILLING).map(|number| LedgerRecord::reference(number, &position)).collect();
        let frame = frame::encode(&plan.identity, &last, &records)?;
        (last, next) = (chuan_engine::ledger::FrameId::of(&frame), next + FILLING);
        bytes.extend_from_slice(&frame);
    }
    for name in ["a", "b"] {
        fs::write(file(name), &bytes)?;
    }
    Ok(())
}
