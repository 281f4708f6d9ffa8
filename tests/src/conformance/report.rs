//! The report of a conformance run: one Markdown page for people, one JSON file for programs.

use super::About;
use super::sweep::Sweep;
use crate::vectors::lanes::Form;
use crate::vectors::{Report, Tally};
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

/// The forms our own packages answer in, so that none is lost.
const OURS: &[(&str, &[Form])] = &[
    ("c", &[Form::Lines, Form::Flat]),
    ("php", &[Form::Lines, Form::Calls, Form::Many]),
    ("node", &[Form::Lines, Form::Calls, Form::Many]),
    ("python", &[Form::Lines, Form::Calls, Form::Many]),
];

/// What one host did.
#[derive(Clone, Debug, Serialize)]
pub struct Lane {
    /// What it is.
    #[serde(flatten)]
    pub about: About,
    /// What it did with the vectors, by form.
    pub results: Vec<FormResult>,
}

/// What one host did in one form.
#[derive(Clone, Debug, Serialize)]
pub struct FormResult {
    /// The form.
    pub form: Form,
    /// By group of vectors.
    pub groups: BTreeMap<String, Tally>,
    /// Vectors it does not run, by reason.
    pub skipped: BTreeMap<&'static str, usize>,
    /// What it answered otherwise, and how.
    pub failed: Vec<String>,
    /// Requests made at random; absent for what the others are compared with.
    pub random: Option<Sweep>,
}

impl FormResult {
    /// Puts together what a form was found to do.
    #[must_use]
    pub fn of(form: Form, report: Report, random: Option<Sweep>) -> Self {
        let failed = report.failed.iter().map(|violation| violation.rule.clone()).collect();
        Self { form, groups: report.groups, skipped: report.skipped, failed, random }
    }

    fn sum(&self) -> Tally {
        self.groups.values().fold(Tally::default(), |sum, tally| Tally {
            passed: sum.passed + tally.passed,
            refused: sum.refused + tally.refused,
            failed: sum.failed + tally.failed,
            skipped: sum.skipped + tally.skipped,
        })
    }
}

/// All of it.
#[derive(Clone, Debug, Serialize)]
pub struct Conformance {
    /// The components every host must run: name, SHA-256.
    pub components: BTreeMap<String, String>,
    /// What the random requests followed from.
    pub seed: u64,
    /// The hosts.
    pub lanes: Vec<Lane>,
}

impl Conformance {
    /// What keeps the run from having passed; empty if it has.
    #[must_use]
    pub fn faults(&self) -> Vec<String> {
        let mut faults = Vec::new();
        for Lane { about, results } in &self.lanes {
            let host = &about.host;
            // Only the library itself, which is compiled from the same sources, has none.
            if about.components != self.components && !(host == "native" && about.components.is_empty()) {
                faults.push(format!("{host} runs other components: {:?}", about.components));
            }
            if let Some((_, forms)) = OURS.iter().find(|(ours, forms)| ours == host && **forms != about.forms) {
                faults.push(format!("{host} answers in {:?} and not in {forms:?}", about.forms));
            }
            if results.is_empty() {
                faults.push(format!("{host} answers in no form"));
            }
            for result in results {
                let form = result.form.as_str();
                if result.sum().passed == 0 {
                    faults.push(format!("{host}, {form}: passed no vector"));
                }
                faults.extend(result.failed.iter().map(|failed| format!("{host}, {form}: {failed}")));
                let random = result.random.iter().filter(|random| random.different > 0);
                faults.extend(random.map(|random| {
                    let (count, shown) = (random.different, random.shown.join("\n  "));
                    format!("{host}, {form}: {count} random requests answered otherwise:\n  {shown}")
                }));
            }
        }
        faults
    }

    /// The report as JSON.
    ///
    /// # Errors
    ///
    /// None that is known.
    pub fn json(&self) -> serde_json::Result<String> {
        serde_json::to_string_pretty(self)
    }

    /// The report as Markdown.
    #[must_use]
    pub fn markdown(&self) -> String {
        let mut page = String::from("# Conformance\n\nEvery host below runs these components:\n\n");
        for (name, sha256) in &self.components {
            let _ = writeln!(page, "- `{name}`: SHA-256 `{sha256}`");
        }
        page.push_str(
            "\n| host | engine | version | components | form | passed | of them refusals | failed | skipped |\n",
        );
        page.push_str("|---|---|---|---|---|---:|---:|---:|---:|\n");
        for (Lane { about, .. }, result) in self.results() {
            let components = match &about.components {
                none if none.is_empty() => "none",
                same if *same == self.components => "the same",
                _ => "OTHERS",
            };
            let (form, Tally { passed, refused, failed, skipped }) = (result.form.as_str(), result.sum());
            let About { host, engine, version, .. } = about;
            let _ = writeln!(
                page,
                "| {host} | {engine} | {version} | {components} | {form} | {passed} | {refused} | {failed} | {skipped} |"
            );
        }
        page.push_str("\n## By group: passed / failed / of the passed, refusals\n\n| group |");
        for (lane, result) in self.results() {
            let _ = write!(page, " {}, {} |", lane.about.host, result.form.as_str());
        }
        let _ = writeln!(page, "\n|---|{}", "---:|".repeat(self.results().count()));
        let groups: BTreeSet<&String> = self.results().flat_map(|(_, result)| result.groups.keys()).collect();
        for group in groups {
            let _ = write!(page, "| {group} |");
            for (_, result) in self.results() {
                let Tally { passed, refused, failed, .. } = result.groups.get(group).copied().unwrap_or_default();
                let ran = passed + failed > 0;
                let cell = if ran { format!("{passed} / {failed} / {refused}") } else { "skipped".to_owned() };
                let _ = write!(page, " {cell} |");
            }
            page.push('\n');
        }
        let _ = writeln!(page, "\n## Random requests, against the rules as a library (seed {})\n", self.seed);
        page.push_str("| host | form | requests | of them refused | answered otherwise |\n|---|---|---:|---:|---:|\n");
        for (lane, result) in self.results() {
            if let Some(Sweep { requests, refused, different, .. }) = result.random {
                let (host, form) = (&lane.about.host, result.form.as_str());
                let _ = writeln!(page, "| {host} | {form} | {requests} | {refused} | {different} |");
            }
        }
        let faults = self.faults();
        let verdict = if faults.is_empty() { "Everything passed.".to_owned() } else { faults.join("\n- ") };
        let _ = write!(page, "\n{}{verdict}\n", if faults.is_empty() { "" } else { "## Faults\n\n- " });
        page
    }

    fn results(&self) -> impl Iterator<Item = (&Lane, &FormResult)> + Clone {
        self.lanes.iter().flat_map(|lane| lane.results.iter().map(move |result| (lane, result)))
    }
}
