//! The consequences of a publish: the release that it goes on from, and the channels that a new release
//! moves. A channel that follows moves with its active publisher only: the releases of another publisher are
//! side releases until an operator switches the channel.

use std::collections::BTreeSet;

use crate::{
    error::{Error, Result},
    id::StatementId,
    statement::{
        Accepted, Channel, Key, Library, PublicKey, Signed, Statement, library::channel, losses::left_by,
    },
};

/// The channel that every library has from its first release on.
pub const LIVE: &str = "live";

/// The statements that move channels to `release`, made by the first of `publishers` and signed by all of
/// them: none for a side release. The first release of a library creates [`LIVE`].
///
/// # Errors
///
/// Denied where the keys may not sign for the library.
pub fn moves(
    library: &Library,
    publishers: &[Key],
    release: StatementId,
    now_ms: i64,
) -> Result<Vec<Statement>> {
    let Some(active) = publishers.first().map(Key::public) else { return Ok(Vec::new()) };
    let following = library.channels().map(|said| said.body).filter(|body| follows(body, &active));
    let mut bodies: Vec<_> = following.map(|body| Channel { release, ..body.clone() }).collect();
    if library.channel(LIVE).is_none() {
        bodies.push(Channel { name: LIVE.to_owned(), release, active, follow: true, term: None });
    }
    let mut moves = Vec::new();
    for body in bodies {
        let statement = cosigned(publishers, |publisher| channel(library, publisher, body, now_ms))?;
        // Several publishers cannot create a channel: an operator must.
        if library.clone().offer(&statement, now_ms)? == Accepted::New {
            moves.push(statement);
        }
    }
    Ok(moves)
}

/// The parent of the next release of `publisher`: the release of [`LIVE`] if that follows the publisher, else
/// its newest side release.
pub fn base(library: &Library, publisher: &PublicKey) -> Option<StatementId> {
    let live = library.channel(LIVE)?.body;
    if follows(live, publisher) {
        return Some(live.release);
    }
    let mut beside = BTreeSet::from([live.release]);
    let mut newest = live.release;
    // Ascending by sequence, so that parents come first.
    for said in library.releases() {
        let own = said.statement.signers().any(|key| key == publisher);
        if own && said.body.parents.iter().any(|parent| beside.contains(parent)) {
            newest = said.statement.id();
            beside.insert(newest);
        }
    }
    Some(newest)
}

/// The statement that moved [`LIVE`] back to the release on which it is, if the next release of `publisher`
/// undoes that: the channel follows this publisher, and did so before the move.
pub fn moved_back<'a>(library: &'a Library, publisher: &PublicKey) -> Option<Signed<'a, Channel>> {
    let history = library.channel_history(LIVE);
    let now = history.last()?.body;
    // Later statements about the same release changed only other settings.
    let last = history.iter().rposition(|said| said.body.release != now.release)?;
    let (before, moved) = (history.get(last)?, history.get(last + 1)?);
    let is_undone = follows(now, publisher)
        && before.body.active == *publisher
        && !left_by(library, &before.body.release, &now.release).is_empty();
    is_undone.then_some(*moved)
}

/// Whether the next release of `publisher` becomes the release of [`LIVE`]. Otherwise it is a side release.
pub fn moves_live(library: &Library, publisher: &PublicKey) -> bool {
    library.channel(LIVE).is_none_or(|said| follows(said.body, publisher))
}

fn follows(channel: &Channel, publisher: &PublicKey) -> bool {
    channel.follow && channel.active == *publisher
}

/// Makes a statement with the first of `keys`, and adds the signatures of the others: some roles need
/// several.
///
/// # Errors
///
/// Invalid where `keys` is empty.
pub fn cosigned(keys: &[Key], make: impl FnOnce(&Key) -> Result<Statement>) -> Result<Statement> {
    let (first, others) = keys.split_first().ok_or_else(|| Error::Invalid("no key to sign with".into()))?;
    others.iter().try_fold(make(first)?, |statement, key| statement.cosign(key))
}
