//! `chuan sign`: shows an act that waits for signatures, signs it, and applies it. Showing and signing need
//! neither a home nor a network; applying needs a home.

use std::{
    io::{self, IsTerminal, Write},
    path::PathBuf,
};

use chuan::{
    authority::request,
    engine::statement::{Request, RoleKind},
    home::Home,
    keyring::Keyring,
    session::now_ms,
};
use chuan_api::{
    command::Keys,
    exit::{Failure, Result},
    outcome::Outcome,
};
use clap::Args;

use super::{
    escape,
    passphrase::TERMINAL,
    root::{self, RootVerb},
};
use crate::text;

/// Options of `sign`.
#[derive(Debug, Args)]
pub(crate) struct Sign {
    /// The request file that `--request` wrote, or a file of roots
    pub(super) file: PathBuf,
    /// The operator's key.
    #[command(flatten)]
    keys: Keys,
    /// Print its content and its signatures, and sign nothing
    #[arg(long, conflicts_with_all = ["yes", "apply", "import"])]
    show: bool,
    /// Take the signatures of another copy of the same request, and sign nothing
    #[arg(long, value_name = "COPY")]
    import: Option<PathBuf>,
    /// Apply it to this home, once enough keys have signed; the home passes it on to peers
    #[arg(long)]
    pub(super) apply: bool,
    /// Do not ask
    #[arg(long, short)]
    pub(super) yes: bool,
}

/// The next step after the file was shown or signed.
pub(super) enum Signed {
    /// None: this is the answer.
    Done(Box<Outcome>),
    /// Apply the file in a home, as a request or as a file of roots.
    Apply {
        /// Whether it is a file of roots.
        roots: bool,
    },
}

/// Runs the part of the command that needs no open home.
pub(super) fn run(sign: &Sign, home: Option<Home>) -> Result<Signed> {
    if !request::is_request(&sign.file)? {
        return roots(sign);
    }
    let mut notes = Vec::new();
    let mut request = match &sign.import {
        Some(other) => {
            let (request, new) = request::merge(&sign.file, other)?;
            notes.push(match new {
                0 => "no new signature in the copy".to_owned(),
                1 => "added one signature".to_owned(),
                new => format!("added {new} signatures"),
            });
            request
        }
        None => request::read(&sign.file)?,
    };
    // With --apply or --import the command signs only if a key is named.
    let only_named = sign.apply || sign.import.is_some();
    if !sign.show && (!only_named || !sign.keys.files.is_empty()) {
        notes.extend(add_signatures(sign, &mut request, home)?);
    }
    if sign.apply {
        return Ok(Signed::Apply { roots: false });
    }
    let mut shown = request::shown(&sign.file, &request);
    shown.notes = notes;
    Ok(Signed::Done(Box::new(Outcome::Request(Box::new(shown)))))
}

fn add_signatures(sign: &Sign, request: &mut Request, home: Option<Home>) -> Result<Vec<String>> {
    request.check_time(now_ms())?;
    let keyring = Keyring::new(sign.keys.files.clone(), home, TERMINAL);
    if !keyring.is_named() && !keyring.has_home() {
        return Err(Failure::usage("which key? name its file with --key or CHUAN_KEY"));
    }
    let keys = keyring.role_keys(request.library(), RoleKind::Operator)?;
    if !sign.yes {
        let shown = Outcome::Request(Box::new(request::shown(&sign.file, request)));
        let look = format!("`chuan sign {} --show`", sign.file.display());
        confirm(&text_of(&shown)?, &text!("ask-sign"), &look)?;
    }
    let mut notes = Vec::new();
    for key in keys {
        if !request.sign(&key, now_ms())? {
            notes.push(format!("key {} has signed already", key.public().short()));
        }
    }
    request::save(&sign.file, request)?;
    Ok(notes)
}

/// Runs the command on a file of roots, by the commands of `chuan root`.
fn roots(sign: &Sign) -> Result<Signed> {
    let file = sign.file.clone();
    let verb = match &sign.import {
        Some(other) => RootVerb::Import { file, other: other.clone() },
        None if sign.show || (sign.apply && sign.keys.files.is_empty()) => RootVerb::Show { file },
        None => RootVerb::Sign { file, keys: sign.keys.files.clone(), yes: sign.yes },
    };
    let outcome = root::run(verb)?;
    Ok(if sign.apply { Signed::Apply { roots: true } } else { Signed::Done(Box::new(outcome)) })
}

/// An answer as text.
pub(super) fn text_of(outcome: &Outcome) -> Result<Vec<u8>> {
    let mut text = Vec::new();
    super::render::outcome(&mut text, outcome).map_err(|error| Failure::io("write an answer", error))?;
    Ok(text)
}

/// Shows `text` on the terminal, asks the question and waits for a yes. Fails without a terminal; the error
/// names `look`, the command that shows the same.
pub(super) fn confirm(text: &[u8], question: &str, look: &str) -> Result<()> {
    if !io::stdin().is_terminal() {
        return Err(Failure::usage(format!(
            "no terminal to ask on; look at {look}, compare the fingerprint, and give --yes"
        )));
    }
    let failed = |error| Failure::io("ask on the terminal", error);
    let mut terminal = io::stderr();
    let text = escape::lines(&String::from_utf8_lossy(text));
    terminal.write_all(text.as_bytes()).map_err(failed)?;
    write!(terminal, "\n{question} {} ", text!("ask-type-yes")).map_err(failed)?;
    terminal.flush().map_err(failed)?;
    let mut answer = String::new();
    io::stdin().read_line(&mut answer).map_err(failed)?;
    if answer.trim() == "yes" { Ok(()) } else { Err(Failure::denied("nothing was changed")) }
}
