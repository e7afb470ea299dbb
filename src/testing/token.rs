//! Tokens of the test issuer: good by default, and wrong in any way that a test wants.

use std::time::{Duration, SystemTime};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Map, Value};

use super::signing_key::Generation;
use crate::algorithm::Algorithm;

/// A token that is about to be minted. Made by [`TestIssuer::token`](super::TestIssuer::token).
///
/// Unless changed: RS256, `typ` `at+jwt`, subject `alice`, client `test-client`, issued now, good for five minutes, all
/// the claims of RFC 9068 but an audience.
#[derive(Clone, Debug)]
#[must_use = "the token is made by `mint`"]
pub struct TestToken {
    generation: Generation,
    algorithm: Algorithm,
    now: SystemTime,
    header: Map<String, Value>,
    claims: Map<String, Value>,
}

impl TestToken {
    pub(super) fn new(generation: Generation, issuer: &str, id: u64, now: SystemTime) -> Self {
        let token =
            Self { generation, algorithm: Algorithm::Rs256, now, header: Map::new(), claims: Map::new() };
        token
            .algorithm(Algorithm::Rs256)
            .header("typ", "at+jwt")
            .claim("iss", issuer)
            .claim("sub", "alice")
            .claim("client_id", "test-client")
            .claim("jti", format!("test-{id}"))
            .claim("iat", seconds(now))
            .expires_at(now + Duration::from_secs(300))
    }

    /// For whom it is meant.
    pub fn audience(self, audience: &str) -> Self {
        self.claim("aud", audience)
    }

    /// Whom it is about.
    pub fn subject(self, subject: &str) -> Self {
        self.claim("sub", subject)
    }

    /// What it may do: scopes separated by spaces.
    pub fn scope(self, scope: &str) -> Self {
        self.claim("scope", scope)
    }

    /// When it ends.
    pub fn expires_at(self, at: SystemTime) -> Self {
        self.claim("exp", seconds(at))
    }

    /// Ended some time ago.
    pub fn expired_since(self, span: Duration) -> Self {
        let at = self.now - span;
        self.expires_at(at)
    }

    /// Sets a claim.
    pub fn claim(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.claims.insert(name.to_owned(), value.into());
        self
    }

    /// Leaves a claim out.
    pub fn without_claim(mut self, name: &str) -> Self {
        self.claims.remove(name);
        self
    }

    /// Signs with another algorithm, and names it and its key in the header.
    pub fn algorithm(mut self, algorithm: Algorithm) -> Self {
        self.algorithm = algorithm;
        let token = self.header("alg", algorithm.name()).without_header("kid");
        match token.generation.key_id(algorithm) {
            Some(id) => token.header("kid", id),
            None => token,
        }
    }

    /// Sets a member of the header. What signs the token stays.
    pub fn header(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.header.insert(name.to_owned(), value.into());
        self
    }

    /// Leaves a member of the header out.
    pub fn without_header(mut self, name: &str) -> Self {
        self.header.remove(name);
        self
    }

    /// Signs it.
    #[must_use]
    pub fn mint(self) -> String {
        let header = Value::Object(self.header).to_string();
        let claims = Value::Object(self.claims).to_string();
        compact(self.generation, self.algorithm, header.as_bytes(), claims.as_bytes())
    }
}

/// Signs any header and any payload, well formed or not.
pub(super) fn compact(generation: Generation, algorithm: Algorithm, header: &[u8], payload: &[u8]) -> String {
    let encode = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
    let message = format!("{}.{}", encode(header), encode(payload));
    let signature = generation.sign(algorithm, message.as_bytes());
    format!("{message}.{}", encode(&signature))
}

fn seconds(at: SystemTime) -> u64 {
    at.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs()
}
