//! The answer of `status` as text.

use std::io::{self, Write};

use chuan_api::{
    human::{bytes, count, time},
    outcome::{LibraryStatus, PeerStatus, Status, UNVERIFIED},
    spec::LIVE,
};

use super::{
    Table, channel, classes, counted, field, home, lag, ledger, left, listed, named, peers, right, short,
    translated, write_table,
};
use crate::{escape, say, text};

/// The node, its store and ledger, its libraries with their channels, its peers.
pub(super) fn shown(out: &mut impl Write, status: &Status) -> io::Result<()> {
    let identity = &status.identity;
    let node = format!("{} {} ({})", short(&identity.id), identity.name, identity.role);
    field(out, &text!("label-node"), &node)?;
    field(out, &text!("label-home"), &identity.home)?;
    let serving = match &status.listening {
        Some(address) => text!("serving-on", address = address, process = status.pid),
        None => text!("serving-no"),
    };
    field(out, &text!("label-serving"), &serving)?;
    let store = &status.store;
    let held = text!(
        "store-held",
        chunks = counted(store.chunks, "chunk"),
        size = bytes(store.segment_bytes),
        segments = counted(store.segments, "segment"),
        pages = counted(store.pages, "page"),
    );
    field(out, &text!("label-store"), &held)?;
    if store.lost > 0 {
        field(out, "", &text!("store-lost", number = count(store.lost)))?;
    }
    field(out, &text!("label-room"), &text!("room-for", size = bytes(store.usable_bytes)))?;
    ledger::status(out, &status.ledger)?;
    home::status(out, status)?;
    for library in &status.follows_unknown {
        field(out, "!", &text!("follow-unknown", library = library))?;
    }
    status.libraries.iter().try_for_each(|library| library_status(out, library, &status.peers))?;
    if status.peers.is_empty() {
        return Ok(());
    }
    peers::table(out, &status.peers)
}

fn library_status(out: &mut impl Write, library: &LibraryStatus, peers: &[PeerStatus]) -> io::Result<()> {
    writeln!(out)?;
    field(out, &text!("label-library"), &format!("{} {}", library.name, library.id))?;
    let key = |key: &String| match library.keys_not_in_root.contains(key) {
        true => text!("key-not-in-root", key = key),
        false => key.clone(),
    };
    let keys: Vec<_> = library.keys.iter().map(key).collect();
    let keys = if keys.is_empty() { text!("keys-none") } else { listed(&keys) };
    let trust =
        text!("trust-root", root = translated(&library.root), version = library.root_version, keys = keys);
    field(out, &text!("label-trust"), &trust)?;
    if !library.trust.is_empty() {
        field(out, "", &translated(&library.trust))?;
    }
    let (members, releases) = (counted(library.members, "member"), counted(library.releases, "release"));
    let known = text!("library-known", members = members, releases = releases);
    field(out, &text!("label-known"), &known)?;
    if library.conflicts_open > 0 {
        let open = counted(library.conflicts_open, "conflict");
        field(out, "!", &text!("conflicts-open", conflicts = open, library = library.name))?;
    }
    for refused in &library.refusals {
        let (name, since) = (named(&refused.name, &refused.node), time(refused.at_ms));
        let why = translated(&refused.message);
        let refused = match refused.code == UNVERIFIED {
            true => text!("unverified-since", node = name, since = since, why = why),
            false => text!("refused-by", node = name, since = since, why = why),
        };
        field(out, "!", &escape::line(&refused))?;
    }
    if library.pull_unfinished && library.refusals.iter().any(|refused| refused.code == "revoked") {
        say!(out, "pull-unfinished-revoked")?;
    } else if library.pull_unfinished {
        say!(out, "pull-unfinished", library = library.name)?;
    }
    let mut table = Table::new(&[
        left(text!("col-channel")),
        right(text!("col-here")),
        right(text!("col-newest")),
        left(text!("col-state")),
        left(text!("col-release-here")),
        left(text!("col-age")),
        left(text!("col-freshness")),
        left(text!("col-classes")),
    ]);
    let is_unverified = is_unverified(library, peers);
    for channel in &library.channels {
        let here = channel.lag.here.as_ref();
        table.row([
            channel.name.clone(),
            here.map_or_else(|| "-".to_owned(), |here| here.sequence.to_string()),
            channel.sequence.to_string(),
            if is_unverified { text!("state-unverified") } else { channel::state(channel) },
            here.map_or_else(|| "-".to_owned(), |here| short(&here.release)),
            channel::here_age(channel),
            channel::freshness(channel.fresh_age_seconds, library.timekeepers)
                .unwrap_or_else(|| "-".to_owned()),
            classes::names(&channel.classes, channel.classes_absent),
        ]);
    }
    if library.channels.is_empty() {
        return Ok(());
    }
    write_table(out, &table)?;
    // A channel that this home never pulled is not behind, except `live`.
    let mut followed =
        library.channels.iter().filter(|channel| channel.lag.here.is_some() || channel.name == LIVE);
    followed.try_for_each(|channel| lag::behind(out, &channel.name, &channel.lag))
}

/// Whether no source of the library can be verified. Then newer releases may be unknown here.
fn is_unverified(library: &LibraryStatus, peers: &[PeerStatus]) -> bool {
    let mut sources = peers.iter().filter(|peer| peer.libraries.contains(&library.id)).peekable();
    let is_refused = |peer: &PeerStatus| {
        library.refusals.iter().any(|refused| refused.node == peer.id && refused.code == UNVERIFIED)
    };
    sources.peek().is_some() && sources.all(is_refused)
}

#[cfg(test)]
mod tests {
    use chuan_api::outcome::{ChannelStatus, RefusedBy};

    use super::*;

    /// Symptom: a mirror whose only source had a key that the mirror did not know was shown as current.
    #[test]
    fn a_library_without_a_verified_source_is_not_current() {
        let peer =
            |id: &str| PeerStatus { id: id.into(), libraries: vec!["l".into()], ..PeerStatus::default() };
        let refused = |code: &str| RefusedBy { node: "a".into(), code: code.into(), ..RefusedBy::default() };
        let shown = |peers: &[&str], code: &str| {
            let channels = vec![ChannelStatus { name: LIVE.into(), complete: true, ..Default::default() }];
            let library = LibraryStatus {
                id: "l".into(),
                channels,
                refusals: vec![refused(code)],
                ..LibraryStatus::default()
            };
            let peers: Vec<_> = peers.iter().map(|id| peer(id)).collect();
            let mut out = Vec::new();
            library_status(&mut out, &library, &peers).unwrap();
            String::from_utf8(out).unwrap()
        };
        let only = shown(&["a"], UNVERIFIED);
        assert!(only.contains("source not verified") && !only.contains("current"), "{only}");
        for other in [shown(&["a", "b"], UNVERIFIED), shown(&["a"], "denied")] {
            assert!(other.contains("current"), "{other}");
        }
    }
}
