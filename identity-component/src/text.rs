//! The rules every text is held to, and how a refused one is quoted.

use crate::limits::ECHO_CHARS;
use crate::model::{Code, Refusal};
use alloc::format;
use alloc::string::String;

/// Whether every byte is printable ASCII: then nothing but a space at an end can be wrong with the text.
///
/// Written without an early exit, so that it compiles to vector instructions.
fn is_printable_ascii(text: &str) -> bool {
    text.bytes().fold(0, |seen, byte| seen | u8::from(byte.wrapping_sub(0x20) > 0x5E)) == 0
}

fn is_noncharacter(c: char) -> bool {
    let point = u32::from(c);
    (0xFDD0..=0xFDEF).contains(&point) || point & 0xFFFE == 0xFFFE
}

/// The checks on one text, in their order: empty, surrounding white space, control characters,
/// noncharacters, length in bytes.
///
/// # Errors
///
/// The first of `empty-field`, `surrounding-whitespace`, `control-character`, `noncharacter`,
/// `field-too-long` that holds.
pub fn check(text: &str, field: &'static str, limit_bytes: usize) -> Result<(), Refusal> {
    let ends = text.as_bytes();
    if let (Some(first), Some(last)) = (ends.first(), ends.last())
        && *first != b' '
        && *last != b' '
        && text.len() <= limit_bytes
        && is_printable_ascii(text)
    {
        return Ok(());
    }
    check_slowly(text, field, limit_bytes)
}

#[cold]
fn check_slowly(text: &str, field: &'static str, limit_bytes: usize) -> Result<(), Refusal> {
    let refused = |code, what: &str| Err(Refusal::new(code, field, format!("{} {what}", quote(text))));
    if text.is_empty() {
        return Err(Refusal::new(Code::EmptyField, field, format!("`{field}` is empty")));
    }
    if text.starts_with(char::is_whitespace) || text.ends_with(char::is_whitespace) {
        return refused(Code::SurroundingWhitespace, "starts or ends with white space");
    }
    if text.contains(char::is_control) {
        return refused(Code::ControlCharacter, "contains a control character");
    }
    if text.contains(is_noncharacter) {
        return refused(Code::Noncharacter, "contains a Unicode noncharacter");
    }
    if text.len() > limit_bytes {
        return refused(Code::FieldTooLong, &format!("has {} bytes, over {limit_bytes}", text.len()));
    }
    Ok(())
}

/// Whether a text holds a Unicode noncharacter.
#[must_use]
pub fn has_noncharacter(text: &str) -> bool {
    text.contains(is_noncharacter)
}

/// Whether a text is `[a-z0-9][a-z0-9_-]{0,63}`: a provider key or a subject domain.
#[must_use]
pub fn is_token(text: &str) -> bool {
    text.len() <= crate::limits::PROVIDER_BYTES && is_lower_name(text, b"-_")
}

/// Whether a text is `[a-z0-9][a-z0-9._-]*`.
#[must_use]
pub fn is_discriminator(text: &str) -> bool {
    is_lower_name(text, b"._-")
}

fn is_lower_name(text: &str, inner: &[u8]) -> bool {
    let alphanumeric = |byte: &u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    match text.as_bytes().split_first() {
        Some((first, rest)) => {
            alphanumeric(first) && rest.iter().all(|byte| alphanumeric(byte) || inner.contains(byte))
        }
        None => false,
    }
}

/// A refused input in backticks, at most 64 of its characters, none of them unprintable.
#[must_use]
pub fn quote(text: &str) -> String {
    let mut quoted = String::with_capacity(ECHO_CHARS + 5);
    quoted.push('`');
    let mut chars = text.chars();
    for c in chars.by_ref().take(ECHO_CHARS) {
        let unprintable = c.is_control() || c == '`' || is_noncharacter(c);
        quoted.push(if unprintable { '\u{FFFD}' } else { c });
    }
    if chars.next().is_some() {
        quoted.push('…');
    }
    quoted.push('`');
    quoted
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quote_echoes_at_most_sixty_four_characters() {
        let quoted = quote(&"é".repeat(65));
        assert_eq!(quoted.chars().filter(|c| *c == 'é').count(), 64);
        assert!(quoted.ends_with("…`"));
        assert_eq!(quote("a\nb"), "`a\u{FFFD}b`");
    }

    #[test]
    fn the_fast_path_and_the_slow_path_agree() {
        for byte in 0..=0x7F_u8 {
            for text in [format!("{}x", char::from(byte)), format!("x{}x", char::from(byte))] {
                assert_eq!(check(&text, "f", 8), check_slowly(&text, "f", 8), "{text:?}");
            }
        }
    }
}
