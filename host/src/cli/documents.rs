//! Splits an export into documents: one JSON value a line, or values printed over many lines, in any mixture.
//!
//! A document that is broken is refused for itself and reading goes on behind it. No more than one document is held in
//! memory. What is inside a document is the adapter's business.

use provident_identity::{Adapter, ErrorCode};
use serde::de::IgnoredAny;
use std::collections::VecDeque;
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
const TOO_LARGE: Unreadable = Unreadable {
    code: ErrorCode::DocumentTooLarge,
    message: "the document that starts here is over 8 MiB; nothing behind it was read",
};

struct Line {
    number: u64,
    /// At most one byte more than a document may have.
    bytes: Vec<u8>,
}

/// Reads an export document by document.
pub(crate) struct Documents<R> {
    input: R,
    /// Lines read and not yet answered.
    waiting: VecDeque<Line>,
    lines_read: u64,
    at_end: bool,
}

/// What the front of the waiting lines is.
enum Front {
    /// A complete value, over so many lines.
    Value { lines: usize },
    /// The start of a value.
    Start,
    /// No JSON.
    Broken,
}

impl<R: BufRead> Documents<R> {
    pub(crate) fn new(input: R) -> Self {
        Self { input, waiting: VecDeque::new(), lines_read: 0, at_end: false }
    }

    /// The next document; `None` at the end.
    pub(crate) fn next(&mut self) -> io::Result<Option<Document>> {
        loop {
            if self.waiting.is_empty() && !self.read_line()? {
                return Ok(None);
            }
            match self.waiting.front() {
                Some(line) if line.bytes.iter().all(u8::is_ascii_whitespace) => {
                    self.waiting.pop_front();
                }
                Some(_) => break,
                None => return Ok(None),
            }
        }
        // Looking again only when the lines have doubled keeps the work linear in what is read.
        let mut look_at = 1;
        loop {
            while self.waiting.len() < look_at && self.read_line()? {}
            let bytes = self.waiting.iter().take(look_at).map(|line| line.bytes.len() + 1).sum::<usize>();
            match self.front(look_at) {
                Front::Value { lines } => return Ok(self.take(lines)),
                Front::Broken => return Ok(self.refuse(1, NOT_JSON)),
                Front::Start if bytes > Adapter::DOCUMENT_BYTES + 1 => {
                    if self.waiting.len() == 1 {
                        return Ok(self.refuse(1, TOO_LARGE_LINE));
                    }
                    self.at_end = true;
                    return Ok(self.refuse(usize::MAX, TOO_LARGE));
                }
                Front::Start if self.at_end && look_at >= self.waiting.len() => {
                    return Ok(self.refuse(usize::MAX, CUT_OFF));
                }
                Front::Start => look_at *= 2,
            }
        }
    }

    /// Looks at what the first lines hold.
    fn front(&self, lines: usize) -> Front {
        let text: Vec<u8> = self.text(lines);
        let mut values = serde_json::Deserializer::from_slice(&text).into_iter::<IgnoredAny>();
        match values.next() {
            Some(Ok(_)) => {
                let (value, rest) = text.split_at_checked(values.byte_offset()).unwrap_or((&text, &[]));
                let same_line = rest.split(|byte| *byte == b'\n').next().unwrap_or_default();
                if same_line.iter().all(u8::is_ascii_whitespace) {
                    Front::Value { lines: value.split(|byte| *byte == b'\n').count() }
                } else {
                    Front::Broken
                }
            }
            Some(Err(error)) if error.is_eof() => Front::Start,
            Some(Err(_)) | None => Front::Broken,
        }
    }

    fn text(&self, lines: usize) -> Vec<u8> {
        let lines: Vec<&[u8]> = self.waiting.iter().take(lines).map(|line| line.bytes.as_slice()).collect();
        lines.join(&b'\n')
    }

    /// The document on the first lines.
    fn take(&mut self, lines: usize) -> Option<Document> {
        let text = self.text(lines);
        if text.len() > Adapter::DOCUMENT_BYTES {
            return self.refuse(lines, TOO_LARGE_LINE);
        }
        let Ok(text) = String::from_utf8(text) else { return self.refuse(lines, NOT_UTF8) };
        let line = self.waiting.front()?.number;
        self.drop_lines(lines);
        Some(Document { line, text: Ok(text) })
    }

    /// Refuses the first lines as one.
    fn refuse(&mut self, lines: usize, why: Unreadable) -> Option<Document> {
        let line = self.waiting.front()?.number;
        self.drop_lines(lines);
        Some(Document { line, text: Err(why) })
    }

    fn drop_lines(&mut self, lines: usize) {
        self.waiting.drain(..lines.min(self.waiting.len()));
    }

    /// Reads one more line, holding no more of it than shows that it is too long; `false` at the end.
    fn read_line(&mut self) -> io::Result<bool> {
        if self.at_end {
            return Ok(false);
        }
        let mut bytes = Vec::new();
        let mut ended = false;
        while !ended {
            let available = match self.input.fill_buf() {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                other => other?,
            };
            if available.is_empty() {
                self.at_end = true;
                break;
            }
            let end = available.iter().position(|byte| *byte == b'\n');
            let piece = available.get(..end.unwrap_or(available.len())).unwrap_or_default();
            let room = (Adapter::DOCUMENT_BYTES + 1).saturating_sub(bytes.len());
            bytes.extend(piece.iter().take(room));
            let used = piece.len() + usize::from(end.is_some());
            ended = end.is_some();
            self.input.consume(used);
        }
        if self.at_end && bytes.is_empty() {
            return Ok(false);
        }
        if self.lines_read == 0 && bytes.starts_with("\u{FEFF}".as_bytes()) {
            bytes.drain(..3);
        }
        self.lines_read += 1;
        self.waiting.push_back(Line { number: self.lines_read, bytes });
        Ok(true)
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
}
