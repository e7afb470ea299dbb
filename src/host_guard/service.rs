//! `GuardedHost`: the service that looks at host and origin before anything else happens.

use std::fmt;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::{Method, Request, Response, StatusCode};
use tower_service::Service;

use super::policy::Policy;
use crate::answer_future::AnswerFuture;
use crate::response_body::ResponseBody;
use crate::{ready, small_answer};

/// Lets only requests for known hosts and from known pages through. Made by [`HostGuard`](super::HostGuard).
#[derive(Clone)]
pub struct GuardedHost<S> {
    inner: S,
    policy: Arc<Policy>,
}

impl<S> GuardedHost<S> {
    pub(super) fn new(inner: S, policy: Arc<Policy>) -> Self {
        Self { inner, policy }
    }
}

impl<S, B, R> Service<Request<B>> for GuardedHost<S>
where
    S: Service<Request<B>, Response = Response<R>> + Clone,
{
    type Response = Response<ResponseBody<R>>;
    type Error = S::Error;
    type Future = AnswerFuture<S::Future>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let mut inner = ready::take(&mut self.inner);
        if self.policy.allows(request.uri(), request.headers()) {
            AnswerFuture::served(inner.call(request))
        } else {
            AnswerFuture::answered(forbidden(request.method()), &request)
        }
    }
}

fn forbidden(method: &Method) -> Response<Bytes> {
    let mut response = small_answer::json(StatusCode::FORBIDDEN, r#"{"error":"forbidden"}"#);
    if method == Method::HEAD {
        // RFC 9110 §9.3.2: the header of the answer to GET, and no content.
        *response.body_mut() = Bytes::new();
    }
    response
}

impl<S: fmt::Debug> fmt::Debug for GuardedHost<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GuardedHost").field("inner", &self.inner).finish_non_exhaustive()
    }
}
