//! Names in one folder that some systems take for the same: one of them is published, and the others are gaps.

use std::collections::BTreeSet;

use super::walk::{Name, What};
use crate::{
    error::Result,
    manifest::{EntryPath, path::collision_key},
};

/// Lets one stand of names in the folder `prefix` that some systems take for the same: the one that was published, or else
/// the first. The others become gaps, and what is in them is left out of the listing.
pub(super) fn settle(
    names: &mut Vec<Name>,
    prefix: &str,
    was_published: &dyn Fn(&EntryPath) -> Result<bool>,
) {
    let mut keys = Vec::with_capacity(names.len());
    for (index, name) in names.iter().enumerate() {
        if matches!(name.what, What::File | What::Folder | What::Link)
            && let Some(path) = str::from_utf8(&name.key).ok().and_then(|name| EntryPath::new(name).ok())
        {
            keys.push((collision_key(&path), path, index));
        }
    }
    keys.sort_unstable();
    let mut losers = Vec::new();
    for same in keys.chunk_by(|left, right| left.0 == right.0).filter(|same| same.len() > 1) {
        let was_published = |name: &EntryPath| {
            let path = EntryPath::new(format!("{prefix}{name}"));
            path.is_ok_and(|path| was_published(&path).unwrap_or(false))
        };
        let stands = same.iter().find(|(_, name, _)| was_published(name)).or(same.first());
        let Some((_, stands, _)) = stands else { continue };
        let others = same.iter().filter(|(_, name, _)| name != stands);
        losers.extend(others.map(|(_, name, index)| (*index, name.clone(), stands.clone())));
    }
    for (index, _, stands) in &losers {
        let why = format!("some systems take its name for that of `{stands}`; rename one of the two");
        if let Some(name) = names.get_mut(*index) {
            name.what = What::Gap(why);
        }
    }
    // Nothing in them is published either.
    let lost: BTreeSet<&[u8]> = losers.iter().map(|(_, name, _)| name.as_str().as_bytes()).collect();
    names.retain(|name| !name.key.strip_suffix(b"/").is_some_and(|folder| lost.contains(folder)));
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folders(names: impl Iterator<Item = String>) -> Vec<Name> {
        let both = |name: String| {
            let inside = Name { key: format!("{name}/").into_bytes().into(), what: What::Inside };
            [Name { key: name.into_bytes().into(), what: What::Folder }, inside]
        };
        names.flat_map(both).collect()
    }

    /// Every name was compared with every one that lost: 10^11 steps for a folder like this, more than the runner waits for.
    #[test]
    fn many_names_that_collide_cost_no_more_than_others() {
        let mut names = folders((0..200_000u32).flat_map(|n| [format!("a{n}"), format!("A{n}")]));
        settle(&mut names, "d/", &|path| Ok(path.as_str().starts_with("d/a")));
        let gaps = names.iter().filter(|name| matches!(name.what, What::Gap(_)));
        assert!(gaps.clone().all(|name| name.key.starts_with(b"A")));
        assert_eq!((gaps.count(), names.len()), (200_000, 600_000));
    }
}
