//! Tokens that django-oauth-toolkit is asked about, which speaks another dialect of RFC 7662.

use tower_bearer::IntrospectionVerifier;
use tower_bearer::verifier::IntrospectionVerifierBuilder;

use crate::introspection::{answer, service};
use crate::servers::{Django, SERVICE, audience};
use crate::status;

/// What it takes to accept the tokens, which mostly name nothing but their client.
fn lenient(django: &Django) -> IntrospectionVerifierBuilder {
    IntrospectionVerifier::builder(django.issuer(), audience("django"))
        .allow_missing_issuer()
        .insecure_allow_any_audience()
        .username_as_subject()
}

#[tokio::test(flavor = "multi_thread")]
async fn tokens_without_issuer_and_subject_are_accepted_in_every_way_to_authenticate() {
    let django = Django::start();
    let introspection = django.token(&[("scope", "introspection")]).await;
    let of_alice = django.token(&[("user", "alice")]).await;
    let of_nobody = django.token(&[]).await;
    let unscoped = django.token(&[("scope", "other")]).await;
    let endpoint = lenient(&django).endpoint(django.endpoint());
    let ways = [
        ("basic", lenient(&django).client_secret_basic(Django::CLIENT, Django::SECRET)),
        ("post", lenient(&django).client_secret_post(Django::CLIENT, Django::SECRET)),
        ("bearer", lenient(&django).bearer_token(introspection.as_str())),
        ("no discovery", endpoint.client_secret_basic(Django::CLIENT, Django::SECRET)),
    ];
    for (way, verifier) in ways {
        let service = service(verifier.build().unwrap());
        for (token, about) in [(&of_alice, "service alice"), (&of_nobody, "service -")] {
            let (status, body) = answer(&service, token).await;
            assert_eq!((status.as_u16(), &*body), (200, about), "{way}");
        }
        assert_eq!(status(&service, &unscoped).await, 403, "{way}");
        assert_eq!(status(&service, "unknown").await, 401, "{way}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_missing_issuer_and_an_audience_are_refused_unless_allowed() {
    let django = Django::start();
    let named = django.token(&[("resource", &audience("django")), ("resource", &audience("too"))]).await;
    let other = django.token(&[("resource", &audience("other"))]).await;
    let none = django.token(&[]).await;

    let strict = IntrospectionVerifier::builder(django.issuer(), audience("django"))
        .client_secret_basic(Django::CLIENT, Django::SECRET);
    let issuer_missing = service(strict.clone().allow_missing_issuer().build().unwrap());
    let strict = service(strict.build().unwrap());
    for (token, expected) in [(&named, 200), (&other, 401), (&none, 401)] {
        assert_eq!(status(&issuer_missing, token).await, expected);
        assert_eq!(status(&strict, token).await, 401);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn expired_and_revoked_tokens_are_refused() {
    let django = Django::start();
    let verifier = lenient(&django).client_secret_basic(Django::CLIENT, Django::SECRET);
    let service = service(verifier.build().unwrap());
    let expired = django.token(&[("seconds", "-1")]).await;
    assert_eq!(status(&service, &expired).await, 401);
    let token = django.token(&[]).await;
    assert_eq!(status(&service, &token).await, 200);
    django.revoke(SERVICE, &token).await;
    assert_eq!(status(&service, &token).await, 401);
}

#[tokio::test(flavor = "multi_thread")]
async fn credentials_of_ours_that_are_forbidden_are_no_fault_of_the_token() {
    let django = Django::start();
    let token = django.token(&[]).await;
    let ways = [
        ("basic", lenient(&django).client_secret_basic(Django::CLIENT, "wrong")),
        ("post", lenient(&django).client_secret_post(Django::CLIENT, "wrong")),
        // Good, but not for introspection.
        ("bearer", lenient(&django).bearer_token(token.as_str())),
    ];
    for (way, verifier) in ways {
        let service = service(verifier.build().unwrap());
        for token in [&*token, "unknown"] {
            assert_eq!(status(&service, token).await, 503, "{way}");
        }
    }
}
