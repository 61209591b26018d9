//! A file of roots as an answer.

use chuan::engine::statement::{Draft, PublicKey, Root, draft::Tally};
use chuan_api::outcome::{Fingerprints, ProposalShown, RoleShown, RootShown, TallyShown, class_names};

use super::words;

/// The content of a draft for a signer, without the file's name and notes.
pub(super) fn draft(draft: &Draft) -> RootShown {
    let current = draft.current();
    RootShown {
        library: draft.library().to_string(),
        library_fingerprint: draft.library().fingerprint().to_string(),
        library_name: current.or(draft.newest()).map(|root| root.name.clone()).unwrap_or_default(),
        version: current.map_or(0, |root| root.version),
        fingerprint: draft.current_statement().map(|root| root.id().fingerprint().to_string()),
        expires_ms: current.map_or(0, |root| root.expires_ms),
        roles: current.map(roles).unwrap_or_default(),
        proposal: proposal(draft),
        ..RootShown::default()
    }
}

/// The fingerprints that people compare.
pub(super) fn fingerprints(draft: &Draft) -> Fingerprints {
    Fingerprints {
        library: draft.library().fingerprint().to_string(),
        version: draft.current().map_or(0, |root| root.version),
        root: draft.current_statement().map(|root| root.id().fingerprint().to_string()),
        proposed: draft.proposal().map(|proposal| proposal.id().fingerprint().to_string()),
    }
}

fn proposal(draft: &Draft) -> Option<ProposalShown> {
    let (proposal, (old, new)) = (draft.proposal()?, draft.tallies()?);
    Some(ProposalShown {
        version: proposal.root().version,
        id: proposal.id().to_string(),
        fingerprint: proposal.id().fingerprint().to_string(),
        changes: words::changes(draft.current(), proposal.root()),
        library_name: proposal.root().name.clone(),
        expires_ms: proposal.root().expires_ms,
        roles: roles(proposal.root()),
        signed_by: proposal.signers().map(PublicKey::to_string).collect(),
        waiting_for: draft.waiting_for().iter().map(PublicKey::to_string).collect(),
        complete: new.is_met() && old.is_none_or(|old| old.is_met()),
        under_old: old.map(tally),
        under_new: tally(new),
    })
}

fn tally(tally: Tally) -> TallyShown {
    TallyShown { have: tally.have as u64, need: tally.need as u64, of: tally.of as u64 }
}

fn roles(root: &Root) -> Vec<RoleShown> {
    let shown = root.roles.iter().map(|role| RoleShown {
        role: role.kind.name().to_owned(),
        classes: class_names(&role.classes),
        threshold: role.threshold,
        keys: role.keys.iter().map(PublicKey::to_string).collect(),
    });
    shown.collect()
}
