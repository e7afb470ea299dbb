//! Reads `Host` and `Origin` values: pure functions, and nothing is guessed.

use std::borrow::Cow;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::num::NonZeroU16;

/// RFC 1035 §2.3.4.
const MAX_NAME: usize = 253;
const MAX_LABEL: usize = 63;

/// A host, and a port if it is written ([RFC 3986 §3.2] without user information).
///
/// [RFC 3986 §3.2]: https://www.rfc-editor.org/rfc/rfc3986#section-3.2
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Authority<'a> {
    pub(super) host: Host<'a>,
    pub(super) port: Option<NonZeroU16>,
}

/// An address by its value, or a name in lower case.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum Host<'a> {
    Address(IpAddr),
    Name(Cow<'a, str>),
}

/// Where a page comes from ([RFC 6454 §7]), without a port that goes without saying.
///
/// [RFC 6454 §7]: https://www.rfc-editor.org/rfc/rfc6454#section-7
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum Origin<'a> {
    /// `null`: from nowhere that could be named.
    Opaque,
    Page {
        scheme: Cow<'a, str>,
        authority: Authority<'a>,
    },
}

impl<'a> Authority<'a> {
    pub(super) fn parse(text: &'a str) -> Option<Self> {
        let (host, port) = if text.starts_with('[') {
            let (host, rest) = text.split_at_checked(text.find(']')? + 1)?;
            let address: Ipv6Addr = host.strip_prefix('[')?.strip_suffix(']')?.parse().ok()?;
            let port = if rest.is_empty() { None } else { Some(rest.strip_prefix(':')?) };
            (Host::Address(address.into()), port)
        } else {
            let (host, port) = text.split_once(':').map_or((text, None), |(host, port)| (host, Some(port)));
            (Host::parse(host)?, port)
        };
        let port = match port {
            Some(port) => Some(parse_port(port)?),
            None => None,
        };
        Some(Self { host, port })
    }

    /// Leaves out the port that the scheme has anyway.
    pub(super) fn without_default_port(mut self, scheme: Option<&str>) -> Self {
        self.port = self.port.filter(|port| scheme.and_then(default_port) != Some(*port));
        self
    }

    pub(super) fn into_owned(self) -> Authority<'static> {
        let host = match self.host {
            Host::Address(address) => Host::Address(address),
            Host::Name(name) => Host::Name(Cow::Owned(name.into_owned())),
        };
        Authority { host, port: self.port }
    }
}

impl<'a> Host<'a> {
    /// A name, or an IPv4 address of four decimal numbers. A final dot would be another spelling of the same name.
    fn parse(text: &'a str) -> Option<Self> {
        let is_label = |label: &str| {
            let is_part = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
            (1..=MAX_LABEL).contains(&label.len()) && label.bytes().all(is_part)
        };
        if text.len() > MAX_NAME || !text.split('.').all(is_label) {
            return None;
        }
        // What ends in a number is an address, by some reading at least.
        let last = text.rsplit('.').next()?;
        let is_hexadecimal = last.get(..2).is_some_and(|start| start.eq_ignore_ascii_case("0x"));
        if is_hexadecimal || last.bytes().all(|byte| byte.is_ascii_digit()) {
            return text.parse::<Ipv4Addr>().ok().map(|address| Self::Address(address.into()));
        }
        Some(Self::Name(lower_case(text)))
    }
}

impl<'a> Origin<'a> {
    pub(super) fn parse(text: &'a str) -> Option<Self> {
        if text == "null" {
            return Some(Self::Opaque);
        }
        let (scheme, authority) = text.split_once("://")?;
        let is_part = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'-' | b'.');
        if !scheme.starts_with(|first: char| first.is_ascii_alphabetic()) || !scheme.bytes().all(is_part) {
            return None;
        }
        let scheme = lower_case(scheme);
        let authority = Authority::parse(authority)?.without_default_port(Some(&scheme));
        Some(Self::Page { scheme, authority })
    }

    pub(super) fn into_owned(self) -> Origin<'static> {
        match self {
            Self::Opaque => Origin::Opaque,
            Self::Page { scheme, authority } => {
                Origin::Page { scheme: Cow::Owned(scheme.into_owned()), authority: authority.into_owned() }
            }
        }
    }
}

/// The port of a scheme ([Fetch and URL](https://url.spec.whatwg.org/#default-port)).
pub(super) fn default_port(scheme: &str) -> Option<NonZeroU16> {
    match scheme {
        "http" | "ws" => NonZeroU16::new(80),
        "https" | "wss" => NonZeroU16::new(443),
        _ => None,
    }
}

fn parse_port(text: &str) -> Option<NonZeroU16> {
    let is_number = text.bytes().all(|byte| byte.is_ascii_digit()) && !text.starts_with('0');
    if is_number { text.parse().ok() } else { None }
}

fn lower_case(text: &str) -> Cow<'_, str> {
    if text.bytes().any(|byte| byte.is_ascii_uppercase()) {
        Cow::Owned(text.to_ascii_lowercase())
    } else {
        Cow::Borrowed(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spellings_of_one_authority_are_one() {
        for (a, b) in [
            ("LocalHost:80", "localhost:80"),
            ("[::1]:1", "[0:0:0:0:0:0:0:1]:1"),
            ("[FE80::A]", "[fe80::a]"),
            ("127.0.0.1", "127.0.0.1"),
        ] {
            assert_eq!(Authority::parse(a).unwrap(), Authority::parse(b).unwrap(), "{a}");
        }
    }

    #[test]
    fn what_is_no_host_and_port_is_not_read() {
        let long = "a".repeat(64);
        for text in [
            "",
            ".",
            "localhost.",
            ".localhost",
            "a..b",
            "localhost:",
            "localhost:0",
            "localhost:080",
            "localhost:65536",
            "localhost:+80",
            "localhost:80:80",
            "localhost,evil.example",
            "localhost evil.example",
            " localhost",
            "localhost\t",
            "user@localhost",
            "localhost@evil.example",
            "localhost/",
            "localhost#",
            "localhost?",
            "localhost\\",
            "local%68ost",
            "*",
            "*.example.com",
            "::1",
            "[::1",
            "[::1]80",
            "[::1]:",
            "[::1%lo]",
            "[127.0.0.1]",
            "[]",
            "127.1",
            "127.0.0.01",
            "0x7f000001",
            "127.0.0.0x1",
            "2130706433",
            "127.0.0.1.",
            "ex\u{e4}mple",
            &long,
        ] {
            assert_eq!(Authority::parse(text), None, "{text}");
        }
    }

    #[test]
    fn what_is_no_origin_is_not_read() {
        for text in [
            "",
            "NULL",
            "null, null",
            "localhost",
            "//localhost",
            "://localhost",
            "http:localhost",
            "http://",
            "http:///",
            "http://localhost/",
            "http://localhost?",
            "http://localhost http://evil.example",
            "1http://localhost",
            "ht_tp://localhost",
            "http://user@localhost",
            "http://*",
        ] {
            assert_eq!(Origin::parse(text), None, "{text}");
        }
    }
}
