//! Which line does what to which row: judged against what is known, written if the row is another, and known from then on.
//!
//! Rules that hold for every kind: a row of the installation's own is never changed; what a row belongs to never changes;
//! a row in an environment the actor is not entitled to is as one that is not there; a line that says what is so already
//! writes nothing. Environments and who may what in them are here, the rest is `connections.rs` and `sources.rs`.

use std::collections::HashMap;

use sha2::{Digest as _, Sha256};
use uuid::Uuid;

use super::known::Known;
use crate::error::{Conflict, Error};
use crate::inventory::ImportRefusal;
use crate::policy::{FIRST_ROLE, Role};
use crate::registry::{LineAnswer, Record, RecordRef, RegistryLine};
use crate::service::membership::refuse_last;
use crate::store::{EnvironmentScope, KnownEntitlement, KnownEnvironment, KnownMembership, StoreError, WriteTx};
use crate::workspace::DisplayName;

/// A row a sync has spoken of: the first half of a SHA-256 of what names it, so that a long sync fits in memory.
pub(super) type Sighting = [u8; 16];

pub(super) fn sighting(parts: &[&str]) -> Sighting {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update(part.len().to_be_bytes());
        hash.update(part);
    }
    let digest: [u8; 32] = hash.finalize().into();
    let mut first = [0; 16];
    first.iter_mut().zip(digest).for_each(|(to, from)| *to = from);
    first
}

/// Why a line did nothing, or why nothing can go on.
pub(super) enum Stop {
    Refused(Refusal),
    Failed(Error),
}

pub(super) struct Refusal {
    code: &'static str,
    field: &'static str,
    message: &'static str,
    first_position: Option<u64>,
}

impl<E: Into<Error>> From<E> for Stop {
    fn from(error: E) -> Self {
        Self::Failed(error.into())
    }
}

pub(super) fn refused(code: &'static str, field: &'static str, message: &'static str) -> Stop {
    Stop::Refused(Refusal { code, field, message, first_position: None })
}

/// Hidden and missing.
pub(super) fn not_found(field: &'static str) -> Stop {
    refused("not-found", field, "there is no such row")
}

/// The row of this name belongs elsewhere, or to somebody else.
pub(super) fn taken() -> Stop {
    refused("external-ref-taken", "external_ref", "another row has it; what a row belongs to does not change")
}

/// The row goes by another name.
pub(super) fn mirrored_already(field: &'static str) -> Stop {
    refused("mirrored-already", field, "the row is mirrored under another external reference")
}

/// Refuses to change a row of the installation's own.
pub(super) fn refuse_own(mirrored: bool, field: &'static str) -> Result<(), Stop> {
    if mirrored { Ok(()) } else { Err(refused("not-mirrored", field, "the row is the installation's own")) }
}

/// A conflict is the line's, and spoils no other.
fn of_line(error: Error, field: &'static str) -> Stop {
    match error {
        Error::Conflict(Conflict::LastOwner) => {
            refused("last-owner", field, "a workspace keeps at least one member who may manage it")
        }
        Error::Conflict(Conflict::LastEntitlement) => {
            refused("last-entitlement", field, "an environment keeps at least one entitled member who may manage it")
        }
        error => Stop::Failed(error),
    }
}

/// What lines are judged against, and what they left.
pub(super) struct Mirror<'a> {
    pub(super) workspace_id: Uuid,
    pub(super) actor_id: Uuid,
    pub(super) known: Known,
    pub(super) earlier: &'a HashMap<Sighting, u64>,
    pub(super) seen: HashMap<Sighting, u64>,
    /// Whether the actor has given up, a line before, what they act by.
    resigned: bool,
}

impl<'a> Mirror<'a> {
    /// Of these lines. The workspace is locked.
    pub(super) async fn of<'l>(
        tx: &mut WriteTx,
        workspace_id: Uuid,
        actor_id: Uuid,
        earlier: &'a HashMap<Sighting, u64>,
        lines: impl Iterator<Item = &'l RegistryLine> + Clone,
    ) -> Result<Self, Error> {
        let known = Known::of(tx, workspace_id, actor_id, lines).await?;
        Ok(Self { workspace_id, actor_id, known, earlier, seen: HashMap::new(), resigned: false })
    }

    /// The rows these lines spoke of, and where.
    pub(super) fn into_seen(self) -> HashMap<Sighting, u64> {
        self.seen
    }

    /// Does what a line says.
    pub(super) async fn answer(&mut self, tx: &mut WriteTx, line: &RegistryLine) -> Result<LineAnswer, Error> {
        let answer = match &line.record {
            _ if self.resigned => {
                Err(refused("forbidden", "external_ref", "a line before has ended what the actor acts by"))
            }
            Record::Environment { display_name } => self.environment(tx, line, display_name).await,
            Record::Membership { user_id, role, ended } => self.membership(tx, line, *user_id, *role, *ended).await,
            Record::Entitlement { environment, user_id, ended } => {
                self.entitlement(tx, line, environment, *user_id, *ended).await
            }
            Record::ProviderConnection(connection) => self.connection(tx, line, connection).await,
            Record::OperationRun(run) => self.run(tx, line, run).await,
            Record::BaselineProfile { display_name } => self.profile(tx, line, display_name).await,
            Record::BaselineSnapshot { profile, version } => self.snapshot(tx, line, profile, version).await,
            Record::BaselineAssignment { environment, profile, ended } => {
                self.assignment(tx, line, environment, profile, *ended).await
            }
            Record::PolicyVersion { environment, inventory_item_id, version } => {
                self.version(tx, line, environment, *inventory_item_id, version).await
            }
        };
        match answer {
            Ok(answer) => {
                self.seen.entry(row_of(line)).or_insert(line.position);
                Ok(answer)
            }
            Err(Stop::Refused(Refusal { code, field, message, first_position })) => {
                Ok(LineAnswer::Refused(ImportRefusal {
                    position: line.position,
                    first_position,
                    code: code.to_owned(),
                    field: field.to_owned(),
                    message: message.to_owned(),
                }))
            }
            Err(Stop::Failed(error)) => Err(error),
        }
    }

    /// Refuses to change a row this sync has spoken of already: of the two lines one is wrong, and each sync would change
    /// it to and fro.
    pub(super) fn refuse_second(&self, line: &RegistryLine) -> Result<(), Stop> {
        self.refuse_seen(row_of(line), "external_ref", "a line before says something else of the row")
    }

    pub(super) fn refuse_seen(&self, row: Sighting, field: &'static str, message: &'static str) -> Result<(), Stop> {
        match self.seen.get(&row).or_else(|| self.earlier.get(&row)) {
            None => Ok(()),
            Some(first) => {
                let first_position = Some(*first);
                Err(Stop::Refused(Refusal { code: "duplicate-record", field, message, first_position }))
            }
        }
    }

    /// An environment, for an actor entitled to it.
    pub(super) fn place(&self, reference: &RecordRef) -> Result<EnvironmentScope, Stop> {
        let found = self.known.environments.find(reference).filter(|(_, row)| row.entitled);
        found.map(|(_, row)| row.scope(self.workspace_id)).ok_or_else(|| not_found("environment"))
    }

    async fn environment(
        &mut self,
        tx: &mut WriteTx,
        line: &RegistryLine,
        display_name: &DisplayName,
    ) -> Result<LineAnswer, Stop> {
        let name = line.external_ref.as_str();
        if let Some((id, known)) = self.known.environments.named(name) {
            if !known.entitled {
                return Err(taken());
            }
            if known.display_name == display_name.as_str() {
                return Ok(LineAnswer::Unchanged(id));
            }
            refuse_own(known.mirrored, "external_ref")?;
            self.refuse_second(line)?;
            tx.update_mirrored_environment(&known.scope(self.workspace_id), display_name).await?;
            if let Some(known) = self.known.environments.get_mut(id) {
                display_name.as_str().clone_into(&mut known.display_name);
            }
            return Ok(LineAnswer::Changed(id));
        }
        let id = tx.new_id()?;
        let (workspace_id, user_id) = (self.workspace_id, self.actor_id);
        let scope = tx.insert_mirrored_environment(workspace_id, id, &line.external_ref, display_name).await?;
        tx.insert_entitlement(&scope, user_id).await?.ok_or(StoreError::Busy)?;
        let (external_ref, display_name) = (Some(name.to_owned()), display_name.as_str().to_owned());
        let row = KnownEnvironment { id, external_ref, mirrored: true, display_name, entitled: true };
        self.known.environments.insert(id, Some(name.to_owned()), row);
        let row =
            KnownEntitlement { managed_environment_id: id, user_id, external_ref: None, mirrored: false, ended: false };
        self.known.entitlements.insert((id, user_id), None, row);
        Ok(LineAnswer::Added(id))
    }

    async fn membership(
        &mut self,
        tx: &mut WriteTx,
        line: &RegistryLine,
        user_id: Uuid,
        role: Role,
        ended: bool,
    ) -> Result<LineAnswer, Stop> {
        let name = line.external_ref.as_str();
        if self.known.memberships.named(name).is_some_and(|(other, _)| other != user_id) {
            return Err(taken());
        }
        let unknown_user = || refused("unknown-user", "user_id", "there is no such user");
        let is_live = self.known.users.contains(&user_id);
        let Some(known) = self.known.memberships.get(user_id) else {
            if !is_live {
                return Err(unknown_user());
            }
            tx.insert_mirrored_membership(self.workspace_id, user_id, &line.external_ref, role, ended).await?;
            self.keep_membership(line, user_id, role, ended);
            return Ok(LineAnswer::Added(user_id));
        };
        if known.mirrored && known.external_ref.as_deref() != Some(name) {
            return Err(mirrored_already("user_id"));
        }
        // Of somebody who is no member any longer it does not matter what they were.
        if known.ended == ended && (ended || known.role == role.as_str()) {
            return Ok(LineAnswer::Unchanged(user_id));
        }
        refuse_own(known.mirrored, "user_id")?;
        self.refuse_second(line)?;
        let old_role = known.role.parse::<Role>().map_err(|_| StoreError::Corrupt("role"))?;
        if !known.ended {
            let field = if ended { "ended" } else { "role" };
            let last = refuse_last(tx, self.workspace_id, user_id, old_role).await;
            last.map_err(|error| of_line(error, field))?;
        } else if !is_live {
            return Err(unknown_user());
        }
        if ended {
            tx.end_membership(self.workspace_id, user_id).await?.ok_or(StoreError::Busy)?;
            self.forget_entitlements(user_id);
            self.keep_membership(line, user_id, old_role, true);
        } else {
            tx.update_mirrored_membership(self.workspace_id, user_id, role).await?;
            self.keep_membership(line, user_id, role, false);
        }
        Ok(LineAnswer::Changed(user_id))
    }

    fn keep_membership(&mut self, line: &RegistryLine, user_id: Uuid, role: Role, ended: bool) {
        self.resigned |= user_id == self.actor_id && (ended || role != FIRST_ROLE);
        let external_ref = Some(line.external_ref.as_str().to_owned());
        let row = KnownMembership {
            user_id,
            external_ref: external_ref.clone(),
            mirrored: true,
            role: role.as_str().to_owned(),
            ended,
        };
        self.known.memberships.insert(user_id, external_ref, row);
    }

    /// Every entitlement ends with the membership.
    fn forget_entitlements(&mut self, user_id: Uuid) {
        for row in self.known.entitlements.values_mut().filter(|row| row.user_id == user_id) {
            row.ended = true;
        }
        if user_id == self.actor_id {
            self.known.environments.values_mut().for_each(|row| row.entitled = false);
        }
    }

    async fn entitlement(
        &mut self,
        tx: &mut WriteTx,
        line: &RegistryLine,
        environment: &RecordRef,
        user_id: Uuid,
        ended: bool,
    ) -> Result<LineAnswer, Stop> {
        let scope = self.place(environment)?;
        let (key, name) = ((scope.environment_id(), user_id), line.external_ref.as_str());
        if self.known.entitlements.named(name).is_some_and(|(other, _)| other != key) {
            return Err(taken());
        }
        let not_a_member = || refused("not-a-member", "user_id", "the user is not a member");
        let member = self.known.memberships.get(user_id).ok_or_else(not_a_member)?;
        let Some(known) = self.known.entitlements.get(key) else {
            if member.ended && !ended {
                return Err(not_a_member());
            }
            tx.insert_mirrored_entitlement(&scope, user_id, &line.external_ref, ended).await?;
            self.keep_entitlement(line, key, ended);
            return Ok(LineAnswer::Added(user_id));
        };
        if known.mirrored && known.external_ref.as_deref() != Some(name) {
            return Err(mirrored_already("user_id"));
        }
        if known.ended == ended {
            return Ok(LineAnswer::Unchanged(user_id));
        }
        refuse_own(known.mirrored, "user_id")?;
        self.refuse_second(line)?;
        if ended {
            let manages = !member.ended && member.role == FIRST_ROLE.as_str();
            let only = Some(scope.environment_id());
            if manages && tx.alone_entitled_of_role(self.workspace_id, user_id, only, FIRST_ROLE).await? {
                return Err(of_line(Conflict::LastEntitlement.into(), "ended"));
            }
            tx.end_entitlement(&scope, user_id).await?.ok_or(StoreError::Busy)?;
        } else {
            if member.ended {
                return Err(not_a_member());
            }
            tx.insert_entitlement(&scope, user_id).await?.ok_or(StoreError::Busy)?;
        }
        self.keep_entitlement(line, key, ended);
        Ok(LineAnswer::Changed(user_id))
    }

    fn keep_entitlement(&mut self, line: &RegistryLine, (environment_id, user_id): (Uuid, Uuid), ended: bool) {
        let external_ref = Some(line.external_ref.as_str().to_owned());
        let row = KnownEntitlement {
            managed_environment_id: environment_id,
            user_id,
            external_ref: external_ref.clone(),
            mirrored: true,
            ended,
        };
        self.known.entitlements.insert((environment_id, user_id), external_ref, row);
        if user_id == self.actor_id
            && let Some(environment) = self.known.environments.get_mut(environment_id)
        {
            environment.entitled = !ended;
        }
    }
}

pub(super) fn row_of(line: &RegistryLine) -> Sighting {
    sighting(&["row", line.record.kind().as_str(), line.external_ref.as_str()])
}
