//! Keys and signatures: Ed25519 under one strict rule, used by statements, tickets and TLS.
//!
//! A public key is 32 bytes that encode a point of large order in its one canonical form. A signature is
//! checked with the strict equation (reduced `S`, `R` and key of large order). So no valid signature can be
//! turned into a second one, and no key verifies every message. Every use of a key prefixes its messages with
//! a domain of its own.
//!
//! To decide whether bytes encode a point costs a square root in the field. A statement is untrusted and may
//! list thousands of keys, so its keys are checked by comparing bytes only: canonical, and none of the
//! encodings of small order. No signature verifies under bytes that are not a point, so such a key grants
//! nothing.

use std::{fmt, str::FromStr};

use ed25519_dalek::{Signer, SigningKey, VerifyingKey};

use crate::{
    error::{Error, Result},
    id::NodeId,
    limits::format::{KEY_LEN, SIGNATURE_LEN},
};

/// A secret signing key. Wiped from memory when dropped; its `Debug` shows the public half only.
#[derive(Clone)]
pub struct Key(SigningKey);

impl Key {
    /// The key of a seed: 32 bytes from the system's source of randomness.
    pub fn from_seed(seed: [u8; KEY_LEN]) -> Self {
        Self(SigningKey::from_bytes(&seed))
    }

    /// The seed, for a key file, a ticket or a TLS stack. Never log it.
    pub fn seed(&self) -> &[u8; KEY_LEN] {
        self.0.as_bytes()
    }

    /// The public half.
    pub fn public(&self) -> PublicKey {
        PublicKey(self.0.verifying_key().to_bytes())
    }

    /// The node whose first key this is.
    pub fn node(&self) -> NodeId {
        self.public().node()
    }

    /// Signs `message`, which must begin with a domain that no other use of this key shares.
    pub fn sign(&self, message: &[u8]) -> Signature {
        Signature(self.0.sign(message).to_bytes())
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Key(secret of {:?})", self.public())
    }
}

/// The `y` of the points of small order, without the sign of `x`, in canonical form: orders 1, 2, 4, and 8
/// twice.
const SMALL_ORDER: [[u8; KEY_LEN]; 5] = [
    [1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0],
    [
        0xec, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
        0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f,
    ],
    [0; KEY_LEN],
    [
        0x26, 0xe8, 0x95, 0x8f, 0xc2, 0xb2, 0x27, 0xb0, 0x45, 0xc3, 0xf4, 0x89, 0xf2, 0xef, 0x98, 0xf0, 0xd5,
        0xdf, 0xac, 0x05, 0xd3, 0xc6, 0x33, 0x39, 0xb1, 0x38, 0x02, 0x88, 0x6d, 0x53, 0xfc, 0x05,
    ],
    [
        0xc7, 0x17, 0x6a, 0x70, 0x3d, 0x4d, 0xd8, 0x4f, 0xba, 0x3c, 0x0b, 0x76, 0x0d, 0x10, 0x67, 0x0f, 0x2a,
        0x20, 0x53, 0xfa, 0x2c, 0x39, 0xcc, 0xc6, 0x4e, 0xc7, 0xfd, 0x77, 0x92, 0xac, 0x03, 0x7a,
    ],
];

/// A public key that passed [`PublicKey::from_bytes`]. A key in a statement passed only the cheaper byte
/// checks: it may not be a point, and then no signature verifies under it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PublicKey([u8; KEY_LEN]);

impl PublicKey {
    /// Takes the 32 bytes of an Ed25519 public key. Refuses bytes that are not a point, points of small
    /// order, and second encodings of a point.
    pub fn from_bytes(bytes: [u8; KEY_LEN]) -> Result<Self> {
        let key = Self::from_form(bytes)?;
        VerifyingKey::from_bytes(&bytes).map_err(|_| invalid_key("encodes no point of the curve"))?;
        Ok(key)
    }

    /// Takes the 32 bytes of a key in a statement, with only those checks of [`from_bytes`](Self::from_bytes)
    /// that compare bytes. The result may not be a point of the curve.
    pub(crate) fn from_form(bytes: [u8; KEY_LEN]) -> Result<Self> {
        if !is_reduced(&bytes) {
            return Err(invalid_key("is not in canonical form"));
        }
        let mut unsigned = bytes;
        let [.., last] = &mut unsigned;
        *last &= 0x7f;
        if SMALL_ORDER.contains(&unsigned) {
            return Err(invalid_key("has small order, so anything would verify under it"));
        }
        Ok(Self(bytes))
    }

    /// The 32 bytes.
    pub const fn as_bytes(&self) -> &[u8; KEY_LEN] {
        &self.0
    }

    /// The node whose first key this is.
    pub fn node(&self) -> NodeId {
        NodeId::of(&self.0)
    }

    /// Checks a signature over `message` (domain included) by the strict rule.
    pub fn verify(&self, message: &[u8], signature: &Signature) -> Result<()> {
        VerifyingKey::from_bytes(&self.0)
            .and_then(|key| {
                key.verify_strict(message, &ed25519_dalek::Signature::from_bytes(signature.as_bytes()))
            })
            .map_err(|_| Error::Denied(format!("the signature of key {} does not verify", self.short())))
    }

    /// The first ten hexadecimal digits, for people.
    pub fn short(&self) -> String {
        self.to_string().chars().take(10).collect()
    }
}

/// Whether the y coordinate is below the field's prime 2²⁵⁵ − 19; the top bit of the last byte is the sign of
/// x.
fn is_reduced(bytes: &[u8; KEY_LEN]) -> bool {
    let [first, middle @ .., last] = bytes;
    !(last & 0x7f == 0x7f && middle.iter().all(|byte| *byte == 0xff) && *first >= 0xed)
}

fn invalid_key(why: &str) -> Error {
    Error::Invalid(format!("a public key {why}"))
}

impl fmt::Display for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PublicKey({})", self.short())
    }
}

impl FromStr for PublicKey {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let bytes = data_encoding::HEXLOWER_PERMISSIVE
            .decode(text.as_bytes())
            .ok()
            .and_then(|bytes| bytes.try_into().ok())
            .ok_or_else(|| Error::Invalid(format!("`{text}` is not a key of 64 hexadecimal digits")))?;
        Self::from_bytes(bytes)
    }
}

/// The 64 bytes of a signature, not yet checked.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Signature([u8; SIGNATURE_LEN]);

impl Signature {
    /// Takes the 64 bytes as they are.
    pub const fn from_bytes(bytes: [u8; SIGNATURE_LEN]) -> Self {
        Self(bytes)
    }

    /// The 64 bytes.
    pub const fn as_bytes(&self) -> &[u8; SIGNATURE_LEN] {
        &self.0
    }
}

impl fmt::Debug for Signature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let start: String = self.0.iter().take(4).map(|byte| format!("{byte:02x}")).collect();
        write!(f, "Signature({start}…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The order of the base point, little-endian.
    const L: [u8; 32] = [
        0xed, 0xd3, 0xf5, 0x5c, 0x1a, 0x63, 0x12, 0x58, 0xd6, 0x9c, 0xf7, 0xa2, 0xde, 0xf9, 0xde, 0x14, 0, 0,
        0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x10,
    ];

    fn bytes(hex: &str) -> Vec<u8> {
        data_encoding::HEXLOWER.decode(hex.as_bytes()).unwrap()
    }

    /// RFC 8032 section 7.1, test 2.
    #[test]
    fn signs_as_the_rfc() {
        let seed = bytes("4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb");
        let key = Key::from_seed(seed.try_into().unwrap());
        assert_eq!(
            key.public().to_string(),
            "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c"
        );
        let signature = key.sign(&[0x72]);
        let expected = "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da\
                        085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00";
        assert_eq!(signature.as_bytes().to_vec(), bytes(expected));
        key.public().verify(&[0x72], &signature).unwrap();
        assert!(key.public().verify(&[0x73], &signature).is_err());
    }

    /// Malleability: adding the group's order to `S` satisfies the same equation, and must not give a second
    /// signature.
    #[test]
    fn refuses_an_unreduced_s() {
        let key = Key::from_seed([7; 32]);
        let mut forged = *key.sign(b"message").as_bytes();
        let mut carry = 0u16;
        for (byte, add) in forged[32..].iter_mut().zip(L) {
            let sum = u16::from(*byte) + u16::from(add) + carry;
            *byte = u8::try_from(sum & 0xff).unwrap();
            carry = sum >> 8;
        }
        assert_eq!(carry, 0);
        assert!(key.public().verify(b"message", &Signature::from_bytes(forged)).is_err());
    }

    /// The eight points of small order and the second encodings of two of them: under such a key, a signature
    /// of zeros verifies for every (or every eighth) message by the loose rule.
    #[test]
    fn refuses_small_order_and_second_encodings() {
        let weak = [
            "0100000000000000000000000000000000000000000000000000000000000000",
            "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
            "0000000000000000000000000000000000000000000000000000000000000000",
            "0000000000000000000000000000000000000000000000000000000000000080",
            "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
            "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc85",
            "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
            "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa",
            "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
            "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        ];
        for hex in weak {
            assert!(PublicKey::from_bytes(bytes(hex).try_into().unwrap()).is_err(), "{hex}");
            assert!(PublicKey::from_form(bytes(hex).try_into().unwrap()).is_err(), "{hex}");
        }
        for y in SMALL_ORDER {
            for sign in [0, 0x80] {
                let mut point = y;
                point[31] |= sign;
                assert!(PublicKey::from_form(point).is_err(), "{point:02x?}");
                // The table is right: each of these encodings that is a point is one of small order.
                assert!(VerifyingKey::from_bytes(&point).is_ok_and(|key| key.is_weak()), "{point:02x?}");
            }
        }
        // y = 3 is a point of large order; y = p + 3 is its second encoding.
        let mut three = [0u8; 32];
        three[0] = 3;
        PublicKey::from_bytes(three).unwrap();
        let mut second = [0xff; 32];
        (second[0], second[31]) = (0xf0, 0x7f);
        assert!(PublicKey::from_bytes(second).unwrap_err().to_string().contains("canonical"));
    }

    /// A statement's key is not decompressed before a signature under it is checked. If it is not a point, no
    /// signature verifies, not even one that verifies under any key by the loose rule.
    #[test]
    fn no_signature_verifies_under_a_key_that_is_not_a_point() {
        let mut no_point = [0u8; 32];
        no_point[0] = 2;
        assert!(PublicKey::from_bytes(no_point).unwrap_err().to_string().contains("no point"));
        let key = PublicKey::from_form(no_point).unwrap();
        let mut forged = [0u8; 64];
        for r in SMALL_ORDER.into_iter().chain([no_point]) {
            forged[..32].copy_from_slice(&r);
            assert!(key.verify(b"message", &Signature::from_bytes(forged)).is_err());
        }
        let signature = Key::from_seed([7; 32]).sign(b"message");
        assert!(key.verify(b"message", &signature).is_err());
    }

    /// A signature whose `R` has small order verifies for a chosen key by the loose rule.
    #[test]
    fn refuses_a_small_order_r() {
        let key = Key::from_seed([7; 32]);
        let mut forged = [0u8; 64];
        forged[0] = 1;
        assert!(key.public().verify(b"message", &Signature::from_bytes(forged)).is_err());
    }

    #[test]
    fn debug_keeps_the_secret() {
        let key = Key::from_seed([0x5a; 32]);
        assert!(!format!("{key:?}").contains("5a5a"), "{key:?}");
    }
}
