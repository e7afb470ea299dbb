//! What single routes demand of a token that the [`AuthLayer`](crate::AuthLayer) outside of them has let in.
//!
//! | layer | demands | answer |
//! |---|---|---|
//! | [`RequireScopes`] | scopes: all, or one of several | 403 `insufficient_scope`, naming all scopes that are needed |
//! | [`RequireClaims`] | whatever a closure says: roles, tenants | 403 without a code: no scope would help |
//! | [`RequireAuthentication`] | how, and how recently, the user logged in (RFC 9470) | 401 `insufficient_user_authentication` |
//!
//! ```
//! # fn app() -> Result<(), tower_bearer::BuildError> {
//! use axum::{Router, routing::get};
//! use tower_bearer::{RequireClaims, RequireScopes};
//!
//! # let handler = async || "";
//! let app: Router = Router::new()
//!     .route("/files", get(handler).layer(RequireScopes::all(["files:read"])?))
//!     .route("/reports", get(handler).layer(RequireClaims::new(|token| token.claim("tenant") == Some("acme".to_owned()))));
//! // .layer(auth) comes last, around all of them
//! # Ok(()) }
//! ```
//!
//! A request that the outer layer let through without a token is answered 401 here, but for a CORS preflight, which
//! passes. Where nobody left a token, because no `AuthLayer` is outside, the answer is 500, and the log says what is
//! missing. Challenges, the body
//! hook and the hierarchy of scopes are those of the outer layer. In a handler,
//! [`AccessToken::require_scopes`](crate::AccessToken::require_scopes) demands scopes, and with the feature `axum`
//! [`Scoped`](crate::extract::Scoped) does among its arguments.

use std::fmt;
use std::mem;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::{Request, Response};
use tower_service::Service;

pub use self::authentication::{RequireAuthentication, RequireAuthenticationBuilder};
pub use self::claims::RequireClaims;
pub use self::scopes::RequireScopes;
use crate::access_token::AccessToken;
use crate::admitted::Protection;
use crate::answer::{self, Form};
pub use crate::answer_future::AnswerFuture;
use crate::caught::caught_now;
use crate::challenge::Challenge;
use crate::error::{Rejection, RejectionKind};
use crate::log::TARGET;
use crate::once_a_minute::OnceAMinute;
use crate::passed::{self, PassedWithoutToken};
use crate::response_body::ResponseBody;
use crate::scope::ScopeSet;

mod authentication;
mod claims;
mod scopes;
mod token;

/// The service of a layer that demands something of the token.
#[derive(Clone)]
pub struct Require<S> {
    inner: S,
    rule: Arc<dyn Rule>,
}

/// What is demanded of a token.
trait Rule: Send + Sync {
    /// What is wrong, if anything.
    fn check(&self, token: &AccessToken) -> Result<(), RejectionKind>;

    /// The scopes that clients have to ask for, besides those of the outer layer.
    fn scopes(&self) -> ScopeSet {
        ScopeSet::default()
    }

    /// Says in a challenge what would be enough.
    fn explain(&self, challenge: Challenge) -> Challenge {
        challenge
    }
}

impl<S> Require<S> {
    /// What to answer in place of the inner service, if anything.
    fn refuse<B>(&self, request: &Request<B>) -> Option<Response<Bytes>> {
        let extensions = request.extensions();
        let standard = Arc::default();
        let (found, protection): (_, &Arc<Protection>) = match extensions.get::<AccessToken>() {
            Some(token) => {
                let protection = token.admitted().map_or(&standard, |admitted| &admitted.protection);
                let found = caught_now(|| self.rule.check(token));
                if found.is_none() {
                    panicked();
                }
                (found, protection)
            }
            None => match extensions.get::<PassedWithoutToken>() {
                Some(passed) if passed.is_preflight => return None,
                Some(passed) => (Some(Err(RejectionKind::MissingToken)), &passed.protection),
                None => {
                    passed::missing_layer();
                    (None, &standard)
                }
            },
        };
        let form = Form::of(protection, request.method(), request.headers());
        match found {
            Some(Ok(())) => None,
            Some(Err(kind)) => Some(self.reject(kind, protection, form)),
            None => Some(answer::fail(form)),
        }
    }

    fn reject(&self, kind: RejectionKind, protection: &Protection, form: Form) -> Response<Bytes> {
        let rejection = Rejection::new(kind);
        tracing::debug!(target: TARGET, outcome = "rejected", reason = rejection.reason());
        let challenge = answer::challenge(kind, protection, &protection.scopes_with(&self.rule.scopes()));
        let challenge = match kind {
            RejectionKind::InsufficientAuthentication => self.rule.explain(challenge),
            _ => challenge,
        };
        answer::reject(protection, rejection, challenge.to_header_value(), form)
    }
}

fn panicked() {
    static SAID: OnceAMinute = OnceAMinute::new();
    if SAID.is_due() {
        tracing::error!(target: TARGET, "what a route demands of its tokens panicked");
    }
}

impl<S, B, R> Service<Request<B>> for Require<S>
where
    S: Service<Request<B>, Response = Response<R>> + Clone,
{
    type Response = Response<ResponseBody<R>>;
    type Error = S::Error;
    type Future = AnswerFuture<S::Future>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        // The instance that was readied, and that gives back what it may hold where it is not called.
        let unready = self.inner.clone();
        let mut inner = mem::replace(&mut self.inner, unready);
        match self.refuse(&request) {
            None => AnswerFuture::served(inner.call(request)),
            Some(mut response) => {
                answer::close_if_unread(&mut response, request.version(), request.headers());
                AnswerFuture::answered(response)
            }
        }
    }
}

impl<S: fmt::Debug> fmt::Debug for Require<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Require").field("inner", &self.inner).finish_non_exhaustive()
    }
}
