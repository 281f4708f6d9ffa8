//! Workspaces, people, environments: what a tenant is made of.
//!
//! Shapes only. How they are kept is the business of [`crate::store`], who may change them of
//! [`crate::policy`].

use std::fmt;
use std::str::FromStr;

use serde::Serialize;
use uuid::Uuid;

use crate::clock::Timestamp;
use crate::policy::Role;

/// The workspace that holds the platform's own audit chain and nothing else. Nobody is a member of it.
pub const PLATFORM_WORKSPACE: Uuid = Uuid::nil();
/// Its slug, which no other workspace can have.
pub const PLATFORM_SLUG: &str = "platform";

/// How a person names a workspace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WorkspaceRef {
    /// By id.
    Id(Uuid),
    /// By slug.
    Slug(String),
}

impl From<Uuid> for WorkspaceRef {
    fn from(id: Uuid) -> Self {
        Self::Id(id)
    }
}

/// Every text is one or the other; whether there is such a workspace is found out later.
impl FromStr for WorkspaceRef {
    type Err = std::convert::Infallible;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Ok(text.parse().map_or_else(|_| Self::Slug(text.to_owned()), Self::Id))
    }
}

/// A workspace's short name: `[a-z0-9][a-z0-9-]{0,62}`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct Slug(String);

/// Why a text is not a slug.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidSlug {
    /// Nothing in it.
    #[error("a slug has at least one character")]
    Empty,
    /// More than 63 characters.
    #[error("a slug has at most 63 characters")]
    TooLong,
    /// A character that has no place in it.
    #[error("a slug is made of `a-z`, `0-9` and `-`, and does not start with `-`")]
    BadCharacter,
    /// The id of another workspace could be read into it.
    #[error("a slug does not look like an id")]
    LooksLikeAnId,
}

impl Slug {
    /// The slug as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Slug {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for Slug {
    type Err = InvalidSlug;

    fn from_str(text: &str) -> Result<Self, InvalidSlug> {
        let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
        let Some(first) = text.bytes().next() else {
            return Err(InvalidSlug::Empty);
        };
        if text.len() > 63 {
            return Err(InvalidSlug::TooLong);
        }
        if !plain(first) || !text.bytes().all(|byte| plain(byte) || byte == b'-') {
            return Err(InvalidSlug::BadCharacter);
        }
        if text.parse::<Uuid>().is_ok() {
            return Err(InvalidSlug::LooksLikeAnId);
        }
        Ok(Self(text.to_owned()))
    }
}

/// What people call something: 1 to 512 bytes, no control characters, no white space around it. Never
/// identity.
#[derive(Clone, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct DisplayName(String);

/// Why a text is not a display name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidDisplayName {
    /// Nothing in it.
    #[error("a display name is not empty")]
    Empty,
    /// More than 512 bytes.
    #[error("a display name has at most 512 bytes")]
    TooLong,
    /// Control characters, or white space around it.
    #[error("a display name has no control characters and no white space around it")]
    BadCharacter,
}

impl DisplayName {
    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for DisplayName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("DisplayName(…)")
    }
}

impl fmt::Display for DisplayName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for DisplayName {
    type Err = InvalidDisplayName;

    fn from_str(text: &str) -> Result<Self, InvalidDisplayName> {
        if text.is_empty() {
            Err(InvalidDisplayName::Empty)
        } else if text.len() > 512 {
            Err(InvalidDisplayName::TooLong)
        } else if text.trim() != text || text.chars().any(char::is_control) {
            Err(InvalidDisplayName::BadCharacter)
        } else {
            Ok(Self(text.to_owned()))
        }
    }
}

/// A tenant.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Workspace {
    /// Its id.
    pub id: Uuid,
    /// Its short name, unique in the installation.
    pub slug: String,
    /// What people call it.
    pub display_name: DisplayName,
    /// Since when.
    pub created_at: Timestamp,
}

/// A person.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct User {
    /// Their id.
    pub id: Uuid,
    /// What people call them.
    pub display_name: DisplayName,
    /// `person`, or `service` for a backend with credentials of its own.
    pub kind: String,
    /// Since when.
    pub created_at: Timestamp,
    /// Since when they are a stranger everywhere.
    pub disabled_at: Option<Timestamp>,
}

/// What a user is. Nothing they may do hangs on it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum UserKind {
    /// Somebody.
    #[default]
    Person,
    /// A backend with credentials of its own.
    Service,
}

impl UserKind {
    /// Every kind.
    pub const ALL: &[Self] = &[Self::Person, Self::Service];

    /// Its name.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Person => "person",
            Self::Service => "service",
        }
    }
}

/// A person in a workspace.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Membership {
    /// The workspace.
    pub workspace_id: Uuid,
    /// The person.
    pub user_id: Uuid,
    /// What they are there.
    pub role: Role,
    /// Since when, the first time.
    pub created_at: Timestamp,
    /// When the role, beginning or end last changed.
    pub updated_at: Timestamp,
    /// Since when no longer.
    pub ended_at: Option<Timestamp>,
}

/// Where governed resources live.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Environment {
    /// Its id.
    pub id: Uuid,
    /// The workspace it belongs to, for ever.
    pub workspace_id: Uuid,
    /// What people call it.
    pub display_name: DisplayName,
    /// Since when.
    pub created_at: Timestamp,
}

/// That a member sees an environment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Entitlement {
    /// The workspace.
    pub workspace_id: Uuid,
    /// The environment.
    pub environment_id: Uuid,
    /// The member.
    pub user_id: Uuid,
    /// Since when, the first time.
    pub created_at: Timestamp,
    /// Since when no longer.
    pub ended_at: Option<Timestamp>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slug_follows_its_grammar() {
        for good in ["a", "7", "acme", "a-b-c", "a-", &"x".repeat(63)] {
            assert_eq!(good.parse::<Slug>().map(|slug| slug.to_string()), Ok(good.to_owned()));
        }
        let cases = [
            ("", InvalidSlug::Empty),
            ("-a", InvalidSlug::BadCharacter),
            ("Acme", InvalidSlug::BadCharacter),
            ("a_b", InvalidSlug::BadCharacter),
            ("köln", InvalidSlug::BadCharacter),
            ("00000000-0000-0000-0000-000000000000", InvalidSlug::LooksLikeAnId),
            ("00000000000000000000000000000000", InvalidSlug::LooksLikeAnId),
        ];
        for (text, error) in cases {
            assert_eq!(text.parse::<Slug>(), Err(error), "{text}");
        }
        assert_eq!("x".repeat(64).parse::<Slug>(), Err(InvalidSlug::TooLong));
    }

    #[test]
    fn a_display_name_is_short_and_printable_and_not_printed_by_debug() {
        assert_eq!("".parse::<DisplayName>(), Err(InvalidDisplayName::Empty));
        assert_eq!(" a".parse::<DisplayName>(), Err(InvalidDisplayName::BadCharacter));
        assert_eq!("a\0b".parse::<DisplayName>(), Err(InvalidDisplayName::BadCharacter));
        assert_eq!("ö".repeat(257).parse::<DisplayName>(), Err(InvalidDisplayName::TooLong));
        let name: DisplayName = "Werk Süd".parse().unwrap();
        assert_eq!(format!("{name} {name:?}"), "Werk Süd DisplayName(…)");
    }
}
