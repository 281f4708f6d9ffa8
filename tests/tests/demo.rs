//! The demo, run as a newcomer runs it: it tells its story to the end, and what it says is what the program does.
//!
//! The demo checks its own claims and fails where one does not hold; here it is held to making them.

#![cfg(test)]

use std::path::Path;
use std::sync::OnceLock;

use provident_tests::program;
use provident_tests::told::Told;

/// The demo, told once.
fn told() -> &'static Told {
    static TOLD: OnceLock<Told> = OnceLock::new();
    TOLD.get_or_init(|| Told::by(&program::demo().unwrap()))
}

#[track_caller]
fn says(words: &str) {
    told().says(words);
}

#[test]
fn the_story_is_told_to_its_end_readably_and_in_under_a_minute() {
    told().is_whole(10);
}

#[test]
fn labels_are_shown_to_mislead_where_keys_do_not() {
    says("Everybody, everywhere 5 5 which is which?");
    says("Firewall 1 2 which is which?");
    says("=> 15 objects have 14 keys:");
    says("Everybody, everywhere default in both tenants …:disc:default-limit");
    says("virtual-target in both tenants …:disc:all-devices");
    says("=> no name stands in any key");
}

#[test]
fn each_kind_of_decision_is_made_looked_up_and_audited() {
    says("16 objects: 15 imported (15 new, 0 changed), 1 unchanged, 0 refused");
    says("17 objects: 1 imported (1 new, 0 changed), 16 unchanged, 0 refused");
    says("$DISK active manual_binding $BOUND");
    says("$PHONES active excluded_non_governed $EXCLUDED");
    says("$BROWSER ended revoked $ACCEPTED");
    says("$LOCK active manual_binding $MADE");
    says("$LAPTOPS none");
    says("$MISSING superseded missing_expected $LOCK");
    says("mode unsupported_coverage");
    says("active-binding-exists: the subject has an active binding: $BOUND");
    for code in ["4", "5", "6"] {
        says(&format!("(exit code {code})"));
    }
    let count =
        |action: &str| told().lines.iter().filter(|line| line.split_whitespace().any(|it| it == action)).count();
    assert_eq!(["binding.created", "binding.superseded", "binding.revoked", "binding.denied"].map(count), [5, 1, 1, 1]);
}

/// Every key that is shown, whole or by its end, and every label of the exports: none has a word of the other.
#[test]
fn no_label_stands_in_any_key() {
    let words = told().lines.iter().flat_map(|line| line.split_whitespace());
    let keys: Vec<&str> = words.filter(|word| word.starts_with("provider:") || word.starts_with("…:")).collect();
    assert!(keys.len() > 15, "{keys:?}");
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../host/examples/demo");
    let exports =
        ["baseline.jsonl", "bakery-later.json"].map(|file| std::fs::read_to_string(folder.join(file)).unwrap());
    let labels: Vec<&str> = exports
        .iter()
        .flat_map(|export| export.split(['\n', '{']))
        .filter_map(|piece| piece.split_once("ame\": \"")?.1.split('"').next())
        .collect();
    assert!(labels.len() > 20, "{labels:?}");
    for label in labels {
        let escaped = label.replace(' ', "%20");
        assert!(!keys.iter().any(|key| key.contains(label) || key.contains(&escaped)), "{label}");
    }
}
