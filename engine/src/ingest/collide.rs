//! Names in one folder that some systems treat as equal: one of them is published, and the others are gaps.

use std::collections::BTreeSet;

use super::walk::{Name, NameKind};
use crate::{
    error::Result,
    manifest::{EntryPath, path::collision_key},
};

/// Keeps one of the names in the folder `prefix` that some systems treat as equal: the published one, or else
/// the first. The others become gaps, and the content of their folders is dropped from the listing.
pub(super) fn resolve(
    names: &mut Vec<Name>,
    prefix: &str,
    was_published: &dyn Fn(&EntryPath) -> Result<bool>,
) {
    let mut keys = Vec::with_capacity(names.len());
    for (index, name) in names.iter().enumerate() {
        if matches!(name.kind, NameKind::File | NameKind::Folder | NameKind::Link)
            && let Some(path) = str::from_utf8(&name.key).ok().and_then(|name| EntryPath::new(name).ok())
        {
            keys.push((collision_key(path.as_str()), path, index));
        }
    }
    keys.sort_unstable();
    let mut losers = Vec::new();
    for same in keys.chunk_by(|left, right| left.0 == right.0).filter(|same| same.len() > 1) {
        let was_published = |name: &EntryPath| {
            let path = EntryPath::new(format!("{prefix}{name}"));
            path.is_ok_and(|path| was_published(&path).unwrap_or(false))
        };
        let kept = same.iter().find(|(_, name, _)| was_published(name)).or(same.first());
        let Some((_, kept, _)) = kept else { continue };
        let others = same.iter().filter(|(_, name, _)| name != kept);
        losers.extend(others.map(|(_, name, index)| (*index, name.clone(), kept.clone())));
    }
    for (index, _, kept) in &losers {
        let why = format!("some systems treat its name as equal to `{kept}`; rename one of the two");
        if let Some(name) = names.get_mut(*index) {
            name.kind = NameKind::Gap(why);
        }
    }
    // The content of these folders is not published either.
    let lost: BTreeSet<&[u8]> = losers.iter().map(|(_, name, _)| name.as_str().as_bytes()).collect();
    names.retain(|name| !name.key.strip_suffix(b"/").is_some_and(|folder| lost.contains(folder)));
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folders(names: impl Iterator<Item = String>) -> Vec<Name> {
        let both = |name: String| {
            let inside = Name { key: format!("{name}/").into_bytes().into(), kind: NameKind::Inside };
            [Name { key: name.into_bytes().into(), kind: NameKind::Folder }, inside]
        };
        names.flat_map(both).collect()
    }

    /// Symptom: a publish of a folder like this one did not end (10^11 steps, longer than the test timeout).
    /// Cause: every name was compared with every name that lost.
    #[test]
    fn many_names_that_collide_cost_no_more_than_others() {
        let mut names = folders((0..200_000u32).flat_map(|n| [format!("a{n}"), format!("A{n}")]));
        resolve(&mut names, "d/", &|path| Ok(path.as_str().starts_with("d/a")));
        let gaps = names.iter().filter(|name| matches!(name.kind, NameKind::Gap(_)));
        assert!(gaps.clone().all(|name| name.key.starts_with(b"A")));
        assert_eq!((gaps.count(), names.len()), (200_000, 600_000));
    }
}
