//! Five nodes in memory that exchange statements over wires that lose, cut, repeat, reorder and delay
//! messages.
//!
//! All events follow from a seed. Requests and answers are encoded and decoded.

use std::sync::LazyLock;

use bytes::Bytes;

use super::{forger::Forger, people::People};
use crate::{
    limits::EXCHANGE_ROUNDS,
    statement::{Key, Kinds, Library, Statement, StatementKind},
    sync::{
        exchange::{Exchange, Talk, answer},
        frame::{Assembler, Frame},
        message::{Refusal, Request},
        pair::to_bytes,
    },
};

pub(super) const NODES: usize = 5;
/// A time in 2026.
pub(super) const START_MS: i64 = 1_793_000_000_000;

/// The key of this number. Made once: a run asks for its keys thousands of times.
pub(super) fn key(n: u8) -> Key {
    static KEYS: LazyLock<Vec<Key>> =
        LazyLock::new(|| (0..=u8::MAX).map(|n| Key::from_seed([n; 32])).collect());
    KEYS[usize::from(n)].clone()
}

/// The first key of a node of the mesh.
pub(super) fn node_key(node: usize) -> Key {
    key(20 + u8::try_from(node).unwrap())
}

/// Pseudo-random numbers (xorshift64*, Vigna 2016).
#[derive(Debug)]
pub(super) struct Rng(u64);

impl Rng {
    pub(super) fn new(seed: u64) -> Self {
        let mut rng = Self(seed.wrapping_mul(2).wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15));
        for _ in 0..8 {
            rng.next();
        }
        rng
    }

    pub(super) fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    /// A number below `bound`.
    pub(super) fn below(&mut self, bound: usize) -> usize {
        usize::try_from(self.next() % u64::try_from(bound.max(1)).unwrap()).unwrap()
    }

    pub(super) fn one_in(&mut self, many: usize) -> bool {
        self.below(many) == 0
    }

    pub(super) fn pick<T: Copy>(&mut self, some: &[T]) -> Option<T> {
        let at = self.below(some.len());
        some.get(at).copied()
    }

    pub(super) fn bytes(&mut self) -> [u8; 32] {
        std::array::from_fn(|_| self.next().to_le_bytes()[7])
    }

    pub(super) fn shuffle<T>(&mut self, some: &mut [T]) {
        for at in (1..some.len()).rev() {
            some.swap(at, self.below(at + 1));
        }
    }
}

/// The cost of a faultless exchange.
#[derive(Debug, Default)]
pub(super) struct Cost {
    pub(super) requests: u32,
    pub(super) frames: usize,
    pub(super) bytes: usize,
}

#[derive(Debug)]
pub(super) struct Mesh {
    pub(super) nodes: Vec<Library>,
    /// The kinds of statements that each node knows: not all nodes are of the same version.
    pub(super) kinds: [Kinds; NODES],
    pub(super) rng: Rng,
    pub(super) now_ms: i64,
    /// Which side of a partition a node is on.
    sides: [bool; NODES],
    /// The statements that faultless exchanges sent: the receiving node, and the kind.
    pub(super) sent: Vec<(usize, StatementKind)>,
    /// Envelopes that are delivered later, by receiving node.
    late: Vec<(usize, Vec<Bytes>)>,
    /// Requests that a wire may repeat.
    repeatable: Vec<(usize, usize, Bytes)>,
}

impl Mesh {
    /// Nodes that all know `first`.
    pub(super) fn new(seed: u64, first: &[Statement]) -> Self {
        let library = first.first().unwrap().library();
        let known = Library::open(library, first.iter().cloned(), START_MS).unwrap();
        Self {
            nodes: vec![known; NODES],
            kinds: [Kinds::KNOWN; NODES],
            rng: Rng::new(seed),
            now_ms: START_MS,
            sides: [true; NODES],
            sent: Vec::new(),
            late: Vec::new(),
            repeatable: Vec::new(),
        }
    }

    /// The kinds that two nodes both know.
    pub(super) fn common(&self, one: usize, other: usize) -> Kinds {
        self.kinds[one].common(self.kinds[other])
    }

    /// One event: an action, an exchange, or a change of the network.
    pub(super) fn step(&mut self, people: &mut People, forger: &mut Forger) {
        self.now_ms += i64::try_from(self.rng.below(1000)).unwrap();
        match self.rng.below(10) {
            0..=3 => people.act(self),
            4 => forger.act(self, people),
            5..=7 => {
                let (one, other) = (self.rng.below(NODES), self.rng.below(NODES));
                if one != other && self.sides[one] == self.sides[other] {
                    self.run_faulty_exchange(one, other, people);
                }
            }
            8 => self.deliver_late(),
            _ => self.sides = std::array::from_fn(|_| self.rng.one_in(2)),
        }
    }

    /// An exchange over a faulty wire; `asker` may get the envelopes in pieces, or only a part of them.
    fn run_faulty_exchange(&mut self, asker: usize, answerer: usize, people: &mut People) {
        let mut exchange = Exchange::new(self.nodes[asker].clone(), self.kinds[asker]);
        while let Some(request) = exchange.poll_request() {
            let payload = Frame::Request(request).encode().unwrap().payload;
            if self.rng.one_in(12) {
                break;
            }
            if self.rng.one_in(4) {
                self.repeatable.push((asker, answerer, payload.clone()));
            }
            if self.rng.one_in(6) {
                people.act(self);
            }
            let mut frames = self.answer(asker, answerer, &payload);
            if self.rng.one_in(8) && !self.repeatable.is_empty() {
                let at = self.rng.below(self.repeatable.len());
                let (asker, answerer, again) = self.repeatable.swap_remove(at);
                drop(self.answer(asker, answerer, &again));
            }
            let lost = self.rng.one_in(10);
            if lost {
                frames.truncate(self.rng.below(frames.len()));
            }
            frames.into_iter().for_each(|frame| exchange.handle(frame).unwrap());
            if lost {
                break;
            }
        }
        let received = exchange.take_received();
        self.deliver_faulty(asker, received);
    }

    /// Answers a request and stores the offered statements; returns the frames that arrive.
    fn answer(&mut self, asker: usize, answerer: usize, payload: &Bytes) -> Vec<Frame> {
        let Request::Exchange { talk, .. } = Request::decode(payload).unwrap() else { unreachable!() };
        let peer = node_key(asker).node();
        let frames =
            match answer(&self.nodes[answerer], self.common(asker, answerer), talk, &peer, self.now_ms) {
                Ok(reply) => {
                    self.deliver_faulty(answerer, reply.offered);
                    reply.frames
                }
                Err(error) => vec![Frame::Error(Refusal::of(&error))],
            };
        let mut assembler = Assembler::default();
        let mut arrived = Vec::new();
        for frame in frames {
            assembler.push(to_bytes(&frame).into());
            while let Some(frame) = assembler.next().unwrap() {
                arrived.push(frame);
            }
        }
        arrived
    }

    fn deliver_faulty(&mut self, node: usize, mut envelopes: Vec<Bytes>) {
        if self.rng.one_in(3) {
            self.rng.shuffle(&mut envelopes);
        }
        if self.rng.one_in(4) {
            self.late.push((node, envelopes.clone()));
            if self.rng.one_in(2) {
                return;
            }
        }
        let one_by_one = self.rng.one_in(3);
        self.deliver(node, &envelopes, one_by_one);
    }

    fn deliver_late(&mut self) {
        if !self.late.is_empty() {
            let (node, envelopes) = self.late.swap_remove(self.rng.below(self.late.len()));
            let one_by_one = self.rng.one_in(2);
            self.deliver(node, &envelopes, one_by_one);
        }
    }

    fn deliver(&mut self, node: usize, envelopes: &[Bytes], one_by_one: bool) {
        let statements: Vec<_> = envelopes.iter().map(|bytes| Statement::decode(bytes).unwrap()).collect();
        let size = if one_by_one { 1 } else { statements.len().max(1) };
        for some in statements.chunks(size) {
            drop(self.nodes[node].offer_all(some, self.now_ms));
        }
    }

    /// A faultless exchange.
    pub(super) fn run_exchange(&mut self, asker: usize, answerer: usize) -> Cost {
        let mut exchange = Exchange::new(self.nodes[asker].clone(), self.kinds[asker]);
        let mut cost = Cost::default();
        while let Some(request) = exchange.poll_request() {
            cost.requests += 1;
            assert!(cost.requests <= EXCHANGE_ROUNDS);
            let encoded = Frame::Request(request).encode().unwrap();
            cost.bytes += encoded.payload.len();
            let Request::Exchange { talk, .. } = Request::decode(&encoded.payload).unwrap() else {
                unreachable!()
            };
            let peer = node_key(asker).node();
            if let Talk::Offer(statements) = &talk {
                statements.iter().for_each(|bytes| self.note_sent(answerer, bytes));
            }
            let kinds = self.common(asker, answerer);
            let reply = answer(&self.nodes[answerer], kinds, talk, &peer, self.now_ms).unwrap();
            self.deliver(answerer, &reply.offered, false);
            for frame in reply.frames {
                cost.frames += 1;
                cost.bytes += to_bytes(&frame).len();
                if let Frame::Statement(bytes) = &frame {
                    self.note_sent(asker, bytes);
                }
                exchange.handle(frame).unwrap();
            }
        }
        self.deliver(asker, &exchange.take_received(), false);
        cost
    }

    fn note_sent(&mut self, to: usize, envelope: &[u8]) {
        self.sent.push((to, Statement::decode(envelope).unwrap().kind()));
    }

    /// Whether all nodes know the same statements, each pair of the kinds that both know.
    fn agree(&self) -> bool {
        let same = |one: usize, other: usize| {
            let kinds = self.common(one, other);
            self.nodes[one].inventory().digest(kinds) == self.nodes[other].inventory().digest(kinds)
        };
        (0..NODES).all(|one| (0..one).all(|other| same(one, other)))
    }

    /// Heals the network: nodes exchange in random order until all know the same statements.
    pub(super) fn heal(&mut self) {
        self.sides = [true; NODES];
        while !self.late.is_empty() {
            self.deliver_late();
        }
        let mut pairs: Vec<_> =
            (0..NODES).flat_map(|one| (0..NODES).map(move |other| (one, other))).collect();
        pairs.retain(|(one, other)| one != other);
        for _ in 0..NODES {
            if self.agree() {
                return;
            }
            self.rng.shuffle(&mut pairs);
            for (one, other) in &pairs {
                self.run_exchange(*one, *other);
            }
        }
        panic!("the nodes never agree");
    }
}
