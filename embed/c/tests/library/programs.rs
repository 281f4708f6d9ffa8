//! The programs of C: what the example prints, how the library takes abuse and threads, and that it loses no memory.

use super::compiling::{Linked, answer, compile, crate_folder, library_folder, program, quietly, under_valgrind};
use provident_identity::component_file;
use sha2::{Digest, Sha256};
use std::fs;
use std::path::Path;
use std::process::Command;

/// What the example prints but for messages.
const SHOWN: &[&str] = &[
    "provident 0.1.0",
    r#"batch: {"id":"1","ok":{"key":"provider:fake:policy:widgetPolicy:widget:id:A%3A1","digest":"sha256:"#,
    "flat: provider:fake:policy:widgetPolicy:widget:id:A%3A1",
    r#"adapt: {"items":[{"descriptor":{"identity":{"provider_key":"microsoft","#,
    r#"unknown handle (refused): {"code":"handle-closed","field":"identity","message":"#,
];

#[track_caller]
fn shows(printed: &[u8]) {
    let printed = str::from_utf8(printed).unwrap();
    let lines: Vec<&str> = printed.lines().collect();
    assert_eq!(lines.len(), SHOWN.len(), "{printed}");
    for (line, beginning) in lines.iter().zip(SHOWN) {
        assert!(line.starts_with(beginning), "{line}");
    }
}

#[test]
fn the_example_shows_keys_and_a_refusal() {
    shows(&quietly(&mut program(&compile("examples/keys.c", Linked::Shared))));
}

#[test]
fn the_example_loses_no_memory() {
    shows(&quietly(&mut under_valgrind(&compile("examples/keys.c", Linked::Shared))));
}

#[test]
fn the_static_library_does_the_same() {
    shows(&quietly(&mut program(&compile("examples/keys.c", Linked::Static))));
}

/// A folder with the identity component's file, one that is cut and one that is altered, and the digest of the first.
fn files() -> (tempfile::TempDir, String) {
    let folder = tempfile::tempdir().unwrap();
    let file = component_file("identity").unwrap();
    let mut altered = file.to_vec();
    *altered.last_mut().unwrap() ^= 1;
    fs::write(folder.path().join("identity.wasm"), file).unwrap();
    fs::write(folder.path().join("cut.wasm"), &file[..file.len() / 2]).unwrap();
    fs::write(folder.path().join("altered.wasm"), &altered).unwrap();
    fs::write(folder.path().join("empty.wasm"), b"").unwrap();
    (folder, hex::encode(Sha256::digest(file)))
}

/// The program ends with the line number of the first thing that was not as it must be.
#[track_caller]
fn abuses(command: &mut Command, folder: &Path, sha256: &str) {
    let told = answer(command.arg(folder).arg(sha256), b"");
    assert_eq!(String::from_utf8(told).unwrap(), "held\n");
}

#[test]
fn abuse_is_refused() {
    let (folder, sha256) = files();
    abuses(&mut program(&compile("tests/abuse.c", Linked::Shared)), folder.path(), &sha256);
}

#[test]
fn abuse_loses_no_memory_and_reads_none_of_others() {
    let (folder, sha256) = files();
    // The compiler of component files is slow under valgrind: it runs once. That it runs again when what was kept is cut
    // is what the run without valgrind sees.
    let abuse = compile("tests/abuse.c", Linked::Shared);
    abuses(under_valgrind(&abuse).env("ABUSE_KEEPS_CACHE", "1"), folder.path(), &sha256);
}

#[test]
fn threads_and_forked_processes_get_the_same_keys() {
    let threads = compile("tests/threads.c", Linked::Shared);
    assert_eq!(String::from_utf8(answer(&mut program(&threads), b"")).unwrap(), "held\n");
}

#[test]
fn threads_misuse_no_memory() {
    let threads = compile("tests/threads.c", Linked::Shared);
    assert_eq!(String::from_utf8(answer(&mut under_valgrind(&threads), b"")).unwrap(), "held\n");
}

#[test]
fn a_host_handles_its_own_faults_and_the_library_stays() {
    let loaded = compile("tests/loaded.c", Linked::Later);
    let told = answer(Command::new(loaded).arg(library_folder().join("libprovident_c.so")), b"");
    assert_eq!(String::from_utf8(told).unwrap(), "held\n");
}

#[test]
fn the_readme_names_the_files_there_are() {
    let readme = fs::read_to_string(crate_folder().join("README.md")).unwrap();
    for path in ["include/provident.h", "examples/keys.c"] {
        assert!(readme.contains(path) && crate_folder().join(path).is_file(), "{path}");
    }
}
