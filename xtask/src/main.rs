//! `cargo xtask TASK`: what a person or a build server does with this repository, in one word each.
//!
//! Knows cargo, rustup and apt; knows nothing of what the project does. No dependencies, so that it builds in a
//! second on a fresh clone. Read `task` for what each word means and `need` for what it installs.

mod arguments;
mod count;
mod dist;
mod embed;
mod need;
mod process;
mod say;
mod step;
mod task;
mod tool;

use std::process::ExitCode;

use arguments::{Request, Task};

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let request = match Request::read(&arguments) {
        Ok(request) => request,
        Err(problem) => {
            say::problem(&problem.to_string());
            say::line(arguments::USAGE);
            return ExitCode::from(2);
        }
    };
    let done = match request {
        Request::Usage => {
            say::line(arguments::USAGE);
            Ok(())
        }
        Request::Demo(stories) => task::demo(stories),
        // It comes with which.
        Request::Run(Task::Demo, _) => task::demo(arguments::Stories::All),
        Request::Run(Task::Test, _) => task::test(),
        Request::Run(Task::Ci, _) => task::ci(),
        Request::Contract(examples) => task::contract(examples),
        // It comes with its options.
        Request::Run(Task::Contract, _) => task::contract(arguments::Examples::default()),
        Request::Conformance(random) => task::conformance(&random),
        Request::Run(Task::Conformance, _) => task::conformance(&arguments::Random::default()),
        Request::Run(Task::Bench, rest) => task::bench(&rest),
        Request::Run(Task::Load, rest) => task::load(&rest),
        Request::Run(Task::Dist, _) => dist::dist(),
        Request::Run(Task::Audit, _) => task::audit(),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(problem) => {
            say::problem(&problem.to_string());
            ExitCode::FAILURE
        }
    }
}
