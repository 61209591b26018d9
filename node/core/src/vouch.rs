//! Freshness: how long ago enough timekeepers vouched that a channel stands where it is known to stand, and the node that
//! vouches by itself because it holds a timekeeper's key. An age is a label. Only a class that asks for it is withheld for its
//! age, and only from whoever restores, never from a peer.

use std::{collections::BTreeMap, sync::Weak};

use chuan_engine::{
    id::{LibraryId, StatementId},
    statement::{Library, RoleKind, library::fresh},
};
use tokio::{
    sync::watch,
    time::{Instant, timeout_at},
};

use super::{Inner, gossip::gone, now_ms, on_thread};
use crate::{exit::Result, keyring::Keyring};

/// Where each channel stood when this process vouched for it last.
type Vouched = BTreeMap<(LibraryId, String), StatementId>;

/// Seconds since enough timekeepers vouched for a channel; none where they don't.
pub(crate) fn age(library: &Library, channel: &str) -> Option<u64> {
    let since = library.fresh_since(channel)?;
    Some(now_ms().saturating_sub(since).max(0).unsigned_abs() / 1000)
}

/// Vouches for every channel now and then, and at once when one moved, until `closing` is dropped: of the libraries whose
/// timekeeper's key lies in the home.
pub(super) async fn keep(
    node: Weak<Inner>,
    mut changes: watch::Receiver<u64>,
    mut closing: watch::Receiver<()>,
) {
    let mut vouched = Vouched::new();
    // For good: to open a key that has a passphrase takes half a second and half of the memory that a node may have.
    let mut keyring: Option<Keyring> = None;
    let mut due = Instant::now();
    loop {
        changes.mark_unchanged();
        let Some(node) = node.upgrade() else { return };
        let now = Instant::now();
        if now >= due {
            vouched.clear();
            due = now + node.config.fresh_every.duration();
        }
        let work = on_thread(move || {
            node.vouch(&mut vouched, &mut keyring);
            Ok((vouched, keyring))
        });
        let Ok(done) = work.await else { return };
        (vouched, keyring) = done;
        tokio::select! {
            biased;
            () = gone(&mut closing) => return,
            changed = timeout_at(due, changes.changed()) => if let Ok(Err(_)) = changed { return },
        }
    }
}

impl Inner {
    /// Vouches for the channels that moved since they were vouched for last. What fails is said, and tried again with the next
    /// change, with the keys read anew: the files may have been replaced.
    fn vouch(&self, vouched: &mut Vouched, keyring: &mut Option<Keyring>) {
        for library in self.libraries.all() {
            if !self.home.role_key_path(&library.id(), RoleKind::Timekeeper).exists() {
                continue;
            }
            for said in library.channels() {
                let place = (library.id(), said.body.name.clone());
                let statement = said.statement.id();
                if vouched.get(&place) == Some(&statement) {
                    continue;
                }
                let keys = keyring.get_or_insert_with(|| Keyring::of_home(self.home.clone()));
                match self.vouch_for(&library, &said.body.name, keys) {
                    Ok(()) => drop(vouched.insert(place, statement)),
                    Err(failure) => {
                        *keyring = None;
                        tracing::warn!(%failure, library = library.name(), "this node's timekeeper could not vouch");
                    }
                }
            }
        }
    }

    fn vouch_for(&self, library: &Library, channel: &str, keyring: &Keyring) -> Result<()> {
        let keys = keyring.role_keys(library, RoleKind::Timekeeper)?;
        for key in keys {
            let now = now_ms();
            self.libraries
                .change(&library.id(), now, |library| Ok(vec![fresh(library, &key, channel, now)?]))?;
        }
        Ok(())
    }

    /// For how long what stands here may have been out of date, in ms: since it was last said to be current, by whoever moved the
    /// channel there or by timekeepers; or since something newer was said, of which the data is not here yet. None where that is
    /// not known.
    pub(super) fn staleness_ms(&self, library: &Library, channel: &str) -> Result<Option<u64>> {
        let refs = self.ledger().refs()?;
        let Some(here) = refs.iter().find(|at| at.library == library.id() && at.channel == channel) else {
            return Ok(None);
        };
        let history = library.channel_history(channel);
        let mut later = history.iter().skip_while(|said| said.statement.id() != here.statement);
        let since = match (later.next(), later.next()) {
            (Some(current), None) => library.fresh_since(channel).max(Some(current.statement.time_ms())),
            (_, next) => next.map(|next| next.statement.time_ms()),
        };
        Ok(since.map(|since| now_ms().saturating_sub(since).max(0).unsigned_abs()))
    }

    /// The age of what stands here; none where nobody vouches for it, or the channel has moved on to what is not here.
    pub(super) fn age_here(&self, library: &Library, channel: &str) -> Result<Option<u64>> {
        let current = library.channel(channel).map(|said| said.statement.id());
        let refs = self.ledger().refs()?;
        let here = refs.iter().find(|at| at.library == library.id() && at.channel == channel);
        Ok(here.filter(|here| Some(here.statement) == current).and_then(|_| age(library, channel)))
    }
}
