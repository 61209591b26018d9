//! `members`: the members of a library, former ones included, and the statements that admitted them.

use std::sync::Arc;

use chuan_engine::id::NodeId;

use crate::{command::Members, exit::Result, library::members::row, outcome::MemberList, services::Services};

/// Every node that the statements of a library name as a member, or have named as one.
pub(crate) async fn members(services: &Arc<Services>, options: Members) -> Result<MemberList> {
    services
        .blocking(move |services| {
            let library = services.library.named_or_only(options.library.as_deref())?;
            let mut nodes: Vec<NodeId> = library.members().iter().map(|said| said.body.node).collect();
            nodes.extend(library.revocations().map(|said| said.body.node));
            nodes.extend(library.former_members());
            nodes.sort_unstable();
            nodes.dedup();
            let now = services.context.now_ms();
            Ok(MemberList {
                library: library.id().to_string(),
                library_name: library.name().to_owned(),
                members: nodes.iter().map(|node| row(&library, node, now)).collect(),
            })
        })
        .await
}
