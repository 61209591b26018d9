//! `status`: the state of libraries, channels, the store and the peers.

use std::sync::Arc;

use chuan_engine::statement::{Library, RoleKind};

use super::conflicts;
use crate::{
    admin::Holder,
    context::Context,
    exit::Result,
    home::{backup, peers::Peer},
    human::counted,
    key_file::{self, Ask},
    library::{LibraryService, holdings::Held},
    outcome::{ChannelStatus, Identity, Intake, LibraryStatus, PeerStatus, Status, StoreStatus},
    peers,
    services::Services,
};

/// Libraries, channels, the store and the peers, as they are now.
pub(crate) async fn status(services: &Arc<Services>, holder: Holder) -> Result<Status> {
    services
        .blocking(move |services| {
            let Services { context, library: service, .. } = services;
            let mut libraries = Vec::new();
            for library in service.all() {
                let refusals = services.peers.refusals.of(&library.id());
                let status = library_status(context, service, &library)?;
                libraries.push(LibraryStatus { refusals, ..status });
            }
            Ok(Status {
                identity: identity(context)?,
                pid: holder.pid,
                doing: holder.doing,
                listening: context.listening().map(|address| address.to_string()),
                libraries,
                follows_unknown: services.follows_unknown(),
                store: store_status(context)?,
                ledger: service.ledger_status()?,
                backup: backup::status(&context.home),
                peers: peers_status(services),
                intake: intake(services),
            })
        })
        .await
}

/// The identity of this node.
pub(crate) fn identity(context: &Context) -> Result<Identity> {
    peers::identity(&context.home, &context.config(), context.listening())
}

fn library_status(context: &Context, service: &LibraryService, library: &Library) -> Result<LibraryStatus> {
    let now = context.now_ms();
    let mut channels = Vec::new();
    for said in library.channels() {
        let release = library.release(&said.body.release);
        let complete = match release {
            Some(release) => service.holdings.is_complete(library, &release.body.manifest)?,
            None => false,
        };
        let time_ms = said.statement.time_ms();
        let here = service.ref_of(library, &said.body.name)?;
        let here = here.and_then(|here| library.statement(&here.statement).map(|said| said.time_ms()));
        let shown = service.here(library, &said.body.name)?.or(release);
        let held = shown.and_then(|release| service.holdings.held(library, &release.body.manifest).ok());
        let classes = held.iter().flat_map(|held| &held.classes).map(|class| class.header.name.clone());
        channels.push(ChannelStatus {
            name: said.body.name.clone(),
            release: said.body.release.to_string(),
            sequence: release.map_or(0, |release| release.statement.sequence()),
            time_ms,
            age_seconds: now.saturating_sub(time_ms).max(0).unsigned_abs() / 1000,
            here_time_ms: here,
            complete,
            fresh_age_seconds: service.fresh_age_here(library, &said.body.name)?,
            lag: service.lags.of(library, &said.body.name)?,
            classes: classes.collect(),
            classes_absent: held.as_ref().map_or(0, Held::classes_absent),
        });
    }
    let (root, trust) = trust(library, now);
    Ok(LibraryStatus {
        id: library.id().to_string(),
        name: library.name().to_owned(),
        root_version: library.root().map_or(0, |root| root.version),
        root,
        trust,
        timekeepers: library.timekeepers() as u64,
        members: library.members().len() as u64,
        releases: library.releases().len() as u64,
        conflicts_open: conflicts::open(library),
        keys: names(context.home.roles_held(&library.id())),
        keys_not_in_root: names(keys_not_in_root(context, library)),
        channels,
        pull_unfinished: context.home.pull_unfinished(&library.id()),
        refusals: Vec::new(),
    })
}

fn names(roles: Vec<RoleKind>) -> Vec<String> {
    roles.into_iter().map(|role| role.name().to_owned()).collect()
}

/// The roles whose key in this home the root does not name. The public half of a key with a passphrase is not
/// known.
fn keys_not_in_root(context: &Context, library: &Library) -> Vec<RoleKind> {
    let Some(root) = library.root() else { return Vec::new() };
    let mut roles = context.home.roles_held(&library.id());
    roles.retain(|role| {
        let path = context.home.role_key_path(&library.id(), *role);
        let key =
            key_file::is_encrypted(&path).is_ok_and(|is| !is).then(|| key_file::read(&path, Ask::Nobody));
        key.is_some_and(|key| key.is_ok_and(|key| !root.names(*role, &key.public())))
    });
    roles
}

fn intake(services: &Services) -> Intake {
    let asked = services.serve.counts().now();
    Intake {
        sessions: asked.sessions,
        strangers: asked.strangers,
        handshakes_failed: asked.handshakes_failed,
        hellos_refused: asked.hellos_refused,
        requests: asked.requests,
        requests_unread: asked.requests_unread,
        statements: services.library.heard(),
    }
}

fn store_status(context: &Context) -> Result<StoreStatus> {
    let stats = context.store.disk()?.stats()?;
    Ok(StoreStatus {
        segments: stats.segments,
        segment_bytes: stats.segment_bytes,
        chunks: stats.chunks,
        chunk_bytes: stats.chunk_bytes,
        pages: stats.pages,
        lost: stats.lost,
        // A disk that takes no writes may have room.
        usable_bytes: if context.store.read_only().is_some() { 0 } else { stats.usable_bytes },
    })
}

fn peers_status(services: &Services) -> Vec<PeerStatus> {
    let peers = services.peers.all().by_node();
    let all = services.library.all();
    let is_revoked = |peer: &Peer| {
        let Ok(node) = peer.id.parse() else { return false };
        let mut sources = all.iter().filter(|library| peer.libraries.contains(&library.id().to_string()));
        sources.any(|library| library.member(&node).is_none() && library.revocation(&node).is_some())
    };
    let status = peers.iter().map(|peer| PeerStatus {
        id: peer.id.clone(),
        name: peer.name.clone(),
        addresses: peer.addresses.clone(),
        libraries: peer.libraries.iter().cloned().collect(),
        contact: services.peers.contacts.of(&peer.id),
        revoked: is_revoked(peer),
    });
    status.collect()
}

/// The threshold of the root role, and notes about it for an operator.
fn trust(library: &Library, now: i64) -> (String, String) {
    let Some(role) = library.root().and_then(|root| root.root_role()) else {
        return ("unknown".to_owned(), String::new());
    };
    debug_assert_eq!(role.kind, RoleKind::Root);
    let keys = role.keys.len();
    let mut notes = Vec::new();
    if role.threshold == 1 {
        notes.push("one lost or stolen key decides: see docs/trust.md".to_owned());
    }
    let expires_ms = library.root().map_or(0, |root| root.expires_ms);
    if library.root_expired(now) {
        let days = now.saturating_sub(expires_ms) / (24 * 3600 * 1000);
        let days = counted(days.unsigned_abs(), "day");
        notes.push(format!("the root should have been renewed {days} ago; nothing stops"));
    }
    (format!("{} of {keys}", role.threshold), notes.join("; "))
}
