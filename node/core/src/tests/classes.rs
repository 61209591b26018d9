//! Libraries with several classes: publishes, changes of the class rules, pulls of nodes with a grant for
//! some classes, lists and restores.

use chuan_engine::statement::{Classes, Member, NodeRole, RoleKind, Verbs};

use super::*;
use crate::{
    command::{Cat, Diff, Ls, Restore},
    job::{Cancel, Event, Events},
    keyring::Keyring,
    outcome::{ChannelStatus, Row},
};

pub(super) const POLICY: &str = r#"
[[class]]
name = "masters"
paths = ["masters/**"]
mirror = "static"

[[class]]
name = "trailers"
paths = ["trailers/**"]
"#;

impl Place {
    /// Publishes with this text as the file of class rules.
    pub(super) async fn publish_classes(&self, node: &Node, policy: &str) -> Result<Published> {
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
    let library = origin.library_service().named("films").unwrap();
    let is_carried = |said: &&&Statement| {
        !matches!(said.kind(), StatementKind::Channel | StatementKind::Release | StatementKind::Ticket)
    };
    let known: Vec<_> = library.statements().iter().filter(is_carried).map(|said| (*said).clone()).collect();
    node.library_service().change(&library.id(), |_| Ok(known)).unwrap();
    grant(origin, node, classes);
}

/// Grants `node` only these `classes`, and gives the statement to both nodes.
pub(super) fn grant(origin: &Node, node: &Node, classes: &[&str]) {
    let library = origin.library_service().named("films").unwrap();
    let keys = Keyring::of_home(origin.home().clone()).role_keys(&library, RoleKind::Operator).unwrap();
    let body = Member {
        node: node.id(),
        key: node.context().signing_key().public(),
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
    origin.library_service().change(&library.id(), |_| Ok(vec![member])).unwrap();
    node.library_service().offer(&[bytes]).unwrap();
}

fn rows(mut events: Events) -> Vec<Row> {
    let mut rows = Vec::new();
    while let Some(event) = events.try_next() {
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
    // Without class rules there is only one class.
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

    // A publish without class rules keeps the present ones, and makes no release where nothing changed.
    let again = place.publish(&node).await.unwrap();
    assert_eq!((again.changed, &again.release, names(&again)), (false, &second.release, names(&second)));
    place.write("masters/b.mov", "another");
    let third = place.publish(&node).await.unwrap();
    assert_eq!((names(&third), third.chunks_new), (names(&second), 1));
    assert_eq!(diff(&node, "films@2", "films@3").await, ["changed: masters/b.mov"]);

    // A class that the new rules leave out keeps its slot; a new class gets the next slot.
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
    // The first failed publish founded the library, and the others used it.
    let libraries = node.status().await.unwrap().libraries;
    assert!(libraries.len() == 1 && libraries[0].channels.is_empty(), "{libraries:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_holds_the_granted_classes_and_reports_the_absent_ones() {
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

    // After a wider grant the next pull fetches the added classes, although the release is the same.
    grant(&origin, &mirror, &["trailers", "default"]);
    let wider = pull(&mirror).await.unwrap();
    assert_eq!((wider.changed, wider.classes, wider.classes_absent, wider.files), (false, 2, 1, 3));
    assert_eq!(wider.release, published.release);
    mirror.cat(cat, &Job::silent()).await.unwrap();
    grant(&origin, &mirror, &[]);
    assert!(!live(&mirror).await.complete, "a granted class is not held");
    assert_eq!(pull(&mirror).await.unwrap().classes, 3);
    assert!(live(&mirror).await.complete);

    // After a narrower grant the node keeps the data that it holds, and fetches no more of the other classes.
    grant(&origin, &mirror, &["trailers"]);
    place.write("masters/b.mov", "more");
    place.publish(&origin).await.unwrap();
    let narrower = pull(&mirror).await.unwrap();
    assert_eq!((narrower.classes, narrower.classes_absent), (2, 1));
    assert_eq!(
        live(&mirror).await.classes,
        ["default", "trailers"],
        "default did not change, and is still whole"
    );
    assert!(mirror.verify(Verify { deep: false }, &Job::silent()).await.unwrap().ok);

    // Symptom: a restore with `delete` removed the files of a class that the node was granted before, as "not
    // in the release".
    let restore = |delete| Restore { delete, ..Restore::all("films".parse().unwrap(), place.path("all")) };
    std::fs::create_dir_all(place.path("all/masters")).unwrap();
    std::fs::write(place.path("all/masters/mine.mov"), "no file of a release").unwrap();
    mirror.restore(Restore { dry_run: true, ..restore(true) }, &Job::silent()).await.unwrap();
    std::fs::write(place.path("all/masters/a.mov"), "of an earlier release").unwrap();
    let failure = mirror.restore(restore(true), &Job::silent()).await.unwrap_err();
    assert!(
        failure.exit == Exit::Stale && failure.message.contains("`masters`, as masters/a.mov"),
        "{failure}"
    );
    mirror.restore(restore(false), &Job::silent()).await.unwrap();
    assert!(place.read("all").contains(&"masters/a.mov".to_owned()));
}

/// Symptom: a source sent nearly all data, and lacked one class. The pull went on with another source, and
/// its answer counted only what that one sent.
#[tokio::test(flavor = "multi_thread")]
async fn a_pull_counts_what_every_source_sent() {
    let place = Place::new();
    for name in ["masters/a.mov", "trailers/a.mp4", "readme"] {
        place.write(name, name);
    }
    let origin = place.node("origin").await;
    place.publish_classes(&origin, POLICY).await.unwrap();
    let address = origin.serve(Some("127.0.0.1:0")).await.unwrap().to_string();
    let (limited, mirror) = (place.node("limited").await, place.node("mirror").await);
    admit(&origin, &limited, &["masters", "trailers"]);
    admit(&origin, &mirror, &[]);
    let from = Pull { from: Some(address.clone()), ..Pull::default() };
    limited.pull(from, &Job::silent()).await.unwrap();
    let near = limited.serve(Some("127.0.0.1:0")).await.unwrap().to_string();
    let library = origin.library_service().named("films").unwrap();
    for (node, address) in [(&origin, &address), (&limited, &near)] {
        mirror.peers().record_dial(&node.id(), "", std::slice::from_ref(address), &library.id()).unwrap();
    }
    let order = mirror.sources_of(&library, "live").unwrap();
    assert_eq!(order.first().map(|source| source.node), Some(limited.id()));

    let pulled = mirror.pull(Pull::default(), &Job::silent()).await.unwrap();
    assert_eq!((pulled.classes, pulled.from), (3, origin.id().to_string()));
    assert_eq!(
        (pulled.chunks_fetched, pulled.chunk_bytes_fetched),
        (pulled.chunks_total, pulled.bytes_total)
    );
    let last = "readme".len() as u64;
    let asked: Vec<_> = pulled.lag.asked.iter().map(|asked| (&*asked.answer, asked.chunk_bytes)).collect();
    assert_eq!(asked, [("missing", Some(pulled.bytes_total - last)), ("brought", Some(last))]);
    assert!(pulled.wire_bytes_in > pulled.chunk_bytes_encoded);
}
