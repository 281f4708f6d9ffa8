//! Every host held to the vectors and to the rules as a library, and the report of it.
//!
//! Run by `cargo xtask conformance`, which builds the packages for other languages first. Alone:
//! `conformance FOLDER RANDOM SEED [-- COMMAND [WORD]...]...`: the report goes to FOLDER, the components in this process
//! get RANDOM requests in each form and the others a tenth of that, and each COMMAND with its words is a host of the
//! contract in `tests/README.md`.
#![expect(clippy::unwrap_used, clippy::panic, reason = "it fails, and says why")]

use std::ffi::OsString;
use std::io::Write as _;
use std::path::Path;

use provident_tests::adapter_contract::native;
use provident_tests::conformance::report::{Conformance, FormResult, Lane};
use provident_tests::conformance::sweep::sweep;
use provident_tests::conformance::{Host, embedded};
use provident_tests::vectors::lanes::NativeAdapter;
use provident_tests::vectors::{files, read};

const NATIVE: &[(&str, NativeAdapter)] = &[
    ("fake", |document| native(adapter_fake::describe(document))),
    ("microsoft", |document| native(adapter_microsoft::describe(document))),
];

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [folder, random, seed, commands @ ..] = arguments.as_slice() else {
        panic!("usage: conformance FOLDER RANDOM SEED [-- COMMAND [WORD]...]...");
    };
    let (random, seed): (u64, u64) = (random.parse().unwrap(), seed.parse().unwrap());
    let vectors = read(&files().unwrap().0).unwrap();
    let ours = [Host::native(NATIVE), Host::typed().unwrap(), Host::batch().unwrap(), Host::process().unwrap()];
    let others = commands.split(|word| word == "--").filter(|command| !command.is_empty());
    let others = others.map(|command| Host::program(command.iter().map(OsString::from).collect()).unwrap());
    let mut lanes = Vec::new();
    for host in ours.into_iter().chain(others) {
        let count = if host.is_here { random } else { random / 10 };
        let results = host.run(&vectors).into_iter().map(|(form, report)| {
            say(&report.line(&format!("{}, {}", host.about.host, form.as_str())));
            FormResult::of(form, report, sweep(&host, form, seed, count))
        });
        lanes.push(Lane { results: results.collect(), about: host.about.clone() });
    }
    let conformance = Conformance { components: embedded().unwrap(), seed, lanes };
    let folder = Path::new(folder);
    std::fs::create_dir_all(folder).unwrap();
    std::fs::write(folder.join("conformance.md"), conformance.markdown()).unwrap();
    std::fs::write(folder.join("conformance.json"), conformance.json().unwrap()).unwrap();
    say(&conformance.markdown());
    if !conformance.faults().is_empty() {
        std::process::exit(1);
    }
}

fn say(text: &str) {
    std::io::stdout().lock().write_all(format!("{text}\n").as_bytes()).unwrap();
}
