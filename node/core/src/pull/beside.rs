//! What goes on beside a pull: the exchange of statements on the same connection. It must not hold the pull up.

use std::{future::Future, sync::Arc, time::Duration};

use chuan_engine::{id::LibraryId, sync::fetch::Report};
use chuan_net::Connection;
use tokio::time::timeout;

use crate::{
    exit::{Failure, Result},
    job::Job,
    node::{Node, gossip::exchange_on, on_thread},
};

/// How long the statements that travel beside a pull are waited for once its data is here.
const EXCHANGE_LATE: Duration = Duration::from_secs(5);

impl Node {
    /// Statements travel beside the data, and are worth having even where that fails. Once it is here they are waited for no
    /// longer than [`EXCHANGE_LATE`].
    pub(super) async fn pull_beside_exchange(
        &self,
        pull: impl Future<Output = chuan_net::Result<Report>>,
        connection: &Connection,
        id: LibraryId,
        job: &Job,
    ) -> Result<chuan_net::Result<Report>> {
        let here = Arc::downgrade(&self.0);
        let exchange = async {
            tokio::select! {
                exchanged = exchange_on(&here, connection, &id) => exchanged,
                () = job.cancel().cancelled() => Err(Failure::interrupted()),
            }
        };
        let (pulled, exchanged) = with_deadline(pull, exchange, EXCHANGE_LATE).await;
        match exchanged {
            Some(Ok(_)) => {}
            Some(Err(failure)) => {
                tracing::debug!(peer = connection.name(), %failure, "statements were not exchanged");
            }
            None => tracing::debug!(peer = connection.name(), "statements took too long to be exchanged"),
        }
        if !pulled.as_ref().is_ok_and(|report| report.done) {
            // What is here may follow what was said meanwhile. A pull that is done does so when it is taken up.
            let follower = Arc::clone(&self.0);
            on_thread(move || {
                follower.follow_library(id);
                Ok(())
            })
            .await?;
        }
        Ok(pulled)
    }
}

/// Does `work`, and `beside` it what has a deadline once that is done.
async fn with_deadline<A, B>(
    work: impl Future<Output = A>,
    beside: impl Future<Output = B>,
    deadline: Duration,
) -> (A, Option<B>) {
    tokio::pin!(work, beside);
    let mut early = None;
    let done = loop {
        tokio::select! {
            done = &mut work => break done,
            came = &mut beside, if early.is_none() => early = Some(came),
        }
    };
    if early.is_none() {
        early = timeout(deadline, beside).await.ok();
    }
    (done, early)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Symptom: a source that brought all data and then said nothing in the exchange of statements kept the pull for a minute,
    /// and one that said a little now and then for hours.
    #[tokio::test]
    async fn what_goes_on_beside_a_pull_has_a_deadline() {
        let never = std::future::pending::<()>();
        let late = with_deadline(async { 7 }, never, Duration::from_millis(1)).await;
        assert_eq!(late, (7, None));
        let both = with_deadline(tokio::task::yield_now(), async { 8 }, Duration::ZERO).await;
        assert_eq!(both, ((), Some(8)));
    }
}
