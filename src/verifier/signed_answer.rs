//! Reads introspection answers that the provider signed ([RFC 9701 §5]).
//!
//! 1. The content type and the `typ` of the header are those of a token introspection response.
//! 2. Issuer and audience are the provider and this server, `iat` is of just now.
//! 3. One key of the provider fits, and the signature is good.
//! 4. What the provider says is in `token_introspection`.
//!
//! Whatever is wrong, nobody can tell whether the token is good.
//!
//! [RFC 9701 §5]: https://www.rfc-editor.org/rfc/rfc9701#section-5

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use http::HeaderValue;
use http::header::CONTENT_TYPE;

use super::claims;
use super::jws::{Jws, MAX_SIGNATURE, TokenType};
use crate::error::{VerifyError, VerifyErrorKind};
use crate::json::{Object, Value};
use crate::jwks::{KeyFetcher, KeysAtHand, Selection};
use crate::upstream::Answer;

/// The media type, in the requests and in the answers.
pub(super) const MEDIA_TYPE: HeaderValue = HeaderValue::from_static("application/token-introspection+jwt");

/// How old an answer may be: one of long ago is no answer to what was just asked.
const MAX_AGE: Duration = Duration::from_secs(60);

/// What is asked of signed answers.
#[derive(Debug)]
pub(super) struct SignedAnswers {
    pub(super) issuer: Arc<str>,
    /// As whom the provider knows this server.
    pub(super) audience: String,
    pub(super) leeway: Duration,
    pub(super) keys: KeyFetcher,
}

impl SignedAnswers {
    /// The text of what the provider says, once its signature has been found good.
    pub(super) async fn open(&self, answer: &Answer) -> Result<Vec<u8>, VerifyError> {
        let bad = |text: &'static str| VerifyError::unavailable(text);
        let media_type = answer.field(&CONTENT_TYPE).and_then(|value| value.split(';').next());
        if !media_type.is_some_and(|own| MEDIA_TYPE.as_bytes().eq_ignore_ascii_case(own.trim().as_bytes())) {
            return Err(bad("the answer is not signed"));
        }
        let body = answer.body();
        let keys = self.keys.at_hand();
        if let Some(said) = self.look(body, answer.received_at, &keys)? {
            return Ok(said);
        }
        let unknown = || bad("the key of the signed answer is not known");
        let fetched = self.keys.fetch(&keys).await;
        fetched
            .map_err(|error| if error.kind() == VerifyErrorKind::Unavailable { error } else { unknown() })?;
        self.look(body, answer.received_at, &self.keys.at_hand())?.ok_or_else(unknown)
    }

    /// None: the key is not among those at hand.
    fn look(&self, body: &[u8], now: SystemTime, keys: &KeysAtHand) -> Result<Option<Vec<u8>>, VerifyError> {
        let malformed = |_| VerifyError::unavailable("the signed answer is malformed");
        // As long as the client that fetched it lets it be.
        let jws = Jws::parse_within(body, usize::MAX).map_err(malformed)?;
        let header = jws.header().map_err(malformed)?;
        if header.token_type != TokenType::Introspection || header.algorithm.is_symmetric() {
            return Err(VerifyError::unavailable("the answer is not a signed introspection answer"));
        }
        let Some(set) = &keys.set else { return Ok(None) };
        let key = match set.select(header.key_id.as_deref(), header.algorithm) {
            Selection::Found(key) => key,
            Selection::Unknown => return Ok(None),
            Selection::Unusable => {
                return Err(VerifyError::unavailable("the key of the signed answer is unusable"));
            }
        };
        let mut buffer = [0; MAX_SIGNATURE];
        let signature = jws.signature(&mut buffer).map_err(malformed)?;
        if !key.verify(jws.signed(), signature) {
            return Err(VerifyError::unavailable("the signature of the answer does not match"));
        }
        let payload = jws.payload().map_err(malformed)?;
        self.said(&payload, now).map(Some)
    }

    fn said(&self, payload: &[u8], now: SystemTime) -> Result<Vec<u8>, VerifyError> {
        let bad = |text: &'static str| VerifyError::unavailable(text);
        let claims =
            Object::parse(payload).map_err(|_| bad("the signed answer is not a strict JSON object"))?;
        if claims.string("iss").ok().flatten().as_deref() != Some(&*self.issuer) {
            return Err(bad("the signed answer is of another issuer"));
        }
        let mut is_for_us = false;
        let audiences = claims.get("aud");
        let readable =
            audiences.and_then(|value| value.each_string(|one| is_for_us |= one == *self.audience));
        if readable.is_none() || !is_for_us {
            return Err(bad("the signed answer is for somebody else"));
        }
        let issued = claims::date(&claims, "iat").ok().flatten();
        let now = now.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let in_time = |issued: Duration| issued <= now + self.leeway && now <= issued + self.leeway + MAX_AGE;
        if !issued.is_some_and(in_time) {
            return Err(bad("the signed answer has no date, or is not of just now"));
        }
        // RFC 9701 §5: `sub` and `exp` have no place here, so that it is no access token.
        let said = claims.get("token_introspection").map(Value::text);
        let said = said.filter(|_| !claims.has("sub") && !claims.has("exp"));
        said.map(|said| said.as_bytes().to_vec()).ok_or_else(|| bad("the signed answer says nothing"))
    }
}
