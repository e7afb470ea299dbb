use serde_json::{Value as Json, json};

use super::*;
use crate::error::VerifyErrorKind::Malformed;
use crate::verifier::issuers::TenantIssuer;

const NOW: u64 = 1_767_225_600;

fn rules() -> Rules {
    Rules {
        issuers: named("https://idp.example.com", &[]),
        audiences: vec!["https://api.example.com".into()],
        ..Rules::strict(Duration::ZERO)
    }
}

fn named(own: &str, aliases: &[&str]) -> Issuers {
    Issuers::Named { own: own.into(), aliases: aliases.iter().map(|alias| (*alias).into()).collect() }
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
    let all = vec!["jti".to_owned(), "tenant".to_owned()];
    let rules = Rules { required: RequiredClaims { all, ..RequiredClaims::default() }, ..rules() };
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

#[test]
fn an_alias_is_another_name_of_the_same_issuer() {
    let rules = Rules { issuers: named("https://idp.example.com", &["idp.example.com"]), ..rules() };
    let token = judge(&rules, &with(&json!({ "iss": "idp.example.com" })).to_string()).unwrap();
    assert_eq!(token.issuer(), Some("https://idp.example.com"));
    assert_eq!(token.claim::<String>("iss").as_deref(), Some("idp.example.com"));
    for other in ["idp.example.com/", "http://idp.example.com", "example.com", ""] {
        assert_eq!(kind(&rules, json!({ "iss": other })), Some(Issuer), "{other}");
    }
    assert!(rules.issuers.may_be(Some("idp.example.com")) && !rules.issuers.may_be(None));
}

#[test]
fn the_issuer_of_a_tenant_names_the_tenant_of_the_token() {
    let form = |before: &str, after: &str| TenantIssuer { before: before.into(), after: after.into() };
    let forms = vec![form("https://login.example.com/", "/v2.0"), form("https://old.example.com/", "/")];
    let rules = Rules { issuers: Issuers::OfTenants { claim: "tid".into(), forms }, ..rules() };
    for (issuer, tenant, expected) in [
        ("https://login.example.com/a/v2.0", json!("a"), Some("https://login.example.com/a/v2.0")),
        ("https://old.example.com/a/", json!("a"), Some("https://login.example.com/a/v2.0")),
        ("https://login.example.com/a/v2.0", json!("b"), None),
        ("https://login.example.com/a/v2.0", json!(null), None),
        ("https://login.example.com/a/v2.0", json!(["a"]), None),
        ("https://login.example.com//v2.0", json!(""), None),
        ("https://login.example.com/v2.0", json!(""), None),
        ("https://login.example.com/a/b/v2.0", json!("a/b"), None),
        ("https://login.example.com/a?/v2.0", json!("a?"), None),
        ("https://old.example.com/a/v2.0", json!("a"), None),
        ("https://evil.example.com/a/v2.0", json!("a"), None),
    ] {
        let claims = with(&json!({ "iss": issuer, "tid": tenant }));
        let named = judge(&rules, &claims.to_string());
        let named = named.as_ref().ok().and_then(|token| token.issuer());
        assert_eq!(named, expected, "{claims}");
    }
}

#[test]
fn the_client_stands_in_for_an_audience_that_is_not_named() {
    let own = Rules { audiences: vec!["app".into()], ..rules() };
    let rules = Rules { unnamed_audience: UnnamedAudience::Client, ..own.clone() };
    for (changes, good) in [
        (json!({ "aud": null, "client_id": "app" }), true),
        (json!({ "aud": null, "azp": "app" }), true),
        (json!({ "aud": "app", "client_id": "other" }), true),
        (json!({ "aud": null, "client_id": "other" }), false),
        (json!({ "aud": null, "client_id": "other", "azp": "app" }), false),
        (json!({ "aud": null, "client_id": ["app"] }), false),
        (json!({ "aud": null }), false),
        (json!({ "client_id": "app" }), false),
        (json!({ "aud": [], "client_id": "app" }), false),
    ] {
        assert_eq!(kind(&rules, changes.clone()).is_none(), good, "{changes}");
    }
    assert_eq!(kind(&own, json!({ "aud": null, "client_id": "app" })), Some(Audience));
    // An audience that is null is one that cannot be read.
    let null =
        with(&json!({ "client_id": "app" })).to_string().replace(r#""https://api.example.com""#, "null");
    assert_eq!(judge(&rules, &null).err(), Some(Audience));
}

#[test]
fn required_values_and_one_of_several_claims_are_there() {
    let texts = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>();
    let required = RequiredClaims {
        all: Vec::new(),
        one_of: vec![texts(&["azp", "appid"]), texts(&["scp", "roles"])],
        values: vec![("ver".to_owned(), texts(&["1.0", "2.0"]))],
        refused: Vec::new(),
    };
    let rules = Rules { required, ..rules() };
    for (changes, good) in [
        (json!({ "azp": "a", "scp": "b", "ver": "2.0" }), true),
        (json!({ "appid": "a", "roles": ["b"], "ver": ["x", "1.0"] }), true),
        (json!({ "azp": "a", "scp": "", "roles": [], "ver": "2.0" }), false),
        (json!({ "azp": "a", "scp": " ", "roles": {}, "ver": "2.0" }), false),
        (json!({ "azp": "a", "scp": null, "roles": false, "ver": "2.0" }), false),
        (json!({ "azp": "a", "scp": "b" }), false),
        (json!({ "azp": "a", "scp": "b", "ver": "3.0" }), false),
        (json!({ "azp": "a", "scp": "b", "ver": 2 }), false),
        (json!({ "azp": "a", "scp": "b", "ver": ["2.0", 2] }), true),
        (json!({ "azp": "a", "scp": "b", "ver": ["2.0", []] }), false),
        (json!({ "azp": "a", "scp": "b", "ver": { "2.0": "2.0" } }), false),
        (json!({ "azp": "a", "ver": "2.0" }), false),
        (json!({ "scp": "b", "roles": ["c"], "ver": "2.0" }), false),
    ] {
        let expected = if good { None } else { Some(Claim) };
        assert_eq!(kind(&rules, changes.clone()), expected, "{changes}");
    }
}

#[test]
fn a_claim_with_a_refused_value_is_refused_and_one_that_is_missing_is_not() {
    let values = ["DSR", "true", "1"].map(str::to_owned).to_vec();
    let required = RequiredClaims { refused: vec![("drn".to_owned(), values)], ..RequiredClaims::default() };
    let rules = Rules { required, ..rules() };
    for (changes, good) in [
        (json!({}), true),
        (json!({ "drn": "DS" }), true),
        (json!({ "drn": "dsr" }), true),
        (json!({ "drn": false }), true),
        (json!({ "drn": [] }), true),
        (json!({ "drn": ["a", 2] }), true),
        (json!({ "drn": "DSR" }), false),
        (json!({ "drn": true }), false),
        (json!({ "drn": "true" }), false),
        (json!({ "drn": 1 }), false),
        (json!({ "drn": ["a", "DSR"] }), false),
        (json!({ "drn": ["a", []] }), false),
        (json!({ "drn": {} }), false),
    ] {
        let expected = if good { None } else { Some(Claim) };
        assert_eq!(kind(&rules, changes.clone()), expected, "{changes}");
    }
}

#[test]
fn scopes_are_collected_from_further_places() {
    let scope_places =
        ["/permissions", "/realm_access/roles"].map(|place| Pointer::parse(place).unwrap()).into();
    let rules = Rules { scope_places, ..rules() };
    for (changes, expected) in [
        (json!({ "scope": "a b" }), Some("a b")),
        (json!({ "scope": "a b", "permissions": ["b", "c", "no scope"] }), Some("a b c")),
        (json!({ "scp": ["a"], "permissions": "b c" }), Some("a b c")),
        (json!({ "realm_access": { "roles": ["admin"] } }), Some("admin")),
        (json!({ "permissions": [], "realm_access": {} }), Some("")),
        (json!({ "permissions": ["a", 1] }), None),
        (json!({ "permissions": { "a": true } }), None),
        (json!({ "realm_access": { "roles": 1 } }), None),
    ] {
        let token = judge(&rules, &with(&changes).to_string());
        assert_eq!(token.as_ref().ok().map(|token| token.scopes().as_str()), expected, "{changes}");
    }
}

#[test]
fn a_further_claim_names_the_client_where_the_usual_ones_do_not() {
    let rules = Rules { client_claims: vec!["cid".to_owned()], ..rules() };
    for (changes, expected) in [
        (json!({ "cid": "a" }), Some("a")),
        (json!({ "cid": "a", "azp": "b" }), Some("b")),
        (json!({}), None),
    ] {
        let token = judge(&rules, &with(&changes).to_string()).unwrap();
        assert_eq!(token.client(), expected, "{changes}");
    }
    assert_eq!(kind(&rules, json!({ "cid": 7, "azp": "b" })), Some(Claim));
}
