//! Where a provider is asked: an address from the configuration, or one that the metadata of its issuer name.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use http::Uri;

use crate::clock::Clock;
use crate::deadline::within;
use crate::discovery::Issuer;
use crate::error::VerifyError;

/// How long an address is used before it is looked up again.
const MAX_AGE: Duration = Duration::from_secs(24 * 60 * 60);
/// How long to wait after a look-up that failed.
const BACKOFF: Duration = Duration::from_secs(1);
/// The same where an address is known, and how long one is not doubted that was found again.
const PATIENCE: Duration = Duration::from_secs(60);

/// Where a provider is asked.
#[derive(Debug)]
pub(crate) enum Address {
    Configured(Uri),
    Discovered(Box<Discovered>),
}

impl Address {
    pub(crate) fn discovered(issuer: Issuer, member: &'static str, clock: Arc<dyn Clock>) -> Self {
        let (found, looking) = (Mutex::default(), tokio::sync::Mutex::default());
        Self::Discovered(Box::new(Discovered { issuer, member, clock, found, looking }))
    }

    /// The address. Waits for the metadata where they are needed.
    pub(crate) async fn uri(&self) -> Result<Uri, VerifyError> {
        match self {
            Self::Configured(uri) => Ok(uri.clone()),
            Self::Discovered(discovered) => discovered.uri().await,
        }
    }

    /// Looks the address up again when it is needed next: there is nothing at the one that is known.
    pub(crate) fn doubt(&self) {
        if let Self::Discovered(discovered) = self {
            let now = discovered.clock.instant();
            discovered.change(|found| {
                let is_old = |at: Instant| now.saturating_duration_since(at) >= PATIENCE;
                found.is_doubtful |= found.confirmed_at.is_none_or(is_old);
            });
        }
    }
}

/// An address from the metadata, looked up when it is first needed, by one caller at a time.
#[derive(Debug)]
pub(crate) struct Discovered {
    issuer: Issuer,
    member: &'static str,
    clock: Arc<dyn Clock>,
    // Held for a look or an assignment, never across a look-up.
    found: Mutex<Found>,
    // Held by the one who looks it up. Whoever goes away lets the next one do it.
    looking: tokio::sync::Mutex<()>,
}

#[derive(Debug, Default)]
struct Found {
    known: Option<(Uri, Instant)>,
    is_doubtful: bool,
    // When the metadata last named the address that was known before.
    confirmed_at: Option<Instant>,
    // Present while the last look-up is one that failed.
    failure: Option<(VerifyError, Instant)>,
}

impl Discovered {
    async fn uri(&self) -> Result<Uri, VerifyError> {
        let asked_at = self.clock.instant();
        if let Some(known) = self.at_hand(asked_at) {
            return known;
        }
        // Who knows an old address does not wait for a new one that somebody else looks up.
        let _looking = match (self.looking.try_lock(), self.old()) {
            (Ok(looking), _) => looking,
            (Err(_), Some(old)) => return Ok(old),
            (Err(_), None) => self.looking.lock().await,
        };
        // Second look: what was found out meanwhile is for all who waited.
        if let Some(known) = self.at_hand(asked_at) {
            return known;
        }
        // Whoever asks needs time for the rest. And it has to end before they give up, or its failure is not noted.
        let limit = self.issuer.timeout.mul_f32(if self.old().is_some() { 0.5 } else { 0.9 });
        // Boxed: it is large, and seldom needed.
        let found = Box::pin(within(limit, self.issuer.discover(self.member, self.clock.now()))).await;
        let late = || Err(VerifyError::unavailable("no metadata within the time limit"));
        let found = found.unwrap_or_else(late);
        let now = self.clock.instant();
        match found {
            Ok(uri) => {
                self.change(|found| {
                    let is_same = found.known.as_ref().is_some_and(|(known, _)| *known == uri);
                    let confirmed_at = is_same.then_some(now);
                    *found = Found { known: Some((uri.clone(), now)), confirmed_at, ..Found::default() };
                });
                Ok(uri)
            }
            Err(error) => {
                self.change(|found| found.failure = Some((error.clone(), now)));
                self.old().ok_or(error)
            }
        }
    }

    /// What is known without asking anybody: a fresh address, or that there is none to be had just now.
    fn at_hand(&self, now: Instant) -> Option<Result<Uri, VerifyError>> {
        self.change(|found| {
            let is_fresh = |(_, at): &&(Uri, Instant)| now.saturating_duration_since(*at) < MAX_AGE;
            let known = found.known.as_ref();
            if let Some((uri, _)) = known.filter(is_fresh).filter(|_| !found.is_doubtful) {
                return Some(Ok(uri.clone()));
            }
            let (error, at) = found.failure.as_ref()?;
            let wait = if known.is_some() { PATIENCE } else { BACKOFF };
            let is_recent = now.saturating_duration_since(*at) < wait;
            is_recent.then(|| known.map_or_else(|| Err(error.clone()), |(uri, _)| Ok(uri.clone())))
        })
    }

    fn old(&self) -> Option<Uri> {
        self.change(|found| found.known.as_ref().map(|(uri, _)| uri.clone()))
    }

    fn change<T>(&self, change: impl FnOnce(&mut Found) -> T) -> T {
        change(&mut self.found.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
