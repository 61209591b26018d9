//! The metrics of a node, in the OpenMetrics text format. Services count into typed families: labels have few
//! values, so that no peer can make new time series.

use std::sync::{Mutex, PoisonError};

use prometheus_client::{
    encoding::{EncodeLabelSet, EncodeLabelValue, text::encode},
    metrics::{counter::Counter, family::Family, gauge::Gauge},
    registry::{Registry, Unit},
};

/// The result of an act.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EncodeLabelValue)]
pub(crate) enum Success {
    /// It succeeded.
    Ok,
    /// It failed.
    Failed,
}

/// Labels of an act.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(crate) struct Acted {
    /// Its result.
    pub(crate) result: Success,
}

/// Labels of a refusal.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(crate) struct RefusedAt {
    /// The stage at which a peer was refused.
    pub(crate) stage: &'static str,
}

/// The counters of a node.
#[derive(Debug)]
pub(crate) struct Metrics {
    /// Statements that became durable.
    pub(crate) statements: Counter,
    /// Moves of channels in this home.
    pub(crate) channel_moves: Counter,
    /// Exchanges of statements with peers.
    pub(crate) exchanges: Family<Acted, Counter>,
    /// Pulls.
    pub(crate) pulls: Family<Acted, Counter>,
    /// Plain bytes of chunks that pulls brought.
    pub(crate) pulled_bytes: Counter,
    /// Peers that failed an authentication.
    pub(crate) refused: Family<RefusedAt, Counter>,
    /// 1 while the node listens.
    pub(crate) listening: Gauge,
    registry: Mutex<Registry>,
}

impl Default for Metrics {
    fn default() -> Self {
        let mut metrics = Self {
            statements: Counter::default(),
            channel_moves: Counter::default(),
            exchanges: Family::default(),
            pulls: Family::default(),
            pulled_bytes: Counter::default(),
            refused: Family::default(),
            listening: Gauge::default(),
            registry: Mutex::new(Registry::with_prefix("chuan")),
        };
        let registry = metrics.registry.get_mut().unwrap_or_else(PoisonError::into_inner);
        registry.register("statements_stored", "Statements that became durable", metrics.statements.clone());
        registry.register("channel_moves", "Moves of channels in this home", metrics.channel_moves.clone());
        registry.register("exchanges", "Exchanges of statements with peers", metrics.exchanges.clone());
        registry.register("pulls", "Pulls", metrics.pulls.clone());
        registry.register_with_unit(
            "pulled",
            "Plain bytes of chunks that pulls brought",
            Unit::Bytes,
            metrics.pulled_bytes.clone(),
        );
        registry.register("peers_refused", "Peers that failed an authentication", metrics.refused.clone());
        registry.register("listening", "1 while the node listens for peers", metrics.listening.clone());
        metrics
    }
}

impl Metrics {
    /// All metrics as OpenMetrics text.
    pub(crate) fn encode(&self) -> String {
        let mut text = String::new();
        let registry = self.registry.lock().unwrap_or_else(PoisonError::into_inner);
        // Writing to a string cannot fail.
        let _ = encode(&mut text, &registry);
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_family_is_encoded() {
        let metrics = Metrics::default();
        metrics.statements.inc_by(3);
        metrics.exchanges.get_or_create(&Acted { result: Success::Failed }).inc();
        metrics.refused.get_or_create(&RefusedAt { stage: "hello" }).inc();
        metrics.pulled_bytes.inc_by(7);
        metrics.listening.set(1);
        let text = metrics.encode();
        for line in [
            "chuan_statements_stored_total 3",
            "chuan_exchanges_total{result=\"Failed\"} 1",
            "chuan_peers_refused_total{stage=\"hello\"} 1",
            "chuan_pulled_bytes_total 7",
            "chuan_listening 1",
            "# EOF",
        ] {
            assert!(text.lines().any(|found| found == line), "{line} is not in\n{text}");
        }
    }
}
