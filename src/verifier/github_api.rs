//! The API of GitHub, and how it is asked.

use bytes::Bytes;
use http::header::{ACCEPT, AUTHORIZATION, IF_NONE_MATCH, USER_AGENT};
use http::{HeaderName, HeaderValue, Request, Uri};

use crate::bearer_token::BearerToken;
use crate::error::VerifyError;
use crate::secret::Secret;
use crate::upstream::{Answer, Upstream};

const API_VERSION: HeaderName = HeaderName::from_static("x-github-api-version");
/// GitHub refuses requests that do not say who asks.
const AGENT: HeaderValue = HeaderValue::from_static(concat!("tower-bearer/", env!("CARGO_PKG_VERSION")));
const MEDIA_TYPE: HeaderValue = HeaderValue::from_static("application/vnd.github+json");

/// The API of GitHub at one address.
#[derive(Debug)]
pub(super) struct Api {
    /// Without a final slash.
    pub(super) base: String,
    pub(super) version: HeaderValue,
    pub(super) upstream: Upstream,
}

impl Api {
    /// Asks as the user whose token it is.
    pub(super) async fn get(
        &self,
        path: &str,
        token: &BearerToken,
        tag: Option<&HeaderValue>,
    ) -> Result<Answer, VerifyError> {
        let uri = format!("{}{path}", self.base).parse().map_err(VerifyError::misconfigured)?;
        let bearer = Secret::new(format!("Bearer {}", token.as_str()));
        let mut authorization = HeaderValue::from_str(bearer.expose()).map_err(VerifyError::unavailable)?;
        authorization.set_sensitive(true);
        let mut request = Request::new(Bytes::new());
        request.headers_mut().extend(tag.map(|tag| (IF_NONE_MATCH, tag.clone())));
        self.ask(request, uri, authorization).await
    }

    /// Sends a request with these credentials.
    pub(super) async fn ask(
        &self,
        mut request: Request<Bytes>,
        uri: Uri,
        authorization: HeaderValue,
    ) -> Result<Answer, VerifyError> {
        *request.uri_mut() = uri;
        let headers = request.headers_mut();
        headers.insert(ACCEPT, MEDIA_TYPE);
        headers.insert(API_VERSION, self.version.clone());
        headers.insert(AUTHORIZATION, authorization);
        headers.insert(USER_AGENT, AGENT);
        self.upstream.ask(request).await
    }
}
