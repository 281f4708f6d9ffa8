//! What the stand-in is told to do instead of answering as it should: how, where, how often, and from which request on.
//!
//! It says what, not how: that is in [`super::answer`].

use std::time::Duration;

/// How a provider says when to come back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RetryAfter {
    /// It does not say.
    Unsaid,
    /// So many seconds.
    Seconds(u64),
    /// The date that is so many seconds from now, rounded up to a whole one.
    Date(u64),
    /// This text, whatever it is.
    Text(String),
}

/// What happens to a request. Where there is no need to say otherwise, the body is the one that says what went wrong in the
/// provider's way, with the canary in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Behaviour {
    /// 429.
    Throttled(RetryAfter),
    /// 503.
    Unavailable(RetryAfter),
    /// This status.
    Status(u16),
    /// 401, and the token that was shown is good no longer.
    ExpiredToken,
    /// The connection is reset before a byte is answered.
    ResetBeforeAnswer,
    /// The connection is reset when half of the body is sent.
    ResetInBody,
    /// Nothing is answered for as long as the caller waits.
    Silence,
    /// The right answer, late: so long before the head, and after each piece of so many bytes of the body.
    Slow {
        /// Before the head.
        head: Duration,
        /// Bytes of a piece.
        piece: usize,
        /// Between pieces.
        pause: Duration,
    },
    /// The page has a next one, which is another, for ever.
    EndlessPages,
    /// The page is its own next one.
    NextIsSelf,
    /// The page's next one is here: an address or a path, as written.
    NextElsewhere(String),
    /// 302 to there.
    Redirect(String),
    /// A body of JSON that is so long.
    Oversized {
        /// Bytes.
        bytes: u64,
        /// Whether the head says so.
        is_said: bool,
    },
    /// Half of the JSON, as if it were all.
    Malformed,
    /// Every member of the right answer, holding a value of another type.
    WrongShape,
    /// Half of what the head promises, and the connection is closed in order.
    Truncated,
    /// The right body under this `Content-Type`.
    ContentType(String),
    /// The right answer behind so many bytes of headers.
    HugeHeaders(usize),
    /// This status and this body.
    Exactly(u16, String),
}

/// A behaviour, and for which requests.
#[derive(Debug)]
struct Order {
    place: String,
    skipped: u64,
    left: Option<u64>,
    behaviour: Behaviour,
}

/// What the stand-in was told, in order.
#[derive(Debug, Default)]
pub(super) struct Orders(Vec<Order>);

impl Orders {
    /// At a place, from now on: after so many requests, for so many or all others.
    pub(super) fn add(&mut self, place: &str, skipped: u64, times: Option<u64>, behaviour: Behaviour) {
        self.0.push(Order { place: place.to_owned(), skipped, left: times, behaviour });
    }

    /// As it should, everywhere.
    pub(super) fn clear(&mut self) {
        self.0.clear();
    }

    /// What to do with a request for a path: the first order for it that is not used up.
    pub(super) fn next(&mut self, path: &str) -> Option<Behaviour> {
        for order in self.0.iter_mut().filter(|order| is_under(path, &order.place)) {
            if order.skipped > 0 {
                order.skipped -= 1;
                return None;
            }
            match &mut order.left {
                Some(0) => {}
                Some(left) => {
                    *left -= 1;
                    return Some(order.behaviour.clone());
                }
                None => return Some(order.behaviour.clone()),
            }
        }
        None
    }
}

/// Whether a path is a place or below it. Below `/` and below nothing is everything.
pub(super) fn is_under(path: &str, place: &str) -> bool {
    let place = place.trim_end_matches('/');
    path.strip_prefix(place).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

#[cfg(test)]
mod tests {
    use super::{Behaviour, Orders, is_under};

    #[test]
    fn a_place_is_whole_segments() {
        for place in ["", "/", "/shelves", "/shelves/", "/shelves/widgets"] {
            assert!(is_under("/shelves/widgets", place), "{place}");
        }
        for place in ["/shelves/widget", "/shelves/widgets/x", "/pulse", "shelves"] {
            assert!(!is_under("/shelves/widgets", place), "{place}");
        }
    }

    #[test]
    fn orders_are_used_up_in_turn() {
        let mut orders = Orders::default();
        orders.add("/a", 1, Some(2), Behaviour::Status(500));
        orders.add("/a", 0, Some(1), Behaviour::Silence);
        orders.add("", 0, None, Behaviour::Malformed);
        let mut told = |path| orders.next(path);
        assert_eq!(told("/b"), Some(Behaviour::Malformed));
        let turns = [None, Some(Behaviour::Status(500)), Some(Behaviour::Status(500)), Some(Behaviour::Silence)];
        for turn in turns {
            assert_eq!(told("/a"), turn);
        }
        assert_eq!(told("/a"), Some(Behaviour::Malformed));
        orders.clear();
        assert_eq!(orders.next("/a"), None);
    }
}
