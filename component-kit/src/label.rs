//! The rule for display labels: any text, cut at 512 bytes, empty is absent.
//!
//! A label never refuses anything and never decides anything; it is carried so that people recognise a thing.

use alloc::{borrow::ToOwned, string::String};

/// The longest label, in bytes of UTF-8, the ellipsis of a cut one included.
pub const LABEL_BYTES: usize = 512;

const ELLIPSIS: char = '…';

/// The label as it is carried: text over [`LABEL_BYTES`] is cut on a character boundary and ends in `…`; empty
/// text is absent.
#[must_use]
pub fn cut(label: &str) -> Option<String> {
    if label.is_empty() {
        return None;
    }
    if label.len() <= LABEL_BYTES {
        return Some(label.to_owned());
    }
    let end = label.floor_char_boundary(LABEL_BYTES - ELLIPSIS.len_utf8());
    let mut kept = label.get(..end)?.to_owned();
    kept.push(ELLIPSIS);
    Some(kept)
}

#[cfg(test)]
mod tests {
    use super::{LABEL_BYTES, cut};

    #[test]
    fn empty_is_absent() {
        assert_eq!(cut(""), None);
    }

    #[test]
    fn up_to_the_limit_nothing_is_cut() {
        for text in ["a".repeat(LABEL_BYTES), "é".repeat(256), " ".into(), "\u{0}\n".into()] {
            assert_eq!(cut(&text).as_deref(), Some(text.as_str()));
        }
    }

    #[test]
    fn one_byte_over_is_cut_to_the_limit() {
        let cut = cut(&"a".repeat(LABEL_BYTES + 1)).unwrap();
        assert_eq!(cut.len(), LABEL_BYTES);
        assert_eq!(cut, "a".repeat(509) + "…");
    }

    #[test]
    fn a_character_is_never_split() {
        for (text, whole) in [("é", 254), ("€", 169), ("𐍈", 127)] {
            let cut = cut(&text.repeat(400)).unwrap();
            assert_eq!(cut, text.repeat(whole) + "…");
            assert!(cut.len() <= LABEL_BYTES);
        }
    }
}
