//! What a layer leaves with the requests that it lets in, so that later checks answer as it would.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use crate::caught::caught_now;
use crate::error::BodyHook;
use crate::scope::{MAX_IN_CHALLENGE, ScopeHierarchy, ScopeSet};

/// Says how clients have to ask for a scope.
pub(crate) type NameOfScope = Box<dyn Fn(&str) -> String + Send + Sync>;

/// The settings of a layer that outlive its own decision. Shared by all requests.
#[derive(Default)]
pub(crate) struct Protection {
    /// What every request needs, as clients have to ask for it.
    pub(crate) scopes: ScopeSet,
    pub(crate) hierarchy: ScopeHierarchy,
    pub(crate) name_of_scope: Option<NameOfScope>,
    /// Where the metadata of the resource are. Empty: nowhere.
    pub(crate) resource_metadata: Box<str>,
    pub(crate) body: Option<BodyHook>,
    /// Whether calls of gRPC are answered as such.
    pub(crate) speaks_grpc: bool,
}

/// How a token was let in. Shared by all clones of the token that goes to the handler.
pub(crate) struct Admitted {
    pub(crate) protection: Arc<Protection>,
    // None if nobody waits for what the handler finds.
    findings: Option<Arc<Findings>>,
    // What a check inside of the layer demanded, and how the token had been let in before that.
    demanded: Option<(Arc<Self>, Arc<dyn Demand>)>,
}

/// The scopes of a check that a token has passed.
pub(crate) trait Demand: Send + Sync {
    /// As clients have to ask for them.
    fn wanted(&self, protection: &Protection) -> ScopeSet;
}

/// What a handler finds when it asks whether the token has the scopes of an operation, for the layer outside.
#[derive(Default)]
pub(crate) struct Findings {
    found: Mutex<Found>,
}

#[derive(Default)]
struct Found {
    // All that was asked for, as clients have to ask for it.
    wanted: ScopeSet,
    is_lacking: bool,
    // It has asked, or nobody is left to ask.
    is_settled: bool,
    waiting: Option<Waker>,
}

impl Protection {
    /// What a request needs here and at later checks, each scope once, as far as a challenge can hold it.
    pub(crate) fn scopes_with(&self, more: &ScopeSet) -> ScopeSet {
        let mut length = 0;
        let all = self.scopes.iter().chain(more.iter()).take_while(|scope| {
            length += scope.len() + 1;
            length <= MAX_IN_CHALLENGE + 1
        });
        ScopeSet::from_iter(all).without_offline_access()
    }

    /// The scopes of a token as clients have to ask for them.
    pub(crate) fn named(&self, scopes: &ScopeSet) -> ScopeSet {
        let Some(name_of) = &self.name_of_scope else { return scopes.clone() };
        caught_now(|| scopes.iter().map(name_of).collect()).unwrap_or_else(|| scopes.clone())
    }
}

impl Admitted {
    pub(crate) fn new(protection: Arc<Protection>) -> Self {
        Self { protection, findings: None, demanded: None }
    }

    /// With somebody who waits for what the handler finds.
    pub(crate) fn watched(protection: Arc<Protection>, findings: Arc<Findings>) -> Self {
        Self { protection, findings: Some(findings), demanded: None }
    }

    /// The same after one more check.
    pub(crate) fn after(before: &Arc<Self>, demand: Arc<dyn Demand>) -> Self {
        let demanded = Some((Arc::clone(before), demand));
        Self { protection: Arc::clone(&before.protection), findings: None, demanded }
    }

    /// All that was demanded on the way here, outermost first, and these.
    pub(crate) fn wanted_with(&self, more: &ScopeSet) -> ScopeSet {
        let Some((before, demand)) = &self.demanded else { return more.clone() };
        before.wanted_with(&demand.wanted(&self.protection).iter().chain(more.iter()).collect())
    }

    /// Reports what the handler found when it asked for these scopes. What was once missing stays so.
    pub(crate) fn report(&self, scopes: &ScopeSet, is_enough: bool) {
        let Some(findings) = self.findings() else { return };
        let wanted = self.wanted_with(&self.protection.named(scopes));
        findings.settle(|found| {
            // More than a challenge holds is of no use, and a handler may ask without end.
            if found.wanted.as_str().len() <= MAX_IN_CHALLENGE {
                found.wanted = found.wanted.iter().chain(wanted.iter()).collect();
            }
            found.is_lacking |= !is_enough;
        });
    }

    fn findings(&self) -> Option<&Findings> {
        match &self.demanded {
            Some((before, _)) => before.findings(),
            None => self.findings.as_deref(),
        }
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
    /// All that was asked for, if something of it was missing.
    pub(crate) fn lacking(&self) -> Option<ScopeSet> {
        let found = self.found();
        found.is_lacking.then(|| found.wanted.clone())
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
