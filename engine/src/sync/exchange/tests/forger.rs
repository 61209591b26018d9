//! An attacker who can reach every node and has some keys of others: a stranger's key, replaced keys, a
//! standby's key. It signs whatever might do harm.

use super::{
    mesh::{Mesh, NODES, key, node_key},
    people::{ANN, BO, LIVE, PUBLISHER, People, STANDBY, member},
};
use crate::{
    id::{LibraryId, ManifestId, NodeId, RecordId, StatementId},
    limits::SEQUENCE_JUMP,
    statement::{
        Accepted, Body, Channel, Checkpoint, Classes, Fresh, Header, Key, PublicKey, Release, Revoke, Role,
        RoleKind, Statement, TicketTerms, Verbs,
    },
};

const STRANGER: u8 = 90;
const THIEF: u8 = 91;

/// Forged statements, by their allowed effect.
#[derive(Debug, Default)]
pub(super) struct Forger {
    /// Statements that no node may store.
    pub(super) unstorable: Vec<StatementId>,
    /// Statements signed with a key that was valid once; they may be stored, but must be ineffective.
    pub(super) ineffective: Vec<StatementId>,
}

/// Keys whose signatures no node may store.
pub(super) fn strangers() -> [PublicKey; 2] {
    [key(STRANGER).public(), key(200).public()]
}

pub(super) fn thief() -> NodeId {
    key(THIEF).node()
}

impl Forger {
    pub(super) fn act(&mut self, mesh: &mut Mesh, people: &People) {
        match mesh.rng.below(9) {
            0 => self.sign_as_a_stranger(mesh),
            1 | 2 => self.use_a_replaced_key(mesh, people),
            3 => self.contradict(mesh),
            4 => self.alter(mesh),
            5 => self.sign_for_another_library(mesh),
            6 => self.jump(mesh),
            7 => self.add_signatures(mesh),
            _ => self.fork_a_log(mesh),
        }
    }

    /// Offers the statement to a random node.
    fn offer(mesh: &mut Mesh, statement: &Statement) {
        let node = mesh.rng.below(NODES);
        drop(mesh.nodes[node].offer(statement, mesh.now_ms));
    }

    fn sign(mesh: &Mesh, body: &Body, sequence: u64, keys: &[&Key]) -> Statement {
        let header = Header { library: Some(mesh.nodes[0].id()), sequence, time_ms: mesh.now_ms };
        Statement::sign(header, body, keys).unwrap()
    }

    fn bodies(mesh: &mut Mesh, who: &Key) -> Vec<Body> {
        let node = mesh.rng.below(NODES);
        let library = mesh.nodes[node].clone();
        let current = library.channel(LIVE);
        let release = current.map_or(StatementId::from_bytes([1; 32]), |said| said.body.release);
        let manifest = ManifestId::from_bytes(mesh.rng.bytes());
        let term = library.term(LIVE);
        let key = who.public();
        let mut root = library.root().unwrap().clone();
        root.version += 1;
        root.roles[0] = Role::any_of(RoleKind::Root, [key]);
        let terms = TicketTerms {
            key,
            redeemers: vec![node_key(0).node()],
            classes: Classes::all(),
            verbs: Verbs::PULL,
            role: None,
            region: None,
            expires_ms: i64::MAX,
            uses: 9,
        };
        vec![
            Body::Root(root),
            Body::Release(Release {
                parents: vec![],
                manifest,
                message: "free films".into(),
                classes: vec![],
            }),
            Body::Channel(Channel { name: LIVE.into(), release, active: key, follow: true, term }),
            Body::Channel(Channel { name: LIVE.into(), release, active: key, follow: true, term: None }),
            Body::Member(member(&super::mesh::key(THIEF), None)),
            Body::Ticket(terms),
            Body::Fresh(Fresh { channel: LIVE.into(), statement: release }),
            Body::Revoke(Revoke { node: node_key(0).node(), up_to: 900, reason: "gone".into() }),
            Body::Checkpoint(Checkpoint {
                node: node_key(0).node(),
                count: 7,
                head: RecordId::from_bytes([7; 32]),
            }),
        ]
    }

    fn sequence_of(mesh: &mut Mesh, body: &Body) -> u64 {
        match body {
            Body::Root(root) => root.version,
            Body::Checkpoint(checkpoint) => checkpoint.count,
            _ => 1 + mesh.rng.next() % 12,
        }
    }

    fn sign_as_a_stranger(&mut self, mesh: &mut Mesh) {
        let stranger = key(STRANGER);
        for body in Self::bodies(mesh, &stranger) {
            let sequence = Self::sequence_of(mesh, &body);
            let forged = Self::sign(mesh, &body, sequence, &[&stranger]);
            self.unstorable.push(forged.id());
            Self::offer(mesh, &forged);
        }
    }

    /// Keys that the root has replaced: statements signed with them from then on are ineffective where the
    /// replacement is known. (Any operator key ever named may revoke, by design; this is not tried.)
    fn use_a_replaced_key(&mut self, mesh: &mut Mesh, people: &People) {
        for (who, _) in [BO, PUBLISHER].into_iter().zip(people.replaced).filter(|(_, replaced)| *replaced) {
            let stolen = key(who);
            for body in Self::bodies(mesh, &stolen) {
                if matches!(body, Body::Root(_) | Body::Revoke(_)) {
                    continue;
                }
                let sequence = Self::sequence_of(mesh, &body);
                let forged = Self::sign(mesh, &body, sequence, &[&stolen]);
                self.ineffective.push(forged.id());
                Self::offer(mesh, &forged);
            }
        }
        if people.replaced[0] {
            self.redeem_in_anothers_name(mesh);
        }
    }

    /// A replaced operator's key binds the thief's key to a redeemer, and the redeemer redeems for the thief.
    fn redeem_in_anothers_name(&mut self, mesh: &mut Mesh) {
        let mut bound = member(&node_key(0), None);
        bound.key = key(THIEF).public();
        let bound = Self::sign(mesh, &Body::Member(bound), 2, &[&key(BO)]);
        self.ineffective.push(bound.id());
        let at = mesh.rng.below(NODES);
        drop(mesh.nodes[at].offer(&bound, mesh.now_ms));
        let tickets: Vec<_> = mesh.nodes[at].tickets().map(|said| said.statement.id()).collect();
        for ticket in tickets {
            let body = Body::Member(member(&key(THIEF), Some(ticket)));
            let forged = Self::sign(mesh, &body, 1, &[&key(THIEF)]);
            self.ineffective.push(forged.id());
            drop(mesh.nodes[at].offer(&forged, mesh.now_ms));
        }
    }

    /// The standby's key signs conflicting statements with one sequence, to several nodes.
    fn contradict(&mut self, mesh: &mut Mesh) {
        let standby = key(STANDBY);
        let node = mesh.rng.below(NODES);
        let library = mesh.nodes[node].clone();
        let releases: Vec<_> = library.releases().iter().map(|said| said.statement.id()).collect();
        let sequence = library.channel_highest(LIVE) + mesh.rng.next() % 3;
        for _ in 0..3 {
            let Some(release) = mesh.rng.pick(&releases) else { return };
            let active = standby.public();
            let term = library.term(LIVE);
            let body = Channel { name: LIVE.into(), release, active, follow: true, term };
            mesh.now_ms += 1;
            let said = Self::sign(mesh, &Body::Channel(body), sequence.max(1), &[&standby]);
            Self::offer(mesh, &said);
        }
        let Some(Body::Release(release)) =
            mesh.rng.pick(&releases).and_then(|id| library.statement(&id)).map(Statement::body)
        else {
            return;
        };
        for message in ["one", "other"] {
            let body = Release { message: message.into(), ..release.clone() };
            let said = Self::sign(mesh, &Body::Release(body), sequence.max(1), &[&standby]);
            Self::offer(mesh, &said);
        }
    }

    /// Flips one bit of a genuine statement.
    fn alter(&mut self, mesh: &mut Mesh) {
        let node = mesh.rng.below(NODES);
        let all = mesh.nodes[node].statements().into_iter().cloned().collect::<Vec<_>>();
        let original = &all[mesh.rng.below(all.len())];
        let mut bytes = original.bytes().to_vec();
        let at = mesh.rng.below(bytes.len());
        bytes[at] ^= 1 << mesh.rng.below(8);
        if let Ok(altered) = Statement::decode(&bytes) {
            let outcome = mesh.nodes[node].offer(&altered, mesh.now_ms);
            let is_news = outcome.as_ref().is_ok_and(Accepted::is_news);
            assert!(!is_news, "{altered:?} {outcome:?}");
            if altered.id() != original.id() {
                self.unstorable.push(altered.id());
            }
        }
    }

    /// A statement with a genuine key, but of another library.
    fn sign_for_another_library(&mut self, mesh: &mut Mesh) {
        let header = Header {
            library: Some(LibraryId::from_bytes([3; 32])),
            sequence: 1 + mesh.rng.next() % 9,
            time_ms: mesh.now_ms,
        };
        let body = Body::Member(member(&key(THIEF), None));
        let foreign = Statement::sign(header, &body, &[&key(ANN)]).unwrap();
        self.unstorable.push(foreign.id());
        Self::offer(mesh, &foreign);
    }

    /// A sequence so high that no statement could follow it.
    fn jump(&mut self, mesh: &mut Mesh) {
        let node = mesh.rng.below(NODES);
        let Some(current) = mesh.nodes[node].channel(LIVE) else { return };
        let release = current.body.release;
        let term = mesh.nodes[node].term(LIVE);
        let active = key(STANDBY).public();
        let body = Channel { name: LIVE.into(), release, active, follow: true, term };
        let far = (2 + 2 * (mesh.rng.next() % 1000)) * SEQUENCE_JUMP;
        for sequence in [u64::MAX - 1, far] {
            let forged = Self::sign(mesh, &Body::Channel(body.clone()), sequence, &[&key(STANDBY)]);
            self.ineffective.push(forged.id());
            Self::offer(mesh, &forged);
        }
    }

    /// Genuine statements with additional signatures.
    fn add_signatures(&mut self, mesh: &mut Mesh) {
        let node = mesh.rng.below(NODES);
        let all = mesh.nodes[node].statements().into_iter().cloned().collect::<Vec<_>>();
        for _ in 0..4 {
            let original = &all[mesh.rng.below(all.len())];
            let beside = original.cosign(&key(STRANGER)).unwrap().cosign(&key(200)).unwrap();
            Self::offer(mesh, &beside);
        }
    }

    /// Conflicting logs of one node.
    fn fork_a_log(&mut self, mesh: &mut Mesh) {
        let node = node_key(NODES - 1);
        for _ in 0..4 {
            let count = 1 + mesh.rng.next() % 40;
            let body = Checkpoint { node: node.node(), count, head: RecordId::from_bytes(mesh.rng.bytes()) };
            let said = Self::sign(mesh, &Body::Checkpoint(body), count, &[&node]);
            Self::offer(mesh, &said);
        }
    }
}
