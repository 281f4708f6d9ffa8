//! What is asked for, and what is taken of the answers.

use super::*;

#[tokio::test]
async fn no_more_is_read_than_may_be() {
    for is_said in [true, false] {
        for (bytes, outcome) in [(9_000, ReasonCode::ResponseMalformed), (11_000, ReasonCode::ResponseTooLarge)] {
            let reason = reason_of(Reply::Long { bytes, is_said }).await;
            assert_eq!(reason, (outcome, 1), "{bytes} {is_said}");
        }
        // Were it read to the end, the test would not be over in time.
        let bytes = 4_000_000_000;
        assert_eq!(reason_of(Reply::Long { bytes, is_said }).await.0, ReasonCode::ResponseTooLarge);
    }
}

#[tokio::test]
async fn what_is_not_declared_is_not_taken() {
    for text in ["", "null", "[]", "{", "{}x", "{\"a\":}", "<html>", "\u{feff}{}"] {
        assert_eq!(reason_of(Reply::json(text)).await, (ReasonCode::ResponseMalformed, 1), "{text}");
    }
    for status in [201, 204, 206] {
        assert_eq!(reason_of(Reply::status(status)).await, (ReasonCode::ResponseMalformed, 1), "{status}");
    }
    for status in [400, 405, 418, 500, 501] {
        assert_eq!(reason_of(Reply::status(status)).await, (ReasonCode::ProviderRefused, 1), "{status}");
    }
    assert_eq!(reason_of(Reply::status(403)).await, (ReasonCode::PermissionDenied, 1));
    assert_eq!(reason_of(Reply::status(404)).await, (ReasonCode::ProviderNotFound, 1));
}

#[tokio::test]
async fn what_is_not_declared_is_not_asked_for() {
    static LIKE_IT: Contract = contract("cloud.whole", "/whole", "", Paging::None);
    let server = cloudy(|_| Reply::json("{}")).await;
    let mut session = cloud(&gateway(&server));
    for undeclared in [&LIKE_IT, &SHOP_CONTRACTS[WHOLE], &CONTRACTS[LIST]] {
        assert_eq!(session.get(undeclared).await.unwrap_err().reason, ReasonCode::InternalError);
    }
    for undeclared in [&SHOP_CONTRACTS[LIST], &CONTRACTS[WHOLE]] {
        assert_eq!(session.pages(undeclared).next().await.unwrap_err().reason, ReasonCode::InternalError);
    }
    assert_eq!(server.asked().len(), 0);
    session.get(&CONTRACTS[BRANCH]).await.unwrap();
    assert_eq!(server.asked_for("/a%20directory/branch").len(), 1);
}

#[tokio::test]
async fn no_redirect_is_followed() {
    let elsewhere = Server::start(|_, _| Reply::json("{}")).await;
    for status in [301, 302, 303, 307, 308] {
        let header = format!("Location: {}/whole", elsewhere.url());
        let reason = reason_of(Reply::with(status, &header)).await;
        assert_eq!(reason, (ReasonCode::Redirected, 1), "{status}");
    }
    let header = format!("Location: {}/token", elsewhere.url());
    let tokens = Server::start(move |_, _| Reply::with(307, &header)).await;
    assert_eq!(failure(&mut cloud(&gateway(&tokens))).await.reason, ReasonCode::Redirected);
    assert_eq!(elsewhere.asked().len(), 0);
}
