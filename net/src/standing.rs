//! Whether what an answer was allowed by still stands. An answer may run for hours, and a membership ends, narrows or
//! expires meanwhile.
//!
//! Looks at the library as it is now; what an answer holds was decided when it began and is the engine's.

use std::{sync::Arc, time::Duration};

use chuan_engine::{
    Error, Result,
    id::NodeId,
    statement::{Classes, Library, Verbs},
    sync::{frame::Frame, session::Outlet},
};
use tokio::sync::watch;

use crate::{PeerKey, limits, serve::Host};

/// Lets the frames of an answer through for as long as the peer holds its key, and all that it was granted when the answer
/// began.
pub(crate) struct Standing<'a, H: ?Sized> {
    host: &'a H,
    peer: &'a PeerKey,
    library: Arc<Library>,
    granted: Vec<Classes>,
    changes: Option<watch::Receiver<u64>>,
    looked: Duration,
    fell: bool,
    out: &'a mut dyn Outlet,
}

impl<'a, H: Host + ?Sized> Standing<'a, H> {
    /// Watches over an answer that is decided on `library`. `changes` was asked for before that, so that none is missed.
    pub(crate) fn new(
        host: &'a H,
        peer: &'a PeerKey,
        library: Arc<Library>,
        changes: Option<watch::Receiver<u64>>,
        out: &'a mut dyn Outlet,
    ) -> Self {
        let granted = granted(&library, &peer.node, host.now_ms());
        let looked = out.now();
        Self { host, peer, library, granted, changes, looked, fell: false, out }
    }

    /// How an answer went: one that was ended here was refused.
    pub(crate) fn judge(self, went: Result<()>) -> Result<()> {
        match self.fell {
            true => Err(Error::Denied("what the peer was granted has ended or is less than it was".into())),
            false => went,
        }
    }

    /// Whether it is time to look again: something was said, or a moment has gone by in which a grant, or the grace of a key,
    /// may have ended by itself.
    fn is_due(&mut self) -> bool {
        let now = self.out.now();
        // Where nobody tells any more the node is closing, and answers under way end with it.
        let told = self.changes.as_ref().is_some_and(|changes| changes.has_changed().unwrap_or(false));
        if !told && now.saturating_sub(self.looked) < limits::STANDING_TICK {
            return false;
        }
        // Before it looks: what is said meanwhile is a reason to look again.
        self.changes.as_mut().map(watch::Receiver::mark_unchanged);
        self.looked = now;
        true
    }

    fn stands(&self) -> bool {
        // A library that is not here any more takes nothing from what was granted.
        let library = self.host.library(&self.library.id());
        let library = library.as_ref().unwrap_or(&self.library);
        let now_ms = self.host.now_ms();
        let now = granted(library, &self.peer.node, now_ms);
        library.holds_key(&self.peer.node, &self.peer.key, now_ms)
            && self.granted.iter().all(|classes| now.iter().any(|now| classes.within(now)))
    }
}

impl<H: Host + ?Sized> Outlet for Standing<'_, H> {
    fn send(&mut self, frame: Frame) -> bool {
        self.fell |= self.is_due() && !self.stands();
        !self.fell && self.out.send(frame)
    }

    fn rate(&self) -> Option<u64> {
        self.out.rate()
    }

    fn now(&self) -> Duration {
        self.out.now()
    }
}

/// What `node` may read now, grant by grant.
fn granted(library: &Library, node: &NodeId, now_ms: i64) -> Vec<Classes> {
    if library.is_suspended(node) {
        return Vec::new();
    }
    let grants = library.grants(node).map(|said| said.body);
    let reads = grants.filter(|grant| grant.is_current(now_ms) && grant.verbs.contains(Verbs::PULL));
    reads.map(|grant| grant.classes.clone()).collect()
}
