//! What was measured, as a table for people and as JSON for programs.

use crate::pairs::Ratios;
use serde::Serialize;
use std::fmt::Write as _;
use std::io::{self, Write};
use std::path::Path;

/// One line of the table.
#[derive(Serialize)]
struct Row {
    id: &'static str,
    against: &'static str,
    ours: &'static str,
    figure: String,
    spread: String,
    gate: String,
    aim: String,
    met: &'static str,
}

/// All that was measured, and on what.
#[derive(Serialize)]
pub(crate) struct Report {
    machine: Machine,
    /// Ratio of a side against itself: 1, as far as this machine can tell.
    floor: Option<f64>,
    rows: Vec<Row>,
}

#[derive(Serialize)]
struct Machine {
    processor: String,
    cores: usize,
    cpu_flags: Vec<String>,
    provident: &'static str,
    identity_component_sha256: String,
}

/// CPU features that decide how fast hashing and copying are.
const FLAGS: &[&str] = &["sse4_2", "avx", "avx2", "avx512f", "bmi2", "sha_ni"];

impl Machine {
    fn here() -> Self {
        let info = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
        let value = |name: &str| {
            let line = info.lines().find(|line| line.starts_with(name));
            line.and_then(|line| line.split_once(':')).map(|(_, value)| value.trim().to_owned()).unwrap_or_default()
        };
        let flags = value("flags");
        let components = provident_identity::components().unwrap_or_default();
        Self {
            processor: value("model name"),
            cores: std::thread::available_parallelism().map_or(1, usize::from),
            cpu_flags: FLAGS
                .iter()
                .filter(|flag| flags.split(' ').any(|have| have == **flag))
                .map(|flag| (*flag).to_owned())
                .collect(),
            provident: env!("CARGO_PKG_VERSION"),
            identity_component_sha256: components
                .first()
                .map(|identity| identity.sha256.to_owned())
                .unwrap_or_default(),
        }
    }
}

/// A figure and what it should be; lower is better.
pub(crate) struct Target {
    pub(crate) gate: f64,
    pub(crate) aim: f64,
}

impl Report {
    pub(crate) fn new() -> Self {
        Self { machine: Machine::here(), floor: None, rows: Vec::new() }
    }

    /// A side against itself.
    pub(crate) fn floor(&mut self, against: &'static str, ratios: &Ratios) {
        self.floor = Some(ratios.median());
        self.add("A/A", against, "the same", ratios, None);
    }

    /// Time of ours over time of theirs; without a target it is for information.
    pub(crate) fn add(
        &mut self,
        id: &'static str,
        against: &'static str,
        ours: &'static str,
        ratios: &Ratios,
        target: Option<&Target>,
    ) {
        let median = ratios.median();
        self.rows.push(Row {
            id,
            against,
            ours,
            figure: format!("{median:.3}×"),
            spread: format!("{:.3}–{:.3}", ratios.at(0.1), ratios.at(0.9)),
            gate: target.map_or_else(String::new, |target| format!("≤ {}", target.gate)),
            aim: target.map_or_else(String::new, |target| format!("≤ {}", target.aim)),
            met: target.map_or("", |target| verdict(median <= target.gate, median <= target.aim)),
        });
    }

    /// A figure that is no ratio of this kind.
    #[expect(clippy::too_many_arguments, reason = "the columns of a table")]
    pub(crate) fn fact(
        &mut self,
        id: &'static str,
        against: &'static str,
        ours: &'static str,
        figure: String,
        spread: String,
        gate: &str,
        aim: &str,
        met: Option<(bool, bool)>,
    ) {
        let met = met.map_or("", |(gate, aim)| verdict(gate, aim));
        self.rows.push(Row { id, against, ours, figure, spread, gate: gate.to_owned(), aim: aim.to_owned(), met });
    }

    /// Prints the table and writes table and JSON to `target/bench/`.
    pub(crate) fn write(&self) -> io::Result<()> {
        let table = self.table();
        io::stdout().lock().write_all(table.as_bytes())?;
        let folder = Path::new("target/bench");
        std::fs::create_dir_all(folder)?;
        std::fs::write(folder.join("bench.md"), &table)?;
        std::fs::write(folder.join("bench.json"), serde_json::to_string_pretty(self)?)
    }

    fn table(&self) -> String {
        let machine = &self.machine;
        let mut table = String::new();
        // Writing to a string cannot fail.
        let _ = writeln!(
            table,
            "{}, {} cores, {}; provident {}, identity component {}\n",
            machine.processor,
            machine.cores,
            machine.cpu_flags.join(" "),
            machine.provident,
            machine.identity_component_sha256
        );
        if self.floor.is_none_or(|floor| !(0.95..=1.05).contains(&floor)) {
            table.push_str("**Void: a side measured against itself is outside 0.95–1.05.**\n\n");
        }
        table.push_str(
            "| # | against | ours | median | p10–p90 | gate | aim | met |\n|---|---|---|---|---|---|---|---|\n",
        );
        for row in &self.rows {
            let _ = writeln!(
                table,
                "| {} | {} | {} | {} | {} | {} | {} | {} |",
                row.id, row.against, row.ours, row.figure, row.spread, row.gate, row.aim, row.met
            );
        }
        table
    }
}

fn verdict(gate: bool, aim: bool) -> &'static str {
    match (gate, aim) {
        (true, true) => "aim",
        (true, false) => "gate",
        (false, _) => "missed",
    }
}

pub(crate) fn complain(message: &str) {
    let _ = writeln!(io::stderr().lock(), "bench: {message}");
}
