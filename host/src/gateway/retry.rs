//! When a request is repeated: a pure function of what came of it. It asks no clock and no source of randomness.

use std::time::Duration;

use jiff::Timestamp as Moment;
use jiff::fmt::rfc2822::DateTimeParser;

use super::client::Broken;
use super::failure::Outcome;

/// How long is waited where the provider does not say.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pace {
    /// After the first request; twice as long after each further one.
    pub(super) first: Duration,
    /// At most.
    pub(super) longest: Duration,
    /// How long one request may take.
    pub(super) request_time: Duration,
}

impl Pace {
    pub(super) const USUAL: Self = Self {
        first: Duration::from_millis(500),
        longest: Duration::from_secs(30),
        request_time: Duration::from_secs(30),
    };
}

/// What to do after a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// Wait so long and repeat it.
    Wait(Duration),
    /// It stays as it is.
    GiveUp,
}

/// Everything that is known when it is decided.
#[derive(Clone, Copy, Debug)]
pub(super) struct Known {
    /// What came of the last request.
    pub(super) outcome: Outcome,
    /// How many requests were sent for this, from 1.
    pub(super) attempts: u32,
    /// How long the provider asks to wait.
    pub(super) retry_after: Option<Duration>,
    /// How much time is left for everything.
    pub(super) left: Duration,
    /// Anything.
    pub(super) random: u8,
}

/// How many requests are sent at most for one thing, where this comes of them: whoever answers says that it is there.
/// Silence costs the most time and is asked again the least.
fn most_attempts(outcome: Outcome) -> u32 {
    match outcome {
        Outcome::Status(429 | 502..=504 | 509) => 6,
        Outcome::Broken(Broken::Unreachable | Broken::Cut) => 4,
        Outcome::Broken(Broken::TimedOut) | Outcome::Status(408) => 3,
        Outcome::Status(_) | Outcome::Broken(Broken::TooLarge) | Outcome::Malformed => 1,
    }
}

/// Whether and when a request is repeated. What the provider asks for is never undercut; where that or our own pace is
/// beyond the time that is left, nothing more is sent.
pub(super) fn next(known: Known, pace: Pace) -> Next {
    if known.attempts >= most_attempts(known.outcome) {
        return Next::GiveUp;
    }
    let doublings = known.attempts.saturating_sub(1);
    let own = pace.first.saturating_mul(2_u32.saturating_pow(doublings)).min(pace.longest);
    let least = own.max(known.retry_after.unwrap_or_default());
    // Up to a quarter of our own pace more, so that not all who were sent away come back at once.
    let wait = least.saturating_add(own / 1_024 * u32::from(known.random));
    if wait < known.left { Next::Wait(wait) } else { Next::GiveUp }
}

/// How long a `Retry-After` asks to wait: seconds, or a date, which is compared with the answer's own `Date` if it has one,
/// as its clock and ours may differ. What cannot be read asks for nothing.
pub(super) fn retry_after(written: &str, date: Option<&str>, now: Moment) -> Option<Duration> {
    if let Ok(seconds) = written.trim().parse() {
        return Some(Duration::from_secs(seconds));
    }
    let parser = DateTimeParser::new();
    let moment = |text: &str| parser.parse_timestamp(text.trim()).ok();
    let until = moment(written)?;
    let since = date.and_then(moment).unwrap_or(now);
    Some(Duration::try_from(until.duration_since(since)).unwrap_or_default())
}
