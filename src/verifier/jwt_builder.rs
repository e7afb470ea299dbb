//! Sets up a [`JwtVerifier`] and finds what cannot work before the first request does.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use super::expected_claims::{ExpectedClaims, claims_setters};
use super::issuers::TenantIssuer;
use super::jwt::{Inner, JwtVerifier, TokenTypes};
use super::last_header::LastHeader;
use crate::algorithm::Algorithm;
use crate::client::{self, HttpClient};
use crate::clock::{Clock, SystemClock};
use crate::discovery::Issuer;
use crate::error::{BuildError, BuildErrorKind};
use crate::jwks::{IssuerKeys, KeyFetcher, KeySource, RemoteJwks, StaticKeys};
use crate::secret::Secret;

const MAX_TOKEN_AGE: Duration = Duration::from_secs(366 * 24 * 60 * 60);
/// RFC 9068 §2.2.
const RFC9068_CLAIMS: [&str; 7] = ["iss", "exp", "aud", "sub", "client_id", "iat", "jti"];

/// Sets up a [`JwtVerifier`]. Made by [`JwtVerifier::builder`].
///
/// Keys come from the issuer's metadata unless one of [`jwks_uri`](Self::jwks_uri),
/// [`remote_jwks`](Self::remote_jwks), [`static_keys`](Self::static_keys), [`jwk_set`](Self::jwk_set),
/// [`jwk`](Self::jwk), [`public_key_pem`](Self::public_key_pem), [`hmac_secret`](Self::hmac_secret) names another
/// source.
#[derive(Clone)]
#[must_use = "the verifier is made by `build`"]
pub struct JwtVerifierBuilder {
    expected: ExpectedClaims,
    sources: Vec<(&'static str, KeySource)>,
    // Where keys are unless another source is named.
    usual_keys: RemoteJwks,
    algorithms: Option<Vec<Algorithm>>,
    types: TokenTypes,
    clock: Arc<dyn Clock>,
    client: Option<Arc<dyn HttpClient>>,
    // What was wrong with the parameters of a provider.
    fault: Option<BuildError>,
}

impl JwtVerifier {
    /// Starts a verifier for the tokens of an issuer that name an audience.
    ///
    /// The issuer is compared byte for byte with the `iss` claim: copy it from the provider's metadata, final slash
    /// included. The audience is the identifier of this API at the provider, often its URL.
    pub fn builder(issuer: impl Into<String>, audience: impl Into<String>) -> JwtVerifierBuilder {
        JwtVerifierBuilder::new(issuer.into(), audience.into())
    }
}

claims_setters!(JwtVerifierBuilder);

impl JwtVerifierBuilder {
    fn new(issuer: String, audience: String) -> Self {
        Self {
            expected: ExpectedClaims::new(issuer, audience),
            sources: Vec::new(),
            usual_keys: RemoteJwks::discovered(),
            algorithms: None,
            types: TokenTypes::Usual,
            clock: SystemClock::shared(),
            client: None,
            fault: None,
        }
    }

    /// Accepts tokens of any issuer that are signed with the configured key. Needs keys that are not discovered.
    ///
    /// # Security
    ///
    /// Whoever signs with the same key speaks for every issuer, and subjects of different issuers are confused.
    pub fn insecure_allow_any_issuer(mut self) -> Self {
        self.expected.issuer = None;
        self
    }

    /// Accepts tokens with `at_hash`, `c_hash` or `s_hash`, which mark an ID token.
    ///
    /// For issuers, such as Dex, whose access tokens look like that.
    ///
    /// # Security
    ///
    /// An ID token tells a client who logged in; it was never meant to open an API. With this, one that names this
    /// audience does.
    pub fn insecure_allow_id_tokens(mut self) -> Self {
        self.expected.rules.id_tokens_refused = false;
        self
    }

    /// Fetches the keys from an address instead of discovering it.
    pub fn jwks_uri(self, uri: impl Into<String>) -> Self {
        self.source("jwks_uri", KeySource::Remote(RemoteJwks::at(uri)))
    }

    /// Fetches the keys by settings of its own.
    pub fn remote_jwks(self, keys: RemoteJwks) -> Self {
        self.source("remote_jwks", KeySource::Remote(keys))
    }

    /// Uses several keys at once, such as the old and the new one of a rotation.
    ///
    /// [`JwtVerifier::replace_keys`] puts others in their place. Shared secrets go with HS256 unless
    /// [`algorithms`](Self::algorithms) says otherwise.
    pub fn static_keys(self, keys: StaticKeys) -> Self {
        self.source("static_keys", KeySource::Static(keys))
    }

    /// Uses the keys of a JWK set, given as JSON. Keys that cannot be used are skipped.
    ///
    /// Shared secrets (`oct`) are read if only HMAC algorithms are allowed, and are the only ones then.
    pub fn jwk_set(self, json: impl Into<String>) -> Self {
        self.source("jwk_set", KeySource::JwkSet(Secret::new(json.into())))
    }

    /// Uses one key, given as a JWK. If it has a `kid`, tokens have to name it or none. A shared secret (`oct`) needs
    /// [`algorithms`](Self::algorithms) too.
    pub fn jwk(self, json: impl Into<String>) -> Self {
        self.source("jwk", KeySource::Static(StaticKeys::new().add_jwk(json)))
    }

    /// Uses one public key in PEM: `PUBLIC KEY` (SPKI) or `RSA PUBLIC KEY` (PKCS#1). A token's `kid` is ignored.
    pub fn public_key_pem(self, pem: impl Into<String>) -> Self {
        self.source("public_key_pem", KeySource::Static(StaticKeys::new().add_public_key_pem(pem)))
    }

    /// Uses a shared secret, with HS256 unless [`algorithms`](Self::algorithms) says otherwise.
    ///
    /// At least as many bytes as the hash: 32, 48 or 64 ([RFC 7518 §3.2]). The text of a key, in PEM, JWK or SSH form,
    /// is no secret and refused.
    ///
    /// # Security
    ///
    /// Whoever can verify can also sign. Prefer public keys where more than one party is involved.
    ///
    /// [RFC 7518 §3.2]: https://www.rfc-editor.org/rfc/rfc7518#section-3.2
    pub fn hmac_secret(self, secret: impl Into<Vec<u8>>) -> Self {
        self.source("hmac_secret", KeySource::Static(StaticKeys::new().add_hmac_secret(secret)))
    }

    /// The algorithms that a token may be signed with.
    ///
    /// Default: all of [`Algorithm::ASYMMETRIC`]; for a shared secret HS256.
    pub fn algorithms(mut self, algorithms: impl IntoIterator<Item = Algorithm>) -> Self {
        self.algorithms = Some(algorithms.into_iter().collect());
        self
    }

    /// Accepts only tokens of the JWT profile for access tokens ([RFC 9068]): `typ` is `at+jwt`, and all of `iss`,
    /// `exp`, `aud`, `sub`, `client_id`, `iat`, `jti` are there.
    ///
    /// Default: `typ` may also be missing or `JWT`, and only `iss`, `exp`, `aud` are needed.
    ///
    /// [RFC 9068]: https://www.rfc-editor.org/rfc/rfc9068#section-2
    pub fn rfc9068(mut self) -> Self {
        self.types = TokenTypes::Rfc9068;
        self
    }

    /// Refuses tokens that were issued longer ago, whatever their expiry; `iat` is then required. The access token says
    /// of its end what comes first, so that no cache remembers it for longer.
    ///
    /// Default: no limit. From 1 second to 366 days.
    pub fn max_token_age(mut self, age: Duration) -> Self {
        self.expected.rules.max_token_age = Some(age);
        self
    }

    /// The clock to judge by where this verifier is asked directly, and to age keys by. Default: that of the system.
    ///
    /// Inside an `AuthLayer` the dates of a token are judged by the clock of the layer: set both.
    pub fn clock(mut self, clock: impl Clock) -> Self {
        self.clock = Arc::new(clock);
        self
    }

    /// The client to fetch keys with. Default: a `ReqwestClient` with its defaults, if that feature is on.
    pub fn http_client(mut self, client: impl HttpClient) -> Self {
        self.client = Some(Arc::new(client));
        self
    }

    /// Makes the verifier. Sends nothing.
    ///
    /// # Errors
    ///
    /// - issuer or an alias, audience, the name of a claim: empty, or `*` for one of the first two, or a list of nothing:
    ///   [`Empty`](BuildErrorKind::Empty); white space or control characters in one:
    ///   [`InvalidText`](BuildErrorKind::InvalidText)
    /// - a place of scopes that is no JSON pointer: [`InvalidText`](BuildErrorKind::InvalidText)
    /// - issuer or key address: [`InvalidUrl`](BuildErrorKind::InvalidUrl),
    ///   [`InsecureUrl`](BuildErrorKind::InsecureUrl)
    /// - no issuer to discover keys from, no client to fetch them with: [`Missing`](BuildErrorKind::Missing)
    /// - the default client cannot set up TLS: [`Tls`](BuildErrorKind::Tls)
    /// - two sources of keys, a further audience where any is accepted, an alias where there is not one issuer:
    ///   [`Conflict`](BuildErrorKind::Conflict)
    /// - a key: [`InvalidKey`](BuildErrorKind::InvalidKey), [`PrivateKey`](BuildErrorKind::PrivateKey),
    ///   [`WeakSecret`](BuildErrorKind::WeakSecret)
    /// - a shared secret as a JWK without HMAC algorithms, or beside public keys:
    ///   [`SymmetricAlgorithm`](BuildErrorKind::SymmetricAlgorithm)
    /// - static keys: none: [`Empty`](BuildErrorKind::Empty); too many: [`OutOfRange`](BuildErrorKind::OutOfRange);
    ///   different keys under one `kid`: [`Conflict`](BuildErrorKind::Conflict)
    /// - algorithms: [`NoAlgorithms`](BuildErrorKind::NoAlgorithms),
    ///   [`SymmetricAlgorithm`](BuildErrorKind::SymmetricAlgorithm)
    /// - a duration, too many places of scopes: [`OutOfRange`](BuildErrorKind::OutOfRange)
    pub fn build(self) -> Result<JwtVerifier, BuildError> {
        if let Some(fault) = self.fault {
            return Err(fault);
        }
        let source = self.key_source()?;
        let mut rules = self.expected.check(source.is_discovered())?;
        if self.types == TokenTypes::Rfc9068 {
            rules.required.all.extend(RFC9068_CLAIMS.map(str::to_owned));
        }
        if rules.max_token_age.is_some_and(|age| age < Duration::from_secs(1) || age > MAX_TOKEN_AGE) {
            return Err(BuildError::new("max_token_age", BuildErrorKind::OutOfRange));
        }
        let algorithms = source.algorithms(self.algorithms.as_deref())?;
        let keys = match &source {
            KeySource::Remote(remote) => IssuerKeys::Fetched(self.fetcher(remote, rules.issuers.own())?),
            configured => IssuerKeys::configured(configured.read(&algorithms)?),
        };
        let (types, clock) = (self.types, self.clock);
        Ok(JwtVerifier::new(Inner { rules, algorithms, types, keys, last_header: LastHeader::new(), clock }))
    }

    /// Fetches the keys from there unless another source is named.
    pub(crate) fn usual_keys(mut self, keys: RemoteJwks) -> Self {
        self.usual_keys = keys;
        self
    }

    /// Accepts tokens of every tenant: a claim names it, and the issuer has it between two texts. In place of the one
    /// issuer.
    pub(crate) fn of_tenants(
        mut self,
        claim: &'static str,
        forms: impl IntoIterator<Item = (String, &'static str)>,
    ) -> Self {
        let form =
            |(before, after): (String, &str)| TenantIssuer { before: before.into(), after: after.into() };
        self.expected.tenants = Some((claim, forms.into_iter().map(form).collect()));
        self
    }

    /// Accepts only tokens whose `typ` is `at+jwt`, with whatever claims.
    pub(crate) fn access_token_type(mut self) -> Self {
        self.types = TokenTypes::AccessToken;
        self
    }

    /// Does not build if there is a fault.
    pub(crate) fn fault(mut self, fault: Option<BuildError>) -> Self {
        self.fault = fault;
        self
    }

    fn source(mut self, setting: &'static str, source: KeySource) -> Self {
        self.sources.push((setting, source));
        self
    }

    /// The one source of keys.
    fn key_source(&self) -> Result<KeySource, BuildError> {
        match self.sources.as_slice() {
            [] => Ok(KeySource::Remote(self.usual_keys.clone())),
            [(_, source)] => Ok(source.clone()),
            [_, (setting, _), ..] => Err(BuildError::new(setting, BuildErrorKind::Conflict)),
        }
    }

    fn fetcher(&self, remote: &RemoteJwks, issuer: Option<&Arc<str>>) -> Result<KeyFetcher, BuildError> {
        let uri = remote.check()?;
        let issuer = match (issuer, &uri) {
            (Some(issuer), _) => Arc::clone(issuer),
            (None, Some(_)) => Arc::from("any"),
            (None, None) => return Err(BuildError::new("issuer", BuildErrorKind::Missing)),
        };
        let issuer =
            Issuer { issuer, client: client::or_default(self.client.as_ref())?, timeout: remote.timeout };
        Ok(KeyFetcher::new(issuer, remote.clone(), uri, Arc::clone(&self.clock)))
    }
}

impl fmt::Debug for JwtVerifierBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JwtVerifierBuilder")
            .field("issuer", &self.expected.issuer)
            .field("audiences", &self.expected.audiences)
            .finish_non_exhaustive()
    }
}
