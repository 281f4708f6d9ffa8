//! The vectors through the library: the host program of C as a process, line by line and packed.

use super::compiling::{Linked, answer, compile, crate_folder, program};
use base64::Engine as _;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

struct Vector {
    /// The adapter that answers, from the name of the file.
    adapter: Option<String>,
    id: String,
    line: Vec<u8>,
    expect: Value,
    flags: BTreeSet<String>,
}

fn vectors() -> Vec<Vector> {
    let folder = crate_folder().join("../../tests/vectors");
    let paths = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let mut paths: Vec<PathBuf> = paths.filter(|path| path.extension().is_some_and(|it| it == "ndjson")).collect();
    paths.sort();
    paths.iter().flat_map(|path| file(path)).collect()
}

fn file(path: &Path) -> Vec<Vector> {
    let adapter = path.file_stem().unwrap().to_str().unwrap().strip_prefix("adapt-").map(str::to_owned);
    let read = |line: &str| {
        let vector: Value = serde_json::from_str(line).unwrap();
        let line = match (&vector["request"], &vector["line"], &vector["line_base64"]) {
            (Value::Object(request), _, _) => serde_json::to_vec(request).unwrap(),
            (_, Value::String(line), _) => line.clone().into_bytes(),
            (_, _, Value::String(line)) => base64::prelude::BASE64_STANDARD.decode(line).unwrap(),
            _ => panic!("{line}"),
        };
        let flags = vector["flags"].as_array().into_iter().flatten().map(|flag| flag.as_str().unwrap().to_owned());
        Vector {
            adapter: adapter.clone(),
            id: vector["id"].as_str().unwrap().to_owned(),
            line,
            expect: vector["expect"].clone(),
            flags: flags.collect(),
        }
    };
    fs::read_to_string(path).unwrap().lines().map(read).collect()
}

/// A reply without the messages of its refusals, each of which must have one.
fn without_messages(mut reply: Value) -> Value {
    let bare = |refusal: &mut Value| {
        let message = refusal.as_object_mut().and_then(|refusal| refusal.remove("message"));
        assert!(message.is_some_and(|message| message.is_string()), "a refusal without a message");
    };
    if let Some(error) = reply.get_mut("error") {
        bare(error);
    }
    for error in reply.get_mut("errors").and_then(Value::as_array_mut).into_iter().flatten() {
        bare(error);
    }
    for item in reply.pointer_mut("/ok/items").and_then(Value::as_array_mut).into_iter().flatten() {
        if let Some(error) = item.get_mut("error") {
            bare(error);
        }
    }
    reply
}

/// Sends these vectors as one stream and compares every reply.
fn pass(host: &Path, adapter: Option<&str>, vectors: &[&Vector]) {
    let mut command = program(host);
    command.arg("lines");
    if let Some(name) = adapter {
        command.args(["--adapter", name]);
    }
    let input: Vec<u8> = vectors.iter().flat_map(|vector| [vector.line.as_slice(), b"\n"].concat()).collect();
    let replies = String::from_utf8(answer(&mut command, &input)).unwrap();
    assert!(replies.ends_with('\n') && replies.lines().count() == vectors.len(), "{adapter:?}");
    for (vector, reply) in vectors.iter().zip(replies.lines()) {
        assert_eq!(without_messages(serde_json::from_str(reply).unwrap()), vector.expect, "{}", vector.id);
    }
}

#[test]
fn lines_pass_every_vector() {
    let (host, all) = (compile("tests/host.c", Linked::Shared), vectors());
    let alone: Vec<&Vector> = all.iter().filter(|vector| vector.flags.contains("stream-start")).collect();
    for vector in &alone {
        pass(&host, vector.adapter.as_deref(), &[vector]);
    }
    let mut passed = alone.len();
    let adapters: BTreeSet<Option<&str>> = all.iter().map(|vector| vector.adapter.as_deref()).collect();
    assert_eq!(adapters.len(), 3, "{adapters:?}");
    for adapter in adapters {
        let of_it = |vector: &&Vector| vector.adapter.as_deref() == adapter && !vector.flags.contains("stream-start");
        let of_it: Vec<&Vector> = all.iter().filter(of_it).collect();
        pass(&host, adapter, &of_it);
        passed += of_it.len();
    }
    println!("lines: {passed} passed");
    assert_eq!(passed, all.len());
    assert!(passed > 6_000, "only {passed} vectors");
}

/// A subject in the packed layout.
fn pack(input: &Value) -> Vec<u8> {
    const CLASSES: [&str; 8] = [
        "policy",
        "foundation",
        "assignment_target",
        "virtual_assignment_target",
        "provider_builtin",
        "provider_default",
        "unsupported",
        "unknown",
    ];
    let identity = &input["identity"];
    let class = CLASSES.iter().position(|class| input["subject_class"] == *class).unwrap();
    let flags = ["built_in", "default", "virtual", "tenant_owned"].iter().enumerate();
    let flags = flags.filter(|(_, name)| identity[**name] == true).map(|(bit, _)| 1_u8 << bit).sum();
    let names =
        ["provider_key", "resource_type", "provider_resource_id", "external_id", "discriminator", "fingerprint"];
    let mut texts: Vec<Option<&str>> = names.iter().map(|name| identity[*name].as_str()).collect();
    texts.push(input["subject_type_key"].as_str());
    let mut record = vec![u8::try_from(class).unwrap(), flags, 0, 0];
    for text in &texts {
        let length = text.map_or(u32::MAX, |text| u32::try_from(text.len()).unwrap());
        record.extend(length.to_le_bytes());
    }
    record.extend(texts.into_iter().flatten().flat_map(str::bytes));
    record
}

/// One packed answer, taken from the front, as the reply it stands for without digest.
fn unpack(answers: &mut &[u8], codes: &[String]) -> Value {
    const FIELDS: [&str; 11] = [
        "provider_key",
        "resource_type",
        "provider_resource_id",
        "external_id",
        "discriminator",
        "fingerprint",
        "subject_type_key",
        "subject_class",
        "tenant_owned",
        "key",
        "request",
    ];
    let (&[status, field, low, high], rest) = answers.split_first_chunk().unwrap();
    let (key, rest) = rest.split_at(usize::from(u16::from_le_bytes([low, high])));
    *answers = rest;
    if status == 0 {
        return json!({ "key": str::from_utf8(key).unwrap() });
    }
    json!({ "code": codes[usize::from(status) - 1], "field": FIELDS[usize::from(field) - 1] })
}

#[test]
fn the_packed_form_passes_every_vector_that_derives() {
    let host = compile("tests/host.c", Linked::Shared);
    let codes: Vec<String> = provident_identity::ErrorCode::ALL.iter().map(|code| code.as_str().to_owned()).collect();
    let all = vectors();
    let derived: Vec<(&Vector, Value)> = all
        .iter()
        .filter(|vector| !vector.flags.contains("line-only") && !vector.flags.contains("process-only"))
        .filter_map(|vector| Some((vector, serde_json::from_slice::<Value>(&vector.line).ok()?)))
        .filter(|(_, request)| request["op"] == "derive")
        .collect();
    assert!(derived.len() > 1_000, "only {} vectors", derived.len());
    let packed: Vec<u8> = derived.iter().flat_map(|(_, request)| pack(&request["input"])).collect();
    // More than one call takes, so that the list is cut.
    let times = (2 << 20) / packed.len() + 1;
    let answers = answer(program(&host).arg("flat"), &packed.repeat(times));
    let mut rest = answers.as_slice();
    for _ in 0..times {
        for (vector, _) in &derived {
            let expect = match (&vector.expect["ok"], &vector.expect["error"]) {
                (Value::Object(ok), _) => json!({ "key": ok["key"] }),
                (_, error) => json!({ "code": error["code"], "field": error["field"] }),
            };
            assert_eq!(unpack(&mut rest, &codes), expect, "{}", vector.id);
        }
    }
    assert!(rest.is_empty(), "there are answers too many");
    println!("flat: {} passed", derived.len());
}

#[test]
fn the_host_says_what_it_is() {
    let host = compile("tests/host.c", Linked::Shared);
    let told: Value = serde_json::from_slice(&answer(program(&host).arg("about"), b"")).unwrap();
    let sha256 = |name: &str| {
        let components = provident_identity::components().unwrap();
        components.into_iter().find(|component| component.name == name).unwrap().sha256
    };
    let expected = json!({
        "host": "c",
        "engine": provident_identity::engine_version(),
        "version": env!("CARGO_PKG_VERSION"),
        "components": { "identity": sha256("identity"), "fake": sha256("fake"), "microsoft": sha256("microsoft") },
        "forms": ["lines", "flat"],
    });
    assert_eq!(told, expected);
}
