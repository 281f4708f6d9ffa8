//! Lines about what a decision may name as its source: runs, baselines, policy versions. As `mirror.rs`.

use uuid::Uuid;

use super::mirror::{Mirror, Stop, not_found, refuse_own, refused, taken};
use crate::registry::{LineAnswer, RecordRef, RegistryLine, RunCode, RunOutcome, RunRecord, ShortText, Version};
use crate::store::{KnownAssignment, KnownPolicyVersion, KnownProfile, KnownRun, KnownSnapshot, WriteTx};
use crate::workspace::DisplayName;

/// A version as it is stored.
fn stored(version: &Version) -> Option<&str> {
    version.label.as_ref().map(ShortText::as_str)
}

impl Mirror<'_> {
    pub(super) async fn run(
        &mut self,
        tx: &mut WriteTx,
        line: &RegistryLine,
        record: &RunRecord,
    ) -> Result<LineAnswer, Stop> {
        let scope = self.place(&record.environment)?;
        let environment_id = scope.environment_id();
        let connection = match &record.connection {
            None => None,
            Some(reference) => {
                let found = self.known.connections.find(reference);
                let found = found.filter(|(_, row)| row.managed_environment_id == environment_id);
                let (id, row) = found.ok_or_else(|| not_found("provider_connection"))?;
                Some((id, row.provider_key.as_str()))
            }
        };
        let connection_id = connection.map(|(id, _)| id);
        let (outcome, reason) = (record.outcome.map(RunOutcome::as_str), record.reason_code.as_ref());
        let reason = reason.map(RunCode::as_str);
        let answer = if let Some((id, known)) = self.known.runs.named(line.external_ref.as_str()) {
            if known.managed_environment_id != environment_id
                || known.operation_type != record.operation_type.as_str()
                || known.provider_connection_id != connection_id
            {
                return Err(taken());
            }
            if known.status == record.status.as_str()
                && known.outcome.as_deref() == outcome
                && known.reason_code.as_deref() == reason
                && known.started_at == record.started_at
                && known.ended_at == record.ended_at
            {
                return Ok(LineAnswer::Unchanged(id));
            }
            refuse_own(known.mirrored, "external_ref")?;
            self.refuse_second(line)?;
            tx.update_mirrored_run(&scope, id, record).await?;
            LineAnswer::Changed(id)
        } else {
            let id = tx.new_id()?;
            tx.insert_mirrored_run(&scope, id, &line.external_ref, connection, record).await?;
            LineAnswer::Added(id)
        };
        if let LineAnswer::Added(id) | LineAnswer::Changed(id) = answer {
            let external_ref = Some(line.external_ref.as_str().to_owned());
            let row = KnownRun {
                id,
                external_ref: external_ref.clone(),
                mirrored: true,
                managed_environment_id: environment_id,
                operation_type: record.operation_type.as_str().to_owned(),
                provider_connection_id: connection_id,
                status: record.status.as_str().to_owned(),
                outcome: outcome.map(str::to_owned),
                reason_code: reason.map(str::to_owned),
                started_at: record.started_at,
                ended_at: record.ended_at,
            };
            self.known.runs.insert(id, external_ref, row);
        }
        Ok(answer)
    }

    pub(super) async fn profile(
        &mut self,
        tx: &mut WriteTx,
        line: &RegistryLine,
        display_name: &DisplayName,
    ) -> Result<LineAnswer, Stop> {
        let name = line.external_ref.as_str();
        let answer = if let Some((id, known)) = self.known.profiles.named(name) {
            if known.display_name == display_name.as_str() {
                return Ok(LineAnswer::Unchanged(id));
            }
            refuse_own(known.mirrored, "external_ref")?;
            self.refuse_second(line)?;
            tx.update_mirrored_profile(self.workspace_id, id, display_name).await?;
            LineAnswer::Changed(id)
        } else {
            let id = tx.new_id()?;
            tx.insert_mirrored_profile(self.workspace_id, id, &line.external_ref, display_name).await?;
            LineAnswer::Added(id)
        };
        if let LineAnswer::Added(id) | LineAnswer::Changed(id) = answer {
            let (external_ref, display_name) = (Some(name.to_owned()), display_name.as_str().to_owned());
            let row = KnownProfile { id, external_ref, mirrored: true, display_name };
            self.known.profiles.insert(id, Some(name.to_owned()), row);
        }
        Ok(answer)
    }

    fn profile_id(&self, reference: &RecordRef) -> Result<Uuid, Stop> {
        let found = self.known.profiles.find(reference);
        found.map(|(id, _)| id).ok_or_else(|| not_found("baseline_profile"))
    }

    pub(super) async fn snapshot(
        &mut self,
        tx: &mut WriteTx,
        line: &RegistryLine,
        profile: &RecordRef,
        version: &Version,
    ) -> Result<LineAnswer, Stop> {
        let profile_id = self.profile_id(profile)?;
        let answer = if let Some((id, known)) = self.known.snapshots.named(line.external_ref.as_str()) {
            if known.baseline_profile_id != profile_id {
                return Err(taken());
            }
            if known.version_label.as_deref() == stored(version) && known.captured_at == version.captured_at {
                return Ok(LineAnswer::Unchanged(id));
            }
            refuse_own(known.mirrored, "external_ref")?;
            self.refuse_second(line)?;
            tx.update_mirrored_snapshot(self.workspace_id, id, version).await?;
            LineAnswer::Changed(id)
        } else {
            let id = tx.new_id()?;
            tx.insert_mirrored_snapshot(self.workspace_id, id, &line.external_ref, profile_id, version).await?;
            LineAnswer::Added(id)
        };
        if let LineAnswer::Added(id) | LineAnswer::Changed(id) = answer {
            let external_ref = Some(line.external_ref.as_str().to_owned());
            let row = KnownSnapshot {
                id,
                external_ref: external_ref.clone(),
                mirrored: true,
                baseline_profile_id: profile_id,
                version_label: stored(version).map(str::to_owned),
                captured_at: version.captured_at,
            };
            self.known.snapshots.insert(id, external_ref, row);
        }
        Ok(answer)
    }

    pub(super) async fn assignment(
        &mut self,
        tx: &mut WriteTx,
        line: &RegistryLine,
        environment: &RecordRef,
        profile: &RecordRef,
        ended: bool,
    ) -> Result<LineAnswer, Stop> {
        let scope = self.place(environment)?;
        let profile_id = self.profile_id(profile)?;
        let place = (scope.environment_id(), profile_id);
        let known = self.known.assignments.named(line.external_ref.as_str());
        let old = known.map(|(id, _)| id);
        if let Some((id, known)) = known {
            if (known.managed_environment_id, known.baseline_profile_id) != place {
                return Err(taken());
            }
            if known.ended == ended {
                return Ok(LineAnswer::Unchanged(id));
            }
            refuse_own(known.mirrored, "external_ref")?;
            self.refuse_second(line)?;
        }
        if !ended && self.known.in_force.get(&place).is_some_and(|other| Some(*other) != old) {
            let message = "the profile is assigned to the environment already";
            return Err(refused("assignment-exists", "baseline_profile", message));
        }
        let id = old.map_or_else(|| tx.new_id(), Ok)?;
        if old.is_some() {
            tx.update_mirrored_assignment(&scope, id, ended).await?;
        } else {
            tx.insert_mirrored_assignment(&scope, id, &line.external_ref, profile_id, ended).await?;
        }
        if !ended {
            self.known.in_force.insert(place, id);
        } else if self.known.in_force.get(&place) == Some(&id) {
            self.known.in_force.remove(&place);
        }
        let external_ref = Some(line.external_ref.as_str().to_owned());
        let row = KnownAssignment {
            id,
            external_ref: external_ref.clone(),
            mirrored: true,
            managed_environment_id: scope.environment_id(),
            baseline_profile_id: profile_id,
            ended,
        };
        self.known.assignments.insert(id, external_ref, row);
        Ok(if old.is_some() { LineAnswer::Changed(id) } else { LineAnswer::Added(id) })
    }

    pub(super) async fn version(
        &mut self,
        tx: &mut WriteTx,
        line: &RegistryLine,
        environment: &RecordRef,
        item_id: Option<Uuid>,
        version: &Version,
    ) -> Result<LineAnswer, Stop> {
        let scope = self.place(environment)?;
        let environment_id = scope.environment_id();
        if item_id.is_some_and(|id| self.known.items.get(&id) != Some(&environment_id)) {
            return Err(not_found("inventory_item_id"));
        }
        let answer = if let Some((id, known)) = self.known.versions.named(line.external_ref.as_str()) {
            if known.managed_environment_id != environment_id {
                return Err(taken());
            }
            if known.inventory_item_id == item_id
                && known.version_label.as_deref() == stored(version)
                && known.captured_at == version.captured_at
            {
                return Ok(LineAnswer::Unchanged(id));
            }
            refuse_own(known.mirrored, "external_ref")?;
            self.refuse_second(line)?;
            tx.update_mirrored_policy_version(&scope, id, item_id, version).await?;
            LineAnswer::Changed(id)
        } else {
            let id = tx.new_id()?;
            tx.insert_mirrored_policy_version(&scope, id, &line.external_ref, item_id, version).await?;
            LineAnswer::Added(id)
        };
        if let LineAnswer::Added(id) | LineAnswer::Changed(id) = answer {
            let external_ref = Some(line.external_ref.as_str().to_owned());
            let row = KnownPolicyVersion {
                id,
                external_ref: external_ref.clone(),
                mirrored: true,
                managed_environment_id: environment_id,
                inventory_item_id: item_id,
                version_label: stored(version).map(str::to_owned),
                captured_at: version.captured_at,
            };
            self.known.versions.insert(id, external_ref, row);
        }
        Ok(answer)
    }
}
