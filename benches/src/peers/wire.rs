//! The loopback interface, which carries all transfers, and the bytes on it.
//!
//! As root, the program runs itself again in a network namespace of its own, where no other process uses the
//! interface. It counts the bytes of all packets in both directions, with their headers, acknowledgements and
//! handshakes. A packet of the loopback interface may be as large as 64 KiB, so a real link carries some more
//! headers.

use std::{
    env, fs,
    os::unix::process::ExitStatusExt,
    process::{Command, ExitCode, Stdio},
};

use anyhow::{Context, Result};

/// Set in the program that runs in a namespace of its own.
const MARK: &str = "CHUAN_PEERS_ISOLATED";

/// Runs the program in a namespace of its own and returns its exit code; `None` if it already runs in one, or
/// if none can be made.
pub(crate) fn isolate() -> Result<Option<ExitCode>> {
    if is_isolated() {
        let up = Command::new("ip").args(["link", "set", "lo", "up"]).status().context("run ip")?;
        anyhow::ensure!(up.success(), "could not bring up the loopback interface of the namespace");
        return Ok(None);
    }
    let can = |program: &str, args: &[&str]| {
        let mut command = Command::new(program);
        command.args(args).stdout(Stdio::null()).stderr(Stdio::null());
        command.status().is_ok_and(|status| status.success())
    };
    if !can("unshare", &["--net", "true"]) || !can("ip", &["link"]) {
        eprintln!(
            "no network namespace of its own (not root?): all traffic of the loopback interface is counted"
        );
        return Ok(None);
    }
    let this = env::current_exe()?;
    let status = Command::new("unshare").arg("--net").arg(this).env(MARK, "1").status()?;
    let code = status.code().or(status.signal().map(|signal| 128 + signal)).unwrap_or(1);
    Ok(Some(ExitCode::from(u8::try_from(code)?)))
}

/// Whether this program has the loopback interface for itself.
pub(crate) fn is_isolated() -> bool {
    env::var_os(MARK).is_some()
}

/// Bytes that the loopback interface has carried: it receives all that it sends, so one counter covers both
/// directions.
pub(crate) fn bytes() -> Result<u64> {
    let text = fs::read_to_string("/proc/self/net/dev").context("read the interfaces' counters")?;
    received(&text).context("no loopback interface in /proc/self/net/dev")
}

fn received(text: &str) -> Option<u64> {
    text.lines().find_map(|line| line.trim().strip_prefix("lo:")?.split_whitespace().next()?.parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_loopback_line_is_found_among_others() {
        let text = "Inter-|   Receive\n face |bytes    packets\n  eth0: 7 1 0\n    lo: 1234567   99 0 0\n";
        assert_eq!(received(text), Some(1_234_567));
        assert_eq!(received("eth0: 5 1\nblo: 3 1\n"), None);
        bytes().unwrap();
    }
}
