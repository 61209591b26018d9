//! The body of a `member` statement: a grant to a node.
//!
//! ```text
//! node [32] | key [32] | name (len u16, UTF-8) | role u8 (1 origin, 2 mirror, 3 edge)
//! | region (len u16, UTF-8; empty: not bound)
//! | class count u8 | class × (len u16, pattern) | verbs u32 | expires_ms i64 (0 = never)
//! | ticket present u8 (0 or 1) | ticket [32] if present
//! ```

use crate::{
    error::{Error, Result},
    id::{NodeId, StatementId},
    limits::NAME_BYTES,
    statement::{
        key::PublicKey,
        region::Region,
        scope::{Classes, Verbs},
        wire::{Reader, check_name, put_string},
    },
};

/// The purpose of a node. It carries no authority over content.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum NodeRole {
    /// Publishes.
    Origin = 1,
    /// Holds full copies.
    Mirror = 2,
    /// Caches on demand.
    Edge = 3,
}

impl NodeRole {
    const ALL: [NodeRole; 3] = [NodeRole::Origin, NodeRole::Mirror, NodeRole::Edge];

    /// The name that people see.
    pub const fn name(self) -> &'static str {
        match self {
            NodeRole::Origin => "origin",
            NodeRole::Mirror => "mirror",
            NodeRole::Edge => "edge",
        }
    }

    pub(crate) fn from_tag(tag: u8) -> Result<Self> {
        Self::ALL
            .into_iter()
            .find(|role| *role as u8 == tag)
            .ok_or_else(|| Error::Invalid(format!("unknown node role {tag}: a newer chuan wrote this")))
    }
}

impl std::str::FromStr for NodeRole {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        Self::ALL
            .into_iter()
            .find(|role| role.name() == text)
            .ok_or_else(|| Error::Invalid(format!("`{text}` is not a role; use origin, mirror or edge")))
    }
}

/// A node that belongs to the library.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    /// The node.
    pub node: NodeId,
    /// The key that the node proves in the TLS handshake. A node that joins with a ticket has its first key,
    /// which hashes to `node`; an operator may bind another.
    pub key: PublicKey,
    /// Its name, for people.
    pub name: String,
    /// Its purpose.
    pub role: NodeRole,
    /// Its region for rules and votes. `None`: the node's own settings name one, which is used for nearness
    /// only.
    pub region: Option<Region>,
    /// The classes to which `verbs` apply.
    pub classes: Classes,
    /// The granted verbs.
    pub verbs: Verbs,
    /// The end of the grant, in ms since 1970; 0 = never.
    pub expires_ms: i64,
    /// The ticket that a redeemer used; `None` where an operator signs.
    pub ticket: Option<StatementId>,
}

impl Member {
    /// Whether the grant allows `verb` on `class` at `now_ms`.
    pub fn allows(&self, class: &str, verb: Verbs, now_ms: i64) -> bool {
        self.is_current(now_ms) && self.verbs.contains(verb) && self.classes.covers(class)
    }

    /// Whether the grant has not ended at `now_ms`.
    pub fn is_current(&self, now_ms: i64) -> bool {
        self.expires_ms == 0 || now_ms < self.expires_ms
    }

    pub(crate) fn decode(reader: &mut Reader<'_>) -> Result<Self> {
        Ok(Self {
            node: NodeId::from_bytes(reader.array()?),
            key: reader.key()?,
            name: reader.string(NAME_BYTES)?,
            role: NodeRole::from_tag(reader.u8()?)?,
            region: Region::read_optional(reader)?,
            classes: Classes::decode(reader)?,
            verbs: Verbs::from_bits(reader.u32()?),
            expires_ms: reader.i64()?,
            ticket: if reader.bool()? { Some(StatementId::from_bytes(reader.array()?)) } else { None },
        })
    }

    pub(crate) fn encode(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(self.node.as_bytes());
        out.extend_from_slice(self.key.as_bytes());
        put_string(out, &self.name);
        out.push(self.role as u8);
        Region::put_optional(self.region.as_ref(), out);
        self.classes.encode(out);
        out.extend_from_slice(&self.verbs.bits().to_le_bytes());
        out.extend_from_slice(&self.expires_ms.to_le_bytes());
        out.push(u8::from(self.ticket.is_some()));
        if let Some(ticket) = &self.ticket {
            out.extend_from_slice(ticket.as_bytes());
        }
    }

    pub(crate) fn check(&self) -> Result<()> {
        check_name(&self.name, "the node name")?;
        self.verbs.check()?;
        if self.expires_ms < 0 {
            return Err(Error::Invalid("a membership cannot end before 1970".into()));
        }
        Ok(())
    }
}
