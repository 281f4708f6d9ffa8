//! What is told of what goes on: nothing that was sent or answered is in an error, a `Debug` or a log, at any level.

use std::fmt::Write as _;
use std::io;
use std::sync::{Arc, Mutex};

use tracing_subscriber::fmt::MakeWriter;

use super::*;

/// All lines of a log.
#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<u8>>>);

impl Lines {
    fn text(&self) -> String {
        String::from_utf8_lossy(&self.0.lock().unwrap()).into_owned()
    }
}

impl io::Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl MakeWriter<'_> for Lines {
    type Writer = Self;

    fn make_writer(&self) -> Self {
        self.clone()
    }
}

/// What a provider could say, one after the other.
fn said(asked: &server::Asked, before: usize) -> Reply {
    let token = r#"{"token_type":"Bearer","access_token":"canary-token","expires_in":1}"#;
    let text = "canary-body".to_owned();
    let at =
        |status| Reply::Status(status, "X-Said: canary-header\r\nLocation: /canary-place\r\n".to_owned(), text.clone());
    if asked.is_for(TOKEN_PATH) {
        return if before == 0 { at(503) } else { Reply::json(token) };
    }
    match (asked.is_for("/list"), before) {
        (true, 0) => Reply::json(r#"{"items":["canary-body"],"next":"{here}/list?skip=canary-query"}"#),
        (true, 1) => at(503),
        (true, 2) => Reply::json(r#"{"items":["canary-body"],"next":"http://canary-host.test/list"}"#),
        (_, 0) => at(401),
        (_, 1) => at(429),
        (_, 2) => Reply::Half(text),
        (_, 3) => Reply::Reset,
        (_, 4) => at(302),
        (_, 5) => at(403),
        (_, 6) => at(500),
        (_, 7) => Reply::json(text),
        (_, 8) => Reply::Long { bytes: 20_000, is_said: true },
        _ => at(404),
    }
}

#[test]
fn nothing_that_was_sent_or_answered_is_told() {
    let lines = Lines::default();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(tracing::Level::TRACE)
        .with_ansi(false)
        .with_writer(lines.clone())
        .finish();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let told = tracing::subscriber::with_default(subscriber, || runtime.block_on(everything()));
    let log = lines.text();
    assert!(log.contains("not answered") && log.contains("ProviderThrottled") | log.contains("429"), "{log}");
    assert!(log.contains("cloud.whole"), "{log}");
    for text in [&told, &log] {
        assert!(!text.contains("canary"), "{text}");
    }
}

/// All that can be shown of all that happens.
async fn everything() -> String {
    let server = Server::start(said).await;
    let gateway = gateway(&server);
    let fields = [("client_id", "canary-id"), ("client_secret", "canary-secret")];
    let mut session = open(&gateway, about(3, "cloud").lasting(Duration::from_secs(20)), &fields);
    let mut told = format!("{gateway:?} {session:?}");
    let mut reasons = Vec::new();
    for _ in 0..7 {
        if let Err(failure) = session.get(&CONTRACTS[WHOLE]).await {
            write!(told, "{failure:?} {failure} {}", failure.message()).unwrap();
            assert!(failure.message().len() < 512);
            reasons.push(failure.reason);
        }
    }
    assert!(reasons.len() >= 5, "{reasons:?}");
    let mut pages = session.pages(&CONTRACTS[LIST]);
    write!(told, "{pages:?}").unwrap();
    let page = pages.next().await.unwrap().unwrap();
    assert!(page.contains("canary-body"), "the caller has it");
    pages.next().await.unwrap().unwrap();
    let failure = pages.next().await.unwrap_err();
    assert_eq!(failure.reason, ReasonCode::PagingElsewhere);
    write!(told, "{failure:?} {failure} {pages:?}").unwrap();
    assert!(server.asked().iter().any(|asked| asked.target.contains("canary-query")));
    assert!(server.asked().iter().any(|asked| asked.bearer.as_deref() == Some("Bearer canary-token")));
    told
}
