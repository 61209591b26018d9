//! `pull`: asks the sources of a library in turn until one has brought its current release whole.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use chuan_engine::{
    audit::{Actor, Event, Verb},
    id::StatementId,
    statement::Library,
    sync::{
        fetch::{Fetch, Options, Report},
        message::Want,
    },
};
use chuan_net::{Connection, Endpoint, WireStats};

use super::{
    Inner, Node, acquaint::Acquainted, address::plain, gossip::exchange_on, now_ms, on_thread, peer::Source,
};
use crate::{
    command::{Packing, Pull},
    exit::{Exit, Failure, Result},
    job::{Job, Progress},
    outcome::Pulled,
};

/// Between two events: short, so that the last one of a pull that is killed tells nearly all it had received.
const PAUSE: Duration = Duration::from_millis(25);

/// What a source brought, and over which wire.
struct Brought {
    source: Source,
    address: String,
    report: Report,
    wire: WireStats,
}

/// What to pull, and how.
#[derive(Clone)]
struct How {
    /// The channel whose release is wanted.
    channel: String,
    /// Whether to look for what is missing.
    resume: bool,
    /// Whether nothing of the library is held yet.
    first: bool,
    /// What sources save, where the command says it.
    packing: Option<Packing>,
}

impl Node {
    /// Fetches the release on which a channel stands at a source: only what is not held here. The channel moves last, when
    /// everything is durable; stopped at any moment, the library is as before, and the next pull goes on from there.
    pub async fn pull(&self, options: Pull, job: &Job) -> Result<Pulled> {
        let begun = Instant::now();
        let node = &self.0;
        self.bring_back(job).await;
        let library = node.libraries.named_or_only(options.library.as_deref())?;
        let _turn = node.turn(library.name(), job).await?;
        // Again: what had the turn before may have changed it.
        let library = node.libraries.named(&library.id().to_string())?;
        let sources = node.sources(&library, options.from.as_deref())?;
        let (before, resume) = {
            let (inner, library, channel) = (Arc::clone(node), Arc::clone(&library), options.channel.clone());
            on_thread(move || inner.begin_pull(&library, &channel)).await?
        };
        let endpoint = Endpoint::dialler(node.me.identity())?;
        let channel = options.channel;
        let how = How { channel, resume, first: before.is_none() && !resume, packing: options.packing };
        let brought = self.pull_from_any(&endpoint, &library, sources, how.clone(), job).await;
        let (id, inner) = (library.id(), Arc::clone(node));
        let taken_up = async {
            let brought = brought?;
            on_thread(move || inner.pulled(&id, how.channel, before, brought, begun)).await
        };
        let (pulled, ()) = tokio::join!(taken_up, endpoint.hang_up());
        pulled
    }

    async fn pull_from_any(
        &self,
        endpoint: &Endpoint,
        library: &Arc<Library>,
        sources: Vec<Source>,
        mut how: How,
        job: &Job,
    ) -> Result<Brought> {
        let mut failures: Vec<Failure> = Vec::new();
        for source in sources {
            job.check()?;
            match self.pull_from(endpoint, library, source, &how, job).await {
                Ok(brought) => return Ok(brought),
                Err(failure) => {
                    // What fails here fails with every source.
                    if !matches!(failure.exit, Exit::Peer | Exit::Denied | Exit::Missing | Exit::Busy) {
                        return Err(failure);
                    }
                    failures.push(failure);
                    how.resume = true;
                }
            }
        }
        let messages: Vec<_> = failures.iter().map(|failure| failure.message.as_str()).collect();
        let exit = failures.first().map_or(Exit::Peer, |failure| failure.exit);
        Err(Failure::new(exit, messages.join("; ")))
    }

    async fn pull_from(
        &self,
        endpoint: &Endpoint,
        library: &Arc<Library>,
        mut source: Source,
        how: &How,
        job: &Job,
    ) -> Result<Brought> {
        let node = &self.0;
        let hello = node.hello(Some(library), self.listening())?;
        let acquainted = Acquainted::of(node, source.any_node);
        let connection = tokio::select! {
            opened = Connection::open_known(endpoint, &source.addresses, source.node, &hello, &acquainted) => opened?,
            () = job.cancel().cancelled() => return Err(Failure::interrupted()),
        };
        if connection.peer().node != source.node {
            source.node = connection.peer().node;
            source.name = library.member(&source.node).map_or("", |said| &said.body.name).to_owned();
        }
        let packing = how.packing.unwrap_or_else(|| node.packing(&source));
        let options = Options {
            resume: how.resume,
            node: Some(node.me.id()),
            packing: packing.into(),
            ..Options::default()
        };
        let want = Want::Channel(how.channel.clone());
        let (objects, ledger) = (node.objects(&library.id()), Arc::clone(&node.store));
        let fetch = Fetch::new(objects, ledger, Library::clone(library), want, now_ms(), options)?;
        let cancel = job.cancel().flag();
        let pull = connection.pull(fetch, teller(job.clone(), how.first), cancel);
        // Statements travel beside the data, and are worth having even where that fails.
        let id = library.id();
        let here = Arc::downgrade(node);
        let exchange = async {
            tokio::select! {
                exchanged = exchange_on(&here, &connection, &id) => exchanged,
                () = job.cancel().cancelled() => Err(Failure::interrupted()),
            }
        };
        let (report, exchanged) = tokio::join!(pull, exchange);
        if let Err(failure) = exchanged {
            tracing::debug!(peer = connection.name(), %failure, "statements were not exchanged");
        }
        if report.is_err() {
            // A pull that ends well follows all that was said meanwhile.
            let follower = Arc::clone(node);
            on_thread(move || {
                follower.follow_library(id);
                Ok(())
            })
            .await?;
        }
        let report = report?;
        let address = plain(connection.address());
        let wire = connection.stats();
        connection.close();
        Ok(Brought { source, address, report, wire })
    }
}

impl Inner {
    /// What a source is to save, by the configuration.
    fn packing(&self, source: &Source) -> Packing {
        let peers = &self.config.peer;
        let peer = peers.get(&source.node.to_string()).or_else(|| peers.get(&source.name));
        peer.and_then(|peer| peer.packing).unwrap_or(self.config.packing)
    }

    /// Notes that a pull begins. Says on which release the channel stands here, and whether the pull must look for what is
    /// missing: where an earlier one was cut short, the current release is not whole any more, or other channels stand here
    /// and this one does not. Else a source tells what is new from what is held.
    fn begin_pull(&self, library: &Library, channel: &str) -> Result<(Option<StatementId>, bool)> {
        let unfinished = self.home.pull_unfinished(&library.id());
        self.home.begin_pull(&library.id())?;
        let Some(current) = self.here(library, channel)? else {
            let others = self.ledger().refs()?.iter().any(|at| at.library == library.id());
            return Ok((None, unfinished || others));
        };
        let here = Some(current.statement.id());
        // A class that was never here is none that was begun: the source brings it in one go.
        let Ok(held) = self.held(library, &current.body.manifest) else { return Ok((here, true)) };
        for class in &held.classes {
            if !self.is_whole(&library.id(), &class.commitment)? {
                return Ok((here, true));
            }
        }
        Ok((here, unfinished))
    }

    /// Takes up what was pulled and remembers from whom.
    fn pulled(
        &self,
        id: &chuan_engine::id::LibraryId,
        channel: String,
        before: Option<StatementId>,
        brought: Brought,
        begun: Instant,
    ) -> Result<Pulled> {
        let Brought { source, address, report, wire } = brought;
        let library = self.libraries.reload(id, now_ms())?;
        let release = report.release.ok_or_else(|| Failure::internal("a pull ended without a release"))?;
        let sequence = library.release(&release).map_or(0, |said| said.statement.sequence());
        if before != Some(release) {
            self.note(
                Event::new(
                    Verb::Pull,
                    format!("{channel} -> {}@{sequence} {}", library.name(), release.short()),
                )
                .by(library
                    .member(&source.node)
                    .map_or(Actor::Nobody, |said| Actor::Peer { key: said.body.key, node: source.node }))
                .of(*id),
            );
        }
        self.home.end_pull(id)?;
        // What was said while the data came is newer than what the pull knew.
        self.follow_channels(id, &[])?;
        let mut addresses = vec![address.clone()];
        // A person's word; all others are remembered already, as what they are.
        addresses.extend(source.addresses.into_iter().filter(|other| source.any_node && *other != address));
        if let Err(failure) = self.met(&source.node, &source.name, &addresses, id) {
            tracing::warn!(%failure, "where the source was reached was not kept");
        }
        Ok(Pulled {
            library: id.to_string(),
            library_name: library.name().to_owned(),
            fresh_age_seconds: self.age_here(&library, &channel)?,
            channel,
            release: release.to_string(),
            sequence,
            from: source.node.to_string(),
            address,
            changed: before != Some(release),
            classes: report.classes,
            classes_absent: report.classes_absent,
            files: report.files,
            bytes_total: report.bytes_total,
            chunks_total: report.chunks_total,
            chunks_fetched: report.chunks_fetched,
            chunk_bytes_fetched: report.chunk_bytes_fetched,
            chunk_bytes_encoded: report.chunk_bytes_encoded,
            chunks_from_deltas: report.chunks_from_deltas,
            page_bytes: report.page_bytes,
            page_bytes_encoded: report.page_bytes_encoded,
            frame_bytes_in: wire.frame_bytes_in,
            frame_bytes_out: wire.frame_bytes_out,
            wire_bytes_in: wire.bytes_in,
            wire_bytes_out: wire.bytes_out,
            round_trips: report.round_trips,
            seconds: begun.elapsed().as_secs_f64(),
        })
    }
}

/// Tells a job how far a fetch is. How much there is to come is known only where nothing is held: of a newer version, the
/// walk finds out.
fn teller(job: Job, first: bool) -> impl FnMut(&Report) + Send + 'static {
    let mut told: Option<Instant> = None;
    move |report| {
        if told.is_some_and(|told| told.elapsed() < PAUSE) && !report.done {
            return;
        }
        told = Some(Instant::now());
        let total = (first && report.bytes_total > 0).then_some(report.bytes_total);
        let fetched = report.chunk_bytes_fetched;
        job.progress(Progress {
            phase: "pull".to_owned(),
            bytes_done: if report.done { total.unwrap_or(fetched) } else { fetched },
            bytes_total: total,
            bytes_saved: if report.done { report.bytes_total.saturating_sub(fetched) } else { 0 },
            files_done: if report.done { report.files } else { 0 },
            files_total: (report.files > 0).then_some(report.files),
        });
    }
}
