//! Any answers of GitHub: a token is good exactly if an own reading of them says so, and bad only if they prove it.
//!
//! The first line says who asks: `app`, `profile`, `member`, `personal`, or `again` for a cache that verifies the token
//! anew after the first answer. Then come the answers, in the order in which they are asked for, as `answers` reads
//! them.

use std::sync::OnceLock;

use bytes::Bytes;
use http::{HeaderValue, Response};
use tower_bearer::error::VerifyErrorKind;
use tower_bearer::verifier::{GitHubVerifierBuilder, Verdict};
use tower_bearer::{AccessToken, BearerToken, GitHubVerifier, TokenVerifier};

use crate::answers::{Scripted, read};
use crate::json::{Json, Members, object};
use crate::lab::{NOW, StandingClock, finish};
use crate::logs;
use crate::rules::{moment, scope_set};
use crate::service::{Answer, Door, ask, door};

/// The app whose tokens are good.
pub const CLIENT: &str = "Iv1.0123456789abcdef";
/// The organisation whose members are let in.
pub const ORGANIZATION: &str = "acme";
const SECRET: &str = "0123456789abcdef0123456789abcdef01234567";
const APP_TOKEN: &str = "gho_16C7e42F292c6912E7710c838347Ae178B4a";
const PERSONAL_TOKEN: &str = "ghp_16C7e42F292c6912E7710c838347Ae178B4a";

struct Setup {
    client: Scripted,
    app: Door<GitHubVerifier>,
    profile: Door<GitHubVerifier>,
    member: Door<GitHubVerifier>,
    personal: Door<GitHubVerifier>,
    cached: GitHubVerifier,
}

fn setup() -> &'static Setup {
    static SETUP: OnceLock<Setup> = OnceLock::new();
    SETUP.get_or_init(|| {
        logs::listen(&[SECRET, APP_TOKEN, PERSONAL_TOKEN]);
        let client = Scripted::default();
        let builder =
            || GitHubVerifier::builder(CLIENT, SECRET).http_client(client.clone()).clock(StandingClock);
        let build = |builder: GitHubVerifierBuilder| builder.build().expect("settings that make sense");
        Setup {
            app: door(build(builder())),
            profile: door(build(builder().fetch_profile())),
            member: door(build(builder().allowed_organizations([ORGANIZATION]))),
            personal: door(build(builder().insecure_allow_personal_access_tokens())),
            cached: build(builder()),
            client,
        }
    })
}

/// What answers say of a token, by an own reading.
#[derive(Debug)]
enum Reading {
    /// Nothing: nobody can tell.
    Nothing,
    Bad,
    Good(Box<User>),
}

/// Who has a token, and what it may do.
#[derive(Debug, Default)]
struct User {
    id: String,
    login: String,
    scopes: Option<Vec<String>>,
    expires_at: Option<String>,
}

pub fn check(input: &[u8]) {
    let end = input.iter().position(|byte| *byte == b'\n').unwrap_or(input.len());
    let (who, rest) = input.split_at(end);
    let Some(answers) = read(rest.get(1..).unwrap_or_default()) else { return };
    let setup = setup();
    // What an answer before said of limits has passed.
    StandingClock::leap();
    setup.client.answer(answers.iter().cloned());
    let (door, token, reading) = match who {
        b"app" => (&setup.app, APP_TOKEN, of_app(&answers)),
        b"profile" => (&setup.profile, APP_TOKEN, with_profile(&answers)),
        b"member" => (&setup.member, APP_TOKEN, of_member(&answers)),
        b"personal" => (&setup.personal, PERSONAL_TOKEN, of_user(answers.first())),
        b"again" => return again(setup, &answers),
        _ => return,
    };
    let told = ask(door, [HeaderValue::from_str(&format!("Bearer {token}")).expect("a token")]);
    compare(&told, &reading, answers.iter().any(is_doubtful));
}

/// Whether an answer has a date, of which the reading is compared with nothing, or an id that is no `u64`.
fn is_doubtful(answer: &Response<Bytes>) -> bool {
    let members = body(answer).unwrap_or_default();
    let user = members.get("user").and_then(Json::object);
    let is_large = |user: &Members| matches!(user.get("id"), Some(Json::Number(id, None)) if *id > 1e19);
    let date = members.text("expires_at").is_some_and(|date| date != FUTURE);
    let fields = answer.headers().get_all("github-authentication-token-expiration");
    date || fields.iter().any(|date| date != FUTURE_FIELD)
        || [Some(&members), user].into_iter().flatten().any(is_large)
}

fn compare(told: &Answer, reading: &Reading, is_doubtful: bool) {
    match (told.status.as_u16(), reading) {
        (503, Reading::Nothing) => told.assert_rejected(503, None),
        (401, Reading::Bad) => told.assert_rejected(401, Some("invalid_token")),
        // It has ended, or nobody can tell.
        (401 | 503, _) if is_doubtful => {}
        (403, Reading::Good(user)) => {
            assert!(!user.grants("read"), "{user:?}");
            told.assert_rejected(403, Some("insufficient_scope"));
        }
        (200, Reading::Good(user)) => {
            let token = told.reached.as_ref().and_then(|reached| reached.token.as_ref());
            user.compare(token.expect("it was let in"));
        }
        (status, reading) => panic!("answered with {status}: {reading:?}"),
    }
}

impl User {
    fn grants(&self, scope: &str) -> bool {
        self.scopes.iter().flatten().any(|own| own == scope)
    }

    fn compare(&self, token: &AccessToken) {
        assert_eq!(token.subject(), Some(&*self.id));
        assert_eq!(token.claim::<String>("login").as_deref(), Some(&*self.login));
        assert_eq!(token.issuer(), Some("https://github.com/login/oauth"));
        assert!(!token.is_expired(moment(NOW)));
        assert_eq!(token.expires_at().is_some(), self.expires_at.is_some());
        let granted = self.scopes.as_deref().unwrap_or_default();
        for scope in token.scopes().iter() {
            let included = granted.iter().any(|own| scope == own || includes(own, scope));
            assert!(included, "{scope} is not in {granted:?}");
        }
        assert!(granted.iter().all(|scope| token.scopes().contains(scope)));
        let text = serde_json::to_string(token.claims()).expect("JSON");
        assert!(![APP_TOKEN, PERSONAL_TOKEN].iter().any(|token| text.contains(token)), "{text}");
    }
}

/// Whether a scope of GitHub may include another: the parents of its documentation.
fn includes(parent: &str, scope: &str) -> bool {
    let after = |kind: &str, text: &str| text.strip_prefix(kind).map(str::to_owned);
    let subject = |text: &str| ["admin:", "write:", "read:"].iter().find_map(|kind| after(kind, text));
    let same = subject(parent).is_some() && subject(parent) == subject(scope);
    same || match parent {
        "admin:org" => scope == "manage_runners:org",
        "admin:enterprise" => scope.ends_with(":enterprise"),
        "audit_log" | "project" => scope == format!("read:{parent}"),
        "codespace" => scope == "codespace:secrets",
        "repo" => ["repo:status", "repo_deployment", "public_repo", "repo:invite", "security_events"]
            .contains(&scope),
        "user" => ["read:user", "user:email", "user:follow"].contains(&scope),
        _ => false,
    }
}

/// `POST /applications/{client_id}/token`.
fn of_app(answers: &[Response<Bytes>]) -> Reading {
    let Some(answer) = answers.first() else { return Reading::Nothing };
    let body = body(answer);
    match (answer.status().as_u16(), body) {
        (404, Some(error)) if is_of_the_api(&error) => Reading::Bad,
        (200, Some(answer)) => {
            let app = answer.get("app").and_then(Json::object).and_then(|app| app.text("client_id"));
            let user = answer.get("user").and_then(Json::object).and_then(User::read);
            let scopes = match answer.get("scopes") {
                None | Some(Json::Null) => Some(None),
                Some(Json::List(scopes)) => {
                    scopes.iter().map(Json::text).collect::<Option<Vec<_>>>().map(Some)
                }
                Some(_) => None,
            };
            let expires_at = match answer.get("expires_at") {
                None | Some(Json::Null) => Some(None),
                Some(Json::Text(text)) => Some(Some(text.clone())),
                Some(_) => None,
            };
            let (Some(user), Some(scopes), Some(expires_at)) = (user, scopes, expires_at) else {
                return Reading::Nothing;
            };
            if app != Some(CLIENT) {
                return Reading::Nothing;
            }
            Reading::Good(Box::new(User { scopes: scopes.map(scope_set), expires_at, ..user }))
        }
        _ => Reading::Nothing,
    }
}

/// `GET /user`.
fn of_user(answer: Option<&Response<Bytes>>) -> Reading {
    let Some(answer) = answer else { return Reading::Nothing };
    match (answer.status().as_u16(), body(answer)) {
        (401, Some(error)) if is_of_the_api(&error) => {
            if error.text("message") == Some("Requires authentication") {
                Reading::Nothing
            } else {
                Reading::Bad
            }
        }
        (200, Some(user)) => {
            let Some(user) = User::read(&user) else { return Reading::Nothing };
            let lines = answer.headers().get_all("x-oauth-scopes");
            let texts: Vec<&str> = lines.iter().filter_map(|line| line.to_str().ok()).collect();
            let scopes = texts.iter().flat_map(|line| line.split(',')).map(str::trim);
            let mut dates = answer.headers().get_all("github-authentication-token-expiration").iter();
            let expires_at = match (dates.next(), dates.next()) {
                (None, _) => None,
                (Some(date), None) => match date.to_str() {
                    Ok(date) => Some(date.trim().to_owned()),
                    Err(_) => return Reading::Nothing,
                },
                (Some(_), Some(_)) => return Reading::Nothing,
            };
            let scopes = (lines.iter().count() > 0).then(|| scope_set(scopes));
            Reading::Good(Box::new(User { scopes, expires_at, ..user }))
        }
        _ => Reading::Nothing,
    }
}

/// First the app is asked, then the user.
fn with_profile(answers: &[Response<Bytes>]) -> Reading {
    let app = match of_app(answers) {
        Reading::Good(app) => app,
        other => return other,
    };
    match of_user(answers.get(1)) {
        Reading::Good(own) if own.id != app.id => Reading::Nothing,
        Reading::Good(own) => {
            let (scopes, expires_at) = (own.scopes.or(app.scopes), app.expires_at.or(own.expires_at));
            Reading::Good(Box::new(User { id: own.id, login: own.login, scopes, expires_at }))
        }
        other => other,
    }
}

/// First the app is asked, then whether the user is a member.
fn of_member(answers: &[Response<Bytes>]) -> Reading {
    let Reading::Good(user) = of_app(answers) else { return of_app(answers) };
    let Some(answer) = answers.get(1) else { return Reading::Nothing };
    match (answer.status().as_u16(), body(answer)) {
        (404, Some(error)) if is_of_the_api(&error) => Reading::Bad,
        (401, Some(error)) if is_of_the_api(&error) => {
            if error.text("message") == Some("Requires authentication") {
                Reading::Nothing
            } else {
                Reading::Bad
            }
        }
        (200, Some(membership)) => {
            let named =
                |name: &str| membership.get(name).map(|named| named.object().cloned().unwrap_or_default());
            let is_user = named("user").is_none_or(|named| id(&named).as_deref() == Some(&*user.id));
            let is_organization = named("organization").is_none_or(|named| {
                named.text("login").is_some_and(|login| login.eq_ignore_ascii_case(ORGANIZATION))
            });
            match membership.text("state") {
                Some(state) if is_user && is_organization => {
                    if state == "active" {
                        Reading::Good(user)
                    } else {
                        Reading::Bad
                    }
                }
                _ => Reading::Nothing,
            }
        }
        _ => Reading::Nothing,
    }
}

/// A cache verifies anew what it has known.
fn again(setup: &Setup, answers: &[Response<Bytes>]) {
    let token = BearerToken::new(APP_TOKEN).expect("a token");
    let Ok(last) = finish(setup.cached.verify(&token)) else { return };
    // As of a cache that has learned a tag, which only the answer about the user has.
    let Ok(last) = finish(setup.cached.revalidate(&token, &last)) else { return };
    let before = answers.len() - setup.client.left();
    let verdict: Verdict = finish(setup.cached.revalidate(&token, &last));
    let used = answers.len() - setup.client.left();
    let rest = answers.get(before..used).unwrap_or_default();
    match verdict {
        Ok(now) => {
            // Unless it was verified all over again.
            let is_new = matches!(of_app(rest.split_at(rest.len().saturating_sub(1)).1), Reading::Good(_));
            assert!(is_new || now.subject() == last.subject(), "the token has changed hands");
            assert!(
                rest.iter().any(|answer| matches!(answer.status().as_u16(), 200 | 304)),
                "nobody said so"
            );
        }
        Err(error) => {
            let is_proof = |answer: &Response<Bytes>| {
                matches!(answer.status().as_u16(), 401 | 404)
                    && body(answer).is_some_and(|body| is_of_the_api(&body))
            };
            let is_undecided = error.kind() == VerifyErrorKind::Unavailable;
            assert!(is_undecided || rest.iter().any(is_proof), "{error:?} without a proof");
        }
    }
}

/// A date to come, as each answer writes it.
const FUTURE: &str = "2036-01-01T00:00:00Z";
const FUTURE_FIELD: &str = "2036-01-01 00:00:00 UTC";

impl User {
    fn read(user: &Members) -> Option<Self> {
        let id = id(user)?;
        let login = user.text("login").filter(|login| {
            (1..=255).contains(&login.len())
                && login.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_[]".contains(&byte))
        })?;
        let texts = ["name", "email", "avatar_url"].iter().filter_map(|name| user.get(name));
        let readable = texts.into_iter().all(|value| matches!(value, Json::Null | Json::Text(_)));
        readable.then(|| Self { id, login: login.to_owned(), ..Self::default() })
    }
}

/// A number that is not zero, written in digits alone.
fn id(user: &Members) -> Option<String> {
    match user.get("id") {
        Some(Json::Number(_, Some(id))) if *id > 0 => Some(id.to_string()),
        _ => None,
    }
}

fn body(answer: &Response<Bytes>) -> Option<Members> {
    object(answer.body()).filter(|_| answer.body().len() <= 64 * 1024)
}

fn is_of_the_api(error: &Members) -> bool {
    error.text("message").is_some() && error.text("documentation_url").is_some()
}
