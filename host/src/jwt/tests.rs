//! Settings as they are written, what is printed, and when keys are asked for. What tokens are taken is held from
//! outside.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use axum::Router;
use axum::routing::get;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::*;

fn written(lines: &str) -> Result<IssuerSettings, String> {
    toml::from_str(lines).map_err(|error: toml::de::Error| error.message().to_owned())
}

const SHORTEST: &str = "issuer = 'https://idp.test'\naudience = ['provident']\njwks_file = 'keys.json'\n";

#[test]
fn settings_have_their_defaults_and_every_one_can_be_said() {
    let read = written(SHORTEST).unwrap();
    assert_eq!(read.keys, KeySource::File("keys.json".into()));
    assert_eq!(read.algorithms, [Algorithm::Rs256, Algorithm::Es256]);
    assert_eq!((read.leeway.as_secs(), read.refresh.as_secs()), (60, 300));

    let names = Algorithm::ALL.map(|algorithm| format!("'{}'", algorithm.name())).join(", ");
    let all = format!(
        "issuer = 'a'\naudience = ['b', 'c']\njwks_url = 'https://idp.test/keys'\nalgorithms = [{names}]\n\
         leeway_s = 0\nrefresh_s = 7\n"
    );
    let read = written(&all).unwrap();
    assert_eq!(read.keys, KeySource::Url("https://idp.test/keys".to_owned()));
    assert_eq!((read.issuer.as_str(), read.audience.join(" ").as_str()), ("a", "b c"));
    assert_eq!(read.algorithms, Algorithm::ALL);
    assert_eq!((read.leeway.as_secs(), read.refresh.as_secs()), (0, 7));
}

#[test]
fn settings_that_cannot_be_are_refused_with_what_is_wrong() {
    let changed = |from: &str, to: &str| written(&SHORTEST.replace(from, to)).unwrap_err();
    let cases = [
        (changed("'https://idp.test'", "''"), InvalidIssuer::Name),
        (changed("'https://idp.test'", "\"a\\u0000\""), InvalidIssuer::Name),
        (changed("['provident']", "[]"), InvalidIssuer::Audience),
        (changed("['provident']", "['provident', '']"), InvalidIssuer::Audience),
        (changed("jwks_file = 'keys.json'", ""), InvalidIssuer::Source),
        (changed("jwks_file", "jwks_url = 'https://idp.test'\njwks_file"), InvalidIssuer::Source),
        (changed("jwks_file", "algorithms = []\njwks_file"), InvalidIssuer::Algorithms),
        (changed("jwks_file", "leeway_s = 301\njwks_file"), InvalidIssuer::Leeway),
        (changed("jwks_file", "refresh_s = 0\njwks_file"), InvalidIssuer::Refresh),
        (changed("jwks_file", "refresh_s = 86401\njwks_file"), InvalidIssuer::Refresh),
    ];
    for (told, rule) in cases {
        assert!(told.contains(&rule.to_string()), "{told} is not about {rule:?}");
    }
    assert!(changed("jwks_file", "secret = 'x'\njwks_file").contains("unknown field"));
}

#[test]
fn no_algorithm_whose_verifier_could_sign_can_be_allowed() {
    for name in ["HS256", "HS384", "HS512", "none", "None", "rs256", "Rs256", "RSA-OAEP", ""] {
        assert!(written(&format!("{SHORTEST}algorithms = ['{name}']")).is_err(), "{name}");
        assert!(name.parse::<Algorithm>().is_err(), "{name}");
    }
}

#[test]
fn keys_come_over_tls_or_from_this_machine() {
    let judged = |url: &str| {
        let keys = KeySource::Url(url.to_owned());
        IssuerSettings::new("a".to_owned(), vec!["b".to_owned()], keys).check()
    };
    for url in ["https://idp.test/keys", "http://127.0.0.1:8080/keys", "http://[::1]/keys", "http://127.9.9.9/"] {
        assert_eq!(judged(url), Ok(()), "{url}");
    }
    for url in [
        "http://idp.test/keys",
        "http://localhost/keys",
        "http://10.0.0.1/",
        "http://127.0.0.1.idp.test/",
        "https://user:word@idp.test/",
        "https://user@idp.test/",
        "file:///etc/keys.json",
        "ftp://127.0.0.1/",
        "idp.test/keys",
        "",
    ] {
        assert_eq!(judged(url), Err(InvalidIssuer::Url), "{url}");
    }
}

#[test]
fn a_subject_is_not_printed() {
    let claimed = Claimed { issuer: "idp".to_owned(), subject: "ada".to_owned() };
    assert_eq!(format!("{claimed:?}"), "Claimed { issuer: \"idp\", .. }");
}

/// A token of `idp`, signed by nobody, with a key nobody knows.
fn of_an_unknown_key() -> String {
    let part = |text: &str| URL_SAFE_NO_PAD.encode(text);
    format!("{}.{}.AA", part(r#"{"alg":"ES256","kid":"new"}"#), part(r#"{"iss":"idp"}"#))
}

/// A server of an empty key set that counts, and issuers that know it.
async fn counted() -> (Issuers, Arc<AtomicUsize>) {
    let requests = Arc::new(AtomicUsize::new(0));
    let seen = Arc::clone(&requests);
    let router = Router::new().route(
        "/",
        get(move || {
            seen.fetch_add(1, Ordering::SeqCst);
            std::future::ready(r#"{"keys":[]}"#)
        }),
    );
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let keys = KeySource::Url(format!("http://{}/", listener.local_addr().unwrap()));
    tokio::spawn(async move { axum::serve(listener, router).await });
    let mut settings = IssuerSettings::new("idp".to_owned(), vec!["provident".to_owned()], keys);
    settings.refresh = Duration::from_hours(1);
    (Issuers::open(vec![settings]).await.unwrap(), requests)
}

async fn until(requests: &AtomicUsize, count: usize) {
    for _ in 0..3_000 {
        if requests.load(Ordering::SeqCst) >= count {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("{} requests and not {count}", requests.load(Ordering::SeqCst));
}

#[tokio::test]
async fn a_key_nobody_knows_is_asked_for_soon_and_by_the_background_alone() {
    let (issuers, requests) = counted().await;
    let now = Timestamp::from_micros(0);
    for _ in 0..50 {
        assert_eq!(issuers.verify(&of_an_unknown_key(), now), Err(InvalidCredential::Bad));
    }
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert_eq!(requests.load(Ordering::SeqCst), 1, "judging asked the server");

    let cancel = CancellationToken::new();
    let task = issuers.refresh_at_pace(Duration::from_millis(20), &Ids::seeded(1), &cancel);
    until(&requests, 2).await;
    issuers.verify(&of_an_unknown_key(), now).unwrap_err();
    until(&requests, 3).await;
    cancel.cancel();
    task.await.unwrap();
}

#[tokio::test]
async fn keys_nobody_knows_are_not_asked_for_over_and_over() {
    let (issuers, requests) = counted().await;
    let cancel = CancellationToken::new();
    let task = issuers.refresh_in_background(&Ids::seeded(1), &cancel);
    for _ in 0..20 {
        issuers.verify(&of_an_unknown_key(), Timestamp::from_micros(0)).unwrap_err();
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert_eq!(requests.load(Ordering::SeqCst), 1);
    cancel.cancel();
    task.await.unwrap();
}
