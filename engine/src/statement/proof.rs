//! The proof by which a joiner shows that it holds a ticket, without showing the ticket.
//!
//! The joiner signs, with the ticket's key,
//!
//! ```text
//! "chuan 2026-11 ticket proof v1" 0x00 | TLS exporter [32] | library [32] | joiner's node [32]
//! | ticket statement [32]
//! ```
//!
//! Only the two ends of one TLS connection know the exporter (RFC 8446 section 7.5, label [`EXPORTER_LABEL`],
//! no context). The proof is therefore useless on any other connection, to a redeemer that would pass it on,
//! and for another node.

pub use crate::limits::format::EXPORTER_LEN;
use crate::{
    error::Result,
    id::{LibraryId, NodeId, StatementId},
    statement::{
        key::{Key, PublicKey, Signature},
        ticket::wrong_key,
    },
};

/// The prefix of the signed bytes.
pub const DOMAIN: &[u8] = b"chuan 2026-11 ticket proof v1\0";
/// The label under which both ends derive the exporter from their connection.
pub const EXPORTER_LABEL: &[u8] = b"EXPORTER-chuan-1-join";

/// The fields that a joiner signs. Each end fills them in from its own knowledge; none of them is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Proof {
    /// Keying material of this connection.
    pub exporter: [u8; EXPORTER_LEN],
    /// The library to join.
    pub library: LibraryId,
    /// The node whose key the joiner proved in the handshake.
    pub joiner: NodeId,
    /// The ticket.
    pub ticket: StatementId,
}

impl Proof {
    /// The joiner's side: signs with the ticket's key.
    pub fn sign(&self, ticket_key: &Key) -> Signature {
        ticket_key.sign(&self.message())
    }

    /// The redeemer's side: `ticket_key` is the key in the ticket's statement.
    pub fn verify(&self, ticket_key: &PublicKey, signature: &Signature) -> Result<()> {
        ticket_key.verify(&self.message(), signature).map_err(|_| wrong_key())
    }

    fn message(&self) -> Vec<u8> {
        [DOMAIN, &self.exporter, self.library.as_bytes(), self.joiner.as_bytes(), self.ticket.as_bytes()]
            .concat()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn proof() -> Proof {
        Proof {
            exporter: [1; 32],
            library: LibraryId::from_bytes([2; 32]),
            joiner: NodeId::from_bytes([3; 32]),
            ticket: StatementId::from_bytes([4; 32]),
        }
    }

    /// Ed25519 signatures are deterministic: this one fixes the domain, and the order and width of every
    /// field.
    #[test]
    fn golden() {
        let signature = proof().sign(&Key::from_seed([5; 32]));
        assert_eq!(data_encoding::HEXLOWER.encode(signature.as_bytes()), GOLDEN);
    }

    const GOLDEN: &str = "fd39c8f7237b329902e8c5a901869ef527fce028f1a3e8d463ffacd404ac0571\
                          4037f22adcfdddba23801ecb5269c813daed4c2b0f996a48d58ce89ac31b1602";

    #[test]
    fn is_bound_to_everything_in_it() {
        let key = Key::from_seed([5; 32]);
        let signature = proof().sign(&key);
        proof().verify(&key.public(), &signature).unwrap();
        let others = [
            Proof { exporter: [9; 32], ..proof() },
            Proof { library: LibraryId::from_bytes([9; 32]), ..proof() },
            Proof { joiner: NodeId::from_bytes([9; 32]), ..proof() },
            Proof { ticket: StatementId::from_bytes([9; 32]), ..proof() },
        ];
        for other in others {
            assert!(other.verify(&key.public(), &signature).is_err(), "{other:?}");
        }
        let error = proof().verify(&Key::from_seed([6; 32]).public(), &signature).unwrap_err().to_string();
        assert!(error.contains("key is not the one") && error.contains("chuan invite"), "{error}");
    }
}
