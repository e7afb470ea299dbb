//! An authorization server that answers for opaque tokens.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};
use std::{fmt, io};

use bytes::Bytes;
use serde_json::{Map, Value, json};

use super::introspection_answers::{Introspection, Known, form};
use super::opaque::alphanumeric;
use super::server::Server;
use super::traffic::{Traffic, traffic_methods};
use crate::clock::{Clock, SystemClock};

const CLIENT_ID: &str = "test-resource-server";
const CLIENT_SECRET: &str = "for tests only: a secret + everyone knows it";
const LIFETIME: Duration = Duration::from_secs(300);

/// An endpoint for token introspection ([RFC 7662]) on loopback, with the metadata that name it ([RFC 8414] and OpenID
/// Connect Discovery).
///
/// Clients say who they are by HTTP Basic, in the form, or by a bearer token if [one is set](Self::set_bearer). It
/// answers what it is told, and judges no dates: a token that has expired is `active` until it is revoked.
///
/// Clones are cheap and are the same server. It stops when the last one is dropped.
///
/// [RFC 7662]: https://www.rfc-editor.org/rfc/rfc7662
/// [RFC 8414]: https://www.rfc-editor.org/rfc/rfc8414
#[derive(Clone)]
pub struct TestIntrospection {
    inner: Arc<Introspection>,
    // Ends the server with the last clone.
    server: Arc<Server>,
}

impl TestIntrospection {
    /// Starts a server on a free port of the loopback interface.
    ///
    /// # Errors
    ///
    /// - no port can be had
    pub async fn start() -> io::Result<Self> {
        Self::with_clock(SystemClock).await
    }

    /// Starts a server whose tokens are dated by a clock.
    ///
    /// # Errors
    ///
    /// - no port can be had
    pub async fn with_clock(clock: impl Clock) -> io::Result<Self> {
        let (listener, issuer) = Server::bind().await?;
        let client = (CLIENT_ID.to_owned(), CLIENT_SECRET.to_owned());
        let known = Mutex::new(Known { client, bearer: None, answers: HashMap::new() });
        let (clock, minted) = (Arc::new(clock), AtomicU64::new(0));
        let inner = Arc::new(Introspection { issuer, clock, known, minted, traffic: Traffic::default() });
        let server = Arc::new(Server::start(listener, Arc::clone(&inner)));
        Ok(Self { inner, server })
    }

    /// The identifier of the issuer, which is also its address.
    #[must_use]
    pub fn issuer(&self) -> &str {
        &self.inner.issuer
    }

    /// The address of the endpoint.
    #[must_use]
    pub fn endpoint(&self) -> String {
        self.inner.endpoint()
    }

    /// The id of the client that may ask.
    #[must_use]
    pub fn client_id(&self) -> String {
        self.inner.known().client.0.clone()
    }

    /// The secret of the client that may ask. Unless set, it is full of what has to be encoded, and everyone knows it.
    #[must_use]
    pub fn client_secret(&self) -> String {
        self.inner.known().client.1.clone()
    }

    /// Lets another client ask, instead of the one before.
    pub fn set_client(&self, id: &str, secret: &str) {
        self.inner.known().client = (id.to_owned(), secret.to_owned());
    }

    /// Lets those ask who present that bearer token, besides the client.
    pub fn set_bearer(&self, token: &str) {
        self.inner.known().bearer = Some(token.to_owned());
    }

    /// Mints an opaque token. Each one is different.
    ///
    /// Unless the claims say otherwise: `active`, issued by [`issuer`](Self::issuer) now, good for five minutes,
    /// subject `alice`, client `test-client`, scope `read write`, type `Bearer`, no audience. A claim that is `null` is
    /// left out. Claims that are no object add nothing.
    #[must_use]
    #[expect(clippy::needless_pass_by_value, reason = "callers write `json!` in place")]
    pub fn token(&self, claims: Value) -> String {
        let number = self.inner.minted.fetch_add(1, Ordering::Relaxed);
        let token = alphanumeric(&format!("{} {number}", self.inner.issuer), 43);
        let mut answer = self.defaults();
        if let Value::Object(claims) = &claims {
            answer.extend(claims.clone());
        }
        answer.retain(|_, value| !value.is_null());
        self.answer(&token, Value::Object(answer).to_string());
        token
    }

    /// Sets the body that is the answer for a token, whatever it says.
    pub fn answer(&self, token: &str, body: impl Into<Bytes>) {
        self.inner.known().answers.insert(token.to_owned(), body.into());
    }

    /// Revokes a token: from now on the answer is that it is not active.
    pub fn revoke(&self, token: &str) {
        self.inner.known().answers.remove(token);
    }

    /// The fields of the form in the latest request, in their order. Empty if there was none.
    #[must_use]
    pub fn last_form(&self) -> Vec<(String, String)> {
        self.last_request().map(|request| form(request.body())).unwrap_or_default()
    }

    fn defaults(&self) -> Map<String, Value> {
        let now = self.inner.clock.now();
        [
            ("active", json!(true)),
            ("iss", json!(self.inner.issuer)),
            ("sub", json!("alice")),
            ("client_id", json!("test-client")),
            ("scope", json!("read write")),
            ("token_type", json!("Bearer")),
            ("iat", json!(seconds(now))),
            ("exp", json!(seconds(now + LIFETIME))),
        ]
        .into_iter()
        .map(|(name, value)| (name.to_owned(), value))
        .collect()
    }
}

traffic_methods!(TestIntrospection);

impl fmt::Debug for TestIntrospection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TestIntrospection").field("issuer", &self.inner.issuer).finish_non_exhaustive()
    }
}

fn seconds(at: SystemTime) -> u64 {
    at.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs()
}
