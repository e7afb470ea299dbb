//! Checks the URLs of a configuration: absolute, `https` or loopback, nothing hidden in them.

use std::net::{Ipv4Addr, Ipv6Addr};
use std::num::NonZeroU16;

use http::Uri;

use crate::error::{BuildError, BuildErrorKind};

/// Reads a URL that this server will send requests to, or name to its clients.
///
/// Characters beyond ASCII are refused, so that a host that only looks like another is written as it is looked up.
pub(crate) fn check(setting: &'static str, text: &str) -> Result<Uri, BuildError> {
    let invalid = || BuildError::new(setting, BuildErrorKind::InvalidUrl);
    let plain = text.bytes().all(|b| matches!(b, 0x21..=0x7E) && !b"\"<>\\^`{|}#".contains(&b));
    if !plain {
        return Err(invalid());
    }
    let uri: Uri = text.parse().map_err(|_| invalid())?;
    let authority = uri.authority().ok_or_else(invalid)?;
    let after_host = authority.as_str().strip_prefix(authority.host()).unwrap_or("@");
    if !after_host.is_empty() && !after_host.strip_prefix(':').is_some_and(is_port) {
        return Err(invalid());
    }
    // A path that means what it says.
    let path = uri.path().to_ascii_lowercase().replace("%2e", ".");
    if !is_host(authority.host()) || path.split('/').any(|segment| matches!(segment, "." | "..")) {
        return Err(invalid());
    }
    match uri.scheme_str() {
        Some("https") => Ok(uri),
        Some("http") if is_loopback(authority.host()) => Ok(uri),
        Some("http") => Err(BuildError::new(setting, BuildErrorKind::InsecureUrl)),
        _ => Err(invalid()),
    }
}

fn is_port(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_digit()) && text.parse::<NonZeroU16>().is_ok()
}

/// An address, or a name of letters, digits and hyphens whose last part is no number, which would be an address.
fn is_host(host: &str) -> bool {
    if let Some(address) = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
        return address.parse::<Ipv6Addr>().is_ok();
    }
    let label = |label: &str| label.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_".contains(&b));
    let name = host.strip_suffix('.').unwrap_or(host);
    let is_number = |label: &str| label.bytes().all(|byte| byte.is_ascii_digit());
    let address = name.rsplit('.').next().is_some_and(is_number);
    name.split('.').all(|part| !part.is_empty() && label(part))
        && (!address || host.parse::<Ipv4Addr>().is_ok())
}

/// Whether a host is this machine by its name or address alone, without a look-up.
fn is_loopback(host: &str) -> bool {
    let bracketed = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
    host.eq_ignore_ascii_case("localhost")
        || host.parse().is_ok_and(|ip: Ipv4Addr| ip.is_loopback())
        || bracketed.is_some_and(|ip| ip.parse().is_ok_and(|ip: Ipv6Addr| ip.is_loopback()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn https_and_loopback_are_accepted() {
        for url in [
            "https://idp.example.com",
            "https://idp.example.com/realms/a?b=c",
            "http://127.0.0.1:8080/jwks",
            "http://localhost/x",
            "http://[::1]:99/",
            "https://10.0.0.1/",
            "https://my_host.example.com./",
            "https://xn--e1afmkfd.example",
        ] {
            assert!(check("issuer", url).is_ok(), "{url}");
        }
    }

    #[test]
    fn everything_else_is_refused() {
        use BuildErrorKind::{InsecureUrl, InvalidUrl};
        for (url, kind) in [
            ("http://idp.example.com", InsecureUrl),
            ("http://127.0.0.1.example.com", InsecureUrl),
            ("http://localhost.example.com", InsecureUrl),
            ("http://10.0.0.1/", InsecureUrl),
            ("file:///etc/passwd", InvalidUrl),
            ("data:application/json,{}", InvalidUrl),
            ("ftp://h/x", InvalidUrl),
            ("https://user@idp.example.com", InvalidUrl),
            ("https://user:pass@idp.example.com/", InvalidUrl),
            ("https://idp.example.com/#frag", InvalidUrl),
            ("https://idp.example.com/a b", InvalidUrl),
            ("https://idp.example.com/\n", InvalidUrl),
            ("https://ex\u{e4}mple.com", InvalidUrl),
            ("https://h:99999/", InvalidUrl),
            ("https://h:/", InvalidUrl),
            ("https://h:0/", InvalidUrl),
            ("https://h/a/..", InvalidUrl),
            ("https://h/%2E%2e/x", InvalidUrl),
            ("https://*/", InvalidUrl),
            ("http://[127.0.0.1]/", InvalidUrl),
            ("https://h:+80/", InvalidUrl),
            ("https://[zz]/", InvalidUrl),
            ("https://256.1.1.1/", InvalidUrl),
            ("https://1.2.3.4.5/", InvalidUrl),
            ("https://a..b/", InvalidUrl),
            ("https://h:port/", InvalidUrl),
            ("https://", InvalidUrl),
            ("//idp.example.com", InvalidUrl),
            ("/relative", InvalidUrl),
            ("idp.example.com", InvalidUrl),
            ("", InvalidUrl),
        ] {
            let error = check("issuer", url).unwrap_err();
            assert_eq!((error.kind(), error.setting()), (kind, "issuer"), "{url}");
        }
    }
}
