//! Tokens of a provider: how they are asked for, read and kept until shortly before they expire.
//!
//! They are in memory alone, one for each connection and the credentials it has at the moment, and are wiped when they are
//! forgotten. No type here can be shown. How a request is sent is not known here.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde::Deserialize;
use sha2::{Digest as _, Sha256};
use tokio::time::Instant;
use uuid::Uuid;
use zeroize::Zeroizing;

use super::client::BearerValue;

/// Longest answer to a request for a token that is read, in bytes.
pub(super) const ANSWER_BYTES: usize = 64 * 1024;
/// Longest token taken, in bytes.
const TOKEN_BYTES: usize = 16 * 1024;
/// How long before it expires a token is fetched anew, at most.
const RENEWED_BEFORE: Duration = Duration::from_mins(2);
/// How long one holds that does not say, and how long any is believed to.
const UNSAID_LIFE: Duration = Duration::from_mins(5);
const LONGEST_LIFE: Duration = Duration::from_hours(24);
/// How many connections have a token kept.
const MOST_KEPT: usize = 4_096;

/// A token and until when it is used.
pub(super) struct Token {
    pub(super) bearer: BearerValue,
    renewed_at: Instant,
}

impl Token {
    /// Reads what a provider answers (RFC 6749, section 5.1). None of what is not a bearer token.
    pub(super) fn read(answer: &[u8], now: Instant) -> Option<Self> {
        #[derive(Deserialize)]
        struct Written<'a> {
            #[serde(borrow)]
            access_token: Cow<'a, str>,
            #[serde(borrow)]
            token_type: Cow<'a, str>,
            expires_in: Option<u64>,
        }
        let written: Written<'_> = serde_json::from_slice(answer).ok()?;
        let token = match written.access_token {
            Cow::Borrowed(token) => Zeroizing::new(token.to_owned()),
            Cow::Owned(token) => Zeroizing::new(token),
        };
        let is_one = token.len() <= TOKEN_BYTES && written.token_type.eq_ignore_ascii_case("bearer");
        let bearer = BearerValue::new(&token).filter(|_| is_one)?;
        let life = written.expires_in.map_or(UNSAID_LIFE, Duration::from_secs).min(LONGEST_LIFE);
        let renewed_at = now + life.saturating_sub(RENEWED_BEFORE.min(life / 5));
        Some(Self { bearer, renewed_at })
    }

    /// Whether it is still used.
    pub(super) fn holds(&self, now: Instant) -> bool {
        now < self.renewed_at
    }
}

/// The form that asks for a token (RFC 6749, section 4.4.2).
pub(super) fn form(id: &str, secret: &str, scope: &str) -> Zeroizing<String> {
    let members =
        [("grant_type", "client_credentials"), ("client_id", id), ("client_secret", secret), ("scope", scope)];
    // Escaping makes three bytes of one at most: the text never moves, so no copy of it is left behind.
    let room = members.iter().map(|(name, value)| name.len() + value.len() * 3 + 2).sum();
    let mut text = Zeroizing::new(String::with_capacity(room));
    for (name, value) in members {
        if !text.is_empty() {
            text.push('&');
        }
        text.push_str(name);
        text.push('=');
        text.extend(form_urlencoded::byte_serialize(value.as_bytes()));
    }
    text
}

/// Whose token it is: a connection with the credentials it has.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Holder {
    workspace_id: Uuid,
    connection_id: Uuid,
    credentials: [u8; 32],
}

impl Holder {
    /// Of a connection, where it asks for tokens and with what.
    pub(super) fn new(workspace_id: Uuid, connection_id: Uuid, url: &str, id: &str, secret: &str) -> Self {
        let mut digest = Sha256::new();
        for part in [url, id, secret] {
            digest.update(part.len().to_be_bytes());
            digest.update(part);
        }
        Self { workspace_id, connection_id, credentials: digest.finalize().into() }
    }
}

/// A place for one token. Whoever fetches it holds the place, so that it is fetched once however many wait.
pub(super) type Place = Arc<tokio::sync::Mutex<Option<Arc<Token>>>>;

/// All tokens there are.
#[derive(Default)]
pub(super) struct Tokens(Mutex<BTreeMap<Holder, Place>>);

impl Tokens {
    /// The place of a holder's token. Places whose token is over and that nobody waits at are forgotten.
    pub(super) fn place(&self, holder: &Holder, now: Instant) -> Place {
        let mut places = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(place) = places.get(holder) {
            return Arc::clone(place);
        }
        places.retain(|_, place| {
            let held = place.try_lock();
            held.map_or(true, |token| token.as_ref().is_some_and(|token| token.holds(now)))
        });
        if places.len() >= MOST_KEPT {
            places.clear();
        }
        Arc::clone(places.entry(holder.clone()).or_default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn a_token_is_used_until_shortly_before_it_expires() {
        let now = Instant::now();
        let read = |life: &str| {
            let text = format!(r#"{{"access_token":"abc","token_type":"Bearer"{life}}}"#);
            Token::read(text.as_bytes(), now).unwrap().renewed_at - now
        };
        assert_eq!(read(r#","expires_in":3600"#), 3_480 * SECOND);
        assert_eq!(read(r#","expires_in":100"#), 80 * SECOND);
        assert_eq!(read(r#","expires_in":0"#), Duration::ZERO);
        assert_eq!(read(""), 240 * SECOND);
        assert_eq!(read(r#","expires_in":18446744073709551615"#), 86_280 * SECOND);
    }

    #[test]
    fn what_is_no_bearer_token_is_none() {
        let long = "a".repeat(TOKEN_BYTES + 1);
        for answer in [
            "",
            "[]",
            "{}",
            r#"{"access_token":"abc"}"#,
            r#"{"token_type":"Bearer"}"#,
            r#"{"access_token":"","token_type":"Bearer"}"#,
            r#"{"access_token":"a b","token_type":"Bearer"}"#,
            r#"{"access_token":"a\r\nb","token_type":"Bearer"}"#,
            r#"{"access_token":"é","token_type":"Bearer"}"#,
            r#"{"access_token":7,"token_type":"Bearer"}"#,
            r#"{"access_token":"abc","token_type":"mac"}"#,
            r#"{"access_token":"abc","token_type":"Bearer","expires_in":-1}"#,
            r#"{"access_token":"abc","token_type":"Bearer""#,
            &format!(r#"{{"access_token":"{long}","token_type":"Bearer"}}"#),
        ] {
            assert!(Token::read(answer.as_bytes(), Instant::now()).is_none(), "{answer}");
        }
    }

    #[test]
    fn a_form_is_escaped_and_written_in_one_piece() {
        let form = form("an id", "s&=+%ü", "https://x/.default");
        assert_eq!(
            form.as_str(),
            "grant_type=client_credentials&client_id=an+id&client_secret=s%26%3D%2B%25%C3%BC\
             &scope=https%3A%2F%2Fx%2F.default"
        );
        assert!(form.capacity() >= form.len());
    }

    #[test]
    fn a_holder_is_a_connection_with_its_credentials() {
        let (one, other) = (Uuid::from_u128(1), Uuid::from_u128(2));
        let holders = [
            Holder::new(one, one, "u", "i", "s"),
            Holder::new(other, one, "u", "i", "s"),
            Holder::new(one, other, "u", "i", "s"),
            Holder::new(one, one, "v", "i", "s"),
            Holder::new(one, one, "u", "j", "s"),
            Holder::new(one, one, "u", "i", "t"),
            Holder::new(one, one, "u", "is", ""),
        ];
        let tokens = Tokens::default();
        let places: Vec<Place> = holders.iter().map(|holder| tokens.place(holder, Instant::now())).collect();
        for (index, place) in places.iter().enumerate() {
            assert!(places.iter().skip(index + 1).all(|other| !Arc::ptr_eq(place, other)), "{index}");
        }
        assert!(Arc::ptr_eq(&places[6], &tokens.place(&holders[6], Instant::now())));
    }
}
