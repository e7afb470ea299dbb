//! Sets up an [`IntrospectionVerifier`] and finds what cannot work before the first request does.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use super::client_authentication::Credentials;
use super::expected_claims::{ExpectedClaims, claims_setters};
use super::introspection::{Inner, IntrospectionVerifier};
#[cfg(all(feature = "jwt", any(feature = "aws-lc-rs", feature = "rust-crypto")))]
use super::signed_answer::SignedAnswers;
use crate::address::Address;
#[cfg(all(feature = "jwt", any(feature = "aws-lc-rs", feature = "rust-crypto")))]
use crate::algorithm::Algorithm;
use crate::discovery::Issuer;
use crate::endpoint;
use crate::error::{BuildError, BuildErrorKind};
#[cfg(all(feature = "jwt", any(feature = "aws-lc-rs", feature = "rust-crypto")))]
use crate::jwks::{KeyFetcher, RemoteJwks};
use crate::secret::Secret;
use crate::upstream::{Settings, Upstream, upstream_setters};

/// Sets up an [`IntrospectionVerifier`]. Made by [`IntrospectionVerifier::builder`].
///
/// One of [`client_secret_basic`](Self::client_secret_basic), [`client_secret_post`](Self::client_secret_post),
/// [`bearer_token`](Self::bearer_token), `private_key_jwt` is needed: no endpoint may answer to just anybody
/// ([RFC 7662 §2.1](https://www.rfc-editor.org/rfc/rfc7662#section-2.1)).
#[derive(Clone)]
#[must_use = "the verifier is made by `build`"]
pub struct IntrospectionVerifierBuilder {
    expected: ExpectedClaims,
    endpoint: Option<String>,
    credentials: Vec<Credentials>,
    assertion_audience: Option<String>,
    assertion_key_id: Option<String>,
    #[cfg(all(feature = "jwt", any(feature = "aws-lc-rs", feature = "rust-crypto")))]
    signed_by: Option<RemoteJwks>,
    username_as_subject: bool,
    opaque_only: bool,
    upstream: Settings,
}

impl IntrospectionVerifier {
    /// Starts a verifier for the tokens of an issuer that name an audience.
    ///
    /// The issuer is compared byte for byte with `iss` of the answers, and the endpoint is looked up in its metadata,
    /// unless [`endpoint`](IntrospectionVerifierBuilder::endpoint) names it. The audience is the identifier of this API
    /// at the provider.
    pub fn builder(issuer: impl Into<String>, audience: impl Into<String>) -> IntrospectionVerifierBuilder {
        IntrospectionVerifierBuilder {
            expected: ExpectedClaims::new(issuer.into(), audience.into()),
            endpoint: None,
            credentials: Vec::new(),
            assertion_audience: None,
            assertion_key_id: None,
            #[cfg(all(feature = "jwt", any(feature = "aws-lc-rs", feature = "rust-crypto")))]
            signed_by: None,
            username_as_subject: false,
            opaque_only: false,
            upstream: Settings::default(),
        }
    }
}

upstream_setters!(IntrospectionVerifierBuilder);
claims_setters!(IntrospectionVerifierBuilder);

impl IntrospectionVerifierBuilder {
    /// Asks at an address instead of discovering it.
    pub fn endpoint(mut self, url: impl Into<String>) -> Self {
        self.endpoint = Some(url.into());
        self
    }

    /// Proves who asks by id and secret in the `Authorization` field, each form-encoded first ([RFC 6749 §2.3.1]).
    ///
    /// [RFC 6749 §2.3.1]: https://www.rfc-editor.org/rfc/rfc6749#section-2.3.1
    pub fn client_secret_basic(self, id: impl Into<String>, secret: impl Into<Secret<String>>) -> Self {
        self.credentials(Credentials::Basic { client: id.into(), secret: secret.into() })
    }

    /// Proves who asks by id and secret in the form.
    pub fn client_secret_post(self, id: impl Into<String>, secret: impl Into<Secret<String>>) -> Self {
        self.credentials(Credentials::Post { client: id.into(), secret: secret.into() })
    }

    /// Proves who asks by a token of this server's own, which has to be good for as long as the server runs.
    pub fn bearer_token(self, token: impl Into<Secret<String>>) -> Self {
        self.credentials(Credentials::Bearer(token.into()))
    }

    /// Proves who asks by a signed assertion, a new one for each request, good for a minute ([RFC 7523 §2.2]).
    ///
    /// The private key is in PEM. The assertion is for the issuer unless
    /// [`assertion_audience`](Self::assertion_audience) names somebody else.
    ///
    /// [RFC 7523 §2.2]: https://www.rfc-editor.org/rfc/rfc7523#section-2.2
    #[cfg(all(feature = "jwt", any(feature = "aws-lc-rs", feature = "rust-crypto")))]
    pub fn private_key_jwt(
        self,
        id: impl Into<String>,
        algorithm: Algorithm,
        pem: impl Into<Secret<String>>,
    ) -> Self {
        self.credentials(Credentials::PrivateKeyJwt { client: id.into(), algorithm, pem: pem.into() })
    }

    /// For whom assertions of `private_key_jwt` are made, where a provider wants the address of its endpoint there.
    /// Default: the issuer.
    pub fn assertion_audience(mut self, audience: impl Into<String>) -> Self {
        self.assertion_audience = Some(audience.into());
        self
    }

    /// The `kid` that assertions of `private_key_jwt` name, where the provider knows several keys of this client.
    /// Default: none.
    pub fn assertion_key_id(mut self, id: impl Into<String>) -> Self {
        self.assertion_key_id = Some(id.into());
        self
    }

    /// Asks for answers that the provider has signed, and takes no others ([RFC 9701]).
    ///
    /// The keys are those of the issuer; [`RemoteJwks::discovered`] finds them. The answers have to be made for the
    /// client id of the credentials.
    ///
    /// [RFC 9701]: https://www.rfc-editor.org/rfc/rfc9701
    #[cfg(all(feature = "jwt", any(feature = "aws-lc-rs", feature = "rust-crypto")))]
    pub fn signed_answers(mut self, keys: RemoteJwks) -> Self {
        self.signed_by = Some(keys);
        self
    }

    /// Accepts answers without `iss`, as those of the configured issuer: many endpoints serve one issuer and do not
    /// name it. One that names another is still a rejection.
    pub fn allow_missing_issuer(mut self) -> Self {
        self.expected.rules.issuer_may_be_missing = true;
        self
    }

    /// Accepts tokens of any issuer that the endpoint knows. Needs an [`endpoint`](Self::endpoint).
    ///
    /// # Security
    ///
    /// Subjects of different issuers are confused where the answers do not name them.
    pub fn insecure_allow_any_issuer(mut self) -> Self {
        self.expected.issuer = None;
        self
    }

    /// Takes `username` for the subject where `sub` is missing.
    ///
    /// For a provider whose names are never given to somebody else.
    pub fn username_as_subject(mut self) -> Self {
        self.username_as_subject = true;
        self
    }

    /// Recognises no tokens that look like a JWT: those are never sent to the endpoint.
    ///
    /// Default: every token is asked about.
    pub fn opaque_tokens_only(mut self) -> Self {
        self.opaque_only = true;
        self
    }

    /// Makes the verifier. Sends nothing.
    ///
    /// # Errors
    ///
    /// - issuer or an alias, audience, the name of a claim, credentials: [`Empty`](BuildErrorKind::Empty),
    ///   [`InvalidText`](BuildErrorKind::InvalidText); audience or key id of assertions, a list of nothing:
    ///   [`Empty`](BuildErrorKind::Empty); a place of scopes: [`InvalidText`](BuildErrorKind::InvalidText)
    /// - issuer or endpoint: [`InvalidUrl`](BuildErrorKind::InvalidUrl), [`InsecureUrl`](BuildErrorKind::InsecureUrl)
    /// - no credentials, no issuer to discover the endpoint or keys from, no client to ask with, no client id to which
    ///   answers are signed: [`Missing`](BuildErrorKind::Missing)
    /// - two kinds of credentials, something about assertions without any, a further audience where any is accepted, an
    ///   alias where there is not one issuer: [`Conflict`](BuildErrorKind::Conflict)
    /// - a key that cannot sign: [`InvalidKey`](BuildErrorKind::InvalidKey)
    /// - a duration or number, too many places of scopes: [`OutOfRange`](BuildErrorKind::OutOfRange)
    /// - the default client cannot set up TLS: [`Tls`](BuildErrorKind::Tls)
    pub fn build(self) -> Result<IntrospectionVerifier, BuildError> {
        let upstream = self.upstream.build()?;
        let discovered = self.endpoint.is_none() || self.discovers_keys();
        let rules = self.expected.check(discovered)?;
        let issuer = rules.issuers.own();
        if issuer.is_none() && self.endpoint.is_none() {
            return Err(BuildError::new("endpoint", BuildErrorKind::Missing));
        }
        let address = match &self.endpoint {
            Some(url) => Address::Configured(endpoint::check("endpoint", url)?),
            None => Address::discovered(
                discovery(issuer, &upstream, upstream.timeout)?,
                "introspection_endpoint",
                Arc::clone(&upstream.clock),
            ),
        };
        let credentials = self.checked_credentials()?;
        let audience =
            self.assertion_audience.as_ref().or(self.expected.issuer.as_ref()).or(self.endpoint.as_ref());
        let audience = audience.map_or("", String::as_str);
        let authentication = credentials.build(audience, self.assertion_key_id.as_deref())?;
        Ok(IntrospectionVerifier::new(Inner {
            address,
            authentication,
            #[cfg(all(feature = "jwt", any(feature = "aws-lc-rs", feature = "rust-crypto")))]
            signed: self.signed(credentials, issuer, &upstream)?,
            rules,
            upstream,
            username_as_subject: self.username_as_subject,
            opaque_only: self.opaque_only,
        }))
    }

    /// Does not build if there is a fault.
    pub(crate) fn fault(mut self, fault: Option<BuildError>) -> Self {
        self.upstream.fault = fault;
        self
    }

    #[cfg(all(feature = "jwt", any(feature = "aws-lc-rs", feature = "rust-crypto")))]
    fn discovers_keys(&self) -> bool {
        self.signed_by.as_ref().is_some_and(RemoteJwks::is_discovered)
    }

    #[cfg(not(all(feature = "jwt", any(feature = "aws-lc-rs", feature = "rust-crypto"))))]
    #[expect(clippy::unused_self, reason = "the other form looks")]
    fn discovers_keys(&self) -> bool {
        false
    }

    fn credentials(mut self, credentials: Credentials) -> Self {
        self.credentials.push(credentials);
        self
    }

    fn checked_credentials(&self) -> Result<&Credentials, BuildError> {
        match self.credentials.as_slice() {
            [] => Err(BuildError::new("client_secret_basic", BuildErrorKind::Missing)),
            [credentials] => {
                for (setting, value) in [
                    ("assertion_audience", &self.assertion_audience),
                    ("assertion_key_id", &self.assertion_key_id),
                ] {
                    match value {
                        Some(_) if !credentials.are_assertions() => {
                            return Err(BuildError::new(setting, BuildErrorKind::Conflict));
                        }
                        Some(value) if value.trim().is_empty() => {
                            return Err(BuildError::new(setting, BuildErrorKind::Empty));
                        }
                        _ => {}
                    }
                }
                Ok(credentials)
            }
            [_, second, ..] => Err(BuildError::new(second.setting(), BuildErrorKind::Conflict)),
        }
    }

    #[cfg(all(feature = "jwt", any(feature = "aws-lc-rs", feature = "rust-crypto")))]
    fn signed(
        &self,
        credentials: &Credentials,
        issuer: Option<&Arc<str>>,
        upstream: &Upstream,
    ) -> Result<Option<SignedAnswers>, BuildError> {
        let Some(keys) = &self.signed_by else { return Ok(None) };
        let missing = || BuildError::new("signed_answers", BuildErrorKind::Missing);
        let audience = credentials.client().ok_or_else(missing)?.to_owned();
        let uri = keys.check()?;
        let source = discovery(issuer, upstream, keys.timeout)?;
        let keys = KeyFetcher::new(source.clone(), keys.clone(), uri, Arc::clone(&upstream.clock));
        Ok(Some(SignedAnswers { issuer: source.issuer, audience, leeway: self.expected.rules.leeway, keys }))
    }
}

/// The issuer to look something up at.
fn discovery(
    issuer: Option<&Arc<str>>,
    upstream: &Upstream,
    timeout: Duration,
) -> Result<Issuer, BuildError> {
    let issuer = issuer.ok_or_else(|| BuildError::new("issuer", BuildErrorKind::Missing))?;
    Ok(Issuer { issuer: Arc::clone(issuer), client: Arc::clone(&upstream.client), timeout })
}

impl fmt::Debug for IntrospectionVerifierBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("IntrospectionVerifierBuilder")
            .field("issuer", &self.expected.issuer)
            .field("audiences", &self.expected.audiences)
            .finish_non_exhaustive()
    }
}
