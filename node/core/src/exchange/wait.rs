//! How long a command waits for the answers of peers. A pure chooser: the peers that have not answered, and
//! the time so far, give the end of the wait.

use std::time::Duration;

/// How long a command waits for a peer that has answered the dial and has not ended the exchange.
const PEER_TIMEOUT: Duration = Duration::from_secs(10);
/// How long it waits where no peer has answered.
const NO_ANSWER_TIMEOUT: Duration = Duration::from_secs(3);
/// How long it waits for further peers after the first has answered.
const LATE_PEER_TIMEOUT: Duration = Duration::from_secs(2);
/// How long it waits for a peer that did not answer a short time ago.
const SILENT_PEER_TIMEOUT: Duration = Duration::from_millis(500);

/// The need of a command for its peers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Need {
    /// Their newest statements, before it signs.
    Newest,
    /// That they have its statements, which are effective in any case.
    Told,
}

/// A peer that has not answered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Pending {
    /// Whether it did not answer a short time ago.
    pub(super) is_silent: bool,
    /// Whether it has answered the dial.
    pub(super) is_connected: bool,
}

/// When the wait for these peers ends, from its beginning. `known` is the number of peers that were asked,
/// `first` the time of the first answer.
pub(super) fn limit(
    need: Need,
    known: usize,
    pending: impl IntoIterator<Item = Pending>,
    first: Option<Duration>,
) -> Duration {
    let usual = first.map_or(NO_ANSWER_TIMEOUT, |first| first + LATE_PEER_TIMEOUT);
    let of = |peer: Pending| match (need, peer) {
        // It has statements that may contradict the act, and is sending them.
        (Need::Newest, Pending { is_connected: true, .. }) => PEER_TIMEOUT.max(usual),
        // The only peer is waited for before an act: no other has what it has.
        (Need::Newest, Pending { is_silent: true, .. }) if known == 1 => usual,
        (_, Pending { is_silent: true, .. }) => SILENT_PEER_TIMEOUT,
        _ => usual,
    };
    pending.into_iter().map(of).max().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wait_ends_with_the_peer_that_gets_the_most_time() {
        let new = Pending::default();
        let silent = Pending { is_silent: true, ..new };
        let connected = Pending { is_connected: true, ..silent };
        let first = Some(Duration::from_millis(100));
        for (need, known, pending, first, ms) in [
            (Need::Newest, 2, vec![], first, 0),
            (Need::Newest, 2, vec![new, silent], None, 3000),
            (Need::Newest, 2, vec![new, silent], first, 2100),
            (Need::Newest, 2, vec![silent, silent], None, 500),
            (Need::Newest, 3, vec![silent], first, 500),
            (Need::Newest, 1, vec![silent], None, 3000),
            (Need::Told, 1, vec![silent], None, 500),
            (Need::Newest, 2, vec![connected, silent], first, 10_000),
            (Need::Told, 2, vec![connected, new], first, 2100),
        ] {
            let limit = limit(need, known, pending.clone(), first);
            assert_eq!(limit, Duration::from_millis(ms), "{need:?} {known} {pending:?} {first:?}");
        }
    }
}
