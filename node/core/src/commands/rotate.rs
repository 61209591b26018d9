//! `rotate`: replaces the node's key, and tells peers.

use std::sync::Arc;

use crate::{
    command::Rotate,
    exit::Result,
    job::Job,
    outcome::Rotated,
    rotation::{self, Replaced},
    services::Services,
};

/// Replaces the node's key. The old key stays valid for the grace, for peers that do not know the new key
/// yet. Reachable peers get the new statement before it returns.
pub(crate) async fn rotate(services: &Arc<Services>, options: Rotate) -> Result<Rotated> {
    let grace_ms = options.grace.saturating_mul(1000);
    let turn = services.rotation_turn().await;
    let replaced = services.blocking(move |services| {
        // The work holds the turn, not the caller's future: the work goes on where the future is dropped.
        let _turn = turn;
        let replaced = rotation::replace(&services.context, &services.library, grace_ms)?;
        services.exchange.set_identity(services.context.key.identity())?;
        Ok(replaced)
    });
    let Replaced { key, libraries, refusing } = replaced.await?;
    // Before statements are sent to peers, so that peers also get the checkpoint of this act.
    services.audit.settle_if_due().await;
    let mut told = 0;
    for library in services.library.all() {
        told += services.exchange.pass_on(&library.id(), &Job::silent()).await.reached;
    }
    Ok(Rotated {
        node: services.context.me().to_string(),
        key: key.to_string(),
        libraries,
        libraries_refusing: refusing,
        grace_seconds: options.grace,
        told: told as u64,
    })
}
