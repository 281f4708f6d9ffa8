//! `--dry-run` at a shell, on both engines: what would be is shown, that nothing was written is said, and nothing was.
#![cfg(test)]

use provident_tests::console::{Person, Site, text};
use provident_tests::database::on_both_engines;
use serde_json::{Value, json};

fn key(id: &str) -> String {
    format!("provider:fake:policy:widgetPolicy:widget:id:{id}")
}

/// Everything a decision leaves, as it can be read at the shell.
fn written(owner: &Person<'_>) -> [Value; 2] {
    [owner.json(["binding", "list"]), owner.json(["audit", "list"])]
}

/// A command in its two forms, dry: of both nothing stays, and both say so.
fn tried(owner: &Person<'_>, command: &[&str]) -> Value {
    let before = written(owner);
    let dry: Vec<&str> = command.iter().copied().chain(["--dry-run"]).collect();
    let shown = owner.run(&dry);
    assert!(shown.ok().ends_with("dry run: nothing was written; a new id is nobody's\n"), "{shown:?}");
    let answer = owner.json(&dry);
    assert_eq!(answer["dry_run"], json!(true), "{answer}");
    assert_eq!(written(owner), before, "{command:?}");
    answer
}

#[test]
fn every_decision_can_be_tried_and_says_that_nothing_was_written() {
    on_both_engines(|database| async move {
        let site = Site::on(database);
        let _ = site.run(["init"]).ok();
        let owner = site.tenant("acme");
        let subject = |command: &'static str, id: &str| {
            let words = [command, "--subject", &key(id), "--domain", "things", "--note", "as agreed"];
            ["binding"].into_iter().chain(words).map(str::to_owned).collect::<Vec<_>>()
        };
        for command in ["create", "mark-missing"] {
            let mut words = subject(command, command);
            if command == "create" {
                words.extend(["--resource".to_owned(), key("R")]);
            }
            let words: Vec<&str> = words.iter().map(String::as_str).collect();
            let answer = tried(&owner, &words);
            let made = owner.json(&words);
            assert!(made.get("dry_run").is_none(), "{made}");
            assert_eq!(answer["canonical_subject_key"], made["canonical_subject_key"]);
            assert_eq!(answer["resolution_mode"], made["resolution_mode"]);
            assert_ne!(answer["id"], made["id"]);
            // What is taken is taken for whoever only tries, too.
            let dry: Vec<&str> = words.iter().copied().chain(["--dry-run"]).collect();
            assert_eq!(owner.refused(6, dry)["code"], "active-binding-exists");
        }
        let held = text(&owner.json(["binding", "list"])["items"][0], "id");
        let supersede = ["binding", "supersede", &held, "--mode", "accepted_limitation", "--note", "agreed"];
        assert_eq!(tried(&owner, &supersede)["supersedes_binding_id"], json!(held));
        let revoke = ["binding", "revoke", &held, "--note", "over"];
        let ended = tried(&owner, &revoke);
        assert_eq!((&ended["id"], &ended["binding_status"]), (&json!(held), &json!("revoked")));
    });
}

#[test]
fn a_file_of_decisions_can_be_tried_and_says_that_nothing_was_written() {
    on_both_engines(|database| async move {
        let site = Site::on(database);
        let _ = site.run(["init"]).ok();
        let owner = site.tenant("acme");
        let line = |id: &str, note: Option<&str>| {
            json!({ "mode": "excluded_non_governed", "subject": key(id), "subject_domain": "things", "note": note })
                .to_string()
        };
        let lines = [line("A", Some("why")), line("B", None), "no decision".to_owned(), line("A", Some("why"))];
        let file = site.file("decisions.ndjson", lines.join("\n"));
        let before = written(&owner);
        let dry = ["binding", "bulk-create", "--dry-run", &file];
        let shown = owner.run(dry);
        assert_eq!(shown.code, 3);
        assert!(shown.stdout.starts_with(&format!("line 1: would be created {}\n", key("A"))), "{shown:?}");
        let totals = "dry run, nothing was written: 4 decisions: 1 would be created, 3 refused\n";
        assert!(shown.stdout.ends_with(totals), "{shown:?}");
        let ran = owner.run(["binding", "bulk-create", "--format", "json", "--dry-run", &file]);
        let mut answers = ran.lines();
        let ended = answers.pop().unwrap();
        assert_eq!(ended, json!({ "dry_run": true, "totals": { "lines": 4, "created": 1, "refused": 3 } }));
        assert!(answers.iter().all(|answer| answer["dry_run"] == json!(true)), "{answers:?}");
        assert_eq!(written(&owner), before);
        // Meant, the same file says nothing of it.
        let ran = owner.run(["binding", "bulk-create", "--format", "json", &file]);
        assert!(ran.lines().iter().all(|answer| answer.get("dry_run").is_none()), "{ran:?}");
        assert_ne!(written(&owner), before);
    });
}
