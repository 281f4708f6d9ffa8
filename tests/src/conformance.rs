//! Conformance: every host that runs the components, held to the same vectors and to the rules as a library.
//!
//! A host is a program of a small contract, written down in `tests/README.md`, or something in this process. What it
//! did with each group of vectors, and with requests made at random, becomes one report.

pub mod report;
pub mod sweep;

use crate::program;
use crate::vectors::lanes::{self, Form, NativeAdapter};
use crate::vectors::typed::Call;
use crate::vectors::{Report, Vector};
use provident_identity::{Identity, components};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fmt::Write as _;
use std::io::Write as _;
use std::process::{Command, Stdio};
use std::rc::Rc;

/// What a host says of itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct About {
    /// Its name: a language, as a rule.
    pub host: String,
    /// What runs the components, with its version.
    pub engine: String,
    /// Its own version.
    pub version: String,
    /// The components it runs: name, and lower-case hex SHA-256 of the file. None for what runs no component.
    pub components: BTreeMap<String, String>,
    /// The forms it answers in.
    pub forms: Vec<Form>,
}

/// Answers bytes in one form; with an adapter, `adapt` too.
type Ask = Rc<dyn Fn(Form, Option<&str>, &[u8]) -> Result<Vec<u8>, String>>;
/// Runs the vectors in one form.
type Run = Rc<dyn Fn(&[Vector]) -> Report>;

/// One host, ready to be asked.
pub struct Host {
    /// What it says of itself.
    pub about: About,
    runs: Vec<(Form, Run)>,
    /// Absent where it is what the others are compared with.
    ask: Option<Ask>,
    /// Whether it is in this process, and so quick to ask.
    pub is_here: bool,
}

impl std::fmt::Debug for Host {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Host").field("about", &self.about).finish_non_exhaustive()
    }
}

/// Name and digest of each embedded component: what every host must run.
///
/// # Errors
///
/// If one cannot be loaded.
pub fn embedded() -> Result<BTreeMap<String, String>, String> {
    let all = components().map_err(|error| error.to_string())?;
    Ok(all.into_iter().map(|component| (component.name.to_owned(), component.sha256.to_owned())).collect())
}

impl Host {
    /// The rules as a library: what the components are compiled from.
    #[must_use]
    pub fn native(adapters: &'static [(&'static str, NativeAdapter)]) -> Self {
        let forms = vec![Form::Lines, Form::Calls];
        let about = About::of_ours("native", "the rules as a Rust library", BTreeMap::new(), forms);
        let runs: Vec<(Form, Run)> = vec![
            (Form::Lines, Rc::new(|vectors| lanes::native_lines(vectors, adapters))),
            (Form::Calls, Rc::new(|vectors| lanes::native_calls(vectors, adapters))),
        ];
        Self { about, runs, ask: None, is_here: true }
    }

    /// The embedded components through typed calls.
    ///
    /// # Errors
    ///
    /// If one cannot be loaded.
    pub fn typed() -> Result<Self, String> {
        let identity = Rc::new(Identity::embedded().map_err(|error| error.to_string())?);
        let about = About::of_ours("wasmtime, typed", ENGINE, embedded()?, vec![Form::Calls, Form::Flat]);
        let (calls, flat) = (Rc::clone(&identity), Rc::clone(&identity));
        let runs: Vec<(Form, Run)> = vec![
            (Form::Calls, Rc::new(move |vectors| lanes::component_calls(vectors, &calls))),
            (Form::Flat, Rc::new(move |vectors| lanes::flat_form(vectors, &flat))),
        ];
        let ask: Ask = Rc::new(move |form, _, bytes| match form {
            Form::Flat => identity.derive_flat(bytes).map_err(|error| error.to_string()),
            _ => typed_lines(&identity, bytes),
        });
        Ok(Self { about, runs, ask: Some(ask), is_here: true })
    }

    /// The embedded identity component through `batch.run`.
    ///
    /// # Errors
    ///
    /// If it cannot be loaded.
    pub fn batch() -> Result<Self, String> {
        let identity = Rc::new(Identity::embedded().map_err(|error| error.to_string())?);
        let about = About::of_ours("wasmtime, batch", ENGINE, embedded()?, vec![Form::Lines]);
        let batches = Rc::clone(&identity);
        let runs: Vec<(Form, Run)> = vec![(Form::Lines, Rc::new(move |vectors| lanes::batches(vectors, &batches)))];
        let ask: Ask = Rc::new(move |_, _, lines| {
            let lines = std::str::from_utf8(lines).map_err(|error| error.to_string())?;
            identity.batch(lines).map(String::into_bytes).map_err(|error| error.to_string())
        });
        Ok(Self { about, runs, ask: Some(ask), is_here: true })
    }

    /// `provident batch`.
    ///
    /// # Errors
    ///
    /// If the program does not build, or does not say which components it has.
    pub fn process() -> Result<Self, String> {
        let said = |arguments: &[&str]| -> Result<String, String> {
            let run = program::run(arguments, b"").map_err(|error| error.to_string())?;
            String::from_utf8(run.stdout).map_err(|error| error.to_string())
        };
        let version = said(&["--version"])?.trim().to_owned();
        let mut components = BTreeMap::new();
        let listed: Value = serde_json::from_str(&said(&["component", "info", "--format", "json"])?)
            .map_err(|error| error.to_string())?;
        for component in listed.get("components").and_then(Value::as_array).into_iter().flatten() {
            let text = |name: &str| component.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
            components.insert(text("name"), text("sha256"));
        }
        let forms = vec![Form::Lines];
        let about = About { host: "process".into(), engine: "provident batch".into(), version, components, forms };
        let runs: Vec<(Form, Run)> = vec![(Form::Lines, Rc::new(lanes::process))];
        let ask: Ask = Rc::new(|_, _, lines| {
            let run = program::run(&["batch"], lines).map_err(|error| error.to_string())?;
            Ok(run.stdout)
        });
        Ok(Self { about, runs, ask: Some(ask), is_here: false })
    }

    /// A program of the contract in `tests/README.md`, by its command: program and first arguments.
    ///
    /// # Errors
    ///
    /// If it does not start, or does not say what it is.
    pub fn program(command: Vec<OsString>) -> Result<Self, String> {
        let said = answered(&command, &["about"], b"")?;
        let about: About = serde_json::from_slice(&said)
            .map_err(|error| format!("{}: not what a host says of itself: {error}", shown(&command)))?;
        let ask: Ask = Rc::new(move |form, adapter, input| {
            let mut arguments = vec![form.as_str()];
            if let Some(adapter) = adapter {
                arguments.extend(["--adapter", adapter]);
            }
            answered(&command, &arguments, input)
        });
        let run = |form: Form| -> Run {
            let ask = Rc::clone(&ask);
            Rc::new(move |vectors| lanes::host(vectors, form, &|adapter, input| ask(form, adapter, input)))
        };
        let runs = about.forms.iter().map(|form| (*form, run(*form))).collect();
        Ok(Self { about, runs, ask: Some(ask), is_here: false })
    }

    /// The vectors, in every form it has.
    #[must_use]
    pub fn run(&self, vectors: &[Vector]) -> Vec<(Form, Report)> {
        self.runs.iter().map(|(form, run)| (*form, run(vectors))).collect()
    }

    /// What it answers to bytes in a form; `None` where it is what the others are compared with.
    #[must_use]
    pub fn ask(&self, form: Form, input: &[u8]) -> Option<Result<Vec<u8>, String>> {
        self.ask.as_ref().map(|ask| ask(form, None, input))
    }
}

const ENGINE: &str = "wasmtime 48, through provident-identity";

impl About {
    fn of_ours(host: &str, engine: &str, components: BTreeMap<String, String>, forms: Vec<Form>) -> Self {
        let version = env!("CARGO_PKG_VERSION").to_owned();
        Self { host: host.to_owned(), engine: engine.to_owned(), version, components, forms }
    }
}

/// Lines answered by typed calls, for those that can be.
fn typed_lines(identity: &Identity, lines: &[u8]) -> Result<Vec<u8>, String> {
    let mut replies = String::new();
    for line in String::from_utf8_lossy(lines).lines() {
        let request: Value = serde_json::from_str(line).map_err(|error| error.to_string())?;
        let call = Call::read(&request).ok_or("no typed call can make this request")?;
        let _ = writeln!(replies, "{}", call.component(identity)?);
    }
    Ok(replies.into_bytes())
}

/// What a program writes, to the end.
fn answered(command: &[OsString], arguments: &[&str], input: &[u8]) -> Result<Vec<u8>, String> {
    let (program, first) = command.split_first().ok_or("a host without a command")?;
    let mut started = Command::new(program);
    started.args(first).args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = started.spawn().map_err(|error| format!("{}: {error}", shown(command)))?;
    let stdin = child.stdin.take();
    let output = std::thread::scope(|scope| {
        scope.spawn(move || stdin.map(|mut stdin| stdin.write_all(input)));
        child.wait_with_output()
    })
    .map_err(|error| error.to_string())?;
    if output.status.success() {
        return Ok(output.stdout);
    }
    let said: String = String::from_utf8_lossy(&output.stderr).chars().take(2_000).collect();
    Err(format!("{} {}: {}: {said}", shown(command), arguments.join(" "), output.status))
}

fn shown(command: &[OsString]) -> String {
    command.iter().map(|word| word.to_string_lossy()).collect::<Vec<_>>().join(" ")
}
