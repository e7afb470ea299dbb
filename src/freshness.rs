//! What an answer says of time: how long it stays fresh, and when to ask again.

use std::time::{Duration, SystemTime};

use http::HeaderMap;
use http::header::{CACHE_CONTROL, RETRY_AFTER};

/// The longest time that a `Retry-After` can keep us from asking.
pub(crate) const MAX_RETRY_AFTER: Duration = Duration::from_secs(300);

/// The `max-age` of an answer ([RFC 9111 §5.2.2](https://www.rfc-editor.org/rfc/rfc9111#section-5.2.2)); zero if it
/// must not be stored or used again. None if it says nothing that can be read.
pub(crate) fn max_age(headers: &HeaderMap) -> Option<Duration> {
    let lines = headers.get_all(CACHE_CONTROL).iter().filter_map(|line| line.to_str().ok());
    let mut age = None;
    for directive in lines.flat_map(|line| line.split(',')) {
        let (name, value) = directive.split_once('=').unwrap_or((directive, ""));
        let name = name.trim();
        if name.eq_ignore_ascii_case("no-store") || name.eq_ignore_ascii_case("no-cache") {
            return Some(Duration::ZERO);
        }
        if name.eq_ignore_ascii_case("max-age") {
            age = age.or_else(|| seconds(value.trim().trim_matches('"')));
        }
    }
    age
}

/// The `Retry-After` of an answer ([RFC 9110 §10.2.3](https://www.rfc-editor.org/rfc/rfc9110#section-10.2.3)).
pub(crate) fn retry_after(headers: &HeaderMap, now: SystemTime) -> Option<Duration> {
    retry_after_within(headers, now, MAX_RETRY_AFTER)
}

/// The same with another bound.
pub(crate) fn retry_after_within(
    headers: &HeaderMap,
    now: SystemTime,
    longest: Duration,
) -> Option<Duration> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    let date = || httpdate::parse_http_date(text).ok()?.duration_since(now).ok();
    Some(seconds(text).or_else(date)?.min(longest))
}

/// Digits only: no sign, no fraction. A number that is too large is as large as can be.
fn seconds(text: &str) -> Option<Duration> {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    digits.then(|| Duration::from_secs(text.parse().unwrap_or(u64::MAX)))
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    #[test]
    fn max_age_is_read_from_what_servers_send() {
        for (value, expected) in [
            ("max-age=600", Some(600)),
            ("public, MAX-AGE=600, must-revalidate", Some(600)),
            ("max-age=\"600\"", Some(600)),
            ("max-age=0", Some(0)),
            ("no-store", Some(0)),
            ("max-age=600, no-cache", Some(0)),
            ("max-age=99999999999999999999999", Some(u64::MAX)),
            ("max-age=-1", None),
            ("max-age=", None),
            ("max-age=1.5", None),
            ("garbage", None),
            ("s-maxage=600", None),
        ] {
            let headers = HeaderMap::from_iter([(CACHE_CONTROL, HeaderValue::from_static(value))]);
            assert_eq!(max_age(&headers), expected.map(Duration::from_secs), "{value}");
        }
        assert_eq!(max_age(&HeaderMap::new()), None);
    }

    #[test]
    fn retry_after_is_bounded_and_may_be_a_date() {
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(784_111_717);
        for (value, expected) in [
            ("120", Some(120)),
            ("1000000000000", Some(300)),
            ("0", Some(0)),
            ("-1", None),
            ("soon", None),
            ("Sun, 06 Nov 1994 08:49:37 GMT", Some(60)),
            ("Sun, 06 Nov 1994 08:48:36 GMT", None),
            ("Fri, 31 Dec 9999 23:59:59 GMT", Some(300)),
        ] {
            let headers = HeaderMap::from_iter([(RETRY_AFTER, HeaderValue::from_static(value))]);
            assert_eq!(retry_after(&headers, now), expected.map(Duration::from_secs), "{value}");
        }
    }
}
