//! sendme: iroh-blobs over QUIC, without relays and address lookups, which an isolated machine does not have.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result};
use chuan_benches::process::Daemon;

use crate::{
    measure::{Ends, Measured, transfer},
    replica::{Replica, ensure_same},
};

#[derive(Debug)]
pub(crate) struct Sendme {
    source: PathBuf,
    /// Both ends keep their working files in their start directory.
    sender: PathBuf,
    receiver: PathBuf,
}

impl Sendme {
    pub(crate) fn open(source: &Path, work: &Path) -> Result<Self> {
        let (sender, receiver) = (work.join("sender"), work.join("receiver"));
        fs::create_dir(&sender)?;
        fs::create_dir(&receiver)?;
        Ok(Self { source: source.to_owned(), sender, receiver })
    }
}

impl Replica for Sendme {
    fn update(&mut self) -> Result<Measured> {
        let mut send = Command::new("sendme");
        send.args(["send", "--relay", "disabled", "--ticket-type", "addresses", "--no-progress"]);
        send.arg(&self.source).current_dir(&self.sender);
        let (sender, ticket) =
            Daemon::start(&mut send, |line| line.strip_prefix("sendme receive ").map(str::to_owned))?;
        let mut receive = Command::new("sendme");
        receive.args(["receive", "--relay", "disabled", "--no-progress", ticket.trim()]);
        receive.current_dir(&self.receiver);
        let measured = transfer(sender, Ends::WhenTold, &mut receive, &self.receiver)?;
        let name = self.source.file_name().context("a folder with a name")?;
        ensure_same(&self.source, &self.receiver.join(name))?;
        Ok(measured)
    }
}
