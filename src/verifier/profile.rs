//! What an answer about the user of a token says, and at which places.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use serde_json::Value;

use super::{Verdict, answered_claims};
use crate::access_token::AccessToken;
use crate::bearer_token::BearerToken;
use crate::error::{VerifyError, VerifyErrorKind};
use crate::scope::ScopeSet;
use crate::upstream::Answer;

/// The end of the year 9999, beyond which a date is a mistake.
const LAST_SECOND: f64 = 253_402_300_799.0;

/// The places of an answer, as JSON pointers ([RFC 6901](https://www.rfc-editor.org/rfc/rfc6901)), and what is expected
/// there.
#[derive(Clone, Debug)]
pub(super) struct Profile {
    pub(super) issuer: Arc<str>,
    pub(super) subject: String,
    pub(super) client: Option<String>,
    pub(super) scopes: Option<String>,
    pub(super) expiry: Option<(String, Expiry)>,
    /// None: any.
    pub(super) audience: Option<(String, Vec<String>)>,
    pub(super) leeway: Duration,
}

/// How an answer says when a token ends.
#[derive(Clone, Copy, Debug)]
pub(super) enum Expiry {
    Date,
    /// In so many seconds; a token without ends when its issuer says so.
    Lifetime,
}

impl Profile {
    /// Vouches for the token of which an answer is.
    pub(super) fn read(&self, answer: &Answer, token: &BearerToken) -> Verdict {
        // Strictly first: no two readers of it may disagree.
        answer.object()?;
        let bad = |text: &'static str| VerifyError::unavailable(text);
        let value: Value = serde_json::from_slice(answer.body()).map_err(VerifyError::unavailable)?;
        let at = |place: &str| value.pointer(place).filter(|value| !value.is_null());
        let audiences = self.audiences(&value)?;
        let subject = match at(&self.subject) {
            Some(subject) => {
                name(subject).ok_or_else(|| bad("the answer names nobody whom we could know again"))?
            }
            // The answer is what it should be, and the token says too little.
            None if self.audience.is_some() => return Err(VerifyErrorKind::Claim.into()),
            None => return Err(bad("the answer does not say who it is about")),
        };
        let client = self.client.as_deref().and_then(at).map(name);
        let client = client.map(|client| client.ok_or_else(|| bad("the client of the answer has no name")));
        let scopes = self.scopes.as_deref().and_then(at).map(scopes);
        let scopes = scopes.map(|scopes| scopes.ok_or_else(|| bad("the scopes of the answer are no list")));
        let (client, scopes) = (client.transpose()?, scopes.transpose()?.unwrap_or_default());
        let is_token = |name: &str| answered_claims::repeats(name, token.as_str());
        let mut names =
            audiences.iter().chain([&subject]).chain(&client).map(String::as_str).chain(scopes.iter());
        let repeats = names.any(is_token);
        drop(names);
        if repeats {
            return Err(bad("the answer repeats the token where a name belongs"));
        }
        let expires_at = self.end(&value, answer.received_at)?;
        let vouched = AccessToken::verified()
            .issuer(Arc::clone(&self.issuer))
            .subject(subject)
            .audiences(audiences)
            .scopes(scopes)
            .leeway(self.leeway)
            .claims(answered_claims::claims(answer.body(), token.as_str()));
        let vouched = client.into_iter().fold(vouched, |token, client| token.client(client));
        Ok(expires_at.into_iter().fold(vouched, |token, at| token.expires_at(at)).build())
    }

    /// When the token ends, if the answer says so.
    fn end(&self, answer: &Value, now: SystemTime) -> Result<Option<SystemTime>, VerifyError> {
        let Some((place, form)) = &self.expiry else { return Ok(None) };
        let value = answer.pointer(place).filter(|value| !value.is_null());
        let end = match (form, value) {
            (Expiry::Date, value) => value.and_then(date),
            // Some tokens never end.
            (Expiry::Lifetime, None) => return Ok(None),
            (Expiry::Lifetime, Some(value)) => {
                value.as_u64().and_then(|seconds| now.checked_add(Duration::from_secs(seconds)))
            }
        };
        let bad = || VerifyError::unavailable("the answer does not say when the token ends");
        let end = end.ok_or_else(bad)?;
        // Where the provider counted, no clocks differ.
        let leeway = if matches!(form, Expiry::Date) { self.leeway } else { Duration::ZERO };
        match end.checked_add(leeway).is_none_or(|end| now >= end) {
            true => Err(VerifyErrorKind::Expired.into()),
            false => Ok(Some(end)),
        }
    }

    /// For whom the token is, if that is one of those whom we expect.
    fn audiences(&self, answer: &Value) -> Result<Vec<String>, VerifyError> {
        let Some((place, expected)) = &self.audience else { return Ok(Vec::new()) };
        let named = match answer.pointer(place) {
            Some(Value::Array(values)) => values.iter().map(name).collect::<Option<Vec<_>>>(),
            Some(value) => name(value).map(|one| vec![one]),
            None => None,
        };
        let named = named.filter(|named| named.iter().any(|one| expected.contains(one)));
        named.ok_or_else(|| VerifyErrorKind::Audience.into())
    }
}

/// A name: a string with something in it, or a whole number.
fn name(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => (!text.is_empty()).then(|| text.clone()),
        Value::Number(number) => (number.is_u64() || number.is_i64()).then(|| number.to_string()),
        _ => None,
    }
}

fn scopes(value: &Value) -> Option<ScopeSet> {
    match value {
        Value::String(list) => Some(ScopeSet::parse(list)),
        Value::Array(values) => {
            values.iter().map(Value::as_str).collect::<Option<Vec<_>>>().map(ScopeSet::from_iter)
        }
        _ => None,
    }
}

/// Seconds since 1970, as a number or in digits, or a date of RFC 3339.
fn date(value: &Value) -> Option<SystemTime> {
    let seconds = match value {
        Value::Number(number) => number.as_f64()?,
        Value::String(text) if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) => {
            text.parse().ok()?
        }
        Value::String(text) => return text.parse::<jiff::Timestamp>().ok().map(Into::into),
        _ => return None,
    };
    let in_range = (0.0..=LAST_SECOND).contains(&seconds);
    SystemTime::UNIX_EPOCH.checked_add(Duration::try_from_secs_f64(seconds).ok().filter(|_| in_range)?)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_name_is_a_text_or_a_whole_number() {
        assert_eq!(name(&json!("a")).as_deref(), Some("a"));
        assert_eq!(name(&json!(9_007_199_254_740_993_u64)).as_deref(), Some("9007199254740993"));
        for nobody in [json!(""), json!(1.5), json!(1e300), json!(true), json!([]), json!({}), json!(null)] {
            assert_eq!(name(&nobody), None, "{nobody}");
        }
    }

    #[test]
    fn a_date_is_read_in_the_forms_that_providers_use() {
        let second = |seconds| Some(SystemTime::UNIX_EPOCH + Duration::from_secs(seconds));
        assert_eq!(date(&json!(1_700_000_000)), second(1_700_000_000));
        assert_eq!(date(&json!("1700000000")), second(1_700_000_000));
        assert_eq!(date(&json!("2021-01-23T02:33:17.000000+00:00")), second(1_611_369_197));
        for none in [json!("soon"), json!(-1), json!(1e300), json!("99999999999999"), json!(""), json!([1])] {
            assert_eq!(date(&none), None, "{none}");
        }
    }
}
