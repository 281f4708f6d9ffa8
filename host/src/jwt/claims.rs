//! What a token says: its three parts, and whether its claims hold at a time.
//!
//! Strict where the standard leaves a choice: one spelling of base64url, every member once, times in whole seconds,
//! nothing critical. Nothing here knows keys; the signature is held by who asks, before any claim is believed.

use std::collections::BTreeMap;
use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Deserialize;
use serde::de::{Deserializer, Error as _, MapAccess, Visitor};
use serde_json::Value;

use super::settings::{Algorithm, IssuerSettings};
use crate::clock::Timestamp;
use crate::credential::InvalidCredential;

/// Longest token read.
const MAX_TOKEN_BYTES: usize = 16 * 1024;
/// Longest subject, and what the column of identities takes.
const MAX_SUBJECT_BYTES: usize = 255;
/// What a token may call itself, in any case. An id token is a `JWT`, an access token of RFC 9068 an `at+jwt`.
const TYPES: &[&str] = &["JWT", "at+jwt"];

/// A token taken apart. Nothing of it is believed yet. It cannot be printed.
pub(super) struct Token<'a> {
    algorithm: Algorithm,
    key_id: Option<String>,
    claims: Members,
    signed: &'a str,
    signature: Vec<u8>,
}

impl<'a> Token<'a> {
    /// Takes a token in compact form apart and judges its header.
    ///
    /// # Errors
    /// [`InvalidCredential::Bad`].
    pub(super) fn read(jwt: &'a str) -> Result<Self, InvalidCredential> {
        Self::parse(jwt).ok_or(InvalidCredential::Bad)
    }

    fn parse(jwt: &'a str) -> Option<Self> {
        if jwt.len() > MAX_TOKEN_BYTES {
            return None;
        }
        let (signed, signature) = jwt.rsplit_once('.')?;
        // A third point would be in the claims, where base64url has none.
        let (header, claims) = signed.split_once('.')?;
        let (header, claims) = (Members::read(header)?, Members::read(claims)?);
        if header.0.contains_key("crit") {
            return None;
        }
        if let Some(own_type) = header.0.get("typ") {
            let own_type = own_type.as_str()?;
            TYPES.iter().find(|known| known.eq_ignore_ascii_case(own_type))?;
        }
        let key_id = match header.0.get("kid") {
            Some(id) => Some(id.as_str()?.to_owned()),
            None => None,
        };
        let algorithm = header.text("alg")?.parse().ok()?;
        let signature = URL_SAFE_NO_PAD.decode(signature).ok()?;
        Some(Self { algorithm, key_id, claims, signed, signature })
    }

    /// The algorithm its header names.
    pub(super) fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// The key its header names.
    pub(super) fn key_id(&self) -> Option<&str> {
        self.key_id.as_deref()
    }

    /// What is signed.
    pub(super) fn signed(&self) -> &[u8] {
        self.signed.as_bytes()
    }

    /// The signature.
    pub(super) fn signature(&self) -> &Vec<u8> {
        &self.signature
    }

    /// Who it says made it.
    pub(super) fn issuer(&self) -> Result<&str, InvalidCredential> {
        self.claims.text("iss").ok_or(InvalidCredential::Bad)
    }

    /// Judges the claims but for `iss`, and gives the subject. To be asked when the signature holds.
    ///
    /// # Errors
    /// [`InvalidCredential::Expired`] if nothing else is wrong, [`InvalidCredential::Bad`].
    pub(super) fn subject(&self, settings: &IssuerSettings, now: Timestamp) -> Result<String, InvalidCredential> {
        let (subject, expires_us) = self.lasting(settings, now).ok_or(InvalidCredential::Bad)?;
        if i128::from(now.as_micros()) >= expires_us { Err(InvalidCredential::Expired) } else { Ok(subject) }
    }

    /// The subject and when it is over, leeway included, if everything else holds.
    fn lasting(&self, settings: &IssuerSettings, now: Timestamp) -> Option<(String, i128)> {
        let leeway_us = i128::try_from(settings.leeway.as_micros()).ok()?;
        let latest_start_us = i128::from(now.as_micros()).checked_add(leeway_us)?;
        for begin in ["nbf", "iat"] {
            if self.claims.moment_us(begin).ok()?.is_some_and(|begin_us| begin_us > latest_start_us) {
                return None;
            }
        }
        let meant = match self.claims.0.get("aud")? {
            Value::String(one) => settings.audience.contains(one),
            Value::Array(several) => {
                let named: Option<Vec<&str>> = several.iter().map(Value::as_str).collect();
                named?.iter().any(|one| settings.audience.iter().any(|ours| ours == one))
            }
            _ => false,
        };
        let subject = self.claims.text("sub")?;
        let subject_holds = (1..=MAX_SUBJECT_BYTES).contains(&subject.len()) && !subject.chars().any(char::is_control);
        let expires_us = self.claims.moment_us("exp").ok()??.checked_add(leeway_us)?;
        (meant && subject_holds).then(|| (subject.to_owned(), expires_us))
    }
}

/// The members of a JSON object, each given once.
struct Members(BTreeMap<String, Value>);

impl Members {
    fn read(part: &str) -> Option<Self> {
        serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).ok()?).ok()
    }

    fn text(&self, name: &str) -> Option<&str> {
        self.0.get(name)?.as_str()
    }

    /// A moment, if the member is there.
    ///
    /// # Errors
    /// If it is no whole number of seconds from 1970 on.
    fn moment_us(&self, name: &str) -> Result<Option<i128>, InvalidCredential> {
        let Some(value) = self.0.get(name) else { return Ok(None) };
        let moment_us = value.as_u64().and_then(|seconds| i128::from(seconds).checked_mul(1_000_000));
        moment_us.map(Some).ok_or(InvalidCredential::Bad)
    }
}

impl<'de> Deserialize<'de> for Members {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Once;

        impl<'de> Visitor<'de> for Once {
            type Value = Members;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Members, A::Error> {
                let mut members = BTreeMap::new();
                while let Some((name, value)) = map.next_entry::<String, Value>()? {
                    if members.insert(name, value).is_some() {
                        return Err(A::Error::custom("a member is given twice"));
                    }
                }
                Ok(Members(members))
            }
        }

        deserializer.deserialize_map(Once)
    }
}
