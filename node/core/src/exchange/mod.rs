//! The service `exchange`: statements to and from peers. A node that learns a statement passes it on to the
//! peers that it knows, so that it reaches every reachable node without a central place. Owns the schedule of
//! exchanges.

mod reached;
mod scheduler;
mod wait;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
    time::Duration,
};

use chuan_engine::{
    id::LibraryId,
    statement::{
        Library,
        access::{Act, decide},
    },
    sync::exchange::Exchange,
};
use chuan_net::{
    Identity, PeerKey,
    link::{Link, Socket, exchange_step},
};
use tokio::{
    sync::watch::{self, error::RecvError},
    task::JoinSet,
    time::{timeout, timeout_at},
};
use tokio_util::sync::CancellationToken;

pub(crate) use self::scheduler::ExchangeScheduler;
use self::{
    reached::{ExchangeKey, ReachedPeers},
    wait::{Need, Pending},
};
use crate::{
    context::{Context, Stage},
    exit::{Failure, Result},
    job::Job,
    library::LibraryService,
    limits::ASK_SILENCE,
    net_error::net_failure,
    peers::PeerService,
};

/// The time between two exchanges with a peer while nothing changes.
const PERIOD: Duration = Duration::from_secs(30);
/// The delay before a change is passed on, together with later changes in that time.
const PAUSE: Duration = Duration::from_millis(100);
/// The maximum number of exchanges with one peer, until neither side has news: new statements may arrive
/// meanwhile, or may not fit into one exchange.
const ROUNDS: usize = 4;

/// The result of an exchange with all peers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Reach {
    /// Peers that have addresses.
    pub(crate) known: usize,
    /// Peers that took the statements of this node.
    pub(crate) reached: usize,
    /// Statements of these peers that were new here.
    pub(crate) news: usize,
    /// How long this node waited for them.
    pub(crate) waited: Duration,
}

/// The state of each library when its last exchanges began. A change of one library begins exchanges of this
/// one: otherwise the owner of a library makes a node dial the peers of all others, with every statement.
#[derive(Debug, Default)]
struct PassedOn(BTreeMap<LibraryId, Weak<Library>>);

impl PassedOn {
    /// Notes the state of a library; returns whether it is another one than the last.
    fn note(&mut self, id: LibraryId, library: Option<&Arc<Library>>) -> bool {
        let now = library.map(Arc::downgrade).unwrap_or_default();
        let before = self.0.insert(id, Weak::clone(&now));
        before.is_none_or(|before| !before.ptr_eq(&now))
    }
}

/// Exchanges statements with peers.
#[derive(Debug)]
pub(crate) struct ExchangeService {
    context: Arc<Context>,
    library: Arc<LibraryService>,
    peers: Arc<PeerService>,
    /// The exchanges over the listener's socket, while the node listens. The task that runs them owns them.
    listening: Mutex<Weak<ExchangeScheduler>>,
    /// The peers that were reached the last time, also by commands of a node that does not listen.
    reached: ReachedPeers,
}

impl ExchangeService {
    pub(crate) fn new(context: Arc<Context>, library: Arc<LibraryService>, peers: Arc<PeerService>) -> Self {
        Self { context, library, peers, listening: Mutex::default(), reached: ReachedPeers::default() }
    }

    /// Exchanges statements of a library with every known peer, all at the same time, before an act that is
    /// signed on the newest statements. Returns when each has answered, or after the time of [`wait::limit`].
    pub(crate) async fn ask_all(self: &Arc<Self>, library: &LibraryId, job: &Job) -> Result<Reach> {
        self.broadcast(library, Need::Newest, job).await
    }

    /// The same after an act that is effective whether peers learn of it now or later: it waits less, and a
    /// failure is logged.
    pub(crate) async fn pass_on(self: &Arc<Self>, library: &LibraryId, job: &Job) -> Reach {
        self.broadcast(library, Need::Told, job).await.unwrap_or_else(|failure| {
            tracing::warn!(%failure, "statements were not sent to peers");
            Reach::default()
        })
    }

    /// Asks peers for the records that the ledger has lost, and for libraries that are left out. A failure is
    /// only logged: the command that needs the library reports it.
    pub(crate) async fn recover_lost(self: &Arc<Self>, job: &Job) {
        if !self.library.has_lost() {
            return;
        }
        job.say("the ledger has lost records: asking peers for them".to_owned()).await;
        for library in self.library.exchanged() {
            self.pass_on(&library, job).await;
        }
    }

    /// Starts exchanges over the socket of a listener: those of a library at once when it changes, and all
    /// every [`PERIOD`], until [`Stage::Work`] stops. Begins no exchange once [`Stage::Serve`] stops: the
    /// socket is about to close.
    pub(crate) fn start(self: &Arc<Self>, socket: Arc<dyn Socket>) {
        let supervisor = &self.context.supervisor;
        let closing = supervisor.stopping(Stage::Serve).child_token();
        let scheduler = ExchangeScheduler::over(socket, Arc::clone(self), closing);
        *self.lock() = Arc::downgrade(&scheduler);
        let stop = supervisor.stopping(Stage::Work);
        supervisor.spawn(Stage::Work, Arc::clone(self).run(scheduler, stop));
    }

    async fn run(self: Arc<Self>, scheduler: Arc<ExchangeScheduler>, stop: CancellationToken) {
        let mut changes = self.library.changes();
        let (mut passed_on, mut found) = (PassedOn::default(), BTreeSet::new());
        let clock = self.context.clock;
        let mut due = clock.instant();
        loop {
            changes.mark_unchanged();
            let is_due = clock.instant() >= due;
            if is_due {
                due = clock.instant() + PERIOD;
            }
            for library in self.library.exchanged() {
                let is_changed = passed_on.note(library, self.library.get(&library).as_ref());
                if !(is_due || is_changed || found.contains(&library)) {
                    continue;
                }
                for peer in self.peers.exchange_partners(&library) {
                    drop(scheduler.exchange_with(library, peer));
                }
            }
            found.clear();
            tokio::select! {
                biased;
                () = stop.cancelled() => break,
                // A change, or the period is over.
                changed = timeout_at(due, self.next_change(&mut changes)) => if let Ok(Err(_)) = changed { break },
                // A peer named members whose addresses were unknown: they may have news.
                of = scheduler.peers_found() => found = of,
            }
            tokio::select! {
                biased;
                () = stop.cancelled() => break,
                () = tokio::time::sleep(PAUSE) => {}
            }
        }
        *self.lock() = Weak::new();
        // The listener finishes its answers over the same socket. In an orderly close it has ended already.
        let _ = self.context.listening.subscribe().wait_for(Option::is_none).await;
        scheduler.end().await;
    }

    /// Waits for a change of a library. Cancel-safe.
    async fn next_change(&self, changes: &mut watch::Receiver<u64>) -> Result<(), RecvError> {
        #[cfg(test)]
        if self.context.planted.is(crate::sim::Bug::LostWakeUp) {
            std::future::pending::<()>().await;
        }
        changes.changed().await
    }

    /// Proves another key from the next connection of the listener's socket on.
    pub(crate) fn set_identity(&self, identity: Identity) -> Result<()> {
        match self.lock().upgrade() {
            Some(scheduler) => scheduler.socket().set_identity(identity).map_err(net_failure),
            None => Ok(()),
        }
    }

    async fn broadcast(self: &Arc<Self>, library: &LibraryId, need: Need, job: &Job) -> Result<Reach> {
        let listening = self.lock().upgrade();
        if let Some(scheduler) = listening {
            return self.broadcast_over(&scheduler, library, need, job).await;
        }
        let socket = self.context.network.dialler(self.context.key.identity()).map_err(net_failure)?;
        let scheduler = ExchangeScheduler::over(socket, Arc::clone(self), CancellationToken::new());
        let reach = self.broadcast_over(&scheduler, library, need, job).await;
        scheduler.end().await;
        reach
    }

    async fn broadcast_over(
        &self,
        scheduler: &Arc<ExchangeScheduler>,
        library: &LibraryId,
        need: Need,
        job: &Job,
    ) -> Result<Reach> {
        let peers = self.peers.exchange_partners(library);
        let mut reach = Reach { known: peers.len(), ..Reach::default() };
        let mut answers = JoinSet::new();
        let mut pending = BTreeMap::new();
        for peer in peers {
            let (node, place) = (peer.node, peer.place());
            pending.insert(node, (place, self.peers.silence.is_silent(library, &node)));
            let answer = scheduler.exchange_with(*library, peer);
            answers.spawn(async move { (node, answer.await) });
        }
        let begun = self.context.clock.instant();
        let (mut first, mut is_told) = (None, false);
        loop {
            let waiting = pending.iter().map(|(node, (_, is_silent))| Pending {
                is_silent: *is_silent,
                is_connected: scheduler.is_connected(&ExchangeKey { library: *library, node: *node }),
            });
            let end = wait::limit(need, reach.known, waiting, first);
            let until = if is_told { end } else { end.min(ASK_SILENCE) };
            match timeout(until.saturating_sub(begun.elapsed()), answers.join_next()).await {
                Ok(None) => break,
                Ok(Some(Ok((node, answer)))) => {
                    pending.remove(&node);
                    if let Ok(news) = answer {
                        first.get_or_insert_with(|| begun.elapsed());
                        reach.reached += 1;
                        reach.news += news;
                    }
                }
                // Only a panic of the runtime: the peer stays among those that did not answer.
                Ok(Some(Err(_))) => {}
                Err(_) if begun.elapsed() >= end => break,
                Err(_) => {
                    is_told = true;
                    let places: Vec<_> = pending.values().map(|(place, _)| place.as_str()).collect();
                    job.say(format!("waiting for {}: no answer yet", places.join("; "))).await;
                }
            }
        }
        reach.waited = begun.elapsed();
        // The time of a silent peer is not renewed: once a minute it is waited for as any other.
        let silent: Vec<_> = pending
            .into_iter()
            .filter(|(node, (_, is_silent))| {
                let key = ExchangeKey { library: *library, node: *node };
                !is_silent && !scheduler.is_connected(&key)
            })
            .map(|(node, _)| node)
            .collect();
        if !silent.is_empty() {
            let (peers, library) = (Arc::clone(&self.peers), *library);
            self.context
                .blocking(move || {
                    peers.silence.note(&library, &silent);
                    Ok(())
                })
                .await?;
        }
        Ok(reach)
    }

    /// Exchanges statements on a connection until neither side has news for the other; returns how many were
    /// new here. Statements go only to members, and only under a key that this library itself binds to the
    /// node: another library may bind another key.
    ///
    /// A peer that is not known as a member may have become one: its statements are taken first, and it gets
    /// statements only if these prove its membership.
    ///
    /// Moves no channel: the caller does, since a pull moves it by itself.
    pub(crate) async fn exchange_on(&self, link: &dyn Link, library: &LibraryId) -> Result<usize> {
        let peer = link.peer();
        let mut news = 0;
        for round in 0..ROUNDS {
            let Some(known) = self.library.get_or_left_out(library) else { break };
            let is_member = self.is_member(&known, &peer);
            let is_out = known.is_suspended(&peer.node) || known.revocation(&peer.node).is_some();
            if !is_member && (is_out || round > 0) {
                return Err(Failure::denied(format!(
                    "{} is not a member of {} under its current key, and gets no statements",
                    link.name(),
                    known.name()
                )));
            }
            // With an empty library, this node asks for everything and sends nothing.
            let shown = if is_member { known } else { Arc::new(Library::new(*library)) };
            let came = self.take_all(link, *library, Exchange::new(shown, link.kinds())).await?;
            news += came;
            if is_member && came == 0 {
                // Neither side has news: records of the library that were lost here are here again, if the
                // peer had them.
                let (service, library) = (Arc::clone(&self.library), *library);
                self.context.blocking(move || service.heard_all(&library)).await?;
                break;
            }
        }
        Ok(news)
    }

    fn is_member(&self, library: &Library, peer: &PeerKey) -> bool {
        decide(library, &peer.node, Some(&peer.key), Act::Exchange, self.context.now_ms()).is_allowed()
    }

    /// Runs an exchange and stores the statements of each message when it comes: a later failure does not
    /// lose them.
    async fn take_all(&self, link: &dyn Link, id: LibraryId, mut exchange: Exchange) -> Result<usize> {
        let mut news = 0;
        loop {
            let step = exchange_step(link, &mut exchange).await;
            let came = exchange.take_received();
            #[cfg(test)]
            self.context.planted.mark(&link.peer().node, &came);
            if !came.is_empty() {
                let (library, peer) = (Arc::clone(&self.library), link.peer().node);
                let taken = self.context.blocking(move || {
                    let taken = library.hear(&came);
                    library.note_announcer(&id, &peer, &taken);
                    Ok(taken.len())
                });
                news += taken.await?;
            }
            if !step.map_err(net_failure)? {
                return Ok(news);
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, Weak<ExchangeScheduler>> {
        self.listening.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
