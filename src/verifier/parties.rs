//! The issuer and the audiences that a configuration names.

use std::sync::Arc;

use crate::endpoint;
use crate::error::{BuildError, BuildErrorKind};

/// The issuer. One that is discovered has to be an address without a query.
pub(super) fn issuer(issuer: &str, discovered: bool) -> Result<Arc<str>, BuildError> {
    if issuer.trim().is_empty() || issuer == "*" {
        return Err(BuildError::new("issuer", BuildErrorKind::Empty));
    }
    // An issuer that nobody has to go to may be any name; one that looks like an address has to be a safe one.
    let scheme = issuer.split_once("://").map(|(scheme, _)| scheme.to_ascii_lowercase());
    if discovered || matches!(scheme.as_deref(), Some("http" | "https")) {
        endpoint::check("issuer", issuer)?;
    }
    if discovered && issuer.contains('?') {
        return Err(BuildError::new("issuer", BuildErrorKind::InvalidUrl));
    }
    plain("issuer", issuer)?;
    Ok(issuer.into())
}

/// The audiences of a token that is for us: one of these, of which the first was asked for, or any. No further one can
/// be meant then.
pub(super) fn expected_audiences(own: &[String], any: bool) -> Result<Vec<Box<str>>, BuildError> {
    match (any, own) {
        (true, [_, _, ..]) => Err(BuildError::new("add_audience", BuildErrorKind::Conflict)),
        (true, _) => Ok(Vec::new()),
        (false, own) => audiences(own),
    }
}

/// The audiences.
pub(super) fn audiences(audiences: &[String]) -> Result<Vec<Box<str>>, BuildError> {
    if audiences.iter().any(|audience| audience.trim().is_empty() || *audience == "*") {
        return Err(BuildError::new("audience", BuildErrorKind::Empty));
    }
    audiences.iter().try_for_each(|audience| plain("audience", audience))?;
    Ok(audiences.iter().map(|audience| audience.as_str().into()).collect())
}

/// Names of claims or issuers.
pub(super) fn names(setting: &'static str, names: &[String]) -> Result<(), BuildError> {
    if names.iter().any(|name| name.trim().is_empty()) {
        return Err(BuildError::new(setting, BuildErrorKind::Empty));
    }
    names.iter().try_for_each(|name| plain(setting, name))
}

/// Nothing that could not stand in a claim of a token, or that would go unseen in a configuration.
pub(super) fn plain(setting: &'static str, text: &str) -> Result<(), BuildError> {
    match text.chars().any(|character| character.is_control() || character.is_whitespace()) {
        true => Err(BuildError::new(setting, BuildErrorKind::InvalidText)),
        false => Ok(()),
    }
}
