//! What handlers of axum take as arguments.
//!
//! | argument | without token | without layer | claims do not fit |
//! |---|---|---|---|
//! | [`AccessToken`] | 401 | 500 | |
//! | `Option<AccessToken>` | `None` | 500 | |
//! | [`Claims<T>`](Claims) | 401 | 500 | 403 |
//!
//! "Without token" can only happen where a layer lets such requests through:
//! [`optional`](crate::middleware::AuthLayerBuilder::optional), or a CORS preflight.

use axum_core::body::Body;
use axum_core::extract::{FromRequestParts, OptionalFromRequestParts};
use axum_core::response::Response;
use http::Extensions;
use http::request::Parts;
use serde::de::DeserializeOwned;

use crate::access_token::AccessToken;
use crate::answer;
use crate::challenge::Challenge;
use crate::error::{Rejection, RejectionKind};
use crate::log::TARGET;
use crate::passed::PassedWithoutToken;

/// All claims of the token as a type of yours.
///
/// ```
/// use tower_bearer::extract::Claims;
///
/// #[derive(serde::Deserialize)]
/// struct Tenant {
///     tenant: String,
/// }
///
/// async fn handler(Claims(claims): Claims<Tenant>) -> String {
///     claims.tenant
/// }
/// ```
#[derive(Clone, Copy, Debug, Default)]
#[expect(clippy::exhaustive_structs, reason = "it is taken apart in the arguments of a handler")]
pub struct Claims<T>(pub T);

/// What the layer left for the handler.
enum Found {
    Token(AccessToken),
    Passed(PassedWithoutToken),
}

fn find(extensions: &Extensions) -> Result<Found, Response> {
    if let Some(token) = extensions.get::<AccessToken>() {
        return Ok(Found::Token(token.clone()));
    }
    if let Some(passed) = extensions.get::<PassedWithoutToken>() {
        return Ok(Found::Passed(passed.clone()));
    }
    tracing::error!(target: TARGET, "a handler asks for the access token, but no `AuthLayer` is around its route");
    Err(answer::internal_error().map(Body::from))
}

fn required(extensions: &Extensions) -> Result<AccessToken, Response> {
    match find(extensions)? {
        Found::Token(token) => Ok(token),
        Found::Passed(passed) => Err(reject(RejectionKind::MissingToken, passed.challenge)),
    }
}

fn reject(kind: RejectionKind, challenge: http::HeaderValue) -> Response {
    answer::respond(Rejection::new(kind), challenge, None).map(Body::from)
}

impl<S: Sync> FromRequestParts<S> for AccessToken {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Response> {
        required(&parts.extensions)
    }
}

impl<S: Sync> OptionalFromRequestParts<S> for AccessToken {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Option<Self>, Response> {
        Ok(match find(&parts.extensions)? {
            Found::Token(token) => Some(token),
            Found::Passed(_) => None,
        })
    }
}

impl<S: Sync, T: DeserializeOwned> FromRequestParts<S> for Claims<T> {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Response> {
        let token = required(&parts.extensions)?;
        token.claims_as().map(Self).map_err(|error| {
            // The position says enough; the message could quote a claim.
            let place = error.classify();
            tracing::debug!(target: TARGET, outcome = "rejected", reason = "insufficient_claims", cause = ?place);
            let challenge = answer::challenge(RejectionKind::InsufficientClaims, Challenge::bearer());
            reject(RejectionKind::InsufficientClaims, challenge)
        })
    }
}
