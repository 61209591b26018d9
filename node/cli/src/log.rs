//! The log on standard error: its levels, and their change while the program runs.

use chuan::home::config::Config;
use tracing_subscriber::{EnvFilter, Registry, layer::SubscriberExt, reload, util::SubscriberInitExt};

use super::{colours, escape::LogWriter};

// Each level has `quinn_udp=error`: that crate warns of every datagram that the system does not send, with
// the debug output of the error; a dial that fails says so itself.
/// The level of every process: failures of its own that no command reports.
const QUIET: &str = "warn,quinn_udp=error";
/// The level of a serving node: acts of peers, and changes here.
const SERVING: &str = "chuan=info,warn,quinn_udp=error";
/// The level with `--verbose` once, and twice.
const VERBOSE: [&str; 2] = ["chuan=debug,info,quinn_udp=error", "chuan=trace,debug,quinn_udp=error"];

/// The level that the options ask for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Wanted {
    pub(super) verbose: u8,
    pub(super) quiet: bool,
    pub(super) serves: bool,
}

impl Wanted {
    /// The directives, by the options alone; `None` where they leave it to the settings.
    const fn by_options(self) -> Option<&'static str> {
        match (self.quiet, self.verbose) {
            (true, _) => Some("error"),
            (false, 0) => None,
            (false, 1) => Some(VERBOSE[0]),
            (false, 2) => Some(VERBOSE[1]),
            (false, _) => Some("trace"),
        }
    }

    const fn by_default(self) -> &'static str {
        if self.serves { SERVING } else { QUIET }
    }
}

/// The log of this process.
#[derive(Clone, Debug)]
pub(super) struct Log {
    wanted: Wanted,
    handle: reload::Handle<EnvFilter, Registry>,
}

impl Log {
    /// Starts the log. `RUST_LOG` comes before all options.
    pub(super) fn start(wanted: Wanted) -> Self {
        let level = wanted.by_options().unwrap_or_else(|| wanted.by_default());
        let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(level));
        let (filter, handle) = reload::Layer::new(filter);
        let colours = colours();
        let lines =
            tracing_subscriber::fmt::layer().with_writer(move || LogWriter { colours }).with_ansi(colours);
        tracing_subscriber::registry().with(filter).with(lines).init();
        Self { wanted, handle }
    }

    /// Uses the directives in the settings, unless an option or `RUST_LOG` decides. Wrong ones are logged,
    /// and change nothing.
    pub(super) fn follow(&self, config: &Config) {
        if self.wanted.by_options().is_some() || std::env::var_os("RUST_LOG").is_some() {
            return;
        }
        let directives = config.log.as_deref().unwrap_or_else(|| self.wanted.by_default());
        let changed = EnvFilter::try_new(directives)
            .map_err(|error| error.to_string())
            .and_then(|filter| self.handle.reload(filter).map_err(|error| error.to_string()));
        if let Err(error) = changed {
            tracing::error!(error, directives, "`log` in chuan.toml is wrong, and the log stays as it is");
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{
        io::{self, Write},
        sync::{Arc, Mutex},
    };

    use super::*;

    #[derive(Clone, Default)]
    struct Lines(Arc<Mutex<Vec<u8>>>);

    impl Write for Lines {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    /// Symptom: the log of `serve` and of pulls had lines like `sendmsg error: Os { code: 101, .. }`, which
    /// tell an operator nothing. Cause: the level was that of all crates.
    #[test]
    fn no_level_shows_datagrams_that_were_not_sent() {
        for serves in [false, true] {
            for verbose in 0..3 {
                let wanted = Wanted { verbose, quiet: false, serves };
                let level = wanted.by_options().unwrap_or_else(|| wanted.by_default());
                let lines = Lines::default();
                let writer = lines.clone();
                let layer = tracing_subscriber::fmt::layer().with_writer(move || writer.clone());
                let subscriber = tracing_subscriber::registry().with(EnvFilter::new(level)).with(layer);
                tracing::subscriber::with_default(subscriber, || {
                    tracing::warn!(target: "quinn_udp", "a datagram was not sent");
                    tracing::error!(target: "quinn_udp", "the socket is lost");
                    tracing::warn!(target: "quinn", "a warning of another crate");
                    tracing::warn!(target: "chuan::serve", "a warning of our own");
                });
                let text = String::from_utf8(lines.0.lock().unwrap().clone()).unwrap();
                assert!(!text.contains("a datagram was not sent"), "{level}: {text}");
                for said in ["the socket is lost", "a warning of another crate", "a warning of our own"] {
                    assert!(text.contains(said), "{level}: {text}");
                }
            }
        }
    }
}
