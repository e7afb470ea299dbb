//! What a provider answered, as claims.

use serde_json::{Map, Value};

/// A token of fewer characters is no secret.
const SHORTEST: usize = 16;

/// The members of an answer that has been read strictly, without what is `null` and without what repeats the token: an
/// access token never holds that.
#[cfg(feature = "introspection")]
pub(super) fn claims(answer: &[u8], token: &str) -> Map<String, Value> {
    let mut claims: Map<String, Value> = serde_json::from_slice(answer).unwrap_or_default();
    claims.retain(|_, value| !value.is_null());
    leave_out(&mut claims, token);
    claims
}

/// Leaves out the claims that repeat the token.
pub(super) fn leave_out(claims: &mut Map<String, Value>, token: &str) {
    claims.retain(|name, value| !repeats(name, token) && !mentions(value, token));
}

/// Whether a text repeats the token. A short one is not looked for: it would be found in what has nothing to do with
/// it.
pub(super) fn repeats(text: &str, token: &str) -> bool {
    token.len() >= SHORTEST && text.contains(token)
}

fn mentions(value: &Value, token: &str) -> bool {
    match value {
        Value::String(text) => repeats(text, token),
        Value::Array(values) => values.iter().any(|value| mentions(value, token)),
        Value::Object(members) => {
            members.iter().any(|(name, value)| repeats(name, token) || mentions(value, token))
        }
        Value::Number(number) => repeats(&number.to_string(), token),
        Value::Null | Value::Bool(_) => false,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_token_is_not_among_the_claims_wherever_it_stands() {
        let token = "0123456789012345678";
        let answer =
            r#"{"a":"T","b":["x T y"],"c":{"d":{"T":1}},"T":1,"e":null,"n":T,"f":[1,"01234567890123456"]}"#;
        let claims = claims(answer.replace('T', token).replace(":0", ":").as_bytes(), token);
        let expected = json!({ "f": [1, "01234567890123456"], "n": 123_456_789_012_345_678_u64 });
        assert_eq!(Value::Object(claims), expected);
    }

    #[test]
    fn a_short_token_is_not_looked_for() {
        let claims = claims(br#"{"team":"a","sub":"alice"}"#, "a");
        assert_eq!(claims.len(), 2);
    }
}
