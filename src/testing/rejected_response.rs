//! Asserts about a response that rejects a request.

use std::fmt::Debug;

use http::header::CACHE_CONTROL;
use http::{HeaderMap, Response, StatusCode};

use super::challenge::TestChallenge;
use crate::scope::ScopeSet;

/// A response that was found to reject a request. Made by [`assert_rejected`].
///
/// Each method is one more assert.
#[derive(Clone, Debug)]
pub struct RejectedResponse {
    status: StatusCode,
    challenge: TestChallenge,
}

/// Asserts that a response asks for a token, or for another one: status 400, 401 or 403, exactly one `Bearer`
/// challenge, and `Cache-Control: no-store`.
///
/// ```
/// # use tower_bearer::testing::assert_rejected;
/// # let response = http::Response::builder()
/// #     .status(403)
/// #     .header("cache-control", "no-store")
/// #     .header("www-authenticate", r#"Bearer error="insufficient_scope", scope="read write""#)
/// #     .body(())?;
/// assert_rejected(&response).status(403).error("insufficient_scope").scopes(["read", "write"]);
/// # Ok::<(), http::Error>(())
/// ```
///
/// A 503, whose clients keep their tokens, has no challenge and is not meant; nor is an answer to gRPC.
///
/// # Panics
///
/// - one of it is missing, as the message says
#[track_caller]
pub fn assert_rejected<B>(response: &Response<B>) -> RejectedResponse {
    let status = response.status();
    let rejects =
        [StatusCode::BAD_REQUEST, StatusCode::UNAUTHORIZED, StatusCode::FORBIDDEN].contains(&status);
    let challenge = match TestChallenge::read(response.headers()) {
        Ok(challenge) => challenge,
        Err(fault) => fail(&format!("{fault}; the status is {}", status.as_u16())),
    };
    if !rejects {
        fail(&format!("expected status 400, 401 or 403, got {}: {challenge}", status.as_u16()));
    }
    if !is_not_stored(response.headers()) {
        let got: Vec<_> = response.headers().get_all(CACHE_CONTROL).iter().collect();
        fail(&format!("expected `Cache-Control: no-store`, got {got:?}: {challenge}"));
    }
    RejectedResponse { status, challenge }
}

#[expect(
    clippy::must_use_candidate,
    clippy::return_self_not_must_use,
    reason = "each is an assert, and the last of a chain has done its work"
)]
impl RejectedResponse {
    /// Asserts the status.
    ///
    /// # Panics
    ///
    /// - it is another one
    #[track_caller]
    pub fn status(self, status: u16) -> Self {
        self.compare("status", &status, &self.status.as_u16());
        self
    }

    /// Asserts the code, such as `invalid_token`.
    ///
    /// # Panics
    ///
    /// - it is another one, or missing
    #[track_caller]
    pub fn error(self, code: &str) -> Self {
        self.param("error", code)
    }

    /// Asserts that there is no code, as for a request without a token ([RFC 6750
    /// §3.1](https://www.rfc-editor.org/rfc/rfc6750#section-3.1)).
    ///
    /// # Panics
    ///
    /// - there is one
    #[track_caller]
    pub fn without_error(self) -> Self {
        self.compare("error", &None, &self.challenge.error());
        self
    }

    /// Asserts which scopes the challenge names: all of these and no other, in any order.
    ///
    /// # Panics
    ///
    /// - it names others
    #[track_caller]
    pub fn scopes<T: AsRef<str>>(self, scopes: impl IntoIterator<Item = T>) -> Self {
        let (wanted, got) = (ScopeSet::from_iter(scopes), self.challenge.scopes());
        if !(wanted.contains_all(&got) && got.contains_all(&wanted)) {
            self.compare("scope", &wanted, &got);
        }
        self
    }

    /// Asserts where the challenge says that the metadata of the protected resource are.
    ///
    /// # Panics
    ///
    /// - it says something else, or nothing
    #[track_caller]
    pub fn resource_metadata(self, url: &str) -> Self {
        self.param("resource_metadata", url)
    }

    /// Asserts any parameter of the challenge.
    ///
    /// # Panics
    ///
    /// - it is another one, or missing
    #[track_caller]
    pub fn param(self, name: &str, value: &str) -> Self {
        self.compare(name, &Some(value), &self.challenge.param(name));
        self
    }

    /// The challenge, for a closer look.
    #[must_use]
    pub fn challenge(&self) -> &TestChallenge {
        &self.challenge
    }

    #[track_caller]
    fn compare<T: Debug + PartialEq>(&self, what: &str, wanted: &T, got: &T) {
        if wanted != got {
            fail(&format!("expected {what} {wanted:?}, got {got:?}: {}", self.challenge));
        }
    }
}

#[track_caller]
#[expect(clippy::panic, reason = "an assert fails by panicking")]
fn fail(message: &str) -> ! {
    panic!("{message}")
}

/// RFC 9111 §5.2: a list, whose directives are compared without case.
fn is_not_stored(headers: &HeaderMap) -> bool {
    let lines = headers.get_all(CACHE_CONTROL).iter().filter_map(|value| value.to_str().ok());
    lines.flat_map(|line| line.split(',')).any(|directive| directive.trim().eq_ignore_ascii_case("no-store"))
}
