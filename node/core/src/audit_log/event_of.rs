//! The audit event of a statement: which key signed which act in a library.

use chuan_engine::{
    audit::{Actor, Event, Verb},
    statement::{Body, Library, RoleKind, Statement},
};

use crate::human::counted;

/// The event of `statement` in `library`, which contains it: an attempt where the statement is ineffective.
/// `None` for statements that would only fill the log.
pub(crate) fn event_of(statement: &Statement, library: &Library) -> Option<Event> {
    let event = attempt(statement, library)?;
    Some(match library.why_idle(statement) {
        Some(why) => event.refused(why),
        None => event,
    })
}

fn attempt(statement: &Statement, library: &Library) -> Option<Event> {
    let (verb, role, what) = match statement.body() {
        Body::Root(root) => (Verb::Root, RoleKind::Root, format!("{} version {}", root.name, root.version)),
        Body::Release(_) => (Verb::Publish, RoleKind::Publisher, release(library, statement)),
        Body::Channel(channel) => {
            let named = library.release(&channel.release).map(|said| release(library, said.statement));
            let role = match statement.signers().next() {
                Some(key) if library.is_operator(key) => RoleKind::Operator,
                _ => RoleKind::Publisher,
            };
            let to = named.unwrap_or_else(|| channel.release.short());
            (Verb::Channel, role, format!("{} -> {to}", channel.name))
        }
        // The redeemer recorded the join when it happened.
        Body::Member(member) if member.ticket.is_some() => return None,
        Body::Member(member) => {
            (Verb::Grant, RoleKind::Operator, format!("{} {}", member.name, member.node.short()))
        }
        Body::Ticket(terms) => {
            let id = statement.id().short();
            (
                Verb::Invite,
                RoleKind::Operator,
                format!("ticket {id} for {}", counted(terms.uses.into(), "node")),
            )
        }
        Body::Revoke(revoke) => {
            (Verb::Revoke, RoleKind::Operator, format!("{}: {}", revoke.node.short(), revoke.reason))
        }
        Body::Succession(next) => {
            let what = format!("{}: key {} after {}", next.node.short(), next.new.short(), next.old.short());
            let event = Event::new(Verb::Rotate, what).by(Actor::Peer { key: next.old, node: next.node });
            return Some(event.of(statement.library()));
        }
        Body::Fresh(fresh) => (Verb::Fresh, RoleKind::Timekeeper, fresh.channel.clone()),
        // The root that names it is recorded.
        Body::Checkpoint(_) | Body::Pins(_) => return None,
        Body::Policy(policy) => {
            let rows = policy.classes.len();
            (
                Verb::Policy,
                RoleKind::Operator,
                format!("{} sequence {}, {rows} rows", library.name(), statement.sequence()),
            )
        }
    };
    let actor = statement.signers().next().map_or(Actor::Nobody, |key| Actor::Role { key: *key, role });
    Some(Event::new(verb, what).by(actor).of(statement.library()))
}

fn release(library: &Library, statement: &Statement) -> String {
    format!("{}@{} {}", library.name(), statement.sequence(), statement.id().short())
}
