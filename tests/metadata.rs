//! The metadata of a resource, through all that serve them: where they are, what they say, and who may read them.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]
#![allow(clippy::indexing_slicing, reason = "a test fails by panicking")]

mod common;

use std::collections::BTreeSet;
use std::convert::Infallible;
use std::future::{Future, pending};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::routing::{any, get, post};
use common::{Answer, Counting, Handler, Untouchable, parse_challenge};
use http::{Method, Request};
use proptest::prelude::*;
use serde::de::{Deserialize, Deserializer, Error as _, MapAccess, Visitor};
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tower::util::BoxCloneService;
use tower::{Layer, Service, ServiceBuilder, ServiceExt};
use tower_bearer::error::{BuildErrorKind, RejectionKind, VerifyErrorKind};
use tower_bearer::metadata::{MetadataLayer, MetadataService, ProtectedResourceMetadataBuilder};
use tower_bearer::middleware::AuthLayerBuilder;
use tower_bearer::verifier::{AnyOf, ByPrefix, StaticTokens, Verdict};
use tower_bearer::{
    AccessToken, AuthLayer, BearerToken, BuildError, CacheLayer, ProtectedResourceMetadata, ScopeSet,
    TokenVerifier, VerifyError,
};
use tower_test::mock;

const RESOURCE: &str = "https://mcp.example.com/mcp";
const ISSUER: &str = "https://as.example.com";
const ROOT: &str = "/.well-known/oauth-protected-resource";
const PLACE: &str = "/.well-known/oauth-protected-resource/mcp";
const F10: &str = r#"{"resource":"https://mcp.example.com/mcp","authorization_servers":["https://as.example.com"],"scopes_supported":["files:read","files:write"],"bearer_methods_supported":["header"],"resource_name":"Example MCP"}"#;

/// Whoever serves metadata, with a handler behind it if it has room for one.
type Server = BoxCloneService<Request<Untouchable>, Answer, Infallible>;

fn builder(verifier: Counting) -> AuthLayerBuilder<Counting> {
    AuthLayer::builder(verifier)
        .resource(RESOURCE)
        .required_scopes(["files:read"])
        .scopes_supported(["files:read", "files:write"])
        .describe_resource(|about| about.resource_name("Example MCP"))
}

fn of(resource: &str) -> ProtectedResourceMetadata {
    about(resource).build().unwrap()
}

fn about(resource: &str) -> ProtectedResourceMetadataBuilder {
    ProtectedResourceMetadata::builder(resource).authorization_servers([ISSUER])
}

fn layer_of(resource: &str) -> AuthLayer<Counting> {
    AuthLayer::builder(Counting::knows_good("")).resource(resource).build().unwrap()
}

fn server<S, B>(service: S) -> Server
where
    S: Service<Request<Untouchable>, Response = http::Response<B>, Error = Infallible>,
    S: Clone + Send + 'static,
    S::Future: Send,
    B: http_body::Body + Send + 'static,
    B::Data: Send,
    B::Error: std::fmt::Debug,
{
    BoxCloneService::new(service.and_then(async |response| Ok(Answer::read(response).await)))
}

/// The same metadata by everything that can serve them.
fn servers<V: TokenVerifier + 'static>(auth: &AuthLayer<V>) -> [(&'static str, Server); 4] {
    let metadata = || [auth.metadata().unwrap().clone()];
    [
        ("AuthLayer", server(auth.layer(Handler::default()))),
        ("MetadataService", server(MetadataService::new(metadata()).unwrap())),
        ("MetadataLayer", server(MetadataLayer::new(metadata()).unwrap().layer(Handler::default()))),
        ("metadata_layer", server(auth.metadata_layer().layer(Handler::default()))),
    ]
}

fn ask(path: &str) -> Request<Untouchable> {
    Request::get(path).body(Untouchable).unwrap()
}

async fn send(server: &Server, request: Request<Untouchable>) -> Answer {
    server.clone().oneshot(request).await.unwrap()
}

fn names(answer: &Answer) -> BTreeSet<&str> {
    answer.headers.keys().map(http::HeaderName::as_str).collect()
}

fn assert_document(answer: &Answer, document: &str, who: &str) {
    assert_eq!((answer.status.as_u16(), &*answer.body), (200, document), "{who}");
    for (name, value) in [
        ("content-type", "application/json"),
        ("content-length", &*document.len().to_string()),
        ("cache-control", "public, max-age=3600"),
        ("access-control-allow-origin", "*"),
        ("x-content-type-options", "nosniff"),
    ] {
        assert_eq!(answer.field(name), value, "{who} {name}");
    }
    assert_eq!(answer.headers.len(), 5, "{who}: nothing else in the header");
    assert_eq!((answer.kind(), answer.has_token), (None, false), "{who}");
}

/// The members of a JSON object, of which each may be there once.
struct Strict(Vec<(String, Value)>);

impl<'de> Deserialize<'de> for Strict {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Object;
        impl<'de> Visitor<'de> for Object {
            type Value = Strict;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Strict, A::Error> {
                let mut members: Vec<(String, Value)> = Vec::new();
                while let Some((name, value)) = map.next_entry::<String, Value>()? {
                    if members.iter().any(|(own, _)| *own == name) {
                        return Err(A::Error::custom("a name stands there twice"));
                    }
                    members.push((name, value));
                }
                Ok(Strict(members))
            }
        }
        deserializer.deserialize_map(Object)
    }
}

fn members(json: &[u8]) -> Vec<(String, Value)> {
    assert_eq!(json.first(), Some(&b'{'), "no mark before it");
    serde_json::from_slice::<Strict>(json).unwrap().0
}

fn member(json: &[u8], name: &str) -> Option<Value> {
    members(json).into_iter().find(|(own, _)| own == name).map(|(_, value)| value)
}

/// The texts of a list.
fn texts(json: &[u8], name: &str) -> Vec<String> {
    let list = member(json, name);
    let list = list.iter().flat_map(|list| list.as_array().unwrap());
    list.map(|text| text.as_str().unwrap().to_owned()).collect()
}

// What the document says.

#[tokio::test]
async fn the_document_is_the_expected_one_byte_for_byte_whoever_serves_it() {
    let verifier = Counting::knows_good("");
    let auth = builder(verifier.clone()).build().unwrap();
    for (who, server) in servers(&auth) {
        assert_document(&send(&server, ask(PLACE)).await, F10, who);
    }
    assert_eq!(auth.metadata().unwrap().json(), F10.as_bytes());
    assert_eq!(auth.metadata().unwrap().resource(), RESOURCE);
    assert_eq!(verifier.calls(), 0);
}

#[test]
fn all_that_can_be_said_stands_in_a_fixed_order() {
    let metadata = about(RESOURCE)
        .resource_tos_uri("https://mcp.example.com/terms")
        .resource_policy_uri("https://mcp.example.com/policy")
        .resource_documentation("https://mcp.example.com/docs?a=b")
        .resource_name("Dateien \u{201e}hier\u{201c} \"x\" \\ \u{1f980}")
        .scopes_supported(["b", "a", "b"])
        .authorization_servers(["https://b", "https://a/", "https://b"])
        .build()
        .unwrap();
    let names: Vec<_> = members(metadata.json()).into_iter().map(|(name, _)| name).collect();
    assert_eq!(
        names,
        [
            "resource",
            "authorization_servers",
            "scopes_supported",
            "bearer_methods_supported",
            "resource_name",
            "resource_documentation",
            "resource_policy_uri",
            "resource_tos_uri",
        ]
    );
    assert_eq!(texts(metadata.json(), "authorization_servers"), ["https://b", "https://a/"]);
    assert_eq!(texts(metadata.json(), "scopes_supported"), ["b", "a"]);
    let name = member(metadata.json(), "resource_name").unwrap();
    assert_eq!(name, "Dateien \u{201e}hier\u{201c} \"x\" \\ \u{1f980}");
}

#[test]
fn what_is_empty_is_left_out_and_so_is_what_is_not_enforced() {
    let metadata = of(RESOURCE);
    let expected = r#"{"resource":"https://mcp.example.com/mcp","authorization_servers":["https://as.example.com"],"bearer_methods_supported":["header"]}"#;
    assert_eq!(std::str::from_utf8(metadata.json()).unwrap(), expected);
    let metadata = about(RESOURCE).scopes_supported(["offline_access"]).build().unwrap();
    assert_eq!(std::str::from_utf8(metadata.json()).unwrap(), expected);
}

#[test]
fn resource_and_issuers_are_kept_byte_for_byte() {
    for resource in [
        "https://h",
        "https://h/",
        "https://h/mcp/",
        "https://H.Example.com:443/Mcp",
        "HTTPS://h/a",
        "https://h/a%2Fb/%C3%A4",
        "https://h/a?b=c&d=%20",
        "https://h?x=1",
        "http://127.0.0.1:3000/mcp",
        "http://[::1]/mcp",
    ] {
        let metadata = about(resource).authorization_servers([resource]).build().unwrap();
        assert_eq!(metadata.resource(), resource);
        assert_eq!(member(metadata.json(), "resource").unwrap(), resource);
        assert_eq!(texts(metadata.json(), "authorization_servers"), [resource]);
    }
}

fn text() -> impl Strategy<Value = String> {
    "\\PC{1,40}".prop_filter("a name", |name| !name.trim().is_empty())
}

proptest! {
    #[test]
    fn every_document_is_strict_json_and_says_what_was_given(
        path in "(/[a-zA-Z0-9._~!$&'()*+,;=:@-]{1,9}){0,4}/?",
        issuers in proptest::collection::vec("https://[a-z]{1,9}\\.example(/[a-z0-9]{1,9}){0,2}/?", 1..5),
        scopes in proptest::collection::vec("[!#-\\[\\]-~]{1,20}", 0..6),
        name in proptest::option::of(text()),
    ) {
        prop_assume!(!path.split('/').any(|segment| matches!(segment, "." | "..")));
        let resource = format!("https://mcp.example.com{path}");
        let metadata = about(&resource).authorization_servers(&issuers).scopes_supported(&scopes);
        let metadata = name.iter().fold(metadata, |metadata, name| metadata.resource_name(name));
        let json = metadata.build().unwrap().json().to_vec();
        prop_assert_eq!(member(&json, "resource").unwrap(), resource);
        let mut once: Vec<String> = Vec::new();
        issuers.into_iter().for_each(|issuer| if !once.contains(&issuer) { once.push(issuer) });
        prop_assert_eq!(texts(&json, "authorization_servers"), once);
        let scopes = ScopeSet::from_iter(scopes.iter().filter(|scope| *scope != "offline_access"));
        prop_assert_eq!(texts(&json, "scopes_supported"), scopes.iter().collect::<Vec<_>>());
        prop_assert_eq!(member(&json, "scopes_supported").is_some(), !scopes.is_empty());
        prop_assert_eq!(member(&json, "resource_name"), name.map(Value::from));
        prop_assert_eq!(texts(&json, "bearer_methods_supported"), ["header"]);
    }
}

#[tokio::test]
async fn offline_access_is_between_the_client_and_its_provider() {
    let auth = AuthLayer::builder(Counting::knows_good("files:read"))
        .resource(RESOURCE)
        .required_scopes(["offline_access", "files:read"]);
    let auth = auth.build().unwrap();
    let servers = servers(&auth);
    let document = send(&servers[0].1, ask(PLACE)).await;
    assert_eq!(texts(document.body.as_bytes(), "scopes_supported"), ["files:read"]);
    for line in [None, Some("Bearer bad"), Some("Bearer good"), Some("Bearer a b")] {
        let mut request = ask("/mcp");
        line.map(|line| request.headers_mut().insert("authorization", line.parse().unwrap()));
        let answer = send(&servers[0].1, request).await;
        let (_, parameters) = parse_challenge(answer.field("www-authenticate")).unwrap();
        assert!(parameters.contains(&("scope".to_owned(), "files:read".to_owned())), "{line:?}");
    }
    // It is still required: who requires it of tokens knows why.
    let mut request = ask("/mcp");
    request.headers_mut().insert("authorization", "Bearer good".parse().unwrap());
    assert_eq!(send(&servers[0].1, request).await.status, 403);
}

#[tokio::test]
async fn what_clients_ask_for_what_tokens_need_and_what_there_is_are_three_things() {
    type Set = fn(AuthLayerBuilder<Counting>) -> AuthLayerBuilder<Counting>;
    let setters: [(Set, &str, &[&str]); 4] = [
        (|auth| auth.required_scopes(["read"]), "read", &["read"]),
        (
            |auth| auth.required_scopes(["read"]).challenge_scopes(["api://x/read"]),
            "api://x/read",
            &["api://x/read"],
        ),
        (
            |auth| {
                auth.required_scopes(["read"]).challenge_scopes(["api://x/read"]).scopes_supported(["all"])
            },
            "api://x/read",
            &["all"],
        ),
        (|auth| auth.required_scopes(["read"]).scopes_supported([""; 0]), "read", &[]),
    ];
    for (set, challenge, supported) in setters {
        let auth = AuthLayer::builder(Counting::knows_good("read")).resource(RESOURCE);
        let auth = set(auth).build().unwrap();
        assert_eq!(texts(auth.metadata().unwrap().json(), "scopes_supported"), supported);
        let server = server(auth.layer(Handler::default()));
        let (_, parameters) =
            parse_challenge(send(&server, ask("/mcp")).await.field("www-authenticate")).unwrap();
        assert_eq!(parameters[0], ("scope".to_owned(), challenge.to_owned()));
        let mut request = ask("/mcp");
        request.headers_mut().insert("authorization", "Bearer good".parse().unwrap());
        assert_eq!(send(&server, request).await.status, 200, "what the token needs is something else");
    }
}

// Where it is.

#[tokio::test]
async fn the_well_known_path_stands_between_the_host_and_the_path_of_the_resource() {
    for (resource, url, path) in [
        ("https://h", "https://h/.well-known/oauth-protected-resource", ROOT),
        ("https://h/", "https://h/.well-known/oauth-protected-resource", ROOT),
        ("https://h?a=b", "https://h/.well-known/oauth-protected-resource?a=b", &format!("{ROOT}?a=b")),
        ("https://h/?a=b", "https://h/.well-known/oauth-protected-resource?a=b", &format!("{ROOT}?a=b")),
        ("https://h/mcp", "https://h/.well-known/oauth-protected-resource/mcp", PLACE),
        ("https://h/mcp/", "https://h/.well-known/oauth-protected-resource/mcp/", &format!("{PLACE}/")),
        (
            "https://h:8443/a/b/c/mcp?x=1&y=%2F",
            "https://h:8443/.well-known/oauth-protected-resource/a/b/c/mcp?x=1&y=%2F",
            &format!("{ROOT}/a/b/c/mcp?x=1&y=%2F"),
        ),
        ("http://[::1]:3000/mcp", "http://[::1]:3000/.well-known/oauth-protected-resource/mcp", PLACE),
    ] {
        let auth = layer_of(resource);
        assert_eq!(auth.metadata().unwrap().url(), url);
        for (who, server) in servers(&auth) {
            let answer = send(&server, ask(path)).await;
            assert_eq!(answer.status, 200, "{who} {resource}");
            assert_eq!(member(answer.body.as_bytes(), "resource").unwrap(), resource, "{who}");
        }
        let answer = send(&server(auth.layer(Handler::default())), ask("/")).await;
        let expected = format!("Bearer resource_metadata=\"{url}\"");
        assert_eq!(answer.field("www-authenticate"), expected, "the challenge leads there");
    }
}

#[tokio::test]
async fn a_slash_at_the_end_makes_no_difference_and_no_redirect() {
    for resource in
        ["https://h/mcp", "https://h/mcp/", "https://h/a/b", "https://h/a/b/", "https://h", "https://h/"]
    {
        let path = resource.strip_prefix("https://h").unwrap().trim_end_matches('/');
        let auth = layer_of(resource);
        for (who, server) in servers(&auth) {
            let with = send(&server, ask(&format!("{ROOT}{path}/"))).await;
            let without = send(&server, ask(&format!("{ROOT}{path}"))).await;
            assert_eq!((with.status.as_u16(), without.status.as_u16()), (200, 200), "{who} {resource}");
            assert_eq!(with.body, without.body);
            assert_eq!(member(with.body.as_bytes(), "resource").unwrap(), resource);
            let two = send(&server, ask(&format!("{ROOT}{path}//"))).await;
            assert!(!two.body.starts_with("{\"resource\""), "{who}: two slashes are another path");
        }
    }
}

#[tokio::test]
async fn the_document_of_a_single_resource_is_at_the_root_too() {
    let auth = builder(Counting::knows_good("")).build().unwrap();
    for (who, server) in servers(&auth) {
        for path in [ROOT, &format!("{ROOT}/"), &format!("{ROOT}?from=cache")] {
            assert_document(&send(&server, ask(path)).await, F10, who);
        }
    }
    let auth = layer_of("https://h/mcp?tenant=a");
    for (who, server) in servers(&auth) {
        let answer = send(&server, ask(ROOT)).await;
        assert_eq!(member(answer.body.as_bytes(), "resource").unwrap(), "https://h/mcp?tenant=a", "{who}");
    }
}

#[tokio::test]
async fn of_several_resources_each_has_its_own_document_and_nothing_leaks() {
    let all =
        ["https://h/a/mcp", "https://h/b/mcp", "https://h/a", "https://h/a/mcp?x=1", "https://h/a/mcp?x=2"];
    let metadata = || all.map(of);
    let service = server(MetadataService::new(metadata()).unwrap());
    let layer = server(MetadataLayer::new(metadata()).unwrap().layer(Handler::default()));
    for (path, resource) in [
        ("/a/mcp", Some("https://h/a/mcp")),
        ("/a/mcp/", Some("https://h/a/mcp")),
        ("/a/mcp?x=3", Some("https://h/a/mcp")),
        ("/a/mcp?x=1", Some("https://h/a/mcp?x=1")),
        ("/a/mcp/?x=2", Some("https://h/a/mcp?x=2")),
        ("/b/mcp", Some("https://h/b/mcp")),
        ("/b/mcp?x=1", Some("https://h/b/mcp")),
        ("/a", Some("https://h/a")),
        ("/a/", Some("https://h/a")),
        ("", None),
        ("/", None),
        ("/b", None),
        ("/mcp", None),
        ("/a/mcp/mcp", None),
        ("/a/mc", None),
        ("/A/mcp", None),
    ] {
        let path = format!("{ROOT}{path}");
        for (who, server) in [("service", &service), ("layer", &layer)] {
            let answer = send(server, ask(&path)).await;
            match (resource, who) {
                (Some(resource), _) => {
                    assert_eq!(answer.status, 200, "{who} {path}");
                    assert_eq!(member(answer.body.as_bytes(), "resource").unwrap(), resource, "{who} {path}");
                }
                (None, "service") => assert_eq!((answer.status.as_u16(), &*answer.body), (404, ""), "{path}"),
                (None, _) => assert_eq!(answer.body, "handler", "{path}"),
            }
        }
    }
    // A resource at the root has the document there, whoever else there is.
    let service = server(MetadataService::new([of("https://h/"), of("https://h/a")]).unwrap());
    for (path, resource) in [(ROOT.to_owned(), "https://h/"), (format!("{ROOT}/a"), "https://h/a")] {
        let answer = send(&service, ask(&path)).await;
        assert_eq!(member(answer.body.as_bytes(), "resource").unwrap(), resource);
    }
}

/// What begins like the well-known path, and asks for something that is not there.
const UNKNOWN: [&str; 14] = [
    "/other",
    "/mc",
    "/mcpx",
    "/mcp/x",
    "//mcp",
    "/mcp//",
    "/MCP",
    "/m%63p",
    "/%6dcp",
    "/mcp%2F",
    "/mcp%00",
    "/mcp;v=1",
    "/mcp/.",
    "/x/../mcp",
];

/// What only looks like the well-known path.
const LOOKALIKES: [&str; 12] = [
    "/.well-known/oauth-protected-resourcex",
    "/.well-known/oauth-protected-resource-mcp",
    "/.well-known/oauth-protected-resource%2Fmcp",
    "/.well-known/oauth-protected-resource;/mcp",
    "/.well-known/oauth-protected-resourc",
    "/.well-known/oauth-protected%2Dresource/mcp",
    "/.well-known%2Foauth-protected-resource/mcp",
    "/%2Ewell-known/oauth-protected-resource/mcp",
    "/.Well-Known/oauth-protected-resource/mcp",
    "//.well-known/oauth-protected-resource/mcp",
    "/x/.well-known/oauth-protected-resource/mcp",
    "/mcp/.well-known/oauth-protected-resource",
];

#[tokio::test]
async fn another_suffix_is_not_found_and_never_a_matter_of_tokens() {
    let auth = builder(Counting::knows_good("")).build().unwrap();
    for (who, server) in servers(&auth) {
        for path in UNKNOWN {
            for token in [None, Some("Bearer good"), Some("Bearer bad")] {
                let mut request = ask(&format!("{ROOT}{path}"));
                token.map(|token| request.headers_mut().insert("authorization", token.parse().unwrap()));
                let answer = send(&server, request).await;
                if who.to_lowercase().contains("layer") && who != "AuthLayer" {
                    assert_eq!((answer.status.as_u16(), &*answer.body), (200, "handler"), "{who} {path}");
                    continue;
                }
                assert_eq!((answer.status.as_u16(), &*answer.body), (404, ""), "{who} {path}");
                assert_eq!(names(&answer), ["access-control-allow-origin", "content-length"].into());
                assert_eq!(answer.field("content-length"), "0");
            }
        }
    }
}

#[tokio::test]
async fn what_only_looks_like_the_path_is_protected_like_everything_else() {
    let verifier = Counting::knows_good("");
    let auth = builder(verifier.clone()).build().unwrap();
    for (who, server) in servers(&auth) {
        for path in LOOKALIKES {
            let answer = send(&server, ask(path)).await;
            match who {
                "AuthLayer" => {
                    assert_eq!(answer.kind(), Some(RejectionKind::MissingToken), "{path}");
                    assert_eq!(answer.status, 401, "{path}");
                }
                "MetadataService" => assert_eq!((answer.status.as_u16(), &*answer.body), (404, ""), "{path}"),
                _ => assert_eq!((answer.status.as_u16(), &*answer.body), (200, "handler"), "{who} {path}"),
            }
        }
    }
}

#[tokio::test]
async fn nothing_that_a_request_says_of_its_host_matters() {
    let auth = builder(Counting::knows_good("")).build().unwrap();
    for (who, server) in servers(&auth) {
        for (name, value) in [
            ("host", "evil.example"),
            ("x-forwarded-host", "evil.example"),
            ("x-forwarded-proto", "http"),
            ("x-forwarded-prefix", "/evil"),
            ("forwarded", "host=evil.example;proto=http"),
            ("x-original-url", "/evil"),
            ("x-rewrite-url", "/evil"),
        ] {
            let mut request = ask(PLACE);
            request.headers_mut().insert(name, value.parse().unwrap());
            assert_document(&send(&server, request).await, F10, who);
        }
        assert_document(&send(&server, ask(&format!("http://evil.example{PLACE}"))).await, F10, who);
        if who == "AuthLayer" {
            let mut request = ask("https://evil.example/mcp");
            request.headers_mut().insert("host", "evil.example".parse().unwrap());
            let answer = send(&server, request).await;
            let expected = format!("resource_metadata=\"https://mcp.example.com{PLACE}\"");
            assert!(answer.field("www-authenticate").contains(&expected));
        }
    }
}

// Who may read it, and how.

#[tokio::test]
async fn each_method_has_its_answer() {
    let auth = builder(Counting::knows_good("")).build().unwrap();
    for (who, server) in servers(&auth) {
        for path in [PLACE, ROOT, &format!("{PLACE}/")] {
            let send = async |method: &str| {
                let mut request = ask(path);
                *request.method_mut() = method.parse().unwrap();
                send(&server, request).await
            };
            let get = send("GET").await;
            assert_document(&get, F10, who);

            let head = send("HEAD").await;
            assert_eq!((head.status, &head.headers, &*head.body), (get.status, &get.headers, ""), "{who}");

            let options = send("OPTIONS").await;
            assert_eq!((options.status.as_u16(), &*options.body), (204, ""), "{who}");
            assert_eq!(options.field("allow"), "GET, HEAD, OPTIONS");
            assert_eq!(options.field("access-control-allow-origin"), "*");
            assert_eq!(options.field("content-length"), "", "RFC 9110 §8.6");

            for method in ["POST", "PUT", "PATCH", "DELETE", "TRACE", "CONNECT", "PROPFIND", "get"] {
                let answer = send(method).await;
                assert_eq!((answer.status.as_u16(), &*answer.body), (405, ""), "{who} {method}");
                assert_eq!(answer.field("allow"), "GET, HEAD, OPTIONS");
                let expected = ["access-control-allow-origin", "allow", "content-length"];
                assert_eq!(names(&answer), expected.into(), "{who} {method}");
            }
        }
    }
}

#[tokio::test]
async fn a_browser_may_read_it_from_wherever_it_is_with_whatever_header_it_sends() {
    let auth = builder(Counting::knows_good("")).build().unwrap();
    for (who, server) in servers(&auth) {
        let preflight = |fields: &str| {
            Request::options(PLACE)
                .header("origin", "https://app.example.com")
                .header("access-control-request-method", "GET")
                .header("access-control-request-headers", fields)
                .body(Untouchable)
                .unwrap()
        };
        let fields = "mcp-protocol-version, authorization,x-anything";
        let answer = send(&server, preflight(fields)).await;
        assert_eq!((answer.status.as_u16(), &*answer.body), (204, ""), "{who}");
        for (name, value) in [
            ("access-control-allow-origin", "*"),
            ("access-control-allow-methods", "GET, HEAD, OPTIONS"),
            ("access-control-allow-headers", fields),
            ("access-control-max-age", "3600"),
            ("allow", "GET, HEAD, OPTIONS"),
            ("vary", "access-control-request-headers"),
        ] {
            assert_eq!(answer.field(name), value, "{who} {name}");
        }
        assert_eq!(answer.headers.len(), 6, "{who}: above all no leave to send credentials");
        let longest = "x".repeat(1_024);
        assert_eq!(send(&server, preflight(&longest)).await.field("access-control-allow-headers"), longest);
        let answer = send(&server, preflight(&"x".repeat(1_025))).await;
        assert_eq!((answer.status.as_u16(), answer.field("access-control-allow-headers")), (204, ""));
        // Every other answer can be read as well.
        for method in [Method::GET, Method::HEAD, Method::POST, Method::OPTIONS] {
            let mut request = ask(PLACE);
            *request.method_mut() = method;
            request.headers_mut().insert("origin", "https://app.example.com".parse().unwrap());
            let answer = send(&server, request).await;
            assert_eq!(answer.field("access-control-allow-origin"), "*", "{who}");
            assert!(!answer.headers.contains_key("access-control-allow-credentials"), "{who}");
        }
    }
}

/// Is never heard of again.
struct Hanging;

impl TokenVerifier for Hanging {
    fn verify(&self, _: &BearerToken) -> impl Future<Output = Verdict> + Send {
        pending()
    }

    fn issuers(&self) -> Vec<Arc<str>> {
        vec![ISSUER.into()]
    }
}

#[tokio::test]
async fn the_verifier_has_nothing_to_do_with_it() {
    let down = || Counting::new(|_| Err(VerifyError::unavailable("down")));
    let panicking = || Counting::new(|_| panic!("not today"));
    for verifier in [down(), panicking(), Counting::knows_good("")] {
        let auth = builder(verifier.clone()).build().unwrap();
        for (who, server) in servers(&auth) {
            for line in ["", "Bearer good", "Bearer bad", "Bearer", "Bearer a b", "Basic eDp5", "\u{e4}"] {
                let mut request = ask(PLACE);
                if !line.is_empty() {
                    let value = http::HeaderValue::from_bytes(line.as_bytes()).unwrap();
                    request.headers_mut().append("authorization", value.clone());
                    request.headers_mut().append("authorization", value);
                }
                assert_document(&send(&server, request).await, F10, who);
            }
        }
        assert_eq!(verifier.calls(), 0);
    }
    let auth = AuthLayer::builder(Hanging).resource(RESOURCE).optional().build().unwrap();
    for (who, server) in servers(&auth) {
        let mut request = ask(PLACE);
        request.headers_mut().insert("authorization", "Bearer good".parse().unwrap());
        assert_eq!(send(&server, request).await.status, 200, "{who}");
    }
}

#[tokio::test]
async fn a_content_type_of_grpc_changes_nothing() {
    let auth = builder(Counting::knows_good("")).grpc().build().unwrap();
    for (who, server) in servers(&auth) {
        for content_type in ["application/grpc", "application/grpc-web+proto"] {
            for (method, status) in [(Method::GET, 200), (Method::POST, 405)] {
                let mut request = ask(PLACE);
                *request.method_mut() = method;
                request.headers_mut().insert("content-type", content_type.parse().unwrap());
                let answer = send(&server, request).await;
                assert_eq!(answer.status, status, "{who}");
                assert!(!answer.headers.contains_key("grpc-status"), "{who}");
            }
        }
    }
}

#[tokio::test]
async fn a_hook_for_rejections_has_no_say_in_it() {
    let auth = builder(Counting::knows_good("")).rejection_body(|_| panic!("not today")).build().unwrap();
    for (who, server) in servers(&auth) {
        assert_document(&send(&server, ask(PLACE)).await, F10, who);
    }
}

// The issuers.

/// Knows these issuers, and no token.
fn knowing(issuers: &'static [&'static str]) -> Knowing {
    Knowing(issuers)
}

#[derive(Clone)]
struct Knowing(&'static [&'static str]);

impl TokenVerifier for Knowing {
    async fn verify(&self, _: &BearerToken) -> Verdict {
        Err(VerifyErrorKind::Inactive.into())
    }

    fn issuers(&self) -> Vec<Arc<str>> {
        self.0.iter().map(|issuer| Arc::from(*issuer)).collect()
    }
}

fn issuers_of(verifier: impl TokenVerifier + 'static) -> Vec<String> {
    let auth = AuthLayer::builder(verifier).resource(RESOURCE).build().unwrap();
    texts(auth.metadata().unwrap().json(), "authorization_servers")
}

#[test]
fn the_issuers_are_those_of_all_verifiers_in_their_order_and_each_once() {
    let (a, b) =
        (|| knowing(&["https://a", "https://shared"]), || knowing(&["https://b/", "https://shared"]));
    let all = ["https://a", "https://shared", "https://b/"];
    assert_eq!(issuers_of(a()), ["https://a", "https://shared"]);
    assert_eq!(issuers_of(a().or(b())), all);
    assert_eq!(issuers_of(b().or(a())), ["https://b/", "https://shared", "https://a"]);
    assert_eq!(issuers_of(AnyOf::new([a().boxed(), b().boxed()]).unwrap()), all);
    assert_eq!(issuers_of(ByPrefix::new([("a_", a().boxed()), ("b_", b().boxed())]).unwrap()).len(), 3);
    assert_eq!(issuers_of(a().or(b()).cached(CacheLayer::new())), all);
    assert_eq!(issuers_of(a().cached(CacheLayer::new()).or(b().cached(CacheLayer::new()))), all);
    assert_eq!(
        issuers_of(a().or(b()).map_claims(|token, _| token).timeout(Duration::from_secs(1)).boxed()),
        all
    );
    let tokens = StaticTokens::new([("0123456789abcdef0123456789abcdef", AccessToken::verified().build())]);
    assert_eq!(issuers_of(tokens.unwrap().or(b())), ["https://b/", "https://shared"]);
}

#[test]
fn a_name_that_is_no_address_leads_no_client_anywhere() {
    let names =
        &["my-issuer", "https://a", "http://a.internal", "urn:issuer", "https://a/#x", "", "https://b?c=d"];
    assert_eq!(issuers_of(knowing(names)), ["https://a", "https://b?c=d"]);
    let auth = AuthLayer::builder(knowing(&["my-issuer"])).resource(RESOURCE).build();
    let error = auth.unwrap_err();
    assert_eq!((error.setting(), error.kind()), ("authorization_servers", BuildErrorKind::Missing));
}

#[test]
fn issuers_that_are_named_replace_those_of_the_verifier() {
    let auth = AuthLayer::builder(knowing(&["https://a"])).resource(RESOURCE);
    let auth = auth.authorization_servers(["https://y", "https://x", "https://y"]).build().unwrap();
    assert_eq!(texts(auth.metadata().unwrap().json(), "authorization_servers"), ["https://y", "https://x"]);
    // A verifier that knows none is enough then.
    let auth = AuthLayer::builder(knowing(&[])).resource(RESOURCE).authorization_servers([ISSUER]).build();
    assert_eq!(texts(auth.unwrap().metadata().unwrap().json(), "authorization_servers"), [ISSUER]);
}

#[cfg(all(
    feature = "github",
    feature = "introspection",
    feature = "jwt",
    feature = "reqwest",
    any(feature = "aws-lc-rs", feature = "rust-crypto")
))]
#[test]
fn every_verifier_of_this_crate_knows_its_issuers() {
    use tower_bearer::verifier::{ByIssuer, TokenInfoVerifier, UserInfoVerifier};
    use tower_bearer::{GitHubVerifier, IntrospectionVerifier, JwtVerifier};

    let jwt = |issuer: &str| JwtVerifier::builder(issuer, RESOURCE).hmac_secret([7; 32]);
    let introspection = IntrospectionVerifier::builder("https://i.example/realm/", RESOURCE)
        .endpoint("https://i.example/introspect")
        .client_secret_basic("api", "a-secret-of-enough-length-1234567890");
    let introspection = introspection.build().unwrap();
    let github = GitHubVerifier::builder("Iv1.0123456789abcdef", "0123456789abcdef0123456789abcdef01234567");
    let github = github.build().unwrap();
    let userinfo = UserInfoVerifier::builder("https://u.example").endpoint("https://u.example/userinfo");
    let userinfo = userinfo.insecure_allow_any_audience().build().unwrap();
    let google = TokenInfoVerifier::builder("client.apps.googleusercontent.com").build().unwrap();

    assert_eq!(issuers_of(jwt("https://j.example/").build().unwrap()), ["https://j.example/"]);
    assert_eq!(issuers_of(introspection.clone()), ["https://i.example/realm/"]);
    assert_eq!(issuers_of(github.clone()), ["https://github.com/login/oauth"]);
    assert_eq!(issuers_of(userinfo), ["https://u.example"]);
    assert_eq!(issuers_of(google), ["https://accounts.google.com"]);

    let chain = jwt("https://j.example/").build().unwrap().or(introspection.clone());
    let both = ["https://j.example/", "https://i.example/realm/"];
    assert_eq!(issuers_of(chain.clone()), both);
    assert_eq!(issuers_of(chain.cached(CacheLayer::new())), both);
    let jwts = ["https://a.example", "https://b.example"].map(|issuer| jwt(issuer).build().unwrap().boxed());
    let by_issuer = ByIssuer::new(jwts).unwrap().or(introspection);
    let three = ["https://a.example", "https://b.example", "https://i.example/realm/"];
    assert_eq!(issuers_of(by_issuer), three);
    // The name of an issuer whose keys are given need not be an address.
    let named = jwt("my-issuer").build().unwrap();
    assert_eq!(issuers_of(named.clone().or(github)), ["https://github.com/login/oauth"]);
    let any = jwt("https://j.example/").insecure_allow_any_issuer().build().unwrap();
    for verifier in [named.boxed(), any.boxed()] {
        let error = AuthLayer::builder(verifier).resource(RESOURCE).build().unwrap_err();
        assert_eq!((error.setting(), error.kind()), ("authorization_servers", BuildErrorKind::Missing));
    }
}

// The audiences.

#[cfg(all(feature = "jwt", any(feature = "aws-lc-rs", feature = "rust-crypto")))]
mod audiences {
    use common::hs256;
    use tower_bearer::JwtVerifier;

    use super::*;

    const SECRET: [u8; 32] = [7; 32];

    fn for_audience(audience: &str) -> String {
        let claims = format!(r#"{{"iss":"{ISSUER}","aud":"{audience}","exp":4102444800,"sub":"alice"}}"#);
        hs256(&SECRET, r#"{"alg":"HS256"}"#, &claims)
    }

    fn verifier(audience: &str) -> tower_bearer::verifier::JwtVerifierBuilder {
        JwtVerifier::builder(ISSUER, audience).hmac_secret(SECRET)
    }

    async fn status(app: &Router, path: &str, audience: &str) -> u16 {
        let mut request = plain("GET", path);
        let credential = format!("Bearer {}", for_audience(audience)).parse().unwrap();
        request.headers_mut().insert("authorization", credential);
        through(app, request).await.status.as_u16()
    }

    #[tokio::test]
    async fn a_token_for_one_resource_is_none_for_another_remembered_or_not() {
        let cache = CacheLayer::new();
        let part = |resource: &str| {
            let verifier = verifier(resource).build().unwrap().cached(cache.clone());
            let auth = AuthLayer::builder(verifier).resource(resource).build().unwrap();
            Router::new().route("/", get(async || "in")).layer(auth)
        };
        let app = Router::new().nest("/a", part("https://h/a")).nest("/b", part("https://h/b"));
        for _ in 0..3 {
            for (path, audience, expected) in [
                ("/a", "https://h/a", 200),
                ("/b", "https://h/a", 401),
                ("/b", "https://h/b", 200),
                ("/a", "https://h/b", 401),
                ("/a", "https://h", 401),
                ("/a", "https://h/a/", 401),
                ("/a", "https://h/ab", 401),
                ("/a", "https://h/%61", 401),
            ] {
                assert_eq!(status(&app, path, audience).await, expected, "{path} {audience}");
            }
        }
    }

    #[tokio::test]
    async fn a_root_resource_has_two_spellings_if_both_are_named() {
        let app = |verifier: tower_bearer::verifier::JwtVerifierBuilder| {
            let auth = AuthLayer::builder(verifier.build().unwrap()).resource("https://h").build().unwrap();
            Router::new().route("/", get(async || "in")).layer(auth)
        };
        let one = app(verifier("https://h"));
        let both = app(verifier("https://h").add_audience("https://h/"));
        for (audience, of_one, of_both) in [
            ("https://h", 200, 200),
            ("https://h/", 401, 200),
            ("https://H", 401, 401),
            ("https://h:443", 401, 401),
            ("https://h//", 401, 401),
        ] {
            assert_eq!(status(&one, "/", audience).await, of_one, "{audience}");
            assert_eq!(status(&both, "/", audience).await, of_both, "{audience}");
        }
    }
}

// What cannot be built.

#[test]
fn whatever_cannot_work_is_found_by_build_and_named() {
    use BuildErrorKind::{InsecureUrl, InvalidText, InvalidUrl, Missing, OutOfRange};
    type Set = fn(ProtectedResourceMetadataBuilder) -> ProtectedResourceMetadataBuilder;
    let cases: [(Set, &str, BuildErrorKind); 19] = [
        (|about| about.authorization_servers([""; 0]), "authorization_servers", Missing),
        (|about| about.authorization_servers(["my-issuer"]), "authorization_servers", InvalidUrl),
        (|about| about.authorization_servers([ISSUER, ""]), "authorization_servers", InvalidUrl),
        (|about| about.authorization_servers(["https://a/#x"]), "authorization_servers", InvalidUrl),
        (|about| about.authorization_servers(["http://a.example"]), "authorization_servers", InsecureUrl),
        (|about| about.scopes_supported(["a b"]), "scopes_supported", InvalidText),
        (|about| about.scopes_supported(["a", ""]), "scopes_supported", InvalidText),
        (|about| about.scopes_supported(["a\"b"]), "scopes_supported", InvalidText),
        (|about| about.resource_name(""), "resource_name", InvalidText),
        (|about| about.resource_name(" \u{a0}"), "resource_name", InvalidText),
        (|about| about.resource_name("a\nb"), "resource_name", InvalidText),
        (|about| about.resource_documentation("docs"), "resource_documentation", InvalidUrl),
        (|about| about.resource_documentation("javascript:alert(1)"), "resource_documentation", InvalidUrl),
        (|about| about.resource_documentation("http://a.example"), "resource_documentation", InsecureUrl),
        (|about| about.resource_policy_uri("https://a b"), "resource_policy_uri", InvalidUrl),
        (|about| about.resource_policy_uri("http://a.example"), "resource_policy_uri", InsecureUrl),
        (|about| about.resource_tos_uri(""), "resource_tos_uri", InvalidUrl),
        (|about| about.resource_tos_uri("http://a.example"), "resource_tos_uri", InsecureUrl),
        (|about| about.scopes_supported((0..4_000).map(|n| format!("scope:{n}"))), "metadata", OutOfRange),
    ];
    let check = |error: &BuildError, setting, kind| {
        assert_eq!((error.setting(), error.kind()), (setting, kind));
        assert!(error.to_string().contains(&format!("`{setting}`")), "{error}");
    };
    for (set, setting, kind) in cases {
        check(&set(about(RESOURCE)).build().unwrap_err(), setting, kind);
        let auth = AuthLayer::builder(Counting::knows_good("")).resource(RESOURCE).describe_resource(set);
        check(&auth.build().unwrap_err(), setting, kind);
    }
    for (resource, kind) in [
        ("", InvalidUrl),
        ("/mcp", InvalidUrl),
        ("mcp.example.com/mcp", InvalidUrl),
        ("https://h/mcp#", InvalidUrl),
        ("https://h/mcp#fragment", InvalidUrl),
        ("https://user@h/mcp", InvalidUrl),
        ("https://h/a/../mcp", InvalidUrl),
        ("https://h/\u{e4}", InvalidUrl),
        ("ftp://h/mcp", InvalidUrl),
        ("http://h/mcp", InsecureUrl),
    ] {
        check(&about(resource).build().unwrap_err(), "resource", kind);
    }
    let of_length = |length: usize| about(&format!("https://h/{}", "a".repeat(length - 10))).build();
    assert!(of_length(1_900).is_ok());
    check(&of_length(1_901).unwrap_err(), "resource", OutOfRange);
    let auth = || AuthLayer::builder(Counting::knows_good("")).resource(RESOURCE);
    check(&auth().authorization_servers(["x"]).build().unwrap_err(), "authorization_servers", InvalidUrl);
    check(&auth().authorization_servers([""; 0]).build().unwrap_err(), "authorization_servers", Missing);
    check(&auth().scopes_supported(["a b"]).build().unwrap_err(), "scopes_supported", InvalidText);
    check(&auth().challenge_scopes(["a b"]).build().unwrap_err(), "challenge_scopes", InvalidText);
    // Without a resource none of it is looked at.
    let auth = AuthLayer::builder(knowing(&[])).authorization_servers(["x"]).scopes_supported(["a b"]);
    assert!(auth.describe_resource(|_| panic!("nobody describes what is not there")).build().is_ok());
}

#[test]
fn two_resources_in_one_place_exclude_each_other() {
    for (one, other, is_conflict) in [
        ("https://h/a", "https://h/a", true),
        ("https://h/a", "https://h/a/", true),
        ("https://h", "https://h/", true),
        ("https://h/a", "https://other/a", true),
        ("https://h/a?x=1", "https://h/a?x=1", true),
        ("https://h/a?x=1", "https://h/a?x=2", false),
        ("https://h/a?x=1", "https://h/a", false),
        ("https://h/a", "https://h/A", false),
        ("https://h/a", "https://h", false),
    ] {
        let all = || [of(one), of("https://h/between"), of(other)];
        for error in [MetadataService::new(all()).err(), MetadataLayer::new(all()).err()] {
            let found = error.map(|error| (error.setting(), error.kind()));
            let expected = is_conflict.then_some(("resource", BuildErrorKind::Conflict));
            assert_eq!(found, expected, "{one} {other}");
        }
    }
}

#[tokio::test]
async fn the_longest_document_is_small() {
    let scopes = |count: usize| about(RESOURCE).scopes_supported((0..count).map(|n| format!("scope:{n:05}")));
    let longest = (2_200..2_400).rev().find_map(|count| scopes(count).build().ok()).unwrap();
    assert!(longest.json().len() <= 32 * 1_024 && longest.json().len() > 32 * 1_023);
    let service = server(MetadataService::new([longest.clone()]).unwrap());
    assert_eq!(send(&service, ask(PLACE)).await.body.as_bytes(), longest.json());
}

#[tokio::test]
async fn without_resources_there_is_nothing_to_serve() {
    let auth = AuthLayer::builder(Counting::knows_good("")).build().unwrap();
    assert!(auth.metadata().is_none());
    let passing = [auth.metadata_layer(), MetadataLayer::default(), MetadataLayer::new([]).unwrap()];
    for layer in passing {
        assert_eq!(send(&server(layer.layer(Handler::default())), ask(PLACE)).await.body, "handler");
    }
    assert_eq!(send(&server(MetadataService::new([]).unwrap()), ask(ROOT)).await.status, 404);
    assert_eq!(send(&server(auth.layer(Handler::default())), ask(PLACE)).await.status, 401);
}

// The contract of tower.

/// Fails instead of hanging. The clock of the test stands still unless nothing else can happen.
async fn soon<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(1), future).await.expect("something happens")
}

#[tokio::test(start_paused = true)]
async fn an_answer_about_the_resource_gives_its_permit_back() {
    let auth = builder(Counting::knows_good("files:read")).build().unwrap();
    let limited = || ServiceBuilder::new().concurrency_limit(1).service(Handler::default());
    let mut around = auth.layer(limited());
    let mut layer = auth.metadata_layer().layer(limited());
    for _ in 0..10 {
        for (path, status) in [(PLACE, 200), ("/.well-known/oauth-protected-resource/other", 404)] {
            let ready = soon(around.ready()).await.unwrap();
            // It is there at once, and the permit with it, even if nobody reads the answer.
            let answer = ready.call(ask(path));
            soon(around.ready()).await.unwrap();
            assert_eq!(answer.await.unwrap().status(), status);
            let ready = soon(layer.ready()).await.unwrap();
            assert!(ready.call(ask(path)).await.is_ok());
        }
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_passed_on_goes_to_the_instance_that_was_ready() {
    let layer = MetadataLayer::new([of(RESOURCE)]).unwrap();
    let (mut service, mut handle) = mock::spawn_layer::<_, http::Response<String>, _>(layer);
    handle.allow(0);
    assert!(service.poll_ready::<Request<()>>().is_pending(), "readiness is that of the inner service");
    handle.allow(2);
    for path in ["/mcp", "/.well-known/oauth-protected-resource/other"] {
        assert!(service.poll_ready::<Request<()>>().is_ready());
        let answer = tokio::spawn(service.call(Request::get(path).body(()).unwrap()));
        let (received, respond) = soon(handle.next_request()).await.unwrap();
        assert_eq!(received.uri().path(), path);
        respond.send_response(http::Response::new("inner".to_owned()));
        assert_eq!(answer.await.unwrap().unwrap().status(), 200);
    }
    assert!(service.poll_ready::<Request<()>>().is_pending());
}

// Inside of an application.

fn protected(scopes: &'static str, resource: &str) -> AuthLayer<Counting> {
    let auth = AuthLayer::builder(Counting::knows_good(scopes)).resource(resource);
    auth.required_scopes(["files:read"]).build().unwrap()
}

async fn through(app: &Router, request: Request<Body>) -> Answer {
    Answer::read(app.clone().oneshot(request).await.unwrap()).await
}

fn plain(method: &str, path: &str) -> Request<Body> {
    Request::builder().method(method).uri(path).body(Body::empty()).unwrap()
}

#[tokio::test]
async fn around_a_nested_router_the_document_is_at_the_root_of_the_host() {
    let auth = protected("files:read", "https://h/api/mcp");
    let metadata = auth.metadata_layer();
    let nested = Router::new().route("/", get(async || "tools")).layer(auth);
    let app = Router::new().nest("/api/mcp", nested).route("/health", get(async || "open"));
    let place = "/.well-known/oauth-protected-resource/api/mcp";
    // Inside, the layer does not see the request.
    assert_eq!(through(&app, plain("GET", place)).await.status, 404);
    let app = app.layer(metadata);
    for path in [place, &format!("{place}/"), ROOT] {
        let answer = through(&app, plain("GET", path)).await;
        assert_eq!(answer.status, 200, "{path}");
        assert_eq!(member(answer.body.as_bytes(), "resource").unwrap(), "https://h/api/mcp");
    }
    let answer = through(&app, plain("GET", "/api/mcp")).await;
    assert_eq!(answer.status, 401);
    let expected =
        r#"scope="files:read", resource_metadata="https://h/.well-known/oauth-protected-resource/api/mcp""#;
    assert_eq!(answer.field("www-authenticate"), format!("Bearer {expected}"));
    assert_eq!(through(&app, plain("GET", "/health")).await.body, "open");
    // Another suffix is the application's business.
    assert_eq!(through(&app, plain("GET", &format!("{ROOT}/other"))).await.status, 404);
    let with_fallback = app.fallback(async || "the application");
    assert_eq!(through(&with_fallback, plain("GET", "/x")).await.body, "the application");
}

#[tokio::test]
async fn a_service_of_metadata_is_a_route_like_others() {
    let auth = protected("", "https://h/a");
    let all = [auth.metadata().unwrap().clone(), of("https://h/b/c")];
    let service = MetadataService::new(all).unwrap();
    let app = Router::new()
        .nest("/a", Router::new().route("/", get(async || "a")).layer(auth))
        .route_service("/.well-known/oauth-protected-resource/{*resource}", service);
    for (path, status) in [("/a", 200), ("/b/c", 200), ("/b", 404), ("/b/c/d", 404)] {
        assert_eq!(through(&app, plain("GET", &format!("{ROOT}{path}"))).await.status, status, "{path}");
    }
}

/// Counts who gets in.
#[derive(Clone, Default)]
struct Doors(Arc<AtomicUsize>);

impl Doors {
    fn door(&self) -> axum::routing::MethodRouter {
        let own = self.clone();
        any(async move || {
            own.0.fetch_add(1, Ordering::SeqCst);
            "in"
        })
    }

    fn only_post(&self) -> axum::routing::MethodRouter {
        let own = self.clone();
        post(async move || {
            own.0.fetch_add(1, Ordering::SeqCst);
            "in"
        })
    }
}

/// One part has the layer around all of it, another around its routes, a third one around single routes, and a fourth is
/// itself made of parts, with an answer of its own to what is no route.
fn many_parts(doors: &Doors) -> Router {
    let door = || doors.door();
    let auth = protected("files:read", "https://h");
    let whole = Router::new().route("/", door()).route("/one", door()).layer(auth.clone());
    let routes = Router::new().route("/", door()).route("/post", doors.only_post()).route_layer(auth.clone());
    let single = Router::new()
        .route("/one", door().layer(auth.clone()))
        .route("/two", doors.only_post().route_layer(auth.clone()));
    let deep = Router::new()
        .nest("/inner", Router::new().route("/", door()).route("/{id}", door()))
        .merge(Router::new().route("/merged", door()))
        .fallback_service(door())
        .layer(auth.clone());
    Router::new()
        .nest("/whole", whole)
        .nest("/routes", routes)
        .nest("/single", single)
        .nest("/deep", deep)
        .merge(Router::new().route("/merged", door()).route_layer(auth.clone()))
        .route("/health", get(async || "open"))
        .layer(auth.metadata_layer())
}

#[tokio::test]
async fn no_route_of_an_application_of_many_parts_is_reached_without_a_token() {
    let doors = Doors::default();
    let app = many_parts(&doors);
    // Who has no token is told 401 where a layer is, and 404 or 405 only by a router that no layer is around.
    let expected = [
        ("/whole", 401, 401),
        ("/whole/one", 401, 401),
        ("/whole/none", 404, 404),
        ("/routes", 401, 401),
        ("/routes/post", 401, 401),
        ("/routes/none", 404, 404),
        ("/single/one", 401, 401),
        ("/single/two", 405, 401),
        ("/deep/inner", 401, 401),
        ("/deep/inner/7", 401, 401),
        ("/deep/inner/7/8", 401, 401),
        ("/deep/merged", 401, 401),
        ("/deep/none", 401, 401),
        ("/merged", 401, 401),
        ("/none", 404, 404),
        ("/", 404, 404),
    ];
    for (path, of_get, of_post) in expected {
        for method in ["GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE"] {
            for line in [None, Some("Bearer bad"), Some("Basic eDp5")] {
                let mut request = plain(method, path);
                line.map(|line| request.headers_mut().insert("authorization", line.parse().unwrap()));
                let answer = through(&app, request).await;
                let status = if method == "POST" { of_post } else { of_get };
                assert_eq!(answer.status.as_u16(), status, "{method} {path} {line:?}");
            }
        }
        for path in [format!("{path}/"), format!("/{path}"), format!("{path}?x"), format!("{path}/%2e%2e")] {
            let answer = through(&app, plain("GET", &path)).await;
            assert!(answer.status.is_client_error(), "{path} {}", answer.status);
        }
    }
    assert_eq!(doors.0.load(Ordering::SeqCst), 0, "nobody got in");
    // The doors are there, and open for who has a token.
    for (path, _, _) in expected.iter().filter(|(_, _, of_post)| *of_post == 401) {
        let mut request = plain("POST", path);
        request.headers_mut().insert("authorization", "Bearer good".parse().unwrap());
        assert_eq!(through(&app, request).await.body, "in", "{path}");
    }
    assert_eq!(through(&app, plain("GET", "/health")).await.body, "open");
    assert_eq!(through(&app, plain("GET", ROOT)).await.status, 200);
}

#[tokio::test]
async fn a_part_that_is_merged_brings_its_layer_to_what_is_no_route() {
    let doors = Doors::default();
    let part = || Router::new().route("/merged", doors.door());
    let auth = || protected("files:read", "https://h");
    let open = || Router::new().route("/health", get(async || "open"));
    for (app, status) in
        [(open().merge(part().layer(auth())), 401), (open().merge(part().route_layer(auth())), 404)]
    {
        assert_eq!(through(&app, plain("GET", "/merged")).await.status, 401);
        assert_eq!(through(&app, plain("GET", "/none")).await.status.as_u16(), status);
        assert_eq!(through(&app, plain("GET", "/health")).await.body, "open");
    }
    assert_eq!(doors.0.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn on_a_socket_it_is_read_before_and_after_a_rejection() {
    let auth = protected("files:read", RESOURCE);
    let metadata = auth.metadata_layer();
    let app = Router::new()
        .nest("/mcp", Router::new().route("/", get(async || "tools")).layer(auth))
        .layer(metadata);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let served = tokio::spawn(async move { axum::serve(listener, app).await });
    let mut connection = TcpStream::connect(address).await.unwrap();
    let requests = [
        format!("GET {PLACE} HTTP/1.1\r\nhost: evil.example\r\n\r\n"),
        format!("HEAD {PLACE}/ HTTP/1.1\r\nhost: evil.example\r\n\r\n"),
        "GET /mcp HTTP/1.1\r\nhost: evil.example\r\n\r\n".to_owned(),
        format!("POST {PLACE} HTTP/1.1\r\nhost: evil.example\r\ncontent-length: 0\r\n\r\n"),
        format!("GET {PLACE} HTTP/1.1\r\nhost: evil.example\r\nconnection: close\r\n\r\n"),
    ];
    connection.write_all(requests.concat().as_bytes()).await.unwrap();
    let mut read = String::new();
    connection.read_to_string(&mut read).await.unwrap();
    served.abort();

    let document = r#"{"resource":"https://mcp.example.com/mcp","authorization_servers":["https://as.example.com"],"scopes_supported":["files:read"],"bearer_methods_supported":["header"]}"#;
    let lines: Vec<_> = read.split("HTTP/1.1 ").skip(1).collect();
    assert_eq!(
        lines.iter().map(|answer| &answer[..3]).collect::<Vec<_>>(),
        ["200", "200", "401", "405", "200"]
    );
    for at in [0, 4] {
        let (head, body) = lines[at].split_once("\r\n\r\n").unwrap();
        assert_eq!(body, document);
        for field in [
            "content-type: application/json",
            "cache-control: public, max-age=3600",
            "access-control-allow-origin: *",
            "x-content-type-options: nosniff",
            &format!("content-length: {}", document.len()),
        ] {
            assert_eq!(head.split("\r\n").filter(|line| line == &field).count(), 1, "{field} in {head}");
        }
    }
    let (head, body) = lines[1].split_once("\r\n\r\n").unwrap();
    assert!(head.contains(&format!("content-length: {}", document.len())));
    assert_eq!(body, "", "HEAD has no content");
    assert!(lines[3].contains("allow: GET, HEAD, OPTIONS\r\n"));
}
