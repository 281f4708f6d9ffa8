//! Keys of an issuer: a JWK set, read once, and the one key a token may be checked with.
//!
//! A key that is not understood is left out, as RFC 7517 wants; so is one that is not public, since a set that shows
//! a private or symmetric key shows everybody how to make tokens. Where sets come from is not known here.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::DecodingKey;
use jsonwebtoken::crypto::aws_lc::DEFAULT_PROVIDER;
use serde::Deserialize;
use serde_json::Value;

use super::settings::Algorithm;

/// Most keys in a set.
pub(super) const MAX_KEYS: usize = 64;
/// RSA moduli in bytes: 2,048 to 8,192 bits.
const RSA_BYTES: std::ops::RangeInclusive<usize> = 256..=1024;
/// The first byte of an uncompressed point.
const UNCOMPRESSED: u8 = 4;

/// The public keys of an issuer at one moment.
#[derive(Debug, Default)]
pub(super) struct KeySet(Vec<Key>);

/// One public key for signatures.
pub(super) struct Key {
    id: Option<String>,
    kind: Kind,
    /// The only algorithm it is for, if the set says so.
    only: Option<Algorithm>,
    public: DecodingKey,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Rsa,
    P256,
    P384,
    Ed25519,
}

/// Why there is no key to check a token with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NoKey {
    /// The set has none of this id: it may be newer than the set.
    Unknown,
    /// There is one, for other algorithms; or the token names none, and there are several.
    Unfit,
}

/// A text that is no JWK set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum InvalidKeySet {
    /// Not a JSON object with a list `keys`.
    Malformed,
    /// Over [`MAX_KEYS`].
    TooMany,
}

#[derive(Deserialize)]
struct WrittenSet {
    keys: Vec<Value>,
}

#[derive(Deserialize)]
struct WrittenKey {
    kty: String,
    kid: Option<String>,
    #[serde(rename = "use")]
    purpose: Option<String>,
    key_ops: Option<Vec<String>>,
    alg: Option<String>,
    crv: Option<String>,
    n: Option<String>,
    e: Option<String>,
    x: Option<String>,
    y: Option<String>,
    /// The private part, which has no place in a set.
    d: Option<Value>,
}

impl KeySet {
    /// Reads a JWK set. Keys that cannot be used are left out.
    ///
    /// # Errors
    /// [`InvalidKeySet`].
    pub(super) fn read(text: &[u8]) -> Result<Self, InvalidKeySet> {
        let set: WrittenSet = serde_json::from_slice(text).map_err(|_| InvalidKeySet::Malformed)?;
        if set.keys.len() > MAX_KEYS {
            return Err(InvalidKeySet::TooMany);
        }
        let keys = set.keys.into_iter().filter_map(|key| Key::read(serde_json::from_value(key).ok()?));
        Ok(Self(keys.collect()))
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    /// The key a token is to be checked with.
    ///
    /// # Errors
    /// [`NoKey`].
    pub(super) fn choose(&self, id: Option<&str>, algorithm: Algorithm) -> Result<&Key, NoKey> {
        let named: Vec<&Key> = match id {
            Some(id) => self.0.iter().filter(|key| key.id.as_deref() == Some(id)).collect(),
            None if self.0.len() > 1 => return Err(NoKey::Unfit),
            None => self.0.iter().collect(),
        };
        if named.is_empty() {
            return Err(NoKey::Unknown);
        }
        named.into_iter().find(|key| key.fits(algorithm)).ok_or(NoKey::Unfit)
    }
}

impl Key {
    fn read(written: WrittenKey) -> Option<Self> {
        let signs = written.purpose.as_deref().is_none_or(|purpose| purpose == "sig");
        let verifies = written.key_ops.as_ref().is_none_or(|ops| ops.iter().any(|op| op == "verify"));
        if !signs || !verifies || written.d.is_some() {
            return None;
        }
        let only = match written.alg {
            Some(name) => Some(name.parse().ok()?),
            None => None,
        };
        let (kind, public) = match (written.kty.as_str(), written.crv.as_deref()) {
            ("RSA", None) => (Kind::Rsa, rsa(&bytes(written.n.as_ref())?, &bytes(written.e.as_ref())?)?),
            ("EC", Some("P-256")) => (Kind::P256, point(32, &bytes(written.x.as_ref())?, &bytes(written.y.as_ref())?)?),
            ("EC", Some("P-384")) => (Kind::P384, point(48, &bytes(written.x.as_ref())?, &bytes(written.y.as_ref())?)?),
            ("OKP", Some("Ed25519")) => {
                let x = bytes(written.x.as_ref())?;
                (Kind::Ed25519, (x.len() == 32).then(|| DecodingKey::from_ed_der(&x))?)
            }
            _ => return None,
        };
        let key = Self { id: written.kid, kind, only, public };
        key.only.is_none_or(|only| key.fits(only)).then_some(key)
    }

    fn fits(&self, algorithm: Algorithm) -> bool {
        let kind = match algorithm {
            Algorithm::Rs256
            | Algorithm::Rs384
            | Algorithm::Rs512
            | Algorithm::Ps256
            | Algorithm::Ps384
            | Algorithm::Ps512 => Kind::Rsa,
            Algorithm::Es256 => Kind::P256,
            Algorithm::Es384 => Kind::P384,
            Algorithm::EdDsa => Kind::Ed25519,
        };
        kind == self.kind && self.only.is_none_or(|only| only == algorithm)
    }

    /// Whether the signature is this key's. The provider is named, so that no other crate's choice of features
    /// decides which cryptography is used, or that there is none.
    pub(super) fn holds(&self, algorithm: Algorithm, signed: &[u8], signature: &Vec<u8>) -> bool {
        (DEFAULT_PROVIDER.verifier_factory)(&algorithm.in_library(), &self.public)
            .is_ok_and(|verifier| verifier.verify(signed, signature).is_ok())
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Key").field("kind", &self.kind).finish_non_exhaustive()
    }
}

/// A member of a key, out of base64url without padding.
fn bytes(member: Option<&String>) -> Option<Vec<u8>> {
    URL_SAFE_NO_PAD.decode(member?).ok()
}

fn rsa(modulus: &[u8], exponent: &[u8]) -> Option<DecodingKey> {
    let modulus = without_zeros(modulus);
    RSA_BYTES.contains(&modulus.len()).then(|| DecodingKey::from_rsa_raw_components(modulus, without_zeros(exponent)))
}

/// Some write a zero in front, which the standard forbids and which changes nothing.
fn without_zeros(number: &[u8]) -> &[u8] {
    let zeros = number.iter().take_while(|byte| **byte == 0).count();
    number.get(zeros..).unwrap_or_default()
}

fn point(coordinate_bytes: usize, x: &[u8], y: &[u8]) -> Option<DecodingKey> {
    let whole = x.len() == coordinate_bytes && y.len() == coordinate_bytes;
    whole.then(|| DecodingKey::from_ec_der(&[&[UNCOMPRESSED], x, y].concat()))
}
