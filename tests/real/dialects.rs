//! What the servers answer to a plain request: the facts on which the other tests build.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

use crate::SCOPE;
use crate::servers::{Credentials, Django, Provider, SERVICE, audience, json as body, media_type};

const JSON: &str = "application/json";
const SIGNED: &str = "application/token-introspection+jwt";
const BASIC: Credentials<'_> = Credentials::Basic("rs-basic", Provider::SECRET);

/// An answer without the dates, which have to be numbers.
fn undated(mut answer: Value) -> Value {
    let members = answer.as_object_mut().unwrap();
    for name in ["exp", "iat"] {
        assert!(members.remove(name).is_none_or(|date| date.is_u64()), "{name}");
    }
    answer
}

#[tokio::test(flavor = "multi_thread")]
async fn the_metadata_name_the_endpoint_but_django_has_none_of_openid() {
    let (provider, django) = (Provider::start(0), Django::start());
    let (openid, oauth) = ("openid-configuration", "oauth-authorization-server");
    for (answer, issuer, endpoint) in [
        (provider.metadata(openid).await, provider.issuer(), provider.endpoint()),
        (provider.metadata(oauth).await, provider.issuer(), provider.endpoint()),
        (django.metadata(oauth).await, django.issuer(), django.endpoint()),
    ] {
        assert_eq!((answer.status().as_u16(), media_type(&answer)), (200, JSON));
        assert_eq!(body(&answer)["issuer"], issuer);
        assert_eq!(body(&answer)["introspection_endpoint"], endpoint);
    }
    assert_eq!(django.metadata(openid).await.status(), 404);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_provider_names_the_audience_of_a_token_that_has_one() {
    let provider = Provider::start(0);
    let about = json!({
        "active": true,
        "client_id": "service",
        "iss": provider.issuer(),
        "scope": SCOPE,
        "token_type": "Bearer",
    });
    let mut with_audience = about.clone();
    with_audience["aud"] = json!(audience("opaque"));
    for (resource, about) in [("", about), ("opaque", with_audience)] {
        let token = provider.token(resource, SCOPE).await;
        let post = [("token", &*token), ("client_id", "rs-post"), ("client_secret", Provider::SECRET)];
        for (by, form) in [(BASIC, &post[..1]), (Credentials::None, &post), (SERVICE, &post[..1])] {
            let answer = provider.introspect(JSON, by, form).await;
            assert_eq!((answer.status().as_u16(), media_type(&answer)), (200, JSON), "{resource}");
            assert_eq!(undated(body(&answer)), about, "{resource}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_provider_signs_an_answer_only_if_that_is_all_that_is_accepted() {
    let provider = Provider::start(0);
    let token = provider.token("opaque", SCOPE).await;
    let by = Credentials::Basic("rs-signed", Provider::SECRET);

    let answer = provider.introspect(&format!("{JSON}, {SIGNED}"), by, &[("token", &token)]).await;
    assert_eq!(media_type(&answer), JSON);

    let answer = provider.introspect(SIGNED, by, &[("token", &token)]).await;
    assert_eq!((answer.status().as_u16(), media_type(&answer)), (200, SIGNED));
    let parts: Vec<Value> = str::from_utf8(answer.body())
        .unwrap()
        .split('.')
        .take(2)
        .map(|part| serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap())
        .collect();
    assert_eq!(parts[0], json!({ "alg": "ES256", "kid": "p256-1", "typ": "token-introspection+jwt" }));
    assert_eq!(parts[1]["iss"], provider.issuer());
    assert_eq!(parts[1]["aud"], "rs-signed");
    assert!(parts[1]["iat"].is_u64());
    assert!(parts[1].get("exp").is_none() && parts[1].get("sub").is_none());
    assert_eq!(parts[1]["token_introspection"]["aud"], audience("opaque"));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_provider_refuses_and_how() {
    let provider = Provider::start(0);
    let token = provider.token("opaque", SCOPE).await;
    let jwt = provider.token("rs256", SCOPE).await;
    let wrong = Credentials::Basic("rs-basic", "wrong");
    let nobody = Credentials::Basic("nobody", Provider::SECRET);
    let cases = [
        ("a JWT", BASIC, &*jwt, 400, "unsupported_token_type"),
        ("a wrong secret", wrong, &token, 401, "invalid_client"),
        ("an unknown client", nobody, &token, 401, "invalid_client"),
        ("no client", Credentials::None, &token, 400, "invalid_request"),
        ("a bearer token", Credentials::Bearer(&token), &token, 400, "invalid_request"),
    ];
    for (case, by, token, status, error) in cases {
        let answer = provider.introspect(JSON, by, &[("token", token)]).await;
        assert_eq!((answer.status().as_u16(), media_type(&answer)), (status, JSON), "{case}");
        assert_eq!(body(&answer)["error"], error, "{case}");
    }

    // Revoked for its owner only, and yet the other client is told that all is well.
    for (by, active) in [(BASIC, true), (SERVICE, false)] {
        provider.revoke(by, &token).await;
        let answer = provider.introspect(JSON, BASIC, &[("token", &token)]).await;
        assert_eq!(body(&answer)["active"], active);
    }

    // A client that may not ask is not told so either.
    let other = provider.token_of(BASIC, "opaque", SCOPE).await;
    let answer = provider.introspect(JSON, SERVICE, &[("token", &other)]).await;
    assert_eq!((answer.status().as_u16(), body(&answer)), (200, json!({ "active": false })));
}

#[tokio::test(flavor = "multi_thread")]
async fn django_names_no_issuer_and_no_subject_but_an_audience_and_a_user() {
    let django = Django::start();
    let basic = Credentials::Basic(Django::CLIENT, Django::SECRET);
    let bearer = django.token(&[("scope", "introspection")]).await;
    let all = django.token(&[("user", "alice"), ("resource", &audience("django"))]).await;
    let least = django.token(&[("owner", ""), ("scope", "")]).await;
    let about = json!({
        "active": true,
        "aud": [audience("django")],
        "client_id": "service",
        "scope": SCOPE,
        "username": "alice",
    });
    for (token, about) in [(&all, about), (&least, json!({ "active": true, "scope": "" }))] {
        let post = [("token", &**token), ("client_id", Django::CLIENT), ("client_secret", Django::SECRET)];
        let ways =
            [(basic, &post[..1]), (Credentials::None, &post), (Credentials::Bearer(&bearer), &post[..1])];
        for (by, form) in ways {
            let answer = django.introspect(by, form).await;
            assert_eq!((answer.status().as_u16(), media_type(&answer)), (200, JSON));
            assert_eq!(undated(body(&answer)), about);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_django_refuses_and_how() {
    let django = Django::start();
    let basic = Credentials::Basic(Django::CLIENT, Django::SECRET);
    let token = django.token(&[]).await;

    let wrong = [
        Credentials::Basic(Django::CLIENT, "wrong"),
        Credentials::Basic("nobody", Django::SECRET),
        Credentials::Bearer("unknown"),
        // Good, but not for introspection.
        Credentials::Bearer(&token),
        Credentials::None,
    ];
    for by in wrong {
        let answer = django.introspect(by, &[("token", &token)]).await;
        assert_eq!((answer.status().as_u16(), media_type(&answer)), (403, "text/html"));
        assert!(answer.body().is_empty());
    }

    let expired = django.token(&[("seconds", "-1")]).await;
    for inactive in ["unknown", "eyJhbGciOiJSUzI1NiJ9.e30.AA", &expired] {
        let answer = django.introspect(basic, &[("token", inactive)]).await;
        assert_eq!(answer.status(), 200);
        assert_eq!(body(&answer), json!({ "active": false }));
    }

    django.revoke(SERVICE, &token).await;
    assert_eq!(body(&django.introspect(basic, &[("token", &token)]).await), json!({ "active": false }));
}
