//! Where keys come from: files and servers, good ones and others; and that judging asks nobody.

use super::*;

async fn served(answer: Answer) -> (Issuers, KeyServer) {
    let server = KeyServer::start(answer).await;
    let issuers = Issuers::open(vec![settings(ISSUER, KeySource::Url(server.url.clone()))]).await.unwrap();
    (issuers, server)
}

/// A token whose key is called `one`.
fn token_of(signer: &Signer) -> String {
    signer.token(Algorithm::Es256, r#"{"alg":"ES256","kid":"one"}"#, &claims().to_string())
}

#[tokio::test]
async fn keys_of_a_server_are_read_at_the_start_and_judging_asks_it_nothing() {
    let (issuers, server) = served(Answer::Body(whole_set())).await;
    assert_eq!(server.requests(), 1);
    for _ in 0..20 {
        assert_eq!(judged(&issuers, &token(Algorithm::Es256, &claims())), ada());
        let unknown = es256(&json!({"alg": "ES256", "kid": "unknown"}), &claims());
        assert_eq!(judged(&issuers, &unknown), Err(Bad));
    }
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert_eq!(server.requests(), 1);
}

#[tokio::test]
async fn a_key_that_was_rotated_out_is_refused_and_the_new_one_taken() {
    let (before, after) = (Signer::new(Algorithm::Es256), Signer::new(Algorithm::Es256));
    let (issuers, server) = served(Answer::Body(set(&[before.jwk("one")]))).await;
    assert_eq!((judged(&issuers, &token_of(&before)), judged(&issuers, &token_of(&after))), (ada(), Err(Bad)));
    server.answer(Answer::Body(set(&[after.jwk("one")])));
    assert_eq!(issuers.refresh().await, 0);
    assert_eq!((judged(&issuers, &token_of(&before)), judged(&issuers, &token_of(&after))), (Err(Bad), ada()));
    server.answer(Answer::Body(set(&[])));
    assert_eq!(issuers.refresh().await, 0);
    assert_eq!(judged(&issuers, &token_of(&after)), Err(Bad), "an issuer may take all its keys back");
}

#[tokio::test]
async fn the_background_rotates_keys_by_itself_until_it_is_cancelled() {
    let (before, after) = (Signer::new(Algorithm::Es256), Signer::new(Algorithm::Es256));
    let server = KeyServer::start(Answer::Body(set(&[before.jwk("one")]))).await;
    let mut often = settings(ISSUER, KeySource::Url(server.url.clone()));
    often.refresh = Duration::from_secs(1);
    let issuers = Issuers::open(vec![often]).await.unwrap();
    let cancel = CancellationToken::new();
    let task = issuers.refresh_in_background(&Ids::system(), &cancel);
    server.answer(Answer::Body(set(&[after.jwk("one")])));
    for _ in 0..600 {
        if judged(&issuers, &token_of(&after)).is_ok() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert_eq!(judged(&issuers, &token_of(&after)), ada());
    cancel.cancel();
    task.await.unwrap();
    let requests = server.requests();
    tokio::time::sleep(Duration::from_millis(1_200)).await;
    assert_eq!(server.requests(), requests, "asked after it was cancelled");
}

#[tokio::test]
async fn a_server_that_fails_in_whatever_way_changes_no_key() {
    let theirs = Signer::new(Algorithm::Es256);
    let elsewhere = KeyServer::start(Answer::Body(set(&[theirs.jwk("one")]))).await;
    let ours = Signer::new(Algorithm::Es256);
    let (issuers, server) = served(Answer::Body(set(&[ours.jwk("one")]))).await;
    let attack = set(&[theirs.jwk("one")]);
    let long = format!("{attack}{}", " ".repeat(256 * 1024));
    let many: Vec<Value> = (0..65).map(|_| theirs.jwk("one")).collect();
    let answers = [
        Answer::Status(500, attack.clone()),
        Answer::Status(404, attack.clone()),
        Answer::Status(203, attack.clone()),
        Answer::Redirect(elsewhere.url.clone()),
        Answer::Redirect("ftp://127.0.0.1/".to_owned()),
        Answer::Body(long),
        Answer::Body(set(&many)),
        Answer::Body(attack.trim_end_matches('}').to_owned()),
        Answer::Body("[]".to_owned()),
        Answer::Body(r#"{"keys":{}}"#.to_owned()),
        Answer::Body(String::new()),
        Answer::Cut,
        Answer::Silence,
    ];
    for answer in answers {
        let shown: String = format!("{answer:?}").chars().take(80).collect();
        let asked = server.requests();
        server.answer(answer);
        assert_eq!(issuers.refresh().await, 1, "{shown}");
        assert!(server.requests() > asked, "{shown}: nobody was asked");
        assert_eq!(
            (judged(&issuers, &token_of(&ours)), judged(&issuers, &token_of(&theirs))),
            (ada(), Err(Bad)),
            "{shown}"
        );
    }
    assert_eq!(elsewhere.requests(), 0, "a redirect without TLS was followed");
    server.answer(Answer::Body(attack));
    assert_eq!(issuers.refresh().await, 0, "the set itself is a good one");
    assert_eq!(judged(&issuers, &token_of(&theirs)), ada());
}

#[tokio::test]
async fn a_server_that_is_down_at_the_start_is_no_failure_and_its_tokens_are_refused_until_keys_came() {
    let (issuers, server) = served(Answer::Status(503, String::new())).await;
    assert_eq!(judged(&issuers, &token(Algorithm::Es256, &claims())), Err(Bad));
    server.answer(Answer::Body(whole_set()));
    assert_eq!(issuers.refresh().await, 0);
    assert_eq!(judged(&issuers, &token(Algorithm::Es256, &claims())), ada());
}

#[tokio::test]
async fn the_largest_set_and_the_longest_are_read() {
    let keys: Vec<Value> = (0..64).map(|at| P256.jwk(&format!("key-{at}"))).collect();
    let body = set(&keys);
    let spaces = 256 * 1024 - body.len();
    let (issuers, _server) = served(Answer::Body(format!("{body}{}", " ".repeat(spaces)))).await;
    assert_eq!(judged(&issuers, &es256(&json!({"alg": "ES256", "kid": "key-63"}), &claims())), ada());
}

#[tokio::test]
async fn a_file_of_keys_is_read_again_and_one_that_is_gone_changes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("keys.json");
    let (before, after) = (Signer::new(Algorithm::Es256), Signer::new(Algorithm::Es256));
    std::fs::write(&file, set(&[before.jwk("one")])).unwrap();
    let issuers = Issuers::open(vec![settings(ISSUER, KeySource::File(file.clone()))]).await.unwrap();
    std::fs::remove_file(&file).unwrap();
    assert_eq!(issuers.refresh().await, 1);
    assert_eq!(judged(&issuers, &token_of(&before)), ada());
    std::fs::write(&file, set(&[after.jwk("one")])).unwrap();
    assert_eq!(issuers.refresh().await, 0);
    assert_eq!((judged(&issuers, &token_of(&before)), judged(&issuers, &token_of(&after))), (Err(Bad), ada()));
}

#[tokio::test]
async fn what_cannot_be_opened_is_told_by_its_place_and_a_code() {
    let folder = tempfile::tempdir().unwrap();
    let written = |name: &str, text: &str| {
        let file = folder.path().join(name);
        std::fs::write(&file, text).unwrap();
        KeySource::File(file)
    };
    let good = || settings(ISSUER, written("good.json", &whole_set()));
    let mut lax = settings(OTHER, written("good.json", &whole_set()));
    lax.leeway = Duration::from_secs(301);
    let long = format!("{}{}", whole_set(), " ".repeat(256 * 1024));
    let cases = [
        (lax, "issuer-invalid"),
        (good(), "issuer-invalid"),
        (settings(OTHER, KeySource::Url("http://idp.test/".to_owned())), "issuer-invalid"),
        (settings(OTHER, KeySource::File(folder.path().join("none.json"))), "jwks-unreadable"),
        (settings(OTHER, KeySource::File(folder.path().to_owned())), "jwks-unreadable"),
        (settings(OTHER, written("broken.json", "{\"keys\":")), "jwks-unreadable"),
        (settings(OTHER, written("empty.json", &set(&[]))), "jwks-unreadable"),
        (settings(OTHER, written("long.json", &long)), "jwks-unreadable"),
    ];
    for (second, code) in cases {
        let error: JwtError = Issuers::open(vec![good(), second]).await.unwrap_err();
        assert_eq!(error.code(), code, "{error}");
        assert!(error.to_string().starts_with("issuer 2: "), "{error}");
        assert!(!error.to_string().contains(folder.path().to_str().unwrap()), "{error}");
    }
}

#[tokio::test]
async fn nothing_of_a_key_or_a_token_is_printed() {
    let (issuers, _server) = served(Answer::Body(whole_set())).await;
    let good = token(Algorithm::Rs256, &claims());
    let claimed = issuers.verify(&good, Timestamp::from_micros(NOW * 1_000_000)).unwrap();
    let refused = issuers.verify(&good[1..], Timestamp::from_micros(0)).unwrap_err();
    let printed = format!("{issuers:?} {claimed:?} {refused:?} {refused}");
    assert!(printed.contains("P384"), "keys are printed by their kind: {printed}");
    let modulus = RSA.jwk("")["n"].as_str().unwrap()[..12].to_owned();
    for hidden in ["ada", &good[good.len() - 12..], &modulus, "p384"] {
        assert!(!printed.contains(hidden), "{hidden} in {printed}");
    }
}
