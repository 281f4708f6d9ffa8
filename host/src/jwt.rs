//! JWTs of identity providers: whether one holds, and whose it is.
//!
//! A token is judged by what is in memory: keys are read at the start and by a background task (`jwt/fetch.rs`), never
//! while somebody waits for an answer. What a token says is in `claims.rs`, which key it names in `keys.rs`, what an
//! installation trusts in `settings.rs`. Nothing here knows users: who a subject is, is asked of [`crate::service`].
//! No part of a token gets into an error, a log or a `Debug`.

mod claims;
mod fetch;
mod keys;
mod settings;

use std::fmt;
use std::sync::Arc;

use futures_util::future::join_all;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use self::claims::Token;
pub use self::fetch::KeysUnread;
use self::fetch::{Issuer, Source};
use self::keys::NoKey;
pub use self::settings::{Algorithm, InvalidIssuer, IssuerSettings, KeySource};
use crate::clock::{Ids, Timestamp};
use crate::credential::InvalidCredential;

/// Whom a JWT names: a subject, as an issuer knows it. `Debug` hides the subject.
#[derive(Clone, PartialEq, Eq)]
pub struct Claimed {
    /// The issuer: the text of the configuration, byte for byte.
    pub issuer: String,
    /// The subject: 1 to 255 bytes without control characters.
    pub subject: String,
}

impl fmt::Debug for Claimed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Claimed").field("issuer", &self.issuer).finish_non_exhaustive()
    }
}

/// Why the identity providers of a configuration cannot be used. Issuers are told by their place in it, from 1.
#[derive(Debug, thiserror::Error)]
pub enum JwtError {
    /// The settings of one contradict themselves or are out of bounds.
    #[error("issuer {number}: {why}")]
    Invalid {
        /// Its place.
        number: usize,
        /// What is wrong.
        why: InvalidIssuer,
    },
    /// The file of its keys cannot be read, or holds none.
    #[error("issuer {number}: {why}")]
    Unreadable {
        /// Its place.
        number: usize,
        /// What failed.
        why: KeysUnread,
    },
    /// Nothing can be fetched over TLS on this machine, for instance as it trusts no authority.
    #[error("the client that fetches keys cannot be made; does the machine have any trusted certificates?")]
    Client,
}

impl JwtError {
    /// Every code [`JwtError::code`] can give.
    pub const CODES: &[&str] = &["issuer-invalid", "jwks-unreadable", "jwks-client-failed"];

    /// The stable code.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Invalid { .. } => "issuer-invalid",
            Self::Unreadable { .. } => "jwks-unreadable",
            Self::Client => "jwks-client-failed",
        }
    }
}

/// The identity providers whose JWTs are taken; by default none. Clones share their keys.
#[derive(Clone, Debug, Default)]
pub struct Issuers(Arc<Vec<Arc<Issuer>>>);

impl Issuers {
    /// Takes the settings and reads all keys once, waiting at most about ten seconds. A URL that does not answer
    /// is warned of in the log: the tokens of that issuer are refused until its keys came.
    ///
    /// # Errors
    /// [`JwtError`]: settings that cannot be, an issuer named twice, a file that cannot be read or holds no key
    /// that can be used, no client.
    pub async fn open(settings: Vec<IssuerSettings>) -> Result<Self, JwtError> {
        let mut issuers: Vec<Arc<Issuer>> = Vec::with_capacity(settings.len());
        let mut client = None;
        for (settings, number) in settings.into_iter().zip(1_usize..) {
            let named_before = issuers.iter().any(|known| known.settings().issuer == settings.issuer);
            let checked = if named_before { Err(InvalidIssuer::Repeated) } else { settings.check() };
            checked.map_err(|why| JwtError::Invalid { number, why })?;
            let source = Source::open(&settings.keys, number, &mut client)?;
            issuers.push(Arc::new(Issuer::new(settings, source)));
        }
        let read = join_all(issuers.iter().map(|issuer| issuer.refresh())).await;
        for ((issuer, outcome), number) in issuers.iter().zip(read).zip(1_usize..) {
            let why = match outcome {
                Ok(()) if issuer.keys().is_empty() => KeysUnread::NoKeys,
                Ok(()) => continue,
                Err(why) => why,
            };
            if matches!(issuer.settings().keys, KeySource::File(_)) {
                return Err(JwtError::Unreadable { number, why });
            }
        }
        Ok(Self(Arc::new(issuers)))
    }

    /// Whether no JWT is taken at all.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Reads all keys anew, now. Gives how many issuers keep the keys they had, as theirs could not be read.
    pub async fn refresh(&self) -> usize {
        let read = join_all(self.0.iter().map(|issuer| issuer.refresh())).await;
        read.iter().filter(|outcome| outcome.is_err()).count()
    }

    /// Starts the task that reads keys anew: each issuer's after its `refresh`, a bit sooner at random, sooner
    /// after a failure, and soon when a token names a key nobody knows, though not more often than every 30 s.
    /// It ends when `cancel` is cancelled, whatever becomes of the handle. Needs a tokio runtime.
    #[must_use]
    pub fn refresh_in_background(&self, ids: &Ids, cancel: &CancellationToken) -> JoinHandle<()> {
        self.refresh_at_pace(fetch::SOON, ids, cancel)
    }

    fn refresh_at_pace(&self, soon: std::time::Duration, ids: &Ids, cancel: &CancellationToken) -> JoinHandle<()> {
        let (issuers, ids, cancel) = (self.clone(), ids.clone(), cancel.clone());
        tokio::spawn(async move {
            join_all(issuers.0.iter().map(|issuer| issuer.keep_fresh(soon, &ids, &cancel))).await;
        })
    }

    /// Judges a JWT by what is known of its issuer at this moment. Nothing is fetched.
    ///
    /// # Errors
    /// [`InvalidCredential::Expired`] if only its time is over, [`InvalidCredential::Bad`] for everything else.
    pub fn verify(&self, jwt: &str, now: Timestamp) -> Result<Claimed, InvalidCredential> {
        let token = Token::read(jwt)?;
        let named = token.issuer()?;
        let issuer = self.0.iter().find(|issuer| issuer.settings().issuer == named).ok_or(InvalidCredential::Bad)?;
        let algorithm = token.algorithm();
        if !issuer.settings().algorithms.contains(&algorithm) {
            return Err(InvalidCredential::Bad);
        }
        let keys = issuer.keys();
        let key = keys.choose(token.key_id(), algorithm).map_err(|no_key| {
            if no_key == NoKey::Unknown {
                issuer.ask_for_keys();
            }
            InvalidCredential::Bad
        })?;
        if !key.holds(algorithm, token.signed(), token.signature()) {
            return Err(InvalidCredential::Bad);
        }
        let subject = token.subject(issuer.settings(), now)?;
        Ok(Claimed { issuer: issuer.settings().issuer.clone(), subject })
    }
}

#[cfg(test)]
mod tests;
