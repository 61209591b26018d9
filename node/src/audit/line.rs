//! A record as a line of JSON, and back: nothing is in the one that is not in the other.

use chuan_engine::{
    audit::{Actor, Ending, Event, Record, Verb},
    id::RecordId,
    statement::RoleKind,
};

use crate::{
    exit::{Failure, Result},
    outcome::{AuditActor, AuditRecord},
};

impl AuditRecord {
    /// The JSON form of a record and its id.
    pub(crate) fn of(record: &Record, id: RecordId) -> Self {
        let Event { actor, verb, subject, library, ending, count, span_ms } = &record.event;
        let (ending, why) = match ending {
            Ending::Ok => ("ok", ""),
            Ending::Refused(why) => ("refused", why.as_str()),
            Ending::Failed(why) => ("failed", why.as_str()),
        };
        Self {
            index: record.index,
            time_ms: record.time_ms,
            verb: verb.to_string(),
            actor: actor.into(),
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

    /// The record of the JSON form. Its `id` is not looked at: what the fields hash to is the id.
    pub(super) fn to_record(&self) -> Result<Record> {
        let why = self.why.clone();
        let ending = match self.ending.as_str() {
            "ok" if why.is_empty() => Ending::Ok,
            "refused" => Ending::Refused(why),
            "failed" => Ending::Failed(why),
            other => return Err(Failure::invalid(format!("`{other}` is no ending of a record"))),
        };
        let event = Event {
            actor: (&self.actor).try_into()?,
            verb: self.verb.parse::<Verb>()?,
            subject: self.subject.clone(),
            library: self.library.as_deref().map(str::parse).transpose()?,
            ending,
            count: self.count,
            span_ms: self.span_ms,
        };
        let prev = self.prev.parse()?;
        Ok(Record { index: self.index, time_ms: self.time_ms, prev, arrival: self.arrival, event })
    }
}

impl From<&Actor> for AuditActor {
    fn from(actor: &Actor) -> Self {
        match actor {
            Actor::Node => Self::Node,
            Actor::Peer { key, node } => Self::Peer { key: key.to_string(), node: node.to_string() },
            Actor::Role { key, role } => Self::Role { key: key.to_string(), role: role.name().to_owned() },
            Actor::Nobody => Self::Nobody,
        }
    }
}

impl TryFrom<&AuditActor> for Actor {
    type Error = Failure;

    fn try_from(actor: &AuditActor) -> Result<Self> {
        Ok(match actor {
            AuditActor::Node => Actor::Node,
            AuditActor::Peer { key, node } => Actor::Peer { key: key.parse()?, node: node.parse()? },
            AuditActor::Role { key, role } => Actor::Role {
                key: key.parse()?,
                role: RoleKind::ALL
                    .into_iter()
                    .find(|kind| kind.name() == role)
                    .ok_or_else(|| Failure::invalid(format!("`{role}` is no role")))?,
            },
            AuditActor::Nobody => Actor::Nobody,
        })
    }
}
