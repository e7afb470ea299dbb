//! Finds the metadata of an issuer, and an address in them.
//!
//! Metadata are looked for where [OpenID Connect Discovery §4] and [RFC 8414 §3.1] put them, in this order:
//!
//! 1. `{issuer}/.well-known/openid-configuration`
//! 2. `/.well-known/oauth-authorization-server` before the path of the issuer
//! 3. `/.well-known/openid-configuration` before the path of the issuer
//!
//! A document counts if its `issuer` is the configured one, byte for byte; otherwise the next place is looked at,
//! unless the host gives no answer or is busy (429, 503).
//!
//! [OpenID Connect Discovery §4]: https://openid.net/specs/openid-connect-discovery-1_0.html#ProviderConfig
//! [RFC 8414 §3.1]: https://www.rfc-editor.org/rfc/rfc8414#section-3.1

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use http::header::{ACCEPT, HeaderMap};
use http::{HeaderValue, Request, StatusCode, Uri};

use crate::client::{HttpClient, Limits};
use crate::error::VerifyError;
use crate::json::Object;
use crate::{endpoint, freshness};

const MAX_BODY: usize = 256 * 1024;

/// Fetches documents of one issuer.
#[derive(Clone, Debug)]
pub(crate) struct Issuer {
    pub(crate) issuer: Arc<str>,
    pub(crate) client: Arc<dyn HttpClient>,
    pub(crate) timeout: Duration,
}

impl Issuer {
    /// Asks the metadata for an address, by the name of the member that has it.
    pub(crate) async fn discover(&self, member: &'static str, now: SystemTime) -> Result<Uri, VerifyError> {
        let mut first_fault = None;
        for uri in places(&self.issuer) {
            let found = match self.get(&uri, now).await {
                Ok((_, body)) => self.address(&body, member),
                Err(fault) if fault.host_is_well() => Err(fault.into()),
                // The host does not answer, or asks to be left alone: the other places are on the same host.
                Err(fault) => return Err(fault.into()),
            };
            match found {
                Ok(uri) => return Ok(uri),
                Err(fault) => first_fault = first_fault.or(Some(fault)),
            }
        }
        Err(first_fault.unwrap_or_else(|| VerifyError::unavailable("the issuer has no metadata")))
    }

    fn address(&self, metadata: &[u8], member: &'static str) -> Result<Uri, VerifyError> {
        let fault = |text: &str| VerifyError::unavailable(text);
        let metadata = Object::parse(metadata).map_err(|_| fault("the metadata are not a JSON object"))?;
        // RFC 8414 §3.3: identical, else the data must not be used.
        if metadata.string("issuer").ok().flatten().as_deref() != Some(&*self.issuer) {
            return Err(fault("the metadata are those of another issuer"));
        }
        let uri = metadata.string(member).ok().flatten();
        let uri = uri.ok_or_else(|| VerifyError::unavailable(format!("the metadata have no {member}")))?;
        let uri = endpoint::check(member, &uri).map_err(VerifyError::unavailable)?;
        // Plain text is for an issuer that is itself on this machine.
        if uri.scheme_str() == Some("http")
            && self.issuer.get(..6).is_some_and(|scheme| scheme.eq_ignore_ascii_case("https:"))
        {
            return Err(fault("the metadata of an https issuer name an http address"));
        }
        Ok(uri)
    }

    /// Fetches one document.
    pub(crate) async fn get(&self, uri: &Uri, now: SystemTime) -> Result<(HeaderMap, Bytes), Fault> {
        let mut request = Request::new(Bytes::new());
        *request.uri_mut() = uri.clone();
        request.headers_mut().insert(ACCEPT, HeaderValue::from_static("application/json"));
        let limits = Limits::new(self.timeout, MAX_BODY);
        let answer = self.client.send(request, limits).await.map_err(Fault::NoAnswer)?;
        let (head, body) = answer.into_parts();
        if head.status != StatusCode::OK {
            return Err(Fault::Status(head.status, freshness::retry_after(&head.headers, now)));
        }
        if body.len() > MAX_BODY {
            return Err(Fault::NoAnswer(VerifyError::unavailable("the answer is too long")));
        }
        Ok((head.headers, body))
    }
}

/// Why a document could not be had.
pub(crate) enum Fault {
    NoAnswer(VerifyError),
    Status(StatusCode, Option<Duration>),
}

impl Fault {
    /// Whether the host is well and just has no such document here.
    fn host_is_well(&self) -> bool {
        let busy = [StatusCode::TOO_MANY_REQUESTS, StatusCode::SERVICE_UNAVAILABLE];
        matches!(self, Self::Status(status, _) if !busy.contains(status))
    }
}

impl From<Fault> for VerifyError {
    fn from(fault: Fault) -> Self {
        match fault {
            Fault::NoAnswer(error) => error,
            Fault::Status(status, retry_after) => {
                let error = Self::unavailable(format!("the issuer answered with status {}", status.as_u16()));
                retry_after.into_iter().fold(error, Self::retry_after)
            }
        }
    }
}

/// Where the metadata of an issuer may be, without repetition.
fn places(issuer: &str) -> Vec<Uri> {
    let base = issuer.trim_end_matches('/');
    let path_at = base.find("://").map_or(0, |at| at + 3);
    let path_at = base.get(path_at..).and_then(|rest| rest.find('/')).map_or(base.len(), |at| path_at + at);
    let (origin, path) = base.split_at(path_at);
    let mut places: Vec<Uri> = Vec::new();
    for place in [
        format!("{base}/.well-known/openid-configuration"),
        format!("{origin}/.well-known/oauth-authorization-server{path}"),
        format!("{origin}/.well-known/openid-configuration{path}"),
    ] {
        match place.parse() {
            Ok(uri) if !places.contains(&uri) => places.push(uri),
            _ => {}
        }
    }
    places
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(issuer: &str) -> Vec<String> {
        places(issuer).iter().map(Uri::to_string).collect()
    }

    #[test]
    fn metadata_are_looked_for_in_both_places() {
        assert_eq!(texts("https://h"), texts("https://h/"));
        assert_eq!(
            texts("https://h/"),
            [
                "https://h/.well-known/openid-configuration",
                "https://h/.well-known/oauth-authorization-server"
            ],
        );
        assert_eq!(
            texts("https://h:8443/a/b/"),
            [
                "https://h:8443/a/b/.well-known/openid-configuration",
                "https://h:8443/.well-known/oauth-authorization-server/a/b",
                "https://h:8443/.well-known/openid-configuration/a/b",
            ],
        );
    }
}
