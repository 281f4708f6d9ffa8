//! The architecture's arrows: `main → cli, http → service → policy, store, provider → gateway`, and who alone knows wasmtime,
//! sqlx, reqwest, contracts, roles and capabilities.

use super::source::{Line, lines, without_test_module};
use super::{Guard, Violation, extension};

/// One engine, one crate: wasmtime; one database library, one room: sqlx; requests are sent from one room: reqwest (M-02, M-03,
/// P061-29).
pub const LIBRARIES: Guard = libraries;
/// No room of the host names one above it; policy does no input or output (P381-33).
pub const ROOMS: Guard = rooms;
/// No read path names what reaches a provider (P061-30).
pub const READ_PATHS: Guard = read_paths;
/// Contracts are declared by providers, in the gateway's form, and nowhere else (P061-04).
pub const CONTRACTS: Guard = contracts;
/// The binding rooms reach no adapter, gateway, remote call or run (P381-07, P381-08, P381-13, C381-11).
pub const BINDING_ROOMS: Guard = binding_rooms;
/// Capabilities and roles are data of the policy, never strings in feature code (P381-81, P339-17, P061-40).
pub const AUTHORITY: Guard = authority;

/// What only some places may name.
struct Reserved {
    library: &'static str,
    /// Paths, or their beginnings.
    places: &'static [&'static str],
    rule: &'static str,
}

const RESERVED: &[Reserved] = &[
    Reserved {
        library: "wasmtime",
        places: &["identity/", "bench/"],
        rule: "`wasmtime` is named in identity/ alone (and in bench/, which measures compiling at start)",
    },
    Reserved {
        library: "sqlx",
        places: &["host/src/store.rs", "host/src/store/", "host/Cargo.toml", "tests/", "bench/"],
        rule: "`sqlx` is named in host/src/store alone (and in tests/ and bench/, which bypass the service)",
    },
    Reserved {
        library: "reqwest",
        places: &["host/src/gateway.rs", "host/src/gateway/", "host/Cargo.toml"],
        rule: "`reqwest` is named in host/src/gateway alone: nobody else sends a request",
    },
    Reserved {
        library: "open_data_key",
        places: &["host/src/secret/", "host/src/gateway/vault.rs"],
        rule: "`open_data_key` is named in the vault alone: nobody else opens what a connection logs in with",
    },
];

fn libraries(path: &str, text: &str) -> Vec<Violation> {
    let mut found = Vec::new();
    for reserved in RESERVED {
        if reserved.places.iter().any(|place| path.starts_with(place)) {
            continue;
        }
        if extension(path) == "rs" {
            for line in lines(text) {
                if line.words().any(|word| word == reserved.library) {
                    found.push(Violation::new(path, line.number, reserved.rule, &line.code));
                }
            }
        } else if path.ends_with("/Cargo.toml") {
            for (index, line) in text.lines().enumerate() {
                let name = line.split(['.', ' ', '=', '/']).next().unwrap_or_default();
                let table = format!("dependencies.{}]", reserved.library);
                if name == reserved.library || line.contains(&table) {
                    found.push(Violation::new(path, index + 1, reserved.rule, line));
                }
            }
        }
    }
    found
}

/// A room of `host/src`: a module, with or without a folder.
fn is_in(path: &str, room: &str) -> bool {
    path.strip_prefix("host/src/")
        .and_then(|path| path.strip_prefix(room))
        .is_some_and(|rest| rest == ".rs" || rest.starts_with('/'))
}

/// Code that ships: without the test module at its end.
fn shipped(text: &str) -> Vec<Line> {
    without_test_module(lines(text))
}

const ROOMS_ABOVE: &[(&str, &[&str], &str)] = &[
    ("service", &["cli"], "a service knows nothing of the command line that calls it"),
    ("store", &["service", "cli", "http", "gateway", "worker"], "the store knows nothing of who calls it, or why"),
    (
        "provider",
        &["store", "service", "cli", "http", "worker", "secret", "vault"],
        "a provider knows the gateway, and neither what is kept, nor who asks, nor what a connection logs in with",
    ),
    (
        "gateway",
        &["provider", "store", "service", "cli", "http", "worker"],
        "the gateway knows contracts, and no provider, row or caller",
    ),
    ("worker", &["cli", "http", "provider"], "a worker has work done; it knows no door and no provider"),
    (
        "policy",
        &["store", "service", "cli", "sqlx", "tokio", "fs", "io", "net", "env", "process", "time"],
        "policy is pure: it is told everything and asks nothing",
    ),
];

fn rooms(path: &str, text: &str) -> Vec<Violation> {
    let mut found = Vec::new();
    for (room, above, rule) in ROOMS_ABOVE {
        if !is_in(path, room) {
            continue;
        }
        for line in shipped(text) {
            for word in line.words().filter(|word| above.contains(word)) {
                let rule = format!("`{word}` in {room}: {rule}");
                found.push(Violation::new(path, line.number, rule, &line.code));
            }
        }
    }
    found
}

/// Where what is kept is read and shown, and nothing is asked of a provider: everything behind HTTP, and the services of what
/// runs bring in.
const READ_ROOMS: &[&str] = &[
    "http",
    "service/audit",
    "service/binding",
    "service/bulk",
    "service/environment",
    "service/inventory",
    "service/lookup",
    "service/references",
    "service/registry",
    "service/resolve",
    "service/standing",
];
const REACHES: &[&str] = &["gateway", "Gateway", "Session", "OperationContext"];

fn read_paths(path: &str, text: &str) -> Vec<Violation> {
    if !READ_ROOMS.iter().any(|room| is_in(path, room)) {
        return Vec::new();
    }
    let mut found = Vec::new();
    for line in shipped(text) {
        let provider = ["crate::provider::", "crate::provider;"].iter().find(|path| line.code.contains(**path));
        let reaching = line.words().find(|word| REACHES.contains(word)).or(provider.map(|_| "provider"));
        if let Some(word) = reaching {
            let rule = format!("`{word}` where things are read: what is shown is what is kept, and nobody is asked");
            found.push(Violation::new(path, line.number, rule, &line.code));
        }
    }
    found
}

/// Where a contract may be written down.
const DECLARING: &[&str] = &["provider", "gateway/contract", "gateway/tests"];

fn contracts(path: &str, text: &str) -> Vec<Violation> {
    if !path.starts_with("host/src/") || extension(path) != "rs" || DECLARING.iter().any(|room| is_in(path, room)) {
        return Vec::new();
    }
    let mut found = Vec::new();
    for line in shipped(text) {
        let words: Vec<&str> = line.words().collect();
        let is_declared = ["Contract {", "ProviderApi {"].iter().any(|begin| {
            let before = line.code.split_once(begin).map(|(before, _)| before);
            before.is_some_and(|before| !before.ends_with(|c: char| c.is_alphanumeric() || c == '_'))
        });
        if is_declared && !words.contains(&"struct") && !words.contains(&"impl") {
            let rule = "a contract is declared by its provider alone: what is asked for stands in one place";
            found.push(Violation::new(path, line.number, rule, &line.code));
        }
    }
    found
}

/// A file of the host about bindings: `binding*.rs` in any room, or in a folder so named.
fn is_binding_room(path: &str) -> bool {
    path.strip_prefix("host/src/")
        .is_some_and(|path| extension(path) == "rs" && path.split('/').any(|part| part.starts_with("binding")))
}

const NO_PARTS: &[&str] = &["adapter", "adapters", "adapted", "gateway"];
const NO_REMOTE: &[&str] = &["reqwest", "hyper", "ureq", "TcpStream", "UdpSocket"];
const STARTS: &[&str] = &["insert", "create", "start", "queue", "enqueue", "update", "complete", "finish", "cancel"];

/// `start_run`, `insert_operation_run`, `enqueue_runs`; not `source_operation_run_id`.
fn starts_a_run(word: &str) -> bool {
    let parts: Vec<&str> = word.split('_').collect();
    parts.first().is_some_and(|first| STARTS.contains(first))
        && parts.last().is_some_and(|last| matches!(*last, "run" | "runs"))
}

/// `ProviderGateway` is `provider`, `gateway`; `adapter_digest` is `adapter`, `digest`.
fn parts(word: &str) -> Vec<String> {
    let mut parts = vec![String::new()];
    for c in word.chars() {
        if c == '_' || c.is_uppercase() {
            parts.push(String::new());
        }
        if let (true, Some(part)) = (c != '_', parts.last_mut()) {
            part.extend(c.to_lowercase());
        }
    }
    parts
}

fn writes_runs(literal: &str) -> bool {
    let literal = literal.to_lowercase();
    let text = literal.split_whitespace().collect::<Vec<_>>().join(" ");
    ["insert into operation_runs", "update operation_runs", "delete from operation_runs"]
        .iter()
        .any(|statement| text.contains(statement))
}

fn binding_rooms(path: &str, text: &str) -> Vec<Violation> {
    if !is_binding_room(path) {
        return Vec::new();
    }
    let mut found = Vec::new();
    for line in shipped(text) {
        let bad_word = line.words().find(|word| {
            NO_REMOTE.contains(word)
                || starts_a_run(word)
                || parts(word).iter().any(|part| NO_PARTS.contains(&part.as_str()))
        });
        if let Some(word) = bad_word {
            let rule = format!("`{word}`: a binding is a decision in the database, nothing remote");
            found.push(Violation::new(path, line.number, rule, &line.code));
        }
        if let Some(literal) = line.literals.iter().find(|literal| writes_runs(literal)) {
            let rule = "a binding room starts, changes and ends no run";
            found.push(Violation::new(path, line.number, rule, literal));
        }
    }
    found
}

const CAPABILITIES: &[&str] = &[
    "workspace_baselines.view",
    "workspace_baselines.manage",
    "provider.view",
    "provider.manage",
    "provider.run",
    "audit.view",
    "inventory.import",
    "registry.sync",
    "workspace.manage",
];
/// `operator` is missing: it is also a kind of actor, on every binding row.
const ROLES: &[&str] = &["owner", "manager", "readonly"];
/// Where a capability's name is the name of something else as well.
const HOMONYMS: &[(&str, &str)] = &[
    // The action an audit event tells of when an import or a sync was attempted; nothing there decides anything.
    ("host/src/audit.rs", "inventory.import"),
    ("host/src/audit.rs", "registry.sync"),
];

/// The whole name: `audit.view`, not `audit.viewed`.
fn names_capability(literal: &str, capability: &str) -> bool {
    literal.match_indices(capability).any(|(start, _)| {
        let after = literal.get(start + capability.len()..).and_then(|rest| rest.chars().next());
        !after.is_some_and(|c| c.is_alphanumeric() || matches!(c, '-' | '_'))
    })
}

fn authority(path: &str, text: &str) -> Vec<Violation> {
    let host = path.starts_with("host/src/") && extension(path) == "rs";
    if !host || is_in(path, "policy") {
        return Vec::new();
    }
    let mut found = Vec::new();
    for line in shipped(text) {
        for literal in &line.literals {
            let capability =
                CAPABILITIES.iter().find(|name| names_capability(literal, name) && !HOMONYMS.contains(&(path, **name)));
            let as_role = ROLES.iter().find(|role| literal == *role || literal.contains(&format!("'{role}'")));
            if let Some(name) = capability.or(as_role) {
                let rule = format!("`{name}` as text: capabilities and roles are named in policy");
                found.push(Violation::new(path, line.number, rule, literal));
            }
        }
    }
    found
}
