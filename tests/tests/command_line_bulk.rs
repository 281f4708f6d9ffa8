//! Decisions from a file, what held at a moment, and the subjects of a resource, at a shell on both engines.
#![cfg(test)]

use std::fmt::Write as _;

use provident_tests::console::{Person, Site, measure, text};
use provident_tests::database::on_both_engines;
use serde_json::{Value, json};

fn key(id: &str) -> String {
    format!("provider:fake:policy:widgetPolicy:widget:id:{id}")
}

fn line(id: &str) -> Value {
    json!({ "mode": "excluded_non_governed", "subject": key(id), "subject_domain": "things", "note": "hush now" })
}

fn with(id: &str, name: &str, value: Value) -> Value {
    let mut line = line(id);
    line[name] = value;
    line
}

/// Runs the file of these lines, and gives what was said of each, the totals and the exit code.
fn run(owner: &Person<'_>, lines: &str) -> (Vec<Value>, Value, i32) {
    let file = owner.site.file("decisions.ndjson", lines);
    let ran = owner.run(["binding", "bulk-create", "--format", "json", &file]);
    let mut answers = ran.lines();
    assert!(!ran.stdout.contains("hush") && !ran.stderr.contains("hush"), "{ran:?}");
    let totals = answers.pop().unwrap_or_else(|| panic!("{ran:?}"));
    (answers, totals["totals"].clone(), ran.code)
}

#[test]
fn every_line_is_answered_by_its_number_and_a_bad_one_spoils_no_other() {
    on_both_engines(|database| async move {
        let site = Site::on(database);
        let _ = site.run(["init"]).ok();
        let owner = site.tenant("acme");
        let _ = owner.imports(r#"{ "kind": "widget", "ref": "seen", "title": "Door" }"#);
        let item = owner.item(&key("seen"));
        let mut bound = with("A", "resource", json!(key("R")));
        bound["mode"] = json!("manual_binding");
        let by_item = json!({ "mode": "accepted_limitation", "subject_inventory_item_id": item, "note": "hush", "reason": "agreed" });
        let by_descriptor = json!({ "mode": "missing_expected", "note": "hush", "subject_descriptor": {
            "identity": { "provider_key": "fake", "resource_type": "widget", "provider_resource_id": "D", "tenant_owned": true },
            "subject_domain": "things", "subject_class": "policy", "subject_type_key": "widgetPolicy",
            "support_level": "supported", "display_label": "hush" } });
        let lines = [
            bound.to_string(),
            by_item.to_string(),
            String::new(),
            by_descriptor.to_string(),
            "{\"mode\":\"excluded_non_governed\",\"note\":\"hush".to_owned(),
            with("A", "note", json!("hush again")).to_string(),
            with("B", "tenant_id", json!("hush")).to_string(),
            with("B", "note", Value::Null).to_string(),
            with("B", "note", json!("hush ".repeat(500))).to_string(),
            with("B", "legacy_subject_key", json!("hush".repeat(20_000))).to_string(),
            line("B").to_string(),
        ];
        let (answers, totals, code) = run(&owner, &lines.join("\n"));
        assert_eq!((totals, code), (json!({ "lines": 10, "created": 4, "refused": 6 }), 3));
        let told: Vec<_> = answers
            .iter()
            .map(|answer| {
                let said = [&answer["canonical_subject_key"], &answer["code"]].map(|value| value.as_str());
                (answer["line"].as_u64().unwrap(), said[0].or(said[1]).unwrap().to_owned())
            })
            .collect();
        let expected = [
            (1, key("A")),
            (2, key("seen")),
            (4, key("D")),
            (5, "malformed-request".to_owned()),
            (6, "active-binding-exists".to_owned()),
            (7, "unknown-field".to_owned()),
            (8, "note-required".to_owned()),
            (9, "note-too-long".to_owned()),
            (10, "request-too-large".to_owned()),
            (11, key("B")),
        ];
        assert_eq!(told, expected);
        assert_eq!(answers[4]["active_binding_id"], answers[0]["binding_id"]);
        assert_eq!(answers[5]["field"], "tenant_id");
        let shown = owner.json(["binding", "show", &text(&answers[1], "binding_id")]);
        assert_eq!((&shown["operator_note"], &shown["resolution_reason"]), (&json!("hush"), &json!("agreed")));
        assert_eq!(shown["source_inventory_item_id"], json!(item));
        // The same for a person, from standard input; run again, nothing is made twice.
        let again = owner.run_with(["binding", "bulk-create", "-"], lines.join("\r\n"));
        assert_eq!((again.code, again.stderr.as_str()), (3, "refused: 10 of 10 refused\n"));
        assert!(again.stdout.starts_with("line 1: refused active-binding-exists (subject): "), "{}", again.stdout);
        assert!(again.stdout.ends_with("10 decisions: 0 created, 10 refused\n"), "{}", again.stdout);
        assert!(!again.stdout.contains("hush"));
    });
}

#[test]
fn a_file_of_many_chunks_is_decided_whole_and_in_order() {
    on_both_engines(|database| async move {
        let site = Site::on(database);
        let _ = site.run(["init"]).ok();
        let owner = site.tenant("acme");
        let mut lines = String::new();
        for id in 0..1203 {
            writeln!(lines, "{}", line(&format!("{id:05}"))).unwrap();
        }
        let (answers, totals, code) = run(&owner, &lines);
        assert_eq!((totals, code), (json!({ "lines": 1203, "created": 1203, "refused": 0 }), 0));
        for (at, answer) in answers.iter().enumerate() {
            assert_eq!(answer["line"], json!(at + 1));
            assert_eq!(answer["canonical_subject_key"], json!(key(&format!("{at:05}"))));
        }
        // Who may not is stopped before a line is answered, whatever is in the file.
        let file = site.file("bad.ndjson", "no decision\n");
        let empty = site.file("empty.ndjson", "");
        for person in [owner.adds("readonly", true), Person { environment: owner.id.clone(), ..owner.clone() }] {
            for file in [&file, &empty] {
                let ran = person.run(["binding", "bulk-create", file]);
                assert!([4, 5].contains(&ran.code) && ran.stdout.is_empty(), "{ran:?}");
            }
        }
        assert_eq!(owner.run(["binding", "bulk-create", &empty]).ok(), "0 decisions: 0 created, 0 refused\n");
        assert_eq!(owner.run(["binding", "bulk-create", "/nonexistent"]).code, 2);
    });
}

#[test]
fn memory_does_not_grow_with_the_file() {
    let site = Site::ready();
    let owner = site.tenant("acme");
    let arguments = site.arguments(owner.arguments(["binding", "bulk-create", "--format", "json", "-"]));
    let run = |count: u32| {
        measure(&format!("bulk-create of {count}"), &arguments, move |input| {
            // Refused each for itself, and as large as a line may be.
            let line = with("A", "legacy_subject_key", json!("x".repeat(40_000))).to_string();
            (0..count).try_for_each(|_| writeln!(input, "{line}"))
        })
    };
    let (short, long) = (run(500), run(5_000));
    assert_eq!((short.code, long.code, long.lines), (3, 3, 5_001));
    assert!(long.peak_mib <= short.peak_mib + 24, "{} MiB, then {} MiB", short.peak_mib, long.peak_mib);
}

#[test]
fn a_moment_and_a_resource_are_asked_for_at_the_shell() {
    on_both_engines(|database| async move {
        let site = Site::on(database);
        let _ = site.run(["init"]).ok();
        let owner = site.tenant("acme");
        let mut bound = with("A", "resource", json!(key("R")));
        bound["mode"] = json!("manual_binding");
        let (answers, _, code) = run(&owner, &bound.to_string());
        assert_eq!(code, 0);
        let id = text(&answers[0], "binding_id");
        let made = owner.json(["binding", "show", &id]);
        let to = |resource: &str| owner.json(["binding", "bound-to", &key(resource)]);
        assert_eq!(to("R"), json!({ "items": [made], "next": null }));
        assert_eq!(to("A"), json!({ "items": [], "next": null }));
        let _ = owner.json(["binding", "revoke", &id, "--note", "hush"]);
        assert_eq!(to("R"), json!({ "items": [], "next": null }));
        let began = text(&made, "decided_at");
        let then = owner.json(["binding", "lookup", "--as-of", &began, &key("A")]);
        assert_eq!(then, json!([{ "key": key("A"), "state": "active", "binding": made }]));
        let now = owner.json(["binding", "lookup", &key("A")]);
        assert_eq!(now, json!([{ "key": key("A"), "state": "ended", "status": "revoked", "binding_id": id }]));
        let before = owner.json(["binding", "lookup", "--as-of", "2001-01-01T00:00:00.000000Z", &key("A")]);
        assert_eq!(before, json!([{ "key": key("A"), "state": "none" }]));
        assert_eq!(owner.run(["binding", "lookup", "--as-of", "yesterday", &key("A")]).code, 2);
        assert_eq!(owner.run(["binding", "bound-to", "no key"]).code, 3);
    });
}
