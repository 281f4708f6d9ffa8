//! The packages for other languages against the same rules hand-written in each (P5, P6).
//!
//! Each package measures itself in its own process, as its language does; here its lines are read. `cargo xtask bench`
//! builds the packages and says where Python and the C library are.

use crate::pairs::Ratios;
use crate::report::{Line, Report, Target};
use crate::store::Failure;
use serde::Deserialize;
use std::env;
use std::process::Command;

/// A package's program that measures, and what its figures should be.
struct Package {
    host: &'static str,
    program: &'static str,
    /// Names a program in the place of that one.
    named_by: &'static str,
    arguments: &'static [&'static str],
    /// The figure that has a target; the other lines are for information.
    figure: &'static str,
    target: Target,
}

const PACKAGES: &[Package] = &[
    Package {
        host: "node",
        program: "node",
        named_by: "PROVIDENT_BENCH_NODE",
        arguments: &["embed/node/bench/bench.mjs"],
        figure: "P5",
        target: Target::AtLeast { gate: 1.5, aim: 4.0 },
    },
    Package {
        host: "python",
        program: "python3",
        named_by: "PROVIDENT_BENCH_PYTHON",
        arguments: &["embed/python/bench/bench.py"],
        figure: "P5",
        target: Target::AtLeast { gate: 2.0, aim: 6.0 },
    },
    Package {
        host: "php",
        program: "php",
        named_by: "PROVIDENT_BENCH_PHP",
        arguments: &["embed/php/bench/bench.php"],
        figure: "P6",
        target: Target::AtLeast { gate: 1.0, aim: 1.5 },
    },
    Package {
        host: "php with JIT",
        program: "php",
        named_by: "PROVIDENT_BENCH_PHP",
        arguments: &[
            "-d",
            "opcache.enable_cli=1",
            "-d",
            "opcache.jit=tracing",
            "-d",
            "opcache.jit_buffer_size=64M",
            "embed/php/bench/bench.php",
        ],
        figure: "P6",
        target: Target::AtLeast { gate: 1.0, aim: 1.5 },
    },
];

/// One line of what a package found: how many times as fast as the hand-written rules, or what a first key costs.
#[derive(Deserialize)]
#[serde(untagged)]
enum Found {
    Ratio(Measured),
    FirstKey { first_key_ms: f64, empty_ms: f64, difference_ms: f64 },
}

/// `figure` says against what: rules as they are written first, or `tuned` to the last.
#[derive(Deserialize)]
struct Measured {
    figure: String,
    ratio: f64,
    p10: f64,
    p90: f64,
    floor: f64,
    floor_p10: f64,
    floor_p90: f64,
    ours_ns_per_key: f64,
    hand_ns_per_key: f64,
}

/// Measures every package.
pub(crate) fn measure(report: &mut Report) -> Result<(), Failure> {
    for package in PACKAGES {
        let program = env::var_os(package.named_by).unwrap_or_else(|| package.program.into());
        let output = Command::new(program).args(package.arguments).output()?;
        if !output.status.success() {
            return Err(format!("{}: {}", package.host, String::from_utf8_lossy(&output.stderr)).into());
        }
        for line in String::from_utf8(output.stdout)?.lines().filter(|line| line.starts_with('{')) {
            read(package, &serde_json::from_str(line)?, report);
        }
    }
    Ok(())
}

fn read(package: &Package, found: &Found, report: &mut Report) {
    let Package { host, figure, target, .. } = *package;
    match found {
        Found::Ratio(found) => {
            let is_ours = found.figure == figure;
            let hand = if is_ours { "hand-written" } else { "hand-written and tuned" };
            let hand = format!("{hand}, {:.0} ns a key", found.hand_ns_per_key);
            let ours = format!("list of 1,000, {:.0} ns a key, times as fast", found.ours_ns_per_key);
            let of = |low, median, high| Ratios::new(vec![low, median, high]);
            report.floor(host, &hand, &of(found.floor_p10, found.floor, found.floor_p90));
            let line = Line::new(if is_ours { figure } else { "–" }, host, hand, ours);
            report.add(line, &of(found.p10, found.ratio, found.p90), is_ours.then_some(target));
        }
        Found::FirstKey { first_key_ms, empty_ms, difference_ms } => {
            let against = format!("an empty program, {empty_ms:.1} ms");
            let line = Line::new("–", host, against, format!("first key of a process, {first_key_ms:.1} ms"));
            report.fact(line, format!("+{difference_ms:.1} ms"), String::new(), "", "", None);
        }
    }
}
