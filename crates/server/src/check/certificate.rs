//! TLS as it was agreed on, and the certificate behind it.

use std::io;
use std::time::{SystemTime, UNIX_EPOCH};

use holdwire::tls::rustls::{CertificateError, ClientConnection, CommonState, Error};
use serde::Serialize;
use x509_parser::prelude::{FromDer as _, GeneralName, X509Certificate};

/// What TLS agreed on.
#[derive(Debug, Serialize)]
pub(super) struct Tls {
    /// Such as `TLS 1.3`.
    pub(super) version: String,
    /// Such as `AES_256_GCM_SHA384`.
    pub(super) cipher: String,
    /// The protocol that ALPN agreed on.
    pub(super) alpn: Option<String>,
    pub(super) certificate: Option<Certificate>,
}

/// The server's own certificate.
#[derive(Debug, Serialize)]
pub(super) struct Certificate {
    /// The names that it is for.
    pub(super) names: Vec<String>,
    /// Who vouches for it.
    pub(super) issuer: String,
    /// From when on it is good, in seconds since 1970.
    pub(super) not_before: i64,
    /// Until when it is good, in seconds since 1970.
    pub(super) not_after: i64,
    /// Whole days that are left; negative when it has expired.
    pub(super) days_left: i64,
}

impl Tls {
    pub(super) fn of(connection: &ClientConnection) -> Self {
        let state: &CommonState = connection;
        let version = state
            .protocol_version()
            .and_then(|version| version.as_str());
        let cipher = state.negotiated_cipher_suite();
        let cipher = cipher.and_then(|suite| suite.suite().as_str());
        let alpn = state.alpn_protocol();
        let chain = state.peer_certificates().unwrap_or_default();
        Self {
            version: version.unwrap_or("unknown").replace("TLSv1_", "TLS 1."),
            cipher: cipher
                .unwrap_or("unknown")
                .replace("TLS13_", "")
                .replace("TLS_", ""),
            alpn: alpn.map(|name| String::from_utf8_lossy(name).into_owned()),
            certificate: chain.first().and_then(|first| Certificate::parse(first)),
        }
    }
}

impl Certificate {
    /// Reads it; `None` when it is not one.
    fn parse(der: &[u8]) -> Option<Self> {
        let (_, certificate) = X509Certificate::from_der(der).ok()?;
        let validity = certificate.validity();
        let not_after = validity.not_after.timestamp();
        let common_name = certificate.subject().iter_common_name().next();
        let common_name = common_name.and_then(|name| name.as_str().ok());
        let alternative = certificate.subject_alternative_name().ok().flatten();
        let mut names: Vec<String> = alternative
            .map(|names| names.value.general_names.iter().filter_map(name).collect())
            .unwrap_or_default();
        if names.is_empty() {
            names.extend(common_name.map(str::to_owned));
        }
        Some(Self {
            names,
            issuer: certificate.issuer().to_string(),
            not_before: validity.not_before.timestamp(),
            not_after,
            days_left: (not_after - now()).div_euclid(SECONDS_A_DAY),
        })
    }
}

/// Why a handshake failed, in words where it is the certificate's fault.
pub(super) fn distrust(error: &io::Error) -> String {
    let said = error.to_string();
    let cause = error.get_ref().and_then(|cause| cause.downcast_ref());
    let Some(Error::InvalidCertificate(problem)) = cause else {
        return said;
    };
    let words = match problem {
        CertificateError::UnknownIssuer => "nobody who is trusted vouches for the certificate",
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
            "the certificate has expired"
        }
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
            "the certificate is not valid yet: see whether the clocks are right"
        }
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
            "the certificate is for other names"
        }
        _ if said.contains("CaUsedAsEndEntity") => {
            "the server shows the certificate of an authority in place of its own"
        }
        _ => return said,
    };
    words.to_owned()
}

fn name(name: &GeneralName<'_>) -> Option<String> {
    match name {
        GeneralName::DNSName(name) => Some((*name).to_owned()),
        GeneralName::IPAddress(bytes) => match bytes.len() {
            4 => Some(std::net::Ipv4Addr::from(<[u8; 4]>::try_from(*bytes).ok()?).to_string()),
            _ => Some(std::net::Ipv6Addr::from(<[u8; 16]>::try_from(*bytes).ok()?).to_string()),
        },
        _ => None,
    }
}

/// Seconds since 1970.
fn now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |since| {
        i64::try_from(since.as_secs()).unwrap_or(i64::MAX)
    })
}

const SECONDS_A_DAY: i64 = 24 * 60 * 60;
