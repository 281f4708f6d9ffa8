//! Tokens: how many are asked for, which one is sent, and what happens where none is given.

use std::time::Duration;

use super::*;

#[tokio::test]
async fn one_token_serves_many_calls_and_is_asked_for_once_however_many_wait() {
    let server = cloudy(|_| Reply::json("{}")).await;
    let gateway = gateway(&server);
    let mut sessions: Vec<Session> = (0..8).map(|_| cloud(&gateway)).collect();
    let calls = sessions.iter_mut().map(|session| session.get(&CONTRACTS[WHOLE]));
    for answered in futures_util::future::join_all(calls).await {
        assert_eq!(answered.unwrap(), "{}");
    }
    sessions[0].get(&CONTRACTS[WHOLE]).await.unwrap();
    let tokens = server.asked_for(TOKEN_PATH);
    assert_eq!(tokens.len(), 1);
    assert_eq!(tokens[0].method, "POST");
    assert_eq!(
        tokens[0].body,
        format!(
            "grant_type=client_credentials&client_id=ada&client_secret=s3cret&scope={}%2F.default",
            server.url().replace(':', "%3A").replace('/', "%2F")
        )
    );
    let calls = server.asked_for("/whole");
    assert!(calls.iter().all(|call| call.bearer.as_deref() == Some("Bearer t0") && call.method == "GET"), "{calls:?}");
    assert_eq!(calls.len(), 9);
    let requests: u64 = sessions.iter().map(|session| session.tally().requests).sum();
    assert_eq!(requests, 10, "every request is counted, the token's too");
}

#[tokio::test]
async fn a_token_is_fetched_anew_before_it_expires() {
    let server =
        Server::start(|asked, before| if asked.is_for(TOKEN_PATH) { token(before, 1) } else { Reply::json("{}") })
            .await;
    let gateway = gateway(&server);
    let mut session = cloud(&gateway);
    for _ in 0..2 {
        session.get(&CONTRACTS[WHOLE]).await.unwrap();
    }
    tokio::time::sleep(Duration::from_millis(850)).await;
    session.get(&CONTRACTS[WHOLE]).await.unwrap();
    let bearers: Vec<_> = server.asked_for("/whole").into_iter().filter_map(|asked| asked.bearer).collect();
    assert_eq!(bearers, ["Bearer t0", "Bearer t0", "Bearer t1"]);
}

#[tokio::test]
async fn a_token_that_is_refused_is_forgotten_and_fetched_anew_once() {
    let server = cloudy(|before| if before == 0 { Reply::status(401) } else { Reply::json("{}") }).await;
    let gateway = gateway(&server);
    let mut session = cloud(&gateway);
    session.get(&CONTRACTS[WHOLE]).await.unwrap();
    let bearers: Vec<_> = server.asked_for("/whole").into_iter().filter_map(|asked| asked.bearer).collect();
    assert_eq!(bearers, ["Bearer t0", "Bearer t1"]);
    assert_eq!(session.tally(), Tally { requests: 4, retries: 1, pages: 0 });
    cloud(&gateway).get(&CONTRACTS[WHOLE]).await.unwrap();
    assert_eq!(server.asked_for(TOKEN_PATH).len(), 2, "the new one is kept");
}

#[tokio::test]
async fn a_new_token_that_is_refused_as_well_ends_it() {
    let server = cloudy(|_| Reply::status(401)).await;
    let failure = failure(&mut cloud(&gateway(&server))).await;
    assert_eq!((failure.reason, failure.status), (ReasonCode::CredentialRejected, Some(401)));
    assert_eq!((server.asked_for("/whole").len(), server.asked_for(TOKEN_PATH).len()), (2, 2));
}

#[tokio::test]
async fn credentials_that_give_no_token_are_tried_once() {
    for status in [400, 401, 403] {
        let server = Server::start(move |_, _| Reply::Status(status, String::new(), "{}".to_owned())).await;
        let failure = failure(&mut cloud(&gateway(&server))).await;
        assert_eq!(
            failure,
            Failure { reason: ReasonCode::CredentialRejected, contract: "cloud.token", status: Some(status) }
        );
        assert_eq!(server.asked().len(), 1);
    }
    for answer in ["[]", r#"{"access_token":"a","token_type":"mac"}"#] {
        let server = Server::start(move |_, _| Reply::json(answer)).await;
        assert_eq!(failure(&mut cloud(&gateway(&server))).await.reason, ReasonCode::ResponseMalformed);
        assert_eq!(server.asked().len(), 1);
    }
}

#[tokio::test]
async fn connections_and_credentials_never_share_a_token() {
    let server = Server::start(|asked, _| {
        if !asked.is_for(TOKEN_PATH) {
            return Reply::json("{}");
        }
        let form: Vec<&str> = asked.body.split('&').collect();
        let name = format!("{}-{}", form[1].replace("client_id=", ""), form[2].replace("client_secret=", ""));
        Reply::json(format!(r#"{{"token_type":"bearer","access_token":"{name}"}}"#))
    })
    .await;
    let gateway = gateway(&server);
    let who = [(3, "ada", "one"), (4, "bob", "two"), (5, "ada", "one"), (3, "ada", "new"), (4, "bob", "two")];
    for (connection, id, secret) in who {
        let fields = [("client_id", id), ("client_secret", secret)];
        open(&gateway, about(connection, "cloud"), &fields).get(&CONTRACTS[WHOLE]).await.unwrap();
    }
    let bearers: Vec<_> = server.asked_for("/whole").into_iter().filter_map(|asked| asked.bearer).collect();
    let expected = who.map(|(_, id, secret)| format!("Bearer {id}-{secret}"));
    assert_eq!(bearers, expected);
    assert_eq!(server.asked_for(TOKEN_PATH).len(), 4, "one for each connection with its credentials");
}

#[tokio::test]
async fn a_key_that_was_given_is_sent_as_it_is_and_never_tried_twice() {
    let server = Server::start(|_, before| if before == 0 { Reply::json("{}") } else { Reply::status(401) }).await;
    let gateway = gateway(&server);
    let mut session = shop(&gateway);
    session.get(&SHOP_CONTRACTS[WHOLE]).await.unwrap();
    let refused = session.get(&SHOP_CONTRACTS[WHOLE]).await.unwrap_err();
    assert_eq!(refused.reason, ReasonCode::CredentialRejected);
    let bearers: Vec<_> = server.asked().into_iter().filter_map(|asked| asked.bearer).collect();
    assert_eq!(bearers, ["Bearer k3y"; 2]);

    for unsendable in ["two words", "schlüssel"] {
        let mut session = open(&gateway, about(3, "shop"), &[("api_key", unsendable)]);
        let refused = session.get(&SHOP_CONTRACTS[WHOLE]).await.unwrap_err();
        assert_eq!(refused.reason, ReasonCode::CredentialRejected, "{unsendable}");
    }
    assert_eq!(server.asked().len(), 2);
}

#[tokio::test]
async fn without_credentials_or_a_place_nothing_is_sent() {
    let server = cloudy(|_| Reply::json("{}")).await;
    let gateway = gateway(&server);
    let context = || about(3, "cloud");
    let mut foreign = sealed(&about(4, "cloud"), &[("client_id", "ada"), ("client_secret", "s3cret")]);
    let cases = [
        (gateway.session(context(), &RING.0, &[]), ReasonCode::CredentialMissing),
        (open(&gateway, context(), &[("client_id", "ada")]), ReasonCode::CredentialMissing),
        (gateway.session(context(), &RING.0, &foreign.split_off(0)), ReasonCode::CredentialUnreadable),
        (
            open(&gateway, context().at("cloud", None), &[("client_id", "a"), ("client_secret", "b")]),
            ReasonCode::EndpointUnset,
        ),
        (
            open(&gateway, context().at("cloud", Some("..")), &[("client_id", "a"), ("client_secret", "b")]),
            ReasonCode::EndpointUnset,
        ),
        (open(&gateway, context().at("nobody", None), &[("client_id", "a")]), ReasonCode::EndpointUnset),
    ];
    for (mut session, reason) in cases {
        assert_eq!(failure(&mut session).await.reason, reason);
    }
    let nowhere = Endpoints::new([&CLOUD, &SHOP], &[]).unwrap();
    let nowhere = Gateway::new(nowhere, Clock::system(), Ids::seeded(1));
    assert_eq!(failure(&mut cloud(&nowhere)).await.reason, ReasonCode::EndpointUnset);
    assert_eq!(server.asked().len(), 0);
}

#[tokio::test]
async fn a_token_that_somebody_else_waits_for_is_not_waited_for_beyond_the_runs_time() {
    let server = Server::start(|_, _| Reply::Silence).await;
    let gateway = gateway(&server);
    let fields = [("client_id", "ada"), ("client_secret", "s3cret")];
    let (mut slow, mut short) =
        (cloud(&gateway), open(&gateway, about(3, "cloud").lasting(Duration::from_millis(200)), &fields));
    let first = failure(&mut slow);
    let second = async {
        tokio::time::sleep(Duration::from_millis(50)).await;
        failure(&mut short).await
    };
    let (first, second) = futures_util::future::join(first, second).await;
    assert_eq!((first.reason, second.reason), (ReasonCode::ProviderTimedOut, ReasonCode::BudgetExceeded));
    assert_eq!(server.asked().len(), 3, "all of them the first one's");
}
