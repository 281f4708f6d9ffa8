//! The service as a process: that it starts and says where, stops without losing what is under way, takes its settings
//! from where it says, and tells of itself without telling of anybody else.

#![cfg(test)]

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::routing::get;
use provident::http::metrics::FAMILIES;
use provident::http::server::{self, Ended};
use provident_tests::console::{Site, command, run_command};
use provident_tests::database::{on_both_engines, on_both_engines_empty};
use provident_tests::guard::listing::root;
use provident_tests::installation::Installation;
use serde_json::Value;
use tokio::sync::{Notify, mpsc};
use tokio_util::task::TaskTracker;

/// A service that runs until it is stopped, or the test is over.
struct Served {
    child: Child,
    said: BufReader<ChildStdout>,
}

impl Served {
    fn start(command: &mut Command) -> Self {
        let command = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let said = BufReader::new(child.stdout.take().unwrap());
        Self { child, said }
    }

    /// On free ports of its own.
    fn of(site: &Site, more: &[&str]) -> Self {
        let arguments = ["serve", "--listen", "127.0.0.1:0"].iter().chain(more);
        Self::start(&mut command(site.arguments(arguments.copied())))
    }

    /// The address of its next line, which begins like this.
    fn address(&mut self, beginning: &str) -> SocketAddr {
        let mut line = String::new();
        self.said.read_line(&mut line).unwrap();
        let address = line.trim_end().strip_prefix(beginning).unwrap_or_else(|| self.failed(&line));
        address.parse().unwrap()
    }

    fn failed<T>(&mut self, line: &str) -> T {
        let _ = self.child.kill();
        let mut log = String::new();
        let _ = self.child.stderr.take().unwrap().read_to_string(&mut log);
        panic!("{line:?}\n{log}")
    }

    fn signal(&self, name: &str) {
        let sent = Command::new("kill").args([name, &self.child.id().to_string()]).status().unwrap();
        assert!(sent.success());
    }

    /// Its exit code, and what it logged.
    fn end(&mut self) -> (Option<i32>, String) {
        let mut log = String::new();
        self.child.stderr.take().unwrap().read_to_string(&mut log).unwrap();
        (self.child.wait().unwrap().code(), log)
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Status and whole text of one request on a connection of its own.
fn request(address: SocketAddr, target: &str) -> (u16, String) {
    let mut stream = TcpStream::connect(address).unwrap();
    write!(stream, "GET {target} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    (answer.split(' ').nth(1).unwrap().parse().unwrap(), answer)
}

/// The value of a line of metrics that begins like this.
fn value(metrics: &str, beginning: &str) -> f64 {
    let line = metrics.lines().find(|line| line.starts_with(beginning));
    let line = line.unwrap_or_else(|| panic!("no {beginning} in\n{metrics}"));
    line.rsplit(' ').next().unwrap().parse().unwrap()
}

#[test]
fn it_answers_until_it_is_told_to_stop_and_ends_with_0() {
    on_both_engines_empty(|database| async move {
        let site = Site::on(database);
        let _ = site.run(["init"]).ok();
        for signal in ["-TERM", "-INT"] {
            let mut served = Served::of(&site, &["--log-format", "json"]);
            let address = served.address("listening on http://");
            for target in ["/healthz", "/readyz"] {
                let (status, text) = request(address, target);
                assert_eq!(status, 200, "{text}");
                let ran = run_command(&mut command(["healthcheck", &format!("http://{address}{target}")]), b"");
                assert_eq!((ran.code, ran.stderr.as_str()), (0, ""));
            }
            let lost = run_command(&mut command(["healthcheck", &format!("http://{address}/no/such")]), b"");
            assert!(lost.code == 1 && lost.stderr.starts_with("unhealthy: "), "{lost:?}");
            served.signal(signal);
            let (code, log) = served.end();
            assert_eq!(code, Some(0), "{log}");
            assert!(TcpStream::connect(address).is_err());
        }
    });
}

#[test]
fn a_database_that_lost_its_tables_is_not_ready_and_the_service_lives() {
    on_both_engines(|database| async move {
        let world = Installation::on(database).await;
        assert!(world.service.readiness().await.is_ok());
        world.database.migrate_down(0).await.unwrap();
        assert_eq!(world.service.readiness().await.unwrap_err().code(), "database-unmigrated");
    });
}

#[test]
fn log_lines_are_json_and_have_no_path_query_or_header_in_them() {
    let site = Site::ready();
    let mut served = Served::of(&site, &["--log-format", "json", "--log-level", "trace"]);
    let address = served.address("listening on http://");
    let mut stream = TcpStream::connect(address).unwrap();
    let head = "GET /v1/workspaces/lurking/bindings?environment_id=prowling HTTP/1.1\r\nhost: x\r\n\
        authorization: Bearer sneaking\r\nx-request-id: mine-1\r\nconnection: close\r\n\r\n";
    stream.write_all(head.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    served.signal("-TERM");
    let (_, log) = served.end();
    let lines: Vec<Value> = log.lines().map(|line| serde_json::from_str(line).expect(line)).collect();
    for word in ["lurking", "prowling", "sneaking"] {
        assert!(!log.contains(word), "{log}");
    }
    let told = lines.iter().find(|line| line["message"] == "answered").expect(&log);
    let request = &told["span"];
    assert_eq!(request["request_id"], "mine-1", "{told}");
    assert_eq!((request["method"].as_str(), told["level"].as_str()), (Some("GET"), Some("INFO")), "{told}");
    assert_eq!(request["route"], "/v1/workspaces/{workspace_id}/bindings", "{told}");
    assert!(told["timestamp"].as_str().unwrap().ends_with('Z') && told["seconds"].is_f64(), "{told}");
}

#[test]
fn metrics_have_a_listener_of_their_own_and_every_family_is_there() {
    on_both_engines_empty(|database| async move {
        let site = Site::on(database);
        let _ = site.run(["init"]).ok();
        let mut served = Served::of(&site, &["--metrics-listen", "127.0.0.1:0"]);
        let (api, metrics) = (served.address("listening on http://"), served.address("metrics on http://"));
        assert_eq!((request(api, "/metrics").0, request(metrics, "/healthz").0), (404, 404));
        assert_eq!(request(metrics, "/v1/keys:derive").0, 404);
        let _ = request(api, "/readyz");
        let (_, before) = request(metrics, "/metrics");
        let _ = request(api, "/readyz");
        let (_, after) = request(metrics, "/metrics");
        for family in FAMILIES {
            assert!(before.contains(&format!("# TYPE {family} ")), "{family}: {before}");
            assert!(before.lines().any(|line| line.starts_with(family)), "{family}: {before}");
        }
        let asked = "provident_http_request_seconds_count{method=\"GET\",route=\"/readyz\",status=\"200\"}";
        assert!((value(&after, asked) - value(&before, asked) - 1.0).abs() < f64::EPSILON, "{after}");
        let open = |text: &str| {
            let lines = text.lines().filter(|line| line.starts_with("provident_database_connections{"));
            lines.map(|line| line.rsplit(' ').next().unwrap().parse::<u32>().unwrap()).sum::<u32>()
        };
        assert!(open(&after) >= 1, "{after}");
    });
}

#[test]
fn calls_of_a_component_are_counted_and_failures_apart() {
    let identity = provident_identity::Identity::embedded().unwrap();
    assert_eq!(identity.calls().calls, 0);
    let _ = identity.rewrite_note("a note").unwrap();
    let calls = identity.calls();
    assert_eq!((calls.calls, calls.failures), (1, 0));
    assert!(calls.time > Duration::ZERO);
    // A refusal is an answer.
    assert!(identity.parse("no key").is_err());
    assert_eq!((identity.calls().calls, identity.calls().failures), (2, 0));
}

/// A listener, and a router whose one request waits to be let go.
async fn waiting() -> (tokio::net::TcpListener, Router, Arc<Notify>, Arc<Notify>) {
    let (begun, go_on) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let (tell, wait) = (Arc::clone(&begun), Arc::clone(&go_on));
    let answer = get(async move || {
        tell.notify_one();
        wait.notified().await;
        "done"
    });
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    (listener, Router::new().route("/", answer), begun, go_on)
}

#[tokio::test(flavor = "multi_thread")]
async fn told_to_stop_it_finishes_requests_and_changes_under_way_and_takes_no_more() {
    let (listener, router, begun, go_on) = waiting().await;
    let address = listener.local_addr().unwrap();
    let (changes, (stop, stops)) = (TaskTracker::new(), mpsc::channel(2));
    let woken = Arc::new(Notify::new());
    let change = Arc::clone(&woken);
    changes.spawn(async move { change.notified().await });
    let tracked = changes.clone();
    let serving =
        tokio::spawn(
            async move { server::serve(vec![(listener, router)], &tracked, stops, Duration::from_hours(1)).await },
        );
    let asked = tokio::task::spawn_blocking(move || request(address, "/"));
    begun.notified().await;
    stop.send(()).await.unwrap();
    while tokio::net::TcpStream::connect(address).await.is_ok() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert!(!serving.is_finished());
    go_on.notify_one();
    let (status, text) = asked.await.unwrap();
    assert!(status == 200 && text.ends_with("done"), "{text}");
    assert!(!serving.is_finished(), "a change is under way");
    woken.notify_one();
    assert_eq!(serving.await.unwrap(), Ended::Finished);
}

#[tokio::test(flavor = "multi_thread")]
async fn told_twice_or_out_of_time_it_stops_at_once() {
    for grace in [Duration::from_hours(1), Duration::ZERO] {
        let (listener, router, begun, _) = waiting().await;
        let address = listener.local_addr().unwrap();
        let (stop, stops) = mpsc::channel(2);
        let asked = std::thread::spawn(move || {
            TcpStream::connect(address).map(|mut stream| {
                let _ = stream.write_all(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n");
                stream
            })
        });
        let changes = TaskTracker::new();
        let serving =
            tokio::spawn(async move { server::serve(vec![(listener, router)], &changes, stops, grace).await });
        begun.notified().await;
        stop.send(()).await.unwrap();
        if !grace.is_zero() {
            stop.send(()).await.unwrap();
        }
        assert_eq!(serving.await.unwrap(), Ended::CutShort);
        drop(asked.join().unwrap());
    }
}

#[test]
fn an_address_that_is_taken_is_said() {
    let site = Site::ready();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let ran = site.run(["serve", "--listen", &address]);
    assert_eq!((ran.code, ran.stdout.as_str()), (1, ""));
    assert!(ran.stderr.lines().any(|line| line.starts_with(&format!("listen-failed: {address}: "))), "{ran:?}");
}

#[test]
fn a_flag_comes_before_the_environment_before_the_file_before_the_default() {
    let site = Site::ready();
    let file = site.file("provident.toml", "rate_per_s = 3\nrate_burst = 4\nbody_time_s = 5\n");
    let arguments = ["config", "check", "--format=json", "--config", &file, "--rate-per-s", "1"];
    let mut command = command(site.arguments(arguments));
    let ran = run_command(
        command.env("PROVIDENT_RATE_PER_S", "2").env("PROVIDENT_RATE_BURST", "2").env("PROVIDENT_BODY_TIME_S", ""),
        b"",
    );
    let settings = ran.json()["settings"].clone();
    for (name, value, source) in [
        ("rate_per_s", "1", "--rate-per-s"),
        ("rate_burst", "2", "PROVIDENT_RATE_BURST"),
        ("body_time_s", "5", "file"),
        ("request_time_s", "30", "default"),
    ] {
        assert_eq!((&settings[name]["value"], &settings[name]["source"]), (&value.into(), &source.into()), "{name}");
    }
}

#[test]
fn the_file_says_where_the_data_lies_to_every_command() {
    let site = Site::ready();
    let file = site.file("provident.toml", format!("data_dir = {:?}\n", site.data_dir().display().to_string()));
    for way in [true, false] {
        let mut list = command(["user", "list"]);
        let list = if way { list.args(["--config", &file]) } else { list.env("PROVIDENT_CONFIG", &file) };
        assert!(run_command(list, b"").ok().starts_with("USER"));
    }
}

const PROVIDER: &str = "provider-settings-invalid";

#[test]
fn what_no_setting_takes_is_refused_by_name_and_its_value_is_not_said() {
    let site = Site::ready();
    for (text, code, said) in [
        ("workspace = \"s3cret\"", "unknown-setting", "`workspace`"),
        ("as = \"s3cret\"", "unknown-setting", "`as`"),
        ("environment = \"s3cret\"", "unknown-setting", "`environment`"),
        ("rate_per_s = \"s3cret\"", "bad-setting", "rate_per_s"),
        ("rate_per_s = 0", "bad-setting", "from 1 to 1000000"),
        ("listen = \"s3cret\"", "bad-setting", "listen"),
        ("log_format = \"s3cret\"", "bad-setting", "log_format"),
        ("database_url = 5", "bad-setting", "database_url"),
        ("database_url = \"mysql://s3cret\"", "database-url-invalid", "sqlite:PATH"),
        ("otel_endpoint = \"s3cret\"", "bad-setting", "otel_endpoint"),
        ("issuer = \"s3cret\"", "bad-setting", "issuer"),
        ("provider = \"s3cret\"", "bad-setting", "[[provider]]"),
        ("[[provider]]\nkey = \"s3cret\"\napi_url = \"https://x.test\"", PROVIDER, "provider 1: `key`"),
        ("[[provider]]\nkey = \"fake\"\nsecret = \"s3cret\"", PROVIDER, "provider 1: takes `key`"),
        ("[[provider]]\nkey = \"fake\"\napi_url = \"http://s3cret.test\"", PROVIDER, "provider 1: `api_url`"),
        ("[[provider]]\nkey = \"fake\"\napi_url = \"https://ada:s3cret@x.test\"", PROVIDER, "provider 1: `api_url`"),
        ("[[provider]]\nkey = \"fake\"\ntoken_url = \"https://s3cret.test\"", PROVIDER, "no `token_url`"),
        ("\ndatabase_url = \"s3cret", "config-malformed", "line 2"),
    ] {
        let file = site.file("provident.toml", text);
        let mut arguments = vec!["--config", &file, "config", "check"];
        let directory = site.data_dir().display().to_string();
        arguments.extend(["--data-dir", &directory]);
        let ran = run_command(&mut command(arguments), b"");
        assert!(ran.code != 0 && ran.stdout.is_empty() && ran.stderr.starts_with(&format!("{code}: ")), "{ran:?}");
        assert!(ran.stderr.contains(said) && !ran.stderr.contains("s3cret"), "{ran:?}");
    }
    let missing = site.run(["config", "check", "--config", "/nonexistent/x.toml"]);
    assert!(missing.code == 2 && missing.stderr.starts_with("config-unreadable: "), "{missing:?}");
}

#[test]
fn config_check_shows_no_password() {
    let site = Site::ready();
    let key = fs::read_to_string(site.data_dir().join("master.key")).unwrap();
    let url = "postgres://app:s3cret@db/provident?password=s3cret";
    for format in ["json", "table"] {
        let arguments = ["config", "check", "--format", format, "--database-url", url];
        let mut command = command(site.arguments(arguments));
        let ran = run_command(command.env("PROVIDENT_MASTER_KEY", key.trim_end()), b"");
        let shown = ran.ok();
        assert!(shown.contains("postgres://app:***@db/provident?password=***"), "{shown}");
        assert!(!shown.contains("s3cret") && !shown.contains(key.split(':').nth(2).unwrap()), "{shown}");
    }
}

#[test]
fn every_setting_has_a_flag_and_stands_in_the_manual_and_so_does_every_metric() {
    let site = Site::ready();
    let manual = fs::read_to_string(root().join("docs/operations.md")).unwrap();
    let help = run_command(&mut command(["serve", "--help"]), b"").ok().to_owned();
    let settings = site.json(["config", "check"])["settings"].as_object().unwrap().clone();
    assert!(settings.len() > 12, "{settings:?}");
    for name in settings.keys().filter(|name| *name != "master_key") {
        assert!(help.contains(&format!("--{}", name.replace('_', "-"))), "{name} has no flag");
        assert!(manual.contains(&format!("\n| `{name}` |")), "{name} is not in the manual");
    }
    for family in FAMILIES {
        assert!(manual.contains(&format!("\n| `{family}` |")), "{family} is not in the manual");
    }
}

/// The container files cannot be run here: what they name is looked at.
#[test]
fn what_the_container_files_name_is_there() {
    let read = |name: &str| fs::read_to_string(root().join(name)).unwrap();
    let (image, compose) = (read("Containerfile"), read("compose.yaml"));
    let toolchain = read("rust-toolchain.toml");
    assert!(toolchain.contains("channel = \"1.95.") && image.contains("rust:1.95-bookworm"));
    assert!(image.contains("\nUSER provident\n") && image.contains("ENTRYPOINT [\"provident\"]"));
    assert!(compose.contains("dockerfile: Containerfile") && Path::new(&root().join("Containerfile")).is_file());
    let site = Site::ready();
    let settings = site.json(["config", "check"])["settings"].as_object().unwrap().clone();
    let known = |name: &str| settings.contains_key(&name.to_lowercase()) || name.ends_with("_PASSWORD");
    for text in [&image, &compose] {
        for word in text.split("PROVIDENT_").skip(1) {
            let name: String = word.chars().take_while(|c| c.is_ascii_uppercase() || *c == '_').collect();
            assert!(known(&name) || known(&format!("X_{name}")), "PROVIDENT_{name} is no setting");
        }
    }
    for line in compose.lines().filter_map(|line| line.trim().strip_prefix("command: [")) {
        let words: Vec<&str> = line.trim_end_matches(']').split(", ").map(|word| word.trim_matches('"')).collect();
        let ran = run_command(&mut command(words.iter().copied().chain(["--help"])), b"");
        assert_eq!(ran.code, 0, "{words:?}");
    }
}
