//! Decisions as they are asked for in JSON: flat, every member named as refusals name it. The same over HTTP and in the
//! lines of a file.

use std::fmt;

use provident_identity::{ErrorCode, ProviderResourceDescriptor, ResolutionMode};
use serde::Deserialize;
use utoipa::ToSchema;
use uuid::Uuid;

use super::{CreateBinding, LegacySubjectKey, Note, ResourceRef, RevokeBinding, Sources, SubjectRef, SupersedeBinding};
use crate::error::Error;
use crate::idempotency::IdempotencyKey;
use crate::registry::RecordRef;
use crate::schema::{self, record_ref};

/// A request with the members of every decision, and some of its own.
macro_rules! decision_request {
    ($(#[$about:meta])* $name:ident { $($(#[$member:meta])* $own:ident: $kind:ty,)* }) => {
        $(#[$about])*
        #[derive(Deserialize, ToSchema)]
        #[serde(deny_unknown_fields)]
        pub struct $name {
            $($(#[$member])* pub $own: $kind,)*
            /// How the subject is resolved.
            #[schema(value_type = schema::ResolutionModeName)]
            pub mode: ResolutionMode,
            /// The subject, by canonical key. It is named in one way only.
            #[schema(max_length = 1024)]
            pub subject: Option<String>,
            /// The subject, by an inventory item of the environment.
            pub subject_inventory_item_id: Option<Uuid>,
            /// The subject, by description.
            #[schema(value_type = Option<schema::Descriptor>)]
            pub subject_descriptor: Option<Box<ProviderResourceDescriptor>>,
            /// The subject's domain: needed with a bare key, otherwise known.
            #[schema(pattern = "^[a-z0-9][a-z0-9_-]{0,63}$")]
            pub subject_domain: Option<String>,
            /// The resource, by canonical key. It is named in one way only.
            #[schema(max_length = 1024)]
            pub resource: Option<String>,
            /// The resource, by an inventory item of the environment.
            pub resource_inventory_item_id: Option<Uuid>,
            /// The resource, by description.
            #[schema(value_type = Option<schema::Descriptor>)]
            pub resource_descriptor: Option<Box<ProviderResourceDescriptor>>,
            /// The connection it is decided for.
            pub provider_connection_id: Option<Uuid>,
            /// What the subject was called before; at most 2,048 bytes.
            #[schema(max_length = 2048)]
            pub legacy_subject_key: Option<String>,
            /// The operator's words; at most 2,000 characters.
            pub note: Option<String>,
            /// A reason code.
            #[schema(max_length = 64, pattern = "^[a-z0-9]+(-[a-z0-9]+)*$")]
            pub reason: Option<String>,
            /// The run it came from.
            pub source_operation_run_id: Option<Uuid>,
            /// The snapshot it came from.
            pub source_baseline_snapshot_id: Option<Uuid>,
            /// The inventory item it came from.
            pub source_inventory_item_id: Option<Uuid>,
            /// The policy version it came from.
            pub source_policy_version_id: Option<Uuid>,
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.debug_struct(stringify!($name)).field("mode", &self.mode).finish_non_exhaustive()
            }
        }

        impl $name {
            /// What is decided, and about which subject.
            fn decision(self) -> Result<(Option<SubjectRef>, SupersedeBinding), Error> {
                let subject = match (self.subject, self.subject_inventory_item_id, self.subject_descriptor) {
                    (None, None, None) => None,
                    (Some(key), None, None) => Some(SubjectRef::Key(key)),
                    (None, Some(id), None) => Some(SubjectRef::InventoryItem(id)),
                    (None, None, Some(descriptor)) => Some(SubjectRef::Descriptor(descriptor)),
                    _ => return Err(refused("subject", "name the subject, in one way")),
                };
                let resource = match (self.resource, self.resource_inventory_item_id, self.resource_descriptor) {
                    (None, None, None) => None,
                    (Some(key), None, None) => Some(ResourceRef::Key(key)),
                    (None, Some(id), None) => Some(ResourceRef::InventoryItem(id)),
                    (None, None, Some(descriptor)) => Some(ResourceRef::Descriptor(descriptor)),
                    _ => return Err(refused("resource", "name the resource in one way")),
                };
                let decision = SupersedeBinding {
                    mode: self.mode,
                    subject: None,
                    subject_domain: self.subject_domain,
                    resource,
                    provider_connection_id: self.provider_connection_id,
                    legacy_subject_key: self.legacy_subject_key.map(LegacySubjectKey::new),
                    note: self.note.map(Note::new),
                    reason: self.reason,
                    sources: Sources {
                        operation_run_id: self.source_operation_run_id,
                        baseline_snapshot_id: self.source_baseline_snapshot_id,
                        inventory_item_id: self.source_inventory_item_id,
                        policy_version_id: self.source_policy_version_id,
                    },
                    idempotency_key: None,
                    dry_run: false,
                };
                Ok((subject, decision))
            }
        }
    };
}

decision_request! {
    /// A first decision about a subject of an environment.
    CreateRequest {
        /// The environment.
        #[serde(deserialize_with = "record_ref::deserialize")]
        #[schema(value_type = schema::RecordName)]
        environment_id: RecordRef,
        /// Whether all is to be judged and nothing written.
        #[serde(default)]
        dry_run: bool,
    }
}

decision_request! {
    /// A decision in place of the active one. What is left out is inherited, but for resource, note, reason and sources,
    /// which are the new decision's own.
    SupersedeRequest {
        /// Whether all is to be judged and nothing written.
        #[serde(default)]
        dry_run: bool,
    }
}

decision_request! {
    /// One first decision of many.
    BulkItem {
        /// The caller's name for this one decision, if it may be repeated.
        #[schema(value_type = Option<schema::IdempotencyKeyText>)]
        idempotency_key: Option<String>,
    }
}

/// The end of the active decision.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RevokeRequest {
    /// The operator's words, which say why; at most 2,000 characters.
    pub note: Option<String>,
    /// Whether all is to be judged and nothing written.
    #[serde(default)]
    pub dry_run: bool,
}

impl fmt::Debug for RevokeRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RevokeRequest").field("dry_run", &self.dry_run).finish_non_exhaustive()
    }
}

impl CreateRequest {
    /// Where and what is decided.
    ///
    /// # Errors
    /// `malformed-request` if the subject is not named in exactly one way, or the resource in more than one.
    pub fn create(self, idempotency_key: Option<IdempotencyKey>) -> Result<(RecordRef, CreateBinding), Error> {
        let (environment, dry_run) = (self.environment_id.clone(), self.dry_run);
        let (subject, decision) = self.decision()?;
        Ok((environment, CreateBinding { idempotency_key, dry_run, ..first(subject, decision)? }))
    }
}

impl SupersedeRequest {
    /// What is decided.
    ///
    /// # Errors
    /// `malformed-request` if subject or resource are named in more than one way.
    pub fn supersede(self, idempotency_key: Option<IdempotencyKey>) -> Result<SupersedeBinding, Error> {
        let dry_run = self.dry_run;
        let (subject, decision) = self.decision()?;
        Ok(SupersedeBinding { subject, idempotency_key, dry_run, ..decision })
    }
}

impl BulkItem {
    /// What is decided.
    ///
    /// # Errors
    /// As [`CreateRequest::create`]; `bad-idempotency-key`.
    pub fn create(mut self) -> Result<CreateBinding, Error> {
        let idempotency_key = self.idempotency_key.take().map(|key| key.parse::<IdempotencyKey>()).transpose()?;
        let (subject, decision) = self.decision()?;
        Ok(CreateBinding { idempotency_key, ..first(subject, decision)? })
    }
}

impl RevokeRequest {
    /// Why it ends.
    #[must_use]
    pub fn revoke(self, idempotency_key: Option<IdempotencyKey>) -> RevokeBinding {
        RevokeBinding { note: self.note.map(Note::new), idempotency_key, dry_run: self.dry_run }
    }
}

fn first(subject: Option<SubjectRef>, decision: SupersedeBinding) -> Result<CreateBinding, Error> {
    Ok(CreateBinding {
        mode: decision.mode,
        subject: subject.ok_or_else(|| refused("subject", "name the subject, in one way"))?,
        subject_domain: decision.subject_domain,
        resource: decision.resource,
        provider_connection_id: decision.provider_connection_id,
        legacy_subject_key: decision.legacy_subject_key,
        note: decision.note,
        reason: decision.reason,
        sources: decision.sources,
        idempotency_key: None,
        dry_run: false,
    })
}

fn refused(field: &'static str, message: &'static str) -> Error {
    Error::invalid(ErrorCode::MalformedRequest.as_str(), field, message)
}
