//! Sets up a [`UserInfoVerifier`] and finds what cannot work before the first request does.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use http::StatusCode;

use super::parties;
use super::pointer::Pointer;
use super::profile::{Expiry, Profile};
use super::userinfo::{Inner, UserInfoVerifier};
use crate::address::Address;
use crate::discovery::Issuer;
use crate::endpoint;
use crate::error::{BuildError, BuildErrorKind};
use crate::upstream::{Settings, Upstream, upstream_setters};

const SUBJECT: &str = "/sub";
const LEEWAY: Duration = Duration::from_secs(60);

/// Sets up a [`UserInfoVerifier`]. Made by [`UserInfoVerifier::builder`].
///
/// Places in the answer are JSON pointers ([RFC 6901](https://www.rfc-editor.org/rfc/rfc6901)), such as `/user/id`.
#[derive(Clone)]
#[must_use = "the verifier is made by `build`"]
pub struct UserInfoVerifierBuilder {
    issuer: String,
    endpoint: Option<String>,
    subject: String,
    client: Option<String>,
    scopes: Option<String>,
    expiry: Option<(String, Expiry)>,
    // Place and audience.
    audiences: Vec<(String, String)>,
    any_audience: bool,
    rejection: Option<(u16, String)>,
    upstream: Settings,
}

impl UserInfoVerifier {
    /// Starts a verifier for the tokens of an issuer. The endpoint is looked up in its metadata unless
    /// [`endpoint`](UserInfoVerifierBuilder::endpoint) names it; the issuer then only names whose the subjects are.
    pub fn builder(issuer: impl Into<String>) -> UserInfoVerifierBuilder {
        UserInfoVerifierBuilder {
            issuer: issuer.into(),
            endpoint: None,
            subject: SUBJECT.to_owned(),
            client: None,
            scopes: None,
            expiry: None,
            audiences: Vec::new(),
            any_audience: false,
            rejection: None,
            upstream: Settings::default(),
        }
    }
}

upstream_setters!(UserInfoVerifierBuilder);

impl UserInfoVerifierBuilder {
    /// Asks at an address instead of discovering it.
    pub fn endpoint(mut self, url: impl Into<String>) -> Self {
        self.endpoint = Some(url.into());
        self
    }

    /// Where the answer says who it is about: a string or a whole number that is never given to somebody else. Default:
    /// `/sub`.
    pub fn subject_at(mut self, place: impl Into<String>) -> Self {
        self.subject = place.into();
        self
    }

    /// Where the answer names the client. Default: nowhere.
    pub fn client_at(mut self, place: impl Into<String>) -> Self {
        self.client = Some(place.into());
        self
    }

    /// Where the answer lists the scopes, as a string or as a list of strings. Default: nowhere, and the token has
    /// none.
    pub fn scopes_at(mut self, place: impl Into<String>) -> Self {
        self.scopes = Some(place.into());
        self
    }

    /// Where the answer says when the token ends, in seconds since 1970 or as a date of RFC 3339; it then has to.
    /// Default: nowhere, and a cache asks again at the end of its time to live.
    pub fn expiry_at(mut self, place: impl Into<String>) -> Self {
        self.expiry = Some((place.into(), Expiry::Date));
        self
    }

    /// Where the answer says for how many seconds the token is still good; a token for which it does not say that has
    /// no end. In place of [`expiry_at`](Self::expiry_at). Default: nowhere.
    pub fn expires_in_at(mut self, place: impl Into<String>) -> Self {
        self.expiry = Some((place.into(), Expiry::Lifetime));
        self
    }

    /// Where the answer says for whom the token is, and who that has to be: this application's identifier at the
    /// provider. May be called again with further ones, at the same place.
    pub fn audience_at(mut self, place: impl Into<String>, audience: impl Into<String>) -> Self {
        self.audiences.push((place.into(), audience.into()));
        self
    }

    /// Accepts tokens that were issued to any application.
    ///
    /// # Security
    ///
    /// Whoever runs any application that a user has ever logged in to with this provider can present that user's token
    /// here, and is taken for the user.
    pub fn insecure_allow_any_audience(mut self) -> Self {
        self.any_audience = true;
        self
    }

    /// A further way in which the provider rejects a token: this status, with this text in the body.
    ///
    /// Salesforce answers 403 with `Bad_OAuth_Token`.
    pub fn rejection(mut self, status: u16, text: impl Into<String>) -> Self {
        self.rejection = Some((status, text.into()));
        self
    }

    /// Makes the verifier. Sends nothing.
    ///
    /// # Errors
    ///
    /// - issuer, audience, the text of a rejection: [`Empty`](BuildErrorKind::Empty); issuer or audience:
    ///   [`InvalidText`](BuildErrorKind::InvalidText)
    /// - issuer or endpoint: [`InvalidUrl`](BuildErrorKind::InvalidUrl), [`InsecureUrl`](BuildErrorKind::InsecureUrl)
    /// - a place is no JSON pointer: [`InvalidText`](BuildErrorKind::InvalidText)
    /// - no audience, no client to ask with: [`Missing`](BuildErrorKind::Missing)
    /// - an audience and any, audiences at two places: [`Conflict`](BuildErrorKind::Conflict)
    /// - a duration or number, a status of a rejection below 400 or above 499:
    ///   [`OutOfRange`](BuildErrorKind::OutOfRange)
    /// - the default client cannot set up TLS: [`Tls`](BuildErrorKind::Tls)
    pub fn build(self) -> Result<UserInfoVerifier, BuildError> {
        let upstream = self.upstream.build()?;
        let issuer = parties::issuer(&self.issuer, self.endpoint.is_none())?;
        self.check_places()?;
        let audience = self.audience()?;
        let address = self.address(&issuer, &upstream)?;
        let rejection = self.checked_rejection()?;
        let Self { subject, client, scopes, expiry, .. } = self;
        let profile = Profile { issuer, subject, client, scopes, expiry, audience, leeway: LEEWAY };
        Ok(UserInfoVerifier::new(Inner { address, profile, rejection, upstream }))
    }

    /// Does not build if there is a fault.
    pub(crate) fn fault(mut self, fault: Option<BuildError>) -> Self {
        self.upstream.fault = fault;
        self
    }

    /// The place of the audience, and who is expected there. None: anybody.
    fn audience(&self) -> Result<Option<(String, Vec<String>)>, BuildError> {
        let fault = |kind| Err(BuildError::new("audience_at", kind));
        let Some((place, _)) = self.audiences.first() else {
            return if self.any_audience { Ok(None) } else { fault(BuildErrorKind::Missing) };
        };
        if self.any_audience || self.audiences.iter().any(|(other, _)| other != place) {
            return fault(BuildErrorKind::Conflict);
        }
        let audiences: Vec<String> = self.audiences.iter().map(|(_, audience)| audience.clone()).collect();
        parties::audiences(&audiences)?;
        Ok(Some((place.clone(), audiences)))
    }

    fn address(&self, issuer: &Arc<str>, upstream: &Upstream) -> Result<Address, BuildError> {
        if let Some(url) = &self.endpoint {
            return endpoint::check("endpoint", url).map(Address::Configured);
        }
        let client = Arc::clone(&upstream.client);
        let issuer = Issuer { issuer: Arc::clone(issuer), client, timeout: upstream.timeout };
        Ok(Address::discovered(issuer, "userinfo_endpoint", Arc::clone(&upstream.clock)))
    }

    fn check_places(&self) -> Result<(), BuildError> {
        let audience = self.audiences.first().map(|(place, _)| place);
        let is_lifetime = self.expiry.as_ref().is_some_and(|(_, form)| matches!(form, Expiry::Lifetime));
        let expiry = if is_lifetime { "expires_in_at" } else { "expiry_at" };
        for (setting, place) in [
            ("subject_at", Some(&self.subject)),
            ("client_at", self.client.as_ref()),
            ("scopes_at", self.scopes.as_ref()),
            (expiry, self.expiry.as_ref().map(|(place, _)| place)),
            ("audience_at", audience),
        ] {
            if place.is_some_and(|place| Pointer::parse(place).is_none()) {
                return Err(BuildError::new(setting, BuildErrorKind::InvalidText));
            }
        }
        Ok(())
    }

    fn checked_rejection(&self) -> Result<Option<(StatusCode, String)>, BuildError> {
        let Some((status, text)) = &self.rejection else { return Ok(None) };
        let status = StatusCode::from_u16(*status).ok().filter(StatusCode::is_client_error);
        let status = status.ok_or_else(|| BuildError::new("rejection", BuildErrorKind::OutOfRange))?;
        match text.trim().is_empty() {
            true => Err(BuildError::new("rejection", BuildErrorKind::Empty)),
            false => Ok(Some((status, text.clone()))),
        }
    }
}

impl fmt::Debug for UserInfoVerifierBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UserInfoVerifierBuilder").field("issuer", &self.issuer).finish_non_exhaustive()
    }
}
