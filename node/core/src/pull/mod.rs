//! `pull`: moves a channel of this home to its announced release, or to the newest ancestor that a source
//! has; or fetches one release by name.

mod answer;
mod beside;
mod dials;
mod progress;
mod seek;

use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use chuan_api::node_event::NodeEvent;
use chuan_engine::{
    audit::{Actor, Event, Verb},
    id::{LibraryId, ManifestId, StatementId, may_be_id},
    statement::{Body, Library, Statement},
    sync::{
        fetch::{Fetch, Options, Report},
        message::Want,
    },
};
use chuan_net::{WireStats, link::Link};

use self::{
    answer::{granted_only, held_already, pulled},
    progress::{keeping, progress_of},
    seek::Seek,
};
use crate::{
    command::{Packing, Pull},
    context::{Acted, Context, Success},
    exit::{Exit, Failure, Result},
    job::Job,
    library::{
        holdings::{Held, Holdings},
        release::find,
    },
    net_error::{causes, net_failure},
    outcome::Pulled,
    peers::{Source, address::plain},
    services::Services,
    spec::{At, Spec},
};

/// The answer of a source.
#[derive(Clone)]
struct PullResult {
    source: Source,
    address: String,
    report: Report,
    wire: WireStats,
}

/// The release to pull, and how.
#[derive(Clone)]
struct PullPlan {
    /// The newest release of a channel, or one release.
    want: Want,
    /// The channel that moves to it.
    channel: String,
    /// Whether to look for what is missing.
    resume: bool,
    /// The packing for sources, if the command names one.
    packing: Option<Packing>,
    /// Whether to fetch only pages, and report what would be fetched.
    is_dry_run: bool,
}

/// The content of the library when a pull begins.
#[derive(Clone, Debug, Default)]
struct Before {
    /// The release to which the channel points here.
    release: Option<StatementId>,
    /// The names of its classes that are here.
    classes: BTreeSet<String>,
    /// Objects that were held and are damaged.
    lost: u64,
}

/// The state of the library when a pull begins.
struct Begun {
    before: Before,
    /// Whether to look for what is missing.
    resume: bool,
    /// Whether an earlier pull did not end.
    unfinished: bool,
}

impl PullResult {
    /// Whether the requested release is complete; in a dry run, whether all its pages were fetched.
    fn is_whole(&self, is_dry_run: bool) -> bool {
        self.report.done || (is_dry_run && self.report.release.is_some())
    }

    /// Whether the source sent chunks or pages.
    fn has_data(&self) -> bool {
        self.report.chunk_bytes_fetched + self.report.page_bytes > 0
    }

    /// The raw bytes of the chunks that the source sent; `None` for none.
    fn chunk_bytes(&self) -> Option<u64> {
        Some(self.report.chunk_bytes_fetched).filter(|bytes| *bytes > 0)
    }

    /// The sum of both; the state is that of the later one, and so is the source.
    fn and(self, last: PullResult) -> PullResult {
        let (before, mut all) = (self.report, last);
        let report = &mut all.report;
        report.chunks_fetched += before.chunks_fetched;
        report.chunk_bytes_fetched += before.chunk_bytes_fetched;
        report.chunk_bytes_encoded += before.chunk_bytes_encoded;
        report.chunks_from_deltas += before.chunks_from_deltas;
        report.page_bytes += before.page_bytes;
        report.page_bytes_encoded += before.page_bytes_encoded;
        report.round_trips += before.round_trips;
        all.wire.frame_bytes_in += self.wire.frame_bytes_in;
        all.wire.frame_bytes_out += self.wire.frame_bytes_out;
        all.wire.bytes_in += self.wire.bytes_in;
        all.wire.bytes_out += self.wire.bytes_out;
        all
    }
}

/// Pulls, and reports the result to the event stream and the metrics.
pub(crate) async fn pull(services: &Arc<Services>, options: Pull, job: &Job) -> Result<Pulled> {
    let is_dry_run = options.dry_run;
    let pulled = run(services, options, job).await;
    let context = &services.context;
    let result = if pulled.is_ok() { Success::Ok } else { Success::Failed };
    context.metrics.pulls.get_or_create(&Acted { result }).inc();
    if let Ok(pulled) = &pulled
        && !is_dry_run
    {
        context.metrics.pulled_bytes.inc_by(pulled.chunk_bytes_fetched);
        context.emit(NodeEvent::Pulled {
            library: pulled.library.clone(),
            channel: pulled.channel.clone(),
            release: pulled.release.clone(),
            from: pulled.from.clone(),
            bytes: pulled.chunk_bytes_fetched,
            took_ms: Duration::try_from_secs_f64(pulled.seconds)
                .map_or(0, |took| u64::try_from(took.as_millis()).unwrap_or(u64::MAX)),
        });
    }
    pulled
}

/// Fetches the announced release of a channel, or its newest ancestor if no source has it, or the release
/// that is named: only content that is not held here. The channel moves last, when everything is durable, and
/// never back. If it is stopped at any moment, the library is as before, and the next pull continues from
/// there.
///
/// If no release came although a newer one is announced, [`Pulled::is_behind`] is true.
async fn run(services: &Arc<Services>, options: Pull, job: &Job) -> Result<Pulled> {
    let begun = services.context.clock.instant();
    services.exchange.recover_lost(job).await;
    let spec = options.library.as_deref().filter(|library| library.contains('@')).map(str::parse::<Spec>);
    let spec = spec.transpose()?;
    let name = spec.as_ref().map(|spec| spec.library.as_str()).or(options.library.as_deref());
    let library = services.library.named_or_only(name)?;
    let _turn = services.turn(&library.id().to_string(), job).await?;
    // Again: the command that had the turn before may have changed it.
    let library = services.library.named(&library.id().to_string())?;
    let (want, channel) = wanted(services, &library, spec.map(|spec| spec.at), &options, job).await?;
    let library = services.library.named(&library.id().to_string())?;
    if let Want::Release(release) = want {
        let library = Arc::clone(&library);
        let (resume, packing) = (false, options.packing);
        let (channel, is_dry_run) = (channel.clone(), options.dry_run);
        let plan = PullPlan { want: Want::Release(release), channel, resume, packing, is_dry_run };
        let held = services
            .blocking(move |services| held_already(services, &library, release, &plan, begun))
            .await?;
        if let Some(pulled) = held {
            return Ok(pulled);
        }
    }
    let sources = {
        let (library, channel) = (Arc::clone(&library), channel.clone());
        services
            .blocking(move |services| sources_of(services, &library, &channel, options.from.as_deref()))
            .await?
    };
    let is_dry_run = options.dry_run;
    let is_named = matches!(want, Want::Release(_));
    let Begun { before, resume, unfinished } = {
        let (library, channel) = (Arc::clone(&library), channel.clone());
        services.blocking(move |services| begin(services, &library, &channel, is_named, is_dry_run)).await?
    };
    let socket = services.context.network.dialler(services.context.key.identity()).map_err(net_failure)?;
    let plan = PullPlan { want, channel, resume, packing: options.packing, is_dry_run };
    let (behind, failures, asked, part) = Default::default();
    let id = library.id();
    let mut seek = Seek {
        services,
        socket: &socket,
        id,
        plan,
        job,
        here: before.release,
        brought: None,
        behind,
        failures,
        asked,
        part,
    };
    // On the heap: the futures of all steps are in it, and the stack of a thread is small.
    let went = Box::pin(seek.run(sources)).await;
    let Seek { plan, brought, behind, mut failures, asked, part, .. } = seek;
    // In the order of preference, not in that in which dials failed: the first one is the exit code.
    failures.sort_by_key(|(number, _)| *number);
    let failures: Vec<Failure> = failures.into_iter().map(|(_, failure)| failure).collect();
    let told = async {
        went?;
        if brought.is_none() && behind.is_empty() {
            // A node that answers and lacks a named release has not failed.
            let answered = is_named && failures.iter().any(|failure| failure.exit == Exit::Missing);
            let first = failures.first().map_or(Exit::Peer, |failure| failure.exit);
            let exit = if answered { Exit::Stale } else { first };
            let limit = if exit == Exit::Missing { granted_only(services, &id) } else { String::new() };
            return Err(Failure::new(exit, causes(&failures) + &limit));
        }
        let has_part = part.as_ref().is_some_and(PullResult::has_data);
        services
            .blocking(move |services| {
                // Nothing was fetched: there is nothing to resume.
                if brought.is_none() && !unfinished && !has_part && !plan.is_dry_run {
                    services.context.home.end_pull(&id)?;
                }
                let mut pulled = pulled(services, &id, &plan, before, (brought, part), begun)?;
                if pulled.release.is_empty() && !pulled.is_behind() {
                    return Err(Failure::missing(format!(
                        "no release of {} is here, and the nodes that answered have none either",
                        pulled.library_name
                    )));
                }
                pulled.lag.asked = asked;
                Ok(pulled)
            })
            .await
    };
    let (pulled, ()) = tokio::join!(told, socket.hang_up());
    pulled
}

/// The release that the command asks for, and the channel that moves to it. Peers are asked about a named
/// release that is not known here.
async fn wanted(
    services: &Arc<Services>,
    library: &Library,
    at: Option<At>,
    options: &Pull,
    job: &Job,
) -> Result<(Want, String)> {
    let channel = || (Want::Channel(options.channel.clone()), options.channel.clone());
    let Some(at) = at else { return Ok(channel()) };
    let named = |library: &Library| match &at {
        At::Name(name) if *name == options.channel => Ok(channel()),
        At::Name(name) if library.channel(name).is_some() => Ok((Want::Channel(name.clone()), name.clone())),
        at => find(library, at).map(|said| (Want::Release(said.statement.id()), options.channel.clone())),
    };
    if let Ok(wanted) = named(library) {
        return Ok(wanted);
    }
    services.exchange.ask_all(&library.id(), job).await?;
    named(&*services.library.named(&library.id().to_string())?)
}

/// Pulls over a connection to `source`. `part` gets the figures of a pull that fails on the way.
async fn pull_over(
    services: &Arc<Services>,
    link: &dyn Link,
    library: &Arc<Library>,
    source: Source,
    (want, plan): (&Want, &PullPlan),
    job: &Job,
    part: &mut Option<PullResult>,
) -> Result<PullResult> {
    let packing = plan.packing.unwrap_or_else(|| packing_of(&services.context, &source));
    let options = Options {
        resume: plan.resume,
        node: Some(services.context.me()),
        packing: packing.into(),
        is_dry_run: plan.is_dry_run,
        usable_bytes: services.context.store.usable_bytes()?,
        ..Options::default()
    };
    let (objects, now_ms) = (services.context.objects(&library.id()), services.context.now_ms());
    let fetch = Fetch::new(objects, Library::clone(library), want.clone(), now_ms, options)?;
    let cancel = job.cancel().flag();
    let last = Arc::new(Mutex::new(Report::default()));
    let progress = keeping(Arc::clone(&last), progress_of(job.clone(), services.context.clock));
    let pull = link.pull(fetch, Box::new(progress), cancel);
    let report = match plan.is_dry_run {
        true => pull.await,
        false => beside::with_exchange(services, pull, link, library.id(), job).await?,
    };
    let (address, wire) = (plain(link.address()), link.stats());
    let report = report.map_err(|error| {
        let report = std::mem::take(&mut *last.lock().unwrap_or_else(PoisonError::into_inner));
        *part = Some(PullResult { source: source.clone(), address: address.clone(), report, wire });
        net_failure(error)
    })?;
    link.close();
    Ok(PullResult { source, address, report, wire })
}

/// The packing for a source, by the configuration.
fn packing_of(context: &Context, source: &Source) -> Packing {
    let config = context.config();
    let peers = &config.peer;
    let by_name = || Some(&source.name).filter(|name| !may_be_id(name)).and_then(|name| peers.get(name));
    let peer = peers.get(&source.node.to_string()).or_else(by_name);
    peer.and_then(|peer| peer.packing).unwrap_or(config.packing)
}

/// The sources in the order in which they are asked: announcers of the newest release first.
pub(crate) fn sources_of(
    services: &Services,
    library: &Library,
    channel: &str,
    from: Option<&str>,
) -> Result<Vec<Source>> {
    let mut sources = services.peers.sources(library, from)?;
    let announcers = services.library.lags.announcers(library, channel)?;
    sources.sort_by_key(|source| !announcers.contains(&source.node));
    Ok(sources)
}

/// Notes that a pull begins. Returns the release of the channel here, and whether the pull must search for
/// missing content: after a pull that did not end, after a loss, or if content of the library is here but no
/// channel is. Otherwise a source computes the difference from the held release.
fn begin(
    services: &Services,
    library: &Library,
    channel: &str,
    is_named: bool,
    is_dry_run: bool,
) -> Result<Begun> {
    let Services { context, library: service, .. } = services;
    let unfinished = context.home.pull_unfinished(&library.id());
    if !is_dry_run {
        context.home.begin_pull(&library.id())?;
    }
    let lost = context.objects(&library.id()).lost()?.len() as u64;
    let Some(current) = service.here(library, channel)? else {
        let others = context.ledger().refs()?.iter().any(|at| at.library == library.id());
        // After a loss of the ledger, the content may still be here.
        let holds = context.store.has_chunks(&library.id())?;
        let before = Before { lost, ..Before::default() };
        return Ok(Begun { before, resume: unfinished || others || holds, unfinished });
    };
    let held = service.holdings.held(library, &current.body.manifest);
    let classes = held.iter().flat_map(Held::names).map(str::to_owned).collect();
    let before = Before { release: Some(current.statement.id()), classes, lost };
    let must_look =
        !is_named && !is_dry_run && !is_whole_here(&service.holdings, library, &current.body.manifest)?;
    Ok(Begun { before, resume: unfinished || must_look, unfinished })
}

/// Whether all classes of a release that are held here are complete. A class that was never here is ignored:
/// the source sends all of it.
fn is_whole_here(holdings: &Holdings, library: &Library, manifest: &ManifestId) -> Result<bool> {
    let Ok(held) = holdings.held(library, manifest) else { return Ok(false) };
    for class in &held.classes {
        if !holdings.is_whole(&library.id(), &class.commitment)? {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Adopts the result of a source, and remembers the source. `before` is the previous release of the channel.
/// Blocks.
fn adopt_result(
    services: &Services,
    id: &LibraryId,
    plan: &PullPlan,
    brought: &PullResult,
    before: Option<StatementId>,
) -> Result<()> {
    let Services { context, library: service, .. } = services;
    let PullResult { source, address, report, .. } = brought;
    service.adopt(id, &report.statements)?;
    let library = service.named(&id.to_string())?;
    let release = report.release.ok_or_else(|| Failure::internal("a pull ended without a release"))?;
    let said = library.release(&release);
    let sequence = said.map_or(0, |said| said.statement.sequence());
    // A dry run fetches only pages.
    if let Some(said) = said.filter(|_| report.done) {
        crate::home::whole::note(&context.home, id, [said.body.manifest])?;
    }
    context.home.end_pull(id)?;
    // Statements that arrived beside the data are newer than those with which the pull began.
    // The pull event below records the move of the channel that was asked for, and no other.
    let is_new = match &plan.want {
        Want::Channel(_) => before != Some(release),
        Want::Release(_) => report.chunks_fetched + report.page_bytes > 0,
    };
    let is_recorded = |moved: &Statement| match (&plan.want, moved.body()) {
        (Want::Channel(name), Body::Channel(body)) => is_new && (&body.name, body.release) == (name, release),
        _ => false,
    };
    service.follow_channels(id, &is_recorded)?;
    if is_new {
        let named = format!("{}@{sequence} {}", library.name(), release.short());
        let subject = match &plan.want {
            Want::Channel(channel) => format!("{channel} -> {named}"),
            Want::Release(_) => named,
        };
        let member = library.member(&source.node);
        let actor =
            member.map_or(Actor::Nobody, |said| Actor::Peer { key: said.body.key, node: source.node });
        context.note(Event::new(Verb::Pull, subject).by(actor).of(*id));
    }
    let mut addresses = vec![address.clone()];
    // An address that an operator named. Others are remembered already.
    addresses.extend(source.addresses.iter().filter(|other| source.any_node && *other != address).cloned());
    if let Err(failure) = services.peers.record_dial(&source.node, &source.name, &addresses, id) {
        tracing::warn!(%failure, "the address of the source was not stored");
    }
    Ok(())
}
