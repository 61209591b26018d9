//! Links of a release never point out of it: compares the rule with the resolution by the kernel.

use std::{fs, os::unix::fs::symlink};

use proptest::prelude::*;

use super::path::{EntryPath, LinkTarget};

/// The content of a release: folders and links, none of them under a link.
fn arb_release() -> impl Strategy<Value = Vec<(String, Option<String>)>> {
    let path = "[abl](/[abl]){0,3}";
    let target = "(\\.\\./|\\./){0,4}([abl]/?){0,3}(/\\.\\.|/\\.)?(/[abl])?";
    prop::collection::vec((path, prop::option::of(target)), 1..24)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    /// For any accepted links, and for any paths through several links, the path that the kernel resolves is
    /// in the release.
    #[test]
    fn no_link_resolves_to_a_path_outside(items in arb_release()) {
        let home = tempfile::tempdir().unwrap();
        let home_path = home.path().canonicalize().unwrap();
        // Folders around the release that a link out of it would reach.
        for outside in ["a", "b/a", "l", "x/y/a", "x/a"] {
            fs::create_dir_all(home_path.join(outside)).unwrap();
        }
        let root = home_path.join("x/y/root");
        fs::create_dir_all(&root).unwrap();
        let mut links = Vec::new();
        for (path, target) in items {
            let parent = root.join(&path).parent().unwrap().to_owned();
            // An entry is under folders only.
            let is_plain = parent.ancestors().take_while(|above| above.starts_with(&root)).all(|above| {
                !fs::symlink_metadata(above).is_ok_and(|found| found.is_symlink())
            });
            if !is_plain || fs::symlink_metadata(root.join(&path)).is_ok() {
                continue;
            }
            fs::create_dir_all(parent).unwrap();
            match target {
                None => fs::create_dir(root.join(&path)).unwrap(),
                Some(target) => {
                    let entry = EntryPath::new(path.as_str()).unwrap();
                    let Ok(kept) = LinkTarget::new(target, &entry) else { continue };
                    symlink(kept.as_str(), root.join(&path)).unwrap();
                    links.push(path);
                }
            }
        }
        for link in &links {
            // Some links are broken or circular.
            if let Ok(resolved) = root.join(link).canonicalize() {
                prop_assert!(resolved.starts_with(&root), "{link} leads to {}", resolved.display());
            }
        }
    }
}

#[test]
fn the_rule_for_targets() {
    let link = EntryPath::new("a/b/l").unwrap();
    for target in ["x", "..", "../..", ".././../x", "x/", "x//y/./z", "../../长江.mkv", "...", "..x"] {
        assert_eq!(LinkTarget::new(target, &link).unwrap().as_str(), target);
        assert!(!LinkTarget::leads_outside(target, &link));
    }
    for target in ["/", "/a", "../../..", "../.././../x"] {
        assert!(LinkTarget::leads_outside(target, &link), "{target}");
        assert!(LinkTarget::new(target, &link).is_err());
    }
    for target in ["", "x/..", "../x/../y", "a\0", "a\u{7f}"] {
        assert!(!LinkTarget::leads_outside(target, &link), "{target:?}");
        assert!(LinkTarget::new(target, &link).is_err());
    }
    let error = LinkTarget::new("../../../长".repeat(500), &link).unwrap_err().to_string();
    assert!(error.contains("a/b/l") && error.len() < 1000, "{error}");
}
