//! Commands about channels and contradictory statements.

use std::path::PathBuf;

#[cfg(feature = "clap")]
use clap::{Args, Subcommand};
use serde::{Deserialize, Serialize};

use super::Keys;
use crate::spec::LIVE;

/// A command on the channels of a library.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "clap", derive(Subcommand))]
pub enum ChannelVerb {
    /// Point a channel to a release, and set the publisher that moves it from there; a new name makes a
    /// channel
    Set {
        /// The channel and its release.
        #[cfg_attr(feature = "clap", command(flatten))]
        options: SetChannel,
        /// The operator's key, or the active publisher's.
        #[cfg_attr(feature = "clap", command(flatten))]
        keys: Keys,
    },
    /// List the channels of a library, with their releases by the newest statements and in this home
    List(Channels),
}

/// Options of `channel set`. Of a channel that exists, settings that are not given stay as they are.
#[derive(Clone, Debug, Default, PartialEq)]
#[cfg_attr(feature = "clap", derive(Args))]
#[cfg_attr(feature = "clap", group(skip))]
pub struct SetChannel {
    /// The library
    pub library: String,
    /// The channel: live, canary or any name
    pub channel: String,
    /// The release: films@12, films@abcdef, films@canary, or only the part after the @
    #[cfg_attr(feature = "clap", arg(value_name = "RELEASE"))]
    pub release: String,
    /// The publisher that moves the channel from there: its key, or the beginning of its key
    #[cfg_attr(feature = "clap", arg(long, value_name = "KEY"))]
    pub publisher: Option<String>,
    /// New releases of that publisher move the channel at once
    #[cfg_attr(feature = "clap", arg(long, conflicts_with = "no_follow"))]
    pub follow: bool,
    /// New releases do not move the channel
    #[cfg_attr(feature = "clap", arg(long))]
    pub no_follow: bool,
    /// Print what the act would change and take away; sign nothing
    #[cfg_attr(feature = "clap", arg(long, short = 'n', conflicts_with = "request"))]
    pub dry_run: bool,
    /// Do it although it takes something away, and do not ask
    #[cfg_attr(feature = "clap", arg(long, short))]
    pub yes: bool,
    /// Write the act to this file instead of doing it; other operators sign it with `chuan sign`
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
    /// Print what the act would change and take away; sign nothing
    #[cfg_attr(feature = "clap", arg(long, short = 'n', conflicts_with = "request"))]
    pub dry_run: bool,
    /// Do it although it takes something away, and do not ask
    #[cfg_attr(feature = "clap", arg(long, short))]
    pub yes: bool,
    /// Write the act to this file instead of doing it; other operators sign it with `chuan sign`
    #[cfg_attr(feature = "clap", arg(long, value_name = "FILE"))]
    pub request: Option<PathBuf>,
}

/// Options of `rollback`.
#[derive(Clone, Debug, Default, PartialEq)]
#[cfg_attr(feature = "clap", derive(Args))]
#[cfg_attr(feature = "clap", group(skip))]
pub struct Rollback {
    /// The library
    pub library: String,
    /// The channel
    #[cfg_attr(feature = "clap", arg(long, value_name = "NAME", default_value = LIVE))]
    pub channel: String,
    /// The release to go back to, one to which the channel has pointed [default: the previous one]
    #[cfg_attr(feature = "clap", arg(long, value_name = "RELEASE"))]
    pub to: Option<String>,
    /// Print what the act would change and take away; sign nothing
    #[cfg_attr(feature = "clap", arg(long, short = 'n', conflicts_with = "request"))]
    pub dry_run: bool,
    /// Do it although it takes something away, and do not ask
    #[cfg_attr(feature = "clap", arg(long, short))]
    pub yes: bool,
    /// Write the act to this file instead of doing it; other operators sign it with `chuan sign`
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
