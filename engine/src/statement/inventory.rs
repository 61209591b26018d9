//! The names of all known statements of a library, in an order in which two nodes can compare them.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;

use super::{Kinds, Library, Statement, StatementKind, library::place_in_order, set::StatementSet};
use crate::{
    id::{EnvelopeId, SetDigest, StatementId},
    limits::{ANSWER_STATEMENTS, EXCHANGE_BYTES},
};

/// Every envelope of a statement set by name and kind, with digests. A digest covers the kinds that are asked
/// for: two nodes of different versions compare the kinds that both know.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Inventory {
    /// Kinds without a statement have no entry, so that they change no digest.
    kinds: BTreeMap<StatementKind, Names>,
}

/// The envelopes of one kind.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Names {
    all: BTreeMap<EnvelopeId, StatementId>,
    /// A digest of each bucket that is not empty.
    buckets: BTreeMap<u8, SetDigest>,
    digest: SetDigest,
}

impl Inventory {
    pub(super) fn of(set: &StatementSet) -> Self {
        let mut all: BTreeMap<StatementKind, BTreeMap<EnvelopeId, StatementId>> = BTreeMap::new();
        for statement in set.known() {
            all.entry(statement.kind()).or_default().insert(statement.envelope_id(), statement.id());
        }
        Self { kinds: all.into_iter().map(|(kind, all)| (kind, Names::of(all))).collect() }
    }

    fn of_kinds(&self, kinds: Kinds) -> impl Iterator<Item = (StatementKind, &Names)> {
        self.kinds.iter().map(|(kind, names)| (*kind, names)).filter(move |(kind, _)| kinds.contains(*kind))
    }

    /// The digest of all names of these kinds.
    pub fn digest(&self, kinds: Kinds) -> SetDigest {
        SetDigest::of_kinds(self.of_kinds(kinds).map(|(kind, names)| (kind.tag(), &names.digest)))
    }

    /// The start of the digest of the names of these kinds that begin with this byte.
    pub fn bucket(&self, kinds: Kinds, bucket: u8) -> u64 {
        let digests =
            self.of_kinds(kinds).filter_map(|(kind, names)| Some((kind.tag(), names.buckets.get(&bucket)?)));
        SetDigest::of_kinds(digests).start()
    }

    /// Whether an envelope is known.
    pub fn contains(&self, id: &EnvelopeId) -> bool {
        self.kinds.values().any(|names| names.all.contains_key(id))
    }

    /// The names of these kinds that begin with this byte, ascending.
    pub fn in_bucket(&self, kinds: Kinds, bucket: u8) -> BTreeSet<EnvelopeId> {
        let range = EnvelopeId::first_of(bucket)..=EnvelopeId::last_of(bucket);
        self.of_kinds(kinds)
            .flat_map(|(_, names)| names.all.range(range.clone()).map(|(id, _)| *id))
            .collect()
    }

    /// The statement in an envelope.
    pub fn statement<'a>(&self, library: &'a Library, id: &EnvelopeId) -> Option<&'a Statement> {
        library.statement(self.kinds.values().find_map(|names| names.all.get(id))?)
    }

    /// The envelopes of these kinds in `buckets` that are not among `ids`, each after the statements that
    /// prove it, as many as one answer may hold; and whether these are all.
    pub fn missing(
        &self,
        library: &Library,
        kinds: Kinds,
        buckets: &[u8],
        ids: &[EnvelopeId],
    ) -> (Vec<Bytes>, bool) {
        let named = buckets.iter().flat_map(|bucket| self.in_bucket(kinds, *bucket));
        let unnamed = named.filter(|id| ids.binary_search(id).is_err());
        let mut missing: Vec<_> = unnamed.filter_map(|id| self.statement(library, &id)).collect();
        missing.sort_by_key(|statement| (library.is_rival(statement), place_in_order(statement)));
        let mut bytes = 0;
        let fits = |statement: &&&Statement| {
            bytes += statement.bytes().len();
            bytes <= EXCHANGE_BYTES
        };
        let sent: Vec<_> = missing.iter().take(ANSWER_STATEMENTS).take_while(fits).collect();
        let all = sent.len() == missing.len();
        (sent.into_iter().map(|statement| statement.bytes().clone()).collect(), all)
    }

    /// Names of known envelopes, each once, in the order in which their statements prove each other.
    pub(crate) fn in_order(&self, library: &Library, ids: Vec<EnvelopeId>) -> Vec<EnvelopeId> {
        let place = |statement| (library.is_rival(statement), place_in_order(statement));
        let known = ids.into_iter().filter_map(|id| Some((place(self.statement(library, &id)?), id)));
        let ordered: BTreeMap<_, _> = known.collect();
        ordered.into_values().collect()
    }
}

impl Names {
    fn of(all: BTreeMap<EnvelopeId, StatementId>) -> Self {
        let ids: Vec<_> = all.keys().copied().collect();
        let by_bucket = ids.chunk_by(|left, right| left.bucket() == right.bucket());
        let bucket = |ids: &[EnvelopeId]| Some((ids.first()?.bucket(), SetDigest::of(ids)));
        Self { buckets: by_bucket.filter_map(bucket).collect(), digest: SetDigest::of(&ids), all }
    }
}
