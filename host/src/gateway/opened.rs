//! What a connection logs in with, opened. It can be neither shown nor compared nor copied, and is wiped when dropped.

use std::collections::BTreeMap;

use zeroize::Zeroizing;

/// The opened fields of a connection's credentials.
#[derive(Default)]
pub(crate) struct OpenedCredentials(BTreeMap<String, Zeroizing<String>>);

impl OpenedCredentials {
    /// Of its fields.
    pub(crate) fn new(fields: impl IntoIterator<Item = (String, Zeroizing<String>)>) -> Self {
        Self(fields.into_iter().collect())
    }

    /// One field.
    pub(super) fn field(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(|value| value.as_str())
    }
}
