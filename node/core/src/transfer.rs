//! Statements between a home and files: out of it to be carried to a machine without a network, and back. What comes in
//! is verified by the home like anything from a peer; files are read and written by the process of whoever calls.

use std::path::{Path, PathBuf};

use chuan_engine::{
    id::LibraryId,
    limits::{BUNDLE_BYTES, DRAFT_BYTES},
    statement::{Bundle, Draft, PublicKey, Statement, StatementKind},
};

use crate::{
    exit::{Exit, Failure, Result},
    home::file,
    node::now_ms,
    outcome::{Carried, Outcome},
    session::Session,
};

pub use chuan_api::command::{Carry, CarryRoots};

/// Carries statements.
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

/// Carries roots.
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
            let mut said = complete(&draft, &file)?;
            said.extend(lists_beside(&file, draft.library())?);
            session.offer(&draft.library(), &said, true).await.map(Outcome::Offer)
        }
    }
}

/// The nodes that a file of roots would let in again, a line each: their revocation is of a key that the new root takes away, and
/// is not pinned.
pub async fn falling(session: &mut Session, path: &Path) -> Result<Vec<String>> {
    let draft = read_roots(path)?;
    let mut said = complete(&draft, path)?;
    said.extend(lists_beside(path, draft.library())?);
    let Some(before) = session.find_library(&draft.library().to_string()).await? else {
        return Ok(Vec::new());
    };
    let mut after = before.clone();
    for outcome in after.offer_all(&said, now_ms()) {
        let _ = outcome?;
    }
    let falls = before.revocations().filter(|said| after.revocation(&said.body.node).is_none());
    Ok(falls
        .map(|said| {
            let signers: Vec<_> = said.statement.signers().map(PublicKey::short).collect();
            let (node, by, reason) = (said.body.node, signers.join(" "), &said.body.reason);
            format!("the revocation of node {node} by key {by} ends: {reason}")
        })
        .collect())
}

/// Where lists of pins lie that a file of roots names.
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
            "what {0} proposes is not signed by enough keys ({1} could); `chuan root sign {0}`",
            path.display(),
            waiting.join(", ")
        )));
    }
    Ok(draft.statements()?)
}

/// Reads a file of roots that may come from anybody.
pub fn read_roots(path: &Path) -> Result<Draft> {
    let bytes = file::read_at_most(path, DRAFT_BYTES)?;
    Draft::decode(&bytes).map_err(|error| Failure::from(error).about(path))
}

/// Reads a bundle that may come from anybody.
pub fn read_bundle(path: &Path) -> Result<Bundle> {
    let bytes = file::read_at_most(path, BUNDLE_BYTES)?;
    Bundle::decode(&bytes).map_err(|error| Failure::from(error).about(path))
}
