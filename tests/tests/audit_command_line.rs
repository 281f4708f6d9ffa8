//! `audit verify`, `checkpoint` and `export` as they are typed: who may, what is printed, how a run ends, and exports that
//! are verified where there is no database.
#![cfg(test)]

use std::fs;

use provident_tests::console::{Person, Site, run, text};
use provident_tests::database::on_both_engines;
use serde_json::{Value, json};

/// A workspace in which something happened.
fn busy(site: &Site) -> Person<'_> {
    let _ = site.run(["init"]).ok();
    let owner = site.tenant("acme");
    for subject in ["A", "B", "C"] {
        let key = format!("provider:fake:policy:widgetPolicy:widget:id:{subject}");
        let _ = owner.json(["binding", "exclude", "--subject", &key, "--note", "n", "--domain", "things"]);
    }
    owner
}

/// An export in a file, its lines, and the checkpoint of its end in another.
fn exported(owner: &Person<'_>) -> (String, Vec<String>, String) {
    let site = owner.site;
    let file = site.place().join("events.ndjson").display().to_string();
    assert_eq!(owner.run(["audit", "export", &file]).ok(), "");
    let lines = fs::read_to_string(&file).unwrap().lines().map(str::to_owned).collect();
    let checkpoint = site.file("checkpoint.json", owner.run(["audit", "checkpoint"]).ok());
    (file, lines, checkpoint)
}

#[test]
fn a_chain_is_verified_in_the_database_and_in_its_export_alike() {
    on_both_engines(|database| async move {
        let site = Site::on(database);
        let owner = busy(&site);
        let (file, lines, checkpoint) = exported(&owner);
        let end: Value = serde_json::from_str(lines.last().unwrap()).unwrap();
        assert_eq!(end["number"], json!(lines.len()));
        let on_stdout = owner.run(["audit", "export"]);
        assert_eq!(on_stdout.ok(), fs::read_to_string(&file).unwrap());
        assert_eq!(on_stdout.lines().len(), lines.len());
        assert!(!site.place().join("events.ndjson.partial").exists());

        let mut expected = json!({
            "workspace_id": end["workspace_id"], "number": end["number"], "hash": end["hash"], "checkpoint_number": null,
        });
        assert_eq!(owner.json(["audit", "verify"]), expected);
        assert_eq!(run(["audit", "verify", "--format=json", "--file", &file], "").json(), expected);
        expected["checkpoint_number"] = end["number"].clone();
        let held = ["audit", "verify", "--checkpoint", &checkpoint];
        assert_eq!(owner.json(held), expected);
        assert_eq!(site.json([&held[..], &["--system", "--workspace", "acme"]].concat()), expected);
        let input = fs::read(&file).unwrap();
        assert_eq!(run([&held[..], &["--format=json", "--file", "-"]].concat(), input).json(), expected);
        let shown = owner.run(held).ok().to_owned();
        assert!(shown.contains(&text(&end, "hash")) && shown.lines().count() == 4, "{shown}");

        let kept: Value = serde_json::from_str(&fs::read_to_string(&checkpoint).unwrap()).unwrap();
        assert_eq!(kept["format"], json!("provident-audit-checkpoint-1"));
        let platform = site.json(["audit", "verify", "--system", "--workspace", "platform"]);
        assert_eq!(platform["workspace_id"], json!("00000000-0000-0000-0000-000000000000"));
    });
}

#[test]
fn an_export_that_was_tampered_with_ends_with_3_and_the_first_bad_number() {
    let site = Site::new();
    let owner = busy(&site);
    let (_, lines, checkpoint) = exported(&owner);
    let last = lines.len();
    let with = |change: &dyn Fn(&mut Vec<String>)| {
        let mut lines = lines.clone();
        change(&mut lines);
        lines.join("\n") + "\n"
    };
    for (number, code, bytes) in [
        (2, "hash-mismatch", with(&|lines| lines[1] = lines[1].replace("operator", "operatos"))),
        (3, "unreadable-event", with(&|lines| lines[2] = lines[2].replace('{', "{ "))),
        (1, "unreadable-event", with(&|lines| lines[0].clear())),
        (last, "unreadable-event", with(&|lines| lines[last - 1] = format!("{{\"{}", "x".repeat(70_000)))),
        (2, "number-gap", with(&|lines| drop(lines.remove(1)))),
        (3, "number-out-of-order", with(&|lines| lines.insert(2, lines[1].clone()))),
        (1, "number-gap", with(&|lines| lines.swap(0, 1))),
        (last, "cut-tail", with(&|lines| drop(lines.pop()))),
        (1, "cut-tail", String::new()),
    ] {
        let arguments = ["audit", "verify", "--format=json", "--file", "-", "--checkpoint", &checkpoint];
        let ran = run(arguments, &bytes);
        assert!(ran.code == 3 && ran.stdout.is_empty(), "{code}: {ran:?}");
        assert_eq!((&ran.error()["code"], &ran.error()["details"]["number"]), (&json!(code), &json!(number)));
        let shown = run(["audit", "verify", "--file", "-", "--checkpoint", &checkpoint], &bytes);
        assert!(shown.stderr.starts_with(&format!("{code}: event {number}: ")), "{shown:?}");
    }
    // Without a checkpoint nothing tells that an end is missing, and an empty file is no chain at all.
    let cut = with(&|lines| drop(lines.pop()));
    assert_eq!(run(["audit", "verify", "--file", "-"], cut).code, 0);
    assert_eq!(run(["audit", "verify", "--file", "-"], "").code, 2);
    let garbled = run(["audit", "verify", "--file", "-"], "{}\n");
    assert!(garbled.code == 3 && garbled.stderr.starts_with("unreadable-event: event 1: "), "{garbled:?}");
}

#[test]
fn a_chain_that_was_tampered_with_in_the_database_ends_with_3() {
    on_both_engines(|database| async move {
        let site = Site::on(database);
        let owner = busy(&site);
        let mut raw = site.database().unwrap().raw().await;
        // SQLite's triggers freeze rows; whoever owns the file drops them.
        let _ = raw.execute("DROP TRIGGER tr_events_no_update").await;
        raw.execute("UPDATE audit_events SET resolution_reason = 'forged' WHERE number = 3").await.unwrap();
        raw.close().await.unwrap();
        let error = owner.refused(3, ["audit", "verify"]);
        assert_eq!((&error["code"], &error["details"]["number"]), (&json!("hash-mismatch"), &json!(3)));
    });
}

#[test]
fn what_is_asked_wrongly_is_refused_and_nothing_is_written() {
    let site = Site::new();
    let owner = busy(&site);
    let manager = owner.adds("manager", true);
    let stranger = Person { id: site.user("Stranger"), ..owner.clone() };
    let (file, _, checkpoint) = exported(&owner);
    for command in ["verify", "checkpoint", "export"] {
        assert_eq!(manager.refused(5, ["audit", command])["code"], json!("forbidden"));
        assert_eq!(stranger.refused(4, ["audit", command])["code"], json!("not-found"));
        assert_eq!(site.run(["audit", command, "--system", "--workspace", "nobody-has-it"]).code, 4);
        assert_eq!(owner.run(["audit", command, "--system"]).code, 2, "one or the other");
    }
    assert_eq!(owner.run(["audit", "verify", "--file", &file]).code, 2);
    assert_eq!(run(["audit", "verify", "--file", &file, "--workspace", "acme"], "").code, 2);

    let no_checkpoint = site.file("no-checkpoint", "{}");
    for arguments in [
        owner.arguments(["audit", "verify", "--checkpoint", &no_checkpoint]),
        vec!["audit".into(), "verify".into(), "--file".into(), file, "--checkpoint".into(), no_checkpoint.clone()],
    ] {
        let ran = site.run(arguments);
        assert!(ran.code == 3 && ran.stderr.starts_with("malformed-checkpoint: "), "{ran:?}");
    }
    let rival = site.tenant("rival");
    let refused = rival.refused(3, ["audit", "verify", "--checkpoint", &checkpoint]);
    assert_eq!(refused["code"], json!("checkpoint-of-another-workspace"));

    let nowhere = site.place().join("no/such/events.ndjson").display().to_string();
    assert_eq!(owner.refused(2, ["audit", "export", &nowhere])["code"], json!("file-unwritable"));
    assert_eq!(owner.refused(2, ["audit", "verify", "--checkpoint", &nowhere])["code"], json!("file-unreadable"));
    // A file that is there stays as it was when there is no export to take its place.
    let kept = site.file("kept.ndjson", "kept");
    assert_eq!(manager.refused(5, ["audit", "export", &kept])["code"], json!("forbidden"));
    assert_eq!(fs::read_to_string(&kept).unwrap(), "kept");
}
