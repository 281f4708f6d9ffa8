//! Who acts, and where: said on the command line of every command that touches a workspace, and taken from nowhere else.
//! And where an installation lies: the data directory, its files and their modes.

#![cfg(test)]

use std::fs;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use provident_tests::console::{Person, Ran, Site, command, run, run_command, text};
use provident_tests::database::{Engine, on_both_engines_empty};
use provident_tests::program;
use serde_json::json;

/// Names under which other programs take such things from the environment, or ours might.
const PREFIXES: [&str; 4] = ["PROVIDENT_", "", "CLAP_", "PROVIDENT_CLI_"];
const NAMES: [&str; 14] = [
    "AS",
    "USER",
    "ACTOR",
    "USER_ID",
    "ACTOR_ID",
    "WORKSPACE",
    "WORKSPACE_ID",
    "ENVIRONMENT",
    "ENVIRONMENT_ID",
    "ENV",
    "TENANT",
    "TENANT_ID",
    "MANAGED_ENVIRONMENT_ID",
    "SCOPE",
];
/// Files in which other programs keep such things.
const FILES: [&str; 11] = [
    "provident.toml",
    ".provident.toml",
    "provident.json",
    ".providentrc",
    "config.toml",
    "config.json",
    ".env",
    "provident.yaml",
    "provident.conf",
    "last-used",
    "state.json",
];

/// A world in which everything that might supply actor, workspace and environment says the right thing.
fn with_everything_said(command: &mut Command, owner: &Person<'_>) {
    let home = owner.site.place().join("home");
    let folders = [
        home.clone(),
        home.join(".config"),
        home.join(".config/provident"),
        home.join(".provident"),
        owner.site.data_dir(),
    ];
    let toml = format!(
        "as = \"{0}\"\nuser = \"{0}\"\nworkspace = \"{1}\"\nenvironment = \"{2}\"\n",
        owner.id, owner.workspace, owner.environment
    );
    let said =
        json!({ "as": owner.id, "user": owner.id, "workspace": owner.workspace, "environment": owner.environment })
            .to_string();
    for folder in &folders {
        fs::create_dir_all(folder).unwrap();
        for name in FILES {
            let path = folder.join(name);
            if !path.is_dir() {
                fs::write(path, if name.ends_with("json") { &said } else { &toml }).unwrap();
            }
        }
    }
    for prefix in PREFIXES {
        for name in NAMES {
            let value = match name {
                _ if name.contains("WORKSPACE") || name.starts_with("TENANT") => &owner.workspace,
                _ if name.contains("ENV") => &owner.environment,
                _ => &owner.id,
            };
            command.env(format!("{prefix}{name}"), value);
        }
    }
    command
        .env("HOME", &home)
        .env("XDG_CONFIG_HOME", home.join(".config"))
        .env("XDG_STATE_HOME", &home)
        .current_dir(&home);
}

/// Every command that takes an actor, complete, as its words and what follows them.
fn scoped(owner: &Person<'_>, export: &str) -> Vec<Vec<String>> {
    let id = "00000000-0000-7000-8000-000000000001";
    let key = "provider:fake:policy:widgetPolicy:widget:id:A";
    let commands: &[&[&str]] = &[
        &["workspace", "add-member", "--user", id, "--role", "readonly"],
        &["workspace", "change-role", "--user", id, "--role", "readonly"],
        &["workspace", "remove-member", "--user", id],
        &["workspace", "members"],
        &["environment", "create", "--name", "Another"],
        &["environment", "list"],
        &["environment", "entitle", "--user", id],
        &["environment", "withdraw", "--user", id],
        &["import", "--adapter", "fake", export],
        &["registry", "sync", export],
        &["inventory", "list"],
        &["inventory", "show", id],
        &["binding", "create", "--subject", key, "--resource", key, "--note", "n", "--domain", "things"],
        &["binding", "exclude", "--subject", key, "--note", "n", "--domain", "things"],
        &["binding", "accept", "--subject", key, "--note", "n", "--domain", "things"],
        &["binding", "mark-unsupported", "--subject", key, "--note", "n", "--domain", "things"],
        &["binding", "mark-missing", "--subject", key, "--note", "n", "--domain", "things"],
        &["binding", "supersede", id, "--mode", "accepted_limitation", "--note", "n"],
        &["binding", "revoke", id, "--note", "n"],
        &["binding", "redact-note", id],
        &["binding", "show", id],
        &["binding", "list"],
        &["binding", "lookup", key],
        &["binding", "bulk-create", export],
        &["binding", "bound-to", key],
        &["binding", "history", id],
        &["connection", "create", "--provider", "fake", "--name", "Another"],
        &["connection", "list"],
        &["connection", "show", id],
        &["connection", "update", id, "--name", "Renamed"],
        &["connection", "make-default", id],
        &["connection", "enable", id],
        &["connection", "disable", id],
        &["credential", "set", id],
        &["run", "start", "--operation", "health.check", "--provider", "fake"],
        &["run", "list"],
        &["run", "show", id],
        &["run", "watch", id],
        &["run", "cancel", id],
        &["audit", "list"],
        &["audit", "verify"],
        &["audit", "checkpoint"],
        &["audit", "export"],
    ];
    commands.iter().map(|command| owner.arguments(*command)).collect()
}

fn without(arguments: &[String], name: &str) -> Option<Vec<String>> {
    let at = arguments.iter().position(|argument| argument == name)?;
    let mut left = arguments.to_vec();
    left.drain(at..at + 2);
    Some(left)
}

#[test]
fn actor_workspace_and_environment_come_from_the_command_line_alone() {
    let site = Site::ready();
    let owner = site.tenant("acme");
    let export = site.file("export.json", "[]");
    // Last used, as far as anything could have been remembered.
    let _ = owner.run(["binding", "list"]).ok();
    let mut tried = 0;
    for arguments in scoped(&owner, &export) {
        for name in ["--as", "--workspace", "--environment"] {
            let Some(left) = without(&arguments, name) else { continue };
            let mut command = command(site.arguments(&left));
            with_everything_said(&mut command, &owner);
            let ran = run_command(&mut command, b"");
            assert!(ran.code == 2 && ran.stdout.is_empty(), "{left:?} went on without {name}: {ran:?}");
            assert!(ran.stderr.contains(name), "{left:?}: {}", ran.stderr);
            tried += 1;
        }
    }
    assert!(tried >= 55, "{tried}");
}

#[test]
fn every_command_that_touches_a_workspace_is_among_those_tried() {
    let site = Site::ready();
    let owner = site.tenant("acme");
    let tried: Vec<String> = scoped(&owner, "x").iter().map(|arguments| arguments[..2].join(" ")).collect();
    let mut open = vec![String::new()];
    let mut scoped_commands = 0;
    while let Some(name) = open.pop() {
        let words: Vec<&str> = name.split_whitespace().chain(["--help"]).collect();
        let help = run(&words, "").ok().to_owned();
        if let Some(listed) = help.split("\nCommands:\n").nth(1) {
            let names = listed
                .lines()
                .take_while(|line| line.starts_with("  "))
                .filter_map(|line| line.split_whitespace().next());
            open.extend(names.filter(|word| *word != "help").map(|word| format!("{name} {word}")));
            continue;
        }
        let takes = |argument: &str| help.contains(&format!("\n      {argument} <"));
        let system = [
            "init",
            "serve",
            "config check",
            "healthcheck",
            "migrate up",
            "migrate down",
            "migrate status",
            "migrate roles",
            "database copy",
            "housekeeping",
            "worker",
            "master-key rotate",
            "master-key status",
            "master-key generate",
            "user create",
            "user list",
            "user disable",
            "user link",
            "user unlink",
            "user identities",
            "token create",
            "token list",
            "token revoke",
            "workspace create",
            "workspace list",
            "batch",
            "completions bash",
        ];
        let pure =
            name.trim().starts_with("key ") || name.trim().starts_with("component ") || name.trim() == "completions";
        if takes("--as") {
            scoped_commands += 1;
            assert!(takes("--workspace"), "{name} names no workspace");
            assert!(tried.iter().any(|tried| tried.starts_with(name.trim())), "{name} was not tried");
        } else {
            assert!(pure || system.contains(&name.trim()), "{name} acts for nobody");
        }
        // All that the environment may supply is where the data lies, and how it is served.
        for from_environment in help.split("[env:").skip(1) {
            let named = from_environment.split(']').next().unwrap().split_whitespace().collect::<String>();
            let known =
                ["PROVIDENT_DATA_DIR", "PROVIDENT_DATABASE_URL,DATABASE_URL", "PROVIDENT_CONFIG"].contains(&&*named);
            assert!(known, "{name}: {named}");
        }
    }
    assert_eq!(scoped_commands, tried.len());
}

#[test]
fn nothing_is_remembered_between_commands() {
    let site = Site::ready();
    let owner = site.tenant("acme");
    let home = site.place().join("empty-home");
    fs::create_dir(&home).unwrap();
    let before = listing(&site.data_dir());
    let mut list = command(site.arguments(owner.arguments(["binding", "list"])));
    let _ = run_command(list.env("HOME", &home).current_dir(&home), b"").ok();
    assert_eq!(fs::read_dir(&home).unwrap().count(), 0, "a command left something in the home");
    assert_eq!(listing(&site.data_dir()), before);
}

fn listing(folder: &Path) -> Vec<String> {
    let mut names: Vec<String> =
        fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[test]
fn an_environment_of_another_workspace_is_not_found_in_this_one() {
    on_both_engines_empty(|database| async move {
        let site = Site::on(database);
        let _ = site.run(["init"]).ok();
        let (acme, rival) = (site.tenant("acme"), site.tenant("rival"));
        let lost = Person { environment: rival.environment.clone(), ..acme.clone() };
        for list in [["binding", "list"], ["inventory", "list"], ["audit", "list"]] {
            let arguments = [list[0], list[1], "--environment", &lost.environment];
            assert_eq!(acme.run(arguments).code, 4, "{list:?}");
        }
        let denied = lost.run([
            "binding",
            "exclude",
            "--subject",
            "provider:fake:policy:w:w:id:A",
            "--domain",
            "d",
            "--note",
            "n",
        ]);
        assert_eq!(denied.code, 4);
        assert_eq!(rival.json(["binding", "list"])["items"], json!([]));
    });
}

#[test]
fn hidden_and_missing_print_the_same() {
    on_both_engines_empty(|database| async move {
        let site = Site::on(database);
        let _ = site.run(["init"]).ok();
        let owner = site.tenant("acme");
        let reader = owner.adds("readonly", true);
        let stranger = Person { id: site.user("Stranger"), ..owner.clone() };
        let hidden = Person {
            environment: text(&owner.json(["environment", "create", "--name", "Hidden"]), "id"),
            ..owner.clone()
        };
        let _ = hidden.imports("{\"kind\":\"widget\",\"ref\":\"A\"}");
        let item = hidden.item("provider:fake:policy:widgetPolicy:widget:id:A");
        let bound = hidden.json(["binding", "exclude", "--subject-item", &item, "--note", "hidden"]);
        let binding = text(&bound, "id");
        let nothing = "00000000-0000-7000-8000-00000000dead";
        let nobody = Person { id: nothing.to_owned(), ..owner.clone() };
        let nowhere = Person { workspace: "nowhere".to_owned(), ..owner.clone() };
        let by_id: &[&[&str]] = &[
            &["binding", "show", "ID"],
            &["binding", "history", "ID"],
            &["binding", "revoke", "ID", "--note", "n"],
            &["binding", "supersede", "ID", "--mode", "missing_expected", "--note", "n"],
            &["binding", "redact-note", "ID"],
        ];
        let mut compared = 0;
        let mut same = |one: Ran, other: Ran| {
            assert_eq!(one.code, 4, "{one:?}");
            assert_eq!(one, other);
            assert!(one.stdout.is_empty() && one.stderr.len() < 80, "{one:?}");
            compared += 1;
        };
        for command in by_id {
            let of = |id: &str| -> Vec<String> {
                command.iter().map(|word| if *word == "ID" { id.to_owned() } else { (*word).to_owned() }).collect()
            };
            for person in [&reader, &stranger, &nobody, &nowhere] {
                same(person.run(of(&binding)), person.run(of(nothing)));
            }
            // As JSON too.
            let json = |id| reader.run(of(id).iter().map(String::as_str).chain(["--format", "json"]));
            same(json(&binding), json(nothing));
        }
        same(reader.run(["inventory", "show", &item]), reader.run(["inventory", "show", nothing]));
        let in_environment: &[&[&str]] = &[
            &["binding", "list"],
            &["inventory", "list"],
            &["binding", "lookup", "provider:fake:policy:w:w:id:A"],
            &["binding", "exclude", "--subject", "provider:fake:policy:w:w:id:A", "--domain", "d", "--note", "n"],
        ];
        for command in in_environment {
            let command: &[&str] = command;
            for person in [&reader, &stranger, &nobody] {
                let at =
                    |environment: &str| Person { environment: environment.to_owned(), ..person.clone() }.run(command);
                same(at(&hidden.environment), at(nothing));
            }
            same(stranger.run(command), nowhere.run(command));
        }
        assert_eq!(compared, 5 * 5 + 1 + 4 * 4, "comparisons");
        assert_eq!(
            text(&hidden.json(["binding", "show", &binding]), "binding_status"),
            "active",
            "nothing of it was done"
        );
    });
}

#[test]
fn data_lies_where_the_platform_keeps_data_unless_told_otherwise() {
    let site = Site::new();
    for (name, set, expected) in
        [("home", "HOME", "home/.local/share/provident"), ("xdg", "XDG_DATA_HOME", "xdg/provident")]
    {
        let folder = site.place().join(name);
        fs::create_dir(&folder).unwrap();
        let ran = run_command(command(["init"]).env(set, &folder), b"");
        let _ = ran.ok();
        assert_eq!(listing(&site.place().join(expected)), ["master.key", "provident.sqlite"], "{ran:?}");
        let users = run_command(command(["user", "create", "--name", "Ada"]).env(set, &folder), b"");
        assert!(users.ok().contains("Ada"));
    }
    let chosen = site.place().join("chosen/deep");
    let _ = run(["--data-dir", &chosen.display().to_string(), "init"], "").ok();
    assert_eq!(listing(&chosen), ["master.key", "provident.sqlite"]);
    let elsewhere = site.place().join("elsewhere.db").display().to_string();
    let mut given = command(["--data-dir", &chosen.display().to_string(), "init"]);
    let _ = run_command(given.env("DATABASE_URL", format!("sqlite:{elsewhere}")), b"");
    assert!(Path::new(&elsewhere).exists(), "the one thing the environment may name");
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o7777
}

#[test]
fn what_lies_in_the_data_directory_is_its_owners_alone() {
    let site = Site::new();
    // Not even a shell that hides nothing opens them.
    let permissive = |arguments: Vec<String>| {
        let mut shell = Command::new("/bin/sh");
        shell.args(["-c", "umask 000; exec \"$0\" \"$@\""]).arg(program::path().unwrap()).args(arguments).env_clear();
        shell
    };
    let _ = run_command(&mut permissive(site.arguments(["init"])), b"").ok();
    assert_eq!(mode(&site.data_dir()), 0o700);
    let owner = site.tenant("acme");
    // An import that waits for its input holds the database open.
    let waiting = permissive(site.arguments(owner.arguments(["import", "--adapter", "fake", "-"])))
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .spawn();
    let mut waiting = waiting.unwrap();
    let started = Instant::now();
    let open = loop {
        let open = listing(&site.data_dir());
        if open.len() == 4 || started.elapsed() > Duration::from_secs(20) {
            break open;
        }
        std::thread::sleep(Duration::from_millis(10));
    };
    assert_eq!(open, ["master.key", "provident.sqlite", "provident.sqlite-shm", "provident.sqlite-wal"]);
    for name in open {
        assert_eq!(mode(&site.data_dir().join(&name)), 0o600, "{name}");
    }
    waiting.stdin.take().unwrap().write_all(b"{\"kind\":\"widget\",\"ref\":\"A\"}\n").unwrap();
    assert!(waiting.wait().unwrap().success());
    assert_eq!(listing(&site.data_dir()), ["master.key", "provident.sqlite"]);
}

#[test]
fn a_master_key_that_others_can_read_is_not_used() {
    let site = Site::ready();
    let key = site.data_dir().join("master.key");
    for (mode, code) in [(0o640, "master-key-exposed"), (0o604, "master-key-exposed"), (0o600, "")] {
        fs::set_permissions(&key, fs::Permissions::from_mode(mode)).unwrap();
        let ran = site.run(["user", "list"]);
        assert_eq!((ran.code, ran.stderr.split(':').next().unwrap()), (i32::from(!code.is_empty()), code), "{ran:?}");
    }
    let kept = fs::read(&key).unwrap();
    fs::remove_file(&key).unwrap();
    let missing = site.run(["user", "list"]);
    assert!(missing.code == 1 && missing.stderr.starts_with("master-key-missing: "), "{missing:?}");
    // Set-up does not make another key for what was sealed under the lost one.
    let again = site.run(["init"]);
    assert!(again.code == 1 && again.stderr.starts_with("master-key-missing: ") && !key.exists(), "{again:?}");
    fs::write(&key, &kept).unwrap();
    fs::set_permissions(&key, fs::Permissions::from_mode(0o600)).unwrap();
    let _ = site.run(["init"]).ok();
    let text = String::from_utf8(kept).unwrap();
    let secret = text.split(':').nth(2).unwrap();
    for ran in [again, missing] {
        assert!(!ran.stderr.contains(secret));
    }
}

#[test]
fn what_is_not_set_up_says_which_command_does_it() {
    on_both_engines_empty(|database| async move {
        let site = Site::on(database);
        // Nobody has made the tables.
        if site.database().unwrap().engine() == Engine::Postgres {
            site.database().unwrap().migrate_down(0).await.unwrap();
        }
        let owner = Person {
            site: &site,
            id: "00000000-0000-7000-8000-000000000001".into(),
            workspace: "acme".into(),
            environment: "00000000-0000-7000-8000-000000000002".into(),
        };
        for ran in [site.run(["user", "list"]), site.run(["workspace", "list"]), owner.run(["binding", "list"])] {
            assert_eq!(ran.code, 1);
            assert!(
                ran.stderr.starts_with("database-unmigrated: ") && ran.stderr.contains("`provident init`"),
                "{ran:?}"
            );
        }
        assert!(!site.data_dir().exists(), "asking makes nothing");
        // Tables, and no set-up.
        site.database().unwrap().migrate().await.unwrap();
        let _ = site.file("unused", "");
        let uninitialised = site.run(["user", "list"]);
        assert_eq!(uninitialised.code, 1);
        assert!(uninitialised.stderr.contains("provident init"), "{uninitialised:?}");
        let _ = site.run(["init"]).ok();
        let _ = site.run(["init"]).ok();
        assert!(site.run(["user", "list"]).ok().starts_with("USER"));
    });
}
