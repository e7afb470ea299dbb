//! Checks the scopes of a configuration, which end in challenges.

use crate::error::{BuildError, BuildErrorKind};
use crate::scope::{MAX_IN_CHALLENGE, ScopeSet};

/// Reads scopes that this server tells its clients to ask for. There may be none.
pub(crate) fn read<T: AsRef<str>>(
    setting: &'static str,
    scopes: impl IntoIterator<Item = T>,
) -> Result<ScopeSet, BuildError> {
    let mut is_valid = true;
    let scopes = ScopeSet::from_iter(scopes.into_iter().inspect(|scope| {
        is_valid &= ScopeSet::is_scope(scope.as_ref());
    }));
    match () {
        () if !is_valid => Err(BuildError::new(setting, BuildErrorKind::InvalidText)),
        () if scopes.as_str().len() > MAX_IN_CHALLENGE => {
            Err(BuildError::new(setting, BuildErrorKind::OutOfRange))
        }
        () => Ok(scopes),
    }
}
