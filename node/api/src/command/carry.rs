//! Commands that carry statements between a home and files.

use std::path::PathBuf;

#[cfg(feature = "clap")]
use clap::Subcommand;

/// A command that carries the statements of a library.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "clap", derive(Subcommand))]
pub enum Carry {
    /// Write all statements of a library that are known here to a file
    Export {
        /// The library
        library: String,
        /// The file to write; replaced if it exists
        file: PathBuf,
    },
    /// Accept the statements of such a file, as if a peer had sent them
    Import {
        /// The file
        file: PathBuf,
    },
}

/// A command that carries the roots of a library.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "clap", derive(Subcommand))]
pub enum CarryRoots {
    /// Write the roots of a library that are known here to a file of roots, to propose the next root with it
    Export {
        /// The library
        library: String,
        /// The file of roots; must not exist yet
        file: PathBuf,
    },
    /// Apply the complete roots of a file to this home, which passes them on to peers
    Apply {
        /// The file of roots
        file: PathBuf,
        /// Do not ask, even if the new root invalidates revocations
        #[cfg_attr(feature = "clap", arg(long, short))]
        yes: bool,
    },
}
