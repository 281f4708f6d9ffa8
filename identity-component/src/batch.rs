//! The line protocol: one JSON request a line, one JSON reply a line, in order.
//!
//! A line is refused by the first rule it breaks: size, encoding, shape, op, unknown members; then the rules of the op. The shapes of the
//! ops are data (`Shape`), so that type checks and unknown members need no code per op.

use crate::decision::{self, Decision};
use crate::descriptor::{self, Descriptor};
use crate::json::{Json, Members};
use crate::key;
use crate::limits;
use crate::model::{
    ActorKind, Code, DecisionAction, Flags, Identity, Refusal, ResolutionMode, Subject, SubjectClass, SupportLevel,
};
use crate::text;
use alloc::borrow::Cow;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use serde::Serialize;

/// What a member may hold. Null counts as absent everywhere.
enum Shape {
    Text,
    Flag,
    Object(&'static [(&'static str, Shape)]),
}

const IDENTITY: &[(&str, Shape)] = &[
    ("provider_key", Shape::Text),
    ("resource_type", Shape::Text),
    ("provider_resource_id", Shape::Text),
    ("external_id", Shape::Text),
    ("discriminator", Shape::Text),
    ("fingerprint", Shape::Text),
    ("built_in", Shape::Flag),
    ("default", Shape::Flag),
    ("virtual", Shape::Flag),
    ("tenant_owned", Shape::Flag),
];
const SUBJECT: &[(&str, Shape)] =
    &[("identity", Shape::Object(IDENTITY)), ("subject_class", Shape::Text), ("subject_type_key", Shape::Text)];
const DESCRIPTOR: &[(&str, Shape)] = &[
    ("identity", Shape::Object(IDENTITY)),
    ("subject_domain", Shape::Text),
    ("subject_class", Shape::Text),
    ("subject_type_key", Shape::Text),
    ("support_level", Shape::Text),
    ("display_label", Shape::Text),
    ("source_inventory_item_id", Shape::Text),
    ("source_policy_version_id", Shape::Text),
    ("source_operation_run_id", Shape::Text),
];
const DECISION: &[(&str, Shape)] = &[
    ("action", Shape::Text),
    ("actor", Shape::Text),
    ("mode", Shape::Text),
    ("subject", Shape::Text),
    ("resource", Shape::Text),
    ("note", Shape::Text),
    ("reason", Shape::Text),
];
const KEY: &[(&str, Shape)] = &[("key", Shape::Text)];

/// An operation: how its input looks and what answers it.
struct Op {
    name: &'static str,
    input: &'static [(&'static str, Shape)],
    answer: fn(Input<'_>) -> Answer,
}

const OPS: &[Op] = &[
    Op { name: "derive", input: SUBJECT, answer: answer_derive },
    Op { name: "parse", input: KEY, answer: answer_parse },
    Op { name: "digest", input: KEY, answer: answer_digest },
    Op { name: "describe", input: DESCRIPTOR, answer: answer_describe },
    Op { name: "decide", input: DECISION, answer: answer_decide },
    Op { name: "about", input: &[], answer: answer_about },
];

/// Answers a batch: every line in order, each reply ended by LF.
#[must_use]
pub fn run(ndjson: &str) -> String {
    if ndjson.len() > limits::BATCH_BYTES {
        return finish(None, Answer::refused(Code::RequestTooLarge, "request", "the batch is over 1 MiB"));
    }
    let ndjson = ndjson.strip_prefix('\u{FEFF}').unwrap_or(ndjson);
    let mut replies = String::with_capacity(ndjson.len());
    for line in ndjson.split('\n') {
        replies.push_str(&answer_line(line.as_bytes()).unwrap_or_default());
    }
    replies
}

/// Answers one line, its line end cut off; `None` when there is nothing on it.
#[must_use]
pub fn answer_line(line: &[u8]) -> Option<String> {
    // Size comes first, blank or not: a stream keeps no more of a line than this.
    if line.len() > limits::LINE_BYTES {
        return Some(finish(None, Answer::refused(Code::RequestTooLarge, "request", "the line is over 65,536 bytes")));
    }
    if line.iter().all(|byte| matches!(byte, b' ' | b'\t' | b'\r')) {
        return None;
    }
    let Ok(line) = core::str::from_utf8(line) else {
        return Some(finish(None, Answer::refused(Code::InvalidUtf8, "request", "the line is not UTF-8")));
    };
    let Some(json @ Json::Object(_)) = Json::read(line) else {
        let message = "the line is not one JSON object, at most 16 deep";
        return Some(finish(None, Answer::refused(Code::MalformedRequest, "request", message)));
    };
    let Json::Object(request) = &json else { return None };
    let id = readable_id(request);
    let answer = match read_request(&json, request) {
        Ok((op, input)) => (op.answer)(input),
        Err(refusal) => Answer::from(refusal),
    };
    Some(finish(id, answer))
}

/// The request's id, where it could be read.
fn readable_id(request: &Members) -> Option<&str> {
    let mut ids = request.iter().filter(|(name, _)| name == "id");
    match (ids.next(), ids.next()) {
        (Some((_, Json::Text(id))), None) if id.len() <= limits::ID_BYTES => Some(id),
        _ => None,
    }
}

/// Everything that can be wrong with a line as a line, in its order.
fn read_request<'a>(json: &'a Json, request: &'a Members) -> Result<(&'static Op, Input<'a>), Refusal> {
    let refused = |code, name: &str, what: &str| {
        Err(Refusal::new(code, String::from(name), format!("{} {what}", text::quote(name))))
    };
    if let Some(name) = json.repeated_member() {
        return refused(Code::MalformedRequest, name, "is given twice");
    }
    let op_name = member(request, "op");
    let op = match op_name {
        Some(Json::Text(name)) => OPS.iter().find(|op| op.name == name),
        _ => None,
    };
    for (name, value) in request {
        let wrong = match (name.as_str(), value) {
            (_, Json::Null) | ("op", Json::Text(_)) => None,
            ("op", _) => Some("op"),
            ("input", Json::Object(members)) => op.and_then(|op| wrong_type(members, op.input)),
            ("input", _) => Some("input"),
            _ => None,
        };
        if let Some(name) = wrong {
            return refused(Code::MalformedRequest, name, "has the wrong JSON type");
        }
    }
    match member(request, "id") {
        None | Some(Json::Null) => {}
        Some(Json::Text(id)) if id.len() <= limits::ID_BYTES => {}
        Some(_) => return refused(Code::MalformedRequest, "id", "is not text of at most 128 bytes"),
    }
    let Some(Json::Text(op_name)) = op_name else {
        return refused(Code::MalformedRequest, "op", "is absent");
    };
    let Some(op) = op else {
        let message = format!("no operation {}", text::quote(op_name));
        return Err(Refusal::new(Code::UnknownOp, "op", message));
    };
    if let Some((name, _)) = request.iter().find(|(name, _)| !matches!(name.as_str(), "id" | "op" | "input")) {
        return refused(Code::UnknownField, name, "is not a member of a request");
    }
    let input: &[(String, Json)] = match member(request, "input") {
        Some(Json::Object(members)) => members,
        _ => &[],
    };
    match unknown_member(input, op.input) {
        Some(name) => refused(Code::UnknownField, name, "is not a member here"),
        None => Ok((op, Input(input))),
    }
}

fn member<'a>(members: &'a [(String, Json)], name: &str) -> Option<&'a Json> {
    members.iter().find(|(given, _)| given == name).map(|(_, value)| value)
}

fn shape_of<'s>(shapes: &'s [(&'static str, Shape)], name: &str) -> Option<&'s Shape> {
    shapes.iter().find(|(known, _)| *known == name).map(|(_, shape)| shape)
}

/// The first known member that holds the wrong JSON type, in document order.
fn wrong_type<'a>(members: &'a [(String, Json)], shapes: &[(&'static str, Shape)]) -> Option<&'a str> {
    members.iter().find_map(|(name, value)| match (shape_of(shapes, name)?, value) {
        (_, Json::Null) | (Shape::Text, Json::Text(_)) | (Shape::Flag, Json::Bool(_)) => None,
        (Shape::Object(inner), Json::Object(members)) => wrong_type(members, inner),
        _ => Some(name),
    })
}

/// The first member nobody knows, in document order.
fn unknown_member<'a>(members: &'a [(String, Json)], shapes: &[(&'static str, Shape)]) -> Option<&'a str> {
    members.iter().find_map(|(name, value)| match (shape_of(shapes, name), value) {
        (None, _) => Some(name.as_str()),
        (Some(Shape::Object(inner)), Json::Object(members)) => unknown_member(members, inner),
        _ => None,
    })
}

/// The members of an op's input, all of a known name and type by now.
#[derive(Clone, Copy)]
struct Input<'a>(&'a [(String, Json)]);

impl<'a> Input<'a> {
    fn text(self, name: &str) -> Option<&'a str> {
        match member(self.0, name) {
            Some(Json::Text(text)) => Some(text),
            _ => None,
        }
    }

    /// A required text: absent reads as empty.
    fn required(self, name: &str) -> &'a str {
        self.text(name).unwrap_or_default()
    }

    fn flag(self, name: &str) -> bool {
        matches!(member(self.0, name), Some(Json::Bool(true)))
    }

    fn object(self, name: &str) -> Self {
        match member(self.0, name) {
            Some(Json::Object(members)) => Self(members),
            _ => Self(&[]),
        }
    }

    fn subject(self) -> Result<Subject<'a>, Refusal> {
        let identity = self.object("identity");
        let class = self.required("subject_class");
        let Some(class) = SubjectClass::from_name(class) else {
            let message = format!("{} is not a subject class", text::quote(class));
            return Err(Refusal::new(Code::InvalidClass, "subject_class", message));
        };
        Ok(Subject {
            identity: Identity {
                provider_key: identity.required("provider_key"),
                resource_type: identity.required("resource_type"),
                provider_resource_id: identity.text("provider_resource_id"),
                external_id: identity.text("external_id"),
                discriminator: identity.text("discriminator"),
                fingerprint: identity.text("fingerprint"),
                flags: Flags {
                    built_in: identity.flag("built_in"),
                    default: identity.flag("default"),
                    r#virtual: identity.flag("virtual"),
                    tenant_owned: identity.flag("tenant_owned"),
                },
            },
            class,
            type_key: self.required("subject_type_key"),
        })
    }
}

/// One reply: exactly one of the three stands in it.
#[derive(Default, Serialize)]
struct Answer {
    #[serde(skip_serializing_if = "Option::is_none")]
    ok: Option<Success>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<Failure>,
    #[serde(skip_serializing_if = "Option::is_none")]
    errors: Option<Vec<Failure>>,
}

#[derive(Serialize)]
struct Reply<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<&'a str>,
    #[serde(flatten)]
    answer: Answer,
}

#[derive(Serialize)]
struct Failure {
    code: &'static str,
    field: Cow<'static, str>,
    message: String,
}

#[derive(Serialize)]
#[serde(untagged)]
enum Success {
    Derived { key: String, digest: String },
    Parsed(Parsed),
    Digest { digest: String },
    Described { key: String, canonical: String, digest: String },
    Decided {},
    About { grammar_version: u32, contract_version: &'static str, limits: Limits },
}

#[derive(Serialize)]
struct Parsed {
    provider_key: String,
    subject_class: &'static str,
    subject_type_key: String,
    resource_type: String,
    form: &'static str,
    value: String,
}

#[derive(Serialize)]
struct Limits {
    line_bytes: usize,
    batch_bytes: usize,
    key_bytes: usize,
    type_bytes: usize,
    value_bytes: usize,
    label_bytes: usize,
    note_chars: usize,
}

impl From<Refusal> for Failure {
    fn from(refusal: Refusal) -> Self {
        Self { code: refusal.code.as_str(), field: refusal.field, message: refusal.message }
    }
}

impl From<Refusal> for Answer {
    fn from(refusal: Refusal) -> Self {
        Self { error: Some(refusal.into()), ..Self::default() }
    }
}

impl Answer {
    fn ok(success: Success) -> Self {
        Self { ok: Some(success), ..Self::default() }
    }

    fn refused(code: Code, field: &'static str, message: &str) -> Self {
        Refusal::new(code, field, message).into()
    }

    fn of(result: Result<Success, Refusal>) -> Self {
        result.map_or_else(Self::from, Self::ok)
    }
}

/// A reply as a line. Replies hold nothing but texts and small numbers, so rendering them cannot fail.
fn finish(id: Option<&str>, answer: Answer) -> String {
    let mut line = serde_json::to_string(&Reply { id, answer }).unwrap_or_default();
    line.push('\n');
    line
}

fn answer_derive(input: Input<'_>) -> Answer {
    Answer::of(input.subject().and_then(|subject| {
        let key = key::derive(&subject)?;
        let digest = key::sha256(key.as_bytes());
        Ok(Success::Derived { key, digest })
    }))
}

fn answer_parse(input: Input<'_>) -> Answer {
    Answer::of(key::parse(input.required("key")).map(|parsed| {
        Success::Parsed(Parsed {
            provider_key: parsed.provider_key,
            subject_class: parsed.class.as_str(),
            subject_type_key: parsed.type_key,
            resource_type: parsed.resource_type,
            form: parsed.form.as_str(),
            value: parsed.value,
        })
    }))
}

fn answer_digest(input: Input<'_>) -> Answer {
    Answer::of(key::digest(input.required("key")).map(|digest| Success::Digest { digest }))
}

fn answer_describe(input: Input<'_>) -> Answer {
    Answer::of(input.subject().and_then(|subject| {
        let described = descriptor::describe(&Descriptor {
            subject,
            domain: input.required("subject_domain"),
            support_level: SupportLevel::from_name(input.required("support_level")),
            source_inventory_item_id: input.text("source_inventory_item_id"),
            source_policy_version_id: input.text("source_policy_version_id"),
            source_operation_run_id: input.text("source_operation_run_id"),
        })?;
        Ok(Success::Described { key: described.key, canonical: described.canonical, digest: described.digest })
    }))
}

fn answer_decide(input: Input<'_>) -> Answer {
    let Some(action) = DecisionAction::from_name(input.required("action")) else {
        return Answer::refused(
            Code::MalformedRequest,
            "action",
            "the action is none of `create`, `supersede`, `revoke`",
        );
    };
    let Some(actor) = ActorKind::from_name(input.required("actor")) else {
        return Answer::refused(Code::MalformedRequest, "actor", "the actor is none of `operator`, `system`");
    };
    let checked = decision::check(&Decision {
        action,
        actor,
        mode: input.text("mode").map(ResolutionMode::from_name),
        subject: input.required("subject"),
        resource: input.text("resource"),
        note: input.text("note"),
        reason: input.text("reason"),
    });
    match checked {
        Ok(()) => Answer::ok(Success::Decided {}),
        Err(broken) => Answer { errors: Some(broken.into_iter().map(Failure::from).collect()), ..Answer::default() },
    }
}

fn answer_about(_: Input<'_>) -> Answer {
    Answer::ok(Success::About {
        grammar_version: limits::GRAMMAR_VERSION,
        contract_version: limits::CONTRACT_VERSION,
        limits: Limits {
            line_bytes: limits::LINE_BYTES,
            batch_bytes: limits::BATCH_BYTES,
            key_bytes: limits::KEY_BYTES,
            type_bytes: limits::TYPE_BYTES,
            value_bytes: limits::VALUE_BYTES,
            label_bytes: limits::LABEL_BYTES,
            note_chars: limits::NOTE_CHARS,
        },
    })
}
