//! Admit or reject: the decision, and its answer.

use std::any::type_name;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use http::header::{AUTHORIZATION, Entry};
use http::{HeaderMap, HeaderValue, Request, Response};

use super::decision_log::DecisionLog;
use super::watch::Watch;
use crate::access_token::AccessToken;
use crate::admitted::{Admitted, Protection};
use crate::answer::{self, Form};
use crate::bearer_token::BearerToken;
use crate::caught::{caught, caught_now};
use crate::clock::Clock;
use crate::deadline::within;
use crate::error::{Rejection, RejectionKind, VerifyError, VerifyErrorKind};
use crate::grpc;
use crate::metadata::documents::{self, Asked, Documents};
use crate::passed::PassedWithoutToken;
use crate::scope::ScopeSet;
use crate::verifier::{TokenVerifier, Verdict};

/// A decision that has to be waited for.
pub(super) type LaterDecision = Pin<Box<dyn Future<Output = Decision> + Send>>;
/// What to do with a request.
pub(super) enum Decision {
    /// Let it in.
    Admit(Admission),
    /// Send this answer. Boxed, because a decision is moved often and seldom this one.
    Reject(Box<Response<Bytes>>),
}

/// Everything that a layer decides by.
pub(super) struct Policy<V> {
    pub(super) verifier: V,
    pub(super) required_scopes: ScopeSet,
    pub(super) optional: bool,
    pub(super) strip: bool,
    pub(super) timeout: Duration,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) challenges: Challenges,
    pub(super) log: DecisionLog,
    pub(super) protection: Arc<Protection>,
    /// What all admitted tokens have in common.
    pub(super) admitted: Arc<Admitted>,
    /// The metadata of the resource. None: nothing is served, and no handler is watched.
    pub(super) documents: Option<Documents>,
}

/// The challenges of a layer, written once.
pub(super) struct Challenges {
    insufficient_scope: HeaderValue,
    invalid_request: HeaderValue,
    invalid_token: HeaderValue,
    missing_token: HeaderValue,
}

/// The leave of a request to go on.
pub(super) struct Admission {
    token: AccessToken,
    strip: bool,
    // What the handler's findings are answered by, where they are.
    watched: Option<Arc<Protection>>,
}

impl<V: TokenVerifier> Policy<V> {
    /// Decides without waiting, if that is possible.
    pub(super) fn decide_now(&self, bearer: &BearerToken, form: Form) -> Option<Decision> {
        let now = self.clock.now();
        let verdict = caught_now(|| self.verifier.verify_now(bearer, now));
        let verdict = match verdict.unwrap_or_else(|| Some(Err(panicked()))) {
            Some(Ok(token)) => self.judge(token, now),
            // What the verifier says of a malformed token does not matter.
            Some(Err(error)) => bearer.check().and(Err(error.into())),
            None => match bearer.check() {
                Ok(()) => return None,
                Err(rejection) => Err(rejection),
            },
        };
        Some(self.decide(verdict, bearer, form))
    }

    /// Decides by asking the verifier, for as long as that may take.
    pub(super) async fn decide_later(&self, bearer: BearerToken, form: Form, limit: Duration) -> Decision {
        let verdict = self.verify(&bearer, limit).await;
        let verdict = match verdict {
            Ok(token) => self.judge(token, self.clock.now()),
            Err(error) => Err(error.into()),
        };
        self.decide(verdict, &bearer, form)
    }

    /// Asks the verifier within the time limit. A panic in it is an answer too: nobody can tell.
    async fn verify(&self, bearer: &BearerToken, limit: Duration) -> Verdict {
        let verdict = caught(within(limit, async { self.verifier.verify(bearer).await })).await;
        let late = || match limit < self.timeout {
            true => Err(VerifyError::impatience()),
            false => Err(VerifyError::unavailable("the verification took too long")),
        };
        verdict.map_or_else(|| Err(panicked()), |verdict| verdict.unwrap_or_else(late))
    }

    /// Steps 4 and 5, on every request, whatever the verifier remembered.
    fn judge(&self, token: AccessToken, now: SystemTime) -> Result<AccessToken, Rejection> {
        if token.is_expired(now) {
            return Err(VerifyError::rejected(VerifyErrorKind::Expired).into());
        }
        let grants = |scope| self.protection.hierarchy.grants(token.scopes(), scope);
        if !self.required_scopes.is_empty() && !self.required_scopes.iter().all(grants) {
            return Err(Rejection::new(RejectionKind::InsufficientScope));
        }
        Ok(token)
    }

    fn decide(&self, verdict: Result<AccessToken, Rejection>, bearer: &BearerToken, form: Form) -> Decision {
        match verdict {
            Ok(token) => {
                self.log.admitted(&token, bearer);
                let is_watched = self.documents.is_some() || self.protection.speaks_grpc;
                let watched = is_watched.then(|| Arc::clone(&self.protection));
                let token = match watched {
                    Some(_) => token,
                    None => token.admitted_as(Arc::clone(&self.admitted)),
                };
                Decision::Admit(Admission { token, strip: self.strip, watched })
            }
            Err(rejection) => Decision::Reject(Box::new(self.reject(rejection, Some(bearer), form))),
        }
    }
}

impl<V> Policy<V> {
    /// How long a verification may take: no longer than the caller waits.
    pub(super) fn limit(&self, form: Form, headers: &HeaderMap) -> Duration {
        let waits = if form.is_call() { grpc::timeout(headers) } else { None };
        waits.map_or(self.timeout, |waits| waits.min(self.timeout))
    }

    /// Answers a rejected request.
    pub(super) fn reject(
        &self,
        rejection: Rejection,
        bearer: Option<&BearerToken>,
        form: Form,
    ) -> Response<Bytes> {
        // A cause that somebody else wrote may panic when it is printed. That must not cost the answer.
        caught_now(|| self.log.rejected(&rejection, bearer, &*self.clock));
        let challenge = self.challenges.of(rejection.kind());
        answer::reject(&self.protection, rejection, challenge, form)
    }

    /// Answers a request for the metadata of the resource, if it is one.
    #[inline]
    pub(super) fn describe<B>(&self, request: &Request<B>) -> Option<Response<Bytes>> {
        let document = match self.documents.as_ref()?.asked(request.uri()) {
            Asked::Nothing => return None,
            Asked::Unknown => None,
            Asked::Document(document) => Some(document),
        };
        Some(documents::answer(document, request))
    }

    /// Lets a request through without a token, marked so that extractors know.
    pub(super) fn pass<B>(&self, request: &mut Request<B>, is_preflight: bool) {
        self.log.passed();
        request.extensions_mut().remove::<AccessToken>();
        match request.headers_mut().entry(AUTHORIZATION) {
            Entry::Occupied(fields) if self.strip => drop(fields.remove_entry_mult()),
            Entry::Occupied(mut fields) => fields.iter_mut().for_each(|field| field.set_sensitive(true)),
            Entry::Vacant(_) => {}
        }
        let protection = Arc::clone(&self.protection);
        request.extensions_mut().insert(PassedWithoutToken { protection, is_preflight });
    }
}

impl Challenges {
    /// The challenges of a layer.
    pub(super) fn new(protection: &Protection) -> Self {
        let of = |kind| answer::challenge(kind, protection, &protection.scopes).to_header_value();
        Self {
            insufficient_scope: of(RejectionKind::InsufficientScope),
            invalid_request: of(RejectionKind::InvalidRequest),
            invalid_token: of(RejectionKind::InvalidToken),
            missing_token: of(RejectionKind::MissingToken),
        }
    }

    fn of(&self, kind: RejectionKind) -> HeaderValue {
        match kind {
            RejectionKind::InsufficientScope => &self.insufficient_scope,
            RejectionKind::InvalidRequest => &self.invalid_request,
            RejectionKind::InvalidToken => &self.invalid_token,
            RejectionKind::InsufficientAuthentication
            | RejectionKind::InsufficientClaims
            | RejectionKind::MissingToken
            | RejectionKind::Unavailable => &self.missing_token,
        }
        .clone()
    }
}

impl Admission {
    /// Step 6: the request gets its access token, and keeps its credential unless that is unwanted.
    pub(super) fn enter<B>(self, request: &mut Request<B>) -> Option<Box<Watch>> {
        if self.strip {
            request.headers_mut().remove(AUTHORIZATION);
        }
        let (token, watch) = match self.watched {
            Some(protection) => {
                let (token, watch) = Watch::over(self.token, request, &protection);
                (token, Some(Box::new(watch)))
            }
            None => (self.token, None),
        };
        request.extensions_mut().insert(token);
        watch
    }
}

impl<V> Policy<V> {
    /// The name of the verifier in logs.
    pub(super) fn verifier_name() -> &'static str {
        let name = type_name::<V>();
        let path = name.split('<').next().unwrap_or(name);
        path.rsplit("::").next().unwrap_or(path)
    }
}

fn panicked() -> VerifyError {
    VerifyError::misconfigured("the verifier panicked")
}
