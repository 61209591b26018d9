//! ffsync: the receiver listens, the sender pushes the folder; each knows the other's fingerprint.
//!
//! It leaves an index beside every file that it synced, at both ends, and uses it in its next run. Only the
//! next update of the same copy may use that index; other tools, and new copies, must not find it.

use std::{
    fs, io,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result, ensure};
use chuan_benches::process::Daemon;
use chuan_tests::media;

use crate::{
    measure::{Ends, Measured, transfer},
    replica::{Replica, ensure_same},
};

const INDEX: &str = ".ffsync-index";

#[derive(Debug)]
pub(crate) struct Ffsync {
    source: PathBuf,
    /// Links to the source's files, with the indexes of the sending side.
    sent: PathBuf,
    copy: PathBuf,
    /// Directory of its keys.
    home: PathBuf,
    fingerprint: String,
    over_quic: bool,
}

impl Ffsync {
    pub(crate) fn open(source: &Path, work: &Path, over_quic: bool) -> Result<Self> {
        let [sent, copy, home] = ["sent", "copy", "home"].map(|name| work.join(name));
        for dir in [&sent, &copy, &home] {
            fs::create_dir(dir)?;
        }
        let output = Command::new("ffsync").arg("fingerprints").env("HOME", &home).output()?;
        let text = String::from_utf8(output.stdout)?;
        let fingerprint = text.lines().find_map(|line| line.strip_prefix("this peer: "));
        let fingerprint = fingerprint.context("`ffsync fingerprints` names none")?.to_owned();
        Ok(Self { source: source.to_owned(), sent, copy, home, fingerprint, over_quic })
    }

    fn command(&self, verb: &str, dir: &Path, address: &str) -> Command {
        let mut command = Command::new("ffsync");
        command.arg(verb).arg(dir).arg(address).args(["--trust", &self.fingerprint]).env("HOME", &self.home);
        if self.over_quic {
            command.arg("--quic");
        }
        command
    }
}

impl Replica for Ffsync {
    fn update(&mut self) -> Result<Measured> {
        link_all(&self.source, &self.sent)?;
        let mut receive = self.command("receive", &self.copy, "0");
        let (receiver, port) = Daemon::start(&mut receive, port)?;
        let mut send = self.command("send", &self.sent, &format!("127.0.0.1:{port}"));
        let measured = transfer(receiver, Ends::ByItself, &mut send, &self.copy)?;
        // The indexes are not part of the copy: source and copy are compared without them.
        let copied = self.copy.with_file_name("compared");
        link_all(&self.copy, &copied)?;
        ensure_same(&self.source, &copied)?;
        fs::remove_dir_all(copied)?;
        Ok(measured)
    }
}

/// `listening on 0.0.0.0:40123 (tree mode) ...`
fn port(line: &str) -> Option<u16> {
    let address = line.strip_prefix("listening on 0.0.0.0:")?;
    address.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok()
}

/// Links every file except the indexes; replaces an existing link.
fn link_all(from: &Path, to: &Path) -> Result<()> {
    for path in media::listing(from)?.iter().filter(|path| !path.ends_with(INDEX)) {
        let (source, link) = (from.join(path), to.join(path));
        fs::create_dir_all(link.parent().context("a file in a folder")?)?;
        match fs::remove_file(&link) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error.into()),
            _ => fs::hard_link(source, link)?,
        }
    }
    ensure!(to.is_dir(), "an empty folder to sync");
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_port_is_in_the_line_that_says_so() {
        assert_eq!(port("listening on 0.0.0.0:40123 (tree mode, QUIC) ..."), Some(40123));
        assert_eq!(port("identity created: AA:BB"), None);
    }
}
