//! The loopback server of every fake.

use std::future::{Future, poll_fn};
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};

use bytes::Bytes;
use http::{Request, Response};
use http_body::{Body, Frame, SizeHint};
use http_body_util::{BodyExt, Either, Full};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{AbortHandle, JoinSet};

/// What a fake does about a request.
#[derive(Debug)]
pub(super) enum Outcome {
    /// An answer.
    Answer(Response<Bytes>),
    /// An answer that breaks off in the middle of its body.
    Half(Response<Bytes>),
    /// No answer, and a connection that is reset.
    Reset,
}

/// Something that answers requests.
pub(super) trait Fake: Send + Sync + 'static {
    /// Answers a request, whose body has arrived.
    fn answer(&self, request: Request<Bytes>) -> impl Future<Output = Outcome> + Send;
}

/// A fake that is being served. Ends when it is dropped.
#[derive(Debug)]
pub(super) struct Server {
    up: Arc<AtomicBool>,
    task: AbortHandle,
}

impl Server {
    /// A free port of the loopback interface, and its address as a URL.
    pub(super) async fn bind() -> io::Result<(TcpListener, String)> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let url = format!("http://{}", listener.local_addr()?);
        Ok((listener, url))
    }

    /// Serves a fake.
    pub(super) fn start(listener: TcpListener, fake: Arc<impl Fake>) -> Self {
        let up = Arc::new(AtomicBool::new(true));
        let task = tokio::spawn(accept(listener, fake, Arc::clone(&up))).abort_handle();
        Self { up, task }
    }

    /// Goes down: connections are closed, new ones at once, old ones at their next request.
    pub(super) fn stop(&self) {
        self.up.store(false, Ordering::SeqCst);
    }

    /// Comes back, at the same address.
    pub(super) fn restart(&self) {
        self.up.store(true, Ordering::SeqCst);
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn accept(listener: TcpListener, fake: Arc<impl Fake>, up: Arc<AtomicBool>) {
    // Dropped with this task, and with it every connection.
    let mut connections = JoinSet::new();
    loop {
        let Ok((stream, _)) = listener.accept().await else {
            // Out of file descriptors, or a client that left at once: the next one may do better.
            tokio::task::yield_now().await;
            continue;
        };
        if up.load(Ordering::SeqCst) {
            connections.spawn(serve(stream, Arc::clone(&fake), Arc::clone(&up)));
        }
        while connections.try_join_next().is_some() {}
    }
}

async fn serve(stream: TcpStream, fake: Arc<impl Fake>, up: Arc<AtomicBool>) {
    let reset = AtomicBool::new(false);
    let service = service_fn(|request: Request<Incoming>| {
        let (fake, up, reset) = (&fake, &up, &reset);
        Box::pin(async move {
            let (parts, body) = request.into_parts();
            let body = body.collect().await.map_err(io::Error::other)?.to_bytes();
            // An error instead of an answer closes the connection.
            if !up.load(Ordering::SeqCst) {
                return Err(io::Error::from(io::ErrorKind::ConnectionReset));
            }
            match fake.answer(Request::from_parts(parts, body)).await {
                Outcome::Answer(response) => Ok(response.map(|body| Either::Left(Full::new(body)))),
                Outcome::Half(response) => Ok(response.map(|body| Either::Right(HalfBody::of(&body)))),
                Outcome::Reset => {
                    reset.store(true, Ordering::SeqCst);
                    Err(io::Error::from(io::ErrorKind::ConnectionReset))
                }
            }
        })
    });
    let mut connection = http1::Builder::new().serve_connection(TokioIo::new(stream), service);
    // How a connection ends is of interest to the client alone.
    poll_fn(|context| connection.poll_without_shutdown(context)).await.ok();
    let stream = connection.into_parts().io.into_inner();
    if reset.load(Ordering::SeqCst) {
        // What is closed without lingering says RST instead of FIN. Where that fails, FIN has to do.
        stream.set_zero_linger().ok();
    }
}

/// A body that is shorter than it announces.
struct HalfBody {
    length: u64,
    sent: Option<Bytes>,
    waited: bool,
}

impl HalfBody {
    fn of(body: &Bytes) -> Self {
        let length = u64::try_from(body.len()).unwrap_or(u64::MAX).max(1);
        Self { length, sent: Some(body.slice(..body.len() / 2)), waited: false }
    }
}

impl Body for HalfBody {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        if let Some(sent) = self.sent.take() {
            return Poll::Ready(Some(Ok(Frame::data(sent))));
        }
        // A server that has to wait writes what it has. One that meets an error does not.
        if !self.waited {
            self.waited = true;
            context.waker().wake_by_ref();
            return Poll::Pending;
        }
        Poll::Ready(Some(Err(io::Error::from(io::ErrorKind::UnexpectedEof))))
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.length)
    }
}
