//! The classes of a publish: those of the parent release, with the given rules or with the rules they had.
//!
//! A class keeps its slot forever. A class that a new policy leaves out keeps its name, and has no patterns
//! and so no paths: if another class got its slot, some mirrors would take it for the old class. Classes that
//! the publisher's key does not cover are copied from the parent's table, hash by hash.
//!
//! A publisher of all classes decides which paths a class takes. The rules of a limited publisher are used
//! only when it publishes its own classes. All other publishes use the rules of the last release by a
//! publisher of all classes. So a limited publisher cannot take files of other classes by its patterns.

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
    statement::{
        Body, Classes, Library, PublicKey, Release, ReleaseClass, Role, RoleKind, Signed, Statement,
    },
    store::Objects,
};

use crate::exit::{Failure, Result};

/// The classes before a publish and after it.
#[derive(Debug)]
pub(crate) struct ClassPlan {
    /// The table of the parent release; empty for a first release.
    table: Vec<(u8, Commitment)>,
    /// The headers of this table that are held here.
    headers: BTreeMap<u8, (Commitment, ClassHeader)>,
    /// The names that the parent release lists.
    names: BTreeMap<u8, String>,
    /// The table of the last release by a publisher of all classes; `None` if that is not known.
    full_table: Option<BTreeMap<u8, Commitment>>,
    classifier: Classifier,
    /// Whether the release must list its classes by name. This is so if the root has a limited publisher:
    /// nodes must see that the next release of that publisher did not change other classes.
    lists: bool,
}

/// The classes of a new release.
#[derive(Debug)]
pub(crate) struct Sealed {
    /// The new table.
    pub(crate) table: ClassTable,
    /// The headers of the published classes, by slot, unchanged ones included.
    pub(crate) ours: Vec<ClassHeader>,
    /// The table with names; empty if the root has no limited publisher.
    pub(crate) listed: Vec<ReleaseClass>,
}

impl ClassPlan {
    /// Plans the release after `before`, which all of `publishers` sign. `policy` has the rules of classes by
    /// name; without it, all rules stay.
    pub(crate) fn new(
        store: &dyn Objects,
        library: Option<&Library>,
        publishers: &[PublicKey],
        before: Option<Signed<'_, Release>>,
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
        let full_table =
            library.zip(before).and_then(|(library, before)| full_table_of(library, before, &table));
        let mut classes = Vec::new();
        for (slot, (_, header)) in &headers {
            // The rights of a limited publisher's key are checked against the listed name.
            let name = names.get(slot).unwrap_or(&header.name).clone();
            let is_ours = covers_name(&name);
            let policy = match rules_of(store, *slot, full_table.as_ref())? {
                // The given policy replaces them.
                _ if is_ours && policy.is_some() => ClassRules::default(),
                _ if is_ours && !covers_all => ClassRules::decode(&header.policy)?,
                Some(policy) => policy,
                None if covers_all => return Err(rules_unknown(&name)),
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
        Ok(Self { table, headers, names, full_table, classifier: Classifier::new(classes)?, lists })
    }

    /// The classifier of paths.
    pub(crate) fn classifier(&self) -> Classifier {
        self.classifier.clone()
    }

    /// The entry trees on which the publish is based, by slot, ascending.
    pub(crate) fn previous(&self) -> Vec<(u8, PageId)> {
        let held = self.classifier.slots().filter_map(|slot| Some((slot, self.headers.get(&slot)?.1.root)));
        held.collect()
    }

    /// Makes the headers of the built trees, and the table. A class that did not change keeps its header,
    /// whichever publisher made it.
    pub(crate) fn seal(&self, library: &LibraryId, trees: &[(u8, Tree)], salt: &SaltKey) -> Result<Sealed> {
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
                "the signing publisher keys cover no class of the library, or are too few: name a class with the option \
                 `policy`, or more keys with the option `key`",
            ));
        }
        let listed = if self.lists { self.list(&table)? } else { Vec::new() };
        Ok(Sealed { table: ClassTable { classes: table.into_iter().collect() }, ours, listed })
    }

    /// Fails if a published class gains a path of a class that these publishers may not publish: every node
    /// that holds both classes would refuse the release. Nodes compare with the last release by a publisher
    /// of all classes. So a path of the other class in that release is refused, even if the class has lost it
    /// since.
    pub(crate) fn check_trespass(&self, store: &dyn Objects, sealed: &Sealed) -> Result<()> {
        let last = headers(
            store,
            &self.full_table.iter().flatten().map(|(slot, id)| (*slot, *id)).collect::<Vec<_>>(),
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
                    "the parent release does not list its classes by name, which a limited publisher needs: let a publisher \
                     of all classes publish once",
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

/// The headers of a table that are held. For a missing header, `without` decides whether that is an error.
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

/// The table of the newest release, up to `before`, that a publisher of all classes signed, by any known
/// root. `None` if it is not known.
fn full_table_of<'a>(
    library: &'a Library,
    before: Signed<'a, Release>,
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
    // The parent of a limited publisher's release lists its classes.
    Some(at.body.classes.iter().map(|class| (class.slot, class.commitment)).collect())
}

/// The rules of the class in `slot` of a table; empty rules for a class that is newer than the table. `None`
/// if the table is not known or the header is not held.
fn rules_of(
    store: &dyn Objects,
    slot: u8,
    table: Option<&BTreeMap<u8, Commitment>>,
) -> Result<Option<ClassRules>> {
    let Some(table) = table else { return Ok(None) };
    let Some(commitment) = table.get(&slot) else { return Ok(Some(ClassRules::default())) };
    match ClassHeader::load(store, commitment) {
        Ok(header) => Ok(Some(ClassRules::decode(&header.policy)?)),
        Err(Error::Missing(_)) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

fn rules_unknown(class: &str) -> Failure {
    Failure::missing(format!(
        "the paths of class `{class}` are defined in a release that is not held here, by a publisher of all classes: define \
         them with the option `policy`, or first pull a channel that points to that release"
    ))
}

/// The error for a class that this publisher must publish and that is not here. A new class would be a second
/// one of that name, in another slot.
fn not_here(library: Option<&Library>, name: Option<&String>) -> Failure {
    let library = library.map_or("", Library::name);
    let class = name.map_or_else(|| "a class".to_owned(), |name| format!("class `{name}`"));
    Failure::missing(format!(
        "{class} of the parent release is not here, and this publisher's key covers it: `chuan pull {library}` first; if that \
         does not fetch it, let an operator grant it to this node"
    ))
}

/// Replaces the rules of the classes by those of a policy.
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
                "this publisher's key does not cover class `{name}`: leave it out of the policy; it stays as it is"
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

/// The lowest slot from `first` on that no class has or had.
fn free_slot(classes: &[Class], table: &[(u8, Commitment)], first: u8) -> Result<u8> {
    let is_taken = |slot: u8| {
        table.iter().any(|(taken, _)| *taken == slot) || classes.iter().any(|class| class.slot == slot)
    };
    let slots = u8::try_from(CLASSES).unwrap_or(u8::MAX);
    (first..slots).find(|slot| !is_taken(*slot)).ok_or_else(|| {
        Failure::invalid(format!("a library has at most {CLASSES} classes, former classes included"))
    })
}
