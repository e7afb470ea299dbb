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
//!     .route("/files", get(handler).route_layer(RequireScopes::all(["files:read"])?))
//!     .route("/reports", get(handler).route_layer(RequireClaims::new(|token| token.claim("tenant") == Some("acme".to_owned()))));
//! // .layer(auth) comes last, around all of them
//! # Ok(()) }
//! ```
//!
//! A request that the outer layer let through without a token is answered 401 here, but for a CORS preflight, which
//! passes. Where nobody left a token, because no `AuthLayer` is outside, the answer is 500, and the log says what is
//! missing. Challenges, the body hook and the hierarchy of scopes are those of the outer layer. In a handler,
//! [`AccessToken::require_scopes`](crate::AccessToken::require_scopes) demands scopes, and with the feature `axum`
//! [`Scoped`](crate::extract::Scoped) does among its arguments.

use std::fmt;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::{Method, Request, Response};
use tower_service::Service;

pub use self::authentication::{RequireAuthentication, RequireAuthenticationBuilder};
pub use self::claims::RequireClaims;
pub use self::scopes::RequireScopes;
use crate::access_token::AccessToken;
use crate::admitted::{Demand, Protection};
use crate::answer::{self, Form};
pub use crate::answer_future::AnswerFuture;
use crate::caught::caught_now;
use crate::challenge::Challenge;
use crate::error::{Rejection, RejectionKind};
use crate::log::TARGET;
use crate::once_a_minute::OnceAMinute;
use crate::passed::{self, PassedWithoutToken};
use crate::ready;
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

/// What is demanded of a token, and the scopes that clients have to ask for on its account.
trait Rule: Demand {
    /// What is wrong, if anything.
    fn check(&self, token: &AccessToken) -> Result<(), RejectionKind>;

    /// Says in a challenge what would be enough.
    fn explain(&self, challenge: Challenge) -> Challenge {
        challenge
    }
}

impl<S> Require<S> {
    /// What to answer in place of the inner service, if anything.
    fn refuse<B>(&self, request: &mut Request<B>) -> Option<Response<Bytes>> {
        let standard = Protection::default();
        let form = |protection: &Protection| Form::of(protection, request.method(), request.headers());
        let extensions = request.extensions();
        let Some(token) = extensions.get::<AccessToken>() else {
            let Some(mark) = extensions.get::<PassedWithoutToken>() else {
                passed::missing_layer();
                return Some(answer::fail(form(&standard)));
            };
            let wanted = self.rule.wanted(&mark.protection);
            let form = form(&mark.protection);
            let kind = RejectionKind::MissingToken;
            // Still one: a layer in between may have made it another method.
            let is_preflight = mark.is_preflight && request.method() == Method::OPTIONS;
            return (!is_preflight).then(|| self.reject(kind, &mark.protection, &wanted, form));
        };
        let protection = token.admitted().map_or(&standard, |admitted| &*admitted.protection);
        match caught_now(|| self.rule.check(token)) {
            Some(Ok(())) => {
                let demand: Arc<dyn Demand> = Arc::<dyn Rule>::clone(&self.rule);
                let token = token.clone().demanded_by(demand);
                request.extensions_mut().insert(token);
                None
            }
            Some(Err(kind)) => {
                let wanted = self.rule.wanted(protection);
                let wanted = token.admitted().map_or_else(|| wanted.clone(), |all| all.wanted_with(&wanted));
                Some(self.reject(kind, protection, &wanted, form(protection)))
            }
            None => {
                panicked();
                Some(answer::fail(form(protection)))
            }
        }
    }

    fn reject(
        &self,
        kind: RejectionKind,
        protection: &Protection,
        wanted: &ScopeSet,
        form: Form,
    ) -> Response<Bytes> {
        let rejection = Rejection::new(kind);
        tracing::debug!(target: TARGET, outcome = "rejected", reason = rejection.reason());
        let challenge = answer::challenge(kind, protection, &protection.scopes_with(wanted));
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

    fn call(&mut self, mut request: Request<B>) -> Self::Future {
        let mut inner = ready::take(&mut self.inner);
        match self.refuse(&mut request) {
            None => AnswerFuture::served(inner.call(request)),
            Some(response) => AnswerFuture::answered(response, &request),
        }
    }
}

impl<S: fmt::Debug> fmt::Debug for Require<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Require").field("inner", &self.inner).finish_non_exhaustive()
    }
}
