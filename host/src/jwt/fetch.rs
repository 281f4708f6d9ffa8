//! Where keys come from: a file or a URL, read in the background, swapped as a whole.
//!
//! What cannot be read changes nothing: the keys that were there stay. Nothing that a server answers gets into the
//! log. How tokens are judged is not known here.

use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;

use super::JwtError;
use super::keys::{InvalidKeySet, KeySet};
use super::settings::{InvalidIssuer, IssuerSettings, KeySource};
use crate::clock::Ids;
use crate::gateway::client::{Broken, Client, SafeUrl};

/// Least time between two readings that tokens or failures ask for.
pub(super) const SOON: Duration = Duration::from_secs(30);
/// Longest key set read, in bytes.
const MAX_SET_BYTES: usize = 256 * 1024;
/// How long a fetch may take from beginning to end.
const FETCH_TIME: Duration = Duration::from_secs(10);

/// Why keys were not read. Says nothing of what was.
#[derive(Debug, thiserror::Error)]
pub enum KeysUnread {
    /// The file.
    #[error("the file of keys cannot be read: {}", .0.kind())]
    File(io::Error),
    /// No answer, or none in time.
    #[error("the server of keys did not answer")]
    NoAnswer,
    /// An answer other than 200, or a redirect to somewhere without TLS.
    #[error("the server of keys answered with status {0}")]
    Status(u16),
    /// Over 256 KiB.
    #[error("the key set is over 262,144 bytes")]
    TooLarge,
    /// Over 64 keys.
    #[error("the key set has more than 64 keys")]
    TooMany,
    /// Not a JSON object with a list `keys`.
    #[error("what was read is not a key set")]
    Malformed,
    /// A set in which no key is a public key for signatures that is understood.
    #[error("the key set has no key that can be used")]
    NoKeys,
}

/// An opened [`KeySource`].
#[derive(Clone, Debug)]
pub(super) enum Source {
    File(PathBuf),
    Url(Client, SafeUrl),
}

impl Source {
    /// Opens a source. All that need a client share one, which is made for the first of them.
    ///
    /// # Errors
    /// [`JwtError::Client`]; [`JwtError::Invalid`] for a URL that [`IssuerSettings::check`] refuses.
    pub(super) fn open(keys: &KeySource, number: usize, client: &mut Option<Client>) -> Result<Self, JwtError> {
        let url = match keys {
            KeySource::File(path) => return Ok(Self::File(path.clone())),
            KeySource::Url(url) => SafeUrl::parse(url).ok_or(JwtError::Invalid { number, why: InvalidIssuer::Url })?,
        };
        let client = match client {
            Some(client) => client.clone(),
            None => client.insert(Client::for_keys(FETCH_TIME).map_err(|_| JwtError::Client)?).clone(),
        };
        Ok(Self::Url(client, url))
    }

    async fn read(&self) -> Result<KeySet, KeysUnread> {
        let text = match self {
            Self::File(path) => {
                let path = path.clone();
                let read = tokio::task::spawn_blocking(move || read_file(&path));
                read.await.map_err(|_| KeysUnread::File(io::ErrorKind::Interrupted.into()))??
            }
            Self::Url(client, url) => fetch(client, url).await?,
        };
        KeySet::read(&text).map_err(|error| match error {
            InvalidKeySet::Malformed => KeysUnread::Malformed,
            InvalidKeySet::TooMany => KeysUnread::TooMany,
        })
    }
}

fn read_file(path: &Path) -> Result<Vec<u8>, KeysUnread> {
    let file = std::fs::File::open(path).map_err(KeysUnread::File)?;
    let mut text = Vec::new();
    let limit = u64::try_from(MAX_SET_BYTES).unwrap_or(u64::MAX).saturating_add(1);
    file.take(limit).read_to_end(&mut text).map_err(KeysUnread::File)?;
    if text.len() > MAX_SET_BYTES { Err(KeysUnread::TooLarge) } else { Ok(text) }
}

async fn fetch(client: &Client, url: &SafeUrl) -> Result<Vec<u8>, KeysUnread> {
    let mut answer = client.get(url, MAX_SET_BYTES).await.map_err(|broken| match broken {
        Broken::TooLarge => KeysUnread::TooLarge,
        Broken::Unreachable | Broken::Cut | Broken::TimedOut => KeysUnread::NoAnswer,
    })?;
    if answer.status == 200 { Ok(std::mem::take(&mut *answer.body)) } else { Err(KeysUnread::Status(answer.status)) }
}

/// An identity provider and the keys it is known by at the moment.
#[derive(Debug)]
pub(super) struct Issuer {
    settings: IssuerSettings,
    source: Source,
    keys: RwLock<Arc<KeySet>>,
    /// How many readings failed since the last one that did not.
    failures: AtomicU32,
    wanted: Notify,
}

impl Issuer {
    /// One without keys.
    pub(super) fn new(settings: IssuerSettings, source: Source) -> Self {
        let (keys, failures, wanted) = (RwLock::default(), AtomicU32::new(0), Notify::new());
        Self { settings, source, keys, failures, wanted }
    }

    pub(super) fn settings(&self) -> &IssuerSettings {
        &self.settings
    }

    /// The keys of this moment.
    pub(super) fn keys(&self) -> Arc<KeySet> {
        Arc::clone(&self.keys.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Has the background task read the keys soon. Many calls are one.
    pub(super) fn ask_for_keys(&self) {
        self.wanted.notify_one();
    }

    /// Reads the keys and swaps them; or keeps the ones there are and says so in the log. A set without usable keys
    /// is believed: an issuer that takes its keys back has no others.
    pub(super) async fn refresh(&self) -> Result<(), KeysUnread> {
        let issuer = self.settings.issuer.as_str();
        match self.source.read().await {
            Ok(keys) => {
                if keys.is_empty() {
                    tracing::warn!(issuer, "the issuer has no key that can be used; all its tokens are refused");
                } else {
                    tracing::debug!(issuer, keys = keys.len(), "the keys of an issuer were read");
                }
                *self.keys.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(keys);
                self.failures.store(0, Ordering::Relaxed);
                Ok(())
            }
            Err(error) => {
                let failures = self.failures.fetch_add(1, Ordering::Relaxed).saturating_add(1);
                tracing::warn!(issuer, failures, %error, "the keys of an issuer were not read; the ones known stay");
                Err(error)
            }
        }
    }

    /// Reads the keys again and again until cancelled.
    pub(super) async fn keep_fresh(&self, soon: Duration, ids: &Ids, cancel: &CancellationToken) {
        loop {
            let last = Instant::now();
            let jitter = ids.random::<1>().map_or(0, |byte| byte.first().copied().unwrap_or(0));
            let due = last + wait(self.settings.refresh, soon, self.failures.load(Ordering::Relaxed), jitter);
            let turn = async {
                sleep_until(due.min(last + soon)).await;
                tokio::select! {
                    () = sleep_until(due) => {}
                    () = self.wanted.notified() => {}
                }
                // A failure is told in the log and by the time of the next turn.
                self.refresh().await.is_ok()
            };
            if cancel.run_until_cancelled(turn).await.is_none() {
                return;
            }
        }
    }
}

/// How long until keys are read again: `refresh`, after failures `soon`, doubled with each and never over `refresh`;
/// then up to a tenth less, so that not all instances ask at once.
fn wait(refresh: Duration, soon: Duration, failures: u32, jitter: u8) -> Duration {
    let whole = match failures.checked_sub(1) {
        None => refresh,
        Some(more) => soon.saturating_mul(2_u32.saturating_pow(more)).min(refresh),
    };
    whole.saturating_sub(whole / 2_560 * u32::from(jitter))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn after_failures_keys_are_asked_for_sooner_then_less_and_less_often() {
        let (refresh, soon) = (Duration::from_mins(5), Duration::from_secs(30));
        let waits: Vec<u64> = (0..8).map(|failures| wait(refresh, soon, failures, 0).as_secs()).collect();
        assert_eq!(waits, [300, 30, 60, 120, 240, 300, 300, 300]);
        assert_eq!(wait(refresh, soon, u32::MAX, 0), refresh);
        assert_eq!(wait(Duration::from_secs(2), soon, 1, 0).as_secs(), 2, "never less often than without failures");
    }

    #[test]
    fn no_wait_is_longer_than_meant_or_less_than_nine_tenths_of_it() {
        for jitter in 0..=u8::MAX {
            let wait = wait(Duration::from_secs(100), SOON, 0, jitter);
            assert!((90..=100).contains(&wait.as_secs()), "{jitter}: {wait:?}");
        }
        assert_ne!(wait(Duration::from_secs(100), SOON, 0, 9), wait(Duration::from_secs(100), SOON, 0, 10));
    }
}
