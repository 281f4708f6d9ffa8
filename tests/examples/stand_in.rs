//! The stand-in for providers in a process of its own, with an invented tenant for each of its faces, until its input ends
//! or it is told to (`SIGTERM`, `SIGINT`).
//!
//! `stand_in [--objects N] [--seed N] [--page-size N] [--delay-ms N]`. It says where it is in a first line, `listening on URL`,
//! then the `[[provider]]` tables for the settings of the service, then what opens it, as comments of the same form.
#![expect(clippy::unwrap_used, clippy::panic, reason = "it fails, and says why")]

use std::io::{Read as _, Write as _};
use std::time::Duration;

use provident_tests::stand_in::{StandIn, fake, microsoft};
use tokio::signal::unix::{SignalKind, signal};

/// What opens it.
const DIRECTORY_ID: &str = "5ca1ab1e-0000-4000-8000-000000000001";
const CLIENT_ID: &str = "5ca1ab1e-0000-4000-8000-000000000002";
const CLIENT_SECRET: &str = "an-invented-secret";
const API_KEY: &str = "an-invented-key";

struct Options {
    objects: usize,
    seed: u64,
    page_size: usize,
    delay: Duration,
}

impl Options {
    fn of(arguments: &[String]) -> Self {
        let mut options = Self { objects: 1000, seed: 1, page_size: 100, delay: Duration::ZERO };
        for pair in arguments.chunks(2) {
            let [name, number] = pair else { usage() };
            let number: u64 = number.parse().unwrap_or_else(|_| usage());
            match name.as_str() {
                "--objects" => options.objects = usize::try_from(number).unwrap(),
                "--seed" => options.seed = number,
                "--page-size" => options.page_size = usize::try_from(number).unwrap(),
                "--delay-ms" => options.delay = Duration::from_millis(number),
                _ => usage(),
            }
        }
        options
    }
}

fn usage() -> ! {
    panic!("usage: stand_in [--objects N] [--seed N] [--page-size N] [--delay-ms N]")
}

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let options = Options::of(&arguments);
    let stand_in = StandIn::start();
    stand_in.set_page_size(options.page_size);
    stand_in.set_delay(options.delay);
    stand_in.directory(DIRECTORY_ID, &microsoft::invented(options.seed, options.objects));
    stand_in.client(DIRECTORY_ID, CLIENT_ID, CLIENT_SECRET);
    stand_in.api_key(API_KEY, &fake::invented(options.seed, options.objects));
    let opens = format!(
        "# {}: directory {DIRECTORY_ID}, client_id {CLIENT_ID}, client_secret {CLIENT_SECRET}\n# {}: api_key {API_KEY}",
        microsoft::KEY,
        fake::KEY
    );
    say(&format!("listening on {}\n{}{opens}\n", stand_in.base_url(), stand_in.config_toml()));
    wait();
}

/// Until the input ends or somebody says so.
fn wait() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let [mut terminate, mut interrupt] =
            [SignalKind::terminate(), SignalKind::interrupt()].map(|kind| signal(kind).unwrap());
        let input = tokio::task::spawn_blocking(|| std::io::stdin().lock().read_to_end(&mut Vec::new()));
        tokio::select! {
            _ = input => {}
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    });
    // Nobody waits for the thread that reads.
    runtime.shutdown_background();
}

fn say(text: &str) {
    let mut out = std::io::stdout().lock();
    out.write_all(text.as_bytes()).unwrap();
    out.flush().unwrap();
}
