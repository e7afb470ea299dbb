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

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use axum_core::body::Body;
use axum_core::extract::{FromRequestParts, OptionalFromRequestParts};
use axum_core::response::Response;
use http::request::Parts;
use http::{Extensions, HeaderValue};
use serde::de::DeserializeOwned;

use crate::access_token::AccessToken;
use crate::answer;
use crate::challenge::Challenge;
use crate::error::{Rejection, RejectionKind};
use crate::log::TARGET;
use crate::passed::PassedWithoutToken;

const ERROR_EVERY: Duration = Duration::from_secs(60);

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

/// Why a handler does not get its argument.
enum Fault {
    NoLayer,
    Rejected(RejectionKind, HeaderValue),
}

impl Fault {
    fn respond(self) -> Response {
        match self {
            Self::NoLayer => {
                if is_due() {
                    tracing::error!(
                        target: TARGET,
                        "a handler asks for the access token, but no `AuthLayer` is around its route",
                    );
                }
                answer::internal_error()
            }
            Self::Rejected(kind, challenge) => answer::respond(Rejection::new(kind), challenge, None),
        }
        .map(Body::from)
    }
}

/// Whether it is time to say again that a layer is missing: anybody can call such a route, as often as they like.
fn is_due() -> bool {
    static LAST: Mutex<Option<Instant>> = Mutex::new(None);
    let now = Instant::now();
    let mut last = LAST.lock().unwrap_or_else(PoisonError::into_inner);
    let is_due = last.is_none_or(|last| now.saturating_duration_since(last) >= ERROR_EVERY);
    if is_due {
        *last = Some(now);
    }
    is_due
}

fn find(extensions: &Extensions) -> Result<Found, Fault> {
    let token = extensions.get().cloned().map(Found::Token);
    token.or_else(|| extensions.get().cloned().map(Found::Passed)).ok_or(Fault::NoLayer)
}

fn required(extensions: &Extensions) -> Result<AccessToken, Fault> {
    match find(extensions)? {
        Found::Token(token) => Ok(token),
        Found::Passed(passed) => Err(Fault::Rejected(RejectionKind::MissingToken, passed.challenge)),
    }
}

fn claims<T: DeserializeOwned>(extensions: &Extensions) -> Result<T, Fault> {
    required(extensions)?.claims_as().map_err(|error| {
        // The class says enough; the message could quote a claim.
        let class = error.classify();
        tracing::debug!(target: TARGET, outcome = "rejected", reason = "insufficient_claims", cause = ?class);
        let kind = RejectionKind::InsufficientClaims;
        Fault::Rejected(kind, answer::challenge(kind, Challenge::bearer()))
    })
}

impl<S: Sync> FromRequestParts<S> for AccessToken {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Response> {
        required(&parts.extensions).map_err(Fault::respond)
    }
}

impl<S: Sync> OptionalFromRequestParts<S> for AccessToken {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Option<Self>, Response> {
        match find(&parts.extensions).map_err(Fault::respond)? {
            Found::Token(token) => Ok(Some(token)),
            Found::Passed(_) => Ok(None),
        }
    }
}

impl<S: Sync, T: DeserializeOwned> FromRequestParts<S> for Claims<T> {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Response> {
        claims(&parts.extensions).map(Self).map_err(Fault::respond)
    }
}
