//! The raw quinn reference: one stream, the same bytes, two processes on one machine, received and discarded.
//!
//! It uses the defaults of quinn and rustls, and a raw public key instead of a certificate, which only
//! affects the handshake. This key authenticates nothing.

use std::{
    env,
    fs::File,
    io::{self, BufRead, BufReader, Read, Write},
    net::SocketAddr,
    path::Path,
    process::{Command, Stdio},
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, ensure};
use bytes::Bytes;
use quinn::crypto::rustls::{QuicClientConfig, QuicServerConfig};
use rustls::{
    DigitallySignedStruct, SignatureScheme,
    client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    crypto::{WebPkiSupportedAlgorithms, ring, verify_tls13_signature_with_raw_key},
    pki_types::{
        CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer, ServerName, SubjectPublicKeyInfoDer, UnixTime,
    },
    server::AlwaysResolvesServerRawPublicKeys,
    sign::CertifiedKey,
};

const ALPN: &[u8] = b"raw";
const BLOCK: usize = 1 << 20;
/// RFC 8410: a PKCS#8 wrapper of an Ed25519 seed.
const PKCS8_PREFIX: [u8; 16] = [0x30, 0x2e, 2, 1, 0, 0x30, 5, 6, 3, 0x2b, 0x65, 0x70, 4, 0x22, 4, 0x20];

/// Runs both ends as processes; returns the receiver's time from dialling to the last byte.
pub(crate) fn transfer(file: &Path, bytes: u64) -> Result<Duration> {
    let this = env::current_exe()?;
    let mut sender =
        Command::new(&this).arg("raw-send").arg(file).stdin(Stdio::null()).stdout(Stdio::piped()).spawn()?;
    let mut line = String::new();
    BufReader::new(sender.stdout.take().context("the sender's output")?).read_line(&mut line)?;
    let received = Command::new(&this).arg("raw-receive").arg(line.trim()).output()?;
    sender.kill()?;
    sender.wait()?;
    let text = String::from_utf8(received.stdout)?;
    ensure!(received.status.success(), "raw-receive: {}", String::from_utf8_lossy(&received.stderr));
    let (count, nanos) = text.trim().split_once(' ').with_context(|| format!("raw-receive said {text:?}"))?;
    ensure!(count.parse::<u64>()? == bytes, "raw quinn moved {count} bytes, {bytes} were to move");
    Ok(Duration::from_nanos(nanos.parse()?))
}

/// Prints an address, and sends the file over one stream to the first dialler. Ends when the dialler closes.
pub(crate) fn send(file: &Path) -> Result<()> {
    runtime()?.block_on(async {
        let endpoint = quinn::Endpoint::server(server_config()?, "127.0.0.1:0".parse()?)?;
        println!("{}", endpoint.local_addr()?);
        io::stdout().flush()?;
        let connection = endpoint.accept().await.context("the endpoint closed")?.await?;
        let mut stream = connection.open_uni().await?;
        let (blocks, mut queue) = tokio::sync::mpsc::channel(8);
        let mut file = File::open(file)?;
        let reader = tokio::task::spawn_blocking(move || -> io::Result<()> {
            loop {
                let mut block = vec![0; BLOCK];
                let len = file.read(&mut block)?;
                block.truncate(len);
                if len == 0 || blocks.blocking_send(Bytes::from(block)).is_err() {
                    return Ok(());
                }
            }
        });
        while let Some(block) = queue.recv().await {
            stream.write_chunk(block).await?;
        }
        stream.finish()?;
        reader.await??;
        connection.closed().await;
        Ok(())
    })
}

/// Dials, receives one stream to its end, prints `BYTES NANOSECONDS`.
pub(crate) fn receive(address: SocketAddr) -> Result<()> {
    runtime()?.block_on(async {
        let mut endpoint = quinn::Endpoint::client("127.0.0.1:0".parse()?)?;
        endpoint.set_default_client_config(client_config()?);
        let start = Instant::now();
        let connection = endpoint.connect(address, "raw")?.await?;
        let mut stream = connection.accept_uni().await?;
        let mut bytes = 0;
        while let Some(chunk) = stream.read_chunk(BLOCK, true).await? {
            bytes += chunk.bytes.len() as u64;
        }
        println!("{bytes} {}", start.elapsed().as_nanos());
        connection.close(0u32.into(), b"done");
        endpoint.wait_idle().await;
        Ok(())
    })
}

fn runtime() -> Result<tokio::runtime::Runtime> {
    Ok(tokio::runtime::Builder::new_multi_thread().enable_all().build()?)
}

fn server_config() -> Result<quinn::ServerConfig> {
    let seed = [7; 32];
    let pkcs8 = [PKCS8_PREFIX.as_slice(), &seed].concat();
    let key = ring::sign::any_supported_type(&PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(pkcs8)))?;
    let public = key.public_key().context("an Ed25519 key has a public half")?;
    let certified = CertifiedKey::new(vec![CertificateDer::from(public.to_vec())], key);
    let mut tls = rustls::ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_protocol_versions(&[&rustls::version::TLS13])?
        .with_no_client_auth()
        .with_cert_resolver(Arc::new(AlwaysResolvesServerRawPublicKeys::new(Arc::new(certified))));
    tls.alpn_protocols = vec![ALPN.to_vec()];
    Ok(quinn::ServerConfig::with_crypto(Arc::new(QuicServerConfig::try_from(tls)?)))
}

fn client_config() -> Result<quinn::ClientConfig> {
    let provider = ring::default_provider();
    let verifier = AcceptAny(provider.signature_verification_algorithms);
    let mut tls = rustls::ClientConfig::builder_with_provider(Arc::new(provider))
        .with_protocol_versions(&[&rustls::version::TLS13])?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(verifier))
        .with_no_client_auth();
    tls.alpn_protocols = vec![ALPN.to_vec()];
    Ok(quinn::ClientConfig::new(Arc::new(QuicClientConfig::try_from(tls)?)))
}

/// Accepts any server that holds the key it presents.
#[derive(Debug)]
struct AcceptAny(WebPkiSupportedAlgorithms);

impl ServerCertVerifier for AcceptAny {
    fn verify_server_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _message: &[u8],
        _cert: &CertificateDer<'_>,
        _dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Err(rustls::Error::PeerIncompatible(rustls::PeerIncompatible::Tls12NotOffered))
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature_with_raw_key(
            message,
            &SubjectPublicKeyInfoDer::from(cert.as_ref()),
            dss,
            &self.0,
        )
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.supported_schemes()
    }

    fn requires_raw_public_keys(&self) -> bool {
        true
    }
}
