//! A provider that is asked about tokens: how often at a time, for how long, and what its answers mean.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use http::header::{ACCEPT, HeaderMap};
use http::{HeaderValue, Request, Response, StatusCode};
use tokio::sync::Semaphore;

use crate::access_token::AccessToken;
use crate::client::{self, HttpClient, Limits};
use crate::clock::{Clock, SystemClock};
use crate::deadline::within;
use crate::error::{BuildError, BuildErrorKind, VerifyError};
use crate::freshness;
use crate::json::Object;

const TIMEOUT: Duration = Duration::from_secs(5);
const MIN_TIMEOUT: Duration = Duration::from_millis(1);
const MAX_TIMEOUT: Duration = Duration::from_secs(60);
const CALLS: usize = 64;
const MOST_CALLS: usize = 10_000;
/// The longest answer about one token.
const MAX_BODY: usize = 64 * 1024;

/// How a provider is asked.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    pub(crate) client: Option<Arc<dyn HttpClient>>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) timeout: Duration,
    pub(crate) max_calls: usize,
    // What was wrong with the parameters of a provider.
    pub(crate) fault: Option<BuildError>,
}

impl Default for Settings {
    fn default() -> Self {
        Self { client: None, clock: SystemClock::shared(), timeout: TIMEOUT, max_calls: CALLS, fault: None }
    }
}

impl Settings {
    pub(crate) fn build(&self) -> Result<Upstream, BuildError> {
        if let Some(fault) = &self.fault {
            return Err(fault.clone());
        }
        if self.timeout < MIN_TIMEOUT || self.timeout > MAX_TIMEOUT {
            return Err(BuildError::new("timeout", BuildErrorKind::OutOfRange));
        }
        if !(1..=MOST_CALLS).contains(&self.max_calls) {
            return Err(BuildError::new("max_upstream_calls", BuildErrorKind::OutOfRange));
        }
        Ok(Upstream {
            client: client::or_default(self.client.as_ref())?,
            clock: Arc::clone(&self.clock),
            timeout: self.timeout,
            places: Semaphore::new(self.max_calls),
        })
    }
}

/// A provider that can be asked.
#[derive(Debug)]
pub(crate) struct Upstream {
    pub(crate) client: Arc<dyn HttpClient>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) timeout: Duration,
    places: Semaphore,
}

impl Upstream {
    /// Does a piece of work that asks the provider, once there is a place, and no longer than the time limit in all.
    pub(crate) fn within_limits<'a>(
        &'a self,
        work: impl Future<Output = Result<AccessToken, VerifyError>> + Send + 'a,
    ) -> impl Future<Output = Result<AccessToken, VerifyError>> + Send + 'a {
        // Boxed, so that those around it make no copies of it.
        let work = Box::pin(work);
        let placed = async {
            let place = self.places.acquire().await;
            let _place = place.map_err(VerifyError::unavailable)?;
            work.await
        };
        let late = || Err(VerifyError::unavailable("no answer within the time limit"));
        async move { within(self.timeout, placed).await.unwrap_or_else(late) }
    }

    /// Sends one request. An answer of any status is an answer.
    pub(crate) async fn ask(&self, mut request: Request<Bytes>) -> Result<Answer, VerifyError> {
        let json = HeaderValue::from_static("application/json");
        request.headers_mut().entry(ACCEPT).or_insert(json);
        let limits = Limits::new(self.timeout, MAX_BODY);
        let answer = self.client.send(request, limits).await?;
        if answer.body().len() > MAX_BODY {
            return Err(VerifyError::unavailable("the answer is too long"));
        }
        Ok(Answer { answer, received_at: self.clock.now() })
    }
}

/// What a provider answered.
#[derive(Debug)]
pub(crate) struct Answer {
    answer: Response<Bytes>,
    pub(crate) received_at: SystemTime,
}

impl Answer {
    pub(crate) fn status(&self) -> StatusCode {
        self.answer.status()
    }

    pub(crate) fn headers(&self) -> &HeaderMap {
        self.answer.headers()
    }

    /// The value of a field that stands there once, as text.
    #[cfg(any(
        feature = "github",
        all(feature = "jwt", any(feature = "aws-lc-rs", feature = "rust-crypto"))
    ))]
    pub(crate) fn field(&self, name: &http::HeaderName) -> Option<&str> {
        let mut values = self.headers().get_all(name).iter();
        let value = values.next().filter(|_| values.next().is_none())?;
        value.to_str().ok()
    }

    pub(crate) fn body(&self) -> &[u8] {
        self.answer.body()
    }

    /// The body as one strict JSON object.
    pub(crate) fn object(&self) -> Result<Object<'_>, VerifyError> {
        let bad = |_| VerifyError::unavailable("the answer is not a strict JSON object");
        Object::parse(self.body()).map_err(bad)
    }

    /// Nobody can tell by this answer.
    pub(crate) fn unavailable(&self) -> VerifyError {
        let error = VerifyError::unavailable(self.said());
        self.retry_after().into_iter().fold(error, VerifyError::retry_after)
    }

    /// Nobody can tell by this answer, and our own set-up is to blame.
    pub(crate) fn misconfigured(&self) -> VerifyError {
        VerifyError::misconfigured(self.said())
    }

    /// When to ask again, if the provider said so.
    pub(crate) fn retry_after(&self) -> Option<Duration> {
        freshness::retry_after(self.headers(), self.received_at)
    }

    fn said(&self) -> String {
        format!("the provider answered with status {}", self.status().as_u16())
    }
}

/// The settings that every verifier has that asks a provider; its builder keeps them in a field `upstream`.
macro_rules! upstream_setters {
    ($builder:ty) => {
        impl $builder {
            /// How long a verification may take in all: waiting for a place, discovery, every request of it.
            ///
            /// Default: 5 seconds. From 1 millisecond to 60 seconds.
            pub fn timeout(mut self, timeout: std::time::Duration) -> Self {
                self.upstream.timeout = timeout;
                self
            }

            /// How many tokens are asked about at a time. Whoever comes on top waits for a place, within the
            /// [`timeout`](Self::timeout).
            ///
            /// Default: 64. From 1 to 10 000.
            pub fn max_upstream_calls(mut self, calls: usize) -> Self {
                self.upstream.max_calls = calls;
                self
            }

            /// The client to ask with. Default: a `ReqwestClient` with its defaults, if that feature is on.
            pub fn http_client(mut self, client: impl crate::client::HttpClient) -> Self {
                self.upstream.client = Some(std::sync::Arc::new(client));
                self
            }

            /// The clock to judge by. Default: that of the system.
            ///
            /// Inside an `AuthLayer` the dates of a token are judged by the clock of the layer too: set both.
            pub fn clock(mut self, clock: impl crate::clock::Clock) -> Self {
                self.upstream.clock = std::sync::Arc::new(clock);
                self
            }
        }
    };
}

pub(crate) use upstream_setters;
