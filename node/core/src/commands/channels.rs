//! `channel list` and `history`: where channels stand and have stood, by what was said and by what is here.

use chuan_engine::{
    id::StatementId,
    statement::{Channel, Library, Said, Statement},
};

use super::{Inner, Node, fresh::age};
use crate::{
    command::{Channels, History},
    exit::{Failure, Result},
    outcome::{ChannelHistory, ChannelList, ChannelRow, MoveRow},
};

impl Node {
    /// Where the channels of a library stand, and where they stand in this home.
    pub async fn channels(&self, options: Channels) -> Result<ChannelList> {
        self.blocking(move |node| {
            let library = node.libraries.named(&options.library)?;
            let mut channels = Vec::new();
            for said in library.channels() {
                channels.push(node.channel_row(&library, said)?);
            }
            Ok(ChannelList {
                library: library.id().to_string(),
                library_name: library.name().to_owned(),
                channels,
            })
        })
        .await
    }

    /// Where a channel has stood, newest first: every statement about it that counts.
    pub async fn history(&self, options: History) -> Result<ChannelHistory> {
        self.blocking(move |node| {
            let library = node.libraries.named(&options.library)?;
            named(&library, &options.channel)?;
            let history = library.channel_history(&options.channel);
            Ok(ChannelHistory {
                library: library.id().to_string(),
                library_name: library.name().to_owned(),
                fresh_age_seconds: age(&library, &options.channel),
                moves: history.into_iter().rev().map(|said| move_row(&library, said)).collect(),
                channel: options.channel,
            })
        })
        .await
    }
}

impl Inner {
    fn channel_row(&self, library: &Library, said: Said<'_, Channel>) -> Result<ChannelRow> {
        let name = &said.body.name;
        let here = self.here(library, name)?;
        Ok(ChannelRow {
            name: name.clone(),
            said: move_row(library, said),
            here: here.map(|release| release.statement.id().to_string()),
            here_sequence: here.map(|release| release.statement.sequence()),
            up_to_date: here.is_some_and(|release| release.statement.id() == said.body.release),
            fresh_age_seconds: age(library, name),
        })
    }
}

fn move_row(library: &Library, said: Said<'_, Channel>) -> MoveRow {
    let release = library.release(&said.body.release);
    let by_operator = said.statement.signers().any(|key| library.is_operator(key));
    MoveRow {
        statement: said.statement.id().to_string(),
        statement_sequence: said.statement.sequence(),
        release: said.body.release.to_string(),
        sequence: release.map_or(0, |release| release.statement.sequence()),
        message: release.map(|release| release.body.message.clone()).unwrap_or_default(),
        time_ms: said.statement.time_ms(),
        by: if by_operator { "operator" } else { "publisher" }.to_owned(),
        signers: signers(said.statement),
        publisher: said.body.active.to_string(),
        follow: said.body.follow,
    }
}

/// The keys that signed a statement.
pub(super) fn signers(statement: &Statement) -> Vec<String> {
    statement.signers().map(ToString::to_string).collect()
}

/// The channel of this name; the error says which there are.
pub(crate) fn named<'a>(library: &'a Library, name: &str) -> Result<Said<'a, Channel>> {
    library.channel(name).ok_or_else(|| {
        let all: Vec<_> = library.channels().map(|said| said.body.name.as_str()).collect();
        let all = if all.is_empty() { "none yet".to_owned() } else { all.join(", ") };
        Failure::missing(format!("{} has no channel `{name}` (known here: {all})", library.name()))
    })
}

/// Where a rollback by one goes: to the release on which a channel stood before it first came to the one on which it
/// stands. So that one rollback after the other goes further back, and never to what was rolled back.
pub(crate) fn before_current(history: &[Said<'_, Channel>]) -> Option<StatementId> {
    let current = history.last()?.body.release;
    let first = history.iter().position(|said| said.body.release == current)?;
    history.get(first.checked_sub(1)?).map(|said| said.body.release)
}
