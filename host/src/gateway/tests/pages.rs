//! Lists in pages: how they are read, where they may go on, and that they end.

use super::*;

/// Reads a list to its end or failure.
async fn read(session: &mut Session, contract: &'static Contract) -> (Vec<String>, Option<ReasonCode>) {
    let mut pages = session.pages(contract);
    let mut read = Vec::new();
    loop {
        match pages.next().await {
            Ok(Some(page)) => read.push(page),
            Ok(None) => return (read, None),
            Err(failure) => {
                assert!(pages.next().await.unwrap().is_none(), "there is nothing after a failure");
                return (read, Some(failure.reason));
            }
        }
    }
}

const LAST: &str = r#"{"items":[],"next":null}"#;

fn page(next: &str) -> Reply {
    Reply::json(format!(r#"{{"items":[1],"next":"{next}"}}"#))
}

#[tokio::test]
async fn a_list_is_read_page_by_page_to_its_end() {
    let server = Server::start(|asked, before| match asked.target.as_str() {
        TOKEN_PATH => token(before, 3_600),
        "/list?size=2" => page("{here}/list?size=2&skip=2"),
        "/list?size=2&skip=2" => page("{here}/list/more"),
        _ => Reply::json(LAST),
    })
    .await;
    let mut session = cloud(&gateway(&server));
    let (pages, failed) = read(&mut session, &CONTRACTS[LIST]).await;
    assert_eq!((pages.len(), failed), (3, None));
    assert_eq!(pages[2], LAST, "as it was sent");
    assert_eq!(session.tally(), Tally { requests: 4, retries: 0, pages: 3 });

    let server = Server::start(|asked, _| match asked.target.as_str() {
        "/list" => page("/list?after=2"),
        _ => Reply::json(LAST),
    })
    .await;
    let (pages, failed) = read(&mut shop(&gateway(&server)), &SHOP_CONTRACTS[LIST]).await;
    assert_eq!((pages.len(), failed), (2, None));
}

#[tokio::test]
async fn a_list_goes_on_where_it_began_or_not_at_all() {
    let elsewhere = Server::start(|_, _| Reply::json(LAST)).await;
    let away = elsewhere.url().replace("http://", "");
    for next in [
        &elsewhere.url(),
        &format!("{}/list", elsewhere.url()),
        "https://provider.test/list",
        "http://localhost/list",
        "{here}/other",
        "{here}/listed",
        "{here}/",
        "{here}/list/../other",
        "{here}/list/%2e%2e/other",
        "{here}/list#part",
        "//evil.test/list",
        "/list?size=2&skip=2",
        "list?skip=2",
        "file:///list",
        "",
        &format!("{{here}}@{away}/list"),
        &format!("http://user:word@{away}/list"),
        &format!("{{here}}/list?x={}", "x".repeat(20_000)),
    ] {
        let first = next.to_owned();
        let server = cloudy(move |before| if before == 0 { page(&first) } else { Reply::json(LAST) }).await;
        let limits = Limits { page_bytes: 100_000, ..LIMITS };
        let (pages, failed) = read(&mut cloud(&gateway_at(&server.url(), limits)), &CONTRACTS[LIST]).await;
        assert_eq!((pages.len(), failed), (1, Some(ReasonCode::PagingElsewhere)), "{next}");
        assert_eq!(server.asked().len(), 2, "{next}");
    }
    for next in ["{here}/list?after=2", "//evil.test/list", "list", "", "/other", "/list/../other"] {
        let first = next.to_owned();
        let server = Server::start(move |_, before| if before == 0 { page(&first) } else { Reply::json(LAST) }).await;
        let (pages, failed) = read(&mut shop(&gateway(&server)), &SHOP_CONTRACTS[LIST]).await;
        assert_eq!((pages.len(), failed), (1, Some(ReasonCode::PagingElsewhere)), "{next}");
        assert_eq!(server.asked().len(), 1, "{next}");
    }
    assert_eq!(elsewhere.asked().len(), 0, "nobody else was asked, or shown a token");
}

#[tokio::test]
async fn a_list_without_an_end_is_not_read_for_ever() {
    let endless = cloudy(|before| page(&format!("{{here}}/list?page={before}"))).await;
    let mut session = cloud(&gateway(&endless));
    assert_eq!(read(&mut session, &CONTRACTS[LIST]).await.1, Some(ReasonCode::PagingEndless));
    assert_eq!((session.tally().pages, endless.asked_for("/list").len()), (5, 5));

    let own_next = cloudy(|_| page("{here}/list?size=2")).await;
    assert_eq!(read(&mut cloud(&gateway(&own_next)), &CONTRACTS[LIST]).await.1, Some(ReasonCode::PagingEndless));
    assert_eq!(own_next.asked_for("/list").len(), 1);

    let loops = cloudy(|before| page(&format!("{{here}}/list?page={}", before % 2))).await;
    assert_eq!(read(&mut cloud(&gateway(&loops)), &CONTRACTS[LIST]).await.1, Some(ReasonCode::PagingEndless));
    assert_eq!(loops.asked_for("/list").len(), 3);
}

#[tokio::test]
async fn what_is_no_page_is_not_taken() {
    for text in [
        "{}",
        "[]",
        r#"{"items":{}}"#,
        r#"{"items":null}"#,
        r#"{"items":"[]"}"#,
        r#"{"value":[]}"#,
        r#"{"items":[],"next":7}"#,
        r#"{"items":[],"next":["x"]}"#,
        r#"{"items":[1,]}"#,
        r#"{"items":[1"#,
    ] {
        let server = cloudy(move |_| Reply::json(text)).await;
        let (pages, failed) = read(&mut cloud(&gateway(&server)), &CONTRACTS[LIST]).await;
        assert_eq!((pages.len(), failed), (0, Some(ReasonCode::ResponseMalformed)), "{text}");
    }
}

#[tokio::test]
async fn a_page_that_fails_is_asked_for_again_and_those_before_are_not() {
    let server = cloudy(|before| match before {
        0 => page("{here}/list?page=1"),
        1 => Reply::status(429),
        2 => Reply::Reset,
        _ => Reply::json(LAST),
    })
    .await;
    let (pages, failed) = read(&mut cloud(&gateway(&server)), &CONTRACTS[LIST]).await;
    assert_eq!((pages.len(), failed), (2, None));
    let targets: Vec<_> = server.asked_for("/list").into_iter().map(|asked| asked.target).collect();
    assert_eq!(targets, ["/list?size=2", "/list?page=1", "/list?page=1", "/list?page=1"]);
}
