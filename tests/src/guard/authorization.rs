//! Every operation of the service asks the policy exactly once, and none goes without: counted along the calls from
//! each public function of `host/src/service`, which is the list of operations its own documentation gives.
//!
//! Reads text, not types: a call is a known function's name before a parenthesis, in the same file if there is one.

use std::collections::{BTreeMap, BTreeSet};

use super::source::{lines, without_test_module};

/// What asks: the one function that decides.
const ASKS: &str = "policy::authorize(";

/// What is no operation of its own: ending, going on with what an operation has begun and judged, and whether the
/// database is there.
const GOES_ON: [&str; 3] = ["close", "next_events", "readiness"];

/// What stands in for reads and for mutations, and so has two ways, each of which asks once.
const TWO_WAYS: [&str; 1] = ["stands"];

/// What says who is asking, before anything is asked.
const SAYS_WHO: [&str; 2] = ["token_holder", "user_of_identity"];

/// A function as it is written.
#[derive(Debug)]
struct Function {
    path: String,
    public: bool,
    waits: bool,
    signature: String,
    body: String,
}

/// What is wrong with the operations of a service, given its files as path and text, `mod.rs` with the list among them.
#[must_use]
pub fn problems(files: &[(&str, &str)]) -> Vec<String> {
    let mut functions: BTreeMap<String, Vec<Function>> = BTreeMap::new();
    let mut listed = BTreeSet::new();
    for (path, text) in files {
        if path.ends_with("/mod.rs") {
            listed.extend(operations(text));
        }
        for (name, function) in functions_of(path, text) {
            functions.entry(name).or_default().push(function);
        }
    }
    let mut problems = Vec::new();
    let public = functions.iter().flat_map(|(name, all)| all.iter().map(move |function| (name, function)));
    let public: Vec<_> = public.filter(|(_, function)| function.public).collect();
    for name in &listed {
        if !public.iter().any(|(found, _)| *found == name) {
            problems.push(format!("`{name}` is listed as an operation and is none"));
        }
    }
    for (name, function) in public {
        if !listed.contains(name) {
            if !function.waits || GOES_ON.contains(&name.as_str()) || SAYS_WHO.contains(&name.as_str()) {
                continue;
            }
            problems.push(format!("{}: `{name}` is not in the list of operations", function.path));
            continue;
        }
        let ways = if TWO_WAYS.contains(&name.as_str()) { 2 } else { 1 };
        let expected = if of_the_system(&function.signature) { 0 } else { ways };
        let asked = asks(function, &functions, &mut Vec::new());
        if asked != expected {
            problems.push(format!("{}: `{name}` asks the policy {asked} times, not {expected}", function.path));
        }
    }
    problems
}

/// Whether an operation is for nobody in particular: the system plane's, the system's own, or opening.
fn of_the_system(signature: &str) -> bool {
    ["SystemPlane", "SystemActor", "settings: &Settings"].iter().any(|sign| signature.contains(sign))
        && !signature.contains("Auditor")
}

/// How often a function asks, itself and through the functions it calls.
fn asks(function: &Function, all: &BTreeMap<String, Vec<Function>>, above: &mut Vec<*const Function>) -> usize {
    let this: *const Function = function;
    if above.contains(&this) {
        return 0;
    }
    above.push(this);
    let mut count = function.body.matches(ASKS).count();
    for name in calls(&function.body) {
        let Some(named) = all.get(name) else { continue };
        let here = named.iter().find(|named| named.path == function.path);
        if let Some(called) = here.or_else(|| named.first().filter(|_| named.len() == 1)) {
            count += asks(called, all, above);
        }
    }
    above.pop();
    count
}

/// The names before a parenthesis, each time they stand there; not those of methods of values, which are other rooms'.
fn calls(body: &str) -> impl Iterator<Item = &str> {
    body.match_indices('(').filter_map(|(at, _)| {
        let (before, _) = body.split_at(at);
        let start = before.rfind(|c: char| !c.is_alphanumeric() && c != '_').map_or(0, |place| place + 1);
        let (owner, name) = before.split_at(start);
        let of_a_value = owner.ends_with('.') && !owner.ends_with("self.");
        (!name.is_empty() && !of_a_value).then_some(name)
    })
}

/// The operations a list names, as links to methods of the service.
fn operations(text: &str) -> BTreeSet<String> {
    let rows = text.lines().filter(|line| line.starts_with("//! |"));
    let named = rows.flat_map(|line| line.split("[`Service::").skip(1));
    named.filter_map(|rest| Some(rest.split_once("`]")?.0.to_owned())).collect()
}

fn functions_of(path: &str, text: &str) -> Vec<(String, Function)> {
    let code: Vec<String> = without_test_module(lines(text)).into_iter().map(|line| line.code).collect();
    let code = code.join("\n");
    let mut found = Vec::new();
    for (at, _) in code.match_indices("fn ") {
        let (above, from) = code.split_at(at);
        let before = above.rsplit('\n').next().unwrap_or_default().trim();
        if !before.is_empty()
            && !before
                .split_whitespace()
                .all(|word| ["pub", "async", "const"].contains(&word) || word.starts_with("pub("))
        {
            continue;
        }
        let rest = from.trim_start_matches("fn ");
        let name: String = rest.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
        let Some(open) = rest.find('{') else { continue };
        let (signature, body) = rest.split_at(open);
        found.push((
            name,
            Function {
                path: path.to_owned(),
                public: before.starts_with("pub ") || before == "pub",
                waits: before.contains("async"),
                signature: signature.split_whitespace().collect::<Vec<_>>().join(" "),
                body: braced(body).to_owned(),
            },
        ));
    }
    found
}

/// From an opening brace to the one that closes it.
fn braced(text: &str) -> &str {
    let mut depth = 0_usize;
    for (at, c) in text.char_indices() {
        match c {
            '{' => depth += 1,
            '}' => depth = depth.saturating_sub(1),
            _ => {}
        }
        if depth == 0 {
            return text.split_at(at + 1).0;
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::problems;

    const LIST: &str = "//! | file | operations |\n//! | `a.rs` | [`Service::one`], [`Service::two`] |\n\
        impl Service {\n    async fn admit(&self) { policy::authorize(x) }\n}";

    fn of(a: &str) -> Vec<String> {
        problems(&[("service/mod.rs", LIST), ("service/a.rs", a)])
    }

    const TWO: &str = "    pub async fn two(&self, _plane: &SystemPlane) { tx.one(x) }\n";

    #[test]
    fn an_operation_asks_once_directly_or_further_down() {
        let direct = format!("impl Service {{\n    pub async fn one(&self) {{ policy::authorize(a) }}\n{TWO}}}");
        assert_eq!(of(&direct), Vec::<String>::new());
        let below = format!(
            "impl Service {{\n    pub async fn one(&self) {{ self.mutate(w, |tx| self.once(tx)) }}\n    \
             async fn once(&self) {{ self.admit(tx) }}\n{TWO}}}"
        );
        assert_eq!(of(&below), Vec::<String>::new());
    }

    #[test]
    fn one_that_asks_never_or_twice_is_named() {
        let never = format!("impl Service {{\n    pub async fn one(&self) {{ tx.admit(a) }}\n{TWO}}}");
        assert_eq!(of(&never), ["service/a.rs: `one` asks the policy 0 times, not 1"]);
        let twice = format!(
            "impl Service {{\n    pub async fn one(&self) {{ self.admit(tx); looked(tx) }}\n{TWO}}}\n\
             async fn looked(tx: T) {{ policy::authorize(a) }}"
        );
        assert_eq!(of(&twice), ["service/a.rs: `one` asks the policy 2 times, not 1"]);
        let system = "impl Service {\n    pub async fn one(&self) { self.admit(tx) }\n    \
            pub async fn two(&self, _plane: &SystemPlane) { self.admit(tx) }\n}";
        assert_eq!(of(system), ["service/a.rs: `two` asks the policy 1 times, not 0"]);
    }

    #[test]
    fn one_that_stands_in_for_reads_and_mutations_asks_once_in_each_of_two_ways() {
        const LIST: &str = "//! | `a.rs` | [`Service::stands`] |";
        let of = |a: &str| problems(&[("service/mod.rs", LIST), ("service/a.rs", a)]);
        let both = "impl Service {\n    pub async fn stands(&self) { policy::authorize(a); self.change(a) }\n    \
            async fn change(&self) { policy::authorize(a) }\n}";
        assert_eq!(of(both), Vec::<String>::new());
        let one = "impl Service {\n    pub async fn stands(&self) { policy::authorize(a) }\n}";
        assert_eq!(of(one), ["service/a.rs: `stands` asks the policy 1 times, not 2"]);
    }

    #[test]
    fn the_list_and_the_operations_are_the_same() {
        let more = format!(
            "impl Service {{\n    pub async fn one(&self) {{ self.admit(tx) }}\n    \
             pub async fn three(&self) {{ self.admit(tx) }}\n{TWO}}}"
        );
        assert_eq!(of(&more), ["service/a.rs: `three` is not in the list of operations"]);
        let fewer = "impl Service {\n    pub async fn one(&self) { self.admit(tx) }\n}";
        assert_eq!(of(fewer), ["`two` is listed as an operation and is none"]);
    }
}
