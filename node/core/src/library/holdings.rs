//! What `films@12`, `films@abcdef` and `films@live` name, and the classes behind it that this node has.

use std::sync::Arc;

use chuan_engine::{
    Error,
    id::{Commitment, LibraryId, ManifestId, PageId, StatementId},
    manifest::{
        Sums,
        table::{ClassHeader, ClassTable},
    },
    statement::{Library, Release, Said, Verbs},
    store::PageState,
    verify::{self, Missing},
};

use super::{Inner, now_ms};
use crate::{
    exit::{Exit, Failure, Result},
    outcome::ClassRow,
    spec::{At, LIVE, Spec},
};

/// A release that was asked for.
#[derive(Debug)]
pub(super) struct Found {
    pub(super) library: Arc<Library>,
    pub(super) id: StatementId,
    pub(super) sequence: u64,
    pub(super) manifest: ManifestId,
    /// The channel by whose name it was asked for.
    pub(super) channel: Option<Named>,
}

/// A channel by whose name a release was asked for, and how fresh that is.
#[derive(Debug)]
pub(super) struct Named {
    name: String,
    fresh_age_seconds: Option<u64>,
    /// For how long what stands here may have been out of date, as far as is known.
    staleness_ms: Option<u64>,
}

/// A class of a manifest, whose header is held.
#[derive(Clone, Debug)]
pub(super) struct Class {
    pub(super) commitment: Commitment,
    pub(super) header: ClassHeader,
}

/// The classes of a manifest, as far as they are this node's.
#[derive(Clone, Debug)]
pub(super) struct Held {
    /// Those that are granted here, and those that are whole all the same: ascending by slot.
    pub(super) classes: Vec<Class>,
    /// The slots of the others.
    pub(super) absent: Vec<u8>,
}

impl Held {
    /// The entry trees, by slot, ascending.
    pub(super) fn trees(&self) -> Vec<(u8, PageId)> {
        self.classes.iter().map(|class| (class.header.slot, class.header.root)).collect()
    }

    /// How many classes the manifest has beside those.
    pub(super) fn classes_absent(&self) -> u64 {
        self.absent.len() as u64
    }

    /// What the classes hold together.
    pub(super) fn sums(&self) -> Sums {
        let sums = self.classes.iter().map(|class| class.header.sums);
        // Only forged headers overflow.
        sums.fold(Sums::default(), |all, sums| all.checked_add(sums).unwrap_or(all))
    }

    /// The name of the class in a slot.
    pub(super) fn name(&self, slot: u8) -> &str {
        let class = self.classes.iter().find(|class| class.header.slot == slot);
        class.map_or("", |class| &class.header.name)
    }

    /// The classes, for answers.
    pub(super) fn rows(&self) -> Vec<ClassRow> {
        self.classes.iter().map(|class| ClassRow::of(&class.header)).collect()
    }
}

impl Inner {
    /// Finds the release that `spec` names; its data need not be held.
    pub(super) fn release(&self, spec: &Spec) -> Result<Found> {
        let library = self.libraries.named(&spec.library)?;
        let (said, channel) = match &spec.at {
            At::Name(name) if library.channel(name).is_some() => {
                let said = self.here(&library, name)?.ok_or_else(|| {
                    let (library, how) = (library.name(), how_to_pull(name));
                    Failure::missing(format!(
                        "nothing of {library}@{name} is here yet; `chuan pull {library}{how}`"
                    ))
                })?;
                let fresh_age_seconds = self.age_here(&library, name)?;
                let staleness_ms = self.staleness_ms(&library, name)?;
                (said, Some(Named { name: name.clone(), fresh_age_seconds, staleness_ms }))
            }
            at => (find(&library, at)?, None),
        };
        let (id, sequence, manifest) = (said.statement.id(), said.statement.sequence(), said.body.manifest);
        Ok(Found { library, id, sequence, manifest, channel })
    }

    /// The same, for its files to be given out. A release that is refused for a path of another class may be here all the
    /// same: by its number, or because that class was granted later.
    ///
    /// # Errors
    ///
    /// Denied where it is refused, as far as its pages are here.
    pub(super) fn release_to_read(&self, spec: &Spec) -> Result<Found> {
        let found = self.release(spec)?;
        match found.library.check_trespass(&*self.objects(&found.library.id()), &found.id) {
            Err(error @ Error::Trespass(_)) => Err(error.into()),
            // What cannot be read shows where it is read.
            _ => Ok(found),
        }
    }
}

impl Inner {
    /// The classes of a manifest that this node has. A class that is not granted counts where it is whole: it was granted
    /// once, and nothing that is here stops being of use.
    ///
    /// # Errors
    ///
    /// [`Error::Missing`] where the class table is not held.
    pub(super) fn held(&self, library: &Library, manifest: &ManifestId) -> Result<Held, Error> {
        let objects = self.objects(&library.id());
        let table = ClassTable::load(&*objects, manifest)?;
        let mut held = Held { classes: Vec::new(), absent: Vec::new() };
        for (slot, commitment) in table.classes {
            let header = match ClassHeader::load(&*objects, &commitment) {
                Err(Error::Missing(_)) => None,
                header => Some(header?),
            };
            match header {
                Some(header)
                    if self.is_granted(library, &header.name)
                        || self.is_whole(&library.id(), &commitment)? =>
                {
                    held.classes.push(Class { commitment, header });
                }
                _ => held.absent.push(slot),
            }
        }
        Ok(held)
    }

    /// Whether this node may have the class of this name. Where it is no member, nobody has limited it.
    pub(super) fn is_granted(&self, library: &Library, class: &str) -> bool {
        let node = self.me.id();
        library.member(&node).is_none() || library.may(&node, class, Verbs::PULL, now_ms())
    }

    /// Whether this node may have every class, whatever it is called.
    pub(super) fn is_granted_all(&self, library: &Library) -> bool {
        let node = self.me.id();
        library.member(&node).is_none() || library.grants(&node).any(|said| said.body.classes.is_all())
    }

    /// Whether all of a release is here that this node may have, as far as that can be known.
    pub(super) fn is_release_whole(&self, library: &Library, manifest: &ManifestId) -> Result<bool> {
        self.all_of(library, manifest, |class| Ok(self.is_whole(&library.id(), &class.commitment)?))
    }

    /// Whether `test` holds of every class of a release that this node may have; not where one of them is not here.
    pub(super) fn all_of(
        &self,
        library: &Library,
        manifest: &ManifestId,
        test: impl Fn(&Class) -> Result<bool>,
    ) -> Result<bool> {
        let Ok(held) = self.held(library, manifest) else { return Ok(false) };
        if held.classes.is_empty() || (!held.absent.is_empty() && self.is_granted_all(library)) {
            return Ok(false);
        }
        for class in &held.classes {
            if !test(class)? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Whether all below a class header is held: looks where no mark says so, and remembers what it sees.
    pub(super) fn is_whole(&self, library: &LibraryId, commitment: &Commitment) -> Result<bool, Error> {
        if self.is_full(library, &commitment.as_page())? {
            return Ok(true);
        }
        let walked = verify::mark_full(&*self.objects(library), commitment, &mut Missing::up_to(1))?;
        Ok(walked.state == PageState::Full)
    }

    /// Like [`Inner::is_whole`], where nothing hangs on the answer but time.
    pub(super) fn mark(&self, library: &LibraryId, commitment: &Commitment) {
        if let Err(error) = self.is_whole(library, commitment) {
            tracing::debug!(%error, "a release could not be marked as whole");
        }
    }

    /// Whether all below a page is known to be held. Where something was lost since, nobody knows.
    pub(super) fn is_full(&self, library: &LibraryId, page: &PageId) -> Result<bool, Error> {
        let objects = self.objects(library);
        let state = objects.page_states(std::slice::from_ref(page))?.pop();
        Ok(state == Some(PageState::Full) && objects.lost()?.is_empty())
    }
}

impl Found {
    /// The classes of the release that this node has; fails where there is none.
    pub(super) fn held(&self, node: &Inner) -> Result<Held> {
        let (name, sequence) = (self.library.name(), self.sequence);
        let held = node.held(&self.library, &self.manifest).map_err(|error| match error {
            Error::Missing(_) => Failure::missing(format!(
                "release {sequence} of {name} is not held here; `chuan pull {name}` fetches the current one"
            )),
            error => error.into(),
        })?;
        if held.classes.is_empty() {
            return Err(Failure::missing(format!(
                "no class of release {sequence} of {name} is granted to this node, or none was pulled; \
                 `chuan pull {name}` fetches what is"
            )));
        }
        Ok(held)
    }

    /// The same, without the classes that are too old to be read by the channel's name, and the names of these; fails where that
    /// is all of them.
    pub(super) fn held_and_fresh(&self, node: &Inner) -> Result<(Held, Vec<String>)> {
        let mut held = self.held(node)?;
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

    /// Fails with [`Exit::Stale`] where a class was asked for by a channel's name, and what stands here may have been out of date for
    /// longer than the library's policy allows the class. By its own name, a release is read whatever its age.
    pub(super) fn check_age(&self, class: &Class) -> Result<()> {
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

    /// How long ago the channel that it was asked for by was vouched for.
    pub(super) fn fresh_age_seconds(&self) -> Option<u64> {
        self.channel.as_ref().and_then(|channel| channel.fresh_age_seconds)
    }

    /// The name of the channel that it was asked for by.
    pub(super) fn channel_name(&self) -> Option<String> {
        self.channel.as_ref().map(|channel| channel.name.clone())
    }
}

/// What `chuan pull` needs to hear to fetch a channel.
fn how_to_pull(channel: &str) -> String {
    if channel == LIVE { String::new() } else { format!(" --channel {channel}") }
}

/// The release of this number, or whose id begins so.
pub(crate) fn find<'a>(library: &'a Library, at: &At) -> Result<Said<'a, Release>> {
    let prefix = at.as_prefix();
    let is_numbered =
        |said: &Said<'_, Release>| matches!(at, At::Sequence(number) if said.statement.sequence() == *number);
    let begins_so = |said: &Said<'_, Release>| {
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
