//! The line protocol over byte streams: what `provident batch` speaks.
//!
//! The component answers text; what cannot be text, or be held in memory, is dealt with here: lines that are not
//! UTF-8, lines without end, and streams longer than one batch. With an adapter, `adapt` requests are answered too.

use crate::adapter::Adapter;
use crate::identity::Identity;
use crate::model::ErrorCode;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use std::io::{self, Read, Write};
use std::iter;

/// A line over this is refused whatever it holds, so no more of it is kept.
const LINE_BYTES: usize = 65_536;
/// How much is read at once.
const READ_BYTES: usize = 256 << 10;
/// When gathered lines are handed over: with one more line, and a request put around it, they still fit a batch.
const CHUNK_BYTES: usize = (1 << 20) - LINE_BYTES - 1_024;
const BYTE_ORDER_MARK: &[u8] = "\u{FEFF}".as_bytes();

/// How many requests were answered, and how.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Answered {
    /// Answered `ok`.
    pub ok: u64,
    /// Refused.
    pub refused: u64,
}

/// The line protocol, with or without an adapter.
#[derive(Clone, Copy, Debug)]
pub struct Lines<'a> {
    identity: &'a Identity,
    adapter: Option<&'a Adapter>,
    op: Option<&'static str>,
}

impl<'a> Lines<'a> {
    /// Speaks the six ops of the identity component, and `adapt` if there is an adapter.
    #[must_use]
    pub fn new(identity: &'a Identity, adapter: Option<&'a Adapter>) -> Self {
        Self { identity, adapter, op: None }
    }

    /// Takes every line as the bare input of one op of the identity component.
    #[must_use]
    pub fn of_inputs(identity: &'a Identity, op: &'static str) -> Self {
        Self { identity, adapter: None, op: Some(op) }
    }

    /// Answers every request line of `input` with one reply line, in order, as soon as it has come. Memory stays bounded
    /// whatever comes in.
    ///
    /// # Errors
    ///
    /// Reading or writing failed, or the component did.
    pub fn answer(&self, mut input: impl Read, output: impl Write) -> io::Result<Answered> {
        let mut pass = Pass { lines: *self, output, chunk: String::new(), answered: Answered::default() };
        let mut line = Vec::new();
        let mut buffer = vec![0; READ_BYTES];
        let mut at_start = true;
        loop {
            let read = match input.read(&mut buffer) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                other => other?,
            };
            if read == 0 {
                break;
            }
            for piece in buffer.get(..read).unwrap_or_default().split_inclusive(|byte| *byte == b'\n') {
                let (piece, complete) = match piece.split_last() {
                    Some((b'\n', piece)) => (piece, true),
                    _ => (piece, false),
                };
                // One byte over the limit is enough to know, so no more of a line is ever kept.
                let room = (LINE_BYTES + BYTE_ORDER_MARK.len() + 1).saturating_sub(line.len());
                line.extend(piece.iter().take(room));
                if complete {
                    pass.take(without_mark(&line, &mut at_start))?;
                    line.clear();
                }
            }
            pass.answer_chunk()?;
            pass.output.flush()?;
        }
        pass.take(without_mark(&line, &mut at_start))?;
        pass.answer_chunk()?;
        pass.output.flush()?;
        Ok(pass.answered)
    }
}

/// The line without the byte-order mark a stream may start with.
fn without_mark<'l>(line: &'l [u8], at_start: &mut bool) -> &'l [u8] {
    if std::mem::take(at_start) { line.strip_prefix(BYTE_ORDER_MARK).unwrap_or(line) } else { line }
}

/// One stream being answered: lines gather in `chunk` until the component is asked.
struct Pass<'a, W> {
    lines: Lines<'a>,
    output: W,
    chunk: String,
    answered: Answered,
}

impl<W: Write> Pass<'_, W> {
    fn take(&mut self, line: &[u8]) -> io::Result<()> {
        if self.chunk.len() > CHUNK_BYTES {
            self.answer_chunk()?;
        }
        if line.len() > LINE_BYTES {
            // The component refuses it by its length; which bytes they are does not matter any more.
            self.chunk.extend(iter::repeat_n('x', LINE_BYTES + 1));
        } else if let Ok(text) = std::str::from_utf8(line) {
            if self.chunk.is_empty() && text.as_bytes().starts_with(BYTE_ORDER_MARK) {
                // Only a stream may start with a mark, and this is the middle of one.
                self.chunk.push('\n');
            }
            match self.lines.op {
                // Only what is one JSON value can be put into a request; the component refuses the rest as it is.
                Some(op) if serde_json::from_str::<&RawValue>(text).is_ok() => {
                    self.chunk.extend(["{\"op\":\"", op, "\",\"input\":", text, "}"]);
                }
                _ => self.chunk.push_str(text),
            }
        } else {
            self.answer_chunk()?;
            let error = Refused::new(ErrorCode::InvalidUtf8.as_str(), "request", "the line is not UTF-8");
            return self.reply(&render(&Reply::<()> { id: None, ok: None, error: Some(error) })?);
        }
        self.chunk.push('\n');
        Ok(())
    }

    fn answer_chunk(&mut self) -> io::Result<()> {
        let chunk = std::mem::take(&mut self.chunk);
        if chunk.is_empty() {
            return Ok(());
        }
        let replies = self.lines.identity.batch(&chunk).map_err(io::Error::other)?;
        // A blank line has no reply.
        let requests = chunk.split('\n').filter(|line| !line.bytes().all(|byte| matches!(byte, b' ' | b'\t' | b'\r')));
        for (request, reply) in requests.zip(replies.split_inclusive('\n')) {
            match self.lines.adapter.and_then(|adapter| adapt::answer(adapter, request, reply)) {
                Some(adapted) => self.reply(&render(&adapted)?)?,
                None => self.reply(reply)?,
            }
        }
        Ok(())
    }

    fn reply(&mut self, reply: &str) -> io::Result<()> {
        if is_ok(reply) {
            self.answered.ok += 1;
        } else {
            self.answered.refused += 1;
        }
        self.output.write_all(reply.as_bytes())
    }
}

/// A reply made here. Exactly one of `ok` and `error` stands in it.
#[derive(Serialize)]
struct Reply<T> {
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ok: Option<T>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<Refused>,
}

/// A refusal made here: the component's codes, and those of a component that failed.
#[derive(Serialize)]
struct Refused {
    code: &'static str,
    field: String,
    message: String,
}

impl Refused {
    fn new(code: &'static str, field: &str, message: impl Into<String>) -> Self {
        Self { code, field: field.to_owned(), message: message.into() }
    }
}

fn render(reply: &impl Serialize) -> io::Result<String> {
    let mut line = serde_json::to_string(reply)?;
    line.push('\n');
    Ok(line)
}

fn is_ok(reply: &str) -> bool {
    #[derive(Deserialize)]
    struct Outcome<'a> {
        #[serde(borrow)]
        ok: Option<&'a RawValue>,
    }
    serde_json::from_str::<Outcome<'_>>(reply).is_ok_and(|outcome| outcome.ok.is_some())
}

/// The op `adapt`: `{"op":"adapt","input":{"raw":…}}`, answered with one item for every object in `raw`.
mod adapt {
    use super::{Adapter, ErrorCode, RawValue, Refused, Reply};
    use crate::adapter::Items;
    use serde::Deserialize as DeriveDeserialize;
    use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
    use std::fmt;

    /// The members of an object, in the order they were given; null is absent.
    #[derive(Default)]
    struct Members<'a>(Vec<(String, &'a RawValue)>);

    impl<'a> Members<'a> {
        fn get(&self, name: &str) -> Option<&'a RawValue> {
            self.0.iter().find(|(given, value)| given == name && value.get() != "null").map(|(_, value)| *value)
        }

        /// The first member whose name is none of these.
        fn other_than(&self, known: &[&str]) -> Option<&str> {
            self.0.iter().map(|(name, _)| name.as_str()).find(|name| !known.contains(name))
        }
    }

    impl<'de> Deserialize<'de> for Members<'de> {
        fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
            struct InOrder;
            impl<'de> Visitor<'de> for InOrder {
                type Value = Members<'de>;

                fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                    f.write_str("an object")
                }

                fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Members<'de>, A::Error> {
                    let mut members = Vec::new();
                    while let Some(member) = access.next_entry()? {
                        members.push(member);
                    }
                    Ok(Members(members))
                }
            }
            deserializer.deserialize_map(InOrder)
        }
    }

    /// The reply to an `adapt` request; `None` when it is none. The component has been asked before: an op it does not
    /// know is what it says of a line in which everything before the op is in order.
    pub(super) fn answer(adapter: &Adapter, request: &str, reply: &str) -> Option<Reply<Items>> {
        #[derive(DeriveDeserialize)]
        struct Refusing {
            error: Option<Code>,
        }
        #[derive(DeriveDeserialize)]
        struct Code {
            code: String,
        }
        let refusing: Refusing = serde_json::from_str(reply).ok()?;
        if refusing.error?.code != ErrorCode::UnknownOp.as_str() {
            return None;
        }
        let members: Members<'_> = serde_json::from_str(request).ok()?;
        if text(members.get("op")?)? != "adapt" {
            return None;
        }
        let id = members.get("id").and_then(text);
        Some(match items(adapter, &members) {
            Ok(items) => Reply { id, ok: Some(items), error: None },
            Err(error) => Reply { id, ok: None, error: Some(error) },
        })
    }

    fn text(value: &RawValue) -> Option<String> {
        serde_json::from_str(value.get()).ok()
    }

    fn items(adapter: &Adapter, members: &Members<'_>) -> Result<Items, Refused> {
        let unknown = |name: &str| Refused::new(ErrorCode::UnknownField.as_str(), name, "not a member here");
        if let Some(name) = members.other_than(&["id", "op", "input"]) {
            return Err(unknown(name));
        }
        let input = members.get("input").and_then(|input| serde_json::from_str::<Members<'_>>(input.get()).ok());
        let input = input.unwrap_or_default();
        // A raw null is a document like any other, which the adapter refuses.
        let Some((_, raw)) = input.0.iter().find(|(name, _)| name == "raw") else {
            return Err(Refused::new(ErrorCode::MalformedRequest.as_str(), "raw", "there is nothing to adapt"));
        };
        if let Some(name) = input.other_than(&["raw"]) {
            return Err(unknown(name));
        }
        // A component that failed on this request answers the next one: its instance was thrown away.
        let answers =
            adapter.describe(raw.get()).map_err(|error| Refused::new(error.code(), "raw", error.to_string()))?;
        Ok(answers.into())
    }
}
