//! Who is asking.
//!
//! A value, made where credentials are judged and handed down: nothing below looks for one. An [`Actor`] is a
//! person by id, known or not: whether there is such a person, and what they may do, is the business of
//! [`crate::policy`]. The two other types are keys to rooms no person enters by being a member of anything.

use std::fmt;
use std::str::FromStr;

use uuid::Uuid;

/// A person acting in a workspace, and by what credential in which request, where there are such.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(clippy::struct_field_names, reason = "four ids of four things, each named after its thing")]
pub struct Actor {
    user_id: Uuid,
    only_workspace_id: Option<Uuid>,
    token_id: Option<Uuid>,
    request_id: Option<RequestId>,
}

impl Actor {
    /// The person of this id. An id nobody has makes a stranger.
    #[must_use]
    pub fn user(user_id: Uuid) -> Self {
        Self { user_id, only_workspace_id: None, token_id: None, request_id: None }
    }

    /// The same person by a token, which audit names beside them. Bound to a workspace, they are a stranger in every
    /// other.
    #[must_use]
    pub fn by_token(self, token_id: Uuid, only_workspace_id: Option<Uuid>) -> Self {
        Self { token_id: Some(token_id), only_workspace_id, ..self }
    }

    /// Another person by the same credential, which acts for them.
    #[must_use]
    pub fn for_user(self, user_id: Uuid) -> Self {
        Self { user_id, ..self }
    }

    /// The same person in a request, which audit names too.
    #[must_use]
    pub fn in_request(self, request_id: RequestId) -> Self {
        Self { request_id: Some(request_id), ..self }
    }

    /// The person's id, as claimed.
    #[must_use]
    pub fn user_id(self) -> Uuid {
        self.user_id
    }

    /// The person's id as far as a workspace is concerned: where their credential does not reach, nobody's.
    pub(crate) fn user_id_in(self, workspace_id: Uuid) -> Uuid {
        if self.only_workspace_id.is_none_or(|only| only == workspace_id) { self.user_id } else { Uuid::nil() }
    }

    /// The token they act by.
    #[must_use]
    pub fn token_id(self) -> Option<Uuid> {
        self.token_id
    }

    /// The request they act in.
    #[must_use]
    pub fn request_id(self) -> Option<RequestId> {
        self.request_id
    }
}

/// A request's name: 1 to 64 of `A-Z`, `a-z`, `0-9`, `.`, `_` and `-`, so that it can stand in a header, a log and an
/// event.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct RequestId {
    bytes: [u8; Self::MAX_BYTES],
    length: u8,
}

/// Why a text is not a request's name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a request id is 1 to 64 of `A-Z`, `a-z`, `0-9`, `.`, `_` and `-`")]
pub struct InvalidRequestId;

impl RequestId {
    /// Most bytes of one.
    pub const MAX_BYTES: usize = 64;

    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        self.bytes.get(..usize::from(self.length)).and_then(|bytes| str::from_utf8(bytes).ok()).unwrap_or_default()
    }
}

impl FromStr for RequestId {
    type Err = InvalidRequestId;

    fn from_str(text: &str) -> Result<Self, InvalidRequestId> {
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
        let mut bytes = [0; Self::MAX_BYTES];
        let (Ok(length), Some(room)) = (u8::try_from(text.len()), bytes.get_mut(..text.len())) else {
            return Err(InvalidRequestId);
        };
        if text.is_empty() || !text.bytes().all(plain) {
            return Err(InvalidRequestId);
        }
        room.copy_from_slice(text.as_bytes());
        Ok(Self { bytes, length })
    }
}

impl fmt::Display for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RequestId({self})")
    }
}

/// The system plane: setting up an installation. Held by the set-up commands of the command line alone; no
/// route of a tenant reaches what asks for it (P339-16).
#[derive(Debug)]
pub struct SystemPlane {
    _private: (),
}

impl SystemPlane {
    /// For whoever has a shell on the machine the data lies on.
    #[must_use]
    pub fn at_the_shell() -> Self {
        Self { _private: () }
    }
}

/// The platform itself, deciding where no person needs to (X09). Nothing that serves a person makes one.
#[derive(Debug)]
pub struct SystemActor {
    _private: (),
}

impl SystemActor {
    /// For the host's own automatic decisions.
    #[must_use]
    pub fn of_the_host() -> Self {
        Self { _private: () }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_id_is_1_to_64_plain_characters() {
        for text in ["a", "0f9b.A_z-9", "x".repeat(64).as_str()] {
            assert_eq!(text.parse::<RequestId>().map(|id| id.to_string()), Ok(text.to_owned()));
        }
        for text in ["", "a b", "a\n", "ä", "a/b", "x".repeat(65).as_str(), "x".repeat(300).as_str()] {
            assert_eq!(text.parse::<RequestId>(), Err(InvalidRequestId), "{text:?}");
        }
    }

    #[test]
    fn a_credential_bound_to_a_workspace_makes_a_stranger_elsewhere() {
        let (user, here, there) = (Uuid::from_u128(1), Uuid::from_u128(2), Uuid::from_u128(3));
        let actor = Actor::user(user).by_token(Uuid::from_u128(4), Some(here));
        assert_eq!((actor.user_id_in(here), actor.user_id_in(there)), (user, Uuid::nil()));
        assert_eq!(Actor::user(user).user_id_in(there), user);
    }
}
