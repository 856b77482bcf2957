//! TLS by rustls: who is trusted, who we are, and the two handshakes.
//!
//! Both ends speak HTTP/1.1 alone (ALPN `http/1.1`), whatever a given configuration says, for the
//! opening handshake is HTTP/1.1. The cryptography is the process's default provider
//! (`rustls::crypto::CryptoProvider::install_default`), or ring when none was installed.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, RootCertStore, ServerConfig};

use crate::stream::{Io, Stream};

pub use rustls;

/// The client's end of TLS: whom it trusts.
///
/// # Examples
/// ```no_run
/// use holdwire::Client;
/// use holdwire::tls::TlsConnector;
///
/// let tls = TlsConnector::with_roots_file("our-own-ca.pem")?;
/// let client = Client::new().tls(tls);
/// # Ok::<(), holdwire::tls::TlsError>(())
/// ```
#[derive(Clone)]
pub struct TlsConnector(tokio_rustls::TlsConnector);

/// The server's end of TLS: its certificate and key.
#[derive(Clone)]
pub struct TlsAcceptor(tokio_rustls::TlsAcceptor);

/// Why TLS cannot be set up.
#[derive(Debug)]
#[non_exhaustive]
pub enum TlsError {
    /// This PEM file cannot be read, or has nothing of the kind in it.
    File(PathBuf, Cause),
    /// The PEM text has nothing of the kind in it.
    Pem(Cause),
    /// rustls does not take the certificates, the key, or the two together; or the installed
    /// provider lacks what TLS 1.2 and 1.3 need.
    Rustls(Cause),
}

/// What the library underneath said.
type Cause = Box<dyn std::error::Error + Send + Sync>;

impl TlsConnector {
    /// Trusts whom the operating system trusts, or Mozilla's list where it has none, as in a
    /// container without `ca-certificates`.
    ///
    /// `SSL_CERT_FILE` and `SSL_CERT_DIR` take the place of the system's list. It is read once a
    /// process, on a thread for blocking work.
    ///
    /// # Errors
    /// [`TlsError::Rustls`] when the installed provider cannot do TLS.
    ///
    /// # Cancel safety
    /// Cancel safe.
    pub async fn system() -> Result<Self, TlsError> {
        static SYSTEM: OnceLock<TlsConnector> = OnceLock::new();
        if let Some(connector) = SYSTEM.get() {
            return Ok(connector.clone());
        }
        let roots = match tokio::task::spawn_blocking(system_roots).await {
            Ok(roots) => roots,
            Err(_) => mozilla_roots(),
        };
        let connector = Self::with_root_store(roots)?;
        Ok(SYSTEM.get_or_init(|| connector).clone())
    }

    /// Trusts the certificates of a PEM file and no others.
    ///
    /// # Errors
    /// [`TlsError::File`] when there is none in it, [`TlsError::Rustls`] when one is malformed.
    pub fn with_roots_file(path: impl AsRef<Path>) -> Result<Self, TlsError> {
        Self::with_roots(certificates_in_file(path.as_ref())?)
    }

    /// Trusts the certificates of a PEM text and no others.
    ///
    /// # Errors
    /// [`TlsError::Pem`] when there is none in it, [`TlsError::Rustls`] when one is malformed.
    pub fn with_roots_pem(text: &[u8]) -> Result<Self, TlsError> {
        Self::with_roots(certificates_in(text)?)
    }

    fn with_roots(certificates: Vec<CertificateDer<'static>>) -> Result<Self, TlsError> {
        let mut roots = RootCertStore::empty();
        for certificate in certificates {
            roots.add(certificate).map_err(rustls_error)?;
        }
        Self::with_root_store(roots)
    }

    /// With a configuration of rustls: client certificates, a verifier of one's own, and so on.
    #[must_use]
    pub fn from_config(config: Arc<ClientConfig>) -> Self {
        let mut config = Arc::unwrap_or_clone(config);
        config.alpn_protocols = vec![ALPN.to_vec()];
        Self(Arc::new(config).into())
    }

    /// What was made of it: for a handshake of one's own, such as one that is looked at closely.
    #[must_use]
    pub fn config(&self) -> &Arc<ClientConfig> {
        self.0.config()
    }

    fn with_root_store(roots: RootCertStore) -> Result<Self, TlsError> {
        let config = ClientConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()
            .map_err(rustls_error)?
            .with_root_certificates(roots)
            .with_no_client_auth();
        Ok(Self::from_config(Arc::new(config)))
    }

    /// Does the client's handshake with a host, a name or an address, over a transport.
    ///
    /// # Errors
    /// What the transport or rustls said.
    ///
    /// # Cancel safety
    /// Dropping the future drops the transport.
    pub async fn connect(&self, host: &str, io: impl Io) -> io::Result<Stream> {
        let name = ServerName::try_from(host.to_owned())
            .map_err(|error| io::Error::new(io::ErrorKind::InvalidInput, error))?;
        self.0.connect(name, io).await.map(Stream::new)
    }
}

impl TlsAcceptor {
    /// With a certificate, its chain behind it, and its private key, from PEM files.
    ///
    /// # Errors
    /// [`TlsError::File`] names the file that cannot be used; [`TlsError::Rustls`] when the two do
    /// not belong together.
    pub fn from_pem_files(
        certificates: impl AsRef<Path>,
        key: impl AsRef<Path>,
    ) -> Result<Self, TlsError> {
        let key = key.as_ref();
        let private_key = PrivateKeyDer::from_pem_file(key).map_err(|error| in_file(key, error))?;
        Self::from_der(certificates_in_file(certificates.as_ref())?, private_key)
    }

    /// As [`TlsAcceptor::from_pem_files`], from the texts.
    ///
    /// # Errors
    /// [`TlsError::Pem`] when there is no certificate or key in them, [`TlsError::Rustls`] when the
    /// two do not belong together.
    pub fn from_pem(certificates: &[u8], key: &[u8]) -> Result<Self, TlsError> {
        let key = PrivateKeyDer::from_pem_slice(key).map_err(in_text)?;
        Self::from_der(certificates_in(certificates)?, key)
    }

    /// With a configuration of rustls: client certificates, several names, and so on.
    #[must_use]
    pub fn from_config(config: Arc<ServerConfig>) -> Self {
        let mut config = Arc::unwrap_or_clone(config);
        config.alpn_protocols = vec![ALPN.to_vec()];
        Self(Arc::new(config).into())
    }

    fn from_der(
        chain: Vec<CertificateDer<'static>>,
        key: PrivateKeyDer<'static>,
    ) -> Result<Self, TlsError> {
        let config = ServerConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()
            .map_err(rustls_error)?
            .with_no_client_auth()
            .with_single_cert(chain, key)
            .map_err(rustls_error)?;
        Ok(Self::from_config(Arc::new(config)))
    }

    /// Does the server's handshake over a transport. How long it may take is the caller's to limit.
    ///
    /// # Errors
    /// What the transport or rustls said.
    ///
    /// # Cancel safety
    /// Dropping the future drops the transport.
    pub async fn accept(&self, io: impl Io) -> io::Result<Stream> {
        self.0.accept(io).await.map(Stream::new)
    }
}

impl fmt::Debug for TlsConnector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TlsConnector")
    }
}

impl fmt::Debug for TlsAcceptor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TlsAcceptor")
    }
}

impl fmt::Display for TlsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path, _) => write!(f, "{} cannot be used for TLS", path.display()),
            Self::Pem(_) => f.write_str("the PEM text cannot be used for TLS"),
            Self::Rustls(_) => f.write_str("TLS cannot be set up so"),
        }
    }
}

impl std::error::Error for TlsError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        let (Self::File(_, cause) | Self::Pem(cause) | Self::Rustls(cause)) = self;
        Some(cause.as_ref())
    }
}

/// The cryptography of this process. Asking rustls itself for it panics when two are compiled in
/// and none is installed.
fn provider() -> Arc<CryptoProvider> {
    CryptoProvider::get_default()
        .cloned()
        .unwrap_or_else(|| Arc::new(rustls::crypto::ring::default_provider()))
}

fn system_roots() -> RootCertStore {
    let found = rustls_native_certs::load_native_certs();
    for error in &found.errors {
        tracing::debug!(%error, "a certificate of the system's list cannot be read");
    }
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(found.certs);
    if roots.is_empty() {
        tracing::debug!("the system trusts nobody: Mozilla's list is used");
        return mozilla_roots();
    }
    roots
}

fn mozilla_roots() -> RootCertStore {
    RootCertStore {
        roots: webpki_roots::TLS_SERVER_ROOTS.to_vec(),
    }
}

fn certificates_in_file(path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    CertificateDer::pem_file_iter(path)
        .and_then(some_of)
        .map_err(|error| in_file(path, error))
}

fn certificates_in(text: &[u8]) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    some_of(CertificateDer::pem_slice_iter(text)).map_err(in_text)
}

/// All of them, at least one.
fn some_of<T>(items: impl Iterator<Item = Result<T, pem::Error>>) -> Result<Vec<T>, pem::Error> {
    let items: Vec<T> = items.collect::<Result<_, _>>()?;
    if items.is_empty() {
        return Err(pem::Error::NoItemsFound);
    }
    Ok(items)
}

fn in_file(path: &Path, error: pem::Error) -> TlsError {
    TlsError::File(path.to_owned(), error.into())
}

fn in_text(error: pem::Error) -> TlsError {
    TlsError::Pem(error.into())
}

fn rustls_error(error: rustls::Error) -> TlsError {
    TlsError::Rustls(error.into())
}

/// What is spoken in it (RFC 7301, RFC 6455 §4).
const ALPN: &[u8] = b"http/1.1";
