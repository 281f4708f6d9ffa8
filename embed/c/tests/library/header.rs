//! The header: it is what the source says, C and C++ take it, and the library has exactly its functions.

use super::compiling::{crate_folder, library_folder, quietly};
use std::collections::BTreeSet;
use std::fs;
use std::process::Command;

/// The header as cbindgen makes it.
fn made() -> String {
    let folder = crate_folder();
    let config = cbindgen::Config::from_file(folder.join("cbindgen.toml")).unwrap();
    let builder = cbindgen::Builder::new().with_config(config);
    let builder = builder.with_src(folder.join("src/memory.rs")).with_src(folder.join("src/exports.rs"));
    let mut header = Vec::new();
    builder.generate().unwrap().write(&mut header);
    // What Rust asks of a comment means nothing to a reader of C.
    String::from_utf8(header).unwrap().replace(" * # Safety\n *\n * ", " * The caller promises:\n * ")
}

/// Made anew by `PROVIDENT_RENEW=1 cargo test -p provident-c --test library`.
#[test]
fn it_is_what_the_source_says() {
    let path = crate_folder().join("include/provident.h");
    let made = made();
    if std::env::var_os("PROVIDENT_RENEW").is_some() {
        // In one step: the other tests read it at the same time.
        let new = path.with_extension("h.new");
        fs::write(&new, &made).unwrap();
        fs::rename(&new, &path).unwrap();
    }
    let there = fs::read_to_string(&path).unwrap();
    assert!(there == made, "include/provident.h is not what the source says; renew it with PROVIDENT_RENEW=1");
}

#[test]
fn c_and_cpp_take_it() {
    let include = crate_folder().join("include");
    for (language, standard) in [("c", "-std=c99"), ("c", "-std=c17"), ("c++", "-std=c++11")] {
        let mut cc = Command::new("cc");
        cc.args(["-x", language, standard, "-Wall", "-Wextra", "-Werror", "-pedantic", "-fsyntax-only"]);
        quietly(cc.arg(include.join("provident.h")));
    }
}

fn functions(text: &str) -> BTreeSet<String> {
    let words = text.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_' || c == '('));
    let calls = words.filter_map(|word| word.split_once('(')).map(|(name, _)| name.to_owned());
    calls.filter(|name| name.starts_with("provident_")).collect()
}

#[test]
fn the_library_has_exactly_its_functions() {
    let header = fs::read_to_string(crate_folder().join("include/provident.h")).unwrap();
    let told = functions(&header);
    assert_eq!(told.len(), 11, "{told:?}");
    let mut nm = Command::new("nm");
    let symbols = quietly(
        nm.args(["-D", "--defined-only", "--format=just-symbols"]).arg(library_folder().join("libprovident_c.so")),
    );
    let symbols: BTreeSet<String> = String::from_utf8(symbols).unwrap().lines().map(str::to_owned).collect();
    assert_eq!(symbols, told);
}
