//! The steps of `cargo xtask ci`: a title before each, a table with the time of each at the end.

use std::time::{Duration, Instant};

use crate::process::Problem;
use crate::say;

/// What has been done so far, in order.
#[derive(Debug, Default)]
pub(crate) struct Steps {
    done: Vec<Done>,
}

#[derive(Debug)]
struct Done {
    title: &'static str,
    took: Duration,
    passed: bool,
}

impl Steps {
    /// Runs one step. The first failure ends the task; the table still shows it.
    pub(crate) fn run(
        &mut self,
        title: &'static str,
        step: impl FnOnce() -> Result<(), Problem>,
    ) -> Result<(), Problem> {
        say::line(&format!("\n=== {title} ==="));
        self.time(title, step)
    }

    fn time(&mut self, title: &'static str, step: impl FnOnce() -> Result<(), Problem>) -> Result<(), Problem> {
        let started = Instant::now();
        let outcome = step();
        self.done.push(Done { title, took: started.elapsed(), passed: outcome.is_ok() });
        outcome
    }

    /// One line per step and the sum.
    pub(crate) fn table(&self) -> String {
        let width = self.done.iter().map(|done| done.title.len()).max().unwrap_or(0).max(5);
        let head = format!("{:width$}  {:>9}  result", "step", "time");
        let rows = self.done.iter().map(|Done { title, took, passed }| {
            let result = if *passed { "passed" } else { "FAILED" };
            format!("{title:width$}  {:>9}  {result}", seconds(*took))
        });
        let sum = seconds(self.done.iter().map(|done| done.took).sum());
        let foot = format!("{:width$}  {sum:>9}", "total");
        [head].into_iter().chain(rows).chain([foot]).collect::<Vec<_>>().join("\n")
    }
}

fn seconds(time: Duration) -> String {
    format!("{:.1} s", time.as_secs_f64())
}

#[cfg(test)]
mod tests {
    use super::{Done, Steps};
    use crate::process::Problem;
    use std::time::Duration;

    #[test]
    fn the_table_shows_each_step_and_the_sum() {
        let steps = Steps {
            done: vec![
                Done { title: "format", took: Duration::from_millis(1_250), passed: true },
                Done { title: "documentation", took: Duration::from_mins(2), passed: false },
            ],
        };
        assert_eq!(
            steps.table(),
            "step                time  result\n\
             format             1.2 s  passed\n\
             documentation    120.0 s  FAILED\n\
             total            121.2 s"
        );
    }

    #[test]
    fn a_failed_step_is_kept_and_handed_on() {
        let mut steps = Steps::default();
        assert!(steps.time("good", || Ok(())).is_ok());
        assert!(steps.time("bad", || Err(Problem::new("broken"))).is_err());
        let results: Vec<_> = steps.done.iter().map(|done| done.passed).collect();
        assert_eq!(results, [true, false]);
    }
}
