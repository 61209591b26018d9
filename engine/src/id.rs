//! The names of things: 32-byte BLAKE3 newtypes, each with its own domain. The only user of `blake3`.
//!
//! A chunk's id is the plain BLAKE3 of its bytes, so that any tool can check it. Every other id is BLAKE3 in
//! `derive_key` mode under a context string of its own, so that bytes of one kind never pass for another.

use std::{fmt, str::FromStr};

use crate::{
    codec,
    error::{Error, Result},
};

/// Bytes of an id.
pub const ID_LEN: usize = 32;

macro_rules! id_type {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, codec::Encode, codec::Decode)]
        pub struct $name([u8; ID_LEN]);

        impl $name {
            /// Takes the 32 bytes as they are.
            pub const fn from_bytes(bytes: [u8; ID_LEN]) -> Self {
                Self(bytes)
            }

            /// The 32 bytes.
            pub const fn as_bytes(&self) -> &[u8; ID_LEN] {
                &self.0
            }

            /// The first ten hexadecimal digits, for people.
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
    /// A content-defined run of bytes: BLAKE3 of the plain bytes.
    ChunkId
);
id_type!(
    /// A node of a Merkle tree, or a table or class header kept as one: see [`PageId::of`].
    PageId
);
id_type!(
    /// A class table: what a release names.
    ManifestId
);
id_type!(
    /// A class commitment: the id of a class header.
    Commitment
);
id_type!(
    /// A statement: its signed bytes, without the signatures.
    StatementId
);
id_type!(
    /// A statement with its signers: [`StatementId`] and their keys.
    EnvelopeId
);
id_type!(
    /// A set of envelopes.
    SetDigest
);
id_type!(
    /// A library: its first root document.
    LibraryId
);
id_type!(
    /// A node: its first public key.
    NodeId
);
id_type!(
    /// A record of an audit log, and with it all records before.
    RecordId
);
id_type!(
    /// A frame of a ledger, and with it all frames before in its generation.
    FrameId
);
id_type!(
    /// What a publisher makes salts with: whoever has it can confirm guesses at the classes published with it, no more.
    SaltKey
);
id_type!(
    /// A ticket's salt, a class's salt, a root's nonce: 32 bytes that only must not repeat.
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

/// The hash of content that belongs to a library: of the library's id, then the bytes.
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
    /// Hashes a tree page's canonical bytes as content of `library`.
    pub fn of(library: &LibraryId, bytes: &[u8]) -> Self {
        Self(derive_of(PAGE_CONTEXT, library, bytes))
    }
}

impl ManifestId {
    /// Hashes a class table's canonical bytes as content of `library`.
    pub fn of(library: &LibraryId, bytes: &[u8]) -> Self {
        Self(derive_of(TABLE_CONTEXT, library, bytes))
    }

    /// The key under which the store keeps the table: tables live among the pages.
    pub const fn as_page(&self) -> PageId {
        PageId(self.0)
    }
}

impl Commitment {
    /// Hashes a class header's canonical bytes as content of `library`.
    pub fn of(library: &LibraryId, bytes: &[u8]) -> Self {
        Self(derive_of(HEADER_CONTEXT, library, bytes))
    }

    /// The key under which the store keeps the header: headers live among the pages.
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
    /// Names a statement by its id and the keys that signed it, ascending.
    pub(crate) fn of<'a>(statement: &StatementId, signers: impl Iterator<Item = &'a [u8; ID_LEN]>) -> Self {
        let mut bytes = statement.as_bytes().to_vec();
        signers.for_each(|key| bytes.extend_from_slice(key));
        Self(derive(ENVELOPE_CONTEXT, &bytes))
    }

    /// Its first byte: statements are compared in as many buckets as there are.
    pub const fn bucket(&self) -> u8 {
        let [first, ..] = self.0;
        first
    }

    /// The smallest name in a bucket.
    pub(crate) const fn first_of(bucket: u8) -> Self {
        let mut bytes = [0; ID_LEN];
        bytes[0] = bucket;
        Self(bytes)
    }

    /// The largest name in a bucket.
    pub(crate) const fn last_of(bucket: u8) -> Self {
        let mut bytes = [u8::MAX; ID_LEN];
        bytes[0] = bucket;
        Self(bytes)
    }
}

impl SetDigest {
    /// Hashes names that ascend.
    pub fn of(ids: &[EnvelopeId]) -> Self {
        let bytes: Vec<u8> = ids.iter().flat_map(|id| *id.as_bytes()).collect();
        Self(derive(SET_CONTEXT, &bytes))
    }

    /// Hashes the sets of several kinds, as pairs of a kind's tag and the digest of its names; tags ascend.
    pub(crate) fn of_kinds<'a>(kinds: impl Iterator<Item = (u8, &'a SetDigest)>) -> Self {
        let bytes: Vec<u8> = kinds.flat_map(|(tag, digest)| std::iter::once(tag).chain(digest.0)).collect();
        Self(derive(KINDS_CONTEXT, &bytes))
    }

    /// Its first eight bytes.
    pub(crate) const fn start(&self) -> u64 {
        let [a, b, c, d, e, f, g, h, ..] = self.0;
        u64::from_le_bytes([a, b, c, d, e, f, g, h])
    }
}

impl Default for SetDigest {
    /// Of nothing.
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
    /// What stands in a log's first record for the one before.
    pub const NONE: Self = Self([0; ID_LEN]);

    /// Hashes a record's canonical bytes, which hold the id of the record before.
    pub fn of(bytes: &[u8]) -> Self {
        Self(derive(RECORD_CONTEXT, bytes))
    }
}

impl FrameId {
    /// Hashes a frame's bytes, which hold the hash of the frame before; for the first, the header's.
    pub fn of(bytes: &[u8]) -> Self {
        Self(derive(FRAME_CONTEXT, bytes))
    }
}

impl SaltKey {
    /// Derives the key from a publisher's secret, which does not follow from it.
    pub fn of_publisher(secret: &[u8; 32]) -> Self {
        Self(derive(SALT_CONTEXT, secret))
    }
}

impl Salt {
    /// The salt of a class header: keyed by a secret of the publishers, over the root of the entry tree, so that who
    /// may not read a class cannot confirm a guess at its content from the commitment.
    pub fn of_class(key: &SaltKey, root: &PageId) -> Self {
        Self(*blake3::keyed_hash(&key.0, root.as_bytes()).as_bytes())
    }
}

/// A 64-bit hash of `bytes` under `level`, from which tree pages take their cut points. Not a name: it is never stored.
pub fn boundary_hash(level: u8, bytes: &[u8]) -> u64 {
    let mut hasher = blake3::Hasher::new();
    hasher.update(&[level]);
    hasher.update(bytes);
    let mut out = [0u8; 8];
    hasher.finalize_xof().fill(&mut out);
    u64::from_le_bytes(out)
}

/// Eight bytes that tell a damaged or shortened ticket text from one whose key or statement is wrong. Not a signature.
pub fn ticket_checksum(bytes: &[u8]) -> [u8; 8] {
    let mut out = [0u8; 8];
    out.copy_from_slice(derive(TICKET_CONTEXT, bytes).split_at(8).0);
    out
}

/// The hash behind a fingerprint: of 32 bytes that are a key or an id, as `kind` says.
pub fn fingerprint_hash(kind: u8, bytes: &[u8; 32]) -> [u8; 32] {
    let mut hasher = blake3::Hasher::new_derive_key(FINGERPRINT_CONTEXT);
    hasher.update(&[kind]).update(bytes);
    *hasher.finalize().as_bytes()
}

/// Checks that `bytes` of a page record of `library` are what `id` names, whichever kind of page it is (tree page,
/// table, header).
pub fn is_page(library: &LibraryId, id: &PageId, bytes: &[u8]) -> bool {
    PageId::of(library, bytes) == *id
        || ManifestId::of(library, bytes).as_page() == *id
        || Commitment::of(library, bytes).as_page() == *id
}
