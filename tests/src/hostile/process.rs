//! The cost of an attack for the attacked process, as the kernel counts it: processor time, memory, bytes
//! written to files.

use std::fs;

use anyhow::{Context, Result};

/// The kernel's counters for a process at one moment.
#[derive(Clone, Copy, Debug, Default)]
pub struct Usage {
    /// Seconds of processor time, in user and system mode. The kernel counts in hundredths.
    pub cpu_seconds: f64,
    /// Highest number of bytes of memory in use so far.
    pub peak_bytes: u64,
    /// Bytes passed to `write` and similar calls so far, without those to sockets.
    pub written_bytes: u64,
}

impl Usage {
    /// Of the process `pid`, which this process may inspect: a child of it.
    pub fn of(pid: u32) -> Result<Self> {
        let read = |name: &str| {
            let path = format!("/proc/{pid}/{name}");
            fs::read_to_string(&path).with_context(|| format!("read {path}: this test needs Linux's /proc"))
        };
        // The command, in parentheses, may hold spaces.
        let stat = read("stat")?;
        let fields: Vec<_> = stat.rsplit_once(')').context("/proc stat")?.1.split_whitespace().collect();
        let ticks =
            |at: usize| fields.get(at).context("/proc stat is short")?.parse::<u32>().context("/proc stat");
        // utime and stime are fields 14 and 15; two fields precede the rest.
        let ticks = ticks(11)? + ticks(12)?;
        let peak = number(&read("status")?, "VmHWM:").context("no VmHWM in /proc status")?;
        let written = number(&read("io")?, "wchar:").context("no wchar in /proc io")?;
        Ok(Self {
            // `USER_HZ` is 100 on every platform that this runs on.
            cpu_seconds: f64::from(ticks) / 100.0,
            peak_bytes: peak * 1024,
            written_bytes: written,
        })
    }

    /// The usage since `before`. For memory: the growth of its peak.
    pub fn since(self, before: Self) -> Self {
        Self {
            cpu_seconds: self.cpu_seconds - before.cpu_seconds,
            peak_bytes: self.peak_bytes.saturating_sub(before.peak_bytes),
            written_bytes: self.written_bytes.saturating_sub(before.written_bytes),
        }
    }
}

fn number(text: &str, name: &str) -> Option<u64> {
    let rest = text.lines().find_map(|line| line.strip_prefix(name))?;
    rest.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_is_seen_to_work_and_to_write() {
        let me = std::process::id();
        let before = Usage::of(me).unwrap();
        assert!(before.peak_bytes > 1 << 20, "{before:?}");
        let mut file = tempfile::tempfile().unwrap();
        std::io::Write::write_all(&mut file, &[7; 100_000]).unwrap();
        let used = Usage::of(me).unwrap().since(before);
        assert!((100_000..10_000_000).contains(&used.written_bytes), "{used:?}");
        let mut sum = 0u64;
        while Usage::of(me).unwrap().since(before).cpu_seconds < 0.02 {
            sum = (0..100_000u64).fold(sum, |sum, n| sum.wrapping_mul(31).wrapping_add(n));
        }
        assert_ne!(sum, 1);
    }
}
