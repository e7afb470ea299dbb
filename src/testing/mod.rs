//! What tests need: an issuer on loopback, and a clock that is moved by hand.
//!
//! ```
//! use tower::{ServiceBuilder, ServiceExt};
//! use tower_bearer::testing::TestIssuer;
//! use tower_bearer::{AuthLayer, JwtVerifier};
//!
//! # #[cfg(feature = "reqwest")]
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
//! # #[cfg(feature = "reqwest")]
//! # tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(run()).unwrap();
//! ```
//!
//! Tokens are judged by the clock of the system here. To move time, give one [`TestClock`] to the issuer, the verifier and
//! the layer.
//!
//! # Security
//!
//! The keys are in the source of this crate. They are for tests alone.

pub use self::clock::TestClock;
pub use self::issuer::TestIssuer;
pub use self::token::TestToken;

mod clock;
mod issuer;
mod signing_key;
mod token;
