//! What a connection logs in with, opened. It can be neither shown nor compared nor copied, and is wiped when dropped.

use super::context::OperationContext;
use super::vault::{self, OpenedCredential};
use crate::provider_credential::SealedCredential;
use crate::run::ReasonCode;
use crate::secret::MasterKeys;

/// The opened fields of a connection's credentials.
pub(super) struct OpenedCredentials(Vec<OpenedCredential>);

impl OpenedCredentials {
    /// Opens all of them, or says why there is nothing to log in with.
    pub(super) fn open(
        ring: &MasterKeys,
        context: &OperationContext,
        sealed: &[SealedCredential],
    ) -> Result<Self, ReasonCode> {
        if sealed.is_empty() {
            return Err(ReasonCode::CredentialMissing);
        }
        let opened = sealed.iter().map(|sealed| vault::open(ring, context, sealed)).collect::<Result<_, _>>();
        opened.map(Self).map_err(|_| ReasonCode::CredentialUnreadable)
    }

    /// One field.
    pub(super) fn field(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|opened| opened.field() == name).map(OpenedCredential::expose)
    }
}
