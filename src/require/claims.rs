//! Demands what a closure says.

use std::fmt;
use std::sync::Arc;

use tower_layer::Layer;

use super::{Require, Rule};
use crate::access_token::AccessToken;
use crate::admitted::{Demand, Protection};
use crate::error::RejectionKind;
use crate::scope::ScopeSet;

/// A layer that lets only tokens pass of which a closure approves: roles, tenants, whatever the claims say. For single
/// routes, inside of an [`AuthLayer`](crate::AuthLayer). Clones are cheap.
///
/// Everybody else is answered 403 without `insufficient_scope`: no scope would help, and clients must not try. If the
/// closure panics, that one request is answered with 500. In it ask by [`has_scopes`](AccessToken::has_scopes), which has
/// no consequences of its own.
///
/// ```
/// use tower_bearer::{AccessToken, RequireClaims};
///
/// let admins = RequireClaims::new(|token: &AccessToken| {
///     let roles: Vec<String> = token.claim("roles").unwrap_or_default();
///     roles.iter().any(|role| role == "admin")
/// });
/// ```
#[derive(Clone)]
pub struct RequireClaims {
    rule: Arc<dyn Rule>,
}

struct Closure<F>(F);

impl RequireClaims {
    /// Approves of those tokens of which the closure says `true`.
    pub fn new(approves: impl Fn(&AccessToken) -> bool + Send + Sync + 'static) -> Self {
        Self { rule: Arc::new(Closure(approves)) }
    }
}

impl<F: Fn(&AccessToken) -> bool + Send + Sync> Rule for Closure<F> {
    fn check(&self, token: &AccessToken) -> Result<(), RejectionKind> {
        if self.0(token) { Ok(()) } else { Err(RejectionKind::InsufficientClaims) }
    }
}

impl<F: Send + Sync> Demand for Closure<F> {
    fn wanted(&self, _: &Protection) -> ScopeSet {
        ScopeSet::default()
    }
}

impl<S> Layer<S> for RequireClaims {
    type Service = Require<S>;

    fn layer(&self, inner: S) -> Self::Service {
        Require { inner, rule: Arc::clone(&self.rule) }
    }
}

impl fmt::Debug for RequireClaims {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RequireClaims").finish_non_exhaustive()
    }
}
