//! What a provider answered, as claims.

use serde_json::{Map, Value};

/// The members of an answer that has been read strictly, without what is `null` and without what repeats the token: an access
/// token never holds that.
pub(super) fn claims(answer: &[u8], token: &str) -> Map<String, Value> {
    let mut claims: Map<String, Value> = serde_json::from_slice(answer).unwrap_or_default();
    claims.retain(|name, value| !value.is_null() && !name.contains(token) && !mentions(value, token));
    claims
}

fn mentions(value: &Value, token: &str) -> bool {
    match value {
        Value::String(text) => text.contains(token),
        Value::Array(values) => values.iter().any(|value| mentions(value, token)),
        Value::Object(members) => {
            members.iter().any(|(name, value)| name.contains(token) || mentions(value, token))
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_token_is_not_among_the_claims_wherever_it_stands() {
        let answer = br#"{"a":"s3cr3t","b":["x s3cr3t y"],"c":{"d":{"s3cr3t":1}},"s3cr3t":1,"e":null,"f":[1,"s3cr3"]}"#;
        assert_eq!(Value::Object(claims(answer, "s3cr3t")), serde_json::json!({ "f": [1, "s3cr3"] }));
    }
}
