//! Statements on their way through the mesh. Whoever learns something passes it on to the peers it knows, so that it reaches
//! every node that can be reached, through whichever others, without any central place.

use std::{
    sync::{Arc, Weak},
    time::{Duration, Instant},
};

use bytes::Bytes;
use chuan_engine::{id::LibraryId, statement::Library, sync::exchange::Exchange};
use chuan_net::{Connection, Endpoint, PeerKey};
use tokio::{sync::watch, task::JoinSet, time::timeout};

use super::{Inner, Node, acquaint::Acquainted, address::plain, lock_of, now_ms, on_thread, peer::Source};
use crate::exit::{Failure, Result};

/// Peers that nothing was heard from are asked this often.
const PERIOD: Duration = Duration::from_secs(30);
/// What is new is passed on when this much time has gone by, with whatever else came until then.
const PAUSE: Duration = Duration::from_millis(100);
/// How long one peer may take.
const PATIENCE: Duration = Duration::from_secs(5);
/// How long the others may take where one has answered.
const COURTESY: Duration = Duration::from_secs(2);
/// Exchanges with one peer until neither has news: more came meanwhile, or did not fit.
const ROUNDS: usize = 4;

/// How far statements were passed on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Spread {
    /// Peers that have addresses.
    pub(crate) known: usize,
    /// Those of them that took what there is to say.
    pub(crate) reached: usize,
    /// Peers that were not known, or not there.
    pub(crate) met: usize,
    /// Statements that came back and were news here.
    pub(crate) news: usize,
}

impl Node {
    /// Exchanges statements of a library with every peer that is known, all at once, and returns when each has answered or
    /// its time is over.
    pub(crate) async fn spread(&self, library: &LibraryId) -> Result<Spread> {
        let endpoint = lock_of(&self.0.serving).as_ref().map(|serving| serving.endpoint().clone());
        match endpoint {
            Some(endpoint) => spread(&self.0, &endpoint, library).await,
            None => {
                let endpoint = Endpoint::dialler(self.0.me.identity())?;
                let spread = spread(&self.0, &endpoint, library).await;
                endpoint.hang_up().await;
                spread
            }
        }
    }

    /// The same after something was done that stands whether peers hear of it now or later: what prevents it is only told.
    pub(crate) async fn pass_on(&self, library: &LibraryId) -> Spread {
        self.spread(library).await.unwrap_or_else(|failure| {
            tracing::warn!(%failure, "peers were not told");
            Spread::default()
        })
    }
}

/// Passes on what is new as long as the node is open: at once, and now and then to hear what others have. Ends when `closing`
/// is dropped; what is under way ends with the endpoint.
pub(super) async fn run(
    node: Weak<Inner>,
    endpoint: Endpoint,
    mut changes: watch::Receiver<u64>,
    mut closing: watch::Receiver<()>,
) {
    loop {
        changes.mark_unchanged();
        let Some(node) = node.upgrade() else { return };
        let mut met = 0;
        for library in node.libraries.all() {
            match spread(&node, &endpoint, &library.id()).await {
                Ok(spread) => {
                    met += spread.met;
                    tracing::debug!(library = %library.name(), ?spread, "statements exchanged");
                }
                Err(failure) => {
                    tracing::warn!(library = %library.name(), %failure, "statements not exchanged")
                }
            }
        }
        drop(node);
        if met > 0 {
            // Who was not known yet may know something.
            if closing.has_changed().is_ok() {
                continue;
            }
            return;
        }
        // A change, or a long time without one; nobody is left to make any where the sender is gone.
        tokio::select! {
            biased;
            () = gone(&mut closing) => return,
            changed = timeout(PERIOD, changes.changed()) => if let Ok(Err(_)) = changed { return },
        }
        tokio::time::sleep(PAUSE).await;
    }
}

/// Waits until the sender is dropped.
pub(super) async fn gone(closing: &mut watch::Receiver<()>) {
    while closing.changed().await.is_ok() {}
}

async fn spread(node: &Arc<Inner>, endpoint: &Endpoint, library: &LibraryId) -> Result<Spread> {
    let peers = node.gossips(library)?;
    let mut spread = Spread { known: peers.len(), ..Spread::default() };
    let mut exchanges = JoinSet::new();
    for peer in peers {
        let (node, endpoint, library) = (Arc::clone(node), endpoint.clone(), *library);
        exchanges.spawn(async move {
            let name = peer.node.short();
            match timeout(PATIENCE, exchange(&node, &endpoint, &library, peer)).await {
                Ok(Ok(news)) => Some(news),
                Ok(Err(failure)) => {
                    tracing::debug!(peer = name, %failure, "a peer was not reached");
                    None
                }
                Err(_) => {
                    tracing::debug!(peer = name, "a peer took too long");
                    None
                }
            }
        });
    }
    let begun = Instant::now();
    // Where some have answered nobody waits for those that are gone.
    let patience = |reached| if reached > 0 { COURTESY } else { PATIENCE }.saturating_sub(begun.elapsed());
    while let Ok(Some(done)) = timeout(patience(spread.reached), exchanges.join_next()).await {
        if let Ok(Some((news, met))) = done {
            spread.reached += 1;
            spread.news += news;
            spread.met += met;
        }
    }
    Ok(spread)
}

/// Both ways with one peer, until neither has news for the other; gives how much came, and of how many peers it told.
async fn exchange(
    node: &Arc<Inner>,
    endpoint: &Endpoint,
    library: &LibraryId,
    peer: Source,
) -> Result<(usize, usize)> {
    let known = node.libraries.get(library).ok_or_else(|| Failure::missing("the library is gone"))?;
    let hello = node.hello(Some(&known), node.listening())?;
    let acquainted = Acquainted::of(node, false);
    let connection =
        Connection::open_known(endpoint, &peer.addresses, peer.node, &hello, &acquainted).await?;
    let news = exchange_on(node, &connection, library).await;
    let news = news?;
    let told = connection.peers(*library).await?;
    let (peer, address) = (connection.peer().node, plain(connection.address()));
    connection.close();
    let (hearer, library) = (Arc::clone(node), *library);
    let met = on_thread(move || hearer.told_by(&peer, address, &library, &told)).await?;
    Ok((news, met))
}

/// The same on a connection that is open. Statements go to members alone, and to these only under a key that the library itself
/// says is theirs: what another library says of a node may be its operator's invention.
///
/// Who is not known to be a member, or not under this key, may have become one since: it is heard first, and told nothing unless
/// what it knows shows it to be one.
pub(super) async fn exchange_on(
    node: &Arc<Inner>,
    connection: &Connection,
    library: &LibraryId,
) -> Result<usize> {
    let peer = connection.peer();
    let mut news = 0;
    for round in 0..ROUNDS {
        let Some(known) = node.libraries.get(library) else { break };
        let is_member = is_member(&known, &peer);
        let is_out = known.is_suspended(&peer.node) || known.revocation(&peer.node).is_some();
        if !is_member && (is_out || round > 0) {
            return Err(Failure::denied(format!(
                "{} is no member of {} under the key that it has, and is told nothing",
                connection.name(),
                known.name()
            )));
        }
        // Who knows nothing asks for everything, and has nothing to tell.
        let shown = if is_member { (*known).clone() } else { Library::new(*library) };
        let came = hear_all(node, connection, Exchange::new(shown)).await?;
        news += came;
        if is_member && came == 0 {
            break;
        }
    }
    Ok(news)
}

fn is_member(library: &Library, peer: &PeerKey) -> bool {
    let now = now_ms();
    library.is_member(&peer.node, now) && library.holds_key(&peer.node, &peer.key, now)
}

/// Goes through an exchange and takes what each message brings when it comes: what breaks off later has not been for nothing.
async fn hear_all(node: &Arc<Inner>, connection: &Connection, mut exchange: Exchange) -> Result<usize> {
    let mut news = 0;
    loop {
        let step = connection.exchange_step(&mut exchange).await;
        let came = exchange.take_received();
        if !came.is_empty() {
            let hearer = Arc::clone(node);
            news += on_thread(move || Ok(hearer.hear(&came))).await?;
        }
        if !step? {
            return Ok(news);
        }
    }
}

impl Inner {
    /// Takes statements from anybody, and follows them as far as data is here; gives how many were news.
    pub(super) fn hear(&self, statements: &[Bytes]) -> usize {
        let heard = self.libraries.offer(statements, now_ms()).map(|news| {
            self.note_statements(&news);
            self.follow_news(&news);
            news.len()
        });
        heard.unwrap_or_else(|failure| {
            tracing::warn!(%failure, "statements of a peer were not kept");
            0
        })
    }

    /// The peers to talk to about a library: its members that have addresses.
    fn gossips(&self, library: &LibraryId) -> Result<Vec<Source>> {
        let Some(known) = self.libraries.get(library) else { return Ok(Vec::new()) };
        let (peers, now) = (self.home.peers()?, now_ms());
        let sources = peers.sources(library).filter_map(super::peer::source);
        let is_asked = |peer: &Source| peer.node != self.me.id() && known.is_member(&peer.node, now);
        Ok(sources.filter(|peer| !peer.addresses.is_empty() && is_asked(peer)).collect())
    }
}
