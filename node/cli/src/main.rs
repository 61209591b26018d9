//! The `chuan` program: parses the command line, runs the command, shows events and the answer. Commands run
//! through `session`, so they work the same whether this process or another holds the home.

mod args;
mod confirm;
mod escape;
mod examples;
mod flags;
mod help;
mod home;
mod key;
mod language;
mod ledger;
mod library;
mod limits;
mod log;
mod output;
mod passphrase;
mod progress;
mod render;
mod root;
mod serve;
mod sign;
mod signals;
mod table;
mod ticket;

use std::{
    ffi::OsStr,
    io::{self, IsTerminal, Write},
    path::{Path, PathBuf},
    process::ExitCode,
};

use chuan::{
    audit_log, authority,
    engine::id::NodeId,
    home::{self as home_of, Home, owner},
    job::{Cancel, Event, Job},
    keyring::Keyring,
    node::{Node, identity},
    session::Session,
    transfer,
};
use chuan_api::{
    command::{Audit, AuditVerb, Carry, CarryRoots, ChannelVerb, Command, PolicyVerb, Role, Signed},
    exit::{Exit, Failure, Result},
    human::counted_as,
    outcome::{Outcome, Row},
};

use clap::error::ErrorKind;

use args::{Cli, ProgressMode, Verb};
use ledger::LedgerVerb;
use log::{Log, Wanted};
use output::Output;
use passphrase::TERMINAL;
use progress::Meter;
use root::RootVerb;
use serve::serve;
use signals::Signals;

/// Runs the program on the process's arguments.
fn main() -> ExitCode {
    limits::use_little_address_space();
    let cli = match args::parse() {
        Ok(cli) => cli,
        Err(error) => return usage(&error),
    };
    if let Some(home) = cli.home.as_ref().filter(|_| cli.is_home_typed) {
        flags::set_home(home);
    }
    let serves = matches!(cli.verb, Verb::Serve(_));
    let log = Log::start(Wanted { verbose: cli.verbose, quiet: cli.quiet, serves });
    if let Err(failure) = limits::check_threads() {
        return show_failure(&failure, cli.json, "");
    }
    if let Err(failure) = act_as_owner(&cli) {
        return show_failure(&failure, cli.json, verb_name(&cli.verb));
    }
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return show_failure(&Failure::io("start threads", error), cli.json, ""),
    };
    let exit = runtime.block_on(run(cli, log));
    // A blocking call that ignores cancellation must not delay the exit. All such calls are safe to abort.
    runtime.shutdown_background();
    exit
}

/// As root on the home of another user, works as that user: see [`owner`].
fn act_as_owner(cli: &Cli) -> Result<()> {
    let source = match &cli.verb {
        Verb::Key(_) | Verb::Completions { .. } | Verb::Man { .. } => return Ok(()),
        Verb::Signed(Signed::Publish { options, .. }) => Some(options.source.as_path()),
        _ => None,
    };
    let Some(root) = cli.home.clone().or_else(|| home_of::default_root().ok()) else { return Ok(()) };
    let given = owner::act_as_owner(&root, source)?;
    if given > 0 && !cli.quiet {
        let items = counted_as(given, "file or folder", "files or folders");
        let _ = writeln!(
            io::stderr(),
            "note: gave {items} of root in {} to the owner of the home",
            escape::line(&root.display().to_string())
        );
    }
    Ok(())
}

async fn run(cli: Cli, log: Log) -> ExitCode {
    limits::survive_file_size_limit();
    let (json, name) = (cli.json, verb_name(&cli.verb));
    match dispatch(cli, log).await {
        Ok(exit) => ExitCode::from(exit.number()),
        Err(failure) => show_failure(&failure, json, name),
    }
}

async fn dispatch(cli: Cli, log: Log) -> Result<Exit> {
    let show = Show { json: cli.json, progress: cli.progress, quiet: cli.quiet };
    let root = || cli.home.clone().map_or_else(home_of::default_root, Ok);
    match cli.verb {
        Verb::Completions { shell } => completions(shell),
        Verb::Man { dir } => help::write_manual(args::command(), &dir).map(|()| Exit::Ok),
        Verb::Init { name, role, renew } => init(&root()?, name.as_deref(), role, renew, show),
        Verb::Serve(options) => serve(&root()?, &options, show, &log).await,
        Verb::Run(Command::Audit(Audit { verb: AuditVerb::Verify(verify) })) if verify.export.is_some() => {
            // An export is verified without a home.
            answer(&Outcome::AuditVerify(audit_log::verify_export(&verify)?), "audit verify", show)
        }
        Verb::Run(command) => execute(root()?, Task::Run(ticket::resolve(command)?), show).await,
        Verb::Signed(command) => execute(root()?, Task::Signed(command), show).await,
        Verb::Channel(verb) => execute(root()?, Task::of_channel(verb), show).await,
        Verb::Policy(verb) => execute(root()?, Task::of_policy(verb), show).await,
        Verb::Sign(sign) => match sign::run(&sign, root().ok().and_then(|root| Home::find(&root).ok()))? {
            sign::Signed::Done(outcome) => answer(&outcome, "sign", show),
            sign::Signed::Apply { roots: false } => {
                let task = Task::Apply { file: sign.file, yes: sign.yes };
                execute(root()?, task, show).await
            }
            sign::Signed::Apply { roots: true } => {
                let carry = CarryRoots::Apply { file: sign.file, yes: sign.yes };
                execute(root()?, Task::Roots(carry), show).await
            }
        },
        Verb::Statements(carry) => execute(root()?, Task::Statements(carry), show).await,
        Verb::Root(RootVerb::Carry(carry)) => execute(root()?, Task::Roots(carry), show).await,
        Verb::Key(verb) => answer(&Outcome::Key(key::run(&verb)?), "key", show),
        Verb::Root(verb) => answer(&root::run(verb)?, "root", show),
        Verb::Home(verb) => answer(&home::run(&root()?, &verb, show.quiet)?, "home", show),
        Verb::Ledger(verb) => ledger(&Home::find(&root()?)?, &verb, show),
    }
}

/// The options that decide how answers are shown.
#[derive(Clone, Copy, Debug)]
struct Show {
    json: bool,
    progress: ProgressMode,
    quiet: bool,
}

impl Show {
    /// Whether a quiet command does not show its answer: it is one that changes something, and all went well.
    fn is_silent(self, is_act: bool, outcome: &Outcome) -> bool {
        self.quiet && !self.json && is_act && outcome.exit() == Exit::Ok
    }
}

fn init(root: &Path, name: Option<&str>, role: Role, renew: Option<NodeId>, show: Show) -> Result<Exit> {
    let home = match renew {
        Some(node) => Home::renew(root, &node)?,
        None => Home::init(root, name, role)?,
    };
    let outcome = Outcome::Id(identity(&home, &home.config()?, None)?);
    if show.is_silent(true, &outcome) { Ok(Exit::Ok) } else { answer(&outcome, "init", show) }
}

fn ledger(home: &Home, verb: &LedgerVerb, show: Show) -> Result<Exit> {
    let outcome = match verb {
        LedgerVerb::Show => Outcome::Ledger(chuan::ledger::show(home)?),
        LedgerVerb::Keep { side, dry_run, yes } => {
            Outcome::LedgerKept(Box::new(chuan::ledger::keep(home, (*side).into(), *dry_run, *yes)?))
        }
    };
    answer(&outcome, "ledger", show)
}

/// Shows the answer of a command that ran without a session; with `--quiet`, not of one that changed
/// something.
fn answer(outcome: &Outcome, command: &str, show: Show) -> Result<Exit> {
    if show.is_silent(outcome.is_act(), outcome) {
        return Ok(Exit::Ok);
    }
    Output::stdout(show.json, command).outcome(outcome)?;
    Ok(outcome.exit())
}

fn completions(shell: clap_complete::Shell) -> Result<Exit> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut args::command(), "chuan", &mut script);
    let mut output = Output::stdout(false, "completions");
    output.data(&script)?;
    output.flush()?;
    Ok(Exit::Ok)
}

/// Work on a home that reports progress and can be cancelled.
enum Task {
    Run(Command),
    Signed(Signed),
    Statements(Carry),
    Roots(CarryRoots),
    Policy(PolicyVerb),
    Apply { file: PathBuf, yes: bool },
}

impl Task {
    fn of_channel(verb: ChannelVerb) -> Self {
        match verb {
            ChannelVerb::Set { options, keys } => Task::Signed(Signed::SetChannel { options, keys }),
            ChannelVerb::List(options) => Task::Run(Command::Channels(options)),
        }
    }

    fn of_policy(verb: PolicyVerb) -> Self {
        match verb {
            PolicyVerb::Set { options, keys } => Task::Signed(Signed::Policy { options, keys }),
            verb => Task::Policy(verb),
        }
    }

    const fn name(&self) -> &'static str {
        match self {
            Task::Run(command) => command.name(),
            Task::Signed(command) => command.name(),
            Task::Statements(_) => "statements",
            Task::Roots(_) => "root",
            Task::Policy(_) => "policy",
            Task::Apply { .. } => "sign",
        }
    }

    async fn run(self, session: &mut Session) -> Result<Outcome> {
        match self {
            Task::Run(command) => session.run(command).await,
            Task::Signed(command) => {
                let files = command.keys().files.clone();
                let keyring = Keyring::new(files, Some(session.home().clone()), TERMINAL);
                let command = confirm::act(session, &keyring, command).await?;
                authority::run(session, &keyring, command).await
            }
            Task::Statements(carry) => transfer::statements(session, carry).await,
            Task::Roots(carry) => {
                if let CarryRoots::Apply { file, yes: false } = &carry {
                    confirm::roots(session, file).await?;
                }
                transfer::roots(session, carry).await
            }
            Task::Policy(verb) => authority::read_policy(session, verb).await,
            Task::Apply { file, yes } => {
                if !yes {
                    confirm::request(session, &file).await?;
                }
                let shown = authority::request::apply(session, file).await?;
                Ok(Outcome::Request(Box::new(shown)))
            }
        }
    }
}

async fn execute(root: PathBuf, task: Task, show: Show) -> Result<Exit> {
    let mut signals = Signals::that_end()?;
    let cancel = Cancel::default();
    let (job, mut events) = Job::watched(cancel.clone());
    let name = task.name();
    let mut output = Output::stdout(show.json, name);
    let mut meter = Meter::new(show.progress, show.quiet, show.json);

    let mut running = tokio::spawn(async move {
        let mut session = Session::new(&root, name, job)?;
        let result = Box::pin(task.run(&mut session)).await;
        Ok::<_, Failure>((result, Node::of_session(session)))
    });
    let ran = loop {
        tokio::select! {
            // Events first: all events of the command are shown before its answer.
            biased;
            () = signals.next() => if cancel.is_cancelled() { return Err(Failure::interrupted()) } else { cancel.cancel() },
            Some(event) = events.next() => {
                show_event(event, &mut output, &mut meter, show.quiet)?;
                if output.is_closed() {
                    cancel.cancel();
                }
            }
            ran = &mut running => break ran,
        }
    };
    while let Some(event) = events.try_next() {
        show_event(event, &mut output, &mut meter, show.quiet)?;
    }
    meter.finish();
    let (result, node) = ran.map_err(|error| Failure::internal(format!("command failed: {error}")))??;

    let exit = match result {
        Ok(outcome) => {
            match &outcome {
                // The ticket alone, for a file or another program.
                Outcome::Invite(invited) if show.quiet && !show.json => {
                    output.data(format!("{}\n", invited.ticket).as_bytes())?;
                    output.flush()?;
                }
                _ if show.is_silent(outcome.is_act(), &outcome) => {}
                _ => output.outcome(&outcome)?,
            }
            outcome.exit()
        }
        // The reader has closed standard output: no output, no error.
        Err(_) if output.is_closed() => Exit::Ok,
        Err(failure) => {
            write_failure(&failure, &mut output, show.json)?;
            failure.exit
        }
    };
    drop(output);
    if let Some(node) = node {
        close(&node, &cancel, &mut signals).await;
    }
    Ok(exit)
}

/// Closes the home. Waits for commands of other processes that run in this one; a signal stops them.
async fn close(node: &Node, cancel: &Cancel, signals: &mut Signals) {
    if cancel.is_cancelled() {
        node.stop_commands();
    }
    let closing = node.close();
    tokio::pin!(closing);
    tokio::select! {
        () = &mut closing => return,
        () = signals.next() => node.stop_commands(),
    }
    tokio::select! {
        () = closing => {}
        () = signals.next() => {}
    }
}

fn show_event(event: Event, output: &mut Output, meter: &mut Meter, quiet: bool) -> Result<()> {
    match event {
        Event::Progress(progress) => meter.progress(&progress),
        Event::Note(note) => meter.note(&note, quiet),
        Event::Row(row) => {
            output.row(&row)?;
            // `audit tail --follow` shows a record as soon as it is written.
            if matches!(row, Row::Record(_)) {
                output.flush()?;
            }
        }
        Event::Data(data) => output.data(&data)?,
    }
    Ok(())
}

fn write_failure(failure: &Failure, output: &mut Output, json: bool) -> Result<()> {
    if !json {
        let (word, text) = language::failed(failure);
        let text = escape::lines(&flags::typed(&text));
        let _ = writeln!(io::stderr(), "{}{text}", in_red(&word));
    }
    output.failure(&flags::typed_failure(failure))
}

/// Shows a failure of a command that has shown nothing yet.
fn show_failure(failure: &Failure, json: bool, command: &str) -> ExitCode {
    let _ = write_failure(failure, &mut Output::stdout(json, command), json);
    ExitCode::from(failure.exit.number())
}

/// Shows an error of the command line, or the requested help or version.
fn usage(error: &clap::Error) -> ExitCode {
    if !error.use_stderr() {
        // Help or version; a closed pipe is no error.
        return match print_help(error) {
            Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
                show_failure(&Failure::io("write the help", error), false, "")
            }
            _ => ExitCode::SUCCESS,
        };
    }
    if std::env::args_os().any(|arg| arg == OsStr::new("--json")) {
        let text = error.to_string();
        // The lines after the first empty one are usage and a hint at `--help`.
        let lines: Vec<_> = text.lines().take_while(|line| !line.is_empty()).map(str::trim).collect();
        let message = lines.join(" ");
        let message = message.strip_prefix("error: ").unwrap_or(&message);
        return show_failure(&Failure::usage(message), true, "");
    }
    if !language::is_chinese() || error.kind() == ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand {
        let _ = print_help(error);
    } else {
        let text = escape::lines(&language::usage::lines(error));
        let _ = writeln!(io::stderr(), "{}{text}", in_red(&text!("error")));
    }
    ExitCode::from(Exit::Usage.number())
}

/// Prints help, in the language of the process.
fn print_help(help: &clap::Error) -> io::Result<()> {
    if !language::is_chinese() {
        return help.print();
    }
    let (text, to_errors) = (help.render(), help.use_stderr());
    let is_plain = if to_errors { !colours() } else { !io::stdout().is_terminal() || is_colourless() };
    let text = if is_plain { text.to_string() } else { text.ansi().to_string() };
    let text = language::help::finished(&text);
    if to_errors { io::stderr().write_all(text.as_bytes()) } else { io::stdout().write_all(text.as_bytes()) }
}

fn in_red(word: &str) -> String {
    if !colours() {
        return word.to_owned();
    }
    let trimmed = word.trim_end();
    format!("\x1b[1;31m{trimmed}\x1b[0m{}", word.strip_prefix(trimmed).unwrap_or_default())
}

/// Whether standard error may be coloured.
fn colours() -> bool {
    !is_colourless() && io::stderr().is_terminal()
}

fn is_colourless() -> bool {
    std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty())
}

const fn verb_name(verb: &Verb) -> &'static str {
    match verb {
        Verb::Init { .. } => "init",
        Verb::Serve(_) => "serve",
        Verb::Key(_) => "key",
        Verb::Root(_) => "root",
        Verb::Ledger(_) => "ledger",
        Verb::Home(_) => "home",
        Verb::Completions { .. } => "completions",
        Verb::Man { .. } => "man",
        Verb::Channel(ChannelVerb::Set { .. }) => "channel set",
        Verb::Channel(ChannelVerb::List(_)) => "channel list",
        Verb::Policy(_) => "policy",
        Verb::Sign(_) => "sign",
        Verb::Run(command) => command.name(),
        Verb::Signed(command) => command.name(),
        Verb::Statements(_) => "statements",
    }
}
