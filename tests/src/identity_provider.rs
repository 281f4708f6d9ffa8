//! An identity provider to test with: keys of every kind, tokens signed with them, and a server of its key set.
//!
//! The server listens on a loopback address, counts what it is asked, and misbehaves as it is told.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::missing_panics_doc,
    reason = "a test whose identity provider does not run fails, and says why"
)]

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use aws_lc_rs::encoding::AsBigEndian as _;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{
    self as scheme, EcdsaKeyPair, Ed25519KeyPair, KeyPair as _, RsaEncoding, RsaKeyPair, RsaPublicKeyComponents,
};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use provident::jwt::Algorithm;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

/// A part of a token.
#[must_use]
pub fn part(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

/// A private key, of the kind its algorithms need.
#[derive(Debug)]
pub enum Signer {
    /// 2,048 bits.
    Rsa(Box<RsaKeyPair>),
    /// P-256.
    P256(Box<EcdsaKeyPair>),
    /// P-384.
    P384(Box<EcdsaKeyPair>),
    /// Ed25519.
    Ed25519(Box<Ed25519KeyPair>),
}

impl Signer {
    /// A new key for an algorithm.
    #[must_use]
    pub fn new(algorithm: Algorithm) -> Self {
        match algorithm {
            Algorithm::Es256 => {
                Self::P256(Box::new(EcdsaKeyPair::generate(&scheme::ECDSA_P256_SHA256_FIXED_SIGNING).unwrap()))
            }
            Algorithm::Es384 => {
                Self::P384(Box::new(EcdsaKeyPair::generate(&scheme::ECDSA_P384_SHA384_FIXED_SIGNING).unwrap()))
            }
            Algorithm::EdDsa => Self::Ed25519(Box::new(Ed25519KeyPair::generate().unwrap())),
            _ => Self::Rsa(Box::new(RsaKeyPair::generate(KeySize::Rsa2048).unwrap())),
        }
    }

    /// The public key as a member of a key set, under an id.
    #[must_use]
    pub fn jwk(&self, kid: &str) -> Value {
        let point = |curve: &str, key: &EcdsaKeyPair| {
            let (x, y) = key.public_key().as_ref()[1..].split_at((key.public_key().as_ref().len() - 1) / 2);
            json!({"kty": "EC", "crv": curve, "kid": kid, "x": part(x), "y": part(y)})
        };
        match self {
            Self::Rsa(key) => {
                let public = RsaPublicKeyComponents::<Vec<u8>>::from(key.public_key());
                json!({"kty": "RSA", "kid": kid, "n": part(public.n), "e": part(public.e)})
            }
            Self::P256(key) => point("P-256", key),
            Self::P384(key) => point("P-384", key),
            Self::Ed25519(key) => {
                json!({"kty": "OKP", "crv": "Ed25519", "kid": kid, "x": part(key.public_key().as_ref())})
            }
        }
    }

    /// The private part of a key of P-256, as a key set must never show it.
    #[must_use]
    pub fn private_member(&self) -> String {
        let Self::P256(key) = self else { panic!("not a key of P-256") };
        let private: aws_lc_rs::encoding::EcPrivateKeyBin<'static> = key.private_key().as_be_bytes().unwrap();
        part(private.as_ref())
    }

    /// A signature over a message. RSA signs as the algorithm says, the others as they can.
    #[must_use]
    pub fn sign(&self, algorithm: Algorithm, message: &[u8]) -> Vec<u8> {
        let random = SystemRandom::new();
        match self {
            Self::Rsa(key) => {
                let encoding: &'static dyn RsaEncoding = match algorithm {
                    Algorithm::Rs384 => &scheme::RSA_PKCS1_SHA384,
                    Algorithm::Rs512 => &scheme::RSA_PKCS1_SHA512,
                    Algorithm::Ps256 => &scheme::RSA_PSS_SHA256,
                    Algorithm::Ps384 => &scheme::RSA_PSS_SHA384,
                    Algorithm::Ps512 => &scheme::RSA_PSS_SHA512,
                    _ => &scheme::RSA_PKCS1_SHA256,
                };
                let mut signature = vec![0; key.public_modulus_len()];
                key.sign(encoding, &random, message, &mut signature).unwrap();
                signature
            }
            Self::P256(key) | Self::P384(key) => key.sign(&random, message).unwrap().as_ref().to_vec(),
            Self::Ed25519(key) => key.sign(message).as_ref().to_vec(),
        }
    }

    /// A token of a header and claims, as they are written.
    #[must_use]
    pub fn token(&self, algorithm: Algorithm, header: &str, claims: &str) -> String {
        let signed = format!("{}.{}", part(header), part(claims));
        let signature = self.sign(algorithm, signed.as_bytes());
        format!("{signed}.{}", part(signature))
    }
}

/// What a server of keys answers.
#[derive(Clone, Debug)]
pub enum Answer {
    /// 200 with this body.
    Body(String),
    /// This status with a key set as body all the same.
    Status(u16, String),
    /// 302 to there.
    Redirect(String),
    /// Nothing, ever.
    Silence,
    /// 200, some of the body, and the end of the connection.
    Cut,
}

/// A server of keys on a loopback address.
#[derive(Debug)]
pub struct KeyServer {
    /// Where.
    pub url: String,
    requests: Arc<AtomicUsize>,
    answer: Arc<Mutex<Answer>>,
}

impl KeyServer {
    /// Starts one. It ends with the runtime.
    pub async fn start(answer: Answer) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/keys", listener.local_addr().unwrap());
        let (requests, answer) = (Arc::new(AtomicUsize::new(0)), Arc::new(Mutex::new(answer)));
        let (seen, told) = (Arc::clone(&requests), Arc::clone(&answer));
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                seen.fetch_add(1, Ordering::SeqCst);
                let answer = told.lock().unwrap().clone();
                tokio::spawn(reply(stream, answer));
            }
        });
        Self { url, requests, answer }
    }

    /// From now on this.
    pub fn answer(&self, answer: Answer) {
        *self.answer.lock().unwrap() = answer;
    }

    /// How often it was asked.
    #[must_use]
    pub fn requests(&self) -> usize {
        self.requests.load(Ordering::SeqCst)
    }
}

async fn reply(mut stream: TcpStream, answer: Answer) {
    let mut request = Vec::new();
    while !request.ends_with(b"\r\n\r\n") {
        let Ok(byte) = stream.read_u8().await else { return };
        request.push(byte);
    }
    let whole = |status: u16, more: &str, body: &str| {
        format!("HTTP/1.1 {status} X\r\n{more}content-length: {}\r\nconnection: close\r\n\r\n{body}", body.len())
    };
    let text = match answer {
        Answer::Body(body) => whole(200, "", &body),
        Answer::Status(status, body) => whole(status, "", &body),
        Answer::Redirect(to) => whole(302, &format!("location: {to}\r\n"), ""),
        Answer::Cut => "HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n{\"keys\":[]".to_owned(),
        Answer::Silence => {
            let () = std::future::pending().await;
            return;
        }
    };
    // Who has read enough hangs up.
    let _ = stream.write_all(text.as_bytes()).await;
    let _ = stream.shutdown().await;
}
