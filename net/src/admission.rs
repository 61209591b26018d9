//! Whether a first datagram is heard: a pure choice by who is at the door already. Whoever sent it may have forged its
//! address, until it has proved it.

use std::net::{IpAddr, Ipv6Addr};

use crate::limits;

/// What becomes of a first datagram.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// No answer; it is sent again in a moment.
    Ignore,
    /// Its sender must prove its address first.
    Prove,
    /// No room.
    Refuse,
    /// A handshake begins.
    Admit,
}

/// Who is at the door and who is in, as far as it matters to one who knocks.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Crowd {
    /// Handshakes under way.
    pub(crate) half_open: usize,
    /// Those of them from where the datagram comes from, or says so.
    pub(crate) half_open_there: usize,
    /// Those of these whose address was proved.
    pub(crate) proved_there: usize,
    /// Handshakes and sessions.
    pub(crate) all: usize,
    /// The same from where the datagram comes from.
    pub(crate) there: usize,
}

impl Crowd {
    /// Decides on a datagram; `proved` where its address was.
    pub(crate) fn judge(self, proved: bool) -> Verdict {
        if self.half_open >= limits::HALF_OPEN {
            return Verdict::Ignore;
        }
        // Who forges an address must not keep its owner out, who can prove it.
        if proved && self.proved_there >= limits::HALF_OPEN_PER_ADDRESS {
            return Verdict::Ignore;
        }
        let crowded = self.half_open >= limits::HALF_OPEN_RETRY
            || self.half_open_there >= limits::HALF_OPEN_PER_ADDRESS;
        if crowded && !proved {
            return Verdict::Prove;
        }
        if self.all >= limits::CONNECTIONS || self.there >= limits::CONNECTIONS_PER_ADDRESS {
            return Verdict::Refuse;
        }
        Verdict::Admit
    }
}

/// What counts as one address: of IPv6 the network of 64 bits, which is what one customer is given at least.
pub(crate) fn site(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() >> 64 << 64).into(),
        v4 => v4,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits::{CONNECTIONS, CONNECTIONS_PER_ADDRESS, HALF_OPEN, HALF_OPEN_PER_ADDRESS};

    /// Symptom: one address that began handshakes and never ended them kept everybody else from beginning any. Cause: it could
    /// have as many under way as there may be in all.
    #[test]
    fn one_address_has_few_handshakes_under_way() {
        let crowd = Crowd {
            half_open: HALF_OPEN_PER_ADDRESS,
            half_open_there: HALF_OPEN_PER_ADDRESS,
            ..Crowd::default()
        };
        assert_eq!(crowd.judge(false), Verdict::Prove);
        // They may have been begun in its name by somebody else.
        assert_eq!(crowd.judge(true), Verdict::Admit);
        let proved = Crowd { proved_there: HALF_OPEN_PER_ADDRESS, ..crowd };
        assert_eq!(proved.judge(true), Verdict::Ignore);
        // To others it is only a little crowded.
        assert_eq!(
            Crowd { half_open: HALF_OPEN_PER_ADDRESS, ..Crowd::default() }.judge(false),
            Verdict::Admit
        );
    }

    #[test]
    fn nobody_is_admitted_beyond_what_there_is_room_for() {
        for proved in [false, true] {
            assert_eq!(Crowd { half_open: HALF_OPEN, ..Crowd::default() }.judge(proved), Verdict::Ignore);
            assert_eq!(Crowd { all: CONNECTIONS, ..Crowd::default() }.judge(proved), Verdict::Refuse);
            let there = Crowd { there: CONNECTIONS_PER_ADDRESS, ..Crowd::default() };
            assert_eq!(there.judge(proved), Verdict::Refuse);
            assert_eq!(Crowd::default().judge(proved), Verdict::Admit);
        }
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
