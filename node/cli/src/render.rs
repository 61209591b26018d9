//! Answers as text for people. The text depends only on the answer, so a command looks the same whichever
//! process ran it.

mod acts;
mod audit;
mod channel;
mod classes;
mod home;
mod lag;
mod ledger;
mod publish;
mod restore;
mod trust;

use std::io::{self, Write};

use chuan_api::{
    human::{bytes, count, counted, counted_as, rate, span, time},
    outcome::{
        Differed, Identity, Invited, Joined, LibraryStatus, Listed, Outcome, Pulled, Rebuilt, ReleaseList,
        Rotated, Row, Status, Verified,
    },
    spec::LIVE,
};

use super::{
    flags::theirs,
    table::{Align, Table, pad},
};

/// Digits of an id that are shown in tables.
const SHORT: usize = 10;
/// Width of a size in streamed listings, whose widths are not known in advance.
const SIZE_WIDTH: usize = 9;

/// Writes an answer.
pub(super) fn outcome(out: &mut impl Write, outcome: &Outcome) -> io::Result<()> {
    match outcome {
        Outcome::Id(identity) => id(out, identity),
        Outcome::Publish(published) => publish::published(out, published),
        Outcome::Invite(invited) => invite(out, invited),
        Outcome::Join(joined) => join(out, joined),
        Outcome::Rotate(rotated) => rotate(out, rotated),
        Outcome::Pull(pulled) => pull(out, pulled),
        Outcome::Restore(restored) => restore::restored(out, restored),
        Outcome::Releases(list) => releases(out, list),
        Outcome::Ls(listed) => ls(out, listed),
        Outcome::Diff(differed) => diff(out, differed),
        // Within the program: the command that used it shows an answer of its own.
        Outcome::Ingest(_) => Ok(()),
        // The answer is the bytes, which are written already.
        Outcome::Cat(_) => Ok(()),
        Outcome::Verify(verified) => verify(out, verified),
        Outcome::Rebuild(rebuilt) => rebuild(out, rebuilt),
        Outcome::Status(found) => status(out, found),
        Outcome::Channels(list) => channel::list(out, list),
        Outcome::Channel(moved) => channel::moved(out, moved),
        Outcome::History(history) => channel::history(out, history),
        Outcome::Policy(shown) => acts::policy(out, shown),
        Outcome::Preview(shown) => acts::preview(out, shown),
        Outcome::Request(shown) => acts::request(out, shown),
        // Within the program, too.
        Outcome::Classes(_) => Ok(()),
        Outcome::Fresh(vouched) => channel::vouched(out, vouched),
        Outcome::Conflicts(list) => channel::conflicts(out, list),
        Outcome::Members(list) => trust::members(out, list),
        Outcome::Member(changed) => trust::member(out, changed),
        Outcome::Audit(audited) => audit::listed(out, audited),
        Outcome::AuditExport(exported) => audit::exported(out, exported),
        Outcome::AuditVerify(verified) => audit::verified(out, verified),
        Outcome::AuditCheckpoint(shown) => audit::checkpoint(out, shown),
        Outcome::Key(shown) => trust::key(out, shown),
        Outcome::Root(shown) => trust::root(out, shown),
        Outcome::Statements(carried) => trust::carried(out, carried),
        Outcome::Offer(offered) => trust::offered(out, offered),
        Outcome::Fingerprint(shown) => trust::fingerprints(out, shown),
        Outcome::Ledger(shown) => ledger::shown(out, shown),
        Outcome::LedgerKept(kept) => ledger::kept(out, kept),
        Outcome::HomeBackedUp(made) => home::backed_up(out, made),
        Outcome::HomeRestored(made) => home::restored(out, made),
        Outcome::HomeMoved(moved) => home::moved(out, moved),
    }
}

/// Writes one line of a listing.
pub(super) fn row(out: &mut impl Write, row: &Row) -> io::Result<()> {
    match row {
        Row::Entry { path, kind, size, mtime_ms, target, .. } => {
            let size = if kind == "file" { bytes(*size) } else { "-".to_owned() };
            let target = target.as_ref().map(|target| format!(" -> {target}")).unwrap_or_default();
            writeln!(out, "{}  {}  {path}{target}", pad(&size, SIZE_WIDTH, Align::Right), time(*mtime_ms))
        }
        Row::Change { path, change, size_old, size_new } => {
            let sign = match change.as_str() {
                "added" | "made" | "linked" => '+',
                "written" if size_old.is_none() => '+',
                "removed" => '-',
                "reclassified" => '>',
                _ => '~',
            };
            let size = |size: &Option<u64>| size.map(bytes).unwrap_or_default();
            let sizes = match (size_old, size_new) {
                (Some(_), Some(_)) => format!("{} -> {}", size(size_old), size(size_new)),
                _ => size(if size_new.is_some() { size_new } else { size_old }),
            };
            writeln!(out, "{sign} {path}  {sizes}")
        }
        Row::Record(record) => audit::record(out, record),
    }
}

fn id(out: &mut impl Write, identity: &Identity) -> io::Result<()> {
    writeln!(out, "{}", identity.id)?;
    writeln!(out, "key        {}", identity.key)?;
    writeln!(out, "name       {} ({})", identity.name, identity.role)?;
    if !identity.region.is_empty() {
        writeln!(out, "region     {} (as chuan.toml says)", identity.region)?;
    }
    writeln!(out, "home       {}", identity.home)?;
    identity.addresses.iter().try_for_each(|address| writeln!(out, "address    {address}"))
}

fn invite(out: &mut impl Write, invited: &Invited) -> io::Result<()> {
    writeln!(
        out,
        "ticket for {} at {}, for {}, until {} UTC; every holder of the ticket can use it:",
        invited.library_name,
        invited.addresses.join(", "),
        counted(u64::from(invited.uses), "node"),
        time(invited.expires_ms)
    )?;
    private_addresses(out, invited.addresses_private)?;
    writeln!(out, "{}", invited.ticket)
}

/// The warning about the addresses in a ticket, where no other network reaches them.
fn private_addresses(out: &mut impl Write, are_private: bool) -> io::Result<()> {
    if !are_private {
        return Ok(());
    }
    writeln!(
        out,
        "! nodes of other networks cannot reach the addresses in the ticket: set `announce` in chuan.toml to an address that \
         they reach, or give one with --address"
    )
}

fn rotate(out: &mut impl Write, rotated: &Rotated) -> io::Result<()> {
    writeln!(
        out,
        "node {} has a new key ({}) in {}; peers that know it already: {}, the others receive it from them",
        short(&rotated.node),
        short(&rotated.key),
        counted_as(rotated.libraries, "library", "libraries"),
        rotated.told
    )?;
    for library in &rotated.libraries_refusing {
        writeln!(
            out,
            "! {library} refuses: it knows this node under another key, or the old key is in dispute; an operator binds the \
             new key with `chuan grant {} --library {library} --node-key {}`",
            rotated.node, rotated.key
        )?;
    }
    writeln!(
        out,
        "the old key stays valid for {} h; back up the home's keys folder",
        rotated.grace_seconds / 3600
    )
}

fn join(out: &mut impl Write, joined: &Joined) -> io::Result<()> {
    writeln!(
        out,
        "joined {} ({}) as {}, through {} at {}",
        joined.library_name,
        joined.library,
        joined.role,
        short(&joined.from),
        joined.address
    )?;
    writeln!(out, "next: `chuan pull {}`", joined.library_name)
}

fn pull(out: &mut impl Write, pulled: &Pulled) -> io::Result<()> {
    if pulled.dry_run {
        return dry_pull(out, pulled);
    }
    let Pulled { library_name: name, sequence, release, .. } = pulled;
    if pulled.from.is_empty() {
        writeln!(out, "nothing newer arrived")?;
        return lag::behind(out, &pulled.channel, &pulled.lag);
    }
    let what = if pulled.changed { "pulled" } else { "nothing new:" };
    let fresh = channel::freshness(pulled.fresh_age_seconds, pulled.timekeepers);
    let fresh = fresh.map(|fresh| format!(", {} {fresh}", pulled.channel)).unwrap_or_default();
    writeln!(out, "{what} {name}@{sequence} {release}{fresh}")?;
    writeln!(
        out,
        "{}, {}; fetched {} ({}, {} encoded) and {} of pages from {} at {}",
        counted(pulled.files, "file"),
        bytes(pulled.bytes_total),
        counted(pulled.chunks_fetched, "chunk"),
        bytes(pulled.chunk_bytes_fetched),
        bytes(pulled.chunk_bytes_encoded),
        bytes(pulled.page_bytes_encoded),
        short(&pulled.from),
        pulled.address,
    )?;
    writeln!(
        out,
        "{} in and {} out on the wire, {}, {}, {}",
        bytes(pulled.wire_bytes_in),
        bytes(pulled.wire_bytes_out),
        counted(pulled.round_trips, "round trip"),
        span(pulled.seconds),
        rate(pulled.chunk_bytes_fetched, pulled.seconds),
    )?;
    classes::absent(out, pulled.classes_absent)?;
    classes::not_in_release(out, &pulled.classes_not_in_release)?;
    match &pulled.lag.here {
        Some(here) if here.release != *release => {
            writeln!(out, "{} stays on {} {}", pulled.channel, here.sequence, short(&here.release))?;
        }
        _ => {}
    }
    lag::behind(out, &pulled.channel, &pulled.lag)
}

fn dry_pull(out: &mut impl Write, pulled: &Pulled) -> io::Result<()> {
    let (chunks, missing) = (pulled.chunks_missing.unwrap_or(0), pulled.chunk_bytes_missing.unwrap_or(0));
    if pulled.from.is_empty() {
        writeln!(out, "nothing newer would arrive")?;
        return lag::behind(out, &pulled.channel, &pulled.lag);
    }
    writeln!(
        out,
        "would pull {}@{} {} from {} at {}: {}, {} of {}, {}",
        pulled.library_name,
        pulled.sequence,
        pulled.release,
        short(&pulled.from),
        pulled.address,
        counted(chunks, "chunk"),
        bytes(missing),
        counted(pulled.files, "file"),
        bytes(pulled.bytes_total),
    )?;
    classes::absent(out, pulled.classes_absent)
}

fn releases(out: &mut impl Write, list: &ReleaseList) -> io::Result<()> {
    let mut table =
        Table::new(&[">SEQUENCE", "RELEASE", "TIME (UTC)", ">FILES", ">SIZE", "HELD", "CHANNELS", "MESSAGE"]);
    let known = |number: Option<u64>, show: fn(u64) -> String| number.map_or_else(|| "?".into(), show);
    for release in &list.releases {
        table.row([
            release.sequence.to_string(),
            short(&release.release),
            time(release.time_ms),
            known(release.files, count),
            known(release.bytes, bytes),
            held(release.complete),
            channel::names(&release.fresh_ages_seconds, list.timekeepers),
            theirs(release.message.lines().next().unwrap_or_default()).into_owned(),
        ]);
    }
    write_table(out, &table)
}

fn ls(out: &mut impl Write, listed: &Listed) -> io::Result<()> {
    let Listed { sequence, release, files, bytes_total, .. } = listed;
    writeln!(
        out,
        "{}, {} in release {sequence} {}",
        counted(*files, "file"),
        bytes(*bytes_total),
        short(release)
    )?;
    channel::age(out, listed.channel.as_deref(), listed.fresh_age_seconds, listed.timekeepers)?;
    lag::line(out, listed.channel.as_deref(), listed.lag.as_ref())?;
    classes::several(out, &listed.classes)?;
    classes::stale(out, &listed.classes_stale)?;
    classes::absent(out, listed.classes_absent)
}

fn diff(out: &mut impl Write, differed: &Differed) -> io::Result<()> {
    let Differed { added, removed, changed, .. } = differed;
    write!(out, "{} added, {} removed, {} changed", count(*added), count(*removed), count(*changed))?;
    match differed.reclassified {
        0 => writeln!(out)?,
        reclassified => writeln!(out, ", {} in another class", count(reclassified))?,
    }
    channel::age(out, differed.old_channel.as_deref(), differed.old_fresh_age_seconds, differed.timekeepers)?;
    channel::age(out, differed.new_channel.as_deref(), differed.new_fresh_age_seconds, differed.timekeepers)?;
    classes::absent(out, differed.classes_absent)
}

fn verify(out: &mut impl Write, verified: &Verified) -> io::Result<()> {
    problems(out, &verified.problems, verified.problems_total)?;
    let verdict = if verified.ok { "no problems" } else { "problems found" };
    writeln!(
        out,
        "{verdict}: {}, {}, {}, {} hashed in {}; {} missing, {} corrupt",
        counted(verified.releases, "release"),
        counted(verified.pages, "page"),
        counted(verified.chunks, "chunk"),
        bytes(verified.bytes),
        span(verified.seconds),
        count(verified.missing),
        count(verified.corrupt),
    )?;
    classes::absent(out, verified.classes_absent)?;
    if verified.superseded > 0 {
        let number = count(verified.superseded);
        writeln!(out, "damaged records that do no harm, since their content was stored again: {number}")?;
    }
    if !verified.ok {
        writeln!(
            out,
            "repair it with `chuan pull` from a node that has the data, or publish the source again"
        )?;
    }
    Ok(())
}

fn rebuild(out: &mut impl Write, rebuilt: &Rebuilt) -> io::Result<()> {
    problems(out, &rebuilt.problems, rebuilt.problems_total)?;
    writeln!(
        out,
        "rebuilt the index from {} in {}: {}, {}, {}; {} lost",
        counted(rebuilt.segments, "segment"),
        span(rebuilt.seconds),
        counted(rebuilt.chunks, "chunk"),
        counted(rebuilt.pages, "page"),
        counted(rebuilt.statements, "statement"),
        count(rebuilt.lost),
    )
}

fn problems(out: &mut impl Write, problems: &[String], total: u64) -> io::Result<()> {
    problems.iter().try_for_each(|problem| writeln!(out, "! {problem}"))?;
    match total.saturating_sub(problems.len() as u64) {
        0 => Ok(()),
        more => writeln!(out, "! and {} more", count(more)),
    }
}

fn status(out: &mut impl Write, status: &Status) -> io::Result<()> {
    let identity = &status.identity;
    writeln!(out, "node       {} {} ({})", short(&identity.id), identity.name, identity.role)?;
    writeln!(out, "home       {}", identity.home)?;
    match &status.listening {
        Some(address) => writeln!(out, "serving    on {address} (process {})", status.pid)?,
        None => writeln!(out, "serving    no")?,
    }
    let store = &status.store;
    writeln!(
        out,
        "store      {}, {} in {}, {}",
        counted(store.chunks, "chunk"),
        bytes(store.segment_bytes),
        counted(store.segments, "segment"),
        counted(store.pages, "page"),
    )?;
    if store.lost > 0 {
        writeln!(out, "           {} lost: see `chuan verify`", count(store.lost))?;
    }
    writeln!(out, "room       for {}", bytes(store.usable_bytes))?;
    ledger::status(out, &status.ledger)?;
    home::status(out, status)?;
    status.libraries.iter().try_for_each(|library| library_status(out, library))?;
    if status.peers.is_empty() {
        return Ok(());
    }
    writeln!(out)?;
    let mut table = Table::new(&["PEER", "NAME", "ADDRESS"]);
    for peer in &status.peers {
        table.row([short(&peer.id), peer.name.clone(), peer.addresses.first().cloned().unwrap_or_default()]);
    }
    write_table(out, &table)
}

fn library_status(out: &mut impl Write, library: &LibraryStatus) -> io::Result<()> {
    writeln!(out)?;
    writeln!(out, "library    {} {}", library.name, library.id)?;
    let keys = if library.keys.is_empty() { "none".to_owned() } else { library.keys.join(", ") };
    writeln!(out, "trust      root {} (version {}); keys here: {keys}", library.root, library.root_version)?;
    if !library.trust.is_empty() {
        writeln!(out, "           {}", library.trust)?;
    }
    writeln!(
        out,
        "known      {}, {}",
        counted(library.members, "member"),
        counted(library.releases, "release")
    )?;
    if library.conflicts_open > 0 {
        let open = counted(library.conflicts_open, "conflict");
        writeln!(out, "!          {open} open: see `chuan conflicts {}`", library.name)?;
    }
    for refused in &library.refusals {
        let (name, since) = (named(&refused.name, &refused.node), time(refused.at_ms));
        writeln!(out, "!          refused by {name} since {since} UTC: {}", refused.message)?;
    }
    if library.pull_unfinished {
        writeln!(out, "unfinished pull: `chuan pull {}` resumes it", library.name)?;
    }
    let mut table =
        Table::new(&["CHANNEL", ">HERE", ">NEWEST", "STATE", "RELEASE HERE", "AGE", "FRESHNESS", "CLASSES"]);
    for channel in &library.channels {
        let here = channel.lag.here.as_ref();
        table.row([
            channel.name.clone(),
            here.map_or_else(|| "-".to_owned(), |here| here.sequence.to_string()),
            channel.sequence.to_string(),
            channel::state(channel),
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

/// A node's name and the beginning of its id.
fn named(name: &str, id: &str) -> String {
    if name.is_empty() { short(id) } else { format!("{name} ({})", short(id)) }
}

fn held(complete: bool) -> String {
    (if complete { "all" } else { "part" }).to_owned()
}

fn short(id: &str) -> String {
    id.chars().take(SHORT).collect()
}

fn write_table(out: &mut impl Write, table: &Table) -> io::Result<()> {
    table.lines().iter().try_for_each(|line| writeln!(out, "{line}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    pub(super) fn text(write: impl Fn(&mut Vec<u8>) -> io::Result<()>) -> String {
        let mut out = Vec::new();
        write(&mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn the_ticket_is_the_last_line_alone() {
        let invited = Invited { ticket: "chuan1abc".into(), uses: 1, ..Invited::default() };
        let text = text(|out| outcome(out, &Outcome::Invite(invited.clone())));
        assert_eq!(text.lines().last(), Some("chuan1abc"));
    }

    #[test]
    fn rows_show_the_change_and_the_sizes() {
        let change = |change: &str, old, new| Row::Change {
            path: "甲".into(),
            change: change.into(),
            size_old: old,
            size_new: new,
        };
        assert_eq!(text(|out| row(out, &change("added", None, Some(5)))), "+ 甲  5 B\n");
        assert_eq!(text(|out| row(out, &change("changed", Some(4), Some(2048)))), "~ 甲  4 B -> 2.00 KiB\n");
        assert_eq!(text(|out| row(out, &change("removed", Some(4), None))), "- 甲  4 B\n");
    }

    #[test]
    fn problems_that_are_not_listed_are_counted() {
        let verified = Verified {
            problems_total: 5,
            problems: vec!["page ab is missing".into()],
            ..Verified::default()
        };
        let text = text(|out| outcome(out, &Outcome::Verify(verified.clone())));
        assert!(text.starts_with("! page ab is missing\n! and 4 more\n"), "{text}");
    }
}
