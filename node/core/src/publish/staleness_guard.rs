//! Refuses a publish in a home that lacks releases of its own publisher, such as a home that was restored
//! from a backup: its new release would contradict a signed one. So a publish asks peers first.

use std::sync::Arc;

use chuan_engine::{
    id::LibraryId,
    statement::{Body, Library, PublicKey},
};

use crate::{
    exit::{Failure, Result},
    library::LibraryService,
    services::Services,
    spec::LIVE,
};

/// Asks peers for statements of a library. Fails if peers know statements of `publisher` that this home
/// lacked, or if this home is behind the channel `live`. Also fails if peers are known and none can be
/// reached.
pub(super) async fn check(services: &Arc<Services>, id: &LibraryId, publisher: &PublicKey) -> Result<()> {
    let Some(before) = services.library.get(id) else { return Ok(()) };
    // All peers: the fastest one may know less than a distant one.
    let reach = services.exchange.ask_all(id).await?;
    if reach.known > 0 && reach.reached == 0 {
        return Err(Failure::peer(format!(
            "none of the {} known peers of {} can be reached, so this home cannot check that it has all releases that its \
             key has signed; try again when a peer can be reached, or publish with the option `force`",
            reach.known,
            before.name()
        )));
    }
    let Some(after) = services.library.get(id) else { return Ok(()) };
    if signed_by(&after, publisher) > signed_by(&before, publisher) {
        return Err(behind(&after));
    }
    let id = *id;
    services.blocking(move |services| check_current(&services.library, &id)).await
}

/// Fails if the release of `live` has never been complete here. A release that was damaged later is accepted:
/// a publish repairs it.
fn check_current(service: &LibraryService, id: &LibraryId) -> Result<()> {
    service.follow_channels(id, &|_| false)?;
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
    Err(behind(&library))
}

/// The number of known releases and channel statements that a key has signed.
fn signed_by(library: &Library, publisher: &PublicKey) -> usize {
    let all = library.statements().into_iter();
    let own = all.filter(|statement| {
        matches!(statement.body(), Body::Release(_) | Body::Channel(_))
            && statement.signers().any(|key| key == publisher)
    });
    own.count()
}

fn behind(library: &Library) -> Failure {
    let name = library.name();
    Failure::denied(format!(
        "this home is behind the known releases of {name}; was it restored from a backup? `chuan pull {name}`, then publish"
    ))
}
