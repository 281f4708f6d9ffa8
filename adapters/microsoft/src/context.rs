//! Reading `@odata.context`: which collection an object came from, where the object itself does not say.
//!
//! Only the last path segment counts. What stands in parentheses (keys, selected and expanded members) is cut,
//! and so are segments that name no place (`$entity`, `$delta`).

use crate::{
    ORIGINS,
    entity_types::{self, Held},
};
use alloc::borrow::Cow;
use component_kit::{
    model::{Fault, sound},
    raw,
    text::TYPE_BYTES,
};

/// The longest context that is looked at, in bytes. A longer one names no place.
const CONTEXT_BYTES: usize = 4 * 1024;

/// The text of a context.
///
/// # Errors
///
/// `malformed-document` if it holds anything but text.
pub(crate) fn read(json: &str) -> Result<Cow<'_, str>, Fault> {
    raw::text(json, "@odata.context")
}

/// All that a context says, found once for however many objects share it.
#[derive(Clone, Debug)]
pub(crate) struct Source<'c> {
    /// Where they came from; none where the context does not say.
    pub(crate) place: Option<Place<'c>>,
    /// Whether that is in device or app management.
    pub(crate) is_device_management: bool,
    /// What the place's collection holds, when it is not narrowed.
    pub(crate) held: Held,
    /// Why the type that narrows the place can be no resource type.
    pub(crate) type_fault: Option<Fault>,
    /// Why the collection can be no subject type.
    pub(crate) collection_fault: Option<Fault>,
}

impl Default for Source<'_> {
    fn default() -> Self {
        Self { place: None, is_device_management: false, held: Held::Nothing, type_fault: None, collection_fault: None }
    }
}

impl<'c> Source<'c> {
    /// Reads a context.
    pub(crate) fn of(context: &'c str) -> Self {
        if context.len() > CONTEXT_BYTES {
            return Self::default();
        }
        let place = Place::of(context);
        let (held, narrowed) = match place {
            Some(Place::Collection(collection)) => (entity_types::held(collection), None),
            Some(Place::Narrowed { entity_type, .. }) => (Held::Nothing, Some(entity_type)),
            None => (Held::Nothing, None),
        };
        let fault = |name, field| sound(name, TYPE_BYTES, field).err();
        Self {
            place,
            is_device_management: is_device_management(context),
            held,
            type_fault: fault(narrowed, ORIGINS.resource_type),
            collection_fault: fault(place.and_then(Place::collection), ORIGINS.subject_type_key),
        }
    }
}

/// Where an object came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place<'c> {
    /// A collection, by its last path segment.
    Collection(&'c str),
    /// A collection narrowed to one entity type.
    Narrowed {
        /// The collection.
        collection: Option<&'c str>,
        /// The entity type.
        entity_type: &'c str,
    },
}

impl<'c> Place<'c> {
    /// The place a context names: the last path segment after `$metadata#`, before `/$entity`, cut at `(`. A
    /// segment with a dot is a type that narrows the collection before it.
    fn of(context: &'c str) -> Option<Self> {
        let (_, path) = context.split_once("$metadata#")?;
        let (mut depth, mut quoted) = (0_u32, false);
        let segments = path.split(move |character| {
            match character {
                '\'' if depth > 0 => quoted = !quoted,
                '(' if !quoted => depth += 1,
                ')' if !quoted => depth = depth.saturating_sub(1),
                _ => {}
            }
            character == '/' && depth == 0
        });
        let mut collection = None;
        let mut narrowed = None;
        for segment in segments.filter_map(|segment| segment.split('(').next()) {
            if segment.is_empty() || segment.starts_with('$') || segment == "Collection" {
                continue;
            }
            if segment.contains('.') {
                narrowed = Some(segment);
            } else {
                (collection, narrowed) = (Some(segment), None);
            }
        }
        match (collection, narrowed) {
            (collection, Some(entity_type)) => Some(Self::Narrowed { collection, entity_type }),
            (Some(collection), None) => Some(Self::Collection(collection)),
            (None, None) => None,
        }
    }

    /// The collection, if one is named.
    pub(crate) fn collection(self) -> Option<&'c str> {
        match self {
            Self::Collection(collection) => Some(collection),
            Self::Narrowed { collection, .. } => collection,
        }
    }
}

/// Whether a context names a place in the provider's device or app management, which is one governance domain.
fn is_device_management(context: &str) -> bool {
    let path = context.split_once("$metadata#").map(|(_, path)| path);
    let service = path.and_then(|path| path.split('/').next());
    matches!(service, Some("deviceManagement" | "deviceAppManagement"))
}

#[cfg(test)]
mod tests {
    use super::{CONTEXT_BYTES, Place, Source, is_device_management};

    #[test]
    fn a_context_is_looked_at_up_to_its_limit() {
        let context = |bytes: usize| {
            let place = "/$metadata#deviceManagement/roleScopeTags";
            std::format!("{}{place}", "x".repeat(bytes - place.len()))
        };
        let (longest, longer) = (context(CONTEXT_BYTES), context(CONTEXT_BYTES + 1));
        let source = Source::of(&longest);
        assert_eq!(source.place, Some(Place::Collection("roleScopeTags")));
        assert!(source.is_device_management);
        let source = Source::of(&longer);
        assert_eq!(source.place, None);
        assert!(!source.is_device_management);
    }

    #[test]
    fn device_and_app_management_are_told_from_the_rest() {
        assert!(is_device_management("https://graph.microsoft.com/beta/$metadata#deviceManagement/things"));
        assert!(is_device_management("$metadata#deviceAppManagement/things/$entity"));
        assert!(!is_device_management("$metadata#deviceManagementThings"));
        assert!(!is_device_management("$metadata#groups/deviceManagement"));
        assert!(!is_device_management("deviceManagement/things"));
    }

    #[test]
    fn the_last_path_segment_counts() {
        for (path, collection) in [
            ("deviceManagement/assignmentFilters", "assignmentFilters"),
            ("deviceManagement/assignmentFilters/$entity", "assignmentFilters"),
            ("deviceManagement/assignmentFilters/$delta", "assignmentFilters"),
            ("groups(id,displayName)/$entity", "groups"),
            ("groups", "groups"),
            ("deviceManagement/configurationPolicies(assignments(),settings())/$entity", "configurationPolicies"),
            ("deviceManagement/scripts('a/b(''c')/assignments", "assignments"),
            ("deviceManagement/scripts(expand(a/b)/c)/$entity", "scripts"),
            ("identity/conditionalAccess/policies", "policies"),
        ] {
            let context = std::format!("https://graph.microsoft.com/beta/$metadata#{path}");
            assert_eq!(Place::of(&context), Some(Place::Collection(collection)), "{path}");
        }
    }

    #[test]
    fn a_type_narrows_the_collection_before_it() {
        let place = Place::of("$metadata#deviceManagement/things/microsoft.graph.thing/$entity");
        assert_eq!(place, Some(Place::Narrowed { collection: Some("things"), entity_type: "microsoft.graph.thing" }));
        let place = Place::of("$metadata#deviceManagement/things/microsoft.graph.thing/parts");
        assert_eq!(place, Some(Place::Collection("parts")));
    }

    #[test]
    fn some_contexts_name_no_place() {
        for context in [
            "",
            "deviceManagement/things",
            "https://graph.microsoft.com/beta/$metadata#",
            "$metadata#$entity",
            "$metadata#Collection(microsoft.graph.thing)",
        ] {
            assert_eq!(Place::of(context), None, "{context}");
        }
    }
}
