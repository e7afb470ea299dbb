//! What tests need: providers on loopback, and a clock that is moved by hand.
//!
//! `TestIssuer` signs JWTs and serves its keys; it needs a back end for signatures, `aws-lc-rs` or `rust-crypto`.
//! [`TestGitHub`] knows users, their tokens and where they are members. [`TestIntrospection`] answers for opaque
//! tokens. The last two fail in every way that a [`Fault`] names, and show the requests that they got.
//!
//! ```
//! # #[cfg(all(feature = "reqwest", any(feature = "aws-lc-rs", feature = "rust-crypto")))] {
//! use tower::{ServiceBuilder, ServiceExt};
//! use tower_bearer::testing::TestIssuer;
//! use tower_bearer::{AuthLayer, JwtVerifier};
//!
//! # async fn run() -> Result<(), Box<dyn std::error::Error>> {
//! let issuer = TestIssuer::start().await?;
//! let verifier = JwtVerifier::builder(issuer.issuer(), "https://api.example.com").build()?;
//! let service = ServiceBuilder::new()
//!     .layer(AuthLayer::new(verifier))
//!     .service_fn(async |_: http::Request<String>| Ok::<_, std::io::Error>(http::Response::new(String::new())));
//!
//! let token = issuer.token().audience("https://api.example.com").mint();
//! let request = http::Request::get("/").header("authorization", format!("Bearer {token}")).body(String::new())?;
//! assert_eq!(service.oneshot(request).await?.status(), 200);
//! # Ok(()) }
//! # tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(run()).unwrap();
//! # }
//! ```
//!
//! Tokens are judged by the clock of the system here. To move time, give one [`TestClock`] to the provider, the
//! verifier and the layer.
//!
//! # Security
//!
//! The keys and the secrets are in the source of this crate. They are for tests alone.

pub use self::clock::TestClock;
pub use self::fault::Fault;
pub use self::github::TestGitHub;
pub use self::introspection::TestIntrospection;
#[cfg(any(feature = "aws-lc-rs", feature = "rust-crypto"))]
pub use self::issuer::TestIssuer;
#[cfg(any(feature = "aws-lc-rs", feature = "rust-crypto"))]
pub use self::token::TestToken;

mod clock;
mod fault;
mod github;
mod github_accounts;
mod github_answers;
mod github_bodies;
mod introspection;
mod introspection_answers;
#[cfg(any(feature = "aws-lc-rs", feature = "rust-crypto"))]
mod issuer;
mod opaque;
mod server;
#[cfg(any(feature = "aws-lc-rs", feature = "rust-crypto"))]
mod signing_key;
#[cfg(any(feature = "aws-lc-rs", feature = "rust-crypto"))]
mod token;
mod traffic;
