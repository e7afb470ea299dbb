//! What a layer leaves with the requests that it lets in, so that later checks answer as it would.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use crate::rejection_body::BodyHook;
use crate::scope::{ScopeHierarchy, ScopeSet};

/// The settings of a layer that outlive its own decision. Shared by all requests.
#[derive(Default)]
pub(crate) struct Protection {
    /// What every request needs, as clients have to ask for it.
    pub(crate) scopes: ScopeSet,
    pub(crate) hierarchy: ScopeHierarchy,
    /// Where the metadata of the resource are. Empty: nowhere.
    pub(crate) resource_metadata: Box<str>,
    pub(crate) body: Option<BodyHook>,
    /// Whether calls of gRPC are answered as such.
    pub(crate) speaks_grpc: bool,
}

/// How a layer let a token in. Shared by all clones of the token that goes to the handler.
pub(crate) struct Admitted {
    pub(crate) protection: Arc<Protection>,
    // None if nobody waits for what the handler finds.
    findings: Option<Arc<Findings>>,
}

/// What a handler finds when it asks whether the token has the scopes of an operation, for the layer outside.
#[derive(Default)]
pub(crate) struct Findings {
    found: Mutex<Found>,
}

#[derive(Default)]
struct Found {
    // All that were asked for where some were missing.
    lacking: Option<ScopeSet>,
    // It has asked, or nobody is left to ask.
    is_settled: bool,
    waiting: Option<Waker>,
}

/// Longer challenges do not fit through common proxies.
const MAX_SCOPES: usize = 1_900;

impl Protection {
    /// What a request needs here and at a later check, each scope once, as far as a challenge can hold it.
    pub(crate) fn scopes_with(&self, more: &ScopeSet) -> ScopeSet {
        let mut length = 0;
        let all = self.scopes.iter().chain(more.iter()).take_while(|scope| {
            length += scope.len() + 1;
            length <= MAX_SCOPES + 1
        });
        ScopeSet::from_iter(all).without_offline_access()
    }
}

impl Admitted {
    pub(crate) fn new(protection: Arc<Protection>) -> Self {
        Self { protection, findings: None }
    }

    /// With somebody who waits for what the handler finds.
    pub(crate) fn watched(protection: Arc<Protection>, findings: Arc<Findings>) -> Self {
        Self { protection, findings: Some(findings) }
    }

    /// Reports what the handler found. What was once missing stays so.
    pub(crate) fn report(&self, lacking: Option<&ScopeSet>) {
        let Some(findings) = &self.findings else { return };
        findings.settle(|found| {
            if let Some(more) = lacking {
                let before = found.lacking.take().unwrap_or_default();
                found.lacking = Some(ScopeSet::from_iter(before.iter().chain(more.iter())));
            }
        });
    }
}

impl Drop for Admitted {
    fn drop(&mut self) {
        if let Some(findings) = &self.findings {
            findings.settle(|_| {});
        }
    }
}

impl Findings {
    /// What was missing, if anything was.
    pub(crate) fn lacking(&self) -> Option<ScopeSet> {
        self.found().lacking.clone()
    }

    /// Ready when the handler has asked, or can ask no more.
    pub(crate) fn poll_settled(&self, context: &Context<'_>) -> Poll<()> {
        let mut found = self.found();
        if found.is_settled {
            return Poll::Ready(());
        }
        found.waiting = Some(context.waker().clone());
        Poll::Pending
    }

    fn settle(&self, change: impl FnOnce(&mut Found)) {
        let mut found = self.found();
        change(&mut found);
        found.is_settled = true;
        let waiting = found.waiting.take();
        drop(found);
        if let Some(waker) = waiting {
            waker.wake();
        }
    }

    fn found(&self) -> MutexGuard<'_, Found> {
        self.found.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Protection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Protection").finish_non_exhaustive()
    }
}
