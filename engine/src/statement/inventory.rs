//! The names of all that a library knows, in an order in which two nodes can compare them.

use std::collections::BTreeMap;

use bytes::Bytes;

use super::{Library, Statement, library::place_in_order, pool::Pool};
use crate::{
    id::{EnvelopeId, SetDigest, StatementId},
    limits::{ANSWER_STATEMENTS, EXCHANGE_BUCKETS, EXCHANGE_BYTES},
};

/// Every envelope of a pool by name, and digests of them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Inventory {
    all: BTreeMap<EnvelopeId, StatementId>,
    buckets: Vec<u64>,
    /// Of all names.
    pub digest: SetDigest,
}

impl Inventory {
    pub(super) fn of(pool: &Pool) -> Self {
        let all: BTreeMap<_, _> =
            pool.known().map(|statement| (statement.envelope_id(), statement.id())).collect();
        let mut by_bucket: Vec<Vec<EnvelopeId>> = vec![Vec::new(); EXCHANGE_BUCKETS];
        for id in all.keys() {
            if let Some(bucket) = by_bucket.get_mut(usize::from(id.bucket())) {
                bucket.push(*id);
            }
        }
        let buckets = by_bucket.iter().map(|ids| SetDigest::of(ids).start()).collect();
        let digest = SetDigest::of(&all.keys().copied().collect::<Vec<_>>());
        Self { all, buckets, digest }
    }

    /// The digest of the names that begin with this byte.
    pub fn bucket(&self, bucket: u8) -> u64 {
        self.buckets.get(usize::from(bucket)).copied().unwrap_or_else(|| SetDigest::of(&[]).start())
    }

    /// Whether an envelope is known.
    pub fn contains(&self, id: &EnvelopeId) -> bool {
        self.all.contains_key(id)
    }

    /// The names that begin with this byte, ascending.
    pub fn in_bucket(&self, bucket: u8) -> impl Iterator<Item = EnvelopeId> {
        let range = EnvelopeId::first_of(bucket)..=EnvelopeId::last_of(bucket);
        self.all.range(range).map(|(id, _)| *id)
    }

    /// The statement in an envelope.
    pub fn statement<'a>(&self, library: &'a Library, id: &EnvelopeId) -> Option<&'a Statement> {
        library.statement(self.all.get(id)?)
    }

    /// The envelopes in `buckets` that are not among `ids`, each after what proves it, and whether these are all: as many as
    /// one answer may hold.
    pub fn missing(&self, library: &Library, buckets: &[u8], ids: &[EnvelopeId]) -> (Vec<Bytes>, bool) {
        let named = buckets.iter().flat_map(|bucket| self.in_bucket(*bucket));
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

    /// Names of envelopes that are known, once each, in the order in which their statements prove each other.
    pub(crate) fn in_order(&self, library: &Library, ids: Vec<EnvelopeId>) -> Vec<EnvelopeId> {
        let place = |statement| (library.is_rival(statement), place_in_order(statement));
        let known = ids.into_iter().filter_map(|id| Some((place(self.statement(library, &id)?), id)));
        let ordered: BTreeMap<_, _> = known.collect();
        ordered.into_values().collect()
    }
}
