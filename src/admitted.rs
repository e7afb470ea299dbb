//! What a layer leaves with the requests that it lets in, so that later checks answer as it would.

use std::fmt;
use std::sync::Arc;

use tokio::sync::watch;

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

/// How a layer let a token in.
pub(crate) struct Admitted {
    pub(crate) protection: Arc<Protection>,
    // None if nobody waits for what the handler finds.
    findings: Option<watch::Sender<Finding>>,
}

/// What a handler found when it asked whether the token has the scopes of an operation.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(crate) enum Finding {
    /// It has not asked, so far.
    #[default]
    Nothing,
    /// The token has what was asked for.
    Enough,
    /// The token lacks some of these, which are all that were asked for where some were missing.
    Lacking(ScopeSet),
}

impl Protection {
    /// What a request needs here and at a later check, each scope once.
    pub(crate) fn scopes_with(&self, more: &ScopeSet) -> ScopeSet {
        ScopeSet::from_iter(self.scopes.iter().chain(more.iter()))
    }
}

impl Admitted {
    pub(crate) fn new(protection: Arc<Protection>) -> Self {
        Self { protection, findings: None }
    }

    /// With somebody who waits for what the handler finds, and learns too when nobody is left to ask.
    pub(crate) fn watched(protection: Arc<Protection>) -> (Self, watch::Receiver<Finding>) {
        let (findings, receiver) = watch::channel(Finding::Nothing);
        (Self { protection, findings: Some(findings) }, receiver)
    }

    /// Reports what was found. What was once missing stays so.
    pub(crate) fn report(&self, lacking: Option<&ScopeSet>) {
        let Some(findings) = &self.findings else { return };
        findings.send_modify(|finding| match (&*finding, lacking) {
            (Finding::Lacking(_), None) => {}
            (_, None) => *finding = Finding::Enough,
            (Finding::Lacking(before), Some(more)) => {
                *finding = Finding::Lacking(ScopeSet::from_iter(before.iter().chain(more.iter())));
            }
            (_, Some(lacking)) => *finding = Finding::Lacking(lacking.clone()),
        });
    }
}

impl fmt::Debug for Protection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Protection").finish_non_exhaustive()
    }
}
