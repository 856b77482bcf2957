//! The signatures of `jsonwebtoken` by ring, which TLS brings along: no second cryptography.

use jsonwebtoken::crypto::{CryptoProvider, JwtSigner, JwtVerifier, KeyUtils};
use jsonwebtoken::errors::{Error, ErrorKind, new_error};
use jsonwebtoken::signature::{Error as SignatureError, Signer, Verifier};
use jsonwebtoken::{Algorithm, DecodingKey, DecodingKeyKind, EncodingKey};
use ring::rand::SystemRandom;
use ring::signature::{
    ECDSA_P256_SHA256_FIXED, ECDSA_P256_SHA256_FIXED_SIGNING, ECDSA_P384_SHA384_FIXED,
    ECDSA_P384_SHA384_FIXED_SIGNING, ED25519, EcdsaKeyPair, Ed25519KeyPair,
    RSA_PKCS1_2048_8192_SHA256, RSA_PKCS1_2048_8192_SHA384, RSA_PKCS1_2048_8192_SHA512,
    RSA_PKCS1_SHA256, RSA_PKCS1_SHA384, RSA_PKCS1_SHA512, RSA_PSS_2048_8192_SHA256,
    RSA_PSS_2048_8192_SHA384, RSA_PSS_2048_8192_SHA512, RSA_PSS_SHA256, RSA_PSS_SHA384,
    RSA_PSS_SHA512, RsaEncoding, RsaKeyPair, RsaParameters, RsaPublicKeyComponents,
    UnparsedPublicKey, VerificationAlgorithm,
};
use ring::{hmac, rand};

/// Has `jsonwebtoken` use this.
pub(super) fn install() {
    // A second time it is there already.
    let _ = PROVIDER.install_default();
}

static PROVIDER: CryptoProvider = CryptoProvider {
    signer_factory: signer,
    verifier_factory: verifier,
    // Of use for writing key sets, which nobody here does.
    key_utils: KeyUtils::new_unimplemented(),
};

/// How a signature is checked.
enum Check {
    Hmac(hmac::Algorithm),
    Rsa(&'static RsaParameters),
    Other(&'static dyn VerificationAlgorithm),
}

/// How a signature is made.
enum Make {
    Hmac(hmac::Algorithm),
    Rsa(&'static dyn RsaEncoding),
    Ecdsa(&'static ring::signature::EcdsaSigningAlgorithm),
    Ed25519,
}

struct Checking {
    algorithm: Algorithm,
    check: Check,
    key: DecodingKey,
}

struct Making {
    algorithm: Algorithm,
    make: Make,
    key: EncodingKey,
}

fn verifier(algorithm: &Algorithm, key: &DecodingKey) -> Result<Box<dyn JwtVerifier>, Error> {
    if key.family() != algorithm.family() {
        return Err(new_error(ErrorKind::InvalidAlgorithm));
    }
    let check = match algorithm {
        Algorithm::HS256 => Check::Hmac(hmac::HMAC_SHA256),
        Algorithm::HS384 => Check::Hmac(hmac::HMAC_SHA384),
        Algorithm::HS512 => Check::Hmac(hmac::HMAC_SHA512),
        Algorithm::RS256 => Check::Rsa(&RSA_PKCS1_2048_8192_SHA256),
        Algorithm::RS384 => Check::Rsa(&RSA_PKCS1_2048_8192_SHA384),
        Algorithm::RS512 => Check::Rsa(&RSA_PKCS1_2048_8192_SHA512),
        Algorithm::PS256 => Check::Rsa(&RSA_PSS_2048_8192_SHA256),
        Algorithm::PS384 => Check::Rsa(&RSA_PSS_2048_8192_SHA384),
        Algorithm::PS512 => Check::Rsa(&RSA_PSS_2048_8192_SHA512),
        Algorithm::ES256 => Check::Other(&ECDSA_P256_SHA256_FIXED),
        Algorithm::ES384 => Check::Other(&ECDSA_P384_SHA384_FIXED),
        Algorithm::EdDSA => Check::Other(&ED25519),
        _ => return Err(new_error(ErrorKind::UnsupportedAlgorithm)),
    };
    Ok(Box::new(Checking {
        algorithm: *algorithm,
        check,
        key: key.clone(),
    }))
}

impl Verifier<Vec<u8>> for Checking {
    fn verify(&self, message: &[u8], signature: &Vec<u8>) -> Result<(), SignatureError> {
        let key = self.key.kind();
        let checked = match (&self.check, key) {
            (Check::Hmac(algorithm), DecodingKeyKind::SecretOrDer(secret)) => {
                hmac::verify(&hmac::Key::new(*algorithm, secret), message, signature)
            }
            (Check::Rsa(parameters), DecodingKeyKind::RsaModulusExponent { n, e }) => {
                RsaPublicKeyComponents { n, e }.verify(parameters, message, signature)
            }
            (Check::Rsa(parameters), DecodingKeyKind::SecretOrDer(der)) => {
                UnparsedPublicKey::new(*parameters, der).verify(message, signature)
            }
            (Check::Other(algorithm), DecodingKeyKind::SecretOrDer(bytes)) => {
                UnparsedPublicKey::new(*algorithm, bytes).verify(message, signature)
            }
            (Check::Hmac(_) | Check::Other(_), DecodingKeyKind::RsaModulusExponent { .. }) => {
                return Err(SignatureError::new());
            }
        };
        checked.map_err(|_| SignatureError::new())
    }
}

impl JwtVerifier for Checking {
    fn algorithm(&self) -> Algorithm {
        self.algorithm
    }
}

fn signer(algorithm: &Algorithm, key: &EncodingKey) -> Result<Box<dyn JwtSigner>, Error> {
    if key.family() != algorithm.family() {
        return Err(new_error(ErrorKind::InvalidAlgorithm));
    }
    let make = match algorithm {
        Algorithm::HS256 => Make::Hmac(hmac::HMAC_SHA256),
        Algorithm::HS384 => Make::Hmac(hmac::HMAC_SHA384),
        Algorithm::HS512 => Make::Hmac(hmac::HMAC_SHA512),
        Algorithm::RS256 => Make::Rsa(&RSA_PKCS1_SHA256),
        Algorithm::RS384 => Make::Rsa(&RSA_PKCS1_SHA384),
        Algorithm::RS512 => Make::Rsa(&RSA_PKCS1_SHA512),
        Algorithm::PS256 => Make::Rsa(&RSA_PSS_SHA256),
        Algorithm::PS384 => Make::Rsa(&RSA_PSS_SHA384),
        Algorithm::PS512 => Make::Rsa(&RSA_PSS_SHA512),
        Algorithm::ES256 => Make::Ecdsa(&ECDSA_P256_SHA256_FIXED_SIGNING),
        Algorithm::ES384 => Make::Ecdsa(&ECDSA_P384_SHA384_FIXED_SIGNING),
        Algorithm::EdDSA => Make::Ed25519,
        _ => return Err(new_error(ErrorKind::UnsupportedAlgorithm)),
    };
    Ok(Box::new(Making {
        algorithm: *algorithm,
        make,
        key: key.clone(),
    }))
}

impl Signer<Vec<u8>> for Making {
    fn try_sign(&self, message: &[u8]) -> Result<Vec<u8>, SignatureError> {
        let key = self.key.as_bytes();
        let random = SystemRandom::new();
        match self.make {
            Make::Hmac(algorithm) => {
                let key = hmac::Key::new(algorithm, key);
                Ok(hmac::sign(&key, message).as_ref().to_vec())
            }
            Make::Rsa(encoding) => rsa(key, encoding, &random, message),
            Make::Ecdsa(algorithm) => {
                let pair = EcdsaKeyPair::from_pkcs8(algorithm, key, &random).map_err(wrong)?;
                let signature = pair.sign(&random, message).map_err(wrong)?;
                Ok(signature.as_ref().to_vec())
            }
            Make::Ed25519 => {
                let pair = Ed25519KeyPair::from_pkcs8_maybe_unchecked(key).map_err(wrong)?;
                Ok(pair.sign(message).as_ref().to_vec())
            }
        }
    }
}

impl JwtSigner for Making {
    fn algorithm(&self) -> Algorithm {
        self.algorithm
    }
}

fn rsa(
    key: &[u8],
    encoding: &'static dyn RsaEncoding,
    random: &dyn rand::SecureRandom,
    message: &[u8],
) -> Result<Vec<u8>, SignatureError> {
    let pair = RsaKeyPair::from_der(key).map_err(wrong)?;
    let mut signature = vec![0; pair.public().modulus_len()];
    pair.sign(encoding, random, message, &mut signature)
        .map_err(wrong)?;
    Ok(signature)
}

fn wrong(_: impl std::fmt::Display) -> SignatureError {
    SignatureError::new()
}
