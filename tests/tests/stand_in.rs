//! The stand-in for providers, asked over a socket: the face of the invented provider, every behaviour there is, what it keeps
//! of requests, and that it ends. Each real provider's face has a suite of its own.
#![cfg(test)]

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead as _, BufReader, ErrorKind};
use std::net::SocketAddr;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use provident::clock::{Clock, Timestamp};
use provident_tests::adapter_contract::{key, native};
use provident_tests::program;
use provident_tests::stand_in::{Behaviour, CANARY, RetryAfter, StandIn, Tenant, fake};
use provident_tests::wire::{Answer, Ask, Wire, exchange};
use serde_json::{Value, json};

const KEY: &str = "a-key-nobody-prints";
const WIDGETS: &str = "/shelves/widgets";

/// A stand-in with a tenant of so many objects under [`KEY`].
fn with(objects: usize) -> (StandIn, Tenant) {
    let (stand_in, tenant) = (StandIn::start(), fake::invented(1, objects));
    stand_in.api_key(KEY, &tenant);
    (stand_in, tenant)
}

async fn get(stand_in: &StandIn, path: &str) -> Answer {
    Wire::to(stand_in.address(), KEY).await.unwrap().ask(&Ask::get(path)).await.unwrap()
}

/// Everything that comes, and how it ends.
async fn raw(address: SocketAddr, path: &str) -> (String, Result<(), ErrorKind>) {
    let request =
        format!("GET {path} HTTP/1.1\r\nhost: here\r\nauthorization: Bearer {KEY}\r\nconnection: close\r\n\r\n");
    let (bytes, ended) = exchange(address, request.as_bytes()).await.unwrap();
    (String::from_utf8(bytes).unwrap(), ended.map_err(|error| error.kind()))
}

/// All objects of a shelf, page by page.
async fn shelf(stand_in: &StandIn, shelf: &str) -> (Vec<Value>, usize) {
    let (mut items, mut pages, mut next) = (Vec::new(), 0, Some(fake::path(shelf)));
    while let Some(path) = next {
        let page = get(stand_in, &path).await.json();
        items.extend(page["items"].as_array().unwrap().clone());
        next = page.get("next").map(|next| next.as_str().unwrap().to_owned());
        pages += 1;
    }
    (items, pages)
}

/// Key and class of every object in documents; none may be refused.
fn keys<'a>(documents: impl IntoIterator<Item = &'a str>) -> BTreeMap<String, String> {
    let mut keys = BTreeMap::new();
    for answer in documents.into_iter().flat_map(|document| native(adapter_fake::describe(document))) {
        let item = answer.item();
        let descriptor = item.get("descriptor").unwrap_or_else(|| panic!("refused: {item}"));
        let class = descriptor["subject_class"].as_str().unwrap().to_owned();
        assert!(keys.insert(key(descriptor).unwrap(), class).is_none(), "twice: {item}");
    }
    keys
}

#[tokio::test]
async fn the_invented_provider_answers_whoever_has_a_key() {
    let (stand_in, tenant) = with(70);
    assert_eq!(get(&stand_in, "/pulse").await.json(), json!({"pulse": "steady"}));
    tenant.set_count("late", 4711);
    let ledger = get(&stand_in, "/ledger").await.json();
    assert_eq!(ledger, json!(tenant.summary()));
    assert_eq!(ledger["late"], 4711);
    assert_eq!(ledger.as_object().unwrap().keys().collect::<Vec<_>>(), ["blank", "fine", "late", "wrong"]);

    let mut stranger = Wire::to(stand_in.address(), "another").await.unwrap();
    let refused = stranger.ask(&Ask::get("/pulse")).await.unwrap();
    assert_eq!(refused.status, 401);
    assert!(refused.json().to_string().contains(CANARY));
    let mut nobody = Wire::to(stand_in.address(), "").await.unwrap();
    assert_eq!(nobody.ask(&Ask::get("/ledger")).await.unwrap().status, 401);
    assert_eq!(get(&stand_in, "/shelves/nothing").await.status, 404);
    assert_eq!(get(&stand_in, "/elsewhere").await.status, 404);
    let mut writer = Wire::to(stand_in.address(), KEY).await.unwrap();
    assert_eq!(writer.ask(&Ask::post(WIDGETS, "{}")).await.unwrap().status, 405);
    stand_in.remove_api_key(KEY);
    assert_eq!(get(&stand_in, "/pulse").await.status, 401);
    let authorised: Vec<_> = stand_in.requests().iter().map(|seen| seen.is_authorised).collect();
    assert_eq!(authorised, [true, true, false, false, true, false, true, false]);
}

#[tokio::test]
async fn keys_open_their_own_tenants() {
    let (stand_in, tenant) = with(7);
    let other = fake::invented(2, 7);
    stand_in.api_key("other", &other);
    let mut wire = Wire::to(stand_in.address(), "other").await.unwrap();
    let page = wire.ask(&Ask::get(WIDGETS)).await.unwrap().json();
    assert_eq!(page["items"][0]["ref"], json!(other.ids("widgets")[0]));
    assert_ne!(other.ids("widgets"), tenant.ids("widgets"));
}

#[tokio::test]
async fn pages_hold_every_object_once_while_some_vanish() {
    let (stand_in, tenant) = with(700);
    stand_in.set_page_size(7);
    let (items, pages) = shelf(&stand_in, "widgets").await;
    assert_eq!((items.len(), pages), (100, 15));
    let first = get(&stand_in, WIDGETS).await.json();
    let ids = tenant.ids("widgets");
    assert!(tenant.remove("widgets", &ids[2]) && !tenant.remove("widgets", &ids[2]));
    assert!(tenant.rename("widgets", &ids[7], "Renamed") && !tenant.rename("widgets", "nobody", "Renamed"));
    let second = get(&stand_in, first["next"].as_str().unwrap()).await.json();
    assert_eq!(second["items"][0]["title"], "Renamed");
    assert_eq!(shelf(&stand_in, "widgets").await.0.len(), 99);
    tenant.add("widgets", json!({"kind": "widget", "ref": "new"}));
    assert_eq!(shelf(&stand_in, "widgets").await.0[99]["ref"], "new");
    assert_eq!(tenant.count(), 700);
}

#[tokio::test]
async fn what_is_served_and_what_is_exported_are_the_same_objects() {
    let (stand_in, tenant) = with(1000);
    tenant.set_payload("nobody's business");
    let mut served = Vec::new();
    for name in tenant.collections().into_keys() {
        served.push(Value::Array(shelf(&stand_in, &name).await.0).to_string());
    }
    assert!(served.iter().all(|page| page.contains("nobody's business")));
    let served = keys(served.iter().map(String::as_str));
    assert_eq!(served.len(), 1000);
    let classes: BTreeSet<_> = served.values().map(String::as_str).collect();
    assert_eq!(classes.len(), 7, "all but unknown ones: {classes:?}");
    let folder = tempfile::tempdir().unwrap();
    tenant.write_lines(&folder.path().join("lines.jsonl"));
    let lines = std::fs::read_to_string(folder.path().join("lines.jsonl")).unwrap();
    assert_eq!(keys(lines.lines()), served);
    let files = tenant.write_pages(&folder.path().join("pages"), 60);
    let pages: Vec<_> = files.iter().map(|file| std::fs::read_to_string(file).unwrap()).collect();
    assert_eq!(pages.len(), 20);
    assert_eq!(keys(pages.iter().map(String::as_str)), served);
    assert_eq!(fake::invented(1, 1000).ids("zones"), tenant.ids("zones"));
    assert_ne!(fake::invented(2, 1000).ids("zones"), tenant.ids("zones"));
}

#[tokio::test]
async fn it_asks_to_come_back_later_in_every_way() {
    let (stand_in, _) = with(10);
    let after = |answer: &Answer| answer.header("retry-after").map(str::to_owned);
    for (status, order) in [
        (429, (|after| Behaviour::Throttled(after)) as fn(RetryAfter) -> Behaviour),
        (503, |after| Behaviour::Unavailable(after)),
    ] {
        stand_in.behave();
        stand_in.tell_times(WIDGETS, 1, order(RetryAfter::Unsaid));
        stand_in.tell_times(WIDGETS, 1, order(RetryAfter::Seconds(17)));
        stand_in.tell_times(WIDGETS, 1, order(RetryAfter::Date(3600)));
        stand_in.tell_times(WIDGETS, 1, order(RetryAfter::Text("soon".to_owned())));
        let mut answers = Vec::new();
        for _ in 0..4 {
            answers.push(get(&stand_in, WIDGETS).await);
        }
        assert!(answers.iter().all(|answer| answer.status == status && answer.json().to_string().contains(CANARY)));
        let [unsaid, seconds, date, text] = [0, 1, 2, 3].map(|place: usize| after(&answers[place]));
        assert_eq!((unsaid, seconds, text), (None, Some("17".into()), Some("soon".into())));
        let date = date.unwrap();
        assert!(date.ends_with(" GMT") && date.len() == 29, "{date}");
        // An hour from now, give or take, is one of at most two hours of the day.
        let hour = |text: &str| text.split(['T', ' ']).find_map(|part| Some(part.split_once(':')?.0.to_owned()));
        let nearly = Clock::system().now().as_micros() + 3_500_000_000;
        let mut around = [nearly, nearly + 200_000_000].map(|at| Timestamp::from_micros(at).to_string()).into_iter();
        assert!(around.any(|time| hour(&time) == hour(&date)), "{date} is not in an hour");
        assert_eq!(get(&stand_in, WIDGETS).await.status, 200);
    }
}

#[tokio::test]
async fn it_fails_where_and_as_often_as_it_is_told() {
    let (stand_in, _) = with(10);
    stand_in.set_canary("another canary");
    stand_in.tell_after("/shelves", 1, 2, Behaviour::Status(500));
    let mut answered = Vec::new();
    for path in [WIDGETS, "/pulse", "/shelves/zones", WIDGETS, WIDGETS] {
        answered.push(get(&stand_in, path).await);
    }
    assert_eq!(answered.iter().map(|answer| answer.status).collect::<Vec<_>>(), [200, 200, 500, 500, 200]);
    assert!(answered[2].json().to_string().contains("another canary"));
    for status in [403, 404, 502] {
        stand_in.tell_times("", 1, Behaviour::Status(status));
        assert_eq!(get(&stand_in, "/pulse").await.status, status);
    }
    stand_in.tell("/pulse", Behaviour::ExpiredToken);
    assert_eq!(get(&stand_in, "/pulse").await.status, 401);
    assert_eq!(get(&stand_in, "/pulse").await.status, 401);
    stand_in.behave();
    assert_eq!(get(&stand_in, "/pulse").await.status, 200);
    stand_in.tell("/pulse", Behaviour::Exactly(418, "short and stout".into()));
    let answer = get(&stand_in, "/pulse").await;
    assert_eq!((answer.status, answer.body), (418, b"short and stout".to_vec()));
    stand_in.behave();
    stand_in.tell("/pulse", Behaviour::Redirect("http://127.0.0.2/pulse".into()));
    let answer = get(&stand_in, "/pulse").await;
    assert_eq!((answer.status, answer.header("location")), (302, Some("http://127.0.0.2/pulse")));
}

#[tokio::test]
async fn connections_are_reset_and_answers_end_too_soon() {
    let (stand_in, _) = with(100);
    stand_in.tell_times(WIDGETS, 1, Behaviour::ResetBeforeAnswer);
    assert_eq!(raw(stand_in.address(), WIDGETS).await, (String::new(), Err(ErrorKind::ConnectionReset)));
    let right = get(&stand_in, WIDGETS).await.body;
    for (order, end) in [(Behaviour::ResetInBody, Err(ErrorKind::ConnectionReset)), (Behaviour::Truncated, Ok(()))] {
        stand_in.tell_times(WIDGETS, 1, order.clone());
        let (text, ended) = raw(stand_in.address(), WIDGETS).await;
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        assert!(head.contains(&format!("content-length: {}", right.len())), "{head}");
        assert_eq!((body.as_bytes(), ended), (&right[..right.len() / 2], end), "{order:?}");
    }
    assert_eq!(get(&stand_in, WIDGETS).await.body, right);
    let statuses: Vec<_> = stand_in.requests().iter().map(|seen| seen.status).collect();
    assert_eq!(statuses, [None, Some(200), Some(200), Some(200), Some(200)]);
}

#[tokio::test]
async fn it_keeps_silent_and_takes_its_time() {
    let (stand_in, _) = with(10);
    stand_in.tell_times("/pulse", 1, Behaviour::Silence);
    let waited = tokio::time::timeout(Duration::from_millis(200), raw(stand_in.address(), "/pulse")).await;
    assert!(waited.is_err());
    assert_eq!(stand_in.requests()[0].status, None);
    let (head, pause) = (Duration::from_millis(150), Duration::from_millis(20));
    stand_in.tell_times("/pulse", 1, Behaviour::Slow { head, piece: 4, pause });
    let mut wire = Wire::to(stand_in.address(), KEY).await.unwrap();
    let began = Instant::now();
    assert_eq!(wire.ask(&Ask::get("/pulse")).await.unwrap().json(), json!({"pulse": "steady"}));
    assert!(began.elapsed() >= head + pause * 4, "{:?}", began.elapsed());
    stand_in.set_delay(Duration::from_millis(100));
    let began = Instant::now();
    assert_eq!(wire.ask(&Ask::get("/pulse")).await.unwrap().status, 200);
    assert!(began.elapsed() >= Duration::from_millis(100));
    assert_eq!(stand_in.count(), 3);
}

#[tokio::test]
async fn lists_have_no_end_or_go_on_elsewhere() {
    let (stand_in, _) = with(100);
    stand_in.tell(WIDGETS, Behaviour::EndlessPages);
    let (mut next, mut seen) = (WIDGETS.to_owned(), BTreeSet::new());
    for _ in 0..20 {
        let page = get(&stand_in, &next).await.json();
        assert!(seen.insert(page["items"].to_string()), "the same page twice");
        assert_eq!(keys([page["items"].to_string().as_str()]).len(), page["items"].as_array().unwrap().len());
        next = page["next"].as_str().unwrap().to_owned();
        assert!(next.starts_with(WIDGETS), "{next}");
    }
    stand_in.behave();
    stand_in.tell(WIDGETS, Behaviour::NextIsSelf);
    assert_eq!(get(&stand_in, &format!("{WIDGETS}?after=3")).await.json()["next"], format!("{WIDGETS}?after=3"));
    stand_in.behave();
    stand_in.tell(WIDGETS, Behaviour::NextElsewhere("http://elsewhere.example/x".into()));
    assert_eq!(get(&stand_in, WIDGETS).await.json()["next"], "http://elsewhere.example/x");
}

#[tokio::test]
async fn bodies_are_not_what_they_should_be() {
    let (stand_in, _) = with(100);
    let next = |order| stand_in.tell_times(WIDGETS, 1, order);
    next(Behaviour::Malformed);
    let answer = get(&stand_in, WIDGETS).await;
    assert!(answer.status == 200 && serde_json::from_slice::<Value>(&answer.body).is_err());
    next(Behaviour::WrongShape);
    assert_eq!(get(&stand_in, WIDGETS).await.json(), json!({"items": 17}));
    stand_in.tell_times("/ledger", 1, Behaviour::WrongShape);
    assert_eq!(get(&stand_in, "/ledger").await.json()["fine"], "seventeen");
    next(Behaviour::ContentType("text/garbage; =;\"".into()));
    let answer = get(&stand_in, WIDGETS).await;
    assert_eq!(answer.header("content-type"), Some("text/garbage; =;\""));
    assert!(answer.json()["items"].is_array());
    next(Behaviour::HugeHeaders(1 << 20));
    let (text, ended) = raw(stand_in.address(), WIDGETS).await;
    assert!(ended.is_ok() && text.split_once("\r\n\r\n").unwrap().0.len() > 1 << 20);
    let bytes = 3_000_001;
    next(Behaviour::Oversized { bytes, is_said: true });
    let answer = get(&stand_in, WIDGETS).await;
    assert_eq!(answer.body.len() as u64, bytes);
    assert_eq!(answer.json()["filler"].as_str().unwrap().len() as u64, bytes - 13);
    next(Behaviour::Oversized { bytes, is_said: false });
    let (text, ended) = raw(stand_in.address(), WIDGETS).await;
    let (head, body) = text.split_once("\r\n\r\n").unwrap();
    assert!(ended.is_ok() && head.contains("transfer-encoding: chunked") && !head.contains("content-length"), "{head}");
    assert!(body.len() as u64 > bytes);
}

#[tokio::test]
async fn requests_are_kept_and_nothing_secret_of_them() {
    let (stand_in, _) = with(10);
    let mut wire = Wire::to(stand_in.address(), KEY).await.unwrap();
    wire.ask(&Ask::get("/shelves/widgets?after=2")).await.unwrap();
    tokio::time::sleep(Duration::from_millis(60)).await;
    wire.ask(&Ask::get("/shelves/zones")).await.unwrap();
    wire.ask(&Ask::get("/pulse")).await.unwrap();
    assert_eq!((stand_in.count(), stand_in.connections()), (3, 1));
    let counts = ["/shelves", WIDGETS, "/shelves/widget", "/pulse", ""].map(|place| stand_in.count_of(place));
    assert_eq!(counts, [2, 1, 0, 1, 3]);
    let requests = stand_in.requests();
    let first = &requests[0];
    assert_eq!(
        (first.method.as_str(), first.target.as_str(), first.path()),
        ("GET", "/shelves/widgets?after=2", WIDGETS)
    );
    assert!(requests.is_sorted_by_key(|seen| (seen.order, seen.at)));
    let gaps = stand_in.gaps("/shelves");
    assert!(gaps.len() == 1 && gaps[0] >= Duration::from_millis(60), "{gaps:?}");
    let printed = format!("{stand_in:?}{requests:?}");
    assert!(!printed.contains(KEY), "{printed}");
    stand_in.clear();
    assert_eq!((stand_in.count(), stand_in.connections(), stand_in.gaps("").len()), (0, 0, 0));
    wire.ask(&Ask::get("/pulse")).await.unwrap();
    assert_eq!(stand_in.requests()[0].order, 3);
}

#[tokio::test]
async fn it_is_gone_with_its_value() {
    let (stand_in, _) = with(10);
    let address = stand_in.address();
    stand_in.tell("/pulse", Behaviour::Silence);
    let mut kept = Wire::to(address, KEY).await.unwrap();
    kept.ask(&Ask::get(WIDGETS)).await.unwrap();
    let mut waiting = Wire::to(address, KEY).await.unwrap();
    waiting.send(&Ask::get("/pulse")).await.unwrap();
    while stand_in.count() < 2 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    drop(stand_in);
    let ended = tokio::time::timeout(Duration::from_secs(5), waiting.answer()).await;
    assert!(ended.expect("it still waits").is_err());
    assert!(kept.ask(&Ask::get(WIDGETS)).await.is_err());
    assert_eq!(Wire::to(address, KEY).await.unwrap_err().kind(), ErrorKind::ConnectionRefused);
}

#[tokio::test]
async fn it_runs_in_a_process_of_its_own_until_its_input_ends() {
    let mut process = Command::new(program::stand_in().unwrap())
        .args(["--objects", "50", "--seed", "7", "--page-size", "3"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(process.stdout.take().unwrap()).lines().map(Result::unwrap);
    let url = lines.next().unwrap().strip_prefix("listening on ").unwrap().to_owned();
    let said: Vec<_> = lines.by_ref().take_while(|line| !line.starts_with("# fake")).collect();
    assert!(said.contains(&format!("api_url = \"{url}\"")) && said.contains(&"[[provider]]".to_owned()), "{said:?}");
    let address = url.strip_prefix("http://").unwrap().parse().unwrap();
    let mut wire = Wire::to(address, "an-invented-key").await.unwrap();
    let page = wire.ask(&Ask::get(WIDGETS)).await.unwrap().json();
    assert_eq!(page["items"].as_array().unwrap().len(), 3);
    drop(process.stdin.take());
    assert!(process.wait().unwrap().success());
}
