//! `GuardedHost`: the service that looks at host and origin before anything else happens.

use std::fmt;
use std::future::Future;
use std::mem;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http::{Method, Request, Response, StatusCode};
use pin_project_lite::pin_project;
use tower_service::Service;

use super::policy::Policy;
use crate::response_body::ResponseBody;
use crate::small_answer;

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
    type Future = GuardedHostFuture<S::Future>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        // `poll_ready` readied this instance of the inner service, not its clones. It is taken also for a request
        // that will be rejected: dropped with it, it gives back the permit that it may hold.
        let unready = self.inner.clone();
        let mut inner = mem::replace(&mut self.inner, unready);
        let state = if self.policy.allows(request.uri(), request.headers()) {
            State::Serving { response: inner.call(request) }
        } else {
            State::Rejected { response: Some(forbidden(request.method())) }
        };
        GuardedHostFuture { state }
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

pin_project! {
    /// The future of [`GuardedHost`].
    pub struct GuardedHostFuture<F> {
        #[pin]
        state: State<F>,
    }
}

pin_project! {
    #[project = StateProjection]
    enum State<F> {
        // The inner service has the request.
        Serving { #[pin] response: F },
        // The answer is there. None: it has been handed out.
        Rejected { response: Option<Response<Bytes>> },
    }
}

impl<F, R, E> Future for GuardedHostFuture<F>
where
    F: Future<Output = Result<Response<R>, E>>,
{
    type Output = Result<Response<ResponseBody<R>>, E>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        match self.project().state.project() {
            StateProjection::Serving { response } => {
                let response = ready!(response.poll(context))?;
                Poll::Ready(Ok(response.map(ResponseBody::inner)))
            }
            StateProjection::Rejected { response } => {
                // Polled again after it was ready, which no executor does: it stays pending.
                let Some(response) = response.take() else { return Poll::Pending };
                Poll::Ready(Ok(response.map(ResponseBody::rejection)))
            }
        }
    }
}

impl<F> fmt::Debug for GuardedHostFuture<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GuardedHostFuture").finish_non_exhaustive()
    }
}
