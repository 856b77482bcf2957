//! The interface for backends: whether there is one, and where.

use std::net::SocketAddr;
use std::path::PathBuf;

use super::{ByteSize, ConfigError, Problem, ServeConfig, Setting};
use crate::api::Keys;

/// What was set about the interface for backends.
#[derive(Debug, Clone)]
pub struct ApiSettings {
    /// The file with its keys; without one there is no interface.
    pub key_file: Setting<Option<PathBuf>>,
    /// Where it is when it is not where the pages are.
    pub listen: Setting<Vec<SocketAddr>>,
    /// Bytes of a request's body.
    pub max_body: Setting<ByteSize>,
    /// The keys of the file.
    pub keys: Option<Keys>,
}

impl ServeConfig {
    /// Reads the keys, and checks what belongs together.
    pub(super) fn read_api_keys(&mut self) -> Result<(), ConfigError> {
        let Some(path) = &*self.api.key_file else {
            return match self.api.listen.first() {
                Some(address) => Err(ConfigError::value(
                    "api-listen",
                    &address.to_string(),
                    &self.api.listen.source,
                    Problem::new("nobody could call it", "add api-key-file"),
                )),
                None => Ok(()),
            };
        };
        let wrong = |what: String| {
            let remedy = "name a file with a key on each line, such as of openssl rand -hex 32";
            ConfigError::value(
                "api-key-file",
                &path.to_string_lossy(),
                &self.api.key_file.source,
                Problem::new(what, remedy),
            )
        };
        let text = std::fs::read_to_string(path);
        let text = text.map_err(|error| wrong(format!("cannot be read: {error}")))?;
        self.api.keys = Some(Keys::parse(&text).map_err(wrong)?);
        Ok(())
    }
}
