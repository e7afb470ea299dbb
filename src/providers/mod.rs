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
//! | signed, A to K | `auth0` `authkit` `clerk_jwt` `cognito` `descope` `google_id_tokens` `keycloak` |
//! | signed, O to S | `oci` `okta` `scalekit` `supabase` |
//! | by Microsoft | `entra` `entra_any_tenant` `entra_b2c` `entra_china` `entra_external_id` `entra_us_government` |
//! | asked about, by introspection | `clerk` `propelauth` `salesforce` |
//! | asked about, otherwise | `discord` `github` `gitlab` `google` |
//! | the same, and the answer names no application | `atlassian` `hugging_face` `workos` |
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
pub use self::asked::*;
#[cfg(feature = "github")]
pub use self::github::github;
#[cfg(all(feature = "jwt", any(feature = "aws-lc-rs", feature = "rust-crypto")))]
pub use self::signed::*;

#[cfg(feature = "github")]
mod github;
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

/// Those that are asked about each token. The files are in the folder of this one.
#[cfg(feature = "introspection")]
#[path = "."]
mod asked {
    pub use self::atlassian::atlassian;
    pub use self::clerk::clerk;
    pub use self::discord::discord;
    pub use self::gitlab::gitlab;
    pub use self::google::google;
    pub use self::hugging_face::hugging_face;
    pub use self::propelauth::propelauth;
    pub use self::salesforce::salesforce;
    pub use self::workos::workos;
    use super::parameters;

    mod atlassian;
    mod clerk;
    mod discord;
    mod gitlab;
    mod google;
    mod hugging_face;
    mod propelauth;
    mod salesforce;
    mod workos;
}

/// Those whose tokens are signed. The files are in the folder of this one.
#[cfg(all(feature = "jwt", any(feature = "aws-lc-rs", feature = "rust-crypto")))]
#[path = "."]
mod signed {
    pub use self::auth0::{AUTH0_PERMISSIONS, auth0};
    pub use self::authkit::authkit;
    pub use self::clerk_jwt::clerk_jwt;
    pub use self::cognito::cognito;
    pub use self::descope::descope;
    pub use self::entra::{entra, entra_any_tenant, entra_china, entra_us_government};
    pub use self::entra_b2c::entra_b2c;
    pub use self::entra_external_id::entra_external_id;
    pub use self::google_id_tokens::google_id_tokens;
    pub use self::keycloak::{KEYCLOAK_REALM_ROLES, keycloak, keycloak_client_roles};
    pub use self::oci::oci;
    pub use self::okta::okta;
    pub use self::scalekit::scalekit;
    pub use self::supabase::supabase;
    use super::parameters;

    mod auth0;
    mod authkit;
    mod clerk_jwt;
    mod cognito;
    mod descope;
    mod entra;
    mod entra_b2c;
    mod entra_external_id;
    mod google_id_tokens;
    mod keycloak;
    mod oci;
    mod okta;
    mod scalekit;
    mod supabase;
}
