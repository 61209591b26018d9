//! The addresses of a node: the configured ones, else those of this machine's interfaces. They are hints for
//! tickets and hellos; a wrong one costs a peer a failed dial.

use std::{
    collections::BTreeSet,
    fs,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket},
};

use chuan_engine::limits::ADDRESSES;

use crate::{
    exit::{Failure, Result},
    home::config::Config,
};

/// Reads `IP:PORT`.
pub(crate) fn parse(text: &str) -> Result<SocketAddr> {
    text.parse().map_err(|_| {
        Failure::usage(format!(
            "`{text}` is not an address to listen on; write IP:PORT, such as 0.0.0.0:4040 or [::]:4040"
        ))
    })
}

/// Reads `IP:PORT`, or looks up `NAME:PORT`.
pub(crate) async fn resolve(text: &str) -> Result<SocketAddr> {
    match parse(text) {
        Ok(address) => Ok(address),
        Err(failure) => {
            let mut found = tokio::net::lookup_host(text).await.map_err(|_| failure.clone())?;
            found.next().ok_or(failure)
        }
    }
}

/// An address as people write it: an IPv4 address is written as such, also after a connection through an IPv6
/// socket.
pub(crate) fn plain(address: SocketAddr) -> String {
    SocketAddr::new(address.ip().to_canonical(), address.port()).to_string()
}

/// The addresses that peers get, the best first.
pub(crate) fn announced(config: &Config, listening: Option<SocketAddr>) -> Result<Vec<String>> {
    if !config.announce.is_empty() {
        return Ok(config.announce.iter().take(ADDRESSES).cloned().collect());
    }
    let listen = match listening {
        Some(address) => address,
        None => parse(&config.listen)?,
    };
    if listen.port() == 0 {
        return Ok(Vec::new());
    }
    let hosts = if listen.ip().is_unspecified() { own_hosts(listen.is_ipv6()) } else { vec![listen.ip()] };
    Ok(hosts.into_iter().take(ADDRESSES).map(|ip| SocketAddr::new(ip, listen.port()).to_string()).collect())
}

/// This machine's addresses: first those from which it sends to the Internet. The loopback address only if
/// there is no other: on another machine it means that machine.
fn own_hosts(with_v6: bool) -> Vec<IpAddr> {
    let mut hosts = Vec::new();
    hosts.extend(towards(SocketAddr::from((Ipv4Addr::new(192, 0, 2, 1), 9))));
    let v6 = fs::read_to_string("/proc/net/if_inet6").map(|text| global_v6(&text)).unwrap_or_default();
    if with_v6 {
        // With privacy extensions, the address from which a host sends changes every day: peers get a stable
        // one.
        let used = towards(SocketAddr::from((Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1), 9)));
        let stays = |ip: &IpAddr| v6.is_empty() || matches!(ip, IpAddr::V6(ip) if v6.contains(ip));
        hosts.extend(used.filter(stays));
    }
    let v4 = fs::read_to_string("/proc/net/fib_trie").map(|text| local_v4(&text)).unwrap_or_default();
    hosts.extend(v4.into_iter().map(IpAddr::V4));
    if with_v6 {
        hosts.extend(v6.into_iter().map(IpAddr::V6));
    }
    let mut seen = BTreeSet::new();
    hosts.retain(|ip| !ip.is_loopback() && !ip.is_unspecified() && seen.insert(*ip));
    if hosts.is_empty() { vec![IpAddr::V4(Ipv4Addr::LOCALHOST)] } else { hosts }
}

/// The address from which packets to `target` would go. Connecting a UDP socket sends nothing.
fn towards(target: SocketAddr) -> Option<IpAddr> {
    let any: SocketAddr =
        if target.is_ipv6() { (Ipv6Addr::UNSPECIFIED, 0).into() } else { (Ipv4Addr::UNSPECIFIED, 0).into() };
    let socket = UdpSocket::bind(any).ok()?;
    socket.connect(target).ok()?;
    Some(socket.local_addr().ok()?.ip())
}

/// The host addresses in `/proc/net/fib_trie`: a line `|-- ADDRESS` and below it `/32 host LOCAL`.
fn local_v4(text: &str) -> BTreeSet<Ipv4Addr> {
    let mut found = BTreeSet::new();
    let mut last = None;
    for line in text.lines().map(str::trim) {
        if let Some(address) = line.strip_prefix("|-- ") {
            last = address.parse::<Ipv4Addr>().ok();
        } else if line == "/32 host LOCAL" {
            found.extend(last.filter(|ip| !ip.is_loopback() && !ip.is_link_local()));
        }
    }
    found
}

/// Flags in `/proc/net/if_inet6` of addresses that peers cannot rely on: temporary (RFC 8981), duplicate
/// detection failed, deprecated, tentative.
const UNSTABLE: u32 = 0x01 | 0x08 | 0x20 | 0x40;

/// The stable addresses of global scope in `/proc/net/if_inet6`: 32 digits, interface, prefix, scope, flags,
/// name.
fn global_v6(text: &str) -> BTreeSet<Ipv6Addr> {
    let address = |line: &str| {
        let mut fields = line.split_ascii_whitespace();
        let digits = u128::from_str_radix(fields.next()?, 16).ok()?;
        let is_global = fields.nth(2)? == "00";
        let flags = u32::from_str_radix(fields.next()?, 16).ok()?;
        (is_global && flags & UNSTABLE == 0).then(|| Ipv6Addr::from(digits))
    };
    text.lines().filter_map(address).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn configured_addresses_replace_those_of_interfaces() {
        let listening = Some("127.0.0.1:7".parse().unwrap());
        let config = Config { announce: vec!["mirror.example.org:4040".into()], ..Config::default() };
        assert_eq!(announced(&config, listening).unwrap(), config.announce);
        assert_eq!(announced(&Config::default(), listening).unwrap(), ["127.0.0.1:7"]);
        let unknown = Config { listen: "0.0.0.0:0".into(), ..Config::default() };
        assert!(announced(&unknown, None).unwrap().is_empty());
        assert!(!announced(&Config::default(), None).unwrap().is_empty());
        assert_eq!(parse("films").unwrap_err().exit, crate::Exit::Usage);
    }

    #[test]
    fn interface_tables_are_read() {
        let trie = "Main:\n  +-- 0.0.0.0/0 3 0 5\n     |-- 10.1.2.3\n        /32 host LOCAL\n     |-- 10.1.2.255\n        \
                    /32 link BROADCAST\n     |-- 127.0.0.1\n        /32 host LOCAL\n";
        assert_eq!(local_v4(trie), BTreeSet::from([Ipv4Addr::new(10, 1, 2, 3)]));
        let table = "00000000000000000000000000000001 01 80 10 80       lo\n\
                     fe80000000000000021122fffe334455 02 40 20 80     eth0\n\
                     20010db8000000000000000000000007 02 40 00 80     eth0\n\
                     20010db8000000000000000000000008 02 40 00 01     eth0\n\
                     20010db8000000000000000000000009 02 40 00 a0     eth0\n";
        assert_eq!(global_v6(table), BTreeSet::from(["2001:db8::7".parse().unwrap()]));
    }
}
