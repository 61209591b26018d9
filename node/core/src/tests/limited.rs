//! Limited publishers, with statements and a store in memory: the classes that they may change, and those
//! that they leave unchanged.

use chuan_engine::{
    id::{ManifestId, Salt, SaltKey, StatementId},
    manifest::{
        ClassRules, EntryKind, EntryPath,
        builder::EntryTreeBuilder,
        table::{ClassHeader, ClassTable},
    },
    statement::{
        Accepted, Body, Classes, Header, Key, ReleaseClass, Role as LibraryRole, RoleKind, Root, Statement,
        library::release_of_classes,
    },
    store::{Object, Objects, memory::MemoryObjects},
};

use super::*;
use crate::publish::classes::{ClassPlan, Sealed};

/// A library with a publisher of all classes, one of `trailers` only and one of `masters` only. `store` has
/// its first release.
struct Limited {
    library: Library,
    store: MemoryObjects,
    all: Key,
    masters: Key,
    trailers: Key,
    plan: ClassPlan,
    table: ClassTable,
    before: StatementId,
}

impl Limited {
    fn new() -> Self {
        let [root, all, trailers, masters] = [1, 2, 3, 4].map(|seed| Key::from_seed([seed; 32]));
        let founders =
            chuan_engine::statement::library::Founders { root: &root, operator: &all, publisher: &all };
        let (id, first) =
            chuan_engine::statement::library::found("films", founders, Salt::from_bytes([4; 32]), 1).unwrap();
        let Body::Root(body) = first.body() else { panic!("a library begins with a root") };
        let mut roles = body.roles.clone();
        for (class, key) in [("masters", &masters), ("trailers", &trailers)] {
            roles.push(LibraryRole {
                classes: Classes::new(vec![class.into()]).unwrap(),
                ..LibraryRole::any_of(RoleKind::Publisher, [key.public()])
            });
        }
        let body = Body::Root(Root { version: 2, roles, ..body.clone() });
        let header = Header { library: Some(id), sequence: 2, time_ms: 2 };
        let second = Statement::sign(header, &body, &[&root]).unwrap();
        let mut library = Library::open(id, [first, second], 3).unwrap();
        let store = MemoryObjects::new(id);
        let policy = |name: &str| (name.to_owned(), ClassRules::of_paths([format!("{name}/**")]));
        let policy = Some(vec![policy("masters"), policy("trailers")]);
        let plan = ClassPlan::new(&store, Some(&library), &[all.public()], None, policy).unwrap();
        let sealed = seal(&store, &plan, &all, "first");
        let content = (sealed.table.id(&id), sealed.listed);
        let made = release_of_classes(&library, &all, Vec::new(), content, "", 3).unwrap();
        assert!(library.offer(&made, 3).is_ok());
        Self { library, store, all, masters, trailers, plan, table: sealed.table, before: made.id() }
    }

    fn plan(&self, key: &Key, policy: Option<Vec<(String, ClassRules)>>) -> Result<ClassPlan> {
        let before = self.library.release(&self.before);
        ClassPlan::new(&self.store, Some(&self.library), &[key.public()], before, policy)
    }

    /// Adds a release with these classes after the last one, signed by this key.
    fn add_release(&mut self, key: &Key, content: (ManifestId, Vec<ReleaseClass>)) {
        let parents = vec![self.before];
        let made = release_of_classes(&self.library, key, parents, content, "", 4).unwrap();
        assert_eq!(self.library.offer(&made, 4).unwrap(), Accepted::New);
        self.before = made.id();
    }

    /// Adds a release by the publisher of `trailers`, with a changed header of its class.
    fn forge(&mut self, change: impl FnOnce(&mut ClassHeader)) {
        let mut header = ClassHeader::load(&self.store, &self.table.classes[2].1).unwrap();
        change(&mut header);
        self.table.classes[2].1 = header.id(&self.library.id());
        let mut listed = self.library.release(&self.before).unwrap().body.classes.clone();
        listed[2].commitment = header.id(&self.library.id());
        let page = |id, bytes: Vec<u8>| Object::Page { id, bytes: bytes.into() };
        let table = page(self.table.id(&self.library.id()).as_page(), self.table.encode());
        self.store
            .append(vec![page(header.id(&self.library.id()).as_page(), header.encode()), table])
            .unwrap();
        self.store.commit().unwrap();
        self.add_release(&self.trailers.clone(), (self.table.id(&self.library.id()), listed));
    }

    /// The name of the class into which a publish by this key puts a path.
    fn class_of(&self, key: &Key, path: &str) -> String {
        let plan = self.plan(key, None).unwrap();
        plan.classifier().class_of(&EntryPath::new(path).unwrap()).unwrap().name.clone()
    }

    /// Whether a release with these classes by this key, after the first release, is effective.
    fn is_effective(&self, key: &Key, (manifest, listed): (ManifestId, Vec<ReleaseClass>)) -> bool {
        let mut library = self.library.clone();
        let before = library.releases()[0].statement.id();
        let made = release_of_classes(&library, key, vec![before], (manifest, listed), "", 4).unwrap();
        let _ = library.offer(&made, 4);
        library.release(&made.id()).is_some()
    }
}

/// Builds a tree with one folder for each class that the plan publishes, and stores the result.
fn seal(store: &MemoryObjects, plan: &ClassPlan, key: &Key, content: &str) -> Sealed {
    seal_entries(store, plan, key, |_| (content.to_owned(), EntryKind::Folder))
}

/// The same, with the path and kind that `entry` returns for the slot.
fn seal_entries(
    store: &MemoryObjects,
    plan: &ClassPlan,
    key: &Key,
    entry: impl Fn(u8) -> (String, EntryKind),
) -> Sealed {
    let (mut trees, mut objects) = (Vec::new(), Vec::new());
    for slot in plan.classifier().slots() {
        let mut pages = Vec::new();
        let mut builder = EntryTreeBuilder::new(store.library(), slot).unwrap();
        let (path, kind) = entry(slot);
        let entry = chuan_engine::manifest::Entry {
            kind,
            size: 0,
            mtime: chuan_engine::manifest::Timestamp::default(),
            mode: 0o755,
            profile: chuan_engine::chunk::Profile::Fine,
            content: chuan_engine::manifest::Content::Inline(Vec::new()),
            target: None,
            extensions: Vec::new(),
        };
        builder.push(EntryPath::new(path).unwrap(), &entry, &mut pages).unwrap();
        trees.push((slot, builder.finish(&mut pages).unwrap()));
        objects.extend(pages.into_iter().map(|(id, bytes)| Object::Page { id, bytes }));
    }
    let sealed = plan.seal(&store.library(), &trees, &SaltKey::of_publisher(key.seed())).unwrap();
    for header in &sealed.ours {
        objects
            .push(Object::Page { id: header.id(&store.library()).as_page(), bytes: header.encode().into() });
    }
    objects.push(Object::Page {
        id: sealed.table.id(&store.library()).as_page(),
        bytes: sealed.table.encode().into(),
    });
    store.append(objects).unwrap();
    store.commit().unwrap();
    sealed
}

#[test]
fn a_publisher_of_one_class_leaves_the_others_as_they_were() {
    let limited = Limited::new();
    assert_eq!(limited.plan.classifier().classes().len(), 3);
    let plan = limited.plan(&limited.trailers, None).unwrap();
    assert_eq!(plan.classifier().slots().collect::<Vec<_>>(), [2]);
    let sealed = seal(&limited.store, &plan, &limited.trailers, "second");
    let next = sealed.table;
    assert_eq!(next.classes[..2], limited.table.classes[..2], "byte for byte");
    assert_ne!(next.classes[2], limited.table.classes[2]);
    let names: Vec<_> = sealed.listed.iter().map(|class| class.name.as_str()).collect();
    assert_eq!(names, ["default", "masters", "trailers"]);
    assert!(limited.is_effective(&limited.trailers, (next.id(&limited.library.id()), sealed.listed.clone())));
    assert!(
        !limited.is_effective(&limited.trailers, (next.id(&limited.library.id()), Vec::new())),
        "without the list of classes no node can check the release"
    );
    // The publisher does not need the header of another class.
    let masters = limited.table.classes[1].1.as_page();
    let fresh = MemoryObjects::new(limited.library.id());
    for (id, bytes) in [0, 2]
        .map(|at| limited.table.classes[at].1.as_page())
        .into_iter()
        .chain([limited.table.id(&limited.library.id()).as_page()])
        .map(|id| (id, limited.store.read_pages(&[id]).unwrap()[0].clone().unwrap()))
    {
        assert_ne!(id, masters);
        fresh.append(vec![Object::Page { id, bytes }]).unwrap();
    }
    fresh.commit().unwrap();
    let limited = Limited { store: fresh, ..limited };
    let plan = limited.plan(&limited.trailers, None).unwrap();
    let again = seal(&limited.store, &plan, &limited.trailers, "second");
    assert_eq!(
        (again.table, again.listed),
        (next, sealed.listed),
        "the names come from the list in the release before"
    );
    let all = limited.plan(&limited.all, None).unwrap_err();
    assert_eq!(all.exit, Exit::Missing, "a publisher of all classes needs all headers");
}

/// Symptom: a publisher of `trailers` named that class in its class rules, on a node that did not hold it:
/// the node had no grant for it, or had not pulled it yet. The class was made a second time, in a free slot.
/// The old class, with the lower slot, then hid the published content, and no node that held both could
/// publish any more. Cause: only held headers were searched for the name.
#[test]
fn a_class_that_is_not_held_is_not_made_a_second_time() {
    let limited = Limited::new();
    let trailers = || Some(vec![("trailers".to_owned(), ClassRules::of_paths(["**"]))]);
    let table = limited.table.id(&limited.library.id()).as_page();
    let bytes = limited.store.read_pages(&[table]).unwrap()[0].clone().unwrap();
    let fresh = MemoryObjects::new(limited.library.id());
    fresh.append(vec![Object::Page { id: table, bytes }]).unwrap();
    fresh.commit().unwrap();
    let limited = Limited { store: fresh, ..limited };
    for policy in [trailers(), None] {
        let failure = limited.plan(&limited.trailers, policy).unwrap_err();
        let words = failure.message.contains("`trailers`") && failure.message.contains("chuan pull films");
        assert!(failure.exit == Exit::Missing && words, "{failure}");
    }
}

#[test]
fn a_publisher_of_one_class_cannot_name_another() {
    let limited = Limited::new();
    let policy = |name: &str| Some(vec![(name.to_owned(), ClassRules::of_paths(["**"]))]);
    for name in ["masters", "default", "extras"] {
        let failure = limited.plan(&limited.trailers, policy(name)).unwrap_err();
        assert!(failure.exit == Exit::Denied && failure.message.contains(name), "{failure}");
    }
    // A path that its patterns match may still belong to another class.
    let plan = limited.plan(&limited.trailers, policy("trailers")).unwrap();
    let path = EntryPath::new("masters/a").unwrap();
    assert!(plan.classifier().class_of(&path).is_err());
}

/// A class with unchanged content keeps its header, although the salt of another publisher's key would be
/// different.
#[test]
fn unchanged_content_keeps_its_header_under_another_publisher() {
    let limited = Limited::new();
    let plan = limited.plan(&limited.trailers, None).unwrap();
    assert_eq!(seal(&limited.store, &plan, &limited.trailers, "first").table, limited.table);
}

/// Symptom: a limited publisher gave its class a pattern that matches files of other classes. The next
/// publish of all classes put those files into that class, for all nodes with a grant for it.
#[test]
fn patterns_of_a_limited_publisher_apply_to_its_own_publishes_only() {
    let mut limited = Limited::new();
    let policy = ClassRules::of_paths(["private/**", "trailers/**"]);
    let plan = limited.plan(&limited.trailers, Some(vec![("trailers".into(), policy)])).unwrap();
    let sealed = seal(&limited.store, &plan, &limited.trailers, "second");
    limited.add_release(&limited.trailers.clone(), (sealed.table.id(&limited.library.id()), sealed.listed));
    let of_all = |path| limited.class_of(&limited.all, path);
    assert_eq!((of_all("private/a"), of_all("trailers/a")), ("default".into(), "trailers".into()));
    assert_eq!(limited.class_of(&limited.trailers, "private/a"), "trailers", "its own publishes use it");

    // Where the last rules of a publisher of all classes are not held, they must be given again.
    let fresh = MemoryObjects::new(limited.library.id());
    let manifest = limited.library.release(&limited.before).unwrap().body.manifest;
    let held = sealed.table.classes.iter().map(|(_, commitment)| commitment.as_page());
    for id in held.chain([manifest.as_page()]) {
        let bytes = limited.store.read_pages(&[id]).unwrap()[0].clone().unwrap();
        fresh.append(vec![Object::Page { id, bytes }]).unwrap();
    }
    fresh.commit().unwrap();
    let limited = Limited { store: fresh, ..limited };
    let failure = limited.plan(&limited.all, None).unwrap_err();
    assert!(failure.exit == Exit::Missing && failure.message.contains("the option `policy`"), "{failure}");
    limited.plan(&limited.all, Some(Vec::new())).unwrap();
    limited.plan(&limited.trailers, None).unwrap();
}

/// Symptom: a limited publisher wrote arbitrary values into the header of its class: a pattern that matches
/// everything, an invalid pattern, or the name of another class. Publishers that used this header could
/// publish no more.
#[test]
fn a_header_of_a_limited_publisher_stops_no_other_publisher() {
    let patterns: [&[u8]; 3] =
        [&ClassRules::of_paths(["**"]).encode(), &ClassRules::of_paths(["x["]).encode(), b"no policy"];
    for policy in patterns {
        let mut limited = Limited::new();
        limited.forge(|header| header.policy = policy.to_vec());
        assert_eq!(limited.class_of(&limited.all, "masters/a"), "masters");
        assert_eq!(limited.class_of(&limited.all, "x["), "default");
    }
    let mut limited = Limited::new();
    limited.forge(|header| header.name = "masters".into());
    let plan = limited.plan(&limited.all, None).unwrap();
    let names: Vec<_> = plan.classifier().classes().iter().map(|class| class.name.clone()).collect();
    assert_eq!(names, ["default", "masters", "trailers"]);
}

/// Symptom: a publisher could publish a release that every node with both classes refused. Cause: the
/// publisher compared with the release before, but nodes compare with the last release of a publisher of all
/// classes. Between the two, another class had dropped the path that was published.
#[test]
fn a_publish_that_nodes_would_refuse_is_refused() {
    const MASTERS: u8 = 1;
    let mut limited = Limited::new();
    let films = |slot| match slot {
        MASTERS => ("film.mkv".to_owned(), EntryKind::File),
        _ => ("first".to_owned(), EntryKind::Folder),
    };
    let plan = limited.plan(&limited.all, None).unwrap();
    let sealed = seal_entries(&limited.store, &plan, &limited.all, films);
    limited.add_release(&limited.all.clone(), (sealed.table.id(&limited.library.id()), sealed.listed));
    let plan = limited.plan(&limited.masters, None).unwrap();
    let sealed = seal(&limited.store, &plan, &limited.masters, "empty");
    limited.add_release(&limited.masters.clone(), (sealed.table.id(&limited.library.id()), sealed.listed));

    let plan = limited.plan(&limited.trailers, None).unwrap();
    let film = |_| ("film.mkv".to_owned(), EntryKind::File);
    let sealed = seal_entries(&limited.store, &plan, &limited.trailers, film);
    let author = plan.check_trespass(&limited.store, &sealed);
    limited.add_release(&limited.trailers.clone(), (sealed.table.id(&limited.library.id()), sealed.listed));
    let reader = limited.library.check_trespass(&limited.store, &limited.before);
    assert!(matches!(reader, Err(chuan_engine::Error::Trespass(_))), "{reader:?}");
    assert!(
        author.is_err_and(|failure| failure.exit == Exit::Denied),
        "the publisher did not refuse the release"
    );
}
