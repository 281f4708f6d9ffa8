//! The rules every text of an identity is held to, as far as adapters must know them.
//!
//! An adapter never gives a descriptor that does not derive, so it judges texts the way deriving does: the same
//! rules in the same order. Deriving itself stays where it is; the contract suite holds the two together by
//! deriving every descriptor that any adapter gives.

use crate::model::Code;
use crate::quote::is_noncharacter;

/// The longest resource type or subject type key, in bytes.
pub const TYPE_BYTES: usize = 128;
/// The longest id, external id, discriminator or fingerprint, in bytes.
pub const VALUE_BYTES: usize = 512;
/// The longest key, in bytes.
pub const KEY_BYTES: usize = 1024;

/// The first rule a text breaks: empty, surrounding white space, control character, noncharacter, length.
#[must_use]
pub fn fault(text: &str, limit_bytes: usize) -> Option<Code> {
    let surrounded = |text: &str| text.starts_with(char::is_whitespace) || text.ends_with(char::is_whitespace);
    if text.is_empty() {
        Some(Code::EmptyField)
    } else if surrounded(text) {
        Some(Code::SurroundingWhitespace)
    } else if text.chars().any(char::is_control) {
        Some(Code::ControlCharacter)
    } else if text.chars().any(is_noncharacter) {
        Some(Code::Noncharacter)
    } else if text.len() > limit_bytes {
        Some(Code::FieldTooLong)
    } else {
        None
    }
}

/// The first rule a discriminator breaks: those of [`fault`], then its grammar `[a-z0-9][a-z0-9._-]*`.
#[must_use]
pub fn discriminator_fault(text: &str) -> Option<Code> {
    let lower = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let sound = text.bytes().next().is_some_and(lower)
        && text.bytes().all(|byte| lower(byte) || matches!(byte, b'.' | b'_' | b'-'));
    fault(text, VALUE_BYTES).or(if sound { None } else { Some(Code::BadDiscriminator) })
}

/// The length of a text as a segment of a key: three bytes for each byte outside `A-Za-z0-9-._~`.
#[must_use]
pub fn segment_bytes(text: &str) -> usize {
    text.bytes()
        .map(|byte| if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~') { 1 } else { 3 })
        .sum()
}

#[cfg(test)]
mod tests {
    use super::{TYPE_BYTES, discriminator_fault, fault, segment_bytes};
    use crate::model::Code;

    #[test]
    fn the_first_rule_broken_is_named() {
        for (text, expected) in [
            ("", Some(Code::EmptyField)),
            (" \u{1}", Some(Code::SurroundingWhitespace)),
            ("a\u{2028}", Some(Code::SurroundingWhitespace)),
            ("\u{200B}a", None),
            ("a\u{85}b", Some(Code::ControlCharacter)),
            ("a\u{FDD0}b", Some(Code::Noncharacter)),
            ("a\u{10FFFF}b", Some(Code::Noncharacter)),
            ("a\u{FFFD}b", None),
        ] {
            assert_eq!(fault(text, TYPE_BYTES), expected, "{text:?}");
        }
        assert_eq!(fault(&"é".repeat(64), TYPE_BYTES), None);
        assert_eq!(fault(&("é".repeat(64) + "a"), TYPE_BYTES), Some(Code::FieldTooLong));
    }

    #[test]
    fn a_discriminator_is_lower_case_ascii() {
        for sound in ["a", "0", "all-devices", "a._-"] {
            assert_eq!(discriminator_fault(sound), None, "{sound}");
        }
        for broken in ["A", "-a", "a b", "é", "a:b"] {
            assert_eq!(discriminator_fault(broken), Some(Code::BadDiscriminator), "{broken}");
        }
        assert_eq!(discriminator_fault(""), Some(Code::EmptyField));
    }

    #[test]
    fn escaped_bytes_count_three() {
        assert_eq!(segment_bytes("aZ09-._~"), 8);
        assert_eq!(segment_bytes("a:é"), 1 + 3 + 6);
    }
}
