//! Where a provider is asked: an address from the configuration, or one that the metadata of its issuer name.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use http::Uri;

use crate::clock::Clock;
use crate::discovery::Issuer;
use crate::error::VerifyError;

/// How long an address is used before it is looked up again.
const MAX_AGE: Duration = Duration::from_secs(24 * 60 * 60);
/// How long to wait after a look-up that failed.
const BACKOFF: Duration = Duration::from_secs(1);

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
            discovered.change(|found| found.is_doubtful = true);
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
        // Boxed: it is large, and seldom needed.
        let found = Box::pin(self.issuer.discover(self.member, self.clock.now())).await;
        let now = self.clock.instant();
        match found {
            Ok(uri) => {
                self.change(|found| *found = Found { known: Some((uri.clone(), now)), ..Found::default() });
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
            let is_recent = now.saturating_duration_since(*at) < BACKOFF;
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
