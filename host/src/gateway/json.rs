//! Just enough JSON to see that an answer is one object and where it goes on. What is in it stays as it was sent.

use std::collections::BTreeMap;

use serde_json::value::RawValue;

/// The members of one object, unread. None of anything else.
pub(super) fn members(text: &str) -> Option<BTreeMap<String, &RawValue>> {
    serde_json::from_str(text).ok()
}
