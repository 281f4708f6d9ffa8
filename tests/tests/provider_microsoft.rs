//! What is asked of Microsoft, held against its adapter: what comes of each collection is what the contract says it covers, and a
//! connection is about one directory by one name.

#![cfg(test)]

use adapter_microsoft::entity_types::ENTITY_TYPES;
use provident::provider::{RefusedDirectory, provider};
use serde_json::json;

const KEY: &str = adapter_microsoft::PROVIDER_KEY;

#[test]
fn what_a_collection_holds_is_of_the_subject_type_its_contract_covers() {
    for contract in provider(KEY).unwrap().collections() {
        let collection = contract.path().rsplit('/').next().unwrap();
        let (version, place) = contract.path().trim_start_matches('/').split_once('/').unwrap();
        let selected = contract.query().split('&').find_map(|part| part.strip_prefix("$select="));
        let selected = selected.map(|names| format!("({names})")).unwrap_or_default();
        let context = format!("https://graph.microsoft.com/{version}/$metadata#{place}{selected}");
        let types: Vec<_> = ENTITY_TYPES.iter().filter(|row| row.collection == collection).collect();
        assert!(!types.is_empty(), "{collection}");
        let mut objects: Vec<_> = types
            .iter()
            .map(|row| json!({"@odata.type": format!("#{}", row.name), "id": "7", "displayName": "a label"}))
            .collect();
        if types.len() == 1 {
            objects.push(json!({"id": "8", "displayName": "of the only type there is"}));
        }
        objects.push(json!({"@odata.type": "#microsoft.graph.ofTomorrow", "id": "9"}));
        let count = objects.len();
        let page = json!({"@odata.context": context, "value": objects}).to_string();
        let described = adapter_microsoft::describe(&page);
        assert_eq!(described.len(), count);
        for answer in described {
            let descriptor = answer.unwrap_or_else(|refusal| panic!("{collection}: {refusal:?}")).descriptor;
            assert!(contract.covers().contains(&descriptor.subject_type_key.as_str()), "{collection}: {descriptor:?}");
        }
    }
}

#[test]
fn a_collection_of_which_a_few_members_are_asked_for_is_asked_for_those_that_are_read() {
    for contract in provider(KEY).unwrap().collections() {
        let Some(names) = contract.query().split('&').find_map(|part| part.strip_prefix("$select=")) else { continue };
        let kept = contract.keeps().iter().filter(|name| !name.starts_with('@')).copied().collect::<Vec<_>>().join(",");
        assert_eq!(names, kept, "{}", contract.name());
    }
}

#[test]
fn a_directory_has_one_name() {
    let refusal = |id: Option<&str>| provider(KEY).unwrap().refuse_directory(id).err();
    assert_eq!(refusal(Some("5ca1ab1e-0000-4000-8000-000000000001")), None);
    assert_eq!(refusal(None), Some(RefusedDirectory::Missing));
    for id in [
        "",
        "common",
        "organizations",
        "tideline.onmicrosoft.com",
        "5CA1AB1E-0000-4000-8000-000000000001",
        "5ca1ab1e000040008000000000000001",
        "{5ca1ab1e-0000-4000-8000-000000000001}",
        "urn:uuid:5ca1ab1e-0000-4000-8000-000000000001",
        "00000000-0000-0000-0000-000000000000",
        " 5ca1ab1e-0000-4000-8000-000000000001",
        "5ca1ab1e-0000-4000-8000-000000000001/..",
    ] {
        assert_eq!(refusal(Some(id)), Some(RefusedDirectory::Malformed), "{id}");
    }
}
