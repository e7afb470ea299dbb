//! An issuer of tokens that serves its own metadata and keys.

use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderValue, Request, Response, StatusCode};
use serde_json::{Value, json};

use super::server::{Fake, Outcome, Server};
use super::signing_key::{Generation, HMAC_SECRET};
use super::token::{TestToken, compact};
use crate::algorithm::Algorithm;
use crate::clock::{Clock, SystemClock};

/// An issuer on loopback: mints tokens of every algorithm, serves its metadata ([RFC 8414] and OpenID Connect
/// Discovery) and its keys, rotates them, and goes down when told to.
///
/// Clones are cheap and are the same issuer. It stops when the last one is dropped.
///
/// [RFC 8414]: https://www.rfc-editor.org/rfc/rfc8414
#[derive(Clone, Debug)]
pub struct TestIssuer {
    inner: Arc<Inner>,
    // Ends the server with the last clone.
    server: Arc<Server>,
}

#[derive(Debug)]
struct Inner {
    issuer: String,
    clock: Arc<dyn Clock>,
    keys: Mutex<Keys>,
    minted: AtomicU64,
    metadata_requests: AtomicU64,
    jwks_requests: AtomicU64,
}

#[derive(Debug)]
struct Keys {
    current: Generation,
    published: Vec<Generation>,
}

impl TestIssuer {
    /// Starts an issuer on a free port of the loopback interface.
    ///
    /// # Errors
    ///
    /// - no port can be had
    pub async fn start() -> io::Result<Self> {
        Self::with_clock(SystemClock).await
    }

    /// Starts an issuer whose tokens are dated by a clock.
    ///
    /// # Errors
    ///
    /// - no port can be had
    pub async fn with_clock(clock: impl Clock) -> io::Result<Self> {
        let (listener, issuer) = Server::bind().await?;
        let first = Generation(1);
        let inner = Inner {
            issuer,
            clock: Arc::new(clock),
            keys: Mutex::new(Keys { current: first, published: vec![first] }),
            minted: AtomicU64::new(0),
            metadata_requests: AtomicU64::new(0),
            jwks_requests: AtomicU64::new(0),
        };
        let inner = Arc::new(inner);
        let server = Arc::new(Server::start(listener, Arc::clone(&inner)));
        Ok(Self { inner, server })
    }

    /// The identifier of the issuer, which is also its address.
    #[must_use]
    pub fn issuer(&self) -> &str {
        &self.inner.issuer
    }

    /// The address of its keys.
    #[must_use]
    pub fn jwks_uri(&self) -> String {
        format!("{}/jwks", self.inner.issuer)
    }

    /// Its public keys, as the JSON that it serves.
    #[must_use]
    pub fn jwk_set(&self) -> String {
        self.inner.jwk_set().to_string()
    }

    /// The secret that it signs with by the HMAC algorithms. Everyone knows it.
    #[must_use]
    pub fn hmac_secret(&self) -> &'static [u8] {
        HMAC_SECRET
    }

    /// Starts a token.
    pub fn token(&self) -> TestToken {
        let id = self.inner.minted.fetch_add(1, Ordering::Relaxed);
        TestToken::new(self.inner.keys().current, &self.inner.issuer, id, self.inner.clock.now())
    }

    /// Signs any header and any payload with the current keys: for tokens that should be refused.
    #[must_use]
    pub fn sign(&self, algorithm: Algorithm, header: &[u8], payload: &[u8]) -> String {
        let current = self.inner.keys().current;
        compact(current, algorithm, header, payload)
    }

    /// The id of the current key for an algorithm. None for shared secrets.
    #[must_use]
    pub fn key_id(&self, algorithm: Algorithm) -> Option<String> {
        self.inner.keys().current.key_id(algorithm)
    }

    /// Signs with new keys from now on. The old ones stay published.
    pub fn rotate_keys(&self) {
        let mut keys = self.inner.keys();
        keys.current = Generation(keys.current.0 + 1);
        let current = keys.current;
        keys.published.push(current);
    }

    /// Publishes the current keys only.
    pub fn withdraw_old_keys(&self) {
        let mut keys = self.inner.keys();
        keys.published = vec![keys.current];
    }

    /// Goes down: requests are not answered from now on, their connections are closed instead.
    pub fn stop(&self) {
        self.server.stop();
    }

    /// Comes back, at the same address.
    pub fn restart(&self) {
        self.server.restart();
    }

    /// How often its metadata were asked for.
    #[must_use]
    pub fn metadata_requests(&self) -> u64 {
        self.inner.metadata_requests.load(Ordering::Relaxed)
    }

    /// How often its keys were asked for.
    #[must_use]
    pub fn jwks_requests(&self) -> u64 {
        self.inner.jwks_requests.load(Ordering::Relaxed)
    }
}

impl Inner {
    fn keys(&self) -> MutexGuard<'_, Keys> {
        self.keys.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn jwk_set(&self) -> Value {
        let keys: Vec<Value> =
            self.keys().published.iter().rev().flat_map(|generation| generation.public_keys()).collect();
        json!({ "keys": keys })
    }

    fn metadata(&self) -> Value {
        json!({
            "issuer": self.issuer,
            "jwks_uri": format!("{}/jwks", self.issuer),
            "authorization_endpoint": format!("{}/authorize", self.issuer),
            "token_endpoint": format!("{}/token", self.issuer),
            "response_types_supported": ["code"],
        })
    }

    fn document(&self, path: &str) -> Response<Bytes> {
        let document = match path {
            "/.well-known/openid-configuration" | "/.well-known/oauth-authorization-server" => {
                self.metadata_requests.fetch_add(1, Ordering::Relaxed);
                self.metadata()
            }
            "/jwks" => {
                self.jwks_requests.fetch_add(1, Ordering::Relaxed);
                self.jwk_set()
            }
            _ => {
                let mut response = Response::new(Bytes::new());
                *response.status_mut() = StatusCode::NOT_FOUND;
                return response;
            }
        };
        let mut response = Response::new(Bytes::from(document.to_string()));
        response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        response
    }
}

impl Fake for Inner {
    async fn answer(&self, request: Request<Bytes>) -> Outcome {
        Outcome::Answer(self.document(request.uri().path()))
    }
}
