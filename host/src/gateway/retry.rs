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
    let parser = DateTimeParser::new().relaxed_weekday(true);
    let moment = |text: &str| parser.parse_timestamp(text.trim()).ok();
    let until = moment(written)?;
    let since = date.and_then(moment).unwrap_or(now);
    Some(Duration::try_from(until.duration_since(since)).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);
    const LONG: Duration = Duration::from_hours(1);

    fn known(outcome: Outcome, attempts: u32) -> Known {
        Known { outcome, attempts, retry_after: None, left: LONG, random: 0 }
    }

    /// In milliseconds what is waited after each request, until no more is sent.
    fn waits(outcome: Outcome) -> Vec<u128> {
        let wait = |attempts| match next(known(outcome, attempts), Pace::USUAL) {
            Next::Wait(time) => Some(time.as_millis()),
            Next::GiveUp => None,
        };
        (1..).map_while(wait).collect()
    }

    #[test]
    fn what_may_pass_is_repeated_a_bounded_number_of_times_and_the_rest_is_not() {
        for status in 0..=u16::MAX {
            let expected: &[u128] = match status {
                408 => &[500, 1_000],
                429 | 502 | 503 | 504 | 509 => &[500, 1_000, 2_000, 4_000, 8_000],
                _ => &[],
            };
            assert_eq!(waits(Outcome::Status(status)), expected, "{status}");
        }
        assert_eq!(waits(Outcome::Broken(Broken::Unreachable)), [500, 1_000, 2_000]);
        assert_eq!(waits(Outcome::Broken(Broken::Cut)), [500, 1_000, 2_000]);
        assert_eq!(waits(Outcome::Broken(Broken::TimedOut)), [500, 1_000]);
        assert_eq!(waits(Outcome::Broken(Broken::TooLarge)), [0; 0]);
        assert_eq!(waits(Outcome::Malformed), [0; 0]);
    }

    #[test]
    fn no_wait_is_shorter_than_asked_for_or_than_our_own_nor_much_longer() {
        let throttled = Outcome::Status(429);
        for asked_s in [None, Some(0), Some(1), Some(7), Some(600)] {
            for attempts in 1..6 {
                for random in 0..=u8::MAX {
                    let retry_after = asked_s.map(Duration::from_secs);
                    let Next::Wait(time) =
                        next(Known { retry_after, random, ..known(throttled, attempts) }, Pace::USUAL)
                    else {
                        panic!("{asked_s:?} {attempts}")
                    };
                    let own = Duration::from_millis(500) * 2_u32.pow(attempts - 1);
                    let least = own.max(retry_after.unwrap_or_default());
                    assert!(time >= least && time <= least + own / 4, "{asked_s:?} {attempts} {random}: {time:?}");
                }
            }
        }
    }

    #[test]
    fn nothing_is_waited_for_that_is_beyond_the_time_left() {
        let judged = |asked_s: u64, left_s: u64| {
            let retry_after = Some(Duration::from_secs(asked_s));
            next(
                Known { retry_after, left: Duration::from_secs(left_s), ..known(Outcome::Status(503), 1) },
                Pace::USUAL,
            )
        };
        assert_eq!(judged(5, 6), Next::Wait(5 * SECOND));
        assert_eq!(judged(5, 5), Next::GiveUp);
        assert_eq!(judged(u64::MAX, u64::MAX), Next::GiveUp);
        assert_eq!(judged(0, 0), Next::GiveUp);
    }

    #[test]
    fn a_pace_never_overflows_and_never_passes_its_longest() {
        let pace = Pace { first: Duration::MAX, longest: LONG, request_time: SECOND };
        let left = Duration::MAX;
        let judged = |attempts| next(Known { left, ..known(Outcome::Status(429), attempts) }, pace);
        assert_eq!([judged(1), judged(5), judged(u32::MAX)], [Next::Wait(LONG), Next::Wait(LONG), Next::GiveUp]);
    }

    #[test]
    fn a_wait_is_asked_for_in_seconds_or_by_a_date() {
        let now: Moment = "2026-01-02T03:04:05Z".parse().unwrap();
        let read = |written: &str| retry_after(written, None, now).map(|time| time.as_secs());
        assert_eq!(read("120"), Some(120));
        assert_eq!(read(" 0 "), Some(0));
        assert_eq!(read("Fri, 02 Jan 2026 03:05:05 GMT"), Some(60));
        assert_eq!(read("Mon, 02 Jan 2026 03:05:05 GMT"), Some(60), "whatever day they think it is");
        assert_eq!(read("Fri, 02 Jan 2026 03:04:04 GMT"), Some(0), "over already");
        for unreadable in ["", "-1", "1.5", "soon", "2026-01-02", "99999999999999999999999", "Fri, 02 Jan 2026"] {
            assert_eq!(read(unreadable), None, "{unreadable}");
        }
        let theirs = Some("Fri, 02 Jan 2026 01:00:00 GMT");
        let by_theirs = retry_after("Fri, 02 Jan 2026 01:00:09 GMT", theirs, now);
        assert_eq!(by_theirs, Some(9 * SECOND), "by their own clock, two hours late");
        assert_eq!(retry_after("Fri, 02 Jan 2026 03:05:05 GMT", Some("today"), now), Some(60 * SECOND));
    }
}
