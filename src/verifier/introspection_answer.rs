//! Reads the answer of an introspection endpoint strictly ([RFC 7662 §2.2]).
//!
//! 1. One strict JSON object: unique names, bounded depth and size.
//! 2. `active` is JSON `true`, or `false`, which is a rejection. Anything else is no answer.
//! 3. A member that is `null` counts as missing.
//! 4. Every member that this crate knows is of its type, or the whole is no answer.
//! 5. `token_type` is that of a bearer token, or missing.
//!
//! [RFC 7662 §2.2]: https://www.rfc-editor.org/rfc/rfc7662#section-2.2

use super::{answered_claims, claims};
use crate::error::{VerifyError, VerifyErrorKind};
use crate::json::{Object, Value};

/// Members that are strings with something in them.
const TEXTS: [&str; 7] = ["azp", "client_id", "iss", "jti", "sub", "token_type", "token_use"];
/// Members that are handed on, and logged.
const NAMES: [&str; 7] = ["aud", "azp", "client_id", "scope", "scp", "sub", "username"];
/// What providers call the type of a token that a bearer may use.
const BEARER_TYPES: [&str; 3] = ["bearer", "access_token", "urn:ietf:params:oauth:token-type:access_token"];

/// What the provider says of an active token. Nothing of it has been judged yet.
pub(super) fn read<'a>(answer: &'a [u8], token: &str) -> Result<Object<'a>, VerifyError> {
    let bad = |text: &'static str| VerifyError::unavailable(text);
    let mut members = Object::parse(answer).map_err(|_| bad("the answer is not a strict JSON object"))?;
    match members.get("active").map(Value::text) {
        Some("true") => {}
        Some("false") => return Err(VerifyErrorKind::Inactive.into()),
        _ => return Err(bad("the answer does not say whether the token is active")),
    }
    // Some providers give an opaque token itself as its id.
    members.retain(|name, value| !value.is_null() && (name != "jti" || !repeats(value, token)));
    if !has_known_types(&members) {
        return Err(bad("a member of the answer is of a wrong type"));
    }
    if NAMES.iter().filter_map(|name| members.get(name)).any(|value| repeats(value, token)) {
        return Err(bad("the answer repeats the token where a name belongs"));
    }
    let token_type = members.get("token_type").and_then(Value::string);
    let is_bearer = |name: &str| BEARER_TYPES.iter().any(|own| own.eq_ignore_ascii_case(name));
    match token_type.is_none_or(|name| is_bearer(&name)) {
        true => Ok(members),
        false => Err(VerifyErrorKind::Claim.into()),
    }
}

/// Whether a text, or one of several, repeats the token.
fn repeats(value: Value<'_>, token: &str) -> bool {
    let mut repeated = false;
    let _ = value.each_string(|text| repeated |= answered_claims::repeats(&text, token));
    repeated
}

fn has_known_types(members: &Object<'_>) -> bool {
    let text = |name: &&str| {
        members.get(name).is_none_or(|value| value.string().is_some_and(|text| !text.is_empty()))
    };
    let list = |name: &&str| members.get(name).is_none_or(Value::is_strings);
    let date = |name: &&str| claims::date(members, name).is_ok();
    let name = members.get("username").is_none_or(|value| value.string().is_some());
    TEXTS.iter().all(text)
        && ["aud", "scope", "scp"].iter().all(list)
        && ["exp", "iat", "nbf"].iter().all(date)
        && name
}

/// The name of the user, if there is a user. It may be empty.
pub(super) fn username(members: &Object<'_>) -> Option<String> {
    members.get("username").and_then(Value::string).map(Into::into)
}
