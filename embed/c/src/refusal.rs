//! What a call may refuse, and how it says so. Codes are stable; `docs/codes.md` tells what each means.

use provident_identity::{ComponentError, ErrorCode};
use serde::Serialize;
use std::io;

/// The codes this library gives itself, beside those of components and of running them.
pub const CODES: &[&str] = &["invalid-argument", "handle-closed", "wrong-handle", "component-unreadable", "internal"];

/// How much of a component's own words is repeated, in characters.
const MESSAGE_CHARS: usize = 300;

/// A call was not answered. `field` is the parameter at fault, or `component`.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Refusal {
    /// A parameter is not what a call takes.
    #[error("{message}")]
    Argument { field: &'static str, message: &'static str },
    /// A parameter is text and not UTF-8.
    #[error("the text is not UTF-8")]
    NotUtf8 { field: &'static str },
    /// Nothing is open under this handle.
    #[error("nothing is open under this handle")]
    HandleClosed { field: &'static str },
    /// Something else is open under this handle.
    #[error("this is the handle of {actual}, not of {wanted}")]
    WrongHandle { field: &'static str, actual: &'static str, wanted: &'static str },
    /// The component file cannot be read.
    #[error("the component file cannot be read: {0}")]
    Unreadable(io::ErrorKind),
    /// The component failed, or could not be opened.
    #[error("{}", words(.error))]
    Component { field: &'static str, error: ComponentError },
    /// A fault of the library. Nothing is said of what was asked.
    #[error("the library failed; this is a fault in it")]
    Internal,
}

impl Refusal {
    pub(crate) const fn argument(field: &'static str, message: &'static str) -> Self {
        Self::Argument { field, message }
    }

    /// Makes a failure of a component one of the call whose parameter `field` was sent to it.
    pub(crate) fn of(field: &'static str) -> impl Fn(ComponentError) -> Self {
        move |error| Self::Component { field, error }
    }

    pub(crate) const fn code(&self) -> &'static str {
        match self {
            Self::Argument { .. } => "invalid-argument",
            Self::NotUtf8 { .. } => ErrorCode::InvalidUtf8.as_str(),
            Self::HandleClosed { .. } => "handle-closed",
            Self::WrongHandle { .. } => "wrong-handle",
            Self::Unreadable(_) => "component-unreadable",
            Self::Component { error, .. } => error.code(),
            Self::Internal => "internal",
        }
    }

    fn field(&self) -> &'static str {
        match self {
            Self::Argument { field, .. }
            | Self::NotUtf8 { field }
            | Self::HandleClosed { field }
            | Self::WrongHandle { field, .. } => field,
            Self::Unreadable(_) => "path",
            Self::Component { field, error } => match error {
                ComponentError::DigestMismatch { .. } => "sha256",
                ComponentError::CacheNotPrivate | ComponentError::CacheUnusable(_) => "cache",
                _ => field,
            },
            Self::Internal => "library",
        }
    }

    /// One JSON object, `{"code","field","message"}`.
    pub(crate) fn render(&self) -> Vec<u8> {
        #[derive(Serialize)]
        struct Rendered {
            code: &'static str,
            field: &'static str,
            message: String,
        }
        let rendered = Rendered { code: self.code(), field: self.field(), message: self.to_string() };
        // Three texts always have a JSON form.
        serde_json::to_vec(&rendered).unwrap_or_default()
    }
}

/// A failure in words fit for people: in one line, not long, and without what a caller gave.
fn words(error: &ComponentError) -> String {
    match error {
        ComponentError::Unknown(_) => "no embedded adapter has this name".to_owned(),
        error => error.to_string().replace(char::is_control, " ").chars().take(MESSAGE_CHARS).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::{CODES, Refusal};
    use provident_identity::ComponentError;
    use std::io::ErrorKind;

    #[test]
    fn every_code_of_its_own_is_listed() {
        let field = "field";
        let refusals = [
            Refusal::argument(field, ""),
            Refusal::HandleClosed { field },
            Refusal::WrongHandle { field, actual: "", wanted: "" },
            Refusal::Unreadable(ErrorKind::NotFound),
            Refusal::Internal,
        ];
        assert_eq!(refusals.iter().map(Refusal::code).collect::<Vec<_>>(), CODES);
    }

    #[test]
    fn what_was_given_is_not_repeated() {
        let unknown = Refusal::of("name")(ComponentError::Unknown("secret\n".repeat(100)));
        assert!(!unknown.to_string().contains("secret"));
        let long = Refusal::of("path")(ComponentError::Unusable("line\nline\0".repeat(1_000)));
        assert_eq!(long.to_string().chars().count(), super::MESSAGE_CHARS);
        assert!(!long.to_string().contains(char::is_control));
    }
}
