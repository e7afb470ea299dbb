//! The future of a response: verifying, serving, or rejected.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http::{Request, Response};
use pin_project_lite::pin_project;
use tower_service::Service;

use super::policy::{Decision, LaterDecision};
use super::watch::{Patience, Watch};
use crate::answer_future;
use crate::response_body::ResponseBody;

pin_project! {
    /// The future of [`Auth`](super::Auth).
    ///
    /// Dropped before it is polled, it has waited for nobody.
    pub struct ResponseFuture<S, B>
    where
        S: Service<Request<B>>,
    {
        #[pin]
        state: State<S, S::Future, B, S::Response>,
    }
}

pin_project! {
    #[project = StateProjection]
    enum State<S, F, B, P> {
        // The verifier is asked; request and readied service are parked until it answers. Out of the way: the future is
        // moved by whoever awaits it, and mostly there is nothing to wait for.
        Verifying { decision: LaterDecision, parked: Option<Box<(Request<B>, S)>> },
        // The inner service has the request. None: nobody listens to what its handler finds.
        Serving { #[pin] response: F, watch: Option<Box<Watch>> },
        // The answer is there, and its handler may still find that the token does not suffice. Out of the way: seldom.
        Holding { patience: Patience, held: Option<Box<(P, Box<Watch>)>> },
        // The answer is there. None: it has been handed out.
        Answered { response: Option<Response<Bytes>> },
    }
}

impl<S: Service<Request<B>>, B> ResponseFuture<S, B> {
    pub(super) fn verifying(decision: LaterDecision, request: Request<B>, service: S) -> Self {
        Self { state: State::Verifying { decision, parked: Some(Box::new((request, service))) } }
    }

    pub(super) fn serving(response: S::Future, watch: Option<Box<Watch>>) -> Self {
        Self { state: State::Serving { response, watch } }
    }

    /// Answers at once, with the body of the request unread.
    pub(super) fn answered(mut response: Response<Bytes>, request: &Request<B>) -> Self {
        answer_future::close_if_unread(&mut response, request.version(), request.headers());
        Self { state: State::Answered { response: Some(response) } }
    }
}

impl<S, B, R> Future for ResponseFuture<S, B>
where
    S: Service<Request<B>, Response = Response<R>>,
{
    type Output = Result<Response<ResponseBody<R>>, S::Error>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let mut state = self.project().state;
        loop {
            let next = match state.as_mut().project() {
                StateProjection::Verifying { decision, parked } => {
                    let decision = ready!(decision.as_mut().poll(context));
                    match (decision, parked.take()) {
                        (Decision::Admit(admission), Some(parked)) => {
                            let (mut request, mut service) = *parked;
                            let watch = admission.enter(&mut request);
                            State::Serving { response: service.call(request), watch }
                        }
                        // The service goes with the request, and with it the permit that it may hold.
                        (Decision::Reject(mut response), Some(parked)) => {
                            let (request, _) = &*parked;
                            answer_future::close_if_unread(
                                &mut response,
                                request.version(),
                                request.headers(),
                            );
                            State::Answered { response: Some(*response) }
                        }
                        (Decision::Reject(response), None) => State::Answered { response: Some(*response) },
                        (Decision::Admit(_), None) => State::Answered { response: None },
                    }
                }
                StateProjection::Serving { response, watch } => {
                    let response = ready!(response.poll(context));
                    let Some(watch) = watch.take() else { return response.map_or_else(fail, serve) };
                    // A service may stop with the rejection as its error.
                    let response = match response {
                        Ok(response) => response,
                        Err(error) => return watch.refusal().map_or_else(|| fail(error), reject),
                    };
                    match watch.patience(response.headers()) {
                        None => return watch.refusal().map_or_else(|| serve(response), reject),
                        Some(patience) => {
                            State::Holding { patience, held: Some(Box::new((response, watch))) }
                        }
                    }
                }
                // Polled again after it was ready, which no executor does: it stays pending, as below.
                StateProjection::Holding { held: None, .. } => return Poll::Pending,
                StateProjection::Holding { patience, held } => {
                    ready!(patience.as_mut().poll(context));
                    let Some((response, watch)) = held.take().map(|held| *held) else { return Poll::Pending };
                    return watch.refusal().map_or_else(|| serve(response), reject);
                }
                StateProjection::Answered { response } => {
                    // Polled again after it was ready, which no executor does: it stays pending.
                    return response.take().map_or(Poll::Pending, reject);
                }
            };
            state.set(next);
        }
    }
}

fn fail<R, E>(error: E) -> Poll<Result<R, E>> {
    Poll::Ready(Err(error))
}

fn serve<R, E>(response: Response<R>) -> Poll<Result<Response<ResponseBody<R>>, E>> {
    Poll::Ready(Ok(response.map(ResponseBody::inner)))
}

fn reject<R, E>(response: Response<Bytes>) -> Poll<Result<Response<ResponseBody<R>>, E>> {
    Poll::Ready(Ok(response.map(ResponseBody::rejection)))
}

impl<S: Service<Request<B>>, B> fmt::Debug for ResponseFuture<S, B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResponseFuture").finish_non_exhaustive()
    }
}
