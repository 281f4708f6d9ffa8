//! The demo of providers, run as a newcomer runs it, and without a terminal: it tells its story to the end, and what it says
//! is what the program does.
//!
//! It checks its own claims and fails where one does not hold; here it is held to making them.

#![cfg(test)]

use std::sync::OnceLock;

use provident_tests::program;
use provident_tests::told::Told;

/// The demo, told once.
fn told() -> &'static Told {
    static TOLD: OnceLock<Told> = OnceLock::new();
    TOLD.get_or_init(|| Told::by(&program::demo_provider().unwrap()))
}

#[track_caller]
fn says(words: &str) {
    told().says(words);
}

#[test]
fn the_story_is_told_to_its_end_readably_and_in_under_a_minute() {
    told().is_whole(11);
}

#[test]
fn a_connection_is_made_checked_collected_from_and_counted_while_whoever_watches_sees_it_move() {
    says("default yes");
    says("credentials client_id, client_secret, set");
    says("=> nobody has asked the provider anything so far");
    for operation in ["health.check", "inventory.collect", "compliance.snapshot"] {
        says(&format!("operation {operation}"));
    }
    says("=> it works: two requests,");
    says("objects 5000");
    says("=> 5,000 objects are in the inventory, none was refused, no collection was left out");
    let moved = told().lines.iter().filter(|line| line.starts_with("  … ") && line.contains(" objects, "));
    assert!(moved.count() >= 2, "{:#?}", told().lines);
    assert_eq!(told().lines.iter().filter(|line| line.split_whitespace().eq(["outcome", "succeeded"])).count(), 4);
}

#[test]
fn what_was_collected_has_the_keys_of_what_was_imported_from_files() {
    says("5000 objects: 5000 imported (5000 new, 0 changed), 0 unchanged, 0 refused");
    says("=> 5,000 keys were collected and 5,000 imported: they are the same");
    says("=> five defaults have one name and five keys;");
}

#[test]
fn a_run_is_the_only_one_and_what_is_gone_keeps_its_decision() {
    says("it was started before and has not ended");
    says("scope-busy: another operation is under way in the scope: $SECOND");
    says("not_observed 1");
    says("=> what somebody decided about it stands");
}

#[test]
fn no_secret_is_told() {
    for secret in ["sourdough", "stand-in.", "signed-by"] {
        let found: Vec<_> = told().lines.iter().filter(|line| line.contains(secret)).collect();
        assert!(found.is_empty(), "{found:?}");
    }
}
