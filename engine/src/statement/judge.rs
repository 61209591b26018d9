//! The rules by which a statement stands: pure, over a [`Library`] as it is. The table is in
//! [`library`](super::library).

use crate::{
    error::{Error, Result},
    limits::SEQUENCE_JUMP,
    statement::{
        Accepted, Body, Channel, Classes, Library, Member, PublicKey, RoleKind, Root, Statement, TicketTerms,
    },
};

impl Library {
    /// Whether `statement`, whose library and signatures are verified, stands; [`Accepted::New`] where it does. Of members
    /// that compete for one place the standings have the last word.
    pub(super) fn judge(&self, statement: &Statement) -> Result<Accepted> {
        let signers: Vec<_> = statement.signers().copied().collect();
        if let Body::Root(next) = statement.body() {
            return self.judge_root(statement, next, &signers);
        }
        let Some(root) = self.root() else {
            return unproved("the library's first root is not known yet");
        };
        match statement.body() {
            Body::Root(_) => unproved("the root is judged elsewhere"),
            Body::Release(_) => self.judge_release(statement, root, &signers),
            Body::Channel(channel) => self.judge_channel(statement, channel, root, &signers),
            Body::Ticket(terms) => judge_ticket(terms, root, &signers),
            Body::Member(member) => self.judge_member(statement, member, root, &signers),
        }
    }

    fn judge_root(&self, statement: &Statement, next: &Root, signers: &[PublicKey]) -> Result<Accepted> {
        let known = u64::try_from(self.roots.len()).unwrap_or(u64::MAX);
        if next.version <= known {
            let place = usize::try_from(next.version.saturating_sub(1)).unwrap_or(usize::MAX);
            return Ok(match self.roots.get(place) {
                Some(stands) if *stands != statement.id() => Accepted::Conflict { stands: *stands },
                _ => Accepted::Known,
            });
        }
        if next.version > known.saturating_add(1) {
            return unproved(&format!("root version {} is not known yet", known.saturating_add(1)));
        }
        let meets = |root: &Root| root.root_role().is_some_and(|role| role.is_met_by(signers));
        if !meets(next) {
            return denied(&format!("root version {} is not signed by enough of its own keys", next.version));
        }
        if self.root().is_some_and(|current| !meets(current)) {
            return denied(&format!(
                "root version {} is not signed by enough keys of version {known}",
                next.version
            ));
        }
        Ok(Accepted::New)
    }

    fn judge_release(&self, statement: &Statement, root: &Root, signers: &[PublicKey]) -> Result<Accepted> {
        let entitled = root.allows(RoleKind::Publisher, &Classes::all(), signers);
        if entitled || self.vouched.contains(&statement.id()) {
            return Ok(Accepted::New);
        }
        unproved(&unnamed(RoleKind::Publisher, root))
    }

    fn judge_channel(
        &self,
        statement: &Statement,
        channel: &Channel,
        root: &Root,
        signers: &[PublicKey],
    ) -> Result<Accepted> {
        let all = Classes::all();
        let operator = root.allows(RoleKind::Operator, &all, signers);
        if !operator && !root.allows(RoleKind::Publisher, &all, signers) {
            return unproved(&unnamed(RoleKind::Operator, root));
        }
        if !operator && !signers.contains(&channel.active) {
            return denied("a publisher may move a channel only as its active publisher; ask an operator");
        }
        if !root.names(RoleKind::Publisher, &channel.active) {
            return unproved("the channel's active publisher is none that the known root names");
        }
        let current = self.channel(&channel.name);
        let floor = current.map_or(0, |said| said.statement.sequence());
        if let Some(said) = current {
            if statement.sequence() == floor && said.statement.id() != statement.id() {
                return Ok(Accepted::Conflict { stands: said.statement.id() });
            }
            if statement.sequence() <= floor {
                return Ok(Accepted::Stale);
            }
            if !operator && !signers.contains(&said.body.active) {
                return unproved(
                    "its publisher is not the channel's active one; an operator must switch to it",
                );
            }
        }
        if statement.sequence().saturating_sub(floor) > SEQUENCE_JUMP {
            return denied(&format!(
                "channel `{}` would jump from sequence {floor} to {}",
                channel.name,
                statement.sequence()
            ));
        }
        if self.release(&channel.release).is_none() {
            return unproved(&format!("release {} is not known yet", channel.release.short()));
        }
        Ok(Accepted::New)
    }

    fn judge_member(
        &self,
        statement: &Statement,
        member: &Member,
        root: &Root,
        signers: &[PublicKey],
    ) -> Result<Accepted> {
        if member.key.node() != member.node {
            return Err(Error::Invalid(format!(
                "member {}: its key is not its node's first",
                member.node.short()
            )));
        }
        let Some(ticket) = &member.ticket else {
            if root.allows(RoleKind::Operator, &member.classes, signers) {
                return Ok(Accepted::New);
            }
            return unproved(&unnamed(RoleKind::Operator, root));
        };
        let Some(terms) = self.ticket(ticket).map(|said| said.body) else {
            return unproved(&format!("ticket {} is not known yet", ticket.short()));
        };
        if !signers.iter().any(|key| terms.redeemers.contains(&key.node())) {
            return denied("the member statement is signed by no redeemer of its ticket");
        }
        if statement.time_ms() > terms.expires_ms {
            return denied("the member statement was made after its ticket had expired");
        }
        terms.check_member(member)?;
        Ok(Accepted::New)
    }
}

fn judge_ticket(terms: &TicketTerms, root: &Root, signers: &[PublicKey]) -> Result<Accepted> {
    if root.allows(RoleKind::Operator, &terms.classes, signers) {
        return Ok(Accepted::New);
    }
    unproved(&unnamed(RoleKind::Operator, root))
}

fn unnamed(kind: RoleKind, root: &Root) -> String {
    format!("it is signed by too few {} keys that root version {} names", kind.name(), root.version)
}

fn unproved(reason: &str) -> Result<Accepted> {
    Ok(Accepted::Unproved { reason: reason.to_owned() })
}

fn denied(why: &str) -> Result<Accepted> {
    Err(Error::Denied(why.to_owned()))
}
