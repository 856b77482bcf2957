//! Whether a token is true: its header, its key, its signature, its claims, in this order.

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::errors::ErrorKind;
use jsonwebtoken::{Algorithm, Validation, decode};
use serde::Deserialize;
use serde::de::IgnoredAny;

use super::claims::Claims;
use super::key::{ALGORITHMS, Key};
use super::refusal::Refusal;
use super::set::KeySet;

/// The longest token, in bytes.
const LONGEST: usize = 8 * 1024;

/// What a token has to say beside its signature.
#[derive(Clone, Debug, Default)]
pub struct Rules {
    /// For whom it must be: one of these; for nobody when there are none.
    pub audience: Vec<String>,
    /// By whom it must be: one of these; by anybody when there are none.
    pub issuer: Vec<String>,
    /// How much clocks may differ.
    pub leeway: Duration,
}

/// Verifies tokens.
#[derive(Debug)]
pub struct Verifier {
    keys: Vec<Key>,
    set: Option<Arc<KeySet>>,
    rules: Rules,
}

/// The part of a header that counts.
#[derive(Deserialize)]
struct Header {
    #[serde(default)]
    alg: String,
    #[serde(default)]
    kid: Option<String>,
    /// What must be understood, and is not (RFC 7515 §4.1.11).
    #[serde(default)]
    crit: Option<IgnoredAny>,
}

/// Which key a token is to be tried with.
struct Wanted {
    algorithm: Algorithm,
    kid: Option<String>,
}

impl Verifier {
    /// With keys of the configuration and perhaps a key set.
    pub fn new(keys: Vec<Key>, set: Option<Arc<KeySet>>, rules: Rules) -> Self {
        Self { keys, set, rules }
    }

    /// What it asks of tokens.
    pub fn rules(&self) -> &Rules {
        &self.rules
    }

    /// The claims of a token that is true now; `None` when its key is not known yet, and may be
    /// after [`catch_up`](Self::catch_up).
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn verify_now(&self, token: &str) -> Option<Result<Claims, Refusal>> {
        let wanted = match read(token) {
            Ok(wanted) => wanted,
            Err(refusal) => return Some(Err(refusal)),
        };
        let verified = self.verify(token, &wanted);
        let may_be_there = match (&verified, &self.set, &wanted.kid) {
            (Err(Refusal::Key), Some(_), _) => true,
            (Err(Refusal::Algorithm | Refusal::Signature), Some(set), None) => !set.is_there(),
            _ => false,
        };
        (!may_be_there).then_some(verified)
    }

    /// The same, after what is missing has been looked for.
    ///
    /// # Errors
    /// What is wrong with it.
    ///
    /// # Cancel safety
    /// Cancel safe.
    pub async fn catch_up(&self, token: &str) -> Result<Claims, Refusal> {
        let wanted = read(token)?;
        if let Some(set) = &self.set {
            set.look_for(wanted.kid.as_deref()).await?;
        }
        self.verify(token, &wanted)
    }

    fn verify(&self, token: &str, wanted: &Wanted) -> Result<Claims, Refusal> {
        let set = self.set.as_ref().map(|set| set.keys());
        let set = set.as_deref().map_or(&[][..], Vec::as_slice);
        let claims = match &wanted.kid {
            Some(kid) => {
                let is_meant = |key: &&Key| key.name() == Some(kid);
                // Names of the configuration come first, so that a set cannot take their place.
                let own = self.keys.iter().find(is_meant);
                let key = own.or_else(|| set.iter().find(is_meant));
                checked(token, key.ok_or(Refusal::Key)?, wanted.algorithm)?
            }
            None => {
                let nameless = set.iter().filter(|key| key.name().is_none());
                let keys = self.keys.iter().chain(nameless);
                let mut last = Refusal::Algorithm;
                let found = keys.into_iter().find_map(|key| {
                    match checked(token, key, wanted.algorithm) {
                        Ok(claims) => return Some(Ok(claims)),
                        Err(Refusal::Algorithm) => {}
                        Err(Refusal::Signature) => last = Refusal::Signature,
                        Err(refusal) => return Some(Err(refusal)),
                    }
                    None
                });
                found.unwrap_or(Err(last))?
            }
        };
        let Rules {
            audience,
            issuer,
            leeway,
        } = &self.rules;
        claims.check_audience(audience)?;
        claims.check_issuer(issuer)?;
        claims.check_time(now(), leeway.as_secs_f64())?;
        Ok(claims)
    }
}

/// Seconds since 1970.
pub(super) fn now() -> f64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.unwrap_or_default().as_secs_f64()
}

/// Which key a token is to be tried with, by its header.
fn read(token: &str) -> Result<Wanted, Refusal> {
    let (header, rest) = token.split_once('.').ok_or(Refusal::Malformed)?;
    if token.len() > LONGEST || rest.split('.').count() != 2 {
        return Err(Refusal::Malformed);
    }
    let header = URL_SAFE_NO_PAD
        .decode(header)
        .map_err(|_| Refusal::Malformed)?;
    // A list would be taken for an object's values in their order.
    if !header.trim_ascii_start().starts_with(b"{") {
        return Err(Refusal::Malformed);
    }
    let header: Header = serde_json::from_slice(&header).map_err(|_| Refusal::Malformed)?;
    if header.crit.is_some() {
        return Err(Refusal::Malformed);
    }
    let known = ALGORITHMS.iter().find(|(name, _)| *name == header.alg);
    let (_, algorithm) = known.ok_or(Refusal::Algorithm)?;
    Ok(Wanted {
        algorithm: *algorithm,
        kid: header.kid,
    })
}

/// The claims of a token that was signed with this key; whether they hold is another question.
fn checked(token: &str, key: &Key, algorithm: Algorithm) -> Result<Claims, Refusal> {
    if !key.algorithms().contains(&algorithm) {
        return Err(Refusal::Algorithm);
    }
    let mut validation = Validation::new(algorithm);
    // What the claims must be is checked by their own rules, with their own reasons.
    validation.required_spec_claims.clear();
    validation.validate_exp = false;
    validation.validate_nbf = false;
    validation.validate_aud = false;
    let decoded = decode::<Claims>(token, key.public(), &validation);
    decoded
        .map(|data| data.claims)
        .map_err(|error| match error.kind() {
            ErrorKind::InvalidSignature => Refusal::Signature,
            ErrorKind::Json(_) => Refusal::Claims,
            ErrorKind::InvalidAlgorithm => Refusal::Algorithm,
            _ => Refusal::Malformed,
        })
}
