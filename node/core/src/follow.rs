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
    time::{Instant, sleep},
};
use tokio_util::sync::CancellationToken;

use crate::{
    command::{Pull, Role},
    context::Stage,
    exit::{Exit, Failure, Result},
    job::{Cancel, Job},
    library::holdings::Held,
    limits::{FOLLOW_PULLS, FOLLOW_TURN},
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
}

/// A pull under way.
struct Running {
    task: Id,
    library: LibraryId,
    /// As [`Followed::grants`], when it began.
    grants: Option<BTreeSet<StatementId>>,
    begun: Instant,
    cancel: Cancel,
}

/// When a library that waits for a pull is fetched, and before which others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Due {
    at_ms: i64,
    priority: u8,
}

impl Due {
    /// The order of libraries that are due, the first one first: by priority, which the operators of each
    /// library choose; but before that those that have waited for [`FOLLOW_TURN`], the longest first. So no
    /// library keeps another one from being fetched.
    fn order(&self, now_ms: i64) -> (bool, i64, std::cmp::Reverse<u8>) {
        let turn_ms = i64::try_from(FOLLOW_TURN.as_millis()).unwrap_or(i64::MAX);
        let is_late = now_ms.saturating_sub(self.at_ms) >= turn_ms;
        (!is_late, if is_late { self.at_ms } else { 0 }, std::cmp::Reverse(self.priority))
    }
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
        self.running.iter().for_each(|running| running.cancel.cancel());
        while self.pulls.join_next().await.is_some() {}
    }

    /// Begins what is due, in the order of [`Due`]. Returns how long until the next one is due; `None` where
    /// only a change can make one due.
    fn begin_due(&mut self, looked: Looked) -> Option<Duration> {
        let now_ms = self.services.context.now_ms();
        let Looked { followed, failed } = looked;
        let is_retried = !failed.is_empty();
        failed.into_iter().for_each(|(library, failure)| self.fail(library, &failure));
        let ids: BTreeSet<_> = followed.iter().map(|one| one.id).collect();
        self.tracks.retain(|id, _| ids.contains(id));
        self.announced.retain(|id, _| ids.contains(id));
        self.asked.retain(|id, _| ids.contains(id));
        // A library that could not be looked at is tried again without a change, too.
        let mut next = is_retried.then_some(Duration::from_millis(FOLLOW_RETRY_LONGEST));
        let mut wait = |time: Duration| next = Some(next.map_or(time, |next| next.min(time)));
        let mut due = Vec::new();
        for one in followed {
            let announced_ms = self.announced_ms(&one, now_ms);
            let track = self.tracks.entry(one.id).or_default();
            track.announced(announced_ms);
            // No interval delays a class that is granted now.
            let at_once = Pace { priority: one.pace.priority, ..Pace::default() };
            let pace = if one.announced_ms.is_some() { one.pace } else { at_once };
            let Some(at_ms) = track.due_ms(&pace) else { continue };
            if self.running.iter().any(|running| running.library == one.id) {
                // The end of a pull leads here again.
            } else if at_ms > now_ms {
                wait(Duration::from_millis(at_ms.saturating_sub(now_ms).unsigned_abs()));
            } else {
                due.push((Due { at_ms, priority: one.pace.priority }, one));
            }
        }
        due.sort_by_key(|(due, _)| due.order(now_ms));
        let mut due = due.into_iter().map(|(_, one)| one);
        for one in due.by_ref().take(FOLLOW_PULLS.saturating_sub(self.running.len())) {
            self.begin(one);
        }
        if due.next().is_some()
            && let Some(left) = self.yield_one()
        {
            wait(left);
        }
        next
    }

    /// When the newest release of a library was announced, or a class of it granted, by this node's clock.
    fn announced_ms(&mut self, one: &Followed, now_ms: i64) -> Option<i64> {
        let (noted, at_ms) = match (one.announced_ms, &one.grants) {
            (Some(noted), _) => (noted, noted.min(now_ms)),
            (None, Some(grants)) if self.asked.get(&one.id) != Some(grants) => (i64::MIN, now_ms),
            (None, _) => return None,
        };
        let used = self.announced.entry(one.id).or_insert((noted, at_ms));
        if used.0 != noted {
            *used = (noted, at_ms);
        }
        Some(used.1)
    }

    fn begin(&mut self, one: Followed) {
        let Followed { id: library, grants, .. } = one;
        let cancel = Cancel::default();
        let (services, job) = (Arc::clone(&self.services), Job::quiet(cancel.clone()));
        let options = Pull { library: Some(library.to_string()), ..Pull::default() };
        let pulling = self.pulls.spawn(async move {
            let pulled = pull::pull(&services, options, &job).await?;
            Ok(pulled.lag.behind == 0)
        });
        let begun = self.services.context.clock.instant();
        self.running.push(Running { task: pulling.id(), library, grants, begun, cancel });
    }

    /// Ends the pull that has run the longest, if that is [`FOLLOW_TURN`], since another library waits; it
    /// continues later. Else returns how long until then.
    fn yield_one(&self) -> Option<Duration> {
        let oldest = self.running.iter().min_by_key(|running| running.begun)?;
        let left = FOLLOW_TURN.saturating_sub(oldest.begun.elapsed());
        if left.is_zero() {
            oldest.cancel.cancel();
            return None;
        }
        Some(left)
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

#[cfg(test)]
mod tests {
    use super::*;

    /// Symptom: a library was not fetched for as long as its node followed others of a higher priority with
    /// something new at each moment. Cause: the priority alone decided, and each owner chooses that.
    #[test]
    fn a_library_that_has_waited_long_goes_before_any_priority() {
        let turn = i64::try_from(FOLLOW_TURN.as_millis()).unwrap();
        let now = 10 * turn;
        let mut due =
            [(now, 0), (now - 1, 9), (now - turn, 0), (now - turn, 9), (now - 2 * turn, 0), (now - 1, 200)]
                .map(|(at_ms, priority)| Due { at_ms, priority });
        due.sort_by_key(|due| due.order(now));
        let order = due.map(|due| ((now - due.at_ms) / turn, due.priority));
        assert_eq!(order, [(2, 0), (1, 9), (1, 0), (0, 200), (0, 9), (0, 0)]);
    }
}
