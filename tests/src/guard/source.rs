//! Rust text taken apart into code, string literals and comments, line by line: enough to tell a name from a mention.
//!
//! Not a parser: it knows where literals and comments begin and end and nothing of the grammar between.

/// One line of a Rust file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Line {
    /// Counted from 1.
    pub number: usize,
    /// Without comments; of a literal only its quotes.
    pub code: String,
    /// The text of each string literal, or the part of it that stands on this line; escapes as written.
    pub literals: Vec<String>,
    /// The text of comments, doc comments among them.
    pub comment: String,
}

impl Line {
    /// The words of the code: names and keywords.
    pub fn words(&self) -> impl Iterator<Item = &str> {
        words(&self.code)
    }
}

/// The runs of letters, digits and `_` in a text.
pub fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split(|c: char| !is_word(c)).filter(|word| !word.is_empty())
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// Takes a Rust file apart.
#[must_use]
pub fn lines(text: &str) -> Vec<Line> {
    let mut reader = Reader { rest: text, line: Line { number: 1, ..Line::default() }, lines: Vec::new() };
    reader.read();
    reader.lines.push(reader.line);
    reader.lines
}

/// The lines before the test module a file ends with, if it has one.
#[must_use]
pub fn without_test_module(mut lines: Vec<Line>) -> Vec<Line> {
    let start = lines.windows(2).position(|pair| match pair {
        [attribute, module] => attribute.code.trim() == "#[cfg(test)]" && module.words().next() == Some("mod"),
        _ => false,
    });
    if let Some(start) = start {
        lines.truncate(start);
    }
    lines
}

struct Reader<'a> {
    rest: &'a str,
    line: Line,
    lines: Vec<Line>,
}

#[derive(Clone, Copy)]
enum Part {
    Code,
    Literal,
    Comment,
}

impl Reader<'_> {
    fn read(&mut self) {
        while let Some(first) = self.rest.chars().next() {
            if self.rest.starts_with("//") {
                while !self.rest.is_empty() && !self.rest.starts_with('\n') {
                    self.take(Part::Comment);
                }
            } else if self.rest.starts_with("/*") {
                self.block_comment();
            } else if is_word(first) {
                self.word();
            } else if first == '"' {
                self.string(None);
            } else if first == '\'' {
                self.quote();
            } else {
                self.take(Part::Code);
            }
        }
    }

    /// Moves one character.
    fn take(&mut self, part: Part) {
        let mut rest = self.rest.chars();
        let Some(c) = rest.next() else { return };
        self.rest = rest.as_str();
        if c == '\n' {
            let next = Line { number: self.line.number + 1, ..Line::default() };
            self.lines.push(std::mem::replace(&mut self.line, next));
            if matches!(part, Part::Literal) {
                self.line.literals.push(String::new());
            }
            return;
        }
        match part {
            Part::Code => self.line.code.push(c),
            Part::Comment => self.line.comment.push(c),
            Part::Literal => {
                if let Some(literal) = self.line.literals.last_mut() {
                    literal.push(c);
                }
            }
        }
    }

    fn take_many(&mut self, count: usize, part: Part) {
        for _ in 0..count {
            self.take(part);
        }
    }

    fn block_comment(&mut self) {
        let mut depth = 0_usize;
        loop {
            if self.rest.starts_with("/*") {
                depth += 1;
                self.take_many(2, Part::Comment);
            } else if self.rest.starts_with("*/") {
                depth -= 1;
                self.take_many(2, Part::Comment);
            } else if self.rest.is_empty() {
                return;
            } else {
                self.take(Part::Comment);
            }
            if depth == 0 {
                return;
            }
        }
    }

    /// A name, or the prefix of a literal (`r#"…"#`, `b"…"`).
    fn word(&mut self) {
        let length = self.rest.chars().take_while(|&c| is_word(c)).count();
        let word: String = self.rest.chars().take(length).collect();
        self.take_many(length, Part::Code);
        if matches!(word.as_str(), "r" | "br" | "cr") {
            let hashes = self.rest.chars().take_while(|&c| c == '#').count();
            if self.rest.chars().nth(hashes) == Some('"') {
                self.take_many(hashes, Part::Code);
                self.string(Some(hashes));
            }
        }
    }

    /// A string literal from its opening quote on; `raw` is the number of `#` it closes with.
    fn string(&mut self, raw: Option<usize>) {
        self.take(Part::Code);
        self.line.literals.push(String::new());
        let close = format!("\"{}", "#".repeat(raw.unwrap_or(0)));
        while !self.rest.is_empty() && !self.rest.starts_with(&close) {
            let escape = raw.is_none() && self.rest.starts_with('\\');
            self.take_many(if escape { 2 } else { 1 }, Part::Literal);
        }
        self.take_many(close.len(), Part::Code);
    }

    /// A character literal or a lifetime.
    fn quote(&mut self) {
        let mut ahead = self.rest.chars().skip(1);
        match (ahead.next(), ahead.next()) {
            (Some('\\'), _) => {
                self.take_many(3, Part::Code);
                while !self.rest.is_empty() && !self.rest.starts_with('\'') {
                    self.take(Part::Code);
                }
                self.take(Part::Code);
            }
            (Some(_), Some('\'')) => self.take_many(3, Part::Code),
            _ => self.take(Part::Code),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{lines, without_test_module};

    fn code(text: &str) -> Vec<String> {
        lines(text).into_iter().map(|line| line.code).collect()
    }

    #[test]
    fn comments_leave_the_code() {
        assert_eq!(code("a // b\nc /* d /* e */ f */ g\n/// h"), ["a ", "c  g", ""]);
        assert_eq!(lines("a // b")[0].comment, "// b");
        assert_eq!(code("a /* b\nc */ d"), ["a ", " d"]);
    }

    #[test]
    fn literals_leave_their_quotes() {
        let all = lines(r##"f("x // \" y", r#"a "q" b"#, b"z", '"', '\'', '\u{1F600}', "e")"##);
        assert_eq!(all[0].literals, [r#"x // \" y"#, r#"a "q" b"#, "z", "e"]);
        assert_eq!(all[0].comment, "");
    }

    #[test]
    fn lifetimes_and_raw_names_are_code() {
        assert_eq!(code("fn f<'a>(r#type: &'a str) {}"), ["fn f<'a>(r#type: &'a str) {}"]);
    }

    #[test]
    fn a_literal_over_several_lines_is_in_parts() {
        let all = lines("x(\"one\ntwo\", \"three\")");
        assert_eq!(all[0].literals, ["one"]);
        assert_eq!(all[1].literals, ["two", "three"]);
        assert_eq!(all[1].number, 2);
        assert_eq!(all[1].code, "\", \"\")");
    }

    #[test]
    fn the_test_module_can_be_cut() {
        let all = lines("fn f() {}\n#[cfg(test)]\nmod tests {\n}\n");
        assert_eq!(without_test_module(all.clone()).len(), 1);
        let all = lines("fn f() {}\n#[cfg(test)]\nfn g() {}\n");
        assert_eq!(without_test_module(all.clone()), all);
    }
}
