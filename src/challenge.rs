//! The `WWW-Authenticate` value that tells a client what to do next ([RFC 6750 §3], [RFC 9110 §11.3]).
//!
//! The parameters stand in a fixed order, `error_description` last: clients in use search the value for `scope=`
//! or `resource_metadata=`, and must not find these words inside a description. A parameter without a value is left
//! out. A challenge that would have no parameter gets `realm="api"`, since a bare scheme is not a challenge.
//!
//! [RFC 6750 §3]: https://www.rfc-editor.org/rfc/rfc6750#section-3
//! [RFC 9110 §11.3]: https://www.rfc-editor.org/rfc/rfc9110#section-11.3

use std::time::Duration;

use http::HeaderValue;

use crate::scope::ScopeSet;

/// A `Bearer` challenge, put together parameter by parameter.
///
/// ```
/// # use tower_bearer::challenge::Challenge;
/// # use tower_bearer::ScopeSet;
/// let challenge = Challenge::bearer().scope(&ScopeSet::parse("read")).error("invalid_token");
/// assert_eq!(challenge.to_header_value(), r#"Bearer error="invalid_token", scope="read""#);
/// assert_eq!(Challenge::bearer().to_header_value(), r#"Bearer realm="api""#);
/// ```
#[derive(Clone, Debug, Default)]
#[must_use]
pub struct Challenge {
    error: Option<String>,
    scope: Option<String>,
    resource_metadata: Option<String>,
    acr_values: Option<String>,
    max_age: Option<String>,
    description: Option<String>,
}

impl Challenge {
    /// A challenge of the `Bearer` scheme.
    pub fn bearer() -> Self {
        Self::default()
    }

    /// What is wrong: a code of [RFC 6750 §3.1](https://www.rfc-editor.org/rfc/rfc6750#section-3.1).
    pub fn error(mut self, code: &str) -> Self {
        self.error = Some(code.to_owned());
        self
    }

    /// The scopes that the request needs. An empty set is left out.
    pub fn scope(mut self, scopes: &ScopeSet) -> Self {
        self.scope = Some(scopes.as_str().to_owned());
        self
    }

    /// Where the metadata of the protected resource is
    /// ([RFC 9728 §5.1](https://www.rfc-editor.org/rfc/rfc9728#section-5.1)).
    pub fn resource_metadata(mut self, url: &str) -> Self {
        self.resource_metadata = Some(url.to_owned());
        self
    }

    /// The authentication that is asked for, best first ([RFC 9470 §3]). Several are separated by spaces.
    ///
    /// [RFC 9470 §3]: https://www.rfc-editor.org/rfc/rfc9470#section-3
    pub fn acr_values(mut self, values: &str) -> Self {
        self.acr_values = Some(values.to_owned());
        self
    }

    /// How many seconds ago the user may have authenticated at most
    /// ([RFC 9470 §3](https://www.rfc-editor.org/rfc/rfc9470#section-3)).
    pub fn max_age(mut self, age: Duration) -> Self {
        self.max_age = Some(age.as_secs().to_string());
        self
    }

    /// A sentence for developers. `=` is replaced too, so that it cannot look like a parameter.
    pub fn error_description(mut self, text: &str) -> Self {
        self.description = Some(text.replace('=', " "));
        self
    }

    /// The value of the header field.
    #[must_use]
    pub fn to_header_value(&self) -> HeaderValue {
        let parameters = [
            ("error", &self.error),
            ("scope", &self.scope),
            ("resource_metadata", &self.resource_metadata),
            ("acr_values", &self.acr_values),
            ("max_age", &self.max_age),
            ("error_description", &self.description),
        ];
        let mut text = String::from("Bearer");
        for (name, value) in parameters {
            let Some(value) = value.as_deref().filter(|value| !value.is_empty()) else { continue };
            text.push_str(if text.len() == "Bearer".len() { " " } else { ", " });
            text.push_str(name);
            text.push_str("=\"");
            text.extend(value.chars().map(|c| if is_allowed(c) { c } else { ' ' }));
            text.push('"');
        }
        if text.len() == "Bearer".len() {
            text.push_str(" realm=\"api\"");
        }
        // Only visible characters and spaces are left, so that this cannot fail.
        HeaderValue::try_from(text).unwrap_or(HeaderValue::from_static("Bearer realm=\"api\""))
    }
}

/// RFC 6750 §3: `%x20-21 / %x23-5B / %x5D-7E`, which needs no escapes in a quoted string.
fn is_allowed(character: char) -> bool {
    matches!(character, ' ' | '!' | '#'..='[' | ']'..='~')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_stand_in_order_and_the_description_is_last() {
        let challenge = Challenge::bearer()
            .error_description("The access token is invalid or expired")
            .resource_metadata("https://h/.well-known/oauth-protected-resource")
            .scope(&ScopeSet::parse("a b"))
            .error("invalid_token");
        assert_eq!(
            challenge.to_header_value(),
            "Bearer error=\"invalid_token\", scope=\"a b\", \
             resource_metadata=\"https://h/.well-known/oauth-protected-resource\", \
             error_description=\"The access token is invalid or expired\"",
        );
    }

    #[test]
    fn what_could_break_out_of_the_quotes_is_replaced() {
        let challenge =
            Challenge::bearer().error_description("a\"b\\c\r\nd\u{e9} scope=x").resource_metadata("h\"x");
        assert_eq!(
            challenge.to_header_value(),
            "Bearer resource_metadata=\"h x\", error_description=\"a b c  d  scope x\"",
        );
    }

    #[test]
    fn empty_parameters_are_left_out_and_one_is_always_there() {
        let challenge = Challenge::bearer().scope(&ScopeSet::default()).error("").resource_metadata("");
        assert_eq!(challenge.to_header_value(), "Bearer realm=\"api\"");
    }
}
