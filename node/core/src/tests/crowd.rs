//! The owner of one library at work against a node that is a member of another one too: what the owner signs,
//! names or holds back takes no turn, no dial, no record and no proof from the other library.

use std::{
    collections::BTreeSet,
    net::SocketAddr,
    sync::{Mutex, atomic::AtomicBool, mpsc},
    time::Duration,
};

use chuan_engine::{
    id::{ManifestId, RecordId},
    statement::{Body, Checkpoint, Header, Key, PublicKey, Release, RoleKind, library as author},
    sync::fetch::{Fetch, Report},
};
use chuan_net::{
    Endpoint, Error as NetError, Identity, PeerKey, PeerVerifier, Result as NetResult, WireStats,
    link::{BoxFuture, Link, Socket, Take},
    serve::{self, Identified, Refused},
};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use super::{
    audit::read_log,
    mesh::{films, role_key, until},
    neighbour::World,
    *,
};
use crate::{command::AuditCheckpoint, keyring::Keyring};

/// Accepts every member, and answers no pull before the test is over.
struct Stalled {
    of: LibraryId,
    asked: Arc<Notify>,
    over: Mutex<mpsc::Receiver<()>>,
}

impl PeerHandler for Stalled {
    fn identify(&self, key: &PublicKey) -> Identified {
        Identified { node: key.node(), bound: Vec::new(), introduction: None }
    }

    fn memberships(&self, _: &PeerKey) -> Vec<LibraryId> {
        vec![self.of]
    }

    fn greet(&self, _: &PeerKey, _: Hello) -> bool {
        true
    }

    fn answer(&self, _: &Caller, request: Request, _: &mut dyn Outlet) -> chuan_engine::Result<()> {
        if matches!(request, Request::Pull(_)) {
            self.asked.notify_one();
            let _ = self.over.lock().unwrap().recv();
        }
        Err(Error::Missing("nothing".into()))
    }

    fn ended(&self, _: &PeerKey) {}

    fn refused(&self, _: Option<&PeerKey>, _: SocketAddr, _: Refused, _: &str) {}
}

/// Symptom: pulls of one library waited for the end of a pull of another library with the same name, and the
/// owner of that one let it last for ever. Cause: the turn of a library went by its name, which its owner
/// chooses.
#[tokio::test(flavor = "multi_thread")]
async fn a_pull_waits_for_no_pull_of_another_library_with_the_same_name() {
    let world = World::with_other("films").await;
    let own = world.origin.library_service().named("films").unwrap().id();
    let identity = Identity::of_node(world.owner.id(), world.owner.context().signing_key());
    let address = world.owner.listening().unwrap();
    world.owner.close().await;
    let endpoint = loop {
        match Endpoint::listen(address, identity.clone()) {
            Ok(endpoint) => break endpoint,
            Err(_) => tokio::task::yield_now().await,
        }
    };
    let (asked, (_over, over)) = (Arc::new(Notify::new()), mpsc::channel());
    let stalled = Stalled { of: world.other, asked: Arc::clone(&asked), over: Mutex::new(over) };
    tokio::spawn(serve::run(endpoint, listener(Arc::new(stalled)), std::future::pending()));
    let of = |library: LibraryId| Pull { library: Some(library.to_string()), ..Pull::default() };
    let (victim, other) = (world.victim.clone(), world.other);
    let pulling = tokio::spawn(async move { victim.pull(of(other), &Job::silent()).await });
    asked.notified().await;
    let pulled =
        tokio::time::timeout(Duration::from_secs(30), world.victim.pull(of(own), &Job::silent())).await;
    assert!(!pulled.expect("has its turn").unwrap().changed);
    assert!(!pulling.is_finished());
    pulling.abort();
}

