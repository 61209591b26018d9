//! What `films@12`, `films@abcdef` and `films@live` name, and the entry tree behind it.

use std::sync::Arc;

use chuan_engine::{
    Error,
    id::{Commitment, ManifestId, PageId, StatementId},
    manifest::table::{ClassHeader, ClassTable},
    statement::{Library, Release, Said},
    store::{PageState, Store},
    verify::{self, Missing},
};

use super::Inner;
use crate::{
    exit::{Failure, Result},
    spec::{At, LIVE, Spec},
};

/// A release that was asked for.
#[derive(Debug)]
pub(super) struct Found {
    pub(super) library: Arc<Library>,
    pub(super) id: StatementId,
    pub(super) sequence: u64,
    pub(super) manifest: ManifestId,
}

/// A class of a manifest.
#[derive(Debug)]
pub(super) struct Class {
    pub(super) commitment: Commitment,
    pub(super) header: ClassHeader,
}

impl Inner {
    /// Finds the release that `spec` names; its data need not be held.
    pub(super) fn release(&self, spec: &Spec) -> Result<Found> {
        let library = self.libraries.named(&spec.library)?;
        let said = match &spec.at {
            At::Name(name) if library.channel(name).is_some() => {
                self.here(&library, name)?.ok_or_else(|| {
                    let (library, how) = (library.name(), how_to_pull(name));
                    Failure::missing(format!(
                        "nothing of {library}@{name} is here yet; `chuan pull {library}{how}`"
                    ))
                })?
            }
            at => find(&library, at)?,
        };
        let (id, sequence, manifest) = (said.statement.id(), said.statement.sequence(), said.body.manifest);
        Ok(Found { library, id, sequence, manifest })
    }
}

impl Inner {
    /// Whether all below a class header is held: looks where no mark says so, and remembers what it sees.
    pub(super) fn is_whole(&self, commitment: &Commitment) -> Result<bool> {
        if self.is_full(&commitment.as_page())? {
            return Ok(true);
        }
        let walked = verify::mark_full(self.store(), commitment, &mut Missing::up_to(1))?;
        Ok(walked.state == PageState::Full)
    }

    /// Like [`Inner::is_whole`], where nothing hangs on the answer but time.
    pub(super) fn mark(&self, commitment: &Commitment) {
        if let Err(failure) = self.is_whole(commitment) {
            tracing::debug!(%failure, "a release could not be marked as whole");
        }
    }

    /// Whether all below a page is known to be held. Where something was lost since, nobody knows.
    pub(super) fn is_full(&self, page: &PageId) -> Result<bool> {
        let state = self.store().page_states(std::slice::from_ref(page))?.pop();
        Ok(state == Some(PageState::Full) && self.store().lost()?.is_empty())
    }
}

impl Found {
    /// The class that the release has; fails where it is not held.
    pub(super) fn class(&self, store: &dyn Store) -> Result<Class> {
        class(store, &self.manifest).map_err(|error| match error {
            Error::Missing(_) => Failure::missing(format!(
                "release {} of {} is not held here; `chuan pull {}` fetches the current one",
                self.sequence,
                self.library.name(),
                self.library.name()
            )),
            error => error.into(),
        })
    }
}

/// The class of a manifest: today there is one.
pub(super) fn class(store: &dyn Store, manifest: &ManifestId) -> Result<Class, Error> {
    let table = ClassTable::load(store, manifest)?;
    let (_, commitment) = table
        .classes
        .first()
        .copied()
        .ok_or_else(|| Error::Invalid(format!("manifest {} has no class", manifest.short())))?;
    Ok(Class { commitment, header: ClassHeader::load(store, &commitment)? })
}

/// What `chuan pull` needs to hear to fetch a channel.
fn how_to_pull(channel: &str) -> String {
    if channel == LIVE { String::new() } else { format!(" --channel {channel}") }
}

/// The release of this number, or whose id begins so.
pub(crate) fn find<'a>(library: &'a Library, at: &At) -> Result<Said<'a, Release>> {
    let prefix = at.as_prefix();
    let named = |said: &Said<'_, Release>| match at {
        At::Sequence(sequence) => said.statement.sequence() == *sequence,
        At::Name(_) => {
            prefix.as_ref().is_some_and(|prefix| said.statement.id().to_string().starts_with(prefix))
        }
    };
    let found: Vec<_> = library.releases().into_iter().filter(named).collect();
    match found.as_slice() {
        [said] => Ok(*said),
        [] => {
            let what = match at {
                At::Name(name) if name == LIVE => {
                    format!("nothing of {0} is here yet; `chuan pull {0}`", library.name())
                }
                At::Name(name) => format!(
                    "{0} has no release or channel `{name}` here; `chuan releases {0}` lists them",
                    library.name()
                ),
                At::Sequence(sequence) => format!(
                    "{0} has no release {sequence} here; `chuan releases {0}` lists them",
                    library.name()
                ),
            };
            Err(Failure::missing(what))
        }
        several => {
            let ids: Vec<_> = several.iter().map(|said| said.statement.id().short()).collect();
            Err(Failure::usage(format!("several releases match; name one by its id: {}", ids.join(", "))))
        }
    }
}
