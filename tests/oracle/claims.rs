//! What the claims have to say, by RFC 7519 §4.1, RFC 9068 §4 and contract 5.3.9 and 5.3.10: what does not change with
//! time here, the dates in [`Dates::judge`].

use std::time::Duration;

use super::json::Json;
use super::{Accepted, Configuration, Refusal};

/// The end of 9999 (contract D9).
const LAST_SECOND: f64 = 253_402_300_799.0;
const BILLION: i128 = 1_000_000_000;

/// Contract 5.3.10, in words of providers: what is no access token says so in one of these ways.
const OTHER_CLASSES: [&str; 19] = [
    "id_token",
    "id",
    "idtoken",
    "refresh_token",
    "refresh",
    "refreshtoken",
    "offline",
    "logout_token",
    "logout",
    "dpop",
    "code",
    "authorization_code",
    "userinfo",
    "initialaccesstoken",
    "registrationaccesstoken",
    "execute_actions",
    "reset_credentials",
    "serialized_id",
    "verify_email",
];

/// When a token counts, in nanoseconds since 1970.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Dates {
    pub(crate) expires: Option<i128>,
    pub(crate) not_before: Option<i128>,
    pub(crate) issued: Option<i128>,
    pub(crate) leeway: i128,
}

impl Dates {
    /// Contract 5.3.9: refused at `now >= exp + leeway`; `nbf` and `iat` are at most `now + leeway`.
    pub(crate) fn judge(&self, now: i128) -> Result<(), Refusal> {
        if now < 0 {
            return Err(Refusal::For("a clock before 1970"));
        }
        if self.expires.is_some_and(|end| now >= end + self.leeway) {
            return Err(Refusal::For("expired"));
        }
        let starts = [self.not_before, self.issued];
        if starts.into_iter().flatten().any(|start| start > now + self.leeway) {
            return Err(Refusal::NotYet);
        }
        Ok(())
    }
}

pub(crate) fn nanoseconds(span: Duration) -> i128 {
    i128::try_from(span.as_nanos()).unwrap()
}

/// Reads the claims of a token. What it is said to be is good only once the signature is.
pub(crate) fn read(rules: &Configuration, claims: &Json) -> Result<(Accepted, Dates), &'static str> {
    let issuer = text(claims, "iss")?;
    if let Some(own) = &rules.issuer
        && issuer.as_ref() != Some(own)
    {
        return Err("another issuer");
    }
    let audiences = match claims.get("aud") {
        None => Vec::new(),
        Some(value) => value.texts().ok_or("an audience that is none")?,
    };
    if !rules.audiences.is_empty()
        && !audiences.iter().any(|own| rules.audiences.iter().any(|one| one == own))
    {
        return Err("another audience");
    }
    if is_of_another_class(rules, claims)? {
        return Err("another class of token");
    }
    for name in &rules.required {
        if claims.get(name).is_none_or(|value| *value == Json::Null) {
            return Err("a required claim is missing");
        }
    }
    let (subject, token_id) = (text(claims, "sub")?, text(claims, "jti")?);
    let clients = [text(claims, "client_id")?, text(claims, "azp")?];
    let accepted = Accepted {
        issuer,
        subject,
        client: clients.into_iter().flatten().next(),
        token_id,
        audiences: audiences.into_iter().map(str::to_owned).collect(),
        scopes: scopes(claims)?,
        expires: None,
    };
    Ok((accepted, dates(rules, claims)?))
}

fn dates(rules: &Configuration, claims: &Json) -> Result<Dates, &'static str> {
    let date = |name| match claims.get(name) {
        None => Ok(None),
        Some(Json::Number(seconds)) if (0.0..=LAST_SECOND).contains(seconds) => Ok(Some(exactly(*seconds))),
        Some(_) => Err("a date that is none"),
    };
    let (mut expires, not_before, issued) = (date("exp")?, date("nbf")?, date("iat")?);
    if expires.is_none() && rules.expiry_required {
        return Err("no expiry");
    }
    if not_before.zip(expires).is_some_and(|(start, end)| start >= end) {
        return Err("it ends before it begins");
    }
    if let Some(age) = rules.max_token_age {
        let end = issued.ok_or("nobody knows its age")? + nanoseconds(age);
        expires = Some(expires.map_or(end, |own| own.min(end)));
    }
    Ok(Dates { expires, not_before, issued, leeway: nanoseconds(rules.leeway) })
}

/// RFC 7519 §2, NumericDate: a double, to the nanosecond.
fn exactly(seconds: f64) -> i128 {
    let whole = seconds.floor();
    // Below 2^53, the rest is exact.
    let rest = (seconds - whole) * 1e9;
    whole as i128 * BILLION + rest.round_ties_even() as i128
}

/// A claim that is a text with something in it, if it is there.
fn text(claims: &Json, name: &str) -> Result<Option<String>, &'static str> {
    match claims.get(name) {
        None => Ok(None),
        Some(Json::Text(text)) if !text.is_empty() => Ok(Some(text.clone())),
        Some(_) => Err("a name that is none"),
    }
}

fn is_of_another_class(rules: &Configuration, claims: &Json) -> Result<bool, &'static str> {
    let has_one = |names: &[&str]| names.iter().any(|name| claims.get(name).is_some());
    // RFC 7800 §3.1, RFC 8417, RFC 9701.
    let needs_a_proof = has_one(&["cnf", "events", "token_introspection"]);
    let is_id_token = !rules.id_tokens_allowed && has_one(&["at_hash", "c_hash", "s_hash"]);
    let is_other_use =
        text(claims, "token_use")?.is_some_and(|class| class != "access" && class != "access_token");
    let class = |name| claims.get(name).and_then(Json::text).unwrap_or_default();
    let typ = class("typ").to_ascii_lowercase();
    let is_other_media_type =
        typ.ends_with("+jwt") && typ.strip_prefix("application/").unwrap_or(&typ) != "at+jwt";
    let is_other_class = ["typ", "type", "use", "token_type"].into_iter().any(|name| {
        let class = class(name).trim().to_ascii_lowercase();
        OTHER_CLASSES.contains(&&*class.replace(['-', ' '], "_"))
    });
    Ok(needs_a_proof || is_id_token || is_other_use || is_other_media_type || is_other_class)
}

/// RFC 6749 §3.3, RFC 8693 §4.2: a text is a list with spaces; of a list each element is one. `scp` where there is no
/// `scope`. What is no scope by the grammar grants nothing.
fn scopes(claims: &Json) -> Result<Vec<String>, &'static str> {
    let mut found = Vec::new();
    for name in ["scp", "scope"] {
        let Some(value) = claims.get(name) else { continue };
        let list = value.texts().ok_or("scopes that are none")?;
        found = match value {
            Json::Text(text) => text.split(' ').collect(),
            _ => list,
        };
    }
    let is_scope = |scope: &str| {
        !scope.is_empty() && scope.bytes().all(|b| matches!(b, 0x21 | 0x23..=0x5b | 0x5d..=0x7e))
    };
    let mut scopes: Vec<String> = Vec::new();
    for scope in found.into_iter().filter(|scope| is_scope(scope)) {
        if !scopes.iter().any(|own| own == scope) {
            scopes.push(scope.to_owned());
        }
    }
    Ok(scopes)
}
