//! The answers about channels, as text.

use std::{
    collections::BTreeMap,
    io::{self, Write},
};

use chuan_api::{
    human::time,
    outcome::{ChannelHistory, ChannelList, ChannelMoved, ChannelStatus, ConflictList, MoveRow, Vouched},
    spec::LIVE,
};

use super::{acts, listed, short, translated, word, write_table};
use crate::{
    flags::theirs,
    language, say,
    table::{Heading, Table, left, right},
    text,
};

/// The age of the release of a channel here.
pub(super) fn here_age(channel: &ChannelStatus) -> String {
    let since = |ms: i64| language::age(channel.lag.at_ms.saturating_sub(ms).max(0).unsigned_abs() / 1000);
    channel.here_time_ms.map_or_else(|| "-".to_owned(), since)
}

/// Whether a channel is behind here, and whether the data of its newest release is here.
pub(super) fn state(channel: &ChannelStatus) -> String {
    if channel.lag.contradicted {
        return text!("state-contradicted");
    }
    if channel.lag.here.is_none() && channel.name != LIVE {
        return text!("state-not-pulled");
    }
    match (channel.lag.behind, channel.complete) {
        (0, true) => text!("state-current"),
        (0, false) => text!("state-part-held"),
        (behind, _) => text!("state-behind", number = behind),
    }
}

pub(super) fn list(out: &mut impl Write, list: &ChannelList) -> io::Result<()> {
    let [time_of, by, publisher, follows] = signed_headings();
    let mut table = Table::new(&[
        left(text!("col-channel")),
        right(text!("col-sequence")),
        left(text!("col-release")),
        right(text!("col-here")),
        time_of,
        by,
        publisher,
        follows,
        left(text!("col-freshness")),
    ]);
    for channel in &list.channels {
        table.row([
            channel.name.clone(),
            channel.said.sequence.to_string(),
            short(&channel.said.release),
            channel.here_sequence.map_or_else(|| "-".to_owned(), |sequence| sequence.to_string()),
            time(channel.said.time_ms),
            word(&channel.said.by),
            short(&channel.said.publisher),
            yes(channel.said.follow),
            freshness(channel.fresh_age_seconds, channel.timekeepers).unwrap_or_else(|| "-".to_owned()),
        ]);
    }
    write_table(out, &table)
}

/// The headings of the time, the signer, the publisher and the flag of a channel statement.
fn signed_headings() -> [Heading; 4] {
    [text!("col-time"), text!("col-by"), text!("col-publisher"), text!("col-follows")].map(left)
}

pub(super) fn moved(out: &mut impl Write, moved: &ChannelMoved) -> io::Result<()> {
    let ChannelMoved { library_name: library, channel, .. } = moved;
    let MoveRow { sequence, release, publisher, follow, .. } = &channel.said;
    let name = format!("{library}@{}", channel.name);
    let (from, release) = (moved.before_sequence, short(release));
    match (from, &moved.before) {
        (Some(from), Some(_)) => {
            say!(out, "channel-moved", channel = name, sequence = sequence, release = release, from = from)?;
        }
        (None, Some(_)) => {
            say!(out, "channel-points", channel = name, sequence = sequence, release = release)?
        }
        (_, None) => say!(out, "channel-new", channel = name, sequence = sequence, release = release)?,
    }
    if moved.releases_back > 0 {
        let left = acts::leaves(&moved.leaves, moved.releases_back, *sequence);
        say!(out, "channel-leaves", left = left)?;
        if *follow {
            let (publisher, channel) = (short(publisher), &channel.name);
            say!(
                out,
                "channel-moves-on",
                library = library,
                channel = channel,
                sequence = sequence,
                publisher = publisher
            )?;
        }
    }
    match follow {
        true => say!(out, "channel-follows", publisher = short(publisher))?,
        false => say!(out, "channel-stays", publisher = short(publisher))?,
    }
    age(out, Some(&channel.name), channel.fresh_age_seconds, channel.timekeepers)?;
    if !channel.up_to_date {
        say!(out, "channel-not-here", library = library, channel = channel.name)?;
    }
    Ok(())
}

pub(super) fn history(out: &mut impl Write, history: &ChannelHistory) -> io::Result<()> {
    let [time_of, by, publisher, follows] = signed_headings();
    let mut table = Table::new(&[
        right(text!("col-move")),
        right(text!("col-sequence")),
        left(text!("col-release")),
        time_of,
        by,
        publisher,
        follows,
        left(text!("col-message")),
    ]);
    for row in &history.moves {
        table.row([
            row.statement_sequence.to_string(),
            row.sequence.to_string(),
            short(&row.release),
            time(row.time_ms),
            match row.effective {
                true => word(&row.by),
                false => text!("no-longer-effective", by = word(&row.by)),
            },
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
        return say!(out, "no-conflicts");
    }
    for conflict in &list.conflicts {
        let state = if conflict.settled { text!("conflict-settled") } else { text!("conflict-open") };
        let (library, subject) = (&conflict.library_name, translated(&conflict.subject));
        say!(
            out,
            "conflict",
            state = state,
            library = library,
            subject = subject,
            kind = word(&conflict.kind)
        )?;
        writeln!(out, "      {}", translated(&conflict.advice))?;
        for proof in &conflict.statements {
            let signers: Vec<_> = proof.signers.iter().map(|key| short(key)).collect();
            let proof = text!(
                "conflict-proof",
                statement = short(&proof.statement),
                sequence = proof.sequence,
                time = time(proof.time_ms),
                signers = listed(&signers)
            );
            writeln!(out, "      {proof}")?;
        }
    }
    Ok(())
}

pub(super) fn vouched(out: &mut impl Write, vouched: &Vouched) -> io::Result<()> {
    let Vouched { library_name, channel, sequence, release, .. } = vouched;
    let signers: Vec<_> = vouched.signers.iter().map(|key| short(key)).collect();
    say!(
        out,
        "vouched",
        signers = listed(&signers),
        library = library_name,
        channel = channel,
        sequence = sequence,
        release = short(release)
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
        (Some(channel), Some(fresh)) => say!(out, "channel-fresh", channel = channel, fresh = fresh),
        _ => Ok(()),
    }
}

/// The channels of a release in a table.
pub(super) fn names(fresh_ages_seconds: &BTreeMap<String, Option<u64>>, timekeepers: u64) -> String {
    let name = |(name, seconds): (&String, &Option<u64>)| match freshness(*seconds, timekeepers) {
        Some(fresh) => text!("channel-of-release", channel = name, fresh = fresh),
        None => name.clone(),
    };
    listed(&fresh_ages_seconds.iter().map(name).collect::<Vec<_>>())
}

/// How long ago enough timekeepers vouched for something; `None` in a library without timekeepers.
pub(super) fn freshness(seconds: Option<u64>, timekeepers: u64) -> Option<String> {
    match (seconds, timekeepers) {
        (Some(seconds), _) => Some(text!("vouched-for", age = language::age(seconds))),
        (None, 0) => None,
        (None, _) => Some(text!("not-vouched-for")),
    }
}

fn yes(follow: bool) -> String {
    if follow { text!("yes") } else { text!("no") }
}

#[cfg(test)]
mod tests {
    use chuan_api::outcome::ChannelRow;

    use super::{super::tests::text, *};

    /// Symptom: every listing said `live is vouched for by nobody`, also where no timekeeper was named.
    #[test]
    fn a_library_without_timekeepers_shows_no_freshness() {
        assert_eq!(freshness(None, 0), None);
        assert_eq!(freshness(None, 1), Some("not vouched for".to_owned()));
        assert_eq!(freshness(Some(60), 1), freshness(Some(60), 0));
        let line = |seconds, timekeepers| text(|out| age(out, Some("live"), seconds, timekeepers));
        assert_eq!(line(None, 0), "");
        assert_eq!(line(None, 1), "live is not vouched for\n");
        assert_eq!(text(|out| age(out, None, Some(60), 1)), "", "a release was asked for, and no channel");
        let channels = [("canary".to_owned(), None), ("live".to_owned(), None)].into();
        assert_eq!(names(&channels, 0), "canary, live");
        assert_eq!(names(&channels, 1).matches("not vouched for").count(), channels.len());

        let shown = |timekeepers| {
            let row = ChannelRow { timekeepers, ..ChannelRow::default() };
            let channels = ChannelList { channels: vec![row], ..ChannelList::default() };
            text(|out| list(out, &channels))
        };
        assert!(!shown(0).contains("vouched") && shown(1).contains("not vouched for"), "{}", shown(0));
    }
}
