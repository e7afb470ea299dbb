//! The future of a service that may answer by itself.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http::header::{CONNECTION, CONTENT_LENGTH, TRANSFER_ENCODING};
use http::{HeaderMap, HeaderValue, Request, Response, Version};
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

    /// Answers at once, with the body of the request unread.
    pub(crate) fn answered<B>(mut response: Response<Bytes>, request: &Request<B>) -> Self {
        close_if_unread(&mut response, request.version(), request.headers());
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

/// Says that the connection ends with this answer, where it is given before the body of the request was read.
///
/// A server that does not read all of a body has to close the connection ([RFC 9112 §9.3]), and does so by itself. But
/// a client that is not told sends its next request there, the one for the metadata for instance, and is left without
/// an answer.
///
/// [RFC 9112 §9.3]: https://www.rfc-editor.org/rfc/rfc9112#section-9.3
pub(crate) fn close_if_unread(response: &mut Response<Bytes>, version: Version, request: &HeaderMap) {
    let has_body = request.contains_key(TRANSFER_ENCODING)
        || request.get(CONTENT_LENGTH).is_some_and(|length| length.as_bytes() != b"0");
    if version <= Version::HTTP_11 && has_body {
        response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
        // What an old client is answered otherwise: that the connection closes, and that it stays.
        *response.version_mut() = version;
    }
}

impl<F> fmt::Debug for AnswerFuture<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AnswerFuture").finish_non_exhaustive()
    }
}
