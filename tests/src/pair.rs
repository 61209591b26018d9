//! An origin and a mirror in homes of their own: the start of nearly every integration test.

use std::{
    ffi::OsStr,
    path::{Path, PathBuf},
};

use anyhow::{Result, ensure};
use serde_json::Value;
use tempfile::TempDir;

use crate::{
    media,
    program::{Home, Server},
};

/// Two homes, and the folder of films that the origin publishes as `films`. All of it is deleted on drop.
#[derive(Debug)]
pub struct Pair {
    /// Publishes.
    pub origin: Home,
    /// Pulls.
    pub mirror: Home,
    /// The origin's films; empty at first.
    pub library: PathBuf,
    dir: TempDir,
}

impl Pair {
    /// Makes both homes.
    pub fn new() -> Result<Self> {
        let dir = tempfile::Builder::new().prefix("chuan-it-").tempdir()?;
        let library = dir.path().join("library");
        std::fs::create_dir(&library)?;
        Ok(Self {
            origin: Home::init(dir.path().join("origin"), "origin", "origin")?,
            mirror: Home::init(dir.path().join("mirror"), "mirror", "mirror")?,
            library,
            dir,
        })
    }

    /// A directory for other files, deleted with the pair.
    pub fn scratch(&self) -> &Path {
        self.dir.path()
    }

    /// Publishes the library folder on the origin.
    pub fn publish(&self) -> Result<Value> {
        self.origin.json([
            "publish".as_ref(),
            self.library.as_os_str(),
            "--library".as_ref(),
            "films".as_ref(),
        ])
    }

    /// Serves the origin and makes the mirror a member.
    pub fn connect(&self) -> Result<Server> {
        let server = self.origin.serve()?;
        self.mirror.run(["join", &self.origin.ticket("films")?])?;
        Ok(server)
    }

    /// Like [`Pair::connect`], with these options for the invitation.
    pub fn connect_with(&self, options: &[&OsStr]) -> Result<Server> {
        let server = self.origin.serve()?;
        let invite = ["invite", "--library", "films"].map(OsStr::new);
        let text = self.origin.run(invite.iter().chain(options))?;
        self.mirror.run(["join", text.lines().last().unwrap_or_default()])?;
        Ok(server)
    }

    /// Pulls on the mirror.
    pub fn pull(&self) -> Result<Value> {
        self.mirror.json(["pull", "films"])
    }

    /// Restores the mirror's current release and compares it with the library, byte for byte.
    pub fn check_restored(&self) -> Result<()> {
        let target = self.scratch().join("restored");
        self.mirror.run(["restore".as_ref(), "films".as_ref(), target.as_os_str()])?;
        let difference = media::difference(&self.library, &target)?;
        ensure!(difference.is_none(), "{difference:?}");
        Ok(())
    }

    /// Checks what a mirror must still have after a failed command: its complete release.
    pub fn check_mirror_kept(&self, release: &str) -> Result<()> {
        let listed = self.mirror.run(["releases", "films", "--json"])?;
        ensure!(listed.contains(release), "release {release} is gone: {listed}");
        self.mirror.run(["verify", "--deep"])?;
        Ok(())
    }
}

/// A string of a JSON object; empty if it is absent.
pub fn text<'v>(object: &'v Value, name: &str) -> &'v str {
    object.get(name).and_then(Value::as_str).unwrap_or_default()
}
