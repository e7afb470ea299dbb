//! Verifiers for well-known providers: name one and its two or three parameters.
//!
//! Each function knows where a provider has its keys or its endpoint, what it puts into a token and what proves that a
//! token is for this application. It returns the builder of a verifier, on which everything can still be changed.
//!
//! ```
//! # #[cfg(all(feature = "jwt", feature = "reqwest", any(feature = "aws-lc-rs", feature = "rust-crypto")))] {
//! use tower_bearer::{AuthLayer, providers};
//!
//! let verifier = providers::auth0("acme.eu.auth0.com", "https://api.example.com").build()?;
//! let auth = AuthLayer::builder(verifier).required_scopes(["read:files"]).build()?;
//! # }
//! # Ok::<(), tower_bearer::BuildError>(())
//! ```
//!
//! Any other provider that publishes metadata is
//! [`JwtVerifier::builder(issuer, audience)`](crate::JwtVerifier::builder): nothing else is needed.
//!
//! The facts are from the documentation of the providers. None of these presets has been tried with the real provider:
//! the tests hold them against tokens of the documented form.

#[cfg(all(feature = "jwt", any(feature = "aws-lc-rs", feature = "rust-crypto")))]
pub use self::auth0::{AUTH0_PERMISSIONS, auth0};
#[cfg(all(feature = "jwt", any(feature = "aws-lc-rs", feature = "rust-crypto")))]
pub use self::cognito::cognito;
#[cfg(all(feature = "jwt", any(feature = "aws-lc-rs", feature = "rust-crypto")))]
pub use self::entra::{entra, entra_any_tenant, entra_china, entra_us_government};
#[cfg(feature = "introspection")]
pub use self::gitlab::gitlab;
#[cfg(feature = "introspection")]
pub use self::propelauth::propelauth;

#[cfg(all(feature = "jwt", any(feature = "aws-lc-rs", feature = "rust-crypto")))]
mod auth0;
#[cfg(all(feature = "jwt", any(feature = "aws-lc-rs", feature = "rust-crypto")))]
mod cognito;
#[cfg(all(feature = "jwt", any(feature = "aws-lc-rs", feature = "rust-crypto")))]
mod entra;
#[cfg(feature = "introspection")]
mod gitlab;
#[cfg(any(
    feature = "introspection",
    all(feature = "jwt", any(feature = "aws-lc-rs", feature = "rust-crypto"))
))]
#[cfg_attr(
    not(all(
        feature = "introspection",
        feature = "jwt",
        any(feature = "aws-lc-rs", feature = "rust-crypto")
    )),
    allow(dead_code, reason = "each provider uses a part of it")
)]
mod parameters;
#[cfg(feature = "introspection")]
mod propelauth;
