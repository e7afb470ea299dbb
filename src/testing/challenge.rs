//! The challenge of a response, read as strictly as clients may read it.

use std::fmt;

use http::header::WWW_AUTHENTICATE;
use http::{HeaderMap, Response};

use super::challenge_grammar::{Parsed, challenges};
use crate::scope::ScopeSet;

/// The `Bearer` challenge of a response ([RFC 6750 §3], [RFC 9110 §11.6.1]).
///
/// [`assert_rejected`](super::assert_rejected) compares the usual parameters; this is for all others.
///
/// ```
/// # use tower_bearer::testing::TestChallenge;
/// let response = http::Response::builder().header("www-authenticate", r#"Bearer realm="api", max_age="60""#);
/// let challenge = TestChallenge::of(&response.body(())?);
/// assert_eq!(challenge.param("max_age"), Some("60"));
/// assert_eq!(challenge.error(), None);
/// # Ok::<(), http::Error>(())
/// ```
///
/// [RFC 6750 §3]: https://www.rfc-editor.org/rfc/rfc6750#section-3
/// [RFC 9110 §11.6.1]: https://www.rfc-editor.org/rfc/rfc9110#section-11.6.1
#[derive(Clone, Debug)]
pub struct TestChallenge {
    line: String,
    parameters: Vec<(String, String)>,
}

impl TestChallenge {
    /// Reads the challenge of a response. Challenges of other schemes do not count.
    ///
    /// # Panics
    ///
    /// - a `WWW-Authenticate` line does not keep to the grammar, or names a parameter twice
    /// - there is no `Bearer` challenge, or more than one
    /// - the challenge has no parameter, which the scheme demands
    #[must_use]
    #[track_caller]
    #[expect(clippy::panic, reason = "it is for tests, which fail by panicking")]
    pub fn of<B>(response: &Response<B>) -> Self {
        match Self::read(response.headers()) {
            Ok(challenge) => challenge,
            Err(fault) => panic!("{fault}"),
        }
    }

    /// The code (`error`). None for a request without a token.
    #[must_use]
    pub fn error(&self) -> Option<&str> {
        self.param("error")
    }

    /// The sentence for developers (`error_description`).
    #[must_use]
    pub fn error_description(&self) -> Option<&str> {
        self.param("error_description")
    }

    /// Where the metadata of the protected resource are (`resource_metadata`).
    #[must_use]
    pub fn resource_metadata(&self) -> Option<&str> {
        self.param("resource_metadata")
    }

    /// The scopes that the request needs, as they are written (`scope`).
    #[must_use]
    pub fn scope(&self) -> Option<&str> {
        self.param("scope")
    }

    /// The scopes that the request needs. Empty if the challenge names none.
    #[must_use]
    pub fn scopes(&self) -> ScopeSet {
        ScopeSet::parse(self.scope().unwrap_or_default())
    }

    /// Any parameter, whose name is compared without case.
    #[must_use]
    pub fn param(&self, name: &str) -> Option<&str> {
        let mut known = self.parameters.iter();
        known.find(|(own, _)| own.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }

    pub(super) fn read(headers: &HeaderMap) -> Result<Self, String> {
        let mut found = Vec::new();
        for value in headers.get_all(WWW_AUTHENTICATE) {
            let line = value
                .to_str()
                .map_err(|_| format!("expected `WWW-Authenticate` in printable ASCII, got {value:?}"))?;
            let all = challenges(line)
                .map_err(|fault| format!("expected a well-formed `WWW-Authenticate`, but {fault}: {line}"))?;
            let bearers = all.into_iter().filter(|one| one.scheme.eq_ignore_ascii_case("bearer"));
            found.extend(bearers.map(|one| (line.to_owned(), one)));
        }
        match (found.pop(), found.pop()) {
            (Some((line, Parsed { parameters, .. })), None) if !parameters.is_empty() => {
                Ok(Self { line, parameters })
            }
            (Some((line, _)), None) => Err(format!("expected parameters in the challenge, got none: {line}")),
            (Some((last, _)), Some((first, _))) => {
                Err(format!("expected one `Bearer` challenge, got several: {first} and {last}"))
            }
            (None, _) => Err("expected a `Bearer` challenge in `WWW-Authenticate`, got none".to_owned()),
        }
    }
}

impl fmt::Display for TestChallenge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.line)
    }
}
