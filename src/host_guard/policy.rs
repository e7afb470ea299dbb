//! Which hosts and origins may come: the decision.

use http::header::{HOST, ORIGIN};
use http::{HeaderMap, HeaderName, HeaderValue, Uri};

use super::authority::{Authority, Origin, default_port};
use crate::log::{Escaped, TARGET};
use crate::once_a_minute::OnceAMinute;

/// Everything that a guard decides by.
pub(super) struct Policy {
    pub(super) hosts: Vec<Authority<'static>>,
    pub(super) origins: Vec<AllowedOrigin>,
    pub(super) warning: OnceAMinute,
}

/// An origin of the list.
#[derive(Debug)]
pub(super) struct AllowedOrigin {
    pub(super) origin: Origin<'static>,
    pub(super) port: PortRule,
}

#[derive(Clone, Copy, Debug)]
pub(super) enum PortRule {
    Any,
    Exact,
}

impl Policy {
    pub(super) fn allows(&self, uri: &Uri, headers: &HeaderMap) -> bool {
        if !self.allows_host(uri, headers) {
            let named = uri.authority().map(|authority| authority.as_str().as_bytes());
            self.log("host", named.or_else(|| headers.get(HOST).map(HeaderValue::as_bytes)));
            return false;
        }
        let is_allowed = self.allows_origin(headers);
        if !is_allowed {
            self.log("origin", headers.get(ORIGIN).map(HeaderValue::as_bytes));
        }
        is_allowed
    }

    fn allows_host(&self, uri: &Uri, headers: &HeaderMap) -> bool {
        let scheme = uri.scheme_str();
        let read = |text| Authority::parse(text).map(|read| read.without_default_port(scheme));
        let host = match (uri.authority(), only(headers, &HOST)) {
            (_, Err(Unreadable)) => None,
            (None, Ok(host)) => host.and_then(read),
            (Some(authority), Ok(None)) => read(authority.as_str()),
            // RFC 9112 §3.2.2 lets the URI win. Whoever sends two means to be two different ones to somebody.
            (Some(authority), Ok(Some(host))) => {
                read(authority.as_str()).filter(|own| read(host).as_ref() == Some(own))
            }
        };
        host.is_some_and(|host| self.hosts.iter().any(|allowed| is_host(allowed, &host, scheme)))
    }

    fn allows_origin(&self, headers: &HeaderMap) -> bool {
        match only(headers, &ORIGIN) {
            Ok(None) => true,
            Ok(Some(text)) => Origin::parse(text)
                .is_some_and(|origin| self.origins.iter().any(|allowed| allowed.is(&origin))),
            Err(Unreadable) => false,
        }
    }

    /// Whoever sets the lists has to see what is missing; a page that tries a hundred times must not fill the log.
    fn log(&self, reason: &'static str, value: Option<&[u8]>) {
        let value = String::from_utf8_lossy(value.unwrap_or_default());
        let value = Escaped(&value);
        if self.warning.is_due() {
            tracing::warn!(target: TARGET, outcome = "rejected", reason, %value);
        } else {
            tracing::debug!(target: TARGET, outcome = "rejected", reason, %value);
        }
    }
}

impl AllowedOrigin {
    fn is(&self, other: &Origin<'_>) -> bool {
        match (&self.origin, other, self.port) {
            (
                Origin::Page { scheme, authority },
                Origin::Page { scheme: other_scheme, authority: other },
                PortRule::Any,
            ) => scheme == other_scheme && authority.host == other.host,
            (own, other, _) => own == other,
        }
    }
}

struct Unreadable;

/// The only value of a field, as text.
fn only<'a>(headers: &'a HeaderMap, field: &HeaderName) -> Result<Option<&'a str>, Unreadable> {
    let mut values = headers.get_all(field).iter();
    match (values.next(), values.next()) {
        (None, _) => Ok(None),
        (Some(value), None) => value.to_str().map(Some).map_err(|_| Unreadable),
        (Some(_), Some(_)) => Err(Unreadable),
    }
}

/// Whether a host is that of the list. Without a port it is at the port of its scheme; where that is not known, as in
/// HTTP/1.1, at either of the two.
fn is_host(allowed: &Authority<'_>, host: &Authority<'_>, scheme: Option<&str>) -> bool {
    let is_at = |port| match (host.port, scheme) {
        (Some(own), _) => own == port,
        (None, Some(scheme)) => default_port(scheme) == Some(port),
        (None, None) => ["http", "https"].map(default_port).contains(&Some(port)),
    };
    allowed.host == host.host && allowed.port.is_none_or(is_at)
}
