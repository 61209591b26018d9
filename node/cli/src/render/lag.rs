//! The lag of a channel behind the announced release, as text: the announcing nodes, since when, and each
//! node's answer.

use std::io::{self, Write};

use chuan_api::outcome::{Announcer, Asked, Lag};

use super::{listed, short, translated, word};
use crate::{language::age, say, text};

/// The newest announcement and the answers; nothing if the channel is up to date here.
pub(super) fn behind(out: &mut impl Write, channel: &str, lag: &Lag) -> io::Result<()> {
    let (Some(since_ms), Some(announced)) = (lag.behind_since_ms, &lag.announced) else { return Ok(()) };
    let ago = |ms: i64| age(lag.at_ms.saturating_sub(ms).max(0).unsigned_abs() / 1000);
    let release = match announced.sequence {
        Some(sequence) => text!("release-of", sequence = sequence, release = short(&announced.release)),
        None => text!("release-by-id", release = short(&announced.release)),
    };
    let here = match &lag.here {
        Some(here) => text!("lag-here", sequence = here.sequence),
        None => text!("lag-nothing-here"),
    };
    let by: Vec<_> = announced.by.iter().map(announcer).collect();
    let by = if by.is_empty() { text!("lag-statements") } else { listed(&by) };
    let since = ago(since_ms);
    match announced.heard_ms.map(ago) {
        Some(heard) => say!(
            out,
            "lag-heard",
            channel = channel,
            since = since,
            here = here,
            release = release,
            by = by,
            heard = heard
        )?,
        None => say!(out, "lag", channel = channel, since = since, here = here, release = release, by = by)?,
    }
    lag.asked.iter().try_for_each(|asked| writeln!(out, "    {}", answer(asked, &ago)))
}

/// Why a contradicted channel does not move, and the act that settles it. `release` is one to which an
/// operator may move it.
pub(super) fn contradicted(
    out: &mut impl Write,
    library: &str,
    channel: &str,
    release: Option<&str>,
) -> io::Result<()> {
    let release = release.map_or_else(|| "RELEASE".to_owned(), short);
    say!(out, "contradicted", channel = channel, library = library, release = release)
}

/// A line for an answer that read the channel: by how many releases it is behind.
pub(super) fn line(out: &mut impl Write, channel: Option<&str>, lag: Option<&Lag>) -> io::Result<()> {
    let (Some(channel), Some(lag)) = (channel, lag) else { return Ok(()) };
    if lag.contradicted {
        say!(out, "contradicted-stays", channel = channel)?;
    }
    let newest = lag.announced.as_ref().and_then(|announced| announced.sequence);
    match (lag.behind, newest) {
        (0, _) => Ok(()),
        (behind, Some(newest)) => {
            say!(out, "lag-behind-of", channel = channel, number = behind, sequence = newest)
        }
        (behind, None) => say!(out, "lag-behind", channel = channel, number = behind),
    }
}

fn announcer(announcer: &Announcer) -> String {
    named(&announcer.node, announcer.name.as_deref())
}

fn named(node: &str, name: Option<&str>) -> String {
    match name {
        Some(name) => format!("{name} ({})", short(node)),
        None => short(node),
    }
}

/// The answer of one node.
fn answer(asked: &Asked, ago: &dyn Fn(i64) -> String) -> String {
    let node = named(&asked.node, asked.name.as_deref());
    let holds = asked.holds.map_or_else(|| text!("no-release"), |sequence| sequence.to_string());
    let answer = match (asked.answer.as_str(), asked.announces) {
        ("brought", _) => text!("asked-sent", release = holds),
        ("behind", true) => text!("asked-announces", release = holds),
        ("behind", false) => text!("asked-has", release = holds),
        (code, _) => match &asked.message {
            Some(message) => translated(message).into_owned(),
            None => word(code),
        },
    };
    let ago = ago(asked.at_ms);
    match &asked.address {
        Some(address) if asked.node.is_empty() => text!("asked", node = address, ago = ago, answer = answer),
        Some(address) => text!("asked-at", node = node, address = address, ago = ago, answer = answer),
        None => text!("asked", node = node, ago = ago, answer = answer),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use chuan_api::outcome::{Announced, ReleaseRef};

    #[test]
    fn a_peer_that_knows_of_a_release_and_does_not_send_it_is_marked() {
        let asked = |node: &str, announces| Asked {
            node: node.into(),
            answer: "behind".into(),
            announces,
            holds: Some(2),
            at_ms: 50_000,
            ..Asked::default()
        };
        let lag = Lag {
            here: Some(ReleaseRef { release: "aa".into(), sequence: 1 }),
            announced: Some(Announced {
                release: "bb".into(),
                sequence: Some(3),
                heard_ms: Some(40_000),
                by: vec![Announcer { node: "1234".into(), name: Some("origin".into()) }],
                ..Announced::default()
            }),
            behind: 2,
            behind_since_ms: Some(0),
            at_ms: 60_000,
            asked: vec![asked("1234", true), asked("5678", false)],
            contradicted: false,
        };
        let mut out = Vec::new();
        behind(&mut out, "live", &lag).unwrap();
        let text = String::from_utf8(out).unwrap();
        let lines: Vec<_> = text.lines().collect();
        assert!(
            lines[0].contains("1 is here, release 3 bb was announced; heard from origin (1234)"),
            "{text}"
        );
        assert!(lines[1].contains("1234") && lines[1].contains("knows of that release"), "{text}");
        assert!(lines[2].contains("5678") && lines[2].ends_with("has 2"), "{text}");
        let mut none = Vec::new();
        behind(&mut none, "live", &Lag { behind_since_ms: None, ..lag }).unwrap();
        assert!(none.is_empty());
    }
}
