//! The exchange of statements beside a pull, on the same connection. It must not delay the pull.

use std::{future::Future, sync::Arc, time::Duration};

use chuan_engine::{id::LibraryId, sync::fetch::Report};
use chuan_net::link::Link;
use tokio::time::timeout;

use crate::{
    exit::{Failure, Result},
    job::Job,
    services::Services,
};

/// How long an exchange may go on after the data of its pull is here.
const EXCHANGE_LATE: Duration = Duration::from_secs(5);

/// Runs a pull, and beside it an exchange of statements on the same connection. Statements are useful even
/// where the pull fails. Once it is done, the exchange gets no longer than [`EXCHANGE_LATE`].
pub(super) async fn with_exchange(
    services: &Arc<Services>,
    pull: impl Future<Output = chuan_net::Result<Report>>,
    link: &dyn Link,
    id: LibraryId,
    job: &Job,
) -> Result<chuan_net::Result<Report>> {
    let exchange = async {
        tokio::select! {
            biased;
            exchanged = services.exchange.exchange_on(link, &id) => exchanged,
            () = job.cancel().cancelled() => Err(Failure::interrupted()),
        }
    };
    let (pulled, exchanged) = with_deadline(pull, exchange, EXCHANGE_LATE).await;
    match exchanged {
        Some(Ok(_)) => {}
        Some(Err(failure)) => {
            tracing::debug!(peer = link.name(), %failure, "statements were not exchanged");
        }
        None => tracing::debug!(peer = link.name(), "statements took too long to be exchanged"),
    }
    if !pulled.as_ref().is_ok_and(|report| report.done) {
        // Content that is here may belong to statements that came meanwhile. A finished pull does this when
        // its result is adopted.
        services
            .blocking(move |services| {
                services.library.follow_library(id);
                Ok(())
            })
            .await?;
    }
    Ok(pulled)
}

/// Runs `work` and `beside`; once `work` is done, `beside` has a deadline.
async fn with_deadline<A, B>(
    work: impl Future<Output = A>,
    beside: impl Future<Output = B>,
    deadline: Duration,
) -> (A, Option<B>) {
    tokio::pin!(work, beside);
    let mut early = None;
    let done = loop {
        tokio::select! {
            biased;
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

    /// Symptom: a source that sent all data and then nothing in the exchange of statements delayed the end of
    /// the pull for a minute. A source that sent a little now and then delayed it for hours.
    #[tokio::test]
    async fn the_exchange_beside_a_pull_has_a_deadline() {
        let never = std::future::pending::<()>();
        let late = with_deadline(async { 7 }, never, Duration::from_millis(1)).await;
        assert_eq!(late, (7, None));
        let both = with_deadline(tokio::task::yield_now(), async { 8 }, Duration::ZERO).await;
        assert_eq!(both, ((), Some(8)));
    }
}
