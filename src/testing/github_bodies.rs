//! The documents of the GitHub of tests, member for member as GitHub has them.

use std::time::SystemTime;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::github_accounts::{Accounts, Grant, Window};
use super::opaque::sha256_hex;

/// Makes documents whose links lead to the fake.
#[derive(Clone, Copy)]
pub(super) struct Bodies<'a> {
    pub(super) url: &'a str,
    pub(super) accounts: &'a Accounts,
}

impl Bodies<'_> {
    /// `GET /user`, without what only the scope `user` shows.
    pub(super) fn whole_user(self, id: u64) -> Value {
        let mut user = self.user(id);
        let login = self.accounts.login(id);
        let more = json!({
            "name": format!("{login} of the tests"),
            "company": null,
            "blog": "",
            "location": null,
            "email": format!("{login}@example.com"),
            "hireable": null,
            "bio": null,
            "twitter_username": null,
            "public_repos": 2,
            "public_gists": 1,
            "followers": 20,
            "following": 0,
            "created_at": "2008-01-14T04:33:35Z",
            "updated_at": "2008-01-14T04:33:35Z",
        });
        if let (Some(user), Value::Object(more)) = (user.as_object_mut(), more) {
            user.extend(more);
        }
        user
    }

    fn user(self, id: u64) -> Value {
        let login = self.accounts.login(id);
        let url = format!("{}/users/{login}", self.url);
        json!({
            "login": login,
            "id": id,
            "node_id": node_id("User", id),
            "avatar_url": format!("https://avatars.githubusercontent.com/u/{id}?v=4"),
            "gravatar_id": "",
            "url": url,
            "html_url": format!("https://github.com/{login}"),
            "followers_url": format!("{url}/followers"),
            "following_url": format!("{url}/following{{/other_user}}"),
            "gists_url": format!("{url}/gists{{/gist_id}}"),
            "starred_url": format!("{url}/starred{{/owner}}{{/repo}}"),
            "subscriptions_url": format!("{url}/subscriptions"),
            "organizations_url": format!("{url}/orgs"),
            "repos_url": format!("{url}/repos"),
            "events_url": format!("{url}/events{{/privacy}}"),
            "received_events_url": format!("{url}/received_events"),
            "type": "User",
            "site_admin": false,
        })
    }

    /// `POST /applications/{client_id}/token`.
    pub(super) fn check(self, token: &str, grant: &Grant) -> Value {
        let last_eight = token.len().checked_sub(8).and_then(|start| token.get(start..));
        json!({
            "id": grant.id,
            "url": format!("{}/authorizations/{}", self.url, grant.id),
            "app": {
                "name": "App of the tests",
                "url": "https://example.com",
                "client_id": grant.client_id,
            },
            "token": token,
            "hashed_token": sha256_hex(token),
            "token_last_eight": last_eight,
            "note": null,
            "note_url": null,
            "created_at": rfc3339(grant.created),
            "updated_at": rfc3339(grant.created),
            "scopes": grant.scopes.as_deref().unwrap_or_default(),
            "fingerprint": null,
            "expires_at": grant.expires.map(rfc3339),
            "user": self.user(grant.user),
        })
    }

    /// `GET /user/memberships/orgs/{org}`.
    pub(super) fn membership(self, user: u64, organization: u64, state: &str) -> Value {
        let url = format!("{}/orgs/{}", self.url, self.accounts.organization_login(organization));
        json!({
            "url": format!("{url}/memberships/{}", self.accounts.login(user)),
            "state": state,
            "role": "member",
            "organization_url": url,
            "direct_membership": true,
            "enterprise_teams_providing_indirect_membership": [],
            "organization": self.organization(organization),
            "user": self.user(user),
        })
    }

    /// `GET /orgs/{org}/teams/{slug}/memberships/{login}`.
    pub(super) fn team_membership(self, user: u64, team: u64, state: &str) -> Value {
        json!({
            "url": format!("{}/teams/{team}/memberships/{}", self.url, self.accounts.login(user)),
            "role": "member",
            "state": state,
        })
    }

    /// An entry of `GET /user/orgs`.
    pub(super) fn organization(self, id: u64) -> Value {
        let login = self.accounts.organization_login(id);
        let url = format!("{}/orgs/{login}", self.url);
        json!({
            "login": login,
            "id": id,
            "node_id": node_id("Organization", id),
            "url": url,
            "repos_url": format!("{url}/repos"),
            "events_url": format!("{url}/events"),
            "hooks_url": format!("{url}/hooks"),
            "issues_url": format!("{url}/issues"),
            "members_url": format!("{url}/members{{/member}}"),
            "public_members_url": format!("{url}/public_members{{/member}}"),
            "avatar_url": format!("https://avatars.githubusercontent.com/u/{id}?v=4"),
            "description": null,
        })
    }

    /// An entry of `GET /user/teams`.
    pub(super) fn team(self, organization: u64, id: u64) -> Value {
        let slug = self.accounts.team_slug(id);
        let login = self.accounts.organization_login(organization);
        let url = format!("{}/teams/{id}", self.url);
        json!({
            "id": id,
            "node_id": node_id("Team", id),
            "url": url,
            "html_url": format!("https://github.com/orgs/{login}/teams/{slug}"),
            "name": slug,
            "slug": slug,
            "description": null,
            "privacy": "closed",
            "notification_setting": "notifications_enabled",
            "permission": "pull",
            "members_url": format!("{url}/members{{/member}}"),
            "repositories_url": format!("{url}/repos"),
            "parent": null,
            "members_count": 3,
            "repos_count": 10,
            "created_at": "2017-07-14T16:53:42Z",
            "updated_at": "2017-08-17T12:37:15Z",
            "organization": self.organization(organization),
        })
    }
}

/// `GET /rate_limit`.
pub(super) fn rate_limit(limit: u64, window: Window) -> Value {
    let remaining = window.remaining.min(limit);
    let core = json!({
        "limit": limit,
        "used": limit - remaining,
        "remaining": remaining,
        "reset": seconds(window.reset),
    });
    json!({ "resources": { "core": core }, "rate": core })
}

/// The body of an error.
pub(super) fn error(status: u16, message: &str, documentation: &str) -> Value {
    json!({
        "message": message,
        "documentation_url": format!("https://docs.github.com/{documentation}"),
        "status": status.to_string(),
    })
}

/// The error of a request to check no token.
pub(super) fn missing_token() -> Value {
    json!({
        "message": "Validation Failed",
        "errors": [{ "resource": "OauthAccess", "code": "missing_field", "field": "access_token" }],
        "documentation_url": "https://docs.github.com/rest/apps/oauth-applications#check-a-token",
        "status": "422",
    })
}

/// The error beyond the limit. The subject is what the requests are counted for.
pub(super) fn rate_limit_exceeded(subject: &str, now: SystemTime) -> Value {
    let at = rfc3339(now).replace('T', " ").replace('Z', " UTC");
    let message = format!(
        "API rate limit exceeded for {subject}. If you reach out to GitHub Support for help, please include the \
         request ID {REQUEST_ID} and timestamp {at}."
    );
    error(403, &message, "rest/overview/rate-limits-for-the-rest-api")
}

/// The same in every answer.
pub(super) const REQUEST_ID: &str = "0000:0000:0000000:0000000:00000000";

/// A time as GitHub writes it: whole seconds, UTC.
pub(super) fn rfc3339(at: SystemTime) -> String {
    let seconds = i64::try_from(seconds(at)).unwrap_or(i64::MAX);
    jiff::Timestamp::from_second(seconds).unwrap_or(jiff::Timestamp::MAX).to_string()
}

/// A time in seconds since 1970.
pub(super) fn seconds(at: SystemTime) -> u64 {
    at.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs()
}

fn node_id(kind: &str, id: u64) -> String {
    STANDARD.encode(format!("0{}:{kind}{id}", kind.len()))
}
