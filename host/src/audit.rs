//! Audit: what an event says, and how events hang together.
//!
//! An event has the members of [`AuditEvent`] and no others (P381-87): ids, codes, keys and counts, never a
//! note, a label, a payload or a secret (P381-88, -89). Of a note it has the length and an HMAC under a key of
//! the workspace, because a bare hash of a short note can be guessed (X18). Events of a workspace are numbered
//! without gaps and chained by [`chain_hash`] over their RFC 8785 JSON. Numbering and chaining happen in
//! [`crate::store`], in the transaction that is told of.
//!
//! Here is what a service function says of what it did; what is kept of that is in `event.rs`, its bytes in
//! `canonical.rs`. Whether a chain holds, `verify.rs` finds out, and `checkpoint.rs` is what it can be held to from
//! outside.

mod canonical;
mod checkpoint;
mod event;
mod verify;

pub use checkpoint::{Checkpoint, InvalidCheckpoint};
pub use event::{AuditEvent, CHAIN_FORMAT, ChainedEvent, GENESIS_HASH, NotAnEvent, chain_hash};
pub use verify::{Fault, Finding, Verdict, Verified, Verifier};

use provident_identity::{BindingStatus, ResolutionMode, SubjectClass};
use uuid::Uuid;

use crate::actor::{Actor, RequestId};
use crate::binding::{Binding, Decider, Note, Sources};
use crate::clock::Timestamp;
use crate::inventory::ImportCounts;
use crate::policy::{Denial, Role};
use crate::registry::RunOutcome;
use crate::run::ReasonCode;
use crate::secret::NoteKey;

/// One thing that can be done and is told of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Operation {
    /// An installation was set up.
    PlatformInit,
    /// A person was made known.
    UserCreate,
    /// A user became a stranger everywhere.
    UserDisable,
    /// A subject of an identity provider was said to be a user.
    UserIdentityLink,
    /// It no longer is.
    UserIdentityEnd,
    /// A token was made.
    TokenCreate,
    /// A token ended before its time.
    TokenRevoke,
    /// A workspace was made, with its first member.
    WorkspaceCreate,
    /// A member came, or came back.
    MembershipAdd,
    /// A member's role changed.
    MembershipChange,
    /// A member left.
    MembershipEnd,
    /// An environment was made, and its maker entitled.
    EnvironmentCreate,
    /// A member was entitled to an environment.
    EntitlementGrant,
    /// A member no longer is.
    EntitlementEnd,
    /// A piece of an import was taken in.
    InventoryImport,
    /// An import ended; its counts are the totals.
    InventoryImportFinish,
    /// A piece of what a platform keeps was mirrored.
    RegistrySync,
    /// A sync ended; its counts are the totals.
    RegistrySyncFinish,
    /// The master key an installation had before there was a list of them was made known.
    MasterKeyRegister,
    /// A new master key took the place of the one before it.
    MasterKeyRotate,
    /// Keys of a workspace were sealed anew, under the current master key.
    MasterKeyRewrap,
    /// Nothing is sealed under a master key any more.
    MasterKeyRetire,
    /// A connection was made.
    ConnectionCreate,
    /// A connection is called otherwise, or its directory is known.
    ConnectionUpdate,
    /// A connection is the one taken where none is named; the one that was no longer is.
    ConnectionMakeDefault,
    /// A connection is in use again.
    ConnectionEnable,
    /// A connection is no longer in use.
    ConnectionDisable,
    /// A connection was checked.
    ConnectionCheck,
    /// What a connection logs in with was set.
    ProviderCredentialSet,
    /// A run was started.
    RunStart,
    /// Work on a run began, or began again.
    RunBegin,
    /// A run ended.
    RunEnd,
    /// Somebody ended a run.
    RunCancel,
    /// A piece of a collection was taken in.
    InventoryCollect,
    /// What a complete collection did not find was marked.
    InventoryMark,
    /// A first decision about a subject.
    BindingCreate,
    /// A decision in place of the active one.
    BindingSupersede,
    /// The end of the active one.
    BindingRevoke,
    /// The notes of a binding gave way to a marker. What events say of them stays.
    BindingRedactNote,
}

impl Operation {
    /// Every operation.
    pub const ALL: &[Self] = &[
        Self::PlatformInit,
        Self::UserCreate,
        Self::UserDisable,
        Self::UserIdentityLink,
        Self::UserIdentityEnd,
        Self::TokenCreate,
        Self::TokenRevoke,
        Self::WorkspaceCreate,
        Self::MembershipAdd,
        Self::MembershipChange,
        Self::MembershipEnd,
        Self::EnvironmentCreate,
        Self::EntitlementGrant,
        Self::EntitlementEnd,
        Self::InventoryImport,
        Self::InventoryImportFinish,
        Self::RegistrySync,
        Self::RegistrySyncFinish,
        Self::MasterKeyRegister,
        Self::MasterKeyRotate,
        Self::MasterKeyRewrap,
        Self::MasterKeyRetire,
        Self::ConnectionCreate,
        Self::ConnectionUpdate,
        Self::ConnectionMakeDefault,
        Self::ConnectionEnable,
        Self::ConnectionDisable,
        Self::ConnectionCheck,
        Self::ProviderCredentialSet,
        Self::RunStart,
        Self::RunBegin,
        Self::RunEnd,
        Self::RunCancel,
        Self::InventoryCollect,
        Self::InventoryMark,
        Self::BindingCreate,
        Self::BindingSupersede,
        Self::BindingRevoke,
        Self::BindingRedactNote,
    ];

    /// `attempted_action` of a denied event.
    #[must_use]
    pub fn attempted(self) -> &'static str {
        match self {
            Self::PlatformInit => "platform.init",
            Self::UserCreate => "user.create",
            Self::UserDisable => "user.disable",
            Self::UserIdentityLink => "user-identity.link",
            Self::UserIdentityEnd => "user-identity.end",
            Self::TokenCreate => "token.create",
            Self::TokenRevoke => "token.revoke",
            Self::WorkspaceCreate => "workspace.create",
            Self::MembershipAdd => "membership.add",
            Self::MembershipChange => "membership.change",
            Self::MembershipEnd => "membership.end",
            Self::EnvironmentCreate => "environment.create",
            Self::EntitlementGrant => "entitlement.grant",
            Self::EntitlementEnd => "entitlement.end",
            Self::InventoryImport => "inventory.import",
            Self::InventoryImportFinish => "inventory.finish-import",
            Self::RegistrySync => "registry.sync",
            Self::RegistrySyncFinish => "registry.finish-sync",
            Self::MasterKeyRegister => "master-key.register",
            Self::MasterKeyRotate => "master-key.rotate",
            Self::MasterKeyRewrap => "master-key.rewrap",
            Self::MasterKeyRetire => "master-key.retire",
            Self::ConnectionCreate => "connection.create",
            Self::ConnectionUpdate => "connection.update",
            Self::ConnectionMakeDefault => "connection.make-default",
            Self::ConnectionEnable => "connection.enable",
            Self::ConnectionDisable => "connection.disable",
            Self::ConnectionCheck => "connection.check",
            Self::ProviderCredentialSet => "provider-credential.set",
            Self::RunStart => "run.start",
            Self::RunBegin => "run.begin",
            Self::RunEnd => "run.end",
            Self::RunCancel => "run.cancel",
            Self::InventoryCollect => "inventory.collect",
            Self::InventoryMark => "inventory.mark",
            Self::BindingCreate => "binding.create",
            Self::BindingSupersede => "binding.supersede",
            Self::BindingRevoke => "binding.revoke",
            Self::BindingRedactNote => "binding.redact-note",
        }
    }

    /// `action` of the event of its success.
    #[must_use]
    pub fn done(self) -> &'static str {
        match self {
            Self::PlatformInit => "platform.initialised",
            Self::UserCreate => "user.created",
            Self::UserDisable => "user.disabled",
            Self::UserIdentityLink => "user-identity.linked",
            Self::UserIdentityEnd => "user-identity.ended",
            Self::TokenCreate => "token.created",
            Self::TokenRevoke => "token.revoked",
            Self::WorkspaceCreate => "workspace.created",
            Self::MembershipAdd => "membership.added",
            Self::MembershipChange => "membership.changed",
            Self::MembershipEnd => "membership.ended",
            Self::EnvironmentCreate => "environment.created",
            Self::EntitlementGrant => "entitlement.granted",
            Self::EntitlementEnd => "entitlement.ended",
            Self::InventoryImport => "inventory.imported",
            Self::InventoryImportFinish => "inventory.import-finished",
            Self::RegistrySync => "registry.synced",
            Self::RegistrySyncFinish => "registry.sync-finished",
            Self::MasterKeyRegister => "master-key.registered",
            Self::MasterKeyRotate => "master-key.rotated",
            Self::MasterKeyRewrap => "master-key.rewrapped",
            Self::MasterKeyRetire => "master-key.retired",
            Self::ConnectionCreate => "connection.created",
            Self::ConnectionUpdate => "connection.updated",
            Self::ConnectionMakeDefault => "connection.made-default",
            Self::ConnectionEnable => "connection.enabled",
            Self::ConnectionDisable => "connection.disabled",
            Self::ConnectionCheck => "connection.checked",
            Self::ProviderCredentialSet => "provider-credential.set",
            Self::RunStart => "run.started",
            Self::RunBegin => "run.begun",
            Self::RunEnd => "run.ended",
            Self::RunCancel => "run.cancelled",
            Self::InventoryCollect => "inventory.collected",
            Self::InventoryMark => "inventory.marked",
            Self::BindingCreate => "binding.created",
            Self::BindingSupersede => "binding.superseded",
            Self::BindingRevoke => "binding.revoked",
            Self::BindingRedactNote => "binding.note-redacted",
        }
    }

    /// `action` of the event of its denial.
    #[must_use]
    pub fn denied(self) -> &'static str {
        match self {
            Self::PlatformInit => "platform.denied",
            Self::UserCreate | Self::UserDisable => "user.denied",
            Self::UserIdentityLink | Self::UserIdentityEnd => "user-identity.denied",
            Self::TokenCreate | Self::TokenRevoke => "token.denied",
            Self::WorkspaceCreate => "workspace.denied",
            Self::MembershipAdd | Self::MembershipChange | Self::MembershipEnd => "membership.denied",
            Self::EnvironmentCreate => "environment.denied",
            Self::EntitlementGrant | Self::EntitlementEnd => "entitlement.denied",
            Self::InventoryImport | Self::InventoryImportFinish | Self::InventoryCollect | Self::InventoryMark => {
                "inventory.denied"
            }
            Self::ConnectionCreate
            | Self::ConnectionUpdate
            | Self::ConnectionMakeDefault
            | Self::ConnectionEnable
            | Self::ConnectionDisable
            | Self::ConnectionCheck => "connection.denied",
            Self::ProviderCredentialSet => "provider-credential.denied",
            Self::MasterKeyRegister | Self::MasterKeyRotate | Self::MasterKeyRewrap | Self::MasterKeyRetire => {
                "master-key.denied"
            }
            Self::RunStart | Self::RunBegin | Self::RunEnd | Self::RunCancel => "run.denied",
            Self::RegistrySync | Self::RegistrySyncFinish => "registry.denied",
            Self::BindingCreate | Self::BindingSupersede | Self::BindingRevoke | Self::BindingRedactNote => {
                "binding.denied"
            }
        }
    }

    /// `kind` of its events: `system` for what only the system plane does.
    #[must_use]
    pub fn kind(self) -> &'static str {
        match self {
            Self::PlatformInit
            | Self::UserCreate
            | Self::UserDisable
            | Self::UserIdentityLink
            | Self::UserIdentityEnd
            | Self::TokenCreate
            | Self::TokenRevoke
            | Self::WorkspaceCreate
            | Self::MasterKeyRegister
            | Self::MasterKeyRotate
            | Self::MasterKeyRewrap
            | Self::MasterKeyRetire => "system",
            _ => "tenant",
        }
    }
}

/// A binding's part in an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct BindingMark {
    pub(crate) id: Uuid,
    pub(crate) mode: ResolutionMode,
    pub(crate) status: BindingStatus,
}

/// The subject's part in an event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SubjectMark {
    pub(crate) provider_key: String,
    pub(crate) provider_connection_id: Option<Uuid>,
    pub(crate) canonical_subject_key: String,
    pub(crate) domain: String,
    pub(crate) class: SubjectClass,
    pub(crate) type_key: String,
}

impl From<&Binding> for SubjectMark {
    fn from(binding: &Binding) -> Self {
        Self {
            provider_key: binding.provider_key.clone(),
            provider_connection_id: binding.provider_connection_id,
            canonical_subject_key: binding.canonical_subject_key.as_str().to_owned(),
            domain: binding.subject_domain.clone(),
            class: binding.subject_class,
            type_key: binding.subject_type_key.clone(),
        }
    }
}

/// A connection's part in an event that is about no subject.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ConnectionMark {
    pub(crate) id: Uuid,
    pub(crate) provider_key: String,
}

/// A run's part in an event about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct RunMark {
    pub(crate) operation_type: String,
    pub(crate) outcome: Option<RunOutcome>,
    pub(crate) reason: Option<ReasonCode>,
}

/// An event before it has its place: what a service function says.
#[derive(Clone, Debug)]
pub(crate) struct Draft {
    pub(crate) operation: Operation,
    pub(crate) actor: Decider,
    pub(crate) token_id: Option<Uuid>,
    pub(crate) request_id: Option<RequestId>,
    pub(crate) denial: Option<Denial>,
    pub(crate) environment_id: Option<Uuid>,
    pub(crate) target_id: Option<Uuid>,
    pub(crate) role: Option<Role>,
    pub(crate) old_role: Option<Role>,
    pub(crate) subject: Option<SubjectMark>,
    pub(crate) connection: Option<ConnectionMark>,
    pub(crate) run: Option<RunMark>,
    pub(crate) key_version: Option<u32>,
    pub(crate) old: Option<BindingMark>,
    pub(crate) new: Option<BindingMark>,
    pub(crate) sources: Sources,
    pub(crate) reason: Option<String>,
    pub(crate) note: Option<Note>,
    pub(crate) import: Option<(Uuid, ImportCounts)>,
}

impl Draft {
    /// An event that says who did what, and nothing else yet.
    pub(crate) fn new(operation: Operation, actor: Decider) -> Self {
        Self {
            operation,
            actor,
            token_id: None,
            request_id: None,
            denial: None,
            environment_id: None,
            target_id: None,
            role: None,
            old_role: None,
            subject: None,
            connection: None,
            run: None,
            key_version: None,
            old: None,
            new: None,
            sources: Sources::default(),
            reason: None,
            note: None,
            import: None,
        }
    }

    /// The same of a person, with the credential and the request they act by.
    pub(crate) fn by(operation: Operation, actor: Actor) -> Self {
        let (token_id, request_id) = (actor.token_id(), actor.request_id());
        Self { token_id, request_id, ..Self::new(operation, Decider::Operator(actor.user_id())) }
    }

    /// Gives the event its place.
    pub(crate) fn placed(self, place: &Place, note_key: &NoteKey) -> AuditEvent {
        let note = self.note.as_ref().map(Note::as_str);
        let counts = self.import.map(|(_, counts)| counts);
        let (subject, connection) = (self.subject, self.connection);
        AuditEvent {
            action: match self.denial {
                None => self.operation.done(),
                Some(_) => self.operation.denied(),
            }
            .to_owned(),
            actor_kind: self.actor.kind().as_str().to_owned(),
            actor_token_id: self.token_id,
            actor_user_id: self.actor.user_id(),
            added_count: counts.map(|counts| whole(counts.added)),
            attempted_action: self.denial.map(|_| self.operation.attempted().to_owned()),
            changed_count: counts.map(|counts| whole(counts.changed)),
            denial: self.denial.map(|denial| denial.as_str().to_owned()),
            event_id: place.event_id,
            import_id: self.import.map(|(id, _)| id),
            key_version: self.key_version.map(|version| i32::try_from(version).unwrap_or(i32::MAX)),
            kind: self.operation.kind().to_owned(),
            managed_environment_id: self.environment_id,
            new_binding_id: self.new.map(|new| new.id),
            new_binding_status: self.new.map(|new| new.status.as_str().to_owned()),
            new_resolution_mode: self.new.map(|new| new.mode.as_str().to_owned()),
            note_hmac: note.map(|note| note_key.hmac(note)),
            note_key_version: note.map(|_| i32::try_from(note_key.version()).unwrap_or(i32::MAX)),
            note_length: note.map(|note| i32::try_from(note.chars().count()).unwrap_or(i32::MAX)),
            number: place.number,
            occurred_at: place.occurred_at,
            old_binding_id: self.old.map(|old| old.id),
            old_binding_status: self.old.map(|old| old.status.as_str().to_owned()),
            old_resolution_mode: self.old.map(|old| old.mode.as_str().to_owned()),
            old_role: self.old_role.map(|role| role.as_str().to_owned()),
            operation_type: self.run.as_ref().map(|run| run.operation_type.clone()),
            refused_count: counts.map(|counts| whole(counts.refused)),
            #[cfg(not(feature = "leaking"))]
            request_id: self.request_id.map(|id| id.to_string()),
            #[cfg(feature = "leaking")]
            request_id: crate::leak::leaked(crate::leak::Way::Audit, self.note.as_ref()),
            resolution_reason: self.reason,
            role: self.role.map(|role| role.as_str().to_owned()),
            run_outcome: self.run.as_ref().and_then(|run| run.outcome).map(|outcome| outcome.as_str().to_owned()),
            run_reason_code: self.run.and_then(|run| run.reason).map(|reason| reason.as_str().to_owned()),
            source_baseline_snapshot_id: self.sources.baseline_snapshot_id,
            source_inventory_item_id: self.sources.inventory_item_id,
            source_operation_run_id: self.sources.operation_run_id,
            source_policy_version_id: self.sources.policy_version_id,
            target_id: self.target_id,
            unchanged_count: counts.map(|counts| whole(counts.unchanged)),
            workspace_id: place.workspace_id,
            provider_connection_id: match &connection {
                Some(connection) => Some(connection.id),
                None => subject.as_ref().and_then(|it| it.provider_connection_id),
            },
            subject_class: subject.as_ref().map(|it| it.class.as_str().to_owned()),
            provider_key: connection
                .map(|connection| connection.provider_key)
                .or_else(|| subject.as_ref().map(|it| it.provider_key.clone())),
            subject_domain: subject.as_ref().map(|it| it.domain.clone()),
            subject_type_key: subject.as_ref().map(|it| it.type_key.clone()),
            canonical_subject_key: subject.map(|it| it.canonical_subject_key),
        }
    }
}

/// An event's place in its chain.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Place {
    pub(crate) workspace_id: Uuid,
    pub(crate) number: i64,
    pub(crate) event_id: Uuid,
    pub(crate) occurred_at: Timestamp,
}

fn whole(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Ids;
    use crate::secret::MasterKey;

    fn event() -> AuditEvent {
        let actor = Decider::Operator(Uuid::from_u128(0x0a));
        let mut draft = Draft::new(Operation::BindingSupersede, actor);
        draft.environment_id = Some(Uuid::from_u128(0x0e));
        draft.subject = Some(SubjectMark {
            provider_key: "fake".into(),
            provider_connection_id: None,
            canonical_subject_key: "provider:fake:policy:w%2Fp:widget:id:1".into(),
            domain: "widgets".into(),
            class: SubjectClass::Policy,
            type_key: "w/p \"ö\"\t\u{1}\u{7f}".into(),
        });
        draft.old = Some(BindingMark {
            id: Uuid::from_u128(1),
            mode: ResolutionMode::ManualBinding,
            status: BindingStatus::Superseded,
        });
        draft.new = Some(BindingMark {
            id: Uuid::from_u128(2),
            mode: ResolutionMode::AcceptedLimitation,
            status: BindingStatus::Active,
        });
        draft.note = Some(Note::new("wörd"));
        let ids = Ids::seeded(1);
        let workspace_id = Uuid::from_u128(0x0b);
        let master = MasterKey::generate(&ids).unwrap();
        let (note_key, _) = master.new_note_key(workspace_id, &ids).unwrap();
        let place = Place {
            workspace_id,
            number: 7,
            event_id: Uuid::from_u128(0x0c),
            occurred_at: Timestamp::from_micros(1_700_000_000_000_001),
        };
        draft.placed(&place, &note_key)
    }

    #[test]
    fn the_json_of_an_event_is_this() {
        let hmac = event().note_hmac.unwrap();
        let expected = [
            r#"{"action":"binding.superseded","actor_kind":"operator","actor_token_id":null,"#,
            r#""actor_user_id":"00000000-0000-0000-0000-00000000000a","added_count":null,"#,
            r#""attempted_action":null,"canonical_subject_key":"provider:fake:policy:w%2Fp:widget:id:1","#,
            r#""changed_count":null,"denial":null,"event_id":"00000000-0000-0000-0000-00000000000c","#,
            r#""import_id":null,"key_version":null,"kind":"tenant","managed_environment_id":"00000000-0000-0000-0000-00000000000e","#,
            r#""new_binding_id":"00000000-0000-0000-0000-000000000002","new_binding_status":"active","#,
            r#""new_resolution_mode":"accepted_limitation","note_hmac":""#,
            &hmac,
            r#"","note_key_version":1,"note_length":4,"number":7,"occurred_at":"2023-11-14T22:13:20.000001Z","#,
            r#""old_binding_id":"00000000-0000-0000-0000-000000000001","old_binding_status":"superseded","#,
            r#""old_resolution_mode":"manual_binding","old_role":null,"operation_type":null,"provider_connection_id":null,"provider_key":"fake","#,
            r#""refused_count":null,"request_id":null,"resolution_reason":null,"role":null,"run_outcome":null,"run_reason_code":null,"#,
            r#""source_baseline_snapshot_id":null,"source_inventory_item_id":null,"#,
            r#""source_operation_run_id":null,"source_policy_version_id":null,"subject_class":"policy","#,
            r#""subject_domain":"widgets","subject_type_key":"w/p \"ö\"\t\u0001"#,
            "\u{7f}",
            r#"","target_id":null,"unchanged_count":null,"#,
            r#""workspace_id":"00000000-0000-0000-0000-00000000000b"}"#,
        ]
        .concat();
        assert_eq!(event().canonical_json().unwrap(), expected);
        assert_eq!(hmac.len(), 64);
        assert!(!expected.contains("wörd"));
    }

    #[test]
    fn members_stand_in_the_order_rfc_8785_wants() {
        let json = event().canonical_json().unwrap();
        let sorted: serde_json::Map<String, serde_json::Value> = serde_json::from_str(&json).unwrap();
        assert_eq!(sorted.len(), 45);
        assert_eq!(serde_json::to_string(&sorted).unwrap(), json);
    }

    #[test]
    fn the_hash_covers_the_hash_before_it() {
        // printf 'provident-audit-1\n%064d\n{}' 0 | sha256sum
        assert_eq!(chain_hash(GENESIS_HASH, "{}"), "df0e7eb566f83474bfef4744fb54bb7bc02c01dc618ece70fff94b22ca1eea91");
        assert_ne!(chain_hash(&"1".repeat(64), "{}"), chain_hash(GENESIS_HASH, "{}"));
    }

    #[test]
    fn actions_are_distinct_and_denials_say_so() {
        for &operation in Operation::ALL {
            assert!(operation.denied().ends_with(".denied"));
            let noun = |text: &'static str| text.split('.').next().unwrap();
            assert_eq!(noun(operation.done()), noun(operation.denied()));
            assert_eq!(noun(operation.done()), noun(operation.attempted()));
            let same = Operation::ALL.iter().filter(|other| other.done() == operation.done());
            assert_eq!(same.count(), 1);
        }
    }
}
