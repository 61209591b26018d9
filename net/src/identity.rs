//! The identity of a node on the wire: TLS 1.3 with raw Ed25519 public keys (RFC 7250) on both sides.
//!
//! A handshake proves a key and nothing more. The rights of the key are decided later, from statements;
//! nothing here reads statements.

use std::{fmt, sync::Arc};

use chuan_engine::{
    id::NodeId,
    statement::{Key, PublicKey, Signature},
};
use rustls::{
    CertificateError, CipherSuite, DigitallySignedStruct, DistinguishedName, Error as TlsError, NamedGroup,
    SignatureAlgorithm, SignatureScheme,
    client::{
        AlwaysResolvesClientRawPublicKeys, Resumption,
        danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    },
    crypto::CryptoProvider,
    pki_types::{CertificateDer, ServerName, SubjectPublicKeyInfoDer, UnixTime},
    server::{
        AlwaysResolvesServerRawPublicKeys, NoServerSessionStorage,
        danger::{ClientCertVerified, ClientCertVerifier},
    },
    sign::{CertifiedKey, Signer, SigningKey as TlsSigningKey},
};

use crate::error::{Error, Result};

/// The protocol and its version, for TLS's ALPN.
pub const ALPN: &[u8] = b"chuan/2";

/// The DER of an Ed25519 SubjectPublicKeyInfo (RFC 8410) up to the key itself.
const SPKI_PREFIX: [u8; 12] = [0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00];

/// A node's secret key in the form TLS needs. Cheap to clone; the secret is wiped with the last clone.
#[derive(Clone)]
pub struct Identity {
    key: Arc<Key>,
    node: NodeId,
}

impl Identity {
    /// The identity of a node under its first key.
    pub fn new(key: Key) -> Self {
        let node = key.node();
        Self::of_node(node, key)
    }

    /// The identity of a node whose key was replaced.
    pub fn of_node(node: NodeId, key: Key) -> Self {
        Self { key: Arc::new(key), node }
    }

    /// Whether the node's id is derived from this key.
    pub fn is_first_key(&self) -> bool {
        self.key.node() == self.node
    }

    /// The node's id.
    pub const fn node(&self) -> NodeId {
        self.node
    }

    /// The public key.
    pub fn public(&self) -> PublicKey {
        self.key.public()
    }

    /// TLS for accepting: every dialler must prove a key; any key is accepted.
    pub(crate) fn accept_config(&self) -> Result<rustls::ServerConfig> {
        let mut config = rustls::ServerConfig::builder_with_provider(provider())
            .with_protocol_versions(&[&rustls::version::TLS13])
            .map_err(Error::tls)?
            .with_client_cert_verifier(Arc::new(AnyKey))
            .with_cert_resolver(Arc::new(AlwaysResolvesServerRawPublicKeys::new(self.certified())));
        config.alpn_protocols = vec![ALPN.to_vec()];
        // Without resumption every connection proves both keys anew, and there is nothing to replay.
        config.session_storage = Arc::new(NoServerSessionStorage {});
        config.send_tls13_tickets = 0;
        config.max_early_data_size = 0;
        Ok(config)
    }

    /// TLS for dialling: the acceptor must prove a key; any key is accepted. Nothing is sent before the key
    /// was checked.
    pub(crate) fn dial_config(&self) -> Result<rustls::ClientConfig> {
        let mut config = rustls::ClientConfig::builder_with_provider(provider())
            .with_protocol_versions(&[&rustls::version::TLS13])
            .map_err(Error::tls)?
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(AnyKey))
            .with_client_cert_resolver(Arc::new(AlwaysResolvesClientRawPublicKeys::new(self.certified())));
        config.alpn_protocols = vec![ALPN.to_vec()];
        config.resumption = Resumption::disabled();
        config.enable_early_data = false;
        // A name in the clear would show an observer which node is dialled; the key identifies it.
        config.enable_sni = false;
        Ok(config)
    }

    fn certified(&self) -> Arc<CertifiedKey> {
        let spki = CertificateDer::from(spki(&self.public()));
        Arc::new(CertifiedKey::new(vec![spki], Arc::new(NodeKey(Arc::clone(&self.key)))))
    }
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Identity").field(&self.node).finish()
    }
}

/// The key a peer proved in its handshake.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PeerKey {
    /// The public key.
    pub key: PublicKey,
    /// The node: derived from the key, until statements show that the key belongs to another node.
    pub node: NodeId,
}

impl PeerKey {
    /// Parses the only accepted form of key: an Ed25519 SubjectPublicKeyInfo of exactly 44 bytes, with a key
    /// that is valid by the rules for statements.
    pub(crate) fn of_spki(der: &[u8]) -> Option<Self> {
        let bytes: [u8; 32] = der.strip_prefix(&SPKI_PREFIX)?.try_into().ok()?;
        let key = PublicKey::from_bytes(bytes).ok()?;
        Some(Self { key, node: key.node() })
    }
}

fn spki(key: &PublicKey) -> Vec<u8> {
    [SPKI_PREFIX.as_slice(), key.as_bytes().as_slice()].concat()
}

/// One group and the fast suites: a small ClientHello, and AES-128 first, which QUIC's first packets need
/// anyway.
fn provider() -> Arc<CryptoProvider> {
    let mut provider = rustls::crypto::ring::default_provider();
    provider.kx_groups.retain(|group| group.name() == NamedGroup::X25519);
    provider.cipher_suites.retain(|suite| {
        matches!(
            suite.suite(),
            CipherSuite::TLS13_AES_128_GCM_SHA256 | CipherSuite::TLS13_CHACHA20_POLY1305_SHA256
        )
    });
    provider.cipher_suites.sort_by_key(|suite| suite.suite() != CipherSuite::TLS13_AES_128_GCM_SHA256);
    Arc::new(provider)
}

/// The node key as a signer of rustls handshakes.
struct NodeKey(Arc<Key>);

impl fmt::Debug for NodeKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("NodeKey")
    }
}

impl TlsSigningKey for NodeKey {
    fn choose_scheme(&self, offered: &[SignatureScheme]) -> Option<Box<dyn Signer>> {
        offered.contains(&SignatureScheme::ED25519).then(|| Box::new(Self(Arc::clone(&self.0))) as _)
    }

    fn public_key(&self) -> Option<SubjectPublicKeyInfoDer<'_>> {
        Some(SubjectPublicKeyInfoDer::from(spki(&self.0.public())))
    }

    fn algorithm(&self) -> SignatureAlgorithm {
        SignatureAlgorithm::ED25519
    }
}

impl Signer for NodeKey {
    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, TlsError> {
        Ok(self.0.sign(message).as_bytes().to_vec())
    }

    fn scheme(&self) -> SignatureScheme {
        SignatureScheme::ED25519
    }
}

/// Parses a peer's only certificate as a key.
fn peer_key(
    end_entity: &CertificateDer<'_>,
    intermediates: &[CertificateDer<'_>],
) -> Result<PeerKey, TlsError> {
    if !intermediates.is_empty() {
        return Err(CertificateError::BadEncoding.into());
    }
    PeerKey::of_spki(end_entity).ok_or_else(|| CertificateError::BadEncoding.into())
}

fn verify_tls13(
    message: &[u8],
    cert: &CertificateDer<'_>,
    signed: &DigitallySignedStruct,
) -> Result<HandshakeSignatureValid, TlsError> {
    let bad = || TlsError::from(CertificateError::BadSignature);
    if signed.scheme != SignatureScheme::ED25519 {
        return Err(bad());
    }
    let key = peer_key(cert, &[])?;
    let signature = signed.signature().try_into().map(Signature::from_bytes).map_err(|_| bad())?;
    key.key.verify(message, &signature).map_err(|_| bad())?;
    Ok(HandshakeSignatureValid::assertion())
}

fn no_tls12() -> TlsError {
    TlsError::General("TLS 1.2 is not supported".into())
}

/// The verifier of both sides: accepts any valid key.
#[derive(Debug)]
pub(crate) struct AnyKey;

impl ClientCertVerifier for AnyKey {
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        _now: UnixTime,
    ) -> Result<ClientCertVerified, TlsError> {
        peer_key(end_entity, intermediates).map(|_| ClientCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _message: &[u8],
        _cert: &CertificateDer<'_>,
        _signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, TlsError> {
        Err(no_tls12())
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, TlsError> {
        verify_tls13(message, cert, signed)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        vec![SignatureScheme::ED25519]
    }

    fn requires_raw_public_keys(&self) -> bool {
        true
    }
}

impl ServerCertVerifier for AnyKey {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, TlsError> {
        peer_key(end_entity, intermediates).map(|_| ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _message: &[u8],
        _cert: &CertificateDer<'_>,
        _signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, TlsError> {
        Err(no_tls12())
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, TlsError> {
        verify_tls13(message, cert, signed)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        vec![SignatureScheme::ED25519]
    }

    fn requires_raw_public_keys(&self) -> bool {
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_44_bytes_of_der_and_nothing_else() {
        let identity = Identity::new(Key::from_seed([7; 32]));
        let der = spki(&identity.public());
        assert_eq!(der.len(), 44);
        assert_eq!(PeerKey::of_spki(&der).map(|peer| peer.node), Some(identity.node()));
        assert_eq!(PeerKey::of_spki(&der[..43]), None);
        assert_eq!(PeerKey::of_spki(&[der.as_slice(), &[0]].concat()), None);
        let mut other_algorithm = der;
        other_algorithm[8] = 0x6e;
        assert_eq!(PeerKey::of_spki(&other_algorithm), None);
    }

    #[test]
    fn weak_and_non_canonical_points_are_no_keys() {
        // The identity, a point of order 8, and the identity written as y = p + 1.
        let mut identity_point = [0u8; 32];
        identity_point[0] = 1;
        let order_eight = [
            0xc7, 0x17, 0x6a, 0x70, 0x3d, 0x4d, 0xd8, 0x4f, 0xba, 0x3c, 0x0b, 0x76, 0x0d, 0x10, 0x67, 0x0f,
            0x2a, 0x20, 0x53, 0xfa, 0x2c, 0x39, 0xcc, 0xc6, 0x4e, 0xc7, 0xfd, 0x77, 0x92, 0xac, 0x03, 0x7a,
        ];
        let mut non_canonical = [0xff; 32];
        non_canonical[0] = 0xee;
        non_canonical[31] = 0x7f;
        for key in [identity_point, order_eight, non_canonical] {
            assert_eq!(PeerKey::of_spki(&[SPKI_PREFIX.as_slice(), key.as_slice()].concat()), None);
        }
    }

    #[test]
    fn debug_shows_no_secret() {
        let text = format!("{:?}", Identity::new(Key::from_seed([0x41; 32])));
        assert!(text.starts_with("Identity(NodeId("), "{text}");
    }
}
