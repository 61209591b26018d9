//! The changes of a proposed root, in words for a signer. An added key is shown with its fingerprint: an
//! attacker can make a key with chosen first digits.

use std::collections::BTreeSet;

use chuan::engine::statement::{Classes, PublicKey, Role, RoleKind, Root};
use chuan_api::human;

/// The statements of removed keys that are not among the pins.
const UNPINNED: &str =
    "not pinned are earlier moves of channels and superseded grants: `chuan history` marks such moves";

/// Every difference, one line each; without an old root, the content of the first root.
pub(super) fn changes(old: Option<&Root>, new: &Root) -> Vec<String> {
    let mut lines = Vec::new();
    match old {
        None => lines.push(format!("founds the library {}", new.name)),
        Some(old) if old.name != new.name => {
            lines.push(format!("renames the library from {} to {}", old.name, new.name));
        }
        Some(_) => {}
    }
    let roles = |root: &Root| root.roles.iter().map(|role| (role.kind, role.classes.clone())).collect();
    let mut places: BTreeSet<(RoleKind, Classes)> = roles(new);
    places.extend(old.map(roles).unwrap_or_default());
    for (kind, classes) in places {
        let (before, after) = (old.and_then(|old| role(old, kind, &classes)), role(new, kind, &classes));
        role_changes(kind, &classes, before, after, &mut lines);
    }
    let pins = |root: &Root| root.pins.iter().copied().collect::<BTreeSet<_>>();
    let (pinned, pinned_before) = (pins(new), old.map(pins).unwrap_or_default());
    match pinned.difference(&pinned_before).count() {
        0 => {}
        1 => lines
            .push(format!("pins one statement, which stays effective without its signer's key; {UNPINNED}")),
        more => lines.push(format!(
            "pins {more} statements, which stay effective without their signers' keys; {UNPINNED}"
        )),
    }
    if let fewer @ 1.. = pinned_before.difference(&pinned).count() {
        lines.push(format!("no longer pins {fewer} of the statements that were pinned before"));
    }
    let lists = |root: &Root| root.lists.iter().copied().collect::<BTreeSet<_>>();
    let listed_before = old.map(lists).unwrap_or_default();
    for (key, list) in lists(new).difference(&listed_before) {
        lines.push(format!("pins revocations by key {} in a list, {}", key.short(), list.short()));
    }
    let expiry =
        |root: &Root| if root.expires_ms == 0 { "never".to_owned() } else { human::time(root.expires_ms) };
    if old.map_or(new.expires_ms != 0, |old| old.expires_ms != new.expires_ms) {
        let before = old.map_or_else(|| "never".to_owned(), expiry);
        lines.push(format!("to be renewed by: {before} -> {}", expiry(new)));
    }
    lines
}

fn role_changes(
    kind: RoleKind,
    classes: &Classes,
    before: Option<&Role>,
    after: Option<&Role>,
    lines: &mut Vec<String>,
) {
    let (what, scope) = (kind.name(), scope(classes));
    let keys = |role: Option<&Role>| role.map(|role| role.keys.clone()).unwrap_or_default();
    let (old, new): (Vec<PublicKey>, Vec<PublicKey>) = (keys(before), keys(after));
    for key in new.iter().filter(|key| !old.contains(key)) {
        lines.push(format!("adds {what} key {}{scope}, fingerprint {}", key.short(), key.fingerprint()));
    }
    for key in old.iter().filter(|key| !new.contains(key)) {
        lines.push(format!("removes {what} key {}{scope}", key.short()));
    }
    let count = |role: &Role| format!("{} of {}", role.threshold, role.keys.len());
    match (before.map(count), after.map(count)) {
        (Some(before), Some(after)) if before != after => {
            lines.push(format!("{what} threshold{scope}: {before} -> {after}"));
        }
        (None, Some(after)) => lines.push(format!("{what} threshold{scope}: {after}")),
        (Some(_), None) => lines.push(format!("removes the {what} role{scope}: it has no key left")),
        _ => {}
    }
}

fn role<'a>(root: &'a Root, kind: RoleKind, classes: &Classes) -> Option<&'a Role> {
    root.roles.iter().find(|role| role.kind == kind && role.classes == *classes)
}

fn scope(classes: &Classes) -> String {
    match classes.patterns() {
        [] => String::new(),
        [one] => format!(" for class {one}"),
        several => format!(" for classes {}", several.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use chuan::engine::{id::Salt, statement::Key};

    use super::*;

    fn key(seed: u8) -> PublicKey {
        Key::from_seed([seed; 32]).public()
    }

    fn films() -> Root {
        let kinds = [(RoleKind::Root, 1), (RoleKind::Operator, 2), (RoleKind::Publisher, 3)];
        Root {
            version: 1,
            nonce: Salt::from_bytes([5; 32]),
            name: "films".into(),
            expires_ms: 0,
            roles: kinds.map(|(kind, seed)| Role::any_of(kind, [key(seed)])).to_vec(),
            pins: Vec::new(),
            lists: Vec::new(),
        }
    }

    #[test]
    fn every_change_has_a_line() {
        let old = films();
        let mut new = films();
        let trailers = Classes::new(vec!["trailers".into()]).unwrap();
        new.add_key(RoleKind::Publisher, &trailers, key(9)).unwrap();
        new.add_key(RoleKind::Root, &Classes::all(), key(11)).unwrap();
        new.add_key(RoleKind::Root, &Classes::all(), key(12)).unwrap();
        new.set_threshold(RoleKind::Root, &Classes::all(), 2).unwrap();
        new.remove_key(RoleKind::Operator, None, &key(2)).unwrap();
        new.name = "movies".into();
        new.expires_ms = 1_900_000_000_000;
        let text = changes(Some(&old), &new).join("\n");
        for line in [
            "renames the library from films to movies",
            "root threshold: 1 of 1 -> 2 of 3",
            &format!("adds root key {}, fingerprint {}", key(11).short(), key(11).fingerprint()),
            &format!("adds publisher key {} for class trailers, fingerprint", key(9).short()),
            "publisher threshold for class trailers: 1 of 1",
            &format!("removes operator key {}", key(2).short()),
            "removes the operator role",
            "to be renewed by: never -> 2030-03-17",
        ] {
            assert!(text.contains(line), "no `{line}` in\n{text}");
        }
        assert!(changes(Some(&old), &old).is_empty());
        assert!(changes(None, &old).contains(&"founds the library films".to_owned()));
    }
}
