//! Assignments: objects with `target`. What is described is the target, not the assignment.
//!
//! Including or excluding a group, and the filter, are properties of the assignment: the group is one subject
//! either way. Virtual targets carry no id of any tenant.

use crate::{PROVIDER_KEY, id};
use alloc::format;
use component_kit::{
    model::{Code, Descriptor, Fault, Identity, Origins, SubjectClass, SupportLevel},
    quote::quote,
    raw::{self, Kind},
};

/// The subject type of all targets.
const SUBJECT_TYPE: &str = "assignmentTargets";
/// The type of a group as a target, whether it is included or excluded.
const GROUP: &str = "microsoft.graph.groupAssignmentTarget";
const EXCLUDED_GROUP: &str = "microsoft.graph.exclusionGroupAssignmentTarget";
/// Targets with nothing stored behind them, and their canonical names.
const VIRTUAL: [(&str, &str); 2] = [
    ("microsoft.graph.allDevicesAssignmentTarget", "all-devices"),
    ("microsoft.graph.allLicensedUsersAssignmentTarget", "all-licensed-users"),
];

/// The target types that are known.
pub(crate) const ENTITY_TYPES: [&str; 4] = [
    "microsoft.graph.allDevicesAssignmentTarget",
    "microsoft.graph.allLicensedUsersAssignmentTarget",
    EXCLUDED_GROUP,
    GROUP,
];

const ORIGINS: Origins = Origins {
    resource_type: "@odata.type",
    provider_resource_id: "groupId",
    external_id: "target",
    discriminator: "@odata.type",
    fingerprint: "target",
    subject_type_key: "target",
};

/// Describes the target of an assignment.
///
/// # Errors
///
/// `malformed-document` if it is no object, `unknown-type` if it has no type, `missing-identity` if it is a
/// group without a group id or of a type nobody knows how to identify.
pub(crate) fn describe(json: &str) -> Result<Descriptor, Fault> {
    if Kind::of(json) != Kind::Object {
        return Err(Fault::new(Code::MalformedDocument, "target", "`target` is not an object"));
    }
    let [stated, group_id] = raw::members(json, ["@odata.type", "groupId"])?;
    let Some(name) = stated.map(crate::entity_type).transpose()?.flatten() else {
        return Err(Fault::new(Code::UnknownType, "@odata.type", "the target has no type"));
    };
    if let Some((entity_type, canonical)) = VIRTUAL.into_iter().find(|(entity_type, _)| *entity_type == name) {
        let identity = Identity { discriminator: Some(canonical.into()), virtual_: true, ..blank(entity_type) };
        return descriptor(identity, SubjectClass::VirtualAssignmentTarget, SupportLevel::Supported);
    }
    if name == GROUP || name == EXCLUDED_GROUP {
        let Some(group_id) = group_id.and_then(|json| raw::text(json, "groupId").ok()) else {
            return Err(Fault::new(Code::MissingIdentity, "groupId", "the group has no `groupId`"));
        };
        let identity =
            Identity { provider_resource_id: Some(id::comparable(&group_id)), tenant_owned: true, ..blank(GROUP) };
        return descriptor(identity, SubjectClass::AssignmentTarget, SupportLevel::Supported);
    }
    let message = format!("nobody knows what identifies a {}", quote(&name));
    Err(Fault::new(Code::MissingIdentity, "target", message))
}

fn descriptor(identity: Identity, class: SubjectClass, level: SupportLevel) -> Result<Descriptor, Fault> {
    let descriptor = Descriptor {
        identity,
        subject_domain: "intune",
        subject_class: class,
        subject_type_key: SUBJECT_TYPE.into(),
        support_level: level,
        display_label: None,
    };
    descriptor.checked(&ORIGINS)
}

fn blank(entity_type: &str) -> Identity {
    Identity {
        provider_key: PROVIDER_KEY,
        resource_type: entity_type.into(),
        provider_resource_id: None,
        external_id: None,
        discriminator: None,
        fingerprint: None,
        built_in: false,
        default: false,
        virtual_: false,
        tenant_owned: false,
    }
}
