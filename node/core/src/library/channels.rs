//! Channels of a library by their statements: look-up by name, and the target of a rollback.

use chuan_engine::{
    id::StatementId,
    statement::{Channel, ChannelMove, Library, Signed, Statement},
};

use crate::{
    exit::{Failure, Result},
    outcome::MoveRow,
};

/// The keys that signed a statement.
pub(crate) fn signers(statement: &Statement) -> Vec<String> {
    statement.signers().map(ToString::to_string).collect()
}

/// An effective channel statement as a row of an answer.
pub(crate) fn move_row(library: &Library, said: Signed<'_, Channel>) -> MoveRow {
    let by_operator = library.is_or_was_operators(said.statement);
    row_of(library, ChannelMove { said, is_effective: true, by_operator })
}

/// A move of a channel, effective or not, as a row of an answer.
pub(crate) fn row_of(library: &Library, at: ChannelMove<'_>) -> MoveRow {
    let ChannelMove { said, is_effective, by_operator } = at;
    let release = library.release(&said.body.release);
    MoveRow {
        statement: said.statement.id().to_string(),
        statement_sequence: said.statement.sequence(),
        release: said.body.release.to_string(),
        sequence: release.map_or(0, |release| release.statement.sequence()),
        message: release.map(|release| release.body.message.clone()).unwrap_or_default(),
        time_ms: said.statement.time_ms(),
        by: if by_operator { "operator" } else { "publisher" }.to_owned(),
        effective: is_effective,
        signers: signers(said.statement),
        publisher: said.body.active.to_string(),
        follow: said.body.follow,
    }
}

/// The channel with this name; the error lists the known channels.
pub(crate) fn named<'a>(library: &'a Library, name: &str) -> Result<Signed<'a, Channel>> {
    library.channel(name).ok_or_else(|| {
        let all: Vec<_> = library.channels().map(|said| said.body.name.as_str()).collect();
        let all = if all.is_empty() { "none yet".to_owned() } else { all.join(", ") };
        Failure::missing(format!("{} has no channel `{name}` (known here: {all})", library.name()))
    })
}

/// The target of a rollback by one: the release before the channel first pointed to its current one. So
/// repeated rollbacks go further back, and never to a release that was rolled back.
pub(crate) fn before_current(history: &[Signed<'_, Channel>]) -> Option<StatementId> {
    let current = history.last()?.body.release;
    let first = history.iter().position(|said| said.body.release == current)?;
    history.get(first.checked_sub(1)?).map(|said| said.body.release)
}
