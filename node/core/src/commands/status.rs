//! `status`: everything worth knowing at a glance.

use chuan_engine::{
    id::ManifestId,
    statement::{Library, RoleKind},
};

use super::{Inner, Node, conflicts, now_ms, release::Held};
use crate::{
    exit::Result,
    outcome::{ChannelStatus, Intake, LibraryStatus, PeerStatus, Status, StoreStatus},
};

impl Node {
    /// Libraries, channels, the store and the peers, as they are now.
    pub async fn status(&self) -> Result<Status> {
        let identity = self.identity()?;
        let listening = self.listening();
        self.blocking(move |node| {
            let mut libraries = Vec::new();
            for library in node.libraries.all() {
                libraries.push(node.library_status(&library)?);
            }
            let holder = node.holder();
            Ok(Status {
                identity,
                pid: holder.pid,
                doing: holder.doing,
                listening: listening.map(|address| address.to_string()),
                libraries,
                store: node.store_status()?,
                ledger: node.ledger_status()?,
                peers: node.peers_status()?,
                intake: node.intake(),
            })
        })
        .await
    }
}

impl Inner {
    fn library_status(&self, library: &Library) -> Result<LibraryStatus> {
        let now = now_ms();
        let mut channels = Vec::new();
        for said in library.channels() {
            let release = library.release(&said.body.release);
            let complete = match release {
                Some(release) => self.is_complete(library, &release.body.manifest)?,
                None => false,
            };
            let time_ms = said.statement.time_ms();
            let held = release.and_then(|release| self.held(library, &release.body.manifest).ok());
            let classes = held.iter().flat_map(|held| &held.classes).map(|class| class.header.name.clone());
            channels.push(ChannelStatus {
                name: said.body.name.clone(),
                release: said.body.release.to_string(),
                sequence: release.map_or(0, |release| release.statement.sequence()),
                time_ms,
                age_seconds: now.saturating_sub(time_ms).max(0).unsigned_abs() / 1000,
                complete,
                fresh_age_seconds: self.age_here(library, &said.body.name)?,
                lag: self.lag(library, &said.body.name)?,
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
            members: library.members().len() as u64,
            releases: library.releases().len() as u64,
            conflicts_open: conflicts::open(library),
            keys: self
                .home
                .roles_held(&library.id())
                .into_iter()
                .map(|role| role.name().to_owned())
                .collect(),
            channels,
            pull_unfinished: self.home.pull_unfinished(&library.id()),
        })
    }

    /// Whether a release is whole here, as far as it is granted. Looks for itself only where nothing speaks against it: marks
    /// are forgotten when the index is rebuilt.
    pub(super) fn is_complete(&self, library: &Library, manifest: &ManifestId) -> Result<bool> {
        if self.home.pull_unfinished(&library.id()) || !self.objects(&library.id()).lost()?.is_empty() {
            return self.all_of(library, manifest, |class| {
                Ok(self.is_full(&library.id(), &class.commitment.as_page())?)
            });
        }
        self.is_release_whole(library, manifest)
    }

    fn intake(&self) -> Intake {
        let asked = self.counts.now();
        Intake {
            sessions: asked.sessions,
            strangers: asked.strangers,
            handshakes_failed: asked.handshakes_failed,
            hellos_refused: asked.hellos_refused,
            requests: asked.requests,
            requests_unread: asked.requests_unread,
            statements: self.libraries.intake.now(),
        }
    }

    fn store_status(&self) -> Result<StoreStatus> {
        let stats = self.store.disk().stats()?;
        Ok(StoreStatus {
            segments: stats.segments,
            segment_bytes: stats.segment_bytes,
            chunks: stats.chunks,
            chunk_bytes: stats.chunk_bytes,
            pages: stats.pages,
            lost: stats.lost,
            usable_bytes: stats.usable_bytes,
        })
    }

    fn peers_status(&self) -> Result<Vec<PeerStatus>> {
        let peers = self.home.peers()?;
        let status = peers.iter().map(|peer| PeerStatus {
            id: peer.id.clone(),
            name: peer.name.clone(),
            addresses: peer.addresses.clone(),
            libraries: peer.libraries.iter().cloned().collect(),
        });
        Ok(status.collect())
    }
}

/// Who may change the root, and what an operator should know about that.
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
        notes.push(format!("the root should have been renewed {days} days ago; nothing stops"));
    }
    (format!("{} of {keys}", role.threshold), notes.join("; "))
}
