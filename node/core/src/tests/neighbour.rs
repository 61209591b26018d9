//! A member of one library that owns another one, against a node that is a member of both. The owner may bind
//! any key to any node there, without a proof: that must count in that library only.

use std::sync::Mutex;

use chuan_engine::{
    id::RecordId,
    statement::{
        Checkpoint, Classes, Heading, Key, Member, NodeRole, PublicKey, RoleKind, Verbs, library as author,
    },
    sync::message,
};
use chuan_net::{
    Connection, Endpoint, Error as NetError, Identity, PeerKey,
    limits::CONNECTIONS_PER_NODE,
    serve::{self, Identified, Refused},
};

use super::{
    audit::{read_log, verified},
    mesh::{films, mirror, store, until},
    *,
};
use crate::keyring::Keyring;

/// An origin of `films`, the owner of `other`, and a victim that is a member of both.
pub(super) struct World {
    pub(super) place: Place,
    pub(super) origin: Node,
    pub(super) owner: Node,
    pub(super) victim: Node,
    pub(super) other: LibraryId,
}

impl World {
    pub(super) async fn open() -> Self {
        Self::with_other("other").await
    }

    /// The library of the owner has this name.
    pub(super) async fn with_other(name: &str) -> Self {
        let place = Place::new();
        let origin = place.origin().await;
        let owner = place.node("owner").await;
        let source = place.path("own");
        std::fs::create_dir(&source).unwrap();
        std::fs::write(source.join("own.txt"), "the owner's own").unwrap();
        let publish = Publish { source, library: name.to_owned(), ..Publish::default() };
        owner.publish(publish, &Job::silent()).await.unwrap();
        owner.serve(Some("127.0.0.1:0")).await.unwrap();
        let other = owner.library_service().named(name).unwrap().id();
        let victim = mirror(&place, &origin, "victim").await;
        victim.join(ticket(&owner).await).await.unwrap();
        Self { place, origin, owner, victim, other }
    }

    /// `other`, as its owner knows it, and its operator's key.
    pub(super) fn operator(&self) -> (Arc<Library>, Key) {
        let library = self.owner.library_service().get(&self.other).unwrap();
        let keyring = Keyring::of_home(self.owner.context().home.clone());
        let operator = keyring.role_keys(&library, RoleKind::Operator).unwrap().remove(0);
        (library, operator)
    }

    /// The owner of `other` binds a key to a node, without asking the node.
    pub(super) fn bind(&self, node: NodeId, key: &Key) {
        let (library, operator) = self.operator();
        let body = Member {
            node,
            key: key.public(),
            name: "bound".into(),
            role: NodeRole::Mirror,
            region: None,
            classes: Classes::all(),
            verbs: Verbs::PULL,
            expires_ms: 0,
            ticket: None,
        };
        let made = author::member(&library, &operator, body, now_ms()).unwrap();
        store(&self.owner, made.clone());
        self.victim.hear(&[made.bytes().clone()]);
        assert!(self.victim.library_service().get(&self.other).unwrap().is_member(&node, now_ms()));
    }
}

fn hello(node: NodeId, addresses: Vec<String>) -> Hello {
    Hello {
        version: message::VERSION,
        node,
        addresses,
        name: "thief".into(),
        statements: vec![],
        kinds: Kinds::KNOWN,
    }
}

async fn dial_as(key: &Key, node: NodeId, to: &Node, addresses: Vec<String>) -> Result<Connection, NetError> {
    let endpoint = Endpoint::dialler(Identity::of_node(node, key.clone())).unwrap();
    let address = to.listening().unwrap().to_string();
    Connection::open(&endpoint, &[address], to.id(), &hello(node, addresses)).await
}

/// Keeps the hellos and requests that come to it.
struct Ear {
    heard: Arc<Mutex<Vec<String>>>,
}

impl PeerHandler for Ear {
    fn identify(&self, key: &PublicKey) -> Identified {
        Identified { node: key.node(), bound: Vec::new(), introduction: None }
    }

    fn memberships(&self, _: &PeerKey) -> Vec<LibraryId> {
        vec![LibraryId::of(b"any")]
    }

    fn greet(&self, _: &PeerKey, hello: Hello) -> bool {
        let libraries = hello.statements.iter().map(|bytes| Heading::read(bytes).unwrap().library());
        self.heard
            .lock()
            .unwrap()
            .extend(libraries.map(|library| format!("statement of {}", library.short())));
        true
    }

    fn answer(&self, _: &Caller, request: Request, _: &mut dyn Outlet) -> chuan_engine::Result<()> {
        let library = request.library().short();
        self.heard.lock().unwrap().push(format!("request about {library}"));
        Err(Error::Missing("nothing".into()))
    }

    fn ended(&self, _: &PeerKey) {}

    fn refused(&self, _: Option<&PeerKey>, _: std::net::SocketAddr, _: Refused, _: &str) {}
}

/// Symptom: the owner of `other` replaced all addresses of the origin of `films` in the address book of a
/// node that is a member of both, and then got the node's statements of `films`. Cause: a node had one entry
/// for all libraries, and a dial for one library accepted a key that any library binds.
#[tokio::test(flavor = "multi_thread")]
async fn the_owner_of_another_library_changes_no_address_of_this_one() {
    let world = World::open().await;
    let thief = Key::from_seed([77; 32]);
    // The origin of `films` is silent for a moment, as in a restart.
    let honest = world.origin.listening().unwrap().to_string();
    world.origin.close().await;
    let identity = Identity::of_node(world.origin.id(), thief.clone());
    let endpoint = Endpoint::listen("127.0.0.1:0".parse().unwrap(), identity).unwrap();
    let trap = endpoint.local_address().unwrap().to_string();
    let heard = Arc::new(Mutex::new(Vec::new()));
    let ear = Ear { heard: Arc::clone(&heard) };
    tokio::spawn(serve::run(endpoint, listener(Arc::new(ear)), std::future::pending()));

    world.bind(world.origin.id(), &thief);
    let mut addresses = vec![trap.clone()];
    addresses.extend((1..16).map(|n| format!("192.0.2.{n}:9")));
    let _open = dial_as(&thief, world.origin.id(), &world.victim, addresses).await.unwrap();
    let (films, id) = (films(&world.victim), world.origin.id().to_string());
    let entry =
        |library: &LibraryId| world.victim.peers().all().sources(library).find(|peer| peer.id == id).cloned();
    until("the claim counts in `other`", || {
        entry(&world.other).is_some_and(|peer| peer.addresses.contains(&trap))
    })
    .await;
    let known = entry(&films.id()).unwrap();
    assert!(known.addresses.contains(&honest) && !known.addresses.contains(&trap), "{known:?}");
    assert_eq!(known.name, "origin");

    // Even at the trap's own address the key is not that of a node of `films`.
    let options = Pull { library: Some("films".into()), ..Pull::default() };
    world.victim.pull(options, &Job::silent()).await.unwrap_err();
    world.victim.peers().record_dial(&world.origin.id(), "origin", &[trap], &films.id()).unwrap();
    let options = Pull { library: Some("films".into()), ..Pull::default() };
    world.victim.pull(options, &Job::silent()).await.unwrap_err();
    let (of_films, heard) = (films.id().short(), heard.lock().unwrap());
    assert!(!heard.iter().any(|line| line.contains(&of_films)), "{heard:?}");
}

/// Symptom: a peer had no place at a node, since the owner of another library held four connections under a
/// key of its own that it had bound to the peer. Cause: connections were counted by node.
#[tokio::test(flavor = "multi_thread")]
async fn the_owner_of_another_library_takes_no_place_of_a_node_of_this_one() {
    let world = World::open().await;
    let peer = mirror(&world.place, &world.origin, "peer").await;
    peer.close().await;
    let thief = Key::from_seed([78; 32]);
    world.bind(peer.id(), &thief);
    let other = (*world.victim.library_service().get(&world.other).unwrap()).clone();
    let mut held = Vec::new();
    for _ in 0..CONNECTIONS_PER_NODE {
        let connection = dial_as(&thief, peer.id(), &world.victim, vec![]).await.unwrap();
        // An answer shows that the connection has its place.
        connection.exchange(other.clone()).await.unwrap();
        held.push(connection);
    }
    let one_more = match dial_as(&thief, peer.id(), &world.victim, vec![]).await {
        Ok(connection) => connection.exchange(other).await.map(|_| ()),
        Err(error) => Err(error),
    };
    assert!(matches!(one_more, Err(NetError::Busy(_))), "{one_more:?}");
    let own = dial_as(&peer.context().signing_key(), peer.id(), &world.victim, vec![]).await.unwrap();
    own.exchange((*films(&peer)).clone()).await.unwrap();
}

/// Symptom: the thief of a key that was replaced took the places of its node. Cause: as above.
#[tokio::test(flavor = "multi_thread")]
async fn a_replaced_first_key_takes_no_place_of_its_node() {
    let place = Place::new();
    let origin = place.origin().await;
    let peer = mirror(&place, &origin, "peer").await;
    let old = peer.context().signing_key();
    let library = films(&peer);
    peer.close().await;
    let new = Key::from_seed([79; 32]);
    let said = author::succession(&library, peer.id(), &old, &new, 0, now_ms() - 1000).unwrap();
    store(&origin, said);
    assert!(!films(&origin).holds_key(&peer.id(), &old.public(), now_ms()));
    let mut held = Vec::new();
    for _ in 0..CONNECTIONS_PER_NODE {
        held.push(dial_as(&old, peer.id(), &origin, vec![]).await);
    }
    let own = dial_as(&new, peer.id(), &origin, vec![]).await.unwrap();
    own.exchange((*library).clone()).await.unwrap();
}

/// Symptom: the audit log of a node went to 140,737,488,355,329 records by one checkpoint that the owner of
/// another library signed with a key of its own. Cause: checkpoints of all libraries counted, by any key.
#[tokio::test(flavor = "multi_thread")]
async fn the_owner_of_another_library_continues_no_audit_log() {
    let world = World::open().await;
    let thief = Key::from_seed([80; 32]);
    world.bind(world.victim.id(), &thief);
    let library = world.owner.library_service().get(&world.other).unwrap();
    for count in [1, 1 << 47] {
        let body = Checkpoint { node: world.victim.id(), count, head: RecordId::from_bytes([6; 32]) };
        let said = author::checkpoint(&library, &thief, body, now_ms()).unwrap();
        world.victim.hear(&[said.bytes().clone()]);
    }
    let known = world.victim.library_service().get(&world.other).unwrap();
    assert_eq!(known.checkpoints(&world.victim.id()).len(), 2, "they are known");
    world.victim.audit_service().settle_on_thread().await;
    world.victim.audit_service().settle_on_thread().await;
    let after = world.victim.context().log.at();
    assert!(after.count < 1 << 20, "the log has {} records", after.count);
    let found = verified(&world.victim, None).await.unwrap();
    assert!(!found.is_altered(), "{found:?}");
    assert!(!read_log(&world.victim).iter().any(|record| record.verb == "conflict"), "no second history");
}

/// A binding counts in its library only; a succession, which both keys sign, is known to a library that has
/// not got it yet. A node that one library does not know is not locked out by what another one says of it.
#[tokio::test(flavor = "multi_thread")]
async fn a_key_counts_where_it_is_bound_and_where_the_node_itself_signed_for_it() {
    let world = World::open().await;
    let (service, films) = (world.victim.library_service(), films(&world.victim));
    let (node, first) = (world.origin.id(), world.origin.context().signing_key());
    let (thief, new) = (Key::from_seed([81; 32]).public(), Key::from_seed([82; 32]));
    let holds = |key: &PublicKey| {
        [&films.id(), &world.other].map(|library| service.keys().holds_in(library, &node, key))
    };
    world.bind(node, &Key::from_seed([81; 32]));
    assert_eq!((holds(&thief), holds(&first.public())), ([false, true], [true, false]));
    assert_eq!(service.keys().node_in(&films.id(), &thief), thief.node());
    assert_eq!(service.keys().node_in(&world.other, &thief), node);

    world.bind(node, &first);
    let (other, _) = world.operator();
    let said = author::succession(&other, node, &first, &new, 0, now_ms() - 1000).unwrap();
    world.victim.hear(&[said.bytes().clone()]);
    assert!(!films.holds_key(&node, &new.public(), now_ms()));
    assert_eq!((holds(&new.public()), holds(&thief)), ([true, true], [false, false]));
    assert_eq!(service.keys().node_in(&films.id(), &new.public()), node);

    let unknown = Key::from_seed([83; 32]).public();
    world.bind(unknown.node(), &Key::from_seed([81; 32]));
    assert!(
        service.keys().holds_in_any(&unknown.node(), &unknown)
            && service.keys().holds_in_any(&unknown.node(), &thief)
    );
    assert!(!service.keys().holds_in(&films.id(), &unknown.node(), &thief));
}
