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
//! | tokens | functions |
//! |---|---|
//! | signed | `auth0` `authkit` `cognito` `descope` `google_id_tokens` `keycloak` `oci` `okta` `scalekit` `supabase` |
//! | by Microsoft | `entra` `entra_any_tenant` `entra_b2c` `entra_china` `entra_external_id` `entra_us_government` |
//! | asked about, by introspection | `clerk` `propelauth` `salesforce` |
//! | asked about, otherwise | `discord` `github` `gitlab` `google` |
//! | the same, and for which application they are is not shown | `atlassian` `hugging_face` `workos` |
//!
//! What has to be named, which rule stands for the audience and what is peculiar is in `docs/providers.md`, and in the
//! docs of each function. A parameter that would change the address into which it goes is an error of `build()`, under
//! the name of the parameter.
//!
//! Any other provider that publishes metadata is
//! [`JwtVerifier::builder(issuer, audience)`](crate::JwtVerifier::builder): nothing else is needed.
//!
//! The facts are from the documentation of the providers. None of these presets has been tried with the real provider:
//! the tests hold them against tokens of the documented form.

#[cfg(feature = "introspection")]
pub use self::atlassian::atlassian;
#[cfg(all(feature = "jwt", any(feature = "aws-lc-rs", feature = "rust-crypto")))]
pub use self::auth0::{AUTH0_PERMISSIONS, auth0};
#[cfg(all(feature = "jwt", any(feature = "aws-lc-rs", feature = "rust-crypto")))]
pub use self::authkit::authkit;
#[cfg(feature = "introspection")]
pub use self::clerk::clerk;
#[cfg(all(feature = "jwt", any(feature = "aws-lc-rs", feature = "rust-crypto")))]
pub use self::cognito::cognito;
#[cfg(all(feature = "jwt", any(feature = "aws-lc-rs", feature = "rust-crypto")))]
pub use self::descope::descope;
#[cfg(feature = "introspection")]
pub use self::discord::discord;
#[cfg(all(feature = "jwt", any(feature = "aws-lc-rs", feature = "rust-crypto")))]
pub use self::entra::{entra, entra_any_tenant, entra_china, entra_us_government};
#[cfg(all(feature = "jwt", any(feature = "aws-lc-rs", feature = "rust-crypto")))]
pub use self::entra_b2c::entra_b2c;
#[cfg(all(feature = "jwt", any(feature = "aws-lc-rs", feature = "rust-crypto")))]
pub use self::entra_external_id::entra_external_id;
#[cfg(feature = "github")]
pub use self::github::github;
#[cfg(feature = "introspection")]
pub use self::gitlab::gitlab;
#[cfg(feature = "introspection")]
pub use self::google::google;
#[cfg(all(feature = "jwt", any(feature = "aws-lc-rs", feature = "rust-crypto")))]
pub use self::google_id_tokens::google_id_tokens;
#[cfg(feature = "introspection")]
pub use self::hugging_face::hugging_face;
#[cfg(all(feature = "jwt", any(feature = "aws-lc-rs", feature = "rust-crypto")))]
pub use self::keycloak::{KEYCLOAK_REALM_ROLES, keycloak, keycloak_client_roles};
#[cfg(all(feature = "jwt", any(feature = "aws-lc-rs", feature = "rust-crypto")))]
pub use self::oci::oci;
#[cfg(all(feature = "jwt", any(feature = "aws-lc-rs", feature = "rust-crypto")))]
pub use self::okta::okta;
#[cfg(feature = "introspection")]
pub use self::propelauth::propelauth;
#[cfg(feature = "introspection")]
pub use self::salesforce::salesforce;
#[cfg(all(feature = "jwt", any(feature = "aws-lc-rs", feature = "rust-crypto")))]
pub use self::scalekit::scalekit;
#[cfg(all(feature = "jwt", any(feature = "aws-lc-rs", feature = "rust-crypto")))]
pub use self::supabase::supabase;
#[cfg(feature = "introspection")]
pub use self::workos::workos;

#[cfg(feature = "introspection")]
mod atlassian;
#[cfg(all(feature = "jwt", any(feature = "aws-lc-rs", feature = "rust-crypto")))]
mod auth0;
#[cfg(all(feature = "jwt", any(feature = "aws-lc-rs", feature = "rust-crypto")))]
mod authkit;
#[cfg(feature = "introspection")]
mod clerk;
#[cfg(all(feature = "jwt", any(feature = "aws-lc-rs", feature = "rust-crypto")))]
mod cognito;
#[cfg(all(feature = "jwt", any(feature = "aws-lc-rs", feature = "rust-crypto")))]
mod descope;
#[cfg(feature = "introspection")]
mod discord;
#[cfg(all(feature = "jwt", any(feature = "aws-lc-rs", feature = "rust-crypto")))]
mod entra;
#[cfg(all(feature = "jwt", any(feature = "aws-lc-rs", feature = "rust-crypto")))]
mod entra_b2c;
#[cfg(all(feature = "jwt", any(feature = "aws-lc-rs", feature = "rust-crypto")))]
mod entra_external_id;
#[cfg(feature = "github")]
mod github;
#[cfg(feature = "introspection")]
mod gitlab;
#[cfg(feature = "introspection")]
mod google;
#[cfg(all(feature = "jwt", any(feature = "aws-lc-rs", feature = "rust-crypto")))]
mod google_id_tokens;
#[cfg(feature = "introspection")]
mod hugging_face;
#[cfg(all(feature = "jwt", any(feature = "aws-lc-rs", feature = "rust-crypto")))]
mod keycloak;
#[cfg(all(feature = "jwt", any(feature = "aws-lc-rs", feature = "rust-crypto")))]
mod oci;
#[cfg(all(feature = "jwt", any(feature = "aws-lc-rs", feature = "rust-crypto")))]
mod okta;
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
#[cfg(feature = "introspection")]
mod salesforce;
#[cfg(all(feature = "jwt", any(feature = "aws-lc-rs", feature = "rust-crypto")))]
mod scalekit;
#[cfg(all(feature = "jwt", any(feature = "aws-lc-rs", feature = "rust-crypto")))]
mod supabase;
#[cfg(feature = "introspection")]
mod workos;
