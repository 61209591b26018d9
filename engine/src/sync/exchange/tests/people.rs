//! The people who sign statements of the library. Each of them acts at one node, on the statements that this
//! node knows.

use super::mesh::{Mesh, NODES, START_MS, key, node_key};
use crate::{
    id::{Commitment, NodeId, RecordId, Salt, StatementId},
    manifest::table::ClassTable,
    statement::{
        Accepted, Body, Channel, Checkpoint, Classes, Header, Key, Library, Member, NodeRole, PublicKey,
        ReleaseClass, Role, RoleKind, Root, Statement, TicketTerms, Verbs, library,
    },
};

pub(super) const LIVE: &str = "live";
/// Operators. The second one is replaced during a run.
pub(super) const ANN: u8 = 3;
pub(super) const BO: u8 = 4;
const BO_NEXT: u8 = 5;
/// Publishers. The first one is replaced during a run; the third one has only one class.
pub(super) const PUBLISHER: u8 = 6;
pub(super) const STANDBY: u8 = 7;
const PUBLISHER_NEXT: u8 = 8;
const TRAILERS: u8 = 11;
/// Timekeepers; two of them must agree.
const TIMEKEEPERS: [u8; 3] = [9, 10, 12];
/// Nodes that join, and are not part of the mesh.
const JOINERS: std::ops::Range<u8> = 40..46;
const OLD_MEMBERS: [u8; 2] = [44, 45];
const TICKET_KEYS: std::ops::Range<u8> = 50..55;
const DAY_MS: i64 = 86_400_000;

/// The people's keys and state.
#[derive(Debug)]
pub(super) struct People {
    root_key: u8,
    /// Statements that conflict with a root and were not published yet.
    rivals: Vec<Statement>,
    /// The current key of each node of the mesh.
    keys: Vec<Key>,
    fresh_keys: u8,
    /// Releases of the third publisher that change a class of others.
    pub(super) beyond: Vec<StatementId>,
    /// Whether Bo and the first publisher were replaced.
    pub(super) replaced: [bool; 2],
}

/// The statements of a founded library and its five nodes.
pub(super) fn found() -> Vec<Statement> {
    let body = Body::Root(first_root());
    let header = Header { library: None, sequence: 1, time_ms: START_MS };
    let root = Statement::sign(header, &body, &[&key(1)]).unwrap();
    let mut library = Library::new(root.library());
    assert_eq!(library.offer(&root, START_MS).unwrap(), Accepted::New);
    let admit = |node| library::member(&library, &key(ANN), member(&node_key(node), None), START_MS).unwrap();
    [root.clone()].into_iter().chain((0..NODES).map(admit)).collect()
}

fn first_root() -> Root {
    let publics = |keys: &[u8]| keys.iter().map(|n| key(*n).public()).collect::<Vec<_>>();
    let trailers = Role {
        classes: Classes::new(vec!["trailers".into()]).unwrap(),
        ..Role::any_of(RoleKind::Publisher, publics(&[TRAILERS]))
    };
    Root {
        version: 1,
        nonce: Salt::from_bytes([9; 32]),
        name: "films".into(),
        expires_ms: 0,
        roles: vec![
            Role::any_of(RoleKind::Root, publics(&[1])),
            Role::any_of(RoleKind::Operator, publics(&[ANN, BO])),
            Role::any_of(RoleKind::Publisher, publics(&[PUBLISHER, STANDBY])),
            trailers,
            Role { threshold: 2, ..Role::any_of(RoleKind::Timekeeper, publics(&TIMEKEEPERS)) },
        ],
        pins: Vec::new(),
        lists: Vec::new(),
    }
}

pub(super) fn member(node: &Key, ticket: Option<StatementId>) -> Member {
    Member {
        node: node.node(),
        key: node.public(),
        name: "node".into(),
        role: NodeRole::Mirror,
        region: None,
        classes: Classes::all(),
        verbs: Verbs::PULL,
        expires_ms: 0,
        ticket,
    }
}

/// All nodes that may be members.
pub(super) fn all_nodes() -> Vec<NodeId> {
    (0..NODES).map(|n| node_key(n).node()).chain(JOINERS.map(|n| key(n).node())).collect()
}

/// The node at which a person acts.
pub(super) fn home(person: u8) -> usize {
    usize::from(person) % NODES
}

impl People {
    pub(super) fn new() -> Self {
        Self {
            root_key: 1,
            rivals: Vec::new(),
            keys: (0..NODES).map(node_key).collect(),
            fresh_keys: 100,
            beyond: Vec::new(),
            replaced: [false; 2],
        }
    }

    /// The first release, an operator's channel statement, some members and tickets.
    pub(super) fn begin(&mut self, mesh: &mut Mesh) {
        self.publish(mesh, PUBLISHER);
        mesh.heal();
        assert!(self.set_channel(mesh, ANN));
        for joiner in OLD_MEMBERS {
            let at = home(ANN);
            let body = member(&key(joiner), None);
            let made = library::member(&mesh.nodes[at], &key(ANN), body, mesh.now_ms).unwrap();
            Self::offer(mesh, at, &made);
        }
        self.issue_ticket(mesh, ANN);
        self.issue_ticket(mesh, BO);
        mesh.heal();
    }

    /// A random action.
    pub(super) fn act(&mut self, mesh: &mut Mesh) {
        let operator = mesh.rng.pick(&[ANN, BO, BO_NEXT]).unwrap();
        match mesh.rng.below(21) {
            0..=3 => {
                let publisher = mesh.rng.pick(&[PUBLISHER, STANDBY, PUBLISHER_NEXT]).unwrap();
                self.publish(mesh, publisher);
            }
            4 | 5 => self.publish_trailers(mesh),
            6 => self.grant(mesh, operator),
            7 => self.revoke(mesh, operator),
            8 | 9 => drop(self.set_channel(mesh, operator)),
            10 => self.issue_ticket(mesh, operator),
            11..=13 => self.redeem(mesh),
            14 | 15 => self.succeed(mesh),
            16 | 17 => self.sign_fresh(mesh),
            18 => self.sign_checkpoint(mesh),
            19 => self.contradict_root(mesh),
            _ => self.rotate(mesh),
        }
    }

    /// Offers a statement to a node, which must accept it: people sign no statement that is wrong by what
    /// their node knows.
    fn offer(mesh: &mut Mesh, node: usize, statement: &Statement) {
        let outcome = mesh.nodes[node].offer(statement, mesh.now_ms).unwrap();
        assert!(!matches!(outcome, Accepted::Unauthorized { .. }), "{statement:?} {outcome:?}");
    }

    fn classes(mesh: &mut Mesh, before: Option<&Statement>) -> Vec<ReleaseClass> {
        let old = match before.map(Statement::body) {
            Some(Body::Release(release)) => release.classes.clone(),
            _ => Vec::new(),
        };
        let name = |slot: u8| ["films", "trailers"][usize::from(slot)].to_owned();
        let mut make = |slot: u8| {
            let commitment = Commitment::from_bytes(mesh.rng.bytes());
            ReleaseClass { slot, name: name(slot), commitment }
        };
        let changed = make(0);
        vec![changed, old.get(1).cloned().unwrap_or_else(|| make(1))]
    }

    pub(super) fn publish(&mut self, mesh: &mut Mesh, publisher: u8) {
        let home = home(publisher);
        let library = mesh.nodes[home].clone();
        let named = library.root().unwrap().names(RoleKind::Publisher, &key(publisher).public());
        if !named {
            return;
        }
        let now_ms = mesh.now_ms;
        let current = library.channel(LIVE);
        let parents: Vec<_> = current.iter().map(|said| said.body.release).collect();
        let before = parents.first().and_then(|id| library.statement(id));
        let classes = Self::classes(mesh, before);
        let made = release(&library, publisher, parents, classes, now_ms);
        Self::offer(mesh, home, &made);
        let active = key(publisher).public();
        if current.is_some_and(|said| said.body.active == active) {
            self.move_channel(mesh, publisher, made.id(), active);
        }
    }

    /// The third publisher changes its own class, or a class of others; in the latter case the release is
    /// ineffective.
    fn publish_trailers(&mut self, mesh: &mut Mesh) {
        let home = home(TRAILERS);
        let library = mesh.nodes[home].clone();
        let Some(current) = library.channel(LIVE) else { return };
        let parent = current.body.release;
        let Some(Body::Release(before)) = library.statement(&parent).map(Statement::body) else { return };
        let mut classes = before.classes.clone();
        let slot = usize::from(!mesh.rng.one_in(3));
        classes[slot].commitment = Commitment::from_bytes(mesh.rng.bytes());
        let made = release(&library, TRAILERS, vec![parent], classes, mesh.now_ms);
        if slot == 0 {
            self.beyond.push(made.id());
        }
        Self::offer(mesh, home, &made);
    }

    pub(super) fn move_channel(&self, mesh: &mut Mesh, signer: u8, release: StatementId, active: PublicKey) {
        let home = home(signer);
        let body = Channel { name: LIVE.into(), release, active, follow: true, term: None };
        let made = library::channel(&mesh.nodes[home], &key(signer), body, mesh.now_ms).unwrap();
        Self::offer(mesh, home, &made);
    }

    /// An operator sets the channel's release and publisher. Returns whether it could.
    pub(super) fn set_channel(&mut self, mesh: &mut Mesh, operator: u8) -> bool {
        let library = &mesh.nodes[home(operator)];
        let releases: Vec<_> = library.releases().iter().map(|said| said.statement.id()).collect();
        let root = library.root().unwrap();
        let mut publishers: Vec<_> = [PUBLISHER, PUBLISHER_NEXT, STANDBY].map(|n| key(n).public()).to_vec();
        publishers.retain(|publisher| root.names(RoleKind::Publisher, publisher));
        let is_operator = library.is_operator(&key(operator).public());
        let (Some(release), Some(active)) = (mesh.rng.pick(&releases), mesh.rng.pick(&publishers)) else {
            return false;
        };
        if is_operator {
            self.move_channel(mesh, operator, release, active);
        }
        is_operator
    }

    fn grant(&mut self, mesh: &mut Mesh, operator: u8) {
        let home = home(operator);
        let library = mesh.nodes[home].clone();
        if !library.is_operator(&key(operator).public()) {
            return;
        }
        let joiner = key(JOINERS.start + u8::try_from(mesh.rng.below(JOINERS.len())).unwrap());
        let mut body = member(&joiner, None);
        body.key = library.key_of(&joiner.node()).unwrap_or(body.key);
        if mesh.rng.one_in(4) {
            body.key = self.next_key().public();
        }
        let made = library::member(&library, &key(operator), body, mesh.now_ms).unwrap();
        Self::offer(mesh, home, &made);
    }

    fn revoke(&mut self, mesh: &mut Mesh, operator: u8) {
        let home = home(operator);
        let joiner = key(JOINERS.start + u8::try_from(mesh.rng.below(JOINERS.len())).unwrap()).node();
        let library = mesh.nodes[home].clone();
        if library.is_operator(&key(operator).public()) {
            let made = library::revoke(&library, &key(operator), joiner, "lost", mesh.now_ms).unwrap();
            Self::offer(mesh, home, &made);
        }
    }

    fn issue_ticket(&mut self, mesh: &mut Mesh, operator: u8) {
        let home = home(operator);
        let library = mesh.nodes[home].clone();
        if !library.is_operator(&key(operator).public()) {
            return;
        }
        let mut redeemers = vec![node_key(0).node(), node_key(1).node(), node_key(2).node()];
        redeemers.sort_unstable();
        let terms = TicketTerms {
            key: key(TICKET_KEYS.start + u8::try_from(mesh.rng.below(TICKET_KEYS.len())).unwrap()).public(),
            redeemers,
            classes: Classes::all(),
            verbs: Verbs::PULL,
            role: None,
            region: None,
            expires_ms: START_MS + DAY_MS,
            uses: 1 + u32::try_from(mesh.rng.below(2)).unwrap(),
        };
        let made = library::ticket(&library, &key(operator), terms, mesh.now_ms).unwrap();
        Self::offer(mesh, home, &made);
    }

    /// A node redeems a ticket for a new member. It cannot know of other uses of the ticket at the same time.
    fn redeem(&mut self, mesh: &mut Mesh) {
        let node = mesh.rng.below(3);
        let library = mesh.nodes[node].clone();
        let tickets: Vec<_> = library.tickets().map(|said| said.statement.id()).collect();
        let Some(ticket) = mesh.rng.pick(&tickets) else { return };
        let joiner = key(JOINERS.start + u8::try_from(mesh.rng.below(JOINERS.len())).unwrap());
        let redeemer = node_key(node).node();
        if let Ok(None) = library.redeem(&ticket, &joiner.node(), &redeemer, mesh.now_ms) {
            let body = member(&joiner, Some(ticket));
            let made = library::member(&library, &self.keys[node], body, mesh.now_ms).unwrap();
            Self::offer(mesh, node, &made);
        }
    }

    /// A node of the mesh changes its key. Or a joiner does, at any node, so possibly twice, and more often
    /// than nodes keep.
    fn succeed(&mut self, mesh: &mut Mesh) {
        let at = mesh.rng.below(NODES);
        let library = mesh.nodes[at].clone();
        let new = self.next_key();
        let (node, old) = match mesh.rng.one_in(3) {
            true => (node_key(at).node(), std::mem::replace(&mut self.keys[at], new.clone())),
            false => {
                let joiner = key(mesh.rng.pick(&OLD_MEMBERS).unwrap());
                if library.key_of(&joiner.node()) != Some(joiner.public()) {
                    return;
                }
                (joiner.node(), joiner)
            }
        };
        let made = library::succession(&library, node, &old, &new, 1000, mesh.now_ms).unwrap();
        let outcome = mesh.nodes[at].offer(&made, mesh.now_ms);
        assert!(outcome.is_ok() || library.is_suspended(&node), "{made:?} {outcome:?}");
    }

    fn sign_fresh(&mut self, mesh: &mut Mesh) {
        let timekeeper = mesh.rng.pick(&TIMEKEEPERS).unwrap();
        let library = mesh.nodes[home(timekeeper)].clone();
        if let Ok(made) = library::fresh(&library, &key(timekeeper), LIVE, mesh.now_ms) {
            Self::offer(mesh, home(timekeeper), &made);
        }
    }

    /// A node signs a checkpoint of its log. The last node's home was cloned, so its log continues at several
    /// places.
    fn sign_checkpoint(&mut self, mesh: &mut Mesh) {
        let node = mesh.rng.below(NODES);
        let at = if node == NODES - 1 { mesh.rng.below(NODES) } else { node };
        let library = mesh.nodes[at].clone();
        let id = node_key(node).node();
        let count = 1 + library.checkpoints(&id).first().map_or(0, |said| said.body.count);
        let body = Checkpoint { node: id, count, head: RecordId::from_bytes(mesh.rng.bytes()) };
        let made = library::checkpoint(&library, &node_key(node), body, mesh.now_ms).unwrap();
        Self::offer(mesh, at, &made);
    }

    /// The root quorum replaces a key, and pins the statements that the key signed while it was trusted.
    fn rotate(&mut self, mesh: &mut Mesh) {
        let home = home(1);
        let library = mesh.nodes[home].clone();
        let before = library.root().unwrap().clone();
        let mut next = Root { version: before.version + 1, ..before };
        let (old, new) = match (mesh.rng.below(3), self.replaced, self.root_key) {
            (0, [false, _], _) => (BO, BO_NEXT),
            (1, [_, false], _) => (PUBLISHER, PUBLISHER_NEXT),
            (2, _, 1) => (1, 2),
            _ => return,
        };
        for role in &mut next.roles {
            for held in role.keys.iter_mut().filter(|held| **held == key(old).public()) {
                *held = key(new).public();
            }
            role.keys.sort_unstable();
        }
        let by_old = |statement: &&Statement| statement.signers().any(|signer| *signer == key(old).public());
        let effective = library.releases().into_iter().map(|said| said.statement);
        let effective = effective.chain(library.channel_history(LIVE).into_iter().map(|said| said.statement));
        let effective = effective.chain(library.tickets().map(|said| said.statement));
        let effective = effective.chain(library.members().into_iter().map(|said| said.statement));
        next.pins.extend(effective.filter(by_old).map(Statement::id));
        next.pins.sort_unstable();
        next.pins.dedup();
        let header = Header { library: Some(library.id()), sequence: next.version, time_ms: mesh.now_ms };
        let signer = key(self.root_key);
        match old {
            BO => self.replaced[0] = true,
            PUBLISHER => self.replaced[1] = true,
            _ => self.root_key = new,
        }
        let signers = [&signer, &key(self.root_key)];
        let made = Statement::sign(header, &Body::Root(next.clone()), &signers).unwrap();
        Self::offer(mesh, home, &made);
        next.expires_ms = 1;
        self.rivals.push(Statement::sign(header, &Body::Root(next), &signers).unwrap());
    }

    /// The holder of an earlier root quorum's keys publishes a root that conflicts with an earlier one. Only
    /// where all nodes know the first root: otherwise no node could tell which of the two was first.
    pub(super) fn contradict_root(&mut self, mesh: &mut Mesh) {
        let known = mesh.nodes.iter().filter_map(|node| Some(node.root()?.version)).min().unwrap_or(0);
        if let Some(place) = self.rivals.iter().position(|rival| rival.sequence() <= known) {
            let rival = self.rivals.remove(place);
            let at = mesh.rng.below(NODES);
            Self::offer(mesh, at, &rival);
        }
    }

    /// A new key.
    fn next_key(&mut self) -> Key {
        self.fresh_keys = self.fresh_keys.wrapping_add(1).max(100);
        Key::from_seed([self.fresh_keys; 32])
    }
}

fn release(
    library: &Library,
    publisher: u8,
    parents: Vec<StatementId>,
    classes: Vec<ReleaseClass>,
    now_ms: i64,
) -> Statement {
    let table = ClassTable { classes: classes.iter().map(|class| (class.slot, class.commitment)).collect() };
    library::release_of_classes(
        library,
        &key(publisher),
        parents,
        (table.id(&library.id()), classes),
        "",
        now_ms,
    )
    .unwrap()
}
