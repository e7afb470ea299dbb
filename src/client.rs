//! The outside world in one method: send a request, get an answer that fits into limits.
//!
//! Every verifier that asks somebody takes a client by `http_client`. Around another client, one of your own adds what
//! the way out of your network needs:
//!
//! ```
//! use bytes::Bytes;
//! use http::{HeaderValue, Request, Response};
//! use tower_bearer::client::{AnswerFuture, HttpClient, Limits};
//!
//! /// Says in each request which team it is from.
//! #[derive(Debug)]
//! struct Named<C>(C);
//!
//! impl<C: HttpClient> HttpClient for Named<C> {
//!     fn send(&self, mut request: Request<Bytes>, limits: Limits) -> AnswerFuture<'_> {
//!         request.headers_mut().insert("x-team", HeaderValue::from_static("files"));
//!         self.0.send(request, limits)
//!     }
//! }
//! #
//! # /// Answers with the name of the team.
//! # #[derive(Debug)]
//! # struct Echo;
//! # impl HttpClient for Echo {
//! #     fn send(&self, request: Request<Bytes>, _: Limits) -> AnswerFuture<'_> {
//! #         let team = Bytes::copy_from_slice(request.headers()["x-team"].as_bytes());
//! #         Box::pin(async { Ok(Response::new(team)) })
//! #     }
//! # }
//! # async fn run() {
//! # let (inner, request) = (Echo, Request::new(Bytes::new()));
//! # let limits = Limits::new(std::time::Duration::from_secs(1), 1_024);
//!
//! let answer = Named(inner).send(request, limits).await.unwrap();
//! assert_eq!(answer.body(), "files");
//! # }
//! # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(run());
//! ```

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};

use crate::error::VerifyError;

#[cfg(feature = "reqwest")]
mod public_addresses;
#[cfg(feature = "reqwest")]
mod reqwest;
#[cfg(feature = "reqwest")]
mod reqwest_builder;

#[cfg(feature = "reqwest")]
pub use self::reqwest::ReqwestClient;
#[cfg(feature = "reqwest")]
pub use self::reqwest_builder::ReqwestClientBuilder;

/// The future of an answer.
pub type AnswerFuture<'a> = Pin<Box<dyn Future<Output = Result<Response<Bytes>, VerifyError>> + Send + 'a>>;

/// Sends requests to issuers.
///
/// `ReqwestClient` is the one that is used unless another is set; implement it to go through a client of your own.
///
/// An implementation follows no redirect, uses no proxy that was not configured, checks certificates, and gives up with
/// [`VerifyError::unavailable`] when a limit is passed or no answer comes. An answer of any status is an answer. It may
/// send a request once more whose connection died before an answer: none of them changes anything, but a client
/// assertion in the form of a request is good for one use.
pub trait HttpClient: fmt::Debug + Send + Sync + 'static {
    /// Sends one request and reads the whole answer.
    ///
    /// # Errors
    ///
    /// - a limit is passed, or no answer comes: [`Unavailable`](crate::error::VerifyErrorKind::Unavailable)
    fn send(&self, request: Request<Bytes>, limits: Limits) -> AnswerFuture<'_>;
}

impl<C: HttpClient + ?Sized> HttpClient for Arc<C> {
    fn send(&self, request: Request<Bytes>, limits: Limits) -> AnswerFuture<'_> {
        (**self).send(request, limits)
    }
}

/// How often a request may be sent, in its extensions. Without this it is sent again once whose connection dies before
/// an answer.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[cfg_attr(
    not(all(feature = "introspection", feature = "reqwest")),
    allow(dead_code, reason = "both sides are needed")
)]
pub(crate) enum Attempt {
    /// Once: something in it is good for one use.
    Only,
    /// For the second time, on a new connection.
    Second,
}

/// What a caller is ready to wait for and to store.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Limits {
    /// From the first byte out to the last byte in.
    pub timeout: Duration,
    /// The longest body that is read, in bytes, after decoding. A longer one is no answer.
    pub max_body: usize,
}

impl Limits {
    /// Both limits.
    #[must_use]
    pub fn new(timeout: Duration, max_body: usize) -> Self {
        Self { timeout, max_body }
    }
}

/// The client that was configured, else the default one.
#[cfg(all(
    feature = "reqwest",
    any(
        feature = "github",
        feature = "introspection",
        all(feature = "jwt", any(feature = "aws-lc-rs", feature = "rust-crypto"))
    )
))]
pub(crate) fn or_default(
    client: Option<&Arc<dyn HttpClient>>,
) -> Result<Arc<dyn HttpClient>, crate::error::BuildError> {
    client.map_or_else(
        || Ok(Arc::new(ReqwestClient::new()?) as Arc<dyn HttpClient>),
        |client| Ok(Arc::clone(client)),
    )
}

/// The client that was configured: there is no other.
#[cfg(all(
    not(feature = "reqwest"),
    any(
        feature = "github",
        feature = "introspection",
        all(feature = "jwt", any(feature = "aws-lc-rs", feature = "rust-crypto"))
    )
))]
pub(crate) fn or_default(
    client: Option<&Arc<dyn HttpClient>>,
) -> Result<Arc<dyn HttpClient>, crate::error::BuildError> {
    client
        .cloned()
        .ok_or_else(|| crate::error::BuildError::new("http_client", crate::error::BuildErrorKind::Missing))
}
