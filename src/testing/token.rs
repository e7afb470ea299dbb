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
    pub(super) generation: Generation,
    pub(super) algorithm: Algorithm,
    pub(super) now: SystemTime,
    pub(super) header: Map<String, Value>,
    pub(super) claims: Map<String, Value>,
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

    /// Who says that it issued it. What signs the token stays.
    pub fn issuer(self, issuer: &str) -> Self {
        self.claim("iss", issuer)
    }

    /// For whom it is meant.
    pub fn audience(self, audience: &str) -> Self {
        self.claim("aud", audience)
    }

    /// For whom it is meant, if there are several, or for a list of one.
    pub fn audiences<A: Into<String>>(self, audiences: impl IntoIterator<Item = A>) -> Self {
        let audiences: Vec<String> = audiences.into_iter().map(Into::into).collect();
        self.claim("aud", audiences)
    }

    /// Whom it is about.
    pub fn subject(self, subject: &str) -> Self {
        self.claim("sub", subject)
    }

    /// The client that it was issued to.
    pub fn client(self, client: &str) -> Self {
        self.claim("client_id", client)
    }

    /// What it may do: scopes separated by spaces.
    pub fn scope(self, scope: &str) -> Self {
        self.claim("scope", scope)
    }

    /// When it was issued. Its end stays.
    pub fn issued_at(self, at: SystemTime) -> Self {
        self.claim("iat", seconds(at))
    }

    /// When it begins to count.
    pub fn not_before(self, at: SystemTime) -> Self {
        self.claim("nbf", seconds(at))
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

    /// Ends so long from now, by the clock of the issuer.
    ///
    /// Default: five minutes.
    pub fn lifetime(self, span: Duration) -> Self {
        let end = seconds(self.now).saturating_add(span.as_secs());
        self.claim("exp", end)
    }

    /// Makes it the ID token of the same login ([OpenID Connect Core §2]): meant for the client that
    /// [`client`](Self::client) has named before, with a nonce, the time of the login and the hash of an access token,
    /// of the type `JWT`, without scopes. No resource may take it.
    ///
    /// [OpenID Connect Core §2]: https://openid.net/specs/openid-connect-core-1_0.html#IDToken
    pub fn id_token(mut self) -> Self {
        let client = self.claims.remove("client_id").unwrap_or_else(|| "test-client".into());
        let login = seconds(self.now);
        self.without_claim("scope")
            .token_type("JWT")
            .claim("aud", client)
            .claim("nonce", "test-nonce")
            .claim("auth_time", login)
            .claim("at_hash", URL_SAFE_NO_PAD.encode([7; 16]))
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

    /// Names a key in the header (`kid`). What signs the token stays.
    pub fn key_id(self, id: &str) -> Self {
        self.header("kid", id)
    }

    /// Says in the header of which type it is (`typ`).
    ///
    /// Default: `at+jwt`.
    pub fn token_type(self, name: &str) -> Self {
        self.header("typ", name)
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
        let (header, claims) = (self.header_text(), self.claims_text());
        compact(self.generation, self.algorithm, header.as_bytes(), claims.as_bytes())
    }

    pub(super) fn header_text(&self) -> String {
        Value::Object(self.header.clone()).to_string()
    }

    pub(super) fn claims_text(&self) -> String {
        Value::Object(self.claims.clone()).to_string()
    }
}

/// Signs any header and any payload, well formed or not.
pub(super) fn compact(generation: Generation, algorithm: Algorithm, header: &[u8], payload: &[u8]) -> String {
    compact_by(header, payload, |message| generation.sign(algorithm, message))
}

/// The same by any signature.
pub(super) fn compact_by(header: &[u8], payload: &[u8], sign: impl FnOnce(&[u8]) -> Vec<u8>) -> String {
    let encode = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
    let message = format!("{}.{}", encode(header), encode(payload));
    let signature = sign(message.as_bytes());
    format!("{message}.{}", encode(&signature))
}

fn seconds(at: SystemTime) -> u64 {
    at.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs()
}
