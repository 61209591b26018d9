//! `rotate`: the node goes on under another key. Its id, history and grants stay; connections that are open go on until the
//! grace of the key that they began with is over, so that a stolen old key is good for no longer.
//!
//! The new key is on disk before anybody hears of it, and becomes the node's when every library has the statement by which
//! it succeeds the old one. Cut short in between, a rotation is finished by the next start or the next `rotate`, or undone
//! where nothing was said yet: a key that somebody has heard of is never thrown away.

use chuan_engine::{
    audit::{Event, Verb},
    id::NodeId,
    statement::{Accepted, Body, Key, Statement, library::succession},
    store::Ledger,
};

use super::{Inner, Node, libraries::Libraries, lock_of, now_ms};
use crate::{
    command::Rotate,
    exit::Result,
    home::{Home, keys},
    outcome::Rotated,
};

/// The libraries of a node, by how they come to a new key.
struct Step {
    /// Those that know the node under its old key, each with the succession to be said there.
    to_tell: Vec<Statement>,
    /// Those that know it under the new one already.
    told: usize,
    /// By name, those that refuse: an operator bound another key there, or the old one is in dispute. Only an operator can bind
    /// this one.
    refusing: Vec<String>,
}

impl Node {
    /// Replaces the node's key. The old one stays good for the grace, for peers that have not heard yet; peers that can be
    /// reached are told before it returns.
    pub async fn rotate(&self, options: Rotate) -> Result<Rotated> {
        let grace_ms = options.grace.saturating_mul(1000);
        let (key, libraries, libraries_refusing) = self
            .blocking(move |node| {
                let _turn = lock_of(&node.rotating);
                let (id, old) = (node.me.id(), node.home.node_key()?);
                // One that was cut short is gone on with: some library may name its key.
                let begun = node.home.next_key()?;
                let new = begun.clone().map_or_else(keys::generate, Ok)?;
                let step = Step::of(&node.libraries, id, (&old, &new), grace_ms)?;
                let what = format!("{}: key {}", id.short(), new.public().short());
                node.audit(Event::new(Verb::Rotate, what))?;
                if begun.is_none() {
                    node.home.keep_next_key(&new)?;
                }
                let libraries = step.announce(&node.libraries)?;
                node.home.take_next_key()?;
                node.me.set_key(new.clone());
                Ok((new.public(), libraries, step.refusing))
            })
            .await?;
        if let Some(serving) = lock_of(&self.0.serving).as_ref() {
            serving.show(self.0.me.identity())?;
        }
        // First, so that the checkpoint over what was just done goes along.
        self.settle_audit_if_due().await;
        let mut told = 0;
        for library in self.0.libraries.all() {
            told += self.pass_on(&library.id()).await.reached;
        }
        Ok(Rotated {
            node: self.id().to_string(),
            key: key.to_string(),
            libraries,
            libraries_refusing,
            grace_seconds: options.grace,
            told: told as u64,
        })
    }
}

impl Step {
    /// Makes the successions, and says nothing yet. Fails where they could stand nowhere.
    fn of<L: Ledger>(
        libraries: &Libraries<L>,
        node: NodeId,
        (old, new): (&Key, &Key),
        grace_ms: u64,
    ) -> Result<Self> {
        let mut step = Self { to_tell: Vec::new(), told: 0, refusing: Vec::new() };
        for library in libraries.all() {
            let Some(key) = library.key_of(&node) else { continue };
            if key == new.public() {
                step.told += 1;
                continue;
            }
            let now = now_ms();
            let said = succession(&library, node, old, new, grace_ms, now)?;
            let is_taken = (*library).clone().offer(&said, now).is_ok_and(|outcome| outcome == Accepted::New);
            match key == old.public() && is_taken {
                true => step.to_tell.push(said),
                false => step.refusing.push(library.name().to_owned()),
            }
        }
        Ok(step)
    }

    /// Makes the successions durable and known; gives in how many libraries the new key stands then.
    fn announce<L: Ledger>(&self, libraries: &Libraries<L>) -> Result<u64> {
        for said in &self.to_tell {
            libraries.change(&said.library(), now_ms(), |_| Ok(vec![said.clone()]))?;
        }
        Ok((self.told + self.to_tell.len()) as u64)
    }
}

/// Ends what was left of a rotation that was cut short: finishes it where something was said, undoes it where nothing was.
/// What keeps it from being finished is told, and tried again at the next start; until then the node goes on under its old
/// key.
pub(super) fn finish_rotation<L: Ledger>(home: &Home, libraries: &Libraries<L>) -> Result<()> {
    let Some(new) = home.next_key()? else { return Ok(()) };
    let (node, old) = (home.node_id()?, home.node_key()?);
    if old.public() == new.public() {
        return home.take_next_key();
    }
    let grace = |body: &Body| match body {
        Body::Succession(next) if next.node == node && next.new == new.public() => Some(next.grace_ms),
        _ => None,
    };
    let all = libraries.all();
    let said = all.iter().flat_map(|library| library.statements()).find_map(|said| grace(said.body()));
    let Some(grace_ms) = said else { return home.drop_next_key() };
    let step = Step::of(libraries, node, (&old, &new), grace_ms);
    match step.and_then(|step| step.announce(libraries)) {
        Ok(_) => home.take_next_key(),
        Err(failure) => {
            tracing::warn!(%failure, "the node's new key could not be announced everywhere; run `chuan rotate` again");
            Ok(())
        }
    }
}

impl Inner {
    /// The key that peers are shown.
    pub(super) fn key(&self) -> Key {
        self.me.key()
    }
}
