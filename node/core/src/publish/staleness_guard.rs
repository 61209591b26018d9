//! Refuses a publish in a home that lacks releases of its own publisher, such as a home that was restored
//! from a backup: its new release would contradict a signed one. So a publish asks peers first. Where none is
//! reached, the record of this machine decides (see [`signed_record`](crate::signed_record)).

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use chuan_engine::{
    id::{LibraryId, StatementId},
    statement::{Body, Library, PublicKey, Statement},
};

use crate::{
    exit::{Exit, Failure, Result},
    job::Job,
    library::{LibraryService, lag::BEHIND},
    outcome::Lag,
    services::Services,
    signed_record::Evidence,
    spec::LIVE,
};

/// Asks peers for statements of a library, and returns how long it waited for them. Fails if peers know
/// statements of `publisher` that this home lacked, or if this home is behind the channel `live`. If no peer
/// is reached, the home must have all that `publisher` has signed on this machine.
pub(super) async fn check(
    services: &Arc<Services>,
    id: &LibraryId,
    publisher: &PublicKey,
    job: &Job,
) -> Result<Duration> {
    // The record first: a statement that another command of this home signs meanwhile is not in it yet.
    let (of_library, of_key) = (*id, *publisher);
    let recorded = move |services: &Services| services.context.signed_record.recorded(&of_library, &of_key);
    let recorded_before = services.blocking(move |services| Ok(recorded(services))).await?;
    let Some(before) = services.library.get(id) else { return Ok(Duration::ZERO) };
    // All peers: the fastest one may know less than a distant one.
    let reach = services.exchange.ask_all(id, job).await?;
    let is_shown = match reach.reached {
        0 => vouch(services, &before, publisher, reach.known, job).await?,
        _ => true,
    };
    let Some(after) = services.library.get(id) else { return Ok(reach.waited) };
    let known: BTreeSet<_> = signed_by(&before, publisher).collect();
    let news: Vec<_> = signed_by(&after, publisher).filter(|id| !known.contains(id)).collect();
    let (id, publisher) = (*id, *publisher);
    services
        .blocking(move |services| {
            let now = if news.is_empty() { BTreeSet::new() } else { recorded(services) };
            let is_own = |id: &StatementId| {
                let id = id.to_string();
                now.contains(&id) && !recorded_before.contains(&id)
            };
            // Another command of this home may have signed them meanwhile.
            if !news.iter().all(is_own) {
                return Err(behind(&services.library, &after));
            }
            services.library.follow_channels(&id, &|_| false)?;
            check_current(&services.library, &id)?;
            if is_shown {
                services.library.trust_own(&id, &publisher);
            }
            Ok(())
        })
        .await?;
    Ok(reach.waited)
}

/// Fails if this home cannot show by itself that it has all that `publisher` has signed. Returns whether the
/// record gets what the home has.
async fn vouch(
    services: &Arc<Services>,
    library: &Arc<Library>,
    publisher: &PublicKey,
    known: usize,
    job: &Job,
) -> Result<bool> {
    let (id, publisher) = (library.id(), *publisher);
    let evidence = services
        .blocking(move |services| {
            let evidence = services.library.evidence(&id, &publisher);
            if known == 0 && evidence == Evidence::Different {
                // A damaged ledger has a cause and a remedy of its own.
                services.library.check_not_lost(Some(&id))?;
            }
            Ok(evidence)
        })
        .await?;
    let name = library.name();
    match (evidence, known) {
        (Evidence::Complete, 0) => Ok(false),
        (Evidence::Complete, _) => {
            job.say(format!(
                "none of the {known} known peers of {name} can be reached; this home has all that its key has signed on \
                 this machine, and publishes"
            ))
            .await;
            Ok(false)
        }
        (Evidence::NoPlace, 0) => Ok(false),
        (Evidence::NoRecord, 0) => {
            if signed_by(library, &publisher).next().is_some() {
                job.say(format!(
                    "no peer of {name} is known, and this user has no record here of what its key has signed: if another \
                     home publishes with this key, the two contradict each other"
                ))
                .await;
            }
            Ok(true)
        }
        (Evidence::Different, 0) => Err(Failure::denied(format!(
            "the publisher's key of this home has signed other releases of {name} on this machine than this home has: it is \
             a copy of another home, or restored from a backup; publish from the other home, or bring its statements here \
             (`chuan statements import`); the option `force` publishes anyway, and contradicts them"
        ))),
        _ => Err(Failure::peer(format!(
            "none of the {known} known peers of {name} can be reached, and this machine has no record that this home has all \
             that its key has signed: it may be restored from a backup, or a copy; try again when a peer can be \
             reached, or publish with the option `force`"
        ))),
    }
}

/// Fails if the release of `live` has never been complete here. A release that was damaged later is accepted:
/// a publish repairs it. Changes nothing, so a dry run gives the same answer.
pub(super) fn check_current(service: &LibraryService, id: &LibraryId) -> Result<()> {
    let Some(library) = service.get(id) else { return Ok(()) };
    let Some(release) = library.channel(LIVE).and_then(|said| library.release(&said.body.release)) else {
        return Ok(());
    };
    let here = service.here(&library, LIVE)?.map(|said| said.statement.id());
    if here == Some(release.statement.id())
        || service.holdings.is_complete(&library, &release.body.manifest)?
    {
        return Ok(());
    }
    Err(behind(service, &library))
}

/// The known releases and channel statements that a key has signed.
fn signed_by(library: &Library, publisher: &PublicKey) -> impl Iterator<Item = StatementId> {
    let all = library.statements().into_iter();
    let own = all.filter(move |statement| {
        matches!(statement.body(), Body::Release(_) | Body::Channel(_))
            && statement.signers().any(|key| key == publisher)
    });
    own.map(Statement::id)
}

/// The refusal, with the remedy: a pull, or an operator's act where the last pull found no node that has the
/// release.
fn behind(service: &LibraryService, library: &Library) -> Failure {
    let name = library.name();
    let lost = service.lags.of(library, LIVE).ok().filter(is_out_of_reach).and_then(|lag| {
        let announced = lag.announced?.sequence?;
        Some((announced, lag.here?.sequence))
    });
    Failure::denied(match lost {
        Some((announced, here)) => format!(
            "release {announced} of {name} is not here, and no node that answered the last pull has it; if it is lost, an \
             operator moves the channel to the newest release that is here: `chuan channel set {name} {LIVE} {here}` with the \
             option `follow` and the option `yes`; then publish"
        ),
        None => format!(
            "this home is behind the known releases of {name}; was it restored from a backup? `chuan pull {name}`, then \
             publish"
        ),
    })
}

/// Whether the last pull asked for the announced release, and each node lacked it or did not answer.
fn is_out_of_reach(lag: &Lag) -> bool {
    let answers = || lag.asked.iter().map(|asked| asked.answer.as_str());
    answers().any(|answer| answer == BEHIND)
        && answers().all(|answer| answer == BEHIND || answer == Exit::Peer.code())
}
