//! Connections: ways to a provider from an environment, of which one is taken where none is named.
//!
//! Which connection an operation goes through is decided here, by one function over what was found ([`resolve`]). How
//! connections are kept is the business of [`crate::store`], what they log in with of [`crate::gateway`].

use std::fmt;

use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::clock::Timestamp;
use crate::registry::{ConnectionStatus, words};
use crate::run::ConnectionChoice;
use crate::schema;
use crate::workspace::DisplayName;

words! {
    /// How a connection was when last checked.
    HealthStatus:
    /// Not checked yet.
    Unknown = "unknown",
    /// It worked.
    Healthy = "healthy",
    /// It worked in part.
    Degraded = "degraded",
    /// It did not.
    Unhealthy = "unhealthy",
}

/// A way to a provider. Of what it logs in with there are the names of fields and nothing else.
#[derive(Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct ProviderConnection {
    /// Its id.
    pub id: Uuid,
    /// The workspace.
    pub workspace_id: Uuid,
    /// The environment.
    pub environment_id: Uuid,
    /// The provider.
    pub provider_key: String,
    /// The provider's directory; null while it is not known.
    pub directory_id: Option<String>,
    /// What people call it.
    #[schema(value_type = String)]
    pub display_name: DisplayName,
    /// Whether it is in use.
    #[schema(value_type = schema::ConnectionStatusName)]
    pub status: ConnectionStatus,
    /// Whether it is the one taken where none is named.
    pub is_default: bool,
    /// How it was when last checked.
    #[schema(value_type = schema::HealthStatusName)]
    pub health_status: HealthStatus,
    /// Why it did not work, or worked in part.
    pub health_reason_code: Option<String>,
    /// When it was checked.
    #[schema(value_type = Option<schema::Moment>)]
    pub health_checked_at: Option<Timestamp>,
    /// The fields of its credentials, by name; empty while it has none.
    pub credential_fields: Vec<String>,
    /// When they were set.
    #[schema(value_type = Option<schema::Moment>)]
    pub credentials_set_at: Option<Timestamp>,
    /// `own`, or `mirrored` of a platform's.
    pub origin: String,
    /// A platform's name of it.
    pub external_ref: Option<String>,
    /// When it was made.
    #[schema(value_type = schema::Moment)]
    pub created_at: Timestamp,
    /// When anything of it changed last.
    #[schema(value_type = schema::Moment)]
    pub updated_at: Timestamp,
}

impl fmt::Debug for ProviderConnection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ProviderConnection")
            .field("id", &self.id)
            .field("provider_key", &self.provider_key)
            .field("status", &self.status)
            .field("is_default", &self.is_default)
            .finish_non_exhaustive()
    }
}

impl ProviderConnection {
    /// Whether it is the installation's own: a mirrored one is a platform's, and nothing is done through it here.
    #[must_use]
    pub fn is_own(&self) -> bool {
        self.origin == "own"
    }
}

/// A connection that is asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CreateConnection {
    /// To which provider.
    pub provider_key: String,
    /// The provider's directory. Where the environment knows it already, it need not be said.
    pub directory_id: Option<String>,
    /// What people call it.
    pub display_name: String,
    /// Whether it is to be the default; the first of a provider in an environment is anyhow.
    pub make_default: bool,
}

/// What is to be said otherwise of a connection. What is not said stays.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct UpdateConnection {
    /// What people call it.
    pub display_name: Option<String>,
    /// The provider's directory, if it was not known.
    pub directory_id: Option<String>,
}

/// Why there is no connection to go through.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unresolved {
    /// The environment has none of this id.
    NotInEnvironment,
    /// The provider has no default in the environment.
    NoDefault,
    /// It is a platform's.
    Mirrored,
    /// It is not in use.
    Disabled,
}

/// The connection an operation goes through, out of those that were found (P061-41). One of another environment is as if it
/// were not there; one that is not usable is told of, and no other is taken in its place.
///
/// # Errors
/// [`Unresolved`].
pub fn resolve<'a>(
    choice: &ConnectionChoice,
    environment_id: Uuid,
    found: impl IntoIterator<Item = &'a ProviderConnection>,
) -> Result<&'a ProviderConnection, Unresolved> {
    let mut here = found.into_iter().filter(|connection| connection.environment_id == environment_id);
    let chosen = match choice {
        ConnectionChoice::Explicit(id) => {
            here.find(|connection| connection.id == *id).ok_or(Unresolved::NotInEnvironment)?
        }
        ConnectionChoice::DefaultOf(provider_key) => here
            .find(|connection| connection.is_default && connection.provider_key == *provider_key)
            .ok_or(Unresolved::NoDefault)?,
    };
    if !chosen.is_own() {
        return Err(Unresolved::Mirrored);
    }
    match chosen.status {
        ConnectionStatus::Enabled => Ok(chosen),
        ConnectionStatus::Disabled => Err(Unresolved::Disabled),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HERE: u128 = 1;
    const ELSEWHERE: u128 = 2;

    fn connection(id: u128, environment: u128, provider: &str) -> ProviderConnection {
        let now = Timestamp::from_micros(0);
        ProviderConnection {
            id: Uuid::from_u128(id),
            workspace_id: Uuid::from_u128(9),
            environment_id: Uuid::from_u128(environment),
            provider_key: provider.to_owned(),
            directory_id: None,
            display_name: "A connection".parse().unwrap(),
            status: ConnectionStatus::Enabled,
            is_default: false,
            health_status: HealthStatus::Unknown,
            health_reason_code: None,
            health_checked_at: None,
            credential_fields: Vec::new(),
            credentials_set_at: None,
            origin: "own".to_owned(),
            external_ref: None,
            created_at: now,
            updated_at: now,
        }
    }

    /// The default and others of two providers, one disabled, one mirrored, one of another environment.
    fn found() -> Vec<ProviderConnection> {
        vec![
            ProviderConnection { is_default: true, ..connection(10, HERE, "fake") },
            connection(11, HERE, "fake"),
            ProviderConnection { status: ConnectionStatus::Disabled, ..connection(12, HERE, "fake") },
            ProviderConnection { origin: "mirrored".to_owned(), ..connection(13, HERE, "fake") },
            ProviderConnection { is_default: true, ..connection(14, ELSEWHERE, "fake") },
            ProviderConnection {
                is_default: true,
                status: ConnectionStatus::Disabled,
                ..connection(15, HERE, "ledger")
            },
            ProviderConnection {
                is_default: true,
                origin: "mirrored".to_owned(),
                status: ConnectionStatus::Disabled,
                ..connection(16, HERE, "other")
            },
            connection(17, HERE, "bare"),
        ]
    }

    #[test]
    fn a_connection_is_resolved_by_what_is_said_and_never_by_what_would_do_as_well() {
        let explicit = |id| ConnectionChoice::Explicit(Uuid::from_u128(id));
        let default_of = |provider: &str| ConnectionChoice::DefaultOf(provider.to_owned());
        let table = [
            (explicit(10), Ok(10)),
            (explicit(11), Ok(11)),
            (explicit(12), Err(Unresolved::Disabled)),
            (explicit(13), Err(Unresolved::Mirrored)),
            (explicit(14), Err(Unresolved::NotInEnvironment)),
            (explicit(99), Err(Unresolved::NotInEnvironment)),
            (default_of("fake"), Ok(10)),
            (default_of("ledger"), Err(Unresolved::Disabled)),
            (default_of("other"), Err(Unresolved::Mirrored)),
            (default_of("bare"), Err(Unresolved::NoDefault)),
            (default_of("nobody"), Err(Unresolved::NoDefault)),
        ];
        let found = found();
        for (choice, expected) in table {
            let resolved = resolve(&choice, Uuid::from_u128(HERE), &found).map(|connection| connection.id.as_u128());
            assert_eq!(resolved, expected, "{choice:?}");
        }
        let there = resolve(&default_of("fake"), Uuid::from_u128(ELSEWHERE), &found).map(|it| it.id.as_u128());
        assert_eq!(there, Ok(14), "each environment has its own");
    }
}
