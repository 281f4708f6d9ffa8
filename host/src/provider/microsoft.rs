//! Microsoft: what is asked of Graph, with which permissions, and what is made of it.
//!
//! The collections are those of the adapter (`adapters/microsoft/src/entity_types.rs`): each stands here, or among those that
//! are not collected with the reason (`NOT_COLLECTED`). What an object is, the adapter says.
//!
//! - A collection is read at `v1.0` where that knows it and every type in it, and at `beta` otherwise: `v1.0` gives an object
//!   of a type it does not know as something else, which is another key.
//! - Only a few members are asked for where the provider is known to take `$select`; it is left out everywhere else.
//!   `@odata.type` comes unasked. What is sent beyond [`Contract::keeps`] is not read.

use futures_util::future::BoxFuture;
use serde::Deserialize;

use super::{
    Collected, ComplianceSnapshot, HealthCheck, InventoryCollection, InventorySink, Provider, RefusedDirectory, answer,
    collect_each,
};
use crate::gateway::{Auth, Contract, Failure, Link, Paging, ProviderApi, Session};
use crate::run::{CountKey, SummaryCounts};

const ORGANIZATION: usize = 0;
const DEVICE_STATES: usize = 1;

/// What the adapter reads of an object, beside the context of its page.
const NAMED: &[&str] = &["@odata.type", "id", "displayName"];
const CALLED: &[&str] = &["@odata.type", "id", "name"];

const CONFIGURATION: &[&str] = &["DeviceManagementConfiguration.Read.All"];
const SERVICE: &[&str] = &["DeviceManagementServiceConfig.Read.All"];
const SCRIPTS: &[&str] = &["DeviceManagementScripts.Read.All"];
const APPS: &[&str] = &["DeviceManagementApps.Read.All"];
const RBAC: &[&str] = &["DeviceManagementRBAC.Read.All"];
const POLICY: &[&str] = &["Policy.Read.All"];
const GROUPS: &[&str] = &["GroupMember.Read.All"];

/// Collections of the adapter that are not collected, and why.
const NOT_COLLECTED: &[(&str, &str)] =
    &[("managedDevices", "devices are what policies apply to, not policies: nothing is bound to one")];

const PAGES: Paging = Paging::NextLink { items: "value", next: "@odata.nextLink", link: Link::Absolute };

/// A collection, which is the last segment of its path and the subject type of what is in it.
macro_rules! collection {
    ($path:literal $collection:literal, $permissions:ident, $keeps:ident $(, $query:literal)?) => {
        Contract {
            name: concat!("microsoft.", $collection),
            path: concat!($path, $collection),
            query: concat!($($query)?),
            permissions: $permissions,
            paging: PAGES,
            keeps: $keeps,
            covers: &[$collection],
        }
    };
}

static CONTRACTS: [Contract; 44] = [
    Contract {
        name: "microsoft.organization",
        path: "/v1.0/organization",
        query: "$select=id",
        permissions: &["Organization.Read.All"],
        paging: Paging::None,
        keeps: &["value"],
        covers: &[],
    },
    Contract {
        name: "microsoft.deviceCompliancePolicyDeviceStateSummary",
        path: "/v1.0/deviceManagement/deviceCompliancePolicyDeviceStateSummary",
        query: "",
        permissions: CONFIGURATION,
        paging: Paging::None,
        keeps: &[
            "compliantDeviceCount",
            "nonCompliantDeviceCount",
            "inGracePeriodCount",
            "remediatedDeviceCount",
            "unknownDeviceCount",
            "notApplicableDeviceCount",
            "conflictDeviceCount",
            "errorDeviceCount",
        ],
        covers: &[],
    },
    collection!("/beta/deviceManagement/" "assignmentFilters", CONFIGURATION, NAMED),
    collection!("/beta/deviceManagement/" "compliancePolicies", CONFIGURATION, CALLED),
    collection!("/beta/deviceManagement/" "configurationPolicies", CONFIGURATION, CALLED, "$select=id,name"),
    collection!("/v1.0/deviceManagement/" "deviceCategories", CONFIGURATION, NAMED),
    collection!("/beta/deviceManagement/" "deviceCompliancePolicies", CONFIGURATION, NAMED, "$select=id,displayName"),
    collection!("/beta/deviceManagement/" "deviceComplianceScripts", SCRIPTS, NAMED),
    collection!("/beta/deviceManagement/" "deviceConfigurations", CONFIGURATION, NAMED, "$select=id,displayName"),
    collection!("/beta/deviceManagement/" "deviceCustomAttributeShellScripts", SCRIPTS, NAMED),
    collection!("/beta/deviceManagement/" "deviceEnrollmentConfigurations", SERVICE, NAMED),
    collection!("/beta/deviceManagement/" "deviceHealthScripts", SCRIPTS, NAMED, "$select=id,displayName"),
    collection!("/beta/deviceManagement/" "deviceManagementScripts", SCRIPTS, NAMED, "$select=id,displayName"),
    collection!("/beta/deviceManagement/" "deviceShellScripts", SCRIPTS, NAMED, "$select=id,displayName"),
    collection!("/beta/deviceManagement/" "groupPolicyConfigurations", CONFIGURATION, NAMED, "$select=id,displayName"),
    collection!("/beta/deviceManagement/" "hardwareConfigurations", CONFIGURATION, NAMED),
    collection!("/beta/deviceManagement/" "intents", CONFIGURATION, NAMED),
    collection!("/beta/deviceManagement/" "intuneBrandingProfiles", APPS, NAMED),
    collection!("/v1.0/deviceManagement/" "notificationMessageTemplates", SERVICE, NAMED),
    collection!("/beta/deviceManagement/" "reusablePolicySettings", CONFIGURATION, NAMED),
    collection!("/beta/deviceManagement/" "roleScopeTags", RBAC, NAMED),
    collection!("/v1.0/deviceManagement/" "termsAndConditions", SERVICE, NAMED),
    collection!("/beta/deviceManagement/" "windowsAutopilotDeploymentProfiles", SERVICE, NAMED),
    collection!("/beta/deviceManagement/" "windowsDriverUpdateProfiles", CONFIGURATION, NAMED),
    collection!("/beta/deviceManagement/" "windowsFeatureUpdateProfiles", CONFIGURATION, NAMED),
    collection!("/beta/deviceManagement/" "windowsQualityUpdatePolicies", CONFIGURATION, NAMED),
    collection!("/beta/deviceManagement/" "windowsQualityUpdateProfiles", CONFIGURATION, NAMED),
    collection!("/v1.0/deviceAppManagement/" "androidManagedAppProtections", APPS, NAMED),
    collection!("/v1.0/deviceAppManagement/" "defaultManagedAppProtections", APPS, NAMED),
    collection!("/beta/deviceAppManagement/" "iosLobAppProvisioningConfigurations", APPS, NAMED),
    collection!("/v1.0/deviceAppManagement/" "iosManagedAppProtections", APPS, NAMED),
    collection!("/v1.0/deviceAppManagement/" "mdmWindowsInformationProtectionPolicies", APPS, NAMED),
    collection!("/v1.0/deviceAppManagement/" "mobileAppCategories", APPS, NAMED),
    collection!("/beta/deviceAppManagement/" "mobileAppConfigurations", APPS, NAMED),
    collection!("/beta/deviceAppManagement/" "mobileApps", APPS, NAMED, "$select=id,displayName"),
    collection!("/beta/deviceAppManagement/" "policySets", CONFIGURATION, NAMED),
    collection!("/v1.0/deviceAppManagement/" "targetedManagedAppConfigurations", APPS, NAMED),
    collection!("/beta/deviceAppManagement/" "wdacSupplementalPolicies", APPS, NAMED),
    collection!("/v1.0/deviceAppManagement/" "windowsInformationProtectionPolicies", APPS, NAMED),
    collection!("/beta/deviceAppManagement/" "windowsManagedAppProtections", APPS, NAMED),
    collection!("/v1.0/identity/conditionalAccess/" "namedLocations", POLICY, NAMED, "$select=id,displayName"),
    collection!("/v1.0/identity/conditionalAccess/" "policies", POLICY, NAMED, "$select=id,displayName"),
    collection!("/v1.0/policies/" "authenticationStrengthPolicies", POLICY, NAMED),
    collection!("/v1.0/" "groups", GROUPS, NAMED, "$select=id,displayName&$top=999"),
];

static API: ProviderApi = ProviderApi {
    provider_key: "microsoft",
    api_url: Some("https://graph.microsoft.com"),
    auth: Auth::ClientCredentials {
        name: "microsoft.token",
        token_url: "https://login.microsoftonline.com/{directory}/oauth2/v2.0/token",
        scope: "{api}/.default",
        id_field: "client_id",
        secret_field: "client_secret",
    },
    contracts: &CONTRACTS,
};

/// Microsoft.
pub(super) struct Microsoft;

impl Provider for Microsoft {
    fn api(&self) -> &'static ProviderApi {
        &API
    }

    /// A GUID in lower case: a directory has names as well, and may be known by one of them alone.
    fn refuse_directory(&self, directory_id: Option<&str>) -> Result<(), RefusedDirectory> {
        let id = directory_id.ok_or(RefusedDirectory::Missing)?;
        let read = id.parse::<uuid::Uuid>().map_err(|_| RefusedDirectory::Malformed)?;
        if read.to_string() == id && !read.is_nil() { Ok(()) } else { Err(RefusedDirectory::Malformed) }
    }

    fn not_collected(&self) -> &'static [(&'static str, &'static str)] {
        NOT_COLLECTED
    }

    fn health_check(&self) -> Option<&dyn HealthCheck> {
        Some(self)
    }

    fn inventory(&self) -> Option<&dyn InventoryCollection> {
        Some(self)
    }

    fn compliance(&self) -> Option<&dyn ComplianceSnapshot> {
        Some(self)
    }
}

/// The directory, in the list that it is in.
#[derive(Deserialize)]
struct Organization {
    value: [Listed; 1],
}

#[derive(Deserialize)]
struct Listed {}

impl HealthCheck for Microsoft {
    fn check<'a>(&'a self, session: &'a mut Session) -> BoxFuture<'a, Result<(), Failure>> {
        Box::pin(async {
            let Organization { value: [Listed {}] } = answer(session, &CONTRACTS[ORGANIZATION]).await?;
            Ok(())
        })
    }
}

impl InventoryCollection for Microsoft {
    fn collect<'a>(
        &'a self,
        session: &'a mut Session,
        sink: &'a mut dyn InventorySink,
    ) -> BoxFuture<'a, Result<Collected, Failure>> {
        Box::pin(collect_each(self.collections(), session, sink))
    }
}

/// How many devices are how.
#[derive(Deserialize)]
struct DeviceStates {
    #[serde(rename = "compliantDeviceCount")]
    compliant: u64,
    #[serde(rename = "nonCompliantDeviceCount")]
    noncompliant: u64,
    #[serde(rename = "inGracePeriodCount")]
    in_grace_period: u64,
    #[serde(rename = "remediatedDeviceCount")]
    remediated: u64,
    #[serde(rename = "unknownDeviceCount")]
    unknown: u64,
    #[serde(rename = "notApplicableDeviceCount")]
    not_applicable: u64,
    #[serde(rename = "conflictDeviceCount")]
    conflicting: u64,
    #[serde(rename = "errorDeviceCount")]
    errored: u64,
}

impl ComplianceSnapshot for Microsoft {
    fn snapshot<'a>(&'a self, session: &'a mut Session) -> BoxFuture<'a, Result<SummaryCounts, Failure>> {
        Box::pin(async {
            let states: DeviceStates = answer(session, &CONTRACTS[DEVICE_STATES]).await?;
            let mut counts = SummaryCounts::default();
            counts.set(CountKey::Compliant, states.compliant);
            counts.set(CountKey::Noncompliant, states.noncompliant);
            counts.set(CountKey::InGracePeriod, states.in_grace_period);
            counts.set(CountKey::Remediated, states.remediated);
            counts.set(CountKey::Unknown, states.unknown);
            counts.set(CountKey::NotApplicable, states.not_applicable);
            counts.set(CountKey::Conflicting, states.conflicting);
            counts.set(CountKey::Errored, states.errored);
            Ok(counts)
        })
    }
}
