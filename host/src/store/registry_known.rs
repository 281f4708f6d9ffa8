//! What a sync needs to know of rows it may touch: their columns as they are stored. Names of people's own choosing are
//! among them, and nothing here is printed.

use sqlx::FromRow;
use uuid::Uuid;

use super::environment::EnvironmentScope;
use crate::clock::Timestamp;

#[derive(FromRow)]
pub(crate) struct KnownEnvironment {
    pub(crate) id: Uuid,
    pub(crate) external_ref: Option<String>,
    pub(crate) mirrored: bool,
    pub(crate) display_name: String,
    /// Of the acting user.
    pub(crate) entitled: bool,
}

impl KnownEnvironment {
    pub(crate) fn scope(&self, workspace_id: Uuid) -> EnvironmentScope {
        EnvironmentScope::of_row(workspace_id, self.id)
    }
}

#[derive(FromRow)]
pub(crate) struct KnownMembership {
    pub(crate) user_id: Uuid,
    pub(crate) external_ref: Option<String>,
    pub(crate) mirrored: bool,
    pub(crate) role: String,
    pub(crate) ended: bool,
}

#[derive(FromRow)]
pub(crate) struct KnownEntitlement {
    pub(crate) managed_environment_id: Uuid,
    pub(crate) user_id: Uuid,
    pub(crate) external_ref: Option<String>,
    pub(crate) mirrored: bool,
    pub(crate) ended: bool,
}

/// A provider in an environment.
#[derive(FromRow)]
pub(crate) struct KnownDirectory {
    pub(crate) managed_environment_id: Uuid,
    pub(crate) provider_key: String,
    pub(crate) directory_id: Option<String>,
    /// The connection that is the default, and whether it is mirrored.
    pub(crate) default_id: Option<Uuid>,
    pub(crate) default_mirrored: Option<bool>,
}

#[derive(FromRow)]
pub(crate) struct KnownConnection {
    pub(crate) id: Uuid,
    pub(crate) external_ref: Option<String>,
    pub(crate) mirrored: bool,
    pub(crate) managed_environment_id: Uuid,
    pub(crate) provider_key: String,
    pub(crate) directory_id: Option<String>,
    pub(crate) display_name: String,
    pub(crate) status: String,
    pub(crate) is_default: bool,
}

#[derive(FromRow)]
pub(crate) struct KnownRun {
    pub(crate) id: Uuid,
    pub(crate) external_ref: Option<String>,
    pub(crate) mirrored: bool,
    pub(crate) managed_environment_id: Uuid,
    pub(crate) operation_type: String,
    pub(crate) provider_connection_id: Option<Uuid>,
    pub(crate) status: String,
    pub(crate) outcome: Option<String>,
    pub(crate) reason_code: Option<String>,
    pub(crate) started_at: Option<Timestamp>,
    pub(crate) ended_at: Option<Timestamp>,
}

#[derive(FromRow)]
pub(crate) struct KnownProfile {
    pub(crate) id: Uuid,
    pub(crate) external_ref: Option<String>,
    pub(crate) mirrored: bool,
    pub(crate) display_name: String,
}

#[derive(FromRow)]
pub(crate) struct KnownSnapshot {
    pub(crate) id: Uuid,
    pub(crate) external_ref: Option<String>,
    pub(crate) mirrored: bool,
    pub(crate) baseline_profile_id: Uuid,
    pub(crate) version_label: Option<String>,
    pub(crate) captured_at: Option<Timestamp>,
}

#[derive(FromRow)]
pub(crate) struct KnownAssignment {
    pub(crate) id: Uuid,
    pub(crate) external_ref: Option<String>,
    pub(crate) mirrored: bool,
    pub(crate) managed_environment_id: Uuid,
    pub(crate) baseline_profile_id: Uuid,
    pub(crate) ended: bool,
}

#[derive(FromRow)]
pub(crate) struct KnownPolicyVersion {
    pub(crate) id: Uuid,
    pub(crate) external_ref: Option<String>,
    pub(crate) mirrored: bool,
    pub(crate) managed_environment_id: Uuid,
    pub(crate) inventory_item_id: Option<Uuid>,
    pub(crate) version_label: Option<String>,
    pub(crate) captured_at: Option<Timestamp>,
}

#[derive(FromRow)]
pub(crate) struct KnownPlace {
    pub(crate) id: Uuid,
    pub(crate) managed_environment_id: Uuid,
}
