//! The losses of a change: the nodes that lose rights, and the channels that leave releases. The states of a
//! library before and after the change are compared. An unsigned act is examined as if all operators had
//! signed it.

use std::{collections::BTreeSet, sync::Arc};

use crate::{
    error::Result,
    id::{NodeId, StatementId},
    statement::{
        Body, ClassPolicy, Classes, Library, NodeRole, Policy, PublicKey, RoleKind, Signature, Statement,
        Verbs, envelope::unsigned, library::Proposed, state::State,
    },
};

/// The losses of a change.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Losses {
    /// The nodes that lose rights, by id.
    pub nodes: Vec<NodeLoss>,
    /// The channels that leave releases, or end, by name.
    pub channels: Vec<ChannelLoss>,
    /// The slots of the classes of which the policy will keep, copy or serve less.
    pub slots: BTreeSet<u8>,
}

/// A node that loses rights.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodeLoss {
    /// The node.
    pub node: NodeId,
    /// Its name.
    pub name: String,
    /// Its role.
    pub role: NodeRole,
    /// The classes that it may have before the change, each with its verbs.
    pub before: Vec<(Classes, Verbs)>,
    /// The same after the change; empty if it is no member any more.
    pub after: Vec<(Classes, Verbs)>,
}

impl NodeLoss {
    /// Whether the node is no member after the change.
    pub fn is_membership(&self) -> bool {
        self.after.is_empty()
    }
}

/// A channel whose release after the change does not contain its release before: it moves back, or to a
/// release that was made beside, such as one that a rollback abandoned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChannelLoss {
    /// Its name.
    pub name: String,
    /// Its release before the change.
    pub before: StatementId,
    /// Its release after the change; `None` if the channel has no effective statement any more.
    pub after: Option<StatementId>,
    /// The known releases that the channel has before the change and not after it, by sequence.
    pub left: Vec<StatementId>,
}

impl Losses {
    /// The losses of a change from `before` to `after`, by the clock `now_ms`.
    pub fn between(before: &Library, after: &Library, now_ms: i64) -> Self {
        let nodes = before.members().into_iter().filter(|said| before.is_member(&said.body.node, now_ms));
        let nodes = nodes.filter_map(|said| {
            let node = said.body.node;
            let (had, has) = (rights(before, &node, now_ms), rights(after, &node, now_ms));
            let is_kept = |(classes, verbs): &(Classes, Verbs)| {
                has.iter().any(|(other, of)| of.contains(*verbs) && classes.within(other))
            };
            (!had.iter().all(is_kept)).then(|| NodeLoss {
                node,
                name: said.body.name.clone(),
                role: said.body.role,
                before: had,
                after: has,
            })
        });
        let channels = before.channels().filter_map(|said| {
            let (name, old) = (&said.body.name, said.body.release);
            let new = after.channel(name).map(|said| said.body.release);
            let left = match new {
                Some(new) => left_by(after, &old, &new),
                None => vec![old],
            };
            (!left.is_empty()).then(|| ChannelLoss { name: name.clone(), before: old, after: new, left })
        });
        let nothing = Policy::default();
        let policies = [before, after].map(|library| library.policy().unwrap_or(&nothing));
        Self { nodes: nodes.collect(), channels: channels.collect(), slots: tightened(policies) }
    }

    /// The losses of an act of operators, as if all of them had signed it. Changes nothing.
    ///
    /// # Errors
    ///
    /// The act breaks a rule of its form.
    pub fn of(library: &Library, proposed: &Proposed, now_ms: i64) -> Result<Self> {
        let operators = library.root().into_iter().flat_map(|root| &root.roles);
        let operators = operators.filter(|role| role.kind == RoleKind::Operator).flat_map(|role| &role.keys);
        let unsigned = unsigned(&proposed.header, &proposed.body)?;
        // The signatures are placeholders: this copy of the library is compared and dropped.
        let signatures: Vec<_> =
            operators.map(|key: &PublicKey| (*key, Signature::from_bytes([0; 64]))).collect();
        if signatures.is_empty() {
            // No key can sign the act.
            return Ok(Losses::default());
        }
        let statement = Statement::assemble(unsigned, signatures)?;
        let mut after = library.clone();
        after.set.suppose(Arc::new(statement));
        after.state = Arc::new(State::of(&after.set));
        Ok(Losses::between(library, &after, now_ms))
    }
}

/// The classes that a node may have now, each with its verbs.
fn rights(library: &Library, node: &NodeId, now_ms: i64) -> Vec<(Classes, Verbs)> {
    if library.is_suspended(node) {
        return Vec::new();
    }
    let grants = library.grants(node).filter(|said| said.body.is_current(now_ms));
    grants.map(|said| (said.body.classes.clone(), said.body.verbs)).collect()
}

/// The known releases that a reader loses where a channel moves from release `old` to `new`, by sequence:
/// `old` and its ancestors, without `new` and its ancestors. Empty where `new` descends from `old`.
pub fn left_by(library: &Library, old: &StatementId, new: &StatementId) -> Vec<StatementId> {
    let ancestors = |of: &StatementId| {
        let (mut seen, mut waiting) = (BTreeSet::new(), vec![*of]);
        while let Some(id) = waiting.pop() {
            if seen.insert(id)
                && let Some(Body::Release(release)) = library.statement(&id).map(Statement::body)
            {
                waiting.extend(&release.parents);
            }
        }
        seen
    };
    let kept = ancestors(new);
    let mut left: Vec<_> = ancestors(old).difference(&kept).copied().collect();
    left.sort_by_key(|id| library.statement(id).map_or(0, Statement::sequence));
    left
}

/// The slots whose class is kept for less long, in fewer copies or regions, or read less long without a
/// vouch.
fn tightened([before, after]: [&Policy; 2]) -> BTreeSet<u8> {
    let nothing = ClassPolicy::default();
    let row = |policy: &Policy, slot: &u8| policy.classes.get(slot).unwrap_or(&nothing).clone();
    let slots: BTreeSet<u8> = before.classes.keys().chain(after.classes.keys()).copied().collect();
    let is_tighter = |slot: &u8| {
        let (old, new) = (row(before, slot), row(after, slot));
        // A limit of 0 is no limit.
        let lower = |old: u64, new: u64| new > 0 && (old == 0 || new < old);
        lower(old.keep_releases, new.keep_releases)
            || lower(old.keep_ms, new.keep_ms)
            || lower(old.max_stale_ms, new.max_stale_ms)
            || new.replicas < old.replicas
            || old.regions.iter().any(|region| !new.regions.contains(region))
    };
    slots.into_iter().filter(is_tighter).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        id::{ManifestId, Salt},
        statement::{
            Channel, Member, TicketTerms,
            library::{Founders, found, member, release, ticket},
            tests::{self, key},
        },
    };

    fn add(library: &mut Library, statement: Statement) -> Statement {
        assert!(library.offer(&statement, 10).unwrap().is_news());
        statement
    }

    fn body(n: u8, classes: Classes) -> Member {
        Member { classes, ..tests::member(n, None) }
    }

    /// A library with the origin 10, and the nodes 11 and 12, which joined through it with one ticket. Node
    /// 13 is a member by an operator's statement.
    fn films() -> Library {
        let (root, operator, publisher) = (key(1), key(2), key(3));
        let keys = Founders { root: &root, operator: &operator, publisher: &publisher };
        let (id, first) = found("films", keys, Salt::from_bytes([9; 32]), 1).unwrap();
        let mut library = Library::open(id, [first], 1).unwrap();
        for n in [10, 13] {
            let said = member(&library, &operator, body(n, Classes::all()), 2).unwrap();
            add(&mut library, said);
        }
        let terms = TicketTerms {
            key: key(20).public(),
            uses: 2,
            expires_ms: 100,
            role: None,
            region: None,
            classes: Classes::all(),
            verbs: Verbs::PULL,
            redeemers: vec![key(10).node()],
        };
        let made = ticket(&library, &operator, terms, 3).unwrap();
        let made = add(&mut library, made);
        for n in [11, 12] {
            let joined = Member { ticket: Some(made.id()), ..body(n, Classes::all()) };
            let said = member(&library, &key(10), joined, 4).unwrap();
            add(&mut library, said);
        }
        library
    }

    fn lost(losses: &Losses) -> Vec<NodeId> {
        losses.nodes.iter().map(|loss| loss.node).collect()
    }

    #[test]
    fn a_revocation_takes_the_nodes_that_joined_through_the_node() {
        let library = films();
        let losses =
            |n: u8| Losses::of(&library, &Proposed::revoke(&library, key(n).node(), "gone", 10), 10).unwrap();
        let mut fall: Vec<_> = [10, 11, 12].map(|n| key(n).node()).to_vec();
        fall.sort_unstable();
        assert_eq!(lost(&losses(10)), fall);
        assert!(losses(10).nodes.iter().all(NodeLoss::is_membership));
        assert_eq!(lost(&losses(11)), [key(11).node()]);
        assert_eq!(lost(&losses(13)), [key(13).node()]);
        assert!(library.is_member(&key(11).node(), 10), "the library itself was changed");
    }

    #[test]
    fn a_narrower_grant_is_a_loss_and_a_wider_one_is_none() {
        let library = films();
        let losses = |classes: &[&str]| {
            let classes = Classes::new(classes.iter().map(ToString::to_string).collect()).unwrap();
            Losses::of(&library, &Proposed::member(&library, body(13, classes), 10), 10).unwrap()
        };
        let narrowed = losses(&["trailers"]);
        assert_eq!(lost(&narrowed), [key(13).node()]);
        assert!(!narrowed.nodes[0].is_membership());
        assert_eq!(losses(&[]), Losses::default());
    }

    /// Symptom: a channel moved from release 4, which was based on 1, to release 3, and was said to lose
    /// nothing. Cause: only ancestors of the current release were taken for a loss.
    #[test]
    fn a_channel_leaves_the_releases_that_its_new_release_does_not_contain() {
        let mut library = films();
        let mut made: Vec<StatementId> = Vec::new();
        // 1 - 2 - 3, and 1 - 4 after a rollback to 1.
        for (n, parent) in [(1, None), (2, Some(0)), (3, Some(1)), (4, Some(0))] {
            let parents = parent.map(|at: usize| made[at]).into_iter().collect();
            let said = release(&library, &key(3), parents, ManifestId::from_bytes([n; 32]), "", 5).unwrap();
            made.push(add(&mut library, said).id());
        }
        let to = |release: StatementId| Channel {
            name: "live".into(),
            release,
            active: key(3).public(),
            follow: true,
            term: None,
        };
        let first = Proposed::channel(&library, to(made[0]), 6).sign(&[&key(2)]).unwrap();
        add(&mut library, first);
        for (from, target, left) in [
            (2, 0, vec![1, 2]),
            (3, 2, vec![3]),
            (3, 1, vec![3]),
            (2, 3, vec![1, 2]),
            (0, 3, vec![]),
            (1, 2, vec![]),
            (3, 3, vec![]),
        ] {
            let mut library = library.clone();
            if library.channel("live").unwrap().body.release != made[from] {
                let now = Proposed::channel(&library, to(made[from]), 6).sign(&[&key(2)]).unwrap();
                add(&mut library, now);
            }
            let losses = Losses::of(&library, &Proposed::channel(&library, to(made[target]), 7), 10).unwrap();
            let lost: Vec<_> = losses.channels.iter().flat_map(|loss| loss.left.clone()).collect();
            let expected: Vec<_> = left.into_iter().map(|at: usize| made[at]).collect();
            assert_eq!(lost, expected, "from {} to {}", from + 1, target + 1);
        }
    }

    #[test]
    fn a_policy_that_keeps_less_names_its_slots() {
        let policy = |keep_releases, replicas| {
            let row = ClassPolicy { keep_releases, replicas, ..ClassPolicy::default() };
            Policy { classes: [(3, row)].into(), ..Policy::default() }
        };
        let slots = |before: &Policy, after: &Policy| tightened([before, after]);
        let (all, ten, five) = (Policy::default(), policy(10, 2), policy(5, 2));
        assert_eq!(slots(&all, &ten), [3].into());
        assert_eq!(slots(&ten, &five), [3].into());
        assert_eq!(slots(&five, &ten), [].into());
        assert_eq!(slots(&ten, &policy(10, 1)), [3].into());
    }
}
