//! The line protocol over streams: what comes in may be anything and of any length, every line gets its reply, the
//! next line goes on, and memory stays bounded.

#![cfg(test)]

use provident_identity::{Adapter, Answered, Identity, Lines};
use provident_tests::program;
use serde_json::{Value, json};
use std::io::{self, BufRead, BufReader, Read, Write};
use std::sync::OnceLock;
use std::thread;

fn identity() -> &'static Identity {
    static IDENTITY: OnceLock<Identity> = OnceLock::new();
    IDENTITY.get_or_init(|| Identity::embedded().unwrap())
}

/// Gives a stream in pieces of any size, as pipes do.
struct Pieces<'a> {
    rest: &'a [u8],
    bytes: usize,
}

impl Read for Pieces<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let size = self.bytes.min(buffer.len()).min(self.rest.len());
        let (piece, rest) = self.rest.split_at(size);
        buffer[..size].copy_from_slice(piece);
        self.rest = rest;
        Ok(size)
    }
}

fn answer(input: &[u8]) -> (Vec<Value>, Answered) {
    let mut replies = Vec::new();
    let answered = Lines::new(identity(), None).answer(input, &mut replies).unwrap();
    for bytes in [1, 7, 65_536] {
        // How the stream is cut up never shows. Long ones are not cut up finely.
        if input.len() / bytes < 1_000_000 {
            let mut again = Vec::new();
            let counted = Lines::new(identity(), None).answer(Pieces { rest: input, bytes }, &mut again).unwrap();
            assert_eq!((&again, counted), (&replies, answered), "pieces of {bytes} bytes");
        }
    }
    let replies = String::from_utf8(replies).unwrap();
    assert!(replies.is_empty() || replies.ends_with('\n'));
    (replies.lines().map(|line| serde_json::from_str(line).unwrap()).collect(), answered)
}

/// What each reply says: its id, and `ok` or a code.
fn told(input: &[u8]) -> Vec<String> {
    let (replies, answered) = answer(input);
    let told: Vec<String> = replies
        .iter()
        .map(|reply| {
            let outcome = match reply.get("ok") {
                Some(_) => "ok",
                None => reply.pointer("/error/code").or(reply.pointer("/errors/0/code")).unwrap().as_str().unwrap(),
            };
            format!("{} {outcome}", reply["id"].as_str().unwrap_or("-"))
        })
        .collect();
    let ok = told.iter().filter(|told| told.ends_with(" ok")).count();
    assert_eq!((answered.ok, answered.refused), (ok as u64, (told.len() - ok) as u64));
    told
}

fn about(id: &str) -> String {
    format!("{{\"id\":\"{id}\",\"op\":\"about\"}}\n")
}

#[test]
fn every_line_is_answered_in_order_whatever_the_one_before_was() {
    let mut input = about("first").into_bytes();
    for bad in [&b"nonsense"[..], b"\xFF\xFE", b"[]", b"{\"id\":\"x\",\"op\":\"nope\"}", b"{", b"\0"] {
        input.extend(bad);
        input.push(b'\n');
        input.extend(about("next").into_bytes());
    }
    let (bad, next) = (["malformed-request"; 4], "next ok");
    assert_eq!(
        told(&input),
        [
            "first ok",
            &format!("- {}", bad[0]),
            next,
            "- invalid-utf8",
            next,
            &format!("- {}", bad[1]),
            next,
            "x unknown-op",
            next,
            &format!("- {}", bad[2]),
            next,
            &format!("- {}", bad[3]),
            next,
        ]
    );
}

#[test]
fn blank_lines_have_no_reply() {
    assert_eq!(told(b""), [""; 0]);
    assert_eq!(told(b"\n\r\n \t \n\t\r\n"), [""; 0]);
    assert_eq!(told(format!("\n{}\r\n{}\n", about("a"), about("b").trim_end()).as_bytes()), ["a ok", "b ok"]);
    assert_eq!(told(" ".repeat(65_536).as_bytes()), [""; 0]);
    // Over the limit is over the limit, whatever it holds; a batch says the same.
    let spaces = " ".repeat(65_537);
    assert_eq!(told(spaces.as_bytes()), ["- request-too-large"]);
    assert_eq!(identity().batch(&spaces).unwrap().matches("request-too-large").count(), 1);
}

#[test]
fn the_last_line_needs_no_end() {
    assert_eq!(told(about("a").trim_end().as_bytes()), ["a ok"]);
    assert_eq!(told(b"{\"id\":\"a\""), ["- malformed-request"]);
}

#[test]
fn a_byte_order_mark_counts_at_the_start_of_a_stream_only() {
    let mark = "\u{FEFF}";
    let a = about("a");
    assert_eq!(told(format!("{mark}{a}").as_bytes()), ["a ok"]);
    assert_eq!(told(format!("{mark}{mark}{a}{a}").as_bytes()), ["- malformed-request", "a ok"]);
    assert_eq!(told(format!("{a}{mark}{a}{a}").as_bytes()), ["a ok", "- malformed-request", "a ok"]);
    assert_eq!(told(format!("\n{mark}{a}").as_bytes()), ["- malformed-request"]);
    // After a line that is not text, the component is asked anew: that is no start of a stream either.
    let after = [b"\xFF\n", mark.as_bytes(), a.as_bytes()].concat();
    assert_eq!(told(&after), ["- invalid-utf8", "- malformed-request"]);
    assert_eq!(told(mark.as_bytes()), [""; 0]);
}

#[test]
fn a_line_may_have_65536_bytes() {
    let padded = |bytes: usize| {
        let line = about("a");
        let line = line.trim_end();
        format!("{line}{}\n", " ".repeat(bytes - line.len()))
    };
    assert_eq!(told(padded(65_536).as_bytes()), ["a ok"]);
    assert_eq!(told(padded(65_537).as_bytes()), ["- request-too-large"]);
    assert_eq!(told(format!("\u{FEFF}{}", padded(65_536)).as_bytes()), ["a ok"]);
    assert_eq!(told(format!("\u{FEFF}{}", padded(65_537)).as_bytes()), ["- request-too-large"]);
    let many = [padded(65_536), padded(65_537)].concat().repeat(40);
    assert_eq!(told(many.as_bytes()), ["a ok", "- request-too-large"].repeat(40));
}

#[test]
fn ten_mebibytes_without_an_end_are_one_refusal() {
    let long = vec![b'x'; 10 << 20];
    assert_eq!(told(&long), ["- request-too-large"]);
    let bytes = vec![0xFF; 10 << 20];
    assert_eq!(told(&[&bytes, &b"\n"[..], about("a").as_bytes()].concat()), ["- request-too-large", "a ok"]);
    let value = json!({ "op": "parse", "input": { "key": "x".repeat(10 << 20) } }).to_string();
    assert_eq!(told(format!("{value}\n{}", about("a")).as_bytes()), ["- request-too-large", "a ok"]);
}

#[test]
fn depth_is_refused_and_no_stack_is_lost() {
    let open = "[".repeat(65_000);
    let objects = "{\"a\":".repeat(13_000);
    let input = format!("{open}\n{objects}\n{{\"op\":\"about\",\"x\":{open}\n{}", about("a"));
    let refused = "- malformed-request";
    assert_eq!(told(input.as_bytes()), [refused, refused, refused, "a ok"]);
}

#[test]
fn a_stream_longer_than_a_batch_goes_on() {
    let input: String = (0..60_000).map(|number| about(&number.to_string())).collect();
    assert!(input.len() > 1 << 20);
    let (replies, answered) = answer(input.as_bytes());
    assert_eq!(answered, Answered { ok: 60_000, refused: 0 });
    for (number, reply) in replies.iter().enumerate() {
        assert_eq!(reply["id"], number.to_string());
    }
}

#[test]
fn a_batch_takes_one_mebibyte() {
    let (line, refused) = (about("a"), "input-too-large");
    let fits = format!("{}{}", line, "\n".repeat((1 << 20) - line.len()));
    assert_eq!(identity().batch(&fits).unwrap().lines().count(), 1);
    assert_eq!(identity().batch(&format!("{fits}\n")).unwrap_err().code(), refused);
    // The rule is the component's own, too.
    let reply: Value = serde_json::from_str(&identity_component::batch::run(&format!("{fits}\n"))).unwrap();
    assert_eq!(reply["error"]["code"], "request-too-large");
}

#[test]
fn raw_objects_are_adapted_between_other_lines() {
    let adapter = Adapter::embedded("fake").unwrap();
    let ask = |raw: Value| format!("{}\n", json!({ "id": "r", "op": "adapt", "input": { "raw": raw } }));
    let input = [
        about("a"),
        ask(json!({ "kind": "widget", "ref": "A:1" })),
        ask(json!([{ "kind": "widget" }, 7, { "kind": "widget", "ref": "b" }])),
        "{\"id\":\"n\",\"op\":\"adapt\"}\n".into(),
        "{\"id\":\"u\",\"op\":\"adapt\",\"input\":{\"raw\":{},\"more\":1}}\n".into(),
        "{\"id\":\"t\",\"op\":\"adapt\",\"op\":\"adapt\",\"input\":{\"raw\":{}}}\n".into(),
        about("z"),
    ]
    .concat();
    let mut replies = Vec::new();
    let answered = Lines::new(identity(), Some(&adapter)).answer(input.as_bytes(), &mut replies).unwrap();
    let replies: Vec<Value> =
        String::from_utf8(replies).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let items = |reply: &Value| reply["ok"]["items"].as_array().unwrap().clone();
    assert_eq!(replies.len(), 7);
    assert_eq!(items(&replies[1])[0]["descriptor"]["identity"]["provider_resource_id"], "A:1");
    let several = items(&replies[2]);
    let codes: Vec<&Value> = several.iter().map(|item| &item["error"]["code"]).collect();
    assert_eq!(codes, [&json!("missing-identity"), &json!("malformed-document"), &Value::Null]);
    let outcome = |at: usize| (replies[at]["error"]["code"].clone(), replies[at]["error"]["field"].clone());
    assert_eq!(outcome(3), (json!("malformed-request"), json!("raw")));
    assert_eq!(outcome(4), (json!("unknown-field"), json!("more")));
    assert_eq!(outcome(5), (json!("malformed-request"), json!("op")));
    assert_eq!((answered.ok, answered.refused), (4, 3));
}

/// A million requests, good and bad, and strings of ten mebibytes between them, without being held anywhere.
fn write_a_million(mut to: impl Write) -> io::Result<()> {
    let mut block = Vec::new();
    for number in 0..1_000 {
        let line = match number % 4 {
            0 => json!({ "op": "parse", "input": { "key": "provider:fake:policy:t:r:id:a%3Ab" } }).to_string(),
            1 => json!({ "op": "derive", "input": {
                "identity": { "provider_key": "fake", "resource_type": "widget", "provider_resource_id": "é" },
                "subject_class": "policy", "subject_type_key": "t",
            } })
            .to_string(),
            2 => "{\"op\":\"nope\"}".into(),
            _ => "nonsense".into(),
        };
        block.extend(line.bytes());
        block.push(b'\n');
    }
    let long = vec![b'x'; 10 << 20];
    for thousand in 0..1_000 {
        to.write_all(&block)?;
        if thousand % 250 == 0 {
            to.write_all(&long)?;
            to.write_all(b"\n")?;
        }
    }
    to.flush()
}

/// The most memory a process has had, in KiB.
fn peak_kib(process: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

#[test]
#[cfg(target_os = "linux")]
fn a_million_lines_and_long_ones_take_little_memory() {
    const EXPECTED: usize = 1_000_000 + 4;
    let mut child = program::start(&["batch"]).unwrap();
    let (stdin, stdout) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
    // Standard input stays open until all replies are there, so that the process can still be looked at.
    let (done, wait) = std::sync::mpsc::channel::<()>();
    let writer = thread::spawn(move || {
        let mut stdin = stdin;
        let written = write_a_million(&mut stdin);
        let _ = wait.recv();
        written
    });
    let (mut ok, mut refused) = (0, 0);
    let mut replies = BufReader::new(stdout).lines();
    for line in replies.by_ref().take(EXPECTED) {
        if line.unwrap().starts_with("{\"ok\"") { ok += 1 } else { refused += 1 }
    }
    let peak = peak_kib(child.id());
    done.send(()).unwrap();
    writer.join().unwrap().unwrap();
    assert_eq!(replies.count(), 0, "replies to nothing");
    let run = child.wait_with_output().unwrap();
    let (code, said) = (run.status.code(), String::from_utf8(run.stderr).unwrap());
    assert_eq!((code, said.contains("500004 of 1000004")), (Some(3), true), "{said}");
    eprintln!("{EXPECTED} lines, peak memory {peak} KiB");
    assert_eq!((ok, refused), (500_000, 500_004));
    assert!(peak < 48 << 10, "{peak} KiB");
}
