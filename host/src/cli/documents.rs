//! Splits an export into documents: one JSON value a line, or values printed over many lines, in any mixture.
//!
//! A document that is broken or too large is refused for itself and reading goes on behind it. No more than one document
//! is held in memory, and no byte is looked at more than a bounded number of times. What is inside a document is the
//! adapter's business.

use provident_identity::{Adapter, ErrorCode};
use serde::de::IgnoredAny;
use std::io::{self, BufRead};

/// One document of an export, or why there is none.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Document {
    /// The line it starts on, from 1.
    pub(crate) line: u64,
    /// Its text, one complete JSON value.
    pub(crate) text: Result<String, Unreadable>,
}

/// Why a piece of an export is no document.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Unreadable {
    /// The rule that was broken.
    pub(crate) code: ErrorCode,
    /// For people.
    pub(crate) message: &'static str,
}

const NOT_JSON: Unreadable = Unreadable { code: ErrorCode::MalformedDocument, message: "this is not JSON" };
const CUT_OFF: Unreadable =
    Unreadable { code: ErrorCode::MalformedDocument, message: "the document that starts here is cut off" };
const NOT_UTF8: Unreadable = Unreadable { code: ErrorCode::InvalidUtf8, message: "this is not UTF-8" };
const TOO_LARGE_LINE: Unreadable = Unreadable { code: ErrorCode::DocumentTooLarge, message: "the line is over 8 MiB" };
const TOO_LARGE: Unreadable =
    Unreadable { code: ErrorCode::DocumentTooLarge, message: "the document that starts here is over 8 MiB" };

/// No more is ever held: one byte over a document shows that it is too large.
const WAITING_BYTES: usize = Adapter::DOCUMENT_BYTES + 2;
/// How often the bytes read may be looked at in vain before a broken document is refused with all its lines.
const LOOKS_IN_VAIN: usize = 8;

/// Reads an export document by document.
pub(crate) struct Documents<R> {
    input: R,
    /// Bytes read; those before `answered` are done with.
    bytes: Vec<u8>,
    answered: usize,
    /// The number of the first line that is not, from 1.
    line: u64,
    at_start: bool,
    at_end: bool,
    /// How many bytes were read, and how many were looked at for documents that then were none.
    read: usize,
    in_vain: usize,
}

/// What the first lines are.
enum Front {
    /// A complete value, in lines of so many bytes.
    Value { bytes: usize },
    /// The start of a value.
    Start,
    /// No JSON; lines of so many bytes show it.
    Broken { bytes: usize },
}

impl<R: BufRead> Documents<R> {
    pub(crate) fn new(input: R) -> Self {
        Self { input, bytes: Vec::new(), answered: 0, line: 1, at_start: true, at_end: false, read: 0, in_vain: 0 }
    }

    /// The next document; `None` at the end.
    pub(crate) fn next(&mut self) -> io::Result<Option<Document>> {
        let first = self.first_line()?;
        if first == 0 {
            return Ok(None);
        }
        if first > Adapter::DOCUMENT_BYTES + 1 {
            return Ok(Some(self.skip_line(first)?));
        }
        // Looking again only when there is twice as much keeps the work linear in what is read.
        let mut looked = first;
        loop {
            match front(self.waiting().get(..looked).unwrap_or_default()) {
                Front::Value { bytes } => return Ok(Some(self.take(bytes))),
                Front::Broken { bytes } => {
                    // The lines behind the first may be documents of their own.
                    self.in_vain += looked - first;
                    let patient = self.in_vain <= self.read.saturating_mul(LOOKS_IN_VAIN);
                    return Ok(Some(self.refuse(if patient { first } else { bytes }, NOT_JSON)));
                }
                Front::Start if looked >= WAITING_BYTES => return Ok(Some(self.skip_document()?)),
                Front::Start if self.at_end && looked == self.waiting().len() => {
                    return Ok(Some(self.refuse(looked, CUT_OFF)));
                }
                Front::Start => {
                    let enough = (looked * 2).min(WAITING_BYTES);
                    while self.waiting().len() < enough && self.read_line()? {}
                    looked = self.line_end(enough.min(self.waiting().len()));
                }
            }
        }
    }

    fn waiting(&self) -> &[u8] {
        self.bytes.get(self.answered..).unwrap_or_default()
    }

    /// Where the line ends in which the first so many waiting bytes end.
    fn line_end(&self, bytes: usize) -> usize {
        let waiting = self.waiting();
        let rest = waiting.get(bytes.saturating_sub(1)..).unwrap_or_default();
        rest.iter().position(|byte| *byte == b'\n').map_or(waiting.len(), |at| bytes.saturating_sub(1) + at + 1)
    }

    /// The bytes of the first line that is not blank; 0 at the end.
    fn first_line(&mut self) -> io::Result<usize> {
        loop {
            while !self.waiting().contains(&b'\n') && self.read_line()? {}
            let first = self.line_end(0);
            let blank = self.waiting().iter().take(first).all(u8::is_ascii_whitespace);
            if first == 0 || first == WAITING_BYTES || !blank {
                return Ok(first);
            }
            self.drop_front(first);
        }
    }

    /// The document in the first lines.
    fn take(&mut self, bytes: usize) -> Document {
        let text = self.waiting().get(..bytes).unwrap_or_default();
        let text = text.strip_suffix(b"\n").unwrap_or(text);
        let text = if text.len() > Adapter::DOCUMENT_BYTES {
            Err(TOO_LARGE)
        } else {
            str::from_utf8(text).map(str::to_owned).map_err(|_| NOT_UTF8)
        };
        let line = self.line;
        self.drop_front(bytes);
        Document { line, text }
    }

    /// Refuses the first lines as one.
    fn refuse(&mut self, bytes: usize, why: Unreadable) -> Document {
        let line = self.line;
        self.drop_front(bytes);
        Document { line, text: Err(why) }
    }

    /// Refuses a first line that is too long, and does not keep the rest of it.
    fn skip_line(&mut self, first: usize) -> io::Result<Document> {
        let whole = self.waiting().get(..first).unwrap_or_default().ends_with(b"\n");
        let refused = self.refuse(first, TOO_LARGE_LINE);
        if !whole {
            self.skip_until(|byte| byte == b'\n')?;
        }
        Ok(refused)
    }

    /// Refuses a document that is more than may wait. What is left of it, as far as its brackets go, is not kept.
    fn skip_document(&mut self) -> io::Result<Document> {
        let mut brackets = Brackets::default();
        let ends = self.waiting().iter().position(|byte| brackets.end_with(*byte));
        let refused = self.refuse(ends.map_or(self.waiting().len(), |at| self.line_end(at + 1)), TOO_LARGE);
        if ends.is_none() && self.skip_until(|byte| brackets.end_with(byte))? != Some(b'\n') {
            self.skip_until(|byte| byte == b'\n')?;
        }
        Ok(refused)
    }

    /// Passes over input up to and with the byte that ends it; gives that byte, if there is one.
    fn skip_until(&mut self, mut ends: impl FnMut(u8) -> bool) -> io::Result<Option<u8>> {
        loop {
            let available = fill(&mut self.input)?;
            if available.is_empty() {
                self.at_end = true;
                return Ok(None);
            }
            let end = available.iter().position(|byte| ends(*byte));
            let passed = available.get(..end.map_or(available.len(), |at| at + 1)).unwrap_or_default();
            let (passed_bytes, last) = (passed.len(), end.and_then(|at| available.get(at).copied()));
            self.line += line_ends(passed);
            self.input.consume(passed_bytes);
            if last.is_some() {
                return Ok(last);
            }
        }
    }

    fn drop_front(&mut self, bytes: usize) {
        self.line += line_ends(self.waiting().get(..bytes).unwrap_or_default());
        self.answered = (self.answered + bytes).min(self.bytes.len());
    }

    /// Reads on to the end of a line, or as far as there is room; `false` when there is nothing more to be had.
    fn read_line(&mut self) -> io::Result<bool> {
        if self.answered > self.bytes.len() / 2 {
            self.bytes.drain(..self.answered);
            self.answered = 0;
        }
        let before = self.bytes.len();
        let mut room = WAITING_BYTES.saturating_sub(self.waiting().len());
        while room > 0 && !self.at_end {
            let available = fill(&mut self.input)?;
            self.at_end = available.is_empty();
            let line = available.split_inclusive(|byte| *byte == b'\n').next().unwrap_or_default();
            let piece = line.get(..room).unwrap_or(line);
            self.bytes.extend_from_slice(piece);
            room -= piece.len();
            let (piece_bytes, ended) = (piece.len(), piece.ends_with(b"\n"));
            self.input.consume(piece_bytes);
            if ended {
                break;
            }
        }
        self.read += self.bytes.len() - before;
        let more = self.bytes.len() > before;
        if std::mem::take(&mut self.at_start) && self.bytes.starts_with("\u{FEFF}".as_bytes()) {
            self.bytes.drain(..3);
        }
        Ok(more)
    }
}

fn fill(input: &mut impl BufRead) -> io::Result<&[u8]> {
    loop {
        match input.fill_buf() {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
            // Asked for again: what the loop holds cannot leave it.
            Ok(_) => return input.fill_buf(),
        }
    }
}

fn line_ends(bytes: &[u8]) -> u64 {
    bytes.iter().map(|byte| u64::from(*byte == b'\n')).sum()
}

/// Looks at what lines hold.
fn front(text: &[u8]) -> Front {
    let mut values = serde_json::Deserializer::from_slice(text).into_iter::<IgnoredAny>();
    // Lines of the text, counted from 1.
    let lines = |count: usize| text.split_inclusive(|byte| *byte == b'\n').take(count).map(<[u8]>::len).sum();
    match values.next() {
        Some(Ok(_)) => {
            let (value, rest) = text.split_at_checked(values.byte_offset()).unwrap_or((text, &[]));
            let same_line = rest.split_inclusive(|byte| *byte == b'\n').next().unwrap_or_default();
            let bytes = value.len() + same_line.len();
            if same_line.iter().all(u8::is_ascii_whitespace) { Front::Value { bytes } } else { Front::Broken { bytes } }
        }
        Some(Err(error)) if error.is_eof() => Front::Start,
        Some(Err(error)) => Front::Broken { bytes: lines(error.line()) },
        None => Front::Broken { bytes: text.len() },
    }
}

/// Finds where a JSON value ends without keeping it.
#[derive(Default)]
struct Brackets {
    open: usize,
    in_text: bool,
    escaped: bool,
}

impl Brackets {
    /// Whether the value ends with this byte. A line end within a text ends it too: it is broken there.
    fn end_with(&mut self, byte: u8) -> bool {
        if self.in_text {
            let escaped = std::mem::take(&mut self.escaped);
            match byte {
                b'\n' => return true,
                b'\\' => self.escaped = !escaped,
                b'"' => self.in_text = escaped,
                _ => {}
            }
            return false;
        }
        match byte {
            b'"' => self.in_text = true,
            b'{' | b'[' => self.open += 1,
            b'}' | b']' => {
                self.open = self.open.saturating_sub(1);
                return self.open == 0;
            }
            _ => {}
        }
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(export: &[u8]) -> Vec<(u64, Result<String, ErrorCode>)> {
        let mut documents = Documents::new(export);
        let mut read = Vec::new();
        while let Some(document) = documents.next().unwrap() {
            read.push((document.line, document.text.map_err(|why| why.code)));
        }
        read
    }

    fn ok(line: u64, text: &str) -> (u64, Result<String, ErrorCode>) {
        (line, Ok(text.to_owned()))
    }

    #[test]
    fn one_value_a_line_and_values_over_many_lines() {
        assert_eq!(
            read("\u{FEFF}{\"a\":1}\r\n\n {\n\"b\":\n2\n}\n[3]".as_bytes()),
            [ok(1, "{\"a\":1}\r"), ok(3, " {\n\"b\":\n2\n}"), ok(7, "[3]")]
        );
    }

    #[test]
    fn a_broken_line_is_refused_and_the_next_one_read() {
        let broken = ErrorCode::MalformedDocument;
        assert_eq!(read(b"{\"a\" oops\n{\"b\":2}\n"), [(1, Err(broken)), ok(2, "{\"b\":2}")]);
        assert_eq!(read(b"{\"a\":\n{\"b\":2}\n{\"c\":3}"), [(1, Err(broken)), ok(2, "{\"b\":2}"), ok(3, "{\"c\":3}")]);
        assert_eq!(read(b"{\"a\":1} {\"b\":2}\n{}"), [(1, Err(broken)), ok(2, "{}")]);
    }

    #[test]
    fn a_cut_off_document_is_one_refusal() {
        assert_eq!(read(b"{}\n{\n\"a\": [\n1,\n"), [ok(1, "{}"), (2, Err(ErrorCode::MalformedDocument))]);
    }

    #[test]
    fn wrong_encoding_spoils_its_own_line_only() {
        assert_eq!(read(b"{\"a\":\"\xFF\"}\n{}"), [(1, Err(ErrorCode::InvalidUtf8)), ok(2, "{}")]);
    }

    #[test]
    fn size_is_bounded() {
        let mut export = vec![b'"'; 1];
        export.resize(Adapter::DOCUMENT_BYTES + 10, b'x');
        export.extend(b"\"\n{}");
        assert_eq!(read(&export), [(1, Err(ErrorCode::DocumentTooLarge)), ok(2, "{}")]);
        let mut many = b"[\n".to_vec();
        while many.len() <= Adapter::DOCUMENT_BYTES {
            many.extend_from_slice(&[b' '; 1023]);
            many.push(b'\n');
        }
        assert_eq!(read(&many), [(1, Err(ErrorCode::DocumentTooLarge))]);
    }

    /// A document of the invented provider printed over many lines, with so many bytes of filling.
    fn printed(filling: usize) -> Vec<u8> {
        let mut printed = b"{\n\"a\": \"\\\"}".to_vec();
        printed.resize(printed.len() + filling, b'x');
        printed.extend_from_slice(b"\",\n\"b\": [\n1\n]\n}");
        printed
    }

    #[test]
    fn a_document_that_is_too_large_is_passed_over_to_its_own_end() {
        let mut export = printed(0);
        export.extend_from_slice(b"\n");
        export.extend(printed(Adapter::DOCUMENT_BYTES));
        export.extend_from_slice(b" \n{}\n");
        let read = read(&export);
        assert_eq!(
            read.iter().map(|(line, text)| (*line, text.is_ok())).collect::<Vec<_>>(),
            [(1, true), (7, false), (13, true)]
        );
        assert_eq!(read[1].1, Err(ErrorCode::DocumentTooLarge));
    }

    #[test]
    fn the_limit_is_exact() {
        for (bytes, read_whole) in [(Adapter::DOCUMENT_BYTES, true), (Adapter::DOCUMENT_BYTES + 1, false)] {
            for end in ["", "\n", "\n{}"] {
                let mut export = vec![b'"'; 1];
                export.resize(bytes - 1, b'x');
                export.push(b'"');
                export.extend_from_slice(end.as_bytes());
                assert_eq!(read(&export)[0].1.is_ok(), read_whole, "{bytes} {end:?}");
                let over_lines = printed(bytes - printed(0).len());
                assert_eq!(over_lines.len(), bytes);
                assert_eq!(read(&over_lines)[0].1.is_ok(), read_whole, "{bytes} over lines");
            }
        }
    }

    #[test]
    fn nesting_has_no_limit_of_its_own() {
        let deep = "[".repeat(100_000) + &"]".repeat(100_000);
        assert_eq!(read(format!("{deep}\n{{}}").as_bytes()), [ok(1, &deep), ok(2, "{}")]);
    }

    #[test]
    fn a_break_far_behind_does_not_make_reading_slow() {
        let mut export = b"[\n".repeat(1 << 20);
        export.extend_from_slice(b"oops\n{}");
        let read = read(&export);
        assert!(read.len() < 20, "{} answers", read.len());
        assert_eq!(read.last(), Some(&ok((1 << 20) + 2, "{}")));
    }
}
