//! The program as a person at a shell uses it: an installation reached by its command line alone, people who act in it,
//! and what a run said.
//!
//! A run starts with an empty environment, so that nothing of the machine's leaks into a test and nothing a test does not
//! name supplies anything. The program itself is built and found by [`crate::program`].
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a run that cannot be made fails its test"
)]

use std::ffi::OsStr;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use serde_json::Value;
use tempfile::TempDir;

use crate::database::{Engine, TestDatabase};
use crate::program;

/// What a run said, and how it ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ran {
    /// The exit code; -1 for a signal.
    pub code: i32,
    /// Standard output.
    pub stdout: String,
    /// Standard error.
    pub stderr: String,
}

impl Ran {
    /// Standard output, of a run that went well and complained of nothing.
    ///
    /// # Panics
    ///
    /// When it did not, or did.
    #[must_use]
    pub fn ok(&self) -> &str {
        assert!(self.code == 0 && self.stderr.is_empty(), "{self:?}");
        &self.stdout
    }

    /// Standard output as one JSON value, of a run that went well.
    ///
    /// # Panics
    ///
    /// When it did not, or it is none.
    #[must_use]
    pub fn json(&self) -> Value {
        serde_json::from_str(self.ok()).expect("one JSON value")
    }

    /// Standard output as one JSON value a line, however the run ended.
    ///
    /// # Panics
    ///
    /// When it is not.
    #[must_use]
    pub fn lines(&self) -> Vec<Value> {
        self.stdout.lines().map(|line| serde_json::from_str(line).expect("a JSON value a line")).collect()
    }

    /// What standard error says in JSON about the run's failure.
    ///
    /// # Panics
    ///
    /// When it is not JSON.
    #[must_use]
    pub fn error(&self) -> Value {
        let error: Value =
            serde_json::from_str(&self.stderr).unwrap_or_else(|error| fail(&format!("{error}: {self:?}")));
        error["error"].clone()
    }
}

#[expect(clippy::panic, reason = "what is wrong is said in the test's own words")]
fn fail<T>(what: &str) -> T {
    panic!("{what}")
}

/// The program with an empty environment but for a home with nothing in it.
///
/// # Panics
///
/// When it does not build.
#[must_use]
pub fn command<S: AsRef<OsStr>>(arguments: impl IntoIterator<Item = S>) -> Command {
    let mut command = Command::new(program::path().unwrap());
    command.args(arguments).env_clear().env("HOME", "/nonexistent").env("RUST_LOG", "trace");
    // For a program that is run to be caught, and means nothing to ours.
    if let Some(way) = std::env::var_os("PROVIDENT_LEAK") {
        command.env("PROVIDENT_LEAK", way);
    }
    command
}

/// Runs a command to its end.
///
/// # Panics
///
/// When it does not start.
pub fn run_command(command: &mut Command, input: &[u8]) -> Ran {
    let child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    finish(child, input)
}

fn finish(mut child: Child, input: &[u8]) -> Ran {
    let stdin = child.stdin.take();
    let output = thread::scope(|scope| {
        scope.spawn(move || {
            // It may stop reading early.
            let _ = stdin.map(|mut stdin| stdin.write_all(input));
        });
        child.wait_with_output().unwrap()
    });
    Ran {
        code: output.status.code().unwrap_or(-1),
        stdout: String::from_utf8(output.stdout).expect("text on standard output"),
        stderr: String::from_utf8(output.stderr).expect("text on standard error"),
    }
}

/// Runs the program without an installation.
///
/// # Panics
///
/// When it does not start.
pub fn run<S: AsRef<OsStr>>(arguments: impl IntoIterator<Item = S>, input: impl AsRef<[u8]>) -> Ran {
    run_command(&mut command(arguments), input.as_ref())
}

/// What a run over a long input needed and answered.
#[derive(Clone, Debug)]
pub struct Measured {
    /// The exit code.
    pub code: i32,
    /// Lines on standard output.
    pub lines: u64,
    /// The first bytes of standard output, and the last.
    pub start: String,
    /// See `start`.
    pub end: String,
    /// Standard error.
    pub stderr: String,
    /// The most memory it had resident, in MiB.
    pub peak_mib: u64,
    /// How long it took.
    pub took: Duration,
}

/// Runs the program on an input that is made while it is read, keeping nothing of its output but counts and ends. `write`
/// writes the input. What was needed is printed.
///
/// # Panics
///
/// When it does not start, or the system does not tell of its memory.
pub fn measure<S: AsRef<OsStr>>(
    what: &str,
    arguments: impl IntoIterator<Item = S>,
    write: impl FnOnce(&mut dyn Write) -> std::io::Result<()> + Send,
) -> Measured {
    const END_BYTES: usize = 4096;
    let started = std::time::Instant::now();
    let mut command = command(arguments);
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let (mut stdin, mut stdout, mut stderr) =
        (child.stdin.take().unwrap(), child.stdout.take().unwrap(), child.stderr.take().unwrap());
    let status = PathBuf::from(format!("/proc/{}/status", child.id()));
    let (lines, start, end, said, peak_kib) = thread::scope(|scope| {
        scope.spawn(move || {
            let mut buffered = std::io::BufWriter::with_capacity(1 << 16, &mut stdin);
            let _ = write(&mut buffered).and_then(|()| buffered.flush());
        });
        let said = scope.spawn(move || {
            let mut said = String::new();
            stderr.read_to_string(&mut said).unwrap();
            said
        });
        let (done, ended) = mpsc::channel::<()>();
        let peak = scope.spawn(move || {
            // The mark only rises, so the last look is the one that counts.
            let mut peak_kib = 0;
            while matches!(ended.recv_timeout(Duration::from_millis(5)), Err(mpsc::RecvTimeoutError::Timeout)) {
                peak_kib = high_water_kib(&status).unwrap_or(peak_kib);
            }
            peak_kib
        });
        let (mut lines, mut start, mut end) = (0, Vec::new(), Vec::new());
        let mut buffer = vec![0; 1 << 16];
        loop {
            let read = stdout.read(&mut buffer).unwrap();
            if read == 0 {
                break;
            }
            let piece = &buffer[..read];
            lines += piece.iter().map(|byte| u64::from(*byte == b'\n')).sum::<u64>();
            start.extend(piece.iter().take(END_BYTES - start.len()));
            end.extend_from_slice(piece);
            end.drain(..end.len().saturating_sub(END_BYTES));
        }
        let said = said.join().unwrap();
        drop(done);
        (lines, start, end, said, peak.join().unwrap())
    });
    let code = child.wait().unwrap().code().unwrap_or(-1);
    assert!(peak_kib > 0, "{what}: no word of its memory");
    let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
    let measured = Measured {
        code,
        lines,
        start: text(start),
        end: text(end),
        stderr: said,
        peak_mib: peak_kib / 1024,
        took: started.elapsed(),
    };
    let line = format!("{what}: {lines} lines, peak {} MiB, {:.1} s", measured.peak_mib, measured.took.as_secs_f64());
    let _ = writeln!(std::io::stderr(), "{line}");
    measured
}

fn high_water_kib(status: &Path) -> Option<u64> {
    let status = std::fs::read_to_string(status).ok()?;
    status.lines().find_map(|line| line.strip_prefix("VmHWM:")?.trim().strip_suffix(" kB")?.parse().ok())
}

/// An installation reached by the command line alone.
#[derive(Debug)]
pub struct Site {
    directory: TempDir,
    database: Option<TestDatabase>,
}

impl Site {
    /// Nothing yet: a data directory to be, with SQLite in it.
    ///
    /// # Panics
    ///
    /// When no directory can be made.
    #[must_use]
    pub fn new() -> Self {
        Self { directory: TempDir::new().unwrap(), database: None }
    }

    /// The same on a database of its own. On PostgreSQL its owner makes the tables, as `init` does not.
    ///
    /// # Panics
    ///
    /// When no directory can be made, or the tables cannot.
    #[must_use]
    pub fn on(database: TestDatabase) -> Self {
        if database.engine() == Engine::Postgres {
            let _ = run(["migrate", "up", "--database-url", &database.owner_url()], "").ok();
        }
        Self { directory: TempDir::new().unwrap(), database: Some(database) }
    }

    /// An installation with SQLite in its data directory.
    #[must_use]
    pub fn ready() -> Self {
        let site = Self::new();
        let _ = site.run(["init"]).ok();
        site
    }

    /// The data directory.
    #[must_use]
    pub fn data_dir(&self) -> PathBuf {
        self.directory.path().join("data")
    }

    /// A place for files of the test.
    #[must_use]
    pub fn place(&self) -> &Path {
        self.directory.path()
    }

    /// The database, if it is not the one in the data directory.
    #[must_use]
    pub fn database(&self) -> Option<&TestDatabase> {
        self.database.as_ref()
    }

    /// Writes a file of the test and gives its path.
    ///
    /// # Panics
    ///
    /// When it cannot be written.
    #[must_use]
    pub fn file(&self, name: &str, bytes: impl AsRef<[u8]>) -> String {
        let path = self.directory.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        path.display().to_string()
    }

    /// The arguments that name this installation, and others behind them.
    #[must_use]
    pub fn arguments<S: AsRef<str>>(&self, arguments: impl IntoIterator<Item = S>) -> Vec<String> {
        let mut all = vec!["--data-dir".to_owned(), self.data_dir().display().to_string()];
        if let Some(database) = &self.database {
            all.extend(["--database-url".to_owned(), database.url()]);
        }
        all.extend(arguments.into_iter().map(|argument| argument.as_ref().to_owned()));
        all
    }

    /// Runs a command on this installation.
    pub fn run<S: AsRef<str>>(&self, arguments: impl IntoIterator<Item = S>) -> Ran {
        self.run_with(arguments, "")
    }

    /// The same with something on standard input.
    pub fn run_with<S: AsRef<str>>(&self, arguments: impl IntoIterator<Item = S>, input: impl AsRef<[u8]>) -> Ran {
        run(self.arguments(arguments), input)
    }

    /// Runs a command that must go well and gives its JSON.
    pub fn json<S: AsRef<str>>(&self, arguments: impl IntoIterator<Item = S>) -> Value {
        let mut arguments = self.arguments(arguments);
        arguments.push("--format=json".to_owned());
        run(arguments, "").json()
    }

    /// Makes a user.
    #[must_use]
    pub fn user(&self, name: &str) -> String {
        text(&self.json(["user", "create", "--name", name]), "id")
    }

    /// Makes a workspace `acme` with an owner and an environment of theirs.
    #[must_use]
    pub fn tenant(&self, slug: &str) -> Person<'_> {
        let id = self.user("Owner");
        let _ = self.json(["workspace", "create", "--slug", slug, "--name", "A workspace", "--owner", &id]);
        let mut owner = Person { site: self, id, workspace: slug.to_owned(), environment: String::new() };
        owner.environment = text(&owner.json(["environment", "create", "--name", "Production"]), "id");
        owner
    }
}

impl Default for Site {
    fn default() -> Self {
        Self::new()
    }
}

/// Somebody who acts in a workspace, and mostly in one environment of it.
#[derive(Clone, Debug)]
pub struct Person<'a> {
    /// Where.
    pub site: &'a Site,
    /// Their user id.
    pub id: String,
    /// The workspace, as named on the command line.
    pub workspace: String,
    /// The environment.
    pub environment: String,
}

impl<'a> Person<'a> {
    /// The same person's arguments for a command: `--environment` too, if the command has it.
    #[must_use]
    pub fn arguments<S: AsRef<str>>(&self, arguments: impl IntoIterator<Item = S>) -> Vec<String> {
        let mut all: Vec<String> = arguments.into_iter().map(|argument| argument.as_ref().to_owned()).collect();
        all.extend(["--as".to_owned(), self.id.clone(), "--workspace".to_owned(), self.workspace.clone()]);
        if takes_environment(&all) && !all.iter().any(|argument| argument == "--environment") {
            all.extend(["--environment".to_owned(), self.environment.clone()]);
        }
        all
    }

    /// Runs a command as this person.
    pub fn run<S: AsRef<str>>(&self, arguments: impl IntoIterator<Item = S>) -> Ran {
        self.site.run(self.arguments(arguments))
    }

    /// The same with something on standard input.
    pub fn run_with<S: AsRef<str>>(&self, arguments: impl IntoIterator<Item = S>, input: impl AsRef<[u8]>) -> Ran {
        self.site.run_with(self.arguments(arguments), input)
    }

    /// Runs a command that must go well and gives its JSON.
    pub fn json<S: AsRef<str>>(&self, arguments: impl IntoIterator<Item = S>) -> Value {
        self.site.json(self.arguments(arguments))
    }

    /// Runs a command that must fail with this code and gives what it says of it in JSON.
    ///
    /// # Panics
    ///
    /// When it ends otherwise, or prints anything else.
    pub fn refused<S: AsRef<str>>(&self, code: i32, arguments: impl IntoIterator<Item = S>) -> Value {
        let mut arguments = self.arguments(arguments);
        arguments.push("--format=json".to_owned());
        let ran = self.site.run(arguments);
        assert!(ran.code == code && ran.stdout.is_empty(), "{ran:?}");
        ran.error()
    }

    /// A member this owner adds, entitled to the environment or not.
    #[must_use]
    pub fn adds(&self, role: &str, entitled: bool) -> Person<'a> {
        let id = self.site.user(role);
        let _ = self.json(["workspace", "add-member", "--user", &id, "--role", role]);
        if entitled {
            let _ = self.json(["environment", "entitle", "--user", &id]);
        }
        Person { id, ..self.clone() }
    }

    /// Imports with the invented provider's adapter and gives the report.
    #[must_use]
    pub fn imports(&self, export: &str) -> Value {
        let file = self.site.file("export.jsonl", export);
        self.json(["import", "--adapter", "fake", &file])
    }

    /// The id of the inventory item of a key.
    ///
    /// # Panics
    ///
    /// When there is none.
    #[must_use]
    pub fn item(&self, key: &str) -> String {
        let found = self.json(["inventory", "list", "--subject", key]);
        text(&found["items"][0], "id")
    }
}

/// Whether a command works in one environment that it must be told.
fn takes_environment(arguments: &[String]) -> bool {
    let words: Vec<&str> = arguments.iter().take(2).map(String::as_str).collect();
    match words.as_slice() {
        ["import", ..]
        | ["environment", "entitle" | "withdraw"]
        | ["inventory", "list"]
        | ["connection", "create" | "list"]
        | ["run", "start" | "list"] => true,
        ["binding", command] => !matches!(*command, "supersede" | "revoke" | "redact-note" | "show" | "history"),
        _ => false,
    }
}

/// A member that is text.
///
/// # Panics
///
/// When it is not there, or something else.
#[must_use]
pub fn text(value: &Value, member: &str) -> String {
    value[member].as_str().unwrap_or_else(|| fail(&format!("no text `{member}` in {value}"))).to_owned()
}
