//! Closing a home while commands of this process run.

use std::{future::Future, time::Duration};

use tokio::{
    sync::oneshot,
    task::JoinHandle,
    time::{Instant, timeout},
};

use super::*;
use crate::{command::Command, context::Stage, exit::Failure, job::Cancel, session::Session};

/// How long a close that does not wait would take at most.
const MOMENT: Duration = Duration::from_millis(100);

/// Runs work as a command of the node, and returns when it has begun.
async fn begun<T, F>(node: &Node, job: Job, work: impl FnOnce(Job) -> F) -> JoinHandle<Result<T>>
where
    T: Send + 'static,
    F: Future<Output = Result<T>> + Send + 'static,
{
    let (begins, has_begun) = oneshot::channel();
    let (home, work) = (Arc::clone(&node.0), work(job.clone()));
    let running = tokio::spawn(async move {
        let work = async {
            let _ = begins.send(());
            work.await
        };
        home.track(&job, work).await
    });
    has_begun.await.unwrap();
    running
}

/// Begins to close the node; returns when it takes no more commands.
async fn closing(node: &Node) -> JoinHandle<()> {
    let closing = tokio::spawn({
        let node = node.clone();
        async move { node.close().await }
    });
    node.context().supervisor.stopping(Stage::Admin).cancelled().await;
    closing
}

#[tokio::test(flavor = "multi_thread")]
async fn closing_waits_for_commands_of_this_process() {
    let place = Place::new();
    let node = place.node("a").await;
    let (finish, may_finish) = oneshot::channel();
    let job = Job::silent();
    let running = begun(&node, job.clone(), |_| async move {
        may_finish.await.unwrap();
        Ok(7)
    })
    .await;
    let mut closing = closing(&node).await;
    assert!(timeout(MOMENT, &mut closing).await.is_err(), "closing did not wait");
    assert_eq!(node.status().await.unwrap_err().exit, Exit::Busy);
    finish.send(()).unwrap();
    assert_eq!(running.await.unwrap().unwrap(), 7);
    closing.await.unwrap();
    assert!(!job.cancel().is_cancelled(), "the command had time to end");
}

#[tokio::test]
async fn closing_cancels_a_command_that_does_not_end() {
    let place = Place::new();
    let node = place.node("a").await;
    let running = begun(&node, Job::silent(), |job| async move {
        job.cancel().cancelled().await;
        job.check()
    })
    .await;
    tokio::time::pause();
    let started = Instant::now();
    node.close().await;
    assert_eq!(running.await.unwrap().unwrap_err().exit, Exit::Interrupted);
    assert!(started.elapsed() >= Node::CLOSE_WAIT, "{:?}", started.elapsed());
}

/// A command that obeys nothing, like one whose future is not polled, does not hold a close for ever.
#[tokio::test]
async fn closing_leaves_a_command_behind_that_obeys_nothing() {
    let place = Place::new();
    let node = place.node("a").await;
    let job = Job::watched(Cancel::default()).0;
    let running = begun(&node, job.clone(), |_| std::future::pending::<Result<()>>()).await;
    tokio::time::pause();
    node.close().await;
    assert!(job.cancel().is_cancelled() && !running.is_finished());
    running.abort();
}

/// A command of an operator asks the home several times. Closing in between would lose what it has begun.
#[tokio::test(flavor = "multi_thread")]
async fn a_command_of_several_steps_is_finished() {
    let place = Place::new();
    let node = place.node("a").await;
    let session = || Session::within(Arc::clone(&node.0), Job::silent());
    let (mut first, mut late) = (session(), session());
    first.run(Command::Id).await.unwrap();
    let mut closing = closing(&node).await;
    assert!(timeout(MOMENT, &mut closing).await.is_err(), "closing did not wait");
    first.run(Command::Id).await.unwrap();
    let refused: Result<Outcome, Failure> = late.run(Command::Id).await;
    assert_eq!(refused.unwrap_err().exit, Exit::Busy);
    drop(first);
    closing.await.unwrap();
}
