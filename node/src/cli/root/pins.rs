//! What a removed key leaves behind: its releases, members, tickets and channels stand only if the next root pins them.

use std::{collections::BTreeSet, path::Path};

use chuan_engine::{
    id::StatementId,
    limits::PINS,
    statement::{Draft, Library, PublicKey, RoleKind, Statement},
};

use crate::{
    carry::read_bundle,
    exit::{Failure, Result},
    node::now_ms,
};

/// What to do about the statements of a key that is removed.
#[derive(Debug)]
pub(super) enum Legacy<'a> {
    /// Pin what stands by the key, of the statements in this file.
    Pin(&'a Path),
    /// Let go of it.
    Drop,
    /// Nothing was said.
    Unsaid,
}

/// The statements to pin when `key` loses a role of `kind` in the library of `draft`. Fails where there may be some and
/// nobody said what to do.
pub(super) fn of(
    draft: &Draft,
    kind: RoleKind,
    key: &PublicKey,
    legacy: &Legacy<'_>,
) -> Result<Vec<StatementId>> {
    let what = match kind {
        RoleKind::Root | RoleKind::Timekeeper => return Ok(Vec::new()),
        RoleKind::Operator => "the members, tickets and channels",
        RoleKind::Publisher => "the releases and channels",
    };
    match legacy {
        Legacy::Drop => Ok(Vec::new()),
        Legacy::Unsaid => Err(Failure::usage(format!(
            "{what} that key {} signed would no longer count; give what `chuan statements export` writes with --statements \
             to keep them, or --drop",
            key.short()
        ))),
        Legacy::Pin(path) => {
            let bundle = read_bundle(path)?;
            if bundle.library != draft.library() {
                return Err(Failure::invalid(format!(
                    "{} has the statements of library {}, not of {}",
                    path.display(),
                    bundle.library.short(),
                    draft.library().short()
                )));
            }
            let library = Library::open(bundle.library, bundle.statements, now_ms())?;
            Ok(standing_by(&library, key).into_iter().collect())
        }
    }
}

/// The statements that stand and that `key` signed. Of releases the last ones suffice: these vouch for those before.
fn standing_by(library: &Library, key: &PublicKey) -> BTreeSet<StatementId> {
    let signed = |statement: &Statement| statement.signers().any(|signer| signer == key);
    let mut found = BTreeSet::new();
    let mut keep = |statement: &Statement| {
        if signed(statement) {
            found.insert(statement.id());
        }
    };
    let releases = library.releases();
    let parents: BTreeSet<_> = releases.iter().flat_map(|said| &said.body.parents).collect();
    let heads = releases.iter().filter(|said| !parents.contains(&said.statement.id()));
    heads.for_each(|said| keep(said.statement));
    library.channels().for_each(|said| keep(said.statement));
    library.tickets().for_each(|said| keep(said.statement));
    for member in library.members() {
        library.grants(&member.body.node).for_each(|said| keep(said.statement));
    }
    found
}

/// Adds pins to those a root has; fails where there are too many.
pub(super) fn add(pins: &mut Vec<StatementId>, more: &[StatementId]) -> Result<()> {
    let all: BTreeSet<_> = pins.iter().chain(more).copied().collect();
    if all.len() > PINS {
        return Err(Failure::invalid(format!(
            "{} statements would have to be pinned, {PINS} are the most; let another key sign some of them anew first",
            all.len()
        )));
    }
    *pins = all.into_iter().collect();
    Ok(())
}
