//! Lines about connections: one directory per environment and provider, and at most one default. As `mirror.rs`.

use std::collections::HashMap;

use uuid::Uuid;

use super::mirror::{Mirror, Sighting, Stop, refuse_own, refused, row_of, sighting, taken};
use crate::registry::{ConnectionRecord, LineAnswer, RegistryLine, ShortText};
use crate::run::scope_key;
use crate::store::{EnvironmentScope, KnownConnection, KnownDirectory, WriteTx};

impl Mirror<'_> {
    pub(super) async fn connection(
        &mut self,
        tx: &mut WriteTx,
        line: &RegistryLine,
        record: &ConnectionRecord,
    ) -> Result<LineAnswer, Stop> {
        let scope = self.place(&record.environment)?;
        let environment_id = scope.environment_id();
        let known = self.known.connections.named(line.external_ref.as_str());
        let theirs = |(_, row): &(Uuid, &KnownConnection)| {
            row.managed_environment_id != environment_id || row.provider_key != record.provider_key.as_str()
        };
        if known.as_ref().is_some_and(theirs) {
            return Err(taken());
        }
        self.refuse_other_directory(environment_id, record)?;
        let claim = sighting(&["default", &environment_id.to_string(), record.provider_key.as_str()]);
        if record.is_default {
            self.refuse_other_claim(claim, line)?;
        }
        let old = known.map(|(id, _)| id);
        if let Some((id, known)) = known {
            let directory_id = record.directory_id.as_ref().map(ShortText::as_str);
            if known.display_name == record.display_name.as_str()
                && known.status == record.status.as_str()
                && known.is_default == record.is_default
                && (directory_id.is_none() || directory_id == known.directory_id.as_deref())
            {
                self.claim(record, claim, line);
                return Ok(LineAnswer::Unchanged(id));
            }
            refuse_own(known.mirrored, "external_ref")?;
            self.refuse_second(line)?;
        }
        let id = old.map_or_else(|| tx.new_id(), Ok)?;
        self.make_room(tx, &scope, id, record).await?;
        if old.is_some() {
            tx.update_mirrored_connection(&scope, id, record).await?;
        } else {
            tx.insert_mirrored_connection(&scope, id, &line.external_ref, record).await?;
        }
        self.keep_connection(line, &scope, id, record);
        self.claim(record, claim, line);
        Ok(if old.is_some() { LineAnswer::Changed(id) } else { LineAnswer::Added(id) })
    }

    /// Within an environment one provider key means one directory.
    fn refuse_other_directory(&self, environment_id: Uuid, record: &ConnectionRecord) -> Result<(), Stop> {
        let place = (environment_id, record.provider_key.as_str().to_owned());
        let theirs = self.known.directories.get(&place).and_then(|row| row.directory_id.as_deref());
        match (theirs, record.directory_id.as_ref().map(ShortText::as_str)) {
            (Some(theirs), Some(ours)) if theirs != ours => Err(refused(
                "connection-directory-mismatch",
                "directory_id",
                "the provider has another directory in this environment",
            )),
            _ => Ok(()),
        }
    }

    /// Of two lines that each make a connection the default, one is wrong.
    fn refuse_other_claim(&self, claim: Sighting, line: &RegistryLine) -> Result<(), Stop> {
        let row = row_of(line);
        let first = |seen: &HashMap<Sighting, u64>| seen.get(&row).copied();
        let ours = first(&self.seen).or_else(|| first(self.earlier));
        let claimed = self.seen.get(&claim).or_else(|| self.earlier.get(&claim)).copied();
        if claimed.is_some() && claimed == ours {
            return Ok(());
        }
        self.refuse_seen(claim, "is_default", "a line before makes another connection the default")
    }

    fn claim(&mut self, record: &ConnectionRecord, claim: Sighting, line: &RegistryLine) {
        if record.is_default {
            self.seen.entry(claim).or_insert(line.position);
        }
    }

    /// The provider's row there, and no other default in the way.
    async fn make_room(
        &mut self,
        tx: &mut WriteTx,
        scope: &EnvironmentScope,
        id: Uuid,
        record: &ConnectionRecord,
    ) -> Result<(), Stop> {
        let provider_key = record.provider_key.as_str();
        let place = (scope.environment_id(), provider_key.to_owned());
        let known = self.known.directories.get(&place);
        let default = known.and_then(|row| row.default_id.zip(row.default_mirrored)).filter(|(other, _)| *other != id);
        if let Some((_, mirrored)) = default.filter(|_| record.is_default) {
            refuse_own(mirrored, "is_default")?;
        }
        match (known, &record.directory_id) {
            (None, directory_id) => tx.insert_directory(scope, provider_key, directory_id.as_ref()).await?,
            (Some(row), Some(directory_id)) if row.directory_id.is_none() => {
                // Runs of this environment exclude each other by it alone until the directory is known.
                tx.lock_directory(scope, provider_key).await?;
                let key = scope_key(provider_key, None, scope.environment_id());
                if tx.active_run(scope.workspace_id(), &key, provider_key, None).await?.is_some() {
                    return Err(refused("scope-busy", "directory_id", "an operation is under way in the environment"));
                }
                tx.update_directory(scope, provider_key, directory_id).await?;
            }
            _ => {}
        }
        if let Some((other, _)) = default.filter(|_| record.is_default) {
            tx.clear_mirrored_default(scope, other).await?;
            if let Some(other) = self.known.connections.get_mut(other) {
                other.is_default = false;
            }
        }
        Ok(())
    }

    fn keep_connection(&mut self, line: &RegistryLine, scope: &EnvironmentScope, id: Uuid, record: &ConnectionRecord) {
        let environment_id = scope.environment_id();
        let directory_id = record.directory_id.as_ref().map(|text| text.as_str().to_owned());
        let place = (environment_id, record.provider_key.as_str().to_owned());
        let known = self.known.directories.entry(place).or_insert_with(|| KnownDirectory {
            managed_environment_id: environment_id,
            provider_key: record.provider_key.as_str().to_owned(),
            directory_id: None,
            default_id: None,
            default_mirrored: None,
        });
        known.directory_id = known.directory_id.take().or_else(|| directory_id.clone());
        if record.is_default {
            (known.default_id, known.default_mirrored) = (Some(id), Some(true));
        } else if known.default_id == Some(id) {
            (known.default_id, known.default_mirrored) = (None, None);
        }
        let stays = self.known.connections.get(id).and_then(|row| row.directory_id.clone());
        let external_ref = Some(line.external_ref.as_str().to_owned());
        let row = KnownConnection {
            id,
            external_ref: external_ref.clone(),
            mirrored: true,
            managed_environment_id: environment_id,
            provider_key: record.provider_key.as_str().to_owned(),
            directory_id: directory_id.or(stays),
            display_name: record.display_name.as_str().to_owned(),
            status: record.status.as_str().to_owned(),
            is_default: record.is_default,
        };
        self.known.connections.insert(id, external_ref, row);
    }
}
