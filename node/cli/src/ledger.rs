//! The options of `chuan ledger`. The work is done by [`chuan::ledger`].

use chuan::engine::ledger::Side;
use clap::{Subcommand, ValueEnum};

/// A command on the ledger.
#[derive(Debug, Subcommand)]
pub(super) enum LedgerVerb {
    /// Show both files: their node, records and damage; changes nothing, and works while the home is open
    ///
    /// Exit code 0: both are sound. 7: something is damaged, lost or contradictory.
    Show,
    /// Make both files anew from one of them, if the home does not open because they differ or are of another
    /// node
    ///
    /// The old files are kept in the same folder under other names. Exit code 2: neither --yes nor --dry-run
    /// is given. 3: the file is missing. 6: another process has the home open. 7: no record in the file can
    /// be read. 9: no space left.
    Keep {
        /// The file to keep
        #[arg(value_enum)]
        side: SideArg,
        /// Print what would be done
        #[arg(long)]
        dry_run: bool,
        /// Make the files; without --yes or --dry-run the command refuses
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
