//! What a fake was asked, and what happens to its answers.

use std::collections::{BTreeMap, VecDeque};
use std::future::pending;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};

use super::fault::{Fault, Faults};
use super::server::Outcome;

/// How many requests are kept. The counts go on.
const KEPT: usize = 1000;

/// The requests of a fake and the disturbances of its answers.
#[derive(Debug, Default)]
pub(super) struct Traffic {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    latency: Duration,
    faults: Faults,
    counts: BTreeMap<String, u64>,
    log: VecDeque<Request<Bytes>>,
}

impl Traffic {
    /// Makes every answer late.
    pub(super) fn set_latency(&self, span: Duration) {
        self.state().latency = span;
    }

    /// Disturbs the requests for paths that start so. The empty prefix is all of them.
    pub(super) fn fail(&self, prefix: &str, fault: Fault) {
        self.state().faults.set(prefix, fault);
    }

    /// Disturbs the next requests.
    pub(super) fn fail_times(&self, fault: Fault, times: u64) {
        self.state().faults.add(fault, times);
    }

    /// Ends all faults.
    pub(super) fn recover(&self) {
        self.state().faults.clear();
    }

    /// How many requests there were for paths that start so.
    pub(super) fn requests(&self, prefix: &str) -> u64 {
        let state = self.state();
        state.counts.iter().filter(|(path, _)| path.starts_with(prefix)).map(|(_, count)| count).sum()
    }

    /// How many requests there were for one of these paths.
    #[cfg(any(feature = "aws-lc-rs", feature = "rust-crypto"))]
    pub(super) fn requests_for(&self, paths: &[&str]) -> u64 {
        let state = self.state();
        paths.iter().filter_map(|path| state.counts.get(*path)).sum()
    }

    /// The requests that are kept, the oldest first.
    pub(super) fn log(&self) -> Vec<Request<Bytes>> {
        self.state().log.iter().cloned().collect()
    }

    /// The latest request.
    pub(super) fn last(&self) -> Option<Request<Bytes>> {
        self.state().log.back().cloned()
    }

    /// Takes a request down, and lets happen to its answer what has to.
    pub(super) async fn conduct(
        &self,
        request: Request<Bytes>,
        respond: impl FnOnce(&Request<Bytes>) -> Response<Bytes> + Send,
    ) -> Outcome {
        let (latency, fault) = self.receive(&request);
        let outcome = match &fault {
            Some(Fault::Hang) => pending().await,
            Some(Fault::Reset) => Outcome::Reset,
            Some(Fault::Truncate) => Outcome::Half(respond(&request)),
            Some(fault) => Outcome::Answer(fault.answer().unwrap_or_else(|| respond(&request))),
            None => Outcome::Answer(respond(&request)),
        };
        let delay = if let Some(Fault::Delay(span)) = fault { latency.saturating_add(span) } else { latency };
        if !delay.is_zero() {
            tokio::time::sleep(delay).await;
        }
        outcome
    }

    fn receive(&self, request: &Request<Bytes>) -> (Duration, Option<Fault>) {
        let path = request.uri().path();
        let mut kept = request.clone();
        // What the server put there is not part of the request.
        kept.extensions_mut().clear();
        let mut state = self.state();
        *state.counts.entry(path.to_owned()).or_default() += 1;
        if state.log.len() >= KEPT {
            state.log.pop_front();
        }
        state.log.push_back(kept);
        (state.latency, state.faults.next(path))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What every fake can be told and asked; it has its traffic in `inner`, and a `server`.
macro_rules! traffic_methods {
    ($fake:ty) => {
        impl $fake {
            /// Makes every answer late by that time. It is decided when the request arrives.
            ///
            /// Default: zero.
            pub fn latency(&self, span: std::time::Duration) {
                self.inner.traffic.set_latency(span);
            }

            /// Disturbs every request from now on.
            pub fn fail(&self, fault: $crate::testing::Fault) {
                self.inner.traffic.fail("", fault);
            }

            /// Disturbs that many requests, after those that were announced before. What [`fail`](Self::fail) said
            /// holds again then.
            pub fn fail_times(&self, fault: $crate::testing::Fault, times: u64) {
                self.inner.traffic.fail_times(fault, times);
            }

            /// Disturbs every request whose path starts with a prefix. The longest prefix decides.
            pub fn fail_at(&self, path_prefix: &str, fault: $crate::testing::Fault) {
                self.inner.traffic.fail(path_prefix, fault);
            }

            /// Ends all faults. The latency stays.
            pub fn recover(&self) {
                self.inner.traffic.recover();
            }

            /// Goes down: requests are not answered from now on, their connections are closed instead.
            pub fn stop(&self) {
                self.server.stop();
            }

            /// Comes back, at the same address.
            pub fn restart(&self) {
                self.server.restart();
            }

            /// How many requests there were, disturbed ones included.
            #[must_use]
            pub fn requests(&self) -> u64 {
                self.inner.traffic.requests("")
            }

            /// How many requests there were whose path starts with a prefix.
            #[must_use]
            pub fn requests_to(&self, path_prefix: &str) -> u64 {
                self.inner.traffic.requests(path_prefix)
            }

            /// The latest request. None before the first.
            #[must_use]
            pub fn last_request(&self) -> Option<http::Request<bytes::Bytes>> {
                self.inner.traffic.last()
            }

            /// The latest thousand requests, the oldest first.
            #[must_use]
            pub fn requests_log(&self) -> Vec<http::Request<bytes::Bytes>> {
                self.inner.traffic.log()
            }
        }
    };
}

pub(super) use traffic_methods;
