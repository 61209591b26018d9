//! Answers as text for people. The text depends only on the answer, so a command looks the same whichever
//! process ran it.

mod acts;
mod audit;
mod channel;
mod classes;
mod home;
mod lag;
mod ledger;
mod news;
mod peers;
mod publish;
mod restore;
mod status;
mod trust;

use std::io::{self, Write};

use chuan_api::{
    human::{bytes, count, rate, time},
    outcome::{
        Differed, Identity, Invited, Joined, Listed, Outcome, Pulled, Rebuilt, ReleaseList, Rotated, Row,
        Verified,
    },
};

use super::{
    flags::theirs,
    language::{age, counted, listed, span, together, translated, word},
    table::{Align, Table, left, pad, right},
};
use crate::{say, text};

/// Digits of an id that are shown in tables.
const SHORT: usize = 10;
/// Width of a size in streamed listings, whose widths are not known in advance.
const SIZE_WIDTH: usize = 9;
/// Width of the words before the values of an answer.
const LABEL: usize = 11;
/// Width of the words before the values of keys, roots and requests.
const WIDE_LABEL: usize = 13;

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
        Outcome::Status(found) => status::shown(out, found),
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
    field(out, &text!("label-key"), &identity.key)?;
    field(out, &text!("label-name"), &format!("{} ({})", identity.name, identity.role))?;
    if !identity.region.is_empty() {
        field(out, &text!("label-region"), &text!("region-claimed", region = identity.region))?;
    }
    field(out, &text!("label-home"), &identity.home)?;
    identity.addresses.iter().try_for_each(|address| field(out, &text!("label-address"), address))
}

fn invite(out: &mut impl Write, invited: &Invited) -> io::Result<()> {
    private_addresses(out, invited.addresses_private)?;
    say!(
        out,
        "ticket",
        library = invited.library_name,
        addresses = listed(&invited.addresses),
        nodes = counted(u64::from(invited.uses), "node"),
        until = time(invited.expires_ms)
    )?;
    writeln!(out, "{}", invited.ticket)
}

/// The warning about the addresses in a ticket, where no other network reaches them.
fn private_addresses(out: &mut impl Write, are_private: bool) -> io::Result<()> {
    if !are_private {
        return Ok(());
    }
    say!(out, "ticket-private")
}

fn rotate(out: &mut impl Write, rotated: &Rotated) -> io::Result<()> {
    say!(
        out,
        "rotated",
        node = short(&rotated.node),
        key = short(&rotated.key),
        libraries = counted(rotated.libraries, "library"),
        peers = rotated.told
    )?;
    for library in &rotated.libraries_refusing {
        say!(out, "rotated-refused", library = library, node = rotated.node, key = rotated.key)?;
    }
    say!(out, "rotated-grace", time = age(rotated.grace_seconds))
}

fn join(out: &mut impl Write, joined: &Joined) -> io::Result<()> {
    if joined.already {
        return say!(out, "joined-already", name = joined.library_name);
    }
    say!(
        out,
        "joined",
        name = joined.library_name,
        library = joined.library,
        role = joined.role,
        node = short(&joined.from),
        address = joined.address
    )?;
    say!(out, "joined-next", name = joined.library_name)
}

fn pull(out: &mut impl Write, pulled: &Pulled) -> io::Result<()> {
    if pulled.dry_run {
        dry_pull(out, pulled)?;
    } else {
        real_pull(out, pulled)?;
    }
    if pulled.is_contradicted() {
        lag::contradicted(out, &pulled.library_name, &pulled.channel, None)?;
    }
    Ok(())
}

fn real_pull(out: &mut impl Write, pulled: &Pulled) -> io::Result<()> {
    if pulled.from.is_empty() && pulled.named {
        return news::here_already(out, pulled);
    }
    if pulled.from.is_empty() {
        say!(out, "pull-nothing-newer")?;
        lag::behind(out, &pulled.channel, &pulled.lag)?;
        return news::from(out, pulled);
    }
    let fresh = channel::freshness(pulled.fresh_age_seconds, pulled.timekeepers);
    let fresh = fresh.map(|fresh| text!("pull-fresh", channel = pulled.channel, fresh = fresh));
    let fresh = fresh.unwrap_or_default();
    news::verdict(out, pulled, &fresh)?;
    say!(
        out,
        "pulled-content",
        files = counted(pulled.files, "file"),
        size = bytes(pulled.bytes_total),
        chunks = counted(pulled.chunks_fetched, "chunk"),
        fetched = bytes(pulled.chunk_bytes_fetched),
        encoded = bytes(pulled.chunk_bytes_encoded),
        pages = bytes(pulled.page_bytes_encoded),
        node = short(&pulled.from),
        address = pulled.address
    )?;
    say!(
        out,
        "pulled-wire",
        bytes_in = bytes(pulled.wire_bytes_in),
        bytes_out = bytes(pulled.wire_bytes_out),
        round_trips = counted(pulled.round_trips, "round trip"),
        time = span(pulled.seconds),
        rate = rate(pulled.chunk_bytes_fetched, pulled.seconds)
    )?;
    news::other_sources(out, pulled)?;
    news::arrived(out, pulled)?;
    classes::absent(out, pulled.classes_absent)?;
    classes::not_in_release(out, &pulled.classes_not_in_release)?;
    match &pulled.lag.here {
        Some(here) if here.release != pulled.release => {
            let release = short(&here.release);
            say!(out, "pull-stays", channel = pulled.channel, sequence = here.sequence, release = release)?;
        }
        _ => {}
    }
    lag::behind(out, &pulled.channel, &pulled.lag)
}

fn dry_pull(out: &mut impl Write, pulled: &Pulled) -> io::Result<()> {
    let (chunks, missing) = (pulled.chunks_missing.unwrap_or(0), pulled.chunk_bytes_missing.unwrap_or(0));
    if pulled.from.is_empty() && pulled.named {
        return news::here_already(out, pulled);
    }
    if pulled.from.is_empty() {
        say!(out, "pull-nothing-would-arrive")?;
        return lag::behind(out, &pulled.channel, &pulled.lag);
    }
    say!(
        out,
        "would-pull",
        name = pulled.library_name,
        sequence = pulled.sequence,
        release = pulled.release,
        node = short(&pulled.from),
        address = pulled.address,
        chunks = counted(chunks, "chunk"),
        missing = bytes(missing),
        files = counted(pulled.files, "file"),
        size = bytes(pulled.bytes_total)
    )?;
    news::room(out, pulled)?;
    classes::absent(out, pulled.classes_absent)
}

fn releases(out: &mut impl Write, list: &ReleaseList) -> io::Result<()> {
    let mut table = Table::new(&[
        right(text!("col-sequence")),
        left(text!("col-release")),
        left(text!("col-time")),
        right(text!("col-files")),
        right(text!("col-size")),
        left(text!("col-held")),
        left(text!("col-channels")),
        left(text!("col-message")),
    ]);
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
    say!(
        out,
        "listed",
        files = counted(*files, "file"),
        size = bytes(*bytes_total),
        sequence = sequence,
        release = short(release)
    )?;
    channel::age(out, listed.channel.as_deref(), listed.fresh_age_seconds, listed.timekeepers)?;
    lag::line(out, listed.channel.as_deref(), listed.lag.as_ref())?;
    classes::several(out, &listed.classes)?;
    classes::stale(out, &listed.classes_stale)?;
    classes::absent(out, listed.classes_absent)
}

fn diff(out: &mut impl Write, differed: &Differed) -> io::Result<()> {
    let Differed { added, removed, changed, .. } = differed;
    let (added, removed, changed) = (count(*added), count(*removed), count(*changed));
    match differed.reclassified {
        0 => say!(out, "differed", added = added, removed = removed, changed = changed)?,
        moved => {
            let moved = count(moved);
            say!(out, "differed-moved", added = added, removed = removed, changed = changed, moved = moved)?;
        }
    }
    channel::age(out, differed.old_channel.as_deref(), differed.old_fresh_age_seconds, differed.timekeepers)?;
    channel::age(out, differed.new_channel.as_deref(), differed.new_fresh_age_seconds, differed.timekeepers)?;
    classes::absent(out, differed.classes_absent)
}

fn verify(out: &mut impl Write, verified: &Verified) -> io::Result<()> {
    problems(out, &verified.problems, verified.problems_total)?;
    say!(
        out,
        "verified",
        verdict = if verified.ok { text!("verified-sound") } else { text!("verified-problems") },
        releases = counted(verified.releases, "release"),
        pages = counted(verified.pages, "page"),
        chunks = counted(verified.chunks, "chunk"),
        size = bytes(verified.bytes),
        time = span(verified.seconds),
        missing = count(verified.missing),
        corrupt = count(verified.corrupt)
    )?;
    classes::absent(out, verified.classes_absent)?;
    superseded(out, verified.superseded)?;
    if verified.ok { Ok(()) } else { say!(out, "verified-repair") }
}

fn rebuild(out: &mut impl Write, rebuilt: &Rebuilt) -> io::Result<()> {
    problems(out, &rebuilt.problems, rebuilt.problems_total)?;
    say!(
        out,
        "rebuilt",
        segments = counted(rebuilt.segments, "segment"),
        time = span(rebuilt.seconds),
        chunks = counted(rebuilt.chunks, "chunk"),
        pages = counted(rebuilt.pages, "page"),
        statements = counted(rebuilt.statements, "statement"),
        lost = count(rebuilt.lost)
    )?;
    superseded(out, rebuilt.superseded)
}

fn superseded(out: &mut impl Write, records: u64) -> io::Result<()> {
    match records {
        0 => Ok(()),
        records => say!(out, "verified-superseded", number = count(records)),
    }
}

fn problems(out: &mut impl Write, problems: &[String], total: u64) -> io::Result<()> {
    problems.iter().try_for_each(|problem| writeln!(out, "! {}", translated(problem)))?;
    match total.saturating_sub(problems.len() as u64) {
        0 => Ok(()),
        more => say!(out, "problems-more", number = count(more)),
    }
}

/// A node's name and the beginning of its id.
fn named(name: &str, id: &str) -> String {
    if name.is_empty() { short(id) } else { format!("{name} ({})", short(id)) }
}

fn held(complete: bool) -> String {
    if complete { text!("held-all") } else { text!("held-part") }
}

fn short(id: &str) -> String {
    id.chars().take(SHORT).collect()
}

/// A line of a word and its value, with the values below each other.
fn field(out: &mut impl Write, label: &str, value: &str) -> io::Result<()> {
    writeln!(out, "{}{value}", pad(label, LABEL, Align::Left))
}

/// As [`field`], with more room for the word.
fn wide_field(out: &mut impl Write, label: &str, value: &str) -> io::Result<()> {
    writeln!(out, "{}{value}", pad(label, WIDE_LABEL, Align::Left))
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
        // The warning is not between the ticket and the line that tells of it.
        let invited = Invited { addresses_private: true, ..invited };
        let warned = self::text(|out| outcome(out, &Outcome::Invite(invited.clone())));
        assert!(warned.len() > text.len() && warned.ends_with(&text), "{warned}");
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
