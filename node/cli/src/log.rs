//! The log on standard error: its levels, and their change while the program runs.

use chuan::home::config::Config;
use tracing_subscriber::{EnvFilter, Registry, layer::SubscriberExt, reload, util::SubscriberInitExt};

use super::{colours, escape::LogWriter};

/// The level of every process: failures of its own that no command reports.
const QUIET: &str = "warn";
/// The level of a serving node: acts of peers, and changes here.
const SERVING: &str = "chuan=info,warn";

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
            (false, 1) => Some("chuan=debug,info"),
            (false, 2) => Some("chuan=trace,debug"),
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
