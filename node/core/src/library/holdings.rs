//! The classes and releases that are complete in this home, and those that this node may have.

use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex, PoisonError},
};

use chuan_engine::{
    Error,
    id::{Commitment, LibraryId, ManifestId, PageId},
    manifest::{
        Sums,
        table::{ClassHeader, ClassTable},
    },
    statement::{Library, access},
    store::{ObjectId, PageState},
    verify::{self, Missing},
};

use crate::{context::Context, exit::Result, outcome::ClassRow};

/// Finds complete classes and releases in the store.
#[derive(Debug)]
pub(crate) struct Holdings {
    context: Arc<Context>,
    /// The classes that were found whole although the library has lost objects.
    despite: Mutex<Option<Despite>>,
}

/// Classes of one library that are whole although it has lost objects.
#[derive(Debug)]
struct Despite {
    library: LibraryId,
    /// The lost objects when the classes were walked.
    lost: Vec<ObjectId>,
    whole: BTreeSet<Commitment>,
}

/// A class of a manifest, whose header is held.
#[derive(Clone, Debug)]
pub(crate) struct Class {
    pub(crate) commitment: Commitment,
    pub(crate) header: ClassHeader,
}

/// The classes of a manifest on this node.
#[derive(Clone, Debug, Default)]
pub(crate) struct Held {
    /// Classes that are granted to this node, and others that are whole here, ascending by slot.
    pub(crate) classes: Vec<Class>,
    /// The slots of all other classes.
    pub(crate) absent: Vec<u8>,
}

impl Held {
    /// The entry trees, by slot, ascending.
    pub(crate) fn trees(&self) -> Vec<(u8, PageId)> {
        self.classes.iter().map(|class| (class.header.slot, class.header.root)).collect()
    }

    /// The number of other classes of the manifest.
    pub(crate) fn classes_absent(&self) -> u64 {
        self.absent.len() as u64
    }

    /// The sums over the classes.
    pub(crate) fn sums(&self) -> Sums {
        let sums = self.classes.iter().map(|class| class.header.sums);
        // Only forged headers overflow.
        sums.fold(Sums::default(), |all, sums| all.checked_add(sums).unwrap_or(all))
    }

    /// The name of the class in a slot.
    pub(crate) fn name(&self, slot: u8) -> &str {
        let class = self.classes.iter().find(|class| class.header.slot == slot);
        class.map_or("", |class| &class.header.name)
    }

    /// The names of the classes.
    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        self.classes.iter().map(|class| class.header.name.as_str())
    }

    /// The classes, for answers.
    pub(crate) fn rows(&self) -> Vec<ClassRow> {
        self.classes.iter().map(|class| ClassRow::of(&class.header)).collect()
    }
}

impl Holdings {
    pub(super) fn new(context: Arc<Context>) -> Self {
        Self { context, despite: Mutex::default() }
    }

    /// The classes of a manifest on this node. A class that is not granted is included if it is whole: it was
    /// granted before, and its content is still useful.
    ///
    /// # Errors
    ///
    /// [`Error::Missing`] if the class table is not held.
    pub(crate) fn held(&self, library: &Library, manifest: &ManifestId) -> Result<Held, Error> {
        let objects = self.context.objects(&library.id());
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

    /// The classes in these slots that are whole here with an earlier release, each of the newest one: they
    /// were granted to this node before.
    pub(crate) fn former(&self, library: &Library, slots: &[u8]) -> Result<Vec<Class>, Error> {
        let mut former: Vec<Class> = Vec::new();
        for said in library.releases().into_iter().rev() {
            if former.len() == slots.len() {
                break;
            }
            let held = match self.held(library, &said.body.manifest) {
                Err(error) if error.is_unreadable() => continue,
                held => held?,
            };
            for class in held.classes {
                let slot = class.header.slot;
                let is_new = slots.contains(&slot) && !former.iter().any(|other| other.header.slot == slot);
                if is_new && self.is_whole(&library.id(), &class.commitment)? {
                    former.push(class);
                }
            }
        }
        Ok(former)
    }

    /// Whether this node may have the class of this name. A node that is not a member is limited by no grant.
    pub(crate) fn is_granted(&self, library: &Library, class: &str) -> bool {
        access::expects(library, &self.context.me(), class, self.context.now_ms())
    }

    /// Whether this node may have every class, of any name.
    pub(crate) fn is_granted_all(&self, library: &Library) -> bool {
        access::expects_all(library, &self.context.me())
    }

    /// Whether all classes of a release that this node may have are whole here, as far as that can be known.
    pub(crate) fn is_release_whole(&self, library: &Library, manifest: &ManifestId) -> Result<bool> {
        self.all_of(library, manifest, |class| Ok(self.is_whole(&library.id(), &class.commitment)?))
    }

    /// Whether `test` is true for every class of a release that this node may have; false if one of them is
    /// not here.
    pub(crate) fn all_of(
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

    /// Whether all content below a class header is held. Walks it where no mark shows that, and writes the
    /// marks.
    pub(crate) fn is_whole(&self, library: &LibraryId, commitment: &Commitment) -> Result<bool, Error> {
        if self.is_full(library, &commitment.as_page())? {
            return Ok(true);
        }
        let walked = verify::mark_full(&*self.context.objects(library), commitment, &mut Missing::up_to(1))?;
        Ok(walked.state == PageState::Full)
    }

    /// Like [`Holdings::is_whole`], only to write the marks, which save time later. A failure is logged.
    pub(crate) fn mark(&self, library: &LibraryId, commitment: &Commitment) {
        if let Err(error) = self.is_whole(library, commitment) {
            tracing::debug!(%error, "a release could not be marked as whole");
        }
    }

    /// Whether a mark shows that all content below a page is held. While the library has lost objects, no
    /// mark is trusted.
    pub(crate) fn is_full(&self, library: &LibraryId, page: &PageId) -> Result<bool, Error> {
        let objects = self.context.objects(library);
        let state = objects.page_states(std::slice::from_ref(page))?.pop();
        Ok(state == Some(PageState::Full) && objects.lost()?.is_empty())
    }

    /// Whether the granted classes of a release are complete here. Walks them where no mark shows that. After
    /// a pull that did not end, only classes with a mark can be complete. After a loss, no mark is trusted: a
    /// class is walked, once as long as the lost objects are the same.
    pub(crate) fn is_complete(&self, library: &Library, manifest: &ManifestId) -> Result<bool> {
        let lost = self.context.objects(&library.id()).lost()?;
        let is_unfinished = self.context.home.pull_unfinished(&library.id());
        if lost.is_empty() && !is_unfinished {
            return self.is_release_whole(library, manifest);
        }
        self.all_of(library, manifest, |class| {
            if is_unfinished && !self.has_mark(&library.id(), &class.commitment)? {
                return Ok(false);
            }
            Ok(lost.is_empty() || self.is_whole_despite(&library.id(), &lost, &class.commitment)?)
        })
    }

    fn has_mark(&self, library: &LibraryId, commitment: &Commitment) -> Result<bool, Error> {
        let objects = self.context.objects(library);
        Ok(objects.page_states(&[commitment.as_page()])?.pop() == Some(PageState::Full))
    }

    /// Whether a class is whole although the library has lost objects: it may have none of them.
    fn is_whole_despite(
        &self,
        library: &LibraryId,
        lost: &[ObjectId],
        commitment: &Commitment,
    ) -> Result<bool, Error> {
        let known = |despite: &&mut Despite| despite.library == *library && despite.lost == lost;
        let is_known = {
            let mut despite = self.despite.lock().unwrap_or_else(PoisonError::into_inner);
            despite.as_mut().filter(known).is_some_and(|despite| despite.whole.contains(commitment))
        };
        if is_known {
            return Ok(true);
        }
        if !verify::is_held(&*self.context.objects(library), commitment)? {
            return Ok(false);
        }
        let mut despite = self.despite.lock().unwrap_or_else(PoisonError::into_inner);
        match despite.as_mut().filter(known) {
            Some(despite) => drop(despite.whole.insert(*commitment)),
            None => {
                let (library, lost) = (*library, lost.to_vec());
                *despite = Some(Despite { library, lost, whole: BTreeSet::from([*commitment]) });
            }
        }
        Ok(true)
    }
}
