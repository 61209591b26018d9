//! Commands about a library's policy, which says how its classes are to be kept.

use std::path::PathBuf;

#[cfg(feature = "clap")]
use clap::{Args, Subcommand};

use super::Keys;

/// A command on the policy of a library.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "clap", derive(Subcommand))]
pub enum PolicyVerb {
    /// Set the policy of a library from a file; a setting that the file leaves out is unset
    Set {
        /// The library and the file.
        #[cfg_attr(feature = "clap", command(flatten))]
        options: SetPolicy,
        /// The operator's key.
        #[cfg_attr(feature = "clap", command(flatten))]
        keys: Keys,
    },
    /// Print the current policy
    Show(ShowPolicy),
    /// Print errors and warnings about the current policy, or about a file
    Check(ReadPolicy),
    /// Explain in words what the current policy, or a file, means for each class
    Explain(ReadPolicy),
}

/// Options of `policy set`.
#[derive(Clone, Debug, Default, PartialEq)]
#[cfg_attr(feature = "clap", derive(Args))]
#[cfg_attr(feature = "clap", group(skip))]
pub struct SetPolicy {
    /// The library
    pub library: String,
    /// The policy file (TOML)
    pub file: PathBuf,
    /// Print what would change, and sign nothing
    #[cfg_attr(feature = "clap", arg(long))]
    pub dry_run: bool,
    /// Do it although it takes something away, and do not ask
    #[cfg_attr(feature = "clap", arg(long, short))]
    pub yes: bool,
    /// Write the act to this file instead of doing it; other operators sign it with `chuan sign`
    #[cfg_attr(feature = "clap", arg(long, value_name = "FILE", conflicts_with = "dry_run"))]
    pub request: Option<PathBuf>,
}

/// Options of `policy show`.
#[derive(Clone, Debug, Default, PartialEq)]
#[cfg_attr(feature = "clap", derive(Args))]
pub struct ShowPolicy {
    /// The library
    pub library: String,
}

/// Options of `policy check` and `policy explain`.
#[derive(Clone, Debug, Default, PartialEq)]
#[cfg_attr(feature = "clap", derive(Args))]
pub struct ReadPolicy {
    /// The library
    pub library: String,
    /// A policy file (TOML) [default: the current policy]
    pub file: Option<PathBuf>,
}
