//! What handlers of axum receive as arguments, and what is answered when there is nothing to receive.

#![cfg(feature = "axum")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod common;

use axum::Router;
use axum::body::Body;
use axum::routing::any;
use common::{Answer, Counting, Logs, parse_challenge};
use http::{Method, Request};
use tower::ServiceExt;
use tower_bearer::error::{RejectionKind, VerifyErrorKind};
use tower_bearer::extract::Claims;
use tower_bearer::middleware::AuthLayerBuilder;
use tower_bearer::{AccessToken, AuthLayer};
use tracing::Level;

const F1: &str = r#"Bearer scope="files:read", resource_metadata="https://mcp.example.com/.well-known/oauth-protected-resource/mcp""#;

#[derive(serde::Deserialize)]
struct Tenant {
    tenant: String,
    seats: u32,
}

fn routes() -> Router {
    Router::new()
        .route("/required", any(async |token: AccessToken| token.subject().unwrap_or("?").to_owned()))
        .route(
            "/optional",
            any(async |token: Option<AccessToken>| match token {
                Some(token) => token.subject().unwrap_or("?").to_owned(),
                None => "nobody".to_owned(),
            }),
        )
        .route(
            "/claims",
            any(async |Claims(claims): Claims<Tenant>| format!("{} {}", claims.tenant, claims.seats)),
        )
}

fn layer(
    configure: impl FnOnce(AuthLayerBuilder<Counting>) -> AuthLayerBuilder<Counting>,
) -> AuthLayer<Counting> {
    let verifier = Counting::new(|token| {
        let verified = AccessToken::verified().subject("alice").scopes(["files:read"].into_iter().collect());
        match token {
            "good" => Ok(verified.claim("tenant", "acme").claim("seats", 7).build()),
            "other" => Ok(verified.claim("tenant", "S3cr3t-canary").claim("seats", "S3cr3t-canary").build()),
            "plain" => Ok(verified.build()),
            _ => Err(VerifyErrorKind::Inactive.into()),
        }
    });
    let builder = AuthLayer::builder(verifier).resource("https://mcp.example.com/mcp");
    configure(builder.required_scopes(["files:read"])).build().unwrap()
}

fn get(path: &str, token: Option<&str>) -> Request<Body> {
    let request = Request::get(path);
    let request =
        token.into_iter().fold(request, |r, token| r.header("authorization", format!("Bearer {token}")));
    request.body(Body::empty()).unwrap()
}

async fn send(app: Router, request: Request<Body>) -> Answer {
    Answer::read(app.oneshot(request).await.unwrap()).await
}

fn assert_missing_token(answer: &Answer) {
    assert_eq!((answer.status.as_u16(), answer.field("www-authenticate"), &*answer.body), (401, F1, ""));
    assert_eq!(answer.field("cache-control"), "no-store");
    assert_eq!(answer.kind(), Some(RejectionKind::MissingToken));
}

#[tokio::test]
async fn with_a_token_every_argument_is_there() {
    for app in [routes().layer(layer(|b| b)), routes().layer(layer(AuthLayerBuilder::optional))] {
        for (path, body) in [("/required", "alice"), ("/optional", "alice"), ("/claims", "acme 7")] {
            let answer = send(app.clone(), get(path, Some("good"))).await;
            assert_eq!((answer.status.as_u16(), &*answer.body), (200, body), "{path}");
        }
    }
}

#[tokio::test]
async fn without_a_token_a_required_argument_is_answered_with_the_challenge_of_the_layer() {
    let app = routes().layer(layer(AuthLayerBuilder::optional));
    assert_missing_token(&send(app.clone(), get("/required", None)).await);
    assert_missing_token(&send(app.clone(), get("/claims", None)).await);
    assert_eq!(send(app.clone(), get("/optional", None)).await.body, "nobody");
    for path in ["/required", "/optional", "/claims"] {
        assert_eq!(send(app.clone(), get(path, Some("bad"))).await.status, 401);
    }
}

#[tokio::test]
async fn a_preflight_carries_no_token_into_a_handler() {
    let app = routes().layer(layer(|builder| builder));
    let preflight = |path| {
        let mut request = get(path, None);
        *request.method_mut() = Method::OPTIONS;
        let headers = request.headers_mut();
        headers.insert("origin", "https://app.example".parse().unwrap());
        headers.insert("access-control-request-method", "POST".parse().unwrap());
        request
    };
    assert_missing_token(&send(app.clone(), preflight("/required")).await);
    assert_missing_token(&send(app.clone(), preflight("/claims")).await);
    assert_eq!(send(app, preflight("/optional")).await.body, "nobody");
}

#[tokio::test]
async fn without_a_layer_there_is_no_token_and_the_log_names_what_is_missing() {
    let (logs, _guard) = Logs::capture();
    for path in ["/required", "/optional", "/claims"] {
        for token in [None, Some("good")] {
            let answer = send(routes(), get(path, token)).await;
            assert_eq!(
                (answer.status.as_u16(), &*answer.body),
                (500, r#"{"error":"server_error"}"#),
                "{path}"
            );
            assert_eq!((answer.field("www-authenticate"), answer.field("cache-control")), ("", "no-store"));
        }
    }
    // Anybody can call such a route: it is said once a minute, and not for each request.
    assert_eq!(logs.count(Level::ERROR), 1);
    assert!(logs.own().first().unwrap().field("message").contains("AuthLayer"), "{}", logs.text());
}

#[tokio::test]
async fn claims_that_do_not_fit_are_forbidden_and_no_scope_would_help() {
    let app = routes().layer(layer(|builder| builder));
    for token in ["other", "plain"] {
        let (logs, _guard) = Logs::capture();
        let answer = send(app.clone(), get("/claims", Some(token))).await;
        assert_eq!(answer.status, 403);
        assert_eq!(answer.kind(), Some(RejectionKind::InsufficientClaims));
        assert_eq!(answer.field("cache-control"), "no-store");
        let (scheme, parameters) = parse_challenge(answer.field("www-authenticate")).unwrap();
        assert_eq!(scheme, "Bearer");
        assert!(parameters.iter().all(|(name, _)| name != "error" && name != "scope"), "{parameters:?}");
        let own = logs.own();
        assert!(own.iter().any(|line| line.field("reason") == "insufficient_claims"), "{}", logs.text());
        assert!(own.iter().all(|line| line.level >= Level::DEBUG));
        assert!(!format!("{}{answer:?}", logs.text()).contains("canary"), "a claim is not quoted");
    }
}

#[tokio::test]
async fn a_token_that_somebody_else_put_there_is_not_believed() {
    let app = routes().layer(layer(AuthLayerBuilder::optional));
    let mut request = get("/optional", None);
    request.extensions_mut().insert(AccessToken::verified().subject("mallory").build());
    assert_eq!(send(app, request).await.body, "nobody");
}

#[tokio::test]
async fn of_two_layers_the_inner_one_decides_what_a_handler_gets() {
    let app = routes().layer(layer(AuthLayerBuilder::optional)).layer(layer(|builder| builder));
    assert_eq!(send(app.clone(), get("/optional", Some("good"))).await.body, "alice");
    assert_missing_token(&send(app, get("/optional", None)).await);
    // A token that the outer layer removed from the header is none for the inner one.
    let stripped = layer(AuthLayerBuilder::strip_authorization);
    let app = routes().layer(layer(AuthLayerBuilder::optional)).layer(stripped);
    assert_eq!(send(app, get("/optional", Some("good"))).await.body, "nobody");
}
