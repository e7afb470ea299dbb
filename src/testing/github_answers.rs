//! How the GitHub of tests answers.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::header::{AUTHORIZATION, CONTENT_TYPE, DATE, ETAG, IF_NONE_MATCH, USER_AGENT};
use http::{HeaderMap, HeaderValue, Request, Response, StatusCode};
use serde_json::Value;

use super::github_accounts::{Accounts, Grant, LIMIT, Window};
use super::github_bodies as bodies;
use super::github_bodies::Bodies;
use super::opaque::sha256_hex;
use super::server::{Fake, Outcome};
use super::traffic::Traffic;
use crate::clock::Clock;

pub(super) const CLIENT_ID: &str = "Ov23liTestGitHubApp0";
pub(super) const CLIENT_SECRET: &str = "5ec2e7f05ec2e7f05ec2e7f05ec2e7f05ec2e7f0";

/// The limit for those who do not say who they are.
const ANONYMOUS_LIMIT: u64 = 60;
const JSON: &str = "application/json; charset=utf-8";
const NO_USER_AGENT: &str = "\r\nRequest forbidden by administrative rules. Please make sure your request has a User-Agent \
                             header (https://docs.github.com/en/rest/overview/resources-in-the-rest-api#user-agent-required). \
                             Check https://developer.github.com for other possible causes.\r\n";

const CHECK: &str = "rest/apps/oauth-applications#check-a-token";
const MEMBERSHIP: &str = "rest/orgs/members#get-an-organization-membership-for-the-authenticated-user";
const ORGANIZATIONS: &str = "rest/orgs/orgs#list-organizations-for-the-authenticated-user";
const TEAM_MEMBERSHIP: &str = "rest/teams/members#get-team-membership-for-a-user";
const TEAMS: &str = "rest/teams/teams#list-teams-for-the-authenticated-user";
const USER: &str = "rest/users/users#get-the-authenticated-user";

/// In every answer that is JSON.
const COMMON: [(&str, &str); 12] = [
    ("server", "github.com"),
    ("vary", "Accept, Authorization, Cookie, X-GitHub-OTP"),
    ("x-github-media-type", "github.v3; format=json"),
    ("x-github-request-id", bodies::REQUEST_ID),
    (
        "access-control-expose-headers",
        "ETag, Link, Location, Retry-After, X-GitHub-OTP, X-RateLimit-Limit, X-RateLimit-Remaining, X-RateLimit-Used, \
         X-RateLimit-Resource, X-RateLimit-Reset, X-OAuth-Scopes, X-Accepted-OAuth-Scopes, X-Poll-Interval, \
         X-GitHub-Media-Type, X-GitHub-SSO, X-GitHub-Request-Id, Deprecation, Sunset",
    ),
    ("access-control-allow-origin", "*"),
    ("strict-transport-security", "max-age=31536000; includeSubdomains; preload"),
    ("x-frame-options", "deny"),
    ("x-content-type-options", "nosniff"),
    ("x-xss-protection", "0"),
    ("referrer-policy", "origin-when-cross-origin, strict-origin-when-cross-origin"),
    ("content-security-policy", "default-src 'none'"),
];

/// What all clones of a fake share.
#[derive(Debug)]
pub(super) struct GitHub {
    pub(super) url: String,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) accounts: Mutex<Accounts>,
    pub(super) traffic: Traffic,
}

impl Fake for GitHub {
    async fn answer(&self, request: Request<Bytes>) -> Outcome {
        self.traffic.conduct(request, |request| self.respond(request)).await
    }
}

impl GitHub {
    pub(super) fn accounts(&self) -> MutexGuard<'_, Accounts> {
        self.accounts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn respond(&self, request: &Request<Bytes>) -> Response<Bytes> {
        let now = self.clock.now();
        let named = request.headers().contains_key(USER_AGENT);
        let mut response = if named { self.route(request, now) } else { no_user_agent() };
        put(response.headers_mut(), DATE.as_str(), &httpdate::fmt_http_date(now));
        response
    }

    fn route(&self, request: &Request<Bytes>, now: SystemTime) -> Response<Bytes> {
        let segments: Vec<&str> = request.uri().path().split('/').skip(1).collect();
        match (request.method().as_str(), segments.as_slice()) {
            ("POST", ["applications", client_id, "token"]) => self.check(client_id, request, now),
            ("GET", ["rate_limit"]) => self.rate_limit(request, now),
            ("GET", ["user"]) => self.show(request, now, USER, |bodies, id| Some(bodies.whole_user(id))),
            ("GET", ["user", "orgs"]) => self.show(request, now, ORGANIZATIONS, |bodies, id| {
                let all = bodies.accounts.memberships(id).filter(|(_, team)| team.is_none());
                Some(all.map(|(organization, _)| bodies.organization(organization)).collect())
            }),
            ("GET", ["user", "teams"]) => self.show(request, now, TEAMS, |bodies, id| {
                let all = bodies.accounts.memberships(id);
                Some(all.filter_map(|(home, team)| team.map(|team| bodies.team(home, team))).collect())
            }),
            ("GET", ["user", "memberships", "orgs", login]) => {
                self.show(request, now, MEMBERSHIP, |bodies, id| {
                    let organization = bodies.accounts.organization(login)?;
                    let state = bodies.accounts.membership(id, organization, None)?;
                    Some(bodies.membership(id, organization, state))
                })
            }
            ("GET", ["orgs", home, "teams", slug, "memberships", login]) => {
                self.show(request, now, TEAM_MEMBERSHIP, |bodies, _| {
                    let organization = bodies.accounts.organization(home)?;
                    let team = bodies.accounts.team(organization, slug)?;
                    let user = bodies.accounts.user(login)?;
                    let state = bodies.accounts.membership(user, organization, Some(team))?;
                    Some(bodies.team_membership(user, team, state))
                })
            }
            _ => failure(404, "Not Found", "rest"),
        }
    }

    /// Whether a token is one of the app.
    fn check(&self, client_id: &str, request: &Request<Bytes>, now: SystemTime) -> Response<Bytes> {
        match basic(request.headers()) {
            None => return self.requires_authentication(now, CHECK),
            Some((id, secret)) if id == CLIENT_ID && secret == CLIENT_SECRET => {}
            Some(_) => return bad_credentials(),
        }
        let mut accounts = self.accounts();
        if accounts.count(now).is_none() {
            let body = bodies::rate_limit_exceeded(CLIENT_ID, now);
            return limited(json(403, &body), accounts.window(now));
        }
        let window = accounts.window(now);
        let Ok(body) = serde_json::from_slice::<Value>(request.body()) else {
            return limited(failure(400, "Problems parsing JSON", CHECK), window);
        };
        let Some(token) = body.get("access_token").and_then(Value::as_str) else {
            return limited(json(422, &bodies::missing_token()), window);
        };
        let bodies = Bodies { url: &self.url, accounts: &accounts };
        let grant = accounts.grant(token, now).filter(|_| client_id == CLIENT_ID);
        match grant.filter(|grant| grant.client_id.as_deref() == Some(client_id)) {
            Some(grant) => limited(json(200, &bodies.check(token, grant)), window),
            None => limited(failure(404, "Not Found", CHECK), window),
        }
    }

    /// Something that only a token opens, seen with the eyes of its user.
    fn show(
        &self,
        request: &Request<Bytes>,
        now: SystemTime,
        documentation: &str,
        body: impl FnOnce(Bodies<'_>, u64) -> Option<Value>,
    ) -> Response<Bytes> {
        let Some(token) = presented(request.headers()) else {
            return self.requires_authentication(now, documentation);
        };
        let mut accounts = self.accounts();
        let Some(grant) = accounts.grant(token, now).cloned() else { return bad_credentials() };
        if accounts.count(now).is_none() {
            let body = bodies::rate_limit_exceeded(&format!("user ID {}", grant.user), now);
            return limited(granted(json(403, &body), &grant), accounts.window(now));
        }
        let Some(body) = body(Bodies { url: &self.url, accounts: &accounts }, grant.user) else {
            let response = granted(failure(404, "Not Found", documentation), &grant);
            return limited(response, accounts.window(now));
        };
        let mut response = json(200, &body);
        let tag = format!("\"{}\"", sha256_hex(&format!("{token} {body}")));
        if is_known(request.headers(), &tag) {
            *response.status_mut() = StatusCode::NOT_MODIFIED;
            *response.body_mut() = Bytes::new();
            accounts.uncount();
        }
        put(response.headers_mut(), ETAG.as_str(), &format!("W/{tag}"));
        put(response.headers_mut(), "cache-control", "private, max-age=60, s-maxage=60");
        limited(granted(response, &grant), accounts.window(now))
    }

    /// What is left of the limit. Asking costs nothing.
    fn rate_limit(&self, request: &Request<Bytes>, now: SystemTime) -> Response<Bytes> {
        let mut accounts = self.accounts();
        let window = accounts.window(now);
        let Some(token) = presented(request.headers()) else {
            return anonymous(json(200, &bodies::rate_limit(ANONYMOUS_LIMIT, window)), window);
        };
        match accounts.grant(token, now) {
            Some(grant) => limited(granted(json(200, &bodies::rate_limit(LIMIT, window)), grant), window),
            None => bad_credentials(),
        }
    }

    fn requires_authentication(&self, now: SystemTime, documentation: &str) -> Response<Bytes> {
        anonymous(failure(401, "Requires authentication", documentation), self.accounts().window(now))
    }
}

/// The credential of a request. Empty if there is something else in its place.
fn presented(headers: &HeaderMap) -> Option<&str> {
    let value = headers.get(AUTHORIZATION)?.to_str().unwrap_or_default();
    let (scheme, token) = value.split_once(' ').unwrap_or_default();
    let known = scheme.eq_ignore_ascii_case("bearer") || scheme.eq_ignore_ascii_case("token");
    Some(if known { token.trim() } else { "" })
}

/// The name and the password of a request. Empty if there is something else in their place.
fn basic(headers: &HeaderMap) -> Option<(String, String)> {
    let value = headers.get(AUTHORIZATION)?.to_str().unwrap_or_default();
    let (scheme, encoded) = value.split_once(' ').unwrap_or_default();
    let decoded = STANDARD.decode(encoded).ok().filter(|_| scheme.eq_ignore_ascii_case("basic"));
    let text = decoded.and_then(|bytes| String::from_utf8(bytes).ok()).unwrap_or_default();
    let (id, secret) = text.split_once(':').unwrap_or_default();
    Some((id.to_owned(), secret.to_owned()))
}

/// RFC 9110 §13.1.2: compared without regard to the `W/`.
fn is_known(headers: &HeaderMap, tag: &str) -> bool {
    let lines = headers.get_all(IF_NONE_MATCH).iter().filter_map(|line| line.to_str().ok());
    let mut tags = lines.flat_map(|line| line.split(',')).map(str::trim);
    tags.any(|known| known == "*" || known.trim_start_matches("W/") == tag)
}

fn json(status: u16, body: &Value) -> Response<Bytes> {
    let mut response = Response::new(Bytes::from(body.to_string()));
    *response.status_mut() = StatusCode::from_u16(status).unwrap_or_default();
    for (name, value) in COMMON.iter().chain(&[(CONTENT_TYPE.as_str(), JSON)]) {
        put(response.headers_mut(), name, value);
    }
    response
}

fn failure(status: u16, message: &str, documentation: &str) -> Response<Bytes> {
    json(status, &bodies::error(status, message, documentation))
}

/// Counted for nobody: today, none of the headers of the rate limit.
fn bad_credentials() -> Response<Bytes> {
    failure(401, "Bad credentials", "rest")
}

fn no_user_agent() -> Response<Bytes> {
    let mut response = Response::new(Bytes::from_static(NO_USER_AGENT.as_bytes()));
    *response.status_mut() = StatusCode::FORBIDDEN;
    put(response.headers_mut(), CONTENT_TYPE.as_str(), "text/html; charset=utf-8");
    put(response.headers_mut(), "cache-control", "no-cache");
    response
}

/// Adds what an answer says about the token.
fn granted(mut response: Response<Bytes>, grant: &Grant) -> Response<Bytes> {
    let headers = response.headers_mut();
    if let Some(scopes) = &grant.scopes {
        put(headers, "x-oauth-scopes", &scopes.join(", "));
        put(headers, "x-accepted-oauth-scopes", "");
    }
    if let Some(client_id) = &grant.client_id {
        put(headers, "x-oauth-client-id", client_id);
    } else if let Some(end) = grant.expires {
        let end = bodies::rfc3339(end).replace('T', " ").replace('Z', " UTC");
        put(headers, "github-authentication-token-expiration", &end);
    }
    response
}

/// Adds what is left of the limit.
fn limited(response: Response<Bytes>, window: Window) -> Response<Bytes> {
    with_limit(response, LIMIT, window)
}

fn anonymous(response: Response<Bytes>, window: Window) -> Response<Bytes> {
    with_limit(response, ANONYMOUS_LIMIT, window)
}

fn with_limit(mut response: Response<Bytes>, limit: u64, window: Window) -> Response<Bytes> {
    let remaining = window.remaining.min(limit);
    let headers = response.headers_mut();
    put(headers, "x-ratelimit-limit", &limit.to_string());
    put(headers, "x-ratelimit-remaining", &remaining.to_string());
    put(headers, "x-ratelimit-used", &(limit - remaining).to_string());
    put(headers, "x-ratelimit-reset", &bodies::seconds(window.reset).to_string());
    put(headers, "x-ratelimit-resource", "core");
    response
}

/// Sets a header, unless its value cannot be one.
fn put(headers: &mut HeaderMap, name: &'static str, value: &str) {
    if let Ok(value) = HeaderValue::try_from(value) {
        headers.insert(name, value);
    }
}
