//! The registries of operations and of contracts, as golden files: what is ever asked of a provider, with which permission, and
//! what of the answer is read. And that they hold together with the adapters.

#![cfg(test)]

use provident::gateway::{Auth, Contract, Link, Paging};
use provident::policy::Capability;
use provident::provider::{PROVIDERS, Provider, provider};
use provident::run::OPERATIONS;
use provident_identity::Adapter;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

fn written(contract: &Contract) -> String {
    let mut text = format!("{}\n  GET {}", contract.name(), contract.path());
    if !contract.query().is_empty() {
        write!(text, "?{}", contract.query()).unwrap();
    }
    let paging = match contract.paging() {
        Paging::None => "whole".to_owned(),
        Paging::NextLink { items, next, link } => {
            let link = match link {
                Link::Absolute => "a URL",
                Link::Path => "a path",
            };
            format!("pages of `{items}`, the next one in `{next}` as {link}")
        }
    };
    let list = |names: &[&str]| if names.is_empty() { "-".to_owned() } else { names.join(", ") };
    write!(
        text,
        "\n  permissions: {}\n  {paging}\n  keeps: {}\n  covers: {}\n",
        list(contract.permissions()),
        list(contract.keeps()),
        list(contract.covers()),
    )
    .unwrap();
    text
}

fn registry(provider: &dyn Provider) -> String {
    let api = provider.api();
    let mut text = format!("{} at {}\n", provider.key(), api.api_url.unwrap_or("nowhere"));
    match api.auth {
        Auth::Bearer { field } => writeln!(text, "  bearer: the field `{field}`").unwrap(),
        Auth::ClientCredentials { name, token_url, scope, id_field, secret_field } => {
            let fields = format!("with the fields `{id_field}` and `{secret_field}`");
            writeln!(text, "  {name}\n  POST {token_url}\n  for {scope} {fields}").unwrap();
        }
    }
    let has = [
        ("health.check", provider.health_check().is_some()),
        ("inventory.collect", provider.inventory().is_some()),
        ("compliance.snapshot", provider.compliance().is_some()),
    ];
    let has: Vec<&str> = has.iter().filter(|(_, has)| *has).map(|(name, _)| *name).collect();
    writeln!(text, "  does: {}", has.join(", ")).unwrap();
    for (subject_type, reason) in provider.not_collected() {
        writeln!(text, "  does not collect {subject_type}: {reason}").unwrap();
    }
    for contract in provider.contracts() {
        write!(text, "\n{}", written(contract)).unwrap();
    }
    text
}

#[test]
fn the_contracts_of_each_provider_are_the_agreed_ones() {
    let keys: Vec<&str> = PROVIDERS.iter().map(|provider| provider.key()).collect();
    assert!(keys.is_sorted() && keys.len() > 1, "{keys:?}");
    for each in PROVIDERS {
        insta::assert_snapshot!(format!("contracts_{}", each.key()), registry(*each));
        assert!(std::ptr::eq(provider(each.key()).unwrap().api(), each.api()));
    }
    assert!(provider("nobody").is_none());
}

#[test]
fn the_operations_are_the_agreed_ones() {
    let mut text = String::new();
    for operation in OPERATIONS {
        let counts: Vec<&str> = operation.counts.iter().map(|key| key.as_str()).collect();
        assert_eq!(operation.capability, Capability::ProviderRun);
        writeln!(
            text,
            "{}\n  takes {}, at most {} s\n  {}\n  counts: {}\n",
            operation.operation_type.as_str(),
            operation.capability.as_str(),
            operation.budget.as_secs(),
            operation.effect,
            counts.join(", "),
        )
        .unwrap();
    }
    insta::assert_snapshot!("operations", text);
}

#[test]
fn names_are_the_providers_own_and_paths_are_paths() {
    let mut names = BTreeSet::new();
    for provider in PROVIDERS {
        for contract in provider.contracts() {
            let name = contract.name();
            assert!(names.insert(name), "{name} twice");
            assert!(name.strip_prefix(provider.key()).is_some_and(|rest| rest.starts_with('.')), "{name}");
            let path = contract.path();
            assert!(path.starts_with('/') && !path.ends_with('/') && !path.contains(['?', '#', '%']), "{path}");
            assert!(!path.contains("//") && !path.contains(".."), "{path}");
            assert!(!contract.query().starts_with('?') && !contract.query().contains('#'), "{name}");
            assert_eq!(contract.covers().is_empty(), contract.paging() == Paging::None, "{name}");
            for permission in contract.permissions() {
                assert!(permission.contains(".Read.") && !permission.contains("Write"), "{name}: {permission}");
            }
        }
    }
}

/// What adapters know: for each collection of a provider the subject types of its objects.
fn collections() -> BTreeMap<&'static str, BTreeMap<&'static str, BTreeSet<&'static str>>> {
    let mut known: BTreeMap<_, BTreeMap<_, BTreeSet<_>>> = BTreeMap::new();
    for kind in adapter_fake::kinds::KINDS {
        let shelf = known.entry("fake").or_default().entry(kind.shelf).or_default();
        shelf.extend([kind.subject_type_key, kind.shelf]);
    }
    for row in adapter_microsoft::entity_types::ENTITY_TYPES {
        let own = known.entry(adapter_microsoft::PROVIDER_KEY).or_default();
        own.entry(row.collection).or_default().insert(row.collection);
    }
    known
}

#[test]
fn each_collection_of_an_adapter_is_collected_or_said_not_to_be() {
    let known = collections();
    for provider in PROVIDERS {
        assert!(Adapter::embedded(provider.key()).is_ok(), "{} has no adapter", provider.key());
        let mut found: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
        for contract in provider.collections() {
            let collection = contract.path().rsplit('/').next().unwrap();
            let covers = contract.covers().iter().copied().collect();
            assert!(found.insert(collection, covers).is_none(), "{collection} twice");
        }
        for (subject_type, reason) in provider.not_collected() {
            assert!(!reason.is_empty());
            let types = BTreeSet::from([*subject_type]);
            assert!(found.insert(subject_type, types).is_none(), "{subject_type} is collected, too");
        }
        assert_eq!(found, known[provider.key()], "{}", provider.key());
    }
}
