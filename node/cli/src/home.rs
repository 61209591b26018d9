//! `chuan home`: backups of a home, and moving it to another folder. Works on the files of the home.

use std::path::{Path, PathBuf};

use chuan::{
    home::{Home, backup, moving},
    session::now_ms,
};
use chuan_api::{exit::Result, outcome::Outcome};
use clap::Subcommand;

use super::{escape, language::translated, passphrase::TERMINAL};

/// A command on a home as a whole.
#[derive(Debug, Subcommand)]
pub(super) enum HomeVerb {
    /// Write keys, settings and peers to a new file, encrypted with a passphrase; the node may run
    ///
    /// With the file, `chuan home restore` makes a home that acts as this node again. Content and statements
    /// are not in it: they come from peers. Keep the file and its passphrase apart from this machine. The
    /// passphrase is typed, or read from CHUAN_BACKUP_PASSPHRASE.
    Backup {
        /// The file; must not exist yet
        file: PathBuf,
    },
    /// Make the home from a backup, in a folder that has none
    ///
    /// Never run the restored home beside the old one: two homes with one key contradict each other. The
    /// restored home signs nothing for a library before a peer has sent the library's statements.
    Restore {
        /// The file that `chuan home backup` wrote
        file: PathBuf,
    },
    /// Move the home to another folder, also on another file system; the node must not run
    Move {
        /// The new folder; must not exist yet
        dir: PathBuf,
    },
}

/// Runs the command on the home at `root`. Blocks.
pub(super) fn run(root: &Path, verb: &HomeVerb, quiet: bool) -> Result<Outcome> {
    Ok(match verb {
        HomeVerb::Backup { file } => {
            Outcome::HomeBackedUp(backup::write(&Home::find(root)?, file, TERMINAL, now_ms())?)
        }
        HomeVerb::Restore { file } => Outcome::HomeRestored(backup::restore(root, file, TERMINAL)?),
        HomeVerb::Move { dir } => {
            let mut note = |line: String| {
                if !quiet {
                    eprintln!("{}", escape::lines(&translated(&line)));
                }
            };
            Outcome::HomeMoved(moving::move_home(root, dir, &mut note)?)
        }
    })
}
