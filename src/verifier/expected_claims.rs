//! What a configuration expects of the claims of a token, and the setters that say so.

use std::time::Duration;

use super::claims::Rules;
use super::issuers::{Issuers, TenantIssuer};
use super::parties;
use super::pointer::Pointer;
use super::required_claims::RequiredClaims;
use crate::error::{BuildError, BuildErrorKind};

const LEEWAY: Duration = Duration::from_secs(60);
const MAX_LEEWAY: Duration = Duration::from_secs(300);
/// Each of them is looked at before the signature.
const MAX_PLACES: usize = 16;

/// What a builder has been told about claims. Checked when it builds.
#[derive(Clone, Debug)]
pub(super) struct ExpectedClaims {
    /// None: any, unless there are tenants.
    pub(super) issuer: Option<String>,
    pub(super) aliases: Vec<String>,
    /// The claim of the tenant, and the forms of an issuer around it.
    pub(super) tenants: Option<(&'static str, Vec<TenantIssuer>)>,
    pub(super) audiences: Vec<String>,
    pub(super) any_audience: bool,
    pub(super) scope_places: Vec<String>,
    pub(super) required: RequiredClaims,
    /// All but issuer, audiences, scopes and required claims.
    pub(super) rules: Rules,
}

impl ExpectedClaims {
    pub(super) fn new(issuer: String, audience: String) -> Self {
        Self {
            issuer: Some(issuer),
            aliases: Vec::new(),
            tenants: None,
            audiences: vec![audience],
            any_audience: false,
            scope_places: Vec::new(),
            required: RequiredClaims::default(),
            rules: Rules::strict(LEEWAY),
        }
    }

    /// The rules, if they make sense. An issuer that is discovered has to be an address.
    pub(super) fn check(&self, discovered: bool) -> Result<Rules, BuildError> {
        let issuers = self.issuers(discovered)?;
        let audiences = parties::expected_audiences(&self.audiences, self.any_audience)?;
        self.required.check()?;
        parties::names("add_client_claim", &self.rules.client_claims)?;
        if self.rules.leeway > MAX_LEEWAY {
            return Err(BuildError::new("leeway", BuildErrorKind::OutOfRange));
        }
        let place = |text: &String| {
            Pointer::parse(text).ok_or_else(|| BuildError::new("add_scopes_at", BuildErrorKind::InvalidText))
        };
        if self.scope_places.len() > MAX_PLACES {
            return Err(BuildError::new("add_scopes_at", BuildErrorKind::OutOfRange));
        }
        let scope_places = self.scope_places.iter().map(place).collect::<Result<_, _>>()?;
        let required = self.required.clone();
        Ok(Rules { issuers, audiences, scope_places, required, ..self.rules.clone() })
    }

    fn issuers(&self, discovered: bool) -> Result<Issuers, BuildError> {
        match (&self.issuer, &self.tenants) {
            (None, _) | (_, Some(_)) if !self.aliases.is_empty() => {
                Err(BuildError::new("add_issuer_alias", BuildErrorKind::Conflict))
            }
            (_, Some((claim, forms))) => {
                Ok(Issuers::OfTenants { claim: (*claim).into(), forms: forms.clone() })
            }
            (None, None) => Ok(Issuers::Any),
            (Some(own), None) => {
                let own = parties::issuer(own, discovered)?;
                if self.aliases.iter().any(|alias| alias == "*") {
                    return Err(BuildError::new("add_issuer_alias", BuildErrorKind::Empty));
                }
                parties::names("add_issuer_alias", &self.aliases)?;
                let aliases = self.aliases.iter().map(|alias| alias.as_str().into()).collect();
                Ok(Issuers::Named { own, aliases })
            }
        }
    }
}

/// The settings of every verifier that judges claims; its builder keeps them in a field `expected`.
macro_rules! claims_setters {
    ($builder:ty) => {
        impl $builder {
            /// Accepts tokens in which the issuer calls itself by another name too: with or without a scheme, by the
            /// address of an older version. For us they are all of the first one, which is the
            /// [`issuer`](crate::AccessToken::issuer) of the access token; the claim says what it said.
            ///
            /// Two issuers that happen to share keys are two verifiers. `ByIssuer` looks for the first name only. Excludes
            /// whatever lets in more than one issuer.
            pub fn add_issuer_alias(mut self, issuer: impl Into<String>) -> Self {
                self.expected.aliases.push(issuer.into());
                self
            }

            /// Accepts tokens for another audience too.
            pub fn add_audience(mut self, audience: impl Into<String>) -> Self {
                self.expected.audiences.push(audience.into());
                self
            }

            /// Takes the client to which a token was issued (`client_id`, else `azp`) for its audience if it names
            /// none: the audience of this verifier is then the id of our client at the provider. A token that has `aud`
            /// is judged by that.
            ///
            /// For providers whose access tokens name nobody for whom they are, such as Amazon Cognito.
            pub fn client_as_audience(mut self) -> Self {
                self.expected.rules.unnamed_audience = $crate::verifier::claims::UnnamedAudience::Client;
                self
            }

            /// Accepts tokens for any audience, and tokens that name none. Excludes
            /// [`add_audience`](Self::add_audience).
            ///
            /// # Security
            ///
            /// A token that the issuer made for any other service, or for a client that the user was tricked into
            /// using, then opens this one ([RFC 9068 §4](https://www.rfc-editor.org/rfc/rfc9068#section-4)). Only for
            /// an issuer that serves nobody else, or that tells us about our own tokens alone. If its tokens name the
            /// client instead, [`client_as_audience`](Self::client_as_audience) compares it.
            pub fn insecure_allow_any_audience(mut self) -> Self {
                self.expected.any_audience = true;
                self
            }

            /// Accepts tokens without `exp`. One that is there still counts.
            ///
            /// # Security
            ///
            /// A token that leaks then works until its key is withdrawn, or until whoever is asked about it says that
            /// it has ended, which a cache learns at the end of its time to live.
            pub fn insecure_allow_missing_expiry(mut self) -> Self {
                self.expected.rules.expiry_required = false;
                self
            }

            /// Claims that have to be there, besides those that always have to.
            pub fn required_claims<C: Into<String>>(mut self, names: impl IntoIterator<Item = C>) -> Self {
                self.expected.required.all = names.into_iter().map(Into::into).collect();
                self
            }

            /// One of these claims has to be there, and to be neither empty nor `false`. Each call is a demand of its
            /// own.
            pub fn add_required_one_of<C: Into<String>>(
                mut self,
                names: impl IntoIterator<Item = C>,
            ) -> Self {
                self.expected.required.one_of.push(names.into_iter().map(Into::into).collect());
                self
            }

            /// A claim that has to have one of these values, or be a list with one of them. Each call is a demand of its
            /// own. What is no string, such as `true`, is compared as it is written in JSON.
            pub fn add_required_values<T: Into<String>>(
                mut self,
                claim: impl Into<String>,
                values: impl IntoIterator<Item = T>,
            ) -> Self {
                let values = values.into_iter().map(Into::into).collect();
                self.expected.required.values.push((claim.into(), values));
                self
            }

            /// A claim that must not have any of these values, nor be a list with one. It may be missing. Each call is a
            /// demand of its own. What is no string, such as `true`, is compared as it is written in JSON.
            pub fn add_refused_values<T: Into<String>>(
                mut self,
                claim: impl Into<String>,
                values: impl IntoIterator<Item = T>,
            ) -> Self {
                let values = values.into_iter().map(Into::into).collect();
                self.expected.required.refused.push((claim.into(), values));
                self
            }

            /// A further place of scopes, as a JSON pointer ([RFC 6901](https://www.rfc-editor.org/rfc/rfc6901)) such as
            /// `/realm_access/roles`: a string, which is a list, or a list of strings, each of which is a scope. They
            /// come on top of those in `scope` or `scp`. What is no scope, such as a name with a space, is left out. At
            /// most 16 places of at most 8 names.
            pub fn add_scopes_at(mut self, place: impl Into<String>) -> Self {
                self.expected.scope_places.push(place.into());
                self
            }

            /// A further claim that may name the client, where `client_id` and `azp` do not.
            pub fn add_client_claim(mut self, claim: impl Into<String>) -> Self {
                self.expected.rules.client_claims.push(claim.into());
                self
            }

            /// How far the clocks of the issuer and of this server may differ. Default: 60 seconds. At most 300
            /// seconds.
            pub fn leeway(mut self, leeway: std::time::Duration) -> Self {
                self.expected.rules.leeway = leeway;
                self
            }
        }
    };
}

pub(super) use claims_setters;
