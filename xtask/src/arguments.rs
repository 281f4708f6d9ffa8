//! The words on the command line, and what they ask for.

use std::fmt;

/// Printed by `cargo xtask`, `cargo xtask --help`, and after a word it does not know.
pub(crate) const USAGE: &str = "\
usage: cargo xtask TASK

  demo [provider]
                 build, then tell the whole story on invented data: decisions, then a provider and its inventory; or the
                 latter alone
  test           every suite on both database engines, then on partitioned PostgreSQL; the doc tests; the packages for
                 other languages, and conformance
  ci             format, lints, licences, docs, `cargo xtask test`, contract, demo: what .ci/run runs
  contract [--examples N] [--seed N]
                 schemathesis over the running service on both engines; N examples per operation [default: 100]
  conformance [--random N] [--seed N] [--host COMMAND]...
                 every host of the components held to the vectors and to N requests made at random
                 [default: 20000; hosts outside this process a tenth]; the contract of a host: tests/README.md
  bench [ARGS]   measure, in a release build; ARGS go to the measuring program (`store`: the store alone)
  load [ARGS]    `provident serve` under wrk, on both engines: the release build if there is one, else that of `cargo
                 build`; `--seconds N` for each row (5)
  dist           what is given away: components, C library, packages for PHP, Node and Python, bills of materials, in
                 target/dist; shows that two more builds of each component have the same bytes
  audit          known vulnerabilities of the dependencies (needs the network)

Each task installs what it lacks and says so: the WebAssembly target and the tools of Rust through rustup,
PostgreSQL, curl, PHP, Node, Python, valgrind and wrk through apt (as root or with sudo), cargo-deny and
cargo-cyclonedx through cargo, schemathesis and wasmtime for Python through pip, jco through npm. PG_BIN_DIR names the folder of PostgreSQL's own programs (initdb, postgres) where it is not found by
itself.

exit status: 0 done, 1 something failed or is missing, 2 not understood";

/// What can be asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Task {
    Demo,
    Test,
    Ci,
    Contract,
    Conformance,
    Bench,
    Load,
    Dist,
    Audit,
}

impl Task {
    const ALL: &[(&str, Self)] = &[
        ("demo", Self::Demo),
        ("test", Self::Test),
        ("ci", Self::Ci),
        ("contract", Self::Contract),
        ("conformance", Self::Conformance),
        ("bench", Self::Bench),
        ("load", Self::Load),
        ("dist", Self::Dist),
        ("audit", Self::Audit),
    ];
}

/// A command line that was understood.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Request {
    Usage,
    /// A task and the words after it, which only `bench` and `load` take.
    Run(Task, Vec<String>),
    /// The task that holds the service to its document.
    Contract(Examples),
    /// The task that tells stories.
    Demo(Stories),
    /// The task that holds hosts to one another.
    Conformance(Random),
}

/// Which stories are told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stories {
    /// That of decisions, then that of a provider.
    All,
    /// That of a provider.
    Provider,
}

/// What hosts are asked beside the vectors, and which hosts beside ours.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Random {
    /// How many requests made at random.
    pub(crate) count: u32,
    /// What they follow from.
    pub(crate) seed: u32,
    /// The commands of more hosts.
    pub(crate) hosts: Vec<String>,
}

impl Default for Random {
    /// As many as in every change's run, always the same.
    fn default() -> Self {
        Self { count: 20_000, seed: 1, hosts: Vec::new() }
    }
}

/// How much is tried, and which.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Examples {
    /// Per operation.
    pub(crate) count: u32,
    /// What they follow from.
    pub(crate) seed: u32,
}

impl Default for Examples {
    /// As many as in every change's run, always the same.
    fn default() -> Self {
        Self { count: 100, seed: 1 }
    }
}

/// A command line that was not.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum NotUnderstood {
    UnknownTask(String),
    UnexpectedWord { task: String, word: String },
    NotANumber { option: String },
}

impl fmt::Display for NotUnderstood {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::UnknownTask(word) => write!(to, "no task is called `{word}`"),
            Self::UnexpectedWord { task, word } => {
                write!(to, "`{task}` takes no argument `{word}`")
            }
            Self::NotANumber { option } => write!(to, "`{option}` takes a number from 1"),
        }
    }
}

impl Request {
    /// Reads the words after `cargo xtask`.
    pub(crate) fn read(words: &[String]) -> Result<Self, NotUnderstood> {
        let Some((name, rest)) = words.split_first() else {
            return Ok(Self::Usage);
        };
        if ["help", "--help", "-h"].contains(&name.as_str()) {
            return Ok(Self::Usage);
        }
        let Some(&(_, task)) = Task::ALL.iter().find(|(known, _)| known == name) else {
            return Err(NotUnderstood::UnknownTask(name.clone()));
        };
        if [Task::Bench, Task::Load].contains(&task) {
            return Ok(Self::Run(task, rest.to_vec()));
        }
        match rest.first().map(String::as_str) {
            Some(word) if task == Task::Contract && !["--help", "-h"].contains(&word) => contract(rest),
            None if task == Task::Contract => contract(rest),
            Some(word) if task == Task::Conformance && !["--help", "-h"].contains(&word) => conformance(rest),
            None if task == Task::Conformance => conformance(rest),
            None if task == Task::Demo => Ok(Self::Demo(Stories::All)),
            Some("provider") if task == Task::Demo && rest.len() == 1 => Ok(Self::Demo(Stories::Provider)),
            None => Ok(Self::Run(task, Vec::new())),
            Some("--help" | "-h") => Ok(Self::Usage),
            Some(word) => Err(NotUnderstood::UnexpectedWord { task: name.clone(), word: word.to_owned() }),
        }
    }
}

/// The options of `contract`, each a name and a number.
fn contract(words: &[String]) -> Result<Request, NotUnderstood> {
    let mut examples = Examples::default();
    for pair in words.chunks(2) {
        let (option, number) = match pair {
            [option, number] => (option, number.parse().ok().filter(|number| *number > 0)),
            [option] => (option, None),
            _ => continue,
        };
        let set = match option.as_str() {
            "--examples" => &mut examples.count,
            "--seed" => &mut examples.seed,
            _ => return Err(NotUnderstood::UnexpectedWord { task: "contract".to_owned(), word: option.clone() }),
        };
        *set = number.ok_or_else(|| NotUnderstood::NotANumber { option: option.clone() })?;
    }
    Ok(Request::Contract(examples))
}

/// The options of `conformance`, each a name and a value.
fn conformance(words: &[String]) -> Result<Request, NotUnderstood> {
    let mut random = Random::default();
    for pair in words.chunks(2) {
        let (Some(option), value) = (pair.first(), pair.get(1)) else { continue };
        let not_a_number = || NotUnderstood::NotANumber { option: option.clone() };
        let number =
            || value.and_then(|value| value.parse().ok()).filter(|number| *number > 0).ok_or_else(not_a_number);
        match (option.as_str(), value) {
            ("--random", _) => random.count = number()?,
            ("--seed", _) => random.seed = number()?,
            ("--host", Some(host)) => random.hosts.push(host.clone()),
            _ => {
                return Err(NotUnderstood::UnexpectedWord { task: "conformance".to_owned(), word: option.clone() });
            }
        }
    }
    Ok(Request::Conformance(random))
}

#[cfg(test)]
mod tests {
    use super::{Examples, NotUnderstood, Random, Request, Stories, Task, USAGE};

    fn read(words: &[&str]) -> Result<Request, NotUnderstood> {
        Request::read(&words.iter().map(ToString::to_string).collect::<Vec<_>>())
    }

    #[test]
    fn nothing_and_help_ask_for_usage() {
        for words in [&[][..], &["--help"], &["-h"], &["help"], &["test", "--help"]] {
            assert_eq!(read(words), Ok(Request::Usage), "{words:?}");
        }
    }

    #[test]
    fn every_task_is_read_and_stands_in_the_usage() {
        for (name, task) in Task::ALL {
            if ![Task::Contract, Task::Conformance, Task::Demo].contains(task) {
                assert_eq!(read(&[name]), Ok(Request::Run(*task, Vec::new())));
            }
            assert!(USAGE.contains(&format!("\n  {name} ")), "{name}");
        }
    }

    #[test]
    fn only_bench_and_load_take_more_words() {
        assert_eq!(read(&["bench", "--help", "P1"]), Ok(Request::Run(Task::Bench, vec!["--help".into(), "P1".into()])));
        assert_eq!(
            read(&["load", "--seconds", "1"]),
            Ok(Request::Run(Task::Load, vec!["--seconds".into(), "1".into()]))
        );
        assert_eq!(
            read(&["ci", "fast"]),
            Err(NotUnderstood::UnexpectedWord { task: "ci".into(), word: "fast".into() })
        );
    }

    #[test]
    fn the_demo_is_told_whole_or_the_provider_alone() {
        assert_eq!(read(&["demo"]), Ok(Request::Demo(Stories::All)));
        assert_eq!(read(&["demo", "provider"]), Ok(Request::Demo(Stories::Provider)));
        assert_eq!(read(&["demo", "--help"]), Ok(Request::Usage));
        let refused = |word: &str| Err(NotUnderstood::UnexpectedWord { task: "demo".into(), word: word.into() });
        assert_eq!(read(&["demo", "providers"]), refused("providers"));
        assert_eq!(read(&["demo", "provider", "again"]), refused("provider"));
    }

    #[test]
    fn the_contract_is_tried_as_often_as_asked() {
        assert_eq!(read(&["contract"]), Ok(Request::Contract(Examples { count: 100, seed: 1 })));
        let asked = ["contract", "--seed", "7", "--examples", "1000"];
        assert_eq!(read(&asked), Ok(Request::Contract(Examples { count: 1_000, seed: 7 })));
        assert_eq!(read(&["contract", "-h"]), Ok(Request::Usage));
        for words in [&["contract", "--seed"][..], &["contract", "--seed", "x"], &["contract", "--seed", "0"]] {
            assert_eq!(read(words), Err(NotUnderstood::NotANumber { option: "--seed".into() }), "{words:?}");
        }
        let unknown = NotUnderstood::UnexpectedWord { task: "contract".into(), word: "--sed".into() };
        assert_eq!(read(&["contract", "--sed", "7"]), Err(unknown));
    }

    #[test]
    fn hosts_may_join_conformance() {
        assert_eq!(read(&["conformance"]), Ok(Request::Conformance(Random::default())));
        let asked = ["conformance", "--host", "./one --fast", "--random", "5", "--host", "two", "--seed", "7"];
        let hosts = vec!["./one --fast".to_owned(), "two".to_owned()];
        assert_eq!(read(&asked), Ok(Request::Conformance(Random { count: 5, seed: 7, hosts })));
        let refused =
            |word: &str| Err(NotUnderstood::UnexpectedWord { task: "conformance".to_owned(), word: word.to_owned() });
        assert_eq!(read(&["conformance", "--host"]), refused("--host"));
        assert_eq!(read(&["conformance", "all", "1"]), refused("all"));
        let not_a_number = Err(NotUnderstood::NotANumber { option: "--random".into() });
        assert_eq!(read(&["conformance", "--random", "many"]), not_a_number);
    }

    #[test]
    fn an_unknown_task_is_named() {
        assert_eq!(read(&["tets"]), Err(NotUnderstood::UnknownTask("tets".into())));
    }
}
