//! What a page in a browser gets to see, with a CORS layer outside or inside.
#![cfg(feature = "sessions")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod common;

use std::collections::BTreeSet;
use std::time::Duration;

use common::{Answer, Counting, Handler, Untouchable};
use http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{HeaderName, HeaderValue, Method, Request, Response};
use http_body_util::Full;
use tower::{Layer, ServiceBuilder, ServiceExt, service_fn};
use tower_bearer::error::VerifyErrorKind;
use tower_bearer::{AccessToken, AuthLayer, HostGuard, ScopeSet, SessionBinding, VerifyError};
use tower_http::cors::{AllowHeaders, AllowOrigin, CorsLayer};

const APP: &str = "https://app.example.com";
const SESSION: HeaderName = HeaderName::from_static("mcp-session-id");
const ALLOWED: [&str; 8] = [
    "authorization",
    "content-type",
    "accept",
    "mcp-protocol-version",
    "mcp-method",
    "mcp-name",
    "mcp-session-id",
    "last-event-id",
];

/// As the guide has it.
fn cors() -> CorsLayer {
    let name = HeaderName::from_static;
    CorsLayer::new()
        .allow_origin(AllowOrigin::list([HeaderValue::from_static(APP)]))
        .allow_methods([Method::POST, Method::GET, Method::DELETE, Method::OPTIONS])
        .allow_headers([
            AUTHORIZATION,
            CONTENT_TYPE,
            ACCEPT,
            name("mcp-protocol-version"),
            name("mcp-method"),
            name("mcp-name"),
            SESSION,
            name("last-event-id"),
        ])
        .expose_headers([WWW_AUTHENTICATE, SESSION, RETRY_AFTER])
        .max_age(Duration::from_secs(600))
}

fn verifier() -> Counting {
    Counting::new(|token| match token {
        "good" => Ok(AccessToken::verified().subject("alice").scopes(ScopeSet::parse("read")).build()),
        "narrow" => Ok(AccessToken::verified().subject("alice").build()),
        "down" => Err(VerifyError::unavailable("down")),
        _ => Err(VerifyErrorKind::Inactive.into()),
    })
}

fn auth(verifier: &Counting) -> AuthLayer<Counting> {
    AuthLayer::builder(verifier.clone()).required_scopes(["read"]).build().unwrap()
}

fn request(method: Method, fields: &[(&'static str, &'static str)]) -> Request<Untouchable> {
    let mut request = Request::new(Untouchable);
    *request.method_mut() = method;
    for (name, value) in fields {
        request.headers_mut().append(*name, HeaderValue::from_static(value));
    }
    request
}

fn preflight() -> Request<Untouchable> {
    request(
        Method::OPTIONS,
        &[
            ("host", "mcp.example.com"),
            ("origin", APP),
            ("access-control-request-method", "POST"),
            ("access-control-request-headers", "authorization,content-type,mcp-protocol-version"),
        ],
    )
}

/// A list of names, in any order and case.
fn names(list: &str) -> BTreeSet<String> {
    list.split(',').map(|name| name.trim().to_ascii_lowercase()).filter(|name| !name.is_empty()).collect()
}

fn set(names: &[&str]) -> BTreeSet<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

/// The answer to the preflight of a page that is listed. The status is 200 and not 204: browsers take either
/// (Fetch, CORS-preflight fetch, step 7).
fn assert_preflight(answer: &Answer) {
    assert_eq!((answer.status.as_u16(), answer.body.as_str()), (200, ""));
    assert_eq!(answer.field("access-control-allow-origin"), APP);
    assert_eq!(
        names(answer.field("access-control-allow-methods")),
        set(&["post", "get", "delete", "options"])
    );
    assert_eq!(names(answer.field("access-control-allow-headers")), set(&ALLOWED));
    assert_eq!(answer.field("access-control-max-age"), "600");
    assert_eq!(answer.field("access-control-allow-credentials"), "");
    // Origins are compared; methods and fields are the same for all.
    assert_eq!(names(answer.field("vary")), set(&["origin"]));
    assert_eq!(answer.field("www-authenticate"), "");
}

/// What lets a page read an answer that is no preflight.
fn assert_readable(answer: &Answer) {
    assert_eq!(answer.field("access-control-allow-origin"), APP, "{answer:?}");
    assert_eq!(
        names(answer.field("access-control-expose-headers")),
        set(&["www-authenticate", "mcp-session-id", "retry-after"])
    );
    assert!(names(answer.field("vary")).contains("origin"));
}

#[tokio::test]
async fn a_preflight_is_answered_by_the_cors_layer_on_whichever_side_it_is() {
    for is_outside in [true, false] {
        let (verifier, handler) = (verifier(), Handler::default());
        let layers = ServiceBuilder::new();
        let response = if is_outside {
            let service = layers.layer(cors()).layer(auth(&verifier)).service(handler.clone());
            Answer::read(service.oneshot(preflight()).await.unwrap()).await
        } else {
            let service = layers.layer(auth(&verifier)).layer(cors()).service(handler.clone());
            Answer::read(service.oneshot(preflight()).await.unwrap()).await
        };
        assert_preflight(&response);
        assert_eq!((verifier.calls(), handler.calls()), (0, 0), "outside: {is_outside}");
    }
}

#[tokio::test]
async fn a_preflight_passes_through_all_layers_at_once() {
    let (verifier, handler) = (verifier(), Handler::default());
    let guard = HostGuard::builder().hosts(["mcp.example.com"]).origins([APP]).build().unwrap();
    let service = ServiceBuilder::new()
        .layer(guard)
        .layer(auth(&verifier))
        .layer(SessionBinding::new())
        .layer(cors())
        .service(handler.clone());
    assert_preflight(&Answer::read(service.oneshot(preflight()).await.unwrap()).await);
    assert_eq!((verifier.calls(), handler.calls()), (0, 0));
}

#[tokio::test]
async fn a_page_that_is_not_listed_gets_no_cors_header_and_with_a_guard_no_answer() {
    let stranger = || {
        let mut preflight = preflight();
        preflight.headers_mut().insert("origin", HeaderValue::from_static("https://evil.example"));
        preflight
    };
    let (verifier, handler) = (verifier(), Handler::default());
    let inner = ServiceBuilder::new().layer(cors()).layer(auth(&verifier)).service(handler.clone());
    let answer = Answer::read(inner.clone().oneshot(stranger()).await.unwrap()).await;
    assert_eq!(answer.field("access-control-allow-origin"), "");

    let guard = HostGuard::builder().hosts(["mcp.example.com"]).origins([APP]).build().unwrap();
    let guarded = guard.layer(inner);
    let answer = Answer::read(guarded.clone().oneshot(stranger()).await.unwrap()).await;
    assert_eq!((answer.status.as_u16(), answer.body.as_str()), (403, r#"{"error":"forbidden"}"#));
    assert!(answer.headers.keys().all(|name| !name.as_str().starts_with("access-control")));
    assert_preflight(&Answer::read(guarded.oneshot(preflight()).await.unwrap()).await);
    assert_eq!((verifier.calls(), handler.calls()), (0, 0));
}

#[tokio::test]
async fn a_page_can_read_every_rejection_and_its_challenge_if_the_cors_layer_is_outside() {
    for (credential, status, has_challenge) in [
        ("", 401, true),
        ("Bearer bad", 401, true),
        ("Bearer", 400, true),
        ("Bearer narrow", 403, true),
        ("Bearer down", 503, false),
        ("Bearer good", 200, false),
    ] {
        let service =
            ServiceBuilder::new().layer(cors()).layer(auth(&verifier())).service(Handler::default());
        let fields = [("origin", APP), ("authorization", credential)];
        let fields = if credential.is_empty() { &fields[..1] } else { &fields };
        let answer = Answer::read(service.oneshot(request(Method::POST, fields)).await.unwrap()).await;
        assert_eq!(answer.status, status, "{credential}");
        assert_readable(&answer);
        assert_eq!(!answer.field("www-authenticate").is_empty(), has_challenge, "{credential}");
        assert_eq!(!answer.field("retry-after").is_empty(), status == 503, "{credential}");
    }
}

#[tokio::test]
async fn a_page_cannot_read_a_rejection_if_the_cors_layer_is_inside() {
    let service = ServiceBuilder::new().layer(auth(&verifier())).layer(cors()).service(Handler::default());
    let answer =
        Answer::read(service.oneshot(request(Method::POST, &[("origin", APP)])).await.unwrap()).await;
    assert_eq!((answer.status.as_u16(), answer.field("access-control-allow-origin")), (401, ""));
}

#[tokio::test]
async fn a_page_can_read_its_session_id_and_that_a_session_is_gone() {
    let server = service_fn(async |_: Request<Untouchable>| {
        Response::builder().header(SESSION, "id-1").body(Full::<bytes::Bytes>::default())
    });
    let service = ServiceBuilder::new()
        .layer(cors())
        .layer(auth(&verifier()))
        .layer(SessionBinding::new())
        .service(server);
    let fields = [("origin", APP), ("authorization", "Bearer good"), ("mcp-session-id", "id-1")];
    for (fields, status) in [(&fields[..2], 200), (&fields[..], 404)] {
        let response = service.clone().oneshot(request(Method::POST, fields)).await.unwrap();
        let answer = Answer::read(response).await;
        assert_eq!(answer.status, status);
        assert_readable(&answer);
        assert_eq!(answer.field("mcp-session-id").starts_with("id-1."), status == 200);
    }
}

#[tokio::test]
async fn other_options_need_a_token() {
    let origin = ("origin", APP);
    let method = ("access-control-request-method", "POST");
    for fields in [&[][..], &[origin], &[method], &[("access-control-request-headers", "authorization")]] {
        // Without a CORS layer, and with one inside.
        for has_cors in [false, true] {
            let (verifier, handler) = (verifier(), Handler::default());
            let request = request(Method::OPTIONS, fields);
            let response = if has_cors {
                let inner = cors().layer(handler.clone());
                auth(&verifier).layer(inner).oneshot(request).await.unwrap().status()
            } else {
                auth(&verifier).layer(handler.clone()).oneshot(request).await.unwrap().status()
            };
            assert_eq!((response.as_u16(), handler.calls()), (401, 0), "{fields:?}");
        }
        // Outside, tower-http answers them itself, and nobody else hears of them.
        let (verifier, handler) = (verifier(), Handler::default());
        let service = ServiceBuilder::new().layer(cors()).layer(auth(&verifier)).service(handler.clone());
        let request = request(Method::OPTIONS, fields);
        let answer = Answer::read(service.oneshot(request).await.unwrap()).await;
        assert_eq!((answer.status.as_u16(), answer.body.as_str()), (200, ""));
        assert_eq!((verifier.calls(), handler.calls()), (0, 0));
    }
}

#[tokio::test]
async fn mirrored_names_allow_those_that_tools_make() {
    let service = ServiceBuilder::new()
        .layer(cors().allow_headers(AllowHeaders::mirror_request()))
        .layer(auth(&verifier()))
        .service(Handler::default());
    let mut preflight = preflight();
    let wanted = HeaderValue::from_static("authorization,mcp-param-region,mcp-param-account-id");
    preflight.headers_mut().insert("access-control-request-headers", wanted);
    let answer = Answer::read(service.oneshot(preflight).await.unwrap()).await;
    let allowed = names(answer.field("access-control-allow-headers"));
    assert_eq!(allowed, set(&["authorization", "mcp-param-region", "mcp-param-account-id"]));
    assert_eq!(names(answer.field("vary")), set(&["origin", "access-control-request-headers"]));
}

#[tokio::test]
#[should_panic(expected = "Invalid CORS configuration")]
async fn credentials_and_any_origin_are_not_served_together() {
    let layer = cors().allow_origin(AllowOrigin::any()).allow_credentials(true);
    let service = layer.layer(auth(&verifier()).layer(Handler::default()));
    drop(service.oneshot(preflight()).await);
}
