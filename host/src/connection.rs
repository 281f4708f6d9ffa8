//! Connections: ways to a provider from an environment, of which one is taken where none is named.
//!
//! Which connection an operation goes through is decided here, by one function over what was found ([`resolve`]). How
//! connections are kept is the business of [`crate::store`], what they log in with of [`crate::gateway`].

use serde::{Serialize, Serializer};
use std::fmt;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::clock::Timestamp;
use crate::registry::{ConnectionStatus, words};
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
    #[serde(serialize_with = "as_status")]
    pub status: ConnectionStatus,
    /// Whether it is the one taken where none is named.
    pub is_default: bool,
    /// How it was when last checked.
    #[schema(value_type = schema::HealthStatusName)]
    #[serde(serialize_with = "as_health")]
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

fn as_status<S: Serializer>(status: &ConnectionStatus, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(status.as_str())
}

fn as_health<S: Serializer>(status: &HealthStatus, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(status.as_str())
}

impl ProviderConnection {
    /// Whether it is the installation's own: a mirrored one is a platform's, and nothing is done through it here.
    #[must_use]
    pub fn is_own(&self) -> bool {
        self.origin == "own"
    }
}

/// What a connection's credentials are known by after they were set.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct CredentialsSet {
    /// The connection.
    pub connection_id: Uuid,
    /// The workspace.
    pub workspace_id: Uuid,
    /// The environment.
    pub environment_id: Uuid,
    /// The provider.
    pub provider_key: String,
    /// The fields, by name.
    pub credential_fields: Vec<String>,
    /// When they were set.
    #[schema(value_type = schema::Moment)]
    pub credentials_set_at: Timestamp,
}

/// The fields a provider's connections log in with; none of a provider nobody knows.
pub(crate) fn credential_fields(provider_key: &str) -> Option<&'static [&'static str]> {
    match provider_key {
        "fake" => Some(&["api_key"]),
        _ => None,
    }
}
