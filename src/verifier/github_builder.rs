//! Sets up a [`GitHubVerifier`] and finds what cannot work before the first request does.

use std::fmt;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::HeaderValue;

use super::github::{App, GitHubVerifier, Inner};
use super::github_api::Api;
use super::github_budget::Budget;
use super::github_members::Members;
use crate::endpoint;
use crate::error::{BuildError, BuildErrorKind};
use crate::secret::Secret;
use crate::upstream::{Settings, upstream_setters};

const API_URL: &str = "https://api.github.com";
const API_VERSION: &str = "2022-11-28";
const MOST_LISTED: usize = 20;
const LONGEST_PERIOD: Duration = Duration::from_secs(24 * 60 * 60);

/// Sets up a [`GitHubVerifier`]. Made by [`GitHubVerifier::builder`].
#[derive(Clone)]
#[must_use = "the verifier is made by `build`"]
pub struct GitHubVerifierBuilder {
    app: Option<(String, Secret<String>)>,
    api_url: String,
    api_version: String,
    personal_allowed: bool,
    asks_profile: bool,
    users: Option<Vec<u64>>,
    organizations: Option<Vec<String>>,
    teams: Option<Vec<(String, String)>>,
    budget: Option<(u32, Duration)>,
    upstream: Settings,
}

impl GitHubVerifier {
    /// Starts a verifier for the tokens that GitHub issued to one app: id and secret of an OAuth app or of a GitHub
    /// App.
    pub fn builder(
        client_id: impl Into<String>,
        client_secret: impl Into<Secret<String>>,
    ) -> GitHubVerifierBuilder {
        GitHubVerifierBuilder::new(Some((client_id.into(), client_secret.into())))
    }

    /// Starts a verifier for the tokens that GitHub issued to any app, by `GET /user` alone.
    ///
    /// # Security
    ///
    /// GitHub tokens name no audience. Whoever runs any app that a user has ever logged in to with GitHub can present
    /// that user's token here, and is taken for the user.
    pub fn insecure_any_app() -> GitHubVerifierBuilder {
        GitHubVerifierBuilder::new(None)
    }
}

upstream_setters!(GitHubVerifierBuilder);

impl GitHubVerifierBuilder {
    fn new(app: Option<(String, Secret<String>)>) -> Self {
        Self {
            app,
            api_url: API_URL.to_owned(),
            api_version: API_VERSION.to_owned(),
            personal_allowed: false,
            asks_profile: false,
            users: None,
            organizations: None,
            teams: None,
            budget: None,
            upstream: Settings::default(),
        }
    }

    /// The address of the API: `https://HOSTNAME/api/v3` for GitHub Enterprise Server, `https://api.SUBDOMAIN.ghe.com`
    /// for data residency.
    ///
    /// Default: `https://api.github.com`.
    pub fn api_url(mut self, url: impl Into<String>) -> Self {
        self.api_url = url.into();
        self
    }

    /// The version of the API that is asked for. Default: `2022-11-28`.
    pub fn api_version(mut self, version: impl Into<String>) -> Self {
        self.api_version = version.into();
        self
    }

    /// Asks for the profile of the user too when a token is first verified: `name` and `email` are claims then, as far
    /// as the user shows them.
    ///
    /// It costs a second call, on the quota of the token, and makes the first time that a cache verifies it again free.
    ///
    /// Default: one call, and the claims `login` and `avatar_url`. Tokens of any app, and personal ones, have all of
    /// them.
    pub fn fetch_profile(mut self) -> Self {
        self.asks_profile = true;
        self
    }

    /// Accepts personal access tokens too (`ghp_`, `github_pat_`), by `GET /user`.
    ///
    /// # Security
    ///
    /// They are bound to no app: a user gives them to whatever they like, and whoever gets one is taken for the user
    /// here.
    pub fn insecure_allow_personal_access_tokens(mut self) -> Self {
        self.personal_allowed = true;
        self
    }

    /// Lets these users in, by the number that GitHub gives them, and those on another list. Logins change hands.
    ///
    /// Default: no list; without any list, everybody.
    pub fn allowed_users(mut self, ids: impl IntoIterator<Item = u64>) -> Self {
        self.users = Some(ids.into_iter().collect());
        self
    }

    /// Lets active members of these organisations in, and those on another list. At most 20.
    ///
    /// It costs a call for each verification until one has the user, and tokens need the scope `read:org`, or the app
    /// the permission to see members. A user who is on no list is a rejected token; where GitHub does not say, nobody
    /// can tell.
    pub fn allowed_organizations<O: Into<String>>(mut self, names: impl IntoIterator<Item = O>) -> Self {
        self.organizations = Some(names.into_iter().map(Into::into).collect());
        self
    }

    /// Lets active members of these teams in, and those on another list: organisation and slug, as in the address of
    /// the team. At most 20. It costs and needs the same as
    /// [`allowed_organizations`](Self::allowed_organizations).
    pub fn allowed_teams<O: Into<String>, S: Into<String>>(
        mut self,
        teams: impl IntoIterator<Item = (O, S)>,
    ) -> Self {
        self.teams = Some(teams.into_iter().map(|(name, slug)| (name.into(), slug.into())).collect());
        self
    }

    /// How many tokens that are not known yet GitHub is asked about in a period. Beyond that nobody can tell.
    ///
    /// Keeps strangers who invent tokens from using up the quota that this app has at GitHub, 5 000 an hour, for other
    /// things. Verifying known tokens again does not count.
    ///
    /// Default: as many as GitHub allows. Once it says that the app has passed a limit it is not asked about new tokens
    /// until that is lifted. From 1 call, and from 1 second to 1 day.
    pub fn budget(mut self, calls: u32, period: Duration) -> Self {
        self.budget = Some((calls, period));
        self
    }

    /// Makes the verifier. Sends nothing.
    ///
    /// # Errors
    ///
    /// - client id or secret, a list: [`Empty`](BuildErrorKind::Empty)
    /// - client id or secret, API version, a name on a list: [`InvalidText`](BuildErrorKind::InvalidText)
    /// - the address of the API: [`InvalidUrl`](BuildErrorKind::InvalidUrl),
    ///   [`InsecureUrl`](BuildErrorKind::InsecureUrl)
    /// - a number or duration, a list that is too long: [`OutOfRange`](BuildErrorKind::OutOfRange)
    /// - no client to ask with: [`Missing`](BuildErrorKind::Missing)
    /// - the default client cannot set up TLS: [`Tls`](BuildErrorKind::Tls)
    pub fn build(self) -> Result<GitHubVerifier, BuildError> {
        let base = self.checked_api_url()?;
        let version = HeaderValue::from_str(&self.api_version).ok().filter(|_| is_name(&self.api_version));
        let version = version.ok_or_else(|| BuildError::new("api_version", BuildErrorKind::InvalidText))?;
        if self.budget.is_some_and(|(calls, period)| {
            calls == 0 || !(Duration::from_secs(1)..=LONGEST_PERIOD).contains(&period)
        }) {
            return Err(BuildError::new("budget", BuildErrorKind::OutOfRange));
        }
        Ok(GitHubVerifier::new(Inner {
            app: self.checked_app(&base)?,
            members: self.checked_members()?,
            issuer: issuer(&base).into(),
            personal_allowed: self.personal_allowed,
            asks_profile: self.asks_profile,
            budget: Budget::new(self.budget),
            api: Api { base, version, upstream: self.upstream.build()? },
        }))
    }

    fn checked_api_url(&self) -> Result<String, BuildError> {
        let url = endpoint::check("api_url", &self.api_url)?;
        let (Some(scheme), Some(host), None) = (url.scheme_str(), url.host(), url.query()) else {
            return Err(BuildError::new("api_url", BuildErrorKind::InvalidUrl));
        };
        // One form of each: the issuer, and so the principal, must not depend on how it was written.
        let (scheme, host) = (scheme.to_ascii_lowercase(), host.to_ascii_lowercase());
        let usual = if scheme == "https" { 443 } else { 80 };
        let port = url.port_u16().filter(|port| *port != usual).map(|port| format!(":{port}"));
        let path = url.path().trim_end_matches('/');
        if host == "github.com" {
            // Where users are; the API is elsewhere.
            return Err(BuildError::new("api_url", BuildErrorKind::InvalidUrl));
        }
        Ok(format!("{scheme}://{host}{}{path}", port.unwrap_or_default()))
    }

    fn checked_app(&self, base: &str) -> Result<Option<App>, BuildError> {
        let Some((client, secret)) = &self.app else { return Ok(None) };
        for (setting, text) in [("client_id", client), ("client_secret", secret.expose())] {
            if text.trim().is_empty() {
                return Err(BuildError::new(setting, BuildErrorKind::Empty));
            }
            // GitHub makes both of these characters; anything else would change the path or the credentials.
            if !is_name(text) {
                return Err(BuildError::new(setting, BuildErrorKind::InvalidText));
            }
        }
        let credentials = Secret::new(format!("{client}:{}", secret.expose()));
        let basic = format!("Basic {}", STANDARD.encode(credentials.expose()));
        let mut authorization = HeaderValue::from_str(&basic)
            .map_err(|_| BuildError::new("client_secret", BuildErrorKind::InvalidText))?;
        authorization.set_sensitive(true);
        let check = format!("{base}/applications/{client}/token");
        let check = check.parse().map_err(|_| BuildError::new("client_id", BuildErrorKind::InvalidText))?;
        Ok(Some(App { client: client.clone(), check, authorization }))
    }

    fn checked_members(&self) -> Result<Members, BuildError> {
        let organizations = self.organizations.clone();
        let teams = self.teams.clone();
        let length = |length: Option<usize>| length.unwrap_or(1);
        for (setting, length, longest) in [
            ("allowed_users", length(self.users.as_ref().map(Vec::len)), usize::MAX),
            ("allowed_organizations", length(organizations.as_ref().map(Vec::len)), MOST_LISTED),
            ("allowed_teams", length(teams.as_ref().map(Vec::len)), MOST_LISTED),
        ] {
            // A list of nobody would otherwise be one of everybody.
            if length == 0 {
                return Err(BuildError::new(setting, BuildErrorKind::Empty));
            }
            if length > longest {
                return Err(BuildError::new(setting, BuildErrorKind::OutOfRange));
            }
        }
        let members = Members {
            users: self.users.clone().unwrap_or_default(),
            organizations: organizations.unwrap_or_default(),
            teams: teams.unwrap_or_default(),
        };
        if !members.organizations.iter().all(|name| is_name(name)) {
            return Err(BuildError::new("allowed_organizations", BuildErrorKind::InvalidText));
        }
        if !members.teams.iter().all(|(name, slug)| is_name(name) && is_name(slug)) {
            return Err(BuildError::new("allowed_teams", BuildErrorKind::InvalidText));
        }
        Ok(members)
    }
}

/// What can stand in a path as it is.
fn is_name(text: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    text.bytes().all(plain) && !text.is_empty() && !matches!(text, "." | "..")
}

/// The identifier by which GitHub's metadata name it as an authorization server.
fn issuer(api: &str) -> String {
    let (scheme, rest) = api.split_once("://").unwrap_or(("https", api));
    let host = match rest.split_once('/') {
        // An Enterprise Server has its API below a path, and is called what it likes.
        Some((host, _)) => host,
        None => rest.strip_prefix("api.").unwrap_or(rest),
    };
    format!("{scheme}://{host}/login/oauth")
}

impl fmt::Debug for GitHubVerifierBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GitHubVerifierBuilder")
            .field("client", &self.app.as_ref().map(|(client, _)| client))
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_issuer_is_where_users_log_in() {
        for (api, expected) in [
            ("https://api.github.com", "https://github.com/login/oauth"),
            ("https://github.example.com/api/v3", "https://github.example.com/login/oauth"),
            ("https://api.example.com/api/v3", "https://api.example.com/login/oauth"),
            ("https://api.acme.ghe.com", "https://acme.ghe.com/login/oauth"),
            ("http://127.0.0.1:8080", "http://127.0.0.1:8080/login/oauth"),
        ] {
            assert_eq!(issuer(api), expected);
        }
    }
}
