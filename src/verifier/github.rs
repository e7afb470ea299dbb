//! Asks GitHub about each token.

use std::fmt;
use std::sync::Arc;
use std::time::SystemTime;

use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderName, HeaderValue, Method, Request, StatusCode, Uri};
use serde_json::json;

use super::github_answer::{self as answer, User};
use super::github_api::Api;
use super::github_budget::Budget;
use super::github_members::Members;
use super::github_note::Note;
use super::github_token::Kind;
use super::{TokenVerifier, Verdict, answered_claims, github_scopes as scopes};
use crate::access_token::AccessToken;
use crate::bearer_token::BearerToken;
use crate::error::{VerifyError, VerifyErrorKind};
use crate::json::{Object, Value};
use crate::scope::ScopeSet;
use crate::upstream::Answer;

const APP: HeaderName = HeaderName::from_static("x-oauth-client-id");

/// Verifies tokens that GitHub issued. Clones are cheap and share everything.
///
/// Put a [`CacheLayer`](crate::CacheLayer) around it, or each request costs a call, and GitHub allows 5 000 an hour.
///
/// 1. The prefix tells what the token is. Those of apps (`gho_`, `ghu_`) are verified, personal ones (`ghp_`,
///    `github_pat_`) if that is allowed, those of installations and for refreshing (`ghs_`, `ghr_`) never. Tokens
///    without a prefix of GitHub are not recognised. Nobody is asked about any that is refused here.
/// 2. `POST /applications/{client_id}/token`, one call, says whether the token was issued to this app, to whom, with
///    which scopes and until when. GitHub's own 404 is a rejection; one of a gateway, which does not say where it is
///    documented, is not. Whatever else is not 200 proves nothing: 503, with GitHub's own date if it passed a limit.
///    401 and 422 are our own fault, and logged as an error.
/// 3. If there are lists of users, organisations or teams, GitHub is asked whether the user is on one of them.
/// 4. When a cache verifies the token again, it is `GET /user` with `If-None-Match`: that is on the quota of the token,
///    and free while nothing has changed. If that answer proves too little, or the quota is spent, it is 2 again.
///
/// The subject is the number of the user; `login` and `avatar_url` are claims, and with
/// [`fetch_profile`](super::GitHubVerifierBuilder::fetch_profile) `name` and `email` are too. No name is ever a key:
/// logins change hands. The scopes are those that GitHub names, with those that they include (`repo` has
/// `public_repo`); a token for which it names none has none, and those of GitHub Apps (`ghu_`) never have any.
///
/// ```
/// # #[cfg(feature = "reqwest")] {
/// use tower_bearer::{CacheLayer, GitHubVerifier, TokenVerifier};
///
/// // Id and secret of your OAuth app or GitHub App. Nothing is asked here.
/// let verifier = GitHubVerifier::builder("Iv1.0123456789abcdef", "0123456789abcdef0123456789abcdef01234567")
///     .build()?
///     .cached(CacheLayer::new());
/// # }
/// # Ok::<(), tower_bearer::BuildError>(())
/// ```
#[derive(Clone)]
pub struct GitHubVerifier {
    inner: Arc<Inner>,
}

pub(super) struct Inner {
    /// None: tokens of any app are accepted.
    pub(super) app: Option<App>,
    pub(super) api: Api,
    pub(super) issuer: Arc<str>,
    pub(super) personal_allowed: bool,
    pub(super) asks_profile: bool,
    pub(super) members: Members,
    pub(super) budget: Budget,
}

/// The app that tokens have to be issued to.
pub(super) struct App {
    pub(super) client: String,
    pub(super) check: Uri,
    /// Marked sensitive.
    pub(super) authorization: HeaderValue,
}

/// What GitHub says of a token.
struct Found {
    user: User,
    scopes: Option<ScopeSet>,
    expires_at: Option<SystemTime>,
    note: Note,
}

impl GitHubVerifier {
    pub(super) fn new(inner: Inner) -> Self {
        Self { inner: Arc::new(inner) }
    }
}

impl Inner {
    /// Whether GitHub is asked whether the token is this app's. A rejection: the token is refused without asking
    /// anybody.
    fn app_for(&self, token: &BearerToken) -> Result<Option<&App>, VerifyError> {
        match Kind::of(token.as_bytes()) {
            Some(Kind::App) => Ok(self.app.as_ref()),
            Some(Kind::Personal) if self.personal_allowed => Ok(None),
            Some(Kind::Personal) => Err(refused("personal access tokens are not allowed here")),
            Some(Kind::Unusable) => Err(refused("it is a token of an installation, or one for refreshing")),
            None => Err(VerifyError::not_mine()),
        }
    }

    async fn verify(&self, token: &BearerToken) -> Verdict {
        let app = self.app_for(token)?;
        self.budget.spend(self.api.upstream.clock.instant(), app.is_some())?;
        let found = match app {
            Some(app) => self.check(app, token).await?,
            None => self.of_any_app(token).await?,
        };
        self.vouch(token, found).await
    }

    /// Asks who the user is, whatever app the token was issued to.
    async fn of_any_app(&self, token: &BearerToken) -> Result<Found, VerifyError> {
        let answer = self.api.get("/user", token, None).await?;
        self.note_limit(&answer, false);
        Found::read(&answer, None)
    }

    /// Asks whether the token was issued to this app.
    async fn check(&self, app: &App, token: &BearerToken) -> Result<Found, VerifyError> {
        let body = json!({ "access_token": token.as_str() }).to_string();
        let mut request = Request::new(Bytes::from(body));
        *request.method_mut() = Method::POST;
        request.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        let answer = self.api.ask(request, app.check.clone(), app.authorization.clone()).await?;
        match answer.status() {
            StatusCode::OK if self.asks_profile => self.with_profile(app.read(&answer)?, token).await,
            StatusCode::OK => {
                let mut found = app.read(&answer)?;
                found.user.forget_profile();
                Ok(found)
            }
            StatusCode::NOT_FOUND if answer::is_of_the_api(&answer) => Err(VerifyErrorKind::Inactive.into()),
            // Our credentials, our request, or an address at which there is no such API.
            StatusCode::UNAUTHORIZED | StatusCode::UNPROCESSABLE_ENTITY | StatusCode::NOT_FOUND => {
                Err(answer.misconfigured())
            }
            _ => {
                self.note_limit(&answer, true);
                Err(answer::unavailable(&answer))
            }
        }
    }

    /// Notes that GitHub has had enough of us. A quota that is spent is that of the app, or of one user alone.
    fn note_limit(&self, answer: &Answer, is_of_app: bool) {
        if let Some(delay) = answer::limit(answer).filter(|_| is_of_app || !answer::is_spent(answer)) {
            self.budget.limited(self.api.upstream.clock.instant(), delay, is_of_app);
        }
    }

    /// Adds what only the user's own answer has.
    async fn with_profile(&self, bound: Found, token: &BearerToken) -> Result<Found, VerifyError> {
        let own = Found::read(&self.api.get("/user", token, None).await?, bound.note.client.clone())?;
        if own.user.id != bound.user.id {
            return Err(VerifyError::unavailable("the answer is about another user"));
        }
        // Where something takes the field out, the other answer has them too.
        let scopes = own.scopes.or(bound.scopes);
        let note = Note { scopes: scopes.clone(), ..own.note };
        Ok(Found { scopes, note, expires_at: bound.expires_at.or(own.expires_at), user: own.user })
    }

    async fn vouch(&self, token: &BearerToken, found: Found) -> Verdict {
        let Found { mut user, scopes, expires_at, note } = found;
        answered_claims::leave_out(&mut user.claims, token.as_str());
        let scopes = scopes::with_included(&scopes.unwrap_or_default());
        self.members.check(&self.api, token, &note).await?;
        let vouched = AccessToken::verified()
            .issuer(Arc::clone(&self.issuer))
            .subject(user.id)
            .scopes(scopes)
            .claims(user.claims)
            .validator(note.text());
        let vouched = expires_at.into_iter().fold(vouched, |token, at| token.expires_at(at));
        Ok(note.client.into_iter().fold(vouched, |token, client| token.client(client)).build())
    }

    /// Vouches anew for a token of which the user is known.
    async fn renew(&self, token: &BearerToken, note: &Note, last: &AccessToken, answer: &Answer) -> Verdict {
        let mut found = Found::read(answer, note.client.clone())?;
        if found.user.id != note.id {
            return Err(VerifyError::unavailable("the answer is about another user"));
        }
        // Where something took the field out, its absence says nothing.
        if note.client.is_some() && found.scopes.is_none() && note.has_scopes() {
            return self.verify(token).await;
        }
        found.expires_at = found.expires_at.or_else(|| last.expires_at());
        if note.client.is_some() && !self.asks_profile {
            found.user.forget_profile();
        }
        self.vouch(token, found).await
    }

    /// Asks again, on the quota of the token. Falls back on a verification where that does not prove enough.
    async fn revalidate(&self, token: &BearerToken, last: &AccessToken) -> Verdict {
        let app = self.app_for(token)?;
        let is_own = |note: &Note| {
            let client = app.map(|app| app.client.as_str());
            note.client.as_deref() == client && last.issuer() == Some(&*self.issuer)
        };
        let Some(note) = Note::read(last).filter(is_own) else {
            return self.verify(token).await;
        };
        let answer = self.api.get("/user", token, note.tag.as_ref()).await?;
        if app.is_some_and(|app| !app.may_own(&answer))
            || (app.is_some() && answer::is_spent(&answer) && answer::limit(&answer).is_some())
        {
            return self.verify(token).await;
        }
        if answer.status() != StatusCode::NOT_MODIFIED {
            return self.renew(token, &note, last, &answer).await;
        }
        if !note.is_unchanged(&answer) {
            return self.verify(token).await;
        }
        // An answer without a body need not repeat the scopes. If it does, they count.
        let scopes = scopes::of(answer.headers());
        if scopes.is_some() && scopes != note.scopes {
            return self.renew(token, &note, last, &self.api.get("/user", token, None).await?).await;
        }
        self.members.check(&self.api, token, &note).await?;
        Ok(last.clone())
    }
}

impl Found {
    /// Reads the answer about the user whose token it is.
    fn read(answer: &Answer, client: Option<String>) -> Result<Self, VerifyError> {
        if answer.status() != StatusCode::OK {
            return Err(answer::refused(answer));
        }
        let user = User::read(&answer.object()?)?;
        let scopes = scopes::of(answer.headers());
        let note = Note::new(client, &user, scopes.clone(), answer);
        Ok(Self { user, scopes, expires_at: answer::expiration(answer)?, note })
    }
}

impl App {
    /// Whether an answer names this app, or none.
    fn may_own(&self, answer: &Answer) -> bool {
        !answer.headers().contains_key(&APP) || answer.field(&APP) == Some(&self.client)
    }

    fn read(&self, answer: &Answer) -> Result<Found, VerifyError> {
        let bad = |text: &'static str| VerifyError::unavailable(text);
        let object = answer.object()?;
        let nested = |name: &str| {
            let value = object.get(name).map(Value::text)?;
            Object::parse(value.as_bytes()).ok()
        };
        let app = nested("app").ok_or_else(|| bad("the answer names no app"))?;
        if app.string("client_id").ok().flatten().as_deref() != Some(&*self.client) {
            return Err(bad("the answer is about another app"));
        }
        let user = nested("user").ok_or_else(|| bad("the answer names no user"))?;
        let user = User::read(&user)?;
        let scopes = match object.get("scopes").filter(|value| !value.is_null()) {
            Some(list) => {
                let scopes = list.elements().map(|scopes| scopes.into_iter().map(Value::string).collect());
                let scopes: Option<Option<Vec<_>>> = scopes;
                let scopes =
                    scopes.flatten().ok_or_else(|| bad("the scopes of the answer are not a list"))?;
                Some(scopes.into_iter().collect::<ScopeSet>())
            }
            None => None,
        };
        let expires_at = answer::expires_at(&object)?;
        let client = Some(self.client.clone());
        let note = Note { tag: None, ..Note::new(client, &user, scopes.clone(), answer) };
        Ok(Found { user, scopes, expires_at, note })
    }
}

/// A token of a kind that is not verified.
fn refused(why: &'static str) -> VerifyError {
    VerifyError::rejected(VerifyErrorKind::Malformed).because(why)
}

impl TokenVerifier for GitHubVerifier {
    async fn verify(&self, token: &BearerToken) -> Verdict {
        self.inner.api.upstream.within_limits(self.inner.verify(token)).await
    }

    fn verify_now(&self, token: &BearerToken, _: SystemTime) -> Option<Verdict> {
        self.inner.app_for(token).err().map(Err)
    }

    fn recognises(&self, token: &BearerToken) -> bool {
        Kind::of(token.as_bytes()).is_some()
    }

    async fn revalidate(&self, token: &BearerToken, last: &AccessToken) -> Verdict {
        self.inner.api.upstream.within_limits(self.inner.revalidate(token, last)).await
    }

    fn issuers(&self) -> Vec<Arc<str>> {
        vec![Arc::clone(&self.inner.issuer)]
    }
}

impl fmt::Debug for GitHubVerifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GitHubVerifier")
            .field("issuer", &self.inner.issuer)
            .field("client", &self.inner.app.as_ref().map(|app| &app.client))
            .finish_non_exhaustive()
    }
}
