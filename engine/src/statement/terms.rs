//! The body of a `ticket` statement: the rights that the holder of a ticket's key may get. The text that is
//! handed over is a [`Ticket`](super::ticket::Ticket).
//!
//! ```text
//! key [32] | redeemer count u8 | redeemers × [32], sorted | class count u8 | class × (len u16, pattern)
//! | verbs u32 | role u8 (0 = mirror or edge; else as in a member)
//! | region (len u16, UTF-8; empty: binds none) | expires_ms i64 | uses u32
//! ```

use crate::{
    error::{Error, Result},
    id::NodeId,
    limits::{TICKET_REDEEMERS, TICKET_USES},
    statement::{
        key::PublicKey,
        member::{Member, NodeRole},
        region::Region,
        scope::{Classes, Verbs},
        wire::{Reader, check_ascending, check_count, put_list},
    },
};

/// The terms of a ticket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TicketTerms {
    /// The public half of the ticket's own key.
    pub key: PublicKey,
    /// The nodes that may turn the ticket into a member statement, sorted; at least one.
    pub redeemers: Vec<NodeId>,
    /// The classes that a member by this ticket may be granted.
    pub classes: Classes,
    /// The verbs that it may be granted.
    pub verbs: Verbs,
    /// Its role; `None` lets the joiner choose mirror or edge.
    pub role: Option<NodeRole>,
    /// The region of a member by this ticket; `None` gives it no region, whatever the joiner claims.
    pub region: Option<Region>,
    /// The time until which it may be redeemed, in ms since 1970. A member stays a member after that.
    pub expires_ms: i64,
    /// The number of nodes that may join with it, at least 1.
    pub uses: u32,
}

impl TicketTerms {
    /// Fails, with the reason, where the ticket does not allow the grant in `member`.
    pub fn check_member(&self, member: &Member) -> Result<()> {
        let denied = |what: &str| Err(Error::Denied(format!("the ticket does not grant {what}")));
        if !self.verbs.contains(member.verbs) {
            return denied("these verbs");
        }
        if !member.classes.within(&self.classes) {
            return denied("these classes");
        }
        if member.region != self.region {
            return denied("this region");
        }
        match self.role {
            Some(role) if role != member.role => denied(&format!("the role {}", member.role.name())),
            None if member.role == NodeRole::Origin => denied("the role origin"),
            _ => Ok(()),
        }
    }

    pub(crate) fn decode(reader: &mut Reader<'_>) -> Result<Self> {
        Ok(Self {
            key: reader.key()?,
            redeemers: reader.list(TICKET_REDEEMERS, |reader| Ok(NodeId::from_bytes(reader.array()?)))?,
            classes: Classes::decode(reader)?,
            verbs: Verbs::from_bits(reader.u32()?),
            role: match reader.u8()? {
                0 => None,
                tag => Some(NodeRole::from_tag(tag)?),
            },
            region: Region::read_optional(reader)?,
            expires_ms: reader.i64()?,
            uses: reader.u32()?,
        })
    }

    pub(crate) fn encode(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(self.key.as_bytes());
        put_list(out, &self.redeemers, |out, node| out.extend_from_slice(node.as_bytes()));
        self.classes.encode(out);
        out.extend_from_slice(&self.verbs.bits().to_le_bytes());
        out.push(self.role.map_or(0, |role| role as u8));
        Region::put_optional(self.region.as_ref(), out);
        out.extend_from_slice(&self.expires_ms.to_le_bytes());
        out.extend_from_slice(&self.uses.to_le_bytes());
    }

    pub(crate) fn check(&self) -> Result<()> {
        self.verbs.check()?;
        check_count(self.redeemers.len(), TICKET_REDEEMERS, "redeemers of a ticket")?;
        check_ascending(&self.redeemers, "the redeemers of a ticket")?;
        if self.redeemers.is_empty() {
            return Err(Error::Invalid("a ticket must name a node that may redeem it".into()));
        }
        if self.expires_ms <= 0 {
            return Err(Error::Invalid("a ticket must say when it expires".into()));
        }
        if self.uses == 0 || self.uses > TICKET_USES {
            return Err(Error::Invalid(format!(
                "a ticket is for 1 to {TICKET_USES} nodes, not {}",
                self.uses
            )));
        }
        Ok(())
    }
}
