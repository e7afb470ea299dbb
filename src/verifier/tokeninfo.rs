//! Asks Google about each token.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use form_urlencoded::Serializer;
use http::header::CONTENT_TYPE;
use http::{HeaderValue, Method, Request, StatusCode, Uri};

use super::profile::{Expiry, Profile};
use super::{TokenVerifier, Verdict, parties};
use crate::bearer_token::BearerToken;
use crate::endpoint;
use crate::error::{BuildError, BuildErrorKind, VerifyErrorKind};
use crate::upstream::{Answer, Settings, Upstream, upstream_setters};

const ENDPOINT: &str = "https://oauth2.googleapis.com/tokeninfo";
const ISSUER: &str = "https://accounts.google.com";
const LEEWAY: Duration = Duration::from_secs(60);

/// Verifies access tokens of Google by its tokeninfo endpoint. Clones are cheap and share everything.
///
/// Put a [`CacheLayer`](crate::CacheLayer) around it, or each request costs a call.
///
/// 1. The token is posted in a form, so that it stands in no address.
/// 2. 400 with `invalid_token` is a rejection. Whatever else is not 200 proves nothing: 503.
/// 3. `aud` has to be one of our client ids, `sub` and `exp` have to be there. A token without `sub` was issued without
///    the scope `openid`.
///
/// The scopes are Google's, in full: `https://www.googleapis.com/auth/userinfo.email`, and `openid`.
///
/// ```
/// # #[cfg(feature = "reqwest")] {
/// use tower_bearer::{CacheLayer, TokenVerifier, verifier::TokenInfoVerifier};
///
/// let verifier = TokenInfoVerifier::builder("123-abc.apps.googleusercontent.com")
///     .build()?
///     .cached(CacheLayer::new());
/// # }
/// # Ok::<(), tower_bearer::BuildError>(())
/// ```
#[derive(Clone)]
pub struct TokenInfoVerifier {
    inner: Arc<Inner>,
}

struct Inner {
    endpoint: Uri,
    profile: Profile,
    upstream: Upstream,
}

impl TokenInfoVerifier {
    /// Starts a verifier for the tokens that were issued to a client of ours.
    pub fn builder(client_id: impl Into<String>) -> TokenInfoVerifierBuilder {
        TokenInfoVerifierBuilder {
            clients: vec![client_id.into()],
            endpoint: ENDPOINT.to_owned(),
            upstream: Settings::default(),
        }
    }
}

impl Inner {
    async fn ask(&self, token: &BearerToken) -> Verdict {
        let form = Serializer::new(String::new()).append_pair("access_token", token.as_str()).finish();
        let mut request = Request::new(Bytes::from(form));
        *request.method_mut() = Method::POST;
        *request.uri_mut() = self.endpoint.clone();
        let form = HeaderValue::from_static("application/x-www-form-urlencoded");
        request.headers_mut().insert(CONTENT_TYPE, form);
        let answer = self.upstream.ask(request).await?;
        match answer.status() {
            StatusCode::OK => self.profile.read(&answer, token),
            StatusCode::BAD_REQUEST if is_rejection(&answer) => Err(VerifyErrorKind::Inactive.into()),
            _ => Err(answer.unavailable()),
        }
    }
}

fn is_rejection(answer: &Answer) -> bool {
    let Ok(object) = answer.object() else { return false };
    let says = |name: &str, text: &str| object.string(name).ok().flatten().as_deref() == Some(text);
    says("error", "invalid_token") || says("error_description", "Invalid Value")
}

impl TokenVerifier for TokenInfoVerifier {
    async fn verify(&self, token: &BearerToken) -> Verdict {
        self.inner.upstream.within_limits(self.inner.ask(token)).await
    }

    fn issuers(&self) -> Vec<Arc<str>> {
        vec![Arc::clone(&self.inner.profile.issuer)]
    }
}

impl fmt::Debug for TokenInfoVerifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let clients = self.inner.profile.audience.as_ref().map(|(_, clients)| clients);
        f.debug_struct("TokenInfoVerifier").field("clients", &clients).finish_non_exhaustive()
    }
}

/// Sets up a [`TokenInfoVerifier`]. Made by [`TokenInfoVerifier::builder`].
#[derive(Clone)]
#[must_use = "the verifier is made by `build`"]
pub struct TokenInfoVerifierBuilder {
    clients: Vec<String>,
    endpoint: String,
    upstream: Settings,
}

upstream_setters!(TokenInfoVerifierBuilder);

impl TokenInfoVerifierBuilder {
    /// Accepts tokens that were issued to another client of ours too.
    pub fn add_client(mut self, client_id: impl Into<String>) -> Self {
        self.clients.push(client_id.into());
        self
    }

    /// Asks at another address. Default: `https://oauth2.googleapis.com/tokeninfo`.
    pub fn endpoint(mut self, url: impl Into<String>) -> Self {
        self.endpoint = url.into();
        self
    }

    /// Makes the verifier. Sends nothing.
    ///
    /// # Errors
    ///
    /// - a client id: [`Empty`](BuildErrorKind::Empty), [`InvalidText`](BuildErrorKind::InvalidText)
    /// - endpoint: [`InvalidUrl`](BuildErrorKind::InvalidUrl), [`InsecureUrl`](BuildErrorKind::InsecureUrl)
    /// - a duration or number: [`OutOfRange`](BuildErrorKind::OutOfRange)
    /// - no client to ask with: [`Missing`](BuildErrorKind::Missing)
    /// - the default client cannot set up TLS: [`Tls`](BuildErrorKind::Tls)
    pub fn build(self) -> Result<TokenInfoVerifier, BuildError> {
        if self.clients.iter().any(|client| client.trim().is_empty() || client == "*") {
            return Err(BuildError::new("client_id", BuildErrorKind::Empty));
        }
        self.clients.iter().try_for_each(|client| parties::plain("client_id", client))?;
        let profile = Profile {
            issuer: ISSUER.into(),
            subject: "/sub".to_owned(),
            client: Some("/azp".to_owned()),
            scopes: Some("/scope".to_owned()),
            expiry: Some(("/exp".to_owned(), Expiry::Date)),
            audience: Some(("/aud".to_owned(), self.clients)),
            leeway: LEEWAY,
        };
        let endpoint = endpoint::check("endpoint", &self.endpoint)?;
        let upstream = self.upstream.build()?;
        Ok(TokenInfoVerifier { inner: Arc::new(Inner { endpoint, profile, upstream }) })
    }
}

impl fmt::Debug for TokenInfoVerifierBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TokenInfoVerifierBuilder").field("clients", &self.clients).finish_non_exhaustive()
    }
}
