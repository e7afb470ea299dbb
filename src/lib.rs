//! Tower middleware for OAuth 2.0 bearer tokens.
//!
//! An [`AuthLayer`] around any tower service (axum, tonic, rmcp, hyper) takes the bearer token out of each request, asks
//! a [`TokenVerifier`] about it, and puts the resulting [`AccessToken`] into the extensions of the request. Only requests
//! with a good token reach the service, and clients that come with another one learn what to do.
//!
//! ```no_run
//! # #[cfg(all(feature = "axum", feature = "jwt", feature = "reqwest", any(feature = "aws-lc-rs", feature = "rust-crypto")))] {
//! use axum::{Router, routing::get};
//! use tower_bearer::{AccessToken, AuthLayer, JwtVerifier};
//!
//! # async fn run() -> Result<(), Box<dyn std::error::Error>> {
//! let verifier = JwtVerifier::builder("https://idp.example.com/", "https://api.example.com").build()?;
//! let auth = AuthLayer::builder(verifier).required_scopes(["read"]).build()?;
//!
//! let app = Router::new()
//!     .route("/me", get(|token: AccessToken| async move { token.subject().unwrap_or("?").to_owned() }))
//!     .layer(auth);
//! axum::serve(tokio::net::TcpListener::bind("127.0.0.1:3000").await?, app).await?;
//! # Ok(()) }
//! # }
//! ```
//!
//! New here? The [guide] goes from an empty folder to 401 and 200 in five minutes, and has pages for MCP, for several
//! issuers, for verifiers of your own, for tests, for operations, and for those who come from another crate.
//!
//! # What a request is answered
//!
//! | request | answer |
//! |---|---|
//! | no token, or another scheme | 401, a challenge without a code |
//! | two `Authorization` lines, a list, trailing data, no token after `Bearer`, more than 16 KiB | 400 `invalid_request` |
//! | a bad token: expired, forged, for somebody else, … | 401 `invalid_token` |
//! | a good token without a required scope | 403 `insufficient_scope`, naming all that are needed |
//! | nobody can tell: the provider is down, or answers nonsense | 503 with `Retry-After`, so that clients keep their tokens |
//! | a good token | the handler runs |
//!
//! ```text
//! request
//!    │── for the metadata of the resource ─────────────────────► 200, the document
//!    │── a CORS preflight ─────────────────────────────────────► the handler, without a token
//!    ▼
//! one `Authorization: Bearer` ── none ─────────────────────────► 401   (the handler, if optional)
//!    │                         └ malformed ────────────────────► 400 invalid_request
//!    ▼
//! the verifier: known at once? ── no ──► asks, waits ── bad ───► 401 invalid_token
//!    │ a cache hit, a known key           │           └ ? ─────► 503 Retry-After
//!    ▼ good                               ▼ good
//! past its expiry and the leeway? ── yes ──────────────────────► 401 invalid_token
//!    ▼ no
//! every required scope? ── no ─────────────────────────────────► 403 insufficient_scope
//!    ▼ yes
//! the handler, with an `AccessToken` ── demands a scope ───────► 403 insufficient_scope
//!    ▼
//! its answer
//! ```
//!
//! The [`middleware`] module has the whole law, and `docs/requirements.md` in the repository which test holds which
//! demand of which standard.
//!
//! # Verifiers
//!
//! | your tokens | verifier | without a cache a request costs |
//! |---|---|---|
//! | JWTs of any provider with metadata | [`JwtVerifier`] | a signature check |
//! | opaque, and the provider has introspection | [`IntrospectionVerifier`] | a call |
//! | of GitHub | [`GitHubVerifier`] | a call, of 5 000 an hour |
//! | opaque, and there is userinfo alone; Google's | [`UserInfoVerifier`](verifier::UserInfoVerifier), [`TokenInfoVerifier`](verifier::TokenInfoVerifier) | a call |
//! | a handful, in the configuration | [`StaticTokens`](verifier::StaticTokens) | a comparison |
//! | anything else | [your own](guide::own_verifier) | |
//!
//! [`or`](TokenVerifier::or), [`ByIssuer`](verifier::ByIssuer), [`ByPrefix`](verifier::ByPrefix) and
//! [`AnyOf`](verifier::AnyOf) combine them: the first that recognises a token answers, and no other sees it. A cache goes
//! around those that ask somebody else.
//!
//! ```
//! # #[cfg(all(feature = "github", feature = "introspection", feature = "jwt", feature = "reqwest", any(feature = "aws-lc-rs", feature = "rust-crypto")))] {
//! use tower_bearer::{BuildError, CacheLayer, GitHubVerifier, IntrospectionVerifier, JwtVerifier, TokenVerifier};
//!
//! fn verifier() -> Result<impl TokenVerifier, BuildError> {
//!     let services = JwtVerifier::builder("https://idp.example.com/", "https://api.example.com").build()?;
//!     let people = GitHubVerifier::builder("Iv1.0123456789abcdef", "secret-of-your-app").build()?;
//!     let others = IntrospectionVerifier::builder("https://old.example.com/", "https://api.example.com")
//!         .client_secret_basic("my-api", "the secret of my-api")
//!         .build()?;
//!     Ok(services.or(people.cached(CacheLayer::new())).or(others.cached(CacheLayer::new())))
//! }
//! # }
//! ```
//!
//! # Around your service
//!
//! | for | there is |
//! |---|---|
//! | well-known providers | [`providers`]: name one and its two or three parameters |
//! | deployments | [`settings`]: everything from variables or a file |
//! | your tests | [`testing`]: tokens without a provider, bad tokens by name, asserts for rejections |
//! | routes with demands of their own | [`RequireScopes`], [`RequireClaims`], [`require::RequireAuthentication`] |
//! | handlers of axum | [`AccessToken`], `Option<AccessToken>`, `Claims<T>`, `Scoped<S>` as arguments |
//! | clients that have to find the provider | [`metadata`]: [`resource`](middleware::AuthLayerBuilder::resource) serves it |
//! | servers of MCP | [`AccessToken::from_parts`] and [`require_scopes`](AccessToken::require_scopes) in tools, [`SessionBinding`] |
//! | gRPC, tonic | [`grpc`](middleware::AuthLayerBuilder::grpc): decisions as gRPC answers |
//! | servers on the loopback interface, and browsers | [`HostGuard`]; its module says how CORS fits in |
//!
//! # Features
//!
//! "Crates" is how many the feature brings along, alone, on top of the 29 without any: on Linux, by `cargo tree --edges
//! normal`, without this one.
//!
//! | feature | default | crates | what it adds |
//! |---|---|---|---|
//! | `jwt` | yes | 17 | `JwtVerifier`, together with one of the next two |
//! | `aws-lc-rs` | yes | 3 | signatures by aws-lc-rs; needs a C compiler |
//! | `rust-crypto` | | 46, with `jwt` | signatures in pure Rust: slower, RSA up to 4096 bits; used if `aws-lc-rs` is off |
//! | `introspection` | yes | 6 | `IntrospectionVerifier`, `UserInfoVerifier`, `TokenInfoVerifier` |
//! | `github` | yes | 4 | `GitHubVerifier` |
//! | `reqwest` | yes | 67 | the client that fetches keys and asks providers; or implement [`client::HttpClient`] |
//! | `axum` | yes | 5 | `AccessToken`, `Option<AccessToken>`, `Claims<T>` and `Scoped<S>` as arguments of handlers |
//! | `sessions` | yes | 5 | [`SessionBinding`]: an MCP session is of use to nobody but its owner |
//! | `metrics` | | 3 | the counters of caches for the facade of that name |
//! | `settings` | | 1 | [`Settings`](settings::Settings): everything a deployment sets, from variables or files |
//! | `testing` | | 31 | for tests: tokens without a provider, asserts, and an issuer, GitHub and introspection on loopback |
//!
//! The defaults together are 117 crates; many are shared, also with axum and tonic. Without any: the layer, the trait and
//! the cache, no TLS, no network. A feature adds something and changes nothing else.
//!
#![doc = include_str!("../docs/cache.md")]
//!
#![doc = include_str!("../docs/threat-model.md")]
//!
//! # What it does not do
//!
//! It issues no tokens, keeps no sessions, reads no cookies, and decrypts nothing. It judges a request when it arrives:
//! a stream that is still open when its token ends goes on.

#![cfg_attr(docsrs, feature(doc_cfg))]
#![cfg_attr(
    not(all(
        feature = "axum",
        feature = "github",
        feature = "introspection",
        feature = "jwt",
        feature = "reqwest",
        feature = "sessions",
        feature = "settings",
        feature = "testing"
    )),
    allow(rustdoc::broken_intra_doc_links, reason = "these pages speak of every feature")
)]

/// The code of the README has to compile.
#[cfg(all(
    doctest,
    feature = "axum",
    feature = "github",
    feature = "introspection",
    feature = "jwt",
    feature = "reqwest",
    any(feature = "aws-lc-rs", feature = "rust-crypto")
))]
#[doc = include_str!("../README.md")]
pub mod readme {}

pub mod access_token;
#[cfg(feature = "introspection")]
mod address;
mod admitted;
pub mod algorithm;
pub mod bearer_token;
pub mod cache;
pub mod challenge;
pub mod client;
pub mod clock;
pub mod error;
#[cfg(feature = "axum")]
pub mod extract;
#[cfg(all(
    doc,
    feature = "axum",
    feature = "github",
    feature = "introspection",
    feature = "jwt",
    feature = "reqwest",
    feature = "sessions",
    feature = "testing",
    any(feature = "aws-lc-rs", feature = "rust-crypto")
))]
pub mod guide;
pub mod host_guard;
#[cfg(all(feature = "jwt", any(feature = "aws-lc-rs", feature = "rust-crypto")))]
pub mod jwks;
pub mod metadata;
pub mod middleware;
pub mod providers;
pub mod require;
pub mod scope;
pub mod secret;
#[cfg(feature = "sessions")]
pub mod session_binding;
#[cfg(feature = "settings")]
pub mod settings;
#[cfg(feature = "testing")]
pub mod testing;
pub mod verifier;

mod answer;
mod answer_future;
mod caught;
mod deadline;
#[cfg(any(
    feature = "introspection",
    all(feature = "jwt", any(feature = "aws-lc-rs", feature = "rust-crypto"))
))]
mod discovery;
mod endpoint;
#[cfg(any(
    feature = "github",
    feature = "introspection",
    all(feature = "jwt", any(feature = "aws-lc-rs", feature = "rust-crypto"))
))]
#[cfg_attr(
    not(all(
        feature = "github",
        feature = "introspection",
        feature = "jwt",
        any(feature = "aws-lc-rs", feature = "rust-crypto")
    )),
    allow(dead_code, reason = "each verifier uses a part of it")
)]
mod freshness;
mod grpc;
#[cfg_attr(
    not(all(
        feature = "github",
        feature = "introspection",
        feature = "jwt",
        any(feature = "aws-lc-rs", feature = "rust-crypto")
    )),
    allow(dead_code, reason = "each verifier uses a part of it")
)]
mod json;
mod log;
#[cfg(all(feature = "jwt", any(feature = "aws-lc-rs", feature = "rust-crypto")))]
mod oid;
mod once_a_minute;
mod passed;
mod ready;
mod rejection_body;
mod response_body;
mod scopes_setting;
#[cfg(all(
    any(feature = "introspection", feature = "testing"),
    feature = "jwt",
    any(feature = "aws-lc-rs", feature = "rust-crypto")
))]
mod signer;
mod small_answer;
mod sync;
#[cfg(any(feature = "github", feature = "introspection"))]
mod upstream;

pub use self::access_token::AccessToken;
pub use self::algorithm::Algorithm;
pub use self::bearer_token::BearerToken;
pub use self::cache::CacheLayer;
pub use self::error::{BuildError, Rejection, VerifyError};
pub use self::host_guard::HostGuard;
pub use self::metadata::ProtectedResourceMetadata;
pub use self::middleware::AuthLayer;
pub use self::require::{RequireClaims, RequireScopes};
pub use self::scope::ScopeSet;
#[cfg(feature = "sessions")]
pub use self::session_binding::SessionBinding;
#[cfg(feature = "github")]
pub use self::verifier::GitHubVerifier;
#[cfg(feature = "introspection")]
pub use self::verifier::IntrospectionVerifier;
#[cfg(all(feature = "jwt", any(feature = "aws-lc-rs", feature = "rust-crypto")))]
pub use self::verifier::JwtVerifier;
pub use self::verifier::TokenVerifier;
