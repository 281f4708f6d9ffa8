//! Putting another master key in the place of the current one, while everything goes on. The system plane's.
//!
//! ```text
//! file: N          a   file: N, N+1     b   list: N superseded,   c   everything under N   d   N retired,
//! list: N current  →   list: N current  →   N+1 current           →   sealed anew          →   file: N+1
//! ```
//!
//! Each step is there for good before the next begins, and a rotation that is begun again goes on where the last one
//! stopped. From *b* on nothing is sealed under N: whoever seals holds the current key's row, and *b* waits for them. So what
//! *c* finds is all there is. Keys that come from the environment are put there by whoever rotates; *a* is theirs.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::Serialize;
use uuid::Uuid;
use zeroize::Zeroizing;

use super::{Service, Settings};
use crate::actor::SystemPlane;
use crate::audit::{Draft, Operation};
use crate::binding::Decider;
use crate::clock::Timestamp;
use crate::error::{Conflict, Error};
use crate::page::{MAX_PAGE_ROWS, PageRequest};
use crate::provider_credential::CredentialPlace;
use crate::secret::{HeldKeyFile, MasterKey, MasterKeys, SecretError};
use crate::store::{CredentialToRewrap, KeptMasterKey, StoreError, WriteTx};
use crate::workspace::PLATFORM_WORKSPACE;

/// How many data keys are sealed anew in one transaction.
const KEYS_PER_TRANSACTION: i64 = 100;
/// How often a step is tried again that was not done within the time a mutation has.
const PATIENCE: u32 = 30;

/// What became of a rotation.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct MasterKeyRotation {
    /// The version everything is sealed under now, but for what is named below.
    pub version: u32,
    /// How many note keys were sealed anew.
    pub note_keys: u64,
    /// How many data keys were.
    pub data_keys: u64,
    /// The versions that nothing is sealed under any more, by this rotation.
    pub retired: Vec<u32>,
    /// Fields that open with no key there is. As long as there are any, the old keys stay.
    pub unopened: Vec<UnopenedCredential>,
    /// Whether the old keys are still to be taken away, out of the environment.
    pub drop_older: bool,
}

/// A field of a connection's credentials that does not open: to be set again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct UnopenedCredential {
    /// The workspace.
    pub workspace_id: Uuid,
    /// The connection.
    pub connection_id: Uuid,
    /// The field.
    pub field: String,
}

/// A master key there is or was, and what lies under it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct MasterKeyState {
    /// Which.
    pub version: u32,
    /// What tells it from another key of this version.
    pub fingerprint: String,
    /// Whether it is among those given to this process.
    pub given: bool,
    /// Since when it is known.
    pub created_at: Timestamp,
    /// When another took its place.
    pub superseded_at: Option<Timestamp>,
    /// When nothing was sealed under it any more.
    pub retired_at: Option<Timestamp>,
    /// How many note keys are sealed under it.
    pub note_keys: u64,
    /// How many data keys are.
    pub data_keys: u64,
}

/// What one transaction sealed anew.
#[derive(Default)]
struct Rewrapped {
    note_keys: u64,
    data_keys: u64,
    unopened: Vec<UnopenedCredential>,
    /// The last one looked at, if there may be more.
    last: Option<(Uuid, String)>,
}

impl Settings {
    /// A new master key of the version after the newest given, as text: to be put beside those in the environment. The first
    /// where none is given.
    ///
    /// # Errors
    /// When those given cannot be read, or there is no randomness.
    pub fn next_master_key(&self) -> Result<Zeroizing<String>, Error> {
        let key = match self.load_master_keys() {
            Ok(keys) => keys.newest().generate_next(&self.ids)?,
            Err(SecretError::Missing) => MasterKey::generate(&self.ids)?,
            Err(error) => return Err(error.into()),
        };
        Ok(key.to_text())
    }
}

impl Service {
    /// Puts a new master key in the place of the current one, or goes on with what was begun and not finished. Everything
    /// else goes on meanwhile, also where the old key was read from the file long ago. It may be killed at any moment.
    ///
    /// A key from the environment needs the new one beside it, of a later version.
    ///
    /// # Errors
    /// `rotation-running`; `next-master-key-required`; `master-key-mismatch` if the keys given are not those known;
    /// errors of the key file.
    pub async fn rotate_master_key(&self, _plane: &SystemPlane) -> Result<MasterKeyRotation, Error> {
        let held = match self.master.file() {
            Some(path) => Some(HeldKeyFile::take(path)?.ok_or(Conflict::RotationRunning)?),
            None => None,
        };
        let new = self.key_to_come(held.as_ref()).await?;
        self.supersede_keys(&new).await?;
        let mut rotation = MasterKeyRotation { version: new.version(), ..MasterKeyRotation::default() };
        for workspace_id in self.every_workspace().await? {
            self.rewrap_workspace(workspace_id, &mut rotation).await?;
        }
        rotation.retired = self.retire_unused().await?;
        let all_retired = self.known_keys().await?.iter().all(|key| key.version >= new.version() || key.is_retired());
        if all_retired && let Some(held) = &held {
            held.replace([&*new])?;
            held.remove_leftovers()?;
        }
        rotation.drop_older = all_retired && held.is_none() && self.master.versions().len() > 1;
        Ok(rotation)
    }

    /// The master keys there have been, by version, and how much is sealed under each.
    ///
    /// # Errors
    /// Internal ones.
    pub async fn master_key_status(&self, _plane: &SystemPlane) -> Result<Vec<MasterKeyState>, Error> {
        let used = self.used_keys().await?;
        let given = self.master.versions();
        let states = self.known_keys().await?.into_iter().map(|key| {
            let (note_keys, data_keys) = used.get(&key.version).copied().unwrap_or_default();
            MasterKeyState {
                given: given.contains(&key.version),
                version: key.version,
                fingerprint: key.fingerprint,
                created_at: key.created_at,
                superseded_at: key.superseded_at,
                retired_at: key.retired_at,
                note_keys,
                data_keys,
            }
        });
        Ok(states.collect())
    }

    /// Step *a*: the key that is to be the current one. A new one is made, and put beside the old in the file, only where
    /// nothing was left unfinished.
    async fn key_to_come(&self, held: Option<&HeldKeyFile>) -> Result<Arc<MasterKey>, Error> {
        let known = self.known_keys().await?;
        let current = known.iter().rfind(|key| key.superseded_at.is_none()).ok_or(StoreError::NotInitialised)?;
        let Some(held) = held else {
            let (current, newest) = (current.among(&self.master)?, self.master.newest());
            let finished = known.iter().all(|key| key.version == current.version() || key.is_retired());
            if newest.version() == current.version() && finished && self.master.versions().len() == 1 {
                return Err(Error::invalid(
                    "next-master-key-required",
                    "master_key",
                    "put a new key beside the old one: `provident master-key generate` makes it",
                ));
            }
            return Ok(newest);
        };
        held.remove_leftovers()?;
        let given = MasterKeys::load(held.path())?;
        let (current, newest) = (current.among(&given)?, given.newest());
        let finished = known.iter().all(|key| key.version == current.version() || key.is_retired());
        if !finished || given.versions() != [current.version()] {
            return Ok(newest);
        }
        let next = current.generate_next(&self.ids)?;
        held.replace([&*current, &next])?;
        Ok(self.master.of_version(next.version())?)
    }

    /// Step *b*: this key seals from now on, and those before it no more.
    async fn supersede_keys(&self, new: &MasterKey) -> Result<(), Error> {
        self.patiently(PLATFORM_WORKSPACE, |tx| self.supersede_keys_once(tx, new)).await
    }

    async fn supersede_keys_once(&self, mut tx: WriteTx, new: &MasterKey) -> Result<(), Error> {
        tx.lock_workspace(PLATFORM_WORKSPACE).await?;
        if let Some(known) = tx.master_keys().await?.iter().find(|key| key.version >= new.version()) {
            // Done before; by somebody else with another key, if it is not this one.
            let same = known.version == new.version() && known.fingerprint == new.fingerprint();
            return if same { Ok(()) } else { Err(SecretError::DoesNotOpen.into()) };
        }
        tx.supersede_master_keys_before(new.version()).await?;
        tx.insert_master_key(new).await?;
        tx.commit(about_key(Operation::MasterKeyRotate, new.version())).await?;
        Ok(())
    }

    /// Step *c*, of one workspace: what is sealed under older keys is sealed anew, a piece at a time.
    async fn rewrap_workspace(&self, workspace_id: Uuid, rotation: &mut MasterKeyRotation) -> Result<(), Error> {
        let mut tx = self.read(workspace_id).await?;
        let start = (Uuid::nil(), "");
        let data = tx.credentials_under_older_keys(workspace_id, rotation.version, start, 1).await?;
        let head = tx.chain_head(workspace_id).await?.ok_or(StoreError::NotInitialised)?;
        drop(tx);
        if data.is_empty() && head.note_key.master_key_version()? >= rotation.version {
            return Ok(());
        }
        let mut after = (Uuid::nil(), String::new());
        loop {
            let done = self.patiently(workspace_id, |tx| self.rewrap_once(tx, workspace_id, &after)).await?;
            rotation.note_keys = rotation.note_keys.saturating_add(done.note_keys);
            rotation.data_keys = rotation.data_keys.saturating_add(done.data_keys);
            rotation.unopened.extend(done.unopened);
            match done.last {
                Some(last) => after = last,
                None => return Ok(()),
            }
        }
    }

    async fn rewrap_once(
        &self,
        mut tx: WriteTx,
        workspace_id: Uuid,
        after: &(Uuid, String),
    ) -> Result<Rewrapped, Error> {
        let key = tx.sealing_key().await?;
        let mut done = Rewrapped::default();
        let after = (after.0, after.1.as_str());
        let found = tx.credentials_under_older_keys(workspace_id, key.version(), after, KEYS_PER_TRANSACTION).await?;
        for old in &found {
            self.rewrap_field(&mut tx, workspace_id, &key, old, &mut done).await?;
        }
        if i64::try_from(found.len()).is_ok_and(|found| found == KEYS_PER_TRANSACTION) {
            done.last = found.last().map(|last| (last.connection_id, last.sealed.field.clone()));
        } else {
            // The head is the last row a transaction locks.
            let head = tx.chain_head(workspace_id).await?.ok_or(StoreError::NotInitialised)?;
            if head.note_key.master_key_version()? < key.version() {
                let version = head.note_key_version;
                let anew = self.master.rewrap_note_key(&key, &head.note_key, workspace_id, version, &self.ids)?;
                done.note_keys = u64::from(tx.rewrap_note_key(workspace_id, &head.note_key, &anew).await?);
            }
        }
        if done.note_keys > 0 || done.data_keys > 0 {
            tx.commit(about_key(Operation::MasterKeyRewrap, key.version())).await?;
        }
        Ok(done)
    }

    async fn rewrap_field(
        &self,
        tx: &mut WriteTx,
        workspace_id: Uuid,
        key: &MasterKey,
        old: &CredentialToRewrap,
        done: &mut Rewrapped,
    ) -> Result<(), Error> {
        let CredentialToRewrap { environment_id, connection_id, sealed } = old;
        let place = CredentialPlace {
            workspace_id,
            environment_id: *environment_id,
            connection_id: *connection_id,
            field: &sealed.field,
        };
        let version = sealed.master_key_version;
        match self.master.rewrap_data_key(key, &place, &sealed.data_key_sealed, version, &self.ids) {
            Ok(anew) => {
                let rewrapped = tx.rewrap_credential(workspace_id, old, &anew, key.version()).await?;
                done.data_keys = done.data_keys.saturating_add(u64::from(rewrapped));
            }
            // One that nobody can open keeps the others from nothing.
            Err(SecretError::DoesNotOpen) => done.unopened.push(UnopenedCredential {
                workspace_id,
                connection_id: *connection_id,
                field: sealed.field.clone(),
            }),
            Err(error) => return Err(error.into()),
        }
        Ok(())
    }

    /// Step *d*: of every superseded key that nothing is sealed under any more, that is said.
    async fn retire_unused(&self) -> Result<Vec<u32>, Error> {
        let used = self.used_keys().await?;
        let mut retired = Vec::new();
        for key in self.known_keys().await? {
            if key.superseded_at.is_some() && !key.is_retired() && !used.contains_key(&key.version) {
                let version = key.version;
                if self.patiently(PLATFORM_WORKSPACE, |tx| self.retire_once(tx, version)).await? {
                    retired.push(version);
                }
            }
        }
        Ok(retired)
    }

    async fn retire_once(&self, mut tx: WriteTx, version: u32) -> Result<bool, Error> {
        let retired = tx.retire_master_key(version).await?;
        if retired {
            tx.commit(about_key(Operation::MasterKeyRetire, version)).await?;
        }
        Ok(retired)
    }

    async fn known_keys(&self) -> Result<Vec<KeptMasterKey>, Error> {
        Ok(self.read(PLATFORM_WORKSPACE).await?.master_keys().await?)
    }

    /// How many note keys and data keys are sealed under each version.
    async fn used_keys(&self) -> Result<BTreeMap<u32, (u64, u64)>, Error> {
        let mut used: BTreeMap<u32, (u64, u64)> = BTreeMap::new();
        for workspace_id in self.every_workspace().await? {
            let mut tx = self.read(workspace_id).await?;
            let head = tx.chain_head(workspace_id).await?.ok_or(StoreError::NotInitialised)?;
            let (note_keys, _) = used.entry(head.note_key.master_key_version()?).or_default();
            *note_keys = note_keys.saturating_add(1);
            for (version, count) in tx.credentials_by_master_key(workspace_id).await? {
                let (_, data_keys) = used.entry(version).or_default();
                *data_keys = data_keys.saturating_add(count);
            }
        }
        Ok(used)
    }

    /// The platform's own workspace, and every other.
    async fn every_workspace(&self) -> Result<Vec<Uuid>, Error> {
        let mut all = vec![PLATFORM_WORKSPACE];
        let mut page = PageRequest::new(MAX_PAGE_ROWS, None);
        loop {
            let found = self.read(PLATFORM_WORKSPACE).await?.workspaces(page).await?;
            all.extend(found.items.iter().map(|workspace| workspace.id));
            match found.next {
                Some(next) => page = PageRequest::new(MAX_PAGE_ROWS, Some(next)),
                None => return Ok(all),
            }
        }
    }

    /// A mutation that has more time than others: nobody waits for its answer.
    async fn patiently<T, F, Attempt>(&self, workspace_id: Uuid, attempt: F) -> Result<T, Error>
    where
        F: Fn(WriteTx) -> Attempt,
        Attempt: Future<Output = Result<T, Error>>,
    {
        for _ in 1..PATIENCE {
            match self.mutate(workspace_id, &attempt).await {
                Err(error) if ["deadline-exceeded", "database-busy"].contains(&error.code()) => {}
                outcome => return outcome,
            }
        }
        self.mutate(workspace_id, attempt).await
    }
}

fn about_key(operation: Operation, version: u32) -> Draft {
    let mut event = Draft::new(operation, Decider::System);
    event.key_version = Some(version);
    event
}
