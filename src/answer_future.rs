//! The future of a service that may answer by itself.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http::Response;
use pin_project_lite::pin_project;

use crate::response_body::ResponseBody;

pin_project! {
    /// The future of a response: that of the inner service, or one that was there at once.
    pub struct AnswerFuture<F> {
        #[pin]
        kind: Kind<F>,
    }
}

pin_project! {
    #[project = KindProjection]
    enum Kind<F> {
        Served { #[pin] response: F },
        // None: it has been handed out.
        Answered { response: Option<Response<Bytes>> },
    }
}

impl<F> AnswerFuture<F> {
    pub(crate) fn served(response: F) -> Self {
        Self { kind: Kind::Served { response } }
    }

    pub(crate) fn answered(response: Response<Bytes>) -> Self {
        Self { kind: Kind::Answered { response: Some(response) } }
    }
}

impl<F, R, E> Future for AnswerFuture<F>
where
    F: Future<Output = Result<Response<R>, E>>,
{
    type Output = Result<Response<ResponseBody<R>>, E>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        match self.project().kind.project() {
            KindProjection::Served { response } => {
                Poll::Ready(Ok(ready!(response.poll(context))?.map(ResponseBody::inner)))
            }
            // Polled again after it was ready, which no executor does: it stays pending.
            KindProjection::Answered { response } => match response.take() {
                Some(response) => Poll::Ready(Ok(response.map(ResponseBody::rejection))),
                None => Poll::Pending,
            },
        }
    }
}

impl<F> fmt::Debug for AnswerFuture<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AnswerFuture").finish_non_exhaustive()
    }
}
