//! What a new release moves. A channel that follows goes on with its active publisher, and with nobody else: what another
//! publisher makes lies beside it until an operator switches.

use std::collections::BTreeSet;

use chuan_engine::{
    id::StatementId,
    statement::{Accepted, Channel, Key, Library, PublicKey, Statement, library::channel},
};

use super::sign_with;
use crate::{exit::Result, spec::LIVE};

/// The statements by which channels go on to a release that the first of `publishers` made, signed by all who signed that: none
/// for one that lies beside them. The first release of a library makes `live`.
pub(crate) fn moves(
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
        let statement = sign_with(publishers, |publisher| channel(library, publisher, body, now_ms))?;
        // Of several publishers none makes a channel: that is an operator's to do.
        if library.clone().offer(&statement, now_ms)? == Accepted::New {
            moves.push(statement);
        }
    }
    Ok(moves)
}

/// The release that the next one of `publisher` goes on from: where `live` stands if that follows it, else the newest that it
/// made beside.
pub(crate) fn base(library: &Library, publisher: &PublicKey) -> Option<StatementId> {
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

fn follows(channel: &Channel, publisher: &PublicKey) -> bool {
    channel.follow && channel.active == *publisher
}
