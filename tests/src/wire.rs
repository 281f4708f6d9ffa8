//! A client of HTTP over a socket, as small as it can be: one connection kept open, one request at a time, bodies whose
//! length is said. It knows nothing of what is asked.
//!
//! Small, so that what is measured over it is the other side; bare, so that a test may leave without the answer. Who
//! serves: [`crate::serving`]. Requests to routes in this process: [`crate::api`].

use std::io::{Error, ErrorKind, Result};
use std::net::SocketAddr;

use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// What is asked for.
#[derive(Clone, Copy, Debug)]
pub struct Ask<'a> {
    /// `GET` or `POST`.
    pub method: &'a str,
    /// Path and query.
    pub path: &'a str,
    /// Names and values beside those every request has.
    pub headers: &'a [(&'a str, &'a str)],
    /// JSON, if there is a body.
    pub body: Option<&'a str>,
}

impl<'a> Ask<'a> {
    /// To read.
    #[must_use]
    pub fn get(path: &'a str) -> Self {
        Self { method: "GET", path, headers: &[], body: None }
    }

    /// To send JSON.
    #[must_use]
    pub fn post(path: &'a str, body: &'a str) -> Self {
        Self { method: "POST", path, headers: &[], body: Some(body) }
    }

    /// The same with headers.
    #[must_use]
    pub fn with(self, headers: &'a [(&'a str, &'a str)]) -> Self {
        Self { headers, ..self }
    }
}

/// What came back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// The status.
    pub status: u16,
    /// The bytes of the body.
    pub body: Vec<u8>,
    head: String,
}

impl Answer {
    /// The value of a header, its name in lower case.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        let mut lines = self.head.lines().filter_map(|line| line.split_once(':'));
        lines.find(|(given, _)| given.eq_ignore_ascii_case(name)).map(|(_, value)| value.trim())
    }

    /// The body as JSON; null if it is none.
    #[must_use]
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }

    /// The code of a problem; nothing if it is none.
    #[must_use]
    pub fn code(&self) -> String {
        self.json().get("code").and_then(Value::as_str).unwrap_or_default().to_owned()
    }
}

/// A connection, and the credential shown on it.
#[derive(Debug)]
pub struct Wire {
    stream: TcpStream,
    credential: String,
    sent: Vec<u8>,
    read: Vec<u8>,
}

impl Wire {
    /// Connects, to send this bearer token with every request; an empty one is not sent.
    ///
    /// # Errors
    /// What the system says.
    pub async fn to(address: SocketAddr, token: &str) -> Result<Self> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        let credential = if token.is_empty() { String::new() } else { format!("authorization: Bearer {token}\r\n") };
        Ok(Self { stream, credential, sent: Vec::new(), read: Vec::new() })
    }

    /// Sends a request and waits for the answer.
    ///
    /// # Errors
    /// When the connection ends before it is there, or it is none.
    pub async fn ask(&mut self, ask: &Ask<'_>) -> Result<Answer> {
        self.send(ask).await?;
        self.answer().await
    }

    /// Sends a request.
    ///
    /// # Errors
    /// When the connection is gone.
    pub async fn send(&mut self, ask: &Ask<'_>) -> Result<()> {
        let Self { stream, credential, sent, .. } = self;
        sent.clear();
        let mut say = |text: &str| sent.extend_from_slice(text.as_bytes());
        for word in [ask.method, " ", ask.path, " HTTP/1.1\r\nhost: localhost\r\n", credential] {
            say(word);
        }
        for (name, value) in ask.headers {
            for word in [name, ": ", value, "\r\n"] {
                say(word);
            }
        }
        if let Some(body) = ask.body {
            say(&format!("content-type: application/json\r\ncontent-length: {}\r\n\r\n", body.len()));
            say(body);
        } else {
            say("\r\n");
        }
        stream.write_all(sent).await
    }

    /// Waits for the answer to what was sent.
    ///
    /// # Errors
    /// As [`Wire::ask`].
    pub async fn answer(&mut self) -> Result<Answer> {
        self.read.clear();
        let head_bytes = loop {
            if let Some(at) = self.read.windows(4).position(|four| four == b"\r\n\r\n") {
                break at + 4;
            }
            self.more().await?;
        };
        let body = self.read.split_off(head_bytes);
        let head = std::mem::replace(&mut self.read, body);
        let head = String::from_utf8(head).map_err(|_| none("its head is no text"))?;
        let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).ok_or(none("it has no status"))?;
        let mut answer = Answer { status, body: Vec::new(), head };
        let length = match answer.header("content-length") {
            Some(length) => length.parse().map_err(|_| none("its length is no number"))?,
            None if matches!(status, 204 | 304) => 0,
            None => return Err(none("its length is not said")),
        };
        while self.read.len() < length {
            self.more().await?;
        }
        answer.body = std::mem::take(&mut self.read);
        if answer.body.len() == length { Ok(answer) } else { Err(none("more came than was asked for")) }
    }

    async fn more(&mut self) -> Result<()> {
        match self.stream.read_buf(&mut self.read).await? {
            0 => Err(ErrorKind::UnexpectedEof.into()),
            _ => Ok(()),
        }
    }
}

/// Sends these bytes on a connection of its own and reads until it ends: what came, and how it ended. For answers that are
/// broken on purpose.
///
/// # Errors
/// When it cannot be connected or sent.
pub async fn exchange(address: SocketAddr, bytes: &[u8]) -> Result<(Vec<u8>, Result<()>)> {
    let mut stream = TcpStream::connect(address).await?;
    stream.write_all(bytes).await?;
    let mut read = Vec::new();
    let ended = stream.read_to_end(&mut read).await;
    Ok((read, ended.map(|_| ())))
}

fn none(what: &str) -> Error {
    Error::new(ErrorKind::InvalidData, format!("no answer: {what}"))
}
