//! Admission: pure decisions from the current load. The source address of a first datagram may be forged
//! until its sender has proved it. Of the members, no library takes the places of another one.

use std::{
    collections::BTreeMap,
    net::{IpAddr, Ipv6Addr},
    time::Duration,
};

use chuan_engine::{id::LibraryId, statement::PublicKey};

use crate::limits;

/// The decision about a first datagram.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Send no answer; the sender repeats the datagram soon.
    Ignore,
    /// The sender must prove its address first.
    Prove,
    /// No room for another connection.
    Refuse,
    /// Begin a handshake.
    Admit,
    /// End the oldest handshake from the datagram's site, and begin this one.
    Replace,
}

/// Counts of pending handshakes and open sessions.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Load {
    /// Handshakes under way.
    pub(crate) half_open: usize,
    /// Of these, the handshakes from the datagram's site, by their source addresses, proved or not.
    pub(crate) half_open_at_site: usize,
    /// Of these, the handshakes whose address was proved.
    pub(crate) proved_at_site: usize,
    /// For how long the oldest of these is under way.
    pub(crate) oldest_at_site: Duration,
    /// Handshakes and sessions from the datagram's site.
    pub(crate) at_site: usize,
}

impl Load {
    /// Decides on a datagram; `proved` if its sender has proved its address.
    pub(crate) fn decide(self, proved: bool) -> Verdict {
        if self.half_open >= limits::HALF_OPEN {
            return Verdict::Ignore;
        }
        // A sender that forges an address must not lock out the owner of the address, which can prove it.
        let is_site_full = proved && self.proved_at_site >= limits::HALF_OPEN_PER_ADDRESS;
        // One machine behind the address must not lock out the others: its stalled handshakes give way. A
        // fresh one may be of another machine, and has time to complete.
        if is_site_full && self.oldest_at_site < limits::HANDSHAKE_PATIENCE {
            return Verdict::Ignore;
        }
        let is_busy = self.half_open >= limits::HALF_OPEN_RETRY
            || self.half_open_at_site >= limits::HALF_OPEN_PER_ADDRESS;
        if is_busy && !proved {
            return Verdict::Prove;
        }
        if self.at_site >= limits::CONNECTIONS_PER_ADDRESS {
            return Verdict::Refuse;
        }
        if is_site_full { Verdict::Replace } else { Verdict::Admit }
    }
}

/// The key of a member, and the libraries here of which it is one.
pub(crate) type Membership = (PublicKey, Vec<LibraryId>);

/// The sessions of members, from the oldest to the newest.
pub(crate) struct Crowd<'a> {
    sessions: &'a [Membership],
    by_library: BTreeMap<LibraryId, usize>,
}

impl<'a> Crowd<'a> {
    pub(crate) fn of(sessions: &'a [Membership]) -> Self {
        let mut by_library: BTreeMap<_, usize> = BTreeMap::new();
        let libraries = sessions.iter().flat_map(|(_, libraries)| libraries);
        libraries.for_each(|library| *by_library.entry(*library).or_default() += 1);
        Self { sessions, by_library }
    }

    /// The position of the session that gives its place to a newcomer where all places are taken: the
    /// greediest one, if its library has at least two sessions more than that of the newcomer. So no two
    /// members of one library end each other's sessions.
    pub(crate) fn gives_way_to(&self, newcomer: &[LibraryId]) -> Option<usize> {
        let (most, at) = self.greediest()?;
        (most > self.least(newcomer)? + 1).then_some(at)
    }

    /// The position of the newest session of the greediest key in the library with the most sessions, and the
    /// number of these.
    pub(crate) fn greediest(&self) -> Option<(usize, usize)> {
        let mut by_key: BTreeMap<_, usize> = BTreeMap::new();
        self.sessions.iter().for_each(|(key, _)| *by_key.entry(key).or_default() += 1);
        let greed = |(at, (key, libraries)): (usize, &Membership)| {
            Some((self.least(libraries)?, by_key.get(key).copied()?, at))
        };
        let (most, _, at) = self.sessions.iter().enumerate().filter_map(greed).max()?;
        Some((most, at))
    }

    /// Of some libraries, the number of sessions of that with the fewest: a member of several counts there.
    fn least(&self, libraries: &[LibraryId]) -> Option<usize> {
        libraries.iter().map(|library| self.by_library.get(library).copied().unwrap_or(0)).min()
    }
}

/// The unit by which addresses are counted: an IPv4 address, or an IPv6 network of 64 bits, the smallest that
/// a customer is given.
pub(crate) fn site(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() >> 64 << 64).into(),
        v4 => v4,
    }
}

#[cfg(test)]
mod tests {
    use chuan_engine::statement::Key;

    use super::*;
    use crate::limits::{CONNECTIONS_PER_ADDRESS, HALF_OPEN, HALF_OPEN_PER_ADDRESS};

    /// Symptom: one address that began handshakes and never completed them kept all other addresses from
    /// connecting. Cause: one address could have as many handshakes under way as all addresses together.
    #[test]
    fn one_address_has_few_handshakes_under_way() {
        let load = Load {
            half_open: HALF_OPEN_PER_ADDRESS,
            half_open_at_site: HALF_OPEN_PER_ADDRESS,
            ..Load::default()
        };
        assert_eq!(load.decide(false), Verdict::Prove);
        // Another sender may have begun them with this address, forged.
        assert_eq!(load.decide(true), Verdict::Admit);
        let proved = Load { proved_at_site: HALF_OPEN_PER_ADDRESS, ..load };
        assert_eq!(proved.decide(true), Verdict::Ignore);
        let stalled = Load { oldest_at_site: limits::HANDSHAKE_PATIENCE, ..proved };
        assert_eq!((stalled.decide(true), stalled.decide(false)), (Verdict::Replace, Verdict::Prove));
        assert_eq!(Load { half_open: HALF_OPEN, ..stalled }.decide(true), Verdict::Ignore);
        // For other addresses the load is low.
        assert_eq!(
            Load { half_open: HALF_OPEN_PER_ADDRESS, ..Load::default() }.decide(false),
            Verdict::Admit
        );
    }

    #[test]
    fn no_connection_is_admitted_beyond_the_limits() {
        for proved in [false, true] {
            assert_eq!(Load { half_open: HALF_OPEN, ..Load::default() }.decide(proved), Verdict::Ignore);
            let at_site = Load { at_site: CONNECTIONS_PER_ADDRESS, ..Load::default() };
            assert_eq!(at_site.decide(proved), Verdict::Refuse);
            assert_eq!(Load::default().decide(proved), Verdict::Admit);
        }
    }

    #[test]
    fn the_most_crowded_library_gives_way_to_one_with_fewer_sessions() {
        let library = |number: u8| LibraryId::from_bytes([number; 32]);
        let session = |(key, of): &(u8, Vec<u8>)| {
            (Key::from_seed([*key; 32]).public(), of.iter().map(|of| library(*of)).collect())
        };
        let check = |sessions: &[(u8, Vec<u8>)], newcomer: &[u8], expected| {
            let sessions: Vec<Membership> = sessions.iter().map(session).collect();
            let newcomer: Vec<_> = newcomer.iter().map(|of| library(*of)).collect();
            assert_eq!(Crowd::of(&sessions).gives_way_to(&newcomer), expected, "{newcomer:?}");
        };
        let sessions = [(1, vec![1]), (2, vec![1]), (2, vec![1]), (3, vec![1]), (4, vec![2])];
        check(&sessions, &[2], Some(2));
        check(&sessions, &[3], Some(2));
        check(&sessions, &[1, 3], Some(2));
        check(&sessions, &[1], None);
        check(&sessions, &[], None);
        check(&[(1, vec![1]), (2, vec![1]), (3, vec![2])], &[2], None);
        // A member of both libraries is no member of the crowd of one.
        check(&[(1, vec![1]), (2, vec![1]), (3, vec![1]), (4, vec![1, 2])], &[3], Some(2));
    }

    #[test]
    fn a_network_of_ipv6_is_one_address() {
        let site = |text: &str| site(text.parse().unwrap());
        assert_eq!(site("2001:db8::1"), site("2001:db8::ffff:0:0:9"));
        assert_ne!(site("2001:db8::1"), site("2001:db8:0:1::1"));
        assert_eq!(site("::ffff:192.0.2.1"), site("192.0.2.1"));
        assert_ne!(site("192.0.2.1"), site("192.0.2.2"));
    }
}
