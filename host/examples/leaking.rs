//! The program as it must never be: it lets notes out (see `host/src/leak.rs`). A test builds it to see itself fail.

#[path = "../src/cli/mod.rs"]
mod cli;

use std::process::ExitCode;

fn main() -> ExitCode {
    cli::run(std::env::args_os())
}
