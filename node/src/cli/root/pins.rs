//! What a removed key leaves behind: its releases, members, tickets and channels stand only if the next root pins them.

use chuan_engine::statement::{PublicKey, RoleKind};

use crate::exit::{Failure, Result};

/// Fails for a key whose statements would fall with it.
pub(super) fn check_nothing_to_pin(role: RoleKind, key: &PublicKey) -> Result<()> {
    let what = match role {
        RoleKind::Root | RoleKind::Timekeeper => return Ok(()),
        RoleKind::Operator => "the members, tickets and channels",
        RoleKind::Publisher => "the releases and channels",
    };
    Err(Failure::usage(format!(
        "{what} that key {} signed would no longer count; give --drop if that is meant",
        key.short()
    )))
}
