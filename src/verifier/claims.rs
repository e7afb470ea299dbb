//! Checks the claims of a token: pure functions, one clock reading ([RFC 7519 §4.1], [RFC 9068 §4], [RFC 8725 §3]).
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

use super::issuers::Issuers;
use super::pointer::Pointer;
use super::required_claims::RequiredClaims;
use crate::access_token::{AccessToken, AccessTokenBuilder};
use crate::error::VerifyErrorKind::{self, Audience, Claim, Expired, Issuer, NotYetValid};
use crate::json::{Object, Value};
use crate::scope::ScopeSet;

/// The end of the year 9999, beyond which a date is a mistake.
const LAST_DATE: Duration = Duration::from_secs(253_402_300_799);
/// Claims that only an ID token has: hashes of what was issued together with it.
const OF_ID_TOKENS: [&str; 3] = ["at_hash", "c_hash", "s_hash"];
/// What providers call tokens that are no access tokens, in claims such as `typ` and `token_type`; `-` stands for `_`.
const OTHER_CLASSES: [&str; 19] = [
    "authorization_code",
    "code",
    "dpop",
    "execute_actions",
    "id",
    "id_token",
    "idtoken",
    "initialaccesstoken",
    "logout",
    "logout_token",
    "offline",
    "refresh",
    "refresh_token",
    "refreshtoken",
    "registrationaccesstoken",
    "reset_credentials",
    "serialized_id",
    "userinfo",
    "verify_email",
];
/// Where a token names the client to which it was issued ([RFC 9068 §2.2]; `azp` is OpenID Connect's).
///
/// [RFC 9068 §2.2]: https://www.rfc-editor.org/rfc/rfc9068#section-2.2
const CLIENT_CLAIMS: [&str; 2] = ["client_id", "azp"];
/// What providers that name the use of a token call that of an access token.
const ACCESS_USES: [&str; 2] = ["access", "access_token"];
/// Where they say so.
const CLASS_CLAIMS: [&str; 4] = ["token_type", "typ", "type", "use"];

/// What a verifier asks of the claims.
#[derive(Clone, Debug)]
pub(crate) struct Rules {
    pub(crate) issuers: Issuers,
    /// Who says nothing is taken for the issuer.
    pub(crate) issuer_may_be_missing: bool,
    /// Empty: any.
    pub(crate) audiences: Vec<Box<str>>,
    pub(crate) unnamed_audience: UnnamedAudience,
    /// Further claims that name the client.
    pub(crate) client_claims: Vec<String>,
    pub(crate) leeway: Duration,
    pub(crate) expiry_required: bool,
    pub(crate) required: RequiredClaims,
    /// Further places of scopes.
    pub(crate) scope_places: Vec<Pointer>,
    pub(crate) max_token_age: Option<Duration>,
    pub(crate) id_tokens_refused: bool,
}

/// For whom a token is that does not say it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum UnnamedAudience {
    Client,
    Nobody,
}

/// Claims that passed every check. Only the signature is missing.
#[derive(Debug)]
pub(crate) struct Checked<'a> {
    subject: Option<Cow<'a, str>>,
    client: Option<Cow<'a, str>>,
    token_id: Option<Cow<'a, str>>,
    issuer: Option<Cow<'a, str>>,
    audiences: Option<Value<'a>>,
    // Checked for their type alone; a set is made of them when the signature has been found good.
    scopes: Option<Value<'a>>,
    further_scopes: Vec<Value<'a>>,
    dates: Dates,
}

/// When a token begins, ends and was issued.
#[derive(Debug)]
struct Dates {
    expires_at: Option<SystemTime>,
    issued_at: Option<SystemTime>,
    not_before: Option<SystemTime>,
}

/// The unverified issuer, as a hint whose token this may be.
#[cfg(all(feature = "jwt", any(feature = "aws-lc-rs", feature = "rust-crypto")))]
pub(crate) fn issuer(payload: &[u8]) -> Option<String> {
    Object::parse(payload).ok()?.string("iss").ok()?.map(Cow::into_owned)
}

#[cfg(feature = "introspection")]
impl Checked<'_> {
    pub(crate) fn subject(&self) -> Option<&str> {
        self.subject.as_deref()
    }
}

impl Rules {
    /// Rules that no token passes before there are issuers and audiences.
    pub(crate) fn strict(leeway: Duration) -> Self {
        Self {
            issuers: Issuers::Named { own: Arc::from(""), aliases: Vec::new() },
            issuer_may_be_missing: false,
            audiences: vec![Box::from("")],
            unnamed_audience: UnnamedAudience::Nobody,
            client_claims: Vec::new(),
            leeway,
            expiry_required: true,
            required: RequiredClaims::default(),
            scope_places: Vec::new(),
            max_token_age: None,
            id_tokens_refused: true,
        }
    }

    /// Reads and checks the claims.
    #[cfg(all(feature = "jwt", any(feature = "aws-lc-rs", feature = "rust-crypto")))]
    pub(crate) fn check<'a>(
        &self,
        payload: &'a [u8],
        now: SystemTime,
    ) -> Result<Checked<'a>, VerifyErrorKind> {
        let claims = Object::parse(payload).map_err(|_| VerifyErrorKind::Malformed)?;
        self.check_object(&claims, now)
    }

    /// Checks claims that have been read.
    pub(crate) fn check_object<'a>(
        &self,
        claims: &Object<'a>,
        now: SystemTime,
    ) -> Result<Checked<'a>, VerifyErrorKind> {
        let issuer = text(claims, "iss").map_err(|_| Issuer)?;
        let unnamed = issuer.is_none() && self.issuer_may_be_missing;
        if !self.issuers.accept(issuer.as_deref(), claims) && !unnamed {
            return Err(Issuer);
        }
        let audiences = self.audiences(claims)?;
        let dates = self.dates(claims, now)?;
        self.check_class(claims)?;
        if !self.required.are_met(claims) {
            return Err(Claim);
        }
        Ok(Checked {
            subject: text(claims, "sub")?,
            client: self.client(claims)?,
            token_id: text(claims, "jti")?,
            issuer,
            audiences,
            scopes: scope_claim(claims)?,
            further_scopes: self.further_scopes(claims)?,
            dates,
        })
    }

    /// The first claim that names the client. The others have to be readable too.
    fn client<'a>(&self, claims: &Object<'a>) -> Result<Option<Cow<'a, str>>, VerifyErrorKind> {
        let names = CLIENT_CLAIMS.into_iter().chain(self.client_claims.iter().map(String::as_str));
        names.map(|name| text(claims, name)).try_fold(None, |found, own| Ok(found.or(own?)))
    }

    /// RFC 7519 §4.1.3: reject if we are not named. An audience that is not a string makes all of them doubtful.
    fn audiences<'a>(&self, claims: &Object<'a>) -> Result<Option<Value<'a>>, VerifyErrorKind> {
        let (audiences, mut named) = (claims.get("aud"), self.audiences.is_empty());
        let mut look = |audience: Cow<'_, str>| named |= self.audiences.iter().any(|own| **own == *audience);
        let readable = audiences.is_none_or(|value| value.each_string(&mut look).is_some());
        if self.unnamed_audience == UnnamedAudience::Client && audiences.is_none() {
            let client = CLIENT_CLAIMS.into_iter().find_map(|name| claims.get(name));
            client.and_then(Value::string).into_iter().for_each(look);
        }
        if readable && named { Ok(audiences) } else { Err(Audience) }
    }

    fn further_scopes<'a>(&self, claims: &Object<'a>) -> Result<Vec<Value<'a>>, VerifyErrorKind> {
        let found = self.scope_places.iter().filter_map(|place| place.find(claims));
        found.map(|value| if value.is_strings() { Ok(value) } else { Err(Claim) }).collect()
    }

    fn dates(&self, claims: &Object<'_>, now: SystemTime) -> Result<Dates, VerifyErrorKind> {
        let mut expires = date(claims, "exp")?;
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
            // For us it ends there, also for who remembers it.
            let end = issued.ok_or(Claim)?.saturating_add(max_age);
            expires = Some(expires.map_or(end, |expires| expires.min(end)));
            if now >= end.saturating_add(self.leeway) {
                return Err(Expired);
            }
        }
        let at = |date: Option<Duration>| date.and_then(|date| SystemTime::UNIX_EPOCH.checked_add(date));
        Ok(Dates { expires_at: at(expires), issued_at: at(issued), not_before: at(not_before) })
    }

    /// Refuses tokens that were made for something else, or that need a proof which a bearer does not give.
    fn check_class(&self, claims: &Object<'_>) -> Result<(), VerifyErrorKind> {
        // RFC 7800 §3.1: whoever accepts such a token has to check the key.
        let foreign = ["cnf", "events", "token_introspection"].iter().any(|name| claims.has(name));
        let id_token = self.id_tokens_refused && OF_ID_TOKENS.iter().any(|name| claims.has(name));
        let other_use = text(claims, "token_use")?.is_some_and(|class| !ACCESS_USES.contains(&&*class));
        let typ = claims.get("typ").and_then(Value::string).unwrap_or_default().to_ascii_lowercase();
        let typ = typ.strip_prefix("application/").unwrap_or(&typ);
        let other_media_type = typ.ends_with("+jwt") && typ != "at+jwt";
        let other_class = CLASS_CLAIMS.iter().any(|name| is_other_class(claims, name));
        if foreign || id_token || other_use || other_media_type || other_class { Err(Claim) } else { Ok(()) }
    }

    /// Whether a key that is bound to an issuer signs for that of a token.
    #[cfg(all(feature = "jwt", any(feature = "aws-lc-rs", feature = "rust-crypto")))]
    pub(crate) fn may_sign(&self, key_issuer: Option<&str>, checked: &Checked<'_>) -> bool {
        self.issuers.may_sign(key_issuer, checked.issuer.as_deref())
    }

    /// Vouches for a token whose signature has been found good.
    pub(crate) fn vouch(&self, checked: Checked<'_>) -> AccessTokenBuilder {
        let Dates { expires_at, issued_at, not_before } = checked.dates;
        AccessToken::verified()
            .issued(self.issuers.name(checked.issuer), checked.token_id, issued_at)
            .parties(checked.subject, checked.client, strings(checked.audiences))
            .scopes(all_scopes(checked.scopes, checked.further_scopes))
            .lasting(not_before, expires_at, self.leeway)
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

/// Whether a claim that may say anything names another class of tokens.
fn is_other_class(claims: &Object<'_>, name: &str) -> bool {
    claims.get(name).and_then(Value::string).is_some_and(|class| {
        let class = class.trim().to_ascii_lowercase().replace(['-', ' '], "_");
        OTHER_CLASSES.contains(&&*class)
    })
}

/// RFC 7519 §2, NumericDate: seconds since 1970, fractions allowed.
pub(super) fn date(claims: &Object<'_>, name: &str) -> Result<Option<Duration>, VerifyErrorKind> {
    let Some(value) = claims.get(name) else { return Ok(None) };
    // Nearly all are whole numbers.
    let whole = value.text().parse().ok().map(Duration::from_secs);
    let date = whole.or_else(|| value.number().and_then(|seconds| Duration::try_from_secs_f64(seconds).ok()));
    date.filter(|date| *date <= LAST_DATE).map(Some).ok_or(Claim)
}

/// What has been found to be a string or strings.
fn strings<'a, S: From<Cow<'a, str>>>(value: Option<Value<'a>>) -> Vec<S> {
    let mut strings = Vec::with_capacity(1);
    let _ = value.and_then(|value| value.each_string(|text| strings.push(text.into())));
    strings
}

/// RFC 9068 §2.2.3, RFC 8693 §4.2: `scope`; where that is missing, `scp` as several providers have it.
fn scope_claim<'a>(claims: &Object<'a>) -> Result<Option<Value<'a>>, VerifyErrorKind> {
    let both = [claims.get("scope"), claims.get("scp")];
    let readable = both.into_iter().flatten().all(Value::is_strings);
    if readable { Ok(both.into_iter().flatten().next()) } else { Err(Claim) }
}

/// A string is a list of scopes; each element of an array is one.
fn scopes(value: Option<Value<'_>>) -> ScopeSet {
    let list = value.and_then(Value::string).map(|list| ScopeSet::parse(&list));
    list.unwrap_or_else(|| strings::<Cow<'_, str>>(value).into_iter().collect())
}

/// All scopes of several places.
fn all_scopes(first: Option<Value<'_>>, further: Vec<Value<'_>>) -> ScopeSet {
    if further.is_empty() {
        return scopes(first);
    }
    let sets: Vec<_> = first.into_iter().chain(further).map(|value| scopes(Some(value))).collect();
    sets.iter().flat_map(ScopeSet::iter).collect()
}

#[cfg(test)]
mod tests;
