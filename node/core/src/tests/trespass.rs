//! A node holds a release in which a limited publisher's class has a path of another class.

use chuan_engine::{
    manifest::table::ClassTable,
    statement::{
        Body, Channel, Classes, Header, Key, ReleaseClass, Role as LibraryRole, RoleKind, Root,
        library::{channel, release_of_classes},
    },
    store::Object,
};

use super::*;
use crate::{
    command::{Cat, Conflicts, Restore},
    keyring::Keyring,
};

impl Place {
    /// Publishes with two classes; the folder `masters` is in `class`. Returns the release.
    async fn publish_masters_in(&self, node: &Node, class: &str) -> String {
        let text = ["masters", "trailers"].map(|name| match name == class {
            true => format!("[[class]]\nname = \"{name}\"\npaths = [\"masters/**\"]\n"),
            false => format!("[[class]]\nname = \"{name}\"\npaths = [\"none/**\"]\n"),
        });
        std::fs::write(self.path("policy.toml"), text.concat()).unwrap();
        let (source, policy) = (self.path("films"), Some(self.path("policy.toml")));
        let publish = Publish { source, library: "films".into(), policy, ..Publish::default() };
        node.publish(publish, &Job::silent()).await.unwrap().release
    }
}

/// Symptom: a restore of such a release wrote the foreign file over the file of the other class.
#[tokio::test(flavor = "multi_thread")]
async fn a_release_with_a_path_of_another_class_is_not_restored() {
    let place = Place::new();
    place.write("masters/film.mp4", "the film");
    let origin = place.node("origin").await;
    place.publish_masters_in(&origin, "masters").await;
    let trailers = add_publisher(&origin, "trailers");
    place.write("masters/film.mp4", "the film, cut");
    let base = place.publish_masters_in(&origin, "masters").await;
    let taken = place.publish_masters_in(&origin, "trailers").await;
    let forged = forge(&origin, &trailers, &base, &taken);

    let spec = |release: &str| format!("films@{release}").parse().unwrap();
    let restore = |release: &str| Restore {
        release: spec(release),
        dest: place.path("copy"),
        path: None,
        check: false,
        delete: false,
        dry_run: false,
        no_hard_links: false,
        xattrs: false,
    };
    let cat = |release: &str| Cat { release: spec(release), path: "masters/film.mp4".into(), range: None };
    for good in [&base, &taken] {
        origin.restore(restore(good), &Job::silent()).await.unwrap();
        origin.cat(cat(good), &Job::silent()).await.unwrap();
    }
    for failure in [
        origin.restore(restore(&forged), &Job::silent()).await.unwrap_err(),
        origin.cat(cat(&forged), &Job::silent()).await.unwrap_err(),
    ] {
        assert!(failure.exit == Exit::Denied && failure.message.contains("masters/film.mp4"), "{failure}");
    }

    // Where a channel names it, `conflicts` does too.
    let conflicts = async || origin.conflicts(Conflicts::default()).await.unwrap().conflicts;
    assert!(conflicts().await.is_empty(), "no channel names the release");
    move_live(&origin, &forged);
    let [row] = &conflicts().await[..] else { panic!("{:?}", conflicts().await) };
    assert_eq!((row.kind.as_str(), row.settled), ("class", false), "{row:?}");
    assert!(row.subject.starts_with("release ") && row.advice.contains("masters/film.mp4"), "{row:?}");
    assert_eq!(row.signers, [trailers.public().to_string()]);
    assert_eq!(row.statements.iter().map(|proof| &proof.statement).collect::<Vec<_>>(), [&forged]);
}

/// An operator moves `live` to a release.
fn move_live(origin: &Node, release: &str) {
    let library = origin.library_service().named("films").unwrap();
    let active = library.channel("live").unwrap().body.active;
    let body =
        Channel { name: "live".into(), release: release.parse().unwrap(), active, follow: false, term: None };
    let operator = role_key(origin, &library, RoleKind::Operator);
    let moved = channel(&library, &operator, body, now_ms()).unwrap();
    origin.library_service().change(&library.id(), |_| Ok(vec![moved])).unwrap();
}

/// Adds a publisher of one class in a new root. Returns its key.
fn add_publisher(origin: &Node, class: &str) -> Key {
    let (now, added) = (now_ms(), Key::from_seed([9; 32]));
    let library = origin.library_service().named("films").unwrap();
    let root_key = role_key(origin, &library, RoleKind::Root);
    let root = library.root().unwrap();
    let mut roles = root.roles.clone();
    roles.push(LibraryRole {
        classes: Classes::new(vec![class.into()]).unwrap(),
        ..LibraryRole::any_of(RoleKind::Publisher, [added.public()])
    });
    let version = root.version + 1;
    let header = Header { library: Some(library.id()), sequence: version, time_ms: now };
    let body = Body::Root(Root { version, roles, ..root.clone() });
    let root = Statement::sign(header, &body, &[&root_key]).unwrap();
    origin.library_service().change(&library.id(), |_| Ok(vec![root])).unwrap();
    added
}

fn role_key(origin: &Node, library: &Library, role: RoleKind) -> Key {
    Keyring::of_home(origin.home().clone()).role_keys(library, role).unwrap().remove(0)
}

/// The publisher of `trailers` signs a release after `base`, with its class from the release `taken`. Returns
/// the id.
fn forge(origin: &Node, key: &Key, base: &str, taken: &str) -> String {
    let library = origin.library_service().named("films").unwrap();
    let classes = |release: &str| -> Vec<ReleaseClass> {
        let said = library.releases().into_iter().find(|said| said.statement.id().to_string() == release);
        said.unwrap().body.classes.clone()
    };
    let is_trailers = |class: &ReleaseClass| class.name == "trailers";
    let mut listed = classes(base);
    let theirs = classes(taken).into_iter().find(is_trailers).unwrap();
    *listed.iter_mut().find(|class| is_trailers(class)).unwrap() = theirs;
    let table = ClassTable { classes: listed.iter().map(|class| (class.slot, class.commitment)).collect() };
    let manifest = table.id(&library.id());
    let objects = origin.context().objects(&library.id());
    objects.append(vec![Object::Page { id: manifest.as_page(), bytes: table.encode().into() }]).unwrap();
    objects.commit().unwrap();
    let now = now_ms();
    let made =
        release_of_classes(&library, key, vec![base.parse().unwrap()], (manifest, listed), "", now).unwrap();
    let id = made.id().to_string();
    origin.library_service().change(&library.id(), |_| Ok(vec![made])).unwrap();
    id
}
