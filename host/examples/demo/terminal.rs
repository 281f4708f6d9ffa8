//! A terminal that types the program's own commands: shown as typed, run, and their output shown under them.
//!
//! Ids and keys are given names, as one would with shell variables, and shown by them: a key alone is longer than a
//! line. What is shown has been run; nothing is made up here.

use std::collections::BTreeMap;
use std::fmt;
use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use crate::table;

/// What a line may have.
const COLUMNS: usize = 110;

/// Why the demo ends early: something did not do what the demo says it does.
#[derive(Debug)]
pub(crate) struct Wrong(String);

impl Wrong {
    pub(crate) fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }
}

impl fmt::Display for Wrong {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        to.write_str(&self.0)
    }
}

impl From<io::Error> for Wrong {
    fn from(error: io::Error) -> Self {
        Self(error.to_string())
    }
}

/// What a command said.
#[derive(Debug)]
pub(crate) struct Said {
    pub(crate) output: String,
    pub(crate) errors: String,
    code: Option<i32>,
}

impl From<Output> for Said {
    fn from(output: Output) -> Self {
        Self {
            output: String::from_utf8_lossy(&output.stdout).into_owned(),
            errors: String::from_utf8_lossy(&output.stderr).into_owned(),
            code: output.status.code(),
        }
    }
}

impl Said {
    /// The value a single thing is shown with, under its name.
    pub(crate) fn fact(&self, name: &str) -> Result<String, Wrong> {
        let value = self.output.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix("  "));
        value.map(|value| value.trim().to_owned()).ok_or_else(|| Wrong::new(format!("no `{name}` in its output")))
    }

    /// The id a table starts with.
    pub(crate) fn first_cell(&self) -> Result<&str, Wrong> {
        let row = self.output.lines().nth(1).and_then(|row| row.split_whitespace().next());
        row.ok_or_else(|| Wrong::new("the table has no row"))
    }
}

/// Where the commands are typed: the program, the folder they run in, and the names given so far.
#[derive(Debug)]
pub(crate) struct Terminal {
    program: PathBuf,
    folder: PathBuf,
    names: BTreeMap<String, String>,
    step: u32,
}

impl Terminal {
    /// The program is the one built beside this example.
    pub(crate) fn new(folder: &Path) -> Result<Self, Wrong> {
        let example = std::env::current_exe()?;
        let built = example.parent().and_then(Path::parent).unwrap_or(Path::new("."));
        let program = built.join(format!("provident{}", std::env::consts::EXE_SUFFIX));
        if !program.is_file() {
            let missing = program.display();
            return Err(Wrong::new(format!("{missing} is missing: `cargo build -p provident`, or `cargo xtask demo`")));
        }
        Ok(Self { program, folder: folder.to_owned(), names: BTreeMap::new(), step: 0 })
    }

    /// A heading, and why this comes now.
    pub(crate) fn heading(&mut self, title: &str, why: &str) -> Result<(), Wrong> {
        self.step += 1;
        let title = format!("{}. {title}", self.step);
        let line = "=".repeat(title.chars().count());
        say(&format!("\n{title}\n{line}"))?;
        for line in table::wrapped(why, COLUMNS) {
            say(&line)?;
        }
        Ok(())
    }

    /// Types a command that is to succeed, and shows what it prints.
    pub(crate) fn run(&mut self, words: &[&str]) -> Result<Said, Wrong> {
        let said = self.run_unseen(words)?;
        self.show(&said)?;
        Ok(said)
    }

    /// Types a command that is to succeed, and shows only these of the facts it prints.
    pub(crate) fn run_for(&mut self, words: &[&str], facts: &[&str]) -> Result<Said, Wrong> {
        let said = self.run_unseen(words)?;
        for name in facts {
            self.show_line(&format!("{name:<26}{}", said.fact(name)?))?;
        }
        say("  …")?;
        Ok(said)
    }

    /// Types a command that is to succeed; what it prints is too long to be shown as it is.
    pub(crate) fn run_unseen(&mut self, words: &[&str]) -> Result<Said, Wrong> {
        type_in(words, "")?;
        self.run_to(words, 0)
    }

    /// Types a command that is to be refused with this exit code, and shows what it says.
    pub(crate) fn refused(&mut self, words: &[&str], code: i32) -> Result<Said, Wrong> {
        type_in(words, "")?;
        let said = self.run_to(words, code)?;
        self.show(&said)?;
        say(&format!("  (exit code {code})"))?;
        Ok(said)
    }

    /// Types a command that reads a file on its standard input.
    pub(crate) fn run_with_input(&mut self, words: &[&str], file: &str) -> Result<Said, Wrong> {
        type_in(words, &format!("< {file}"))?;
        let input = fs::File::open(self.folder.join(file))?;
        let said = self.answer(words, input.into())?;
        ended_with(words, &said, 0)?;
        self.show(&said)?;
        Ok(said)
    }

    /// Puts a file into the folder.
    pub(crate) fn write(&self, file: &str, text: &str) -> Result<(), Wrong> {
        Ok(fs::write(self.folder.join(file), text)?)
    }

    /// Asks the program something without showing it, to see whether what was shown is true.
    pub(crate) fn ask(&self, words: &[&str]) -> Result<String, Wrong> {
        Ok(self.run_to(words, 0)?.output)
    }

    /// Gives a value a name, as a shell does.
    pub(crate) fn name(&mut self, name: &str, value: &str) -> Result<(), Wrong> {
        self.name_unseen(name, value);
        say(&format!("$ {name}={value}"))
    }

    /// The same, for a table that shows the names.
    pub(crate) fn name_unseen(&mut self, name: &str, value: &str) {
        self.names.insert(format!("${name}"), value.to_owned());
    }

    /// The name a value goes by, if it has one.
    pub(crate) fn named(&self, value: &str) -> Option<&str> {
        self.names.iter().find(|(_, named)| *named == value).map(|(name, _)| name.as_str())
    }

    fn run_to(&self, words: &[&str], code: i32) -> Result<Said, Wrong> {
        let said = self.answer(words, Stdio::null())?;
        ended_with(words, &said, code)?;
        Ok(said)
    }

    fn answer(&self, words: &[&str], input: Stdio) -> Result<Said, Wrong> {
        Ok(self.command(words).stdin(input).output()?.into())
    }

    /// The program with these words, each name by what it stands for.
    pub(crate) fn command(&self, words: &[&str]) -> Command {
        let words = words.iter().map(|word| self.names.get(*word).map_or(*word, String::as_str));
        let mut command = Command::new(&self.program);
        // The data directory alone says where the data lies.
        command.args(words).current_dir(&self.folder).env_remove("DATABASE_URL");
        command
    }

    /// Shows what a command said.
    pub(crate) fn show(&self, said: &Said) -> Result<(), Wrong> {
        let shown = table::shortened(&said.output, |value| self.named(value));
        shown.iter().map(String::as_str).chain(said.errors.lines()).try_for_each(|line| self.show_line(line))
    }

    /// One line of output, with the names of what has one, and shortened where it is still too long.
    fn show_line(&self, line: &str) -> Result<(), Wrong> {
        let line = self.names.iter().fold(line.to_owned(), |line, (name, value)| line.replace(value, name));
        let short = line.chars().count() + 2 > COLUMNS;
        let line = if short { table::narrow(&line, &|_: &str| None) } else { line };
        say(&format!("  {}", table::cut(&line, COLUMNS)))
    }
}

/// One line on standard output.
pub(crate) fn say(line: &str) -> Result<(), Wrong> {
    writeln!(io::stdout().lock(), "{line}")?;
    Ok(())
}

/// Shows a table of our own.
pub(crate) fn show_table(rows: &[Vec<String>]) -> Result<(), Wrong> {
    table::aligned(rows).iter().try_for_each(|line| say(&format!("  {line}")))
}

/// Says what has just been seen, if it is so.
pub(crate) fn claim(so: bool, text: &str) -> Result<(), Wrong> {
    if !so {
        return Err(Wrong::new(format!("it is not so that {text}")));
    }
    let lines = table::wrapped(text, COLUMNS - 3);
    lines
        .iter()
        .zip(["=> "].into_iter().chain(std::iter::repeat("   ")))
        .try_for_each(|(line, mark)| say(&format!("{mark}{line}")))
}

/// Shows the command and what stands behind it, broken before options where it is too long.
pub(crate) fn type_in(words: &[&str], end: &str) -> Result<(), Wrong> {
    let mut pieces = vec![String::from("$ provident")];
    let mut before = "";
    for word in words {
        let quoted = if word.contains([' ', '\'']) { format!("'{word}'") } else { (*word).to_owned() };
        let value = before.starts_with("--") && !word.starts_with("--");
        match pieces.last_mut() {
            Some(piece) if value => {
                piece.push(' ');
                piece.push_str(&quoted);
            }
            _ => pieces.push(quoted),
        }
        before = word;
    }
    pieces.extend(Some(end).filter(|end| !end.is_empty()).map(str::to_owned));
    let mut line = String::new();
    for piece in pieces {
        if line.is_empty() {
            line = piece;
        } else if line.chars().count() + piece.chars().count() + 3 > COLUMNS {
            say(&format!("{line} \\"))?;
            line = format!("      {piece}");
        } else {
            line = format!("{line} {piece}");
        }
    }
    say(&line)
}

/// Sees whether a command ended with this exit code.
pub(crate) fn ended_with(words: &[&str], said: &Said, code: i32) -> Result<(), Wrong> {
    if said.code == Some(code) {
        return Ok(());
    }
    let ended = said.code.map_or_else(|| String::from("a signal"), |code| code.to_string());
    let command = words.join(" ");
    Err(Wrong::new(format!("`provident {command}` ended with {ended} instead of {code}: {}", said.errors.trim())))
}
