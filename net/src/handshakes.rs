//! [`Handshakes`]: the handshakes under way at an acceptor, with the sites from which they come. Owns their
//! tasks, and ends the oldest one of a site where that must give way.

use std::{collections::HashMap, future::Future, net::IpAddr, time::Duration};

use tokio::{
    task::{AbortHandle, Id, JoinError, JoinSet},
    time::Instant,
};

/// Handshakes under way, each with a result of type `T`.
#[derive(Debug)]
pub(crate) struct Handshakes<T> {
    tasks: JoinSet<T>,
    pending: HashMap<Id, Pending>,
}

/// A handshake under way.
#[derive(Debug)]
struct Pending {
    site: IpAddr,
    /// Whether the peer has proved its address: addresses can be forged.
    proved: bool,
    since: Instant,
    task: AbortHandle,
}

impl<T: Send + 'static> Handshakes<T> {
    pub(crate) fn new() -> Self {
        Self { tasks: JoinSet::new(), pending: HashMap::new() }
    }

    /// Begins a handshake with a peer at `site`.
    pub(crate) fn begin(
        &mut self,
        site: IpAddr,
        proved: bool,
        handshake: impl Future<Output = T> + Send + 'static,
    ) {
        let task = self.tasks.spawn(handshake);
        self.pending.insert(task.id(), Pending { site, proved, since: Instant::now(), task });
    }

    /// The next handshake that has ended, with its site; `None` where none is under way. One that gave way,
    /// or failed here, has no result. Cancel-safe.
    pub(crate) async fn next(&mut self) -> Option<Option<(IpAddr, T)>> {
        let (id, ended) = match self.tasks.join_next_with_id().await? {
            Ok((id, ended)) => (id, Some(ended)),
            Err(error) => (error.id(), ended_early(&error)),
        };
        let pending = self.pending.remove(&id);
        Some(pending.zip(ended).map(|(pending, ended)| (pending.site, ended)))
    }

    /// Handshakes under way.
    pub(crate) fn len(&self) -> usize {
        self.pending.len()
    }

    /// Of these, the handshakes from `site`.
    pub(crate) fn at(&self, site: IpAddr) -> usize {
        self.pending.values().filter(|pending| pending.site == site).count()
    }

    /// Of these, the handshakes whose address was proved, and for how long the oldest is under way.
    pub(crate) fn proved_at(&self, site: IpAddr) -> (usize, Duration) {
        let ages = self.proved(site).map(|(_, pending)| pending.since.elapsed());
        ages.fold((0, Duration::ZERO), |(count, oldest), age| (count + 1, oldest.max(age)))
    }

    /// Ends the oldest handshake from `site` whose address was proved, and frees its place.
    pub(crate) fn end_oldest(&mut self, site: IpAddr) {
        let oldest = self.proved(site).min_by_key(|(_, pending)| pending.since).map(|(id, _)| *id);
        if let Some(pending) = oldest.and_then(|id| self.pending.remove(&id)) {
            pending.task.abort();
        }
    }

    fn proved(&self, site: IpAddr) -> impl Iterator<Item = (&Id, &Pending)> {
        self.pending.iter().filter(move |(_, pending)| pending.proved && pending.site == site)
    }
}

/// A handshake that gave way is no error; one that failed here is.
fn ended_early<T>(error: &JoinError) -> Option<T> {
    if !error.is_cancelled() {
        tracing::error!(%error, "a handshake failed here");
    }
    None
}

#[cfg(test)]
mod tests {
    use std::{collections::BTreeSet, future::pending};

    use super::*;
    use crate::{
        admission::{Load, Verdict},
        limits::{HALF_OPEN_PER_ADDRESS, HANDSHAKE_PATIENCE, HANDSHAKE_TIMEOUT},
    };

    /// Sends its number when it ends, however it ends.
    struct Ends(usize, tokio::sync::mpsc::UnboundedSender<usize>);

    impl Drop for Ends {
        fn drop(&mut self) {
            let _ = self.1.send(self.0);
        }
    }

    fn load(handshakes: &Handshakes<()>, site: IpAddr) -> Load {
        let (proved_at_site, oldest_at_site) = handshakes.proved_at(site);
        let half_open_at_site = handshakes.at(site);
        let half_open = handshakes.len();
        Load { half_open, half_open_at_site, proved_at_site, oldest_at_site, ..Load::default() }
    }

    /// Symptom: sixteen handshakes that one machine began and never completed kept all others behind its
    /// address out, for as long as it began new ones. Cause: a newcomer was ignored while the places of its
    /// address were taken.
    #[tokio::test(start_paused = true)]
    async fn stalled_handshakes_give_way_to_others_behind_their_address() {
        let (site, other): (IpAddr, IpAddr) = ([192, 0, 2, 1].into(), [192, 0, 2, 2].into());
        let (ends, mut ended) = tokio::sync::mpsc::unbounded_channel();
        let mut handshakes = Handshakes::new();
        for number in 0..HALF_OPEN_PER_ADDRESS {
            let end = Ends(number, ends.clone());
            handshakes.begin(site, true, async move {
                let _end = end;
                pending::<()>().await;
            });
            tokio::time::advance(Duration::from_millis(1)).await;
        }
        // One that is not proved may be of another machine: it neither counts nor gives way.
        handshakes.begin(site, false, pending());
        assert_eq!(load(&handshakes, site).decide(true), Verdict::Ignore, "they may still complete");
        assert_eq!(load(&handshakes, other).decide(false), Verdict::Admit);
        tokio::time::advance(HANDSHAKE_PATIENCE).await;
        assert!(HANDSHAKE_PATIENCE < HANDSHAKE_TIMEOUT);
        let mut gone = BTreeSet::new();
        for number in 0..3 {
            assert_eq!(load(&handshakes, site).decide(true), Verdict::Replace);
            handshakes.end_oldest(site);
            handshakes.begin(site, true, async {});
            assert_eq!(handshakes.proved_at(site).0, HALF_OPEN_PER_ADDRESS, "the bound stays");
            gone.insert(ended.recv().await.unwrap());
            assert_eq!(gone, (0..=number).collect(), "the oldest goes first");
            // The newcomer completes, and the place is taken by another stalled one.
            while handshakes.next().await.unwrap().is_none() {}
            handshakes.begin(site, true, pending());
        }
    }
}
