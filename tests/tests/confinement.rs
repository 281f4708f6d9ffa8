//! What must not be kept is kept nowhere: canaries in every member of a raw export that is not asked for, in notes, in
//! what is refused and in credentials, looked for in every byte of the database, in every column, in everything printed.

#![cfg(test)]

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use provident::binding::{CreateBinding, Note, SubjectRef};
use provident_identity::ResolutionMode;
use provident_tests::console::{Person, Ran, Site, command, run, run_command, text};
use provident_tests::database::{Engine, on_both_engines_empty};
use provident_tests::postgres::server;
use provident_tests::program;
use serde_json::{Value, json};

/// By which way a leaking program lets notes out, handed on to the program.
const LEAK: &str = "PROVIDENT_LEAK";

/// What every canary of a raw object ends with, so that one look through a file finds any of them. Those that are kept
/// in a place of their own end otherwise: tests beside this one write them to the same server.
const MARK: &str = "-5f0c2b7e";

/// What a member of a raw object holds that nobody asked for.
fn canary(name: &str) -> String {
    format!("canary-{name}{MARK}")
}

/// What is kept in its one place, or was typed and never taken.
fn typed(name: &str) -> String {
    format!("canary-{name}-a07e5b1d")
}

/// A label, which is kept in its one place.
fn label(number: usize) -> String {
    format!("label-{number}-1abe1")
}

/// Members beside those the invented adapter reads, in the shapes real ones have.
fn hoard(number: usize) -> Value {
    let leaf = |name: &str| canary(&format!("{name}-{number}"));
    json!({
        "kind": "widget",
        "ref": format!("w{number}"),
        "rev": "7",
        "title": label(number),
        "settings": { "password": leaf("password"), "list": [leaf("list"), { "deep": { "deeper": leaf("deeper") } }] },
        "downloadUrl": format!("https://blobs.example/{}?sig={}&se=2030", leaf("path"), leaf("signature")),
        "description": leaf("description"),
        "token": format!("Bearer {}", leaf("token")),
        "createdBy": { "email": format!("{}@people.example", leaf("email")) },
        "assignments": [{ "target": { "group": leaf("group") } }],
        leaf("name-of-a-member"): 1,
        "Title": leaf("other-case"),
        "refs": leaf("near-name"),
        "certificate": leaf("certificate").repeat(200),
    })
}

/// Every canary a hoard holds but its label.
fn unwanted(number: usize) -> Vec<String> {
    let names = [
        "password",
        "list",
        "deeper",
        "path",
        "signature",
        "description",
        "token",
        "email",
        "group",
        "name-of-a-member",
        "other-case",
        "near-name",
        "certificate",
    ];
    names.iter().map(|name| canary(&format!("{name}-{number}"))).collect()
}

/// Whether bytes hold a text, as it is or in hex.
fn holds(bytes: &[u8], text: &str) -> bool {
    let bytes = String::from_utf8_lossy(bytes);
    bytes.contains(text) || bytes.contains(&hex::encode(text))
}

fn files(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display())) {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files(&path, found);
        } else if path.is_file() {
            found.push(path);
        }
    }
}

/// Every file the installation has: the data directory, and the database wherever it is, with its logs.
fn bytes_on_disk(site: &Site) -> Vec<(PathBuf, Vec<u8>)> {
    let mut found = Vec::new();
    files(&site.data_dir(), &mut found);
    let database = site.database().unwrap();
    match database.engine() {
        Engine::Sqlite => files(database.file().parent().unwrap(), &mut found),
        Engine::Postgres => files(server().directory().expect("a cluster of our own"), &mut found),
    }
    // A server's files come and go while they are listed.
    found.into_iter().filter_map(|path| fs::read(&path).ok().map(|bytes| (path, bytes))).collect()
}

/// Where in the database a text stands, as `table.column`.
async fn columns_with(site: &Site, wanted: &str) -> Vec<String> {
    let database = site.database().unwrap();
    let mut raw = database.raw().await;
    let columns = match database.engine() {
        Engine::Sqlite => {
            "SELECT m.name, c.name FROM sqlite_master m, pragma_table_info(m.name) c WHERE m.type = 'table' ORDER BY 1, 2"
        }
        Engine::Postgres => {
            "SELECT table_name, column_name FROM information_schema.columns WHERE table_schema = 'public' ORDER BY 1, 2"
        }
    };
    let mut found = Vec::new();
    let columns = raw.rows(columns).await.unwrap();
    assert!(columns.len() > 150, "{}", columns.len());
    for column in columns {
        let (table, column) = (column[0].clone().unwrap(), column[1].clone().unwrap());
        for row in raw.rows(&format!("SELECT \"{column}\" FROM \"{table}\"")).await.unwrap() {
            if row[0].as_ref().is_some_and(|value| holds(value.as_bytes(), wanted)) {
                found.push(format!("{table}.{column}"));
            }
        }
    }
    raw.close().await.unwrap();
    found.dedup();
    found
}

fn silent(ran: &Ran, canaries: &[String]) {
    for canary in canaries {
        assert!(!ran.stdout.contains(canary.as_str()) && !ran.stderr.contains(canary.as_str()), "{canary} in {ran:?}");
    }
}

/// An import that waits for more input holds the database open, with whatever it keeps beside it.
fn while_open<T>(owner: &Person<'_>, look: impl FnOnce() -> T) -> T {
    let arguments = owner.site.arguments(owner.arguments(["import", "--adapter", "fake", "-"]));
    let waiting = command(arguments).stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null()).spawn();
    let mut waiting = waiting.unwrap();
    let mut stdin = waiting.stdin.take().unwrap();
    // More than one piece, so that some of it is in the database already.
    for number in 100..700 {
        writeln!(stdin, "{}", hoard(number)).unwrap();
    }
    stdin.flush().unwrap();
    let database = owner.site.database().unwrap();
    let side_file = PathBuf::from(format!("{}-wal", database.file().display()));
    let started = Instant::now();
    while owner.json(["inventory", "list", "--limit", "500"])["items"].as_array().unwrap().len() < 500 {
        assert!(started.elapsed() < Duration::from_mins(1), "the import takes nothing in");
    }
    assert!(database.engine() == Engine::Postgres || side_file.exists());
    let seen = look();
    drop(stdin);
    assert!(waiting.wait().unwrap().success());
    seen
}

#[test]
fn nothing_of_a_raw_object_is_kept_but_what_identifies_it_and_its_label() {
    on_both_engines_empty(|database| async move {
        let site = Site::on(database);
        let _ = site.run(["init"]).ok();
        let owner = site.tenant("acme");
        // Taken, refused, broken, too large: whatever becomes of it.
        let refused = json!({ "kind": "widget", "ref": " ", "settings": unwanted(50) });
        let unknown = json!({ "kind": canary("kind-51"), "ref": "x", "settings": unwanted(51) });
        let large = json!({ "kind": "widget", "ref": "y", "settings": unwanted(52), "filling": "x".repeat(9 << 20) });
        let broken = format!("{{\"kind\":\"widget\",\"settings\":{}", json!(unwanted(53)));
        let again = json!({ "kind": "widget", "ref": "w0", "rev": "8", "settings": unwanted(54) });
        let export: String = [
            hoard(0).to_string(),
            refused.to_string(),
            unknown.to_string(),
            large.to_string(),
            broken,
            hoard(1).to_string(),
            again.to_string(),
        ]
        .join("\n");
        let file = site.file("../export.jsonl".trim_start_matches("../"), &export);
        let numbers = [0, 1, 50, 51, 52, 53, 54, 100, 350, 699];
        let canaries: Vec<String> = numbers.iter().flat_map(|number| unwanted(*number)).collect();
        for format in ["json", "table"] {
            let import = owner.run(["import", "--adapter", "fake", &file, "--format", format]);
            assert_eq!(import.code, 3);
            silent(&import, &canaries);
        }
        fs::remove_file(&file).unwrap();
        let item = owner.item("provider:fake:policy:widgetPolicy:widget:id:w0");
        for ran in [
            owner.run(["inventory", "list", "--format", "json"]),
            owner.run(["inventory", "show", &item, "--format", "json"]),
            owner.run(["binding", "exclude", "--subject-item", &item, "--note", "n", "--format", "json"]),
            owner.run(["audit", "list", "--format", "json"]),
        ] {
            let _ = ran.ok();
            silent(&ran, &canaries);
        }
        let looked_at = while_open(&owner, || bytes_on_disk(&site));
        for (path, bytes) in looked_at.iter().chain(&bytes_on_disk(&site)) {
            assert!(!holds(bytes, MARK), "{}", path.display());
        }
        // That looking finds what is there: the key, and the label in its one place.
        let label = label(1);
        assert_eq!(columns_with(&site, &label).await, ["inventory_items.display_label"]);
        let key = "provider:fake:policy:widgetPolicy:widget:id:w0";
        let on_disk = bytes_on_disk(&site);
        assert!(
            on_disk.iter().any(|(_, bytes)| holds(bytes, key)) && on_disk.iter().any(|(_, bytes)| holds(bytes, &label))
        );
        assert_eq!(columns_with(&site, MARK).await, Vec::<String>::new());
    });
}

#[test]
fn a_note_is_in_its_row_and_nowhere_else() {
    on_both_engines_empty(|database| async move {
        let site = Site::on(database);
        let _ = site.run(["init"]).ok();
        let owner = site.tenant("acme");
        let reader = owner.adds("readonly", true);
        let stranger = Person { id: site.user("Stranger"), ..owner.clone() };
        let _ = owner.imports("{\"kind\":\"widget\",\"ref\":\"A\"}\n{\"kind\":\"widget\",\"ref\":\"B\"}");
        let item = owner.item("provider:fake:policy:widgetPolicy:widget:id:A");
        let note = |name: &str| typed(&format!("note-{name}"));
        let exclude = |note: &str| -> Vec<String> {
            ["binding", "exclude", "--subject-item", &item, "--note", note].map(str::to_owned).into()
        };
        let first = text(&owner.json(exclude(&note("first"))), "id");
        let (supersede, revoke) = (note("second"), note("ended"));
        let second =
            owner.json(["binding", "supersede", &first, "--mode", "accepted_limitation", "--note", &supersede]);
        let second = text(&second, "id");
        let _ = owner.json(["binding", "revoke", &second, "--note", &revoke]);
        let kept = [note("first"), supersede, revoke];

        // Attempts that were not done leave nothing of theirs.
        let long = format!("{}{}", note("long"), "x".repeat(2_000));
        let steering = format!("{}\u{7}", note("steering"));
        let reasoned = note("reasoned");
        let unreasonable = format!("{} {reasoned}", "x".repeat(64));
        let other = owner.item("provider:fake:policy:widgetPolicy:widget:id:B");
        let _ = owner.json(exclude(&note("kept-as-well")));
        let attempts = [
            (3, owner.run(exclude(&long))),
            (3, owner.run(exclude(&steering))),
            (6, owner.run(exclude(&note("conflict")))),
            (5, reader.run(exclude(&note("forbidden")))),
            (4, stranger.run(exclude(&note("hidden")))),
            (6, owner.run(["binding", "revoke", &first, "--note", &note("stale")])),
            (
                3,
                owner.run(["binding", "accept", "--subject-item", &other, "--note", "fine", "--reason", &unreasonable]),
            ),
            (
                2,
                owner.run([
                    "binding",
                    "accept",
                    "--subject-json",
                    &format!("{{\"{}\":1}}", note("json")),
                    "--note",
                    "fine",
                ]),
            ),
            (2, owner.run(["binding", "accept", "--subject-item", &item, "--note", &note("two"), "--note-file", "x"])),
        ];
        let mut as_json = Vec::new();
        for attempt in [exclude(&long), exclude(&steering), exclude(&note("conflict"))] {
            as_json.push(owner.run(attempt.iter().map(String::as_str).chain(["--format", "json"])));
        }
        let all_canaries = ["note-".to_owned()].map(|name| format!("canary-{name}"));
        for (code, ran) in &attempts {
            assert_eq!(ran.code, *code, "{ran:?}");
            silent(ran, &all_canaries);
        }
        for ran in &as_json {
            silent(ran, &all_canaries);
        }
        for format in ["json", "table"] {
            let audit = owner.run(["audit", "list", "--limit", "500", "--format", format]);
            let _ = audit.ok();
            silent(&audit, &all_canaries);
        }
        for canary in &kept {
            let found = columns_with(&site, canary).await;
            assert_eq!(found.len(), 1, "{canary}: {found:?}");
            assert!(
                ["provider_resource_bindings.operator_note", "provider_resource_bindings.ended_note"]
                    .contains(&found[0].as_str()),
                "{found:?}"
            );
        }
        let undone = ["long", "steering", "conflict", "forbidden", "hidden", "stale", "reasoned", "json", "two"];
        for name in undone {
            assert_eq!(columns_with(&site, &note(name)).await, Vec::<String>::new(), "{name}");
        }
        for (path, bytes) in bytes_on_disk(&site) {
            for name in undone {
                assert!(!holds(&bytes, &note(name)), "{name} in {}", path.display());
            }
        }
        // A guess at a short note is no better than any other: what the trail has is keyed.
        let events = owner.json(["audit", "list", "--limit", "500"]);
        let bare = |note: &str| hex::encode(<sha2::Sha256 as sha2::Digest>::digest(note));
        let told: Vec<String> = events
            .as_array()
            .unwrap()
            .iter()
            .filter_map(|event| event["note_hmac"].as_str().map(str::to_owned))
            .collect();
        assert_eq!(told.len(), 4);
        assert!(kept.iter().all(|note| !told.contains(&bare(note))));
    });
}

#[test]
fn what_a_program_prints_of_itself_while_it_is_mended_has_no_note_and_no_label() {
    let (note, label) = (typed("note"), typed("label"));
    let raw = json!({ "kind": "widget", "ref": "A", "title": label }).to_string();
    let adapted = provident_identity::Adapter::embedded("fake").unwrap().describe(&raw).unwrap().remove(0).unwrap();
    assert_eq!(adapted.descriptor.display_label.as_deref(), Some(label.as_str()));
    let mut request = CreateBinding::new(
        ResolutionMode::ExcludedNonGoverned,
        SubjectRef::Key("provider:fake:policy:widgetPolicy:widget:id:A".to_owned()),
    );
    request.note = Some(Note::new(&note));
    let decision = provident_identity::Decision {
        action: provident_identity::DecisionAction::Create,
        actor: provident_identity::ActorKind::Operator,
        mode: Some(ResolutionMode::ExcludedNonGoverned),
        subject: "provider:fake:policy:widgetPolicy:widget:id:A".to_owned(),
        resource: None,
        note: Some(note.clone()),
        reason: None,
    };
    for shown in
        [format!("{request:?}"), format!("{:?}", Note::new(&note)), format!("{decision:?}"), format!("{decision:#?}")]
    {
        assert!(!shown.contains(&note), "{shown}");
    }
}

#[test]
fn credentials_of_a_database_are_printed_nowhere() {
    let password = typed("password");
    let urls = [
        format!("postgres://ada:{password}@[no-address/x"),
        format!("postgres://ada:{password}@127.0.0.1:notaport/x"),
        format!("mysql://ada:{password}@localhost/x"),
        format!("sqlite:/nonexistent/{password}?mode=memory"),
        password.clone(),
    ];
    let site = Site::new();
    for url in &urls {
        for words in
            [&["user", "list"] as &[&str], &["init"], &["--help"], &["user"], &["--format", "json", "user", "list"]]
        {
            let arguments = || site.arguments(words);
            let mut from_environment = command(words);
            from_environment.env("HOME", site.place().join("home"));
            let given = run(arguments().iter().map(String::as_str).chain(["--database-url", url]), "");
            let taken = run_command(from_environment.env("DATABASE_URL", url), b"");
            for ran in [given, taken] {
                let expected = if words.contains(&"--help") { 0 } else { 1 + i32::from(*words == ["user"]) };
                assert_eq!(ran.code, expected, "{words:?}: {ran:?}");
                silent(&ran, std::slice::from_ref(&password));
            }
        }
    }
}

#[test]
fn the_master_key_is_in_its_file_and_nowhere_else() {
    on_both_engines_empty(|database| async move {
        let site = Site::on(database);
        let set_up = site.run(["init"]);
        let owner = site.tenant("acme");
        let _ = owner.imports("{\"kind\":\"widget\",\"ref\":\"A\"}");
        let key = fs::read_to_string(site.data_dir().join("master.key")).unwrap();
        let digits = key.split(':').nth(2).unwrap().to_owned();
        assert_eq!(digits.len(), 64);
        silent(&set_up, std::slice::from_ref(&digits));
        for (path, held) in bytes_on_disk(&site) {
            let is_the_file = path.ends_with("master.key");
            let raw = hex::encode(&held).contains(&digits) && !is_the_file;
            assert!(!raw && (is_the_file == holds(&held, &digits)), "{}", path.display());
        }
    });
}

/// A connection to the invented provider, by its id.
fn connection_of(owner: &Person<'_>) -> String {
    let place = ["--as", &owner.id, "--workspace", &owner.workspace, "--environment", &owner.environment];
    let words = [&["connection", "create"], &place[..], &["--provider", "fake", "--name", "A way"]].concat();
    owner.site.json(words)["id"].as_str().unwrap().to_owned()
}

#[test]
fn what_a_connection_logs_in_with_is_sealed_in_its_row_and_is_nowhere_else() {
    on_both_engines_empty(|database| async move {
        let site = Site::on(database);
        let _ = site.run(["init"]).ok();
        let owner = site.tenant("acme");
        let connection = connection_of(&owner);
        let person = ["--as", &owner.id, "--workspace", &owner.workspace];
        let set = |input: &Value| {
            let words = [&["credential", "set"], &person[..], &[&connection]].concat();
            site.run_with(words, input.to_string())
        };
        let (kept, replaced) = (canary("api-key"), canary("api-key-before"));
        let refused = ["of-another-field", "too-long", "steering", "no-text", "as-a-name"].map(canary);
        let mut ran = vec![set(&json!({ "api_key": replaced })), set(&json!({ "api_key": kept }))];
        assert!(ran.iter().all(|ran| ran.ok().contains("api_key, set ")), "{ran:?}");
        for (input, code) in [
            (json!({ "api_key": refused[0], "client_secret": refused[0] }), "credential-fields-mismatch"),
            (json!({ "api_key": refused[1].repeat(200) }), "bad-credential-value"),
            (json!({ "api_key": format!("{}\n", refused[2]) }), "bad-credential-value"),
            (json!({ "api_key": [refused[3]] }), "bad-credential-value"),
            (json!({ refused[4].clone(): "api_key" }), "credential-fields-mismatch"),
            (json!([refused[3]]), "malformed-request"),
        ] {
            let failed = set(&input);
            assert!(failed.code == 3 && failed.stderr.starts_with(code), "{failed:?}");
            ran.push(failed);
        }
        ran.push(site.run(["master-key", "rotate"]));
        ran.push(site.run(["master-key", "status"]));
        ran.push(site.run([&["connection", "show"], &person[..], &[&connection]].concat()));
        ran.push(site.run(["audit", "export", "--system", "--workspace", &owner.workspace]));
        let canaries = [&[kept, replaced][..], &refused].concat();
        for ran in &ran {
            silent(ran, &canaries);
        }
        for canary in &canaries {
            assert_eq!(columns_with(&site, canary).await, Vec::<String>::new());
        }
        for (path, held) in bytes_on_disk(&site) {
            for canary in &canaries {
                assert!(!holds(&held, canary), "{canary} in {}", path.display());
            }
        }
    });
}

#[test]
fn what_a_connection_logs_in_with_is_taken_from_no_argument_and_no_variable() {
    let site = Site::ready();
    let owner = site.tenant("acme");
    let connection = connection_of(&owner);
    let words = ["credential", "set", "--as", &owner.id, "--workspace", &owner.workspace, &connection];
    for more in [&["api_key=x"] as &[&str], &["--api-key", "x"], &["--fields", "{}"]] {
        assert_eq!(site.run([&words[..], more].concat()).code, 2, "{more:?}");
    }
    let mut with = command(site.arguments(words));
    for variable in ["API_KEY", "PROVIDENT_API_KEY", "PROVIDENT_CREDENTIAL", "PROVIDENT_FIELDS"] {
        with.env(variable, r#"{"api_key":"x"}"#);
    }
    let ran = run_command(&mut with, b"");
    assert!(ran.code == 3 && ran.stderr.starts_with("malformed-request"), "{ran:?}");
}

/// The ways the leaking program knows; none is the program as it is, by way of the same detour.
const WAYS: [&str; 4] = ["", "audit", "error", "debug"];

#[test]
fn a_program_that_lets_notes_out_is_caught() {
    let leaking = program::leaking().unwrap();
    for way in WAYS {
        let ran = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "a_note_is_in_its_row_and_nowhere_else", "--nocapture"])
            .env(program::IN_ITS_PLACE, &leaking)
            .env(LEAK, way)
            // What is meant to fail is counted nowhere.
            .env_remove("PROVIDENT_TEST_COUNTS")
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&ran.stderr);
        assert_eq!(ran.status.success(), way.is_empty(), "{way}: {said}");
        if !way.is_empty() {
            assert!(said.contains("canary-note-") && said.contains("failed on "), "{way}: {said}");
        }
    }
}
