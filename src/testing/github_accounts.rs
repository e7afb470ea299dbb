//! Who is who at the GitHub of tests: users, tokens, organizations, teams, and the rate limit.

use std::collections::{BTreeMap, HashMap};
use std::time::{Duration, SystemTime};

use super::opaque::alphanumeric;

/// Requests per hour and user.
pub(super) const LIMIT: u64 = 5000;
const HOUR: Duration = Duration::from_secs(3600);

/// Everything that the answers are made of.
#[derive(Debug)]
pub(super) struct Accounts {
    users: BTreeMap<u64, String>,
    tokens: HashMap<String, Grant>,
    minted: u64,
    organizations: Vec<String>,
    teams: Vec<(u64, String)>,
    members: Vec<Member>,
    window: Window,
}

/// What a token stands for.
#[derive(Clone, Debug)]
pub(super) struct Grant {
    pub(super) id: u64,
    pub(super) user: u64,
    /// None for tokens that the user made without an app.
    pub(super) client_id: Option<String>,
    /// None for tokens that have no scopes, not even an empty list.
    pub(super) scopes: Option<Vec<String>>,
    pub(super) created: SystemTime,
    pub(super) expires: Option<SystemTime>,
}

/// Somebody in an organization or in one of its teams.
#[derive(Debug)]
struct Member {
    user: u64,
    organization: u64,
    /// None for the organization itself.
    team: Option<u64>,
    state: String,
}

/// What is left of the rate limit.
#[derive(Clone, Copy, Debug)]
pub(super) struct Window {
    pub(super) remaining: u64,
    pub(super) reset: SystemTime,
    // Unless a test limits it, the last request of a window is never used up.
    limited: bool,
}

impl Accounts {
    pub(super) fn new(now: SystemTime) -> Self {
        Self {
            users: BTreeMap::new(),
            tokens: HashMap::new(),
            minted: 0,
            organizations: Vec::new(),
            teams: Vec::new(),
            members: Vec::new(),
            window: Window { remaining: LIMIT, reset: now + HOUR, limited: false },
        }
    }

    pub(super) fn name_user(&mut self, id: u64, login: &str) {
        self.users.insert(id, login.to_owned());
    }

    /// The login of a user. Who was never named has one all the same.
    pub(super) fn login(&self, id: u64) -> String {
        self.users.get(&id).cloned().unwrap_or_else(|| format!("user-{id}"))
    }

    pub(super) fn user(&self, login: &str) -> Option<u64> {
        let ids = self.users.keys().chain(self.members.iter().map(|member| &member.user));
        ids.copied().find(|id| self.login(*id).eq_ignore_ascii_case(login))
    }

    /// A token that no other call returns: as long as GitHub's, and with an underscore where fine-grained ones have it.
    pub(super) fn mint(&mut self, prefix: &str, seed: &str, mut grant: Grant) -> String {
        self.minted += 1;
        grant.id = self.minted;
        let seed = format!("{seed} {}", self.minted);
        let token = if prefix == "github_pat_" {
            let mut secret = alphanumeric(&seed, 81);
            secret.insert(22, '_');
            format!("{prefix}{secret}")
        } else {
            format!("{prefix}{}", alphanumeric(&seed, 36))
        };
        self.tokens.insert(token.clone(), grant);
        token
    }

    /// What a token stands for, unless it is unknown, revoked or over.
    pub(super) fn grant(&self, token: &str, now: SystemTime) -> Option<&Grant> {
        self.tokens.get(token).filter(|grant| grant.expires.is_none_or(|end| now < end))
    }

    pub(super) fn grant_mut(&mut self, token: &str) -> Option<&mut Grant> {
        self.tokens.get_mut(token)
    }

    pub(super) fn revoke(&mut self, token: &str) {
        self.tokens.remove(token);
    }

    pub(super) fn join_organization(&mut self, user: u64, organization: &str, state: &str) {
        let organization = self.add_organization(organization);
        self.join(Member { user, organization, team: None, state: state.to_owned() });
    }

    /// Whoever is in a team is in its organization.
    pub(super) fn join_team(&mut self, user: u64, organization: &str, slug: &str, state: &str) {
        let known = self.add_organization(organization);
        if self.membership(user, known, None).is_none() {
            self.join_organization(user, organization, state);
        }
        let team =
            position(&self.teams, |(home, name)| *home == known && name == slug).unwrap_or_else(|| {
                self.teams.push((known, slug.to_owned()));
                count(&self.teams)
            });
        self.join(Member { user, organization: known, team: Some(team), state: state.to_owned() });
    }

    /// From the organization and all of its teams, or from one team.
    pub(super) fn leave(&mut self, user: u64, organization: &str, slug: Option<&str>) {
        let Some(organization) = self.organization(organization) else { return };
        let team = slug.map(|slug| self.team(organization, slug));
        self.members.retain(|member| {
            let left = team.is_none_or(|team| team.is_some() && member.team == team);
            member.user != user || member.organization != organization || !left
        });
    }

    /// The number of an organization, from 1.
    pub(super) fn organization(&self, login: &str) -> Option<u64> {
        position(&self.organizations, |known| known.eq_ignore_ascii_case(login))
    }

    /// The number of a team, from 1.
    pub(super) fn team(&self, organization: u64, slug: &str) -> Option<u64> {
        position(&self.teams, |(home, known)| *home == organization && known == slug)
    }

    pub(super) fn organization_login(&self, id: u64) -> &str {
        nth(&self.organizations, id).map_or("", String::as_str)
    }

    pub(super) fn team_slug(&self, id: u64) -> &str {
        nth(&self.teams, id).map_or("", |(_, slug)| slug)
    }

    /// Whether somebody is `active` or `pending` there.
    pub(super) fn membership(&self, user: u64, organization: u64, team: Option<u64>) -> Option<&str> {
        let found = self.members.iter().find(|member| member.is(user, organization, team));
        found.map(|member| member.state.as_str())
    }

    /// Organizations, with the team for those who are in one, where somebody is active.
    pub(super) fn memberships(&self, user: u64) -> impl Iterator<Item = (u64, Option<u64>)> {
        let active =
            self.members.iter().filter(move |member| member.user == user && member.state == "active");
        active.map(|member| (member.organization, member.team))
    }

    pub(super) fn limit_rate(&mut self, remaining: u64, reset: SystemTime) {
        self.window = Window { remaining: remaining.min(LIMIT), reset, limited: true };
    }

    /// What is left now.
    pub(super) fn window(&mut self, now: SystemTime) -> Window {
        if now >= self.window.reset {
            self.window = Window { remaining: LIMIT, reset: now + HOUR, limited: false };
        }
        self.window
    }

    /// Counts a request. None if there was nothing left for it.
    pub(super) fn count(&mut self, now: SystemTime) -> Option<()> {
        let window = self.window(now);
        let left = window.remaining.checked_sub(1)?;
        self.window.remaining = if window.limited { left } else { left.max(1) };
        Some(())
    }

    /// Gives a counted request back: an unchanged answer costs nothing.
    pub(super) fn uncount(&mut self) {
        self.window.remaining = (self.window.remaining + 1).min(LIMIT);
    }

    fn add_organization(&mut self, login: &str) -> u64 {
        self.organization(login).unwrap_or_else(|| {
            self.organizations.push(login.to_owned());
            count(&self.organizations)
        })
    }

    fn join(&mut self, member: Member) {
        self.members.retain(|known| !known.is(member.user, member.organization, member.team));
        self.members.push(member);
    }
}

impl Member {
    fn is(&self, user: u64, organization: u64, team: Option<u64>) -> bool {
        self.user == user && self.organization == organization && self.team == team
    }
}

fn count<T>(list: &[T]) -> u64 {
    u64::try_from(list.len()).unwrap_or(u64::MAX)
}

fn position<T>(list: &[T], is: impl Fn(&T) -> bool) -> Option<u64> {
    (1..).zip(list).find(|(_, item)| is(item)).map(|(number, _)| number)
}

fn nth<T>(list: &[T], number: u64) -> Option<&T> {
    list.get(usize::try_from(number.checked_sub(1)?).ok()?)
}
