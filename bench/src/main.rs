//! Measures Provident against its counterparts, as ratios within one process and run.
//!
//! `cargo xtask bench` builds this in release form and runs it. It prints one Markdown table and writes the same as
//! JSON beside it; targets stand next to the figures, met or not. Nothing here decides a test.

mod keys;
mod pairs;
mod report;
mod start;

use provident_identity::ComponentError;
use report::Report;
use std::process::ExitCode;

fn main() -> ExitCode {
    match measure() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            report::complain(&error.to_string());
            ExitCode::FAILURE
        }
    }
}

fn measure() -> Result<(), Box<dyn std::error::Error>> {
    // Started first, so that what a fresh process pays for its first key is not warmed up by the others.
    let start = start::measure()?;
    let mut report = Report::new();
    keys::measure(&mut report)?;
    start::report(&start, &mut report);
    report.write()?;
    Ok(())
}

/// An answer differed between the two sides: then there is nothing to compare.
fn differs(what: &str) -> ComponentError {
    ComponentError::Unusable(format!("{what}: the two sides answer differently"))
}
