//! The body of a rejection.

use bytes::Bytes;
use http::HeaderValue;

/// The body of a rejection, for [`rejection_body`](crate::middleware::AuthLayerBuilder::rejection_body).
#[derive(Clone, Debug)]
pub struct RejectionBody {
    content_type: HeaderValue,
    bytes: Bytes,
}

impl RejectionBody {
    /// A body of any type.
    #[must_use]
    pub fn new(content_type: HeaderValue, bytes: impl Into<Bytes>) -> Self {
        Self { content_type, bytes: bytes.into() }
    }

    /// A JSON body, such as a problem document.
    #[must_use]
    pub fn json(value: &serde_json::Value) -> Self {
        Self::new(HeaderValue::from_static("application/json"), value.to_string())
    }

    pub(crate) fn into_parts(self) -> (HeaderValue, Bytes) {
        (self.content_type, self.bytes)
    }
}
