//! The vectors: requests with the replies they must get, read from `tests/vectors/*.ndjson`.
//!
//! One vector is one line, `{"id", "request" | "line" | "line_base64", "expect", "flags"}`: the request as an object,
//! as the text of a line, or as its bytes; `expect` is the reply without message texts, its `id` included where one
//! is echoed. Here they are loaded and replies are compared; [`lint`] judges the files, [`lanes`] runs them, and
//! [`typed`] turns requests into the arguments of typed calls. Nothing here knows a rule of identity.

pub mod flat;
pub mod lanes;
pub mod lint;
pub mod typed;

use crate::guard::Violation;
use serde::Serialize;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::Path;

/// What is asked.
#[derive(Clone, Debug, PartialEq)]
pub enum Asked {
    /// A request object.
    Request(Value),
    /// A line that is no request object, or only becomes one when read. Without its line end.
    Line(Vec<u8>),
}

/// A request and the reply it must get.
#[derive(Clone, Debug)]
pub struct Vector {
    /// The file it stands in, without folder and ending.
    pub file: String,
    /// Its line there, from 1.
    pub number: usize,
    /// Its name, unique over all files.
    pub id: String,
    /// What is asked.
    pub asked: Asked,
    /// The reply, without message texts.
    pub expect: Value,
    /// Why some lanes skip it; explained in `flags.json`.
    pub flags: BTreeSet<String>,
    /// The whole line.
    pub text: String,
}

impl Vector {
    /// Whether it carries a flag.
    #[must_use]
    pub fn has(&self, flag: &str) -> bool {
        self.flags.contains(flag)
    }

    /// The request line as it is sent.
    #[must_use]
    pub fn line(&self) -> Vec<u8> {
        match &self.asked {
            Asked::Request(request) => request.to_string().into_bytes(),
            Asked::Line(line) => line.clone(),
        }
    }

    /// The request object; `None` for lines.
    #[must_use]
    pub fn request(&self) -> Option<&Value> {
        match &self.asked {
            Asked::Request(request) => Some(request),
            Asked::Line(_) => None,
        }
    }

    /// The op of a request, or of a line that can be read as one.
    #[must_use]
    pub fn op(&self) -> Option<String> {
        let op = |request: &Value| request.get("op").and_then(Value::as_str).map(String::from);
        match &self.asked {
            Asked::Request(request) => op(request),
            Asked::Line(line) => serde_json::from_slice::<Value>(line).ok().as_ref().and_then(op),
        }
    }

    /// The adapter that answers it, for requests to adapt: the file is named after it.
    #[must_use]
    pub fn adapter(&self) -> Option<&str> {
        self.file.strip_prefix("adapt-")
    }

    /// Whether an adapter, and not the identity component, is asked.
    #[must_use]
    pub fn adapts(&self) -> bool {
        self.adapter().is_some() && self.op().as_deref() == Some("adapt")
    }

    /// Something is wrong with it.
    #[must_use]
    pub fn violation(&self, rule: impl Into<String>) -> Violation {
        Violation::new(&path(&self.file), self.number, rule, &self.text)
    }
}

fn path(file: &str) -> String {
    format!("tests/vectors/{file}.ndjson")
}

/// A file of vectors: its name without folder and ending, and its text.
pub type File = (String, String);

/// The files of vectors of this project, in the order of their names, and the text of `flags.json`.
///
/// # Errors
///
/// If they cannot be read.
pub fn files() -> std::io::Result<(Vec<File>, String)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("vectors");
    let mut files = Vec::new();
    for entry in std::fs::read_dir(&folder)? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "ndjson") {
            let stem = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
            files.push((stem, std::fs::read_to_string(&path)?));
        }
    }
    files.sort();
    Ok((files, std::fs::read_to_string(folder.join("flags.json"))?))
}

/// Reads vectors.
///
/// # Errors
///
/// Every line that is none.
pub fn read(files: &[File]) -> Result<Vec<Vector>, Vec<Violation>> {
    let (mut vectors, mut wrong) = (Vec::new(), Vec::new());
    for (file, text) in files {
        for (index, line) in text.lines().enumerate() {
            match vector(file, index + 1, line) {
                Ok(vector) => vectors.push(vector),
                Err(what) => wrong.push(Violation::new(&path(file), index + 1, what, line)),
            }
        }
    }
    if wrong.is_empty() { Ok(vectors) } else { Err(wrong) }
}

fn vector(file: &str, number: usize, text: &str) -> Result<Vector, String> {
    let value: BTreeMap<String, Value> = serde_json::from_str(text).map_err(|error| error.to_string())?;
    let known = ["id", "request", "line", "line_base64", "expect", "flags"];
    if let Some(name) = value.keys().find(|name| !known.contains(&name.as_str())) {
        return Err(format!("no vector has a member `{name}`"));
    }
    let string = |name: &str| match value.get(name) {
        None => Ok(None),
        Some(Value::String(text)) => Ok(Some(text.clone())),
        Some(_) => Err(format!("`{name}` is not text")),
    };
    let asked = match (value.get("request"), string("line")?, string("line_base64")?) {
        (Some(request @ Value::Object(_)), None, None) => Asked::Request(request.clone()),
        (None, Some(line), None) => Asked::Line(line.into_bytes()),
        (None, None, Some(line)) => Asked::Line(base64(&line).ok_or("`line_base64` is not base64")?),
        _ => return Err("exactly one of `request` (an object), `line` and `line_base64` is given".into()),
    };
    if matches!(&asked, Asked::Line(line) if line.contains(&b'\n')) {
        return Err("a line holds a line end".into());
    }
    let flags = match value.get("flags") {
        None => BTreeSet::new(),
        Some(flags) => serde_json::from_value(flags.clone()).map_err(|error| format!("`flags`: {error}"))?,
    };
    let id = string("id")?.filter(|id| !id.is_empty()).ok_or("a vector has an `id`")?;
    let expect = value.get("expect").cloned().ok_or("a vector has an `expect`")?;
    Ok(Vector { file: file.into(), number, id, asked, expect, flags, text: text.into() })
}

/// The bytes that base64 with padding stands for.
fn base64(text: &str) -> Option<Vec<u8>> {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut bytes = Vec::with_capacity(text.len() / 4 * 3);
    let (mut bits, mut held) = (0_u32, 0_u32);
    if !text.len().is_multiple_of(4) {
        return None;
    }
    for digit in text.trim_end_matches('=').bytes() {
        let value = DIGITS.iter().position(|known| *known == digit)?;
        bits = bits << 6 | u32::try_from(value).ok()?;
        held += 6;
        if held >= 8 {
            held -= 8;
            bytes.push(u8::try_from(bits >> held & 0xFF).ok()?);
        }
    }
    Some(bytes)
}

/// How a lane got on with one group of vectors, which is a file of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Tally {
    /// How many got the reply they must get.
    pub passed: usize,
    /// How many of these the right reply refuses.
    pub refused: usize,
    /// How many got another one, or none.
    pub failed: usize,
    /// How many the lane does not run.
    pub skipped: usize,
}

/// How a lane got on.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// By group.
    pub groups: BTreeMap<String, Tally>,
    /// How many vectors the lane does not run, by reason.
    pub skipped: BTreeMap<&'static str, usize>,
    /// What is wrong with replies, and the vectors they are to.
    pub failed: Vec<Violation>,
}

impl Report {
    /// How many vectors got the reply they must get.
    #[must_use]
    pub fn passed(&self) -> usize {
        self.groups.values().map(|tally| tally.passed).sum()
    }

    /// Takes in what the lane did with other vectors.
    pub fn join(&mut self, other: Self) {
        for (group, tally) in other.groups {
            let joined = self.groups.entry(group).or_default();
            joined.passed += tally.passed;
            joined.refused += tally.refused;
            joined.failed += tally.failed;
            joined.skipped += tally.skipped;
        }
        for (reason, count) in other.skipped {
            *self.skipped.entry(reason).or_default() += count;
        }
        self.failed.extend(other.failed);
    }

    /// What a lane says of itself: passed, failed, and skipped with reasons.
    #[must_use]
    pub fn line(&self, lane: &str) -> String {
        let skipped: usize = self.skipped.values().sum();
        let mut told = format!("lane {lane}: {} passed, {skipped} skipped", self.passed());
        let reasons: Vec<String> = self.skipped.iter().map(|(reason, count)| format!("{reason}: {count}")).collect();
        if !reasons.is_empty() {
            let _ = write!(told, " ({})", reasons.join(", "));
        }
        if !self.failed.is_empty() {
            let _ = write!(told, ", {} FAILED", self.failed.len());
        }
        told
    }

    /// Takes in the reply to one vector, or why there is none.
    pub fn add(&mut self, vector: &Vector, answer: Result<Value, &'static str>) {
        let tally = self.groups.entry(vector.file.clone()).or_default();
        let reply = match answer {
            Ok(reply) => reply,
            Err(reason) => {
                tally.skipped += 1;
                *self.skipped.entry(reason).or_default() += 1;
                return;
            }
        };
        let faults = message_faults(vector, &reply);
        if !faults.is_empty() {
            tally.failed += 1;
            self.failed.push(vector.violation(format!("{}: {}", vector.id, faults.join("; "))));
        } else if without_messages(&reply) == vector.expect {
            tally.passed += 1;
            tally.refused += usize::from(vector.expect.get("ok").is_none());
        } else {
            tally.failed += 1;
            let got: String = reply.to_string().chars().take(400).collect();
            let expected: String = vector.expect.to_string().chars().take(400).collect();
            self.failed.push(vector.violation(format!("{}: expected {expected}, got {got}", vector.id)));
        }
    }
}

/// Every refusal in a reply: of the request, of its errors, of the objects in it.
fn refusals(reply: &Value) -> Vec<&Value> {
    let list = |at: &str| reply.pointer(at).and_then(Value::as_array).into_iter().flatten();
    let items = list("/ok/items").filter_map(|item| item.get("error"));
    reply.get("error").into_iter().chain(list("/errors")).chain(items).collect()
}

/// A reply without the words for people in its refusals.
pub(crate) fn without_messages(reply: &Value) -> Value {
    let mut reply = reply.clone();
    let mut bare = |at: &str| {
        if let Some(refusal) = reply.pointer_mut(at).and_then(Value::as_object_mut) {
            refusal.remove("message");
        }
    };
    bare("/error");
    // No decision breaks more rules than there are codes, and no vector holds more objects than this.
    for index in 0..64 {
        bare(&format!("/errors/{index}"));
        bare(&format!("/ok/items/{index}/error"));
    }
    reply
}

/// What is wrong with the messages of a reply: they are for people, short, and never tell a note.
fn message_faults(vector: &Vector, reply: &Value) -> Vec<String> {
    let note = vector.request().and_then(|request| request.pointer("/input/note")).and_then(Value::as_str);
    refusals(reply)
        .into_iter()
        .filter_map(|refusal| match refusal.get("message").and_then(Value::as_str) {
            None => Some("a refusal without a message".to_owned()),
            Some(message) => message_fault(message, note).map(|what| format!("{what}: {message}")),
        })
        .collect()
}

/// The most an input may be echoed in a message, in characters; one more marks that it was cut.
const ECHO_CHARS: usize = 64;

/// What is wrong with one message.
#[must_use]
pub fn message_fault(message: &str, note: Option<&str>) -> Option<&'static str> {
    let shows = |note: &str| {
        let words: Vec<char> = note.trim().chars().collect();
        words.len() >= 12 && words.windows(12).step_by(6).any(|part| message.contains(&part.iter().collect::<String>()))
    };
    if !message.starts_with(|first: char| first.is_ascii_lowercase() || first == '`') {
        Some("a message starts in lower case or with a backtick")
    } else if message.ends_with('.') {
        Some("a message has no full stop")
    } else if message.chars().any(char::is_control) {
        Some("a message shows a control character")
    } else if message.split('`').skip(1).step_by(2).any(|echo| echo.trim_end_matches('…').chars().count() > ECHO_CHARS)
    {
        Some("a message echoes more than 64 characters")
    } else if message.chars().count() > 5 * ECHO_CHARS {
        Some("a message is short")
    } else if note.is_some_and(shows) {
        Some("a message shows the note")
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::{Report, base64, message_fault, vector};
    use serde_json::json;

    #[test]
    fn base64_is_read() {
        for (text, bytes) in [("", &b""[..]), ("/w==", b"\xFF"), ("//8=", b"\xFF\xFF"), ("////", b"\xFF\xFF\xFF")] {
            assert_eq!(base64(text).as_deref(), Some(bytes));
        }
        assert_eq!(base64("a"), None);
        assert_eq!(base64("a-=="), None);
    }

    #[test]
    fn a_message_that_breaks_a_rule_is_caught() {
        let long = format!("`{}` is wrong", "x".repeat(65));
        let cut = format!("`{}…` is wrong", "x".repeat(64));
        assert_eq!(message_fault("`a` is wrong", None), None);
        assert_eq!(message_fault(&cut, None), None);
        for message in ["Wrong", "", "wrong.", "wro\nng", &long, &"wrong ".repeat(60)] {
            assert!(message_fault(message, None).is_some(), "{message}");
        }
        let note = "agreed with the owners of the front door";
        assert!(message_fault("the note says the owners of the front door", Some(note)).is_some());
        assert_eq!(message_fault("the note is too long", Some(note)), None);
    }

    #[test]
    fn a_reply_is_compared_without_its_message_and_with_everything_else() {
        let line = r#"{"id":"a","request":{"op":"x"},"expect":{"error":{"code":"c","field":"f"}}}"#;
        let vector = vector("file", 1, line).unwrap();
        let judge = |reply| {
            let mut report = Report::default();
            report.add(&vector, Ok(reply));
            report.failed.len()
        };
        assert_eq!(judge(json!({"error": {"code": "c", "field": "f", "message": "m"}})), 0);
        for wrong in [
            json!({"error": {"code": "c", "field": "f"}}),
            json!({"error": {"code": "d", "field": "f", "message": "m"}}),
            json!({"error": {"code": "c", "field": "g", "message": "m"}}),
            json!({"error": {"code": "c", "field": "f", "message": "m", "more": 1}}),
            json!({"id": "a", "error": {"code": "c", "field": "f", "message": "m"}}),
            json!({"ok": {}}),
        ] {
            assert_eq!(judge(wrong.clone()), 1, "{wrong}");
        }
    }
}
