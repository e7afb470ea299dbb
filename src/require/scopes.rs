//! Demands scopes.

use std::sync::Arc;

use tower_layer::Layer;

use super::{Require, Rule};
use crate::access_token::AccessToken;
use crate::error::{BuildError, BuildErrorKind, RejectionKind};
use crate::scope::ScopeSet;

/// Longer challenges do not fit through common proxies.
const MAX_CHALLENGE_PARAMETER: usize = 1_900;

/// A layer that lets only tokens with certain scopes pass: for single routes, inside of an
/// [`AuthLayer`](crate::AuthLayer). Clones are cheap.
///
/// Everybody else is answered 403 `insufficient_scope`. The challenge names these scopes and those that the outer
/// layer requires, since clients that ask for what they are told, and for nothing else, must not lose the others.
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
    wanted: ScopeSet,
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
        Ok(Self { rule: Arc::new(Scopes { wanted: needed.clone(), needed, one_is_enough: false }) })
    }

    /// One of these scopes is enough. The challenge names the first, so that nobody asks for more than it takes: put
    /// the one that permits least there.
    ///
    /// # Errors
    ///
    /// - as of [`all`](Self::all)
    pub fn any<T: AsRef<str>>(scopes: impl IntoIterator<Item = T>) -> Result<Self, BuildError> {
        let needed = read("scopes", scopes)?;
        let wanted = ScopeSet::from_iter(needed.iter().take(1));
        Ok(Self { rule: Arc::new(Scopes { needed, one_is_enough: true, wanted }) })
    }

    /// The scopes as clients have to ask for them, where they come back under other names in the token.
    ///
    /// Default: of `all` all, of `any` the first.
    ///
    /// # Errors
    ///
    /// - as of [`all`](Self::all), by the name `challenge_scopes`
    pub fn challenge_scopes<T: AsRef<str>>(
        self,
        scopes: impl IntoIterator<Item = T>,
    ) -> Result<Self, BuildError> {
        let wanted = read("challenge_scopes", scopes)?;
        Ok(Self { rule: Arc::new(Scopes { wanted, ..Scopes::clone(&self.rule) }) })
    }
}

fn read<T: AsRef<str>>(
    setting: &'static str,
    scopes: impl IntoIterator<Item = T>,
) -> Result<ScopeSet, BuildError> {
    let mut is_valid = true;
    let scopes = ScopeSet::from_iter(scopes.into_iter().inspect(|scope| {
        is_valid &= ScopeSet::is_scope(scope.as_ref());
    }));
    match () {
        () if !is_valid => Err(BuildError::new(setting, BuildErrorKind::InvalidText)),
        () if scopes.is_empty() => Err(BuildError::new(setting, BuildErrorKind::Empty)),
        () if scopes.as_str().len() > MAX_CHALLENGE_PARAMETER => {
            Err(BuildError::new(setting, BuildErrorKind::OutOfRange))
        }
        () => Ok(scopes),
    }
}

impl Rule for Scopes {
    fn check(&self, token: &AccessToken) -> Result<(), RejectionKind> {
        let has = |scope| token.has_scopes([scope]);
        let is_enough =
            if self.one_is_enough { self.needed.iter().any(has) } else { self.needed.iter().all(has) };
        if is_enough { Ok(()) } else { Err(RejectionKind::InsufficientScope) }
    }

    fn scopes(&self) -> ScopeSet {
        self.wanted.without_offline_access()
    }
}

impl<S> Layer<S> for RequireScopes {
    type Service = Require<S>;

    fn layer(&self, inner: S) -> Self::Service {
        Require { inner, rule: Arc::<Scopes>::clone(&self.rule) }
    }
}
