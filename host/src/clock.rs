//! Time and randomness, passed in.
//!
//! Nothing in this program asks the machine what time it is or for a random number but here, so that a test
//! can say both. Times are whole microseconds in UTC, on every engine and in every text. How they are written
//! into a database is the business of [`crate::store`].

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::Duration;

use jiff::fmt::StdFmtWrite;
use jiff::fmt::temporal::DateTimePrinter;
use sha2::{Digest, Sha256};
use uuid::Uuid;
use zeroize::Zeroizing;

/// A moment, in microseconds since 1970-01-01T00:00:00Z, within the years 0000 to 9999.
///
/// Its text is always 27 characters, `YYYY-MM-DDTHH:MM:SS.ffffffZ`, so that texts sort as times do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(i64);

/// 0000-01-01T00:00:00Z.
const EARLIEST_US: i64 = -62_167_219_200_000_000;
/// 9999-12-30T21:59:59.999999Z: about the last moment the calendar crate knows.
const LATEST_US: i64 = 253_402_207_199_999_999;
/// All six digits behind the point, zeros too.
const PRINTER: DateTimePrinter = DateTimePrinter::new().precision(Some(6));

impl Timestamp {
    /// The moment so many microseconds after 1970, or the nearest one that can be written down.
    #[must_use]
    pub fn from_micros(micros: i64) -> Self {
        Self(micros.clamp(EARLIEST_US, LATEST_US))
    }

    /// Microseconds since 1970-01-01T00:00:00Z.
    #[must_use]
    pub fn as_micros(self) -> i64 {
        self.0
    }

    /// So much later.
    #[must_use]
    pub fn after(self, time: Duration) -> Self {
        Self::from_micros(self.0.saturating_add(i64::try_from(time.as_micros()).unwrap_or(i64::MAX)))
    }

    /// How long it is until another moment; nothing if that has passed.
    #[must_use]
    pub fn until(self, later: Self) -> Duration {
        Duration::from_micros(u64::try_from(later.0.saturating_sub(self.0)).unwrap_or(0))
    }

    /// One microsecond later.
    #[must_use]
    pub fn next(self) -> Self {
        Self::from_micros(self.0.saturating_add(1))
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let moment = jiff::Timestamp::from_microsecond(self.0).map_err(|_| fmt::Error)?;
        PRINTER.print_timestamp(&moment, StdFmtWrite(f)).map_err(|_| fmt::Error)
    }
}

/// A text that is not a time in the one form this program writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a time of the form `YYYY-MM-DDTHH:MM:SS.ffffffZ`")]
pub struct InvalidTimestamp;

impl FromStr for Timestamp {
    type Err = InvalidTimestamp;

    fn from_str(text: &str) -> Result<Self, InvalidTimestamp> {
        let moment: jiff::Timestamp = text.parse().map_err(|_| InvalidTimestamp)?;
        let time = Self::from_micros(moment.as_microsecond());
        if time.to_string() == text { Ok(time) } else { Err(InvalidTimestamp) }
    }
}

impl serde::Serialize for Timestamp {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> serde::Deserialize<'de> for Timestamp {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = <std::borrow::Cow<'de, str>>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

/// Where times come from.
#[derive(Clone, Debug)]
pub struct Clock(ClockSource);

#[derive(Clone, Debug)]
enum ClockSource {
    System,
    Stepping { next_us: Arc<AtomicI64>, step_us: i64 },
}

impl Clock {
    /// The machine's own clock.
    #[must_use]
    pub fn system() -> Self {
        Self(ClockSource::System)
    }

    /// A clock that starts at `start` and moves by `step_us` microseconds whenever it is read. Clones share
    /// its hand.
    #[must_use]
    pub fn stepping(start: Timestamp, step_us: i64) -> Self {
        let next_us = Arc::new(AtomicI64::new(start.as_micros()));
        Self(ClockSource::Stepping { next_us, step_us })
    }

    /// The time.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        match &self.0 {
            ClockSource::System => {
                #[expect(clippy::disallowed_methods, reason = "the one place that asks the machine")]
                let now = jiff::Timestamp::now();
                Timestamp::from_micros(now.as_microsecond())
            }
            ClockSource::Stepping { next_us, step_us } => {
                Timestamp::from_micros(next_us.fetch_add(*step_us, Ordering::Relaxed))
            }
        }
    }
}

/// The machine has no randomness to give.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the system's source of randomness failed")]
pub struct NoRandomness;

/// Where ids, keys and nonces come from.
#[derive(Clone, Debug)]
pub struct Ids(IdSource);

#[derive(Clone, Debug)]
enum IdSource {
    System,
    Seeded { seed: u64, drawn: Arc<AtomicU64> },
}

impl Ids {
    /// The machine's own randomness.
    #[must_use]
    pub fn system() -> Self {
        Self(IdSource::System)
    }

    /// A source that gives the same sequence for the same seed. For tests: nothing it gives is secret.
    #[must_use]
    pub fn seeded(seed: u64) -> Self {
        Self(IdSource::Seeded { seed, drawn: Arc::new(AtomicU64::new(0)) })
    }

    /// A new id, version 7: the time in milliseconds, then randomness.
    ///
    /// # Errors
    /// When the machine has no randomness.
    pub fn next(&self, at: Timestamp) -> Result<Uuid, NoRandomness> {
        let random = self.random::<10>()?;
        let millis = u64::try_from(at.as_micros().div_euclid(1_000)).unwrap_or(0);
        Ok(uuid::Builder::from_unix_timestamp_millis(millis, &random).into_uuid())
    }

    /// So many random bytes, at most 32 from a seeded source's one draw.
    ///
    /// # Errors
    /// When the machine has no randomness.
    pub fn random<const N: usize>(&self) -> Result<Zeroizing<[u8; N]>, NoRandomness> {
        let mut bytes = Zeroizing::new([0_u8; N]);
        match &self.0 {
            IdSource::System => {
                getrandom::fill(bytes.as_mut_slice()).map_err(|_| NoRandomness)?;
            }
            IdSource::Seeded { seed, drawn } => {
                for piece in bytes.chunks_mut(32) {
                    let draw = drawn.fetch_add(1, Ordering::Relaxed);
                    let block =
                        Sha256::new().chain_update(seed.to_be_bytes()).chain_update(draw.to_be_bytes()).finalize();
                    for (byte, drawn) in piece.iter_mut().zip(block) {
                        *byte = drawn;
                    }
                }
            }
        }
        Ok(bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_always_27_characters_and_reads_back() {
        for micros in [0, 1, 999_999, 1_700_000_000_000_000, EARLIEST_US, LATEST_US, -1] {
            let time = Timestamp::from_micros(micros);
            let text = time.to_string();
            assert_eq!(text.len(), 27, "{text}");
            assert_eq!(text.parse(), Ok(time));
        }
        assert_eq!(Timestamp::from_micros(1_700_000_000_000_050).to_string(), "2023-11-14T22:13:20.000050Z");
    }

    #[test]
    fn other_spellings_of_a_time_are_refused() {
        for text in [
            "2023-11-14T22:13:20Z",
            "2023-11-14T22:13:20.00005Z",
            "2023-11-14 22:13:20.000050Z",
            "2023-11-14T22:13:20.000050+00:00",
            "",
        ] {
            assert_eq!(text.parse::<Timestamp>(), Err(InvalidTimestamp), "{text}");
        }
    }

    #[test]
    fn times_beyond_the_calendar_are_cut_to_it() {
        assert_eq!(Timestamp::from_micros(i64::MAX).as_micros(), LATEST_US);
        assert_eq!(Timestamp::from_micros(i64::MAX).next().as_micros(), LATEST_US);
    }

    #[test]
    fn a_seeded_source_repeats_itself_and_ids_are_version_7() {
        let at = Timestamp::from_micros(1_700_000_000_000_000);
        let (one, other) = (Ids::seeded(7), Ids::seeded(7));
        let id = one.next(at).unwrap();
        assert_eq!(id, other.next(at).unwrap());
        assert_ne!(id, one.next(at).unwrap());
        assert_eq!(id.get_version_num(), 7);
    }
}
