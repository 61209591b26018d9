//! The body of a `root` statement: the keys of each role. It decides nothing; the rules are in
//! [`library`](super::library).
//!
//! ```text
//! version u64 | nonce [32] | name (len u16, UTF-8) | expires_ms i64 (0 = never)
//! | role count u8 | roles, sorted by (kind, classes):
//!     kind u8 (1 root, 2 operator, 3 publisher, 4 timekeeper) | threshold u8
//!     | class count u8 | class × (len u16, pattern)
//!     | key count u8 | key × [32], sorted
//! | if there are pins or lists: pin count u16 | pin × [32], sorted
//!     | list count u8 | list × (key [32], pins statement [32]), sorted
//! ```

use crate::{
    error::{Error, Result},
    id::{Salt, StatementId},
    limits::{NAME_BYTES, PIN_LISTS, PINS, ROLE_KEYS, ROLES},
    statement::{
        key::PublicKey,
        scope::Classes,
        wire::{Reader, check_ascending, check_count, check_name, put_list, put_string},
    },
};

/// The statements that a key may sign.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum RoleKind {
    /// The next root.
    Root = 1,
    /// Channels, tickets and members.
    Operator = 2,
    /// Releases, and the channels that name the key as active.
    Publisher = 3,
    /// The freshness of channels.
    Timekeeper = 4,
}

impl RoleKind {
    /// All kinds.
    pub const ALL: [RoleKind; 4] =
        [RoleKind::Root, RoleKind::Operator, RoleKind::Publisher, RoleKind::Timekeeper];

    /// The name that people see.
    pub const fn name(self) -> &'static str {
        match self {
            RoleKind::Root => "root",
            RoleKind::Operator => "operator",
            RoleKind::Publisher => "publisher",
            RoleKind::Timekeeper => "timekeeper",
        }
    }
}

/// The pins at a root's end, and the lists of more of them.
type Tail = (Vec<StatementId>, Vec<(PublicKey, StatementId)>);

fn decode_tail(reader: &mut Reader<'_>) -> Result<Tail> {
    if reader.rest().is_empty() {
        return Ok(Tail::default());
    }
    let count = usize::from(reader.u16()?);
    check_count(count, PINS, "pins of a root")?;
    let pins =
        (0..count).map(|_| Ok(StatementId::from_bytes(reader.array()?))).collect::<Result<Vec<_>>>()?;
    let list = |reader: &mut Reader<'_>| Ok((reader.key()?, StatementId::from_bytes(reader.array()?)));
    let lists = reader.list(PIN_LISTS, list)?;
    if pins.is_empty() && lists.is_empty() {
        return Err(reader.invalid("an empty list of pins is left out"));
    }
    Ok((pins, lists))
}

/// A role: `threshold` of `keys` must sign for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Role {
    /// The statements for which it may sign.
    pub kind: RoleKind,
    /// The classes for which it may sign; only a publisher's role can be limited to some.
    pub classes: Classes,
    /// How many different keys must sign, 1 to the number of `keys`.
    pub threshold: u8,
    /// Sorted, each once.
    pub keys: Vec<PublicKey>,
}

/// The keys that may sign in a library, by role.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Root {
    /// 1 for the first; also the statement's sequence.
    pub version: u64,
    /// Makes the id of a library its own, whatever its name and keys.
    pub nonce: Salt,
    /// The library's name: a label, not an identity.
    pub name: String,
    /// The time by which operators should have renewed it, in ms since 1970; 0 = never. It only warns.
    pub expires_ms: i64,
    /// Sorted by kind and classes, each pair once; exactly one entry is the root role.
    pub roles: Vec<Role>,
    /// Statements that stay effective although the root no longer names their signers, sorted: a removed
    /// key's statements from before it was lost or stolen. At most [`PINS`].
    pub pins: Vec<StatementId>,
    /// Further pins, of revocations by removed keys: for each key the [`Pins`](super::Pins) statements that
    /// list them, sorted. As long as a node lacks a list of a key, every revocation by that key is effective
    /// there.
    pub lists: Vec<(PublicKey, StatementId)>,
}

impl Root {
    /// The role that signs the next root.
    pub fn root_role(&self) -> Option<&Role> {
        self.roles.iter().find(|role| role.kind == RoleKind::Root)
    }

    /// Whether `signers` (distinct keys whose signatures verify) meet the threshold of one role of `kind`
    /// that covers all of `classes`.
    pub fn allows(&self, kind: RoleKind, classes: &Classes, signers: &[PublicKey]) -> bool {
        self.roles
            .iter()
            .filter(|role| role.kind == kind && classes.within(&role.classes))
            .any(|role| role.is_met_by(signers))
    }

    /// Whether any role of `kind` names `key`.
    pub fn names(&self, kind: RoleKind, key: &PublicKey) -> bool {
        self.roles.iter().any(|role| role.kind == kind && role.keys.contains(key))
    }

    pub(crate) fn decode(reader: &mut Reader<'_>) -> Result<Self> {
        let mut root = Self {
            version: reader.u64()?,
            nonce: Salt::from_bytes(reader.array()?),
            name: reader.string(NAME_BYTES)?,
            expires_ms: reader.i64()?,
            roles: reader.list(ROLES, Role::decode)?,
            pins: Vec::new(),
            lists: Vec::new(),
        };
        (root.pins, root.lists) = decode_tail(reader)?;
        Ok(root)
    }

    pub(crate) fn encode(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.version.to_le_bytes());
        out.extend_from_slice(self.nonce.as_bytes());
        put_string(out, &self.name);
        out.extend_from_slice(&self.expires_ms.to_le_bytes());
        put_list(out, &self.roles, |out, role| role.encode(out));
        if !self.pins.is_empty() || !self.lists.is_empty() {
            out.extend_from_slice(&u16::try_from(self.pins.len()).unwrap_or(u16::MAX).to_le_bytes());
            self.pins.iter().for_each(|pin| out.extend_from_slice(pin.as_bytes()));
            put_list(out, &self.lists, |out, (key, list)| {
                out.extend_from_slice(key.as_bytes());
                out.extend_from_slice(list.as_bytes());
            });
        }
    }

    pub(crate) fn check(&self) -> Result<()> {
        check_name(&self.name, "the library name")?;
        check_count(self.roles.len(), ROLES, "roles")?;
        let places: Vec<_> = self.roles.iter().map(|role| (role.kind, &role.classes)).collect();
        check_ascending(&places, "the roles of a root")?;
        self.roles.iter().try_for_each(Role::check)?;
        check_count(self.pins.len(), PINS, "pins of a root")?;
        check_ascending(&self.pins, "the pins of a root")?;
        check_count(self.lists.len(), PIN_LISTS, "lists of pins of a root")?;
        check_ascending(&self.lists, "the lists of pins of a root")?;
        if self.version == 0 || self.expires_ms < 0 {
            return Err(Error::Invalid("a root's version and times start above zero".into()));
        }
        if self.root_role().is_none() {
            return Err(Error::Invalid("a root must name the keys that sign the next root".into()));
        }
        Ok(())
    }
}

impl Role {
    /// A role for all classes that any one of `keys` may exercise.
    pub fn any_of(kind: RoleKind, keys: impl IntoIterator<Item = PublicKey>) -> Self {
        let mut keys: Vec<_> = keys.into_iter().collect();
        keys.sort_unstable();
        keys.dedup();
        Self { kind, classes: Classes::all(), threshold: 1, keys }
    }

    /// Whether enough different keys of the role are among `signers`, however often one is listed there.
    pub fn is_met_by(&self, signers: &[PublicKey]) -> bool {
        let met = self.keys.iter().filter(|key| signers.contains(key)).count();
        met >= usize::from(self.threshold.max(1))
    }

    fn decode(reader: &mut Reader<'_>) -> Result<Self> {
        let tag = reader.u8()?;
        let kind = RoleKind::ALL
            .into_iter()
            .find(|kind| *kind as u8 == tag)
            .ok_or_else(|| reader.invalid(format!("unknown role {tag}: a newer chuan wrote this")))?;
        let threshold = reader.u8()?;
        let classes = Classes::decode(reader)?;
        let keys = reader.list(ROLE_KEYS, Reader::key)?;
        Ok(Self { kind, classes, threshold, keys })
    }

    fn encode(&self, out: &mut Vec<u8>) {
        out.push(self.kind as u8);
        out.push(self.threshold);
        self.classes.encode(out);
        put_list(out, &self.keys, |out, key| out.extend_from_slice(key.as_bytes()));
    }

    fn check(&self) -> Result<()> {
        let kind = self.kind.name();
        check_count(self.keys.len(), ROLE_KEYS, "keys of a role")?;
        check_ascending(&self.keys, "the keys of a role")?;
        if self.threshold == 0 || usize::from(self.threshold) > self.keys.len() {
            return Err(Error::Invalid(format!(
                "the {kind} role wants {} of {} keys",
                self.threshold,
                self.keys.len()
            )));
        }
        // A node has one newest operator statement, whatever classes it is about, so an operator key has
        // power over all classes.
        if self.kind != RoleKind::Publisher && !self.classes.is_all() {
            return Err(Error::Invalid(format!(
                "the {kind} role cannot be limited to classes, only a publisher's can; leave the classes out"
            )));
        }
        Ok(())
    }
}
