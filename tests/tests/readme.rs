//! The documents say what is so: every command of the README runs, in its order, and prints what stands under it; every
//! file the documents name is there.
//!
//! A `console` block is a transcript: after `$ ` what is typed, under it what is printed. `…` stands for what was left
//! out, on a line of its own for any number of lines. Ids and digests differ from run to run: each is held to stand for
//! the same thing wherever it is printed or typed. Times, and how wide columns are, do not count. What is served is
//! served on a free port instead of the usual one.

#![cfg(test)]

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use provident_tests::guard::listing::{files, root};
use provident_tests::program;

/// Where the README says it is served.
const LISTEN: &str = "127.0.0.1:8080";

/// How the README starts the stand-in for providers.
const STAND_IN: &str = "cargo run --quiet --package provident-tests --example stand_in --";

/// Ends the output of a command.
const END: &str = "\u{1e}";

/// A command as typed, and the lines under it.
#[derive(Debug)]
struct Typed {
    line: usize,
    command: String,
    printed: Vec<String>,
}

fn read(path: &str) -> String {
    std::fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// The lines of the blocks of one kind, with their numbers.
fn blocks(text: &str, kind: &str) -> Vec<(usize, String)> {
    let fence = format!("```{kind}");
    let mut inside = false;
    let mut lines = Vec::new();
    for (index, line) in text.lines().enumerate() {
        if line.starts_with("```") {
            inside = line == fence;
        } else if inside {
            lines.push((index + 1, line.to_owned()));
        }
    }
    lines
}

fn transcript(text: &str) -> Vec<Typed> {
    let mut all: Vec<Typed> = Vec::new();
    let mut goes_on = false;
    for (line, written) in blocks(text, "console") {
        let typed = written.strip_prefix("$ ").or(goes_on.then_some(written.as_str()));
        match (typed, all.last_mut()) {
            (Some(more), Some(last)) if goes_on => last.command.extend(["\n", more]),
            (Some(command), _) => all.push(Typed { line, command: command.to_owned(), printed: Vec::new() }),
            (None, Some(last)) => last.printed.push(written.clone()),
            (None, None) => panic!("README.md:{line}: a block starts with what is printed"),
        }
        goes_on = typed.is_some_and(|typed| typed.ends_with('\\'));
    }
    all
}

/// A shell in a folder of its own, with the program in its path.
struct Shell {
    child: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
    /// Where it is served here.
    listen: String,
}

impl Shell {
    fn start(folder: &Path) -> Self {
        let listen = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
        let program = program::path().unwrap();
        let path = format!("{}:{}", program.parent().unwrap().display(), std::env::var("PATH").unwrap());
        let mut child = Command::new("bash")
            .args(["--noprofile", "--norc"])
            .current_dir(folder)
            .env("PATH", path)
            .env("HOME", folder)
            .env("PROVIDENT_LISTEN", &listen)
            .env("no_proxy", "127.0.0.1")
            .env_remove("XDG_DATA_HOME")
            .env_remove("DATABASE_URL")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let input = child.stdin.take().unwrap();
        let output = BufReader::new(child.stdout.take().unwrap());
        Self { child, input, output, listen }
    }

    /// Runs one command; what it prints on both streams.
    fn run(&mut self, command: &str) -> Vec<String> {
        let command = command.replace(LISTEN, &self.listen);
        writeln!(self.input, "{{ {command}\n}} </dev/null 2>&1\nprintf '\\n{END}\\n'").unwrap();
        let lines = self.output.by_ref().lines().map(Result::unwrap);
        let mut lines: Vec<String> = lines.take_while(|line| line != END).collect();
        assert_eq!(lines.pop().as_deref(), Some(""), "{command}: the output ends without a line end");
        lines
    }
}

impl Drop for Shell {
    fn drop(&mut self) {
        // What it left running goes first.
        let _ = writeln!(self.input, "kill $(jobs -p) 2>/dev/null; printf '\\n{END}\\n'");
        let _ = self.output.by_ref().lines().map_while(Result::ok).find(|line| line == END);
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A line without what differs from run to run, and the ids and digests that stood in it.
fn shape(line: &str) -> (String, Vec<String>) {
    let hex = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte));
    let id = |text: &str| {
        let parts: Vec<&str> = text.split('-').collect();
        parts.iter().map(|part| part.len()).eq([8, 4, 4, 4, 12]) && parts.iter().all(|part| hex(part))
    };
    let mut values = Vec::new();
    let mut word = |word: &str| {
        if id(word) || (word.len() == 64 && hex(word)) {
            values.push(word.to_owned());
            return "<value>".to_owned();
        }
        word.to_owned()
    };
    let mut shape = String::new();
    for piece in line.split_inclusive(|c: char| !c.is_ascii_alphanumeric() && !"-.".contains(c)) {
        let (text, end) = match piece.char_indices().next_back() {
            Some((at, c)) if !c.is_ascii_alphanumeric() && !"-.".contains(c) => piece.split_at(at),
            _ => (piece, ""),
        };
        shape.push_str(&word(text));
        shape.push_str(end);
    }
    let shape = shape.split_whitespace().map(|word| if is_time(word) { "<time>" } else { word });
    (shape.collect::<Vec<_>>().join(" "), values)
}

fn is_time(word: &str) -> bool {
    word.len() == 27 && word.ends_with('Z') && word.chars().nth(10) == Some('T')
}

/// Which value of this run each value of the README stands for.
type Values = BTreeMap<String, String>;

/// Whether a printed line is the written one.
fn same_line(written: &str, printed: &str, values: &Values) -> Option<Values> {
    let (pattern, expected) = shape(written);
    let (text, found) = shape(printed);
    let Some((first, others)) = pattern.split_once('…') else {
        let mut values = values.clone();
        let agree = expected
            .into_iter()
            .zip(found)
            .all(|(expected, found)| values.entry(expected).or_insert_with(|| found.clone()) == &found);
        return (pattern == text && agree).then_some(values);
    };
    let mut rest = text.strip_prefix(first.trim_end())?;
    let mut pieces: Vec<&str> = others.split('…').map(str::trim).collect();
    let last = pieces.pop().unwrap_or_default();
    for piece in pieces {
        rest = rest.split_once(piece)?.1;
    }
    // Values before the first gap are the same ones on both sides.
    let known = first.matches("<value>").count();
    let mut values = values.clone();
    let agree = expected
        .into_iter()
        .zip(found)
        .take(known)
        .all(|(expected, found)| values.entry(expected).or_insert_with(|| found.clone()) == &found);
    (rest.ends_with(last) && agree).then_some(values)
}

/// Whether what was printed is what is written, gaps filled with any lines.
fn same(written: &[String], printed: &[String], values: &Values) -> Option<Values> {
    match (written.split_first(), printed.split_first()) {
        (None, None) => Some(values.clone()),
        (Some((gap, later)), _) if gap == "…" => {
            (0..=printed.len()).find_map(|skipped| same(later, &printed[skipped..], values))
        }
        (Some((line, later)), Some((found, rest))) => same(later, rest, &same_line(line, found, values)?),
        _ => None,
    }
}

#[test]
fn every_command_of_the_readme_prints_what_stands_under_it() {
    let typed = transcript(&read("README.md"));
    assert!(typed.len() > 20, "only {} commands were found", typed.len());
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("host/examples/demo");
    std::fs::create_dir_all(&data).unwrap();
    for file in std::fs::read_dir(root().join("host/examples/demo")).unwrap() {
        let file = file.unwrap();
        std::fs::copy(file.path(), data.join(file.file_name())).unwrap();
    }
    let built = |program: std::io::Result<PathBuf>| program.unwrap().display().to_string();
    let demos = [built(program::demo()), built(program::demo_provider())];
    let stand_in = built(program::stand_in());
    let mut shell = Shell::start(folder.path());
    let mut values = Values::new();
    for Typed { line, command, printed: written } in typed {
        let command = match command.as_str() {
            // These very tests.
            "cargo xtask test" => continue,
            "cargo xtask demo" => format!("{} && {}", demos[0], demos[1]),
            "cargo xtask demo provider" => demos[1].clone(),
            _ => values.iter().fold(command, |command, (written, value)| command.replace(written, value)),
        };
        let command = command.replace(STAND_IN, &stand_in);
        let printed = shell.run(&command);
        values = same(&written, &printed, &values).unwrap_or_else(|| {
            let (written, printed) = (written.join("\n"), printed.join("\n"));
            panic!("README.md:{line}: `{command}` printed\n{printed}\n\nand not\n{written}")
        });
    }
}

#[test]
fn every_other_command_line_of_the_readme_is_understood() {
    let folder = tempfile::tempdir().unwrap();
    let mut shell = Shell::start(folder.path());
    let mut seen = 0;
    for (line, written) in blocks(&read("README.md"), "sh") {
        let command = written.split(" #").next().unwrap_or_default().trim();
        if command.starts_with("provident ") {
            let printed = shell.run(&format!("{command} --help >/dev/null && echo understood"));
            assert_eq!(printed, ["understood"], "README.md:{line}: {command}");
            seen += 1;
        }
    }
    assert!(seen > 1, "only {seen} were found");
}

#[test]
fn every_file_the_documents_name_is_there() {
    let project = files(&root()).unwrap();
    let is_there = |path: &str| {
        let path = path.trim_end_matches('/');
        project.iter().any(|file| file.path == path || file.path.starts_with(&format!("{path}/")))
            || root().join(path).is_file()
    };
    let mut seen = 0;
    for document in ["README.md", "ARCHITECTURE.md", "CHANGELOG.md", "CONTRIBUTING.md"] {
        for (index, line) in read(document).lines().enumerate() {
            let linked = line.split("](").skip(1).filter_map(|rest| rest.split(')').next());
            let linked = linked.filter(|link| !link.contains("://") && !link.starts_with('#'));
            let quoted = line.split('`').skip(1).step_by(2).filter(|quoted| {
                let first = quoted.split('/').next().unwrap_or_default();
                let plain = quoted.chars().all(|c| c.is_ascii_alphanumeric() || "/._-".contains(c));
                plain
                    && quoted.contains('/')
                    && !quoted.starts_with('/')
                    && root().join(first).is_dir()
                    && first != "target"
            });
            for path in linked.chain(quoted) {
                assert!(is_there(path), "{document}:{}: `{path}` is not there\n    | {line}", index + 1);
                seen += 1;
            }
        }
    }
    assert!(seen > 20, "only {seen} names were found");
}

#[test]
fn a_transcript_that_is_not_so_is_caught() {
    let lines = |text: &str| -> Vec<String> { text.lines().map(str::to_owned).collect() };
    let judge = |written: &str, printed: &str| same(&lines(written), &lines(printed), &Values::new()).is_some();
    let (one, other) = ("01a1fc88-678d-78b3-bf99-71cfc9a0907e", "01a1fc88-0000-78b3-bf99-71cfc9a0907e");
    assert!(judge("A  B\nx …\n…\nz", "A B\nx y\n1\n2\nz"));
    assert!(judge("at 2026-11-21T05:16:00.269857Z", "at 2027-01-02T03:04:05.000001Z"));
    assert!(judge(&format!("{one} {one}"), &format!("{other} {other}")));
    assert!(!judge(&format!("{one}\n{one}"), &format!("{one}\n{other}")), "one id, two things");
    assert!(!judge("a\nb", "a"), "a line too few");
    assert!(!judge("a", "a\nb"), "a line too many");
    assert!(!judge("active …", "ended revoked"));
    assert!(!judge("{…,\"value\":\"A\"}", "{\"form\":\"id\",\"value\":\"B\"}"));
    let typed = transcript("```console\n$ a \\\n  b\nc\n$ d\n```\n```sh\n$ e\n```");
    assert_eq!(typed.iter().map(|it| it.command.as_str()).collect::<Vec<_>>(), ["a \\\n  b", "d"]);
}
