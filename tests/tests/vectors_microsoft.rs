//! The native lanes of the vectors about Microsoft's adapter; the other lanes find it by its name.

#![cfg(test)]

use provident_tests::adapter_contract::native;
use provident_tests::guard::report as violations;
use provident_tests::vectors::lanes::{self, NativeAdapter};
use provident_tests::vectors::{files, read};

const NATIVE: &[(&str, NativeAdapter)] = &[("microsoft", |document| native(adapter_microsoft::describe(document)))];

#[test]
fn the_adapter_as_a_library_answers_every_vector() {
    let (mut files, _) = files().unwrap();
    files.retain(|(file, _)| file == "adapt-microsoft");
    let vectors = read(&files).unwrap();
    for (lane, report) in [
        ("native lines", lanes::native_lines(&vectors, NATIVE)),
        ("native calls", lanes::native_calls(&vectors, NATIVE)),
    ] {
        eprintln!("{}", report.line(lane));
        assert!(report.failed.is_empty(), "{}", violations(&report.failed));
        assert_eq!(report.passed(), vectors.len());
    }
}
