//! The service `follow`: fetches new releases by itself while the node serves. A mirror follows every library
//! of which it is a member; other nodes follow those that `[[follow]]` in `chuan.toml` names. The engine
//! chooses when a fetch begins ([`schedule`]). Owns the state of each followed library, and the pulls.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use chuan_api::node_event::NodeEvent;
use chuan_engine::{
    id::{LibraryId, StatementId},
    restore::has_record,
    schedule::{Pace, Track},
    statement::Library,
};
use tokio::{task::JoinSet, time::sleep};
use tokio_util::sync::CancellationToken;

use crate::{
    command::{Pull, Restore, Role},
    commands::restore::restore,
    context::Stage,
    exit::{Exit, Failure, Result},
    home::config::Config,
    job::{Cancel, Job},
    limits::FOLLOW_PULLS,
    pull,
    services::Services,
    spec::{LIVE, Spec},
};

/// A library that is followed, as the statements and the settings are now.
#[derive(Debug)]
pub(crate) struct Followed {
    id: LibraryId,
    name: String,
    pace: Pace,
    /// When the newest release was announced, if it is not here.
    announced_ms: Option<i64>,
    /// The release to which `live` points here.
    here: Option<StatementId>,
    /// The folder that is kept equal to `live`.
    into: Option<PathBuf>,
}

/// The result of one pull or restore of a followed library.
#[derive(Debug)]
struct Ended {
    id: LibraryId,
    /// Whether everything that was announced is here.
    result: Result<bool>,
    /// The release in the folder, where a restore ended well.
    restored: Option<StatementId>,
}

/// Follows libraries until the node is closed.
struct Follower {
    services: Arc<Services>,
    tracks: BTreeMap<LibraryId, Track>,
    /// The release that is in the folder of a library.
    restored: BTreeMap<LibraryId, StatementId>,
    /// The last failure of a library: it is logged once.
    failed: BTreeMap<LibraryId, String>,
    running: BTreeSet<LibraryId>,
    pulls: JoinSet<Ended>,
    cancel: Cancel,
}

/// Follows libraries until [`Stage::Admin`] stops: a pull under way is cancelled then, and continues at the
/// next start. Idempotent.
pub(crate) fn start(services: &Arc<Services>) {
    if services.is_following.swap(true, Ordering::Relaxed) {
        return;
    }
    let supervisor = &services.context.supervisor;
    let follower = Follower {
        services: Arc::clone(services),
        tracks: BTreeMap::new(),
        restored: BTreeMap::new(),
        failed: BTreeMap::new(),
        running: BTreeSet::new(),
        pulls: JoinSet::new(),
        cancel: Cancel::default(),
    };
    supervisor.spawn(Stage::Commands, follower.run(supervisor.stopping(Stage::Admin)));
}

impl Follower {
    async fn run(mut self, stop: CancellationToken) {
        let mut changes = self.services.library.changes();
        let mut settings = self.services.context.settings();
        while !stop.is_cancelled() {
            changes.mark_unchanged();
            settings.mark_unchanged();
            let wait = match self.services.blocking(look).await {
                Ok(followed) => self.begin_due(followed),
                Err(failure) => {
                    tracing::warn!(%failure, "the followed libraries could not be read");
                    Some(Duration::from_secs(1))
                }
            };
            let due = async {
                match wait {
                    Some(wait) => sleep(wait).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                biased;
                () = stop.cancelled() => break,
                Some(ended) = self.pulls.join_next() => {
                    if let Ok(ended) = ended {
                        self.note(ended);
                    }
                }
                changed = changes.changed() => if changed.is_err() { break },
                _ = settings.changed() => {}
                () = due => {}
            }
        }
        self.cancel.cancel();
        while self.pulls.join_next().await.is_some() {}
    }

    /// Begins what is due, the highest priority first. Returns how long until the next one is due; `None`
    /// where only a change can make one due.
    fn begin_due(&mut self, mut followed: Vec<Followed>) -> Option<Duration> {
        let now_ms = self.services.context.now_ms();
        self.tracks.retain(|id, _| followed.iter().any(|one| one.id == *id));
        followed.sort_by_key(|one| std::cmp::Reverse(one.pace.priority));
        let mut next: Option<i64> = None;
        for one in followed {
            let track = self.tracks.entry(one.id).or_default();
            track.announced(one.announced_ms);
            let is_folder_old = one.into.is_some() && one.here != self.restored.get(&one.id).copied();
            let due = track.due_ms(&one.pace);
            let due = due.or_else(|| is_folder_old.then(|| track.retry_ms()));
            let Some(due) = due else { continue };
            if self.running.contains(&one.id) || self.running.len() >= FOLLOW_PULLS {
                // The end of a pull leads here again.
                continue;
            }
            if due > now_ms {
                next = Some(next.map_or(due, |next| next.min(due)));
                continue;
            }
            self.running.insert(one.id);
            let (services, cancel) = (Arc::clone(&self.services), self.cancel.clone());
            self.pulls.spawn(fetch(services, one, Job::quiet(cancel)));
        }
        next.map(|next| Duration::from_millis(next.saturating_sub(now_ms).unsigned_abs()))
    }

    fn note(&mut self, ended: Ended) {
        let Ended { id, result, restored } = ended;
        self.running.remove(&id);
        if let Some(release) = restored {
            self.restored.insert(id, release);
        }
        let context = &self.services.context;
        let is_done = matches!(result, Ok(true));
        let random = context.randomness.number().unwrap_or_default();
        self.tracks.entry(id).or_default().ended(context.now_ms(), is_done, random);
        match result {
            Ok(true) => drop(self.failed.remove(&id)),
            // No source has the release yet.
            Ok(false) => {}
            Err(failure) if failure.exit == Exit::Interrupted => {}
            Err(failure) => {
                let text = failure.message.clone();
                if self.failed.insert(id, text.clone()).is_none_or(|before| before != text) {
                    context.emit(NodeEvent::NotFollowed { library: id.to_string(), reason: text });
                    tracing::warn!(%failure, library = id.short(), "a followed library could not be fetched; trying again");
                }
            }
        }
    }
}

/// The followed libraries. Blocks.
pub(crate) fn look(services: &Services) -> Result<Vec<Followed>> {
    let config = services.context.config();
    let mut all = Vec::new();
    for library in services.library.all() {
        if let Some(followed) = look_at(services, &config, &library)? {
            all.push(followed);
        }
    }
    Ok(all)
}

fn look_at(services: &Services, config: &Config, library: &Library) -> Result<Option<Followed>> {
    let is_named = |name: &str| name == library.name() || library.id().to_string() == name;
    let named = config.follow.iter().find(|follow| is_named(&follow.library));
    let me = services.context.me();
    if (named.is_none() && config.role != Role::Mirror) || library.grants(&me).next().is_none() {
        return Ok(None);
    }
    let here = services.library.ref_of(library, LIVE)?;
    let lag = services.library.lags.of(library, LIVE)?;
    let announced = lag.announced.filter(|_| lag.behind > 0);
    Ok(Some(Followed {
        id: library.id(),
        name: library.name().to_owned(),
        pace: pace(services, library, here.as_ref().map(|at| at.release))?,
        announced_ms: announced.map(|announced| announced.heard_ms.unwrap_or(announced.time_ms)),
        here: here.map(|at| at.release),
        into: named.and_then(|follow| follow.into.clone()),
    }))
}

/// The pace of a library: that of its classes in the release that is here. Before the first release is here,
/// it is fetched at once.
fn pace(services: &Services, library: &Library, here: Option<StatementId>) -> Result<Pace> {
    let Some((release, policy)) = here.and_then(|here| library.release(&here)).zip(library.policy()) else {
        return Ok(Pace::default());
    };
    let held = services.library.holdings.held(library, &release.body.manifest)?;
    let slots: BTreeSet<u8> = held.classes.iter().map(|class| class.header.slot).collect();
    Ok(Pace::of(slots.iter().map(|slot| policy.classes.get(slot))))
}

/// Pulls what is announced, and brings the folder to the release that is here then.
async fn fetch(services: Arc<Services>, followed: Followed, job: Job) -> Ended {
    let Followed { id, announced_ms, into, .. } = &followed;
    let mut result = Ok(true);
    if announced_ms.is_some() {
        let options = Pull { library: Some(id.to_string()), ..Pull::default() };
        result = pull::pull(&services, options, &job).await.map(|pulled| pulled.lag.behind == 0);
    }
    let mut restored = None;
    if let Some(folder) = into {
        match bring(&services, &followed, folder.clone(), &job).await {
            Ok(release) => restored = release,
            Err(failure) => result = result.and(Err(failure)),
        }
    }
    Ended { id: *id, result, restored }
}

/// Brings a folder to the release of `live` that is here. Returns the release.
async fn bring(
    services: &Arc<Services>,
    followed: &Followed,
    folder: PathBuf,
    job: &Job,
) -> Result<Option<StatementId>> {
    let library = services.library.named(&followed.id.to_string())?;
    let Some(here) = services.library.ref_of(&library, LIVE)? else { return Ok(None) };
    let (records, dest) = (services.context.home.restored_dir(), folder.clone());
    services.blocking(move |_| check_folder(&records, &dest)).await?;
    let spec: Spec = followed.id.to_string().parse()?;
    let options = Restore { delete: true, ..Restore::all(spec, folder) };
    let restored = restore(services, options, job).await?;
    match restored.failures_total {
        0 => Ok(Some(here.release)),
        failures => Err(Failure::new(
            Exit::Gaps,
            format!("{failures} items of {} could not be written to {}", followed.name, restored.dest),
        )),
    }
}

/// Refuses a folder with items that no restore of this home wrote: bringing it to a release would remove
/// them. Blocks.
fn check_folder(records: &Path, folder: &Path) -> Result<()> {
    // The restore makes the folder, or reports why it cannot.
    let Ok(mut items) = fs::read_dir(folder) else { return Ok(()) };
    if items.next().is_none() || has_record(records, folder)? {
        return Ok(());
    }
    Err(Failure::invalid(format!(
        "{} is not empty, and no restore has written it; the setting `into` removes what a release does not have: empty the \
         folder, name another one, or restore into it first",
        folder.display()
    )))
}
