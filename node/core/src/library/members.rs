//! Members of a library by its statements: their rows, and look-up by name or id.

use chuan_engine::{
    id::{NodeId, may_be_id},
    statement::{Library, Member, NodeRole, Signed},
};

use crate::{
    command::Role,
    exit::{Failure, Result},
    outcome::{MemberRow, class_names},
};

/// The membership of `node` in `library` at `now`.
pub(crate) fn row(library: &Library, node: &NodeId, now: i64) -> MemberRow {
    let revoked = library.revocation(node);
    let said = library.member(node);
    let last = if said.is_none() { library.last_member(node) } else { None };
    let state = match said {
        Some(said) if library.is_suspended(node) => ("suspended", by(said)),
        Some(said) if !library.grants(node).any(|said| said.body.is_current(now)) => ("expired", by(said)),
        Some(said) => ("member", by(said)),
        None => match last {
            _ if revoked.is_some() => ("revoked", "operator"),
            Some(last) if library.is_suspended(node) => ("suspended", by(last)),
            Some(last) => ("lapsed", by(last)),
            None => ("stranger", ""),
        },
    };
    let why_lapsed =
        || last.filter(|_| state.0 == "lapsed").and_then(|last| library.why_idle(last.statement));
    let row = MemberRow {
        node: node.to_string(),
        state: state.0.to_owned(),
        by: state.1.to_owned(),
        reason: revoked.map(|said| said.body.reason.clone()).or_else(why_lapsed).unwrap_or_default(),
        ..MemberRow::default()
    };
    let Some(Member { name, role, region, classes, verbs, expires_ms, .. }) = said.map(|said| said.body)
    else {
        // The name and role of a revoked node stay known: an operator must see which node was revoked.
        let last = last.map(|said| said.body);
        let name = last.map(|last| last.name.clone()).unwrap_or_default();
        let role = last.map_or("", |last| last.role.name()).to_owned();
        let revoked_ms = revoked.map(|said| said.statement.time_ms());
        return MemberRow { name, role, revoked_ms, ..row };
    };
    MemberRow {
        name: name.clone(),
        role: role.name().to_owned(),
        region: region.as_ref().map(ToString::to_string).unwrap_or_default(),
        classes: class_names(classes),
        verbs: verbs.names(),
        expires_ms: *expires_ms,
        key: library.key_of(node).map(|key| key.to_string()).unwrap_or_default(),
        ..row
    }
}

const fn by(said: Signed<'_, Member>) -> &'static str {
    if said.body.ticket.is_some() { "ticket" } else { "operator" }
}

/// The node with this id; or the member, or former member, whose id begins with this text; or the member with
/// this name; or the former member with this name. A node that was revoked, or admitted by a node that was,
/// is a former member. A text that can be the beginning of an id is never a name.
pub(crate) fn named(library: &Library, text: &str) -> Result<NodeId> {
    if let Ok(node) = text.parse() {
        return Ok(node);
    }
    let members = library.members().into_iter().map(|said| said.body.node);
    let revoked = library.revocations().map(|said| said.body.node);
    let former: Vec<NodeId> = revoked.chain(library.former_members()).collect();
    let mut found: Vec<NodeId> = match may_be_id(text).then(|| text.to_ascii_lowercase()) {
        Some(beginning) => {
            members.chain(former).filter(|node| node.to_string().starts_with(&beginning)).collect()
        }
        None => {
            let is_named = |node: &NodeId| name_of(library, node) == text;
            let found: Vec<_> = members.filter(is_named).collect();
            if found.is_empty() { former.into_iter().filter(is_named).collect() } else { found }
        }
    };
    found.sort_unstable();
    found.dedup();
    match found.as_slice() {
        [node] => Ok(*node),
        [] => Err(Failure::missing(format!(
            "no member `{text}` of {}; `chuan members` lists them, and a new node is named by its id",
            library.name()
        ))),
        _ => Err(Failure::usage(format!("several members match `{text}`; name one by its id"))),
    }
}

/// The name of a member, or the last name of a former member; empty for others.
pub(crate) fn name_of<'a>(library: &'a Library, node: &NodeId) -> &'a str {
    library.member(node).or_else(|| library.last_member(node)).map_or("", |said| &said.body.name)
}

/// The role of a node in statements.
pub(crate) const fn node_role(role: Role) -> NodeRole {
    match role {
        Role::Origin => NodeRole::Origin,
        Role::Mirror => NodeRole::Mirror,
        Role::Edge => NodeRole::Edge,
    }
}
