//! The stand-in for providers with the face of Microsoft Graph, asked over a socket: tokens, collections in pages, the
//! organization and the summary of compliance.
#![cfg(test)]

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::time::Duration;

use adapter_microsoft::entity_types::ENTITY_TYPES;
use provident_tests::adapter_contract::{key, native};
use provident_tests::stand_in::{Behaviour, StandIn, Tenant, microsoft};
use provident_tests::wire::{Answer, Ask, Wire, exchange};
use serde_json::{Value, json};

const DIRECTORY: &str = "d0000000-0000-4000-8000-000000000001";
const CLIENT: &str = "c0000000-0000-4000-8000-000000000001";
const SECRET: &str = "a-secret-nobody-prints";
const SCOPE: &str = "https%3A%2F%2Fgraph.microsoft.com%2F.default";

fn with(objects: usize) -> (StandIn, Tenant) {
    let (stand_in, tenant) = (StandIn::start(), microsoft::invented(1, objects));
    stand_in.directory(DIRECTORY, &tenant);
    stand_in.client(DIRECTORY, CLIENT, SECRET);
    (stand_in, tenant)
}

/// Status and body of what the token endpoint says to a form.
async fn post(address: SocketAddr, directory: &str, form: &str) -> (u16, Value) {
    let head = format!(
        "POST {} HTTP/1.1\r\nhost: here\r\nconnection: close\r\ncontent-type: application/x-www-form-urlencoded\r\n",
        microsoft::token_path(directory)
    );
    let request = format!("{head}content-length: {}\r\n\r\n{form}", form.len());
    let text = String::from_utf8(exchange(address, request.as_bytes()).await.unwrap().0).unwrap();
    let (head, body) = text.split_once("\r\n\r\n").unwrap();
    (head.split(' ').nth(1).unwrap().parse().unwrap(), serde_json::from_str(body).unwrap())
}

fn form(client: &str, secret: &str) -> String {
    format!("grant_type=client_credentials&client_id={client}&client_secret={secret}&scope={SCOPE}")
}

async fn token(stand_in: &StandIn, directory: &str, client: &str) -> String {
    let (status, said) = post(stand_in.address(), directory, &form(client, SECRET)).await;
    assert_eq!((status, &said["token_type"]), (200, &json!("Bearer")), "{said}");
    said["access_token"].as_str().unwrap().to_owned()
}

async fn get(stand_in: &StandIn, token: &str, path: &str) -> Answer {
    let path = path.strip_prefix(&stand_in.base_url()).unwrap_or(path);
    Wire::to(stand_in.address(), token).await.unwrap().ask(&Ask::get(path)).await.unwrap()
}

/// The pages of a collection.
async fn pages(stand_in: &StandIn, token: &str, path: &str) -> Vec<Value> {
    let (mut pages, mut next) = (Vec::new(), Some(path.to_owned()));
    while let Some(path) = next {
        let page = get(stand_in, token, &path).await.json();
        next = page.get("@odata.nextLink").map(|next| next.as_str().unwrap().to_owned());
        pages.push(page);
    }
    pages
}

/// The keys of every object in documents; none may be refused.
fn keys<'a>(documents: impl IntoIterator<Item = &'a str>) -> BTreeSet<String> {
    let mut keys = BTreeSet::new();
    for answer in documents.into_iter().flat_map(|document| native(adapter_microsoft::describe(document))) {
        let item = answer.item();
        let descriptor = item.get("descriptor").unwrap_or_else(|| panic!("refused: {item}"));
        assert_ne!(descriptor["subject_class"], "unknown", "{item}");
        assert!(keys.insert(key(descriptor).unwrap()), "twice: {item}");
    }
    keys
}

#[tokio::test]
async fn tokens_are_given_to_clients_that_show_their_secret() {
    let (stand_in, _) = with(10);
    stand_in.set_canary("what providers say");
    let address = stand_in.address();
    let (status, said) = post(address, DIRECTORY, &form(CLIENT, SECRET)).await;
    assert_eq!((status, &said["expires_in"]), (200, &json!(3600)));
    assert!(!said.to_string().contains("what providers say"));
    for (directory, form, status, error) in [
        (DIRECTORY, form(CLIENT, "wrong"), 401, "invalid_client"),
        (DIRECTORY, form("nobody", SECRET), 400, "unauthorized_client"),
        ("nowhere", form(CLIENT, SECRET), 400, "invalid_request"),
        (DIRECTORY, form(CLIENT, SECRET).replace("client_credentials", "password"), 400, "unsupported_grant_type"),
        (DIRECTORY, form(CLIENT, SECRET).replace(".default", "User.Read"), 400, "invalid_scope"),
    ] {
        let (answered, said) = post(address, directory, &form).await;
        assert_eq!((answered, &said["error"]), (status, &json!(error)));
        assert!(said["error_description"].as_str().unwrap().contains("what providers say"), "{said}");
    }
    let mut wire = Wire::to(address, "").await.unwrap();
    let as_json = wire.ask(&Ask::post(&microsoft::token_path(DIRECTORY), &form(CLIENT, SECRET))).await.unwrap();
    assert_eq!(
        (as_json.status, wire.ask(&Ask::get(&microsoft::token_path(DIRECTORY))).await.unwrap().status),
        (400, 405)
    );
    let authorised: Vec<_> = stand_in.requests().iter().map(|seen| seen.is_authorised).collect();
    assert_eq!(authorised, [true, false, false, false, false, false, false, false]);
    stand_in.client(DIRECTORY, CLIENT, "another");
    assert_eq!(post(address, DIRECTORY, &form(CLIENT, SECRET)).await.0, 401);
    stand_in.remove_client(DIRECTORY, CLIENT);
    assert_eq!(post(address, DIRECTORY, &form(CLIENT, "another")).await.0, 400);
    let printed = format!("{stand_in:?}{:?}", stand_in.requests());
    assert!(!printed.contains(SECRET) && stand_in.tokens().iter().all(|token| !printed.contains(token)), "{printed}");
    stand_in.tell("", Behaviour::Status(503));
    let (status, said) = post(address, DIRECTORY, "").await;
    assert!(status == 503 && said["error_description"].as_str().unwrap().contains("what providers say"), "{said}");
}

#[tokio::test]
async fn tokens_open_their_own_directory_until_they_expire_or_are_revoked() {
    let (stand_in, tenant) = with(200);
    let (elsewhere, other) = ("d0000000-0000-4000-8000-000000000002", microsoft::invented(2, 200));
    stand_in.directory(elsewhere, &other);
    stand_in.client(elsewhere, CLIENT, SECRET);
    stand_in.client(DIRECTORY, "second", SECRET);
    let groups = "/v1.0/groups";
    for (directory, client, tenant) in
        [(DIRECTORY, CLIENT, &tenant), (DIRECTORY, "second", &tenant), (elsewhere, CLIENT, &other)]
    {
        let token = token(&stand_in, directory, client).await;
        let page = get(&stand_in, &token, groups).await.json();
        assert_eq!(page["value"][0]["id"], json!(tenant.ids("groups")[0]));
        let organization = get(&stand_in, &token, "/v1.0/organization").await.json();
        assert_eq!(organization["value"][0]["id"], directory);
    }
    assert_eq!(stand_in.tokens().len(), 3);
    let shown = token(&stand_in, DIRECTORY, CLIENT).await;
    stand_in.tell_times(groups, 1, Behaviour::ExpiredToken);
    let answered = get(&stand_in, &shown, groups).await;
    assert_eq!((answered.status, &answered.json()["error"]["code"]), (401, &json!("InvalidAuthenticationToken")));
    assert_eq!(get(&stand_in, &shown, groups).await.status, 401);
    let shown = token(&stand_in, DIRECTORY, CLIENT).await;
    assert_eq!(get(&stand_in, &shown, groups).await.status, 200);
    stand_in.revoke_tokens();
    assert_eq!(get(&stand_in, &shown, groups).await.status, 401);
    stand_in.set_token_life(Duration::from_secs(1));
    let shown = token(&stand_in, DIRECTORY, CLIENT).await;
    assert_eq!(get(&stand_in, &shown, groups).await.status, 200);
    tokio::time::sleep(Duration::from_millis(1050)).await;
    assert_eq!(get(&stand_in, &shown, groups).await.status, 401);
    assert_eq!(get(&stand_in, "", groups).await.status, 401);
}

#[tokio::test]
async fn collections_come_in_pages_in_both_versions() {
    let (stand_in, tenant) = with(1000);
    stand_in.set_page_size(11);
    let token = token(&stand_in, DIRECTORY, CLIENT).await;
    let expected = tenant.collections()["deviceConfigurations"];
    for version in ["v1.0", "beta"] {
        let path = format!("/{version}/deviceManagement/deviceConfigurations");
        let read = pages(&stand_in, &token, &path).await;
        assert_eq!(read.len(), expected.div_ceil(11));
        let ids: Vec<_> =
            read.iter().flat_map(|page| page["value"].as_array().unwrap()).map(|item| &item["id"]).collect();
        assert_eq!(
            ids,
            tenant
                .ids("deviceConfigurations")
                .iter()
                .map(|id| json!(id))
                .collect::<Vec<_>>()
                .iter()
                .collect::<Vec<_>>()
        );
        let context = format!("{}/{version}/$metadata#deviceManagement/deviceConfigurations", stand_in.base_url());
        assert!(read.iter().all(|page| page["@odata.context"] == context.as_str()));
        let next = read[0]["@odata.nextLink"].as_str().unwrap();
        assert!(next.starts_with(&format!("{}{path}?$skiptoken=", stand_in.base_url())), "{next}");
    }
    let path = "/beta/deviceManagement/deviceConfigurations?$select=id,displayName&$top=4";
    let selected = pages(&stand_in, &token, path).await;
    assert_eq!(selected.len(), expected.div_ceil(4));
    for item in selected.iter().flat_map(|page| page["value"].as_array().unwrap()) {
        assert_eq!(item.as_object().unwrap().keys().collect::<Vec<_>>(), ["@odata.type", "displayName", "id"]);
    }
    assert_eq!(get(&stand_in, &token, "/v1.0/groups?$top=999").await.json()["value"].as_array().unwrap().len(), 11);
    assert_eq!(get(&stand_in, &token, "/v1.0/groups?$skiptoken=garbage").await.status, 400);
    assert_eq!(get(&stand_in, &token, "/v1.0/deviceManagement/nothings").await.status, 400);
    let mut wire = Wire::to(stand_in.address(), &token).await.unwrap();
    assert_eq!(wire.ask(&Ask::post("/v1.0/groups", "{}")).await.unwrap().status, 405);
}

#[tokio::test]
async fn what_is_served_and_what_is_exported_are_the_same_objects() {
    let (stand_in, tenant) = with(1200);
    tenant.set_payload("nobody's business");
    let token = token(&stand_in, DIRECTORY, CLIENT).await;
    let mut served = Vec::new();
    for (collection, count) in tenant.collections() {
        assert!(count > 0, "{collection}");
        served.extend(pages(&stand_in, &token, &format!("/beta/deviceManagement/{collection}")).await);
    }
    let served: Vec<_> = served.iter().map(Value::to_string).collect();
    assert!(served.iter().all(|page| page.contains("nobody's business")));
    let keys_served = keys(served.iter().map(String::as_str));
    assert_eq!(keys_served.len(), 1200);
    assert_eq!(keys_served.iter().filter(|key| key.contains(":disc:default-")).count(), 4);
    assert_eq!(keys(tenant.lines().lines()), keys_served);
    assert_eq!(keys(tenant.pages(50).iter().map(String::as_str)), keys_served);
    assert!(
        ENTITY_TYPES.iter().all(|row| keys_served.iter().any(|key| key.contains(row.name))),
        "some type is missing"
    );
    assert_eq!(microsoft::invented(1, 1200).lines(), microsoft::invented(1, 1200).lines());
    assert_ne!(microsoft::invented(1, 50).lines(), microsoft::invented(2, 50).lines());
    for objects in [0, 1, 9, 10, 11] {
        assert_eq!(microsoft::invented(3, objects).count(), objects);
    }
}

#[tokio::test]
async fn the_summary_has_the_counts_of_the_tenant() {
    let (stand_in, tenant) = with(10);
    tenant.set_count("nonCompliantDeviceCount", 4711);
    let token = token(&stand_in, DIRECTORY, CLIENT).await;
    let path = format!("/v1.0/{}", microsoft::SUMMARY_PATH);
    let summary = get(&stand_in, &token, &path).await.json();
    for name in microsoft::SUMMARY {
        assert_eq!(summary[name], json!(tenant.summary()[name]), "{name}");
    }
    assert_eq!(summary["nonCompliantDeviceCount"], 4711);
}

#[tokio::test]
async fn next_links_are_addresses_of_their_own_or_of_nobody() {
    let (stand_in, _) = with(500);
    let token = token(&stand_in, DIRECTORY, CLIENT).await;
    let path = "/v1.0/groups";
    stand_in.tell(path, Behaviour::EndlessPages);
    let (mut next, mut seen) = (path.to_owned(), BTreeSet::new());
    for _ in 0..5 {
        let page = get(&stand_in, &token, &next).await.json();
        assert!(seen.insert(page["value"].to_string()));
        next = page["@odata.nextLink"].as_str().unwrap().to_owned();
        assert!(next.starts_with(&format!("{}{path}?", stand_in.base_url())), "{next}");
    }
    stand_in.behave();
    stand_in.tell(path, Behaviour::NextIsSelf);
    let page = get(&stand_in, &token, "/v1.0/groups?$top=5").await.json();
    assert_eq!(page["@odata.nextLink"], format!("{}/v1.0/groups?$top=5", stand_in.base_url()));
}

#[test]
fn the_settings_send_the_service_here() {
    let stand_in = StandIn::start();
    let base = stand_in.base_url();
    let expected = format!(
        "[[provider]]\nkey = \"microsoft\"\napi_url = \"{base}\"\ntoken_url = \"{base}/{{directory}}/oauth2/v2.0/token\"\n\n\
         [[provider]]\nkey = \"fake\"\napi_url = \"{base}\"\n"
    );
    assert_eq!(stand_in.config_toml(), expected);
}
