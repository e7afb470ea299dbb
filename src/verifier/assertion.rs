//! Assertions that this server signs to prove who asks ([RFC 7523 §3]).
//!
//! [RFC 7523 §3]: https://www.rfc-editor.org/rfc/rfc7523#section-3

use std::hash::{BuildHasher, RandomState};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::json;

use crate::algorithm::Algorithm;
use crate::signer::Signer;

/// The value of `client_assertion_type`.
pub(super) const TYPE: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
/// Long enough for a request to arrive, and for clocks that differ.
const LIFETIME: Duration = Duration::from_secs(60);

/// Makes assertions, each good for one request.
#[derive(Debug)]
pub(super) struct Assertions {
    client: String,
    audience: String,
    key: Option<String>,
    signer: Signer,
    // Providers refuse an id that they have seen: no other process may come to the same ones.
    ids: [RandomState; 2],
    made: AtomicU64,
}

impl Assertions {
    /// None if the key cannot sign by the algorithm.
    pub(super) fn new(
        client: &str,
        algorithm: Algorithm,
        pem: &str,
        audience: &str,
        key: Option<&str>,
    ) -> Option<Self> {
        Some(Self {
            client: client.to_owned(),
            audience: audience.to_owned(),
            key: key.map(str::to_owned),
            signer: Signer::new(algorithm, pem)?,
            ids: [RandomState::new(), RandomState::new()],
            made: AtomicU64::new(0),
        })
    }

    pub(super) fn client(&self) -> &str {
        &self.client
    }

    /// The assertion for one request. None if it cannot be signed.
    pub(super) fn next(&self, now: SystemTime) -> Option<String> {
        let number = self.made.fetch_add(1, Ordering::Relaxed);
        let id: String = self.ids.iter().map(|state| format!("{:016x}", state.hash_one(number))).collect();
        let issued_at = now.duration_since(SystemTime::UNIX_EPOCH).ok()?;
        let mut header = json!({ "alg": self.signer.algorithm().name(), "typ": "JWT" });
        if let (Some(key), Some(members)) = (&self.key, header.as_object_mut()) {
            members.insert("kid".to_owned(), key.as_str().into());
        }
        let claims = json!({
            "iss": self.client,
            "sub": self.client,
            "aud": self.audience,
            "jti": id,
            "iat": issued_at.as_secs(),
            "exp": (issued_at + LIFETIME).as_secs(),
        });
        let encode = |part: &str| URL_SAFE_NO_PAD.encode(part);
        let message = format!("{}.{}", encode(&header.to_string()), encode(&claims.to_string()));
        let signature = self.signer.sign(message.as_bytes())?;
        Some(format!("{message}.{}", URL_SAFE_NO_PAD.encode(signature)))
    }
}
