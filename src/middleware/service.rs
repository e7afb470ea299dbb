//! `Auth`: the service that decides about each request before the inner one sees it.

use std::fmt;
use std::sync::Arc;
use std::task::{Context, Poll};

use http::header::{ACCESS_CONTROL_REQUEST_METHOD, ORIGIN};
use http::{Method, Request, Response};
use tower_service::Service;

use super::future::ResponseFuture;
use super::policy::{Decision, Policy};
use crate::answer::Form;
use crate::bearer_token::BearerToken;
use crate::error::RejectionKind;
use crate::ready;
use crate::response_body::ResponseBody;
use crate::verifier::{BoxVerifier, TokenVerifier};

/// Lets only requests with a good bearer token reach the inner service. Made by [`AuthLayer`](super::AuthLayer).
pub struct Auth<S, V = BoxVerifier> {
    inner: S,
    policy: Arc<Policy<V>>,
}

impl<S, V> Auth<S, V> {
    pub(super) fn new(inner: S, policy: Arc<Policy<V>>) -> Self {
        Self { inner, policy }
    }
}

impl<S, V, B, R> Service<Request<B>> for Auth<S, V>
where
    S: Service<Request<B>, Response = Response<R>> + Clone,
    V: TokenVerifier + 'static,
{
    type Response = Response<ResponseBody<R>>;
    type Error = S::Error;
    type Future = ResponseFuture<S, B>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, mut request: Request<B>) -> Self::Future {
        let mut inner = ready::take(&mut self.inner);
        let form = Form::of(&self.policy.protection, request.method(), request.headers());
        let missing = |kind| self.policy.optional && kind == RejectionKind::MissingToken;
        if let Some(metadata) = self.policy.describe(&request) {
            return ResponseFuture::answered(metadata, &request);
        }
        if is_preflight(&request) {
            self.policy.pass(&mut request, true);
            return ResponseFuture::serving(inner.call(request), None);
        }
        let (bearer, slot) = match BearerToken::take(request.headers_mut()) {
            Ok(taken) => taken,
            Err(rejection) if missing(rejection.kind()) => {
                self.policy.pass(&mut request, false);
                return ResponseFuture::serving(inner.call(request), None);
            }
            Err(rejection) => {
                return ResponseFuture::answered(self.policy.reject(rejection, None, form), &request);
            }
        };
        let Some(decision) = self.policy.decide_now(&bearer, form) else {
            let (policy, waiting) = (Arc::clone(&self.policy), bearer.clone());
            bearer.put_back(slot);
            let limit = policy.limit(form, request.headers());
            let decision = Box::pin(async move { policy.decide_later(waiting, form, limit).await });
            return ResponseFuture::verifying(decision, request, inner);
        };
        bearer.put_back(slot);
        match decision {
            Decision::Admit(admission) => {
                let watch = admission.enter(&mut request);
                ResponseFuture::serving(inner.call(request), watch)
            }
            Decision::Reject(response) => ResponseFuture::answered(*response, &request),
        }
    }
}

/// What a browser sends, without credentials, before a request that is not simple
/// ([Fetch, CORS-preflight request](https://fetch.spec.whatwg.org/#cors-preflight-request)).
fn is_preflight<B>(request: &Request<B>) -> bool {
    request.method() == Method::OPTIONS
        && request.headers().contains_key(ORIGIN)
        && request.headers().contains_key(ACCESS_CONTROL_REQUEST_METHOD)
}

impl<S: Clone, V> Clone for Auth<S, V> {
    fn clone(&self) -> Self {
        Self { inner: self.inner.clone(), policy: Arc::clone(&self.policy) }
    }
}

impl<S: fmt::Debug, V> fmt::Debug for Auth<S, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Auth").field("inner", &self.inner).finish_non_exhaustive()
    }
}
