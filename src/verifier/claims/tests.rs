use serde_json::{Value as Json, json};

use super::*;
use crate::error::VerifyErrorKind::Malformed;

const NOW: u64 = 1_767_225_600;

fn rules() -> Rules {
    Rules {
        issuer_may_be_missing: false,
        issuer: Some("https://idp.example.com".into()),
        audiences: vec!["https://api.example.com".into()],
        leeway: Duration::ZERO,
        expiry_required: true,
        required: Vec::new(),
        max_token_age: None,
        id_tokens_refused: true,
    }
}

fn good() -> Json {
    json!({ "iss": "https://idp.example.com", "aud": "https://api.example.com", "exp": NOW + 300 })
}

/// The good claims with some replaced, or removed where the replacement is null.
fn with(changes: &Json) -> Json {
    let mut claims = good();
    for (name, value) in changes.as_object().unwrap() {
        match value {
            Json::Null => claims.as_object_mut().unwrap().remove(name),
            value => claims.as_object_mut().unwrap().insert(name.clone(), value.clone()),
        };
    }
    claims
}

fn judge(rules: &Rules, claims: &str) -> Result<AccessToken, VerifyErrorKind> {
    let now = SystemTime::UNIX_EPOCH + Duration::from_secs(NOW);
    let vouched = rules.check(claims.as_bytes(), now).map(|checked| rules.vouch(checked));
    vouched.map(|token| token.claims_text(claims.as_bytes().to_vec()).build())
}

#[expect(clippy::needless_pass_by_value, reason = "called with `json!`")]
fn kind(rules: &Rules, changes: Json) -> Option<VerifyErrorKind> {
    judge(rules, &with(&changes).to_string()).err()
}

#[test]
fn the_issuer_is_compared_byte_for_byte() {
    for issuer in [
        json!(null),
        json!("https://idp.example.com/"),
        json!("https://IDP.example.com"),
        json!("http://idp.example.com"),
        json!("https://idp.example.com.evil.com"),
        json!("https://idp.example.com/x"),
        json!("https://idp.example.com?x"),
        json!(["https://idp.example.com"]),
        json!(["evil", "https://idp.example.com"]),
        json!(7),
        json!(""),
        json!({}),
    ] {
        assert_eq!(kind(&rules(), json!({ "iss": issuer })), Some(Issuer), "{issuer}");
    }
    assert_eq!(
        judge(&rules(), r#"{"iss":null,"aud":"https://api.example.com","exp":9999999999}"#).unwrap_err(),
        Issuer
    );
}

#[test]
fn the_audience_names_us_and_holds_nothing_but_strings() {
    for audience in [
        json!(null),
        json!("https://api.example.com/"),
        json!("https://api.example.com/mcp"),
        json!("https://api"),
        json!([]),
        json!(["x"]),
        json!(7),
        json!({}),
        json!(true),
        json!(["https://api.example.com", 7]),
        json!([["https://api.example.com"]]),
        json!("https://api.example.com x"),
        json!(""),
    ] {
        assert_eq!(kind(&rules(), json!({ "aud": audience })), Some(Audience), "{audience}");
    }
    assert_eq!(kind(&rules(), json!({ "aud": ["x", "https://api.example.com"] })), None);
    let two = Rules { audiences: vec!["a".into(), "b".into()], ..rules() };
    assert_eq!(kind(&two, json!({ "aud": "b" })), None);
    assert_eq!(kind(&two, json!({ "aud": "c" })), Some(Audience));
}

#[test]
fn expiry_is_required_numeric_and_exclusive() {
    for (exp, expected) in [
        (json!(null), Some(Claim)),
        (json!(NOW), Some(Expired)),
        (json!(NOW - 1), Some(Expired)),
        (json!(0), Some(Expired)),
        (json!(NOW + 1), None),
        (json!(NOW as f64 + 0.5), None),
        (json!(NOW as f64 - 0.5), Some(Expired)),
        (json!(1.9e9), None),
        (json!(253_402_300_799_u64), None),
        (json!(253_402_300_800_u64), Some(Claim)),
        (json!(i64::MAX), Some(Claim)),
        (json!(u64::MAX), Some(Claim)),
        (json!(-1), Some(Claim)),
        (json!("9999999999"), Some(Claim)),
        (json!(true), Some(Claim)),
        (json!([9_999_999_999_u64]), Some(Claim)),
        (json!({ "$date": 9_999_999_999_u64 }), Some(Claim)),
    ] {
        assert_eq!(kind(&rules(), json!({ "exp": exp })), expected, "{exp}");
    }
    assert_eq!(judge(&rules(), r#"{"exp":1e400}"#).unwrap_err(), Malformed);
    assert_eq!(
        judge(&rules(), r#"{"iss":"https://idp.example.com","aud":"https://api.example.com","exp":null}"#)
            .unwrap_err(),
        Claim
    );
    let lenient = Rules { expiry_required: false, ..rules() };
    assert_eq!(kind(&lenient, json!({ "exp": null })), None);
    assert_eq!(kind(&lenient, json!({ "exp": NOW })), Some(Expired));
}

#[test]
fn leeway_moves_both_ends() {
    let rules = Rules { leeway: Duration::from_secs(60), ..rules() };
    assert_eq!(kind(&rules, json!({ "exp": NOW - 59 })), None);
    assert_eq!(kind(&rules, json!({ "exp": NOW - 60 })), Some(Expired));
    assert_eq!(kind(&rules, json!({ "nbf": NOW + 60 })), None);
    assert_eq!(kind(&rules, json!({ "nbf": NOW + 61 })), Some(NotYetValid));
    assert_eq!(kind(&rules, json!({ "iat": NOW + 60 })), None);
    assert_eq!(kind(&rules, json!({ "iat": NOW + 61 })), Some(NotYetValid));
}

#[test]
fn not_before_and_issued_at_are_dates_in_order() {
    for name in ["nbf", "iat"] {
        assert_eq!(kind(&rules(), json!({ name: NOW })), None);
        assert_eq!(kind(&rules(), json!({ name: NOW + 1 })), Some(NotYetValid));
        for value in [json!("1"), json!(-1), json!({}), json!([1]), json!(true), json!(u64::MAX)] {
            assert_eq!(kind(&rules(), json!({ name: value })), Some(Claim), "{name} {value}");
        }
    }
    let lenient = Rules { leeway: Duration::from_secs(300), ..rules() };
    assert_eq!(kind(&lenient, json!({ "nbf": NOW - 100, "exp": NOW - 100 })), Some(Claim));
}

#[test]
fn a_clock_before_1970_accepts_nothing() {
    let claims = good().to_string();
    let before = SystemTime::UNIX_EPOCH - Duration::from_secs(1);
    assert_eq!(rules().check(claims.as_bytes(), before).unwrap_err(), NotYetValid);
    assert!(rules().check(claims.as_bytes(), SystemTime::UNIX_EPOCH).is_ok());
}

#[test]
fn a_token_may_be_too_old() {
    let rules = Rules { max_token_age: Some(Duration::from_secs(600)), ..rules() };
    assert_eq!(kind(&rules, json!({ "iat": NOW - 599 })), None);
    assert_eq!(kind(&rules, json!({ "iat": NOW - 600 })), Some(Expired));
    assert_eq!(kind(&rules, json!({})), Some(Claim));
}

#[test]
fn a_token_ends_where_it_becomes_too_old_and_says_when_it_begins() {
    let at = |seconds| Some(SystemTime::UNIX_EPOCH + Duration::from_secs(seconds));
    let dates = |rules: &Rules, changes: Json| {
        let token = judge(rules, &with(&changes).to_string()).unwrap();
        (token.expires_at(), token.issued_at(), token.not_before())
    };
    let young = Rules { max_token_age: Some(Duration::from_secs(600)), ..rules() };
    let claims = || json!({ "iat": NOW - 400, "nbf": NOW - 390 });
    assert_eq!(dates(&rules(), claims()), (at(NOW + 300), at(NOW - 400), at(NOW - 390)));
    assert_eq!(dates(&young, claims()), (at(NOW + 200), at(NOW - 400), at(NOW - 390)));
    assert_eq!(dates(&young, json!({ "iat": NOW })), (at(NOW + 300), at(NOW), None));
}

#[test]
fn required_claims_are_there_and_not_null() {
    let rules = Rules { required: vec!["jti".into(), "tenant".into()], ..rules() };
    assert_eq!(kind(&rules, json!({ "jti": "a", "tenant": 7 })), None);
    assert_eq!(kind(&rules, json!({ "jti": "a" })), Some(Claim));
    let null = r#"{"iss":"https://idp.example.com","aud":"https://api.example.com","exp":9999999999,"jti":"a","tenant":null}"#;
    assert_eq!(judge(&rules, null).unwrap_err(), Claim);
}

#[test]
fn names_are_strings_with_something_in_them() {
    for name in ["sub", "client_id", "azp", "jti"] {
        for value in [json!(7), json!(""), json!([]), json!(["x"]), json!({}), json!(false)] {
            assert_eq!(kind(&rules(), json!({ name: value })), Some(Claim), "{name} {value}");
        }
    }
    assert_eq!(
        judge(
            &rules(),
            r#"{"iss":"https://idp.example.com","aud":"https://api.example.com","exp":9999999999,"sub":null}"#
        )
        .unwrap_err(),
        Claim
    );
}

#[test]
fn the_client_is_never_the_subject() {
    let client =
        |changes: Json| judge(&rules(), &with(&changes).to_string()).unwrap().client().map(str::to_owned);
    assert_eq!(client(json!({ "client_id": "a", "azp": "b", "sub": "c" })).as_deref(), Some("a"));
    assert_eq!(client(json!({ "azp": "b", "sub": "c" })).as_deref(), Some("b"));
    assert_eq!(client(json!({ "sub": "c" })), None);
}

#[test]
fn scopes_come_from_scope_then_scp_as_string_or_array() {
    for (changes, expected) in [
        (json!({}), ""),
        (json!({ "scope": "" }), ""),
        (json!({ "scope": "a b" }), "a b"),
        (json!({ "scope": ["a", "b"] }), "a b"),
        (json!({ "scp": "a b" }), "a b"),
        (json!({ "scp": ["a", "b"] }), "a b"),
        (json!({ "scp": ["a b"] }), ""),
        (json!({ "scope": "", "scp": "a" }), ""),
        (json!({ "scope": "a", "scp": "b" }), "a"),
    ] {
        let token = judge(&rules(), &with(&changes).to_string()).unwrap();
        assert_eq!(token.scopes().as_str(), expected, "{changes}");
    }
    for value in [json!(5), json!({}), json!([1]), json!(["a", null]), json!(true)] {
        assert_eq!(kind(&rules(), json!({ "scope": value })), Some(Claim), "{value}");
        assert_eq!(kind(&rules(), json!({ "scp": value })), Some(Claim), "{value}");
        assert_eq!(kind(&rules(), json!({ "scope": "a", "scp": value })), Some(Claim), "{value}");
    }
}

#[test]
fn tokens_of_other_classes_are_refused() {
    for changes in [
        json!({ "cnf": { "jkt": "x" } }),
        json!({ "cnf": {} }),
        json!({ "cnf": "x" }),
        json!({ "events": {} }),
        json!({ "at_hash": "x" }),
        json!({ "c_hash": "x" }),
        json!({ "token_use": "id" }),
        json!({ "token_use": "refresh" }),
        json!({ "token_use": 7 }),
        json!({ "typ": "ID" }),
        json!({ "typ": "Refresh" }),
        json!({ "typ": "Offline" }),
        json!({ "typ": "Logout" }),
        json!({ "token_type": "refresh" }),
        json!({ "token_type": "id_token" }),
        json!({ "type": "refresh" }),
        json!({ "use": "Refresh" }),
        json!({ "typ": "verify-email" }),
        json!({ "typ": "Logout-Token" }),
        json!({ "typ": "RegistrationAccessToken" }),
        json!({ "token_introspection": {} }),
        json!({ "typ": "dpop+jwt" }),
        json!({ "typ": "application/logout+jwt" }),
    ] {
        assert_eq!(kind(&rules(), changes.clone()), Some(Claim), "{changes}");
    }
    for changes in [
        json!({ "token_use": "access" }),
        json!({ "token_type": "Bearer", "type": 7, "use": ["refresh"], "typ": 7 }),
        json!({ "typ": "Bearer" }),
        json!({ "typ": "at+jwt" }),
        json!({ "typ": "application/at+jwt" }),
    ] {
        assert_eq!(kind(&rules(), changes.clone()), None, "{changes}");
    }
}

#[test]
fn a_token_that_looks_like_an_id_token_passes_only_where_that_was_allowed() {
    let allowed = Rules { id_tokens_refused: false, ..rules() };
    assert_eq!(kind(&allowed, json!({ "at_hash": "x" })), None);
    assert_eq!(kind(&allowed, json!({ "at_hash": "x", "token_use": "id" })), Some(Claim));
}

#[test]
fn claim_names_are_exact() {
    for claims in [
        r#"{"ISS":"https://idp.example.com","aud":"https://api.example.com","exp":9999999999}"#,
        r#"{"iss":"https://idp.example.com","aud":"https://api.example.com","exp ":9999999999}"#,
        r#"{"iss":"https://idp.example.com","ａud":"https://api.example.com","exp":9999999999}"#,
    ] {
        assert!(judge(&rules(), claims).is_err(), "{claims}");
    }
}

#[test]
fn all_claims_come_through_unchanged() {
    let claims = with(&json!({ "n": 9_007_199_254_740_993_u64, "deep": { "a": [1, "é", null] } }));
    let token = judge(&rules(), &claims.to_string()).unwrap();
    assert_eq!(Json::Object(token.claims().clone()), claims);
    assert_eq!(token.claim::<u64>("n"), Some(9_007_199_254_740_993));
}
