//! What an installation trusts: issuers, for whom their tokens are meant, where their keys are.
//!
//! The shapes of the configuration and their bounds. Nothing is opened or fetched here.

use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use serde::Deserialize;

use crate::gateway::client::SafeUrl;

/// A signature algorithm. Only ones with a public key: whoever can check a token must not be able to make one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Algorithm {
    /// RSA, PKCS 1 v1.5, SHA-256.
    Rs256,
    /// RSA, PKCS 1 v1.5, SHA-384.
    Rs384,
    /// RSA, PKCS 1 v1.5, SHA-512.
    Rs512,
    /// RSA, PSS, SHA-256.
    Ps256,
    /// RSA, PSS, SHA-384.
    Ps384,
    /// RSA, PSS, SHA-512.
    Ps512,
    /// ECDSA on P-256, SHA-256.
    Es256,
    /// ECDSA on P-384, SHA-384.
    Es384,
    /// Ed25519.
    #[serde(rename = "EdDSA")]
    EdDsa,
}

impl Algorithm {
    /// All of them.
    pub const ALL: [Self; 9] = [
        Self::Rs256,
        Self::Rs384,
        Self::Rs512,
        Self::Ps256,
        Self::Ps384,
        Self::Ps512,
        Self::Es256,
        Self::Es384,
        Self::EdDsa,
    ];

    /// Its name in tokens, keys and the configuration.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Rs256 => "RS256",
            Self::Rs384 => "RS384",
            Self::Rs512 => "RS512",
            Self::Ps256 => "PS256",
            Self::Ps384 => "PS384",
            Self::Ps512 => "PS512",
            Self::Es256 => "ES256",
            Self::Es384 => "ES384",
            Self::EdDsa => "EdDSA",
        }
    }

    /// As the library that checks signatures names it.
    pub(super) fn in_library(self) -> jsonwebtoken::Algorithm {
        use jsonwebtoken::Algorithm as Library;
        match self {
            Self::Rs256 => Library::RS256,
            Self::Rs384 => Library::RS384,
            Self::Rs512 => Library::RS512,
            Self::Ps256 => Library::PS256,
            Self::Ps384 => Library::PS384,
            Self::Ps512 => Library::PS512,
            Self::Es256 => Library::ES256,
            Self::Es384 => Library::ES384,
            Self::EdDsa => Library::EdDSA,
        }
    }
}

/// A name that is none of [`Algorithm`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not an algorithm that is taken")]
pub struct UnknownAlgorithm;

impl FromStr for Algorithm {
    type Err = UnknownAlgorithm;

    fn from_str(name: &str) -> Result<Self, UnknownAlgorithm> {
        Self::ALL.into_iter().find(|algorithm| algorithm.name() == name).ok_or(UnknownAlgorithm)
    }
}

/// Where an issuer's keys (a JWK set) are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KeySource {
    /// A file, read again as often as a URL is.
    File(PathBuf),
    /// `https`, or `http` on a loopback address given as a number.
    Url(String),
}

/// One identity provider. In TOML: `issuer`, `audience` (a list), one of `jwks_file` and `jwks_url`, and if wanted
/// `algorithms`, `leeway_s`, `refresh_s`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "Written")]
pub struct IssuerSettings {
    /// What its tokens have as `iss`, byte for byte; 1 to 255 bytes, no control characters.
    pub issuer: String,
    /// Whom a token may be meant for: one of these is in its `aud`.
    pub audience: Vec<String>,
    /// Where its keys are.
    pub keys: KeySource,
    /// The algorithms taken; RS256 and ES256 unless said.
    pub algorithms: Vec<Algorithm>,
    /// How far its clock may be off ours, at most 5 minutes; 60 s unless said.
    pub leeway: Duration,
    /// How often its keys are read, every second to every day; 5 minutes unless said.
    pub refresh: Duration,
}

/// Settings as they are written down.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    issuer: String,
    audience: Vec<String>,
    jwks_file: Option<String>,
    jwks_url: Option<String>,
    algorithms: Option<Vec<Algorithm>>,
    leeway_s: Option<u64>,
    refresh_s: Option<u64>,
}

/// Why settings cannot be. No value is repeated.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidIssuer {
    /// The issuer's own text.
    #[error("`issuer` is 1 to 255 bytes without control characters")]
    Name,
    /// A member that is missing, unknown or not what it takes. Which is not said: there may be a value in it.
    #[error(
        "takes `issuer`, `audience`, one of `jwks_file` and `jwks_url`, and may have `algorithms`, `leeway_s` and \
         `refresh_s`"
    )]
    Members,
    /// Two settings for one issuer.
    #[error("an issuer is named once")]
    Repeated,
    /// Meant for nobody: every token of the issuer, for whomever, would be taken.
    #[error("`audience` names at least one, and none is empty")]
    Audience,
    /// None or two places for keys.
    #[error("exactly one of `jwks_file` and `jwks_url` says where the keys are")]
    Source,
    /// A URL that is not safe to trust keys from.
    #[error("`jwks_url` is https, or http on a loopback address, without user and password")]
    Url,
    /// No algorithm.
    #[error("`algorithms` names at least one")]
    Algorithms,
    /// Over the limit.
    #[error("`leeway_s` is at most 300")]
    Leeway,
    /// Too often or too seldom.
    #[error("`refresh_s` is 1 to 86400")]
    Refresh,
}

const MAX_NAME_BYTES: usize = 255;
const MAX_LEEWAY: Duration = Duration::from_mins(5);
const MIN_REFRESH: Duration = Duration::from_secs(1);
const MAX_REFRESH: Duration = Duration::from_hours(24);

impl IssuerSettings {
    /// Settings with everything that has a default at its default.
    #[must_use]
    pub fn new(issuer: String, audience: Vec<String>, keys: KeySource) -> Self {
        Self {
            issuer,
            audience,
            keys,
            algorithms: vec![Algorithm::Rs256, Algorithm::Es256],
            leeway: Duration::from_mins(1),
            refresh: Duration::from_mins(5),
        }
    }

    /// Holds the settings to their bounds. What was deserialised holds already.
    ///
    /// # Errors
    /// [`InvalidIssuer`], the first rule broken.
    pub fn check(&self) -> Result<(), InvalidIssuer> {
        let name_holds =
            (1..=MAX_NAME_BYTES).contains(&self.issuer.len()) && !self.issuer.chars().any(char::is_control);
        let url_holds = match &self.keys {
            KeySource::File(_) => true,
            KeySource::Url(url) => SafeUrl::parse(url).is_some(),
        };
        let rules = [
            (name_holds, InvalidIssuer::Name),
            (!self.audience.is_empty() && !self.audience.iter().any(String::is_empty), InvalidIssuer::Audience),
            (url_holds, InvalidIssuer::Url),
            (!self.algorithms.is_empty(), InvalidIssuer::Algorithms),
            (self.leeway <= MAX_LEEWAY, InvalidIssuer::Leeway),
            ((MIN_REFRESH..=MAX_REFRESH).contains(&self.refresh), InvalidIssuer::Refresh),
        ];
        rules.into_iter().find(|(holds, _)| !holds).map_or(Ok(()), |(_, broken)| Err(broken))
    }
}

impl TryFrom<Written> for IssuerSettings {
    type Error = InvalidIssuer;

    fn try_from(written: Written) -> Result<Self, InvalidIssuer> {
        let keys = match (written.jwks_file, written.jwks_url) {
            (Some(file), None) => KeySource::File(PathBuf::from(file)),
            (None, Some(url)) => KeySource::Url(url),
            _ => return Err(InvalidIssuer::Source),
        };
        let mut settings = Self::new(written.issuer, written.audience, keys);
        if let Some(algorithms) = written.algorithms {
            settings.algorithms = algorithms;
        }
        if let Some(seconds) = written.leeway_s {
            settings.leeway = Duration::from_secs(seconds);
        }
        if let Some(seconds) = written.refresh_s {
            settings.refresh = Duration::from_secs(seconds);
        }
        settings.check()?;
        Ok(settings)
    }
}
