//! An issuer of tokens that serves its own metadata and keys.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::{fmt, io};

use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderValue, Request, Response, StatusCode};
use serde_json::{Map, Value, json};

use super::server::{Fake, Outcome, Server};
use super::signing_key::{Generation, HMAC_SECRET};
use super::token::{TestToken, compact};
use super::traffic::{Traffic, traffic_methods};
use crate::algorithm::Algorithm;
use crate::clock::{Clock, SystemClock};

const METADATA: [&str; 2] = ["/.well-known/oauth-authorization-server", "/.well-known/openid-configuration"];
const JWKS: &str = "/jwks";

/// An issuer on loopback: mints tokens of every algorithm, serves its metadata ([RFC 8414] and OpenID Connect
/// Discovery) and its keys, rotates them, and goes down when told to.
///
/// Its documents can be those of an odd provider: [`set_metadata`](Self::set_metadata),
/// [`set_jwk_set`](Self::set_jwk_set), and for what is not even JSON a [`Fault::Answer`](super::Fault::Answer) by
/// [`fail_at`](Self::fail_at).
///
/// Clones are cheap and are the same issuer. It stops when the last one is dropped.
///
/// [RFC 8414]: https://www.rfc-editor.org/rfc/rfc8414
#[derive(Clone)]
pub struct TestIssuer {
    inner: Arc<Inner>,
    // Ends the server with the last clone.
    server: Arc<Server>,
}

struct Inner {
    issuer: String,
    clock: Arc<dyn Clock>,
    state: Mutex<State>,
    minted: AtomicU64,
    traffic: Traffic,
}

struct State {
    current: Generation,
    published: Vec<Generation>,
    metadata: Map<String, Value>,
    // In place of the published keys.
    jwk_set: Option<Value>,
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
        let metadata = own_metadata(&issuer);
        let state = State { current: first, published: vec![first], metadata, jwk_set: None };
        let (clock, minted) = (Arc::new(clock), AtomicU64::new(0));
        let state = Mutex::new(state);
        let inner = Arc::new(Inner { issuer, clock, state, minted, traffic: Traffic::default() });
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
        format!("{}{JWKS}", self.inner.issuer)
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
        TestToken::new(self.inner.state().current, &self.inner.issuer, id, self.inner.clock.now())
    }

    /// Signs any header and any payload with the current keys: for tokens that should be refused.
    #[must_use]
    pub fn sign(&self, algorithm: Algorithm, header: &[u8], payload: &[u8]) -> String {
        let current = self.inner.state().current;
        compact(current, algorithm, header, payload)
    }

    /// The id of the current key for an algorithm. None for shared secrets.
    #[must_use]
    pub fn key_id(&self, algorithm: Algorithm) -> Option<String> {
        self.inner.state().current.key_id(algorithm)
    }

    /// Signs with new keys from now on. The old ones stay published.
    pub fn rotate_keys(&self) {
        let mut state = self.inner.state();
        state.current = Generation(state.current.0 + 1);
        let current = state.current;
        state.published.push(current);
    }

    /// Publishes the current keys only.
    pub fn withdraw_old_keys(&self) {
        let mut state = self.inner.state();
        state.published = vec![state.current];
    }

    /// Sets a member of the metadata, such as `jwks_uri`, or an `issuer` that is not its address.
    ///
    /// Tokens keep their issuer: [`TestToken::issuer`] sets it.
    pub fn set_metadata(&self, name: &str, value: impl Into<Value>) {
        self.inner.state().metadata.insert(name.to_owned(), value.into());
    }

    /// Leaves a member of the metadata out.
    pub fn remove_metadata(&self, name: &str) {
        self.inner.state().metadata.remove(name);
    }

    /// Serves any JSON as its keys, whichever are published.
    pub fn set_jwk_set(&self, json: impl Into<Value>) {
        self.inner.state().jwk_set = Some(json.into());
    }

    /// Serves its own metadata and the published keys again.
    pub fn reset_documents(&self) {
        let mut state = self.inner.state();
        state.metadata = own_metadata(&self.inner.issuer);
        state.jwk_set = None;
    }

    /// How often its metadata were asked for.
    #[must_use]
    pub fn metadata_requests(&self) -> u64 {
        self.inner.traffic.requests_for(&METADATA)
    }

    /// How often its keys were asked for.
    #[must_use]
    pub fn jwks_requests(&self) -> u64 {
        self.inner.traffic.requests_for(&[JWKS])
    }
}

traffic_methods!(TestIssuer);

impl fmt::Debug for TestIssuer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TestIssuer").field("issuer", &self.inner.issuer).finish_non_exhaustive()
    }
}

impl Inner {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn jwk_set(&self) -> Value {
        let state = self.state();
        let keys = || state.published.iter().rev().flat_map(|generation| generation.public_keys());
        state.jwk_set.clone().unwrap_or_else(|| json!({ "keys": keys().collect::<Vec<_>>() }))
    }

    fn respond(&self, request: &Request<Bytes>) -> Response<Bytes> {
        let path = request.uri().path();
        let document = if METADATA.contains(&path) {
            Value::Object(self.state().metadata.clone())
        } else if path == JWKS {
            self.jwk_set()
        } else {
            let mut response = Response::new(Bytes::new());
            *response.status_mut() = StatusCode::NOT_FOUND;
            return response;
        };
        let mut response = Response::new(Bytes::from(document.to_string()));
        response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        response
    }
}

impl Fake for Inner {
    async fn answer(&self, request: Request<Bytes>) -> Outcome {
        self.traffic.conduct(request, |request| self.respond(request)).await
    }
}

fn own_metadata(issuer: &str) -> Map<String, Value> {
    [
        ("issuer", json!(issuer)),
        ("jwks_uri", json!(format!("{issuer}{JWKS}"))),
        ("authorization_endpoint", json!(format!("{issuer}/authorize"))),
        ("token_endpoint", json!(format!("{issuer}/token"))),
        ("response_types_supported", json!(["code"])),
    ]
    .into_iter()
    .map(|(name, value)| (name.to_owned(), value))
    .collect()
}
