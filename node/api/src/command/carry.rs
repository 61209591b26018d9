//! Commands that carry statements between a home and files.

use std::path::PathBuf;

#[cfg(feature = "clap")]
use clap::Subcommand;

/// What to do with the statements of a library.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "clap", derive(Subcommand))]
pub enum Carry {
    /// Write all statements of a library that are known here to a file
    Export {
        /// The library
        library: String,
        /// The file; one that is there is replaced
        file: PathBuf,
    },
    /// Take in the statements of such a file, as if a peer had brought them
    Import {
        /// The file
        file: PathBuf,
    },
}

/// What to do with the roots of a library.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "clap", derive(Subcommand))]
pub enum CarryRoots {
    /// Write the roots of a library that are known here to a file of roots, to propose the next with it
    Export {
        /// The library
        library: String,
        /// The file of roots; must not be there yet
        file: PathBuf,
    },
    /// Put the complete roots of a file to use in this home, from where peers hear of them
    Apply {
        /// The file of roots
        file: PathBuf,
        /// Do not ask, also where revocations fall with it
        #[cfg_attr(feature = "clap", arg(long, short))]
        yes: bool,
    },
}
