//! A server on loopback that answers as it is told and writes down what it was asked, and when.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::Instant;

/// One request.
#[derive(Clone, Debug)]
pub(super) struct Asked {
    pub(super) at: Instant,
    pub(super) method: String,
    pub(super) target: String,
    pub(super) bearer: Option<String>,
    pub(super) body: String,
}

impl Asked {
    pub(super) fn is_for(&self, path: &str) -> bool {
        self.target.split('?').next() == Some(path)
    }

    fn read(head: &str, body: &str) -> Self {
        let mut words = head.split_whitespace();
        let mut word = || words.next().unwrap_or_default().to_owned();
        let (method, target) = (word(), word());
        let bearer = head.lines().find_map(|line| {
            let (name, value) = line.split_once(": ")?;
            name.eq_ignore_ascii_case("authorization").then(|| value.to_owned())
        });
        Self { at: Instant::now(), method, target, bearer, body: body.to_owned() }
    }
}

/// What becomes of a request. In texts `{here}` is the server's own URL.
#[derive(Clone, Debug)]
pub(super) enum Reply {
    /// 200 and this body.
    Json(String),
    /// This status, these headers with their line ends, this body.
    Status(u16, String, String),
    /// 200 with so long a body, said or not, of spaces.
    Long { bytes: usize, is_said: bool },
    /// 200 and half of what is said to come.
    Half(String),
    /// The connection breaks.
    Reset,
    /// Nothing.
    Silence,
}

impl Reply {
    pub(super) fn json(text: impl Into<String>) -> Self {
        Self::Json(text.into())
    }

    pub(super) fn status(status: u16) -> Self {
        Self::Status(status, String::new(), String::new())
    }

    fn at(self, here: &str) -> Self {
        let filled = |text: String| text.replace("{here}", here);
        match self {
            Self::Json(text) => Self::Json(filled(text)),
            Self::Status(status, headers, text) => Self::Status(status, filled(headers), filled(text)),
            other => other,
        }
    }

    pub(super) fn with(status: u16, header: &str) -> Self {
        Self::Status(status, format!("{header}\r\n"), String::new())
    }
}

type Answers = dyn Fn(&Asked, usize) -> Reply + Send + Sync;

/// The server. It ends with the runtime.
pub(super) struct Server {
    address: SocketAddr,
    asked: Arc<Mutex<Vec<Asked>>>,
}

impl Server {
    /// One that answers by a request and how many there were before it at its path.
    pub(super) async fn start(answers: impl Fn(&Asked, usize) -> Reply + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let asked = Arc::new(Mutex::new(Vec::new()));
        let here = format!("http://{address}");
        let answers = move |asked: &Asked, before| answers(asked, before).at(&here);
        let (answers, written): (Arc<Answers>, _) = (Arc::new(answers), Arc::clone(&asked));
        tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                tokio::spawn(serve(stream, Arc::clone(&answers), Arc::clone(&written)));
            }
        });
        Self { address, asked }
    }

    pub(super) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    pub(super) fn asked(&self) -> Vec<Asked> {
        self.asked.lock().unwrap().clone()
    }

    /// What it was asked at a path.
    pub(super) fn asked_for(&self, path: &str) -> Vec<Asked> {
        self.asked().into_iter().filter(|asked| asked.is_for(path)).collect()
    }

    /// The times between one request and the next, at a path, in milliseconds.
    pub(super) fn gaps_ms(&self, path: &str) -> Vec<u128> {
        let times: Vec<Instant> = self.asked_for(path).iter().map(|asked| asked.at).collect();
        times.windows(2).map(|pair| pair[1].duration_since(pair[0]).as_millis()).collect()
    }
}

async fn serve(mut stream: TcpStream, answers: Arc<Answers>, written: Arc<Mutex<Vec<Asked>>>) -> Option<()> {
    loop {
        let (head, body) = request(&mut stream).await?;
        let asked = Asked::read(&head, &body);
        let before = {
            let mut written = written.lock().unwrap();
            let path = asked.target.split('?').next().unwrap_or_default();
            let before = written.iter().filter(|earlier| earlier.is_for(path)).count();
            written.push(asked.clone());
            before
        };
        match answers(&asked, before) {
            Reply::Json(text) => send(&mut stream, 200, "", text.len(), text.as_bytes()).await?,
            Reply::Status(status, headers, text) => {
                send(&mut stream, status, &headers, text.len(), text.as_bytes()).await?;
            }
            Reply::Half(text) => {
                send(&mut stream, 200, "", text.len() * 2, text.as_bytes()).await?;
                return None;
            }
            Reply::Long { bytes, is_said } => {
                if is_said {
                    send(&mut stream, 200, "", bytes, b"").await?;
                } else {
                    stream.write_all(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n").await.ok()?;
                }
                for _ in 0..bytes / 1_000 {
                    stream.write_all(&[b' '; 1_000]).await.ok()?;
                }
                return None;
            }
            Reply::Reset => {
                stream.set_zero_linger().ok()?;
                return None;
            }
            Reply::Silence => std::future::pending::<()>().await,
        }
    }
}

async fn send(stream: &mut TcpStream, status: u16, headers: &str, length: usize, body: &[u8]) -> Option<()> {
    let head = format!("HTTP/1.1 {status} Said\r\n{headers}Content-Length: {length}\r\n\r\n");
    stream.write_all(head.as_bytes()).await.ok()?;
    stream.write_all(body).await.ok()
}

/// Head and body of one request.
async fn request(stream: &mut TcpStream) -> Option<(String, String)> {
    let mut bytes = Vec::new();
    loop {
        let text = String::from_utf8(bytes.clone()).unwrap();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length = head.lines().find_map(|line| {
                let (name, value) = line.split_once(": ")?;
                name.eq_ignore_ascii_case("content-length").then(|| value.parse::<usize>().unwrap())
            });
            if body.len() >= length.unwrap_or(0) {
                return Some((head.to_owned(), body.to_owned()));
            }
        }
        let mut piece = [0; 4_096];
        match stream.read(&mut piece).await {
            Ok(0) | Err(_) => return None,
            Ok(count) => bytes.extend_from_slice(&piece[..count]),
        }
    }
}
