//! The provider's entity types, as a table: what they are and where they live. Data, not code.
//!
//! A released row never changes, because keys are made of it: an entity type keeps its home collection and its
//! class for good. New types are added; until then they are described as not known. Types the provider keeps
//! abstract are never returned and not listed.

use component_kit::model::{SubjectClass, SupportLevel};

/// What an entity type is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Nature {
    /// What kind of thing an object of it is.
    pub subject_class: SubjectClass,
    /// The governance domain.
    pub subject_domain: &'static str,
    /// How far the platform can go with it.
    pub support_level: SupportLevel,
}

/// One row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EntityType {
    /// The full name, `microsoft.graph.…`.
    pub name: &'static str,
    /// The last path segment of the collection it lives in: its subject type, whatever collection an export
    /// came through.
    pub collection: &'static str,
    /// What it is.
    pub nature: Nature,
}

const POLICY: Nature = nature(SubjectClass::Policy, "intune", SupportLevel::Supported);
const APP: Nature = nature(SubjectClass::Policy, "intune", SupportLevel::InventoryOnly);
const FOUNDATION: Nature = nature(SubjectClass::Foundation, "intune", SupportLevel::Supported);
const NOT_GOVERNABLE: Nature = nature(SubjectClass::Unsupported, "intune", SupportLevel::Unsupported);
const ENTRA_POLICY: Nature = nature(SubjectClass::Policy, "entra", SupportLevel::Supported);
const ENTRA_FOUNDATION: Nature = nature(SubjectClass::Foundation, "entra", SupportLevel::Supported);
const DIRECTORY_OBJECT: Nature = nature(SubjectClass::Foundation, "entra", SupportLevel::InventoryOnly);

/// What is not in the table, from device and app management or from anywhere else.
pub(crate) const fn unknown(from_device_management: bool) -> Nature {
    let domain = if from_device_management { "intune" } else { "other" };
    nature(SubjectClass::Unknown, domain, SupportLevel::Unsupported)
}

const fn nature(subject_class: SubjectClass, subject_domain: &'static str, support_level: SupportLevel) -> Nature {
    Nature { subject_class, subject_domain, support_level }
}

/// What a collection holds, as far as the table knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Held {
    /// Nothing.
    Nothing,
    /// Objects of one type only.
    One(&'static EntityType),
    /// Objects of several types.
    Several,
}

/// The row of an entity type, by its full name.
#[must_use]
pub fn named(name: &str) -> Option<&'static EntityType> {
    let place = ENTITY_TYPES.binary_search_by(|row| row.name.cmp(name)).ok()?;
    ENTITY_TYPES.get(place)
}

/// What a collection holds.
pub(crate) fn held(collection: &str) -> Held {
    let mut held = ENTITY_TYPES.iter().filter(|row| row.collection == collection);
    match (held.next(), held.next()) {
        (None, _) => Held::Nothing,
        (Some(row), None) => Held::One(row),
        (Some(_), Some(_)) => Held::Several,
    }
}

macro_rules! table {
    ($($name:literal in $collection:literal is $nature:ident;)*) => {
        &[$(EntityType {
            name: concat!("microsoft.graph.", $name),
            collection: $collection,
            nature: $nature,
        }),*]
    };
}

/// Every type there is, by name.
pub const ENTITY_TYPES: &[EntityType] = table! {
    "activeDirectoryWindowsAutopilotDeploymentProfile" in "windowsAutopilotDeploymentProfiles" is POLICY;
    "androidCompliancePolicy" in "deviceCompliancePolicies" is POLICY;
    "androidCustomConfiguration" in "deviceConfigurations" is POLICY;
    "androidDeviceOwnerCompliancePolicy" in "deviceCompliancePolicies" is POLICY;
    "androidDeviceOwnerDerivedCredentialAuthenticationConfiguration" in "deviceConfigurations" is POLICY;
    "androidDeviceOwnerEnterpriseWiFiConfiguration" in "deviceConfigurations" is POLICY;
    "androidDeviceOwnerGeneralDeviceConfiguration" in "deviceConfigurations" is POLICY;
    "androidDeviceOwnerImportedPFXCertificateProfile" in "deviceConfigurations" is POLICY;
    "androidDeviceOwnerPkcsCertificateProfile" in "deviceConfigurations" is POLICY;
    "androidDeviceOwnerScepCertificateProfile" in "deviceConfigurations" is POLICY;
    "androidDeviceOwnerTrustedRootCertificate" in "deviceConfigurations" is POLICY;
    "androidDeviceOwnerVpnConfiguration" in "deviceConfigurations" is POLICY;
    "androidDeviceOwnerWiFiConfiguration" in "deviceConfigurations" is POLICY;
    "androidEasEmailProfileConfiguration" in "deviceConfigurations" is POLICY;
    "androidEnterpriseWiFiConfiguration" in "deviceConfigurations" is POLICY;
    "androidForWorkApp" in "mobileApps" is APP;
    "androidForWorkCompliancePolicy" in "deviceCompliancePolicies" is POLICY;
    "androidForWorkCustomConfiguration" in "deviceConfigurations" is POLICY;
    "androidForWorkEnterpriseWiFiConfiguration" in "deviceConfigurations" is POLICY;
    "androidForWorkGeneralDeviceConfiguration" in "deviceConfigurations" is POLICY;
    "androidForWorkGmailEasConfiguration" in "deviceConfigurations" is POLICY;
    "androidForWorkImportedPFXCertificateProfile" in "deviceConfigurations" is POLICY;
    "androidForWorkMobileAppConfiguration" in "mobileAppConfigurations" is POLICY;
    "androidForWorkNineWorkEasConfiguration" in "deviceConfigurations" is POLICY;
    "androidForWorkPkcsCertificateProfile" in "deviceConfigurations" is POLICY;
    "androidForWorkScepCertificateProfile" in "deviceConfigurations" is POLICY;
    "androidForWorkTrustedRootCertificate" in "deviceConfigurations" is POLICY;
    "androidForWorkVpnConfiguration" in "deviceConfigurations" is POLICY;
    "androidForWorkWiFiConfiguration" in "deviceConfigurations" is POLICY;
    "androidGeneralDeviceConfiguration" in "deviceConfigurations" is POLICY;
    "androidImportedPFXCertificateProfile" in "deviceConfigurations" is POLICY;
    "androidLobApp" in "mobileApps" is APP;
    "androidManagedAppProtection" in "androidManagedAppProtections" is POLICY;
    "androidManagedStoreApp" in "mobileApps" is APP;
    "androidManagedStoreAppConfiguration" in "mobileAppConfigurations" is POLICY;
    "androidManagedStoreWebApp" in "mobileApps" is APP;
    "androidOmaCpConfiguration" in "deviceConfigurations" is POLICY;
    "androidPkcsCertificateProfile" in "deviceConfigurations" is POLICY;
    "androidScepCertificateProfile" in "deviceConfigurations" is POLICY;
    "androidStoreApp" in "mobileApps" is APP;
    "androidTrustedRootCertificate" in "deviceConfigurations" is POLICY;
    "androidVpnConfiguration" in "deviceConfigurations" is POLICY;
    "androidWiFiConfiguration" in "deviceConfigurations" is POLICY;
    "androidWorkProfileCompliancePolicy" in "deviceCompliancePolicies" is POLICY;
    "androidWorkProfileCustomConfiguration" in "deviceConfigurations" is POLICY;
    "androidWorkProfileEnterpriseWiFiConfiguration" in "deviceConfigurations" is POLICY;
    "androidWorkProfileGeneralDeviceConfiguration" in "deviceConfigurations" is POLICY;
    "androidWorkProfileGmailEasConfiguration" in "deviceConfigurations" is POLICY;
    "androidWorkProfileNineWorkEasConfiguration" in "deviceConfigurations" is POLICY;
    "androidWorkProfilePkcsCertificateProfile" in "deviceConfigurations" is POLICY;
    "androidWorkProfileScepCertificateProfile" in "deviceConfigurations" is POLICY;
    "androidWorkProfileTrustedRootCertificate" in "deviceConfigurations" is POLICY;
    "androidWorkProfileVpnConfiguration" in "deviceConfigurations" is POLICY;
    "androidWorkProfileWiFiConfiguration" in "deviceConfigurations" is POLICY;
    "aospDeviceOwnerCompliancePolicy" in "deviceCompliancePolicies" is POLICY;
    "aospDeviceOwnerDeviceConfiguration" in "deviceConfigurations" is POLICY;
    "aospDeviceOwnerEnterpriseWiFiConfiguration" in "deviceConfigurations" is POLICY;
    "aospDeviceOwnerPkcsCertificateProfile" in "deviceConfigurations" is POLICY;
    "aospDeviceOwnerScepCertificateProfile" in "deviceConfigurations" is POLICY;
    "aospDeviceOwnerTrustedRootCertificate" in "deviceConfigurations" is POLICY;
    "aospDeviceOwnerWiFiConfiguration" in "deviceConfigurations" is POLICY;
    "authenticationStrengthPolicy" in "authenticationStrengthPolicies" is ENTRA_FOUNDATION;
    "azureADWindowsAutopilotDeploymentProfile" in "windowsAutopilotDeploymentProfiles" is POLICY;
    "conditionalAccessPolicy" in "policies" is ENTRA_POLICY;
    "countryNamedLocation" in "namedLocations" is ENTRA_FOUNDATION;
    "defaultManagedAppProtection" in "defaultManagedAppProtections" is POLICY;
    "deviceAndAppManagementAssignmentFilter" in "assignmentFilters" is FOUNDATION;
    "deviceCategory" in "deviceCategories" is FOUNDATION;
    "deviceComanagementAuthorityConfiguration" in "deviceEnrollmentConfigurations" is POLICY;
    "deviceComplianceScript" in "deviceComplianceScripts" is POLICY;
    "deviceCustomAttributeShellScript" in "deviceCustomAttributeShellScripts" is POLICY;
    "deviceEnrollmentLimitConfiguration" in "deviceEnrollmentConfigurations" is POLICY;
    "deviceEnrollmentNotificationConfiguration" in "deviceEnrollmentConfigurations" is POLICY;
    "deviceEnrollmentPlatformRestrictionConfiguration" in "deviceEnrollmentConfigurations" is POLICY;
    "deviceEnrollmentPlatformRestrictionsConfiguration" in "deviceEnrollmentConfigurations" is POLICY;
    "deviceEnrollmentWindowsHelloForBusinessConfiguration" in "deviceEnrollmentConfigurations" is POLICY;
    "deviceHealthScript" in "deviceHealthScripts" is POLICY;
    "deviceManagementCompliancePolicy" in "compliancePolicies" is POLICY;
    "deviceManagementConfigurationPolicy" in "configurationPolicies" is POLICY;
    "deviceManagementIntent" in "intents" is POLICY;
    "deviceManagementReusablePolicySetting" in "reusablePolicySettings" is FOUNDATION;
    "deviceManagementScript" in "deviceManagementScripts" is POLICY;
    "deviceShellScript" in "deviceShellScripts" is POLICY;
    "editionUpgradeConfiguration" in "deviceConfigurations" is POLICY;
    "group" in "groups" is DIRECTORY_OBJECT;
    "groupPolicyConfiguration" in "groupPolicyConfigurations" is POLICY;
    "hardwareConfiguration" in "hardwareConfigurations" is POLICY;
    "intuneBrandingProfile" in "intuneBrandingProfiles" is POLICY;
    "iosCertificateProfile" in "deviceConfigurations" is POLICY;
    "iosCompliancePolicy" in "deviceCompliancePolicies" is POLICY;
    "iosCustomConfiguration" in "deviceConfigurations" is POLICY;
    "iosDerivedCredentialAuthenticationConfiguration" in "deviceConfigurations" is POLICY;
    "iosDeviceFeaturesConfiguration" in "deviceConfigurations" is POLICY;
    "iosEasEmailProfileConfiguration" in "deviceConfigurations" is POLICY;
    "iosEduDeviceConfiguration" in "deviceConfigurations" is POLICY;
    "iosEducationDeviceConfiguration" in "deviceConfigurations" is POLICY;
    "iosEnterpriseWiFiConfiguration" in "deviceConfigurations" is POLICY;
    "iosExpeditedCheckinConfiguration" in "deviceConfigurations" is POLICY;
    "iosGeneralDeviceConfiguration" in "deviceConfigurations" is POLICY;
    "iosImportedPFXCertificateProfile" in "deviceConfigurations" is POLICY;
    "iosLobApp" in "mobileApps" is APP;
    "iosLobAppProvisioningConfiguration" in "iosLobAppProvisioningConfigurations" is POLICY;
    "iosManagedAppProtection" in "iosManagedAppProtections" is POLICY;
    "iosMobileAppConfiguration" in "mobileAppConfigurations" is POLICY;
    "iosPkcsCertificateProfile" in "deviceConfigurations" is POLICY;
    "iosScepCertificateProfile" in "deviceConfigurations" is POLICY;
    "iosStoreApp" in "mobileApps" is APP;
    "iosTrustedRootCertificate" in "deviceConfigurations" is POLICY;
    "iosUpdateConfiguration" in "deviceConfigurations" is POLICY;
    "iosVpnConfiguration" in "deviceConfigurations" is POLICY;
    "iosVppApp" in "mobileApps" is APP;
    "iosWiFiConfiguration" in "deviceConfigurations" is POLICY;
    "iosiPadOSWebClip" in "mobileApps" is APP;
    "iosikEv2VpnConfiguration" in "deviceConfigurations" is POLICY;
    "ipNamedLocation" in "namedLocations" is ENTRA_FOUNDATION;
    "macOSCompliancePolicy" in "deviceCompliancePolicies" is POLICY;
    "macOSCustomAppConfiguration" in "deviceConfigurations" is POLICY;
    "macOSCustomConfiguration" in "deviceConfigurations" is POLICY;
    "macOSDeviceFeaturesConfiguration" in "deviceConfigurations" is POLICY;
    "macOSDmgApp" in "mobileApps" is APP;
    "macOSEndpointProtectionConfiguration" in "deviceConfigurations" is POLICY;
    "macOSEnterpriseWiFiConfiguration" in "deviceConfigurations" is POLICY;
    "macOSExtensionsConfiguration" in "deviceConfigurations" is POLICY;
    "macOSGeneralDeviceConfiguration" in "deviceConfigurations" is POLICY;
    "macOSImportedPFXCertificateProfile" in "deviceConfigurations" is POLICY;
    "macOSLobApp" in "mobileApps" is APP;
    "macOSMdatpApp" in "mobileApps" is APP;
    "macOSMicrosoftDefenderApp" in "mobileApps" is APP;
    "macOSMicrosoftEdgeApp" in "mobileApps" is APP;
    "macOSOfficeSuiteApp" in "mobileApps" is APP;
    "macOSPkcsCertificateProfile" in "deviceConfigurations" is POLICY;
    "macOSPkgApp" in "mobileApps" is APP;
    "macOSScepCertificateProfile" in "deviceConfigurations" is POLICY;
    "macOSSoftwareUpdateConfiguration" in "deviceConfigurations" is POLICY;
    "macOSTrustedRootCertificate" in "deviceConfigurations" is POLICY;
    "macOSVpnConfiguration" in "deviceConfigurations" is POLICY;
    "macOSWebClip" in "mobileApps" is APP;
    "macOSWiFiConfiguration" in "deviceConfigurations" is POLICY;
    "macOSWiredNetworkConfiguration" in "deviceConfigurations" is POLICY;
    "macOsVppApp" in "mobileApps" is APP;
    "managedAndroidLobApp" in "mobileApps" is APP;
    "managedAndroidStoreApp" in "mobileApps" is APP;
    "managedDevice" in "managedDevices" is NOT_GOVERNABLE;
    "managedIOSLobApp" in "mobileApps" is APP;
    "managedIOSStoreApp" in "mobileApps" is APP;
    "mdmWindowsInformationProtectionPolicy" in "mdmWindowsInformationProtectionPolicies" is POLICY;
    "microsoftStoreForBusinessApp" in "mobileApps" is APP;
    "microsoftStoreForBusinessContainedApp" in "mobileApps" is APP;
    "mobileAppCategory" in "mobileAppCategories" is FOUNDATION;
    "notificationMessageTemplate" in "notificationMessageTemplates" is FOUNDATION;
    "officeSuiteApp" in "mobileApps" is APP;
    "payloadCompatibleAssignmentFilter" in "assignmentFilters" is FOUNDATION;
    "policySet" in "policySets" is POLICY;
    "roleScopeTag" in "roleScopeTags" is FOUNDATION;
    "sharedPCConfiguration" in "deviceConfigurations" is POLICY;
    "targetedManagedAppConfiguration" in "targetedManagedAppConfigurations" is POLICY;
    "termsAndConditions" in "termsAndConditions" is POLICY;
    "unsupportedDeviceConfiguration" in "deviceConfigurations" is NOT_GOVERNABLE;
    "webApp" in "mobileApps" is APP;
    "win32CatalogApp" in "mobileApps" is APP;
    "win32LobApp" in "mobileApps" is APP;
    "winGetApp" in "mobileApps" is APP;
    "windows10CompliancePolicy" in "deviceCompliancePolicies" is POLICY;
    "windows10CustomConfiguration" in "deviceConfigurations" is POLICY;
    "windows10DeviceFirmwareConfigurationInterface" in "deviceConfigurations" is POLICY;
    "windows10EasEmailProfileConfiguration" in "deviceConfigurations" is POLICY;
    "windows10EndpointProtectionConfiguration" in "deviceConfigurations" is POLICY;
    "windows10EnrollmentCompletionPageConfiguration" in "deviceEnrollmentConfigurations" is POLICY;
    "windows10EnterpriseModernAppManagementConfiguration" in "deviceConfigurations" is POLICY;
    "windows10GeneralConfiguration" in "deviceConfigurations" is POLICY;
    "windows10ImportedPFXCertificateProfile" in "deviceConfigurations" is POLICY;
    "windows10MobileCompliancePolicy" in "deviceCompliancePolicies" is POLICY;
    "windows10NetworkBoundaryConfiguration" in "deviceConfigurations" is POLICY;
    "windows10PFXImportCertificateProfile" in "deviceConfigurations" is POLICY;
    "windows10PkcsCertificateProfile" in "deviceConfigurations" is POLICY;
    "windows10SecureAssessmentConfiguration" in "deviceConfigurations" is POLICY;
    "windows10TeamGeneralConfiguration" in "deviceConfigurations" is POLICY;
    "windows10VpnConfiguration" in "deviceConfigurations" is POLICY;
    "windows81CompliancePolicy" in "deviceCompliancePolicies" is POLICY;
    "windows81GeneralConfiguration" in "deviceConfigurations" is POLICY;
    "windows81SCEPCertificateProfile" in "deviceConfigurations" is POLICY;
    "windows81TrustedRootCertificate" in "deviceConfigurations" is POLICY;
    "windows81VpnConfiguration" in "deviceConfigurations" is POLICY;
    "windows81WifiImportConfiguration" in "deviceConfigurations" is POLICY;
    "windowsAppX" in "mobileApps" is APP;
    "windowsDefenderAdvancedThreatProtectionConfiguration" in "deviceConfigurations" is POLICY;
    "windowsDefenderApplicationControlSupplementalPolicy" in "wdacSupplementalPolicies" is POLICY;
    "windowsDeliveryOptimizationConfiguration" in "deviceConfigurations" is POLICY;
    "windowsDomainJoinConfiguration" in "deviceConfigurations" is POLICY;
    "windowsDriverUpdateProfile" in "windowsDriverUpdateProfiles" is POLICY;
    "windowsFeatureUpdateProfile" in "windowsFeatureUpdateProfiles" is POLICY;
    "windowsHealthMonitoringConfiguration" in "deviceConfigurations" is POLICY;
    "windowsIdentityProtectionConfiguration" in "deviceConfigurations" is POLICY;
    "windowsInformationProtectionPolicy" in "windowsInformationProtectionPolicies" is POLICY;
    "windowsKioskConfiguration" in "deviceConfigurations" is POLICY;
    "windowsManagedAppProtection" in "windowsManagedAppProtections" is POLICY;
    "windowsManagedDevice" in "managedDevices" is NOT_GOVERNABLE;
    "windowsMicrosoftEdgeApp" in "mobileApps" is APP;
    "windowsMobileMSI" in "mobileApps" is APP;
    "windowsPhone81AppX" in "mobileApps" is APP;
    "windowsPhone81AppXBundle" in "mobileApps" is APP;
    "windowsPhone81CompliancePolicy" in "deviceCompliancePolicies" is POLICY;
    "windowsPhone81CustomConfiguration" in "deviceConfigurations" is POLICY;
    "windowsPhone81GeneralConfiguration" in "deviceConfigurations" is POLICY;
    "windowsPhone81ImportedPFXCertificateProfile" in "deviceConfigurations" is POLICY;
    "windowsPhone81SCEPCertificateProfile" in "deviceConfigurations" is POLICY;
    "windowsPhone81StoreApp" in "mobileApps" is APP;
    "windowsPhone81TrustedRootCertificate" in "deviceConfigurations" is POLICY;
    "windowsPhone81VpnConfiguration" in "deviceConfigurations" is POLICY;
    "windowsPhoneEASEmailProfileConfiguration" in "deviceConfigurations" is POLICY;
    "windowsPhoneXAP" in "mobileApps" is APP;
    "windowsQualityUpdatePolicy" in "windowsQualityUpdatePolicies" is POLICY;
    "windowsQualityUpdateProfile" in "windowsQualityUpdateProfiles" is POLICY;
    "windowsRestoreDeviceEnrollmentConfiguration" in "deviceEnrollmentConfigurations" is POLICY;
    "windowsStoreApp" in "mobileApps" is APP;
    "windowsUniversalAppX" in "mobileApps" is APP;
    "windowsUpdateForBusinessConfiguration" in "deviceConfigurations" is POLICY;
    "windowsWebApp" in "mobileApps" is APP;
    "windowsWifiConfiguration" in "deviceConfigurations" is POLICY;
    "windowsWifiEnterpriseEAPConfiguration" in "deviceConfigurations" is POLICY;
    "windowsWiredNetworkConfiguration" in "deviceConfigurations" is POLICY;
};

#[cfg(test)]
mod tests {
    use super::{ENTITY_TYPES, Held, held, named};

    #[test]
    fn the_table_is_sorted_and_every_row_is_found() {
        assert!(ENTITY_TYPES.is_sorted_by(|one, next| one.name < next.name));
        for row in ENTITY_TYPES {
            assert_eq!(named(row.name), Some(row));
        }
        assert_eq!(named("microsoft.graph.windows10compliancePolicy"), None);
    }

    #[test]
    fn a_collection_holds_nothing_one_or_several_types() {
        assert_eq!(held("nowhere"), Held::Nothing);
        assert_eq!(held("deviceCompliancePolicies"), Held::Several);
        let one = named("microsoft.graph.deviceManagementConfigurationPolicy").unwrap();
        assert_eq!(held("configurationPolicies"), Held::One(one));
    }
}
