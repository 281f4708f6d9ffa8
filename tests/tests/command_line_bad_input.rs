//! Whatever comes in: a typed error or a refusal for each item, the next item goes on, and memory stays bounded. Figures
//! are printed.

#![cfg(test)]

use std::io::{self, Write};

use provident_tests::console::{Measured, Ran, Site, measure, run, text};
use serde_json::{Value, json};

/// No run may need more, whatever it reads.
const PEAK_MIB: u64 = 200;

const GOOD_KEY: &str = "provider:fake:policy:widgetPolicy:widget:id:A";

fn good_subject() -> String {
    json!({
        "identity": { "provider_key": "fake", "resource_type": "widget", "provider_resource_id": "A", "tenant_owned": true },
        "subject_class": "policy", "subject_type_key": "widgetPolicy",
    })
    .to_string()
}

fn good_raw() -> String {
    json!({ "kind": "widget", "ref": "A" }).to_string()
}

fn mib(count: usize) -> Vec<u8> {
    vec![b'x'; count << 20]
}

fn deep(levels: usize) -> String {
    "[".repeat(levels) + &"]".repeat(levels)
}

/// Lines that are nothing to any reader of lines, and the code each is refused with.
fn hostile_lines() -> Vec<(Vec<u8>, &'static str)> {
    let text = |line: &str| line.as_bytes().to_vec();
    vec![
        (text("{"), "malformed-request"),
        (text("not json"), "malformed-request"),
        (text("[1]"), "malformed-request"),
        (text("\"text\""), "malformed-request"),
        (text("{\"identity\":{\"provider_key\":\"fake\",\"provider_key\":\"fake\"}}"), "malformed-request"),
        (text("{\"subject_class\":7}"), "malformed-request"),
        (text(&deep(100_000)), "request-too-large"),
        (text(&deep(20_000)), "malformed-request"),
        (b"{\"subject_class\":\"\xFF\"}".to_vec(), "invalid-utf8"),
        (b"\xFF\xFE{\0}\0".to_vec(), "invalid-utf8"),
        (mib(10), "request-too-large"),
        ([b"{\"subject_class\":\"".to_vec(), mib(10), b"\"}".to_vec()].concat(), "request-too-large"),
        (text("{\"subject_class\":\"policy\",\"label\":\"x\"}"), "unknown-field"),
        (text("\u{FEFF}{}"), "malformed-request"),
        (text("{\"identity\":{\"fingerprint\":\"\\ud800\"}}"), "malformed-request"),
        (b"{\"subject_type_key\":\"\0\"}".to_vec(), "malformed-request"),
    ]
}

/// The replies to hostile items with a good one behind each: every refusal with its code, every good one answered.
fn between_good_ones(what: &str, arguments: &[&str], good: &str, hostile: &[(Vec<u8>, &str)]) {
    let mut input: Vec<u8> = Vec::new();
    for (line, _) in hostile {
        input.extend_from_slice(line);
        input.extend_from_slice(b"\r\n");
        input.extend_from_slice(good.as_bytes());
        input.push(b'\n');
    }
    let ran = run(arguments, &input);
    let replies = ran.lines();
    assert_eq!(replies.len(), 2 * hostile.len(), "{what}: {}", ran.stderr);
    for (at, (line, code)) in hostile.iter().enumerate() {
        let refused = &replies[2 * at];
        let shown = String::from_utf8_lossy(&line[..line.len().min(60)]).into_owned();
        assert_eq!(refused["error"]["code"].as_str(), Some(*code), "{what}: {shown}: {refused}");
        let message = text(&refused["error"], "message");
        assert!(message.len() < 400 && !message.chars().any(char::is_control), "{what}: {message}");
        assert!(replies[2 * at + 1].get("ok").is_some(), "{what}: after {shown}: {}", replies[2 * at + 1]);
    }
    let refused = hostile.len();
    assert_eq!((ran.code, ran.stderr), (3, format!("refused: {refused} of {} refused\n", 2 * refused)), "{what}");
}

#[test]
fn a_hostile_line_is_refused_and_the_next_one_answered() {
    between_good_ones("key derive", &["key", "derive"], &good_subject(), &hostile_lines());
    let about = "{\"op\":\"about\"}";
    let in_a_request = |(line, code): (Vec<u8>, &'static str)| {
        // A line that is one JSON object becomes the input of a request; the others stand as they are.
        let object = line.starts_with(b"{") && line.ends_with(b"}");
        (if object { [b"{\"op\":\"derive\",\"input\":", line.as_slice(), b"}"].concat() } else { line }, code)
    };
    let requests: Vec<_> = hostile_lines().into_iter().map(in_a_request).collect();
    between_good_ones("batch", &["batch"], about, &requests);
    between_good_ones("batch --adapter", &["batch", "--adapter", "fake"], about, &requests);
}

#[test]
fn a_hostile_document_is_refused_and_the_next_one_read() {
    let document = |text: &str| text.as_bytes().to_vec();
    let large = |before: &str, after: &str| [before.as_bytes().to_vec(), mib(10), after.as_bytes().to_vec()].concat();
    let hostile: Vec<(Vec<u8>, &str)> = vec![
        (document("not json"), "malformed-document"),
        (document("{\"kind\":"), "malformed-document"),
        (document("7"), "malformed-document"),
        (document("{\"kind\":\"widget\",\"kind\":\"widget\"}"), "malformed-document"),
        (document("{\"kind\":\"widget\",\"ref\":7}"), "malformed-document"),
        (document("{\"kind\":\"widget\"}"), "missing-identity"),
        (document("{\"kind\":\"gizmo\",\"ref\":\"A\"}"), "unknown-type"),
        (document("{\"kind\":\"widget\",\"ref\":\" A\"}"), "surrounding-whitespace"),
        (document("{\"kind\":\"widget\",\"ref\":\"\\u0000\"}"), "control-character"),
        (document(&deep(100_000)), "malformed-document"),
        (large("", ""), "document-too-large"),
        (large("{\"kind\":\"widget\",\"ref\":\"A\",\"settings\":\"", "\"}"), "document-too-large"),
        (large("{\n\"kind\":\"widget\",\n\"settings\":\"\\\"}", "\"\n}"), "document-too-large"),
        (large("{\n\"kind\":\"widget\",\n\"settings\":[\n\"", "\"\n]}"), "document-too-large"),
        (b"{\"kind\":\"widget\",\"ref\":\"\xFF\"}".to_vec(), "invalid-utf8"),
        (b"\xFF\xFE{\0}\0".to_vec(), "malformed-document"),
    ];
    between_good_ones("key derive --adapter", &["key", "derive", "--adapter", "fake"], &good_raw(), &hostile);
    // What is deep and ignored is no matter, and neither is a large ignored member within a document.
    let ignored = format!(
        "{{\"kind\":\"widget\",\"ref\":\"A\",\"deep\":{},\"large\":\"{}\"}}",
        deep(100_000),
        "x".repeat(7 << 20)
    );
    let ran = run(["key", "derive", "--adapter", "fake"], ignored);
    assert_eq!((ran.code, &ran.lines()[0]["ok"]["key"]), (0, &json!(GOOD_KEY)), "{}", ran.stderr);
}

#[test]
fn an_import_reports_every_refusal_with_its_place_and_takes_the_rest() {
    let site = Site::ready();
    let owner = site.tenant("acme");
    let export = [
        b"\xEF\xBB\xBF{\"kind\":\"widget\",\"ref\":\"A\"}\r\n".as_slice(),
        b"oops\r\n\r\n",
        b"{\"items\":[{\"kind\":\"widget\"},{\"kind\":\"widget\",\"ref\":\"B\"},7]}\n",
        b"{\n  \"kind\": \"widget\",\n  \"ref\": \"C\"\n}\n",
        b"[{\"kind\":\"widget\",\"ref\":\"A\",\"rev\":\"2\"},{\"kind\":\"crew\",\"ref\":\"A\",\"area\":\"\xFF\"}]\n",
        b"{\"kind\":\"widget\",\"ref\":\"A\",\"shelf\":\"elsewhere\"}\n",
        b"{\"kind\":\"zone\",\"ref\":\"Z\",\"area\":\"eu\"}\n{\"kind\":\"zone\",\"ref\":\"Z\",\"area\":\"eu\"}\n",
        b"{\"kind\":\"widget\",\"ref\":\"D\",\n",
    ]
    .concat();
    let file = site.file("mixed.jsonl", export);
    let ran = owner.run(["import", "--adapter", "fake", &file, "--format", "json"]);
    assert_eq!((ran.code, &ran.error()["message"]), (3, &json!("5 of 11 refused")), "{ran:?}");
    let report: Value = serde_json::from_str(&ran.stdout).unwrap();
    let refusals = report["refusals"].as_array().unwrap();
    let places: Vec<(String, u64, u64, u64)> = refusals
        .iter()
        .map(|refusal| {
            assert_eq!(refusal["file"], json!(file));
            let number = |member: &str| refusal[member].as_u64().unwrap();
            (text(refusal, "code"), number("position"), number("line"), number("document_position"))
        })
        .collect();
    let expected = [
        ("malformed-document", 1, 2, 0),
        ("missing-identity", 2, 4, 0),
        ("malformed-document", 4, 4, 2),
        ("invalid-utf8", 6, 9, 0),
        ("malformed-document", 10, 13, 0),
    ];
    let expected: Vec<_> = expected.map(|(code, position, line, at)| (code.to_owned(), position, line, at)).into();
    assert_eq!(places, expected, "{report}");
    let counts =
        ["objects", "imported", "added", "changed", "unchanged", "refused"].map(|name| report[name].as_u64().unwrap());
    assert_eq!(counts.iter().skip(2).sum::<u64>(), counts[0], "an answer for every object: {report}");
    let table = owner.run(["import", "--adapter", "fake", &file]);
    assert!(table.code == 3 && table.stdout.contains(&format!("{file}:4 object 2")), "{table:?}");
    assert_eq!(table.stderr, "refused: 5 of 11 refused\n");
    assert_eq!(owner.json(["inventory", "list"])["items"].as_array().unwrap().len(), 4);
}

#[test]
fn what_is_no_file_stops_a_command_before_anything_is_written() {
    let site = Site::ready();
    let owner = site.tenant("acme");
    let good = site.file("good.jsonl", good_raw());
    let folder = site.place().display().to_string();
    let events = || owner.json(["audit", "list"]).as_array().unwrap().len();
    let before = events();
    for bad in [folder.as_str(), "/nonexistent/export.json", "/dev/null/x"] {
        let import = owner.run(["import", "--adapter", "fake", &good, bad]);
        assert!(import.code == 2 && import.stderr.starts_with(&format!("file-unreadable: {bad}: ")), "{import:?}");
        let derive = run(["key", "derive", bad], "");
        assert!(derive.code == 2 && derive.stderr.starts_with(&format!("file-unreadable: {bad}: ")), "{derive:?}");
    }
    assert_eq!(events(), before);
    // Nothing in it is not nothing given.
    for empty in ["", "\n\n", "\u{FEFF}", " \t\r\n", "[]", "{\"items\":[]}"] {
        let file = site.file("empty.json", empty);
        assert_eq!(owner.json(["import", "--adapter", "fake", &file])["objects"], 0, "{empty:?}");
        assert_eq!(run(["key", "derive", "--adapter", "fake", &file], "").ok(), "", "{empty:?}");
    }
    assert_eq!(run(["key", "derive"], "").ok(), "");
    assert_eq!(owner.run_with(["binding", "lookup", "--format", "json"], "\n\r\n").json(), json!([]));
}

#[test]
fn a_key_that_is_none_is_refused_in_its_place() {
    let site = Site::ready();
    let owner = site.tenant("acme");
    let lines: [(&[u8], &str); 6] = [
        (b"\xFF\xFE", "unknown-scheme"),
        (b"provider:fake:policy:a:b:id:\xC3", "bad-escape"),
        (&mib(10), "key-too-long"),
        (b"provider:fake:policy:a:b:id:a b", "bad-escape"),
        (b"\xEF\xBB\xBFprovider:fake:policy:a:b:id:c", "unknown-scheme"),
        (b"{}", "unknown-scheme"),
    ];
    let mut input = format!("\u{FEFF}{GOOD_KEY}\r\n").into_bytes();
    for (line, _) in lines {
        input.extend_from_slice(line);
        input.extend_from_slice(format!("\n{GOOD_KEY}\n").as_bytes());
    }
    let ran = owner.run_with(["binding", "lookup", "--format", "json"], input);
    assert_eq!((ran.code, &ran.error()["message"]), (3, &json!("6 of 13 refused")));
    let answers: Value = serde_json::from_str(&ran.stdout).unwrap();
    for (at, answer) in answers.as_array().unwrap().iter().enumerate() {
        if at % 2 == 0 {
            assert_eq!((&answer["state"], &answer["key"]), (&json!("none"), &json!(GOOD_KEY)));
        } else {
            assert_eq!(answer["error"]["code"], lines[at / 2].1, "{at}");
        }
    }
    let keys = |count: usize| format!("{GOOD_KEY}\n").repeat(count);
    assert_eq!(owner.run_with(["binding", "lookup"], keys(10_000)).code, 0);
    let refused = owner.run_with(["binding", "lookup"], keys(10_001));
    assert!(refused.code == 3 && refused.stderr.starts_with("too-many-keys: "), "{refused:?}");
}

#[test]
fn arguments_that_are_no_text_or_no_id_are_slips() {
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt;
    let bytes = OsStr::from_bytes(b"\xFF");
    let slip = |arguments: &[&OsStr]| {
        let ran: Ran = run(arguments, "");
        assert!(ran.code == 2 && ran.stdout.is_empty(), "{ran:?}");
    };
    slip(&[OsStr::new("key"), OsStr::new("parse"), bytes]);
    slip(&[bytes]);
    let site = Site::ready();
    let owner = site.tenant("acme");
    for (name, value) in [("--as", "ada"), ("--environment", "production"), ("--as", ""), ("--environment", "0")] {
        let mut arguments = owner.arguments(["binding", "list"]);
        let at = arguments.iter().position(|argument| argument == name).unwrap();
        arguments[at + 1] = value.to_owned();
        assert_eq!(site.run(arguments).code, 2, "{name} {value}");
    }
    // A workspace nobody has is not found, whatever it looks like.
    for workspace in ["", "ACME", "acme ", "../acme", "'; DROP TABLE workspaces; --", "é", &"x".repeat(10_000)] {
        let mut lost = owner.clone();
        lost.workspace = workspace.to_owned();
        assert_eq!(lost.run(["binding", "list"]).code, 4, "{workspace}");
    }
    assert_eq!(site.json(["workspace", "list"]).as_array().unwrap().len(), 1);
}

fn bounded(measured: &Measured) {
    assert!(measured.peak_mib < PEAK_MIB, "{measured:?}");
}

/// So many subjects, every tenth of them refused.
fn subjects(count: usize, prefix: &'static str, suffix: &'static str) -> impl FnOnce(&mut dyn Write) -> io::Result<()> {
    move |out| {
        for number in 0..count {
            let class = if number % 10 == 9 { "no-class" } else { "policy" };
            writeln!(
                out,
                "{prefix}{{\"identity\":{{\"provider_key\":\"fake\",\"resource_type\":\"widget\",\"provider_resource_id\":\"{number}\"\
                 ,\"tenant_owned\":true}},\"subject_class\":\"{class}\",\"subject_type_key\":\"widgetPolicy\"}}{suffix}"
            )?;
        }
        Ok(())
    }
}

/// So many raw objects, every tenth of them refused.
fn raws(count: usize) -> impl FnOnce(&mut dyn Write) -> io::Result<()> {
    move |out| {
        for number in 0..count {
            let id = if number % 10 == 9 { "shelf" } else { "ref" };
            writeln!(
                out,
                "{{\"kind\":\"widget\",\"{id}\":\"w{number}\",\"title\":\"All doors\",\"settings\":[1,2,3]}}"
            )?;
        }
        Ok(())
    }
}

const MANY: usize = 1_000_000;
const ROW: &[u8] = &[b'x'; 1 << 16];

#[test]
fn a_million_lines_need_no_more_memory_than_a_few() {
    let batch = measure("batch, 10^6 lines", ["batch"], subjects(MANY, "{\"op\":\"derive\",\"input\":", "}"));
    let derive = measure("key derive, 10^6 lines", ["key", "derive"], subjects(MANY, "", ""));
    for measured in [&batch, &derive] {
        bounded(measured);
        assert_eq!((measured.code, measured.lines), (3, MANY as u64));
        assert_eq!(measured.stderr, "refused: 100000 of 1000000 refused\n");
        assert!(measured.start.starts_with("{\"ok\":{\"key\":\"provider:fake:policy:widgetPolicy:widget:id:0\""));
        assert!(measured.end.contains("widget:id:999998\"") && measured.end.ends_with("}\n"), "{}", measured.end);
    }
}

#[test]
fn a_million_objects_need_no_more_memory_than_a_few() {
    let measured =
        measure("key derive --adapter fake, 10^6 objects", ["key", "derive", "--adapter", "fake"], raws(MANY));
    bounded(&measured);
    assert_eq!((measured.code, measured.lines), (3, MANY as u64));
    assert_eq!(measured.stderr, "refused: 100000 of 1000000 refused\n");
}

#[test]
fn an_import_of_very_many_objects_stays_small() {
    let site = Site::ready();
    let owner = site.tenant("acme");
    let arguments = site.arguments(owner.arguments(["import", "--adapter", "fake", "-", "--format", "json"]));
    // A million take a minute and a half in a development build, and no more memory.
    let runs = [("import, 2 x 10^5 new objects", 200_000, 180_000), ("import, 2 x 10^4 known objects", 20_000, 0)];
    for (what, count, imported) in runs {
        let measured = measure(what, &arguments, raws(count));
        bounded(&measured);
        assert_eq!(measured.code, 3, "{}", measured.stderr);
        let start = format!("\"objects\": {count},\n  \"imported\": {imported},\n");
        assert!(measured.start.contains(&start), "{}", measured.start);
        let refused = format!("{} of {count} refused", count / 10);
        assert!(measured.stderr.contains(&refused), "{}", measured.stderr);
    }
}

#[test]
fn memory_stays_bounded_whatever_a_stream_is_made_of() {
    let block = |piece: &'static [u8], count: usize| {
        move |out: &mut dyn Write| {
            for _ in 0..count {
                out.write_all(piece)?;
            }
            Ok(())
        }
    };
    let adapter = &["key", "derive", "--adapter", "fake"] as &[&str];
    for arguments in [&["batch"] as &[&str], &["key", "derive"], adapter] {
        let name = arguments.join(" ");
        let endless = measure(&format!("{name}: one line of 256 MiB"), arguments, block(ROW, 1 << 12));
        bounded(&endless);
        assert_eq!((endless.code, endless.lines), (3, 1), "{}", endless.stderr);
        let blank =
            measure(&format!("{name}: 6 x 10^6 blank lines"), arguments, block(b"\n\r\n \n\n\t\n\n", 1_000_000));
        bounded(&blank);
        assert_eq!((blank.code, blank.lines), (0, 0), "{}", blank.stderr);
    }
    for (what, piece, count) in [
        ("brackets over lines", b"[\n" as &[u8], 20 << 20),
        ("brackets on one line", b"[", 40 << 20),
        ("a page over lines that never ends", b"{\"kind\":\n", 10 << 20),
        ("texts over lines", b"\"x\n", 1 << 20),
    ] {
        let measured = measure(&format!("key derive --adapter: {what}"), adapter, block(piece, count));
        bounded(&measured);
        assert_eq!(measured.code, 3, "{what}: {}", measured.stderr);
        assert!(measured.end.contains("\"error\""), "{what}");
    }
}
