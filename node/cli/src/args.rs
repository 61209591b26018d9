//! The grammar of the command line: global options, and the commands that are not sent to an open home. All
//! other commands are in [`Command`].

use std::{ffi::OsString, path::PathBuf};

use chuan::engine::id::NodeId;
use chuan_api::command::{Carry, ChannelVerb, Command, PolicyVerb, Role, Signed};
use clap::{
    CommandFactory, FromArgMatches, Parser, Subcommand, ValueEnum, error::ErrorKind, parser::ValueSource,
};

use super::{
    help::{self, GLOBAL},
    home::HomeVerb,
    key::KeyVerb,
    language::{self, Language},
    ledger::LedgerVerb,
    library,
    root::RootVerb,
    serve,
    sign::Sign,
};

/// Content-addressed replication for the mirror nodes of a film library
#[derive(Debug, Parser)]
#[command(name = "chuan", version, max_term_width = 100)]
pub(super) struct Cli {
    /// The node's home [default: ~/.chuan]
    #[arg(long, env = "CHUAN_HOME", global = true, value_name = "DIR", help_heading = GLOBAL)]
    pub(super) home: Option<PathBuf>,
    /// Whether `home` is from the command line, not from the environment.
    #[arg(skip)]
    pub(super) is_home_typed: bool,
    /// Print one JSON object instead of text, also for errors
    #[arg(long, global = true, help_heading = GLOBAL)]
    pub(super) json: bool,
    /// How to show progress on standard error
    #[arg(long, global = true, value_enum, default_value_t = ProgressMode::Auto, value_name = "HOW", help_heading = GLOBAL)]
    pub(super) progress: ProgressMode,
    /// Log more: steps, and with -vv details; `serve` logs what peers do without it
    #[arg(long, short, global = true, action = clap::ArgAction::Count, help_heading = GLOBAL)]
    pub(super) verbose: u8,
    /// No progress, no notes, no log but errors, and no answer of a command that succeeds in changing
    /// something
    #[arg(long, short, global = true, help_heading = GLOBAL)]
    pub(super) quiet: bool,
    /// The command.
    #[command(subcommand)]
    pub(super) verb: Verb,
}

/// The grammar with all its help, in the language of the process.
pub(super) fn command() -> clap::Command {
    command_in(language::chosen())
}

fn command_in(language: Language) -> clap::Command {
    help::complete(library::add_other_form(Cli::command()), language)
}

/// Reads the command line of this process.
pub(super) fn parse() -> Result<Cli, clap::Error> {
    parse_line(std::env::args_os().collect())
}

/// Reads a command line: the name of the program first.
pub(super) fn parse_line(line: Vec<OsString>) -> Result<Cli, clap::Error> {
    // Chinese texts are put into the grammar only if its help is shown.
    match parse_by(command_in(Language::English), line.clone()) {
        Err(error) if is_help(&error) && language::is_chinese() => parse_by(command(), line),
        result => result,
    }
}

fn is_help(error: &clap::Error) -> bool {
    matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand)
}

fn parse_by(mut command: clap::Command, line: Vec<OsString>) -> Result<Cli, clap::Error> {
    let line = library::rewritten(&command, line);
    let matches = command.try_get_matches_from_mut(line).map_err(help::with_better_hints)?;
    let cli = Cli::from_arg_matches(&matches).map_err(|error| error.format(&mut command))?;
    let is_typed = matches.value_source("home") == Some(ValueSource::CommandLine);
    Ok(Cli { is_home_typed: is_typed, ..cli })
}

/// How to show progress.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum ProgressMode {
    /// A bar on a terminal, else a line every few seconds
    Auto,
    /// A bar
    Bar,
    /// A line every few seconds
    Plain,
    /// One JSON object per line
    Json,
    /// Nothing
    None,
}

/// A command.
#[derive(Debug, Subcommand)]
pub(super) enum Verb {
    /// Make a home: store, node key and chuan.toml
    Init {
        /// The node's name [default: from its id]
        #[arg(long)]
        name: Option<String>,
        /// The node's role
        #[arg(long, value_enum, default_value_t = Role::Mirror)]
        role: Role,
        /// Make another key for the node with this id, in a home whose node key is lost
        #[arg(long, value_name = "NODE", conflicts_with_all = ["name", "role"])]
        renew: Option<NodeId>,
    },
    /// Run the node: answer peers, and fetch new releases of followed libraries, until stopped
    Serve(serve::Options),
    #[command(flatten)]
    Run(Command),
    #[command(flatten)]
    Signed(Signed),
    /// Set and list the channels of a library: `live`, `canary` or any name
    #[command(subcommand)]
    Channel(ChannelVerb),
    /// Set and read the policy of a library: schedules, copies, retention and freshness of its classes
    #[command(subcommand)]
    Policy(PolicyVerb),
    /// Sign an act that needs several operators, written with --request; apply it with --apply
    Sign(Sign),
    /// Carry the statements of a library to a machine without a network, and back
    #[command(subcommand)]
    Statements(Carry),
    /// Make secret keys, show their public halves, change their passphrases; needs no home
    #[command(subcommand)]
    Key(KeyVerb),
    /// Propose, show and sign the root of a library, which gives keys their roles; needs no home
    #[command(subcommand)]
    Root(RootVerb),
    /// Back up this home, make it again from a backup, move it to another folder
    #[command(subcommand)]
    Home(HomeVerb),
    /// Show the two files of this home's ledger, and choose one if they contradict each other
    #[command(subcommand)]
    Ledger(LedgerVerb),
    /// Print a completion script for a shell
    Completions {
        /// The shell
        shell: clap_complete::Shell,
    },
    /// Write the manual pages of all commands to a folder: `man DIR/chuan-pull.1` shows one
    Man {
        /// The folder; created if it does not exist
        dir: PathBuf,
    },
}

#[cfg(test)]
mod tests {
    use chuan_api::command::Invite;

    use super::*;

    fn command(line: &str) -> Command {
        match parse_line(line.split(' ').map(Into::into).collect())
            .unwrap_or_else(|error| panic!("{line}: {error}"))
            .verb
        {
            Verb::Run(command) => command,
            verb => panic!("{verb:?}"),
        }
    }

    fn invite(line: &str) -> Invite {
        match parse_line(line.split(' ').map(Into::into).collect())
            .unwrap_or_else(|error| panic!("{line}: {error}"))
            .verb
        {
            Verb::Signed(Signed::Invite { options, .. }) => options,
            verb => panic!("{verb:?}"),
        }
    }

    #[test]
    fn the_grammar_is_sound() {
        super::command().debug_assert();
    }

    /// The command line is an interface: these lines must always parse.
    #[test]
    fn every_documented_line_parses() {
        for line in [
            "chuan --home H init --name a --role origin",
            "chuan --home H id",
            "chuan --home H publish D --library films --message M",
            "chuan --home H publish F --library films --check --skip-unreadable",
            "chuan --home H serve --listen 127.0.0.1:0",
            "chuan --home H invite --library films",
            "chuan --home H invite",
            "chuan --home H join chuan1abc",
            "chuan --home H pull",
            "chuan --home H pull films --from 127.0.0.1:4040 --json --progress json",
            "chuan --home H restore films D",
            "chuan --home H restore films@3 D --path *.mp4",
            "chuan --home H releases films",
            "chuan --home H ls films@live",
            "chuan --home H diff films@1 films@2",
            "chuan --home H cat films p --range 0-99",
            "chuan --home H cat films p --range -99",
            "chuan --home H verify --deep",
            "chuan --home H rebuild",
            "chuan --home H status --json",
            "chuan --home H ledger show --json",
            "chuan --home H ledger keep a --yes",
            "chuan --home H ledger keep b --dry-run",
            "chuan --home H home backup F --json",
            "chuan --home H home restore F",
            "chuan --home H home move D",
            "chuan completions bash",
            "chuan status --home H -v -q",
        ] {
            parse_line(line.split(' ').map(Into::into).collect())
                .unwrap_or_else(|error| panic!("{line}: {error}"));
        }
    }

    #[test]
    fn options_reach_the_command() {
        let Command::Pull(pull) = command("chuan pull films --from a") else { panic!() };
        assert_eq!((pull.library.as_deref(), pull.from.as_deref()), (Some("films"), Some("a")));
        let invite = invite("chuan invite --expires 2h --uses 3 --role edge");
        assert_eq!((invite.expires, invite.uses, invite.role), (7200, 3, Some(Role::Edge)));
        assert_eq!(self::invite("chuan invite"), Invite::default());
    }
}
