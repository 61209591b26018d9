//! `chuan root`: proposes and signs the root of a library, which gives keys their roles. Works on a file of
//! roots that the holders of root keys pass to each other; needs neither a home nor a network.

mod pins;
mod show;
mod words;

use std::path::{Path, PathBuf};

use chuan::{
    engine::{
        id::Salt,
        statement::{Classes, Draft, PublicKey, RoleKind, Root},
    },
    file,
    home::keys,
    keyring::Keyring,
    session::now_ms,
    transfer::read_roots as open,
};
use chuan_api::{
    command::{CarryRoots, parse_duration},
    exit::{Failure, Result},
    outcome::{Outcome, RootShown},
};
use clap::{Args, Subcommand};

use self::pins::Legacy;
use super::{
    passphrase::TERMINAL,
    sign::{confirm, text_of},
};
use crate::text;

/// A command on a file of roots.
#[derive(Debug, Subcommand)]
pub(crate) enum RootVerb {
    /// Propose the first root of a new library
    Init(Init),
    /// Print the roles, the proposal and its signatures
    Show {
        /// The file of roots
        file: PathBuf,
    },
    /// Print the fingerprints of the library, the current root and the proposal, for people to compare
    Fingerprint {
        /// The file of roots
        file: PathBuf,
    },
    /// Propose to give a key a role
    AddKey {
        #[command(flatten)]
        target: Target,
        /// The public key: 64 hexadecimal digits, as `chuan key show` prints them
        key: PublicKey,
        #[command(flatten)]
        scope: Scope,
    },
    /// Propose to take a role from a key
    RemoveKey {
        #[command(flatten)]
        target: Target,
        /// The public key
        key: PublicKey,
        #[command(flatten)]
        scope: Scope,
        /// Pin the effective statements and the revocations of the key, so that they stay effective; `chuan
        /// statements export` writes FILE
        #[arg(long, value_name = "FILE", conflicts_with = "drop")]
        statements: Option<PathBuf>,
        /// Pin nothing: releases, members, tickets and channels that the key has signed become ineffective
        #[arg(long)]
        drop: bool,
    },
    /// Propose how many keys of a role must sign
    SetThreshold {
        #[command(flatten)]
        target: Target,
        /// How many
        number: u8,
        #[command(flatten)]
        scope: Scope,
    },
    /// Propose when the root should be renewed; an overdue root stays valid
    SetExpiry {
        /// The file of roots
        file: PathBuf,
        /// From now: a number and d, h, m or s; or `never`
        #[arg(value_name = "TIME", value_parser = parse_expiry)]
        expires: Expiry,
    },
    /// Propose another name for the library
    Rename {
        /// The file of roots
        file: PathBuf,
        /// The name
        name: String,
    },
    /// Show the proposal, ask, and sign it
    Sign {
        /// The file of roots
        file: PathBuf,
        /// A root key's file; may be repeated
        #[arg(long = "key", env = "CHUAN_KEY", value_name = "FILE")]
        keys: Vec<PathBuf>,
        /// Do not ask
        #[arg(long, short)]
        yes: bool,
    },
    /// Between a home and a file of roots.
    #[command(flatten)]
    Carry(CarryRoots),
    /// Take the signatures of another copy of the same proposal
    Import {
        /// The file of roots
        file: PathBuf,
        /// The copy
        other: PathBuf,
    },
}

/// Options of `root init`.
#[derive(Debug, Args)]
pub(crate) struct Init {
    /// The file of roots; must not exist yet
    file: PathBuf,
    /// The library's name
    #[arg(long)]
    name: String,
    /// A key that signs the next root; may be repeated
    #[arg(long = "root-key", value_name = "KEY", required = true)]
    roots: Vec<PublicKey>,
    /// How many of these must sign
    #[arg(long, default_value_t = 1, value_name = "N")]
    threshold: u8,
    /// A key that admits nodes and moves channels; may be repeated
    #[arg(long = "operator", value_name = "KEY", required = true)]
    operators: Vec<PublicKey>,
    /// A key that signs releases, of all classes or of some; may be repeated
    #[arg(long = "publisher", value_name = "KEY[=CLASS,…]", required = true, value_parser = parse_publisher)]
    publishers: Vec<(PublicKey, Classes)>,
    /// A key that vouches for the freshness of channels; may be repeated
    #[arg(long = "timekeeper", value_name = "KEY")]
    timekeepers: Vec<PublicKey>,
    /// When the root should be renewed: a number and d, h, m or s, or `never`
    #[arg(long, default_value = "never", value_name = "TIME", value_parser = parse_expiry)]
    expires: Expiry,
}

/// A role in a file of roots.
#[derive(Debug, Args)]
pub(crate) struct Target {
    /// The file of roots
    file: PathBuf,
    /// root, operator, publisher or timekeeper
    role: RoleKind,
}

/// The classes to which a role is limited.
#[derive(Debug, Args)]
pub(crate) struct Scope {
    /// Of a publisher: only this class; may be repeated [default: all classes]
    #[arg(long = "class", value_name = "CLASS")]
    classes: Vec<String>,
}

impl Scope {
    fn classes(&self) -> Result<Classes> {
        Ok(Classes::new(self.classes.clone())?)
    }
}

/// When a root should be renewed: seconds from now, or never.
type Expiry = Option<u64>;

/// Runs the command. The answer shows the file afterwards.
pub(super) fn run(verb: RootVerb) -> Result<Outcome> {
    match verb {
        RootVerb::Init(init) => found(&init),
        RootVerb::Show { file } => Ok(shown(&file, &open(&file)?, Vec::new())),
        RootVerb::Fingerprint { file } => Ok(Outcome::Fingerprint(show::fingerprints(&open(&file)?))),
        RootVerb::AddKey { target, key, scope } => {
            let classes = scope.classes()?;
            change(&target.file, |root| Ok(root.add_key(target.role, &classes, key)?))
        }
        RootVerb::RemoveKey { target, key, scope, statements, drop } => {
            let classes = if scope.classes.is_empty() { None } else { Some(scope.classes()?) };
            let legacy = match &statements {
                Some(path) => Legacy::Pin(path),
                None if drop => Legacy::Drop,
                None => Legacy::Unspecified,
            };
            remove_key(&target, &key, classes.as_ref(), &legacy)
        }
        RootVerb::SetThreshold { target, number, scope } => {
            let classes = scope.classes()?;
            change(&target.file, |root| Ok(root.set_threshold(target.role, &classes, number)?))
        }
        RootVerb::SetExpiry { file, expires } => change(&file, |root| {
            root.expires_ms = expires_ms(expires);
            Ok(())
        }),
        RootVerb::Rename { file, name } => change(&file, |root| {
            root.name = name;
            Ok(())
        }),
        RootVerb::Sign { file, keys, yes } => sign(&file, keys, yes),
        RootVerb::Import { file, other } => import(&file, &other),
        RootVerb::Carry(_) => Err(Failure::internal("this command needs a home")),
    }
}

fn found(init: &Init) -> Result<Outcome> {
    chuan::keyring::check_free(&init.file)?;
    let mut root = Root {
        version: 1,
        nonce: Salt::from_bytes(keys::random()?),
        name: init.name.clone(),
        expires_ms: expires_ms(init.expires),
        roles: Vec::new(),
        pins: Vec::new(),
        lists: Vec::new(),
    };
    let all = Classes::all();
    // The root key comes first: `add_key` refuses a root without a root key.
    for key in &init.roots {
        root.add_key(RoleKind::Root, &all, *key)?;
    }
    root.set_threshold(RoleKind::Root, &all, init.threshold)?;
    for key in &init.operators {
        root.add_key(RoleKind::Operator, &all, *key)?;
    }
    for (key, classes) in &init.publishers {
        root.add_key(RoleKind::Publisher, classes, *key)?;
    }
    for key in &init.timekeepers {
        root.add_key(RoleKind::Timekeeper, &all, *key)?;
    }
    save(&init.file, Draft::found(root, now_ms())?, Vec::new())
}

/// Takes a role from a key, and pins its statements. Lists of pins are written beside the file before the
/// file names them.
fn remove_key(
    target: &Target,
    key: &PublicKey,
    classes: Option<&Classes>,
    legacy: &Legacy<'_>,
) -> Result<Outcome> {
    let draft = open(&target.file)?;
    let mut beside = None;
    let mut outcome = change(&target.file, |root| {
        root.remove_key(target.role, classes, key)?;
        let pinned = pins::of(&draft, target.role, key, root, legacy)?;
        let lists = pins::add(draft.library(), root, key, &pinned)?;
        beside = pins::keep(&target.file, draft.library(), lists)?;
        Ok(())
    })?;
    if let (Outcome::Root(shown), Some(beside)) = (&mut outcome, beside) {
        let (beside, file) = (beside.display(), target.file.display());
        shown.notes.push(format!(
            "{beside} has the revocations that do not fit into the root: keep it beside {file}, `root apply` needs it"
        ));
    }
    Ok(outcome)
}

/// Adds a change to the proposal of the file.
fn change(file: &Path, edit: impl FnOnce(&mut Root) -> Result<()>) -> Result<Outcome> {
    let mut draft = open(file)?;
    let mut root =
        draft.newest().cloned().ok_or_else(|| Failure::missing(format!("{} has no root", file.display())))?;
    edit(&mut root)?;
    let void = draft.propose(root, now_ms())?;
    let notes = match void {
        0 => Vec::new(),
        1 => vec!["one signature of the earlier proposal is invalid now: sign again".to_owned()],
        void => vec![format!("{void} signatures of the earlier proposal are invalid now: sign again")],
    };
    save(file, draft, notes)
}

fn sign(file: &Path, keys: Vec<PathBuf>, yes: bool) -> Result<Outcome> {
    let mut draft = open(file)?;
    let keyring = Keyring::new(keys, None, TERMINAL);
    if !yes {
        let look = format!("`chuan root show {}`", file.display());
        confirm(&text_of(&shown(file, &draft, Vec::new()))?, &text!("ask-sign"), &look)?;
    }
    for key in keyring.named_keys()? {
        draft.sign(&key)?;
    }
    save(file, draft, Vec::new())
}

fn import(file: &Path, other: &Path) -> Result<Outcome> {
    let mut draft = open(file)?;
    let new = draft.merge(&open(other)?)?;
    let notes = vec![match new {
        0 => "no new signature in the copy".to_owned(),
        1 => "added one signature".to_owned(),
        new => format!("added {new} signatures"),
    }];
    save(file, draft, notes)
}

fn save(path: &Path, draft: Draft, notes: Vec<String>) -> Result<Outcome> {
    file::write_atomic(path, &draft.encode()?, 0o644)?;
    Ok(shown(path, &draft, notes))
}

fn shown(path: &Path, draft: &Draft, notes: Vec<String>) -> Outcome {
    let shown = show::draft(draft);
    Outcome::Root(Box::new(RootShown { file: path.display().to_string(), notes, ..shown }))
}

fn expires_ms(expiry: Expiry) -> i64 {
    let ms = |seconds: u64| i64::try_from(seconds).ok()?.checked_mul(1000)?.checked_add(now_ms());
    // At most a century (see `parse_duration`): this cannot overflow.
    expiry.and_then(ms).unwrap_or(0)
}

fn parse_expiry(text: &str) -> Result<Expiry> {
    if text == "never" { Ok(None) } else { parse_duration(text).map(Some) }
}

fn parse_publisher(text: &str) -> Result<(PublicKey, Classes)> {
    let (key, classes) = match text.split_once('=') {
        Some((key, classes)) => (key, Classes::new(classes.split(',').map(str::to_owned).collect())?),
        None => (text, Classes::all()),
    };
    Ok((key.parse()?, classes))
}
