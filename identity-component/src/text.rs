//! The rules every text is held to, and how a refused one is quoted.

use crate::limits::ECHO_CHARS;
use crate::model::{Code, Refusal};
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

/// Whether a byte is `A-Za-z0-9-._~`: what stands for itself in a key.
pub(crate) const fn is_unreserved(byte: u8) -> bool {
    (byte | 0x20).wrapping_sub(b'a') < 26
        || byte.wrapping_sub(b'0') < 10
        || byte.wrapping_sub(b'-') < 2
        || byte == b'_'
        || byte == b'~'
}

/// Whether a byte is `a-z0-9`.
const fn is_lower_alphanumeric(byte: u8) -> bool {
    byte.wrapping_sub(b'a') < 26 || byte.wrapping_sub(b'0') < 10
}

/// Whether every byte is allowed.
///
/// In blocks of fixed size without an early exit, the last one overlapping the one before: this compiles to vector
/// instructions, as a component too. Callers keep `allowed` arithmetic for the same reason.
fn every(text: &str, allowed: impl Fn(u8) -> bool + Copy) -> bool {
    fn block<const N: usize>(block: &[u8; N], allowed: impl Fn(u8) -> bool) -> bool {
        block.iter().fold(true, |so_far, byte| so_far & allowed(*byte))
    }
    let bytes = text.as_bytes();
    if let Some(last) = bytes.last_chunk::<16>() {
        return bytes.as_chunks::<16>().0.iter().all(|each| block(each, allowed)) && block(last, allowed);
    }
    if let (Some(first), Some(last)) = (bytes.first_chunk::<8>(), bytes.last_chunk::<8>()) {
        return block(first, allowed) & block(last, allowed);
    }
    if let (Some(first), Some(last)) = (bytes.first_chunk::<4>(), bytes.last_chunk::<4>()) {
        return block(first, allowed) & block(last, allowed);
    }
    bytes.iter().all(|byte| allowed(*byte))
}

/// Appends a text.
///
/// In blocks of fixed size, which compile to plain moves: texts here are short, and as a component every copy of
/// unknown length is a call into the host's runtime that costs more than the copy.
pub(crate) fn append(text: &str, out: &mut Vec<u8>) {
    let bytes = text.as_bytes();
    let (blocks, rest) = bytes.as_chunks::<16>();
    for block in blocks {
        out.extend_from_slice(block);
    }
    if rest.is_empty() {
        return;
    }
    if let Some(last) = bytes.last_chunk::<16>() {
        // The last block overlaps the one before it.
        out.truncate(out.len() - (16 - rest.len()));
        out.extend_from_slice(last);
        return;
    }
    if let (Some(first), Some(last)) = (bytes.first_chunk::<8>(), bytes.last_chunk::<8>()) {
        out.extend_from_slice(first);
        out.truncate(out.len() - (16 - bytes.len()));
        out.extend_from_slice(last);
    } else if let (Some(first), Some(last)) = (bytes.first_chunk::<4>(), bytes.last_chunk::<4>()) {
        out.extend_from_slice(first);
        out.truncate(out.len() - (8 - bytes.len()));
        out.extend_from_slice(last);
    } else {
        for byte in bytes {
            out.push(*byte);
        }
    }
}

fn is_noncharacter(c: char) -> bool {
    let point = u32::from(c);
    (0xFDD0..=0xFDEF).contains(&point) || point & 0xFFFE == 0xFFFE
}

/// The checks on one text, in their order: empty, surrounding white space, control characters,
/// noncharacters, length in bytes. Says whether every byte of it stands for itself in a key.
///
/// # Errors
///
/// The first of `empty-field`, `surrounding-whitespace`, `control-character`, `noncharacter`,
/// `field-too-long` that holds.
pub fn check(text: &str, field: &'static str, limit_bytes: usize) -> Result<bool, Refusal> {
    if !text.is_empty() && text.len() <= limit_bytes && every(text, is_unreserved) {
        return Ok(true);
    }
    check_slowly(text, field, limit_bytes)?;
    Ok(false)
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
    text.len() <= crate::limits::PROVIDER_BYTES
        && text.bytes().next().is_some_and(is_lower_alphanumeric)
        && every(text, |byte| is_lower_alphanumeric(byte) || byte == b'-' || byte == b'_')
}

/// Whether a text is `[a-z0-9][a-z0-9._-]*`.
#[must_use]
pub fn is_discriminator(text: &str) -> bool {
    text.bytes().next().is_some_and(is_lower_alphanumeric)
        && every(text, |byte| is_lower_alphanumeric(byte) || matches!(byte, b'-' | b'.' | b'_'))
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
    fn appending_copies_whatever_the_length() {
        let text: String = ('!'..='~').collect();
        for length in 0..text.len() {
            let (text, _) = text.split_at(length);
            let mut out = b"before".to_vec();
            append(text, &mut out);
            assert_eq!(out, format!("before{text}").into_bytes());
        }
    }

    #[test]
    fn the_fast_path_and_the_slow_path_agree() {
        for byte in 0..=0x7F_u8 {
            for text in [format!("{}x", char::from(byte)), format!("x{}x", char::from(byte))] {
                assert_eq!(check(&text, "f", 8).map(drop), check_slowly(&text, "f", 8), "{text:?}");
            }
        }
    }
}
