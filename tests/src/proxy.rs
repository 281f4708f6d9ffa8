//! A PostgreSQL server that can lose its clients at the worst moment: everything passes through a socket of its own, and
//! what happens when a COMMIT passes is ordered beforehand.
//!
//! It knows of the protocol no more than how a COMMIT looks on its way. SQLite has no connection to lose.
#![expect(clippy::unwrap_used, reason = "a test without its proxy fails, and says why")]

use std::sync::Arc;
use std::sync::Mutex;
use std::time::Duration;

use sqlx::postgres::PgConnectOptions;
use tempfile::TempDir;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpStream, UnixListener, UnixStream};
use tokio::task::JoinHandle;

/// A COMMIT as a simple query ends.
const COMMIT: &[u8] = b"COMMIT\0";

/// What becomes of the next COMMIT, and of those after it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AtCommit {
    /// It passes.
    Pass,
    /// It passes so much later.
    Hold(Duration),
    /// The connection is gone before the server has it.
    LoseRequest,
    /// The server has it and has answered; the connection is gone before the client hears.
    LoseAnswer,
}

/// The proxy; gone with this value.
#[derive(Debug)]
pub struct Proxy {
    directory: TempDir,
    order: Arc<Mutex<AtCommit>>,
    listening: JoinHandle<()>,
}

trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}
impl<T: AsyncRead + AsyncWrite + Unpin + Send> Stream for T {}

impl Proxy {
    /// Before the server a URL names.
    ///
    /// # Panics
    ///
    /// When there is no socket to be had.
    #[must_use]
    pub fn before(url: &str) -> Self {
        let server: PgConnectOptions = url.parse().unwrap();
        let directory = TempDir::new().unwrap();
        let listener = UnixListener::bind(directory.path().join(format!(".s.PGSQL.{}", server.get_port()))).unwrap();
        let order = Arc::new(Mutex::new(AtCommit::Pass));
        let orders = Arc::clone(&order);
        let listening = tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let (server, order) = (server.clone(), Arc::clone(&orders));
                tokio::spawn(async move { serve(client, connect(&server).await, &order).await });
            }
        });
        Self { directory, order, listening }
    }

    /// The URL it was made for, through it.
    #[must_use]
    pub fn url(&self, url: &str) -> String {
        let sign = if url.contains('?') { '&' } else { '?' };
        // Of two hosts the last one counts.
        format!("{url}{sign}sslmode=disable&host={}", self.directory.path().display())
    }

    /// Orders what becomes of every COMMIT from now on.
    ///
    /// # Panics
    ///
    /// Never while nobody has panicked.
    pub fn order(&self, at_commit: AtCommit) {
        *self.order.lock().unwrap() = at_commit;
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.listening.abort();
    }
}

async fn connect(server: &PgConnectOptions) -> Box<dyn Stream> {
    let port = server.get_port();
    match server.get_socket() {
        Some(directory) => Box::new(UnixStream::connect(directory.join(format!(".s.PGSQL.{port}"))).await.unwrap()),
        None => Box::new(TcpStream::connect((server.get_host(), port)).await.unwrap()),
    }
}

/// Passes bytes until either side is gone or an order says to lose them.
async fn serve(mut client: UnixStream, mut server: Box<dyn Stream>, order: &Mutex<AtCommit>) {
    let (mut asked, mut answered) = (vec![0; 1 << 16], vec![0; 1 << 16]);
    loop {
        tokio::select! {
            read = client.read(&mut asked) => {
                let Ok(length @ 1..) = read else { return };
                let bytes = asked.get(..length).unwrap_or_default();
                let commits = bytes.windows(COMMIT.len()).any(|window| window == COMMIT);
                let at_commit = if commits { *order.lock().unwrap() } else { AtCommit::Pass };
                match at_commit {
                    AtCommit::Pass | AtCommit::LoseAnswer => {}
                    AtCommit::Hold(time) => tokio::time::sleep(time).await,
                    AtCommit::LoseRequest => return,
                }
                if server.write_all(bytes).await.is_err() {
                    return;
                }
                if at_commit == AtCommit::LoseAnswer {
                    // It is answered once it has happened.
                    let _ = server.read(&mut answered).await;
                    return;
                }
            }
            read = server.read(&mut answered) => {
                let Ok(length @ 1..) = read else { return };
                if client.write_all(answered.get(..length).unwrap_or_default()).await.is_err() {
                    return;
                }
            }
        }
    }
}
