//! `AuthLayer`, which goes around a service.

use std::fmt;
use std::sync::Arc;

use tower_layer::Layer;

use super::policy::Policy;
use super::service::Auth;
use crate::metadata::{MetadataLayer, ProtectedResourceMetadata};
use crate::verifier::BoxVerifier;

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

impl<V> AuthLayer<V> {
    pub(super) fn of(policy: Policy<V>) -> Self {
        Self { policy: Arc::new(policy) }
    }

    /// The metadata of the [`resource`](super::AuthLayerBuilder::resource), to look at, or to serve together with those of
    /// others by a [`MetadataLayer`].
    #[must_use]
    pub fn metadata(&self) -> Option<&ProtectedResourceMetadata> {
        self.policy.documents.as_ref()?.first()
    }

    /// A layer for the whole application that serves the metadata of the [`resource`](super::AuthLayerBuilder::resource)
    /// where clients look for them: for an `AuthLayer` around a part of an application only, which does not see
    /// requests to the root. Without a resource it passes everything on. Of several resources, give the
    /// [`metadata`](Self::metadata) to one [`MetadataLayer`].
    ///
    /// [`metadata`](crate::metadata) has an example.
    #[must_use]
    pub fn metadata_layer(&self) -> MetadataLayer {
        self.policy.documents.clone().map(MetadataLayer::of).unwrap_or_default()
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
