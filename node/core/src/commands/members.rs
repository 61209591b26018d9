//! `members`: who belongs to a library, who does not any more, and on whose word.

use chuan_engine::{
    id::NodeId,
    statement::{Library, Member, Said},
};

use super::{Node, now_ms};
use crate::{
    command::Members,
    exit::{Failure, Result},
    outcome::{MemberList, MemberRow},
};

/// Shortest beginning of an id that is taken for one.
const PREFIX_DIGITS: usize = 4;

impl Node {
    /// Everybody that a library's statements here speak of as a member, revoked ones too.
    pub async fn members(&self, options: Members) -> Result<MemberList> {
        self.blocking(move |node| {
            let library = node.libraries.named_or_only(options.library.as_deref())?;
            let mut nodes: Vec<NodeId> = library.members().iter().map(|said| said.body.node).collect();
            nodes.extend(library.revocations().map(|said| said.body.node));
            nodes.sort_unstable();
            nodes.dedup();
            let now = now_ms();
            Ok(MemberList {
                library: library.id().to_string(),
                library_name: library.name().to_owned(),
                members: nodes.iter().map(|node| row(&library, node, now)).collect(),
            })
        })
        .await
    }
}

/// What `library` says of `node` at `now`.
pub(crate) fn row(library: &Library, node: &NodeId, now: i64) -> MemberRow {
    let revoked = library.revocation(node);
    let said = library.member(node);
    let state = match said {
        Some(said) if library.is_suspended(node) => ("suspended", by(said)),
        Some(said) if !library.grants(node).any(|said| said.body.is_current(now)) => ("expired", by(said)),
        Some(said) => ("member", by(said)),
        None if revoked.is_some() => ("revoked", "operator"),
        None => ("stranger", ""),
    };
    let row = MemberRow {
        node: node.to_string(),
        state: state.0.to_owned(),
        by: state.1.to_owned(),
        reason: revoked.map(|said| said.body.reason.clone()).unwrap_or_default(),
        ..MemberRow::default()
    };
    let Some(Member { name, role, region, classes, verbs, expires_ms, .. }) = said.map(|said| said.body)
    else {
        return row;
    };
    MemberRow {
        name: name.clone(),
        role: role.name().to_owned(),
        region: region.as_ref().map(ToString::to_string).unwrap_or_default(),
        classes: classes.patterns().to_vec(),
        verbs: verbs.names(),
        expires_ms: *expires_ms,
        key: library.key_of(node).map(|key| key.to_string()).unwrap_or_default(),
        ..row
    }
}

const fn by(said: Said<'_, Member>) -> &'static str {
    if said.body.ticket.is_some() { "ticket" } else { "operator" }
}

/// The node of this id, or the one that is known here by the beginning of its id, or by its name.
pub(crate) fn named(library: &Library, text: &str) -> Result<NodeId> {
    if let Ok(node) = text.parse() {
        return Ok(node);
    }
    let mut found: Vec<NodeId> = Vec::new();
    for said in library.members() {
        let Member { node, name, .. } = said.body;
        if name == text || (text.len() >= PREFIX_DIGITS && node.to_string().starts_with(text)) {
            found.push(*node);
        }
    }
    match found.as_slice() {
        [node] => Ok(*node),
        [] => Err(Failure::missing(format!(
            "no member `{text}` of {}; `chuan members` lists them, and a new node is named by its id",
            library.name()
        ))),
        _ => Err(Failure::usage(format!("several members are called `{text}`; name one by its id"))),
    }
}
