//! The future of a response: serving, or rejected.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http::Response;
use pin_project_lite::pin_project;

use super::policy::{Admission, Policy};
use crate::response_body::ResponseBody;

pin_project! {
    /// The future of [`BoundSessions`](super::BoundSessions).
    pub struct BoundSessionsFuture<F> {
        #[pin]
        state: State<F>,
    }
}

pin_project! {
    #[project = StateProjection]
    enum State<F> {
        // The inner service has the request.
        Serving { #[pin] response: F, admission: Admission, policy: Arc<Policy> },
        // The answer is there. None: it has been handed out.
        Rejected { response: Option<Response<Bytes>> },
    }
}

impl<F> BoundSessionsFuture<F> {
    pub(super) fn serving(response: F, admission: Admission, policy: Arc<Policy>) -> Self {
        Self { state: State::Serving { response, admission, policy } }
    }

    pub(super) fn rejected(response: Response<Bytes>) -> Self {
        Self { state: State::Rejected { response: Some(response) } }
    }
}

impl<F, R, E> Future for BoundSessionsFuture<F>
where
    F: Future<Output = Result<Response<R>, E>>,
{
    type Output = Result<Response<ResponseBody<R>>, E>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        match self.project().state.project() {
            StateProjection::Serving { response, admission, policy } => {
                let response = ready!(response.poll(context))?;
                Poll::Ready(Ok(policy.bind(admission, response)))
            }
            StateProjection::Rejected { response } => {
                // Polled again after it was ready, which no executor does: it stays pending.
                let Some(response) = response.take() else { return Poll::Pending };
                Poll::Ready(Ok(response.map(ResponseBody::rejection)))
            }
        }
    }
}

impl<F> fmt::Debug for BoundSessionsFuture<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BoundSessionsFuture").finish_non_exhaustive()
    }
}
