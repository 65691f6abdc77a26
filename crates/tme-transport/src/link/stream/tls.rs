//! TLS around a stream, as bytes in and bytes out (`docs/PROTOCOL.md`, section 12.6).

use std::fmt;
use std::io::{Read, Write};
use std::path::Path;
use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::{
    CertificateError, ClientConfig, ClientConnection, Connection, DigitallySignedStruct, Error,
    RootCertStore, ServerConfig, ServerConnection, SignatureScheme,
};

use super::StreamFailure;

/// Bytes of plaintext that are taken from TLS at a time.
const PLAIN_BYTES: usize = 16 << 10;

/// Why TLS cannot be set up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsError {
    /// The file that is to blame, if one is.
    pub path: Option<Box<Path>>,
    /// What is wrong.
    pub why: Box<str>,
}

impl TlsError {
    fn new(why: impl fmt::Display) -> Self {
        Self { path: None, why: why.to_string().into() }
    }

    fn of_file(path: &Path, why: impl fmt::Display) -> Self {
        Self { path: Some(path.into()), why: why.to_string().into() }
    }
}

impl fmt::Display for TlsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.path {
            Some(path) => write!(f, "{}: {}", path.display(), self.why),
            None => self.why.fmt(f),
        }
    }
}

impl std::error::Error for TlsError {}

/// A server's certificate with its key. Clones are cheap.
#[derive(Clone, Debug)]
pub struct TlsCertificate(Arc<ServerConfig>);

impl TlsCertificate {
    /// Reads a certificate chain, the server's own first, and its private key, both in PEM files.
    ///
    /// # Errors
    /// [`TlsError`]: a file cannot be read, holds nothing of its kind, or the two do not belong together.
    pub fn from_files(chain: &Path, key: &Path) -> Result<Self, TlsError> {
        let certificates = certificates_in(chain)?;
        let key_der = PrivateKeyDer::from_pem_file(key).map_err(|error| TlsError::of_file(key, error))?;
        let builder = ServerConfig::builder_with_provider(provider()).with_safe_default_protocol_versions();
        let config = builder
            .map_err(TlsError::new)?
            .with_no_client_auth()
            .with_single_cert(certificates, key_der)
            .map_err(|error| TlsError::of_file(key, format_args!("with {}: {error}", chain.display())))?;
        Ok(Self(Arc::new(config)))
    }
}

/// Whom a client believes to be its server.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum TlsTrust {
    /// Whoever has a certificate of an authority that this system trusts.
    #[default]
    System,
    /// Whoever has a certificate of an authority in this PEM file.
    Authorities(Box<Path>),
    /// Whoever has the certificate with this SHA-256, whatever it says of names and times.
    Fingerprint([u8; 32]),
}

impl TlsTrust {
    /// The certificate with this fingerprint: 64 hexadecimal digits, with or without colons between the pairs, as
    /// `openssl x509 -noout -fingerprint -sha256` prints them.
    ///
    /// # Errors
    /// [`TlsError`]: it is not that.
    pub fn pinned(fingerprint: &str) -> Result<Self, TlsError> {
        let pairs: Vec<&[u8]> = if fingerprint.contains(':') {
            fingerprint.split(':').map(str::as_bytes).collect()
        } else {
            fingerprint.as_bytes().chunks(2).collect()
        };
        let bytes: Option<Vec<u8>> = pairs.into_iter().map(hex_byte).collect();
        bytes.and_then(|bytes| bytes.try_into().ok()).map(Self::Fingerprint).ok_or_else(|| {
            let characters = fingerprint.chars().count();
            TlsError::new(format_args!(
                "a fingerprint is 64 hexadecimal digits, with or without colons between the pairs, \
                 which these {characters} characters are not"
            ))
        })
    }
}

/// The byte of two hexadecimal digits.
fn hex_byte(pair: &[u8]) -> Option<u8> {
    let &[high, low] = pair else { return None };
    let digit = |character: u8| char::from(character).to_digit(16);
    u8::try_from(digit(high)? << 4 | digit(low)?).ok()
}

/// How a client speaks TLS. Clones are cheap.
#[derive(Clone, Debug)]
pub struct TlsClient {
    config: Arc<ClientConfig>,
    name: Option<ServerName<'static>>,
}

impl TlsClient {
    /// Reads what is to be trusted. `name` is what the certificate must be for, if not the host that the client is told.
    ///
    /// # Errors
    /// [`TlsError`]: a file cannot be read or holds no certificate, the system has no authorities, or the name is none.
    pub fn new(trust: &TlsTrust, name: Option<&str>) -> Result<Self, TlsError> {
        let builder = ClientConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()
            .map_err(TlsError::new)?;
        let config = match trust {
            TlsTrust::System => builder.with_root_certificates(system_roots()?).with_no_client_auth(),
            TlsTrust::Authorities(path) => {
                let mut roots = RootCertStore::empty();
                for certificate in certificates_in(path)? {
                    roots.add(certificate).map_err(|error| TlsError::of_file(path, error))?;
                }
                builder.with_root_certificates(roots).with_no_client_auth()
            }
            TlsTrust::Fingerprint(sha256) => {
                let pinned = Pinned { sha256: *sha256, provider: provider() };
                builder.dangerous().with_custom_certificate_verifier(Arc::new(pinned)).with_no_client_auth()
            }
        };
        let name = name.map(|name| {
            server_name(name).ok_or_else(|| TlsError::new(format_args!("{name:?} is no name of a host")))
        });
        Ok(Self { config: Arc::new(config), name: name.transpose()? })
    }
}

fn provider() -> Arc<CryptoProvider> {
    Arc::new(ring::default_provider())
}

fn certificates_in(path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let certificates: Result<Vec<_>, _> =
        CertificateDer::pem_file_iter(path).map_err(|error| TlsError::of_file(path, error))?.collect();
    let certificates = certificates.map_err(|error| TlsError::of_file(path, error))?;
    if certificates.is_empty() {
        return Err(TlsError::of_file(path, "no certificate in it"));
    }
    Ok(certificates)
}

fn system_roots() -> Result<RootCertStore, TlsError> {
    let found = rustls_native_certs::load_native_certs();
    let mut roots = RootCertStore::empty();
    let (added, _) = roots.add_parsable_certificates(found.certs);
    if added == 0 {
        let cause = found.errors.first().map_or_else(|| "none were found".to_owned(), ToString::to_string);
        return Err(TlsError::new(format_args!("this system has no certificate authorities: {cause}")));
    }
    Ok(roots)
}

/// A host, with or without the brackets of an IPv6 address.
fn server_name(host: &str) -> Option<ServerName<'static>> {
    let host = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
    ServerName::try_from(host.to_owned()).ok()
}

/// Believes one certificate.
#[derive(Debug)]
struct Pinned {
    sha256: [u8; 32],
    provider: Arc<CryptoProvider>,
}

impl ServerCertVerifier for Pinned {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let digest = ::ring::digest::digest(&::ring::digest::SHA256, end_entity);
        if digest.as_ref() == self.sha256 {
            Ok(ServerCertVerified::assertion())
        } else {
            Err(Error::InvalidCertificate(CertificateError::UnknownIssuer))
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, certificate, signed, &self.provider.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, certificate, signed, &self.provider.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

/// One end of a TLS session.
pub(super) struct TlsSession(Connection);

impl fmt::Debug for TlsSession {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TlsSession(..)")
    }
}

impl TlsSession {
    /// A server's end.
    pub fn accepted(certificate: &TlsCertificate) -> Option<Self> {
        ServerConnection::new(Arc::clone(&certificate.0)).ok().map(Connection::from).map(Self::unlimited)
    }

    /// A client's end, to a server that is called `authority`, `host:port`. `None`: that is no name.
    pub fn opened(client: &TlsClient, authority: &str) -> Option<Self> {
        let host = authority.rsplit_once(':').map_or(authority, |(host, _)| host);
        let name = client.name.clone().or_else(|| server_name(host))?;
        ClientConnection::new(Arc::clone(&client.config), name)
            .ok()
            .map(Connection::from)
            .map(Self::unlimited)
    }

    /// What waits for the handshake is bounded by whoever gives it.
    fn unlimited(mut connection: Connection) -> Self {
        connection.set_buffer_limit(None);
        Self(connection)
    }

    /// Whether the handshake is not over.
    pub fn is_shaking_hands(&self) -> bool {
        self.0.is_handshaking()
    }

    /// Takes bytes from the socket and hands over what they say. What TLS itself has to say goes to `out`.
    pub fn read(
        &mut self,
        mut bytes: &[u8],
        out: &mut Vec<u8>,
        mut handle: impl FnMut(&mut [u8]) -> Result<(), StreamFailure>,
    ) -> Result<(), StreamFailure> {
        let mut plain = [0; PLAIN_BYTES];
        while !bytes.is_empty() {
            // A slice is read without an error as far as there is room.
            let taken = self.0.read_tls(&mut bytes).unwrap_or(0);
            let state = self.0.process_new_packets();
            self.write_tls(out);
            let state = state.map_err(|error| failure_of(&error))?;
            let mut left = state.plaintext_bytes_to_read();
            while left > 0 {
                let count = self.0.reader().read(&mut plain).unwrap_or(0);
                if count == 0 {
                    break;
                }
                left -= count.min(left);
                handle(plain.get_mut(..count).unwrap_or_default())?;
            }
            if state.peer_has_closed() {
                return Err(StreamFailure::Closed);
            }
            if taken == 0 {
                return Err(StreamFailure::TlsFailed);
            }
        }
        Ok(())
    }

    /// Encrypts; before the handshake is over, the bytes wait in the session.
    pub fn write(&mut self, plain: &[u8], out: &mut Vec<u8>) {
        // Without a limit it takes all.
        let written = self.0.writer().write_all(plain);
        debug_assert!(written.is_ok());
        self.write_tls(out);
    }

    /// Appends what is ready for the socket.
    pub fn write_tls(&mut self, out: &mut Vec<u8>) {
        while self.0.wants_write() {
            if self.0.write_tls(out).unwrap_or(0) == 0 {
                return;
            }
        }
    }
}

/// Whose fault it is that there is no session.
fn failure_of(error: &Error) -> StreamFailure {
    log::debug!("TLS: {error}");
    match error {
        Error::InvalidCertificate(
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. },
        ) => StreamFailure::CertificateName,
        Error::InvalidCertificate(
            CertificateError::Expired
            | CertificateError::ExpiredContext { .. }
            | CertificateError::NotValidYet
            | CertificateError::NotValidYetContext { .. },
        ) => StreamFailure::CertificateTime,
        Error::InvalidCertificate(_) => StreamFailure::CertificateUntrusted,
        _ => StreamFailure::TlsFailed,
    }
}
