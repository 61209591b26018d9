//! Answers the requests of a peer, except joins: the order of the checks, and the guard that ends an answer
//! when the peer's grant ends.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;

use crate::{
    error::{Error, Result},
    id::{LibraryId, NodeId},
    limits::{ANSWER_PEERS, GRANT_TICK},
    statement::{
        Kinds, Library, PublicKey,
        access::{Access, Act, decide},
    },
    store::{Ledger, Objects},
    sync::{
        exchange,
        frame::Frame,
        message::{End, Hello, Request},
        session::{Answer, Outlet},
    },
};

/// The state of a node from which it answers its peers. Methods may block.
pub trait Responder {
    /// The current state of a library; `None` if it is not served here.
    fn library(&self, id: &LibraryId) -> Option<Arc<Library>>;

    /// The chunks and pages of a library.
    fn objects(&self, library: &LibraryId) -> Arc<dyn Objects>;

    /// The store of statements and refs.
    fn ledger(&self) -> Arc<dyn Ledger>;

    /// The time, in milliseconds since 1970: memberships expire.
    fn now_ms(&self) -> i64;

    /// Other members of `library` with the addresses at which they were reached: hints for the peer.
    fn peers(&self, library: &Library) -> Vec<Hello>;

    /// Takes statements that `peer`, a member of `library`, offered in an exchange about it, unverified.
    fn take_offered(&self, library: &LibraryId, peer: &NodeId, statements: Vec<Bytes>);

    /// Whether a library has changed since the last call. Cheap: it is called for each frame.
    fn has_changed(&mut self) -> bool;
}

/// A peer that sends requests over one connection.
#[derive(Clone, Copy, Debug)]
pub struct Asker {
    /// The node that it is.
    pub node: NodeId,
    /// The key that it has proved.
    pub key: PublicKey,
    /// The kinds of statements that both sides know.
    pub kinds: Kinds,
}

/// Answers any request but a join, frame by frame, until `out` takes no more frames.
///
/// # Errors
///
/// Denied where the library is not served, or the peer may not have what it asks for, or its grant ends while
/// the answer runs; else as the store. The caller turns an error into the refusal that ends the answer.
pub fn respond(
    node: &mut dyn Responder,
    asker: &Asker,
    request: Request,
    out: &mut dyn Outlet,
) -> Result<()> {
    // Before the library is read: a change after that makes the guard check again.
    let _ = node.has_changed();
    // An unknown library gets the same answer as a missing membership.
    let library = node
        .library(request.library())
        .ok_or_else(|| Error::Denied("the library is not served here".into()))?;
    let now_ms = node.now_ms();
    decide(&library, &asker.node, Some(&asker.key), Act::Exchange, now_ms).into_result()?;
    match request {
        Request::Exchange { talk, .. } => {
            let reply = exchange::answer(&library, asker.kinds, talk, &asker.node, now_ms)?;
            if !reply.offered.is_empty() {
                node.take_offered(&library.id(), &asker.node, reply.offered);
            }
            let _ = reply.frames.into_iter().all(|frame| out.send(frame));
            Ok(())
        }
        Request::Peers { .. } => {
            let peers = node.peers(&library).into_iter().take(ANSWER_PEERS).map(Frame::Hello);
            let end = Frame::End(End { complete: true, ..End::default() });
            let _ = peers.chain([end]).all(|frame| out.send(frame));
            Ok(())
        }
        request => {
            let objects = node.objects(&library.id());
            let answer = Answer::new(objects, &*node.ledger(), &library, request, &asker.node, now_ms)?;
            let mut guard = GrantGuard::new(node, asker, library, out);
            let went = answer.run(&mut guard);
            guard.finish(went)
        }
    }
}

/// Passes the frames of an answer on for as long as the peer holds its key, and all grants that it had when
/// the answer began. An answer may run for hours, and meanwhile a membership may be revoked, narrowed or
/// expire.
struct GrantGuard<'a> {
    node: &'a mut dyn Responder,
    library: Arc<Library>,
    access: Access,
    checked: Duration,
    revoked: bool,
    out: &'a mut dyn Outlet,
}

impl<'a> GrantGuard<'a> {
    /// Guards an answer that was decided on `library`.
    fn new(
        node: &'a mut dyn Responder,
        asker: &Asker,
        library: Arc<Library>,
        out: &'a mut dyn Outlet,
    ) -> Self {
        let access = Access::of(&library, asker.node, asker.key, node.now_ms());
        let checked = out.now();
        Self { node, library, access, checked, revoked: false, out }
    }

    /// The result of an answer; a refusal if the guard ended it.
    fn finish(self, went: Result<()>) -> Result<()> {
        match self.revoked {
            true => Err(Error::Denied("the grant or the key of the peer is no longer valid".into())),
            false => went,
        }
    }

    /// Whether it is time to check again: a library has changed, or so much time has passed that a grant, or
    /// the grace of a key, may have expired.
    fn is_due(&mut self) -> bool {
        let now = self.out.now();
        if !self.node.has_changed() && now.saturating_sub(self.checked) < GRANT_TICK {
            return false;
        }
        self.checked = now;
        true
    }

    fn is_valid(&self) -> bool {
        // A library that is not here any more revokes no grant.
        let library = self.node.library(&self.library.id());
        self.access.is_valid(library.as_ref().unwrap_or(&self.library), self.node.now_ms())
    }
}

impl Outlet for GrantGuard<'_> {
    fn send(&mut self, frame: Frame) -> bool {
        self.revoked |= self.is_due() && !self.is_valid();
        !self.revoked && self.out.send(frame)
    }

    fn rate(&self) -> Option<u64> {
        self.out.rate()
    }

    fn now(&self) -> Duration {
        self.out.now()
    }
}
