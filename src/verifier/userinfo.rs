//! Asks the provider who the user of each token is.

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use http::header::{AUTHORIZATION, CONTENT_TYPE, WWW_AUTHENTICATE};
use http::{HeaderValue, Request, StatusCode};

use super::profile::Profile;
use super::{TokenVerifier, Verdict};
use crate::address::Address;
use crate::bearer_token::BearerToken;
use crate::error::{VerifyError, VerifyErrorKind};
use crate::secret::Secret;
use crate::upstream::{Answer, Upstream};

/// Verifies tokens of any form by asking with them who their user is: the userinfo endpoint of [OpenID Connect], and
/// what looks like it at GitLab, Atlassian, Salesforce, Discord and others. Clones are cheap and share everything.
///
/// Put a [`CacheLayer`](crate::CacheLayer) around it, or each request costs a call.
///
/// 1. `GET` of the endpoint, with the token as bearer token.
/// 2. 401 is a rejection, and so is 403 with a challenge of `insufficient_scope`. Whatever else is not 200 proves
///    nothing: 503.
/// 3. The answer is one strict JSON object. Who it is about is at `/sub`, or where [`subject_at`] says; it becomes the
///    claims.
///
/// Userinfo does not say for whom a token is. Where the answer names the client, as Discord's does, [`audience_at`]
/// checks it; else [`insecure_allow_any_audience`] has to be said.
///
/// ```
/// # #[cfg(feature = "reqwest")] {
/// use tower_bearer::{CacheLayer, TokenVerifier, verifier::UserInfoVerifier};
///
/// // Discord names the application, the scopes and the expiry of the token.
/// let verifier = UserInfoVerifier::builder("https://discord.com")
///     .endpoint("https://discord.com/api/oauth2/@me")
///     .audience_at("/application/id", "157730590492196864")
///     .client_at("/application/id")
///     .subject_at("/user/id")
///     .scopes_at("/scopes")
///     .expiry_at("/expires")
///     .build()?
///     .cached(CacheLayer::new());
/// # }
/// # Ok::<(), tower_bearer::BuildError>(())
/// ```
///
/// [OpenID Connect]: https://openid.net/specs/openid-connect-core-1_0.html#UserInfo
/// [`audience_at`]: super::UserInfoVerifierBuilder::audience_at
/// [`insecure_allow_any_audience`]: super::UserInfoVerifierBuilder::insecure_allow_any_audience
/// [`subject_at`]: super::UserInfoVerifierBuilder::subject_at
#[derive(Clone)]
pub struct UserInfoVerifier {
    inner: Arc<Inner>,
}

pub(super) struct Inner {
    pub(super) address: Address,
    pub(super) profile: Profile,
    /// A further status and text by which the provider rejects a token.
    pub(super) rejection: Option<(StatusCode, String)>,
    pub(super) upstream: Upstream,
}

impl UserInfoVerifier {
    pub(super) fn new(inner: Inner) -> Self {
        Self { inner: Arc::new(inner) }
    }
}

impl Inner {
    async fn ask(&self, token: &BearerToken) -> Verdict {
        let mut request = Request::new(Bytes::new());
        *request.uri_mut() = self.address.uri().await?;
        let bearer = Secret::new(format!("Bearer {}", token.as_str()));
        let mut authorization = HeaderValue::from_str(bearer.expose()).map_err(VerifyError::unavailable)?;
        authorization.set_sensitive(true);
        request.headers_mut().insert(AUTHORIZATION, authorization);
        let answer = self.upstream.ask(request).await?;
        match answer.status() {
            StatusCode::OK => self.profile.read(&answer, token),
            StatusCode::UNAUTHORIZED if is_about_the_token(&answer) => Err(VerifyErrorKind::Inactive.into()),
            StatusCode::FORBIDDEN if lacks_scope(&answer) => Err(VerifyErrorKind::Claim.into()),
            _ if self.is_rejection(&answer) => Err(VerifyErrorKind::Inactive.into()),
            status => {
                if status == StatusCode::NOT_FOUND {
                    self.address.doubt();
                }
                Err(answer.unavailable())
            }
        }
    }

    fn is_rejection(&self, answer: &Answer) -> bool {
        let body = String::from_utf8_lossy(answer.body());
        let said = |(status, text): &(StatusCode, String)| *status == answer.status() && body.contains(text);
        self.rejection.as_ref().is_some_and(said)
    }
}

/// Not so if something in between answers, which knows nothing of tokens: with a page, or with a challenge for
/// something else.
fn is_about_the_token(answer: &Answer) -> bool {
    let all = |name| answer.headers().get_all(name).iter().map(|value| value.to_str().unwrap_or_default());
    let is_page = |value: &str| value.to_ascii_lowercase().contains("html");
    let is_bearer = |value: &str| value.to_ascii_lowercase().contains("bearer");
    let mut challenges = all(WWW_AUTHENTICATE).peekable();
    !all(CONTENT_TYPE).any(is_page) && (challenges.peek().is_none() || challenges.any(is_bearer))
}

/// RFC 6750 §3.1: the token is good, but not for this.
fn lacks_scope(answer: &Answer) -> bool {
    let challenges = answer.headers().get_all(WWW_AUTHENTICATE).iter();
    challenges
        .filter_map(|value| value.to_str().ok())
        .any(|value| value.contains("error=\"insufficient_scope\""))
}

impl TokenVerifier for UserInfoVerifier {
    async fn verify(&self, token: &BearerToken) -> Verdict {
        self.inner.upstream.within_limits(self.inner.ask(token)).await
    }

    fn issuers(&self) -> Vec<Arc<str>> {
        vec![Arc::clone(&self.inner.profile.issuer)]
    }
}

impl fmt::Debug for UserInfoVerifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UserInfoVerifier").field("issuer", &self.inner.profile.issuer).finish_non_exhaustive()
    }
}
