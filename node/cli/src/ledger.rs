//! The options of `chuan ledger`. The work is done by [`chuan::ledger`].

use chuan::engine::ledger::Side;
use clap::{Subcommand, ValueEnum};

/// What to do with the ledger.
#[derive(Debug, Subcommand)]
pub(super) enum LedgerVerb {
    /// Show both files: whose they are, what they hold, what is damaged; changes nothing, and works while the
    /// home is open
    ///
    /// Ends with 0 where both are sound, with 7 where something is damaged, lost or contradictory.
    Show,
    /// Make both files anew from one of them, where the home is refused because they differ or are another
    /// node's
    ///
    /// The files that were there are set aside beside it. Ends with 2 without --yes or --dry-run, 3 where the
    /// file is missing, 6 while another process has the home open, 7 where nothing in the file can be read, 9
    /// without room.
    Keep {
        /// Which one is kept
        #[arg(value_enum)]
        side: SideArg,
        /// Say what would be done
        #[arg(long)]
        dry_run: bool,
        /// Do it
        #[arg(long)]
        yes: bool,
    },
}

/// A file of the ledger.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(super) enum SideArg {
    /// ledger/a
    A,
    /// ledger/b
    B,
}

impl From<SideArg> for Side {
    fn from(side: SideArg) -> Self {
        match side {
            SideArg::A => Side::A,
            SideArg::B => Side::B,
        }
    }
}
