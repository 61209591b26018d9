//! `channel list` and `history`: the releases of channels, by their statements and in this home.

use std::sync::Arc;

use chuan_engine::statement::{Channel, Library, Signed};

use crate::{
    command::{Channels, History},
    exit::Result,
    library::{
        LibraryService,
        channels::{move_row, named, row_of},
    },
    outcome::{ChannelHistory, ChannelList, ChannelRow},
    services::Services,
};

/// The releases of the channels of a library, by statements and in this home.
pub(crate) async fn channels(services: &Arc<Services>, options: Channels) -> Result<ChannelList> {
    services
        .blocking(move |services| {
            let library = services.library.named(&options.library)?;
            let mut channels = Vec::new();
            for said in library.channels() {
                channels.push(channel_row(&services.library, &library, said)?);
            }
            Ok(ChannelList {
                library: library.id().to_string(),
                library_name: library.name().to_owned(),
                channels,
            })
        })
        .await
}

/// The releases of a channel over time, newest first: every statement about it that is or was effective.
pub(crate) async fn history(services: &Arc<Services>, options: History) -> Result<ChannelHistory> {
    services
        .blocking(move |services| {
            let library = services.library.named(&options.library)?;
            named(&library, &options.channel)?;
            let moves = library.channel_moves(&options.channel);
            Ok(ChannelHistory {
                library: library.id().to_string(),
                library_name: library.name().to_owned(),
                fresh_age_seconds: services.library.fresh_age(&library, &options.channel),
                timekeepers: library.timekeepers() as u64,
                moves: moves.into_iter().rev().map(|at| row_of(&library, at)).collect(),
                channel: options.channel,
            })
        })
        .await
}

fn channel_row(service: &LibraryService, library: &Library, said: Signed<'_, Channel>) -> Result<ChannelRow> {
    let name = &said.body.name;
    let here = service.here(library, name)?;
    Ok(ChannelRow {
        name: name.clone(),
        said: move_row(library, said),
        here: here.map(|release| release.statement.id().to_string()),
        here_sequence: here.map(|release| release.statement.sequence()),
        up_to_date: here.is_some_and(|release| release.statement.id() == said.body.release),
        fresh_age_seconds: service.fresh_age(library, name),
        timekeepers: library.timekeepers() as u64,
    })
}
