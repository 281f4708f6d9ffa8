//! The pace: how often and how late something is asked again, and when no more.

use std::time::Duration;

use super::*;

#[tokio::test]
async fn whoever_is_asked_to_wait_waits_at_least_so_long() {
    let now = || jiff::Timestamp::from_microsecond(Clock::system().now().as_micros()).unwrap();
    let date = |seconds: i64| {
        let at = now() + jiff::SignedDuration::from_secs(seconds);
        format!("{}", at.strftime("%a, %d %b %Y %H:%M:%S GMT"))
    };
    let waits: [(Reply, u128); 5] = [
        (Reply::with(429, "Retry-After: 1"), 1_000),
        (Reply::with(503, "Retry-After: 1"), 1_000),
        (Reply::with(503, &format!("Date: {}\r\nRetry-After: {}", date(-7_200), date(-7_199))), 1_000),
        (Reply::with(429, "Retry-After: 0"), 40),
        (Reply::with(429, "Retry-After: soon"), 40),
    ];
    for (reply, least_ms) in waits {
        let shown = format!("{reply:?}");
        let server = cloudy(move |before| if before == 0 { reply.clone() } else { Reply::json("{}") }).await;
        let mut session = cloud(&gateway(&server));
        session.get(&CONTRACTS[WHOLE]).await.unwrap();
        let gaps = server.gaps_ms("/whole");
        assert!(gaps.len() == 1 && gaps[0] >= least_ms && gaps[0] < least_ms + 500, "{shown}: {gaps:?}");
        assert_eq!((session.tally().requests, session.tally().retries), (3, 1));
    }
}

#[tokio::test]
async fn whoever_is_sent_away_again_and_again_comes_less_and_less_often_and_then_no_more() {
    let cases = [
        (Reply::status(429), ReasonCode::ProviderThrottled, 6),
        (Reply::status(503), ReasonCode::ProviderUnavailable, 6),
        (Reply::status(502), ReasonCode::ProviderUnavailable, 6),
        (Reply::status(504), ReasonCode::ProviderUnavailable, 6),
        (Reply::Reset, ReasonCode::ProviderUnreachable, 4),
        (Reply::Half("{\"items\": [".to_owned()), ReasonCode::ProviderUnreachable, 4),
    ];
    for (reply, reason, requests) in cases {
        let shown = format!("{reply:?}");
        let server = cloudy(move |_| reply.clone()).await;
        let failure = failure(&mut cloud(&gateway(&server))).await;
        assert_eq!(failure.reason, reason, "{shown}");
        let gaps = server.gaps_ms("/whole");
        assert_eq!(gaps.len() + 1, requests, "{shown}");
        let least = [40, 80, 160, 160, 160];
        assert!(gaps.iter().zip(least).all(|(gap, least)| *gap >= least), "{shown}: {gaps:?}");
    }
}

#[tokio::test]
async fn after_a_bad_day_it_goes_on() {
    let server = cloudy(|before| match before {
        0 => Reply::status(429),
        1 => Reply::Reset,
        2 => Reply::status(503),
        _ => Reply::json("{}"),
    })
    .await;
    let mut session = cloud(&gateway(&server));
    session.get(&CONTRACTS[WHOLE]).await.unwrap();
    assert_eq!((session.tally().requests, session.tally().retries), (5, 3));
}

#[tokio::test]
async fn a_wait_beyond_the_runs_time_ends_it_at_once() {
    for header in
        ["Retry-After: 3600", "Retry-After: 18446744073709551615", "Retry-After: Tue, 31 Dec 2999 00:00:00 GMT"]
    {
        let server = cloudy(move |_| Reply::with(429, header)).await;
        let begun = Instant::now();
        let failure = failure(&mut cloud(&gateway(&server))).await;
        assert_eq!(failure.reason, ReasonCode::ProviderThrottled, "{header}");
        assert_eq!(server.asked_for("/whole").len(), 1, "{header}");
        assert!(begun.elapsed() < Duration::from_secs(1), "{header}");
    }
}

#[tokio::test]
async fn silence_is_asked_again_a_few_times_and_never_beyond_the_runs_time() {
    let server = cloudy(|_| Reply::Silence).await;
    let gateway = gateway(&server);
    assert_eq!(failure(&mut cloud(&gateway)).await.reason, ReasonCode::ProviderTimedOut);
    assert_eq!(server.asked_for("/whole").len(), 3);

    let patient = Limits { pace: Pace { request_time: Duration::from_mins(1), ..PACE }, ..LIMITS };
    let gateway = gateway_at(&server.url(), patient);
    let begun = Instant::now();
    let context = about(3, "cloud").lasting(Duration::from_millis(300));
    let mut session = open(&gateway, context, &[("client_id", "ada"), ("client_secret", "s3cret")]);
    assert_eq!(failure(&mut session).await.reason, ReasonCode::BudgetExceeded);
    assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());
    assert_eq!(failure(&mut session).await.reason, ReasonCode::BudgetExceeded, "and nothing more is sent");
    assert_eq!(server.asked_for("/whole").len(), 4);
}

#[tokio::test]
async fn nobody_there_is_told_as_such() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let mut session = cloud(&gateway_at(&url, LIMITS));
    let failure = failure(&mut session).await;
    assert_eq!(failure, Failure { reason: ReasonCode::ProviderUnreachable, contract: "cloud.token", status: None });
    assert_eq!(session.tally(), Tally { requests: 4, retries: 3, pages: 0 });
}
