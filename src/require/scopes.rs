//! Demands scopes.

use std::sync::Arc;

use tower_layer::Layer;

use super::{Require, Rule};
use crate::access_token::AccessToken;
use crate::admitted::{Demand, Protection};
use crate::error::{BuildError, BuildErrorKind, RejectionKind};
use crate::scope::ScopeSet;
use crate::scopes_setting;

/// A layer that lets only tokens with certain scopes pass: for single routes, inside of an
/// [`AuthLayer`](crate::AuthLayer). Clones are cheap.
///
/// Everybody else is answered 403 `insufficient_scope`. The challenge names these scopes and all that the layers outside
/// demand, since clients that ask for what they are told, and for nothing else, must not lose the others.
///
/// [The module](crate::require) has an example.
#[derive(Clone, Debug)]
pub struct RequireScopes {
    rule: Arc<Scopes>,
}

#[derive(Clone, Debug)]
struct Scopes {
    needed: ScopeSet,
    one_is_enough: bool,
    // None: those that are needed.
    wanted: Option<ScopeSet>,
}

impl RequireScopes {
    /// All of these scopes are needed.
    ///
    /// # Errors
    ///
    /// - there is none: [`Empty`](BuildErrorKind::Empty)
    /// - one is empty or has characters that no scope has, or they are longer than 1 900 bytes together:
    ///   [`InvalidText`](BuildErrorKind::InvalidText), [`OutOfRange`](BuildErrorKind::OutOfRange)
    pub fn all<T: AsRef<str>>(scopes: impl IntoIterator<Item = T>) -> Result<Self, BuildError> {
        let needed = read("scopes", scopes)?;
        Ok(Self { rule: Arc::new(Scopes { needed, one_is_enough: false, wanted: None }) })
    }

    /// One of these scopes is enough. The challenge names the first, so that nobody asks for more than it takes: put
    /// the one that permits least there.
    ///
    /// # Errors
    ///
    /// - as of [`all`](Self::all)
    pub fn any<T: AsRef<str>>(scopes: impl IntoIterator<Item = T>) -> Result<Self, BuildError> {
        let needed = read("scopes", scopes)?;
        Ok(Self { rule: Arc::new(Scopes { needed, one_is_enough: true, wanted: None }) })
    }

    /// The scopes as clients have to ask for them, where they come back under other names in the token.
    ///
    /// Default: of `all` all, of `any` the first, under the names that
    /// [`challenge_scope_names`](crate::middleware::AuthLayerBuilder::challenge_scope_names) of the outer layer gives
    /// them.
    ///
    /// # Errors
    ///
    /// - as of [`all`](Self::all), by the name `challenge_scopes`
    pub fn challenge_scopes<T: AsRef<str>>(
        self,
        scopes: impl IntoIterator<Item = T>,
    ) -> Result<Self, BuildError> {
        let wanted = Some(read("challenge_scopes", scopes)?);
        Ok(Self { rule: Arc::new(Scopes { wanted, ..Scopes::clone(&self.rule) }) })
    }
}

fn read<T: AsRef<str>>(
    setting: &'static str,
    scopes: impl IntoIterator<Item = T>,
) -> Result<ScopeSet, BuildError> {
    let scopes = scopes_setting::read(setting, scopes)?;
    if scopes.is_empty() { Err(BuildError::new(setting, BuildErrorKind::Empty)) } else { Ok(scopes) }
}

impl Rule for Scopes {
    fn check(&self, token: &AccessToken) -> Result<(), RejectionKind> {
        let has = |scope| token.has_scopes([scope]);
        let is_enough =
            if self.one_is_enough { self.needed.iter().any(has) } else { self.needed.iter().all(has) };
        if is_enough { Ok(()) } else { Err(RejectionKind::InsufficientScope) }
    }
}

impl Demand for Scopes {
    fn wanted(&self, protection: &Protection) -> ScopeSet {
        match &self.wanted {
            Some(wanted) => wanted.clone(),
            None if self.one_is_enough => protection.named(&self.needed.iter().take(1).collect()),
            None => protection.named(&self.needed),
        }
    }
}

impl<S> Layer<S> for RequireScopes {
    type Service = Require<S>;

    fn layer(&self, inner: S) -> Self::Service {
        Require { inner, rule: Arc::<Scopes>::clone(&self.rule) }
    }
}
