//! Making tokens, for trials and scripts.

use jsonwebtoken::{Algorithm, Header, encode};
use serde_json::{Map, Value};

use super::key::{Key, algorithm_names};
use crate::config::Problem;

/// What a token is to say.
#[derive(Clone, Debug, Default)]
pub struct Wish {
    /// Its claims.
    pub claims: Map<String, Value>,
    /// The algorithm, when it is not the key's first.
    pub algorithm: Option<Algorithm>,
}

/// Makes a token with a key.
///
/// # Errors
/// When the key is a public one, or the algorithm is not one of its own.
pub fn make(key: &Key, wish: &Wish) -> Result<String, Problem> {
    let private = key.private().ok_or_else(|| {
        Problem::new(
            "this is a public key, which makes no tokens",
            "name a secret or a private key",
        )
    })?;
    let own = key.algorithms();
    let algorithm = wish.algorithm.or(own.first().copied());
    let Some(algorithm) = algorithm.filter(|algorithm| own.contains(algorithm)) else {
        return Err(Problem::new(
            "this is not an algorithm of the key",
            format!("write one of {}", algorithm_names(own)),
        ));
    };
    let mut header = Header::new(algorithm);
    header.kid = key.name().map(str::to_owned);
    encode(&header, &wish.claims, private)
        .map_err(|error| Problem::new(format!("it cannot be signed: {error}"), "use another key"))
}
