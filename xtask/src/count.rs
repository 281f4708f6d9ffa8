//! What the suites of many processes did on each database engine, added up.
//!
//! Each process adds lines `engine TAB passed TAB failed` to one file. Knows nothing of what an engine is.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::process::Problem;

/// `SQLite`, as the suites call it.
pub(crate) const SQLITE: &str = "sqlite";
/// `PostgreSQL`, as the suites call it.
pub(crate) const POSTGRES: &str = "postgres";
/// `PostgreSQL` with every tenant's table in parts, as the suites call it.
pub(crate) const PARTITIONED: &str = "postgres (16 partitions)";

/// The file the counts go to; gone with this value.
#[derive(Debug)]
pub(crate) struct CountFile(PathBuf);

impl CountFile {
    /// A file of this process that is not there yet.
    pub(crate) fn new() -> Self {
        Self(std::env::temp_dir().join(format!("provident-test-counts-{}", std::process::id())))
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }

    /// What has been added so far.
    pub(crate) fn read(&self) -> Result<Counts, Problem> {
        match fs::read_to_string(&self.0) {
            Ok(text) => Counts::of(&text),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Counts::default()),
            Err(error) => Err(Problem::new(format!("cannot read `{}`: {error}", self.0.display()))),
        }
    }
}

impl Drop for CountFile {
    fn drop(&mut self) {
        // It may never have been made, and what is left of it is in the way of nothing.
        let _gone = fs::remove_file(&self.0);
    }
}

/// Passed and failed test bodies, per engine.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Counts(BTreeMap<String, (u64, u64)>);

impl Counts {
    fn of(text: &str) -> Result<Self, Problem> {
        let mut counts = BTreeMap::<String, (u64, u64)>::new();
        for line in text.lines() {
            let mut parts = line.split('\t');
            let engine = parts.next().unwrap_or_default();
            let mut number = || parts.next().and_then(|number| number.parse::<u64>().ok());
            let (Some(passed), Some(failed)) = (number(), number()) else {
                return Err(Problem::new(format!("not a count of tests: `{line}`")));
            };
            let sum = counts.entry(engine.to_owned()).or_default();
            *sum = (sum.0.saturating_add(passed), sum.1.saturating_add(failed));
        }
        Ok(Self(counts))
    }

    fn passed(&self, engine: &str) -> u64 {
        self.0.get(engine).map_or(0, |(passed, _)| *passed)
    }

    /// One line per engine; one that nothing ran on shows that.
    pub(crate) fn table(&self) -> String {
        let head = format!("{:24}  {:>9}  {:>9}", "tests by engine", "passed", "failed");
        let rows = [SQLITE, POSTGRES, PARTITIONED].iter().map(|engine| {
            let (passed, failed) = self.0.get(*engine).copied().unwrap_or_default();
            format!("{engine:24}  {passed:>9}  {failed:>9}")
        });
        [head].into_iter().chain(rows).collect::<Vec<_>>().join("\n")
    }

    /// Fails unless each engine ran the same number of tests, and any at all: none was passed over.
    pub(crate) fn are_complete(&self) -> Result<(), Problem> {
        let [sqlite, postgres, partitioned] = [SQLITE, POSTGRES, PARTITIONED].map(|engine| self.passed(engine));
        if sqlite == 0 || sqlite != postgres || postgres != partitioned {
            let told = format!("{sqlite} tests passed on sqlite, {postgres} on postgres, {partitioned} on partitions");
            return Err(Problem::new(format!("not every engine ran every test: {told}")));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::{CountFile, Counts};

    fn counts(text: &str) -> Counts {
        Counts::of(text).unwrap()
    }

    #[test]
    fn the_counts_of_all_processes_are_added_up() {
        let counts = counts("sqlite\t2\t0\npostgres\t2\t0\nsqlite\t3\t1\npostgres\t4\t0\n");
        assert_eq!(
            counts.table(),
            "tests by engine              passed     failed\n\
             sqlite                            5          1\n\
             postgres                          6          0\n\
             postgres (16 partitions)          0          0"
        );
    }

    #[test]
    fn an_engine_that_ran_fewer_tests_is_told_of() {
        assert!(counts("sqlite\t5\t0\npostgres\t5\t0\npostgres (16 partitions)\t5\t0\n").are_complete().is_ok());
        for missing in [
            "",
            "sqlite\t5\t0\npostgres\t5\t0\n",
            "sqlite\t5\t0\npostgres\t4\t0\npostgres (16 partitions)\t4\t0\n",
            "sqlite\t5\t0\npostgres\t5\t0\npostgres (16 partitions)\t4\t0\n",
        ] {
            let problem = counts(missing).are_complete().unwrap_err();
            assert!(problem.to_string().starts_with("not every engine ran every test: "), "{problem}");
        }
    }

    #[test]
    fn a_line_that_is_no_count_is_told_of() {
        assert_eq!(Counts::of("sqlite\tfive\t0\n").unwrap_err().to_string(), "not a count of tests: `sqlite\tfive\t0`");
    }

    #[test]
    fn a_file_that_nobody_made_counts_nothing() {
        assert_eq!(CountFile(std::path::PathBuf::from("/nowhere/counts")).read().unwrap(), Counts::default());
    }
}
