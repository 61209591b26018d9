//! The lag of a channel behind the announced release, as text: the announcing nodes, since when, and each
//! node's answer.

use std::io::{self, Write};

use chuan_api::{
    human::age,
    outcome::{Announcer, Asked, Lag},
};

use super::short;

/// The newest announcement and the answers; nothing if the channel is up to date here.
pub(super) fn behind(out: &mut impl Write, channel: &str, lag: &Lag) -> io::Result<()> {
    let (Some(since_ms), Some(announced)) = (lag.behind_since_ms, &lag.announced) else { return Ok(()) };
    let ago = |ms: i64| age(lag.at_ms.saturating_sub(ms).max(0).unsigned_abs() / 1000);
    let release = match announced.sequence {
        Some(sequence) => format!("release {sequence} {}", short(&announced.release)),
        None => format!("release {}", short(&announced.release)),
    };
    let here = match &lag.here {
        Some(here) => format!("{} is here", here.sequence),
        None => "nothing is here".to_owned(),
    };
    let by: Vec<_> = announced.by.iter().map(announcer).collect();
    let by = if by.is_empty() { "statements".to_owned() } else { by.join(", ") };
    let heard = announced.heard_ms.map_or_else(String::new, |ms| format!(" {} ago", ago(ms)));
    writeln!(
        out,
        "! {channel} is behind since {}: {here}, {release} was announced by {by}{heard}",
        ago(since_ms)
    )?;
    lag.asked.iter().try_for_each(|asked| writeln!(out, "    {}", answer(asked, &ago)))
}

/// A line for an answer that read the channel: by how many releases it is behind.
pub(super) fn line(out: &mut impl Write, channel: Option<&str>, lag: Option<&Lag>) -> io::Result<()> {
    let (Some(channel), Some(lag)) = (channel, lag) else { return Ok(()) };
    let newest = lag.announced.as_ref().and_then(|announced| announced.sequence);
    let newest = newest.map_or_else(String::new, |sequence| format!(": release {sequence} was announced"));
    match lag.behind {
        0 => Ok(()),
        behind => writeln!(out, "! {channel} is {behind} behind here{newest}; `chuan pull` fetches it"),
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
    let at = asked.address.as_ref().map_or_else(String::new, |address| format!(" at {address}"));
    let holds = asked.holds.map_or_else(|| "no release".to_owned(), |sequence| sequence.to_string());
    let text = match (asked.answer.as_str(), asked.announces) {
        ("brought", _) => format!("sent {holds}"),
        ("behind", true) => format!("announces that release, and says that it has {holds}"),
        ("behind", false) => format!("has {holds}"),
        (code, _) => asked.message.clone().unwrap_or_else(|| code.to_owned()),
    };
    format!("{node}{at}, asked {} ago: {text}", ago(asked.at_ms))
}

#[cfg(test)]
mod tests {
    use super::*;
    use chuan_api::outcome::{Announced, ReleaseRef};

    #[test]
    fn a_peer_that_announces_a_release_and_does_not_send_it_is_marked() {
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
        };
        let mut out = Vec::new();
        behind(&mut out, "live", &lag).unwrap();
        let text = String::from_utf8(out).unwrap();
        let lines: Vec<_> = text.lines().collect();
        assert!(lines[0].contains("1 is here, release 3 bb was announced by origin (1234)"), "{text}");
        assert!(lines[1].contains("1234") && lines[1].contains("announces that release"), "{text}");
        assert!(lines[2].contains("5678") && lines[2].ends_with("has 2"), "{text}");
        let mut none = Vec::new();
        behind(&mut none, "live", &Lag { behind_since_ms: None, ..lag }).unwrap();
        assert!(none.is_empty());
    }
}
