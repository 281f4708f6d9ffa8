//! A bounded load run with wrk: how many requests a second, how long they take, how many go wrong. Not a comparison: it
//! shows the service under a tool that others know, on both engines.
//!
//! wrk runs a script of its own language for each kind of request; the script counts what is not answered as it should be
//! and says its figures in one line.

use super::BUILD;
use super::place::{KEY, Place};
use crate::report::say;
use crate::store::Failure;
use provident_tests::database::Engine;
use provident_tests::postgres::measured;
use provident_tests::serving::Instance;
use std::fmt::Write as _;
use std::io::Write as _;
use std::process::Command;
use std::time::Duration;
use tempfile::TempDir;

const BINDINGS: u64 = 10_000;
const THREADS: u32 = 2;
const CONNECTIONS: u32 = 16;
/// How long wrk waits for an answer before it counts it as lost.
const ANSWER_SECONDS: u32 = 10;

/// What every script ends with: counts of statuses that were not meant, per thread, and one line of figures.
const ENDING: &str = r#"
local threads = {}
function setup(thread)
  thread:set("thread_number", #threads + 1)
  table.insert(threads, thread)
end
wrong = 0
first_wrong = 0
function response(status)
  if status ~= meant then
    wrong = wrong + 1
    if first_wrong == 0 then first_wrong = status end
  end
end
function done(summary, latency)
  local bad, first = 0, 0
  for _, thread in ipairs(threads) do
    bad = bad + thread:get("wrong")
    if thread:get("first_wrong") ~= 0 then first = thread:get("first_wrong") end
  end
  local e = summary.errors
  io.write(string.format("FIGURES %d %d %d %d %d %d %d %d\n", summary.requests, summary.duration, latency:percentile(50),
    latency:percentile(99), bad, first, e.connect + e.read + e.write, e.timeout))
end
"#;

/// A row of the table.
struct Row {
    engine: Engine,
    what: &'static str,
    requests: u64,
    seconds: f64,
    p50_us: u64,
    p99_us: u64,
    wrong: u64,
    first_wrong: u64,
    sockets: u64,
    late: u64,
}

impl Row {
    /// Reads what a script says at its end.
    fn of(engine: Engine, what: &'static str, said: &str) -> Result<Self, Failure> {
        let figures =
            said.lines().find_map(|line| line.strip_prefix("FIGURES ")).ok_or_else(|| format!("wrk: {said}"))?;
        let numbers = figures.split(' ').map(str::parse).collect::<Result<Vec<u64>, _>>()?;
        let [requests, duration_us, p50_us, p99_us, wrong, first_wrong, sockets, late] = *numbers.as_slice() else {
            return Err(format!("wrk: {figures}").into());
        };
        let seconds = Duration::from_micros(duration_us).as_secs_f64();
        Ok(Self { engine, what, requests, seconds, p50_us, p99_us, wrong, first_wrong, sockets, late })
    }

    #[expect(clippy::cast_precision_loss, reason = "figures for people to read")]
    fn text(&self) -> String {
        let statuses = if self.wrong == 0 { "0".to_owned() } else { format!("{} ({})", self.wrong, self.first_wrong) };
        format!(
            "| {} | {} | {:.0} | {:.2} ms | {:.2} ms | {statuses} | {} | {} |",
            self.engine,
            self.what,
            self.requests as f64 / self.seconds,
            self.p50_us as f64 / 1e3,
            self.p99_us as f64 / 1e3,
            self.sockets,
            self.late
        )
    }
}

/// The kinds of requests, each with its script.
fn scripts(place: &Place) -> [(&'static str, String); 3] {
    let (environment, span) = (place.environment_id, BINDINGS + BINDINGS / 99);
    let get = format!("meant = 200\nwrk.path = \"{}/{}\"\n", place.path(), place.binding_id);
    let lookup = format!(
        "meant = 200\nfunction request()\n  local keys = {{}}\n  for at = 1, 100 do\n    \
         keys[at] = '\"{KEY}' .. math.random({span}) .. '\"'\n  end\n  \
         return wrk.format(\"POST\", \"{}:lookup\", nil,\n    \
         '{{\"environment_id\":\"{environment}\",\"keys\":[' .. table.concat(keys, \",\") .. ']}}')\nend\n",
        place.path()
    );
    let create = format!(
        "meant = 201\nlocal sent = 0\nfunction request()\n  sent = sent + 1\n  \
         local own = \"w\" .. thread_number .. \"-\" .. sent\n  wrk.headers[\"Idempotency-Key\"] = own\n  \
         return wrk.format(\"POST\", \"{}\", nil,\n    '{{\"environment_id\":\"{environment}\",\
         \"mode\":\"excluded_non_governed\",\"subject\":\"{KEY}' .. own .. '\",\"subject_domain\":\"things\",\
         \"note\":\"not ours\"}}')\nend\n",
        place.path()
    );
    [("GET a binding", get), ("POST look-up of 100 keys", lookup), ("POST create, with a key", create)]
}

fn run(place: &Place, instance: &Instance, script: &str, seconds: u64) -> Result<String, Failure> {
    let directory = TempDir::new()?;
    let file = directory.path().join("script.lua");
    let headers = format!(
        "wrk.headers[\"Authorization\"] = \"Bearer {}\"\nwrk.headers[\"Content-Type\"] = \"application/json\"\n",
        place.token
    );
    std::fs::write(&file, format!("{headers}{script}{ENDING}"))?;
    let output = Command::new("wrk")
        .args([format!("-t{THREADS}"), format!("-c{CONNECTIONS}"), format!("-d{seconds}s")])
        .args(["--timeout", &format!("{ANSWER_SECONDS}s"), "-s"])
        .arg(&file)
        .arg(format!("http://{}", instance.address))
        .output()
        .map_err(|error| format!("wrk: {error}; `cargo xtask load` installs it (Debian: `apt-get install wrk`)"))?;
    if !output.status.success() {
        return Err(format!("wrk: {}", String::from_utf8_lossy(&output.stderr)).into());
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// Runs each kind of request for so many seconds on each engine, prints the table and writes it to `target/bench/`.
pub(crate) async fn measure(seconds: u64) -> Result<(), Failure> {
    let server = measured()?;
    let mut table = format!(
        "`provident serve`, {BUILD}, {BINDINGS} bindings; wrk with {THREADS} threads and {CONNECTIONS} connections, \
         {seconds} s a row, on the same machine; no rate limit in the way\n\n\
         | engine | request | requests/s | p50 | p99 | other statuses | socket errors | no answer in {ANSWER_SECONDS} s |\n\
         |---|---|---|---|---|---|---|---|\n"
    );
    for engine in [Engine::Postgres, Engine::Sqlite] {
        let place = Place::make(engine, server, BINDINGS).await?;
        place.service.close().await;
        let instance = place.serve()?;
        for (what, script) in scripts(&place) {
            say(&format!("{engine}: {what}, {seconds} s"));
            let row = Row::of(engine, what, &run(&place, &instance, &script, seconds)?)?;
            writeln!(table, "{}", row.text())?;
        }
    }
    std::io::stdout().lock().write_all(table.as_bytes())?;
    let folder = std::path::Path::new("target/bench");
    std::fs::create_dir_all(folder)?;
    Ok(std::fs::write(folder.join("load.md"), &table)?)
}
