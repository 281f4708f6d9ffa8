//! The guards, run over every file of the project, and each over a snippet planted to break it.
//!
//! What a guard says is in `provident_tests::guard`; a failure here prints file, line and snippet (P339-32).

#![cfg(test)]

use provident_tests::guard::arrows::{AUTHORITY, BINDING_ROOMS, CONTRACTS, LIBRARIES, READ_PATHS, ROOMS};
use provident_tests::guard::listing::{File, files, root};
use provident_tests::guard::names::{NAMES, OPENINGS};
use provident_tests::guard::vocabulary::PROVIDER_WORDS;
use provident_tests::guard::workplace::WORKPLACE;
use provident_tests::guard::{Guard, authorization, report, run};

fn project() -> Vec<File> {
    let project = files(&root()).unwrap();
    assert!(project.len() > 40, "only {} files were found", project.len());
    project
}

/// Fails with every violation in the project.
#[track_caller]
fn holds(guard: Guard) {
    let project = project();
    let found = run(guard, project.iter().map(|file| (file.path.as_str(), file.text.as_str())));
    assert!(found.is_empty(), "{}", report(&found));
}

/// The guard finds something in each planted file, on its last line, and nothing in the innocent ones.
#[track_caller]
fn catches(guard: Guard, planted: &[(&str, &str)], innocent: &[(&str, &str)]) {
    for &(path, text) in planted {
        let found = guard(path, text);
        assert!(!found.is_empty(), "nothing was found in {path}:\n{text}");
        let last = text.lines().count();
        assert!(found.iter().all(|found| found.path == path), "{}", report(&found));
        assert!(found.iter().any(|it| it.line == last || it.line == 0), "{}", report(&found));
    }
    for &(path, text) in innocent {
        let found = guard(path, text);
        assert!(found.is_empty(), "{}", report(&found));
    }
}

#[test]
fn only_their_rooms_know_wasmtime_sqlx_and_reqwest() {
    holds(LIBRARIES);
}

#[test]
fn a_library_named_elsewhere_is_caught() {
    catches(
        LIBRARIES,
        &[
            ("host/src/service/binding.rs", "//! Text.\nuse sqlx::Row;"),
            ("host/src/cli.rs", "fn f() -> Result<(), sqlx::Error> {"),
            ("host/src/lib.rs", "use wasmtime::Engine;"),
            ("adapters/fake/Cargo.toml", "[dependencies]\nwasmtime.workspace = true"),
            ("identity/Cargo.toml", "[dependencies]\nsqlx = { workspace = true }"),
            ("identity/Cargo.toml", "[target.'cfg(unix)'.dependencies.sqlx]"),
            ("host/src/service/work.rs", "fn f() {\n    self.master.open_data_key(&place, &sealed, 1)"),
            ("host/src/gateway/session.rs", "fn f() {\n    ring.open_data_key(&place, &sealed, 1)"),
            ("host/src/jwt/fetch.rs", "//! Text.\nuse reqwest::Client;"),
            ("host/src/provider/fake.rs", "let answer = reqwest::get(url).await;"),
            ("host/src/cli/healthcheck.rs", "let client = reqwest::Client::builder();"),
            ("host/src/gatewayed.rs", "use reqwest::Url;"),
            ("tests/src/api.rs", "use reqwest::blocking;"),
            ("tests/Cargo.toml", "reqwest.workspace = true"),
        ],
        &[
            ("host/src/gateway/client.rs", "use reqwest::Response;"),
            ("host/Cargo.toml", "reqwest.workspace = true"),
            ("Cargo.toml", "otlp = { features = [\"reqwest-blocking-client\"] }"),
            ("host/src/store/binding.rs", "use sqlx::Row;"),
            ("identity/src/lib.rs", "use wasmtime::Engine;"),
            ("host/src/cli.rs", "// sqlx and wasmtime are named elsewhere\nlet x = \"sqlx\";"),
            ("Cargo.toml", "wasmtime = { version = \"48\" }"),
            ("host/Cargo.toml", "description = \"no wasmtime here\""),
        ],
    );
}

#[test]
fn the_rooms_of_the_host_keep_their_arrows() {
    holds(ROOMS);
}

#[test]
fn an_arrow_that_points_up_is_caught() {
    catches(
        ROOMS,
        &[
            ("host/src/service/import.rs", "use crate::cli::Progress;"),
            ("host/src/store.rs", "use crate::{clock, service};"),
            ("host/src/store/binding.rs", "/* why not */ super::super::service::revoke();"),
            ("host/src/policy.rs", "use crate::store::Found;"),
            ("host/src/policy/registry.rs", "//! Text.\n\nlet roles = std::fs::read(path);"),
            ("host/src/policy.rs", "async fn f() { tokio::task::yield_now().await }"),
            ("host/src/store/run.rs", "use crate::gateway::Failure;"),
            ("host/src/provider/fake.rs", "//! Text.\nuse crate::store::WriteTx;"),
            ("host/src/provider.rs", "use crate::service::Service;"),
            ("host/src/provider/fake.rs", "use crate::secret::MasterKeys;"),
            ("host/src/gateway/session.rs", "use crate::provider::Provider;"),
            ("host/src/gateway.rs", "use crate::{http, run};"),
            ("host/src/gateway/vault.rs", "use crate::store::ReadTx;"),
            ("host/src/worker.rs", "use crate::provider::PROVIDERS;"),
        ],
        &[
            ("host/src/provider/fake.rs", "use crate::gateway::{Contract, Session};"),
            ("host/src/gateway/session.rs", "/// [`crate::provider`]\nlet key = context.provider_key();"),
            ("host/src/service/work.rs", "use crate::gateway::Gateway;"),
            ("host/src/service/import.rs", "/// What the cli shows.\nuse crate::store::Tx;"),
            ("host/src/cli/import.rs", "use crate::service::import;"),
            ("host/src/services.rs", "use crate::cli;"),
            ("host/src/policy.rs", "pub struct P;\n#[cfg(test)]\nmod tests {\n    use std::fs;\n}"),
        ],
    );
}

#[test]
fn what_is_read_is_read_from_the_database() {
    holds(READ_PATHS);
}

#[test]
fn a_read_path_that_asks_a_provider_is_caught() {
    catches(
        READ_PATHS,
        &[
            ("host/src/http/inventory.rs", "//! Text.\nuse crate::gateway::Gateway;"),
            ("host/src/http/run.rs", "fn f(session: &mut Session) {"),
            ("host/src/http/connection.rs", "use crate::provider::provider;"),
            ("host/src/http/mod.rs", "use crate::provider;"),
            ("host/src/service/lookup.rs", "let context: OperationContext = found;"),
            ("host/src/service/inventory.rs", "use crate::gateway;"),
        ],
        &[
            (
                "host/src/http/connection.rs",
                "//! The gateway is elsewhere.\nlet key = body.provider_key; f(\"gateway\");",
            ),
            ("host/src/http/connection.rs", "use crate::provider_credential::ProviderCredentials;"),
            ("host/src/service/work.rs", "use crate::gateway::{Gateway, Session};"),
        ],
    );
}

#[test]
fn contracts_are_declared_by_providers_alone() {
    holds(CONTRACTS);
}

#[test]
fn a_contract_declared_elsewhere_is_caught() {
    catches(
        CONTRACTS,
        &[
            ("host/src/service/work.rs", "//! Text.\nstatic MORE: Contract = Contract {"),
            ("host/src/gateway/session.rs", "let one = Box::leak(Box::new(Contract { name: \"\", path }));"),
            ("host/src/cli/run.rs", "static API: ProviderApi = ProviderApi {"),
        ],
        &[
            ("host/src/provider/fake.rs", "static ONE: Contract = Contract {"),
            ("host/src/gateway/contract.rs", "impl Contract {"),
            ("host/src/gateway/pages.rs", "fn f(contract: &'static Contract) {\n    SubContract { name };"),
            ("host/src/gateway/pages.rs", "#[cfg(test)]\nmod tests {\n    static ONE: Contract = Contract {"),
        ],
    );
}

#[test]
fn the_binding_rooms_reach_nothing_remote_and_start_no_run() {
    holds(BINDING_ROOMS);
}

#[test]
fn a_binding_room_that_reaches_out_is_caught() {
    catches(
        BINDING_ROOMS,
        &[
            ("host/src/service/binding.rs", "use provident_identity::{Adapter, Identity};"),
            ("host/src/service/binding/bulk.rs", "fn f(gateway: &ProviderGateway) {"),
            ("host/src/store/binding_lookup.rs", "let d = row.adapter_digest;"),
            ("host/src/service/binding.rs", "tx.insert_operation_run(&run).await?;"),
            ("host/src/store/binding.rs", "sql(\"INSERT INTO  operation_runs (id) VALUES ($1)\")"),
            ("host/src/service/bindings.rs", "reqwest::get(url)"),
        ],
        &[
            ("host/src/service/binding.rs", "source_operation_run_id: sources.operation_run,"),
            ("host/src/store/binding.rs", "sql(\"SELECT id FROM operation_runs WHERE id = $1\")"),
            ("host/src/service/import.rs", "use provident_identity::Adapter;"),
        ],
    );
}

#[test]
fn capabilities_and_roles_are_named_in_policy_alone() {
    holds(AUTHORITY);
}

#[test]
fn a_role_or_capability_as_text_is_caught() {
    catches(
        AUTHORITY,
        &[
            ("host/src/service/binding.rs", "actor.needs(\"workspace_baselines.manage\")"),
            ("host/src/service/inventory.rs", "needs(\"inventory.import\")"),
            ("host/src/audit.rs", "why = \"lacks audit.view.\";"),
            ("host/src/cli/user.rs", "if role == \"owner\" {"),
            ("host/src/store/platform.rs", "sql(\"SELECT 1 FROM m\n  WHERE role = 'manager'\")"),
        ],
        &[
            ("host/src/policy.rs", "Self::Owner => \"owner\","),
            ("host/src/cli/user.rs", "/// One of owner, manager.\nhelp = \"the owner's name\""),
            ("host/src/service/binding.rs", "#[cfg(test)]\nmod tests {\n    f(\"owner\");\n}"),
            ("host/src/audit.rs", "done = \"audit.viewed\"; attempted = \"inventory.import\";"),
            ("tests/tests/x.rs", "role(\"owner\")"),
        ],
    );
}

#[test]
fn no_provider_word_stands_outside_its_adapter() {
    holds(PROVIDER_WORDS);
}

#[test]
fn a_provider_word_is_caught() {
    catches(
        PROVIDER_WORDS,
        &[
            ("host/src/service/import.rs", "//! Text.\nconst TYPE: &str = \"#Microsoft.thing\";"),
            ("identity-component/src/key.rs", "// as in Entra"),
            ("identity-component/src/key.rs", "let odata_type = 1;"),
            ("migrations/sqlite/0001.up.sql", "CHECK (domain IN ('intune'))"),
            ("wit/identity.wit", "/// The graph.beta form."),
            ("host/src/intune.rs", "//! Nothing inside."),
            ("tests/tests/lanes.rs", "let adapter = \"microsoft\";"),
            ("tests/Cargo.toml", "adapter-microsoft = { path = \"../adapters/microsoft\" } # Azure"),
            ("host/src/provider.rs", "//! Text.\nconst PATH: &str = \"/deviceManagement\";"),
            ("host/src/provider.rs", "mod microsoft; // as Graph.x has it"),
            ("host/src/provider/fake.rs", "const PERMISSION: &str = \"DeviceManagementApps\";"),
            ("host/src/gateway/endpoint.rs", "const USUAL: &str = \"https://login.microsoftonline.com\";"),
        ],
        &[
            ("host/src/provider/microsoft.rs", "const NEXT: &str = \"@odata.nextLink\";"),
            ("host/src/provider.rs", "mod microsoft;\n&[&fake::Fake, &microsoft::Microsoft]"),
            ("adapters/microsoft/src/lib.rs", "const MICROSOFT: &str = \"@odata.type\";"),
            ("host/src/service/import.rs", "// the central entrance of the graph. Metadata"),
            ("tests/tests/microsoft_adapter.rs", "//! Intune"),
            ("tests/vectors/adapt-microsoft.ndjson", "{\"@odata.type\":1}"),
            ("tests/Cargo.toml", "adapter-microsoft = { path = \"../adapters/microsoft\" }"),
        ],
    );
}

#[test]
fn the_project_speaks_of_itself_alone() {
    holds(WORKPLACE);
}

#[test]
fn a_word_about_the_workplace_is_caught() {
    catches(
        WORKPLACE,
        &[
            ("host/src/lib.rs", "//! Text.\n// see /home/ada/provident/host"),
            ("host/src/lib.rs", concat!("// see ", env!("CARGO_MANIFEST_DIR"), "/src")),
            ("tests/vectors/a.ndjson", "{\"id\":\"/root/x\"}"),
            ("host/src/lib.rs", "// built in issue 3"),
            ("CHANGELOG.md", "- Keys (#12)"),
            ("host/src/lib.rs", "// waits for #7."),
            ("host/src/lib.rs", "/// Comes with the next issue."),
        ],
        &[
            ("host/src/lib.rs", "let s = r#\"x\"#; let n = format!(\"{n:#010x} #12\");"),
            ("README.md", "[the bug](https://example.org/issues/#12) and docs/redesign.md"),
            ("tests/vectors/a.ndjson", "{\"id\":\"a #12\"}"),
            ("host/src/lib.rs", "// the network/working set"),
        ],
    );
}

#[test]
fn things_are_called_what_they_are() {
    holds(NAMES);
}

#[test]
fn a_name_that_says_nothing_is_caught() {
    catches(
        NAMES,
        &[
            ("host/src/utils.rs", "//! Text."),
            ("host/src/common/key.rs", "//! Text.\nmod helpers;"),
            ("host/src/key.rs", "pub struct KeyManager<T> {"),
            ("host/src/key.rs", "pub(crate) trait StoreImpl {"),
        ],
        &[
            ("host/src/role.rs", "enum Role {\n    Manager,\n}\nstruct Database;"),
            ("host/src/key.rs", "// struct KeyManager\nlet utils = 1;"),
        ],
    );
}

#[test]
fn every_module_opens_with_what_it_is_for() {
    holds(OPENINGS);
}

#[test]
fn a_module_without_an_opening_is_caught() {
    catches(
        OPENINGS,
        &[("a/src/lib.rs", "use std::fmt;"), ("a/src/lib.rs", "\n/// Not it."), ("a.rs", "")],
        &[("a/src/lib.rs", "\n//! It.\nuse std::fmt;"), ("a.sql", "SELECT 1")],
    );
}

#[test]
fn a_violation_shows_file_line_and_snippet() {
    let found = NAMES("host/src/key.rs", "//! Text.\n    pub struct KeyManager;\n");
    assert_eq!(
        report(&found),
        "1 violation(s)\n\nhost/src/key.rs:2: `KeyManager`: name it after what it is, not that it is something\n    \
         | pub struct KeyManager;\n"
    );
}

#[test]
fn the_guarded_rooms_are_there() {
    let project = project();
    let rooms = ["service", "store", "policy", "cli", "http", "gateway", "provider", "worker"];
    for room in rooms.map(|room| format!("host/src/{room}")) {
        assert!(project.iter().any(|file| file.path.starts_with(&room)), "{room} is gone");
    }
    let binding = |file: &&File| file.path.starts_with("host/src/") && file.path.contains("/binding");
    assert!(project.iter().filter(binding).count() >= 2, "the binding rooms are gone");
}

#[test]
fn every_operation_asks_the_policy_exactly_once() {
    let project = files(&root()).unwrap();
    let service = project.iter().filter(|file| file.path.starts_with("host/src/service/"));
    let service: Vec<(&str, &str)> = service.map(|file| (file.path.as_str(), file.text.as_str())).collect();
    assert!(service.len() > 8, "{}", service.len());
    let problems = authorization::problems(&service);
    assert!(problems.is_empty(), "{}", problems.join("\n"));
}
