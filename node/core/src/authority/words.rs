//! An act of operators in lines of text, for a signer to check. Ids and keys are shown in full: an attacker
//! can make a key with chosen first digits.

use chuan_engine::{
    id::StatementId,
    statement::{Body, Channel, ClassPolicy, Classes, Library, Member, Policy, Region, TicketTerms},
};

use crate::{
    human::{age, counted, time},
    library::members::name_of,
};

/// A line for each fact of an act, and lines for the state that it replaces, as far as `library` knows.
pub(super) fn of(library: &Library, body: &Body) -> Vec<String> {
    match body {
        Body::Member(body) => member(library, body),
        Body::Ticket(terms) => ticket(terms),
        Body::Revoke(revoke) => {
            let name = name_of(library, &revoke.node);
            let reason = if revoke.reason.is_empty() { "none given" } else { &revoke.reason };
            vec![
                format!("revokes node {name} {}", revoke.node),
                format!("reason: {reason}"),
                "ends every grant of it so far, and the memberships of nodes that joined through it"
                    .to_owned(),
            ]
        }
        Body::Channel(body) => channel(library, body),
        Body::Policy(policy) => changes(library.policy(), policy, &|slot| format!("slot {slot}")),
        other => vec![format!("a {} statement", other.kind().name())],
    }
}

fn member(library: &Library, body: &Member) -> Vec<String> {
    let mut lines = vec![
        format!("makes node {} {} a member, as {}", body.name, body.node, body.role.name()),
        format!("it proves key {}", body.key),
        format!("may {} in {}", body.verbs.names(), classes(&body.classes)),
        format!("region: {}", region(body.region.as_ref())),
        format!("until: {}", if body.expires_ms == 0 { "no end".to_owned() } else { time(body.expires_ms) }),
    ];
    match library.member(&body.node).map(|said| said.body) {
        Some(before) => lines.push(format!(
            "before: {} as {}, may {} in {}, region {}, key {}",
            before.name,
            before.role.name(),
            before.verbs.names(),
            classes(&before.classes),
            region(before.region.as_ref()),
            if before.key == body.key { "the same".to_owned() } else { before.key.to_string() }
        )),
        None if library.revocation(&body.node).is_some() => lines.push("before: it was revoked".to_owned()),
        None => lines.push(
            match library.last_member(&body.node).and_then(|last| library.why_idle(last.statement)) {
                Some(why) => format!("before: it had lost its membership: {why}"),
                None => "before: not a member, as far as the request knows".to_owned(),
            },
        ),
    }
    lines
}

fn ticket(terms: &TicketTerms) -> Vec<String> {
    let role = terms.role.map_or("mirror or edge", |role| role.name());
    let redeemers: Vec<_> = terms.redeemers.iter().map(ToString::to_string).collect();
    vec![
        format!("a ticket for {}, until {} UTC", counted(terms.uses.into(), "node"), time(terms.expires_ms)),
        format!("they may {} in {}, as {role}", terms.verbs.names(), classes(&terms.classes)),
        format!("region: {}", region(terms.region.as_ref())),
        format!("redeemed by {}", redeemers.join(", ")),
        format!("ticket key {}", terms.key),
    ]
}

fn channel(library: &Library, body: &Channel) -> Vec<String> {
    let named = |id: &StatementId| match library.release(id) {
        Some(said) => format!("release {} {id}", said.statement.sequence()),
        None => format!("release {id}"),
    };
    let follow = |channel: &Channel| {
        if channel.follow { "new releases are current at once" } else { "it stays on this release" }
    };
    let mut lines = vec![
        format!("moves channel {} to {}", body.name, named(&body.release)),
        format!("its active publisher is {}; {}", body.active, follow(body)),
    ];
    lines.push(match library.channel(&body.name).map(|said| said.body) {
        Some(before) => format!(
            "before: {}, publisher {}; {}",
            named(&before.release),
            if before.active == body.active { "the same".to_owned() } else { before.active.to_string() },
            follow(before)
        ),
        None => "before: no such channel, as far as the request knows".to_owned(),
    });
    lines
}

/// The differences between two policies; without an older policy, all settings of the new one. `name` returns
/// the class in a slot.
pub(super) fn changes(before: Option<&Policy>, after: &Policy, name: &dyn Fn(u8) -> String) -> Vec<String> {
    let nothing = Policy::default();
    let before = before.unwrap_or(&nothing);
    let mut lines = Vec::new();
    if before.junk != after.junk {
        lines.push(format!("known junk: {}", if after.junk { "left out" } else { "published" }));
    }
    if before.excludes != after.excludes {
        lines.push(format!("excludes: {}", list(&after.excludes)));
    }
    let mut slots: Vec<_> = before.classes.keys().chain(after.classes.keys()).copied().collect();
    slots.sort_unstable();
    slots.dedup();
    for slot in slots {
        match (before.classes.get(&slot), after.classes.get(&slot)) {
            (old, Some(new)) if old != Some(new) => {
                lines.push(format!("class {}: {}", name(slot), row(new).join("; ")));
            }
            (Some(_), None) => {
                lines.push(format!("class {}: no row any more; it keeps everything", name(slot)))
            }
            _ => {}
        }
    }
    if before.unknown != after.unknown {
        lines.push(format!("{} fields that this chuan does not know", after.unknown.len()));
    }
    if lines.is_empty() {
        lines.push("changes nothing".to_owned());
    }
    lines
}

/// The settings of a row, in words.
pub(super) fn row(row: &ClassPolicy) -> Vec<String> {
    let mut words = Vec::new();
    let span = |ms: u64| age(ms / 1000);
    words.extend(row.mirror.map(|mirror| format!("{} mirrors", mirror.name())));
    let mut say = |is_said: bool, text: String| words.extend(is_said.then_some(text));
    say(row.every_ms > 0, format!("looked for every {}", span(row.every_ms)));
    say(row.priority > 0, format!("priority {}", row.priority));
    say(row.complete_by_ms > 0, format!("whole within {} of a release", span(row.complete_by_ms)));
    say(row.rto_ms > 0, format!("out of reach for {} at most", span(row.rto_ms)));
    say(row.rpo_ms > 0, format!("copies behind by {} at most", span(row.rpo_ms)));
    say(row.viewers > 0, format!("{} viewers at once", row.viewers));
    say(row.replicas > 0, format!("{} whole copies", row.replicas));
    let regions: Vec<_> = row.regions.iter().map(ToString::to_string).collect();
    say(!regions.is_empty(), format!("copies in {}", regions.join(", ")));
    let kept = match (row.keep_releases, row.keep_ms) {
        (0, 0) => "everything is kept".to_owned(),
        (releases, 0) => format!("the newest {releases} versions are kept"),
        (0, ms) => format!("versions are kept for {}", span(ms)),
        (releases, ms) => format!("the newest {releases} versions, and those of {}, are kept", span(ms)),
    };
    say(true, kept);
    say(
        row.max_stale_ms > 0,
        format!("not read by a channel's name when older than {}", span(row.max_stale_ms)),
    );
    say(!row.unknown.is_empty(), format!("{} fields that this chuan does not know", row.unknown.len()));
    words
}

/// Classes in words.
pub(super) fn classes(classes: &Classes) -> String {
    match classes.patterns() {
        [] => "all classes".to_owned(),
        patterns => format!("classes {}", patterns.join(", ")),
    }
}

fn region(region: Option<&Region>) -> String {
    region.map_or_else(|| "none".to_owned(), ToString::to_string)
}

fn list(items: &[String]) -> String {
    if items.is_empty() { "none".to_owned() } else { items.join(" ") }
}
