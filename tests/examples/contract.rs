//! The running service held to its own document: an installation on one engine, `provident serve` over it, and
//! schemathesis as a caller who knows nothing but `/openapi.json` and a token.
//!
//! Knows how the service is started, and nothing of HTTP. What is sent and what counts as a failure:
//! `tests/contract/README.md`. Run by `cargo xtask contract`, which has schemathesis; alone:
//! `contract ENGINE EXAMPLES SEED PROGRAM`, with the path of `st`.
#![expect(clippy::unwrap_used, clippy::panic, reason = "it fails, and says why")]

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Instant;

use provident_tests::console::{Person, Site, command, text};
use provident_tests::database::{Engine, TestDatabase};
use provident_tests::guard::listing::root;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [engine, examples, seed, program] = arguments.as_slice() else {
        panic!("usage: contract ENGINE EXAMPLES SEED PROGRAM");
    };
    let engine = Engine::ALL.into_iter().find(|known| known.as_str() == engine).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let site = Site::on(runtime.block_on(TestDatabase::empty(engine)));
    let _ = site.run(["init"]).ok();
    let owner = site.tenant("acme");
    let counts = site.place().join("counts.tsv");
    let mut service = Service::over(&site);
    let started = Instant::now();
    let mut tester = tester(&service.url, &owner, program, &counts);
    let passed = tester.args(["--max-examples", examples, "--seed", seed]).status().unwrap().success();
    let took = started.elapsed().as_secs();
    let ended = service.end();
    let log = std::fs::read_to_string(site.place().join("log")).unwrap();
    assert!(passed && ended, "on {engine}, the service does not keep to its document (seed {seed}); its log:\n{log}");
    let counts = read(&counts);
    say(&format!("{engine}, seed {seed}, {took} s; answers by operation:\n{}\n", table(&counts)));
    let examples: u64 = examples.parse().unwrap();
    for (operation, answers) in &counts {
        assert!(answers.values().sum::<u64>() >= examples, "{operation} was asked less than {examples} times");
        let done = answers.keys().any(|status| (200..300).contains(status));
        assert!(done, "{operation} never did what it is for: tests/contract/hooks.py has to help it");
    }
}

/// schemathesis, told whom it is and where its counts are wanted.
fn tester(url: &str, owner: &Person<'_>, program: &str, counts: &Path) -> Command {
    let site = owner.site;
    let token = text(&site.json(["token", "create", "--user", &owner.id, "--name", "contract"]), "token");
    let workspace = text(site.json(["workspace", "list"]).get(0).unwrap(), "id");
    let folder = root().join("tests/contract");
    let mut tester = Command::new(program);
    tester.arg("--config-file").arg(folder.join("schemathesis.toml"));
    tester.args(["run", &format!("{url}/openapi.json"), "--no-color"]);
    tester.env("PYTHONPATH", &folder).env("PYTHONDONTWRITEBYTECODE", "1").current_dir(site.place());
    tester.env("PROVIDENT_CONTRACT_URL", url).env("PROVIDENT_CONTRACT_TOKEN", token);
    tester.env("PROVIDENT_CONTRACT_WORKSPACE", workspace).env("PROVIDENT_CONTRACT_ENVIRONMENT", &owner.environment);
    tester.env("PROVIDENT_CONTRACT_COUNTS", counts);
    tester
}

/// How often each operation was answered with each status; requests with a method it does not have are left out.
fn read(counts: &Path) -> BTreeMap<String, BTreeMap<u16, u64>> {
    let mut read = BTreeMap::<String, BTreeMap<u16, u64>>::new();
    for line in std::fs::read_to_string(counts).unwrap().lines() {
        let [operation, status, count] = line.split('\t').collect::<Vec<_>>()[..] else {
            panic!("not a count: {line}")
        };
        if status != "405" {
            let answers = read.entry(operation.to_owned()).or_default();
            *answers.entry(status.parse().unwrap()).or_default() += count.parse::<u64>().unwrap();
        }
    }
    read
}

fn table(counts: &BTreeMap<String, BTreeMap<u16, u64>>) -> String {
    let row = |(operation, answers): (&String, &BTreeMap<u16, u64>)| {
        let shown = answers.iter().map(|(status, count)| format!("{status} x {count}")).collect::<Vec<_>>().join(", ");
        format!("  {operation:22}  {:>6}  {shown}", answers.values().sum::<u64>())
    };
    counts.iter().map(row).collect::<Vec<_>>().join("\n")
}

fn say(text: &str) {
    std::io::stdout().lock().write_all(format!("{text}\n").as_bytes()).unwrap();
}

/// `provident serve` on a port of its own, with a rate that one caller does not reach.
struct Service {
    child: Child,
    url: String,
}

impl Service {
    fn over(site: &Site) -> Self {
        let rates = ["--rate-per-s", "1000000", "--rate-burst", "1000000"];
        // Without workers: a run that was started waits until it is cancelled.
        let serve = ["serve", "--listen", "127.0.0.1:0", "--log-level", "warn", "--workers", "0"];
        let mut command = command(site.arguments(serve.iter().chain(&rates).copied()));
        let log = std::fs::File::create(site.place().join("log")).unwrap();
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(log).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let url = line.trim_end().strip_prefix("listening on ").map(str::to_owned);
        Self { child, url: url.unwrap_or_else(|| panic!("the service did not start: {line:?}")) }
    }

    /// Has it end as it should.
    fn end(&mut self) -> bool {
        let told = Command::new("kill").args(["-TERM", &self.child.id().to_string()]).status().unwrap();
        told.success() && self.child.wait().unwrap().success()
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        // It has ended already, unless something went wrong.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
