//! What single routes and handlers demand of a token that a layer has let in, and what is answered in vain.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]
#![allow(clippy::indexing_slicing, reason = "a test fails by panicking")]

mod common;

use std::collections::BTreeSet;
use std::convert::Infallible;
use std::future::Future;
use std::time::{Duration, SystemTime};

use axum::Router;
use axum::body::Body;
use axum::response::{IntoResponse, Redirect};
use axum::routing::{self, get};
use common::{Answer, Counting, Handler, Logs, ManualClock, Untouchable, block_on, parse_challenge};
use http::request::Parts;
use http::{HeaderValue, Method, Request, Response, StatusCode};
use proptest::prelude::*;
use serde_json::{Value, json};
use tower::{Layer, Service, ServiceBuilder, ServiceExt};
use tower_bearer::error::{BuildErrorKind, RejectionKind, VerifyErrorKind};
use tower_bearer::middleware::{AuthLayerBuilder, RejectionBody};
use tower_bearer::require::{Require, RequireAuthentication};
use tower_bearer::scope::ScopeHierarchy;
use tower_bearer::{
    AccessToken, AuthLayer, BuildError, CacheLayer, RequireClaims, RequireScopes, ScopeSet, TokenVerifier,
};
use tower_test::mock;
use tracing::Level;

const RESOURCE: &str = "https://mcp.example.com/mcp";
const METADATA: &str = "https://mcp.example.com/.well-known/oauth-protected-resource/mcp";
const LACKING: &str = r#"{"error":"insufficient_scope","error_description":"Additional scope is required"}"#;
const F6: &str = r#"Bearer error="insufficient_user_authentication", scope="files:write", resource_metadata="https://mcp.example.com/.well-known/oauth-protected-resource/mcp", acr_values="urn:example:mfa", max_age="300", error_description="A stronger authentication is required""#;

/// A layer that takes any token for one of alice, with these scopes.
fn auth(scopes: &str) -> AuthLayer<Counting> {
    layer(scopes, |auth| auth.required_scopes(["files:read"]))
}

fn layer(
    scopes: &str,
    configure: impl FnOnce(AuthLayerBuilder<Counting>) -> AuthLayerBuilder<Counting>,
) -> AuthLayer<Counting> {
    configure(AuthLayer::builder(knows_good(scopes)).resource(RESOURCE)).build().unwrap()
}

fn knows_good(scopes: &str) -> Counting {
    let scopes = ScopeSet::parse(scopes);
    Counting::new(move |token| match token {
        "good" => Ok(AccessToken::verified().subject("alice").scopes(scopes.clone()).build()),
        _ => Err(VerifyErrorKind::Inactive.into()),
    })
}

/// A layer around tokens that say this of themselves.
fn saying(claims: &Value) -> AuthLayer<Counting> {
    let claims = claims.as_object().unwrap().clone();
    let verifier = Counting::new(move |_| {
        let token = AccessToken::verified().subject("alice").scopes(ScopeSet::parse("files:write"));
        Ok(claims.iter().fold(token, |token, (name, value)| token.claim(name, value.clone())).build())
    });
    AuthLayer::builder(verifier).resource(RESOURCE).required_scopes(["files:write"]).build().unwrap()
}

fn bare() -> Request<Untouchable> {
    Request::new(Untouchable)
}

fn good() -> Request<Untouchable> {
    let mut request = bare();
    request.headers_mut().insert("authorization", HeaderValue::from_static("Bearer good"));
    request
}

fn preflight() -> Request<Untouchable> {
    Request::options("/")
        .header("origin", "https://app.example.com")
        .header("access-control-request-method", "POST")
        .body(Untouchable)
        .unwrap()
}

async fn send<S, B>(service: S, request: Request<Untouchable>) -> Answer
where
    S: Service<Request<Untouchable>, Response = Response<B>, Error = Infallible>,
    B: http_body::Body,
    B::Error: std::fmt::Debug,
{
    Answer::read(service.oneshot(request).await.unwrap()).await
}

/// The answer of a route that demands something, and how often its handler was called.
async fn answer<V: TokenVerifier + 'static>(
    auth: &AuthLayer<V>,
    route: &impl Layer<Handler, Service = Require<Handler>>,
    request: Request<Untouchable>,
) -> (Answer, usize) {
    let handler = Handler::default();
    let answer = send(auth.layer(route.layer(handler.clone())), request).await;
    (answer, handler.calls())
}

fn challenge_of(scopes: &str) -> String {
    format!(
        "Bearer error=\"insufficient_scope\", scope=\"{scopes}\", resource_metadata=\"{METADATA}\", \
         error_description=\"Additional scope is required\""
    )
}

fn assert_lacking(answer: &Answer, scopes: &str) {
    assert_eq!((answer.status.as_u16(), &*answer.body), (403, LACKING), "{scopes}");
    assert_eq!(answer.field("www-authenticate"), challenge_of(scopes));
    assert_eq!(answer.field("content-type"), "application/json");
    assert_eq!(answer.field("content-length"), LACKING.len().to_string());
    assert_eq!(answer.field("cache-control"), "no-store");
    assert_eq!(answer.headers.len(), 4, "nothing else in the header");
    assert_eq!((answer.kind(), answer.has_token), (Some(RejectionKind::InsufficientScope), false));
}

fn parameter(answer: &Answer, name: &str) -> Option<String> {
    let (_, parameters) = parse_challenge(answer.field("www-authenticate")).unwrap();
    parameters.into_iter().find(|(own, _)| own == name).map(|(_, value)| value)
}

// Scopes of a route.

#[tokio::test]
async fn clients_are_told_scopes_by_the_names_that_the_provider_asks_for() {
    let auth = layer("read", |auth| {
        auth.required_scopes(["read"]).challenge_scope_names(|scope| format!("api://x/{scope}"))
    });
    let missing = answer(&auth, &claims_rule(), bare()).await.0;
    assert_eq!(parameter(&missing, "scope").as_deref(), Some("api://x/read"));
    // Of a layer of the route, unless that has names of its own.
    let route = RequireScopes::all(["write", "share"]).unwrap();
    let (lacking, calls) = answer(&auth, &route, good()).await;
    assert_lacking(&lacking, "api://x/read api://x/write api://x/share");
    assert_eq!(calls, 0);
    assert_lacking(
        &answer(&auth, &RequireScopes::any(["write", "share"]).unwrap(), good()).await.0,
        "api://x/read api://x/write",
    );
    let own = RequireScopes::all(["write"]).unwrap().challenge_scopes(["urn:write"]).unwrap();
    assert_lacking(&answer(&auth, &own, good()).await.0, "api://x/read urn:write");
    // Of a handler, behind a route whose scopes the token has.
    let handler = tower::service_fn(async |request: Request<Untouchable>| {
        let token: &AccessToken = request.extensions().get().unwrap();
        let refused = token.require_scopes(["share"]).unwrap_err();
        assert!(
            refused.challenge().unwrap().to_str().unwrap().contains("scope=\"api://x/read api://x/share\"")
        );
        Ok::<_, Infallible>(Response::new(String::new()))
    });
    let route = RequireScopes::all(["read"]).unwrap().layer(handler);
    assert_lacking(&send(auth.layer(route), good()).await, "api://x/read api://x/share");
}

#[tokio::test]
async fn a_log_in_that_is_too_weak_is_told_the_scopes_of_the_way_there_too() {
    let step_up = RequireAuthentication::builder().acr_values(["mfa"]).build().unwrap();
    let route = RequireScopes::all(["files:share"]).unwrap().layer(step_up.layer(Handler::default()));
    let answer = send(auth("files:read files:share").layer(route), good()).await;
    assert_eq!(answer.kind(), Some(RejectionKind::InsufficientAuthentication));
    assert_eq!(parameter(&answer, "scope").as_deref(), Some("files:read files:share"));
}

#[test]
fn a_name_for_a_required_scope_that_is_none_is_refused() {
    let auth = AuthLayer::builder(knows_good("")).required_scopes(["read"]);
    let error = auth.challenge_scope_names(|scope| format!("{scope} it")).build().unwrap_err();
    assert_eq!((error.setting(), error.kind()), ("challenge_scope_names", BuildErrorKind::InvalidText));
}

#[tokio::test]
async fn a_route_needs_all_of_its_scopes_and_a_challenge_names_them_with_those_of_the_layer() {
    let route = RequireScopes::all(["files:write", "files:share"]).unwrap();
    for (scopes, is_enough) in [
        ("files:read files:write files:share", true),
        ("x files:share files:read y files:write", true),
        ("files:read files:write", false),
        ("files:read files:share", false),
        ("files:read", false),
        ("files:read Files:Write files:share", false),
        ("files:read files:writ files:share", false),
        ("files:read files:write2 files:share", false),
        ("files:read files:write,files:share", false),
        ("files:read * files:*", false),
    ] {
        let (answer, calls) = answer(&auth(scopes), &route, good()).await;
        if is_enough {
            assert_eq!((answer.status.as_u16(), calls), (200, 1), "{scopes}");
        } else {
            assert_lacking(&answer, "files:read files:write files:share");
            assert_eq!(calls, 0, "{scopes}");
        }
    }
    // What the layer demands comes first, and names its own scopes.
    let (answer, calls) = answer(&auth("files:write files:share"), &route, good()).await;
    assert_lacking(&answer, "files:read");
    assert_eq!(calls, 0);
}

#[tokio::test]
async fn of_several_scopes_one_may_be_enough_and_the_challenge_asks_for_the_first() {
    let route = RequireScopes::any(["files:list", "files:write", "admin"]).unwrap();
    for (scopes, is_enough) in [
        ("files:read files:list", true),
        ("files:read files:write", true),
        ("files:read admin", true),
        ("files:read admin files:list", true),
        ("files:read", false),
        ("files:read Admin", false),
    ] {
        let (answer, calls) = answer(&auth(scopes), &route, good()).await;
        assert_eq!((answer.status == 200, calls), (is_enough, usize::from(is_enough)), "{scopes}");
        if !is_enough {
            assert_lacking(&answer, "files:read files:list");
        }
    }
}

#[tokio::test]
async fn clients_may_have_to_ask_for_scopes_by_other_names() {
    let auth = layer("read", |auth| auth.required_scopes(["read"]).challenge_scopes(["api://x/read"]));
    for route in
        [RequireScopes::all(["write", "share"]).unwrap(), RequireScopes::any(["write", "share"]).unwrap()]
    {
        let route = route.challenge_scopes(["api://x/write", "api://x/share"]).unwrap();
        let (answer, _) = answer(&auth, &route, good()).await;
        assert_lacking(&answer, "api://x/read api://x/write api://x/share");
    }
}

#[tokio::test]
async fn a_challenge_names_each_scope_once_always_in_the_same_order_and_none_that_the_operation_does_not_need()
 {
    let route = RequireScopes::all(["c", "files:read", "a", "b", "a"]).unwrap();
    let auth = auth("files:read x y z a");
    let (first, _) = answer(&auth, &route, good()).await;
    assert_lacking(&first, "files:read c a b");
    for _ in 0..100 {
        assert_eq!(answer(&auth, &route, good()).await.0.headers, first.headers);
    }
    // What it has been granted before is not repeated: the client adds it up.
    let auth = layer("x", |auth| auth);
    let (answer, _) = answer(&auth, &RequireScopes::all(["a"]).unwrap(), good()).await;
    assert_lacking(&answer, "a");
}

#[tokio::test]
async fn offline_access_is_in_no_challenge_whoever_demands_it() {
    let auth = || auth("files:read");
    let route = RequireScopes::all(["offline_access", "files:write"]).unwrap();
    assert_lacking(&answer(&auth(), &route, good()).await.0, "files:read files:write");
    let route = RequireScopes::any(["offline_access", "files:write"]).unwrap();
    assert_eq!(parameter(&answer(&auth(), &route, good()).await.0, "scope").unwrap(), "files:read");
}

#[tokio::test]
async fn offline_access_is_in_no_challenge_of_a_handler_either() {
    let app = Router::new().route(
        "/",
        get(async |parts: Parts| {
            let token = AccessToken::from_parts(&parts).unwrap();
            let demanded = token.require_scopes(["offline_access", "files:write"]);
            demanded.map_or_else(|rejection| rejection.to_string(), |()| "done".to_owned())
        }),
    );
    let answer = ask(app.layer(auth("files:read")), get_with("good")).await;
    assert_lacking(&answer, "files:read files:write");
}

#[tokio::test]
async fn what_contains_a_scope_is_enough_for_it_wherever_it_is_demanded() {
    let hierarchy =
        || ScopeHierarchy::new().contains("admin", ["files:write"]).contains("files:write", ["files:read"]);
    for (scopes, status) in
        [("admin", 200), ("files:write", 200), ("files:read", 403), ("admins", 403), ("", 403)]
    {
        let auth = layer(scopes, |auth| auth.required_scopes(["files:read"]).scope_hierarchy(hierarchy()));
        let all = RequireScopes::all(["files:write", "files:read"]).unwrap();
        assert_eq!(answer(&auth, &all, good()).await.0.status, status, "{scopes}");
        let any = RequireScopes::any(["files:write", "other"]).unwrap();
        assert_eq!(answer(&auth, &any, good()).await.0.status, status, "{scopes}");
        let app = Router::new().route(
            "/",
            get(async |parts: Parts| {
                let token = AccessToken::from_parts(&parts).unwrap();
                assert_eq!(token.has_scopes(["files:write"]), token.scopes().as_str() != "files:read");
                token.require_scopes(["files:read", "files:write"]).map_err(|rejection| rejection.to_string())
            }),
        );
        assert_eq!(ask(app.layer(auth), get_with("good")).await.status, status, "{scopes}");
    }
    // The token says what it said, and the hierarchy is that of its layer.
    let auth = layer("admin", |auth| auth.scope_hierarchy(hierarchy()));
    let handler = Handler::default();
    send(auth.layer(handler.clone()), good()).await;
    assert_eq!(handler.last().token.unwrap().scopes().as_str(), "admin");
    let verified = AccessToken::verified().scopes(ScopeSet::parse("admin")).build();
    assert!(!verified.has_scopes(["files:write"]));
}

#[test]
fn what_is_no_scope_cannot_be_demanded_of_a_route() {
    use BuildErrorKind::{Empty, InvalidText, OutOfRange};
    let found = |error: Option<BuildError>| error.map(|error| (error.setting(), error.kind()));
    let many = || (0..400).map(|number| format!("scope-{number}")).collect::<Vec<_>>();
    let cases: [(Vec<String>, BuildErrorKind); 9] = [
        (vec![], Empty),
        (vec![String::new()], InvalidText),
        (vec!["a".into(), " ".into()], InvalidText),
        (vec!["a b".into()], InvalidText),
        (vec!["a\"b".into()], InvalidText),
        (vec!["a\\b".into()], InvalidText),
        (vec!["a\r\nb".into()], InvalidText),
        (vec!["\u{e9}".into()], InvalidText),
        (many(), OutOfRange),
    ];
    for (scopes, kind) in cases {
        assert_eq!(found(RequireScopes::all(&scopes).err()), Some(("scopes", kind)), "{scopes:?}");
        assert_eq!(found(RequireScopes::any(&scopes).err()), Some(("scopes", kind)), "{scopes:?}");
        let route = RequireScopes::all(["a"]).unwrap().challenge_scopes(&scopes);
        assert_eq!(found(route.err()), Some(("challenge_scopes", kind)), "{scopes:?}");
    }
    let hierarchy = ScopeHierarchy::new().contains("a", ["b c"]);
    let auth = AuthLayer::builder(knows_good("")).scope_hierarchy(hierarchy).build();
    assert_eq!(found(auth.err()), Some(("scope_hierarchy", InvalidText)));
}

fn scope_name() -> impl Strategy<Value = &'static str> {
    proptest::sample::select(vec!["a", "b", "c", "d", "e", "f"])
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn a_missing_scope_is_403_and_never_a_fault_of_the_token(
        granted in proptest::collection::btree_set(scope_name(), 0..6),
        needed in proptest::collection::btree_set(scope_name(), 1..6),
    ) {
        let scopes = granted.iter().copied().collect::<Vec<_>>().join(" ");
        let auth = layer(&scopes, |auth| auth);
        for (route, is_enough) in [
            (RequireScopes::all(&needed).unwrap(), needed.is_subset(&granted)),
            (RequireScopes::any(&needed).unwrap(), !needed.is_disjoint(&granted)),
        ] {
            let (answer, calls) = block_on(answer(&auth, &route, good()));
            prop_assert_eq!(answer.status.as_u16(), if is_enough { 200 } else { 403 });
            prop_assert_eq!(calls, usize::from(is_enough));
        }
    }

    #[test]
    fn a_hierarchy_grants_what_can_be_reached_and_nothing_else(
        edges in proptest::collection::vec((scope_name(), scope_name()), 0..12),
        granted in proptest::collection::btree_set(scope_name(), 0..4),
    ) {
        let hierarchy = edges.iter().fold(ScopeHierarchy::new(), |hierarchy, (scope, part)| {
            hierarchy.contains(*scope, [*part])
        });
        let mut reached: BTreeSet<&str> = granted.clone();
        while let Some((_, part)) = edges.iter().find(|(scope, part)| reached.contains(scope) && !reached.contains(part)) {
            reached.insert(*part);
        }
        let granted = ScopeSet::from_iter(&granted);
        for scope in ["a", "b", "c", "d", "e", "f", "g", ""] {
            prop_assert_eq!(hierarchy.grants(&granted, scope), reached.contains(scope), "{} {:?}", scope, edges);
        }
        let auth = layer(granted.as_str(), |auth| auth.scope_hierarchy(hierarchy));
        for scope in ["a", "b", "c", "d", "e", "f", "g"] {
            let (answer, _) = block_on(answer(&auth, &RequireScopes::all([scope]).unwrap(), good()));
            prop_assert_eq!(answer.status == 200, reached.contains(scope));
        }
    }

    #[test]
    fn whatever_text_is_demanded_only_a_scope_of_the_token_is_enough(
        text in prop_oneof![any::<String>(), "[!-~ ]{0,12}", "(files:read|files:write|[ \"\\\\,]){0,3}"],
    ) {
        let token = AccessToken::verified().scopes(ScopeSet::parse("files:read files:write")).build();
        let is_there = text == "files:read" || text == "files:write";
        prop_assert_eq!(token.has_scopes([&text]), is_there);
        prop_assert_eq!(token.require_scopes([&text]).is_ok(), is_there);
        prop_assert_eq!(token.require_scopes(["files:read", &text]).is_ok(), is_there);
        // So it is where a layer answers in place of the handler, by a challenge that stays one.
        let handler = tower::service_fn(move |request: Request<Untouchable>| {
            let token = request.extensions().get::<AccessToken>().unwrap().clone();
            let body = token.require_scopes([&text]).map_or_else(String::from, |()| "done".to_owned());
            async { Ok::<_, Infallible>(Response::new(body)) }
        });
        let auth = layer("files:read files:write", |auth| auth.required_scopes(["files:read"]));
        let answer = block_on(send(auth.layer(handler), good()));
        prop_assert_eq!(answer.status.as_u16(), if is_there { 200 } else { 403 });
        if !is_there {
            parse_challenge(answer.field("www-authenticate")).unwrap();
            prop_assert!(parameter(&answer, "scope").unwrap().starts_with("files:read"));
        }
    }
}

#[tokio::test]
async fn what_is_remembered_of_a_token_opens_no_route_that_needs_more() {
    for first in ["/foo", "/bar"] {
        let verifier = knows_good("foo");
        let auth = AuthLayer::builder(verifier.clone().cached(CacheLayer::new())).resource(RESOURCE);
        let need = |scope: &str| routing::any(async || "in").layer(RequireScopes::all([scope]).unwrap());
        let app =
            Router::new().route("/foo", need("foo")).route("/bar", need("bar")).layer(auth.build().unwrap());
        let send = async |path: &str| {
            let mut request = get_with("good");
            *request.uri_mut() = path.parse().unwrap();
            ask(app.clone(), request).await
        };
        send(first).await;
        for _ in 0..3 {
            assert_eq!(send("/foo").await.body, "in");
            assert_lacking(&send("/bar").await, "bar");
        }
        assert_eq!(verifier.calls(), 1, "one verdict, judged by each route");
    }
}

#[tokio::test]
async fn one_route_may_demand_several_things_and_each_is_judged() {
    let route = ServiceBuilder::new()
        .layer(RequireScopes::all(["files:write"]).unwrap())
        .layer(RequireClaims::new(|token| token.claim("role") == Some("admin".to_owned())))
        .layer(RequireAuthentication::builder().acr_values(["mfa"]).build().unwrap());
    for (claims, status, error) in [
        (json!({"role": "admin", "acr": "mfa"}), 200, None),
        (json!({"role": "admin"}), 401, Some("insufficient_user_authentication")),
        (json!({"acr": "mfa"}), 403, None),
        (json!({}), 403, None),
    ] {
        let service = saying(&claims).layer(route.clone().service(Handler::default()));
        let answer = send(service, good()).await;
        assert_eq!(answer.status, status, "{claims}");
        if status != 200 {
            assert_eq!(parameter(&answer, "error").as_deref(), error, "{claims}");
        }
    }
}

// Without a token, and without a layer.

fn claims_rule() -> RequireClaims {
    RequireClaims::new(|_| true)
}

fn recent() -> RequireAuthentication {
    RequireAuthentication::builder().max_age(Duration::from_secs(300)).build().unwrap()
}

#[tokio::test]
async fn whoever_passed_without_a_token_is_told_what_the_route_needs() {
    let auth = layer("", |auth| auth.optional().required_scopes(["files:read"]));
    let missing = |scopes: &str| format!("Bearer scope=\"{scopes}\", resource_metadata=\"{METADATA}\"");
    let scopes = RequireScopes::all(["files:write"]).unwrap();
    let answers = [
        (answer(&auth, &scopes, bare()).await, "files:read files:write"),
        (answer(&auth, &claims_rule(), bare()).await, "files:read"),
        (answer(&auth, &recent(), bare()).await, "files:read"),
    ];
    for ((answer, calls), scopes) in answers {
        assert_eq!((answer.status.as_u16(), &*answer.body, calls), (401, "", 0));
        assert_eq!(answer.field("www-authenticate"), missing(scopes), "no code: nothing was presented");
        assert_eq!((answer.field("cache-control"), answer.field("content-length")), ("no-store", "0"));
        assert_eq!(answer.kind(), Some(RejectionKind::MissingToken));
    }
    // Another scheme is no token either, and a bad token never gets here.
    let mut request = bare();
    request.headers_mut().insert("authorization", HeaderValue::from_static("Basic eDp5"));
    assert_eq!(answer(&auth, &scopes, request).await.0.kind(), Some(RejectionKind::MissingToken));
    let mut request = bare();
    request.headers_mut().insert("authorization", HeaderValue::from_static("Bearer bad"));
    let (answer, _) = answer(&auth, &scopes, request).await;
    assert_eq!(answer.kind(), Some(RejectionKind::InvalidToken));
}

#[tokio::test]
async fn a_preflight_passes_whatever_the_route_demands() {
    for auth in [auth(""), layer("", AuthLayerBuilder::optional)] {
        let scopes = RequireScopes::all(["files:write"]).unwrap();
        let answers = [
            answer(&auth, &scopes, preflight()).await,
            answer(&auth, &RequireClaims::new(|_| false), preflight()).await,
            answer(&auth, &recent(), preflight()).await,
        ];
        for (answer, calls) in answers {
            assert_eq!((answer.status.as_u16(), &*answer.body, calls), (200, "handler", 1));
        }
        // Any other OPTIONS needs a token.
        let mut request = preflight();
        request.headers_mut().remove("access-control-request-method");
        assert_eq!(answer(&auth, &scopes, request).await.0.status, 401);
    }
}

#[tokio::test]
async fn without_a_layer_outside_nobody_gets_in_and_the_log_says_what_is_missing() {
    let (logs, _guard) = Logs::capture();
    let handler = Handler::default();
    for request in [bare, good, preflight] {
        let answers = [
            send(RequireScopes::all(["a"]).unwrap().layer(handler.clone()), request()).await,
            send(claims_rule().layer(handler.clone()), request()).await,
            send(recent().layer(handler.clone()), request()).await,
        ];
        for answer in answers {
            assert_eq!((answer.status.as_u16(), &*answer.body), (500, r#"{"error":"server_error"}"#));
            assert_eq!((answer.field("www-authenticate"), answer.field("cache-control")), ("", "no-store"));
        }
    }
    let mut head = bare();
    *head.method_mut() = Method::HEAD;
    let answer = send(claims_rule().layer(handler.clone()), head).await;
    assert_eq!((answer.status.as_u16(), &*answer.body, answer.field("content-length")), (500, "", "24"));
    #[cfg(feature = "axum")]
    {
        let answer = ask(scoped_routes(), get_with("good")).await;
        assert_eq!((answer.status.as_u16(), &*answer.body), (500, r#"{"error":"server_error"}"#));
    }
    assert_eq!(handler.calls(), 0);
    // Anybody can call such a route: it is said once a minute, and not for each request.
    // Perhaps another test of this process was first.
    assert!(logs.count(Level::ERROR) <= 1, "{}", logs.text());
}

// The form of the answers.

#[tokio::test]
async fn an_answer_to_head_has_the_header_of_that_to_get_and_no_body() {
    let head = |mut request: Request<Untouchable>| {
        *request.method_mut() = Method::HEAD;
        request
    };
    let scopes = RequireScopes::all(["files:write"]).unwrap();
    let claims = RequireClaims::new(|_| false);
    let optional = layer("", |auth| auth.optional());
    for (get, head) in [
        (
            answer(&auth("files:read"), &scopes, good()).await,
            answer(&auth("files:read"), &scopes, head(good())).await,
        ),
        (
            answer(&auth("files:read"), &claims, good()).await,
            answer(&auth("files:read"), &claims, head(good())).await,
        ),
        (
            answer(&auth("files:read"), &recent(), good()).await,
            answer(&auth("files:read"), &recent(), head(good())).await,
        ),
        (answer(&optional, &scopes, bare()).await, answer(&optional, &scopes, head(bare())).await),
    ] {
        let ((get, _), (head, _)) = (get, head);
        assert!(get.status.is_client_error());
        assert_eq!((head.status, &head.headers, &*head.body), (get.status, &get.headers, ""));
    }
}

#[tokio::test]
async fn the_hook_of_the_layer_replaces_the_body_and_nothing_else() {
    let hooked = layer("files:read", |auth| {
        auth.required_scopes(["files:read"]).rejection_body(|rejection| {
            Some(RejectionBody::json(&json!({"title": rejection.to_string(), "kind": rejection.reason()})))
        })
    });
    let scopes = RequireScopes::all(["files:write"]).unwrap();
    let (plain, _) = answer(&auth("files:read"), &scopes, good()).await;
    let (answered, _) = answer(&hooked, &scopes, good()).await;
    assert_eq!(answered.body, r#"{"kind":"insufficient_scope","title":"the token lacks a scope"}"#);
    assert_eq!(answered.status, plain.status);
    assert_eq!(answered.field("www-authenticate"), plain.field("www-authenticate"));
    let (answered, _) = answer(&hooked, &RequireClaims::new(|_| false), good()).await;
    assert!(answered.body.contains("insufficient_claims"));
    let (answered, _) = answer(&hooked, &recent(), good()).await;
    assert!(answered.body.contains("insufficient_authentication"));
    // A hook that panics costs this request, and opens nothing.
    let broken = layer("files:read", |auth| auth.rejection_body(|_| panic!("not today")));
    let (answered, calls) = answer(&broken, &scopes, good()).await;
    assert_eq!((answered.status.as_u16(), &*answered.body, calls), (500, r#"{"error":"server_error"}"#, 0));
}

#[tokio::test]
async fn a_call_of_grpc_is_answered_in_grpc_where_the_layer_does_so() {
    let call = |mut request: Request<Untouchable>| {
        *request.method_mut() = Method::POST;
        request.headers_mut().insert("content-type", HeaderValue::from_static("application/grpc+proto"));
        request
    };
    let grpc = layer("files:read", |auth| auth.required_scopes(["files:read"]).optional().grpc());
    let scopes = RequireScopes::all(["files:write"]).unwrap();
    let denied = RequireClaims::new(|_| false);
    let broken = RequireClaims::new(|_| panic!("not today"));
    for ((answer, calls), status) in [
        (answer(&grpc, &scopes, call(good())).await, "7"),
        (answer(&grpc, &denied, call(good())).await, "7"),
        (answer(&grpc, &recent(), call(good())).await, "16"),
        (answer(&grpc, &scopes, call(bare())).await, "16"),
        (answer(&grpc, &broken, call(good())).await, "13"),
    ] {
        assert_eq!((answer.status.as_u16(), &*answer.body, calls), (200, "", 0));
        assert_eq!(answer.field("grpc-status"), status);
        if status != "13" {
            parse_challenge(answer.field("www-authenticate")).unwrap();
        }
    }
    assert_lacking(&answer(&grpc, &scopes, good()).await.0, "files:read files:write");
    assert_lacking(&answer(&auth("files:read"), &scopes, call(good())).await.0, "files:read files:write");
}

#[tokio::test]
async fn a_refusal_is_logged_below_warnings_and_without_claims() {
    let (logs, _guard) = Logs::capture();
    let auth = saying(&json!({"acr": "S3cr3t-canary", "auth_time": 1, "role": "S3cr3t-canary"}));
    answer(&auth, &RequireScopes::all(["files:share"]).unwrap(), good()).await;
    answer(&auth, &RequireClaims::new(|_| false), good()).await;
    answer(&auth, &recent(), good()).await;
    let reasons: Vec<String> = logs.own().iter().map(|line| line.field("reason").to_owned()).collect();
    for reason in ["insufficient_scope", "insufficient_claims", "insufficient_authentication"] {
        assert_eq!(reasons.iter().filter(|own| *own == reason).count(), 1, "{}", logs.text());
    }
    assert!(logs.own().iter().all(|line| line.level >= Level::DEBUG));
    assert!(!logs.text().contains("canary"));
}

// The contract of tower.

/// Fails instead of hanging. The clock of the test stands still unless nothing else can happen.
async fn soon<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(1), future).await.expect("something happens")
}

#[tokio::test(start_paused = true)]
async fn the_instance_that_was_ready_is_the_one_that_is_called() {
    let layer = ServiceBuilder::new().layer(auth("files:read a")).layer(RequireScopes::all(["a"]).unwrap());
    let (mut service, mut handle) = mock::spawn_layer::<_, Response<String>, _>(layer);
    handle.allow(0);
    assert!(service.poll_ready::<Request<()>>().is_pending(), "readiness is that of the inner service");
    handle.allow(2);
    for request in 0..2 {
        assert!(service.poll_ready::<Request<()>>().is_ready());
        let mut sent = Request::new(());
        sent.headers_mut().insert("authorization", HeaderValue::from_static("Bearer good"));
        let answer = tokio::spawn(service.call(sent));
        let (received, respond) = soon(handle.next_request()).await.unwrap();
        assert!(received.extensions().get::<AccessToken>().is_some());
        respond.send_response(Response::new(request.to_string()));
        assert_eq!(answer.await.unwrap().unwrap().status(), 200);
    }
    assert!(service.poll_ready::<Request<()>>().is_pending());
}

#[tokio::test(start_paused = true)]
async fn a_refusal_gives_its_permit_back() {
    let limited = || ServiceBuilder::new().concurrency_limit(1).service(Handler::default());
    let mut refusing = auth("files:read").layer(RequireScopes::all(["a"]).unwrap().layer(limited()));
    let mut denying = auth("files:read").layer(RequireClaims::new(|_| panic!("not today")).layer(limited()));
    let mut admitting = auth("files:read").layer(claims_rule().layer(limited()));
    for _ in 0..10 {
        let ready = soon(refusing.ready()).await.unwrap();
        assert_eq!(ready.call(good()).await.unwrap().status(), 403);
        let ready = soon(denying.ready()).await.unwrap();
        assert_eq!(ready.call(good()).await.unwrap().status(), 500);
        let ready = soon(admitting.ready()).await.unwrap();
        assert_eq!(ready.call(good()).await.unwrap().status(), 200);
    }
}

// Whose token it is.

#[tokio::test]
async fn a_token_that_was_already_there_never_counts_inside_of_a_layer() {
    let forged =
        || AccessToken::verified().subject("mallory").scopes(ScopeSet::parse("files:read a")).build();
    let route = RequireScopes::all(["a"]).unwrap();
    for (auth, request, status) in [
        (layer("", AuthLayerBuilder::optional), bare(), 401),
        (layer("", |auth| auth), good(), 403),
        (layer("", |auth| auth), bare(), 401),
        (auth("files:read"), good(), 403),
    ] {
        let mut request = request;
        request.extensions_mut().insert(forged());
        let (answer, calls) = answer(&auth, &route, request).await;
        assert_eq!((answer.status.as_u16(), calls), (status, 0));
    }
    // A preflight passes, and takes no identity along.
    let handler = Handler::default();
    let mut request = preflight();
    request.extensions_mut().insert(forged());
    send(auth("").layer(route.layer(handler.clone())), request).await;
    assert!(handler.last().token.is_none());
}

#[tokio::test]
async fn a_token_that_code_of_this_server_vouches_for_is_judged_without_a_layer_too() {
    // Whoever says `verified` has verified: a layer of one's own, or a test.
    let route = RequireScopes::all(["a"]).unwrap();
    for (scopes, status) in [("a", 200), ("b", 403)] {
        let mut request = bare();
        let token = AccessToken::verified().scopes(ScopeSet::parse(scopes)).build();
        request.extensions_mut().insert(token);
        let answer = send(route.layer(Handler::default()), request).await;
        assert_eq!(answer.status, status);
        if status == 403 {
            let expected = "Bearer error=\"insufficient_scope\", scope=\"a\", \
                            error_description=\"Additional scope is required\"";
            assert_eq!(answer.field("www-authenticate"), expected);
        }
    }
}

#[tokio::test]
async fn of_two_layers_the_inner_one_speaks_for_what_is_inside_of_it() {
    let outer = || AuthLayer::builder(knows_good("files:read a")).resource("https://outer.example/mcp");
    let inner = || layer("b", |auth| auth.required_scopes(["b"]));
    let route = RequireScopes::all(["a"]).unwrap();
    let service = outer().build().unwrap().layer(inner().layer(route.layer(Handler::default())));
    let answer = send(service, good()).await;
    assert_lacking(&answer, "b a");
    // An inner layer that lets through without a token drops what the outer one found.
    let optional = layer("a", AuthLayerBuilder::optional);
    let stripping = outer().strip_authorization().build().unwrap();
    let answer = send(stripping.layer(optional.layer(route.layer(Handler::default()))), good()).await;
    assert_eq!((answer.status.as_u16(), answer.kind()), (401, Some(RejectionKind::MissingToken)));
    // An outer layer that lets through without a token leaves no mark that an inner one would not replace.
    let lenient = outer().optional().build().unwrap();
    let answer = send(lenient.layer(inner().layer(route.layer(Handler::default()))), bare()).await;
    assert_eq!(
        answer.field("www-authenticate"),
        format!("Bearer scope=\"b\", resource_metadata=\"{METADATA}\"")
    );
}

// Claims.

#[tokio::test]
async fn what_claims_do_not_permit_is_forbidden_and_no_scope_would_help() {
    let admins = RequireClaims::new(|token: &AccessToken| {
        let roles: Vec<String> = token.claim("roles").unwrap_or_default();
        token.subject() == Some("alice") && roles.iter().any(|role| role == "admin")
    });
    for (claims, is_enough) in [
        (json!({"roles": ["user", "admin"]}), true),
        (json!({"roles": ["user"]}), false),
        (json!({"roles": "admin"}), false),
        (json!({"roles": {"admin": true}}), false),
        (json!({"Roles": ["admin"]}), false),
        (json!({}), false),
    ] {
        let (answer, calls) = answer(&saying(&claims), &admins, good()).await;
        assert_eq!((answer.status == 200, calls), (is_enough, usize::from(is_enough)), "{claims}");
        if !is_enough {
            let body =
                r#"{"error":"access_denied","error_description":"The access token does not permit this"}"#;
            assert_eq!((answer.status.as_u16(), &*answer.body), (403, body));
            let expected = format!("Bearer resource_metadata=\"{METADATA}\"");
            assert_eq!(answer.field("www-authenticate"), expected, "neither a code nor a scope");
            assert_eq!(answer.field("cache-control"), "no-store");
            assert_eq!(answer.kind(), Some(RejectionKind::InsufficientClaims));
        }
    }
}

#[tokio::test]
async fn a_closure_that_panics_lets_nobody_in_and_costs_one_request() {
    let rule = RequireClaims::new(|token: &AccessToken| {
        assert_ne!(token.claim::<u64>("n"), Some(1), "not this one");
        token.claim::<u64>("n") == Some(2)
    });
    for (number, status, expected) in [(1, 500, 0), (2, 200, 1), (1, 500, 0), (3, 403, 0), (2, 200, 1)] {
        let (answer, calls) = answer(&saying(&json!({ "n": number })), &rule, good()).await;
        assert_eq!((answer.status.as_u16(), calls), (status, expected), "{number}");
        if status == 500 {
            assert_eq!(answer.body, r#"{"error":"server_error"}"#);
            assert_eq!(answer.field("www-authenticate"), "");
        }
    }
    let payload = RequireClaims::new(|_| {
        struct Bomb;
        impl Drop for Bomb {
            fn drop(&mut self) {
                panic!("again");
            }
        }
        std::panic::panic_any(Bomb)
    });
    let (answer, calls) = answer(&saying(&json!({})), &payload, good()).await;
    assert_eq!((answer.status.as_u16(), calls), (500, 0));
}

// How the user logged in.

const NOW: u64 = 1_767_225_600;

fn log_in(clock: &ManualClock) -> RequireAuthentication {
    let route = RequireAuthentication::builder().acr_values(["urn:example:mfa"]).clock(clock.clone());
    route.max_age(Duration::from_secs(300)).build().unwrap()
}

#[tokio::test]
async fn a_weak_or_old_log_in_is_answered_with_what_would_be_enough() {
    let clock = ManualClock::new();
    for claims in [
        json!({"acr": "low", "auth_time": NOW}),
        json!({"acr": "urn:example:mfa", "auth_time": NOW - 301}),
        json!({"acr": "low", "auth_time": NOW - 301}),
        json!({}),
    ] {
        let (answer, calls) = answer(&saying(&claims), &log_in(&clock), good()).await;
        let body = r#"{"error":"insufficient_user_authentication","error_description":"A stronger authentication is required"}"#;
        assert_eq!((answer.status.as_u16(), &*answer.body, calls), (401, body, 0), "{claims}");
        assert_eq!(answer.field("www-authenticate"), F6);
        assert_eq!(answer.field("content-type"), "application/json");
        assert_eq!(answer.field("content-length"), body.len().to_string());
        assert_eq!(answer.field("cache-control"), "no-store");
        assert_eq!(answer.headers.len(), 4);
        assert_eq!(answer.kind(), Some(RejectionKind::InsufficientAuthentication));
        parse_challenge(answer.field("www-authenticate")).unwrap();
    }
    let claims = json!({"acr": "urn:example:mfa", "auth_time": NOW});
    assert_eq!(answer(&saying(&claims), &log_in(&clock), good()).await.1, 1);
}

#[tokio::test]
async fn a_challenge_says_only_what_is_demanded() {
    let route = |set: fn(tower_bearer::require::RequireAuthenticationBuilder) -> _| {
        let builder: tower_bearer::require::RequireAuthenticationBuilder =
            set(RequireAuthentication::builder());
        builder.build().unwrap()
    };
    for (route, acr_values, max_age) in [
        (route(|b| b.acr_values(["b", "a"])), Some("b a"), None),
        (route(|b| b.max_age(Duration::from_secs(1))), None, Some("1")),
        (route(|b| b.max_age(Duration::from_secs(315_360_000))), None, Some("315360000")),
        (route(|b| b.acr_values(["a"]).max_age(Duration::from_millis(1_500))), Some("a"), Some("1")),
    ] {
        let (answer, _) = answer(&saying(&json!({"acr": "c"})), &route, good()).await;
        assert_eq!(parameter(&answer, "acr_values").as_deref(), acr_values);
        assert_eq!(parameter(&answer, "max_age").as_deref(), max_age);
    }
}

#[tokio::test]
async fn the_class_of_a_log_in_is_compared_byte_for_byte() {
    let route = RequireAuthentication::builder().acr_values(["urn:mfa", "phr"]).build().unwrap();
    for (claims, is_enough) in [
        (json!({"acr": "urn:mfa"}), true),
        (json!({"acr": "phr"}), true),
        (json!({"acr": "PHR"}), false),
        (json!({"acr": "phrh"}), false),
        (json!({"acr": "urn:mfa phr"}), false),
        (json!({"acr": ""}), false),
        (json!({"acr": ["phr"]}), false),
        (json!({"acr": null}), false),
        (json!({"acr": 2}), false),
        (json!({"ACR": "phr"}), false),
        (json!({"amr": ["phr"]}), false),
        (json!({}), false),
    ] {
        let (answer, calls) = answer(&saying(&claims), &route, good()).await;
        assert_eq!((answer.status == 200, calls), (is_enough, usize::from(is_enough)), "{claims}");
    }
}

#[tokio::test]
async fn the_age_of_a_log_in_is_exact_and_what_is_no_date_is_too_old() {
    let clock = ManualClock::new();
    let route = RequireAuthentication::builder().max_age(Duration::from_secs(300)).clock(clock.clone());
    let route = route.build().unwrap();
    for (auth_time, is_enough) in [
        (json!(NOW), true),
        (json!(NOW - 300), true),
        (json!(NOW - 301), false),
        (json!(1_767_225_300.0), true),
        (json!(1_767_225_300.5), true),
        (json!(1_767_225_299.5), false),
        (json!(1_767_225_299.999), false),
        // Clocks differ, by a minute at most.
        (json!(NOW + 60), true),
        (json!(NOW + 61), false),
        (json!(1_767_225_660.5), false),
        (json!(0), false),
        (json!(-1), false),
        (json!(-1.5), false),
        (json!(u64::MAX), false),
        (json!(i64::MAX), false),
        (json!(i64::MIN), false),
        (json!(1e300), false),
        (json!(NOW * 1_000), false),
        (json!(NOW.to_string()), false),
        (json!([NOW]), false),
        (json!({"at": NOW}), false),
        (json!(true), false),
        (Value::Null, false),
    ] {
        let (answer, calls) = answer(&saying(&json!({ "auth_time": auth_time })), &route, good()).await;
        assert_eq!((answer.status == 200, calls), (is_enough, usize::from(is_enough)), "{auth_time}");
    }
    // Neither the date of the token nor another claim stands in for it.
    let others = json!({"iat": NOW, "nbf": NOW, "updated_at": NOW, "authTime": NOW});
    assert_eq!(answer(&saying(&others), &route, good()).await.0.status, 401);
    // The same token grows old.
    let auth = saying(&json!({ "auth_time": NOW }));
    for (step, status) in [(0, 200), (300, 200), (1, 401)] {
        clock.advance(Duration::from_secs(step));
        assert_eq!(answer(&auth, &route, good()).await.0.status, status);
    }
    clock.set(SystemTime::UNIX_EPOCH);
    assert_eq!(answer(&auth, &route, good()).await.0.status, 401, "a clock that stands at the beginning");
}

proptest! {
    #[test]
    fn no_claim_about_a_log_in_panics(number in any::<f64>(), whole in any::<i64>(), text in any::<String>()) {
        let clock = ManualClock::new();
        for claims in [
            json!({"acr": text, "auth_time": number}),
            json!({"acr": "urn:example:mfa", "auth_time": whole}),
            json!({"acr": "urn:example:mfa", "auth_time": text}),
        ] {
            let (answer, _) = block_on(answer(&saying(&claims), &log_in(&clock), good()));
            let is_recent = i64::try_from(NOW).is_ok_and(|now| (now - 300..=now + 60).contains(&whole));
            prop_assert!(answer.status == 401 || is_recent);
        }
    }
}

#[test]
fn a_demand_that_cannot_be_met_or_said_is_found_by_build() {
    use BuildErrorKind::{InvalidText, Missing, OutOfRange};
    let builder = RequireAuthentication::builder;
    let long = "x".repeat(200);
    for (builder, setting, kind) in [
        (builder(), "acr_values", Missing),
        (builder().acr_values([""; 0]), "acr_values", Missing),
        (builder().acr_values([""]), "acr_values", InvalidText),
        (builder().acr_values(["a", "b c"]), "acr_values", InvalidText),
        (builder().acr_values(["a\"b"]), "acr_values", InvalidText),
        (builder().acr_values(["a\\b"]), "acr_values", InvalidText),
        (builder().acr_values(["\u{e9}"]), "acr_values", InvalidText),
        (builder().acr_values([long]), "acr_values", OutOfRange),
        (builder().max_age(Duration::ZERO), "max_age", OutOfRange),
        (builder().max_age(Duration::from_millis(999)), "max_age", OutOfRange),
        (builder().max_age(Duration::from_secs(315_360_001)), "max_age", OutOfRange),
        (builder().max_age(Duration::MAX), "max_age", OutOfRange),
    ] {
        let error = builder.build().unwrap_err();
        assert_eq!((error.setting(), error.kind()), (setting, kind));
    }
}

// What a handler demands.

async fn ask(app: Router, request: Request<Body>) -> Answer {
    Answer::read(app.oneshot(request).await.unwrap()).await
}

fn get_with(token: &str) -> Request<Body> {
    Request::get("/").header("authorization", format!("Bearer {token}")).body(Body::empty()).unwrap()
}

fn demand(parts: &Parts, scopes: &[&str]) -> Result<(), tower_bearer::Rejection> {
    AccessToken::from_parts(parts).unwrap().require_scopes(scopes)
}

#[tokio::test]
async fn a_handler_that_demands_in_vain_is_answered_for_whatever_it_answers() {
    let app = Router::new()
        .route(
            "/",
            routing::any(async |parts: Parts| {
                let lacks = demand(&parts, &["files:write"]).is_err();
                match parts.uri.query().unwrap_or_default() {
                    _ if !lacks => "done".into_response(),
                    "ok" => "as if nothing were".into_response(),
                    "json" => (StatusCode::OK, [("content-type", "application/json")], "{\"error\":1}")
                        .into_response(),
                    "created" => (StatusCode::CREATED, [("set-cookie", "a=b")]).into_response(),
                    "redirect" => Redirect::to("/elsewhere").into_response(),
                    "unauthorized" => {
                        (StatusCode::UNAUTHORIZED, [("www-authenticate", "Basic")]).into_response()
                    }
                    "error" => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
                    "events" => ([("content-type", "text/event-stream")], "data: x\n\n").into_response(),
                    _ => StatusCode::FORBIDDEN.into_response(),
                }
            }),
        )
        .layer(auth("files:read"));
    for query in ["ok", "json", "created", "redirect", "unauthorized", "error", "events", "forbidden"] {
        let mut request = get_with("good");
        *request.uri_mut() = format!("/?{query}").parse().unwrap();
        assert_lacking(&ask(app.clone(), request).await, "files:read files:write");
        let mut request = get_with("good");
        *request.uri_mut() = format!("/?{query}").parse().unwrap();
        *request.method_mut() = Method::HEAD;
        let answer = ask(app.clone(), request).await;
        assert_eq!((answer.status.as_u16(), &*answer.body), (403, ""), "{query}");
        assert_eq!(answer.field("content-length"), LACKING.len().to_string());
    }
}

#[tokio::test]
async fn a_handler_whose_demands_are_met_answers_by_itself() {
    let app = Router::new().route(
        "/",
        get(async |parts: Parts| {
            demand(&parts, &["files:write"])?;
            demand(&parts, &[])?;
            // To ask is not to demand.
            assert!(!AccessToken::from_parts(&parts).unwrap().has_scopes(["files:share"]));
            Ok::<_, String>((StatusCode::IM_A_TEAPOT, [("x-own", "1")], "short and stout"))
        }),
    );
    let answer = ask(app.layer(auth("files:read files:write")), get_with("good")).await;
    assert_eq!((answer.status.as_u16(), &*answer.body, answer.field("x-own")), (418, "short and stout", "1"));
}

#[tokio::test]
async fn a_refusal_in_place_of_a_handler_has_the_form_that_the_layer_gives_it() {
    let app = || {
        Router::new().route(
            "/",
            routing::any(async |parts: Parts| demand(&parts, &["files:write"]).map_err(String::from)),
        )
    };
    let hooked = layer("files:read", |auth| {
        auth.rejection_body(|rejection| Some(RejectionBody::json(&json!(rejection.reason()))))
    });
    let answer = ask(app().layer(hooked), get_with("good")).await;
    assert_eq!((answer.status.as_u16(), &*answer.body), (403, "\"insufficient_scope\""));
    let broken = layer("files:read", |auth| auth.rejection_body(|_| panic!("not today")));
    assert_eq!(ask(app().layer(broken), get_with("good")).await.status, 500);
    let mut call = get_with("good");
    *call.method_mut() = Method::POST;
    call.headers_mut().insert("content-type", HeaderValue::from_static("application/grpc"));
    let answer = ask(app().layer(layer("files:read", AuthLayerBuilder::grpc)), call).await;
    assert_eq!((answer.status.as_u16(), answer.field("grpc-status"), &*answer.body), (200, "7", ""));
}

#[tokio::test]
async fn what_was_once_demanded_in_vain_stays_so_in_whatever_order_it_is_demanded() {
    for (first, second, third, missing) in [
        ("files:read", "files:write", "files:read", Some("files:read files:write")),
        ("files:write", "files:read", "files:read", Some("files:read files:write")),
        ("b", "files:read", "a", Some("files:read b a")),
        ("a", "b", "a", Some("files:read a b")),
        ("files:read", "files:read", "files:read", None),
    ] {
        let app = Router::new().route(
            "/",
            get(async move |parts: Parts| {
                for scope in [first, second, third] {
                    drop(demand(&parts, &[scope]));
                }
                "done"
            }),
        );
        let answer = ask(app.layer(auth("files:read")), get_with("good")).await;
        match missing {
            Some(scopes) => assert_lacking(&answer, scopes),
            None => assert_eq!(answer.body, "done"),
        }
    }
}

#[tokio::test]
async fn a_demand_that_outlives_its_request_does_no_harm() {
    let handler = Handler::default();
    let service = auth("files:read").layer(handler.clone());
    assert_eq!(send(service.clone(), good()).await.status, 200);
    let old = handler.last().token.unwrap();
    assert_eq!(old.require_scopes(["a"]).unwrap_err().kind(), RejectionKind::InsufficientScope);
    assert!(old.require_scopes(["files:read"]).is_ok());
    assert_eq!(send(service, good()).await.body, "handler", "the next request is another one");
}

#[tokio::test]
async fn demands_of_one_request_are_no_matter_of_another() {
    let app = Router::new()
        .route("/strict", get(async |parts: Parts| demand(&parts, &["files:write"]).map_err(String::from)))
        .route("/", get(async || "in"))
        .layer(
            AuthLayer::builder(knows_good("files:read").cached(CacheLayer::new()))
                .resource(RESOURCE)
                .build()
                .unwrap(),
        );
    for _ in 0..10 {
        let mut strict = get_with("good");
        *strict.uri_mut() = "/strict".parse().unwrap();
        let (strict, free) = tokio::join!(ask(app.clone(), strict), ask(app.clone(), get_with("good")));
        assert_lacking(&strict, "files:write");
        assert_eq!(free.body, "in");
    }
}

#[tokio::test]
async fn without_a_resource_the_answer_of_the_handler_stands() {
    let app = Router::new()
        .route("/", get(async |parts: Parts| demand(&parts, &["files:write"]).map_err(String::from)))
        .layer(AuthLayer::builder(knows_good("files:read")).build().unwrap());
    let answer = ask(app, get_with("good")).await;
    assert_eq!((answer.status.as_u16(), &*answer.body), (200, "the token lacks a scope"));
}

#[tokio::test]
async fn from_the_head_of_a_request_comes_the_token_that_the_layer_admitted() {
    let app = Router::new().route(
        "/",
        get(async |parts: Parts| {
            let token = AccessToken::from_parts(&parts);
            token.map_or_else(|rejection| rejection.to_string(), |token| token.subject().unwrap().to_owned())
        }),
    );
    assert_eq!(ask(app.clone().layer(auth("files:read")), get_with("good")).await.body, "alice");
    let optional = layer("", AuthLayerBuilder::optional);
    let anonymous = Request::get("/").body(Body::empty()).unwrap();
    let none = ask(app.clone().layer(optional), anonymous).await.body;
    let without_layer = ask(app, get_with("good")).await.body;
    assert_eq!(
        (&*none, &*without_layer),
        ("the request carries no bearer token", "the request carries no bearer token")
    );
}

#[cfg(feature = "axum")]
mod axum_handlers {
    use tower_bearer::Rejection;
    use tower_bearer::extract::{RequiredScopes, Scoped};

    use super::*;

    struct Share;

    impl RequiredScopes for Share {
        const ALL: &'static [&'static str] = &["files:write", "files:share"];
    }

    struct Anything;

    impl RequiredScopes for Anything {
        const ALL: &'static [&'static str] = &[];
    }

    struct Offline;

    impl RequiredScopes for Offline {
        const ALL: &'static [&'static str] = &["offline_access", "files:write"];
    }

    pub(super) fn scoped_routes() -> Router {
        Router::new().route(
            "/",
            routing::any(async |Scoped(token, ..): Scoped<Share>| token.subject().unwrap_or("?").to_owned()),
        )
    }

    #[tokio::test]
    async fn an_argument_names_the_scopes_of_its_handler() {
        for (scopes, is_enough) in [
            ("files:read files:share files:write", true),
            ("files:read files:write", false),
            ("files:read", false),
            ("files:read files:write FILES:SHARE", false),
        ] {
            for resource in [true, false] {
                let auth = match resource {
                    true => auth(scopes),
                    false => AuthLayer::builder(knows_good(scopes))
                        .required_scopes(["files:read"])
                        .build()
                        .unwrap(),
                };
                let answer = ask(scoped_routes().layer(auth), get_with("good")).await;
                match (is_enough, resource) {
                    (true, _) => assert_eq!(answer.body, "alice"),
                    (false, true) => assert_lacking(&answer, "files:read files:write files:share"),
                    (false, false) => {
                        assert_eq!((answer.status.as_u16(), &*answer.body), (403, LACKING));
                        let scope = parameter(&answer, "scope").unwrap();
                        assert_eq!(scope, "files:read files:write files:share");
                    }
                }
            }
        }
        let free = Router::new().route("/", routing::any(async |_: Scoped<Anything>| "in"));
        assert_eq!(ask(free.layer(auth("files:read")), get_with("good")).await.body, "in");
    }

    #[tokio::test]
    async fn an_argument_without_a_token_is_a_matter_of_401_and_of_all_scopes() {
        let auth = layer("", |auth| auth.optional().required_scopes(["files:read"]));
        let app = scoped_routes().layer(auth);
        for method in [Method::GET, Method::HEAD, Method::POST] {
            let request = Request::builder().method(method).uri("/").body(Body::empty()).unwrap();
            let answer = ask(app.clone(), request).await;
            assert_eq!((answer.status.as_u16(), &*answer.body), (401, ""));
            let expected = format!(
                "Bearer scope=\"files:read files:write files:share\", resource_metadata=\"{METADATA}\""
            );
            assert_eq!(answer.field("www-authenticate"), expected);
        }
    }

    #[tokio::test]
    async fn an_argument_that_is_refused_has_the_form_of_the_layer() {
        let hooked = layer("", |auth| {
            auth.rejection_body(|rejection| Some(RejectionBody::json(&json!(rejection.reason()))))
        });
        let answer = ask(scoped_routes().layer(hooked), get_with("good")).await;
        assert_eq!((answer.status.as_u16(), &*answer.body), (403, "\"insufficient_scope\""));
        let mut call = get_with("good");
        *call.method_mut() = Method::POST;
        call.headers_mut().insert("content-type", HeaderValue::from_static("application/grpc"));
        let answer = ask(scoped_routes().layer(layer("", AuthLayerBuilder::grpc)), call).await;
        assert_eq!((answer.status.as_u16(), answer.field("grpc-status")), (200, "7"));
    }

    #[tokio::test]
    async fn an_argument_asks_for_offline_access_in_no_challenge() {
        let app =
            Router::new().route("/", routing::any(async |_: Scoped<Offline>| "in")).layer(auth("files:read"));
        assert_lacking(&ask(app, get_with("good")).await, "files:read files:write");
    }

    #[tokio::test]
    async fn a_rejection_is_the_right_answer_of_a_handler_with_and_without_a_resource() {
        let app = || {
            Router::new().route(
                "/",
                get(async |token: AccessToken| {
                    token.require_scopes(["files:write"])?;
                    Ok::<_, Rejection>("done")
                }),
            )
        };
        assert_lacking(
            &ask(app().layer(auth("files:read")), get_with("good")).await,
            "files:read files:write",
        );
        let auth =
            AuthLayer::builder(knows_good("files:read")).required_scopes(["files:read"]).build().unwrap();
        let answer = ask(app().layer(auth), get_with("good")).await;
        assert_eq!((answer.status.as_u16(), &*answer.body), (403, LACKING));
        let expected = "Bearer error=\"insufficient_scope\", scope=\"files:read files:write\", \
                        error_description=\"Additional scope is required\"";
        assert_eq!(answer.field("www-authenticate"), expected);
        assert_eq!(answer.field("cache-control"), "no-store");
        assert_eq!(answer.kind(), Some(RejectionKind::InsufficientScope));
        assert_eq!(
            ask(app().layer(super::auth("files:read files:write")), get_with("good")).await.body,
            "done"
        );
    }

    #[tokio::test]
    async fn a_handler_that_misses_a_token_answers_with_the_challenge_of_the_layer() {
        let app = Router::new().route(
            "/",
            get(async |parts: Parts| {
                AccessToken::from_parts(&parts)?.require_scopes(["files:write"])?;
                Ok::<_, Rejection>("done")
            }),
        );
        let auth = layer("", |auth| auth.optional().required_scopes(["files:read"]));
        let answer = ask(app.layer(auth), Request::get("/").body(Body::empty()).unwrap()).await;
        assert_eq!((answer.status.as_u16(), &*answer.body), (401, ""));
        let expected = format!("Bearer scope=\"files:read\", resource_metadata=\"{METADATA}\"");
        assert_eq!(answer.field("www-authenticate"), expected);
    }
}

#[cfg(feature = "axum")]
use axum_handlers::scoped_routes;

#[tokio::test]
async fn the_longest_challenge_of_a_layer_still_fits_through_proxies() {
    let longest = "x".repeat(1_900);
    let auth = AuthLayer::builder(knows_good("")).resource(format!("https://h/{}", "p".repeat(1_890)));
    let auth = auth.challenge_scopes([&longest]).build().unwrap();
    for line in ["Basic eDp5", "Bearer bad", "Bearer a b"] {
        let mut request = bare();
        request.headers_mut().insert("authorization", HeaderValue::from_static(line));
        let (answer, _) = answer(&auth, &claims_rule(), request).await;
        assert_eq!(parameter(&answer, "scope").as_ref(), Some(&longest));
        assert!(answer.field("www-authenticate").len() <= 4_096, "{line}");
    }
}

#[test]
fn the_challenge_of_a_handler_that_demands_without_end_has_an_end() {
    let scopes: Vec<String> = (0..10_000).map(|number| format!("scope-{number}")).collect();
    let token = AccessToken::verified().subject("alice").build();
    let rejection = token.require_scopes(&scopes).unwrap_err();
    assert_eq!(rejection.kind(), RejectionKind::InsufficientScope);
    assert!(format!("{rejection:?}").len() < 4_096);
    assert!(token.require_scopes(&scopes[..1]).is_err());
}
