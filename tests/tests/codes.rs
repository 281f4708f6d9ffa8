//! The table of codes: every code the project can answer with stands in it once, and nothing else does.

#![cfg(test)]

use provident::audit::Fault;
use provident::error::{HOST_CODES, all_codes};
use provident::http::problem::HTTP_CODES;
use provident::run::ReasonCode;
use provident_identity::{ComponentError, ErrorCode};
use provident_tests::guard::listing::{files, root};
use std::collections::BTreeSet;

/// The rows of the table under a heading: code, field, meaning.
fn rows<'a>(document: &'a str, heading: &str) -> Vec<[&'a str; 3]> {
    let (_, after) = document.split_once(&format!("\n## {heading}\n")).unwrap_or_else(|| panic!("no `## {heading}`"));
    let section = after.split("\n## ").next().unwrap();
    let rows = section.lines().filter(|line| line.starts_with("| `")).map(|line| {
        let cells: Vec<&str> = line.trim_matches('|').split(" | ").map(str::trim).collect();
        let [code, field, meaning] = cells[..] else { panic!("not three cells: {line}") };
        assert!(!field.is_empty() && !meaning.is_empty(), "an empty cell: {line}");
        [code.trim_matches('`'), field, meaning]
    });
    rows.collect()
}

fn document() -> String {
    std::fs::read_to_string(root().join("docs/codes.md")).unwrap()
}

#[track_caller]
fn documents<'a>(heading: &str, codes: impl IntoIterator<Item = &'a str>) {
    let document = document();
    let documented: Vec<&str> = rows(&document, heading).into_iter().map(|[code, _, _]| code).collect();
    let once: BTreeSet<&str> = documented.iter().copied().collect();
    assert_eq!(once.len(), documented.len(), "docs/codes.md names a code twice: {documented:?}");
    let codes: BTreeSet<&str> = codes.into_iter().collect();
    let missing: Vec<_> = codes.difference(&once).collect();
    let unknown: Vec<_> = once.difference(&codes).collect();
    assert!(missing.is_empty() && unknown.is_empty(), "docs/codes.md lacks {missing:?} and has {unknown:?}");
}

#[test]
fn every_code_of_the_contract_is_documented_in_its_order() {
    let document = document();
    let documented: Vec<&str> = rows(&document, "Refusals").into_iter().map(|[code, _, _]| code).collect();
    let codes: Vec<&str> = ErrorCode::ALL.iter().map(|code| code.as_str()).collect();
    assert_eq!(documented, codes);
}

#[test]
fn every_failure_of_a_component_is_documented() {
    documents("Failures of a component", ComponentError::CODES.iter().copied());
}

#[test]
fn every_code_of_the_c_library_is_documented() {
    let elsewhere: BTreeSet<&str> = all_codes().collect();
    assert_eq!(provident_c::CODES.iter().find(|code| elsewhere.contains(*code)), None, "registered twice");
    documents("The C library", provident_c::CODES.iter().copied());
}

#[test]
fn every_code_of_the_package_for_php_is_documented() {
    let of_rust = ErrorCode::ALL.iter().map(|code| code.as_str()).chain(ComponentError::CODES.iter().copied());
    let known: BTreeSet<&str> = of_rust.chain(provident_c::CODES.iter().copied()).collect();
    let project = files(&root()).unwrap();
    let sources = project.iter().filter(|file| file.path.starts_with("embed/php/src/"));
    let returned = sources.flat_map(|file| file.text.split("return '").skip(1));
    let codes = returned.filter_map(|rest| rest.split_once("';")).map(|(code, _)| code);
    let is_code = |text: &&str| text.contains('-') && text.chars().all(|c| c.is_ascii_lowercase() || c == '-');
    documents("The package for PHP", codes.filter(is_code).filter(|code| !known.contains(code)));
}

#[test]
fn the_packages_for_node_and_python_have_no_codes_of_their_own() {
    let of_rust = ErrorCode::ALL.iter().map(|code| code.as_str()).chain(ComponentError::CODES.iter().copied());
    let known: BTreeSet<&str> = of_rust.chain(provident_c::CODES.iter().copied()).collect();
    let begins = ["component-", "cache-", "handle-", "input-", "library-", "request-", "wrong-"];
    let project = files(&root()).unwrap();
    for package in ["embed/node/src/", "embed/python/src/"] {
        let sources = project.iter().filter(|file| file.path.starts_with(package));
        let quoted = sources.flat_map(|file| file.text.split(['\'', '"', '`']));
        let is_code = |text: &&str| {
            begins.iter().any(|begin| text.starts_with(begin))
                && text.chars().all(|c| c.is_ascii_lowercase() || c == '-')
        };
        let codes: BTreeSet<&str> = quoted.filter(is_code).collect();
        assert!(codes.len() > 4, "{package}: {codes:?}");
        assert_eq!(codes.difference(&known).collect::<Vec<_>>(), Vec::<&&str>::new(), "{package}");
    }
}

#[test]
fn every_code_of_the_host_is_documented() {
    documents("The host", HOST_CODES.iter().map(|(code, _)| *code));
}

#[test]
fn every_reason_of_a_run_stands_in_the_manual_in_its_order_with_its_words_and_what_to_do() {
    let manual = std::fs::read_to_string(root().join("docs/operations.md")).unwrap();
    let told: Vec<(&str, &str)> =
        rows(&manual, "Runs that fail").into_iter().map(|[reason, words, _]| (reason, words)).collect();
    let reasons: Vec<(&str, &str)> = ReasonCode::ALL.iter().map(|reason| (reason.as_str(), reason.message())).collect();
    assert_eq!(told, reasons);
}

#[test]
fn every_finding_in_a_chain_is_documented() {
    documents("Findings in a chain", Fault::ALL.iter().map(|fault| fault.code()));
}

#[test]
fn every_code_given_over_http_alone_is_documented() {
    let elsewhere: BTreeSet<&str> = all_codes().collect();
    assert_eq!(HTTP_CODES.iter().find(|(code, _)| elsewhere.contains(code)), None, "registered twice");
    documents("Over HTTP", HTTP_CODES.iter().map(|(code, _)| *code));
}

/// The codes of problems that a source makes: the text after a status, or the first one of a call that makes one.
fn problems_in(source: &str) -> BTreeSet<&str> {
    let pieces: Vec<&str> = source.split('"').collect();
    let made = pieces.chunks_exact(2).filter(|pair| {
        let before = pair[0].trim_end();
        let after_a_status = before.strip_suffix(',').is_some_and(|before| {
            let word = before.rsplit(|c: char| c.is_whitespace() || c == '(').next();
            word.is_some_and(|word| word.starts_with("StatusCode::"))
        });
        after_a_status || ["unauthenticated(", "invalid(", "refused("].iter().any(|call| before.ends_with(call))
    });
    made.map(|pair| pair[1]).collect()
}

#[test]
fn every_code_of_the_http_room_is_registered() {
    let project = files(&root()).unwrap();
    let sources = project.iter().filter(|file| file.path.starts_with("host/src/http/"));
    let codes: BTreeSet<&str> = sources.flat_map(|file| problems_in(&file.text)).collect();
    assert!(codes.len() >= 18, "{codes:?}");
    let known: BTreeSet<&str> = all_codes().chain(HTTP_CODES.iter().map(|(code, _)| *code)).collect();
    let unknown: Vec<_> = codes.difference(&known).collect();
    assert!(unknown.is_empty(), "{unknown:?}");
}

#[test]
fn a_code_of_the_http_room_is_found() {
    let source =
        "new(StatusCode::OK, \"a-b\"); field(\n    StatusCode::OK, \"c\", \"no\"); refused(\"d\", \"no\"); f(\"no\")";
    assert_eq!(problems_in(source), BTreeSet::from(["a-b", "c", "d"]));
}

/// The codes the command line gives itself: the first text after each of these calls.
fn codes_in(source: &str) -> BTreeSet<&str> {
    let mut codes = BTreeSet::new();
    for call in ["Failure::usage(", "Failure::failed(", "Self::new("] {
        for arguments in source.split(call).skip(1) {
            let before = arguments.split('"').next().unwrap();
            // A call whose code is no text of its own names one that is registered elsewhere.
            if before.trim().chars().all(|c| c.is_ascii_digit() || c == ',' || c.is_whitespace()) {
                codes.extend(arguments.split('"').nth(1));
            }
        }
    }
    codes
}

#[test]
fn every_code_of_the_command_line_is_documented() {
    let project = files(&root()).unwrap();
    let sources = project.iter().filter(|file| file.path.starts_with("host/src/cli/"));
    let known: Vec<&str> = ErrorCode::ALL.iter().map(|code| code.as_str()).collect();
    let codes: BTreeSet<&str> = sources.flat_map(|file| codes_in(&file.text)).collect();
    assert!(codes.len() >= 8, "{codes:?}");
    documents("The command line", codes.into_iter().filter(|code| !known.contains(code)));
}

#[test]
fn a_code_of_the_command_line_is_found() {
    let source = "Failure::usage(\n    \"a-b\", x); Self::new(1, \"c\", y); Self::new(2, code, \"no\"); Failure::usage(code, \"no\")";
    assert_eq!(codes_in(source), BTreeSet::from(["a-b", "c"]));
}
