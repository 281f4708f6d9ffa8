//! Who calls: the credential, how often it may be used, and whom it acts for. Before anything else of a request.
//!
//! There is no calling without a credential. A token's or JWT's user is who acts, unless the token may act for others and
//! names one; then the authority is theirs alone, and audit has both (P339-01).

use axum::http::request::Parts;
use axum::http::{HeaderName, StatusCode, header};
use sha2::{Digest as _, Sha256};
use uuid::{Builder, Uuid};

use super::Api;
use super::problem::Problem;
use super::request::{only, plain_id};
use crate::actor::{Actor, RequestId};
use crate::credential::InvalidCredential;
use crate::jwt::Claimed;

/// The user a trusted backend acts for.
pub static ON_BEHALF_OF: HeaderName = HeaderName::from_static("provident-on-behalf-of");

/// What a credential says.
struct Holder {
    actor: Actor,
    /// What its requests are counted under.
    counted_as: Uuid,
    may_act_for_others: bool,
}

/// Judges the credential of a request: who acts.
///
/// # Errors
/// `credential-required`, `bad-credential`, `credential-expired`, `rate-limited`, `may-not-act-for-others`,
/// `bad-acting-user`; internal ones.
pub async fn actor(parts: &Parts, api: &Api) -> Result<Actor, Problem> {
    let holder = holder(parts, api).await?;
    api.count(holder.counted_as)?;
    let actor = match acting_for(parts)? {
        None => holder.actor,
        Some(user_id) if holder.may_act_for_others => holder.actor.for_user(user_id),
        Some(_) => return Err(Problem::new(StatusCode::FORBIDDEN, "may-not-act-for-others")),
    };
    let request_id = parts.extensions.get::<RequestId>().copied();
    Ok(request_id.map_or(actor, |id| actor.in_request(id)))
}

async fn holder(parts: &Parts, api: &Api) -> Result<Holder, Problem> {
    let credential = bearer(parts)?;
    if credential.starts_with("pvd_") {
        let held = api.service().token_holder(credential).await?.map_err(Problem::from)?;
        return Ok(Holder {
            actor: Actor::user(held.user_id).by_token(held.token_id, held.only_workspace_id),
            counted_as: held.token_id,
            may_act_for_others: held.may_act_for_others,
        });
    }
    let claimed = api.issuers().verify(credential, api.service().now())?;
    let linked = api.service().user_of_identity(&claimed.issuer, &claimed.subject).await?;
    let user_id = linked.unwrap_or_else(|| stranger(&claimed));
    Ok(Holder { actor: Actor::user(user_id), counted_as: user_id, may_act_for_others: false })
}

/// The credential in the one header it may stand in.
fn bearer(parts: &Parts) -> Result<&str, Problem> {
    let Some(text) = only(&parts.headers, &header::AUTHORIZATION) else {
        return Err(Problem::unauthenticated("credential-required", "give a bearer token"));
    };
    match text.split_once(' ') {
        Some((scheme, credential)) if scheme.eq_ignore_ascii_case("bearer") => Ok(credential.trim()),
        _ => Err(InvalidCredential::Bad.into()),
    }
}

fn acting_for(parts: &Parts) -> Result<Option<Uuid>, Problem> {
    let named = only(&parts.headers, &ON_BEHALF_OF).map(plain_id);
    let bad =
        || Problem::of_field(StatusCode::BAD_REQUEST, "bad-acting-user", "Provident-On-Behalf-Of", "one user's id");
    named.map(|id| id.ok_or_else(bad)).transpose()
}

/// An id for a subject that is nobody here, always the same one, so that a log of denials can be followed.
fn stranger(claimed: &Claimed) -> Uuid {
    let mut hash = Sha256::new();
    for text in [&claimed.issuer, &claimed.subject] {
        hash.update(text.len().to_be_bytes());
        hash.update(text);
    }
    let mut bytes = [0; 16];
    bytes.iter_mut().zip(hash.finalize()).for_each(|(byte, hashed)| *byte = hashed);
    Builder::from_custom_bytes(bytes).into_uuid()
}

impl From<InvalidCredential> for Problem {
    fn from(invalid: InvalidCredential) -> Self {
        Self::unauthenticated(invalid.code(), &invalid.to_string())
    }
}
