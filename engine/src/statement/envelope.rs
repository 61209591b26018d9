//! The envelope of every statement, and its signatures. It owns the bytes and the check of the signatures;
//! whether a key was authorized to sign is decided in the [`library`](super::library).
//!
//! ```text
//! offset size
//!      0    4  magic "CHST"
//!      4    1  version = 2
//!      5    1  kind: 1 root, 2 release, 3 channel, 4 member, 5 ticket, 7 revoke, 8 fresh, 9 succession,
//!                 10 checkpoint, 11 policy, 25 pins
//!      6    2  flags = 0
//!      8   32  library; zeros in the first root, whose hash is the library's id
//!     40    8  sequence u64, 1 to 2⁶⁴ − 2
//!     48    8  time i64 of signing, ms since 1970, never negative: for people and for order among equals
//!     56    4  body length u32
//!     60    n  body, by kind
//! 60 + n    1  signature count u8, 1 to 32            ┐ not part of the id
//! 61 + n   96  each: public key [32], signature [64]  ┘ sorted by key, each once
//! ```
//!
//! All integers are little-endian. The statement's id is the hash of the bytes before the signature count.
//! Each signature is over [`DOMAIN`] followed by those same bytes, as received: no statement is encoded again
//! to be checked.

use std::ops::Range;

use bytes::Bytes;

use crate::{
    error::{Error, Result},
    id::{EnvelopeId, ID_LEN, LibraryId, StatementId},
    limits::{SIGNATURES, STATEMENT_BYTES},
    statement::{
        StatementKind,
        body::Body,
        key::{Key, PublicKey, Signature},
        wire::{Reader, check_ascending, put_list},
    },
};

/// The prefix of a statement's bytes in every signature over it.
pub const DOMAIN: &[u8] = b"chuan 2026-11 statement signature v1\0";

const MAGIC: &[u8; 4] = b"CHST";
const VERSION: u8 = 2;
/// The version of chuan 0.1.0: its members and tickets name no region, and its libraries are not taken over.
const BEFORE: u8 = 1;
/// Bytes before the body.
const HEADER_LEN: usize = 60;
const NO_LIBRARY: [u8; ID_LEN] = [0; ID_LEN];

/// A statement that parses. It proves nothing before [`Statement::verify_signatures`] and a
/// [`Library`](super::Library) have checked it.
#[derive(Clone, Debug)]
pub struct Statement {
    bytes: Bytes,
    signed: Range<usize>,
    id: StatementId,
    library: LibraryId,
    sequence: u64,
    time_ms: i64,
    body: Body,
    signatures: Vec<(PublicKey, Signature)>,
}

/// The fields of a new statement beside its body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// The library; `None` in its first root only.
    pub library: Option<LibraryId>,
    /// 1 to 2⁶⁴ − 2.
    pub sequence: u64,
    /// Now, in ms since 1970.
    pub time_ms: i64,
}

impl Statement {
    /// Parses an untrusted envelope. Keeps the bytes as received; checks form, not signatures.
    pub fn decode(bytes: &[u8]) -> Result<Self> {
        if bytes.len() > STATEMENT_BYTES {
            return Err(Error::Invalid(format!(
                "malformed statement: {} bytes; at most {STATEMENT_BYTES} are allowed",
                bytes.len()
            )));
        }
        let mut reader = Reader::new(bytes, "statement");
        let (header, body) = read_unsigned(&mut reader)?;
        let signed = 0..bytes.len().saturating_sub(reader.rest().len());
        let signatures = read_signatures(&mut reader)?;
        reader.finish()?;
        if signatures.is_empty() {
            return Err(Error::Invalid("malformed statement: it carries no signature".into()));
        }
        let bytes = Bytes::copy_from_slice(bytes);
        let signed_bytes = bytes.slice(signed.clone());
        Ok(Self {
            id: StatementId::of(&signed_bytes),
            library: header.library.unwrap_or_else(|| LibraryId::of(&signed_bytes)),
            signed,
            sequence: header.sequence,
            time_ms: header.time_ms,
            body,
            signatures,
            bytes,
        })
    }

    /// Makes and signs a statement. Fails where the body or the header breaks a rule, or where no key is
    /// given.
    pub fn sign(header: Header, body: &Body, keys: &[&Key]) -> Result<Self> {
        let bytes = unsigned(&header, body)?;
        let message = signed_message(&bytes);
        let signatures = keys.iter().map(|key| (key.public(), key.sign(&message))).collect();
        Self::assemble(bytes, signatures)
    }

    /// The same statement with one more signature, as the holders of a threshold's keys pass it on.
    pub fn cosign(&self, key: &Key) -> Result<Self> {
        let mut signatures = self.signatures.clone();
        signatures.push((key.public(), key.sign(&signed_message(self.signed_bytes()))));
        Self::assemble(self.signed_bytes().to_vec(), signatures)
    }

    /// The same statement with the signatures of both; `None` where `other` adds none. Both must have been
    /// verified.
    pub(crate) fn merge(&self, other: &Self) -> Result<Option<Self>> {
        let news = other.signatures.iter().filter(|(key, _)| self.signers().all(|known| known != key));
        let mut signatures = self.signatures.clone();
        signatures.extend(news);
        if self.id != other.id || signatures.len() == self.signatures.len() {
            return Ok(None);
        }
        Self::assemble(self.signed_bytes().to_vec(), signatures).map(Some)
    }

    /// The same statement with the signatures of some of its signers only; `None` where that changes nothing.
    /// Fails where no signature is left.
    pub(crate) fn with_signers(&self, keep: impl Fn(&PublicKey) -> bool) -> Result<Option<Self>> {
        let mut signatures = self.signatures.clone();
        signatures.retain(|(key, _)| keep(key));
        if signatures.len() == self.signatures.len() {
            return Ok(None);
        }
        if signatures.is_empty() {
            return Err(Error::Denied(format!(
                "{} {} is not signed by enough of its own keys",
                self.kind().name(),
                self.id.short()
            )));
        }
        Self::assemble(self.signed_bytes().to_vec(), signatures).map(Some)
    }

    /// Verifies all signatures and returns their keys, each once. One bad signature fails the statement.
    pub fn verify_signatures(&self) -> Result<Vec<PublicKey>> {
        let message = signed_message(self.signed_bytes());
        for (key, signature) in &self.signatures {
            key.verify(&message, signature).map_err(|_| {
                Error::Denied(format!(
                    "the signature of key {} does not verify on {} {}: it was altered on the way",
                    key.short(),
                    self.kind().name(),
                    self.id.short()
                ))
            })?;
        }
        Ok(self.signatures.iter().map(|(key, _)| *key).collect())
    }

    /// The hash of the signed bytes.
    pub fn id(&self) -> StatementId {
        self.id
    }

    /// The name of this envelope: a hash of the statement's id and of its signers.
    pub fn envelope_id(&self) -> EnvelopeId {
        EnvelopeId::of(&self.id, self.signatures.iter().map(|(key, _)| key.as_bytes()))
    }

    /// The library that it names; for a first root, the library that it founds.
    pub fn library(&self) -> LibraryId {
        self.library
    }

    /// The kind of the statement.
    pub fn kind(&self) -> StatementKind {
        self.body.kind()
    }

    /// Its place among the statements on the same subject.
    pub fn sequence(&self) -> u64 {
        self.sequence
    }

    /// The claimed time of signing, in ms since 1970.
    pub fn time_ms(&self) -> i64 {
        self.time_ms
    }

    /// The body.
    pub fn body(&self) -> &Body {
        &self.body
    }

    /// The keys of its signatures, ascending.
    pub fn signers(&self) -> impl Iterator<Item = &PublicKey> {
        self.signatures.iter().map(|(key, _)| key)
    }

    /// The envelope as received, to be stored and passed on.
    pub fn bytes(&self) -> &Bytes {
        &self.bytes
    }

    fn signed_bytes(&self) -> &[u8] {
        self.bytes.get(self.signed.clone()).unwrap_or_default()
    }

    /// Appends signatures to signed bytes and parses the result, so that no statement is made that would not
    /// parse.
    pub(super) fn assemble(mut bytes: Vec<u8>, mut signatures: Vec<(PublicKey, Signature)>) -> Result<Self> {
        signatures.sort_unstable_by_key(|(key, _)| *key);
        signatures.dedup_by_key(|(key, _)| *key);
        put_signatures(&mut bytes, &signatures);
        Self::decode(&bytes)
    }
}

/// Two envelopes are equal when all bytes are equal, signatures included.
impl PartialEq for Statement {
    fn eq(&self, other: &Self) -> bool {
        self.bytes == other.bytes
    }
}

impl Eq for Statement {}

/// The bytes of a statement that are signed. Fails where the body breaks a rule.
pub(super) fn unsigned(header: &Header, body: &Body) -> Result<Vec<u8>> {
    let encoded = body.encode()?;
    let body_len = u32::try_from(encoded.len()).unwrap_or(u32::MAX);
    let mut bytes = Vec::with_capacity(HEADER_LEN + encoded.len());
    bytes.extend_from_slice(MAGIC);
    bytes.extend_from_slice(&[VERSION, body.kind() as u8, 0, 0]);
    bytes.extend_from_slice(&header.library.map_or(NO_LIBRARY, |library| *library.as_bytes()));
    bytes.extend_from_slice(&header.sequence.to_le_bytes());
    bytes.extend_from_slice(&header.time_ms.to_le_bytes());
    bytes.extend_from_slice(&body_len.to_le_bytes());
    bytes.extend_from_slice(&encoded);
    Ok(bytes)
}

/// Reads the output of [`unsigned`].
pub(super) fn read_unsigned(reader: &mut Reader<'_>) -> Result<(Header, Body)> {
    let (tag, library) = decode_start(reader)?;
    let kind = StatementKind::from_tag(tag)?;
    let (sequence, time_ms) = (reader.u64()?, reader.i64()?);
    let body_len = reader.u32()?;
    let body = reader.bytes(usize::try_from(body_len).unwrap_or(usize::MAX))?;
    let body = Body::decode(kind, body)?;
    let header = Header { library, sequence, time_ms };
    check_header(&header, &body)?;
    Ok((header, body))
}

/// Appends the signatures, which ascend by key.
pub(super) fn put_signatures(out: &mut Vec<u8>, signatures: &[(PublicKey, Signature)]) {
    put_list(out, signatures, |out, (key, signature)| {
        out.extend_from_slice(key.as_bytes());
        out.extend_from_slice(signature.as_bytes());
    });
}

/// Reads the output of [`put_signatures`].
pub(super) fn read_signatures(reader: &mut Reader<'_>) -> Result<Vec<(PublicKey, Signature)>> {
    let signatures =
        reader.list(SIGNATURES, |reader| Ok((reader.key()?, Signature::from_bytes(reader.array()?))))?;
    let signers: Vec<_> = signatures.iter().map(|(key, _)| *key).collect();
    check_ascending(&signers, "the signatures of a statement")?;
    Ok(signatures)
}

/// Reads the fields up to the library: the kind's tag, which this version may not know, and the library,
/// which is `None` in a first root.
pub(super) fn decode_start(reader: &mut Reader<'_>) -> Result<(u8, Option<LibraryId>)> {
    if reader.array::<4>()? != *MAGIC {
        return Err(reader.invalid("it does not begin with \"CHST\""));
    }
    let version = reader.u8()?;
    match version {
        VERSION => {}
        BEFORE => {
            return Err(reader.invalid(
                "chuan 0.1.0 wrote it, whose libraries this version does not read: found the library anew",
            ));
        }
        _ => return Err(reader.invalid(format!("unknown version {version}: a newer chuan wrote this"))),
    }
    let tag = reader.u8()?;
    let flags = reader.u16()?;
    if flags != 0 {
        return Err(reader.invalid(format!("unknown flags {flags:#06x}: a newer chuan wrote this")));
    }
    let library = reader.array()?;
    Ok((tag, (library != NO_LIBRARY).then(|| LibraryId::from_bytes(library))))
}

fn check_header(header: &Header, body: &Body) -> Result<()> {
    let invalid = |why: &str| Err(Error::Invalid(format!("malformed statement: {why}")));
    if header.sequence == 0 || header.sequence == u64::MAX {
        return invalid("its sequence is out of range");
    }
    if header.time_ms < 0 {
        return invalid("its time is before 1970");
    }
    if let (Body::Release(release), Some(library)) = (body, &header.library) {
        release.check_table(library)?;
    }
    match body {
        Body::Root(root) if root.version != header.sequence => {
            invalid("a root's sequence must be its version")
        }
        Body::Root(root) if (root.version == 1) != header.library.is_none() => {
            invalid("a first root, and only it, names no library")
        }
        Body::Root(_) => Ok(()),
        Body::Checkpoint(checkpoint) if checkpoint.count != header.sequence => {
            invalid("a checkpoint's sequence must be its count")
        }
        _ if header.library.is_none() => invalid("it names no library"),
        _ => Ok(()),
    }
}

/// The message of each signature.
pub(super) fn signed_message(signed: &[u8]) -> Vec<u8> {
    [DOMAIN, signed].concat()
}
