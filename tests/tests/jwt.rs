//! Which JWTs are taken: good ones of every algorithm, and none of the ways to make another.

#![cfg(test)]
#![expect(clippy::string_slice, reason = "a JWT is ASCII")]

use std::sync::LazyLock;
use std::time::Duration;

use base64::Engine as _;
use provident::clock::{Ids, Timestamp};
use provident::credential::InvalidCredential::{self, Bad, Expired};
use provident::jwt::{Algorithm, IssuerSettings, Issuers, JwtError, KeySource};
use provident_tests::identity_provider::{Answer, KeyServer, Signer, part};
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

const ISSUER: &str = "https://idp.test/";
const OTHER: &str = "https://other.test/";
/// The time of every test, in seconds.
const NOW: i64 = 1_700_000_000;

/// One key of each kind, since RSA keys take their time.
static RSA: LazyLock<Signer> = LazyLock::new(|| Signer::new(Algorithm::Rs256));
static OTHER_RSA: LazyLock<Signer> = LazyLock::new(|| Signer::new(Algorithm::Rs256));
static P256: LazyLock<Signer> = LazyLock::new(|| Signer::new(Algorithm::Es256));
static P384: LazyLock<Signer> = LazyLock::new(|| Signer::new(Algorithm::Es384));
static ED25519: LazyLock<Signer> = LazyLock::new(|| Signer::new(Algorithm::EdDsa));

fn signer(algorithm: Algorithm) -> (&'static Signer, &'static str) {
    match algorithm {
        Algorithm::Es256 => (&P256, "p256"),
        Algorithm::Es384 => (&P384, "p384"),
        Algorithm::EdDsa => (&ED25519, "ed25519"),
        _ => (&RSA, "rsa"),
    }
}

fn set(keys: &[Value]) -> String {
    json!({ "keys": keys }).to_string()
}

fn whole_set() -> String {
    set(&[RSA.jwk("rsa"), P256.jwk("p256"), P384.jwk("p384"), ED25519.jwk("ed25519")])
}

fn settings(issuer: &str, keys: KeySource) -> IssuerSettings {
    let mut settings = IssuerSettings::new(issuer.to_owned(), vec!["provident".into(), "spare".into()], keys);
    settings.algorithms = Algorithm::ALL.to_vec();
    settings
}

/// Issuers whose keys are in files; what is to be changed of the first one's settings is.
async fn with(keys: &str, change: impl FnOnce(&mut IssuerSettings)) -> Issuers {
    let folder = tempfile::tempdir().unwrap();
    let (file, others) = (folder.path().join("keys.json"), folder.path().join("others.json"));
    std::fs::write(&file, keys).unwrap();
    std::fs::write(&others, set(&[OTHER_RSA.jwk("theirs")])).unwrap();
    let mut first = settings(ISSUER, KeySource::File(file));
    change(&mut first);
    Issuers::open(vec![first, settings(OTHER, KeySource::File(others))]).await.unwrap()
}

fn claims() -> Value {
    json!({"iss": ISSUER, "sub": "ada", "aud": "provident", "exp": NOW + 300, "nbf": NOW - 1, "iat": NOW - 1})
}

fn claims_with(name: &str, value: impl Into<Value>) -> Value {
    let mut claims = claims();
    claims[name] = value.into();
    claims
}

fn claims_without(name: &str) -> Value {
    let mut claims = claims();
    claims.as_object_mut().unwrap().remove(name).unwrap();
    claims
}

/// A token signed as its issuer would.
fn token(algorithm: Algorithm, claims: &Value) -> String {
    let (signer, kid) = signer(algorithm);
    signer.token(algorithm, &json!({"alg": algorithm.name(), "kid": kid}).to_string(), &claims.to_string())
}

fn es256(header: &Value, claims: &Value) -> String {
    P256.token(Algorithm::Es256, &header.to_string(), &claims.to_string())
}

fn judged(issuers: &Issuers, token: &str) -> Result<(String, String), InvalidCredential> {
    let now = Timestamp::from_micros(NOW * 1_000_000);
    issuers.verify(token, now).map(|claimed| (claimed.issuer, claimed.subject))
}

#[expect(clippy::unnecessary_wraps, reason = "it is compared with what judging answers")]
fn ada() -> Result<(String, String), InvalidCredential> {
    Ok((ISSUER.to_owned(), "ada".to_owned()))
}

/// Each token gets the answer beside it.
#[track_caller]
fn all_judged(issuers: &Issuers, cases: &[(&str, String, Result<(), InvalidCredential>)]) {
    for (name, token, expected) in cases {
        assert_eq!(judged(issuers, token).map(|_| ()), *expected, "{name}");
    }
}

#[tokio::test]
async fn a_good_token_of_every_algorithm_is_taken_and_names_its_subject() {
    let issuers = with(&whole_set(), |_| ()).await;
    for algorithm in Algorithm::ALL {
        assert_eq!(judged(&issuers, &token(algorithm, &claims())), ada(), "{algorithm:?}");
    }
    assert_eq!(judged(&Issuers::default(), &token(Algorithm::Es256, &claims())), Err(Bad), "no issuer is configured");
}

#[tokio::test]
async fn an_algorithm_that_is_not_allowed_is_refused_whatever_the_key() {
    for allowed in Algorithm::ALL {
        let issuers = with(&whole_set(), |settings| settings.algorithms = vec![allowed]).await;
        for algorithm in Algorithm::ALL {
            let expected = if algorithm == allowed { ada() } else { Err(Bad) };
            assert_eq!(judged(&issuers, &token(algorithm, &claims())), expected, "{algorithm:?} where {allowed:?}");
        }
    }
}

/// A token whose signature is a MAC with what everybody knows of a key.
fn mac_token(secret: &[u8]) -> String {
    let signed = format!("{}.{}", part(r#"{"alg":"HS256","kid":"rsa"}"#), part(claims().to_string()));
    let key = aws_lc_rs::hmac::Key::new(aws_lc_rs::hmac::HMAC_SHA256, secret);
    format!("{signed}.{}", part(aws_lc_rs::hmac::sign(&key, signed.as_bytes())))
}

#[tokio::test]
async fn a_forged_signature_is_refused() {
    let issuers = with(&whole_set(), |_| ()).await;
    let good = token(Algorithm::Rs256, &claims());
    let claims = claims().to_string();
    let (signed, signature) = good.rsplit_once('.').unwrap();
    let unsigned = |alg: &str| format!("{}.{}.", part(json!({"alg": alg, "kid": "rsa"}).to_string()), part(&claims));
    let jwk = RSA.jwk("rsa");
    let modulus = base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(jwk["n"].as_str().unwrap()).unwrap();
    let own = json!({"alg": "RS256", "jwk": OTHER_RSA.jwk("rsa"), "kid": "rsa"}).to_string();
    let swapped = Signer::new(Algorithm::Es256).token(Algorithm::Es256, r#"{"alg":"ES256","kid":"p256"}"#, &claims);
    let mut flipped = base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(signature).unwrap();
    flipped[10] ^= 1;
    let others_claims = part(claims.replace("ada", "eve"));
    let cases = [
        ("none", unsigned("none")),
        ("None", unsigned("None")),
        ("an algorithm and no signature", unsigned("RS256")),
        ("no algorithm", format!("{}.{}.{signature}", part(r#"{"kid":"rsa"}"#), part(&claims))),
        ("a MAC with the modulus", mac_token(&modulus)),
        ("a MAC with the modulus as text", mac_token(jwk["n"].as_str().unwrap().as_bytes())),
        ("a MAC with the key", mac_token(jwk.to_string().as_bytes())),
        ("another key of RSA", OTHER_RSA.token(Algorithm::Rs256, r#"{"alg":"RS256","kid":"rsa"}"#, &claims)),
        ("another key of P-256", swapped),
        ("a key brought along", OTHER_RSA.token(Algorithm::Rs256, &own, &claims)),
        ("one bit", format!("{signed}.{}", part(flipped))),
        ("the claims of another", format!("{}.{others_claims}.{signature}", signed.split_once('.').unwrap().0)),
        ("a header of another", format!("{}.{}.{signature}", part(r#"{"alg":"RS384","kid":"rsa"}"#), part(&claims))),
    ];
    assert_eq!(judged(&issuers, &good), ada());
    for (name, token) in cases {
        assert_eq!(judged(&issuers, &token), Err(Bad), "{name}");
    }
}

#[tokio::test]
async fn a_token_is_checked_with_the_key_it_names_of_its_own_issuer() {
    let issuers = with(&whole_set(), |_| ()).await;
    let claims_of = |issuer: &str| claims_with("iss", issuer).to_string();
    let named = |signer: &Signer, algorithm: Algorithm, kid: &str, issuer: &str| {
        signer.token(algorithm, &json!({"alg": algorithm.name(), "kid": kid}).to_string(), &claims_of(issuer))
    };
    let cases = [
        ("the other issuer's own", named(&OTHER_RSA, Algorithm::Rs256, "theirs", OTHER), Ok(())),
        ("unknown", named(&RSA, Algorithm::Rs256, "unknown", ISSUER), Err(Bad)),
        ("another of the set", named(&RSA, Algorithm::Rs256, "p256", ISSUER), Err(Bad)),
        ("another issuer's", named(&OTHER_RSA, Algorithm::Rs256, "theirs", ISSUER), Err(Bad)),
        ("this one's for another issuer", named(&RSA, Algorithm::Rs256, "rsa", OTHER), Err(Bad)),
        ("an issuer nobody knows", named(&RSA, Algorithm::Rs256, "rsa", "https://idp.test"), Err(Bad)),
        ("ES256 and a key of RSA", named(&P256, Algorithm::Es256, "rsa", ISSUER), Err(Bad)),
        ("RS256 and a key of P-256", named(&RSA, Algorithm::Rs256, "p256", ISSUER), Err(Bad)),
        ("ES384 and a key of P-256", named(&P256, Algorithm::Es384, "p256", ISSUER), Err(Bad)),
        ("ES256 and a key of P-384", named(&P384, Algorithm::Es256, "p384", ISSUER), Err(Bad)),
        ("EdDSA and a key of P-256", named(&ED25519, Algorithm::EdDsa, "p256", ISSUER), Err(Bad)),
        ("no id and several keys", es256(&json!({"alg": "ES256"}), &claims()), Err(Bad)),
        ("an id that is no text", es256(&json!({"alg": "ES256", "kid": 1}), &claims()), Err(Bad)),
        ("an id that is null", es256(&json!({"alg": "ES256", "kid": null}), &claims()), Err(Bad)),
    ];
    all_judged(&issuers, &cases);
}

#[tokio::test]
async fn one_key_alone_needs_no_name_and_a_wrong_one_is_wrong() {
    for key in [P256.jwk("p256"), json!({"kty": "EC", "crv": "P-256", "x": P256.jwk("")["x"], "y": P256.jwk("")["y"]})]
    {
        let issuers = with(&set(&[key]), |_| ()).await;
        assert_eq!(judged(&issuers, &es256(&json!({"alg": "ES256"}), &claims())), ada());
        assert_eq!(judged(&issuers, &es256(&json!({"alg": "ES256", "kid": "p384"}), &claims())), Err(Bad));
    }
}

#[tokio::test]
async fn what_a_set_says_of_a_key_binds() {
    let key = |name: &str, value: Value| {
        let mut key = P256.jwk("p256");
        key[name] = value;
        key
    };
    let cases = [
        ("for its algorithm", key("alg", json!("ES256")), true),
        ("for signatures", key("use", json!("sig")), true),
        ("to verify", key("key_ops", json!(["verify"])), true),
        ("with members nobody knows", key("x5t", json!("abc")), true),
        ("for another algorithm", key("alg", json!("ES384")), false),
        ("for an algorithm nobody knows", key("alg", json!("ECDH-ES")), false),
        ("for encryption", key("use", json!("enc")), false),
        ("to sign", key("key_ops", json!(["sign"])), false),
        ("of another type", key("kty", json!("RSA")), false),
        ("of another curve", key("crv", json!("P-384")), false),
        ("of a curve nobody knows", key("crv", json!("secp256k1")), false),
        ("cut short", key("x", json!(part([1_u8; 31]))), false),
        ("not on its curve", key("x", json!(part([1_u8; 32]))), false),
        ("private", key("d", json!(P256.private_member())), false),
    ];
    for (name, key, usable) in cases {
        let issuers = with(&set(&[key, RSA.jwk("rsa")]), |_| ()).await;
        let expected = if usable { ada() } else { Err(Bad) };
        assert_eq!(judged(&issuers, &token(Algorithm::Es256, &claims())), expected, "{name}");
        assert_eq!(judged(&issuers, &token(Algorithm::Rs256, &claims())), ada(), "{name}: the key beside it");
    }
    let only = json!({"kty": "RSA", "kid": "rsa", "alg": "RS256", "n": RSA.jwk("")["n"], "e": RSA.jwk("")["e"]});
    let issuers = with(&set(&[only]), |_| ()).await;
    assert_eq!(judged(&issuers, &token(Algorithm::Rs256, &claims())), ada());
    assert_eq!(judged(&issuers, &token(Algorithm::Ps256, &claims())), Err(Bad));
}

#[tokio::test]
async fn a_symmetric_key_in_a_set_is_no_key() {
    let secret = b"a secret that a set should not show, and shows".to_vec();
    let shown = json!({"kty": "oct", "kid": "rsa", "k": part(&secret)});
    let issuers = with(&set(&[shown, P256.jwk("p256")]), |_| ()).await;
    assert_eq!(judged(&issuers, &mac_token(&secret)), Err(Bad));
    assert_eq!(judged(&issuers, &token(Algorithm::Es256, &claims())), ada());
}

#[tokio::test]
async fn claims_are_judged_one_by_one() {
    let issuers = with(&whole_set(), |_| ()).await;
    let with = |name: &str, value: Value| token(Algorithm::Es256, &claims_with(name, value));
    let without = |name: &str| token(Algorithm::Es256, &claims_without(name));
    let cases = [
        ("aud, another of ours", with("aud", json!("spare")), Ok(())),
        ("aud, one of several", with("aud", json!(["x", "provident"])), Ok(())),
        ("aud, another's", with("aud", json!("x")), Err(Bad)),
        ("aud, in another case", with("aud", json!("Provident")), Err(Bad)),
        ("aud, several of others", with("aud", json!(["x", "y"])), Err(Bad)),
        ("aud, none", with("aud", json!([])), Err(Bad)),
        ("aud, not all texts", with("aud", json!(["provident", 1])), Err(Bad)),
        ("aud, an object", with("aud", json!({"provident": true})), Err(Bad)),
        ("aud, absent", without("aud"), Err(Bad)),
        ("iss, absent", without("iss"), Err(Bad)),
        ("iss, a list", with("iss", json!([ISSUER])), Err(Bad)),
        ("iss, with a slash less", with("iss", json!(ISSUER.trim_end_matches('/'))), Err(Bad)),
        ("sub, absent", without("sub"), Err(Bad)),
        ("sub, empty", with("sub", json!("")), Err(Bad)),
        ("sub, a number", with("sub", json!(7)), Err(Bad)),
        ("sub, null", with("sub", json!(null)), Err(Bad)),
        ("sub, 255 bytes", with("sub", json!("é".repeat(127) + "e")), Ok(())),
        ("sub, 256 bytes", with("sub", json!("é".repeat(128))), Err(Bad)),
        ("sub, with U+0000", with("sub", json!("a\0")), Err(Bad)),
        ("a claim nobody knows", with("roles", json!(["owner"])), Ok(())),
    ];
    all_judged(&issuers, &cases);
}

#[tokio::test]
async fn a_token_holds_from_its_first_to_its_last_moment_give_or_take_the_leeway() {
    let issuers = with(&whole_set(), |_| ()).await;
    let strict = with(&whole_set(), |settings| settings.leeway = Duration::ZERO).await;
    let with = |name: &str, value: Value| token(Algorithm::Es256, &claims_with(name, value));
    let cases = [
        ("exp, just within the leeway", with("exp", json!(NOW - 59)), Ok(())),
        ("exp, over", with("exp", json!(NOW - 60)), Err(Expired)),
        ("exp, long over", with("exp", json!(0)), Err(Expired)),
        ("exp, never", with("exp", json!(u64::MAX)), Ok(())),
        ("exp, absent", token(Algorithm::Es256, &claims_without("exp")), Err(Bad)),
        ("exp, null", with("exp", json!(null)), Err(Bad)),
        ("exp, a text", with("exp", json!((NOW + 300).to_string())), Err(Bad)),
        ("exp, with a fraction", with("exp", json!(1_700_000_300.5)), Err(Bad)),
        ("exp, negative", with("exp", json!(-1)), Err(Bad)),
        ("exp, over 64 bits", with("exp", json!(1e30)), Err(Bad)),
        ("nbf, absent", token(Algorithm::Es256, &claims_without("nbf")), Ok(())),
        ("nbf, just within the leeway", with("nbf", json!(NOW + 60)), Ok(())),
        ("nbf, later", with("nbf", json!(NOW + 61)), Err(Bad)),
        ("nbf, a text", with("nbf", json!((NOW - 1).to_string())), Err(Bad)),
        ("nbf, null", with("nbf", json!(null)), Err(Bad)),
        ("nbf, with a fraction", with("nbf", json!(0.5)), Err(Bad)),
        ("iat, absent", token(Algorithm::Es256, &claims_without("iat")), Ok(())),
        ("iat, later", with("iat", json!(NOW + 61)), Err(Bad)),
        ("iat, a text", with("iat", json!("0")), Err(Bad)),
    ];
    all_judged(&issuers, &cases);
    let cases = [
        ("exp, in a second", with("exp", json!(NOW + 1)), Ok(())),
        ("exp, now", with("exp", json!(NOW)), Err(Expired)),
        ("nbf, now", with("nbf", json!(NOW)), Ok(())),
        ("nbf, in a second", with("nbf", json!(NOW + 1)), Err(Bad)),
    ];
    all_judged(&strict, &cases);
}

#[tokio::test]
async fn a_token_is_told_to_have_expired_only_if_nothing_else_is_wrong() {
    let issuers = with(&whole_set(), |_| ()).await;
    let mut expired = claims_with("exp", NOW - 1_000);
    assert_eq!(judged(&issuers, &token(Algorithm::Es256, &expired)), Err(Expired));
    let forged = token(Algorithm::Es256, &expired);
    let (signed, _) = forged.rsplit_once('.').unwrap();
    assert_eq!(judged(&issuers, &format!("{signed}.{}", part([1_u8; 64]))), Err(Bad));
    for (name, value) in [("aud", json!("x")), ("sub", json!("")), ("nbf", json!("x"))] {
        expired = claims_with("exp", NOW - 1_000);
        expired[name] = value;
        assert_eq!(judged(&issuers, &token(Algorithm::Es256, &expired)), Err(Bad), "{name}");
    }
}

#[tokio::test]
async fn a_header_says_what_is_understood_and_nothing_critical() {
    let issuers = with(&whole_set(), |_| ()).await;
    let header = |name: &str, value: Value| {
        let mut header = json!({"alg": "ES256", "kid": "p256"});
        header[name] = value;
        es256(&header, &claims())
    };
    let cases = [
        ("typ JWT", header("typ", json!("JWT")), Ok(())),
        ("typ jwt", header("typ", json!("jwt")), Ok(())),
        ("typ at+jwt", header("typ", json!("AT+JWT")), Ok(())),
        ("typ of another thing", header("typ", json!("dpop+jwt")), Err(Bad)),
        ("typ, a number", header("typ", json!(1)), Err(Bad)),
        ("typ, null", header("typ", json!(null)), Err(Bad)),
        ("crit", header("crit", json!(["b64"])), Err(Bad)),
        ("crit, empty", header("crit", json!([])), Err(Bad)),
        ("crit, null", header("crit", json!(null)), Err(Bad)),
        ("alg, in another case", header("alg", json!("es256")), Err(Bad)),
        ("alg, a list", header("alg", json!(["ES256"])), Err(Bad)),
        ("a member nobody knows", header("x", json!({"y": 1})), Ok(())),
    ];
    all_judged(&issuers, &cases);
}

#[tokio::test]
async fn a_text_that_is_not_exactly_one_token_is_refused() {
    let issuers = with(&whole_set(), |_| ()).await;
    let good = token(Algorithm::Es256, &claims());
    let header = r#"{"alg":"ES256","kid":"p256"}"#;
    let raw = |header: &str, claims: &str| P256.token(Algorithm::Es256, header, claims);
    let claims = claims().to_string();
    let twice = claims.replacen('{', r#"{"sub":"eve","#, 1);
    let parts: Vec<&str> = good.split('.').collect();
    let long = claims_with("pad", "x".repeat(16 * 1024)).to_string();
    let cases = [
        ("whole", good.clone(), Ok(())),
        ("a claim twice", raw(header, &twice), Err(Bad)),
        ("an unknown claim twice", raw(header, &claims.replacen('{', r#"{"x":1,"x":1,"#, 1)), Err(Bad)),
        ("alg twice", raw(r#"{"alg":"ES256","alg":"ES256","kid":"p256"}"#, &claims), Err(Bad)),
        ("kid twice", raw(r#"{"alg":"ES256","kid":"rsa","kid":"p256"}"#, &claims), Err(Bad)),
        ("claims that are a list", raw(header, "[]"), Err(Bad)),
        ("claims that are no JSON", raw(header, "{"), Err(Bad)),
        ("claims and more", raw(header, &format!("{claims} {{}}")), Err(Bad)),
        ("a header that is a text", raw("\"ES256\"", &claims), Err(Bad)),
        ("empty", String::new(), Err(Bad)),
        ("points", "..".to_owned(), Err(Bad)),
        ("two parts", parts[..2].join("."), Err(Bad)),
        ("no claims", format!("{}..{}", parts[0], parts[2]), Err(Bad)),
        ("a point in front", format!(".{good}"), Err(Bad)),
        ("a point behind", format!("{good}."), Err(Bad)),
        ("four parts", format!("{good}.{}", parts[2]), Err(Bad)),
        ("five parts", format!("{good}.{}.{}", parts[0], parts[2]), Err(Bad)),
        ("padding", format!("{good}=="), Err(Bad)),
        ("a line end", format!("{good}\n"), Err(Bad)),
        ("a space", format!(" {good}"), Err(Bad)),
        ("over 16 KiB", raw(header, &long), Err(Bad)),
    ];
    all_judged(&issuers, &cases);
    for cut in 0..good.len() {
        assert_eq!(judged(&issuers, &good[..cut]), Err(Bad), "cut at {cut}");
    }
    let fits = claims_with("pad", "x".repeat(11 * 1024)).to_string();
    assert_eq!(judged(&issuers, &raw(header, &fits)), ada(), "long, and not too long");
}

#[path = "jwt/keys.rs"]
mod keys;
