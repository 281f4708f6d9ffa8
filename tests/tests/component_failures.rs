//! A component that breaks harms one call: what it did is a typed error, and the next call is answered.

#![cfg(test)]

use std::sync::LazyLock;

use provident_identity::{Adapter, ComponentError, Identity};
use provident_tests::console::{Site, run};
use provident_tests::foreign_adapter;
use serde_json::{Value, json};

static FILE: LazyLock<Vec<u8>> = LazyLock::new(foreign_adapter::build);
const GOOD: &str = "{\"account\":\"debit\",\"number\":\"1\"}";

fn faults() -> [(&'static str, ComponentError); 3] {
    [("trap", ComponentError::Trapped), ("spin", ComponentError::OutOfFuel), ("hoard", ComponentError::OutOfMemory)]
}

fn fault(name: &str) -> String {
    json!({ "ledger_fault": name }).to_string()
}

#[test]
fn a_failed_call_is_a_typed_error_and_the_next_one_is_answered() {
    let adapter = Adapter::from_file(&FILE, &foreign_adapter::digest(&FILE)).unwrap();
    let answered = adapter.describe(GOOD).unwrap();
    assert!(answered[0].is_ok());
    for (name, error) in faults() {
        assert_eq!(adapter.describe(&fault(name)), Err(error.clone()));
        assert_eq!(adapter.describe(GOOD).as_ref(), Ok(&answered), "after {name}");
        // Again and again: what a broken call held is given back.
        for _ in 0..20 {
            if name != "spin" {
                assert_eq!(adapter.describe(&fault(name)), Err(error.clone()));
            }
        }
        assert_eq!(adapter.describe(GOOD).as_ref(), Ok(&answered), "after many of {name}");
    }
}

#[test]
fn calls_that_fail_at_the_same_time_do_not_touch_each_other() {
    let adapter = Adapter::from_file(&FILE, &foreign_adapter::digest(&FILE)).unwrap();
    std::thread::scope(|scope| {
        for thread in 0..4 {
            let adapter = &adapter;
            scope.spawn(move || {
                for round in 0..50 {
                    if (thread + round) % 3 == 0 {
                        assert_eq!(adapter.describe(&fault("trap")), Err(ComponentError::Trapped));
                    } else {
                        assert!(adapter.describe(GOOD).unwrap()[0].is_ok());
                    }
                }
            });
        }
    });
}

#[test]
fn what_is_too_large_for_a_call_is_refused_before_it() {
    let identity = Identity::embedded().unwrap();
    let large = "x".repeat((1 << 20) + 1);
    assert!(matches!(identity.batch(&large), Err(ComponentError::InputTooLarge { .. })));
    assert!(matches!(identity.rewrite_note(&large), Err(ComponentError::InputTooLarge { .. })));
    assert!(identity.batch("{\"op\":\"about\"}").unwrap().contains("grammar_version"));
    let adapter = Adapter::embedded("fake").unwrap();
    let large = " ".repeat(Adapter::DOCUMENT_BYTES + 1);
    assert!(matches!(adapter.describe(&large), Err(ComponentError::InputTooLarge { .. })));
}

#[test]
fn a_document_that_a_component_fails_on_is_refused_and_the_next_one_answered() {
    let site = Site::ready();
    let owner = site.tenant("acme");
    let file = site.file("ledger.wasm", &*FILE);
    let pin = foreign_adapter::digest(&FILE);
    let with_adapter = |command: &[&str]| -> Vec<String> {
        let adapter = ["--adapter", &file, "--adapter-sha256", &pin, "--format", "json"];
        command.iter().chain(&adapter).map(|word| (*word).to_owned()).collect()
    };
    for (name, error) in faults() {
        let expected = Value::from(error.code());
        let input = format!("{GOOD}\n{}\n{GOOD}\n", fault(name));
        let derived = run(with_adapter(&["key", "derive"]), &input);
        assert_eq!(derived.code, 3, "{derived:?}");
        let replies = derived.lines();
        assert_eq!((replies.len(), &replies[1]["error"]["code"]), (3, &expected), "{derived:?}");
        assert_eq!(replies[1]["error"]["line"], 2);
        assert!(replies[0].get("ok").is_some() && replies[2].get("ok").is_some(), "{derived:?}");
        let line = |raw: &str| format!("{{\"op\":\"adapt\",\"input\":{{\"raw\":{raw}}}}}\n");
        let batch = run(with_adapter(&["batch"]), line(GOOD) + &line(&fault(name)) + &line(GOOD));
        let replies = batch.lines();
        assert_eq!((replies.len(), &replies[1]["error"]["code"]), (3, &expected), "{batch:?}");
        assert!(replies[0].get("ok").is_some() && replies[2].get("ok").is_some(), "{batch:?}");
        let export = site.file("export.jsonl", &input);
        let import = owner.run(with_adapter(&["import", &export]));
        assert_eq!(import.code, 3, "{import:?}");
        let report: Value = serde_json::from_str(&import.stdout).unwrap();
        let refused = &report["refusals"];
        assert_eq!((refused.as_array().unwrap().len(), &refused[0]["code"]), (1, &expected), "{import:?}");
    }
    // The installation is none the worse.
    let next = owner.run(with_adapter(&["import", &site.file("next.jsonl", GOOD)]));
    assert_eq!(next.json()["unchanged"], 1);
}
