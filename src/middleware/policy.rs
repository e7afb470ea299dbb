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
use crate::access_token::AccessToken;
use crate::answer::{self, RejectionBody};
use crate::bearer_token::BearerToken;
use crate::caught::{caught, caught_now};
use crate::challenge::Challenge;
use crate::clock::Clock;
use crate::deadline::within;
use crate::error::{Rejection, RejectionKind, VerifyError, VerifyErrorKind};
use crate::grpc::{self, Call};
use crate::passed::PassedWithoutToken;
use crate::scope::ScopeSet;
use crate::verifier::{TokenVerifier, Verdict};

/// A hook that may replace the body of a rejection.
pub(super) type BodyHook = Box<dyn Fn(&Rejection) -> Option<RejectionBody> + Send + Sync>;
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
    pub(super) grpc: bool,
    pub(super) timeout: Duration,
    pub(super) body: Option<BodyHook>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) challenges: Challenges,
    pub(super) log: DecisionLog,
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
}

impl<V: TokenVerifier> Policy<V> {
    /// Decides without waiting, if that is possible.
    pub(super) fn decide_now(&self, bearer: &BearerToken, head: bool) -> Option<Decision> {
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
        Some(self.decide(verdict, bearer, head))
    }

    /// Decides by asking the verifier, for as long as that may take.
    pub(super) async fn decide_later(&self, bearer: BearerToken, head: bool, limit: Duration) -> Decision {
        let verdict = self.verify(&bearer, limit).await;
        let verdict = match verdict {
            Ok(token) => self.judge(token, self.clock.now()),
            Err(error) => Err(error.into()),
        };
        self.decide(verdict, &bearer, head)
    }

    /// Asks the verifier within the time limit. A panic in it is an answer too: nobody can tell.
    async fn verify(&self, bearer: &BearerToken, limit: Duration) -> Verdict {
        let verdict = caught(within(limit, async { self.verifier.verify(bearer).await })).await;
        let reason = if limit < self.timeout {
            "the caller does not wait for the verification"
        } else {
            "the verification took too long"
        };
        let late = || Err(VerifyError::unavailable(reason));
        verdict.map_or_else(|| Err(panicked()), |verdict| verdict.unwrap_or_else(late))
    }

    /// Steps 4 and 5, on every request, whatever the verifier remembered.
    fn judge(&self, token: AccessToken, now: SystemTime) -> Result<AccessToken, Rejection> {
        if token.is_expired(now) {
            return Err(VerifyError::rejected(VerifyErrorKind::Expired).into());
        }
        if !self.required_scopes.is_empty() && !token.scopes().contains_all(&self.required_scopes) {
            return Err(Rejection::new(RejectionKind::InsufficientScope));
        }
        Ok(token)
    }

    fn decide(&self, verdict: Result<AccessToken, Rejection>, bearer: &BearerToken, head: bool) -> Decision {
        match verdict {
            Ok(token) => {
                self.log.admitted(&token, bearer);
                Decision::Admit(Admission { token, strip: self.strip })
            }
            Err(rejection) => Decision::Reject(Box::new(self.reject(rejection, Some(bearer), head))),
        }
    }
}

impl<V> Policy<V> {
    /// What kind of call a request is, where calls are answered as such.
    pub(super) fn call<B>(&self, request: &Request<B>) -> Option<Call> {
        if self.grpc { Call::of(request) } else { None }
    }

    /// How long a verification may take: no longer than the caller waits.
    pub(super) fn limit(&self, call: Option<Call>, headers: &HeaderMap) -> Duration {
        let waits = call.and_then(|_| grpc::timeout(headers));
        waits.map_or(self.timeout, |waits| waits.min(self.timeout))
    }

    /// Answers a rejected request.
    pub(super) fn reject(
        &self,
        rejection: Rejection,
        bearer: Option<&BearerToken>,
        head: bool,
    ) -> Response<Bytes> {
        // A cause that somebody else wrote may panic when it is printed. That must not cost the answer.
        caught_now(|| self.log.rejected(&rejection, bearer, &*self.clock));
        let hooked = caught_now(|| self.body.as_ref().and_then(|body| body(&rejection)));
        let challenge = self.challenges.of(rejection.kind());
        let mut response = match hooked {
            Some(body) => answer::respond(rejection, challenge, body),
            None => answer::internal_error(),
        };
        if head {
            // RFC 9110 §9.3.2: the header of the answer to GET, and no content.
            *response.body_mut() = Bytes::new();
        }
        response
    }

    /// Lets a request through without a token, marked so that extractors know.
    pub(super) fn pass<B>(&self, request: &mut Request<B>) {
        self.log.passed();
        request.extensions_mut().remove::<AccessToken>();
        match request.headers_mut().entry(AUTHORIZATION) {
            Entry::Occupied(fields) if self.strip => drop(fields.remove_entry_mult()),
            Entry::Occupied(mut fields) => fields.iter_mut().for_each(|field| field.set_sensitive(true)),
            Entry::Vacant(_) => {}
        }
        let challenge = self.challenges.missing_token.clone();
        request.extensions_mut().insert(PassedWithoutToken { challenge });
    }
}

impl Challenges {
    /// The challenges of a layer that needs these scopes and has its metadata there.
    pub(super) fn new(scopes: &ScopeSet, metadata: Option<&str>) -> Self {
        let base = Challenge::bearer().scope(scopes).resource_metadata(metadata.unwrap_or_default());
        let of = |kind| answer::challenge(kind, base.clone());
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

impl Decision {
    /// Makes the answer one that the caller understands.
    pub(super) fn answering(self, call: Option<Call>) -> Self {
        match self {
            Self::Reject(response) if call.is_some() => Self::Reject(Box::new(grpc::answer(*response, call))),
            decision => decision,
        }
    }
}

impl Admission {
    /// Step 6: the request gets its access token, and keeps its credential unless that is unwanted.
    pub(super) fn enter<B>(self, request: &mut Request<B>) {
        if self.strip {
            request.headers_mut().remove(AUTHORIZATION);
        }
        request.extensions_mut().insert(self.token);
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
