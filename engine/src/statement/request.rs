//! A request file: one act of a library's operators before enough of them have signed it. People pass it from
//! one operator to the next, on a stick or by mail. It needs no home and no network until it is applied.
//!
//! ```text
//! magic "CHRQ" | version u8 = 1 | zero [3]
//! | statement count u16, ≤ 1152
//!     | statements × (length u32, envelope): the roots, version 1 first, then the subjects of the act
//! | length u32 | the signed bytes of the act: an envelope without its signatures
//! | signature count u8, ≤ 32 | each: public key [32], signature [64]; sorted by key, each once
//! ```
//!
//! It holds the roots, so the library's id authenticates the keys that are asked to sign. The other
//! statements in it show a signer what the act replaces, as it was known where the request was made. Every
//! signature must verify and be by a key that is asked. The act's own time limits the request: it can be
//! signed for [`REQUEST_MS`] after it was made.

use std::collections::BTreeMap;

use crate::{
    error::{Error, Result},
    id::{LibraryId, StatementId},
    limits::{
        DRAFT_ROOTS, REQUEST_BYTES, REQUEST_MS, REQUEST_STATEMENTS, SIGNATURES, STATEMENT_BYTES,
        format::{KEY_LEN, SIGNATURE_LEN},
    },
    statement::{
        Body, Key, Library, PublicKey, Role, RoleKind, Signature, Statement, StatementKind,
        bundle::{put_statement, read_statement},
        draft::Tally,
        envelope::{put_signatures, read_signatures, read_unsigned, signed_message, unsigned},
        library::{Proposed, place_in_order},
        wire::{Reader, check_count},
    },
};

#[cfg(test)]
mod tests;

/// The first bytes of every request file.
pub const MAGIC: &[u8; 4] = b"CHRQ";
const VERSION: u8 = 1;

/// An act of operators, and its signatures so far.
#[derive(Clone, Debug)]
pub struct Request {
    /// The library as it was known where the request was made.
    library: Library,
    proposed: Proposed,
    bytes: Vec<u8>,
    signatures: BTreeMap<PublicKey, Signature>,
}

impl Request {
    /// Asks the operators of `library` for an act. Fails where it is not an act of operators, or breaks a
    /// rule of its form.
    pub fn new(library: &Library, proposed: Proposed) -> Result<Self> {
        let bytes = unsigned(&proposed.header, &proposed.body)?;
        let mut context: Vec<Statement> = library.roots().cloned().collect();
        context.extend(subject_of(library, &proposed.body).into_iter().cloned());
        let library = Library::open(library.id(), context, proposed.header.time_ms)?;
        let request = Self { library, proposed, bytes, signatures: BTreeMap::new() };
        request.check()?;
        Ok(request)
    }

    /// Reads an untrusted file.
    pub fn decode(bytes: &[u8]) -> Result<Self> {
        let mut reader = Reader::new(bytes, "request file");
        if bytes.len() > REQUEST_BYTES {
            return Err(reader.invalid(format!("more than {REQUEST_BYTES} bytes")));
        }
        if reader.array::<4>()? != *MAGIC {
            return Err(reader.invalid("it does not begin with \"CHRQ\""));
        }
        if reader.array::<4>()? != [VERSION, 0, 0, 0] {
            return Err(reader.invalid("unknown version: a newer chuan wrote this"));
        }
        let count = usize::from(reader.u16()?);
        check_count(count, REQUEST_STATEMENTS, "statements in a request file")?;
        let mut context = Vec::new();
        for _ in 0..count {
            context.push(read_statement(&mut reader)?);
        }
        let len = usize::try_from(reader.u32()?).unwrap_or(usize::MAX);
        let act = reader.bytes(len)?;
        let signatures = read_signatures(&mut reader)?.into_iter().collect();
        reader.finish()?;

        let mut inner = Reader::new(act, "requested act");
        let (header, body) = read_unsigned(&mut inner)?;
        inner.finish()?;
        let id = header.library.ok_or_else(|| bad("it names no library"))?;
        let library = open_all(id, &context, header.time_ms)?;
        let proposed = Proposed { header, body };
        let request = Self { library, proposed, bytes: act.to_vec(), signatures };
        request.check()?;
        if request.encode()? != bytes {
            return Err(bad("the statements in it are not those that prove the act, in their order"));
        }
        Ok(request)
    }

    /// The file.
    pub fn encode(&self) -> Result<Vec<u8>> {
        let context = self.library.statements();
        let mut out = MAGIC.to_vec();
        out.extend_from_slice(&[VERSION, 0, 0, 0]);
        out.extend_from_slice(&u16::try_from(context.len()).unwrap_or(u16::MAX).to_le_bytes());
        context.iter().for_each(|statement| put_statement(&mut out, statement));
        out.extend_from_slice(&u32::try_from(self.bytes.len()).unwrap_or(u32::MAX).to_le_bytes());
        out.extend_from_slice(&self.bytes);
        put_signatures(&mut out, &self.signatures());
        check_count(context.len(), REQUEST_STATEMENTS, "statements in a request file")?;
        check_count(out.len(), REQUEST_BYTES, "bytes of a request file")?;
        Ok(out)
    }

    /// The library as it was known where the request was made: its roots, and the statements that the act is
    /// about.
    pub fn library(&self) -> &Library {
        &self.library
    }

    /// The requested act.
    pub fn proposed(&self) -> &Proposed {
        &self.proposed
    }

    /// The id that the act has as a statement; it does not depend on which keys sign.
    pub fn id(&self) -> StatementId {
        StatementId::of(&self.bytes)
    }

    /// The keys that signed, ascending.
    pub fn signers(&self) -> impl Iterator<Item = &PublicKey> {
        self.signatures.keys()
    }

    /// The time until which it can be signed and applied, in ms since 1970.
    pub fn expires_ms(&self) -> i64 {
        self.proposed.header.time_ms.saturating_add(REQUEST_MS)
    }

    /// Fails where the request is too old to be signed or applied at `now_ms`.
    pub fn check_time(&self, now_ms: i64) -> Result<()> {
        if now_ms < self.expires_ms() {
            return Ok(());
        }
        Err(Error::Denied(format!(
            "the request is older than {} days; make it anew, by what is known today",
            REQUEST_MS / (24 * 3600 * 1000)
        )))
    }

    /// Signs it; returns whether the signature is new. Fails for a key that is not asked, and for a request
    /// that is too old.
    pub fn sign(&mut self, key: &Key, now_ms: i64) -> Result<bool> {
        self.check_time(now_ms)?;
        let public = key.public();
        if !self.is_asked(&public) {
            return Err(Error::Denied(format!(
                "key {} is no operator key of {} ({})",
                public.short(),
                self.library.name(),
                self.library.id().short()
            )));
        }
        if self.signatures.contains_key(&public) {
            return Ok(false);
        }
        check_count(self.signatures.len() + 1, SIGNATURES, "signatures of a statement")?;
        self.signatures.insert(public, key.sign(&signed_message(&self.bytes)));
        Ok(true)
    }

    /// Adds the signatures of another copy; returns the number of new ones. Fails for another request.
    pub fn merge(&mut self, other: &Self) -> Result<usize> {
        if self.bytes != other.bytes {
            return Err(Error::Invalid(format!(
                "that file asks for another act ({}) than this one ({})",
                other.id().short(),
                self.id().short()
            )));
        }
        let before = self.signatures.len();
        let mut all = self.signatures.clone();
        all.extend(other.signatures());
        check_count(all.len(), SIGNATURES, "signatures of a statement")?;
        self.signatures = all;
        Ok(self.signatures.len() - before)
    }

    /// The number of signatures, and the number that is needed.
    pub fn tally(&self) -> Tally {
        self.tally_under(&self.library)
    }

    /// The same under the roots of `library`, which may know a newer one.
    pub fn tally_under(&self, library: &Library) -> Tally {
        let Some(role) = operators(library) else { return Tally { have: 0, need: 1, of: 0 } };
        let have = role.keys.iter().filter(|key| self.signatures.contains_key(key)).count();
        Tally { have, need: self.need(role), of: role.keys.len() }
    }

    /// The keys that are asked and have not signed; empty where enough have.
    pub fn waiting_for(&self) -> Vec<PublicKey> {
        let keys = operators(&self.library).map(|role| role.keys.as_slice()).unwrap_or_default();
        let missing = keys.iter().filter(|key| !self.signatures.contains_key(key) && !self.tally().is_met());
        missing.copied().collect()
    }

    /// The act as a statement, if enough keys signed.
    pub fn complete(&self) -> Result<Option<Statement>> {
        if !self.tally().is_met() {
            return Ok(None);
        }
        Statement::assemble(self.bytes.clone(), self.signatures()).map(Some)
    }

    fn signatures(&self) -> Vec<(PublicKey, Signature)> {
        self.signatures.iter().map(|(key, signature)| (*key, *signature)).collect()
    }

    /// A revocation is effective with any one signature.
    fn need(&self, role: &Role) -> usize {
        match self.proposed.body.kind() {
            StatementKind::Revoke => 1,
            _ => usize::from(role.threshold),
        }
    }

    fn is_asked(&self, key: &PublicKey) -> bool {
        operators(&self.library).is_some_and(|role| role.keys.contains(key))
    }

    fn check(&self) -> Result<()> {
        if !is_operators_act(&self.proposed.body) {
            return Err(bad(&format!("{} is no act of operators", self.proposed.body.kind().name())));
        }
        if self.bytes.len() + 1 + SIGNATURES * (KEY_LEN + SIGNATURE_LEN) > STATEMENT_BYTES {
            return Err(bad("the act is too large"));
        }
        if operators(&self.library).is_none() {
            return Err(Error::Denied(format!("the root of {} names no operator", self.library.name())));
        }
        let message = signed_message(&self.bytes);
        for (key, signature) in &self.signatures {
            key.verify(&message, signature).map_err(|_| {
                Error::Denied(format!(
                    "the signature of key {} does not verify on this act: the file was altered; take another copy",
                    key.short()
                ))
            })?;
            if !self.is_asked(key) {
                return Err(bad("a signature in it is not by an operator key"));
            }
        }
        Ok(())
    }
}

/// Whether operators alone sign it: with their threshold, or with one key where that is enough.
fn is_operators_act(body: &Body) -> bool {
    match body {
        Body::Ticket(_) | Body::Policy(_) | Body::Revoke(_) => true,
        Body::Member(member) => member.ticket.is_none(),
        Body::Channel(channel) => channel.term.is_none(),
        Body::Root(_)
        | Body::Release(_)
        | Body::Fresh(_)
        | Body::Succession(_)
        | Body::Checkpoint(_)
        | Body::Pins(_) => false,
    }
}

/// The operators' role of the newest root.
fn operators(library: &Library) -> Option<&Role> {
    library.root()?.roles.iter().find(|role| role.kind == RoleKind::Operator)
}

/// The statements that show what an act replaces and names, each after the statements that prove it.
fn subject_of<'a>(library: &'a Library, body: &Body) -> Vec<&'a Statement> {
    let mut shown: Vec<&Statement> = match body {
        Body::Member(member) => library.credentials(&member.node),
        Body::Revoke(revoke) => library.credentials(&revoke.node),
        Body::Policy(_) => library.policy_said().map(|said| said.statement).into_iter().collect(),
        Body::Channel(channel) => {
            let before = library.channel(&channel.name);
            let term = before.and_then(|_| library.statement(&library.term(&channel.name)?));
            let of_before = before.and_then(|before| library.release(&before.body.release));
            let releases = of_before.into_iter().chain(library.release(&channel.release));
            let channels = term.into_iter().chain(before.map(|before| before.statement));
            releases.map(|said| said.statement).chain(channels).collect()
        }
        _ => Vec::new(),
    };
    shown.sort_by_key(|statement| place_in_order(statement));
    shown.dedup_by_key(|statement| statement.id());
    shown.truncate(REQUEST_STATEMENTS - DRAFT_ROOTS);
    shown
}

/// A library of these statements; fails where a statement is of another library, or has a signature that does
/// not verify.
fn open_all(id: LibraryId, statements: &[Statement], now_ms: i64) -> Result<Library> {
    let mut library = Library::new(id);
    for outcome in library.offer_all(statements, now_ms) {
        let _ = outcome?;
    }
    if library.root().is_none() {
        return Err(bad("the first root of its library is not in it"));
    }
    Ok(library)
}

fn bad(why: &str) -> Error {
    Error::Invalid(format!("malformed request file: {why}"))
}
