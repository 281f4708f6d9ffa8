//! Data keys: of each field of a connection's credentials one, sealed under a master key. To put another master key in the
//! place of the first, data keys are sealed anew, and what lies under them stays as it is.

use std::fmt;

use chacha20poly1305::XChaCha20Poly1305;
use zeroize::Zeroizing;

use super::master_key::cipher;
use super::sealing::{open, open_key, seal};
use super::{MasterKey, MasterKeys, SecretError};
use crate::clock::Ids;
use crate::provider_credential::CredentialPlace;

/// What a data key is sealed for; part of the associated data.
const DATA_KEY_PURPOSE: &str = "provident-provider-credential-key-1";
/// What a value is sealed for; part of the associated data.
const VALUE_PURPOSE: &str = "provident-provider-credential-1";

/// What one field of a connection's credentials is sealed with.
pub(crate) struct DataKey(Zeroizing<[u8; 32]>);

impl fmt::Debug for DataKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("DataKey")
    }
}

impl DataKey {
    /// A new random one.
    pub(crate) fn generate(ids: &Ids) -> Result<Self, SecretError> {
        Ok(Self(ids.random()?))
    }

    /// Seals the value of a field.
    pub(crate) fn seal(&self, place: &CredentialPlace<'_>, value: &[u8], ids: &Ids) -> Result<Vec<u8>, SecretError> {
        seal(&self.cipher(), value, &place.text(VALUE_PURPOSE), ids)
    }

    /// Opens the value of a field. Nobody has a data key to do it with but [`crate::gateway`].
    pub(crate) fn open(&self, place: &CredentialPlace<'_>, sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, SecretError> {
        open(&self.cipher(), sealed, &place.text(VALUE_PURPOSE))
    }

    fn cipher(&self) -> XChaCha20Poly1305 {
        cipher(&self.0)
    }
}

impl MasterKey {
    /// Seals a data key for its place.
    pub(crate) fn seal_data_key(
        &self,
        key: &DataKey,
        place: &CredentialPlace<'_>,
        ids: &Ids,
    ) -> Result<Vec<u8>, SecretError> {
        seal(&self.cipher(), key.0.as_slice(), &associated_data(place, self.version()), ids)
    }
}

impl MasterKeys {
    /// Opens a data key with the master key of the version that lies beside it. Named in `gateway/vault.rs` alone.
    ///
    /// # Errors
    /// [`SecretError::DoesNotOpen`], whatever the cause, but for those of [`MasterKeys::of_version`].
    pub(crate) fn open_data_key(
        &self,
        place: &CredentialPlace<'_>,
        sealed: &[u8],
        master_key_version: u32,
    ) -> Result<DataKey, SecretError> {
        let master = self.of_version(master_key_version)?;
        open_key(&master.cipher(), sealed, &associated_data(place, master_key_version)).map(DataKey)
    }

    /// Seals a data key anew, under this master key.
    ///
    /// # Errors
    /// Those of [`MasterKeys::open_data_key`]; when the machine has no randomness.
    pub(crate) fn rewrap_data_key(
        &self,
        under: &MasterKey,
        place: &CredentialPlace<'_>,
        sealed: &[u8],
        master_key_version: u32,
        ids: &Ids,
    ) -> Result<Vec<u8>, SecretError> {
        under.seal_data_key(&self.open_data_key(place, sealed, master_key_version)?, place, ids)
    }
}

/// What a sealed data key is tied to: moved anywhere else, it does not open.
fn associated_data(place: &CredentialPlace<'_>, master_key_version: u32) -> String {
    format!("{}\n{master_key_version}", place.text(DATA_KEY_PURPOSE))
}
