//! The commands that need no installation: `key`, `batch`, `component`, `completions`, help; and how every command
//! speaks: formats, streams, exit codes.

#![cfg(test)]

use std::io::{BufRead, BufReader, Write};
use std::process::Stdio;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use provident_tests::adapter_contract::imports;
use provident_tests::console::{Ran, Site, command, run, run_command};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

const KEY: &str = "provider:fake:policy:widgetPolicy:widget:id:A%3A1";

fn subject(id: &str) -> Value {
    json!({
        "identity": { "provider_key": "fake", "resource_type": "widget", "provider_resource_id": id, "tenant_owned": true },
        "subject_class": "policy",
        "subject_type_key": "widgetPolicy",
    })
}

fn sha256(bytes: impl AsRef<[u8]>) -> String {
    hex::encode(Sha256::digest(bytes))
}

#[test]
fn key_derive_answers_every_line_from_a_file_and_from_standard_input() {
    let site = Site::new();
    let input = format!("{}\n{}\n", subject("A:1"), subject("B"));
    let file = site.file("inputs.ndjson", &input);
    let from_file = run(["key", "derive", &file], "");
    let replies = from_file.lines();
    assert_eq!((from_file.code, from_file.stderr.as_str()), (0, ""));
    assert_eq!(replies[0]["ok"], json!({ "key": KEY, "digest": format!("sha256:{}", sha256(KEY)) }));
    assert_eq!(replies[1]["ok"]["key"], "provider:fake:policy:widgetPolicy:widget:id:B");
    assert_eq!(replies.len(), 2);
    assert_eq!(run(["key", "derive"], &input), from_file);
    assert_eq!(run(["key", "derive", "-"], &input), from_file);
}

#[test]
fn a_refused_input_is_answered_in_its_place_and_the_others_are_too() {
    let input = format!("{}\n{}\nnot json\n{}\n", subject("A:1"), subject(""), subject("B"));
    let ran = run(["key", "derive"], input);
    let replies = ran.lines();
    assert_eq!((ran.code, ran.stderr.as_str()), (3, "refused: 2 of 4 refused\n"));
    assert_eq!(replies[1]["error"]["code"], "empty-field");
    assert_eq!(replies[1]["error"]["field"], "provider_resource_id");
    assert_eq!(replies[2]["error"]["code"], "malformed-request");
    assert!(replies[0].get("ok").is_some() && replies[3].get("ok").is_some());
}

#[test]
fn with_an_adapter_each_reply_carries_the_descriptor() {
    let site = Site::new();
    let widget = json!({ "kind": "widget", "ref": "A:1", "title": "Door", "secret": "x" });
    let replies = run(["key", "derive", "--adapter", "fake"], format!("{widget}\n")).lines();
    let ok = &replies[0]["ok"];
    assert_eq!(ok["key"], KEY);
    assert_eq!(ok["digest"], format!("sha256:{}", sha256(KEY)));
    let descriptor = &ok["descriptor"];
    assert_eq!(descriptor["identity"]["provider_resource_id"], "A:1");
    assert_eq!(descriptor["subject_domain"], "things");
    assert_eq!(descriptor["support_level"], "supported");
    assert_eq!(descriptor["display_label"], "Door");
    assert!(!replies[0].to_string().contains("secret"));
    // What a descriptor says is what deriving takes.
    let bare = json!({
        "identity": descriptor["identity"], "subject_class": descriptor["subject_class"],
        "subject_type_key": descriptor["subject_type_key"],
    });
    assert_eq!(run(["key", "derive"], bare.to_string()).lines()[0]["ok"]["key"], KEY);
    // A page printed over many lines, an array, an object a line: the same answers.
    let objects =
        [widget, json!({ "kind": "widget" }), json!({ "kind": "crew", "code": "everyone", "origin": "virtual" })];
    let lines = objects.each_ref().map(Value::to_string).join("\n");
    let page = serde_json::to_string_pretty(&json!({ "items": objects })).unwrap();
    let of_lines = run(["key", "derive", "--adapter", "fake"], lines);
    let of_page = run(["key", "derive", "--adapter", "fake", &site.file("page.json", page)], "");
    assert_eq!((of_lines.code, of_lines.stderr.as_str()), (3, "refused: 1 of 3 refused\n"));
    assert_eq!(of_page.code, 3);
    assert_eq!(of_page.lines()[1]["error"]["code"], "missing-identity");
    assert_eq!(of_page.lines()[1]["error"]["position"], 1);
    assert_eq!((&of_lines.lines()[1]["error"]["line"], &of_page.lines()[1]["error"]["line"]), (&json!(2), &json!(1)));
    for at in [0, 2] {
        assert_eq!(of_lines.lines()[at], of_page.lines()[at]);
    }
}

#[test]
fn key_parse_and_digest_answer_key_by_key() {
    let parsed = run(["key", "parse", KEY, "provider:fake"], "");
    assert_eq!((parsed.code, parsed.stderr.as_str()), (3, "refused: 1 of 2 refused\n"));
    assert_eq!(
        parsed.lines()[0]["ok"],
        json!({ "provider_key": "fake", "subject_class": "policy", "subject_type_key": "widgetPolicy",
            "resource_type": "widget", "form": "id", "value": "A:1" })
    );
    assert_eq!(parsed.lines()[1]["error"]["code"], "wrong-arity");
    let digest = run(["key", "digest", KEY], "");
    assert_eq!(digest.ok(), format!("{{\"ok\":{{\"digest\":\"sha256:{}\"}}}}\n", sha256(KEY)));
    assert_eq!(run(["key", "parse"], "").code, 2);
    assert_eq!(run(["key", "digest"], "").code, 2);
}

#[test]
fn batch_answers_a_line_before_the_next_is_sent() {
    for adapter in [false, true] {
        let mut arguments = vec!["batch"];
        if adapter {
            arguments.extend(["--adapter", "fake"]);
        }
        let mut child = command(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let mut stdin = child.stdin.take().unwrap();
        let (heard, replies) = mpsc::channel();
        let stdout = BufReader::new(child.stdout.take().unwrap());
        thread::spawn(move || stdout.lines().map_while(Result::ok).all(|line| heard.send(line).is_ok()));
        let mut ask = |line: &str| {
            stdin.write_all(line.as_bytes()).unwrap();
            // The pipe stays open and nothing else is sent: an answer that waits for more never comes.
            let reply = replies.recv_timeout(Duration::from_secs(30)).expect("an answer before the next line");
            serde_json::from_str::<Value>(&reply).unwrap()
        };
        for round in 0..3 {
            let request = json!({ "id": round.to_string(), "op": "derive", "input": subject("A:1") });
            let reply = ask(&format!("{request}\n"));
            assert_eq!((&reply["id"], &reply["ok"]["key"]), (&json!(round.to_string()), &json!(KEY)));
            assert_eq!(ask("{\"op\":\"no\"}\n")["error"]["code"], "unknown-op");
        }
        let adapted = ask("{\"op\":\"adapt\",\"input\":{\"raw\":{\"kind\":\"widget\",\"ref\":\"A:1\"}}}\n");
        if adapter {
            assert_eq!(adapted["ok"]["items"][0]["descriptor"]["identity"]["provider_resource_id"], "A:1");
        } else {
            assert_eq!(adapted["error"]["code"], "unknown-op");
        }
        drop(stdin);
        assert_eq!(child.wait().unwrap().code(), Some(3), "some lines were refused");
    }
}

#[test]
fn batch_ends_well_when_every_line_was_answered_and_counts_the_others() {
    let fine = run(["batch"], "{\"op\":\"about\"}\n\n{\"op\":\"about\"}");
    assert_eq!(fine.ok().lines().count(), 2);
    assert_eq!(run(["batch"], "").ok(), "");
    let mixed = run(["batch"], "{\"op\":\"about\"}\n[]\n{\"op\":\"about\"}\n");
    assert_eq!((mixed.code, mixed.stderr.as_str()), (3, "refused: 1 of 3 refused\n"));
    assert_eq!(mixed.lines()[1]["error"]["code"], "malformed-request");
}

#[test]
fn component_info_tells_what_is_embedded() {
    let info: Value = run(["component", "info", "--format", "json"], "").json();
    assert_eq!(info["name"], "identity");
    assert_eq!(info["imports"], json!([]));
    assert_eq!(info["grammar_version"], 1);
    assert_eq!(info["contract_version"], "1.0.0");
    assert_eq!(info["limits"]["key_bytes"], 1024);
    assert!(info["bytes"].as_u64().unwrap() < 200_000);
    let components = info["components"].as_array().unwrap();
    assert!(components.len() >= 3);
    assert_eq!(components[0]["sha256"], info["sha256"]);
    let table = run(["component", "info"], "");
    for component in components {
        assert_eq!(component["imports"], json!([]));
        for shown in [component["name"].as_str().unwrap(), component["sha256"].as_str().unwrap()] {
            assert!(table.ok().contains(shown), "{shown} in {}", table.stdout);
        }
    }
    assert!(table.stdout.contains("key 1024 bytes"));
}

#[test]
fn an_exported_component_is_the_one_that_was_told_of_and_imports_nothing() {
    let site = Site::new();
    let info = run(["component", "info", "--format", "json"], "").json();
    let mut exported = 0;
    for component in info["components"].as_array().unwrap() {
        let name = component["name"].as_str().unwrap();
        let file = site.place().join(format!("{name}.wasm")).display().to_string();
        let _ = run(["component", "export", name, &file], "").ok();
        let bytes = std::fs::read(&file).unwrap();
        assert_eq!(sha256(&bytes), component["sha256"].as_str().unwrap());
        assert_eq!(bytes.len() as u64, component["bytes"].as_u64().unwrap());
        assert_eq!(imports(&bytes), Ok(Vec::new()));
        exported += 1;
    }
    assert!(exported >= 3);
    let unnamed = site.place().join("default.wasm").display().to_string();
    let _ = run(["component", "export", &unnamed], "").ok();
    assert_eq!(sha256(std::fs::read(&unnamed).unwrap()), info["sha256"].as_str().unwrap());
    // A name alone is a file forgotten, not a file of that name.
    assert_eq!(run(["component", "export", "fake"], "").code, 2);
    assert_eq!(run(["component", "export", "nobody", &unnamed], "").code, 2);
    assert_eq!(run(["component", "export", "identity", "/nonexistent/x.wasm"], "").code, 2);
}

#[test]
fn completions_are_there_for_every_shell() {
    let help = run(["completions", "--help"], "");
    let shells: Vec<&str> =
        help.ok().split("[possible values: ").nth(1).unwrap().split(']').next().unwrap().split(", ").collect();
    assert!(shells.len() >= 5, "{shells:?}");
    for shell in shells {
        let script = run(["completions", shell], "");
        assert!(script.ok().contains("provident") && script.stdout.contains("lookup"), "{shell}");
    }
    assert_eq!(run(["completions", "abacus"], "").code, 2);
    // A script that cannot be written is an error, not a crash.
    let closed = command(["completions", "bash"]).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
    let mut closed = closed.unwrap();
    drop(closed.stdout.take());
    assert_eq!(closed.wait().unwrap().code(), Some(1));
}

/// Every command that has no commands below it, as its words, with its help.
fn commands() -> Vec<(Vec<String>, String)> {
    let mut found = Vec::new();
    let mut open = vec![Vec::<String>::new()];
    while let Some(words) = open.pop() {
        let mut arguments = words.clone();
        arguments.push("--help".to_owned());
        let help = run(&arguments, "").ok().to_owned();
        let Some(listed) = help.split("\nCommands:\n").nth(1) else {
            found.push((words, help));
            continue;
        };
        for line in listed.lines().take_while(|line| line.starts_with("  ")) {
            let name = line.split_whitespace().next().unwrap();
            if name != "help" {
                open.push(words.iter().cloned().chain([name.to_owned()]).collect());
            }
        }
    }
    found.sort();
    found
}

/// The examples in a help, with the lines that go on joined.
fn examples(help: &str) -> Vec<String> {
    let text = help.replace("\\\n", " ");
    text.lines().filter(|line| line.starts_with("  ") && line.contains("provident ")).map(str::to_owned).collect()
}

/// Splits as a shell does, as far as the examples go; redirections and what comes before a pipe are left out.
fn words(example: &str) -> Vec<String> {
    let (_, command) = example.rsplit_once("provident ").unwrap();
    let command = command.split(['<', '>']).next().unwrap();
    let mut words = Vec::new();
    for (at, piece) in command.split('\'').enumerate() {
        if at % 2 == 1 {
            words.push(piece.to_owned());
        } else {
            words.extend(piece.split_whitespace().map(str::to_owned));
        }
    }
    words
}

#[test]
fn every_command_has_an_example_that_can_be_typed() {
    let site = Site::new();
    let commands = commands();
    assert!(commands.len() >= 25, "{}", commands.len());
    for (name, help) in commands {
        assert!(
            help.lines().next().is_some_and(|line| !line.is_empty() && !line.starts_with("Usage")),
            "{name:?} says nothing"
        );
        let examples = examples(&help);
        assert!(!examples.is_empty(), "{name:?} has no example");
        for example in examples {
            let words = words(&example);
            assert!(example.contains(&name.join(" ")), "{name:?} shows another command: {example}");
            let placeholder = ["USER", "OWNER", "ENV", "ITEM", "OTHER", "BINDING", "TOKEN", "CONNECTION", "RUN"];
            let words: Vec<String> = words
                .into_iter()
                .map(|word| {
                    if placeholder.contains(&word.as_str()) {
                        "00000000-0000-7000-8000-000000000001".into()
                    } else {
                        word
                    }
                })
                .collect();
            let whole = if words.iter().any(|word| word == "--data-dir") { words } else { site.arguments(&words) };
            let ran = run_command(command(whole).current_dir(site.place()), b"");
            // It is understood; what it names is not there.
            let complaint: String = ran.stderr.lines().next().unwrap_or_default().into();
            let no_file = ["file-unreadable", "config-unreadable"];
            let understood = ran.code != 2 || no_file.iter().any(|code| complaint.starts_with(code));
            assert!(understood, "{example}: {ran:?}");
        }
    }
}

#[test]
fn help_and_version_are_results_and_slips_are_not() {
    let help = run(["--help"], "");
    for code in 0..=6 {
        assert!(
            help.ok().lines().any(|line| line.starts_with(&format!("  {code}  "))),
            "exit code {code} is not told of"
        );
    }
    assert!(run(["--version"], "").ok().starts_with("provident 0."));
    for slip in [
        &[] as &[&str],
        &["nothing"],
        &["key"],
        &["key", "derive", "a", "b"],
        &["batch", "--adapter"],
        &["--format", "xml", "init"],
    ] {
        let ran = run(slip, "");
        assert!(ran.code == 2 && ran.stdout.is_empty() && !ran.stderr.is_empty(), "{slip:?}: {ran:?}");
    }
}

#[test]
fn errors_are_json_when_json_is_asked_for() {
    let site = Site::new();
    let cases: &[(&[&str], i32, &str)] = &[
        (&["key", "parse"], 2, "bad-usage"),
        (&["nothing"], 2, "bad-usage"),
        (&["key", "derive", "/nonexistent"], 2, "file-unreadable"),
        (&["key", "derive", "/"], 2, "file-unreadable"),
        (&["key", "parse", "no"], 3, "refused"),
        (&["key", "derive", "--adapter", "nobody"], 2, "component-unknown"),
        (&["key", "derive", "--adapter", "nobody.wasm"], 2, "file-unreadable"),
        (&["key", "derive", "--adapter", "fake", "--adapter-sha256", "00"], 2, "component-digest-mismatch"),
        (&["component", "export", "fake"], 2, "file-required"),
        (&["user", "list"], 1, "database-unmigrated"),
        (&["--database-url", "mysql://x", "user", "list"], 1, "database-url-invalid"),
    ];
    for (arguments, code, name) in cases {
        for format in [&["--format", "json"] as &[&str], &["--format=json"]] {
            let arguments = arguments.iter().chain(format);
            let own = !arguments.clone().any(|argument| *argument == "--database-url");
            let ran = if own { site.run(arguments.copied()) } else { run(arguments, "") };
            let error = ran.error();
            assert_eq!((ran.code, error["code"].as_str()), (*code, Some(*name)), "{ran:?}");
            let message = error["message"].as_str().unwrap();
            assert!(!message.is_empty() && !message.ends_with('.') || *name == "bad-usage", "{message}");
            assert_eq!(ran.stderr.lines().count(), 1, "one line: {ran:?}");
        }
        let plain = site.run(*arguments);
        if *name != "bad-usage" && plain.code == *code {
            assert!(plain.stderr.starts_with(&format!("{name}: ")), "{plain:?}");
        }
    }
}

#[test]
fn an_adapter_file_is_used_only_when_it_is_pinned() {
    let site = Site::new();
    let file = site.place().join("fake.WASM").display().to_string();
    let _ = run(["component", "export", "fake", &file], "").ok();
    let digest = sha256(std::fs::read(&file).unwrap());
    let widget = "{\"kind\":\"widget\",\"ref\":\"A:1\"}";
    let unpinned = run(["key", "derive", "--adapter", &file], widget);
    assert_eq!(unpinned.code, 2);
    assert!(unpinned.stderr.starts_with("adapter-not-pinned: ") && unpinned.stderr.contains(&digest), "{unpinned:?}");
    let embedded = run(["key", "derive", "--adapter", "fake"], widget);
    for pin in [digest.clone(), format!("sha256:{digest}"), digest.to_uppercase()] {
        assert_eq!(run(["key", "derive", "--adapter", &file, "--adapter-sha256", &pin], widget), embedded);
        assert_eq!(run(["key", "derive", "--adapter", "fake", "--adapter-sha256", &pin], widget), embedded);
    }
    let other = "0".repeat(64);
    for adapter in [file.as_str(), "fake"] {
        let refused = run(["key", "derive", "--adapter", adapter, "--adapter-sha256", &other], widget);
        assert!(refused.code == 2 && refused.stderr.starts_with("component-digest-mismatch: "), "{refused:?}");
    }
    for junk in ["", "\0asm", "not a component"] {
        let file = site.file("junk.wasm", junk);
        let refused = run(["batch", "--adapter", &file, "--adapter-sha256", &sha256(junk)], "");
        assert!(refused.code == 2 && refused.stderr.starts_with("component-unusable: "), "{refused:?}");
    }
}

#[test]
fn nothing_is_coloured_that_is_not_for_a_terminal() {
    let site = Site::ready();
    let owner = site.tenant("acme");
    let mut seen: Vec<Ran> =
        vec![run(["--help"], ""), run(["key"], ""), run(["nothing"], ""), site.run(["user", "list"])];
    seen.push(owner.run(["inventory", "list"]));
    seen.push(owner.run(["binding", "show", "00000000-0000-7000-8000-000000000001"]));
    seen.push(owner.run([
        "import",
        "--adapter",
        "fake",
        &site.file("a.json", "{\"kind\":\"widget\",\"ref\":\"A\"} \n[]"),
    ]));
    let mut loud = command(["nothing"]);
    seen.push(run_command(loud.env("TERM", "xterm-256color").env("COLORTERM", "truecolor"), b""));
    for ran in seen {
        assert!(!ran.stdout.contains('\u{1b}') && !ran.stderr.contains('\u{1b}'), "{ran:?}");
        assert!(!ran.stdout.contains('\r') && !ran.stderr.contains('\r'), "{ran:?}");
    }
}

#[test]
fn nothing_stored_can_steer_a_terminal() {
    let site = Site::ready();
    let owner = site.tenant("acme");
    let title = "\u{1b}[31mred\u{1b}[0m\u{7}\u{9b}2J\r\nnext";
    let _ = owner.imports(&json!({ "kind": "widget", "ref": "A", "title": title }).to_string());
    let table = owner.run(["inventory", "list"]);
    assert!(table.ok().contains("red") && table.stdout.lines().count() == 2, "{table:?}");
    assert!(!table.stdout.chars().any(|c| c.is_control() && c != '\n'), "{table:?}");
    assert_eq!(owner.json(["inventory", "list"])["items"][0]["display_label"], title);
    let evil = "\u{1b}[2J";
    let refused = owner.run(["binding", "lookup", evil]);
    assert!(
        refused.code == 3 && !refused.stdout.contains('\u{1b}') && !refused.stderr.contains('\u{1b}'),
        "{refused:?}"
    );
}
