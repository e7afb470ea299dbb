//! GitHub, as a verifier asks it: what its answers mean, what is asked and what never is, and how seldom.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test fails by panicking, and reads well"
)]

mod common;
#[path = "common/keys.rs"]
mod script;

use std::error::Error;
use std::time::{Duration, SystemTime};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use common::{Counting, Logs};
use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode};
use script::{App, Reply, Script, World, settle};
use serde_json::{Value, json};
use tokio::task::JoinSet;
use tower_bearer::cache::{CacheHandle, CacheLayerBuilder, Cached};
use tower_bearer::clock::Clock;
use tower_bearer::error::{BuildErrorKind, VerifyErrorKind};
use tower_bearer::testing::{Fault, TestClock, TestGitHub};
use tower_bearer::verifier::{AnyOf, GitHubVerifierBuilder, Verdict};
use tower_bearer::{
    AccessToken, AuthLayer, BearerToken, CacheLayer, GitHubVerifier, JwtVerifier, ScopeSet, TokenVerifier,
    VerifyError,
};
use tracing::Level;

const API: &str = "https://api.github.com";
const CLIENT: &str = "Iv1.0123456789abcdef";
const SECRET: &str = "5ec2e7a15ec2e7a15ec2e7a15ec2e7a15ec2e7a1";
const TOKEN: &str = "gho_16C7e42F292c6912E7710c838347Ae178B4a";
const PERSONAL: &str = "ghp_16C7e42F292c6912E7710c838347Ae178B4a";
/// The user of the fixtures.
const OCTOCAT: &str = "583231";
const TOO_DEEP: usize = 65;

const CHECK_URL: &str = "https://api.github.com/applications/Iv1.0123456789abcdef/token";
const USER_URL: &str = "https://api.github.com/user";
const MEMBERSHIP_URL: &str = "https://api.github.com/user/memberships/orgs/github";
const TEAM_URL: &str = "https://api.github.com/orgs/github/teams/core/memberships/octocat";

fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn bearer(token: &str) -> BearerToken {
    BearerToken::new(token).unwrap()
}

/// A GitHub that answers by a script, and a clock.
struct Scripted {
    script: Script,
    clock: TestClock,
}

impl Scripted {
    fn new() -> Self {
        Self::at(TestClock::new())
    }

    fn at(clock: TestClock) -> Self {
        Self { script: Script::new(), clock }
    }

    /// For the tokens of one app.
    fn bound(&self) -> GitHubVerifierBuilder {
        self.set_up(GitHubVerifier::builder(CLIENT, SECRET))
    }

    /// For the tokens of any app.
    fn unbound(&self) -> GitHubVerifierBuilder {
        self.set_up(GitHubVerifier::insecure_any_app())
    }

    fn set_up(&self, builder: GitHubVerifierBuilder) -> GitHubVerifierBuilder {
        builder.http_client(self.script.clone()).clock(self.clock.clone())
    }

    fn app(&self, verifier: impl TokenVerifier + 'static) -> App {
        App::new(verifier, self.clock.clone())
    }

    fn seconds(&self) -> u64 {
        self.clock.now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs()
    }
}

/// The calls of a verifier, each of which may be answered in any way.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Call {
    /// Whether a token is the app's.
    Check,
    /// Whose a token of any app is.
    User,
    /// The same, of a token that was found to be the app's before.
    Again,
    /// Whether the user is in an organisation.
    Membership,
}

const CALLS: [Call; 4] = [Call::Check, Call::User, Call::Again, Call::Membership];

impl Call {
    fn url(self) -> &'static str {
        match self {
            Self::Check => CHECK_URL,
            Self::User | Self::Again => USER_URL,
            Self::Membership => MEMBERSHIP_URL,
        }
    }

    /// A service whose verification meets this answer in this call, and good ones before it.
    async fn app(self, world: &Scripted, reply: Reply) -> App {
        world.script.set(CHECK_URL, check(&octocat()));
        let again = match self {
            Self::Again => Some(world.bound().build().unwrap().verify(&bearer(TOKEN)).await.unwrap()),
            _ => None,
        };
        world.script.set(self.url(), reply);
        match (self, again) {
            (Self::User, _) => world.app(world.unbound().build().unwrap()),
            (Self::Membership, _) => {
                world.app(world.bound().allowed_organizations(["github"]).build().unwrap())
            }
            (_, Some(last)) => world.app(Again { verifier: world.bound().build().unwrap(), last }),
            (_, None) => world.app(world.bound().build().unwrap()),
        }
    }

    async fn outcome(self, world: &Scripted, reply: Reply) -> String {
        outcome(&self.app(world, reply).await, TOKEN).await
    }
}

/// Verifies a token again, as a cache does at the end of its time.
struct Again {
    verifier: GitHubVerifier,
    last: AccessToken,
}

impl TokenVerifier for Again {
    async fn verify(&self, token: &BearerToken) -> Verdict {
        self.verifier.revalidate(token, &self.last).await
    }
}

/// How a service answers a token: `good`, `rejected`, `unavailable` or `misconfigured` with the seconds to wait.
async fn outcome(app: &App, token: &str) -> String {
    let (logs, _guard) = Logs::capture();
    let response = app.ask(token).await;
    let field = |name: &str| response.headers().get(name).map_or("", |value| value.to_str().unwrap());
    let challenge = field("www-authenticate");
    match (response.status().as_u16(), logs.count(Level::ERROR)) {
        (200, 0) => "good".to_owned(),
        (401, 0) => {
            assert!(challenge.contains("error=\"invalid_token\""), "{challenge}");
            assert_eq!(field("retry-after"), "");
            "rejected".to_owned()
        }
        (403, 0) => {
            assert!(challenge.contains("error=\"insufficient_scope\""), "{challenge}");
            "insufficient scope".to_owned()
        }
        (503, errors @ (0 | 1)) => {
            assert_eq!(challenge, "", "who cannot tell does not challenge");
            let word = ["unavailable", "misconfigured"][errors];
            format!("{word} {}", field("retry-after"))
        }
        other => format!("{other:?}"),
    }
}

fn octocat() -> Value {
    json!({ "login": "octocat", "id": 583_231, "avatar_url": "https://avatars.example/583231" })
}

/// That a token is the app's, and whose it is.
fn check(user: &Value) -> Reply {
    checked(&json!({
        "app": { "name": "App", "client_id": CLIENT },
        "scopes": ["repo"],
        "user": user,
        "expires_at": null,
    }))
}

fn checked(body: &Value) -> Reply {
    Reply::document(body.to_string()).with("content-type", "application/json; charset=utf-8")
}

/// An answer of the API that is not good, with these fields.
fn error(status: u16, message: &str, fields: &[(&str, &str)]) -> Reply {
    let body = json!({ "message": message, "documentation_url": "https://docs.github.com/rest" });
    let fields = [&[("content-type", "application/json; charset=utf-8")], fields].concat();
    document(status, &fields, body.to_string())
}

fn document(status: u16, fields: &[(&str, &str)], body: impl Into<Bytes>) -> Reply {
    let field = |(name, value): &(&str, &str)| {
        (HeaderName::from_bytes(name.as_bytes()).unwrap(), HeaderValue::from_str(value).unwrap())
    };
    let mut headers = HeaderMap::new();
    for (name, value) in fields.iter().map(field) {
        headers.append(name, value);
    }
    Reply::Document(StatusCode::from_u16(status).unwrap(), headers, body.into())
}

/// An answer of GitHub's. What it says of the time is 90 seconds away.
fn fixture(name: &str, now: u64) -> Reply {
    let path = format!("{}/tests/github/{name}.json", env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read_to_string(&path).expect(&path);
    let text = text.replace("{client_id}", CLIENT).replace("{token}", TOKEN);
    let fixture: Value = serde_json::from_str(&text.replace("{now+N}", &(now + 90).to_string())).unwrap();
    let fields: Vec<(&str, &str)> = fixture["headers"].as_array().unwrap().iter().map(pair).collect();
    let body = match &fixture["body"] {
        Value::String(text) => text.clone(),
        body => body.to_string(),
    };
    document(u16::try_from(fixture["status"].as_u64().unwrap()).unwrap(), &fields, body)
}

fn pair(field: &Value) -> (&str, &str) {
    (field[0].as_str().unwrap(), field[1].as_str().unwrap())
}

/// Everything that an access token says but for what is between a cache and its verifier.
fn content(token: &AccessToken) -> String {
    format!("{token:?} {}", Value::Object(token.claims().clone()))
}

/// The cause of a verdict and all causes behind it.
fn causes(error: &VerifyError) -> String {
    let mut text = format!("{error} {error:?}");
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(&format!(" {error} {error:?}"));
        cause = error.source();
    }
    text
}

// What GitHub has answered to others.

#[tokio::test]
async fn an_answer_of_github_means_what_it_proves() {
    const NOBODY: &str = "unavailable 5";
    for (name, expected) in [
        // 404 from the check: not this app's. From a membership: not a member. From `/user`: nothing.
        ("app_token_404", ["rejected", NOBODY, NOBODY, "rejected"]),
        ("org_member_404", ["rejected", NOBODY, NOBODY, "rejected"]),
        // 401 from the check: our credentials are bad.
        ("user_401_bad_credentials", ["misconfigured 5", "rejected", "rejected", "rejected"]),
        ("any_401_bad_credentials_2019", ["misconfigured 5", "rejected", "rejected", "rejected"]),
        ("app_token_422", ["misconfigured 5", NOBODY, NOBODY, NOBODY]),
        // No 403 proves anything.
        ("any_403_missing_user_agent", [NOBODY; 4]),
        // A user whose own quota is spent is verified on that of the app.
        ("user_403_primary_rate_limit_user", ["unavailable 90", "unavailable 90", "good", "unavailable 90"]),
        ("user_403_secondary_retry_after", ["unavailable 60"; 4]),
        // A good answer is one to the question that was asked.
        ("app_token_200", ["good", NOBODY, NOBODY, NOBODY]),
        ("app_token_200_recorded_2020", ["good", NOBODY, NOBODY, NOBODY]),
        ("user_200_no_scopes_header", [NOBODY, "good", "good", NOBODY]),
        // The user 1, who is another one than the one of the check.
        ("user_200_classic_pat", [NOBODY, "good", NOBODY, NOBODY]),
        ("user_membership_200", [NOBODY; 4]),
        ("user_orgs_200", [NOBODY; 4]),
        ("rate_limit_200", [NOBODY; 4]),
        ("oauth_token_200_error_incorrect_client_credentials", [NOBODY; 4]),
        ("app_token_delete_204", [NOBODY; 4]),
        ("org_member_204", [NOBODY; 4]),
        ("org_member_302", [NOBODY; 4]),
    ] {
        for (call, expected) in CALLS.into_iter().zip(expected) {
            // Before the token of the documentation ends.
            let world = Scripted::at(TestClock::at(SystemTime::UNIX_EPOCH + secs(1_315_353_600)));
            let reply = fixture(name, world.seconds());
            assert_eq!(call.outcome(&world, reply).await, expected, "{name}, {call:?}");
        }
    }
}

#[tokio::test]
async fn a_call_that_arrives_without_its_credentials_is_a_fault_of_ours() {
    let found = outcomes(|world| fixture("user_401_requires_authentication", world.seconds())).await;
    assert_eq!(found, ["misconfigured 5"; 4], "{CALLS:?}");
}

/// What the same answer means in each call.
async fn outcomes(reply: impl Fn(&Scripted) -> Reply) -> Vec<String> {
    let mut found = Vec::new();
    for call in CALLS {
        let world = Scripted::new();
        let reply = reply(&world);
        found.push(call.outcome(&world, reply).await);
    }
    found
}

#[tokio::test]
async fn what_is_not_an_answer_of_the_api_proves_nothing() {
    const HTML: &[(&str, &str)] = &[("content-type", "text/html; charset=utf-8")];
    const PAGE: &str = "<!DOCTYPE html><html><title>Unicorn!</title></html>";
    for status in [200, 401, 404] {
        for (fields, body) in [
            (HTML, PAGE),
            (HTML, "{}"),
            (&[], PAGE),
            (&[("content-type", "text/plain")], "Not Found"),
            (&[("content-type", "application/json")], "\"Not Found\""),
            (&[("content-type", "application/json")], "[]"),
            (&[("content-type", "application/json")], "{\"message\":"),
        ] {
            for call in CALLS {
                let world = Scripted::new();
                let found = call.outcome(&world, document(status, fields, body)).await;
                // Whatever stands where the check should be is not the API: the address is wrong, or the credentials.
                let ours = call == Call::Check && status != 200;
                let expected = if ours { "misconfigured 5" } else { "unavailable 5" };
                assert_eq!(found, expected, "{status} {body} {call:?}");
            }
        }
    }
}

#[tokio::test]
async fn an_empty_answer_proves_nothing() {
    // As a proxy answers that knows no route to GitHub.
    for (status, expected) in [
        (401, ["misconfigured 5", "unavailable 5", "unavailable 5", "unavailable 5"]),
        (404, ["misconfigured 5", "unavailable 5", "unavailable 5", "unavailable 5"]),
    ] {
        assert_eq!(outcomes(|_| document(status, &[], "")).await, expected, "{status}");
    }
}

#[tokio::test]
async fn trouble_is_not_a_verdict() {
    let mut replies: Vec<Reply> =
        [100, 201, 204, 206, 300, 400, 402, 405, 406, 409, 410, 415, 418, 451, 500, 502, 503, 504, 599]
            .into_iter()
            .map(|status| error(status, "Bad credentials", &[]))
            .collect();
    replies.push(Reply::Fails);
    for reply in replies {
        assert_eq!(outcomes(|_| reply.clone()).await, ["unavailable 5"; 4], "{reply:?}");
    }
    // That the provider is away for some time is passed on, within two minutes.
    for (retry_after, expected) in [("30", "30"), ("0", "1"), ("600", "120"), ("soon", "5"), ("-1", "5")] {
        let reply = error(503, "Service unavailable", &[("retry-after", retry_after)]);
        let expected = format!("unavailable {expected}");
        assert_eq!(outcomes(|_| reply.clone()).await, [&*expected; 4], "{retry_after}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_does_not_come_is_waited_for_no_longer_than_the_limit() {
    for call in CALLS {
        let world = Scripted::new();
        let app = call.app(&world, Reply::Hangs).await;
        let began = tokio::time::Instant::now();
        assert_eq!(outcome(&app, TOKEN).await, "unavailable 5", "{call:?}");
        assert_eq!(began.elapsed().as_secs(), 5, "{call:?}");
    }
    let world = Scripted::new();
    world.script.set(USER_URL, Reply::Hangs);
    let app = world.app(world.unbound().timeout(Duration::from_millis(1500)).build().unwrap());
    let began = tokio::time::Instant::now();
    assert_eq!(outcome(&app, TOKEN).await, "unavailable 5");
    assert_eq!(began.elapsed().as_millis() / 100, 15);
}

#[tokio::test]
async fn suspended_users_and_single_sign_on_are_no_bad_tokens() {
    for message in [
        "Sorry. Your account was suspended.",
        "Resource protected by organization SAML enforcement. You must grant your OAuth token access.",
        "Although you appear to have the correct authorization credentials, the organization has enabled OAuth App \
         access restrictions",
        "Resource not accessible by integration",
        "",
    ] {
        let reply = error(403, message, &[("x-github-sso", "required; url=https://github.com/orgs/x/sso")]);
        assert_eq!(outcomes(|_| reply.clone()).await, ["unavailable 5"; 4], "{message}");
    }
}

// Limits.

const PRIMARY: &str = "API rate limit exceeded for user ID 583231.";
const SECONDARY: &str =
    "You have exceeded a secondary rate limit. Please wait a few minutes before you try again.";
const ABUSE: &str =
    "You have triggered an abuse detection mechanism. Please wait a few minutes before you try again.";
const LOGINS: &str = "Maximum number of login attempts exceeded. Please try again later.";
/// Of GitHub, wherever our clock is.
const DATE: u64 = 1_767_225_600;

/// The field that has a time of GitHub's.
fn date(seconds: u64) -> String {
    httpdate::fmt_http_date(SystemTime::UNIX_EPOCH + secs(seconds))
}

#[tokio::test]
async fn a_limit_says_when_it_is_lifted_by_the_clock_of_github() {
    let at = |seconds: i64| DATE.saturating_add_signed(seconds).to_string();
    let (in_an_hour, tomorrow) = (date(DATE + 3_600), date(DATE + 86_400));
    let none = String::new();
    // The message, `Retry-After`, what remains, when that is reset, and the seconds that follow.
    for (message, retry_after, remaining, reset, expected) in [
        (PRIMARY, "", "0", &at(90), 90),
        (PRIMARY, "", "0", &at(3_599), 3_599),
        (PRIMARY, "", "0", &at(3_600), 3_600),
        (PRIMARY, "", "0", &at(7_200), 3_600),
        (PRIMARY, "", "0", &at(1), 5),
        (PRIMARY, "", "0", &at(-90), 5),
        (PRIMARY, "0", "0", &at(90), 90),
        (PRIMARY, "", "0", &none, 60),
        (PRIMARY, "", "0", &"soon".to_owned(), 60),
        (PRIMARY, "", "0", &"-1".to_owned(), 60),
        (PRIMARY, "", "0", &"1767225690.5".to_owned(), 60),
        (PRIMARY, "", "0", &u64::MAX.to_string(), 60),
        (PRIMARY, "", "0", &"99999999999999999999999999".to_owned(), 60),
        (PRIMARY, "", "none", &at(90), 60),
        // A secondary limit has a count of its own: what remains of the other one says nothing.
        (SECONDARY, "30", "4999", &at(1_800), 30),
        (SECONDARY, "30", "0", &at(1_800), 1_800),
        (SECONDARY, "0", "4999", &at(1_800), 1),
        (SECONDARY, "600", "4999", &at(1_800), 600),
        (SECONDARY, "86400", "4999", &at(1_800), 3_600),
        (SECONDARY, "99999999999999999999999", "4999", &none, 3_600),
        (SECONDARY, &in_an_hour, "4999", &none, 3_600),
        (SECONDARY, &tomorrow, "4999", &none, 3_600),
        (SECONDARY, "", "4999", &at(1_800), 60),
        (SECONDARY, "", "", &none, 60),
        (SECONDARY, "soon", "4999", &at(1_800), 60),
        (ABUSE, "", "4999", &at(1_800), 60),
        (ABUSE, "45", "4999", &at(1_800), 45),
        (LOGINS, "", "", &none, 60),
        ("", "20", "", &none, 20),
        // No limit at all.
        ("Forbidden", "", "4999", &at(1_800), 5),
        ("Forbidden", "", "", &none, 5),
    ] {
        for status in [403, 429] {
            let date = date(DATE);
            let fields = [
                ("date", &*date),
                ("retry-after", retry_after),
                ("x-ratelimit-remaining", remaining),
                ("x-ratelimit-reset", reset),
            ];
            let fields: Vec<_> = fields.into_iter().filter(|(_, value)| !value.is_empty()).collect();
            // Too many requests are a limit by themselves.
            let expected = if status == 429 && message == "Forbidden" { 60 } else { expected };
            for ours in [DATE, DATE - 5 * 3_600, DATE + 5 * 3_600] {
                let call = CALLS[usize::try_from(ours + expected).unwrap() % 4];
                for call in if ours == DATE { CALLS.to_vec() } else { vec![call] } {
                    let world = Scripted::at(TestClock::at(SystemTime::UNIX_EPOCH + secs(ours)));
                    let found = call.outcome(&world, error(status, message, &fields)).await;
                    let row = format!("{status} {message} {fields:?} {call:?}, our clock at {ours}");
                    // A user whose own quota is spent is verified on that of the app.
                    let is_spent = call == Call::Again && remaining == "0";
                    let expected =
                        if is_spent { "good".to_owned() } else { format!("unavailable {expected}") };
                    assert_eq!(found, expected, "{row}");
                }
            }
        }
    }
}

#[tokio::test]
async fn without_a_date_of_github_our_clock_has_to_do() {
    for fields in [&[][..], &[("date", "today")], &[("date", "Thu, 01 Jan 1970 00:00:00 GMT"); 2]] {
        let found = outcomes(|world| {
            let reset = (world.seconds() + 77).to_string();
            let limit = [("x-ratelimit-remaining", "0"), ("x-ratelimit-reset", &*reset)];
            error(403, PRIMARY, &[&limit, fields].concat())
        });
        assert_eq!(found.await, ["unavailable 77", "unavailable 77", "good", "unavailable 77"], "{fields:?}");
    }
}

#[tokio::test]
async fn too_many_requests_are_a_limit_whatever_the_body_is() {
    for (media_type, body) in [
        ("application/json", ""),
        ("text/html", "<html>Too many requests</html>"),
        ("text/plain", "Too many requests"),
        ("application/json", "[]"),
        ("application/json", "{}"),
    ] {
        let reply = document(429, &[("content-type", media_type)], body);
        assert_eq!(outcomes(|_| reply.clone()).await, ["unavailable 60"; 4], "{body:?}");
    }
}

// Who the user is.

/// Bodies about a user, and the subject that follows. None: nobody can tell.
fn users() -> Vec<(String, Option<&'static str>)> {
    let id = |id: &str| format!(r#"{{"login":"octocat","id":{id}}}"#);
    let login = |login: &str| format!(r#"{{"login":{login},"id":583231}}"#);
    let with = |members: &str| format!(r#"{{"login":"octocat","id":583231,{members}}}"#);
    let mut users = vec![
        (id("583231"), Some(OCTOCAT)),
        (id("1"), Some("1")),
        (id("9007199254740993"), Some("9007199254740993")),
        (id("18446744073709551615"), Some("18446744073709551615")),
        (id("99999999999999999999"), Some("99999999999999999999")),
        (login("\"dependabot[bot]\""), Some(OCTOCAT)),
        (login("\"mona_corp\""), Some(OCTOCAT)),
        (login(r#""octo\u0063at""#), Some(OCTOCAT)),
        (with(r#""name":null,"email":null,"avatar_url":null"#), Some(OCTOCAT)),
        (with(r#""name":"","email":"octo@example.com""#), Some(OCTOCAT)),
        (format!(" \n{}\t ", id("583231")), Some(OCTOCAT)),
        (r#"{"login":"octocat"}"#.to_owned(), None),
        (r#"{"id":583231}"#.to_owned(), None),
        (format!("\u{feff}{}", id("583231")), None),
        (id("583231").repeat(2), None),
        (with(r#""plan":{"a":1,"a":2}"#), None),
        (with(r#""id":1"#), None),
        (with(r#""id":583231"#), None),
        (with(r#""\u0069d":1"#), None),
        (with(&format!(r#""x":{}{}"#, "[".repeat(TOO_DEEP), "]".repeat(TOO_DEEP))), None),
        (with(&format!(r#""x":"{}""#, "x".repeat(64 * 1024))), None),
        (id("583231").chars().take(25).collect(), None),
        ("<html>unicorn</html>".to_owned(), None),
    ];
    for text in
        ["\"1\"", "0", "null", "-1", "1.5", "1.0", "1e3", "01", "+1", "true", "[1]", "{\"a\":1}", "NaN"]
    {
        users.push((id(text), None));
    }
    users.push((id("100000000000000000000"), None));
    for text in [
        "\"\"",
        "\"a/b\"",
        "\"..\"",
        "\"a b\"",
        "\"a?b\"",
        "\"a%2fb\"",
        "\"\u{e9}\"",
        "null",
        "5",
        "[\"octocat\"]",
    ] {
        users.push((login(text), None));
    }
    users.push((login(&format!("\"{}\"", "a".repeat(256))), None));
    for name in ["name", "email", "avatar_url"] {
        for value in ["5", "true", "[]", "{}", "[\"a\"]"] {
            users.push((with(&format!(r#""{name}":{value}"#)), None));
        }
    }
    users.extend(["", "[]", "{}", "null", "\"octocat\"", "583231"].map(|body| (body.to_owned(), None)));
    users
}

#[tokio::test]
async fn a_user_is_read_to_the_letter_or_not_at_all() {
    for (body, expected) in users() {
        let world = Scripted::new();
        world.script.set(USER_URL, Reply::document(body.clone()));
        let check = format!(r#"{{"app":{{"client_id":"{CLIENT}"}},"user":{body}}}"#);
        world.script.set(CHECK_URL, Reply::document(check));
        for verifier in [world.unbound(), world.bound()] {
            let verdict = verifier.build().unwrap().verify(&bearer(TOKEN)).await;
            match (verdict, expected) {
                (Ok(token), Some(subject)) => {
                    assert_eq!(token.subject(), Some(subject), "{body}");
                    assert_eq!(token.claim::<String>("sub").as_deref(), Some(subject), "{body}");
                    assert_eq!(token.issuer(), Some("https://github.com/login/oauth"));
                }
                (Err(error), None) => {
                    assert_eq!(error.kind(), VerifyErrorKind::Unavailable, "{body}");
                    assert!(!error.is_misconfigured(), "{body}");
                }
                (verdict, _) => panic!("{body}: {verdict:?}"),
            }
        }
    }
}

#[tokio::test]
async fn claims_are_what_the_user_shows_and_nothing_else() {
    let world = Scripted::new();
    for (shown, expected) in [
        (
            json!({ "id": 7, "login": "mona", "name": "Mona", "email": "m@example.com", "avatar_url": "https://a/7" }),
            json!({ "sub": "7", "login": "mona", "name": "Mona", "email": "m@example.com", "avatar_url": "https://a/7" }),
        ),
        (
            json!({ "id": 7, "login": "mona", "name": null, "email": null, "site_admin": true, "plan": { "name": "pro" } }),
            json!({ "sub": "7", "login": "mona" }),
        ),
        // Nobody becomes somebody else by a member of that name.
        (
            json!({ "id": 7, "login": "mona", "sub": "1", "iss": "https://evil.example", "scope": "repo" }),
            json!({ "sub": "7", "login": "mona" }),
        ),
    ] {
        world.script.set(USER_URL, checked(&shown));
        let token = world.unbound().build().unwrap().verify(&bearer(TOKEN)).await.unwrap();
        assert_eq!(Value::Object(token.claims().clone()), expected);
        assert_eq!((token.subject(), token.client(), token.expires_at()), (Some("7"), None, None));
        assert!(token.scopes().is_empty());
    }
}

#[tokio::test]
async fn an_answer_to_the_check_is_about_this_app_or_about_nothing() {
    let good = json!({
        "app": { "client_id": CLIENT },
        "user": octocat(),
        "scopes": ["public_repo", "user"],
        "expires_at": null,
    });
    let cases = [
        ("app", json!({ "client_id": "Iv1.another000000000" })),
        ("app", json!({ "client_id": CLIENT.to_lowercase() })),
        ("app", json!({ "client_id": CLIENT.to_uppercase() })),
        ("app", json!({ "client_id": null })),
        ("app", json!({ "client_id": [CLIENT] })),
        ("app", json!({ "name": CLIENT })),
        ("app", json!({})),
        ("app", json!(CLIENT)),
        ("app", json!([{ "client_id": CLIENT }])),
        ("app", Value::Null),
        ("user", Value::Null),
        ("user", json!([])),
        ("user", json!("octocat")),
        ("user", json!({})),
        ("scopes", json!(7)),
        ("scopes", json!(["repo", 7])),
        ("scopes", json!([["repo"]])),
        ("scopes", json!([null])),
        ("scopes", json!({ "repo": true })),
    ];
    let world = Scripted::new();
    let app = world.app(world.bound().build().unwrap());
    world.script.set(CHECK_URL, checked(&good));
    assert_eq!(outcome(&app, TOKEN).await, "good");
    for (member, value) in cases {
        let mut bad = good.clone();
        bad[member] = value;
        world.script.set(CHECK_URL, checked(&bad));
        assert_eq!(outcome(&app, TOKEN).await, "unavailable 5", "{bad}");
    }
    for member in ["app", "user"] {
        let mut bad = good.clone();
        bad.as_object_mut().unwrap().remove(member);
        world.script.set(CHECK_URL, checked(&bad));
        assert_eq!(outcome(&app, TOKEN).await, "unavailable 5", "{bad}");
    }
}

#[tokio::test]
async fn scopes_that_are_no_list_are_none_that_github_granted() {
    let world = Scripted::new();
    let body = json!({ "app": { "client_id": CLIENT }, "user": octocat(), "scopes": "repo" });
    world.script.set(CHECK_URL, checked(&body));
    assert_eq!(outcome(&world.app(world.bound().build().unwrap()), TOKEN).await, "unavailable 5");
}

#[tokio::test]
async fn who_the_token_is_for_is_in_the_verdict() {
    let world = Scripted::new();
    world.script.set(CHECK_URL, check(&octocat()));
    let token = world.bound().build().unwrap().verify(&bearer(TOKEN)).await.unwrap();
    assert_eq!((token.client(), token.subject()), (Some(CLIENT), Some(OCTOCAT)));
    assert_eq!(token.audiences().count(), 0, "tokens of GitHub name no audience");
}

// When a token ends.

fn at(seconds: u64) -> SystemTime {
    SystemTime::UNIX_EPOCH + secs(seconds)
}

#[tokio::test]
async fn the_end_of_a_token_is_read_as_github_writes_it() {
    for (text, expected) in [
        ("2026-02-01 00:00:00 UTC", Some(1_769_904_000)),
        ("2026-02-01 00:00:00 +0000", Some(1_769_904_000)),
        ("2026-02-01 00:00:00 -0500", Some(1_769_922_000)),
        ("2026-02-01 05:30:00 +0530", Some(1_769_904_000)),
        (" 2026-02-01 00:00:00 UTC ", Some(1_769_904_000)),
        ("", None),
        ("tomorrow", None),
        ("1769904000", None),
        ("2026-02-01", None),
        ("2026-02-01 00:00:00", None),
        ("2026-02-30 00:00:00 UTC", None),
        ("2026-02-01 25:00:00 UTC", None),
        ("2026-02-01 00:00:00 EST", None),
        ("2026-02-01T00:00:00Z", None),
        ("2026-02-01 00:00:00 UTC, 2036-02-01 00:00:00 UTC", None),
    ] {
        let world = Scripted::new();
        let reply = checked(&octocat()).with("github-authentication-token-expiration", text);
        world.script.set(USER_URL, reply);
        let verifier = world.unbound().insecure_allow_personal_access_tokens().build().unwrap();
        for token in [TOKEN, PERSONAL, "github_pat_11AAAAAAA0"] {
            match (verifier.verify(&bearer(token)).await, expected) {
                (Ok(token), Some(end)) => assert_eq!(token.expires_at(), Some(at(end)), "{text}"),
                (Err(error), None) => assert_eq!(error.kind(), VerifyErrorKind::Unavailable, "{text}"),
                (verdict, _) => panic!("{text}: {verdict:?}"),
            }
        }
    }
}

#[tokio::test]
async fn an_end_that_cannot_be_read_is_not_no_end() {
    let field = "github-authentication-token-expiration";
    let twice = [(field, "2026-01-01 00:00:10 UTC"), (field, "2036-01-01 00:00:10 UTC")];
    let mut latin = HeaderMap::new();
    latin.insert(field, HeaderValue::from_bytes(b"2026-01-01 00:00:10\xA0UTC").unwrap());
    let mut found = Vec::new();
    for reply in [
        document(200, &twice, octocat().to_string()),
        Reply::Document(StatusCode::OK, latin, octocat().to_string().into()),
    ] {
        let world = Scripted::new();
        found.push(Call::User.outcome(&world, reply).await);
    }
    assert_eq!(found, ["unavailable 5", "unavailable 5"]);
}

#[tokio::test]
async fn the_check_says_when_a_token_ends() {
    for (value, expected) in [
        (json!(null), Some(None)),
        (json!("2026-02-01T00:00:00Z"), Some(Some(1_769_904_000))),
        (json!("2026-02-01T02:00:00+02:00"), Some(Some(1_769_904_000))),
        (json!("2026-02-01T00:00:00.000Z"), Some(Some(1_769_904_000))),
        (json!(1_769_904_000), None),
        (json!("1769904000"), None),
        (json!(""), None),
        (json!("never"), None),
        (json!("2026-02-01"), None),
        (json!("2026-02-01T00:00:00"), None),
        (json!(false), None),
        (json!([]), None),
        (json!({}), None),
    ] {
        let world = Scripted::new();
        let body = json!({ "app": { "client_id": CLIENT }, "user": octocat(), "expires_at": value });
        world.script.set(CHECK_URL, checked(&body));
        match (world.bound().build().unwrap().verify(&bearer(TOKEN)).await, expected) {
            (Ok(token), Some(end)) => assert_eq!(token.expires_at(), end.map(at), "{value}"),
            (Err(error), None) => assert_eq!(error.kind(), VerifyErrorKind::Unavailable, "{value}"),
            (verdict, _) => panic!("{value}: {verdict:?}"),
        }
    }
}

#[tokio::test]
async fn a_token_is_good_until_its_end_and_not_a_second_longer() {
    let world = Scripted::new();
    let body = |end: &str| json!({ "app": { "client_id": CLIENT }, "user": octocat(), "expires_at": end });
    // Ten seconds from now.
    world.script.set(CHECK_URL, checked(&body("2026-01-01T00:00:10Z")));
    let layer = CacheLayer::builder().jitter(0).clock(world.clock.clone()).build().unwrap();
    let cached = world.app(world.bound().build().unwrap().cached(layer));
    let plain = world.app(world.bound().build().unwrap());
    for app in [&cached, &plain] {
        assert_eq!(outcome(app, TOKEN).await, "good");
    }
    world.clock.advance(secs(9));
    for app in [&cached, &plain] {
        assert_eq!(outcome(app, TOKEN).await, "good");
    }
    world.clock.advance(secs(1));
    for app in [&cached, &plain] {
        assert_eq!(outcome(app, TOKEN).await, "rejected");
    }
}

// Scopes.

#[tokio::test]
async fn a_scope_includes_what_github_says_that_it_includes() {
    for (lines, required, expected) in [
        (&["repo"][..], "repo", true),
        (&["repo"], "public_repo", true),
        (&["repo"], "repo:status", true),
        (&["repo"], "repo_deployment", true),
        (&["repo"], "repo:invite", true),
        (&["repo"], "security_events", true),
        (&["user"], "user:email", true),
        (&["user"], "read:user", true),
        (&["user"], "user:follow", true),
        (&["admin:org"], "write:org", true),
        (&["admin:org"], "read:org", true),
        (&["write:org"], "read:org", true),
        (&["admin:public_key"], "read:public_key", true),
        (&["admin:repo_hook"], "write:repo_hook", true),
        (&["write:packages"], "read:packages", true),
        (&["write:discussion"], "read:discussion", true),
        (&["project"], "read:project", true),
        (&["user:email, read:org"], "user:email read:org", true),
        (&["user:email,read:org"], "read:org", true),
        (&["user:email", "repo"], "user:email public_repo", true),
        (&["gist, , repo,"], "public_repo", true),
        // Never the other way round, and never by its beginning.
        (&["public_repo"], "repo", false),
        (&["repo:status"], "repo", false),
        (&["user:email"], "user", false),
        (&["user:email"], "read:user", false),
        (&["read:org"], "write:org", false),
        (&["write:org"], "admin:org", false),
        (&["admin:org"], "admin:org_hook", false),
        (&["repo"], "delete_repo", false),
        (&["repo"], "workflow", false),
        (&["REPO"], "repo", false),
        (&["repository"], "repo", false),
        (&["repo user"], "repo", false),
        (&["repo;user"], "repo", false),
        (&["gist"], "repo gist", false),
        // Nothing is nothing, and no default.
        (&[""], "user", false),
        (&[" , "], "user", false),
        (&[], "user", false),
    ] {
        let found = scoped(lines, required).await;
        let word = if expected { "good" } else { "insufficient scope" };
        assert_eq!(found, [word; 3], "{lines:?} for {required}");
    }
}

/// How a route that needs these scopes is served, by `/user`, by the check, and when the token is verified again.
async fn scoped(lines: &[&str], required: &str) -> [String; 3] {
    let world = Scripted::new();
    let fields: Vec<_> = lines.iter().map(|line| ("x-oauth-scopes", *line)).collect();
    let scopes: Vec<&str> = lines.iter().flat_map(|line| line.split(',')).map(str::trim).collect();
    world.script.set(USER_URL, document(200, &fields, octocat().to_string()));
    let body = json!({ "app": { "client_id": CLIENT }, "user": octocat(), "scopes": scopes });
    world.script.set(CHECK_URL, checked(&body));
    let bound = world.bound().build().unwrap();
    let last = bound.verify(&bearer(TOKEN)).await.unwrap();
    let unbound = world.unbound().build().unwrap();
    let guard = |app: App| async move { outcome(&app, TOKEN).await };
    [
        guard(guarded(&world, unbound, required)).await,
        guard(guarded(&world, bound.clone(), required)).await,
        guard(guarded(&world, Again { verifier: bound, last }, required)).await,
    ]
}

fn guarded(world: &Scripted, verifier: impl TokenVerifier + 'static, required: &str) -> App {
    let layer = AuthLayer::builder(verifier).clock(world.clock.clone());
    App::of(layer.required_scopes(required.split(' ')).build().unwrap())
}

#[tokio::test]
async fn a_token_for_which_github_names_no_scopes_has_none() {
    let world = Scripted::new();
    world.script.set(USER_URL, checked(&octocat()));
    let body = json!({ "app": { "client_id": CLIENT }, "user": octocat(), "scopes": null });
    world.script.set(CHECK_URL, checked(&body));
    let pat = bearer("github_pat_11AAAAAAA0");
    let bound = world.bound().insecure_allow_personal_access_tokens().build().unwrap();
    for token in [bearer(TOKEN), pat] {
        let vouched = bound.verify(&token).await.unwrap();
        assert_eq!(vouched.scopes(), &ScopeSet::default());
        assert_eq!(bound.revalidate(&token, &vouched).await.unwrap().scopes(), &ScopeSet::default());
    }
}

// Kinds of tokens.

#[tokio::test]
async fn a_prefix_decides_who_is_asked() {
    let (check, user, nobody) = ([CHECK_URL].as_slice(), [USER_URL].as_slice(), [].as_slice());
    // By an app, by an app with personal tokens, by any app, by any app with personal tokens.
    for (token, expected) in [
        ("gho_16C7e42F292c6912E7710c838347Ae178B4a", [check, check, user, user]),
        ("ghu_16C7e42F292c6912E7710c838347Ae178B4a", [check, check, user, user]),
        ("ghp_16C7e42F292c6912E7710c838347Ae178B4a", [nobody, user, nobody, user]),
        ("github_pat_11AAAAAAA0aaaaaaaaaaaa_bbbbbb", [nobody, user, nobody, user]),
        ("ghs_16C7e42F292c6912E7710c838347Ae178B4a", [nobody; 4]),
        ("ghr_1B4a2e77838347a7E420ce178F2E7c6912E1", [nobody; 4]),
        ("ghr_", [nobody; 4]),
        ("0123456789abcdef0123456789abcdef01234567", [nobody; 4]),
        ("GHO_16C7e42F292c6912E7710c838347Ae178B4a", [nobody; 4]),
        ("xgho_16C7e42F292c6912E7710c838347Ae178B4", [nobody; 4]),
        ("gho", [nobody; 4]),
        ("gho-16C7e42F292c6912E7710c838347Ae178B4a", [nobody; 4]),
        ("ghx_16C7e42F292c6912E7710c838347Ae178B4a", [nobody; 4]),
        ("github_pa_11AAAAAAA0", [nobody; 4]),
        ("v1.1f699f1069f60xxx", [nobody; 4]),
        ("sk_live_gho_", [nobody; 4]),
        ("eyJhbGciOiJub25lIn0.eyJzdWIiOiIxIn0.c2ln", [nobody; 4]),
    ] {
        let builders = [
            |world: &Scripted| world.bound(),
            |world: &Scripted| world.bound().insecure_allow_personal_access_tokens(),
            |world: &Scripted| world.unbound(),
            |world: &Scripted| world.unbound().insecure_allow_personal_access_tokens(),
        ];
        for (number, (builder, expected)) in builders.into_iter().zip(expected).enumerate() {
            let world = Scripted::new();
            world.script.set(CHECK_URL, check_of_octocat());
            world.script.set(USER_URL, checked(&octocat()));
            let app = world.app(builder(&world).build().unwrap());
            let word = if expected.is_empty() { "rejected" } else { "good" };
            assert_eq!(outcome(&app, token).await, word, "{token}, {number}");
            assert_eq!(world.script.urls(), expected, "{token}, {number}");
        }
    }
}

fn check_of_octocat() -> Reply {
    check(&octocat())
}

#[tokio::test]
async fn a_token_of_an_unknown_shape_is_the_next_verifiers_and_one_of_github_is_not() {
    for (token, is_githubs) in [
        ("good", false),
        ("0123456789abcdef0123456789abcdef01234567", false),
        ("eyJhbGciOiJub25lIn0.eyJzdWIiOiIxIn0.c2ln", false),
        ("gho_unknown", true),
        ("ghu_unknown", true),
        ("ghp_refused", true),
        ("github_pat_refused", true),
        ("ghs_refused", true),
        ("ghr_refused", true),
    ] {
        for github_is_first in [true, false] {
            let world = Scripted::new();
            world.script.set(CHECK_URL, fixture("app_token_404", 0));
            let github = world.bound().build().unwrap();
            assert_eq!(github.recognises(&bearer(token)), is_githubs, "{token}");
            let (next, prefixed) = (Counting::knows_good(""), NotGitHubs);
            let status = if github_is_first {
                world.app(github.or(next.clone())).status(token).await
            } else {
                world.app(prefixed.or(github)).status(token).await
            };
            assert_eq!(status, if token == "good" { 200 } else { 401 }, "{token}");
            assert_eq!(next.calls(), usize::from(github_is_first && !is_githubs), "{token}");
            let asked = usize::from(["gho_unknown", "ghu_unknown"].contains(&token));
            assert_eq!(world.script.count(), asked, "{token}");
        }
    }
}

/// Knows `good`, and no other token is its own.
struct NotGitHubs;

impl TokenVerifier for NotGitHubs {
    async fn verify(&self, token: &BearerToken) -> Verdict {
        match token.as_str() {
            "good" => Ok(AccessToken::verified().subject("alice").build()),
            _ => Err(VerifyError::not_mine()),
        }
    }

    fn recognises(&self, token: &BearerToken) -> bool {
        token.as_str() == "good"
    }
}

#[tokio::test]
async fn a_jwt_never_reaches_github() {
    let jwts = World::new().await;
    let world = Scripted::at(jwts.clock.clone());
    let foreign = JwtVerifier::builder("https://another.example", script::AUDIENCE)
        .clock(world.clock.clone())
        .http_client(world.script.clone())
        .remote_jwks(tower_bearer::jwks::RemoteJwks::at("https://another.example/jwks"))
        .build()
        .unwrap();
    let github = || world.bound().insecure_allow_personal_access_tokens().build().unwrap();
    let apps = [
        (world.app(jwts.verifier().or(github())), 200),
        (world.app(github().or(jwts.verifier())), 200),
        (world.app(foreign.or(github())), 401),
        (world.app(github()), 401),
    ];
    for (app, expected) in &apps {
        assert_eq!(app.status(&jwts.token()).await, *expected);
        for token in [jwts.stranger(), jwts.forged(), format!("{}x", jwts.token())] {
            assert_eq!(app.status(&token).await, 401);
        }
    }
    assert_eq!(world.script.count(), 0);
}

// Over a socket, behind a cache.

/// A GitHub on loopback, a verifier of its app behind a cache, a service that trusts it, and a clock for all.
struct Hub {
    github: TestGitHub,
    clock: TestClock,
    cached: Cached<GitHubVerifier>,
    handle: CacheHandle,
    app: App,
}

const CHECK: &str = "POST /applications/Ov23liTestGitHubApp0/token";
const USER: &str = "GET /user";
const LIVE: Duration = Duration::from_secs(300);

impl Hub {
    async fn new() -> Self {
        Self::with(|builder| builder, |layer| layer.refresh_ahead(0)).await
    }

    async fn with(
        set: impl FnOnce(GitHubVerifierBuilder) -> GitHubVerifierBuilder,
        set_cache: impl FnOnce(CacheLayerBuilder) -> CacheLayerBuilder,
    ) -> Self {
        let clock = TestClock::new();
        let github = TestGitHub::with_clock(clock.clone()).await.unwrap();
        github.add_user(7, "mona");
        let verifier = set(builder_of(&github, &clock)).build().unwrap();
        let layer = set_cache(CacheLayer::builder().jitter(0).clock(clock.clone())).build().unwrap();
        let cached = verifier.cached(layer);
        let app = App::new(cached.clone(), clock.clone());
        Self { github, handle: cached.handle(), cached, app, clock }
    }

    /// What was asked, in order.
    fn asked(&self) -> Vec<String> {
        asked(&self.github)
    }

    async fn verify(&self, token: &str) -> AccessToken {
        self.cached.verify(&bearer(token)).await.unwrap()
    }

    async fn outcome(&self, token: &str) -> String {
        outcome(&self.app, token).await
    }
}

fn builder_of(github: &TestGitHub, clock: &TestClock) -> GitHubVerifierBuilder {
    let builder = GitHubVerifier::builder(github.client_id(), github.client_secret());
    builder.api_url(github.api_url()).clock(clock.clone())
}

fn asked(github: &TestGitHub) -> Vec<String> {
    let line = |request: &http::Request<Bytes>| format!("{} {}", request.method(), request.uri().path());
    github.requests_log().iter().map(line).collect()
}

#[tokio::test]
async fn the_first_request_costs_one_call_and_the_next_hundred_none() {
    let hub = Hub::new().await;
    let token = hub.github.token(7, &["repo"]);
    for _ in 0..=100 {
        assert_eq!(hub.app.status(&token).await, 200);
    }
    assert_eq!(hub.asked(), [CHECK]);
    assert_eq!((hub.handle.stats().hits(), hub.handle.stats().misses()), (100, 1));
}

#[tokio::test]
async fn a_profile_costs_a_call_at_first_and_none_afterwards() {
    let hub = Hub::with(GitHubVerifierBuilder::fetch_profile, |layer| layer.refresh_ahead(0)).await;
    let token = hub.github.token(7, &["repo"]);
    let vouched = hub.verify(&token).await;
    assert!(vouched.claims().contains_key("name") && vouched.claims().contains_key("email"));
    assert_eq!((vouched.client(), vouched.scopes().contains("repo")), (Some(hub.github.client_id()), true));
    assert_eq!(hub.asked(), [CHECK, USER]);
    hub.clock.advance(LIVE);
    assert_eq!(hub.verify(&token).await.claims(), vouched.claims());
    // Unchanged since the first answer, which had a tag.
    assert_eq!(hub.asked(), [CHECK, USER, USER]);
    assert!(hub.github.last_request().unwrap().headers().contains_key("if-none-match"));
    // Without it the claims are the same before and after.
    let hub = Hub::new().await;
    let token = hub.github.token(7, &["repo"]);
    let first = hub.verify(&token).await;
    hub.clock.advance(LIVE);
    let second = hub.verify(&token).await;
    assert_eq!((first.claims(), first.claims().contains_key("email")), (second.claims(), false));
}

#[tokio::test]
async fn a_burst_of_one_token_costs_one_call() {
    let hub = Hub::new().await;
    hub.github.latency(Duration::from_millis(20));
    let token = hub.github.token(7, &[]);
    let mut burst = JoinSet::new();
    for _ in 0..200 {
        burst.spawn(hub.app.ask(&token));
    }
    let statuses: Vec<u16> =
        burst.join_all().await.iter().map(|response| response.status().as_u16()).collect();
    assert_eq!(statuses, [200; 200]);
    assert_eq!(hub.asked(), [CHECK]);
}

#[tokio::test]
async fn a_token_of_another_app_is_none_of_ours() {
    let hub = Hub::new().await;
    let foreign = hub.github.token_of("gho_", Some("Ov23liAnotherApp0000"), 7, Some(&["repo"]));
    let personal = hub.github.token_of("gho_", None, 7, Some(&["repo"]));
    for token in [&foreign, &personal, "gho_unknown"] {
        assert_eq!(hub.outcome(token).await, "rejected");
    }
    assert_eq!(hub.asked(), [CHECK; 3]);
    // Whoever opts out of the binding takes everybody's.
    let any = GitHubVerifier::insecure_any_app().api_url(hub.github.api_url()).build().unwrap();
    let any = App::new(any, hub.clock.clone());
    assert_eq!([any.status(&foreign).await, any.status("gho_unknown").await], [200, 401]);
}

#[tokio::test]
async fn a_revoked_token_is_out_at_the_end_of_its_time_or_when_it_is_invalidated() {
    let hub = Hub::new().await;
    let token = hub.github.token(7, &[]);
    assert_eq!(hub.outcome(&token).await, "good");
    hub.github.revoke(&token);
    hub.clock.advance(LIVE - secs(1));
    assert_eq!(hub.outcome(&token).await, "good");
    hub.clock.advance(secs(1));
    assert_eq!(hub.outcome(&token).await, "rejected");
    assert_eq!(hub.asked(), [CHECK, USER]);
    // Remembered as bad, for seconds.
    assert_eq!(hub.outcome(&token).await, "rejected");
    assert_eq!(hub.github.requests(), 2);
    hub.clock.advance(secs(5));
    assert_eq!(hub.outcome(&token).await, "rejected");
    assert_eq!(hub.asked(), [CHECK, USER, CHECK]);

    let token = hub.github.token(7, &[]);
    assert_eq!(hub.outcome(&token).await, "good");
    hub.github.revoke(&token);
    hub.handle.invalidate(&bearer(&token));
    assert_eq!(hub.outcome(&token).await, "rejected");
}

#[tokio::test]
async fn a_token_is_verified_again_on_its_own_quota_and_for_nothing_when_nothing_has_changed() {
    let hub = Hub::new().await;
    let token = hub.github.token(7, &["repo", "user"]);
    let first = hub.verify(&token).await;
    hub.clock.advance(LIVE);
    let second = hub.verify(&token).await;
    assert_eq!(hub.asked(), [CHECK, USER]);
    let request = hub.github.last_request().unwrap();
    assert_eq!(request.headers()["authorization"], format!("Bearer {token}"));
    assert!(!request.headers().contains_key("if-none-match"), "the tag of another answer");
    for (one, other) in [(first.subject(), second.subject()), (first.client(), second.client())] {
        assert_eq!(one, other);
    }
    assert_eq!(first.scopes(), second.scopes());
    for round in 0..3 {
        hub.clock.advance(LIVE);
        let again = hub.verify(&token).await;
        assert_eq!(content(&again), content(&second));
        let request = hub.github.last_request().unwrap();
        let tag = request.headers()["if-none-match"].to_str().unwrap();
        assert!(tag.starts_with("W/\""), "{tag}");
        assert_eq!(hub.github.requests(), 3 + round);
    }
    assert_eq!(hub.asked(), [CHECK, USER, USER, USER, USER]);
}

#[tokio::test]
async fn a_token_that_is_bound_to_no_app_is_verified_again_in_the_same_way() {
    let set = |builder: GitHubVerifierBuilder| builder.insecure_allow_personal_access_tokens();
    let hub = Hub::with(set, |layer| layer.refresh_ahead(0)).await;
    let classic = hub.github.token_of("ghp_", None, 7, Some(&["repo"]));
    let fine_grained = hub.github.token_of("github_pat_", None, 7, None);
    for token in [&classic, &fine_grained] {
        hub.github.expire(token, hub.clock.now() + LIVE * 10);
        let first = hub.verify(token).await;
        assert_eq!((first.client(), first.scopes().is_empty()), (None, token == &fine_grained));
        assert_eq!(first.expires_at(), Some(hub.clock.now() + LIVE * 10));
        hub.clock.advance(LIVE);
        assert_eq!(content(&hub.verify(token).await), content(&first));
        assert!(hub.github.last_request().unwrap().headers().contains_key("if-none-match"));
        hub.github.revoke(token);
        hub.clock.advance(LIVE);
        assert_eq!(hub.outcome(token).await, "rejected");
    }
    assert_eq!(hub.asked(), [USER; 6]);
}

#[tokio::test]
async fn what_is_made_of_the_claims_is_made_once() {
    let clock = TestClock::new();
    let github = TestGitHub::with_clock(clock.clone()).await.unwrap();
    let verifier = builder_of(&github, &clock).build().unwrap().map_claims(|builder, token| {
        let subject = format!("github:{}", token.subject().unwrap());
        builder.subject(subject)
    });
    let layer = CacheLayer::builder().jitter(0).refresh_ahead(0).clock(clock.clone()).build().unwrap();
    let cached = verifier.cached(layer);
    let token = bearer(&github.token(7, &["repo"]));
    for _ in 0..4 {
        assert_eq!(cached.verify(&token).await.unwrap().subject(), Some("github:7"));
        clock.advance(LIVE);
    }
    assert_eq!(asked(&github)[1..], [USER; 3]);
}

#[tokio::test]
async fn a_refresh_in_the_background_asks_the_same() {
    let hub = Hub::with(|builder| builder, |layer| layer.refresh_ahead(20)).await;
    let token = hub.github.token(7, &[]);
    assert_eq!(hub.outcome(&token).await, "good");
    hub.clock.advance(secs(241));
    assert_eq!(hub.app.status_at_once(&token), Some(200));
    while hub.handle.stats().in_flight() > 0 {
        tokio::task::yield_now().await;
    }
    assert_eq!(hub.asked(), [CHECK, USER]);
    hub.clock.advance(secs(200));
    assert_eq!(hub.app.status_at_once(&token), Some(200));
    // A rejection ends it at once.
    hub.github.revoke(&token);
    hub.clock.advance(secs(50));
    assert_eq!(hub.app.status_at_once(&token), Some(200));
    while hub.handle.stats().in_flight() > 0 {
        tokio::task::yield_now().await;
    }
    assert_eq!(hub.outcome(&token).await, "rejected");
}

#[tokio::test]
async fn changed_scopes_are_seen_whether_the_user_has_changed_or_not() {
    let hub = Hub::new().await;
    let token = hub.github.token(7, &["repo"]);
    let scopes = |token: &AccessToken| token.scopes().iter().take(1).collect::<String>();
    assert_eq!(scopes(&hub.verify(&token).await), "repo");
    // 200: the first time there is no tag.
    hub.github.set_scopes(&token, &["gist"]);
    hub.clock.advance(LIVE);
    assert_eq!(scopes(&hub.verify(&token).await), "gist");
    // 304, with other scopes beside it.
    hub.github.set_scopes(&token, &["user"]);
    hub.clock.advance(LIVE);
    assert_eq!(scopes(&hub.verify(&token).await), "user");
    hub.github.set_scopes(&token, &[]);
    hub.clock.advance(LIVE);
    assert_eq!(scopes(&hub.verify(&token).await), "");
    hub.clock.advance(LIVE);
    assert_eq!(scopes(&hub.verify(&token).await), "");
    // 200, since the user has changed too.
    hub.github.set_scopes(&token, &["repo"]);
    hub.github.rename_user(7, "lisa");
    hub.clock.advance(LIVE);
    assert_eq!(scopes(&hub.verify(&token).await), "repo");
}

#[tokio::test]
async fn a_renamed_user_is_the_same_one_and_a_new_owner_of_the_name_is_not() {
    let hub = Hub::new().await;
    let (token, stranger) = (hub.github.token(7, &[]), hub.github.token(8, &[]));
    let login = |token: &AccessToken| token.claim::<String>("login").unwrap();
    let before = hub.verify(&token).await;
    assert_eq!((before.subject(), login(&before)), (Some("7"), "mona".to_owned()));
    hub.github.rename_user(7, "lisa");
    hub.github.add_user(8, "mona");
    let other = hub.verify(&stranger).await;
    assert_eq!((other.subject(), login(&other)), (Some("8"), "mona".to_owned()));
    hub.clock.advance(LIVE);
    for (token, expected) in [(&token, ("7", "lisa")), (&stranger, ("8", "mona"))] {
        let again = hub.verify(token).await;
        assert_eq!((again.subject().unwrap(), &*login(&again)), expected);
    }
    assert_ne!(before.principal(), other.principal());
    // A principal is a number: the new owner of the name stays.
    hub.handle.invalidate_principal(&before.principal().unwrap());
    let calls = hub.github.requests();
    assert_eq!([hub.app.status(&stranger).await, hub.app.status(&token).await], [200, 200]);
    assert_eq!(hub.github.requests(), calls + 1);
}

#[tokio::test]
async fn an_outage_is_survived_for_the_time_to_live_and_no_longer() {
    let hub = Hub::new().await;
    let known = hub.github.token(7, &[]);
    assert_eq!(hub.outcome(&known).await, "good");
    hub.github.stop();
    let unknown = hub.github.token(8, &[]);
    assert_eq!(hub.outcome(&unknown).await, "unavailable 5");
    hub.clock.advance(LIVE - secs(1));
    assert_eq!(hub.outcome(&known).await, "good");
    hub.clock.advance(secs(1));
    for _ in 0..3 {
        assert_eq!(hub.outcome(&known).await, "unavailable 5");
    }
    hub.clock.advance(secs(600));
    assert_eq!(hub.outcome(&known).await, "unavailable 5");
    hub.github.restart();
    for token in [&known, &unknown] {
        assert_eq!(hub.outcome(token).await, "good", "nothing is remembered of an outage");
    }
}

#[tokio::test]
async fn a_failure_is_not_remembered() {
    let hub = Hub::with(|builder| builder.allowed_organizations(["octo-org"]), |layer| layer).await;
    hub.github.add_to_organization(7, "octo-org", "active");
    let token = hub.github.token(7, &[]);
    for fault in [Fault::Status(500), Fault::Garbage, Fault::Reset, Fault::Truncate, Fault::Status(403)] {
        hub.github.fail_times(fault.clone(), 2);
        // A connection that is reset may be tried once more; that is not a second answer.
        let mut outcomes = Vec::new();
        for _ in 0..3 {
            outcomes.push(hub.outcome(&token).await);
        }
        assert_eq!((&*outcomes[0], &*outcomes[2]), ("unavailable 5", "good"), "{fault:?}");
        hub.handle.clear();
        // The second call fails after a first one that was good: a user of whom nobody knows enough.
        hub.github.fail_at("/user/memberships", fault.clone());
        assert_eq!(hub.outcome(&token).await, "unavailable 5", "{fault:?}");
        assert_eq!(hub.handle.stats().entries(), 0);
        hub.github.recover();
        assert_eq!(hub.outcome(&token).await, "good", "{fault:?}");
        hub.handle.clear();
    }
}

#[tokio::test]
async fn the_tokens_of_two_githubs_never_meet() {
    let clock = TestClock::new();
    let hubs = [TestGitHub::with_clock(clock.clone()).await, TestGitHub::with_clock(clock.clone()).await];
    let hubs = hubs.map(Result::unwrap);
    hubs[0].add_user(7, "mona");
    hubs[1].add_user(7, "lisa");
    let members = hubs.iter().map(|github| builder_of(github, &clock).build().unwrap().boxed());
    let any = AnyOf::new(members).unwrap().ask_all();
    let layer = CacheLayer::builder().jitter(0).refresh_ahead(0).clock(clock.clone()).build().unwrap();
    let cached = any.cached(layer);
    let app = App::new(cached.clone(), clock.clone());
    let tokens = [hubs[0].token(7, &["repo"]), hubs[1].token(7, &["user"])];
    let mut principals = Vec::new();
    for round in 0..4 {
        for (number, token) in tokens.iter().enumerate() {
            let vouched = cached.verify(&bearer(token)).await.unwrap();
            let issuer = format!("{}/login/oauth", hubs[number].api_url());
            assert_eq!((vouched.issuer(), vouched.subject()), (Some(&*issuer), Some("7")), "{round}");
            assert_eq!(vouched.claim::<String>("login").unwrap(), ["mona", "lisa"][number]);
            assert!(vouched.scopes().contains(["repo", "user"][number]));
            principals.push(format!("{:?}", vouched.principal()));
        }
        clock.advance(LIVE);
    }
    assert_ne!(principals[0], principals[1]);
    assert_eq!(app.status("gho_unknown").await, 401);
    // The token of one that is down may be anybody's for the other.
    hubs[1].stop();
    assert_eq!([app.status(&tokens[0]).await, app.status(&tokens[1]).await], [200, 503]);
    hubs[1].restart();
    hubs[1].revoke(&tokens[1]);
    assert_eq!(app.status(&tokens[1]).await, 401);
}

#[tokio::test]
async fn the_verdicts_of_two_apps_of_one_github_never_meet() {
    const OTHER: &str = "Iv1.fedcba9876543210";
    let other_check = CHECK_URL.replace(CLIENT, OTHER);
    let world = Scripted::new();
    let of = |client: &str| json!({ "app": { "client_id": client }, "user": octocat(), "scopes": ["repo"] });
    let other = world.set_up(GitHubVerifier::builder(OTHER, SECRET)).build().unwrap();
    let members = [world.bound().build().unwrap().boxed(), other.boxed()];
    let any = AnyOf::new(members).unwrap().ask_all();
    world.script.set(CHECK_URL, fixture("app_token_404", 0));
    world.script.set(&other_check, checked(&of(OTHER)));
    world.script.set(USER_URL, checked(&octocat()).with("x-oauth-client-id", OTHER));
    let token = bearer(TOKEN);
    let vouched = any.verify(&token).await.unwrap();
    assert_eq!(vouched.client(), Some(OTHER));
    let again = any.revalidate(&token, &vouched).await.unwrap();
    assert_eq!(again.client(), Some(OTHER));
    // What one app was told of a token is no proof for another, not even where `/user` is silent about the app.
    world.script.set(USER_URL, checked(&octocat()));
    let verdict = world.bound().build().unwrap().revalidate(&token, &vouched).await;
    assert_eq!(verdict.unwrap_err().kind(), VerifyErrorKind::Inactive);
    // Nor is what nobody was told, for any.
    let unbound = world.unbound().build().unwrap().verify(&token).await.unwrap();
    let verdict = world.bound().build().unwrap().revalidate(&token, &unbound).await;
    assert_eq!(verdict.unwrap_err().kind(), VerifyErrorKind::Inactive);
    let strange = AccessToken::verified().subject(OCTOCAT).client(CLIENT).build();
    let verdict = world.bound().build().unwrap().revalidate(&token, &strange).await;
    assert_eq!(verdict.unwrap_err().kind(), VerifyErrorKind::Inactive);
}

// Verifying again, by answers that GitHub should not give.

#[tokio::test]
async fn another_user_is_not_accepted_in_the_place_of_the_first() {
    for other in [
        json!({ "id": 1, "login": "octocat" }),
        json!({ "id": "583231", "login": "octocat" }),
        json!({ "login": "octocat" }),
    ] {
        let world = Scripted::new();
        world.script.set(CHECK_URL, check_of_octocat());
        let layer = CacheLayer::builder().jitter(0).refresh_ahead(0).clock(world.clock.clone());
        let app = world.app(world.bound().build().unwrap().cached(layer.build().unwrap()));
        assert_eq!(outcome(&app, TOKEN).await, "good");
        world.clock.advance(LIVE);
        world.script.set(USER_URL, checked(&other));
        assert_eq!(outcome(&app, TOKEN).await, "unavailable 5", "{other}");
        assert_eq!(world.script.urls(), [CHECK_URL, USER_URL]);
    }
}

#[tokio::test]
async fn an_answer_that_names_another_app_leads_to_a_full_check() {
    for (status, second_check, expected) in [
        (200, check_of_octocat(), "good"),
        (200, fixture("app_token_404", 0), "rejected"),
        (200, fixture("user_401_bad_credentials", 0), "misconfigured 5"),
        (304, check_of_octocat(), "good"),
        (304, fixture("app_token_404", 0), "rejected"),
    ] {
        let world = Scripted::new();
        let fields = [("x-oauth-client-id", "Ov23liAnotherApp0000")];
        let app = Call::Again.app(&world, document(status, &fields, octocat().to_string())).await;
        world.script.set(CHECK_URL, second_check);
        assert_eq!(outcome(&app, TOKEN).await, expected, "{status}");
        assert_eq!(world.script.urls(), [CHECK_URL, USER_URL, CHECK_URL]);
    }
    // One that names ours does not, and neither does one that names none.
    for fields in [&[("x-oauth-client-id", CLIENT)][..], &[]] {
        let world = Scripted::new();
        let fields = [fields, &[("x-oauth-scopes", "repo")]].concat();
        let reply = document(200, &fields, octocat().to_string());
        assert_eq!(Call::Again.outcome(&world, reply).await, "good");
        assert_eq!(world.script.urls(), [CHECK_URL, USER_URL]);
    }
}

#[tokio::test]
async fn an_answer_that_lost_its_fields_on_the_way_is_no_reason_to_take_scopes_away() {
    let world = Scripted::new();
    let app = Call::Again.app(&world, document(200, &[], octocat().to_string())).await;
    assert_eq!(outcome(&app, TOKEN).await, "good");
    assert_eq!(world.script.urls(), [CHECK_URL, USER_URL, CHECK_URL]);
}

#[tokio::test]
async fn a_gateway_that_speaks_json_proves_nothing() {
    for (status, said) in [
        (404, "no Route matched with those values"),
        (404, "Not Found"),
        (401, "Unauthorized"),
        (401, "Bad credentials"),
    ] {
        let reply =
            document(status, &[("content-type", "application/json")], json!({ "message": said }).to_string());
        for call in CALLS {
            let found = call.outcome(&Scripted::new(), reply.clone()).await;
            assert!(!["good", "rejected"].contains(&&*found), "{status} {said} {call:?}: {found}");
        }
    }
}

#[tokio::test]
async fn unchanged_is_an_answer_only_to_who_named_what() {
    // No tag was sent with the first of these.
    let world = Scripted::new();
    let app = Call::Again.app(&world, document(304, &[], "")).await;
    world.script.set(CHECK_URL, fixture("app_token_404", 0));
    assert_eq!(outcome(&app, TOKEN).await, "rejected");
    assert_eq!(world.script.urls(), [CHECK_URL, USER_URL, CHECK_URL]);
    // Nor is it one to a verification.
    for call in [Call::Check, Call::User, Call::Membership] {
        let world = Scripted::new();
        assert_eq!(call.outcome(&world, document(304, &[("etag", "\"1\"")], "")).await, "unavailable 5");
    }
}

#[tokio::test]
async fn the_end_of_a_token_outlives_answers_that_do_not_repeat_it() {
    let world = Scripted::new();
    let end = at(1_769_904_000);
    let body =
        json!({ "app": { "client_id": CLIENT }, "user": octocat(), "expires_at": "2026-02-01T00:00:00Z" });
    world.script.set(CHECK_URL, checked(&body));
    let (verifier, token) = (world.bound().build().unwrap(), bearer(TOKEN));
    let mut vouched = verifier.verify(&token).await.unwrap();
    assert_eq!(vouched.expires_at(), Some(end));
    world.script.set(USER_URL, checked(&octocat()).with("etag", "\"1\""));
    for _ in 0..2 {
        vouched = verifier.revalidate(&token, &vouched).await.unwrap();
        assert_eq!(vouched.expires_at(), Some(end));
        world.script.set(USER_URL, document(304, &[], ""));
    }
    assert_eq!(world.script.asked()[2].headers["if-none-match"], "\"1\"");
    assert_eq!(world.script.count(), 3);
}

// What is sent, and to whom.

#[tokio::test]
async fn a_request_says_what_it_has_to_and_nothing_else() {
    let world = Scripted::new();
    let agent = concat!("tower-bearer/", env!("CARGO_PKG_VERSION"));
    let common = |authorization: &str| {
        let accept = "application/vnd.github+json";
        [
            ("accept", accept),
            ("authorization", authorization),
            ("user-agent", agent),
            ("x-github-api-version", "2022-11-28"),
        ]
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .to_vec()
    };
    let basic = format!("Basic {}", STANDARD.encode(format!("{CLIENT}:{SECRET}")));
    let token = format!("Bearer {TOKEN}");
    let more = |mut fields: Vec<(String, String)>, name: &str, value: &str| {
        fields.push((name.to_owned(), value.to_owned()));
        fields.sort();
        fields
    };
    // The tags of other answers than the user's are of no use.
    world.script.set(CHECK_URL, check_of_octocat().with("etag", "\"check\""));
    world.script.set(USER_URL, checked(&octocat()).with("etag", "W/\"1\"").with("x-oauth-scopes", "repo"));
    world.script.set(MEMBERSHIP_URL, checked(&json!({ "state": "pending" })).with("etag", "\"member\""));
    world.script.set(TEAM_URL, checked(&json!({ "state": "active" })));
    let builder = world.bound().allowed_organizations(["github"]).allowed_teams([("github", "core")]);
    let verifier = builder.build().unwrap();
    let mut vouched = verifier.verify(&bearer(TOKEN)).await.unwrap();
    for _ in 0..2 {
        vouched = verifier.revalidate(&bearer(TOKEN), &vouched).await.unwrap();
    }
    let check = ("POST", CHECK_URL, more(common(&basic), "content-type", "application/json"));
    let user = ("GET", USER_URL, common(&token));
    let again = ("GET", USER_URL, more(common(&token), "if-none-match", "W/\"1\""));
    let membership = ("GET", MEMBERSHIP_URL, common(&token));
    let team = ("GET", TEAM_URL, common(&token));
    let expected = [
        [check, membership.clone(), team.clone()],
        [user, membership.clone(), team.clone()],
        [again, membership, team],
    ];
    let asked = world.script.asked();
    assert_eq!(asked.len(), 9);
    for (asked, (method, url, fields)) in asked.iter().zip(expected.as_flattened()) {
        let mut found: Vec<_> = asked
            .headers
            .iter()
            .map(|(name, value)| (name.as_str().to_owned(), value.to_str().unwrap().to_owned()))
            .collect();
        found.sort();
        assert_eq!((asked.method.as_str(), asked.url.as_str(), &found), (*method, *url, fields));
        assert!(asked.headers["authorization"].is_sensitive());
        let body: Vec<u8> =
            if *method == "POST" { format!(r#"{{"access_token":"{TOKEN}"}}"#).into() } else { vec![] };
        assert_eq!(asked.body, body);
        assert_eq!((asked.limits.timeout, asked.limits.max_body), (secs(5), 64 * 1024));
    }
}

#[tokio::test]
async fn a_token_is_sent_as_it_is() {
    // Everything that a token may be made of: none of it has to be escaped, and none of it is.
    const ODD: &str = "gho_~.-+/_aZ09==";
    let hub = Hub::new().await;
    assert_eq!(hub.outcome(ODD).await, "rejected");
    let request = hub.github.last_request().unwrap();
    assert_eq!(request.body(), &format!(r#"{{"access_token":"{ODD}"}}"#));
    assert!(!request.uri().to_string().contains("gho_"), "a token stands in no address");
    let any = GitHubVerifier::insecure_any_app().api_url(hub.github.api_url()).build().unwrap();
    assert_eq!(App::new(any, hub.clock.clone()).status(ODD).await, 401);
    assert_eq!(hub.github.last_request().unwrap().headers()["authorization"], format!("Bearer {ODD}"));
}

#[tokio::test]
async fn the_version_of_the_api_can_be_another_one() {
    let world = Scripted::new();
    world.script.set(CHECK_URL, check_of_octocat());
    let verifier = world.bound().api_version("2026-03-10").build().unwrap();
    verifier.verify(&bearer(TOKEN)).await.unwrap();
    assert_eq!(world.script.asked()[0].headers["x-github-api-version"], "2026-03-10");
}

#[tokio::test]
async fn a_redirection_is_not_followed() {
    let elsewhere = TestGitHub::start().await.unwrap();
    for status in [301, 302, 303, 307, 308] {
        for prefix in ["/applications", "/user/memberships", "/user"] {
            let hub = Hub::with(|builder| builder.allowed_organizations(["octo-org"]), |layer| layer).await;
            hub.github.add_to_organization(7, "octo-org", "active");
            let token = hub.github.token(7, &[]);
            if prefix == "/user" {
                assert_eq!(hub.outcome(&token).await, "good");
                hub.clock.advance(LIVE);
            }
            let calls = hub.github.requests_to(prefix);
            let mut away = Response::new(Bytes::new());
            *away.status_mut() = StatusCode::from_u16(status).unwrap();
            let location = format!("{}/user", elsewhere.api_url());
            away.headers_mut().insert("location", location.parse().unwrap());
            hub.github.fail_at(prefix, Fault::Answer(away));
            assert_eq!(hub.outcome(&token).await, "unavailable 5", "{status} {prefix}");
            assert_eq!(hub.github.requests_to(prefix), calls + 1, "{status} {prefix}");
        }
    }
    assert_eq!(elsewhere.requests(), 0);
}

#[tokio::test]
async fn neither_tokens_nor_secrets_are_printed_or_logged() {
    let (logs, _guard) = Logs::capture();
    let basic = STANDARD.encode(format!("{CLIENT}:{SECRET}"));
    let mut printed = String::new();
    for call in CALLS {
        for reply in [
            error(401, TOKEN, &[]),
            error(403, &format!("{TOKEN} {SECRET}: rate limit"), &[]),
            error(404, TOKEN, &[]),
            error(422, TOKEN, &[("x-echo", TOKEN)]),
            error(500, SECRET, &[("location", TOKEN)]),
            document(200, &[], TOKEN),
            checked(&json!({ "id": TOKEN, "login": SECRET, "state": TOKEN, "user": TOKEN, "app": basic })),
            Reply::Fails,
            checked(&octocat()),
            check_of_octocat(),
        ] {
            let world = Scripted::new();
            let app = call.app(&world, reply.clone()).await;
            let response = app.ask(TOKEN).await;
            printed.push_str(&format!("{response:?}"));
            if let Some(rejection) = response.extensions().get::<tower_bearer::Rejection>() {
                printed.push_str(&causes(rejection.verify_error().unwrap()));
            }
        }
    }
    let hub = Hub::new().await;
    let token = hub.github.token(7, &["repo"]);
    for fault in [Fault::Status(500), Fault::Garbage, Fault::Truncate, Fault::Reset] {
        hub.github.fail(fault);
        hub.outcome(&token).await;
    }
    hub.github.recover();
    let vouched = hub.verify(&token).await;
    hub.clock.advance(LIVE);
    printed.push_str(&format!("{:?} {:?} {vouched:?} {}", hub.cached, hub.handle, content(&vouched)));
    printed.push_str(vouched.validator().unwrap());
    hub.verify(&token).await;
    let world = Scripted::new();
    let builder = world.bound();
    printed.push_str(&format!(
        "{builder:?} {builder:#?} {:?} {:?}",
        world.unbound(),
        builder.clone().build()
    ));
    printed.push_str(&format!("{:#?}", GitHubVerifier::builder(CLIENT, SECRET).api_url("http://x").build()));
    let logged = logs.text();
    assert!(logged.contains("admitted") && logged.contains("rejected"));
    for text in [&printed, &logged] {
        for secret in [TOKEN, SECRET, &basic, &token, hub.github.client_secret()] {
            assert!(!text.contains(secret), "{secret} stands in {text}");
            let tail = &secret[secret.len() - 12..];
            assert!(!text.contains(tail), "{tail} stands in {text}");
        }
    }
}

#[tokio::test]
async fn a_fault_of_ours_is_logged_once_a_minute_and_an_outage_is_none() {
    let world = Scripted::new();
    let app = world.app(world.bound().build().unwrap());
    let (logs, _guard) = Logs::capture();
    world.script.set(CHECK_URL, fixture("user_401_bad_credentials", 0));
    for (span, expected) in [(0, 1), (0, 1), (59, 1), (1, 2), (60, 3)] {
        world.clock.advance(secs(span));
        assert_eq!(app.status(TOKEN).await, 503);
        assert_eq!(logs.count(Level::ERROR), expected);
    }
    world.clock.advance(secs(60));
    world.script.set(CHECK_URL, error(500, "", &[]));
    assert_eq!(app.status(TOKEN).await, 503);
    assert_eq!((logs.count(Level::ERROR), logs.count(Level::WARN)), (3, 1));
}

// Who is let in.

#[tokio::test]
async fn users_are_let_in_by_their_number() {
    for (ids, expected) in [
        (&[583_231][..], "good"),
        (&[1, 583_231], "good"),
        (&[u64::MAX, 0, 583_231], "good"),
        (&[1], "rejected"),
        (&[0], "rejected"),
        (&[u64::MAX], "rejected"),
    ] {
        let world = Scripted::new();
        world.script.set(CHECK_URL, check_of_octocat());
        world.script.set(USER_URL, checked(&octocat()));
        for builder in [world.bound(), world.unbound()] {
            let app = world.app(builder.allowed_users(ids.iter().copied()).build().unwrap());
            assert_eq!(outcome(&app, TOKEN).await, expected, "{ids:?}");
        }
        assert_eq!(world.script.urls(), [CHECK_URL, USER_URL], "nobody else is asked");
    }
    // A number that no list can have is on none.
    let world = Scripted::new();
    world.script.set(USER_URL, checked(&json!({ "id": 1, "login": "a" })));
    world.script.set(USER_URL, Reply::document(r#"{"login":"a","id":18446744073709551616}"#));
    let app = world.app(world.unbound().allowed_users([0, u64::MAX]).build().unwrap());
    assert_eq!(outcome(&app, TOKEN).await, "rejected");
}

#[tokio::test]
async fn a_member_is_who_github_says_is_an_active_one() {
    let user = |id: u64| json!({ "id": id, "login": "octocat" });
    let organization = |login: &str| json!({ "id": 1, "login": login });
    for (body, expected) in [
        (json!({ "state": "active" }), "good"),
        (json!({ "state": "active", "user": user(583_231), "organization": organization("github") }), "good"),
        (json!({ "state": "active", "organization": organization("GitHub") }), "good"),
        (json!({ "state": "pending" }), "rejected"),
        (json!({ "state": "Active" }), "rejected"),
        (json!({ "state": "" }), "rejected"),
        (json!({ "state": "pending", "user": user(583_231) }), "rejected"),
        (json!({ "state": "active", "user": user(1) }), "unavailable 5"),
        (json!({ "state": "active", "user": { "id": "583231" } }), "unavailable 5"),
        (json!({ "state": "active", "user": {} }), "unavailable 5"),
        (json!({ "state": "active", "user": null }), "unavailable 5"),
        (json!({ "state": "active", "user": "octocat" }), "unavailable 5"),
        (json!({ "state": "active", "organization": organization("evil-org") }), "unavailable 5"),
        (json!({ "state": "active", "organization": {} }), "unavailable 5"),
        (json!({ "state": "active", "organization": "github" }), "unavailable 5"),
        (json!({ "state": true }), "unavailable 5"),
        (json!({ "state": null }), "unavailable 5"),
        (json!({ "role": "admin" }), "unavailable 5"),
        (json!({}), "unavailable 5"),
        (json!([{ "state": "active" }]), "unavailable 5"),
    ] {
        let world = Scripted::new();
        assert_eq!(Call::Membership.outcome(&world, checked(&body)).await, expected, "{body}");
    }
    let twice = r#"{"state":"pending","state":"active"}"#;
    let world = Scripted::new();
    assert_eq!(Call::Membership.outcome(&world, Reply::document(twice)).await, "unavailable 5");
}

#[tokio::test]
async fn whoever_is_on_one_list_is_let_in_and_what_one_cannot_tell_another_may() {
    let (active, pending) = (json!({ "state": "active" }), json!({ "state": "pending" }));
    let (yes, invited, no) = (checked(&active), checked(&pending), fixture("org_member_404", 0));
    let (down, forbidden) = (error(500, "", &[]), error(403, "Forbidden", &[]));
    let limit = fixture("user_403_secondary_retry_after", 0);
    let bad = fixture("user_401_bad_credentials", 0);
    // What the organisations a and b and the team of c say, and the number of calls for it.
    for (replies, expected, calls) in [
        ([&yes, &no, &no], "good", 1),
        ([&no, &yes, &no], "good", 2),
        ([&no, &no, &yes], "good", 3),
        ([&no, &invited, &no], "rejected", 3),
        ([&no, &no, &no], "rejected", 3),
        ([&down, &yes, &no], "good", 2),
        ([&down, &no, &yes], "good", 3),
        ([&forbidden, &limit, &yes], "good", 3),
        ([&Reply::Fails, &down, &yes], "good", 3),
        ([&no, &no, &down], "unavailable 5", 3),
        ([&down, &no, &no], "unavailable 5", 3),
        ([&no, &limit, &no], "unavailable 60", 3),
        ([&limit, &down, &no], "unavailable 60", 3),
        ([&bad, &yes, &yes], "rejected", 1),
    ] {
        let world = Scripted::new();
        world.script.set(CHECK_URL, check_of_octocat());
        for (path, reply) in
            ["/user/memberships/orgs/a", "/user/memberships/orgs/b", "/orgs/c/teams/core/memberships/octocat"]
                .into_iter()
                .zip(replies)
        {
            world.script.set(format!("{API}{path}"), reply.clone());
        }
        let builder = world.bound().allowed_organizations(["a", "b"]).allowed_teams([("c", "core")]);
        let app = world.app(builder.clone().build().unwrap());
        assert_eq!(outcome(&app, TOKEN).await, expected, "{replies:?}");
        assert_eq!(world.script.count(), 1 + calls, "{replies:?}");
        // Whose number is on the list needs nobody's word.
        let app = world.app(builder.allowed_users([583_231]).build().unwrap());
        assert_eq!(outcome(&app, TOKEN).await, "good");
        assert_eq!(world.script.count(), 2 + calls);
    }
}

#[tokio::test]
async fn a_member_who_was_removed_is_out_when_the_token_is_verified_again() {
    for team in [false, true] {
        let set = |builder: GitHubVerifierBuilder| match team {
            true => builder.allowed_teams([("octo-org", "core")]),
            false => builder.allowed_organizations(["octo-org"]),
        };
        let hub = Hub::with(set, |layer| layer.refresh_ahead(0)).await;
        let token = hub.github.token(7, &["read:org"]);
        let stranger = hub.github.token(8, &["read:org"]);
        hub.github.add_to_team(7, "octo-org", "core", "active");
        assert_eq!(hub.outcome(&token).await, "good");
        assert_eq!(hub.outcome(&stranger).await, "rejected");
        let membership = if team {
            "GET /orgs/octo-org/teams/core/memberships/mona"
        } else {
            "GET /user/memberships/orgs/octo-org"
        };
        assert_eq!(hub.asked()[..2], [CHECK, membership]);
        // 200, then 304.
        for _ in 0..2 {
            hub.clock.advance(LIVE);
            assert_eq!(hub.outcome(&token).await, "good");
            let asked = hub.asked();
            assert_eq!(asked[asked.len() - 2..], [USER, membership]);
        }
        // The name in the address of the team is the one that the user has now.
        hub.github.rename_user(7, "lisa");
        hub.clock.advance(LIVE);
        assert_eq!(hub.outcome(&token).await, "good");
        hub.github.remove_from_team(7, "octo-org", "core");
        hub.github.remove_from_organization(7, "octo-org");
        assert_eq!(hub.outcome(&token).await, "good", "until the end of the time to live");
        hub.clock.advance(LIVE);
        assert_eq!(hub.outcome(&token).await, "rejected");
        assert_eq!(hub.handle.stats().entries(), 0);
    }
}

// How seldom GitHub is asked.

fn stranger(number: usize) -> String {
    format!("gho_{number:036}")
}

#[tokio::test]
async fn made_up_tokens_cost_no_more_than_the_budget() {
    let hub = Hub::with(|builder| builder.budget(10, secs(60)), |layer| layer.refresh_ahead(0)).await;
    let known = hub.github.token(7, &[]);
    assert_eq!(hub.outcome(&known).await, "good");
    hub.clock.advance(secs(60));
    for number in 0..1_000 {
        let response = hub.app.ask(&stranger(number)).await;
        assert_eq!(response.status(), if number < 10 { 401 } else { 503 }, "{number}");
    }
    assert_eq!(hub.github.requests(), 11);
    hub.clock.advance(secs(20));
    assert_eq!(hub.outcome(&stranger(1_000)).await, "unavailable 40");
    // Whom GitHub does not have to be asked about is judged as ever.
    assert_eq!(hub.outcome("ghr_refused").await, "rejected");
    assert_eq!(hub.outcome(&known).await, "good");
    hub.clock.advance(secs(39));
    assert_eq!(hub.outcome(&stranger(1_001)).await, "unavailable 1");
    hub.clock.advance(secs(1));
    assert_eq!(hub.outcome(&stranger(1_002)).await, "rejected");
    assert_eq!(hub.github.requests(), 12);
}

#[tokio::test]
async fn known_tokens_are_verified_again_outside_of_the_budget() {
    let hub = Hub::with(|builder| builder.budget(1, secs(86_400)), |layer| layer.refresh_ahead(0)).await;
    let known = hub.github.token(7, &[]);
    assert_eq!(hub.outcome(&known).await, "good");
    assert_eq!(hub.outcome(&stranger(0)).await, "unavailable 3600");
    for _ in 0..3 {
        hub.clock.advance(LIVE);
        assert_eq!(hub.outcome(&known).await, "good");
    }
    assert_eq!(hub.asked(), [CHECK, USER, USER, USER]);
}

#[tokio::test]
async fn strangers_do_not_make_a_known_token_unknown() {
    let hub = Hub::with(|builder| builder.budget(2, secs(86_400)), |layer| layer.refresh_ahead(0)).await;
    let known = hub.github.token(7, &[]);
    assert_eq!(hub.outcome(&known).await, "good");
    assert_eq!(hub.outcome(&stranger(0)).await, "rejected");
    // At the end of the time to live somebody else comes first.
    hub.clock.advance(LIVE);
    assert_eq!(hub.outcome(&stranger(1)).await, "unavailable 3600");
    for _ in 0..100 {
        // Time for what goes on in the background.
        tokio::task::spawn_blocking(std::thread::yield_now).await.unwrap();
    }
    assert_eq!(hub.outcome(&known).await, "good");
    assert_eq!(hub.asked(), [CHECK, CHECK, USER]);
}

#[tokio::test]
async fn the_budget_is_for_tokens_of_all_kinds_and_shared_by_clones() {
    let world = Scripted::new();
    world.script.set(CHECK_URL, check_of_octocat());
    world.script.set(USER_URL, checked(&octocat()));
    let verifier = world.bound().insecure_allow_personal_access_tokens().budget(3, secs(60)).build().unwrap();
    let verdicts = |token: &'static str| {
        let clone = verifier.clone();
        async move { clone.verify(&bearer(token)).await.is_ok() }
    };
    assert_eq!([verdicts(TOKEN).await, verdicts(PERSONAL).await, verdicts(TOKEN).await], [true; 3]);
    assert_eq!([verdicts(TOKEN).await, verdicts(PERSONAL).await], [false; 2]);
    assert_eq!(world.script.count(), 3);
}

#[tokio::test]
async fn once_github_says_that_a_limit_is_passed_it_is_left_alone_until_then() {
    let hub = Hub::new().await;
    let (known, unknown) = (hub.github.token(7, &[]), hub.github.token(8, &[]));
    assert_eq!(hub.outcome(&known).await, "good");
    hub.github.limit_rate(0, hub.clock.now() + secs(600));
    assert_eq!(hub.outcome(&unknown).await, "unavailable 600");
    hub.clock.advance(secs(100));
    for number in 0..20 {
        assert_eq!(hub.outcome(&stranger(number)).await, "unavailable 500");
    }
    assert_eq!(hub.asked(), [CHECK, CHECK]);
    assert_eq!(hub.outcome(&known).await, "good");
    // The quota of the known token is its own, and it is asked for with it.
    hub.clock.advance(secs(200));
    assert_eq!(hub.outcome(&known).await, "unavailable 300");
    assert_eq!(hub.asked(), [CHECK, CHECK, USER]);
    hub.clock.advance(secs(299));
    assert_eq!(hub.outcome(&unknown).await, "unavailable 1");
    hub.clock.advance(secs(1));
    assert_eq!([hub.outcome(&unknown).await, hub.outcome(&known).await], ["good"; 2]);
}

#[tokio::test]
async fn a_limit_lasts_for_an_hour_at_most_whatever_is_said() {
    let (date, reset) = (date(DATE), (DATE + 7 * 86_400).to_string());
    for fields in [
        &[("date", &*date), ("x-ratelimit-remaining", "0"), ("x-ratelimit-reset", &*reset)][..],
        &[("retry-after", "604800")],
        &[("retry-after", "99999999999999999999999")],
    ] {
        let world = Scripted::new();
        let app = world.app(world.bound().build().unwrap());
        world.script.set(CHECK_URL, error(403, PRIMARY, fields));
        assert_eq!(outcome(&app, TOKEN).await, "unavailable 3600");
        world.script.set(CHECK_URL, check_of_octocat());
        world.clock.advance(secs(3_599));
        assert_eq!(outcome(&app, TOKEN).await, "unavailable 1");
        world.clock.advance(secs(1));
        assert_eq!(outcome(&app, TOKEN).await, "good");
    }
}

#[tokio::test]
async fn a_limit_holds_for_those_who_wait_too() {
    let world = Scripted::new();
    world.script.set(CHECK_URL, fixture("user_403_primary_rate_limit_user", world.seconds()));
    let app = world.app(world.bound().max_upstream_calls(1).build().unwrap());
    world.script.hold();
    let mut asking = JoinSet::new();
    for number in 0..10 {
        asking.spawn(app.ask(&stranger(number)));
    }
    settle().await;
    world.script.release();
    for response in asking.join_all().await {
        assert_eq!(response.status(), 503);
        assert_eq!(response.headers()["retry-after"], "90");
    }
    assert_eq!(world.script.count(), 1);
}

#[tokio::test]
async fn a_limit_is_kept_to_for_as_long_as_it_lasts_there() {
    let (date, reset) = (date(DATE), (DATE + 90).to_string());
    let fields = [("date", &*date), ("x-ratelimit-remaining", "0"), ("x-ratelimit-reset", &*reset)];
    // Our clock is hours off, and then somebody sets it.
    for ours in [DATE - 5 * 3_600, DATE + 5 * 3_600] {
        let world = Scripted::at(TestClock::at(at(ours)));
        let app = world.app(world.bound().build().unwrap());
        world.script.set(CHECK_URL, error(403, PRIMARY, &fields));
        assert_eq!(outcome(&app, TOKEN).await, "unavailable 90");
        world.script.set(CHECK_URL, check_of_octocat());
        world.clock.set_now(at(DATE));
        assert_eq!(outcome(&app, TOKEN).await, "unavailable 90");
        world.clock.advance(secs(89));
        assert_eq!(outcome(&app, TOKEN).await, "unavailable 1");
        assert_eq!(world.script.count(), 1);
        world.clock.advance(secs(1));
        assert_eq!(outcome(&app, TOKEN).await, "good");
    }
}

#[tokio::test]
async fn a_limit_of_one_user_holds_up_nobody_else() {
    let world = Scripted::new();
    let verifier = world.unbound().build().unwrap();
    world.script.set(USER_URL, fixture("user_403_primary_rate_limit_user", world.seconds()));
    assert!(verifier.verify(&bearer(TOKEN)).await.is_err());
    world.script.set(USER_URL, checked(&octocat()));
    assert!(verifier.verify(&bearer("gho_another")).await.is_ok());
}

#[tokio::test]
async fn whoever_asks_beyond_the_calls_that_are_allowed_at_a_time_waits() {
    let world = Scripted::new();
    world.script.set(CHECK_URL, check_of_octocat());
    let app = world.app(world.bound().max_upstream_calls(2).build().unwrap());
    world.script.hold();
    let mut asking = JoinSet::new();
    for number in 0..5 {
        asking.spawn(app.ask(&stranger(number)));
    }
    settle().await;
    assert_eq!(world.script.count(), 2);
    world.script.release();
    let statuses: Vec<u16> =
        asking.join_all().await.iter().map(|response| response.status().as_u16()).collect();
    assert_eq!((statuses, world.script.count()), (vec![200; 5], 5));
}

#[tokio::test(start_paused = true)]
async fn a_place_is_waited_for_no_longer_than_the_limit_and_given_back() {
    let world = Scripted::new();
    world.script.set(CHECK_URL, Reply::Hangs);
    let app = world.app(world.bound().max_upstream_calls(1).timeout(secs(2)).build().unwrap());
    let mut asking = JoinSet::new();
    let began = tokio::time::Instant::now();
    for number in 0..3 {
        asking.spawn(app.ask(&stranger(number)));
    }
    for response in asking.join_all().await {
        assert_eq!(response.status(), 503);
    }
    assert_eq!(began.elapsed().as_secs(), 2);
    world.script.set(CHECK_URL, check_of_octocat());
    assert_eq!(app.status(TOKEN).await, 200);
}

// Setting it up.

/// Expects a fault of one setting, with an app and without.
fn refused(
    setting: &str,
    kind: BuildErrorKind,
    set: impl Fn(GitHubVerifierBuilder) -> GitHubVerifierBuilder,
) {
    for builder in [GitHubVerifier::builder(CLIENT, SECRET), GitHubVerifier::insecure_any_app()] {
        let error = set(builder.http_client(Script::new())).build().unwrap_err();
        assert_eq!((error.setting(), error.kind()), (setting, kind), "{error}");
    }
}

#[test]
fn an_address_that_is_not_safe_is_refused() {
    use BuildErrorKind::{InsecureUrl, InvalidUrl};
    for (url, kind) in [
        ("http://api.github.com", InsecureUrl),
        ("http://10.0.0.1/api/v3", InsecureUrl),
        // Where users are, and not programs.
        ("https://github.com", InvalidUrl),
        ("https://GitHub.com/api/v3", InvalidUrl),
        ("https://me@github.example.com", InvalidUrl),
        ("https://me:secret@github.example.com", InvalidUrl),
        ("https://github.example.com/api/v3?a=b", InvalidUrl),
        ("https://github.example.com?", InvalidUrl),
        ("https://github.example.com/#a", InvalidUrl),
        ("https://github.example.com/a/../b", InvalidUrl),
        ("https://g\u{ed}thub.example.com", InvalidUrl),
        ("api.github.com", InvalidUrl),
        ("ftp://api.github.com", InvalidUrl),
        ("https://", InvalidUrl),
        ("", InvalidUrl),
    ] {
        refused("api_url", kind, |builder| builder.api_url(url));
    }
}

#[test]
fn a_number_out_of_range_is_refused() {
    let kind = BuildErrorKind::OutOfRange;
    let second = Duration::from_secs(1);
    for (calls, period) in [
        (0, second),
        (1, Duration::ZERO),
        (1, second - Duration::from_nanos(1)),
        (1, secs(86_400) + Duration::from_nanos(1)),
        (1, Duration::MAX),
    ] {
        refused("budget", kind, |builder| builder.budget(calls, period));
    }
    for timeout in [Duration::ZERO, Duration::from_micros(999), secs(61), Duration::MAX] {
        refused("timeout", kind, |builder| builder.timeout(timeout));
    }
    for calls in [0, 10_001, usize::MAX] {
        refused("max_upstream_calls", kind, |builder| builder.max_upstream_calls(calls));
    }
}

#[test]
fn a_list_names_somebody_and_names_them_properly() {
    use BuildErrorKind::{Empty, InvalidText, OutOfRange};
    refused("allowed_users", Empty, |builder| builder.allowed_users([]));
    // A list of nobody is one of nobody, whatever the others are.
    refused("allowed_users", Empty, |builder| builder.allowed_users([]).allowed_organizations(["a"]));
    for (names, kind) in [
        (&[][..], Empty),
        (&["a"; 21], OutOfRange),
        (&["a", ""], InvalidText),
        (&["."], InvalidText),
        (&[".."], InvalidText),
        (&["a/b"], InvalidText),
        (&["a b"], InvalidText),
        (&["a?b"], InvalidText),
        (&["a#b"], InvalidText),
        (&["a%2fb"], InvalidText),
        (&["\u{e4}"], InvalidText),
    ] {
        let names = || names.iter().copied();
        refused("allowed_organizations", kind, |builder| builder.allowed_organizations(names()));
        for is_organization in [true, false] {
            let team = |name| if is_organization { (name, "core") } else { ("a", name) };
            refused("allowed_teams", kind, |builder| {
                builder.allowed_users([1]).allowed_teams(names().map(team))
            });
        }
    }
}

#[test]
fn a_version_of_the_api_is_a_text_that_can_be_sent() {
    for version in ["", "2022-11-28\r\nx: y", "2022\0"] {
        refused("api_version", BuildErrorKind::InvalidText, |builder| builder.api_version(version));
    }
    for version in ["2022\u{2013}11\u{2013}28", " ", "\t"] {
        let built =
            GitHubVerifier::insecure_any_app().http_client(Script::new()).api_version(version).build();
        let error = built.expect_err(version);
        assert_eq!((error.setting(), error.kind()), ("api_version", BuildErrorKind::InvalidText));
    }
}

#[test]
fn an_app_has_an_id_and_a_secret() {
    use BuildErrorKind::{Empty, InvalidText};
    for (client, secret, setting, kind) in [
        ("", SECRET, "client_id", Empty),
        (" \t", SECRET, "client_id", Empty),
        (CLIENT, "", "client_secret", Empty),
        (CLIENT, "  ", "client_secret", Empty),
        ("..", SECRET, "client_id", InvalidText),
        ("a/b", SECRET, "client_id", InvalidText),
        ("a:b", SECRET, "client_id", InvalidText),
        ("a b", SECRET, "client_id", InvalidText),
        ("Iv1.0123\n", SECRET, "client_id", InvalidText),
        ("a?b", SECRET, "client_id", InvalidText),
        (CLIENT, "s\n", "client_secret", InvalidText),
        (CLIENT, "s\u{e9}cret", "client_secret", InvalidText),
        (CLIENT, "a:b", "client_secret", InvalidText),
    ] {
        let error = GitHubVerifier::builder(client, secret).build().unwrap_err();
        assert_eq!((error.setting(), error.kind()), (setting, kind), "{client:?} {secret:?}");
        let text = format!("{error} {error:?}");
        assert!(!text.contains("s\u{e9}cret") && !text.contains(SECRET), "{text}");
    }
}

#[test]
fn what_is_just_within_bounds_is_accepted() {
    let names: Vec<String> = (0..20).map(|number| format!("org-{number}")).collect();
    for client in [CLIENT, "Ov23liTestGitHubApp0", "0123456789abcdef0123", "lv1_a-b.c"] {
        let builder = GitHubVerifier::builder(client, SECRET)
            .http_client(Script::new())
            .allowed_users(0..10_000)
            .allowed_organizations(&names)
            .allowed_teams(names.iter().map(|name| (name.as_str(), "the.team_1")));
        for (calls, period) in [(1, secs(1)), (u32::MAX, secs(86_400))] {
            let builder = builder.clone().budget(calls, period);
            assert!(builder.clone().timeout(Duration::from_millis(1)).max_upstream_calls(1).build().is_ok());
            assert!(builder.timeout(secs(60)).max_upstream_calls(10_000).build().is_ok());
        }
    }
}

#[test]
fn building_asks_nobody() {
    let world = Scripted::new();
    let verifier = world.bound().allowed_organizations(["github"]).build().unwrap();
    assert_eq!(
        verifier.issuers().iter().map(|issuer| &**issuer).collect::<Vec<_>>(),
        ["https://github.com/login/oauth"]
    );
    assert!(verifier.recognises(&bearer(TOKEN)));
    assert!(verifier.verify_now(&bearer(TOKEN), world.clock.now()).is_none());
    assert_eq!(world.script.count(), 0);
}

#[tokio::test]
async fn the_api_is_asked_where_it_was_said_to_be() {
    for (url, base, issuer) in [
        ("https://api.github.com", "https://api.github.com", "https://github.com/login/oauth"),
        ("https://api.github.com/", "https://api.github.com", "https://github.com/login/oauth"),
        ("https://api.acme.ghe.com", "https://api.acme.ghe.com", "https://acme.ghe.com/login/oauth"),
        ("https://ghe.example/api/v3", "https://ghe.example/api/v3", "https://ghe.example/login/oauth"),
        ("https://ghe.example/api/v3/", "https://ghe.example/api/v3", "https://ghe.example/login/oauth"),
        (
            "https://ghe.example:8443/api/v3",
            "https://ghe.example:8443/api/v3",
            "https://ghe.example:8443/login/oauth",
        ),
        ("http://127.0.0.1:99/api/v3", "http://127.0.0.1:99/api/v3", "http://127.0.0.1:99/login/oauth"),
        ("http://[::1]:99", "http://[::1]:99", "http://[::1]:99/login/oauth"),
    ] {
        let world = Scripted::new();
        let paths = [
            "/applications/Iv1.0123456789abcdef/token",
            "/user/memberships/orgs/github",
            "/orgs/github/teams/core/memberships/octocat",
            "/user",
        ];
        let urls = paths.map(|path| format!("{base}{path}"));
        world.script.set(&urls[0], check_of_octocat());
        world.script.set(&urls[1], fixture("org_member_404", 0));
        world.script.set(&urls[2], checked(&json!({ "state": "active" })));
        world.script.set(&urls[3], checked(&octocat()).with("x-oauth-scopes", "repo"));
        let builder = world.bound().api_url(url).allowed_organizations(["github"]);
        let verifier = builder.allowed_teams([("github", "core")]).build().unwrap();
        let vouched = verifier.verify(&bearer(TOKEN)).await.unwrap();
        assert_eq!(vouched.issuer(), Some(issuer));
        assert_eq!(verifier.issuers().iter().map(|issuer| &**issuer).collect::<Vec<_>>(), [issuer]);
        verifier.revalidate(&bearer(TOKEN), &vouched).await.unwrap();
        let [check, organization, team, user] = urls;
        let again = [user, organization.clone(), team.clone()];
        assert_eq!(world.script.urls(), [&[check, organization, team][..], &again].concat(), "{url}");
    }
}

#[test]
fn the_issuer_is_the_same_however_the_address_is_written() {
    let issuer = |url: &str| {
        let verifier = GitHubVerifier::insecure_any_app().http_client(Script::new()).api_url(url).build();
        verifier.unwrap().issuers()[0].to_string()
    };
    let addresses = [
        "https://API.GitHub.com",
        "HTTPS://api.github.com",
        "https://api.github.com:443",
        // A server of an enterprise, whose users log in where it is.
        "https://api.ghe.example/api/v3",
    ];
    let (github, enterprise) = ("https://github.com/login/oauth", "https://api.ghe.example/login/oauth");
    assert_eq!(addresses.map(issuer), [github, github, github, enterprise]);
}
