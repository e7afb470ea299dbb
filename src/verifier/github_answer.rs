//! What GitHub's answers mean: who the user is, and when to ask again.
//!
//! Only what proves that a token is bad counts as that. A 403 never does: it says that a limit was passed, that an
//! organisation wants a single sign-on, that GitHub has had enough of us for a while.

use std::time::{Duration, SystemTime};

use http::header::DATE;
use http::{HeaderName, StatusCode};
use serde_json::{Map, Value as Json};

use crate::error::{VerifyError, VerifyErrorKind};
use crate::freshness;
use crate::json::{Object, Value};
use crate::upstream::Answer;

const REMAINING: HeaderName = HeaderName::from_static("x-ratelimit-remaining");
const RESET: HeaderName = HeaderName::from_static("x-ratelimit-reset");
const EXPIRATION: HeaderName = HeaderName::from_static("github-authentication-token-expiration");

/// The longest time that a limit lasts.
const LONGEST_LIMIT: Duration = Duration::from_secs(3_600);
/// The shortest, whatever the clocks say.
const SHORTEST_LIMIT: Duration = Duration::from_secs(5);
/// How long to leave GitHub alone after a limit that has no date.
const UNDATED_LIMIT: Duration = Duration::from_secs(60);

/// A user, as GitHub names one.
#[derive(Debug)]
pub(super) struct User {
    /// A number that is never given to somebody else, in decimal digits.
    pub(super) id: String,
    /// A name that can change, and that somebody else may then take.
    pub(super) login: String,
    pub(super) claims: Map<String, Json>,
}

impl User {
    /// Reads a user from an object of the API.
    pub(super) fn read(user: &Object<'_>) -> Result<Self, VerifyError> {
        let bad = |text: &'static str| VerifyError::unavailable(text);
        let id = user.get("id").map(Value::text).filter(|id| is_id(id));
        let id = id.ok_or_else(|| bad("the answer has no usable id of a user"))?.to_owned();
        let login = user.string("login").ok().flatten().filter(|login| is_login(login));
        let login = login.ok_or_else(|| bad("the answer has no usable login of a user"))?.into_owned();
        let mut claims = Map::new();
        claims.insert("sub".to_owned(), id.clone().into());
        claims.insert("login".to_owned(), login.clone().into());
        for name in ["name", "email", "avatar_url"] {
            match user.get(name).filter(|value| !value.is_null()).map(Value::string) {
                Some(Some(text)) => drop(claims.insert(name.to_owned(), text.into_owned().into())),
                Some(None) => return Err(bad("a member of the user is of a wrong type")),
                None => {}
            }
        }
        Ok(Self { id, login, claims })
    }

    /// Leaves out what only one of GitHub's answers has, so that what is a claim does not depend on which was the last.
    pub(super) fn forget_profile(&mut self) {
        ["name", "email"].iter().for_each(|name| drop(self.claims.remove(*name)));
    }
}

fn is_id(text: &str) -> bool {
    let digits = text.bytes().all(|byte| byte.is_ascii_digit());
    digits && (1..=20).contains(&text.len()) && !text.starts_with('0')
}

/// What can stand in a path. Logins of apps end in `[bot]`, those of managed users have an underscore.
fn is_login(text: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_[]".contains(&byte);
    (1..=255).contains(&text.len()) && text.bytes().all(plain)
}

/// Nobody can tell by this answer. It says when to ask again.
pub(super) fn unavailable(answer: &Answer) -> VerifyError {
    match limit(answer) {
        Some(delay) => answer.unavailable().reset_after(delay),
        None => answer.unavailable(),
    }
}

/// For how long GitHub does not answer us, if that is what an answer says.
pub(super) fn limit(answer: &Answer) -> Option<Duration> {
    if !matches!(answer.status(), StatusCode::FORBIDDEN | StatusCode::TOO_MANY_REQUESTS) {
        return None;
    }
    let now = now_there(answer);
    let reset = || {
        let at = answer.field(&RESET).filter(|_| is_spent(answer))?;
        let at = SystemTime::UNIX_EPOCH.checked_add(Duration::from_secs(at.parse().ok()?))?;
        Some(at.duration_since(now).unwrap_or_default().max(SHORTEST_LIMIT))
    };
    let undated = || {
        let said = message(answer).unwrap_or_default().to_ascii_lowercase();
        let is_limit = ["rate limit", "abuse", "login attempts"].iter().any(|words| said.contains(words));
        (is_limit || answer.status() == StatusCode::TOO_MANY_REQUESTS).then_some(UNDATED_LIMIT)
    };
    let delay = freshness::retry_after_within(answer.headers(), now, LONGEST_LIMIT);
    // None is less than any.
    delay.max(reset()).or_else(undated).map(|delay| delay.min(LONGEST_LIMIT))
}

/// Whether a quota is spent: that of the app, or of the user, whose call it was.
pub(super) fn is_spent(answer: &Answer) -> bool {
    answer.field(&REMAINING) == Some("0")
}

/// By GitHub's clock, since its dates are by that one too.
fn now_there(answer: &Answer) -> SystemTime {
    let date = answer.field(&DATE).and_then(|date| httpdate::parse_http_date(date).ok());
    date.unwrap_or(answer.received_at)
}

/// The sentence of an error.
pub(super) fn message(answer: &Answer) -> Option<String> {
    answer.object().ok()?.string("message").ok()?.map(Into::into)
}

/// Whether an answer is one of the API, and not of a gateway in between or of a wrong address: every error of the API
/// says where it is documented.
pub(super) fn is_of_the_api(answer: &Answer) -> bool {
    let documented = |error: Object<'_>| error.string("documentation_url").ok().flatten().is_some();
    message(answer).is_some() && answer.object().is_ok_and(documented)
}

/// What an answer to a request with the token means that is not one of those that were hoped for.
pub(super) fn refused(answer: &Answer) -> VerifyError {
    match message(answer) {
        _ if answer.status() != StatusCode::UNAUTHORIZED || !is_of_the_api(answer) => unavailable(answer),
        // The token was not in the request when it arrived: something in between took it out.
        Some(said) if said == "Requires authentication" => answer.misconfigured(),
        _ => VerifyErrorKind::Inactive.into(),
    }
}

/// When the token ends, by the field that has it: `2022-08-24 16:11:49 -0500`, or `UTC` for the zone.
pub(super) fn expiration(answer: &Answer) -> Result<Option<SystemTime>, VerifyError> {
    if !answer.headers().contains_key(&EXPIRATION) {
        return Ok(None);
    }
    let text = answer.field(&EXPIRATION).ok_or_else(bad_date)?.trim().replace("UTC", "+0000");
    let read = jiff::Timestamp::strptime("%Y-%m-%d %H:%M:%S %z", &text);
    read.map(|at| Some(at.into())).map_err(|_| bad_date())
}

/// When the token ends, by a member of an answer: a date of RFC 3339, or `null`.
pub(super) fn expires_at(answer: &Object<'_>) -> Result<Option<SystemTime>, VerifyError> {
    let Some(value) = answer.get("expires_at").filter(|value| !value.is_null()) else { return Ok(None) };
    let at = value.string().and_then(|text| text.parse::<jiff::Timestamp>().ok());
    at.map(|at| Some(at.into())).ok_or_else(bad_date)
}

fn bad_date() -> VerifyError {
    VerifyError::unavailable("the answer has a date that cannot be read")
}
