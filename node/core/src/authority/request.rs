//! Acts of operators: signed here and handed to the home at once, or written to a request file that gathers signatures.
//! Two operators on two machines can act so, and neither needs the other's key.

use std::path::{Path, PathBuf};

use chuan_engine::{
    limits::REQUEST_BYTES,
    statement::{Body, Library, PublicKey, Request, RoleKind, Statement, library::Proposed, request::MAGIC},
};

use super::words;
use crate::{
    exit::{Exit, Failure, Result},
    home::file,
    keyring::Keyring,
    node::now_ms,
    outcome::{RequestShown, TallyShown},
    session::Session,
};

/// What became of an act.
#[derive(Debug)]
pub(super) enum Acted {
    /// It was signed and is in effect in the home.
    Said(Box<Statement>),
    /// It is in a file and waits for signatures.
    Requested(Box<RequestShown>),
}

/// Signs an act with the operators' keys at hand and hands it to the home; with `request`, writes it to that file instead,
/// signed by the keys at hand, if there are any.
pub(super) async fn act(
    session: &mut Session,
    keyring: &Keyring,
    library: &Library,
    proposed: Proposed,
    request: Option<&Path>,
) -> Result<Acted> {
    if let Some(path) = request {
        return write(keyring, library, proposed, path).map(|shown| Acted::Requested(Box::new(shown)));
    }
    let keys = keyring.role_keys(library, RoleKind::Operator)?;
    let statement = proposed.sign(&keys.iter().collect::<Vec<_>>())?;
    check_threshold(library, &proposed.body, &statement)?;
    session.say(library, std::slice::from_ref(&statement)).await?;
    Ok(Acted::Said(Box::new(statement)))
}

/// Fails where more operators must sign than did: the home would only say that it does not count.
fn check_threshold(library: &Library, body: &Body, statement: &Statement) -> Result<()> {
    match short_of_operators(library, statement) {
        Some(lacks) if !matches!(body, Body::Revoke(_)) => Err(Failure::denied(format!(
            "that needs {lacks}; write it to a file with --request FILE, and let the other operators `chuan sign FILE`"
        ))),
        _ => Ok(()),
    }
}

/// How many operators must sign and how many did, where these are too few.
pub(super) fn short_of_operators(library: &Library, statement: &Statement) -> Option<String> {
    let role = library.root()?.roles.iter().find(|role| role.kind == RoleKind::Operator)?;
    let signers: Vec<PublicKey> = statement.signers().copied().collect();
    (!role.is_met_by(&signers)).then(|| {
        format!(
            "{} of the {} operator keys of {}, and {} {} at hand",
            role.threshold,
            role.keys.len(),
            library.name(),
            signers.len(),
            if signers.len() == 1 { "is" } else { "are" }
        )
    })
}

/// Writes a request file, signed by the operators' keys at hand.
fn write(keyring: &Keyring, library: &Library, proposed: Proposed, path: &Path) -> Result<RequestShown> {
    crate::keyring::check_free(path)?;
    let mut request = Request::new(library, proposed)?;
    match keyring.role_keys(library, RoleKind::Operator) {
        Ok(keys) => {
            for key in keys {
                request.sign(&key, now_ms())?;
            }
        }
        // No key need be at hand to ask for an act; but one that was named, or cannot be opened, is a mistake.
        Err(failure) if failure.exit == Exit::Denied && !keyring.is_named() => {}
        Err(failure) => return Err(failure),
    }
    save(path, &request)?;
    Ok(shown(path, &request))
}

/// Reads an untrusted request file.
pub fn read(path: &Path) -> Result<Request> {
    let bytes = file::read_at_most(path, REQUEST_BYTES)?;
    Request::decode(&bytes).map_err(|error| Failure::from(error).about(path))
}

/// Whether the file at `path` begins as a request file does.
pub fn is_request(path: &Path) -> Result<bool> {
    Ok(file::read_at_most(path, REQUEST_BYTES)?.starts_with(MAGIC))
}

/// Writes a request file; durable when it returns.
pub fn save(path: &Path, request: &Request) -> Result<()> {
    file::write_atomic(path, &request.encode()?, 0o644)
}

/// Gives a complete request to the home, which passes it on. In effect there when it returns.
pub async fn apply(session: &mut Session, path: PathBuf) -> Result<RequestShown> {
    let request = read(&path)?;
    request.check_time(now_ms())?;
    let id = request.library().id().to_string();
    let library = session.newest(Some(&id)).await.map_err(|failure| match failure.exit {
        Exit::Missing => Failure::missing(format!(
            "the request is for library {} ({}), which this home does not know; apply it in a home that does, or join the \
             library first",
            request.library().name(),
            request.library().id().short()
        )),
        _ => failure,
    })?;
    let statement = match request.complete()? {
        Some(statement) if request.tally_under(&library).is_met() => statement,
        _ => {
            let tally = request.tally_under(&library);
            let waiting = request.waiting_for();
            let remedy = match waiting.is_empty() {
                true => "it was signed with keys that no longer count: make the request anew".to_owned(),
                false => format!("{} could sign (`chuan sign {}`)", short(&waiting), path.display()),
            };
            return Err(Failure::denied(format!(
                "{} of {} signatures that are needed are there; {remedy}",
                tally.have, tally.need
            )));
        }
    };
    let offered = session.offer(&library.id(), std::slice::from_ref(&statement), true).await;
    let offered = offered.map_err(|failure| match failure.exit {
        Exit::Busy => Failure::denied(
            "the act contradicts what was said since the request was made; make the request anew",
        ),
        _ => failure,
    })?;
    let refused = offered.statements.iter().find(|row| !row.counts()).map(|row| row.reason.clone());
    let library = session.library(Some(&id)).await?;
    if let Some(why) = refused.or_else(|| library.why_idle(&statement)) {
        return Err(Failure::denied(format!(
            "the act does not count: {why}; where something newer was said since the request was made, make it anew"
        )));
    }
    let was_known = offered.statements.iter().any(|row| row.result == "known");
    let notes = if was_known { vec!["this home knew it already".to_owned()] } else { Vec::new() };
    Ok(RequestShown { applied: true, notes, ..shown(&path, &request) })
}

/// Everything a signer wants to know of a request.
pub fn shown(path: &Path, request: &Request) -> RequestShown {
    let (library, proposed, tally) = (request.library(), request.proposed(), request.tally());
    RequestShown {
        file: path.display().to_string(),
        library: library.id().to_string(),
        library_name: library.name().to_owned(),
        library_fingerprint: library.id().fingerprint().to_string(),
        kind: proposed.body.kind().name().to_owned(),
        statement: request.id().to_string(),
        fingerprint: request.id().fingerprint().to_string(),
        sequence: proposed.header.sequence,
        says: words::of(library, &proposed.body),
        time_ms: proposed.header.time_ms,
        expires_ms: request.expires_ms(),
        signed_by: request.signers().map(ToString::to_string).collect(),
        waiting_for: request.waiting_for().iter().map(ToString::to_string).collect(),
        signatures: TallyShown { have: tally.have as u64, need: tally.need as u64, of: tally.of as u64 },
        complete: tally.is_met(),
        ..RequestShown::default()
    }
}

fn short(keys: &[PublicKey]) -> String {
    keys.iter().map(PublicKey::short).collect::<Vec<_>>().join(", ")
}
