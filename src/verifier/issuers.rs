//! Whose tokens a verifier accepts, and under which name.

use std::borrow::Cow;
use std::sync::Arc;

use crate::json::Object;

/// The issuers that a configuration names.
#[derive(Clone, Debug)]
pub(crate) enum Issuers {
    Any,
    /// One, and the further names under which it signs.
    Named {
        own: Arc<str>,
        aliases: Vec<Box<str>>,
    },
    /// One for each tenant, whose identifier is in this claim. The first form is that by which tokens are known.
    OfTenants {
        claim: Box<str>,
        forms: Vec<TenantIssuer>,
    },
}

/// The identifier of an issuer with a place for that of the tenant.
#[derive(Clone, Debug)]
pub(crate) struct TenantIssuer {
    pub(crate) before: Box<str>,
    pub(crate) after: Box<str>,
}

impl Issuers {
    /// Whether the claims name one of them, byte for byte.
    pub(crate) fn accept(&self, issuer: Option<&str>, claims: &Object<'_>) -> bool {
        match (self, issuer) {
            (Self::Any, _) => true,
            (_, None) => false,
            (Self::Named { .. }, Some(_)) => self.may_be(issuer),
            (Self::OfTenants { claim, forms }, Some(issuer)) => {
                let tenant = claims.string(claim).ok().flatten();
                tenant.is_some_and(|own| forms.iter().any(|form| form.tenant(issuer) == Some(&*own)))
            }
        }
    }

    /// Whether a token that says so may be of one of them. The claim is not believed.
    pub(crate) fn may_be(&self, issuer: Option<&str>) -> bool {
        match (self, issuer) {
            (Self::Any, _) => true,
            (_, None) => false,
            (Self::Named { own, aliases }, Some(issuer)) => {
                **own == *issuer || aliases.iter().any(|alias| **alias == *issuer)
            }
            (Self::OfTenants { forms, .. }, Some(issuer)) => {
                forms.iter().any(|form| form.tenant(issuer).is_some())
            }
        }
    }

    /// The name of the issuer of a token that has been accepted: always the same, whatever the token calls it. Shared
    /// with the configuration where it can be: one allocation less for each token.
    pub(crate) fn name(&self, issuer: Option<Cow<'_, str>>) -> Option<Arc<str>> {
        match self {
            Self::Any => issuer.map(Arc::from),
            Self::Named { own, .. } => Some(Arc::clone(own)),
            Self::OfTenants { forms, .. } => {
                let issuer = issuer?;
                let tenant = forms.iter().find_map(|form| form.tenant(&issuer))?;
                forms.first().map(|form| format!("{}{tenant}{}", form.before, form.after).into())
            }
        }
    }

    /// Whether a key that a document has for one issuer, or for `{tenantid}`, signs for the issuer of a token.
    #[cfg(all(feature = "jwt", any(feature = "aws-lc-rs", feature = "rust-crypto")))]
    pub(crate) fn may_sign(&self, key_issuer: Option<&str>, issuer: Option<&str>) -> bool {
        let (Self::OfTenants { .. }, Some(own)) = (self, key_issuer) else { return true };
        let Some(name) = self.name(issuer.map(Cow::Borrowed)) else { return false };
        match own.split_once("{tenantid}") {
            Some((before, after)) => {
                TenantIssuer { before: before.into(), after: after.into() }.tenant(&name).is_some()
            }
            None => *own == *name,
        }
    }

    /// The one that is known by name.
    pub(crate) fn own(&self) -> Option<&Arc<str>> {
        match self {
            Self::Named { own, .. } => Some(own),
            Self::Any | Self::OfTenants { .. } => None,
        }
    }
}

impl TenantIssuer {
    /// The tenant that an issuer names: a UUID, or something like it.
    fn tenant<'a>(&self, issuer: &'a str) -> Option<&'a str> {
        let tenant = issuer.strip_prefix(&*self.before)?.strip_suffix(&*self.after)?;
        let is_plain = tenant.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
        (!tenant.is_empty() && is_plain).then_some(tenant)
    }
}

#[cfg(all(test, feature = "jwt", any(feature = "aws-lc-rs", feature = "rust-crypto")))]
mod tests {
    use super::*;

    #[test]
    fn a_key_that_is_for_one_tenant_signs_for_no_other() {
        let form = |before: &str, after: &str| TenantIssuer { before: before.into(), after: after.into() };
        let forms = vec![form("https://login/", "/v2.0"), form("https://sts/", "/")];
        let issuers = Issuers::OfTenants { claim: "tid".into(), forms };
        for (key, issuer, expected) in [
            (None, "https://login/a/v2.0", true),
            (Some("https://login/{tenantid}/v2.0"), "https://login/a/v2.0", true),
            (Some("https://login/{tenantid}/v2.0"), "https://sts/a/", true),
            (Some("https://login/a/v2.0"), "https://login/a/v2.0", true),
            (Some("https://login/a/v2.0"), "https://sts/a/", true),
            (Some("https://login/b/v2.0"), "https://login/a/v2.0", false),
            (Some("https://login/b/v2.0"), "https://sts/a/", false),
            (Some("https://other/{tenantid}/v2.0"), "https://login/a/v2.0", false),
            (Some(""), "https://login/a/v2.0", false),
        ] {
            assert_eq!(issuers.may_sign(key, Some(issuer)), expected, "{key:?} {issuer}");
        }
        // Where there is one issuer, all of its keys are its own, whatever they say.
        let one = Issuers::Named { own: "https://login/a/v2.0".into(), aliases: Vec::new() };
        assert!(one.may_sign(Some("x"), Some("https://login/a/v2.0")));
    }
}
