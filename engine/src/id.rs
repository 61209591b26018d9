//! Ids: 32-byte BLAKE3 newtypes, each with its own domain. The only user of `blake3`.
//!
//! A chunk's id is the plain BLAKE3 of its bytes, so that any tool can check it. Every other id is BLAKE3 in
//! `derive_key` mode under its own context string, so that bytes of one kind are never valid as another kind.

use std::{fmt, str::FromStr};

pub use crate::limits::format::ID_LEN;
use crate::{
    codec,
    error::{Error, Result},
};

/// Fewest digits of the beginning of an id with which a person may name it.
const PREFIX_DIGITS: usize = 4;

/// Whether a text can be an id or its beginning: 4 to 64 hexadecimal digits and nothing else. Where a person
/// may write an id or a name, such a text is an id and never a name: a peer chooses its name freely, and must
/// not be taken for another node.
pub fn may_be_id(text: &str) -> bool {
    (PREFIX_DIGITS..=2 * ID_LEN).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

macro_rules! id_type {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, codec::Encode, codec::Decode)]
        pub struct $name([u8; ID_LEN]);

        impl $name {
            /// Makes an id from its 32 bytes, without a check.
            pub const fn from_bytes(bytes: [u8; ID_LEN]) -> Self {
                Self(bytes)
            }

            /// The 32 bytes.
            pub const fn as_bytes(&self) -> &[u8; ID_LEN] {
                &self.0
            }

            /// The first ten hexadecimal digits, for display.
            pub fn short(&self) -> String {
                self.to_string().chars().take(10).collect()
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($name), "({})"), self.short())
            }
        }

        impl FromStr for $name {
            type Err = Error;

            fn from_str(text: &str) -> Result<Self> {
                let bytes = data_encoding::HEXLOWER_PERMISSIVE
                    .decode(text.as_bytes())
                    .ok()
                    .and_then(|bytes| bytes.try_into().ok())
                    .ok_or_else(|| Error::Invalid(format!("`{text}` is not an id of 64 hexadecimal digits")))?;
                Ok(Self(bytes))
            }
        }
    };
}

id_type!(
    /// Id of a chunk, a content-defined run of bytes: BLAKE3 of the plain bytes.
    ChunkId
);
id_type!(
    /// Id of a node of a Merkle tree, or of a class table or class header that is stored as a page: see
    /// [`PageId::of`].
    PageId
);
id_type!(
    /// Id of a class table. A release names it.
    ManifestId
);
id_type!(
    /// A class commitment: the id of a class header.
    Commitment
);
id_type!(
    /// Id of a statement: of its signed bytes, without the signatures.
    StatementId
);
id_type!(
    /// Id of a statement with its signers: of the [`StatementId`] and their keys.
    EnvelopeId
);
id_type!(
    /// Digest of a set of envelopes.
    SetDigest
);
id_type!(
    /// Id of a library: of its first root document.
    LibraryId
);
id_type!(
    /// Id of a node: of its first public key.
    NodeId
);
id_type!(
    /// Id of a record of an audit log. It covers all records before.
    RecordId
);
id_type!(
    /// Id of a ledger frame. It covers all frames before it in the same generation.
    FrameId
);
id_type!(
    /// The key from which a publisher derives salts. A holder of the key can confirm guesses at the content
    /// of classes that were published with it, and can do nothing else with it.
    SaltKey
);
id_type!(
    /// The salt of a ticket, the salt of a class, or the nonce of a root: 32 bytes whose only requirement is
    /// that they do not repeat.
    Salt
);

const PAGE_CONTEXT: &str = "chuan 2026-11 page v2";
const TABLE_CONTEXT: &str = "chuan 2026-11 class table v2";
const HEADER_CONTEXT: &str = "chuan 2026-11 class header v2";
const STATEMENT_CONTEXT: &str = "chuan 2026-11 statement v1";
const ENVELOPE_CONTEXT: &str = "chuan 2026-11 envelope v1";
const SET_CONTEXT: &str = "chuan 2026-11 set v1";
const KINDS_CONTEXT: &str = "chuan 2026-11 set by kind v1";
const LIBRARY_CONTEXT: &str = "chuan 2026-11 library v1";
const NODE_CONTEXT: &str = "chuan 2026-11 node v1";
const SALT_CONTEXT: &str = "chuan 2026-11 class salt v1";
const FINGERPRINT_CONTEXT: &str = "chuan 2026-11 fingerprint v1";
const TICKET_CONTEXT: &str = "chuan 2026-11 ticket checksum v1";
const RECORD_CONTEXT: &str = "chuan 2026-11 audit record v1";
const FRAME_CONTEXT: &str = "chuan 2026-11 ledger frame v1";

fn derive(context: &str, bytes: &[u8]) -> [u8; ID_LEN] {
    blake3::derive_key(context, bytes)
}

/// Hashes content that belongs to a library: the library's id, then the bytes.
fn derive_of(context: &str, library: &LibraryId, bytes: &[u8]) -> [u8; ID_LEN] {
    *blake3::Hasher::new_derive_key(context).update(&library.0).update(bytes).finalize().as_bytes()
}

impl ChunkId {
    /// Hashes a chunk's plain bytes.
    pub fn of(bytes: &[u8]) -> Self {
        Self(*blake3::hash(bytes).as_bytes())
    }
}

impl PageId {
    /// Hashes the canonical bytes of a tree page, as content of `library`.
    pub fn of(library: &LibraryId, bytes: &[u8]) -> Self {
        Self(derive_of(PAGE_CONTEXT, library, bytes))
    }
}

impl ManifestId {
    /// Hashes the canonical bytes of a class table, as content of `library`.
    pub fn of(library: &LibraryId, bytes: &[u8]) -> Self {
        Self(derive_of(TABLE_CONTEXT, library, bytes))
    }

    /// The key of the table in the store: tables are stored among the pages.
    pub const fn as_page(&self) -> PageId {
        PageId(self.0)
    }
}

impl Commitment {
    /// Hashes the canonical bytes of a class header, as content of `library`.
    pub fn of(library: &LibraryId, bytes: &[u8]) -> Self {
        Self(derive_of(HEADER_CONTEXT, library, bytes))
    }

    /// The key of the header in the store: headers are stored among the pages.
    pub const fn as_page(&self) -> PageId {
        PageId(self.0)
    }
}

impl StatementId {
    /// Hashes the signed part of a statement.
    pub fn of(signed: &[u8]) -> Self {
        Self(derive(STATEMENT_CONTEXT, signed))
    }
}

impl EnvelopeId {
    /// Hashes a statement's id and the keys that signed it, in ascending order.
    pub(crate) fn of<'a>(statement: &StatementId, signers: impl Iterator<Item = &'a [u8; ID_LEN]>) -> Self {
        let mut bytes = statement.as_bytes().to_vec();
        signers.for_each(|key| bytes.extend_from_slice(key));
        Self(derive(ENVELOPE_CONTEXT, &bytes))
    }

    /// The first byte. Two nodes compare their statements in as many buckets as this byte has values.
    pub const fn bucket(&self) -> u8 {
        let [first, ..] = self.0;
        first
    }

    /// The smallest id in a bucket.
    pub(crate) const fn first_of(bucket: u8) -> Self {
        let mut bytes = [0; ID_LEN];
        bytes[0] = bucket;
        Self(bytes)
    }

    /// The largest id in a bucket.
    pub(crate) const fn last_of(bucket: u8) -> Self {
        let mut bytes = [u8::MAX; ID_LEN];
        bytes[0] = bucket;
        Self(bytes)
    }
}

impl SetDigest {
    /// Hashes ids in ascending order.
    pub fn of(ids: &[EnvelopeId]) -> Self {
        let bytes: Vec<u8> = ids.iter().flat_map(|id| *id.as_bytes()).collect();
        Self(derive(SET_CONTEXT, &bytes))
    }

    /// Hashes the sets of several kinds, as pairs of the tag of a kind and the digest of its ids, in
    /// ascending order of tags.
    pub(crate) fn of_kinds<'a>(kinds: impl Iterator<Item = (u8, &'a SetDigest)>) -> Self {
        let bytes: Vec<u8> = kinds.flat_map(|(tag, digest)| std::iter::once(tag).chain(digest.0)).collect();
        Self(derive(KINDS_CONTEXT, &bytes))
    }

    /// The first eight bytes.
    pub(crate) const fn start(&self) -> u64 {
        let [a, b, c, d, e, f, g, h, ..] = self.0;
        u64::from_le_bytes([a, b, c, d, e, f, g, h])
    }
}

impl Default for SetDigest {
    /// The digest of the empty set.
    fn default() -> Self {
        Self::of(&[])
    }
}

impl LibraryId {
    /// Hashes the signed part of a library's first root statement.
    pub fn of(first_root: &[u8]) -> Self {
        Self(derive(LIBRARY_CONTEXT, first_root))
    }
}

impl NodeId {
    /// Hashes a node's first Ed25519 public key (32 bytes).
    pub fn of(public_key: &[u8; 32]) -> Self {
        Self(derive(NODE_CONTEXT, public_key))
    }
}

impl RecordId {
    /// The id of the previous record, in the first record of a log.
    pub const NONE: Self = Self([0; ID_LEN]);

    /// Hashes the canonical bytes of a record. They include the id of the previous record.
    pub fn of(bytes: &[u8]) -> Self {
        Self(derive(RECORD_CONTEXT, bytes))
    }
}

impl FrameId {
    /// Hashes the bytes of a frame. They include the hash of the previous frame or, in the first frame, of
    /// the header.
    pub fn of(bytes: &[u8]) -> Self {
        Self(derive(FRAME_CONTEXT, bytes))
    }
}

impl SaltKey {
    /// Derives the key from a publisher's secret. The secret cannot be derived from the key.
    pub fn of_publisher(secret: &[u8; 32]) -> Self {
        Self(derive(SALT_CONTEXT, secret))
    }
}

impl Salt {
    /// The salt of a class header: the hash of the entry tree's root, keyed by a secret of the publishers. So
    /// a node that may not read the class cannot confirm a guess at its content from the commitment.
    pub fn of_class(key: &SaltKey, root: &PageId) -> Self {
        Self(*blake3::keyed_hash(&key.0, root.as_bytes()).as_bytes())
    }
}

/// A 64-bit hash of `bytes` under `level`. Tree pages take their cut points from it. It is not an id: it is
/// never stored.
pub fn boundary_hash(level: u8, bytes: &[u8]) -> u64 {
    let mut hasher = blake3::Hasher::new();
    hasher.update(&[level]);
    hasher.update(bytes);
    let mut out = [0u8; 8];
    hasher.finalize_xof().fill(&mut out);
    u64::from_le_bytes(out)
}

/// An eight-byte checksum. It tells a damaged or truncated ticket text from a ticket with a wrong key or
/// statement. It is not a signature.
pub fn ticket_checksum(bytes: &[u8]) -> [u8; 8] {
    let mut out = [0u8; 8];
    out.copy_from_slice(derive(TICKET_CONTEXT, bytes).split_at(8).0);
    out
}

/// The hash that a fingerprint shows: of 32 bytes that are a key or an id, as `kind` says.
pub fn fingerprint_hash(kind: u8, bytes: &[u8; 32]) -> [u8; 32] {
    let mut hasher = blake3::Hasher::new_derive_key(FINGERPRINT_CONTEXT);
    hasher.update(&[kind]).update(bytes);
    *hasher.finalize().as_bytes()
}

/// Checks that `id` is the id of `bytes`, the bytes of a page record of `library`, for any kind of page (tree
/// page, table or header).
pub fn is_page(library: &LibraryId, id: &PageId, bytes: &[u8]) -> bool {
    PageId::of(library, bytes) == *id
        || ManifestId::of(library, bytes).as_page() == *id
        || Commitment::of(library, bytes).as_page() == *id
}
