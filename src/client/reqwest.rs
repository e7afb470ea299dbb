//! The adapter to reqwest.

use std::error::Error;
use std::net::IpAddr;
use std::time::Duration;
use std::{fmt, io, iter};

use bytes::{Bytes, BytesMut};
use http::header::{CONTENT_LENGTH, TRANSFER_ENCODING};
use http::{Request, Response};
use reqwest::Client;
use tokio::runtime::Handle;

use super::public_addresses::{is_public, not_public};
use super::{AnswerFuture, Attempt, HttpClient, Limits};
use crate::deadline::within;
use crate::error::VerifyError;

/// An [`HttpClient`] on reqwest: HTTP/1.1, rustls, the certificates that the operating system trusts.
///
/// A request whose connection dies before an answer is sent once more, on a new one; an answer is never asked for
/// again.
///
/// It follows no redirects, and ignores the proxy variables of the environment: tokens and secrets go to the
/// configured hosts and nowhere else. It needs a tokio runtime with its timer and I/O. Clones are cheap and share
/// connections.
#[derive(Clone)]
pub struct ReqwestClient {
    pub(super) client: Client,
    // Uses no connection twice.
    pub(super) fresh: Client,
    pub(super) max_body: usize,
    pub(super) first_byte_timeout: Duration,
    pub(super) timeout: Duration,
    pub(super) public_only: bool,
}

impl ReqwestClient {
    /// Sends a request, and waits for the head of the answer.
    async fn begin(
        &self,
        request: reqwest::Request,
        attempt: Option<Attempt>,
    ) -> Result<reqwest::Response, VerifyError> {
        let again = request.try_clone().filter(|_| attempt.is_none());
        let client = if attempt == Some(Attempt::Second) { &self.fresh } else { &self.client };
        match (client.execute(request).await, again) {
            // What is asked of issuers changes nothing there. A connection of its own: one that had been idle is seldom
            // the only one that the other side has closed.
            (Err(error), Some(again)) if died_before_an_answer(&error) => {
                self.fresh.execute(again).await.map_err(unavailable)
            }
            (Err(error), _) if died_before_an_answer(&error) => Err(unavailable(error).cut_off()),
            (answer, _) => answer.map_err(unavailable),
        }
    }

    async fn send_within(
        &self,
        request: Request<Bytes>,
        max_body: usize,
    ) -> Result<Response<Bytes>, VerifyError> {
        let attempt = request.extensions().get().copied();
        let request = reqwest::Request::try_from(request).map_err(unavailable)?;
        // A name is for the resolver to judge. As the URL has it, an address has one form only.
        let host = request.url().host_str().unwrap_or_default();
        let address = host.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>();
        if self.public_only && address.is_ok_and(|address| !is_public(address)) {
            return Err(VerifyError::unavailable(not_public()));
        }
        let late = || VerifyError::unavailable("no answer began within the time limit");
        let mut answer =
            within(self.first_byte_timeout, self.begin(request, attempt)).await.ok_or_else(late)??;
        // RFC 9112 §6.3: two framings are how one answer is smuggled into another.
        if answer.headers().contains_key(TRANSFER_ENCODING) && answer.headers().contains_key(CONTENT_LENGTH) {
            return Err(VerifyError::unavailable("the answer has two lengths"));
        }
        let announced = answer.content_length().unwrap_or(0);
        if announced > u64::try_from(max_body).unwrap_or(u64::MAX) {
            return Err(VerifyError::unavailable("the answer is too long"));
        }
        let mut body = BytesMut::new();
        while let Some(chunk) = answer.chunk().await.map_err(unavailable)? {
            if body.len().saturating_add(chunk.len()) > max_body {
                return Err(VerifyError::unavailable("the answer is too long"));
            }
            body.extend_from_slice(&chunk);
        }
        let mut response = Response::new(body.freeze());
        *response.status_mut() = answer.status();
        *response.headers_mut() = std::mem::take(answer.headers_mut());
        Ok(response)
    }
}

impl HttpClient for ReqwestClient {
    fn send(&self, request: Request<Bytes>, limits: Limits) -> AnswerFuture<'_> {
        Box::pin(async move {
            if Handle::try_current().is_err() {
                return Err(VerifyError::misconfigured("this client needs a tokio runtime"));
            }
            let answer = self.send_within(request, limits.max_body.min(self.max_body));
            let late = || Err(VerifyError::unavailable("no answer within the time limit"));
            within(limits.timeout.min(self.timeout), answer).await.unwrap_or_else(late)
        })
    }
}

impl fmt::Debug for ReqwestClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReqwestClient").finish_non_exhaustive()
    }
}

/// Whether a connection went away under a request: often one that had been idle, and that the other side had just
/// closed.
fn died_before_an_answer(error: &(dyn Error + 'static)) -> bool {
    use io::ErrorKind::{BrokenPipe, ConnectionAborted, ConnectionReset, UnexpectedEof};
    let died = |cause: &(dyn Error + 'static)| {
        let by_hyper = cause.downcast_ref::<hyper::Error>();
        let by_system = cause.downcast_ref::<io::Error>().map(io::Error::kind);
        by_hyper
            .is_some_and(|error| error.is_incomplete_message() || error.is_canceled() || error.is_closed())
            || by_system.is_some_and(|kind| {
                matches!(kind, BrokenPipe | ConnectionAborted | ConnectionReset | UnexpectedEof)
            })
    };
    iter::successors(Some(error), |error: &&(dyn Error + 'static)| (*error).source()).any(died)
}

/// The cause without the address, which may hold a secret.
fn unavailable(error: reqwest::Error) -> VerifyError {
    VerifyError::unavailable(error.without_url())
}
