//! Statements on their way through the mesh. Whoever learns something passes it on to the peers it knows, so that it reaches
//! every node that can be reached, through whichever others, without any central place.

use std::{
    sync::{Arc, Weak},
    time::{Duration, Instant},
};

use bytes::Bytes;
use chuan_engine::{
    id::{LibraryId, NodeId},
    statement::{Library, Statement},
    sync::exchange::Exchange,
};
use chuan_net::{Connection, Endpoint, PeerKey};
use tokio::{sync::watch, task::JoinSet, time::timeout};

use super::{Inner, Node, lock_of, now_ms, on_thread, peer::Source, talks::Talks};
use crate::{
    exit::{Failure, Result},
    net_error::net_failure,
};

/// Peers that nothing was heard from are asked this often.
const PERIOD: Duration = Duration::from_secs(30);
/// What is new is passed on when this much time has gone by, with whatever else came until then.
const PAUSE: Duration = Duration::from_millis(100);
/// How long peers are waited for: a long path at the end of a list of addresses.
const PATIENCE: Duration = Duration::from_secs(10);
/// How long the others are waited for where one has answered.
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
    /// Statements that came back and were news here.
    pub(crate) news: usize,
}

impl Node {
    /// Exchanges statements of a library with every peer that is known, and returns when each has answered or cannot be reached.
    pub(super) async fn ask_everybody(&self, library: &LibraryId) -> Result<Spread> {
        self.spread(library, PATIENCE).await
    }

    /// The same after something was done that stands whether peers hear of it now or later: where some have answered nobody
    /// waits long for the others, and what prevents it is only told.
    pub(crate) async fn pass_on(&self, library: &LibraryId) -> Spread {
        self.spread(library, COURTESY).await.unwrap_or_else(|failure| {
            tracing::warn!(%failure, "peers were not told");
            Spread::default()
        })
    }

    async fn spread(&self, library: &LibraryId, courtesy: Duration) -> Result<Spread> {
        let talks = lock_of(&self.0.serving).as_ref().map(|serving| Arc::clone(serving.talks()));
        match talks {
            Some(talks) => spread(&self.0, &talks, library, courtesy).await,
            None => {
                let talks = Talks::over(Endpoint::dialler(self.0.me.identity()).map_err(net_failure)?);
                let spread = spread(&self.0, &talks, library, courtesy).await;
                talks.end().await;
                spread
            }
        }
    }
}

/// Passes on what is new as long as the node is open: at once, and now and then to hear what others have. Waits for nobody. Ends
/// when `closing` is dropped; what is under way ends with the endpoint.
pub(super) async fn run(
    node: Weak<Inner>,
    talks: Arc<Talks>,
    mut changes: watch::Receiver<u64>,
    mut closing: watch::Receiver<()>,
) {
    loop {
        changes.mark_unchanged();
        let Some(node) = node.upgrade() else { return };
        for library in node.asked_about() {
            match node.gossips(&library) {
                Ok(peers) => peers.into_iter().for_each(|peer| drop(talks.with(&node, library, peer))),
                Err(failure) => {
                    tracing::warn!(library = %library.short(), %failure, "statements not exchanged");
                }
            }
        }
        drop(node);
        // A change, or a long time without one; nobody is left to make any where the sender is gone.
        tokio::select! {
            biased;
            () = gone(&mut closing) => return,
            changed = timeout(PERIOD, changes.changed()) => if let Ok(Err(_)) = changed { return },
            // Who was not known yet may know something.
            () = talks.met_somebody() => {}
        }
        tokio::time::sleep(PAUSE).await;
    }
}

/// Waits until the sender is dropped.
pub(super) async fn gone(closing: &mut watch::Receiver<()>) {
    while closing.changed().await.is_ok() {}
}

async fn spread(
    node: &Arc<Inner>,
    talks: &Arc<Talks>,
    library: &LibraryId,
    courtesy: Duration,
) -> Result<Spread> {
    let peers = node.gossips(library)?;
    let mut spread = Spread { known: peers.len(), ..Spread::default() };
    let mut answers = JoinSet::new();
    for peer in peers {
        answers.spawn(talks.with(node, *library, peer));
    }
    let begun = Instant::now();
    let patience = |reached| if reached > 0 { courtesy } else { PATIENCE }.saturating_sub(begun.elapsed());
    while let Ok(Some(answer)) = timeout(patience(spread.reached), answers.join_next()).await {
        if let Ok(Ok(news)) = answer {
            spread.reached += 1;
            spread.news += news;
        }
    }
    Ok(spread)
}

/// Exchanges statements on a connection until neither side has news for the other; gives how much came. Statements go to members alone, and to these only under a key that the library itself
/// says is theirs: what another library says of a node may be its operator's invention.
///
/// Who is not known to be a member, or not under this key, may have become one since: it is heard first, and told nothing unless
/// what it knows shows it to be one.
///
/// Channels stay where they are, for the caller to move: beside a pull, that is what moves them.
pub(super) async fn exchange_on(
    node: &Weak<Inner>,
    connection: &Connection,
    library: &LibraryId,
) -> Result<usize> {
    let peer = connection.peer();
    let mut news = 0;
    for round in 0..ROUNDS {
        let known = node.upgrade().and_then(|node| node.libraries.get_or_left_out(library));
        let Some(known) = known else { break };
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
        let came = hear_all(node, connection, Exchange::new(shown, connection.kinds())).await?;
        news += came;
        if is_member && came == 0 {
            // Neither has news: whatever was lost of the library is here again, if this peer had it.
            let (node, library) = (Weak::clone(node), *library);
            on_thread(move || node.upgrade().map_or(Ok(()), |node| node.heard_all(&library))).await?;
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
async fn hear_all(node: &Weak<Inner>, connection: &Connection, mut exchange: Exchange) -> Result<usize> {
    let mut news = 0;
    loop {
        let step = connection.exchange_step(&mut exchange).await;
        let came = exchange.take_received();
        if !came.is_empty() {
            let Some(hearer) = node.upgrade() else { return Ok(news) };
            let peer = connection.peer().node;
            let taken = on_thread(move || {
                let taken = hearer.take_up(&came);
                hearer.note_announcer(&peer, &taken);
                Ok(taken.len())
            });
            news += taken.await?;
        }
        if !step.map_err(net_failure)? {
            return Ok(news);
        }
    }
}

impl Inner {
    /// Takes statements from anybody, and follows them as far as data is here.
    pub(super) fn hear(&self, statements: &[Bytes]) {
        self.follow_news(&self.take_up(statements));
    }

    /// Like [`Inner::hear`], of a peer that is known: it announced what is new in them.
    pub(super) fn hear_from(&self, peer: &NodeId, statements: &[Bytes]) {
        let news = self.take_up(statements);
        self.note_announcer(peer, &news);
        self.follow_news(&news);
    }

    /// Takes statements from anybody, and moves no channel; gives what was news.
    fn take_up(&self, statements: &[Bytes]) -> Vec<Statement> {
        let heard = self.libraries.offer(statements, now_ms()).inspect(|news| self.note_statements(news));
        heard.unwrap_or_else(|failure| {
            tracing::warn!(%failure, "statements of a peer were not kept");
            Vec::new()
        })
    }

    /// The peers to talk to about a library: its members that have addresses.
    fn gossips(&self, library: &LibraryId) -> Result<Vec<Source>> {
        let Some(known) = self.libraries.get_or_left_out(library) else { return Ok(Vec::new()) };
        let (peers, now) = (self.home.peers()?, now_ms());
        // Where statements are lost, those that make a peer a member may be among them: all that were sources are asked.
        let is_lost = self.has_lost();
        let sources = peers.sources(library).filter_map(super::peer::source);
        let is_asked =
            |peer: &Source| peer.node != self.me.id() && (is_lost || known.is_member(&peer.node, now));
        Ok(sources.filter(|peer| !peer.addresses.is_empty() && is_asked(peer)).collect())
    }
}
