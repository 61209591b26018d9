//! The answers about channels, as text.

use std::{
    collections::BTreeMap,
    io::{self, Write},
};

use chuan_api::{
    human::{self, time},
    outcome::{ChannelHistory, ChannelList, ChannelMoved, ChannelStatus, ConflictList, MoveRow, Vouched},
    spec::LIVE,
};

use super::{short, write_table};
use crate::{flags::theirs, table::Table};

/// The age of the release of a channel here.
pub(super) fn here_age(channel: &ChannelStatus) -> String {
    let since = |ms: i64| human::age(channel.lag.at_ms.saturating_sub(ms).max(0).unsigned_abs() / 1000);
    channel.here_time_ms.map_or_else(|| "-".to_owned(), since)
}

/// Whether a channel is behind here, and whether the data of its newest release is here.
pub(super) fn state(channel: &ChannelStatus) -> String {
    if channel.lag.here.is_none() && channel.name != LIVE {
        return "not pulled".to_owned();
    }
    match (channel.lag.behind, channel.complete) {
        (0, true) => "current".to_owned(),
        (0, false) => "current, part held".to_owned(),
        (behind, _) => format!("{behind} behind"),
    }
}

pub(super) fn list(out: &mut impl Write, list: &ChannelList) -> io::Result<()> {
    let mut table = Table::new(&[
        "CHANNEL",
        ">SEQUENCE",
        "RELEASE",
        ">HERE",
        "TIME (UTC)",
        "BY",
        "PUBLISHER",
        "FOLLOWS",
        "FRESHNESS",
    ]);
    for channel in &list.channels {
        table.row([
            channel.name.clone(),
            channel.said.sequence.to_string(),
            short(&channel.said.release),
            channel.here_sequence.map_or_else(|| "-".to_owned(), |sequence| sequence.to_string()),
            time(channel.said.time_ms),
            channel.said.by.clone(),
            short(&channel.said.publisher),
            yes(channel.said.follow),
            freshness(channel.fresh_age_seconds, channel.timekeepers).unwrap_or_else(|| "-".to_owned()),
        ]);
    }
    write_table(out, &table)
}

pub(super) fn moved(out: &mut impl Write, moved: &ChannelMoved) -> io::Result<()> {
    let ChannelMoved { library_name: library, channel, .. } = moved;
    let MoveRow { sequence, release, publisher, follow, .. } = &channel.said;
    let from = moved.before_sequence.map(|sequence| format!(", from {sequence}")).unwrap_or_default();
    let new = if moved.before.is_none() { " (new)" } else { "" };
    writeln!(out, "{library}@{}{new} points to {sequence} {}{from}", channel.name, short(release))?;
    if moved.releases_back > 0 {
        writeln!(
            out,
            "! it moved back: readers of {} lose {}",
            channel.name,
            human::counted(moved.releases_back, "release")
        )?;
    }
    let follows =
        if *follow { "it follows publisher" } else { "new releases do not move it; its publisher is" };
    writeln!(out, "{follows} {}", short(publisher))?;
    age(out, Some(&channel.name), channel.fresh_age_seconds, channel.timekeepers)?;
    if !channel.up_to_date {
        writeln!(
            out,
            "that release is not here: the channel moves in this home with `chuan pull {library} --channel {}`",
            channel.name
        )?;
    }
    Ok(())
}

pub(super) fn history(out: &mut impl Write, history: &ChannelHistory) -> io::Result<()> {
    let mut table =
        Table::new(&[">MOVE", ">SEQUENCE", "RELEASE", "TIME (UTC)", "BY", "PUBLISHER", "FOLLOWS", "MESSAGE"]);
    for row in &history.moves {
        table.row([
            row.statement_sequence.to_string(),
            row.sequence.to_string(),
            short(&row.release),
            time(row.time_ms),
            row.by.clone(),
            short(&row.publisher),
            yes(row.follow),
            theirs(row.message.lines().next().unwrap_or_default()).into_owned(),
        ]);
    }
    write_table(out, &table)?;
    age(out, Some(&history.channel), history.fresh_age_seconds, history.timekeepers)
}

pub(super) fn conflicts(out: &mut impl Write, list: &ConflictList) -> io::Result<()> {
    if list.conflicts.is_empty() {
        return writeln!(out, "no conflicts");
    }
    for conflict in &list.conflicts {
        let state = if conflict.settled { "settled" } else { "OPEN" };
        writeln!(out, "{state}  {}: {} ({})", conflict.library_name, conflict.subject, conflict.kind)?;
        writeln!(out, "      {}", conflict.advice)?;
        for proof in &conflict.statements {
            let signers: Vec<_> = proof.signers.iter().map(|key| short(key)).collect();
            writeln!(
                out,
                "      {} at sequence {}, {} UTC, signed by {}",
                short(&proof.statement),
                proof.sequence,
                time(proof.time_ms),
                signers.join(", ")
            )?;
        }
    }
    Ok(())
}

pub(super) fn vouched(out: &mut impl Write, vouched: &Vouched) -> io::Result<()> {
    let Vouched { library_name, channel, sequence, release, .. } = vouched;
    let signers: Vec<_> = vouched.signers.iter().map(|key| short(key)).collect();
    writeln!(
        out,
        "{} vouched: {library_name}@{channel} points to {sequence} {}",
        signers.join(", "),
        short(release)
    )?;
    age(out, Some(&format!("{library_name}@{channel}")), vouched.fresh_age_seconds, 1)
}

/// The freshness of the channel that the request named; nothing if it named a release, or if the library has
/// no timekeepers.
pub(super) fn age(
    out: &mut impl Write,
    channel: Option<&str>,
    fresh_age_seconds: Option<u64>,
    timekeepers: u64,
) -> io::Result<()> {
    match (channel, freshness(fresh_age_seconds, timekeepers)) {
        (Some(channel), Some(fresh)) => writeln!(out, "{channel} is {fresh}"),
        _ => Ok(()),
    }
}

/// The channels of a release in a table.
pub(super) fn names(fresh_ages_seconds: &BTreeMap<String, Option<u64>>, timekeepers: u64) -> String {
    let name = |(name, seconds): (&String, &Option<u64>)| match freshness(*seconds, timekeepers) {
        Some(fresh) => format!("{name} ({fresh})"),
        None => name.clone(),
    };
    fresh_ages_seconds.iter().map(name).collect::<Vec<_>>().join(", ")
}

/// How long ago enough timekeepers vouched for something; `None` in a library without timekeepers.
pub(super) fn freshness(seconds: Option<u64>, timekeepers: u64) -> Option<String> {
    match (seconds, timekeepers) {
        (Some(seconds), _) => Some(format!("vouched for {} ago", human::age(seconds))),
        (None, 0) => None,
        (None, _) => Some("not vouched for".to_owned()),
    }
}

fn yes(follow: bool) -> String {
    (if follow { "yes" } else { "no" }).to_owned()
}
