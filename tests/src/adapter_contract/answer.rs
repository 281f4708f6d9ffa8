//! What adapters answer, in plain JSON, whichever way they were called; and what it is held against.

use serde_json::{Map, Value, json};

/// What an adapter said of one object.
#[derive(Clone, Debug, PartialEq)]
pub struct Answer {
    /// The object's place in the document.
    pub position: u32,
    /// What it said.
    pub outcome: Outcome,
}

/// A descriptor, or a refusal.
#[derive(Clone, Debug, PartialEq)]
pub enum Outcome {
    /// The descriptor as JSON: absent members and false flags left out.
    Described(Value),
    /// Why not.
    Refused {
        /// The rule that was broken, in kebab-case.
        code: String,
        /// The raw member it was broken in.
        field: String,
        /// For people.
        message: String,
    },
}

impl Answer {
    /// The answer as the line protocol writes it, without the message, which no test compares.
    #[must_use]
    pub fn item(&self) -> Value {
        match &self.outcome {
            Outcome::Described(descriptor) => json!({ "descriptor": descriptor }),
            Outcome::Refused { code, field, .. } => {
                json!({ "error": { "code": code, "field": field, "position": self.position } })
            }
        }
    }
}

/// The answers of an adapter that is called as a library.
#[must_use]
pub fn native(answers: Vec<Result<adapter_fake::Adapted, adapter_fake::Refusal>>) -> Vec<Answer> {
    let answer = |answer| match answer {
        Ok(adapter_fake::Adapted { position, descriptor }) => {
            let identity = descriptor.identity;
            let value = json!({
                "identity": {
                    "provider_key": identity.provider_key,
                    "resource_type": identity.resource_type,
                    "provider_resource_id": identity.provider_resource_id,
                    "external_id": identity.external_id,
                    "discriminator": identity.discriminator,
                    "fingerprint": identity.fingerprint,
                    "built_in": identity.built_in,
                    "default": identity.default,
                    "virtual": identity.virtual_,
                    "tenant_owned": identity.tenant_owned,
                },
                "subject_domain": descriptor.subject_domain,
                "subject_class": descriptor.subject_class.as_str(),
                "subject_type_key": descriptor.subject_type_key,
                "support_level": descriptor.support_level.as_str(),
                "display_label": descriptor.display_label,
            });
            Answer { position, outcome: Outcome::Described(bare(value)) }
        }
        Err(adapter_fake::Refusal { position, code, field, message }) => {
            Answer { position, outcome: Outcome::Refused { code: code.as_str().into(), field: field.into(), message } }
        }
    };
    answers.into_iter().map(answer).collect()
}

/// The answers of an adapter that is called as a component. A failed call is one answer that no adapter gives.
#[must_use]
pub fn component(
    answers: Result<
        Vec<Result<provident_identity::Adapted, provident_identity::Refusal>>,
        provident_identity::ComponentError,
    >,
) -> Vec<Answer> {
    let answer = |answer| match answer {
        Ok(provident_identity::Adapted { position, descriptor }) => {
            let value = serde_json::to_value(descriptor).unwrap_or_default();
            Answer { position, outcome: Outcome::Described(bare(value)) }
        }
        Err(provident_identity::Refusal { position, code, field, message }) => {
            Answer { position, outcome: Outcome::Refused { code: code.as_str().into(), field, message } }
        }
    };
    match answers {
        Ok(answers) => answers.into_iter().map(answer).collect(),
        Err(error) => {
            let outcome =
                Outcome::Refused { code: error.code().into(), field: String::new(), message: error.to_string() };
            vec![Answer { position: u32::MAX, outcome }]
        }
    }
}

/// What a component file imports, by name.
///
/// # Errors
///
/// If it is no valid component.
pub fn imports(file: &[u8]) -> Result<Vec<String>, String> {
    use wasmparser::{Parser, Payload, Validator};
    Validator::new().validate_all(file).map_err(|error| error.to_string())?;
    let (mut depth, mut found) = (0_u32, Vec::new());
    for payload in Parser::new(0).parse_all(file) {
        match payload.map_err(|error| error.to_string())? {
            Payload::ModuleSection { .. } | Payload::ComponentSection { .. } => depth += 1,
            Payload::End(_) => depth = depth.saturating_sub(1),
            // What stands deeper is a part that the component instantiates itself.
            Payload::ComponentImportSection(section) if depth == 0 => {
                for import in section {
                    found.push(import.map_err(|error| error.to_string())?.name.name.to_owned());
                }
            }
            _ => {}
        }
    }
    Ok(found)
}

/// What is wrong with an adapter by a file of vectors: items that are not as written, descriptors that do not
/// give the key, canonical form and digest beside them. Also how many vectors of either kind there were.
///
/// # Errors
///
/// If the file is no file of such vectors.
pub fn vector_violations(
    vectors: &str,
    describe: &dyn Fn(&str) -> Vec<Answer>,
) -> Result<(Vec<String>, [usize; 2]), String> {
    let (mut found, mut counts) = (Vec::new(), [0, 0]);
    for line in vectors.lines() {
        let vector: Value = serde_json::from_str(line).map_err(|error| error.to_string())?;
        let part = |path: &str| vector.pointer(path).ok_or(format!("no {path} in {line}"));
        let got = if part("/request/op")?.as_str() == Some("adapt") {
            counts[0] += 1;
            let items: Vec<Value> =
                describe(&part("/request/input/raw")?.to_string()).iter().map(Answer::item).collect();
            json!({ "ok": { "items": items } })
        } else {
            counts[1] += 1;
            let reply = identity_component::batch::run(&part("/request")?.to_string());
            serde_json::from_str(&reply).map_err(|error| error.to_string())?
        };
        if got != *part("/expect")? {
            found.push(format!("{}: {got}", part("/id")?));
        }
    }
    Ok((found, counts))
}

/// A value without its null and false members.
fn bare(value: Value) -> Value {
    match value {
        Value::Object(members) => {
            let kept = members.into_iter().filter(|(_, value)| !matches!(value, Value::Null | Value::Bool(false)));
            Value::Object(kept.map(|(name, value)| (name, bare(value))).collect::<Map<_, _>>())
        }
        other => other,
    }
}

/// The canonical key of a descriptor, from the identity rules themselves.
///
/// # Errors
///
/// The reply, if the descriptor does not derive.
pub fn key(descriptor: &Value) -> Result<String, String> {
    let reply = identity_component::batch::run(&json!({ "op": "describe", "input": descriptor }).to_string());
    let value: Value = serde_json::from_str(&reply).map_err(|error| error.to_string())?;
    value.pointer("/ok/key").and_then(Value::as_str).map(Into::into).ok_or(reply)
}
