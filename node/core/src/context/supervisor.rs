//! [`Supervisor`]: the tasks of an open home, and the one way to stop them. Owns the order in which they
//! stop; does not know what the tasks do.

use std::{future::Future, time::Duration};

use tokio::time::timeout;
use tokio_util::{
    sync::CancellationToken,
    task::{TaskTracker, task_tracker::TaskTrackerToken},
};

/// A group of tasks that stops at the same time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stage {
    /// The admin socket: it takes no new command, and finishes the commands under way.
    Admin,
    /// The commands of this process: they have some time to end by themselves.
    Commands,
    /// The listener: it takes no new request, and finishes answers under way.
    Serve,
    /// Services that talk to peers by themselves: exchange, vouching.
    Work,
    /// The audit log: last, so that it records what the others did.
    Audit,
}

impl Stage {
    /// All stages, in the order in which they stop.
    pub(crate) const ORDER: [Stage; 5] =
        [Stage::Admin, Stage::Commands, Stage::Serve, Stage::Work, Stage::Audit];
}

/// The tasks of one stage.
#[derive(Debug, Default)]
struct Group {
    stop: CancellationToken,
    tasks: TaskTracker,
}

/// Runs the tasks of a home and stops them stage by stage.
#[derive(Debug, Default)]
pub(crate) struct Supervisor {
    admin: Group,
    commands: Group,
    serve: Group,
    work: Group,
    audit: Group,
}

impl Supervisor {
    /// Runs a task of `stage`. It must end soon after [`Supervisor::stopping`] of its stage is cancelled.
    pub(crate) fn spawn(&self, stage: Stage, task: impl Future<Output = ()> + Send + 'static) {
        self.group(stage).tasks.spawn(task);
    }

    /// Work of `stage` that its caller runs: it counts as a task as long as the token lives.
    pub(crate) fn hold(&self, stage: Stage) -> TaskTrackerToken {
        self.group(stage).tasks.token()
    }

    /// The token that is cancelled when `stage` must stop.
    pub(crate) fn stopping(&self, stage: Stage) -> CancellationToken {
        self.group(stage).stop.clone()
    }

    /// Stops one stage, and returns when its tasks have ended. Not cancel-safe: where the future is dropped,
    /// tasks still end, unobserved.
    pub(crate) async fn stop(&self, stage: Stage) {
        let group = self.group(stage);
        group.stop.cancel();
        group.tasks.close();
        group.tasks.wait().await;
    }

    /// Gives the tasks of a stage the time `patience` to end by themselves. Then stops the stage, and returns
    /// when its tasks have ended, at the latest after the time `grace`. Returns whether all have ended.
    pub(crate) async fn stop_after(&self, stage: Stage, patience: Duration, grace: Duration) -> bool {
        let group = self.group(stage);
        group.tasks.close();
        let ended = timeout(patience, group.tasks.wait()).await.is_ok();
        group.stop.cancel();
        ended || timeout(grace, group.tasks.wait()).await.is_ok()
    }

    /// Tells all tasks to stop and waits for none: for a home that is dropped without being closed.
    pub(crate) fn abandon(&self) {
        Stage::ORDER.iter().for_each(|stage| self.group(*stage).stop.cancel());
    }

    fn group(&self, stage: Stage) -> &Group {
        match stage {
            Stage::Admin => &self.admin,
            Stage::Commands => &self.commands,
            Stage::Serve => &self.serve,
            Stage::Work => &self.work,
            Stage::Audit => &self.audit,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;

    /// A stage stops only after every task of the stages before it has ended.
    #[tokio::test]
    async fn stages_stop_in_order() {
        tokio::time::pause();
        let supervisor = Supervisor::default();
        let ended = Arc::new(Mutex::new(Vec::new()));
        // Later stages would end sooner, if they were told to at the same time.
        for (stage, seconds) in Stage::ORDER.into_iter().zip([12, 9, 6, 3, 0]) {
            let (stop, ended) = (supervisor.stopping(stage), Arc::clone(&ended));
            supervisor.spawn(stage, async move {
                stop.cancelled().await;
                tokio::time::sleep(Duration::from_secs(seconds)).await;
                ended.lock().unwrap().push(stage);
            });
        }
        for stage in Stage::ORDER {
            supervisor.stop(stage).await;
            assert_eq!(ended.lock().unwrap().last(), Some(&stage));
        }
        assert_eq!(*ended.lock().unwrap(), Stage::ORDER);
    }

    /// Work that ends in time is not stopped; work that does not is told to, and not waited for without end.
    #[tokio::test(start_paused = true)]
    async fn a_stage_may_have_time_to_end_by_itself() {
        let (patience, grace) = (Duration::from_secs(10), Duration::from_secs(5));
        let supervisor = Supervisor::default();
        let stop = supervisor.stopping(Stage::Commands);
        let (held, token) = (supervisor.hold(Stage::Commands), stop.clone());
        let quick = tokio::spawn(async move {
            tokio::time::sleep(Duration::from_secs(9)).await;
            drop(held);
            token.is_cancelled()
        });
        assert!(supervisor.stop_after(Stage::Commands, patience, grace).await);
        assert!(!quick.await.unwrap() && stop.is_cancelled());

        let supervisor = Supervisor::default();
        let (held, stop) = (supervisor.hold(Stage::Commands), supervisor.stopping(Stage::Commands));
        let slow = tokio::spawn(async move {
            stop.cancelled().await;
            tokio::time::sleep(Duration::from_secs(4)).await;
            drop(held);
        });
        let _never = supervisor.hold(Stage::Serve);
        assert!(supervisor.stop_after(Stage::Commands, patience, grace).await && slow.is_finished());
        assert!(!supervisor.stop_after(Stage::Serve, patience, grace).await);
    }

    #[tokio::test]
    async fn an_abandoned_supervisor_tells_every_stage() {
        let supervisor = Supervisor::default();
        let tokens = Stage::ORDER.map(|stage| supervisor.stopping(stage));
        supervisor.abandon();
        assert!(tokens.iter().all(CancellationToken::is_cancelled));
    }
}
