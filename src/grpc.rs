//! gRPC: which requests are calls, how long their callers wait, and what a rejection looks like to them.
//!
//! | rejection | HTTP | `grpc-status` |
//! |---|---|---|
//! | missing token, invalid token, insufficient authentication | 401 | 16, unauthenticated |
//! | insufficient scope, insufficient claims | 403 | 7, permission denied |
//! | invalid request | 400 | 3, invalid argument |
//! | unavailable, out of time | 503 | 14, unavailable |
//! | a fault of this server | 500 | 13, internal |
//!
//! The answer is "trailers only" ([Responses]): HTTP 200, no body, status and message in the header. Everything else that
//! the HTTP answer has in its header rides along as metadata.
//!
//! [Responses]: https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md#responses

use std::time::Duration;

use bytes::Bytes;
use http::header::{CONTENT_LENGTH, CONTENT_TYPE};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Response, StatusCode};

const GRPC_MESSAGE: HeaderName = HeaderName::from_static("grpc-message");
const GRPC_STATUS: HeaderName = HeaderName::from_static("grpc-status");
const GRPC_TIMEOUT: HeaderName = HeaderName::from_static("grpc-timeout");

/// Content types of calls, and those of the answers to them, also where messages are JSON: clients compare the codec.
const FAMILIES: [(&str, &str, &str); 3] = [
    ("application/grpc", "application/grpc", "application/grpc+json"),
    ("application/grpc-web", "application/grpc-web+proto", "application/grpc-web+json"),
    ("application/grpc-web-text", "application/grpc-web-text+proto", "application/grpc-web-text+json"),
];

/// That a request is a gRPC call, and of which family.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Call {
    family: u8,
    is_json: bool,
}

impl Call {
    /// Reads it from the method and the content type. None: the request is none.
    pub(crate) fn of(method: &Method, headers: &HeaderMap) -> Option<Self> {
        if method != Method::POST {
            return None;
        }
        let media = only(headers, &CONTENT_TYPE)?.to_str().ok()?;
        let essence = media.split_once(';').map_or(media, |(essence, _)| essence).trim_ascii();
        let (family, codec) = essence.split_once('+').unwrap_or((essence, ""));
        if !codec.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+-._".contains(&byte)) {
            return None;
        }
        let family = (0..).zip(FAMILIES).find(|(_, (name, ..))| name.eq_ignore_ascii_case(family))?.0;
        Some(Self { family, is_json: codec.eq_ignore_ascii_case("json") })
    }

    /// The content type of its answer.
    fn content_type(self) -> &'static str {
        let (_, proto, json) = FAMILIES.get(usize::from(self.family)).copied().unwrap_or_default();
        if self.is_json { json } else { proto }
    }
}

/// How long the caller waits: at most eight digits and a unit. None: it does not say so, or not in this form.
pub(crate) fn timeout(headers: &HeaderMap) -> Option<Duration> {
    let [digits @ .., unit] = only(headers, &GRPC_TIMEOUT)?.as_bytes() else { return None };
    if !(1..=8).contains(&digits.len()) || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let number = digits.iter().fold(0, |number, digit| number * 10 + u64::from(digit - b'0'));
    match unit {
        b'H' => Some(Duration::from_secs(number * 3_600)),
        b'M' => Some(Duration::from_secs(number * 60)),
        b'S' => Some(Duration::from_secs(number)),
        b'm' => Some(Duration::from_millis(number)),
        b'u' => Some(Duration::from_micros(number)),
        b'n' => Some(Duration::from_nanos(number)),
        _ => None,
    }
}

/// Turns the answer to a rejected call into one that its caller understands.
///
/// The message is of a fixed list, since the body is not: a hook may have written it.
pub(crate) fn answer(mut response: Response<Bytes>, call: Call, message: &'static str) -> Response<Bytes> {
    let code = code(response.status());
    *response.status_mut() = StatusCode::OK;
    *response.body_mut() = Bytes::new();
    let headers = response.headers_mut();
    headers.remove(CONTENT_LENGTH);
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(call.content_type()));
    headers.insert(GRPC_STATUS, HeaderValue::from_static(code));
    // Percent-encoding leaves space and visible ASCII except `%` alone, and no message has anything else.
    headers.insert(GRPC_MESSAGE, HeaderValue::from_static(message));
    response
}

fn code(status: StatusCode) -> &'static str {
    match status {
        StatusCode::BAD_REQUEST => "3",
        StatusCode::FORBIDDEN => "7",
        StatusCode::NOT_FOUND => "5",
        StatusCode::INTERNAL_SERVER_ERROR => "13",
        StatusCode::SERVICE_UNAVAILABLE => "14",
        StatusCode::UNAUTHORIZED => "16",
        _ => "2",
    }
}

/// The value of a field that stands there once.
fn only<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a HeaderValue> {
    let mut lines = headers.get_all(name).iter();
    let first = lines.next();
    if lines.next().is_some() { None } else { first }
}

#[cfg(test)]
mod tests {
    use http::Request;
    use proptest::prelude::*;

    use super::*;

    fn posting(fields: &[(HeaderName, &str)]) -> Request<()> {
        let mut request = Request::post("/").body(()).unwrap();
        for (name, value) in fields {
            request.headers_mut().append(name, value.parse().unwrap());
        }
        request
    }

    fn call(request: &Request<()>) -> Option<Call> {
        Call::of(request.method(), request.headers())
    }

    fn answered_as(content_type: &str) -> Option<&'static str> {
        call(&posting(&[(CONTENT_TYPE, content_type)])).map(Call::content_type)
    }

    fn waits(value: &[u8]) -> Option<Duration> {
        timeout(&HeaderMap::from_iter([(GRPC_TIMEOUT, HeaderValue::from_bytes(value).ok()?)]))
    }

    #[test]
    fn a_call_is_known_by_its_content_type() {
        for (asked, answered) in [
            ("application/grpc", "application/grpc"),
            ("Application/GRPC", "application/grpc"),
            ("application/grpc+proto", "application/grpc"),
            ("application/grpc+thrift", "application/grpc"),
            ("application/grpc+", "application/grpc"),
            ("application/grpc+my-codec.v1_2", "application/grpc"),
            ("application/grpc+JSON", "application/grpc+json"),
            ("application/grpc; charset=utf-8", "application/grpc"),
            ("application/grpc+proto ;x", "application/grpc"),
            ("application/grpc-web", "application/grpc-web+proto"),
            ("application/grpc-web+proto", "application/grpc-web+proto"),
            ("application/grpc-web+json", "application/grpc-web+json"),
            ("application/grpc-web-text", "application/grpc-web-text+proto"),
            ("application/gRPC-Web-Text+proto", "application/grpc-web-text+proto"),
        ] {
            assert_eq!(answered_as(asked), Some(answered), "{asked}");
        }
    }

    #[test]
    fn what_only_looks_like_a_call_is_none() {
        for asked in [
            "",
            "application/grpcfoo",
            "application/grpc-foo",
            "application/grpc-web-",
            "application/grpc-webtext",
            "application/grpc, application/json",
            "application/grpc+proto, application/json",
            "application/grpc+pro to",
            "application/json; application/grpc",
            "application/json+grpc",
            "application/connect+proto",
            "application/ grpc",
            "xapplication/grpc",
            "grpc",
            "caf\u{e9}",
        ] {
            assert_eq!(answered_as(asked), None, "{asked}");
        }
        assert!(call(&posting(&[])).is_none());
        let grpc = (CONTENT_TYPE, "application/grpc");
        let json = (CONTENT_TYPE, "application/json");
        assert!(call(&posting(&[grpc.clone(), json.clone()])).is_none());
        assert!(call(&posting(&[json, grpc.clone()])).is_none());
        for method in [Method::GET, Method::HEAD, Method::OPTIONS, Method::PUT, Method::CONNECT] {
            let mut request = posting(std::slice::from_ref(&grpc));
            *request.method_mut() = method.clone();
            assert!(call(&request).is_none(), "{method}");
        }
    }

    #[test]
    fn the_time_of_the_caller_has_a_unit() {
        for (value, expected) in [
            (&b"1H"[..], Some(Duration::from_secs(3_600))),
            (b"2M", Some(Duration::from_secs(120))),
            (b"3S", Some(Duration::from_secs(3))),
            (b"4m", Some(Duration::from_millis(4))),
            (b"5u", Some(Duration::from_micros(5))),
            (b"6n", Some(Duration::from_nanos(6))),
            (b"0S", Some(Duration::ZERO)),
            (b"00000001S", Some(Duration::from_secs(1))),
            (b"99999999H", Some(Duration::from_secs(359_999_996_400))),
            (b"", None),
            (b"S", None),
            (b"1", None),
            (b"100000000n", None),
            (b"1s", None),
            (b"1h", None),
            (b"+1S", None),
            (b"-1S", None),
            (b"1.5S", None),
            (b" 1S", None),
            (b"1 S", None),
            (b"1S ", None),
            (b"1SS", None),
            (b"\xff\xff", None),
        ] {
            assert_eq!(waits(value), expected, "{value:?}");
        }
        let twice = posting(&[(GRPC_TIMEOUT, "1S"), (GRPC_TIMEOUT, "2S")]);
        assert_eq!(timeout(twice.headers()), None);
    }

    /// The same by the words of the standard: a positive integer of at most eight digits, then a unit.
    fn reference(text: &str) -> Option<Duration> {
        let unit = match text.chars().last()? {
            'H' => 3_600_000_000_000_u128,
            'M' => 60_000_000_000,
            'S' => 1_000_000_000,
            'm' => 1_000_000,
            'u' => 1_000,
            'n' => 1,
            _ => return None,
        };
        let digits = text.strip_suffix(|_| true)?;
        let is_number = digits.len() <= 8 && digits.chars().all(|digit| digit.is_ascii_digit());
        let nanos = digits.parse::<u128>().ok().filter(|_| is_number)? * unit;
        let seconds = u64::try_from(nanos / 1_000_000_000).ok()?;
        Some(Duration::new(seconds, u32::try_from(nanos % 1_000_000_000).ok()?))
    }

    proptest! {
        #[test]
        fn the_time_of_the_caller_is_read_as_by_the_reference(text in "[-+ 0-9]{0,3}[0-9]{0,8}[HMSmunhs]{0,2}") {
            prop_assert_eq!(waits(text.as_bytes()), reference(&text));
        }

        #[test]
        fn no_time_of_a_caller_makes_it_panic(value in prop::collection::vec(any::<u8>(), 0..24)) {
            let text = std::str::from_utf8(&value).ok().filter(|_| HeaderValue::from_bytes(&value).is_ok());
            prop_assert_eq!(waits(&value), text.and_then(reference));
        }

        #[test]
        fn no_content_type_makes_it_panic(value in prop::collection::vec(any::<u8>(), 0..48)) {
            if let Ok(value) = HeaderValue::from_bytes(&value) {
                let mut request = posting(&[]);
                request.headers_mut().insert(CONTENT_TYPE, value);
                call(&request);
            }
        }
    }
}
