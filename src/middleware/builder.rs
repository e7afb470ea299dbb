//! The settings of an `AuthLayer`.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use super::decision_log::DecisionLog;
use super::layer::AuthLayer;
use super::policy::{Challenges, Policy};
use crate::admitted::{Admitted, NameOfScope, Protection};
use crate::clock::{Clock, SystemClock};
use crate::error::{BodyHook, BuildError, BuildErrorKind, Rejection};
use crate::metadata::documents::Documents;
use crate::metadata::{ProtectedResourceMetadata, ProtectedResourceMetadataBuilder};
use crate::rejection_body::RejectionBody;
use crate::scope::{ScopeHierarchy, ScopeSet};
use crate::verifier::{BoxVerifier, TokenVerifier};
use crate::{endpoint, scopes_setting};

const TIMEOUT: Duration = Duration::from_secs(10);
const MIN_TIMEOUT: Duration = Duration::from_millis(1);
const MAX_TIMEOUT: Duration = Duration::from_secs(60);

type Describe = Box<dyn FnOnce(ProtectedResourceMetadataBuilder) -> ProtectedResourceMetadataBuilder + Send>;

/// Sets up an [`AuthLayer`].
#[must_use = "the layer is made by `build`"]
pub struct AuthLayerBuilder<V = BoxVerifier> {
    verifier: V,
    required_scopes: Vec<String>,
    challenge_scopes: Option<Vec<String>>,
    name_of_scope: Option<NameOfScope>,
    hierarchy: ScopeHierarchy,
    resource: Option<String>,
    authorization_servers: Option<Vec<String>>,
    scopes_supported: Option<Vec<String>>,
    describe: Option<Describe>,
    optional: bool,
    strip: bool,
    grpc: bool,
    timeout: Duration,
    body: Option<BodyHook>,
    clock: Arc<dyn Clock>,
}

impl<V: TokenVerifier> AuthLayer<V> {
    /// A layer that requires a good token, and nothing else.
    pub fn new(verifier: V) -> Self {
        // With nothing set there is nothing to be wrong.
        Self::of(AuthLayerBuilder::defaults(verifier).policy(ScopeSet::default(), &ScopeSet::default(), None))
    }

    /// Starts a layer with settings.
    pub fn builder(verifier: V) -> AuthLayerBuilder<V> {
        AuthLayerBuilder::defaults(verifier)
    }
}

impl<V: TokenVerifier> AuthLayerBuilder<V> {
    fn defaults(verifier: V) -> Self {
        Self {
            verifier,
            required_scopes: Vec::new(),
            challenge_scopes: None,
            name_of_scope: None,
            hierarchy: ScopeHierarchy::new(),
            resource: None,
            authorization_servers: None,
            scopes_supported: None,
            describe: None,
            optional: false,
            strip: false,
            grpc: false,
            timeout: TIMEOUT,
            body: None,
            clock: SystemClock::shared(),
        }
    }

    /// Scopes that every token needs, all of them. They stand in the challenges, so that clients ask for them. At most
    /// 1 900 bytes together.
    ///
    /// Default: none.
    pub fn required_scopes<T: Into<String>>(mut self, scopes: impl IntoIterator<Item = T>) -> Self {
        self.required_scopes = scopes.into_iter().map(Into::into).collect();
        self
    }

    /// The scopes that clients have to ask for, in the challenges in place of the required ones: where a provider is
    /// asked for something else than what it puts into the token. At most 1 900 bytes together.
    ///
    /// Default: the required scopes, under the names that [`challenge_scope_names`](Self::challenge_scope_names) gives
    /// them.
    pub fn challenge_scopes<T: Into<String>>(mut self, scopes: impl IntoIterator<Item = T>) -> Self {
        self.challenge_scopes = Some(scopes.into_iter().map(Into::into).collect());
        self
    }

    /// How clients have to ask for a scope, of this layer and of everything inside of it that demands scopes: some
    /// providers are asked for `api://app/read` and put `read` into the token.
    ///
    /// ```
    /// # use tower_bearer::{AuthLayer, TokenVerifier};
    /// # fn layer(verifier: impl TokenVerifier) {
    /// let auth = AuthLayer::builder(verifier).challenge_scope_names(|scope| format!("api://app/{scope}"));
    /// # }
    /// ```
    ///
    /// Of the required scopes, [`build`](Self::build) asks for the names, and refuses what is no scope; of others, such a
    /// name is left out. Default: under their own names.
    pub fn challenge_scope_names(mut self, name_of: impl Fn(&str) -> String + Send + Sync + 'static) -> Self {
        self.name_of_scope = Some(Box::new(name_of));
        self
    }

    /// Which scope contains which others, for the required ones and for everything that checks scopes inside of this
    /// layer.
    ///
    /// Default: every scope stands alone.
    pub fn scope_hierarchy(mut self, hierarchy: ScopeHierarchy) -> Self {
        self.hierarchy = hierarchy;
        self
    }

    /// The identifier of this resource, an `https` URL of at most 1 900 bytes, which is how MCP clients find the
    /// provider:
    ///
    /// - the layer serves the [metadata](crate::metadata) of the resource ([RFC 9728]), also to those who have no
    ///   token, if it sees the whole path; other requests below `/.well-known/oauth-protected-resource` are 404,
    /// - the challenges say where they are,
    /// - scopes that a handler [demands](crate::AccessToken::require_scopes) in vain are answered with 403.
    ///
    /// Clients ask the provider for tokens for exactly this identifier ([RFC 8707]): the verifier has to take it as an
    /// audience, or every token that they get is refused.
    ///
    /// Around one part of an application, by axum's `nest` or `route_layer`, or with several resources,
    /// [`metadata_layer`](AuthLayer::metadata_layer) or a [`MetadataLayer`](crate::metadata::MetadataLayer) around the
    /// whole serves the documents.
    ///
    /// Default: none.
    ///
    /// [RFC 8707]: https://www.rfc-editor.org/rfc/rfc8707
    /// [RFC 9728]: https://www.rfc-editor.org/rfc/rfc9728
    pub fn resource(mut self, resource: impl Into<String>) -> Self {
        self.resource = Some(resource.into());
        self
    }

    /// The issuers that the metadata of the resource name, the preferred one first. Without a resource it has no
    /// effect.
    ///
    /// Default: those that the verifier knows. A verifier that knows none needs this.
    pub fn authorization_servers<T: Into<String>>(mut self, issuers: impl IntoIterator<Item = T>) -> Self {
        self.authorization_servers = Some(issuers.into_iter().map(Into::into).collect());
        self
    }

    /// All scopes that make sense at this resource, for its metadata: those of single routes and tools too. Without a
    /// resource it has no effect.
    ///
    /// Default: the scopes of the challenges.
    pub fn scopes_supported<T: Into<String>>(mut self, scopes: impl IntoIterator<Item = T>) -> Self {
        self.scopes_supported = Some(scopes.into_iter().map(Into::into).collect());
        self
    }

    /// Says more about the resource in its metadata, its name for example. Without a resource it has no effect.
    ///
    /// ```
    /// # use tower_bearer::{AuthLayer, TokenVerifier};
    /// # fn layer(verifier: impl TokenVerifier) -> Result<(), tower_bearer::BuildError> {
    /// let auth = AuthLayer::builder(verifier)
    ///     .resource("https://api.example.com/mcp")
    ///     .describe_resource(|about| about.resource_name("Files"))
    ///     .build()?;
    /// # Ok(()) }
    /// ```
    pub fn describe_resource(
        mut self,
        describe: impl FnOnce(ProtectedResourceMetadataBuilder) -> ProtectedResourceMetadataBuilder
        + Send
        + 'static,
    ) -> Self {
        self.describe = Some(Box::new(describe));
        self
    }

    /// Lets requests without a bearer token through, those with a credential of another scheme included; handlers take
    /// `Option<AccessToken>`.
    ///
    /// A bearer token that is there and bad is still rejected: it is never taken for none. Of a route inside,
    /// `RequireClaims::new(|_| true)` demands a token, whatever is in it.
    pub fn optional(mut self) -> Self {
        self.optional = true;
        self
    }

    /// Removes the `Authorization` header, of whatever scheme, from every request that is let through, so that no
    /// handler passes a token on.
    ///
    /// Default: it stays, marked sensitive.
    pub fn strip_authorization(mut self) -> Self {
        self.strip = true;
        self
    }

    /// Answers gRPC calls in gRPC: `POST` requests whose one content type is `application/grpc`, `application/grpc-web`
    /// or `application/grpc-web-text`, with or without a codec (`+proto`).
    ///
    /// A rejection is then HTTP 200 without a body, with a status and a message of a fixed list; `www-authenticate`,
    /// `retry-after` and `cache-control` are metadata. A [`rejection_body`](Self::rejection_body) is not sent.
    ///
    /// | `grpc-status` | instead of |
    /// |---|---|
    /// | 16, unauthenticated | 401 |
    /// | 7, permission denied | 403 |
    /// | 3, invalid argument | 400 |
    /// | 14, unavailable | 503 |
    /// | 13, internal | 500, if the hook of `rejection_body` panics |
    ///
    /// Scopes that a handler [demands](crate::AccessToken::require_scopes) in vain are answered in this way too.
    ///
    /// A caller that sends `grpc-timeout` waits for a verification no longer than that, or than the
    /// [`timeout`](Self::timeout) of the layer if that is shorter; then it is unavailable. A malformed one is ignored. It
    /// counts from when the request arrives here, and a verification that need not wait, as of a cached token, is not
    /// bounded by it.
    ///
    /// Browsers read status and message of a rejected gRPC-Web call only if a CORS layer outside of this one exposes
    /// `grpc-status` and `grpc-message`.
    ///
    /// Default: off, every rejection has its HTTP status whatever the request says.
    ///
    /// # Security
    ///
    /// The content type is the client's word. Where a gateway, a proxy's subrequest for authentication or a monitor takes
    /// HTTP 200 for leave to pass, a forged content type would turn a rejection into that leave: there, leave it off.
    pub fn grpc(mut self) -> Self {
        self.grpc = true;
        self
    }

    /// How long a verification may take before the request is answered with 503.
    ///
    /// It needs a tokio runtime with its timer. Without one there is no limit, and finding that out prints a caught
    /// panic of tokio; where panics abort, build the runtime with its timer.
    ///
    /// Default: 10 seconds. From 1 millisecond to 60 seconds.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// Replaces the body of rejections. Status, challenge and all other headers stay; `None` keeps the body too.
    ///
    /// If the hook panics, that one request is answered with 500. It is called for gRPC calls too, but the body is not
    /// sent, see [`grpc`](Self::grpc).
    pub fn rejection_body(
        mut self,
        body: impl Fn(&Rejection) -> Option<RejectionBody> + Send + Sync + 'static,
    ) -> Self {
        self.body = Some(Arc::new(body));
        self
    }

    /// The clock by which the dates of tokens are judged. Default: that of the system.
    ///
    /// A verifier has a clock of its own for what it does while a request waits: set both in tests.
    pub fn clock(mut self, clock: impl Clock) -> Self {
        self.clock = Arc::new(clock);
        self
    }

    /// Makes the layer.
    ///
    /// # Errors
    ///
    /// - a scope is empty or has characters that no scope has, or they are too long together:
    ///   [`InvalidText`](BuildErrorKind::InvalidText), [`OutOfRange`](BuildErrorKind::OutOfRange)
    /// - the resource is not an `https` or loopback URL, or is too long: [`InvalidUrl`](BuildErrorKind::InvalidUrl),
    ///   [`InsecureUrl`](BuildErrorKind::InsecureUrl), [`OutOfRange`](BuildErrorKind::OutOfRange)
    /// - there is a resource, and no authorization server is known: [`Missing`](BuildErrorKind::Missing); other faults
    ///   of its metadata: those of [`ProtectedResourceMetadataBuilder::build`]
    /// - the timeout is below 1 millisecond or above 60 seconds: [`OutOfRange`](BuildErrorKind::OutOfRange)
    pub fn build(mut self) -> Result<AuthLayer<V>, BuildError> {
        let required = scopes_setting::read("required_scopes", &self.required_scopes)?;
        let wanted = self
            .challenge_scopes
            .as_deref()
            .map(|wanted| scopes_setting::read("challenge_scopes", wanted))
            .transpose()?;
        let wanted = match (wanted, &self.name_of_scope) {
            (Some(wanted), _) => wanted,
            (None, None) => required.clone(),
            (None, Some(name_of)) => {
                scopes_setting::read("challenge_scope_names", required.iter().map(name_of))?
            }
        };
        if !self.hierarchy.is_valid() {
            return Err(BuildError::new("scope_hierarchy", BuildErrorKind::InvalidText));
        }
        if self.timeout < MIN_TIMEOUT || self.timeout > MAX_TIMEOUT {
            return Err(BuildError::new("timeout", BuildErrorKind::OutOfRange));
        }
        let metadata = self.resource.take().map(|resource| self.describe(resource, &wanted)).transpose()?;
        Ok(AuthLayer::of(self.policy(required, &wanted, metadata)))
    }

    fn describe(
        &mut self,
        resource: String,
        wanted: &ScopeSet,
    ) -> Result<ProtectedResourceMetadata, BuildError> {
        let issuers = self.authorization_servers.take().unwrap_or_else(|| {
            // What is no URL, such as the name of an issuer whose keys are given, leads no client anywhere.
            let is_url = |issuer: &Arc<str>| endpoint::check("authorization_servers", issuer).is_ok();
            self.verifier
                .issuers()
                .into_iter()
                .filter(is_url)
                .map(|issuer| issuer.as_ref().to_owned())
                .collect()
        });
        let scopes = self.scopes_supported.take();
        let scopes = scopes.unwrap_or_else(|| wanted.iter().map(ToOwned::to_owned).collect());
        let about = ProtectedResourceMetadata::builder(resource);
        let about = about.authorization_servers(issuers).scopes_supported(scopes);
        match self.describe.take() {
            Some(describe) => describe(about).build(),
            None => about.build(),
        }
    }

    fn policy(
        self,
        required_scopes: ScopeSet,
        wanted: &ScopeSet,
        metadata: Option<ProtectedResourceMetadata>,
    ) -> Policy<V> {
        let protection = Arc::new(Protection {
            scopes: wanted.without_offline_access(),
            hierarchy: self.hierarchy,
            name_of_scope: self.name_of_scope,
            resource_metadata: metadata.as_ref().map_or("", ProtectedResourceMetadata::url).into(),
            body: self.body,
            speaks_grpc: self.grpc,
        });
        Policy {
            challenges: Challenges::new(&protection),
            log: DecisionLog::new(Policy::<V>::verifier_name(), &*self.clock),
            verifier: self.verifier,
            required_scopes,
            optional: self.optional,
            strip: self.strip,
            timeout: self.timeout,
            clock: self.clock,
            admitted: Arc::new(Admitted::new(Arc::clone(&protection))),
            protection,
            documents: metadata.map(Documents::one),
        }
    }
}

impl<V> fmt::Debug for AuthLayerBuilder<V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AuthLayerBuilder").finish_non_exhaustive()
    }
}
