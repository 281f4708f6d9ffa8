//! Answers as bytes on a connection: the right ones, and what becomes of them under an order.

use std::collections::VecDeque;
use std::io::{Error, ErrorKind};
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::http::{HeaderName, HeaderValue, Response, header};
use provident::clock::{Clock, Timestamp};
use serde_json::{Value, json};

use super::behaviour::{Behaviour, RetryAfter};
use super::face::{Answer, Asked};
use super::line::Plug;

const JSON: &str = "application/json";
/// How long a part of a body has to get away before what follows it.
const AWAY: Duration = Duration::from_millis(30);
/// The bytes of one header among many.
const HEADER_BYTES: usize = 4096;

/// What is sent, or waited for, after the head.
enum Step {
    Bytes(Bytes),
    /// Filler of so many bytes.
    Filler(u64),
    Pause(Duration),
    Reset,
}

/// Everything an answer is made of.
pub(super) struct Given {
    /// The answer it should be.
    pub(super) right: Answer,
    /// The request.
    pub(super) asked: Asked,
    /// Where the stand-in is.
    pub(super) base: String,
    /// What stands in bodies of errors.
    pub(super) canary: String,
    /// The connection's.
    pub(super) plug: Plug,
}

impl Given {
    /// What is answered under an order.
    pub(super) async fn under(mut self, order: Behaviour) -> Response<Body> {
        match order {
            Behaviour::Throttled(after) => self.fault(429, retry_after(&after)),
            Behaviour::Unavailable(after) => self.fault(503, retry_after(&after)),
            Behaviour::Status(status) => self.fault(status, None),
            Behaviour::ExpiredToken => self.fault(401, None),
            Behaviour::Redirect(to) => self.fault(302, Some((header::LOCATION, value(&to)))),
            Behaviour::Exactly(status, body) => whole(status, JSON, body),
            Behaviour::ResetBeforeAnswer => {
                self.plug.pull();
                whole(500, JSON, String::new())
            }
            Behaviour::Silence => std::future::pending().await,
            Behaviour::Slow { head, piece, pause } => {
                tokio::time::sleep(head).await;
                self.in_pieces(piece, pause)
            }
            Behaviour::EndlessPages => {
                self.endless();
                self.right()
            }
            Behaviour::NextIsSelf => {
                let own = self.link(&self.asked.target);
                self.next_is(&own);
                self.right()
            }
            Behaviour::NextElsewhere(there) => {
                self.next_is(&there);
                self.right()
            }
            Behaviour::WrongShape => {
                misshape(&mut self.right.json);
                self.right()
            }
            Behaviour::Malformed => {
                let text = self.right.json.to_string();
                whole(self.right.status, JSON, half(&text).to_owned())
            }
            Behaviour::ContentType(kind) => whole(self.right.status, &kind, self.right.json.to_string()),
            Behaviour::HugeHeaders(bytes) => {
                let mut response = self.right();
                for _ in 0..bytes.div_ceil(HEADER_BYTES) {
                    response.headers_mut().append("x-filler", value(&"x".repeat(HEADER_BYTES)));
                }
                response
            }
            Behaviour::ResetInBody => self.cut(true),
            Behaviour::Truncated => self.cut(false),
            Behaviour::Oversized { bytes, is_said } => oversized(bytes, is_said, self.plug),
        }
    }

    /// The answer as it should be.
    pub(super) fn right(&self) -> Response<Body> {
        whole(self.right.status, JSON, self.right.json.to_string())
    }

    fn fault(&self, status: u16, more: Option<(HeaderName, HeaderValue)>) -> Response<Body> {
        let mut response = whole(status, JSON, (self.right.face.fault)(status, &self.canary).to_string());
        response.headers_mut().extend(more);
        response
    }

    fn in_pieces(&self, piece: usize, pause: Duration) -> Response<Body> {
        let text = Bytes::from(self.right.json.to_string());
        let pieces = text.chunks(piece.max(1)).map(Bytes::copy_from_slice);
        let steps = pieces.flat_map(|piece| [Step::Bytes(piece), Step::Pause(pause)]).collect();
        said(self.right.status, text.len() as u64, stepwise(steps, self.plug.clone()))
    }

    /// Half of the body behind a head that promises all of it.
    fn cut(&self, is_reset: bool) -> Response<Body> {
        let text = self.right.json.to_string();
        let mut steps = VecDeque::from([Step::Bytes(half(&text).to_owned().into()), Step::Pause(AWAY)]);
        if is_reset {
            steps.push_back(Step::Reset);
        }
        said(self.right.status, text.len() as u64, stepwise(steps, self.plug.clone()))
    }

    /// An address or a path, as the provider says it.
    fn link(&self, target: &str) -> String {
        if self.right.face.has_addresses { format!("{}{target}", self.base) } else { target.to_owned() }
    }

    fn next_is(&mut self, there: &str) {
        if let Some(page) = self.right.json.as_object_mut() {
            page.insert(self.right.face.next.to_owned(), json!(there));
        }
    }

    /// Another page than the one before, with a next one. Its objects are not those of the tenant.
    fn endless(&mut self) {
        let number: u64 = self.asked.query.get("endless").and_then(|text| text.parse().ok()).unwrap_or_default();
        let face = self.right.face;
        let items = self.right.json.get_mut(face.items).and_then(Value::as_array_mut);
        for (place, item) in items.into_iter().flatten().enumerate() {
            let id = uuid::Uuid::from_u64_pair(number + 1, place as u64).to_string();
            if let Some(object) = item.as_object_mut() {
                object.insert(face.id.to_owned(), json!(id));
            }
        }
        let next = self.link(&format!("{}?endless={}", self.asked.path, number + 1));
        self.next_is(&next);
    }
}

/// Text becomes a number, a number text, and everything else a number.
fn misshape(json: &mut Value) {
    match json {
        Value::Object(members) => {
            for member in members.values_mut() {
                *member = if member.is_number() { json!("seventeen") } else { json!(17) };
            }
        }
        other => *other = json!(17),
    }
}

fn half(text: &str) -> &str {
    let middle = (0..=text.len() / 2).rev().find(|at| text.is_char_boundary(*at));
    middle.and_then(|at| text.get(..at)).unwrap_or_default()
}

fn oversized(bytes: u64, is_said: bool, plug: Plug) -> Response<Body> {
    let (start, end) = ("{\"filler\":\"", "\"}");
    let filler = bytes.saturating_sub((start.len() + end.len()) as u64);
    let steps = [Step::Bytes(start.into()), Step::Filler(filler), Step::Bytes(end.into())];
    let body = stepwise(steps.into(), plug);
    if is_said {
        return said(200, filler + (start.len() + end.len()) as u64, body);
    }
    response(200, JSON, body)
}

fn response(status: u16, kind: &str, body: Body) -> Response<Body> {
    let response = Response::builder().status(status).header(header::CONTENT_TYPE, value(kind));
    response.body(body).unwrap()
}

fn whole(status: u16, kind: &str, body: String) -> Response<Body> {
    response(status, kind, Body::from(body))
}

/// A body whose length the head says, whatever comes.
fn said(status: u16, bytes: u64, body: Body) -> Response<Body> {
    let mut response = response(status, JSON, body);
    response.headers_mut().insert(header::CONTENT_LENGTH, bytes.into());
    response
}

fn value(text: &str) -> HeaderValue {
    HeaderValue::from_bytes(text.as_bytes()).unwrap()
}

fn stepwise(steps: VecDeque<Step>, plug: Plug) -> Body {
    let filler = Bytes::from(vec![b'x'; 1 << 16]);
    Body::from_stream(futures_util::stream::unfold((steps, plug, filler), |(mut steps, plug, filler)| async {
        loop {
            let piece = match steps.pop_front()? {
                Step::Bytes(piece) => Ok(piece),
                Step::Filler(0) => continue,
                Step::Filler(left) => {
                    let piece = usize::try_from(left).map_or(filler.len(), |left| left.min(filler.len()));
                    steps.push_front(Step::Filler(left - piece as u64));
                    Ok(filler.slice(..piece))
                }
                Step::Pause(pause) => {
                    tokio::time::sleep(pause).await;
                    continue;
                }
                Step::Reset => {
                    plug.pull();
                    Err(Error::from(ErrorKind::ConnectionReset))
                }
            };
            return Some((piece, (steps, plug, filler)));
        }
    }))
}

fn retry_after(after: &RetryAfter) -> Option<(HeaderName, HeaderValue)> {
    let text = match after {
        RetryAfter::Unsaid => return None,
        RetryAfter::Seconds(seconds) => seconds.to_string(),
        RetryAfter::Date(seconds) => {
            date(Clock::system().now().as_micros() + i64::try_from(*seconds).unwrap() * 1_000_000)
        }
        RetryAfter::Text(text) => text.clone(),
    };
    Some((header::RETRY_AFTER, value(&text)))
}

/// A moment, in microseconds since 1970, as HTTP writes dates; rounded up.
fn date(micros: i64) -> String {
    const DAYS: [&str; 7] = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"];
    const MONTHS: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let seconds = (micros + 999_999).div_euclid(1_000_000);
    let text = Timestamp::from_micros(seconds * 1_000_000).to_string();
    let weekday = DAYS[usize::try_from(seconds.div_euclid(86_400).rem_euclid(7)).unwrap()];
    let month = MONTHS[text[5..7].parse::<usize>().unwrap() - 1];
    format!("{weekday}, {} {month} {} {} GMT", &text[8..10], &text[..4], &text[11..19])
}

#[cfg(test)]
mod tests {
    use super::{date, half};

    #[test]
    fn dates_are_written_as_http_has_them() {
        assert_eq!(date(784_111_777_000_000), "Sun, 06 Nov 1994 08:49:37 GMT");
        assert_eq!(date(784_111_776_000_001), "Sun, 06 Nov 1994 08:49:37 GMT");
        assert_eq!(date(951_782_400_000_000), "Tue, 29 Feb 2000 00:00:00 GMT");
    }

    #[test]
    fn half_a_text_is_a_text() {
        assert_eq!(half("abcd"), "ab");
        assert_eq!(half("aüd"), "a");
        assert_eq!(half(""), "");
    }
}
