//! Chuan: an origin publishes the folder, a mirror pulls it, and restores it if files are wanted.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use chuan_benches::{
    cache,
    process::{self, Daemon},
};
use chuan_tests::program::Home;

use crate::{
    measure::{Ends, Measured, local, transfer},
    replica::{Replica, ensure_same},
};

pub(crate) const LIBRARY: &str = "films";
/// The folders of homes in a working directory: few files.
pub(crate) const HOMES: [&str; 3] = ["origin", "mirror", "home"];

#[derive(Debug)]
pub(crate) struct Chuan {
    source: PathBuf,
    origin: Home,
    mirror: Home,
    /// The address on which the origin serves, after its first start: the mirror expects it there.
    address: Option<String>,
    /// Directory to restore to, if files are wanted.
    files: Option<PathBuf>,
}

impl Chuan {
    pub(crate) fn open(source: &Path, work: &Path, with_files: bool) -> Result<Self> {
        Ok(Self {
            source: source.to_owned(),
            origin: Home::init(work.join("origin"), "origin", "origin")?,
            mirror: Home::init(work.join("mirror"), "mirror", "mirror")?,
            address: None,
            files: with_files.then(|| work.join("files")),
        })
    }
}

impl Replica for Chuan {
    fn update(&mut self) -> Result<Measured> {
        let mut publish = self.origin.command(["-q", "publish", "--library", LIBRARY]);
        process::run(publish.arg(&self.source))?;
        cache::fill(&self.origin.path)?;
        let listen = self.address.as_deref().unwrap_or("127.0.0.1:0");
        let mut serve = self.origin.command(["serve", "--listen", listen]);
        let (server, address) = Daemon::start(&mut serve, address)?;
        if self.address.replace(address).is_none() {
            self.mirror.run(["join", &self.origin.ticket(LIBRARY)?])?;
        }
        let mut pull = self.mirror.command(["-q", "pull", LIBRARY]);
        let pulled = transfer(server, Ends::WhenTold, &mut pull, &self.mirror.path)?;
        let Some(files) = &self.files else { return Ok(pulled) };
        let mut restore = self.mirror.command(["-q", "restore", LIBRARY]);
        let parent = files.parent().context("a folder in a folder")?;
        let restored = local(restore.arg(files), parent)?;
        ensure_same(&self.source, files)?;
        Ok(pulled.then(restored))
    }
}

/// A home that holds the folder's content, and writes its files.
#[derive(Debug)]
pub(crate) struct Restored {
    source: PathBuf,
    home: Home,
    files: PathBuf,
}

impl Restored {
    pub(crate) fn open(source: &Path, work: &Path) -> Result<Self> {
        let home = Home::init(work.join("home"), "origin", "origin")?;
        Ok(Self { source: source.to_owned(), home, files: work.join("files") })
    }
}

impl Replica for Restored {
    fn update(&mut self) -> Result<Measured> {
        let mut publish = self.home.command(["-q", "publish", "--library", LIBRARY]);
        process::run(publish.arg(&self.source))?;
        cache::fill(&self.home.path)?;
        let mut restore = self.home.command(["-q", "restore", LIBRARY]);
        let restored = local(restore.arg(&self.files), &self.home.path)?;
        ensure_same(&self.source, &self.files)?;
        Ok(restored)
    }
}

/// The loopback address in a line.
fn address(line: &str) -> Option<String> {
    let start = line.find("127.0.0.1:")?;
    Some(line.get(start..)?.split_whitespace().next()?.to_owned())
}
