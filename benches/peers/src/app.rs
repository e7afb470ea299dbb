//! A protected service, whichever crate protects it, and the two ways in which it is asked.

use std::convert::Infallible;
use std::future::{Future, Ready, ready};
use std::hint::black_box;
use std::marker::PhantomData;
use std::pin::{Pin, pin};
use std::sync::Mutex;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use http::header::AUTHORIZATION;
use http::{HeaderMap, HeaderValue, Method, Request, Response, Uri};
use tower::{Service, ServiceExt};

use crate::allocations::{self, Cost};

/// The service that is protected. It answers an empty 200.
#[derive(Debug)]
pub(crate) struct Inner<B>(PhantomData<fn(B)>);

impl<B> Inner<B> {
    pub(crate) const fn new() -> Self {
        Self(PhantomData)
    }
}

impl<B> Clone for Inner<B> {
    fn clone(&self) -> Self {
        Self::new()
    }
}

impl<B: Default> Service<Request<B>> for Inner<B> {
    type Response = Response<B>;
    type Error = Infallible;
    type Future = Ready<Result<Response<B>, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        drop(black_box(request));
        ready(Ok(Response::new(B::default())))
    }
}

/// What a request says, but its body.
#[derive(Clone, Debug, Default)]
pub(crate) struct Head {
    pub(crate) method: Method,
    pub(crate) uri: Uri,
    pub(crate) headers: HeaderMap,
}

impl Head {
    /// A request for `/whoami` that presents a token. None if no header field can hold it.
    pub(crate) fn presenting(token: &str) -> Option<Self> {
        let field = HeaderValue::from_bytes(format!("Bearer {token}").as_bytes()).ok()?;
        let headers = HeaderMap::from_iter([(AUTHORIZATION, field)]);
        Some(Self { method: Method::GET, uri: Uri::from_static("/whoami"), headers })
    }

    fn request<B: Default>(&self) -> Request<B> {
        let mut request = Request::new(B::default());
        *request.method_mut() = self.method.clone();
        *request.uri_mut() = self.uri.clone();
        *request.headers_mut() = self.headers.clone();
        request
    }
}

pub(crate) type Status = Pin<Box<dyn Future<Output = u16> + Send>>;

/// A protected service.
pub(crate) trait App: Send + Sync {
    /// Asks a clone of the service.
    fn send(&self, head: &Head) -> Status;

    /// How long a number of requests take that are all served, one after the other, without waiting.
    fn serve(&self, head: &Head, calls: usize) -> Duration;

    /// What one such request allocates, from the call to the drop of the answer.
    fn cost(&self, head: &Head) -> Cost;
}

/// A tower service as an [`App`].
pub(crate) struct Tower<S, B> {
    service: Mutex<S>,
    body: PhantomData<fn(B)>,
}

impl<S, B> Tower<S, B> {
    pub(crate) fn boxed(service: S) -> Box<dyn App>
    where
        Self: App + 'static,
    {
        Box::new(Self { service: Mutex::new(service), body: PhantomData })
    }
}

impl<S, B, R> App for Tower<S, B>
where
    S: Service<Request<B>, Response = Response<R>, Error = Infallible> + Clone + Send + 'static,
    S::Future: Send,
    B: Default + Send + 'static,
{
    fn send(&self, head: &Head) -> Status {
        let (service, request) = (self.service.lock().unwrap().clone(), head.request::<B>());
        Box::pin(async move { service.oneshot(request).await.unwrap().status().as_u16() })
    }

    fn serve(&self, head: &Head, calls: usize) -> Duration {
        let mut service = self.service.lock().unwrap();
        let requests: Vec<_> = (0..calls).map(|_| head.request::<B>()).collect();
        let started_at = Instant::now();
        for request in requests {
            assert_eq!(at_once(&mut *service, request), Some(200));
        }
        started_at.elapsed()
    }

    fn cost(&self, head: &Head) -> Cost {
        let mut service = self.service.lock().unwrap();
        let request = head.request::<B>();
        let mut status = None;
        let cost = allocations::count(|| status = at_once(&mut *service, request));
        assert_eq!(status, Some(200));
        cost
    }
}

/// The status of an answer that needs no waiting.
fn at_once<S, B, R>(service: &mut S, request: Request<B>) -> Option<u16>
where
    S: Service<Request<B>, Response = Response<R>, Error = Infallible>,
{
    let mut context = Context::from_waker(Waker::noop());
    let mut answer = pin!(async { service.ready().await.unwrap().call(request).await });
    match answer.as_mut().poll(&mut context) {
        Poll::Ready(answer) => answer.ok().map(|answer| answer.status().as_u16()),
        Poll::Pending => None,
    }
}
