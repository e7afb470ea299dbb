//! What a cache hands back, by which an unchanged user is recognised.

use http::HeaderValue;
use http::header::ETAG;

use super::github_answer::User;
use crate::access_token::AccessToken;
use crate::scope::ScopeSet;
use crate::upstream::Answer;

const SEPARATOR: char = '\n';
const MAX_TAG: usize = 256;

/// What was found out about a token when it was last verified. It lies in the validator of the access token, so that
/// whatever else of that is changed does not matter.
#[derive(Debug)]
pub(super) struct Note {
    /// The app to which GitHub said that the token was issued; None if it was not asked.
    pub(super) client: Option<String>,
    pub(super) id: String,
    pub(super) login: String,
    /// As GitHub named them; None if it named none.
    pub(super) scopes: Option<ScopeSet>,
    pub(super) tag: Option<HeaderValue>,
}

impl Note {
    pub(super) fn new(
        client: Option<String>,
        user: &User,
        scopes: Option<ScopeSet>,
        answer: &Answer,
    ) -> Self {
        // Of the user alone: that of another answer would never match.
        let tag = answer.headers().get(ETAG).filter(|tag| tag.len() <= MAX_TAG && tag.to_str().is_ok());
        Self { client, id: user.id.clone(), login: user.login.clone(), scopes, tag: tag.cloned() }
    }

    pub(super) fn read(token: &AccessToken) -> Option<Self> {
        let mut parts = token.validator()?.split(SEPARATOR);
        let client = match parts.next()?.strip_prefix("github ")? {
            "" => None,
            client => Some(client.to_owned()),
        };
        let (id, login) = (parts.next()?.to_owned(), parts.next()?.to_owned());
        let scopes = parts.next()?.strip_prefix('=').map(ScopeSet::parse);
        let tag = parts.next().filter(|tag| !tag.is_empty()).and_then(|tag| HeaderValue::from_str(tag).ok());
        Some(Self { client, id, login, scopes, tag })
    }

    /// Whether an answer says that nothing has changed since.
    pub(super) fn is_unchanged(&self, answer: &Answer) -> bool {
        let strong = |tag: &HeaderValue| tag.to_str().map(|tag| tag.trim_start_matches("W/").to_owned()).ok();
        let told = answer.headers().get(ETAG);
        // RFC 9110 §15.4.5: an answer has the tag of what is unchanged, if it has one.
        self.tag.as_ref().is_some_and(|own| told.is_none_or(|told| strong(told) == strong(own)))
    }

    pub(super) fn has_scopes(&self) -> bool {
        self.scopes.as_ref().is_some_and(|scopes| !scopes.is_empty())
    }

    pub(super) fn text(&self) -> String {
        let client = format!("github {}", self.client.as_deref().unwrap_or_default());
        let scopes = self.scopes.as_ref().map(|scopes| format!("={scopes}")).unwrap_or_default();
        let tag = self.tag.as_ref().and_then(|tag| tag.to_str().ok()).unwrap_or_default();
        [&client, &self.id, &self.login, &scopes, tag].join(&SEPARATOR.to_string())
    }
}
