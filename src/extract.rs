//! What handlers of axum take as arguments.
//!
//! | argument | without token | without layer | claims do not fit |
//! |---|---|---|---|
//! | [`AccessToken`] | 401 | 500 | |
//! | `Option<AccessToken>` | `None` | 500 | |
//! | [`Claims<T>`](Claims) | 401 | 500 | 403 |
//! | [`Scoped<S>`](Scoped) | 401 | 500 | 403 if a scope is missing |
//!
//! "Without token" can only happen where a layer lets such requests through:
//! [`optional`](crate::middleware::AuthLayerBuilder::optional), or a CORS preflight.

use std::marker::PhantomData;
use std::sync::Arc;

use axum_core::body::Body;
use axum_core::extract::{FromRequestParts, OptionalFromRequestParts};
use axum_core::response::{IntoResponse, Response};
use http::Extensions;
use http::request::Parts;
use serde::de::DeserializeOwned;

use crate::access_token::AccessToken;
use crate::admitted::Protection;
use crate::answer::{self, Form};
use crate::answer_future;
use crate::error::{Rejection, RejectionKind};
use crate::log::TARGET;
use crate::passed::{self, PassedWithoutToken};
use crate::scope::ScopeSet;

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

/// The token of a request, if it has all scopes that the type names.
///
/// ```
/// use tower_bearer::extract::{RequiredScopes, Scoped};
///
/// struct Deploy;
///
/// impl RequiredScopes for Deploy {
///     const ALL: &'static [&'static str] = &["deploy", "builds:read"];
/// }
///
/// async fn deploy(Scoped(token, ..): Scoped<Deploy>) -> String {
///     token.subject().unwrap_or("?").to_owned()
/// }
/// ```
///
/// What is not a scope does not compile:
///
/// ```compile_fail,E0080
/// # use tower_bearer::extract::{RequiredScopes, Scoped};
/// struct Typo;
///
/// impl RequiredScopes for Typo {
///     const ALL: &'static [&'static str] = &["files: read"];
/// }
///
/// let app: axum::Router = axum::Router::new().route("/", axum::routing::get(async |_: Scoped<Typo>| ()));
/// ```
#[derive(Debug)]
#[expect(clippy::exhaustive_structs, reason = "it is taken apart in the arguments of a handler")]
pub struct Scoped<S>(pub AccessToken, pub PhantomData<S>);

/// Names the scopes of an operation, for [`Scoped`].
pub trait RequiredScopes {
    /// All of them are needed.
    const ALL: &'static [&'static str];
}

/// Why a handler does not get its argument.
enum Fault {
    NoLayer,
    Rejected(RejectionKind, ScopeSet, Arc<Protection>),
}

impl Fault {
    /// What is wrong with a token that was admitted, for an operation that needs these scopes.
    fn of(kind: RejectionKind, scopes: &ScopeSet, token: &AccessToken) -> Self {
        match token.admitted() {
            Some(admitted) => {
                let protection = Arc::clone(&admitted.protection);
                Self::Rejected(kind, admitted.wanted_with(&protection.named(scopes)), protection)
            }
            None => Self::Rejected(kind, scopes.clone(), Arc::default()),
        }
    }

    fn respond(self, parts: &Parts) -> Response {
        let mut response = match self {
            Self::NoLayer => {
                passed::missing_layer();
                answer::fail(Form::default())
            }
            Self::Rejected(kind, scopes, protection) => {
                let scopes = protection.scopes_with(&scopes);
                let challenge = answer::challenge(kind, &protection, &scopes).to_header_value();
                let form = Form::of(&protection, &parts.method, &parts.headers);
                answer::reject(&protection, Rejection::new(kind), challenge, form)
            }
        };
        answer_future::close_if_unread(&mut response, parts.version, &parts.headers);
        response.map(Body::from)
    }
}

/// The token. None: a layer let the request through without one.
fn find(extensions: &Extensions) -> Result<Option<&AccessToken>, Fault> {
    let token = extensions.get();
    if token.is_none() && extensions.get::<PassedWithoutToken>().is_none() {
        return Err(Fault::NoLayer);
    }
    Ok(token)
}

/// The token, for a handler that needs these scopes besides those of the layer.
fn required<'a>(extensions: &'a Extensions, scopes: &ScopeSet) -> Result<&'a AccessToken, Fault> {
    find(extensions)?.ok_or_else(|| {
        let mark = extensions.get().map(|mark: &PassedWithoutToken| Arc::clone(&mark.protection));
        let protection = mark.unwrap_or_default();
        Fault::Rejected(RejectionKind::MissingToken, protection.named(scopes), protection)
    })
}

fn claims<T: DeserializeOwned>(extensions: &Extensions) -> Result<T, Fault> {
    let token = required(extensions, &ScopeSet::default())?;
    token.claims_as().map_err(|error| {
        // The class says enough; the message could quote a claim.
        let class = error.classify();
        tracing::debug!(target: TARGET, outcome = "rejected", reason = "insufficient_claims", cause = ?class);
        Fault::of(RejectionKind::InsufficientClaims, &ScopeSet::default(), token)
    })
}

fn scoped<S: RequiredScopes>(extensions: &Extensions) -> Result<AccessToken, Fault> {
    const { assert!(are_scopes(S::ALL), "what is listed there is not a scope") }
    let scopes = ScopeSet::from_iter(S::ALL);
    let token = required(extensions, &scopes)?;
    if token.has_scopes(S::ALL) {
        return Ok(token.clone());
    }
    let kind = RejectionKind::InsufficientScope;
    tracing::debug!(target: TARGET, outcome = "rejected", reason = Rejection::new(kind).reason());
    Err(Fault::of(kind, &scopes, token))
}

/// [`ScopeSet::is_scope`] of all, before the program runs.
const fn are_scopes(all: &[&str]) -> bool {
    let mut rest = all;
    while let [scope, others @ ..] = rest {
        if !ScopeSet::is_scope(scope) {
            return false;
        }
        rest = others;
    }
    true
}

impl<S: Sync> FromRequestParts<S> for AccessToken {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Response> {
        required(&parts.extensions, &ScopeSet::default()).cloned().map_err(|fault| fault.respond(parts))
    }
}

impl<S: Sync> OptionalFromRequestParts<S> for AccessToken {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Option<Self>, Response> {
        find(&parts.extensions).map(Option::<&Self>::cloned).map_err(|fault| fault.respond(parts))
    }
}

impl<S: Sync, T: DeserializeOwned> FromRequestParts<S> for Claims<T> {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Response> {
        claims(&parts.extensions).map(Self).map_err(|fault| fault.respond(parts))
    }
}

impl<S: Sync, R: RequiredScopes> FromRequestParts<S> for Scoped<R> {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Response> {
        let token = scoped::<R>(&parts.extensions).map_err(|fault| fault.respond(parts))?;
        Ok(Self(token, PhantomData))
    }
}

/// What a handler answers that stops with the rejection of
/// [`require_scopes`](AccessToken::require_scopes).
impl IntoResponse for Rejection {
    fn into_response(self) -> Response {
        answer::end(self).map(Body::from)
    }
}
