//! Commands about a library's policy: how its classes are to be kept.

use std::path::PathBuf;

#[cfg(feature = "clap")]
use clap::{Args, Subcommand};

use super::Keys;

/// What to do with the policy of a library.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "clap", derive(Subcommand))]
pub enum PolicyVerb {
    /// Say how classes are to be kept, by a policy file; what the file does not say is not said any more
    #[cfg_attr(
        feature = "clap",
        command(after_help = "Examples:\n  \
        chuan policy set films policy.toml --dry-run       what would change\n  \
        chuan policy set films policy.toml                 sign it and put it to use\n  \
        chuan policy set films policy.toml --request r     let other operators sign it, too\n\n\
        The file is that of `publish --policy`, which takes names, paths and fallback from it.")
    )]
    Set {
        /// Which, and by which file.
        #[cfg_attr(feature = "clap", command(flatten))]
        options: SetPolicy,
        /// The operator's key.
        #[cfg_attr(feature = "clap", command(flatten))]
        keys: Keys,
    },
    /// Print the policy that stands
    Show(ShowPolicy),
    /// Say what is wrong with the policy that stands, or with a file
    Check(ReadPolicy),
    /// Say in words what the policy that stands, or a file, means for each class
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
    /// Say what would change, and sign nothing
    #[cfg_attr(feature = "clap", arg(long))]
    pub dry_run: bool,
    /// Write the act to this file, for other operators to sign with `chuan sign`, instead of doing it
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
    /// A policy file (TOML) [default: the policy that stands]
    pub file: Option<PathBuf>,
}
