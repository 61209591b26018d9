//! `grant` and `revoke`: the members of a library. A node gets only the classes that it is granted.

use std::collections::BTreeSet;

use chuan_engine::{
    id::NodeId,
    statement::{Body, Classes, Library, Member, NodeRole, PublicKey, Verbs, library::Proposed},
};

use super::{
    classes, preview,
    request::{Acted, act},
};
use crate::{
    command::{Grant, Revoke},
    exit::{Failure, Result},
    human::{counted, time},
    keyring::Keyring,
    library::members::{name_of, named as member_named, node_role, row as member_row},
    outcome::{MemberChanged, Outcome},
    session::Session,
    spec::check_new_name,
};

/// The maximum number of attempts to revoke a node: a peer may know a newer grant.
const TRIES: usize = 4;

/// Makes a node a member, or changes its rights. Fields without an option stay as they are. Where the grant
/// takes rights from a node, it must be confirmed. Effective and
/// durable in the home when it returns. With a request file, the grant is written to it, for operators to
/// sign.
pub(super) async fn grant(session: &mut Session, keyring: &Keyring, options: Grant) -> Result<Outcome> {
    let library = session.newest(options.library.as_deref()).await?;
    let now = session.now_ms();
    let body = grant_of(&library, &options, now)?;
    let node = body.node;
    let before = library.member(&node).map(|_| member_row(&library, &node, now));
    if !options.new_class {
        let granted = library.member(&node).map(|said| &said.body.classes);
        classes::check_known(session, &library, &options.classes, granted).await?;
    }
    let proposed = Proposed::member(&library, body, now);
    let preview = preview::of(session, &library, &proposed).await?;
    if options.dry_run {
        preview::check_keys(keyring, &library)?;
        return Ok(Outcome::Preview(Box::new(preview)));
    }
    preview::check(&preview, options.yes || options.request.is_some())?;
    let signed = match act(session, keyring, &library, proposed, options.request.as_deref()).await? {
        Acted::Applied(statement) => statement.id(),
        Acted::Requested(shown) => return Ok(Outcome::Request(shown)),
    };
    let library = session.library(Some(&library.id().to_string())).await?;
    if !library.grants(&node).any(|grant| grant.statement.id() == signed) {
        return Err(Failure::busy(
            "another operator signed a statement about the node at the same time, and that is effective; see `chuan \
             members`, and run it again",
        ));
    }
    let row = member_row(&library, &node, now);
    Ok(Outcome::Member(Box::new(MemberChanged { row, before, taken: preview.nodes })))
}

/// Ends all rights of a node, until an operator grants it again. Where other nodes lose rights too, or the
/// node is that of this home, it must be confirmed. Durable in the home when it returns, and
/// effective against all grants that peers have sent meanwhile.
pub(super) async fn revoke(session: &mut Session, keyring: &Keyring, options: Revoke) -> Result<Outcome> {
    let mut library = session.newest(options.library.as_deref()).await?;
    let node = member_named(&library, &options.node)?;
    check_not_revoked(&library, &node)?;
    let now = session.now_ms();
    let proposed = Proposed::revoke(&library, node, &options.reason, now);
    let mut preview = preview::of(session, &library, &proposed).await?;
    if node == preview::own_node(session).await? && !options.this_node {
        preview.refused = Some(format!(
            "{} is the node of this home, which would be shut out of {}, and with it {}; if that is what you want, \
             give the option `this-node`",
            node.short(),
            library.name(),
            counted(
                preview.nodes.iter().filter(|taken| taken.node != node.to_string()).count() as u64,
                "other node"
            )
        ));
    }
    if options.dry_run {
        preview::check_keys(keyring, &library)?;
        return Ok(Outcome::Preview(Box::new(preview)));
    }
    preview::check(&preview, options.yes || options.request.is_some())?;
    for _ in 0..TRIES {
        let proposed = Proposed::revoke(&library, node, &options.reason, now);
        let acted = act(session, keyring, &library, proposed, options.request.as_deref()).await?;
        if let Acted::Requested(shown) = acted {
            return Ok(Outcome::Request(shown));
        }
        library = session.library(Some(&library.id().to_string())).await?;
        if library.revocation(&node).is_some() {
            let row = member_row(&library, &node, now);
            return Ok(Outcome::Member(Box::new(MemberChanged { row, before: None, taken: preview.nodes })));
        }
    }
    Err(Failure::busy("another operator keeps granting the node; agree with them, and run it again"))
}

/// Fails if the node is revoked already, by an operator that the root names. A revocation of another key may
/// be signed anew, so that it needs no pin.
fn check_not_revoked(library: &Library, node: &NodeId) -> Result<()> {
    let Some(said) = library.revocation(node).filter(|_| library.member(node).is_none()) else {
        return Ok(());
    };
    if !said.statement.signers().any(|key| library.is_operator(key)) {
        return Ok(());
    }
    let (short, since) = (node.short(), time(said.statement.time_ms()));
    let named = match name_of(library, node) {
        "" => format!("node {short}"),
        name => format!("{name} ({short})"),
    };
    Err(Failure::usage(format!(
        "{named} is revoked since {since} UTC; admit it again with `chuan grant {node}` with the option `library {}` and \
         the option `all-classes` (or some classes)",
        library.name()
    )))
}

fn grant_of(library: &Library, options: &Grant, now: i64) -> Result<Member> {
    let node = member_named(library, &options.node)?;
    // A node that is suspended because its ticket was copied continues with the rights of the ticket.
    let before = library.member(&node).or_else(|| library.claim(&node)).map(|said| said.body);
    let classes = match (options.all_classes, options.classes.as_slice()) {
        (true, _) => Classes::all(),
        (false, []) => before.map(|before| before.classes.clone()).ok_or_else(|| {
            Failure::usage(
                "no classes are given; name them with the option `class`, or give all with the option `all-classes`: a \
                 grant has no default classes",
            )
        })?,
        (false, named) => Classes::new(named.to_vec())?,
    };
    let verbs = match options.verbs.as_slice() {
        [] => before.map_or(Verbs::PULL, |before| before.verbs),
        verbs => verbs.iter().fold(Verbs::from_bits(0), |all, verb| all.with(*verb)),
    };
    options.name.iter().try_for_each(|name| check_new_name("node", name))?;
    let last = Some(name_of(library, &node)).filter(|name| !name.is_empty()).map(str::to_owned);
    let name = options.name.clone().or_else(|| before.map(|before| before.name.clone())).or(last);
    let role = options.role.map(node_role).or_else(|| before.map(|before| before.role));
    let region = match (&options.region, options.no_region) {
        (Some(region), _) => Some(region.clone()),
        (None, true) => None,
        (None, false) => before.and_then(|before| before.region.clone()),
    };
    let expires_ms = match options.expires {
        Some(seconds) => i64::try_from(seconds)
            .ok()
            .and_then(|seconds| seconds.checked_mul(1000)?.checked_add(now))
            .ok_or_else(|| {
                Failure::usage(
                    "the time of the option `expires` is too long; without it, the membership has no end",
                )
            })?,
        None => 0,
    };
    Ok(Member {
        node,
        key: key_of(library, &node, options.node_key)?,
        name: name.unwrap_or_else(|| format!("node-{}", node.short())),
        role: role.unwrap_or(NodeRole::Mirror),
        region,
        classes,
        verbs,
        expires_ms,
        ticket: None,
    })
}

/// The key that a node must prove: the given one, else its current key. A node that has no current key,
/// because it was revoked or is suspended, gets its first key, which hashes to its id. But if any statement,
/// effective or not, names another key of the node, the operator must give the key: the statement may come
/// from a thief.
fn key_of(library: &Library, node: &NodeId, given: Option<PublicKey>) -> Result<PublicKey> {
    if let Some(key) = given.or_else(|| library.key_of(node)) {
        return Ok(key);
    }
    let mut known = BTreeSet::new();
    for statement in library.statements() {
        match statement.body() {
            Body::Member(member) if member.node == *node => known.extend([member.key]),
            Body::Succession(next) if next.node == *node => known.extend([next.old, next.new]),
            _ => {}
        }
    }
    let why = match known.first() {
        Some(key) if known.len() == 1 && key.node() == *node => return Ok(*key),
        Some(_) => "has no key now, and had other keys than its first one",
        None => "is new here",
    };
    Err(Failure::usage(format!(
        "node {} {why}; give the key that `chuan id` prints there, with the option `node-key`",
        node.short()
    )))
}

#[cfg(test)]
mod tests {
    use chuan_engine::{
        id::Salt,
        statement::{
            Header, Key, RoleKind, Statement, TicketTerms,
            library::{Founders, found, member, revoke, ticket},
        },
    };

    use super::*;
    use crate::exit::Exit;

    fn key(n: u8) -> Key {
        Key::from_seed([n; 32])
    }

    /// A grant for node 11, signed by operator key `n`, that binds the key `bound`.
    fn binds(library: &Library, n: u8, bound: u8, sequence: u64) -> Statement {
        let body = Member {
            node: key(11).node(),
            key: key(bound).public(),
            name: "mirror".into(),
            role: NodeRole::Mirror,
            region: None,
            classes: Classes::all(),
            verbs: Verbs::PULL,
            expires_ms: 0,
            ticket: None,
        };
        let header = Header { library: Some(library.id()), sequence, time_ms: 1 };
        Statement::sign(header, &Body::Member(body), &[&key(n)]).unwrap()
    }

    /// A node was revoked, and granted again without a given key. The grant took the key of the member
    /// statement with the highest sequence, effective or not. A thief with a removed operator's key had
    /// planted that statement.
    #[test]
    fn a_grant_uses_no_key_from_an_ineffective_statement() {
        let (root, operator, publisher) = (key(1), key(2), key(3));
        let keys = Founders { root: &root, operator: &operator, publisher: &publisher };
        let (id, first) = found("films", keys, Salt::from_bytes([9; 32]), 1).unwrap();
        let Body::Root(body) = first.body().clone() else { panic!("a library begins with a root") };
        let mut library = Library::open(id, [first], 1).unwrap();
        let node = key(11).node();
        let new = key_of(&library, &node, None).unwrap_err();
        assert!(new.exit == Exit::Usage && new.message.contains("is new here"), "{new}");
        let take = |library: &mut Library, statement: Statement| {
            assert!(library.offer(&statement, 1).unwrap().is_news());
        };
        let granted = binds(&library, 2, 11, 1);
        take(&mut library, granted);
        let revoked = revoke(&library, &key(2), node, "stolen", 1).unwrap();
        take(&mut library, revoked);
        assert_eq!(
            key_of(&library, &node, None).unwrap(),
            key(11).public(),
            "no other node can have its first key"
        );

        let mut next = chuan_engine::statement::Root { version: 2, ..body };
        next.add_key(RoleKind::Operator, &Classes::all(), key(4).public()).unwrap();
        next.remove_key(RoleKind::Operator, None, &key(2).public()).unwrap();
        let header = Header { library: Some(id), sequence: 2, time_ms: 1 };
        take(&mut library, Statement::sign(header, &Body::Root(next), &[&key(1)]).unwrap());
        let planted = binds(&library, 2, 66, 9);
        take(&mut library, planted);
        let failure = key_of(&library, &node, None).unwrap_err();
        assert!(
            failure.exit == Exit::Usage && failure.message.contains("the option `node-key`"),
            "{failure}"
        );
        assert_eq!(key_of(&library, &node, Some(key(12).public())).unwrap(), key(12).public());
    }

    /// Symptom: after the revocation of the node that had admitted it, a node was no more in `members`, was
    /// granted by its full id only, and lost its name.
    #[test]
    fn a_node_that_lost_its_membership_has_its_name() {
        let (root, operator, publisher) = (key(1), key(2), key(3));
        let keys = Founders { root: &root, operator: &operator, publisher: &publisher };
        let (id, first) = found("films", keys, Salt::from_bytes([9; 32]), 1).unwrap();
        let mut library = Library::open(id, [first], 1).unwrap();
        let (origin, node) = (key(10).node(), key(11).node());
        let of = |n: u8, name: &str, ticket| Member {
            node: key(n).node(),
            key: key(n).public(),
            name: name.into(),
            role: NodeRole::Mirror,
            region: None,
            classes: Classes::all(),
            verbs: Verbs::PULL,
            expires_ms: 0,
            ticket,
        };
        let terms = TicketTerms {
            key: key(20).public(),
            redeemers: vec![origin],
            classes: Classes::all(),
            verbs: Verbs::PULL,
            role: None,
            region: None,
            expires_ms: i64::MAX,
            uses: 1,
        };
        let take = |library: &mut Library, statement: Statement| {
            assert!(library.offer(&statement, 1).unwrap().is_news());
            statement.id()
        };
        let granted = member(&library, &operator, of(10, "origin", None), 1).unwrap();
        take(&mut library, granted);
        let ticket = ticket(&library, &operator, terms, 1).unwrap();
        let ticket = take(&mut library, ticket);
        let joined = member(&library, &key(10), of(11, "mirror", Some(ticket)), 1).unwrap();
        take(&mut library, joined);
        assert_eq!(member_row(&library, &node, 1).state, "member");
        assert!(library.former_members().is_empty());
        let revoked = revoke(&library, &operator, origin, "lost", 1).unwrap();
        take(&mut library, revoked);

        assert!(library.former_members().contains(&node) && !library.former_members().contains(&origin));
        for text in ["mirror", &node.to_string()[..8], &node.to_string()] {
            assert_eq!(member_named(&library, text).unwrap(), node, "{text}");
        }
        let row = member_row(&library, &node, 1);
        assert_eq!((&*row.state, &*row.name, &*row.role), ("lapsed", "mirror", "mirror"));
        assert_eq!(row.reason, "the node that admitted it was revoked");
        let options = Grant { node: "mirror".into(), all_classes: true, ..Grant::default() };
        let body = grant_of(&library, &options, 2).unwrap();
        assert_eq!((&*body.name, body.key), ("mirror", key(11).public()));
        let says = super::super::words::of(&library, &Body::Member(body)).join("; ");
        assert!(says.contains("it had lost its membership"), "{says}");
    }

    /// Symptom: a revoked node could be named by its full id only, although `members` lists its name, and a
    /// new grant gave it a name made of its id.
    #[test]
    fn a_revoked_node_has_its_name() {
        let (root, operator, publisher) = (key(1), key(2), key(3));
        let keys = Founders { root: &root, operator: &operator, publisher: &publisher };
        let (id, first) = found("films", keys, Salt::from_bytes([9; 32]), 1).unwrap();
        let mut library = Library::open(id, [first], 1).unwrap();
        let node = key(11).node();
        assert!(library.offer(&binds(&library, 2, 11, 1), 1).unwrap().is_news());
        check_not_revoked(&library, &node).unwrap();
        let revoked = revoke(&library, &key(2), node, "stolen", 1_795_336_140_000).unwrap();
        assert!(library.offer(&revoked, 1).unwrap().is_news());
        for text in ["mirror", &node.to_string()[..8], &node.to_string()] {
            assert_eq!(member_named(&library, text).unwrap(), node, "{text}");
        }
        assert_eq!(member_named(&library, "other").unwrap_err().exit, Exit::Missing);
        let options = Grant { node: "mirror".into(), all_classes: true, ..Grant::default() };
        assert_eq!(grant_of(&library, &options, 2).unwrap().name, "mirror");
        let failure = check_not_revoked(&library, &node).unwrap_err();
        assert!(
            failure.message.starts_with("mirror (") && failure.message.contains("2026-11-22"),
            "{failure}"
        );
    }
}
