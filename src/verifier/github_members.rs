//! Which users of GitHub are let in, where that is not all of them.

use http::StatusCode;

use super::github_answer as answer;
use super::github_api::Api;
use super::github_note::Note;
use crate::bearer_token::BearerToken;
use crate::error::{VerifyError, VerifyErrorKind};
use crate::json::{Object, Value};

/// Lists of users, organisations and teams. Whoever is on one of them is let in; without any list everybody is.
#[derive(Debug, Default)]
pub(super) struct Members {
    pub(super) users: Vec<u64>,
    pub(super) organizations: Vec<String>,
    /// Organisation and slug.
    pub(super) teams: Vec<(String, String)>,
}

impl Members {
    fn is_empty(&self) -> bool {
        self.users.is_empty() && self.organizations.is_empty() && self.teams.is_empty()
    }

    /// Asks GitHub, as the user, until one list has them. What one list cannot tell now, another may.
    pub(super) async fn check(&self, api: &Api, token: &BearerToken, user: &Note) -> Result<(), VerifyError> {
        if self.is_empty() || user.id.parse().is_ok_and(|id: u64| self.users.contains(&id)) {
            return Ok(());
        }
        let mut unavailable = None;
        let organizations =
            self.organizations.iter().map(|name| (name.as_str(), format!("/user/memberships/orgs/{name}")));
        let teams = self.teams.iter().map(|(name, slug)| {
            (name.as_str(), format!("/orgs/{name}/teams/{slug}/memberships/{}", user.login))
        });
        for (organization, path) in organizations.chain(teams) {
            match is_member(api, token, user, organization, &path).await {
                Ok(true) => return Ok(()),
                Ok(false) => {}
                Err(error) if error.kind() != VerifyErrorKind::Unavailable => return Err(error),
                Err(error) => unavailable = unavailable.or(Some(error)),
            }
        }
        Err(unavailable.unwrap_or_else(|| VerifyErrorKind::Claim.into()))
    }
}

async fn is_member(
    api: &Api,
    token: &BearerToken,
    user: &Note,
    organization: &str,
    path: &str,
) -> Result<bool, VerifyError> {
    let answer = api.get(path, token, None).await?;
    match answer.status() {
        StatusCode::OK => {}
        StatusCode::NOT_FOUND if answer::is_of_the_api(&answer) => return Ok(false),
        _ => return Err(answer::refused(&answer)),
    }
    let bad = || VerifyError::unavailable("the answer does not say who is a member of what");
    let membership = answer.object()?;
    let nested = |name: &str| membership.get(name).map(|value| Object::parse(value.text().as_bytes()));
    // Where the answer names user and organisation, they have to be those that were asked about.
    if let Some(named) = nested("user") {
        let named = named.map_err(|_| bad())?;
        if named.get("id").map(Value::text) != Some(&user.id) {
            return Err(bad());
        }
    }
    if let Some(named) = nested("organization") {
        let named = named.map_err(|_| bad())?;
        let login = named.string("login").ok().flatten();
        if !login.is_some_and(|login| login.eq_ignore_ascii_case(organization)) {
            return Err(bad());
        }
    }
    // An invitation that was not accepted is `pending`.
    let state = membership.string("state").ok().flatten().ok_or_else(bad)?;
    Ok(state == "active")
}
