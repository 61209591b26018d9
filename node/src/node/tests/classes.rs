//! Libraries of several classes: published, divided anew, pulled by nodes that are granted some, shown and restored.

use chuan_engine::{
    id::{ManifestId, Salt, SaltKey, StatementId},
    manifest::{
        ClassRules, EntryKind, EntryPath,
        builder::EntryTreeBuilder,
        table::{ClassHeader, ClassTable},
    },
    statement::{
        Accepted, Body, Classes, Header, Key, Member, NodeRole, ReleaseClass, Role as LibraryRole, RoleKind,
        Root, Statement, Verbs, library::release_of_classes,
    },
    store::{Object, Objects, memory::MemoryObjects},
};
use tokio::sync::mpsc::Receiver;

use super::*;
use crate::{
    command::{Cat, Diff, Ls, Restore},
    job::{Cancel, Event},
    keyring::Keyring,
    node::classes::{ClassPlan, Sealed},
    outcome::{ChannelStatus, Row},
};

const POLICY: &str = r#"
[[class]]
name = "masters"
paths = ["masters/**"]
mirror = "static"

[[class]]
name = "trailers"
paths = ["trailers/**"]
"#;

impl Place {
    /// Publishes with a policy, whose text is given.
    async fn publish_classes(&self, node: &Node, policy: &str) -> Result<Published> {
        std::fs::write(self.path("policy.toml"), policy).unwrap();
        let options = Publish {
            source: self.path("films"),
            library: "films".into(),
            policy: Some(self.path("policy.toml")),
            ..Publish::default()
        };
        node.publish(options, &Job::silent()).await
    }

    fn read(&self, name: &str) -> Vec<String> {
        let mut found = Vec::new();
        let mut folders = vec![self.path(name)];
        while let Some(folder) = folders.pop() {
            for item in std::fs::read_dir(folder).unwrap() {
                let path = item.unwrap().path();
                let name = path.strip_prefix(self.path(name)).unwrap().display().to_string();
                if path.is_dir() { folders.push(path) } else { found.push(name) }
            }
        }
        found.sort();
        found
    }
}

/// Makes `node` a member with `classes` only, without a ticket.
fn admit(origin: &Node, node: &Node, classes: &[&str]) {
    let library = origin.0.libraries.named("films").unwrap();
    let is_carried = |said: &&&Statement| {
        !matches!(said.kind(), StatementKind::Channel | StatementKind::Release | StatementKind::Ticket)
    };
    let known: Vec<_> = library.statements().iter().filter(is_carried).map(|said| (*said).clone()).collect();
    node.0.libraries.change(&library.id(), now_ms(), |_| Ok(known)).unwrap();
    grant(origin, node, classes);
}

/// Lets `node` have `classes` only, and tells both sides.
fn grant(origin: &Node, node: &Node, classes: &[&str]) {
    let library = origin.0.libraries.named("films").unwrap();
    let keys = Keyring::of_home(origin.home().clone()).role_keys(&library, RoleKind::Operator).unwrap();
    let body = Member {
        node: node.id(),
        key: node.0.key().public(),
        name: "mirror".into(),
        role: NodeRole::Mirror,
        region: None,
        classes: Classes::new(classes.iter().map(|class| (*class).to_owned()).collect()).unwrap(),
        verbs: Verbs::PULL,
        expires_ms: 0,
        ticket: None,
    };
    let now = now_ms();
    let member = chuan_engine::statement::library::member(&library, &keys[0], body, now).unwrap();
    let bytes = member.bytes().clone();
    origin.0.libraries.change(&library.id(), now, |_| Ok(vec![member])).unwrap();
    node.0.libraries.offer(&[bytes], now).unwrap();
}

fn rows(mut events: Receiver<Event>) -> Vec<Row> {
    let mut rows = Vec::new();
    while let Ok(event) = events.try_recv() {
        if let Event::Row(row) = event {
            rows.push(row);
        }
    }
    rows
}

async fn ls(node: &Node) -> Vec<String> {
    let (job, events) = Job::watched(Cancel::default());
    node.ls(Ls { release: "films".parse().unwrap() }, &job).await.unwrap();
    let text = |row| match row {
        Row::Entry { path, class, .. } => format!("{class}: {path}"),
        other => panic!("{other:?}"),
    };
    rows(events).into_iter().map(text).collect()
}

async fn diff(node: &Node, old: &str, new: &str) -> Vec<String> {
    let (job, events) = Job::watched(Cancel::default());
    let options = Diff { old: old.parse().unwrap(), new: new.parse().unwrap() };
    node.diff(options, &job).await.unwrap();
    let text = |row| match row {
        Row::Change { path, change, .. } => format!("{change}: {path}"),
        other => panic!("{other:?}"),
    };
    rows(events).into_iter().map(text).collect()
}

async fn live(node: &Node) -> ChannelStatus {
    node.status().await.unwrap().libraries[0].channels[0].clone()
}

fn names(published: &Published) -> Vec<(&str, u8, u64)> {
    published.classes.iter().map(|class| (class.name.as_str(), class.slot, class.files)).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_policy_is_kept_and_a_class_keeps_its_slot() {
    let place = Place::new();
    for name in ["masters/a.mov", "masters/b.mov", "trailers/a.mp4", "readme"] {
        place.write(name, name);
    }
    let node = place.node("a").await;
    // Before there was a policy, all was one class.
    let first = place.publish(&node).await.unwrap();
    assert_eq!(names(&first), [("default", 0, 4)]);
    let second = place.publish_classes(&node, POLICY).await.unwrap();
    assert_eq!(names(&second), [("default", 0, 1), ("masters", 1, 2), ("trailers", 2, 1)]);
    assert_eq!((second.changed, second.chunks_new, second.files), (true, 0, 4));
    assert_eq!(
        ls(&node).await,
        [
            "masters: masters",
            "masters: masters/a.mov",
            "masters: masters/b.mov",
            "default: readme",
            "trailers: trailers",
            "trailers: trailers/a.mp4",
        ]
    );
    let moved = ["masters", "masters/a.mov", "masters/b.mov", "trailers", "trailers/a.mp4"]
        .map(|path| format!("reclassified: {path}"));
    assert_eq!(diff(&node, "films@1", "films@2").await, moved);
    assert_eq!(diff(&node, "films@2", "films@2").await, [""; 0]);

    // Without a policy the one there is stays, and nothing changed is no release.
    let again = place.publish(&node).await.unwrap();
    assert_eq!((again.changed, &again.release, names(&again)), (false, &second.release, names(&second)));
    place.write("masters/b.mov", "another");
    let third = place.publish(&node).await.unwrap();
    assert_eq!((names(&third), third.chunks_new), (names(&second), 1));
    assert_eq!(diff(&node, "films@2", "films@3").await, ["changed: masters/b.mov"]);

    // A class that is left out keeps its slot; a new one gets the next.
    let other = "[[class]]\nname = \"raw\"\npaths = [\"masters/**\"]\n";
    let fourth = place.publish_classes(&node, other).await.unwrap();
    let expected = [("default", 0, 2), ("masters", 1, 0), ("trailers", 2, 0), ("raw", 3, 2)];
    assert_eq!(names(&fourth), expected);
    assert_eq!(diff(&node, "films@3", "films@4").await, moved);
    let verified = node.verify(Verify { deep: true }, &Job::silent()).await.unwrap();
    assert!(verified.ok && verified.releases == 4 && verified.classes_absent == 0, "{verified:?}");
    node.rebuild(&Job::silent()).await.unwrap();
    assert!(live(&node).await.complete);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bad_policy_publishes_nothing() {
    let place = Place::new();
    place.write("masters/a.srt", "x");
    let node = place.node("a").await;
    let two = "[[class]]\nname = \"a\"\npaths = [\"masters/**\"]\n[[class]]\nname = \"b\"\npaths = [\"**/*.srt\"]\n";
    for (policy, part) in
        [(two, "two classes"), ("[[class]]\nname = \"a\"\npaths = [\"x[\"]\n", "x["), ("a", "policy.toml")]
    {
        let failure = place.publish_classes(&node, policy).await.unwrap_err();
        assert!(failure.exit == Exit::Invalid && failure.message.contains(part), "{failure}");
    }
    // The library was founded with the first, and each of the others took that up.
    let libraries = node.status().await.unwrap().libraries;
    assert!(libraries.len() == 1 && libraries[0].channels.is_empty(), "{libraries:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_has_what_it_is_granted_and_says_that_there_is_more() {
    let place = Place::new();
    for name in ["masters/a.mov", "trailers/a.mp4", "trailers/b.mp4", "readme"] {
        place.write(name, name);
    }
    let origin = place.node("origin").await;
    let published = place.publish_classes(&origin, POLICY).await.unwrap();
    let address = origin.serve(Some("127.0.0.1:0")).await.unwrap().to_string();
    let mirror = place.node("mirror").await;
    admit(&origin, &mirror, &["trailers"]);
    let pull = async |node: &Node| {
        node.pull(Pull { from: Some(address.clone()), ..Pull::default() }, &Job::silent()).await
    };

    let pulled = pull(&mirror).await.unwrap();
    assert_eq!((pulled.classes, pulled.classes_absent, pulled.files), (1, 2, 2));
    assert_eq!(
        ls(&mirror).await,
        ["trailers: trailers", "trailers: trailers/a.mp4", "trailers: trailers/b.mp4"]
    );
    let status = live(&mirror).await;
    assert_eq!((status.complete, status.classes_absent), (true, 2));
    assert_eq!(status.classes, ["trailers"]);
    let restore = Restore::all("films".parse().unwrap(), place.path("out"));
    assert_eq!(mirror.restore(restore, &Job::silent()).await.unwrap().classes_absent, 2);
    assert_eq!(place.read("out"), ["trailers/a.mp4", "trailers/b.mp4"]);
    let cat = Cat { release: "films".parse().unwrap(), path: "readme".into(), range: None };
    let failure = mirror.cat(cat.clone(), &Job::silent()).await.unwrap_err();
    assert!(failure.exit == Exit::Missing && failure.message.contains("not granted"), "{failure}");
    let verified = mirror.verify(Verify { deep: true }, &Job::silent()).await.unwrap();
    assert!(verified.ok && verified.classes_absent == 2, "{verified:?}");
    let again = pull(&mirror).await.unwrap();
    assert_eq!((again.changed, again.chunks_fetched, again.page_bytes), (false, 0, 0));

    // A wider grant is taken up by the next pull, though the release is the same.
    grant(&origin, &mirror, &["trailers", "default"]);
    let wider = pull(&mirror).await.unwrap();
    assert_eq!((wider.changed, wider.classes, wider.classes_absent, wider.files), (false, 2, 1, 3));
    assert_eq!(wider.release, published.release);
    mirror.cat(cat, &Job::silent()).await.unwrap();
    grant(&origin, &mirror, &[]);
    assert!(!live(&mirror).await.complete, "a class that it may have is not here");
    assert_eq!(pull(&mirror).await.unwrap().classes, 3);
    assert!(live(&mirror).await.complete);

    // A narrower one leaves what is here, and takes nothing more.
    grant(&origin, &mirror, &["trailers"]);
    place.write("masters/b.mov", "more");
    place.publish(&origin).await.unwrap();
    let narrower = pull(&mirror).await.unwrap();
    assert_eq!((narrower.classes, narrower.classes_absent), (1, 2));
    assert_eq!(
        live(&mirror).await.classes,
        ["default", "trailers"],
        "default did not change, and is still whole"
    );
    assert!(mirror.verify(Verify { deep: false }, &Job::silent()).await.unwrap().ok);
}

/// A library with a publisher of all classes and one of trailers only, as statements; its first release in `store`.
struct Limited {
    library: Library,
    store: MemoryObjects,
    all: Key,
    trailers: Key,
    plan: ClassPlan,
    table: ClassTable,
    before: StatementId,
}

impl Limited {
    fn new() -> Self {
        let [root, all, trailers] = [1, 2, 3].map(|seed| Key::from_seed([seed; 32]));
        let founders =
            chuan_engine::statement::library::Founders { root: &root, operator: &all, publisher: &all };
        let (id, first) =
            chuan_engine::statement::library::found("films", founders, Salt::from_bytes([4; 32]), 1).unwrap();
        let Body::Root(body) = first.body() else { panic!("a library begins with a root") };
        let mut roles = body.roles.clone();
        roles.push(LibraryRole {
            classes: Classes::new(vec!["trailers".into()]).unwrap(),
            ..LibraryRole::any_of(RoleKind::Publisher, [trailers.public()])
        });
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
        Self { library, store, all, trailers, plan, table: sealed.table, before: made.id() }
    }

    fn plan(&self, key: &Key, policy: Option<Vec<(String, ClassRules)>>) -> Result<ClassPlan> {
        let before = self.library.release(&self.before);
        ClassPlan::new(&self.store, Some(&self.library), &[key.public()], before, policy)
    }

    /// Goes on from the last release with these classes, by this key.
    fn follow(&mut self, key: &Key, content: (ManifestId, Vec<ReleaseClass>)) {
        let parents = vec![self.before];
        let made = release_of_classes(&self.library, key, parents, content, "", 4).unwrap();
        assert_eq!(self.library.offer(&made, 4).unwrap(), Accepted::New);
        self.before = made.id();
    }

    /// The publisher of trailers goes on with a header of its own making.
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
        self.follow(&self.trailers.clone(), (self.table.id(&self.library.id()), listed));
    }

    /// The name of the class that a publish by the key puts a path in.
    fn class_of(&self, key: &Key, path: &str) -> String {
        let plan = self.plan(key, None).unwrap();
        plan.classifier().class_of(&EntryPath::new(path).unwrap()).unwrap().name.clone()
    }

    /// Whether a release of these classes by this key, after the first, stands.
    fn stands(&self, key: &Key, (manifest, listed): (ManifestId, Vec<ReleaseClass>)) -> bool {
        let mut library = self.library.clone();
        let before = library.releases()[0].statement.id();
        let made = release_of_classes(&library, key, vec![before], (manifest, listed), "", 4).unwrap();
        let _ = library.offer(&made, 4);
        library.release(&made.id()).is_some()
    }
}

/// Builds a tree with one entry for each class that the plan publishes, and keeps what comes of it.
fn seal(store: &MemoryObjects, plan: &ClassPlan, key: &Key, content: &str) -> Sealed {
    let mut trees = Vec::new();
    for slot in plan.classifier().slots() {
        let mut pages = Vec::new();
        let mut builder = EntryTreeBuilder::new(store.library(), slot).unwrap();
        let entry = chuan_engine::manifest::Entry {
            kind: EntryKind::Folder,
            size: 0,
            mtime: chuan_engine::manifest::Timestamp::default(),
            mode: 0o755,
            profile: chuan_engine::chunk::Profile::Fine,
            content: chuan_engine::manifest::Content::Inline(Vec::new()),
            target: None,
            extensions: Vec::new(),
        };
        builder.push(EntryPath::new(content).unwrap(), &entry, &mut pages).unwrap();
        trees.push((slot, builder.finish(&mut pages).unwrap()));
    }
    let sealed = plan.seal(&store.library(), &trees, &SaltKey::of_publisher(key.seed())).unwrap();
    let mut objects: Vec<Object> = Vec::new();
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
    assert!(limited.stands(&limited.trailers, (next.id(&limited.library.id()), sealed.listed.clone())));
    assert!(
        !limited.stands(&limited.trailers, (next.id(&limited.library.id()), Vec::new())),
        "without the list nobody could tell"
    );
    // Nor does it need to hold the others.
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
        "the names are those that the release before listed"
    );
    let all = limited.plan(&limited.all, None).unwrap_err();
    assert_eq!(all.exit, Exit::Missing, "who publishes all classes needs all of them");
}

/// A publisher of trailers whose node was not granted them, or had not pulled since, named them in a policy: only headers that
/// are held were looked at, so the class was made a second time in a free slot. The old, lower one then hid what was published,
/// and nobody who held both could publish any more.
#[test]
fn a_class_that_is_not_here_is_not_made_a_second_time() {
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
    // What its own patterns reach for is still another's.
    let plan = limited.plan(&limited.trailers, policy("trailers")).unwrap();
    let path = EntryPath::new("masters/a").unwrap();
    assert!(plan.classifier().class_of(&path).is_err());
}

/// Who publishes what has not changed keeps its header, though another key's salt would be another.
#[test]
fn what_has_not_changed_keeps_its_header_whoever_publishes() {
    let limited = Limited::new();
    let plan = limited.plan(&limited.trailers, None).unwrap();
    assert_eq!(seal(&limited.store, &plan, &limited.trailers, "first").table, limited.table);
}

/// The publisher of one class gave it a pattern of other classes' files. The next publish of everything filed them there, for all
/// who are granted that class.
#[test]
fn a_pattern_of_a_publisher_of_one_class_is_its_own_affair() {
    let mut limited = Limited::new();
    let policy = ClassRules::of_paths(["private/**", "trailers/**"]);
    let plan = limited.plan(&limited.trailers, Some(vec![("trailers".into(), policy)])).unwrap();
    let sealed = seal(&limited.store, &plan, &limited.trailers, "second");
    limited.follow(&limited.trailers.clone(), (sealed.table.id(&limited.library.id()), sealed.listed));
    let of_all = |path| limited.class_of(&limited.all, path);
    assert_eq!((of_all("private/a"), of_all("trailers/a")), ("default".into(), "trailers".into()));
    assert_eq!(limited.class_of(&limited.trailers, "private/a"), "trailers", "its own goes on as it was");

    // Where that is not known that was said last, it is to be said anew.
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
    assert!(failure.exit == Exit::Missing && failure.message.contains("--policy"), "{failure}");
    limited.plan(&limited.all, Some(Vec::new())).unwrap();
    limited.plan(&limited.trailers, None).unwrap();
}

/// The header of a limited publisher's class said what it liked: a pattern that matches everything or is none, another class's
/// name. All who went by that could publish no more.
#[test]
fn a_header_of_a_publisher_of_one_class_stops_nobody_else() {
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
