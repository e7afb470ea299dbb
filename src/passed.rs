//! The mark of a request that a layer let through without a token.
//!
//! Later checks tell by it that a layer ran, and answer as it would when somebody wants a token after all.

use std::sync::Arc;

use crate::admitted::Protection;
use crate::log::TARGET;
use crate::once_a_minute::OnceAMinute;

/// Lies in the extensions of such a request. Nobody else can make one.
#[derive(Clone, Debug)]
pub(crate) struct PassedWithoutToken {
    pub(crate) protection: Arc<Protection>,
    /// The request asks whether another one may be sent, and does nothing by itself.
    pub(crate) is_preflight: bool,
}

/// Says that somebody needs what no layer left: at most once a minute, since anybody can call such a route.
pub(crate) fn missing_layer() {
    static SAID: OnceAMinute = OnceAMinute::new();
    if SAID.is_due() {
        tracing::error!(
            target: TARGET,
            "a route needs the access token of its requests, but no `AuthLayer` is around it",
        );
    }
}
