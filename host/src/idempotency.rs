//! Idempotency: the key a caller gives a mutation, so that asking again gives the same answer.
//!
//! The key and its grammar only. What it was used for is kept by [`crate::store`] in the transaction that did it, and
//! asked for by [`crate::service`].

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

/// How long what was done under a key is kept. After that the key is as new.
pub const KEY_LIFETIME: Duration = Duration::from_hours(24);

/// A caller's own name for one request: 1 to 255 visible ASCII characters, byte for byte. Each acting user has names of
/// their own in each workspace. Debug leaves it out, because callers make such keys of what they have at hand.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct IdempotencyKey(String);

/// Why a text is not an idempotency key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidIdempotencyKey {
    /// Nothing in it.
    #[error("an idempotency key has at least one character")]
    Empty,
    /// More than 255 characters.
    #[error("an idempotency key has at most 255 characters")]
    TooLong,
    /// A character outside U+0021 to U+007E.
    #[error("an idempotency key is made of visible ASCII characters, without spaces")]
    BadCharacter,
}

impl IdempotencyKey {
    /// Most characters one may have.
    pub const MAX_BYTES: usize = 255;

    /// The key as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for IdempotencyKey {
    type Err = InvalidIdempotencyKey;

    fn from_str(text: &str) -> Result<Self, InvalidIdempotencyKey> {
        if text.is_empty() {
            return Err(InvalidIdempotencyKey::Empty);
        }
        if !text.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(InvalidIdempotencyKey::BadCharacter);
        }
        if text.len() > Self::MAX_BYTES {
            return Err(InvalidIdempotencyKey::TooLong);
        }
        Ok(Self(text.to_owned()))
    }
}

impl fmt::Debug for IdempotencyKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("IdempotencyKey(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_1_to_255_visible_ascii_characters() {
        let every: String = (0x21_u8..=0x7e).map(char::from).collect();
        for text in ["a", every.as_str(), "b".repeat(255).as_str()] {
            assert_eq!(text.parse::<IdempotencyKey>().unwrap().as_str(), text);
        }
        for (text, why) in [
            ("", InvalidIdempotencyKey::Empty),
            ("c".repeat(256).as_str(), InvalidIdempotencyKey::TooLong),
            (" a", InvalidIdempotencyKey::BadCharacter),
            ("a b", InvalidIdempotencyKey::BadCharacter),
            ("a\n", InvalidIdempotencyKey::BadCharacter),
            ("\u{7f}", InvalidIdempotencyKey::BadCharacter),
            ("\0", InvalidIdempotencyKey::BadCharacter),
            ("ä", InvalidIdempotencyKey::BadCharacter),
        ] {
            assert_eq!(text.parse::<IdempotencyKey>(), Err(why), "{text:?}");
        }
    }

    #[test]
    fn a_key_is_not_printed() {
        let key: IdempotencyKey = "mail-of-ada".parse().unwrap();
        assert_eq!(format!("{key:?}"), "IdempotencyKey(…)");
    }
}
