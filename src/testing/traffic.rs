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
