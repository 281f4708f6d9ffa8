//! Mirroring a platform's rows from the command line: files, what is said of refused lines, and who may.
#![cfg(test)]

use provident_tests::console::{Person, Site, text};
use provident_tests::database::on_both_engines_empty;
use serde_json::{Value, json};

const CUSTOMER: &str = r#"
{"kind":"environment","external_ref":"env-1","display_name":"Mirrored"}

{"kind":"provider_connection","external_ref":"c-1","environment":{"external_ref":"env-1"},"provider_key":"fake","display_name":"Main","is_default":true}
{"kind":"operation_run","external_ref":"r-1","environment":{"external_ref":"env-1"},"provider_connection":{"external_ref":"c-1"},"operation_type":"inventory.collect","status":"completed","outcome":"succeeded","ended_at":"2026-01-02T03:04:05Z"}
"#;

fn counts(report: &Value) -> [u64; 5] {
    ["lines", "added", "changed", "unchanged", "refused"].map(|name| report[name].as_u64().unwrap())
}

#[test]
fn a_platform_brings_a_customer_in_files_and_again_without_a_change() {
    on_both_engines_empty(|database| async move {
        let site = Site::on(database);
        site.database().unwrap().migrate().await.unwrap();
        let _ = site.run(["init"]).ok();
        let owner = site.tenant("acme");
        let (first, second) = (site.file("one.ndjson", format!("\u{FEFF}{CUSTOMER}")), site.file("two.ndjson", ""));
        let report = owner.json(["registry", "sync", &first, &second]);
        assert_eq!(counts(&report), [3, 3, 0, 0, 0]);
        assert_eq!(counts(&owner.json(["registry", "sync", &second, &first])), [3, 0, 0, 3, 0]);
        let piped = owner.run_with(["registry", "sync", "-"], CUSTOMER);
        assert_eq!(piped.ok(), "3 lines: 0 new, 0 changed, 3 unchanged, 0 refused\n");
        let environments = owner.json(["environment", "list"]);
        let names: Vec<String> =
            environments["items"].as_array().unwrap().iter().map(|item| text(item, "display_name")).collect();
        assert!(names.contains(&"Mirrored".to_owned()), "{names:?}");
        let events = owner.json(["audit", "list", "--limit", "500"]);
        let told = events.as_array().unwrap().iter().filter(|event| event["import_id"] == report["sync_id"]);
        let actions: Vec<String> = told.map(|event| text(event, "action")).collect();
        assert_eq!(actions, ["registry.synced", "registry.sync-finished"]);
    });
}

#[test]
fn a_refused_line_is_shown_with_its_place_and_the_others_are_taken() {
    let site = Site::ready();
    let owner = site.tenant("acme");
    let bad = "{\"kind\":\"baseline_profile\",\"external_ref\":\"p-1\",\"display_name\":\"One\"}\n\
        {\"kind\":\"baseline_profile\",\n\
        not a line\n\
        {\"kind\":\"baseline_profile\",\"external_ref\":\"p-2\"}\n\
        {\"kind\":\"baseline_profile\",\"external_ref\":\"p-1\",\"display_name\":\"Two\"}\n\
        {\"kind\":\"policy_version\",\"external_ref\":\"v-1\",\"environment\":{\"external_ref\":\"nowhere\"}}\n\
        {\"kind\":\"baseline_profile\",\"external_ref\":\"p-3\",\"display_name\":\"Three\"}";
    let file = site.file("bad.ndjson", bad);
    let ran = owner.run(["registry", "sync", &file]);
    assert_eq!((ran.code, ran.stderr.as_str()), (3, "refused: 5 of 7 refused\n"), "{ran:?}");
    assert!(ran.stdout.contains(&format!("{file}:5 (against object 0 of the sync)")), "{ran:?}");
    assert!(ran.stdout.ends_with("7 lines: 2 new, 0 changed, 0 unchanged, 5 refused\n"), "{ran:?}");
    let ran = owner.run(["registry", "sync", &file, "--format", "json"]);
    let report: Value = serde_json::from_str(&ran.stdout).unwrap();
    assert_eq!(counts(&report), [7, 0, 0, 2, 5]);
    let refusals = report["refusals"].as_array().unwrap();
    let shown: Vec<Value> =
        refusals.iter().map(|it| json!([it["line"], it["code"], it["field"], it["position"]])).collect();
    let expected = json!([
        [2, "malformed-document", "line", 1],
        [3, "malformed-document", "line", 2],
        [4, "field-required", "display_name", 3],
        [5, "duplicate-record", "external_ref", 4],
        [6, "not-found", "environment", 5],
    ]);
    assert_eq!(Value::from(shown), expected);
    let missing = owner.run(["registry", "sync", &file, "/nonexistent/file"]);
    assert_eq!((missing.code, missing.stderr.split(':').next()), (2, Some("file-unreadable")), "{missing:?}");
}

#[test]
fn who_may_not_sync_is_told_what_everybody_else_is_told() {
    let site = Site::ready();
    let owner = site.tenant("acme");
    let (manager, reader) = (owner.adds("manager", true), owner.adds("readonly", true));
    let stranger = Person { id: site.user("Stranger"), ..owner.clone() };
    let file = site.file("customer.ndjson", CUSTOMER);
    assert_eq!(manager.run(["registry", "sync", &file]).code, 5, "a manager makes no environment");
    assert_eq!(reader.run(["registry", "sync", &file]).code, 5);
    let nowhere = Person { workspace: "nowhere".to_owned(), ..owner.clone() };
    let refused = stranger.run(["registry", "sync", &file]);
    assert_eq!(refused.code, 4);
    assert_eq!(nowhere.run(["registry", "sync", &file]), refused);
    assert_eq!(counts(&owner.json(["registry", "sync", &file])), [3, 3, 0, 0, 0], "nothing was there before");
}

#[test]
fn an_environment_is_named_as_the_platform_names_it_wherever_one_is_named() {
    on_both_engines_empty(|database| async move {
        let site = Site::on(database);
        site.database().unwrap().migrate().await.unwrap();
        let _ = site.run(["init"]).ok();
        let owner = site.tenant("acme");
        let (reader, newcomer) = (owner.adds("readonly", true), owner.adds("operator", false));
        let _ = owner.json(["registry", "sync", &site.file("customer.ndjson", CUSTOMER)]);
        let environments = owner.json(["environment", "list"]);
        let mirrored = environments["items"].as_array().unwrap().iter().find(|item| item["display_name"] == "Mirrored");
        let by_id = at(&owner, &text(mirrored.unwrap(), "id"));
        let by_ref = at(&owner, "ref:env-1");
        let subject = "provider:fake:policy:widgetPolicy:widget:id:A";
        let commands: &[&[&str]] = &[
            &["environment", "entitle", "--user", &newcomer.id],
            &["environment", "withdraw", "--user", &newcomer.id],
            &["inventory", "list"],
            &["binding", "exclude", "--subject", subject, "--domain", "things", "--note", "n"],
            &["binding", "list"],
            &["binding", "lookup", subject],
            &["audit", "list", "--environment"],
        ];
        assert_eq!(by_ref.imports("{\"kind\":\"widget\",\"ref\":\"A\"}")["added"], 1);
        for command in commands {
            let audit = command[0] == "audit";
            let run = |person: &Person<'_>| {
                person.run(command.iter().copied().chain(audit.then_some(person.environment.as_str())))
            };
            // Hidden and missing are the same, for a member and for a stranger.
            let stranger = Person { id: site.user("Stranger"), ..owner.clone() };
            for person in [&reader, &stranger] {
                let hidden = run(&at(person, "ref:env-1"));
                assert_eq!(hidden, run(&at(person, "ref:nothing")), "{command:?}");
                assert_eq!(hidden.code, 4, "{command:?} {hidden:?}");
            }
            let named = run(&by_ref);
            assert_eq!(named.code, 0, "{command:?} {named:?}");
            if ["list", "lookup"].contains(&command[1]) {
                assert_eq!(named, run(&by_id), "{command:?}");
            }
        }
        for slip in ["ref:", "env-1", "ref: x"] {
            assert_eq!(at(&owner, slip).run(["binding", "list"]).code, 2, "{slip}");
        }
    });
}

fn at<'a>(person: &Person<'a>, environment: &str) -> Person<'a> {
    Person { environment: environment.to_owned(), ..person.clone() }
}
