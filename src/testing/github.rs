//! A GitHub that knows who tests say that it knows.

use std::sync::{Arc, Mutex};
use std::time::SystemTime;
use std::{fmt, io};

use super::github_accounts::{Accounts, Grant};
use super::github_answers::{CLIENT_ID, CLIENT_SECRET, GitHub};
use super::server::Server;
use super::traffic::{Traffic, traffic_methods};
use crate::clock::{Clock, SystemClock};

/// The REST API of GitHub on loopback, as far as it is about tokens and their users, with one OAuth app.
///
/// It answers `POST /applications/{client_id}/token`, `GET /user`, `GET /user/orgs`, `GET /user/teams`, `GET
/// /user/memberships/orgs/{org}`, `GET /orgs/{org}/teams/{slug}/memberships/{login}` and `GET /rate_limit` with the
/// headers and the bodies of [GitHub]. What a token may not see it sees here: scopes are told, not enforced.
///
/// Clones are cheap and are the same GitHub. It stops when the last one is dropped.
///
/// [GitHub]: https://docs.github.com/rest
#[derive(Clone)]
pub struct TestGitHub {
    inner: Arc<GitHub>,
    // Ends the server with the last clone.
    server: Arc<Server>,
}

impl TestGitHub {
    /// Starts a GitHub on a free port of the loopback interface.
    ///
    /// # Errors
    ///
    /// - no port can be had
    pub async fn start() -> io::Result<Self> {
        Self::with_clock(SystemClock).await
    }

    /// Starts a GitHub whose answers, tokens and limits are dated by a clock.
    ///
    /// # Errors
    ///
    /// - no port can be had
    pub async fn with_clock(clock: impl Clock) -> io::Result<Self> {
        let (listener, url) = Server::bind().await?;
        let accounts = Mutex::new(Accounts::new(clock.now()));
        let inner = GitHub { url, clock: Arc::new(clock), accounts, traffic: Traffic::default() };
        let inner = Arc::new(inner);
        let server = Arc::new(Server::start(listener, Arc::clone(&inner)));
        Ok(Self { inner, server })
    }

    /// The address of the API, without a slash at the end.
    #[must_use]
    pub fn api_url(&self) -> &str {
        &self.inner.url
    }

    /// The id of the app.
    #[must_use]
    pub fn client_id(&self) -> &str {
        CLIENT_ID
    }

    /// The secret of the app. Everyone knows it.
    #[must_use]
    pub fn client_secret(&self) -> &str {
        CLIENT_SECRET
    }

    /// Adds a user, with a name, an email address and a picture that follow from the login.
    ///
    /// A user who is not added but has a token is called `user-{id}`.
    pub fn add_user(&self, id: u64, login: &str) {
        self.inner.accounts().name_user(id, login);
    }

    /// Gives a user another login. Tokens and memberships stay.
    pub fn rename_user(&self, id: u64, login: &str) {
        self.inner.accounts().name_user(id, login);
    }

    /// Mints a `gho_` token of the app. Each one is different.
    #[must_use]
    pub fn token(&self, user_id: u64, scopes: &[&str]) -> String {
        self.token_of("gho_", Some(CLIENT_ID), user_id, Some(scopes))
    }

    /// Mints a token of any kind, as long as GitHub's: `ghu_`, `ghp_`, `github_pat_`.
    ///
    /// Without a client it is one that the user made. Without scopes there is no `X-OAuth-Scopes` in the answers, as
    /// for fine-grained tokens; with an empty list there is an empty one, as for tokens of GitHub Apps.
    #[must_use]
    pub fn token_of(
        &self,
        prefix: &str,
        client_id: Option<&str>,
        user_id: u64,
        scopes: Option<&[&str]>,
    ) -> String {
        let grant = Grant {
            id: 0,
            user: user_id,
            client_id: client_id.map(str::to_owned),
            scopes: scopes.map(owned),
            created: self.inner.clock.now(),
            expires: None,
        };
        self.inner.accounts().mint(prefix, &self.inner.url, grant)
    }

    /// Sets when a token ends. Unless set, it does not end by itself.
    pub fn expire(&self, token: &str, at: SystemTime) {
        if let Some(grant) = self.inner.accounts().grant_mut(token) {
            grant.expires = Some(at);
        }
    }

    /// Revokes a token: from now on it is unknown.
    pub fn revoke(&self, token: &str) {
        self.inner.accounts().revoke(token);
    }

    /// Gives a token other scopes.
    pub fn set_scopes(&self, token: &str, scopes: &[&str]) {
        if let Some(grant) = self.inner.accounts().grant_mut(token) {
            grant.scopes = Some(owned(scopes));
        }
    }

    /// Makes a user a member of an organization, whose state is `active` or `pending`.
    pub fn add_to_organization(&self, user_id: u64, organization: &str, state: &str) {
        self.inner.accounts().join_organization(user_id, organization, state);
    }

    /// Makes a user a member of a team, and of its organization unless that is known.
    pub fn add_to_team(&self, user_id: u64, organization: &str, slug: &str, state: &str) {
        self.inner.accounts().join_team(user_id, organization, slug, state);
    }

    /// Ends a membership, and those in the teams of the organization.
    pub fn remove_from_organization(&self, user_id: u64, organization: &str) {
        self.inner.accounts().leave(user_id, organization, None);
    }

    /// Ends a membership in a team.
    pub fn remove_from_team(&self, user_id: u64, organization: &str, slug: &str) {
        self.inner.accounts().leave(user_id, organization, Some(slug));
    }

    /// Grants so many more requests until a time, to all users together. After the last one the answer is 403, until
    /// then.
    ///
    /// Unless set, nobody meets the limit. Asking for `/rate_limit`, bad tokens and unchanged answers (304) cost
    /// nothing.
    pub fn limit_rate(&self, remaining: u64, reset_at: SystemTime) {
        self.inner.accounts().limit_rate(remaining, reset_at);
    }
}

traffic_methods!(TestGitHub);

impl fmt::Debug for TestGitHub {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TestGitHub").field("api_url", &self.inner.url).finish_non_exhaustive()
    }
}

fn owned(scopes: &[&str]) -> Vec<String> {
    scopes.iter().copied().map(str::to_owned).collect()
}
