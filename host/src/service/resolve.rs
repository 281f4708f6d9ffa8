//! What a decision is about: from the ways a request may name a subject or a resource to keys, through the
//! identity component. Whether what a request refers to is the environment's own: `references.rs`.

use provident_identity::{
    CallError, CanonicalSubjectKey, ComponentError, ErrorCode, IdentityError, KeyForm, ParsedKey,
    ProviderResourceDescriptor, ResourceIdentity, SubjectClass, SupportLevel,
};
use uuid::Uuid;

use super::Service;
use super::references::References;
use crate::binding::{BoundResource, LegacySubjectKey, Note, ResourceRef, SubjectRef};
use crate::error::Error;

/// A subject, resolved.
#[derive(Debug)]
pub(super) struct Subject {
    pub(super) key: CanonicalSubjectKey,
    pub(super) provider_key: String,
    pub(super) class: SubjectClass,
    pub(super) type_key: String,
    /// None for a bare key: then the request has to say.
    domain: Option<String>,
    /// The inventory item it was named by.
    pub(super) item_id: Option<Uuid>,
}

/// A resource, resolved.
#[derive(Debug)]
pub(super) struct Resource {
    pub(super) bound: BoundResource,
    /// The inventory item it was named by.
    pub(super) item_id: Option<Uuid>,
}

impl Service {
    /// Finds out which subject is meant.
    pub(super) fn subject(&self, known: &References, subject: &SubjectRef) -> Result<Subject, Error> {
        match subject {
            SubjectRef::Key(text) => {
                let parsed = self.parse(text, "subject")?;
                Ok(Subject {
                    key: parsed.key,
                    provider_key: parsed.provider_key,
                    class: parsed.subject_class,
                    type_key: parsed.subject_type_key,
                    domain: None,
                    item_id: None,
                })
            }
            SubjectRef::InventoryItem(id) => {
                let item = known.item(*id, "subject_inventory_item_id")?;
                Ok(Subject {
                    key: item.canonical_subject_key,
                    provider_key: item.identity.provider_key,
                    class: item.subject_class,
                    type_key: item.subject_type_key,
                    domain: Some(item.subject_domain),
                    item_id: Some(*id),
                })
            }
            SubjectRef::Descriptor(descriptor) => {
                let described = self.identity.describe(descriptor)?;
                Ok(Subject {
                    key: described.key,
                    provider_key: descriptor.identity.provider_key.clone(),
                    class: descriptor.subject_class,
                    type_key: descriptor.subject_type_key.clone(),
                    domain: Some(descriptor.subject_domain.clone()),
                    item_id: None,
                })
            }
        }
    }

    /// Finds out which resource is meant.
    pub(super) fn resource(
        &self,
        known: &References,
        resource: Option<&ResourceRef>,
    ) -> Result<Option<Resource>, Error> {
        let resolved = match resource {
            None => return Ok(None),
            Some(ResourceRef::Key(text)) => {
                let parsed = self.parse(text, "resource")?;
                let identity = identity_of(&parsed);
                Resource { bound: bound(parsed.key, identity), item_id: None }
            }
            Some(ResourceRef::InventoryItem(id)) => {
                let item = known.item(*id, "resource_inventory_item_id")?;
                Resource { bound: bound(item.canonical_subject_key, item.identity), item_id: Some(*id) }
            }
            Some(ResourceRef::Descriptor(descriptor)) => {
                let described = self.identity.describe(descriptor)?;
                Resource { bound: bound(described.key, descriptor.identity.clone()), item_id: None }
            }
        };
        Ok(Some(resolved))
    }

    /// The domain of a subject: its own, else the one given or, when superseding, inherited.
    pub(super) fn domain(
        &self,
        subject: &Subject,
        given: Option<&str>,
        inherited: Option<&str>,
    ) -> Result<String, Error> {
        match (&subject.domain, given, inherited) {
            (Some(own), Some(given), _) if own != given => Err(Error::invalid(
                "subject-domain-mismatch",
                "subject_domain",
                "the subject is known by another domain",
            )),
            (Some(own), _, _) => Ok(own.clone()),
            (None, Some(given), _) => self.checked_domain(subject, given),
            (None, None, Some(inherited)) => Ok(inherited.to_owned()),
            (None, None, None) => Err(Error::invalid(
                "subject-domain-required",
                "subject_domain",
                "a subject named by its key alone needs its domain",
            )),
        }
    }

    /// Has the component judge a domain: as that of a descriptor with the subject's own key.
    fn checked_domain(&self, subject: &Subject, domain: &str) -> Result<String, Error> {
        let parsed = self.identity.parse(subject.key.as_str())?;
        let descriptor = ProviderResourceDescriptor {
            identity: identity_of(&parsed),
            subject_domain: domain.to_owned(),
            subject_class: parsed.subject_class,
            subject_type_key: parsed.subject_type_key,
            support_level: SupportLevel::Supported,
            display_label: None,
            source_inventory_item_id: None,
            source_policy_version_id: None,
            source_operation_run_id: None,
        };
        self.identity.describe(&descriptor)?;
        Ok(domain.to_owned())
    }

    /// Takes a key apart. A refused one is told of by the member it was given in, as `check` does.
    pub(super) fn parse(&self, text: &str, field: &str) -> Result<ParsedKey, Error> {
        self.identity.parse(text).map_err(|error| match error {
            CallError::Refused(errors) => {
                let named = |error| IdentityError { field: field.to_owned(), ..error };
                Error::Refused(errors.into_iter().map(named).collect())
            }
            CallError::Component(ComponentError::InputTooLarge { .. }) => too_long(ErrorCode::KeyTooLong, field),
            CallError::Component(error) => error.into(),
        })
    }

    /// A note as it is to be judged and stored.
    pub(super) fn rewritten(&self, note: Option<&Note>) -> Result<Option<String>, Error> {
        #[cfg(feature = "leaking")]
        if let Some(message) = crate::leak::leaked(crate::leak::Way::Error, note).filter(|text| text.len() > 2_000) {
            let (code, field) = (ErrorCode::NoteTooLong, "note".to_owned());
            return Err(Error::Refused(vec![IdentityError { code, field, message }]));
        }
        match note.map(|note| self.identity.rewrite_note(note.as_str())) {
            None => Ok(None),
            Some(Err(ComponentError::InputTooLarge { .. })) => Err(too_long(ErrorCode::NoteTooLong, "note")),
            Some(rewritten) => Ok(rewritten?),
        }
    }
}

/// What is too long for a call is too long for the rule, which the component then never gets to see.
pub(super) fn too_long(code: ErrorCode, field: &str) -> Error {
    let message = "over the limit of one call".to_owned();
    Error::Refused(vec![IdentityError { code, field: field.to_owned(), message }])
}

/// Refuses a former key that cannot be kept byte for byte.
pub(super) fn check_legacy_key(key: Option<&LegacySubjectKey>) -> Result<(), Error> {
    match key.map(LegacySubjectKey::as_str) {
        Some(text) if text.len() > LegacySubjectKey::MAX_BYTES => {
            Err(Error::invalid("legacy-key-too-long", "legacy_subject_key", "at most 2,048 bytes"))
        }
        Some(text) if text.contains('\0') => {
            Err(Error::invalid("legacy-key-not-storable", "legacy_subject_key", "no U+0000"))
        }
        _ => Ok(()),
    }
}

fn bound(key: CanonicalSubjectKey, identity: ResourceIdentity) -> BoundResource {
    BoundResource {
        key,
        resource_type: identity.resource_type,
        provider_resource_id: identity.provider_resource_id,
        external_id: identity.external_id,
        discriminator: identity.discriminator,
        fingerprint: identity.fingerprint,
    }
}

/// As much of an identity as a key carries.
fn identity_of(parsed: &ParsedKey) -> ResourceIdentity {
    let mut identity = ResourceIdentity {
        provider_key: parsed.provider_key.clone(),
        resource_type: parsed.resource_type.clone(),
        ..ResourceIdentity::default()
    };
    let value = Some(parsed.value.clone());
    match parsed.form {
        KeyForm::Id => identity.provider_resource_id = value,
        KeyForm::Ext => identity.external_id = value,
        KeyForm::Disc => identity.discriminator = value,
    }
    identity
}
