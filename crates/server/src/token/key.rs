//! A key, and the algorithms that it is for.

use std::fmt;

use jsonwebtoken::jwk::{
    AlgorithmParameters, EllipticCurve, Jwk, KeyAlgorithm, KeyOperations, PublicKeyUse,
};
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey};
use ring::rand::SystemRandom;
use ring::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, ECDSA_P384_SHA384_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair,
    KeyPair as _, RsaKeyPair,
};

use super::ring::install;
use crate::config::Problem;

/// Every algorithm that a key may be for, by its name (RFC 7518 §3.1, RFC 8037 §3.1).
pub const ALGORITHMS: &[(&str, Algorithm)] = &[
    ("HS256", Algorithm::HS256),
    ("HS384", Algorithm::HS384),
    ("HS512", Algorithm::HS512),
    ("RS256", Algorithm::RS256),
    ("RS384", Algorithm::RS384),
    ("RS512", Algorithm::RS512),
    ("PS256", Algorithm::PS256),
    ("PS384", Algorithm::PS384),
    ("PS512", Algorithm::PS512),
    ("ES256", Algorithm::ES256),
    ("ES384", Algorithm::ES384),
    ("EdDSA", Algorithm::EdDSA),
];

/// A key that tokens are verified with, and made with if it is secret.
#[derive(Clone)]
pub struct Key {
    name: Option<String>,
    algorithms: Vec<Algorithm>,
    public: DecodingKey,
    private: Option<EncodingKey>,
}

/// What a key is: it says which algorithms it can be for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// So many bytes that both ends know.
    Secret(usize),
    Rsa,
    P256,
    P384,
    Ed25519,
}

impl Kind {
    /// The algorithms that it can be for, the usual one first. A secret is no shorter than what the
    /// algorithm makes of it (RFC 7518 §3.2).
    fn algorithms(self) -> &'static [Algorithm] {
        const SECRETS: &[Algorithm] = &[Algorithm::HS256, Algorithm::HS384, Algorithm::HS512];
        match self {
            Self::Secret(0..32) => &[],
            Self::Secret(32..48) => &SECRETS[..1],
            Self::Secret(48..64) => &SECRETS[..2],
            Self::Secret(_) => SECRETS,
            Self::Rsa => &[
                Algorithm::RS256,
                Algorithm::RS384,
                Algorithm::RS512,
                Algorithm::PS256,
                Algorithm::PS384,
                Algorithm::PS512,
            ],
            Self::P256 => &[Algorithm::ES256],
            Self::P384 => &[Algorithm::ES384],
            Self::Ed25519 => &[Algorithm::EdDSA],
        }
    }

    /// The algorithms that are asked for, or else the usual one.
    fn picked(self, asked: &[Algorithm]) -> Result<Vec<Algorithm>, Problem> {
        let own = self.algorithms();
        if let Some(wrong) = asked.iter().find(|algorithm| !own.contains(algorithm)) {
            return Err(match self {
                Self::Secret(length) => too_short(*wrong, length),
                _ => Problem::new(
                    format!("{wrong:?} is not an algorithm of this key"),
                    format!("write some of {}", algorithm_names(own)),
                ),
            });
        }
        match (asked, own, self) {
            ([], [], Self::Secret(length)) => Err(too_short(Algorithm::HS256, length)),
            ([], own, _) => Ok(own.iter().take(1).copied().collect()),
            (asked, ..) => Ok(asked.to_vec()),
        }
    }
}

fn too_short(algorithm: Algorithm, length: usize) -> Problem {
    let least = match algorithm {
        Algorithm::HS256 => 32,
        Algorithm::HS384 => 48,
        Algorithm::HS512 => 64,
        _ => {
            return Problem::new(
                format!("{algorithm:?} is not an algorithm of a secret"),
                "write HS256, HS384 or HS512, or give a key in PEM",
            );
        }
    };
    Problem::new(
        format!("a secret of {length} bytes is too short for {algorithm:?}"),
        format!("use at least {least} bytes, such as the output of openssl rand -hex {least}"),
    )
}

/// The names of algorithms, for people.
pub fn algorithm_names(algorithms: &[Algorithm]) -> String {
    let names = algorithms.iter().map(|algorithm| format!("{algorithm:?}"));
    names.collect::<Vec<_>>().join(", ")
}

impl Key {
    /// A secret that both ends know; with no algorithms for HS256.
    ///
    /// # Errors
    /// When it is too short for one of the algorithms, or one is not for secrets.
    pub fn secret(name: &str, secret: &[u8], asked: &[Algorithm]) -> Result<Self, Problem> {
        install();
        Ok(Self {
            name: Some(name.to_owned()),
            algorithms: Kind::Secret(secret.len()).picked(asked)?,
            public: DecodingKey::from_secret(secret),
            private: Some(EncodingKey::from_secret(secret)),
        })
    }

    /// A public key in PEM, or a private one in PKCS #8: RSA of 2048 bits or more, P-256, P-384 or
    /// Ed25519; with no algorithms for RS256, ES256, ES384 or EdDSA.
    ///
    /// # Errors
    /// When it is none, or one of the algorithms is not its own.
    pub fn pem(name: &str, text: &[u8], asked: &[Algorithm]) -> Result<Self, Problem> {
        install();
        let is_private = text.windows(11).any(|window| window == b"PRIVATE KEY");
        let (kind, public, private) = if is_private {
            let (kind, public, private) = private(text).ok_or_else(no_key)?;
            (kind, public, Some(private))
        } else {
            let (kind, public) = public(text).ok_or_else(no_key)?;
            (kind, public, None)
        };
        Ok(Self {
            name: Some(name.to_owned()),
            algorithms: kind.picked(asked)?,
            public,
            private,
        })
    }

    /// A public key of a key set (RFC 7517); with no `alg` for RS256, ES256, ES384 or EdDSA.
    ///
    /// # Errors
    /// Why it is of no use: not for signatures, secret, unknown.
    pub fn jwk(value: serde_json::Value) -> Result<Self, &'static str> {
        install();
        let jwk: Jwk = serde_json::from_value(value).map_err(|_| "it is no key")?;
        let common = &jwk.common;
        if matches!(&common.public_key_use, Some(usage) if *usage != PublicKeyUse::Signature) {
            return Err("it is not for signatures");
        }
        if matches!(&common.key_operations, Some(all) if !all.contains(&KeyOperations::Verify)) {
            return Err("it is not for verifying");
        }
        let kind = match &jwk.algorithm {
            AlgorithmParameters::RSA(_) => Kind::Rsa,
            AlgorithmParameters::EllipticCurve(key) => match key.curve {
                EllipticCurve::P256 => Kind::P256,
                EllipticCurve::P384 => Kind::P384,
                _ => return Err("its curve is not known here"),
            },
            AlgorithmParameters::OctetKeyPair(key) if key.curve == EllipticCurve::Ed25519 => {
                Kind::Ed25519
            }
            AlgorithmParameters::OctetKey(_) => {
                return Err("a secret does not belong in a key set");
            }
            _ => return Err("its type is not known here"),
        };
        let asked = common.key_algorithm.map(algorithm).transpose()?;
        let algorithms = kind.picked(asked.as_slice());
        Ok(Self {
            name: common.key_id.clone(),
            algorithms: algorithms.map_err(|_| "its algorithm is of another type")?,
            public: DecodingKey::from_jwk(&jwk).map_err(|_| "it is not base64url")?,
            private: None,
        })
    }

    /// Its `kid`.
    pub fn name(&self) -> Option<&str> {
        self.name.as_deref()
    }

    /// What it is for.
    pub fn algorithms(&self) -> &[Algorithm] {
        &self.algorithms
    }

    /// Whether it makes tokens: it is secret.
    pub fn makes_tokens(&self) -> bool {
        self.private.is_some()
    }

    pub(super) fn public(&self) -> &DecodingKey {
        &self.public
    }

    /// What makes tokens; `None` when only others can.
    pub(super) fn private(&self) -> Option<&EncodingKey> {
        self.private.as_ref()
    }
}

impl fmt::Debug for Key {
    /// Without the key.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Key")
            .field("name", &self.name)
            .field("algorithms", &self.algorithms)
            .finish_non_exhaustive()
    }
}

fn no_key() -> Problem {
    Problem::new(
        "this is no key in PEM that is of use here",
        "give a PUBLIC KEY, or a PRIVATE KEY in PKCS #8, not encrypted: RSA of 2048 bits or more, P-256, \
         P-384 or Ed25519",
    )
}

/// Bytes of an RSA public key of 2048 bits as it is encoded (RFC 8017 §A.1.1), less a few.
const RSA_2048: usize = 256 + 8;

fn public(text: &[u8]) -> Option<(Kind, DecodingKey)> {
    if let Ok(key) = DecodingKey::from_rsa_pem(text) {
        let length = key.try_get_as_bytes().ok()?.len();
        return (length >= RSA_2048).then_some((Kind::Rsa, key));
    }
    if let Ok(key) = DecodingKey::from_ec_pem(text) {
        let kind = curve(key.try_get_as_bytes().ok()?)?;
        return Some((kind, key));
    }
    let key = DecodingKey::from_ed_pem(text).ok()?;
    Some((Kind::Ed25519, key))
}

/// The curve of a point that is not compressed (SEC 1 §2.3.3).
fn curve(point: &[u8]) -> Option<Kind> {
    match (point.first()?, point.len()) {
        (4, 65) => Some(Kind::P256),
        (4, 97) => Some(Kind::P384),
        _ => None,
    }
}

/// A private key, and its public one.
fn private(text: &[u8]) -> Option<(Kind, DecodingKey, EncodingKey)> {
    if let Ok(key) = EncodingKey::from_rsa_pem(text) {
        let pair = RsaKeyPair::from_der(key.as_bytes()).ok()?;
        let public = DecodingKey::from_rsa_der(pair.public_key().as_ref());
        return Some((Kind::Rsa, public, key));
    }
    if let Ok(key) = EncodingKey::from_ec_pem(text) {
        let random = SystemRandom::new();
        let curves = [
            (Kind::P256, &ECDSA_P256_SHA256_FIXED_SIGNING),
            (Kind::P384, &ECDSA_P384_SHA384_FIXED_SIGNING),
        ];
        return curves.into_iter().find_map(|(kind, curve)| {
            let pair = EcdsaKeyPair::from_pkcs8(curve, key.as_bytes(), &random).ok()?;
            let public = DecodingKey::from_ec_der(pair.public_key().as_ref());
            Some((kind, public, key.clone()))
        });
    }
    let key = EncodingKey::from_ed_pem(text).ok()?;
    let pair = Ed25519KeyPair::from_pkcs8_maybe_unchecked(key.as_bytes()).ok()?;
    let public = DecodingKey::from_ed_der(pair.public_key().as_ref());
    Some((Kind::Ed25519, public, key))
}

/// The algorithm that a key of a key set names.
fn algorithm(named: KeyAlgorithm) -> Result<Algorithm, &'static str> {
    let name = named.to_string();
    let known = ALGORITHMS.iter().find(|(own, _)| *own == name);
    known
        .map(|(_, algorithm)| *algorithm)
        .ok_or("its algorithm is not known here")
}
