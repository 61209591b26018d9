//! Statements between a home and files: export for a machine without a network, and import. The home verifies
//! imported statements like those of a peer. Files are read and written by the caller's process.

use std::path::{Path, PathBuf};

use chuan_engine::{
    id::LibraryId,
    limits::{BUNDLE_BYTES, DRAFT_BYTES},
    statement::{Bundle, Draft, Library, Losses, PublicKey, Statement, StatementKind},
};

use crate::{
    exit::{Exit, Failure, Result},
    file,
    outcome::{Carried, Outcome},
    session::Session,
};

pub use chuan_api::command::{Carry, CarryRoots};

/// Exports or imports statements.
pub async fn statements(session: &mut Session, carry: Carry) -> Result<Outcome> {
    match carry {
        Carry::Export { library, file } => {
            let bundle = session.bundle(Some(&library), false).await?;
            let bytes = bundle.encode()?;
            file::write_atomic(&file, &bytes, 0o644)?;
            Ok(Outcome::Statements(Carried {
                library: bundle.library.to_string(),
                file: file.display().to_string(),
                statements: bundle.statements.len() as u64,
                bytes: bytes.len() as u64,
            }))
        }
        Carry::Import { file } => {
            let bundle = read_bundle(&file)?;
            session.offer(&bundle.library, &bundle.statements, false).await.map(Outcome::Offer)
        }
    }
}

/// Exports or applies roots.
pub async fn roots(session: &mut Session, carry: CarryRoots) -> Result<Outcome> {
    match carry {
        CarryRoots::Export { library, file } => {
            crate::keyring::check_free(&file)?;
            let library = session.library(Some(&library)).await?;
            let roots: Vec<Statement> = library.roots().cloned().collect();
            let count = roots.len() as u64;
            let bytes = Draft::of(roots)?.encode()?;
            file::write_atomic(&file, &bytes, 0o644)?;
            Ok(Outcome::Statements(Carried {
                library: library.id().to_string(),
                file: file.display().to_string(),
                statements: count,
                bytes: bytes.len() as u64,
            }))
        }
        CarryRoots::Apply { file, .. } => {
            let draft = read_roots(&file)?;
            let mut statements = complete(&draft, &file)?;
            statements.extend(lists_beside(&file, draft.library())?);
            session.offer(&draft.library(), &statements, true).await.map(Outcome::Offer)
        }
    }
}

/// The revocations that a file of roots would end, a line each: the new root removes the key that signed
/// them, and does not pin them. Their nodes would get their rights back.
pub async fn revocations_that_end(session: &mut Session, path: &Path) -> Result<Vec<String>> {
    let Some((before, after)) = with_roots(session, path).await? else { return Ok(Vec::new()) };
    let ended = before.revocations().filter(|said| after.revocation(&said.body.node).is_none());
    Ok(ended
        .map(|said| {
            let signers: Vec<_> = said.statement.signers().map(PublicKey::short).collect();
            let (node, by, reason) = (said.body.node, signers.join(" "), &said.body.reason);
            format!("the revocation of node {node} by key {by} ends: {reason}")
        })
        .collect())
}

/// The losses by a file of roots, a line each: the new root removes a key, and does not pin the
/// grants, channels and tickets that the key signed.
pub async fn taken_by_roots(session: &mut Session, path: &Path) -> Result<Vec<String>> {
    let Some((before, after)) = with_roots(session, path).await? else { return Ok(Vec::new()) };
    Ok(taken(&before, &Losses::between(&before, &after, session.now_ms())))
}

/// Losses in words, a line each.
pub(crate) fn taken(library: &Library, losses: &Losses) -> Vec<String> {
    let nodes = losses.nodes.iter().map(|loss| {
        let (name, node) = (&loss.name, loss.node);
        if loss.is_membership() {
            format!("node {name} {node} is no member any more")
        } else {
            format!("node {name} {node} loses rights")
        }
    });
    let channels = losses.channels.iter().map(|loss| {
        let sequence = |id| library.release(id).map_or(0, |said| said.statement.sequence());
        let (name, before) = (&loss.name, sequence(&loss.before));
        match &loss.after {
            Some(after) => format!(
                "channel {name} moves from release {before} to {}, which does not contain it",
                sequence(after)
            ),
            None => format!("channel {name} has no release any more; it points to release {before} now"),
        }
    });
    nodes.chain(channels).collect()
}

/// A library before and after the roots of a file; `None` where the library is not known here.
async fn with_roots(session: &mut Session, path: &Path) -> Result<Option<(Library, Library)>> {
    let draft = read_roots(path)?;
    let mut statements = complete(&draft, path)?;
    statements.extend(lists_beside(path, draft.library())?);
    let Some(before) = session.find_library(&draft.library().to_string()).await? else { return Ok(None) };
    let mut after = before.clone();
    for outcome in after.offer_all(&statements, session.now_ms()) {
        let _ = outcome?;
    }
    Ok(Some((before, after)))
}

/// The path of the lists of pins that a file of roots names.
pub fn beside(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".pins");
    PathBuf::from(name)
}

/// The lists of pins beside a file of roots; none where there is no such file.
pub fn lists_beside(path: &Path, library: LibraryId) -> Result<Vec<Statement>> {
    let beside = beside(path);
    let bundle = match read_bundle(&beside) {
        Err(failure) if failure.exit == Exit::Missing => return Ok(Vec::new()),
        bundle => bundle?,
    };
    if bundle.library != library || bundle.statements.iter().any(|said| said.kind() != StatementKind::Pins) {
        return Err(Failure::invalid(format!(
            "{} has no lists of pins of library {}; put the right file beside {}",
            beside.display(),
            library.short(),
            path.display()
        )));
    }
    Ok(bundle.statements)
}

/// The roots of a file whose proposal, if there is one, is signed by enough keys.
pub(crate) fn complete(draft: &Draft, path: &Path) -> Result<Vec<Statement>> {
    if draft.proposal().is_some() && draft.complete()?.is_none() {
        let waiting: Vec<_> = draft.waiting_for().iter().map(PublicKey::short).collect();
        return Err(Failure::denied(format!(
            "the root that {0} proposes is not signed by enough keys ({1} could sign); `chuan root sign {0}`",
            path.display(),
            waiting.join(", ")
        )));
    }
    Ok(draft.statements()?)
}

/// Reads an untrusted file of roots.
pub fn read_roots(path: &Path) -> Result<Draft> {
    let bytes = file::read_at_most(path, DRAFT_BYTES)?;
    Draft::decode(&bytes).map_err(|error| Failure::from(error).about(path))
}

/// Reads an untrusted bundle.
pub fn read_bundle(path: &Path) -> Result<Bundle> {
    let bytes = file::read_at_most(path, BUNDLE_BYTES)?;
    Bundle::decode(&bytes).map_err(|error| Failure::from(error).about(path))
}
