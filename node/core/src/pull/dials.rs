//! [`Dials`]: the connections to the sources of a pull, opened side by side in the order of preference.
//! [`DialOrder`] decides, this dials. Owns the dials under way: dropping it ends them.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use chuan_engine::{
    id::LibraryId,
    sync::dials::{DialOrder, DialStep},
};
use chuan_net::link::{Link, Socket};
use tokio::{
    task::JoinSet,
    time::{Instant, sleep_until},
};

use crate::{
    busy::{BusyPeer, is_busy},
    exit::{Failure, Result},
    job::Job,
    limits::PULL_SILENCE,
    net_error::net_failure,
    peers::{KnownPeers, Source},
    services::Services,
};

/// The sources of a pull.
pub(super) struct Dials<'a> {
    services: &'a Arc<Services>,
    socket: &'a Arc<dyn Socket>,
    job: &'a Job,
    id: LibraryId,
    sources: Vec<Source>,
    busy: Vec<BusyPeer>,
    order: DialOrder,
    begun: Instant,
    dialling: JoinSet<(usize, chuan_net::Result<Box<dyn Link>>)>,
    links: BTreeMap<usize, Box<dyn Link>>,
    /// When the sources that are dialled are named; `None` once they were.
    told_at: Option<Instant>,
}

/// A source whose turn it is.
pub(super) struct Dialled {
    pub(super) number: usize,
    pub(super) source: Source,
    /// Its connection, or why it has none.
    pub(super) link: Result<Box<dyn Link>>,
    /// Sources before it in the order that did not answer in time.
    pub(super) silent: Vec<Source>,
}

impl<'a> Dials<'a> {
    pub(super) fn new(
        services: &'a Arc<Services>,
        socket: &'a Arc<dyn Socket>,
        job: &'a Job,
        id: LibraryId,
        sources: Vec<Source>,
    ) -> Self {
        let begun = services.context.clock.instant();
        let busy = sources.iter().map(|_| BusyPeer::default()).collect();
        let (order, dialling, links) = (DialOrder::new(sources.len()), JoinSet::new(), BTreeMap::new());
        let told_at = Some(begun + PULL_SILENCE);
        Self { services, socket, job, id, sources, busy, order, begun, dialling, links, told_at }
    }

    /// The next source that answered, or that failed; `None` where no source is left. A source that is busy
    /// is dialled again, as [`BusyPeer`] allows. Cancel-safe: the dials go on, and no connection is lost.
    pub(super) async fn next(&mut self) -> Result<Option<Dialled>> {
        loop {
            self.job.check()?;
            let until = match self.order.next(self.begun.elapsed()) {
                DialStep::Dial(number) => {
                    self.dial(number)?;
                    continue;
                }
                DialStep::Take { number, silent } => return self.take(number, &silent).map(Some),
                DialStep::Wait(until) => until.map(|until| self.begun + until),
                DialStep::End => return Ok(None),
            };
            let told_at = self.told_at;
            tokio::select! {
                biased;
                () = self.job.cancel().cancelled() => return Err(Failure::interrupted()),
                Some(ended) = self.dialling.join_next() => {
                    let (number, opened) =
                        ended.map_err(|error| Failure::internal(format!("a dial failed: {error}")))?;
                    let failure = match opened {
                        Ok(link) => {
                            self.links.insert(number, link);
                            self.order.answered(number);
                            continue;
                        }
                        Err(error) => net_failure(error),
                    };
                    if self.is_asked_again(number, &failure)? {
                        self.tell_busy(number, &failure).await;
                        continue;
                    }
                    self.order.failed(number);
                    return self.dialled(number, Err(failure), &[]).map(Some);
                }
                () = until_or_never(until) => {}
                () = until_or_never(told_at) => {
                    self.told_at = None;
                    self.tell_silence().await;
                }
            }
        }
    }

    /// Whether a source that was busy is dialled again, after a wait.
    pub(super) fn is_asked_again(&mut self, number: usize, failure: &Failure) -> Result<bool> {
        let Some(busy) = self.busy.get_mut(number).filter(|_| is_busy(failure)) else { return Ok(false) };
        let wait: Option<Duration> = busy.next(self.services.context.randomness)?;
        if let Some(wait) = wait {
            self.order.busy(number, self.begun.elapsed() + wait);
        }
        Ok(wait.is_some())
    }

    /// Says once that a source is busy and is asked again.
    pub(super) async fn tell_busy(&mut self, number: usize, failure: &Failure) {
        if let Some(busy) = self.busy.get_mut(number) {
            busy.tell(failure, self.job).await;
        }
    }

    fn dial(&mut self, number: usize) -> Result<()> {
        let source = self.source(number)?;
        let library = self.services.library.named(&self.id.to_string())?;
        let hello = self.services.peers.hello(Some(&library))?;
        let verifier = KnownPeers::verifier(&self.services.library, self.id, source.any_node);
        let socket = Arc::clone(self.socket);
        self.dialling.spawn(async move {
            (number, socket.open(&source.addresses, source.node, &hello, &verifier).await)
        });
        Ok(())
    }

    /// Takes a source, and ends the dials of all others: their places at other nodes are not for a pull that
    /// may take hours.
    fn take(&mut self, number: usize, silent: &[usize]) -> Result<Dialled> {
        self.dialling = JoinSet::new();
        let link = self.links.remove(&number);
        std::mem::take(&mut self.links).into_values().for_each(|link| link.close());
        let link = link.ok_or_else(|| Failure::internal("a source that answered has no connection"))?;
        self.told_at = None;
        self.dialled(number, Ok(link), silent)
    }

    fn dialled(&self, number: usize, link: Result<Box<dyn Link>>, silent: &[usize]) -> Result<Dialled> {
        let silent = silent.iter().map(|number| self.source(*number)).collect::<Result<_>>()?;
        Ok(Dialled { number, source: self.source(number)?, link, silent })
    }

    fn source(&self, number: usize) -> Result<Source> {
        let source = self.sources.get(number).cloned();
        source.ok_or_else(|| Failure::internal("a source that is not in the order was dialled"))
    }

    async fn tell_silence(&self) {
        let silent = self.order.dialled().filter_map(|number| self.sources.get(number));
        let silent: Vec<String> = silent.map(Source::place).collect();
        if !silent.is_empty() {
            self.job.say(format!("no answer yet from {}", silent.join(", "))).await;
        }
    }
}

async fn until_or_never(until: Option<Instant>) {
    match until {
        Some(until) => sleep_until(until).await,
        None => std::future::pending().await,
    }
}
