//! Commands about channels, and about what was said twice.

use std::path::PathBuf;

#[cfg(feature = "clap")]
use clap::{Args, Subcommand};
use serde::{Deserialize, Serialize};

use super::Keys;
use crate::spec::LIVE;

/// What to do with the channels of a library.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "clap", derive(Subcommand))]
pub enum ChannelVerb {
    /// Say where a channel stands and which publisher moves it on; a name that is new makes a channel
    #[cfg_attr(
        feature = "clap",
        command(after_help = "Examples:\n  \
        chuan channel set films canary films@12            canary stands on release 12\n  \
        chuan channel set films live canary                live goes to where canary stands\n  \
        chuan channel set films live 12 --no-follow        and new releases leave it there\n  \
        chuan channel set films live 12 --publisher 3f2a   another publisher takes over")
    )]
    Set {
        /// Which, and where to.
        #[cfg_attr(feature = "clap", command(flatten))]
        options: SetChannel,
        /// The operator's key, or the active publisher's.
        #[cfg_attr(feature = "clap", command(flatten))]
        keys: Keys,
    },
    /// List where the channels of a library stand, and where they stand here
    List(Channels),
}

/// Options of `channel set`. What is not said of a channel that exists stays as it is.
#[derive(Clone, Debug, Default, PartialEq)]
#[cfg_attr(feature = "clap", derive(Args))]
#[cfg_attr(feature = "clap", group(skip))]
pub struct SetChannel {
    /// The library
    pub library: String,
    /// The channel: live, canary or any name
    pub channel: String,
    /// The release: films@12, films@abcdef, films@canary, or only what stands behind the @
    #[cfg_attr(feature = "clap", arg(value_name = "RELEASE"))]
    pub release: String,
    /// The publisher that moves the channel from there: its key, or the beginning of it
    #[cfg_attr(feature = "clap", arg(long, value_name = "KEY"))]
    pub publisher: Option<String>,
    /// That publisher's new releases are current at once
    #[cfg_attr(feature = "clap", arg(long, conflicts_with = "no_follow"))]
    pub follow: bool,
    /// New releases leave the channel where it is
    #[cfg_attr(feature = "clap", arg(long))]
    pub no_follow: bool,
    /// Write the act to this file, for other operators to sign with `chuan sign`, instead of doing it
    #[cfg_attr(feature = "clap", arg(long, value_name = "FILE"))]
    pub request: Option<PathBuf>,
}

/// Options of `channel list`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "clap", derive(Args))]
pub struct Channels {
    /// The library
    pub library: String,
}

/// Options of `promote`.
#[derive(Clone, Debug, Default, PartialEq)]
#[cfg_attr(feature = "clap", derive(Args))]
#[cfg_attr(feature = "clap", group(skip))]
pub struct Promote {
    /// The library
    pub library: String,
    /// The channel to take the release from
    pub from: String,
    /// The channel to move to it
    pub to: String,
    /// Write the act to this file, for other operators to sign with `chuan sign`, instead of doing it
    #[cfg_attr(feature = "clap", arg(long, value_name = "FILE"))]
    pub request: Option<PathBuf>,
}

/// Options of `rollback`.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "clap", derive(Args))]
#[cfg_attr(feature = "clap", group(skip))]
pub struct Rollback {
    /// The library
    pub library: String,
    /// The channel
    #[cfg_attr(feature = "clap", arg(long, value_name = "NAME", default_value = LIVE))]
    pub channel: String,
    /// The release to go back to: one on which the channel has stood [default: the one before]
    #[cfg_attr(feature = "clap", arg(long, value_name = "RELEASE"))]
    pub to: Option<String>,
    /// Write the act to this file, for other operators to sign with `chuan sign`, instead of doing it
    #[cfg_attr(feature = "clap", arg(long, value_name = "FILE"))]
    pub request: Option<PathBuf>,
}

/// Options of `history`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "clap", derive(Args))]
pub struct History {
    /// The library
    pub library: String,
    /// The channel
    #[cfg_attr(feature = "clap", arg(long, value_name = "NAME", default_value = LIVE))]
    #[serde(default = "live")]
    pub channel: String,
}

/// Options of `fresh`.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "clap", derive(Args))]
#[cfg_attr(feature = "clap", group(skip))]
pub struct Fresh {
    /// The library
    pub library: String,
    /// The channel
    #[cfg_attr(feature = "clap", arg(long, value_name = "NAME", default_value = LIVE))]
    pub channel: String,
}

/// Options of `conflicts`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "clap", derive(Args))]
pub struct Conflicts {
    /// The library [default: all]
    #[serde(default)]
    pub library: Option<String>,
}

pub(super) fn live() -> String {
    LIVE.to_owned()
}
