//! The mark of a request that a layer let through without a token.
//!
//! Extractors tell by it that a layer ran, and answer with its challenge when the handler wants a token after all.

use http::HeaderValue;

/// Lies in the extensions of such a request. Nobody else can make one.
#[derive(Clone, Debug)]
pub(crate) struct PassedWithoutToken {
    #[cfg_attr(not(feature = "axum"), expect(dead_code, reason = "only extractors read it"))]
    pub(crate) challenge: HeaderValue,
}
