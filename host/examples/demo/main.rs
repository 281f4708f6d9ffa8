//! The whole story on data made up for it: two tenants, what they have in common, and what somebody decided.
//!
//! A service provider, Tideline, keeps a baseline in a tenant of its own and looks after a bakery's tenant. Both export
//! their objects. The demo types the commands of the `provident` program built beside it, in a folder that is removed at
//! the end, and fails where one does not do what it says. Start at [`story`].

mod export;
mod table;
mod terminal;

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::ExitCode;

use export::Export;
use serde_json::Value;
use terminal::{Said, Terminal, Wrong, claim, say, show_table};

/// The files of the story, beside this one; not one id or name in them is anybody's.
const FILES: [(&str, &str); 3] = [
    ("baseline.jsonl", include_str!("baseline.jsonl")),
    ("bakery.json", include_str!("bakery.json")),
    ("bakery-later.json", include_str!("bakery-later.json")),
];

/// Stands in the bakery's export, outside of what identifies or names anything.
const SECRETS: [&str; 2] = ["rye-and-caraway-7731", "c2lnbmVkLWJ5LXRoZS1iYWtlcnk"];

/// Who says why; none of it may stand in the audit trail.
const NOTES: [&str; 7] = [
    "same settings, renamed by the bakery in March",
    "the bakery manages no phones",
    "the supplier of the till sets the browser up",
    "nothing can be done about an oven yet",
    "somebody is to make it",
    "they made it, with ten minutes",
    "the supplier has left",
];

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
    for (name, text) in FILES {
        fs::write(folder.join(name), text)?;
    }
    let mut terminal = Terminal::new(folder)?;
    say(
        "Tideline looks after the devices of other companies. It keeps a baseline in a tenant of its own, and asks of",
    )?;
    say("each customer: which of your objects is which of ours? Here the customer is a bakery. All of it is made up.")?;
    say("Long things are shown short: a value that was given a $NAME by it, a key by its end, a time by the clock.")?;
    let (baseline, bakery) = names_mislead(&mut terminal)?;
    keys_do_not(&mut terminal, &baseline, &bakery)?;
    set_up(&mut terminal)?;
    import(&mut terminal)?;
    decide(&mut terminal)?;
    only_one_is_active(&mut terminal)?;
    time_goes_on(&mut terminal)?;
    look_up(&mut terminal, &baseline)?;
    strangers(&mut terminal)?;
    what_was_done(&mut terminal)?;
    what_is_kept(folder)?;
    say("\nThat is all. What was written here is gone; README.md says how to set up a place that stays.")
}

fn derive(terminal: &mut Terminal, file: &str) -> Result<Export, Wrong> {
    let answers = terminal.run_unseen(&["key", "derive", "--adapter", "microsoft", file])?;
    let export = Export::read(&answers.output)?;
    say(&format!("  ({} answers, one JSON object a line)", export.0.len()))?;
    Ok(export)
}

fn names_mislead(terminal: &mut Terminal) -> Result<(Export, Export), Wrong> {
    terminal.heading(
        "Names mislead",
        "Two exports in the shape of Microsoft Graph. An adapter reads each object and says what it is; nothing is \
         stored, and no one is asked who they are. First, how far would the names on the objects get us?",
    )?;
    let baseline = derive(terminal, "baseline.jsonl")?;
    let bakery = derive(terminal, "bakery.json")?;
    let here = bakery.labels();
    let labels = baseline.labels();
    let mut rows = vec![["NAME IN THE BASELINE", "OBJECTS THERE", "AT THE BAKERY", "SO"].map(String::from).to_vec()];
    for (label, there) in &labels {
        let found = here.get(label).copied().unwrap_or(0);
        let so = match (there, found) {
            (1, 1) => "perhaps the same",
            (_, 0) => "renamed, missing, or never there?",
            _ => "which is which?",
        };
        rows.push(vec![(*label).to_owned(), there.to_string(), found.to_string(), so.to_owned()]);
    }
    show_table(&rows)?;
    let (label, count) = labels.iter().max_by_key(|(_, count)| **count).ok_or_else(|| Wrong::new("no labels"))?;
    let keys = baseline.keys_labelled(label);
    claim(
        *count == 5 && keys.len() == 5 && here.get(label) == Some(&5) && keys == bakery.keys_labelled(label),
        &format!("{count} different objects are all called \"{label}\", in both tenants: 25 pairs by name, 5 by key"),
    )?;
    claim(here.get("Firewall") == Some(&2), "\"Firewall\" is one object there and two here")?;
    Ok((baseline, bakery))
}

fn keys_do_not(terminal: &mut Terminal, baseline: &Export, bakery: &Export) -> Result<(), Wrong> {
    terminal.heading(
        "Keys do not",
        "The same answers, now with their keys. A key says provider, class, type and identity, and never a name.",
    )?;
    for (name, label) in [
        ("DISK", "Disk encryption"),
        ("FIREWALL", "Firewall"),
        ("BROWSER", "Browser hardening"),
        ("LAPTOPS", "Laptops must be healthy"),
        ("PHONES", "Phones must be healthy"),
        ("LOCK", "Screen lock"),
    ] {
        terminal.name_unseen(name, baseline.key_labelled(label)?);
    }
    let shared: BTreeSet<&str> = baseline.keys().intersection(&bakery.keys()).copied().collect();
    let mut rows = vec![["NAME IN THE BASELINE", "CLASS", "CALLED HERE", "KEY"].map(String::from).to_vec()];
    for object in &baseline.0 {
        let name = match terminal.named(&object.key) {
            Some(name) => name.to_owned(),
            None if shared.contains(object.key.as_str()) => "in both tenants".to_owned(),
            None => String::new(),
        };
        let label = object.label.clone().unwrap_or_default();
        rows.push(vec![label, class_in_key(&object.key), name, table::end_of_key(&object.key)]);
    }
    show_table(&rows)?;
    let whole = shared.first().copied().unwrap_or_default();
    say(&format!("One of them in full:\n  {whole}"))?;
    let of_class = |class: &str| {
        let both = baseline.0.iter().filter(|object| object.class == class);
        both.filter(|object| shared.contains(object.key.as_str())).count()
    };
    claim(
        of_class("provider_default") == 5 && of_class("virtual_assignment_target") == 2 && shared.len() == 7,
        "the five defaults and the two virtual targets have the same key in both tenants: nobody has to decide",
    )?;
    claim(
        baseline.0.len() == 15 && baseline.keys().len() == 14,
        "15 objects have 14 keys: a group is one subject, whether a policy includes or excludes it",
    )?;
    claim(!baseline.has_label_in_key() && !bakery.has_label_in_key(), "no name stands in any key")
}

/// The class as a key writes it, its third part.
fn class_in_key(key: &str) -> String {
    key.split(':').nth(2).unwrap_or_default().to_owned()
}

fn set_up(terminal: &mut Terminal) -> Result<(), Wrong> {
    terminal.heading(
        "A place for decisions",
        "Decisions are kept: by a user, for an environment, which belongs to a workspace. Every command on decisions \
         names these three; none is remembered from the command before.",
    )?;
    terminal.run(&["init", "--data-dir", "data"])?;
    let users = terminal.run(&["user", "create", "--data-dir", "data", "--name", "Ada Byron"])?;
    terminal.name("ADA", users.first_cell()?)?;
    terminal.run(&[
        "workspace",
        "create",
        "--data-dir",
        "data",
        "--slug",
        "tideline",
        "--name",
        "Tideline",
        "--owner",
        "$ADA",
    ])?;
    let mut words = vec!["environment", "create", "--data-dir", "data", "--as", "$ADA", "--workspace", "tideline"];
    words.extend(["--name", "Bakery"]);
    let environments = terminal.run(&words)?;
    terminal.name("BAKERY", environments.first_cell()?)
}

/// What every command on an environment names.
const BAKERY: [&str; 8] = ["--data-dir", "data", "--as", "$ADA", "--workspace", "tideline", "--environment", "$BAKERY"];
/// What every command on a binding names; the binding says its environment.
const TIDELINE: [&str; 6] = ["--data-dir", "data", "--as", "$ADA", "--workspace", "tideline"];

fn words<'a>(command: &[&'a str], scope: &[&'a str], rest: &[&'a str]) -> Vec<&'a str> {
    [command, scope, rest].concat()
}

fn import(terminal: &mut Terminal) -> Result<(), Wrong> {
    terminal.heading(
        "Import",
        "The bakery's export goes into the inventory: what was last observed. The group that is both included and \
         excluded is met twice and kept once. The baseline need not be stored: its keys are enough.",
    )?;
    let said = terminal.run(&words(&["import"], &BAKERY, &["--adapter", "microsoft", "bakery.json"]))?;
    claim(
        said.output.contains("16 objects: 15 imported (15 new, 0 changed), 1 unchanged, 0 refused"),
        "15 items are in the inventory, among them two called \"Firewall\" and an oven nobody has heard of",
    )?;
    name_items(terminal, &[("OFFICE", "BAK Encrypt office laptops"), ("OVEN", "Oven no. 2")])
}

/// Gives inventory items names, by their labels.
fn name_items(terminal: &mut Terminal, labels: &[(&str, &str)]) -> Result<(), Wrong> {
    let inventory = terminal.ask(&words(&["inventory", "list"], &BAKERY, &["--format", "json"]))?;
    let inventory: Value = serde_json::from_str(&inventory).map_err(|error| Wrong::new(error.to_string()))?;
    let items = inventory.get("items").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let text = |item: &Value, member: &str| item.get(member).and_then(Value::as_str).map(str::to_owned);
    for (name, label) in labels {
        let item = items.iter().find(|item| text(item, "display_label").as_deref() == Some(*label));
        let id = item.and_then(|item| text(item, "id"));
        let id = id.ok_or_else(|| Wrong::new(format!("`{label}` is not in the inventory")))?;
        say(&format!("\"{label}\" is this item of `provident inventory list`:"))?;
        terminal.name(name, &id)?;
    }
    Ok(())
}

fn decide(terminal: &mut Terminal) -> Result<(), Wrong> {
    let [same, no_phones, supplier, oven, somebody, ..] = NOTES;
    terminal.heading(
        "Decide",
        "What no key can tell, a person decides, and says why. The subject is the baseline's object, by its key; the \
         resource is what it is at the bakery.",
    )?;
    let domain = ["--domain", "intune", "--note"];
    let rest = [&["--subject", "$DISK", "--resource-item", "$OFFICE"][..], &domain, &[same]].concat();
    say("This is that:")?;
    let said = terminal.run(&words(&["binding", "create"], &BAKERY, &rest))?;
    in_force(terminal, &said, "manual_binding", "BOUND")?;
    for (why, command, subject, note, mode, name) in [
        ("Not governed here:", "exclude", "$PHONES", no_phones, "excluded_non_governed", "EXCLUDED"),
        ("Accepted as it is:", "accept", "$BROWSER", supplier, "accepted_limitation", "ACCEPTED"),
        ("Ought to be here, and is not:", "mark-missing", "$LOCK", somebody, "missing_expected", "MISSING"),
    ] {
        say(why)?;
        let rest = [&["--subject", subject][..], &domain, &[note]].concat();
        let said = terminal.run_for(&words(&["binding", command], &BAKERY, &rest), &["status", "mode"])?;
        in_force(terminal, &said, mode, name)?;
    }
    say("Cannot be covered; this one is the bakery's own, so its inventory item is the subject:")?;
    let rest = ["--subject-item", "$OVEN", "--note", oven];
    let said = terminal.run_for(&words(&["binding", "mark-unsupported"], &BAKERY, &rest), &["status", "mode"])?;
    in_force(terminal, &said, "unsupported_coverage", "UNCOVERED")?;
    terminal.name("OVEN_KEY", &said.fact("subject")?)?;
    claim(true, "five decisions are in force, one in each way a person can decide")
}

/// Sees whether a decision is what it was to be, and gives it a name.
fn in_force(terminal: &mut Terminal, said: &Said, mode: &str, name: &str) -> Result<(), Wrong> {
    if said.fact("status")? != "active" || said.fact("mode")? != mode {
        return Err(Wrong::new(format!("the decision is not in force as {mode}")));
    }
    terminal.name(name, &said.fact("binding")?)
}

fn only_one_is_active(terminal: &mut Terminal) -> Result<(), Wrong> {
    terminal.heading(
        "One decision at a time",
        "A subject has at most one decision in force. A second one is refused and told which; the database holds to \
         that even where two people decide in the same moment.",
    )?;
    let rest = ["--subject", "$DISK", "--domain", "intune", "--note", "never mind"];
    let said = terminal.refused(&words(&["binding", "exclude"], &BAKERY, &rest), 6)?;
    claim(said.errors.starts_with("active-binding-exists"), "refused; $BOUND stays the one in force")
}

fn time_goes_on(terminal: &mut Terminal) -> Result<(), Wrong> {
    let [_, _, _, _, _, made, left] = NOTES;
    terminal.heading(
        "Time goes on",
        "The bakery makes the missing policy, under a name of its own, and exports again. Importing decides nothing: \
         what was decided stands until somebody decides otherwise.",
    )?;
    let said = terminal.run(&words(&["import"], &BAKERY, &["--adapter", "microsoft", "bakery-later.json"]))?;
    claim(
        said.output.contains("17 objects: 1 imported (1 new, 0 changed), 16 unchanged, 0 refused"),
        "one object is new",
    )?;
    name_items(terminal, &[("NEW", "Lock after ten minutes")])?;
    say("No longer missing, so another decision takes the place of the first:")?;
    let rest = ["$MISSING", "--mode", "manual_binding", "--resource-item", "$NEW", "--note", made];
    let facts = ["status", "mode", "resource", "supersedes"];
    let said = terminal.run_for(&words(&["binding", "supersede"], &TIDELINE, &rest), &facts)?;
    in_force(terminal, &said, "manual_binding", "MADE")?;
    say("And what was accepted is accepted no longer:")?;
    let revoke = words(&["binding", "revoke"], &TIDELINE, &["$ACCEPTED", "--note", left]);
    let said = terminal.run_for(&revoke, &["status", "mode", "ended"])?;
    claim(said.fact("status")? == "revoked", "revoked; the decision is kept, and no longer in force")
}

fn look_up(terminal: &mut Terminal, baseline: &Export) -> Result<(), Wrong> {
    terminal.heading(
        "Look up",
        "What a platform asks all day: keys in, one answer each, in order. An answer is never just yes or no: what is \
         accepted, excluded or missing is not mistaken for what is there.",
    )?;
    let asked = ["Disk encryption", "Phones must be healthy", "Browser hardening", "Screen lock"];
    let mut keys = String::new();
    for label in asked.iter().chain(&["Laptops must be healthy"]) {
        keys += baseline.key_labelled(label)?;
        keys.push('\n');
    }
    terminal.write("keys.txt", &keys)?;
    let said = terminal.run_with_input(&words(&["binding", "lookup"], &BAKERY, &[]), "keys.txt")?;
    let answers: Vec<&str> = said.output.lines().skip(1).collect();
    let expected = ["manual_binding", "excluded_non_governed", "revoked", "manual_binding", "none"];
    claim(
        answers.len() == 5 && answers.iter().zip(expected).all(|(answer, word)| answer.contains(word)),
        "three in force, one ended, one never decided",
    )?;
    say("Every decision there was about one subject:")?;
    let said = terminal.run(&words(&["binding", "history"], &TIDELINE, &["$MADE"]))?;
    let decisions: Vec<&str> = said.output.lines().skip(1).collect();
    let superseded = decisions.iter().filter(|decision| decision.contains("superseded")).count();
    claim(
        decisions.len() == 2 && superseded == 1,
        "the first was superseded in the moment the second was made; neither is lost",
    )
}

fn strangers(terminal: &mut Terminal) -> Result<(), Wrong> {
    terminal.heading(
        "Strangers",
        "Who is not a member learns nothing, not even that there is something. Who is one, and may only read, reads.",
    )?;
    let users = terminal.run(&["user", "create", "--data-dir", "data", "--name", "Eve"])?;
    terminal.name("EVE", users.first_cell()?)?;
    let eve = ["--data-dir", "data", "--as", "$EVE", "--workspace", "tideline"];
    let hidden = terminal.refused(&words(&["binding", "show"], &eve, &["$BOUND"]), 4)?;
    let nowhere = "00000000-0000-7000-8000-000000000000";
    let missing = terminal.refused(&words(&["binding", "show"], &eve, &[nowhere]), 4)?;
    claim(hidden.errors == missing.errors, "what is hidden and what does not exist are told of alike")?;
    let member = ["--user", "$EVE", "--role", "readonly"];
    terminal.run_unseen(&words(&["workspace", "add-member"], &TIDELINE, &member))?;
    terminal.run_unseen(&words(&["environment", "entitle"], &BAKERY, &["--user", "$EVE"]))?;
    let rest = ["$BOUND", "--note", "let me"];
    let said = terminal.refused(&words(&["binding", "revoke"], &eve, &rest), 5)?;
    claim(said.errors.starts_with("forbidden"), "now Eve may know of it, and still not end it")
}

fn what_was_done(terminal: &mut Terminal) -> Result<(), Wrong> {
    terminal.heading(
        "What was done, and by whom",
        "Each change, and each refused try of a member, is one event, written in the same transaction and chained to \
         the one before by its hash. Of a note an event has the length and a keyed hash, never the text.",
    )?;
    let said = terminal.run(&words(&["audit", "list"], &TIDELINE, &[]))?;
    let count = |action: &str| said.output.lines().filter(|line| line.contains(action)).count();
    claim(
        count("binding.created") == 5
            && count("binding.superseded") == 1
            && count("binding.revoked") == 1
            && count("binding.denied") == 1,
        "five decisions, one superseded, one revoked, one refused to Eve",
    )?;
    let whole = terminal.ask(&words(&["audit", "list"], &TIDELINE, &["--format", "json"]))?;
    claim(!NOTES.iter().any(|note| whole.contains(note)), "no note stands in the audit trail")
}

fn what_is_kept(folder: &Path) -> Result<(), Wrong> {
    let mut bytes = Vec::new();
    for file in fs::read_dir(folder.join("data"))? {
        bytes.extend(fs::read(file?.path())?);
    }
    let holds = |text: &str| bytes.windows(text.len()).any(|window| window == text.as_bytes());
    let export = fs::read_to_string(folder.join("bakery.json"))?;
    say("")?;
    claim(
        holds("Wi-Fi in the shop") && SECRETS.iter().all(|secret| export.contains(secret) && !holds(secret)),
        "the export has a Wi-Fi password and a signed address in it; the database, searched byte by byte, has neither",
    )
}
