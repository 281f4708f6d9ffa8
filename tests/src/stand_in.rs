//! A stand-in for providers: a real HTTP server on loopback that has their faces, invented tenants, and bad days.
//!
//! It runs on a thread of its own, so that it serves tests with and without a runtime and other processes alike, and is gone
//! with its value. What it serves, to whom and how is said while it runs: tenants ([`microsoft::invented`],
//! [`fake::invented`]), clients and keys, and [`Behaviour`]s by path. It keeps what it was asked ([`Seen`]).
//!
//! The faces are [`microsoft`] and [`fake`], which share nothing but the address. Alone: `tests/examples/stand_in.rs`.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::string_slice,
    clippy::panic,
    clippy::missing_panics_doc,
    reason = "a test whose stand-in does not run fails, and says why"
)]

mod access;
mod answer;
mod behaviour;
mod face;
pub mod fake;
mod line;
pub mod microsoft;
mod seen;
mod tenant;

use std::fmt;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread::JoinHandle;
use std::time::Duration;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::{ConnectInfo, Request, State};
use axum::http::Response;
use tokio::sync::oneshot;

use access::Access;
use answer::Given;
use behaviour::Orders;
use face::{Answer, Asked};
use line::{Loopback, Plug};
use seen::Log;

pub use behaviour::{Behaviour, RetryAfter};
pub use face::Face;
pub use seen::Seen;
pub use tenant::Tenant;

/// What stands in bodies of errors, unless something else is said.
pub const CANARY: &str = "canary-of-the-stand-in";

/// The longest body of a request that is read.
const BODY_BYTES: usize = 1 << 20;

/// Everything that requests and tests both look at.
#[derive(Debug)]
struct Desk {
    base: String,
    access: Access,
    orders: Orders,
    log: Log,
    page_size: usize,
    token_life: Duration,
    delay: Duration,
    canary: String,
}

/// The stand-in. It stops when it is dropped.
pub struct StandIn {
    address: SocketAddr,
    desk: Arc<Mutex<Desk>>,
    connections: Arc<AtomicUsize>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl StandIn {
    /// Starts one that nobody may ask anything: pages of 100 objects, tokens of an hour, no delay, [`CANARY`].
    #[must_use]
    pub fn start() -> Self {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let address = listener.local_addr().unwrap();
        let desk = Arc::new(Mutex::new(Desk {
            base: format!("http://{address}"),
            access: Access::default(),
            orders: Orders::default(),
            log: Log::new(),
            page_size: 100,
            token_life: Duration::from_hours(1),
            delay: Duration::ZERO,
            canary: CANARY.to_owned(),
        }));
        let connections = Arc::new(AtomicUsize::new(0));
        let (stop, stopped) = oneshot::channel();
        let (shared, counted) = (Arc::clone(&desk), Arc::clone(&connections));
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                let listener = tokio::net::TcpListener::from_std(listener).unwrap();
                let routes = Router::new().fallback(serve).with_state(shared);
                let routes = routes.into_make_service_with_connect_info::<Plug>();
                let serving = axum::serve(Loopback { listener, connections: counted }, routes);
                tokio::select! {
                    _ = serving => {}
                    _ = stopped => {}
                }
            });
            // With the runtime all connections end, whatever they were waiting for.
        });
        Self { address, desk, connections, stop: Some(stop), thread: Some(thread) }
    }

    fn desk(&self) -> MutexGuard<'_, Desk> {
        self.desk.lock().unwrap()
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Where it is, without a `/` at the end.
    #[must_use]
    pub fn base_url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The `[[provider]]` tables of a settings file that sends the service here.
    #[must_use]
    pub fn config_toml(&self) -> String {
        format!("{}\n{}", microsoft::settings(&self.base_url()), fake::settings(&self.base_url()))
    }

    /// Adds a directory with what is in it, or puts something else into it. Clones of the tenant change what is served.
    pub fn directory(&self, directory_id: &str, tenant: &Tenant) {
        self.desk().access.add_directory(directory_id, tenant.clone());
    }

    /// Adds a client to a directory that is there, or gives it another secret. Tokens stay as they are.
    pub fn client(&self, directory_id: &str, client_id: &str, secret: &str) {
        self.desk().access.set_client(directory_id, client_id, secret);
    }

    /// Takes a client away. Its tokens stay good.
    pub fn remove_client(&self, directory_id: &str, client_id: &str) {
        self.desk().access.remove_client(directory_id, client_id);
    }

    /// Adds a key of the invented provider and what it opens.
    pub fn api_key(&self, key: &str, tenant: &Tenant) {
        self.desk().access.add_key(key, tenant.clone());
    }

    /// Takes such a key away.
    pub fn remove_api_key(&self, key: &str) {
        self.desk().access.remove_key(key);
    }

    /// No token issued so far is good any longer.
    pub fn revoke_tokens(&self) {
        self.desk().access.revoke_all();
    }

    /// Every token issued so far, for tests that look whether one got somewhere.
    #[must_use]
    pub fn tokens(&self) -> Vec<String> {
        self.desk().access.tokens()
    }

    /// How many objects a page has, at the most.
    pub fn set_page_size(&self, objects: usize) {
        self.desk().page_size = objects;
    }

    /// How long tokens are good that are issued from now on.
    pub fn set_token_life(&self, life: Duration) {
        self.desk().token_life = life;
    }

    /// How long every answer takes.
    pub fn set_delay(&self, delay: Duration) {
        self.desk().delay = delay;
    }

    /// What stands in bodies of errors.
    pub fn set_canary(&self, text: &str) {
        text.clone_into(&mut self.desk().canary);
    }

    /// From now on, at a path and below it (whole segments; `""` is everywhere), this. Orders are used up in the order they
    /// were given.
    pub fn tell(&self, place: &str, behaviour: Behaviour) {
        self.desk().orders.add(place, 0, None, behaviour);
    }

    /// The same for the next so many requests.
    pub fn tell_times(&self, place: &str, times: u64, behaviour: Behaviour) {
        self.desk().orders.add(place, 0, Some(times), behaviour);
    }

    /// The same for so many requests after the next `skipped`, which are answered as they should.
    pub fn tell_after(&self, place: &str, skipped: u64, times: u64, behaviour: Behaviour) {
        self.desk().orders.add(place, skipped, Some(times), behaviour);
    }

    /// From now on everything as it should be.
    pub fn behave(&self) {
        self.desk().orders.clear();
    }

    /// What it was asked, in order.
    #[must_use]
    pub fn requests(&self) -> Vec<Seen> {
        self.desk().log.all().to_vec()
    }

    /// How many requests there were.
    #[must_use]
    pub fn count(&self) -> usize {
        self.desk().log.all().len()
    }

    /// How many there were at a path and below it.
    #[must_use]
    pub fn count_of(&self, place: &str) -> usize {
        self.desk().log.under(place).count()
    }

    /// The times between one request and the next, at a path and below it.
    #[must_use]
    pub fn gaps(&self, place: &str) -> Vec<Duration> {
        let desk = self.desk();
        let times: Vec<_> = desk.log.under(place).map(|seen| seen.at).collect();
        times.windows(2).map(|pair| pair[1].saturating_sub(pair[0])).collect()
    }

    /// How many connections there were, with or without a request.
    #[must_use]
    pub fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }

    /// Forgets what it was asked, and no order.
    pub fn clear(&self) {
        self.desk().log.clear();
        self.connections.store(0, Ordering::SeqCst);
    }
}

impl fmt::Debug for StandIn {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("StandIn").field("address", &self.address).finish_non_exhaustive()
    }
}

impl Drop for StandIn {
    fn drop(&mut self) {
        if let Some(stop) = self.stop.take() {
            // It has stopped already, if something went wrong.
            let _ = stop.send(());
        }
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// One request.
async fn serve(
    State(desk): State<Arc<Mutex<Desk>>>,
    ConnectInfo(plug): ConnectInfo<Plug>,
    request: Request,
) -> Response<Body> {
    let (head, body) = request.into_parts();
    let body = to_bytes(body, BODY_BYTES).await.unwrap_or_default();
    let asked = Asked::of(&head, &body);
    let Judged { order, delay, behaviour, given } = desk.lock().unwrap().judge(asked, plug.clone());
    tokio::time::sleep(delay).await;
    let response = match behaviour {
        Some(behaviour) => given.under(behaviour).await,
        None => given.right(),
    };
    if !plug.is_pulled() {
        desk.lock().unwrap().log.answered(order, response.status().as_u16());
    }
    response
}

/// What becomes of a request.
struct Judged {
    order: usize,
    delay: Duration,
    behaviour: Option<Behaviour>,
    given: Given,
}

impl Desk {
    /// Judges a request that just came, and writes it down.
    fn judge(&mut self, asked: Asked, plug: Plug) -> Judged {
        let right = match asked.path.as_str() {
            path if microsoft::owns(path) => microsoft::answer(self, &asked),
            path if fake::owns(path) => fake::answer(self, &asked),
            _ => Answer::refused(&fake::FACE, 404, &self.canary),
        };
        let order = self.log.came(asked.method.as_str(), &asked.target, right.is_authorised);
        let behaviour = self.orders.next(&asked.path);
        if let (Some(Behaviour::ExpiredToken), Some(token)) = (&behaviour, &asked.bearer) {
            self.access.revoke(&token.0);
        }
        let given = Given { right, asked, base: self.base.clone(), canary: self.canary.clone(), plug };
        Judged { order, delay: self.delay, behaviour, given }
    }
}
