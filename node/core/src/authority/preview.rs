//! The losses of an act: nodes that lose rights, channels that leave releases. An act that takes more than
//! the command line names needs a confirmation: the option `yes`, or an answer on a terminal.

use chuan_engine::{
    id::NodeId,
    statement::{
        Body, Classes, Library, RoleKind, Verbs,
        library::Proposed,
        losses::{ChannelLoss, Losses, NodeLoss},
    },
};

use super::words;
use crate::{
    command::Command,
    exit::{Failure, Result},
    human::{counted, ranges},
    keyring::Keyring,
    outcome::{ChannelTaken, NodeTaken, Outcome, Preview},
    session::{Session, mismatch},
};

/// The maximum number of nodes that an error names.
const NAMED: usize = 8;
/// The maximum number of releases that an answer lists.
const LISTED: usize = 1000;
/// Digits of an id in an error.
const SHORT: usize = 10;

/// The losses of `proposed` in `library`. Signs nothing.
pub(super) async fn of(session: &mut Session, library: &Library, proposed: &Proposed) -> Result<Preview> {
    let losses = Losses::of(library, proposed, session.now_ms())?;
    let own = own_node(session).await?;
    let this_node = losses.nodes.iter().any(|loss| loss.node == own && loss.is_membership());
    let confirm = match &proposed.body {
        // The command names the node that it revokes.
        Body::Revoke(revoke) => this_node || losses.nodes.iter().any(|loss| loss.node != revoke.node),
        _ => !losses.nodes.is_empty() || !losses.channels.is_empty(),
    };
    Ok(Preview {
        library: library.id().to_string(),
        library_name: library.name().to_owned(),
        dry_run: true,
        kind: proposed.body.kind().name().to_owned(),
        says: words::of(library, &proposed.body),
        nodes: losses.nodes.iter().map(node).collect(),
        channels: losses.channels.iter().map(|loss| channel(library, loss)).collect(),
        this_node,
        confirm,
        asks: confirm,
        refused: None,
    })
}

/// The node of this home.
pub(super) async fn own_node(session: &mut Session) -> Result<NodeId> {
    match session.run(Command::Id).await? {
        Outcome::Id(identity) => Ok(identity.id.parse()?),
        _ => Err(mismatch()),
    }
}

/// Fails where the key files that the command names are not those that would sign: a dry run gives the answer
/// of the run. Without named files an act can be looked at in any home.
pub(super) fn check_keys(keyring: &Keyring, library: &Library) -> Result<()> {
    match keyring.is_named() {
        true => keyring.role_keys(library, RoleKind::Operator).map(drop),
        false => Ok(()),
    }
}

/// Fails if the act needs a confirmation and has none.
pub(super) fn check(preview: &Preview, is_confirmed: bool) -> Result<()> {
    match &preview.refused {
        Some(why) => Err(Failure::usage(why.clone())),
        None if preview.confirm && !is_confirmed => Err(Failure::usage(format!(
            "{}; look at it with the option `dry-run`, and confirm it with the option `yes`",
            losses(preview).join("; ")
        ))),
        None => Ok(()),
    }
}

/// The losses of an act in an error.
fn losses(preview: &Preview) -> Vec<String> {
    let nodes =
        (!preview.nodes.is_empty()).then(|| format!("this takes rights from {}", nodes(&preview.nodes)));
    let channels = preview.channels.iter().map(|taken| match taken.sequence_after {
        Some(after) => format!(
            "channel {} leaves {} {}, which {after} does not contain",
            taken.name,
            if taken.releases == 1 { "release" } else { "releases" },
            ranges(&taken.leaves, taken.releases)
        ),
        None => format!("channel {} would have no release any more", taken.name),
    });
    nodes.into_iter().chain(channels).collect()
}

/// Nodes in an error.
fn nodes(taken: &[NodeTaken]) -> String {
    let named = taken
        .iter()
        .take(NAMED)
        .map(|taken| format!("{} ({})", taken.name, taken.node.get(..SHORT).unwrap_or_default()));
    let named: Vec<_> = named.collect();
    let more = taken.len().saturating_sub(NAMED);
    let rest = if more == 0 { String::new() } else { format!(" and {more} more") };
    format!("{}: {}{rest}", counted(taken.len() as u64, "node"), named.join(", "))
}

fn node(loss: &NodeLoss) -> NodeTaken {
    NodeTaken {
        node: loss.node.to_string(),
        name: loss.name.clone(),
        role: loss.role.name().to_owned(),
        loses: if loss.is_membership() { "membership" } else { "rights" }.to_owned(),
        before: rights(&loss.before),
        after: rights(&loss.after),
    }
}

fn rights(rights: &[(Classes, Verbs)]) -> String {
    let words =
        rights.iter().map(|(classes, verbs)| format!("{} in {}", verbs.names(), words::classes(classes)));
    words.collect::<Vec<_>>().join("; ")
}

fn channel(library: &Library, loss: &ChannelLoss) -> ChannelTaken {
    let sequence = |id| library.release(id).map(|said| said.statement.sequence());
    ChannelTaken {
        name: loss.name.clone(),
        sequence_before: sequence(&loss.before).unwrap_or_default(),
        sequence_after: loss.after.as_ref().and_then(sequence),
        releases: loss.left.len() as u64,
        leaves: loss.left.iter().take(LISTED).filter_map(sequence).collect(),
    }
}
