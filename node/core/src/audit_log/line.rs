//! A record as a line of JSON, and back, without loss.

use chuan_engine::{
    audit::{Actor, Ending, Event, Record, Verb},
    id::RecordId,
    statement::RoleKind,
};

use crate::{
    exit::{Failure, Result},
    outcome::{AuditActor, AuditRecord},
};

/// The JSON form of a record and its id.
pub(crate) fn shown(record: &Record, id: RecordId) -> AuditRecord {
    let Event { actor, verb, subject, library, ending, count, span_ms } = &record.event;
    let (ending, why) = match ending {
        Ending::Ok => ("ok", ""),
        Ending::Refused(why) => ("refused", why.as_str()),
        Ending::Failed(why) => ("failed", why.as_str()),
    };
    AuditRecord {
        index: record.index,
        time_ms: record.time_ms,
        verb: verb.to_string(),
        actor: shown_actor(actor),
        library: library.map(|library| library.to_string()),
        subject: subject.clone(),
        ending: ending.to_owned(),
        why: why.to_owned(),
        count: *count,
        span_ms: *span_ms,
        prev: record.prev.to_string(),
        arrival: record.arrival,
        id: id.to_string(),
    }
}

/// The record of the JSON form. Ignores its `id`: the hash of the record is the id.
pub(super) fn record(line: &AuditRecord) -> Result<Record> {
    let why = line.why.clone();
    let ending = match line.ending.as_str() {
        "ok" if why.is_empty() => Ending::Ok,
        "refused" => Ending::Refused(why),
        "failed" => Ending::Failed(why),
        other => return Err(Failure::invalid(format!("invalid ending `{other}` of a record"))),
    };
    let event = Event {
        actor: actor(&line.actor)?,
        verb: line.verb.parse::<Verb>()?,
        subject: line.subject.clone(),
        library: line.library.as_deref().map(str::parse).transpose()?,
        ending,
        count: line.count,
        span_ms: line.span_ms,
    };
    let prev = line.prev.parse()?;
    Ok(Record { index: line.index, time_ms: line.time_ms, prev, arrival: line.arrival, event })
}

fn shown_actor(actor: &Actor) -> AuditActor {
    match actor {
        Actor::Node => AuditActor::Node,
        Actor::Peer { key, node } => AuditActor::Peer { key: key.to_string(), node: node.to_string() },
        Actor::Role { key, role } => AuditActor::Role { key: key.to_string(), role: role.name().to_owned() },
        Actor::Nobody => AuditActor::Nobody,
    }
}

fn actor(actor: &AuditActor) -> Result<Actor> {
    Ok(match actor {
        AuditActor::Node => Actor::Node,
        AuditActor::Peer { key, node } => Actor::Peer { key: key.parse()?, node: node.parse()? },
        AuditActor::Role { key, role } => Actor::Role {
            key: key.parse()?,
            role: RoleKind::ALL
                .into_iter()
                .find(|kind| kind.name() == role)
                .ok_or_else(|| Failure::invalid(format!("unknown role `{role}`")))?,
        },
        AuditActor::Nobody => Actor::Nobody,
    })
}
