//! Measures Provident against its counterparts, as ratios within one process and run.
//!
//! `cargo xtask bench` builds this in release form and runs it; words after it name groups. It prints one Markdown
//! table and writes the same as JSON beside it; targets stand next to the figures, met or not. Nothing here decides a
//! test.

mod embed;
mod http;
mod keys;
mod pairs;
mod report;
mod start;
mod store;

use clap::{Parser, ValueEnum};
use provident_identity::ComponentError;
use report::Report;
use std::process::ExitCode;
use store::{Failure, Size};

/// What can be measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Group {
    /// Deriving keys: component against native (P1 to P3).
    Keys,
    /// From nothing to a first key (P7).
    Start,
    /// Look-ups among ever more bindings (P13).
    Lookup,
    /// Bulk create against COPY (P15).
    Bulk,
    /// The same statements with and without row-level security (P16).
    Policies,
    /// Verifying audit events against hashing them (P18).
    Verify,
    /// What indexes cost when a binding is written.
    Indexes,
    /// The longest mutation, with 64 clients.
    Mutation,
    /// Everything about the store: `lookup` to `mutation`.
    Store,
    /// The service over HTTP against native rules and pgbench (P8 to P11, P20).
    Http,
    /// The packages for Node, Python and PHP against hand-written rules (P5, P6).
    Embed,
    /// Requests a second and their times, with wrk: a table of its own, and only when named.
    Load,
}

impl Group {
    const OF_THE_STORE: [Self; 6] =
        [Self::Lookup, Self::Bulk, Self::Policies, Self::Verify, Self::Indexes, Self::Mutation];

    fn single(self) -> Vec<Self> {
        if self == Self::Store { Self::OF_THE_STORE.to_vec() } else { vec![self] }
    }
}

/// Measures Provident against its counterparts. Writes target/bench/NAME.md and NAME.json.
#[derive(Parser)]
#[command(name = "bench", after_help = "Example: cargo xtask bench lookup --rows 10000000")]
struct Arguments {
    /// What to measure; everything if nothing is named
    #[arg(value_name = "GROUP")]
    groups: Vec<Group>,
    /// Look up among so many bindings too (10,000,000 need some 20 GB and half an hour)
    #[arg(long, value_name = "N")]
    rows: Option<u64>,
    /// Between two looks at the service's memory, so many requests [default: 1,000,000]
    #[arg(long, value_name = "N")]
    requests: Option<u64>,
    /// How long each row of `load` takes
    #[arg(long, value_name = "N", default_value_t = 5)]
    seconds: u64,
    /// Little of everything, to see that it runs: its figures say nothing
    #[arg(long)]
    quick: bool,
}

fn main() -> ExitCode {
    match measure(&Arguments::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            report::say(&error.to_string());
            ExitCode::FAILURE
        }
    }
}

fn measure(arguments: &Arguments) -> Result<(), Failure> {
    let all = arguments.groups.is_empty();
    let groups: Vec<Group> = arguments.groups.iter().flat_map(|group| group.single()).collect();
    let wanted = |group: Group| all || groups.contains(&group);
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    if groups.contains(&Group::Load) {
        if groups.len() > 1 {
            return Err("`load` has a table of its own: name it alone".into());
        }
        return runtime.block_on(http::load(arguments.seconds));
    }
    // Started first, so that what a fresh process pays for its first key is not warmed up by the others.
    let start = if wanted(Group::Start) { Some(start::measure()?) } else { None };
    let mut report = Report::new();
    if arguments.quick {
        report.remark("**Quick: little of everything; these figures say nothing.**");
    }
    if wanted(Group::Keys) {
        keys::measure(&mut report)?;
    }
    if let Some(start) = start {
        start::report(&start, &mut report);
    }
    let of_the_store: Vec<Group> = Group::OF_THE_STORE.into_iter().filter(|group| wanted(*group)).collect();
    if !of_the_store.is_empty() {
        let size = if arguments.quick { Size::quick(arguments.rows) } else { Size::full(arguments.rows) };
        runtime.block_on(store::measure(&mut report, &size, &of_the_store))?;
    }
    if wanted(Group::Http) {
        let quick = arguments.quick;
        let size = if quick { http::Size::quick(arguments.requests) } else { http::Size::full(arguments.requests) };
        runtime.block_on(http::measure(&mut report, &size))?;
    }
    if wanted(Group::Embed) {
        embed::measure(&mut report)?;
    }
    let name: Vec<String> =
        arguments.groups.iter().filter_map(|group| Some(group.to_possible_value()?.get_name().to_owned())).collect();
    report.write(&if all { "bench".to_owned() } else { format!("bench-{}", name.join("-")) })?;
    Ok(())
}

/// An answer differed between the two sides: then there is nothing to compare.
fn differs(what: &str) -> ComponentError {
    ComponentError::Unusable(format!("{what}: the two sides answer differently"))
}
