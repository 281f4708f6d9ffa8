//! Invented tenants of Microsoft Graph: objects of every type the adapter knows, as the provider would return them, down to
//! what their ids look like and which collections do not say the type.

use std::collections::BTreeSet;

use adapter_microsoft::entity_types::{ENTITY_TYPES, EntityType};
use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::FACE;
use crate::stand_in::tenant::Tenant;
use crate::trail::Dice;

/// The counts of the summary of compliance.
pub const SUMMARY: [&str; 9] = [
    "compliantDeviceCount",
    "nonCompliantDeviceCount",
    "inGracePeriodCount",
    "remediatedDeviceCount",
    "unknownDeviceCount",
    "notApplicableDeviceCount",
    "errorDeviceCount",
    "conflictDeviceCount",
    "configManagerCount",
];

/// The default enrolment configurations: their types, and what their ids end in.
const DEFAULTS: [(&str, &str); 4] = [
    ("deviceEnrollmentLimitConfiguration", "DefaultLimit"),
    ("deviceEnrollmentPlatformRestrictionsConfiguration", "DefaultPlatformRestrictions"),
    ("deviceEnrollmentWindowsHelloForBusinessConfiguration", "DefaultWindowsHelloForBusiness"),
    ("windows10EnrollmentCompletionPageConfiguration", "DefaultWindows10EnrollmentCompletionPageConfiguration"),
];
/// A tenant smaller than this has no defaults.
const WITH_DEFAULTS: usize = 10;

/// Where most objects of a tenant are.
const CROWDED: [&str; 8] = [
    "groups",
    "configurationPolicies",
    "groups",
    "mobileApps",
    "deviceConfigurations",
    "assignmentFilters",
    "policies",
    "deviceCompliancePolicies",
];

/// Collections whose objects have a `name` and no `displayName`.
const NAMED: [&str; 2] = ["configurationPolicies", "compliancePolicies"];
/// Collections of ids that are a GUID behind `T_`.
const PREFIXED: [&str; 4] = [
    "androidManagedAppProtections",
    "defaultManagedAppProtections",
    "iosManagedAppProtections",
    "windowsManagedAppProtections",
];

/// A tenant of so many objects, the same for the same seed. Half of them go over the types in turn, so that a tenant of twice
/// as many objects as there are types has each; half lie in the collections that are crowded in real ones.
#[must_use]
pub fn invented(seed: u64, objects: usize) -> Tenant {
    let mut dice = Dice(seed);
    let summary: Vec<_> = SUMMARY.iter().map(|name| (*name, dice.below(1000) as u64)).collect();
    let tenant = Tenant::empty(&FACE, ENTITY_TYPES.iter().map(|row| row.collection), summary);
    let defaults = if objects < WITH_DEFAULTS { 0 } else { DEFAULTS.len() };
    let customer = guid(&mut dice);
    for (name, ending) in DEFAULTS.iter().take(defaults) {
        let row = adapter_microsoft::entity_types::named(&format!("microsoft.graph.{name}")).unwrap();
        tenant.add(row.collection, object(row, &format!("{customer}_{ending}"), "All users and all devices"));
    }
    let mut rows: Vec<&EntityType> = ENTITY_TYPES.iter().collect();
    for place in (1..rows.len()).rev() {
        rows.swap(place, dice.below(place + 1));
    }
    for number in 0..objects - defaults {
        let row = if number.is_multiple_of(2) {
            rows[number / 2 % rows.len()]
        } else {
            let collection = CROWDED[number / 2 % CROWDED.len()];
            let held: Vec<_> = rows.iter().filter(|row| row.collection == collection).collect();
            held[dice.below(held.len())]
        };
        let id = id(&mut dice, row.collection, number);
        let label = label(&mut dice, number);
        tenant.add(row.collection, object(row, &id, &label));
    }
    tenant
}

/// What an exported object or page says of where it comes from.
pub(super) fn origin(collection: &str) -> Map<String, Value> {
    let row = ENTITY_TYPES.iter().find(|row| row.collection == collection);
    let service = if row.is_some_and(|row| row.nature.subject_domain == "intune") { "deviceManagement/" } else { "" };
    let context = format!("https://graph.microsoft.com/beta/$metadata#{service}{collection}");
    Map::from_iter([("@odata.context".to_owned(), context.into())])
}

fn guid(dice: &mut Dice) -> Uuid {
    let mut half = || dice.below(usize::MAX) as u64;
    uuid::Builder::from_random_bytes(Uuid::from_u64_pair(half(), half()).into_bytes()).into_uuid()
}

fn id(dice: &mut Dice, collection: &str, number: usize) -> String {
    match collection {
        "roleScopeTags" => number.to_string(),
        _ if PREFIXED.contains(&collection) => format!("T_{}", guid(dice)),
        _ => guid(dice).to_string(),
    }
}

fn label(dice: &mut Dice, number: usize) -> String {
    const WHERE: [&str; 6] = ["Berlin", "Lagos", "Ōsaka", "Field", "Kiosk", "Head office"];
    const WHAT: [&str; 6] = ["baseline", "restrictions", "Wi-Fi", "pilot ring", "standard", "exceptions"];
    format!("{} {} {number}", WHERE[dice.below(WHERE.len())], WHAT[dice.below(WHAT.len())])
}

/// An object of a type. Where a collection holds one type only, the provider does not say which.
fn object(row: &EntityType, id: &str, label: &str) -> Value {
    let types: BTreeSet<_> =
        ENTITY_TYPES.iter().filter(|other| other.collection == row.collection).map(|row| row.name).collect();
    let label_member = if NAMED.contains(&row.collection) { "name" } else { "displayName" };
    let mut object = json!({
        "id": id,
        label_member: label,
        "createdDateTime": "2024-03-01T08:15:00Z",
        "lastModifiedDateTime": "2025-11-20T17:42:31.1234567Z",
        "roleScopeTagIds": ["0"],
        "settings": [{"settingInstance": {"settingDefinitionId": "invented_setting", "value": {"enabled": true}}}],
    });
    if types.len() > 1 {
        object["@odata.type"] = json!(format!("#{}", row.name));
    }
    object
}
