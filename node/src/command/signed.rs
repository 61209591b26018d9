//! Commands that speak for a library. What they say is signed in the process of whoever calls, and handed to the node as
//! finished statements: so they are no part of [`Command`](super::Command), and no text over a socket can be one.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::{Role, parse_duration};

/// A command that is signed by the caller's key.
#[derive(Clone, Debug, PartialEq, Subcommand)]
pub enum Signed {
    /// Print a ticket that makes another node a member (last line of the output)
    Invite {
        /// What the ticket allows.
        #[command(flatten)]
        options: Invite,
        /// The operator's key.
        #[command(flatten)]
        keys: Keys,
    },
}

/// Where the keys are that sign.
#[derive(Clone, Debug, Default, PartialEq, Args)]
#[group(skip)]
pub struct Keys {
    /// The key file to sign with; may be repeated [default: the home's own]
    #[arg(long = "key", env = "CHUAN_KEY", value_name = "FILE")]
    pub files: Vec<PathBuf>,
}

/// Options of `invite`.
#[derive(Clone, Debug, PartialEq, Args)]
#[group(skip)]
pub struct Invite {
    /// The library; may be left out if the home has only one
    #[arg(long, short = 'l', value_name = "NAME")]
    pub library: Option<String>,
    /// How long the ticket can be used: a number and s, m, h or d
    #[arg(long, default_value = "7d", value_name = "TIME", value_parser = parse_duration)]
    pub expires: u64,
    /// The role the new member gets [default: mirror or edge, as its own configuration says]
    #[arg(long, value_enum)]
    pub role: Option<Role>,
    /// How many nodes may join with it
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub uses: u32,
    /// An address to put in the ticket, instead of the configured or found ones; may be repeated
    #[arg(long = "address", value_name = "HOST:PORT")]
    pub addresses: Vec<String>,
}

impl Default for Invite {
    fn default() -> Self {
        Self { library: None, expires: 7 * 24 * 3600, role: None, uses: 1, addresses: Vec::new() }
    }
}

impl Signed {
    /// The word on the command line.
    pub const fn name(&self) -> &'static str {
        match self {
            Signed::Invite { .. } => "invite",
        }
    }

    /// Where its keys are.
    pub fn keys(&self) -> &Keys {
        match self {
            Signed::Invite { keys, .. } => keys,
        }
    }
}
