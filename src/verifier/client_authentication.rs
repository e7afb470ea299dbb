//! How this server proves to a provider who asks ([RFC 6749 §2.3], [RFC 7523 §2.2]).
//!
//! [RFC 6749 §2.3]: https://www.rfc-editor.org/rfc/rfc6749#section-2.3
//! [RFC 7523 §2.2]: https://www.rfc-editor.org/rfc/rfc7523#section-2.2

use std::time::SystemTime;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use form_urlencoded::Serializer;
use http::HeaderValue;

#[cfg(all(feature = "jwt", any(feature = "aws-lc-rs", feature = "rust-crypto")))]
use crate::algorithm::Algorithm;
use crate::bearer_token::BearerToken;
use crate::error::{BuildError, BuildErrorKind, VerifyError};
use crate::secret::Secret;

/// Credentials of this server at the provider, as they were configured.
#[derive(Clone)]
pub(super) enum Credentials {
    Basic {
        client: String,
        secret: Secret<String>,
    },
    Bearer(Secret<String>),
    Post {
        client: String,
        secret: Secret<String>,
    },
    #[cfg(all(feature = "jwt", any(feature = "aws-lc-rs", feature = "rust-crypto")))]
    PrivateKeyJwt {
        client: String,
        algorithm: Algorithm,
        pem: Secret<String>,
    },
}

/// Credentials that are ready to be sent.
#[derive(Debug)]
pub(super) enum ClientAuthentication {
    /// A field value, marked sensitive.
    Header(HeaderValue),
    Post {
        client: String,
        secret: Secret<String>,
    },
    #[cfg(all(feature = "jwt", any(feature = "aws-lc-rs", feature = "rust-crypto")))]
    PrivateKeyJwt(super::assertion::Assertions),
}

impl Credentials {
    /// The name of the setting that made them.
    pub(super) fn setting(&self) -> &'static str {
        match self {
            Self::Basic { .. } => "client_secret_basic",
            Self::Bearer(_) => "bearer_token",
            Self::Post { .. } => "client_secret_post",
            #[cfg(all(feature = "jwt", any(feature = "aws-lc-rs", feature = "rust-crypto")))]
            Self::PrivateKeyJwt { .. } => "private_key_jwt",
        }
    }

    /// As whom this server is known to the provider.
    pub(super) fn client(&self) -> Option<&str> {
        match self {
            Self::Basic { client, .. } | Self::Post { client, .. } => Some(client),
            Self::Bearer(_) => None,
            #[cfg(all(feature = "jwt", any(feature = "aws-lc-rs", feature = "rust-crypto")))]
            Self::PrivateKeyJwt { client, .. } => Some(client),
        }
    }

    /// Whether they are made anew for each request.
    pub(super) fn are_assertions(&self) -> bool {
        !matches!(self, Self::Basic { .. } | Self::Bearer(_) | Self::Post { .. })
    }

    /// Makes them ready. `audience` is for whom an assertion is made, `key` the id of its key.
    #[cfg_attr(
        not(all(feature = "jwt", any(feature = "aws-lc-rs", feature = "rust-crypto"))),
        expect(unused_variables, reason = "only an assertion has them")
    )]
    pub(super) fn build(
        &self,
        audience: &str,
        key: Option<&str>,
    ) -> Result<ClientAuthentication, BuildError> {
        let setting = self.setting();
        let secret = match self {
            Self::Basic { secret, .. } | Self::Post { secret, .. } | Self::Bearer(secret) => secret,
            #[cfg(all(feature = "jwt", any(feature = "aws-lc-rs", feature = "rust-crypto")))]
            Self::PrivateKeyJwt { pem, .. } => pem,
        };
        if secret.expose().trim().is_empty() || self.client().is_some_and(|client| client.trim().is_empty()) {
            return Err(BuildError::new(setting, BuildErrorKind::Empty));
        }
        // RFC 6749 appendix A: spaces may stand in either, but one at an end, or a line break, came with a file.
        let is_torn = |text: &str| text.trim() != text || text.chars().any(char::is_control);
        let is_wrong = match self {
            Self::Bearer(token) => BearerToken::new(token.expose()).is_err(),
            Self::Basic { secret, .. } | Self::Post { secret, .. } => is_torn(secret.expose()),
            #[cfg(all(feature = "jwt", any(feature = "aws-lc-rs", feature = "rust-crypto")))]
            Self::PrivateKeyJwt { .. } => false,
        };
        if is_wrong || self.client().is_some_and(is_torn) {
            return Err(BuildError::new(setting, BuildErrorKind::InvalidText));
        }
        match self {
            Self::Basic { client, secret } => field(setting, "Basic", &basic(client, secret.expose())),
            Self::Bearer(token) => field(setting, "Bearer", token.expose()),
            Self::Post { client, secret } => {
                Ok(ClientAuthentication::Post { client: client.clone(), secret: secret.clone() })
            }
            #[cfg(all(feature = "jwt", any(feature = "aws-lc-rs", feature = "rust-crypto")))]
            Self::PrivateKeyJwt { client, algorithm, pem } => {
                let made = super::assertion::Assertions::new(client, *algorithm, pem.expose(), audience, key);
                let unusable = || BuildError::new(setting, BuildErrorKind::InvalidKey);
                made.map(ClientAuthentication::PrivateKeyJwt).ok_or_else(unusable)
            }
        }
    }
}

impl ClientAuthentication {
    /// Whether what proves us may be sent once only.
    pub(super) fn is_for_one_use(&self) -> bool {
        !matches!(self, Self::Header(_) | Self::Post { .. })
    }

    /// Puts what proves us into the form.
    ///
    /// Returns what belongs into the `Authorization` field.
    #[cfg_attr(
        not(all(feature = "jwt", any(feature = "aws-lc-rs", feature = "rust-crypto"))),
        expect(unused_variables, reason = "only an assertion has a date")
    )]
    pub(super) fn prove(
        &self,
        form: &mut Serializer<'_, String>,
        now: SystemTime,
    ) -> Result<Option<HeaderValue>, VerifyError> {
        match self {
            Self::Header(value) => return Ok(Some(value.clone())),
            Self::Post { client, secret } => {
                form.append_pair("client_id", client).append_pair("client_secret", secret.expose());
            }
            #[cfg(all(feature = "jwt", any(feature = "aws-lc-rs", feature = "rust-crypto")))]
            Self::PrivateKeyJwt(assertions) => {
                let unsigned = || VerifyError::misconfigured("the client assertion cannot be signed");
                let assertion = assertions.next(now).ok_or_else(unsigned)?;
                form.append_pair("client_id", assertions.client())
                    .append_pair("client_assertion_type", super::assertion::TYPE)
                    .append_pair("client_assertion", &assertion);
            }
        }
        Ok(None)
    }
}

/// RFC 6749 §2.3.1: both parts are form-encoded before they are joined.
fn basic(client: &str, secret: &str) -> String {
    let encoded = |part: &str| form_urlencoded::byte_serialize(part.as_bytes()).collect::<String>();
    STANDARD.encode(format!("{}:{}", encoded(client), encoded(secret)))
}

fn field(setting: &'static str, scheme: &str, value: &str) -> Result<ClientAuthentication, BuildError> {
    let mut value = HeaderValue::from_str(&format!("{scheme} {value}"))
        .map_err(|_| BuildError::new(setting, BuildErrorKind::InvalidText))?;
    value.set_sensitive(true);
    Ok(ClientAuthentication::Header(value))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_parts_of_basic_are_form_encoded() {
        let decoded = STANDARD.decode(basic("my app", "p@ss:w%rd +ü")).unwrap();
        assert_eq!(decoded, b"my+app:p%40ss%3Aw%25rd+%2B%C3%BC");
    }
}
