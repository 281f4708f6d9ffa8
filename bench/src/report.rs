//! What was measured, as a table for people and as JSON for programs.

use crate::pairs::Ratios;
use serde::Serialize;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::{self, Write};
use std::path::Path;

/// Where a side measured against itself has to end up, or what it was measured with is not to be trusted.
const FLOOR: std::ops::RangeInclusive<f64> = 0.95..=1.05;

/// What a line of the table compares.
#[derive(Clone)]
pub(crate) struct Line {
    /// The target's number, or a word where there is none.
    pub(crate) id: &'static str,
    /// What was measured together: one floor holds for all of it.
    pub(crate) group: &'static str,
    pub(crate) against: String,
    pub(crate) ours: String,
}

impl Line {
    pub(crate) fn new(
        id: &'static str,
        group: &'static str,
        against: impl Into<String>,
        ours: impl Into<String>,
    ) -> Self {
        Self { id, group, against: against.into(), ours: ours.into() }
    }
}

/// One line of the table.
#[derive(Serialize)]
struct Row {
    id: &'static str,
    group: &'static str,
    against: String,
    ours: String,
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
    /// What else a reader has to know of the circumstances.
    remarks: Vec<String>,
    /// Ratios of a side against itself, by group: 1, as far as this machine can tell.
    floors: BTreeMap<&'static str, f64>,
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

/// What a figure should be.
#[derive(Clone, Copy)]
pub(crate) enum Target {
    /// Lower is better.
    AtMost { gate: f64, aim: f64 },
    /// Higher is better.
    AtLeast { gate: f64, aim: f64 },
}

impl Target {
    fn texts(self) -> (String, String) {
        match self {
            Self::AtMost { gate, aim } => (format!("≤ {gate}"), format!("≤ {aim}")),
            Self::AtLeast { gate, aim } => (format!("≥ {gate}"), format!("≥ {aim}")),
        }
    }

    fn verdict(self, figure: f64) -> &'static str {
        match self {
            Self::AtMost { gate, aim } => verdict(figure <= gate, figure <= aim),
            Self::AtLeast { gate, aim } => verdict(figure >= gate, figure >= aim),
        }
    }
}

impl Report {
    pub(crate) fn new() -> Self {
        Self { machine: Machine::here(), remarks: Vec::new(), floors: BTreeMap::new(), rows: Vec::new() }
    }

    /// Says something about the circumstances.
    pub(crate) fn remark(&mut self, remark: impl Into<String>) {
        self.remarks.push(remark.into());
    }

    /// A side against itself: the worst of them counts for its group.
    pub(crate) fn floor(&mut self, group: &'static str, against: impl Into<String>, ratios: &Ratios) {
        let floor = self.floors.entry(group).or_insert(1.0);
        if (ratios.median() - 1.0).abs() > (*floor - 1.0).abs() {
            *floor = ratios.median();
        }
        self.add(Line::new("A/A", group, against, "the same"), ratios, None);
    }

    /// A ratio of ours and theirs; without a target it is for information.
    pub(crate) fn add(&mut self, line: Line, ratios: &Ratios, target: Option<Target>) {
        let median = ratios.median();
        let (gate, aim) = target.map(Target::texts).unwrap_or_default();
        self.rows.push(Row {
            id: line.id,
            group: line.group,
            against: line.against,
            ours: line.ours,
            figure: format!("{median:.3}×"),
            spread: format!("{:.3}–{:.3}", ratios.at(0.1), ratios.at(0.9)),
            gate,
            aim,
            met: target.map_or("", |target| target.verdict(median)),
        });
    }

    /// A figure that is no ratio of this kind.
    pub(crate) fn fact(
        &mut self,
        line: Line,
        figure: String,
        spread: String,
        gate: &str,
        aim: &str,
        met: Option<(bool, bool)>,
    ) {
        self.rows.push(Row {
            id: line.id,
            group: line.group,
            against: line.against,
            ours: line.ours,
            figure,
            spread,
            gate: gate.to_owned(),
            aim: aim.to_owned(),
            met: met.map_or("", |(gate, aim)| verdict(gate, aim)),
        });
    }

    /// Prints the table and writes table and JSON to `target/bench/`, under this name.
    pub(crate) fn write(&mut self, name: &str) -> io::Result<()> {
        self.void();
        let table = self.table();
        io::stdout().lock().write_all(table.as_bytes())?;
        let folder = Path::new("target/bench");
        std::fs::create_dir_all(folder)?;
        std::fs::write(folder.join(format!("{name}.md")), &table)?;
        std::fs::write(folder.join(format!("{name}.json")), serde_json::to_string_pretty(self)?)
    }

    /// Takes back the verdicts on figures that were measured while the machine could not be trusted.
    fn void(&mut self) {
        for row in &mut self.rows {
            let floor = self.floors.get(row.group);
            if !row.met.is_empty() && floor.is_some_and(|floor| !FLOOR.contains(floor)) {
                row.met = "void";
            }
        }
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
        for remark in &self.remarks {
            let _ = writeln!(table, "- {remark}");
        }
        for (group, floor) in self.floors.iter().filter(|(_, floor)| !FLOOR.contains(*floor)) {
            let _ = writeln!(
                table,
                "- **Void: {group}: a side measured against itself is {floor:.3}, outside {:.2}–{:.2}.**",
                FLOOR.start(),
                FLOOR.end()
            );
        }
        table.push_str(
            "\n| # | group | against | ours | median | p10–p90 | gate | aim | met |\n|---|---|---|---|---|---|---|---|---|\n",
        );
        for row in &self.rows {
            let _ = writeln!(
                table,
                "| {} | {} | {} | {} | {} | {} | {} | {} | {} |",
                row.id, row.group, row.against, row.ours, row.figure, row.spread, row.gate, row.aim, row.met
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

/// One line on standard error: what is being done, or what went wrong.
pub(crate) fn say(message: &str) {
    let _ = writeln!(io::stderr().lock(), "bench: {message}");
}
