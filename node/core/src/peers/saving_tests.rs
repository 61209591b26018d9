//! How often the address book is saved.

use std::time::Duration;

use chuan_engine::store::memory::{MemoryLedger, MemoryObjectStores};

use super::*;
use crate::{
    limits::{CLAIM_PERIOD, CLAIMS},
    services::Services,
    sim::Planted,
    system::{Clock, Randomness},
};

fn services(root: &std::path::Path) -> Arc<Services> {
    let (objects, ledger) = (Arc::<MemoryObjectStores>::default(), Arc::<MemoryLedger>::default());
    let context = Context::in_memory(root, objects, ledger, Clock::manual(1)).unwrap();
    let network = Arc::clone(&context.network);
    Services::load(context.simulated(network, Randomness::default(), Planted::default())).unwrap()
}

fn saves(services: &Services) -> u32 {
    services.peers.saves.load(Ordering::Relaxed)
}

/// Each hello with new addresses rewrote the whole address book: about 40 times a second.
#[tokio::test(start_paused = true)]
async fn a_member_that_names_new_addresses_all_the_time_keeps_no_disk_busy() {
    let dir = tempfile::tempdir().unwrap();
    let services = services(dir.path());
    services.start();
    let (node, library) = (NodeId::of(&[1; 32]), LibraryId::of(b"l"));
    let claim = |node: &NodeId, port: u32| {
        let address = format!("192.0.2.1:{port}");
        services.peers.record_self_claim(node, "x", std::slice::from_ref(&address), &[library]);
        services.peers.all().iter().any(|peer| peer.addresses.first() == Some(&address))
    };
    let mut taken = 0;
    for port in 1..=200 {
        taken += u32::from(claim(&node, port));
        tokio::time::sleep(Duration::from_millis(25)).await;
    }
    assert_eq!(taken, CLAIMS);
    assert!(saves(&services) <= 1, "{} saves in five seconds", saves(&services));

    tokio::time::sleep(CLAIM_PERIOD).await;
    assert_eq!(saves(&services), 1);
    assert_eq!(services.context.home.peers().unwrap(), services.peers.all());
    assert!(claim(&node, 201), "a later change is taken");
    // Many nodes share one save, and closing does not wait for its time.
    for number in 2..=100 {
        assert!(claim(&NodeId::of(&[number; 32]), u32::from(number)));
    }
    assert_eq!(saves(&services), 1);
    services.close().await;
    assert_eq!(saves(&services), 2);
    assert_eq!(services.context.home.peers().unwrap(), services.peers.all());
}

/// A peer that this node has dialled itself, as after a join, is saved at once.
#[tokio::test(start_paused = true)]
async fn a_dialled_peer_is_durable_at_once() {
    let dir = tempfile::tempdir().unwrap();
    let services = services(dir.path());
    let (node, library) = (NodeId::of(&[1; 32]), LibraryId::of(b"l"));
    for _ in 0..2 {
        services.peers.record_dial(&node, "x", &["192.0.2.1:1".into()], &library).unwrap();
        assert_eq!(saves(&services), 1);
        assert_eq!(services.context.home.peers().unwrap(), services.peers.all());
    }
}
