//! Sessions against a server that does all a provider can do: what is asked, when, how often, with which token, what is taken
//! of the answer, and what is told of it.

mod answers;
mod canaries;
mod pace;
mod pages;
mod server;
mod tokens;

use std::sync::LazyLock;
use std::time::Duration;

use tokio::time::Instant;
use uuid::Uuid;

use self::server::{Reply, Server};
use super::context::tests::context;
use super::*;
use crate::clock::Timestamp;
use crate::provider_credential::CredentialPlace;
use crate::run::ReasonCode;
use crate::secret::MasterKey;

const WHOLE: usize = 0;
const LIST: usize = 1;
const BRANCH: usize = 2;

const fn contract(name: &'static str, path: &'static str, query: &'static str, paging: Paging) -> Contract {
    Contract { name, path, query, permissions: &[], paging, keeps: &[], covers: &[] }
}

static CONTRACTS: [Contract; 3] = [
    contract("cloud.whole", "/whole", "", Paging::None),
    contract("cloud.list", "/list", "size=2", Paging::NextLink { items: "items", next: "next", link: Link::Absolute }),
    contract("cloud.branch", "/{directory}/branch", "", Paging::None),
];

static CLOUD: ProviderApi = ProviderApi {
    provider_key: "cloud",
    api_url: None,
    auth: Auth::ClientCredentials {
        name: "cloud.token",
        token_url: "https://token.test/{directory}/token",
        scope: "{api}/.default",
        id_field: "client_id",
        secret_field: "client_secret",
    },
    contracts: &CONTRACTS,
};

static SHOP_CONTRACTS: [Contract; 2] = [
    contract("shop.whole", "/whole", "", Paging::None),
    contract("shop.list", "/list", "", Paging::NextLink { items: "items", next: "next", link: Link::Path }),
];

/// One whose tokens are given with the connection.
static SHOP: ProviderApi = ProviderApi {
    provider_key: "shop",
    api_url: None,
    auth: Auth::Bearer { field: "api_key" },
    contracts: &SHOP_CONTRACTS,
};

const PACE: Pace = Pace {
    first: Duration::from_millis(40),
    longest: Duration::from_millis(160),
    request_time: Duration::from_millis(400),
};
const LIMITS: Limits = Limits { page_bytes: 10_000, pages: 5, pace: PACE };
const DIRECTORY: &str = "a directory";
const TOKEN_PATH: &str = "/a%20directory/token";

/// Sealed once, for all tests.
static RING: LazyLock<(MasterKeys, MasterKey)> = LazyLock::new(|| {
    let key = MasterKey::generate(&Ids::seeded(1)).unwrap();
    (MasterKeys::from_text(&key.to_text()).unwrap(), key)
});

fn settings(key: &str, api_url: Option<String>, token_url: Option<String>) -> EndpointSettings {
    EndpointSettings { key: key.to_owned(), api_url, token_url }
}

/// A gateway that knows both providers at one server.
fn gateway(server: &Server) -> Gateway {
    gateway_at(&server.url(), LIMITS)
}

fn gateway_at(url: &str, limits: Limits) -> Gateway {
    let said = [
        settings("cloud", Some(url.to_owned()), Some(format!("{url}/{{directory}}/token"))),
        settings("shop", Some(url.to_owned()), None),
    ];
    let endpoints = Endpoints::new([&CLOUD, &SHOP], &said).unwrap();
    Gateway::limited(endpoints, Clock::system(), Ids::seeded(7), limits)
}

/// A context of one of several connections, for three seconds.
fn about(connection: u128, provider_key: &str) -> OperationContext {
    let [workspace, environment] = [1, 2].map(Uuid::from_u128);
    let context = context(workspace, environment, Uuid::from_u128(connection));
    context.at(provider_key, Some(DIRECTORY)).lasting(Duration::from_secs(3))
}

fn sealed(context: &OperationContext, fields: &[(&str, &str)]) -> Vec<SealedCredential> {
    let sealed = fields.iter().map(|(field, value)| {
        let place = CredentialPlace {
            workspace_id: context.workspace_id(),
            environment_id: context.environment_id(),
            connection_id: context.connection_id(),
            field,
        };
        seal(&RING.1, &place, &value.parse().unwrap(), Timestamp::from_micros(0), &Ids::system()).unwrap()
    });
    sealed.collect()
}

fn open(gateway: &Gateway, context: OperationContext, fields: &[(&str, &str)]) -> Session {
    let sealed = sealed(&context, fields);
    gateway.session(context, &RING.0, &sealed)
}

fn cloud(gateway: &Gateway) -> Session {
    open(gateway, about(3, "cloud"), &[("client_id", "ada"), ("client_secret", "s3cret")])
}

fn shop(gateway: &Gateway) -> Session {
    open(gateway, about(3, "shop"), &[("api_key", "k3y")])
}

/// The answer to a request for a token: each has a name of its own.
fn token(number: usize, life_s: u64) -> Reply {
    Reply::json(format!(r#"{{"token_type":"Bearer","expires_in":{life_s},"access_token":"t{number}"}}"#))
}

/// A server of tokens for an hour and of what is said.
async fn cloudy(answers: impl Fn(usize) -> Reply + Send + Sync + 'static) -> Server {
    Server::start(move |asked, before| if asked.is_for(TOKEN_PATH) { token(before, 3_600) } else { answers(before) })
        .await
}

async fn failure(session: &mut Session) -> Failure {
    session.get(&CONTRACTS[WHOLE]).await.unwrap_err()
}

async fn reason_of(reply: Reply) -> (ReasonCode, usize) {
    let server = cloudy(move |_| reply.clone()).await;
    let reason = failure(&mut cloud(&gateway(&server))).await.reason;
    (reason, server.asked_for("/whole").len())
}
