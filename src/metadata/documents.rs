//! Finds the document that a request asks for, and answers with it.

use std::sync::Arc;

use bytes::Bytes;
use http::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN,
    ACCESS_CONTROL_MAX_AGE, ACCESS_CONTROL_REQUEST_HEADERS, ALLOW, CACHE_CONTROL, CONTENT_LENGTH,
    CONTENT_TYPE, VARY, X_CONTENT_TYPE_OPTIONS,
};
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, Uri};

use super::ProtectedResourceMetadata;
use crate::error::{BuildError, BuildErrorKind};

/// RFC 9728 §3.
pub(super) const WELL_KNOWN: &str = "/.well-known/oauth-protected-resource";
const METHODS: HeaderValue = HeaderValue::from_static("GET, HEAD, OPTIONS");
const ANY_ORIGIN: HeaderValue = HeaderValue::from_static("*");
/// Who asks for more headers than that is not a client that wants to read a document.
const MAX_REQUESTED_HEADERS: usize = 1_024;

/// The metadata of all resources of a host. Clones are cheap.
#[derive(Clone, Debug, Default)]
pub(crate) struct Documents {
    all: Arc<[ProtectedResourceMetadata]>,
}

/// What the path of a request asks for.
pub(crate) enum Asked<'a> {
    /// Something else than metadata.
    Nothing,
    /// The metadata of a resource that is not here.
    Unknown,
    /// This.
    Document(&'a ProtectedResourceMetadata),
}

impl Documents {
    pub(crate) fn one(metadata: ProtectedResourceMetadata) -> Self {
        Self { all: Arc::from([metadata]) }
    }

    pub(crate) fn new(all: Vec<ProtectedResourceMetadata>) -> Result<Self, BuildError> {
        let place = |metadata: &ProtectedResourceMetadata| {
            (metadata.inner.path.clone(), metadata.inner.query.clone())
        };
        let mut places: Vec<_> = all.iter().map(place).collect();
        places.sort_unstable();
        if places.windows(2).any(|pair| matches!(pair, [one, other] if one == other)) {
            return Err(BuildError::new("resource", BuildErrorKind::Conflict));
        }
        Ok(Self { all: all.into() })
    }

    pub(crate) fn first(&self) -> Option<&ProtectedResourceMetadata> {
        self.all.first()
    }

    /// Only the path that the request has says which document is meant, byte for byte.
    #[inline]
    pub(crate) fn asked(&self, uri: &Uri) -> Asked<'_> {
        match uri.path().strip_prefix(WELL_KNOWN) {
            Some(rest) if rest.is_empty() || rest.starts_with('/') => {
                self.find(rest, uri.query()).map_or(Asked::Unknown, Asked::Document)
            }
            _ => Asked::Nothing,
        }
    }

    fn find(&self, rest: &str, query: Option<&str>) -> Option<&ProtectedResourceMetadata> {
        let rest = rest.strip_suffix('/').unwrap_or(rest);
        // A query that no resource has is none of our business: caches are asked around in that way.
        let fits = |metadata: &&ProtectedResourceMetadata| {
            *metadata.inner.path == *rest
                && metadata.inner.query.as_deref().is_none_or(|own| query == Some(own))
        };
        let exact = |metadata: &&ProtectedResourceMetadata| fits(metadata) && metadata.inner.query.is_some();
        let found = self.all.iter().find(exact).or_else(|| self.all.iter().find(fits));
        match &*self.all {
            [only] if rest.is_empty() => found.or(Some(only)),
            _ => found,
        }
    }
}

/// Answers a request for metadata. None: nothing is known about that resource.
pub(crate) fn answer<B>(
    document: Option<&ProtectedResourceMetadata>,
    request: &Request<B>,
) -> Response<Bytes> {
    let mut response = match (document, request.method()) {
        (None, _) => status(StatusCode::NOT_FOUND),
        (Some(metadata), &Method::GET | &Method::HEAD) => {
            describe(metadata, request.method() == Method::HEAD)
        }
        (Some(_), &Method::OPTIONS) => preflight(request.headers()),
        (Some(_), _) => {
            let mut response = status(StatusCode::METHOD_NOT_ALLOWED);
            response.headers_mut().insert(ALLOW, METHODS);
            response
        }
    };
    // Everybody may read it, and nothing in it depends on who does.
    response.headers_mut().insert(ACCESS_CONTROL_ALLOW_ORIGIN, ANY_ORIGIN);
    response
}

fn status(status: StatusCode) -> Response<Bytes> {
    let mut response = Response::new(Bytes::new());
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_LENGTH, HeaderValue::from_static("0"));
    response
}

fn describe(metadata: &ProtectedResourceMetadata, is_head: bool) -> Response<Bytes> {
    let json = &metadata.inner.json;
    let mut response = Response::new(if is_head { Bytes::new() } else { json.clone() });
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(CONTENT_LENGTH, json.len().into());
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("public, max-age=3600"));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}

/// Whatever header a browser wants to send along may come: MCP clients send their protocol version.
fn preflight(requested: &HeaderMap) -> Response<Bytes> {
    let mut response = Response::new(Bytes::new());
    *response.status_mut() = StatusCode::NO_CONTENT;
    let headers = response.headers_mut();
    headers.insert(ALLOW, METHODS);
    headers.insert(ACCESS_CONTROL_ALLOW_METHODS, METHODS);
    if let Some(fields) = requested.get(ACCESS_CONTROL_REQUEST_HEADERS)
        && fields.len() <= MAX_REQUESTED_HEADERS
    {
        headers.insert(ACCESS_CONTROL_ALLOW_HEADERS, fields.clone());
    }
    headers.insert(ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static("3600"));
    headers.insert(VARY, HeaderValue::from(ACCESS_CONTROL_REQUEST_HEADERS));
    response
}
