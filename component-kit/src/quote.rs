//! How messages show a refused input.

use alloc::string::String;

/// How many characters of an input a message may echo.
const ECHO_CHARS: usize = 64;

/// A refused input in backticks: at most 64 of its characters, none of them unprintable, a cut shown as `…`.
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

/// Whether Unicode has set a character apart for use inside programs.
pub(crate) fn is_noncharacter(character: char) -> bool {
    let point = u32::from(character);
    (0xFDD0..=0xFDEF).contains(&point) || point & 0xFFFE == 0xFFFE
}

#[cfg(test)]
mod tests {
    use super::quote;

    #[test]
    fn a_quote_echoes_at_most_sixty_four_characters() {
        let quoted = quote(&"é".repeat(65));
        assert_eq!(quoted.chars().filter(|c| *c == 'é').count(), 64);
        assert!(quoted.ends_with("…`"));
        assert_eq!(quote("a\n`b\u{7f}"), "`a\u{FFFD}\u{FFFD}b\u{FFFD}`");
    }
}
