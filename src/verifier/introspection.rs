//! Asks the issuer about each token.

use std::fmt;
use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use form_urlencoded::Serializer;
use http::header::{AUTHORIZATION, CONTENT_TYPE};
use http::{HeaderValue, Method, Request, StatusCode};

use super::claims::Rules;
use super::client_authentication::ClientAuthentication;
#[cfg(all(feature = "jwt", any(feature = "aws-lc-rs", feature = "rust-crypto")))]
use super::signed_answer::{self, SignedAnswers};
use super::{TokenVerifier, Verdict, answered_claims, introspection_answer as answer};
use crate::address::Address;
use crate::bearer_token::BearerToken;
use crate::client::Attempt;
use crate::error::VerifyError;
use crate::upstream::{Answer, Upstream};

/// Verifies tokens of any form by asking their issuer ([RFC 7662]). Clones are cheap and share everything.
///
/// Put a [`CacheLayer`](crate::CacheLayer) around it, or each request costs a call.
///
/// 1. The token is posted to the endpoint, with the credentials of this server.
/// 2. The answer is 200 and one strict JSON object. JSON `true` in `active` is active, `false` is a rejection; whatever
///    else comes back is no answer, and nobody can tell: 503. A 4xx other than 408, 425 and 429 is our own fault, and
///    logged as an error: credentials that are refused, a wrong address, or tokens that the endpoint does not take
///    (several answer 400 to a JWT).
/// 3. Issuer, audience, dates and class of the token are judged as those of a JWT are: the answer has to name the
///    issuer, one of our audiences and an expiry.
///
/// What the answer says becomes the claims, without `active` and without anything that repeats the token. `sub` is the
/// subject; `username` is a claim and nothing more, unless [`username_as_subject`] is set. A token with `username` and
/// without `sub` is of a user whom nobody names: it has no [`principal`](crate::AccessToken::principal).
///
/// Nothing that a token says of itself counts, also if it looks like a JWT.
///
/// ```
/// # #[cfg(feature = "reqwest")] {
/// use tower_bearer::{CacheLayer, IntrospectionVerifier, TokenVerifier};
///
/// // The endpoint is found through the issuer's metadata when the first token comes. Nothing is asked here.
/// let verifier = IntrospectionVerifier::builder("https://idp.example.com/", "https://api.example.com")
///     .client_secret_basic("my-api", "the secret of my-api")
///     .build()?
///     .cached(CacheLayer::new());
/// # }
/// # Ok::<(), tower_bearer::BuildError>(())
/// ```
///
/// # Security
///
/// The endpoint sees every token that is asked about. In a chain, let those answer first whose tokens it should not
/// see, or set [`opaque_tokens_only`].
///
/// [RFC 7662]: https://www.rfc-editor.org/rfc/rfc7662
/// [`opaque_tokens_only`]: super::IntrospectionVerifierBuilder::opaque_tokens_only
/// [`username_as_subject`]: super::IntrospectionVerifierBuilder::username_as_subject
#[derive(Clone)]
pub struct IntrospectionVerifier {
    inner: Arc<Inner>,
}

pub(super) struct Inner {
    pub(super) address: Address,
    pub(super) authentication: ClientAuthentication,
    pub(super) rules: Rules,
    pub(super) upstream: Upstream,
    pub(super) username_as_subject: bool,
    pub(super) opaque_only: bool,
    #[cfg(all(feature = "jwt", any(feature = "aws-lc-rs", feature = "rust-crypto")))]
    pub(super) signed: Option<SignedAnswers>,
}

impl IntrospectionVerifier {
    pub(super) fn new(inner: Inner) -> Self {
        Self { inner: Arc::new(inner) }
    }
}

impl Inner {
    async fn ask(&self, token: &BearerToken) -> Verdict {
        let answer = self.answer(token).await?;
        match answer.status() {
            StatusCode::OK => {}
            status => {
                if status == StatusCode::NOT_FOUND {
                    self.address.doubt();
                }
                return Err(refused(&answer));
            }
        }
        let body = self.body(&answer).await?;
        let members = answer::read(&body, token.as_str())?;
        let checked = self.rules.check_object(&members, answer.received_at)?;
        let has_subject = checked.subject().is_some();
        let mut vouched = self.rules.vouch(checked);
        match answer::username(&members) {
            Some(name) if !has_subject && self.username_as_subject && !name.is_empty() => {
                vouched = vouched.subject(name);
            }
            Some(_) if !has_subject => vouched = vouched.of_unnamed_user(),
            _ => {}
        }
        let mut claims = answered_claims::claims(&body, token.as_str());
        claims.remove("active");
        Ok(vouched.claims(claims).build())
    }

    /// The answer of the endpoint. An assertion is good for one use: with one, a request is not sent again but made
    /// anew.
    async fn answer(&self, token: &BearerToken) -> Result<Answer, VerifyError> {
        let mut request = self.request(token).await?;
        if !self.authentication.is_for_one_use() {
            return self.upstream.ask(request).await;
        }
        request.extensions_mut().insert(Attempt::Only);
        match self.upstream.ask(request).await {
            Err(error) if error.is_cut_off() => {
                let mut request = self.request(token).await?;
                request.extensions_mut().insert(Attempt::Second);
                self.upstream.ask(request).await
            }
            answer => answer,
        }
    }

    async fn request(&self, token: &BearerToken) -> Result<Request<Bytes>, VerifyError> {
        let uri = self.address.uri().await?;
        let mut form = Serializer::new(String::new());
        form.append_pair("token", token.as_str()).append_pair("token_type_hint", "access_token");
        let proof = self.authentication.prove(&mut form, self.upstream.clock.now())?;
        let mut request = Request::new(Bytes::from(form.finish()));
        *request.method_mut() = Method::POST;
        *request.uri_mut() = uri;
        let headers = request.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/x-www-form-urlencoded"));
        headers.extend(proof.map(|proof| (AUTHORIZATION, proof)));
        #[cfg(all(feature = "jwt", any(feature = "aws-lc-rs", feature = "rust-crypto")))]
        if self.signed.is_some() {
            headers.insert(http::header::ACCEPT, signed_answer::MEDIA_TYPE);
        }
        Ok(request)
    }

    #[cfg(all(feature = "jwt", any(feature = "aws-lc-rs", feature = "rust-crypto")))]
    async fn body(&self, answer: &Answer) -> Result<Vec<u8>, VerifyError> {
        match &self.signed {
            // Boxed: it is large, and seldom needed.
            Some(signed) => Box::pin(signed.open(answer)).await,
            None => Ok(answer.body().to_vec()),
        }
    }

    #[cfg(not(all(feature = "jwt", any(feature = "aws-lc-rs", feature = "rust-crypto"))))]
    async fn body(&self, answer: &Answer) -> Result<Vec<u8>, VerifyError> {
        Ok(answer.body().to_vec())
    }
}

/// What a status other than 200 means. RFC 7662 §2.3: our credentials; never the token.
fn refused(answer: &Answer) -> VerifyError {
    let passing = [StatusCode::REQUEST_TIMEOUT, StatusCode::TOO_EARLY, StatusCode::TOO_MANY_REQUESTS];
    match answer.status().is_client_error() && !passing.contains(&answer.status()) {
        true => answer.misconfigured(),
        false => answer.unavailable(),
    }
}

impl TokenVerifier for IntrospectionVerifier {
    async fn verify(&self, token: &BearerToken) -> Verdict {
        if !self.recognises(token) {
            return Err(VerifyError::not_mine());
        }
        self.inner.upstream.within_limits(self.inner.ask(token)).await
    }

    fn recognises(&self, token: &BearerToken) -> bool {
        !self.inner.opaque_only || !is_jwt(token.as_bytes())
    }

    fn issuers(&self) -> Vec<Arc<str>> {
        self.inner.rules.issuers.own().into_iter().cloned().collect()
    }
}

/// Whether a token has the parts of a JWT, signed or encrypted, the first of which is an object.
fn is_jwt(token: &[u8]) -> bool {
    let dots = token.iter().filter(|byte| **byte == b'.').count();
    let header = token.split(|byte| *byte == b'.').next().unwrap_or_default();
    let is_object = |header: Vec<u8>| header.trim_ascii_start().starts_with(b"{");
    matches!(dots, 2 | 4) && URL_SAFE_NO_PAD.decode(header).is_ok_and(is_object)
}

impl fmt::Debug for IntrospectionVerifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("IntrospectionVerifier")
            .field("issuer", &self.inner.rules.issuers.own())
            .field("audiences", &self.inner.rules.audiences)
            .finish_non_exhaustive()
    }
}
