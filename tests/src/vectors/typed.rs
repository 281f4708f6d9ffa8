//! Requests as typed calls: made of JSON, put to the component and to the same rules as a library.
//!
//! Both sides answer with the JSON the line protocol would give, so that lanes can be compared.

use identity_component::{decision, descriptor, key, model};
use provident_identity::{
    ActorKind, CallError, Decision, DecisionAction, GovernedSubject, Identity, IdentityError,
    ProviderResourceDescriptor, ResolutionMode, ResourceIdentity, SubjectClass,
};
use serde_json::{Value, json};

/// A request that typed calls can make.
#[derive(Clone, Debug)]
pub enum Call {
    /// `keys.derive`
    Derive(GovernedSubject),
    /// `keys.parse`
    Parse(String),
    /// `keys.digest`
    Digest(String),
    /// `descriptors.describe`
    Describe(Box<ProviderResourceDescriptor>),
    /// `decisions.check`
    Decide(Box<Decision>),
    /// `about.describe`
    About,
}

impl Call {
    /// The call a request stands for; `None` where its op, class, level, mode, action or actor has no value in the
    /// contract.
    #[must_use]
    pub fn read(request: &Value) -> Option<Self> {
        let input = request.get("input").unwrap_or(&Value::Null);
        Some(match request.get("op")?.as_str()? {
            "derive" => Self::Derive(subject(input)?),
            "parse" => Self::Parse(required(input, "key")),
            "digest" => Self::Digest(required(input, "key")),
            "describe" => Self::Describe(Box::new(descriptor_of(input)?)),
            "decide" => Self::Decide(Box::new(decision_of(input)?)),
            "about" => Self::About,
            _ => return None,
        })
    }

    /// The answer of the component.
    ///
    /// # Errors
    ///
    /// The component's failure, in words.
    pub fn component(&self, identity: &Identity) -> Result<Value, String> {
        let answer = match self {
            Self::Derive(subject) => identity.derive(subject).map(|derived| json!(derived)),
            Self::Parse(key) => identity.parse(key).map(|parsed| parsed_json(&parsed)),
            Self::Digest(key) => identity.digest(key).map(|digest| json!({ "digest": digest })),
            Self::Describe(descriptor) => identity.describe(descriptor).map(|described| {
                json!({ "key": described.key, "canonical": described.canonical, "digest": described.digest })
            }),
            Self::Decide(decision) => identity.check(decision).map(|()| json!({})),
            Self::About => identity.about().map(|about| json!(about)).map_err(CallError::from),
        };
        match answer {
            Ok(ok) => Ok(json!({ "ok": ok })),
            Err(CallError::Refused(errors)) => Ok(self.refused(&errors.iter().map(error_json).collect::<Vec<_>>())),
            Err(CallError::Component(error)) => Err(error.to_string()),
        }
    }

    /// The answer of the same rules as a library.
    #[must_use]
    pub fn native(&self) -> Value {
        let answer = match self {
            Self::Derive(subject) => key::derive(&native_subject(subject)).map(|key| {
                let digest = key::sha256(key.as_bytes());
                json!({ "key": key, "digest": digest })
            }),
            Self::Parse(key) => key::parse(key).map(|parsed| {
                json!({
                    "provider_key": parsed.provider_key,
                    "subject_class": parsed.class.as_str(),
                    "subject_type_key": parsed.type_key,
                    "resource_type": parsed.resource_type,
                    "form": parsed.form.as_str(),
                    "value": parsed.value,
                })
            }),
            Self::Digest(key) => key::digest(key).map(|digest| json!({ "digest": digest })),
            Self::Describe(descriptor) => native_describe(descriptor),
            Self::Decide(decision) => return native_decide(decision),
            Self::About => return native_about(),
        };
        match answer {
            Ok(ok) => json!({ "ok": ok }),
            Err(refusal) => self.refused(&[refusal_json(&refusal)]),
        }
    }

    fn refused(&self, errors: &[Value]) -> Value {
        match (self, errors) {
            (Self::Decide(_), _) => json!({ "errors": errors }),
            (_, [error]) => json!({ "error": error }),
            (_, errors) => json!({ "several": errors }),
        }
    }
}

/// A key taken apart, as the line protocol writes it.
#[must_use]
pub fn parsed_json(parsed: &provident_identity::ParsedKey) -> Value {
    json!({
        "provider_key": parsed.provider_key,
        "subject_class": parsed.subject_class.as_str(),
        "subject_type_key": parsed.subject_type_key,
        "resource_type": parsed.resource_type,
        "form": parsed.form.as_str(),
        "value": parsed.value,
    })
}

fn error_json(error: &IdentityError) -> Value {
    json!({ "code": error.code.as_str(), "field": error.field, "message": error.message })
}

fn refusal_json(refusal: &model::Refusal) -> Value {
    json!({ "code": refusal.code.as_str(), "field": refusal.field, "message": refusal.message })
}

fn text(input: &Value, name: &str) -> Option<String> {
    input.get(name).and_then(Value::as_str).map(String::from)
}

/// An absent required text reads as empty.
fn required(input: &Value, name: &str) -> String {
    text(input, name).unwrap_or_default()
}

fn subject(input: &Value) -> Option<GovernedSubject> {
    let identity = input.get("identity").unwrap_or(&Value::Null);
    let flag = |name: &str| identity.get(name).and_then(Value::as_bool).unwrap_or_default();
    Some(GovernedSubject {
        identity: ResourceIdentity {
            provider_key: required(identity, "provider_key"),
            resource_type: required(identity, "resource_type"),
            provider_resource_id: text(identity, "provider_resource_id"),
            external_id: text(identity, "external_id"),
            discriminator: text(identity, "discriminator"),
            fingerprint: text(identity, "fingerprint"),
            built_in: flag("built_in"),
            default: flag("default"),
            virtual_: flag("virtual"),
            tenant_owned: flag("tenant_owned"),
        },
        subject_class: text(input, "subject_class")?.parse().ok()?,
        subject_type_key: required(input, "subject_type_key"),
    })
}

fn descriptor_of(input: &Value) -> Option<ProviderResourceDescriptor> {
    let GovernedSubject { identity, subject_class, subject_type_key } = subject(input)?;
    Some(ProviderResourceDescriptor {
        identity,
        subject_domain: required(input, "subject_domain"),
        subject_class,
        subject_type_key,
        support_level: text(input, "support_level")?.parse().ok()?,
        display_label: text(input, "display_label"),
        source_inventory_item_id: text(input, "source_inventory_item_id"),
        source_policy_version_id: text(input, "source_policy_version_id"),
        source_operation_run_id: text(input, "source_operation_run_id"),
    })
}

fn decision_of(input: &Value) -> Option<Decision> {
    let mode = match text(input, "mode") {
        None => None,
        Some(mode) => Some(mode.parse::<ResolutionMode>().ok()?),
    };
    Some(Decision {
        action: text(input, "action")?.parse::<DecisionAction>().ok()?,
        actor: text(input, "actor")?.parse::<ActorKind>().ok()?,
        mode,
        subject: required(input, "subject"),
        resource: text(input, "resource"),
        note: text(input, "note"),
        reason: text(input, "reason"),
    })
}

/// A value of an enum by its place in the contract; both sides list it in the same order.
fn same<T: Copy>(all: &[T], place: u8) -> T {
    all.get(usize::from(place)).copied().unwrap_or_else(|| unreachable!("the enums of one contract"))
}

fn native_class(class: SubjectClass) -> model::SubjectClass {
    same(model::SubjectClass::ALL, class as u8)
}

/// A subject as the library takes it.
#[must_use]
pub fn native_subject(subject: &GovernedSubject) -> model::Subject<'_> {
    let identity = &subject.identity;
    model::Subject {
        identity: model::Identity {
            provider_key: &identity.provider_key,
            resource_type: &identity.resource_type,
            provider_resource_id: identity.provider_resource_id.as_deref(),
            external_id: identity.external_id.as_deref(),
            discriminator: identity.discriminator.as_deref(),
            fingerprint: identity.fingerprint.as_deref(),
            flags: model::Flags {
                built_in: identity.built_in,
                default: identity.default,
                r#virtual: identity.virtual_,
                tenant_owned: identity.tenant_owned,
            },
        },
        class: native_class(subject.subject_class),
        type_key: &subject.subject_type_key,
    }
}

fn native_describe(given: &ProviderResourceDescriptor) -> Result<Value, model::Refusal> {
    let subject = given.subject();
    let described = descriptor::describe(&descriptor::Descriptor {
        subject: native_subject(&subject),
        domain: &given.subject_domain,
        support_level: Some(same(model::SupportLevel::ALL, given.support_level as u8)),
        source_inventory_item_id: given.source_inventory_item_id.as_deref(),
        source_policy_version_id: given.source_policy_version_id.as_deref(),
        source_operation_run_id: given.source_operation_run_id.as_deref(),
    })?;
    Ok(json!({ "key": described.key, "canonical": described.canonical, "digest": described.digest }))
}

fn native_decide(given: &Decision) -> Value {
    let checked = decision::check(&decision::Decision {
        action: same(model::DecisionAction::ALL, given.action as u8),
        actor: same(model::ActorKind::ALL, given.actor as u8),
        mode: given.mode.map(|mode| Some(same(model::ResolutionMode::ALL, mode as u8))),
        subject: &given.subject,
        resource: given.resource.as_deref(),
        note: given.note.as_deref(),
        reason: given.reason.as_deref(),
    });
    match checked {
        Ok(()) => json!({ "ok": {} }),
        Err(broken) => json!({ "errors": broken.iter().map(refusal_json).collect::<Vec<_>>() }),
    }
}

fn native_about() -> Value {
    use identity_component::limits;
    json!({ "ok": {
        "grammar_version": limits::GRAMMAR_VERSION,
        "contract_version": limits::CONTRACT_VERSION,
        "limits": {
            "line_bytes": limits::LINE_BYTES,
            "batch_bytes": limits::BATCH_BYTES,
            "key_bytes": limits::KEY_BYTES,
            "type_bytes": limits::TYPE_BYTES,
            "value_bytes": limits::VALUE_BYTES,
            "label_bytes": limits::LABEL_BYTES,
            "note_chars": limits::NOTE_CHARS,
        },
    }})
}
