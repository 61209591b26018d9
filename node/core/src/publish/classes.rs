//! What classes a publish makes: those of the release before, under the policy that was given or the one they had.
//!
//! A class keeps its slot for good. One that a new policy leaves out stays as it is called, without patterns and so without
//! paths: a slot that changed hands would be another class to some mirrors and the same to others. What the publisher's key
//! does not cover is copied from the parent's table, hash for hash.
//!
//! Which paths a class takes is for publishers of all classes to say. What a publisher of some says of that holds for its own
//! publishes of its own classes; others look past it to the release of a publisher of all classes before it, so that nobody
//! takes files by a pattern whose classes are not its own.

use std::collections::BTreeMap;

use chuan_engine::{
    Error,
    id::{Commitment, LibraryId, PageId, Salt, SaltKey},
    limits::CLASSES,
    manifest::{
        ClassRules,
        builder::Tree,
        classifier::{Class, Classifier},
        table::{ClassHeader, ClassTable, DEFAULT_CLASS},
        trespass::{self, Changed},
    },
    statement::{Body, Classes, Library, PublicKey, Release, ReleaseClass, Role, RoleKind, Said, Statement},
    store::Objects,
};

use crate::exit::{Failure, Result};

/// The classes before a publish, and what they are to be.
#[derive(Debug)]
pub(super) struct ClassPlan {
    /// The table of the release before; empty for a first one.
    table: Vec<(u8, Commitment)>,
    /// The headers in it that are held here.
    headers: BTreeMap<u8, (Commitment, ClassHeader)>,
    /// The names that the release before listed.
    names: BTreeMap<u8, String>,
    /// The table of the last release of a publisher of all classes; `None` where that is not known.
    last_said: Option<BTreeMap<u8, Commitment>>,
    classifier: Classifier,
    /// Whether the release must list its classes by name: where a publisher is limited to some, the next must be able to tell
    /// that it left the others alone.
    lists: bool,
}

/// What a publish made of the classes.
#[derive(Debug)]
pub(super) struct Sealed {
    /// The new table.
    pub(super) table: ClassTable,
    /// The headers of the classes that were published, by slot: also of those that stayed as they were.
    pub(super) ours: Vec<ClassHeader>,
    /// The table with names; empty where nobody needs it.
    pub(super) listed: Vec<ReleaseClass>,
}

impl ClassPlan {
    /// Plans the release after `before`, for all of `publishers` to sign. `policy` has classes by name; without it, all stays
    /// as it is.
    pub(super) fn new(
        store: &dyn Objects,
        library: Option<&Library>,
        publishers: &[PublicKey],
        before: Option<Said<'_, Release>>,
        policy: Option<Vec<(String, ClassRules)>>,
    ) -> Result<Self> {
        let root = library.and_then(Library::root);
        let covers =
            |class: Classes| root.is_none_or(|root| root.allows(RoleKind::Publisher, &class, publishers));
        let covers_name = |name: &str| Classes::new(vec![name.to_owned()]).is_ok_and(&covers);
        let table = match before {
            Some(before) => ClassTable::load(store, &before.body.manifest)?.classes,
            None => Vec::new(),
        };
        let listed = before.map(|before| before.body.classes.as_slice()).unwrap_or_default();
        let names: BTreeMap<_, _> = listed.iter().map(|class| (class.slot, class.name.clone())).collect();
        let covers_all = covers(Classes::all());
        let without = |slot: u8| match names.get(&slot) {
            name if covers_all || name.is_some_and(|name| covers_name(name)) => Err(not_here(library, name)),
            _ => Ok(()),
        };
        let headers = headers(store, &table, without)?;
        let last_said =
            library.zip(before).and_then(|(library, before)| as_last_said(library, before, &table));
        let mut classes = Vec::new();
        for (slot, (_, header)) in &headers {
            // The listed name is the one that a limited publisher's key was judged by.
            let name = names.get(slot).unwrap_or(&header.name).clone();
            let is_ours = covers_name(&name);
            let policy = match policy_of(store, *slot, last_said.as_ref())? {
                // What is given takes its place.
                _ if is_ours && policy.is_some() => ClassRules::default(),
                _ if is_ours && !covers_all => ClassRules::decode(&header.policy)?,
                Some(policy) => policy,
                None if covers_all => return Err(nothing_said(&name)),
                None => ClassRules::default(),
            };
            classes.push(Class { slot: *slot, name, policy, is_ours });
        }
        if let Some(policy) = policy {
            apply(&mut classes, &table, policy, &covers_name)?;
        }
        let (slot, name) = DEFAULT_CLASS;
        if !classes.iter().any(Class::is_default) && covers_name(name) {
            let slot = free_slot(&classes, &table, slot)?;
            classes.push(Class { slot, ..Class::default_class() });
        }
        let limits = |role: &Role| role.kind == RoleKind::Publisher && !role.classes.is_all();
        let lists = root.is_some_and(|root| root.roles.iter().any(limits));
        Ok(Self { table, headers, names, last_said, classifier: Classifier::new(classes)?, lists })
    }

    /// Which path goes into which class.
    pub(super) fn classifier(&self) -> Classifier {
        self.classifier.clone()
    }

    /// The entry trees that the publish goes on from, by slot, ascending.
    pub(super) fn previous(&self) -> Vec<(u8, PageId)> {
        let held = self.classifier.slots().filter_map(|slot| Some((slot, self.headers.get(&slot)?.1.root)));
        held.collect()
    }

    /// Makes the headers of the trees that were built, and the table. What did not change keeps its header, whoever
    /// published it.
    pub(super) fn seal(&self, library: &LibraryId, trees: &[(u8, Tree)], salt: &SaltKey) -> Result<Sealed> {
        let mut table: BTreeMap<u8, Commitment> = self.table.iter().copied().collect();
        let mut ours = Vec::new();
        for (slot, tree) in trees {
            let class = self.classifier.classes().iter().find(|class| class.slot == *slot);
            let class =
                class.ok_or_else(|| Failure::internal(format!("a tree of no class, in slot {slot}")))?;
            let (commitment, header) = self.header(library, class, tree, salt);
            table.insert(*slot, commitment);
            ours.push(header);
        }
        if ours.is_empty() {
            return Err(Failure::denied(
                "the publishers' keys that sign are for none of the library's classes, or are too few: name a class with \
                 --policy, or more keys with --key",
            ));
        }
        let listed = if self.lists { self.list(&table)? } else { Vec::new() };
        Ok(Sealed { table: ClassTable { classes: table.into_iter().collect() }, ours, listed })
    }

    /// Fails where a class that is published gains a path that a class has which these publishers have no say in: every node that
    /// holds both would refuse the release. Nodes compare with the last release of a publisher of all classes, so a path counts
    /// that the other class had there, also where it has left it since.
    pub(super) fn check_trespass(&self, store: &dyn Objects, sealed: &Sealed) -> Result<()> {
        let last = headers(
            store,
            &self.last_said.iter().flatten().map(|(slot, id)| (*slot, *id)).collect::<Vec<_>>(),
            |_| Ok(()),
        )?;
        let slots: Vec<u8> = self.classifier.slots().collect();
        let foreign = self.headers.iter().chain(&last).filter(|(slot, _)| !slots.contains(slot));
        let others: Vec<_> = foreign.map(|(slot, (_, header))| (*slot, header.root)).collect();
        let changed = |header: &ClassHeader| Changed {
            slot: header.slot,
            old: last.get(&header.slot).or_else(|| self.headers.get(&header.slot)).map(|(_, old)| old.root),
            new: header.root,
            others: others.clone(),
        };
        let classes: Vec<_> = sealed.ours.iter().map(changed).collect();
        let Some(found) = trespass::find(store, &classes)? else { return Ok(()) };
        let name = |slot: u8| self.headers.get(&slot).map_or("", |(_, header)| header.name.as_str());
        Err(Failure::denied(format!(
            "{} is in class `{}`, which this publisher may not publish; leave it out of the folder",
            found.path,
            name(found.other)
        )))
    }

    /// The table with the names of its classes.
    fn list(&self, table: &BTreeMap<u8, Commitment>) -> Result<Vec<ReleaseClass>> {
        let named = |(slot, commitment): (&u8, &Commitment)| {
            let classes = self.classifier.classes();
            let known = classes.iter().find(|class| class.slot == *slot).map(|class| &class.name);
            let name = known.or_else(|| self.names.get(slot)).cloned().ok_or_else(|| {
                Failure::denied(
                    "the release before does not list its classes, as it must for a publisher of some of them to follow: \
                     let a publisher of all classes publish once",
                )
            })?;
            Ok(ReleaseClass { slot: *slot, name, commitment: *commitment })
        };
        table.iter().map(named).collect()
    }

    fn header(
        &self,
        library: &LibraryId,
        class: &Class,
        tree: &Tree,
        salt: &SaltKey,
    ) -> (Commitment, ClassHeader) {
        let made = ClassHeader {
            name: class.name.clone(),
            slot: class.slot,
            salt: Salt::of_class(salt, &tree.root),
            root: tree.root,
            level: tree.level,
            sums: tree.sums,
            policy: class.policy.encode(),
        };
        match self.headers.get(&class.slot) {
            Some((commitment, old)) if ClassHeader { salt: old.salt, ..made.clone() } == *old => {
                (*commitment, old.clone())
            }
            _ => (made.id(library), made),
        }
    }
}

/// The headers of a table that are held; `without` fails for the slots that cannot be done without.
fn headers(
    store: &dyn Objects,
    table: &[(u8, Commitment)],
    without: impl Fn(u8) -> Result<()>,
) -> Result<BTreeMap<u8, (Commitment, ClassHeader)>> {
    let mut headers = BTreeMap::new();
    for (slot, commitment) in table {
        match ClassHeader::load(store, commitment) {
            Err(Error::Missing(_)) => without(*slot)?,
            header => drop(headers.insert(*slot, (*commitment, header?))),
        }
    }
    Ok(headers)
}

/// The classes as the newest release up to `before` has them that a publisher of all classes signed, of today or of earlier.
/// None where that is not known.
fn as_last_said<'a>(
    library: &'a Library,
    before: Said<'a, Release>,
    table: &[(u8, Commitment)],
) -> Option<BTreeMap<u8, Commitment>> {
    let is_of_all = |statement: &Statement| {
        let signers: Vec<_> = statement.signers().copied().collect();
        library.roots().any(|root| match root.body() {
            Body::Root(root) => root.allows(RoleKind::Publisher, &Classes::all(), &signers),
            _ => false,
        })
    };
    if is_of_all(before.statement) {
        return Some(table.iter().copied().collect());
    }
    let mut at = before;
    while !is_of_all(at.statement) {
        at = library.release(at.body.parents.first()?)?;
    }
    // What a limited publisher goes on from lists its classes.
    Some(at.body.classes.iter().map(|class| (class.slot, class.commitment)).collect())
}

/// The policy of the class in `slot` as one of `said`; one that says nothing for a class that is newer. None where it is not
/// held.
fn policy_of(
    store: &dyn Objects,
    slot: u8,
    said: Option<&BTreeMap<u8, Commitment>>,
) -> Result<Option<ClassRules>> {
    let Some(said) = said else { return Ok(None) };
    let Some(commitment) = said.get(&slot) else { return Ok(Some(ClassRules::default())) };
    match ClassHeader::load(store, commitment) {
        Ok(header) => Ok(Some(ClassRules::decode(&header.policy)?)),
        Err(Error::Missing(_)) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

fn nothing_said(class: &str) -> Failure {
    Failure::missing(format!(
        "which paths are in class `{class}` was last said in a release that is not held here, by a publisher of all classes: say it \
         with --policy, or first pull a channel that stands at that release"
    ))
}

/// A class that this publisher is to publish is not here. Made anew, it would be a second one of its name, in another slot.
fn not_here(library: Option<&Library>, name: Option<&String>) -> Failure {
    let library = library.map_or("", Library::name);
    let class = name.map_or_else(|| "a class".to_owned(), |name| format!("class `{name}`"));
    Failure::missing(format!(
        "{class} of the release before is not here, and this publisher's key is for it: `chuan pull {library}` first; where \
         that does not bring it, let an operator grant it to this node"
    ))
}

/// Puts a policy in the place of the one that the classes had.
fn apply(
    classes: &mut Vec<Class>,
    table: &[(u8, Commitment)],
    policy: Vec<(String, ClassRules)>,
    covers: &impl Fn(&str) -> bool,
) -> Result<()> {
    let default = DEFAULT_CLASS.1;
    for class in classes.iter_mut().filter(|class| class.is_ours) {
        class.policy = ClassRules::default();
    }
    for (name, policy) in policy {
        if !covers(&name) {
            return Err(Failure::denied(format!(
                "this publisher's key is not for class `{name}`: leave it out of the policy, it stays as it is"
            )));
        }
        match classes.iter_mut().find(|class| class.name == name) {
            Some(class) => class.policy = policy,
            None => {
                let first = if name == default { DEFAULT_CLASS.0 } else { DEFAULT_CLASS.0 + 1 };
                let slot = free_slot(classes, table, first)?;
                classes.push(Class { slot, name, policy, is_ours: true });
            }
        }
    }
    Ok(())
}

/// The lowest slot from `first` on that no class has, or had.
fn free_slot(classes: &[Class], table: &[(u8, Commitment)], first: u8) -> Result<u8> {
    let is_taken = |slot: u8| {
        table.iter().any(|(taken, _)| *taken == slot) || classes.iter().any(|class| class.slot == slot)
    };
    let slots = u8::try_from(CLASSES).unwrap_or(u8::MAX);
    (first..slots).find(|slot| !is_taken(*slot)).ok_or_else(|| {
        Failure::invalid(format!("a library has at most {CLASSES} classes, those it once had included"))
    })
}
