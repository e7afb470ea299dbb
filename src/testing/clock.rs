//! A clock that stands still until it is moved.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use crate::clock::Clock;

/// 2026-01-01T00:00:00Z.
const START: Duration = Duration::from_secs(1_767_225_600);

/// Both clocks, moved by hand. Clones move together.
///
/// Give one to whatever dates a token and to whatever judges it: the provider, the verifier, a cache and the layer. Who
/// is left out goes by the clock of the system, for which the tokens of this one are of the past.
///
/// ```
/// # #[cfg(all(feature = "reqwest", any(feature = "aws-lc-rs", feature = "rust-crypto")))] {
/// use std::time::Duration;
///
/// use tower::{ServiceBuilder, ServiceExt};
/// use tower_bearer::testing::{TestClock, TestIssuer, assert_rejected};
/// use tower_bearer::{AuthLayer, JwtVerifier};
///
/// # async fn run() -> Result<(), Box<dyn std::error::Error>> {
/// let clock = TestClock::new();
/// let issuer = TestIssuer::with_clock(clock.clone()).await?;
/// let verifier = JwtVerifier::builder(issuer.issuer(), "https://api.example.com").clock(clock.clone()).build()?;
/// let service = ServiceBuilder::new()
///     .layer(AuthLayer::builder(verifier).clock(clock.clone()).build()?)
///     .service_fn(async |_: http::Request<()>| Ok::<_, std::io::Error>(http::Response::new(String::new())));
///
/// let token = issuer.token().audience("https://api.example.com").lifetime(Duration::from_secs(60)).mint();
/// let request = http::Request::get("/").header("authorization", format!("Bearer {token}")).body(())?;
/// assert_eq!(service.clone().oneshot(request.clone()).await?.status(), 200);
/// clock.advance(Duration::from_secs(60 + 60)); // its life, and the leeway of the verifier
/// assert_rejected(&service.oneshot(request).await?).status(401).error("invalid_token");
/// # Ok(()) }
/// # tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(run()).unwrap();
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct TestClock {
    times: Arc<Mutex<(SystemTime, Instant)>>,
}

impl TestClock {
    /// A clock that shows the first second of 2026.
    #[must_use]
    pub fn new() -> Self {
        Self::at(SystemTime::UNIX_EPOCH + START)
    }

    /// A clock that shows a time.
    #[must_use]
    pub fn at(now: SystemTime) -> Self {
        Self { times: Arc::new(Mutex::new((now, Instant::now()))) }
    }

    /// Lets time pass, on both clocks.
    pub fn advance(&self, span: Duration) {
        let mut times = self.times.lock().unwrap_or_else(PoisonError::into_inner);
        let (now, instant) = *times;
        // At the end of time it stands still.
        *times = (now.checked_add(span).unwrap_or(now), instant.checked_add(span).unwrap_or(instant));
    }

    /// Sets the wall clock, as an administrator or a time server does. The monotonic clock stays.
    pub fn set_now(&self, now: SystemTime) {
        self.times.lock().unwrap_or_else(PoisonError::into_inner).0 = now;
    }

    fn times(&self) -> (SystemTime, Instant) {
        *self.times.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Default for TestClock {
    fn default() -> Self {
        Self::new()
    }
}

impl Clock for TestClock {
    fn now(&self) -> SystemTime {
        self.times().0
    }

    fn instant(&self) -> Instant {
        self.times().1
    }
}
