//! A certificate for `localhost`, made for one run.

use std::env;
use std::fs;
use std::io;
use std::process;

/// A certificate that signs itself, with its key, in two files that go when this is dropped.
pub(crate) struct Certificate {
    path: String,
    key_path: String,
}

impl Certificate {
    /// Makes one.
    pub(crate) fn make() -> io::Result<Self> {
        let made = rcgen::generate_simple_self_signed(["localhost".to_owned()])
            .map_err(io::Error::other)?;
        let base = env::temp_dir().join(format!("holdwire-bench-{}", process::id()));
        let base = base.to_string_lossy();
        let certificate = Self {
            path: format!("{base}.crt"),
            key_path: format!("{base}.key"),
        };
        fs::write(&certificate.path, made.cert.pem())?;
        fs::write(&certificate.key_path, made.signing_key.serialize_pem())?;
        Ok(certificate)
    }

    /// The file with the certificate (PEM).
    pub(crate) fn path(&self) -> &str {
        &self.path
    }

    /// The file with its key (PEM).
    pub(crate) fn key_path(&self) -> &str {
        &self.key_path
    }
}

impl Drop for Certificate {
    fn drop(&mut self) {
        // Whoever cleans the folder may have come first.
        let _gone = fs::remove_file(&self.path);
        let _gone = fs::remove_file(&self.key_path);
    }
}
