//! Changes of a [`Root`] in operators' terms. Pure edits of a body: people decide whether to sign the result,
//! the [`library`](super::library) whether it is effective.

use std::str::FromStr;

use crate::{
    error::{Error, Result},
    statement::{Classes, PublicKey, Role, RoleKind, Root},
};

/// If one of these fails, it leaves the root as it was.
impl Root {
    /// Adds `key` to the role of `kind` for exactly `classes`. A missing role is created with a threshold of
    /// 1.
    pub fn add_key(&mut self, kind: RoleKind, classes: &Classes, key: PublicKey) -> Result<()> {
        let mut next = self.clone();
        match next.role_mut(kind, classes) {
            Some(role) => {
                let Err(place) = role.keys.binary_search(&key) else {
                    return Err(Error::Invalid(format!(
                        "key {} has that {} role already",
                        key.short(),
                        kind.name()
                    )));
                };
                role.keys.insert(place, key);
            }
            None => {
                next.roles.push(Role { kind, classes: classes.clone(), threshold: 1, keys: vec![key] });
                next.roles.sort_by(|a, b| (a.kind, &a.classes).cmp(&(b.kind, &b.classes)));
            }
        }
        self.become_checked(next)
    }

    /// Takes `key` out of the roles of `kind`: of the one for exactly `classes`, or of all. A role without
    /// keys is removed.
    pub fn remove_key(&mut self, kind: RoleKind, classes: Option<&Classes>, key: &PublicKey) -> Result<()> {
        let meant = |role: &Role| role.kind == kind && classes.is_none_or(|classes| role.classes == *classes);
        if !self.roles.iter().any(|role| meant(role) && role.keys.contains(key)) {
            return Err(Error::Missing(format!("key {} has no such {} role", key.short(), kind.name())));
        }
        let mut next = self.clone();
        for role in next.roles.iter_mut().filter(|role| meant(role)) {
            role.keys.retain(|other| other != key);
            if !role.keys.is_empty() && usize::from(role.threshold) > role.keys.len() {
                return Err(Error::Invalid(format!(
                    "the {} role needs {} keys and would have {}; add a key first, or lower it with `chuan root set-threshold`",
                    kind.name(),
                    role.threshold,
                    role.keys.len()
                )));
            }
        }
        next.roles.retain(|role| !role.keys.is_empty());
        self.become_checked(next)
    }

    /// Sets how many keys of the role of `kind` for exactly `classes` must sign.
    pub fn set_threshold(&mut self, kind: RoleKind, classes: &Classes, threshold: u8) -> Result<()> {
        let missing = || Error::Missing(format!("no key has that {} role; add one first", kind.name()));
        let mut next = self.clone();
        next.role_mut(kind, classes).ok_or_else(missing)?.threshold = threshold;
        self.become_checked(next)
    }

    fn become_checked(&mut self, next: Root) -> Result<()> {
        next.check()?;
        *self = next;
        Ok(())
    }

    fn role_mut(&mut self, kind: RoleKind, classes: &Classes) -> Option<&mut Role> {
        self.roles.iter_mut().find(|role| role.kind == kind && role.classes == *classes)
    }
}

impl FromStr for RoleKind {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let all = [RoleKind::Root, RoleKind::Operator, RoleKind::Publisher, RoleKind::Timekeeper];
        all.into_iter().find(|kind| kind.name() == text).ok_or_else(|| {
            Error::Invalid(format!("`{text}` is not a role; use root, operator, publisher or timekeeper"))
        })
    }
}
