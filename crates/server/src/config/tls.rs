//! A look into the PEM files, so that a wrong one is noticed before anything listens.

use std::path::Path;

use rustls_pki_types::pem::{Error, PemObject};
use rustls_pki_types::{CertificateDer, PrivateKeyDer};

use super::Problem;

/// Checks that a file holds at least one certificate.
pub(super) fn check_certificate(path: &Path) -> Result<(), Problem> {
    let remedy = "name a PEM file with the certificate chain, the server's own first";
    let certificates = CertificateDer::pem_file_iter(path)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .map_err(|error| problem(&error, remedy))?;
    if certificates.is_empty() {
        return Err(problem(&Error::NoItemsFound, remedy));
    }
    Ok(())
}

/// Checks that a file holds a private key.
pub(super) fn check_key(path: &Path) -> Result<(), Problem> {
    match PrivateKeyDer::from_pem_file(path) {
        Ok(_) => Ok(()),
        Err(error) => Err(problem(
            &error,
            "name a PEM file with the private key, not encrypted",
        )),
    }
}

fn problem(error: &Error, remedy: &str) -> Problem {
    let what = match error {
        Error::Io(error) => format!("cannot be read: {error}"),
        Error::NoItemsFound => "there is none in this file".to_owned(),
        _ => "this is not a PEM file".to_owned(),
    };
    Problem::new(what, remedy)
}
