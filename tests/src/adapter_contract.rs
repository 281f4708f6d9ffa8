//! The contract every provider adapter keeps, whoever wrote it and however it is loaded.
//!
//! An adapter is given as a function from a document to answers; what is wrong with it comes back as a list of
//! sentences, empty when nothing is. So the contract itself can be tried on adapters that break it. Nothing here
//! knows a provider: samples come from the suites.

mod answer;

pub use answer::{Answer, Outcome, component, imports, key, native, vector_violations};

use serde_json::{Value, json};

const CLASSES: [&str; 8] = [
    "policy",
    "foundation",
    "assignment_target",
    "virtual_assignment_target",
    "provider_builtin",
    "provider_default",
    "unsupported",
    "unknown",
];
const LEVELS: [&str; 3] = ["supported", "inventory_only", "unsupported"];
/// The bytes a document may have.
pub const DOCUMENT_BYTES: usize = 8 * 1024 * 1024;
/// The bytes a label may have.
const LABEL_BYTES: usize = 512;

/// The tenants the samples are made for.
const TENANTS: [&str; 2] = ["0b5e55ed-aaaa-4aaa-8aaa-aaaaaaaaaaaa", "ca11ab1e-bbbb-4bbb-8bbb-bbbbbbbbbbbb"];

/// An adapter under the contract.
pub struct Subject<'a> {
    /// The provider it must speak for.
    pub provider_key: &'a str,
    /// The raw member that carries the label.
    pub label: &'a str,
    /// The member under which a page holds its objects.
    pub list: &'a str,
    /// The adapter.
    pub describe: &'a dyn Fn(&str) -> Vec<Answer>,
    /// Raw objects of one tenant, described and refused ones of every kind the provider has. The same objects
    /// for another tenant differ in the tenant's id and nothing else.
    pub samples: &'a dyn Fn(&str) -> Vec<Value>,
}

impl std::fmt::Debug for Subject<'_> {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Subject").field("provider_key", &self.provider_key).finish_non_exhaustive()
    }
}

impl Subject<'_> {
    /// Everything that is wrong with the adapter.
    #[must_use]
    pub fn violations(&self) -> Vec<String> {
        let [one, other] = TENANTS.map(|tenant| (self.samples)(tenant));
        let document = Value::Array(one.clone()).to_string();
        let answers = (self.describe)(&document);
        let mut found = self.document_violations(&document);
        found.extend(positions(&answers, one.len()));
        found.extend(self.shape_violations(&one, &answers));
        found.extend(self.label_violations(&one, &answers));
        found.extend(self.tenant_violations(&answers, &other));
        found.extend(self.hostile_violations(&one, &answers));
        found
    }

    /// What is wrong with the answers to one document, whatever it holds: they are the same twice, every
    /// descriptor is whole and derives, every refusal says what, where and why.
    #[must_use]
    pub fn document_violations(&self, document: &str) -> Vec<String> {
        let answers = (self.describe)(document);
        let mut found = Vec::new();
        if (self.describe)(document) != answers {
            found.push("the same document is answered in two ways".into());
        }
        for answer in &answers {
            match &answer.outcome {
                Outcome::Described(descriptor) => found.extend(self.descriptor_violations(descriptor)),
                Outcome::Refused { code, field, message } => found.extend(refusal_violations(code, field, message)),
            }
        }
        found
    }

    fn descriptor_violations(&self, descriptor: &Value) -> Vec<String> {
        let text = |path: &str| descriptor.pointer(path).and_then(Value::as_str).unwrap_or_default();
        let mut found = Vec::new();
        if text("/identity/provider_key") != self.provider_key {
            found.push(format!("another provider's key: {descriptor}"));
        }
        if !CLASSES.contains(&text("/subject_class")) || !LEVELS.contains(&text("/support_level")) {
            found.push(format!("no class or no support level: {descriptor}"));
        }
        let label = descriptor.get("display_label").and_then(Value::as_str);
        if label.is_some_and(|label| label.is_empty() || label.len() > LABEL_BYTES) {
            found.push(format!("a label that is empty or too long: {descriptor}"));
        }
        match key(descriptor) {
            Ok(key) if key.starts_with(&format!("provider:{}:", self.provider_key)) => {}
            Ok(key) => found.push(format!("a key of another provider: {key}")),
            Err(reply) => found.push(format!("{descriptor} does not derive: {reply}")),
        }
        found
    }

    /// One object, an array and a page of objects are answered alike.
    fn shape_violations(&self, objects: &[Value], answers: &[Answer]) -> Vec<String> {
        let mut found = Vec::new();
        let page = json!({ self.list: objects });
        if (self.describe)(&page.to_string()) != answers {
            found.push("a page is answered differently from an array".into());
        }
        if (self.describe)(&format!("\u{FEFF} {page}\r\n")) != answers {
            found.push("a byte-order mark or white space around a document changes the answer".into());
        }
        for (object, answer) in objects.iter().zip(answers) {
            let alone = (self.describe)(&object.to_string());
            if alone != [Answer { position: 0, ..answer.clone() }] {
                found.push(format!("alone, {object} is answered with {alone:?}"));
            }
        }
        for empty in [json!([]), json!({ self.list: [] })] {
            if !(self.describe)(&empty.to_string()).is_empty() {
                found.push(format!("{empty} holds no object and is answered"));
            }
        }
        found
    }

    /// Changing the label changes the label.
    fn label_violations(&self, objects: &[Value], answers: &[Answer]) -> Vec<String> {
        let mut found = Vec::new();
        let long = "é".repeat(LABEL_BYTES);
        let hostile = ["x", " ", "\u{0}", "provider:x:policy:a:b:id:c", "\u{202E}\u{FFFE}", long.as_str()];
        let texts = hostile.iter().map(|text| Value::from(*text));
        for label in texts.chain([json!(""), Value::Null, json!(7), json!({ "a": [] })]) {
            let relabelled: Vec<Value> = objects.iter().map(|object| with(object, self.label, &label)).collect();
            let changed = (self.describe)(&Value::Array(relabelled).to_string());
            if changed.iter().map(unlabelled).ne(answers.iter().map(unlabelled)) {
                found.push(format!("the label {label} changes more than the label"));
            }
            found.extend(self.document_violations(&json!(objects).to_string()));
        }
        found
    }

    /// A tenant's id is in no discriminator, and in no key that all tenants share.
    fn tenant_violations(&self, answers: &[Answer], others: &[Value]) -> Vec<String> {
        let others = (self.describe)(&Value::Array(others.to_vec()).to_string());
        let mut found = positions(&others, answers.len());
        for (one, other) in answers.iter().zip(&others) {
            let (Outcome::Described(one), Outcome::Described(other)) = (&one.outcome, &other.outcome) else {
                continue;
            };
            for (descriptor, tenant) in [(one, TENANTS[0]), (other, TENANTS[1])] {
                let name = descriptor.pointer("/identity/discriminator").and_then(Value::as_str).unwrap_or_default();
                if name.replace('-', "").contains(&tenant.replace('-', "")) {
                    found.push(format!("a tenant's id in a discriminator: {descriptor}"));
                }
            }
            let (one, other) = (key(one), key(other));
            let shared = [&one, &other].iter().any(|key| key.as_ref().is_ok_and(|key| key.contains(":disc:")));
            if shared && one != other {
                found.push(format!("two tenants do not share {one:?} and {other:?}"));
            }
        }
        found
    }

    /// What is no object is refused in its place and disturbs nobody; what is no document is refused once.
    fn hostile_violations(&self, objects: &[Value], answers: &[Answer]) -> Vec<String> {
        let mut found = Vec::new();
        let strangers = [json!(7), json!("text"), Value::Null, json!([]), json!([{}]), json!(false)];
        let mixed: Vec<Value> = objects
            .iter()
            .zip(strangers.iter().cycle())
            .flat_map(|(own, other)| [own.clone(), other.clone()])
            .collect();
        let answered = (self.describe)(&Value::Array(mixed.clone()).to_string());
        found.extend(positions(&answered, mixed.len()));
        for (place, answer) in answered.iter().enumerate() {
            let undisturbed = match answers.get(place / 2) {
                Some(own) if place % 2 == 0 => own.outcome == answer.outcome,
                _ => refused(answer, "malformed-document"),
            };
            if !undisturbed {
                found.push(format!("between strangers, object {place} is answered with {answer:?}"));
            }
        }
        for document in ["", " ", "{", "[", "[{}", "{}{}", "[1,]", "nul", "7", "\"text\"", "\u{FEFF}", "[[", "{]", "\0"]
        {
            let whole = (self.describe)(document);
            if !matches!(whole.as_slice(), [only] if only.position == 0 && refused(only, "malformed-document")) {
                found.push(format!("{document:?} is answered with {whole:?}"));
            }
        }
        let deep = "[".repeat(200_000) + &"]".repeat(200_000);
        for (object, answer) in objects.iter().zip(answers).take(1) {
            let nested = object.to_string().replacen('{', &format!("{{\"ignored\":{deep},"), 1);
            if (self.describe)(&nested) != [Answer { position: 0, ..answer.clone() }] {
                found.push("depth of an ignored member changes the answer".into());
            }
        }
        found
    }

    /// What is wrong with how the adapter treats documents over the limit of their size.
    #[must_use]
    pub fn size_violations(&self) -> Vec<String> {
        let mut found = Vec::new();
        let padded = |bytes: usize| format!("[]{}", " ".repeat(bytes - 2));
        if !(self.describe)(&padded(DOCUMENT_BYTES)).is_empty() {
            found.push("a document of the largest size is not read".into());
        }
        let over = (self.describe)(&padded(DOCUMENT_BYTES + 1));
        if !matches!(over.as_slice(), [only] if only.position == 0 && refused(only, "document-too-large")) {
            found.push(format!("a document one byte too large is answered with {over:?}"));
        }
        found
    }
}

/// An object with one member replaced, if it is one and has it or could have it.
#[must_use]
pub fn with(object: &Value, member: &str, value: &Value) -> Value {
    let mut object = object.clone();
    if let Some(members) = object.as_object_mut() {
        members.insert(member.into(), value.clone());
    }
    object
}

fn positions(answers: &[Answer], objects: usize) -> Vec<String> {
    if answers.len() != objects {
        return vec![format!("{objects} objects got {} answers", answers.len())];
    }
    let misplaced = answers.iter().zip(0..).filter(|(answer, place)| answer.position != *place);
    misplaced.map(|(answer, place)| format!("answer {place} says position {}", answer.position)).collect()
}

fn refused(answer: &Answer, expected: &str) -> bool {
    matches!(&answer.outcome, Outcome::Refused { code, .. } if code == expected)
}

fn unlabelled(answer: &Answer) -> Answer {
    let mut answer = answer.clone();
    if let Outcome::Described(Value::Object(members)) = &mut answer.outcome {
        members.remove("display_label");
    }
    answer
}

fn refusal_violations(code: &str, field: &str, message: &str) -> Vec<String> {
    let known = provident_identity::ErrorCode::ALL.iter().any(|known| known.as_str() == code);
    let shaped = !message.is_empty()
        && message.len() < 1024
        && !message.ends_with('.')
        && !message.chars().any(char::is_control)
        && !message.starts_with(|first: char| first.is_ascii_uppercase() && !message.starts_with("JSON"));
    if known && !field.is_empty() && shaped {
        return Vec::new();
    }
    vec![format!("a refusal that does not say what, where and why: {code:?} {field:?} {message:?}")]
}
