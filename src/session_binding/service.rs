//! `BoundSessions`: the service that lets a session be used by its owner alone.

use std::fmt;
use std::sync::Arc;
use std::task::{Context, Poll};

use http::{Request, Response};
use tower_service::Service;

use super::future::BoundSessionsFuture;
use super::policy::Policy;
use crate::response_body::ResponseBody;
use crate::{answer_future, ready};

/// Lets a session be used by its owner alone. Made by [`SessionBinding`](super::SessionBinding).
#[derive(Clone)]
pub struct BoundSessions<S> {
    inner: S,
    policy: Arc<Policy>,
}

impl<S> BoundSessions<S> {
    pub(super) fn new(inner: S, policy: Arc<Policy>) -> Self {
        Self { inner, policy }
    }
}

impl<S, B, R> Service<Request<B>> for BoundSessions<S>
where
    S: Service<Request<B>, Response = Response<R>> + Clone,
{
    type Response = Response<ResponseBody<R>>;
    type Error = S::Error;
    type Future = BoundSessionsFuture<S::Future>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, mut request: Request<B>) -> Self::Future {
        let mut inner = ready::take(&mut self.inner);
        match self.policy.admit(&mut request) {
            Ok(admission) => {
                let policy = Arc::clone(&self.policy);
                BoundSessionsFuture::serving(inner.call(request), admission, policy)
            }
            Err(mut response) => {
                answer_future::close_if_unread(&mut response, request.version(), request.headers());
                BoundSessionsFuture::rejected(*response)
            }
        }
    }
}

impl<S: fmt::Debug> fmt::Debug for BoundSessions<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BoundSessions").field("inner", &self.inner).finish_non_exhaustive()
    }
}
