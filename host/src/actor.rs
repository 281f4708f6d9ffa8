//! Who is asking.
//!
//! A value, made where credentials are judged and handed down: nothing below looks for one. An [`Actor`] is a
//! person by id, known or not: whether there is such a person, and what they may do, is the business of
//! [`crate::policy`]. The two other types are keys to rooms no person enters by being a member of anything.

use uuid::Uuid;

/// A person acting in a workspace.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Actor {
    user_id: Uuid,
}

impl Actor {
    /// The person of this id. An id nobody has makes a stranger.
    #[must_use]
    pub fn user(user_id: Uuid) -> Self {
        Self { user_id }
    }

    /// The person's id, as claimed.
    #[must_use]
    pub fn user_id(self) -> Uuid {
        self.user_id
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
