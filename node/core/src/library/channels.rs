//! Channels of a library by their statements: look-up by name, and the target of a rollback.

use chuan_engine::{
    id::StatementId,
    statement::{Channel, Library, Signed, Statement},
};

use crate::exit::{Failure, Result};

/// The keys that signed a statement.
pub(crate) fn signers(statement: &Statement) -> Vec<String> {
    statement.signers().map(ToString::to_string).collect()
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
