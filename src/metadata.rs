//! The metadata of a protected resource: who issues its tokens, and what they may be good for ([RFC 9728]).
//!
//! Clients that were answered 401 read there where to log in; MCP clients do nothing without it. The document has to be
//! at the root of the host, between host and path of the resource: that of `https://api.example.com/mcp` is
//! `https://api.example.com/.well-known/oauth-protected-resource/mcp`, also where the resource itself is routed deep
//! inside of an application.
//!
//! [`AuthLayer`](crate::AuthLayer) serves it by itself once it knows its
//! [`resource`](crate::middleware::AuthLayerBuilder::resource), if it sees the whole path. Around one part of an
//! application it does not; then one line puts the document where it belongs:
//!
//! ```
//! # use tower_bearer::{AccessToken, AuthLayer, BearerToken, BuildError, TokenVerifier, VerifyError};
//! # fn app(verifier: impl TokenVerifier + 'static) -> Result<axum::Router, BuildError> {
//! use axum::{Router, routing::get};
//!
//! let auth = AuthLayer::builder(verifier)
//!     .resource("https://api.example.com/mcp")
//!     .authorization_servers(["https://login.example.com"])
//!     .build()?;
//! let metadata = auth.metadata_layer();
//!
//! let app = Router::new()
//!     .nest("/mcp", Router::new().route("/", get(async || "protected")).layer(auth))
//!     .route("/health", get(async || "open"))
//!     .layer(metadata);
//! # Ok(app) }
//! ```
//!
//! The same goes for `route_layer`, which does not see unknown paths. Several protected parts of one application, each
//! with a resource, have one [`MetadataLayer`] around all of them:
//!
//! ```
//! # use tower_bearer::metadata::MetadataLayer;
//! # use tower_bearer::{AuthLayer, BuildError};
//! # fn layer<V>(files: &AuthLayer<V>, mail: &AuthLayer<V>) -> Result<MetadataLayer, BuildError> {
//! let metadata = MetadataLayer::new([files, mail].into_iter().filter_map(AuthLayer::metadata).cloned())?;
//! # Ok(metadata) }
//! ```
//!
//! | request | answer |
//! |---|---|
//! | `GET`, `HEAD` | 200 with the document, which anybody may read and keep for an hour |
//! | `OPTIONS` | 204, from wherever a browser asks |
//! | another method | 405 with `Allow` |
//! | the same with a slash at the end | the same document, without a redirect |
//! | `/.well-known/oauth-protected-resource` alone | the document, if there is one resource only |
//! | another resource | 404; a [`MetadataLayer`] passes it on |
//!
//! [RFC 9728]: https://www.rfc-editor.org/rfc/rfc9728

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use serde::ser::{Serialize, SerializeMap, Serializer};

pub use self::builder::ProtectedResourceMetadataBuilder;
pub use self::layer::{Metadata, MetadataLayer};
pub use self::service::MetadataService;
pub use crate::answer_future::AnswerFuture;

mod builder;
pub(crate) mod documents;
mod layer;
mod service;

/// The metadata of one protected resource. Clones are cheap.
///
/// ```
/// use tower_bearer::ProtectedResourceMetadata;
///
/// let metadata = ProtectedResourceMetadata::builder("https://api.example.com/mcp")
///     .authorization_servers(["https://login.example.com"])
///     .scopes_supported(["files:read", "files:write"])
///     .resource_name("Files")
///     .build()?;
/// assert_eq!(metadata.url(), "https://api.example.com/.well-known/oauth-protected-resource/mcp");
/// # Ok::<(), tower_bearer::BuildError>(())
/// ```
#[derive(Clone)]
pub struct ProtectedResourceMetadata {
    inner: Arc<Inner>,
}

struct Inner {
    resource: Box<str>,
    url: Box<str>,
    // The path of the resource without a slash at its end, and its query.
    path: Box<str>,
    query: Option<Box<str>>,
    json: Bytes,
}

/// What the document says, in the order in which it says it.
struct Members<'a> {
    resource: &'a str,
    authorization_servers: &'a [String],
    scopes_supported: &'a [&'a str],
    texts: [(&'static str, Option<&'a str>); 4],
}

impl ProtectedResourceMetadata {
    /// Starts the metadata of a resource, an `https` URL of at most 1 900 bytes without a fragment. It goes into the
    /// document byte for byte: clients compare it with the address that they use.
    pub fn builder(resource: impl Into<String>) -> ProtectedResourceMetadataBuilder {
        ProtectedResourceMetadataBuilder::new(resource.into())
    }

    /// The identifier of the resource.
    #[must_use]
    pub fn resource(&self) -> &str {
        &self.inner.resource
    }

    /// Where the document is: what challenges name as `resource_metadata`. It follows from the resource, never from
    /// what a request says of itself.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.inner.url
    }

    /// The document, a JSON object.
    #[must_use]
    pub fn json(&self) -> &[u8] {
        &self.inner.json
    }
}

impl fmt::Debug for ProtectedResourceMetadata {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ProtectedResourceMetadata")
            .field("resource", &self.resource())
            .finish_non_exhaustive()
    }
}

impl Serialize for Members<'_> {
    /// RFC 9728 §2. What is empty is left out (§3.2).
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("resource", self.resource)?;
        map.serialize_entry("authorization_servers", self.authorization_servers)?;
        if !self.scopes_supported.is_empty() {
            map.serialize_entry("scopes_supported", self.scopes_supported)?;
        }
        map.serialize_entry("bearer_methods_supported", &["header"])?;
        for (name, text) in self.texts {
            if let Some(text) = text {
                map.serialize_entry(name, text)?;
            }
        }
        map.end()
    }
}
