//! What vector files are held to, whatever they say: unique ids, no input twice, known flags, and nothing left out.

use super::typed::Call;
use super::{Asked, File, Vector, read};
use crate::guard::Violation;
use provident_identity::{ErrorCode, KeyForm, ResolutionMode, SubjectClass, SupportLevel};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// The ops of the line protocol.
pub const OPS: &[&str] = &["derive", "parse", "digest", "describe", "decide", "about", "adapt"];
/// Not to be had by a line of 65,536 bytes: the document it refuses is larger than that.
const NOT_BY_A_LINE: &[ErrorCode] = &[ErrorCode::DocumentTooLarge];

/// Everything that is wrong with the files.
#[must_use]
pub fn lint(files: &[File], flags: &str) -> Vec<Violation> {
    let vectors = match read(files) {
        Ok(vectors) => vectors,
        Err(wrong) => return wrong,
    };
    let mut found = unlike_names(&vectors);
    found.extend(twice(&vectors, "input", |vector| {
        let adapter = vector.adapter().filter(|_| vector.adapts()).unwrap_or_default();
        let start = vector.has("stream-start");
        let asked = match &vector.asked {
            Asked::Request(request) => request.to_string().into_bytes(),
            // Two spellings of one request are two inputs: how it is written is what a line is about.
            Asked::Line(line) => line.clone(),
        };
        (adapter.to_owned(), start, asked)
    }));
    found.extend(vectors.iter().filter_map(shape));
    found.extend(flag_violations(&vectors, flags));
    found.extend(left_out(&vectors));
    found
}

/// Ids are unique and start with the name of their file.
fn unlike_names(vectors: &[Vector]) -> Vec<Violation> {
    let mut found = twice(vectors, "id", |vector| vector.id.clone());
    for vector in vectors {
        if !vector.id.starts_with(&format!("{}-", vector.file)) {
            found.push(vector.violation(format!("the id `{}` does not start with the name of its file", vector.id)));
        }
    }
    found
}

fn twice<K: Ord>(vectors: &[Vector], what: &str, key: impl Fn(&Vector) -> K) -> Vec<Violation> {
    let mut seen: BTreeMap<K, &Vector> = BTreeMap::new();
    let mut found = Vec::new();
    for vector in vectors {
        if let Some(first) = seen.insert(key(vector), vector) {
            let rule = format!("`{}` has the {what} of `{}` ({}:{})", vector.id, first.id, first.file, first.number);
            found.push(vector.violation(rule));
        }
    }
    found
}

/// `expect` is one outcome, with known codes and without messages.
fn shape(vector: &Vector) -> Option<Violation> {
    let Some(expect) = vector.expect.as_object() else {
        return Some(vector.violation("`expect` is not an object"));
    };
    let outcomes = expect.keys().filter(|name| matches!(name.as_str(), "ok" | "error" | "errors")).count();
    let others = expect.keys().any(|name| !matches!(name.as_str(), "ok" | "error" | "errors" | "id"));
    if outcomes != 1 || others {
        return Some(
            vector.violation("`expect` holds one of `ok`, `error` and `errors`, and `id` where one is echoed"),
        );
    }
    for refusal in super::refusals(&vector.expect) {
        let code = refusal.get("code").and_then(Value::as_str).unwrap_or_default();
        if code.parse::<ErrorCode>().is_err() {
            return Some(vector.violation(format!("`{code}` is no code")));
        }
        if refusal.get("field").is_none() || refusal.get("message").is_some() {
            return Some(vector.violation("a refusal has a code and a field, and its message is not compared"));
        }
    }
    None
}

fn flag_violations(vectors: &[Vector], flags: &str) -> Vec<Violation> {
    let explained: BTreeMap<String, String> = match serde_json::from_str(flags) {
        Ok(explained) => explained,
        Err(error) => return vec![Violation::new("tests/vectors/flags.json", 0, error.to_string(), flags)],
    };
    let mut found = Vec::new();
    let used: BTreeSet<&String> = vectors.iter().flat_map(|vector| &vector.flags).collect();
    for (flag, reason) in &explained {
        if reason.trim().is_empty() || !used.contains(flag) {
            let rule = format!("`{flag}` is not explained, or on no vector");
            found.push(Violation::new("tests/vectors/flags.json", 0, rule, reason));
        }
    }
    for vector in vectors {
        if let Some(flag) = vector.flags.iter().find(|flag| !explained.contains_key(*flag)) {
            found.push(vector.violation(format!("flags.json does not say why `{flag}` exists")));
        }
        let typed = vector.adapts() || vector.request().is_some_and(|request| Call::read(request).is_some());
        if typed == vector.has("line-only") {
            let rule = if typed { "typed calls can make this request" } else { "no typed call can: `line-only`" };
            found.push(vector.violation(rule));
        }
        let text = std::str::from_utf8(&vector.line()).is_ok();
        if text == vector.has("process-only") {
            let rule = if text { "this is text: lanes of text can run it" } else { "not text: `process-only`" };
            found.push(vector.violation(rule));
        }
        if vector.has("stream-start") != vector.line().starts_with("\u{FEFF}".as_bytes()) {
            found.push(vector.violation("`stream-start` is for lines with a byte-order mark, and all of them"));
        }
    }
    found
}

/// Every op, code, class, mode, level and form is in some reply.
fn left_out(vectors: &[Vector]) -> Vec<Violation> {
    let codes: BTreeSet<&str> = vectors
        .iter()
        .flat_map(|vector| super::refusals(&vector.expect))
        .filter_map(|refusal| refusal.get("code").and_then(Value::as_str))
        .collect();
    let answered: Vec<&Vector> = vectors.iter().filter(|vector| vector.expect.get("ok").is_some()).collect();
    let given = |op: &str, at: &str| -> BTreeSet<String> {
        let of_op = answered.iter().filter(|vector| vector.op().as_deref() == Some(op));
        of_op.filter_map(|vector| vector.request()?.pointer(at)?.as_str().map(String::from)).collect()
    };
    let ops: BTreeSet<String> = answered.iter().filter_map(|vector| vector.op()).collect();
    let parsed = |at: &str| -> BTreeSet<String> {
        answered.iter().filter_map(|vector| vector.expect.pointer(at)?.as_str().map(String::from)).collect()
    };
    let mut found = Vec::new();
    let mut missing = |what: &str, name: &str| {
        found.push(Violation::new("tests/vectors", 0, format!("no vector for {what} `{name}`"), ""));
    };
    for op in OPS.iter().filter(|op| !ops.contains(**op)) {
        missing("an answered op", op);
    }
    for code in ErrorCode::ALL.iter().filter(|code| !NOT_BY_A_LINE.contains(code)) {
        if !codes.contains(code.as_str()) {
            missing("the code", code.as_str());
        }
    }
    let (derived, taken_apart) = (given("derive", "/input/subject_class"), parsed("/ok/subject_class"));
    for class in SubjectClass::ALL {
        if !derived.contains(class.as_str()) || !taken_apart.contains(class.as_str()) {
            missing("the class, derived and parsed,", class.as_str());
        }
    }
    let modes = given("decide", "/input/mode");
    for mode in ResolutionMode::ALL.iter().filter(|mode| !modes.contains(mode.as_str())) {
        missing("the mode", mode.as_str());
    }
    let levels = given("describe", "/input/support_level");
    for level in SupportLevel::ALL.iter().filter(|level| !levels.contains(level.as_str())) {
        missing("the level", level.as_str());
    }
    let forms = parsed("/ok/form");
    for form in KeyForm::ALL.iter().filter(|form| !forms.contains(form.as_str())) {
        missing("the form", form.as_str());
    }
    found
}
