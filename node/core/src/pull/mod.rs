//! `pull`: brings a channel of this home on to the release on which it was announced to stand, or to the newest that leads
//! there; or brings one release that a person named.

mod beside;
mod seek;

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use chuan_engine::{
    audit::{Actor, Event, Verb},
    id::{LibraryId, ManifestId, StatementId},
    statement::Library,
    sync::{
        fetch::{Fetch, Options, Report},
        message::Want,
    },
};
use chuan_net::{Connection, Endpoint, WireStats};

use self::seek::Seek;
use super::{
    Inner, Node, acquaint::Acquainted, address::plain, now_ms, on_thread, peer::Source, release::find,
};
use crate::{
    command::{Packing, Pull},
    exit::{Exit, Failure, Result},
    job::{Job, Progress},
    net_error::net_failure,
    outcome::Pulled,
    spec::{At, Spec},
};

/// Between two events: short, so that the last one of a pull that is killed tells nearly all it had received.
const PAUSE: Duration = Duration::from_millis(25);

/// What a source answered, and over which wire.
#[derive(Clone)]
struct Brought {
    source: Source,
    address: String,
    report: Report,
    wire: WireStats,
}

/// What to pull, and how.
#[derive(Clone)]
struct Plan {
    /// What is wanted: where a channel stands, or one release.
    want: Want,
    /// The channel that goes on with it.
    channel: String,
    /// Whether to look for what is missing.
    resume: bool,
    /// Whether nothing of the library is held yet.
    first: bool,
    /// What sources save, where the command says it.
    packing: Option<Packing>,
    /// Whether to say only what would come.
    is_dry_run: bool,
}

/// How things stand when a pull begins.
struct Begun {
    /// The release on which the channel stands here.
    before: Option<StatementId>,
    /// Whether to look for what is missing.
    resume: bool,
    /// Whether an earlier pull was cut short.
    unfinished: bool,
}

impl Brought {
    /// Whether it brought what was asked for: of a dry run, all pages of it.
    fn is_whole(&self, is_dry_run: bool) -> bool {
        self.report.done || (is_dry_run && self.report.release.is_some())
    }

    /// Both together, the last of which says what is here.
    fn and(self, last: Brought) -> Brought {
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

impl Node {
    /// Fetches the release on which a channel was announced to stand, or where no source has it the newest that leads there,
    /// or the one that was named: only what is not held here. The channel moves last, when everything is durable, and never
    /// back; stopped at any moment, the library is as before, and the next pull goes on from there.
    ///
    /// Where nothing came though something newer is announced, [`Pulled::is_behind`] is true of the answer.
    pub async fn pull(&self, options: Pull, job: &Job) -> Result<Pulled> {
        let begun = Instant::now();
        let node = &self.0;
        self.bring_back(job).await;
        let spec = options.library.as_deref().filter(|library| library.contains('@')).map(str::parse::<Spec>);
        let spec = spec.transpose()?;
        let name = spec.as_ref().map(|spec| spec.library.as_str()).or(options.library.as_deref());
        let library = node.libraries.named_or_only(name)?;
        let _turn = node.turn(library.name(), job).await?;
        // Again: what had the turn before may have changed it.
        let library = node.libraries.named(&library.id().to_string())?;
        let (want, channel) = self.wanted(&library, spec.map(|spec| spec.at), &options).await?;
        let library = node.libraries.named(&library.id().to_string())?;
        if let Want::Release(release) = want {
            let (inner, library) = (Arc::clone(node), Arc::clone(&library));
            let (resume, first, packing) = (false, false, options.packing);
            let (channel, is_dry_run) = (channel.clone(), options.dry_run);
            let plan = Plan { want: Want::Release(release), channel, resume, first, packing, is_dry_run };
            let held = on_thread(move || inner.held_already(&library, release, &plan, begun)).await?;
            if let Some(pulled) = held {
                return Ok(pulled);
            }
        }
        let sources = {
            let (inner, library, channel) = (Arc::clone(node), Arc::clone(&library), channel.clone());
            on_thread(move || inner.sources_of(&library, &channel, options.from.as_deref())).await?
        };
        let is_dry_run = options.dry_run;
        let is_named = matches!(want, Want::Release(_));
        let Begun { before, resume, unfinished } = {
            let (inner, library, channel) = (Arc::clone(node), Arc::clone(&library), channel.clone());
            on_thread(move || inner.begin_pull(&library, &channel, is_named, is_dry_run)).await?
        };
        let endpoint = Endpoint::dialler(node.me.identity()).map_err(net_failure)?;
        let first = before.is_none() && !resume;
        let plan = Plan { want, channel, resume, first, packing: options.packing, is_dry_run };
        let (behind, failures, asked) = Default::default();
        let (endpoint, id) = (&endpoint, library.id());
        let mut seek = Seek {
            node: self,
            endpoint,
            id,
            plan,
            job,
            here: before,
            brought: None,
            behind,
            failures,
            asked,
        };
        let went = seek.run(sources).await;
        let Seek { plan, brought, behind, failures, asked, .. } = seek;
        let inner = Arc::clone(node);
        let told = async {
            went?;
            if brought.is_none() && behind.is_empty() {
                let messages: Vec<_> = failures.iter().map(|failure| failure.message.as_str()).collect();
                // A node that answered and does not have the release that was named is no fault of its own.
                let answered = is_named && failures.iter().any(|failure| failure.exit == Exit::Missing);
                let first = failures.first().map_or(Exit::Peer, |failure| failure.exit);
                let exit = if answered { Exit::Stale } else { first };
                return Err(Failure::new(exit, messages.join("; ")));
            }
            let has_failed = !failures.is_empty();
            on_thread(move || {
                // Where nothing was begun, nothing is to be gone on with.
                if brought.is_none() && !unfinished && !has_failed && !plan.is_dry_run {
                    inner.home.end_pull(&id)?;
                }
                let mut pulled = inner.pulled(&id, &plan, before, brought, begun)?;
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
        let (pulled, ()) = tokio::join!(told, endpoint.hang_up());
        pulled
    }

    /// What the command wants, and the channel that goes on with it. A release that is named and not known here may be known to
    /// peers: they are asked first.
    async fn wanted(&self, library: &Library, at: Option<At>, options: &Pull) -> Result<(Want, String)> {
        let channel = || (Want::Channel(options.channel.clone()), options.channel.clone());
        let Some(at) = at else { return Ok(channel()) };
        let named = |library: &Library| match &at {
            At::Name(name) if *name == options.channel => Ok(channel()),
            At::Name(name) if library.channel(name).is_some() => {
                Ok((Want::Channel(name.clone()), name.clone()))
            }
            at => find(library, at).map(|said| (Want::Release(said.statement.id()), options.channel.clone())),
        };
        if let Ok(wanted) = named(library) {
            return Ok(wanted);
        }
        self.ask_everybody(&library.id()).await?;
        named(&*self.0.libraries.named(&library.id().to_string())?)
    }

    async fn pull_from(
        &self,
        endpoint: &Endpoint,
        library: &Arc<Library>,
        mut source: Source,
        want: &Want,
        plan: &Plan,
        job: &Job,
    ) -> Result<Brought> {
        let node = &self.0;
        let hello = node.hello(Some(library), self.listening())?;
        let acquainted = Acquainted::of(node, source.any_node);
        let connection = tokio::select! {
            opened = Connection::open_known(endpoint, &source.addresses, source.node, &hello, &acquainted) => opened.map_err(net_failure)?,
            () = job.cancel().cancelled() => return Err(Failure::interrupted()),
        };
        if connection.peer().node != source.node {
            source.node = connection.peer().node;
            source.name = library.member(&source.node).map_or("", |said| &said.body.name).to_owned();
        }
        let packing = plan.packing.unwrap_or_else(|| node.packing(&source));
        let options = Options {
            resume: plan.resume,
            node: Some(node.me.id()),
            packing: packing.into(),
            channel: matches!(want, Want::Release(_)).then(|| plan.channel.clone()),
            is_dry_run: plan.is_dry_run,
            ..Options::default()
        };
        let (objects, ledger) = (node.objects(&library.id()), Arc::clone(&node.store));
        let fetch = Fetch::new(objects, ledger, Library::clone(library), want.clone(), now_ms(), options)?;
        let cancel = job.cancel().flag();
        let pull = connection.pull(fetch, teller(job.clone(), plan.first), cancel);
        let report = match plan.is_dry_run {
            true => pull.await,
            false => self.pull_beside_exchange(pull, &connection, library.id(), job).await?,
        };
        let report = report.map_err(net_failure)?;
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

    /// Whom to ask: those that announced what is newest before the others.
    pub(super) fn sources_of(
        &self,
        library: &Library,
        channel: &str,
        from: Option<&str>,
    ) -> Result<Vec<Source>> {
        let mut sources = self.sources(library, from)?;
        let announcers = self.announcers(library, channel)?;
        sources.sort_by_key(|source| !announcers.contains(&source.node));
        Ok(sources)
    }

    /// Notes that a pull begins. Says on which release the channel stands here, and whether a pull must look for what is missing:
    /// where an earlier one was cut short, the current release is not whole any more, or the channel stands nowhere here though
    /// content of the library is here. Else a source tells what is new from what is held.
    fn begin_pull(
        &self,
        library: &Library,
        channel: &str,
        is_named: bool,
        is_dry_run: bool,
    ) -> Result<Begun> {
        let unfinished = self.home.pull_unfinished(&library.id());
        if !is_dry_run {
            self.home.begin_pull(&library.id())?;
        }
        let Some(current) = self.here(library, channel)? else {
            let others = self.ledger().refs()?.iter().any(|at| at.library == library.id());
            // Where the ledger was lost, the content is here all the same.
            let holds = self.store.disk().library_stats(&library.id())?.chunks > 0;
            return Ok(Begun { before: None, resume: unfinished || others || holds, unfinished });
        };
        let before = Some(current.statement.id());
        let must_look = !is_named && !is_dry_run && !self.is_here_whole(library, &current.body.manifest)?;
        Ok(Begun { before, resume: unfinished || must_look, unfinished })
    }

    /// Whether all classes of a release are whole that were begun here. One that was never here is none of them: the source
    /// brings it in one go.
    fn is_here_whole(&self, library: &Library, manifest: &ManifestId) -> Result<bool> {
        let Ok(held) = self.held(library, manifest) else { return Ok(false) };
        for class in &held.classes {
            if !self.is_whole(&library.id(), &class.commitment)? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Takes up what a source has brought, and remembers the source. `before` is the release on which the channel stood.
    fn take_up_pulled(
        &self,
        id: &LibraryId,
        plan: &Plan,
        brought: &Brought,
        before: Option<StatementId>,
    ) -> Result<()> {
        let Brought { source, address, report, .. } = brought;
        let library = self.libraries.reload(id, now_ms())?;
        let release = report.release.ok_or_else(|| Failure::internal("a pull ended without a release"))?;
        let said = library.release(&release);
        let sequence = said.map_or(0, |said| said.statement.sequence());
        // Of a dry run, only pages came.
        if let Some(said) = said.filter(|_| report.done) {
            self.home.note_whole(id, [said.body.manifest])?;
        }
        self.home.end_pull(id)?;
        // What was said while the data came is newer than what the pull knew.
        self.follow_channels(id, &[])?;
        let is_new = match &plan.want {
            Want::Channel(_) => before != Some(release),
            Want::Release(_) => report.chunks_fetched + report.page_bytes > 0,
        };
        if is_new {
            let subject = match &plan.want {
                Want::Channel(channel) => {
                    format!("{channel} -> {}@{sequence} {}", library.name(), release.short())
                }
                Want::Release(_) => format!("{}@{sequence} {}", library.name(), release.short()),
            };
            let member = library.member(&source.node);
            let actor =
                member.map_or(Actor::Nobody, |said| Actor::Peer { key: said.body.key, node: source.node });
            self.note(Event::new(Verb::Pull, subject).by(actor).of(*id));
        }
        let mut addresses = vec![address.clone()];
        // A person's word; all others are remembered already, as what they are.
        addresses
            .extend(source.addresses.iter().filter(|other| source.any_node && *other != address).cloned());
        if let Err(failure) = self.met(&source.node, &source.name, &addresses, id) {
            tracing::warn!(%failure, "where the source was reached was not kept");
        }
        Ok(())
    }

    /// What a pull of a release that is named comes to where all of it is here already: nothing is asked for.
    fn held_already(
        &self,
        library: &Library,
        release: StatementId,
        plan: &Plan,
        begun: Instant,
    ) -> Result<Option<Pulled>> {
        let Some(said) = library.release(&release) else { return Ok(None) };
        if !self.is_complete(library, &said.body.manifest)? {
            return Ok(None);
        }
        let here = self.here(library, &plan.channel)?.map(|said| said.statement.id());
        self.pulled(&library.id(), plan, here, None, begun).map(Some)
    }

    /// What a pull came to. `before` is where the channel stood.
    fn pulled(
        &self,
        id: &LibraryId,
        plan: &Plan,
        before: Option<StatementId>,
        brought: Option<Brought>,
        begun: Instant,
    ) -> Result<Pulled> {
        let library = self.libraries.named(&id.to_string())?;
        let lag = self.lag(&library, &plan.channel)?;
        let here = self.here(&library, &plan.channel)?.map(|said| said.statement.id());
        let came =
            brought.as_ref().and_then(|brought| brought.report.release.zip(Some(brought.report.sequence)));
        let sequence_here = lag.here.as_ref().map_or(0, |here| here.sequence);
        let named = match plan.want {
            Want::Release(release) => {
                library.release(&release).map(|said| (release, said.statement.sequence()))
            }
            Want::Channel(_) => None,
        };
        let (release, sequence) =
            came.or(named).map_or((here, sequence_here), |(release, sequence)| (Some(release), sequence));
        let has_come = brought.as_ref().is_some_and(|brought| brought.report.chunks_fetched > 0);
        let is_named = matches!(plan.want, Want::Release(_));
        let changed = !plan.is_dry_run && (here != before || (is_named && has_come));
        let mut pulled = Pulled {
            library: id.to_string(),
            library_name: library.name().to_owned(),
            fresh_age_seconds: self.age_here(&library, &plan.channel)?,
            channel: plan.channel.clone(),
            release: release.map(|release| release.to_string()).unwrap_or_default(),
            sequence,
            changed,
            lag,
            named: is_named,
            dry_run: plan.is_dry_run,
            seconds: begun.elapsed().as_secs_f64(),
            ..Pulled::default()
        };
        if let Some(brought) = brought {
            tell(&mut pulled, brought);
        }
        Ok(pulled)
    }
}

/// Adds what came and from whom.
fn tell(pulled: &mut Pulled, brought: Brought) {
    let Brought { source, address, report, wire } = brought;
    pulled.from = source.node.to_string();
    pulled.address = address;
    pulled.classes = report.classes;
    pulled.classes_absent = report.classes_absent;
    pulled.files = report.files;
    pulled.bytes_total = report.bytes_total;
    pulled.chunks_total = report.chunks_total;
    pulled.chunks_fetched = report.chunks_fetched;
    pulled.chunk_bytes_fetched = report.chunk_bytes_fetched;
    pulled.chunk_bytes_encoded = report.chunk_bytes_encoded;
    pulled.chunks_from_deltas = report.chunks_from_deltas;
    pulled.page_bytes = report.page_bytes;
    pulled.page_bytes_encoded = report.page_bytes_encoded;
    pulled.chunks_missing = pulled.dry_run.then_some(report.chunks_missing);
    pulled.chunk_bytes_missing = pulled.dry_run.then_some(report.chunk_bytes_missing);
    pulled.frame_bytes_in = wire.frame_bytes_in;
    pulled.frame_bytes_out = wire.frame_bytes_out;
    pulled.wire_bytes_in = wire.bytes_in;
    pulled.wire_bytes_out = wire.bytes_out;
    pulled.round_trips = report.round_trips;
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
