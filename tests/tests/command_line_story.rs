//! The whole story, told at a shell on both engines: an export comes in, people decide, what was decided is looked up
//! again, and look-up, list, history and audit agree.

#![cfg(test)]

use std::collections::BTreeMap;

use provident_tests::console::{Person, Site, text};
use provident_tests::database::on_both_engines_empty;
use serde_json::{Value, json};

const MODES: [(&str, &str); 5] = [
    ("create", "manual_binding"),
    ("exclude", "excluded_non_governed"),
    ("accept", "accepted_limitation"),
    ("mark-unsupported", "unsupported_coverage"),
    ("mark-missing", "missing_expected"),
];

fn key(id: &str) -> String {
    format!("provider:fake:policy:widgetPolicy:widget:id:{id}")
}

/// Eight widgets of one label, and one of each other kind.
fn export() -> String {
    let widgets = (0..8).map(|number| json!({ "kind": "widget", "ref": format!("w{number}"), "title": "All doors" }));
    let others = [
        json!({ "kind": "crew", "code": "everyone", "origin": "virtual", "title": "All doors" }),
        json!({ "kind": "gadget", "code": "starter-kit", "origin": "factory", "title": "All doors" }),
        json!({ "kind": "zone", "area": "eu", "tag": "Köln/7" }),
    ];
    let lines: Vec<String> = widgets.chain(others).map(|object| object.to_string()).collect();
    lines.join("\n")
}

fn ids(list: &Value) -> Vec<String> {
    list.as_array().unwrap().iter().map(|row| text(row, "id")).collect()
}

/// All pages of a list, of so many rows.
fn pages(person: &Person<'_>, command: &[&str], rows: usize) -> Vec<Value> {
    let (mut all, mut after) = (Vec::new(), None::<String>);
    loop {
        let limit = rows.to_string();
        let mut arguments = command.to_vec();
        arguments.extend(["--limit", &limit]);
        if let Some(after) = &after {
            arguments.extend(["--after", after]);
        }
        let page = person.json(&arguments);
        let items = page["items"].as_array().unwrap();
        assert!(items.len() <= rows);
        all.extend(items.iter().cloned());
        match page["next"].as_str() {
            Some(next) => {
                assert_eq!(items.len(), rows);
                after = Some(next.to_owned());
            }
            None => return all,
        }
    }
}

/// One binding of each operator mode, by the word of its command.
fn decide(owner: &Person<'_>) -> BTreeMap<&'static str, Value> {
    MODES
        .iter()
        .zip(0..)
        .map(|((command, mode), number)| {
            let item = owner.item(&key(&format!("w{number}")));
            let other = owner.item(&key("w7"));
            let note = format!("because of {number}");
            let mut arguments = vec!["binding", command, "--subject-item", &item, "--note", &note];
            if *command == "create" {
                arguments.extend(["--resource-item", &other]);
            }
            let made = owner.json(&arguments);
            assert_eq!(made["resolution_mode"], *mode);
            assert_eq!(made["canonical_subject_key"], key(&format!("w{number}")));
            assert_eq!(made["operator_note"], note);
            // A row comes from the item whose resource was found, else from its subject's.
            let source = if *command == "create" { &other } else { &item };
            assert_eq!(
                (&made["subject_domain"], &made["source_inventory_item_id"]),
                (&json!("things"), &json!(source))
            );
            (*command, made)
        })
        .collect()
}

#[test]
fn import_decide_supersede_revoke_look_up_and_everything_agrees() {
    on_both_engines_empty(|database| async move {
        let site = Site::on(database);
        let _ = site.run(["init"]).ok();
        let owner = site.tenant("acme");
        let report = owner.imports(&export());
        assert_eq!((&report["objects"], &report["imported"], &report["refused"]), (&json!(11), &json!(11), &json!(0)));
        let made = decide(&owner);

        let excluded = text(&made["exclude"], "id");
        let superseding =
            owner.json(["binding", "supersede", &excluded, "--mode", "accepted_limitation", "--note", "not so"]);
        assert_eq!(superseding["supersedes_binding_id"], json!(excluded));
        let accepted = text(&made["accept"], "id");
        let revoked = owner.json(["binding", "revoke", &accepted, "--note", "taken back"]);
        assert_eq!((&revoked["binding_status"], &revoked["ended_note"]), (&json!("revoked"), &json!("taken back")));

        looked_up(&owner, &made, &superseding);
        listed(&owner, &made, &superseding);
        // The superseded row ended when its successor began.
        let history = owner.json(["binding", "history", &excluded]);
        assert_eq!(ids(&history), [text(&superseding, "id"), excluded.clone()]);
        assert_eq!(history[1]["ended_at"], history[0]["decided_at"]);
        assert_eq!(history, owner.json(["binding", "history", &text(&superseding, "id")]));
        audited(&owner, &made, &superseding);

        // Coming in again changes no decision.
        let before = pages(&owner, &["binding", "list"], 100);
        let again = owner.imports(&export().replace("All doors", "Renamed"));
        assert_eq!((&again["changed"], &again["unchanged"]), (&json!(10), &json!(1)));
        let _ = owner.imports("");
        assert_eq!(pages(&owner, &["binding", "list"], 100), before);
    });
}

/// Every state, in the order of the keys, bad keys among them.
fn looked_up(owner: &Person<'_>, made: &BTreeMap<&str, Value>, superseding: &Value) {
    let asked = [
        key("w2"),
        "nonsense".into(),
        key("w1"),
        key("w6"),
        key("w0"),
        key("w1"),
        "provider:fake:policy:a:b:id:%3a".into(),
    ];
    let input = format!("\r\n{}\r\n\n", asked.join("\r\n"));
    let ran = owner.run_with(["binding", "lookup", "--format", "json"], input);
    assert_eq!(ran.code, 3);
    assert_eq!(ran.error()["message"], "2 of 7 refused");
    let answers: Value = serde_json::from_str(&ran.stdout).unwrap();
    let answered: Vec<(String, String)> =
        answers.as_array().unwrap().iter().map(|answer| (text(answer, "key"), text(answer, "state"))).collect();
    let states = ["ended", "refused", "active", "none", "active", "active", "refused"];
    assert_eq!(answered, asked.iter().cloned().zip(states.map(str::to_owned)).collect::<Vec<_>>());
    assert_eq!((&answers[0]["status"], &answers[0]["binding_id"]), (&json!("revoked"), &made["accept"]["id"]));
    assert_eq!(answers[1]["error"]["code"], "unknown-scheme");
    assert_eq!(answers[2]["binding"], *superseding);
    assert_eq!(answers[4]["binding"], made["create"]);
    assert_eq!(answers[6]["error"]["code"], "non-canonical-escape");
    // As arguments, and as a table.
    let table = owner.run(["binding", "lookup", &key("w1"), &key("w6")]);
    let lines: Vec<&str> = table.ok().lines().collect();
    assert!(lines[1].contains("active") && lines[1].contains("accepted_limitation"), "{lines:?}");
    assert!(lines[2].contains("none") && lines.len() == 3, "{lines:?}");
}

/// Lists by filter are what look-up and the answers of the decisions said.
fn listed(owner: &Person<'_>, made: &BTreeMap<&str, Value>, superseding: &Value) {
    let all = pages(owner, &["binding", "list"], 100);
    assert_eq!(all.len(), 6);
    for rows in [1, 2, 5, 6] {
        assert_eq!(pages(owner, &["binding", "list"], rows), all, "pages of {rows}");
    }
    let of = |filter: &[&str]| {
        let mut arguments = vec!["binding", "list"];
        arguments.extend(filter);
        ids(&Value::from(pages(owner, &arguments, 2)))
    };
    let id = |command: &str| text(&made[command], "id");
    let newest_first = |mut ids: Vec<String>| {
        ids.sort_by(|one, other| other.cmp(one));
        ids
    };
    let active = vec![id("create"), id("mark-unsupported"), id("mark-missing"), text(superseding, "id")];
    assert_eq!(of(&["--status", "active"]), newest_first(active));
    assert_eq!(of(&["--status", "superseded"]), [id("exclude")]);
    assert_eq!(of(&["--status", "revoked"]), [id("accept")]);
    assert_eq!(of(&["--mode", "manual_binding"]), [id("create")]);
    assert_eq!(of(&["--subject", &key("w1")]), newest_first(vec![id("exclude"), text(superseding, "id")]));
    assert_eq!(of(&["--class", "policy", "--domain", "things", "--provider", "fake"]).len(), 6);
    for nothing in
        [["--class", "foundation"], ["--domain", "places"], ["--provider", "ledger"], ["--legacy-subject-key", "x"]]
    {
        assert_eq!(of(&nothing), Vec::<String>::new(), "{nothing:?}");
    }
    for slip in [["--status", "inactive"], ["--mode", "guessed"], ["--class", "widget"]] {
        assert_eq!(owner.run(["binding", "list", slip[0], slip[1]]).code, 2, "{slip:?}");
    }
    for (command, binding) in made {
        let shown = owner.json(["binding", "show", &text(binding, "id")]);
        assert_eq!((&shown["id"], &shown["decided_at"]), (&binding["id"], &binding["decided_at"]), "{command}");
    }
}

/// One event for each thing that was done, in order, numbered without gaps; with ids and without words.
fn audited(owner: &Person<'_>, made: &BTreeMap<&str, Value>, superseding: &Value) {
    let events = owner.json(["audit", "list", "--limit", "500"]);
    let events = events.as_array().unwrap();
    let numbers: Vec<u64> = events.iter().map(|event| event["number"].as_u64().unwrap()).collect();
    assert_eq!(numbers, (1..=numbers.len() as u64).collect::<Vec<_>>());
    let actions: Vec<String> = events.iter().map(|event| text(event, "action")).collect();
    let expected = ["workspace.created", "environment.created", "inventory.imported", "inventory.import-finished"];
    assert_eq!(actions[..4], expected);
    let decisions: Vec<&Value> = events.iter().filter(|event| text(event, "action").starts_with("binding.")).collect();
    assert_eq!(decisions.len(), 7);
    for (event, (command, mode)) in decisions.iter().zip(MODES) {
        assert_eq!(event["action"], "binding.created");
        assert_eq!((&event["new_binding_id"], &event["new_resolution_mode"]), (&made[command]["id"], &json!(mode)));
        assert_eq!(event["note_length"], "because of 0".len());
    }
    let (supersede, revoke) = (decisions[5], decisions[6]);
    assert_eq!(
        (&supersede["old_binding_id"], &supersede["new_binding_id"]),
        (&made["exclude"]["id"], &superseding["id"])
    );
    assert_eq!(
        (&supersede["action"], &supersede["old_binding_status"]),
        (&json!("binding.superseded"), &json!("superseded"))
    );
    assert_eq!((&revoke["action"], &revoke["old_binding_id"]), (&json!("binding.revoked"), &made["accept"]["id"]));
    for event in &decisions {
        assert_eq!(
            (&event["actor_user_id"], &event["managed_environment_id"]),
            (&json!(owner.id), &json!(owner.environment))
        );
    }
    // Every status the rows have is the last one the trail told.
    let mut told: BTreeMap<String, String> = BTreeMap::new();
    for event in &decisions {
        for side in ["old", "new"] {
            if let (Some(id), Some(status)) =
                (event[format!("{side}_binding_id")].as_str(), event[format!("{side}_binding_status")].as_str())
            {
                told.insert(id.to_owned(), status.to_owned());
            }
        }
    }
    let rows = pages(owner, &["binding", "list"], 100);
    let rows: BTreeMap<String, String> =
        rows.iter().map(|row| (text(row, "id"), text(row, "binding_status"))).collect();
    assert_eq!(told, rows);
    // Piece by piece it is the same trail.
    let mut followed = Vec::new();
    while let Some(last) = {
        let after = followed.last().map_or(0, |event: &Value| event["number"].as_u64().unwrap()).to_string();
        let piece = owner.json(["audit", "list", "--after", &after, "--limit", "4"]);
        followed.extend(piece.as_array().unwrap().iter().cloned());
        piece.as_array().unwrap().last().cloned()
    } {
        assert!(last["number"].as_u64().unwrap() <= numbers.len() as u64);
    }
    assert_eq!(&followed, events);
    let mine = owner.json(["audit", "list", "--environment", &owner.environment, "--limit", "500"]);
    assert!(mine.as_array().unwrap().iter().all(|event| event["managed_environment_id"] == json!(owner.environment)));
    let table = owner.run(["audit", "list"]);
    assert_eq!(table.ok().lines().count(), events.len() + 1);
}

#[test]
fn each_way_to_fail_has_its_exit_code() {
    on_both_engines_empty(|database| async move {
        let site = Site::on(database);
        assert_eq!(site.run(["user", "list"]).code, 1, "no tables yet");
        let _ = site.run(["init"]).ok();
        let owner = site.tenant("acme");
        let reader = owner.adds("readonly", true);
        let outsider = owner.adds("owner", false);
        let _ = owner.imports(&export());
        let item = owner.item(&key("w1"));
        let exclude = ["binding", "exclude", "--subject-item", &item, "--note", "n"];
        assert_eq!(owner.refused(2, ["binding", "exclude", "--note", "n"])["code"], "bad-usage");
        let without_note = ["binding", "exclude", "--subject-item", &item];
        assert_eq!(owner.refused(3, without_note)["code"], "note-required");
        let bare = ["binding", "exclude", "--subject", &key("w5"), "--note", "n"];
        assert_eq!(owner.refused(3, bare)["code"], "subject-domain-required");
        assert_eq!(outsider.refused(4, exclude)["code"], "not-found");
        assert_eq!(reader.refused(5, exclude)["code"], "forbidden");
        let winner = text(&owner.json(exclude), "id");
        let conflict = owner.refused(6, exclude);
        assert_eq!(
            (conflict["code"].as_str(), conflict["details"]["active_binding_id"].as_str()),
            (Some("active-binding-exists"), Some(winner.as_str()))
        );
        let plain = owner.run(exclude);
        assert!(plain.code == 6 && plain.stderr.contains(&winner), "the winner is named: {plain:?}");
        let revoke = ["binding", "revoke", &winner, "--note", "n"];
        let _ = owner.json(revoke);
        assert_eq!(owner.refused(6, revoke)["code"], "stale-binding");
        assert_eq!(
            owner.refused(6, ["workspace", "add-member", "--user", &reader.id, "--role", "manager"])["code"],
            "member-exists"
        );
        assert_eq!(owner.refused(3, ["environment", "create", "--name", ""])["code"], "bad-display-name");
        // A manual binding needs a resource, a missing subject must have none.
        let manual = ["binding", "create", "--subject-item", &item, "--note", "n"];
        assert_eq!(owner.refused(3, manual)["code"], "resource-required");
        let missing = ["binding", "mark-missing", "--subject-item", &item, "--resource-item", &item, "--note", "n"];
        assert_eq!(owner.refused(3, missing)["code"], "resource-not-allowed");
        // A denied attempt is in the trail, once, and names nobody's words.
        let events = owner.json(["audit", "list", "--limit", "500"]);
        let denied = events.as_array().unwrap().iter().filter(|event| event["action"] == "binding.denied").count();
        assert_eq!(denied, 2, "one not found, one forbidden");
    });
}

#[test]
fn a_subject_can_be_named_in_three_ways_and_so_can_a_resource() {
    let site = Site::ready();
    let owner = site.tenant("acme");
    let _ = owner.imports(&export());
    let descriptor = |id: &str| {
        let raw = json!({ "kind": "widget", "ref": id, "title": "Secret label" }).to_string();
        let derived = provident_tests::console::run(["key", "derive", "--adapter", "fake"], raw).lines();
        derived[0]["ok"]["descriptor"].to_string()
    };
    let (one, other) = (descriptor("w3"), descriptor("w4"));
    let bound = owner.json(["binding", "create", "--subject-json", &one, "--resource-json", &other, "--note", "n"]);
    assert_eq!((&bound["canonical_subject_key"], &bound["resource"]["key"]), (&json!(key("w3")), &json!(key("w4"))));
    let bound = owner.json([
        "binding",
        "create",
        "--subject",
        &key("w5"),
        "--resource",
        &key("w6"),
        "--domain",
        "things",
        "--note",
        "n",
    ]);
    assert_eq!((&bound["canonical_subject_key"], &bound["resource"]["key"]), (&json!(key("w5")), &json!(key("w6"))));
    assert_eq!(bound["source_inventory_item_id"], Value::Null);
    for twice in [["--subject-json", "{}"], ["--subject-item", "00000000-0000-7000-8000-000000000001"]] {
        assert_eq!(
            owner.run(["binding", "accept", "--subject", &key("w5"), twice[0], twice[1], "--note", "n"]).code,
            2
        );
    }
    for (bad, said) in [("{", "line 1"), ("{\"secret\":1}", "column"), ("[]", "--subject-json")] {
        let refused = owner.run(["binding", "accept", "--subject-json", bad, "--note", "n"]);
        assert!(
            refused.code == 2 && refused.stderr.contains(said) && !refused.stderr.contains("secret"),
            "{refused:?}"
        );
    }
}

#[test]
fn a_note_can_come_from_a_file_or_standard_input_and_is_rewritten_once() {
    let site = Site::ready();
    let owner = site.tenant("acme");
    let _ = owner.imports(&export());
    let rewritten = "first\nsecond\tline";
    let raw = "  first\r\nsecond\tline \n\n";
    let from_file = owner.json([
        "binding",
        "exclude",
        "--subject-item",
        &owner.item(&key("w1")),
        "--note-file",
        &site.file("note", raw),
    ]);
    assert_eq!(from_file["operator_note"], rewritten);
    let item = owner.item(&key("w2"));
    let from_pipe =
        owner.run_with(["binding", "exclude", "--subject-item", &item, "--note-file", "-", "--format", "json"], raw);
    assert_eq!(from_pipe.json()["operator_note"], rewritten);
    let item = owner.item(&key("w3"));
    let longest = "é".repeat(2_000);
    let too_long = format!("{longest}x");
    let note = |note: &str| owner.run_with(["binding", "exclude", "--subject-item", &item, "--note-file", "-"], note);
    for (text, code) in [
        (too_long.as_str(), "note-too-long"),
        (&"x".repeat(70_000), "note-too-long"),
        (" \n", "note-required"),
        ("a\u{7}b", "control-character"),
        ("\u{FFFE}", "noncharacter"),
    ] {
        let refused = note(text);
        assert!(refused.code == 3 && refused.stderr.starts_with(&format!("{code}: ")), "{code}: {refused:?}");
    }
    assert_eq!(note(&longest).code, 0);
    let not_text = owner.run_with(["binding", "exclude", "--subject-item", &item, "--note-file", "-"], b"\xFF");
    assert!(not_text.code == 2 && not_text.stderr.starts_with("file-unreadable: "), "{not_text:?}");
    assert_eq!(owner.run(["binding", "exclude", "--subject-item", &item, "--note-file", "/nonexistent"]).code, 2);
}

#[test]
fn people_are_set_up_and_taken_away_again() {
    on_both_engines_empty(|database| async move {
        let site = Site::on(database);
        let _ = site.run(["init"]).ok();
        let owner = site.tenant("acme");
        let manager = owner.adds("manager", true);
        let _ = manager.imports(&export());
        assert_eq!(manager.json(["inventory", "list"])["items"].as_array().unwrap().len(), 11);
        let _ = owner.json(["workspace", "change-role", "--user", &manager.id, "--role", "readonly"]);
        let file = site.file("again.jsonl", export());
        assert_eq!(manager.run(["import", "--adapter", "fake", &file]).code, 5);
        let _ = owner.json(["environment", "withdraw", "--user", &manager.id]);
        assert_eq!(manager.run(["inventory", "list"]).code, 4);
        assert_eq!(manager.json(["environment", "list"])["items"], json!([]));
        let _ = owner.json(["workspace", "remove-member", "--user", &manager.id]);
        assert_eq!(manager.run(["environment", "list"]).code, 4);
        assert_eq!(owner.refused(6, ["workspace", "remove-member", "--user", &owner.id])["code"], "last-owner");
        let members = pages(&owner, &["workspace", "members"], 1);
        let roles: Vec<(String, bool)> =
            members.iter().map(|member| (text(member, "role"), member["ended_at"].is_null())).collect();
        assert!(
            roles.contains(&("owner".into(), true)) && roles.iter().filter(|(_, in_force)| *in_force).count() == 1,
            "{roles:?}"
        );
        assert_eq!(site.json(["workspace", "list"]).as_array().unwrap().len(), 1);
        assert_eq!(site.run(["workspace", "create", "--slug", "acme", "--name", "B", "--owner", &owner.id]).code, 6);
        assert_eq!(site.run(["workspace", "create", "--slug", "A!", "--name", "B", "--owner", &owner.id]).code, 3);
        assert!(site.run(["user", "list"]).ok().contains(&manager.id));
    });
}
