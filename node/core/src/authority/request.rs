//! Acts of operators: signed here and offered to the home at once, or written to a request file that gathers
//! signatures. With a request file, two operators on two machines can act together, and neither needs the
//! other's key.

use std::path::{Path, PathBuf};

use chuan_engine::{
    limits::REQUEST_BYTES,
    statement::{
        Body, Library, Losses, PublicKey, Request, RoleKind, Statement, library::Proposed, request::MAGIC,
    },
};

use super::words;
use crate::{
    exit::{Exit, Failure, Result},
    file,
    keyring::Keyring,
    outcome::{RequestShown, TallyShown},
    session::Session,
    transfer::taken,
};

/// The result of an act.
#[derive(Debug)]
pub(super) enum Acted {
    /// It was signed and is effective in the home.
    Applied(Box<Statement>),
    /// It is in a file and waits for signatures.
    Requested(Box<RequestShown>),
}

/// Signs an act with the available operator keys and offers it to the home. With `request`, writes it to that
/// file instead, signed by the available keys, if there are any.
pub(super) async fn act(
    session: &mut Session,
    keyring: &Keyring,
    library: &Library,
    proposed: Proposed,
    request: Option<&Path>,
) -> Result<Acted> {
    if let Some(path) = request {
        let now = session.now_ms();
        return write(keyring, library, proposed, path, now).map(|shown| Acted::Requested(Box::new(shown)));
    }
    let keys = keyring.role_keys(library, RoleKind::Operator)?;
    let statement = proposed.sign(&keys.iter().collect::<Vec<_>>())?;
    check_threshold(library, &proposed.body, &statement)?;
    session.offer_effective(library, std::slice::from_ref(&statement)).await?;
    Ok(Acted::Applied(Box::new(statement)))
}

/// Fails if too few operators have signed: the home would only report that the act is ineffective.
fn check_threshold(library: &Library, body: &Body, statement: &Statement) -> Result<()> {
    match short_of_operators(library, statement) {
        Some(lacks) if !matches!(body, Body::Revoke(_)) => Err(Failure::denied(format!(
            "this needs {lacks}; write it to a file with the option `request FILE`, and let the other operators `chuan sign FILE`"
        ))),
        _ => Ok(()),
    }
}

/// The number of operator keys that must sign and that have signed, if these are too few.
pub(super) fn short_of_operators(library: &Library, statement: &Statement) -> Option<String> {
    let role = library.root()?.roles.iter().find(|role| role.kind == RoleKind::Operator)?;
    let signers: Vec<PublicKey> = statement.signers().copied().collect();
    (!role.is_met_by(&signers)).then(|| {
        format!(
            "{} of the {} operator keys of {}, and {} {} available",
            role.threshold,
            role.keys.len(),
            library.name(),
            signers.len(),
            if signers.len() == 1 { "is" } else { "are" }
        )
    })
}

/// Writes a request file, signed by the available operator keys.
fn write(
    keyring: &Keyring,
    library: &Library,
    proposed: Proposed,
    path: &Path,
    now_ms: i64,
) -> Result<RequestShown> {
    crate::keyring::check_free(path)?;
    let mut request = Request::new(library, proposed)?;
    match keyring.role_keys(library, RoleKind::Operator) {
        Ok(keys) => {
            for key in keys {
                request.sign(&key, now_ms)?;
            }
        }
        // A request needs no key. But a named key that does not fit, or a key that cannot be opened, is an
        // error.
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

/// Adds the signatures of another copy to the request in the file at `path`. Returns the request, and how
/// many signatures were new.
pub fn merge(path: &Path, copy: &Path) -> Result<(Request, usize)> {
    let mut request = read(path)?;
    let new = request.merge(&read(copy)?).map_err(|error| Failure::from(error).about(copy))?;
    save(path, &request)?;
    Ok((request, new))
}

/// Whether the file at `path` begins as a request file does.
pub fn is_request(path: &Path) -> Result<bool> {
    Ok(file::read_at_most(path, REQUEST_BYTES)?.starts_with(MAGIC))
}

/// Writes a request file; durable when it returns.
pub fn save(path: &Path, request: &Request) -> Result<()> {
    file::write_atomic(path, &request.encode()?, 0o644)
}

/// Offers a complete request to the home, which passes it on. Effective there when it returns.
pub async fn apply(session: &mut Session, path: PathBuf) -> Result<RequestShown> {
    let request = read(&path)?;
    request.check_time(session.now_ms())?;
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
                true => "it was signed with keys that are no longer valid: make a new request".to_owned(),
                false => format!("{} could sign (`chuan sign {}`)", short(&waiting), path.display()),
            };
            return Err(Failure::denied(format!(
                "the request has {} of {} signatures; {remedy}",
                tally.have, tally.need
            )));
        }
    };
    let offered = session.offer(&library.id(), std::slice::from_ref(&statement), true).await;
    let offered = offered.map_err(|failure| match failure.exit {
        Exit::Busy => Failure::denied(
            "the act contradicts a statement that was signed since the request was made; make a new request",
        ),
        _ => failure,
    })?;
    let refused = offered.statements.iter().find(|row| !row.counts()).map(|row| row.reason.clone());
    let library = session.library(Some(&id)).await?;
    if let Some(why) = refused.or_else(|| library.why_idle(&statement)) {
        return Err(Failure::denied(format!(
            "the act is not effective: {why}; if a newer statement was signed since, make a new request"
        )));
    }
    let was_known = offered.statements.iter().any(|row| row.result == "known");
    let notes = if was_known { vec!["this home knew it already".to_owned()] } else { Vec::new() };
    Ok(RequestShown { applied: true, notes, ..shown(&path, &request) })
}

/// The rights that a request takes from nodes that it does not name, a line each: nodes that joined through a
/// revoked one. Empty where the library is not known here.
pub async fn taken_from_others(session: &mut Session, path: &Path) -> Result<Vec<String>> {
    let request = read(path)?;
    let Some(library) = session.find_library(&request.library().id().to_string()).await? else {
        return Ok(Vec::new());
    };
    let named = match &request.proposed().body {
        Body::Revoke(revoke) => Some(revoke.node),
        Body::Member(member) => Some(member.node),
        _ => None,
    };
    let mut losses = Losses::of(&library, request.proposed(), session.now_ms())?;
    losses.nodes.retain(|loss| Some(loss.node) != named);
    losses.channels.clear();
    Ok(taken(&library, &losses))
}

/// All facts of a request, for a signer.
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
