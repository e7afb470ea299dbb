//! Tokens that the OpenID provider is asked about.

use std::time::{Duration, SystemTime};

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::routing::get;
use http::{Request, StatusCode};
use tower::ServiceExt;
use tower_bearer::jwks::RemoteJwks;
use tower_bearer::testing::TestClock;
use tower_bearer::verifier::IntrospectionVerifierBuilder;
use tower_bearer::{
    AccessToken, Algorithm, AuthLayer, BearerToken, CacheLayer, IntrospectionVerifier, JwtVerifier,
    TokenVerifier,
};

use crate::servers::{Provider, SERVICE, audience};
use crate::{Hurried, SCOPE, status};

/// The key of the resource server `rs-jwt`.
const KEY: &str = include_str!("../../src/testing/keys/p256_a.pem");
const MINUTE: Duration = Duration::from_secs(60);
const MILLISECOND: Duration = Duration::from_millis(1);

/// A service that tells the client and the subject of a token, with a dash for what the token does not name.
pub(crate) fn service(verifier: impl TokenVerifier + 'static) -> Router {
    let auth = AuthLayer::builder(verifier).required_scopes(["mcp:read"]).build().unwrap();
    let handler = async |token: AccessToken| {
        format!("{} {}", token.client().unwrap_or("-"), token.subject().unwrap_or("-"))
    };
    Router::new().route("/", get(handler)).layer(auth)
}

/// The status of an answer, and what `service` says to it.
pub(crate) async fn answer(service: &Router, token: &str) -> (StatusCode, String) {
    let request =
        Request::get("/").header("authorization", format!("Bearer {token}")).body(Body::empty()).unwrap();
    let (head, body) = service.clone().oneshot(request).await.unwrap().into_parts();
    let body = to_bytes(body, 1024).await.unwrap();
    (head.status, String::from_utf8(body.to_vec()).unwrap())
}

fn builder(provider: &Provider) -> IntrospectionVerifierBuilder {
    IntrospectionVerifier::builder(provider.issuer(), audience("opaque"))
}

fn basic(provider: &Provider) -> IntrospectionVerifierBuilder {
    builder(provider).client_secret_basic("rs-basic", Provider::SECRET)
}

/// A cache in which a token lives for a minute, unless the token ends before that.
fn cache(clock: &TestClock) -> CacheLayer {
    CacheLayer::builder()
        .time_to_live(MINUTE)
        .refresh_ahead(0)
        .jitter(0)
        .clock(Hurried(clock.clone()))
        .build()
        .unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn opaque_tokens_are_accepted_with_discovery_and_every_way_to_authenticate() {
    let provider = Provider::start(0);
    let token = provider.token("opaque", SCOPE).await;
    let unscoped = provider.token("opaque", "other").await;
    let ways = [
        ("basic", basic(&provider)),
        ("post", builder(&provider).client_secret_post("rs-post", Provider::SECRET)),
        ("jwt", builder(&provider).private_key_jwt("rs-jwt", Algorithm::Es256, KEY)),
        (
            "signed",
            builder(&provider)
                .client_secret_basic("rs-signed", Provider::SECRET)
                .signed_answers(RemoteJwks::discovered()),
        ),
    ];
    for (way, verifier) in ways {
        let service = service(verifier.build().unwrap());
        // Twice: the provider takes no assertion of ours a second time.
        for _ in 0..2 {
            let (status, about) = answer(&service, &token).await;
            assert_eq!((status.as_u16(), &*about), (200, "service -"), "{way}");
        }
        assert_eq!(status(&service, &unscoped).await, 403, "{way}");
        assert_eq!(status(&service, "unknown").await, 401, "{way}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_secret_of_ours_is_no_fault_of_the_token() {
    let provider = Provider::start(0);
    let token = provider.token("opaque", SCOPE).await;
    let ways = [
        ("basic", builder(&provider).client_secret_basic("rs-basic", "wrong")),
        ("post", builder(&provider).client_secret_post("rs-post", "wrong")),
        ("jwt", builder(&provider).private_key_jwt("rs-basic", Algorithm::Es256, KEY)),
        ("bearer", builder(&provider).bearer_token(token.as_str())),
    ];
    for (way, verifier) in ways {
        let service = service(verifier.build().unwrap());
        for token in [&*token, "unknown"] {
            assert_eq!(status(&service, token).await, 503, "{way}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_question_that_the_provider_does_not_answer_leaves_the_token_undecided() {
    let provider = Provider::start(0);
    let jwt = provider.token("rs256", SCOPE).await;
    let verifier = basic(&provider).add_audience(audience("rs256")).build().unwrap();
    assert_eq!(status(&service(verifier), &jwt).await, 503, "400: structured tokens cannot be introspected");
}

#[tokio::test(flavor = "multi_thread")]
async fn jwts_and_opaque_tokens_of_one_provider_are_accepted_side_by_side() {
    let provider = Provider::start(0);
    let jwts = JwtVerifier::builder(provider.issuer(), audience("es256")).build().unwrap();
    let opaque = basic(&provider).opaque_tokens_only().build().unwrap();
    let tokens = [
        (provider.token("es256", SCOPE).await, 200, "service service"),
        (provider.token("opaque", SCOPE).await, 200, "service -"),
        // Never shown to the endpoint, which would leave it undecided.
        (provider.token("rs256", SCOPE).await, 401, ""),
    ];
    for service in [service(jwts.clone().or(opaque.clone())), service(opaque.or(jwts))] {
        for (token, expected, about) in &tokens {
            let (status, body) = answer(&service, token).await;
            assert_eq!(status, *expected, "{token}");
            assert!(body.starts_with(about), "{token}: {body}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_for_another_audience_or_for_none_is_refused() {
    let provider = Provider::start(0);
    let opaque = provider.token("opaque", SCOPE).await;
    let none = provider.token("", SCOPE).await;

    let strict = service(basic(&provider).build().unwrap());
    assert_eq!(status(&strict, &opaque).await, 200);
    assert_eq!(status(&strict, &none).await, 401, "it names no audience");

    let other = IntrospectionVerifier::builder(provider.issuer(), audience("other"))
        .client_secret_basic("rs-basic", Provider::SECRET);
    let several = service(other.clone().add_audience(audience("opaque")).build().unwrap());
    let any = service(other.clone().insecure_allow_any_audience().build().unwrap());
    let other = service(other.build().unwrap());
    assert_eq!(status(&other, &opaque).await, 401);
    assert_eq!(status(&several, &opaque).await, 200);
    for token in [&opaque, &none] {
        assert_eq!(status(&any, token).await, 200);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_revoked_token_is_refused_once_it_is_invalidated_or_its_time_to_live_is_over() {
    let (provider, clock) = (Provider::start(0), TestClock::new());
    let cached = basic(&provider).build().unwrap().cached(cache(&clock));
    let handle = cached.handle();
    let service = service(cached);
    let first = provider.token("opaque", SCOPE).await;
    let second = provider.token("opaque", SCOPE).await;
    for token in [&first, &second] {
        assert_eq!(status(&service, token).await, 200);
        provider.revoke(SERVICE, token).await;
        assert_eq!(status(&service, token).await, 200, "it is remembered");
    }

    handle.invalidate(&BearerToken::new(&first).unwrap());
    assert_eq!(status(&service, &first).await, 401);
    clock.advance(MINUTE - MILLISECOND);
    assert_eq!(status(&service, &second).await, 200);
    clock.advance(MILLISECOND);
    assert_eq!(status(&service, &second).await, 401);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_is_refused_when_our_clock_says_that_it_has_expired() {
    let provider = Provider::start(0);
    let token = provider.token("opaque", SCOPE).await;
    // Stands still, and not before the token was made.
    let clock = TestClock::at(SystemTime::now());
    let verifier = basic(&provider).leeway(Duration::ZERO).clock(clock.clone()).build().unwrap();
    let service = service(verifier);
    assert_eq!(status(&service, &token).await, 200);
    clock.advance(6 * MINUTE);
    assert_eq!(status(&service, &token).await, 401);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_is_refused_when_it_expires_be_it_remembered_or_not() {
    let provider = Provider::start(0);
    let verifier = IntrospectionVerifier::builder(provider.issuer(), audience("brief"))
        .client_secret_basic("rs-basic", Provider::SECRET)
        .leeway(Duration::ZERO);
    let plain = service(verifier.clone().build().unwrap());
    let cached = service(verifier.build().unwrap().cached(CacheLayer::new()));
    // Discovery first, for which the token does not wait.
    for service in [&plain, &cached] {
        assert_eq!(status(service, "unknown").await, 401);
    }
    let token = provider.token("brief", SCOPE).await;
    for service in [&plain, &cached] {
        assert_eq!(status(service, &token).await, 200);
    }
    // The provider's clock is nobody's to move.
    tokio::time::sleep(Duration::from_secs(5)).await;
    for service in [&plain, &cached] {
        assert_eq!(status(service, &token).await, 401);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn killing_the_provider_loses_no_token_that_is_remembered() {
    let (provider, clock) = (Provider::start(0), TestClock::new());
    let known = provider.token("opaque", SCOPE).await;
    let unknown = provider.token("opaque", SCOPE).await;
    let service = service(basic(&provider).build().unwrap().cached(cache(&clock)));
    assert_eq!(status(&service, &known).await, 200);
    provider.kill();
    assert_eq!(status(&service, &unknown).await, 503);
    clock.advance(MINUTE - MILLISECOND);
    assert_eq!(status(&service, &known).await, 200);
    clock.advance(MILLISECOND);
    assert_eq!(status(&service, &known).await, 503, "no longer known, and not refused either");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rotation_of_keys_does_not_disturb_signed_answers() {
    let (provider, clock) = (Provider::start(0), TestClock::new());
    let verifier = builder(&provider)
        .client_secret_basic("rs-signed", Provider::SECRET)
        .signed_answers(RemoteJwks::discovered())
        .clock(Hurried(clock.clone()));
    let service = service(verifier.build().unwrap());
    let token = provider.token("opaque", SCOPE).await;
    assert_eq!(status(&service, &token).await, 200);
    for query in ["", "?drop=old"] {
        // Past the cool-down, so that an unknown key may be fetched.
        clock.advance(Duration::from_secs(31));
        provider.rotate(query).await;
        assert_eq!(status(&service, &token).await, 200, "{query}");
    }
}
