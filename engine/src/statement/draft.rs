//! A file of roots: the roots of a library up to now, and the proposed next root with its signatures so far.
//! People pass it from one holder of a root key to the next, on a stick or by mail. It needs no home and no
//! network.
//!
//! ```text
//! magic "CHRD" | version u8 = 1 | zero [3]
//! | root count u16, ≤ 1024 | roots × (length u32, envelope), version 1 first
//! | proposal present u8 (0 or 1); if so:
//!     length u32 | the signed bytes of the proposed root: an envelope without its signatures
//!     | signature count u8, ≤ 32 | each: public key [32], signature [64]; sorted by key, each once
//! ```
//!
//! It holds all roots, not only the last. So the library's id authenticates the root with which the proposal
//! is compared, and no attacker can show a signer a harmless change of a false root. A file is read only if
//! every root in it follows from the one before, every signature verifies, and every signature is by a root
//! key that is asked to sign. Only a proposal may be without signatures; it becomes a [`Statement`] when it
//! has enough of them.

use std::collections::BTreeMap;

use crate::{
    error::{Error, Result},
    id::{LibraryId, StatementId},
    limits::{
        DRAFT_BYTES, DRAFT_ROOTS, SIGNATURES, STATEMENT_BYTES,
        format::{KEY_LEN, SIGNATURE_LEN},
    },
    statement::{
        Body, Header, Key, PublicKey, Root, Signature, Statement,
        bundle::{put_statement, read_statement},
        envelope::{put_signatures, read_signatures, read_unsigned, signed_message, unsigned},
        wire::{Reader, check_count},
    },
};

#[cfg(test)]
mod tests;

const MAGIC: &[u8; 4] = b"CHRD";
const VERSION: u8 = 1;

/// The roots of a library, each following from the one before, and the proposed next root. There is always a
/// root or a proposal.
#[derive(Clone, Debug)]
pub struct Draft {
    roots: Vec<Statement>,
    proposal: Option<Proposal>,
}

/// A root that is not signed by enough keys yet, or is complete and not moved among the roots yet.
#[derive(Clone, Debug)]
pub struct Proposal {
    bytes: Vec<u8>,
    root: Root,
    library: LibraryId,
    signatures: BTreeMap<PublicKey, Signature>,
}

/// How many signatures of a root role a proposal has, and how many it needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tally {
    /// Keys of the role that signed.
    pub have: usize,
    /// Keys of the role that must sign.
    pub need: usize,
    /// Keys of the role.
    pub of: usize,
}

impl Draft {
    /// Proposes the first root of a new library. The version in `root` is set here.
    pub fn found(root: Root, now_ms: i64) -> Result<Self> {
        let proposal = Proposal::make(None, Root { version: 1, ..root }, now_ms)?;
        Ok(Self { roots: Vec::new(), proposal: Some(proposal) })
    }

    /// Takes the roots of a library, version 1 first, without a proposal.
    pub fn of(roots: Vec<Statement>) -> Result<Self> {
        if roots.is_empty() {
            return Err(Error::Missing("there is no root; `chuan root init` makes the first".into()));
        }
        let draft = Self { roots, proposal: None };
        draft.check()?;
        Ok(draft)
    }

    /// Reads an untrusted file.
    pub fn decode(bytes: &[u8]) -> Result<Self> {
        let mut reader = Reader::new(bytes, "file of roots");
        if bytes.len() > DRAFT_BYTES {
            return Err(reader.invalid(format!("more than {DRAFT_BYTES} bytes")));
        }
        if reader.array::<4>()? != *MAGIC {
            return Err(reader.invalid("it does not begin with \"CHRD\""));
        }
        if reader.array::<4>()? != [VERSION, 0, 0, 0] {
            return Err(reader.invalid("unknown version: a newer chuan wrote this"));
        }
        let count = usize::from(reader.u16()?);
        if count > DRAFT_ROOTS {
            return Err(reader.invalid(format!("{count} roots; at most {DRAFT_ROOTS} are allowed")));
        }
        let mut roots = Vec::new();
        for _ in 0..count {
            roots.push(read_statement(&mut reader)?);
        }
        let proposal = if reader.bool()? { Some(Proposal::read(&mut reader)?) } else { None };
        if roots.is_empty() && proposal.is_none() {
            return Err(reader.invalid("there is no root in it"));
        }
        reader.finish()?;
        let draft = Self { roots, proposal };
        draft.check()?;
        Ok(draft)
    }

    /// The file.
    pub fn encode(&self) -> Result<Vec<u8>> {
        let mut out = MAGIC.to_vec();
        out.extend_from_slice(&[VERSION, 0, 0, 0]);
        out.extend_from_slice(&u16::try_from(self.roots.len()).unwrap_or(u16::MAX).to_le_bytes());
        self.roots.iter().for_each(|root| put_statement(&mut out, root));
        out.push(u8::from(self.proposal.is_some()));
        if let Some(proposal) = &self.proposal {
            proposal.put(&mut out);
        }
        if self.roots.len() > DRAFT_ROOTS || out.len() > DRAFT_BYTES {
            return Err(Error::Invalid("the library has had too many roots for one file".into()));
        }
        Ok(out)
    }

    /// The library; for a library that is not founded yet, the id that it will have.
    pub fn library(&self) -> LibraryId {
        let founded = self.roots.first().map(Statement::library);
        founded
            .or_else(|| self.proposal.as_ref().map(Proposal::library))
            .unwrap_or(LibraryId::from_bytes([0; 32]))
    }

    /// The last signed root.
    pub fn current(&self) -> Option<&Root> {
        self.roots.last().and_then(root_of)
    }

    /// The statement of [`Draft::current`].
    pub fn current_statement(&self) -> Option<&Statement> {
        self.roots.last()
    }

    /// The proposed next root.
    pub fn proposal(&self) -> Option<&Proposal> {
        self.proposal.as_ref()
    }

    /// The root from which a further change starts: the proposal, else the current root.
    pub fn newest(&self) -> Option<&Root> {
        self.proposal.as_ref().map(Proposal::root).or_else(|| self.current())
    }

    /// Proposes `root` to follow the current one: as its next version, in place of an incomplete proposal. A
    /// complete proposal becomes a root first. A proposal equal to the current root is removed. Returns the
    /// number of signatures that this makes void.
    pub fn propose(&mut self, root: Root, now_ms: i64) -> Result<usize> {
        self.settle()?;
        let version = self.current().map_or(0, |current| current.version).saturating_add(1);
        let library = self.roots.first().map(Statement::library);
        let root = Root { version, ..root };
        let void = self.proposal.as_ref().map_or(0, |proposal| proposal.signatures.len());
        let unchanged = self.current().is_some_and(|current| Root { version, ..current.clone() } == root);
        self.proposal = if unchanged { None } else { Some(Proposal::make(library, root, now_ms)?) };
        Ok(void)
    }

    /// Moves a complete proposal to the roots.
    pub fn settle(&mut self) -> Result<()> {
        if let Some(statement) = self.complete()? {
            self.roots.push(statement);
            self.proposal = None;
        }
        Ok(())
    }

    /// Signs the proposal. Fails for a key that neither root names as a root key; signing twice changes
    /// nothing.
    pub fn sign(&mut self, key: &Key) -> Result<()> {
        let public = key.public();
        let asked = self.is_asked(&public);
        let proposal = self.proposed_mut()?;
        if !asked {
            return Err(Error::Denied(format!(
                "key {} is a root key neither of this proposal nor of the root before it",
                public.short()
            )));
        }
        let signature = key.sign(&signed_message(&proposal.bytes));
        proposal.add([(public, signature)])
    }

    /// Adds the signatures of another copy of the same proposal, or the proposal itself where this file has
    /// none. Returns the number of new signatures. Fails for another library, another version or another
    /// proposal.
    pub fn merge(&mut self, other: &Draft) -> Result<usize> {
        if other.library() != self.library() {
            return Err(Error::Invalid(format!(
                "that file is of library {}, this one of {}",
                other.library().short(),
                self.library().short()
            )));
        }
        let ids = |draft: &Draft| draft.roots.iter().map(Statement::id).collect::<Vec<_>>();
        if ids(self) != ids(other) {
            return Err(Error::Invalid(format!(
                "that file goes on from root version {}, this one from {}; only versions that follow each other go together",
                other.roots.len(),
                self.roots.len()
            )));
        }
        let theirs = other.proposal().ok_or_else(|| Error::Missing("that file proposes nothing".into()))?;
        let Some(ours) = &mut self.proposal else {
            self.proposal = Some(theirs.clone());
            return Ok(theirs.signatures.len());
        };
        if ours.bytes != theirs.bytes {
            return Err(Error::Invalid(format!(
                "that file proposes another root ({}) than this one ({}); agree on one of them",
                theirs.id().short(),
                ours.id().short()
            )));
        }
        let before = ours.signatures.len();
        ours.add(theirs.signatures())?;
        Ok(ours.signatures.len() - before)
    }

    /// The signatures of the proposal under the root before it (`None` for a first root), and under itself.
    pub fn tallies(&self) -> Option<(Option<Tally>, Tally)> {
        let proposal = self.proposal.as_ref()?;
        Some((self.current().map(|root| proposal.tally(root)), proposal.tally(&proposal.root)))
    }

    /// The proposal as a statement, if enough keys signed it.
    pub fn complete(&self) -> Result<Option<Statement>> {
        let (Some(proposal), Some((old, new))) = (&self.proposal, self.tallies()) else { return Ok(None) };
        if !new.is_met() || old.is_some_and(|old| !old.is_met()) {
            return Ok(None);
        }
        Statement::assemble(proposal.bytes.clone(), proposal.signatures()).map(Some)
    }

    /// Every root that is signed by enough keys, including a complete proposal: the statements for a library.
    pub fn statements(&self) -> Result<Vec<Statement>> {
        Ok(self.roots.iter().cloned().chain(self.complete()?).collect())
    }

    /// The keys that can still add a needed signature to the proposal.
    pub fn waiting_for(&self) -> Vec<PublicKey> {
        let Some(proposal) = &self.proposal else { return Vec::new() };
        let roots = self.current().into_iter().chain([&proposal.root]);
        let unmet = roots.filter(|root| !proposal.tally(root).is_met()).filter_map(Root::root_role);
        let mut keys: Vec<_> = unmet.flat_map(|role| &role.keys).copied().collect();
        keys.retain(|key| !proposal.signatures.contains_key(key));
        keys.sort_unstable();
        keys.dedup();
        keys
    }

    fn proposed_mut(&mut self) -> Result<&mut Proposal> {
        let missing = || {
            Error::Missing("nothing is proposed; change something first, as with `chuan root add-key`".into())
        };
        self.proposal.as_mut().ok_or_else(missing)
    }

    fn is_asked(&self, key: &PublicKey) -> bool {
        let roots = self.current().into_iter().chain(self.proposal.as_ref().map(Proposal::root));
        roots.filter_map(Root::root_role).any(|role| role.keys.contains(key))
    }

    fn check(&self) -> Result<()> {
        let library = self.library();
        let mut before: Option<&Root> = None;
        for statement in &self.roots {
            let root = root_of(statement).ok_or_else(|| bad("a statement in it is not a root"))?;
            if statement.library() != library {
                return Err(bad("its roots are of several libraries"));
            }
            let signers = statement.verify_signatures()?;
            check_follows(before, root, &signers)?;
            before = Some(root);
        }
        let Some(proposal) = &self.proposal else { return Ok(()) };
        let version = before.map_or(0, |root| root.version).saturating_add(1);
        if proposal.root.version != version || proposal.library != library {
            return Err(bad("the proposal does not follow from its last root"));
        }
        let message = signed_message(&proposal.bytes);
        for (key, signature) in &proposal.signatures {
            key.verify(&message, signature)?;
            if !self.is_asked(key) {
                return Err(bad("a signature in it is not by a root key"));
            }
        }
        Ok(())
    }
}

impl Proposal {
    fn make(library: Option<LibraryId>, root: Root, now_ms: i64) -> Result<Self> {
        let header = Header { library, sequence: root.version, time_ms: now_ms };
        Self::parse(&unsigned(&header, &Body::Root(root))?, BTreeMap::new())
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self> {
        let len = usize::try_from(reader.u32()?).unwrap_or(usize::MAX);
        let bytes = reader.bytes(len)?;
        let signatures = read_signatures(reader)?;
        Self::parse(bytes, signatures.into_iter().collect())
    }

    fn parse(bytes: &[u8], signatures: BTreeMap<PublicKey, Signature>) -> Result<Self> {
        if bytes.len() + 1 + SIGNATURES * (KEY_LEN + SIGNATURE_LEN) > STATEMENT_BYTES {
            return Err(bad("the proposed root is too large"));
        }
        let mut reader = Reader::new(bytes, "proposed root");
        let (header, body) = read_unsigned(&mut reader)?;
        reader.finish()?;
        let Body::Root(root) = body else { return Err(bad("the proposal is not a root")) };
        let library = header.library.unwrap_or_else(|| LibraryId::of(bytes));
        Ok(Self { bytes: bytes.to_vec(), root, library, signatures })
    }

    fn put(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&u32::try_from(self.bytes.len()).unwrap_or(u32::MAX).to_le_bytes());
        out.extend_from_slice(&self.bytes);
        put_signatures(out, &self.signatures());
    }

    /// The proposed root.
    pub fn root(&self) -> &Root {
        &self.root
    }

    /// The id that it has as a statement, whatever keys sign.
    pub fn id(&self) -> StatementId {
        StatementId::of(&self.bytes)
    }

    /// The keys that signed it.
    pub fn signers(&self) -> impl Iterator<Item = &PublicKey> {
        self.signatures.keys()
    }

    fn library(&self) -> LibraryId {
        self.library
    }

    fn add(&mut self, signatures: impl IntoIterator<Item = (PublicKey, Signature)>) -> Result<()> {
        let mut all = self.signatures.clone();
        all.extend(signatures);
        check_count(all.len(), SIGNATURES, "signatures of a statement")?;
        self.signatures = all;
        Ok(())
    }

    fn signatures(&self) -> Vec<(PublicKey, Signature)> {
        self.signatures.iter().map(|(key, signature)| (*key, *signature)).collect()
    }

    fn tally(&self, under: &Root) -> Tally {
        let Some(role) = under.root_role() else { return Tally { have: 0, need: 1, of: 0 } };
        let have = role.keys.iter().filter(|key| self.signatures.contains_key(key)).count();
        Tally { have, need: usize::from(role.threshold), of: role.keys.len() }
    }
}

impl Tally {
    /// Whether enough keys signed.
    pub fn is_met(&self) -> bool {
        self.have >= self.need
    }
}

/// Whether `next`, signed by `signers`, follows `before`; without `before`, whether it may be a library's
/// first root.
fn check_follows(before: Option<&Root>, next: &Root, signers: &[PublicKey]) -> Result<()> {
    if next.version != before.map_or(0, |root| root.version).saturating_add(1) {
        return Err(bad("its roots do not follow each other"));
    }
    let meets = |root: &Root| root.root_role().is_some_and(|role| role.is_met_by(signers));
    if !meets(next) || before.is_some_and(|before| !meets(before)) {
        return Err(Error::Denied(format!("root version {} is not signed by enough keys", next.version)));
    }
    Ok(())
}

fn root_of(statement: &Statement) -> Option<&Root> {
    match statement.body() {
        Body::Root(root) => Some(root),
        _ => None,
    }
}

fn bad(why: &str) -> Error {
    Error::Invalid(format!("malformed file of roots: {why}"))
}
