//! `invite`: a ticket is a text with a secret key, and a statement with the rights of that key. The text is
//! made here and shown once; the home gets the statement.

use std::net::{IpAddr, SocketAddr};

use chuan_engine::{
    id::NodeId,
    limits::{ADDRESSES, TICKET_REDEEMERS},
    statement::{Classes, Library, NodeRole, Ticket, TicketTerms, Verbs, check_reachable, library::Proposed},
};

use super::{
    classes,
    request::{Acted, act},
};
use crate::{
    command::{Command, Invite},
    exit::{Failure, Result},
    keyring::Keyring,
    library::members::node_role,
    outcome::{Invited, Outcome, PeerStatus, RequestShown},
    session::{Session, mismatch},
};

/// A peer as a further redeemer, so that a joining node does not depend on one node: a member that holds full
/// copies, with an address at which it was reached. The address must be valid in a ticket and not `listed`
/// yet.
fn redeemer(
    library: &Library,
    peer: &PeerStatus,
    listed: &[String],
    now_ms: i64,
) -> Option<(NodeId, String)> {
    let node: NodeId = peer.id.parse().ok()?;
    let role = library.member(&node)?.body.role;
    let is_fit = |address: &&String| check_reachable(address).is_ok() && !listed.contains(address);
    let address = peer.addresses.iter().find(is_fit)?.clone();
    (library.is_member(&node, now_ms) && role != NodeRole::Edge).then_some((node, address))
}

/// Whether an address is one that no other network reaches: private, shared, link-local or loopback. A name
/// is not looked up: the operator who configured it knows where it leads.
fn is_private(address: &str) -> bool {
    let Ok(address) = address.parse::<SocketAddr>() else { return address.starts_with("localhost:") };
    match address.ip().to_canonical() {
        IpAddr::V4(ip) => {
            let [a, b, ..] = ip.octets();
            let is_shared = a == 100 && (64..128).contains(&b);
            ip.is_private() || ip.is_loopback() || ip.is_link_local() || ip.is_unspecified() || is_shared
        }
        IpAddr::V6(ip) => {
            ip.is_loopback() || ip.is_unspecified() || ip.is_unique_local() || ip.is_unicast_link_local()
        }
    }
}

/// Makes a ticket. Its statement is durable in the home when it returns; its secret is only in the answer.
pub(crate) async fn invite(session: &mut Session, keyring: &Keyring, options: Invite) -> Result<Invited> {
    match ask(session, keyring, options).await? {
        Outcome::Invite(invited) => Ok(invited),
        _ => Err(Failure::usage("a ticket that waits for signatures needs the option `request`")),
    }
}

/// Makes a ticket; with a request file, a request for it, and the ticket, which is valid once the request is
/// applied.
pub(super) async fn ask(session: &mut Session, keyring: &Keyring, options: Invite) -> Result<Outcome> {
    let library = session.newest(options.library.as_deref()).await?;
    if !options.new_class {
        classes::check_known(session, &library, &options.classes, None).await?;
    }
    let Outcome::Id(identity) = session.run(Command::Id).await? else {
        return Err(mismatch());
    };
    let issuer: NodeId = identity.id.parse()?;
    options.addresses.iter().try_for_each(|address| check_reachable(address))?;
    let mut addresses = if options.addresses.is_empty() { identity.addresses } else { options.addresses };
    if addresses.is_empty() {
        return Err(Failure::usage(
            "no address for the ticket; run `chuan serve`, set `announce` in chuan.toml, or give one with the option `address`",
        ));
    }
    let mut redeemers = vec![issuer];
    if !options.only_here {
        let Outcome::Status(status) = session.run(Command::Status).await? else {
            return Err(mismatch());
        };
        for peer in status.peers {
            let found = redeemer(&library, &peer, &addresses, session.now_ms());
            let Some((node, address)) = found else { continue };
            if redeemers.len() < TICKET_REDEEMERS && addresses.len() < ADDRESSES && !redeemers.contains(&node)
            {
                redeemers.push(node);
                addresses.push(address);
            }
        }
    }
    redeemers.sort_unstable();
    let key = session.randomness().key()?;
    let now = session.now_ms();
    let expires_ms = i64::try_from(options.expires)
        .ok()
        .and_then(|seconds| seconds.checked_mul(1000)?.checked_add(now))
        .ok_or_else(|| {
            Failure::usage("the ticket would never expire; give a shorter time with the option `expires`")
        })?;
    let terms = TicketTerms {
        key: key.public(),
        redeemers: redeemers.clone(),
        classes: Classes::new(options.classes)?,
        verbs: Verbs::PULL,
        role: options.role.map(node_role),
        region: options.region,
        expires_ms,
        uses: options.uses,
    };
    let proposed = Proposed::ticket(&library, terms, now);
    let made = Ticket {
        addresses: addresses.clone(),
        issuer,
        library: library.id(),
        label: library.name().to_owned(),
        root_version: library.root().map_or(1, |root| root.version),
        expires_ms,
        redeemers,
        key,
        statement: proposed.id()?,
    };
    // Before the statement is stored: after an address that is invalid in a ticket, nothing may remain.
    let text = made.to_text()?;
    let addresses_private = addresses.iter().all(|address| is_private(address));
    match act(session, keyring, &library, proposed, options.request.as_deref()).await? {
        Acted::Applied(_) => Ok(Outcome::Invite(Invited {
            ticket: text,
            library: library.id().to_string(),
            library_name: library.name().to_owned(),
            addresses_private,
            addresses,
            expires_ms,
            uses: options.uses,
        })),
        Acted::Requested(shown) => {
            let (ticket, addresses_private) = (Some(text), Some(addresses_private));
            Ok(Outcome::Request(Box::new(RequestShown { ticket, addresses_private, ..*shown })))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A ticket with the address of a home network was sent to another city; nothing said that it cannot
    /// work.
    #[test]
    fn addresses_that_other_networks_cannot_reach_are_told_from_others() {
        for address in [
            "127.0.0.1:1",
            "10.1.2.3:4040",
            "172.31.0.1:1",
            "192.168.1.5:4040",
            "169.254.7.7:1",
            "100.64.0.1:1",
            "0.0.0.0:1",
            "[::1]:1",
            "[fe80::1]:1",
            "[fd12::1]:1",
            "[::ffff:10.0.0.1]:1",
            "localhost:4040",
        ] {
            assert!(is_private(address), "{address}");
        }
        for address in
            ["8.8.8.8:1", "172.32.0.1:1", "100.128.0.1:1", "[2001:db8::1]:1", "mirror.example.org:4040"]
        {
            assert!(!is_private(address), "{address}");
        }
    }
}
