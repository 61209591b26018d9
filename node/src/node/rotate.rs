//! `rotate`: the node goes on under another key. Its id, history and grants stay; connections that are open go on.
//!
//! The new key is on disk before anybody hears of it, and becomes the node's when every library has the statement by which
//! it succeeds the old one. A crash in between is finished at the next start, or undone where nothing was said yet.

use chuan_engine::{
    audit::{Event, Verb},
    statement::{Body, Key, library::succession},
    store::Store,
};

use super::{Inner, Node, libraries::Libraries, lock_of, now_ms};
use crate::{
    command::Rotate,
    exit::{Failure, Result},
    home::{Home, keys},
    outcome::Rotated,
};

impl Node {
    /// Replaces the node's key. The old one stays good for the grace, for peers that have not heard yet; peers that can be
    /// reached are told before it returns.
    pub async fn rotate(&self, options: Rotate) -> Result<Rotated> {
        let grace_ms = options.grace.saturating_mul(1000);
        let (key, libraries) = self
            .blocking(move |node| {
                let _turn = lock_of(&node.rotating);
                let new = keys::generate()?;
                let what = format!("{}: key {}", node.me.id().short(), new.public().short());
                node.audit(Event::new(Verb::Rotate, what))?;
                node.home.keep_next_key(&new)?;
                let libraries = announce(&node.home, &node.libraries, &new, grace_ms)?;
                node.home.take_next_key()?;
                node.me.set_key(new.clone());
                Ok((new.public(), libraries))
            })
            .await?;
        if let Some(serving) = lock_of(&self.0.serving).as_ref() {
            serving.show(self.0.me.identity())?;
        }
        let mut told = 0;
        for library in self.0.libraries.all() {
            told += self.spread(&library.id()).await?.reached;
        }
        Ok(Rotated {
            node: self.id().to_string(),
            key: key.to_string(),
            libraries,
            grace_seconds: options.grace,
            told: told as u64,
        })
    }
}

/// Signs and keeps a succession from the home's key to `new` in every library that knows the node; gives in how many.
fn announce<S: Store>(home: &Home, libraries: &Libraries<S>, new: &Key, grace_ms: u64) -> Result<u64> {
    let (node, old) = (home.node_id()?, home.node_key()?);
    let now = now_ms();
    let mut count = 0;
    for library in libraries.all() {
        match library.key_of(&node) {
            None => continue,
            Some(key) if key == new.public() => {}
            Some(key) if key == old.public() => {
                let said = succession(&library, node, &old, new, grace_ms, now)?;
                libraries.change(&library.id(), Vec::new(), now, |_| Ok(vec![said]))?;
            }
            Some(key) => {
                return Err(Failure::denied(format!(
                    "library {} knows this node under another key ({}) than its home has; an operator can bind this one with \
                     `chuan grant --key`",
                    library.name(),
                    key.short()
                )));
            }
        }
        count += 1;
    }
    Ok(count)
}

/// Ends what a crash left of a rotation: finishes it where something was said, undoes it where nothing was.
pub(super) fn finish_rotation<S: Store>(home: &Home, libraries: &Libraries<S>) -> Result<()> {
    let Some(new) = home.next_key()? else { return Ok(()) };
    let (node, old) = (home.node_id()?, home.node_key()?);
    let said = |body: &Body| match body {
        Body::Succession(next) if next.node == node && next.new == new.public() => Some(next.grace_ms),
        _ => None,
    };
    let all = libraries.all();
    let grace = all.iter().flat_map(|library| library.statements()).find_map(|s| said(s.body()));
    match grace {
        _ if old.public() == new.public() => home.take_next_key(),
        Some(grace_ms) => {
            announce(home, libraries, &new, grace_ms)?;
            home.take_next_key()
        }
        None => home.drop_next_key(),
    }
}

impl Inner {
    /// The key that peers are shown.
    pub(super) fn key(&self) -> Key {
        self.me.key()
    }
}
