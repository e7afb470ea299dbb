//! What a deployment expects of claims.

use super::form::{Form, items, text};
use super::raw::Raw;
use super::what::What;

/// A claim and a value of it.
#[derive(Clone)]
pub(super) struct ClaimValue {
    pub(super) claim: String,
    pub(super) value: String,
}

impl Form for Vec<ClaimValue> {
    const NAME: &'static str = "list of `claim=value`";

    fn read(raw: &Raw) -> Result<Self, What> {
        let pair = |item: &Raw| match text(item)?.split_once('=') {
            Some((claim, value)) if !claim.trim().is_empty() && !value.is_empty() => {
                Ok(ClaimValue { claim: claim.to_owned(), value: value.to_owned() })
            }
            _ => Err(What::Form("a list of `claim=value`")),
        };
        items(raw)?.iter().map(pair).collect()
    }

    fn written(&self) -> Option<Raw> {
        Some(Raw::list(self.iter().map(|ClaimValue { claim, value }| format!("{claim}={value}"))))
    }
}

/// The values of each claim, in the order of the claims.
#[cfg(any(
    feature = "introspection",
    all(feature = "jwt", any(feature = "aws-lc-rs", feature = "rust-crypto"))
))]
pub(super) fn by_claim(pairs: &[ClaimValue]) -> Vec<(&str, Vec<&str>)> {
    let mut grouped: Vec<(&str, Vec<&str>)> = Vec::new();
    for ClaimValue { claim, value } in pairs {
        match grouped.iter_mut().find(|(known, _)| known == claim) {
            Some((_, values)) => values.push(value),
            None => grouped.push((claim, vec![value])),
        }
    }
    grouped
}

/// Tells a builder what is expected of claims; every one that judges claims has these setters.
#[cfg(any(
    feature = "introspection",
    all(feature = "jwt", any(feature = "aws-lc-rs", feature = "rust-crypto"))
))]
macro_rules! expect_claims {
    ($builder:expr, $fields:expr) => {{
        let mut builder = $builder;
        if let Some(leeway) = $fields.leeway {
            builder = builder.leeway(leeway);
        }
        if let Some(claims) = &$fields.required_claims {
            builder = builder.required_claims(claims);
        }
        for (claim, values) in
            $crate::settings::claims::by_claim($fields.required_values.as_deref().unwrap_or_default())
        {
            builder = builder.add_required_values(claim, values);
        }
        for (claim, values) in
            $crate::settings::claims::by_claim($fields.refused_values.as_deref().unwrap_or_default())
        {
            builder = builder.add_refused_values(claim, values);
        }
        for place in $fields.scopes_at.iter().flatten() {
            builder = builder.add_scopes_at(place);
        }
        for claim in $fields.client_claim.iter().flatten() {
            builder = builder.add_client_claim(claim);
        }
        for alias in $fields.issuer_aliases.iter().flatten() {
            builder = builder.add_issuer_alias(alias);
        }
        if $fields.insecure_allow_missing_expiry == Some(true) {
            builder = builder.insecure_allow_missing_expiry();
        }
        builder
    }};
}

#[cfg(any(
    feature = "introspection",
    all(feature = "jwt", any(feature = "aws-lc-rs", feature = "rust-crypto"))
))]
pub(super) use expect_claims;
