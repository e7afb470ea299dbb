//! The fakes of the feature `testing`, asked by a plain client.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]
#![allow(clippy::indexing_slicing, reason = "a test fails by panicking")]

use std::io;
use std::time::{Duration, SystemTime};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::{Request, Response};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tower_bearer::client::{HttpClient, Limits, ReqwestClient};
use tower_bearer::clock::Clock;
use tower_bearer::testing::{Fault, TestClock, TestGitHub, TestIntrospection};

const PATIENCE: Duration = Duration::from_secs(10);
const IMPATIENCE: Duration = Duration::from_millis(50);
const JSON: &str = "application/json";
const FORM: &str = "application/x-www-form-urlencoded";

/// Asks with a client of its own, so that no connection is older than the question.
async fn send_within(timeout: Duration, request: Request<Bytes>) -> Option<Response<Bytes>> {
    let client = ReqwestClient::new().unwrap();
    client.send(request, Limits::new(timeout, 1 << 20)).await.ok()
}

async fn send(request: Request<Bytes>) -> Option<Response<Bytes>> {
    send_within(PATIENCE, request).await
}

fn get(url: &str, token: &str) -> Request<Bytes> {
    let request = Request::get(url).header("authorization", format!("Bearer {token}"));
    request.body(Bytes::new()).unwrap()
}

fn post(url: &str, content_type: &str, authorization: &str, body: &str) -> Request<Bytes> {
    let mut request = Request::post(url).header("content-type", content_type);
    if !authorization.is_empty() {
        request = request.header("authorization", authorization);
    }
    request.body(Bytes::copy_from_slice(body.as_bytes())).unwrap()
}

fn basic(id: &str, secret: &str) -> String {
    format!("Basic {}", STANDARD.encode(format!("{id}:{secret}")))
}

fn encoded(text: &str) -> String {
    form_urlencoded::byte_serialize(text.as_bytes()).collect()
}

fn json(response: &Response<Bytes>) -> Value {
    serde_json::from_slice(response.body()).unwrap()
}

fn header<'a>(response: &'a Response<Bytes>, name: &str) -> Option<&'a str> {
    response.headers().get(name).map(|value| value.to_str().unwrap())
}

/// What comes back byte by byte, or how it ended.
async fn raw(url: &str, request: &str) -> io::Result<String> {
    let mut stream = TcpStream::connect(url.trim_start_matches("http://")).await?;
    stream.write_all(request.as_bytes()).await?;
    let mut text = String::new();
    stream.read_to_string(&mut text).await?;
    Ok(text)
}

mod github {
    use super::*;

    const ID: u64 = 583_231;

    async fn github() -> TestGitHub {
        let github = TestGitHub::with_clock(TestClock::new()).await.unwrap();
        github.add_user(ID, "octocat");
        github
    }

    async fn show(github: &TestGitHub, path: &str, token: &str) -> Response<Bytes> {
        send(get(&format!("{}{path}", github.api_url()), token)).await.unwrap()
    }

    fn check(github: &TestGitHub, secret: &str, body: &str) -> Request<Bytes> {
        let url = format!("{}/applications/{}/token", github.api_url(), github.client_id());
        post(&url, JSON, &basic(github.client_id(), secret), body)
    }

    async fn check_token(github: &TestGitHub, token: &str) -> Response<Bytes> {
        let body = json!({ "access_token": token }).to_string();
        send(check(github, github.client_secret(), &body)).await.unwrap()
    }

    #[tokio::test]
    async fn the_app_learns_everything_about_its_token() {
        let github = github().await;
        let token = github.token(ID, &["repo", "user:email"]);
        let answer = check_token(&github, &token).await;
        assert_eq!(answer.status(), 200);
        assert_eq!(header(&answer, "date"), Some("Thu, 01 Jan 2026 00:00:00 GMT"));
        assert_eq!(header(&answer, "x-oauth-scopes"), None);
        assert_eq!(header(&answer, "x-ratelimit-remaining"), Some("4999"));
        let body = json(&answer);
        assert_eq!(body["token"], token);
        assert_eq!(body["token_last_eight"], token[32..]);
        assert_eq!(body["hashed_token"].as_str().unwrap().len(), 64);
        assert_eq!(body["app"]["client_id"], github.client_id());
        assert_eq!(body["scopes"], json!(["repo", "user:email"]));
        assert_eq!(body["created_at"], "2026-01-01T00:00:00Z");
        assert_eq!(body["expires_at"], Value::Null);
        assert_eq!(body["user"]["id"], ID);
        assert_eq!(body["user"]["login"], "octocat");
        assert_eq!(body["user"]["node_id"], "MDQ6VXNlcjU4MzIzMQ==");
    }

    #[tokio::test]
    async fn only_living_tokens_of_the_app_are_found() {
        let github = github().await;
        let revoked = github.token(ID, &[]);
        github.revoke(&revoked);
        let pat = github.token_of("ghp_", None, ID, Some(&["repo"]));
        let fine_grained = github.token_of("github_pat_", None, ID, None);
        let foreign = github.token_of("gho_", Some("Iv1.other"), ID, Some(&[]));
        for token in ["", "gho_unknown", &revoked, &pat, &fine_grained, &foreign] {
            let answer = check_token(&github, token).await;
            assert_eq!(answer.status(), 404, "{token}");
            assert_eq!(
                json(&answer),
                json!({
                    "message": "Not Found",
                    "documentation_url": "https://docs.github.com/rest/apps/oauth-applications#check-a-token",
                    "status": "404",
                })
            );
        }
        let of_github_app = github.token_of("ghu_", Some(github.client_id()), ID, Some(&[]));
        assert_eq!(check_token(&github, &of_github_app).await.status(), 200);
    }

    #[tokio::test]
    async fn a_token_ends_when_it_was_told_to() {
        let clock = TestClock::new();
        let github = TestGitHub::with_clock(clock.clone()).await.unwrap();
        let token = github.token_of("github_pat_", None, ID, None);
        let of_app = github.token(ID, &[]);
        let end = clock.now() + Duration::from_secs(8 * 3600);
        github.expire(&token, end);
        github.expire(&of_app, end);
        assert_eq!(json(&check_token(&github, &of_app).await)["expires_at"], "2026-01-01T08:00:00Z");
        let answer = show(&github, "/user", &token).await;
        assert_eq!(
            header(&answer, "github-authentication-token-expiration"),
            Some("2026-01-01 08:00:00 UTC")
        );
        clock.set_now(end);
        assert_eq!(check_token(&github, &of_app).await.status(), 404);
        assert_eq!(show(&github, "/user", &token).await.status(), 401);
    }

    #[tokio::test]
    async fn a_check_needs_the_secret_and_a_token() {
        let github = github().await;
        let token = github.token(ID, &[]);
        let body = json!({ "access_token": token }).to_string();
        let answer = send(check(&github, "wrong", &body)).await.unwrap();
        assert_eq!((answer.status().as_u16(), &json(&answer)["message"]), (401, &json!("Bad credentials")));
        assert_eq!(header(&answer, "x-ratelimit-limit"), None);
        let url = format!("{}/applications/{}/token", github.api_url(), github.client_id());
        assert_eq!(send(post(&url, JSON, "", &body)).await.unwrap().status(), 401);
        let answer = send(check(&github, github.client_secret(), "{}")).await.unwrap();
        assert_eq!(answer.status(), 422);
        assert_eq!(json(&answer)["errors"][0]["code"], "missing_field");
        let other = format!("{}/applications/other/token", github.api_url());
        let authorization = basic(github.client_id(), github.client_secret());
        assert_eq!(send(post(&other, JSON, &authorization, &body)).await.unwrap().status(), 404);
    }

    #[tokio::test]
    async fn the_user_of_a_token_is_shown_with_its_scopes() {
        let github = github().await;
        let token = github.token(ID, &["read:org", "repo"]);
        let answer = show(&github, "/user", &token).await;
        assert_eq!(answer.status(), 200);
        assert_eq!(header(&answer, "content-type"), Some("application/json; charset=utf-8"));
        assert_eq!(header(&answer, "x-oauth-scopes"), Some("read:org, repo"));
        assert_eq!(header(&answer, "x-accepted-oauth-scopes"), Some(""));
        assert_eq!(header(&answer, "x-oauth-client-id"), Some(github.client_id()));
        assert_eq!(header(&answer, "x-ratelimit-limit"), Some("5000"));
        assert_eq!(header(&answer, "x-ratelimit-used"), Some("1"));
        assert_eq!(header(&answer, "x-ratelimit-resource"), Some("core"));
        let body = json(&answer);
        assert_eq!((&body["id"], &body["login"]), (&json!(ID), &json!("octocat")));
        assert_eq!(body["email"], "octocat@example.com");
        assert!(body["name"].is_string() && body["avatar_url"].is_string());

        github.set_scopes(&token, &["repo"]);
        github.rename_user(ID, "monalisa");
        let answer = show(&github, "/user", &token).await;
        assert_eq!(header(&answer, "x-oauth-scopes"), Some("repo"));
        assert_eq!(json(&answer)["login"], "monalisa");
    }

    #[tokio::test]
    async fn tokens_differ_in_kind_in_length_and_from_each_other() {
        let github = github().await;
        let fine_grained = github.token_of("github_pat_", None, ID, None);
        let of_github_app = github.token_of("ghu_", Some("Iv1.app"), ID, Some(&[]));
        let (one, other) = (github.token(ID, &[]), github.token(ID, &[]));
        assert_ne!(one, other);
        assert_eq!([one.len(), of_github_app.len(), fine_grained.len()], [40, 40, 93]);
        assert_eq!(fine_grained.as_bytes()[33], b'_');

        let answer = show(&github, "/user", &fine_grained).await;
        assert_eq!(answer.status(), 200);
        assert_eq!(header(&answer, "x-oauth-scopes"), None);
        assert_eq!(header(&answer, "x-oauth-client-id"), None);
        let answer = show(&github, "/user", &of_github_app).await;
        assert_eq!(header(&answer, "x-oauth-scopes"), Some(""));
        assert_eq!(header(&answer, "x-oauth-client-id"), Some("Iv1.app"));
    }

    #[tokio::test]
    async fn a_bad_token_is_told_so_without_a_challenge_and_is_not_counted() {
        let github = github().await;
        let token = github.token(ID, &[]);
        github.revoke(&token);
        let answer = show(&github, "/user", &token).await;
        assert_eq!(answer.status(), 401);
        let expected = json!({
            "message": "Bad credentials", "documentation_url": "https://docs.github.com/rest", "status": "401",
        });
        assert_eq!(json(&answer), expected);
        assert_eq!(header(&answer, "www-authenticate"), None);
        assert_eq!(header(&answer, "x-ratelimit-limit"), None);

        let url = format!("{}/user", github.api_url());
        let answer = send(Request::get(url).body(Bytes::new()).unwrap()).await.unwrap();
        assert_eq!(json(&answer)["message"], "Requires authentication");
        assert_eq!(header(&answer, "x-ratelimit-limit"), Some("60"));
    }

    #[tokio::test]
    async fn an_unchanged_user_is_not_sent_again() {
        let github = github().await;
        let token = github.token(ID, &["repo"]);
        let first = show(&github, "/user", &token).await;
        let again = || {
            let mut request = get(&format!("{}/user", github.api_url()), &token);
            request.headers_mut().insert("if-none-match", first.headers()["etag"].clone());
            request
        };
        let answer = send(again()).await.unwrap();
        assert_eq!(answer.status(), 304);
        assert!(answer.body().is_empty());
        assert_eq!(header(&answer, "etag"), header(&first, "etag"));
        assert_eq!(header(&answer, "x-oauth-scopes"), Some("repo"));
        assert_eq!(header(&answer, "x-ratelimit-remaining"), Some("4999"));
        github.rename_user(ID, "monalisa");
        assert_eq!(send(again()).await.unwrap().status(), 200);
    }

    #[tokio::test]
    async fn memberships_are_shown_with_their_state() {
        let github = github().await;
        github.add_user(7, "hubot");
        let token = github.token(ID, &["read:org"]);
        github.add_to_organization(ID, "Acme", "active");
        github.add_to_organization(ID, "later", "pending");
        github.add_to_team(ID, "acme", "ops", "active");
        github.add_to_team(7, "acme", "ops", "pending");

        let body = json(&show(&github, "/user/memberships/orgs/acme", &token).await);
        assert_eq!((&body["state"], &body["organization"]["login"]), (&json!("active"), &json!("Acme")));
        assert_eq!((&body["user"]["id"], &body["user"]["login"]), (&json!(ID), &json!("octocat")));
        let body = json(&show(&github, "/user/memberships/orgs/later", &token).await);
        assert_eq!(body["state"], "pending");
        assert_eq!(show(&github, "/user/memberships/orgs/other", &token).await.status(), 404);

        let body = json(&show(&github, "/orgs/acme/teams/ops/memberships/octocat", &token).await);
        assert_eq!((&body["state"], &body["role"]), (&json!("active"), &json!("member")));
        assert!(body["url"].is_string());
        let body = json(&show(&github, "/orgs/acme/teams/ops/memberships/hubot", &token).await);
        assert_eq!(body["state"], "pending");
        for path in ["/orgs/acme/teams/ops/memberships/nobody", "/orgs/acme/teams/dev/memberships/octocat"] {
            assert_eq!(show(&github, path, &token).await.status(), 404, "{path}");
        }

        let body = json(&show(&github, "/user/orgs", &token).await);
        assert_eq!((body.as_array().unwrap().len(), &body[0]["login"]), (1, &json!("Acme")));
        let body = json(&show(&github, "/user/teams", &token).await);
        assert_eq!((&body[0]["slug"], &body[0]["organization"]["login"]), (&json!("ops"), &json!("Acme")));

        github.remove_from_team(ID, "acme", "ops");
        assert_eq!(json(&show(&github, "/user/teams", &token).await), json!([]));
        assert_eq!(show(&github, "/user/memberships/orgs/acme", &token).await.status(), 200);
        github.remove_from_organization(ID, "acme");
        assert_eq!(show(&github, "/user/memberships/orgs/acme", &token).await.status(), 404);
    }

    #[tokio::test]
    async fn beyond_the_limit_everything_is_refused_until_the_reset() {
        let clock = TestClock::new();
        let github = TestGitHub::with_clock(clock.clone()).await.unwrap();
        let token = github.token(ID, &[]);
        let reset = clock.now() + Duration::from_secs(600);
        github.limit_rate(1, reset);
        assert_eq!(show(&github, "/user", &token).await.status(), 200);
        let answer = show(&github, "/user", &token).await;
        assert_eq!(answer.status(), 403);
        let seconds = reset.duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs().to_string();
        assert_eq!(header(&answer, "x-ratelimit-remaining"), Some("0"));
        assert_eq!(header(&answer, "x-ratelimit-reset"), Some(seconds.as_str()));
        assert_eq!(header(&answer, "retry-after"), None);
        let message = json(&answer)["message"].as_str().unwrap().to_owned();
        assert!(message.starts_with("API rate limit exceeded for user ID 583231."), "{message}");
        assert_eq!(check_token(&github, &token).await.status(), 403);
        let answer = show(&github, "/rate_limit", &token).await;
        assert_eq!(json(&answer)["resources"]["core"]["remaining"], 0);
        clock.set_now(reset);
        assert_eq!(show(&github, "/user", &token).await.status(), 200);
    }

    #[tokio::test]
    async fn nobody_without_a_user_agent_is_answered() {
        let github = github().await;
        let answer =
            raw(github.api_url(), "GET /user HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").await;
        let answer = answer.unwrap();
        assert!(answer.starts_with("HTTP/1.1 403 Forbidden\r\n"), "{answer}");
        assert!(answer.contains("text/html") && answer.contains("User-Agent header"), "{answer}");
    }

    #[tokio::test]
    async fn what_is_not_there_is_not_found() {
        let github = github().await;
        let answer = show(&github, "/nowhere", &github.token(ID, &[])).await;
        assert_eq!((answer.status().as_u16(), &json(&answer)["message"]), (404, &json!("Not Found")));
        assert!(header(&answer, "date").is_some());
    }

    #[tokio::test]
    async fn requests_are_counted_and_kept() {
        let github = github().await;
        let token = github.token(ID, &[]);
        assert!(github.last_request().is_none());
        show(&github, "/user", &token).await;
        show(&github, "/user/orgs", &token).await;
        check_token(&github, &token).await;
        assert_eq!((github.requests(), github.requests_to("/user"), github.requests_to("/x")), (3, 2, 0));
        let last = github.last_request().unwrap();
        assert_eq!(last.headers()["content-type"], JSON);
        assert_eq!(last.body().as_ref(), json!({ "access_token": token }).to_string().as_bytes());
        let paths: Vec<_> = github.requests_log().iter().map(|kept| kept.uri().path().to_owned()).collect();
        assert_eq!(paths[..2], ["/user", "/user/orgs"]);
    }

    #[tokio::test]
    async fn it_ends_with_its_last_clone() {
        let github = github().await;
        let url = format!("{}/user", github.api_url());
        let clone = github.clone();
        drop(github);
        let token = clone.token(ID, &[]);
        assert!(send(get(&url, &token)).await.is_some());
        drop(clone);
        // The server ends when its task is polled for the last time.
        while TcpStream::connect(url.trim_start_matches("http://").trim_end_matches("/user")).await.is_ok() {
            tokio::task::yield_now().await;
        }
        assert!(send(get(&url, &token)).await.is_none());
    }

    #[tokio::test]
    async fn debug_prints_no_token() {
        let github = github().await;
        let token = github.token(ID, &[]);
        assert!(!format!("{github:?}").contains(&token));
    }
}

mod faults {
    use super::*;

    async fn github() -> (TestGitHub, Request<Bytes>) {
        let github = TestGitHub::start().await.unwrap();
        let request = get(&format!("{}/user", github.api_url()), &github.token(1, &[]));
        (github, request)
    }

    async fn status(request: &Request<Bytes>) -> Option<u16> {
        send(request.clone()).await.map(|answer| answer.status().as_u16())
    }

    #[tokio::test]
    async fn another_answer_stands_in_until_recovery() {
        let (github, request) = github().await;
        github.fail(Fault::Status(502));
        let answer = send(request.clone()).await.unwrap();
        assert_eq!((answer.status().as_u16(), answer.body().len()), (502, 0));

        github.fail(Fault::Garbage);
        let answer = send(request.clone()).await.unwrap();
        assert_eq!((answer.status().as_u16(), &answer.body()[..9]), (200, &b"<!DOCTYPE"[..]));
        assert_eq!(header(&answer, "content-type"), Some("text/html; charset=utf-8"));

        github.fail(Fault::Redirect("https://elsewhere.example.com/".to_owned()));
        let answer = send(request.clone()).await.unwrap();
        assert_eq!(answer.status(), 302);
        assert_eq!(header(&answer, "location"), Some("https://elsewhere.example.com/"));

        let custom = Response::builder().status(429).header("retry-after", "7").body(Bytes::from("later"));
        github.fail(Fault::Answer(custom.unwrap()));
        let answer = send(request.clone()).await.unwrap();
        assert_eq!((answer.status().as_u16(), answer.body().as_ref()), (429, &b"later"[..]));
        assert_eq!(header(&answer, "retry-after"), Some("7"));

        github.recover();
        assert_eq!(status(&request).await, Some(200));
        assert_eq!(github.requests(), 5);
    }

    #[tokio::test]
    async fn a_reset_is_a_reset() {
        let (github, request) = github().await;
        github.fail(Fault::Reset);
        assert_eq!(status(&request).await, None);
        let text = "GET /user HTTP/1.1\r\nHost: a\r\n\r\n";
        let error = raw(github.api_url(), text).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::ConnectionReset);
        github.recover();
        assert_eq!(status(&request).await, Some(200));
    }

    #[tokio::test]
    async fn half_an_answer_is_none() {
        let (github, request) = github().await;
        let whole = send(request.clone()).await.unwrap();
        github.fail(Fault::Truncate);
        assert_eq!(status(&request).await, None);

        let token = request.headers()["authorization"].to_str().unwrap();
        let text =
            format!("GET /user HTTP/1.1\r\nHost: a\r\nUser-Agent: a\r\nAuthorization: {token}\r\n\r\n");
        let answer = raw(github.api_url(), &text).await.unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        assert!(head.starts_with("HTTP/1.1 200 OK\r\n"), "{head}");
        assert!(head.contains(&format!("content-length: {}", whole.body().len())), "{head}");
        assert_eq!(body.len(), whole.body().len() / 2);
    }

    #[tokio::test]
    async fn a_server_that_hangs_is_given_up() {
        let (github, request) = github().await;
        github.fail_times(Fault::Hang, 1);
        assert!(send_within(IMPATIENCE, request.clone()).await.is_none());
        assert_eq!(status(&request).await, Some(200));
        assert_eq!(github.requests(), 2);
    }

    #[tokio::test]
    async fn a_late_answer_is_late_and_right() {
        let (github, request) = github().await;
        let span = Duration::from_millis(20);
        for slow in [|github: &TestGitHub, span| github.fail(Fault::Delay(span)), TestGitHub::latency] {
            github.latency(Duration::ZERO);
            github.recover();
            slow(&github, span);
            let start = std::time::Instant::now();
            assert_eq!(status(&request).await, Some(200));
            assert!(start.elapsed() >= span);
            slow(&github, PATIENCE);
            assert!(send_within(IMPATIENCE, request.clone()).await.is_none());
        }
    }

    #[tokio::test]
    async fn counted_faults_come_in_their_order_and_before_lasting_ones() {
        let (github, request) = github().await;
        github.fail(Fault::Status(503));
        github.fail_times(Fault::Status(500), 2);
        github.fail_times(Fault::Status(501), 1);
        github.fail_times(Fault::Status(599), 0);
        for expected in [500, 500, 501, 503, 503] {
            assert_eq!(status(&request).await, Some(expected));
        }
    }

    #[tokio::test]
    async fn a_fault_can_be_kept_to_some_paths() {
        let (github, request) = github().await;
        let token = github.token(1, &[]);
        github.fail_at("/user", Fault::Status(500));
        github.fail_at("/user/orgs", Fault::Status(501));
        let orgs = get(&format!("{}/user/orgs", github.api_url()), &token);
        let rate_limit = get(&format!("{}/rate_limit", github.api_url()), &token);
        assert_eq!(status(&request).await, Some(500));
        assert_eq!(status(&orgs).await, Some(501));
        assert_eq!(status(&rate_limit).await, Some(200));
    }

    #[tokio::test]
    async fn a_server_that_is_down_comes_back_at_the_same_address() {
        let (github, request) = github().await;
        github.stop();
        assert_eq!(status(&request).await, None);
        assert_eq!(github.requests(), 0);
        github.restart();
        assert_eq!(status(&request).await, Some(200));
    }
}

mod introspection {
    use super::*;

    async fn ask(server: &TestIntrospection, authorization: &str, body: &str) -> Response<Bytes> {
        send(post(&server.endpoint(), FORM, authorization, body)).await.unwrap()
    }

    fn client(server: &TestIntrospection) -> String {
        basic(&encoded(&server.client_id()), &encoded(&server.client_secret()))
    }

    async fn introspect(server: &TestIntrospection, token: &str) -> Value {
        let answer = ask(server, &client(server), &format!("token={token}")).await;
        assert_eq!(answer.status(), 200);
        assert_eq!(header(&answer, "content-type"), Some(JSON));
        json(&answer)
    }

    #[tokio::test]
    async fn a_token_is_active_with_the_claims_that_were_asked_for() {
        let server = TestIntrospection::with_clock(TestClock::new()).await.unwrap();
        let expected = json!({
            "active": true, "iss": server.issuer(), "sub": "alice", "client_id": "test-client",
            "scope": "read write", "token_type": "Bearer", "iat": 1_767_225_600, "exp": 1_767_225_900,
        });
        assert_eq!(introspect(&server, &server.token(json!({}))).await, expected);
        let token = server.token(json!({ "sub": "bob", "scope": null, "exp": null, "aud": ["a", "b"] }));
        let expected = json!({
            "active": true, "iss": server.issuer(), "sub": "bob", "client_id": "test-client",
            "token_type": "Bearer", "iat": 1_767_225_600, "aud": ["a", "b"],
        });
        assert_eq!(introspect(&server, &token).await, expected);
        assert_ne!(server.token(json!({})), server.token(json!({})));
    }

    #[tokio::test]
    async fn other_tokens_are_not_active() {
        let server = TestIntrospection::start().await.unwrap();
        let token = server.token(json!({}));
        server.revoke(&token);
        assert_eq!(introspect(&server, &token).await, json!({ "active": false }));
        assert_eq!(introspect(&server, "unknown").await, json!({ "active": false }));
    }

    #[tokio::test]
    async fn any_body_can_be_the_answer() {
        let server = TestIntrospection::start().await.unwrap();
        server.answer("odd", r#"{"active":"true"}"#);
        assert_eq!(introspect(&server, "odd").await, json!({ "active": "true" }));
    }

    #[tokio::test]
    async fn clients_say_who_they_are_in_one_way() {
        let server = TestIntrospection::start().await.unwrap();
        server.set_client("a client:1", "p%+ß&=");
        let token = server.token(json!({}));
        let body = format!("token={token}");
        let in_form =
            format!("{body}&client_id={}&client_secret={}", encoded("a client:1"), encoded("p%+ß&="));
        assert_eq!(ask(&server, &client(&server), &body).await.status(), 200);
        assert_eq!(ask(&server, "", &in_form).await.status(), 200);
        server.set_bearer("resource-server");
        assert_eq!(ask(&server, "Bearer resource-server", &body).await.status(), 200);
        assert_eq!(ask(&server, &client(&server), &in_form).await.status(), 400);

        for (authorization, challenge) in [
            (String::new(), "Basic realm=\"introspection\""),
            (basic("a client:1", "p%+ß&="), "Basic realm=\"introspection\""),
            (basic(&encoded("a client:1"), "wrong"), "Basic realm=\"introspection\""),
            ("Bearer wrong".to_owned(), "Bearer error=\"invalid_token\""),
        ] {
            let answer = ask(&server, &authorization, &body).await;
            assert_eq!(answer.status(), 401, "{authorization}");
            assert_eq!(header(&answer, "www-authenticate"), Some(challenge));
            assert_eq!(json(&answer), json!({ "error": "invalid_client" }));
        }
    }

    #[tokio::test]
    async fn it_takes_one_token_in_a_form() {
        let server = TestIntrospection::start().await.unwrap();
        let client = client(&server);
        for body in ["", "token=a&token=b", "token_type_hint=access_token"] {
            assert_eq!(ask(&server, &client, body).await.status(), 400, "{body}");
        }
        let as_json = post(&server.endpoint(), JSON, &client, "token=a");
        assert_eq!(send(as_json).await.unwrap().status(), 400);
        let answer = send(get(&server.endpoint(), "a")).await.unwrap();
        assert_eq!((answer.status().as_u16(), header(&answer, "allow")), (405, Some("POST")));
    }

    #[tokio::test]
    async fn its_metadata_name_the_endpoint() {
        let server = TestIntrospection::start().await.unwrap();
        for path in ["/.well-known/oauth-authorization-server", "/.well-known/openid-configuration"] {
            let metadata = json(&send(get(&format!("{}{path}", server.issuer()), "")).await.unwrap());
            assert_eq!(metadata["issuer"], server.issuer());
            assert_eq!(metadata["introspection_endpoint"], server.endpoint());
        }
        assert_eq!(server.endpoint(), format!("{}/introspect", server.issuer()));
        let nowhere = format!("{}/nowhere", server.issuer());
        assert_eq!(send(get(&nowhere, "")).await.unwrap().status(), 404);
        assert_eq!((server.requests(), server.requests_to("/.well-known/")), (3, 2));
    }

    #[tokio::test]
    async fn the_form_that_was_sent_can_be_seen() {
        let server = TestIntrospection::start().await.unwrap();
        assert!(server.last_form().is_empty());
        ask(&server, &client(&server), "token=a+b&token_type_hint=access_token").await;
        let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        assert_eq!(server.last_form(), [pair("token", "a b"), pair("token_type_hint", "access_token")]);
        let last = server.last_request().unwrap();
        assert_eq!(last.headers()["content-type"], FORM);
    }

    #[tokio::test]
    async fn it_fails_and_recovers() {
        let server = TestIntrospection::start().await.unwrap();
        let token = server.token(json!({}));
        server.fail_at("/introspect", Fault::Reset);
        server.fail_times(Fault::Status(503), 1);
        let request = post(&server.endpoint(), FORM, &client(&server), &format!("token={token}"));
        assert_eq!(send(request.clone()).await.unwrap().status(), 503);
        assert!(send(request.clone()).await.is_none());
        server.recover();
        assert_eq!(introspect(&server, &token).await["active"], true);
        server.latency(PATIENCE);
        assert!(send_within(IMPATIENCE, request).await.is_none());
    }
}
