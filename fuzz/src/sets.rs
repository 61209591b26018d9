//! The target `set`: statements by a few keys, offered to nodes in different orders.

use std::collections::BTreeMap;

use chuan_engine::{
    id::{Commitment, LibraryId, ManifestId, NodeId, RecordId, Salt, StatementId},
    statement::{
        Accepted, Body, Channel, Checkpoint, Classes, Fresh, Header, Key, Kinds, Library, Member, NodeRole,
        Pins, Policy, PublicKey, Release, ReleaseClass, Revoke, Role, RoleKind, Root, Statement, Succession,
        TicketTerms, Verbs,
        library::{Founders, found},
    },
};

use super::{input::Input, meter};

/// The time at which all statements are judged.
const NOW_MS: i64 = 1_793_000_000_000;
/// Statements that an input makes, at most: fewer than displace one another for good.
const STATEMENTS: usize = 16;
/// Bytes that a statement counts in addition to its own: it is compared with the others in every order.
const STATEMENT_BYTES: usize = 1024;
/// Keys: root, operator, publisher, second operator, second publisher, and those of nodes.
const KEYS: u8 = 8;

/// The keys, the first root, and the statements so far.
struct Pool {
    keys: Vec<Key>,
    library: LibraryId,
    root: Root,
    all: Vec<Statement>,
}

/// A set of statements; returns the kinds that were accepted.
///
/// An input is a sequence of: kind u8 | sequence u8 | signers u8 | the fields of the body.
pub fn set(bytes: &[u8]) -> Vec<&'static str> {
    let mut input = Input::new(bytes);
    let order = input.u8();
    let mut pool = Pool::new();
    for _ in 0..STATEMENTS {
        let Some(what) = input.next() else { break };
        if let Some(made) = pool.make(what, &mut input) {
            meter::received(made.bytes().len() + STATEMENT_BYTES);
            if let Body::Root(next) = made.body() {
                pool.root = next.clone();
            }
            pool.all.push(made);
        }
    }
    let mut at_once = Library::new(pool.library);
    let outcomes = at_once.offer_all(&pool.all, NOW_MS);
    check_set(&at_once, &pool);
    check_orders(&pool, &at_once, order);
    let accepted = pool.all.iter().zip(outcomes).filter(|(_, outcome)| matches!(outcome, Ok(Accepted::New)));
    accepted.map(|(statement, _)| statement.kind().name()).collect()
}

impl Pool {
    fn new() -> Self {
        let keys: Vec<_> = (1..=KEYS).map(|seed| Key::from_seed([seed; 32])).collect();
        let [root, operator, publisher, second, other, ..] = keys.as_slice() else { unreachable!() };
        let founders = Founders { root, operator, publisher };
        let (library, first) = found("films", founders, Salt::from_bytes([5; 32]), 1).expect("a first root");
        let Body::Root(founding) = first.body() else { panic!("a founding makes a root") };
        // A second root, so that thresholds and limited publishers are in reach of short inputs.
        let mut next = Root { version: 2, ..founding.clone() };
        next.add_key(RoleKind::Operator, &Classes::all(), second.public()).expect("a free place");
        let limited = Classes::new(vec!["news*".into()]).expect("a valid pattern");
        next.add_key(RoleKind::Publisher, &limited, other.public()).expect("a free place");
        next.roles.push(Role::any_of(RoleKind::Timekeeper, [operator.public()]));
        next.roles.sort_by_key(|role| role.kind);
        let header = Header { library: Some(library), sequence: 2, time_ms: 2 };
        let body = Body::Root(next.clone());
        let second = Statement::sign(header, &body, &[root]).expect("a second root");
        Self { library, root: next, all: vec![first, second], keys }
    }

    fn key(&self, input: &mut Input<'_>) -> PublicKey {
        input.one(&self.keys).unwrap_or_else(|| unreachable!("there are keys")).public()
    }

    fn node(&self, input: &mut Input<'_>) -> NodeId {
        self.key(input).node()
    }

    /// A statement's id, or one that no statement has.
    fn id(&self, input: &mut Input<'_>) -> StatementId {
        match input.u8() {
            255 => StatementId::from_bytes([255; 32]),
            at => self
                .all
                .get(usize::from(at) % self.all.len())
                .map(Statement::id)
                .unwrap_or_else(|| unreachable!()),
        }
    }

    /// The next statement: of a new body, of a known one with one more signature, or of altered bytes.
    fn make(&self, what: u8, input: &mut Input<'_>) -> Option<Statement> {
        match what % 16 {
            14 => input.one(&self.all)?.cosign(input.one(&self.keys)?).ok(),
            15 => {
                let mut bytes = input.one(&self.all)?.bytes().to_vec();
                let at = usize::from(input.u16()) % bytes.len();
                *bytes.get_mut(at)? ^= input.u8().max(1);
                Statement::decode(&bytes).ok()
            }
            kind => {
                let sequence = input.number();
                let signers = input.u8();
                let time_ms = if signers & 128 == 0 { NOW_MS } else { input.number().cast_signed() };
                let body = self.body(kind, sequence, input)?;
                let header = Header { library: Some(self.library), sequence, time_ms };
                let named =
                    (0..).zip(&self.keys).filter(|(at, _)| signers >> at & 1 == 1).map(|(_, key)| key);
                Statement::sign(header, &body, &named.collect::<Vec<_>>()).ok()
            }
        }
    }

    fn body(&self, kind: u8, sequence: u64, input: &mut Input<'_>) -> Option<Body> {
        Some(match kind {
            0 => Body::Root(self.next_root(sequence, input)?),
            1 | 2 => Body::Release(self.release(input)),
            3 | 4 => Body::Channel(Channel {
                name: if input.u8() & 1 == 0 { "live".into() } else { "beta".into() },
                release: self.id(input),
                active: self.key(input),
                follow: true,
                term: (input.u8() & 1 == 1).then(|| self.id(input)),
            }),
            5 | 6 => Body::Member(self.member(input)),
            7 => Body::Ticket(TicketTerms {
                key: self.key(input),
                redeemers: vec![self.node(input)],
                classes: self.classes(input),
                verbs: Verbs::PULL.with(Verbs::from_bits(u32::from(input.u8() & 7))),
                role: None,
                region: None,
                expires_ms: input.number().cast_signed(),
                uses: u32::from(input.u8()),
            }),
            8 => {
                Body::Revoke(Revoke { node: self.node(input), up_to: input.number(), reason: String::new() })
            }
            9 => Body::Fresh(Fresh { channel: "live".into(), statement: self.id(input) }),
            10 => {
                let (old, new) = (self.key(input), self.key(input));
                Body::Succession(Succession { node: self.node(input), old, new, grace_ms: input.number() })
            }
            11 => Body::Checkpoint(Checkpoint {
                node: self.node(input),
                count: sequence,
                head: RecordId::from_bytes([input.u8() % 2; 32]),
            }),
            12 => Body::Policy(Policy {
                junk: input.u8() & 1 == 1,
                excludes: Vec::new(),
                classes: BTreeMap::new(),
                unknown: Vec::new(),
            }),
            _ => {
                let mut statements: Vec<_> = (0..input.u8() % 4 + 1).map(|_| self.id(input)).collect();
                statements.sort_unstable();
                statements.dedup();
                Body::Pins(Pins { signer: self.key(input), key: self.key(input), statements })
            }
        })
    }

    /// The newest root with one key more or less, another threshold, or pins.
    fn next_root(&self, version: u64, input: &mut Input<'_>) -> Option<Root> {
        let mut next = Root { version, ..self.root.clone() };
        let kind = [RoleKind::Root, RoleKind::Operator, RoleKind::Publisher, RoleKind::Timekeeper];
        let kind = *input.one(&kind)?;
        match input.u8() % 4 {
            0 => next.add_key(kind, &Classes::all(), self.key(input)).ok()?,
            1 => {
                let key = self.key(input);
                next.roles.iter_mut().filter(|role| role.kind == kind).for_each(|role| {
                    role.keys.retain(|known| *known != key);
                });
                next.roles.retain(|role| !role.keys.is_empty());
            }
            2 => next.set_threshold(kind, &Classes::all(), input.u8() % 3).ok()?,
            _ => {
                next.pins = vec![self.id(input), self.id(input)];
                next.pins.sort_unstable();
                next.pins.dedup();
                next.lists = vec![(self.key(input), self.id(input))];
            }
        }
        Some(next)
    }

    fn release(&self, input: &mut Input<'_>) -> Release {
        let class = |slot: u8, name: &str, input: &mut Input<'_>| ReleaseClass {
            slot,
            name: name.into(),
            commitment: Commitment::from_bytes([input.u8() % 4; 32]),
        };
        let how = input.u8();
        let parents = (0..how & 3).map(|_| self.id(input)).collect();
        let classes = match how >> 2 & 3 {
            0 => Vec::new(),
            1 => vec![class(0, "default", input), class(1, "news1", input)],
            _ => vec![class(1, "news1", input)],
        };
        // Where classes are listed, the manifest is the table of these classes.
        let table = chuan_engine::manifest::table::ClassTable {
            classes: classes.iter().map(|class| (class.slot, class.commitment)).collect(),
        };
        let manifest = match classes.is_empty() || how & 128 != 0 {
            true => ManifestId::from_bytes([input.u8() % 4; 32]),
            false => table.id(&self.library),
        };
        Release { parents, manifest, message: String::new(), classes }
    }

    fn member(&self, input: &mut Input<'_>) -> Member {
        let key = self.key(input);
        let how = input.u8();
        Member {
            node: if how & 1 == 0 { key.node() } else { self.node(input) },
            key,
            name: "mirror".into(),
            role: if how & 2 == 0 { NodeRole::Mirror } else { NodeRole::Origin },
            region: None,
            classes: self.classes(input),
            verbs: Verbs::PULL.with(Verbs::from_bits(u32::from(how >> 3 & 7))),
            expires_ms: if how & 4 == 0 { 0 } else { input.number().cast_signed() },
            ticket: (how & 128 != 0).then(|| self.id(input)),
        }
    }

    fn classes(&self, input: &mut Input<'_>) -> Classes {
        match input.u8() % 3 {
            0 => Classes::all(),
            1 => Classes::new(vec!["news*".into()]).expect("a valid pattern"),
            _ => Classes::new(vec!["default".into(), "news1".into()]).expect("valid names"),
        }
    }

    /// Whether the order of arrival may decide: two roots of one version, or two successors of one key.
    fn is_disputed(&self) -> bool {
        let mut subjects = BTreeMap::new();
        self.all.iter().any(|statement| {
            let subject = match statement.body() {
                Body::Root(root) => (root.version, None),
                Body::Succession(next) => (0, Some((next.node, next.old))),
                _ => return false,
            };
            let before = subjects.insert(format!("{subject:?}"), statement.id());
            before.is_some_and(|before| before != statement.id())
        })
    }
}

/// Every statement of a set was offered and carries valid signatures, and the set loads again.
fn check_set(library: &Library, pool: &Pool) {
    for statement in library.statements() {
        assert!(pool.all.iter().any(|offered| offered.id() == statement.id()), "a statement from nowhere");
        assert!(statement.verify_signatures().is_ok(), "a signature in the set is not valid");
    }
    // The queries answer for every node and name without a panic.
    for key in &pool.keys {
        let node = key.node();
        let _ = (library.key_of(&node), library.credentials(&node), library.is_suspended(&node));
        let is_member = library.is_member(&node, NOW_MS);
        assert!(
            is_member || !library.may(&node, "default", Verbs::PULL, NOW_MS),
            "a right without membership"
        );
    }
    for said in library.channels() {
        assert!(library.release(&said.body.release).is_some(), "a channel points to an effective release");
    }
    if library.root().is_some() {
        let kept: Vec<_> =
            library.statements().into_iter().map(|statement| statement.bytes().clone()).collect();
        let again = Library::load(library.id(), kept, NOW_MS).expect("a set with a root loads");
        assert_same(library, &again, "loaded again");
    }
}

/// Nodes that are offered the same statements in any order and in any batches, and then exchange what they
/// know, agree.
fn check_orders(pool: &Pool, at_once: &Library, order: u8) {
    if pool.is_disputed() {
        return;
    }
    let mut others = pool.all.clone();
    let len = others.len();
    others.rotate_left(usize::from(order) % len);
    if order & 128 != 0 {
        others.reverse();
    }
    let mut piecewise = Library::new(pool.library);
    for batch in others.chunks(usize::from(order % 5) + 1) {
        let _ = piecewise.offer_all(batch, NOW_MS);
    }
    let mut first = at_once.clone();
    for _ in 0..3 {
        let known =
            |library: &Library| -> Vec<Statement> { library.statements().into_iter().cloned().collect() };
        let (one, two) = (known(&first), known(&piecewise));
        let _ = first.offer_all(&two, NOW_MS);
        let _ = piecewise.offer_all(&one, NOW_MS);
    }
    assert_same(&first, &piecewise, "in another order");
}

fn assert_same(one: &Library, two: &Library, how: &str) {
    let listed = |library: &Library| -> Vec<_> {
        let all = library.statements().into_iter();
        all.map(|statement| (statement.kind(), statement.sequence(), statement.id())).collect()
    };
    assert_eq!(listed(one), listed(two), "the statements, {how}");
    let digest = |library: &Library| library.inventory().digest(Kinds::KNOWN);
    assert_eq!(digest(one), digest(two), "the digest, {how}");
    let channels =
        |library: &Library| -> Vec<_> { library.channels().map(|said| said.statement.id()).collect() };
    assert_eq!(channels(one), channels(two), "the channels, {how}");
    let members = |library: &Library| -> Vec<_> {
        library.members().into_iter().map(|said| said.statement.id()).collect()
    };
    assert_eq!(members(one), members(two), "the members, {how}");
    let idle = |library: &Library| -> Vec<_> {
        library.statements().into_iter().map(|statement| library.why_idle(statement).is_some()).collect()
    };
    assert_eq!(idle(one), idle(two), "the effective statements, {how}");
}
