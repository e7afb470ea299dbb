//! `AuthLayer` and its settings.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use tower_layer::Layer;

use super::decision_log::DecisionLog;
use super::policy::{BodyHook, Challenges, Policy};
use super::service::Auth;
use crate::answer::RejectionBody;
use crate::clock::{Clock, SystemClock};
use crate::endpoint;
use crate::error::{BuildError, BuildErrorKind, Rejection};
use crate::scope::ScopeSet;
use crate::verifier::{BoxVerifier, TokenVerifier};

const TIMEOUT: Duration = Duration::from_secs(10);
const MIN_TIMEOUT: Duration = Duration::from_millis(1);
const MAX_TIMEOUT: Duration = Duration::from_secs(60);
/// RFC 9728 §3.1.
const METADATA_PATH: &str = "/.well-known/oauth-protected-resource";
/// Longer challenges do not fit through common proxies.
const MAX_CHALLENGE_PARAMETER: usize = 1_900;

/// Lets only requests with a good bearer token reach the service. Clones are cheap and share the verifier.
///
/// See [the law](crate::middleware) for what happens to a request.
///
/// # Security
///
/// A CORS preflight reaches the service without a token: browsers send none with it. A handler for `OPTIONS` must not
/// do anything else than answer it. A CORS layer outside of this one answers preflights before they come here, and
/// makes rejections readable for browsers.
///
/// ```
/// # #[cfg(all(feature = "jwt", feature = "reqwest", any(feature = "aws-lc-rs", feature = "rust-crypto")))] {
/// use tower_bearer::{AuthLayer, JwtVerifier};
///
/// let verifier = JwtVerifier::builder("https://idp.example.com/", "https://api.example.com").build()?;
/// let auth = AuthLayer::builder(verifier).required_scopes(["read"]).build()?;
/// # let _ = auth;
/// # }
/// # Ok::<(), tower_bearer::BuildError>(())
/// ```
pub struct AuthLayer<V = BoxVerifier> {
    policy: Arc<Policy<V>>,
}

impl<V: TokenVerifier> AuthLayer<V> {
    /// A layer that requires a good token, and nothing else.
    pub fn new(verifier: V) -> Self {
        let settings = AuthLayerBuilder::defaults(verifier);
        Self { policy: Arc::new(settings.policy(ScopeSet::default(), None)) }
    }

    /// Starts a layer with settings.
    pub fn builder(verifier: V) -> AuthLayerBuilder<V> {
        AuthLayerBuilder::defaults(verifier)
    }
}

impl<S, V> Layer<S> for AuthLayer<V> {
    type Service = Auth<S, V>;

    fn layer(&self, inner: S) -> Self::Service {
        Auth::new(inner, Arc::clone(&self.policy))
    }
}

impl<V> Clone for AuthLayer<V> {
    fn clone(&self) -> Self {
        Self { policy: Arc::clone(&self.policy) }
    }
}

impl<V> fmt::Debug for AuthLayer<V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AuthLayer").finish_non_exhaustive()
    }
}

/// Sets up an [`AuthLayer`].
#[must_use = "the layer is made by `build`"]
pub struct AuthLayerBuilder<V = BoxVerifier> {
    verifier: V,
    required_scopes: Vec<String>,
    resource: Option<String>,
    optional: bool,
    strip: bool,
    grpc: bool,
    timeout: Duration,
    body: Option<BodyHook>,
    clock: Arc<dyn Clock>,
}

impl<V: TokenVerifier> AuthLayerBuilder<V> {
    fn defaults(verifier: V) -> Self {
        Self {
            verifier,
            required_scopes: Vec::new(),
            resource: None,
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

    /// The identifier of this resource, an `https` URL of at most 1 900 bytes: the challenges then say where its
    /// metadata are ([RFC 9728 §5.1]), which is how MCP clients find the provider.
    ///
    /// Default: none.
    ///
    /// [RFC 9728 §5.1]: https://www.rfc-editor.org/rfc/rfc9728#section-5.1
    pub fn resource(mut self, resource: impl Into<String>) -> Self {
        self.resource = Some(resource.into());
        self
    }

    /// Lets requests without a bearer token through, those with a credential of another scheme included; handlers take
    /// `Option<AccessToken>`.
    ///
    /// A bearer token that is there and bad is still rejected: it is never taken for none.
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
        self.body = Some(Box::new(body));
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
    /// - a required scope is empty or has characters that no scope has, or they are too long together:
    ///   [`InvalidText`](BuildErrorKind::InvalidText), [`OutOfRange`](BuildErrorKind::OutOfRange)
    /// - the resource is not an `https` or loopback URL, or is too long: [`InvalidUrl`](BuildErrorKind::InvalidUrl),
    ///   [`InsecureUrl`](BuildErrorKind::InsecureUrl), [`OutOfRange`](BuildErrorKind::OutOfRange)
    /// - the timeout is below 1 millisecond or above 60 seconds: [`OutOfRange`](BuildErrorKind::OutOfRange)
    pub fn build(self) -> Result<AuthLayer<V>, BuildError> {
        if !self.required_scopes.iter().all(|scope| ScopeSet::is_scope(scope)) {
            return Err(BuildError::new("required_scopes", BuildErrorKind::InvalidText));
        }
        let scopes = ScopeSet::from_iter(&self.required_scopes);
        if scopes.as_str().len() > MAX_CHALLENGE_PARAMETER {
            return Err(BuildError::new("required_scopes", BuildErrorKind::OutOfRange));
        }
        if self.timeout < MIN_TIMEOUT || self.timeout > MAX_TIMEOUT {
            return Err(BuildError::new("timeout", BuildErrorKind::OutOfRange));
        }
        let metadata = self.resource.as_deref().map(metadata_url).transpose()?;
        Ok(AuthLayer { policy: Arc::new(self.policy(scopes, metadata.as_deref())) })
    }

    fn policy(self, required_scopes: ScopeSet, metadata: Option<&str>) -> Policy<V> {
        Policy {
            challenges: Challenges::new(&required_scopes, metadata),
            log: DecisionLog::new(Policy::<V>::verifier_name(), &*self.clock),
            verifier: self.verifier,
            required_scopes,
            optional: self.optional,
            strip: self.strip,
            grpc: self.grpc,
            timeout: self.timeout,
            body: self.body,
            clock: self.clock,
        }
    }
}

/// RFC 9728 §3.1: the well-known path goes between the host and the path of the resource.
fn metadata_url(resource: &str) -> Result<String, BuildError> {
    let uri = endpoint::check("resource", resource)?;
    if resource.len() > MAX_CHALLENGE_PARAMETER {
        return Err(BuildError::new("resource", BuildErrorKind::OutOfRange));
    }
    let (scheme, authority) =
        (uri.scheme_str().unwrap_or("https"), uri.authority().map_or("", |a| a.as_str()));
    let path = uri.path_and_query().map_or("", |path| path.as_str());
    let path = if path == "/" { "" } else { path };
    Ok(format!("{scheme}://{authority}{METADATA_PATH}{path}"))
}

impl<V> fmt::Debug for AuthLayerBuilder<V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AuthLayerBuilder").finish_non_exhaustive()
    }
}
