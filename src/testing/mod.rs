//! What tests need: tokens without a provider, asserts, providers on loopback, and a clock that is moved by hand.
//!
//! Your own routes need no provider: [`StaticTokens::for_tests`](crate::verifier::StaticTokens::for_tests) knows the
//! tokens that you name, [`AccessToken::for_tests`](crate::AccessToken::for_tests) is an argument for a handler, and
//! [`assert_rejected`] reads the answer as strictly as a client may.
//!
//! ```
//! use tower::{ServiceBuilder, ServiceExt};
//! use tower_bearer::testing::assert_rejected;
//! use tower_bearer::verifier::StaticTokens;
//! use tower_bearer::{AccessToken, AuthLayer};
//!
//! # async fn run() -> Result<(), Box<dyn std::error::Error>> {
//! let verifier = StaticTokens::for_tests([
//!     ("alice-token", AccessToken::for_tests("alice", "read write")),
//!     ("bob-token", AccessToken::for_tests("bob", "read")),
//! ]);
//! let service = ServiceBuilder::new()
//!     .layer(AuthLayer::builder(verifier).required_scopes(["write"]).build()?)
//!     .service_fn(async |_: http::Request<()>| Ok::<_, std::io::Error>(http::Response::new(String::new())));
//!
//! let ask = async |token| {
//!     let request = http::Request::get("/").header("authorization", format!("Bearer {token}")).body(()).unwrap();
//!     service.clone().oneshot(request).await
//! };
//! assert_eq!(ask("alice-token").await?.status(), 200);
//! assert_rejected(&ask("bob-token").await?).status(403).error("insufficient_scope").scopes(["write"]);
//! assert_rejected(&ask("unknown").await?).status(401).error("invalid_token");
//! # Ok(()) }
//! # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(run()).unwrap();
//! ```
//!
//! `examples/testing.rs` does the same with routes of axum.
//!
//! # Providers
//!
//! `TestIssuer` signs JWTs, good ones and those that have a `Flaw`, and serves its keys; it needs a back end for
//! signatures, `aws-lc-rs` or `rust-crypto`. [`TestGitHub`] knows users, their tokens and where they are members.
//! [`TestIntrospection`] answers for opaque tokens. All fail in every way that a [`Fault`] names, and show the requests
//! that they got.
//!
//! ```
//! # #[cfg(all(feature = "reqwest", any(feature = "aws-lc-rs", feature = "rust-crypto")))] {
//! use tower::{ServiceBuilder, ServiceExt};
//! use tower_bearer::testing::{Flaw, TestIssuer, assert_rejected};
//! use tower_bearer::{AuthLayer, JwtVerifier};
//!
//! # async fn run() -> Result<(), Box<dyn std::error::Error>> {
//! let issuer = TestIssuer::start().await?;
//! let verifier = JwtVerifier::builder(issuer.issuer(), "https://api.example.com").build()?;
//! let service = ServiceBuilder::new()
//!     .layer(AuthLayer::new(verifier))
//!     .service_fn(async |_: http::Request<()>| Ok::<_, std::io::Error>(http::Response::new(String::new())));
//!
//! let ask = async |token| {
//!     let request = http::Request::get("/").header("authorization", format!("Bearer {token}")).body(()).unwrap();
//!     service.clone().oneshot(request).await
//! };
//! let good = issuer.token().audience("https://api.example.com");
//! assert_eq!(ask(good.clone().mint()).await?.status(), 200);
//! for flaw in Flaw::ALL {
//!     let answer = ask(good.clone().mint_with(*flaw)).await?;
//!     assert_rejected(&answer).status(401).error("invalid_token");
//! }
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

pub use self::challenge::TestChallenge;
pub use self::clock::TestClock;
pub use self::fault::Fault;
#[cfg(any(feature = "aws-lc-rs", feature = "rust-crypto"))]
pub use self::flaw::Flaw;
pub use self::github::TestGitHub;
pub use self::introspection::TestIntrospection;
#[cfg(any(feature = "aws-lc-rs", feature = "rust-crypto"))]
pub use self::issuer::TestIssuer;
pub use self::rejected_response::{RejectedResponse, assert_rejected};
#[cfg(any(feature = "aws-lc-rs", feature = "rust-crypto"))]
pub use self::token::TestToken;

mod challenge;
mod challenge_grammar;
mod clock;
mod fault;
#[cfg(any(feature = "aws-lc-rs", feature = "rust-crypto"))]
mod flaw;
#[cfg(any(feature = "aws-lc-rs", feature = "rust-crypto"))]
mod flawed_token;
mod github;
mod github_accounts;
mod github_answers;
mod github_bodies;
mod introspection;
mod introspection_answers;
#[cfg(any(feature = "aws-lc-rs", feature = "rust-crypto"))]
mod issuer;
mod opaque;
mod rejected_response;
mod server;
#[cfg(any(feature = "aws-lc-rs", feature = "rust-crypto"))]
mod signing_key;
#[cfg(any(feature = "aws-lc-rs", feature = "rust-crypto"))]
mod token;
mod traffic;
