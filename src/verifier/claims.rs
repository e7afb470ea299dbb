//! Checks the claims of a JWT: pure functions, one clock reading ([RFC 7519 §4.1], [RFC 9068 §4], [RFC 8725 §3]).
//!
//! 1. The claims are one strict JSON object.
//! 2. `iss` is the configured issuer, byte for byte; `aud` is a string or an array of strings, one of them ours.
//! 3. `exp` is there, and not past with leeway; `nbf` and `iat` are not ahead of us by more than the leeway;
//!    `nbf` is before `exp`. A date is a number from 1970 to the end of 9999.
//! 4. `sub`, `client_id`, `azp`, `jti` are strings that are not empty; `scope` and `scp` are a string or strings.
//! 5. The token is of no other class: it is bound to no key (`cnf`), is no event, refresh or ID token.
//! 6. What was required is there, and the token is not too old.
//!
//! All of it happens before the signature is looked at: a token that is bad anyway costs no signature check and no
//! fetch of a key. Nothing here can make a token good.
//!
//! [RFC 7519 §4.1]: https://www.rfc-editor.org/rfc/rfc7519#section-4.1
//! [RFC 8725 §3]: https://www.rfc-editor.org/rfc/rfc8725#section-3
//! [RFC 9068 §4]: https://www.rfc-editor.org/rfc/rfc9068#section-4

use std::borrow::Cow;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use crate::access_token::{AccessToken, AccessTokenBuilder};
use crate::error::VerifyErrorKind::{self, Audience, Claim, Expired, Issuer, Malformed, NotYetValid};
use crate::json::{Object, Value};
use crate::scope::ScopeSet;

/// The end of the year 9999, beyond which a date is a mistake.
const LAST_SECOND: f64 = 253_402_300_799.0;
/// Claims that only an ID token has ([OpenID Connect Core §3.1.3.6, §3.3.2.11]).
const OF_ID_TOKENS: [&str; 3] = ["at_hash", "c_hash", "s_hash"];
/// Values of a `typ` *claim* that providers give to what is not an access token.
const OTHER_CLASSES: [&str; 9] = [
    "id",
    "id_token",
    "serialized-id",
    "refresh",
    "refresh_token",
    "offline",
    "logout",
    "logout_token",
    "dpop",
];

/// What a verifier asks of the claims.
#[derive(Clone, Debug)]
pub(crate) struct Rules {
    /// None: any.
    pub(crate) issuer: Option<Arc<str>>,
    /// Empty: any.
    pub(crate) audiences: Vec<Box<str>>,
    pub(crate) leeway: Duration,
    pub(crate) expiry_required: bool,
    pub(crate) required: Vec<Box<str>>,
    pub(crate) max_token_age: Option<Duration>,
}

/// Claims that passed every check. Only the signature is missing.
#[derive(Debug)]
pub(crate) struct Checked<'a> {
    subject: Option<Cow<'a, str>>,
    client: Option<Cow<'a, str>>,
    token_id: Option<Cow<'a, str>>,
    issuer: Option<Cow<'a, str>>,
    audiences: Vec<Cow<'a, str>>,
    scopes: ScopeSet,
    expires_at: Option<SystemTime>,
    issued_at: Option<SystemTime>,
}

/// The unverified issuer, as a hint whose token this may be.
pub(crate) fn issuer(payload: &[u8]) -> Option<String> {
    Object::parse(payload).ok()?.string("iss").ok()?.map(Cow::into_owned)
}

impl Rules {
    /// Reads and checks the claims.
    pub(crate) fn check<'a>(
        &self,
        payload: &'a [u8],
        now: SystemTime,
    ) -> Result<Checked<'a>, VerifyErrorKind> {
        let claims = Object::parse(payload).map_err(|_| Malformed)?;
        let issuer = text(&claims, "iss").map_err(|_| Issuer)?;
        if self.issuer.is_some() && self.issuer.as_deref() != issuer.as_deref() {
            return Err(Issuer);
        }
        let audiences = self.audiences(&claims)?;
        let (expires_at, issued_at) = self.dates(&claims, now)?;
        check_class(&claims)?;
        if !self.required.iter().all(|name| claims.get(name).is_some_and(|value| value.text() != "null")) {
            return Err(Claim);
        }
        let client = text(&claims, "client_id")?;
        let party = text(&claims, "azp")?;
        Ok(Checked {
            subject: text(&claims, "sub")?,
            client: client.or(party),
            token_id: text(&claims, "jti")?,
            issuer,
            audiences,
            scopes: scopes(&claims)?,
            expires_at,
            issued_at,
        })
    }

    /// RFC 7519 §4.1.3: reject if we are not named. An audience that is not a string makes all of them doubtful.
    fn audiences<'a>(&self, claims: &Object<'a>) -> Result<Vec<Cow<'a, str>>, VerifyErrorKind> {
        let audiences = match claims.get("aud") {
            Some(value) => strings(value).ok_or(Audience)?,
            None => Vec::new(),
        };
        let ours = |audience: &Cow<'_, str>| self.audiences.iter().any(|own| **own == **audience);
        let named = self.audiences.is_empty() || audiences.iter().any(ours);
        if named { Ok(audiences) } else { Err(Audience) }
    }

    fn dates(
        &self,
        claims: &Object<'_>,
        now: SystemTime,
    ) -> Result<(Option<SystemTime>, Option<SystemTime>), VerifyErrorKind> {
        let expires = date(claims, "exp")?;
        let not_before = date(claims, "nbf")?;
        let issued = date(claims, "iat")?;
        // A clock before 1970 can judge nothing.
        let now = now.duration_since(SystemTime::UNIX_EPOCH).map_err(|_| NotYetValid)?;
        let ahead = now.saturating_add(self.leeway);
        match expires {
            None if self.expiry_required => return Err(Claim),
            // RFC 7519 §4.1.4: on or after the expiration time.
            Some(end) if now >= end.saturating_add(self.leeway) => return Err(Expired),
            _ => {}
        }
        if [not_before, issued].into_iter().flatten().any(|start| start > ahead) {
            return Err(NotYetValid);
        }
        if not_before.zip(expires).is_some_and(|(start, end)| start >= end) {
            return Err(Claim);
        }
        if let Some(max_age) = self.max_token_age {
            let age = now.saturating_sub(issued.ok_or(Claim)?);
            if age >= max_age.saturating_add(self.leeway) {
                return Err(Expired);
            }
        }
        let at = |date: Option<Duration>| date.and_then(|date| SystemTime::UNIX_EPOCH.checked_add(date));
        Ok((at(expires), at(issued)))
    }

    /// Vouches for a token whose signature has been found good.
    pub(crate) fn vouch(&self, checked: Checked<'_>) -> AccessTokenBuilder {
        let mut token =
            AccessToken::verified().audiences(checked.audiences).scopes(checked.scopes).leeway(self.leeway);
        // Shared with the configuration where it can be: one allocation less for each token.
        if let Some(issuer) = self.issuer.clone().or_else(|| checked.issuer.map(Arc::from)) {
            token = token.issuer(issuer);
        }
        token = checked.subject.into_iter().fold(token, |token, subject| token.subject(subject));
        token = checked.client.into_iter().fold(token, |token, client| token.client(client));
        token = checked.token_id.into_iter().fold(token, |token, id| token.token_id(id));
        token = checked.expires_at.into_iter().fold(token, |token, at| token.expires_at(at));
        checked.issued_at.into_iter().fold(token, |token, at| token.issued_at(at))
    }
}

/// A claim that, if it is there, is a string with something in it.
fn text<'a>(claims: &Object<'a>, name: &str) -> Result<Option<Cow<'a, str>>, VerifyErrorKind> {
    match claims.string(name) {
        Ok(Some(text)) if text.is_empty() => Err(Claim),
        Ok(text) => Ok(text),
        Err(_) => Err(Claim),
    }
}

/// RFC 7519 §2, NumericDate: seconds since 1970, fractions allowed.
fn date(claims: &Object<'_>, name: &str) -> Result<Option<Duration>, VerifyErrorKind> {
    let Some(value) = claims.get(name) else { return Ok(None) };
    let seconds = value.number().filter(|seconds| (0.0..=LAST_SECOND).contains(seconds)).ok_or(Claim)?;
    Duration::try_from_secs_f64(seconds).map(Some).map_err(|_| Claim)
}

/// A string, or an array of strings.
fn strings(value: Value<'_>) -> Option<Vec<Cow<'_, str>>> {
    match value.string() {
        Some(one) => Some(vec![one]),
        None => value.elements()?.into_iter().map(Value::string).collect(),
    }
}

/// RFC 9068 §2.2.3, RFC 8693 §4.2: `scope`; where that is missing, `scp` as several providers have it.
fn scopes(claims: &Object<'_>) -> Result<ScopeSet, VerifyErrorKind> {
    let Some(value) = claims.get("scope").or_else(|| claims.get("scp")) else {
        return Ok(ScopeSet::default());
    };
    if let Some(list) = value.string() {
        return Ok(ScopeSet::parse(&list));
    }
    Ok(strings(value).ok_or(Claim)?.into_iter().collect())
}

/// Refuses tokens that were made for something else, or that need a proof which a bearer does not give.
fn check_class(claims: &Object<'_>) -> Result<(), VerifyErrorKind> {
    // RFC 7800 §3.1: whoever accepts such a token has to check the key.
    let foreign = ["cnf", "events"].iter().chain(&OF_ID_TOKENS).any(|name| claims.has(name));
    let class_of_use = text(claims, "token_use")?.is_none_or(|class| class == "access");
    let typ = text(claims, "typ")?.unwrap_or_default().to_ascii_lowercase();
    let other_media_type = typ.ends_with("+jwt") && typ.trim_start_matches("application/") != "at+jwt";
    let named_otherwise = OTHER_CLASSES.contains(&&*typ) || other_media_type;
    if foreign || !class_of_use || named_otherwise { Err(Claim) } else { Ok(()) }
}

#[cfg(test)]
mod tests;
