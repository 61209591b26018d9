//! Finds the release that a text like `films@12`, `films@abcdef` or `films@live` names, and its classes on
//! this node.

use std::{fmt::Display, sync::Arc};

use chuan_engine::{
    Error,
    id::{ManifestId, StatementId},
    manifest::{Entry, EntryKind, EntryPath, union},
    statement::{Library, Release, Signed},
};

use super::{
    LibraryService,
    holdings::{Class, Held, Holdings},
};
use crate::{
    context::Context,
    exit::{Exit, Failure, Result},
    outcome::Lag,
    spec::{At, LIVE, Spec},
};

/// A requested release.
#[derive(Debug)]
pub(crate) struct Found {
    pub(crate) library: Arc<Library>,
    pub(crate) id: StatementId,
    pub(crate) sequence: u64,
    pub(crate) manifest: ManifestId,
    /// The channel whose name was used in the request.
    pub(crate) channel: Option<Named>,
}

/// A channel whose name was used to request a release, and its freshness.
#[derive(Debug)]
pub(crate) struct Named {
    name: String,
    fresh_age_seconds: Option<u64>,
    /// For how long the release here may have been out of date; `None` if that is unknown.
    staleness_ms: Option<u64>,
}

/// Finds the release that `spec` names. Its data need not be held.
pub(crate) fn resolve(libraries: &LibraryService, spec: &Spec) -> Result<Found> {
    let library = libraries.named(&spec.library)?;
    let (said, channel) = match &spec.at {
        At::Name(name) if library.channel(name).is_some() && !is_id_of_release(&library, name) => {
            let said = libraries.here(&library, name)?.ok_or_else(|| {
                let (library, how) = (library.name(), how_to_pull(name));
                Failure::missing(format!(
                    "nothing of {library}@{name} is here yet; `chuan pull {library}`{how}"
                ))
            })?;
            let fresh_age_seconds = libraries.fresh_age_here(&library, name)?;
            let staleness_ms = libraries.staleness_ms(&library, name)?;
            (said, Some(Named { name: name.clone(), fresh_age_seconds, staleness_ms }))
        }
        at => (find(&library, at)?, None),
    };
    let (id, sequence, manifest) = (said.statement.id(), said.statement.sequence(), said.body.manifest);
    Ok(Found { library, id, sequence, manifest, channel })
}

/// Like [`resolve`], for reading the files of the release.
///
/// # Errors
///
/// As for [`Found::check_readable`].
pub(crate) fn resolve_to_read(context: &Context, libraries: &LibraryService, spec: &Spec) -> Result<Found> {
    let found = resolve(libraries, spec)?;
    found.check_readable(context)?;
    Ok(found)
}

impl Found {
    /// The release with this id, of a library.
    pub(crate) fn by_id(library: Arc<Library>, id: StatementId) -> Result<Self> {
        let said = library.release(&id).ok_or_else(|| {
            let (name, id) = (library.name(), id.short());
            Failure::missing(format!("{name} has no release {id} here; `chuan releases {name}` lists them"))
        })?;
        let (sequence, manifest) = (said.statement.sequence(), said.body.manifest);
        Ok(Self { library, id, sequence, manifest, channel: None })
    }

    /// Checks that the files of the release may be read. A refused release, in which a class has a path of
    /// another class, may be here: it was pulled by its number, or the class was granted later.
    ///
    /// # Errors
    ///
    /// Denied if the release is refused, as far as its pages are here.
    pub(crate) fn check_readable(&self, context: &Context) -> Result<()> {
        match self.library.check_trespass(&*context.objects(&self.library.id()), &self.id) {
            Err(error @ Error::Trespass(_)) => Err(error.into()),
            // Other errors appear when the content is read.
            _ => Ok(()),
        }
    }

    /// The file at `path`. `asked` is the release as the caller named it.
    pub(crate) fn file(
        &self,
        context: &Context,
        holdings: &Holdings,
        path: &str,
        asked: &dyn Display,
    ) -> Result<(EntryPath, Entry)> {
        let held = self.held(holdings)?;
        let path = EntryPath::new(path)?;
        let found = union::find(&*context.objects(&self.library.id()), &held.trees(), &path)?;
        let file = found.filter(|(_, entry)| entry.kind == EntryKind::File);
        let (slot, entry) = file.ok_or_else(|| {
            let elsewhere = match held.classes_absent() {
                0 => String::new(),
                absent => format!(" (classes not granted to this node: {absent})"),
            };
            Failure::missing(format!("no file `{path}` in {asked}{elsewhere}; `chuan ls {asked}` lists them"))
        })?;
        if let Some(class) = held.classes.iter().find(|class| class.header.slot == slot) {
            self.check_age(class)?;
        }
        Ok((path, entry))
    }

    /// The classes of the release on this node; fails if there are none.
    pub(crate) fn held(&self, holdings: &Holdings) -> Result<Held> {
        let (name, sequence) = (self.library.name(), self.sequence);
        let held = holdings.held(&self.library, &self.manifest).map_err(|error| match error {
            Error::Missing(_) => Failure::missing(format!(
                "release {sequence} of {name} is not held here; `chuan pull {name}@{sequence}` fetches it"
            )),
            error => error.into(),
        })?;
        if held.classes.is_empty() {
            return Err(Failure::missing(format!(
                "no class of release {sequence} of {name} is granted to this node, or none was pulled; \
                 `chuan pull {name}@{sequence}` fetches the granted ones"
            )));
        }
        Ok(held)
    }

    /// The same without the classes that are too old to be read by the channel's name, and the names of those
    /// classes. Fails if all are too old.
    pub(crate) fn held_and_fresh(&self, holdings: &Holdings) -> Result<(Held, Vec<String>)> {
        let mut held = self.held(holdings)?;
        let mut stale = Vec::new();
        for class in std::mem::take(&mut held.classes) {
            match self.check_age(&class) {
                Ok(()) => held.classes.push(class),
                Err(failure) if failure.exit == Exit::Stale => stale.push((class.header.name, failure)),
                Err(failure) => return Err(failure),
            }
        }
        match stale.pop() {
            Some((_, failure)) if held.classes.is_empty() => Err(failure),
            last => {
                stale.extend(last);
                Ok((held, stale.into_iter().map(|(name, _)| name).collect()))
            }
        }
    }

    /// Fails with [`Exit::Stale`] if the release was requested by a channel's name, and may have been out of
    /// date for longer than the library's policy allows the class. A release that is requested by its own
    /// name is read at any age.
    pub(crate) fn check_age(&self, class: &Class) -> Result<()> {
        let Some(channel) = &self.channel else { return Ok(()) };
        let row = self.library.policy().and_then(|policy| policy.classes.get(&class.header.slot));
        let Some(row) = row.filter(|row| row.is_stale(channel.staleness_ms)) else { return Ok(()) };
        let since = match channel.staleness_ms {
            Some(age_ms) => format!("may have been out of date for {} s", age_ms / 1000),
            None => "is of unknown age".to_owned(),
        };
        let (library, class, allowed) = (self.library.name(), &class.header.name, row.max_stale_ms / 1000);
        Err(Failure::new(
            Exit::Stale,
            format!(
                "{library}@{} {since}, and class `{class}` allows {allowed} s (max_stale): `chuan pull {library}` from a node \
                 that a timekeeper reaches, or name the release, {library}@{}",
                channel.name, self.sequence
            ),
        ))
    }

    /// The age of the freshness of the channel whose name was used.
    pub(crate) fn fresh_age_seconds(&self) -> Option<u64> {
        self.channel.as_ref().and_then(|channel| channel.fresh_age_seconds)
    }

    /// The release of the channel whose name was used, here and as announced.
    pub(crate) fn lag(&self, libraries: &LibraryService) -> Result<Option<Lag>> {
        self.channel.as_ref().map(|channel| libraries.lags.of(&self.library, &channel.name)).transpose()
    }

    /// The name of the channel that was used.
    pub(crate) fn channel_name(&self) -> Option<String> {
        self.channel.as_ref().map(|channel| channel.name.clone())
    }
}

/// Whether a text is the complete id of a release. Such a text never names a channel.
fn is_id_of_release(library: &Library, text: &str) -> bool {
    text.parse::<StatementId>().is_ok_and(|id| library.release(&id).is_some())
}

/// The option with which `chuan pull` fetches a channel.
fn how_to_pull(channel: &str) -> String {
    if channel == LIVE { String::new() } else { format!(" with the option `channel {channel}`") }
}

/// The release with this sequence, or whose id begins with this text.
pub(crate) fn find<'a>(library: &'a Library, at: &At) -> Result<Signed<'a, Release>> {
    let prefix = at.as_prefix();
    let is_numbered = |said: &Signed<'_, Release>| matches!(at, At::Sequence(number) if said.statement.sequence() == *number);
    let begins_so = |said: &Signed<'_, Release>| {
        prefix.as_ref().is_some_and(|prefix| said.statement.id().to_string().starts_with(prefix))
    };
    let mut found: Vec<_> = library.releases().into_iter().filter(is_numbered).collect();
    if found.is_empty() {
        found = library.releases().into_iter().filter(begins_so).collect();
    }
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
