//! What the invented provider has, as a table. A released row never changes: keys are made of it.

use crate::Origin;
use component_kit::model::{SubjectClass, SupportLevel};

/// One kind of object.
#[derive(Clone, Copy, Debug)]
pub struct Kind {
    /// The provider's type.
    pub name: &'static str,
    /// Where it is found.
    pub shelf: &'static str,
    /// The platform's type; for zones with an area, only its beginning.
    pub subject_type_key: &'static str,
    /// What kind of thing it is, when the tenant made it.
    pub subject_class: SubjectClass,
    /// The governance domain.
    pub subject_domain: &'static str,
    /// How far the platform can go with it.
    pub support_level: SupportLevel,
}

/// Every kind there is, by name. Shelf `oddments` holds two.
pub const KINDS: &[Kind] = &[
    row("crew", "crews", "audience", SubjectClass::AssignmentTarget, "people", SupportLevel::Supported),
    row("gadget", "gadgets", "gadgetPolicy", SubjectClass::Policy, "things", SupportLevel::Supported),
    row("meter", "meters", "meterPolicy", SubjectClass::Policy, "things", SupportLevel::InventoryOnly),
    row("relic", "oddments", "relic", SubjectClass::Unsupported, "things", SupportLevel::Unsupported),
    row("trinket", "oddments", "trinketPolicy", SubjectClass::Policy, "things", SupportLevel::InventoryOnly),
    row("widget", "widgets", "widgetPolicy", SubjectClass::Policy, "things", SupportLevel::Supported),
    row("zone", "zones", "zone", SubjectClass::Foundation, "places", SupportLevel::Supported),
];

/// What is not in the table; its subject type is the shelf.
pub(crate) const UNKNOWN: Kind = row("", "", "", SubjectClass::Unknown, "things", SupportLevel::Unsupported);

const fn row(
    name: &'static str,
    shelf: &'static str,
    subject_type_key: &'static str,
    subject_class: SubjectClass,
    subject_domain: &'static str,
    support_level: SupportLevel,
) -> Kind {
    Kind { name, shelf, subject_type_key, subject_class, subject_domain, support_level }
}

/// The kind of that name.
#[must_use]
pub fn named(name: &str) -> Option<&'static Kind> {
    KINDS.iter().find(|kind| kind.name == name)
}

/// The class of an object of a kind's class that comes from somewhere.
pub(crate) fn class(of_kind: SubjectClass, origin: Origin) -> SubjectClass {
    match (of_kind, origin) {
        (SubjectClass::Unsupported | SubjectClass::Unknown, _) | (_, Origin::Own | Origin::Shared) => of_kind,
        (_, Origin::Factory) => SubjectClass::ProviderBuiltin,
        (_, Origin::Fallback) => SubjectClass::ProviderDefault,
        (_, Origin::Virtual) => SubjectClass::VirtualAssignmentTarget,
    }
}
