//! The signals that end a command, and the one at which a serving node reads its settings again.

use chuan_api::exit::{Failure, Result};
use tokio::signal::unix::{Signal, SignalKind, signal};

/// Ctrl-C and SIGTERM; with SIGHUP, which a closed terminal sends, where it is to end a command in order.
pub(super) struct Signals {
    interrupt: Signal,
    terminate: Signal,
    hang_up: Option<Signal>,
}

impl Signals {
    /// The signals that end a command. SIGHUP is not among them where the process was started to ignore it,
    /// as `nohup` does.
    pub(super) fn that_end() -> Result<Self> {
        let hang_up = if ignores_hang_up() { None } else { Some(hang_up()?) };
        Ok(Self { hang_up, ..Self::that_end_a_server()? })
    }

    /// The signals that end a serving node.
    pub(super) fn that_end_a_server() -> Result<Self> {
        let (interrupt, terminate) = (catch(SignalKind::interrupt())?, catch(SignalKind::terminate())?);
        Ok(Self { interrupt, terminate, hang_up: None })
    }

    /// Returns at the next signal. Cancel-safe.
    pub(super) async fn next(&mut self) {
        let Self { interrupt, terminate, hang_up } = self;
        let hang_up = async {
            match hang_up {
                Some(signal) => drop(signal.recv().await),
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
            () = hang_up => {}
        }
    }
}

/// SIGHUP.
pub(super) fn hang_up() -> Result<Signal> {
    catch(SignalKind::hangup())
}

fn catch(kind: SignalKind) -> Result<Signal> {
    signal(kind).map_err(|error| Failure::io("catch signals", error))
}

/// Whether the process ignores SIGHUP, as the kernel tells it. Must be asked before SIGHUP is caught.
fn ignores_hang_up() -> bool {
    let Ok(status) = std::fs::read_to_string("/proc/self/status") else { return false };
    let ignored = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let mask = ignored.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok());
    mask.is_some_and(|mask| mask & 1 == 1)
}
