//! Publishes that are easy to get wrong: a single file at its path, a dry run, a mistyped name.

use super::*;
use crate::outcome::{PlannedRow, Published};

/// Publishes with other options than the usual ones.
async fn publish(node: &Node, place: &Place, options: Publish) -> Result<Published> {
    let library = if options.library.is_empty() { "films".to_owned() } else { options.library.clone() };
    let source = place.path("films").join(&options.source);
    node.publish(Publish { source, library, ..options }, &Job::silent()).await
}

const MASTERS: &str = "[[class]]\nname = \"masters\"\npaths = [\"masters/**\"]\n";

/// A file of class rules, and a home that has published two files with it.
async fn classified(place: &Place) -> (Node, PathBuf) {
    let rules = place.path("policy.toml");
    std::fs::write(&rules, MASTERS).unwrap();
    place.write("masters/cut.txt", "the cut");
    place.write("open.txt", "open");
    let node = place.node("a").await;
    publish(&node, place, Publish { policy: Some(rules.clone()), ..Publish::default() }).await.unwrap();
    (node, rules)
}

/// Symptom: `publish films/masters/cut.txt` put a restricted film into class default, at the top of the
/// library, and its members got it. Cause: a single file always got its own name as its path.
#[tokio::test(flavor = "multi_thread")]
async fn a_single_file_lands_at_its_path_and_in_its_class() {
    let place = Place::new();
    let (node, _) = classified(&place).await;
    place.write("masters/cut.txt", "the second cut");
    let one = |path: Option<&str>| Publish {
        source: "masters/cut.txt".into(),
        path: path.map(str::to_owned),
        ..Publish::default()
    };
    let failure = publish(&node, &place, one(None)).await.unwrap_err();
    assert_eq!(failure.exit, Exit::Usage);
    for hint in ["the option `as masters/cut.txt`", "the option `as cut.txt`"] {
        assert!(failure.message.contains(hint), "{failure}");
    }
    for (path, class) in [("masters/cut.txt", "masters"), ("cut.txt", "default"), ("new/a.txt", "default")] {
        for dry_run in [true, false] {
            let options = Publish { dry_run, ..one(Some(path)) };
            let published = publish(&node, &place, options).await.unwrap();
            assert_eq!((published.path.as_deref(), published.class.as_deref()), (Some(path), Some(class)));
        }
    }
    // A name that is nowhere else goes to the top, and says in which class it is.
    place.write("masters/other.txt", "new");
    let other = Publish { source: "masters/other.txt".into(), ..Publish::default() };
    let published = publish(&node, &place, other).await.unwrap();
    assert_eq!((published.path.as_deref(), published.class.as_deref()), (Some("other.txt"), Some("default")));

    for (source, path) in [("masters", "masters"), ("open.txt", "../open.txt"), ("open.txt", "/open.txt")] {
        let options = Publish { source: source.into(), path: Some(path.into()), ..Publish::default() };
        assert_eq!(publish(&node, &place, options).await.unwrap_err().exit, Exit::Usage, "{source} {path}");
    }
}

/// Symptom: a dry run printed counts only, and no class, so a new policy could not be checked before it was
/// signed.
#[tokio::test(flavor = "multi_thread")]
async fn a_dry_run_lists_each_change_with_its_class() {
    let place = Place::new();
    let (node, rules) = classified(&place).await;
    place.write("gone.txt", "gone");
    place.publish(&node).await.unwrap();
    std::fs::remove_file(place.path("films/gone.txt")).unwrap();
    place.write("new.txt", "new");
    place.write("masters/cut.txt", "a longer cut");
    let dry = |policy| Publish { dry_run: true, policy, ..Publish::default() };
    let row = |path: &str, change: &str, class: &str, old: Option<u64>, new: Option<u64>| PlannedRow {
        path: path.into(),
        change: change.into(),
        class: class.into(),
        class_old: None,
        bytes_old: old,
        bytes_new: new,
    };
    let preview = publish(&node, &place, dry(None)).await.unwrap();
    let changed = row("masters/cut.txt", "changed", "masters", Some(7), Some(12));
    let expected = [
        row("gone.txt", "removed", "default", Some(4), None),
        changed.clone(),
        row("new.txt", "added", "default", None, Some(3)),
    ];
    assert_eq!((preview.changes.as_slice(), preview.changes_total), (expected.as_slice(), 3));
    let classes = |published: &Published| {
        let row = |class: &crate::outcome::ClassRow| (class.name.clone(), class.files, class.bytes);
        published.classes.iter().map(row).collect::<Vec<_>>()
    };
    assert_eq!(classes(&preview), [("default".to_owned(), 2, 7), ("masters".to_owned(), 1, 12)]);
    let published = place.publish(&node).await.unwrap();
    assert_eq!(classes(&preview), classes(&published));

    // A new policy moves files that do not change.
    std::fs::write(&rules, format!("{MASTERS}\n[[class]]\nname = \"open\"\npaths = [\"open.txt\"]\n"))
        .unwrap();
    let preview = publish(&node, &place, dry(Some(rules.clone()))).await.unwrap();
    let moved = row("open.txt", "reclassified", "open", Some(4), Some(4));
    assert_eq!(preview.changes, [PlannedRow { class_old: Some("default".into()), ..moved }]);
    assert!(preview.changed && preview.files_changed == 0);
}

/// Symptom: `publish films -l fims` founded a second library with keys at once, also from an empty folder.
#[tokio::test(flavor = "multi_thread")]
async fn a_mistyped_name_and_an_empty_folder_found_no_library() {
    let place = Place::new();
    let node = place.node("a").await;
    let keys = || std::fs::read_dir(place.path("a/keys")).unwrap().count();
    let none = keys();
    std::fs::create_dir_all(place.path("films/folder")).unwrap();
    std::fs::write(place.path("films/.DS_Store"), "junk").unwrap();
    let failure = place.publish(&node).await.unwrap_err();
    assert!(failure.exit == Exit::Usage && failure.message.contains("the option `allow-empty`"), "{failure}");
    assert_eq!(keys(), none);
    let empty = Publish { allow_empty: true, ..Publish::default() };
    assert!(publish(&node, &place, empty).await.unwrap().founded);

    place.write("a.mp4", "film");
    place.publish(&node).await.unwrap();
    let (known, mistyped) = (keys(), || Publish { library: "fims".into(), ..Publish::default() });
    let failure = publish(&node, &place, mistyped()).await.unwrap_err();
    assert!(failure.exit == Exit::Usage && failure.message.contains("the option `found`"), "{failure}");
    assert!(failure.message.contains("films"), "{failure}");
    assert_eq!(keys(), known, "keys were made");
    // A dry run says that it would found it.
    assert!(publish(&node, &place, Publish { dry_run: true, ..mistyped() }).await.unwrap().founded);
    let founded = publish(&node, &place, Publish { found: true, ..mistyped() }).await.unwrap();
    assert!(founded.founded && keys() > known);
}

/// Symptom: a source that was deleted while the founding publish read it founded an empty library, with exit
/// 0. Cause: only the source was checked, before the reading. A key, too, is left out only when it is read.
#[tokio::test(flavor = "multi_thread")]
async fn a_release_that_is_empty_after_the_reading_founds_no_library() {
    let place = Place::new();
    let node = place.node("a").await;
    std::fs::create_dir_all(place.path("films")).unwrap();
    std::fs::copy(place.path("a/keys/node.key"), place.path("films/key")).unwrap();
    for dry_run in [false, true] {
        let failure = publish(&node, &place, Publish { dry_run, ..Publish::default() }).await.unwrap_err();
        let says = failure.message.contains("the option `allow-empty`");
        assert!(failure.exit == Exit::Usage && says, "{failure}");
    }
    assert!(node.status().await.unwrap().libraries.is_empty(), "an empty library was founded");
    // The founding goes on once there is content.
    place.write("a.mp4", "film");
    assert_eq!(place.publish(&node).await.unwrap().files, 1);
}

/// Symptom: a publish with a mistake in its arguments waited seconds for peers before it failed. A peer that
/// was waited for and did not answer is in the file of silent peers.
#[tokio::test(flavor = "multi_thread")]
async fn arguments_are_checked_before_peers_are_waited_for() {
    let place = Place::new();
    let origin = place.origin().await;
    let (mirror, off) = (place.node("mirror").await, place.node("off").await);
    for node in [&mirror, &off] {
        node.join(ticket(&origin).await).await.unwrap();
    }
    let library = origin.library_service().named("films").unwrap().id();
    // A node that does not listen begins no exchange by itself.
    origin.close().await;
    drop(origin);
    let origin = Node::open(place.path("origin")).await.unwrap();
    // Where one peer answers, the publish needs no record of the machine.
    let answering = mirror.serve(Some("127.0.0.1:0")).await.unwrap().to_string();
    for (node, address) in [(&mirror, answering), (&off, "127.0.0.1:1".to_owned())] {
        origin.peers().record_dial(&node.id(), "a peer", &[address], &library).unwrap();
    }
    let wrong = place.path("wrong.toml");
    std::fs::write(&wrong, "[[class]]\n").unwrap();
    let silent = place.path("origin/silent.json");
    for options in [
        Publish { source: "nowhere".into(), ..Publish::default() },
        Publish { policy: Some(wrong), ..Publish::default() },
        Publish { exclude: vec!["[z-a]".into()], ..Publish::default() },
        Publish { path: Some("a".into()), ..Publish::default() },
    ] {
        let wrong_options = format!("{options:?}");
        publish(&origin, &place, options).await.unwrap_err();
        assert!(!silent.exists(), "peers were waited for: {wrong_options}");
    }
    place.write("b.mp4", "two");
    let published = place.publish(&origin).await.unwrap();
    assert!(silent.exists() && published.asked_seconds > 0.0);
    assert!(published.seconds >= published.asked_seconds);
}
