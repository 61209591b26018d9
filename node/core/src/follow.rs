//! The service `follow`: fetches new releases by itself while the node serves. A mirror follows every library
//! of which it is a member; other nodes follow those that `[[follow]]` in `chuan.toml` names. The engine
//! chooses when a fetch begins ([`schedule`](chuan_engine::schedule)). Owns the state of each followed
//! library, and the pulls.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use chuan_api::node_event::NodeEvent;
use chuan_engine::{
    id::{LibraryId, StatementId},
    limits::FOLLOW_RETRY_LONGEST,
    schedule::{Pace, Track},
    statement::Library,
};
use tokio::{
    task::{Id, JoinError, JoinSet},
    time::sleep,
};
use tokio_util::sync::CancellationToken;

use crate::{
    command::{Pull, Role},
    context::Stage,
    exit::{Exit, Failure, Result},
    job::{Cancel, Job},
    library::holdings::Held,
    limits::FOLLOW_PULLS,
    pull,
    services::Services,
    spec::LIVE,
};

/// A library that is followed, as the statements and the settings are now.
#[derive(Debug)]
pub(crate) struct Followed {
    id: LibraryId,
    pace: Pace,
    /// When the newest release was announced, if it is not here.
    announced_ms: Option<i64>,
    /// Where the newest release is here without some of its classes: the statements that grant this node its
    /// classes. A node learns the name of a class only with its content, so it asks once after each change.
    grants: Option<BTreeSet<StatementId>>,
}

/// The followed libraries, and why others are not, by library.
#[derive(Debug, Default)]
pub(crate) struct Looked {
    pub(crate) followed: Vec<Followed>,
    failed: Vec<(String, Failure)>,
}

/// Follows libraries until the node is closed.
struct Follower {
    services: Arc<Services>,
    tracks: BTreeMap<LibraryId, Track>,
    /// The time of each announcement, as it was noted and as it is used: a clock that was wrong, here or at
    /// the publisher, may have noted one in the future.
    announced: BTreeMap<LibraryId, (i64, i64)>,
    /// The grants with which the last complete pull of a library began.
    asked: BTreeMap<LibraryId, BTreeSet<StatementId>>,
    /// The last failure of a library: it is logged once.
    failed: BTreeMap<String, String>,
    running: Vec<Running>,
    /// Whether everything that was announced is here after a pull.
    pulls: JoinSet<Result<bool>>,
    cancel: Cancel,
}

/// A pull under way.
struct Running {
    task: Id,
    library: LibraryId,
    /// The grants with which it began.
    grants: Option<BTreeSet<StatementId>>,
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
        announced: BTreeMap::new(),
        asked: BTreeMap::new(),
        failed: BTreeMap::new(),
        running: Vec::new(),
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
            let looked = self.services.blocking(|services| Ok(look(services))).await.unwrap_or_default();
            let wait = self.begin_due(looked);
            let due = async {
                match wait {
                    Some(wait) => sleep(wait).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                biased;
                () = stop.cancelled() => break,
                Some(ended) = self.pulls.join_next_with_id() => self.note(ended),
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
    fn begin_due(&mut self, looked: Looked) -> Option<Duration> {
        let now_ms = self.services.context.now_ms();
        let Looked { mut followed, failed } = looked;
        // A library that could not be looked at is tried again without a change, too.
        let retry_ms = now_ms.saturating_add(i64::try_from(FOLLOW_RETRY_LONGEST).unwrap_or(i64::MAX));
        let mut next: Option<i64> = (!failed.is_empty()).then_some(retry_ms);
        failed.into_iter().for_each(|(library, failure)| self.fail(library, &failure));
        let ids: BTreeSet<_> = followed.iter().map(|one| one.id).collect();
        self.tracks.retain(|id, _| ids.contains(id));
        self.announced.retain(|id, _| ids.contains(id));
        self.asked.retain(|id, _| ids.contains(id));
        followed.sort_by_key(|one| std::cmp::Reverse(one.pace.priority));
        for mut one in followed {
            let mut announced_ms = one.announced_ms.map(|noted| {
                let used = self.announced.entry(one.id).or_insert((noted, noted.min(now_ms)));
                if used.0 != noted {
                    *used = (noted, noted.min(now_ms));
                }
                used.1
            });
            if announced_ms.is_none()
                && one.grants.is_some()
                && one.grants.as_ref() != self.asked.get(&one.id)
            {
                // The release may have been announced long ago, and no interval delays what is granted now.
                announced_ms = Some(0);
                one.pace = Pace { priority: one.pace.priority, ..Pace::default() };
            }
            let track = self.tracks.entry(one.id).or_default();
            track.announced(announced_ms);
            let Some(due) = track.due_ms(&one.pace) else { continue };
            if self.running.iter().any(|running| running.library == one.id)
                || self.running.len() >= FOLLOW_PULLS
            {
                // The end of a pull leads here again.
                continue;
            }
            if due > now_ms {
                next = Some(next.map_or(due, |next| next.min(due)));
                continue;
            }
            let (services, job) = (Arc::clone(&self.services), Job::quiet(self.cancel.clone()));
            let options = Pull { library: Some(one.id.to_string()), ..Pull::default() };
            let pulling = self.pulls.spawn(async move {
                let pulled = pull::pull(&services, options, &job).await?;
                Ok(pulled.lag.behind == 0)
            });
            self.running.push(Running { task: pulling.id(), library: one.id, grants: one.grants });
        }
        next.map(|next| Duration::from_millis(next.saturating_sub(now_ms).unsigned_abs()))
    }

    fn note(&mut self, ended: Result<(Id, Result<bool>), JoinError>) {
        let (task, result) = match ended {
            Ok((task, result)) => (task, result),
            Err(error) => (error.id(), Err(Failure::internal(format!("a pull failed: {error}")))),
        };
        let Some(at) = self.running.iter().position(|running| running.task == task) else { return };
        let Running { library: id, grants, .. } = self.running.swap_remove(at);
        let context = &self.services.context;
        let is_done = matches!(result, Ok(true));
        let random = context.randomness.number().unwrap_or_default();
        self.tracks.entry(id).or_default().ended(context.now_ms(), is_done, random);
        if let Some(grants) = grants.filter(|_| is_done) {
            self.asked.insert(id, grants);
        }
        match result {
            Ok(true) => drop(self.failed.remove(&id.to_string())),
            // No source has the release yet.
            Ok(false) => {}
            Err(failure) if failure.exit == Exit::Interrupted => {}
            Err(failure) => self.fail(id.to_string(), &failure),
        }
    }

    /// Tells of a failure, unless it is the same as the last one of the library.
    fn fail(&mut self, library: String, failure: &Failure) {
        let reason = failure.message.clone();
        if self.failed.get(&library) == Some(&reason) {
            return;
        }
        tracing::warn!(%failure, library, "a followed library could not be fetched; trying again");
        self.services
            .context
            .emit(NodeEvent::NotFollowed { library: library.clone(), reason: reason.clone() });
        self.failed.insert(library, reason);
    }
}

/// The followed libraries. A failure of one does not stop the others. Blocks.
pub(crate) fn look(services: &Services) -> Looked {
    let config = services.context.config();
    let mut looked = Looked::default();
    let mut named = BTreeSet::new();
    for follow in &config.follow {
        match services.library.find(&follow.library) {
            Ok(found) => named.extend(found.map(|library| library.id())),
            // Two libraries have this name: only an id says which one.
            Err(failure) => looked.failed.push((follow.library.clone(), failure)),
        }
    }
    for library in services.library.all() {
        let is_wanted = config.role == Role::Mirror || named.contains(&library.id());
        if !is_wanted || library.grants(&services.context.me()).next().is_none() {
            continue;
        }
        match look_at(services, &library) {
            Ok(followed) => looked.followed.push(followed),
            Err(failure) => looked.failed.push((library.id().to_string(), failure)),
        }
    }
    looked
}

fn look_at(services: &Services, library: &Library) -> Result<Followed> {
    let lag = services.library.lags.of(library, LIVE)?;
    let announced = lag.announced.filter(|_| lag.behind > 0);
    // Where the classes cannot be read, a pull fetches what is missing.
    let held = held(services, library).unwrap_or_default();
    let lacks = held.as_ref().is_some_and(|held| !held.absent.is_empty());
    let me = services.context.me();
    Ok(Followed {
        id: library.id(),
        pace: pace(library, held.as_ref()),
        announced_ms: announced.map(|announced| announced.heard_ms.unwrap_or(announced.time_ms)),
        grants: lacks.then(|| library.grants(&me).map(|grant| grant.statement.id()).collect()),
    })
}

/// The classes of the release that is here.
fn held(services: &Services, library: &Library) -> Result<Option<Held>> {
    let Some(release) = services.library.here(library, LIVE)? else { return Ok(None) };
    Ok(Some(services.library.holdings.held(library, &release.body.manifest)?))
}

/// The pace of a library: that of its classes in the release that is here. Before the first release is here,
/// it is fetched at once.
fn pace(library: &Library, held: Option<&Held>) -> Pace {
    let Some((held, policy)) = held.zip(library.policy()) else { return Pace::default() };
    let slots: BTreeSet<u8> = held.classes.iter().map(|class| class.header.slot).collect();
    Pace::of(slots.iter().map(|slot| policy.classes.get(slot)))
}
