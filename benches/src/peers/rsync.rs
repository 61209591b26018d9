//! rsync: a daemon offers the folder in plain text, a client copies it.

use std::{
    fs,
    net::{Ipv4Addr, TcpListener, TcpStream},
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::Result;
use chuan_benches::process::Daemon;

use crate::{
    measure::{Ends, Measured, local, transfer},
    replica::{Replica, ensure_same},
};

#[derive(Debug)]
pub(crate) struct Rsync {
    source: PathBuf,
    config: PathBuf,
    copy: PathBuf,
}

impl Rsync {
    pub(crate) fn open(source: &Path, work: &Path) -> Result<Self> {
        let rsync =
            Self { source: source.to_owned(), config: work.join("rsyncd.conf"), copy: work.join("copy") };
        // Root's daemon otherwise changes to the user `nobody`, which may not read everything.
        let user = if rustix::process::geteuid().is_root() { "uid = root\ngid = root\n" } else { "" };
        let path = source.display();
        fs::write(&rsync.config, format!("use chroot = no\n{user}[films]\npath = {path}\n"))?;
        fs::create_dir(&rsync.copy)?;
        Ok(rsync)
    }
}

impl Replica for Rsync {
    fn update(&mut self) -> Result<Measured> {
        let port = free_port()?;
        let mut serve = Command::new("rsync");
        serve.args(["--daemon", "--no-detach", "--address=127.0.0.1"]).arg(format!("--port={port}"));
        serve.arg("--config").arg(&self.config).arg("--log-file=/dev/null");
        let server =
            Daemon::start_until(&mut serve, || TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_ok())?;
        let mut client = Command::new("rsync");
        client.args(["--archive", "--no-whole-file"]).arg(format!("rsync://127.0.0.1:{port}/films/"));
        let measured = transfer(server, Ends::WhenTold, client.arg(&self.copy), &self.copy)?;
        ensure_same(&self.source, &self.copy)?;
        Ok(measured)
    }
}

/// A copy on the same machine, without a daemon.
#[derive(Debug)]
pub(crate) struct RsyncLocal {
    source: PathBuf,
    copy: PathBuf,
}

impl RsyncLocal {
    pub(crate) fn open(source: &Path, work: &Path) -> Result<Self> {
        let copy = work.join("copy");
        fs::create_dir(&copy)?;
        Ok(Self { source: source.to_owned(), copy })
    }
}

impl Replica for RsyncLocal {
    fn update(&mut self) -> Result<Measured> {
        let mut rsync = Command::new("rsync");
        // The slash at the end: the content of the folder, not the folder.
        rsync.arg("--archive").arg(self.source.join("")).arg(&self.copy);
        let measured = local(&mut rsync, &self.copy)?;
        ensure_same(&self.source, &self.copy)?;
        Ok(measured)
    }
}

/// A port without a listener at this moment.
fn free_port() -> Result<u16> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port())
}
