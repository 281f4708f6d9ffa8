//! A provider and its inventory: a tenant of 5,000 objects collected through a connection, with all that goes with it.
//!
//! The provider is the stand-in of the tests, in this process, with the face of Microsoft Graph. The demo types the commands
//! of the `provident` program built beside it, in a folder that is removed at the end, and fails where one does not do what
//! it says. Start at [`story`]; what it is told with is the other demo's (`host/examples/demo`).

#[path = "../../../host/examples/demo/table.rs"]
mod table;
#[path = "../../../host/examples/demo/terminal.rs"]
mod terminal;
mod watch;

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use provident_tests::stand_in::{StandIn, Tenant, microsoft};
use serde_json::{Value, json};
use terminal::{Said, Terminal, Wrong, claim, say, show_table};
use watch::{Background, watched};

/// How many objects the tenant has.
const OBJECTS: usize = 5_000;
/// The directory, and who may read it.
const DIRECTORY_ID: &str = "5ca1ab1e-0000-4000-8000-000000000001";
const CLIENT_ID: &str = "5ca1ab1e-0000-4000-8000-000000000002";
const CLIENT_SECRET: &str = "sourdough-and-sunflower-5150";
/// Stands in every object, outside of what identifies or names anything.
const PAYLOAD: &str = "signed-by-the-mill-9042";
/// What five objects are called that have no id of their own.
const SHARED: &str = "All users and all devices";
/// A policy of the baseline that the other demo keeps.
const DISK: &str = "provider:microsoft:policy:configurationPolicies:microsoft.graph.deviceManagementConfigurationPolicy:id:\
                    0ba5e11e-0001-4d15-8c00-0000000000c1";
/// Where policies like it lie.
const POLICIES: &str = "configurationPolicies";

/// What every command on the environment names.
const MILL: [&str; 8] = ["--data-dir", "data", "--as", "$ADA", "--workspace", "tideline", "--environment", "$MILL"];
/// The same of the environment that knows the tenant from files.
const FILES: [&str; 8] = ["--data-dir", "data", "--as", "$ADA", "--workspace", "tideline", "--environment", "$FILES"];
/// What every command on a connection, a run or a binding names; that says its environment.
const TIDELINE: [&str; 6] = ["--data-dir", "data", "--as", "$ADA", "--workspace", "tideline"];
const THROUGH: [&str; 2] = ["--provider", "microsoft"];

fn main() -> ExitCode {
    let told = tempfile::tempdir().map_err(Wrong::from).and_then(|folder| story(folder.path()));
    match told {
        Ok(()) => ExitCode::SUCCESS,
        Err(wrong) => {
            use std::io::Write;
            // Nobody is left to be told if this cannot be written.
            let _ = writeln!(std::io::stderr().lock(), "the demo went wrong: {wrong}");
            ExitCode::FAILURE
        }
    }
}

fn story(folder: &Path) -> Result<(), Wrong> {
    let mut terminal = Terminal::new(folder)?;
    let (stand_in, tenant) = (StandIn::start(), tenant()?);
    stand_in.directory(DIRECTORY_ID, &tenant);
    stand_in.client(DIRECTORY_ID, CLIENT_ID, CLIENT_SECRET);
    say(
        "Tideline has another customer, a mill. Its objects are not exported by hand: Provident reads them from the provider.",
    )?;
    say("All of it is made up. Long things are shown short: a value that was given a $NAME by it, a key by its end.")?;
    a_provider(&mut terminal, &stand_in)?;
    a_place(&mut terminal)?;
    a_connection(&mut terminal, &stand_in)?;
    let worker = does_it_work(&mut terminal, &stand_in)?;
    collect(&mut terminal, &stand_in)?;
    let items = what_is_there(&mut terminal)?;
    from_files(&mut terminal, &tenant, &items)?;
    let bound = decide(&mut terminal, &items)?;
    comply(&mut terminal, &tenant)?;
    one_at_a_time(&mut terminal, &stand_in, &tenant, &bound)?;
    what_was_done(&mut terminal, worker, &stand_in)?;
    what_is_kept(folder, &stand_in)?;
    say("\nThat is all. What was written here is gone; README.md says how to collect from a provider that stays.")
}

/// The invented tenant: no devices, which nobody binds, and five defaults of one name.
fn tenant() -> Result<Tenant, Wrong> {
    let tenant = microsoft::invented(7, OBJECTS);
    for id in tenant.ids("managedDevices") {
        let _ = tenant.remove("managedDevices", &id);
    }
    let defaults = "deviceEnrollmentConfigurations";
    let ids = tenant.ids(defaults);
    let customer = ids.iter().find_map(|id| id.strip_suffix("_DefaultLimit"));
    let customer = customer.ok_or_else(|| Wrong::new("the tenant has no defaults"))?;
    let kind = "#microsoft.graph.windowsRestoreDeviceEnrollmentConfiguration";
    let id = format!("{customer}_WindowsRestore");
    tenant.add(defaults, json!({ "@odata.type": kind, "id": id, "displayName": SHARED }));
    for number in tenant.count()..OBJECTS {
        let id = format!("5ca1ab1e-0000-4000-9000-{number:012}");
        tenant.add("groups", json!({ "id": id, "displayName": format!("Shift {number}") }));
    }
    tenant.set_payload(PAYLOAD);
    Ok(tenant)
}

fn words<'a>(command: &[&'a str], scope: &[&'a str], rest: &[&'a str]) -> Vec<&'a str> {
    [command, scope, rest].concat()
}

/// What lists the runs that are under way.
fn active() -> Vec<&'static str> {
    words(&["run", "list"], &MILL, &["--active", "--format", "json"])
}

fn a_provider(terminal: &mut Terminal, stand_in: &StandIn) -> Result<(), Wrong> {
    terminal.heading(
        "A provider",
        "A stand-in for Microsoft Graph listens on this machine, with a tenant of 5,000 objects: it gives tokens, cuts \
         lists into pages, and counts what it is asked. Where a provider is stands in a file of settings and nowhere else; \
         without one it is the provider's public place.",
    )?;
    let settings = microsoft::settings(&stand_in.base_url());
    terminal.write("settings.toml", &settings)?;
    say("$ cat settings.toml")?;
    settings.lines().try_for_each(|line| say(&format!("  {line}")))
}

fn a_place(terminal: &mut Terminal) -> Result<(), Wrong> {
    terminal.heading("A place for what is found", "As in the other demo: a user, a workspace, an environment.")?;
    terminal.run(&["init", "--data-dir", "data"])?;
    let users = terminal.run(&["user", "create", "--data-dir", "data", "--name", "Ada Byron"])?;
    terminal.name("ADA", users.first_cell()?)?;
    let workspace = ["--data-dir", "data", "--slug", "tideline", "--name", "Tideline", "--owner", "$ADA"];
    terminal.run(&[&["workspace", "create"][..], &workspace].concat())?;
    environment(terminal, "MILL", "Mill")
}

fn environment(terminal: &mut Terminal, name: &str, called: &str) -> Result<(), Wrong> {
    let environments = terminal.run(&words(&["environment", "create"], &TIDELINE, &["--name", called]))?;
    terminal.name(name, environments.first_cell()?)
}

fn a_connection(terminal: &mut Terminal, stand_in: &StandIn) -> Result<(), Wrong> {
    terminal.heading(
        "A connection",
        "How an environment reaches a provider: which directory, and with whose credentials. These come from standard \
         input or are typed unseen, never from an argument. Each is sealed under a key of its own, and never shown again.",
    )?;
    terminal.name("DIRECTORY", DIRECTORY_ID)?;
    let rest = ["--provider", "microsoft", "--name", "The mill, reading", "--directory", "$DIRECTORY"];
    let made = terminal.run(&words(&["connection", "create"], &MILL, &rest))?;
    terminal.name("CONNECTION", &made.fact("connection")?)?;
    let fields = json!({ "client_id": CLIENT_ID, "client_secret": CLIENT_SECRET });
    terminal.write("credentials.json", &fields.to_string())?;
    let set = words(&["credential", "set"], &TIDELINE, &["$CONNECTION"]);
    let said = terminal.run_with_input(&set, "credentials.json")?;
    claim(
        said.fact("credentials")?.starts_with("client_id, client_secret, set") && !said.output.contains(CLIENT_SECRET),
        "the first connection of a provider is its default; of its credentials only the names are shown",
    )?;
    claim(stand_in.count() == 0, "nobody has asked the provider anything so far")
}

fn does_it_work(terminal: &mut Terminal, stand_in: &StandIn) -> Result<Background, Wrong> {
    terminal.heading(
        "Does it work?",
        "What is done at a provider is a run. Starting one answers at once; a worker does the work, here in a process of \
         its own in the background. Nothing else ever talks to a provider, and workers only read.",
    )?;
    let worker = ["worker", "--data-dir", "data", "--config", "settings.toml"];
    let worker = Background::start(terminal, &worker)?;
    let said = start_watched(terminal, "health.check")?;
    claim(
        said.fact("outcome")? == "succeeded" && said.fact("requests")? == "2" && stand_in.count() == 2,
        "it works: two requests, one for a token and one that reads",
    )?;
    Ok(worker)
}

fn start_watched(terminal: &Terminal, operation: &str) -> Result<Said, Wrong> {
    let rest = [&["--operation", operation][..], &THROUGH, &["--watch"]].concat();
    watched(terminal, &words(&["run", "start"], &MILL, &rest), &active())
}

/// Whether a run counted this; nothing is not counted.
fn counted(said: &Said, counts: &[(&str, u64)]) -> bool {
    let count = |name| said.fact(name).ok().map_or(Some(0), |count| count.parse().ok());
    counts.iter().all(|(name, expected)| count(name) == Some(*expected))
}

fn collect(terminal: &mut Terminal, stand_in: &StandIn) -> Result<(), Wrong> {
    terminal.heading(
        "Collect",
        "Every collection of the provider, page by page; each page is described by the adapter and taken into the \
         inventory, as in an import, and counted while whoever watches sees it move.",
    )?;
    let before = stand_in.count();
    let said = start_watched(terminal, "inventory.collect")?;
    terminal.name("RUN", &said.fact("run")?)?;
    let whole = [("objects", 5_000), ("added", 5_000), ("refused", 0), ("collections_failed", 0), ("not_observed", 0)];
    claim(counted(&said, &whole), "5,000 objects are in the inventory, none was refused, no collection was left out")?;
    let requests = stand_in.count().saturating_sub(before);
    let pages = said.fact("pages")?;
    claim(
        said.fact("requests")? == requests.to_string(),
        &format!("the provider was asked {requests} times for {pages} pages, which is what the run says"),
    )
}

/// All items of an environment.
fn inventory(terminal: &Terminal, scope: &[&str]) -> Result<Vec<Value>, Wrong> {
    let (mut items, mut after) = (Vec::new(), None::<String>);
    loop {
        let mut rest = vec!["--format", "json", "--limit", "500"];
        rest.extend(after.iter().flat_map(|after| ["--after", after]));
        let page = terminal.ask(&words(&["inventory", "list"], scope, &rest))?;
        let page: Value = serde_json::from_str(&page).map_err(|error| Wrong::new(error.to_string()))?;
        items.extend(page.get("items").and_then(Value::as_array).into_iter().flatten().cloned());
        match page.get("next").and_then(Value::as_str) {
            Some(next) => after = Some(next.to_owned()),
            None => return Ok(items),
        }
    }
}

fn text<'a>(item: &'a Value, member: &str) -> &'a str {
    item.get(member).and_then(Value::as_str).unwrap_or_default()
}

/// Looks around; gives all that was collected.
fn what_is_there(terminal: &mut Terminal) -> Result<Vec<Value>, Wrong> {
    terminal.heading("What is there", "Reading asks nobody but the database. The first of 5,000:")?;
    terminal.run(&words(&["inventory", "list"], &MILL, &["--limit", "3"]))?;
    say(&format!("And those that are called \"{SHARED}\":"))?;
    let items = inventory(terminal, &MILL)?;
    let shared: Vec<&Value> = items.iter().filter(|item| text(item, "display_label") == SHARED).collect();
    let mut rows = vec![["CLASS", "KEY"].map(String::from).to_vec()];
    for item in &shared {
        let key = text(item, "canonical_subject_key");
        rows.push(vec![key.split(':').nth(2).unwrap_or_default().to_owned(), table::end_of_key(key)]);
    }
    show_table(&rows)?;
    let keys: BTreeSet<&str> = shared.iter().map(|item| text(item, "canonical_subject_key")).collect();
    let is_default = |key: &&str| key.contains(":default:");
    claim(
        shared.len() == 5 && keys.len() == 5 && keys.iter().all(is_default),
        "five defaults have one name and five keys; no id of the tenant is in them",
    )?;
    Ok(items)
}

fn keys(items: &[Value]) -> BTreeSet<&str> {
    items.iter().map(|item| text(item, "canonical_subject_key")).collect()
}

fn from_files(terminal: &mut Terminal, tenant: &Tenant, collected: &[Value]) -> Result<(), Wrong> {
    terminal.heading(
        "The same from files",
        "The same tenant, written to a file as a tool exports it, one object a line, and imported into another environment.",
    )?;
    terminal.write("export.jsonl", &tenant.lines())?;
    environment(terminal, "FILES", "Mill, from files")?;
    let said = terminal.run(&words(&["import"], &FILES, &["--adapter", "microsoft", "export.jsonl"]))?;
    claim(said.output.contains("5000 objects: 5000 imported (5000 new"), "5,000 objects are in that inventory, too")?;
    let imported = inventory(terminal, &FILES)?;
    claim(
        keys(collected).len() == OBJECTS && keys(collected) == keys(&imported),
        "5,000 keys were collected and 5,000 imported: they are the same",
    )
}

/// Binds a policy that was collected; gives the provider's id of it.
fn decide(terminal: &mut Terminal, items: &[Value]) -> Result<String, Wrong> {
    terminal.heading(
        "Decide",
        "What was collected is what decisions are about. The baseline's disk encryption is this policy of the mill, and the \
         decision names the run it comes from.",
    )?;
    let item = items.iter().find(|item| text(item, "canonical_subject_key").contains(&format!(":{POLICIES}:")));
    let item = item.ok_or_else(|| Wrong::new("no policy was collected"))?;
    let id = text(item, "canonical_subject_key").rsplit(':').next().unwrap_or_default().to_owned();
    terminal.name_unseen("DISK", DISK);
    say(&format!("\"{}\" is this item of `provident inventory list`:", text(item, "display_label")))?;
    terminal.name("POLICY", text(item, "id"))?;
    let rest = [
        &["--subject", "$DISK", "--domain", "intune", "--resource-item", "$POLICY"][..],
        &["--source-operation-run", "$RUN", "--note", "the same settings"],
    ]
    .concat();
    let facts = ["status", "mode", "subject", "resource"];
    let said = terminal.run_for(&words(&["binding", "create"], &MILL, &rest), &facts)?;
    terminal.name("BOUND", &said.fact("binding")?)?;
    claim(said.fact("status")? == "active", "the decision is in force")?;
    Ok(id)
}

fn comply(terminal: &mut Terminal, tenant: &Tenant) -> Result<(), Wrong> {
    terminal.heading(
        "How many comply",
        "The provider's own counts, kept with the run: numbers, and nothing of any device.",
    )?;
    let said = start_watched(terminal, "compliance.snapshot")?;
    let told = |name: &str| tenant.summary().get(name).copied().unwrap_or_default();
    let counts = [("compliant", told("compliantDeviceCount")), ("noncompliant", told("nonCompliantDeviceCount"))];
    claim(
        counted(&said, &counts),
        &format!(
            "{} comply and {} do not, as the provider says",
            told("compliantDeviceCount"),
            told("nonCompliantDeviceCount")
        ),
    )
}

fn one_at_a_time(terminal: &mut Terminal, stand_in: &StandIn, tenant: &Tenant, bound: &str) -> Result<(), Wrong> {
    terminal.heading(
        "One at a time, and nothing is lost",
        "Somebody deletes that policy at the provider, and it is collected again, from a provider that has become slow. \
         Meanwhile somebody starts the same, and somebody else something else.",
    )?;
    if !tenant.remove(POLICIES, bound) {
        return Err(Wrong::new("the policy is not in the tenant"));
    }
    stand_in.set_delay(Duration::from_millis(100));
    let start = |operation| [&["--operation", operation][..], &THROUGH].concat();
    let again = words(&["run", "start"], &MILL, &start("inventory.collect"));
    let said = terminal.run(&again)?;
    terminal.name("SECOND", &said.fact("run")?)?;
    let same = terminal.run(&again)?;
    let busy = terminal.refused(&words(&["run", "start"], &MILL, &start("health.check")), 6)?;
    stand_in.set_delay(Duration::ZERO);
    claim(
        same.fact("run")? == said.fact("run")? && busy.errors.starts_with("scope-busy"),
        "who starts the same is given the run there is, anybody else is told of it: of a directory one run is active",
    )?;
    let said = watched(terminal, &words(&["run", "watch"], &TIDELINE, &["$SECOND"]), &active())?;
    let whole = [("objects", 4_999), ("unchanged", 4_999), ("added", 0), ("changed", 0), ("not_observed", 1)];
    claim(counted(&said, &whole), "4,999 objects are as they were, and one is no longer observed; it is not deleted")?;
    let said = terminal.run_for(&words(&["binding", "show"], &TIDELINE, &["$BOUND"]), &["status", "resource"])?;
    claim(said.fact("status")? == "active", "what somebody decided about it stands until somebody decides otherwise")
}

fn what_was_done(terminal: &mut Terminal, worker: Background, stand_in: &StandIn) -> Result<(), Wrong> {
    terminal.heading("What was done", "Every run, the newest first, for as long as the environment is there.")?;
    let before = stand_in.count();
    let said = terminal.run(&words(&["run", "list"], &MILL, &[]))?;
    let succeeded = said.output.lines().filter(|line| line.contains("succeeded")).count();
    claim(succeeded == 4 && stand_in.count() == before, "four runs; listing them asked the provider nothing")?;
    say("The worker is told to stop, and ends when what it has begun has ended:")?;
    worker.stop()
}

fn what_is_kept(folder: &Path, stand_in: &StandIn) -> Result<(), Wrong> {
    let mut bytes = Vec::new();
    for file in fs::read_dir(folder.join("data"))? {
        bytes.extend(fs::read(file?.path())?);
    }
    let holds = |text: &str| bytes.windows(text.len()).any(|window| window == text.as_bytes());
    let tokens = stand_in.tokens();
    let kept = tokens.iter().map(String::as_str).chain([CLIENT_SECRET, PAYLOAD]).any(holds);
    say("")?;
    claim(
        holds(SHARED) && !tokens.is_empty() && !kept,
        "the database, searched byte by byte, has neither the client's secret nor a token, nor what else stood in the objects",
    )
}
