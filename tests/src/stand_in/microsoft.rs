//! The face of Microsoft Graph: tokens for the credentials of clients, collections in pages, the organization and the
//! summary of compliance. Both versions of the API have every collection the adapter knows, whatever stands before the
//! last segment of its path.

mod invented;

use axum::http::Method;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Map, Value, json};

use super::Desk;
use super::access::Client;
use super::face::{Answer, Asked, Face};
use super::tenant::Tenant;

pub use invented::{SUMMARY, invented};

/// The provider's key.
pub const KEY: &str = adapter_microsoft::PROVIDER_KEY;

/// How this provider says things.
pub const FACE: Face =
    Face { id: "id", items: "value", next: "@odata.nextLink", has_addresses: true, fault, origin: invented::origin };

/// How it says things where it gives tokens.
const TOKENS: Face = Face { fault: token_fault, ..FACE };

const VERSIONS: [&str; 2] = ["/v1.0/", "/beta/"];
/// What follows the directory in the path of the token endpoint.
const TOKEN: &str = "/oauth2/v2.0/token";
/// The path, behind the version, of the summary of compliance.
pub const SUMMARY_PATH: &str = "deviceManagement/deviceCompliancePolicyDeviceStateSummary";

/// Where this provider is, for the settings of the service.
#[must_use]
pub fn settings(base: &str) -> String {
    format!("[[provider]]\nkey = \"{KEY}\"\napi_url = \"{base}\"\ntoken_url = \"{base}/{{directory}}{TOKEN}\"\n")
}

/// The path of a directory's token endpoint.
#[must_use]
pub fn token_path(directory_id: &str) -> String {
    format!("/{directory_id}{TOKEN}")
}

/// Whether a request is for this provider.
pub(super) fn owns(path: &str) -> bool {
    path.ends_with(TOKEN) || VERSIONS.iter().any(|version| path.starts_with(version))
}

/// The answer a request should get.
pub(super) fn answer(desk: &mut Desk, asked: &Asked) -> Answer {
    if let Some(directory_id) = asked.path.strip_prefix('/').and_then(|path| path.strip_suffix(TOKEN)) {
        return token(desk, directory_id, asked);
    }
    let bearer = asked.bearer.as_ref();
    let Some((directory_id, tenant)) = bearer.and_then(|token| desk.access.by_token(&token.0, asked.at)) else {
        return Answer::refused(&FACE, 401, &desk.canary);
    };
    if asked.method != Method::GET {
        return Answer::fault(&FACE, 405, &desk.canary);
    }
    let (version, place) = VERSIONS
        .iter()
        .find_map(|version| asked.path.strip_prefix(version).map(|place| (*version, place)))
        .unwrap_or_default();
    let context = format!("{}{version}$metadata#{place}", desk.base);
    if place == SUMMARY_PATH {
        let mut summary = json!({"@odata.context": context, "id": directory_id});
        summary.as_object_mut().unwrap().extend(tenant.summary().into_iter().map(|(name, count)| (name, count.into())));
        return Answer::good(&FACE, summary);
    }
    if place == "organization" {
        let organization = json!({"id": directory_id, "displayName": "Invented Tenant", "countryLetterCode": "DE"});
        return Answer::good(&FACE, json!({"@odata.context": context, "value": [organization]}));
    }
    page(desk, tenant, &context, asked)
}

/// A page of the collection that the last segment of a path names.
fn page(desk: &Desk, tenant: &Tenant, context: &str, asked: &Asked) -> Answer {
    let collection = asked.path.rsplit('/').next().unwrap_or_default();
    let after = match asked.query.get("$skiptoken").map(place_of) {
        Some(None) if asked.query.get("endless").is_none() => return Answer::fault(&FACE, 400, &desk.canary),
        after => after.flatten(),
    };
    let top = asked.query.get("$top");
    let size = top.and_then(|top| top.parse().ok()).map_or(desk.page_size, |top: usize| top.min(desk.page_size));
    let Some(mut page) = tenant.page(collection, after, size) else {
        return Answer::fault(
            &FACE,
            400,
            &format!("Resource not found for the segment '{collection}'. {}", desk.canary),
        );
    };
    let selected = asked.query.get("$select");
    for item in page.items.iter_mut().filter_map(Value::as_object_mut) {
        if let Some(names) = selected {
            item.retain(|name, _| name.starts_with("@odata.") || names.split(',').any(|asked| asked == name));
        }
    }
    let context = selected.map_or_else(|| context.to_owned(), |names| format!("{context}({names})"));
    let mut json = json!({"@odata.context": context, "value": page.items});
    if let (Some(json), Some(place)) = (json.as_object_mut(), page.after) {
        let kept = ["$select", "$top"].iter().filter_map(|name| Some(format!("{name}={}&", asked.query.get(name)?)));
        let query = format!("{}$skiptoken={}", kept.collect::<String>(), URL_SAFE_NO_PAD.encode(format!("p{place}")));
        json.insert(FACE.next.to_owned(), format!("{}{}?{query}", desk.base, asked.path).into());
    }
    Answer::good(&FACE, json)
}

/// The place a skip token stands for.
fn place_of(token: &str) -> Option<u64> {
    let text = String::from_utf8(URL_SAFE_NO_PAD.decode(token).ok()?).ok()?;
    text.strip_prefix('p')?.parse().ok()
}

fn token(desk: &mut Desk, directory_id: &str, asked: &Asked) -> Answer {
    if asked.method != Method::POST {
        return Answer::refused(&TOKENS, 405, &desk.canary);
    }
    let field = |name| asked.form.get(name).unwrap_or_default();
    let refused = |status, error: &str, code: u32, says: &str| {
        let description = format!("AADSTS{code}: {says} {}", desk.canary);
        let json = json!({"error": error, "error_description": description, "error_codes": [code]});
        Answer { face: &TOKENS, status, json, is_authorised: false }
    };
    match desk.access.client(directory_id, field("client_id"), field("client_secret")) {
        Client::NoDirectory => refused(400, "invalid_request", 90_002, "Tenant not found."),
        Client::Unknown => refused(400, "unauthorized_client", 700_016, "Application was not found in the directory."),
        Client::WrongSecret => refused(401, "invalid_client", 7_000_215, "Invalid client secret provided."),
        Client::Good if field("grant_type") != "client_credentials" => {
            refused(400, "unsupported_grant_type", 70_003, "The grant type is not supported.")
        }
        Client::Good if !field("scope").ends_with("/.default") => {
            refused(400, "invalid_scope", 1_002_012, "The scope is not valid for client credentials.")
        }
        Client::Good => {
            let seconds = desk.token_life.as_secs();
            let token = desk.access.issue(directory_id, asked.at, desk.token_life);
            let json = json!({"token_type": "Bearer", "expires_in": seconds, "ext_expires_in": seconds, "access_token": token});
            Answer::good(&TOKENS, json)
        }
    }
}

fn token_fault(status: u16, text: &str) -> Value {
    json!({"error": "temporarily_unavailable", "error_description": format!("{status}: {text}"), "error_codes": [90_033]})
}

fn fault(status: u16, text: &str) -> Value {
    let code = match status {
        400 => "BadRequest",
        401 => "InvalidAuthenticationToken",
        403 => "Authorization_RequestDenied",
        404 => "ResourceNotFound",
        429 => "TooManyRequests",
        503 => "ServiceNotAvailable",
        _ => "UnknownError",
    };
    let request = json!({"request-id": "00000000-0000-0000-0000-000000000000"});
    let mut error = Map::new();
    error.insert("code".to_owned(), code.into());
    error.insert("message".to_owned(), text.into());
    error.insert("innerError".to_owned(), request);
    json!({"error": error})
}
