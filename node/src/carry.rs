//! Statements between a home and files: out of it to be carried to a machine without a network, and back. What comes in
//! is verified by the home like anything from a peer; files are read and written by the process of whoever calls.

use std::path::{Path, PathBuf};

use chuan_engine::{
    limits::{BUNDLE_BYTES, DRAFT_BYTES},
    statement::{Bundle, Draft, PublicKey, Statement},
};
use clap::Subcommand;

use crate::{
    exit::{Failure, Result},
    home::file,
    outcome::{Carried, Outcome},
    session::Session,
};

/// What to do with the statements of a library.
#[derive(Clone, Debug, PartialEq, Subcommand)]
pub enum Carry {
    /// Write all statements of a library that are known here to a file
    Export {
        /// The library
        library: String,
        /// The file; one that is there is replaced
        file: PathBuf,
    },
    /// Take in the statements of such a file, as if a peer had brought them
    Import {
        /// The file
        file: PathBuf,
    },
}

/// What to do with the roots of a library.
#[derive(Clone, Debug, PartialEq, Subcommand)]
pub enum CarryRoots {
    /// Write the roots of a library that are known here to a file of roots, to propose the next with it
    Export {
        /// The library
        library: String,
        /// The file of roots; must not be there yet
        file: PathBuf,
    },
    /// Put the complete roots of a file to use in this home, from where peers hear of them
    Apply {
        /// The file of roots
        file: PathBuf,
    },
}

/// Carries statements.
pub(crate) async fn statements(session: &mut Session, carry: Carry) -> Result<Outcome> {
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
pub(crate) async fn roots(session: &mut Session, carry: CarryRoots) -> Result<Outcome> {
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
        CarryRoots::Apply { file } => {
            let draft = read_roots(&file)?;
            let roots = complete(&draft, &file)?;
            session.offer(&draft.library(), &roots, true).await.map(Outcome::Offer)
        }
    }
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
pub(crate) fn read_roots(path: &Path) -> Result<Draft> {
    let bytes = file::read_at_most(path, DRAFT_BYTES)?;
    Draft::decode(&bytes).map_err(|error| Failure::from(error).about(path))
}

/// Reads a bundle that may come from anybody.
pub(crate) fn read_bundle(path: &Path) -> Result<Bundle> {
    let bytes = file::read_at_most(path, BUNDLE_BYTES)?;
    Bundle::decode(&bytes).map_err(|error| Failure::from(error).about(path))
}
