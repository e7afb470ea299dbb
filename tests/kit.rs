//! The kit for those who test an application: tokens, an issuer, asserts.

#![cfg(all(feature = "testing", any(feature = "aws-lc-rs", feature = "rust-crypto")))]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

use std::collections::HashSet;
use std::convert::Infallible;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::{Request, Response};
use serde_json::{Value, json};
use tower::{Layer, ServiceExt, service_fn};
use tower_bearer::clock::Clock;
use tower_bearer::error::{VerifyErrorKind, VerifyErrorKind as Kind};
use tower_bearer::testing::{Flaw, TestChallenge, TestClock, TestIssuer, TestToken, assert_rejected};
use tower_bearer::verifier::StaticTokens;
use tower_bearer::{AccessToken, Algorithm, AuthLayer, BearerToken, JwtVerifier, Rejection, TokenVerifier};

const AUDIENCE: &str = "https://api.example.com";
const HOUR: Duration = Duration::from_secs(3600);

type Answer = Response<String>;

fn presenting(token: Option<&str>) -> Request<()> {
    let mut request = Request::get("/");
    if let Some(token) = token {
        request = request.header("authorization", format!("Bearer {token}"));
    }
    request.body(()).unwrap()
}

/// What the layer makes of a request. The service answers with the subject.
async fn ask<V: TokenVerifier + 'static>(auth: &AuthLayer<V>, token: Option<&str>) -> Answer {
    let hello = service_fn(async |request: Request<()>| {
        let token = request.extensions().get::<AccessToken>();
        let subject = token.and_then(AccessToken::subject).unwrap_or("?").to_owned();
        Ok::<_, Infallible>(Response::new(subject))
    });
    let answer = auth.clone().layer(hello).oneshot(presenting(token)).await.unwrap();
    let (parts, body) = answer.into_parts();
    let bytes = http_body_util::BodyExt::collect(body).await.unwrap().to_bytes();
    Response::from_parts(parts, String::from_utf8(bytes.to_vec()).unwrap())
}

fn reason(answer: &Answer) -> VerifyErrorKind {
    answer.extensions().get::<Rejection>().unwrap().verify_error().unwrap().kind()
}

/// One part of a token, as JSON.
fn part(token: &str, number: usize) -> Value {
    let part = token.split('.').nth(number).unwrap();
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap()
}

fn header(token: TestToken) -> Value {
    part(&token.mint(), 0)
}

fn claims(token: TestToken) -> Value {
    part(&token.mint(), 1)
}

/// The message of a panic.
fn panic_of<T>(run: impl FnOnce() -> T) -> String {
    let Err(panic) = catch_unwind(AssertUnwindSafe(run)) else { panic!("it did not panic") };
    panic.downcast_ref::<String>().cloned().expect("a text with what was expected")
}

mod flaws {
    use super::*;

    /// What a verifier says of a flaw.
    fn expected(flaw: Flaw) -> VerifyErrorKind {
        match flaw {
            Flaw::AlgorithmConfusion => Kind::Algorithm,
            Flaw::CriticalHeader
            | Flaw::DuplicateMember
            | Flaw::EmptySignature
            | Flaw::NotAJwt
            | Flaw::Unsigned => Kind::Malformed,
            Flaw::EmbeddedKey
            | Flaw::ForeignKey
            | Flaw::TamperedPayload
            | Flaw::TamperedSignature
            | Flaw::Truncated => Kind::Signature,
            Flaw::Expired => Kind::Expired,
            Flaw::IdToken | Flaw::KeyBound | Flaw::MissingExpiry | Flaw::RefreshToken => Kind::Claim,
            Flaw::MissingAudience | Flaw::OtherAudience => Kind::Audience,
            Flaw::MissingIssuer | Flaw::OtherIssuer => Kind::Issuer,
            Flaw::NotYetValid => Kind::NotYetValid,
            Flaw::UnknownKeyId => Kind::KeyNotFound,
            _ => panic!("{flaw} has no expectation: give it one"),
        }
    }

    #[cfg(feature = "reqwest")]
    #[tokio::test]
    async fn a_default_verifier_serves_the_good_token_and_none_with_a_flaw() {
        let issuer = TestIssuer::start().await.unwrap();
        let auth = AuthLayer::new(JwtVerifier::builder(issuer.issuer(), AUDIENCE).build().unwrap());
        let description = issuer.token().audience(AUDIENCE).scope("read");
        let good = description.clone().mint();
        for flaw in Flaw::ALL.iter().copied() {
            let bad = description.clone().mint_with(flaw);
            assert_ne!(bad, good, "{flaw}");
            let answer = ask(&auth, Some(&bad)).await;
            assert_eq!(reason(&answer), expected(flaw), "{flaw}");
            assert_rejected(&answer).status(401).error("invalid_token");
            assert_eq!(ask(&auth, Some(&good)).await.status(), 200, "after {flaw}");
        }
    }

    #[tokio::test]
    async fn a_flaw_is_the_only_thing_wrong_whatever_signs_and_whatever_the_leeway() {
        let clock = TestClock::new();
        let issuer = TestIssuer::with_clock(clock.clone()).await.unwrap();
        issuer.rotate_keys();
        let leeway = Duration::from_secs(300);
        let builder = || JwtVerifier::builder(issuer.issuer(), AUDIENCE).clock(clock.clone()).leeway(leeway);
        let public = builder().jwk_set(issuer.jwk_set()).build().unwrap();
        let secret = builder().hmac_secret(issuer.hmac_secret()).build().unwrap();
        for algorithm in
            [Algorithm::EdDsa, Algorithm::Es256, Algorithm::Es384, Algorithm::Rs256, Algorithm::Hs256]
        {
            let verifier = if algorithm.is_symmetric() { &secret } else { &public };
            let auth = AuthLayer::builder(verifier.clone()).clock(clock.clone()).build().unwrap();
            let description = issuer.token().audience(AUDIENCE).algorithm(algorithm);
            assert_eq!(ask(&auth, Some(&description.clone().mint())).await.status(), 200, "{algorithm}");
            for flaw in Flaw::ALL.iter().copied() {
                let answer = ask(&auth, Some(&description.clone().mint_with(flaw))).await;
                match (algorithm.is_symmetric(), flaw) {
                    // One key without an id: there is nothing to compare.
                    (true, Flaw::UnknownKeyId) => assert_eq!(answer.status(), 200),
                    (true, Flaw::AlgorithmConfusion) => assert_eq!(reason(&answer), Kind::Signature),
                    _ => assert_eq!(reason(&answer), expected(flaw), "{algorithm} {flaw}"),
                }
            }
        }
    }

    #[tokio::test]
    async fn a_flaw_replaces_what_was_said_about_the_same() {
        let issuer = TestIssuer::start().await.unwrap();
        let verifier =
            JwtVerifier::builder(issuer.issuer(), AUDIENCE).jwk_set(issuer.jwk_set()).build().unwrap();
        let now = std::time::SystemTime::now();
        let described =
            issuer.token().audiences([AUDIENCE, "https://b"]).not_before(now).without_claim("sub");
        for flaw in Flaw::ALL.iter().copied() {
            let token =
                BearerToken::new(&described.clone().mint_with(flaw)).unwrap_or_else(|_| panic!("{flaw}"));
            let verdict = verifier.verify(&token).await;
            assert_eq!(verdict.unwrap_err().kind(), expected(flaw), "{flaw}");
        }
        assert!(verifier.verify(&BearerToken::new(&described.mint()).unwrap()).await.is_ok());
    }

    #[tokio::test]
    async fn an_attack_is_what_its_name_says() {
        let issuer = TestIssuer::start().await.unwrap();
        let minted = |flaw| issuer.token().audience(AUDIENCE).scope("read").mint_with(flaw);
        assert_eq!(part(&minted(Flaw::Unsigned), 0)["alg"], "none");
        assert!(minted(Flaw::Unsigned).ends_with('.') && minted(Flaw::EmptySignature).ends_with('.'));
        assert_eq!(part(&minted(Flaw::AlgorithmConfusion), 0)["alg"], "HS256");
        assert_eq!(part(&minted(Flaw::EmbeddedKey), 0)["jwk"]["kty"], "RSA");
        let own: Value = serde_json::from_str(&issuer.jwk_set()).unwrap();
        assert_ne!(part(&minted(Flaw::EmbeddedKey), 0)["jwk"]["n"], own["keys"][0]["n"]);
        let claims = minted(Flaw::DuplicateMember);
        let claims = URL_SAFE_NO_PAD.decode(claims.split('.').nth(1).unwrap()).unwrap();
        assert_eq!(String::from_utf8(claims).unwrap().matches("\"sub\":").count(), 2);
        assert_eq!(part(&minted(Flaw::IdToken), 1)["aud"], AUDIENCE);
        assert_eq!(part(&minted(Flaw::TamperedPayload), 1)["sub"], "not-alice");
        assert_eq!(minted(Flaw::NotAJwt).find('.'), None);
    }

    #[test]
    fn each_flaw_has_one_name() {
        let names: HashSet<_> = Flaw::ALL.iter().map(|flaw| flaw.name()).collect();
        assert_eq!(names.len(), Flaw::ALL.len());
        assert!(Flaw::ALL.len() >= 22);
        for flaw in Flaw::ALL {
            assert_eq!(flaw.to_string(), flaw.name());
            let words = format!("{flaw:?}").to_lowercase();
            assert_eq!(flaw.name().replace('_', ""), words);
        }
    }
}

mod tokens {
    use super::*;

    #[tokio::test]
    async fn every_setter_sets_its_member() {
        let clock = TestClock::new();
        let issuer = TestIssuer::with_clock(clock.clone()).await.unwrap();
        let (token, now) = (|| issuer.token(), clock.now());
        for (token, name, value) in [
            (token(), "exp", json!(1_767_225_900)),
            (token().issuer("https://odd"), "iss", json!("https://odd")),
            (token().client("app"), "client_id", json!("app")),
            (token().audience("a"), "aud", json!("a")),
            (token().audiences(["a"]), "aud", json!(["a"])),
            (token().audiences(["a".to_owned(), "b".to_owned()]), "aud", json!(["a", "b"])),
            (token().issued_at(now - HOUR), "iat", json!(1_767_222_000)),
            (token().not_before(now + HOUR), "nbf", json!(1_767_229_200)),
            (token().lifetime(HOUR), "exp", json!(1_767_229_200)),
            (token().lifetime(Duration::MAX), "exp", json!(u64::MAX)),
            (token().issued_at(now - HOUR).lifetime(HOUR), "exp", json!(1_767_229_200)),
        ] {
            assert_eq!(claims(token)[name], value, "{name}");
        }
        assert_eq!(header(token()), json!({ "alg": "RS256", "kid": "rsa-1", "typ": "at+jwt" }));
        assert_eq!(header(token().key_id("k"))["kid"], "k");
        assert_eq!(header(token().token_type("JWT"))["typ"], "JWT");
    }

    #[tokio::test]
    async fn an_id_token_is_one_for_its_client() {
        let issuer = TestIssuer::with_clock(TestClock::new()).await.unwrap();
        let token = issuer.token().audience(AUDIENCE).scope("read").client("app").id_token();
        assert_eq!(header(token.clone())["typ"], "JWT");
        let claims = claims(token);
        assert_eq!(claims["aud"], "app");
        assert_eq!(claims["sub"], "alice");
        assert_eq!(claims["auth_time"], 1_767_225_600);
        for (name, is_there) in
            [("nonce", true), ("at_hash", true), ("exp", true), ("scope", false), ("client_id", false)]
        {
            assert_eq!(claims.get(name).is_some(), is_there, "{name}");
        }
        let verifier = |audience| {
            let builder = JwtVerifier::builder(issuer.issuer(), audience).jwk_set(issuer.jwk_set());
            builder.clock(TestClock::new())
        };
        let token = BearerToken::new(&issuer.token().client("app").id_token().mint()).unwrap();
        let verdict = verifier("app").build().unwrap().verify(&token).await;
        assert_eq!(verdict.unwrap_err().kind(), Kind::Claim);
        let verdict = verifier("app").insecure_allow_id_tokens().build().unwrap().verify(&token).await;
        assert_eq!(verdict.unwrap().subject(), Some("alice"));
    }
}

#[cfg(feature = "reqwest")]
mod issuer {
    use bytes::Bytes;
    use tower_bearer::client::{HttpClient, Limits, ReqwestClient};
    use tower_bearer::testing::Fault;

    use super::*;

    const METADATA: &str = "/.well-known/oauth-authorization-server";

    /// None if there was no answer.
    async fn get(issuer: &TestIssuer, path: &str) -> Option<Response<Bytes>> {
        let request = Request::get(format!("{}{path}", issuer.issuer())).body(Bytes::new()).unwrap();
        ReqwestClient::new().unwrap().send(request, Limits::new(Duration::from_secs(10), 1 << 20)).await.ok()
    }

    async fn get_json(issuer: &TestIssuer, path: &str) -> Value {
        serde_json::from_slice(get(issuer, path).await.unwrap().body()).unwrap()
    }

    #[tokio::test]
    async fn it_fails_like_its_siblings() {
        let issuer = TestIssuer::start().await.unwrap();
        issuer.fail_times(Fault::Status(502), 1);
        assert_eq!(get(&issuer, "/jwks").await.unwrap().status(), 502);
        assert_eq!(get(&issuer, "/jwks").await.unwrap().status(), 200);
        issuer.fail(Fault::Garbage);
        issuer.fail_at("/jwks", Fault::Redirect("https://elsewhere".to_owned()));
        assert_eq!(get(&issuer, "/jwks").await.unwrap().status(), 302);
        assert!(get(&issuer, METADATA).await.unwrap().body().starts_with(b"<!DOCTYPE"));
        issuer.recover();
        issuer.latency(Duration::from_millis(1));
        assert_eq!(
            get_json(&issuer, "/jwks").await,
            serde_json::from_str::<Value>(&issuer.jwk_set()).unwrap()
        );
        issuer.stop();
        assert!(get(&issuer, "/jwks").await.is_none());
        issuer.restart();
        assert!(get(&issuer, "/jwks").await.is_some());
        assert_eq!(issuer.last_request().unwrap().uri().path(), "/jwks");
        assert_eq!((issuer.requests(), issuer.requests_to("/jwks"), issuer.requests_log().len()), (6, 5, 6));
    }

    #[tokio::test]
    async fn what_was_disturbed_was_asked_for() {
        let issuer = TestIssuer::start().await.unwrap();
        issuer.fail(Fault::Status(500));
        for path in ["/.well-known/openid-configuration", METADATA, "/.well-known/other", "/jwks", "/jwks/1"]
        {
            get(&issuer, path).await.unwrap();
        }
        assert_eq!((issuer.metadata_requests(), issuer.jwks_requests(), issuer.requests()), (2, 1, 5));
    }

    #[tokio::test]
    async fn its_documents_are_what_a_test_wants() {
        let issuer = TestIssuer::start().await.unwrap();
        let own = get_json(&issuer, METADATA).await;
        assert_eq!(own["issuer"], issuer.issuer());
        issuer.set_metadata("issuer", "https://odd.example");
        issuer.set_metadata("jwks_uri", json!(7));
        issuer.remove_metadata("token_endpoint");
        issuer.set_jwk_set(json!(["no", "object"]));
        let odd = get_json(&issuer, METADATA).await;
        assert_eq!((&odd["issuer"], &odd["jwks_uri"]), (&json!("https://odd.example"), &json!(7)));
        assert_eq!(odd.get("token_endpoint"), None);
        assert_eq!(get_json(&issuer, "/.well-known/openid-configuration").await, odd);
        assert_eq!(get_json(&issuer, "/jwks").await, json!(["no", "object"]));
        assert_eq!(issuer.jwk_set(), r#"["no","object"]"#);
        issuer.rotate_keys();
        assert_eq!(get_json(&issuer, "/jwks").await, json!(["no", "object"]));
        issuer.reset_documents();
        assert_eq!(get_json(&issuer, METADATA).await, own);
        assert_eq!(get_json(&issuer, "/jwks").await["keys"].as_array().unwrap().len(), 8);
    }

    #[tokio::test]
    async fn an_issuer_may_be_called_otherwise() {
        let issuer = TestIssuer::start().await.unwrap();
        let verifier = JwtVerifier::builder("https://idp.example.com/", AUDIENCE).jwks_uri(issuer.jwks_uri());
        let auth = AuthLayer::new(verifier.build().unwrap());
        let token = || issuer.token().audience(AUDIENCE);
        let named = token().issuer("https://idp.example.com/").mint();
        assert_eq!(ask(&auth, Some(&named)).await.status(), 200);
        assert_rejected(&ask(&auth, Some(&token().mint())).await).error("invalid_token");
    }

    #[tokio::test]
    async fn one_clock_moves_the_issuer_the_verifier_and_the_layer() {
        let clock = TestClock::new();
        let issuer = TestIssuer::with_clock(clock.clone()).await.unwrap();
        let verifier = JwtVerifier::builder(issuer.issuer(), AUDIENCE).clock(clock.clone()).build().unwrap();
        let auth = AuthLayer::builder(verifier).clock(clock.clone()).build().unwrap();
        let token = issuer.token().audience(AUDIENCE).mint();
        assert_eq!(ask(&auth, Some(&token)).await.status(), 200);
        clock.advance(HOUR);
        assert_rejected(&ask(&auth, Some(&token)).await).status(401).error("invalid_token");
        let token = issuer.token().audience(AUDIENCE).mint();
        assert_eq!(ask(&auth, Some(&token)).await.status(), 200);
    }

    #[tokio::test]
    async fn its_debug_is_short() {
        let issuer = TestIssuer::start().await.unwrap();
        let text = format!("TestIssuer {{ issuer: {:?}, .. }}", issuer.issuer());
        assert_eq!(format!("{issuer:?}"), text);
    }
}

mod without_a_provider {
    use super::*;

    fn tokens<const N: usize>(tokens: [(&str, AccessToken); N]) -> AuthLayer<StaticTokens> {
        AuthLayer::new(StaticTokens::for_tests(tokens))
    }

    #[tokio::test]
    async fn a_token_of_any_length_is_known_and_every_other_is_bad() {
        let alice = || AccessToken::for_tests("alice", "read");
        let auth =
            tokens([("a", alice()), ("alice-token", alice()), ("b", AccessToken::for_tests("bob", ""))]);
        for (token, subject) in [("a", "alice"), ("alice-token", "alice"), ("b", "bob")] {
            assert_eq!(ask(&auth, Some(token)).await.body(), subject);
        }
        for token in ["c", "alice-toke", "alice-tokens", "A", "e30.e30.AA"] {
            assert_rejected(&ask(&auth, Some(token)).await).status(401).error("invalid_token");
        }
        assert_rejected(&ask(&auth, None).await).status(401).without_error();
        let none = tokens([]);
        assert_rejected(&ask(&none, Some("a")).await).status(401).error("invalid_token");
    }

    #[tokio::test]
    async fn the_later_of_two_counts_and_what_nobody_can_present_does_no_harm() {
        let of = |subject| AccessToken::for_tests(subject, "");
        let auth = tokens([
            ("twice", of("first")),
            ("", of("nobody")),
            ("with space", of("nobody")),
            ("é", of("nobody")),
            ("twice", of("second")),
        ]);
        assert_eq!(ask(&auth, Some("twice")).await.body(), "second");
        assert_eq!(ask(&auth, Some("with space")).await.status(), 400);
        assert_eq!(ask(&auth, Some("é")).await.status(), 401);
        let long = "x".repeat(20_000);
        assert_eq!(ask(&tokens([(&long, of("nobody"))]), Some(&long)).await.status(), 400);
    }

    #[test]
    fn a_token_for_tests_says_what_one_of_a_provider_says() {
        let token = AccessToken::for_tests("alice", "read write");
        assert_eq!(token.subject(), Some("alice"));
        assert_eq!((token.issuer(), token.client()), (Some("https://issuer.test"), Some("test-client")));
        assert!(token.has_scopes(["read", "write"]) && !token.has_scopes(["admin"]));
        assert_eq!(
            Value::Object(token.claims().clone()),
            json!({
                "iss": "https://issuer.test",
                "sub": "alice",
                "client_id": "test-client",
                "scope": "read write",
            })
        );
        assert!(token.require_scopes(["admin"]).is_err());
        let none = AccessToken::for_tests("alice", "");
        assert!(none.scopes().is_empty() && none.claims().get("scope").is_none());
    }

    #[tokio::test]
    async fn a_token_for_tests_never_ends() {
        let verifier = StaticTokens::for_tests([("t", AccessToken::for_tests("alice", ""))]);
        let clock = TestClock::new();
        let auth = AuthLayer::builder(verifier).clock(clock.clone()).build().unwrap();
        for _ in 0..3 {
            assert_eq!(ask(&auth, Some("t")).await.status(), 200);
            clock.advance(HOUR * 24 * 365 * 100);
        }
    }

    #[cfg(feature = "axum")]
    #[tokio::test]
    async fn routes_without_a_layer_take_the_token_from_the_request() {
        use axum::Router;
        use axum::body::Body;
        use axum::routing::get;
        use tower_bearer::extract::{Claims, RequiredScopes, Scoped};

        struct Read;
        impl RequiredScopes for Read {
            const ALL: &'static [&'static str] = &["read"];
        }
        #[derive(serde::Deserialize)]
        struct Who {
            sub: String,
        }

        let app = Router::new()
            .route("/token", get(async |token: AccessToken| token.subject().unwrap_or("?").to_owned()))
            .route("/scoped", get(async |_: Scoped<Read>| ()))
            .route("/claims", get(async |Claims(who): Claims<Who>| who.sub));
        let ask = async |path: &str, token: AccessToken| {
            let request = Request::get(path).extension(token).body(Body::empty()).unwrap();
            app.clone().oneshot(request).await.unwrap()
        };
        for path in ["/token", "/scoped", "/claims"] {
            assert_eq!(ask(path, AccessToken::for_tests("alice", "read")).await.status(), 200, "{path}");
        }
        let answer = ask("/scoped", AccessToken::for_tests("alice", "write")).await;
        assert_rejected(&answer).status(403).error("insufficient_scope").scopes(["read"]);
    }
}

mod challenges {
    use proptest::prelude::*;
    use tower_bearer::ScopeSet;
    use tower_bearer::challenge::Challenge;

    use super::*;

    const BEARER: &str =
        r#"Bearer error="insufficient_scope", scope="write read", resource_metadata="https://h/m""#;

    fn rejected(status: u16, cache: &[&str], challenges: &[&str]) -> Response<Vec<u8>> {
        let response = Response::builder().status(status);
        let response = cache.iter().fold(response, |response, line| response.header("cache-control", *line));
        let lines = challenges.iter();
        let response = lines.fold(response, |response, line| response.header("www-authenticate", *line));
        response.body(Vec::new()).unwrap()
    }

    #[test]
    fn a_rejection_passes_in_every_form_that_the_standard_allows() {
        for (cache, challenges) in [
            (&["no-store"][..], &[BEARER][..]),
            (&["private, No-Store"], &[BEARER]),
            (&["private", "no-store"], &["Basic realm=\"a\"", BEARER]),
            (&["no-store"], &[&format!("Negotiate abc==, {BEARER}")]),
            (&["no-store"], &[&BEARER.replace("Bearer", "bearer").replace("error=", "ERROR=")]),
        ] {
            let rejected = assert_rejected(&rejected(403, cache, challenges))
                .status(403)
                .error("insufficient_scope")
                .scopes(["read", "write"])
                .scopes(["write", "read", "write"])
                .resource_metadata("https://h/m")
                .param("Resource_Metadata", "https://h/m");
            assert_eq!(rejected.challenge().scope(), Some("write read"));
            assert_eq!(rejected.challenge().error_description(), None);
        }
        let bare = rejected(401, &["no-store"], &[r#"Bearer realm="api""#]);
        assert_rejected(&bare).without_error().scopes([""; 0]).param("realm", "api");
    }

    #[test]
    fn what_is_no_rejection_fails_and_says_why() {
        let twice = format!("{BEARER}, {BEARER}");
        for (status, cache, challenges, message) in [
            (
                403,
                &["no-store"][..],
                &[][..],
                "expected a `Bearer` challenge in `WWW-Authenticate`, got none",
            ),
            (503, &["no-store"], &[], "the status is 503"),
            (401, &["no-store"], &["Basic realm=\"a\""], "expected a `Bearer` challenge"),
            (401, &["no-store"], &[BEARER, BEARER], "expected one `Bearer` challenge, got several"),
            (401, &["no-store"], &[&twice], "expected one `Bearer` challenge, got several"),
            (401, &["no-store"], &["Bearer"], "expected parameters in the challenge"),
            (401, &["no-store"], &["Bearer abc=="], "expected parameters in the challenge"),
            (401, &["no-store"], &["Bearer a=\"b\", A=\"c\""], "a parameter stands there twice"),
            (401, &["no-store"], &["Bearer a=\"b"], "a quoted string has no end"),
            (401, &["no-store"], &["Bearer a=\"é\""], "expected `WWW-Authenticate` in printable ASCII"),
            (200, &["no-store"], &[BEARER], "expected status 400, 401 or 403, got 200"),
            (503, &["no-store"], &[BEARER], "expected status 400, 401 or 403, got 503"),
            (401, &[], &[BEARER], "expected `Cache-Control: no-store`, got []"),
            (401, &["no-cache, private"], &[BEARER], "got [\"no-cache, private\"]"),
            (401, &["no-stored"], &[BEARER], "expected `Cache-Control: no-store`"),
        ] {
            let response = rejected(status, cache, challenges);
            let got = panic_of(|| assert_rejected(&response));
            assert!(got.contains(message), "{challenges:?}: {got}");
        }
    }

    #[test]
    fn an_assert_says_what_it_expected_and_what_came() {
        let response = rejected(403, &["no-store"], &[BEARER]);
        let rejected = || assert_rejected(&response);
        for (got, message) in [
            (panic_of(|| rejected().status(401)), "expected status 401, got 403: "),
            (
                panic_of(|| rejected().error("invalid_token")),
                r#"expected error Some("invalid_token"), got Some("insufficient_scope"): "#,
            ),
            (
                panic_of(|| rejected().without_error()),
                r#"expected error None, got Some("insufficient_scope"): "#,
            ),
            (panic_of(|| rejected().scopes(["read"])), r#"expected scope {"read"}, got {"write", "read"}: "#),
            (
                panic_of(|| rejected().scopes(["read", "write", "admin"])),
                r#"expected scope {"read", "write", "admin"}, got {"write", "read"}: "#,
            ),
            (
                panic_of(|| rejected().resource_metadata("https://h")),
                r#"expected resource_metadata Some("https://h"), got Some("https://h/m"): "#,
            ),
            (panic_of(|| rejected().param("realm", "api")), r#"expected realm Some("api"), got None: "#),
        ] {
            assert_eq!(got, format!("{message}{BEARER}"));
        }
    }

    #[test]
    fn a_challenge_alone_is_read_from_any_response() {
        let challenge = TestChallenge::of(&rejected(200, &[], &[BEARER]));
        assert_eq!(challenge.error(), Some("insufficient_scope"));
        assert!(challenge.scopes().contains_all(&ScopeSet::parse("read write")));
        assert_eq!(challenge.to_string(), BEARER);
        assert!(panic_of(|| TestChallenge::of(&rejected(401, &["no-store"], &[]))).contains("got none"));
    }

    proptest! {
        #[test]
        fn what_a_challenge_says_is_read_again(
            error in "\\PC{0,12}", scope in "[ -~]{0,20}", url in "[\\x00-\\xff]{0,20}", text in ".{0,20}",
        ) {
            let scopes = ScopeSet::parse(&scope);
            let value = Challenge::bearer()
                .error(&error)
                .scope(&scopes)
                .resource_metadata(&url)
                .error_description(&text)
                .to_header_value();
            let response = Response::builder().header("www-authenticate", value).body(()).unwrap();
            let challenge = TestChallenge::of(&response);
            // What could break out of the quotes is sent as a space; what is empty is not sent.
            let sent = |text: &str| -> Option<String> {
                let is_plain = |c: char| (' '..='~').contains(&c) && c != '"' && c != '\\';
                let text: String = text.chars().map(|c| if is_plain(c) { c } else { ' ' }).collect();
                Some(text).filter(|text| !text.is_empty())
            };
            prop_assert_eq!(challenge.error().map(str::to_owned), sent(&error));
            prop_assert_eq!(challenge.scopes(), scopes);
            prop_assert_eq!(challenge.resource_metadata().map(str::to_owned), sent(&url));
            prop_assert_eq!(challenge.error_description().map(str::to_owned), sent(&text.replace('=', " ")));
        }

        #[test]
        fn what_is_quoted_by_the_standard_is_read_again(values in proptest::collection::vec("[ -~\\t]{0,20}", 1..6)) {
            let quoted = |value: &String| value.replace('\\', "\\\\").replace('"', "\\\"");
            let parameters: Vec<_> =
                values.iter().enumerate().map(|(n, value)| format!("p{n}=\"{}\"", quoted(value))).collect();
            let line = format!("Bearer {}", parameters.join(", "));
            let response = Response::builder().header("www-authenticate", line).body(()).unwrap();
            let challenge = TestChallenge::of(&response);
            for (n, value) in values.iter().enumerate() {
                prop_assert_eq!(challenge.param(&format!("p{n}")), Some(value.as_str()));
            }
        }
    }
}
