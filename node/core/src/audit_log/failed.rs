//! Failed authentications, counted: any number of them becomes a few records a minute.

use std::{
    collections::BTreeMap,
    net::{IpAddr, Ipv6Addr},
};

use chuan_engine::audit::{Actor, Event, Verb};

/// The time for which failures of one remote and kind are counted in one record.
const WINDOW_MS: i64 = 60_000;
/// The maximum number of pairs of remote and kind with a record of their own in that time. All others share
/// one record for each kind.
const WINDOWS: usize = 32;

/// The address of a peer that failed an authentication, and the actor as far as it is proved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Remote {
    pub(crate) address: IpAddr,
    pub(crate) actor: Actor,
}

/// The failures that are counted and not recorded yet.
#[derive(Debug, Default)]
pub(crate) struct FailedAuths {
    windows: BTreeMap<(&'static str, Option<IpAddr>), Window>,
}

#[derive(Debug)]
struct Window {
    actor: Actor,
    count: u32,
    first_ms: i64,
    last_ms: i64,
    why: String,
}

impl FailedAuths {
    /// Counts a failure. `kind` names the failed operation. Of the reasons `why`, only the first is recorded.
    /// Returns whether it is the first of its record.
    pub(crate) fn count(&mut self, kind: &'static str, remote: Remote, why: &str, now_ms: i64) -> bool {
        let mut key = (kind, Some(network_of(remote.address)));
        if !self.windows.contains_key(&key) && self.windows.len() >= WINDOWS {
            key.1 = None;
        }
        let window = self.windows.entry(key).or_insert_with(|| Window {
            actor: remote.actor,
            count: 0,
            first_ms: now_ms,
            last_ms: now_ms,
            why: why.to_owned(),
        });
        window.count = window.count.saturating_add(1);
        window.last_ms = now_ms;
        if window.actor != remote.actor {
            window.actor = Actor::Nobody;
        }
        window.count == 1
    }

    /// The events of the windows that have ended; of all windows if `all`.
    pub(crate) fn due(&mut self, now_ms: i64, all: bool) -> Vec<Event> {
        // A clock that went back also ends a window.
        let is_due = |window: &Window| {
            all || !(window.first_ms..window.first_ms.saturating_add(WINDOW_MS)).contains(&now_ms)
        };
        let due = self.windows.extract_if(.., |_, window| is_due(window));
        due.map(|((kind, place), window)| event(kind, place, &window)).collect()
    }
}

fn event(kind: &str, place: Option<IpAddr>, window: &Window) -> Event {
    let place = place.map_or_else(|| "many other places".to_owned(), |place| place.to_string());
    let span = u64::try_from(window.last_ms.saturating_sub(window.first_ms)).unwrap_or(0);
    Event::new(Verb::FailedAuth, format!("{kind} from {place}"))
        .by(window.actor)
        .refused(&window.why)
        .times(window.count, span)
}

/// The IPv4 address, or the /64 of an IPv6 address: a host can usually use every address of its /64.
fn network_of(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => {
            let [a, b, c, d, ..] = address.segments();
            IpAddr::V6(Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0))
        }
        address => address,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn remote(n: u32) -> Remote {
        Remote { address: IpAddr::V4(n.into()), actor: Actor::Nobody }
    }

    #[test]
    fn a_hundred_thousand_failures_are_a_few_records() {
        let mut failed = FailedAuths::default();
        for n in 0..100_000 {
            failed.count("handshake", remote(n), "no key", 1_000 + i64::from(n) / 10);
        }
        assert!(failed.due(60_999, false).is_empty());
        let events = failed.due(71_000, false);
        assert_eq!(events.len(), 33);
        assert_eq!(events.iter().map(|event| event.count).sum::<u32>(), 100_000);
        let others = &events[0];
        assert_eq!((others.subject.as_str(), others.count), ("handshake from many other places", 99_968));
        assert_eq!(others.span_ms, 9_999 - 3);
        assert!(failed.due(i64::MAX, true).is_empty());
    }

    #[test]
    fn one_remote_and_kind_is_one_record_a_minute() {
        let mut failed = FailedAuths::default();
        let v6 = |text: &str| Remote { address: text.parse().unwrap(), actor: Actor::Nobody };
        for minute in 0..3 {
            let at = minute * 60_000;
            failed.count("join", v6("2001:db8::1"), "used already", at);
            failed.count("join", v6("2001:db8::2"), "used already", at + 59_999);
            failed.count("pull", v6("2001:db8::2"), "no member", at + 59_999);
            let events = failed.due(at + 60_000, false);
            assert_eq!(events.len(), 1, "{events:?}");
            assert_eq!((events[0].count, events[0].span_ms), (2, 59_999));
            assert_eq!(failed.due(at + 60_000, true).len(), 1);
        }
        failed.count("join", remote(1), "", 500_000);
        assert_eq!(failed.due(400_000, false).len(), 1, "a clock that went back delays no record");
    }
}
