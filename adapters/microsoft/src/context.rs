//! Reading `@odata.context`: which collection an object came from, where the object itself does not say.
//!
//! Only the last path segment counts. What stands in parentheses (keys, selected and expanded members) is cut,
//! and so are segments that name no place (`$entity`, `$delta`).

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
    pub(crate) fn of(context: &'c str) -> Option<Self> {
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
pub(crate) fn is_device_management(context: &str) -> bool {
    let path = context.split_once("$metadata#").map(|(_, path)| path);
    let service = path.and_then(|path| path.split('/').next());
    matches!(service, Some("deviceManagement" | "deviceAppManagement"))
}

#[cfg(test)]
mod tests {
    use super::{Place, is_device_management};

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
