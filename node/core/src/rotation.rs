//! Replaces the node's key. Its id, history and grants stay. Open connections stay valid until the
//! grace of the key with which they began is over: a stolen old key is valid no longer than that.
//!
//! The new key is on disk before any statement names it, and becomes the node's key when every library has
//! its succession statement. If a rotation is interrupted, the next start or the next `rotate` finishes it,
//! or removes the new key if no statement names it yet. A key that a statement names is never removed.

use chuan_engine::{
    audit::{Event, Verb},
    statement::{Accepted, Body, Key, PublicKey, Statement, library::succession},
};

use crate::{context::Context, exit::Result, library::LibraryService};

/// The libraries of a node during a rotation.
struct Step {
    /// The succession for each library that knows the node under its old key.
    to_sign: Vec<Statement>,
    /// The number of libraries that know it under the new key already.
    signed: usize,
    /// The names of libraries that refuse: an operator bound another key there, or the old key is in dispute.
    /// Only an operator can bind the new key there.
    refusing: Vec<String>,
}

/// A key that was replaced.
pub(crate) struct Replaced {
    /// The new key.
    pub(crate) key: PublicKey,
    /// The number of libraries that know the node under it.
    pub(crate) libraries: u64,
    /// The names of libraries that refuse it.
    pub(crate) refusing: Vec<String>,
}

/// Replaces the node's key in every library that accepts the successor. At most one rotation may run at a
/// time. Blocks.
pub(crate) fn replace(context: &Context, service: &LibraryService, grace_ms: u64) -> Result<Replaced> {
    // Libraries that are not known here would keep the old key, and not know the new one.
    service.check_not_lost(None)?;
    let (id, old) = (context.me(), context.home.node_key()?);
    // An interrupted rotation is continued: a library may name its key.
    let begun = context.home.next_key()?;
    let new = begun.clone().map_or_else(|| context.randomness.key(), Ok)?;
    let step = Step::of(context, service, (&old, &new), grace_ms)?;
    let what = format!("{}: key {}", id.short(), new.public().short());
    context.audit(Event::new(Verb::Rotate, what))?;
    if begun.is_none() {
        context.home.keep_next_key(&new)?;
    }
    let libraries = step.announce(service)?;
    take_next_key(context)?;
    Ok(Replaced { key: new.public(), libraries, refusing: step.refusing })
}

/// Makes the next key the node's key, on disk and in memory.
fn take_next_key(context: &Context) -> Result<()> {
    context.home.take_next_key()?;
    context.key.replace(context.home.node_key()?);
    Ok(())
}

impl Step {
    /// Makes the successions, and stores none yet.
    fn of(
        context: &Context,
        service: &LibraryService,
        (old, new): (&Key, &Key),
        grace_ms: u64,
    ) -> Result<Self> {
        let node = context.me();
        let mut step = Self { to_sign: Vec::new(), signed: 0, refusing: Vec::new() };
        for library in service.all() {
            let Some(key) = library.key_of(&node) else { continue };
            if key == new.public() {
                step.signed += 1;
                continue;
            }
            let now = context.now_ms();
            let said = succession(&library, node, old, new, grace_ms, now)?;
            let is_taken = (*library).clone().offer(&said, now).is_ok_and(|outcome| outcome == Accepted::New);
            match key == old.public() && is_taken {
                true => step.to_sign.push(said),
                false => step.refusing.push(library.name().to_owned()),
            }
        }
        Ok(step)
    }

    /// Makes the successions durable and known; returns the number of libraries that know the new key then.
    fn announce(&self, service: &LibraryService) -> Result<u64> {
        for said in &self.to_sign {
            service.change(&said.library(), |_| Ok(vec![said.clone()]))?;
        }
        Ok((self.signed + self.to_sign.len()) as u64)
    }
}

/// Ends an interrupted rotation: finishes it if a statement names the new key, else removes that key. A
/// failure is logged, and the next start tries again; until then the node keeps its old key. Blocks.
pub(crate) fn finish(context: &Context, service: &LibraryService) -> Result<()> {
    let home = &context.home;
    let Some(new) = home.next_key()? else { return Ok(()) };
    let (node, old) = (home.node_id()?, home.node_key()?);
    if old.public() == new.public() {
        return take_next_key(context);
    }
    let grace = |body: &Body| match body {
        Body::Succession(next) if next.node == node && next.new == new.public() => Some(next.grace_ms),
        _ => None,
    };
    let all = service.all();
    let said = all.iter().flat_map(|library| library.statements()).find_map(|said| grace(said.body()));
    // A lost statement may name the key: after a peer has sent it, the next start finishes.
    let Some(grace_ms) = said else {
        return if service.has_lost() { Ok(()) } else { home.drop_next_key() };
    };
    let step = Step::of(context, service, (&old, &new), grace_ms);
    match step.and_then(|step| step.announce(service)) {
        Ok(_) => take_next_key(context),
        Err(failure) => {
            tracing::warn!(%failure, "the node's new key could not be announced everywhere; run `chuan rotate` again");
            Ok(())
        }
    }
}
