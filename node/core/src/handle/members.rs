//! [`Members`]: the nodes of a library.

use chuan_engine::id::NodeId;

use super::{Act, Error, Grant, Invite, Library, Member, answer};
use crate::{
    command::{self, Command, Keys, Revoke, Signed},
    exit,
    job::Job,
    outcome::Invited,
};

/// The nodes of a library. Operators grant them classes, and revoke them.
#[derive(Clone, Debug)]
pub struct Members(pub(super) Library);

impl Members {
    /// Every node that the statements of the library name as a member, revoked ones included, by id.
    pub async fn list(&self) -> Result<Vec<Member>, Error> {
        let command = Command::Members(command::Members { library: Some(self.0.id().to_string()) });
        let list = self.0.ask(command, Job::silent(), answer!(Members)).await?;
        Ok(list.members.into_iter().map(Member::of).collect::<exit::Result<_>>()?)
    }

    /// Makes a node a member, or changes its rights. [`Act::preview`] tells which rights that takes away.
    pub fn grant(&self, node: NodeId, grant: Grant) -> Act<Member> {
        let options = grant.command(&self.0.id(), &node);
        Act::new(&self.0, Ok(Signed::Grant { options, keys: Keys::default() }), Member::of_outcome)
    }

    /// Ends all rights of a node, until an operator grants it again. Every member can read the reason. Nodes
    /// that joined through the node lose their rights too: [`Act::preview`] lists them. Fails for the node of
    /// this home; see [`Members::revoke_this_node`].
    pub fn revoke(&self, node: NodeId, reason: impl Into<String>) -> Act<Member> {
        self.end(node, reason.into(), false)
    }

    /// Like [`Members::revoke`], of the node of this home.
    pub fn revoke_this_node(&self, reason: impl Into<String>) -> Act<Member> {
        self.end(self.0.home.services.context.me(), reason.into(), true)
    }

    fn end(&self, node: NodeId, reason: String, this_node: bool) -> Act<Member> {
        let options = Revoke {
            node: node.to_string(),
            library: Some(self.0.id().to_string()),
            reason,
            this_node,
            yes: true,
            ..Revoke::default()
        };
        Act::new(&self.0, Ok(Signed::Revoke { options, keys: Keys::default() }), Member::of_outcome)
    }

    /// Makes a ticket, with which other nodes become members. Its secret is only in the answer.
    pub fn invite(&self, invite: Invite) -> Act<Invited> {
        let options = invite.command(&self.0.id());
        Act::new(&self.0, Ok(Signed::Invite { options, keys: Keys::default() }), answer!(Invite))
    }
}
