//! Reading JSON that came from outside: one object, every member known and given once. A refusal says where, and repeats
//! nothing that stood there but the name of a member nobody knows.

use provident_identity::ErrorCode;
use serde::de::DeserializeOwned;

/// As much of a name from outside as is told.
const SHOWN_CHARACTERS: usize = 64;

/// Why a text was not read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unreadable {
    /// `malformed-request` or `unknown-field`.
    pub code: ErrorCode,
    /// The member at fault, as far as there is one.
    pub field: String,
    /// For people.
    pub message: String,
    /// Whether it is JSON at all.
    pub is_json: bool,
}

/// Reads an object. An array of its members' values is none, though a deserialiser would take it for one.
///
/// # Errors
/// [`Unreadable`].
pub fn read<T: DeserializeOwned>(text: &[u8]) -> Result<T, Unreadable> {
    if text.trim_ascii_start().first() == Some(&b'[') {
        let is_json = serde_json::from_slice::<serde::de::IgnoredAny>(text).is_ok();
        return Err(Unreadable { is_json, ..malformed("request", "not one JSON object".to_owned()) });
    }
    let mut deserializer = serde_json::Deserializer::from_slice(text);
    let read = serde_path_to_error::deserialize(&mut deserializer).map_err(|error| {
        let path = error.path().to_string();
        let error = error.into_inner();
        if !error.is_data() {
            return not_json(&error);
        }
        let at = place(&error);
        match Fault::of(&error.to_string()) {
            Fault::Unknown(name) => Unreadable {
                code: ErrorCode::UnknownField,
                field: shown(&name),
                message: format!("there is no such member{at}"),
                is_json: true,
            },
            Fault::Missing(name) => malformed(&name, format!("it has to be given{at}")),
            Fault::Twice(name) => malformed(&name, format!("given twice{at}")),
            Fault::Other => malformed(&path, format!("not what it takes{at}")),
        }
    })?;
    deserializer.end().map_err(|error| not_json(&error))?;
    Ok(read)
}

fn not_json(error: &serde_json::Error) -> Unreadable {
    Unreadable { is_json: false, ..malformed("request", format!("not one JSON object{}", place(error))) }
}

fn malformed(path: &str, message: String) -> Unreadable {
    let field = if path.is_empty() || path == "." { "request" } else { path };
    Unreadable { code: ErrorCode::MalformedRequest, field: shown(field), message, is_json: true }
}

fn place(error: &serde_json::Error) -> String {
    format!(" (line {}, column {})", error.line(), error.column())
}

/// What a deserialiser found wrong. Its message is looked at for a member's name and told to nobody: there may be a value
/// in it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// A name nobody knows.
    Unknown(String),
    /// A name that has to be there.
    Missing(String),
    /// A name that is there already.
    Twice(String),
    /// Anything else.
    Other,
}

impl Fault {
    pub(crate) fn of(message: &str) -> Self {
        if let Some(rest) = message.strip_prefix("unknown field `") {
            let end = rest.rfind("`, expected").or_else(|| rest.rfind("`, there are no fields"));
            return Self::Unknown(end.and_then(|end| rest.get(..end)).unwrap_or(rest).to_owned());
        }
        let name = |start| message.strip_prefix(start).and_then(|rest: &str| rest.split('`').next()).map(str::to_owned);
        let missing = name("missing field `").map(Self::Missing);
        missing.or_else(|| name("duplicate field `").map(Self::Twice)).unwrap_or(Self::Other)
    }
}

/// A name from outside, as much of it as is told.
pub(crate) fn shown(name: &str) -> String {
    name.chars().filter(|character| !character.is_control()).take(SHOWN_CHARACTERS).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde::Deserialize;

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Outer {
        #[expect(dead_code, reason = "only read")]
        inner: Vec<Inner>,
    }

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Inner {
        #[expect(dead_code, reason = "only read")]
        number: u8,
    }

    fn refused(text: &str) -> (ErrorCode, String, bool) {
        let why = read::<Outer>(text.as_bytes()).unwrap_err();
        assert!(!why.message.contains("hush"), "{why:?}");
        (why.code, why.field, why.is_json)
    }

    #[test]
    fn a_refusal_says_where_and_repeats_no_value() {
        let malformed = |field: &str| (ErrorCode::MalformedRequest, field.to_owned(), true);
        assert_eq!(refused(r#"{"inner":[{"number":"hush"}]}"#), malformed("inner[0].number"));
        assert_eq!(refused(r#"{"inner":[{"number":1},{}]}"#), malformed("number"));
        assert_eq!(refused(r#"{"inner":[],"inner":[]}"#), malformed("inner"));
        assert_eq!(refused(r#""hush""#), malformed("request"));
        assert_eq!(refused(r#"[[{"number":1}]]"#), malformed("request"));
        assert_eq!(refused(r#"{"a`, expected b":1}"#), (ErrorCode::UnknownField, "a`, expected b".into(), true));
        assert_eq!(refused(r#"{"inner":[{"tenant":1}]}"#), (ErrorCode::UnknownField, "tenant".into(), true));
        for text in ["", "{", "hush", "[", r#"{"inner":[]} hush"#, "\u{feff}{}"] {
            assert_eq!(refused(text), (ErrorCode::MalformedRequest, "request".into(), false), "{text}");
        }
        assert!(read::<Outer>(br#" {"inner":[{"number":1}]} "#).is_ok());
    }
}
