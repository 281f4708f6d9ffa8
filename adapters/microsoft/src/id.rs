//! Making the provider's ids comparable.
//!
//! A GUID is a number and may be written in either case; every other id is text and stays as it is. The ids of
//! default enrolment configurations begin with their tenant's GUID: what follows it is the same in all tenants.

use alloc::{borrow::ToOwned, string::String};
use component_kit::text;

/// An id as it enters a key: a bare GUID in lower case, everything else byte for byte.
pub(crate) fn comparable(id: &str) -> String {
    if is_guid(id) { id.to_ascii_lowercase() } else { id.to_owned() }
}

/// The canonical name of a default enrolment configuration, from an id `<guid>_Default<Rest>` or
/// `<guid>_WindowsRestore`: what follows the `_` in lower case, with a `-` before each capital after a small
/// letter or digit. Any other id names no default, nor does one of which no discriminator can be made.
pub(crate) fn default_name(id: &str) -> Option<String> {
    let (tenant, name) = id.split_once('_')?;
    let is_default = name == "WindowsRestore" || name.strip_prefix("Default").is_some_and(|rest| !rest.is_empty());
    if !(is_guid(tenant) && is_default) {
        return None;
    }
    let mut canonical = String::with_capacity(name.len() + 8);
    let mut breaks = false;
    for character in name.chars() {
        if breaks && character.is_ascii_uppercase() {
            canonical.push('-');
        }
        breaks = character.is_ascii_lowercase() || character.is_ascii_digit();
        canonical.push(character.to_ascii_lowercase());
    }
    text::discriminator_fault(&canonical).is_none().then_some(canonical)
}

/// Whether a text is a bare GUID, `8-4-4-4-12` hex digits of either case.
fn is_guid(text: &str) -> bool {
    text.len() == 36
        && text.bytes().enumerate().all(|(place, byte)| match place {
            8 | 13 | 18 | 23 => byte == b'-',
            _ => byte.is_ascii_hexdigit(),
        })
}

#[cfg(test)]
mod tests {
    use super::{comparable, default_name};

    const GUID: &str = "0A1b2C3d-4e5F-6071-8293-a4b5C6d7E8f9";

    #[test]
    fn only_a_bare_guid_changes_its_case() {
        assert_eq!(comparable(GUID), "0a1b2c3d-4e5f-6071-8293-a4b5c6d7e8f9");
        for id in [
            std::format!("T_{GUID}"),
            std::format!("{{{GUID}}}"),
            std::format!("{GUID}_X"),
            std::format!(" {GUID}"),
            GUID.replace('-', ""),
            GUID.replace('0', "O"),
            GUID.replace('-', "0"),
        ] {
            assert_eq!(comparable(&id), id);
        }
    }

    #[test]
    fn defaults_are_named_by_what_follows_the_tenant() {
        for (rest, name) in [
            ("DefaultLimit", "default-limit"),
            ("DefaultPlatformRestrictions", "default-platform-restrictions"),
            ("DefaultWindowsHelloForBusiness", "default-windows-hello-for-business"),
            (
                "DefaultWindows10EnrollmentCompletionPageConfiguration",
                "default-windows10-enrollment-completion-page-configuration",
            ),
            ("WindowsRestore", "windows-restore"),
            ("DefaultA1B", "default-a1-b"),
            ("DefaultABc_D", "default-abc_d"),
        ] {
            assert_eq!(default_name(&std::format!("{GUID}_{rest}")).as_deref(), Some(name));
        }
    }

    #[test]
    fn other_ids_name_no_default() {
        for rest in ["Default", "default", "Limit", "WindowsRestore2", "windowsRestore", "SinglePlatformRestriction"] {
            assert_eq!(default_name(&std::format!("{GUID}_{rest}")), None, "{rest}");
        }
        for rest in ["DefaultÜ", "DefaultÜbung", "Default Limit", "DefaultA:B", "Default\u{7F}"] {
            assert_eq!(default_name(&std::format!("{GUID}_{rest}")), None, "{rest}");
        }
        let dashed = |pairs: usize| default_name(&std::format!("{GUID}_Default{}", "aB".repeat(pairs)));
        assert_eq!(dashed(168).map(|name| name.len()), Some(511));
        assert_eq!(dashed(169), None);
        for id in ["DefaultLimit", "T_DefaultLimit", "_DefaultLimit", GUID, ""] {
            assert_eq!(default_name(id), None, "{id}");
        }
    }
}
