//! The lanes: every way to ask the same question. Each takes the vectors and reports on all of them.

use super::flat;
use super::typed::Call;
use super::{Report, Vector};
use crate::adapter_contract::{Answer, component};
use crate::program;
use identity_component::batch;
use provident_identity::{Adapter, GovernedSubject, Identity};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// An adapter called as a library.
pub type NativeAdapter = fn(&str) -> Vec<Answer>;

/// Sends bytes and gives back what came.
type Ask<'a> = dyn Fn(&[u8]) -> Result<Vec<u8>, String> + 'a;
/// The same, with the adapter that is to answer.
type AskWith<'a> = dyn Fn(Option<&str>, &[u8]) -> Result<Vec<u8>, String> + 'a;

/// A way to ask a host of another language.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Form {
    /// Request lines, answered as a batch.
    Lines,
    /// Request lines, each made with the typed calls of its language.
    Calls,
    /// Request lines that derive, answered as one list.
    Many,
    /// One packed list, as `derive-flat` takes it.
    Flat,
}

impl Form {
    /// The word for it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Lines => "lines",
            Self::Calls => "calls",
            Self::Many => "many",
            Self::Flat => "flat",
        }
    }
}

const LINE_ONLY: &str = "line-only";
const PROCESS_ONLY: &str = "process-only";
const ADAPT: &str = "adapt is no op of the identity component";
const NOT_DERIVE: &str = "the flat form derives";
const NOT_LINKED: &str = "this adapter has a native lane of its own";

/// The reply on a line, which ends in one LF. Anything else becomes a reply that no vector expects.
fn read_reply(reply: &str) -> Value {
    match reply.strip_suffix('\n') {
        Some(line) if !line.contains('\n') => {
            serde_json::from_str(line).unwrap_or_else(|error| json!({ "not JSON": error.to_string() }))
        }
        _ => json!({ "not one line": reply }),
    }
}

fn failure(what: impl std::fmt::Display) -> Value {
    json!({ "failure": what.to_string() })
}

fn raw(vector: &Vector) -> String {
    vector.request().and_then(|request| request.pointer("/input/raw")).map(Value::to_string).unwrap_or_default()
}

fn items(answers: &[Answer]) -> Value {
    let item = |answer: &Answer| {
        let mut item = answer.item();
        // The contract of adapters judges their messages; here one stands for them all.
        if let Some(refusal) = item.get_mut("error").and_then(Value::as_object_mut) {
            refusal.insert("message".into(), json!("not looked at"));
        }
        item
    };
    json!({ "ok": { "items": answers.iter().map(item).collect::<Vec<_>>() } })
}

/// The rules as a library, line by line; adapters likewise.
#[must_use]
pub fn native_lines(vectors: &[Vector], adapters: &[(&str, NativeAdapter)]) -> Report {
    let mut report = Report::default();
    for vector in vectors {
        let answer = if vector.adapts() {
            let linked = adapters.iter().find(|(name, _)| vector.adapter() == Some(*name));
            linked.map(|(_, describe)| items(&describe(&raw(vector)))).ok_or(NOT_LINKED)
        } else if vector.has("stream-start") {
            Ok(read_reply(&batch::run(&String::from_utf8_lossy(&vector.line()))))
        } else {
            Ok(read_reply(&batch::answer_line(&vector.line()).unwrap_or_default()))
        };
        report.add(vector, answer);
    }
    report
}

/// The reply to a request as far as a typed call can answer it: without the echo of an id.
fn typed(vectors: &[Vector], answer: impl Fn(&Call) -> Value, adapt: impl Fn(&Vector) -> Option<Value>) -> Report {
    let mut report = Report::default();
    for vector in vectors {
        let outcome = if vector.has(LINE_ONLY) {
            Err(LINE_ONLY)
        } else if vector.adapts() {
            adapt(vector).ok_or(NOT_LINKED)
        } else {
            let call = vector.request().and_then(Call::read);
            Ok(call.map_or_else(|| failure("no typed call can make this request"), |call| answer(&call)))
        };
        let echoed = vector.expect.get("id").cloned();
        report.add(vector, outcome.map(|reply| with_id(reply, echoed)));
    }
    report
}

fn with_id(mut reply: Value, id: Option<Value>) -> Value {
    if let (Some(members), Some(id)) = (reply.as_object_mut(), id) {
        members.insert("id".into(), id);
    }
    reply
}

/// The rules as a library, typed.
#[must_use]
pub fn native_calls(vectors: &[Vector], adapters: &[(&str, NativeAdapter)]) -> Report {
    typed(vectors, Call::native, |vector| {
        let linked = adapters.iter().find(|(name, _)| vector.adapter() == Some(*name));
        linked.map(|(_, describe)| items(&describe(&raw(vector))))
    })
}

/// The components through typed calls, adapters included.
#[must_use]
pub fn component_calls(vectors: &[Vector], identity: &Identity) -> Report {
    let mut adapters: BTreeMap<&str, Adapter> = BTreeMap::new();
    for name in vectors.iter().filter_map(Vector::adapter) {
        if let Ok(adapter) = Adapter::embedded(name) {
            adapters.insert(name, adapter);
        }
    }
    typed(
        vectors,
        |call| call.component(identity).unwrap_or_else(failure),
        |vector| {
            let adapter = adapters.get(vector.adapter()?);
            Some(adapter.map_or_else(
                || failure("no such adapter is embedded"),
                |adapter| items(&component(adapter.describe(&raw(vector)))),
            ))
        },
    )
}

/// The component through the flat form: every derivation in one call.
#[must_use]
pub fn flat_form(vectors: &[Vector], identity: &Identity) -> Report {
    flat_lane(vectors, &|packed| identity.derive_flat(packed).map_err(|error| error.to_string()))
}

/// Any host that takes the flat form.
#[must_use]
pub fn flat_lane(vectors: &[Vector], ask: &Ask<'_>) -> Report {
    let mut packed = Vec::new();
    for subject in vectors.iter().filter_map(derived) {
        flat::pack(&subject, &mut packed);
    }
    let answers = match ask(&packed).and_then(|answers| flat::read(&answers)) {
        Ok(answers) => answers,
        Err(error) => return failed(vectors, &error),
    };
    many_lane(vectors, answers.into_iter().map(|answer| flat_reply(&answer)))
}

/// The subject of a vector that derives, and is no line.
fn derived(vector: &Vector) -> Option<GovernedSubject> {
    match vector.request().filter(|_| !vector.has(LINE_ONLY)).and_then(Call::read) {
        Some(Call::Derive(subject)) => Some(subject),
        _ => None,
    }
}

/// Replies to the derivations among the vectors, without digests: each is given the one that cannot be wrong.
fn many_lane(vectors: &[Vector], mut replies: impl Iterator<Item = Value>) -> Report {
    let mut report = Report::default();
    for vector in vectors {
        let outcome = match derived(vector) {
            Some(_) => Ok(replies.next().unwrap_or_else(|| failure("no answer"))),
            None if vector.has(LINE_ONLY) => Err(LINE_ONLY),
            None => Err(NOT_DERIVE),
        };
        let outcome = outcome.map(|mut reply| {
            if let (Some(ok), Some(digest)) =
                (reply.get_mut("ok").and_then(Value::as_object_mut), vector.expect.pointer("/ok/digest"))
            {
                ok.insert("digest".into(), digest.clone());
            }
            with_id(reply, vector.expect.get("id").cloned())
        });
        report.add(vector, outcome);
    }
    if let (Some(surplus), Some(last)) = (replies.next(), vectors.last()) {
        report.failed.push(last.violation(format!("a reply to nothing: {surplus}")));
    }
    report
}

/// An answer of the flat form as a reply. It has no message: here it is given one.
fn flat_reply(answer: &flat::Answer) -> Value {
    match answer {
        Ok(key) => json!({ "ok": { "key": key } }),
        Err((code, field)) => {
            json!({ "error": { "code": code.as_str(), "field": field, "message": "the flat form has none" } })
        }
    }
}

/// A lane that could not run at all.
fn failed(vectors: &[Vector], what: &str) -> Report {
    let mut report = Report::default();
    for vector in vectors {
        report.add(vector, Ok(failure(what)));
    }
    report
}

/// The component through batches: all lines together, in as few calls as they fit.
#[must_use]
pub fn batches(vectors: &[Vector], identity: &Identity) -> Report {
    let runs = |vector: &&Vector| !vector.adapts() && !vector.has(PROCESS_ONLY);
    let ask = |lines: &[u8]| {
        let text = std::str::from_utf8(lines).map_err(|error| error.to_string())?;
        identity.batch(text).map(String::into_bytes).map_err(|error| error.to_string())
    };
    let mut report = joined(&vectors.iter().filter(runs).collect::<Vec<_>>(), 1 << 20, &ask);
    for vector in vectors.iter().filter(|vector| !runs(vector)) {
        report.add(vector, Err(if vector.adapts() { ADAPT } else { PROCESS_ONLY }));
    }
    report
}

/// The `batch` command of the program: one process for all lines of the identity component, one for each adapter.
#[must_use]
pub fn process(vectors: &[Vector]) -> Report {
    line_lane(&vectors.iter().collect::<Vec<_>>(), &|adapter, lines| {
        let mut arguments = vec!["batch"];
        if let Some(adapter) = adapter {
            arguments.extend(["--adapter", adapter]);
        }
        let run = program::run(&arguments, lines).map_err(|error| error.to_string())?;
        let wrote = String::from_utf8_lossy(&run.stderr);
        // 3 says that some requests were refused, as most of these are meant to be.
        if matches!(run.status.code(), Some(0 | 3)) { Ok(run.stdout) } else { Err(format!("{}: {wrote}", run.status)) }
    })
}

/// Any host that speaks the line protocol over bytes, asked once for all lines of the identity component and once for
/// each adapter.
#[must_use]
pub fn line_lane(vectors: &[&Vector], ask: &AskWith<'_>) -> Report {
    let mut groups: BTreeMap<Option<&str>, Vec<&Vector>> = BTreeMap::new();
    for vector in vectors {
        groups.entry(vector.adapter()).or_default().push(vector);
    }
    let mut report = Report::default();
    for (adapter, vectors) in groups {
        report.join(joined(&vectors, usize::MAX, &|lines| ask(adapter, lines)));
    }
    report
}

/// A host of another language: what it is asked in each form it knows, `ask` being told which.
#[must_use]
pub fn host(vectors: &[Vector], form: Form, ask: &AskWith<'_>) -> Report {
    match form {
        Form::Lines => line_lane(&vectors.iter().collect::<Vec<_>>(), ask),
        Form::Flat => flat_lane(vectors, &|packed| ask(None, packed)),
        Form::Calls => {
            let can = |vector: &&Vector| !vector.has(LINE_ONLY) && !vector.has(PROCESS_ONLY);
            let mut report = line_lane(&vectors.iter().filter(can).collect::<Vec<_>>(), ask);
            for vector in vectors.iter().filter(|vector| !can(vector)) {
                report.add(vector, Err(if vector.has(LINE_ONLY) { LINE_ONLY } else { PROCESS_ONLY }));
            }
            report
        }
        Form::Many => {
            let asked = vectors.iter().filter(|vector| derived(vector).is_some());
            let lines: Vec<u8> = asked.flat_map(|vector| [vector.line(), b"\n".to_vec()].concat()).collect();
            match ask(None, &lines) {
                Ok(replies) => {
                    let replies = String::from_utf8_lossy(&replies).into_owned();
                    many_lane(vectors, replies.split_inclusive('\n').map(read_reply))
                }
                Err(error) => failed(vectors, &error),
            }
        }
    }
}

/// Sends lines together, as many as fit, and compares reply by reply; what must stand at the start goes alone.
fn joined(vectors: &[&Vector], limit_bytes: usize, ask: &Ask<'_>) -> Report {
    let mut report = Report::default();
    let mut group: Vec<&Vector> = Vec::new();
    let mut lines: Vec<u8> = Vec::new();
    for vector in vectors {
        let mut line = vector.line();
        line.push(b'\n');
        if vector.has("stream-start") {
            answer_group(&mut report, &[vector], &line, ask);
            continue;
        }
        if lines.len() + line.len() > limit_bytes {
            answer_group(&mut report, &group, &lines, ask);
            group.clear();
            lines.clear();
        }
        group.push(vector);
        lines.extend(line);
    }
    answer_group(&mut report, &group, &lines, ask);
    report
}

fn answer_group(report: &mut Report, group: &[&Vector], lines: &[u8], ask: &Ask<'_>) {
    let replies = match ask(lines) {
        Ok(replies) => String::from_utf8_lossy(&replies).into_owned(),
        Err(error) => return group.iter().for_each(|vector| report.add(vector, Ok(failure(&error)))),
    };
    let mut replies = replies.split_inclusive('\n');
    for vector in group {
        report.add(vector, Ok(replies.next().map_or_else(|| failure("no reply"), read_reply)));
    }
    if let (Some(surplus), Some(last)) = (replies.next(), group.last()) {
        report.failed.push(last.violation(format!("a reply to nothing: {surplus}")));
    }
}
